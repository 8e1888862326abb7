// The floor: the network of Massey et al. (models/massey2026.py), written by hand for one thread.
//
// Portable C++, in single precision or that of REAL: traces live on neurons, outgoing synapses lie one after the
// other by presynaptic neuron, incoming ones are found through an index by postsynaptic neuron,
// and the loops are written so that a compiler can vectorise them. It does what the generated
// program does in a wake phase, in the same order, and nothing else: no schedule, no gates, no
// recording but spike counts, no weight process, equations fixed.
//
//   limit NETWORK STEPS [REPEATS]
//
// NETWORK is a file written by benchmarks/peers.py. One line a repeat: seconds, then the spikes
// of input, E and I, then the synaptic events.

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "common.h"

namespace {

struct Parameters {
    Real dt, tau_m, tau_syn, r, v_rest, v_reset, v_threshold, v_low, v_high, tau_a, a_spike;
    Real lr, keep_plus, keep_minus, w_min, w_max, charge;  // keep: decay of a trace in one step
};

struct Projection {
    int source, target;             // population
    Real sign;
    std::vector<int32_t> pre, post; // by synapse, ascending in pre
    std::vector<Real> w;
    std::vector<int32_t> out_start, in_start, in_synapse, in_pre;

    void index(int n_pre, int n_post) {
        out_start.assign(n_pre + 1, 0);
        in_start.assign(n_post + 1, 0);
        for (int32_t k : pre) out_start[k + 1]++;
        for (int32_t k : post) in_start[k + 1]++;
        for (int k = 0; k < n_pre; k++) out_start[k + 1] += out_start[k];
        for (int k = 0; k < n_post; k++) in_start[k + 1] += in_start[k];
        in_synapse.resize(pre.size());
        in_pre.resize(pre.size());
        std::vector<int32_t> next(in_start.begin(), in_start.end() - 1);
        for (size_t s = 0; s < pre.size(); s++) {
            const int32_t at = next[post[s]]++;
            in_synapse[at] = s;
            in_pre[at] = pre[s];
        }
    }
};

struct Population {
    int n;
    bool is_input;
    std::vector<Real> v, i_syn, a, x, y; // x: trace as presynaptic neuron, y: as postsynaptic
    std::vector<uint32_t> chance;         // of an input spike, in units of 2**-32
    std::vector<int32_t> spikes;
    int n_spikes = 0;
    int64_t total = 0;
};

inline Real bounded(Real value, Real low, Real high) {
    value = value < low ? low : value;
    return value > high ? high : value;
}

void find_spikes(Population& group, const char* fired) {
    int32_t* __restrict spikes = group.spikes.data();
    int count = 0;
    for (int k = 0; k < group.n; k++) {
        spikes[count] = k; // without a branch
        count += fired[k];
    }
    group.n_spikes = count;
    group.total += count;
}

void step_input(Population& group, const Parameters& p, uint32_t step, char* __restrict fired) {
    Real* __restrict x = group.x.data();
    const uint32_t* __restrict chance = group.chance.data();
    const uint32_t key = mixed(step);
    for (int k = 0; k < group.n; k++) x[k] *= p.keep_minus;
    for (int k = 0; k < group.n; k++) fired[k] = mixed(key + k) < chance[k];
}

void step_neurons(Population& group, const Parameters& p, char* __restrict fired) {
    Real* __restrict v = group.v.data();
    Real* __restrict i_syn = group.i_syn.data();
    Real* __restrict a = group.a.data();
    Real* __restrict x = group.x.data();
    Real* __restrict y = group.y.data();
    const Real m = p.dt / p.tau_m, s = 1 - p.dt / p.tau_syn, d = 1 - p.dt / p.tau_a;
    const Real v_rest = p.v_rest, r = p.r, low = p.v_low, high = p.v_high;
    const Real threshold = p.v_threshold, minus = p.keep_minus, plus = p.keep_plus;
    for (int k = 0; k < group.n; k++) {
        v[k] = bounded(v[k] + m * (v_rest + r * i_syn[k] - v[k]), low, high);
        i_syn[k] *= s;
        a[k] *= d;
        x[k] *= minus;
        y[k] *= plus;
        fired[k] = v[k] > threshold + a[k];
    }
}

int64_t transmit(Projection& s, const Population& from, Population& to, const Parameters& p) {
    const int32_t* __restrict post = s.post.data();
    Real* __restrict w = s.w.data();
    Real* __restrict i_syn = to.i_syn.data();
    const Real* __restrict y = to.y.data();
    const Real effect = s.sign * p.charge / p.tau_syn, lr = p.lr;
    int64_t events = 0;
    for (int k = 0; k < from.n_spikes; k++) {
        const int32_t begin = s.out_start[from.spikes[k]], end = s.out_start[from.spikes[k] + 1];
        for (int32_t j = begin; j < end; j++) {
            i_syn[post[j]] += effect * w[j];
            w[j] = bounded(w[j] + lr * y[post[j]], p.w_min, p.w_max);
        }
        events += end - begin;
    }
    return events;
}

int64_t learn(Projection& s, const Population& from, const Population& to, const Parameters& p) {
    const int32_t* __restrict synapse = s.in_synapse.data();
    const int32_t* __restrict pre = s.in_pre.data();
    Real* __restrict w = s.w.data();
    const Real* __restrict x = from.x.data();
    const Real lr = p.lr;
    int64_t events = 0;
    for (int k = 0; k < to.n_spikes; k++) {
        const int32_t begin = s.in_start[to.spikes[k]], end = s.in_start[to.spikes[k] + 1];
        for (int32_t j = begin; j < end; j++)
            w[synapse[j]] = bounded(w[synapse[j]] - lr * x[pre[j]], p.w_min, p.w_max);
        events += end - begin;
    }
    return events;
}

void reset(Population& group, const Parameters& p) {
    for (int k = 0; k < group.n_spikes; k++) {
        const int32_t n = group.spikes[k];
        group.x[n] = 1;
        if (group.is_input) continue;
        group.y[n] = 1;
        group.v[n] = p.v_reset;
        group.a[n] += p.a_spike;
    }
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 3) { fprintf(stderr, "usage: limit NETWORK STEPS [REPEATS]\n"); return 2; }
    FILE* file = fopen(argv[1], "rb");
    if (!file) { fprintf(stderr, "cannot open %s\n", argv[1]); return 2; }
    const uint32_t steps = atoi(argv[2]);
    const int repeats = argc > 3 ? atoi(argv[3]) : 1;

    const std::vector<Real> numbers = read_reals(file);
    Parameters p;
    static_assert(sizeof p == 17 * sizeof(Real), "numbers without gaps");
    if (numbers.size() * sizeof(Real) != sizeof p) { fprintf(stderr, "other numbers\n"); return 2; }
    memcpy(&p, numbers.data(), sizeof p);
    std::vector<Population> groups(3);
    int largest = 0;
    for (int g = 0; g < 3; g++) {
        Population& group = groups[g];
        group.n = read_one<int64_t>(file);
        group.is_input = g == 0;
        group.v.assign(group.n, p.v_rest);
        for (auto* values : {&group.i_syn, &group.a, &group.x, &group.y})
            values->assign(group.n, Real(0));
        group.spikes.resize(group.n + 1);
        largest = group.n > largest ? group.n : largest;
    }
    for (Real chance : read_reals(file))
        groups[0].chance.push_back((uint32_t)(double(chance) * 4294967295.0));
    std::vector<Projection> projections(read_one<int64_t>(file));
    for (Projection& s : projections) {
        s.source = read_one<int64_t>(file);
        s.target = read_one<int64_t>(file);
        s.sign = Real(read_one<double>(file));
        s.pre = read_many<int32_t>(file);
        s.post = read_many<int32_t>(file);
        s.w = read_reals(file);
        s.index(groups[s.source].n, groups[s.target].n);
    }
    std::vector<char> fired(largest);

    uint32_t step = 0;
    for (int repeat = 0; repeat < repeats; repeat++) {
        for (Population& group : groups) group.total = 0;
        int64_t events = 0;
        const auto begun = std::chrono::steady_clock::now();
        for (uint32_t k = 0; k < steps; k++, step++) {
            for (Population& group : groups) {
                if (group.is_input) step_input(group, p, step, fired.data());
                else step_neurons(group, p, fired.data());
                find_spikes(group, fired.data());
            }
            for (Projection& s : projections) {
                events += transmit(s, groups[s.source], groups[s.target], p);
                events += learn(s, groups[s.source], groups[s.target], p);
            }
            for (Population& group : groups) reset(group, p);
        }
        const double took = std::chrono::duration<double>(
            std::chrono::steady_clock::now() - begun).count();
        printf("%.6f %lld %lld %lld %lld\n", took, (long long)groups[0].total,
               (long long)groups[1].total, (long long)groups[2].total, (long long)events);
    }
}

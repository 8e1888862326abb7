// The floor of published networks: COBA and CUBA of Vogels & Abbott (models/vogels_abbott.py) and
// Brunel's network (models/brunel.py), as it is and with plastic synapses, written by hand for one
// thread.
//
// Portable C++, in single precision or that of REAL, with what a program for these networks alone
// may know: weights are one number a source population, or one a plastic synapse; targets are
// numbers below 65536. What arrives in a step of Brunel's is summed up in units of the smallest
// weight, in 16 bits a neuron, so that the sums of 12 500 neurons fit a first-level cache. Neurons
// are updated without a branch; a spike is looked for in eight neurons at a time. Same order within
// a step as the generated program: state, threshold, background, arrivals, reset. `ivdep`: the
// arrays do not overlap, which a compiler no longer knows once the functions are one. How plastic
// synapses are kept is said in plastic.h.
//
//   published NETWORK STEPS [REPEATS]
//
// NETWORK is a file written by benchmarks/published_peers.py. One line a repeat: seconds, spikes,
// synaptic events, and how much the mean of plastic weights has changed since the start.

#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "common.h"
#include "plastic.h"

namespace {

enum Kind { COBA, CUBA, BRUNEL, PLASTIC };

struct Parameters {
    Real dt, v_threshold, v_reset, v_rest, tau_m;  // s and V; of Brunel v is measured from rest
    Real g_leak, c_m, v_e, v_i;                    // COBA
    Real tau_e, tau_i, w_e, w_i;                   // of a spike; the sign is in the code
    Real mean, w_background;                       // Poisson spikes of a neuron and step
};

constexpr int MOST = 16;  // background spikes of a neuron in a step; with a mean of 2, 1e-10 above

struct Net {
    Kind kind;
    Parameters p;
    int n = 0, n_e = 0, rest = 0, delay = 0;  // neurons, excitatory ones, refractory steps, delay
    std::vector<Real> v, g_e, g_i;
    std::vector<int32_t> quiet;                  // steps left without integration
    std::vector<Real> came_e, came_i;           // spikes that arrived in this step
    std::vector<int16_t> arrived;                // the same, Brunel: in units of the weight
    std::vector<int64_t> start;
    std::vector<uint16_t> target;
    std::vector<unsigned char> fired;
    std::vector<std::vector<uint16_t>> spikes;  // of the last `delay` steps, and of this one
    uint32_t bound[MOST];                       // of the Poisson distribution, in 2**-32
    Plastic plastic;
    int64_t total = 0, events = 0;

    void step_coba() {
        const int n = this->n;
        Real* __restrict v_ = v.data();
        Real* __restrict e = g_e.data();
        Real* __restrict i = g_i.data();
        int32_t* __restrict q = quiet.data();
        Real* __restrict a = came_e.data();
        Real* __restrict b = came_i.data();
        unsigned char* __restrict f = fired.data();
        const Parameters p = this->p;  // so that no store can change it
        const Real threshold = p.v_threshold;
        const Real k = p.dt / p.c_m, keep_e = 1 - p.dt / p.tau_e, keep_i = 1 - p.dt / p.tau_i;
#pragma GCC ivdep
        for (int j = 0; j < n; j++) {
            const Real ge = e[j] + p.w_e * a[j], gi = i[j] + p.w_i * b[j];  // of the step before
            const Real next = v_[j] + k * (p.g_leak * (p.v_rest - v_[j]) + ge * (p.v_e - v_[j])
                                            + gi * (p.v_i - v_[j]));
            const int32_t left = q[j];
            const Real after = left ? v_[j] : next;
            v_[j] = after;
            q[j] = left - (left ? 1 : 0);
            e[j] = ge * keep_e;
            i[j] = gi * keep_i;
            a[j] = b[j] = 0;
            f[j] = after > threshold;  // that of a refractory neuron is at its reset
        }
    }

    void step_cuba() {
        const int n = this->n;
        Real* __restrict v_ = v.data();
        Real* __restrict e = g_e.data();
        Real* __restrict i = g_i.data();
        int32_t* __restrict q = quiet.data();
        Real* __restrict a = came_e.data();
        Real* __restrict b = came_i.data();
        unsigned char* __restrict f = fired.data();
        const Parameters p = this->p;
        const Real threshold = p.v_threshold;
        const Real keep = std::exp(-p.dt / p.tau_m);
        const Real keep_e = std::exp(-p.dt / p.tau_e), keep_i = std::exp(-p.dt / p.tau_i);
        // exact: a current that decays with tau reaches the membrane with these factors
        const Real from_e = p.tau_e / (p.tau_e - p.tau_m) * (keep_e - keep);
        const Real from_i = p.tau_i / (p.tau_i - p.tau_m) * (keep_i - keep);
#pragma GCC ivdep
        for (int j = 0; j < n; j++) {
            const Real ue = e[j] + p.w_e * a[j], ui = i[j] - p.w_i * b[j];
            const Real next = p.v_rest + (v_[j] - p.v_rest) * keep + ue * from_e + ui * from_i;
            const int32_t left = q[j];
            const Real after = left ? v_[j] : next;
            v_[j] = after;
            q[j] = left - (left ? 1 : 0);
            e[j] = ue * keep_e;
            i[j] = ui * keep_i;
            a[j] = b[j] = 0;
            f[j] = after > threshold;  // that of a refractory neuron is at its reset
        }
    }

    void step_brunel(uint32_t step) {
        const int n = this->n;
        Real* __restrict v_ = v.data();
        const int32_t* __restrict q = quiet.data();
        int16_t* __restrict a = arrived.data();
        unsigned char* __restrict f = fired.data();
        const Real keep = std::exp(-p.dt / p.tau_m), threshold = p.v_threshold;
#pragma GCC ivdep
        for (int j = 0; j < n; j++) {
            const Real after = q[j] ? v_[j] : v_[j] * keep;
            v_[j] = after;
            f[j] = after > threshold;
        }
        const uint32_t key = mixed(step);
#pragma GCC ivdep
        for (int j = 0; j < n; j++) {  // background, in units of the excitatory weight
            const uint32_t u = mixed(key + j);
            int16_t count = 0;
            for (int k = 0; k < MOST; k++) count += u >= bound[k];
            a[j] += count;
        }
    }

    void find_spikes(std::vector<uint16_t>& found) {
        found.clear();
        int j = 0;
        for (; j + 8 <= n; j += 8) {
            uint64_t eight;
            memcpy(&eight, &fired[j], 8);
            if (eight) for (int k = j; k < j + 8; k++) if (fired[k]) found.push_back(k);
        }
        for (; j < n; j++) if (fired[j]) found.push_back(j);
        total += found.size();
    }

    void deliver(const std::vector<uint16_t>& came, uint32_t step) {
        const int n = this->n;
        const uint16_t* __restrict to = target.data();
        if (kind == PLASTIC) plastic.begin_step(step);
        const int16_t ratio = std::lround(p.w_i / p.w_e);
        for (uint16_t pre : came) {
            int64_t begin = start[pre];
            const int64_t end = start[pre + 1];
            events += end - begin;
            if (kind == PLASTIC && pre < n_e) begin = plastic.arrive(pre, to, begin);
            if (kind >= BRUNEL) {
                int16_t* __restrict a = arrived.data();
                const int16_t unit = pre < n_e ? 1 : -ratio;
                for (int64_t j = begin; j < end; j++) a[to[j]] += unit;
            } else {
                Real* __restrict a = (pre < n_e ? came_e : came_i).data();
                for (int64_t j = begin; j < end; j++) a[to[j]] += 1;
            }
        }
        if (kind < BRUNEL) return;
        if (kind == PLASTIC) {  // refractory neurons are at their reset, and stay there
            Real* __restrict v_ = v.data();
            Real* __restrict sum = plastic.came.data();
            const int32_t* __restrict q = quiet.data();
#pragma GCC ivdep
            for (int j = 0; j < n_e; j++) {
                v_[j] += q[j] ? Real(0) : sum[j];
                sum[j] = 0;
            }
        }
        const Real w = p.w_e;
        Real* __restrict v_ = v.data();
        int16_t* __restrict sum = arrived.data();
        int32_t* __restrict q = quiet.data();
#pragma GCC ivdep
        for (int j = 0; j < n; j++) {  // while a neuron is refractory, what comes has no effect
            const int32_t left = q[j];
            v_[j] += left ? Real(0) : w * sum[j];
            q[j] = left - (left ? 1 : 0);
            sum[j] = 0;
        }
    }

    void reset(const std::vector<uint16_t>& found) {
        for (uint16_t j : found) { v[j] = p.v_reset; quiet[j] = rest - 1; }
    }

    void step(uint32_t k) {
        if (kind == COBA) step_coba();
        else if (kind == CUBA) step_cuba();
        else step_brunel(k);
        std::vector<uint16_t>& now = spikes[k % (delay + 1)];
        find_spikes(now);
        deliver(spikes[(k + 1) % (delay + 1)], k);  // the oldest; without a delay those of now
        if (kind == PLASTIC) plastic.fire(now);
        reset(now);
    }
};

} // namespace

int main(int argc, char** argv) {
    if (argc < 3) { fprintf(stderr, "usage: published NETWORK STEPS [REPEATS]\n"); return 2; }
    FILE* file = fopen(argv[1], "rb");
    if (!file) { fprintf(stderr, "cannot open %s\n", argv[1]); return 2; }
    const uint32_t steps = atoi(argv[2]);
    const int repeats = argc > 3 ? atoi(argv[3]) : 1;

    Net net;
    net.kind = Kind(read_one<int64_t>(file));
    net.n = read_one<int64_t>(file);
    net.n_e = read_one<int64_t>(file);
    net.rest = read_one<int64_t>(file);
    net.delay = read_one<int64_t>(file);
    const std::vector<Real> numbers = read_reals(file);
    static_assert(sizeof net.p == 15 * sizeof(Real), "numbers without gaps");
    if (numbers.size() * sizeof(Real) != sizeof net.p) { fprintf(stderr, "other numbers\n"); return 2; }
    memcpy(&net.p, numbers.data(), sizeof net.p);
    const std::vector<Real> rule = read_reals(file);
    net.v = read_reals(file);
    net.g_e = read_reals(file);
    net.g_i = read_reals(file);
    net.start = read_many<int64_t>(file);
    net.target = read_many<uint16_t>(file);
    if (net.kind == PLASTIC) net.plastic.set_up(rule, net.p.dt, net.n_e, net.start, net.target, net.p.w_e);
    net.quiet.assign(net.n, 0);
    net.arrived.assign(net.n, 0);
    net.came_e.assign(net.n, 0);
    net.came_i.assign(net.n, 0);
    net.fired.assign(net.n, 0);
    net.spikes.resize(net.delay + 1);
    for (auto& found : net.spikes) found.reserve(net.n);
    double term = std::exp(-double(net.p.mean)), sum = term;
    for (int k = 0; k < MOST; k++) {
        const double scaled = sum * 4294967296.0;
        net.bound[k] = scaled >= 4294967295.0 ? 4294967295U : uint32_t(scaled);
        term *= net.p.mean / (k + 1);
        sum += term;
    }

    uint32_t step = 0;
    for (int repeat = 0; repeat < repeats; repeat++) {
        net.total = net.events = 0;
        const auto begun = std::chrono::steady_clock::now();
        for (uint32_t k = 0; k < steps; k++, step++) net.step(step);
        const double took = std::chrono::duration<double>(
            std::chrono::steady_clock::now() - begun).count();
        printf("%.6f %lld %lld %.9g\n", took, (long long)net.total, (long long)net.events,
               net.kind == PLASTIC ? net.plastic.mean() - double(net.p.w_e) : 0.0);
    }
}

// Plastic synapses of the hand-written programs: pairs of spikes, all to all, hard bounds.
//
//   a presynaptic spike arrives: w = max(w - lr * a_minus * y, w_min), then its trace x += 1
//   a postsynaptic spike:        w = min(w + lr * a_plus * x, w_max),  then its trace y += 1
//
// A weight is looked at only where a presynaptic spike comes along: they lie one after the other.
// What postsynaptic spikes did since the last one is then
//
//   lr * a_plus * x(L) * sum of exp(-(s - L) / tau_plus) over their steps s,
//
// L being the step in which the last one arrived. A row of bytes a step says how many spikes every
// postsynaptic neuron had before it: the difference of two rows is the number of terms n. Each
// neuron keeps the sums over its last 1, 2, ... 6 spikes, so that a synapse costs one look at such
// a sum. More than 6 are added up one by one. A weight that only grows meanwhile is cut at its
// bound once. Steps in the exponents are counted from a base that moves. Synapses of a neuron that
// was silent for ROWS steps are brought up to date then.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>

#include "common.h"

struct Plastic {
    static constexpr int ROWS = 1024, SUMS = 6, HISTORY = 256, EPOCH = 256;

    struct Post {
        Real sum[SUMS + 1];  // over its last n spikes of exp(-(s - base) / tau_plus)
        Real y;              // trace: times exp((now - base) / tau_minus), as it is at `base`
    };

    int n = 0;  // neurons: presynaptic, and postsynaptic ones
    Real gain = 0, loss = 0, w_min = 0, w_max = 0;
    double d_plus = 0, d_minus = 0;  // steps in units of the time constants
    uint32_t now = 0, base = 0;
    Real grown_plus = 1, grown_minus = 1;  // exp(-(now - base) ...), and the same of the trace
    std::vector<Real> w, came;             // weights by presynaptic neuron; what arrives in a step
    std::vector<int64_t> first;             // weight of a neuron
    const int64_t* starts = nullptr;         // and its targets
    const uint16_t* targets = nullptr;
    std::vector<Post> post;
    std::vector<uint8_t> count, rows;          // spikes of each neuron, and before each step
    std::vector<std::vector<uint32_t>> times;  // of the last HISTORY spikes of each neuron
    std::vector<double> x;                     // trace when the last spike had arrived
    std::vector<uint32_t> last;                // when it did
    std::vector<std::vector<uint16_t>> stamped;  // who had a spike arrive, by step

    void set_up(const std::vector<Real>& rule, double dt, int size,
                const std::vector<int64_t>& start, const std::vector<uint16_t>& target, Real w0) {
        n = size;
        starts = start.data();
        targets = target.data();
        gain = rule[0] * rule[1];
        loss = rule[0] * rule[2];
        d_plus = dt / rule[3];
        d_minus = dt / rule[4];
        w_min = rule[5];
        w_max = rule[6];
        first.assign(n + 1, 0);
        for (int pre = 0; pre < n; pre++) {
            int64_t many = 0;
            for (int64_t j = start[pre]; j < start[pre + 1] && target[j] < n; j++) many++;
            first[pre + 1] = first[pre] + many;
        }
        w.assign(first[n], w0);
        came.assign(n, 0);
        post.assign(n, Post{});
        count.assign(n, 0);
        rows.assign(size_t(ROWS) * n, 0);
        times.assign(n, std::vector<uint32_t>(HISTORY, 0));
        x.assign(n, 0);
        last.assign(n, 0);
        stamped.resize(ROWS);
        for (auto& who : stamped) who.reserve(n / 16);
    }

    void begin_step(uint32_t step) {
        now = step;
        if (now - base >= EPOCH) {
            const Real up = std::exp((now - base) * d_plus), down = std::exp(-double(now - base) * d_minus);
            for (Post& each : post) {
                for (int k = 1; k <= SUMS; k++) each.sum[k] *= up;
                each.y *= down;
            }
            base = now;
        }
        grown_plus = std::exp(-double(now - base) * d_plus);
        grown_minus = std::exp(double(now - base) * d_minus);
        std::vector<uint16_t>& oldest = stamped[now % ROWS];
        std::vector<uint16_t> due;
        for (uint16_t pre : oldest) if (last[pre] + ROWS == now) due.push_back(pre);
        oldest.clear();
        for (uint16_t pre : due) {
            caught_up(pre, &targets[starts[pre]], [](int, Real value) { return value; });
            stamp(pre, 0);
        }
        if (!now) for (int pre = 0; pre < n; pre++) stamp(pre, 0);
        memcpy(&rows[size_t(now % ROWS) * n], count.data(), n);
    }

    Real late(int q, int many) const {  // the sum over more spikes than are kept
        double sum = 0;
        for (int k = 1; k <= many; k++) {
            const uint32_t s = times[q][uint8_t(count[q] - k)];
            sum += std::exp(-(double(s) - double(base)) * d_plus);
        }
        return Real(sum);
    }

    void stamp(int pre, double more) {
        x[pre] = x[pre] * std::exp(-double(now - last[pre]) * d_plus) + more;
        last[pre] = now;
        stamped[now % ROWS].push_back(pre);
    }

    // Brings the synapses of a neuron up to date and calls `use(number, neuron, weight)` for each;
    // the weight becomes what that returns.
    template <class Use> void caught_up(int pre, const uint16_t* __restrict targets, Use use) {
        const uint8_t* __restrict then = &rows[size_t(last[pre] % ROWS) * n];
        const uint8_t* __restrict counts = count.data();
        const Post* __restrict posts = post.data();
        Real* __restrict weight = w.data() + first[pre];
        const int many = first[pre + 1] - first[pre];
        const Real high = w_max;
        const Real up = gain * x[pre] * std::exp((double(last[pre]) - double(base)) * d_plus);
        for (int j = 0; j < many; j++) {
            const int q = targets[j];
            const uint8_t terms = counts[q] - then[q];
            const Real sum = __builtin_expect(terms > SUMS, 0) ? late(q, terms) : posts[q].sum[terms];
            const Real value = weight[j] + up * sum;
            weight[j] = use(q, value > high ? high : value);
        }
    }

    // A spike arrives; returns where the targets begin that have no plastic synapse.
    int64_t arrive(int pre, const uint16_t* __restrict target, int64_t begin) {
        Real* __restrict sum = came.data();
        const Post* __restrict posts = post.data();
        const Real down = loss / grown_minus, low = w_min;
        caught_up(pre, target + begin, [=](int q, Real value) {
            sum[q] += value;
            const Real less = value - down * posts[q].y;
            return less < low ? low : less;
        });
        stamp(pre, 1);
        return begin + first[pre + 1] - first[pre];
    }

    void fire(const std::vector<uint16_t>& spikes) {
        for (uint16_t q : spikes) {
            if (q >= n) break;
            Post& each = post[q];
            for (int k = SUMS; k > 0; k--) each.sum[k] = each.sum[k - 1] + grown_plus;
            each.y += grown_minus;
            times[q][count[q]] = now;
            count[q]++;
        }
    }

    // Of all weights, what is put off included; nothing is brought up to date by this.
    double mean() {
        double sum = 0;
        for (int pre = 0; pre < n; pre++) {
            const std::vector<Real> before(w.begin() + first[pre], w.begin() + first[pre + 1]);
            caught_up(pre, &targets[starts[pre]], [&](int, Real value) { sum += value; return value; });
            std::copy(before.begin(), before.end(), w.begin() + first[pre]);
        }
        return sum / w.size();
    }
};

// Spikes of neurons whose effect on the synapses that reach them is carried out later: when a spike
// comes along such a synapse, or somebody reads it. The synapses of a presynaptic neuron lie side by
// side, those of a postsynaptic one do not: in a large network each of them is somewhere in memory,
// where nothing else is wanted. What is carried out, and in which order, is the same for each synapse
// to the last bit. Whether it pays is decided by measuring.

#ifndef BRAINSLEEP_LATER_H
#define BRAINSLEEP_LATER_H
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>
#include "threads.h"

namespace brainsleep {

// Of one number, never of a vector of them: the same bits now and later.
__attribute__((noinline)) inline double scalar_exp(double x) { return std::exp(x); }
__attribute__((noinline)) inline float scalar_exp(float x) { return std::exp(x); }

class Later
{
public:
    static constexpr uint64_t most = 64;  // passes that are remembered: steps with such spikes

private:
    enum { NOW, FIRST, LATER, CHOSEN } phase = NOW;
    static constexpr uint64_t trial = 128, again = 8192;
    uint64_t in_phase = 0;
    double spent = 0, each_now = 0;
    std::vector<std::vector<int32_t>> spikes;  // of the last passes
    std::vector<std::vector<int32_t>> rows;    // presynaptic neurons, by the pass they have come to

public:
    bool on = false;
    uint64_t passes = 0;
    std::vector<uint64_t> spiked;  // of every postsynaptic neuron: in which of the last passes
    std::vector<uint64_t> done;    // of every presynaptic neuron: passes carried out at its synapses

    void begin(int n_pre, int n_post)
    {
        on = true;
        passes = 0;
        spiked.assign(n_post, 0);
        spikes.assign(most, {});
        all_done(n_pre);
    }

    void all_done(int n_pre)
    {
        done.assign(n_pre, passes);
        rows.assign(most, {});
        for (int k = 0; k < n_pre; k++) rows[passes % most].push_back(k);
    }

    // Notes that everything is carried out at the synapses of a neuron.
    void note(int32_t neuron)
    {
        if (done[neuron] == passes) return;
        done[neuron] = passes;
        rows[passes % most].push_back(neuron);
    }

    // Neurons at whose synapses the oldest pass is still to be carried out, before it is forgotten.
    std::vector<int32_t> overdue()
    {
        std::vector<int32_t> found;
        if (passes < most) return found;
        std::vector<int32_t>& here = rows[passes % most];
        size_t kept = 0;
        for (int32_t k : here) {
            if (done[k] == passes) here[kept++] = k;  // carried out since the last pass
            if (done[k] + most == passes) found.push_back(k);
        }
        here.resize(kept);
        std::sort(found.begin(), found.end());  // one may be there twice: it came back to this list
        found.erase(std::unique(found.begin(), found.end()), found.end());
        return found;
    }

    void add(const int32_t* events, int n_events)
    {
        const uint64_t bit = (uint64_t)1 << passes % most;
        std::vector<int32_t>& now = spikes[passes % most];
        for (int32_t k : now) spiked[k] &= ~bit;
        now.assign(events, events + n_events);
        for (int32_t k : now) spiked[k] |= bit;
        passes++;
    }

    // In which passes since `from` a neuron spiked, the earliest in the lowest bit.
    uint64_t since(int32_t neuron, uint64_t from) const
    {
        const int turn = from % most;
        const uint64_t all = spiked[neuron], wanted = passes - from;
        const uint64_t turned = turn ? all >> turn | all << (most - turn) : all;
        return wanted < most ? turned & (((uint64_t)1 << wanted) - 1) : turned;
    }

    void took(double seconds) { spent += seconds; }

    // What is to be done from this pass on: the same (0), begin (1), or carry out all and stop (-1).
    int next()
    {
        in_phase++;
        if (phase == NOW && in_phase >= trial) {
            each_now = spent/in_phase;
            enter(FIRST);
            return 1;
        }
        if (phase == FIRST && in_phase >= most) enter(LATER);
        if (phase == LATER && in_phase >= trial) {
            const bool pays = spent/in_phase < each_now;
            enter(CHOSEN);
            return pays ? 0 : -1;
        }
        if (phase == CHOSEN && in_phase >= again) {
            const bool was = on;
            enter(NOW);
            return was ? -1 : 0;
        }
        return 0;
    }

private:
    void enter(decltype(phase) other)
    {
        phase = other;
        in_phase = 0;
        spent = 0;
    }
};

} // namespace brainsleep
#endif

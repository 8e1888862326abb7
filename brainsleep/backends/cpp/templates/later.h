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
#include <cstring>
#include <numeric>
#include <vector>
#include "eight.h"
#include "threads.h"

namespace brainsleep {

// Of one number, never of a vector of them: the same bits now and later.
__attribute__((noinline)) inline double scalar_exp(double x) { return std::exp(x); }
__attribute__((noinline)) inline float scalar_exp(float x) { return std::exp(x); }

// A variable of all presynaptic neurons, as it was in each of the last passes. A neuron is asked for
// all of them: eight lie side by side, after eight passes that lie as they came.
template <class Number> class Past
{
    static constexpr size_t eight = 8;
    size_t n = 0;
    std::vector<Number> all, latest;

public:
    void begin(size_t passes, size_t neurons)
    {
        n = neurons;
        all.resize(passes*n);
        latest.resize(eight*n);
    }

    // Of a part of the neurons.
    void add(const Number* now, size_t place, int part, int parts)
    {
        const size_t first = n*part/parts, end = n*(part + 1)/parts;
        std::copy(now + first, now + end, &latest[place % eight*n + first]);
        if (place % eight < eight - 1) return;
        Number* const rows = &all[place/eight*n*eight];
        for (size_t k = first; k < end; k++)
            for (size_t j = 0; j < eight; j++) rows[k*eight + j] = latest[j*n + k];
    }

    // At the place of a pass; the last passes, fewer than eight, are not side by side yet.
    Number of(size_t neuron, size_t place, bool is_late) const
    {
        return is_late ? latest[place % eight*n + neuron] : all[(place/eight*n + neuron)*eight + place % eight];
    }
};

class Later
{
    // Each way is tried for some passes, once memory is at hand and what was put off adds up.
    enum Phase { WARM, NOW, FIRST, LATER, CHOSEN };
    static constexpr uint64_t warm = 64, filled = 256;
    // Of the time that is taken now: what is put off must take less. A trial may go wrong by a fifth.
    static constexpr double clearly = 0.8;
    static constexpr uint64_t block = 2;  // passes that are timed together
    static constexpr int most_blocks = 64, least_blocks = 12;
    static constexpr double enough = 0.02;  // seconds that are enough to tell
    struct Trial
    {
        Phase phase = WARM;
        bool pays = false;
        uint64_t passes = 0;  // in this phase
        double spent = 0, work = 0;  // seconds, and spikes at synapses
        double total = 0, trial = 0;  // seconds of this phase, and of the whole trial
        double cost[most_blocks], each_now = 0;  // of a spike at a synapse, by block
        int n_blocks = 0;

        void add_up()
        {
            total += spent;
            spent = work = 0;
        }

        void enter(Phase other)
        {
            add_up();
            trial = phase == CHOSEN ? 0 : trial + total;
            phase = other;
            passes = n_blocks = total = 0;
        }

        // Whether it is known what this way costs.
        bool told()
        {
            if (passes % block || !work) return false;
            cost[n_blocks++] = spent/work;
            add_up();
            return n_blocks == most_blocks || (n_blocks >= least_blocks && total > enough);
        }

        // Whether it is worth to try again.
        bool again() const { return passes >= soon && fraction*spent >= trial; }
    };
    Trial& tried = learnt<Trial>();
    bool begun = false;
    int n_pre = 0;
    std::vector<uint8_t> before[3];          // the counts at the start of the last halves of `most` passes
    std::vector<std::vector<int32_t>> rows;    // presynaptic neurons, by the pass they have come to

public:
    static constexpr uint64_t at_most = 1024;
    static constexpr int few = 8, many = 256;
    static constexpr uint64_t some = 4;  // first passes put off for which a presynaptic neuron keeps what it had
    enum : int32_t { tables = 1024 };  // presynaptic neurons that are looked at together
    static constexpr int lanes = 16;  // passes for which a value of a presynaptic neuron is computed at once
    uint64_t most = 64;  // passes that are remembered: steps with such spikes
    bool on = false;
    bool full = false;   // a count may not grow before all is carried out
    uint64_t passes = 0;
    std::vector<uint8_t> count;  // spikes of every postsynaptic neuron: the last bits of their number
    std::vector<uint16_t> recent;  // places (pass % most) of its last `few` spikes, the last one first
    std::vector<uint16_t> all;     // those of `many`, by the last bits of the number of a spike; `few` at a time
    std::vector<uint8_t> seen;   // of every synapse: the count when it was carried out
    std::vector<uint64_t> done;  // of every presynaptic neuron: passes carried out at its synapses
    std::vector<uint8_t> kept;   // and for how many of the next ones it keeps what its variables were

    // `bytes`: what is remembered of each presynaptic neuron and pass.
    void begin(int pre, int post, size_t synapses, size_t bytes)
    {
        constexpr size_t room = (size_t)64 << 20;
        on = true;
        passes = 0;
        n_pre = pre;
        most = at_most;
        while (most > 64 && most*bytes*n_pre > room) most /= 2;
        count.assign(post, 0);
        seen.assign(synapses, 0);
        recent.assign((size_t)few*post, 0);
        all.assign((size_t)many*post, 0);
        all_done();
    }

    void all_done()
    {
        full = false;
        for (auto& counts : before) counts = count;
        done.assign(n_pre, passes);
        kept.assign(n_pre, 0);
        rows.assign(most, {});
        for (int k = 0; k < n_pre; k++) rows[passes % most].push_back(k);
    }

    // Notes that everything is carried out at the synapses of a neuron.
    void note(int32_t neuron)
    {
        if (done[neuron] == passes) return;
        done[neuron] = passes;
        kept[neuron] = 0;
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

    // Begins a pass, of spikes that follow; returns its place.
    uint64_t pass(const int32_t* events, int n_events)
    {
        const uint64_t place = passes % most, half = most/2;
        if (passes % half == 0) before[passes/half % 3] = count;
        const uint64_t oldest = passes + 1 > most ? passes + 1 - most : 0;  // that may not be carried out
        const uint8_t* const first = before[oldest/half % 3].data();
        for (int k = 0; k < n_events; k++)
            full |= (uint8_t)(count[events[k]] + 1 - first[events[k]]) == many - 1;
        passes++;
        return place;
    }

    // About how much there is to note of so many spikes and of variables of presynaptic neurons, as
    // pieces of work.
    uint64_t work(uint64_t n_events, uint64_t n_variables) const { return 32*n_events + n_variables*n_pre; }

    // Notes a part of the spikes of the pass at a place.
    void add(const int32_t* events, int n_events, uint64_t place, int part, int parts)
    {
        for (int k = (int64_t)n_events*part/parts; k < (int64_t)n_events*(part + 1)/parts; k++) {
            const size_t neuron = events[k];
            uint16_t* const last = &recent[neuron*few];
            memmove(last + 1, last, (few - 1)*sizeof(*last));
            *last = place;
            const uint8_t number = ++count[neuron];
            if (number % few) continue;
            for (int j = 0; j < few; j++) all[neuron*many + (uint8_t)(number - 1 - j)] = last[j];
        }
    }

    // The place of the spike that was so many before the next one of a neuron.
    size_t place_of(size_t neuron, int before) const
    {
        return before <= few ? recent[neuron*few + before - 1] : all[neuron*many + (uint8_t)(count[neuron] - before)];
    }

    // So many seconds, for so many spikes at synapses.
    void took(double seconds, uint64_t spikes = 0)
    {
        tried.spent += seconds;
        tried.work += spikes;
    }

    // Once all is carried out. What that took has to do with neither way, but with trying.
    void stop()
    {
        on = false;
        tried.trial += tried.spent;
        tried.spent = 0;
    }

    // What is to be done from this pass on: the same (0), begin (1), or carry out all and stop (-1).
    int next()
    {
        Trial& now = tried;
        if (!begun) {  // a segment begins with nothing put off
            begun = true;
            if (now.phase == FIRST || now.phase == LATER || (now.phase == CHOSEN && now.pays)) return 1;
        }
        now.passes++;
        switch (now.phase) {
        case WARM:
            if (now.passes >= warm) now.enter(NOW);
            return 0;
        case NOW:
            if (!now.told()) return 0;
            now.each_now = median(now.cost, now.n_blocks);
            now.enter(FIRST);
            return 1;
        case FIRST:
            if (now.passes >= filled) now.enter(LATER);
            return 0;
        case LATER:
            if (!now.told()) return 0;
            now.pays = median(now.cost, now.n_blocks) < clearly*now.each_now;
            now.enter(CHOSEN);
            return now.pays ? 0 : -1;
        default:
            if (!now.again()) return 0;
            now.enter(WARM);
            return now.pays ? -1 : 0;
        }
    }
};

} // namespace brainsleep
#endif

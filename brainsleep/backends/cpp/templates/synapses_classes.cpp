{# A pathway is an index of the synapses of every neuron. With one delay for all it keeps the spikes
   of the last steps; where every synapse has its own, spans of synapses by the step in which spikes
   arrive at them: the synapses of a neuron lie in the order of their delays. #}
{% macro cpp_file() %}
{% endmacro %}

{% macro h_file() %}
#ifndef _BRIAN_SYNAPSES_H
#define _BRIAN_SYNAPSES_H
#include <algorithm>
#include <cmath>
#include <vector>
#include "brianlib/stdint_compat.h"
#include "parts.h"
#include "reach.h"

class SynapticPathway
{
public:
    std::vector<int32_t>& neurons;  // of every synapse: the neuron whose spikes matter
    std::vector<int32_t> start;     // of every neuron and part: its first synapse, or place below
    std::vector<int32_t> synapse;   // by neuron: its synapses
    std::vector<int32_t> far;         // the neurons at the far end, in the order of `start`
    std::vector<uint16_t> near_far;   // the same, where their numbers are small
    int n_neurons;
    int n_shares = 1;
    int parts = 1;  // in which the synapses of a neuron lie, by the neurons at the far end
    std::vector<int32_t> part_begin;  // the first of these, by part
    bool weights_differ = true;  // of synapses whose weights nothing changes
    brainsleep::Reach reach;     // where they are the same
    struct Span { int32_t begin, end; };
    int now = 0;  // the place of this step in the two below
    std::vector<std::vector<int32_t>> spikes;  // by the step in which they were
    std::vector<std::vector<Span>> spans;      // by the step in which they are due, and part
    std::vector<int32_t> run, run_delay, run_begin;  // of every neuron and part: synapses of one delay
    std::vector<uint16_t> sent;              // with which delays, a row a step; of the first pathway
    std::vector<std::vector<int32_t>> due;   // synapses, by the step in which spikes are due there
    int64_t step = 0;                        // since the start of the segment
    std::vector<const char*> queue{""};  // Brian2 writes queues at the end of a program

    SynapticPathway(std::vector<int32_t>& neurons, int first, int last)
        : neurons(neurons), n_neurons(last - first) {}

    void count()
    {
        start.assign(n_neurons + 1, 0);
        for (int32_t k : neurons) start[k + 1]++;
        for (int k = 0; k < n_neurons; k++) start[k + 1] += start[k];
    }

    // In how many shares the neurons lie that some pathways reach: more than one for a thread, see
    // threads.h, if each neuron then has some synapses in each; one if there are few synapses in all, as
    // to look for them in each share takes longer than threads gain.
    static int shares(int n_threads, const std::vector<const SynapticPathway*>& all)
    {
        constexpr size_t some = 64, few = 1 << 19;
        size_t in_all = 0;
        for (const SynapticPathway* path : all) in_all += path->neurons.size();
        if (in_all < few) return 1;
        for (const SynapticPathway* path : all)
            if (path->neurons.size() < some*brainsleep::parts_each*n_threads*path->n_neurons) return n_threads;
        return n_threads > 1 ? brainsleep::parts_each*n_threads : 1;
    }

    // Where the neurons of each share begin, for all pathways that reach them: where parts of loops
    // over these neurons do, if each then has about as many synapses, or else so that it has.
    // `incoming` are the numbers of synapses, by neuron.
    static std::vector<int32_t> cut_into(int n_shares, const std::vector<const std::vector<int32_t>*>& incoming, int n_others)
    {
        constexpr int line = 16;  // a share begins where a cache line does
        constexpr double about = 1.1;
        std::vector<size_t> upto(n_others + 1, 0);
        for (const auto* each : incoming)
            for (int k = 0; k < n_others; k++) upto[k + 1] += (*each)[k];
        for (int k = 0; k < n_others; k++) upto[k + 1] += upto[k];
        std::vector<int32_t> first;
        for (int share = 0; share <= n_shares; share++) first.push_back(brainsleep::neurons_upto(n_others, share, n_shares));
        size_t most = 0;
        for (int share = 0; share < n_shares; share++) most = std::max(most, upto[first[share + 1]] - upto[first[share]]);
        if (most*n_shares <= about*upto.back()) return first;
        first.assign(1, 0);
        for (int share = 1; share < n_shares; share++)
            first.push_back((std::lower_bound(upto.begin(), upto.end(), upto.back()*share/n_shares) - upto.begin())/line*line);
        first.push_back(n_others);
        return first;
    }

    // Synapses lie in the order of both ends: so do the parts. There is one for the neurons of each
    // share, and more of as many synapses each if the neurons of a part do not fit the nearest cache
    // and each neuron has some synapses there, unless they lie by their delays.
    void cut(const std::vector<int32_t>& others, const std::vector<int32_t>& first, bool to_fit)
    {
        constexpr int fit = 2048, some = 128;
        const int n_others = first.back();
        const size_t each = others.size()/std::max(1, n_neurons);
        const size_t pieces = to_fit ? std::min<size_t>((n_others + fit/2)/fit, each/some) : 0;
        n_shares = first.size() - 1;
        const size_t of_share = std::max<size_t>(1, pieces/n_shares);
        const int n_parts = n_shares*of_share;
        std::vector<size_t> upto(n_others + 1, 0);
        for (int32_t k : others) upto[k + 1]++;
        for (int k = 0; k < n_others; k++) upto[k + 1] += upto[k];
        std::vector<int32_t> part_of(n_others);
        for (int share = 0; share < n_shares; share++) {
            const size_t before = upto[first[share]], all = std::max<size_t>(1, upto[first[share + 1]] - before);
            for (int k = first[share]; k < first[share + 1]; k++)
                part_of[k] = share*of_share + std::min(of_share - 1, (upto[k] - before)*of_share/all);
        }
        parts = n_parts;
        part_begin.clear();
        for (int part = 0; part <= parts; part++)
            part_begin.push_back(std::lower_bound(part_of.begin(), part_of.end(), part) - part_of.begin());
        start.assign((size_t)n_neurons*parts + 1, 0);
        for (size_t s = 0; s < neurons.size(); s++)
            start[(size_t)neurons[s]*parts + part_of[others[s]] + 1]++;
        for (size_t k = 0; k < (size_t)n_neurons*parts; k++) start[k + 1] += start[k];
    }

    // Before which part one of `n` parts of a loop begins: at the same neuron for all pathways.
    int parts_upto(int part, int n) const { return parts/n_shares*(n_shares*part/n); }

    template <typename Number>
    void list(const std::vector<int32_t>& others, std::vector<Number>& listed)
    {
        std::vector<int32_t> next(start.begin(), start.end() - 1);
        synapse.resize(neurons.size());
        listed.resize(neurons.size());
        for (size_t s = 0; s < neurons.size(); s++) {
            const int32_t at = next[neurons[s]]++;
            synapse[at] = s;
            listed[at] = others[s];
        }
    }

    template <typename Number> static void fetch(const Number* listed, int begin, int end)
    {
        for (int k = begin; k < end; k += 64/sizeof(Number)) __builtin_prefetch(listed + k);
    }

    // About how many synapses so many neurons have. To look at each of them would take as long as the
    // work of some of them.
    uint64_t about(uint64_t n_events) const { return n_events*neurons.size()/std::max(1, n_neurons); }

    // How many synapses some neurons have.
    uint64_t reached(const int32_t* events, int n_events) const
    {
        uint64_t sum = 0;
        for (int k = 0; k < n_events; k++)
            sum += start[((size_t)events[k] + 1)*parts] - start[(size_t)events[k]*parts];
        return sum;
    }

    // Where a share of some neurons ends that has `part` of `n_parts` of their synapses.
    int upto(const int32_t* events, int n_events, int part, int n_parts) const
    {
        if (part == 0 || part == n_parts) return part ? n_events : 0;
        const uint64_t wanted = reached(events, n_events)*part/n_parts;
        uint64_t sum = 0;
        int k = 0;
        for (; k < n_events && sum < wanted; k++) sum += start[events[k] + 1] - start[events[k]];
        return k;
    }

    template <typename T> void set_delay(const std::vector<T>& delay, double dt)
    {
        spikes.resize((int)(delay[0]/dt + 0.5) + 1);
    }

    // The spikes of the last steps, a row a step, the latest first.
    void take_spikes(const std::vector<uint8_t>& history)
    {
        const int size = spikes.size();
        for (int age = 1; age < size; age++)
            for (int k = 0; k < n_neurons; k++)
                if (history[(size_t)(age - 1)*n_neurons + k]) spikes[size - age].push_back(k);
    }

    // Those whose spikes arrive in this step. Unless there is no delay they are known before it.
    const std::vector<int32_t>& arriving() const { return spikes[(now + 1) % spikes.size()]; }
    bool known_before() const { return spikes.size() > 1; }

    // Those that spike now go on their way.
    void send(const int32_t* events, int n_events)
    {
        spikes[now].assign(events, events + n_events);
        now = (now + 1) % spikes.size();
    }

    // How many parts a thread may have, at most, so that those of a loop over these synapses reach the
    // neurons that are parts of loops over them; 0 if they do not.
    int own_parts(int n_threads) const
    {
        for (int each : {brainsleep::parts_each, 1}) {
            const int n = n_threads*each;
            bool own = true;
            for (int part = 0; part <= n; part++)
                own &= part_begin[parts_upto(part, n)] == brainsleep::neurons_upto(part_begin.back(), part, n);
            if (own) return each;
        }
        return 0;
    }

    template <typename T> void set_delays(const std::vector<T>& delay, double dt)
    {
        const size_t n = neurons.size();
        std::vector<int32_t> steps(n);
        int longest = 0;
        for (size_t s = 0; s < n; s++) longest = std::max(longest, steps[s] = (int)(delay[s]/dt + 0.5));
        std::vector<int32_t> first(longest + 2, 0), by_delay(n), next(start.begin(), start.end() - 1);
        for (int32_t delay : steps) first[delay + 1]++;
        for (int k = 0; k <= longest; k++) first[k + 1] += first[k];
        for (size_t s = 0; s < n; s++) by_delay[first[steps[s]]++] = s;
        synapse.resize(n);
        for (int32_t s : by_delay) {
            size_t at = (size_t)neurons[s]*parts;
            if (parts > 1) at += std::upper_bound(&start[at], &start[at + parts], s) - &start[at] - 1;
            synapse[next[at]++] = s;
        }
        run.assign(1, 0);
        run_delay.clear();
        run_begin.clear();
        for (size_t k = 0; k < (size_t)n_neurons*parts; k++) {
            for (int32_t at = start[k]; at < start[k + 1]; at++)
                if (at == start[k] || steps[synapse[at]] != run_delay.back()) {
                    run_delay.push_back(steps[synapse[at]]);
                    run_begin.push_back(at);
                }
            run.push_back(run_delay.size());
        }
        run_begin.push_back(n);
        spans.resize((size_t)(longest + 1)*parts);
    }

    // The far ends in the order of `synapse`.
    template <typename Number>
    void list_ends(const std::vector<int32_t>& others, std::vector<Number>& listed)
    {
        listed.resize(synapse.size());
        for (size_t at = 0; at < synapse.size(); at++) listed[at] = others[synapse[at]];
    }

    void send_one(int32_t neuron, int age)
    {
        const int size = spans.size()/parts;
        for (int part = 0; part < parts; part++) {
            const size_t own = (size_t)neuron*parts + part;
            for (int32_t r = run[own]; r < run[own + 1]; r++)
                if (run_delay[r] >= age)
                    spans[(now + run_delay[r] - age) % size*parts + part].push_back({run_begin[r], run_begin[r + 1]});
        }
    }

    void take_spans(const std::vector<uint8_t>& history)
    {
        for (int age = spans.size()/parts - 1; age > 0; age--)  // as they were sent
            for (int k = 0; k < n_neurons; k++)
                if (history[(size_t)(age - 1)*n_neurons + k]) send_one(k, age);
    }

    // Where delays change: what spikes under way were sent with, row `step % most` of each step.
    void take_sent(const std::vector<uint16_t>& rows, const std::vector<uint8_t>& history, int most)
    {
        const size_t n = neurons.size();
        due.resize(most + 1);
        for (int age = most; age > 0; age--)
            for (int k = 0; k < n_neurons; k++)
                if (history[(size_t)(age - 1)*n_neurons + k])
                    for (int32_t s = start[k]; s < start[k + 1]; s++)
                        if (rows[(most - age)*n + s] >= age)
                            due[rows[(most - age)*n + s] - age].push_back(s);
    }

    // Notes the delays of synapses that now get a spike: all pathways of a projection use these.
    template <typename T>
    void note(const int32_t* events, int n_events, const std::vector<T>& delay, double dt)
    {
        const int most = due.size() - 1;
        uint16_t* const row = sent.data() + (step % most)*neurons.size();
        for (int k = 0; k < n_events; k++)
            for (int32_t s = start[events[k]]; s < start[events[k] + 1]; s++)
            {
                const double steps = std::floor(delay[s]/dt + 0.5);
                row[s] = steps < 0 ? 0 : steps > most ? most : (int)steps;
            }
    }

    std::vector<int32_t>& send_noted(const int32_t* events, int n_events, const SynapticPathway& first)
    {
        const int most = due.size() - 1;
        const uint16_t* const row = first.sent.data() + (step % most)*neurons.size();
        for (int k = 0; k < n_events; k++)
            for (int32_t s = start[events[k]]; s < start[events[k] + 1]; s++)
                due[(now + row[s]) % (most + 1)].push_back(s);
        std::vector<int32_t>& arriving = due[now];
        now = (now + 1) % (most + 1);
        step++;
        return arriving;
    }

    // Those that spike now go on their way; returns the synapses at which spikes arrive now, by part.
    std::vector<Span>* send_spans(const int32_t* events, int n_events)
    {
        for (int k = 0; k < n_events; k++) send_one(events[k], 0);
        std::vector<Span>* const arriving = &spans[(size_t)now*parts];
        now = (now + 1) % (spans.size()/parts);
        return arriving;
    }

    // How many synapses these are.
    uint64_t reached(const std::vector<Span>* arriving) const
    {
        uint64_t sum = 0;
        for (int part = 0; part < parts; part++)
            for (const Span& span : arriving[part]) sum += span.end - span.begin;
        return sum;
    }
};
#endif
{% endmacro %}

{# Where Brian2 keeps queues of spikes under way: without delays there is nothing under way, and a
   pathway is an index of the synapses of every neuron. #}
{% macro cpp_file() %}
{% endmacro %}

{% macro h_file() %}
#ifndef _BRIAN_SYNAPSES_H
#define _BRIAN_SYNAPSES_H
#include <vector>
#include "brianlib/stdint_compat.h"

class SynapticPathway
{
public:
    std::vector<int32_t>& neurons;  // of every synapse: the neuron whose spikes matter
    std::vector<int32_t> start;     // of every neuron: its first synapse, or its first place below
    std::vector<int32_t> synapse, other;  // by neuron: its synapses, and the neurons at the far end
    int n_neurons;
    std::vector<const char*> queue{""};  // Brian2 writes queues at the end of a program

    SynapticPathway(std::vector<int32_t>& neurons, int first, int last)
        : neurons(neurons), n_neurons(last - first) {}

    void count()
    {
        start.assign(n_neurons + 1, 0);
        for (int32_t k : neurons) start[k + 1]++;
        for (int k = 0; k < n_neurons; k++) start[k + 1] += start[k];
    }

    void list(const std::vector<int32_t>& others)
    {
        std::vector<int32_t> next(start.begin(), start.end() - 1);
        synapse.resize(neurons.size());
        other.resize(neurons.size());
        for (size_t s = 0; s < neurons.size(); s++) {
            const int32_t at = next[neurons[s]]++;
            synapse[at] = s;
            other[at] = others[s];
        }
    }
};
#endif
{% endmacro %}

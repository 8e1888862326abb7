{# Spikes of neurons that are told when to spike: those of this step stand next in the list. #}
{# USES_VARIABLES { _spikespace, neuron_index, _timebins, _period_bins, _lastindex, t_in_timesteps, N } #}
{% extends 'common_group.cpp' %}

{% block maincode %}
    const int64_t _now = {{t_in_timesteps}};
    size_t _at = {{_lastindex}};
    int32_t _count = 0;
    for (; _at < _num_timebins && {{_timebins}}[_at] <= _now; _at++)
        {{_spikespace}}[_count++] = {{neuron_index}}[_at];
    {{_spikespace}}[N] = _count;
    {{_lastindex}} = _at;
{% endblock %}

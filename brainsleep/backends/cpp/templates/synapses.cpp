{# What happens at the synapses of the neurons that spiked in this step. #}
{% extends 'common_group.cpp' %}

{% block maincode %}
    {% set eventspace = pathway.source.variables[pathway.eventspace_name] %}
    {% set delay = pathway._delay if pathway._delay is defined else "" %}
    {% if delay %}
    const int32_t* const _spiking = {{get_array_name(eventspace, access_data=False)}};
    const int32_t _num_spiking = _spiking[{{pathway.source.N}}];
    {% endif %}
    {% if delay == "each" %}
    auto& _spans = {{pathway.name}}.send_spans(_spiking, _num_spiking);
    if (_spans.empty()) return;
    {% elif delay == "changing" %}
    {% if pathway.name == pathway._first.name %}
    {{pathway.name}}.note(_spiking, _num_spiking, {{get_array_name(pathway._delays_now, access_data=False)}}, {{get_array_name(pathway.source.clock.variables["dt"], access_data=False)}}[0]);
    {% endif %}
    std::vector<int32_t>& _arriving = {{pathway.name}}.send_noted(_spiking, _num_spiking, {{pathway._first.name}});
    if (_arriving.empty()) return;
    {% elif delay == "one" %}
    const std::vector<int32_t>& _arriving = {{pathway.name}}.send(_spiking, _num_spiking);
    const int32_t* const _events = _arriving.data();
    const int32_t _num_events = _arriving.size();
    if (_num_events == 0) return;
    {% else %}
    const int32_t* const _events = {{get_array_name(eventspace, access_data=False)}};
    const int32_t _num_events = _events[{{pathway.source.N}}];
    if (_num_events == 0) return;
    {% endif %}
    {% if pathway._gate is defined %}
    {% if delay == "each" %}
    if ({{get_array_name(variables[pathway._gate])}}[0] == 0) _spans.clear();
    {% endif %}
    if ({{get_array_name(variables[pathway._gate])}}[0] == 0) return;  // all of it is gated
    {% endif %}
    const int32_t* const _start = {{pathway.name}}.start.data();
    const size_t _vectorisation_idx = -1;
    {{scalar_code|autoindent}}
    {% set code = vector_code %}
    {% if pathway._fixed_weights is defined and "w" in variables %}
    const size_t _each = {{pathway.name}}.weights_differ ? ~(size_t)0 : 0;
    {% set code = with_one_weight(vector_code, get_array_name(variables["w"])) %}
    {% endif %}
    {% if delay == "each" %}
    const int32_t* const _synapse = {{pathway.name}}.synapse.data();
    for (const auto& _span : _spans)
        for (int32_t _at = _span.begin; _at < _span.end; _at++)
        {
            const int32_t _idx = _synapse[_at];
            const size_t _vectorisation_idx = _idx;
            {{code|autoindent}}
        }
    _spans.clear();
    {% elif delay == "changing" %}
    for (const int32_t _idx : _arriving)
    {
        const size_t _vectorisation_idx = _idx;
        {{code|autoindent}}
    }
    _arriving.clear();
    {% elif pathway.prepost == "pre" %}
    for (int32_t _event = 0; _event < _num_events; _event++)
    {
        const int32_t _begin = _start[_events[_event]], _end = _start[_events[_event] + 1];
        for (int32_t _idx = _begin; _idx < _end; _idx++)
        {
            const size_t _vectorisation_idx = _idx;
            {{code|autoindent}}
        }
    }
    {% else %}
    const int32_t* const _synapse = {{pathway.name}}.synapse.data();
    const int32_t* const _other = {{pathway.name}}.other.data();
    for (int32_t _event = 0; _event < _num_events; _event++)
    {
        const int32_t _begin = _start[_events[_event]], _end = _start[_events[_event] + 1];
        for (int32_t _at = _begin; _at < _end; _at++)
        {
            const int32_t _idx = _synapse[_at];
            const size_t _vectorisation_idx = _idx;
            {{listed(code)|autoindent}}
        }
    }
    {% endif %}
{% endblock %}

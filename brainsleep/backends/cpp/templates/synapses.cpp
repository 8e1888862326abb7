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
    {% if delay in ("each", "changing") %}
    const int32_t* const _start = {{pathway.name}}.start.data();
    const size_t _vectorisation_idx = -1;
    {{scalar_code|autoindent}}
    {% set code = vector_code %}
    {% if pathway._fixed_weights is defined and "w" in variables %}
    const size_t _each = {{pathway.name}}.weights_differ ? ~(size_t)0 : 0;
    {% set code = with_one_weight(vector_code, get_array_name(variables["w"]), "_idx & _each") %}
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
    {% endif %}
    {% else %}
    {% set shared = pathway._shared is defined and shareable(scalar_code, vector_code) %}
    {% set one_weight = pathway._fixed_weights is defined and "w" in variables %}
    {% set code = with_one_weight(vector_code, get_array_name(variables["w"]), "_idx & _each") if one_weight else vector_code %}
    {% set kept, unguarded = without_guard(vector_code) if shared and pathway.prepost == "pre" else ("", vector_code) %}
    {% set bodies = [("", without_branch(code))] %}
    {% if kept %}
    {% set plain = with_one_weight(unguarded, get_array_name(variables["w"]), "0") if one_weight else unguarded %}
    {% set bodies = [("if (_unguarded)", plain), ("else", without_branch(code))] %}
    {% endif %}
    {% if shared %}
    {# With pointers of its own: of those that it is given, a compiler knows less. #}
    const auto _work = [](const int32_t* const _events, const int32_t _num_events, const bool _unguarded, const int _part, const int _n_parts)
    {
        %CONSTANTS%
        {{pointers_lines|autoindent}}
    {% else %}
    {
        constexpr int _part = 0, _n_parts = 1;
    {% endif %}
        const int32_t* const _start = {{pathway.name}}.start.data();
        const size_t _vectorisation_idx = -1;
        {{scalar_code|autoindent}}
        {% if one_weight %}
        const size_t _each = {{pathway.name}}.weights_differ ? ~(size_t)0 : 0;
        {% endif %}
        {% set listed = pathway._narrow is defined or pathway.prepost == "post" %}
        {% if listed %}
        const auto* const _far = {{pathway.name}}.{{ "near_far" if pathway._narrow is defined else "far" }}.data();
        {% elif "_postsynaptic_idx" in variables %}
        const auto* const _far = {{get_array_name(variables["_postsynaptic_idx"])}};
        {% endif %}
        {% if pathway.prepost == "pre" %}
        {{ "const size_t _parts = " ~ pathway.name ~ ".parts" if pathway._shared is defined else "constexpr size_t _parts = 1" }};
        const size_t _from = _parts*_part/_n_parts, _to = _parts*(_part + 1)/_n_parts;
        {% for condition, body in bodies %}
        {{ condition }}
        for (size_t _piece = _from; _piece < _to; _piece++)
            for (int32_t _event = 0; _event < _num_events; _event++)
            {
                const int32_t _neuron = _events[_event];
                const int32_t _begin = _start[_neuron*_parts + _piece], _end = _start[_neuron*_parts + _piece + 1];
                {% if shared and "_postsynaptic_idx" in variables %}
                if (_event + 1 < _num_events) {
                    const size_t _next = _events[_event + 1]*_parts + _piece;
                    SynapticPathway::fetch(_far, _start[_next], _start[_next + 1]);
                }
                {% endif %}
                for (int32_t _idx = _begin; _idx < _end; _idx++)
                {
                    const size_t _vectorisation_idx = _idx;
                    {{looked_up(body, "post", "_far[_idx]" if listed else "")|autoindent}}
                }
            }
        {% endfor %}
        {% else %}
        const int32_t* const _synapse = {{pathway.name}}.synapse.data();
        {% if shared %}
        const int _from = {{pathway.name}}.upto(_events, _num_events, _part, _n_parts);
        const int _to = {{pathway.name}}.upto(_events, _num_events, _part + 1, _n_parts);
        {% else %}
        const int _from = 0, _to = _num_events;
        {% endif %}
        for (int32_t _event = _from; _event < _to; _event++)
        {
            const int32_t _neuron = _events[_event];
            const int32_t _begin = _start[_neuron], _end = _start[_neuron + 1];
            for (int32_t _at = _begin; _at < _end; _at++)
            {
                const int32_t _idx = _synapse[_at];
                const size_t _vectorisation_idx = _idx;
                {{looked_up(without_branch(code), "pre", "_far[_at]")|autoindent}}
            }
        }
        {% endif %}
    }
    {% if shared %}
    ;
    static brainsleep::Share _share;
    const uint64_t _reached = {{pathway.name}}.reached(_events, _num_events);
    {% if kept %}
    {# Where much arrives: refractory neurons get it too, and then back what they had. #}
    const bool _unguarded = 2*_reached > {{pathway.target.N}}{{ " && !" ~ pathway.name ~ ".weights_differ" if one_weight }};
    static brainsleep::Kept<std::decay<decltype({{kept}}[0])>::type> _kept;
    if (_unguarded) _kept.keep({{kept}}, {{get_array_name(variables["not_refractory"])}}, {{pathway.target.N}});
    {% else %}
    const bool _unguarded = false;
    {% endif %}
    _share.run(_reached, [&](int _part, int _n_parts) { _work(_events, _num_events, _unguarded, _part, _n_parts); });
    {% if kept %}
    if (_unguarded) _kept.give_back({{kept}});
    {% endif %}
    {% endif %}
    {% endif %}
{% endblock %}

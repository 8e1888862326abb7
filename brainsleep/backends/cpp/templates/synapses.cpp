{# What happens at the synapses of the neurons that spiked in this step. #}
{% extends 'common_group.cpp' %}

{% block extra_headers %}
{% if pathway._late is defined %}
extern brainsleep::Later {{owner.name}}_later;
void {{owner.name}}_carry_out(const int32_t neuron, const int32_t begin, const int32_t end);
void {{owner.name}}_carry_out_all();
{% endif %}
{% if pathway._late is defined and pathway.prepost == "post" %}
{% set later = to_be_done_later(scalar_code, vector_code) %}
brainsleep::Later {{owner.name}}_later;
{% if later %}
static void {{codeobj_name}}_carry_out_at(const std::vector<int32_t>* neurons);
static struct {{codeobj_name}}_fields {
    {% for type, name in later.fields %}
    {{type}} {{name}};
    {% endfor %}
} {{codeobj_name}}_held;
{% if later.moving %}
static struct {{codeobj_name}}_moving_fields {
    {% for type, name in later.moving %}
    {{type}} {{name}};
    {% endfor %}
} {{codeobj_name}}_moving[brainsleep::Later::most];  // by pass
{% endif %}
{% for array, type in later.past %}
static std::vector<{{type}}> {{codeobj_name}}_past_{{loop.index0}};
{% endfor %}
{% endif %}
{% endif %}
{% endblock %}

{# What was put off, at the synapses of a presynaptic neuron, or at all of them. #}
{% block extra_functions_cpp %}
{% if pathway._shared is defined and pathway.prepost == "pre" %}
{# A loop that has an order is done in that of the spikes, whatever the number of threads. #}
extern const bool {{pathway.name}}_in_parts;
const bool {{pathway.name}}_in_parts = {{ "true" if shareable(scalar_code, vector_code) else "false" }};
{% endif %}
{% if pathway._late is defined and pathway.prepost == "post" %}
{% set later = to_be_done_later(scalar_code, vector_code) %}
{% if later %}
void {{owner.name}}_carry_out(const int32_t _neuron, const int32_t _first, const int32_t _last)
{
    using namespace brian;
    using namespace {{codeobj_name}}_support;
    %CONSTANTS%
    {{pointers_lines|autoindent}}
    const auto& _later = {{owner.name}}_later;
    const uint64_t _from = _later.done[_neuron];
    const int _passes = _later.passes - _from;
    if (_passes == 0) return;
    {% for type, name in later.fields %}
    const {{type}} {{name}} = {{codeobj_name}}_held.{{name}};
    {% endfor %}
    {% for array, type in later.past %}
    {{type}} _past_{{loop.index0}}[brainsleep::Later::most];
    for (int _k = 0; _k < _passes; _k++)
        _past_{{loop.index0}}[_k] = {{codeobj_name}}_past_{{loop.index0}}[(_from + _k) % brainsleep::Later::most*{{pathway.target.N}} + _neuron];
    {% endfor %}
    {% if later.moving %}
    {{codeobj_name}}_moving_fields _moving[brainsleep::Later::most];
    for (int _k = 0; _k < _passes; _k++) _moving[_k] = {{codeobj_name}}_moving[(_from + _k) % brainsleep::Later::most];
    {% endif %}
    const auto* const _far = {{owner.name}}_pre.near_far.data();
    for (int32_t _idx = _first; _idx < _last; _idx++)
        for (uint64_t _left = _later.since(_far[_idx], _from); _left; _left &= _left - 1)
        {
            const int _pass = __builtin_ctzll(_left);
            const size_t _vectorisation_idx = _idx;
            {% for type, name in later.moving %}
            const {{type}} {{name}} = _moving[_pass].{{name}};
            {% endfor %}
            {{later.code|autoindent}}
        }
}

static void {{codeobj_name}}_carry_out_at(const std::vector<int32_t>* _neurons)
{
    const auto& _path = brian::{{owner.name}}_pre;
    const int _n = _neurons ? _neurons->size() : _path.n_neurons;
    brainsleep::threads.run((uint64_t)_n*(_path.neurons.size()/std::max(1, _path.n_neurons)), [&](int _part, int _n_parts) {
        for (int _k = (int64_t)_n*_part/_n_parts; _k < (int64_t)_n*(_part + 1)/_n_parts; _k++) {
            const size_t _neuron = _neurons ? (*_neurons)[_k] : _k;
            {{owner.name}}_carry_out(_neuron, _path.start[_neuron*_path.parts], _path.start[(_neuron + 1)*_path.parts]);
        }
    });
}

void {{owner.name}}_carry_out_all()
{
    if (!{{owner.name}}_later.on) return;
    const double _begun = brainsleep::seconds_now();
    {{codeobj_name}}_carry_out_at(nullptr);
    {{owner.name}}_later.all_done({{pathway.target.N}});
    {{owner.name}}_later.took(brainsleep::seconds_now() - _begun);
}
{% else %}
void {{owner.name}}_carry_out(const int32_t, const int32_t, const int32_t) {}
void {{owner.name}}_carry_out_all() {}
{% endif %}
{% endif %}
{% endblock %}

{% block maincode %}
    {% set eventspace = pathway.source.variables[pathway.eventspace_name] %}
    {% set delay = pathway._delay if pathway._delay is defined else "" %}
    {% if delay %}
    const int32_t* const _spiking = {{get_array_name(eventspace, access_data=False)}};
    const int32_t _num_spiking = _spiking[{{pathway.source.N}}];
    {% endif %}
    {% if delay == "each" %}
    std::vector<SynapticPathway::Span>* const _arriving = {{pathway.name}}.send_spans(_spiking, _num_spiking);
    const uint64_t _reached = {{pathway.name}}.reached(_arriving);
    if (_reached == 0) return;
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
    if ({{get_array_name(variables[pathway._gate])}}[0] == 0) {  // all of it is gated
        {% if delay == "each" %}
        for (int _part = 0; _part < {{pathway.name}}.parts; _part++) _arriving[_part].clear();
        {% endif %}
        return;
    }
    {% endif %}
    {% set one_weight = pathway._fixed_weights is defined and "w" in variables %}
    {% set code = with_one_weight(vector_code, get_array_name(variables["w"]), "_idx & _each") if one_weight else vector_code %}
    {% if delay == "changing" %}
    const size_t _vectorisation_idx = -1;
    {{scalar_code|autoindent}}
    {% if one_weight %}
    const size_t _each = {{pathway.name}}.weights_differ ? ~(size_t)0 : 0;
    {% endif %}
    for (const int32_t _idx : _arriving)
    {
        const size_t _vectorisation_idx = _idx;
        {{code|autoindent}}
    }
    _arriving.clear();
    {% elif delay == "each" %}
    {% set shared = pathway._shared is defined and shareable(scalar_code, vector_code) %}
    {% if shared %}
    const auto _work = [](std::vector<SynapticPathway::Span>* const _arriving, const int _part, const int _n_parts)
    {
        %CONSTANTS%
        {{pointers_lines|autoindent}}
    {% else %}
    {
        constexpr int _part = 0, _n_parts = 1;
    {% endif %}
        const size_t _vectorisation_idx = -1;
        {{scalar_code|autoindent}}
        {% if one_weight %}
        const size_t _each = {{pathway.name}}.weights_differ ? ~(size_t)0 : 0;
        {% endif %}
        const int32_t* const _synapse = {{pathway.name}}.synapse.data();
        const auto* const _far = {{ far_ends(pathway) }}.data();
        const int _parts = {{pathway.name}}.parts;
        constexpr size_t _ahead = 4;  // spans lie anywhere: their synapses are fetched some spans before
        {% set far = "post" if pathway.prepost == "pre" else "pre" %}
        {% for condition, body in ([("if (!_each)", with_one_weight(vector_code, get_array_name(variables["w"]), "0")), ("else", code)] if one_weight else [("", code)]) %}
        {{ condition }}
        for (int _piece = _parts*_part/_n_parts; _piece < _parts*(_part + 1)/_n_parts; _piece++) {
            auto& _spans = _arriving[_piece];
            for (size_t _k = 0; _k < _spans.size(); _k++) {
                if (_k + _ahead < _spans.size()) {
                    const auto& _next = _spans[_k + _ahead];
                    SynapticPathway::fetch(_far, _next.begin, _next.end);
                    {% if condition != "if (!_each)" %}
                    SynapticPathway::fetch(_synapse, _next.begin, _next.end);
                    {% endif %}
                }
                for (int32_t _at = _spans[_k].begin; _at < _spans[_k].end; _at++)
                {
                    const int32_t _idx = _synapse[_at];
                    const size_t _vectorisation_idx = _idx;
                    {{looked_up(without_branch(body), far, "_far[_at]", "")|autoindent}}
                }
            }
            _spans.clear();
        }
        {% endfor %}
    }
    {% if shared %}
    ;
    brainsleep::threads.run(_reached, [&](int _part, int _n_parts) { _work(_arriving, _part, _n_parts); });
    {% endif %}
    {% else %}
    {% set shared = pathway._shared is defined and shareable(scalar_code, vector_code) %}
    {% set late = pathway._late is defined and (pathway.prepost == "pre" or to_be_done_later(scalar_code, vector_code)) %}
    {% if late %}
    auto& _later = {{owner.name}}_later;
    const double _begun = brainsleep::seconds_now();
    {% endif %}
    {% if late and pathway.prepost == "post" %}
    {% set later, code = to_be_done_later(scalar_code, vector_code), scalar_exp(code) %}
    const int _next = _later.next();
    if (_next < 0) {
        {{owner.name}}_carry_out_all();
        _later.on = false;
    } else if (_next > 0) {
        _later.begin({{pathway.target.N}}, {{pathway.source.N}});
        {% for array, type in later.past %}
        {{codeobj_name}}_past_{{loop.index0}}.resize(brainsleep::Later::most*{{pathway.target.N}});
        {% endfor %}
    }
    if (_later.on) {
        const std::vector<int32_t> _overdue = _later.overdue();
        {{codeobj_name}}_carry_out_at(&_overdue);
        for (int32_t _neuron : _overdue) _later.note(_neuron);
        const size_t _vectorisation_idx = -1;
        {{scalar_code|autoindent}}
        {{codeobj_name}}_fields _fields;
        memset(&_fields, 0, sizeof(_fields));
        {% for type, name in later.fields %}
        _fields.{{name}} = {{name}};
        {% endfor %}
        if (memcmp(&_fields, &{{codeobj_name}}_held, sizeof(_fields))) {  // what came before was with others
            {{owner.name}}_carry_out_all();
            memcpy(&{{codeobj_name}}_held, &_fields, sizeof(_fields));
        }
        {% for array, type in later.past %}
        std::copy({{array}}, {{array}} + {{pathway.target.N}}, &{{codeobj_name}}_past_{{loop.index0}}[_later.passes % brainsleep::Later::most*{{pathway.target.N}}]);
        {% endfor %}
        {% for type, name in later.moving %}
        {{codeobj_name}}_moving[_later.passes % brainsleep::Later::most].{{name}} = {{name}};
        {% endfor %}
        _later.add(_events, _num_events);
        _later.took(brainsleep::seconds_now() - _begun);
        return;
    }
    {% endif %}
    {% set kept, unguarded = without_guard(vector_code) if shared and pathway.prepost == "pre" else ("", vector_code) %}
    {% set bodies = [("", without_branch(code))] %}
    {% if kept %}
    {% set plain = with_one_weight(unguarded, get_array_name(variables["w"]), "0") if one_weight else unguarded %}
    {% set bodies = [("if (_unguarded)", plain), ("else", without_branch(code))] %}
    {% endif %}
    {% if kept %}
    static brainsleep::Kept<std::decay<decltype({{kept}}[0])>::type> _kept[brainsleep::most_threads];
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
        const auto* const _far = {{ far_ends(pathway) }}.data();
        {% elif "_postsynaptic_idx" in variables %}
        const auto* const _far = {{get_array_name(variables["_postsynaptic_idx"])}};
        {% endif %}
        {% if pathway.prepost == "pre" %}
        {{ "const size_t _parts = " ~ pathway.name ~ ".parts" if shared else "constexpr size_t _parts = 1" }};
        const size_t _from = _parts*_part/_n_parts, _to = _parts*(_part + 1)/_n_parts;
        {% if kept %}
        {# Where much arrives: refractory neurons get it too, and then back what they had. #}
        const int32_t* const _first = {{pathway.name}}.part_begin.data();
        if (_unguarded) _kept[_part].keep({{kept}}, {{get_array_name(variables["not_refractory"])}}, _first[_from], _first[_to]);
        {% endif %}
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
                {% if late %}
                if ({{owner.name}}_later.on) {{owner.name}}_carry_out(_neuron, _begin, _end);
                {% endif %}
                for (int32_t _idx = _begin; _idx < _end; _idx++)
                {
                    const size_t _vectorisation_idx = _idx;
                    {{looked_up(body, "post", "_far[_idx]" if listed else "")|autoindent}}
                }
            }
        {% endfor %}
        {% if kept %}
        if (_unguarded) _kept[_part].give_back({{kept}});
        {% endif %}
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
    const uint64_t _reached = {{pathway.name}}.reached(_events, _num_events);
    {% if kept %}
    const bool _unguarded = 2*_reached > {{pathway.target.N}}{{ " && !" ~ pathway.name ~ ".weights_differ" if one_weight }};
    {% else %}
    const bool _unguarded = false;
    {% endif %}
    brainsleep::threads.run(_reached, [&](int _part, int _n_parts) { _work(_events, _num_events, _unguarded, _part, _n_parts); });
    {% endif %}
    {% if late %}
    {% if pathway.prepost == "pre" %}
    if (_later.on)
        for (int32_t _k = 0; _k < _num_events; _k++) _later.note(_events[_k]);
    {% endif %}
    _later.took(brainsleep::seconds_now() - _begun);
    {% endif %}
    {% endif %}
{% endblock %}

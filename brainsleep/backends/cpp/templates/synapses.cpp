{# What happens at the synapses of the neurons that spiked in this step. #}
{% extends 'common_group.cpp' %}
{# One of the versions of a loop. #}
{% macro _if(condition, is_first) %}{{ "else " if not is_first }}{{ "if (" ~ condition ~ ")" if condition }}{% endmacro %}

{% block extra_headers %}
{% if pathway._late is defined %}
extern brainsleep::Later {{owner.name}}_later;
void {{owner.name}}_carry_out(const int32_t neuron, const int32_t begin, const int32_t end, const int event, const int32_t ahead);
void {{owner.name}}_carry_out_at(const int32_t* neurons, const int n_neurons);
void {{owner.name}}_carry_out_late();
void {{owner.name}}_look_back(const int32_t* neurons, const int n_neurons, const bool at_once);
void {{owner.name}}_keep_rows(const int32_t* neurons, const int n_neurons);
{# Variables that are the same at all synapses of a neuron, once a neuron; or, if they are not, once a synapse. #}
{% for name in pathway._alike %}
extern decltype(&brian::{{get_array_name(owner.variables[name], access_data=False)}}[0]) {{owner.name}}_kept_{{name}};
{% endfor %}
extern bool {{owner.name}}_by_row, {{owner.name}}_rows_changed;
{% endif %}
{% if pathway._late is defined and pathway.prepost == "post" %}
{% set later = to_be_done_later(scalar_code, vector_code, kept_by_row(pathway, get_array_name)) %}
brainsleep::Later {{owner.name}}_later;
bool {{owner.name}}_by_row = true, {{owner.name}}_rows_changed = false;
{% for name in pathway._alike %}
decltype(&brian::{{get_array_name(owner.variables[name], access_data=False)}}[0]) {{owner.name}}_kept_{{name}};
std::vector<std::decay<decltype(*{{owner.name}}_kept_{{name}})>::type> {{owner.name}}_row_of_{{name}};
{% endfor %}
{% if later %}
static struct {{codeobj_name}}_fields {
    {% for type, name in later.fields %}
    {{type}} {{name}};
    {% endfor %}
} {{codeobj_name}}_held;
{% for type, name in later.moving %}
static {{type}} {{codeobj_name}}_moving_{{name}}[brainsleep::Later::at_most];  // by pass
{% endfor %}
{% for array, type in later.past %}
static brainsleep::Past<{{type}}> {{codeobj_name}}_past_{{loop.index0}};
static std::vector<{{type}}> {{codeobj_name}}_past_table_{{loop.index0}};
{% endfor %}
namespace {{codeobj_name}}_rows {
constexpr int _lanes = brainsleep::Later::lanes;
{% for each in later.of_row %}
typedef {{each.type}} row_{{loop.index0}};
static std::vector<row_{{loop.index0}}> table_{{loop.index0}}, kept_{{loop.index0}};
{# Always of so many at once, and so by the same instructions: the same bits now and later. #}
__attribute__((noinline)) static void _of_rows_{{loop.index0}}({% for type, name in each.fixed %}const {{type}} {{name}}, {% endfor %}{% for type, name in each.moving %}const {{type}}* const _{{name}}, {% endfor %}row_{{loop.index0}}* const _value)
{
    for (int _lane = 0; _lane < _lanes; _lane++) {
        {% for type, name in each.moving %}
        const {{type}} {{name}} = _{{name}}[_lane];
        {% endfor %}
        _value[_lane] = {{each.code}};
    }
}
inline static row_{{loop.index0}} _of_row_{{loop.index0}}({% for type, name in each.fixed + each.moving %}const {{type}} {{name}}{{ ", " if not loop.last }}{% endfor %})
{
    {% for type, name in each.moving %}
    {{type}} _{{name}}[_lanes];
    std::fill(_{{name}}, _{{name}} + _lanes, {{name}});
    {% endfor %}
    row_{{loop.index0}} _value[_lanes];
    _of_rows_{{loop.index0}}({% for name in each.names %}{{ "_" if loop.index0 >= each.fixed|length }}{{name}}, {% endfor %}_value);
    return _value[0];
}
{% endfor %}
}
{% endif %}
{% endif %}
{% endblock %}

{# What was put off, at the synapses of a presynaptic neuron, or at all of them. #}
{% block extra_functions_cpp %}
{% if pathway._shared is defined and pathway.prepost == "pre" %}
{# A loop that has an order is done in that of the spikes, whatever the number of threads. #}
extern const bool {{pathway.name}}_in_parts;
const bool {{pathway.name}}_in_parts = {{ "true" if shareable(scalar_code, vector_code) else "false" }};
{# Whether it is enough to know how often a neuron is reached. #}
extern const bool {{pathway.name}}_counts;
const bool {{pathway.name}}_counts = {{ "true" if may_count(pathway, variables, get_array_name, scalar_code, vector_code)[0] else "false" }};
{% endif %}
{% if pathway._late is defined and pathway.prepost == "post" %}
{% if pathway._alike %}
template <class Numbers> static void {{owner.name}}_fill(Numbers& all, const Numbers& rows)
{
    const auto& path = brian::{{owner.name}}_pre;
    all.resize(path.neurons.size());
    for (size_t k = 0; k < rows.size(); k++)
        std::fill(&all[0] + path.start[k*path.parts], &all[0] + path.start[(k + 1)*path.parts], rows[k]);
}
{% endif %}
{% set later = to_be_done_later(scalar_code, vector_code, kept_by_row(pathway, get_array_name)) %}
{% if later %}
{# Tables of some neurons: what is needed of the passes that were put off at their synapses, by place.
   At once, or before the next loop that joins. #}
void {{owner.name}}_look_back(const int32_t* const _neurons, const int _n_neurons, const bool _at_once)
{
    {% if later.past or later.of_row %}
    using namespace {{codeobj_name}}_rows;
    const auto& _later = {{owner.name}}_later;
    size_t _passes = 0;
    for (int _k = 0; _k < _n_neurons; _k++) _passes += _later.passes - _later.done[_neurons[_k]];
    const size_t _size = _n_neurons*_later.most;
    {% for _ in later.past %}
    if ({{codeobj_name}}_past_table_{{loop.index0}}.size() < _size) {{codeobj_name}}_past_table_{{loop.index0}}.resize(_size);
    {% endfor %}
    {% for _ in later.of_row %}
    if (table_{{loop.index0}}.size() < _size) table_{{loop.index0}}.resize(_size);
    {% endfor %}
    const auto _part_of = [=, &_later](int _part, int _n_parts) {
        {% for type, name in later.fields %}
        const {{type}} {{name}} = {{codeobj_name}}_held.{{name}};
        {% endfor %}
        for (int _k = (int64_t)_n_neurons*_part/_n_parts; _k < (int64_t)_n_neurons*(_part + 1)/_n_parts; _k++) {
            const size_t _neuron = _neurons[_k];
            {% for type, name, array in later.rows %}
            const {{type}} {{name}} = {{kept_by_row(pathway, get_array_name)[array]}}[_neuron];
            {% endfor %}
            {% if later.past %}
            for (uint64_t _pass = _later.done[_neuron]; _pass < _later.passes; _pass++) {
                const size_t _place = _pass & (_later.most - 1), _at = _k*_later.most + _place;
                {% for _ in later.past %}
                {{codeobj_name}}_past_table_{{loop.index0}}[_at] = {{codeobj_name}}_past_{{loop.index0}}.of(_neuron, _place, _pass >= _later.passes/8*8);
                {% endfor %}
            }
            {% endif %}
            {% if later.of_row %}
            for (uint64_t _pass = _later.done[_neuron]/_lanes*_lanes; _pass < _later.passes; _pass += _lanes) {
                const size_t _place = _pass & (_later.most - 1), _at = _k*_later.most + _place;
                {% for each in later.of_row %}
                _of_rows_{{loop.index0}}({% for _, name in each.fixed %}{{name}}, {% endfor %}{% for _, name in each.moving %}{{codeobj_name}}_moving_{{name}} + _place, {% endfor %}&table_{{loop.index0}}[_at]);
                {% endfor %}
            }
            {% endif %}
            {% for _ in later.of_row %}
            for (uint64_t _pass = 0; _pass < _later.kept[_neuron]; _pass++)
                table_{{loop.index0}}[_k*_later.most + (_later.done[_neuron] + _pass) % _later.most] = kept_{{loop.index0}}[_neuron*_later.some + _pass];
            {% endfor %}
        }
    };
    if (_at_once) brainsleep::threads.run(4*_passes, _part_of);
    else brainsleep::threads.prepare(4*_passes, _part_of, [](double _seconds) { {{owner.name}}_later.took(_seconds); });
    {% endif %}
}

{# Before variables that are kept once a neuron change: what was put off is done with what they were. #}
void {{owner.name}}_keep_rows(const int32_t* const _neurons, const int _n_neurons)
{
    {% if later.of_row %}
    auto& _later = {{owner.name}}_later;
    std::vector<int32_t> _behind;  // with more to do than that
    for (int _k = 0; _k < _n_neurons; _k++)
        if (_later.passes - _later.done[_neurons[_k]] > _later.some) _behind.push_back(_neurons[_k]);
    {{owner.name}}_carry_out_at(_behind.data(), _behind.size());
    for (int32_t _neuron : _behind) _later.note(_neuron);
    using namespace {{codeobj_name}}_rows;
    {% for type, name in later.fields %}
    const {{type}} {{name}} = {{codeobj_name}}_held.{{name}};
    {% endfor %}
    {% for _ in later.of_row %}
    kept_{{loop.index0}}.resize({{pathway.target.N}}*_later.some);
    {% endfor %}
    for (int _k = 0; _k < _n_neurons; _k++) {
        const size_t _neuron = _neurons[_k];
        const uint64_t _from = _later.done[_neuron];
        {% for type, name, array in later.rows %}
        const {{type}} {{name}} = {{kept_by_row(pathway, get_array_name)[array]}}[_neuron];
        {% endfor %}
        for (uint64_t _pass = _from + _later.kept[_neuron]; _pass < _later.passes; _pass++) {
            {% if later.moving %}
            const size_t _place = _pass % _later.most;
            {% endif %}
            {% for type, name in later.moving %}
            const {{type}} {{name}} = {{codeobj_name}}_moving_{{name}}[_place];
            {% endfor %}
            {% for each in later.of_row %}
            kept_{{loop.index0}}[_neuron*_later.some + _pass - _from] = _of_row_{{loop.index0}}({{ each.names|join(", ") }});
            {% endfor %}
        }
        _later.kept[_neuron] = _later.passes - _from;
    }
    {% endif %}
}

{% set gated = unless_open(later.code) != later.code %}
{{ "template <bool _open> " if gated }}static void {{codeobj_name}}_carry_out(const int32_t _neuron, const int32_t _first, const int32_t _last, const int _event, const int32_t _ahead)
{
    using namespace brian;
    using namespace {{codeobj_name}}_support;
    %CONSTANTS%
    {{pointers_lines|autoindent}}
    auto& _later = {{owner.name}}_later;
    const uint64_t _from = _later.done[_neuron], _wanted = _later.passes - _from;
    if (_wanted == 0) return;
    {% for type, name in later.fields %}
    const {{type}} {{name}} = {{codeobj_name}}_held.{{name}};
    {% endfor %}
    {% for _, type in later.past %}
    const {{type}}* const _past_{{loop.index0}} = {{codeobj_name}}_past_table_{{loop.index0}}.data() + _event*_later.most;
    {% endfor %}
    {% for each in later.of_row %}
    const auto* const _row_{{loop.index0}} = {{codeobj_name}}_rows::table_{{loop.index0}}.data() + _event*_later.most;
    {% endfor %}
    const auto* const _far = {{owner.name}}_pre.near_far.data();
    {% for table in later.tables %}
    if (_wanted < 8*(uint64_t)(_last - _first))  // most of it is looked at
        for (uint64_t _pass = _from; _pass < _later.passes; _pass += 8) __builtin_prefetch({{table}} + (_pass & (_later.most - 1)));
    {% endfor %}
    constexpr int _at_once = 1024;
    uint8_t _left[_at_once + 8];  // by synapse: effects left
    uint16_t _some[_at_once + 8], _more[_at_once + 8];  // synapses that have some, or more than one
    uint32_t _list[_at_once];                            // the latter, with how many are left
    const uint16_t* const _recent = _later.recent.data();
    const uint8_t* const _count = _later.count.data();
    uint8_t* const _seen = _later.seen.data();
    for (int32_t _begin = _first; _begin < _last; _begin += _at_once) {
        const int32_t _n = std::min(_at_once, _last - _begin), _next = _ahead + _begin - _first;
        int _n_some = 0, _n_more = 0;
        uint64_t _most = 0;
        memset(_left + _n/8*8, 0, 8);
        {# Weights of the next event are fetched meanwhile, a cache line every now and then. #}
        for (int32_t _k = 0; _k < _n/8*8; _k += 8) {
            {% for array in arrays_of_synapses(later.code) %}
            __builtin_prefetch({{array}} + _next + _k, 0, 2);
            {% endfor %}
            for (int32_t _j = _k; _j < _k + 8; _j++) _left[_j] = _count[_far[_begin + _j]];
        }
        for (int32_t _k = _n/8*8; _k < _n; _k++) _left[_k] = _count[_far[_begin + _k]];
        for (int32_t _k = 0; _k < _n; _k++) {
            const uint8_t _now = _left[_k];
            _left[_k] -= _seen[_begin + _k];
            _seen[_begin + _k] = _now;
        }
        for (int32_t _k = 0; _k < _n; _k += 8) {
            __builtin_prefetch(_far + _next + _k);
            __builtin_prefetch(_seen + _next + _k);
            const uint64_t _eight = brainsleep::eight::from(_left + _k);
            _n_some += brainsleep::eight::places.add(_some + _n_some, brainsleep::eight::which(_eight, 1), _k);
            _n_more += brainsleep::eight::places.add(_more + _n_more, brainsleep::eight::which(_eight, 2), _k);
            _most |= _eight;
        }
        const auto _effect = [=](const size_t _idx, const size_t _place) __attribute__((always_inline)) {
            const size_t _vectorisation_idx = _idx;
            {% for type, name in later.moving %}
            const {{type}} {{name}} = {{codeobj_name}}_moving_{{name}}[_place];
            {% endfor %}
            {{unless_open(later.code)|autoindent}}
        };
        const size_t _base = _begin;
        if (_most & brainsleep::eight::not_few) {
            for (int _k = 0; _k < _n_some; _k++) {
                const size_t _own = _some[_k], _neuron = _far[_base + _own];
                for (int _spikes = _left[_own]; _spikes > 0; _spikes--)
                    _effect(_base + _own, _later.place_of(_neuron, _spikes));
            }
            continue;
        }
        {# One effect at each; then at those that have more. #}
        for (int _k = 0; _k < _n_some; _k++) {
            const size_t _own = _some[_k];
            _effect(_base + _own, _recent[_far[_base + _own]*(size_t)_later.few + _left[_own] - 1]);
        }
        for (int _k = 0; _k < _n_more; _k++) _list[_k] = _more[_k] << 8 | (_left[_more[_k]] - 1);
        while (_n_more) {
            const int _n_now = _n_more;
            _n_more = 0;
            for (int _k = 0; _k < _n_now; _k++) {
                const uint32_t _entry = _list[_k] - 1;
                const size_t _idx = _base + (_entry >> 8);
                _effect(_idx, _recent[_far[_idx]*(size_t)_later.few + (_entry & 255)]);
                _list[_n_more] = _entry;
                _n_more += (_entry & 255) != 0;
            }
        }
    }
}

void {{owner.name}}_carry_out(const int32_t neuron, const int32_t begin, const int32_t end, const int event, const int32_t ahead)
{
    {% if gated %}
    const bool open = {{codeobj_name}}_held.{{gate}} == 1;
    (open ? {{codeobj_name}}_carry_out<true> : {{codeobj_name}}_carry_out<false>)(neuron, begin, end, event, ahead);
    {% else %}
    {{codeobj_name}}_carry_out(neuron, begin, end, event, ahead);
    {% endif %}
}

void {{owner.name}}_carry_out_at(const int32_t* _neurons, const int _n_neurons)
{
    const auto& _path = brian::{{owner.name}}_pre;
    for (int32_t _from = 0; _from < _n_neurons; _from += brainsleep::Later::tables, _neurons += brainsleep::Later::tables) {
        const int _n = std::min<int32_t>(brainsleep::Later::tables, _n_neurons - _from);
        {{owner.name}}_look_back(_neurons, _n, true);
        brainsleep::threads.run((uint64_t)_n*(_path.neurons.size()/std::max(1, _path.n_neurons)), [&](int _part, int _n_parts) {
            for (int _k = (int64_t)_n*_part/_n_parts; _k < (int64_t)_n*(_part + 1)/_n_parts; _k++) {
                const size_t _neuron = _neurons[_k];
                {{owner.name}}_carry_out(_neuron, _path.start[_neuron*_path.parts], _path.start[(_neuron + 1)*_path.parts], _k, _path.start[_neuron*_path.parts]);
            }
        });
    }
}
{% else %}
void {{owner.name}}_look_back(const int32_t*, const int, const bool) {}
void {{owner.name}}_keep_rows(const int32_t*, const int) {}
void {{owner.name}}_carry_out(const int32_t, const int32_t, const int32_t, const int, const int32_t) {}
void {{owner.name}}_carry_out_at(const int32_t*, const int) {}
{% endif %}

void {{owner.name}}_carry_out_late()
{
    if (!{{owner.name}}_later.on) return;
    const double _begun = brainsleep::seconds_now();
    std::vector<int32_t> _neurons({{pathway.target.N}});
    std::iota(_neurons.begin(), _neurons.end(), 0);
    {{owner.name}}_carry_out_at(_neurons.data(), _neurons.size());
    {{owner.name}}_later.all_done();
    {{owner.name}}_later.took(brainsleep::seconds_now() - _begun);
}

{# For somebody who reads synapses: they have what is kept once a neuron, too. #}
void {{owner.name}}_carry_out_all()
{
    {{owner.name}}_carry_out_late();
    {% if pathway._alike %}
    if (!{{owner.name}}_by_row || !{{owner.name}}_rows_changed) return;
    {{owner.name}}_rows_changed = false;
    {% for name in pathway._alike %}
    {{owner.name}}_fill(brian::{{get_array_name(owner.variables[name], access_data=False)}}, {{owner.name}}_row_of_{{name}});
    {% endfor %}
    {% endif %}
}

{# At the start: if a variable is not the same at all synapses of a neuron, none is kept once a neuron. #}
void {{owner.name}}_take_rows()
{
    {% for name in pathway._alike %}
    auto& _all_{{name}} = brian::{{get_array_name(owner.variables[name], access_data=False)}};
    if (!{{owner.name}}_by_row && _all_{{name}}.empty()) {{owner.name}}_fill(_all_{{name}}, {{owner.name}}_row_of_{{name}});
    {{owner.name}}_kept_{{name}} = ({{owner.name}}_by_row ? {{owner.name}}_row_of_{{name}} : _all_{{name}}).data();
    {% endfor %}
    {{owner.name}}_rows_changed = true;
}
{% endif %}
{% endblock %}

{% block maincode %}
    {% set eventspace = pathway.source.variables[pathway.eventspace_name] %}
    {% set delay = pathway._delay if pathway._delay is defined else "" %}
    {% set shared = pathway._shared is defined and delay != "changing" and shareable(scalar_code, vector_code) %}
    {% set own = shared and pathway._once is not defined and reads_own_part(variables, get_array_name, [owner, pathway.target], vector_code) %}
    {% set joins = own and pathway.prepost == "pre" %}
    {% set add = 'add(_reached, "' ~ owner.name ~ '"' if joins else "run(_reached" %}
    {% set early = joins and delay == "one" and pathway._late is not defined %}
    {% if early %}
    {# What arrives after a delay is known before it is known who spikes now. #}
    static const int _own_parts = {{pathway.name}}.known_before() ? {{pathway.name}}.own_parts(brainsleep::threads.n) : 0;
    if (_own_parts) brainsleep::threads.joins(brainsleep::Parts::arriving, "", _own_parts);
    else brainsleep::threads.joins(brainsleep::Parts::synapses);
    {% elif joins %}
    {# One that carries out what was put off has tables that all pathways of its synapses share. #}
    brainsleep::threads.joins(brainsleep::Parts::synapses{{ ', "' ~ owner.name ~ '"' if pathway._late is defined }});
    {% endif %}
    {% if delay == "one" %}
    const std::vector<int32_t>& _arriving = {{pathway.name}}.arriving();
    const auto _send = [](double) {
        const int32_t* const _spiking = {{get_array_name(eventspace, access_data=False)}};
        {{pathway.name}}.send(_spiking, _spiking[{{pathway.source.N}}]);
    };
    {% if early %}
    if (_own_parts) brainsleep::threads.add(0, "{{pathway.name}}", [](int, int) {}, _send, false);  // once it is known
    else
    {% endif %}
    _send(0);
    {% elif delay %}
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
    {% set code = with_one_weight(vector_code, get_array_name(variables["w"])) if one_weight else vector_code %}
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
        const int _from = {{pathway.name}}.parts_upto(_part, _n_parts), _to = {{pathway.name}}.parts_upto(_part + 1, _n_parts);
        constexpr size_t _ahead = 4;  // spans lie anywhere: their synapses are fetched some spans before
        {% set far = "post" if pathway.prepost == "pre" else "pre" %}
        {% set weight, plain = with_weight_outside(vector_code, get_array_name(variables["w"])) if one_weight else ("", []) %}
        {{weight}}
        {% for condition, body in ([("!_each", plain), ("", code)] if one_weight else by_gate([("", code)])) %}
        {{ _if(condition, loop.first) }}
        for (int _piece = _from; _piece < _to; _piece++) {
            auto& _spans = _arriving[_piece];
            for (size_t _k = 0; _k < _spans.size(); _k++) {
                if (_k + _ahead < _spans.size()) {
                    const auto& _next = _spans[_k + _ahead];
                    SynapticPathway::fetch(_far, _next.begin, _next.end);
                    {% if condition != "!_each" %}
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
    brainsleep::threads.{{ add }}, [=](int _part, int _n_parts) { _work(_arriving, _part, _n_parts); });
    {% endif %}
    {% else %}
    {% set late = pathway._late is defined and (pathway.prepost == "pre" or to_be_done_later(scalar_code, vector_code, kept_by_row(pathway, get_array_name))) %}
    {% if late %}
    auto& _later = {{owner.name}}_later;
    {% if pathway.prepost == "post" %}
    {# What is noted waits for what others note; what is done at once does not. #}
    brainsleep::threads.joins(brainsleep::Parts::notes);
    if (!_later.on) brainsleep::threads.finish();
    {% endif %}
    {% if pathway._once is defined or pathway.prepost == "post" %}
    double _begun = brainsleep::seconds_now();
    {% endif %}
    {% endif %}
    {% set kept_rows = kept_by_row(pathway, get_array_name) %}
    {% if pathway._once is defined %}
    if (_later.on) {{owner.name}}_keep_rows(_events, _num_events);
    {
        const size_t _vectorisation_idx = -1;
        {{scalar_code|autoindent}}
        {{owner.name}}_rows_changed = true;
        const auto& _path = {{pathway.name}};
        for (int32_t _event = 0; _event < _num_events; _event++) {
            const size_t _neuron = _events[_event];
            const bool _once = {{owner.name}}_by_row;
            const size_t _begin = _once ? _neuron : _path.start[_neuron*_path.parts];
            const size_t _end = _once ? _neuron + 1 : _path.start[(_neuron + 1)*_path.parts];
            for (size_t _of = _begin; _of < _end; _of++) {
                const size_t _vectorisation_idx = _of;
                {{by_row(scalar_exp(vector_code), kept_rows)|autoindent}}
            }
        }
    }
    _later.took(brainsleep::seconds_now() - _begun);
    {% else %}
    {% if late and pathway.prepost == "post" %}
    {% set later = to_be_done_later(scalar_code, vector_code, kept_by_row(pathway, get_array_name)) %}
    {% set code = later.now %}
    const int _next = {{owner.name}}_by_row ? _later.next() : 0;
    if (_next < 0) {
        brainsleep::threads.finish();
        {{owner.name}}_carry_out_late();
        _later.stop();
        _begun = brainsleep::seconds_now();
    } else if (_next > 0) {
        size_t _bytes = 0;
        {% for array, type in later.past %}
        _bytes += sizeof({{type}});
        {% endfor %}
        _later.begin({{pathway.target.N}}, {{pathway.source.N}}, {{owner.name}}_pre.neurons.size(), _bytes);
        {% for array, type in later.past %}
        {{codeobj_name}}_past_{{loop.index0}}.begin(_later.most, {{pathway.target.N}});
        {% endfor %}
    }
    if (_later.on) {
        const std::vector<int32_t> _overdue = _later.overdue();
        {{owner.name}}_carry_out_at(_overdue.data(), _overdue.size());
        for (int32_t _neuron : _overdue) _later.note(_neuron);
        if (_later.full) {{owner.name}}_carry_out_late();
        const size_t _vectorisation_idx = -1;
        {{scalar_code|autoindent}}
        {{codeobj_name}}_fields _fields;
        memset(&_fields, 0, sizeof(_fields));
        {% for type, name in later.fields %}
        _fields.{{name}} = {{name}};
        {% endfor %}
        if (memcmp(&_fields, &{{codeobj_name}}_held, sizeof(_fields))) {  // what came before was with others
            {{owner.name}}_carry_out_late();
            memcpy(&{{codeobj_name}}_held, &_fields, sizeof(_fields));
        }
        const uint64_t _place = _later.pass(_events, _num_events);
        {% for type, name in later.moving %}
        {{codeobj_name}}_moving_{{name}}[_place] = {{name}};
        {% endfor %}
        _later.took(brainsleep::seconds_now() - _begun);
        brainsleep::threads.add(_later.work(_num_events, {{later.past|length}}), "{{owner.name}}", [=](int _part, int _n_parts) {
            {% for array, _ in later.past %}
            {{codeobj_name}}_past_{{loop.index0}}.add(&{{array}}[0], _place, _part, _n_parts);
            {% endfor %}
            {{owner.name}}_later.add(_events, _num_events, _place, _part, _n_parts);
        }, [=](double _seconds) { {{owner.name}}_later.took(_seconds, {{pathway.name}}.about(_num_events)); });
        return;
    }
    {% endif %}
    {% if late and pathway.prepost == "pre" %}
    {# As many at once as have room for their tables. #}
    const int32_t* const _all_events = _events;
    const int32_t _num_all = _num_events;
    for (int32_t _done = 0; _done < _num_all; _done += brainsleep::Later::tables) {
    const int32_t* const _events = _all_events + _done;
    const int32_t _num_events = std::min<int32_t>(brainsleep::Later::tables, _num_all - _done);
    {% if joins %}
    if (_later.on) {{owner.name}}_look_back(_events, _num_events, false);
    {% else %}
    const double _begun = brainsleep::seconds_now();
    if (_later.on) {{owner.name}}_look_back(_events, _num_events, true);
    _later.took(brainsleep::seconds_now() - _begun);
    {% endif %}
    {% endif %}
    {% set kept, unguarded = without_guard(vector_code) if shared and pathway.prepost == "pre" else ("", vector_code) %}
    {% set weight, plain = with_weight_outside(unguarded, get_array_name(variables["w"])) if one_weight else ("", unguarded) %}
    {% set bodies = by_gate([("_unguarded", plain), ("", without_branch(code))] if kept else [("", without_branch(code))]) %}
    {% set counted_array, counted_code = may_count(pathway, variables, get_array_name, scalar_code, vector_code) %}
    {% if kept %}
    static brainsleep::Kept<std::decay<decltype({{kept}}[0])>::type> _kept[brainsleep::most_threads*brainsleep::parts_each];
    {% endif %}
    {% if shared %}
    {# With pointers of its own: of those that it is given, a compiler knows less. #}
    const auto _work = [](const int32_t* const _events, const int32_t _num_events, const bool _unguarded, const bool _counted, const int _part, const int _n_parts)
    {
        %CONSTANTS%
        {{pointers_lines|autoindent}}
    {% else %}
    {
        constexpr int _part = 0, _n_parts = 1;
    {% endif %}
        {% if late and pathway.prepost == "post" and later.of_row %}
        using namespace {{codeobj_name}}_rows;
        {% endif %}
        const int32_t* const _start = {{pathway.name}}.start.data();
        const size_t _vectorisation_idx = -1;
        {{scalar_code|autoindent}}
        {% if one_weight %}
        const size_t _each = {{pathway.name}}.weights_differ ? ~(size_t)0 : 0;
        {% endif %}
        {{ weight if kept or counted_array }}
        {% set listed = pathway._narrow is defined or pathway.prepost == "post" %}
        {% if listed %}
        const auto* const _far = {{ far_ends(pathway) }}.data();
        {% elif "_postsynaptic_idx" in variables %}
        const auto* const _far = {{get_array_name(variables["_postsynaptic_idx"])}};
        {% endif %}
        {% if pathway.prepost == "pre" %}
        {% if late %}
        const bool _puts_off = {{owner.name}}_later.on;
        {% endif %}
        {{ "const size_t _parts = " ~ pathway.name ~ ".parts" if shared else "constexpr size_t _parts = 1" }};
        {% if shared %}
        const size_t _from = {{pathway.name}}.parts_upto(_part, _n_parts), _to = {{pathway.name}}.parts_upto(_part + 1, _n_parts);
        {% else %}
        constexpr size_t _from = 0, _to = 1;
        {% endif %}
        {% if counted_array %}
        {# Where much arrives, and all synapses do the same: how often each neuron is reached. #}
        const auto& _reach = {{pathway.name}}.reach;
        if (_counted)
        {
            const int _low = {{pathway.name}}.part_begin[_from], _high = {{pathway.name}}.part_begin[_to];
            uint8_t _counts[brainsleep::Reach::at_once];
            for (int _at = _low/_reach.first_at*_reach.first_at; _at < _high; _at += _reach.at_once)
                for (int32_t _event = 0; _event < _num_events; _event += _reach.most)
                {
                    _reach.count(_events + _event, std::min<int>(_reach.most, _num_events - _event), _at, _high, _counts);
                    const int _end = std::min<int>(_high, _at + _reach.at_once);
                    for (int _begin = std::max(_low, _at), _size; _begin < _end; _begin += _size)
                    {
                        typedef brainsleep::Some<std::decay<decltype({{counted_array}}[0])>::type> _Some;
                        _size = std::min<int>(_Some::n, _end - _begin);
                        _Some _some({{counted_array}} + _begin, _counts + _begin - _at, {{ get_array_name(variables["not_refractory"]) ~ " + _begin" if kept else "nullptr" }}, _size);
                        for (int _round = 0; _round < _some.rounds; _round++)
                        {
                            const auto _now = (std::decay<decltype({{counted_array}}[0])>::type)_round;
                            for (int _k = 0; _k < _Some::n; _k++)
                            {
                                {{counted_code|autoindent}}
                            }
                        }
                        _some.give_back({{counted_array}} + _begin);
                    }
                }
            return;
        }
        {% endif %}
        {% if kept %}
        {# Where much arrives: refractory neurons get it too, and then back what they had. #}
        const int32_t* const _first = {{pathway.name}}.part_begin.data();
        if (_unguarded) _kept[_part].keep({{kept}}, {{get_array_name(variables["not_refractory"])}}, _first[_from], _first[_to]);
        {% endif %}
        {% for condition, body in bodies %}
        {{ _if(condition, loop.first) }}
        for (size_t _piece = _from; _piece < _to; _piece++)
            for (int32_t _event = 0; _event < _num_events; _event++)
            {
                const int32_t _neuron = _events[_event];
                const int32_t _begin = _start[_neuron*_parts + _piece], _end = _start[_neuron*_parts + _piece + 1];
                {% set fetched = shared and "_postsynaptic_idx" in variables %}
                {% if late or fetched %}
                const size_t _next = _events[std::min(_event + 1, _num_events - 1)]*_parts + _piece;
                {% endif %}
                {% if late %}
                if (_puts_off) {
                    __builtin_prefetch(_start + _events[std::min(_event + 4, _num_events - 1)]*_parts + _piece);
                    {{owner.name}}_carry_out(_neuron, _begin, _end, _event, _start[_next]);
                }
                {% endif %}
                {% if fetched %}
                {{ "if (!_puts_off)" if late }} SynapticPathway::fetch(_far, _start[_next], _start[_next + 1]);
                {% endif %}
                for (int32_t _idx = _begin; _idx < _end; _idx++)
                {
                    const size_t _vectorisation_idx = _idx;
                    {% if kept_rows %}
                    const size_t _of = {{owner.name}}_by_row ? _neuron : _idx;
                    {% endif %}
                    {{by_row(looked_up(body, "post", "_far[_idx]" if listed else ""), kept_rows)|autoindent}}
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
        {% for condition, body in by_gate([("", without_branch(code))]) %}
        {{ _if(condition, loop.first) }}
        for (int32_t _event = _from; _event < _to; _event++)
        {
            const int32_t _neuron = _events[_event];
            const int32_t _begin = _start[_neuron], _end = _start[_neuron + 1];
            for (int32_t _at = _begin; _at < _end; _at++)
            {
                const int32_t _idx = _synapse[_at];
                const size_t _vectorisation_idx = _idx;
                {% if kept_rows %}
                const size_t _of = {{owner.name}}_by_row ? _far[_at] : _idx;
                {% endif %}
                {{by_row(looked_up(body, "pre", "_far[_at]"), kept_rows)|autoindent}}
            }
        }
        {% endfor %}
        {% endif %}
    }
    {{ ";" if shared }}
    {% if shared or late %}
    const uint64_t _reached = {{pathway.name}}.about(_num_events);
    {% endif %}
    {% if shared %}
    {% if counted_array %}
    const bool _counted = {{pathway.name}}.reach.made() && 2*_reached > {{pathway.target.N}};
    {% else %}
    const bool _counted = false;
    {% endif %}
    {% if kept %}
    const bool _unguarded = 2*_reached > {{pathway.target.N}}{{ " && !" ~ pathway.name ~ ".weights_differ" if one_weight }};
    {% else %}
    const bool _unguarded = false;
    {% endif %}
    const auto _part_of = [=](int _part, int _n_parts) { _work(_events, _num_events, _unguarded, _counted, _part, _n_parts); };
    {% endif %}
    {% if late and pathway.prepost == "pre" %}
    const auto _is_done = [=](double _seconds) {
        if ({{owner.name}}_later.on)
            for (int32_t _k = 0; _k < _num_events; _k++) {{owner.name}}_later.note(_events[_k]);
        {{owner.name}}_later.took(_seconds, _reached);
    };
    {% if shared %}
    brainsleep::threads.{{ add }}, _part_of, _is_done);
    if (_done + _num_events < _num_all) brainsleep::threads.finish();  // the tables are needed again
    {% else %}
    _is_done(0);
    {% endif %}
    }
    {% else %}
    {% if shared %}
    brainsleep::threads.{{ add }}, _part_of);
    {% endif %}
    {% if late %}
    _later.took(brainsleep::seconds_now() - _begun, _reached);
    {% endif %}
    {% endif %}
    {% endif %}
    {% endif %}
{% endblock %}

{# Conditions first, in a loop that a compiler can vectorise (see stateupdate.cpp for what is drawn,
   and when it is looked at them already, a block at a time); then the few neurons that spike. #}
{# By whose name neurons are found a block at a time, by the state updater or by threads: "" if they are not. #}
{% macro _found_by() -%}
{% if conditions_follow is defined %}{{ owner.name }}
{%- elif has_conditions_by_block(owner, variables, get_array_name, scalar_code, vector_code) %}{{ codeobj_name }}
{%- endif %}
{%- endmacro %}
{# Neurons that have spiked are refractory from now on. #}
{% macro _note(found) %}
{% if _uses_refractory %}
for (int32_t _k = 0; _k < _n_found; _k++) {
    {{not_refractory}}[{{found}}[_k]] = false;
    {{lastspike}}[{{found}}[_k]] = {{t}};
}
{% endif %}
{% endmacro %}
{# USES_VARIABLES { N } #}
{% extends 'common_group.cpp' %}

{% block extra_headers %}
{% set found_by = _found_by() %}
{% if found_by %}
constexpr int {{found_by}}_grains = brainsleep::grains({{owner.N}}), {{found_by}}_room = brainsleep::grain + 8;
static char {{found_by}}_fired[{{found_by}}_grains*brainsleep::grain];
static int32_t {{found_by}}_found[{{found_by}}_grains*{{found_by}}_room], {{found_by}}_n_found[{{found_by}}_grains];  // by the first grain
void {{found_by}}_conditions(const int begin, const int end);
{% endif %}
{% endblock %}

{% block extra_functions_cpp %}
{% set found_by = _found_by() %}
{% if found_by %}
void {{found_by}}_conditions(const int _begin, const int _end)
{
    using namespace brian;
    using namespace {{codeobj_name}}_support;
    %CONSTANTS%
    {{pointers_lines|autoindent}}
    const int _vectorisation_idx = -1;
    {{scalar_code|autoindent}}
    for (int _idx = _begin; _idx < _end; _idx++)
    {
        const size_t _vectorisation_idx = _idx;
        {{vector_code|autoindent}}
        {{found_by}}_fired[_idx] = _cond != 0;
    }
    const int _first = _begin/brainsleep::grain;
    int32_t* const _found = {{found_by}}_found + _first*{{found_by}}_room;
    const int32_t _n_found = brainsleep::eight::list_true({{found_by}}_fired, _begin, _end, _found);
    std::fill({{found_by}}_n_found + _first, {{found_by}}_n_found + brainsleep::grains(_end), 0);
    {{found_by}}_n_found[_first] = _n_found;
    {{ _note("_found") }}
}
{% endif %}
{% endblock %}

{% block maincode %}
    {% set found_by = _found_by() %}
    {% set _eventspace = get_array_name(eventspace_variable) %}
    {% set kinds, code = drawn_before(vector_code) %}
    {% if found_by %}
    const auto _note_found = [=](double) {
        int32_t _count = 0;
        for (int _grain = 0; _grain < {{found_by}}_grains; _grain++) {
            const int32_t* const _found = {{found_by}}_found + _grain*{{found_by}}_room;
            for (int32_t _k = 0; _k < {{found_by}}_n_found[_grain]; _k++) {{_eventspace}}[_count++] = _found[_k];
        }
        {{_eventspace}}[N] = _count;
    };
    {% if conditions_follow is defined %}
    _note_found(0);
    {% else %}
    brainsleep::threads.joins(brainsleep::Parts::neurons);
    brainsleep::threads.add(N, "{{owner.name}}", [](const int _part, const int _n_parts) {
        const int _to = brainsleep::neurons_upto(N, _part + 1, _n_parts);
        for (int _begin = brainsleep::neurons_upto(N, _part, _n_parts); _begin < _to; _begin += brainsleep::block)
            {{found_by}}_conditions(_begin, std::min(_to, _begin + brainsleep::block));
    }, _note_found, false);
    {% endif %}
    {% else %}
    constexpr int _line = brainsleep::eight::line;
    static char _fired[(N + _line - 1)/_line*_line];
    static int32_t _found[N + 8];
    const int _vectorisation_idx = -1;
    {{scalar_code|autoindent}}
    constexpr int _block = {{ "brainsleep::block" if kinds else "N" }};
    {% for kind in kinds %}
    double _draws_{{loop.index0}}[_block];
    {% endfor %}
    for (int _begin = 0; _begin < N; _begin += _block)
    {
        const int _end = std::min<int>(N, _begin + _block);
        {% for kind in kinds %}
        brainsleep::random_numbers.fill_{{kind}}(_draws_{{loop.index0}}, _end - _begin);
        {% endfor %}
        for (int _idx = _begin; _idx < _end; _idx++)
        {
            const size_t _vectorisation_idx = _idx;
            {{code|autoindent}}
            _fired[_idx] = _cond != 0;
        }
    }
    const int32_t _n_found = brainsleep::eight::list_true(_fired, 0, N, _found);
    {{ _note("_found") }}
    std::copy(_found, _found + _n_found, {{_eventspace}});
    {{_eventspace}}[N] = _n_found;
    {% endif %}
{% endblock %}

{% block after_code %}
    {{get_array_name(eventspace_variable)}}[N] = 0;
{% endblock %}

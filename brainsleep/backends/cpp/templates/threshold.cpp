{# Conditions first, in a loop that a compiler can vectorise (see stateupdate.cpp for what is drawn,
   and when it is looked at them already, a block at a time); then the few neurons that spike. #}
{# By whose name neurons are found a block at a time, by the state updater or by threads: "" if they are not. #}
{% macro _found_by() -%}
{% if conditions_follow is defined %}{{ owner.name }}
{%- elif has_conditions_by_block(owner, variables, get_array_name, scalar_code, vector_code) %}{{ codeobj_name }}
{%- endif %}
{%- endmacro %}
{# USES_VARIABLES { N } #}
{% extends 'common_group.cpp' %}

{% block extra_headers %}
{% set found_by = _found_by() %}
{% if found_by %}
constexpr int {{found_by}}_blocks = ({{owner.N}} + brainsleep::block - 1)/brainsleep::block;
static char {{found_by}}_fired[{{found_by}}_blocks*brainsleep::block];
static int32_t {{found_by}}_found[{{found_by}}_blocks][brainsleep::block + 8], {{found_by}}_n_found[{{found_by}}_blocks];
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
    const int _block = _begin/brainsleep::block;
    {{found_by}}_n_found[_block] = brainsleep::eight::list_true({{found_by}}_fired, _begin, _end, {{found_by}}_found[_block]);
}
{% endif %}
{% endblock %}

{% block maincode %}
    {% set found_by = _found_by() %}
    {% set _eventspace = get_array_name(eventspace_variable) %}
    {% set kinds, code = drawn_before(vector_code) %}
    const auto _note = [=](const int _idx, int32_t& _count) {
        {{_eventspace}}[_count++] = _idx;
        {% if _uses_refractory %}
        {{not_refractory}}[_idx] = false;
        {{lastspike}}[_idx] = {{t}};
        {% endif %}
    };
    {% if found_by %}
    const auto _note_found = [=](double) {
        int32_t _count = 0;
        for (int _block = 0; _block < {{found_by}}_blocks; _block++)
            for (int32_t _k = 0; _k < {{found_by}}_n_found[_block]; _k++)
                _note({{found_by}}_found[_block][_k], _count);
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
    }, _note_found);
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
    int32_t _count = 0;
    for (int32_t _k = 0; _k < _n_found; _k++) _note(_found[_k], _count);
    {{_eventspace}}[N] = _count;
    {% endif %}
{% endblock %}

{% block after_code %}
    {{get_array_name(eventspace_variable)}}[N] = 0;
{% endblock %}

{# Conditions first, in a loop that a compiler can vectorise (see stateupdate.cpp for what is drawn,
   and when it is looked at them already); then the few neurons that spike. #}
{# USES_VARIABLES { N } #}
{% extends 'common_group.cpp' %}

{% block extra_headers %}
{% if conditions_follow is defined %}
static char {{owner.name}}_fired[({{owner.N}} + 7)/8*8];
{% endif %}
{% endblock %}

{% block extra_functions_cpp %}
{% if conditions_follow is defined %}
void {{owner.name}}_conditions(const int _begin, const int _end)
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
        {{owner.name}}_fired[_idx] = _cond;
    }
}
{% endif %}
{% endblock %}

{% block maincode %}
    {% set _eventspace = get_array_name(eventspace_variable) %}
    {% set kinds, code = drawn_before(vector_code) %}
    {% if conditions_follow is defined %}
    char* const _fired = {{owner.name}}_fired;
    {% else %}
    static char _fired[(N + 7)/8*8];
    const int _vectorisation_idx = -1;
    {{scalar_code|autoindent}}
    constexpr int _block = {{ 1024 if kinds else "N" }};
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
            _fired[_idx] = _cond;
        }
    }
    {% endif %}
    int32_t _count = 0;
    for (size_t _block = 0; _block < N; _block += 8)
    {
        uint64_t _any;
        memcpy(&_any, _fired + _block, 8);
        if (!_any) continue;
        for (size_t _idx = _block; _idx < _block + 8; _idx++)
        {
            if (!_fired[_idx]) continue;
            {{_eventspace}}[_count++] = _idx;
            {% if _uses_refractory %}
            {{not_refractory}}[_idx] = false;
            {{lastspike}}[_idx] = {{t}};
            {% endif %}
        }
    }
    {{_eventspace}}[N] = _count;
{% endblock %}

{% block after_code %}
    {{get_array_name(eventspace_variable)}}[N] = 0;
{% endblock %}

{# Conditions first, in a loop that a compiler can vectorise; then the few neurons that spike. #}
{# USES_VARIABLES { N } #}
{% extends 'common_group.cpp' %}

{% block maincode %}
    {% set _eventspace = get_array_name(eventspace_variable) %}
    static char _fired[(N + 7)/8*8];
    const int _vectorisation_idx = -1;
    {{scalar_code|autoindent}}
    for (size_t _idx = 0; _idx < N; _idx++)
    {
        const size_t _vectorisation_idx = _idx;
        {{vector_code|autoindent}}
        _fired[_idx] = _cond;
    }
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

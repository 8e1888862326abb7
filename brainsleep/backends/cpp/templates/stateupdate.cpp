{# A loop over all elements. What it draws at random is drawn before, a block of elements at a time:
   then nothing in the loop has an order and a compiler can vectorise it. #}
{# USES_VARIABLES { N } #}
{# ALLOWS_SCALAR_WRITE #}
{% extends 'common_group.cpp' %}

{% block maincode %}
    const size_t _vectorisation_idx = -1;
    {{scalar_code|autoindent}}
    const int _N = {{constant_or_scalar('N', variables['N'])}};
    {% set kinds, code = drawn_before(vector_code) %}
    {% if kinds %}
    constexpr int _block = 1024;
    {% for kind in kinds %}
    double _draws_{{loop.index0}}[_block];
    {% endfor %}
    for (int _begin = 0; _begin < _N; _begin += _block)
    {
        const int _end = std::min(_N, _begin + _block);
        {% for kind in kinds %}
        brainsleep::random_numbers.fill_{{kind}}(_draws_{{loop.index0}}, _end - _begin);
        {% endfor %}
        for (int _idx = _begin; _idx < _end; _idx++)
        {
            const size_t _vectorisation_idx = _idx;
            {{code|autoindent}}
        }
    }
    {% else %}
    for (int _idx = 0; _idx < _N; _idx++)
    {
        const size_t _vectorisation_idx = _idx;
        {{code|autoindent}}
    }
    {% endif %}
{% endblock %}

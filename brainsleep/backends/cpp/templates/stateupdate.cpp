{# A loop over all elements. What it draws at random is drawn before, a block of elements at a time:
   then nothing in the loop has an order and a compiler can vectorise it. Where a population's
   conditions for spikes follow at once, they are looked at block by block, too, as long as its
   variables are at hand (threshold.cpp). And where its refractory period is the same for all, those
   that are refractory wait in the order in which they spiked. #}
{# USES_VARIABLES { N } #}
{# ALLOWS_SCALAR_WRITE #}
{% extends 'common_group.cpp' %}

{% block extra_headers %}
{% if conditions_follow is defined %}
void {{owner.name}}_conditions(const int begin, const int end);
{% endif %}
{% endblock %}

{% block maincode %}
    {% set one_period = one_refractory_period is defined %}
    {% set period, loop_code = without_periods(vector_code) if one_period else ("", vector_code) %}
    {% set kinds, code = drawn_before(loop_code) %}
    const size_t _vectorisation_idx = -1;
    {{scalar_code|autoindent}}
    const int _N = {{constant_or_scalar('N', variables['N'])}};
    {% if period %}
    {% set lastspike, free = get_array_name(variables['lastspike']), get_array_name(variables['not_refractory']) %}
    {% set spikes = get_array_name(owner.variables['_spikespace'], access_data=False) %}
    static bool _begun = false;
    static std::vector<int32_t> _waiting;
    static size_t _first = 0;
    const auto _is_over = [&](int _k) { return _timestep(t - {{lastspike}}[_k], dt) >= {{period}}; };
    if (!_begun) {
        _begun = true;
        for (int _k = 0; _k < _N; _k++)
            if (!({{free}}[_k] = _is_over(_k))) _waiting.push_back(_k);
        std::stable_sort(_waiting.begin(), _waiting.end(),
                         [&](int _a, int _b) { return {{lastspike}}[_a] < {{lastspike}}[_b]; });
    }
    _waiting.insert(_waiting.end(), {{spikes}}, {{spikes}} + {{spikes}}[_N]);  // of the step before
    while (_first < _waiting.size() && _is_over(_waiting[_first])) {{free}}[_waiting[_first++]] = true;
    if (_first > 1024 && 2*_first > _waiting.size()) {
        _waiting.erase(_waiting.begin(), _waiting.begin() + _first);
        _first = 0;
    }
    {% endif %}
    {% if kinds or conditions_follow is defined %}
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
        {% if conditions_follow is defined %}
        {{owner.name}}_conditions(_begin, _end);
        {% endif %}
    }
    {% else %}
    for (int _idx = 0; _idx < _N; _idx++)
    {
        const size_t _vectorisation_idx = _idx;
        {{code|autoindent}}
    }
    {% endif %}
{% endblock %}

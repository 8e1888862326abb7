{# A loop over all elements, shared out among threads if there are many. What it draws at random is
   drawn before, a block of elements at a time: then nothing in the loop has an order and a compiler
   can vectorise it. A number's place in the sequence does not depend on who draws it. Where a population's
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
    {% set mean, if_free, few_code = poisson_of_one_mean(scalar_code, code, kinds) if is_large(owner) else ("", false, code) %}
    {% set shared = is_large(owner) and "normal" not in kinds and shareable(scalar_code, few_code) %}
    {% set several = shared and kinds|length > 1 %}
    {% set joins = shared and not put_off_at(owner) and reads_own_part(variables, get_array_name, [owner], few_code) %}
    {% set free = get_array_name(variables['not_refractory']) if 'not_refractory' in variables else '' %}
    {% if joins %}
    {% set noticed = period or if_free and not has_one_period(owner) %}
    brainsleep::threads.joins(brainsleep::Parts::neurons{{ ', "' ~ owner.name ~ '"' if noticed }});
    {% endif %}
    const size_t _vectorisation_idx = -1;
    {{scalar_code|autoindent}}
    const int _N = {{constant_or_scalar('N', variables['N'])}};
    {% if period %}
    {% set lastspike = get_array_name(variables['lastspike']) %}
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
    {% if mean %}
    static _Poisson _few;
    const bool _is_few = _Poisson::takes({{mean}});
    if (_is_few) _few.set({{mean}});
    {% endif %}
    {% if shared %}
    {# With pointers of its own: of those that it is given, a compiler knows less. #}
    const auto _work = [](const int _from, const int _to, brainsleep::Sequence& _numbers)
    {
        %CONSTANTS%
        {{pointers_lines|autoindent}}
        const size_t _vectorisation_idx = -1;
        {{scalar_code|autoindent}}
        {% if mean %}
        const bool _is_few = _Poisson::takes({{mean}});
        {% endif %}
    {% else %}
    {
        const int _from = 0, _to = _N;
        auto& _numbers = brainsleep::random_numbers;
    {% endif %}
        {% if kinds or mean or conditions_follow is defined %}
        constexpr int _block = brainsleep::block;
        {% for kind in kinds %}
        double _draws_{{loop.index0}}[_block];
        {% endfor %}
        for (int _begin = _from, _end; _begin < _to; _begin = _end)
        {
            {% if several %}
            {# A block's numbers are those of one call after the other: a part may begin within. #}
            const int _first = _begin/_block*_block, _size = std::min<int>(_block, {{constant_or_scalar('N', variables['N'])}} - _first);
            _end = std::min(_to, _first + _size);
            {% for kind in kinds %}
            brainsleep::Sequence _numbers_{{loop.index0}} = _numbers;
            _numbers_{{loop.index0}}.skip({{kinds|length}}*(uint64_t)_first + {{loop.index0}}*_size + _begin - _first);
            _numbers_{{loop.index0}}.fill_{{kind}}(_draws_{{loop.index0}}, _end - _begin);
            {% endfor %}
            {% else %}
            _end = std::min(_to, _begin + _block);
            {% for kind in kinds %}
            _numbers.fill_{{kind}}(_draws_{{loop.index0}}, _end - _begin);
            {% endfor %}
            {% endif %}
            {% if mean %}
            if (_is_few)
            {
                {# In loops of their own: neither has to guess who is refractory. #}
                int32_t _drawn[_block + 1], _place = 0;
                _few.fill(_numbers, _drawn, {{ "brainsleep::eight::how_many(" ~ free ~ " + _begin, _end - _begin)" if if_free else "_end - _begin" }});
                for (int _idx = _begin; _idx < _end; _idx++)
                {
                    const size_t _vectorisation_idx = _idx;
                    {{few_code|autoindent}}
                }
            }
            else
            {% endif %}
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
        for (int _idx = _from; _idx < _to; _idx++)
        {
            const size_t _vectorisation_idx = _idx;
            {{code|autoindent}}
        }
        {% endif %}
    }
    {% if shared %}
    ;
    {# How many numbers are drawn for the elements before one. #}
    {% set drawn = "_free_before[brainsleep::grains(%s)]" if if_free else (kinds|length or 1) ~ "*(uint64_t)%s" %}
    {% if mean %}
    if (!_is_few) {
        {{ "brainsleep::threads.finish();" if joins }}
        _work(0, _N, brainsleep::random_numbers);
        return;
    }
    {% endif %}
    {% if if_free %}
    {# Counted before any part begins: neurons spike in each. #}
    {{ 'brainsleep::threads.settle("' ~ owner.name ~ '");' if joins }}
    static uint32_t _free_before[brainsleep::grains({{owner.N}}) + 1];
    for (int _begin = 0; _begin < _N; _begin += brainsleep::grain) {
        const int _grain = _begin/brainsleep::grain;
        _free_before[_grain + 1] = _free_before[_grain] + brainsleep::eight::how_many({{free}} + _begin, std::min(brainsleep::grain, _N - _begin));
    }
    {% endif %}
    {% if kinds or mean %}
    const brainsleep::Sequence _numbers = brainsleep::random_numbers;
    {% endif %}
    const auto _part_of = [=](const int _part, const int _n_parts)
    {
        {# Parts begin where grains do: all elements are drawn for in the same order. #}
        const int _from = brainsleep::neurons_upto(_N, _part, _n_parts);
        const int _to = brainsleep::neurons_upto(_N, _part + 1, _n_parts);
        {% if kinds or mean %}
        brainsleep::Sequence _own = _numbers;
        {{ "_own.skip(" ~ drawn|format("_from") ~ ");" if not several }}
        {% else %}
        brainsleep::Sequence _own;
        {% endif %}
        _work(_from, _to, _own);
    };
    {% if joins %}
    brainsleep::threads.add(_N, "{{owner.name}}", _part_of);
    {% else %}
    brainsleep::threads.run(_N, _part_of);
    {% endif %}
    {% if kinds or mean %}
    brainsleep::random_numbers.skip({{ drawn|format("_N") }});
    {% endif %}
    {% endif %}
{% endblock %}

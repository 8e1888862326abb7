{# CUDA of every kind of Brian2 object, for the neurons of a share; `source` makes one kernel of it. #}

{% macro lines(code) %}
{% for line in code %}
{{ line }}
{% endfor %}
{% endmacro %}

{# Go through the shares of a population that this warp owns. #}
{% macro owned(population) %}
for (int _share = own_{{ population }}; _share < {{ shares[population] }}; _share += n_warps) {
{% endmacro %}

{# Do something for the neuron that this thread owns. #}
{% macro neurons(population) %}
const int _idx = _share*{{ share }} + lane, _vectorisation_idx = _idx;
if (lane < {{ share }} && _idx < {{ sizes[population] }}) {
{{ caller() }}
}
{% endmacro %}

{# Go through the synapses onto neuron `_post`, lanes side by side. #}
{% macro synapses_of(name, code) %}
for (int _idx = __ldg(first_{{ name }} + _post) + lane, _last = __ldg(first_{{ name }} + _post + 1);
     _idx < _last; _idx += 32) {
const int _vectorisation_idx = _idx, _pre = __ldg(pre_{{ name }} + _idx);
{{ lines(code) }}
}
{% endmacro %}

{# Go through the postsynaptic neurons of a share one after the other. #}
{% macro each_post(population) %}
const int _end = min({{ sizes[population] }}, (_share + 1)*{{ share }});
for (int _post = _share*{{ share }}; _post < _end; _post++) {
{% endmacro %}

{% macro synaptic_update(name, population, code) %}
__syncwarp();
{{ each_post(population) }}
{{ synapses_of(name, code) }}
}
__syncwarp();
{% endmacro %}

{% macro stateupdate(population, code) %}
{% call neurons(population) %}
{{ lines(code) }}
{% endcall %}
{% endmacro %}

{% macro threshold(population, code, refractory) %}
bool _fired = false;
{% call neurons(population) %}
{{ lines(code) }}
_fired = _cond;
{% if refractory %}
if (_cond) { {{ refractory[0] }}[_idx] = false; {{ refractory[1] }}[_idx] = _now; }
{% endif %}
{% endcall %}
const unsigned _bits = __ballot_sync(~0u, _fired);
if (lane == 0) shares_{{ population }}[_share] = _bits;
__syncwarp();
{% endmacro %}

{% macro reset(population, code) %}
{% call neurons(population) %}
if (shares_{{ population }}[_share] >> lane & 1) {
{{ lines(code) }}
}
{% endcall %}
{% endmacro %}

{% macro statemonitor(population, code) %}
{% call neurons(population) %}
{{ lines(code) }}
counts_{{ population }}[slot*{{ sizes[population] }}LL + _idx] = _to_record_spike_count;
{% endcall %}
{% endmacro %}

{% macro spikemonitor(population) %}
if (lane == 0)
(({{ bits }}*)(raster_{{ population }} + _raster_row*{{ words[population] }}LL))[_share] = shares_{{ population }}[_share];
{% endmacro %}

{# All of what postsynaptic spikes do is gated. #}
{% macro at_postsynaptic_spikes(name, population, code, gate) %}
if ({{ gate }}[0] != 0) {
__syncwarp();
unsigned _spikes = shares_{{ population }}[_share];
while (_spikes) {
const int _post = _share*{{ share }} + __ffs(_spikes) - 1;
_spikes &= _spikes - 1;
{{ synapses_of(name, code) }}
}
}
{% endmacro %}

{# Every thread goes through the spikes that reach the neuron that it owns. #}
{% macro at_presynaptic_spikes(name, source, population, load, code, store) %}
const int _post = _share*{{ share }} + lane;
const bool _is = lane < {{ share }} && _post < {{ sizes[population] }};
const int _postsynaptic_idx = _is ? _post : 0;
{{ lines(load) }}
for (int _part = 0; _part < {{ words[source] }}; _part += 32) {
const unsigned _mine = _part + lane < {{ words[source] }} ? spikes_{{ source }}[_part + lane] : 0;
unsigned _some = __ballot_sync(~0u, _mine != 0);
const uint2* const _table = incoming_{{ name }} + _part*{{ sizes[population] }} + _postsynaptic_idx;
uint2 _next = __ldg(_table + max(0, __ffs(_some) - 1)*{{ sizes[population] }});
while (_some) {
const int _at = __ffs(_some) - 1;
_some &= _some - 1;
const uint2 _known = _next;
_next = __ldg(_table + max(0, __ffs(_some) - 1)*{{ sizes[population] }});  // under way meanwhile
unsigned _spikes = spikes_{{ source }}[_part + _at] & _known.x;
while (_spikes && _is) {
const int _bit = __ffs(_spikes) - 1;
_spikes &= _spikes - 1;
const int _pre = (_part + _at)*32 + _bit;
const int _idx = _known.y + __popc(_known.x & ((1u << _bit) - 1)), _vectorisation_idx = _idx;
{{ lines(code) }}
}
}
}
{% if store %}
if (_is) {
{{ lines(store) }}
}
{% endif %}
{% endmacro %}

{% macro summed_variable(name, population, code, kind, into) %}
__syncwarp();
const int _post = _share*{{ share }} + lane;
if (lane < {{ share }} && _post < {{ sizes[population] }}) {
{{ kind }} _sum = 0;
for (int _idx = first_{{ name }}[_post]; _idx < first_{{ name }}[_post + 1]; _idx++) {
const int _vectorisation_idx = _idx, _pre = __ldg(pre_{{ name }} + _idx);
{{ lines(code) }}
_sum += _synaptic_var;
}
{{ into }}[_post] = _sum;
}
__syncwarp();
{% endmacro %}

{# A sum over all neurons, in their order. #}
{% macro total(population, kind, sums, into) %}
TEAM_SYNC
{{ kind }} _total = 0;
for (int _post = 0; _post < {{ sizes[population] }}; _post++) _total += {{ sums }}[_post];
{{ into }}[0] = _total;
TEAM_SYNC
{% endmacro %}

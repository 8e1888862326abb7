{# Nothing: spikes are on their way for no time. The index of a pathway is made when its synapses are
   read (brainsleep/backends/cpp/exchange.py). #}
{% extends 'common_group.cpp' %}

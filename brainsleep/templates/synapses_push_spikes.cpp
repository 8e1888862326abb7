{# Run once, before the network: the index of a pathway. Synapses lie in the order of their
   presynaptic neurons; those of a postsynaptic neuron are listed. #}
{% extends 'common_group.cpp' %}

{% block before_code %}
    {{owner.name}}.count();
    {% if owner.prepost == "post" %}
    {{owner.name}}.list({{get_array_name(owner.synapses.variables["_synaptic_pre"], access_data=False)}});
    {% endif %}
{% endblock %}

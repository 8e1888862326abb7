"""The fixes of mistakes in variables of synapses."""

import pytest
from brian2 import ms
from fix_table import carry_out, rows

from brainsleep.models.inputs import POISSON
from brainsleep.network.events import Event
from brainsleep.network.models import NeuronModel, Pathway, PlasticityRule, SynapseModel
from brainsleep.network.spec import InitialWeights, NetworkSpec, Population, Projection

TAU = {"tau": 10 * ms}


def synapse(equations="", on_pre="", parameters=TAU, **more):
    return SynapseModel(name="s", equations=equations, on_pre=on_pre, parameters=parameters, **more)


def network(model, equations="g : 1", rules=(), **given):
    spiking = {key: given.pop(key) for key in ("threshold", "reset") if key in given}
    neuron = NeuronModel(name="n", equations=equations, **spiking)
    return NetworkSpec(
        name="net",
        populations=(
            Population(name="input", size=1, model=POISSON),
            Population(name="e", size=1, model=neuron),
        ),
        projections=(
            Projection(
                name="p",
                source="input",
                target="e",
                synapse=model,
                weights=InitialWeights(low=0.5),
                rules=rules,
                **given,
            ),
        ),
    )


def following(flag):
    """A synapse whose variable is read by an equation of a rule, in every step."""
    rule = PlasticityRule(
        name="r", equations="dy/dt = (x - y)/tau : 1 (clock-driven)", parameters=TAU
    )
    return network(synapse(f"dx/dt = -x/tau : 1 ({flag})"), rules=(rule,))


def late(on_post):
    """A rule that asks at a spike for presynaptic ones, which arrive after a delay."""
    rule = PlasticityRule(
        name="r",
        pre_equations="dx/dt = -x/tau : 1",
        pre_spike="x = 1",
        on_post=on_post,
        on_pre="w = clip(w - 0.01*x_pre, w_min, w_max)",
        parameters=TAU,
    )
    spiking = SynapseModel(name="s", on_pre="v_post += w")
    return network(spiking, "v : 1", rules=(rule,), delay=2 * ms, threshold="v > 1", reset="v = 0")


def eventful(**own):
    """An event whose way to a synapse takes a time that a rule changes."""
    rule = PlasticityRule(name="r", equations="delay : second (linked)", on_pre="delay += 1*ms")
    path = Pathway(name="a", code="g_post += 1", event="high", **own)
    model = SynapseModel(name="s", on_pre="g_post += w", pathways=(path,))
    neuron = NeuronModel(
        name="n",
        equations="g : 1",
        threshold="g > 1",
        events=(Event(name="high", condition="g > 0.5"),),
    )
    projection = Projection(
        name="p", source="e", target="e", synapse=model, weights=1, rules=(rule,), delay_max=5 * ms
    )
    populations = (Population(name="e", size=2, model=neuron),)
    return NetworkSpec(name="net", populations=populations, projections=(projection,))


FIXES = [
    (
        "give the pathway a delay of its own: own_delay=True",
        eventful,
        lambda: eventful(own_delay=True),
    ),
    (
        "write (event-driven) after its unit: at spikes, exactly",
        lambda: synapse("dx/dt = -x/tau : 1"),
        lambda: synapse("dx/dt = -x/tau : 1 (event-driven)"),
    ),
    (
        "write (clock-driven), or equations that are linear and of constants alone",
        lambda: synapse("dx/dt = -x*x/tau : 1 (event-driven)"),
        lambda: synapse("dx/dt = -x*x/tau : 1 (clock-driven)"),
    ),
    (
        "write (clock-driven) after both, or (event-driven) after both",
        lambda: synapse(
            "dx/dt = (y - x)/tau : 1 (event-driven)\ndy/dt = -y/tau : 1 (clock-driven)"
        ),
        lambda: synapse(
            "dx/dt = (y - x)/tau : 1 (clock-driven)\ndy/dt = -y/tau : 1 (clock-driven)"
        ),
    ),
    (
        "put a number that all share into parameters={'{}': ...}",
        lambda: synapse("k : 1 (shared)", "g_post += k*tau/ms"),
        lambda name: synapse(on_pre=f"g_post += {name}*tau/ms", parameters={**TAU, name: 2}),
    ),
    (
        "take the flag off: it is computed where it is read",
        lambda: synapse("k = w*tau : second (constant over dt)"),
        lambda: synapse("k = w*tau : second"),
    ),
    (
        "draw it in on_pre, on_post or on_step",
        lambda: synapse("k = rand()*tau : second"),
        lambda: synapse("k : second", "k = rand()*tau"),
    ),
    (
        "write '{}_post = ...', a sum over the synapses onto every neuron",
        lambda: synapse("g = w*tau/ms : 1 (summed)"),
        lambda name: synapse(f"{name}_post = w*tau/ms : 1 (summed)"),
    ),
    (
        "take the flag off, and have a synapse say '{}_post = ... : unit (summed)'",
        lambda: NeuronModel(name="n", equations="x : 1 (summed)"),
        lambda name: network(synapse(f"{name}_post = w*tau/ms : 1 (summed)"), f"{name} : 1"),
    ),
    (
        "declare '{} : {}' in the equations of the neuron",
        lambda: network(synapse("g_post = w*tau/ms : 1 (summed)"), "dg/dt = -g/ms : 1"),
        lambda name, unit: network(synapse("g_post = w*tau/ms : 1 (summed)"), f"{name} : {unit}"),
    ),
    (
        "rename that of the synapses, for example to '{}_syn'",
        lambda: network(synapse(on_pre="g_post += w*rate", parameters={"rate": 2.0})),
        lambda name: network(
            synapse(on_pre=f"g_post += w*{name}_syn", parameters={f"{name}_syn": 2.0})
        ),
    ),
    (
        "make it (clock-driven)",
        lambda: following("event-driven"),
        lambda: following("clock-driven"),
    ),
    (
        "use a trace in its place",
        lambda: late("w = clip(w + 0.1*int(spiking_pre), w_min, w_max)"),
        lambda: late("w = clip(w + 0.1*x_pre, w_min, w_max)"),
    ),
]


@pytest.mark.parametrize(("fix", "broken", "mended"), rows(FIXES))
def test_fix(fix, broken, mended):
    carry_out(fix, broken, mended)

"""The fixes of mistakes in values, wiring, weights and delays."""

import dataclasses

import numpy as np
import pytest
from brian2 import Hz, ms, mV, second, um
from fix_table import carry_out, rows

from brainsleep.experiment.protocol import Protocol
from brainsleep.experiment.start import SavedWeights
from brainsleep.experiment.timeline import Timeline, awake
from brainsleep.models.inputs import POISSON
from brainsleep.models.lif import CURRENT, LIF
from brainsleep.network.models import NeuronModel, SynapseModel, WeightProcess
from brainsleep.network.spec import (
    Connectivity,
    FixedInDegree,
    NetworkSpec,
    Pairs,
    Population,
    Projection,
)
from brainsleep.run.simulate import simulate
from brainsleep.run.state import initial_state

FADE = WeightProcess(name="fade", on_update="w = w*0.99")


def network(values=None, model=LIF, positions=None, own=None, **changes):
    given = {"values": values or {}, "positions": positions or {}}
    e = Population(name="e", size=8, model=model, **given)
    given = {"name": "ie", "synapse": CURRENT, "weights": 0.5, "values": own or {}, **changes}
    return NetworkSpec(
        name="own",
        populations=(Population(name="input", size=4, model=POISSON), e),
        projections=(Projection(source="input", target="e", **given),),
    )


def drawn(*given, **changes):
    return initial_state(network(*given, **changes), 1)


def shared(flag="(shared)", tau="(1 + i)*ms"):
    model = NeuronModel(
        name="m",
        equations=f"dv/dt = -v*drive : 1\ndrive = 1/tau : Hz {flag}",
        parameters={"tau": 10 * ms},
    )
    synapse = SynapseModel(name="s", on_pre="v_post += w")
    return network({"tau": tau}, model, synapse=synapse)


def named_s():
    equations = LIF.equations.replace("v_rest", "s")
    parameters = {"s": -70 * mV, **LIF.parameters}
    del parameters["v_rest"]
    return dataclasses.replace(LIF, equations=equations, parameters=parameters, initial={})


def with_own(values):
    """The projection has values of its own."""
    spec = network()
    projection = dataclasses.replace(spec.projections[0], values=values)
    return dataclasses.replace(spec, projections=(projection,))


def saved(own):
    """Two synapses from a stored run, and parameters of two others."""

    def protocol(pairs, **more):
        schedule = Timeline(periods=(awake(0.01 * second, rate=5 * Hz),))
        return Protocol(name="p", network=network(connectivity=pairs, **more), schedule=schedule)

    result = simulate(protocol(Pairs([0, 1], [1, 0])), seed=1, backend="numpy", out="results")
    start = SavedWeights(result=str(result.path)).weights()
    return initial_state(protocol(Pairs([0, 1], [2, 0]), own={"charge": own}).network, 1, start)


FIXES = [
    (
        "give the pairs, too: connectivity=Pairs(pre, post)",
        lambda: network(weights=np.ones(2), connectivity=Connectivity(p=0.5)),
        lambda: network(weights=np.ones(2), connectivity=Pairs([0, 1], [1, 0])),
    ),
    (
        "or write an expression",
        lambda: network(weights=np.ones(2), connectivity=Connectivity(p=0.5)),
        lambda: network(weights="1 + 0*i", connectivity=Connectivity(p=0.5)),
    ),
    (
        "raise the bounds, or bound the weights",
        lambda: network(weights=2.0),
        lambda: network(weights=2.0, w_max=2.0) and network(weights=1.0),
    ),
    (
        "take (shared) off '{}', or give '{}' one number",
        shared,
        lambda *names: shared("") and shared(tau=3 * ms),
    ),
    (
        "write clip({}, w_min, w_max)",
        lambda: drawn(weights="i - 1"),
        lambda code: drawn(weights=f"clip({code}, w_min, w_max)"),
    ),
    (
        "write clip({}, 0, 1)",
        lambda: drawn(connectivity=Connectivity(p="i - 1")),
        lambda code: drawn(connectivity=Connectivity(p=f"clip({code}, 0, 1)")),
    ),
    (
        "write clip({}, 0*ms, 1*second)",
        lambda: drawn(delay="(i - 1)*ms"),
        lambda code: drawn(delay=f"clip({code}, 0*ms, 1*second)"),
    ),
    (
        "use sign=-1 for inhibition, or sign=None for weights with a sign of their own",
        lambda: network(weights=-0.5),
        lambda: network(weights=0.5, sign=-1) and network(weights=-0.5, sign=None, w_min=-1.0),
    ),
    (
        "use sign=-1 for inhibition, sign=None for weights with a sign of their own",
        lambda: network(w_min=-1.0),
        lambda: network(sign=-1) and network(w_min=-1.0, sign=None),
    ),
    (
        "one that is right for weights of either sign says so: signed=True",
        lambda: network(sign=None, processes=(FADE,)),
        lambda: network(sign=None, processes=(dataclasses.replace(FADE, signed=True),)),
    ),
    (
        "take one of them out",
        lambda: network({"v": -60 * mV}, positions={"v": "i*mV"}),
        lambda: network(positions={"v": "i*mV"}) and network({"v": -60 * mV}),
    ),
    (
        "give it as weights=...",
        lambda: with_own({"w": 0.25}),
        lambda: network(weights=0.25),
    ),
    (
        "write 'second' for the unit, or 's*2' for a name",
        lambda: network({"tau_m": "2*s"}),
        lambda: network({"tau_m": "2*second"}) and network({"v": "s*2"}, named_s()),
    ),
    (
        "write 'randn()' for noise",
        lambda: network({"v": "xi*mV*sqrt(second)"}),
        lambda: network({"v": "randn()*mV"}),
    ),
    (
        "use numbers, positions and indices only",
        lambda: network(connectivity=Connectivity(p="rand()")),
        lambda: network(
            {"v": -60 * mV}, connectivity=Connectivity(p="0.5*int(i < j)"), positions={"x": 0 * um}
        ),
    ),
    (
        "write i, the number of a neuron",
        lambda: network({"v": "j*mV"}),
        lambda: network({"v": "i*mV"}),
    ),
    (
        "bound it with clip(..., low, high)",
        lambda: drawn({"v": "1*mV/i"}),
        lambda: drawn({"v": "clip(1*mV/i, 0*mV, 1*mV)"}),
    ),
    (
        "write repeats=True to draw a neuron again",
        lambda: network(connectivity=FixedInDegree(5)),
        lambda: network(connectivity=FixedInDegree(5, repeats=True)),
    ),
    (
        "choose another dt or delay",
        lambda: network(delay=1.23 * ms),
        lambda: network(delay=1 * ms),
    ),
    (
        "only delays that differ are rounded",
        lambda: network(delay=1.23 * ms),
        lambda: network(delay=np.full(32, 1.23) * ms),
    ),
    (
        "give expressions, or take no saved weights",
        lambda: saved([1, 2] * ms),
        lambda: saved("(1 + i)*ms"),
    ),
]


@pytest.mark.parametrize(("fix", "broken", "mended"), rows(FIXES))
def test_the_fix_helps(fix, broken, mended, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    carry_out(fix, broken, mended)

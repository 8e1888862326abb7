"""The fixes of mistakes in inputs, spike trains and signals."""

import dataclasses

import brian2
import pytest
from brian2 import Hz, ms, nA, second
from fix_table import carry_out, checked, rows

from brainsleep.experiment.inputs import SpikeTrains
from brainsleep.experiment.protocol import Protocol
from brainsleep.experiment.timeline import Timeline, awake
from brainsleep.models.inputs import POISSON, SPIKE_SOURCE
from brainsleep.models.lif import LIF
from brainsleep.network.assemble import assemble
from brainsleep.network.spec import (
    NetworkSpec,
    NeuronModel,
    Population,
    SpontaneousActivity,
)
from brainsleep.tasks.images.encoders import RateEncoder
from brainsleep.tasks.images.task import Images

TRAIN = SpikeTrains([0], [1] * ms)


def driven(**more):
    """A neuron driven by a current, and by a reward."""
    given = {
        "name": "driven",
        "equations": "dv/dt = (reward*i_ext/nA - v)/(10*ms) : 1\ni_ext : amp",
        "on_slot": "i_ext = stimulus",
        "stimulus_unit": nA,
        "signals": {"reward": 1},
    }
    return NeuronModel(**(given | more))


def network(model=POISSON, name="a", size=64, **more):
    return NetworkSpec(
        name="n", populations=(Population(name=name, size=size, model=model),), **more
    )


def protocol(spec, duration=10 * ms, **given):
    return Protocol(name="x", network=spec, schedule=Timeline(periods=(awake(duration, **given),)))


def images(spec):
    read = Population(name="e", size=2, model=LIF)
    spec = dataclasses.replace(spec, populations=(*spec.populations, read))
    return Protocol(
        name="x", network=spec, task=Images(encoder=RateEncoder(size=(8, 8), total=14.0))
    )


def source(**more):
    return NeuronModel(name="s", spike_trains=True, **({"equations": ""} | more))


STUDY = """
from brian2 import Hz, mV, ms, second
from brainsleep import (
    NetworkSpec, NeuronModel, Population, Protocol, SpontaneousActivity, Timeline, awake,
)
from brainsleep.models.inputs import POISSON

MODEL = NeuronModel(name="free", equations="v : volt")
NOISE = SpontaneousActivity(
    name="noise", on_step="v += jump*poisson(mean)", parameters={"jump": 1 * mV, "mean": 0.5}
)
E = Population(name="e", size=1, model=MODEL, activities=(NOISE,))
NETWORK = NetworkSpec(name="n", populations=(Population(name="a", size=1, model=POISSON), E))
PERIOD = awake(1 * second, noise=1, inputs=dict(a=1 * Hz))
PROTOCOL = Protocol(name="p", network=NETWORK, schedule=Timeline(periods=(PERIOD,)))
"""


def study(*changes):
    text = STUDY
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return checked(text)


GOOD = ("poisson(mean)", "poisson(n*rate*dt)"), ('"mean": 0.5', '"n": 10, "rate": 5 * Hz')

#: As in `fix_table`.
FIXES = [
    ("write poisson(n*rate*dt), or say which time step it is for: dt=1*ms", study,
     lambda: (study(*GOOD), study(("0.5}", "0.5}, dt=1*ms")))),
    ("write inputs=dict({}=...)", lambda: study(*GOOD, (", inputs=dict(a=1 * Hz)", "")),
     lambda name: study(*GOOD, ("dict(a=1 * Hz)", f"dict({name}=2 * Hz)"))),
    ("leave one out", lambda: protocol(network(input="a"), rate=1 * Hz, inputs={"a": 1 * Hz}),
     lambda: protocol(network(input="a"), rate=1 * Hz)),
    ("write inputs=dict(NAME=...) for a population of another name or unit",
     lambda: protocol(network(), rate=1 * Hz),
     lambda: protocol(network(), inputs=dict(a=1 * Hz))),
    ("neurons of the model SPIKE_SOURCE take spike trains",
     lambda: protocol(network(), inputs={"a": TRAIN}),
     lambda: protocol(network(SPIKE_SOURCE), inputs={"a": TRAIN})),
    ("write the times with their unit: [1, 5]*ms", lambda: SpikeTrains([0, 1], [1, 5]),
     lambda: SpikeTrains([0, 1], [1, 5] * ms)),
    ("make slots, or frames of what is given over time, longer",
     lambda: protocol(network(driven(threshold="v > 1"), size=10**6, signals={"reward": 1}),
                      1e4 * second),
     lambda: Protocol(name="x", network=network(driven(threshold="v > 1"), size=10**6,
                                                signals={"reward": 1}),
                      schedule=Timeline(periods=(awake(1e4 * second),), slot=50 * second))),
    ("write stimulus_unit={}", lambda: driven(stimulus_unit=Hz),
     lambda unit: driven(stimulus_unit=getattr(brian2, unit))),
    ("leave it out", lambda: source(threshold="i > 0"), source),
    ("leave out what uses stimulus",
     lambda: source(equations="x : Hz", on_slot="x = stimulus"),
     lambda: source(equations="x : Hz")),
    ("write signals=dict({}={}) in the network", lambda: assemble(network(driven())),
     lambda name, value: assemble(network(driven(), signals={name: float(value)}))),
    ("rename one of them",
     lambda: assemble(clashing("reward")), lambda: assemble(clashing("drive"))),
    ("write input='{}' in the network", lambda: images(network()),
     lambda name: images(network(input=name))),
    ("add such a population", lambda: images(network(SPIKE_SOURCE)), lambda: images(
        dataclasses.replace(network(SPIKE_SOURCE), populations=(
            Population(name="input", size=64, model=POISSON),), input="input"))),
]  # fmt: skip


def clashing(name):
    """A population whose neurons have a variable that may be called as a signal is."""
    other = NeuronModel(name="other", equations=f"d{name}/dt = -{name}/(5*ms) : 1\nx : 1")
    activity = SpontaneousActivity(
        name="told", on_step="x = told_gate*reward", signals={"reward": 1}
    )
    population = Population(name="b", size=1, model=other, activities=(activity,))
    return NetworkSpec(name="n", populations=(population,), signals={"reward": 1})


@pytest.mark.parametrize("fix, broken, mended", rows(FIXES))
def test_fix(fix, broken, mended, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    carry_out(fix, broken, mended)

"""The fixes of mistakes in links between neurons, and in delays that change."""

import dataclasses

import pytest
from brian2 import ms
from fix_table import carry_out, rows

from brainsleep.network.spec import (
    NetworkSpec,
    NeuronModel,
    PlasticityRule,
    Population,
    Projection,
    SynapseModel,
)
from brainsleep.network.tables import Table

SLOW = NeuronModel(name="slow", equations="dx/dt = -x/(5*ms) : 1")
SUMMED = NeuronModel(name="summed", equations="drive : 1\ndv/dt = (drive - v)/(9*ms) : 1")


def reader(flag="(linked)"):
    return NeuronModel(name="reader", equations=f"dv/dt = (drive - v)/(9*ms) : 1\ndrive : 1 {flag}")


GIVEN = NeuronModel(name="given", equations="dv/dt = (level - v)/(9*ms) : 1", signals={"level": 1})
PUSH = SynapseModel(name="push", on_pre="v_post += w")
SPIKING = NeuronModel(
    name="spiking", equations="dv/dt = (2 - v)/(9*ms) : 1", threshold="v > 1", reset="v = 0"
)
RULE = PlasticityRule(
    name="rule", equations="delay : second (linked)", on_pre="delay = delay_max/2"
)


def network(model, links, n_slow=2, projections=(), **more):
    slow = Population(name="slow", size=n_slow, model=SLOW)
    populations = (slow, Population(name="e", size=2, model=model))
    return NetworkSpec(
        name="n", populations=populations, projections=projections, links=links, **more
    )


INDEXED = dataclasses.replace(
    reader(), equations=f"{reader().equations}\npartner : integer (constant)\ncopy : 1"
)
TABLE = NeuronModel(
    name="table",
    equations="drive = given(t) : 1\ndv/dt = (drive - v)/(9*ms) : 1",
    tables={"given": Table([0, 1], every=5 * ms)},
)


def copied(name, on_step=""):
    model = dataclasses.replace(INDEXED, on_step=on_step, threshold="v > 1", reset="v = 0")
    push = SynapseModel(name="push", on_pre=f"v_post += w*{name}")
    ee = Projection(name="ee", source="e", target="e", synapse=push, weights=0.5)
    links = {"e.drive": "slow.x[partner]"}
    return network(model, links, projections=(ee,))


def computed(model, linked=""):
    """Neurons `e` that read what those of a model compute."""
    equations = f"{model.equations}\nlevel = 2*drive : 1"
    middle = Population(name="m", size=2, model=dataclasses.replace(model, equations=equations))
    links = {"e.drive": "m.level", **({f"m.{linked}": "slow.x"} if linked else {})}
    slow = Population(name="slow", size=2, model=SLOW)
    e = Population(name="e", size=2, model=reader())
    return NetworkSpec(name="n", populations=(slow, middle, e), links=links)


def by_sum():
    mean = SynapseModel(name="mean", on_pre="", equations="drive_post = w*x_pre : 1 (summed)")
    synapses = Projection(name="s", source="slow", target="e", synapse=mean, weights=0.3)
    return network(SUMMED, {}, n_slow=3, projections=(synapses,))


def delayed(rules=(), **more):
    ee = Projection(
        name="ee", source="e", target="e", synapse=PUSH, weights=0.5, rules=rules, **more
    )
    e = Population(name="e", size=3, model=SPIKING)
    return NetworkSpec(name="d", populations=(e,), projections=(ee,))


FIXES = [
    (
        "write links={'{}': 'population.variable'} in the network",
        lambda: network(reader(), {}),
        lambda name: network(reader(), {name: "slow.x"}),
    ),
    (
        "write (linked) after it in the equations of its neuron: 'x : 1 (linked)'",
        lambda: network(reader(flag=""), {"e.drive": "slow.x"}),
        lambda: network(reader(), {"e.drive": "slow.x"}),
    ),
    (
        "take it out of the signals, or out of the links",
        lambda: network(GIVEN, {"level": "slow.x"}, n_slow=1, signals={"level": 0}),
        lambda: (
            network(GIVEN, {"level": "slow.x"}, n_slow=1),
            network(GIVEN, {}, signals={"level": 0}),
        ),
    ),
    (
        "say whom each reads, '{}[partner]', or sum them: 'x_post = ... : 1 (summed)'",
        lambda: network(reader(), {"e.drive": "slow.x"}, n_slow=3),
        lambda name: (by_sum(), network(INDEXED, {"e.drive": f"{name}[partner]"}, n_slow=3)),
    ),
    (
        "declare '{} : integer (constant)' beside '{}'",
        lambda: network(reader(), {"e.drive": "slow.x[partner]"}, n_slow=3),
        lambda index, _: network(INDEXED, {"e.drive": f"slow.x[{index}]"}, n_slow=3),
    ),
    (
        "have the neuron keep a copy that they read: on_step='copy = {}'",
        lambda: copied("drive_post"),
        lambda name: copied("copy_post", on_step=f"copy = {name}"),
    ),
    (
        "link to what '{}' is linked to",
        lambda: computed(reader(), "drive"),
        lambda _: network(reader(), {"e.drive": "slow.x"}),
    ),
    (
        "read it in the equations that the link is in",
        lambda: computed(TABLE),
        lambda: network(TABLE, {}),
    ),
    (
        "declare 'delay : second (linked)' in a rule, or leave it out",
        lambda: delayed(delay_max=5 * ms),
        lambda: (delayed(rules=(RULE,), delay_max=5 * ms), delayed()),
    ),
]


@pytest.mark.parametrize("fix, broken, mended", rows(FIXES))
def test_fix(fix, broken, mended):
    carry_out(fix, broken, mended)

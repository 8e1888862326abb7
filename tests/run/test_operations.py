"""What a run costs: operations counted by hand, phases that add up, and their energy."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from brian2 import ms
from conftest import QUICK, TINY, needs_compiler

from brainsleep import (
    NetworkSpec,
    NeuronModel,
    Pairs,
    PlasticityRule,
    Population,
    Projection,
    Protocol,
    SpikeTrains,
    SynapseModel,
    Timeline,
    WeightProcess,
    asleep,
    awake,
)
from brainsleep.analysis.energy import CMOS_45NM, OPERATIONS, energy
from brainsleep.errors import DataError
from brainsleep.models.inputs import SPIKE_SOURCE
from brainsleep.models.sg_snn import decay_network
from brainsleep.run.observers.operations import degrees_of, reached
from brainsleep.run.segment import Batch, Recording, Segment
from brainsleep.run.simulate import simulate
from brainsleep.run.state import initial_state
from brainsleep.show.definitions import definition

RULE = PlasticityRule(
    name="steps",
    on_pre="w = clip(w - down, w_min, w_max)",
    on_post="w = clip(w + up, w_min, w_max)",
    parameters={"up": 0.01, "down": 0.01},
)
DECAY = WeightProcess(
    name="decay", on_update="w = w*factor", parameters={"factor": 0.9}, period=10 * ms
)
LEAKY = NeuronModel(
    name="leaky",
    equations="""dv/dt = (drive - v)/tau : 1
    drive : 1""",
    parameters={"tau": 10 * ms},
)
NETWORK = NetworkSpec(
    name="counted",
    populations=(
        Population(name="before", size=3, model=SPIKE_SOURCE),
        Population(name="after", size=2, model=SPIKE_SOURCE),
        Population(name="cells", size=4, model=LEAKY),
    ),
    projections=(
        Projection(
            name="chain",
            source="before",
            target="after",
            synapse=SynapseModel(name="silent", on_pre=""),
            connectivity=Pairs([0, 0, 1], [0, 1, 0]),
            weights=0.5,
            rules=(RULE,),
            processes=(DECAY,),
        ),
        Projection(
            name="graded",
            source="cells",
            target="cells",
            synapse=SynapseModel(
                name="sums", on_pre="", equations="drive_post = w*v_pre : 1 (summed)"
            ),
            connectivity=Pairs([0, 1], [2, 3]),
            weights=0.5,
        ),
    ),
)


def train(*spikes):
    """Spikes as (neuron, ms)."""
    neurons, times = zip(*spikes, strict=True)
    return SpikeTrains(list(neurons), list(times) * ms)


PROTOCOL = Protocol(
    name="counted",
    network=NETWORK,
    schedule=Timeline(
        periods=(
            awake(
                20 * ms,
                inputs={
                    "before": train((0, 1), (1, 2), (2, 3), (0, 4)),
                    "after": train((1, 5), (0, 6), (1, 7)),
                },
            ),
            asleep(25 * ms, decay=1, inputs={"before": train((1, 1), (1, 2), (1, 5))}),
        )
    ),
)

COUNTED = {
    "effective_acs_wake_chain": 2 * 2 + 1 + 0,
    "effective_acs_wake_graded": 0,
    "effective_acs_wake": 5,
    "effective_macs_wake": 2 * 20,
    "dense_operations_wake": (3 * 2 + 4 * 4) * 20,
    "neuron_updates_wake": 4 * 20,
    "plasticity_updates_wake": 5 + 2 + 2 * 1,
    "effective_acs_sleep": 3,
    "effective_macs_sleep": 2 * 25,
    "neuron_updates_sleep": 4 * 25,
    "plasticity_updates_sleep": 3 + 3 * 3,  # spikes; every 10 ms, in 25 ms, three synapses
}


@pytest.mark.parametrize(
    "backend",
    ["numpy", pytest.param("cpp", marks=[pytest.mark.standalone, needs_compiler])],
)
def test_operations_of_a_network_that_is_counted_by_hand(tmp_path, backend):
    metrics = simulate(PROTOCOL, seed=1, backend=backend, out=tmp_path).metrics
    assert {name: metrics[name] for name in COUNTED} == COUNTED
    picojoules = 23.6 * (5 + 40) + 81 * 80 + 120 * 9
    assert metrics["energy_wake_j"] == pytest.approx(1e-12 * picojoules, rel=1e-12)
    picojoules = 0.9 * 5 + 4.6 * (40 + 80 + 9)
    assert energy(metrics, "wake", CMOS_45NM) == pytest.approx(1e-12 * picojoules, rel=1e-12)
    assert "energy_test_j" not in metrics
    with pytest.raises(DataError, match=r"energy.*phase that it has"):
        energy(metrics, "test")


def test_phases_add_up_to_the_whole(tmp_path):
    result = simulate(TINY, seed=1, backend=QUICK, out=tmp_path)
    metrics, counts = result.metrics, result.counts
    phases = ("wake", "sleep", "test")
    assert all(metrics[f"effective_acs_{phase}"] > 0 for phase in phases)
    for p in TINY.network.projections:
        degrees = np.bincount(result.synapses(p.name).pre, minlength=200)
        whole = sum(metrics[f"effective_acs_{phase}_{p.name}"] for phase in phases)
        if p.source in counts:
            assert whole == (counts[p.source] @ degrees[: counts[p.source].shape[1]]).sum()
    for phase in phases:
        each = [metrics[f"effective_acs_{phase}_{p.name}"] for p in TINY.network.projections]
        assert metrics[f"effective_acs_{phase}"] == sum(each)
    steps = int(result.slots["steps"].sum())
    assert sum(metrics[f"neuron_updates_{phase}"] for phase in phases) == 40 * steps
    pairs = 64 * 30 + 30 * 30 + 2 * 30 * 10
    assert sum(metrics[f"dense_operations_{phase}"] for phase in phases) == pairs * steps
    assert metrics["plasticity_updates_test"] == 0  # weights are frozen


def test_single_spikes_of_inputs_say_the_same(tmp_path):
    whole = dataclasses.replace(TINY.record, raster=(0, 1000))
    result = simulate(dataclasses.replace(TINY, record=whole), seed=1, backend=QUICK, out=tmp_path)
    degrees = np.bincount(result.synapses("input_e").pre, minlength=64)
    sent = degrees[result.spikes["input"].neurons].sum()
    phases = ("wake", "sleep", "test")
    assert sent == sum(result.metrics[f"effective_acs_{phase}_input_e"] for phase in phases)


def test_constant_inputs_act_in_every_step_on_every_image():
    """In a batch: 5 inputs that are not 0, in 3 images, on 4 neurons each, for 7 steps."""
    network = decay_network(n_inputs=64, n_hidden=4)
    degrees = degrees_of(network, initial_state(network, 0))
    stimulus = np.zeros((3, 64))
    stimulus[:, :5] = 10.0
    gates = {name: np.ones(1) for name in network.gates}
    where = np.array([True]), np.array(["wake"]), np.array([False])
    segment = Segment(np.array([7]), np.zeros((1, 64)), gates, *where)
    batch = dataclasses.replace(segment, batch=Batch(stimulus, np.zeros(3, int)))
    recording = Recording({"hidden": np.array([[2, 0, 1, 0]]), "output": np.ones((1, 10), int)})
    first, second = (p.name for p in network.projections)
    found = reached(network, degrees, batch, recording)
    assert found[f"{first}.pre"].tolist() == [5 * 3 * 4 * 7]
    assert found[f"{second}.pre"].tolist() == [3 * 10]
    assert reached(network, degrees, segment, recording)[f"{first}.pre"].tolist() == [0]
    closed = dataclasses.replace(batch, gates=gates | {"input": np.zeros(1)})
    assert reached(network, degrees, closed, recording)[f"{first}.pre"].tolist() == [0]


def test_a_resumed_run_has_counted_as_much(tmp_path, interrupting):
    whole = simulate(TINY, seed=1, backend=QUICK, out=tmp_path / "whole").metrics
    how = {"seed": 1, "backend": QUICK, "out": tmp_path / "cut"}
    with pytest.raises(KeyboardInterrupt):
        simulate(TINY, progress=interrupting(4), **how)
    assert simulate(TINY, **how).metrics == whole


def test_operations_have_definitions():
    for name in OPERATIONS:
        assert definition(f"{name}_sleep").unit == "count"
    assert "23.6 pJ" in definition("energy_sleep_j").text
    assert definition("effective_acs_wake_ee").text.startswith("synaptic operations of ee in wake")

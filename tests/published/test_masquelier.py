"""A neuron finds a pattern of spikes (Masquelier et al. 2008): its parts, and that it does."""

import numpy as np
import pytest
from brian2 import ms, second
from conftest import QUICK, needs_compiler

from brainsleep.experiment.inputs import SpikeTrains
from brainsleep.experiment.protocol import Protocol
from brainsleep.experiment.timeline import Timeline, awake
from brainsleep.models.inputs import SPIKE_SOURCE
from brainsleep.models.masquelier import DETECTOR, KERNEL, STDP_ONCE
from brainsleep.network.spec import NetworkSpec, Population, Projection, SynapseModel
from brainsleep.network.wiring import OneToOne
from brainsleep.parts import neuron_response, synapse_response
from brainsleep.protocols.masquelier import PATTERN, finding, with_pattern
from brainsleep.run.simulate import simulate


def test_kernel_of_a_spike_has_the_peak_of_its_weight():
    response = synapse_response(KERNEL, DETECTOR, spikes=[1] * ms, duration=40 * ms, w=2.0)
    u, since = np.asarray(response.states["u"])[11:], (response.times / ms)[11:] - 1.1
    rise = np.exp(-since / 10) - np.exp(-since / 2.5)
    np.testing.assert_allclose(u, 2 * 0.25 ** (-4 / 3) / 3 * rise, rtol=1e-9, atol=1e-12)
    assert u.max() == pytest.approx(2, rel=1e-3)


def test_spike_and_after_potential():
    response = neuron_response(DETECTOR, duration=100 * ms, start={"u": 510.0})
    u, since = np.asarray(response.states["u"])[1:], (response.times / ms)[1:] - 0.1
    assert len(response.spikes) == 1
    slow, fast = np.exp(-since / 10), np.exp(-since / 2.5)
    np.testing.assert_allclose(u, 1000 * slow - 2000 * (slow - fast), rtol=1e-9, atol=1e-9)


def test_each_spike_changes_a_weight_once(tmp_path):
    """Six synapses, spikes in ms before and after; what is left of the weight by hand."""
    up, down = 2.0**-5, 0.85 * 2.0**-5
    cases = [
        ([10], [15], up * np.exp(-5 / 16.8)),
        ([10], [15, 20], up * np.exp(-5 / 16.8)),  # not a second time
        ([10, 12], [15], up * np.exp(-3 / 16.8)),  # the nearest one
        ([15], [10], -down * np.exp(-5 / 33.7)),
        ([15, 20], [10], -down * np.exp(-5 / 33.7)),
        ([10], [10], up),  # at the same time: before
    ]
    trains = {
        name: SpikeTrains(
            np.repeat(np.arange(len(cases)), [len(case[side]) for case in cases]),
            np.concatenate([case[side] for case in cases]) * ms,
        )
        for side, name in enumerate(("pre", "post"))
    }
    network = NetworkSpec(
        name="cases",
        populations=tuple(
            Population(name=name, size=len(cases), model=SPIKE_SOURCE) for name in trains
        ),
        projections=(
            Projection(
                name="weights",
                source="pre",
                target="post",
                synapse=SynapseModel(name="silent", on_pre=""),
                connectivity=OneToOne(),
                weights=0.475,
                rules=(STDP_ONCE,),
            ),
        ),
        dt=0.1 * ms,
    )
    timeline = Timeline(periods=(awake(0.1 * second, inputs=trains),))
    protocol = Protocol(name="cases", network=network, schedule=timeline)
    result = simulate(protocol, backend="numpy", out=tmp_path)
    wanted = [change for *_, change in cases]
    np.testing.assert_allclose(result.synapses("weights").w - 0.475, wanted, rtol=1e-9)


def test_input():
    trains, begins = with_pattern(400, 5.0)
    times, neurons = trains.times.numbers, trains.indices.numbers
    assert len(times) / 400 / 5 == pytest.approx(64, abs=1.5)
    assert len(begins) == 25
    assert np.diff(begins).min() > 1.5 * PATTERN
    # the same spikes of the first half, up to a jitter, and of no one else
    counts = np.array(
        [np.bincount(neurons[(times >= t) & (times < t + PATTERN)], minlength=400) for t in begins]
    )
    of_pattern, others = counts[:, :200], counts[:, 200:]
    assert of_pattern.std(axis=0).mean() < 0.5 * others.std(axis=0).mean()


@needs_compiler
@pytest.mark.slow
@pytest.mark.standalone
@pytest.mark.long
def test_it_finds_the_pattern(tmp_path):
    """2000 afferents as published for 45 s, not 450 s: half a minute."""
    found = simulate(finding(2000, 45), seed=1, backend=QUICK, out=tmp_path).metrics
    assert 60 <= found["found_rate_first_hz"] <= 66
    assert found["found_hits"] > 0.98
    assert found["found_false_alarms"] == 0
    assert found["found_latency_ms"] < 10
    assert 15 < found["found_last_alarm_s"] < 30
    assert found["found_rate_last_hz"] == pytest.approx(5, abs=0.6)
    assert found["found_strong_others"] == 0 < found["found_strong"]

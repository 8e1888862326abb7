"""Plasticity of delays (Dominijanni, Ororbia & Regan 2025): pairs, against what the paper writes.

Its numbers are accuracies after 20 passes through 50 000 digits, which nothing here repeats.
"""

import dataclasses

import numpy as np
import pytest
from brian2 import ms
from conftest import QUICK

from brainsleep import (
    NetworkSpec,
    OneToOne,
    Population,
    Projection,
    Protocol,
    SavedState,
    SpikeTrains,
    SynapseModel,
    Timeline,
    awake,
    simulate,
)
from brainsleep.models.delay_stdp import DS_STDP, DS_STDP_FIXED
from brainsleep.models.inputs import SPIKE_SOURCE
from brainsleep.protocols.delay_stdp import LAGS as PAIR_LAGS
from brainsleep.protocols.delay_stdp import N_PAIRS, PROTOCOL

#: From the spike of the source to that of the target, in ms, and delays at the start.
LAGS = np.array([-30.0, -8.0, 0.5, 3.5, 12.0, 40.0])
DELAYS = np.array([2.0, 0.0, 4.0, 3.0, 9.5, 10.0])
IDLE = SynapseModel(name="idle", on_pre="")


def pairs(rule, out, **more):
    """Weights and delays, in ms, after one pair a synapse."""
    n = len(LAGS)
    projection = Projection(
        name="ab",
        source="a",
        target="b",
        synapse=IDLE,
        connectivity=OneToOne(),
        weights=0.3,
        delay=DELAYS * ms,
        rules=(rule,),
        **more,
    )
    network = NetworkSpec(
        name="pairs",
        populations=tuple(Population(name=name, size=n, model=SPIKE_SOURCE) for name in "ab"),
        projections=(projection,),
        dt=0.1 * ms,
    )
    trains = {
        "a": SpikeTrains(np.arange(n), np.full(n, 50.0) * ms),
        "b": SpikeTrains(np.arange(n), (50 + LAGS) * ms),
    }
    timeline = Timeline(periods=(awake(120 * ms, inputs=trains),), slot=120 * ms)
    protocol = Protocol(name="pairs", network=network, schedule=timeline)
    result = simulate(protocol, seed=1, backend=QUICK, out=out)
    arrays = SavedState(result=str(result.path)).before().arrays
    return arrays["ab.w"], arrays.get("ab.spike_delay", DELAYS * 1e-3) * 1e3


@pytest.mark.parametrize("rule", [DS_STDP, DS_STDP_FIXED], ids=["delays", "fixed"])
def test_a_pair_changes_weight_and_delay_by_the_time_from_arrival(rule, tmp_path):
    rule = rule.with_parameters(lr_plus=0.05, lr_minus=0.02)
    w, delay = pairs(rule, tmp_path, **({"delay_max": 10 * ms} if rule.equations else {}))
    after = LAGS - DELAYS
    near = np.exp(-np.abs(after) / 20)
    expected = np.where(after > 0, 0.3 + 0.05 * 0.7 * near, 0.3 - 0.02 * 0.3 * near)
    np.testing.assert_allclose(w, expected, rtol=1e-9)
    moved = np.where(after > 0, -1.2e-2, 1.2e-4) * near if rule.equations else 0
    np.testing.assert_allclose(delay, np.clip(DELAYS + moved, 0, 10), rtol=1e-9)


def test_delays_keep_to_their_bounds(tmp_path):
    rule = DS_STDP.with_parameters(shorten=300 * ms, lengthen=300 * ms)
    _, delay = pairs(dataclasses.replace(rule, name="far"), tmp_path, delay_max=10 * ms)
    assert sorted(set(delay)) == pytest.approx([0, 10])


def test_pairs_move_delays_towards_the_spikes_of_the_target(tmp_path):
    """Each pair is far from the next; a delay that falls is rounded to steps when it is sent."""
    result = simulate(PROTOCOL, seed=1, backend=QUICK, out=tmp_path)
    found = np.asarray(result.states("synapses.spike_delay").values / ms)[-1]
    expected = np.full(len(PAIR_LAGS), 5.0)
    for _ in range(N_PAIRS):
        after = np.array(PAIR_LAGS) - np.round(expected, 1)
        near = np.exp(-np.abs(after) / 20)
        expected += np.where(after > 0, -1.2e-2, 1.2e-4) * near
    assert expected.min() < 4.1 and expected.max() > 5.005
    np.testing.assert_allclose(found, expected, atol=2e-3)

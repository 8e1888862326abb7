"""Synapses of many variables (Benna & Fusi 2016): closed forms, one memory, a thousand of them."""

import dataclasses

import numpy as np
import pytest
from brian2 import second
from conftest import QUICK, assert_same_bits, needs_compiler

from brainsleep import Population, Record, SpikeTrains, Timeline, asleep, awake
from brainsleep.backends.base import make_backend
from brainsleep.models.benna_fusi import (
    BENNA_FUSI,
    LEAKY,
    TWO_STATES,
    chain,
    lifetime,
    memories,
    noise,
    response,
    signal_to_noise,
    steps_of,
)
from brainsleep.models.inputs import SPIKE_SOURCE
from brainsleep.models.sleep import DECAY_STATIC
from brainsleep.protocols.benna_fusi import AGES, forgetting
from brainsleep.run.segment import Segment
from brainsleep.run.simulate import simulate
from brainsleep.run.state import initial_state

#: What is left of a memory by its age, of ten variables; noise, and lifetimes in 1e4, 1e6 synapses.
PUBLISHED = {1: 0.875, 10: 0.4029, 100: 0.1329, 1000: 0.0425, 10_000: 0.0134}
NOISE = {10: 28.3, 5: 15.7, 1: 4.27}
LIFETIMES = {10: (637, 6.38e4), 5: (1138, 1.10e4), 1: (29, 46)}


def test_what_is_left_of_a_memory():
    np.testing.assert_allclose(response(10, list(PUBLISHED)), list(PUBLISHED.values()), atol=6e-5)
    by_hand = [np.linalg.matrix_power(steps_of(5), age)[0, 0] for age in (0, 1, 7, 200)]
    np.testing.assert_allclose(response(5, [0, 1, 7, 200]), by_hand, rtol=1e-9)
    np.testing.assert_allclose(response(1, [0, 1, 30]), 0.875 ** np.array([0, 1, 30]), rtol=1e-12)


@pytest.mark.parametrize("m", NOISE)
def test_noise_and_lifetimes(m):
    assert noise(m) == pytest.approx(NOISE[m], rel=2e-3)
    assert noise(m, 40) == pytest.approx((response(m, np.arange(40)) ** 2).sum(), rel=1e-9)
    found = [lifetime(m, n) for n in (1e4, 1e6)]
    np.testing.assert_allclose(found, LIFETIMES[m], rtol=4e-3)
    assert signal_to_noise(m, found[0], 1e4) > 1 > signal_to_noise(m, found[0] + 1, 1e4)


def test_ten_variables_forget_as_the_inverse_square_root():
    """And one exponentially: a hundred times more synapses give little more time."""
    ages = np.array([10.0, 100.0, 1000.0, 10_000.0])
    falls = np.diff(np.log10(response(10, ages)))
    np.testing.assert_allclose(falls, -0.5, atol=0.02)
    assert lifetime(10, 1e6) > 90 * lifetime(10, 1e4) and lifetime(1, 1e6) < 2 * lifetime(1, 1e4)


def told(rule, n=2):
    """Synapses whose neurons are told when to spike."""
    network = memories({"chains": rule}, n)
    ends = [Population(name=p.name, size=p.size, model=SPIKE_SOURCE) for p in network.populations]
    return dataclasses.replace(network, populations=tuple(ends))


@pytest.mark.parametrize(
    "backend",
    ["numpy", pytest.param("cpp", marks=[pytest.mark.standalone, needs_compiler])],
)
def test_one_memory_in_a_synapse(tmp_path, backend):
    """The first neuron after spikes with the one before, the second does not."""
    network = told(chain(5))
    trains = {"before": SpikeTrains([0], [0] * second), "after": SpikeTrains([0], [0] * second)}
    protocol = dataclasses.replace(
        forgetting(1, 2),
        network=network,
        schedule=Timeline(periods=(awake(300 * second, inputs=trains),)),
        record=Record(states={"chains.chain_u_1": (0, 1), "chains.w": (0, 1)}),
    )
    result = simulate(protocol, seed=1, backend=backend, out=tmp_path)
    u = result.states("chains.chain_u_1").values
    left = response(5, np.arange(299))
    np.testing.assert_allclose(u[1:, 0], left, rtol=1e-9)
    np.testing.assert_allclose(u[1:, 1], -left, rtol=1e-9)
    w = result.states("chains.w").values[2:]  # it follows in the step after
    np.testing.assert_allclose(w, 0.5 + 0.01 * u[2:], rtol=1e-9)


def test_a_segment_is_the_same_in_parts():
    network, rng, n = told(BENNA_FUSI, 3), np.random.default_rng(1), 70
    steps, neurons = np.nonzero(rng.random((n, 3)) < 0.5)
    trains = {"before": (np.arange(n), np.zeros(n, int)), "after": (steps, neurons)}
    gates = {name: np.ones(n) for name in network.gates}
    columns = np.arange(n) == 0, np.full(n, "wake"), np.zeros(n, bool)
    segment = Segment(np.ones(n, int), np.empty((n, 0)), gates, *columns, trains=trains)
    backend = make_backend("numpy", network)
    whole = backend.advance(initial_state(network, 0), segment, 1)[0]
    assert np.ptp(whole.arrays["chains.chain_u_4"]) > 0
    for parts in (2, 7):
        state = initial_state(network, 0)
        for first in range(0, n, n // parts):
            state = backend.advance(state, segment.part(first, first + n // parts), 1)[0]
        assert_same_bits(state, whole)


@pytest.mark.long
def test_a_network_forgets_a_few_hundred_memories(tmp_path):
    """Within five standard errors, which are those of the noise of all other memories."""
    n, n_memories = 4000, 360
    result = simulate(forgetting(n_memories, n), seed=1, backend=QUICK, out=tmp_path)
    metrics = result.metrics
    q = TWO_STATES.parameters["q"]
    for first, last in AGES:
        ages = np.arange(first, last + 1)
        age = (first + last) // 2
        each = {"chains": response(10, ages), "leaky": response(1, ages)}
        each["two_states"] = float(q) * (1 - float(q)) ** ages
        variance = {"chains": noise(10, n_memories), "leaky": noise(1), "two_states": 1.0}
        for name, left in each.items():
            error = np.sqrt(variance[name] / n / len(ages))
            assert metrics[f"left_{name}_{age}_s"] == pytest.approx(left.mean(), abs=5 * error)
    for name, m in (("chains", 10), ("leaky", 1)):
        assert metrics[f"noise_{name}"] == pytest.approx(noise(m, n_memories), rel=0.12)
    assert metrics["slope_chains"] == pytest.approx(-0.48, abs=0.12)
    assert LEAKY.name == BENNA_FUSI.name == "chain"


def test_sleep_that_scales_weights_leaves_the_chain_alone(tmp_path):
    """With plasticity closed: weights are back as soon as it opens, since they follow the chain."""
    network = told(chain(3))
    projection = dataclasses.replace(network.projections[0], processes=(DECAY_STATIC,))
    trains = {"before": SpikeTrains([0], [0] * second), "after": SpikeTrains([0], [0] * second)}
    rest = asleep(20 * second, plasticity=0, decay=1)
    protocol = dataclasses.replace(
        forgetting(1, 2),
        network=dataclasses.replace(network, projections=(projection,)),
        schedule=Timeline(periods=(awake(5 * second, inputs=trains), rest, awake(1 * second))),
        record=Record(states={"chains.chain_u_1": (0,), "chains.w": (0,)}),
    )
    result = simulate(protocol, seed=1, backend="numpy", out=tmp_path)
    u, w = (result.states(f"chains.{name}").values[:, 0] for name in ("chain_u_1", "w"))
    assert np.ptp(u[5:25]) == 0 and np.all(np.diff(w[6:25]) < 0) and w[24] < 0.4
    after = result.arrays["snapshots/trained/chains"][0]
    assert after == pytest.approx(0.5 + 0.01 * response(3, 5)[0], rel=1e-9)

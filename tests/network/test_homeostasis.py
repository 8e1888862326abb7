"""Synaptic scaling, normalisation, pruning, and processes in combination."""

import dataclasses

import numpy as np
import pytest
from brian2 import ms
from conftest import EVERY_STEP, make_segment, spike_pairs

from brainsleep.backends.base import make_backend
from brainsleep.models.homeostasis import NORMALISE, PRUNING, SCALING, SUBTRACTION
from brainsleep.models.sleep import DECAY_STATIC
from brainsleep.models.stdp import STDP_NEAREST
from brainsleep.run.segment import Capacity
from brainsleep.run.state import initial_state

N = 10


def start(processes, rule=None, w_min=0.0, low=0.0, high=0.4):
    spec = spike_pairs(rule, N, processes=processes, w=0.2, w_min=w_min, w_max=5.0)
    state = initial_state(spec, 1)
    w = np.random.default_rng(0).uniform(low, high, len(state.weights("pairs")))
    return spec, state.updated(pairs__w=w)


def advance(spec, state, steps, spikes=None, **gates):
    stimulus = np.zeros((len(steps), N)) if spikes is None else spikes * EVERY_STEP
    segment = make_segment(spec, stimulus, steps, kind="sleep", **gates)
    backend = make_backend("numpy", spec, capacity=Capacity(slots=256, steps=8192))
    return backend.advance(state, segment, 0)[0]


def incoming(state):
    return np.bincount(state.synapses["pairs"][1], state.weights("pairs"), N)


@pytest.mark.parametrize("period", [1, 10, 70])
def test_scaling_relaxes_each_neurons_sum_exactly(period):
    process = dataclasses.replace(SCALING, period=period * ms)
    spec, state = start((process,))
    after = advance(spec, state, [140], scaling=1)
    goal = 0.1 * (N - 1)
    expected = goal + (incoming(state) - goal) * np.exp(-140 / 100)
    np.testing.assert_allclose(incoming(after), expected, rtol=1e-10)
    ratio = after.weights("pairs") / state.weights("pairs")  # the same factor for all its inputs
    post = state.synapses["pairs"][1]
    for neuron in range(N):
        assert np.ptp(ratio[post == neuron]) < 1e-12


@pytest.mark.parametrize("period", [1, 20])
def test_subtraction_takes_the_same_from_every_synapse_of_a_neuron(period):
    spec, state = start((dataclasses.replace(SUBTRACTION, period=period * ms),), low=0.2)
    after = advance(spec, state, [60], subtraction=1)  # from a mean of 0.3 to 0.21: none at zero
    goal = 0.1 * (N - 1)
    expected = goal + (incoming(state) - goal) * np.exp(-60 / 100)
    np.testing.assert_allclose(incoming(after), expected, rtol=1e-10)
    lost = state.weights("pairs") - after.weights("pairs")
    post = state.synapses["pairs"][1]
    for neuron in range(N):
        assert np.ptp(lost[post == neuron]) < 1e-12


def test_subtraction_ends_with_the_strong_synapses():
    """After a long time: the baseline, weak synapses at zero for good, the order kept."""
    spec, state = start((SUBTRACTION.with_parameters(w_star=0.05),), low=0.0)
    after = advance(spec, state, [4000], subtraction=1)
    np.testing.assert_allclose(incoming(after), 0.05 * (N - 1), rtol=1e-6)
    post, before, w = state.synapses["pairs"][1], state.weights("pairs"), after.weights("pairs")
    assert 0.2 < np.mean(w == 0) < 0.9
    for neuron in range(N):
        mine = post == neuron
        alive = mine & (w > 0)
        assert before[alive].min() > before[mine & (w == 0)].max(initial=0)
        assert np.ptp(before[alive] - w[alive]) < 1e-9  # what is left lost the same
    grown = advance(spec, after.updated(pairs__w=w / 2), [4000], subtraction=1)
    np.testing.assert_allclose(incoming(grown), 0.05 * (N - 1), rtol=1e-6)
    assert np.all(grown.weights("pairs")[w == 0] == 0)


def test_normalisation_is_instantaneous_and_once_a_slot():
    spec, state = start((NORMALISE,))
    after = advance(spec, state, [1], normalise=1)
    np.testing.assert_allclose(incoming(after), 0.1 * (N - 1), rtol=1e-12)
    again = advance(spec, after, [50, 50], normalise=1)
    np.testing.assert_allclose(again.weights("pairs"), after.weights("pairs"), rtol=1e-12)
    still = advance(spec, state, [100])
    assert still.weights("pairs").tobytes() == state.weights("pairs").tobytes()


def test_neuron_without_any_weight_stays_without():
    spec, state = start((SCALING, NORMALISE))
    w = state.weights("pairs").copy()
    w[state.synapses["pairs"][1] == 3] = 0
    after = advance(spec, state.updated(pairs__w=w), [100], scaling=1, normalise=1)
    assert incoming(after)[3] == 0
    assert np.all(np.isfinite(after.weights("pairs")))


def test_pruned_weights_stay_zero_whatever_the_spikes():
    rule = STDP_NEAREST.with_parameters(lr=0.05)
    spec, state = start((PRUNING,), rule, w_min=0.001, low=0.005)
    weak = state.weights("pairs") < 0.02
    assert 0 < weak.sum() < len(weak)
    pruned = advance(spec, state, [1], pruning=1)
    assert np.all(pruned.weights("pairs")[weak] == 0)
    np.testing.assert_array_equal(pruned.weights("pairs")[~weak], state.weights("pairs")[~weak])
    spikes = (np.random.default_rng(3).random((100, N)) < 0.2).astype(float)
    later = advance(spec, pruned, np.ones(100, int), spikes, plasticity=1)
    assert np.all(later.weights("pairs")[weak] == 0)
    assert np.any(later.weights("pairs")[~weak] != pruned.weights("pairs")[~weak])
    kept = advance(spec, pruned, np.ones(100, int), spikes, plasticity=0)
    assert kept.weights("pairs").tobytes() == pruned.weights("pairs").tobytes()


def test_processes_run_in_the_order_listed():
    """Scale, decay, prune: one update of each by hand, and the other order gives another end."""
    decay = DECAY_STATIC.with_parameters(tau_w=100 * ms, w_star=0.05)
    scaling, pruning = SCALING, PRUNING.with_parameters(w_floor=0.06)
    parts = [dataclasses.replace(p, period=50 * ms) for p in (scaling, decay, pruning)]
    gates = {"scaling": 1, "decay": 1, "pruning": 1}
    spec, state = start(tuple(parts), w_min=0.0)
    after = advance(spec, state, [50], **gates)
    post, w = state.synapses["pairs"][1], state.weights("pairs")
    sums, goal, keep = incoming(state), 0.1 * (N - 1), np.exp(-0.5)
    w = w * ((goal + (sums - goal) * keep) / sums)[post]
    w = 0.05 * (w / 0.05) ** keep
    w = np.where(w >= 0.06, w, 0)
    np.testing.assert_allclose(after.weights("pairs"), w, rtol=1e-10)
    spec, state = start(tuple(parts[::-1]), w_min=0.0)
    other = advance(spec, state, [50], **gates)
    assert not np.allclose(other.weights("pairs"), w)

"""Dreams that unlearn: binary units (Hopfield, Feinstein, Palmer 1983) and spiking neurons."""

import numpy as np
import pytest
from conftest import needs_compiler

from brainsleep import simulate
from brainsleep.protocols.unlearning import CONDITIONS, EPS, PROTOCOL, binary, spiking
from brainsleep.tasks.patterns import stored


@pytest.mark.parametrize("backend", ["numpy", pytest.param("cpp", marks=needs_compiler)])
def test_a_binary_dream_takes_its_own_product(backend, tmp_path):
    """At the end of a dream all synapses change once, by the states that were reached."""
    protocol = binary(30, 6, dreams=1, tests=2)
    result = simulate(protocol, seed=2, out=tmp_path, backend=backend)
    s, (pre, post) = result.arrays["state/e.s"], result.arrays["synapses/ee"].T
    w = stored(result.arrays["recall/patterns"])
    assert set(s) <= {-1, 1} and len(pre) == 30 * 29
    expected = w[post, pre] - 0.01 / 30 * s[pre] * s[post]
    np.testing.assert_allclose(result.arrays["snapshots/trained/ee"], expected, rtol=0, atol=1e-15)
    field = w @ s  # which the dream has run into: no unit wants to change
    assert np.all(np.where(field >= 0, 1, -1) == s)


def test_shuffled_binary_dreams_are_paired_with_the_dream_before(tmp_path):
    """Of the first there is none before, so nothing changes."""
    one = simulate(binary(20, 4, dreams=1, shuffled=True), seed=2, out=tmp_path, backend="numpy")
    two = simulate(binary(20, 4, dreams=2, tests=3, shuffled=True), seed=2, out=tmp_path,
                   backend="numpy")  # fmt: skip
    before, s = one.arrays["state/e.s"], two.arrays["state/e.s"]
    pre, post = one.arrays["synapses/ee"].T
    w = stored(one.arrays["recall/patterns"])[post, pre]
    np.testing.assert_array_equal(one.arrays["snapshots/trained/ee"], w)
    change = 0.01 / 20 * (s[pre] * before[post] + before[pre] * s[post]) / 2
    found = two.arrays["snapshots/trained/ee"]
    np.testing.assert_allclose(found, w - change, rtol=0, atol=1e-15)


def _changes(spikes, neurons, n, window, rule):
    """Sum the rule over single spikes; return the change of every weight, from column to row."""
    trace, change = np.zeros(n), np.zeros((n, n))
    keep = np.exp(-1 / 50)
    for step in range(window[1]):
        trace *= keep
        fired = neurons[spikes == step]
        if window[0] <= step:
            for neuron in fired:
                away = rule["lr"] * (trace - rule["x_mean"])
                change[:, neuron] -= away  # as the presynaptic one
                change[neuron, :] -= away  # as the postsynaptic one
        trace[fired] += 1
    return change


@pytest.mark.parametrize("backend", ["numpy", pytest.param("cpp", marks=needs_compiler)])
def test_a_spiking_dream_against_a_sum_over_spikes(backend, tmp_path):
    protocol = spiking(12, 3, dreams=1, tests=2).override({"record.spikes": ("e",)})
    result = simulate(protocol, seed=3, out=tmp_path, backend=backend)
    steps, neurons = result.arrays["spikes/e"].T
    rule = {k: float(v) for k, v in protocol.network.projections[0].rules[0].parameters.items()}
    assert rule["lr"] == pytest.approx(EPS / 12 / 12.5) and np.sum(steps >= 250) > 20
    change = _changes(steps, neurons, 24, (250, 300), rule)
    pre, post = result.arrays["synapses/ee"].T
    found = result.arrays["snapshots/trained/ee"] - result.arrays["snapshots/initial/ee"]
    np.testing.assert_allclose(found, change[post, pre], rtol=0, atol=1e-13)


@needs_compiler
def test_dreams_bring_patterns_back_and_nothing_else_does(tmp_path):
    """A small network at a load of 0.4, with fewer and larger steps."""
    small = spiking(60, 24, dreams=300, tests=2).override(
        {"network.projections.ee.rules.covariance.lr": 0.05 / 60 / 12.5}
    )
    slept = simulate(small, seed=4, out=tmp_path).metrics
    awake = simulate(
        small.override({"schedule.periods.3.gates.plasticity": 0}), seed=4, out=tmp_path
    ).metrics
    assert slept["recall_before_10"] == awake["recall_before_10"] < 0.65
    assert abs(awake["recall_after_10"] - awake["recall_before_10"]) < 0.1
    assert slept["recall_after_10"] > 0.85
    assert 0.2 < slept["dream_overlap"] < 0.8 and slept["dreams"] == 300


def test_conditions_are_of_the_same_length_or_of_one_dream():
    for condition in CONDITIONS:
        changed = PROTOCOL.override(condition.changes)
        assert changed.schedule.times in (1, 2400) and changed.task.number == 80

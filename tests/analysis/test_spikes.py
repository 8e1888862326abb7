"""Measures of single spikes, on trains whose irregularity and frequency are known."""

import numpy as np
import pytest

from brainsleep.analysis.spikes import dominant_frequency, interval_variation, up_states


def test_intervals_by_hand():
    times = np.array([0.5, 0.1, 0.2, 0.0, 1.0, 0.3, 0.7, 0.9])
    neurons = np.array([3, 3, 3, 8, 8, 8, 1, 1])  # neuron 1 has two spikes only
    expected = [np.std([0.1, 0.3]) / 0.2, np.std([0.3, 0.7]) / 0.5]
    np.testing.assert_allclose(interval_variation(times, neurons), expected)
    assert len(interval_variation(times[:0], neurons[:0])) == 0


def test_poisson_spikes_have_a_variation_of_one():
    rng = np.random.default_rng(0)
    times, neurons = rng.uniform(0, 100, 40_000), rng.integers(20, size=40_000)
    found = interval_variation(times, neurons)
    assert len(found) == 20
    assert found.mean() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("frequency", [18.3, 126.0])
def test_the_frequency_of_an_oscillation(frequency):
    rng = np.random.default_rng(1)
    times = rng.uniform(0, 2, 60_000)
    kept = rng.random(len(times)) < 0.5 * (1 + 0.5 * np.sin(2 * np.pi * frequency * times))
    assert dominant_frequency(times[kept], 2.0) == pytest.approx(frequency, abs=0.6)
    assert np.isnan(dominant_frequency(times[:0], 2.0))


def test_up_states_by_hand():
    """Ten neurons, bins of 10 ms, one spike of ten a bin is 10 Hz a neuron."""

    def at(*spans):
        bins = [np.arange(round(100 * a), round(100 * b)) for a, b in spans]
        return (np.concatenate(bins) + 0.5) / 100

    def found(*spans, **more):
        return up_states(at(*spans), 2.0, 10, **more).tolist()

    assert found((0.5, 0.7), (1.0, 1.3)) == [[0.5, 0.7], [1.0, 1.3]]
    assert found((0.5, 0.7), (0.74, 0.9)) == [[0.5, 0.9]]  # a gap of 40 ms is none
    assert found((0.5, 0.7), (0.75, 0.9)) == [[0.5, 0.7], [0.75, 0.9]]
    assert found((0.5, 0.54), (1.0, 1.05)) == [[1.0, 1.05]]  # 40 ms are no up state
    assert found((0.0, 0.3), (1.0, 1.2), (1.8, 2.0)) == [[1.0, 1.2]]  # of unknown length
    assert found((0.5, 0.7), threshold_hz=11.0) == []
    assert found((0.5, 0.7), (0.74, 0.9), least_s=0.02) == [[0.5, 0.7], [0.74, 0.9]]
    assert up_states(np.array([]), 2.0, 10).shape == (0, 2)

"""Measures of single spikes, on trains whose irregularity and frequency are known."""

import numpy as np
import pytest

from brainsleep.analysis.spikes import dominant_frequency, interval_variation


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

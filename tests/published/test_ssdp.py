"""Plasticity by synchrony (Tian et al. 2025): pairs and silent neurons, against what it says."""

import numpy as np
import pytest
from brian2 import ms
from conftest import BACKENDS

from brainsleep import simulate
from brainsleep.protocols.ssdp import LAGS, N_SAMPLES, PROTOCOL, SAMPLE


@pytest.mark.long
@pytest.mark.parametrize("backend", BACKENDS)
def test_samples_change_weights_by_the_lag(backend, tmp_path):
    """Seven lags, a source alone, a target alone, neither; each neuron spikes as it is driven."""
    result = simulate(PROTOCOL, seed=1, backend=backend, out=tmp_path)
    counts = [result.arrays[f"counts/{name}"].sum(axis=0) for name in ("before", "after")]
    n = len(LAGS)
    np.testing.assert_array_equal(counts[0], [N_SAMPLES] * n + [N_SAMPLES, 0, 0])
    np.testing.assert_array_equal(counts[1], [N_SAMPLES] * n + [0, N_SAMPLES, 0])
    w = np.asarray(result.states("synapses.w").values)
    both = 1.5e-4 * np.exp(-(np.array(LAGS) ** 2) / 2)
    alone = -5e-5 * np.exp(-((SAMPLE / 2) ** 2) / 2)  # half a sample away: nothing
    expected = np.append(both, [alone, alone, -5e-5])
    changes = np.diff(w[1:], axis=0)
    np.testing.assert_allclose(changes, np.tile(expected, (len(changes), 1)), atol=1e-12)
    assert result.states("synapses.w").times[1] == SAMPLE * ms

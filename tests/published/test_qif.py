"""Quadratic integrate-and-fire neurons and their exact rate equations (Montbrio et al. 2015)."""

import numpy as np
import pytest
from conftest import needs_compiler

from brainsleep import simulate
from brainsleep.models.qif import fixed_points, population, rate_in_hz
from brainsleep.protocols.qif import PROTOCOL


def test_fixed_points():
    """As computed apart: center -5, coupling 15, width 1."""
    found = fixed_points()
    np.testing.assert_allclose(
        [point[:2] for point in found],
        [(0.0811, -1.962), (0.4730, -0.336), (1.0306, -0.154)],
        atol=5e-4,
    )
    assert [stable for *_, stable in found] == [True, False, True]
    for r, v, _ in found:
        assert 1 / np.pi + 2 * r * v == pytest.approx(0)
        assert v**2 - 5 + 15 * r - (np.pi * r) ** 2 == pytest.approx(0, abs=1e-9)


def test_a_current_leaves_one_state():
    assert len(fixed_points(current=5.0)) == 1


@needs_compiler
@pytest.mark.standalone
def test_a_population_stays_in_either_state(tmp_path):
    """A fifth of the neurons: the low rate lacks that of the drives beyond the largest quantile."""
    n = 2000
    protocol = PROTOCOL.override({"network": population(n)})
    result = simulate(protocol, seed=1, backend="cpp", out=tmp_path)
    rates = result.arrays["counts/e"].sum(axis=1) / n / 0.1
    low, _, high = (rate_in_hz(r) for r, *_ in fixed_points())
    largest = np.tan(np.pi * (n - 1) / (2 * (n + 1)))
    beyond = rate_in_hz(2 / np.pi**2 / np.sqrt(largest))
    assert rates[1:3] == pytest.approx(low - beyond, rel=0.03)
    assert rates[5:] == pytest.approx(high, rel=0.03)
    assert rates[1:3] == pytest.approx(low, rel=0.1)

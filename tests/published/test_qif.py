"""Quadratic integrate-and-fire neurons and their exact rate equations (Montbrio et al. 2015)."""

import numpy as np
import pytest
from conftest import needs_compiler
from scipy.integrate import solve_ivp

from brainsleep import simulate
from brainsleep.models.qif import (
    QIF_CHAIN,
    fixed_points,
    population,
    rate_in_hz,
    sequence,
)
from brainsleep.protocols.qif import PROTOCOL, SEQUENCE


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


def sequence_rates(times, current, until, length=6, **more):
    """Solve the rate equations of a chain whose first population is given a current for a while.

    Times are in time constants of the membrane. The chain is at rest before the first of them,
    and is given the current from then `until` later. Returns spikes a neuron and time constant.
    """
    j = {**{k: QIF_CHAIN.parameters[k] for k in ("j_self", "j_next", "j_all")}, **more}
    coupling = j["j_self"] * np.eye(length) + j["j_next"] * np.eye(length, k=-1) - j["j_all"]
    first = np.eye(length)[0]

    def change(t, y, drive):
        r, v = y.reshape(2, length)
        dv = v**2 - 5 + coupling @ r + drive * first - (np.pi * r) ** 2
        return np.concatenate([1 / np.pi + 2 * r * v, dv])

    how = {"method": "LSODA", "rtol": 1e-8, "atol": 1e-10}
    rest = np.concatenate([np.full(length, 0.05), np.full(length, -2.0)])
    y = solve_ivp(change, (0, 100), rest, args=(0.0,), **how).y[:, -1]
    parts, begin = [], times[0]
    for drive, inside in ((current, times < begin + until), (0.0, times >= begin + until)):
        end = begin + until if drive else times[-1]
        found = solve_ivp(change, (begin, end), y, args=(drive,), dense_output=True, **how)
        parts.append(found.sol(times[inside])[:length])
        begin, y = end, found.y[:, -1]
    return np.concatenate(parts, axis=1)


def test_rate_equations_of_a_chain():
    """One population is the one above; a chain without coupling stays where it is."""
    times = np.linspace(0, 40, 2001)
    alone = sequence_rates(times, 5.0, 10.0, length=1, j_self=15.0, j_all=0.0)[0]
    low, _, high = (r for r, *_ in fixed_points())
    assert alone[0] == pytest.approx(low, rel=1e-4) and alone[-1] == pytest.approx(high, rel=1e-2)
    apart = sequence_rates(times, 10.0, 1.0, j_next=0.0)
    assert apart[0].max() > 1 and apart[1:].max() < 0.1


@pytest.mark.long
@needs_compiler
@pytest.mark.standalone
@pytest.mark.slow
def test_activity_goes_through_a_chain_as_in_the_rate_equations(tmp_path):
    result = simulate(SEQUENCE, seed=1, backend="cpp", out=tmp_path)
    tau = 10e-3
    times = np.arange(0, 10, 0.005)  # from the current on, in time constants
    expected = sequence_rates(times, 10.0, 1.0)
    slots = result.arrays["slots/steps"].cumsum() * 1e-5
    after = slots > 50e-3 + 1e-9
    for k in range(6):
        trace = result.states(f"pool{k + 1}.s")
        found = np.asarray(trace.values)[:, 0] * tau
        peak = (np.asarray(trace.times)[found.argmax()] - 50e-3) / tau
        assert peak == pytest.approx(times[expected[k].argmax()], rel=0.055)
        spikes = result.arrays[f"counts/e{k + 1}"][after].sum() / 2000
        assert spikes == pytest.approx(expected[k].sum() * 0.005, rel=0.06)
        assert found[-1] < 0.15  # and over


@pytest.mark.long
@needs_compiler
@pytest.mark.standalone
@pytest.mark.slow
def test_without_coupling_to_the_next_nothing_follows(tmp_path):
    protocol = SEQUENCE.override({"network": sequence(500, j_next=0.0)})
    arrays = simulate(protocol, seed=1, backend="cpp", out=tmp_path).arrays
    rates = [arrays[f"counts/e{k}"][5:].sum() / 500 / 0.1 for k in (1, 2, 3)]
    assert rates[0] > 15 > 9 > max(rates[1:])

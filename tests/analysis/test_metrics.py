import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brainsleep.analysis.metrics import (
    WEIGHT_STATISTICS,
    dead_fraction,
    entropy,
    growth_slope,
    mean_rate,
    saturation,
    silent_fraction,
    weight_entropy,
    weight_statistics,
)
from brainsleep.errors import DataError

pytestmark = pytest.mark.filterwarnings("error")


@pytest.mark.parametrize(
    ("w", "w_max", "tolerance", "fraction"),
    [
        ([0.0, 0.0, 0.0], 1.0, 0.01, 0.0),  # the lower bound is not saturation
        ([1.0, 1.0, 1.0, 1.0], 1.0, 0.01, 1.0),
        ([0.0, 0.5, 1.0, 1.0], 1.0, 0.01, 0.5),
        ([24.74, 24.76, 25.0, 1.0], 25.0, 0.01, 0.5),  # 1 % below 25 is 24.75
        ([0.89, 0.91, 1.0, 0.0], 1.0, 0.1, 0.5),
        ([0.999, 1.0], 1.0, 0.0, 0.5),
    ],
)
def test_saturation(w, w_max, tolerance, fraction):
    assert saturation(np.array(w), w_max, tolerance) == fraction


def test_saturation_default_is_one_percent():
    w = np.array([0.989, 0.9901, 1.0, 0.5])
    assert saturation(w, 1.0) == saturation(w, 1.0, 0.01) == 0.5


def test_weight_statistics():
    w = np.arange(101) / 100  # 0, 0.01, ..., 1
    found = dict(zip(WEIGHT_STATISTICS, weight_statistics(w, 1.0), strict=True))
    assert found == pytest.approx(
        {
            "mean": 0.5,
            "sd": np.sqrt((101**2 - 1) / 12) / 100,
            "min": 0.0,
            "q05": 0.05,
            "median": 0.5,
            "q95": 0.95,
            "max": 1.0,
            "sum": 50.5,
            "saturated": 2 / 101,  # 0.99 and 1
        }
    )


def test_weight_statistics_of_equal_weights():
    found = weight_statistics(np.full(7, 0.25), 1.0)
    np.testing.assert_allclose(found, [0.25, 0, 0.25, 0.25, 0.25, 0.25, 0.25, 1.75, 0], atol=1e-15)


def test_weight_statistics_do_not_depend_on_order():
    w = np.random.default_rng(0).random(500)
    np.testing.assert_allclose(weight_statistics(w, 1.0), weight_statistics(np.sort(w), 1.0))


def test_mean_rate():
    counts = np.array([[1, 3], [0, 4]])  # 8 spikes of two neurons in 1.5 s
    assert mean_rate(counts, np.array([1.0, 0.5])) == pytest.approx(8 / 3)
    assert mean_rate(np.zeros((2, 5)), np.array([1.0, 1.0])) == 0
    # longer slots count for more: 10 Hz for 3 s and 50 Hz for 1 s
    assert mean_rate(np.array([[30], [50]]), np.array([3.0, 1.0])) == 20


def test_mean_rate_without_slots():
    assert np.isnan(mean_rate(np.zeros((0, 5)), np.zeros(0)))


def test_silent_fraction():
    counts = np.array([[0, 1, 0, 2], [0, 0, 3, 1]])
    assert silent_fraction(counts) == 0.25
    assert silent_fraction(counts[:1]) == 0.5
    assert silent_fraction(np.zeros((3, 4))) == 1
    assert silent_fraction(np.ones((3, 4))) == 0
    assert np.isnan(silent_fraction(np.zeros((0, 4))))


def test_dead_fraction():
    counts = np.array([[0, 1, 3, 0], [0, 2, 0, 1]])  # rates 0, 2, 3, 1 Hz at most
    seconds = np.array([1.0, 1.0])
    assert dead_fraction(counts, seconds) == 0.5  # 1 Hz is not above 1 Hz
    assert dead_fraction(counts, seconds, rate=2.5) == 0.75
    assert dead_fraction(counts, seconds, rate=0) == silent_fraction(counts) == 0.25
    assert dead_fraction(counts, seconds / 2) == 0.25  # the same spikes in half the time
    # one spike in a short sample is a high rate; a sample of no duration says nothing
    assert dead_fraction(np.array([[1], [0]]), np.array([0.1, 10.0])) == 0
    assert dead_fraction(np.array([[0], [0]]), np.array([1.0, 0.0])) == 1
    assert np.isnan(dead_fraction(np.zeros((0, 4)), np.zeros(0)))
    assert np.isnan(dead_fraction(np.zeros((2, 4)), np.zeros(2)))


def test_growth_slope():
    times = np.array([0.0, 1.0, 2.0, 5.0])
    slope, error = growth_slope(times, 3 - 2 * times)
    assert slope == pytest.approx(-2) and error == pytest.approx(0, abs=1e-12)
    # y = 0, 0, 3: slope 1.5, residuals 0.5, -1, 0.5, so se = sqrt(1.5/1/2)
    assert growth_slope(np.arange(3), np.array([0, 0, 3])) == pytest.approx((1.5, np.sqrt(0.75)))
    assert growth_slope(times, np.full(4, 7.0)) == (0, 0)


def test_growth_slope_error_is_the_spread_of_slopes():
    rng = np.random.default_rng(0)
    times = np.sort(rng.random(30))
    found = np.array([growth_slope(times, times + rng.normal(size=30)) for _ in range(2000)])
    assert abs(found[:, 0].mean() - 1) < 5 * found[:, 0].std() / np.sqrt(2000)
    assert found[:, 0].std() == pytest.approx(np.sqrt(np.mean(found[:, 1] ** 2)), rel=0.08)


def test_growth_slope_of_too_little():
    slope, error = growth_slope(np.array([1.0, 3.0]), np.array([0.0, 4.0]))
    assert slope == 2 and np.isnan(error)
    for times in ([], [1.0], [2.0, 2.0, 2.0]):
        assert np.isnan(growth_slope(np.array(times), np.zeros(len(times)))).all()
    with pytest.raises(DataError, match="a sum a time"):
        growth_slope(np.zeros(3), np.zeros(2))


def centres(bins, low, high):
    return low * (high / low) ** ((np.arange(bins) + 0.5) / bins)


def test_entropy():
    assert entropy(np.array([0.25, 0.25, 0.5, 0.0])) == pytest.approx(1.5 * np.log(2))
    assert entropy(np.array([1.0])) == 0


def test_weight_entropy():
    w = centres(50, 0.01, 25.0)
    assert weight_entropy(w, 0.01, 25.0) == pytest.approx(1)  # one in each bin
    assert weight_entropy(np.repeat(w, 3), 0.01, 25.0) == pytest.approx(1)
    assert weight_entropy(np.full(9, 0.3), 0.01, 25.0) == 0
    # all at the bounds: two bins, half each
    two = np.array([0.01, 25.0, 0.01, 25.0])
    assert weight_entropy(two, 0.01, 25.0) == pytest.approx(np.log(2) / np.log(50))
    assert weight_entropy(two, 0.01, 25.0, bins=2) == pytest.approx(1)
    # a quarter, a quarter, a half of four bins
    w = centres(4, 1.0, 16.0)[[0, 1, 3, 3]]
    assert weight_entropy(w, 1.0, 16.0, bins=4) == pytest.approx(1.5 / 2)


def test_weight_entropy_is_that_of_ratios():
    w = np.random.default_rng(0).uniform(0.01, 25, 300)
    reference = weight_entropy(w, 0.01, 25.0)
    assert 0 < reference < 1
    assert weight_entropy(w[::-1] * 4, 0.04, 100.0) == pytest.approx(reference)
    # each with bounds of its own, at the same place between them
    scale = np.random.default_rng(1).uniform(0.5, 2, 300)
    assert weight_entropy(w * scale, 0.01 * scale, 25 * scale) == pytest.approx(reference, abs=0.02)


def test_weight_entropy_with_a_bound_at_zero():
    """The axis begins at the floor; all below share the first bin."""
    w = centres(10, 1e-4, 1.0)
    assert weight_entropy(w, 0.0, 1.0, bins=10) == pytest.approx(1)
    w[0] = 0.0
    assert weight_entropy(w, 0.0, 1.0, bins=10) == pytest.approx(1)
    assert weight_entropy(np.array([0.0, 1e-9, 5e-5]), 0.0, 1.0) == 0
    high = centres(10, 1e-2, 1.0)
    assert weight_entropy(high, 0.0, 1.0, bins=10, floor=1e-2) == pytest.approx(1)


def test_weight_entropy_of_nothing():
    assert np.isnan(weight_entropy(np.zeros(0), 0.0, 1.0))
    for bounds in ((1.0, 1.0), (2.0, 1.0), (0.0, 0.0)):
        with pytest.raises(DataError, match="bounds that differ"):
            weight_entropy(np.ones(3), *bounds)
    with pytest.raises(DataError, match="got 1 bins"):
        weight_entropy(np.ones(3), 0.0, 1.0, bins=1)


@given(st.lists(st.floats(0, 25), min_size=1, max_size=60))
def test_weight_entropy_lies_between_0_and_1(w):
    assert 0 <= weight_entropy(np.array(w), 0.01, 25.0) <= 1 + 1e-12

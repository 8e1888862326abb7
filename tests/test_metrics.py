import numpy as np
import pytest

from brainsleep.metrics import (
    WEIGHT_STATISTICS,
    mean_rate,
    saturation,
    silent_fraction,
    weight_statistics,
)


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

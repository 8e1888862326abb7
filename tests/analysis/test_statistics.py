"""Intervals, effect sizes and forgetting on cases with known answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from brainsleep.analysis.statistics import (
    average_accuracy,
    backward_transfer,
    effect_size,
    forgetting,
    paired_difference,
    seed_spread,
)
from brainsleep.errors import DataError

pytestmark = pytest.mark.filterwarnings("error")


def rng():
    return np.random.default_rng(0)


# -- samples -----------------------------------------------------------------------------------


def test_paired_difference():
    a = np.array([True, True, True, False])
    b = np.array([True, False, False, False])
    difference, (low, high) = paired_difference(a, b, 500, rng())
    assert difference == 0.5 and 0 <= low < 0.5 < high <= 1
    assert paired_difference(a, a, 500, rng()) == (0, (0, 0))
    assert paired_difference(a, ~a | True, 500, rng())[0] == -0.25
    assert paired_difference(np.ones(9), np.zeros(9), 500, rng()) == (1, (1, 1))


def test_paired_interval_is_narrow_where_both_fail_on_the_same_samples():
    """The samples' difficulty drops out: only discordant pairs make for width."""
    hard = np.arange(1000) < 400
    a, b = ~hard, ~hard
    b[990:] = False  # 10 samples only a gets right
    difference, (low, high) = paired_difference(a, b, 4000, rng())
    sd = np.sqrt(0.01 * 0.99 / 1000)
    assert difference == pytest.approx(0.01)
    assert high - low == pytest.approx(2 * 1.96 * sd, rel=0.15)
    # the same accuracies, errors on other samples: 390 and 400 discordant pairs
    _, (low, high) = paired_difference(a, np.roll(b, 500), 4000, rng())
    assert high - low > 6 * 2 * 1.96 * sd


def test_paired_interval_covers_the_truth():
    generator, covered = rng(), 0
    for _ in range(200):
        draw = generator.random((2, 150))
        a, b = draw[0] < 0.7, np.where(draw[1] < 0.8, draw[0] < 0.7, draw[0] < 0.3)
        _, (low, high) = paired_difference(a, b, 200, generator)
        covered += low <= 0.2 * 0.4 <= high
    assert 0.88 <= covered / 200 <= 0.99


def test_paired_difference_of_what_does_not_pair():
    with pytest.raises(DataError, match="the same samples twice"):
        paired_difference(np.ones(3), np.ones(4), 500, rng())
    difference, interval = paired_difference(np.ones(0), np.ones(0), 500, rng())
    assert np.isnan([difference, *interval]).all()
    assert paired_difference(np.ones(1), np.zeros(1), 500, rng()) == (1, (1, 1))


# -- seeds -------------------------------------------------------------------------------------


def test_seed_spread():
    found = seed_spread(np.array([1.0, 2, 3, 4, 5]))
    assert (found.n, found.mean, found.min, found.max) == (5, 3, 1, 5)
    assert found.sd == pytest.approx(np.sqrt(2.5))
    half = 2.7764451 * np.sqrt(2.5 / 5)  # Student's t with 4 degrees of freedom, 97.5 %
    assert (found.low, found.high) == pytest.approx((3 - half, 3 + half))
    narrow = seed_spread(np.array([1.0, 2, 3, 4, 5]), level=0.5)
    assert narrow.high - 3 == pytest.approx(0.7406971 * np.sqrt(0.5))


def test_seed_spread_of_little():
    same = seed_spread(np.full(4, 0.1))
    assert (same.sd, same.low, same.high) == (0, same.mean, same.mean)
    one = seed_spread(np.array([2.0]))
    assert (one.n, one.mean, one.min, one.max) == (1, 2, 2, 2)
    assert np.isnan([one.sd, one.low, one.high]).all()
    none = seed_spread(np.zeros(0))
    assert none.n == 0 and np.isnan([none.mean, none.sd, none.low, none.min]).all()


def test_seed_interval_covers_the_mean():
    found = [seed_spread(x) for x in rng().normal(size=(2000, 5))]
    assert np.mean([s.low <= 0 <= s.high for s in found]) == pytest.approx(0.95, abs=0.02)


# -- effect size -------------------------------------------------------------------------------


def test_effect_size():
    a, b = np.array([3.0, 4, 5]), np.array([1.0, 2, 3])
    # d = 2/1; with 4 degrees of freedom J = gamma(2)/(sqrt(2) gamma(1.5)) = sqrt(2/pi)
    assert effect_size(a, b) == pytest.approx(2 * np.sqrt(2 / np.pi))
    assert effect_size(b, a) == -effect_size(a, b)
    assert effect_size(10 * a + 3, 10 * b + 3) == pytest.approx(effect_size(a, b))
    # unequal sizes: squares 2 + 18 over 4 degrees of freedom
    assert effect_size(np.array([0.0, 2]), np.array([1.0, 4, 4, 7])) == pytest.approx(
        -3 / np.sqrt(5) * np.sqrt(2 / np.pi)
    )


def test_effect_size_is_unbiased():
    draws = rng().normal(size=(20_000, 2, 5)) + np.array([[0.8], [0.0]])
    found = np.array([effect_size(a, b) for a, b in draws])
    assert abs(found.mean() - 0.8) < 4 * found.std() / np.sqrt(len(found))


def test_effect_size_where_nothing_varies():
    assert effect_size(np.ones(3), np.ones(4)) == 0
    assert np.isnan(effect_size(np.ones(3), np.zeros(3)))
    assert np.isnan(effect_size(np.array([1.0, 2]), np.ones(1)))
    assert np.isnan(effect_size(np.zeros(0), np.ones(5)))
    assert effect_size(np.ones(3), np.array([0.0, 1, 2])) == 0


# -- tasks -------------------------------------------------------------------------------------

R = np.array([[0.9, 0.1, 0.2], [0.6, 0.8, 0.3], [0.5, 0.85, 0.7]])


def test_accuracy_matrix_by_hand():
    assert average_accuracy(R) == pytest.approx((0.5 + 0.85 + 0.7) / 3)
    assert backward_transfer(R) == pytest.approx(((0.5 - 0.9) + (0.85 - 0.8)) / 2)
    assert forgetting(R) == pytest.approx(((0.9 - 0.5) + (0.8 - 0.85)) / 2)


def test_forgetting_is_from_the_best():
    """A task that got better before it was lost was forgotten by more than it lost since."""
    rising = np.array([[0.5, 0, 0], [0.9, 0.7, 0], [0.4, 0.7, 0.6]])
    assert backward_transfer(rising) == pytest.approx(((0.4 - 0.5) + 0) / 2)
    assert forgetting(rising) == pytest.approx(((0.9 - 0.4) + 0) / 2)


def test_tasks_not_tried_before_they_were_learned():
    lower = np.where(np.tri(3, dtype=bool), R, np.nan)
    for measure in (average_accuracy, backward_transfer, forgetting):
        assert measure(lower) == pytest.approx(measure(R))


def test_complete_forgetting_and_none():
    assert forgetting(np.eye(4)) == 1 and backward_transfer(np.eye(4)) == -1
    assert average_accuracy(np.eye(4)) == 0.25
    kept = np.tri(4)
    assert forgetting(kept) == 0 == backward_transfer(kept) and average_accuracy(kept) == 1


def test_one_task_and_none():
    one = np.array([[0.8]])
    assert average_accuracy(one) == 0.8
    assert np.isnan(backward_transfer(one)) and np.isnan(forgetting(one))
    assert np.isnan(average_accuracy(np.zeros((0, 0))))
    for measure in (average_accuracy, backward_transfer, forgetting):
        with pytest.raises(DataError, match=r"shape \(2, 3\)"):
            measure(np.zeros((2, 3)))


@given(arrays(float, st.integers(2, 5).map(lambda n: (n, n)), elements=st.floats(0, 1)))
def test_forgetting_is_at_least_what_was_lost(matrix):
    """With zeros above the diagonal, the best so far is at least that when learned."""
    matrix = np.tril(matrix)
    assert -1 <= -backward_transfer(matrix) <= forgetting(matrix) + 1e-12 <= 1 + 1e-9

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import binom

from brainsleep.analysis.statistics import interval
from brainsleep.errors import DataError, ProtocolError
from brainsleep.tasks.images.readout import Readout, classify

READOUT = Readout(resamples=200)


def clusters(n, seed, *, n_classes=4, n_features=12, spread=0.3):
    """Well separated classes: spike counts around a different pattern each."""
    patterns = np.random.default_rng(99).permuted(
        np.tile(np.arange(n_features) % n_classes, (n_classes, 1)), axis=1
    )
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % n_classes
    return 10 * patterns[labels] + spread * rng.standard_normal((n, n_features)), labels


def score(fit, fit_labels, test, test_labels, readout=READOUT, seed=0):
    predicted, components = classify(fit, fit_labels, test, readout)
    correct = predicted == test_labels
    return SimpleNamespace(
        accuracy=correct.mean(),
        interval=interval(correct, readout.resamples, np.random.default_rng(seed)),
        correct=correct,
        components=components,
    )


def test_separable_responses_are_read_perfectly():
    found = score(*clusters(80, 1), *clusters(60, 2))
    assert found.accuracy == 1.0
    assert found.correct.shape == (60,)
    assert found.correct.all()
    assert found.interval == (1.0, 1.0)
    assert 1 <= found.components <= 3  # four patterns span three dimensions


def test_labels_need_not_count_from_zero():
    (x, y), (tx, ty) = clusters(80, 1), clusters(60, 2)
    assert score(x, 10 * y + 7, tx, 10 * ty + 7).accuracy == 1.0


def test_responses_may_be_whole_numbers():
    (x, y), (tx, ty) = clusters(80, 1), clusters(60, 2)
    assert score(x.astype(np.int32), y, tx.astype(np.int32), ty).accuracy == 1.0


def test_a_silent_neuron_changes_nothing():
    (x, y), (tx, ty) = clusters(80, 1, spread=8), clusters(60, 2, spread=8)
    plain = score(x, y, tx, ty)
    silent = score(np.c_[x, np.zeros(80)], y, np.c_[tx, np.zeros(60)], ty)
    np.testing.assert_array_equal(plain.correct, silent.correct)
    assert 0.25 < plain.accuracy < 1


def test_scale_does_not_matter():
    (x, y), (tx, ty) = clusters(80, 1, spread=8), clusters(60, 2, spread=8)
    scale = np.geomspace(0.01, 100, x.shape[1])
    one, two = score(x, y, tx, ty), score(x * scale, y, tx * scale, ty)
    np.testing.assert_array_equal(one.correct, two.correct)


def test_constant_responses_give_the_commonest_class():
    labels = np.array([0, 1, 1, 1, 2])
    test_labels = np.array([1, 1, 0, 2, 1, 0, 1, 0])
    found = score(np.full((5, 3), 7), labels, np.zeros((8, 3)), test_labels)
    assert found.components == 0
    np.testing.assert_array_equal(found.correct, test_labels == 1)
    assert found.accuracy == 0.5
    assert found.interval[0] < 0.5 < found.interval[1]


def test_responses_without_information_are_read_at_chance():
    rng = np.random.default_rng(0)
    x, tx = rng.standard_normal((400, 5)), rng.standard_normal((1000, 5))
    y, ty = rng.integers(0, 4, 400), rng.integers(0, 4, 1000)
    found = score(x, y, tx, ty)
    low, high = binom.interval(1 - 1e-6, 1000, 0.25)
    assert low / 1000 <= found.accuracy <= high / 1000


def test_components_explain_the_variance_asked_for():
    rng = np.random.default_rng(0)
    hidden = rng.standard_normal((500, 3))
    x = np.repeat(hidden, 4, axis=1)  # twelve features of rank three, equal variance
    y = (hidden[:, 0] > 0).astype(int)
    found = {
        v: score(x, y, x, y, Readout(variance=v, resamples=100)).components
        for v in (0.2, 0.5, 0.95)
    }
    assert found == {0.2: 1, 0.5: 2, 0.95: 3}


def test_the_score_repeats():
    (x, y), (tx, ty) = clusters(80, 1, spread=20), clusters(60, 2, spread=20)
    one, two, other = (score(x, y, tx, ty, seed=seed) for seed in (0, 0, 1))
    assert one.interval == two.interval != other.interval
    assert one.accuracy == two.accuracy == other.accuracy
    assert one.interval[0] < one.accuracy < one.interval[1]


# --- the interval ------------------------------------------------------------------------------


def test_interval_of_a_proportion():
    values = np.arange(400) < 300  # 75 % of 400
    low, high = interval(values, 5000, np.random.default_rng(0))
    sd = np.sqrt(0.75 * 0.25 / 400)
    assert low == pytest.approx(0.75 - 1.96 * sd, abs=0.2 * sd)
    assert high == pytest.approx(0.75 + 1.96 * sd, abs=0.2 * sd)
    narrow = interval(values, 5000, np.random.default_rng(0), level=0.5)
    assert low < narrow[0] < 0.75 < narrow[1] < high


def test_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        low, high = interval(rng.random(150) < 0.7, 300, rng)
        covered += low <= 0.7 <= high
    low, high = binom.interval(1 - 1e-6, 200, 0.93)  # percentile intervals are a bit narrow
    assert low <= covered <= high


def test_interval_is_deterministic():
    values = np.arange(50) % 3
    draws = [interval(values, 200, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]


@pytest.mark.parametrize("values", [[1, 1, 1, 1], [0, 0], [1], [0.25, 0.25]])
def test_interval_without_spread(values):
    expected = float(np.mean(values))
    assert interval(values, 100, np.random.default_rng(0)) == (expected, expected)


# --- what is refused ---------------------------------------------------------------------------


def assert_refused(make, error, *parts):
    with pytest.raises(error) as caught:
        make()
    assert "\n" not in str(caught.value)
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize("labels", [np.zeros(6, int), np.full(6, 3)])
def test_one_class_cannot_be_fitted(labels):
    x = np.random.default_rng(0).random((6, 2))
    assert_refused(
        lambda: score(x, labels, x, labels),
        DataError,
        "got 1 class in 6 samples",
        "at least 2",
        "raise data.n_readout",
    )


def test_arrays_must_fit_together():
    x, y = clusters(20, 0)
    for arguments in (
        (x, y[:-1], x, y),
        (x, y, x[:, :-1], y),
        (x, y, x[:0], y[:0]),
        (x[:0], y[:0], x, y),
        (x[:, 0], y, x, y),
    ):
        assert_refused(
            lambda arguments=arguments: score(*arguments), DataError, "readout: samples to"
        )
    for value in (np.nan, np.inf):
        bad = x.copy()
        bad[3, 3] = value
        assert_refused(
            lambda bad=bad: score(x, y, bad, y), DataError, "to score: got NaN or infinity"
        )
        assert_refused(
            lambda bad=bad: score(bad, y, x, y), DataError, "to fit: got NaN or infinity"
        )


def test_no_convergence_is_said():
    (x, y), (tx, ty) = clusters(80, 1, spread=8), clusters(60, 2, spread=8)
    assert_refused(
        lambda: score(x, y, tx, ty, Readout(max_iter=1, resamples=100)),
        DataError,
        "did not converge in 1 iterations",
        "raise readout.max_iter",
    )


@pytest.mark.parametrize("variance", [0, 1, -0.5, 1.5, "0.9", None, float("nan")])
def test_variance(variance):
    assert_refused(
        lambda: Readout(variance=variance), ProtocolError, "readout.variance", "0 and less"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"max_iter": 0},
        {"max_iter": 1.5},
        {"max_iter": True},
        {"resamples": 99},
        {"resamples": None},
    ],
)
def test_counts(changes):
    name = next(iter(changes))
    assert_refused(lambda: Readout(**changes), ProtocolError, f"readout.{name}", "a whole number")

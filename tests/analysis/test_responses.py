"""Dimension, selectivity, phi and similarity of responses on cases with known answers."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from brainsleep.analysis.responses import (
    adjusted_selectivity,
    class_means,
    class_selectivity,
    class_similarity,
    effective_rank,
    mean_known,
    participation_ratio,
    phi,
)
from brainsleep.errors import DataError

pytestmark = pytest.mark.filterwarnings("error")

COUNTS = arrays(
    np.int64,
    st.tuples(st.integers(1, 14), st.integers(1, 7)),
    elements=st.integers(0, 6) | st.just(0),
)


def gaussian(rng, n, variances):
    """Samples of a covariance with these eigenvalues, along random axes, around 3."""
    axes, _ = np.linalg.qr(rng.normal(size=(len(variances),) * 2))
    return 3 + rng.normal(size=(n, len(variances))) * np.sqrt(variances) @ axes.T


def true_ratio(variances):
    return np.sum(variances) ** 2 / np.sum(variances**2)


def true_rank(variances):
    p = np.sqrt(variances[variances > 0])
    p /= p.sum()
    return np.exp(-np.sum(p * np.log(p)))


def mean_and_error(values):
    return np.mean(values), np.std(values, ddof=1) / np.sqrt(len(values))


SPECTRA = {
    "equal": np.ones(20),
    "power law": 1 / np.arange(1, 41),
    "low rank": np.r_[np.ones(5), np.zeros(25)],
    "low rank in noise": np.r_[np.full(5, 10.0), np.full(35, 0.1)],
}


# -- participation ratio -----------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 2, 5])
def test_plugin_dimension_of_orthogonal_columns(k):
    """Cosines of different frequency: k equal singular values."""
    t = np.arange(64)
    x = np.stack([np.cos(2 * np.pi * (f + 1) * t / 64) for f in range(k)], axis=1)
    x = np.hstack([x, np.full((64, 3), 2.5)])  # constant neurons add nothing
    assert participation_ratio(x, corrected=False) == pytest.approx(k)
    assert effective_rank(x, corrected=False) == pytest.approx(k)


def test_plugin_dimension_of_unequal_columns():
    t = np.arange(64)
    x = np.stack([3 * np.cos(2 * np.pi * t / 64), np.sin(2 * np.pi * t / 64)], axis=1)
    # variances 9 : 1, singular values 3 : 1
    assert participation_ratio(x, corrected=False) == pytest.approx(100 / 82)
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert effective_rank(x, corrected=False) == pytest.approx(np.exp(entropy))


@pytest.mark.parametrize("n", [4, 5, 7])
@pytest.mark.parametrize("neurons", [2, 9])
def test_closed_form_is_the_average_over_quadruples(n, neurons):
    x = np.random.default_rng(n + neurons).poisson(2.0, size=(n, neurons)).astype(float)
    traces, trace = [], []
    for a, b, c, d in itertools.permutations(x, 4):
        traces.append((a - b) @ (a - b) * ((c - d) @ (c - d)) / 4)
        trace.append(((a - b) @ (c - d)) ** 2 / 4)
    expected = np.clip(np.mean(traces) / np.mean(trace), 1, np.sum(np.ptp(x, axis=0) > 0))
    assert participation_ratio(x) == pytest.approx(expected)


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("n", [30, 100])
def test_participation_ratio_of_known_covariance(name, n):
    """The plug-in is too low; the correction takes (nearly) all of the bias away."""
    rng, variances = np.random.default_rng(n), SPECTRA[name]
    truth = true_ratio(variances)
    samples = [gaussian(rng, n, variances) for _ in range(150)]
    plain, _ = mean_and_error([participation_ratio(x, corrected=False) for x in samples])
    fixed, error = mean_and_error([participation_ratio(x) for x in samples])
    assert plain < truth * (1 - 0.5 / n)
    assert abs(fixed - truth) < 4 * error + 0.02 * truth
    assert abs(fixed - truth) < 0.4 * abs(plain - truth)


def test_participation_ratio_of_poisson_counts():
    """The correction does not ask for normal values."""
    rng = np.random.default_rng(0)
    rates = np.r_[np.full(4, 6.0), np.full(16, 0.2)]  # independent: the variances are the rates
    found = [participation_ratio(rng.poisson(rates, size=(40, 20))) for _ in range(400)]
    mean, error = mean_and_error(found)
    assert abs(mean - true_ratio(rates)) < 4 * error + 0.02 * mean


def test_participation_ratio_where_there_is_none():
    for x in (np.zeros((0, 3)), np.zeros((5, 0)), np.ones((6, 3)), np.zeros((1, 3))):
        assert np.isnan(participation_ratio(x))
        assert np.isnan(participation_ratio(x, corrected=False))
    few = np.eye(3)
    assert np.isnan(participation_ratio(few))
    assert participation_ratio(few, corrected=False) == pytest.approx(2)
    one_different = np.ones((50, 4))
    one_different[7] = 5
    assert np.isnan(participation_ratio(one_different))
    assert participation_ratio(one_different, corrected=False) == pytest.approx(1)
    # no two of four are alike in anything: as many dimensions as there can be
    assert participation_ratio(np.eye(5)) == 5


# -- effective rank ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("n", [20, 60, 200])
def test_effective_rank_of_known_covariance(name, n):
    """The plug-in is too low; the cross-validated one is nearer, and hardly ever too low."""
    rng, variances = np.random.default_rng(n), SPECTRA[name]
    truth = true_rank(variances)
    samples = [gaussian(rng, n, variances) for _ in range(20)]
    plain, _ = mean_and_error([effective_rank(x, corrected=False) for x in samples])
    fixed, error = mean_and_error([effective_rank(x) for x in samples])
    assert plain < truth
    assert fixed > truth * 0.96 - 4 * error
    assert abs(fixed - truth) < 0.9 * abs(plain - truth)


def test_effective_rank_converges():
    rng, variances = np.random.default_rng(0), SPECTRA["power law"]
    x = gaussian(rng, 20_000, variances)
    assert effective_rank(x) == pytest.approx(true_rank(variances), rel=0.005)
    assert effective_rank(x, corrected=False) == pytest.approx(true_rank(variances), rel=0.005)


def test_effective_rank_where_there_is_none():
    for x in (np.zeros((0, 3)), np.zeros((25, 0)), np.ones((25, 3)), np.zeros((1, 3))):
        assert np.isnan(effective_rank(x)) and np.isnan(effective_rank(x, corrected=False))
    few = np.random.default_rng(0).random((9, 3))
    assert np.isnan(effective_rank(few)) and effective_rank(few, folds=3) >= 1


# -- both --------------------------------------------------------------------------------------


@pytest.mark.parametrize("measure", [participation_ratio, effective_rank])
@pytest.mark.parametrize("corrected", [True, False])
@pytest.mark.parametrize("shape", [(60, 12), (15, 40)])
def test_dimension_does_not_depend_on_axes_or_scale(measure, corrected, shape):
    rng = np.random.default_rng(0)
    x = rng.poisson(rng.uniform(0.5, 6, shape[1]), size=shape).astype(float)
    reference = measure(x, corrected)
    turn, _ = np.linalg.qr(rng.normal(size=(shape[1],) * 2))
    silent = np.hstack([x, np.zeros((len(x), 4))])
    changed = [x[:, rng.permutation(shape[1])], 1e-120 * x, 1e60 * x, x + 7, x @ turn, silent]
    for y in changed:
        assert measure(y, corrected) == pytest.approx(reference, rel=1e-6)


@given(COUNTS)
def test_bounds_of_dimension(x):
    n, neurons = x.shape
    slack = 1 + 1e-9
    for corrected, most in ((True, neurons), (False, min(n - 1, neurons))):
        for measure in (participation_ratio, effective_rank):
            value = measure(x, corrected)
            assert np.isnan(value) or 1 / slack <= value <= most * slack
    plain = participation_ratio(x, corrected=False)
    assert np.isnan(plain) == (not np.any(np.ptp(x, axis=0)))
    # the Renyi entropy of order 2 of the variances is at most the Shannon entropy of their roots
    assert np.isnan(plain) or plain <= effective_rank(x, corrected=False) * slack


@pytest.mark.parametrize("measure", [participation_ratio, effective_rank])
def test_responses_that_are_none(measure):
    with pytest.raises(DataError, match=r"shape \(4,\); expected finite numbers"):
        measure(np.zeros(4))
    with pytest.raises(DataError, match="got NaN or infinity"):
        measure(np.array([[1.0, np.nan], [2.0, 3.0]]))


# -- classes -----------------------------------------------------------------------------------

LABELS = np.array([2, 0, 2, 1, 0, 1])
RESPONSES = np.array([[4, 0], [1, 3], [2, 0], [0, 1], [1, 1], [0, 1]])


def test_class_means():
    np.testing.assert_array_equal(class_means(RESPONSES, LABELS), [[1, 2], [0, 1], [3, 0]])
    with pytest.raises(DataError, match="a label each"):
        class_means(RESPONSES, LABELS[:3])


def test_class_selectivity():
    # neuron 0: 3 against (1 + 0)/2; neuron 1: 2 against (1 + 0)/2
    expected = [(3 - 0.5) / 3.5, (2 - 0.5) / 2.5]
    np.testing.assert_allclose(class_selectivity(RESPONSES, LABELS), expected)
    only_one = np.array([[0.0], [5], [0], [0], [1], [0]])
    assert class_selectivity(only_one, LABELS) == [1]
    assert class_selectivity(np.full((6, 1), 3.3), LABELS) == pytest.approx([0])


def test_selectivity_where_there_is_none():
    silent = np.column_stack([np.zeros(6), RESPONSES])
    for measure in (class_selectivity, lambda x, y: adjusted_selectivity(x, y, rng())):
        assert np.isnan(measure(silent, LABELS)).tolist() == [True, False, False]
        assert np.isnan(measure(RESPONSES, np.zeros(6))).all()
        assert np.isnan(measure(np.zeros((0, 2)), np.zeros(0))).all()
        with pytest.raises(DataError, match="got negative responses"):
            measure(-RESPONSES, LABELS)


def rng():
    return np.random.default_rng(0)


def test_mean_known():
    assert mean_known(np.array([1.0, np.nan, 3.0])) == 2
    assert np.isnan(mean_known(np.array([np.nan]))) and np.isnan(mean_known(np.zeros(0)))


@given(COUNTS, st.integers(1, 4), st.randoms(use_true_random=False))
def test_bounds_and_invariances_of_selectivity(x, k, random):
    labels = np.array([random.randrange(k) for _ in x])
    found = class_selectivity(x, labels)
    known = ~np.isnan(found)
    assert np.all((found[known] >= 0) & (found[known] <= 1))
    np.testing.assert_array_equal(known, (x.sum(axis=0) > 0) & (len(np.unique(labels)) > 1))
    np.testing.assert_allclose(class_selectivity(x[:, ::-1] * 2.5, labels)[::-1], found)
    np.testing.assert_allclose(class_selectivity(x[::-1], -labels[::-1]), found)


def test_selectivity_by_chance_is_taken_off():
    """Poisson neurons that do not care look selective at low rates; adjusted they do not."""
    labels = np.repeat(np.arange(10), 20)
    plain, adjusted, errors = [], [], []
    for rate in (0.05, 0.5, 5.0):
        x = np.random.default_rng(0).poisson(rate, size=(200, 400))
        plain.append(mean_known(class_selectivity(x, labels)))
        mean, error = mean_and_error(adjusted_selectivity(x, labels, rng()))
        adjusted.append(mean)
        errors.append(error)
    assert plain[0] > 0.5 > plain[1] > plain[2] > 0.05
    assert np.all(np.abs(adjusted) < 4 * np.array(errors))


def test_adjusted_selectivity_keeps_true_preference():
    labels = np.repeat(np.arange(4), 30)
    x = np.zeros((120, 2))
    x[labels == 1, 0] = 3  # one class only
    x[:, 1] = np.where(labels == 2, 6, 2)  # (6 - 2)/(6 + 2)
    found = adjusted_selectivity(x, labels, rng(), shuffles=200)
    assert found[0] == pytest.approx(1) and 0.45 < found[1] < 0.5
    one_spike = np.zeros((120, 1))
    one_spike[5] = 1  # always of one class, whatever the labels
    assert np.isnan(adjusted_selectivity(one_spike, labels, rng())).all()


# -- phi ---------------------------------------------------------------------------------------


def test_phi_of_one_neuron():
    x, labels = np.array([[0.0], [2], [4], [6]]), np.array([0, 0, 1, 1])
    # within 4 * 1, total 9 + 1 + 1 + 9
    assert phi(x, labels) == pytest.approx(1 - 4 / 20)
    assert phi(x, labels, corrected=True) == pytest.approx(1 - (4 / 2) / (20 / 3))
    assert phi(np.array([[1.0], [1], [5], [5]]), labels) == pytest.approx(1)
    assert phi(x, np.array([0, 1, 1, 0])) == pytest.approx(0, abs=1e-12)


def test_phi_with_all_components_is_that_of_the_responses():
    generator = np.random.default_rng(0)
    labels = generator.integers(4, size=80)
    x = generator.normal(size=(4, 9))[labels] + generator.normal(size=(80, 9))
    means = class_means(x, labels)[labels]
    expected = 1 - np.sum((x - means) ** 2) / np.sum((x - x.mean(axis=0)) ** 2)
    assert phi(x, labels, variance=1.0) == pytest.approx(expected)


def test_phi_leaves_small_components_out():
    """Classes on the large component, noise on another with 4 % of the variance."""
    labels = np.tile([0, 1], 20)
    noise = np.repeat([1.0, -1.0], 20)
    x = np.column_stack([np.where(labels, 5.0, -5.0), noise])
    assert phi(x, labels) == pytest.approx(1)
    assert phi(x, labels, variance=0.99) == pytest.approx(25 / 26)


def test_phi_by_chance():
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(5), 8)
    x = [generator.normal(size=(40, 6)) for _ in range(300)]
    plain, error = mean_and_error([phi(each, labels) for each in x])
    assert abs(plain - 4 / 39) < 4 * error
    fixed, error = mean_and_error([phi(each, labels, corrected=True) for each in x])
    assert abs(fixed) < 4 * error


def test_phi_where_there_is_none():
    assert np.isnan(phi(RESPONSES, np.zeros(6)))
    assert np.isnan(phi(np.ones((6, 2)), LABELS))
    assert np.isnan(phi(np.zeros((0, 2)), np.zeros(0)))
    assert phi(RESPONSES, np.arange(6)) == 1  # a class a sample
    assert np.isnan(phi(RESPONSES, np.arange(6), corrected=True))


@given(COUNTS, st.integers(1, 4), st.floats(0.05, 1), st.randoms(use_true_random=False))
def test_bounds_and_invariances_of_phi(x, k, variance, random):
    labels = np.array([random.randrange(k) for _ in x])
    value = phi(x, labels, variance)
    assert np.isnan(value) or -1e-9 <= value <= 1 + 1e-9
    if not np.isnan(value):
        whole = phi(x, labels, 1.0)
        moved = phi(0.5 * x[::-1, ::-1] + 3, -labels[::-1], 1.0)
        assert moved == pytest.approx(whole, abs=1e-9)


# -- similarity --------------------------------------------------------------------------------


def test_class_similarity():
    means = np.array([[1.0, 2, 3], [2, 4, 6], [3, 2, 1], [1, 0, 1], [5, 5, 5]])
    labels = np.repeat(np.arange(5), 2)
    noise = np.tile([[0.5], [-0.5]], (5, 1))
    found = class_similarity(means[labels] + noise, labels)
    r = np.nan
    expected = [
        [1, 1, -1, 0, r],
        [1, 1, -1, 0, r],
        [-1, -1, 1, 0, r],
        [0, 0, 0, 1, r],
        [r, r, r, r, r],
    ]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_class_similarity_is_pearsons():
    generator = np.random.default_rng(0)
    x, labels = generator.poisson(3, size=(60, 15)), np.repeat(np.arange(6), 10)
    expected = np.corrcoef(class_means(x, labels))
    order = generator.permutation(15)
    np.testing.assert_allclose(class_similarity(x, labels), expected)
    np.testing.assert_allclose(class_similarity(4.5 * x[:, order] + 1, labels), expected)


def test_class_similarity_where_there_is_none():
    assert class_similarity(np.zeros((0, 3)), np.zeros(0)).shape == (0, 0)
    assert np.isnan(class_similarity(np.zeros((4, 3)), np.array([0, 0, 1, 1]))).all()
    assert np.isnan(class_similarity(np.zeros((2, 0)), np.array([0, 1]))).all()
    assert class_similarity(RESPONSES, np.zeros(6)).shape == (1, 1)

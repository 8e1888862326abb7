"""Dimension and classes of responses: pure functions on arrays.

`responses` are spike counts or rates, shape (n_samples, n_neurons); `labels` are the classes of
the samples, shape (n_samples,). Where something is known to be biased when samples are few,
``corrected=True`` gives an estimate that is not, or less. What is not defined (responses that do
not vary, no spike, one class only) is NaN, never a warning.
"""

from __future__ import annotations

import numpy as np

from ..errors import DataError, explain
from .metrics import entropy


def _centred(responses: np.ndarray) -> np.ndarray:
    """Check responses; leave out neurons that never vary, take means off, scale to 1 at most."""
    x = np.asarray(responses, dtype=float)
    if x.ndim != 2 or not np.all(np.isfinite(x)):
        got = f"shape {x.shape}" if x.ndim != 2 else "NaN or infinity"
        raise DataError(explain("responses", got, "finite numbers, (n_samples, n_neurons)"))
    if not x.size:
        return np.zeros((len(x), 0))
    x = x[:, np.ptp(x, axis=0) > 0]
    x = x - x.mean(axis=0)
    return x / np.max(np.abs(x)) if x.size else x


def participation_ratio(responses: np.ndarray, corrected: bool = True) -> float:
    """Return the participation ratio of the responses' covariance C, (tr C)^2 / tr C^2.

    Of few samples the plug-in estimate is far too low: roughly, 1/PR is too high by 1/n_samples.
    The corrected one takes the ratio of unbiased estimates of (tr C)^2 and tr C^2, whatever the
    distribution: averages of ``|x_a - x_b|^2 |x_c - x_d|^2 / 4`` and of
    ``((x_a - x_b).(x_c - x_d))^2 / 4`` over all sets of four different samples, in closed form.
    Noise from trial to trial is variance, too: it adds dimensions in either estimate.

    It is between 1 and the number of neurons that vary (the plug-in: at most n_samples - 1). NaN
    where responses do not vary, and corrected with fewer than four samples or where all but one are
    the same.

    Gao et al. (2017), doi:10.1101/214262: the measure. Chun et al. (2025), arXiv:2509.26560: the
    correction.
    """
    x = _centred(responses)
    n, neurons = x.shape
    if not x.size or (corrected and n < 4):
        return float("nan")
    squares = np.sum(x**2, axis=1)
    gram = x @ x.T if n < neurons else x.T @ x
    s1, s2, g = squares.sum(), np.sum(squares**2), np.sum(gram**2)
    if not corrected:
        return float(s1**2 / g)
    traces = (n**2 - 3 * n + 1) * s1**2 - n * (n - 1) * s2 + 2 * g
    trace = (n - 1) * (n - 2) * g - n * (n - 1) * s2 + s1**2
    if traces < 1e-9 * n**2 * s1**2:  # nothing but rounding errors
        return float("nan")
    return float(traces / np.clip(trace, traces / neurons, traces))


def effective_rank(responses: np.ndarray, corrected: bool = True, folds: int = 5) -> float:
    """Return the exponential of the entropy of the normalised singular values.

    Of few samples the plug-in estimate is too low, since sampling spreads the singular values.
    The corrected one is cross-validated: principal axes come from all folds but one, variances
    along them from that fold, summed over folds (sample i is in fold ``i % folds``: the order of
    samples must have no such period). Axes from other samples cannot sort out chance, so the error
    that is left is smaller, and upward unless the variances are all alike: of 100 samples with
    variances 1, 1/2, ..., 1/50 the plug-in gives 39.9, the corrected one 44.8, and the truth is
    43.4. Variance outside the sampled axes (fewer samples than neurons) is shared out evenly, which
    makes it an upper estimate.

    It is between 1 and the number of neurons that vary (the plug-in: at most n_samples - 1). NaN
    where responses do not vary, and corrected with fewer than two samples a fold.

    Roy & Vetterli (2007), EUSIPCO: the measure, on singular values. Lam (2016),
    doi:10.1214/15-AOS1393: eigenvalues from split samples.
    """
    x = _centred(responses)
    if not x.size or (corrected and len(x) < 2 * folds):
        return float("nan")
    if corrected:
        sizes = np.sqrt(_held_out_variances(x, folds))
    else:
        sizes = np.linalg.svd(x, compute_uv=False)
    total = sizes.sum()
    return float(np.exp(entropy(sizes / total))) if total > 0 else float("nan")


def _held_out_variances(x: np.ndarray, folds: int) -> np.ndarray:
    """Sum over folds the squares of held-out samples along the others' axes, (n_neurons,)."""
    variances = np.zeros(x.shape[1])
    fold = np.arange(len(x)) % folds
    for k in range(folds):
        rest = x[fold != k]
        held_out = x[fold == k] - rest.mean(axis=0)
        axes = np.linalg.svd(rest - rest.mean(axis=0), full_matrices=False)[2][: len(rest) - 1]
        along = np.sum((held_out @ axes.T) ** 2, axis=0)
        n = len(along)
        variances[:n] += along
        if n < len(variances):
            outside = max(0.0, float(np.sum(held_out**2) - along.sum()))
            variances[n:] += outside / (len(variances) - n)
    return variances


# -- classes -----------------------------------------------------------------------------------


def class_means(responses: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the mean response to each class, shape (n_classes, n_neurons), by sorted labels."""
    x = np.asarray(responses, dtype=float)
    if x.ndim != 2 or len(x) != len(labels):
        got = f"responses {x.shape}, {len(labels)} labels"
        raise DataError(explain("class means", got, "(n_samples, n_neurons), a label each"))
    classes, index = np.unique(labels, return_inverse=True)
    member = index == np.arange(len(classes))[:, None]
    return (member @ x) / member.sum(axis=1, keepdims=True)


def class_selectivity(responses: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return how much more each neuron responds to its preferred class than to the others.

    (mu_max - mu_rest) / (mu_max + mu_rest), with mu_max the mean response to the class of
    largest mean and mu_rest that to the other classes, shape (n_neurons,): between 0 and 1, NaN
    for neurons without a spike and with one class only. Chance alone makes one class the largest,
    the more so the fewer the spikes: compare networks of different rates by
    `adjusted_selectivity`.

    Morcos et al. (2018), arXiv:1803.06959.
    """
    if np.min(responses, initial=0) < 0:
        raise DataError(explain("selectivity", "negative responses", "spike counts or rates"))
    means = class_means(responses, labels)
    n, neurons = means.shape
    if n < 2:
        return np.full(neurons, np.nan)
    most = means.max(axis=0)
    rest = np.maximum(means.sum(axis=0) - most, 0) / (n - 1)
    total = most + rest
    return np.where(total > 0, (most - rest) / np.where(total > 0, total, 1), np.nan)


def adjusted_selectivity(
    responses: np.ndarray, labels: np.ndarray, rng: np.random.Generator, shuffles: int = 50
) -> np.ndarray:
    """Return class selectivity adjusted for chance: (s - s_chance) / (1 - s_chance).

    s_chance is the mean selectivity of the same responses with labels that `rng` has shuffled. The
    shape is (n_neurons,); 1 at most, and 0 on average for neurons that do not care about the class.
    NaN for neurons that spike in one sample at most and with one class only.
    """
    x, labels = np.asarray(responses), np.asarray(labels)
    own = class_selectivity(x, labels)
    by_chance = [class_selectivity(x, rng.permutation(labels)) for _ in range(shuffles)]
    chance = np.mean(by_chance, axis=0)
    defined = chance < 1 - 1e-9
    return np.where(defined, (own - chance) / np.where(defined, 1 - chance, 1), np.nan)


def mean_known(values: np.ndarray) -> float:
    """Return the mean of the values that are not NaN; NaN if there is none."""
    values = np.asarray(values, dtype=float)
    values = values[~np.isnan(values)]
    return float(values.mean()) if values.size else float("nan")


def phi(
    responses: np.ndarray, labels: np.ndarray, variance: float = 0.95, corrected: bool = False
) -> float:
    """Return eta squared of the classes: 1 - within/total sum of squares of the PCA scores.

    As few components are kept, not whitened, as explain that fraction of the `variance`. Responses
    that have nothing to do with the class give (n_classes - 1)/(n_samples - 1) on average.
    Corrected, where the sums are divided by their degrees of freedom (epsilon squared), they give
    0. It is between 0 and 1, corrected at most 1. NaN with one class only, where responses do not
    vary, and corrected without more samples than classes.

    Kelley (1935), doi:10.1073/pnas.21.9.554: both forms.
    """
    class_means(responses, labels)  # checks the shapes
    x = _centred(responses)
    classes, index = np.unique(labels, return_inverse=True)
    n, k = len(x), len(classes)
    if not x.size or k < 2 or (corrected and n <= k):
        return float("nan")
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    explained = np.cumsum(s**2) / np.sum(s**2)
    scores = (u * s)[:, : 1 + int(np.sum(explained < variance * (1 - 1e-12)))]
    within = np.sum((scores - class_means(scores, labels)[index]) ** 2)
    ratio = float(within / np.sum(scores**2))
    return 1 - ratio * ((n - 1) / (n - k) if corrected else 1)


def class_similarity(responses: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation, over neurons, of the mean responses to every two classes.

    Shape (n_classes, n_classes), in the order of the sorted labels. NaN in the rows and columns of
    a class to which all neurons respond alike.
    """
    means = class_means(responses, labels)
    if not means.size:
        return np.full((len(means), len(means)), np.nan)
    flat = np.ptp(means, axis=1) == 0
    means = means - means.mean(axis=1, keepdims=True)
    unit = means / np.where(flat, 1, np.linalg.norm(means, axis=1))[:, None]
    similar = np.clip(unit @ unit.T, -1, 1)
    np.fill_diagonal(similar, 1)
    similar[flat], similar[:, flat] = np.nan, np.nan
    return similar

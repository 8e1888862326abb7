"""Accuracies over samples, seeds and tasks: intervals, effect sizes, forgetting.

`R` holds the accuracy on task j after training on task i at ``R[i, j]``, shape (n_tasks, n_tasks).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln
from scipy.stats import bootstrap
from scipy.stats import t as student_t

from ..errors import DataError, explain


def interval(
    values: np.ndarray, resamples: int, rng: np.random.Generator, level: float = 0.95
) -> tuple[float, float]:
    """Bootstrap interval of the mean of `values` (percentile method; Efron, 1979)."""
    values = np.asarray(values, dtype=float)
    if len(values) < 2 or np.ptp(values) == 0:
        return float(values.mean()), float(values.mean())
    how = {"n_resamples": resamples, "confidence_level": level, "method": "percentile", "rng": rng}
    low, high = bootstrap((values,), np.mean, **how).confidence_interval
    return float(low), float(high)


def paired_difference(
    correct: np.ndarray,
    other: np.ndarray,
    resamples: int,
    rng: np.random.Generator,
    level: float = 0.95,
) -> tuple[float, tuple[float, float]]:
    """Return the difference of two accuracies on the same samples, and its bootstrap interval.

    Which samples each readout got right is `correct` and `other`, shape (n_samples,). Samples are
    drawn by `rng`, so many `resamples`, in pairs: what makes a sample hard for both drops out. The
    interval of that `level` (percentile) has no width if all pairs differ alike. All are NaN
    without samples.
    """
    one, two = np.asarray(correct, dtype=float), np.asarray(other, dtype=float)
    if one.ndim != 1 or one.shape != two.shape:
        got = f"{one.shape} and {two.shape}"
        raise DataError(explain("paired difference", got, "the same samples twice"))
    if not len(one):
        return float("nan"), (float("nan"), float("nan"))
    difference = one - two
    return float(difference.mean()), interval(difference, resamples, rng, level)


@dataclass(frozen=True)
class Spread:
    """How a value varies over `n` seeds.

    Its mean, sample standard deviation, interval of the mean from Student's t (`low` to `high`),
    and extremes.
    """

    n: int
    mean: float
    sd: float
    low: float
    high: float
    min: float
    max: float


def seed_spread(values: np.ndarray, level: float = 0.95) -> Spread:
    """Summarise one value a seed, shape (n_seeds,); the interval is of that level.

    It is Student's: a bootstrap of a handful of seeds is too narrow. With one seed `sd` and
    interval are NaN, without any everything is.
    """
    x = np.asarray(values, dtype=float)
    n, nan = x.size, float("nan")
    if not n:
        return Spread(0, *[nan] * 6)
    mean, low, high, sd, half = float(x.mean()), float(x.min()), float(x.max()), nan, nan
    if n > 1:
        sd = float(x.std(ddof=1)) if high > low else 0.0
        half = float(student_t.ppf((1 + level) / 2, n - 1)) * sd / np.sqrt(n)
    return Spread(n, mean, sd, float(mean - half), float(mean + half), low, high)


def effect_size(a: np.ndarray, b: np.ndarray) -> float:
    """Return Hedges' g: the difference of means in pooled standard deviations, unbiased.

    Cohen's d is on average too large for few values; the factor that corrects it is exact for
    normal values. `a` and `b`, shapes (n_a,) and (n_b,), are values of two conditions, for example
    one a seed. It is positive if `a` is larger, 0 if neither varies and both are the same; NaN if
    neither varies and they differ, and with fewer than two degrees of freedom.

    Hedges (1981), doi:10.3102/10769986006002107.
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    freedom = len(a) + len(b) - 2
    if not len(a) or not len(b) or freedom < 2:
        return float("nan")
    difference = float(a.mean() - b.mean())
    if np.ptp(a) == 0 and np.ptp(b) == 0:
        return 0.0 if a[0] == b[0] else float("nan")
    squares = np.sum((a - a.mean()) ** 2) + np.sum((b - b.mean()) ** 2)
    correction = np.exp(gammaln(freedom / 2) - gammaln((freedom - 1) / 2)) / np.sqrt(freedom / 2)
    return float(correction * difference / np.sqrt(squares / freedom))


# -- tasks learned one after the other ---------------------------------------------------------


def _accuracies(R: np.ndarray) -> np.ndarray:
    R = np.asarray(R, dtype=float)
    if R.ndim != 2 or R.shape[0] != R.shape[1]:
        got, allowed = f"shape {R.shape}", "(n_tasks, n_tasks), after x on"
        raise DataError(explain("accuracy matrix", got, allowed))
    return R


def average_accuracy(R: np.ndarray) -> float:
    """Return the mean accuracy on all tasks after the last one; NaN without tasks.

    Lopez-Paz & Ranzato (2017), arXiv:1706.08840.
    """
    R = _accuracies(R)
    return float(R[-1].mean()) if R.size else float("nan")


def backward_transfer(R: np.ndarray) -> float:
    """Return the mean change of accuracy on a task from when it was learned to the end.

    The mean of ``R[-1, j] - R[j, j]`` over all tasks but the last: negative if they were forgotten,
    NaN with fewer than two tasks.

    Lopez-Paz & Ranzato (2017), arXiv:1706.08840.
    """
    R = _accuracies(R)
    return float(np.mean((R[-1] - np.diag(R))[:-1])) if len(R) > 1 else float("nan")


def forgetting(R: np.ndarray) -> float:
    """Return the mean loss of accuracy on a task from its best to the end.

    The mean of ``max(R[:-1, j]) - R[-1, j]`` over all tasks but the last: negative if they still
    improved with the last one, NaN with fewer than two tasks. `R` is NaN above the diagonal where a
    task was not tried before it was learned.

    Chaudhry et al. (2018), arXiv:1801.10112.
    """
    R = _accuracies(R)
    if len(R) < 2:
        return float("nan")
    best = np.fmax.reduce(R[:-1, :-1], axis=0)
    return float(np.mean(best - R[-1, :-1]))

"""Measures of weights and firing: pure functions on arrays.

What is not defined (no sample, no weight) is NaN, never a warning. `counts` are spikes, shape
(n_samples, n_neurons); `seconds` is how long each sample, or slot, lasted, in s, shape
(n_samples,); `w` are magnitudes of weights, shape (n_synapses,).
"""

from __future__ import annotations

import numpy as np

from ..errors import DataError, explain

#: Columns of `weight_statistics`.
WEIGHT_STATISTICS = ("mean", "sd", "min", "q05", "median", "q95", "max", "sum", "saturated")


def saturation(w: np.ndarray, w_max: float | np.ndarray, tolerance: float = 0.01) -> float:
    """Return the fraction of weights within `tolerance` (1 %) of the upper hard bound.

    The lower bound does not count: a weight at its floor is weak, not saturated.
    """
    return float(np.mean(np.asarray(w) >= (1 - tolerance) * w_max))


def weight_statistics(w: np.ndarray, w_max: float | np.ndarray) -> np.ndarray:
    """Return the values of `WEIGHT_STATISTICS`, in that order, shape (9,)."""
    q05, median, q95 = np.quantile(w, [0.05, 0.5, 0.95])
    return np.array(
        [w.mean(), w.std(), w.min(), q05, median, q95, w.max(), w.sum(), saturation(w, w_max)]
    )


def mean_rate(counts: np.ndarray, seconds: np.ndarray) -> float:
    """Return the mean firing rate in Hz a neuron; NaN without any slot."""
    total = float(np.sum(seconds))
    return float(np.sum(counts) / (total * counts.shape[1])) if total > 0 else float("nan")


def silent_fraction(counts: np.ndarray) -> float:
    """Return the fraction of neurons without a single spike."""
    return float(np.mean(np.sum(counts, axis=0) == 0)) if len(counts) else float("nan")


def dead_fraction(counts: np.ndarray, seconds: np.ndarray, rate: float = 1.0) -> float:
    """Return the fraction of neurons that fire above `rate` (1 Hz) in no sample.

    At a rate of 0 it is the silent fraction. Samples of no duration do not count.
    """
    ran = np.asarray(seconds) > 0
    if not np.any(ran):
        return float("nan")
    alive = np.any(np.asarray(counts)[ran] > rate * np.asarray(seconds)[ran, None], axis=0)
    return float(np.mean(~alive))


def growth_slope(times: np.ndarray, sums: np.ndarray) -> tuple[float, float]:
    """Fit a straight line to the summed weight over time by least squares: slope and its error.

    Both are per s, `times` in s, shape (n_times,) as the `sums`. The slope is NaN without two
    different times, its standard error with fewer than three. That takes residuals as independent:
    under sleep, which makes the sum a saw-tooth, it is a lower bound.
    """
    t, y = np.asarray(times, dtype=float), np.asarray(sums, dtype=float)
    if t.ndim != 1 or t.shape != y.shape:
        raise DataError(explain("growth", f"{t.shape} times, {y.shape} sums", "a sum a time"))
    if not len(t) or np.ptp(t) == 0:
        return float("nan"), float("nan")
    t, y = t - t.mean(), y - y.mean()
    slope = float(t @ y / (t @ t))
    if len(t) < 3:
        return slope, float("nan")
    residual = y - slope * t
    return slope, float(np.sqrt(residual @ residual / (len(t) - 2) / (t @ t)))


def weight_entropy(
    w: np.ndarray,
    w_min: float | np.ndarray,
    w_max: float | np.ndarray,
    bins: int = 50,
    floor: float = 1e-4,
) -> float:
    """Return the entropy of the weights' histogram, divided by that of equally filled bins.

    The bins are equally wide on a logarithmic axis between the hard bounds `w_min` and `w_max`. It
    begins at ``floor*w_max`` at least; what is below, zero included, is in the first bin. It is 0
    if all weights share a bin, 1 if they fill all bins equally; NaN without weights. The plug-in
    estimate is low by about ``(bins - 1)/(2*n_synapses*log(bins))`` (Miller, 1955).
    """
    w, high = np.asarray(w, dtype=float), np.asarray(w_max, dtype=float)
    low = np.maximum(w_min, floor * high)
    if bins < 2 or not np.all((low > 0) & (low < high)):
        got = f"{bins} bins, w_min={w_min}, w_max={w_max}, floor={floor}"
        raise DataError(explain("weight entropy", got, "2 bins or more, bounds that differ"))
    if not w.size:
        return float("nan")
    place = np.log(np.maximum(w, low) / low) / np.log(high / low)
    filled = np.bincount(np.minimum((place * bins).astype(int), bins - 1).ravel(), minlength=bins)
    return float(entropy(filled / w.size) / np.log(bins))


def entropy(p: np.ndarray) -> float:
    """Return the entropy in nats of probabilities `p`; those that are 0 do not count."""
    p = np.asarray(p)[np.asarray(p) > 0]
    return max(0.0, float(-np.sum(p * np.log(p))))

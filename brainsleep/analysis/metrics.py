"""Measures of weights and firing: pure functions on arrays.

What is not defined (no sample, no weight) is NaN, never a warning. Dimension and classes of
responses are measured in `brainsleep.analysis.responses`; samples, seeds and tasks are compared in
`brainsleep.analysis.statistics`.
"""

from __future__ import annotations

import numpy as np

from ..errors import DataError, explain

#: Columns of `weight_statistics`.
WEIGHT_STATISTICS = ("mean", "sd", "min", "q05", "median", "q95", "max", "sum", "saturated")


def saturation(w: np.ndarray, w_max: float, tolerance: float = 0.01) -> float:
    """Return the fraction of weights within `tolerance` (1 %) of the upper hard bound.

    The lower bound does not count: a weight at its floor is weak, not saturated.
    """
    return float(np.mean(np.asarray(w) >= (1 - tolerance) * w_max))


def weight_statistics(w: np.ndarray, w_max: float) -> np.ndarray:
    """Summarise weights.

    Parameters
    ----------
    w : ndarray, shape (n_synapses,)
        Magnitudes.
    w_max : float
        Upper hard bound.

    Returns
    -------
    ndarray, shape (9,)
        Values of `WEIGHT_STATISTICS`, in that order.
    """
    q05, median, q95 = np.quantile(w, [0.05, 0.5, 0.95])
    return np.array(
        [w.mean(), w.std(), w.min(), q05, median, q95, w.max(), w.sum(), saturation(w, w_max)]
    )


def mean_rate(counts: np.ndarray, seconds: np.ndarray) -> float:
    """Return the mean firing rate in Hz a neuron.

    Parameters
    ----------
    counts : ndarray, shape (n_slots, n_neurons)
        Spikes.
    seconds : ndarray, shape (n_slots,)
        Duration of each slot in s.

    Returns
    -------
    float
        Rate in Hz; NaN without any slot.
    """
    total = float(np.sum(seconds))
    return float(np.sum(counts) / (total * counts.shape[1])) if total > 0 else float("nan")


def silent_fraction(counts: np.ndarray) -> float:
    """Return the fraction of neurons without a single spike in `counts` (n_slots, n_neurons)."""
    return float(np.mean(np.sum(counts, axis=0) == 0)) if len(counts) else float("nan")


def dead_fraction(counts: np.ndarray, seconds: np.ndarray, rate: float = 1.0) -> float:
    """Return the fraction of neurons that fire above a rate in no sample.

    Parameters
    ----------
    counts : ndarray, shape (n_samples, n_neurons)
        Spikes.
    seconds : ndarray, shape (n_samples,)
        Duration of each sample in s; samples of no duration do not count.
    rate : float
        Rate in Hz that a living neuron exceeds at least once; 0 is the silent fraction.

    Returns
    -------
    float
        NaN without any sample.
    """
    ran = np.asarray(seconds) > 0
    if not np.any(ran):
        return float("nan")
    alive = np.any(np.asarray(counts)[ran] > rate * np.asarray(seconds)[ran, None], axis=0)
    return float(np.mean(~alive))


# -- weights -----------------------------------------------------------------------------------


def growth_slope(times: np.ndarray, sums: np.ndarray) -> tuple[float, float]:
    """Fit a straight line to the summed weight over time by least squares.

    Parameters
    ----------
    times : ndarray, shape (n_times,)
        Times in s.
    sums : ndarray, shape (n_times,)
        Summed weight at these times.

    Returns
    -------
    slope : float
        Growth per s; NaN without two different times.
    error : float
        Standard error of the slope; NaN with fewer than three times. It takes residuals as
        independent: under sleep, which makes the sum a saw-tooth, it is a lower bound.
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

    The bins are equally wide on a logarithmic axis between the hard bounds. The plug-in estimate
    is low by about ``(bins - 1)/(2*n_synapses*log(bins))`` (Miller, 1955).

    Parameters
    ----------
    w : ndarray, shape (n_synapses,)
        Magnitudes.
    w_min, w_max : float or ndarray, shape (n_synapses,)
        Hard bounds.
    bins : int
        Number of bins.
    floor : float
        The axis begins at the greater of `w_min` and ``floor*w_max``; what is below, zero
        included, is in the first bin.

    Returns
    -------
    float
        0 if all weights share a bin, 1 if they fill all bins equally; NaN without weights.
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

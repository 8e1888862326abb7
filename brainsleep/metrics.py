"""Measures of weights and responses: pure functions on arrays."""

from __future__ import annotations

import numpy as np

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

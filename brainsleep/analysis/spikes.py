"""Measures of single spikes: how irregular neurons are, and how a population oscillates.

Spikes are pairs of an array `times`, in s, and one of `neurons`, of the same length, in any order.
What is not defined is NaN.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import welch


def interval_variation(times: np.ndarray, neurons: np.ndarray, least: int = 3) -> np.ndarray:
    """Return the coefficient of variation of the intervals of each neuron of `least` spikes.

    One that spikes regularly has 0, a Poisson process 1. Neurons are in ascending order; those
    with less spikes are left out.

    >>> interval_variation(np.array([0.1, 0.2, 0.3]), np.array([7, 7, 7])).round(6).tolist()
    [0.0]
    """
    order = np.lexsort((times, neurons))
    neurons, intervals = neurons[order], np.diff(times[order])
    within = neurons[1:] == neurons[:-1]
    _, place = np.unique(neurons[1:][within], return_inverse=True)
    intervals = intervals[within]
    count = np.bincount(place)
    sums = np.bincount(place, intervals)
    enough = count >= least - 1
    means = sums / count
    squares = np.bincount(place, (intervals - means[place]) ** 2)
    return np.sqrt(squares[enough] / count[enough]) / means[enough]


def spectrum(
    times: np.ndarray, seconds: float, bin_s: float = 5e-4, window_s: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """Return frequencies in Hz, and the power of the spikes of a population at each.

    The mean over windows of half a second that overlap by half. Spikes are counted from time 0
    to `seconds` in bins.
    """
    counts, _ = np.histogram(times, np.arange(round(seconds / bin_s) + 1) * bin_s)
    return welch(counts, 1 / bin_s, nperseg=min(len(counts), round(window_s / bin_s)))


def dominant_frequency(times: np.ndarray, seconds: float, above: float = 5.0) -> float:
    """Return the frequency in Hz, `above` some, at which a population oscillates most.

    A parabola through the logarithms of the largest power and of its neighbours tells it more
    finely than the windows do. NaN without spikes.
    """
    f, power = spectrum(times, seconds)
    f, power = f[f > above], power[f > above]
    if len(f) < 3 or not power.any():
        return float("nan")
    k = int(np.clip(np.argmax(power), 1, len(f) - 2))
    left, top, right = np.log(power[k - 1 : k + 2] + 1e-300)
    bend = left - 2 * top + right
    shift = 0.5 * (left - right) / bend if bend < 0 else 0.0
    return float(f[k] + np.clip(shift, -0.5, 0.5) * (f[1] - f[0]))


def up_states(
    times: np.ndarray,
    seconds: float,
    n_neurons: int,
    threshold_hz: float = 1.0,
    least_s: float = 0.05,
    bin_s: float = 0.01,
) -> np.ndarray:
    """Return when a population is in up states: beginnings and ends in s, shape (n_states, 2).

    Spikes from time 0 to `seconds` are counted in bins. Up is where neurons have at least
    `threshold_hz` on average. A gap of less than `least_s` between two up states is none, and then
    an up state that is shorter than that is none. States that were there at the beginning, or are
    at the end, are left out, as it is not known how long they are.

    >>> up_states(np.repeat([0.505, 0.515, 0.525, 0.535, 0.545, 0.555], 10), 1.0, 10).tolist()
    [[0.5, 0.56]]
    """
    n_bins = round(seconds / bin_s)
    counts, _ = np.histogram(times, np.arange(n_bins + 1) * bin_s)
    up = np.concatenate([[False], counts >= threshold_hz * n_neurons * bin_s, [False]])
    begins, ends = np.flatnonzero(up[1:] & ~up[:-1]), np.flatnonzero(up[:-1] & ~up[1:])
    least = least_s / bin_s - 1e-9
    if len(begins):
        apart = begins[1:] - ends[:-1] >= least
        begins, ends = begins[np.r_[True, apart]], ends[np.r_[apart, True]]
    whole = (ends - begins >= least) & (begins > 0) & (ends < n_bins)
    return np.round(np.stack([begins[whole], ends[whole]], axis=1) * bin_s, 9)

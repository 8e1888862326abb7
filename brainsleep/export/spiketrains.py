"""Spike trains of a stored run as `neo` objects, and their statistics by `elephant`.

Needs the extra ``analysis`` and a run that recorded single spikes (``record.raster``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DataError, explain, nearest
from ..results.result import Result
from .columns import packages

if TYPE_CHECKING:
    import neo

#: What the error is about, and what is imported.
_PACKAGES = "spike trains", "elephant", "neo", "elephant.statistics"


def to_neo(
    result: Result, population: str, slots: tuple[int, int] | None = None
) -> list[neo.SpikeTrain]:
    """Return the spike train of every neuron of a population.

    Parameters
    ----------
    result : Result
        A stored run.
    population : str
        Name of the population.
    slots : (int, int), optional
        First slot and the slot after the last, within the window that was recorded; by default
        all of that window.

    Returns
    -------
    list of neo.SpikeTrain, length n_neurons
        Times in ms since the beginning of the run, from the beginning to the end of the slots;
        annotated with ``population``, ``neuron`` and ``slots``.

    Raises
    ------
    DataError
        If the run did not record these spikes.
    MissingExtraError
        If `neo` and `elephant` are not installed.
    """
    return _Raster(result, population).trains(slots)


def recorded_trains(result: Result, population: str) -> list[neo.SpikeTrain]:
    """Return all that was recorded of the spikes of a population, a train a neuron.

    Trains go from the first window until the last; what lies between windows, by the annotation
    ``windows_s`` (start and end in turn), was not recorded.
    """
    return _Raster(result, population).all_trains()


def trials(result: Result, population: str, label: int) -> list[list[neo.SpikeTrain]]:
    """Return the spike trains of every neuron while images of one class were shown.

    Parameters
    ----------
    result, population
        As of `to_neo`.
    label : int
        Class. All slots of the recorded window that show an image of that class are taken.

    Returns
    -------
    list of list of neo.SpikeTrain, (n_neurons, n_trials)
        For every neuron one train a slot, as of `to_neo`.

    Raises
    ------
    DataError, MissingExtraError
        As of `to_neo`, and if the run recorded no spikes while such images were shown.
    """
    raster = _Raster(result, population)
    labels = raster.labels()
    chosen = [k for k in range(*raster.window) if labels[k] == label]
    if not chosen:
        shown = sorted({k for k in labels[slice(*raster.window)] if k is not None})
        raise DataError(explain(f"trials of class {label}", "none recorded", f"one of {shown}"))
    by_slot = [raster.trains((k, k + 1)) for k in chosen]
    return [list(neuron) for neuron in zip(*by_slot, strict=True)]


def isi_cv(trains: Sequence[neo.SpikeTrain]) -> np.ndarray:
    """Return the coefficient of variation of each train's inter-spike intervals.

    Parameters
    ----------
    trains : sequence of neo.SpikeTrain, length n_neurons
        As of `to_neo`.

    Returns
    -------
    ndarray, shape (n_neurons,)
        0 for a regular train, 1 on average for a long Poisson one; NaN with fewer than two
        intervals.
    """
    _, statistics = packages(*_PACKAGES)

    def cv(train: neo.SpikeTrain) -> float:
        return statistics.cv(statistics.isi(train.magnitude)) if len(train) > 2 else np.nan

    return np.array([cv(train) for train in trains], dtype=float)


def fano_factor(trials: Sequence[Sequence[neo.SpikeTrain]]) -> np.ndarray:
    """Return the variance of each neuron's spike counts over trials, divided by their mean.

    Parameters
    ----------
    trials : sequence of sequences of neo.SpikeTrain, (n_neurons, n_trials)
        As of `trials`; of equal duration.

    Returns
    -------
    ndarray, shape (n_neurons,)
        0 for equal counts, about 1 for a Poisson process; NaN without a spike and with fewer
        than two trials. The variance is that over n_trials, not n_trials - 1.
    """
    _, statistics = packages(*_PACKAGES)

    def factor(trains: Sequence[neo.SpikeTrain]) -> float:
        counted = len(trains) > 1 and any(len(train) > 0 for train in trains)
        return statistics.fanofactor(list(trains)) if counted else np.nan

    return np.array([factor(trains) for trains in trials], dtype=float)


class _Raster:
    """The single spikes of a population and the window they were recorded in."""

    def __init__(self, result: Result, population: str):
        self.neo, _ = packages(*_PACKAGES)
        protocol = result.stored_protocol
        sizes = {p.name: p.size for p in protocol.network.populations}
        if population not in sizes:
            raise DataError(
                f"spike trains: no population '{population}'; {nearest(population, sizes)}"
            )
        self.arrays = result.arrays
        self.population, self.size = population, sizes[population]
        self.starts = np.concatenate([[0], np.cumsum(self.arrays["slots/steps"])])
        recorded = np.asarray(result.spike_windows(population))
        if not len(recorded) or f"spikes/{population}" not in self.arrays:
            raise DataError(
                f"spike trains of '{population}': the run recorded none; set record.raster to "
                "(first slot, slot after the last) and run it again"
            )
        times, eps = np.asarray(result.slot_times), 1e-9
        first = int(np.searchsorted(times, recorded[0, 0] - eps))
        last = int(np.searchsorted(times, recorded[0, 1] + eps)) - 1
        self.window = first, last  # the slots that lie in the first window that was recorded
        self.recorded, self.dt = recorded, float(result.dt) * 1e3  # in s, and in ms

    def labels(self) -> list[int | None]:
        """Return the class shown in every slot, None for none."""
        a = self.arrays
        pairs = zip(a["slots/part"], a["slots/image"], strict=True)
        return [int(a[f"labels/{part}"][k]) if k >= 0 else None for part, k in pairs]

    def trains(self, slots: tuple[int, int] | None) -> list[neo.SpikeTrain]:
        """Return the spike train of every neuron in `slots`, or in the whole window."""
        first, last = slots or self.window
        if slots is None and len(self.recorded) > 1:
            got, allowed = f"{len(self.recorded)} windows", "one, or slots that lie in the first"
            raise DataError(explain(f"spike trains of '{self.population}'", got, allowed))
        if not self.window[0] <= first < last <= self.window[1]:
            allowed = f"within the slots {self.window} that were recorded"
            raise DataError(explain("spike trains: slots", (first, last), allowed))
        start, stop = int(self.starts[first]), int(self.starts[last])
        return self._between(start, stop, slots=(first, last))

    def all_trains(self) -> list[neo.SpikeTrain]:
        """Return the spike train of every neuron from the first window until the last."""
        steps = np.rint(self.recorded * 1e3 / self.dt).astype(int)
        return self._between(int(steps[0, 0]), int(steps[-1, 1]), windows_s=self.recorded.ravel())

    def _between(self, start: int, stop: int, **more: Any) -> list[neo.SpikeTrain]:
        step, neuron = self.arrays[f"spikes/{self.population}"].T
        inside = (step >= start) & (step < stop)
        order = np.lexsort((step[inside], neuron[inside]))
        step, neuron = step[inside][order], neuron[inside][order]
        pieces = np.split(step, np.searchsorted(neuron, np.arange(1, self.size)))
        return [
            self.neo.SpikeTrain(
                piece * self.dt,
                units="ms",
                t_start=start * self.dt,
                t_stop=stop * self.dt,
                name=f"{self.population}[{k}]",
                population=self.population,
                neuron=k,
                **more,
            )
            for k, piece in enumerate(pieces)
        ]

"""Spike trains of a stored run as `neo` objects, and their statistics by `elephant`.

Needs the extra ``analysis`` and a run that recorded single spikes (``record.raster``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import DataError, MissingExtraError, explain, nearest
from ..results.result import Result

if TYPE_CHECKING:
    import neo


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
    neo, _ = _packages()
    return _cut(neo, _Raster(result, population), slots)


def trials(result: Result, population: str, label: int) -> list[list[neo.SpikeTrain]]:
    """Return the spike trains of every neuron while images of one class were shown.

    Parameters
    ----------
    result : Result
        A stored run.
    population : str
        Name of the population.
    label : int
        Class. All slots of the recorded window that show an image of that class are taken.

    Returns
    -------
    list of list of neo.SpikeTrain, (n_neurons, n_trials)
        For every neuron one train a slot, as of `to_neo`.

    Raises
    ------
    DataError
        If the run did not record spikes while images of that class were shown.
    MissingExtraError
        If `neo` and `elephant` are not installed.
    """
    neo, _ = _packages()
    raster = _Raster(result, population)
    labels = raster.labels()
    chosen = [k for k in range(*raster.window) if labels[k] == label]
    if not chosen:
        shown = sorted({k for k in labels[slice(*raster.window)] if k is not None})
        raise DataError(explain(f"trials of class {label}", "none recorded", f"one of {shown}"))
    each = [_cut(neo, raster, (k, k + 1)) for k in chosen]
    return [list(neuron) for neuron in zip(*each, strict=True)]


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
    _, statistics = _packages()
    found = np.full(len(trains), np.nan)
    for k, train in enumerate(trains):
        if len(train) > 2:
            found[k] = float(statistics.cv(statistics.isi(train.magnitude)))
    return found


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
    _, statistics = _packages()
    found = np.full(len(trials), np.nan)
    for k, trains in enumerate(trials):
        if len(trains) > 1 and any(len(train) > 0 for train in trains):
            found[k] = float(statistics.fanofactor(list(trains)))
    return found


def _packages():
    """Import neo and elephant.statistics."""
    try:
        import neo
        from elephant import statistics
    except ImportError as error:
        raise MissingExtraError(
            f"spike trains: needs elephant: pip install 'brainsleep[analysis]' ({error})"
        ) from error
    return neo, statistics


class _Raster:
    """The single spikes of a population and the window they were recorded in."""

    def __init__(self, result: Result, population: str):
        protocol = result.stored_protocol
        sizes = {p.name: p.size for p in protocol.network.populations}
        if population not in sizes:
            raise DataError(
                f"spike trains: no population '{population}'; {nearest(population, sizes)}"
            )
        self.arrays = result.arrays
        self.population, self.size = population, sizes[population]
        ends = np.cumsum(self.arrays["slots/steps"])
        self.starts = np.concatenate([[0], ends])
        chosen = protocol.record.raster
        self.window = (chosen[0], min(chosen[1], len(ends))) if chosen else (0, 0)
        if self.window[0] >= self.window[1] or f"spikes/{population}" not in self.arrays:
            raise DataError(
                f"spike trains of '{population}': the run recorded none; set record.raster to "
                "(first slot, slot after the last) and run it again"
            )
        self.spikes = self.arrays[f"spikes/{population}"]
        self.dt = float(result.dt) * 1e3  # in ms

    def labels(self) -> list[int | None]:
        """Return the class shown in every slot, None for none."""
        a = self.arrays
        pairs = zip(a["slots/stage"], a["slots/image"], strict=True)
        return [int(a[f"labels/{stage}"][k]) if k >= 0 else None for stage, k in pairs]


def _cut(neo, raster: _Raster, slots: tuple[int, int] | None) -> list:
    first, last = raster.window if slots is None else slots
    if not raster.window[0] <= first < last <= raster.window[1]:
        allowed = f"within the slots {raster.window} that were recorded"
        raise DataError(explain("spike trains: slots", (first, last), allowed))
    dt = raster.dt
    start, stop = int(raster.starts[first]), int(raster.starts[last])
    step, neuron = raster.spikes[:, 0], raster.spikes[:, 1]
    inside = (step >= start) & (step < stop)
    order = np.lexsort((step[inside], neuron[inside]))
    step, neuron = step[inside][order], neuron[inside][order]
    pieces = np.split(step, np.searchsorted(neuron, np.arange(1, raster.size)))
    return [
        neo.SpikeTrain(
            piece * dt,
            units="ms",
            t_start=start * dt,
            t_stop=stop * dt,
            name=f"{raster.population}[{k}]",
            population=raster.population,
            neuron=k,
            slots=(first, last),
        )
        for k, piece in enumerate(pieces)
    ]

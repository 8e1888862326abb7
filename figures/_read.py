"""How figures read stored results: conditions with a label and a colour, and projections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from brainsleep.errors import FigureError, explain
from brainsleep.results.result import Result
from brainsleep.show.drawn import default_label, told_apart, weight_bound
from brainsleep.tasks.images.task import Images

from . import _style as style
from ._names import wrapped

if TYPE_CHECKING:
    from brainsleep.experiment.protocol import Protocol


@dataclass(frozen=True, eq=False)
class Condition:
    """One result, read once, with what identifies it in every panel.

    Parameters
    ----------
    result : Result
        The stored run.
    arrays : dict of str to ndarray
        Its arrays.
    label : str
        Name of the condition.
    colour : str
        Its colour.
    """

    result: Result
    arrays: dict[str, np.ndarray]
    label: str
    colour: str

    @property
    def protocol(self) -> Protocol:
        """The protocol, to be read."""
        return self.result.stored_protocol

    @property
    def images(self) -> Images:
        """The images that the run was about; raises `FigureError` if it was not."""
        return images_of(self.result)

    @property
    def dt(self) -> float:
        """Time step in s."""
        return float(self.result.dt)

    @property
    def trained(self) -> bool:
        """Whether the network learned at all: without a task it is never only tested."""
        return self.protocol.task is None or self.images.data.n_train > 0

    @property
    def wrapped(self) -> str:
        """The label in lines short enough for a tick."""
        return wrapped(self.label, 16)

    def array(self, name: str) -> np.ndarray:
        """Return the array `name` or raise `FigureError`."""
        if name not in self.arrays:
            raise FigureError(
                f"figure: result {self.result.run_id} has no array '{name}'; "
                "run it again with --force"
            )
        return self.arrays[name]

    def metric(self, name: str):
        """Return the metric `name` or raise `FigureError` if it was not measured."""
        return metric(self.result, name)

    def statistic(self, projection: str, name: str) -> np.ndarray:
        """Return one column of the weight statistics of `projection` over time."""
        columns = self.result.weight_statistics
        values = self.array(f"stats/{projection}")
        if name not in columns or values.ndim != 2 or values.shape[1] != len(columns):
            raise FigureError(
                explain(
                    f"figure: result {self.result.run_id}: columns of stats/{projection}",
                    columns,
                    f"{values.shape[-1]} names with '{name}' among them",
                )
            )
        return values[:, columns.index(name)]

    def magnitudes(self, snapshot: str, projection: str) -> np.ndarray:
        """Return all weights at a snapshot (``"initial"``, ``"trained"``), without their signs."""
        return np.abs(self.array(f"snapshots/{snapshot}/{projection}"))

    def starts(self) -> np.ndarray:
        """Return when every slot begins, and the end, in s."""
        return np.concatenate([[0], np.cumsum(self.array("slots/steps"))]) * self.dt

    def training_end(self) -> float:
        """Return when training ends in s."""
        training = np.isin(self.array("slots/phase"), ("wake", "sleep"))
        return float(np.sum(self.array("slots/steps")[training]) * self.dt)

    def sleeps(self) -> list[tuple[float, float]]:
        """Return start and end in s of every sleep; the slots of one sleep are merged."""
        self.array("slots/phase"), self.array("slots/steps")
        onsets, ends = map(np.asarray, self.result.sleeps)
        return list(zip(onsets.tolist(), ends.tolist(), strict=True))


def check(results: Sequence[Result], labels: Sequence[str] | None) -> None:
    """Raise `FigureError` without results of a network under a schedule, and a label for each."""
    if not results:
        raise FigureError("figure: no results; give the folder of at least one finished run")
    for result in results:
        if not {"network", "schedule"} <= set(result.info.get("protocol", {})):
            raise FigureError(
                f"figure: result {result.run_id} is not of a network under a schedule "
                "of wake and sleep"
            )
    if labels is not None and len(labels) != len(results):
        raise FigureError(
            explain("figure: labels", len(labels), f"{len(results)}, one for each result")
        )


def check_images(results: Sequence[Result], labels: Sequence[str] | None) -> None:
    """Check results as `check` does, and raise `FigureError` if one is not about images."""
    check(results, labels)
    for result in results:
        images_of(result)


def metric(result: Result, name: str):
    """Return the metric `name` of a result or raise `FigureError` if it was not measured."""
    value = result.metrics.get(name)
    if value is None:
        raise FigureError(
            f"figure: result {result.run_id} has no metric '{name}'; "
            "run it with data.n_readout and data.n_test above 0"
        )
    return value


def conditions(results: Sequence[Result], labels: Sequence[str] | None) -> list[Condition]:
    """Read results and give each a label and a colour.

    Parameters
    ----------
    results : sequence of Result
        One a condition.
    labels : sequence of str, optional
        Their names; default: their own, or the sleep of the protocol, and the settings in which
        those of one name differ. Runs of one name are told apart by their seed.

    Raises
    ------
    FigureError
        If there is no result or more than there are colours, if one is of something else, or if
        there is not one label for each.
    """
    check(results, labels)
    if len(results) > len(style.CONDITIONS):
        raise FigureError(
            explain("figure: results", len(results), f"at most {len(style.CONDITIONS)}")
        )
    if labels is None:
        labels = told_apart([default_label(result) for result in results], results)
    labels = distinct(list(map(str, labels)), results)
    return [
        Condition(result, result.arrays, label, style.CONDITIONS[k])
        for k, (result, label) in enumerate(zip(results, labels, strict=True))
    ]


def image_conditions(
    name: str, results: Sequence[Result], labels: Sequence[str] | None, most: int
) -> list[Condition]:
    """Name results of runs of images for the figure `name`, which has room for so many at most."""
    check_images(results, labels)
    shown = conditions(results, labels)
    if len(shown) > most:
        raise FigureError(explain(f"figure {name}: results", len(shown), f"at most {most}"))
    return shown


def images_of(result: Result) -> Images:
    """Return the images that a run was about.

    Raises
    ------
    FigureError
        If it was about something else.
    """
    task = result.stored_protocol.task
    if task is None:
        fix = "draw another figure, such as weights or raster"
        raise FigureError(explain(f"result {result.run_id}", "no images", "a run with images", fix))
    return task


def distinct(labels: list[str], results: Sequence[Result]) -> list[str]:
    """Tell apart by seed or run id what would have the same label."""
    if len(set(labels)) == len(labels):
        return labels
    several = {x for x in labels if labels.count(x) > 1}
    seeded = [
        f"{x}, seed {r.seed}" if x in several else x for x, r in zip(labels, results, strict=True)
    ]
    if len(set(seeded)) == len(seeded):
        return seeded
    return [
        f"{x}, {r.run_id[:4]}" if x in several else x for x, r in zip(labels, results, strict=True)
    ]


def projections(shown: Sequence[Condition]) -> list[Any]:
    """Return the projections that all results have, as in the first one's protocol."""
    others = [{p.name for p in c.protocol.network.projections} for c in shown]
    first = shown[0].protocol.network.projections
    common = [p for p in first if all(p.name in names for names in others)]
    if not common:
        raise FigureError("figure: the results have no projection in common; draw them apart")
    return common


def weight_floor(shown: Sequence[Condition], projection: Any) -> float:
    """Return where a logarithmic axis begins: at most 1 % of the weights lie below, or the zeros.

    It is never below a ten-thousandth of the hard bound, or a hundredth of the largest weight if
    that is far below the bound.
    """
    name, bound = projection.name, weight_bound(projection)
    lows = [c.statistic(name, "q05") for c in shown if c.trained]
    lows += [c.magnitudes("trained", name) for c in shown]
    lows += [c.magnitudes("initial", name) for c in shown if c.trained]
    positive = [values[values > 0] for values in lows]
    largest = max((float(np.max(v)) for v in positive if len(v)), default=bound)
    lowest = 1e-4 * min(bound, 100 * largest)
    return max(
        lowest, min((float(np.quantile(v, 0.01)) for v in positive if len(v)), default=lowest)
    )


def has_raster(condition: Condition) -> bool:
    """Tell whether single spikes were recorded."""
    return any(len(v) for k, v in condition.arrays.items() if k.startswith("spikes/"))


def raster_window(condition: Condition) -> tuple[float, float]:
    """Return start and end in s of what a raster shows: one sleep and wake on either side of it.

    Without a sleep in what was recorded it is all that was recorded.
    """
    starts, slots = condition.starts(), condition.protocol.record.raster
    if len(slots) == 2:
        first, last = (float(starts[min(slot, len(starts) - 1)]) for slot in slots)
    else:
        steps = np.concatenate(
            [v[:, 0] for k, v in condition.arrays.items() if k.startswith("spikes/")]
        )
        first, last = float(steps.min() * condition.dt), float((steps.max() + 1) * condition.dt)
    for start, end in condition.sleeps():
        if first <= start and end <= last:
            margin = max(1.0, 0.5 * (end - start))
            return max(first, start - margin), min(last, end + margin)
    return first, last

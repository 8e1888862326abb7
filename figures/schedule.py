"""When a network was awake, slept and was tested, and which gates were open."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from brainsleep.errors import FigureError, explain
from brainsleep.experiment.timeline import Timeline
from brainsleep.results.result import Result

from . import _style as style
from ._lines import name_line
from ._read import Condition, conditions

NAME = "schedule"

#: Colours of what the network does; stages of a sleep in turn.
COLOURS = {"wake": "#F2DDB3", "sleep": "#8FA9D6", "readout": "#DADADA", "test": "#A9A9A9"}
STAGES = ("#8FA9D6", "#3F5F9E", "#BFD0EC", "#203864")


def draw(results: Sequence[Result], labels: Sequence[str] | None = None) -> Figure:
    """Draw the phases of one run over biological time, and the gates around its first sleep.

    Parameters
    ----------
    results : sequence of Result
        One stored run.
    labels : sequence of str, optional
        Its name; default: from the protocol.

    Returns
    -------
    Figure
        On top all phases from start to end; below, one row a gate and its height how far it is
        open (1 fills the row), over the first sleep and the wake on either side of it, or, without
        a sleep, from the start.

    Raises
    ------
    FigureError
        Unless there is exactly one result, and if an array is missing or nothing was run.
    """
    shown = conditions(results, labels)
    if len(shown) != 1:
        raise FigureError(explain("figure schedule: results", len(shown), "one"))
    condition = shown[0]
    names, starts = _names(condition), condition.starts()
    if not starts[-1] > 0:
        raise FigureError(f"figure schedule: result {condition.result.run_id} ran no time")
    gates = _gates(condition)
    rows = sorted({gate for name in names for gate in gates[name]}, key=_importance)
    with style.figure("double", 1.35 + 0.2 * len(rows)) as figure:
        heights = [0.32, 0.2 * len(rows)]
        above, below = figure.subplots(2, 1, height_ratios=heights)
        _phases(above, names, starts, condition)
        _openings(below, names, starts, gates, rows, _window(condition))
        kinds = list(dict.fromkeys(names))
        colours = _colours(kinds)
        handles = [Patch(color=colours[kind], linewidth=0, label=kind) for kind in kinds]
        style.legend(figure, handles)
    return figure


def _names(condition: Condition) -> list[str]:
    """Return what every slot is: wake, a stage of sleep or sleep, readout, test.

    Of a timeline whose periods are numbered they are as `Timeline.phase_gates` calls them.
    """
    schedule = condition.protocol.schedule
    if isinstance(schedule, Timeline):
        starts, kinds = condition.starts(), list(schedule.phase_gates())
        ends = np.cumsum([float(period.duration) for period in schedule.periods])
        places = np.searchsorted(ends, (starts[:-1] + starts[1:]) / 2 % ends[-1])
        return [kinds[place] for place in places]
    phases = condition.array("slots/phase")
    plain = np.full(len(phases), "")
    stages = condition.arrays.get("slots/sleep_stage", plain)
    purposes = condition.arrays.get("slots/part", plain)
    kinds = []
    for phase, stage, purpose in zip(phases, stages, purposes, strict=True):
        asleep = f"sleep: {stage}" if stage else "sleep"
        tested = "readout" if purpose == "readout" else "test"
        kinds.append({"wake": "wake", "sleep": asleep}.get(str(phase), tested))
    return kinds


def _spans(names: Sequence[str], starts: np.ndarray) -> list[tuple[str, float, float]]:
    """Return what, start and end in s of consecutive slots of one kind."""
    changes = [k for k in range(1, len(names)) if names[k] != names[k - 1]]
    pairs = pairwise([0, *changes, len(names)])
    return [(names[a], float(starts[a]), float(starts[b])) for a, b in pairs]


def _colours(kinds: Sequence[str]) -> dict[str, str]:
    sleeps = [kind for kind in kinds if kind.startswith("sleep") and kind != "sleep"]
    own = {kind: STAGES[k % len(STAGES)] for k, kind in enumerate(sleeps)}
    return {kind: own.get(kind) or COLOURS[kind.partition(" ")[0]] for kind in kinds}


def _gates(condition: Condition) -> dict[str, dict[str, float]]:
    """Return the gates of every kind of slot; those not named are closed."""
    schedule = condition.protocol.schedule
    if isinstance(schedule, Timeline):
        return {kind: dict(gates) for kind, gates in schedule.phase_gates().items()}
    if not hasattr(schedule.sleep, "gates"):
        raise FigureError(f"figure schedule: result {condition.result.run_id} names no gates")
    kinds = {kind: dict(getattr(schedule, kind).gates) for kind in ("wake", "sleep", "test")}
    stages = {f"sleep: {name}": gates for name, gates in schedule.sleep.stage_gates().items()}
    return kinds | stages | {"readout": kinds["test"]}


def _importance(gate: str) -> tuple[int, str]:
    first = ("input", "plasticity", "noise")
    return (first.index(gate) if gate in first else len(first)), gate


def _window(condition: Condition) -> tuple[float, float]:
    """Return start and end in s of the first sleep with some wake on either side, or of a start."""
    starts = condition.starts()
    image = float(starts[1] - starts[0])
    for start, end in condition.sleeps():
        margin = max(2 * image, 0.5 * (end - start))
        return max(0.0, start - margin), min(float(starts[-1]), end + margin)
    return 0.0, min(float(starts[-1]), 10 * image)


def _phases(axes: Axes, names: list[str], starts: np.ndarray, condition: Condition) -> None:
    """Draw phases as one band over the whole run; mark where training ends."""
    colours = _colours(list(dict.fromkeys(names)))
    for name, start, stop in _spans(names, starts):
        axes.barh(0.5, stop - start, 1, start, color=colours[name], linewidth=0, gid=name)
    end = condition.training_end()
    if 0 < end < starts[-1]:
        axes.axvline(end, color=style.REFERENCE, linewidth=0.8)
        name_line(axes, end, "training ends, weights frozen", "right" if end > 0.4 * starts[-1]
                  else "left")  # fmt: skip
    axes.set_xlim(0, starts[-1])
    axes.set_ylim(0, 1)
    axes.set_yticks([0.5], ["whole run"])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _openings(
    axes: Axes,
    names: list[str],
    starts: np.ndarray,
    gates: dict[str, dict[str, float]],
    rows: list[str],
    window: tuple[float, float],
) -> None:
    """Draw how far every gate is open, slot by slot, in the colour of the slot's phase."""
    colours = _colours(list(dict.fromkeys(names)))
    low, high = window
    for name, begin, stop in _spans(names, starts):
        start, end = max(begin, low), min(stop, high)
        if end <= start:
            continue
        for row, gate in enumerate(rows):
            value = min(1.0, abs(float(gates[name].get(gate, 0.0))))
            bar = axes.barh(row + 0.42, end - start, 0.84 * value, start, color=colours[name])
            bar[0].set(gid=f"{gate} in {name}", linewidth=0)
            bar[0].set_y(row + 0.92 - 0.84 * value)
    for k in range(len(rows)):
        axes.axhline(k + 0.92, color=style.BEFORE, linewidth=0.5)
    axes.set_xlim(low, high)
    axes.set_ylim(len(rows), 0)
    axes.set_yticks(np.arange(len(rows)) + 0.5, rows)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("biological time (s)")

"""What two foraging tasks left in every condition: rewarded food beyond that of a blind agent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from brainsleep.errors import FigureError, explain
from brainsleep.results.result import Result

from . import _style as style
from ._lines import rows
from ._names import wrapped
from ._read import check
from ._seeds import interval, seed_handles

NAME = "foraging"

COLOUR = style.CONDITIONS[1]

#: How seeds and means are drawn: the dots in the lower half of a row.
LOOK = {"colour": COLOUR, "beside": 0.26, "dots": (5, 0.55), "markersize": 3.4, "elinewidth": 1}

#: Titles of the panels, by the name of the task in metrics.
TASKS = {"t1": "first task", "t2": "second task"}


def draw(results: Sequence[Result], labels: Sequence[str] | None = None) -> Figure:
    """Draw one row a condition, a panel for each task.

    Parameters
    ----------
    results : sequence of Result
        Stored runs of the protocol ``foraging``; several seeds may have the same label.
    labels : sequence of str, optional
        The condition of each result; default: the names of their protocols.

    Returns
    -------
    Figure
        Share of rewarded particles less that of the same moves in fields that were not seen:
        every seed at the end, the mean with Student's 95 % interval, and the mean before the
        second task as a ring.

    Raises
    ------
    FigureError
        If a result has no such shares.
    """
    check(results, labels)
    names = [str(name) for name in labels or [r.stored_protocol.name for r in results]]
    groups: dict[str, list[Result]] = {}
    for result, name in zip(results, names, strict=True):
        groups.setdefault(name, []).append(result)
    written = [wrapped(name, 24) for name in groups]
    lines = sum(name.count("\n") + 1 for name in written)
    with style.figure("double", max(2.0, 0.8 + 0.2 * lines)) as figure:
        panels = figure.subplots(1, 2, sharex=True)
        for axes, (task, title) in zip(panels, TASKS.items(), strict=True):
            _panel(axes, task, groups)
            axes.set_title(title)
            axes.set_xlabel("share of rewarded food,\nless that of a blind agent")
        panels[0].set_yticks(range(len(written)), written, fontsize=7, linespacing=0.95)
        style.legend(figure, _handles(len(groups) < len(results)))
    return figure


def _panel(axes: Axes, task: str, groups: dict[str, list[Result]]) -> None:
    axes.axvline(0, color=style.REFERENCE, linewidth=0.8, linestyle=":", zorder=1, gid="blind")
    for row, (name, runs) in zip(rows(axes, len(groups)), groups.items(), strict=True):
        before = np.mean([_learned(run, f"{task}_before") for run in runs])
        axes.plot(before, row, gid=f"{name}: before", **_RING)
        after = [_learned(run, f"{task}_after") for run in runs]
        interval(axes, after, row, name, **LOOK)


#: How the mean before the second task looks.
_RING = {
    "marker": "o",
    "markersize": 6.5,
    "markerfacecolor": "white",
    "color": style.POPULATIONS[1],
    "linestyle": "",
}


def _learned(result: Result, test: str) -> float:
    """Return the share of rewarded particles in a test less that of a blind agent."""
    shares = [result.metrics.get(f"{name}_{test}") for name in ("share", "blind")]
    if None in shares:
        what = f"figure {NAME}: result {result.run_id}"
        got = f"no share of food in test {test}"
        raise FigureError(explain(what, got, "a run of the protocol foraging that ate something"))
    return float(shares[0] - shares[1])


def _handles(several: bool) -> list:
    mean = Line2D([], [], color=COLOUR, linestyle="", marker="o", markersize=3.4)
    mean.set_label("after the second task" + (", mean" if several else ""))
    ring = Line2D([], [], label="before it", **_RING)
    return [ring, mean, *(seed_handles(COLOUR, bars="_") if several else [])]

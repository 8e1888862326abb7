"""Accuracy of a ReLU network after its last sleep, raw and calibrated, by condition."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from brainsleep.errors import FigureError, explain
from brainsleep.results.result import Result
from brainsleep.show.drawn import told_apart

from . import _style as style
from ._lines import name_line, rows
from ._names import wrapped
from ._read import check
from ._seeds import (
    Run,
    by_data,
    check_once,
    data_title,
    groups_of,
    interval,
    seed_handles,
    spread,
)

NAME = "sleep_replay"

#: What is drawn: metric, label, marker, colour, and how far below the line of its row in it.
SCORES = (
    ("relu_accuracy", "largest output", "o", style.CONDITIONS[0], -0.16),
    (
        "relu_calibrated",
        "largest output, calibrated without labels",
        "D",
        style.CONDITIONS[1],
        0.16,
    ),
)

#: The condition that others are to be compared with: lines at its means.
REFERENCE = "no sleep"


def draw(results: Sequence[Result], labels: Sequence[str] | None = None) -> Figure:
    """Draw one row a condition, one panel a data set.

    Parameters
    ----------
    results : sequence of Result
        Stored runs of the task `brainsleep.tasks.relu.task.ReluTasks`; several seeds may have the
        same label.
    labels : sequence of str, optional
        The condition of each result; default: the label that it was given.

    Returns
    -------
    Figure
        Of test images of all classes, the accuracy of the largest output, and of the largest
        after each was divided by its mean: every seed, and the mean over seeds with Student's 95 %
        interval. Lines are at the means of the condition 'no sleep', and at chance.

    Raises
    ------
    FigureError
        Without results, if they are of another task, or if a seed occurs twice under one condition.
    """
    check(results, labels)
    for result in results:
        if "relu_accuracy" not in result.metrics:
            what = f"figure {NAME}: result {result.run_id}"
            raise FigureError(explain(what, "no ReLU network", "a run of the task ReluTasks"))
    names = labels or told_apart([result.label or "sleep" for result in results], results)
    all_runs = [Run(result, name) for result, name in zip(results, names, strict=True)]
    check_once(all_runs)
    order, panels = groups_of(all_runs), by_data(all_runs)
    written = [wrapped(name, 26) for name in order]
    with style.figure("double", 1.25 + 0.27 * len(order)) as figure:
        axes = figure.subplots(1, len(panels), squeeze=False, sharex=True)[0]
        for ax, (data, shown) in zip(axes, panels.items(), strict=True):
            _panel(ax, shown, order)
            ax.set_title(data_title(data), loc="left", pad=12)
        axes[0].set_yticks(range(len(order)), written, fontsize=7, linespacing=0.95)
        style.legend(figure, list(_handles(several=len(all_runs) > len(order) * len(panels))))
    return figure


def _panel(axes: Axes, shown: Sequence[Run], order: Sequence[str]) -> None:
    places = rows(axes, len(order))
    for name, label, marker, colour, below in SCORES:
        by_group = {
            group: [run.percent(name) for run in shown if run.group == group] for group in order
        }
        if without := by_group.get(REFERENCE):
            mean = spread(without)[0].mean
            line = {"color": colour, "linewidth": 0.7, "alpha": 0.6, "zorder": 1}
            axes.axvline(mean, gid=f"{REFERENCE}: {label}", **line)
        for place, (condition, values) in zip(places, by_group.items(), strict=True):
            interval(
                axes, values, place + below, f"{condition}: {label}", colour=colour, beside=0.12,
                dots=(4, 0.5), marker=marker, markersize=3.2, elinewidth=1,
            )  # fmt: skip
    axes.axvline(10, color=style.REFERENCE, linewidth=0.8, linestyle=":", zorder=1, gid="chance")
    name_line(axes, 10, "chance", "center")
    axes.set_xlim(0, 100)
    axes.set_xlabel("test accuracy, all classes (%)")


def _handles(several: bool) -> list[Line2D]:
    """Return what the legend has."""
    handles = [
        Line2D([], [], color=colour, linestyle="", marker=marker, markersize=3.4, label=label)
        for _, label, marker, colour, _ in SCORES
    ]
    handles += seed_handles(bars="_") if several else []
    line = Line2D([], [], color=style.REFERENCE, linewidth=0.7, label="without sleep")
    return [*handles, line]

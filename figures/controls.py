"""Accuracy and rate of conditions, such as the controls of the study, over seeds and data sets."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from brainsleep.results.result import Result
from brainsleep.show.drawn import default_label, population_name, told_apart

from . import _style as style
from ._lines import name_accuracies, rate_axis, rows
from ._names import wrapped
from ._read import check_images
from ._seeds import (
    Run,
    accuracy_line,
    by_data,
    check_once,
    data_title,
    groups_of,
    interval,
    references,
    runs,
    seed_handles,
)

NAME = "controls"

#: Characters of a condition's name in one line, in a figure one and two columns wide.
LINES = {"single": 18, "double": 24}

COLOUR = style.CONDITIONS[1]


def draw(results: Sequence[Result], labels: Sequence[str] | None = None) -> Figure:
    """Draw one row a condition: accuracy and rate in the test, a pair of panels a data set.

    Parameters
    ----------
    results : sequence of Result
        Stored runs; several seeds may have the same label.
    labels : sequence of str, optional
        The condition of each result; default: from the protocol, as in "no sleep", "sleep 20 %".

    Returns
    -------
    Figure
        Every seed, the mean over seeds with Student's 95 % interval, raw pixels and chance.

    Raises
    ------
    FigureError
        Without results, if they lack a metric, or if a seed occurs twice under one condition.
    """
    check_images(results, labels)
    all_runs = runs(results, labels, told_apart([default_label(r) for r in results], results))
    check_once(all_runs)
    groups, panels = groups_of(all_runs), by_data(all_runs)
    width = "single" if len(panels) == 1 else "double"
    unit = "\nin test (Hz)" if width == "single" else " in test (Hz)"
    names = [wrapped(group, LINES[width]) for group in groups]
    room = 1.35 if width == "single" else 1.0
    with style.figure(width, room + len(groups) * _row_height(names)) as figure:
        axes = figure.subplots(
            1, 2 * len(panels), squeeze=False, width_ratios=[1.5, 1] * len(panels)
        )[0]
        for k, (name, shown) in enumerate(panels.items()):
            _accuracy(axes[2 * k], shown, groups)
            _rates(axes[2 * k + 1], shown, groups, [run.rate for run in all_runs], unit)
            axes[2 * k].set_title(data_title(name), loc="left", pad=12)
        axes[0].set_yticks(range(len(groups)), names, fontsize=7, linespacing=0.95)
        style.legend(figure, _handles(len(groups) * len(panels) < len(all_runs)))
    return figure


def _row_height(names: Sequence[str]) -> float:
    """Return the height of a row in inches so that names of several lines do not touch."""
    lines = [name.count("\n") + 1 for name in names]
    pairs = [a + b for a, b in itertools.pairwise(lines)] or [2 * lines[0]]
    return max(0.18, 0.03 + 0.057 * max(pairs))


#: How seeds and means are drawn: the dots in the lower half of a row.
LOOK = {"colour": COLOUR, "beside": 0.26, "dots": (5, 0.55), "markersize": 3.4, "elinewidth": 1}


def _accuracy(axes: Axes, shown: Sequence[Run], groups: Sequence[str]) -> None:
    for row, group in zip(rows(axes, len(groups)), groups, strict=True):
        values = [run.percent("network_accuracy") for run in shown if run.group == group]
        interval(axes, values, row, group, **LOOK)
    lines = references(shown)
    for kind, value in lines.items():
        accuracy_line(axes, value, kind, vertical=True)
    name_accuracies(axes, lines)
    axes.set_xlim(0, 104)
    axes.set_xticks([0, 50, 100])
    axes.set_xlabel("test accuracy (%)")


def _rates(
    axes: Axes, shown: Sequence[Run], groups: Sequence[str], all_rates: Sequence[float], unit: str
) -> None:
    for row, group in zip(rows(axes, len(groups)), groups, strict=True):
        rates = [run.rate for run in shown if run.group == group]
        interval(axes, rates, row, group, **LOOK)
    rate_axis(axes, all_rates, ticks=3)
    population = population_name(shown[0].images.readout.population)
    axes.set_xlabel(f"{population} rate{unit}")


def _handles(several: bool) -> list:
    mean = Line2D([], [], color=COLOUR, linestyle="", marker="o", markersize=3.4)
    mean.set_label("mean over seeds" if several else "one seed")
    return [mean, *seed_handles(COLOUR, bars="_")] if several else [mean]

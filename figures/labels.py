"""Accuracy against the number of labels that the readout is fitted on, beside raw pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from brainsleep.errors import FigureError, explain
from brainsleep.store import Result

from . import _style as style
from ._panels import line_label
from ._read import check, default_label
from ._seeds import (
    Run,
    accuracy_line,
    by_data,
    check_once,
    data_title,
    groups_of,
    references,
    runs,
    seed_handles,
    spread,
)

NAME = "labels"

#: Markers of conditions in the order of their colours, so that neither is needed without the other.
MARKERS = "o s ^ D v P X h".split()

#: Points from the curve of one condition to the next at the same number of labels, and of all.
APART, WIDEST = 4.0, 18.0


def draw(results: Sequence[Result], labels: Sequence[str] | None = None) -> Figure:
    """Draw accuracy against the readout's labels, one panel a data set and one curve a condition.

    Parameters
    ----------
    results : sequence of Result
        Stored runs with ``readout.label_counts``; several seeds may have the same label.
    labels : sequence of str, optional
        The condition of each result; default: from the protocol, as in "no sleep", "sleep 20 %".

    Returns
    -------
    Figure
        Every seed, the mean over seeds with Student's 95 % interval, the same readout of raw
        pixels, and chance.

    Raises
    ------
    FigureError
        If a result has no numbers of labels or lacks a metric, if a seed occurs twice under one
        condition, or if there are more conditions than colours.
    """
    check(results, labels)
    found = runs(results, labels, [default_label(result) for result in results])
    check_once(found)
    looks, panels = _looks(groups_of(found)), by_data(found)
    columns = len(panels) if len(panels) < 4 else 2
    n_rows = -(-len(panels) // columns)
    with style.figure("single" if columns == 1 else "double", 0.55 + 2.25 * n_rows) as figure:
        axes = figure.subplots(n_rows, columns, squeeze=False, sharey=True).ravel()
        for ax, (name, shown) in zip(axes, panels.items(), strict=False):
            _panel(ax, shown, looks)
            ax.set_title(data_title(name))
            ax.set_xlabel("labels the readout is fitted on")
            ax.tick_params(labelbottom=True)
        for ax in axes[len(panels) :]:
            ax.set_axis_off()
        for ax in axes[::columns]:
            ax.set_ylabel("test accuracy (%)")
        axes[0].set_ylim(0, 100)
        style.legend(figure, _handles(found, looks))
    return figure


def label_counts(run: Run) -> dict[int, str]:
    """Return the numbers of labels a run's readout was fitted on, and how their metrics end.

    Raises
    ------
    FigureError
        If there is none below the number of all images of the readout.
    """
    given = run.protocol["readout"].get("label_counts") or ()
    most = run.protocol["data"]["n_readout"]
    counts = sorted(n for n in given if n < most)  # more than all are all
    if not counts:
        raise FigureError(
            explain(
                f"figure labels: readout.label_counts of result {run.result.info['run_id']}",
                tuple(given) or "none",
                f"numbers of labels below data.n_readout, which is {most}",
                "run it with --set readout.label_counts=50,100",
            )
        )
    return {n: f"_{n}" for n in counts} | {most: ""}


def _looks(groups: Sequence[str]) -> dict[str, dict[str, str]]:
    """Give each condition a colour and a marker."""
    most = len(style.CONDITIONS)
    if len(groups) > most:
        raise FigureError(explain("figure labels: conditions", len(groups), f"at most {most}"))
    looks = zip(groups, style.CONDITIONS, MARKERS, strict=False)
    return {name: {"color": colour, "marker": marker} for name, colour, marker in looks}


def _by_count(shown: Sequence[Run], who: str) -> dict[int, list[float]]:
    """Return the accuracies in per cent, one a run, of 'network' or 'pixels' by labels."""
    found: dict[int, list[float]] = {}
    for run in shown:
        for count, end in label_counts(run).items():
            found.setdefault(count, []).append(run.percent(f"{who}_accuracy{end}"))
    return dict(sorted(found.items()))


def _panel(axes: Axes, shown: Sequence[Run], looks: Mapping[str, dict[str, str]]) -> None:
    chance = references(shown)["chance"]
    accuracy_line(axes, chance, "chance")
    line_label(axes, "chance", chance)
    for k, (name, look) in enumerate(looks.items()):
        mine = [run for run in shown if run.group == name]
        beside = (k - (len(looks) - 1) / 2) * min(APART, WIDEST / len(looks))
        if mine:
            _curve(axes, name, _by_count(mine, "network"), look, beside)
    pixels = _by_count(shown, "pixels")
    means = [np.mean(values) for values in pixels.values()]
    axes.plot(list(pixels), means, color=style.REFERENCE, zorder=1, gid="raw pixels")
    axes.set_xscale("log")
    axes.set_xticks(list(pixels), [f"{count}" for count in pixels])
    axes.minorticks_off()
    room = (max(pixels) / min(pixels)) ** 0.09
    axes.set_xlim(min(pixels) / room, max(pixels) * room)


def _curve(
    axes: Axes, name: str, values: Mapping[int, list[float]], look: dict[str, str], beside: float
) -> None:
    """Draw a condition `beside` its numbers of labels, in points, so that none hides another."""
    mean, seeds = (
        axes.transData + ScaledTranslation(points / 72, 0, axes.figure.dpi_scale_trans)
        for points in (beside, beside + 1.8)
    )
    pairs = [(count, value) for count, found in values.items() for value in found]
    axes.scatter(
        *zip(*pairs, strict=True),
        s=5,
        color=look["color"],
        alpha=0.5,
        linewidths=0,
        zorder=2,
        transform=seeds,
        gid=f"{name}: seeds",
    )
    spreads = [spread(found) for found in values.values()]
    axes.errorbar(
        list(values),
        [each.mean for each, _ in spreads],
        yerr=[half[0] for _, half in spreads],
        markersize=3.2,
        elinewidth=0.9,
        zorder=3,
        transform=mean,
        label=name,
        **look,
    )


def _handles(found: Sequence[Run], looks: Mapping[str, dict[str, str]]) -> list:
    curves = [Line2D([], [], markersize=3.2, label=name, **look) for name, look in looks.items()]
    pixels = Line2D([], [], color=style.REFERENCE, label="raw pixels")
    several = len({(run.group, run.data) for run in found}) < len(found)
    return [*curves, pixels, *seed_handles(bars="|" if several else "")]

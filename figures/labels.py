"""Accuracy against the number of labels that the readout is fitted on, beside raw pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brainsleep.errors import FigureError, explain
from brainsleep.results.result import Result
from brainsleep.show.drawn import default_label, told_apart

from . import _style as style
from ._lines import line_labels
from ._read import check_images
from ._seeds import (
    Run,
    accuracy_line,
    by_data,
    check_once,
    curve,
    curve_handles,
    curve_looks,
    data_panels,
    groups_of,
    references,
    runs,
)

NAME = "labels"


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
    check_images(results, labels)
    all_runs = runs(results, labels, told_apart([default_label(r) for r in results], results))
    check_once(all_runs)
    looks, panels = curve_looks(groups_of(all_runs), NAME), by_data(all_runs)
    with data_panels(panels, "labels the readout is fitted on", 2.25) as (figure, axes):
        for ax, shown in zip(axes, panels.values(), strict=True):
            _panel(ax, shown, looks)
        style.legend(figure, curve_handles(all_runs, looks))
    return figure


def label_counts(run: Run) -> dict[int, str]:
    """Return the numbers of labels a run's readout was fitted on, and how their metrics end.

    Raises
    ------
    FigureError
        If there is none below the number of all images of the readout.
    """
    given, most = run.images.readout.label_counts, run.images.data.n_readout
    counts = sorted(n for n in given if n < most)  # more than all are all
    if not counts:
        try_out = (50, 100) if most > 100 else (max(2, most // 4), max(3, most // 2))
        raise FigureError(
            explain(
                f"figure labels: readout.label_counts of result {run.result.run_id}",
                tuple(given) or "none",
                f"numbers of labels below data.n_readout, which is {most}",
                "run it with --set readout.label_counts={},{}".format(*try_out),
            )
        )
    return {n: f"_{n}" for n in counts} | {most: ""}


def _by_count(shown: Sequence[Run], who: str) -> dict[int, list[float]]:
    """Return the accuracies in per cent, one a run, of 'network' or 'pixels' by labels."""
    by_count: dict[int, list[float]] = {}
    for run in shown:
        for count, end in label_counts(run).items():
            by_count.setdefault(count, []).append(run.percent(f"{who}_accuracy{end}"))
    return dict(sorted(by_count.items()))


def _panel(axes: Axes, shown: Sequence[Run], looks: Mapping[str, dict[str, str]]) -> None:
    chance = references(shown)["chance"]
    accuracy_line(axes, chance, "chance")
    for k, name in enumerate(looks):
        mine = [run for run in shown if run.group == name]
        if mine:
            curve(axes, name, _by_count(mine, "network"), looks, k)
    pixels = _by_count(shown, "pixels")
    means = [np.mean(values) for values in pixels.values()]
    axes.plot(list(pixels), means, color=style.REFERENCE, zorder=1, gid="raw pixels")
    axes.set_xscale("log")
    axes.set_xticks(list(pixels), [f"{count}" for count in pixels])
    axes.minorticks_off()
    room = (max(pixels) / min(pixels)) ** 0.09
    axes.set_xlim(min(pixels) / room, max(pixels) * room)
    line_labels(axes, {"chance": chance})

"""How well patterns are recalled: over time, and at the end of every condition."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from brainsleep.errors import FigureError, explain
from brainsleep.results.result import Result
from brainsleep.show.drawn import told_apart

from . import _style as style
from ._lines import rows
from ._names import wrapped
from ._read import check
from ._seeds import interval

NAME = "recall"

#: Overlap of what is recalled with a pattern.
OVERLAP = "overlap of recalled state and pattern"

_INK = style.POPULATIONS[1]


def draw(results: Sequence[Result], labels: Sequence[str] | None = None) -> Figure:
    """Draw the overlap of recalled states with patterns over time and at the end.

    Parameters
    ----------
    results : sequence of Result
        Stored runs of the task `Patterns`; several seeds may have the same label.
    labels : sequence of str, optional
        The condition of each result; default: the names of their protocols.

    Returns
    -------
    Figure
        Panel a: mean over patterns and seeds of every condition over time, cues with the first of
        the shares of units wrong. Panel b: one row a condition: every seed at the end, the mean
        with Student's 95 % interval, and the mean at the beginning as a ring.

    Raises
    ------
    FigureError
        If a result has no recall.
    """
    check(results, labels)
    protocols = [result.stored_protocol.name for result in results]
    names = [str(name) for name in labels or told_apart(protocols, results)]
    groups: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for result, name in zip(results, names, strict=True):
        groups.setdefault(name, []).append(_read(result))
    looks = dict(zip(groups, _looks(), strict=False))
    written = [wrapped(name, 24) for name in groups]
    lines = sum(name.count("\n") + 1 for name in written)
    with style.figure("double", max(2.4, 0.8 + 0.17 * lines)) as figure:
        left, right = figure.subplots(1, 2, width_ratios=(1, 1.15))
        _over_time(left, groups, looks)
        _at_the_end(right, groups, looks)
        right.set_yticks(range(len(written)), written, fontsize=7, linespacing=0.95)
        for axes, text in ((left, "a"), (right, "b")):
            style.letter(axes, text)
        handles = [
            _point("o", "white", "before"),
            _point("o", _INK, "after"),
        ]
        style.legend(figure, handles)
    return figure


def _read(result: Result) -> tuple[np.ndarray, np.ndarray]:
    """Return times in s and the mean overlap at each."""
    if "recall/overlap" not in result.arrays:
        what = f"figure {NAME}: result {result.run_id}"
        raise FigureError(explain(what, "no recall", "a run of the task Patterns"))
    return result.arrays["recall/times_s"], result.arrays["recall/overlap"][:, 0].mean(axis=-1)


def _looks():
    """Yield looks of conditions: colours, then again with another dash."""
    for dash in cycle(("-", (0, (4, 1.5)), (0, (1, 1)))):
        for colour in style.CONDITIONS:
            yield {"color": colour, "linestyle": dash}


def _point(marker: str, face: str, label: str) -> Line2D:
    return Line2D(
        [], [], color=_INK, linestyle="", marker=marker, markersize=4, markerfacecolor=face,
        label=label,
    )  # fmt: skip


def _over_time(axes: Axes, groups: dict[str, Any], looks: dict[str, dict]) -> None:
    for name, runs in groups.items():
        times = runs[0][0]
        mean = np.mean([overlap for _, overlap in runs if len(overlap) == len(times)], axis=0)
        axes.plot(times, mean, linewidth=1.1, marker="o", markersize=2, label=name, **looks[name])
    axes.set_xlabel("time (s)")
    axes.set_ylabel(OVERLAP.replace(" and ", "\nand "))
    axes.set_ylim(-0.02, 1.03)


def _at_the_end(axes: Axes, groups: dict[str, Any], looks: dict[str, dict]) -> None:
    for row, (name, runs) in zip(rows(axes, len(groups)), groups.items(), strict=True):
        before = np.mean([overlap[0] for _, overlap in runs])
        after = [overlap[-1] for _, overlap in runs]
        colour = looks[name]["color"]
        axes.plot(
            before, row, marker="o", markersize=6.5, markerfacecolor="white", color=_INK,
            linestyle="", gid=f"{name}: before",
        )  # fmt: skip
        interval(axes, after, row, name, colour=colour, dots=(6, 0.5), markersize=4, elinewidth=0.8)
    axes.set_xlim(-0.02, 1.03)
    axes.set_xlabel(OVERLAP)

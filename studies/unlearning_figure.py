"""Draw the figure of dreams that unlearn, for docs/what_sleep_gives.md, from its table alone.

.venv/bin/python studies/unlearning_figure.py [--tables figures/paper] [--out figures/paper]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from brainsleep.figures import _style as style
from brainsleep.figures._lines import rows
from brainsleep.figures._seeds import interval
from brainsleep.results.table import read

BEFORE, AFTER = "recall_before_{}", "recall_after_{}"

INK = style.POPULATIONS[1]

#: Colour of dreams, and of everything else.
DREAMS, OTHER = style.CONDITIONS[1], style.REFERENCE


def draw(table: pd.DataFrame) -> Figure:
    """Draw controls, loads and basins of attraction.

    Parameters
    ----------
    table : pandas.DataFrame
        A row a run, of the grids of ``studies/unlearning.py``.
    """
    of = {name.removeprefix("unlearning "): chosen for name, chosen in table.groupby("grid")}
    with style.figure("double", 2.9) as figure:
        axes = figure.subplots(1, 3, width_ratios=(1.35, 1, 1))
        _controls(axes[0], of["controls"])
        _loads(axes[1], of)
        _basins(axes[2], of["basins"])
        for ax, text, offset in zip(axes, "abc", (-92, -26, -26), strict=True):
            style.letter(ax, text, offset)
        handles = [
            _line(INK, "o", "before sleep", face="white"),
            _line(DREAMS, "o", "after dreams"),
            _line(OTHER, "o", "after a control"),
            _line(DREAMS, "D", "binary units, after dreams", face="white"),
        ]
        style.legend(figure, handles)
    return figure


def _line(colour: str, marker: str, label: str, face: str = "") -> Line2D:
    return Line2D(
        [], [], color=colour, marker=marker, markersize=4, linestyle="", label=label,
        markerfacecolor=face or colour,
    )  # fmt: skip


#: How seeds and means are drawn.
LOOK = {"dots": (5, 0.4), "markersize": 4, "elinewidth": 0.8}


def _controls(axes: Axes, runs: pd.DataFrame) -> None:
    names = list(dict.fromkeys(runs["condition"]))
    for row, name in zip(rows(axes, len(names)), names, strict=True):
        chosen = runs[runs["condition"] == name]
        axes.plot(chosen[BEFORE.format(10)].mean(), row, "o", markersize=4, color=INK, mfc="white")
        after = chosen[AFTER.format(10)].to_numpy()
        interval(axes, after, row, colour=DREAMS if name == "dreams" else OTHER, **LOOK)
    shown = [{"projector": "projector, no sleep"}.get(name, name) for name in names]
    axes.set_yticks(range(len(names)), shown, fontsize=7)
    axes.set_xlim(-0.03, 1.03)
    axes.set_xlabel("overlap with pattern")
    axes.set_title("80 patterns, 200 units", loc="right", fontsize=7, pad=2)


def _loads(axes: Axes, of: dict[str, pd.DataFrame]) -> None:
    main, loads = of["controls"], of["loads"]
    dreams = main[main["condition"] == "dreams"].assign(number=80)
    loads = loads.assign(number=loads["condition"].str.extract(r"(\d+)")[0].astype(int))
    both = pd.concat([loads, dreams])
    for number, chosen in both.groupby("number"):
        axes.plot(
            number / 200, chosen[BEFORE.format(10)].mean(), "o", markersize=4, color=INK,
            mfc="white",
        )  # fmt: skip
        after = chosen[AFTER.format(10)].to_numpy()
        interval(axes, after, number / 200, colour=DREAMS, upright=True, **LOOK)
    for column, colour in ((BEFORE, INK), (AFTER, DREAMS)):
        means = both.groupby("number")[column.format(10)].mean()
        axes.plot(means.index / 200, means, color=colour, linewidth=1)
    binary = of["binary"]
    binary = binary[binary["condition"] == "4800 dreams"][AFTER.format(10)].mean()
    axes.plot(0.4, binary, "D", markersize=4.5, color=DREAMS, mfc="white", zorder=5)
    axes.axvline(0.138, color=style.REFERENCE, linestyle=":", linewidth=0.8)
    axes.annotate(
        "capacity", (0.138, 0.03), xytext=(2, 0), textcoords="offset points", fontsize=6.5,
        color=style.REFERENCE,
    )  # fmt: skip
    axes.set_xlabel("patterns per unit")
    axes.set_ylabel("overlap with pattern")
    axes.set_xlim(0.05, 0.75)
    axes.set_ylim(-0.03, 1.05)


def _basins(axes: Axes, runs: pd.DataFrame) -> None:
    percents = np.array([0, 10, 20, 30, 40])
    for template, colour, face in ((BEFORE, INK, "white"), (AFTER, DREAMS, DREAMS)):
        means = [runs[template.format(percent)].mean() for percent in percents]
        axes.plot(percents, means, color=colour, marker="o", markersize=4, mfc=face, linewidth=1)
        for percent in percents:
            if template == AFTER:
                values = runs[template.format(percent)].to_numpy()
                interval(axes, values, percent, colour=colour, upright=True, **LOOK)
    axes.set_xlabel("wrong units in cue (%)")
    axes.set_ylabel("overlap with pattern")
    axes.set_ylim(-0.03, 1.05)


def main() -> None:
    """Draw it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=Path, default=Path("figures/paper"))
    parser.add_argument("--out", type=Path, default=Path("figures/paper"))
    arguments = parser.parse_args()
    figure = draw(read(arguments.tables / "unlearning.csv"))
    path = arguments.out / "unlearning.png"
    figure.savefig(path, dpi=200, metadata={"Software": None})
    print(path)


if __name__ == "__main__":
    main()

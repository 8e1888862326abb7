"""Histograms of the weights of every projection before and after training."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from brainsleep.results.result import Result
from brainsleep.show.drawn import arrow

from . import _style as style
from ._lines import HARD_BOUND
from ._panels import weight_histogram
from ._read import conditions, projections

NAME = "histograms"


def draw(results: Sequence[Result], labels: Sequence[str] | None = None) -> Figure:
    """Draw the weights before and after training, one panel a projection.

    Parameters
    ----------
    results : sequence of Result
        Stored runs, one a condition.
    labels : sequence of str, optional
        Names of the conditions; default: from the protocol.

    Returns
    -------
    Figure
        Two panels a row; weights that are all equal are a line, the hard bound is dashed.

    Raises
    ------
    FigureError
        Without results, if they have no projection in common, or if an array is missing.
    """
    shown = conditions(results, labels)
    panels = projections(shown)
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    with style.figure(("single", "double")[columns - 1], 0.5 + 1.65 * rows) as figure:
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for ax, projection in zip(axes, panels, strict=False):
            weight_histogram(ax, shown, projection)
            ax.set_title(arrow(projection), loc="left", pad=12)
        for ax in axes[len(panels) :]:
            ax.set_axis_off()
        for ax in axes[len(panels) - columns : len(panels)]:
            ax.set_xlabel("weight $w$ (dimensionless)")
        handles = [Line2D([], [], color=c.colour, linewidth=2, label=c.label) for c in shown]
        if any(line.get_gid() == HARD_BOUND for ax in axes for line in ax.lines):
            look = {"color": style.REFERENCE, "linewidth": 0.8, "linestyle": (0, (4, 2))}
            handles.append(Line2D([], [], label=HARD_BOUND, **look))
        style.legend(figure, handles)
    return figure

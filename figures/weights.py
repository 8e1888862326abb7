"""Weights of every projection over the course of training."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from brainsleep.errors import FigureError
from brainsleep.results.result import Result

from . import _style as style
from ._panels import legend_handles, weight_course
from ._read import conditions, projections

NAME = "weights"


def draw(results: Sequence[Result], labels: Sequence[str] | None = None) -> Figure:
    """Draw mean weight and 5-95 % band over time, one panel a projection.

    Parameters
    ----------
    results : sequence of Result
        Stored runs, one a condition.
    labels : sequence of str, optional
        Names of the conditions; default: from the protocol.

    Returns
    -------
    Figure
        Two panels a row.

    Raises
    ------
    FigureError
        Without a result of a network that was trained, or if an array is missing.
    """
    shown = conditions(results, labels)
    trained = [c for c in shown if c.trained]
    if not trained:
        raise FigureError(
            "figure weights: no network was trained; give a result with data.n_train above 0"
        )
    panels = projections(trained)
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    with style.figure(("single", "double")[columns - 1], 0.5 + 1.65 * rows) as figure:
        axes = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
        for ax, projection in zip(axes, panels, strict=False):
            weight_course(ax, trained, projection)
        for ax in axes[len(panels) :]:
            ax.set_axis_off()
        for ax in axes[: len(panels) : columns]:
            ax.set_ylabel("weight $w$\n(dimensionless)")
        for ax in axes[len(panels) - columns : len(panels)]:
            ax.set_xlabel("biological time (s)")
            ax.tick_params(labelbottom=True)
        style.legend(figure, legend_handles(trained))
    return figure

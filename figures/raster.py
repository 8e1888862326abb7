"""Single spikes of every population across a sleep."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from brainsleep.errors import FigureError, explain
from brainsleep.results.result import Result

from . import _style as style
from ._panels import raster as panel
from ._read import conditions

NAME = "raster"


def draw(results: Sequence[Result], labels: Sequence[str] | None = None) -> Figure:
    """Draw the raster of one result, sleep shaded.

    Parameters
    ----------
    results : sequence of Result
        One stored run, with single spikes recorded.
    labels : sequence of str, optional
        Its name; default: from the protocol.

    Returns
    -------
    Figure
        One panel.

    Raises
    ------
    FigureError
        Unless there is exactly one result and it has single spikes.
    """
    shown = conditions(results, labels)
    if len(shown) != 1:
        raise FigureError(explain("figure raster: results", len(shown), "one"))
    with style.figure("double", 3.2) as figure:
        axes = figure.subplots()
        panel(axes, shown[0], size=1.0)
        axes.set_title(shown[0].label, loc="left")
    return figure

"""What all figures share: the style sheet, sizes, colours and sleep shading."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import style as sheets
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.patches import Rectangle

#: The style sheet of every figure.
STYLE = Path(__file__).with_name("brainsleep.mplstyle")

#: Widths in inches: one and two columns of a journal page.
WIDTHS = {"single": 3.4, "double": 7.0}

#: Colours of conditions in their order; also the cycle of the style sheet. All of Okabe and Ito's
#: but yellow, which is too light for lines on white; brown instead.
CONDITIONS = "#D55E00 #0072B2 #009E73 #CC79A7 #E69F00 #56B4E9 #000000 #7A5C00".split()

#: Colours of populations in a raster: input, readout population, others in turn.
POPULATIONS = ("#8A8A8A", "#1A1A1A", "#882255", "#44AA99")

SLEEP = "#D5DEEE"  # shading of sleep phases
REFERENCE = "#595959"  # bounds, chance, raw pixels
BEFORE = "#B5B5B5"  # weights before training

#: Label of the artists that shade sleep phases.
SLEEP_GID = "sleep"


#: Lines that leave gaps, in which curves at the same place show: each in a gap of those before.
_BROKEN: tuple[tuple[float, tuple[float, float]], ...] = ((0, (4, 4)), (4, (2, 6)), (2, (1, 7)))


def broken(hidden: int) -> dict[str, Any]:
    """Return the line style of a curve that would hide `hidden` others, drawn before it."""
    return {"linestyle": _BROKEN[(hidden - 1) % len(_BROKEN)]}


@contextmanager
def figure(width: str = "double", height: float = 3.0) -> Iterator[Figure]:
    """Make a figure in the shared style; it is laid out when the block ends.

    It belongs to no window and to no global list of figures: save it with ``savefig``.

    Parameters
    ----------
    width : {"single", "double"}
        Journal columns it spans.
    height : float
        Height in inches.

    Yields
    ------
    Figure
    """
    with sheets.context(STYLE):
        made = Figure(figsize=(WIDTHS[width], height))
        yield made
        made.draw_without_rendering()  # ticks take their style when they are first made


def legend(above: Figure, handles: Sequence[Artist]) -> Legend:
    """Put a legend above all panels of a figure, in as few rows as its width allows."""
    widths = [0.42 + 0.065 * len(handle.get_label()) for handle in handles]  # about, in inches
    for columns in range(len(handles), 0, -1):
        if sum(max(column) for column in np.array_split(widths, columns)) <= above.get_figwidth():
            break
    rows = -(-len(handles) // columns)
    if rows > 2:  # panels keep their height
        above.set_figheight(above.get_figheight() + 0.16 * (rows - 2))
    return above.legend(handles=handles, loc="outside upper center", ncols=columns)


def letter(axes: Axes, text: str, offset: float = -26) -> None:
    """Write a panel's letter left above `axes`, `offset` points from its left edge."""
    axes.annotate(
        text,
        (0, 1),
        xytext=(offset, 5),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=10,
        fontweight="bold",
        ha="left",
        va="bottom",
    )


def shade_sleep(
    axes: Axes,
    spans: Iterable[tuple[float, float]],
    colour: str = SLEEP,
    band: tuple[float, float] = (0, 1),
) -> list[Rectangle]:
    """Shade sleep phases.

    Parameters
    ----------
    axes : Axes
        Where; the x axis is time in s.
    spans : iterable of (float, float)
        Start and end of each sleep in s.
    colour : str
        Colour of the shading.
    band : (float, float)
        Lower and upper edge as fractions of the axes' height.

    Returns
    -------
    list of Rectangle
        One a sleep, with the id `SLEEP_GID`.
    """
    return [
        axes.axvspan(
            start,
            end,
            ymin=band[0],
            ymax=band[1],
            color=colour,
            linewidth=0,
            zorder=0,
            gid=SLEEP_GID,
        )
        for start, end in spans
    ]

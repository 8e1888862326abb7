"""What panels share: reference lines and their names, ticks, rows, curves at the same place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import LineCollection
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from . import _style as style

#: Where the name of a horizontal line may be, as parts of the axes' width, best first.
_PLACES = (1.0, 0.0, 0.75, 0.25, 0.5)


def line_label(axes: Axes, text: str, y: float, x: float = 1.0, *, below: bool = False) -> None:
    """Name a horizontal reference line above it or below it, at `x` as a part of the width."""
    axes.annotate(
        text,
        (x, y),
        xycoords=("axes fraction", "data"),
        xytext=(0 if x else 2, -1.5 if below else 1),
        textcoords="offset points",
        ha={0.0: "left", 1.0: "right"}.get(x, "center"),
        va="top" if below else "bottom",
        fontsize=7,
        color=style.REFERENCE,
    )


def line_labels(axes: Axes, lines: Mapping[str, float]) -> None:
    """Name horizontal reference lines where the fewest points and curves are.

    Parameters
    ----------
    axes : Axes
        Where; drawn, and with their limits.
    lines : mapping of str to float
        Height of each line by its name.
    """
    x, y = _drawn_points(axes)
    low, high = axes.get_ylim()
    heights = {name: (value - low) / (high - low) for name, value in lines.items()}
    for text, at in heights.items():
        width, height = 0.03 * len(text), 0.12  # about, as parts of the axes
        others = [other for name, other in heights.items() if name != text]

        def in_the_way(place: tuple[float, bool], at=at, width=width, height=height, others=others):
            start, bottom = place[0] * (1 - width), at - height * place[1]
            inside = (x > start) & (x < start + width) & (y > bottom) & (y < bottom + height)
            outside = bottom < 0 or bottom + height > 1.05
            crossed = any(bottom < other < bottom + height for other in others)
            return np.sum(inside) + 1e3 * (outside or crossed)

        where, below = min(product(_PLACES, (False, True)), key=in_the_way)
        line_label(axes, text, lines[text], where, below=below)


def _drawn_points(axes: Axes) -> np.ndarray:
    """Return where points, curves and bars are, as parts of the axes, shape (2, n)."""
    paths = [
        np.asarray(line.get_data(), dtype=float)
        for line in axes.lines
        if line.get_transform().contains_branch(axes.transData)  # not one across the axes
    ]
    found = [np.empty((2, 0))]
    for each in axes.collections:
        if isinstance(each, LineCollection):
            paths += [np.asarray(segment, dtype=float).T for segment in each.get_segments()]
        elif each.get_offset_transform().contains_branch(axes.transData):
            found.append(np.asarray(each.get_offsets(), dtype=float).T)
    for path in paths:
        steps = np.arange(path.shape[1])
        if len(steps):
            along = np.linspace(0, steps[-1], 20 * len(steps))  # the way between points, too
            found.append(np.array([np.interp(along, steps, values) for values in path]))
    both = np.concatenate(found, axis=1).T
    return (axes.transScale + axes.transLimits).transform(both).T


#: Name and id of the line at the upper hard bound of weights.
HARD_BOUND = "hard bound"


def hard_bound(axes: Axes, w_max: float, *, vertical: bool = False) -> None:
    """Mark the upper hard bound of weights by a dashed line; label a horizontal one."""
    draw = axes.axvline if vertical else axes.axhline
    draw(w_max, color=style.REFERENCE, linestyle=(0, (4, 2)), linewidth=0.8, gid=HARD_BOUND)
    if not vertical:
        line_label(axes, HARD_BOUND, w_max)


#: Multiples of a decade that are labelled, from coarse to fine.
_MULTIPLES = ((1,), (1, 3), (1, 2, 5), (1, 2, 3, 5), (1, 2, 3, 4, 5, 7))


def log_ticks(axis: Axis, low: float, high: float, most: int = 5) -> None:
    """Label a logarithmic axis from `low` to `high` by at most `most` plain numbers.

    Those of some decades; on a shorter axis of multiples such as 0.2 and 0.5, or, if hardly one
    fits, evenly spaced ones.
    """
    powers = np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)

    def inside(multiples: Sequence[int]) -> np.ndarray:
        values = np.outer(10.0**powers, multiples).ravel()
        return values[(values >= low * (1 - 1e-9)) & (values <= high * (1 + 1e-9))]

    decades = inside((1,))
    labelled = decades[:: -(-len(decades) // most) or 1]
    if len(decades) < 2:
        fitting = [v for v in map(inside, _MULTIPLES) if 2 <= len(v) <= most]
        labelled = (
            fitting[-1]
            if fitting
            else MaxNLocator(most - 1, steps=[1, 2, 5, 10]).tick_values(low, high)
        )
        labelled = labelled[(labelled >= low * (1 - 1e-9)) & (labelled <= high * (1 + 1e-9))]
    axis.set_ticks(labelled, [f"{value:g}" for value in labelled])
    minor = [v for v in LogLocator(subs=range(1, 10)).tick_values(low, high) if low <= v <= high]
    axis.set_ticks(minor, minor=True)
    axis.set_minor_formatter(NullFormatter())


def rows(axes: Axes, n: int) -> np.ndarray:
    """Make room for `n` conditions, one a row and the first on top; return where they are."""
    y = np.arange(n)
    axes.set_yticks(y, [])
    axes.set_ylim(n - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="y", color="#E4E4E4", linewidth=0.6)
    axes.set_axisbelow(True)
    return y


def rate_axis(axes: Axes, rates: Sequence[float], ticks: int = 5) -> None:
    """Scale the x axis for rates in Hz: logarithmic if they differ by much and none is 0."""
    if min(rates) > 0 and max(rates) > 5 * min(rates):
        axes.set_xscale("log")
        low = 10 ** np.floor(np.log10(min(rates) / 1.3))
        high = 10 ** np.ceil(np.log10(max(rates) * 1.3))
        axes.set_xlim(low, high)
        log_ticks(axes.xaxis, low, high, ticks)
    else:
        axes.set_xlim(0, max(1.0, 1.15 * max(rates)))


def name_line(axes: Axes, x: float, text: str, ha: str) -> None:
    """Write the name of a vertical line at `x` above the axes, aligned with it as `ha` says."""
    axes.annotate(
        text,
        (x, 1),
        xycoords=("data", "axes fraction"),
        xytext=(0, 1),
        fontsize=7,
        textcoords="offset points",
        ha=ha,
        va="bottom",
        color=style.REFERENCE,
    )


def name_accuracies(axes: Axes, lines: Mapping[str, float]) -> None:
    """Name vertical lines of 'chance' and 'raw pixels' in per cent; apart if they are near."""
    near = abs(lines["raw pixels"] - lines["chance"]) < 45
    left = min(lines, key=lambda name: lines[name])
    for text, x in lines.items():
        name_line(axes, x, text, ("right" if text == left else "left") if near else "center")


#: Where a curve is: times or other places, and values.
Curve = tuple[np.ndarray, np.ndarray]


def hidden_by(curve: Curve, drawn: Sequence[Curve], log: bool = False) -> int:
    """Return how many of the curves drawn before lie where this one lies, for much of its way.

    Parameters
    ----------
    curve : tuple of ndarray
        Places, rising, and values.
    drawn : sequence of tuple of ndarray
        Curves drawn before it.
    log : bool
        Whether the axis of values is logarithmic.
    """
    x, y = curve
    n = 0
    for other_x, other_y in drawn:
        inside = (x >= other_x[0]) & (x <= other_x[-1])
        if not inside.any():
            continue
        there = np.interp(x[inside], other_x, other_y)
        both = np.array([y[inside], there])
        with np.errstate(divide="ignore"):
            both = np.log10(both) if log else both / max(float(np.nanmax(np.abs(both))), 1e-300)
        n += np.mean(np.nan_to_num(np.abs(both[0] - both[1])) < 0.01) * np.mean(inside) > 0.3
    return n

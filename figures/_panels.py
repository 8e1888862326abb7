"""Panels that several figures are composed of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullFormatter

from brainsleep.errors import FigureError

from . import _style as style
from ._read import (
    Condition,
    arrow,
    has_raster,
    population_name,
    raster_window,
    weight_floor,
)

#: Neurons of a population that a raster shows at most.
RASTER_ROWS = 60

#: Height, as a fraction of the axes', of the strip of one condition's sleeps where several
#: conditions share the axes; and of the room for the label of the hard bound.
STRIP, LABEL = 0.045, 0.11


def line_label(axes: Axes, text: str, y: float, beside: Sequence[float] = ()) -> None:
    """Name a horizontal reference line at the right edge, above it unless a value is `beside`.

    Parameters
    ----------
    axes : Axes
        Where.
    text : str
        The name.
    y : float
        Height of the line.
    beside : sequence of float
        Values drawn at the right edge: one just above the line sends the name below it.
    """
    below = any(0 <= value - y < 10 for value in beside)
    axes.annotate(
        text,
        (1, y),
        xycoords=("axes fraction", "data"),
        xytext=(0, -1.5 if below else 1),
        textcoords="offset points",
        ha="right",
        va="top" if below else "bottom",
        fontsize=7,
        color=style.REFERENCE,
    )


def hard_bound(axes: Axes, w_max: float, *, vertical: bool = False) -> None:
    """Mark the upper hard bound of weights by a dashed line; label a horizontal one."""
    draw = axes.axvline if vertical else axes.axhline
    draw(w_max, color=style.REFERENCE, linestyle=(0, (4, 2)), linewidth=0.8, gid="hard bound")
    if not vertical:
        line_label(axes, "hard bound", w_max)


def log_ticks(axis: Axis, low: float, high: float, most: int = 5) -> None:
    """Label at most `most` decades from `low` to `high` by plain numbers; leave a shorter axis."""
    decades = 10.0 ** np.arange(np.ceil(np.log10(low) - 1e-9), np.floor(np.log10(high)) + 1)
    if len(decades) < 2:
        return
    labelled = decades[:: -(-len(decades) // most)]
    axis.set_ticks(labelled, [f"{value:g}" for value in labelled])
    minor = [v for v in LogLocator(subs=range(1, 10)).tick_values(low, high) if low <= v <= high]
    axis.set_ticks(minor, minor=True)
    axis.set_minor_formatter(NullFormatter())


def weight_course(axes: Axes, shown: Sequence[Condition], projection: Any) -> None:
    """Draw mean weight and 5-95 % band over time, sleep shaded, the hard bound marked.

    The sleeps of one condition are shaded over the full height; those of several, each in a strip
    of the condition's colour along the top.

    Parameters
    ----------
    axes : Axes
        Where.
    shown : sequence of Condition
        Conditions; those that were never trained are left out.
    projection : dict
        Projection as described in the protocol.
    """
    trained = [c for c in shown if c.trained]
    axes.set_title(arrow(projection))
    if not trained:
        axes.set_axis_off()
        _note(axes, "never trained: no weight changes")
        return
    axes.set_yscale("log")
    floor, w_max = weight_floor(shown, projection), projection.w_max
    for c in trained:
        _mean_and_band(axes, c, projection.name, floor, 0.14 if len(trained) < 4 else 0.08)
    end = max(float(c.array("stat_times_s")[-1]) for c in trained)
    asleep = [c for c in trained if c.sleeps()]
    room = LABEL
    if len(asleep) == 1:
        style.shade_sleep(axes, asleep[0].sleeps())
    elif asleep:
        room += STRIP * len(asleep)
        for k, c in enumerate(asleep):
            band = (1 - STRIP * (k + 0.8), 1 - STRIP * k)
            style.shade_sleep(axes, c.sleeps(), c.colour, band)
        axes.annotate(
            "sleep",
            (0, 1 - STRIP * len(asleep) / 2),
            xycoords="axes fraction",
            xytext=(-4, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=7,
            color=style.REFERENCE,
        )
    bottom, span = np.log10(0.85 * floor), np.log10(w_max / (0.85 * floor))
    axes.set_ylim(10**bottom, 10 ** (bottom + span / (1 - room)))
    log_ticks(axes.yaxis, 0.9 * floor, w_max)
    axes.set_xlim(0, end)
    hard_bound(axes, w_max)


def _mean_and_band(
    axes: Axes, condition: Condition, projection: str, floor: float, alpha: float
) -> None:
    t = condition.array("stat_times_s")
    low, mean, high = (
        np.maximum(condition.statistic(projection, name), floor) for name in ("q05", "mean", "q95")
    )
    colour = condition.colour
    few = len(t) < 4  # lines between so few points only lead the eye
    look = {"linestyle": ":", "marker": "o", "markersize": 2.5} if few else {}
    axes.fill_between(t, low, high, color=colour, alpha=0 if few else alpha, linewidth=0)
    for edge in (low, high):
        axes.plot(t, edge, color=colour, alpha=0.55, linewidth=0.4, gid="quantile", **look)
    axes.plot(t, mean, color=colour, label=condition.label, gid="mean", **look)


def weight_histogram(axes: Axes, shown: Sequence[Condition], projection: Any) -> None:
    """Draw histograms of weights before (grey) and after training, on a logarithmic axis.

    Weights that are all equal are marked by a vertical line; weights below the axis, zeros among
    them, count in the lowest bin.

    Parameters
    ----------
    axes : Axes
        Where.
    shown : sequence of Condition
        Conditions; of those never trained, the weights they have.
    projection : dict
        Projection as described in the protocol.
    """
    name, w_max = projection.name, projection.w_max
    floor = weight_floor(shown, projection)
    before = _different([c.magnitudes("initial", name) for c in shown if c.trained])
    edges = np.geomspace(floor / 1.15, w_max * 1.01, 46)
    axes.set_xscale("log")
    for w in before:
        _one_histogram(axes, w, edges, style.BEFORE, 2.4, "before")
    for c in shown:
        w = c.magnitudes("trained", name)
        _one_histogram(axes, w, edges, c.colour, 1.1, c.label)
    if before:
        axes.annotate(
            "before training",
            (float(np.median(before[0])), 1),
            ha="center",
            va="bottom",
            xycoords=("data", "axes fraction"),
            xytext=(0, 1),
            textcoords="offset points",
            fontsize=7,
            color=style.REFERENCE,
        )
    axes.set_xlim(edges[0] / 1.1, edges[-1] * 1.3)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("fraction of\nsynapses")
    log_ticks(axes.xaxis, edges[0], edges[-1])
    hard_bound(axes, w_max, vertical=True)


def _one_histogram(
    axes: Axes, w: np.ndarray, edges: np.ndarray, colour: str, width: float, gid: str
) -> None:
    if len(w) == 0:
        return
    low, high = edges[0] * 1.0001, edges[-1] * 0.9999
    layer = 1.5 if gid == "before" else 2.0
    if np.ptp(w) <= 1e-9 * high:
        axes.axvline(max(w[0], low), color=colour, linewidth=width, gid=gid, zorder=layer)
        return
    share = np.histogram(np.clip(w, low, high), edges)[0] / len(w)
    if gid != "before":
        axes.stairs(share, edges, color=colour, alpha=0.15, fill=True, linewidth=0)
    axes.stairs(share, edges, color=colour, linewidth=width, gid=gid, zorder=layer)


def _different(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    different: list[np.ndarray] = []
    for array in arrays:
        if not any(np.array_equal(array, other) for other in different):
            different.append(array)
    return different


def raster(axes: Axes, condition: Condition, size: float = 0.55) -> None:
    """Draw single spikes of populations as stacked bands, sleep shaded: of those recorded.

    Of a large population every k-th neuron is shown, at most `RASTER_ROWS`.

    Parameters
    ----------
    axes : Axes
        Where.
    condition : Condition
        A condition with single spikes.
    size : float
        Area of a spike's dot in square points.

    Raises
    ------
    FigureError
        If no single spikes were recorded.
    """
    if not has_raster(condition):
        raise FigureError(
            f"figure: result {condition.result.run_id} has no single spikes; record some "
            "with record.raster, the first and last slot"
        )
    start, end = raster_window(condition)
    recorded = condition.result.spikes
    populations = [p for p in condition.protocol.network.populations if p.name in recorded]
    rows, ticks, names = 0, [], []
    for k, population in enumerate(populations):
        spikes = condition.array(f"spikes/{population.name}")
        every = -(-population.size // RASTER_ROWS)
        t = spikes[:, 0] * condition.dt
        kept = (t >= start) & (t < end) & (spikes[:, 1] % every == 0)
        count = -(-population.size // every)
        axes.scatter(
            t[kept], -rows - spikes[kept, 1] // every, s=size, linewidths=0, marker="o",
            color=style.POPULATIONS[k % len(style.POPULATIONS)], rasterized=True,
            gid=population.name,
        )  # fmt: skip
        ticks.append(-rows - (count - 1) / 2)
        of = f" of {population.size}" if every > 1 else ""
        names.append(f"{population_name(population.name)}\n{count}{of}")
        rows += count + 5
    _name_sleeps(axes, [(a, b) for a, b in condition.sleeps() if b > start and a < end], start, end)
    axes.set_yticks(ticks, names)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(-rows + 4, 3)
    axes.set_xlim(start, end)
    axes.set_xlabel("time (s)")


def _name_sleeps(
    axes: Axes, spans: Sequence[tuple[float, float]], start: float, end: float
) -> None:
    """Shade sleeps, and write what they are above the part of them that is shown."""
    style.shade_sleep(axes, spans)
    for a, b in spans:
        axes.annotate(
            "sleep", ((max(a, start) + min(b, end)) / 2, 1), ha="center", va="bottom",
            xycoords=("data", "axes fraction"), xytext=(0, 1), textcoords="offset points",
            fontsize=7, color=style.REFERENCE,
        )  # fmt: skip


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


def no_raster(axes: Axes) -> None:
    """Say that there is nothing to show."""
    axes.set_axis_off()
    _note(axes, "no raster recorded")


def _note(axes: Axes, text: str) -> None:
    axes.text(
        0.5,
        0.5,
        text,
        transform=axes.transAxes,
        ha="center",
        va="center",
        fontsize=8,
        color=style.REFERENCE,
    )


def legend_handles(shown: Sequence[Condition]) -> list[Artist]:
    """Return the handles that name conditions, the band and, where all panels have one, sleep."""
    handles: list[Artist] = [
        Line2D([], [], color=c.colour, linewidth=2, label=c.label) for c in shown
    ]
    trained = [c for c in shown if c.trained]
    if trained:
        band = trained[0].colour if len(trained) == 1 else style.BEFORE
        handles.append(Patch(color=band, alpha=0.4, linewidth=0, label="5–95 % of synapses"))
    if sum(bool(c.sleeps()) for c in trained) == 1:
        handles.append(Patch(color=style.SLEEP, linewidth=0, label="sleep"))
    return handles

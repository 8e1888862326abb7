"""Panels that several figures are composed of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from brainsleep.errors import FigureError
from brainsleep.show.drawn import FAR, RASTER_ROWS, arrow, population_name, weight_bound

from . import _style as style
from ._lines import Curve, hard_bound, hidden_by, log_ticks
from ._read import Condition, has_raster, raster_window, weight_floor

#: Height, as a fraction of the axes', of the strip of one condition's sleeps where several
#: conditions share the axes; and of the room for the label of the hard bound.
STRIP, LABEL = 0.045, 0.11


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
    floor, w_max = weight_floor(shown, projection), weight_bound(projection)
    drawn: list[Curve] = []
    for c in trained:
        _mean_and_band(axes, c, projection.name, floor, 0.14 if len(trained) < 4 else 0.08, drawn)
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
    top = _top(w_max, max(float(np.max(y)) for _, y in drawn))
    bottom, span = np.log10(0.85 * floor), np.log10(top / (0.85 * floor))
    axes.set_ylim(10**bottom, 10 ** (bottom + span / (1 - room)))
    log_ticks(axes.yaxis, 0.9 * floor, top)
    axes.set_xlim(0, end)
    if top == w_max:
        hard_bound(axes, w_max)
    else:
        _far_bound(axes, w_max, room - LABEL)


def _top(w_max: float, largest: float) -> float:
    """Return up to where an axis of weights goes: to the hard bound unless that is far above."""
    return w_max if w_max <= FAR * largest else 3 * largest


def _far_bound(axes: Axes, w_max: float, below: float) -> None:
    """Say where the hard bound is if it is far above all that is drawn."""
    if not np.isfinite(w_max):
        return
    axes.annotate(
        f"hard bound {w_max:g} ↑", (1, 1 - below), xycoords="axes fraction", xytext=(0, -1),
        textcoords="offset points", ha="right", va="top", fontsize=7, color=style.REFERENCE,
    )  # fmt: skip


def _mean_and_band(
    axes: Axes,
    condition: Condition,
    projection: str,
    floor: float,
    alpha: float,
    drawn: list[Curve],
) -> None:
    """Draw a mean and its band; broken lines where curves drawn before lie at the same place."""
    t = condition.array("stat_times_s")
    low, mean, high = (
        np.maximum(condition.statistic(projection, name), floor) for name in ("q05", "mean", "q95")
    )
    colour = condition.colour
    few = len(t) < 4  # lines between so few points only lead the eye
    look = {"linestyle": ":", "marker": "o", "markersize": 2.5} if few else {}
    if hidden := hidden_by((t, mean), drawn[::3], log=True):
        look |= style.broken(hidden)
    same = any(np.shape(h) == np.shape(high) and np.allclose(h, high) for _, h in drawn[2::3])
    axes.fill_between(t, low, high, color=colour, alpha=0 if few or same else alpha, linewidth=0)
    for edge in (low, high):
        axes.plot(t, edge, color=colour, alpha=0.55, linewidth=0.4, gid="quantile", **look)
    axes.plot(t, mean, color=colour, label=condition.label, gid="mean", **look)
    drawn += [(t, mean), (t, low), (t, high)]


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
    name, w_max = projection.name, weight_bound(projection)
    floor = weight_floor(shown, projection)
    largest = max(
        float(np.max(c.magnitudes(when, name), initial=floor))
        for c in shown
        for when in (("initial", "trained") if c.trained else ("trained",))
    )
    top = _top(w_max, largest)
    before = _different([c.magnitudes("initial", name) for c in shown if c.trained])
    edges = np.geomspace(floor / 1.15, top * 1.01, 46)
    axes.set_xscale("log")
    for w in before:
        _one_histogram(axes, w, edges, style.BEFORE, 2.4, "before")
    drawn: list[np.ndarray] = []
    for c in shown:
        w = c.magnitudes("trained", name)
        hidden = sum(len(w) == len(o) and np.allclose(np.sort(w), np.sort(o)) for o in drawn)
        _one_histogram(axes, w, edges, c.colour, 1.1, c.label, hidden)
        drawn.append(w)
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
    if top == w_max:
        hard_bound(axes, w_max, vertical=True)


def _one_histogram(
    axes: Axes,
    w: np.ndarray,
    edges: np.ndarray,
    colour: str,
    width: float,
    gid: str,
    hidden: int = 0,
) -> None:
    """Draw one histogram, in a broken line if `hidden` others that are equal are drawn already."""
    if len(w) == 0:
        return
    look = style.broken(hidden) if hidden else {}
    low, high = edges[0] * 1.0001, edges[-1] * 0.9999
    layer = 1.5 if gid == "before" else 2.0
    if np.ptp(w) <= 1e-9 * high:
        at = max(w[0], low)
        axes.axvline(at, color=colour, linewidth=width, gid=gid, zorder=layer, **look)
        return
    share = np.histogram(np.clip(w, low, high), edges)[0] / len(w)
    if gid != "before" and not hidden:
        axes.stairs(share, edges, color=colour, alpha=0.15, fill=True, linewidth=0)
    axes.stairs(share, edges, color=colour, linewidth=width, gid=gid, zorder=layer, **look)


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

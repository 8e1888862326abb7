"""Plots of a report that can be zoomed: their data, thinned to limits, and the library.

The library is uPlot (MIT), whose two files lie in ``uplot/``: 52 kB in every page with such plots.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FigureError, StoreError
from ..results.result import Result
from ..tasks.images.task import Images
from .drawn import FAR, RASTER_ROWS, arrow, population_name, thinned, weight_bound
from .markup import Markup

#: Most spikes of a raster, most points of a curve, most neurons or synapses of a variable, and
#: most variables: what is above is thinned or left out, and the page says so.
SPIKES, POINTS, LINES, VARIABLES = 20_000, 2_000, 5, 6

#: Significant digits of what is shown.
DIGITS = 5

_HERE = Path(__file__).parent


def plots(result: Result) -> dict[str, dict[str, Any]]:
    """Return the plots of a result, as plain data, by the name of the figure each stands for."""
    makers: dict[str, Callable[[Result], dict[str, Any] | None]] = {
        "weights": _weights,
        "raster": _raster,
        "traces": _traces,
    }
    made = {}
    for name, make in makers.items():
        with suppress(FigureError, StoreError, KeyError, ValueError, TypeError, IndexError):
            if (plot := make(result)) is not None:  # else the picture alone, or why there is none
                made[name] = plot
    return made


def embedded(plot: dict[str, Any]) -> Markup:
    """Return a plot's data as text for a page: JSON, in which nothing can end its element."""
    said = json.dumps(plot, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    for sign in "<>&":
        said = said.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(said)


@cache
def script() -> str:
    """Return what draws plots: the library, then what is made of it here."""
    library = (_HERE / "uplot" / "uPlot.iife.min.js").read_text(encoding="utf-8")
    own = (_HERE / "templates" / "explore.js").read_text(encoding="utf-8")
    return f"{library}\n{own}"


@cache
def style() -> str:
    """Return the library's style sheet."""
    return (_HERE / "uplot" / "uPlot.min.css").read_text(encoding="utf-8")


def digest(text: str) -> str:
    """Return the hash by which a page's policy allows a script or a style sheet inside it."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


# -- what is in plots ----------------------------------------------------------------------------


def _numbers(values: np.ndarray) -> list[float | None]:
    """Return values with few digits; what is no number is nothing."""
    return [float(f"{v:.{DIGITS}g}") if np.isfinite(v) else None for v in np.ravel(values)]


def _times(values: np.ndarray, dt: float) -> list[float | None]:
    """Return times in s, exact to a tenth of a step."""
    decimals = max(0, int(np.ceil(-np.log10(dt))) + 1)
    return [round(float(t), decimals) if np.isfinite(t) else None for t in values]


def _sleeps(result: Result) -> list[tuple[float, float]]:
    onsets, ends = map(np.asarray, result.sleeps)
    return [(round(float(a), 6), round(float(b), 6)) for a, b in zip(onsets, ends, strict=True)]


def _weights(result: Result) -> dict[str, Any] | None:
    """Mean and 5-95 % band of every projection over time."""
    protocol, arrays = result.stored_protocol, result.arrays
    if isinstance(protocol.task, Images) and protocol.task.data.n_train == 0:
        return None
    times, names = arrays["stat_times_s"], result.weight_statistics
    chosen = _evenly(len(times), POINTS)
    charts = []
    for projection in protocol.network.projections:
        statistics = arrays[f"stats/{projection.name}"]
        columns = [
            (label, statistics[:, names.index(name)], width)
            for label, name, width in (("5 %", "q05", 1), ("mean", "mean", 2), ("95 %", "q95", 1))
        ]
        positive = all(np.all(values > 0) for _, values, _ in columns)
        bound = weight_bound(projection)
        near = bound <= FAR * max(float(np.max(values)) for _, values, _ in columns)
        charts.append({
            "title": arrow(projection), "unit": "weight w", "log": positive, "x": 0,
            "series": [
                {"label": label, "y": _numbers(values[chosen]), "width": width, "colour": 0}
                for label, values, width in columns
            ],
            "band": [3, 1], "bound": bound if near else None,
        })  # fmt: skip
    said = _left_out(len(times), len(chosen), "points of time")
    x = [_times(times[chosen], float(result.dt))]
    return {"charts": charts, "x": x, "sleeps": _sleeps(result), "note": said} if charts else None


def _raster(result: Result) -> dict[str, Any] | None:
    """Single spikes of all populations that were recorded, below each other."""
    recorded, dt = result.spikes, float(result.dt)
    populations = [p for p in result.stored_protocol.network.populations if p.name in recorded]
    spikes = {p.name: result.arrays[f"spikes/{p.name}"] for p in populations}
    if not any(map(len, spikes.values())):
        return None
    total, most = sum(map(len, spikes.values())), SPIKES / max(len(populations), 1)
    series, names, row = list[dict[str, Any]](), list[list[Any]](), 0
    for k, p in enumerate(populations):
        mine = spikes[p.name]
        every = max(-(-p.size // RASTER_ROWS), int(np.ceil(len(mine) / most)))
        kept = mine[mine[:, 1] % every == 0]
        order = np.argsort(kept[:, 0], kind="stable")[: int(2 * most)]
        rows = -(-p.size // every)
        series.append({
            "label": population_name(p.name), "colour": k, "own": True,
            "x": _times(kept[order, 0] * dt, dt),
            "y": [-row - int(n) // every for n in kept[order, 1]],
        })  # fmt: skip
        some = f", {rows} of {p.size}" if every > 1 else f", {p.size}"
        names.append([-row - (rows - 1) / 2, population_name(p.name) + some])
        row += rows + 5
    shown = sum(len(each["x"]) for each in series)
    chart = {"title": "", "unit": "", "rows": names, "range": [-row + 4, 3], "series": series}
    note = _left_out(total, shown, "spikes")
    return {"charts": [chart], "x": [], "sleeps": _sleeps(result), "note": note}


def _traces(result: Result) -> dict[str, Any] | None:
    """Variables of the first neurons and synapses."""
    names = [name for name in result.traced if len(result.states(name).times)]
    x, charts, notes = list[list](), list[dict[str, Any]](), list[str]()
    for name in names[:VARIABLES]:
        trace = result.states(name)
        times, values = np.asarray(trace.times), np.asarray(trace.values[:, :LINES])
        size, unit = trace.unit_for(values.ravel())
        at, thin = thinned(times, values, POINTS)
        whose = trace.indices if trace.pairs is None else [f"{i}→{j}" for i, j in trace.pairs]
        good = np.isfinite(at)
        charts.append({
            "title": name, "unit": unit, "log": False, "x": len(x),
            "series": [
                {"label": str(who), "y": _numbers(column[good]), "width": 1, "colour": k}
                for k, (who, column) in enumerate(zip(whose, (thin / size).T, strict=False))
            ],
        })  # fmt: skip
        x.append(_times(at[good], float(result.dt)))
        notes.append(_left_out(len(times), len(x[-1]), f"points of {name}"))
    if len(names) > VARIABLES:
        notes.append(f"{VARIABLES} of {len(names)} variables are shown")
    if not charts:
        return None
    note = "; ".join(filter(None, notes))
    return {"charts": charts, "x": x, "sleeps": _sleeps(result), "note": note}


def _evenly(n: int, most: int) -> np.ndarray:
    """Return at most `most` of `n` places, evenly spaced, the first and the last among them."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int))


def _left_out(total: int, shown: int, what: str) -> str:
    return f"{shown:,} of {total:,} {what} are shown".replace(",", " ") if shown < total else ""

"""State variables of single neurons and synapses over time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brainsleep.errors import FigureError, explain
from brainsleep.results.result import Result
from brainsleep.results.trace import Trace

from . import _style as style
from ._read import conditions

NAME = "traces"

#: Traces of a variable that are drawn at most, and points of each: of more, the lowest and the
#: highest value in every stretch of time.
LINES, POINTS = 5, 4000


def draw(results: Sequence[Result], labels: Sequence[str] | None = None) -> Figure:
    """Draw every variable that was recorded, a panel each, sleep shaded.

    Parameters
    ----------
    results : sequence of Result
        One stored run, with traces (``record.states``).
    labels : sequence of str, optional
        Its name; default: from the protocol.

    Returns
    -------
    Figure
        Panels one above the other with one time axis; of each variable the first `LINES` neurons
        or synapses.

    Raises
    ------
    FigureError
        Unless there is exactly one result and it has traces.
    """
    shown = conditions(results, labels)
    if len(shown) != 1:
        raise FigureError(explain("figure traces: results", len(shown), "one"))
    result = shown[0].result
    traces = [trace for trace in map(result.states, result.traced) if len(trace.times)]
    if not traces:
        raise FigureError(
            f"figure traces: result {result.run_id} has no traces; run it again with "
            "--set \"record.states={'e.v': (0, 1)}\", or other variables of its network"
        )
    start = min(float(trace.times[0]) for trace in traces)
    end = max(float(trace.times[-1]) for trace in traces)
    if end == start:
        end = start + float(result.dt)
    with style.figure("double", 0.6 + 1.15 * len(traces)) as figure:
        panels = figure.subplots(len(traces), 1, squeeze=False, sharex=True).ravel()
        for axes, trace in zip(panels, traces, strict=True):
            _panel(axes, trace)
            inside = [(a, b) for a, b in shown[0].sleeps() if b > start and a < end]
            style.shade_sleep(axes, inside)
        panels[-1].set_xlim(start, end)
        panels[-1].set_xlabel("time (s)")
        panels[0].set_title(shown[0].label, loc="left")
    return figure


def _panel(axes: Axes, trace: Trace) -> None:
    """Draw the first traces of a variable in the unit that suits it, and say whose they are."""
    times, values = thinned(np.asarray(trace.times), np.asarray(trace.values[:, :LINES]))
    size, unit = trace.unit_for(values)
    whose = trace.indices if trace.pairs is None else [f"{i}→{j}" for i, j in trace.pairs]
    for k, column in enumerate((values / size).T):
        axes.plot(times, column, color=style.CONDITIONS[k], linewidth=0.8, label=str(whose[k]))
    axes.set_ylabel(f"{trace.name}\n({unit})")
    more = values.shape[1] < len(trace.indices)
    axes.legend(
        title=f"first {LINES} of {len(trace.indices)}" if more else None,
        loc="center left", bbox_to_anchor=(1, 0.5), handlelength=1.2,
    )  # fmt: skip


def thinned(times: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return at most some `POINTS` of traces: in stretches of time the extremes; gaps as NaN."""
    if len(times) > POINTS:
        block = -(-2 * len(times) // POINTS)
        n = len(times) // block * block
        blocks = values[:n].reshape(-1, block, values.shape[1])
        extremes = np.stack([blocks.min(axis=1), blocks.max(axis=1)], axis=1)
        at = times[:n].reshape(-1, block)[:, [0, block // 2]]
        times = np.concatenate([at.ravel(), times[n:]])
        values = np.concatenate([extremes.reshape(-1, values.shape[1]), values[n:]])
    steps = np.diff(times)
    gaps = 1 + np.flatnonzero(steps > 2.5 * np.median(steps)) if len(steps) else []
    return np.insert(times, gaps, np.nan), np.insert(values, gaps, np.nan, axis=0)

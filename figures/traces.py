"""State variables of single neurons and synapses over time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brainsleep.errors import FigureError, explain
from brainsleep.results.result import Result
from brainsleep.results.trace import Trace
from brainsleep.show.drawn import thinned

from . import _style as style
from ._read import conditions

NAME = "traces"

#: Traces of a variable that are drawn at most, and points of each: of more, the lowest and the
#: highest value in every stretch of time.
LINES, POINTS = 5, 4000

#: Results that are drawn side by side at most.
COLUMNS = 4


def draw(results: Sequence[Result], labels: Sequence[str] | None = None) -> Figure:
    """Draw every variable that was recorded, a row each and a column a result, sleep shaded.

    Parameters
    ----------
    results : sequence of Result
        Stored runs with traces (``record.states``), at most `COLUMNS`.
    labels : sequence of str, optional
        Their names; default: from the protocol.

    Returns
    -------
    Figure
        In a column one time axis, in a row one axis of values; of each variable the first `LINES`
        neurons or synapses. Where a result has no trace of a variable there is no panel.

    Raises
    ------
    FigureError
        If there are more results, or one has no traces.
    """
    shown = conditions(results, labels)
    if len(shown) > COLUMNS:
        raise FigureError(explain("figure traces: results", len(shown), f"at most {COLUMNS}"))
    traces = [_traces(condition.result) for condition in shown]
    names = list(dict.fromkeys(name for each in traces for name in each))
    rows = [[each.get(name) for each in traces] for name in names]
    with style.figure("double", 0.6 + 1.15 * len(rows)) as figure:
        panels = figure.subplots(
            len(rows), len(shown), squeeze=False, sharex="col", sharey="row"
        )  # fmt: skip
        for axes, row in zip(panels, rows, strict=True):
            _row(axes, row)
        for axes, condition, each in zip(panels.T, shown, traces, strict=True):
            start, end = _span(each.values(), float(condition.result.dt))
            inside = [(a, b) for a, b in condition.sleeps() if b > start and a < end]
            there = [panel for panel, name in zip(axes, names, strict=True) if name in each]
            for panel in there:
                style.shade_sleep(panel, inside)
            there[-1].set_xlim(start, end)
            there[-1].set_xlabel("time (s)")
            there[-1].tick_params(labelbottom=True)
            axes[0].set_title(condition.label if len(shown) == 1 else condition.wrapped, loc="left")
    return figure


def _traces(result: Result) -> dict[str, Trace]:
    """Return the traces of a result by name, but for those without a value."""
    traces = {name: result.states(name) for name in result.traced}
    traces = {name: trace for name, trace in traces.items() if len(trace.times)}
    if not traces:
        raise FigureError(
            f"figure traces: result {result.run_id} has no traces; run it again with "
            "--set \"record.states={'e.v': (0, 1)}\", or other variables of its network"
        )
    return traces


def _span(traces: Iterable[Trace], dt: float) -> tuple[float, float]:
    """Return when the first trace begins and the last ends, in s."""
    ends = [(float(trace.times[0]), float(trace.times[-1])) for trace in traces]
    start, end = min(first for first, _ in ends), max(last for _, last in ends)
    return start, end if end > start else start + dt


def _row(panels: Sequence[Axes], traces: Sequence[Trace | None]) -> None:
    """Draw a variable of each result in the unit that suits all, and say whose the traces are."""
    drawn = {k: trace for k, trace in enumerate(traces) if trace is not None}
    first = next(iter(drawn.values()))
    if len(units := {trace.unit for trace in drawn.values()}) > 1:
        raise FigureError(explain(f"figure traces: units of {first.name}", units, "one"))
    points = {
        k: thinned(np.asarray(trace.times), np.asarray(trace.values[:, :LINES]), POINTS)
        for k, trace in drawn.items()
    }
    size, unit = first.unit_for(np.concatenate([v.ravel() for _, v in points.values()]))
    whose = {k: _whose(trace) for k, trace in drawn.items()}
    same = len({(whose[k], len(trace.indices)) for k, trace in drawn.items()}) == 1
    for k, axes in enumerate(panels):
        if k not in drawn:
            axes.set_axis_off()
            continue
        times, values = points[k]
        for line, column in enumerate((values / size).T):
            colour, label = style.CONDITIONS[line], whose[k][line]
            axes.plot(times, column, color=colour, linewidth=0.8, label=label)
        if not same or k == max(drawn):
            more, n = values.shape[1] < len(drawn[k].indices), len(drawn[k].indices)
            (panels[-1] if same else axes).legend(
                handles=axes.lines,
                title=f"first {LINES} of {n}" if more else None,
                loc="center left", bbox_to_anchor=(1, 0.5), handlelength=1.2,
            )  # fmt: skip
    panels[min(drawn)].set_ylabel(f"{first.name}\n({unit})")
    panels[min(drawn)].tick_params(labelleft=True)


def _whose(trace: Trace) -> tuple[str, ...]:
    """Return the neurons, or pairs of neurons, of the traces that are drawn, in words."""
    if trace.pairs is None:
        return tuple(map(str, trace.indices[:LINES]))
    return tuple(f"{i}→{j}" for i, j in trace.pairs[:LINES])

"""What was measured under every condition, of any network: one row a condition."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from brainsleep.errors import FigureError, explain
from brainsleep.results.result import Result
from brainsleep.show.conditions import own_metrics
from brainsleep.show.drawn import default_label, population_name, told_apart
from brainsleep.show.facts import looked_at

from . import _style as style
from ._lines import rows
from ._names import wrapped
from ._read import check
from ._seeds import interval, seed_handles

NAME = "conditions"

#: Measures in one figure at most.
MOST = 4

COLOUR = style.CONDITIONS[1]


class Measure(NamedTuple):
    """A metric that is drawn: its name in results, its label, and what it is multiplied by."""

    metric: str
    label: str
    factor: float = 1.0


def draw(results: Sequence[Result], labels: Sequence[str] | None = None) -> Figure:
    """Draw one row a condition, one panel a measure: every seed and the mean with its interval.

    Parameters
    ----------
    results : sequence of Result
        Stored runs of any network; several seeds may have the same label.
    labels : sequence of str, optional
        The condition of each result; default: from the protocol, and the settings in which runs
        differ, as in "sleep 20 %, decay 0".

    Returns
    -------
    Figure
        Of what all results have, at most `MOST`: test accuracy, what a user's observers measured,
        rates awake and asleep, summed weight at the end over the start. With several seeds, their
        mean and Student's 95 % interval.

    Raises
    ------
    FigureError
        Without results, or if they have none of these measures in common.
    """
    check(results, labels)
    names = labels or told_apart([default_label(result) for result in results], results)
    groups: dict[str, list[Result]] = {}
    for result, name in zip(results, names, strict=True):
        groups.setdefault(str(name), []).append(result)
    shown = measures(results)
    if not shown:
        what = f"figure {NAME}: measures that all results have"
        raise FigureError(explain(what, "none", "accuracy, rates, weights or an observer's"))
    written = [wrapped(name, 26) for name in groups]
    lines = max(name.count("\n") + 1 for name in written)
    height = 0.85 + len(groups) * (0.1 + 0.1 * lines)
    with style.figure("double", height) as figure:
        axes = figure.subplots(1, len(shown), squeeze=False)[0]
        for ax, measure in zip(axes, shown, strict=True):
            for row, (name, mine) in zip(rows(ax, len(groups)), groups.items(), strict=True):
                values = [measure.factor * value(result, measure.metric) for result in mine]
                look = {"beside": 0.26, "markersize": 3.4, "elinewidth": 1}
                interval(ax, values, row, f"{name}: {measure.metric}", colour=COLOUR, **look)
            _limits(ax, [measure.factor * value(result, measure.metric) for result in results])
            if measure.metric == "network_accuracy":
                ax.set_xlim(0, 104)
            ax.set_xlabel(measure.label)
        axes[0].set_yticks(range(len(groups)), written, fontsize=7, linespacing=0.95)
        several = len(groups) < len(results)
        mean = Line2D([], [], color=COLOUR, linestyle="", marker="o", markersize=3.4)
        mean.set_label("mean over seeds" if several else "one seed")
        style.legend(figure, [mean, *(seed_handles(COLOUR, bars="_") if several else [])])
    return figure


def measures(results: Sequence[Result]) -> list[Measure]:
    """Return what all results have a number of, the most telling first, at most `MOST`."""
    first = results[0]
    population = looked_at(first)
    name = population_name(population)
    known = [Measure("network_accuracy", "test accuracy (%)", 100)]
    for metric, unit in own_metrics(first).items():
        known.append(Measure(metric, f"{wrapped(metric, 18)}{_unit(unit)}"))
    known += [
        Measure(f"rate_wake_{population}_hz", f"{name} rate\nawake (Hz)"),
        Measure(f"rate_sleep_{population}_hz", f"{name} rate\nasleep (Hz)"),
        Measure("growth", "sum of $w$, end\nover start"),
    ]
    return [m for m in known if all(math.isfinite(value(r, m.metric)) for r in results)][:MOST]


def value(result: Result, metric: str) -> float:
    """Return a metric as a number; NaN if there is none."""
    found = result.metrics.get(metric)
    return float(found) if isinstance(found, int | float) else math.nan


def _unit(unit: str) -> str:
    return "" if unit in ("", "1") else f"\n({unit})"


def _limits(axes: Axes, values: Sequence[float]) -> None:
    """Begin at 0 what is never negative, even if its interval is; leave room to equal values."""
    low, high = axes.dataLim.intervalx
    low = min(low, 0.0) if min(values) < 0 else 0.0
    room = 0.08 * (high - low) or 1.0
    axes.set_xlim(low - (room if low < 0 else 0), high + room)

"""Rates of the populations in wake and in sleep over the course of training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from brainsleep.errors import FigureError
from brainsleep.experiment.timeline import Timeline
from brainsleep.results.result import Result
from brainsleep.show.drawn import population_name

from . import _style as style
from ._lines import Curve, hidden_by
from ._read import Condition, conditions

NAME = "sleep_rates"

PHASES = ("wake", "sleep")

#: Points of a curve at most.
MOST = 60


def draw(results: Sequence[Result], labels: Sequence[str] | None = None) -> Figure:
    """Draw the rate in every wake and every sleep over biological time.

    Parameters
    ----------
    results : sequence of Result
        Stored runs, one a condition.
    labels : sequence of str, optional
        Names of the conditions; default: from the protocol.

    Returns
    -------
    Figure
        One row a population, wake on the left and sleep on the right; a point a phase, at its
        middle. Wake without sleep is cut into parts as long as the period of the schedule; of
        more than 60 phases consecutive ones are taken together.

    Raises
    ------
    FigureError
        Without a result of a network that was trained, or if an array is missing.
    """
    shown = [c for c in conditions(results, labels) if c.trained]
    if not shown:
        raise FigureError(
            "figure sleep_rates: no network was trained; give a result with data.n_train above 0"
        )
    names = _populations(shown)
    with style.figure("double", 0.6 + 1.35 * len(names)) as figure:
        axes = figure.subplots(len(names), 2, squeeze=False, sharex=True)
        for pair, name in zip(axes, names, strict=True):
            for ax, phase in zip(pair, PHASES, strict=True):
                _panel(ax, shown, name, phase)
            pair[0].set_ylabel(f"{population_name(name)} rate (Hz)")
        for ax, phase in zip(axes[0], PHASES, strict=True):
            ax.set_title(phase)
        for ax in axes[-1]:
            ax.set_xlabel("biological time (s)")
        axes[0, 0].set_xlim(0, max(c.training_end() for c in shown))
        style.legend(figure, [Line2D([], [], color=c.colour, label=c.label) for c in shown])
    return figure


def phase_rates(condition: Condition, population: str, phase: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the middle in s and the rate in Hz of every phase of a kind in training.

    Parameters
    ----------
    condition : Condition
        A result.
    population : str
        Name of a population.
    phase : {"wake", "sleep"}
        Kind of phase. Consecutive slots of a kind are one phase; one longer than the period of
        the schedule, or than the slots of a timeline, is cut into parts of that length. Phases
        without duration are left out; more than `MOST` are pooled, equally many consecutive ones
        each.

    Returns
    -------
    times, rates : ndarray, shape (n_points,)
    """
    starts = condition.starts()
    kinds = condition.array("slots/phase")
    totals = condition.array(f"totals/{population}")
    images = np.maximum(condition.arrays.get("slots/n_images", 1), 1)
    totals = totals / images  # a batch has the spikes of all its images
    schedule = condition.protocol.schedule
    period = float(schedule.slot if isinstance(schedule, Timeline) else schedule.period)
    size = condition.protocol.network.population(population).size
    first, rows = 0, []
    for last in range(1, len(kinds) + 1):
        whole = last == len(kinds) or kinds[last] != kinds[first]
        if not whole and starts[last] - starts[first] < period - 0.5 * condition.dt:
            continue
        duration = starts[last] - starts[first]
        if kinds[first] == phase and duration > 0:
            middle = (starts[first] + starts[last]) / 2
            rows.append((duration, duration * middle, totals[first:last].sum()))
        first = last
    if not rows:
        return np.empty(0), np.empty(0)
    table = np.array(rows)
    pooled = np.add.reduceat(table, np.arange(0, len(table), -(-len(table) // MOST)))
    return pooled[:, 1] / pooled[:, 0], pooled[:, 2] / (size * pooled[:, 0])


def _populations(shown: Sequence[Condition]) -> list[str]:
    """Return the populations that all results have, but inputs and those without spikes."""
    network = shown[0].protocol.network
    silent = {p.name for p in network.populations if not getattr(p, "spikes", True)}
    names = [p.name for p in network.populations if p.name not in {*network.sources, *silent}]
    others = [{p.name for p in c.protocol.network.populations} for c in shown]
    common = [name for name in names if all(name in other for other in others)]
    if not common:
        raise FigureError("figure: the results have no population in common; draw them apart")
    return common


def _panel(axes: Axes, shown: Sequence[Condition], population: str, phase: str) -> None:
    largest = 0.0
    drawn: list[Curve] = []
    for c in shown:
        times, rates = phase_rates(c, population, phase)
        if not len(times):
            continue
        largest = max(largest, rates.max())
        look: dict = {"markersize": 3 if len(times) < 8 else 1.6}
        if hidden := hidden_by((times, rates), drawn):  # rings around points, gaps over lines
            look["markersize"] += 2.4 * hidden
            look |= {"markerfacecolor": "none", "markeredgewidth": 0.7}
            look |= style.broken(hidden)
        drawn.append((times, rates))
        axes.plot(
            times,
            rates,
            color=c.colour,
            marker="o",
            linewidth=0.8,
            clip_on=False,
            gid=c.label,
            **look,
        )
    axes.set_ylim(0, 1.1 * largest if largest > 0 else 1)
    if not axes.lines:
        axes.text(
            0.5,
            0.5,
            f"no {phase}",
            transform=axes.transAxes,
            ha="center",
            va="center",
            color=style.REFERENCE,
        )

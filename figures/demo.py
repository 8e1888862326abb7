"""The demonstration: weights run away without sleep, sleep bounds them; accuracy with controls."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brainsleep.results.result import Result
from brainsleep.show.drawn import population_name

from . import _style as style
from ._lines import name_accuracies, rate_axis, rows
from ._panels import legend_handles, no_raster, raster, weight_course, weight_histogram
from ._read import Condition, check_images, conditions, has_raster, projections

NAME = "demo"


def draw(results: Sequence[Result], labels: Sequence[str] | None = None) -> Figure:
    """Draw weights over time, their histograms, a raster, accuracy and rate of each condition.

    Parameters
    ----------
    results : sequence of Result
        Stored runs, one a condition; one to six read well.
    labels : sequence of str, optional
        Names of the conditions; default: from the protocol, as in "no sleep", "sleep 20 %",
        "frozen".

    Returns
    -------
    Figure
        Panels a (weights in time), b (histograms), c (raster across a sleep of the condition that
        sleeps most), d (accuracy with 95 % bootstrap interval), e (rate in the test).

    Raises
    ------
    FigureError
        Without results, or if they lack an array or a metric.
    """
    check_images(results, labels)
    shown = conditions(results, labels)
    shown_projections = _excitatory(shown)
    with style.figure("double", 5.5) as figure:
        grid = figure.add_gridspec(2, 1, height_ratios=[1.35, 1])
        upper = grid[0].subgridspec(len(shown_projections), 2, width_ratios=[1.75, 1])
        lower = grid[1].subgridspec(1, 3, width_ratios=[2.1, 1.15, 1])
        _weights(figure, upper, shown, shown_projections)
        axes = [figure.add_subplot(cell) for cell in lower]
        _raster(axes[0], shown)
        _accuracy(axes[1], shown)
        _rates(axes[2], shown)
        for ax, text, offset in zip(axes, "cde", (-40, -44, -8), strict=True):
            style.letter(ax, text, offset)
        style.legend(figure, legend_handles(shown))
    return figure


def _excitatory(shown: Sequence[Condition]) -> list[dict]:
    """Return the plastic excitatory projections onto the readout population, at most two."""
    names = projections(shown)
    target = shown[0].images.readout.population
    chosen = [p for p in names if getattr(p, "sign", 0) == 1 and p.rules and p.target == target]
    return (chosen or names)[:2]


def _weights(figure: Figure, grid, shown: Sequence[Condition], chosen: Sequence[dict]) -> None:
    """Draw panels a and b, one row a projection."""
    courses = [figure.add_subplot(grid[k, 0]) for k in range(len(chosen))]
    histograms = [figure.add_subplot(grid[k, 1]) for k in range(len(chosen))]
    for course, histogram, projection in zip(courses, histograms, chosen, strict=True):
        weight_course(course, shown, projection)
        weight_histogram(histogram, shown, projection)
        course.set_ylabel("weight $w$\n(dimensionless)")
    courses[-1].set_xlabel("biological time (s)")
    histograms[-1].set_xlabel("weight $w$ (dimensionless)")
    style.letter(courses[0], "a", -40)
    style.letter(histograms[0], "b", -34)


def _raster(axes: Axes, shown: Sequence[Condition]) -> None:
    recorded = [c for c in shown if has_raster(c)]
    if not recorded:
        no_raster(axes)
        return
    chosen = max(recorded, key=lambda c: c.protocol.schedule.sleep.fraction * c.trained)
    raster(axes, chosen)
    axes.set_title(chosen.label, color=chosen.colour, loc="left", pad=12)


def _accuracy(axes: Axes, shown: Sequence[Condition]) -> None:
    """Draw accuracy with interval, the same readout on raw pixels, and chance."""
    y = rows(axes, len(shown))
    axes.set_yticks(y, [c.wrapped for c in shown])
    for row, c in zip(y, shown, strict=True):
        accuracy = 100 * c.metric("network_accuracy")
        low, high = (100 * v for v in c.metric("network_interval"))
        axes.errorbar(
            accuracy,
            row,
            xerr=np.maximum([[accuracy - low], [high - accuracy]], 0),
            fmt="o",
            color=c.colour,
            markersize=3,
            elinewidth=1,
            capsize=3,
            capthick=1,
            gid="accuracy",
        )
    pixels = 100 * np.mean([c.metric("pixels_accuracy") for c in shown])
    low = 100 * min(c.metric("pixels_interval")[0] for c in shown)
    high = 100 * max(c.metric("pixels_interval")[1] for c in shown)
    axes.axvspan(low, high, color=style.REFERENCE, alpha=0.15, linewidth=0, zorder=0)
    axes.axvline(pixels, color=style.REFERENCE, linewidth=0.8, zorder=1, gid="raw pixels")
    chance = 100 / len(np.unique(np.concatenate([c.array("labels/test") for c in shown])))
    axes.axvline(
        chance, color=style.REFERENCE, linewidth=0.8, linestyle=":", zorder=1, gid="chance"
    )
    name_accuracies(axes, {"raw pixels": pixels, "chance": chance})
    axes.set_xlim(0, 104)
    axes.set_xticks([0, 50, 100])
    axes.set_xlabel("test accuracy (%)")


def _rates(axes: Axes, shown: Sequence[Condition]) -> None:
    """Draw the mean rate of the readout population in the test."""
    population = shown[0].images.readout.population
    rates = [c.metric(f"rate_test_{population}_hz") for c in shown]
    for row, c, rate in zip(rows(axes, len(shown)), shown, rates, strict=True):
        axes.plot(rate, row, "o", color=c.colour, markersize=5, gid="rate")
    rate_axis(axes, rates)
    axes.set_xlabel(f"{population_name(population)} rate in test (Hz)")

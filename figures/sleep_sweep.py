"""A sweep of sleep fractions: accuracy, what sleep changes seed by seed, and rates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brainsleep.errors import FigureError
from brainsleep.results.result import Result

from . import _style as style
from ._panels import line_label
from ._read import check_images, population_name
from ._seeds import (
    FREE,
    Run,
    accuracy_line,
    by_data,
    check_once,
    curve,
    curve_handles,
    curve_looks,
    data_title,
    different,
    groups_of,
    references,
    runs,
    spread,
)

NAME = "sleep_sweep"

#: Values by sleep in % of wake, one a seed.
Values = dict[float, list[float]]


def draw(results: Sequence[Result], labels: Sequence[str] | None = None) -> Figure:
    """Draw what a sweep of sleep fractions found, one column a data set and one curve a model.

    Parameters
    ----------
    results : sequence of Result
        Stored runs: sleep fractions, seeds, models, data sets.
    labels : sequence of str, optional
        The curve each result belongs to; default: by network.

    Returns
    -------
    Figure
        From the top: test accuracy beside raw pixels and chance; its difference to no sleep with
        the same seed; the rate of the readout population in the test. Every seed, and the mean
        over seeds with Student's 95 % interval. Without runs that do not sleep there is no
        difference.

    Raises
    ------
    FigureError
        If the runs of a curve on one data set differ in more than sleep and seed, or one is given
        twice.
    """
    check_images(results, labels)
    all_runs = runs(results, labels, [result.stored_protocol.network.name for result in results])
    for curve_name in groups_of(all_runs):
        mine = [run for run in all_runs if run.group == curve_name]
        for panel in by_data(mine).values():
            if difference := different(panel, FREE):
                raise FigureError(
                    f"figure {NAME}: {difference} in runs of '{curve_name}'; draw them apart, or "
                    "give each curve a label of its own"
                )
    check_once(all_runs, fractions=True)
    looks, panels = curve_looks(groups_of(all_runs), NAME), by_data(all_runs)
    paired = any(_differences(all_runs).values())
    rows: list[tuple[str, Callable]] = [("test accuracy (%)", _accuracy)]
    rows += [("gain over no sleep,\nsame seed (points)", _difference)] if paired else []
    populations = {population_name(run.images.readout.population) for run in all_runs}
    who = populations.pop() if len(populations) == 1 else "readout"
    rows += [(f"{who} rate in test (Hz)", _rate)]
    width = "single" if len(panels) == 1 else "double"
    with style.figure(width, 0.6 + 1.45 * len(rows)) as figure:
        axes = figure.subplots(len(rows), len(panels), squeeze=False, sharex="col", sharey="row")
        for column, (data, shown) in zip(axes.T, panels.items(), strict=True):
            column[0].set_title(data_title(data))
            for ax, (_, panel) in zip(column, rows, strict=True):
                panel(ax, shown, looks)
            _sleep_axis(column[-1], shown)
        for ax, (label, _) in zip(axes[:, 0], rows, strict=True):
            ax.set_ylabel(label)
        axes[0, 0].set_ylim(0, 100)
        axes[-1, 0].set_ylim(0, 1.15 * max(1.0, *(run.rate for run in all_runs)))
        if paired:
            axes[1, 0].set_ylim(*_room(panels))
        figure.align_ylabels()
        style.legend(figure, curve_handles(all_runs, looks))
    return figure


def _room(panels: Mapping[str, Sequence[Run]]) -> tuple[float, float]:
    """Return limits within which all differences, their intervals and 0 lie."""
    ends = [0.0]
    for shown in panels.values():
        for name in groups_of(shown):
            for values in _differences([run for run in shown if run.group == name]).values():
                found, (half,) = spread(values)
                ends += [found.mean - half, found.mean + half, *values]
    edge = 0.08 * max(max(ends) - min(ends), 1.0)
    return min(ends) - edge, max(ends) + edge


def _sleep_axis(axes: Axes, shown: Sequence[Run]) -> None:
    percent = sorted({100 * run.fraction for run in shown})
    room = 0.06 * max(percent[-1] - percent[0], 5)
    axes.set_xlim(percent[0] - room, percent[-1] + room)
    axes.set_xlabel("sleep (% of wake)")


def _accuracy(axes: Axes, shown: Sequence[Run], looks: Mapping[str, dict[str, str]]) -> None:
    last = max(run.fraction for run in shown)
    beside = [run.percent("network_accuracy") for run in shown if run.fraction > 0.75 * last]
    for kind, value in references(shown).items():
        accuracy_line(axes, value, kind)
        line_label(axes, kind, value, beside)
    _curves(axes, shown, looks, lambda mine: _by_fraction(mine, _percent))


def _difference(axes: Axes, shown: Sequence[Run], looks: Mapping[str, dict[str, str]]) -> None:
    axes.axhline(0, color=style.REFERENCE, linewidth=0.8, zorder=1, gid="no sleep")
    _curves(axes, shown, looks, _differences)


def _rate(axes: Axes, shown: Sequence[Run], looks: Mapping[str, dict[str, str]]) -> None:
    _curves(axes, shown, looks, lambda mine: _by_fraction(mine, lambda r: r.rate))


def _curves(
    axes: Axes,
    shown: Sequence[Run],
    looks: Mapping[str, dict[str, str]],
    values: Callable[[Sequence[Run]], Values],
) -> None:
    for k, name in enumerate(looks):
        found = values([run for run in shown if run.group == name])
        if found:
            curve(axes, name, found, looks, k)


def _percent(run: Run) -> float:
    return run.percent("network_accuracy")


def _by_fraction(shown: Sequence[Run], value: Callable[[Run], float]) -> Values:
    found: Values = {}
    for run in sorted(shown, key=lambda run: run.fraction):
        found.setdefault(100 * run.fraction, []).append(value(run))
    return found


def _differences(shown: Sequence[Run]) -> Values:
    """Return accuracy less that without sleep, over the seeds that have both."""
    awake = {(r.group, r.data, r.seed): _percent(r) for r in shown if r.fraction == 0}
    paired = [r for r in shown if r.fraction > 0 and (r.group, r.data, r.seed) in awake]
    return _by_fraction(paired, lambda r: _percent(r) - awake[r.group, r.data, r.seed])

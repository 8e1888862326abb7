"""A sweep of sleep fractions: accuracy, what sleep changes seed by seed, and rates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brainsleep.errors import FigureError
from brainsleep.results.result import Result
from brainsleep.show.drawn import population_name, told_apart

from . import _style as style
from ._lines import line_labels
from ._names import FREE, different
from ._read import check_images
from ._seeds import (
    Run,
    accuracy_line,
    by_data,
    check_once,
    curve,
    curve_handles,
    curve_looks,
    data_title,
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
        The curve each result belongs to, or the condition that it is; default: by network, and by
        the settings in which runs differ, as in "decay 0".

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
        If the runs of a labelled curve on one data set differ in more than sleep and seed, or one
        is given twice.
    """
    check_images(results, labels)
    all_runs = curves(results, labels)
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
            column[-1].set_xlabel("sleep (% of wake)")
        for ax, (label, _) in zip(axes[:, 0], rows, strict=True):
            ax.set_ylabel(label)
        axes[-1, 0].set_ylim(0, 1.15 * max(1.0, *(run.rate for run in all_runs)))
        if paired:
            axes[1, 0].set_ylim(*_room(panels))
        figure.align_ylabels()
        style.legend(figure, curve_handles(all_runs, looks))
    return figure


def curves(results: Sequence[Result], labels: Sequence[str] | None) -> list[Run]:
    """Return the runs of every curve: runs that differ in nothing but sleep's length and the seed.

    Parameters
    ----------
    results : sequence of Result
        Stored runs.
    labels : sequence of str, optional
        Names of curves; or, if each is of a single sleep fraction, of conditions.

    Returns
    -------
    list of Run
        A run without sleep is in every curve whose network is the same awake, whatever its sleep
        would have done.

    Raises
    ------
    FigureError
        If labels name curves, and runs of one differ in more.
    """
    networks = [result.stored_protocol.network.name for result in results]
    all_runs = runs(results, labels, networks)
    if labels is not None and _name_curves(all_runs):
        for name in groups_of(all_runs):
            for panel in by_data(run for run in all_runs if run.group == name).values():
                if difference := different(panel, FREE):
                    raise FigureError(
                        f"figure {NAME}: {difference} in runs of '{name}'; draw them apart, or "
                        "give each curve a label of its own"
                    )
        return all_runs
    asleep = [k for k, run in enumerate(all_runs) if run.fraction]
    found = told_apart([networks[k] for k in asleep], [results[k] for k in asleep], FREE)
    same = len(set(networks)) == 1  # which need not be said
    found = [name.removeprefix(f"{networks[0]}, ") if same else name for name in found]
    if labels is not None:  # a curve whose runs all have one label is called so
        said = {name: {labels[k] for k, n in zip(asleep, found, strict=True) if n == name}
                for name in found}  # fmt: skip
        found = [str(min(said[name])) if len(said[name]) == 1 else name for name in found]
    sleeping = [Run(results[k], name) for k, name in zip(asleep, found, strict=True)]
    awake = [run for run in all_runs if not run.fraction]
    return sleeping + _without_sleep(sleeping, awake)


def _name_curves(all_runs: Sequence[Run]) -> bool:
    """Tell whether groups are curves: one has several fractions of sleep, or all have the same."""
    fractions = {run.fraction for run in all_runs}
    each = [{r.fraction for r in all_runs if r.group == name} for name in groups_of(all_runs)]
    return len(fractions) == 1 or any(len(own) > 1 for own in each)


def _without_sleep(sleeping: Sequence[Run], awake: Sequence[Run]) -> list[Run]:
    """Return runs without sleep as parts of the curves that they belong to, else of their own."""
    found, used = [], set()
    for name, data in dict.fromkeys((run.group, run.data) for run in sleeping):
        one = next(run for run in sleeping if (run.group, run.data) == (name, data))
        by_seed: dict[int, Run] = {}
        for run in awake:
            if run.data != data or different([one, run], (*FREE, r"schedule\.sleep\..*")):
                continue
            used.add(run)
            if run.seed not in by_seed or not different([one, run], FREE):
                by_seed[run.seed] = Run(run.result, name)
        found += by_seed.values()
    left = [run for run in awake if run not in used]
    names = told_apart([run.group for run in left], [run.result for run in left], FREE)
    return found + [Run(run.result, name) for run, name in zip(left, names, strict=True)]


def _room(panels: Mapping[str, Sequence[Run]]) -> tuple[float, float]:
    """Return limits within which all differences, their intervals and 0 lie."""
    ends = [0.0]
    for shown in panels.values():
        for name in groups_of(shown):
            for values in _differences([run for run in shown if run.group == name]).values():
                found, (half,) = spread(values)
                ends += [found.mean - half, found.mean + half, *values]
    edge = max(0.08 * (max(ends) - min(ends)), 1.0)
    return min(ends) - edge, max(ends) + edge


def _sleep_axis(axes: Axes, shown: Sequence[Run]) -> None:
    percent = sorted({100 * run.fraction for run in shown})
    room = 0.06 * (percent[-1] - percent[0]) or 5
    axes.set_xlim(percent[0] - room, percent[-1] + room)


def _accuracy(axes: Axes, shown: Sequence[Run], looks: Mapping[str, dict[str, str]]) -> None:
    lines = references(shown)
    for kind, value in lines.items():
        accuracy_line(axes, value, kind)
    _curves(axes, shown, looks, lambda mine: _by_fraction(mine, _percent))
    axes.set_ylim(0, 100)
    _sleep_axis(axes, shown)
    line_labels(axes, lines)


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

"""How far one condition is above the best of its controls, by setting: a search at a glance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from brainsleep.errors import FigureError, explain
from brainsleep.results.result import Result
from brainsleep.show.drawn import default_label, told_apart

from . import _style as style
from ._lines import rows
from ._names import wrapped
from ._read import check_images
from ._seeds import (
    MARKERS,
    Run,
    by_data,
    check_once,
    data_title,
    runs,
    spread,
)

NAME = "margins"

#: Between the parts of a label.
APART = " / "

#: Characters of a setting's name in one line.
LINE = 30

#: Height of a setting's row in inches, and from one point of it to the next as parts of a row.
ROW, STEP = 0.21, 0.17


def draw(results: Sequence[Result], labels: Sequence[str] | None = None) -> Figure:
    """Draw one row a setting: accuracy of its first arm less that of the best other, seed by seed.

    Parameters
    ----------
    results : sequence of Result
        Stored runs. A setting has at least two arms; only seeds that all its arms have count.
    labels : sequence of str, optional
        What each result is: ``SETTING / ARM``, or ``SERIES / SETTING / ARM`` for points of several
        kinds, such as the stages of a search. Default: arms of one setting, named from the
        protocol, as in "no sleep", "sleep 20 %".

    Returns
    -------
    Figure
        One panel a data set. Filled: the readout of all labels. Open: the mean of those of fewer
        labels, where all runs have some. Of several seeds the mean, with Student's 95 % interval.

    Raises
    ------
    FigureError
        Without results, if a setting has a single arm, or arms without a seed in common, if a run
        lacks a metric, or if a seed occurs twice under one label.
    """
    check_images(results, labels)
    all_runs = runs(results, labels, told_apart([default_label(r) for r in results], results))
    check_once(all_runs)
    panels = by_data(all_runs)
    settings = list(dict.fromkeys(parts(run.group)[1] for run in all_runs))
    series = list(dict.fromkeys(parts(run.group)[0] for run in all_runs))
    looks = dict(zip(series, zip(style.CONDITIONS[1:], MARKERS, strict=False), strict=False))
    arm = parts(all_runs[0].group)[2]
    few = all(few_labels(run) for run in all_runs)
    found = {data: margins(shown, few) for data, shown in panels.items()}
    with style.figure("double", 1.1 + ROW * len(settings)) as figure:
        axes = figure.subplots(1, len(panels), squeeze=False, sharey=True, sharex=True)[0]
        for ax, (data, shown) in zip(axes, found.items(), strict=True):
            _panel(ax, shown, settings, looks)
            ax.set_title(data_title(data))
            ax.set_xlabel(f"{arm} less the best control (points)")
        names = [wrapped(name, LINE) for name in settings]
        axes[0].set_yticks(range(len(settings)), names, fontsize=7, linespacing=0.95)
        several = any(len(values) > 1 for each in found.values() for values in each.values())
        style.legend(figure, _handles(looks, few, several))
    return figure


def parts(label: str) -> tuple[str, str, str]:
    """Return series, setting and arm of a label; what is not named is ''."""
    *before, arm = label.split(APART)
    return APART.join(before[:-1]), before[-1] if before else "", arm


def few_labels(run: Run) -> list[str]:
    """Return the metrics of a run's readout with fewer labels than all."""
    given, most = run.images.readout.label_counts, run.images.data.n_readout
    return [f"network_accuracy_{n}" for n in given if n < most]


def margins(shown: Sequence[Run], few: bool) -> dict[tuple[str, str, bool], list[float]]:
    """Return margins in points, one a seed, by series, setting and whether labels are few.

    Parameters
    ----------
    shown : sequence of Run
        Runs on one data set.
    few : bool
        Whether to give the readout with few labels, too.
    """
    arms: dict[tuple[str, str], dict[str, dict[int, Run]]] = {}
    for run in shown:
        series, setting, arm = parts(run.group)
        arms.setdefault((series, setting), {}).setdefault(arm, {})[run.seed] = run
    found: dict[tuple[str, str, bool], list[float]] = {}
    for (series, setting), by_arm in arms.items():
        first, *others = by_arm.values()
        seeds = [seed for seed in first if all(seed in other for other in others)]
        if not others or not seeds:
            where = f"figure {NAME}: runs of '{setting}' on {shown[0].data} with a seed in common"
            fix = "give each setting a run of two arms or more with the same seed"
            raise FigureError(explain(where, "none", "at least two", fix))
        for fewer in (False, True) if few else (False,):
            found[series, setting, fewer] = [
                accuracy(first[seed], fewer) - max(accuracy(o[seed], fewer) for o in others)
                for seed in seeds
            ]
    return found


def accuracy(run: Run, few: bool) -> float:
    """Return a run's accuracy in per cent, with all labels or the mean of those with fewer."""
    names = few_labels(run) if few else ["network_accuracy"]
    return float(np.mean([run.percent(name) for name in names]))


def _panel(
    axes: Axes,
    found: Mapping[tuple[str, str, bool], Sequence[float]],
    settings: Sequence[str],
    looks: Mapping[str, tuple[str, str]],
) -> None:
    rows(axes, len(settings))
    axes.update_datalim([(-1, 0), (1, 0)], updatey=False)  # equal arms are no wide axis of nothing
    axes.axvline(0, color=style.REFERENCE, linewidth=0.8, zorder=1, gid="no difference")
    for row, setting in enumerate(settings):
        mine = [key for key in found if key[1] == setting]
        for k, (series, _, few) in enumerate(mine):
            colour, marker = looks[series]
            mean, half = spread(found[series, setting, few])
            axes.errorbar(
                mean.mean,
                row + (k - (len(mine) - 1) / 2) * STEP,
                xerr=half,
                fmt=marker,
                color=colour,
                markerfacecolor="white" if few else colour,
                markeredgewidth=0.8,
                markersize=3.4,
                elinewidth=0.9,
                zorder=3,
                label=APART.join(filter(None, (series, setting, "few labels" if few else ""))),
            )


def _handles(looks: Mapping[str, tuple[str, str]], few: bool, several: bool) -> list[Artist]:
    handles: list[Artist] = []
    for series, (colour, marker) in looks.items():
        name = ", ".join(filter(None, (series, "all labels" if few else "")))
        one = Line2D([], [], color=colour, marker=marker, linestyle="", markersize=3.4)
        one.set_label(name or ("mean over seeds" if several else "one seed"))
        handles.append(one)
    if few:
        open_one = Line2D([], [], color=style.REFERENCE, marker="o", linestyle="", markersize=3.4)
        open_one.set(markerfacecolor="white", markeredgewidth=0.8, label="few labels")
        handles.append(open_one)
    if several:
        bar = Line2D([], [], color=style.REFERENCE, marker="_", markersize=9, linestyle="")
        bar.set_label("95 % interval of mean")
        handles.append(bar)
    return handles

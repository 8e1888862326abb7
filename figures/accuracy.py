"""Accuracy of the paper's networks against sleep, beside raw pixels and the authors' values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from brainsleep.errors import FigureError, explain
from brainsleep.results.result import Result

from . import _style as style
from ._lines import line_labels
from ._names import FREE, different
from ._read import check_images
from ._seeds import (
    Run,
    accuracy_line,
    by_data,
    check_once,
    data_panels,
    groups_of,
    known_data,
    references,
    runs,
    seed_handles,
    spread,
)

NAME = "accuracy"

#: The conditions of a comparison are points along one curve, not curves with a label each.
SWEEP = True

#: The authors' accuracies, one row a seed (arXiv:2601.08447).
AUTHORS_TABLE = Path(__file__).with_name("data") / "massey2026_accuracy.csv"
AUTHORS, AUTHORS_COLOUR = "Massey et al. 2026", "#9C9C9C"

#: The paper's networks, and what they are called in that table; and one that it does not have.
NETWORKS = {"massey2026": "stdp_snn", "sg_snn": "sg_snn", "sg_snn_decay": ""}

#: What curves are called: by the rules of the recurrent network, by the loss of the other.
LOSSES = {"ce_count_loss": "loss of spike counts", "ce_step_loss": "as released"}
RULES = {
    "stdp_released": "released rule",
    "stdp_nearest": "textbook rule",
    "stdp_all": "textbook rule, all to all",
}

#: What else may differ, from data set to data set.
SIZES = r"data\.n_.*"
RULE_KEYS = (
    r"network\.projections\.[^.]+\.rules.*",
    r"network\.projections\.[^.]+\.processes.*w_star",
    r"network\.projections\.[^.]+\.processes.*tau_w",
    r"network\.loss",
)


def draw(results: Sequence[Result], labels: Sequence[str] | None = None) -> Figure:
    """Draw accuracy against sleep, one panel a data set and one curve a plasticity rule.

    Parameters
    ----------
    results : sequence of Result
        Stored runs of one of the paper's networks: sleep fractions, seeds, rules (or losses),
        data sets.
    labels : sequence of str, optional
        The curve each result belongs to; default: by plasticity rule, or by loss.

    Returns
    -------
    Figure
        Every seed, the mean over seeds with Student's 95 % interval, raw pixels, chance, and
        the authors' values where they have the data set.

    Raises
    ------
    FigureError
        If a result is of another network, the runs of a curve differ in more than sleep, data
        and seed (without labels: those of any two curves, in more than the rule), or one is
        given twice.
    """
    check_images(results, labels)
    all_runs = runs(results, labels, [_rule(result) for result in results])
    _check(all_runs, labelled=labels is not None)
    panels = by_data(all_runs)
    colours = _colours(groups_of(all_runs))
    with data_panels(panels, "sleep (% of wake)", 2.05) as (figure, axes):
        for ax, shown in zip(axes, panels.values(), strict=True):
            _panel(ax, shown, colours)
        style.legend(figure, _handles(all_runs, colours))
    return figure


def authors_values(data: str, network: str = "massey2026") -> pd.DataFrame:
    """Return the authors' accuracies of a network on a data set, no rows if they have none.

    Parameters
    ----------
    data : str
        Name of the data set; one of some of its images, as in ``"mnist_8k"``, counts as it.
    network : {"massey2026", "sg_snn", "sg_snn_decay"}
        Name of the network.

    Returns
    -------
    pandas.DataFrame
        Columns ``sleep_percent``, ``seed``, ``accuracy_percent``.
    """
    table = pd.read_csv(AUTHORS_TABLE)
    kept = (table["model"] == NETWORKS[network]) & (table["dataset"] == known_data(data))
    return table.loc[kept, ["sleep_percent", "seed", "accuracy_percent"]]


def _rule(result: Result) -> str:
    """Return the name of a result's plasticity rules, or of its loss."""
    network = result.stored_protocol.network
    if loss := getattr(network, "loss", ""):
        return LOSSES.get(loss, loss)
    names = {rule.name for p in network.projections for rule in p.rules}
    return ", ".join(sorted(RULES.get(name, name) for name in names)) or "no plasticity"


def _check(all_runs: Sequence[Run], labelled: bool) -> None:
    for run in all_runs:
        network, first = _network(run), _network(all_runs[0])
        what = f"figure accuracy: network of result {run.result.run_id}"
        if network not in NETWORKS:
            allowed = f"one of the paper's: {', '.join(NETWORKS)}"
            raise FigureError(explain(what, network, allowed))
        if network != first:
            raise FigureError(explain(what, network, f"{first}, as the first; draw them apart"))
    for group in groups_of(all_runs):
        curves = [run for run in all_runs if run.group == group]
        _check_same(curves, (*FREE, SIZES))
        for panel in by_data(curves).values():
            _check_same(panel, FREE)
    if not labelled:
        _check_same(all_runs, (*FREE, SIZES, *RULE_KEYS))
        for panel in by_data(all_runs).values():
            _check_same(panel, (*FREE, *RULE_KEYS))
    check_once(all_runs, fractions=True)


def _network(run: Run) -> str:
    return run.protocol.network.name


def _check_same(all_runs: Sequence[Run], free: Sequence[str]) -> None:
    if difference := different(all_runs, free):
        raise FigureError(
            f"figure accuracy: {difference} in results of one comparison; draw them apart, or "
            "give each curve a label of its own"
        )


def _colours(groups: Sequence[str]) -> dict[str, str]:
    """Give each curve a colour: the released and the textbook rule always have the same ones."""
    fixed = dict(zip(RULES.values(), style.CONDITIONS, strict=False))
    others = [colour for colour in style.CONDITIONS if colour not in fixed.values()]
    free = [group for group in groups if group not in fixed]
    if len(free) > len(others):
        raise FigureError(explain("figure accuracy: curves", len(free), f"at most {len(others)}"))
    return {g: fixed[g] if g in fixed else others[free.index(g)] for g in groups}


def _panel(axes: Axes, shown: Sequence[Run], colours: dict[str, str]) -> None:
    lines = references(shown)
    theirs = authors_values(shown[0].data, _network(shown[0]))
    groups = [
        (name, [(100 * run.fraction, run.percent("network_accuracy")) for run in shown
                if run.group == name], colour)
        for name, colour in colours.items()
    ]  # fmt: skip
    if len(theirs):
        pairs = list(zip(theirs["sleep_percent"], theirs["accuracy_percent"], strict=True))
        groups.insert(0, (AUTHORS, pairs, AUTHORS_COLOUR))
    for name, pairs, colour in groups:
        if pairs:
            _curve(axes, name, pairs, colour)
    last = max(x for _, pairs, _ in groups for x, _ in pairs)
    for kind, value in lines.items():
        accuracy_line(axes, value, kind)
    axes.set_xlim(-0.04 * max(last, 10), 1.06 * max(last, 10))
    line_labels(axes, lines)
    _longest_sleep(axes, shown, last)


def _curve(axes: Axes, name: str, pairs: Sequence[tuple[float, float]], colour: str) -> None:
    """Draw every seed as a point and the mean over seeds as a line with its interval."""
    theirs = name == AUTHORS
    x, y = zip(*sorted(pairs), strict=True)
    beside = ScaledTranslation(3.6 / 72, 0, axes.figure.dpi_scale_trans)  # of the error bar
    axes.scatter(
        x,
        y,
        s=5,
        color=colour,
        alpha=0.6,
        linewidths=0,
        zorder=2,
        transform=axes.transData + beside,
        gid=f"{name}: seeds",
    )
    fractions = sorted(set(x))
    spreads = [spread([b for a, b in pairs if a == fraction]) for fraction in fractions]
    axes.errorbar(
        fractions,
        [each.mean for each, _ in spreads],
        yerr=[half[0] for _, half in spreads],
        color=colour,
        linestyle=(0, (3, 1.5)) if theirs else "-",
        marker="D" if theirs else "o",
        markersize=2.6 if theirs else 3.2,
        elinewidth=0.9,
        zorder=2.5 if theirs else 3,
        label=name,
    )


def _longest_sleep(axes: Axes, shown: Sequence[Run], last: float) -> None:
    """Mark the fraction above which a sleep no longer gets longer, if fractions go beyond it."""
    limits = sorted({_limit(run) for run in shown})
    at, longest = limits[0]
    if at >= last:
        return
    axes.axvline(
        at, color=style.REFERENCE, linewidth=0.6, linestyle=(0, (1, 2)), gid="longest sleep"
    )
    axes.annotate(
        f"at most {longest:g} s of sleep{', if limited' if len(limits) > 1 else ''} →",
        (at, 0),
        xycoords=("data", "axes fraction"),
        xytext=(2, 2),
        textcoords="offset points",
        fontsize=6.5,
        color=style.REFERENCE,
    )


def _limit(run: Run) -> tuple[float, float]:
    """Return the longest sleep of a run in per cent of wake, and in s."""
    schedule = run.protocol.schedule
    if schedule.sleep.duration is not None:  # sleeps come more often, not longer
        return float("inf"), float("inf")
    longest, period = float(schedule.sleep.max_duration), float(schedule.period)
    return 100 * longest / period, longest


def _handles(all_runs: Sequence[Run], colours: dict[str, str]) -> list:
    handles = [
        Line2D([], [], color=colour, marker="o", markersize=3.2, label=name)
        for name, colour in colours.items()
    ]
    network = _network(all_runs[0])
    theirs = any(len(authors_values(name, network)) for name in by_data(all_runs))
    if theirs:
        handles.append(
            Line2D(
                [],
                [],
                color=AUTHORS_COLOUR,
                linestyle=(0, (3, 1.5)),
                marker="D",
                markersize=2.6,
                label=AUTHORS,
            )
        )
    several = theirs or len({(r.group, r.data, r.fraction) for r in all_runs}) < len(all_runs)
    return [*handles, *seed_handles(bars="|" if several else "")]

"""Accuracy against a setting that was varied, one curve a condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brainsleep.errors import FigureError, explain
from brainsleep.results.result import Result
from brainsleep.show.drawn import default_label
from brainsleep.values.quantities import read_quantity

from . import _style as style
from ._lines import line_labels
from ._names import settings
from ._read import check_images
from ._seeds import (
    Run,
    accuracy_line,
    by_data,
    check_once,
    curve,
    curve_handles,
    curve_looks,
    data_panels,
    groups_of,
    references,
    runs,
)

NAME = "sensitivity"

#: Units as the protocol writes them, by the symbol on an axis.
SYMBOLS = {"second": "s", "volt": "V", "hertz": "Hz", "amp": "A", "siemens": "S", "farad": "F"}

PREFIXES = ("", "m", "µ", "n", "p")

#: Settings that differ between runs without being what was varied.
IGNORED = ("data.source", "data.root", "description")


def draw(results: Sequence[Result], labels: Sequence[str] | None = None) -> Figure:
    """Draw accuracy against the one setting in which the runs of a condition differ.

    Parameters
    ----------
    results : sequence of Result
        Stored runs; the runs of each condition differ in one setting with a number, the same in
        all conditions, and in the seed.
    labels : sequence of str, optional
        The condition of each result; default: from the protocol, as in "no sleep", "sleep 20 %".

    Returns
    -------
    Figure
        One panel a data set: every seed, the mean over seeds with Student's 95 % interval, the
        same readout of raw pixels, and chance.

    Raises
    ------
    FigureError
        If no setting or more than one was varied, if it is not a number, if a seed occurs twice,
        or if there are more conditions than colours.
    """
    check_images(results, labels)
    all_runs = runs(results, labels, [default_label(result) for result in results])
    key, values = varied(all_runs)
    check_once(all_runs, value=values)
    looks, panels = curve_looks(groups_of(all_runs), NAME), by_data(all_runs)
    scale, symbol = unit([values[run] for run in all_runs], key, all_runs[0])
    name = f"{key.rsplit('.', 1)[-1].replace('_', ' ')}{symbol}"
    with data_panels(panels, name, 2.25) as (figure, axes):
        for ax, shown in zip(axes, panels.values(), strict=True):
            _panel(ax, shown, {run: scale * values[run] for run in shown}, looks)
        style.legend(figure, curve_handles(all_runs, looks))
    return figure


def varied(all_runs: Sequence[Run]) -> tuple[str, dict[Run, float]]:
    """Return the key of the setting that was varied, and its value in every run.

    Raises
    ------
    FigureError
        If there is not exactly one, or it is not a number.
    """
    flat = {run: settings(run.result.described) for run in all_runs}
    keys: list[str] = []
    for group in groups_of(all_runs):
        mine = [flat[run] for run in all_runs if run.group == group]
        every = dict.fromkeys(key for one in mine for key in one if key not in IGNORED)
        keys += [
            k for k in every if k not in keys and any(one.get(k) != mine[0].get(k) for one in mine)
        ]
    if len(keys) != 1:
        raise FigureError(
            explain(
                "figure sensitivity: settings in which runs of a condition differ",
                ", ".join(keys[:5]) or "none",
                "exactly one",
                "give what else differs as --label" if keys else "give runs that differ in one",
            )
        )
    numbers = {run: read_quantity(str(flat[run].get(keys[0]))) for run in all_runs}
    if any(number is None for number in numbers.values()):
        got = sorted({str(flat[run].get(keys[0])) for run in all_runs})[0]
        raise FigureError(explain(f"figure sensitivity: {keys[0]}", got, "a number"))
    return keys[0], {run: float(n) for run, n in numbers.items() if n is not None}


def unit(values: Sequence[float], key: str, run: Run) -> tuple[float, str]:
    """Return what to multiply values in SI units by, and the unit for the axis, as in ' (mV)'."""
    name = str(settings(run.result.described)[key]).partition(" ")[2]
    if name not in SYMBOLS:
        return 1.0, f" ({name})" if name else ""
    largest = max(map(abs, values))
    step = next((k for k in range(len(PREFIXES)) if largest * 1e3**k >= 0.1), 0)
    return 1e3**step, f" ({PREFIXES[step]}{SYMBOLS[name]})"


def _panel(
    axes: Axes, shown: Sequence[Run], x: Mapping[Run, float], looks: Mapping[str, dict[str, str]]
) -> None:
    lines = references(shown)
    for kind, value in lines.items():
        accuracy_line(axes, value, kind)
    for k, name in enumerate(looks):
        points: dict[float, list[float]] = {}
        for run in sorted((run for run in shown if run.group == name), key=lambda run: x[run]):
            points.setdefault(x[run], []).append(run.percent("network_accuracy"))
        if points:
            curve(axes, name, points, looks, k)
    ticks = sorted(set(x.values()))
    span = ticks[-1] - ticks[0]
    axes.set_xlim(ticks[0] - 0.09 * span, ticks[-1] + 0.09 * span)
    if ticks[0] > 0 and ticks[-1] > 5 * ticks[0]:
        room = (ticks[-1] / ticks[0]) ** 0.09
        axes.set_xscale("log")
        axes.set_xlim(ticks[0] / room, ticks[-1] * room)
    axes.set_xticks(ticks, [f"{tick:.4g}" for tick in ticks])
    axes.minorticks_off()
    line_labels(axes, lines)

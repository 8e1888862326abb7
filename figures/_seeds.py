"""How figures group many results: by data set, by condition and, within it, by seed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from brainsleep.analysis.statistics import Spread, seed_spread
from brainsleep.errors import FigureError, explain
from brainsleep.results.result import Result
from brainsleep.tasks.images.task import Images

from . import _style as style
from ._read import check_images, images_of, metric

if TYPE_CHECKING:
    from brainsleep.experiment.protocol import Protocol

#: Data sets that have a name in print, by theirs.
DATA_NAMES = {
    "mnist": "MNIST",
    "kmnist": "KMNIST",
    "fashion-mnist": "Fashion-MNIST",
    "notmnist": "notMNIST",
}


@dataclass(frozen=True, eq=False)
class Run:
    """One result: a seed of a condition on a data set.

    Parameters
    ----------
    result : Result
        The stored run.
    group : str
        Name of the condition, or of the curve.
    """

    result: Result
    group: str

    @property
    def protocol(self) -> Protocol:
        """The protocol, to be read."""
        return self.result.stored_protocol

    @property
    def images(self) -> Images:
        """The images that the run was about; raises `FigureError` if it was not."""
        return images_of(self.result)

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return self.result.seed

    @property
    def data(self) -> str:
        """Name of the data set."""
        return self.result.data.name

    @property
    def fraction(self) -> float:
        """Sleep as a fraction of wake."""
        return self.protocol.schedule.sleep.fraction

    def percent(self, name: str) -> float:
        """Return the metric `name`, a fraction, in per cent."""
        return 100 * metric(self.result, name)

    @property
    def rate(self) -> float:
        """Rate of the readout population in the test in Hz."""
        return metric(self.result, f"rate_test_{self.images.readout.population}_hz")


def runs(
    results: Sequence[Result], labels: Sequence[str] | None, groups: Sequence[str]
) -> list[Run]:
    """Give every result a condition: its label, else what `groups` says.

    Raises
    ------
    FigureError
        If there is no result, one is of something else, or there is not one label for each.
    """
    check_images(results, labels)
    names = [str(name) for name in (groups if labels is None else labels)]
    return [Run(result, name) for result, name in zip(results, names, strict=True)]


def by_data(all_runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Group runs by data set, in the order in which they first occur."""
    groups: dict[str, list[Run]] = {}
    for run in all_runs:
        groups.setdefault(run.data, []).append(run)
    return groups


def groups_of(all_runs: Iterable[Run]) -> list[str]:
    """Return the names of the conditions in the order in which they first occur."""
    return list(dict.fromkeys(run.group for run in all_runs))


def known_data(name: str) -> str:
    """Return which well-known data set `name` is or is some images of, as in mnist_8k; else ''."""
    match = re.fullmatch(r"([a-z-]+?)([_-]\d+k?)?", name.lower())
    return match[1] if match and match[1] in DATA_NAMES else ""


def data_title(name: str) -> str:
    """Return a data set's name as in print; its own beside it if that differs."""
    printed = DATA_NAMES.get(known_data(name), name)
    return printed if name in (*DATA_NAMES, printed) else f"{printed} ({name})"


def check_once(
    all_runs: Iterable[Run], *, fractions: bool = False, value: Mapping[Run, float] | None = None
) -> None:
    """Raise `FigureError` if a seed occurs twice under one condition: it would count twice.

    A condition at several sleep `fractions`, or at several values of a setting, is one for each.
    """
    seen: set[tuple] = set()
    for run in all_runs:
        at = run.fraction if fractions else value[run] if value else None
        key = (run.data, run.group, at, run.seed)
        if key in seen:
            what = f"'{run.group}' on {run.data}"
            what += f" at {100 * run.fraction:.3g} % sleep" if fractions else ""
            what += f" at {at:.3g}" if value else ""
            raise FigureError(
                f"figure: more than one result of seed {run.seed} of {what}; give each run once "
                "and every condition a label of its own"
            )
        seen.add(key)


@contextmanager
def data_panels(
    panels: Mapping[str, Sequence[Run]], xlabel: str, row_height: float
) -> Iterator[tuple[Figure, list[Axes]]]:
    """Make a figure of accuracies with one panel a data set, at most three a row.

    Parameters
    ----------
    panels : mapping of str to sequence of Run
        Runs by data set, as from `by_data`.
    xlabel : str
        What every panel's x axis shows.
    row_height : float
        Height of a row in inches.

    Yields
    ------
    figure : Figure
        For a legend.
    axes : list of Axes
        One a data set, in their order.
    """
    columns = len(panels) if len(panels) < 4 else 2
    n_rows = -(-len(panels) // columns)
    with style.figure("single" if columns == 1 else "double", 0.55 + row_height * n_rows) as figure:
        axes = figure.subplots(n_rows, columns, squeeze=False, sharey=True).ravel()
        axes[0].set_ylim(0, 100)
        yield figure, list(axes[: len(panels)])
        for ax, name in zip(axes, panels, strict=False):
            ax.set_title(data_title(name))
            ax.set_xlabel(xlabel)
            ax.tick_params(labelbottom=True)
        for ax in axes[len(panels) :]:
            ax.set_axis_off()
        for ax in axes[::columns]:
            ax.set_ylabel("test accuracy (%)")


def spread(values: Sequence[float]) -> tuple[Spread, np.ndarray]:
    """Return the spread over seeds and the length of the error bar to either side of its mean."""
    summary = seed_spread(np.array(values))
    half = 0.0 if np.isnan(summary.low) else summary.high - summary.mean
    return summary, np.array([half])


def interval(
    axes: Axes,
    values: Sequence[float],
    at: float,
    label: str = "",
    *,
    colour: str,
    beside: float = 0.0,
    dots: tuple[float, float] = (5, 0.5),
    upright: bool = False,
    **look: Any,
) -> None:
    """Draw every seed as a dot, and the mean over seeds with Student's 95 % interval.

    Parameters
    ----------
    axes : Axes
        Where.
    values : sequence of float
        One value a seed; without any, nothing is drawn.
    at : float
        Place of the mean: the height of its row, or where it is along the axis if `upright`.
    label : str
        What it is.
    colour : str
        Its colour.
    beside : float
        How far the dots are from `at`.
    dots : tuple of float
        Their area in square points, and how opaque they are.
    upright : bool
        Whether values go up, and not to the right.
    **look
        Of the mean, as `Axes.errorbar` takes it, such as ``marker``.
    """
    if not len(values):
        return
    mean, half = spread(values)
    if len(values) > 1:
        places = [at + beside] * len(values)
        axes.scatter(
            *((places, values) if upright else (values, places)),
            s=dots[0],
            color=colour,
            alpha=dots[1],
            linewidths=0,
            gid=f"{label}: seeds" if label else None,
        )
    axes.errorbar(
        *((at, mean.mean) if upright else (mean.mean, at)),
        **{"yerr" if upright else "xerr": half},
        **({"color": colour, "linestyle": "", "marker": "o", "label": label or None} | look),
    )


def accuracy_line(axes: Axes, value: float, kind: str, *, vertical: bool = False) -> None:
    """Draw a reference line, `kind` is 'raw pixels' or 'chance', at an accuracy in per cent."""
    axes_line = axes.axvline if vertical else axes.axhline
    axes_line(
        value,
        color=style.REFERENCE,
        linewidth=0.8,
        linestyle=":" if kind == "chance" else "-",
        zorder=1,
        gid=kind,
    )


def references(all_runs: Sequence[Run]) -> dict[str, float]:
    """Return the accuracy in per cent of the readout on raw pixels, and of chance."""
    arrays = all_runs[0].result.arrays
    if "labels/test" not in arrays:
        raise FigureError(
            f"figure: result {all_runs[0].result.run_id} has no array 'labels/test'; "
            "run it again with --force"
        )
    return {
        "raw pixels": float(np.mean([run.percent("pixels_accuracy") for run in all_runs])),
        "chance": 100 / len(np.unique(arrays["labels/test"])),
    }


def seed_handles(colour: str = style.REFERENCE, *, bars: str = "|") -> list[Artist]:
    """Return the legend handles of one seed, and of the interval of their mean if there are bars.

    `bars` is the marker that looks like one; "" for none.
    """
    one = Line2D([], [], color=colour, alpha=0.55, linestyle="", marker="o", label="one seed")
    one.set(markersize=2.6, markeredgewidth=0)
    bar = Line2D(
        [], [], color=colour, linestyle="", marker=bars, markersize=9, label="95 % interval of mean"
    )
    return [one, bar] if bars else [one]


# -- curves with every seed ----------------------------------------------------------------------

#: Markers of conditions in the order of their colours, so that neither is needed without the other.
MARKERS = "o s ^ D v P X h".split()

#: Points from the curve of one condition to the next at the same place, and of all.
APART, WIDEST = 4.0, 18.0


def curve_looks(groups: Sequence[str], figure: str) -> dict[str, dict[str, str]]:
    """Give each condition a colour and a marker; raise `FigureError` if there are not enough."""
    most = len(style.CONDITIONS)
    if len(groups) > most:
        raise FigureError(explain(f"figure {figure}: conditions", len(groups), f"at most {most}"))
    looks = zip(groups, style.CONDITIONS, MARKERS, strict=False)
    return {name: {"color": colour, "marker": marker} for name, colour, marker in looks}


def curve(
    axes: Axes,
    name: str,
    values: Mapping[float, list[float]],
    looks: Mapping[str, dict[str, str]],
    place: int,
) -> None:
    """Draw every seed, and the mean over seeds with its interval, of a condition.

    Parameters
    ----------
    axes : Axes
        Where.
    name : str
        The condition.
    values : mapping of float to list of float
        One value a seed, by place on the x axis.
    looks : mapping of str to dict
        Looks of all conditions, as from `curve_looks`.
    place : int
        Which of them it is: it is drawn a little beside the others, so that none hides another.
    """
    beside = (place - (len(looks) - 1) / 2) * min(APART, WIDEST / len(looks))
    mean, seeds = (
        axes.transData + ScaledTranslation(points / 72, 0, axes.figure.dpi_scale_trans)
        for points in (beside, beside + 1.8)
    )
    pairs = [(x, value) for x, group in values.items() for value in group]
    axes.scatter(
        *zip(*pairs, strict=True),
        s=5,
        color=looks[name]["color"],
        alpha=0.5,
        linewidths=0,
        zorder=2,
        transform=seeds,
        gid=f"{name}: seeds",
    )
    spreads = [spread(group) for group in values.values()]
    axes.errorbar(
        list(values),
        [each.mean for each, _ in spreads],
        yerr=[half[0] for _, half in spreads],
        markersize=3.2,
        elinewidth=0.9,
        zorder=3,
        transform=mean,
        label=name,
        **looks[name],
    )


def curve_handles(all_runs: Sequence[Run], looks: Mapping[str, dict[str, str]]) -> list[Artist]:
    """Return the legend handles of conditions, of raw pixels, and of seeds."""
    curves = [Line2D([], [], markersize=3.2, label=name, **look) for name, look in looks.items()]
    pixels = Line2D([], [], color=style.REFERENCE, label="raw pixels")
    several = len({(run.group, run.data) for run in all_runs}) < len(all_runs)
    return [*curves, pixels, *seed_handles(bars="|" if several else "")]

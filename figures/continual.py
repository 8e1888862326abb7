"""Learning task after task: accuracy, forgetting and dimension of every condition."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MultipleLocator
from matplotlib.transforms import ScaledTranslation

from brainsleep.errors import FigureError, explain
from brainsleep.results.result import Result
from brainsleep.show.drawn import told_apart

from . import _style as style
from ._lines import rows
from ._names import FREE, different, wrapped
from ._read import check_images
from ._seeds import (
    DATA_NAMES,
    Run,
    accuracy_line,
    check_once,
    data_title,
    groups_of,
    interval,
    known_data,
    runs,
    seed_handles,
)
from ._tasks import condition_looks, condition_name, place

NAME = "continual"

#: Columns of panels in one figure at most.
MOST = 4

#: Readouts by their name in results: what they are called.
READOUTS = {"refitted": "refitted readout", "fixed": "fixed readout", "own": "own output"}

#: Their markers in panel d, which has no colours: there, conditions have a row.
INK = style.POPULATIONS[1]
POINTS = {
    "refitted": {"marker": "o", "markersize": 3.6, "markerfacecolor": INK},
    "fixed": {"marker": "o", "markersize": 3.6, "markerfacecolor": "white"},
    "own": {"marker": "x", "markersize": 3.8, "markerfacecolor": INK},
}

#: What may differ between the seeds of a condition: data, and what no accuracy depends on.
_FREE = (FREE[0], r"data\.(source|root|split_seed)")

#: Points between the curves of two conditions at the same task, and between all at most.
_APART, _WIDEST = 1.8, 12.0


@dataclass(frozen=True, eq=False)
class Learned:
    """What a run could do after every task.

    Parameters
    ----------
    run : Run
        The run.
    so_far : ndarray, shape (n_tasks,)
        Mean accuracy in % of the refitted readout on the tasks so far.
    first : ndarray, shape (n_tasks,)
        Accuracy in % on the first task: of the output neurons, else of the fixed readout.
    dimension : ndarray, shape (n_tasks,)
        Participation ratio of the responses.
    forgetting : dict of str to float
        By readout, in points.
    """

    run: Run
    so_far: np.ndarray
    first: np.ndarray
    dimension: np.ndarray
    forgetting: dict[str, float]

    @property
    def column(self) -> tuple[str, str]:
        """Its network and data set."""
        return self.run.protocol.network.name, self.run.data

    @property
    def reader(self) -> str:
        """Which readout `first` is of."""
        return "own" if "own" in self.forgetting else "fixed"


#: Looks of the conditions by their name.
Looks = Mapping[str, Mapping]


def draw(results: Sequence[Result], labels: Sequence[str] | None = None) -> Figure:
    """Draw what conditions learned and forgot, a column a network and data set.

    Parameters
    ----------
    results : sequence of Result
        Stored runs of a protocol with tasks; several seeds may have the same label.
    labels : sequence of str, optional
        The condition of each result; default: from its settings, as in "no sleep", "rest 20 %",
        "mixed, sleep 20 %".

    Returns
    -------
    Figure
        Panels a (accuracy of the refitted readout on the tasks so far, and chance), b (accuracy on
        the first task, of the readout that was fitted after it, or of the network's own output)
        and c (participation ratio of the responses) after every task: mean over seeds, and every
        seed as a thin line. Panel d: forgetting at the end, every seed and the mean over seeds
        with Student's 95 % interval.

    Raises
    ------
    FigureError
        If a run learned no tasks, the runs of a condition or the tasks of a column differ, a seed
        occurs twice, or there are too many conditions or columns.
    """
    learned = _read(results, labels)
    looks = condition_looks([each.run for each in learned], NAME)
    columns = _columns(learned)
    kinds = [kind for kind in READOUTS if any(kind in each.forgetting for each in learned)]
    several = len({(*each.column, each.run.group) for each in learned}) < len(learned)
    names = [wrapped(name, 24) for name in looks]
    lines = max(name.count("\n") + 1 for name in names)
    bottom = 0.5 + len(names) * max(0.19, 0.1 * len(kinds), 0.12 * lines)
    with style.figure("double", _height(len(columns), bottom)) as figure:
        axes = _axes(figure, len(columns), bottom)
        for column, mine in zip(axes.T, columns.values(), strict=True):
            _so_far(column[0], mine, looks)
            _first(column[1], mine, looks)
            _curves(column[2], mine, looks, lambda each: each.dimension)
            _forgetting(column[3], mine, looks, kinds)
        _titles(axes, list(columns))
        _limits(axes, columns)
        axes[3, 0].set_yticks(range(len(names)), names, fontsize=7, linespacing=0.95)
        style.legend(figure, _curve_handles(looks, several))
        below = _point_handles(kinds, several)
        figure.legend(handles=below, loc="outside lower center", ncols=len(below), fontsize=7)
    return figure


def _read(results: Sequence[Result], labels: Sequence[str] | None) -> list[Learned]:
    """Read all runs, in the order of their conditions if they have no labels."""
    check_images(results, labels)
    if labels is None:
        results = sorted(results, key=place)
    names = told_apart([condition_name(r) for r in results], results)
    return [learned(run) for run in runs(results, labels, names)]


def learned(run: Run) -> Learned:
    """Read what a run could do after every task.

    Raises
    ------
    FigureError
        If it lacks an array or a metric of tasks.
    """
    arrays, kinds = run.result.arrays, [k for k in READOUTS if f"tasks/{k}" in run.result.arrays]
    names = ("tasks/refitted", "tasks/fixed", "tasks/representation/participation_ratio")
    if missing := [name for name in names if name not in arrays]:
        raise FigureError(
            f"figure {NAME}: result {run.result.run_id} has no array '{missing[0]}'; "
            "give runs of a protocol with two tasks or more (tasks.classes), and with "
            "data.n_train, n_readout and n_test above 0"
        )
    R = arrays["tasks/refitted"]
    return Learned(
        run,
        100 * np.array([R[i, : i + 1].mean() for i in range(len(R))]),
        100 * arrays["tasks/own" if "own" in kinds else "tasks/fixed"][:, 0],
        arrays["tasks/representation/participation_ratio"],
        {kind: run.percent(f"tasks_{kind}_forgetting") for kind in kinds},
    )


def _columns(learned: Sequence[Learned]) -> dict[tuple[str, str], list[Learned]]:
    """Group runs by network and data set, sorted by name; check that they can be compared."""
    order = list(DATA_NAMES)
    columns: dict[tuple[str, str], list[Learned]] = {}
    for each in learned:
        columns.setdefault(each.column, []).append(each)
    if len(columns) > MOST:
        got = ", ".join(f"{network} on {data}" for network, data in sorted(columns))
        raise FigureError(explain(f"figure {NAME}: networks and data sets", got, f"at most {MOST}"))
    for (network, data), mine in columns.items():
        if len({str(each.run.images.tasks.classes) for each in mine}) > 1:
            raise FigureError(f"figure {NAME}: different tasks.classes on {data}; draw them apart")
        for group in groups_of(each.run for each in mine):
            shown = [each.run for each in mine if each.run.group == group]
            if difference := different(shown, _FREE):
                raise FigureError(
                    f"figure {NAME}: {difference} in runs of '{group}' of {network} on {data}; "
                    "draw them apart, or give each condition a label of its own"
                )
        check_once(each.run for each in mine)

    def printed(column: tuple[str, str]) -> tuple:
        network, data = column
        dataset = known_data(data)
        return network, order.index(dataset) if dataset else len(order), data

    return {column: columns[column] for column in sorted(columns, key=printed)}


# -- panels --------------------------------------------------------------------------------------


def _height(n_columns: int, bottom: float) -> float:
    return 0.6 + (1.75 + max(1.75, bottom) if n_columns == 1 else 3 * 1.4 + bottom)


def _axes(figure: Figure, n_columns: int, bottom: float) -> np.ndarray:
    """Return axes, one row a panel: below each other, or two by two for a single column."""
    if n_columns == 1:
        heights = [1.75, max(1.75, bottom)]
        return figure.subplots(2, 2, height_ratios=heights).reshape(4, 1)
    heights = [1.4, 1.4, 1.4, bottom]
    return figure.subplots(4, n_columns, height_ratios=heights, squeeze=False)


def _curves(
    axes: Axes, mine: Sequence[Learned], looks: Looks, value: Callable[[Learned], np.ndarray]
) -> None:
    """Draw the mean over seeds, and every seed, after every task; conditions side by side."""
    step = min(_APART, _WIDEST / len(looks))
    for k, (name, look) in enumerate(looks.items()):
        values = np.array([value(each) for each in mine if each.run.group == name])
        if not len(values):
            continue
        points = (k - (len(looks) - 1) / 2) * step
        beside = axes.transData + ScaledTranslation(points / 72, 0, axes.figure.dpi_scale_trans)
        n = np.arange(1, values.shape[1] + 1)
        if len(values) > 1:
            for seed in values:
                axes.plot(
                    n, seed, color=look["color"], linewidth=0.5, alpha=0.4, transform=beside,
                    gid=f"{name}: seed",
                )  # fmt: skip
        mean = values.mean(axis=0)
        axes.plot(n, mean, markersize=3, linewidth=1.1, transform=beside, label=name, **look)


def _so_far(axes: Axes, mine: Sequence[Learned], looks: Looks) -> None:
    _curves(axes, mine, looks, lambda each: each.so_far)
    sizes = [len(task) for task in mine[0].run.images.tasks.classes]
    chance = 100 / np.cumsum(sizes)
    n = np.arange(1, len(sizes) + 1)
    axes.plot(n, chance, color=style.REFERENCE, linewidth=0.8, linestyle=":", gid="chance")
    _note(axes, READOUTS["refitted"])


def _first(axes: Axes, mine: Sequence[Learned], looks: Looks) -> None:
    _curves(axes, mine, looks, lambda each: each.first)
    tasks, reader = mine[0].run.images.tasks.classes, mine[0].reader
    among = len(tasks[0]) if reader == "fixed" else sum(map(len, tasks))
    accuracy_line(axes, 100 / among, "chance")
    _note(axes, f"{READOUTS[reader]}, classes {', '.join(map(str, tasks[0]))}")


def _forgetting(axes: Axes, mine: Sequence[Learned], looks: Looks, kinds: Sequence[str]) -> None:
    """Draw one row a condition, and in it one line a readout."""
    axes.axvline(0, color=style.REFERENCE, linewidth=0.8, zorder=1, gid="no forgetting")
    for row, name in zip(rows(axes, len(looks)), looks, strict=True):
        for k, kind in enumerate(kinds):
            values = [
                each.forgetting[kind]
                for each in mine
                if each.run.group == name and kind in each.forgetting
            ]
            y, label = row + 0.27 * (k - (len(kinds) - 1) / 2), f"{name}, {kind}"
            look = {"dots": (6, 0.4), "elinewidth": 0.8, **POINTS[kind]}
            interval(axes, values, y, label, colour=INK, **look)
    axes.set_xlabel("forgetting (points)")


def _titles(axes: np.ndarray, columns: Sequence[tuple[str, str]]) -> None:
    """Name columns by data set, and by network if there are several; label axes and panels."""
    several = len({network for network, _ in columns}) > 1
    for ax, (network, data) in zip(axes[0], columns, strict=True):
        title = f"{network}\n{data_title(data)}" if several else data_title(data)
        ax.set_title(title, loc="left", pad=12)
    square = len(columns) == 1
    for row in axes[:3]:
        for ax in row:
            ax.set_xlabel("tasks learned" if square or ax in axes[2] else "")
            ax.xaxis.set_major_locator(MultipleLocator(1))
    names = "accuracy on tasks\nso far (%)", "accuracy on\nfirst task (%)", "participation\nratio"
    for ax, name in zip(axes[:3, 0], names, strict=True):
        ax.set_ylabel(name)
    for ax, text in zip(axes[:, 0], "abcd", strict=True):
        style.letter(ax, text, -30)
    axes[0, 0].figure.align_ylabels(axes[:3, 0])


def _limits(axes: np.ndarray, columns: Mapping[tuple[str, str], Sequence[Learned]]) -> None:
    """Scale all columns alike; the participation ratio, columns of the same network."""
    learned = [each for mine in columns.values() for each in mine]
    for ax in axes[:3].ravel():
        ax.set_xlim(0.6, max(len(each.so_far) for each in learned) + 0.4)
    accuracies = [each.so_far for each in learned], [each.first for each in learned]
    for row, values in zip(axes[:2], accuracies, strict=True):
        lowest = 10 * np.floor(np.nanmin(np.concatenate(values)) / 10 - 0.3)
        for ax in row:
            ax.set_ylim(lowest if lowest > 30 else 0, 102)
    before = ""
    ends = np.array([ax.get_xlim() for ax in axes[3]])
    for column, (network, _) in zip(axes.T, columns, strict=True):
        same = [each.dimension for each in learned if each.column[0] == network]
        column[2].set_ylim(0, 1.08 * np.nanmax(np.concatenate(same), initial=1))
        column[3].set_xlim(max(ends[:, 0].min(), -30), min(ends[:, 1].max(), 100))
        for ax in column[: 3 if network == before else 2] if before else ():
            ax.tick_params(labelleft=False)
        before = network


def _note(axes: Axes, text: str) -> None:
    """Say above the right end of axes what they show."""
    axes.annotate(
        text,
        (1, 1),
        xycoords="axes fraction",
        xytext=(0, 2),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=7,
        color=style.REFERENCE,
    )


def _curve_handles(looks: Looks, several: bool) -> list[Artist]:
    """Return the legend handles of panels a to c."""
    handles = [
        Line2D([], [], markersize=3, linewidth=1.1, label=name, **look)
        for name, look in looks.items()
    ]
    grey = style.REFERENCE
    if several:
        handles.append(Line2D([], [], color=grey, linewidth=0.5, alpha=0.6, label="one seed"))
    return [*handles, Line2D([], [], color=grey, linewidth=0.8, linestyle=":", label="chance")]


def _point_handles(kinds: Sequence[str], several: bool) -> list[Artist]:
    """Return the legend handles of panel d."""
    points = [
        Line2D([], [], color=INK, linestyle="", label=READOUTS[kind], **POINTS[kind])
        for kind in kinds
    ]
    return [*points, *(seed_handles(INK, bars="_") if several else [])]

"""What a network's responses are like before and after every sleep, over training."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from brainsleep.errors import FigureError, explain
from brainsleep.results.result import Result
from brainsleep.show.drawn import population_name

from . import _style as style
from ._read import Condition, check_images, conditions, distinct
from ._tasks import condition_name, task_spans

NAME = "representation"

#: Results in one figure at most.
MOST = 4

#: What is drawn, from the top: its name in results, its label, and what it is multiplied by.
MEASURES = (
    ("participation_ratio", "participation\nratio", 1),
    ("effective_rank", "effective\nrank", 1),
    ("selectivity_adjusted", "adjusted\nselectivity", 1),
    ("dead", "dead {}\nneurons (%)", 100),
    ("similarity", "similarity of\nclasses $r$", 1),
)


@dataclass(frozen=True, eq=False)
class Probed:
    """The probes of a result in pairs: before and after a sleep.

    Parameters
    ----------
    condition : Condition
        The result.
    before, after : ndarray, shape (n_sleeps,)
        Places of the probes among all.
    times : ndarray, shape (n_probes,)
        Biological time of every probe in s.
    """

    condition: Condition
    before: np.ndarray
    after: np.ndarray
    times: np.ndarray

    def values(self, name: str) -> np.ndarray:
        """Return a measure at every probe, shape (n_probes,)."""
        return self.condition.array(f"representation/{name}")

    def changes(self, name: str) -> dict[str, np.ndarray]:
        """Return by how much every sleep, and the wake between two sleeps, changed a measure.

        Wake is left out if only some sleeps were probed, as others lie in between.
        """
        values = self.values(name)
        changed = {"sleep": values[self.after] - values[self.before]}
        if self.condition.images.probes.every == 1 and len(self.after) > 1:
            changed["wake"] = values[self.before[1:]] - values[self.after[:-1]]
        return changed


def draw(results: Sequence[Result], labels: Sequence[str] | None = None) -> Figure:
    """Draw dimension, selectivity, dead neurons and similarity of classes around every sleep.

    Parameters
    ----------
    results : sequence of Result
        One to four stored runs with probes (probes.images), one a condition.
    labels : sequence of str, optional
        Names of the conditions; default: from their settings.

    Returns
    -------
    Figure
        Panels a: over biological time, the value before every sleep (open) and after it (filled),
        joined by a thick line; tasks are marked. Panels b: the change in every sleep and in the
        wake between two sleeps, and their medians (bars). Panels c: correlation between the mean
        responses to every pair of classes at the first and last probe; of a single result also
        after the first and before the last sleep.

    Raises
    ------
    FigureError
        Without results or with more than four, or if one has no probes before and after a sleep.
    """
    check_images(results, labels)
    if len(results) > MOST:
        raise FigureError(explain(f"figure {NAME}: results", len(results), f"at most {MOST}"))
    if labels is None:
        labels = distinct([condition_name(result) for result in results], results)
    shown = [probed(c) for c in conditions(results, labels)]
    n_rows = 1 if len(shown) < 3 else 2
    below = n_rows * (1.92 if len(shown) == 1 else 2.0)
    with style.figure("double", 0.4 + 0.92 * len(MEASURES) + below) as figure:
        grid = figure.add_gridspec(2, 1, height_ratios=[0.92 * len(MEASURES), below])
        upper = grid[0].subgridspec(len(MEASURES), 2, width_ratios=[4.2, 1])
        axes = upper.subplots(sharex="col")
        for (ax, change), (name, label, factor) in zip(axes, MEASURES, strict=True):
            _course(ax, shown, name, factor)
            _changes(change, shown, name, factor)
            population = shown[0].condition.images.readout.population
            ax.set_ylabel(label.format(population_name(population)))
        _time_axis(axes[:, 0], shown)
        axes[0, 1].set_title("change in one")
        cells = grid[1].subgridspec(n_rows, 5, width_ratios=[1, 1, 1, 1, 0.07])
        first = _matrices(figure, cells, shown)
        for ax, text in ((axes[0, 0], "a"), (axes[0, 1], "b"), (first, "c")):
            style.letter(ax, text)
        figure.align_ylabels(axes[:, 0])
        style.legend(figure, _handles(shown))
    return figure


def probed(condition: Condition) -> Probed:
    """Pair the probes of a result: one before and one after every sleep.

    Raises
    ------
    FigureError
        If it has none, or they do not alternate.
    """
    run = condition.result.run_id
    if "representation/after" not in condition.arrays:
        raise FigureError(
            f"figure {NAME}: result {run} has no probes; give runs that sleep, with "
            "probes.images above 0"
        )
    after = condition.array("representation/after")
    expected = np.arange(len(after)) % 2 == 1
    if len(after) % 2 or not np.array_equal(after, expected):
        raise FigureError(
            f"figure {NAME}: the probes of result {run} are not one before and one after every "
            "sleep; run it again with --force"
        )
    places = np.arange(len(after))
    return Probed(
        condition, places[~after], places[after], condition.array("representation/times_s")
    )


# -- panels --------------------------------------------------------------------------------------


def _size(n: int) -> float:
    """Return the size of markers so that those of `n` sleeps do not cover each other."""
    return 3.0 if n < 12 else 2.2 if n < 40 else 1.5


def _course(axes: Axes, shown: Sequence[Probed], name: str, factor: float) -> None:
    """Draw a measure over time: thick lines are sleeps, thin ones wake."""
    for each in shown:
        x, y, c = each.times, factor * each.values(name), each.condition
        size = _size(len(each.after))
        axes.plot(x, y, color=c.colour, linewidth=0.5, alpha=0.6, gid=f"{c.label}: wake")
        gap = np.full(len(each.after), np.nan)
        pairs = [
            np.column_stack([values[each.before], values[each.after], gap]).ravel()
            for values in (x, y)
        ]
        axes.plot(*pairs, color=c.colour, linewidth=1.8, alpha=0.7, gid=f"{c.label}: sleep")
        for places, face, when in (
            (each.before, "white", "before"),
            (each.after, c.colour, "after"),
        ):
            axes.plot(
                x[places], y[places], color=c.colour, linestyle="", marker="o", markersize=size,
                markerfacecolor=face, markeredgewidth=0.6, gid=f"{c.label}: {when}",
            )  # fmt: skip
    axes.yaxis.set_major_locator(MaxNLocator(4))


def _changes(axes: Axes, shown: Sequence[Probed], name: str, factor: float) -> None:
    """Draw every change in a wake and in a sleep, and the median of each as a bar."""
    axes.axhline(0, color=style.REFERENCE, linewidth=0.6, zorder=1)
    width = 0.7 / len(shown)
    for k, each in enumerate(shown):
        c = each.condition
        for kind, changes in each.changes(name).items():
            x = (1 if kind == "sleep" else 0) + (k - (len(shown) - 1) / 2) * width
            y = factor * changes
            axes.scatter(
                np.full(len(y), x), y, s=5, color=c.colour, alpha=0.35, linewidths=0,
                gid=f"{c.label}: {kind}",
            )  # fmt: skip
            if np.isfinite(y).any():
                ends = [x - 0.4 * width, x + 0.4 * width]
                axes.plot(
                    ends, [np.nanmedian(y)] * 2, color=c.colour, gid=f"{c.label}: median {kind}"
                )
    kinds = ["wake", "sleep"] if any("wake" in x.changes(name) for x in shown) else ["sleep"]
    axes.set_xlim(1.4 - len(kinds), 1.6)
    axes.set_xticks([1, 0][: len(kinds)][::-1], kinds)
    axes.yaxis.set_major_locator(MaxNLocator(3))


def _time_axis(axes: Sequence[Axes], shown: Sequence[Probed]) -> None:
    """Scale and label the time axis, shade the sleeps of a single result, and mark tasks."""
    axes[-1].set_xlabel("biological time (s)")
    axes[-1].set_xlim(0, 1.005 * max(each.condition.training_end() for each in shown))
    for ax in axes:
        if len(shown) == 1:
            style.shade_sleep(ax, shown[0].condition.sleeps())
    spans = {each.condition: task_spans(each.condition) for each in shown}
    spans = {c: tasks for c, tasks in spans.items() if tasks}
    alike = len({str(tasks) for tasks in spans.values()}) == 1
    for c, tasks in list(spans.items())[: 1 if alike else None]:
        colour = style.REFERENCE if alike else c.colour
        for ax in axes:
            for start, _ in tasks[1:]:
                ax.axvline(start, color=colour, linewidth=0.7, linestyle=":", gid="task")
        if alike:
            _name_tasks(axes[0], c.images.tasks.classes, tasks)


def _name_tasks(
    axes: Axes, groups: Sequence[Sequence[int]], spans: Sequence[tuple[float, float]]
) -> None:
    """Write the classes of every task above its time."""
    for k, (members, (start, end)) in enumerate(zip(groups, spans, strict=True)):
        text = ", ".join(map(str, members))
        axes.annotate(
            f"classes {text}" if k == 0 and len(groups) < 6 else text,
            ((start + end) / 2, 1), ha="center", va="bottom",
            xycoords=("data", "axes fraction"), xytext=(0, 2), textcoords="offset points",
            fontsize=7, color=style.REFERENCE,
        )  # fmt: skip


def _matrices(figure: Figure, grid, shown: Sequence[Probed]) -> Axes:
    """Draw the similarity of classes at some probes on one scale; return the first axes."""
    moments = [(each, place) for each in shown for place in _moments(each, len(shown))]
    matrices = [each.values("similarities")[place] for each, place in moments]
    defined = np.concatenate([matrix[~np.isnan(matrix)] for matrix in matrices])
    lowest = np.floor(100 * defined.min(initial=0.99) + 1e-9) / 100
    colours = colormaps["viridis"].with_extremes(bad=style.BEFORE)
    axes = [figure.add_subplot(grid[k // 4, k % 4]) for k in range(len(moments))]
    for ax, (each, place), matrix in zip(axes, moments, matrices, strict=True):
        image = ax.imshow(matrix, cmap=colours, norm=Normalize(lowest, 1), interpolation="nearest")
        names = _classes(each, len(matrix))
        step = -(-len(names) // 5)
        ax.set_xticks(np.arange(len(names))[::step], names[::step])
        ax.set_yticks(np.arange(len(names))[::step], names[::step])
        ax.tick_params(length=0, pad=2)
        ax.spines[:].set_visible(False)
        when = "after" if place % 2 else "before"
        time = f"{each.times[place]:.{0 if each.times[place] >= 100 else 1}f}"
        every = each.condition.images.probes.every
        title = f"{when} sleep {place // 2 * every + 1}, {time} s"
        title = f"{textwrap.fill(each.condition.label, 26)}\n{title}" if len(shown) > 1 else title
        ax.set_title(title, fontsize=7)
    axes[0].set_ylabel("class")
    for ax in axes:
        ax.set_xlabel("class")
    bar = figure.colorbar(image, cax=figure.add_subplot(grid[:, 4]))
    bar.locator = MaxNLocator(5, steps=[1, 2, 5, 10])
    bar.set_label("correlation $r$ of\nmean responses")
    bar.outline.set_visible(False)
    return axes[0]


def _moments(each: Probed, n: int) -> list[int]:
    """Return which probes to show: the first and last; of a single result also those beside."""
    last = len(each.times) - 1
    return sorted({0, 1, last - 1, last} if n == 1 else {0, last})


def _classes(each: Probed, n: int) -> np.ndarray:
    """Return the names of the `n` classes among the images of a probe."""
    c = each.condition
    classes = np.unique(c.array("labels/test")[: c.images.probes.images])
    if len(classes) != n:
        raise FigureError(
            explain(
                f"figure {NAME}: classes of result {c.result.run_id}",
                f"{len(classes)} in labels/test",
                f"{n}, as in representation/similarities",
            )
        )
    return classes


def _handles(shown: Sequence[Probed]) -> list[Artist]:
    """Return the legend handles of conditions, of what markers and lines mean, and of tasks."""
    grey = style.REFERENCE if len(shown) > 1 else shown[0].condition.colour
    handles: list[Artist] = [
        Line2D([], [], color=c.colour, linewidth=2, label=c.label)
        for c in (each.condition for each in shown)
    ]
    for face, name in (("white", "before a sleep"), (grey, "after it")):
        handle = Line2D([], [], color=grey, linestyle="", marker="o", markersize=3, label=name)
        handle.set_markerfacecolor(face)
        handles.append(handle)
    if len(shown) == 1:
        handles.append(Patch(color=style.SLEEP, linewidth=0, label="asleep"))
    if any(task_spans(each.condition) for each in shown):
        handles.append(Line2D([], [], color=style.REFERENCE, linewidth=0.7, linestyle=":"))
        handles[-1].set_label("next task")
    bar = Line2D([], [], color=grey, linewidth=1.2, label="median change")
    return [*handles, bar]

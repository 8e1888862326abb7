"""Accuracy class by class: the network beside the same readout of raw pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from brainsleep.errors import FigureError, explain
from brainsleep.results.result import Result

from . import _style as style
from ._read import Condition, image_conditions

NAME = "classes"

#: Conditions in one figure at most.
MOST = 4


def draw(results: Sequence[Result], labels: Sequence[str] | None = None) -> Figure:
    """Draw the test accuracy of every class.

    Parameters
    ----------
    results : sequence of Result
        One to four stored runs.
    labels : sequence of str, optional
        Names of the conditions; default: from the protocol.

    Returns
    -------
    Figure
        A point a class and condition with Wilson's 95 % interval, the readout of raw pixels as
        open squares, and chance.

    Raises
    ------
    FigureError
        Without results or with more than four, or if one was not tested.
    """
    shown = image_conditions(NAME, results, labels, MOST)
    classes = np.unique(np.concatenate([c.array("labels/test") for c in shown]))
    if not len(classes):
        raise FigureError("figure classes: no test images; give a run with data.n_test above 0")
    with style.figure("double", 2.3) as figure:
        axes = figure.subplots()
        for k, c in enumerate(shown):
            _points(axes, c, classes, (k - (len(shown) - 1) / 2) * 0.18)
        _pixels(axes, shown[0], classes)
        axes.axhline(100 / len(classes), color=style.REFERENCE, linestyle=":", linewidth=0.8)
        axes.set_xticks(np.arange(len(classes)), classes)
        axes.tick_params(axis="x", length=0)
        axes.set_xlabel("class")
        axes.set_ylabel("test accuracy (%)")
        axes.set_ylim(0, 103)
        style.legend(figure, _handles(shown))
    return figure


def wilson(correct: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of Wilson's 95 % interval of a proportion.

    Parameters
    ----------
    correct, n : ndarray, shape (n_classes,)
        How many of how many.

    Returns
    -------
    low, high : ndarray, shape (n_classes,)
        NaN where there is none.

    References
    ----------
    Wilson (1927), doi:10.1080/01621459.1927.10502953.
    """
    z = 1.959963984540054
    with np.errstate(invalid="ignore", divide="ignore"):
        p = correct / n
        middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return middle - half, middle + half


def by_class(condition: Condition, who: str, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how many test images of every class were right, and how many there are.

    Parameters
    ----------
    condition : Condition
        A result.
    who : {"network", "pixels"}
        Whose answers.
    classes : ndarray, shape (n_classes,)
        Classes.
    """
    labels, correct = condition.array("labels/test"), condition.array(f"correct/{who}")
    if labels.shape != correct.shape:
        raise FigureError(
            explain(
                f"figure classes: correct/{who} of result {condition.result.run_id}",
                f"{correct.shape} answers",
                f"one for each of {len(labels)} test images",
            )
        )
    chosen = labels[None, :] == classes[:, None]
    return (chosen & correct.astype(bool)).sum(axis=1), chosen.sum(axis=1)


def _points(axes: Axes, condition: Condition, classes: np.ndarray, beside: float) -> None:
    right, n = by_class(condition, "network", classes)
    low, high = wilson(right, n)
    there = n > 0
    accuracy = right[there] / n[there]
    axes.errorbar(
        np.arange(len(classes))[there] + beside,
        100 * accuracy,
        yerr=100 * np.array([accuracy - low[there], high[there] - accuracy]).clip(0),
        fmt="o",
        color=condition.colour,
        elinewidth=0.9,
        label=condition.label,
    )


def _pixels(axes: Axes, condition: Condition, classes: np.ndarray) -> None:
    right, n = by_class(condition, "pixels", classes)
    there = n > 0
    x = np.arange(len(classes))[there]
    look = {"linestyle": "", "marker": "s", "markerfacecolor": "none", "markersize": 7}
    axes.plot(x, 100 * right[there] / n[there], color=style.BEFORE, zorder=1, gid="pixels", **look)


def _handles(shown: Sequence[Condition]) -> list:
    grey = {"color": style.BEFORE, "linestyle": "", "markerfacecolor": "none"}
    return [
        *(Line2D([], [], color=c.colour, marker="o", linestyle="", label=c.label) for c in shown),
        Line2D([], [], marker="s", markersize=6, label="raw pixels", **grey),
        Line2D([], [], color=style.REFERENCE, linestyle=":", linewidth=0.8, label="chance"),
    ]

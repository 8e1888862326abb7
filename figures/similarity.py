"""Similarity of the responses to different classes: correlation matrices in the test."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from brainsleep.analysis.responses import class_similarity, mean_known
from brainsleep.errors import FigureError, explain
from brainsleep.results.result import Result

from . import _style as style
from ._read import Condition, image_conditions

NAME = "similarity"

#: Matrices in one figure at most.
MOST = 4


def draw(results: Sequence[Result], labels: Sequence[str] | None = None) -> Figure:
    """Draw the correlation between the mean test responses to every pair of classes.

    Parameters
    ----------
    results : sequence of Result
        One to four stored runs.
    labels : sequence of str, optional
        Names of the conditions; default: from the protocol.

    Returns
    -------
    Figure
        One matrix a result on a common colour scale, its mean off the diagonal in the title.

    Raises
    ------
    FigureError
        Without results or with more than four, or if one was tested on fewer than two classes.
    """
    shown = image_conditions(NAME, results, labels, MOST)
    matrices = [_similarity(c) for c in shown]
    defined = np.concatenate([matrix[~np.isnan(matrix)] for _, matrix in matrices])
    lowest = np.floor(10 * defined.min(initial=0.9) + 1e-9) / 10
    colours = colormaps["viridis"].with_extremes(bad=style.BEFORE)
    norm = Normalize(lowest, 1)
    n = len(shown)
    with style.figure("single" if n == 1 else "double", (2.8, 3.2, 2.55, 2.1)[n - 1]) as figure:
        figure.set_layout_engine("compressed")
        axes = figure.subplots(1, n, squeeze=False)[0]
        for ax, c, (classes, matrix) in zip(axes, shown, matrices, strict=True):
            image = ax.imshow(matrix, cmap=colours, norm=norm, interpolation="nearest")
            each = -(-len(classes) // 13)  # labels that fit
            ax.set_xticks(np.arange(len(classes))[::each], classes[::each])
            ax.set_yticks(np.arange(len(classes))[::each], classes[::each])
            ax.tick_params(length=0, pad=2)
            ax.spines[:].set_visible(False)
            ax.set_xlabel("class")
            value = f"{mean_off_diagonal(matrix):.2f}".replace("-", "−")
            ax.set_title(f"{textwrap.fill(c.label, 24)}\nmean off diagonal {value}")
        axes[0].set_ylabel("class")
        bar = figure.colorbar(image, ax=axes, shrink=0.8, fraction=0.05, pad=0.015, aspect=18)
        bar.locator = MaxNLocator(5, steps=[1, 2, 5, 10])
        bar.set_label("correlation $r$ of\nmean responses")
        bar.outline.set_visible(False)
    return figure


def mean_off_diagonal(matrix: np.ndarray) -> float:
    """Return the mean of what is known off the diagonal; NaN if nothing is."""
    return mean_known(matrix[~np.eye(len(matrix), dtype=bool)])


def _similarity(condition: Condition) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes and their similarity in the test."""
    counts = condition.array(f"counts/{condition.images.readout.population}")
    labels = condition.array("labels/test")
    tested = counts[condition.array("slots/part") == "test"]
    classes = np.unique(labels)
    if len(tested) != len(labels) or len(classes) < 2:
        got = f"{len(tested)} responses, {len(labels)} labels of {len(classes)} classes"
        raise FigureError(
            explain(
                f"figure similarity: test of result {condition.result.run_id}",
                got,
                "a label for each response, two classes or more",
            )
        )
    return classes, class_similarity(tested, labels)

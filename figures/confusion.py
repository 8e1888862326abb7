"""Which class was taken for which in the test: confusion matrices."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
import pandas
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from brainsleep.errors import DataError, FigureError
from brainsleep.results.result import Result

from . import _style as style
from ._read import Condition, image_conditions

NAME = "confusion"

#: Matrices in one figure at most.
MOST = 4

#: Most classes whose numbers can be read in the cells of one matrix; of several.
NUMBERED = (26, 10)


def draw(results: Sequence[Result], labels: Sequence[str] | None = None) -> Figure:
    """Draw how often each class was taken for which.

    Parameters
    ----------
    results : sequence of Result
        One to four stored runs.
    labels : sequence of str, optional
        Names of the conditions; default: from the protocol.

    Returns
    -------
    Figure
        One matrix a result: a row a class, in it the per cent of its test images that were taken
        for the class of the column. The accuracy is in the title.

    Raises
    ------
    FigureError
        Without results or with more than four, or if one was not tested, or is of a version that
        did not keep answers.
    """
    shown = image_conditions(NAME, results, labels, MOST)
    try:
        matrices = [c.result.confusion() for c in shown]
    except DataError as error:
        raise FigureError(f"figure confusion: {error}") from error
    n = len(shown)
    with style.figure("single" if n == 1 else "double", (3.2, 3.2, 2.6, 2.1)[n - 1]) as figure:
        figure.set_layout_engine("compressed")
        axes = figure.subplots(1, n, squeeze=False)[0]
        for ax, c, matrix in zip(axes, shown, matrices, strict=True):
            image = _matrix(ax, c, matrix, NUMBERED[n > 1])
        axes[0].set_ylabel("class")
        bar = figure.colorbar(image, ax=axes, shrink=0.8, fraction=0.05, pad=0.015, aspect=18)
        bar.set_label("of the class's images (%)")
        bar.outline.set_visible(False)
    return figure


def percentages(matrix: pandas.DataFrame) -> np.ndarray:
    """Return per cent of every row; NaN in rows of classes that were not tested."""
    counts = matrix.to_numpy(float)
    with np.errstate(invalid="ignore"):
        return 100 * counts / counts.sum(axis=1, keepdims=True)


def _matrix(axes: Axes, condition: Condition, matrix: pandas.DataFrame, most: int) -> AxesImage:
    share, classes = percentages(matrix), list(matrix.index)
    colours = colormaps["cividis"].with_extremes(bad=style.BEFORE)
    image = axes.imshow(share, cmap=colours, norm=Normalize(0, 100), interpolation="nearest")
    each = 1 if len(classes) <= most else -(-len(classes) // 13)  # labels that fit
    axes.set_xticks(np.arange(len(classes))[::each], classes[::each])
    axes.set_yticks(np.arange(len(classes))[::each], classes[::each])
    axes.tick_params(length=0, pad=2)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("taken for")
    counts = matrix.to_numpy()
    right = 100 * np.trace(counts) / counts.sum()
    axes.set_title(f"{textwrap.fill(condition.label, 24)}\n{right:.1f} % right")
    if len(classes) <= most:
        size = min(6.5, 62 / len(classes)) if most > NUMBERED[1] else 5.0
        for (row, column), value in np.ndenumerate(share):
            if value >= 0.5:  # what would be written as 0 is left out
                axes.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=size,
                          color="black" if value > 55 else "white")  # fmt: skip
    return image

"""Shipped figures of stored results as images inside a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..errors import FigureError, StoreError, one_line
from ..files.load import load_module
from ..results.result import Result

#: Figures of one result in the order of a report: what they are called, and what they show.
OF_ONE = {
    "schedule": ("Schedule", "Phases of the whole run, and how far each gate is open around the "
                 "first sleep (or, without sleep, at the start)."),
    "weights": ("Weights over time", "Mean weight of each projection and the band of 5 to 95 % of "
                "its synapses, on a logarithmic axis; sleep is shaded, the hard bound dashed."),
    "histograms": ("Weights before and after", "Weights of each projection before training (grey) "
                   "and after it; weights that are all equal are a line."),
    "sleep_rates": ("Rates over time", "Mean firing rate of each population in every wake and "
                    "every sleep."),
    "raster": ("Raster", "Single spikes around a sleep; of a large population every k-th neuron."),
    "traces": ("Traces", "Variables of the first neurons and synapses that were recorded; sleep is "
               "shaded."),
    "classes": ("Accuracy by class", "Test accuracy of every class with Wilson’s 95 % interval, "
                "beside the same readout of raw pixels."),
    "confusion": ("Confusion", "A row a class: the per cent of its test images that were taken for "
                  "the class of the column."),
    "receptive_fields": ("Receptive fields", "Trained weights from the input to the neurons that "
                         "spike most in the test."),
    "similarity": ("Similarity of classes", "Correlation between the mean test responses to every "
                   "pair of classes."),
    "labels": ("Few labels", "Accuracy against the number of labels that the readout is fitted "
               "on."),
    "continual": ("Task after task", "Accuracy on the tasks so far and on the first task, "
                  "dimension of the responses, and forgetting."),
    "representation": ("Representation around sleep", "Dimension, selectivity, dead neurons and "
                       "similarity of classes before and after every sleep."),
}  # fmt: skip

#: Figures of several results.
OF_MANY = {
    "accuracy": ("Accuracy against sleep", "Every seed and the mean with its 95 % interval, beside "
                 "raw pixels, chance and the published values."),
    "sleep_sweep": ("Sweep of sleep", "Accuracy, its difference to no sleep with the same seed, "
                    "and the rate in the test, against the fraction of sleep."),
    "controls": ("Conditions", "Accuracy and rate in the test of every condition: every seed and "
                 "the mean with its 95 % interval."),
    "conditions": ("Conditions", "What was measured under every condition: every seed and the "
                   "mean with its 95 % interval."),
    "continual": ("Task after task", "Accuracy on the tasks so far and on the first task, "
                  "dimension of the responses, and forgetting, of every condition."),
    "weights": OF_ONE["weights"],
    "histograms": OF_ONE["histograms"],
}  # fmt: skip

#: A drawing larger than this many bytes is a bitmap instead.
LARGEST = 400_000

#: Pixels of the page that an inch of a figure takes, and dots an inch of bitmaps.
SCALE, DPI = 118, {"svg": 200, "png": 130}


class Picture(NamedTuple):
    """A figure inside a page: what it shows, the image itself, its size in pixels of the page."""

    name: str
    title: str
    caption: str
    uri: str
    width: int
    height: int


def pictures(
    results: Sequence[Result], names: Iterable[str], *, bitmap: bool = False
) -> tuple[list[Picture], list[tuple[str, str]]]:
    """Draw figures by their names in `OF_ONE` or `OF_MANY`, as small bitmaps if asked to.

    Returns those that the results have data for, and of each other its name and why.
    """
    drawn, missing = [], []
    for name in names:
        try:
            figure = load_module(name, "figure").draw(results)
        except FigureError as error:
            missing.append((name, str(error).split("; ")[0]))
            continue
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, StoreError) as error:
            missing.append((name, f"what is stored cannot be drawn ({one_line(error)})"))
            continue
        title, caption = (OF_ONE | OF_MANY)[name]
        width, height = (round(SCALE * inches) for inches in figure.get_size_inches())
        drawn.append(Picture(name, title, caption, image(figure, bitmap=bitmap), width, height))
    return drawn, missing


def image(figure, *, bitmap: bool = False) -> str:
    """Return a figure as a data URI, the same for the same figure: a drawing unless it is large."""
    if not bitmap:
        drawing = _saved(figure, "svg", {"Date": None, "Creator": None})
        if len(drawing) <= LARGEST:
            return f"data:image/svg+xml;base64,{base64.b64encode(drawing).decode()}"
    points = _saved(figure, "png", {"Software": None})
    return f"data:image/png;base64,{base64.b64encode(points).decode()}"


def _saved(figure, kind: str, metadata: dict[str, None]) -> bytes:
    import matplotlib

    file = io.BytesIO()
    # letters as outlines: who reads the page need not have the font
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": "brainsleep"}):
        figure.savefig(file, format=kind, metadata=metadata, dpi=DPI[kind])
    return file.getvalue()

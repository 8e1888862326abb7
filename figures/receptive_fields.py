"""Receptive fields: trained weights from the input to single neurons, as images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from brainsleep.errors import FigureError, explain
from brainsleep.results.result import Result
from brainsleep.show.drawn import arrow, population_name

from . import _style as style
from ._read import Condition, check_images, conditions

NAME = "receptive_fields"

#: Neurons shown at most.
MOST = 36

#: Colour of inputs that a neuron has no synapse from.
UNCONNECTED = "#D9DEE3"


def draw(results: Sequence[Result], labels: Sequence[str] | None = None) -> Figure:
    """Draw the input weights of the neurons that spike most in the test, an image a neuron.

    Parameters
    ----------
    results : sequence of Result
        One stored run.
    labels : sequence of str, optional
        Its name; default: from the protocol.

    Returns
    -------
    Figure
        Up to 36 images, most spikes first, with a common colour scale from 0 to the largest
        weight shown; inputs without a synapse in a colour of their own.

    Raises
    ------
    FigureError
        Unless there is exactly one result, with a projection from the input to the readout
        population and an input of the encoder's size.
    """
    check_images(results, labels)
    shown = conditions(results, labels)
    if len(shown) != 1:
        raise FigureError(explain("figure receptive_fields: results", len(shown), "one"))
    c = shown[0]
    projection = _from_input(c)
    images = fields(c, projection.name)
    chosen = most_active(c)[:MOST]
    columns = min(6, len(chosen))
    n_rows = -(-len(chosen) // columns)
    height, width = images.shape[1:]
    cell = 2.75 / 6
    signed = bool(np.nanmin(images, initial=0) < 0)
    colours = colormaps["PuOr" if signed else "inferno"].with_extremes(bad=UNCONNECTED)
    most = float(np.nanmax(np.abs(images[chosen]), initial=np.finfo(float).tiny))
    norm = Normalize(-most if signed else 0, most)
    gaps = np.isnan(images[chosen]).any()
    tall = 0.48 + 0.2 * gaps + cell * (height / width) * n_rows
    with style.figure("single", max(2.1, tall)) as figure:  # room for the label of the colour bar
        figure.set_layout_engine("compressed", w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
        axes = figure.subplots(n_rows, columns, squeeze=False)
        for ax, neuron in zip(axes.ravel(), chosen, strict=False):
            image = ax.imshow(images[neuron], cmap=colours, norm=norm, interpolation="nearest")
            ax.set_gid(f"neuron {neuron}")
        for k, ax in enumerate(axes.ravel()):
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
            ax.set_axis_on() if k < len(chosen) else ax.set_axis_off()
        bar = figure.colorbar(image, ax=axes, fraction=0.05, pad=0.02, aspect=32)
        bar.set_label("weight $w$ (dimensionless)")
        bar.outline.set_visible(False)
        name = population_name(projection.target)
        figure.suptitle(
            f"{c.label}, {arrow(projection)}\n"
            f"{len(chosen)} of {len(images)} {name} neurons, most test spikes first",
            fontsize=8,
        )
        if gaps:
            patch = Patch(color=UNCONNECTED, label="no synapse")
            figure.legend(handles=[patch], loc="outside lower center", fontsize=7.5)
    return figure


def fields(condition: Condition, projection: str) -> np.ndarray:
    """Return the trained input weights of every neuron as images.

    Parameters
    ----------
    condition : Condition
        A result.
    projection : str
        Name of the projection from the input to the readout population.

    Returns
    -------
    ndarray, shape (n_neurons, height, width)
        NaN where there is no synapse.
    """
    protocol, task = condition.protocol, condition.images
    size, sizes = task.encoder.size, {p.name: p.size for p in protocol.network.populations}
    n_inputs = sizes[protocol.network.input]
    if len(size) != 2 or size[0] * size[1] != n_inputs:
        what = f"figure receptive_fields: encoder.size of result {condition.result.run_id}"
        raise FigureError(explain(what, size, f"height and width of {n_inputs} inputs"))
    pre, post = condition.array(f"synapses/{projection}").T
    images = np.full((sizes[task.readout.population], n_inputs), np.nan)
    images[post, pre] = 0.0
    np.add.at(images, (post, pre), condition.array(f"snapshots/trained/{projection}"))
    return images.reshape(-1, *size)


def most_active(condition: Condition) -> np.ndarray:
    """Return the neurons of the readout population by spikes in the test, most first."""
    counts = condition.array(f"counts/{condition.images.readout.population}")
    tested = counts[condition.array("slots/part") == "test"]
    return np.argsort(-tested.sum(axis=0), kind="stable")


def _from_input(condition: Condition) -> Any:
    network, target = condition.protocol.network, condition.images.readout.population
    for projection in network.projections:
        if (projection.source, projection.target) == (network.input, target):
            return projection
    raise FigureError(
        f"figure receptive_fields: result {condition.result.run_id} has no projection "
        f"from {network.input} to {target}"
    )

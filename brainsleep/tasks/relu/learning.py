"""A ReLU network without biases, in NumPy: what it answers, how it learns, how large it gets.

Weights are a list of matrices, one a layer, shape (n_pre, n_post).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

import numpy as np

from ...errors import ProtocolError
from ...values.fields import Count, number, specification


@specification("training.", ProtocolError)
class Training:
    """How a ReLU network learns the images of a task: squared error, gradients with momentum.

    The defaults are those of Tadros et al. (2022), doi:10.1038/s41467-022-34938-7, whose two epochs
    of 5000 images are 100 batches.

    Parameters
    ----------
    batches : int
        Batches of each task. Its images are gone through again and again, in a new order each time,
        and those that make no whole batch are left out of a round.
    batch : int
        Images of a batch.
    lr : float
        Learning rate.
    momentum : float
        What is left of a change in the next one; from task to task, too.
    dropout : float
        Fraction of hidden units that are silent in a batch. Where the network is not learning, all
        hidden activities are scaled by what this leaves.
    """

    batches: Count = 100
    batch: Count = 100
    lr: Annotated[float, number(above=0)] = 0.1
    momentum: Annotated[float, number(0, below=1)] = 0.5
    dropout: Annotated[float, number(0, below=1)] = 0.25


def activities(
    weights: Sequence[np.ndarray], images: np.ndarray, dropout: float
) -> list[np.ndarray]:
    """Return the activities of all layers but the input, of a network that is not learning."""
    layers, last = [images], len(weights) - 1
    for k, w in enumerate(weights):
        active = np.maximum(layers[-1] @ w, 0)
        layers.append(active if k == last else active * active.dtype.type(1 - dropout))
    return layers[1:]


def learn(
    weights: Sequence[np.ndarray],
    velocities: Sequence[np.ndarray],
    images: np.ndarray,
    targets: np.ndarray,
    training: Training,
    rng: np.random.Generator,
) -> None:
    """Learn `targets` of images, in place.

    The slope of the output is taken as 1 also where it is 0, as in the authors' program.
    """
    for chosen in _batches(len(images), training, rng):
        layers = [images[chosen]]
        for w in weights[:-1]:
            active = np.maximum(layers[-1] @ w, 0)
            kept = rng.random(active.shape, np.float32) > training.dropout
            layers.append(active * kept)
        error = np.maximum(layers[-1] @ weights[-1], 0) - targets[chosen]
        error *= error.dtype.type(training.lr / len(chosen))
        changes = []
        for k in range(len(weights) - 1, -1, -1):
            changes.append(layers[k].T @ error)
            if k:
                error = (error @ weights[k].T) * (layers[k] > 0)
        for w, velocity, change in zip(weights, velocities, changes[::-1], strict=True):
            velocity *= training.momentum
            velocity += change
            w -= velocity


def _batches(n: int, training: Training, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield the images of every batch."""
    size = min(training.batch, n)
    in_a_round, order = n // size, np.arange(n)
    for k in range(training.batches):
        if k % in_a_round == 0:
            order = rng.permutation(n)
        begin = k % in_a_round * size
        yield order[begin : begin + size]


def gains(weights: Sequence[np.ndarray], images: np.ndarray, dropout: float) -> list[float]:
    """Return what each layer's weights are multiplied by in a spiking network (data-based norm).

    A layer is divided by its largest weight or activity, whichever is larger, and by what the
    layer before was *multiplied* by: `applied` of the authors' program, where one expects the
    largest of the layer before.
    """
    applied, found = 1.0, []
    for w, active in zip(weights, activities(weights, images, dropout), strict=True):
        largest = max(float(w.max(initial=0)), float(active.max(initial=0)))
        applied = (largest or 1.0) / applied
        found.append(1 / applied)
    return found


def credited(answers: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return how right each answer is: 1 or 0, and of k outputs that are the largest alike, 1/k.

    So a network that does not answer at all, all of whose outputs are 0, is right by chance only.
    """
    largest = answers == answers.max(axis=1, keepdims=True)
    return largest[np.arange(len(labels)), labels] / largest.sum(axis=1)

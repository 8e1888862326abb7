"""Classes learned task after task: who is learned when, and what is replayed."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from ...errors import BrainsleepError, DataError, ProtocolError, explain
from ...experiment.slots import MAX_SHOWN, Order
from ...values.fields import Count, number, specification
from ...values.quantities import check_whole


def _disjoint(value: Any, where: str, error: type[BrainsleepError]) -> tuple[tuple[int, ...], ...]:
    try:
        classes = tuple(tuple(check_whole(each, where, error) for each in task) for task in value)
    except (TypeError, error):
        classes = ((),)
    flat = [label for task in classes for label in task]
    if not all(classes) or len(set(flat)) < len(flat):
        allowed = "groups of labels, each label in one of them, such as ((0, 1), (2, 3))"
        raise error(explain(where, repr(value), allowed))
    return classes


@specification("tasks.", ProtocolError)
class Tasks:
    """Groups of classes that are learned one after the other.

    Parameters
    ----------
    classes : tuple of tuple of int
        The labels of every task, in order; empty for no tasks: all images mixed.
    mixed : bool
        Show the images of all tasks mixed (joint training), in as many parts as there are tasks:
        what the same network learns from the same images without an order.
    rehearsal : float
        Images of earlier tasks replayed for each new image, from the second task on; 0 for none.
        They come on top of the new images.
    stored : int
        Images kept of every class for rehearsal.

    Raises
    ------
    ProtocolError
        If a class is in two tasks, or a value is out of range.
    """

    classes: Annotated[tuple[tuple[int, ...], ...], _disjoint] = ()
    mixed: bool = False
    rehearsal: Annotated[float, number(0)] = 0.0
    stored: Count = 20

    def __post_init__(self):
        if not self.classes and (self.mixed or self.rehearsal):
            raise ProtocolError("tasks: mixed and rehearsal are of tasks; set tasks.classes first")
        if self.mixed and self.rehearsal:
            raise ProtocolError("tasks: mixed excludes rehearsal; set only one of them")

    def __len__(self) -> int:
        return len(self.classes)

    def of(self, labels: np.ndarray) -> np.ndarray:
        """Return the task of every label, -1 for none, shape (n_samples,)."""
        tasks = np.full(len(labels), -1)
        for task, members in enumerate(self.classes):
            tasks[np.isin(labels, members)] = task
        return tasks

    def order(
        self,
        labels: np.ndarray,
        epochs: int,
        rng: np.random.Generator,
        identical_epochs: bool = False,
    ) -> Order:
        """Say in which order training images with these `labels`, shape (n_train,), are shown.

        All are gone through in every epoch, within each task if there are tasks. The first is in
        the order of the images; `rng` shuffles later ones, unless epochs are identical, and draws
        what is replayed. Raises `DataError` if a task has no training image, and `ProtocolError` if
        more images are shown than `brainsleep.experiment.slots.MAX_SHOWN`.
        """
        shown_at_most = len(labels) * epochs * (1 + self.rehearsal)
        if shown_at_most > MAX_SHOWN:
            what = "images shown, epochs and rehearsal together"
            raise ProtocolError(explain(what, f"{shown_at_most:.3g}", f"at most {MAX_SHOWN}"))
        parts = [np.arange(len(labels))]
        if len(self):
            task_of = self.of(labels)
            parts = [np.flatnonzero(task_of == task) for task in range(len(self))]
            if self.mixed:
                parts = np.array_split(np.flatnonzero(task_of >= 0), len(self))
        blocks = [Order.epochs(0)]
        for task, images in enumerate(parts):
            if len(self) and len(labels) and not len(images):
                raise DataError(
                    f"tasks.classes: no training image of task {task} {self.classes[task]}; "
                    "raise data.n_train or leave the task out"
                )
            for epoch in range(epochs):
                new = images if epoch == 0 or identical_epochs else rng.permutation(images)
                if self.rehearsal and task:
                    new = self._with_replay(new, parts[:task], labels, rng)
                blocks.append(Order(new, np.full_like(new, task), np.full_like(new, epoch)))
        columns = zip(*((b.image, b.task, b.epoch) for b in blocks), strict=True)
        return Order(*map(np.concatenate, columns))

    def _with_replay(
        self, new: np.ndarray, earlier: list[np.ndarray], labels: np.ndarray, rng: Any
    ) -> np.ndarray:
        """Mix stored images of earlier tasks into new ones, at random places."""
        past = np.concatenate(earlier)
        kept = [past[labels[past] == label][: self.stored] for label in np.unique(labels[past])]
        replayed = rng.choice(np.concatenate(kept), round(self.rehearsal * len(new)))
        return rng.permutation(np.concatenate([new, replayed]))

"""Classes learned task after task: who is learned when, and what is replayed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import mistakes
from .errors import DataError, ProtocolError, explain
from .fields import checked_fields
from .quantities import check_whole, is_number
from .slots import MAX_SHOWN, Order


@checked_fields(ProtocolError)
@dataclass(frozen=True, kw_only=True)
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

    classes: tuple[tuple[int, ...], ...] = ()
    mixed: bool = False
    rehearsal: float = 0.0
    stored: int = 20

    @mistakes.checked
    def __post_init__(self):
        try:
            classes = tuple(
                tuple(check_whole(label, "", ProtocolError) for label in task)
                for task in self.classes
            )
        except (TypeError, ProtocolError):
            classes = ((),)
        flat = [label for task in classes for label in task]
        if not all(classes) or len(set(flat)) < len(flat):
            allowed = "groups of labels, each label in one of them, such as ((0, 1), (2, 3))"
            raise ProtocolError(explain("tasks.classes", repr(self.classes), allowed))
        object.__setattr__(self, "classes", classes)
        if not isinstance(self.mixed, bool):
            raise ProtocolError(explain("tasks.mixed", repr(self.mixed), "True or False"))
        if not is_number(self.rehearsal) or self.rehearsal < 0:
            raise ProtocolError(explain("tasks.rehearsal", repr(self.rehearsal), "at least 0"))
        object.__setattr__(self, "rehearsal", float(self.rehearsal))
        stored = check_whole(self.stored, "tasks.stored", ProtocolError, least=1)
        object.__setattr__(self, "stored", stored)
        if not classes and (self.mixed or self.rehearsal):
            raise ProtocolError("tasks: mixed and rehearsal are of tasks; set tasks.classes first")
        if self.mixed and self.rehearsal:
            raise ProtocolError(
                "tasks: mixed and rehearsal exclude each other; set only one of them"
            )

    def __len__(self) -> int:
        return len(self.classes)

    def of(self, labels: np.ndarray) -> np.ndarray:
        """Return the task of every label, -1 for none, shape (n_samples,)."""
        found = np.full(len(labels), -1)
        for task, members in enumerate(self.classes):
            found[np.isin(labels, members)] = task
        return found

    def order(
        self,
        labels: np.ndarray,
        epochs: int,
        rng: np.random.Generator,
        identical_epochs: bool = False,
    ) -> Order:
        """Say in which order images are shown.

        Parameters
        ----------
        labels : ndarray, shape (n_train,)
            Classes of the training images.
        epochs : int
            How many times images are gone through; within each task, if there are tasks.
        rng : numpy.random.Generator
            Shuffles later epochs and draws what is replayed.
        identical_epochs : bool
            Whether later epochs are in the order of the first instead.

        Returns
        -------
        Order
            Without tasks, the first epoch is in the order of the images.

        Raises
        ------
        DataError
            If a task has no training image.
        ProtocolError
            If more images are shown than `brainsleep.slots.MAX_SHOWN`.
        """
        shown_at_most = len(labels) * epochs * (1 + self.rehearsal)
        if shown_at_most > MAX_SHOWN:
            what = "images shown, epochs and rehearsal together"
            raise ProtocolError(explain(what, f"{shown_at_most:.3g}", f"at most {MAX_SHOWN}"))
        if not len(self):
            parts = [np.arange(len(labels))]
        else:
            task_of = self.of(labels)
            parts = [np.flatnonzero(task_of == task) for task in range(len(self))]
            if self.mixed:
                parts = np.array_split(np.flatnonzero(task_of >= 0), len(self))
        shown: list[np.ndarray] = []
        tasks: list[int] = []
        epoch_of: list[int] = []
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
                shown.append(new)
                tasks += [task] * len(new)
                epoch_of += [epoch] * len(new)
        image = np.concatenate([np.empty(0, np.int64), *shown]).astype(np.int64)
        return Order(image, np.array(tasks, np.int64), np.array(epoch_of, np.int64))

    def _with_replay(
        self,
        new: np.ndarray,
        earlier: list[np.ndarray],
        labels: np.ndarray,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Mix stored images of earlier tasks into new ones, at random places."""
        past = np.concatenate(earlier)
        kept = [past[labels[past] == label][: self.stored] for label in np.unique(labels[past])]
        replayed = rng.choice(np.concatenate(kept), round(self.rehearsal * len(new)))
        return rng.permutation(np.concatenate([new, replayed]))

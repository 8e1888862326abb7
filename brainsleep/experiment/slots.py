"""A run slot by slot: when which image is shown, and when the network sleeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from .stages import SleepStage, cut

#: Most slots of a run, and most images that are shown while it learns, epochs together.
MAX_SLOTS, MAX_SHOWN = 2_000_000, 10_000_000


@dataclass(frozen=True)
class SlotTable:
    """A whole run slot by slot; all columns have shape (n_slots,).

    Parameters
    ----------
    steps : ndarray of int
        Duration in time steps.
    image : ndarray of int
        Index of the image shown in the stage's images (the first, of a batch), -1 for none.
    shown : ndarray of int
        Place of that image in the order of training, -1 for none.
    n_images : ndarray of int
        How many are shown side by side: 1, or the size of the batch, or 0.
    task : ndarray of int
        Task that is learned, 0 where there is only one; -1 after training.
    stage : ndarray of str
        ``"train"``, ``"readout"`` or ``"test"``.
    phase : ndarray of str
        Kind of phase.
    onset : ndarray of bool
        Whether a phase, or a stage of sleep, begins with the slot.
    above : ndarray of float
        The rest of the phase is left out unless the summed weight, relative to its initial
        value, is above this before the slot; 0 never leaves out anything.
    within : ndarray of float
        The rest of the phase is left out if the summed excitatory and the summed inhibitory weight
        are both within this fraction of their initial values; 0 never leaves out anything.
    gates : dict of str to ndarray
        Gate values.
    sleep_stage : ndarray of str
        Stage of sleep, ``""`` awake, in the test, and in a sleep without stages.
    """

    steps: np.ndarray
    image: np.ndarray
    shown: np.ndarray
    n_images: np.ndarray
    task: np.ndarray
    stage: np.ndarray
    phase: np.ndarray
    onset: np.ndarray
    above: np.ndarray
    within: np.ndarray
    gates: dict[str, np.ndarray]
    sleep_stage: np.ndarray

    def __len__(self) -> int:
        return len(self.steps)

    def until(self, last: int) -> SlotTable:
        """Return the table of the slots before `last`."""
        columns = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "gates"}
        gates = {name: gate[:last] for name, gate in self.gates.items()}
        return SlotTable(**{name: c[:last] for name, c in columns.items()}, gates=gates)

    @property
    def starts(self) -> np.ndarray:
        """First step of every slot and the end, shape (n_slots + 1,)."""
        return np.concatenate([[0], np.cumsum(self.steps)])

    @property
    def trained(self) -> int:
        """The slot before which training is over."""
        return int(np.sum(self.stage == "train"))

    def ends_of(self, phase: str) -> np.ndarray:
        """Return the slots before which a phase of a kind has just ended, while learning."""
        during = (self.phase == phase) & (self.stage == "train")
        return 1 + np.flatnonzero(during & ~np.append(during[1:], False))


@dataclass(frozen=True)
class Order:
    """In which order training images are shown; columns of shape (n_shown,).

    Parameters
    ----------
    image : ndarray of int
        Index of the image among the training images.
    task, epoch : ndarray of int
        Which task is learned, and how many times its images were gone through before.
    """

    image: np.ndarray
    task: np.ndarray
    epoch: np.ndarray

    def __len__(self) -> int:
        return len(self.image)

    @classmethod
    def epochs(cls, n_images: int, epochs: int = 1) -> Order:
        """Show every image once an epoch, in the order they come."""
        image, epoch = np.tile(np.arange(n_images), epochs), np.repeat(np.arange(epochs), n_images)
        return cls(image, np.zeros_like(image), epoch)

    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """Return for every place whether an epoch ends with it, and whether a task does."""
        last = np.arange(len(self)) == len(self) - 1
        task = last | np.append(np.diff(self.task) != 0, True)[: len(self)]
        return task | np.append(np.diff(self.epoch) != 0, True)[: len(self)], task


@dataclass(frozen=True, kw_only=True)
class Timing:
    """A schedule in time steps.

    Parameters
    ----------
    image : int
        Length of the slot of an image.
    period : float
        Wake from one sleep to the next.
    before : float
        Wake that counts as past when the first image is shown.
    sleep : int
        Length of a sleep, 0 for none.
    stages : tuple of SleepStage
        What a sleep is cut into.
    chunk : int
        Longest slot of a sleep.
    begin_above, go_on_above : float
        See `SlotTable.above`: of the first slot of a sleep, and of the others.
    within : float
        See `SlotTable.within`.
    anew : bool
        Whether the time to the next sleep counts anew with every epoch.
    """

    image: int
    period: float
    before: float
    sleep: int
    stages: tuple[SleepStage, ...]
    chunk: int
    begin_above: float
    go_on_above: float
    within: float = 0.0
    anew: bool = False

    def most_slots(self, order: Order) -> float:
        """Return how many slots the training has at most."""
        if not self.sleep:
            return len(order)
        naps = len(order) * self.image / self.period + len(np.unique(order.task)) + 1
        pieces = self.sleep // self.chunk + 1 + len(self.stages)
        return len(order) + min(len(order), naps) * pieces


class Slot(NamedTuple):
    """A row of a `SlotTable`, but for the gates."""

    steps: int
    stage: str
    phase: str
    onset: bool
    image: int = -1
    shown: int = -1
    n_images: int = 0
    task: int = -1
    above: float = 0.0
    within: float = 0.0
    sleep_stage: str = ""


def training_slots(order: Order, timing: Timing, batch: int) -> list[Slot]:
    """Lay out wake and sleep; batches end with their epoch, tasks with a sleep."""
    slots: list[Slot] = []
    awake, woken, first = timing.before, True, 0
    epoch_ends, task_ends = order.ends()
    several = len(order) > 0 and order.task[-1] != order.task[0]
    while first < len(order):
        last = first + 1
        while last - first < batch and not epoch_ends[last - 1]:
            last += 1
        task, image = int(order.task[first]), int(order.image[first])
        slots.append(Slot(timing.image, "train", "wake", woken, image, first, last - first, task))
        awake, woken, length = awake + timing.image, False, 0
        if timing.sleep and awake >= timing.period * (1 - 1e-9):
            awake, length = awake - timing.period, timing.sleep
        if several and task_ends[last - 1]:
            share = timing.sleep * min(1.0, awake / timing.period)
            length = length or (max(1, round(share)) if share else 0)
            awake = 0.0
        if timing.anew and epoch_ends[last - 1]:
            awake = 0.0
        if length:
            slots += sleep_slots(length, task, timing)
            woken = True
        first = last
    return slots


def sleep_slots(length: int, task: int, timing: Timing) -> list[Slot]:
    """Lay out one sleep of `length` steps."""
    slots: list[Slot] = []
    for steps, begins, name in cut(timing.stages, length, timing.chunk):
        above = timing.go_on_above if slots else timing.begin_above
        slots.append(
            Slot(
                steps,
                "train",
                "sleep",
                begins,
                task=task,
                above=above,
                within=timing.within,
                sleep_stage=name,
            )
        )
    return slots


def test_slots(stage: str, count: int, steps: int) -> list[Slot]:
    """Lay out `count` images of the stage ``"readout"`` or ``"test"``, one a slot."""
    return [Slot(steps, stage, "test", k == 0, image=k, n_images=1) for k in range(count)]


def slot_table(
    slots: list[Slot],
    gates: tuple[str, ...],
    opened: Mapping[str, Mapping[str, float]],
    in_stages: Mapping[str, Mapping[str, float]],
) -> SlotTable:
    """Make columns of slots, with the gates of their phase, or of their stage of sleep."""
    values = zip(*slots, strict=True)
    columns = dict(zip(Slot._fields, map(np.array, values), strict=True))
    phase, stage = columns["phase"], columns["sleep_stage"]
    opening = {gate: np.zeros(len(slots)) for gate in gates}
    for kind, of_phase in opened.items():
        for gate in gates:
            opening[gate][phase == kind] = of_phase.get(gate, 0.0)
    for name, of_stage in in_stages.items():
        for gate in gates if name else ():
            opening[gate][stage == name] = of_stage.get(gate, 0.0)
    return SlotTable(**columns, gates=opening)

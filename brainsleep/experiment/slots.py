"""A run slot by slot: when which image is shown, and when the network sleeps."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from .. import mistakes
from ..errors import Details, ScheduleError, closest, explain, nearest

#: Most slots of a run, and most images that are shown while it learns, epochs together.
MAX_SLOTS, MAX_SHOWN = 2_000_000, 10_000_000


@dataclass(frozen=True)
class SlotTable:
    """A whole run slot by slot; all columns have shape (n_slots,)."""

    steps: np.ndarray  #: duration in time steps
    image: np.ndarray  #: index of the image shown in its part (the first, of a batch), or -1
    shown: np.ndarray  #: place of that image in the order of training, -1 for none
    n_images: np.ndarray  #: how many are shown side by side: 1, or the size of the batch, or 0
    task: np.ndarray  #: task that is learned, 0 where there is only one; -1 after training
    part: np.ndarray  #: ``"train"``, ``"readout"`` or ``"test"``
    phase: np.ndarray  #: kind of phase
    onset: np.ndarray  #: whether a phase, or a stage of sleep, begins with the slot

    #: The rest of the phase is left out unless the summed weight, relative to its initial value,
    #: is above this before the slot; 0 never leaves out anything.
    above: np.ndarray

    #: The rest of the phase is left out if the summed excitatory and the summed inhibitory weight
    #: are both within this fraction of their initial values; 0 never leaves out anything.
    within: np.ndarray

    gates: dict[str, np.ndarray]  #: values of each gate
    sleep_stage: np.ndarray  #: stage of sleep, ``""`` for none

    def __len__(self) -> int:
        return len(self.steps)

    def until(self, last: int) -> "SlotTable":
        """Return the table of the slots before `last`."""
        columns = {f.name: getattr(self, f.name)[:last] for f in fields(self) if f.name != "gates"}
        return SlotTable(**columns, gates={name: gate[:last] for name, gate in self.gates.items()})

    def at(self, slots: np.ndarray) -> "SlotTable":
        """Return the table of some slots, in their order and as often as they come."""
        columns = {f.name: getattr(self, f.name)[slots] for f in fields(self) if f.name != "gates"}
        return SlotTable(**columns, gates={name: gate[slots] for name, gate in self.gates.items()})

    @property
    def starts(self) -> np.ndarray:
        """First step of every slot and the end, shape (n_slots + 1,)."""
        return np.concatenate([[0], np.cumsum(self.steps)])

    @property
    def trained(self) -> int:
        """The slot before which training is over."""
        return int(np.sum(self.part == "train"))

    def ends_of(self, phase: str) -> np.ndarray:
        """Return the slots before which a phase of a kind has just ended, while learning."""
        during = (self.phase == phase) & (self.part == "train")
        return 1 + np.flatnonzero(during & ~np.append(during[1:], False))


@dataclass(frozen=True)
class Order:
    """In which order training images are shown; columns of shape (n_shown,).

    `image` is the index among the training images, `task` which task is learned, and `epoch` how
    many times its images were gone through before.
    """

    image: np.ndarray
    task: np.ndarray
    epoch: np.ndarray

    def __len__(self) -> int:
        return len(self.image)

    @classmethod
    def epochs(cls, n_images: int, epochs: int = 1) -> "Order":
        """Show every image once an epoch, in the order they come."""
        image, epoch = np.tile(np.arange(n_images), epochs), np.repeat(np.arange(epochs), n_images)
        return cls(image, np.zeros_like(image), epoch)

    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """Return for every place whether an epoch ends with it, and whether a task does."""
        last = np.arange(len(self)) == len(self) - 1
        task = last | np.append(np.diff(self.task) != 0, True)[: len(self)]
        return task | np.append(np.diff(self.epoch) != 0, True)[: len(self)], task


class Slot(NamedTuple):
    """A row of a `SlotTable`; `gates` is what its gates are called, see `slot_table`."""

    steps: int
    part: str
    phase: str
    gates: str
    onset: bool
    image: int = -1
    shown: int = -1
    n_images: int = 0
    task: int = -1
    above: float = 0.0
    within: float = 0.0
    sleep_stage: str = ""


def slot_table(
    slots: list[Slot], gates: tuple[str, ...], opened: Mapping[str, Mapping[str, float]]
) -> SlotTable:
    """Make columns of slots, with the values of all `gates` where those called so are `opened`."""
    columns = dict(zip(Slot._fields, zip(*slots, strict=True), strict=True))
    places = {name: place for place, name in enumerate(opened)}
    which = np.array([places[name] for name in columns.pop("gates")])
    values = {gate: np.array([each.get(gate, 0.0) for each in opened.values()]) for gate in gates}
    return SlotTable(
        **{name: np.array(column) for name, column in columns.items()},
        gates={gate: each[which] for gate, each in values.items()},
    )


def check_gates(opened: Mapping[str, Mapping[str, float]], gates: tuple[str, ...]) -> None:
    """Report a `ScheduleError` for every gate that is opened somewhere and does not exist."""
    for where, names in opened.items():
        for name in names:
            if name not in gates:
                text = f"{where}: the network has no gate '{name}'; {nearest(name, gates)}"
                details = Details(word=name, close=closest(name, gates))
                mistakes.report(ScheduleError(text, details))


def check_size(slots: float, fix: str) -> None:
    """Raise `ScheduleError` for what is too long to be laid out."""
    if slots > MAX_SLOTS:
        got, allowed = f"up to {slots:.3g}", f"at most {MAX_SLOTS}"
        raise ScheduleError(explain("schedule: slots", got, allowed, fix))

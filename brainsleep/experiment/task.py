"""What a network is given to do: a plug-in that supplies stimulus and observers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from brian2 import Hz, get_dimensions

from ..errors import ProtocolError, explain

if TYPE_CHECKING:
    from ..network.spec import Network
    from ..run.segment import Batch
    from .observer import Observer, View
    from .protocol import Protocol
    from .settings import Setting
    from .slots import SlotTable


@dataclass(frozen=True)
class Material:
    """What a run is given from outside of its protocol, such as a data set."""

    fingerprint: str = ""  #: hash of its content, which is part of the run's id; "" without any
    content: Any = None  #: what the task reads from
    remarks: tuple[str, ...] = ()  #: what is doubtful about it


@dataclass(frozen=True)
class Ending:
    """Training ends early, or with other weights than those it has."""

    #: Arrays of the state that take the place of those there are.
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    text: str = ""  #: what is said of it; "" if training ends where it would anyway


@dataclass(frozen=True)
class Change:
    """What a task sets before a slot, and what it keeps of it."""

    #: Arrays of the state that take the place of those there are, such as ``"ee.w"``.
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    #: Arrays that the course is given back in `View.kept`, also after an interruption.
    kept: dict[str, np.ndarray] = field(default_factory=dict)


class Course(ABC):
    """One run, laid out: its slots, what is shown in them, and who looks at it."""

    table: SlotTable  #: all slots of the run
    observers: Sequence[Observer] = ()  #: what looks at the run on behalf of its task

    #: Where its material comes from, as results say it.
    source: Mapping[str, str] = MappingProxyType(
        dict.fromkeys(("name", "fingerprint", "source", "licence", "citation"), "")
    )
    read: Collection[str] = ()  #: populations that are read out: one of them must spike in the test
    remark: str = ""  #: what is doubtful about the run; "" for nothing

    #: Slots that a segment should have room for; 0 for as many as usual.
    room: int = 0

    #: What the schedule sets before slots, by the array of the state; a task's change comes after.
    settings: Mapping[int, Mapping[str, Setting]] = MappingProxyType({})

    #: Slots before which it sets arrays of the state; ``len(table)`` is the end of the run.
    changes: Collection[int] = ()

    @abstractmethod
    def stimulus(self, first: int, last: int) -> np.ndarray:
        """Return the input to each neuron in Hz in some slots, shape (n_slots, n_inputs)."""

    def given(self, first: int, last: int) -> dict[str, Any]:
        """Return what else is given in some slots, see `brainsleep.run.segment.Segment`.

        ``inputs`` of other populations, ``trains`` and ``signals``; what is left out is as usual.
        """
        return {}

    def follow(self, view: View) -> None:  # noqa: B027 - most need not
        """Take up what was recorded before a slot, where what is given depends on it."""

    def change(self, view: View) -> Change:
        """Return what is set before one of `changes`; its observers look after that.

        It is asked once a slot, and may take long. ``view.kept`` is what the change before kept.
        """
        return Change(kept=dict(view.kept))

    def batch(self, slot: int) -> Batch | None:
        """Return what is learned from together in a slot awake, if the network does so."""
        return None

    def ending(self, view: View) -> Ending | None:
        """Return whether training ends before a slot."""
        return None


class Task(ABC):
    """What a network is given to do; a frozen dataclass whose fields are settings of protocols."""

    @property
    def source(self) -> str:
        """What it reads from: a name or a path; "" for nothing."""
        return ""

    def drives(self, network: Network) -> Collection[str]:
        """Return the names of populations that it gives their input."""
        return (network.input,)

    @abstractmethod
    def check(self, protocol: Protocol) -> None:
        """Raise `BrainsleepError` if the other parts of a protocol do not fit."""

    @abstractmethod
    def open(self, opened: dict[Any, Any]) -> Material:
        """Read what a run needs; what was `opened` before is not read again."""

    @abstractmethod
    def nominal_slots(self, protocol: Protocol) -> SlotTable:
        """Lay out a run as far as that can be told before anything is read."""

    @abstractmethod
    def course(self, protocol: Protocol, seed: int, material: Material) -> Course:
        """Lay out a run."""


def check_driven(network: Network, driver: str) -> None:
    """Raise `ProtocolError` without a population that takes the rates of a task's `driver`."""
    unit = network.inputs.get(network.input)
    if unit is None or get_dimensions(unit) is not Hz.dim:
        rates = [
            k for k, u in network.inputs.items() if u is not None and get_dimensions(u) is Hz.dim
        ]
        allowed = "the name of a population whose model takes a stimulus in Hz"
        fix = f"write input='{rates[0]}' in the network" if rates else "add such a population"
        where = f"network '{network.name}': input, which {driver} drive"
        raise ProtocolError(explain(where, repr(network.input), allowed, fix))

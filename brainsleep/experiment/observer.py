"""Observers: what is looked at while a run is under way, with one interface.

Between segments the whole state of a network is plain arrays, so an observer works on every
backend. What it finds is kept in checkpoints and given back to it at the end, to be turned into
metrics and arrays of the result.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from brian2 import Quantity, second

if TYPE_CHECKING:
    from ..run.observers.recorder import Recorder
    from ..run.segment import Capacity, Requests
    from ..run.state import State
    from .protocol import Protocol
    from .record import Record
    from .slots import SlotTable

# What an observer found at one time: arrays by name, of the same names and shapes every time.
Found = Mapping[str, Any]

_NOTHING: Mapping[str, np.ndarray] = MappingProxyType({})

# What was found, by the slot before which it was looked.
Looks = dict[int, dict[str, np.ndarray]]


@dataclass(frozen=True)
class Metric:
    """What metrics of one name mean.

    Parameters
    ----------
    group : str
        Under what they are shown: ``"accuracy"``, ``"tasks"``, ``"weights"``, ``"rates"``,
        ``"representation"``, ``"time"``, ``"operations"`` or ``"observed"``.
    pattern : str
        Their name, or a regular expression of their names; its groups are what the text names.
    unit : str
        Unit; "1" for a plain number, "fraction" for one between 0 and 1.
    text : str
        Definition.
    """

    group: str
    pattern: str
    unit: str
    text: str


@dataclass(frozen=True, eq=False)
class View:
    """A run as it is before a slot."""

    protocol: Protocol  #: what is run
    table: SlotTable  #: all its slots
    slot: int  #: the slot that comes next; ``len(table)`` at the end
    state: (
        State  #: the network: ``state.arrays["e.v"]``, ``state.weights("ee")``; not to be changed
    )
    recorder: Recorder  #: what was recorded until now
    seed: int
    capacity: Capacity  #: largest segment that can be asked for
    over: bool = False  #: whether an alarm has ended the run here
    before: int = 0  #: time steps that the network had before the run
    kept: Mapping[str, np.ndarray] = _NOTHING  #: what the task keeps from change to change

    @property
    def step(self) -> int:
        """Time steps that were run."""
        return self.recorder.steps_before(self.slot)

    @property
    def t(self) -> Quantity:
        """Time of the run."""
        return self.step * float(self.protocol.network.dt) * second

    @property
    def trained(self) -> int:
        """The slot before which training is over."""
        return self.table.trained


@dataclass(frozen=True, eq=False)
class Seen:
    """A run that is over, or was stopped, as observers measure it."""

    protocol: Protocol  #: what was run
    table: SlotTable  #: the slots that were run or left out
    recorder: Recorder  #: what was recorded in them
    state: State  #: the network at the end
    seed: int
    stopped: bool  #: whether an alarm ended it

    @property
    def dt(self) -> float:
        """Time step in s."""
        return float(self.protocol.network.dt)

    def looks(self, name: str) -> Looks:
        """Return what the observer of that name found, in the order of slots."""
        return dict(sorted(self.recorder.looks.get(name, {}).items()))

    def times_s(self, name: str) -> np.ndarray:
        """Return when it looked, in s of the run."""
        steps = [self.recorder.steps_before(slot) for slot in self.looks(name)]
        return np.array(steps, dtype=np.int64) * self.dt

    def series(self, name: str, key: str) -> np.ndarray:
        """Return one of its arrays over time, shape (n_looks, ...)."""
        return np.array([found[key] for found in self.looks(name).values()])


class Observer:
    """Something that is looked at; a user's is a frozen dataclass whose fields are its settings.

    Attributes
    ----------
    name : str
        Name, one of its own in a run.
    metrics : tuple of Metric
        What the metrics that it gives mean.

    Examples
    --------
    >>> @dataclass(frozen=True)
    ... class MeanPotential(Observer):
    ...     population: str = "e"
    ...     name = "potential"
    ...     metrics = (Metric("observed", "potential_mv", "mV", "mean membrane potential"),)
    ...
    ...     def slots(self, table):
    ...         return table.ends_of("sleep")
    ...
    ...     def look(self, view):
    ...         return {"v": view.state.arrays[f"{self.population}.v"].mean()}
    ...
    ...     def measure(self, seen):
    ...         return {"potential_mv": 1e3 * seen.series(self.name, "v").mean()}
    """

    name: str = ""
    metrics: tuple[Metric, ...] = ()

    def check(self, record: Record) -> None:
        """Raise `ProtocolError` unless what it measures is recorded."""

    def slots(self, table: SlotTable) -> Collection[int]:
        """Return the slots before which it looks; ``len(table)`` is the end of the run."""
        return ()

    def due(self, view: View, planned: bool) -> bool:
        """Return whether it looks now; by default where that was `planned`, before its `slots`."""
        return planned

    def look(self, view: View) -> Found | Requests[Found]:
        """Return what is found: arrays or numbers by name, or a generator that returns them.

        A generator may ask for segments on the way (`Request`): they are run on a copy of
        the network, and the run goes on as if nothing had been.
        """
        return {}

    def measure(self, seen: Seen) -> dict[str, Any]:
        """Return its metrics of a run that is over, by name; None for what is not defined."""
        return {}

    def arrays(self, seen: Seen) -> dict[str, np.ndarray]:
        """Return what is kept of it in the result; by default all it found, and when, by name."""
        keys = next(iter(seen.looks(self.name).values()), None)
        if keys is None:
            return {}
        series = {f"{self.name}/{key}": seen.series(self.name, key) for key in keys}
        return {f"{self.name}/times_s": seen.times_s(self.name), **series}

"""Wake and sleep one after the other, without a task: how long, with which input and gates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from brian2 import Hz, Quantity, second

from ..errors import ProtocolError, ScheduleError, explain
from ..values.fields import Count, Gates, Time, one_of, positive, refusal, specification
from ..values.frozen import default
from .schedule import MAX_STEPS, whole_steps
from .slots import Slot, SlotTable, check_gates, check_size, slot_table
from .stages import cut
from .task import Course, Material, Task

if TYPE_CHECKING:
    from .protocol import Protocol


@specification("{kind}.", ScheduleError)
class Period:
    """A time awake or asleep.

    Parameters
    ----------
    kind : {"wake", "sleep"}
        What it is.
    duration : Quantity
        How long it is.
    rate : Quantity
        Rate of every neuron of the input population, where the gate ``input`` is open.
    gates : mapping of str to float
        Gates that are open: 1 open, values between scale what the gate multiplies.
    """

    kind: Annotated[str, one_of("wake", "sleep")]
    duration: Time
    rate: Annotated[Quantity, positive(Hz, or_zero=True)] = default(0 * Hz)
    gates: Gates = field(default_factory=dict)


def awake(duration: Quantity, *, rate: Quantity = 0 * Hz, **gates: float) -> Period:
    """Make a period awake: input and plasticity open, and whatever else is named.

    >>> awake(20 * second, rate=8 * Hz).gates["plasticity"]
    1.0
    """
    opened = {"input": 1, "plasticity": 1, **gates}
    return Period(kind="wake", duration=duration, rate=rate, gates=opened)


def asleep(duration: Quantity, *, rate: Quantity = 0 * Hz, **gates: float) -> Period:
    """Make a period asleep: input silent, plasticity open; name the parts of sleep to open them.

    >>> asleep(5 * second, noise=1, decay=1).gates["input"]
    0.0
    """
    opened = {"input": 0, "plasticity": 1, **gates}
    return Period(kind="sleep", duration=duration, rate=rate, gates=opened)


@specification("timeline.", ScheduleError)
class Timeline:
    """Periods of wake and sleep, one after the other, again and again.

    Parameters
    ----------
    periods : tuple of Period
        Made by `awake` and `asleep`.
    times : int
        How many times they are gone through.
    slot : Quantity
        Spikes are counted in slots of this length at most.
    """

    periods: tuple[Period, ...]
    times: Count = 1
    slot: Time = default(1 * second)

    #: Names of stages of sleep; a timeline has none.
    stage_names = ()

    def __post_init__(self):
        if not self.periods:
            raise refusal(self, "periods", "none", "one or more of awake(...) and asleep(...)")

    @property
    def sleep_per_wake(self) -> float:
        """Time asleep over time awake; not a number without any wake."""
        lasting = {"wake": 0.0, "sleep": 0.0}
        for period in self.periods:
            lasting[period.kind] += float(period.duration)
        return lasting["sleep"] / lasting["wake"] if lasting["wake"] else float("nan")

    def phase_gates(self) -> dict[str, Mapping[str, float]]:
        """Return the gates of every period, by its kind and, if there are several, its number."""
        kinds = [period.kind for period in self.periods]
        numbered = len(set(kinds)) < len(kinds)
        return {
            f"{period.kind} ({place + 1})" if numbered else period.kind: period.gates
            for place, period in enumerate(self.periods)
        }

    def check_gates(self, gates: tuple[str, ...]) -> None:
        """Raise `ScheduleError` if a period opens a gate that the network does not have."""
        opened = {f"timeline.periods: {name}": each for name, each in self.phase_gates().items()}
        check_gates(opened, gates)

    def compile(self, gates: tuple[str, ...], dt: Quantity) -> tuple[SlotTable, np.ndarray]:
        """Lay out a run in time steps `dt`, with values for all `gates` of the network.

        Return its slots, and the rate of the input in Hz, shape (n_slots,). Raise `ScheduleError`
        for too many slots, or if a time is not a multiple of `dt`.
        """
        longest = min(MAX_STEPS, whole_steps(self.slot, dt, "timeline.slot"))
        slots: list[Slot] = []
        rates: list[float] = []
        for name, period in zip(self.phase_gates(), self.periods, strict=True):
            total = whole_steps(period.duration, dt, f"timeline.{period.kind}.duration")
            check_size(-(-total // longest) * self.times, "make slots longer")
            pieces = cut((), total, longest)
            slots += [Slot(n, "train", period.kind, name, onset=begins) for n, begins, _ in pieces]
            rates += [float(period.rate)] * len(pieces)
        table = slot_table(slots * self.times, gates, self.phase_gates())
        return table, np.array(rates * self.times)


class _Untasked(Task):
    """No task: every neuron of the input has the rate of its period."""

    def check(self, protocol: Protocol) -> None:
        if not isinstance(protocol.schedule, Timeline):
            fix = "or give it a task, such as task=Images(...), to sleep between images"
            allowed = "a Timeline, as there is no task"
            raise ProtocolError(explain("protocol: schedule", "a Schedule", allowed, fix))

    def open(self, opened: dict[Any, Any]) -> Material:
        return Material()

    def nominal_slots(self, protocol: Protocol) -> SlotTable:
        return self.course(protocol, 0, Material()).table

    def course(self, protocol: Protocol, seed: int, material: Material) -> Course:
        return _TimelineCourse(protocol)


UNTASKED = _Untasked()


class _TimelineCourse(Course):
    def __init__(self, protocol: Protocol):
        network, timeline = protocol.network, protocol.schedule
        assert isinstance(timeline, Timeline)  # checked
        self.table, self._rates = timeline.compile(network.gates, network.dt)
        self._n_inputs = network.population(network.input).size

    def stimulus(self, first: int, last: int) -> np.ndarray:
        return np.repeat(self._rates[first:last, None], self._n_inputs, axis=1)

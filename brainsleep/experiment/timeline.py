"""Wake and sleep one after the other, without a task: how long, with which input and gates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from brian2 import Hz, Quantity, second

from ..errors import ProtocolError, ScheduleError, explain
from ..values.arrays import Array
from ..values.fields import GROWS, Count, Gates, Time, one_of, positive, refusal, specification
from ..values.frozen import default
from .given import GivenCourse, check_given
from .inputs import SpikeTrains, Values, check_input, check_signal
from .schedule import MAX_STEPS, whole_steps
from .settings import Settings
from .slots import Slot, SlotTable, check_gates, check_size, slot_table
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
    inputs : mapping of str to Quantity, array, Rates, Values or SpikeTrains
        What each input population is given, by its name: one value for all neurons, one a neuron,
        values over time, or spikes. What is not named gets a stimulus of 0, or no spikes.
    signals : mapping of str to Quantity or Values
        Values of signals, by name. What is not named is as the network says.
    settings : mapping of str to quantity, array or Setting
        Values that neurons or synapses get before it begins: ``{"e.i_ext": 2*nA}``.
    """

    kind: Annotated[str, one_of("wake", "sleep")]
    duration: Time
    rate: Annotated[Quantity, positive(Hz, or_zero=True)] = default(0 * Hz)
    gates: Gates = field(default_factory=dict)
    inputs: Annotated[
        Mapping[str, Annotated[Quantity | Array | Values | SpikeTrains, check_input]], GROWS
    ] = field(default_factory=dict)
    signals: Annotated[Mapping[str, Annotated[Quantity | Values, check_signal]], GROWS] = field(
        default_factory=dict
    )
    settings: Annotated[Settings, GROWS] = field(default_factory=dict)

    @property
    def frames(self) -> list[Values]:
        """All that changes over time in it."""
        each = (*self.inputs.values(), *self.signals.values())
        return [value for value in each if isinstance(value, Values)]


def awake(
    duration: Quantity,
    *,
    rate: Quantity = 0 * Hz,
    inputs: Mapping[str, Any] | None = None,
    signals: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    **gates: float,
) -> Period:
    """Make a period awake: input and plasticity open, and whatever else is named.

    >>> awake(20 * second, rate=8 * Hz).gates["plasticity"]
    1.0
    """
    opened = {"input": 1, "plasticity": 1, **gates}
    given = {"inputs": inputs or {}, "signals": signals or {}, "settings": settings or {}}
    return Period(kind="wake", duration=duration, rate=rate, gates=opened, **given)


def asleep(
    duration: Quantity,
    *,
    rate: Quantity = 0 * Hz,
    inputs: Mapping[str, Any] | None = None,
    signals: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    **gates: float,
) -> Period:
    """Make a period asleep: input silent, plasticity open; name the parts of sleep to open them.

    >>> asleep(5 * second, noise=1, decay=1).gates["input"]
    0.0
    """
    opened = {"input": 0, "plasticity": 1, **gates}
    given = {"inputs": inputs or {}, "signals": signals or {}, "settings": settings or {}}
    return Period(kind="sleep", duration=duration, rate=rate, gates=opened, **given)


def cycles(*periods: Period | Timeline, times: int = 1, slot: Quantity = 1 * second) -> Timeline:
    """Go through some periods, again and again: a `Timeline`, or a part of one.

    >>> night = cycles(asleep(90 * second), asleep(20 * second, noise=1), times=4)
    >>> cycles(awake(960 * second), night, times=2).n_periods
    18
    """
    return Timeline(periods=periods, times=times, slot=slot)


@dataclass(frozen=True)
class Layout:
    """A timeline, slot by slot; columns of shape (n_slots,)."""

    table: SlotTable
    periods: tuple[Period, ...]  #: all periods that are written down
    period: np.ndarray  #: which of them a slot is part of
    begin: np.ndarray  #: step of that period at which the slot begins


@specification("timeline.", ScheduleError)
class Timeline:
    """Periods of wake and sleep, one after the other, again and again.

    Parameters
    ----------
    periods : tuple of Period or Timeline
        Made by `awake` and `asleep`; and by `cycles`, for some that are gone through several times.
    times : int
        How many times they are gone through.
    slot : Quantity
        Spikes are counted in slots of this length at most. A timeline that is part of another has
        its own.
    """

    periods: tuple[Period | Timeline, ...]
    times: Count = 1
    slot: Time = default(1 * second)

    #: Names of stages of sleep; a timeline has none.
    stage_names = ()

    def __post_init__(self):
        if not self.periods:
            raise refusal(self, "periods", "none", "one or more of awake(...) and asleep(...)")

    @property
    def written(self) -> tuple[Period, ...]:
        """All periods, in order, each once: those of parts, too."""
        parts = ((p,) if isinstance(p, Period) else p.written for p in self.periods)
        return tuple(period for part in parts for period in part)

    @property
    def n_periods(self) -> int:
        """How many periods there are, one after the other."""
        return self.times * sum(1 if isinstance(p, Period) else p.n_periods for p in self.periods)

    @property
    def sleep_per_wake(self) -> float:
        """Time asleep over time awake; not a number without any wake."""
        lasting = self._lasting()
        return lasting["sleep"] / lasting["wake"] if lasting["wake"] else float("nan")

    def _lasting(self) -> dict[str, float]:
        """Return how long all of each kind is, in s."""
        lasting = {"wake": 0.0, "sleep": 0.0}
        for part in self.periods:
            if isinstance(part, Timeline):
                each = part._lasting()
            else:
                each = {part.kind: float(part.duration)}
            for kind, duration in each.items():
                lasting[kind] += self.times * duration
        return lasting

    def phase_gates(self) -> dict[str, Mapping[str, float]]:
        """Return the gates of every period, by its kind and, if there are several, its number."""
        kinds = [period.kind for period in self.written]
        numbered = len(set(kinds)) < len(kinds)
        return {
            f"{period.kind} ({place + 1})" if numbered else period.kind: period.gates
            for place, period in enumerate(self.written)
        }

    def check_gates(self, gates: tuple[str, ...]) -> None:
        """Raise `ScheduleError` if a period opens a gate that the network does not have."""
        opened = {f"timeline.periods: {name}": each for name, each in self.phase_gates().items()}
        check_gates(opened, gates)

    def most_slots(self, dt: Quantity) -> float:
        """Return how many slots there are at most."""
        longest = self._longest(dt)
        total = 0.0
        for part in self.periods:
            if isinstance(part, Timeline):
                total += part.most_slots(dt)
                continue
            frames = sum(float(part.duration / value.every) + 1 for value in part.frames)
            total += frames + float(part.duration / dt) // longest + 1
        return total * self.times

    def _longest(self, dt: Quantity) -> int:
        return min(MAX_STEPS, whole_steps(self.slot, dt, "timeline.slot"))

    def compile(self, gates: tuple[str, ...], dt: Quantity) -> Layout:
        """Lay out a run in time steps `dt`, with values for all `gates` of the network.

        Raise `ScheduleError` for too many slots, or if a time is not a multiple of `dt`.
        """
        check_size(self.most_slots(dt), "make slots longer")
        names = iter(self.phase_gates())
        slots: list[Slot] = []
        of: list[tuple[int, int]] = []
        order = self._lay_out(dt, names, slots, of)
        table = slot_table(slots, gates, self.phase_gates()).at(order)
        period, begin = np.array(of).T
        return Layout(table, self.written, period[order], begin[order])

    def _lay_out(self, dt: Quantity, names: Any, slots: list[Slot], of: list) -> np.ndarray:
        """Add the slots of every period, once, with the period and step of each; return the order.

        The order says which of the slots come one after the other.
        """
        longest = self._longest(dt)
        parts = []
        for part in self.periods:
            if isinstance(part, Timeline):
                parts.append(part._lay_out(dt, names, slots, of))
                continue
            name, first = next(names), len(slots)
            number = of[-1][0] + 1 if of else 0
            for begin, end in pieces(part, longest, dt):
                slots.append(Slot(end - begin, "train", part.kind, name, onset=begin == 0))
                of.append((number, begin))
            parts.append(np.arange(first, len(slots)))
        return np.tile(np.concatenate(parts), self.times)


def pieces(period: Period, longest: int, dt: Quantity) -> list[tuple[int, int]]:
    """Cut a period at the frames of what changes in it, and into slots of `longest` steps at most.

    Return the first step of each slot, and its end.
    """
    total = whole_steps(period.duration, dt, f"timeline.{period.kind}.duration")
    borders = {0, total}
    for value in period.frames:
        borders |= set(range(0, total, whole_steps(value.every, dt, "values over time: every")))
    ends = sorted(borders)
    return [
        (at, min(at + longest, end))
        for begin, end in pairwise(ends)
        for at in range(begin, end, longest)
    ]


class _Untasked(Task):
    """No task: what the inputs are given, and which values signals have, periods say."""

    def check(self, protocol: Protocol) -> None:
        if not isinstance(protocol.schedule, Timeline):
            fix = "or give it a task, such as task=Images(...), to sleep between images"
            allowed = "a Timeline, as there is no task"
            raise ProtocolError(explain("protocol: schedule", "a Schedule", allowed, fix))
        timeline, network = protocol.schedule, protocol.network
        different: dict[int, tuple[str, Period]] = {}
        for name, period in zip(timeline.phase_gates(), timeline.written, strict=True):
            different.setdefault(id(period), (name, period))
        for name, period in different.values():
            check_given(f"timeline.periods: {name}", period, network)
        _check_counts(timeline, protocol)

    def open(self, opened: dict[Any, Any]) -> Material:
        return Material()

    def nominal_slots(self, protocol: Protocol) -> SlotTable:
        return _layout(protocol).table

    def course(self, protocol: Protocol, seed: int, material: Material) -> Course:
        return TimelineCourse(protocol)


class TimelineCourse(GivenCourse):
    """A run of a protocol whose schedule is a timeline."""

    def __init__(self, protocol: Protocol):
        layout = _layout(protocol)
        each = layout.periods, layout.period, layout.begin
        super().__init__(layout.table, *each, protocol.network)


UNTASKED = _Untasked()

#: Most bytes that the spike counts of all slots of a run may take.
_MOST_BYTES = 4e9


def _layout(protocol: Protocol) -> Layout:
    network, timeline = protocol.network, protocol.schedule
    assert isinstance(timeline, Timeline)  # checked
    return timeline.compile(network.gates, network.dt)


def _check_counts(timeline: Timeline, protocol: Protocol) -> None:
    """Raise `ScheduleError` if there are more spike counts than can be kept."""
    network = protocol.network
    counted = [p for p in network.populations if p.spikes and p.name not in network.sources]
    n_neurons = sum(p.size for p in counted)
    slots = timeline.most_slots(network.dt)
    if slots * n_neurons * 4 > _MOST_BYTES:
        got = f"up to {slots:.3g} slots of {n_neurons} neurons"
        allowed = f"at most {_MOST_BYTES / 4:.0e} spike counts, as those of every slot are kept"
        fix = "make slots, or frames of what is given over time, longer"
        raise ScheduleError(explain("timeline", got, allowed, fix))

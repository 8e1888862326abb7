"""Wake, sleep and test as values, compiled to gates slot by slot.

A `Phase` says which gates are open and how far; a `Schedule` says when each phase comes. Gates
that a phase does not name are closed. A sleep may be cut into stages, such as NREM and REM, with
gates of their own (`SleepStage`).
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import field
from itertools import pairwise
from typing import Annotated, Any, NamedTuple

import numpy as np
from brian2 import Quantity, ms, second

from ..errors import Details, ScheduleError, explain
from ..values.fields import Count, Gates, Time, number, one_of, refusal, spec, specification
from ..values.frozen import default
from .slots import MAX_SLOTS, Order, Slot, SlotTable, check_gates, check_size, slot_table
from .stages import SleepStage, cut

#: Longest slot in time steps; a longer sleep is cut into several slots of one phase.
MAX_STEPS = 50_000

#: Most time steps of anything: numbers of steps stay exact.
_MOST_STEPS = 2**40

#: Largest fraction of wake that a sleep may take: the little brown bat sleeps 20 of 24 h, and no
#: mammal sleeps longer. What is above was meant in per cent.
MOST_SLEEP = 5

KINDS = ("wake", "sleep", "test")


def every_nth(fraction: float) -> int:
    """Return how many images there are from one sleep to the next, by the cadence ``"images"``.

    >>> [every_nth(fraction) for fraction in (0.1, 0.3, 0.4, 0.5, 0.6, 1.0)]
    [10, 3, 2, 2, 1, 1]
    """
    return max(1, int(1 / fraction + 1e-9))  # 1/(1/49) is a little less than 49


@specification("{kind}.", ScheduleError)
class Phase:
    """A kind of phase and its gates.

    Parameters
    ----------
    kind : {"wake", "sleep", "test"}
        What it is.
    gates : mapping of str to float
        Gates that are open: 1 open, values between scale what the gate multiplies.
    """

    kind: Annotated[str, one_of(*KINDS)]
    gates: Gates


@specification("sleep.", ScheduleError)
class SleepPhase(Phase):
    """A sleep: its gates, how long it is, when it ends early.

    Parameters
    ----------
    fraction : float
        Sleep after every period of wake, as a fraction of that period: 0.2 is 20 %, 0 is no sleep.
    max_duration : Quantity
        Longest sleep.
    until_initial : bool
        Whether sleep ends early once the summed weight of all projections with a weight process
        is back at its initial value (or below), looked at every `check_every`.
    tolerance : float
        If above 0, a sleep that ends early (`until_initial`) does so once the summed excitatory
        and the summed inhibitory weight are both within this fraction of their initial values.
    check_every : Quantity
        Time between looks.
    trigger : float
        Sleep only if that summed weight is above `trigger` times its initial value when a sleep
        is due; 0 sleeps on schedule. With a short period, sleep comes when it is needed.
    duration : Quantity or None
        If given, the length of every sleep (still at most `max_duration`): it then comes after
        ``duration/fraction`` of wake, and the schedule's period does not count.
    cadence : {"time", "images"}
        ``"time"``: sleep comes after so much wake, as said above. ``"images"``: it comes after
        the first image (or batch) and from there after every n-th, see `every_nth`, and needs a
        `duration`.
    stages : tuple of SleepStage
        Stages that every sleep is cut into, in this order; empty for a uniform sleep. A sleep
        that ends early leaves out all that is left of it, later stages too. A stage begins like
        a phase: weight processes whose gate is open run their onset code, and the hook
        ``on_sleep`` is called.
    cycles : int
        How many times a sleep goes through its stages, each time for an equal part.
    """

    kind: Annotated[str, one_of(*KINDS)] = "sleep"
    fraction: Annotated[float, number(0)] = 0.2
    max_duration: Time = default(10 * second)
    until_initial: bool = False
    tolerance: Annotated[float, number(0, below=1)] = 0.0
    check_every: Time = default(1 * second)
    trigger: Annotated[float, number(0)] = 0.0
    stages: tuple[SleepStage, ...] = ()
    cycles: Count = 1
    duration: Time | None = None
    cadence: Annotated[str, one_of("time", "images")] = "time"

    def __post_init__(self):
        if self.fraction > MOST_SLEEP:
            allowed = f"a fraction of the wake before it, from 0 to {MOST_SLEEP}"
            fix = f"for {self.fraction:g} % write {self.fraction / 100:g}"
            raise refusal(self, "fraction", self.fraction, allowed, fix)
        if self.cadence == "images" and self.duration is None:
            allowed = "a duration, as sleep.cadence is 'images'"
            fix = "set sleep.duration first, or sleep.cadence to 'time'"
            raise refusal(self, "duration", None, allowed, fix)
        if self.cycles > 1 and not self.stages:
            allowed, fix = "1 for a sleep without stages", "set sleep.stages first"
            raise refusal(self, "cycles", self.cycles, allowed, fix)

    def check_end(self, changed: bool) -> None:
        """Refuse a sleep that waits for weights which are not `changed` by a weight process."""
        for name, none in (("until_initial", False), ("trigger", 0)):
            if (got := getattr(self, name)) and self.fraction and not changed:
                allowed = "a network with a weight process, whose projections are summed"
                fix = f"add one, or set schedule.sleep.{name} to {none}"
                message = explain(f"schedule.sleep.{name}", got, allowed, fix)
                raise ScheduleError(message, Details(word=name))

    def stage_gates(self) -> dict[str, dict[str, float]]:
        """Return the gates of every stage by name, or of the uniform sleep by ``""``."""
        parts = {stage.name: stage.gates for stage in self.stages} or {"": {}}
        return {name: {**self.gates, **gates} for name, gates in parts.items()}


def wake(**gates: float) -> Phase:
    """Make a wake phase: input and plasticity open, and whatever else is named."""
    return Phase(kind="wake", gates={"input": 1, "plasticity": 1, **gates})


def sleep(fraction: float = 0.2, **settings: Any) -> SleepPhase:
    """Make a sleep phase: input silent, plasticity on; name the sleep's parts to open them.

    Other settings of a `SleepPhase` are given by their names, too.

    >>> sleep(0.2, noise=1, decay=1).gates["input"]
    0.0
    """
    names = {each.name for each in dataclasses.fields(SleepPhase)} - {"kind", "gates"}
    opened = {name: settings.pop(name) for name in list(settings) if name not in names}
    gates = {"input": 0, "plasticity": 1, **opened}
    return SleepPhase(fraction=fraction, gates=gates, **settings)


def test(**gates: float) -> Phase:
    """Make a test phase: input open, plasticity and everything else closed."""
    return Phase(kind="test", gates={"input": 1, "plasticity": 0, **gates})


setattr(test, "__test__", False)  # noqa: B010 - not a test of pytest's


class _Steps(NamedTuple):
    """Time steps of an image, of wake between two sleeps, of a sleep, and of its longest slot."""

    image: int
    period: float
    sleep: int
    longest: int


@specification("schedule.", ScheduleError)
class Schedule:
    """When wake, sleep and test come.

    Parameters
    ----------
    image_duration : Quantity
        Time each image is shown.
    period : Quantity
        Wake time from one sleep to the next, at least `image_duration`. Sleep comes after the
        image that completes it.
    wake, test : Phase
        Gates while learning and while measuring responses.
    sleep : SleepPhase
        Gates and length of sleep.
    epochs : int
        How many times the training images are shown, each time in a new order.
    identical_epochs : bool
        Show them in the same order every time, and count the time to the next sleep anew with
        every epoch.
    """

    image_duration: Time = default(1000 * ms)
    period: Time = default(35 * second)
    wake: Phase = field(default_factory=wake)
    sleep: Annotated[SleepPhase, spec(SleepPhase, fix="write sleep(...)")] = field(
        default_factory=sleep
    )
    test: Phase = field(default_factory=test)
    epochs: Count = 1
    identical_epochs: bool = False

    def __post_init__(self):
        for kind in KINDS:
            phase = getattr(self, kind)
            if phase.kind != kind:
                raise refusal(self, kind, f"a {phase.kind} phase", f"a {kind} phase")

    @property
    def sleep_duration(self) -> Quantity:
        """Length of one sleep that does not end early."""
        duration = self.sleep.duration
        if duration is None or not self.sleep.fraction:
            duration = self.sleep.fraction * self.period
        return min(float(duration), float(self.sleep.max_duration)) * second

    @property
    def wake_duration(self) -> Quantity:
        """Wake from one sleep to the next: the period, or what the sleep makes it."""
        if self.sleep.cadence == "images" and self.sleep.fraction:
            return every_nth(self.sleep.fraction) * self.image_duration
        if self.sleep.duration is None or not self.sleep.fraction:
            return self.period
        return self.sleep.duration / self.sleep.fraction

    @property
    def sleep_per_wake(self) -> float:
        """Length of a sleep over that of the wake before it, as scheduled."""
        return float(self.sleep_duration) / float(self.wake_duration)

    def phase_gates(self) -> dict[str, Mapping[str, float]]:
        """Return the gates of every phase that there is, and of stages of sleep by their name."""
        asleep = self.sleep.stage_gates() if self.sleep.fraction else {}
        stages = {f"sleep: {name}" if name else "sleep": gates for name, gates in asleep.items()}
        return {"wake": self.wake.gates, **stages, "test": self.test.gates}

    def without_sleep(self, table: SlotTable, dt: Quantity) -> str:
        """Say so if a run with a sleep is over before the first one is due; else nothing."""
        steps = table.steps[table.part == "train"].sum()
        if not self.sleep.fraction or not steps or "sleep" in table.phase:
            return ""
        return (
            f"there is no sleep: it comes after every {self.wake_duration} of wake, "
            f"and the training images last {int(steps) * dt}"
        )

    @property
    def stage_names(self) -> tuple[str, ...]:
        """Names of the stages of sleep."""
        return tuple(stage.name for stage in self.sleep.stages)

    def check_gates(self, gates: tuple[str, ...]) -> None:
        """Raise `ScheduleError` if a phase opens a gate that the network does not have."""
        opened = {f"schedule.{kind}.gates": getattr(self, kind).gates for kind in KINDS}
        for stage in self.sleep.stages:
            opened[f"schedule.sleep.stages.{stage.name}.gates"] = stage.gates
        check_gates(opened, gates)

    def compile(
        self,
        n_train: int | Order,
        n_readout: int,
        n_test: int,
        gates: tuple[str, ...],
        dt: Quantity,
        batch: int = 1,
    ) -> SlotTable:
        """Lay out a run in time steps `dt`, with values for all `gates` of the network.

        `n_train` images, each once or in an `Order`, are shown awake with sleep in between, `batch`
        side by side in the time of one; a batch ends with its epoch or task. Then `n_readout` and
        `n_test` images are shown in the test phase. There is one row an image (or batch) and one or
        more a sleep, or a stage of it. Every task but a single one ends with a sleep, which is
        shorter if the wake before it was. Raise `ScheduleError` for times that are no multiples of
        `dt`, gates that are not there, or nothing to run.
        """
        self.check_gates(gates)
        n_shown = len(n_train) if isinstance(n_train, Order) else n_train
        fix = "show fewer images or epochs, or sleep less often, in fewer pieces"
        check_size(max(n_readout + n_test, n_shown // batch), fix)
        order = n_train if isinstance(n_train, Order) else Order.epochs(n_train)
        steps = self._steps(dt, bool(n_shown))
        check_size(n_readout + n_test + self._most_slots(order, steps), fix)
        slots = self._training(order, steps, batch)
        for part, count in (("readout", n_readout), ("test", n_test)):
            for image in range(count):
                shown = Slot(steps.image, part, "test", "test", image == 0, image, n_images=1)
                slots.append(shown)
        if not slots:
            raise ScheduleError(
                "schedule: nothing to run; set data.n_train, n_readout or n_test above 0"
            )
        return slot_table(slots, gates, self.phase_gates())

    def _steps(self, dt: Quantity, awake: bool) -> _Steps:
        """Turn times into steps; check that there is room for an image between two sleeps."""
        rest = self.sleep
        image = whole_steps(self.image_duration, dt, "schedule.image_duration")
        sleep = _rounded(self.sleep_duration, dt, "schedule.sleep.max_duration")
        period = float(self.wake_duration / dt)
        if len(rest.stages) * rest.cycles > MAX_SLOTS:
            allowed = f"at most {MAX_SLOTS} stages in a sleep"
            raise ScheduleError(explain("sleep.cycles", rest.cycles, allowed))
        if rest.duration is None:
            period = whole_steps(self.period, dt, "schedule.period")
        elif rest.fraction:
            whole_steps(rest.duration, dt, "schedule.sleep.duration")
        if awake and rest.fraction and not sleep:
            allowed = f"at least one time step, {dt}; a fraction of 0 is no sleep"
            raise ScheduleError(explain("schedule.sleep", self.sleep_duration, allowed))
        if awake and sleep and period < image * (1 - 1e-9):
            where = "schedule.period" if rest.duration is None else "wake between sleeps"
            allowed = f"at least schedule.image_duration, {self.image_duration}"
            fix = "sleep comes between images; show each for a shorter time"
            raise ScheduleError(explain(where, self.wake_duration, allowed, fix))
        longest = MAX_STEPS
        if awake and rest.until_initial:
            longest = min(longest, whole_steps(rest.check_every, dt, "schedule.sleep.check_every"))
        return _Steps(image, period, sleep, longest)

    def _most_slots(self, order: Order, steps: _Steps) -> float:
        """Return how many slots the training has at most."""
        if not steps.sleep:
            return len(order)
        naps = len(order) * steps.image / steps.period + len(np.unique(order.task)) + 1
        pieces = steps.sleep // steps.longest + 1 + len(self.sleep.stages) * self.sleep.cycles
        return len(order) + min(len(order), naps) * pieces

    def _training(self, order: Order, steps: _Steps, batch: int) -> list[Slot]:
        """Lay out wake and sleep; batches end with their epoch, tasks with a sleep."""
        image, period, sleep, longest = steps
        slots: list[Slot] = []
        awake, woken = period - image if self.sleep.cadence == "images" else 0.0, True
        epoch_ends, task_ends = order.ends()
        several = len(order) > 0 and order.task[-1] != order.task[0]
        for begin, end in pairwise([0, *(1 + np.flatnonzero(epoch_ends)).tolist()]):
            for first in range(begin, end, batch):
                last = min(first + batch, end)
                task = int(order.task[first])
                shown = (int(order.image[first]), first, last - first, task)
                slots.append(Slot(image, "train", "wake", "wake", woken, *shown))
                awake, length = awake + image, 0
                if sleep and awake >= period * (1 - 1e-9):
                    awake, length = awake - period, sleep
                if several and task_ends[last - 1]:
                    share = sleep * min(1.0, awake / period)
                    length = length or (max(1, round(share)) if share else 0)
                    awake = 0.0
                if self.identical_epochs and last == end:
                    awake = 0.0
                woken = bool(length)
                slots += self._asleep(length, longest, task) if length else []
        return slots

    def _asleep(self, length: int, longest: int, task: int) -> list[Slot]:
        """Lay out one sleep."""
        rest, slots = self.sleep, list[Slot]()
        within = rest.tolerance * rest.until_initial
        until = float(rest.until_initial and not within)
        for steps, begins, name in cut(rest.stages * rest.cycles, length, longest):
            above = until if slots else rest.trigger or until
            gates = f"sleep: {name}" if name else "sleep"
            row = Slot(steps, "train", "sleep", gates, begins, task=task, sleep_stage=name)
            slots.append(row._replace(above=above, within=within))
        return slots


def whole_steps(duration: Quantity, dt: Quantity, where: str) -> int:
    """Return a time in steps, which it must be a whole number of."""
    steps = _rounded(duration, dt, where)
    if steps < 1 or abs(float(duration / dt) - steps) > 1e-6 * steps:
        raise ScheduleError(explain(where, duration, f"a multiple of the time step {dt}"))
    return steps


def _rounded(duration: Quantity, dt: Quantity, where: str) -> int:
    steps = float(duration / dt)
    if not steps <= _MOST_STEPS:
        raise ScheduleError(explain(where, duration, f"at most 2**40 time steps of {dt}"))
    return round(steps)

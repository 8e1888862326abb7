"""Wake, sleep and test as values, compiled to gates slot by slot.

A `Phase` says which gates are open and how far; a `Schedule` says when each phase comes. Gates
that a phase does not name are closed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from brian2 import Quantity, ms, second

from .checks import check_time, is_number
from .errors import ScheduleError, explain, nearest
from .values import Frozen, default

#: Longest slot in time steps; a longer sleep is cut into several slots of one phase.
MAX_STEPS = 50_000

KINDS = ("wake", "sleep", "test")


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A kind of phase and its gates.

    Parameters
    ----------
    kind : {"wake", "sleep", "test"}
        What it is.
    gates : mapping of str to float
        Gates that are open: 1 open, values between scale what the gate multiplies.
    """

    kind: str
    gates: Mapping[str, float]

    def __post_init__(self):
        if self.kind not in KINDS:
            known = nearest(str(self.kind), KINDS)
            raise ScheduleError(f"phase: unknown kind '{self.kind}'; {known}")
        if not isinstance(self.gates, Mapping):
            raise ScheduleError(explain(f"{self.kind}.gates", repr(self.gates), "{name: value}"))
        for name, value in self.gates.items():
            if not is_number(value) or not 0 <= value <= 1:
                raise ScheduleError(
                    explain(f"{self.kind}.gates.{name}", repr(value), "a number from 0 to 1")
                )
        gates = {name: float(value) for name, value in self.gates.items()}
        object.__setattr__(self, "gates", Frozen(gates))


@dataclass(frozen=True, kw_only=True)
class SleepPhase(Phase):
    """A sleep: its gates, how long it is, when it ends early.

    Parameters
    ----------
    fraction : float
        Sleep after every period of wake, as a fraction of that period; 0 is no sleep.
    max_duration : Quantity
        Longest sleep.
    until_initial : bool
        Whether sleep ends early once the summed weight of all projections with a weight process
        is back at its initial value (or below), looked at every `check_every`.
    check_every : Quantity
        Time between looks.
    trigger : float
        Sleep only if that summed weight is above `trigger` times its initial value when a sleep
        is due; 0 sleeps on schedule. With a short period, sleep comes when it is needed.
    duration : Quantity or None
        If given, the length of every sleep: it then comes after ``duration/fraction`` of wake,
        and the schedule's period does not count.
    """

    kind: str = "sleep"
    fraction: float = 0.2
    max_duration: Quantity = default(10 * second)
    until_initial: bool = False
    check_every: Quantity = default(1 * second)
    trigger: float = 0.0
    duration: Quantity | None = None

    def __post_init__(self):
        super().__post_init__()
        if self.duration is not None:
            check_time(self.duration, "sleep.duration", ScheduleError)
        if not is_number(self.trigger) or self.trigger < 0:
            allowed = "a ratio of at least 0 (0: sleep on schedule)"
            raise ScheduleError(explain("sleep.trigger", repr(self.trigger), allowed))
        object.__setattr__(self, "trigger", float(self.trigger))
        if not is_number(self.fraction) or self.fraction < 0:
            allowed = "a number of at least 0 (0: no sleep)"
            raise ScheduleError(explain("sleep.fraction", repr(self.fraction), allowed))
        object.__setattr__(self, "fraction", float(self.fraction))
        if not isinstance(self.until_initial, bool):
            got = repr(self.until_initial)
            raise ScheduleError(explain("sleep.until_initial", got, "True or False"))
        check_time(self.max_duration, "sleep.max_duration", ScheduleError)
        check_time(self.check_every, "sleep.check_every", ScheduleError)


def wake(**gates: float) -> Phase:
    """Make a wake phase: input and plasticity open, and whatever else is named."""
    return Phase(kind="wake", gates={"input": 1, "plasticity": 1, **gates})


def sleep(
    fraction: float = 0.2,
    *,
    max_duration: Quantity = 10 * second,
    until_initial: bool = False,
    check_every: Quantity = 1 * second,
    trigger: float = 0.0,
    duration: Quantity | None = None,
    **gates: float,
) -> SleepPhase:
    """Make a sleep phase: input silent, plasticity on; name the sleep's parts to open them.

    >>> sleep(0.2, noise=1, decay=1).gates["input"]
    0.0
    """
    return SleepPhase(
        gates={"input": 0, "plasticity": 1, **gates},
        fraction=fraction,
        max_duration=max_duration,
        until_initial=until_initial,
        check_every=check_every,
        trigger=trigger,
        duration=duration,
    )


def test(**gates: float) -> Phase:
    """Make a test phase: input open, plasticity and everything else closed."""
    return Phase(kind="test", gates={"input": 1, "plasticity": 0, **gates})


test.__test__ = False  # not a test of pytest's


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
        Whether a phase begins with the slot.
    above : ndarray of float
        The rest of the phase is left out unless the summed weight, relative to its initial
        value, is above this before the slot; 0 never leaves out anything.
    gates : dict of str to ndarray
        Gate values.
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
    gates: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def starts(self) -> np.ndarray:
        """First step of every slot and the end, shape (n_slots + 1,)."""
        return np.concatenate([[0], np.cumsum(self.steps)])


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
    def once(cls, n_images: int) -> Order:
        """Show every image once, in the order they come."""
        none = np.zeros(n_images, np.int64)
        return cls(np.arange(n_images), none, none)

    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """Return for every place whether an epoch ends with it, and whether a task does."""
        last = np.arange(len(self)) == len(self) - 1
        task = last | np.append(np.diff(self.task) != 0, True)[: len(self)]
        return task | np.append(np.diff(self.epoch) != 0, True)[: len(self)], task


@dataclass(frozen=True, kw_only=True)
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
    """

    image_duration: Quantity = default(1000 * ms)
    period: Quantity = default(35 * second)
    wake: Phase = field(default_factory=wake)
    sleep: SleepPhase = field(default_factory=sleep)
    test: Phase = field(default_factory=test)
    epochs: int = 1

    def __post_init__(self):
        if not isinstance(self.epochs, int) or isinstance(self.epochs, bool) or self.epochs < 1:
            allowed = "a whole number of at least 1"
            raise ScheduleError(explain("schedule.epochs", repr(self.epochs), allowed))
        check_time(self.image_duration, "schedule.image_duration", ScheduleError)
        check_time(self.period, "schedule.period", ScheduleError)
        for kind in KINDS:
            phase = getattr(self, kind)
            if not isinstance(phase, Phase) or phase.kind != kind:
                raise ScheduleError(explain(f"schedule.{kind}", repr(phase), f"a {kind} phase"))
        if not isinstance(self.sleep, SleepPhase):
            raise ScheduleError(explain("schedule.sleep", repr(self.sleep), "made by sleep(...)"))

    @property
    def sleep_duration(self) -> Quantity:
        """Length of one sleep that does not end early."""
        if not self.sleep.fraction:
            return 0 * second
        if self.sleep.duration is not None:
            return self.sleep.duration
        return (
            min(self.sleep.fraction * float(self.period), float(self.sleep.max_duration)) * second
        )

    @property
    def wake_duration(self) -> Quantity:
        """Wake from one sleep to the next: the period, or what the sleep's duration makes it."""
        if self.sleep.duration is None or not self.sleep.fraction:
            return self.period
        return self.sleep.duration / self.sleep.fraction

    def check_gates(self, gates: tuple[str, ...]) -> None:
        """Raise `ScheduleError` if a phase opens a gate that the network does not have."""
        for kind in KINDS:
            for name in getattr(self, kind).gates:
                if name not in gates:
                    raise ScheduleError(
                        f"schedule.{kind}.gates: the network has no gate '{name}'; "
                        f"{nearest(name, gates)}"
                    )

    def compile(
        self,
        n_train: int | Order,
        n_readout: int,
        n_test: int,
        gates: tuple[str, ...],
        dt: Quantity,
        batch: int = 1,
    ) -> SlotTable:
        """Lay out a run.

        Parameters
        ----------
        n_train : int or Order
            Images shown awake, with sleep in between; a number shows each once.
        n_readout, n_test : int
            Images shown in the test phase to fit and to score the readout.
        gates : tuple of str
            All gates of the network.
        dt : Quantity
            Time step.
        batch : int
            Images shown side by side while learning, in the time of one; a batch ends with its
            epoch or task.

        Returns
        -------
        SlotTable
            One row an image (or batch) and one (or more) a sleep. Every task but a single one
            ends with a sleep, which is shorter if the wake before it was.

        Raises
        ------
        ScheduleError
            If a time is not a multiple of the time step, a phase opens a gate that the network
            does not have, or there is nothing to run.
        """
        self.check_gates(gates)
        order = n_train if isinstance(n_train, Order) else Order.once(n_train)
        image_steps = self._steps(self.image_duration, dt, "image_duration")
        rows = self._training(order, image_steps, dt, batch)
        for stage, count in (("readout", n_readout), ("test", n_test)):
            rows += [
                (image_steps, k, -1, 1, -1, stage, "test", k == 0, 0.0) for k in range(count)
            ]
        if not rows:
            raise ScheduleError(
                "schedule: nothing to run; set data.n_train, n_readout or n_test above 0"
            )
        steps, image, shown, n_images, task, stage, phase, onset, above = zip(*rows, strict=True)
        phase = np.array(phase)
        values = {
            gate: np.select(
                [phase == kind for kind in KINDS],
                [getattr(self, kind).gates.get(gate, 0.0) for kind in KINDS],
            ).astype(float)
            for gate in gates
        }
        return SlotTable(
            np.array(steps, dtype=np.int64),
            np.array(image, dtype=np.int64),
            np.array(shown, dtype=np.int64),
            np.array(n_images, dtype=np.int64),
            np.array(task, dtype=np.int64),
            np.array(stage),
            phase,
            np.array(onset),
            np.array(above, dtype=float),
            values,
        )

    def _training(self, order: Order, image_steps: int, dt: Quantity, batch: int) -> list[tuple]:
        """Lay out wake and sleep: rows of the columns of a `SlotTable`."""
        longest = round(float(self.sleep_duration / dt))
        period = float(self.wake_duration / dt)
        if self.sleep.duration is None:
            period = self._steps(self.period, dt, "period")
        elif self.sleep.fraction:
            self._steps(self.sleep.duration, dt, "sleep.duration")
        if len(order) and longest and period < image_steps * (1 - 1e-9):
            raise ScheduleError(
                explain(
                    "schedule.period" if self.sleep.duration is None else "wake between sleeps",
                    self.wake_duration,
                    f"at least schedule.image_duration, {self.image_duration}",
                    "sleep comes between images; show each for a shorter time",
                )
            )
        rows: list[tuple] = []
        awake, woken, first = 0.0, True, 0
        epoch_ends, task_ends = order.ends()
        several = len(order) and order.task[-1] != order.task[0]
        while first < len(order):
            last = first + 1
            while last - first < batch and not epoch_ends[last - 1]:
                last += 1
            task = int(order.task[first])
            image = int(order.image[first])
            rows.append(
                (image_steps, image, first, last - first, task, "train", "wake", woken, 0.0)
            )
            awake, woken = awake + image_steps, False
            length = 0
            if awake >= period * (1 - 1e-9):
                awake, length = awake - period, longest
            if several and task_ends[last - 1]:
                length = longest if length else round(longest * awake / period)
                awake = 0.0
            if length:
                rows += self._sleep(length, task, dt)
                woken = True
            first = last
        return rows

    def _sleep(self, length: int, task: int, dt: Quantity) -> list[tuple]:
        """Lay out one sleep of `length` steps."""
        chunk = MAX_STEPS
        if self.sleep.until_initial:
            chunk = min(chunk, self._steps(self.sleep.check_every, dt, "sleep.check_every"))
        rows: list[tuple] = []
        for start in range(0, length, chunk):
            above = float(self.sleep.until_initial)
            if start == 0:
                above = self.sleep.trigger or above
            steps = min(chunk, length - start)
            rows.append((steps, -1, -1, 0, task, "train", "sleep", start == 0, above))
        return rows

    @staticmethod
    def _steps(duration: Quantity, dt: Quantity, where: str) -> int:
        steps = float(duration / dt)
        if round(steps) < 1 or abs(steps - round(steps)) > 1e-6 * max(steps, 1):
            raise ScheduleError(
                explain(f"schedule.{where}", duration, f"a multiple of the time step {dt}")
            )
        return round(steps)

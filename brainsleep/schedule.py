"""Wake, sleep and test as values, compiled to gates slot by slot.

A `Phase` says which gates are open and how far; a `Schedule` says when each phase comes. Gates
that a phase does not name are closed. A sleep may be cut into stages, such as NREM and REM, with
gates of their own (`SleepStage`). (The module is long because every setting of a phase and of a
schedule is documented where it is declared.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from brian2 import Quantity, ms, second

from . import mistakes
from .cadence import CADENCES, MOST_SLEEP
from .cadence import every_nth as every_nth
from .errors import Details, ScheduleError, closest, explain, nearest
from .fields import checked_fields
from .quantities import check_time, check_whole, is_number
from .slots import MAX_SLOTS, Order, SlotTable, Timing, slot_table, test_slots, training_slots
from .stages import SleepStage, check_stages, checked_gates
from .stages import nrem as nrem
from .stages import rem as rem
from .values import default

#: Longest slot in time steps; a longer sleep is cut into several slots of one phase.
MAX_STEPS = 50_000

#: Most time steps of anything: numbers of steps stay exact.
_MOST_STEPS = 2**40

KINDS = ("wake", "sleep", "test")


@checked_fields(ScheduleError)
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

    @mistakes.checked
    def __post_init__(self):
        if self.kind not in KINDS:
            known = nearest(str(self.kind), KINDS)
            raise ScheduleError(f"phase: unknown kind '{self.kind}'; {known}")
        object.__setattr__(self, "gates", checked_gates(self.gates, f"{self.kind}.gates"))


@checked_fields(ScheduleError)
@dataclass(frozen=True, kw_only=True)
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

    kind: str = "sleep"
    fraction: float = 0.2
    max_duration: Quantity = default(10 * second)
    until_initial: bool = False
    tolerance: float = 0.0
    check_every: Quantity = default(1 * second)
    trigger: float = 0.0
    stages: tuple[SleepStage, ...] = ()
    cycles: int = 1
    duration: Quantity | None = None
    cadence: str = "time"

    @mistakes.checked
    def __post_init__(self):
        super().__post_init__()
        if self.duration is not None:
            check_time(self.duration, "sleep.duration", ScheduleError)
        stages, cycles = check_stages(self.stages, self.cycles)
        object.__setattr__(self, "stages", stages)
        object.__setattr__(self, "cycles", cycles)
        if not is_number(self.trigger) or self.trigger < 0:
            allowed = "a ratio of at least 0 (0: sleep on schedule)"
            raise ScheduleError(explain("sleep.trigger", repr(self.trigger), allowed))
        object.__setattr__(self, "trigger", float(self.trigger))
        if not is_number(self.fraction) or self.fraction < 0:
            allowed = "a number of at least 0 (0: no sleep)"
            raise ScheduleError(explain("sleep.fraction", repr(self.fraction), allowed))
        if self.fraction > MOST_SLEEP:
            allowed = f"a fraction of the wake before it, from 0 to {MOST_SLEEP}"
            fix = f"for {self.fraction:g} % write {self.fraction / 100:g}"
            raise ScheduleError(explain("sleep.fraction", repr(self.fraction), allowed, fix))
        object.__setattr__(self, "fraction", float(self.fraction))
        if self.cadence not in CADENCES:
            known = nearest(str(self.cadence), CADENCES)
            raise ScheduleError(f"sleep.cadence: unknown '{self.cadence}'; {known}")
        if self.cadence == "images" and self.duration is None:
            allowed = "a duration, as sleep.cadence is 'images'"
            fix = "set sleep.duration first, or sleep.cadence to 'time'"
            raise ScheduleError(explain("sleep.duration", None, allowed, fix))
        if not isinstance(self.until_initial, bool):
            got = repr(self.until_initial)
            raise ScheduleError(explain("sleep.until_initial", got, "True or False"))
        if not is_number(self.tolerance) or not 0 <= self.tolerance < 1:
            allowed = "a fraction from 0 (0: at the initial sum or below)"
            raise ScheduleError(explain("sleep.tolerance", repr(self.tolerance), allowed))
        object.__setattr__(self, "tolerance", float(self.tolerance))
        check_time(self.max_duration, "sleep.max_duration", ScheduleError)
        check_time(self.check_every, "sleep.check_every", ScheduleError)

    def stage_gates(self) -> dict[str, dict[str, float]]:
        """Return the gates of every stage by name, or of the uniform sleep by ``""``."""
        parts = {stage.name: stage.gates for stage in self.stages} or {"": {}}
        return {name: {**self.gates, **gates} for name, gates in parts.items()}


def wake(**gates: float) -> Phase:
    """Make a wake phase: input and plasticity open, and whatever else is named."""
    return Phase(kind="wake", gates={"input": 1, "plasticity": 1, **gates})


def sleep(
    fraction: float = 0.2,
    *,
    max_duration: Quantity = 10 * second,
    until_initial: bool = False,
    tolerance: float = 0.0,
    check_every: Quantity = 1 * second,
    trigger: float = 0.0,
    stages: tuple[SleepStage, ...] = (),
    cycles: int = 1,
    duration: Quantity | None = None,
    cadence: str = "time",
    **gates: float,
) -> SleepPhase:
    """Make a sleep phase: input silent, plasticity on; name the sleep's parts to open them.

    >>> sleep(0.2, noise=1, decay=1).gates["input"]
    0.0
    >>> [stage.name for stage in sleep(0.2, stages=(nrem(0.8), rem(0.2))).stages]
    ['nrem', 'rem']
    """
    return SleepPhase(
        gates={"input": 0, "plasticity": 1, **gates},
        fraction=fraction,
        max_duration=max_duration,
        until_initial=until_initial,
        tolerance=tolerance,
        check_every=check_every,
        trigger=trigger,
        stages=stages,
        cycles=cycles,
        duration=duration,
        cadence=cadence,
    )


def test(**gates: float) -> Phase:
    """Make a test phase: input open, plasticity and everything else closed."""
    return Phase(kind="test", gates={"input": 1, "plasticity": 0, **gates})


setattr(test, "__test__", False)  # noqa: B010 - not a test of pytest's


@checked_fields(ScheduleError)
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
    identical_epochs : bool
        Show them in the same order every time, and count the time to the next sleep anew with
        every epoch.
    """

    image_duration: Quantity = default(1000 * ms)
    period: Quantity = default(35 * second)
    wake: Phase = field(default_factory=wake)
    sleep: SleepPhase = field(default_factory=sleep)
    test: Phase = field(default_factory=test)
    epochs: int = 1
    identical_epochs: bool = False

    @mistakes.checked
    def __post_init__(self):
        epochs = check_whole(self.epochs, "schedule.epochs", ScheduleError, least=1)
        object.__setattr__(self, "epochs", epochs)
        if not isinstance(self.identical_epochs, bool):
            got = repr(self.identical_epochs)
            raise ScheduleError(explain("schedule.identical_epochs", got, "True or False"))
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
        wanted = self.sleep.duration
        wanted = self.sleep.fraction * self.period if wanted is None else wanted
        return min(float(wanted), float(self.sleep.max_duration)) * second

    @property
    def wake_duration(self) -> Quantity:
        """Wake from one sleep to the next: the period, or what the sleep makes it."""
        if self.sleep.cadence == "images" and self.sleep.fraction:
            return every_nth(self.sleep.fraction) * self.image_duration
        if self.sleep.duration is None or not self.sleep.fraction:
            return self.period
        return self.sleep.duration / self.sleep.fraction

    def check_gates(self, gates: tuple[str, ...]) -> None:
        """Raise `ScheduleError` if a phase opens a gate that the network does not have."""
        opened = {kind: getattr(self, kind).gates for kind in KINDS}
        opened |= {f"sleep.stages.{stage.name}": stage.gates for stage in self.sleep.stages}
        for where, names in opened.items():
            for name in names:
                if name not in gates:
                    mistakes.report(
                        ScheduleError(
                            f"schedule.{where}.gates: the network has no gate '{name}'; "
                            f"{nearest(name, gates)}",
                            Details(word=name, close=closest(name, gates)),
                        )
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
            One row an image (or batch) and one (or more) a sleep, or a stage of it. Every task
            but a single one ends with a sleep, which is shorter if the wake before it was.

        Raises
        ------
        ScheduleError
            If a time is not a multiple of the time step, a phase opens a gate that the network
            does not have, or there is nothing to run.
        """
        self.check_gates(gates)
        n_shown = len(n_train) if isinstance(n_train, Order) else n_train
        _check_size(max(n_readout + n_test, n_shown // batch))
        order = n_train if isinstance(n_train, Order) else Order.epochs(n_train)
        timing = self._timing(dt, bool(n_shown))
        _check_size(n_readout + n_test + timing.most_slots(order))
        slots = training_slots(order, timing, batch)
        for stage, count in (("readout", n_readout), ("test", n_test)):
            slots += test_slots(stage, count, timing.image)
        if not slots:
            raise ScheduleError(
                "schedule: nothing to run; set data.n_train, n_readout or n_test above 0"
            )
        opened = {kind: getattr(self, kind).gates for kind in KINDS}
        return slot_table(slots, gates, opened, self.sleep.stage_gates())

    def _timing(self, dt: Quantity, awake: bool) -> Timing:
        """Turn times into steps; check that there is room for an image between two sleeps."""
        image = self._steps(self.image_duration, dt, "image_duration")
        sleep = self._rounded(self.sleep_duration, dt, "sleep.max_duration")
        period = float(self.wake_duration / dt)
        if len(self.sleep.stages) * self.sleep.cycles > MAX_SLOTS:
            allowed = f"at most {MAX_SLOTS} stages in a sleep"
            raise ScheduleError(explain("sleep.cycles", self.sleep.cycles, allowed))
        chunk = MAX_STEPS
        if self.sleep.duration is None:
            period = self._steps(self.period, dt, "period")
        elif self.sleep.fraction:
            self._steps(self.sleep.duration, dt, "sleep.duration")
        if awake and self.sleep.fraction and not sleep:
            allowed = f"at least one time step, {dt}; a fraction of 0 is no sleep"
            raise ScheduleError(explain("schedule.sleep", self.sleep_duration, allowed))
        if awake and sleep and period < image * (1 - 1e-9):
            raise ScheduleError(
                explain(
                    "schedule.period" if self.sleep.duration is None else "wake between sleeps",
                    self.wake_duration,
                    f"at least schedule.image_duration, {self.image_duration}",
                    "sleep comes between images; show each for a shorter time",
                )
            )
        if awake and self.sleep.until_initial:
            chunk = min(chunk, self._steps(self.sleep.check_every, dt, "sleep.check_every"))
        within = self.sleep.tolerance * self.sleep.until_initial
        until = float(self.sleep.until_initial and not within)
        return Timing(
            image=image,
            period=period,
            before=period - image if self.sleep.cadence == "images" else 0.0,
            sleep=sleep,
            stages=self.sleep.stages * self.sleep.cycles,
            chunk=chunk,
            begin_above=self.sleep.trigger or until,
            go_on_above=until,
            within=within,
            anew=self.identical_epochs,
        )

    @classmethod
    def _steps(cls, duration: Quantity, dt: Quantity, where: str) -> int:
        """Return a time in steps, which it must be a whole number of."""
        steps = cls._rounded(duration, dt, where)
        if steps < 1 or abs(float(duration / dt) - steps) > 1e-6 * steps:
            raise ScheduleError(
                explain(f"schedule.{where}", duration, f"a multiple of the time step {dt}")
            )
        return steps

    @staticmethod
    def _rounded(duration: Quantity, dt: Quantity, where: str) -> int:
        steps = float(duration / dt)
        if not steps <= _MOST_STEPS:
            allowed = f"at most 2**40 time steps of {dt}"
            raise ScheduleError(explain(f"schedule.{where}", duration, allowed))
        return round(steps)


def _check_size(slots: float) -> None:
    """Refuse what is too long to be laid out."""
    if slots > MAX_SLOTS:
        got, allowed = f"up to {slots:.3g}", f"at most {MAX_SLOTS}"
        fix = "show fewer images or epochs, or sleep less often, in fewer pieces"
        raise ScheduleError(explain("schedule: slots", got, allowed, fix))

"""What is kept of a run, who looks at it, and when it gives an alarm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from brian2 import Hz, Quantity, second

from .. import mistakes
from ..errors import Details, ProtocolError, SpecError, explain, nearest
from ..values.fields import checked_fields
from ..values.frozen import check_distinct, default, show_value, tuple_of
from ..values.quantities import check_units, check_whole, is_number
from .observer import Observer

#: What an alarm can be about.
ALARMS = ("saturation", "silence", "runaway", "nan")


#: Names of arrays in results, and of observers there are: others must not have them.
TAKEN = frozenset(
    "biases correct counts labels ran rates representation responses saturation slots snapshots "
    "spikes stats synapses tasks totals validation weights".split()
)


@checked_fields(ProtocolError)
@dataclass(frozen=True, kw_only=True)
class Alarms:
    """When a run gives an alarm, and which alarms end it.

    A limit out of reach switches an alarm off. The limits decide nothing about a run, unless it
    is ended by them.

    Parameters
    ----------
    saturation : float
        Fraction of the weights of a plastic projection within 1 % of the upper hard bound, above
        which it is saturated. The default is 5 %: with sleep, no weight of the networks shipped
        comes near the bound; without it up to 77 % end there.
    silence : Quantity
        Time awake without a single spike in a whole population. By default 60 s: the inhibitory
        neurons of the paper's network need 30 s of learning until they spike at all. Besides, a
        population that is read out and does not spike in the whole test is silent, whatever the
        limit; that does not end the run, which is over then.
    runaway : Quantity
        Mean rate of a population awake. The default, 150 Hz, lies between the paper's network with
        sleep (excitatory neurons at 20 to 134 Hz) and without (above 270 Hz).
    window : Quantity
        Time awake over which that rate is averaged, or one slot if that is longer.
    stop_on : tuple of str
        Kinds of alarm that end the run: at the end of the segment in which one begins, with what
        was recorded so far. "nan", which is an error otherwise, keeps what there was before.

    Raises
    ------
    ProtocolError
        For a limit of the wrong kind or an unknown kind of alarm.
    """

    saturation: float = 0.05
    silence: Quantity = default(60 * second)
    runaway: Quantity = default(150 * Hz)
    window: Quantity = default(1 * second)
    stop_on: tuple[str, ...] = ()

    @mistakes.checked
    def __post_init__(self):
        with mistakes.going_on():
            fraction = self.saturation
            if not is_number(fraction) or not 0 <= fraction <= 1:
                raise ProtocolError(explain("alarms.saturation", repr(fraction), "from 0 to 1"))
            object.__setattr__(self, "saturation", float(fraction))
        for name, unit in (("silence", second), ("runaway", Hz), ("window", second)):
            with mistakes.going_on():
                self._check_quantity(name, unit)
        with mistakes.going_on():
            self._check_stop_on()

    def _check_quantity(self, name: str, unit: Quantity) -> None:
        try:
            value = check_units(getattr(self, name), 1 * unit, f"alarms.{name}")
        except SpecError as error:
            raise ProtocolError(str(error), error.details) from error
        if not value > 0:
            raise ProtocolError(explain(f"alarms.{name}", value, f"more than {0 * unit}"))
        object.__setattr__(self, name, value)

    def _check_stop_on(self) -> None:
        if isinstance(self.stop_on, str) or not isinstance(self.stop_on, Sequence):
            allowed = f'a tuple such as ("runaway",) of {", ".join(ALARMS)}'
            raise ProtocolError(explain("alarms.stop_on", repr(self.stop_on), allowed))
        for kind in self.stop_on:
            if kind not in ALARMS:
                message = f"stop on '{kind}': no such alarm; {nearest(str(kind), ALARMS)}"
                raise ProtocolError(message, Details(word=str(kind)))
        stop_on = tuple(kind for kind in ALARMS if kind in self.stop_on)
        object.__setattr__(self, "stop_on", stop_on)

    @staticmethod
    def deciding(described: dict) -> dict:
        """Leave only what decides the outcome of a run of alarms that are plain data."""
        kept = ("kind", "stop_on", *described["stop_on"])
        kept += ("window",) if "runaway" in described["stop_on"] else ()
        return {name: value for name, value in described.items() if name in kept}


@checked_fields(ProtocolError)
@dataclass(frozen=True, kw_only=True)
class Record:
    """What is kept of a run besides spike counts and the first and last weights.

    Parameters
    ----------
    weights_every : int
        Weight statistics at least every so many slots (0: only at the borders of phases if
        `weights_at_phases`, and at the start and end).
    weights_at_phases : bool
        Whether to take weight statistics whenever wake turns to sleep and back, and where a
        stage of sleep begins.
    snapshots : tuple of int
        Slots before which all weights are kept.
    raster : tuple of int
        First and last slot (exclusive) in which single spikes are recorded (of a batch, those of
        its first image); empty for none.
    probe_images : int
        Test images (at most as many as there are) that a copy of the network is shown, weights
        frozen, before and after sleeps, to follow its representation (see
        `brainsleep.tasks.images.observers.SleepProbe`); 0 for none.
    probe_every : int
        Probe at the first sleep, and then at every so many.
    alarms : Alarms
        When the run gives an alarm, and which alarms end it.
    observers : tuple of Observer
        What else is looked at, see `brainsleep.experiment.observer.Observer`.
    """

    weights_every: int = 0
    weights_at_phases: bool = True
    snapshots: tuple[int, ...] = ()
    raster: tuple[int, ...] = ()
    probe_images: int = 0
    probe_every: int = 1
    alarms: Alarms = field(default_factory=Alarms)
    observers: tuple[Observer, ...] = ()

    @mistakes.checked
    def __post_init__(self):
        for name in ("weights_every", "probe_images", "probe_every"):
            number = check_whole(getattr(self, name), f"record.{name}", ProtocolError)
            object.__setattr__(self, name, number)
        check_whole(self.probe_every, "record.probe_every", ProtocolError, least=1)
        if not isinstance(self.weights_at_phases, bool):
            got = repr(self.weights_at_phases)
            raise ProtocolError(explain("record.weights_at_phases", got, "True or False"))
        if not isinstance(self.alarms, Alarms):
            raise ProtocolError(explain("record.alarms", show_value(self.alarms), "Alarms(...)"))
        observers = tuple_of(self.observers, Observer, "record.observers")
        object.__setattr__(self, "observers", observers)
        for observer in observers:
            if not observer.name:
                got, fix = f"'{type(observer).__name__}' has no name", "write name = ... in it"
                raise ProtocolError(explain("record.observers", got, "a name of its own", fix))
            if observer.name in TAKEN:
                fix = "give it another name"
                raise ProtocolError(
                    explain("record.observers", f"'{observer.name}'", "a free name", fix)
                )
        check_distinct([observer.name for observer in observers], "record.observers")
        for name in ("snapshots", "raster"):
            value = getattr(self, name)
            if not isinstance(value, tuple | list):
                allowed = "a tuple of slots such as (34, 37)"
                raise ProtocolError(explain(f"record.{name}", repr(value), allowed))
            slots = tuple(check_whole(slot, f"record.{name}", ProtocolError) for slot in value)
            object.__setattr__(self, name, slots)
        if self.raster and (len(self.raster) != 2 or self.raster[0] >= self.raster[1]):
            raise ProtocolError(
                explain("record.raster", self.raster, "(first slot, last slot), or () for none")
            )

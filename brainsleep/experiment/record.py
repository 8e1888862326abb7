"""What is kept of a run, who looks at it, and when it gives an alarm."""

from dataclasses import field
from typing import Annotated

from brian2 import Hz, Quantity, second

from ..errors import ProtocolError
from ..values.fields import Share, one_of, positive, refusal, specification
from ..values.frozen import default
from .observer import Observer

#: What an alarm can be about.
ALARMS = ("saturation", "silence", "runaway", "nan")


#: Names of arrays in results, and of observers there are: others must not have them.
TAKEN = frozenset(
    "biases correct counts labels ran rates representation responses saturation slots snapshots "
    "spikes stats synapses tasks totals validation weights".split()
)


@specification("alarms.", ProtocolError)
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

    saturation: Share = 0.05
    silence: Annotated[Quantity, positive(second)] = default(60 * second)
    runaway: Annotated[Quantity, positive(Hz)] = default(150 * Hz)
    window: Annotated[Quantity, positive(second)] = default(1 * second)
    stop_on: tuple[Annotated[str, one_of(*ALARMS)], ...] = ()

    def __post_init__(self):  # in one order: it decides the id of a run
        in_order = tuple(kind for kind in ALARMS if kind in self.stop_on)
        object.__setattr__(self, "stop_on", in_order)

    @staticmethod
    def deciding(described: dict) -> dict:
        """Leave only what decides the outcome of a run of alarms that are plain data."""
        kept = ("kind", "stop_on", *described["stop_on"])
        kept += ("window",) if "runaway" in described["stop_on"] else ()
        return {name: value for name, value in described.items() if name in kept}


@specification("record.", ProtocolError)
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
    alarms : Alarms
        When the run gives an alarm, and which alarms end it.
    observers : tuple of Observer
        What else is looked at, see `brainsleep.experiment.observer.Observer`.
    """

    weights_every: int = 0
    weights_at_phases: bool = True
    snapshots: tuple[int, ...] = ()
    raster: tuple[int, ...] = ()
    alarms: Alarms = field(default_factory=Alarms)
    observers: tuple[Observer, ...] = ()

    def __post_init__(self):
        if self.raster and (len(self.raster) != 2 or self.raster[0] >= self.raster[1]):
            allowed = "(first slot, last slot), or () for none"
            raise refusal(self, "raster", self.raster, allowed)
        for observer in self.observers:
            if not observer.name or observer.name in TAKEN:
                got = f"'{observer.name}' of a {type(observer).__name__}"
                fix = f"write name = ... in it, none of: {', '.join(sorted(TAKEN))}"
                raise refusal(self, "observers", got, "a name of its own", fix)

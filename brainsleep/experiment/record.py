"""What is kept of a run, who looks at it, and when it gives an alarm."""

import re
from dataclasses import field
from typing import Annotated, Any

from brian2 import Hz, Quantity, second

from ..errors import BrainsleepError, ProtocolError, explain
from ..network.spec import Network
from ..values.fields import Field, Share, one_of, positive, refusal, specification
from ..values.frozen import default
from ..values.quantities import check_units, read_quantity
from .events import Events, check_events, events_of
from .monitors import Monitor
from .observer import Observer
from .traces import States, check_states, states_of

#: What an alarm can be about.
ALARMS = ("saturation", "silence", "runaway", "nan")


def _read_windows(value: Any, old: Any, where: str) -> Any:
    """Read ``((0*ms, 20*ms), (50*ms, 70*ms))``."""
    if not isinstance(value, str):
        return value
    times = [read_quantity(text) for text in re.split(r"[][(),;'\"]+", value) if text.strip()]
    if None in times or len(times) % 2:
        allowed = "times in pairs, such as ((0*ms, 20*ms), (50*ms, 70*ms))"
        raise ProtocolError(explain(where, repr(value), allowed))
    return tuple(zip(times[::2], times[1::2], strict=True))


def _windows(value: Any, where: str, error: type[BrainsleepError]) -> tuple:
    pairs = value if isinstance(value, tuple | list) else (value,)
    if not all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in pairs):
        allowed = "pairs of times, such as ((0*ms, 20*ms), (50*ms, 70*ms))"
        raise error(explain(where, value, allowed))
    return tuple(tuple(check_units(t, second, where, error) for t in pair) for pair in pairs)


_WINDOWS = Field(_windows, _read_windows, "windows")

#: Names of arrays in results, and of observers there are: others must not have them.
TAKEN = frozenset(
    "biases correct counts labels ran rates representation responses saturation slots snapshots "
    "spikes state stats synapses tasks totals traces validation weights".split()
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
    states : mapping of str to ("all", or tuple of int or (int, int))
        Variables whose traces are recorded, as ``{"e.v": (0, 3, 7), "ee.w": ((0, 1), (5, 2)),
        "e.i_syn": "all"}``: neurons, or synapses, by number; synapses also as pairs of neurons, pre
        and post. A value is that at the start of a time step.
    every : Quantity
        Time between values of a trace, from the start of the run on; by default a time step.
    spikes : tuple of str
        Populations whose single spikes are recorded, whatever `raster` says.
    windows : tuple of (Quantity, Quantity)
        Times of the run, from and until (exclusive), in which `states`, `spikes` and `events` are
        recorded; by default throughout.
    monitors : tuple of Monitor
        Names for parts of what is recorded, as `adopt` gives those of a Brian2 script.
    events : mapping of str to tuple of str
        Spikes and other events of populations that are recorded with values of variables, as
        ``{"e.spike": ("v", "u"), "e.burst": ()}``. A value is that of the neuron when the event
        happens, before anything that follows from it, such as a reset.
    """

    weights_every: int = 0
    weights_at_phases: bool = True
    snapshots: tuple[int, ...] = ()
    raster: tuple[int, ...] = ()
    alarms: Alarms = field(default_factory=Alarms)
    observers: tuple[Observer, ...] = ()
    states: Annotated[States, states_of] = field(default_factory=dict)
    every: Annotated[Quantity, positive(second, or_zero=True)] = default(0 * second)
    spikes: tuple[str, ...] = ()
    windows: Annotated[tuple[tuple[Quantity, Quantity], ...], _WINDOWS] = ()
    monitors: tuple[Monitor, ...] = ()
    events: Annotated[Events, events_of] = field(default_factory=dict)

    def __post_init__(self):
        if self.raster and (len(self.raster) != 2 or self.raster[0] >= self.raster[1]):
            allowed = "(first slot, last slot), or () for none"
            raise refusal(self, "raster", self.raster, allowed)
        for observer in self.observers:
            if not observer.name or observer.name in TAKEN:
                got = f"'{observer.name}' of a {type(observer).__name__}"
                fix = f"write name = ... in it, none of: {', '.join(sorted(TAKEN))}"
                raise refusal(self, "observers", got, "a name of its own", fix)
            observer.check(self)
        before = 0 * second
        for start, stop in self.windows:
            if not before <= start < stop:
                allowed = "(from, until) in the order of time, none within another"
                raise refusal(self, "windows", self.windows, allowed)
            before = stop
        if (self.windows or self.every) and not (self.states or self.spikes or self.events):
            given = "windows" if self.windows else "every"
            fix = 'say what is recorded: states={"e.v": (0, 1)} or spikes=("e",)'
            raise refusal(self, given, getattr(self, given), "none, as nothing is recorded", fix)

    def check(self, network: Network) -> None:
        """Raise `ProtocolError` unless what is recorded is there in a network."""
        for name in self.spikes:
            if not network.population(name, "record.spikes").spikes:
                allowed = "populations whose neurons spike"
                raise refusal(self, "spikes", f"'{name}'", allowed)
        check_states(self, network)
        check_events(self, network)
        for monitor in self.monitors:
            monitor.check(self, network)

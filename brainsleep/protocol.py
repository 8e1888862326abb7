"""A protocol: everything a run is made of, as one frozen value that can be changed by key."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import mistakes
from .alarms import Alarms
from .early_stopping import EarlyStopping
from .encoders import RateEncoder
from .errors import BrainsleepError, Details, ProtocolError, explain, nearest
from .fields import checked_fields
from .identity import deciding, without_later
from .load import load, load_module
from .override import UnknownKeyError, replace_at
from .plain import plain
from .quantities import check_whole
from .readout import Readout
from .schedule import Schedule
from .slots import MAX_SHOWN
from .spec import Network
from .tasks import Tasks
from .userfiles import reading_once
from .values import Frozen, check_distinct, show_value, tuple_of
from .weights import SavedWeights

HOOKS = ("on_segment", "on_sleep", "on_wake")


@checked_fields(ProtocolError)
@dataclass(frozen=True, kw_only=True)
class Data:
    """Which images a run learns from, fits its readout on, and is scored on.

    Parameters
    ----------
    source : str
        Name of a data set or path of a file or folder; see `brainsleep.datasets.load_dataset`.
    root : str
        Folder with data sets, if not a standard one.
    n_train : int
        Images shown awake; 0 for a network that is never trained.
    n_readout : int
        Held-out training images the readout is fitted on, weights frozen.
    n_test : int
        Test images the readout is scored on.
    n_validation : int
        Images held out from training by which `EarlyStopping` tells when the network is best.
    split_seed : int
        Fixes the test images of a data set without an official test set.
    """

    source: str = "digits"
    root: str = ""
    n_train: int = 700
    n_readout: int = 500
    n_test: int = 500
    n_validation: int = 0
    split_seed: int = 0

    @mistakes.checked
    def __post_init__(self):
        for name in ("source", "root"):
            value = getattr(self, name)
            if not isinstance(value, str):
                raise ProtocolError(explain(f"data.{name}", repr(value), "text"))
        for name in ("n_train", "n_readout", "n_test", "n_validation", "split_seed"):
            number = check_whole(getattr(self, name), f"data.{name}", ProtocolError)
            object.__setattr__(self, name, number)
            if name != "split_seed" and getattr(self, name) > MAX_SHOWN:
                allowed = f"at most {MAX_SHOWN} images"
                raise ProtocolError(explain(f"data.{name}", getattr(self, name), allowed))


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
        frozen, before and after sleeps, to follow its representation (see `brainsleep.probes`);
        0 for none.
    probe_every : int
        Probe at the first sleep, and then at every so many.
    alarms : Alarms
        When the run gives an alarm, and which alarms end it.
    """

    weights_every: int = 0
    weights_at_phases: bool = True
    snapshots: tuple[int, ...] = ()
    raster: tuple[int, ...] = ()
    probe_images: int = 0
    probe_every: int = 1
    alarms: Alarms = field(default_factory=Alarms)

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


@checked_fields(ProtocolError)
@dataclass(frozen=True, kw_only=True)
class Protocol:
    """An experiment: data -> encoder -> network under a schedule -> readout.

    Parameters
    ----------
    name : str
        Name of the protocol.
    network : NetworkSpec or SurrogateNetwork
        The network.
    data : Data
        Images.
    encoder : RateEncoder
        Images to firing rates of the input population.
    schedule : Schedule
        When wake, sleep and test come.
    readout : Readout
        How responses are classified.
    more_readouts : tuple of Readout
        Other ways to classify the responses of the same run, each with a name of its own.
    early_stopping : EarlyStopping
        Whether training ends when a validation set says so; it does not by default.
    record : Record
        What is kept.
    tasks : Tasks
        Classes learned one after the other; none by default.
    initial_weights : SavedWeights
        Weights of a stored run that this one starts with; none by default.
    hooks : mapping of str to callable
        Python functions ``hook(groups, t)`` at ``on_wake``, ``on_sleep`` (of a sleep with stages:
        at the start of every stage), ``on_segment`` (probes are segments, too), with Brian2's
        groups by name and the time of the run as a quantity; only on the runtime backends. A run
        with hooks is never taken from the store or resumed.
    description : str
        One line on what it is.
    references : tuple of str
        Where it comes from (DOI).

    Raises
    ------
    ProtocolError, ScheduleError
        If the parts do not fit each other.
    """

    name: str
    network: Network
    data: Data = field(default_factory=Data)
    encoder: RateEncoder = field(default_factory=RateEncoder)
    schedule: Schedule = field(default_factory=Schedule)
    readout: Readout = field(default_factory=Readout)
    more_readouts: tuple[Readout, ...] = ()
    early_stopping: EarlyStopping = field(default_factory=EarlyStopping)
    record: Record = field(default_factory=Record)
    tasks: Tasks = field(default_factory=Tasks)
    initial_weights: SavedWeights = field(default_factory=SavedWeights)
    hooks: Mapping[str, Callable] = field(default_factory=dict)
    description: str = ""
    references: tuple[str, ...] = ()

    @mistakes.checked
    def __post_init__(self):
        for name, kind in _KINDS.items():
            value = getattr(self, name)
            if not isinstance(value, kind):
                allowed = getattr(kind, "__name__", "a tuple")
                raise ProtocolError(explain(f"protocol: {name}", show_value(value), allowed))
        object.__setattr__(self, "hooks", Frozen(self.hooks))
        object.__setattr__(self, "references", tuple(self.references))
        for name, hook in self.hooks.items():
            if name not in HOOKS:
                details = Details(word=str(name))
                message = f"hooks: unknown '{name}'; {nearest(str(name), HOOKS)}"
                raise ProtocolError(message, details)
            if not callable(hook):
                raise ProtocolError(explain(f"hooks.{name}", repr(hook), "a function (groups, t)"))
        with mistakes.going_on():
            self.schedule.check_gates(self.network.gates)
        with mistakes.going_on():
            self._check_size()
        with mistakes.going_on():
            self._check_end_of_sleep()
        with mistakes.going_on():
            self.initial_weights.check(self.network)
        object.__setattr__(
            self, "more_readouts", tuple_of(self.more_readouts, Readout, "more_readouts")
        )
        check_distinct([readout.name for readout in self.readouts], "readouts")
        shown = self.schedule.epochs * self.data.n_train
        for readout in self.readouts:
            with mistakes.going_on():
                readout.check(self.network, shown, self.data.n_test, len(self.tasks))
        with mistakes.going_on():
            self.early_stopping.check(self.data.n_validation, len(self.tasks))

    @property
    def readouts(self) -> tuple[Readout, ...]:
        """All readouts, the main one first."""
        return (self.readout, *self.more_readouts)

    def _check_size(self) -> None:
        size = self.network.population(self.network.input).size
        if self.encoder.n_inputs != size:
            raise ProtocolError(
                explain(
                    "encoder.size",
                    f"{self.encoder.size} = {self.encoder.n_inputs} inputs",
                    f"{size}, the size of population '{self.network.input}'",
                ),
                Details(word="size"),
            )

    def _check_end_of_sleep(self) -> None:
        """Refuse a sleep that waits for weights which nothing is there to change: it never is."""
        sleep, wanted = self.schedule.sleep, {"until_initial": False, "trigger": 0}
        changed = any(p.processes for p in self.network.projections)
        for name, none in wanted.items() if sleep.fraction and not changed else ():
            if got := getattr(sleep, name):
                allowed = "a network with a weight process, whose projections are summed"
                fix = f"add one, or set schedule.sleep.{name} to {none}"
                word = Details(word=name)
                raise ProtocolError(explain(f"schedule.sleep.{name}", got, allowed, fix), word)

    def override(self, changes: Mapping[str, Any]) -> Protocol:
        """Return a copy with settings changed.

        Parameters
        ----------
        changes : mapping of str to object
            New values by dotted key: fields, names of parts, parameters of models; ``*`` stands
            for every part. For example ``{"schedule.sleep.fraction": 0.1,
            "network.projections.*.rules.stdp_nearest.lr": 4e-4}``. What lies behind ``*`` must
            exist in at least one part. Strings are read as numbers with unit (``"300*ms"``), or
            as the object they name (``"my.py:MY_RULE"``). The changes are made in order; the
            parts of the protocol are checked against each other after the last.

        Raises
        ------
        ProtocolError
            For a key that does not exist, or a value of another kind.
        """
        parts = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        errors: list[BrainsleepError] = []
        for key, value in changes.items():
            head, *rest = str(key).split(".")
            try:
                with mistakes.raising():
                    if head not in parts:
                        raise UnknownKeyError(head, parts, key)
                    parts[head] = replace_at(parts[head], rest, value, key)
            except BrainsleepError as error:
                errors.append(error)
        mistakes.raise_all(errors)
        return Protocol(**parts)

    def describe(self) -> dict:
        """Return the resolved protocol as plain data, values with units as text."""
        return plain(self)

    def _repr_html_(self) -> str:
        """Display it in a notebook."""
        from .reporting.markup import of_protocol

        return of_protocol(self)

    def equations(self) -> dict:
        """Return the final Brian2 source of every part as plain data."""
        return plain(self.network.plan)


#: What the parts of a protocol are.
_KINDS = {
    "name": str,
    "network": Network,
    "data": Data,
    "encoder": RateEncoder,
    "schedule": Schedule,
    "readout": Readout,
    "more_readouts": tuple | list,
    "early_stopping": EarlyStopping,
    "record": Record,
    "tasks": Tasks,
    "initial_weights": SavedWeights,
    "hooks": Mapping,
    "description": str,
    "references": tuple | list,
}


def run_id(protocol: Protocol, seed: int, backend: str, fingerprint: str) -> str:
    """Hash what decides the outcome of a run: protocol, equations, data, seed, backend.

    The name, description and references do not count, and a path does not either: the content
    of the data does.
    """
    content = {
        "protocol": deciding(protocol.describe()),
        "equations": without_later(protocol.equations()),
        "seed": int(seed),
        "backend": backend,
        "data": fingerprint,
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def load_protocol(source: str, model: str = "") -> Protocol:
    """Return the ``PROTOCOL`` of a shipped protocol or a user's file.

    Parameters
    ----------
    source : str
        Name of a shipped protocol, path of a ``.py`` file, or ``FILE.py:NAME``.
    model : str
        Another network for it: a name in the ``MODELS`` of the protocol's file (changes by key,
        as other networks have other time scales), or a network as ``FILE.py:NAME``.

    Raises
    ------
    ProtocolError
        If there is no such protocol or model.
    """
    with reading_once():
        return _load_with_model(source, model)


def _load_with_model(source: str, model: str) -> Protocol:
    found = _load(source)
    if not model:
        return found
    known = getattr(load_module(source.partition(":")[0], "protocol"), "MODELS", {})
    if model in known:
        return found.override(known[model])
    if ":" not in model:
        raise ProtocolError(
            f"model: protocol {source} has no '{model}' in its MODELS; {nearest(model, known)}; "
            "or a network as FILE.py:NAME"
        )
    return found.override({"network": load(model)})


def _load(source: str) -> Protocol:
    if ":" in source:
        found, where = load(source, "protocol"), source
    else:
        module, where = load_module(source, "protocol"), source
        found = getattr(module, "PROTOCOL", None)
    if not isinstance(found, Protocol):
        raise ProtocolError(
            explain(where, show_value(found), "a Protocol", "define PROTOCOL in it")
        )
    return found

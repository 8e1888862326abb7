"""A protocol: everything a run is made of, as one frozen value that can be changed by key."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Annotated, Any

from brian2 import Quantity

from .. import mistakes
from ..errors import BrainsleepError, Details, ProtocolError, explain, nearest
from ..files.load import load, load_module
from ..files.userfiles import reading_once
from ..network.spec import Network
from ..values.displayed import Displayed
from ..values.fields import fields_of, specification
from ..values.frozen import show_value
from ..values.plain import from_plain, outlined, plain
from .identity import hashed, without_later
from .override import UnknownKeyError, replace_at
from .record import Record
from .saved_state import SavedState
from .schedule import Schedule
from .slots import SlotTable
from .start import SavedWeights
from .task import Course, Material, Task
from .timeline import UNTASKED, Timeline

HOOKS = ("on_segment", "on_sleep", "on_wake")


def _hook(value: Any, where: str, error: type[BrainsleepError]) -> Callable:
    if not callable(value):
        raise error(explain(where, repr(value)[:80], "a function (groups, t)"))
    return value


@specification("protocol: ", ProtocolError)
class Protocol(Displayed):
    """An experiment: a network, when it is awake and asleep, what it is given to do.

    Parameters
    ----------
    name : str
        Name of the protocol.
    network : NetworkSpec or SurrogateNetwork
        The network.
    schedule : Timeline or Schedule
        When wake and sleep come: periods one after the other, or sleep between the images of a
        task.
    task : Task or None
        What the network is given to do, such as `brainsleep.tasks.images.task.Images`. Its
        settings count as the protocol's own: ``data.n_train``.
    record : Record
        What is kept.
    saved_weights : SavedWeights
        Weights of a stored run that this one starts with; none by default.
    saved_state : SavedState
        A stored run that this one goes on from, with all of its state; none by default.
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

    Examples
    --------
    >>> Protocol(
    ...     name="asleep",
    ...     network=network,
    ...     schedule=Timeline(periods=(awake(20 * second, rate=8 * Hz), asleep(5 * second))),
    ... )  # doctest: +SKIP
    """

    name: str
    network: Network
    schedule: Schedule | Timeline = field(default_factory=Schedule)
    task: Task | None = None
    record: Record = field(default_factory=Record)
    saved_weights: SavedWeights = field(default_factory=SavedWeights)
    saved_state: SavedState = field(default_factory=SavedState)
    hooks: Mapping[str, Annotated[Callable, _hook]] = field(default_factory=dict)
    description: str = ""
    references: tuple[str, ...] = ()

    def __post_init__(self):
        for name in self.hooks:
            if name not in HOOKS:
                message = f"hooks: unknown '{name}'; {nearest(str(name), HOOKS)}"
                raise ProtocolError(message, Details(word=str(name)))
        self.schedule.check_gates(self.network.gates)
        with mistakes.going_on():
            self.saved_weights.check(self.network)
        with mistakes.going_on():
            self.saved_state.check(self.network)
            if self.saved_weights.result and self.saved_state.result:
                allowed = "one of saved_weights and saved_state, which has weights, too"
                raise ProtocolError(explain("protocol", "both", allowed))
        with mistakes.going_on():
            self.record.check(self.network)
        with mistakes.going_on():
            self._given.check(self)

    @property
    def _given(self) -> Task:
        return UNTASKED if self.task is None else self.task

    def open(self, opened: dict[Any, Any]) -> Material:
        """Read what a run needs besides the protocol; what was `opened` before not again."""
        return self._given.open(opened)

    @property
    def start(self) -> SavedWeights | SavedState:
        """The stored run that it starts from; one without a result if there is none."""
        return self.saved_state if self.saved_state.result else self.saved_weights

    @property
    def source(self) -> str:
        """What its task reads from: a name or a path; "" for nothing."""
        return self._given.source

    def nominal_slots(self) -> SlotTable:
        """Lay out a run as far as that can be told before any data are read."""
        return self._given.nominal_slots(self)

    def course(self, seed: int, material: Material) -> Course:
        """Lay out a run with what was read by `open`: its slots, what is shown and looked at."""
        return self._given.course(self, seed, material)

    def override(self, changes: Mapping[str, Any]) -> "Protocol":
        """Return a copy with settings changed.

        Parameters
        ----------
        changes : mapping of str to object
            New values by dotted key: fields of the protocol and of its task, names of parts,
            parameters of models; ``*`` stands for every part. For example
            ``{"schedule.sleep.fraction": 0.1, "network.projections.*.rules.stdp_nearest.lr":
            4e-4}``. What lies behind ``*`` must exist in at least one part. Strings are read as
            numbers with unit (``"300*ms"``), or as the object they name (``"my.py:MY_RULE"``).
            The changes are made in order; the parts of the protocol are checked against each
            other after the last.

        Raises
        ------
        BrainsleepError
            For a key that does not exist, or a value that it does not take.
        """
        own, of_task = _parts(self), _parts(self.task)
        fields = fields_of(Protocol) | (fields_of(type(self.task)) if self.task else {})
        for key, value in changes.items():
            head, *rest = str(key).split(".")
            parts = of_task if head in of_task else own
            with mistakes.going_on():
                if head not in parts:
                    where = "" if self.task else " in a protocol without a task"
                    raise UnknownKeyError(head, own | of_task, key, where)
                parts[head] = replace_at(fields[head], parts[head], rest, value, key)
        if self.task is not None and own["task"] is self.task:
            task: Any = self.task
            own["task"] = dataclasses.replace(task, **of_task)
        return Protocol(**own)

    def with_sleep(
        self,
        duration: Quantity,
        *,
        silent: str | tuple[str, ...] = (),
        activities: Mapping[str, Any] | None = None,
        processes: Mapping[str, Any] | None = None,
        cycles: int = 1,
        **gates: float,
    ) -> "Protocol":
        """Return a copy that sleeps after its periods.

        Awake, nothing changes, to the bit. Asleep, inputs are silent, activities drive neurons and
        processes act on weights; monitors see it, too.

        Parameters
        ----------
        duration : Quantity
            How long the sleep is.
        silent : str or tuple of str
            Inputs that the gate ``input`` closes: a population, whose neurons do not spike then, or
            what drives one: ``"e.i_ext"``, a parameter, a variable, a table or regular code.
        activities : mapping of str to SpontaneousActivity
            What drives the neurons of a population, by its name: a model, or its name, such as
            ``{"e": "sleep:WHITE_NOISE"}``; several as a tuple.
        processes : mapping of str to WeightProcess
            What happens to the weights of a projection, by its name.
        cycles : int
            How many times wake and sleep are gone through.
        gates : float
            Values of gates asleep; those of the activities and processes are 1 by default.

        Raises
        ------
        BrainsleepError
            If a name is unknown, or the parts do not fit the network.

        Examples
        --------
        >>> asleep = protocol.with_sleep(
        ...     5 * second,
        ...     silent="p",
        ...     activities={"g": "sleep:WHITE_NOISE"},
        ...     processes={"s": "sleep:DECAY_GROUP"},
        ... )  # doctest: +SKIP
        """
        from .with_sleep import with_sleep

        more = activities or {}, processes or {}
        return with_sleep(self, duration, silent, *more, cycles, gates)

    @property
    def settings(self) -> dict[str, Any]:
        """All settings by the first word of their keys: those of the protocol and of its task."""
        return {k: v for k, v in _parts(self).items() if k != "task"} | _parts(self.task)

    def describe(self) -> dict:
        """Return the resolved protocol as plain data, values with units as text.

        The settings of the task stand beside those of the protocol.
        """
        described: dict[str, Any] = {}
        for name, value in plain(self).items():
            parts = value or {} if name == "task" else {name: value}
            described |= {k: v for k, v in parts.items() if name != "task" or k != "kind"}
        return described

    @classmethod
    def from_dict(cls, described: Mapping[str, Any]) -> "Protocol":
        """Make a protocol of its description, from `describe`; nothing in it is executed.

        Raises
        ------
        BrainsleepError
            If this version can make no protocol of it, or it holds hooks, which are functions.
        """
        return from_plain(cls, nested(described))

    @classmethod
    def outlined(cls, described: Mapping[str, Any]) -> "Protocol":
        """Make what can be read as a protocol, but never be run, of a description."""
        return outlined(cls, nested(described))

    def equations(self) -> dict:
        """Return the final Brian2 source of every part as plain data."""
        return plain(self.network.plan)


def nested(described: Mapping[str, Any]) -> dict[str, Any]:
    """Put the settings of a task, which stand beside those of the protocol, into a part of it."""
    own = {f.name for f in dataclasses.fields(Protocol)} | {"kind"}
    of_task = {name: value for name, value in described.items() if name not in own}
    rest = {name: value for name, value in described.items() if name in own}
    return rest | ({"task": of_task} if of_task else {})


def _parts(spec: Any) -> dict[str, Any]:
    """Return the fields of a specification; none of None."""
    return {f.name: getattr(spec, f.name) for f in dataclasses.fields(spec)} if spec else {}


def run_id(protocol: Protocol, seed: int, backend: str, fingerprint: str) -> str:
    """Hash what decides the outcome of a run: protocol, equations, data, seed, backend.

    The name, description and references do not count, and a path does not either: the content
    of the data does.
    """
    content = {
        "protocol": hashed(protocol.describe()),
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
        if ":" in source:
            protocol = load(source, "protocol")
        else:
            protocol = getattr(load_module(source, "protocol"), "PROTOCOL", None)
        if not isinstance(protocol, Protocol):
            fix = "define PROTOCOL in it"
            raise ProtocolError(explain(source, show_value(protocol), "a Protocol", fix))
        if not model:
            return protocol
        models = getattr(load_module(source.partition(":")[0], "protocol"), "MODELS", {})
        if model not in models and ":" not in model:
            raise ProtocolError(
                f"model: protocol {source} has no '{model}' in its MODELS; "
                f"{nearest(model, models)}; or a network as FILE.py:NAME"
            )
        return protocol.override(models[model] if model in models else {"network": load(model)})

"""A protocol: everything a run is made of, as one frozen value that can be changed by key."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from brian2 import Quantity, get_dimensions
from brian2.core.namespace import DEFAULT_UNITS

from .assemble import assemble
from .checks import unit_name
from .encoders import RateEncoder
from .errors import BrainsleepError, ProtocolError, explain, nearest
from .load import load, load_module
from .readout import Readout
from .schedule import Schedule
from .spec import Frozen, Model, NetworkSpec

HOOKS = ("on_segment", "on_sleep", "on_wake")


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
    split_seed : int
        Fixes the test images of a data set without an official test set.
    """

    source: str = "digits"
    root: str = ""
    n_train: int = 700
    n_readout: int = 500
    n_test: int = 500
    split_seed: int = 0

    def __post_init__(self):
        for name in ("n_train", "n_readout", "n_test"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise ProtocolError(explain(f"data.{name}", value, "a whole number, at least 0"))


@dataclass(frozen=True, kw_only=True)
class Record:
    """What is kept of a run besides spike counts and the first and last weights.

    Parameters
    ----------
    weights_every : int
        Weight statistics at least every so many slots (0: only at the borders of phases if
        `weights_at_phases`, and at the start and end).
    weights_at_phases : bool
        Whether to take weight statistics whenever wake turns to sleep and back.
    snapshots : tuple of int
        Slots before which all weights are kept.
    raster : tuple of int
        First and last slot (exclusive) in which single spikes are recorded; empty for none.
    """

    weights_every: int = 0
    weights_at_phases: bool = True
    snapshots: tuple[int, ...] = ()
    raster: tuple[int, ...] = ()

    def __post_init__(self):
        object.__setattr__(self, "snapshots", tuple(self.snapshots))
        object.__setattr__(self, "raster", tuple(self.raster))
        if self.raster and (len(self.raster) != 2 or not 0 <= self.raster[0] < self.raster[1]):
            raise ProtocolError(explain("record.raster", self.raster, "(first slot, last slot)"))
        if self.weights_every < 0 or any(s < 0 for s in self.snapshots):
            raise ProtocolError("record: slots and intervals must be at least 0")


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """An experiment: data -> encoder -> network under a schedule -> readout.

    Parameters
    ----------
    name : str
        Name of the protocol.
    network : NetworkSpec
        The network.
    data : Data
        Images.
    encoder : RateEncoder
        Images to firing rates of the input population.
    schedule : Schedule
        When wake, sleep and test come.
    readout : Readout
        How responses are classified.
    record : Record
        What is kept.
    hooks : mapping of str to callable
        Python functions ``hook(groups, t)`` at ``on_wake``, ``on_sleep``, ``on_segment``; only on
        the runtime backends.
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
    network: NetworkSpec
    data: Data = field(default_factory=Data)
    encoder: RateEncoder = field(default_factory=RateEncoder)
    schedule: Schedule = field(default_factory=Schedule)
    readout: Readout = field(default_factory=Readout)
    record: Record = field(default_factory=Record)
    hooks: Mapping[str, Callable] = field(default_factory=dict)
    description: str = ""
    references: tuple[str, ...] = ()

    def __post_init__(self):
        object.__setattr__(self, "hooks", Frozen(self.hooks))
        for name, hook in self.hooks.items():
            if name not in HOOKS or not callable(hook):
                raise ProtocolError(f"hooks: unknown '{name}'; {nearest(name, HOOKS)}")
        self.schedule.check_gates(self.network.gates)
        size = self.network.population(self.network.input).size
        if self.encoder.n_inputs != size:
            raise ProtocolError(
                explain(
                    "encoder.size", f"{self.encoder.size} = {self.encoder.n_inputs} inputs",
                    f"{size}, the size of population '{self.network.input}'",
                )
            )
        self.network.population(self.readout.population, "readout.population")

    def override(self, changes: Mapping[str, Any]) -> Protocol:
        """Return a copy with settings changed.

        Parameters
        ----------
        changes : mapping of str to object
            New values by dotted key: fields, names of parts, parameters of models; ``*`` stands
            for every part. For example ``{"schedule.sleep.fraction": 0.1,
            "network.projections.*.rules.stdp_nearest.lr": 4e-4}``. Strings are read as numbers
            with unit (``"300*ms"``), or as the object they name (``"my.py:MY_RULE"``).

        Raises
        ------
        ProtocolError
            For a key that does not exist, or a value of another kind.
        """
        changed = self
        for key, value in changes.items():
            changed = _replace(changed, key.split("."), value, key)
        return changed

    def describe(self) -> dict:
        """Return the resolved protocol as plain data, values with units as text."""
        return plain(self)

    def equations(self) -> dict:
        """Return the final Brian2 source of every part as plain data."""
        return plain(assemble(self.network))


def plain(value: Any) -> Any:
    """Turn specifications, quantities and arrays into data that JSON can hold exactly."""
    if isinstance(value, Quantity):
        unit = unit_name(value)
        return float(value) if unit == "1" else f"{float(value)!r} {unit}"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"kind": type(value).__name__, **fields}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [plain(v) for v in value]
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if callable(value):
        return {"kind": "function", "source": inspect.getsource(value)}
    return value


def run_id(protocol: Protocol, seed: int, backend: str, fingerprint: str) -> str:
    """Hash what decides the outcome of a run: protocol, equations, data, seed, backend.

    The name, description and references do not count, and a path does not either: the content
    of the data does.
    """
    described = protocol.describe()
    for key in ("name", "description", "references"):
        described.pop(key)
    for key in ("source", "root"):
        described["data"].pop(key)
    content = {
        "protocol": described,
        "equations": protocol.equations(),
        "seed": int(seed),
        "backend": backend,
        "data": fingerprint,
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def load_protocol(source: str) -> Protocol:
    """Return the ``PROTOCOL`` of a shipped protocol or a user's file.

    Parameters
    ----------
    source : str
        Name of a shipped protocol, path of a ``.py`` file, or ``FILE.py:NAME``.

    Raises
    ------
    ProtocolError
        If there is no such protocol.
    """
    if ":" in source:
        found, where = load(source, "protocol"), source
    else:
        module, where = load_module(source, "protocol"), source
        found = getattr(module, "PROTOCOL", None)
    if not isinstance(found, Protocol):
        raise ProtocolError(explain(where, repr(found), "a Protocol", "define PROTOCOL in it"))
    return found


# --------------------------------------------------------------------------------------------
# changing a value deep inside


def _replace(node: Any, path: list[str], value: Any, key: str) -> Any:
    if not path:
        return _convert(node, value, key)
    head, rest = path[0], path[1:]
    if isinstance(node, tuple) and node and all(hasattr(part, "name") for part in node):
        chosen = [part for part in node if head in ("*", part.name)]
        if not chosen:
            raise _unknown(head, [part.name for part in node], key)
        return tuple(
            _replace(part, rest, value, key) if head in ("*", part.name) else part for part in node
        )
    if dataclasses.is_dataclass(node):
        names = [f.name for f in dataclasses.fields(node)]
        if head in names:
            return _rebuild(node, head, _replace(getattr(node, head), rest, value, key), key)
        if isinstance(node, Model) and head in node.parameters:
            new = _replace(node.parameters[head], rest, value, key)
            return _rebuild(node, "parameters", {**node.parameters, head: new}, key)
        parameters = list(node.parameters) if isinstance(node, Model) else []
        raise _unknown(head, names + parameters, key)
    if isinstance(node, Mapping):
        if head not in node and not (rest == [] and _open_mapping(key)):
            raise _unknown(head, node, key)
        return {**node, head: _replace(node.get(head, 0.0), rest, value, key)}
    raise ProtocolError(f"key '{key}': '{head}' does not exist: there is nothing below '{node}'")


def _open_mapping(key: str) -> bool:
    """Gates of a phase may be added; every other mapping has fixed keys."""
    return ".gates." in key


def _rebuild(node: Any, name: str, value: Any, key: str) -> Any:
    try:
        return dataclasses.replace(node, **{name: value})
    except BrainsleepError:
        raise
    except (TypeError, ValueError) as error:
        raise ProtocolError(f"key '{key}': {error}") from error


def _unknown(name: str, known, key: str) -> ProtocolError:
    return ProtocolError(f"key '{key}': there is no '{name}'; {nearest(name, known)}")


_NUMBER = re.compile(
    r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*\*?\s*([A-Za-z]\w*)?\s*\Z"
)


def _convert(old: Any, new: Any, key: str) -> Any:
    """Read `new` as the kind of value that `old` is."""
    structured = dataclasses.is_dataclass(old)
    if isinstance(new, str) and not (isinstance(old, str) and not structured):
        new = _parse(new, old, key)
    if structured:
        if not isinstance(new, _family(old)):
            raise ProtocolError(
                explain(f"key '{key}'", repr(new), f"a {type(old).__name__}",
                        "name one as FILE.py:NAME or set one of its fields")
            )
        return new
    if isinstance(old, Quantity) and get_dimensions(old) is not get_dimensions(new):
        got = new if isinstance(new, Quantity) else f"{new} (no unit)"
        raise ProtocolError(
            explain(f"key '{key}'", got, f"a value in {unit_name(old)}, such as {old}")
        )
    if isinstance(old, bool) != isinstance(new, bool):
        raise ProtocolError(explain(f"key '{key}'", repr(new), f"like {old!r}"))
    if isinstance(old, int) and not isinstance(old, bool):
        if isinstance(new, float) and new.is_integer():
            new = int(new)
        if not isinstance(new, int | np.integer):
            raise ProtocolError(explain(f"key '{key}'", repr(new), "a whole number"))
        return int(new)
    if isinstance(old, float) and not isinstance(old, Quantity):
        if not isinstance(new, int | float | np.number):
            raise ProtocolError(explain(f"key '{key}'", repr(new), "a number"))
        return float(new)
    if isinstance(old, str) and not isinstance(new, str):
        raise ProtocolError(explain(f"key '{key}'", repr(new), "text"))
    return new


def _family(old: Any) -> type:
    """Accept any subclass of the same base (a SleepPhase where a Phase stood)."""
    return type(old)


def _parse(text: str, old: Any, key: str) -> Any:
    if text in ("true", "True", "false", "False") and isinstance(old, bool):
        return text.lower() == "true"
    if text in ("none", "None"):
        return None
    if isinstance(old, tuple):
        parts = [part for part in re.split(r"[,\s()]+", text) if part]
        return tuple(_parse(part, 0, key) for part in parts)
    if dataclasses.is_dataclass(old):
        return load(text)
    match = _NUMBER.match(text)
    if not match:
        raise ProtocolError(
            explain(f"key '{key}'", repr(text), f"a value like {old!r}", "write 0.2 or 300*ms")
        )
    number, unit = float(match[1]), match[2]
    if unit:
        if unit not in DEFAULT_UNITS:
            raise ProtocolError(explain(f"key '{key}'", f"unit '{unit}'", "a unit such as ms, mV"))
        return number * DEFAULT_UNITS[unit]
    whole = re.fullmatch(r"\s*[-+]?\d+\s*", text)
    return int(text) if whole else number

"""All of the state of a stored run as the start of another one, which goes on from there."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ProtocolError, StoreError, explain
from ..files.npz import digest
from ..network.spec import Network
from ..results.store import as_stored
from ..values.fields import specification
from ..values.plain import plain
from .start import SavedSynapses, check_pairs, read_stored, taken_synapses


@dataclass(frozen=True, eq=False)
class Before:
    """What a network has had before a run begins; nothing by default."""

    arrays: dict[str, np.ndarray] = field(default_factory=dict)  #: its state, by name
    synapses: dict[str, SavedSynapses] = field(default_factory=dict)  #: by projection
    steps: int = 0  #: time steps that it has had
    slots: int = 0  #: slots that it has had

    def check_fits(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Raise `ProtocolError` unless the state of the network has these arrays."""
        if not self.arrays:
            return
        for name in sorted(self.arrays.keys() ^ arrays.keys()):
            got, allowed = "in the result", "none in the network"
            if name not in self.arrays:
                got, allowed = "none in the result", "one, as in the network"
            raise _unfit_state(f"variable {name}", got, allowed)
        for name, value in self.arrays.items():
            rows = value.ndim == 2  # spikes of the last steps, as many as delays need
            if value.shape[rows:] != arrays[name].shape[rows:]:
                raise _unfit_state(name, f"shape {value.shape}", arrays[name].shape)


@specification("saved_state.", ProtocolError)
class SavedState:
    """All of the state that a stored run ended with: the run goes on as if it had never stopped.

    Neurons, traces, weights and who is connected to whom are taken, and what an optimiser keeps.
    Parameters are those of the protocol, and may be others, but for values that each neuron or
    synapse has of its own, and delays: those are taken. Schedule and task may be others.

    The random numbers of time steps go on, too: a run in one piece draws the same if one of its
    segments ends where this run begins, as one does before a slot of `record.snapshots`. What is
    drawn once, such as the order of images, comes from the seed: with the same seed it is the same
    as in the stored run.

    Parameters
    ----------
    result : str
        Folder of a finished run; none by default. What is in it decides the outcome of a run, not
        where it lies.
    restart_time : bool
        Whether the time ``t``, as equations and hooks see it, begins at 0 again, and random numbers
        with it; by default both go on. The times in a result are from the start of its own run.

    Raises
    ------
    StoreError
        If there is no such result, it is damaged, or does not hold its state.
    """

    result: str = ""
    restart_time: bool = False
    content: str = field(default="", init=False)

    #: What is taken: all projections.
    snapshot, projections = "whole state", ()

    def __post_init__(self):
        if self.result:
            object.__setattr__(self, "result", str(Path(self.result).expanduser().resolve()))
            object.__setattr__(self, "content", self._digest(self._read()))

    @classmethod
    def from_text(cls, text: str) -> "SavedState":
        """Read ``RESULT`` or ``none``."""
        return cls() if text in ("", "none") else cls(result=text)

    @staticmethod
    def deciding(described: dict) -> dict:
        """Leave only what decides the outcome of a run of a description as plain data."""
        return {name: described[name] for name in ("kind", "content", "restart_time")}

    def before(self) -> Before:
        """Return what the network has had; nothing if there is no result.

        Raise `StoreError` if it is gone, damaged, or not what it was when this was made.
        """
        if not self.result:
            return Before()
        before = self._read()
        if self._digest(before) != self.content:
            raise StoreError(f"saved_state: result {self.result} is not what it was before")
        if self.restart_time:
            return Before(before.arrays, before.synapses)
        return before

    def replaces(self, key: str) -> bool:
        """Tell whether a setting of a protocol only draws what is taken from the result."""
        match key.split("."):
            case ["network", "projections", _, "weights" | "connectivity" | "scale", *_]:
                return bool(self.result)
        return False

    def check(self, network: Network) -> None:
        """Raise `ProtocolError` unless a network can start with this state."""
        if not self.result:
            if self.restart_time:
                allowed = "a result to take the state from, too"
                raise _unfit_state("restart_time", True, allowed)
            return
        (result, _), before = read_stored(self.result, "saved_state"), self.before()
        with as_stored(result):
            stored = result.stored_protocol.network
            there = {"a network": type(stored).__name__, "dt": float(stored.dt)}
            there |= {f"size of '{p.name}'": p.size for p in stored.populations}
            there |= {f"'{p.name}' from, to": (p.source, p.target) for p in stored.projections}
        own = {"a network": type(network).__name__, "dt": float(network.dt)}
        own |= {f"size of '{p.name}'": p.size for p in network.populations}
        own |= {f"'{p.name}' from, to": (p.source, p.target) for p in network.projections}
        for name in (*own, *there):
            if own.get(name) != there.get(name):
                raise _unfit_state(name, there.get(name, "none"), own.get(name, "none"))
        self._check_own(network, result.described.get("network", {}))
        for name, synapses in before.synapses.items():
            with as_stored(result):
                check_pairs(network, name, synapses)

    def _check_own(self, network: Network, described: Mapping[str, Any]) -> None:
        """Raise `ProtocolError` if parts differ whose values, which are taken, have a rule."""
        own = {name.partition(".")[0] for name in getattr(network.plan, "constants", ())}
        own |= {p.name for p in getattr(network.plan, "synapses", ()) if p.delays}
        for kind in ("populations", "projections"):
            there = {part["name"]: part for part in described.get(kind, ())}
            for part in getattr(network, kind):
                if part.name in own and json.loads(json.dumps(plain(part))) != there[part.name]:
                    allowed = "as in the result, since its values or delays are taken from there"
                    raise _unfit_state(f"'{part.name}'", "another specification", allowed)

    def _read(self) -> Before:
        result, arrays = read_stored(self.result, "saved_state")
        with as_stored(result):
            state = {k.removeprefix("state/"): v for k, v in arrays.items() if k[:6] == "state/"}
            if not state or "had" not in result.info:
                raise ProtocolError(
                    f"saved_state: result {self.result} holds no state, as it is of an earlier "
                    "version; run it again with --force, or take its weights as saved_weights"
                )
            names = [key.partition("/")[2] for key in arrays if key.startswith("synapses/")]
            for name in names:
                for variable, key in _SNAPSHOT.items():
                    if f"{key}/{name}" in arrays:
                        state.setdefault(f"{name}.{variable}", arrays[f"{key}/{name}"])
            for name, value in state.items():
                if value.dtype.kind not in "fiu" or not np.isfinite(value).all():
                    raise ValueError(f"state/{name} holds no finite numbers")
            synapses = {
                name: taken_synapses(name, arrays[f"synapses/{name}"], state[f"{name}.w"],
                                state.get(f"{name}.bias"))
                for name in names
            }  # fmt: skip
            had = result.info["had"]
            return Before(state, synapses, int(had["steps"]), int(had["slots"]))

    @staticmethod
    def _digest(before: Before) -> str:
        arrays = dict(before.arrays) | {"had": np.array([before.steps, before.slots])}
        for name, each in before.synapses.items():
            arrays |= {f"{name}/pre": each.pre, f"{name}/post": each.post}
        return digest(arrays)


#: Where a result has weights and biases after training, by the variable of a projection.
_SNAPSHOT = {"w": "snapshots/trained", "bias": "biases/trained"}


def stored_state(state: Any, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return what a result, which has `arrays`, holds of a state besides: what is not there yet."""
    kept = {}
    for name, value in state.arrays.items():
        owner, _, variable = name.partition(".")
        same = arrays.get(f"{_SNAPSHOT.get(variable)}/{owner}")
        if same is None or not np.array_equal(same, value):
            kept[f"state/{name}"] = value
    return kept


def _unfit_state(what: str, got: object, allowed: object) -> ProtocolError:
    return ProtocolError(explain(f"saved_state: {what}", got, allowed))

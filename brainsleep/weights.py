"""Weights of a stored run as the start of another one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .errors import ProtocolError, StoreError, explain, nearest, one_line
from .npz import digest
from .spec import Network
from .store import Result, read_result


class SavedSynapses(NamedTuple):
    """The synapses of a projection.

    Parameters
    ----------
    pre, post : ndarray of int32, shape (n_synapses,)
        Which neurons they connect.
    w : ndarray, shape (n_synapses,)
        Weights: magnitudes, or signed where weights have signs of their own.
    """

    pre: np.ndarray
    post: np.ndarray
    w: np.ndarray


@dataclass(frozen=True, kw_only=True)
class SavedWeights:
    """Weights, and who is connected to whom, from a stored run.

    Only they are taken: neurons, traces and an optimiser start as they do anyway, and what a
    schedule measures against the start (``until_initial``, ``trigger``) is measured against these
    weights. What is in the file decides the outcome of a run, not where it lies.

    Parameters
    ----------
    result : str
        Folder of a finished run; none by default. As text it may name the snapshot, too:
        ``results/ID:initial``.
    snapshot : str
        Which of its weights: "trained", "initial", or ``slot_K``, see `Record`.
    projections : tuple of str
        Projections that start with them, by name; the others start as usual. By default all of the
        network, each of which the result must have.

    Raises
    ------
    StoreError
        If there is no such result, or it is damaged.
    ProtocolError
        If it has no such snapshot or projection.
    """

    result: str = ""
    snapshot: str = "trained"
    projections: tuple[str, ...] = ()
    content: str = field(default="", init=False)

    def __post_init__(self):
        for name in ("result", "snapshot"):
            if not isinstance(getattr(self, name), str):
                got = repr(getattr(self, name))
                raise ProtocolError(explain(f"initial_weights.{name}", got, "text"))
        names = self.projections
        if isinstance(names, str) or not all(isinstance(name, str) for name in names):
            allowed = "a tuple of names of projections"
            raise ProtocolError(explain("initial_weights.projections", repr(names), allowed))
        object.__setattr__(self, "projections", tuple(names))
        if self.result:
            object.__setattr__(self, "result", str(Path(self.result).expanduser().resolve()))
            object.__setattr__(self, "content", self._digest(self._read()))

    @classmethod
    def from_text(cls, text: str) -> SavedWeights:
        """Read ``RESULT``, ``RESULT:SNAPSHOT`` or ``none``."""
        if text in ("", "none"):
            return cls()
        path, colon, snapshot = text.rpartition(":")
        if not colon or Path(text).exists():
            return cls(result=text)
        return cls(result=path, snapshot=snapshot)

    @staticmethod
    def deciding(described: dict) -> dict:
        """Leave only what decides the outcome of a run of a description as plain data."""
        return {name: described[name] for name in ("kind", "content")}

    def weights(self) -> dict[str, SavedSynapses]:
        """Return the synapses by projection; nothing if there is no result.

        Raises
        ------
        StoreError
            If the result is gone, damaged, or not what it was when this was made.
        """
        if not self.result:
            return {}
        found = self._read()
        if self._digest(found) != self.content:
            raise StoreError(f"initial_weights: result {self.result} is not what it was before")
        return found

    def check(self, network: Network) -> None:
        """Raise `ProtocolError` unless a network can start with these weights."""
        if not self.result:
            return
        stored, found = _stored(self.result).info["protocol"]["network"], self.weights()
        if stored["kind"] != type(network).__name__:
            got, allowed = f"a {stored['kind']}", f"a {type(network).__name__}, as of the protocol"
            raise ProtocolError(explain(f"initial_weights: network of {self.result}", got, allowed))
        sizes = {p["name"]: p["size"] for p in stored["populations"]}
        ends = {p["name"]: (p["source"], p["target"]) for p in stored["projections"]}
        for name in self.projections or [p.name for p in network.projections]:
            projection = network.projection(name)
            if name not in found:
                raise ProtocolError(
                    f"initial_weights: result {self.result} has no projection '{name}'; "
                    f"{nearest(name, found)}; name those to take as initial_weights.projections"
                )
            for role, theirs in zip(("source", "target"), ends[name], strict=True):
                size = network.population(getattr(projection, role)).size
                if sizes[theirs] != size:
                    got, allowed = f"{sizes[theirs]} neurons in the result", f"{size}"
                    raise ProtocolError(
                        explain(f"initial_weights: {role} of '{name}'", got, allowed)
                    )
            largest = float(np.abs(found[name].w).max(initial=0.0))
            if largest > projection.w_max * (1 + 1e-6):  # single precision rounds bounds
                got = f"weights up to {largest:g}"
                allowed = f"at most w_max = {projection.w_max:g}"
                raise ProtocolError(explain(f"initial_weights: '{name}'", got, allowed))

    def _read(self) -> dict[str, SavedSynapses]:
        """Read the snapshot of all projections that are taken."""
        arrays = _arrays(self.result)
        places = [key.split("/")[1:] for key in arrays if key.startswith("snapshots/")]
        snapshots = sorted({snapshot for snapshot, _ in places})
        if self.snapshot not in snapshots:
            raise ProtocolError(
                f"initial_weights: result {self.result} has no snapshot '{self.snapshot}'; "
                f"{nearest(self.snapshot, snapshots)}"
            )
        names = [name for snapshot, name in places if snapshot == self.snapshot]
        for name in self.projections:
            if name not in names:
                raise ProtocolError(
                    f"initial_weights: result {self.result} has no projection '{name}'; "
                    f"{nearest(name, names)}"
                )
        found = {}
        for name in self.projections or names:
            pre, post = arrays[f"synapses/{name}"].T.astype(np.int32)
            w = arrays[f"snapshots/{self.snapshot}/{name}"].astype(float)
            found[name] = SavedSynapses(np.ascontiguousarray(pre), np.ascontiguousarray(post), w)
        return found

    @staticmethod
    def _digest(weights: Mapping[str, SavedSynapses]) -> str:
        arrays = {f"{n}.{k}": v for n, each in weights.items() for k, v in each._asdict().items()}
        return digest(arrays)


def _stored(path: str) -> Result:
    """Read a result once for as long as it stays as it is."""
    try:
        stamp = (Path(path) / "result.json").stat().st_mtime_ns
    except OSError as error:
        raise StoreError(f"initial_weights: no result in {path} ({one_line(error)})") from error
    return _read_once(path, stamp)


@lru_cache(maxsize=1)
def _read_once(path: str, stamp: int) -> Result:
    return read_result(path)


def _arrays(path: str) -> Mapping[str, np.ndarray]:
    return _arrays_once(_stored(path))


@lru_cache(maxsize=1)
def _arrays_once(result: Result) -> dict[str, np.ndarray]:
    return result.arrays

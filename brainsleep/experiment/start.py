"""Weights of a stored run as the start of another one."""

from collections.abc import Iterable, Mapping
from dataclasses import field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import ProtocolError, StoreError, explain, nearest, one_line
from ..files.npz import digest
from ..network.layers import SurrogateNetwork
from ..network.spec import Network
from ..results.store import Result, as_stored, read_result
from ..values.fields import specification


class SavedSynapses(NamedTuple):
    """The synapses of a projection."""

    pre: np.ndarray  #: from which neurons they come: int32, shape (n_synapses,)
    post: np.ndarray  #: to which they go: int32, shape (n_synapses,)
    w: np.ndarray  #: weights: magnitudes, or signed where weights have signs, shape (n_synapses,)
    bias: np.ndarray | None = None  #: biases of the target's neurons, shape (n_post,), if any


@specification("saved_weights.", ProtocolError)
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
        Which of its weights: "trained", "initial", or ``slot_K``, see `Record`; of a run that an
        alarm ended "stopped", which says that these are not the weights of a whole training.
    projections : tuple of str
        Projections that start with them, by name; the others start as usual. By default all of the
        network, each of which the result must have.

    Raises
    ------
    StoreError
        If there is no such result, it is damaged, or it holds something else than a run stores.
    ProtocolError
        If it has no such snapshot or projection.
    """

    result: str = ""
    snapshot: str = "trained"
    projections: tuple[str, ...] = ()
    content: str = field(default="", init=False)

    def __post_init__(self):
        if self.result:
            object.__setattr__(self, "result", str(Path(self.result).expanduser().resolve()))
            object.__setattr__(self, "content", self._digest(self._read()))

    @classmethod
    def from_text(cls, text: str) -> "SavedWeights":
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

        Raise `StoreError` if it is gone, damaged, or not what it was when this was made.
        """
        if not self.result:
            return {}
        weights = self._read()
        if self._digest(weights) != self.content:
            raise StoreError(f"saved_weights: result {self.result} is not what it was before")
        return weights

    def replaces(self, key: str) -> bool:
        """Tell whether a setting of a protocol only draws what is taken from the result."""
        match key.split("."):
            case ["network", "projections", name, "weights" | "connectivity" | "scale", *_]:
                return bool(self.result) and name in (self.projections or [name])
        return False

    def check(self, network: Network) -> None:
        """Raise `ProtocolError` unless a network can start with these weights.

        Also if the run was stopped and the snapshot does not say so, and if there are settings, but
        no result. Raise `StoreError` if the result holds something else than a run stores.
        """
        for name in () if self.result else ("snapshot", "projections"):
            if (got := getattr(self, name)) != getattr(SavedWeights, name):
                fix = "set saved_weights.result to the folder of a finished run"
                allowed = "a result to take it from, too"
                raise ProtocolError(explain(f"saved_weights.{name}", repr(got), allowed, fix))
        if not self.result:
            return
        (result, _), taken = read_stored(self.result), self.weights()
        with as_stored(result):
            stored = result.info["protocol"]["network"]
            kind, sizes = stored["kind"], {p["name"]: p["size"] for p in stored["populations"]}
            ends = {
                p["name"]: (sizes[p["source"]], sizes[p["target"]]) for p in stored["projections"]
            }
            if (stopped := result.stopped) and self.snapshot == "trained":
                when = f"{stopped['at_s']:.6g} s by an alarm ({stopped['kind']})"
                raise ProtocolError(
                    f"saved_weights: the run of {self.result} was stopped after {when}, its "
                    "training is not whole; to take the weights that it stopped with, give "
                    f"{self.result}:stopped"
                )
        if kind != type(network).__name__:
            allowed = f"a {type(network).__name__}, as of the protocol"
            raise _unfit(f"network of {self.result}", f"a {kind}", allowed)
        for name in self.projections or [p.name for p in network.projections]:
            network.projection(name)  # it has one of that name
            if name not in taken or name not in ends:
                fix = "name those to take as saved_weights.projections"
                raise self._lacking(f"projection '{name}'", name, taken, fix)
            _check_sizes(network, name, ends[name], taken[name])
            with as_stored(result):
                check_pairs(network, name, taken[name])
            _check_bounds(network, name, taken[name].w)

    def _lacking(self, what: str, name: str, there: Iterable[str], fix: str = "") -> ProtocolError:
        message = f"saved_weights: result {self.result} has no {what}; {nearest(name, there)}"
        return ProtocolError(f"{message}; {fix}" if fix else message)

    def _read(self) -> dict[str, SavedSynapses]:
        """Read the snapshot of all projections that are taken."""
        result, arrays = read_stored(self.result)
        last = "stopped" if result.stopped else "trained"
        with as_stored(result):
            places = [key.split("/")[1:] for key in arrays if key.startswith("snapshots/")]
            stored = "trained" if self.snapshot == last else self.snapshot
            names = [name for snapshot, name in places if snapshot == stored]
            if not names:
                there = {last if snapshot == "trained" else snapshot for snapshot, _ in places}
                raise self._lacking(f"snapshot '{self.snapshot}'", self.snapshot, there)
            for name in self.projections:
                if name not in names:
                    raise self._lacking(f"projection '{name}'", name, names)
            return {
                name: taken_synapses(
                    name,
                    arrays[f"synapses/{name}"],
                    arrays[f"snapshots/{stored}/{name}"],
                    arrays.get(f"biases/{stored}/{name}"),
                )
                for name in self.projections or names
            }

    @staticmethod
    def _digest(weights: Mapping[str, SavedSynapses]) -> str:
        arrays = {f"{n}.{k}": v for n, each in weights.items() for k, v in each._asdict().items()}
        return digest({name: value for name, value in arrays.items() if value is not None})


def taken_synapses(
    name: str, pairs: np.ndarray, w: np.ndarray, bias: np.ndarray | None
) -> SavedSynapses:
    """Take what a result holds of a projection; raise `ValueError` if no run stores that."""
    whole = pairs.dtype.kind in "iu" and pairs.ndim == 2 and pairs.shape[1] == 2 and len(pairs)
    if not whole or pairs.min() < 0 or pairs.max() > np.iinfo(np.int32).max:
        raise ValueError(f"synapses/{name} are no pairs of neurons")
    if w.dtype.kind != "f" or w.shape != pairs.shape[:1] or not np.isfinite(w).all():
        raise ValueError(f"weights of {name} are not a finite number a synapse")
    pre, post = (np.ascontiguousarray(end) for end in pairs.T.astype(np.int32))
    if bias is None:
        return SavedSynapses(pre, post, w.astype(float))
    if bias.dtype.kind != "f" or bias.ndim != 1 or not np.isfinite(bias).all():
        raise ValueError(f"biases of {name} are not a finite number a neuron")
    return SavedSynapses(pre, post, w.astype(float), bias.astype(float))


def _sizes(network: Network, name: str) -> tuple[int, int]:
    """Return the numbers of neurons that a projection comes from and goes to."""
    p = network.projection(name)
    return network.population(p.source).size, network.population(p.target).size


def _unfit(what: str, got: object, allowed: object) -> ProtocolError:
    return ProtocolError(explain(f"saved_weights: {what}", got, allowed))


def _check_sizes(
    network: Network, name: str, sizes: tuple[int, int], synapses: SavedSynapses
) -> None:
    """Raise `ProtocolError` unless both have as many neurons, and biases or none."""
    for role, size, own in zip(("source", "target"), sizes, _sizes(network, name), strict=True):
        if size != own:
            raise _unfit(f"{role} of '{name}'", f"{size} neurons in the result", own)
    own_bias, bias = network.projection(name).bias, synapses.bias is not None
    if own_bias != bias:
        got, allowed = ("biases" if has else "no biases" for has in (bias, own_bias))
        raise _unfit(f"'{name}' in the result", got, f"{allowed}, as in the protocol")


def check_pairs(network: Network, name: str, synapses: SavedSynapses) -> None:
    """Raise `ValueError` unless the synapses could be ones that were drawn."""
    n_pre, n_post = _sizes(network, name)
    if synapses.pre.max() >= n_pre or synapses.post.max() >= n_post:
        raise ValueError(f"synapses/{name} name neurons that there are not")
    steps = np.diff(synapses.pre.astype(np.int64) * n_post + synapses.post)
    wiring = getattr(network.projection(name), "connectivity", None)
    if np.any(steps < (0 if wiring is not None and wiring.repeats else 1)):
        raise ValueError(f"synapses/{name} are not in order, each once")
    if isinstance(network, SurrogateNetwork) and len(synapses.w) != n_pre * n_post:
        raise ValueError(f"synapses/{name} do not connect all neurons")
    if synapses.bias is not None and len(synapses.bias) != n_post:
        raise ValueError(f"biases of {name} are not one a neuron")


def _check_bounds(network: Network, name: str, w: np.ndarray) -> None:
    """Raise `ProtocolError` unless weights, or magnitudes of signed ones, are within bounds."""
    p = network.projection(name)
    w = np.abs(w) if isinstance(network, SurrogateNetwork) else w
    slack = 1e-6 * max(abs(p.w_min), abs(p.w_max))  # single precision rounds bounds
    if w.max() > p.w_max + slack:
        raise _unfit(f"'{name}'", f"weights up to {w.max():g}", f"at most w_max = {p.w_max:g}")
    if w.min() < p.w_min - slack:
        raise _unfit(f"'{name}'", f"weights down to {w.min():g}", f"at least w_min = {p.w_min:g}")


def read_stored(path: str, where: str = "saved_weights") -> tuple[Result, dict[str, np.ndarray]]:
    """Read a result and its arrays once for as long as it stays as it is."""
    try:
        stamp = (Path(path) / "result.json").stat().st_mtime_ns
    except OSError as error:
        raise StoreError(f"{where}: no result in {path} ({one_line(error)})") from error
    return _read_once(path, stamp)


@lru_cache(maxsize=1)
def _read_once(path: str, stamp: int) -> tuple[Result, dict[str, np.ndarray]]:
    result = read_result(path)
    return result, result.arrays

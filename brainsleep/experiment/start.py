"""The end of a stored run as the start of another one: its weights, or all of its state."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

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
        (result, _), taken = _stored(self.result), self.weights()
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
                _check_pairs(network, name, taken[name])
            _check_bounds(network, name, taken[name].w)

    def _lacking(self, what: str, name: str, there: Iterable[str], fix: str = "") -> ProtocolError:
        message = f"saved_weights: result {self.result} has no {what}; {nearest(name, there)}"
        return ProtocolError(f"{message}; {fix}" if fix else message)

    def _read(self) -> dict[str, SavedSynapses]:
        """Read the snapshot of all projections that are taken."""
        result, arrays = _stored(self.result)
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
                name: _synapses(
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
            if value.shape != arrays[name].shape:
                raise _unfit_state(name, f"shape {value.shape}", arrays[name].shape)


@specification("saved_state.", ProtocolError)
class SavedState:
    """All of the state that a stored run ended with: the run goes on as if it had never stopped.

    Neurons, traces, weights and who is connected to whom are taken, and what an optimiser keeps.
    Parameters are those of the protocol, and may be others; so may its schedule and its task. The
    random numbers of time steps go on, too: those of a run that is not cut where this one begins,
    but for noise, are the same. What is drawn once, such as the order of images, comes from the
    seed of the run: with the same seed it is the same as before.

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
        (result, _), before = _stored(self.result, "saved_state"), self.before()
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
        for name, synapses in before.synapses.items():
            with as_stored(result):
                _check_pairs(network, name, synapses)

    def _read(self) -> Before:
        result, arrays = _stored(self.result, "saved_state")
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
                if value.dtype.kind != "f" or not np.isfinite(value).all():
                    raise ValueError(f"state/{name} holds no finite numbers")
            synapses = {
                name: _synapses(name, arrays[f"synapses/{name}"], state[f"{name}.w"],
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


def _synapses(
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


def _check_pairs(network: Network, name: str, synapses: SavedSynapses) -> None:
    """Raise `ValueError` unless the synapses could be ones that were drawn."""
    n_pre, n_post = _sizes(network, name)
    if synapses.pre.max() >= n_pre or synapses.post.max() >= n_post:
        raise ValueError(f"synapses/{name} name neurons that there are not")
    if np.any(np.diff(synapses.pre.astype(np.int64) * n_post + synapses.post) <= 0):
        raise ValueError(f"synapses/{name} are not in order, each once")
    if isinstance(network, SurrogateNetwork) and len(synapses.w) != n_pre * n_post:
        raise ValueError(f"synapses/{name} do not connect all neurons")
    if synapses.bias is not None and len(synapses.bias) != n_post:
        raise ValueError(f"biases of {name} are not one a neuron")


def _check_bounds(network: Network, name: str, w: np.ndarray) -> None:
    """Raise `ProtocolError` unless weights, or magnitudes of signed ones, are within bounds."""
    p = network.projection(name)
    w = np.abs(w) if isinstance(network, SurrogateNetwork) else w
    slack = 1e-6 * p.w_max  # single precision rounds bounds
    if w.max() > p.w_max + slack:
        raise _unfit(f"'{name}'", f"weights up to {w.max():g}", f"at most w_max = {p.w_max:g}")
    if w.min() < p.w_min - slack:
        raise _unfit(f"'{name}'", f"weights down to {w.min():g}", f"at least w_min = {p.w_min:g}")


def _stored(path: str, where: str = "saved_weights") -> tuple[Result, dict[str, np.ndarray]]:
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

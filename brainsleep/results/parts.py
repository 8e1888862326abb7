"""Parts of a stored run that have names of their own: its data, sleeps, synapses and weights."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from brian2 import Quantity

if TYPE_CHECKING:
    from .result import Result


class UsedData(NamedTuple):
    """The data set that a run learned from."""

    name: str
    #: Hash of its content.
    fingerprint: str
    source: str
    licence: str
    citation: str


class Sleeps(NamedTuple):
    """When a network slept: slots, and stages, of one sleep are one."""

    #: Times in the run, shape (n_sleeps,).
    onsets: Quantity
    ends: Quantity

    @property
    def durations(self) -> Quantity:
        """Length of every sleep, shape (n_sleeps,)."""
        return self.ends - self.onsets


class SynapseArrays(NamedTuple):
    """Who is connected to whom in a projection, and how strongly."""

    #: Pre- and postsynaptic neurons, shape (n_synapses,).
    pre: np.ndarray
    post: np.ndarray
    #: Weights without unit, magnitudes but in a network of layers, shape (n_synapses,).
    w: np.ndarray


class Weights(NamedTuple):
    """The weights of a projection at every time at which all of them were kept."""

    #: Its populations.
    source: str
    target: str
    #: -1 for an inhibitory one, whose weights are magnitudes like those of an excitatory one (1);
    #: 0 where every weight has a sign of its own.
    sign: int
    #: Names of the snapshots, in the order of time, and their times in the run.
    names: list[str]
    times: Quantity
    #: Pre- and postsynaptic neuron, shape (n_synapses, 2).
    synapses: np.ndarray
    #: Weights without unit, shape (n_snapshots, n_synapses).
    w: np.ndarray

    @property
    def sign_in_words(self) -> str:
        """Its sign, or that every weight has one."""
        return f"sign {self.sign:+d}" if self.sign else "signs of their own"


def weights_of(
    result: Result, snapshots: Mapping[str, np.ndarray], synapses: Mapping[str, np.ndarray]
) -> dict[str, Weights]:
    """Return the weights of a run by projection, from what it stored by name."""
    slots, times, weights = result.slots, result.slot_times, {}
    n_train = int(np.sum(slots["part"] == "train"))
    for p in result.stored_protocol.network.projections:
        keys = [key.rpartition("/") for key in snapshots]
        at = {name: n_train for name, _, projection in keys if projection == p.name}
        at |= {name: int(name[5:]) for name in at if name.startswith("slot_")}
        at |= {"initial": 0}
        names = sorted(at, key=lambda name: (at[name], name != "initial"))
        weights[p.name] = Weights(
            p.source,
            p.target,
            int(getattr(p, "sign", 1) or 0),
            names,
            times[[at[name] for name in names]],
            synapses[p.name],
            np.array([snapshots[f"{name}/{p.name}"] for name in names]),
        )
    return weights


class Arrays(dict[str, np.ndarray]):
    """Arrays by the rest of their names; one that is not there is named in full."""

    start: str

    def __missing__(self, name: str) -> np.ndarray:
        raise KeyError(f"{self.start}{name}")


def protocols() -> Any:
    """Load what makes protocols: it is built on results."""
    import_module("brainsleep.tasks").load_all()  # plain data find their class among those loaded
    return import_module("brainsleep.experiment.protocol")

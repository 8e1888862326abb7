"""Which state variables are recorded, of which neurons and synapses, and when."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from brian2 import Equations, Quantity
from brian2.equations.equations import SUBEXPRESSION

from .. import mistakes
from ..errors import BrainsleepError, Details, ProtocolError, closest, explain, nearest
from ..network.equations import synaptic
from ..network.spec import Network, NetworkSpec
from ..values.frozen import Frozen, show_value
from ..values.units import unit_name
from .schedule import whole_steps

if TYPE_CHECKING:
    from .record import Record

# Neurons or synapses of a variable: "all", or numbers, or pairs of neurons.
States = Mapping[str, str | tuple[int | tuple[int, ...], ...]]

#: Functions that draw: to record what uses them would change what is drawn after.
_DRAWING = {"rand", "randn", "poisson", "binomial"}

#: Name of the array with the steps of the run at which values were taken.
STEPS = "steps"

#: All neurons, or synapses, there are.
ALL = "all"

_ALLOWED = '"all", numbers such as (0, 3), or synapses as pairs such as ((0, 1), (5, 2))'


def states_of(value: Any, where: str, error: type[BrainsleepError]) -> States:
    """Check which neurons and synapses are chosen of variables; read text such as a literal."""
    if isinstance(value, str):
        with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
            value = ast.literal_eval(value)
    if not isinstance(value, Mapping):
        allowed = "variables and who, such as {'e.v': (0, 3)}"
        raise error(explain(where, show_value(value), allowed))
    chosen = {}
    for name, who in value.items():
        owner, _, variable = str(name).partition(".")
        if not owner or not variable:
            allowed = "the name of a population or projection, and a variable, such as 'e.v'"
            raise error(explain(where, repr(name), allowed))
        chosen[str(name)] = _who(who, f"{where}: {name}", error)
    return Frozen(chosen)


def _who(value: Any, where: str, error: type[BrainsleepError]) -> Any:
    if isinstance(value, str) and value == ALL:
        return ALL
    with suppress(TypeError, ValueError, OverflowError):
        numbers = np.asarray(value)
        pairs = numbers.ndim == 2 and numbers.shape[1] == 2
        if numbers.size and numbers.dtype.kind in "iu" and (numbers.ndim == 1 or pairs):
            listed = numbers.tolist()
            who = tuple(map(tuple, listed)) if pairs else tuple(listed)
            if numbers.min() >= 0 and len(set(who)) == len(who):
                return who
    raise error(explain(where, show_value(value), f"{_ALLOWED}, each once"))


def recordable(network: NetworkSpec) -> dict[str, Quantity]:
    """Return what can be recorded of a network: a unit by the name of each variable.

    Those are the variables that belong to the state, one value a neuron or synapse, and what is
    computed of them by ``x = ...`` without drawing random numbers.
    """
    units: dict[str, Quantity] = {}
    plans: list[Any] = [*network.plan.groups, *network.plan.synapses]
    for plan in plans:
        for name, eq in Equations(plan.equations).items():
            computed = eq.type == SUBEXPRESSION and not _DRAWING & eq.identifiers
            if name in getattr(plan, "updates", ()):  # when others were brought up to date
                continue
            if (name in plan.state or computed) and "shared" not in eq.flags:
                units[f"{plan.name}.{name}"] = Quantity(1.0, dim=eq.dim)
    return units


def event_driven(network: NetworkSpec) -> set[str]:
    """Return the variables of synapses that have their value at the last spike, or use such."""
    found = set()
    for p in network.projections:
        for part in (p.synapse, *p.rules):
            for eq in synaptic.driven(part.variables, synaptic.EVENT_DRIVEN):
                found |= {f"{p.name}.{eq.varname}", f"{p.name}.{part.name}_{eq.varname}"}
    known = -1
    while known < len(found):  # what is computed of what is computed of them
        known = len(found)
        for plan in network.plan.synapses:
            for name, eq in Equations(plan.equations).items():
                if any(f"{plan.name}.{used}" in found for used in eq.identifiers):
                    found.add(f"{plan.name}.{name}")
    return found


def check_states(record: Record, network: Network) -> None:
    """Raise `ProtocolError` unless the variables that are recorded are there in a network."""
    if not record.states:
        return
    if not isinstance(network, NetworkSpec):
        allowed = "none of a network of layers, whose variables are PyTorch's"
        raise ProtocolError(explain("record.states", ", ".join(record.states), allowed))
    steps_between(record, network.dt)
    there, stale = recordable(network), event_driven(network)
    projections = [p.name for p in network.projections]
    chosen: Mapping[str, Any] = record.states
    for name, who in chosen.items():
        with mistakes.going_on():
            if name not in there:
                message = f"record.states: no variable '{name}' to record; {nearest(name, there)}"
                raise ProtocolError(message, Details(word=name, close=closest(name, there)))
            if name in stale:
                got = "an event-driven variable, whose value is that at the last spike"
                fix = "write (clock-driven) in its equation to record it"
                said = explain(f"record.states: {name}", got, "others", fix)
                raise ProtocolError(said, Details(word=name, fix=fix))
            owner = name.partition(".")[0]
            if who == ALL:
                continue
            pairs = isinstance(who[0], tuple)
            if owner in projections:
                if pairs:
                    _check_pairs(name, who, network)
            elif pairs:
                allowed = "numbers of neurons; pairs are for synapses"
                raise ProtocolError(explain(f"record.states: {name}", who[0], allowed))
            else:
                _check_numbers(name, max(who), network.population(owner).size, "neurons")


def _check_pairs(name: str, pairs: tuple, network: NetworkSpec) -> None:
    p = network.projection(name.partition(".")[0])
    for end, place in ((p.source, 0), (p.target, 1)):
        _check_numbers(name, max(pair[place] for pair in pairs), network.population(end).size, end)


def _check_numbers(name: str, largest: int, size: int, what: str) -> None:
    if largest >= size:
        allowed = f"{what} 0 to {size - 1}"
        said = explain(f"record.states: {name}", largest, allowed)
        raise ProtocolError(said, Details(word=name))


def steps_between(record: Record, dt: Quantity) -> int:
    """Return the time steps between two values of a trace."""
    return whole_steps(record.every, dt, "record.every") if record.every else 1


class Sampling:
    """What is recorded of a run whose synapses are known."""

    def __init__(self, record: Record, network: Network, synapses: Mapping[str, tuple]):
        dt = float(network.dt)
        self.every = steps_between(record, network.dt) if record.states else 1
        edges = [[round(float(t) / dt) for t in window] for window in record.windows]
        self.windows = np.array(edges, dtype=np.int64).reshape(-1, 2)
        self.spikes, self.events = record.spikes, dict(record.events)
        self.indices = {
            name: _indices(name, who, network, synapses) for name, who in record.states.items()
        }

    def units(self, network: Network) -> dict[str, Any]:
        """Return the SI units of all variables that are recorded, as a result has them."""
        found: dict[str, Any] = {}
        if self.indices:
            found["traces"] = {name: {"unit": unit_of(network, name)} for name in self.indices}
        if self.events:
            owners = {name: name.partition(".")[0] for name in self.events}
            found["events"] = {
                name: {k: unit_of(network, f"{owners[name]}.{k}") for k in variables}
                for name, variables in self.events.items()
            }
        return found

    @property
    def row_bytes(self) -> int:
        """Bytes of the values of one time."""
        return 8 * sum(map(len, self.indices.values()))

    def inside(self, steps: np.ndarray) -> np.ndarray:
        """Tell which steps of the run lie in a window."""
        if not len(self.windows):
            return np.ones(len(steps), bool)
        at = np.searchsorted(self.windows[:, 0], steps, side="right") - 1
        return (at >= 0) & (steps < self.windows[at, 1])

    def steps(self, first: int, last: int) -> np.ndarray:
        """Return the steps of the run, from `first` until `last` (exclusive), to be recorded."""
        if not self.indices:
            return np.empty(0, np.int64)
        steps = np.arange(-(-first // self.every) * self.every, last, self.every)
        return steps[self.inside(steps)]

    def meets(self, starts: np.ndarray) -> np.ndarray:
        """Tell which of the intervals between `starts` have spikes or events to be recorded."""
        wanted = bool(self.spikes or self.events)
        if not wanted or not len(self.windows):
            return np.full(len(starts) - 1, wanted)
        pairs = itertools.product(self.windows, [(starts[:-1], starts[1:])])
        met = [(start < ends) & (stop > begins) for (start, stop), (begins, ends) in pairs]
        return np.any(met, axis=0)


def _indices(name: str, who: Any, network: Network, synapses: Mapping[str, tuple]) -> np.ndarray:
    """Return the numbers of neurons or synapses, in the order in which they were named."""
    owner = name.partition(".")[0]
    if owner not in synapses:
        return np.arange(network.population(owner).size) if who == ALL else np.array(who)
    pre, post = synapses[owner]
    if who == ALL:
        return np.arange(len(pre))
    if not isinstance(who[0], tuple):
        _check_numbers(name, max(who), len(pre), "synapses")
        return np.array(who)
    size = network.population(network.projection(owner).target).size
    keys = pre.astype(np.int64) * size + post
    order = np.argsort(keys, kind="stable")
    wanted = np.array(who, dtype=np.int64) @ np.array([size, 1])
    first, last = (np.searchsorted(keys[order], wanted, side=side) for side in ("left", "right"))
    for pair, found in zip(who, last > first, strict=True):
        if not found:
            has = ", ".join(map(str, post[pre == pair[0]][:20])) or "none"
            allowed = f"synapses that were drawn; neuron {pair[0]} has some to: {has}"
            raise ProtocolError(explain(f"record.states: {name}", f"no synapse {pair}", allowed))
    return np.concatenate([order[a:b] for a, b in zip(first, last, strict=True)])


def unit_of(network: Any, name: str) -> str:
    """Return the SI unit of a variable as text."""
    return unit_name(recordable(network)[name])


__all__ = [
    "ALL",
    "STEPS",
    "Sampling",
    "States",
    "check_states",
    "recordable",
    "states_of",
    "unit_of",
]

"""Runs of a Brian2 network: what each begins with, and what was changed since the one before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from brian2 import Quantity, SpikeGeneratorGroup, Synapses, second

from ..experiment.inputs import SpikeTrains
from ..experiment.settings import Setting
from ..network.equations import settle
from ..values.arrays import Array
from .network import Network, all_objects
from .neurons import Taken, one_or_each
from .places import named, refused

#: Variables of Brian2's own, which a simulation changes.
HIDDEN = ("lastspike", "not_refractory", "lastupdate")

#: Values of variables: by the name of the group and of the variable.
Values = dict[tuple[str, str], np.ndarray]


@dataclass
class Run:
    """One call of ``run``, at a place in the script; `objects` are the monitors that see it."""

    steps: int
    place: str
    objects: list[Any]
    settings: dict[str, Setting] = field(default_factory=dict)
    trains: dict[str, SpikeTrains] = field(default_factory=dict)


@dataclass
class Touched:
    """What a script set between runs, and what it read that only a simulation knows."""

    #: Elements that were set, by group and variable.
    set_at: dict[tuple[str, str], set[int]] = field(default_factory=dict)
    #: Where a variable was read that the simulation changes, and its name.
    read: list[tuple[str, str]] = field(default_factory=list)


def values_of(part: Taken) -> Values:
    """Return the values of all variables of a group that a script can set."""
    group, found = part.group, {}
    for name in part.scope.names:
        variable = group.variables.get(name)
        stored = hasattr(variable, "get_value") and not _computed(variable)
        if stored and variable.owner is not None and variable.owner.name == group.name:
            found[group.name, name] = np.array(variable.get_value(), copy=True)
    return found


def _computed(variable: Any) -> bool:
    return type(variable).__name__ in ("Subexpression", "AuxiliaryVariable")


def dynamic(network: Network) -> set[tuple[str, str]]:
    """Return the variables that a simulation changes, by group and variable."""
    found = set[tuple[str, str]]()
    owners = {part.name: part for part in network.parts.values()}
    back = {
        (part.name, other): (part.group.name, name)
        for part in network.parts.values()
        for name, other in part.scope.names.items()
    }
    plan = network.spec.plan
    changed = set[tuple[str, str]]()
    for group in plan.groups:
        codes = [group.reset, *(each.code for each in group.regular)]
        codes += [each.code for each in group.events]
        names = {n for code in codes for n, _, _ in settle.read(code) or ()}
        rates = owners[group.name].part.model.variables.diff_eq_names
        computed = owners[group.name].part.model.variables.values()
        computed = {eq.varname for eq in computed if "constant over dt" in eq.flags}
        changed |= {(group.name, name) for name in {*names, *rates, *computed}}
    for part in plan.synapses:
        codes = [part.on_pre, part.on_post, *(each.code for each in part.pathways)]
        codes += [step.code for step in part.steps] + [each.code for each in part.regular]
        own = owners[part.name].part.synapse.variables
        sums = {name for name, eq in own.items() if "summed" in eq.flags}
        for name in sums | {n for code in codes for n, _, _ in settle.read(code) or ()}:
            stem, _, end = name.rpartition("_")
            ends = {"pre": part.source, "post": part.target}
            changed.add((ends[end], stem) if end in ends else (part.name, name))
        for name in own.diff_eq_names:
            changed.add((part.name, name))
    found |= {back[each] for each in changed if each in back}
    return found | {(p.group.name, name) for p in network.parts.values() for name in HIDDEN}


def changes(network: Network, before: Values, after: Values, touched: Touched) -> dict:
    """Return what was set between two runs, as settings of a period."""
    settings = {}
    for part in network.parts.values():
        for name, other in part.scope.names.items():
            key = part.group.name, name
            if key not in after:
                continue
            old, new = before[key], after[key]
            at = set(np.flatnonzero(old != new).tolist()) | touched.set_at.get(key, set())
            if at:
                settings[f"{part.name}.{other}"] = _setting(part, name, new, sorted(at))
    return settings


def _setting(part: Taken, name: str, values: np.ndarray, at: list[int]) -> Setting:
    dim = part.group.variables[name].dim
    if part.order is not None:  # of synapses, in another order here
        values = values[part.order]
        at = sorted(part.here(np.array(at, int)).tolist())
    if (len(at) == len(values) and len(values) > 1) or values.size == 1:
        return Setting(one_or_each(values, dim))
    return Setting(one_or_each(values[at], dim), Array.of(np.array(at), "who", dtype="int32"))


def outside_of(network: Network, namespace: Mapping[str, Any]) -> dict[tuple[str, str], Quantity]:
    """Return the constants of groups, as they are in a namespace, by the names of both."""
    return {
        (part.group.name, name): value
        for part in network.parts.values()
        for name, value in part.scope.outside(namespace).items()
    }


def trains_of(network: Network, start: int, steps: int) -> dict[str, SpikeTrains]:
    """Return the spikes that groups are told in a run, from its start on."""
    found = {}
    for part in network.parts.values():
        if isinstance(part.group, SpikeGeneratorGroup):
            found[part.name] = _train(part.group, start, steps)
    return found


def _train(group: SpikeGeneratorGroup, start: int, steps: int) -> SpikeTrains:
    dt = float(group.clock.dt_)
    at = np.asarray(np.asarray(group._spike_time) + 1e-3 * dt)
    bins = np.asarray(at / dt, dtype=np.int64)  # as Brian2 does
    neurons = np.asarray(group._neuron_index, dtype=np.int64)
    every = float(group.variables["period"].get_value().item())
    if 0 < every < np.inf:
        period = round(every / dt)
        first, last = start // period, (start + steps) // period + 1
        inside = bins < period
        times = np.arange(first, last)[:, None] * period + bins[inside]
        neurons = np.broadcast_to(neurons[inside], times.shape).ravel()
        bins = times.ravel()
    kept = (bins >= start) & (bins < start + steps)
    bins, neurons = bins[kept] - start, neurons[kept]
    pairs = np.unique(np.stack([bins, neurons]), axis=1)
    if pairs.shape[1] < len(bins):
        fix = "leave one of them out, or choose a shorter dt"
        what = f"{named(group)}: spikes"
        raise refused(what, "two of one neuron in one time step", "one", fix, group)
    return SpikeTrains(pairs[1], Quantity(pairs[0] * dt, dim=second.dim))


def check_clocks(objects: Iterable[Any]) -> None:
    """Refuse objects without a time step of their own."""
    for each in all_objects(objects):
        kind = type(each.clock).__name__
        if not hasattr(each.clock, "dt_"):
            fix = "give it a dt, and have a TimedArray say when"
            raise refused(f"{named(each)}: clock", f"an {kind}", "a Clock", fix, each)


def signature(objects: list[Any]) -> dict[str, tuple]:
    """Describe what of a network no run may change: its objects but for monitors."""
    found = {}
    for each in all_objects(objects):
        if "Monitor" in type(each).__name__:
            continue
        delay = each.variables["delay"].get_value() if hasattr(each, "synapse_sources") else ()
        given = (type(each).__name__, each.active, float(each.clock.dt_), each.when, each.order)
        synapses = len(each) if isinstance(each, Synapses) else 0
        found[each.name] = (*given, synapses, np.asarray(delay).tobytes())
    return found

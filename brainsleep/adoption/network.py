"""All objects of a Brian2 network as one network specification."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import brian2
import numpy as np
from brian2 import NeuronGroup, PoissonGroup, PoissonInput, Quantity, SpikeGeneratorGroup, Synapses
from brian2.groups.group import CodeRunner
from brian2.groups.subgroup import Subgroup
from brian2.monitors import EventMonitor, PopulationRateMonitor, SpikeMonitor, StateMonitor

from ..network.spec import NetworkSpec
from .links import links_of
from .names import free
from .neurons import Taken, check_clock, made_of, neuron_group, poisson_group, spike_generator
from .places import named, refused
from .scope import Scope
from .synapses import SynapseScope, order_matters, projection, root

#: Numbers that are set between runs: name of the group, and of the number.
Varying = frozenset[tuple[str, str]] | set[tuple[str, str]]

#: What is said of objects that cannot be taken, by class name.
_NOT_TAKEN = {
    "NetworkOperation": "write it as run_regularly, or as code of a group; Python code in a run is "
    "not part of a compiled program",
    "SpatialNeuron": "multicompartment neurons cannot be taken; use point neurons",
}

_MONITORS = (EventMonitor, SpikeMonitor, StateMonitor, PopulationRateMonitor)


@dataclass
class Network:
    """A Brian2 network that was taken over.

    Attributes
    ----------
    spec : NetworkSpec
        The network.
    parts : dict of str to Taken
        What was taken, by Brian2's names of groups.
    called : dict of int to str
        Names that the script has for objects, by their identity.
    """

    spec: NetworkSpec
    parts: dict[str, Taken]
    called: Mapping[int, str]
    notes: list[str] = field(default_factory=list)


def all_objects(objects: Iterable[Any]) -> list[Any]:
    """Return objects and what they contain."""
    found, seen = [], set[int]()
    waiting = list(objects)
    while waiting:
        each = waiting.pop(0)
        if id(each) not in seen:
            seen.add(id(each))
            found.append(each)
            waiting += list(each.contained_objects)
    return found


def sorted_objects(objects: Iterable[Any]) -> dict[str, list[Any]]:
    """Return objects by kind; refuse those of kinds that cannot be taken."""
    kinds: dict[str, list[Any]] = {"neurons": [], "synapses": [], "drives": [], "monitors": []}
    objects = list(objects)
    inside = {id(part) for each in objects for part in all_objects([each])[1:]}
    for each in objects:
        if type(each) in (NeuronGroup, PoissonGroup, SpikeGeneratorGroup):
            kinds["neurons"].append(each)
        elif type(each) is Synapses:
            kinds["synapses"].append(each)
        elif type(each) is PoissonInput:
            kinds["drives"].append(each)
        elif type(each) in _MONITORS:
            kinds["monitors"].append(each)
        elif isinstance(each, Subgroup):
            if any(type(part) is CodeRunner for part in each.contained_objects):
                fix = "call run_regularly of the whole group, with a condition on i"
                raise refused(f"run_regularly of {named(each)}", "a part", "a group", fix, each)
        elif id(each) not in inside:
            kind = type(each).__name__
            fix = _NOT_TAKEN.get(kind, "leave it out")
            raise refused(named(each), f"a {kind}", "groups, synapses, monitors", fix, each)
    for label in ("neurons", "synapses", "drives"):
        for each in kinds[label]:
            if not each.active:
                fix = "leave it out of the network, or set its rate or weights to 0"
                raise refused(f"{named(each)}: active", "False", "True", fix, each)
    return {label: sorted(each, key=lambda one: one.name) for label, each in kinds.items()}


def take_network(
    objects: Iterable[Any],
    namespace: Mapping[str, Any],
    called: Mapping[int, str],
    name: str,
    varying: Varying = frozenset(),
) -> Network:
    """Take over the objects of a Brian2 network, as they are now.

    What is `varying` is set between runs: numbers that a group has from outside, or that all of its
    neurons share, by the names of both.
    """
    kinds = sorted_objects(objects)
    if not kinds["neurons"]:
        fix = "make a Network with a NeuronGroup"
        raise refused("network", "no neurons", "a group of neurons or more", fix)
    dt = Quantity(min(each.clock.dt_ for each in kinds["neurons"]), dim=brian2.second.dim)
    parts: dict[str, Taken] = {}
    taken = set[str]()
    names = _names([*kinds["neurons"], *kinds["synapses"]], called)
    notes = list[str]()
    for group in kinds["neurons"]:
        check_clock(group, dt)
        drives = [each for each in kinds["drives"] if root(each._group)[0].name == group.name]
        make: Any = {PoissonGroup: poisson_group, SpikeGeneratorGroup: spike_generator}.get(
            type(group), neuron_group
        )
        more = {"inputs": drives} if make is neuron_group else {}
        scope = Scope(group, namespace, _of(varying, group))
        scope.watched = _watching(kinds["monitors"], group)
        parts[group.name] = make(scope, names[id(group)], dt, **more)
        taken.add(names[id(group)])
        for place, each in enumerate(drives if make is neuron_group else ()):
            code = parts[group.name].part.model.regular[place - len(drives)].code
            if "+= poisson(" in code:
                notes.append(f"{named(each)}: its {each.N} sources are drawn as a Poisson number")
    for each in kinds["synapses"]:
        ends = [root(getattr(each, end))[0] for end in ("source", "target")]
        for end in ends:
            if end.name not in {group.name for group in kinds["neurons"]}:
                fix = "connect groups of neurons that are in the network"
                what = f"{named(each)}: one of its ends"
                raise refused(what, named(end), "a group of neurons", fix, each)
        if not len(each):
            notes.append(f"{named(each)} has no synapses, and was left out")
            continue
        pair = (parts[ends[0].name], parts[ends[1].name])
        scope = SynapseScope(each, namespace, pair, _of(varying, each))
        scope.watched = _watching(kinds["monitors"], each)
        parts[each.name] = projection(scope, names[id(each)], pair, dt)
    links = links_of(kinds["neurons"], parts)
    # with links it matters which group is integrated first: as Brian2 has it, by order and name
    ordered = sorted(kinds["neurons"], key=_turn) if links else kinds["neurons"]
    precision = np.dtype(brian2.prefs["core.default_float_dtype"]).name
    spec = made_of(
        NetworkSpec,
        "the network",
        None,
        name=name,
        populations=tuple(parts[group.name].part for group in ordered),
        projections=tuple(parts[s.name].part for s in kinds["synapses"] if s.name in parts),
        input="",
        dt=dt,
        precision=precision,
        links=links,
    )
    return Network(spec, parts, called, notes)


def _watching(monitors: Iterable[Any], group: Any) -> list[str]:
    """Return the names of the monitors of a group's states."""
    states = [each for each in monitors if isinstance(each, StateMonitor)]
    return [each.name for each in states if root(each.source)[0].name == group.name]


def _of(varying: Varying, group: Any) -> set[str]:
    """Return what of a group varies."""
    return {name for owner, name in varying if owner == group.name}


def _names(groups: list[Any], called: Mapping[int, str]) -> dict[int, str]:
    """Name parts as the script does, or as Brian2 does where the order of names matters."""
    names = dict[int, str]()
    for group in groups:
        wanted = called.get(id(group), group.name)
        names[id(group)] = free(wanted, names.values(), _MEANT)
    synapses = [group for group in groups if isinstance(group, Synapses)]
    ours = sorted(synapses, key=lambda each: names[id(each)])
    if ours != synapses and any(map(order_matters, synapses)):
        for group in synapses:
            del names[id(group)]
        for group in synapses:
            names[id(group)] = free(group.name, names.values(), _MEANT)
    return names


#: Names that parts cannot have: those of gates and clocks.
_MEANT = ("input", "plasticity", "slot", "raster", "step", "network")


def _turn(group: Any) -> tuple[int, str]:
    """Return what Brian2 sorts the integration of groups by."""
    updater = getattr(group, "state_updater", None) or group
    return updater.order, updater.name

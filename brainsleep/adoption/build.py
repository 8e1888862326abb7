"""A Brian2 network and its runs as a protocol."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from brian2 import Quantity, second
from brian2.monitors import EventMonitor, PopulationRateMonitor

from ..experiment.monitors import Monitor
from ..experiment.protocol import Protocol
from ..experiment.record import Alarms, Record
from ..experiment.timeline import Timeline, awake
from ..experiment.traces import ALL
from ..network.events import SPIKE
from ..network.regular import WHENS as _WHENS
from .events import event_names
from .names import free
from .network import Network
from .neurons import made_of, runners, steps_between
from .places import named, refused
from .runs import Run
from .synapses import root


def protocol_of(
    network: Network, runs: Sequence[Run], called: Mapping[int, str], name: str, description: str
) -> Protocol:
    """Return a protocol that does what a network does in some runs, one after the other."""
    dt = float(network.spec.dt)
    periods = [
        made_of(
            awake,
            f"run of {run.place}",
            run.place,
            duration=run.steps * dt * second,
            inputs=run.trains,
            settings=run.settings,
        )
        for run in runs
        if run.steps
    ]
    record = _record(network, [run for run in runs if run.steps], called)
    return made_of(
        Protocol,
        "the runs",
        None,
        name=free(name, ()),
        network=network.spec,
        schedule=Timeline(periods=tuple(periods)),
        record=record,
        description=description,
    )


def _record(network: Network, runs: Sequence[Run], called: Mapping[int, str]) -> Record:
    """Return what monitors record, and a name for each."""
    monitors: dict[int, tuple[Any, list[int]]] = {}
    ends = np.concatenate([[0], np.cumsum([run.steps for run in runs])]).tolist()
    for place, run in enumerate(runs):
        for each in run.objects:
            monitors.setdefault(id(each), (each, []))[1].append(place)
    found, taken = list[Monitor](), set[str]()
    dt = float(network.spec.dt)
    for key, (monitor, places) in sorted(monitors.items(), key=lambda item: item[1][0].name):
        if places != list(range(places[0], places[-1] + 1)):
            fix = "make a monitor for each of the times"
            raise refused(named(monitor), "breaks", "one stretch of time", fix, monitor)
        names = list(dict.fromkeys([called.get(key, monitor.name), monitor.name]))
        names = [each for each in names if each not in taken]
        if not names:
            names = [free(monitor.name, taken)]
        taken.update(names)
        begin, end = ends[places[0]], ends[places[-1] + 1]
        given: dict[str, Any] = {"name": names[0], "also": tuple(names[1:])}
        given["begin"] = begin * dt * second
        given["end"] = (0 if end == ends[-1] else end) * dt * second
        found.append(_monitor(network, monitor, given))
    states, steps = _states(network, found)
    spikes = sorted({each.of for each in found if each.kind in ("spikes", "rate")})
    every = steps * dt * second if steps > 1 else 0 * second
    never = Alarms(saturation=1.0, silence=1e9 * second, runaway=1e9 * Quantity(1) / second)
    return made_of(
        Record,
        "what its monitors see",
        None,
        states=states,
        every=every,
        spikes=tuple(spikes),
        monitors=tuple(found),
        alarms=never,
        events=_events(found),
    )


def _events(monitors: Sequence[Monitor]) -> dict[str, tuple[str, ...]]:
    """Return the events that monitors see, with all variables that any sees."""
    found: dict[str, dict[str, None]] = {}
    for each in monitors:
        if each.kind == "events":
            names = (name.rpartition(".")[2] for name in each.variables.values())
            found.setdefault(each.events, {}).update(dict.fromkeys(names))
    return {name: tuple(variables) for name, variables in found.items()}


def _monitor(network: Network, monitor: Any, given: dict[str, Any]) -> Monitor:
    group, first, last = root(monitor.source)
    part = network.parts.get(group.name)
    if part is None:
        fix = "record what is in the network"
        what = f"{named(monitor)}: of {named(group)}"
        raise refused(what, "nothing that was taken", "a group of the network", fix, monitor)
    given |= {"of": part.name}
    if not isinstance(monitor, EventMonitor | PopulationRateMonitor):
        return _state_monitor(network, monitor, part, first, given)
    whole = last - first == int(group.N)
    given |= {"first": 0 if whole else first, "last": 0 if whole else last}
    kind = "rate"
    if isinstance(monitor, EventMonitor):
        _check_place(monitor, group)
        variables = sorted(set(monitor.record_variables) - {"i", "t"})
        kind = "events" if variables or monitor.event != SPIKE else "spikes"
        given["event"] = event_names(group)[monitor.event]
        given["variables"] = {name: _variable(monitor, part, name) for name in variables}
    return made_of(Monitor, named(monitor), monitor, kind=kind, **given)


def _check_place(monitor: EventMonitor, group: Any) -> None:
    """Refuse a monitor of events that looks before them, or at variables that changed since."""
    told = getattr(group, "thresholder", {}).get(monitor.event, group)
    where = _WHENS.index(monitor.when), monitor.order
    first = _WHENS.index(told.when), told.order + 1
    between = [
        each
        for each in runners(group)
        if each.when == told.when and told.order <= each.order <= monitor.order
    ]
    at_once = where[0] == first[0] and not between
    values = monitor.record_variables - {"i", "t"}
    if where < first or (values and not at_once):
        got = f"when='{monitor.when}', order={monitor.order}"
        allowed = f"when='{told.when}', order={told.order + 1}, so right after the event"
        fix = "record the whole group, and leave 'when' and 'order' out"
        raise refused(named(monitor), got, allowed, fix, monitor)


def _variable(monitor: Any, part: Any, name: str) -> str:
    """Return the name of a variable that a monitor sees."""
    if name not in part.scope.names or name in getattr(part.group, "_linked_variables", ()):
        fix = "leave it out, or copy it into a variable of the group"
        what = f"{named(monitor)}: variable"
        raise refused(what, f"'{name}'", "variables of its own group", fix, monitor)
    return f"{part.name}.{part.scope.names[name]}"


def _state_monitor(
    network: Network, monitor: Any, part: Any, first: int, given: dict[str, Any]
) -> Monitor:
    if (monitor.when, monitor.order) != ("start", 0):
        got, fix = f"when='{monitor.when}', order={monitor.order}", "leave 'when' and 'order' out"
        raise refused(named(monitor), got, "when='start'", fix, monitor)
    steps = steps_between(monitor, network.spec.dt, named(monitor))
    names = sorted(set(monitor.record_variables) - {"t"})
    variables = {name: _variable(monitor, part, name) for name in names}
    who = np.asarray(monitor.variables["_indices"].get_value(), dtype=int) + first
    who = part.here(who)
    size = root(part.group)[2]
    everyone = np.array_equal(who, np.arange(size))
    given |= {"variables": variables, "who": () if everyone else tuple(who.tolist())}
    every = steps * float(network.spec.dt) * second
    return made_of(Monitor, named(monitor), monitor, kind="states", every=every, **given)


def _states(network: Network, monitors: Sequence[Monitor]) -> tuple[dict[str, Any], int]:
    """Return whom monitors see of which variables, and after how many steps again."""
    dt, who, steps = float(network.spec.dt), dict[str, set[int]](), 0
    everyone = {name for each in monitors if not each.who for name in each.variables.values()}
    for each in monitors:
        if each.kind == "states":
            steps = math.gcd(steps, round(float(each.every) / dt))
            for name in each.variables.values():
                who.setdefault(name, set()).update(each.who)
    chosen = {name: tuple(sorted(numbers)) for name, numbers in who.items()}
    return {name: ALL if name in everyone else them for name, them in chosen.items()}, steps

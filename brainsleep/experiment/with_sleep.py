"""Sleep for a protocol that knows only wake: silent inputs, activities, weight processes."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from brian2 import Quantity

from ..errors import ProtocolError, explain, nearest
from ..files.load import load
from ..network.equations import checks
from ..network.models import NeuronModel, SpontaneousActivity, WeightProcess
from ..network.spec import NetworkSpec, Population
from .timeline import Timeline, asleep

if TYPE_CHECKING:
    from .protocol import Protocol

_GATE = "input_gate"

#: What is given by name: a part, or several.
Parts = Mapping[str, Any]


def with_sleep(
    protocol: Protocol,
    duration: Quantity,
    silent: Iterable[str],
    activities: Parts,
    processes: Parts,
    cycles: int,
    gates: Mapping[str, float],
) -> Protocol:
    """Return a protocol that sleeps after its periods; see `Protocol.with_sleep`."""
    network, schedule = protocol.network, protocol.schedule
    if not isinstance(schedule, Timeline) or not isinstance(network, NetworkSpec):
        got = f"a {type(schedule).__name__} of a {network.kind} network"
        allowed = "a Timeline of a network of spiking neurons"
        fix = "a Schedule has a sleep of its own: schedule.sleep"
        raise ProtocolError(explain("with_sleep: protocol", got, allowed, fix))
    asked = _parts("activities", activities, SpontaneousActivity, network.populations)
    acting = _parts("processes", processes, WeightProcess, network.projections)
    gated = _gated(network, silent)
    populations = tuple(
        dataclasses.replace(p, model=gated[p.name], activities=(*p.activities, *asked[p.name]))
        for p in network.populations
    )
    projections = tuple(
        dataclasses.replace(p, processes=(*p.processes, *acting[p.name]))
        for p in network.projections
    )
    new = dataclasses.replace(network, populations=populations, projections=projections)
    own = [part.name for parts in (*asked.values(), *acting.values()) for part in parts]
    opened: dict[str, Any] = {**dict.fromkeys(own, 1.0), **gates}
    night = asleep(duration, **opened)
    periods = (*schedule.periods, night)
    if schedule.times > 1:
        periods = (dataclasses.replace(schedule), night)
    timeline = dataclasses.replace(schedule, periods=periods, times=cycles)
    return dataclasses.replace(protocol, network=new, schedule=timeline)


def _parts(label: str, given: Parts, kind: type, owners: Iterable[Any]) -> dict[str, tuple]:
    """Return the parts that are given to each population or projection, by its name."""
    found: dict[str, tuple] = {owner.name: () for owner in owners}
    for name, parts in given.items():
        if name not in found:
            raise ProtocolError(f"with_sleep: {label}: no '{name}'; {nearest(name, found)}")
        each = parts if isinstance(parts, tuple | list) else (parts,)
        made = tuple(load(part) if isinstance(part, str) else part for part in each)
        for part in made:
            if not isinstance(part, kind):
                got, allowed = f"a {type(part).__name__}", f"a {kind.__name__}, or its name"
                raise ProtocolError(explain(f"with_sleep: {label}: {name}", got, allowed))
        found[name] = made
    return found


def _gated(network: NetworkSpec, silent: Iterable[str]) -> dict[str, NeuronModel]:
    """Return the models of all populations, of which `silent` inputs heed the gate ``input``."""
    models = {population.name: population.model for population in network.populations}
    for name in (silent,) if isinstance(silent, str) else silent:
        owner, dot, part = name.partition(".")
        if owner not in models:
            message = f"with_sleep: silent: no population '{owner}'; {nearest(owner, models)}"
            raise ProtocolError(message)
        if dot:
            models[owner] = _without_part(models[owner], part, f"with_sleep: silent: {name}")
        else:
            models[owner] = _without_spikes(network.population(owner), models[owner])
    return models


def _without_spikes(population: Population, model: NeuronModel) -> NeuronModel:
    """Have neurons spike only while the gate of inputs is open."""
    if model.spike_trains:  # asleep, no period tells them when
        return model
    if not model.threshold.strip():
        got, allowed = f"'{population.name}', which does not spike", "a population that spikes"
        fix = "name what drives it, such as 'population.current'"
        raise ProtocolError(explain("with_sleep: silent", got, allowed, fix))
    threshold = f"({model.threshold.strip()}) and {_GATE} > 0"
    if "rates" in checks.identifiers(model.threshold):
        threshold = _times_gate(model.threshold, "rates")
    return dataclasses.replace(model, threshold=threshold)


def _without_part(model: NeuronModel, part: str, where: str) -> NeuronModel:
    """Have what drives neurons do so only while the gate of inputs is open.

    That is a parameter or a variable, a table, or regular code.
    """
    names = {each.name for each in model.regular}
    if part in names:
        regular = tuple(
            dataclasses.replace(each, code=_gated_sum(each.code, where))
            if each.name == part
            else each
            for each in model.regular
        )
        return dataclasses.replace(model, regular=regular)
    read = set(model.tables) | set(model.parameters)
    read |= {name for name, eq in model.variables.items() if eq.type == "parameter"}
    if part not in read:
        message = f"{where}: no such parameter, variable, table or regular code"
        raise ProtocolError(f"{message}; {nearest(part, {*names, *read})}")
    lines = []
    for line in model.equations.splitlines():
        left, sign, right = line.partition("=")
        code, colon, rest = right.partition(":")
        lines.append(f"{left}{sign}{_times_gate(code, part)}{colon}{rest}" if sign else line)
    equations = "\n".join(lines)
    if equations == model.equations:
        got, fix = f"'{part}', which no equation reads", "name what an equation reads"
        raise ProtocolError(explain(where, got, "what drives neurons", fix))
    return dataclasses.replace(model, equations=equations)


def _times_gate(code: str, name: str) -> str:
    """Multiply what code reads by the gate: a name, or a call of a function of that name."""
    call = rf"(?<![\w.]){re.escape(name)}\b(\s*\([^()]*\))?"
    return re.sub(call, lambda match: f"({_GATE}*{match[0]})", code)


def _gated_sum(code: str, where: str) -> str:
    """Multiply what code adds by the gate."""
    name, sign, added = (part.strip() for part in re.split(r"(\+=|-=)", code, maxsplit=1))
    if "\n" in added:
        raise ProtocolError(explain(where, "several statements", "one that adds to a variable"))
    return f"{name} {sign} {_GATE}*({added})"

"""A protocol in words, equations and tables, for ``brainsleep show``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from brian2 import Quantity
from rich import box
from rich.table import Table
from rich.text import Text

from ..experiment.protocol import Protocol
from ..experiment.start import SavedWeights
from ..network.equations.settle import tidy
from ..network.layers import SurrogateNetwork
from ..network.models import Model
from ..network.plan import GroupPlan, SynapsePlan
from ..network.spec import Network, NetworkSpec
from ..results.table import flatten
from ..values.plain import plain
from .facts import connected, taken_over, weights_at_start
from .schedule_text import schedule_text
from .typeset import blocks


def describe(protocol: Protocol) -> Iterator[Any]:
    """Yield printable parts: sizes, every Brian2 object's source, parameters, the schedule."""
    network = protocol.network
    yield Text(f"{protocol.name}: {protocol.description or network.name}", style="bold")
    if protocol.references:
        yield Text("source: " + ", ".join(protocol.references))
    if isinstance(network, SurrogateNetwork):
        yield from _layers(network, protocol.initial_weights)
    elif isinstance(network, NetworkSpec):
        yield from _brian(network, protocol.initial_weights)
    yield from _schedule(protocol)
    table = grid("other settings", "key", "value")
    settings = protocol.settings
    for part in ("data", "encoder", "readout", "record", "tasks", "initial_weights"):
        if part in settings:
            for key, value in flatten(plain(settings[part]), part).items():
                table.add_row(key, str(value))
    yield table


def describe_part(part: Model | Network) -> Iterator[Any]:
    """Yield printable parts of a network, or the equations and parameters of one model."""
    yield Text(f"{type(part).__name__} {part.name}", style="bold")
    if isinstance(part, Model):
        if part.references:
            yield Text("source: " + ", ".join(part.references))
        yield from (Text(_block(block.title, block.code)) for block in blocks(part))
        if part.parameters:
            yield Text(_parameters(part.parameters))
    elif isinstance(part, SurrogateNetwork):
        yield from _layers(part)
    elif isinstance(part, NetworkSpec):
        yield from _brian(part)


def _brian(network: NetworkSpec, start: SavedWeights | None = None) -> Iterator[Any]:
    """Describe a Brian2 network: parts, then the source of every object.

    `start` is the weights of another run that it starts with, if any.
    """
    plan = network.plan
    table = grid("populations", "name", "size", "model", "activities")
    for population in network.populations:
        names = ", ".join(a.name for a in population.activities) or "-"
        table.add_row(population.name, str(population.size), population.model.name, names)
    yield table
    table = grid(
        "projections",
        "name",
        "from",
        "to",
        "p",
        "w at start",
        "bounds",
        "sign",
        "rules",
        "processes",
    )
    for p in network.projections:
        table.add_row(
            p.name,
            p.source,
            p.target,
            connected(p, start),
            weights_at_start(p, start),
            f"{p.w_min:g}-{p.w_max:g}",
            f"{p.sign:+d}",
            ", ".join(r.name for r in p.rules) or "-",
            ", ".join(process.name for process in p.processes) or "-",
        )
    yield table
    for group in plan.groups:
        yield Text(f"\npopulation {group.name} ({group.size} neurons)", style="bold")
        yield Text(_group_text(group))
    for synapses in plan.synapses:
        yield Text(
            f"\nprojection {synapses.name} ({synapses.source} to {synapses.target})", style="bold"
        )
        yield Text(_synapse_text(synapses))


def _layers(network: SurrogateNetwork, start: SavedWeights | None = None) -> Iterator[Any]:
    """Describe a surrogate-gradient network: layers, weights, and how it learns."""
    table = grid("populations", "name", "size", "activities")
    for population in network.populations:
        names = ", ".join(a.name for a in population.activities) or "-"
        table.add_row(population.name, str(population.size), names)
    yield table
    table = grid(
        "projections", "name", "from", "to", "|w| at start", "bound", "bias", "rules", "processes"
    )
    for p in network.projections:
        table.add_row(
            p.name,
            p.source,
            p.target,
            taken_over(p, start) or f"0-{p.scale / network.population(p.source).size ** 0.5:.3g}",
            f"{p.w_max:g}",
            "trained" if p.bias else "-",
            ", ".join(r.name for r in p.rules) or "-",
            ", ".join(process.name for process in p.processes) or "-",
        )
    yield table
    for population in network.populations:
        yield Text(f"\npopulation {population.name} ({population.size} neurons)", style="bold")
        yield Text(_block(f"every step of {network.dt}", population.equations))
        for activity in population.activities:
            yield Text(_block(f"every step, gate {activity.name} open", tidy(activity.on_step)))
            yield Text(_parameters(activity.parameters))
    for p in network.projections:
        yield Text(f"\nprojection {p.name} ({p.source} to {p.target})", style="bold")
        for rule in p.rules:
            yield Text(_block(f"presynaptic spike in sleep ({rule.name})", tidy(rule.on_pre)))
            yield Text(_block("postsynaptic spike in sleep", tidy(rule.on_post)))
            yield Text(_parameters(rule.parameters))
        for process in p.processes:
            yield Text(_block(f"when gate {process.name} opens", tidy(process.on_onset)))
            update = tidy(process.on_update)
            yield Text(_block(f"every {process.period}, gate {process.name} open", update))
            yield Text(_parameters(process.parameters))
    yield Text(f"\nwake: {network.plan['wake']}\nwho sleeps: {network.plan['sleep']}")


def grid(title: str, *columns: str, compact: bool = False) -> Table:
    """Make an empty table; long entries fold, nothing is cut off.

    With `compact`, headings break before their last word and only the first column folds.
    """
    table = Table(
        title=title or None,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for k, column in enumerate(columns):
        heading = "\n".join(str(column).rsplit(" ", 1)) if compact else str(column)
        table.add_column(heading, overflow="fold", no_wrap=compact and k > 0)
    return table


def _block(title: str, code: str) -> str:
    return f"{title}:\n" + "\n".join(f"    {line}" for line in code.splitlines()) if code else ""


def _parameters(parameters: Mapping[str, Quantity]) -> str:
    return _block("parameters", "\n".join(f"{k} = {v}" for k, v in parameters.items()))


def _declared(equations: str) -> str:
    """Leave out the declarations of parameters, which are listed with their values."""
    return "\n".join(e for e in equations.splitlines() if "(shared, constant)" not in e)


def _group_text(group: GroupPlan) -> str:
    parts = [
        _block(f"equations ({group.method})", _declared(group.equations)),
        _block("at the start of a slot", group.on_slot),
        *(_block(f"every step, gate {a.gate} open", a.code) for a in group.activities),
        _block("every step", group.on_step),
        _block("threshold", group.threshold),
        _block("spike, before synapses act", group.on_spike),
        _block("refractory", group.refractory),
        _block("reset", group.reset),
        _parameters(group.parameters),
        _block("initial", "\n".join(f"{k} = {v}" for k, v in group.initial.items())),
    ]
    return "\n".join(filter(None, parts))


def _synapse_text(synapses: SynapsePlan) -> str:
    parts = [
        _block("equations", _declared(synapses.equations)),
        _block("presynaptic spike", synapses.on_pre),
        _block("postsynaptic spike", synapses.on_post),
    ]
    for process in synapses.processes:
        for total in process.sums:
            parts.append(_block(f"sum over synapses into {total.variable}", total.expression))
        parts += [
            _block(f"when gate {process.name} opens", process.on_onset),
            _block(f"every {process.period}, gate {process.name} open", process.on_update),
        ]
    return "\n".join(filter(None, [*parts, _parameters(synapses.parameters)]))


def _schedule(protocol: Protocol) -> Iterator[Any]:
    schedule, network = protocol.schedule, protocol.network
    slots = protocol.nominal_slots()
    dt = float(network.dt)
    table = grid("schedule", "stage", "phase", "slots", "phases", "total", *network.gates)
    kinds = list(zip(slots.stage, slots.phase, slots.sleep_stage, strict=True))
    for kind in dict.fromkeys(kinds):
        here = np.array([each == kind for each in kinds])
        stage, phase, name = map(str, kind)
        table.add_row(
            stage,
            f"{phase}: {name}" if name else phase,
            str(here.sum()),
            str((here & slots.onset).sum()),
            f"{slots.steps[here].sum() * dt:g} s",
            *(f"{slots.gates[gate][here][0]:g}" for gate in network.gates),
        )
    yield table
    yield Text("\n".join(schedule_text(schedule).values()))

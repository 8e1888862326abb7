"""What a protocol or a result is, as tables of text: for reports and for notebooks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from brian2 import Quantity

from ..errors import SpecError
from ..experiment.observer import Metric
from ..experiment.protocol import Protocol
from ..experiment.saved_state import SavedState
from ..experiment.start import SavedWeights
from ..network.spec import InitialWeights, Network
from ..results.result import Result
from ..results.table import flatten
from ..tasks.images.task import Images
from ..values.arrays import Array, in_words
from ..values.quantities import read_quantity
from .definitions import GROUPS, definition
from .latex import value_text
from .schedule_text import schedule_text
from .table import Table


class Tile(NamedTuple):
    """One number of a headline: its name, value, and what to compare it with."""

    name: str
    value: str
    beside: str = ""


def text(value: Any) -> str:
    """Return a value in the unit that suits it, as in ``30 ms`` for "0.03 second"."""
    if value is None or (isinstance(value, str | list | tuple) and not value):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(text, value))
    if isinstance(value, dict) and value.get("kind") == "Array":
        return in_words(value)
    if isinstance(value, dict):
        return ", ".join(f"{k} {text(v)}" for k, v in value.items() if k != "kind") or "–"
    number = value
    if isinstance(value, str):
        with suppress(SpecError):
            number = read_quantity(value)
    if isinstance(number, Quantity | float):
        said = value_text(number)
        return f"−{said[1:]}" if said.startswith("-") else said
    return str(value)


def percent(value: float | None) -> str:
    """Return a fraction in per cent."""
    return "–" if value is None else f"{100 * value:.1f} %"


# -- networks and protocols ----------------------------------------------------------------------


def _names(parts: Sequence[Any]) -> str:
    """Return the names of parts in one line."""
    return ", ".join(part.name for part in parts) or "–"


def populations(network: Network) -> Table:
    """Tabulate the populations of a network."""
    models = (getattr(p, "model", None) for p in network.populations)
    rows = [
        (p.name, p.size, model.name if model else type(p).__name__, _names(p.activities))
        for p, model in zip(network.populations, models, strict=True)
    ]
    return Table("Populations", ("name", "neurons", "model", "activities"), rows)


def values(network: Network) -> list[Table]:
    """Tabulate what neurons and synapses have of their own, if there is something."""
    rows = [
        (part.name, name, "position" if kind == "positions" else kind[:-1], text(value))
        for part in (*network.populations, *network.projections)
        for kind in ("positions", "values")
        for name, value in getattr(part, kind, {}).items()
    ]
    rows += [
        (p.name, kind.replace("_", " "), "time", text(value))
        for p in network.projections
        for kind in ("delay", "delay_max", "delay_post")
        if isinstance(value := getattr(p, kind, 0), Array | str) or value
    ]
    columns = ("of", "what", "is a", "each")
    return [Table("Positions, values and delays", columns, rows)] if rows else []


def signals(network: Network) -> list[Table]:
    """Tabulate the signals of a network, if there are any."""
    tables = []
    if network.signals:
        rows = [(name, text(value)) for name, value in network.signals.items()]
        columns: tuple[str, ...] = ("name", "value where a period says nothing else")
        tables.append(Table("Signals", columns, rows))
    if network.links:
        columns = ("variable or signal", "is the variable")
        tables.append(Table("Links to other neurons", columns, list(network.links.items())))
    return tables


def projections(network: Network, start: SavedWeights | SavedState | None = None) -> Table:
    """Tabulate the projections of a network that starts with weights of another run, if any."""
    signs = {1: "excitatory", -1: "inhibitory"}
    rows = [
        (p.name, f"{p.source} → {p.target}", signs.get(getattr(p, "sign", 0), "either"),
         _connected(p, start), _weights_at_start(p, start), _bounds(p),
         _names(p.rules), _names(p.processes))
        for p in network.projections
    ]  # fmt: skip
    columns = ("name", "from, to", "sign", "p", "|w| at start", "bounds of |w|", "plasticity",
               "weight processes")  # fmt: skip
    return Table("Projections", columns, rows)


def _bounds(projection: Any) -> str:
    """Say what weights are between, and whether they have signs."""
    said = f"{text(projection.w_min)} to {text(projection.w_max)}"
    return f"{said}, with signs" if projection.sign is None else said


def _connected(projection: Any, start: SavedWeights | SavedState | None) -> str:
    """Say who is connected to whom in a projection: with which probability, but whom."""
    if _taken_over(projection, start):
        return "as in that run"
    drawn = getattr(projection, "connectivity", None)
    if drawn is None:
        return text(1.0)
    other, p = drawn.avoid_reciprocal, getattr(drawn, "p", None)
    said = text(p) if isinstance(p, float) else drawn.words()
    return said + (f", not where {other} connects back" if other else "")


def _weights_at_start(projection: Any, start: SavedWeights | SavedState | None) -> str:
    """Say how the weights of a projection are drawn, or which run they are from."""
    if taken := _taken_over(projection, start):
        return taken
    weights = getattr(projection, "weights", None)
    if weights is None:
        return f"uniform, scale {text(projection.scale)}"
    if not isinstance(weights, InitialWeights):
        return text(weights)
    low, high, total = weights.low, weights.high, weights.incoming_sum
    drawn = text(low) if high in (None, low) else f"{text(low)} to {text(high)}"
    return drawn if total is None else f"{drawn}, scaled to a sum of {text(total)}"


def _taken_over(projection: Any, start: SavedWeights | SavedState | None) -> str:
    """Say which run the weights of a projection are from; nothing if they are drawn."""
    chosen = start and start.result and projection.name in (start.projections or [projection.name])
    return f"from run {Path(start.result).name}, {start.snapshot}" if start and chosen else ""


def schedule(protocol: Protocol) -> list[Table]:
    """Tabulate when a protocol sleeps, and which gates are open then."""
    rows = list(schedule_text(protocol.schedule).items())
    if isinstance(protocol.task, Images) and len(protocol.task.tasks):
        rows.append(("tasks", "; ".join(text(task) for task in protocol.task.tasks.classes)))
    phases = protocol.schedule.phase_gates()
    names = list(dict.fromkeys(name for gates in phases.values() for name in gates))
    gates = [(kind, *(f"{opened.get(g, 0):g}" for g in names)) for kind, opened in phases.items()]
    return [
        Table("Schedule", ("what", "value"), rows),
        Table("Gates (0 closed, 1 open)", ("phase", *names), gates),
    ]


def recorded(result: Result) -> Table:
    """Tabulate traces, spikes and events that a run recorded; without rows if there are none."""
    rows: list[tuple[Any, ...]] = []
    for name in result.traced:
        trace = result.states(name)
        what = "neurons" if trace.pairs is None else "synapses"
        rows.append((name, f"{len(trace.indices)} {what}", len(trace.times), trace.unit))
    spikes_of = result.spikes if result.stored_protocol.record.spikes else {}
    for name, spikes in spikes_of.items():
        rows.append((f"spikes of {name}", "all neurons", len(spikes), ""))
    for name in result.noted:
        events = result.events(name)
        variables = ", ".join(events.values)
        what = f"all neurons, with {variables}" if variables else "all neurons"
        rows.append((f"events {name}", what, len(events), ""))
    return Table("Recorded", ("what", "of", "values or spikes", "unit"), rows)


def settings(protocol: Mapping[str, Any]) -> Table:
    """Tabulate the settings of a described protocol that no other table has."""
    others = ("kind", "name", "description", "references", "network", "schedule", "hooks")
    chosen = {name: value for name, value in protocol.items() if name not in others}
    rows = [(key, text(value)) for key, value in flatten(chosen).items()]
    return Table("", ("setting", "value"), rows)


# -- results -------------------------------------------------------------------------------------


def headline(result: Result) -> dict[str, str]:
    """Return what a result is, in few words, by name."""
    protocol, task = result.stored_protocol, result.stored_protocol.task
    told: dict[str, Any] = {"name": protocol.name}
    told["description"] = protocol.description or protocol.network.name
    if called := conditions(result):
        told["condition"] = called
    learns = True
    if isinstance(task, Images):
        learns = bool(task.data.n_train)
        told |= {"data": result.data.name, "images": f"{task.data.n_train or 'none'} to learn from"}
    told["sleep"] = _slept(result, protocol.schedule.sleep_per_wake if learns else 0.0)
    told |= {"seed": result.seed, "backend": result.backend, "run": result.run_id}
    return {name: str(value) for name, value in told.items()} | {"stopped": stopped(result)}


def conditions(result: Result) -> str:
    """Return what a result is called in the grids and comparisons that its folder knows."""
    named = (name.condition for name in result.names if name.named)
    return "; ".join(dict.fromkeys(named))


def _slept(result: Result, scheduled: float) -> str:
    """Say how much sleep was scheduled, and if none of it came."""
    if not scheduled:
        return "none"
    if math.isnan(scheduled):
        return "all of the time"
    share = f"{100 * scheduled:.3g} % of wake"
    return share if result.metrics.get("sleep_s", 1.0) else f"none came ({share} was scheduled)"


def stopped(result: Result) -> str:
    """Say when an alarm ended a run; nothing of a whole one."""
    return f"at {result.stopped['at_s']:.4g} s" if result.stopped else ""


def looked_at(result: Result) -> str:
    """Return the population that is read out, or else the first whose neurons spike by input."""
    protocol = result.stored_protocol
    if isinstance(protocol.task, Images):
        return str(protocol.task.readout.population)
    network = protocol.network
    names = [p.name for p in network.populations if p.name not in network.sources]
    return next(iter(names), network.populations[0].name)


def tiles(result: Result) -> list[Tile]:
    """Return the numbers that a reader looks for first; those that were measured."""
    get = result.metrics.get
    population = looked_at(result)
    rate = {phase: get(f"rate_{phase}_{population}_hz") for phase in ("wake", "sleep", "test")}
    rates = {phase: hz for phase, hz in rate.items() if hz is not None}
    main = next((phase for phase in ("test", "wake", "sleep") if phase in rates), "test")
    others = ", ".join(f"{hz:.3g} in {phase}" for phase, hz in rates.items() if phase != main)
    numbers = (
        ("test accuracy", get("network_accuracy"), percent, _interval(get("network_interval"))),
        ("raw pixels", get("pixels_accuracy"), percent, _interval(get("pixels_interval"))),
        (f"Hz in {main}, {population}", rate[main], "{:.3g}".format, others),
        ("largest weight", get("largest_weight"), "{:.3g}".format,
         f"{percent(get('saturated'))} at the hard bound"),
        ("summed weight", get("growth"), "× {:.3g}".format, "end over start"),
        ("all tasks, refitted readout", get("tasks_refitted_accuracy"), percent,
         f"forgetting {percent(get('tasks_refitted_forgetting'))}"),
    )  # fmt: skip
    return [Tile(name, say(value), beside) for name, value, say, beside in numbers
            if value is not None]  # fmt: skip


def _interval(ends: Sequence[float] | None) -> str:
    return f"95 %: {100 * ends[0]:.1f} to {100 * ends[1]:.1f}" if ends else ""


def weights(result: Result) -> Table:
    """Tabulate what became of the weights of each projection."""
    names = ("growth", "largest", "saturated", "entropy")
    columns = ("projection", "sum, end / start", "largest |w|", "saturated", "entropy")
    rows = [
        (p.name, *(result.metrics.get(f"{name}_{p.name}") for name in names))
        for p in result.stored_protocol.network.projections
    ]
    return Table("Weights at the end", columns, rows)


def rates(result: Result) -> Table:
    """Tabulate the mean rate of each population in every phase that there was, in Hz."""
    protocol, get = result.stored_protocol, result.metrics.get
    stages = [f"sleep_{name}" for name in protocol.schedule.stage_names]
    names = [p.name for p in protocol.network.populations]
    hz = {
        phase: [get(f"rate_{phase}_{name}_hz") for name in names]
        for phase in ("wake", "sleep", *stages, "test")
    }
    hz = {phase: each for phase, each in hz.items() if any(rate is not None for rate in each)}
    columns = ("population", *(phase.replace("_", ": ") for phase in hz))
    return Table("Mean rates (Hz)", columns, list(zip(names, *hz.values(), strict=True)))


def metrics(result: Result) -> list[Table]:
    """Tabulate all metrics by group, with unit and definition."""
    groups: dict[str, list[tuple[Any, ...]]] = {name: [] for name in (*GROUPS, "other")}
    mine = [Metric(**each) for each in result.info.get("defined", ())]
    for name, value in result.metrics.items():
        metric = definition(name, result.described, mine) or Metric("other", "", "", "")
        rows = groups.setdefault(metric.group, [])
        rows.append((name, value, metric.unit, metric.text))
    columns = ("metric", "value", "unit", "definition")
    return [Table(name.capitalize(), columns, rows) for name, rows in groups.items() if rows]


def provenance(result: Result) -> Table:
    """Tabulate what made a result; what there is not of it is left out."""
    protocol, data, times = result.described, result.data, result.timings
    rows = [
        ("run id", result.run_id),
        ("protocol", protocol["name"]),
        ("protocol's sources", ", ".join(protocol.get("references") or ())),
        ("seed", result.seed),
        ("backend", result.backend),
        ("compiler", result.compiler),
        ("machine", result.machine),
        ("versions", ", ".join(f"{k} {v}" for k, v in result.versions.items())),
        ("data", data.name),
        ("data: source", data.source),
        ("data: fingerprint", data.fingerprint),
        ("data: citation", data.citation),
        ("data: licence", data.licence),
        ("times", ", ".join(f"{k.removesuffix('_s')} {v:.3g} s" for k, v in times.items())),
        ("arrays.npz: SHA-256", result.info.get("arrays_sha256")),
    ]
    return Table("Provenance", ("what", "value"), [row for row in rows if row[1] not in ("", None)])

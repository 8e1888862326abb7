"""What a protocol or a result is, as tables of text: for reports and for notebooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brian2 import Quantity

from ..errors import SpecError
from ..experiment.observer import Metric
from ..experiment.protocol import Protocol
from ..experiment.schedule import Schedule
from ..experiment.start import SavedWeights
from ..experiment.timeline import Timeline
from ..network.spec import Network
from ..results.result import Result
from ..tasks.images.task import Images
from ..values.quantities import read_quantity
from .definitions import GROUPS, definition
from .latex import value_text
from .schedule_text import schedule_text


@dataclass(frozen=True)
class Table:
    """A table to be shown.

    Parameters
    ----------
    title : str
        What it shows.
    columns : tuple of str
        Headings.
    rows : list of tuple
        Values, one a column: text, numbers, intervals, or None for what is not defined.
    """

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


@dataclass(frozen=True)
class Tile:
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


def percent(value: float | None, digits: int = 1) -> str:
    """Return a fraction in per cent."""
    return "–" if value is None else f"{100 * value:.{digits}f} %"


# -- networks and protocols ----------------------------------------------------------------------


def _names(parts: Sequence[Any]) -> str:
    """Return the names of parts in one line."""
    return ", ".join(part.name for part in parts) or "–"


def populations(network: Network) -> Table:
    """Tabulate the populations of a network."""
    rows = [
        (
            p.name,
            p.size,
            p.model.name if hasattr(p, "model") else type(p).__name__,
            _names(p.activities),
        )
        for p in network.populations
    ]
    return Table("Populations", ("name", "neurons", "model", "activities"), rows)


def projections(network: Network, start: SavedWeights | None = None) -> Table:
    """Tabulate the projections of a network.

    Parameters
    ----------
    network : Network
        What they are of.
    start : SavedWeights, optional
        Weights of another run that it starts with, if any.
    """
    rows = []
    for p in network.projections:
        sign = {1: "excitatory", -1: "inhibitory"}.get(getattr(p, "sign", 0), "either")
        rows.append(
            (
                p.name,
                f"{p.source} → {p.target}",
                sign,
                connected(p, start),
                weights_at_start(p, start),
                f"{text(p.w_min)} to {text(p.w_max)}",
                _names(p.rules),
                _names(p.processes),
            )
        )
    columns = ("name", "from, to", "sign", "p", "|w| at start", "bounds of |w|", "plasticity",
               "weight processes")  # fmt: skip
    return Table("Projections", columns, rows)


def connected(projection: Any, start: SavedWeights | None) -> str:
    """Say who is connected to whom in a projection: with which probability, but whom."""
    if taken_over(projection, start):
        return "as in that run"
    found = getattr(projection, "connectivity", None)
    if found is None:
        return text(1.0)
    other = found.avoid_reciprocal
    return text(found.p) + (f", not where {other} connects back" if other else "")


def weights_at_start(projection: Any, start: SavedWeights | None) -> str:
    """Say how the weights of a projection are drawn, or which run they are from."""
    if taken := taken_over(projection, start):
        return taken
    weights = getattr(projection, "weights", None)
    if weights is None:
        return f"uniform, scale {text(projection.scale)}"
    low, high, total = weights.low, weights.high, weights.incoming_sum
    found = text(low) if high in (None, low) else f"{text(low)} to {text(high)}"
    return found if total is None else f"{found}, scaled to a sum of {text(total)}"


def taken_over(projection: Any, start: SavedWeights | None) -> str:
    """Say which run the weights of a projection are from; nothing if they are drawn."""
    if start is None or not start.result:
        return ""
    if start.projections and projection.name not in start.projections:
        return ""
    return f"from run {Path(start.result).name}, {start.snapshot}"


def schedule(protocol: Protocol) -> list[Table]:
    """Tabulate when a protocol sleeps, and which gates are open then."""
    rows = list(schedule_text(protocol.schedule).items())
    if isinstance(protocol.task, Images) and len(protocol.task.tasks):
        rows.append(("tasks", "; ".join(text(task) for task in protocol.task.tasks.classes)))
    return [Table("Schedule", ("what", "value"), rows), _gates(protocol.schedule)]


def _gates(plan: Schedule | Timeline) -> Table:
    phases = plan.phase_gates()
    names = list(dict.fromkeys(name for gates in phases.values() for name in gates))
    rows = [(kind, *(f"{gates.get(g, 0):g}" for g in names)) for kind, gates in phases.items()]
    return Table("Gates (0 closed, 1 open)", ("phase", *names), rows)


def settings(protocol: Mapping[str, Any]) -> Table:
    """Tabulate the settings of a described protocol that no other table has."""
    rows = []
    for name in ("data", "encoder", "readout", "early_stopping", "record", "tasks",
                 "probes", "initial_weights"):  # fmt: skip
        for key, value in (protocol.get(name) or {}).items():
            if key != "kind":
                rows.append((f"{name}.{key}", text(value)))
    for readout in protocol.get("more_readouts") or ():
        for key, value in readout.items():
            if key not in ("kind", "name"):
                rows.append((f"more_readouts.{readout['name']}.{key}", text(value)))
    return Table("", ("setting", "value"), rows)


# -- results -------------------------------------------------------------------------------------


def headline(result: Result) -> dict[str, str]:
    """Return what a result is, in few words, by name."""
    protocol, task = result.stored_protocol, result.stored_protocol.task
    n_train = task.data.n_train if isinstance(task, Images) else 0
    learns = task is None or bool(n_train)
    return {
        "name": str(protocol.name),
        "description": str(protocol.description or protocol.network.name),
        "run": str(result.run_id),
        "data": str(result.data.name),
        "seed": str(result.seed),
        "backend": str(result.backend),
        "sleep": _slept(result, protocol.schedule.sleep_per_wake if learns else 0.0),
        "images": f"{n_train or 'none'} to learn from",
        "stopped": stopped(result),
    }


def _slept(result: Result, scheduled: float) -> str:
    """Say how much sleep was scheduled, and if none of it came."""
    if not scheduled:
        return "none"
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
    names = [p.name for p in protocol.network.populations if p.name != protocol.network.input]
    return next(iter(names), protocol.network.input)


def tiles(result: Result) -> list[Tile]:
    """Return the numbers that a reader looks for first; those that were measured."""
    get = result.metrics.get
    population = looked_at(result)
    rate = {phase: get(f"rate_{phase}_{population}_hz") for phase in ("wake", "sleep", "test")}
    known = {phase: hz for phase, hz in rate.items() if hz is not None}
    main = next((phase for phase in ("test", "wake") if phase in known), "test")
    others = ", ".join(f"{hz:.3g} in {phase}" for phase, hz in known.items() if phase != main)
    found = (
        ("test accuracy", get("network_accuracy"), percent, _interval(get("network_interval"))),
        ("raw pixels", get("pixels_accuracy"), percent,
         _interval(get("pixels_interval"))),
        (f"Hz in {main}, {population}", rate[main], "{:.3g}".format, others),
        ("largest weight", get("largest_weight"), "{:.3g}".format,
         f"{percent(get('saturated'))} at the hard bound"),
        ("summed weight", get("growth"), "× {:.3g}".format, "end over start"),
        ("all tasks, refitted readout", get("tasks_refitted_accuracy"), percent,
         f"forgetting {percent(get('tasks_refitted_forgetting'))}"),
    )  # fmt: skip
    return [
        Tile(name, say(value), beside) for name, value, say, beside in found if value is not None
    ]


def _interval(ends: Sequence[float] | None) -> str:
    return f"95 %: {100 * ends[0]:.1f} to {100 * ends[1]:.1f}" if ends else ""


def weights(result: Result) -> Table:
    """Tabulate what became of the weights of each projection."""
    names = ("growth", "largest", "saturated", "entropy")
    rows = [
        (p.name, *(result.metrics.get(f"{name}_{p.name}") for name in names))
        for p in result.stored_protocol.network.projections
    ]
    columns = ("projection", "sum, end / start", "largest |w|", "saturated", "entropy")
    return Table("Weights after training", columns, rows)


def rates(result: Result) -> Table:
    """Tabulate the mean rate of each population in every phase, in Hz."""
    protocol = result.stored_protocol
    stages = [f"sleep_{name}" for name in protocol.schedule.stage_names]
    phases = ["wake", "sleep", *stages, "test"]
    rows = [
        (p.name, *(result.metrics.get(f"rate_{phase}_{p.name}_hz") for phase in phases))
        for p in protocol.network.populations
    ]
    columns = ("population", *(phase.replace("_", ": ") for phase in phases))
    return Table("Mean rates (Hz)", columns, rows)


def metrics(result: Result) -> list[Table]:
    """Tabulate all metrics by group, with unit and definition."""
    groups: dict[str, list[tuple[Any, ...]]] = {name: [] for name in (*GROUPS, "other")}
    mine = [Metric(**each) for each in result.info.get("defined", ())]
    for name, value in result.metrics.items():
        found = definition(name, result.described, mine)
        group, unit, meaning = (found.group, found.unit, found.text) if found else ("other", "", "")
        groups[group].append((name, value, unit, meaning))
    columns = ("metric", "value", "unit", "definition")
    return [Table(name.capitalize(), columns, rows) for name, rows in groups.items() if rows]


def provenance(result: Result) -> Table:
    """Tabulate what made a result."""
    data, times = result.data, result.timings
    rows = [
        ("run id", result.run_id),
        ("protocol", result.described["name"]),
        ("protocol's sources", text(result.described.get("references"))),
        ("seed", result.seed),
        ("backend", result.backend),
        ("compiler", result.compiler or "–"),
        ("machine", result.machine or "–"),
        ("versions", ", ".join(f"{k} {v}" for k, v in result.versions.items())),
        ("data", data.name),
        ("data: source", data.source or "–"),
        ("data: fingerprint", data.fingerprint),
        ("data: citation", data.citation or "–"),
        ("data: licence", data.licence or "–"),
        ("times", ", ".join(f"{k.removesuffix('_s')} {v:.3g} s" for k, v in times.items())),
        ("arrays.npz: SHA-256", result.info.get("arrays_sha256") or "–"),
    ]
    return Table("Provenance", ("what", "value"), rows)

"""What a protocol or a result is, as tables of text: for reports and for notebooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brian2 import Quantity

from ..cadence import every_nth, scheduled
from ..latex import value_text
from ..store import Result
from .definitions import GROUPS, definition
from .stored_models import quantity

#: Descriptions of protocols and networks, as `brainsleep.protocol.plain` makes them.
Plain = Mapping[str, Any]


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
    """Return a described value in the unit that suits it, as in ``30 ms`` for "0.03 second"."""
    if value is None or value == "" or value == []:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(text, value))
    if isinstance(value, dict):
        return ", ".join(f"{k} {text(v)}" for k, v in value.items() if k != "kind") or "–"
    number = quantity(value) if isinstance(value, str) else value
    if isinstance(number, Quantity | float):
        said = value_text(number)
        return f"−{said[1:]}" if said.startswith("-") else said
    return str(number)


def percent(value: float | None, digits: int = 1) -> str:
    """Return a fraction in per cent."""
    return "–" if value is None else f"{100 * value:.{digits}f} %"


# -- networks and protocols ----------------------------------------------------------------------


def _names(parts: Sequence[Plain]) -> str:
    return ", ".join(part["name"] for part in parts) or "–"


def populations(network: Plain) -> Table:
    """Tabulate the populations of a described network."""
    rows = [
        (
            p["name"],
            p["size"],
            (p.get("model") or {}).get("name") or p["kind"],
            _names(p.get("activities", ())),
        )
        for p in network["populations"]
    ]
    return Table("Populations", ("name", "neurons", "model", "activities"), rows)


def projections(network: Plain, start: Plain | None = None) -> Table:
    """Tabulate the projections of a described network.

    Parameters
    ----------
    network : dict
        Its description.
    start : dict, optional
        Described weights of another run that it starts with, if any.
    """
    rows = []
    for p in network["projections"]:
        sign = {1: "excitatory", -1: "inhibitory"}.get(p.get("sign", 0), "either")
        rows.append(
            (
                p["name"],
                f"{p['source']} → {p['target']}",
                sign,
                connected(p, start or {}),
                weights_at_start(p, start or {}),
                f"{text(p.get('w_min', 0.0))} to {text(p['w_max'])}",
                _names(p["rules"]),
                _names(p["processes"]),
            )
        )
    columns = ("name", "from, to", "sign", "p", "|w| at start", "bounds of |w|", "plasticity",
               "weight processes")  # fmt: skip
    return Table("Projections", columns, rows)


def connected(projection: Plain, start: Plain) -> str:
    """Say who is connected to whom in a described projection: with which probability, but whom."""
    if taken_over(projection, start):
        return "as in that run"
    found = projection.get("connectivity") or {}
    other = found.get("avoid_reciprocal")
    return text(found.get("p", 1.0)) + (f", not where {other} connects back" if other else "")


def weights_at_start(projection: Plain, start: Plain) -> str:
    """Say how the weights of a described projection are drawn, or which run they are from."""
    return taken_over(projection, start) or _start(projection)


def taken_over(projection: Plain, start: Plain) -> str:
    """Say which run the weights of a projection are from; nothing if they are drawn."""
    chosen = start.get("projections")
    if not start.get("result") or (chosen and projection["name"] not in chosen):
        return ""
    return f"from run {Path(start['result']).name}, {start['snapshot']}"


def _start(projection: Plain) -> str:
    weights = projection.get("weights")
    if not weights:
        return f"uniform, scale {text(projection.get('scale'))}"
    low, high = weights["low"], weights["high"]
    found = text(low) if high in (None, low) else f"{text(low)} to {text(high)}"
    total = weights["incoming_sum"]
    return found if total is None else f"{found}, scaled to a sum of {text(total)}"


def schedule(protocol: Plain) -> list[Table]:
    """Tabulate when a described protocol sleeps, and which gates are open then."""
    plan = protocol["schedule"]
    sleep = plan["sleep"]
    asleep, awake = scheduled(plan)
    length = text(f"{asleep} second")
    rows = [
        ("image", text(plan["image_duration"])),
        ("wake between sleeps", text(plan["period"])),
        ("sleep", f"{100 * sleep['fraction']:g} % of wake, at most {text(sleep['max_duration'])}"),
    ]
    if sleep.get("duration") is not None:
        rows[1:] = [("each sleep", f"{length}, after {text(f'{awake} second')} of wake")]
    if sleep.get("cadence") == "images" and sleep["fraction"]:
        nth = every_nth(sleep["fraction"])
        rows[1:] = [("each sleep", f"{length}, after the first image (or batch) and then after "
                     f"{nth} more")]  # fmt: skip
    if not sleep["fraction"]:
        rows[1:] = [("sleep", "none")]
    more = {
        "ends early": sleep.get("until_initial") and end_of_sleep(sleep),
        "begins": sleep.get("trigger") and f"if summed weights exceed {sleep['trigger']:g} × start",
        "stages": ", ".join(f"{s['name']} ({s['share']:g})" for s in sleep.get("stages") or ()),
        "cycles": sleep.get("cycles", 1) > 1 and sleep["cycles"],
        "epochs": plan.get("epochs", 1) > 1
        and f"{plan['epochs']}{', all alike' if plan.get('identical_epochs') else ''}",
        "tasks": "; ".join(text(task) for task in (protocol.get("tasks") or {}).get("classes", ())),
    }
    rows += [(name, value) for name, value in more.items() if value]
    return [Table("Schedule", ("what", "value"), rows), _gates(plan)]


def end_of_sleep(sleep: Plain) -> str:
    """Say when a described sleep that ends early does so."""
    if not sleep.get("tolerance"):
        return "once summed weights are back at their start"
    return (
        "once summed excitatory and summed inhibitory weights are both within "
        f"{100 * sleep['tolerance']:g} % of their start"
    )


def _gates(plan: Plain) -> Table:
    phases = {kind: dict(plan[kind]["gates"]) for kind in ("wake", "sleep", "test")}
    stages = plan["sleep"].get("stages") or ()
    if not plan["sleep"]["fraction"]:
        del phases["sleep"]
    elif stages:
        whole = phases.pop("sleep")
        phases |= {f"sleep: {s['name']}": whole | s["gates"] for s in stages}
    names = list(dict.fromkeys(name for gates in phases.values() for name in gates))
    rows = [(kind, *(f"{gates.get(g, 0):g}" for g in names)) for kind, gates in phases.items()]
    return Table("Gates (0 closed, 1 open)", ("phase", *names), rows)


def n_tasks(protocol: Plain) -> int:
    """Return how many tasks a described protocol learns one after the other; 0 without any."""
    return len((protocol.get("tasks") or {}).get("classes", ()))


def settings(protocol: Plain) -> Table:
    """Tabulate the settings of a described protocol that no other table has."""
    rows = []
    for name in ("data", "encoder", "readout", "early_stopping", "record", "tasks",
                 "initial_weights"):  # fmt: skip
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
    info, protocol = result.info, result.info["protocol"]
    asleep, awake = scheduled(protocol["schedule"])
    trained = protocol["data"]["n_train"]
    return {
        "name": str(protocol["name"]),
        "description": str(protocol.get("description") or protocol["network"].get("name", "")),
        "run": str(info["run_id"]),
        "data": str(info["data"]["name"]),
        "seed": str(info["seed"]),
        "backend": str(info["backend"]),
        "sleep": _slept(result, asleep / awake if asleep and trained else 0.0),
        "images": f"{trained} to learn from" if trained else "none to learn from",
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


def tiles(result: Result) -> list[Tile]:
    """Return the numbers that a reader looks for first; those that were measured."""
    get = result.metrics.get
    population = str(result.info["protocol"]["readout"]["population"])
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
        (p["name"], *(result.metrics.get(f"{name}_{p['name']}") for name in names))
        for p in result.info["protocol"]["network"]["projections"]
    ]
    columns = ("projection", "sum, end / start", "largest |w|", "saturated", "entropy")
    return Table("Weights after training", columns, rows)


def rates(result: Result) -> Table:
    """Tabulate the mean rate of each population in every phase, in Hz."""
    stages = result.info["protocol"]["schedule"]["sleep"].get("stages") or ()
    phases = ["wake", "sleep", *(f"sleep_{stage['name']}" for stage in stages), "test"]
    rows = [
        (p["name"], *(result.metrics.get(f"rate_{phase}_{p['name']}_hz") for phase in phases))
        for p in result.info["protocol"]["network"]["populations"]
    ]
    columns = ("population", *(phase.replace("_", ": ") for phase in phases))
    return Table("Mean rates (Hz)", columns, rows)


def metrics(result: Result) -> list[Table]:
    """Tabulate all metrics by group, with unit and definition."""
    groups: dict[str, list[tuple[Any, ...]]] = {name: [] for name in (*GROUPS, "other")}
    for name, value in result.metrics.items():
        found = definition(name, result.info["protocol"])
        group, unit, meaning = (found.group, found.unit, found.text) if found else ("other", "", "")
        groups[group].append((name, value, unit, meaning))
    columns = ("metric", "value", "unit", "definition")
    return [Table(name.capitalize(), columns, rows) for name, rows in groups.items() if rows]


def provenance(result: Result) -> Table:
    """Tabulate what made a result."""
    info = result.info
    data, times = info["data"], info["timings"]
    rows = [
        ("run id", info["run_id"]),
        ("protocol", info["protocol"]["name"]),
        ("protocol's sources", text(info["protocol"].get("references"))),
        ("seed", info["seed"]),
        ("backend", info["backend"]),
        ("compiler", info.get("compiler") or "–"),
        ("machine", info.get("machine") or "–"),
        ("versions", ", ".join(f"{k} {v}" for k, v in info["versions"].items())),
        ("data", data["name"]),
        ("data: source", data.get("source") or "–"),
        ("data: fingerprint", data["fingerprint"]),
        ("data: citation", data.get("citation") or "–"),
        ("data: licence", data.get("licence") or "–"),
        ("times", ", ".join(f"{k.removesuffix('_s')} {v:.3g} s" for k, v in times.items())),
        ("arrays.npz: SHA-256", info.get("arrays_sha256") or "–"),
    ]
    return Table("Provenance", ("what", "value"), rows)

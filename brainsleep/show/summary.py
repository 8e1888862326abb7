"""A protocol or a result on one screen: what a reader looks for first."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from rich.text import Text

from ..errors import BrainsleepError
from ..experiment.observer import Metric
from ..experiment.protocol import Protocol, load_protocol
from ..files.load import load_module, shipped
from ..network.spec import Network
from ..results.result import Result
from ..tasks.images.task import Images
from . import facts, health
from .definitions import definition
from .difference import difference, of_result, side
from .reproduce import shipped_model
from .schedule_text import listed, schedule_text
from .table import Table, cut, short

#: Most changes and metrics that are shown.
MOST_CHANGES, MOST_METRICS = 15, 30

#: Metrics that are shown first, and groups of which all are shown.
_MAIN = r"(network|pixels)_accuracy|rate_(wake|sleep|test)_\w+_hz|growth|largest_weight|saturated"
_GROUPS = ("accuracy", "tasks", "observed", "other")
_ASIDE = r"\w+_(components|interval)|rate_(wake|sleep|test)_({})_hz"


# -- protocols -----------------------------------------------------------------------------------


def of_protocol(protocol: Protocol, source: str) -> Iterator[Any]:
    """Yield what a protocol is in few lines: network, time, records, conditions, figure."""
    network = protocol.network
    yield Text(f"{protocol.name}: {protocol.description or network.name}", style="bold")
    rows = [
        ("source", ", ".join(protocol.references or getattr(network, "references", ()))),
        ("network", f"{network.name}: {_sizes(network)}"),
        ("projections", _projections(network)),
        ("learns", _learns(protocol)),
        *schedule_text(protocol.schedule).items(),
        ("recorded", _recorded(protocol)),
        *_beside(source),
    ]
    yield Table("", ("what", "value"), [row for row in rows if row[1]])
    yield Text("--full prints the final equations, all parameters and the whole schedule")


def _sizes(network: Network) -> str:
    """Say how many neurons of which kind there are."""
    said = []
    for each in network.populations:
        model = getattr(each, "model", None)
        kind = f" ({model.name})" if model else ""
        said.append(f"{each.size} {each.name}{kind}")
    return ", ".join(said)


def _projections(network: Network) -> str:
    """Say which projections there are, and what acts on their weights."""
    acting: dict[tuple[str, ...], list[str]] = {}
    for each in network.projections:
        parts = tuple(part.name for part in (*each.rules, *each.processes))
        acting.setdefault(parts, []).append(each.name)
    return "; ".join(
        f"{', '.join(names)}{f' with {listed(list(parts))}' if parts else ', fixed'}"
        for parts, names in acting.items()
    )


def _learns(protocol: Protocol) -> str:
    """Say what a network is shown, and how that is tested."""
    task = protocol.task
    if task is None:
        return ""
    if not isinstance(task, Images):
        return type(task).__name__
    data = task.data
    tasks = f" in {len(task.tasks)} tasks" if len(task.tasks) > 1 else ""
    return (
        f"{data.n_train or 'no'} images of {data.source}{tasks}, {data.n_readout} for the readout "
        f"of {task.readout.population}, {data.n_test} for the test"
    )


def _recorded(protocol: Protocol) -> str:
    """Say what a run records besides metrics."""
    record = protocol.record
    said = [f"states of {', '.join(record.states)}"] if record.states else []
    said += [f"all spikes of {', '.join(record.spikes)}"] if record.spikes else []
    said += [f"events {', '.join(record.events)}"] if record.events else []
    if record.raster and len(record.raster) == 2:
        said.append(f"spikes of slots {record.raster[0]} to {record.raster[1]}")
    count = Counter(type(each).__name__ for each in record.observers)
    said += [f"{n} {name}" if n > 1 else name for name, n in count.items()]
    return ", ".join([*said, "metrics, rates and weights over time"])


def _beside(source: str) -> Iterator[tuple[str, str]]:
    """Say what the file of a protocol has beside it: conditions, networks, a figure."""
    with suppress(BrainsleepError):
        name = source.rpartition(":")[0] or source
        module = load_module(name, "protocol")
        yield "conditions", "; ".join(each.name for each in getattr(module, "CONDITIONS", ()))
        yield "other networks", ", ".join(getattr(module, "MODELS", ()))
        figure = getattr(module, "FIGURE", name if name in shipped("figure") else "")
        yield "figure", str(figure)


# -- results -------------------------------------------------------------------------------------


def of_stored(result: Result) -> Iterator[Any]:
    """Yield what made a result, what was changed, its alarms and its main metrics."""
    yield _made_by(result)
    yield from changed(result)
    if result.stopped:
        yield Text(f"stopped {facts.stopped(result)}: {result.stopped['text']}")
    if result.alarms:
        rows = [(each.text, each.when) for each in health.stored(result)]
        yield Table("", ("alarm", "when"), rows)
    else:
        yield Text("no alarms")
    yield from _main_metrics(result)
    if (recorded := facts.recorded(result)).rows:
        yield recorded


def _made_by(result: Result) -> Table:
    described, times, versions = result.described, result.timings, result.versions
    names = [
        f"{name.condition} ({name.grid})" if name.grid else name.condition
        for name in result.names
        if name.condition
    ]
    wall = sum(times.get(name, 0.0) for name in ("build_s", "simulate_s", "readout_s"))
    took = f"{wall:.3g} s, for {times['biological_s']:.4g} s of the network"
    made = {name: versions.get(name) for name in ("brainsleep", "brian2", "python")}
    rows = [
        ("protocol", ": ".join(filter(None, (described["name"], described.get("description"))))),
        ("condition", "; ".join(names)),
        ("seed", result.seed),
        ("backend", ", ".join(filter(None, (result.backend, result.compiler, result.machine)))),
        ("data", result.data.name),
        ("finished", result.made),
        ("took", took),
        ("versions", ", ".join(f"{name} {number}" for name, number in made.items() if number)),
    ]
    shown = [row for row in rows if row[1] not in ("", None)]
    return Table(str(result.path), ("what", "value"), shown)


def changed(result: Result) -> Iterator[Any]:
    """Yield what differs from the protocol as it is shipped, or what was given of another one.

    Of a user's protocol, whose file is not read, that is what the folder of results says.
    """
    name = str(result.described["name"])
    if name in shipped("protocol"):
        with suppress(BrainsleepError):
            yield _since_shipped(result, name)
            return
    given = next((each.changes for each in result.names if each.changes), {})
    if given:
        rows = [(key, facts.text(value)) for key, value in given.items()]
        yield Table(f"changed of '{name}'", ("setting", "value"), rows)


def _since_shipped(result: Result, name: str) -> Table | Text:
    """Compare a result with the protocol of its name that comes with the package."""
    model = shipped_model(result)
    base = load_protocol(name, model or "")
    here = of_result(str(result.path), result)
    found = difference(side(name, base=base), here)
    rows = [(change.key, *map(cut, change.texts())) for change in found.changes]
    rows += [(f"{each.part}, {each.label}", "–", "other code") for each in found.code]
    known = f"'{name}' as it is shipped{f', with its network {model}' if model else ''}"
    if not rows:
        return Text(f"nothing is changed of {known}")
    if (more := len(rows) - MOST_CHANGES) > 0:
        rows = [*rows[:MOST_CHANGES], (f"and {more} more", "", f"brainsleep diff {name} RESULT")]
    return Table(f"changed of {known}", ("setting", "shipped", "here"), rows)


def _main_metrics(result: Result) -> Iterator[Any]:
    """Yield the main metrics that were measured, with their intervals."""
    mine = [Metric(**each) for each in result.info.get("defined", ())]
    sources = "|".join(map(re.escape, result.stored_protocol.network.sources)) or "-"
    rows: list[tuple[Any, ...]] = []
    for name, value in result.metrics.items():
        metric = definition(name, result.described, mine) or Metric("other", "", "", "")
        main = re.fullmatch(_MAIN, name) or metric.group in _GROUPS
        if value is None or not main or re.fullmatch(_ASIDE.format(sources), name):
            continue
        ends = result.metrics.get(f"{name.removesuffix('_accuracy')}_interval")
        interval = f" ({short(ends)})" if ends and name.endswith("_accuracy") else ""
        unit = "" if metric.unit == "1" else metric.unit
        rows.append((name, f"{short(value)}{interval}", unit, metric.text))
    if rows:
        yield Table("", ("metric", "value", "unit", "definition"), rows[:MOST_METRICS])
    yield Text(f"--full prints all {len(result.metrics)} metrics, and where it comes from")

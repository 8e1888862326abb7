"""Reports: a stored result, or a folder of them, as one HTML page that needs nothing else.

A page has its figures, its style and its equations inside, runs no script and fetches nothing; its
own security policy says so to the browser. The same results give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import StoreError, explain
from ..experiment.identity import deciding
from ..files.atomic import written_for
from ..results.result import Result
from ..results.store import as_stored, check_writable, read_result, versions
from ..results.table import flatten, results_in
from ..tasks.images.task import Images
from . import facts, health, markup
from .facts import Table
from .pictures import OF_ONE, Picture, pictures
from .reproduce import command

#: Most runs of an overview with a section of their own, in its figures of weights, and in its
#: table.
MOST_SECTIONS, MOST_CURVES, MOST_ROWS = 24, 6, 2000

#: Most settings in which runs differ that are columns.
MOST_COLUMNS = 6


def report(source: str | Path, out: str | Path | None = None) -> Path:
    """Write a report of a stored result, or of all results in a folder.

    Parameters
    ----------
    source : path
        Folder of a result, or folder of results.
    out : path, optional
        File to write, ``.html``; default: beside the result, named as its folder, or
        ``report.html`` in the folder of results.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    StoreError
        If there is no whole result, one is not of a network under a schedule, or the file cannot
        be written.
    """
    source = Path(source)
    source = source.parent if source.name == "result.json" else source
    single = (source / "result.json").exists() or not source.is_dir()
    whole = source.resolve()
    default = whole.with_name(f"{whole.name}.html") if single else source / "report.html"
    path = Path(default if out is None else out)
    if path.suffix not in (".html", ".htm"):
        raise StoreError(explain("report file", path.name, "a name ending .html"))
    results = [read_result(source)] if single else results_in(source)  # before folders are made
    check_writable(path.parent)  # before what takes long
    page = of_result(results[0]) if single else _of_results(whole.name, results)
    with written_for("report file", path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def of_result(result: Result) -> str:
    """Return the page of one result.

    Raises
    ------
    StoreError
        If it is damaged, or not of a network under a schedule.
    """
    with as_stored(result):  # it may be of any form, which is no reason for a traceback
        return _page("report.html", **_of_one(result))


def of_folder(folder: str | Path) -> str:
    """Return the page of all whole results in a folder.

    Raises
    ------
    StoreError
        If there is none, or one is not of a network under a schedule.
    """
    return _of_results(Path(folder).resolve().name, results_in(folder))


def _of_results(name: str, results: list[Result]) -> str:
    with as_stored(*results):
        return _page("overview.html", **_of_many(name, results))


def _page(template: str, **values: Any) -> str:
    css = (Path(__file__).parent / "templates" / "report.css").read_text()
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    style = markup.Markup(css)
    version = versions()["brainsleep"]
    return markup.render(template, css=style, css_hash=digest, version=version, **values)


# -- one result ----------------------------------------------------------------------------------


def _of_one(result: Result) -> dict[str, Any]:
    equations, (again, exact) = result.equations, command(result)
    protocol = result.stored_protocol
    page = {
        "headline": facts.headline(result),
        "alarms": health.alarms(result),
        "limits": health.limits(result),
        "tiles": facts.tiles(result),
        "summary": [facts.weights(result), facts.rates(result)],
        "metrics": facts.metrics(result),
        "setup": [
            facts.populations(protocol.network),
            facts.projections(protocol.network, protocol.initial_weights),
            *facts.schedule(protocol),
        ],
        "settings": facts.settings(result.described),
        "models": markup.parts(protocol.network, equations),
        "sources": list(_sources(equations)),
        "command": again,
        "exact": exact,
        "provenance": facts.provenance(result),
    }  # fmt: skip
    drawn, missing = pictures([result], OF_ONE)  # last: it takes longest
    return page | {"pictures": drawn, "missing": missing}


def _sources(equations: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield title and text of the source of every object of a network."""
    for name, text in equations.get("populations", {}).items():  # of layers
        yield f"population {name}", str(text)
    if "wake" in equations:
        yield "learning awake", str(equations["wake"])
    for kind, key in (("population", "groups"), ("projection", "synapses")):
        for part in equations.get(key, ()):
            yield f"{kind} {part['name']}", "\n\n".join(_blocks(part))


def _blocks(part: Mapping[str, Any]) -> Iterator[str]:
    """Yield what an object is told, one block a field; fields that are empty are left out."""
    for key, value in part.items():
        if key in ("kind", "name", "state", "gates") or value in ("", [], {}, None):
            continue
        if isinstance(value, list):
            inner = ["\n".join(f"  {line}" for line in "\n".join(_blocks(v)).splitlines())
                     for v in value if isinstance(v, dict)]  # fmt: skip
            yield f"{key}:\n" + "\n\n".join(inner)
        elif isinstance(value, dict):
            yield f"{key}:\n" + "\n".join(f"  {k} = {facts.text(v)}" for k, v in value.items())
        elif "\n" in str(value):
            yield f"{key}:\n" + "\n".join(f"  {line}" for line in str(value).splitlines())
        else:
            yield f"{key}: {value}"


# -- a folder of results -------------------------------------------------------------------------


def _of_many(name: str, results: list[Result]) -> dict[str, Any]:
    flat = {result.run_id: _settings(result) for result in results}
    keys = list(dict.fromkeys(key for each in flat.values() for key in each))
    decisive = [_settings(result, deciding) for result in results]
    varied = [key for key in keys if _differ(key, flat.values()) and _differ(key, decisive)]
    results = sorted(results, key=lambda r: _order(flat[r.run_id], varied))
    found = {result.run_id: health.alarms(result) for result in results}
    labels = {run: _label(flat[run], varied) for run in found}
    notes = list(_notes(len(results), len(varied)))
    first = flat[results[0].run_id]
    common = [(key, facts.text(first[key])) for key in keys if key not in varied and key in first]
    sections = len(results) <= MOST_SECTIONS
    limits = {health.limits(result) for result in results}
    return {
        "name": name,
        "total": len(results),
        "alarming": sum(map(bool, found.values())),
        "difference": _difference(varied),
        "notes": notes,
        "pictures": _drawn(results),
        "runs": _runs(results[:MOST_ROWS], flat, varied[:MOST_COLUMNS], found),
        "alarms": Table("", ("run", "settings", "kind", "alarm"), [
            (run, labels[run], each.kind, each.text)
            for run in list(found)[:MOST_ROWS] for each in found[run]
        ]),
        "limits": limits.pop() if len(limits) == 1 else "the limits of each run's own alarms",
        "common": Table("", ("setting", "value"), common),
        "sections": [_section(r, labels, found) for r in results] if sections else [],
    }  # fmt: skip


def _differ(key: str, settings: Iterable[Mapping[str, Any]]) -> bool:
    return len({str(each.get(key)) for each in settings}) > 1


def _settings(result: Result, chosen: Callable[[dict], dict] = dict) -> dict[str, Any]:
    """Return the settings of a run by key, all or chosen ones; first what is not its protocol's."""
    own = {"data": result.data.name, "backend": result.backend, "seed": result.seed}
    own["name"] = result.described["name"]
    said = ("description", "data.source", "data.root")
    return own | {k: v for k, v in flatten(chosen(result.described)).items() if k not in said}


def _order(settings: Mapping[str, Any], varied: Sequence[str]) -> tuple:
    """Return what sorts runs by the settings in which they differ, the seed last."""
    keys = [*(key for key in varied if key != "seed"), "seed"]
    values = (settings.get(key) for key in keys)
    return tuple(
        (0, v, "") if isinstance(v, int | float) and not isinstance(v, bool) else (1, 0, str(v))
        for v in values
    )


def _label(settings: Mapping[str, Any], varied: Sequence[str]) -> str:
    chosen = varied[:MOST_COLUMNS] or ["seed"]
    return ", ".join(f"{_tail(key)} {facts.text(settings.get(key))}" for key in chosen)


def _tail(key: str) -> str:
    """Return the end of a key, which is enough to know it by."""
    return ".".join(key.split(".")[-2:])


def _difference(varied: Sequence[str]) -> str:
    if not varied:
        return "The runs differ in none of their settings."
    shown = ", ".join(varied[:MOST_COLUMNS])
    more = len(varied) - MOST_COLUMNS
    return f"The runs differ in {shown}{f' and {more} more settings' if more > 0 else ''}."


def _notes(runs: int, varied: int) -> Iterator[str]:
    if runs > MOST_SECTIONS:
        yield (
            f"Sections run by run are left out, as there are more than {MOST_SECTIONS} runs: "
            "'brainsleep report' of a single result shows it."
        )
    if runs > MOST_ROWS:
        yield f"The table shows the first {MOST_ROWS} runs; 'brainsleep table' writes all."
    if varied > MOST_COLUMNS:
        yield f"Of the settings that differ the table shows {MOST_COLUMNS}."


def _drawn(results: list[Result]) -> list[Picture]:
    """Draw what compares runs: against sleep if it differs, by condition, and a few in time."""
    if len(results) < 2:
        return []
    fractions = {r.stored_protocol.schedule.sleep_per_wake for r in results}
    about = [result.stored_protocol.task for result in results]
    tasks = any(isinstance(task, Images) and len(task.tasks) > 1 for task in about)
    choices = ["continual"] if tasks else ["accuracy", "sleep_sweep"] if len(fractions) > 1 else []
    found, _ = pictures(results, choices)
    found += [] if found else pictures(results, ["controls"])[0]
    if len(results) <= MOST_CURVES:
        found += pictures(results, ["weights", "histograms"])[0]
    return found


def _runs(
    results: Sequence[Result],
    flat: Mapping[str, Mapping[str, Any]],
    varied: Sequence[str],
    found: Mapping[str, list[health.Finding]],
) -> Table:
    """Tabulate runs: settings in which they differ, and what was measured."""
    any_stopped = any(result.stopped for result in results)
    rows = []
    for result in results:
        run, get = result.run_id, result.metrics.get
        population = facts.looked_at(result)
        rate = get(f"rate_test_{population}_hz")
        ends = get("network_interval")
        rows.append(
            (
                run,
                *(facts.text(flat[run].get(key)) for key in varied),
                facts.percent(get("network_accuracy")),
                "–".join(f"{100 * end:.1f}" for end in ends) if ends else "–",
                facts.percent(get("pixels_accuracy")),
                None if rate is None else float(f"{rate:.3g}"),
                get("largest_weight"),
                facts.percent(get("saturated")),
                get("growth"),
                ", ".join(sorted({each.kind for each in found[run]})) or "–",
                *([facts.stopped(result) or None] if any_stopped else []),
            )
        )
    columns = ("run", *map(_tail, varied), "accuracy", "95 % interval",
               "raw pixels", "Hz in test", "largest w", "saturated", "sum w, end / start",
               "alarms", *(["stopped"] if any_stopped else []))  # fmt: skip
    return Table("", columns, rows)


def _section(
    result: Result, labels: Mapping[str, str], found: Mapping[str, list[health.Finding]]
) -> dict[str, Any]:
    run = result.run_id
    drawn, _ = pictures([result], ["weights", "sleep_rates"], bitmap=True)
    return {
        "run": run,
        "label": labels[run],
        "stopped": facts.stopped(result),
        "alarms": found[run],
        "tiles": facts.tiles(result),
        "pictures": drawn,
    }

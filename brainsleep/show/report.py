"""Reports: a stored result, or a folder of them, as one HTML page that needs nothing else.

A page has its figures, its style and its equations inside and fetches nothing; its own security
policy says so to the browser. That of one run has plots that can be zoomed; the only script that
may run is theirs, and without it pictures are in their places. The same results give the same
bytes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..errors import StoreError, explain
from ..experiment.identity import deciding
from ..files.atomic import written_for
from ..results.result import Result
from ..results.store import as_stored, check_writable, read_result, versions
from ..results.table import flatten, results_in
from ..tasks.images.task import Images
from . import explore, facts, health, markup
from .conditions import conditions, means, summed_up
from .pictures import OF_ONE, Picture, pictures
from .reproduce import command
from .sources import sources
from .table import Table, cut

#: Most runs of an overview with a section of their own, in its figures of weights, and in its
#: table.
MOST_SECTIONS, MOST_CURVES, MOST_ROWS = 24, 6, 2000

#: Most settings in which runs differ that are columns.
MOST_COLUMNS = 6


def report(source: str | Path, out: str | Path | None = None, *, each: bool = False) -> Path:
    """Write a report of a stored result, or of all results in a folder.

    Parameters
    ----------
    source : path
        Folder of a result, or folder of results.
    out : path, optional
        File to write, ``.html``; default: beside the result, named as its folder, or
        ``report.html`` in the folder of results.
    each : bool
        Of a folder: write the report of every run first, beside it, so that the page links to it.

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
    if each and not single:
        for result in results:
            report(source / result.path.name)
    page = of_result(results[0]) if single else of_folder(source, path)
    with written_for("report file", path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def of_result(result: Result) -> str:
    """Return the page of one result; raises `StoreError` if it holds what no run stores."""
    with as_stored(result):  # it may be of any form, which is no reason for a traceback
        return _page("report.html", **_of_one(result))


def of_folder(folder: str | Path, out: str | Path | None = None) -> str:
    """Return the page of all whole results in a folder, to be written to the file `out`.

    It links to the reports of single runs that lie in the folder. Raises `StoreError` as
    `of_result`.
    """
    folder = Path(folder)
    results = results_in(folder)
    place = folder if out is None else Path(out).parent
    with as_stored(*results):
        links = _links(results, folder, place)
        return _page("overview.html", **_of_many(folder.resolve().name, results, links))


def _links(results: Iterable[Result], folder: Path, place: Path) -> dict[str, str]:
    """Return where reports of single runs are, from the folder of the page, by run id."""
    there = {result.run_id: folder / f"{result.path.name}.html" for result in results}
    return {
        run: quote(Path(os.path.relpath(path.resolve(), place.resolve())).as_posix())
        for run, path in there.items()
        if path.is_file()
    }


def _page(template: str, **values: Any) -> str:
    css = (Path(__file__).parent / "templates" / "report.css").read_text()
    script = f"\n{explore.script()}" if values.get("plots") else ""
    more_css = explore.style() if script else ""
    styles = " ".join(f"'sha256-{explore.digest(each)}'" for each in (css, more_css) if each)
    values |= {"css": markup.Markup(css), "more_css": markup.Markup(more_css)}
    values |= {"style_hashes": markup.Markup(styles), "version": versions()["brainsleep"]}
    values |= {"script": markup.Markup(script), "script_hash": f"sha256-{explore.digest(script)}"}
    return markup.render(template, **values)


# -- one result ----------------------------------------------------------------------------------


def _of_one(result: Result) -> dict[str, Any]:
    equations, (to_type, exact) = result.equations, command(result)
    protocol, metrics = result.stored_protocol, facts.metrics(result)
    mine = [table for table in metrics if table.title in ("Observed", "Other")]
    if (recorded := facts.recorded(result)).rows:
        mine.append(recorded)
    page = {
        "headline": facts.headline(result),
        "alarms": health.alarms(result),
        "limits": health.limits(result),
        "tiles": facts.tiles(result),
        "summary": [facts.weights(result), facts.rates(result), *mine],
        "metrics": metrics,
        "setup": [
            facts.populations(protocol.network),
            facts.projections(protocol.network, protocol.start),
            *facts.values(protocol.network),
            *facts.signals(protocol.network),
            *facts.schedule(protocol),
        ],
        "settings": facts.settings(result.described),
        "models": markup.parts(protocol.network, equations),
        "sources": list(sources(equations)),
        "command": to_type,
        "exact": exact,
        "provenance": facts.provenance(result),
    }  # fmt: skip
    plots = {
        name: {"data": explore.embedded(plot), "note": plot["note"]}
        for name, plot in explore.plots(result).items()
    }
    drawn, missing = pictures([result], OF_ONE)  # last: it takes longest
    return page | {"pictures": drawn, "missing": missing, "plots": plots}


# -- a folder of results -------------------------------------------------------------------------


def _of_many(name: str, results: list[Result], links: Mapping[str, str]) -> dict[str, Any]:
    flat = {result.run_id: _settings(result) for result in results}
    keys = list(dict.fromkeys(key for each in flat.values() for key in each))
    decisive = [_settings(result, deciding) for result in results]
    varied = [key for key in keys if _differ(key, flat.values()) and _differ(key, decisive)]
    results = sorted(results, key=lambda r: _order(flat[r.run_id], varied))
    alarms = {result.run_id: health.alarms(result) for result in results}
    chosen = [(key, _tail(key)) for key in varied[:MOST_COLUMNS] or ["seed"]]
    called = {result.run_id: facts.conditions(result) for result in results}
    labels = {run: _label(flat[run], called[run], chosen) for run in alarms}
    first = flat[results[0].run_id]
    common = [(key, facts.text(first[key])) for key in keys if key not in varied and key in first]
    limits = {health.limits(result) for result in results}
    groups = conditions(results)
    return {
        "name": name,
        "links": links,
        "means": means(groups, alarms),
        "n_conditions": len(groups),
        "summed_up": summed_up(groups, alarms),
        "total": len(results),
        "alarming": sum(map(bool, alarms.values())),
        "varied": varied,
        "most": {"columns": MOST_COLUMNS, "rows": MOST_ROWS, "sections": MOST_SECTIONS},
        "pictures": _drawn(results),
        "runs": _runs(results[:MOST_ROWS], flat, varied[:MOST_COLUMNS], alarms),
        "alarms": Table("", ("run", "settings", "kind", "alarm"), [
            (run, labels[run], each.kind, each.text)
            for run in list(alarms)[:MOST_ROWS] for each in alarms[run]
        ]),
        "limits": limits.pop() if len(limits) == 1 else "the limits of each run's own alarms",
        "common": Table("", ("setting", "value"), common),
        "sections": [
            {
                "run": result.run_id,
                "label": labels[result.run_id],
                "stopped": facts.stopped(result),
                "alarms": alarms[result.run_id],
                "tiles": facts.tiles(result),
                "pictures": pictures([result], ["weights", "sleep_rates"], bitmap=True)[0],
            }
            for result in (results if len(results) <= MOST_SECTIONS else ())
        ],
    }  # fmt: skip


def _differ(key: str, settings: Iterable[Mapping[str, Any]]) -> bool:
    return len({str(each.get(key)) for each in settings}) > 1


def _settings(result: Result, chosen: Callable[[dict], dict] = dict) -> dict[str, Any]:
    """Return the settings of a run by key, all or chosen ones; first what is not its protocol's."""
    own = {"data": result.data.name, "backend": result.backend, "seed": result.seed}
    own["name"] = result.described["name"]
    said = ("description", "data.source", "data.root")
    settings = flatten(chosen(result.described))
    return own | {key: value for key, value in settings.items() if key not in said}


def _order(settings: Mapping[str, Any], varied: Sequence[str]) -> tuple:
    """Return what sorts runs by the settings in which they differ, the seed last."""
    values = (settings.get(key) for key in [*(key for key in varied if key != "seed"), "seed"])
    return tuple(
        (0, v, "") if isinstance(v, int | float) and not isinstance(v, bool) else (1, 0, str(v))
        for v in values
    )


def _label(settings: Mapping[str, Any], condition: str, chosen: Sequence[tuple[str, str]]) -> str:
    """Say which run it is: by the name of its condition, if it has one, and its seed."""
    if condition:
        return f"{condition}, seed {settings['seed']}"
    return ", ".join(f"{name} {facts.text(settings.get(key))}" for key, name in chosen)


def _tail(key: str) -> str:
    """Return the end of a key, which is enough to know it by."""
    return ".".join(key.split(".")[-2:])


def _drawn(results: list[Result]) -> list[Picture]:
    """Draw what compares runs: against sleep if it differs, by condition, and a few in time."""
    if len(results) < 2:
        return []
    fractions = {r.stored_protocol.schedule.sleep_per_wake for r in results}
    about = [result.stored_protocol.task for result in results]
    tasks = any(isinstance(task, Images) and len(task.tasks) > 1 for task in about)
    choices = ["accuracy"] if len(fractions) > 1 else []
    choices += ["sleep_sweep"] if len(fractions) > 2 else []  # fewer are conditions
    choices = ["continual"] if tasks else choices
    drawn = pictures(results, choices)[0] or pictures(results, ["controls"])[0]
    drawn = drawn or pictures(results, ["conditions"])[0]
    over_time = ["weights", "histograms"] if len(results) <= MOST_CURVES else []
    return drawn + pictures(results, over_time)[0]


def _runs(
    results: Sequence[Result],
    flat: Mapping[str, Mapping[str, Any]],
    varied: Sequence[str],
    alarms: Mapping[str, list[health.Symptom]],
) -> Table:
    """Tabulate runs: settings in which they differ, and what was measured of any of them."""
    settings = [tuple(cut(facts.text(flat[r.run_id].get(key))) for key in varied) for r in results]
    measured = [_measured(result, alarms[result.run_id]) for result in results]
    called = [facts.conditions(result) for result in results]
    names = [n for n in measured[0] if {row[n] for row in measured} - {None, "–", ""}]
    rows = [
        (result.run_id, *([name] if any(called) else ()), *own, *(row[key] for key in names))
        for result, name, own, row in zip(results, called, settings, measured, strict=True)
    ]
    first = ("run", "condition") if any(called) else ("run",)
    return Table("", (*first, *map(_tail, varied), *names), rows)


def _measured(result: Result, alarms: list[health.Symptom]) -> dict[str, Any]:
    get, population = result.metrics.get, facts.looked_at(result)
    hz = {f"Hz in {phase}": get(f"rate_{phase}_{population}_hz") for phase in ("wake", "test")}
    ends = get("network_interval")
    return {
        "accuracy": facts.percent(get("network_accuracy")),
        "95 % interval": "–".join(f"{100 * end:.1f}" for end in ends) if ends else "–",
        "raw pixels": facts.percent(get("pixels_accuracy")),
        **{name: None if rate is None else float(f"{rate:.3g}") for name, rate in hz.items()},
        "largest w": get("largest_weight"),
        "saturated": facts.percent(get("saturated")),
        "sum w, end / start": get("growth"),
        "alarms": ", ".join(sorted({each.kind for each in alarms})) or "–",
        "stopped": facts.stopped(result),
    }

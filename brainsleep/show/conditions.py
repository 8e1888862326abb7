"""The runs of a folder by condition: means over seeds with intervals, and alarms summed up."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..analysis.statistics import seed_spread
from ..results.result import Result
from . import facts, health
from .drawn import default_label, told_apart
from .table import Table

#: Runs that a row of the alarms names at most; others are counted.
MOST_NAMED = 6


class Condition(NamedTuple):
    """Runs that differ in nothing but their seed."""

    name: str
    data: str
    runs: list[Result]


def conditions(results: Sequence[Result]) -> list[Condition]:
    """Group runs by the settings in which they differ, in the order in which they first occur."""
    names = told_apart([default_label(result) for result in results], results)
    found: dict[tuple[str, str], Condition] = {}
    for name, result in zip(names, results, strict=True):
        key = (name, result.data.name)
        found.setdefault(key, Condition(*key, [])).runs.append(result)
    return list(found.values())


def means(groups: Sequence[Condition], alarms: Mapping[str, list[health.Symptom]]) -> Table:
    """Tabulate means over seeds, with Student's 95 % interval where there are several."""
    measured = [[_numbers(result) for result in group.runs] for group in groups]
    shown = _known([run for each in measured for run in each])
    data = len({group.data for group in groups}) > 1
    rows = []
    for group, each in zip(groups, measured, strict=True):
        alarming = sum(bool(alarms[result.run_id]) for result in group.runs)
        rows.append((
            group.name, *((group.data,) if data else ()), len(group.runs),
            *(_mean([run.get(name, math.nan) for run in each], *_range(name)) for name in shown),
            f"{alarming} of {len(group.runs)}" if alarming else "–",
        ))  # fmt: skip
    columns = ("condition", *(("data",) if data else ()), "seeds", *shown, "runs with alarms")
    return Table("", columns, rows)


def by_run(results: Sequence[Result]) -> Table:
    """Tabulate what `means` does, a row for each run."""
    measured = [_numbers(result) for result in results]
    shown, groups = _known(measured), conditions(results)
    named = {result.run_id: group for group in groups for result in group.runs}
    data = len({group.data for group in groups}) > 1
    rows = [
        (
            named[result.run_id].name,
            *((named[result.run_id].data,) if data else ()),
            result.seed,
            result.run_id,
            *(f"{number[name]:.4g}" if name in number else None for name in shown),
        )
        for result, number in zip(results, measured, strict=True)
    ]
    columns = ("condition", *(("data",) if data else ()), "seed", "run", *shown)
    return Table("", columns, rows)


def _known(measured: Sequence[Mapping[str, float]]) -> list[str]:
    """Return the names of the numbers that some run has."""
    names = dict.fromkeys(name for run in measured for name in run)
    return [n for n in names if any(math.isfinite(run.get(n, math.nan)) for run in measured)]


def summed_up(groups: Sequence[Condition], alarms: Mapping[str, list[health.Symptom]]) -> Table:
    """Tabulate alarms by kind: how many runs, of which conditions, and which."""
    total = len(alarms)
    kinds = dict.fromkeys(each.kind for found in alarms.values() for each in found)
    rows = []
    for kind in kinds:
        of = {run for run, found in alarms.items() if any(each.kind == kind for each in found)}
        where = {each.where for run in of for each in alarms[run] if each.kind == kind}
        counts = [(g.name, sum(r.run_id in of for r in g.runs), len(g.runs)) for g in groups]
        named = sorted(of)[:MOST_NAMED]
        more = len(of) - len(named)
        rows.append((
            kind, f"{len(of)} of {total}",
            "; ".join(f"{name} ({n} of {all_})" for name, n, all_ in counts if n),
            ", ".join(sorted(where)),
            ", ".join(named) + (f" and {more} more" if more else ""),
        ))  # fmt: skip
    return Table("", ("alarm of", "runs", "conditions", "where", "which"), rows)


def own_metrics(result: Result) -> dict[str, str]:
    """Return the metrics that observers of the user's gave, with their units."""
    defined = result.info.get("defined", ())
    return {
        name: each["unit"]
        for each in defined
        for name in result.metrics
        if re.fullmatch(each["pattern"], name)
    }


def _numbers(result: Result) -> dict[str, float]:
    """Return what is compared, by the name of its column."""
    population, own = facts.looked_at(result), own_metrics(result)
    chosen = {
        "accuracy (%)": ("network_accuracy", 100.0),
        "raw pixels (%)": ("pixels_accuracy", 100.0),
        **{name: (name, 1.0) for name in result.metrics if name in own},
        f"{population} awake (Hz)": (f"rate_wake_{population}_hz", 1.0),
        f"{population} asleep (Hz)": (f"rate_sleep_{population}_hz", 1.0),
        f"{population} in test (Hz)": (f"rate_test_{population}_hz", 1.0),
        "saturated (%)": ("saturated", 100.0),
        "sum w, end / start": ("growth", 1.0),
    }
    return {name: factor * _number(result.metrics.get(m)) for name, (m, factor) in chosen.items()}


def _number(value: Any) -> float:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if plain else math.nan


def _range(column: str) -> tuple[float, float]:
    """Return between which values a column can be at all: an interval ends there, too."""
    low = 0.0 if column.endswith(("(%)", "(Hz)")) else -math.inf
    return low, 100.0 if column.endswith("(%)") else math.inf


def _mean(values: Sequence[float], least: float, most: float) -> str:
    known = np.array([value for value in values if math.isfinite(value)])
    if not len(known):
        return "–"
    spread = seed_spread(known)
    said = f"{spread.mean:.3g}"
    if len(known) > 1:
        said += f" ({max(spread.low, least):.3g} to {min(spread.high, most):.3g})"
    return said.replace("-", "−")

"""The command ``brainsleep statistics``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import DataError, closest, explain, nearest
from .console import key_values, rich_table, stdout

if TYPE_CHECKING:
    import pandas

#: Most metrics that an error lists.
_MOST = 20


def statistics(
    source: Annotated[
        Path, typer.Argument(metavar="TABLE|DIR", help="table of runs, or folder of results")
    ],
    metric: Annotated[str, typer.Option("--metric", help="column of numbers to compare")] = (
        "network_accuracy"
    ),
    pair: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--pair",
            metavar="A B",
            help="compare condition A with B (default: every condition with the first)",
        ),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", metavar="COLUMN=VALUE", help="choose runs; may be repeated"),
    ] = None,
) -> None:
    """Compare conditions, and sleep with no sleep, seed by seed.

    Conditions: difference, interval, effect size and paired t-test, corrected for how many there
    are (Holm). Where sleep differs, and nothing else: the gain of each fraction of sleep, and a
    beta regression.
    """
    from ..results.names import names_in
    from ..results.table import by_name, choose, read, tabulate

    frame = tabulate(source) if source.is_dir() else read(source)
    frame = choose(frame, key_values(where or (), "--where"))
    if metric not in frame:
        names = _metrics(frame)
        listed = nearest(metric, names[:_MOST] if not closest(metric, names) else names)
        raise DataError(f"statistics: --metric: no column '{metric}'; {listed}")
    named = by_name(frame)
    conditions = _named(named)
    order = [n.condition for names in names_in(source).values() for n in names if n.condition]
    by_sleep = frame["sleep_fraction"].nunique() > 1 if "sleep_fraction" in frame else False
    if pair or len(conditions) > 1:
        first = next((name for name in order if name in conditions), "")
        _print_conditions(named, metric, pair, first)
    if by_sleep and not pair:
        _print_sleep(frame, metric, alone=len(conditions) < 2)
    elif not pair and len(conditions) < 2:
        got = f"only '{conditions[0]}'" if conditions else "runs that are all of one kind"
        fix = "run others into the same folder, as with 'brainsleep compare' or 'sweep run'"
        raise DataError(explain("statistics", got, "two conditions or fractions of sleep", fix))


def _named(frame: pandas.DataFrame) -> list[str]:
    """Return the conditions of a table."""
    values = frame.get("condition", ())
    return list(dict.fromkeys(name for name in values if isinstance(name, str) and name))


def _metrics(frame: pandas.DataFrame) -> list[str]:
    """Return the columns that a run measured."""
    from ..results.table import BASE

    return [
        name
        for name in frame
        if frame[name].dtype.kind in "if"
        and name not in BASE
        and not name.startswith(("set.", "version.", "alarm."))
        and not name.endswith((".low", ".high"))
    ]


def _print_conditions(
    frame: pandas.DataFrame, metric: str, pair: tuple[str, str] | None, first: str
) -> None:
    """Print what conditions change."""
    from ..analysis.conditions import condition_effects

    effects = condition_effects(frame, metric, pair, first)
    unit, scale = _unit(metric)
    apart = list(effects.columns[: effects.columns.get_loc("condition")])
    columns = (
        *apart,
        "condition",
        "against",
        "n",
        "mean",
        "other",
        "diff.",
        "95 %",
        "g",
        "p",
        "Holm",
    )
    rows = [
        (
            *(str(value) for value in effects.loc[place, apart]),
            each.condition,
            each.reference,
            each.n,
            *(_finite("{:.4g}", scale * mean) for mean in (each.mean, each.mean_reference)),
            _finite("{:+.3g}", scale * each.difference),
            _finite("{:+.3g} to {:+.3g}", scale * each.low, scale * each.high),
            _finite("{:+.2g}", each.g),
            _finite("{:.2g}", each.p),
            _finite("{:.2g}", each.p_holm),
        )
        for place, each in zip(effects.index, effects.itertuples(), strict=True)
    ]
    title = f"{metric}{unit} by condition; differences of runs with the same seed, n seeds"
    stdout.print(rich_table(columns, rows, title))
    stdout.print(_remark(effects), markup=False)


def _remark(effects: pandas.DataFrame) -> str:
    """Say what the tests of conditions are, and where there is none."""
    none, one = (effects["n"] == 0).sum(), (effects["n"] == 1).sum()
    said = []
    if one:
        said.append("one seed says nothing of chance: no interval and no test; run more seeds")
    if none:
        said.append(f"{none} of {len(effects)} comparisons have no seed in common")
    if tested := int(effects["p"].notna().sum()):
        corrected = f", Holm: p corrected for {tested} comparisons" if tested > 1 else ""
        said.append(f"interval and p: paired t over seeds{corrected}; g: Hedges")
    elif not one and not none:
        said.append("every seed has the same difference: there is nothing to test")
    fewest = effects.loc[effects["p"].notna(), "n"].min()
    if tested and fewest < 5:
        said.append(f"{fewest} seeds are few for a t-test")
    return "; ".join(said)


def _unit(metric: str) -> tuple[str, float]:
    """Return the unit of a metric as text, and by what its values are multiplied to have it."""
    from ..show.definitions import definition

    defined = definition(metric)
    if defined and defined.unit == "fraction":
        return ", %", 100.0
    return (f", {defined.unit}" if defined and defined.unit not in ("", "1") else ""), 1.0


def _points(unit: str) -> str:
    """Return the unit of a difference."""
    return ", points" if unit == ", %" else unit


def _print_sleep(frame: pandas.DataFrame, metric: str, *, alone: bool) -> None:
    """Print what sleep changes; where it is not `alone`, nothing if more than sleep differs."""
    from ..analysis.effects import beta_regression, sleep_effects

    try:
        effects = sleep_effects(frame, metric)
    except DataError:
        if alone:
            raise
        return  # more than sleep differs: conditions say what it does
    unit, scale = _unit(metric)
    columns = (
        "network, data",
        "sleep %",
        "n",
        f"mean{unit}",
        f"gain{_points(unit)}",
        "g",
        "every seed",
    )
    rows = [
        (
            f"{effect.model}, {effect.data}",
            f"{100 * effect.sleep_fraction:.3g}",
            effect.n,
            f"{scale * effect.mean:.4g}",
            _finite("{:+.3g}", scale * effect.difference, otherwise="")
            + _finite(
                " ({:+.3g} to {:+.3g})", scale * effect.low, scale * effect.high, otherwise=""
            ),
            _finite("{:+.1f}", effect.g, otherwise=""),
            " ".join(_finite("{:+.3g}", scale * each) for each in effect.differences),
        )
        for effect in effects.itertuples()
    ]
    title = f"{metric}; gain over no sleep with the same seed, 95 % bootstrap interval"
    stdout.print(rich_table(columns, rows, title))
    if effects["n"].max() < 2:
        stdout.print("one seed says nothing of chance: no interval and no regression")
        return
    try:
        fit = beta_regression(frame, metric)
    except DataError as error:
        stdout.print(f"no regression: {error}", markup=False)
        return
    terms = (
        (
            t.term,
            _finite("{:+.3f}", t.estimate),
            _finite("{:+.3f} to {:+.3f}", t.low, t.high),
            _finite("{:.2g}", t.p),
        )
        for t in fit.terms.itertuples()
    )
    stdout.print(rich_table(("term", "log odds", "95 % interval", "p"), terms, fit.formula))
    stdout.print(fit.note, markup=False)


def _finite(layout: str, *values: float, otherwise: str = "–") -> str:
    return layout.format(*values) if all(map(math.isfinite, values)) else otherwise

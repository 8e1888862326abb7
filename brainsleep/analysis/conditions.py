"""What conditions change, from a table of runs: differences seed by seed, and their tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import ttest_rel

from ..errors import DataError, explain, nearest
from .effects import measured
from .statistics import effect_size, seed_spread

if TYPE_CHECKING:
    import pandas

#: What runs of one condition and seed may differ in, besides ``set.KEY``.
APART = ("model", "backend", "sleep_fraction", "n_train")


#: What is said of every comparison.
COLUMNS = (
    *("condition", "reference", "n", "mean", "mean_reference"),
    *("difference", "low", "high", "g", "p"),
)


def condition_effects(
    table: pandas.DataFrame,
    metric: str,
    pair: tuple[str, str] | None = None,
    first: str = "",
) -> pandas.DataFrame:
    """Compare conditions seed by seed.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a run, with its ``condition``, ``seed`` and the `metric`; see
        `brainsleep.results.table.tabulate`.
    metric : str
        Any column of numbers.
    pair : tuple of str, optional
        The condition to look at, and the one to compare it with. Default: each with the first.
    first : str
        Which is the first condition; default: that of the table's first row.

    Returns
    -------
    pandas.DataFrame
        A row for each comparison, within each grid, data set, and setting that all conditions have
        with the same values (columns of those): ``condition`` and ``reference``; over the ``n``
        seeds that both have, their means, ``mean`` and ``mean_reference``, the ``difference`` with
        Student's interval ``low`` to ``high`` (95 %), Hedges' ``g``, and ``p`` of a paired t-test;
        ``p_holm`` is for all comparisons of the table (Holm, 1979). NaN with one seed, and where
        every seed has the same difference.

    Raises
    ------
    DataError
        If there are no two conditions, a name is unknown, or a condition has several runs with one
        seed.
    """
    import pandas

    if "condition" not in table:
        got, fix = "no column 'condition'", "give the folder of a sweep or comparison"
        raise DataError(explain("statistics of conditions", got, "a named condition a run", fix))
    table = measured(table, metric, ("seed", "condition", metric))
    table = table[table["condition"].map(lambda name: isinstance(name, str) and name != "")]
    names = list(dict.fromkeys(table["condition"]))
    for name in pair or ():
        if name not in names:
            raise DataError(f"statistics: no condition '{name}'; {nearest(name, names)}")
    if len(names) < 2:
        got = f"only '{names[0]}'" if names else "none"
        raise DataError(explain("statistics: conditions", got, "two or more"))
    first = first if first in names else names[0]
    pairs = [pair] if pair else [(name, first) for name in names if name != first]
    lines = []
    for where, group in _groups(table):
        here = set(group["condition"])
        lines += [where | _compared(group, metric, *each) for each in pairs if here >= {*each}]
    if not lines:
        got = f"no data set or grid that has both of {' and '.join(map(repr, pairs[0]))}"
        raise DataError(explain("statistics of conditions", got, "conditions of one grid"))
    frame = pandas.DataFrame(lines)
    labels = [name for name in frame if name not in COLUMNS]
    frame = frame[[*labels, *COLUMNS]]
    return frame.assign(p_holm=holm(frame["p"].to_numpy()))


def _groups(table: pandas.DataFrame) -> Iterator[tuple[dict[str, Any], pandas.DataFrame]]:
    """Yield the runs within which conditions are compared, and what these have in common.

    A setting that is not the same in all runs of a condition and seed keeps them apart if all
    conditions have it with the same values: the grid varies it.
    """
    places = [name for name in ("grid", "data") if name in table and _differs(table, name)]
    for where, group in _by(table, places):
        crossed = [c for c in group if c in APART or str(c).startswith("set.")]
        crossed = [c for c in crossed if _differs(group, c) and _crossed(group, c)]
        for setting, part in _by(group, crossed):
            yield where | setting, part


def _by(
    table: pandas.DataFrame, names: list[str]
) -> Iterator[tuple[dict[str, Any], pandas.DataFrame]]:
    if not names:
        yield {}, table
        return
    for place, group in table.groupby(names, dropna=False, sort=False):
        yield dict(zip(names, place, strict=True)), group


def _differs(table: pandas.DataFrame, name: str) -> bool:
    """Tell whether runs of a condition and seed differ in something."""
    return bool((table.groupby(["condition", "seed"])[name].nunique(dropna=False) > 1).any())


def _crossed(table: pandas.DataFrame, name: str) -> bool:
    """Tell whether all conditions have something with the same values."""
    return len({frozenset(map(str, each)) for _, each in table.groupby("condition")[name]}) == 1


def holm(p: np.ndarray) -> np.ndarray:
    """Adjust p-values of several tests so that one false finding in all is rare.

    The smallest is multiplied by their number, the next by one less, and so on; none falls below
    one before it. NaN stay, and do not count. Holm (1979), Scandinavian Journal of Statistics 6.
    """
    p, adjusted = np.asarray(p, dtype=float), np.full(len(p), np.nan)
    order = [k for k in np.argsort(p) if np.isfinite(p[k])]
    largest = 0.0
    for rank, k in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p[k]))
        adjusted[k] = largest
    return adjusted


def _compared(group: pandas.DataFrame, metric: str, name: str, reference: str) -> dict:
    """Compare two conditions over the seeds that both have."""
    one, other = (_by_seed(group, metric, each) for each in (name, reference))
    seeds = one.index.intersection(other.index)
    a, b = one.loc[seeds].to_numpy(float), other.loc[seeds].to_numpy(float)
    spread, p = seed_spread(a - b), float("nan")
    if len(seeds) > 1 and np.ptp(a - b) > 1e-12 * np.abs(a - b).max():
        p = float(ttest_rel(a, b).pvalue)
    means = (float(each.mean()) if len(seeds) else float("nan") for each in (a, b))
    said = (name, reference, len(seeds), *means, spread.mean, spread.low, spread.high)
    return dict(zip(COLUMNS, (*said, effect_size(a, b), p), strict=True))


def _by_seed(group: pandas.DataFrame, metric: str, name: str) -> pandas.Series:
    chosen = group[group["condition"] == name]
    if "run_id" in chosen:
        chosen = chosen.drop_duplicates("run_id")
    if chosen["seed"].duplicated().any():
        got = f"several runs of '{name}' with one seed"
        raise DataError(explain("statistics", got, "one", "choose with --where COLUMN=VALUE"))
    return chosen.set_index("seed")[metric]

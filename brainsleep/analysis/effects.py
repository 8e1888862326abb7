"""What sleep changes, from a table of runs: effects seed by seed, and a beta regression.

Runs of a model in a `brainsleep.results.table.tabulate` must differ in sleep, data and seed only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import DataError, MissingExtraError, explain
from .statistics import effect_size, interval, seed_spread

if TYPE_CHECKING:
    import pandas

#: What a table must have besides the metric.
NEEDED = ("model", "data", "seed", "sleep_fraction")


def sleep_effects(
    table: pandas.DataFrame, metric: str = "network_accuracy", resamples: int = 10_000
) -> pandas.DataFrame:
    """Compare every sleep fraction with no sleep, seed by seed.

    The `table` has one row a run, and the `metric` in a column. Returned is a row for each model,
    data set and fraction: ``n`` seeds, ``mean`` and ``sd``; over the seeds that have both, the
    ``difference`` to no sleep, its bootstrap interval ``low`` to ``high`` (percentile; too narrow
    for a handful of seeds), Student's ``t_low`` to ``t_high``, Hedges' ``g``, and every difference
    in ``differences``, by ``seeds``. NaN for no sleep itself, and where there is none to compare
    with.

    Raises
    ------
    DataError
        If columns are missing, runs were stopped by an alarm, or they differ in more than sleep,
        data and seed.
    """
    import pandas

    lines = []
    for (model, data), group in _comparable(table, metric).groupby(["model", "data"], sort=False):
        awake = group[group["sleep_fraction"] == 0].set_index("seed")[metric]
        for fraction, chosen in group.groupby("sleep_fraction"):
            own = chosen.set_index("seed")[metric]
            seeds = own.index.intersection(awake.index) if fraction else own.index[:0]
            one, other = own.loc[seeds].to_numpy(), awake.loc[seeds].to_numpy()
            low, high = float("nan"), float("nan")
            if len(seeds) > 1:
                low, high = interval(one - other, resamples, np.random.default_rng(0))
            spread, by_seed = seed_spread(own.to_numpy()), seed_spread(one - other)
            line = {"model": model, "data": data, "sleep_fraction": fraction}
            line |= {"n": spread.n, "mean": spread.mean, "sd": spread.sd}
            line |= {"difference": by_seed.mean, "low": low, "high": high}
            line |= {"t_low": by_seed.low, "t_high": by_seed.high, "g": effect_size(one, other)}
            lines.append(line | {"differences": (one - other).tolist(), "seeds": seeds.tolist()})
    return pandas.DataFrame(lines)


@dataclass(frozen=True, eq=False)
class BetaFit:
    """A beta regression of `n` runs, by a formula.

    Its `terms` have columns ``term``, ``estimate`` (log odds; of ``precision`` its logarithm),
    ``low``, ``high`` (95 %) and ``p``. NaN for what the fit does not say: everything if it did not
    converge; intervals and ``p`` if there are no more `groups`, pairs of data set and seed, than
    terms of the mean. The `note` is what the fit can and cannot say.
    """

    formula: str
    terms: pandas.DataFrame
    n: int
    groups: int
    converged: bool
    note: str


def beta_regression(table: pandas.DataFrame, metric: str = "network_accuracy") -> BetaFit:
    """Fit accuracy ~ sleep fraction x model with a beta likelihood.

    Fractions are levels, compared with the smallest; data sets have levels of their own; runs of
    one data set and seed share images and start, so the covariance is clustered by them. Values
    of 0 and 1, which a beta distribution excludes, are moved inside by half a run. The `table` has
    one row a run, and the `metric` in a column.

    Raises
    ------
    DataError
        If columns are missing, values lie outside of 0 to 1, runs were stopped by an alarm or
        differ in more than sleep, data and seed, or there are too few of them.
    MissingExtraError
        Without statsmodels.

    References
    ----------
    Ferrari & Cribari-Neto (2004), doi:10.1080/0266476042000214501; Smithson & Verkuilen (2006),
    doi:10.1037/1082-989X.11.1.54.
    """
    try:
        from statsmodels.othermod.betareg import BetaModel
    except ImportError as error:
        raise MissingExtraError(
            "statistics: needs statsmodels: pip install 'brainsleep[analysis]'"
        ) from error
    import pandas

    table = _comparable(table, metric)
    values, n = table[metric].to_numpy(float), len(table)
    if values.min() < 0 or values.max() > 1:
        got = f"{values.min():.4g} to {values.max():.4g}"
        raise DataError(explain(f"beta regression: {metric}", got, "values from 0 to 1"))
    levels = {name: table[name].nunique() for name in NEEDED}
    if levels["sleep_fraction"] < 2:
        raise DataError(explain("beta regression: sleep fractions", "one", "at least two"))
    formula = "accuracy ~ C(sleep_fraction)"
    formula += " * C(model)" if levels["model"] > 1 else ""
    formula += " + C(data)" if levels["data"] > 1 else ""
    frame = table[[*NEEDED]].assign(accuracy=(values * (n - 1) + 0.5) / n)
    groups = pandas.factorize(frame["data"].astype(str) + " " + frame["seed"].astype(str))[0]
    model = BetaModel.from_formula(formula, frame)
    n_groups, n_terms = int(groups.max()) + 1, model.exog.shape[1]
    if n <= n_terms + 1 or np.linalg.matrix_rank(model.exog) < n_terms:
        raise DataError(
            f"beta regression: {n} runs do not determine {n_terms} terms; every fraction is "
            "needed for every model, and more than one seed"
        )
    how = {"cov_type": "cluster", "cov_kwds": {"groups": groups}} if n_groups > 1 else {}
    try:
        fit = model.fit(disp=0, **how)
    except (ValueError, FloatingPointError, np.linalg.LinAlgError) as error:
        raise DataError(f"beta regression: it cannot be fitted ({error})") from error
    converged = bool(fit.mle_retvals["converged"])
    terms = pandas.DataFrame({"term": fit.model.exog_names, "estimate": np.asarray(fit.params)})
    terms[["low", "high"]], terms["p"] = np.asarray(fit.conf_int()), np.asarray(fit.pvalues)
    if not converged:
        terms["estimate"] = float("nan")
    if not converged or n_groups <= n_terms:
        terms[["low", "high", "p"]] = float("nan")
    return BetaFit(formula, terms, n, n_groups, converged, _note(n_groups, n_terms, converged))


def _note(groups: int, terms: int, converged: bool) -> str:
    if not converged:
        return "NOT CONVERGED: the fit says nothing; more seeds help"
    few = ", too few for clustered intervals to be trusted" if groups < 20 else ""
    if groups <= terms:
        few = f", too few for intervals and p of {terms} terms: more seeds are needed"
    return (
        f"{groups} groups of data set and seed{few}; data sets are fixed levels and seeds only "
        "widen the intervals: statsmodels fits no beta model with random intercepts (bambi does: "
        "see docs/statistics.md)"
    )


def _comparable(table: pandas.DataFrame, metric: str) -> pandas.DataFrame:
    """Return the runs that have the metric; check that they can be compared."""
    table = measured(table, metric, (*NEEDED, metric))
    for name in ("seed", "sleep_fraction", metric):
        _check_numbers(table, name)
    for (model, data), group in table.groupby(["model", "data"]):
        for name in group:
            if str(name).startswith("set.") and group[name].nunique(dropna=False) > 1:
                got = f"runs of {model} on {data} differ in {name}, too"
                fix = f"choose with --where {name}={group[name].iloc[0]}"
                raise DataError(f"table: {got}; {fix}")
        if group.duplicated(["sleep_fraction", "seed"]).any():
            got = f"more than one run of {model} on {data} with the same sleep and seed"
            raise DataError(f"table: {got}; choose with --where{_apart(group)}")
    return table


def measured(table: pandas.DataFrame, metric: str, columns: tuple[str, ...]) -> pandas.DataFrame:
    """Return the runs that have a metric, if that is a number of each and they ran to their end.

    `DataError` if not, or if one of the columns is missing.
    """
    if missing := [name for name in columns if name not in table]:
        raise DataError(explain("table: columns", f"none called {missing[0]}", ", ".join(columns)))
    if stopped := int(table["stopped_s"].notna().sum()) if "stopped_s" in table else 0:
        got = f"{stopped} of {len(table)} runs were stopped by an alarm before their end"
        fix = "let them finish, or leave them out with --where stopped_s=nan"
        raise DataError(f"table: {got}; {fix}")
    table = table[table[metric].notna()]
    if not len(table):
        raise DataError(f"table: no run has a value of {metric}")
    _check_numbers(table, metric)
    return table


def _check_numbers(table: pandas.DataFrame, name: str) -> None:
    if table[name].dtype.kind not in "iuf" or not np.isfinite(table[name]).all():
        raise DataError(explain(f"table: column {name}", "other values", "finite numbers"))


def _apart(group: pandas.DataFrame) -> str:
    """Name a column and value that leave one run of each sleep and seed, if there are such."""
    pairs = ["sleep_fraction", "seed"]
    n = len(group.drop_duplicates(pairs))
    for name in group:
        for value, count in group[name].value_counts().items():
            if count == n and not group[group[name] == value].duplicated(pairs).any():
                return f", for example {name}={value}"
    return ""

"""The commands ``brainsleep table`` and ``brainsleep statistics``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from .console import import_brian2, key_values, rich_table, stderr, stdout


def table(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="folder of results")],
    out: Annotated[Path, typer.Option("--out", help="file to write: .csv or .parquet")],
    grids: Annotated[
        list[str] | None,
        typer.Option("--grid", metavar="GRID.toml", help="only its rows, labelled as in it"),
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option("--drop", metavar="PATTERN", help="leave columns out, such as 'version.*'"),
    ] = None,
) -> None:
    """Write one row a run: settings, metrics, times and versions as columns."""
    from fnmatch import fnmatchcase

    import_brian2()
    from ..results.table import tabulate, write
    from ..sweep.grid import read_grids

    rows = [row for source in grids or () for grid in read_grids(source) for row in grid.rows()]
    frame = tabulate(folder, rows if grids else None)
    left_out = [c for c in frame if any(fnmatchcase(c, pattern) for pattern in drop or ())]
    frame = frame.drop(columns=left_out)
    write(frame, out)
    stderr.print(f"{len(frame)} rows, {len(frame.columns)} columns")
    print(out)


def statistics(
    source: Annotated[
        Path, typer.Argument(metavar="TABLE|DIR", help="table of runs, or folder of results")
    ],
    metric: Annotated[str, typer.Option("--metric", help="column between 0 and 1")] = (
        "network_accuracy"
    ),
    where: Annotated[
        list[str] | None,
        typer.Option("--where", metavar="COLUMN=VALUE", help="choose runs; may be repeated"),
    ] = None,
) -> None:
    """Print what sleep changes: effects with intervals, and the beta regression."""
    from ..analysis.effects import beta_regression, sleep_effects
    from ..results.table import choose, read, tabulate

    frame = tabulate(source) if source.is_dir() else read(source)
    frame = choose(frame, key_values(where or (), "--where"))
    columns = ("network, data", "sleep %", "n", "mean %", "gain, points", "g", "every seed")
    rows = [
        (
            f"{effect.model}, {effect.data}",
            f"{100 * effect.sleep_fraction:.3g}",
            effect.n,
            f"{100 * effect.mean:.1f}",
            f"{_signed(effect.difference)} {_between(effect.low, effect.high)}",
            _signed(effect.g / 100),
            " ".join(_signed(each) for each in effect.differences),
        )
        for effect in sleep_effects(frame, metric).itertuples()
    ]
    title = f"{metric}; gain over no sleep with the same seed, 95 % bootstrap interval"
    stdout.print(rich_table(columns, rows, title))
    fit = beta_regression(frame, metric)
    terms = (
        (
            t.term,
            _known("{:+.3f}", t.estimate),
            _known("{:+.3f} to {:+.3f}", t.low, t.high),
            _known("{:.2g}", t.p),
        )
        for t in fit.terms.itertuples()
    )
    stdout.print(rich_table(("term", "log odds", "95 % interval", "p"), terms, fit.formula))
    stdout.print(fit.note, markup=False)


def _known(layout: str, *values: float) -> str:
    return layout.format(*values) if all(map(math.isfinite, values)) else "-"


def _signed(value: float) -> str:
    return f"{100 * value:+.1f}" if math.isfinite(value) else ""


def _between(low: float, high: float) -> str:
    return f"({_signed(low)} to {_signed(high)})" if math.isfinite(low) else ""

"""The commands that write what is in results: ``report``, ``export``, ``table``, ``statistics``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from .console import Result, key_values, rich_table, stderr, stdout


def report(
    source: Annotated[
        Path, typer.Argument(metavar="RESULT|DIR", help="a result, or a folder of results")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE.html",
            help="file to write; if not given RESULT.html beside the result, or DIR/report.html",
        ),
    ] = None,
    each: Annotated[
        bool, typer.Option("--each", help="of a folder: also a page of every run, linked to")
    ] = False,
) -> None:
    """Write one HTML page with all there is to see of a result, or of a folder of results.

    The page has everything inside: alarms, figures, tables, equations, and the command that makes
    the result again. It fetches nothing, so it can be sent and kept as it is. Weights, spikes and
    traces of one run can be zoomed; where scripts are off, pictures stand in their places.
    """
    from ..show.report import report as write

    print(write(source, out, each=each))


def export(
    result: Result,
    to: Annotated[
        Path,
        typer.Option(
            "--to",
            metavar="FILE",
            help="file to write: .csv or .parquet, a table; .nix, .h5 or .nwb, all there is",
        ),
    ],
    what: Annotated[
        str, typer.Option("--what", help="which table: weights, slots, statistics or spikes")
    ] = "weights",
) -> None:
    """Write a result to a file for other programs."""
    from ..export.export import export as write
    from ..results.store import read_result

    print(write(read_result(result), to, what))


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

    from ..results.table import tabulate, write
    from ..sweep.grid import read_grids

    rows = [row for source in grids or () for grid in read_grids(source) for row in grid.rows()]
    frame = tabulate(folder, rows if grids else None)
    kept = [c for c in frame if not any(fnmatchcase(c, pattern) for pattern in drop or ())]
    frame = frame[kept]
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
            f"{_signed('{:+.1f}', effect.difference)} "
            + _signed("({:+.1f} to {:+.1f})", effect.low, effect.high),
            _finite("{:+.1f}", effect.g, otherwise=""),
            " ".join(_signed("{:+.1f}", each) for each in effect.differences),
        )
        for effect in sleep_effects(frame, metric).itertuples()
    ]
    title = f"{metric}; gain over no sleep with the same seed, 95 % bootstrap interval"
    stdout.print(rich_table(columns, rows, title))
    fit = beta_regression(frame, metric)
    terms = (
        (t.term, _finite("{:+.3f}", t.estimate), _finite("{:+.3f} to {:+.3f}", t.low, t.high),
         _finite("{:.2g}", t.p))
        for t in fit.terms.itertuples()
    )  # fmt: skip
    stdout.print(rich_table(("term", "log odds", "95 % interval", "p"), terms, fit.formula))
    stdout.print(fit.note, markup=False)


def _finite(layout: str, *values: float, otherwise: str = "-") -> str:
    return layout.format(*values) if all(map(math.isfinite, values)) else otherwise


def _signed(layout: str, *shares: float) -> str:
    return _finite(layout, *(100 * share for share in shares), otherwise="")

"""The commands that write what is in results: ``report``, ``export`` and ``table``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from .console import stderr, stdout


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
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="its folder")],
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
    out: Annotated[
        Path | None,
        typer.Option("--out", help="file to write: .csv or .parquet (default: print it)"),
    ] = None,
    grids: Annotated[
        list[str] | None,
        typer.Option("--grid", metavar="GRID.toml", help="only its rows, labelled as in it"),
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option("--drop", metavar="PATTERN", help="leave columns out, such as 'version.*'"),
    ] = None,
) -> None:
    """Write one row a run: grid and condition, settings, metrics, times and versions as columns.

    Without --out it goes to the standard output as CSV; a terminal gets the main numbers only.
    """
    from fnmatch import fnmatchcase

    from ..results.table import tabulate, write
    from ..sweep.grid import read_grids

    rows = [row for source in grids or () for grid in read_grids(source) for row in grid.rows()]
    frame = tabulate(folder, rows if grids else None)
    kept = [c for c in frame if not any(fnmatchcase(c, pattern) for pattern in drop or ())]
    if out is not None:
        write(frame[kept], out)
        stderr.print(f"{len(frame)} rows, {len(kept)} columns")
        print(out)
    elif sys.stdout.isatty():
        _print_runs(folder, list(frame["run_id"]))
        stderr.print(f"{len(kept)} columns in all: --out runs.csv writes them", highlight=False)
    else:
        frame[kept].to_csv(sys.stdout, index=False)


def _print_runs(folder: Path, ids: list[str]) -> None:
    """Print the main numbers of runs."""
    from ..results.store import read_result
    from ..show.conditions import by_run
    from ..show.table import Table, short

    title, columns, rows = by_run([read_result(folder / run_id) for run_id in dict.fromkeys(ids)])
    wide = [
        2 + max(len(short(value)) for value in column)
        for column in zip(columns, *rows, strict=True)
    ]
    known = columns.index("run") + 1
    fit = max(known + 1, *(n for n in range(len(wide) + 1) if sum(wide[:n]) <= stdout.width))
    stdout.print(Table(title, columns[:fit], [row[:fit] for row in rows]))
    if left := columns[fit:]:
        stderr.print(
            f"no room for: {', '.join(left)}", markup=False, highlight=False, soft_wrap=True
        )

"""The command ``brainsleep report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .console import import_brian2


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
) -> None:
    """Write one HTML page with all there is to see of a result, or of a folder of results.

    The page has everything inside: alarms, figures, tables, equations, and the command that makes
    the result again. It runs no script and fetches nothing, so it can be sent and kept as it is.
    """
    import_brian2()
    from ..show.report import report as write

    print(write(source, out))

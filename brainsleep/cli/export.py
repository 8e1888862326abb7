"""The command ``brainsleep export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .console import import_brian2


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
        str,
        typer.Option("--what", help="which table: weights, slots, statistics or spikes"),
    ] = "weights",
) -> None:
    """Write a result to a file for other programs."""
    import_brian2()
    from ..export.export import export as write
    from ..results.store import read_result

    print(write(read_result(result), to, what))

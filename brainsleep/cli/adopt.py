"""The command ``brainsleep adopt``: a Brian2 script as a study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def adopt(
    script: Annotated[Path, typer.Argument(metavar="SCRIPT", help="script of Brian2")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", help="folder to write; by default SCRIPT_study"),
    ] = None,
) -> None:
    """Turn a Brian2 script into a study: models, a protocol, and values as data beside them.

    The script is run up to its end, but nothing is simulated.
    """
    from ..adoption.script import adopt_script
    from ..adoption.study import write_study

    protocol = adopt_script(script)
    folder = out or Path(f"{script.stem}_study")
    for path in write_study(protocol, folder, script.name):
        print(path)
    print(f"brainsleep run {folder / protocol.name}.py")

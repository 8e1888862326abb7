"""The command ``brainsleep figure``, and how a figure is found and drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import FigureError, explain
from ..files.atomic import written_for


def figure(
    name: Annotated[str, typer.Argument(metavar="NAME", help="name of a shipped figure")],
    results: Annotated[
        list[Path], typer.Argument(metavar="RESULT|DIR...", help="results, or folders")
    ],
    out: Annotated[Path, typer.Option("--out", help="file to write: .png, .pdf or .svg")],
    labels: Annotated[
        list[str] | None,
        typer.Option("--label", metavar="LABEL", help="name of a result; one for each, in order"),
    ] = None,
) -> None:
    """Draw a figure from stored results."""
    from ..files.load import load_module
    from ..results.store import read_result
    from ..results.table import results_in

    check_file(out)
    if labels and len(labels) != len(results):
        expected = f"{len(results)}, one for each result"
        raise FigureError(explain("figure: number of --label", len(labels), expected))
    chosen = []
    for path in results:  # a result, or a folder of some
        one = path.name == "result.json" or (path / "result.json").exists() or labels
        chosen += [read_result(path)] if one else results_in(path)
    draw(load_module(name, "figure"), chosen, labels or None, out)
    print(out)


def check_file(path: Path) -> None:
    """Raise `FigureError` if a figure cannot be written under this name."""
    if path.suffix not in (".png", ".pdf", ".svg"):
        raise FigureError(explain("figure file", path.name, "a name ending .png, .pdf or .svg"))
    if path.parent.exists() and not path.parent.is_dir():
        raise FigureError(explain("figure file", path, "a path inside a folder"))


def figure_of(module: Any, protocol: str) -> Any:
    """Return the module of the figure that a protocol's module names, or that is called like it."""
    from ..files.load import load_module, shipped

    name, choices = str(getattr(module, "FIGURE", protocol)), shipped("figure")
    if name not in choices and not name.endswith(".py"):
        allowed = f"one of: {', '.join(choices)}"
        fix = "name one as FIGURE beside CONDITIONS"
        raise FigureError(explain(f"compare: figure of protocol {protocol}", name, allowed, fix))
    return load_module(name, "figure")


def draw(figure: Any, results: list, labels: list[str] | None, path: Path) -> None:
    """Draw a figure, which a module defines, to a file."""
    drawing = figure.draw(results, labels)
    with written_for("figure file", path, FigureError) as temporary:
        drawing.savefig(temporary)

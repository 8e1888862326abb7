"""The command ``brainsleep figure``, and how a figure is found and drawn."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from ..errors import FigureError, explain
from ..files.atomic import written_for
from .console import figure_names, key_values, rich_table, stdout


class FigureCommand(TyperCommand):
    """A command whose help ends with the figures that there are."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help, then each figure with the first line of its file."""
        super().format_help(ctx, formatter)
        stdout.print(rich_table(("figure", "what it shows"), figures()))


def figures() -> list[tuple[str, str]]:
    """Return the figures by name, each with what it shows; none is imported."""
    from ..files.load import SHIPPED, shipped

    (folder,) = importlib.import_module(SHIPPED["figure"]).__path__
    files = ((name, Path(folder) / f"{name}.py") for name in shipped("figure"))
    documents = ((name, ast.get_docstring(ast.parse(path.read_text()))) for name, path in files)
    return [(name, (text or "").partition("\n")[0]) for name, text in documents]


def figure(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="one of those listed below", autocompletion=figure_names
        ),
    ],
    results: Annotated[
        list[Path], typer.Argument(metavar="RESULT|DIR...", help="results, or folders")
    ],
    out: Annotated[Path, typer.Option("--out", help="file to write: .png, .pdf or .svg")],
    labels: Annotated[
        list[str] | None,
        typer.Option("--label", metavar="LABEL", help="name of a result; one for each, in order"),
    ] = None,
    grids: Annotated[
        list[str] | None,
        typer.Option("--grid", metavar="FILE", help="of folders, only the rows of a grid"),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            metavar="KEY=VALUE",
            help="of folders, only runs with this in a column of their table, such as "
            "condition=sleep or seed=0; may be repeated",
        ),
    ] = None,
) -> None:
    """Draw a figure from stored results."""
    from ..files.load import load_module

    check_file(out)
    if labels and (grids or where):
        got, allowed = "--label with --grid or --where", "--label with single results"
        raise FigureError(explain("figure", got, allowed))
    if labels and len(labels) != len(results):
        expected = f"{len(results)}, one for each result"
        raise FigureError(explain("figure: number of --label", len(labels), expected))
    chosen = chosen_results(results, grids or (), where or (), whole=bool(labels))
    draw(load_module(name, "figure"), chosen, labels or None, out)
    print(out)


def chosen_results(
    paths: Sequence[Path], grids: Sequence[str], where: Sequence[str], *, whole: bool = False
) -> list[Any]:
    """Return the results that paths name; with `grids` or `where`, some of those in folders.

    A path that is no result is a folder of some, unless all are to be `whole` results.
    """
    from ..results.store import read_result
    from ..results.table import choose, results_in, tabulate
    from ..sweep.grid import read_grids

    found: list[Any] = []
    for path in paths:
        if whole or path.name == "result.json" or (path / "result.json").exists():
            if grids or where:
                got, allowed = f"the result {path}", "folders of results"
                raise FigureError(explain("figure: --grid and --where", got, allowed))
            found.append(read_result(path))
        elif grids or where:
            rows = [row for source in grids for grid in read_grids(source) for row in grid.rows()]
            frame = choose(tabulate(path, rows if grids else None), key_values(where, "--where"))
            found += [read_result(path / run_id) for run_id in dict.fromkeys(frame["run_id"])]
        else:
            found += results_in(path)
    return found


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

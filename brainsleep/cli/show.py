"""The commands that only print: ``brainsleep show``, ``models`` and ``protocols``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from .console import (
    DataName,
    ModelName,
    Settings,
    protocol_names,
    protocol_with,
    rich_table,
    stdout,
)

if TYPE_CHECKING:
    from ..show.catalogue import Family


def show(
    source: Annotated[
        str,
        typer.Argument(
            metavar="PROTOCOL|MODEL",
            help="shipped name, .py file, or FILE:NAME",
            autocompletion=protocol_names,
        ),
    ],
    settings: Settings = None,
    model: ModelName = "",
    data: DataName = None,
    full: Annotated[
        bool,
        typer.Option("--full", help="final equations, parameters, schedule and all settings"),
    ] = False,
    latex: Annotated[
        bool, typer.Option("--latex", help="as LaTeX for the methods section of a paper")
    ] = False,
    brian2: Annotated[
        bool, typer.Option("--brian2", help="as a plain Brian2 script, which needs nothing else")
    ] = False,
    seed: Annotated[
        int, typer.Option(min=0, help="of the values and wiring in the script, with --brian2")
    ] = 0,
) -> None:
    """Print what a protocol is, on one screen; or a model of one."""
    from ..show.describe import describe, describe_part
    from ..show.summary import of_protocol

    part = None if settings or data or model else _part(source)
    what = part or protocol_with(source, settings, data, model)
    if brian2:
        print(_script(what, source, seed), end="")
        return
    if latex:
        from ..show.methods import methods

        print(methods(what), end="")
        return
    whole = describe(what) if full else of_protocol(what, source)
    for piece in describe_part(part) if part else whole:
        stdout.print(piece)


def _script(what: Any, source: str, seed: int) -> str:
    """Return a protocol as a plain Brian2 script."""
    from ..adoption.plain_script import as_brian2
    from ..errors import ProtocolError, explain
    from ..experiment.protocol import Protocol

    if not isinstance(what, Protocol):
        got, fix = f"a {type(what).__name__}", "a model alone does not run"
        raise ProtocolError(explain(f"show {source} --brian2", got, "a protocol", fix))
    return as_brian2(what, seed)


def models() -> None:
    """List the models that come with the package, by file, with what is verified of them."""
    from ..show import catalogue

    for family in catalogue.models():
        stdout.print(f"{family.name}: {family.text}", markup=False, style="bold")
        _print_sources(family)
        rows = ((f"{family.name}:{each.name}", each.kind, each.text) for each in family.entries)
        stdout.print(rich_table(("reference", "kind", "what it is"), rows))


def protocols() -> None:
    """List the protocols that come with the package, those with published numbers first."""
    from ..show import catalogue

    families = catalogue.protocols()
    for title, wanted in (("With published numbers", True), ("Others", False)):
        stdout.print(f"{title}\n", style="bold")
        for family in (each for each in families if bool(each.verified) == wanted):
            stdout.print(f"{family.name}: {family.text}", markup=False)
            _print_sources(family)
            if more := [each.name for each in family.entries if each.name != "PROTOCOL"]:
                others = ", ".join(f"{family.name}:{name}" for name in more)
                stdout.print(f"  also: {others}", markup=False)
            stdout.print()


def _print_sources(family: Family) -> None:
    """Print where a family is from and what is verified of it."""
    if family.references:
        stdout.print(f"  {', '.join(family.references)}", markup=False)
    for text in family.checks:
        stdout.print(f"  verified: {text}", markup=False)


def _part(source: str) -> Any:
    """Return the model or network that a reference names, or None if it names a protocol."""
    from ..files.load import load, shipped
    from ..network.models import Model
    from ..network.spec import Network

    module = source.rpartition(":")[0]
    if not module.endswith(".py") and module not in shipped("model"):
        return None
    part = load(source)
    return part if isinstance(part, Model | Network) else None

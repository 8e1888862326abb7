"""The commands that only print: ``brainsleep show``, ``info``, ``models`` and ``protocols``."""

from __future__ import annotations

import inspect
import re
from typing import Annotated, Any

import typer

from .console import DataName, ModelName, Result, Settings, protocol_with, rich_table, stdout


def show(
    source: Annotated[
        str, typer.Argument(metavar="PROTOCOL|MODEL", help="shipped name, .py file, or FILE:NAME")
    ],
    settings: Settings = None,
    model: ModelName = "",
    data: DataName = None,
    latex: Annotated[
        bool, typer.Option("--latex", help="as LaTeX for the methods section of a paper")
    ] = False,
) -> None:
    """Print a protocol (sizes, final equations, parameters, schedule), or a model of one."""
    from ..show.describe import describe, describe_part

    part = None if settings or data or model else _part(source)
    what = part or protocol_with(source, settings, data, model)
    if latex:
        from ..show.methods import methods

        print(methods(what), end="")
        return
    for piece in describe_part(part) if part else describe(what):
        stdout.print(piece)


def info(result: Result) -> None:
    """Print what a stored result is, what made it and what was measured."""
    from ..results.store import as_stored, read_result
    from ..show import facts, health

    stored = read_result(result)
    with as_stored(stored):
        stdout.print(facts.provenance(stored)._replace(title=str(stored.path)))
        if stored.stopped:
            stdout.print(f"stopped {facts.stopped(stored)}: {stored.stopped['text']}", markup=False)
        if stored.alarms:
            rows = [(each.text, each.when) for each in health.stored(stored)]
            stdout.print(rich_table(("alarm", "when"), rows))
        stdout.print(rich_table(("metric", "value"), stored.metrics.items()))
        if (recorded := facts.recorded(stored)).rows:
            stdout.print(recorded)


def models() -> None:
    """List the models that come with the package, by file."""
    from ..experiment.stages import SleepStage
    from ..files.load import load_module, shipped
    from ..network.models import Model
    from ..network.spec import Network

    rows = []
    for source in shipped("model"):
        module = load_module(source, "model")
        for label in re.findall(r"(?m)^([A-Z][A-Z\d_]*) =", inspect.getsource(module)):
            if isinstance(value := getattr(module, label), Model | Network | SleepStage):
                references = ", ".join(getattr(value, "references", ()))
                rows.append((f"{source}:{label}", type(value).__name__, value.name, references))
    stdout.print(rich_table(("reference", "kind", "name", "source"), rows))


def protocols() -> None:
    """List the protocols that come with the package."""
    from ..files.load import load_module, shipped

    modules = ((source, load_module(source, "protocol")) for source in shipped("protocol"))
    rows = [(source, module.PROTOCOL.description) for source, module in modules]
    stdout.print(rich_table(("protocol", "what it is"), rows))


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

"""The commands that only print: ``brainsleep show``, ``info``, ``models`` and ``protocols``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .console import DataName, ModelName, Settings, number, protocol_with, rich_table, stdout


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

    found = None if settings or data or model else _part(source)
    whole = found or protocol_with(source, settings, data, model)
    if latex:
        from ..show.methods import methods

        print(methods(whole), end="")
        return
    for part in describe_part(found) if found else describe(whole):
        stdout.print(part)


def info(result: Annotated[Path, typer.Argument(metavar="RESULT", help="its folder")]) -> None:
    """Print what a stored result is, what made it and what was measured."""
    from ..results.store import as_stored, read_result

    found = read_result(result)
    with as_stored(found):
        _print_result(found)


def models() -> None:
    """List the models that come with the package, by file."""
    from ..experiment.stages import SleepStage
    from ..files.load import load_module, shipped
    from ..network.models import Model
    from ..network.spec import Network

    kinds = (Model, Network, SleepStage)
    rows = []
    for source in shipped("model"):
        module = load_module(source, "model")
        for label, value in vars(module).items():
            own = getattr(value, "name", None)
            if isinstance(value, kinds) and label.isupper() and _defined_in(module, label):
                references = ", ".join(getattr(value, "references", ()))
                rows.append((f"{source}:{label}", type(value).__name__, own, references))
    stdout.print(rich_table(("reference", "kind", "name", "source"), rows))


def protocols() -> None:
    """List the protocols that come with the package."""
    from ..files.load import load_module, shipped

    rows = []
    for source in shipped("protocol"):
        module = load_module(source, "protocol")
        rows.append((source, getattr(getattr(module, "PROTOCOL", None), "description", "")))
    stdout.print(rich_table(("protocol", "what it is"), rows))


def _part(source: str) -> Any:
    """Return the model or network that a reference names, or None if it names a protocol."""
    from ..files.load import load, shipped
    from ..network.models import Model
    from ..network.spec import Network

    module = source.rpartition(":")[0]
    if not module.endswith(".py") and module not in shipped("model"):
        return None
    found = load(source)
    return found if isinstance(found, Model | Network) else None


def _print_result(found: Any) -> None:
    facts = {
        "run": found.run_id,
        "protocol": found.described["name"],
        "data": f"{found.data.name} ({found.data.fingerprint[:12]})",
        "seed": found.seed,
        "backend": found.backend,
        "compiler": found.compiler or "-",
        "versions": ", ".join(f"{k} {v}" for k, v in found.versions.items()),
        "timings": ", ".join(f"{k} {v:.1f}" for k, v in found.timings.items()),
    }
    if found.stopped:
        facts["stopped"] = f"after {found.stopped['at_s']:.6g} s: {found.stopped['text']}"
    stdout.print(rich_table(("what", "value"), facts.items(), str(found.path)))
    if found.alarms:
        stdout.print(rich_table(("alarm", "over after s"), map(_alarm_row, found.alarms)))
    rows = [(k, number(v)) for k, v in found.metrics.items()]
    stdout.print(rich_table(("metric", "value"), rows))


def _alarm_row(alarm: dict) -> tuple[str, str]:
    until = alarm.get("until_s")
    return alarm["text"], "-" if until is None else f"{until:.6g}"


def _defined_in(module: Any, name: str) -> bool:
    """Tell whether a module assigns `name` itself instead of importing it."""
    import ast
    import inspect

    tree = ast.parse(inspect.getsource(module))
    targets = [t for node in tree.body if isinstance(node, ast.Assign) for t in node.targets]
    return any(isinstance(t, ast.Name) and t.id == name for t in targets)

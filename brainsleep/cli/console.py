"""What the commands share: consoles, options, the protocol asked for, tables, numbers as text."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from ..errors import ProtocolError, explain
from ..show.table import rich_table as rich_table

stdout, stderr = Console(soft_wrap=True, highlight=False), Console(stderr=True)


def protocol_names(incomplete: str) -> list[str]:
    """Complete the name of a protocol: those that come with the package."""
    from ..files.load import shipped

    return [name for name in shipped("protocol") if name.startswith(incomplete)]


def figure_names(incomplete: str) -> list[str]:
    """Complete the name of a figure."""
    from ..files.load import shipped

    return [name for name in shipped("figure") if name.startswith(incomplete)]


Source = Annotated[
    str,
    typer.Argument(
        metavar="PROTOCOL", help="shipped name or .py file", autocompletion=protocol_names
    ),
]
DataName = Annotated[str | None, typer.Option("--data", help="data set: a name, file or folder")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="change a setting; may be repeated"),
]
BackendName = Annotated[
    str | None,
    typer.Option(
        "--backend",
        help="numpy, cython, cpp or cuda; torch or torch-cuda (default: cpp if possible, or torch)",
    ),
]
ModelName = Annotated[
    str, typer.Option("--model", help="another network: of the protocol's MODELS, or FILE.py:NAME")
]
StopOn = Annotated[
    list[str] | None,
    typer.Option(
        "--stop-on",
        metavar="ALARM",
        help="end a run at this alarm and keep what there is: saturation, silence, runaway, nan; "
        "may be repeated, or with commas",
    ),
]
Out = Annotated[Path, typer.Option("--out", help="folder of results")]


def import_brian2() -> None:
    """Import Brian2 without pylab, which it offers to interactive use: a quarter of a start."""
    if "brian2" in sys.modules or "pylab" in sys.modules:
        return
    sys.modules["pylab"] = None  # type: ignore[assignment]
    try:
        import brian2  # noqa: F401
    finally:
        del sys.modules["pylab"]


def key_values(texts: Iterable[str], option: str) -> dict[str, str]:
    """Read ``KEY=VALUE``, one a text; `ProtocolError` if one is not of that form."""
    settings = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise ProtocolError(explain(option, f"'{text}'", "KEY=VALUE"))
        settings[key.strip()] = value.strip()
    return settings


def stopping(kinds: Iterable[str] | None) -> dict[str, str]:
    """Return as a setting which alarms ``--stop-on`` ends runs at; nothing without any."""
    text = ",".join(kinds or ())
    return {"record.alarms.stop_on": text} if text else {}


def split_values(text: str) -> list[str]:
    """Split ``v1,v2`` at its commas, but not within brackets or double quotes, which go."""
    parts, depth, part, quoted = [], 0, "", False
    for letter in text:
        if letter == '"':
            quoted = not quoted
            continue
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and depth == 0 and not quoted:
            parts.append(part.strip())
            part = ""
        else:
            part += letter
    return [part for part in [*parts, part.strip()] if part]


def protocol_with(
    source: str,
    settings: list[str] | None,
    data: str | None,
    model: str,
    stop_on: list[str] | None = None,
) -> Any:
    """Load a protocol and change what options of the command line change of it."""
    from ..experiment.protocol import load_protocol

    changes = changed_by(settings, data, "", stop_on)
    return load_protocol(source, model).override(changes)


def changed_by(
    settings: list[str] | None, data: str | None, model: str, stop_on: list[str] | None = None
) -> dict[str, str]:
    """Return what options of the command line change of a protocol, by key."""
    changes = key_values(settings or (), "--set") | stopping(stop_on)
    changes |= {} if data is None else {"data.source": data}
    return changes | ({"--model": model} if model else {})

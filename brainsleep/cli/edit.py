"""The commands for editing equations: ``brainsleep new``, ``check`` and ``diff``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from .console import key_values, rich_table, stdout

if TYPE_CHECKING:
    from ..check.examine import Finding
    from ..show.difference import CodeChange


def new(
    folder: Annotated[
        Path, typer.Argument(metavar="NAME", help="folder to write; its last part is the name")
    ],
) -> None:
    """Write a small study to begin with: models to edit, a protocol, and what to type."""
    from .new_study import new_study

    for path in new_study(folder):
        print(path)


def check(
    source: Annotated[
        str, typer.Argument(metavar="FILE", help=".py file, FILE.py:NAME or shipped name")
    ],
) -> int:
    """Explain all mistakes of a models or protocol file; nothing is built or run.

    Exit code 0 if it is fine (there may be remarks), 2 if there are mistakes.
    """
    from ..check.examine import examine

    report = examine(source)
    for finding in report.mistakes:
        stdout.print(_shown(finding, "error", "red"))
    for finding in report.remarks:
        stdout.print(_shown(finding, "remark", "yellow"))
    for line in report.summary:
        stdout.print(line, markup=False)
    if report.skipped:
        names = ", ".join(report.skipped)
        stdout.print(f"not looked at, since what they need is wrong: {names}", markup=False)
    count = len(report.mistakes)
    said = f"{count or 'no'} mistake{'' if count == 1 else 's'}"
    stdout.print(f"{report.path}: {said}", markup=False)
    return 2 if count else 0


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="protocol, or folder of a result")],
    b: Annotated[str, typer.Argument(metavar="B", help="what to compare it with")],
    set_a: Annotated[
        list[str] | None,
        typer.Option("--set-a", metavar="KEY=VALUE", help="change a setting of A first"),
    ] = None,
    set_b: Annotated[
        list[str] | None,
        typer.Option("--set-b", metavar="KEY=VALUE", help="change a setting of B first"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print it as JSON")] = False,
) -> int:
    """Print what differs between two protocols or results: equations, settings, data, versions.

    Exit code 0 if nothing differs that decides the outcome of a run, 1 if something does.
    """
    import json

    from ..show.difference import difference, side

    sides = [
        side(source, key_values(settings or (), f"--set-{letter}"))
        for source, settings, letter in ((a, set_a, "a"), (b, set_b, "b"))
    ]
    all_of_it = difference(*sides)
    code = 0 if all_of_it.same else 1
    if as_json:
        print(json.dumps(all_of_it.as_dict(), indent=1))
        return code
    for change in all_of_it.code:
        stdout.print(_code(change))
    columns = ("what", *(f"{letter}: {s.label}" for s, letter in zip(sides, "AB", strict=True)))
    changes = (*all_of_it.changes, *all_of_it.aside)
    for section in dict.fromkeys(change.section for change in changes):
        note = " (do not decide the outcome)" if section in ("names", "versions") else ""
        rows = [(c.key, *c.texts()) for c in changes if c.section == section]
        stdout.print(rich_table(columns, rows, section + note))
    stdout.print("the outcome may differ" if code else "no difference that decides the outcome")
    return code


def _code(change: CodeChange) -> Text:
    text = Text(f"{change.part}, {change.label}\n", style="bold")
    colours = {"-": "red", "+": "green"}
    for line in change.lines:
        text.append(f"  {line[0]} {line[1:]}\n", style=colours.get(line[0], ""))
    return text


def _shown(finding: Finding, kind: str, colour: str) -> Text:
    """Lay out a mistake: what, the lines with the place marked, found and expected, the fix."""
    place, details = finding.place, finding.details
    text = Text(f"{finding.path}:{place.line}:{place.column}: ", style="bold")
    text.append(f"{kind}: ", style=f"bold {colour}").append(f"{finding.text}\n", style="bold")
    width = len(str(place.end_line))
    for number, line, begin, end in _marked(finding):
        text.append(f"  {number:>{width}} | ", style="dim").append(f"{line}\n")
        text.append(f"  {'':>{width}} | ", style="dim")
        text.append(" " * (begin - 1) + "^" * max(end - begin, 1) + "\n", style=f"bold {colour}")
    for label in ("found", "expected", "fix"):
        if value := getattr(details, label):
            text.append(f"    {label + ':':<10}", style="dim").append(f"{value}\n")
    return text


def _marked(finding: Finding) -> Iterator[tuple[int, str, int, int]]:
    """Yield number and text of each line, and the columns marked in it."""
    place = finding.place
    for number, line in enumerate(finding.lines, start=place.line):
        begin = place.column if number == place.line else len(line) - len(line.lstrip()) + 1
        end = place.end_column if number == place.end_line else len(line.rstrip()) + 1
        yield number, line, begin, min(end, len(line) + 1)

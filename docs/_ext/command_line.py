"""Sphinx extension: the reference of the command line, written from the commands themselves."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from sphinx.application import Sphinx

from brainsleep.cli import app as cli

INTRODUCTION = """\
Command line
============

{help}

Every command answers ``--help``. Exit codes: 0 done; 1 done, but rows of a sweep failed; 2 bad
input, with a line that says what was wrong; 130 interrupted, with everything finished so far kept.
"""


def write_page(app: Sphinx) -> None:
    """Write ``command_line.rst`` into the sources, if it has changed."""
    command = typer.main.get_command(cli.app)
    lines = [INTRODUCTION.format(help=command.help)]
    for words, each in _commands(command, ("brainsleep",)):
        lines += _command(words, each)
    path, text = Path(app.srcdir, "command_line.rst"), "\n".join(lines)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _commands(command: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Go through commands and those in groups, with the words that call them."""
    for name, each in sorted(getattr(command, "commands", {}).items()):
        if hasattr(each, "commands"):
            yield from _commands(each, (*words, name))
        elif not each.hidden:
            yield (*words, name), each


def _command(words: tuple[str, ...], command: Any) -> Iterator[str]:
    """Yield the section of a command."""
    title = " ".join(words[1:])
    context = typer.Context(command, info_name=" ".join(words))
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and not p.hidden]
    usage = [*words, *(["[OPTIONS]"] if options else []), *map(_usage, arguments)]
    yield f".. _command-{'-'.join(words[1:])}:\n"
    yield f"{title}\n{'-' * len(title)}\n"
    yield f".. code-block:: text\n\n   {' '.join(usage)}\n"
    yield f"{_text(inspect.cleandoc(command.help or ''))}\n"
    for parameter in (*arguments, *options):
        names, text = parameter.get_help_record(context) or ("", "")
        yield f"``{_name(names)}``\n   {_text(text) or chr(92)}\n"


def _usage(argument: Any) -> str:
    name = f"{argument.metavar or argument.name.upper()}{'...' if argument.nargs != 1 else ''}"
    return name if argument.required else f"[{name}]"


def _name(names: str) -> str:
    """Return an option and what it takes; an argument has told its name by its metavar."""
    return names if names.startswith("-") else names.partition(" <")[0].strip("[]{}")


def _text(help_text: str) -> str:
    """Return a help text as reStructuredText: of what is special there, only code is meant."""
    parts = re.split(r"`+([^`]+)`+", help_text)
    parts[::2] = [re.sub(r"([*|\\_]|:(?=\S))", r"\\\1", part) for part in parts[::2]]
    parts[1::2] = [f"``{part}``" for part in parts[1::2]]
    return "".join(parts)


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the page before Sphinx looks for sources."""
    app.connect("builder-inited", write_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

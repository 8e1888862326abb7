"""The command line: ``brainsleep run | compare | sweep | table | statistics | show | info | ...``.

Exit codes: 0 done; 1 done, but rows of a sweep failed; 2 bad input, with a one-line message; 130
interrupted, with everything finished so far kept. Heavy imports happen inside the commands, so
that help is quick.
"""

from __future__ import annotations

import functools
import os
import sys
import traceback
from collections.abc import Callable
from typing import Annotated, Any

import typer

from .. import __version__
from ..errors import BrainsleepError, one_line
from ..files.userfiles import reading_once
from .adopt import adopt
from .build import build, programs
from .console import import_brian2
from .edit import check, diff, new
from .figure import FigureCommand, figure
from .info import info
from .outputs import export, report, table
from .run import compare, run
from .show import models, protocols, show
from .statistics import statistics
from .sweep import sweep

app = typer.Typer(
    pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]}
)
#: Commands by the heading that they stand under in the help.
COMMANDS: dict[str, tuple[Callable[..., int | None], ...]] = {
    "Run": (run, compare, build),
    "Write and look": (models, protocols, new, adopt, show, check, diff),
    "Results": (info, figure, table, statistics, report, export),
}


def _say_version(asked: bool) -> None:
    if asked:
        print(f"brainsleep {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", help="print the version", callback=_say_version)
    ] = False,
) -> None:
    """Sleep and homeostasis in plastic spiking networks, on Brian2."""


def _with_brian2(command: Callable[..., int | None]) -> Callable[..., int | None]:
    """Have a command import Brian2 when it is called, not when its help is asked for."""

    @functools.wraps(command)
    def called(**options: Any) -> int | None:
        import_brian2()
        return command(**options)

    return called


for panel, commands in COMMANDS.items():
    for command in commands:
        kind = FigureCommand if command is figure else None
        app.command(rich_help_panel=panel, cls=kind)(_with_brian2(command))
app.add_typer(sweep, name="sweep", rich_help_panel="Run")
app.add_typer(programs, name="cache", no_args_is_help=True, rich_help_panel="Run")


def main() -> None:
    """Run the command line; see the module's docstring for exit codes."""
    try:
        with reading_once():
            code = app(sys.argv[1:] or ["--help"], standalone_mode=False)
    except BrainsleepError as error:
        _fail(str(error))
    except typer.TyperException as error:
        if not error.format_message():  # the help was printed, as there were no words
            sys.exit(2)
        _fail(error.format_message())
    except MemoryError as error:
        _fail(f"not enough memory ({one_line(error)}); make the network, data or recording smaller")
    except typer.Abort:
        code = 130
    except Exception as error:
        if not (file := _file_of_preferences(error)):
            raise
        reason = f"{type(error).__name__}: {one_line(error)}"
        _fail(f"Brian2 cannot read the preferences in {file} ({reason}); mend or remove this file")
    except BrokenPipeError:  # the reader of our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    if code == 130:
        print("interrupted: what was finished is kept; the same command goes on", file=sys.stderr)
    sys.exit(code or 0)


def _file_of_preferences(error: Exception) -> str:
    """Return the file of preferences that Brian2 was reading when it failed; '' if it was not."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_name == "load_preferences":
            return str(frame.f_locals.get("file", ""))
    return ""


def _fail(message: str) -> None:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)

"""The commands ``brainsleep sweep run``, ``plan``, ``status`` and ``retry``."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from ..errors import SweepError, explain
from .console import Out, import_brian2, stderr, stdout
from .options import spread
from .sweep_options import How, Queue, Retries, What, Where
from .sweep_view import counted, failures, in_one_line, planned, watching

if TYPE_CHECKING:
    from ..sweep.grid import Row

#: How many different errors are shown of rows that failed.
_MOST_ERRORS = 5

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="folder of results of a sweep")]


class _Group(TyperGroup):
    """The commands of a sweep, which say how what was ``sweep DEMO`` is written."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the name of the command; anything else is a `SweepError`."""
        known = ", ".join(self.commands)
        if args and args[0] not in (*self.commands, "-h", "--help") and not ctx.resilient_parsing:
            fix = f"write 'brainsleep sweep run {args[0]}'"
            if args[0] == "--status":
                fix = "write 'brainsleep sweep status DIR'"
            raise SweepError(explain("sweep", f"'{args[0]}'", f"one of: {known}", fix))
        return super().parse_args(ctx, args)


sweep = typer.Typer(
    cls=_Group, no_args_is_help=True, help="Many runs: grids of settings, conditions and seeds."
)


@sweep.command()
@spread
def run(what: What, where: Where, how: How) -> int:
    """Run every row of a grid that has no result yet; the same command goes on where it was."""
    where.check()
    return _run(what.rows(), where, how, what.asked())


@sweep.command()
@spread
def plan(
    what: What,
    queue: Queue,
    out: Out = Path("results"),
    commands: Annotated[
        bool, typer.Option("--commands", help="print one command a row instead")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="print every row and its command as JSON instead")
    ] = False,
) -> None:
    """Show the rows of a grid, and the script of its jobs; nothing is run."""
    rows = what.rows()
    if commands or as_json:
        _print_commands(rows, str(out), as_json=as_json)
        return
    if queue.name:
        from ..sweep import cluster

        stdout.print(cluster.job_script(queue.name, queue.options()), markup=False)
    table, same = planned(rows)
    stdout.print(table)
    stdout.print(same, markup=False)


@sweep.command()
def status(
    folder: Folder,
    every: Annotated[bool, typer.Option("--all", help="show all errors")] = False,
) -> None:
    """Say how many rows are finished, failed, running and waiting, and why rows failed."""
    import_brian2()
    from ..sweep.ledger import status as states

    rows = states(folder)
    stdout.print(counted(rows, str(folder)))
    for line in failures(rows, len(rows) if every else _MOST_ERRORS):
        stdout.print(line, markup=False)
    stdout.print(in_one_line(rows))
    if any(row["state"] == "failed" for row in rows):
        print(f"'brainsleep sweep retry {folder}' runs the failed rows again")


@sweep.command()
@spread
def retry(folder: Folder, where: Where, retries: Retries = 2) -> int:
    """Run the rows that failed again, each from its last checkpoint.

    Start it in the folder in which the sweep was begun: paths are as they were given there.
    """
    where.check()
    import_brian2()
    from ..sweep.grid import addressed
    from ..sweep.ledger import asked
    from ..sweep.ledger import status as states

    failed = {row["run_id"] for row in states(folder) if row["state"] == "failed"}
    if not failed:
        print("no row failed")
        return 0
    code, how = 0, How(out=folder, retries=retries)
    for each in asked(folder):
        what = What.from_asked(each, folder)
        rows = [row for row in addressed(what.rows()) if row.run_id in failed]
        failed -= {row.run_id for row in rows}
        if rows:
            code = max(code, _run(rows, where, how, what.asked(), again=True))
    if failed:
        raise SweepError(
            explain(
                f"sweep retry {folder}",
                f"{len(failed)} failed rows that no grid has now",
                "rows of the grids as they were",
                "run a grid that has changed with 'brainsleep sweep run', and one of Python's "
                "there, with Options(retry_failed=True)",
            )
        )
    return code


def _run(
    rows: Sequence[Row], where: Where, how: How, asked: Mapping[str, Any], again: bool = False
) -> int:
    """Run rows into a folder, show how far they are, and return the exit code."""
    from ..sweep.run import Options, SweepRun

    chosen = Options(replicas=where.replicas, retries=how.retries, retry_failed=again)
    sweep_run = SweepRun(rows, how.out, chosen, asked)
    with _interrupted_by(signal.SIGTERM), watching(sweep_run.rows) as watch:
        state = sweep_run.run(where.client, watch)
    for address, error in state.failed.items():
        label = sweep_run.rows[address].label
        stderr.print(f"failed: {label}: {error}", markup=False, soft_wrap=True)
    if state.failed:
        stderr.print(
            f"{len(state.failed)} of {state.total} rows failed; "
            f"'brainsleep sweep retry {how.out}' runs them again",
            markup=False,
            soft_wrap=True,
        )
    print(how.out)
    return 1 if state.failed else 0


def _print_commands(rows: Sequence[Row], out: str, *, as_json: bool) -> None:
    """Print what does each row, once for rows that are the same run."""
    from ..sweep.grid import addressed
    from ..sweep.ledger import described

    listed = []
    for row in {row.run_id: row for row in addressed(rows)}.values():
        entry, names = described(row), ("run_id", "grid", "condition", "data", "seed", "settings")
        listed.append({name: entry[name] for name in names} | {"command": row.command(out)})
    print(json.dumps(listed, indent=1) if as_json else "\n".join(row["command"] for row in listed))


@contextlib.contextmanager
def _interrupted_by(number: signal.Signals) -> Iterator[None]:
    """Take a signal, such as a queue's before it kills, as Ctrl-C."""
    before = signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(number, before)

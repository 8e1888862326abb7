"""The command ``brainsleep sweep``."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import SweepError, explain
from .console import (
    BackendName,
    ModelName,
    Out,
    Settings,
    StopOn,
    import_brian2,
    key_values,
    rich_table,
    split_values,
    stderr,
    stdout,
    stopping,
)

if TYPE_CHECKING:
    from ..sweep.grid import Grid
    from ..sweep.run import Progress

#: Seconds between lines of progress where no one watches a terminal.
_LINE_EVERY = 10.0


def _machine(*flags: str, **more: Any) -> Any:
    """Make an option that says where a sweep runs."""
    return typer.Option(*flags, rich_help_panel="Where it runs", **more)


def sweep(
    source: Annotated[str | None, typer.Argument(
        metavar="[GRID.toml|PROTOCOL]", help="grid file, shipped name or .py file")] = None,
    over: Annotated[list[str] | None, typer.Option(
        "--over", metavar="KEY=V1,V2", help="values to try; may be repeated")] = None,
    seeds: Annotated[str | None, typer.Option(
        "--seeds", help="how many, or which: 5 is 0 to 4; 3,7 are these")] = None,
    settings: Settings = None,
    data: Annotated[str | None, typer.Option(
        "--data", help="data sets, with commas: names, files or folders")] = None,
    conditions: Annotated[str | None, typer.Option(
        "--conditions", help="all, or names in the protocol's file")] = None,
    model: ModelName = "",
    only: Annotated[list[str] | None, typer.Option(
        "--only", metavar="GRID", help="one grid of the file")] = None,
    backend: BackendName = None,
    out: Out = Path("results"),
    stop_on: StopOn = None,
    retries: Annotated[int, typer.Option(
        "--retries", min=0, help="how often a row that fails is tried again")] = 2,
    retry_failed: Annotated[bool, typer.Option(
        "--retry-failed", help="also run rows that failed earlier")] = False,
    status: Annotated[Path | None, typer.Option(
        "--status", metavar="DIR", help="how far a sweep is, and stop")] = None,
    dry_run: Annotated[bool, typer.Option(
        "--dry-run", help="list rows (and the job script), run nothing")] = False,
    commands: Annotated[bool, typer.Option(
        "--commands", help="print one command a row, run nothing")] = False,
    list_rows: Annotated[bool, typer.Option(
        "--rows", help="print every row and its command as JSON, run nothing")] = False,
    workers: Annotated[int | None, _machine(
        "--workers", min=1, help="processes of this machine [default: one a core]")] = None,
    replicas: Annotated[int, _machine(
        "--replicas", metavar="R", min=1, help="rows of one network that a worker runs together: "
        "pays on a GPU (cuda); on cpp they use the worker's share of the cores")] = 1,
    scheduler: Annotated[str | None, _machine(
        "--scheduler", metavar="ADDRESS", help="a Dask scheduler that runs already")] = None,
    slurm: Annotated[bool, _machine("--slurm", help="short for --queue slurm")] = False,
    queue: Annotated[str | None, _machine(
        "--queue", help="jobs of slurm, pbs, sge, lsf, oar, moab or htcondor")] = None,
    jobs: Annotated[int, _machine("--jobs", min=1, help="jobs in the queue")] = 1,
    job: Annotated[list[str] | None, _machine(
        "--job", metavar="KEY=VALUE", help="of a job, such as walltime=01:00:00")] = None,
    dashboard: Annotated[str | None, _machine(
        "--dashboard", metavar="[HOST]:PORT",
        help="Dask's dashboard, on loopback unless a host is named [default: none]")] = None,
    tls_ca_file: Annotated[str | None, _machine(
        "--tls-ca-file", help="of a tls:// scheduler")] = None,
    tls_cert: Annotated[str | None, _machine("--tls-cert", help="of this client")] = None,
    tls_key: Annotated[str | None, _machine("--tls-key", help="of this client")] = None,
) -> int:  # fmt: skip
    """Run every row of a grid that has no result yet; start it again to go on."""
    if status is not None:
        return _print_status(status)
    if source is None:
        raise SweepError("sweep: names no grid; give a GRID.toml file or a protocol, or --status")
    queue = "slurm" if slurm and queue is None else queue
    if sum(given is not None for given in (workers, scheduler, queue)) > 1:
        raise SweepError("sweep: --workers, --scheduler and --queue exclude each other; give one")
    import_brian2()
    from ..sweep import cluster
    from ..sweep.run import Options, SweepRun

    given = {"backend": backend, "model": model or None, "conditions": conditions}
    changes: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    if conditions is not None and conditions != "all":
        changes["conditions"] = split_values(conditions)
    if seeds is not None:
        changes["seeds"] = _seeds(seeds)
    fixed = key_values(settings or (), "--set") | stopping(stop_on)
    varied = {k: split_values(v) for k, v in key_values(over or (), "--over").items()}
    if data is not None and len(sources := split_values(data)) > 1:
        varied["data.source"] = sources
    elif data is not None:
        fixed["data.source"] = data
    rows = [row for grid in _grids(source, only, fixed, varied, changes) for row in grid.rows()]
    if commands or list_rows:
        _print_commands(rows, str(out), as_json=list_rows)
        return 0
    pairs = (pair for text in job or () for pair in key_values([text], "--job").items())
    options = cluster.job_options(pairs)
    if dry_run:
        if queue:
            stdout.print(cluster.job_script(queue, options), markup=False)
        lines = ((r.grid, r.condition, r.protocol.source, r.seed, r.backend) for r in rows)
        headings = ("grid", "condition", "data", "seed", "backend")
        stdout.print(rich_table(headings, lines, f"{len(rows)} rows"))
        return 0

    def where(tasks: int) -> Any:
        if scheduler:
            tls = {"ca_file": tls_ca_file, "client_cert": tls_cert, "client_key": tls_key}
            return cluster.scheduler(scheduler, {k: v for k, v in tls.items() if v})
        if queue:
            return cluster.queue(queue, jobs, options, dashboard)
        return cluster.local(tasks, workers, dashboard)

    chosen = Options(replicas=replicas, retries=retries, retry_failed=retry_failed)
    sweep_run = SweepRun(rows, out, chosen)
    with _interrupted_by(signal.SIGTERM), _watching(sweep_run.rows) as watch:
        state = sweep_run.run(where, watch)
    for address, error in state.failed.items():
        label = sweep_run.rows[address].label
        stderr.print(f"failed: {label}: {error}", markup=False, soft_wrap=True)
    if state.failed:
        stderr.print(
            f"{len(state.failed)} of {state.total} rows failed; the same command with "
            "--retry-failed runs them again"
        )
    print(out)
    return 1 if state.failed else 0


def _print_commands(rows: Sequence[Any], out: str, *, as_json: bool) -> None:
    """Print what does each row, once for rows that are the same run."""
    from ..sweep.grid import addressed
    from ..sweep.ledger import described

    listed = []
    for row in {row.run_id: row for row in addressed(rows)}.values():
        entry, names = described(row), ("run_id", "grid", "condition", "data", "seed", "settings")
        listed.append({name: entry[name] for name in names} | {"command": row.command(out)})
    print(json.dumps(listed, indent=1) if as_json else "\n".join(row["command"] for row in listed))


def _grids(
    source: str,
    only: Sequence[str] | None,
    fixed: Mapping[str, Any],
    varied: Mapping[str, Sequence],
    changes: Mapping[str, Any],
) -> list[Grid]:
    """Read the grids, choose among them, and apply what the command line says to each."""
    from ..errors import nearest
    from ..sweep.grid import read_grids

    grids = read_grids(source)
    names = [grid.name for grid in grids]
    for name in only or ():
        if name not in names:
            raise SweepError(f"--only: no grid '{name}'; {nearest(name, names)}")
    return [
        dataclasses.replace(
            grid,
            changes={**grid.changes, **fixed},
            over={**{k: v for k, v in grid.over.items() if k not in fixed}, **varied},
            **changes,
        )
        for grid in grids
        if not only or grid.name in only
    ]


def _seeds(text: str) -> int | list[int]:
    parts = split_values(text)
    if not parts or not all(part.isdigit() for part in parts):
        raise SweepError(explain("--seeds", f"'{text}'", "a number, or numbers with commas"))
    return [int(part) for part in parts] if "," in text else int(text)


def _print_status(folder: Path) -> int:
    """Print how many rows are finished, failed and open, and why those that failed did."""
    import_brian2()
    from ..sweep.ledger import status

    rows = status(folder)
    counts: dict[tuple[str, str], Counter[str]] = {}
    for row in rows:
        counts.setdefault((row["grid"], row["data"]), Counter())[row["state"]] += 1
    states = ("finished", "failed", "open")
    lines = [(*place, *(count[state] for state in states)) for place, count in counts.items()]
    stdout.print(rich_table(("grid", "data", *states), lines, str(folder)))
    for row in rows:
        if row["state"] == "failed":
            label = f"{row['condition'] or row['grid']}, seed {row['seed']}"
            stdout.print(f"failed: {label}: {row['error']}", markup=False)
    total = sum(row["state"] == "finished" for row in rows)
    alarmed, stopped = (sum(row[key] > 0 for row in rows) for key in ("alarms", "stopped"))
    stdout.print(_finished(total, len(rows), alarmed, stopped))
    return 0


@contextlib.contextmanager
def _interrupted_by(number: signal.Signals) -> Iterator[None]:
    """Take a signal, such as a queue's before it kills, as Ctrl-C."""
    before = signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(number, before)


# -- what is seen of a sweep -------------------------------------------------------------------


@contextlib.contextmanager
def _watching(rows: Mapping[str, Any]) -> Iterator[Any]:
    """Give a function that shows the progress of a sweep: a live table, or lines of a log.

    Lines come not more often than every `_LINE_EVERY` seconds.
    """
    if stderr.is_terminal:
        from rich.live import Live

        with Live(console=stderr, refresh_per_second=4) as live:
            yield lambda state: live.update(_picture(state, rows))
        return
    last, shown = 0.0, ""

    def print_line(state: Progress) -> None:
        nonlocal last, shown
        text, now = _summary(state), time.monotonic()
        over = state.finished + len(state.failed) == state.total
        if text != shown and (over or state.message or now - last > _LINE_EVERY):
            stderr.print(text, highlight=False, markup=False)
            last, shown = now, text

    yield print_line


def _finished(finished: int, total: int, alarmed: int, stopped: int) -> str:
    alarms = f"{alarmed} with alarms" if alarmed else ""
    alarms += f", {stopped} stopped by them" if stopped else ""
    return f"{finished} of {total} rows finished" + (f" ({alarms})" if alarms else "")


def _summary(state: Progress) -> str:
    parts = [_finished(state.finished, state.total, len(state.alarmed), len(state.stopped))]
    for rows, what in ((state.failed, "failed"), (state.running, "running")):
        parts += [f"{len(rows)} {what}"] if rows else []
    if state.seconds_left > 0:
        parts.append(f"about {_duration(state.seconds_left)} left")
    return "; ".join(filter(None, (", ".join(parts), state.message)))


def _picture(state: Progress, rows: Mapping[str, Any]) -> Any:
    """Draw a bar over all rows, and one for each that runs."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    done = state.finished + len(state.failed) + sum(state.running.values())
    bar = ProgressBar(max(state.total, 1), done, width=30)
    table.add_row("all rows", bar, f"{_duration(state.seconds)} so far")
    for address, part in sorted(state.running.items(), key=lambda pair: -pair[1]):
        bar = ProgressBar(1, part, width=30)
        table.add_row(rows[address].label, bar, f"{100 * part:.0f} %")
    return Group(_summary(state), table)


def _duration(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes:.0f} min" if minutes < 90 else f"{hours:.1f} h"

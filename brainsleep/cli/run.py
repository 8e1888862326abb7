"""The commands ``brainsleep run`` and ``brainsleep compare``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import ProtocolError
from .console import (
    BackendName,
    DataName,
    ModelName,
    Out,
    Settings,
    Source,
    StopOn,
    changed_by,
    protocol_with,
    rich_table,
    stderr,
    stdout,
)
from .figure import check_file, draw, figure_of

Seed = Annotated[int, typer.Option("--seed", help="seed of the run", min=0)]
Force = Annotated[bool, typer.Option("--force", help="run again even if the result is there")]


def run(
    protocol: Source,
    settings: Settings = None,
    model: ModelName = "",
    backend: BackendName = None,
    seed: Seed = 0,
    data: DataName = None,
    out: Out = Path("results"),
    force: Force = False,
    stop_on: StopOn = None,
) -> None:
    """Run a protocol; the result's folder is the last line printed."""
    from ..results.names import Name, write_names
    from ..run.simulate import simulate

    chosen = protocol_with(protocol, settings, data, model, stop_on)
    how: dict[str, Any] = {"seed": seed, "backend": backend, "out": out, "force": force}
    with _progress() as bar:
        result = simulate(chosen, progress=bar(chosen.name), **how)
    if changes := changed_by(settings, data, model, stop_on):
        write_names(out, {result.run_id: Name("", "", {}, changes)})
    _say_stopped(result)
    print(result.path)


def compare(
    protocol: Source,
    settings: Settings = None,
    model: ModelName = "",
    backend: BackendName = None,
    seed: Seed = 0,
    data: DataName = None,
    out: Out = Path("results"),
    force: Force = False,
    stop_on: StopOn = None,
    figure: Annotated[
        Path | None, typer.Option("--figure", help="draw the protocol's figure to this file")
    ] = None,
) -> None:
    """Run a protocol under all its CONDITIONS and print a table."""
    from ..files.load import load_module
    from ..run.compare import compare as run_all
    from ..run.compare import table

    chosen = protocol_with(protocol, settings, data, model, stop_on)
    module = load_module(protocol.partition(":")[0], "protocol")
    conditions = getattr(module, "CONDITIONS", ())
    if not conditions:
        raise ProtocolError(f"compare: {protocol} defines no CONDITIONS; use 'brainsleep run'")
    if figure is not None:
        check_file(figure)
        drawing = figure_of(module, chosen.name)
    how: dict[str, Any] = {"seed": seed, "backend": backend, "out": out, "force": force}
    with _progress() as bar:
        given = changed_by(settings, data, model, stop_on)
        results = run_all(chosen, conditions, progress=bar, given=given, **how)
    frame = table(results)
    rows = frame.itertuples(index=False)
    stdout.print(rich_table(frame.columns, rows, chosen.description, compact=True))
    for name, result in results.items():
        _say_stopped(result, f"{name}: ")
        stdout.print(f"{name}: {result.path}")
    if figure is not None:
        labels = None if getattr(drawing, "SWEEP", False) else list(results)
        draw(drawing, list(results.values()), labels, figure)
        print(figure)


def _say_stopped(result: Any, label: str = "") -> None:
    """Say that a run was ended by an alarm, if it was."""
    if stopped := result.stopped:
        text = f"{label}stopped after {stopped['at_s']:.6g} s: {stopped['text']}"
        stderr.print(text, highlight=False, markup=False, soft_wrap=True)


@contextmanager
def _progress() -> Iterator[Any]:
    """Give a function that makes a progress callback for a named run."""
    from rich.progress import BarColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

    times = (TimeElapsedColumn(), TimeRemainingColumn())
    share = ("{task.description}", BarColumn(), "{task.percentage:>3.0f} %")
    with Progress(*share, *times, "{task.fields[text]}", console=stderr) as bar:

        def start(name: str) -> Any:
            task = bar.add_task(name, total=None, text="")
            return lambda done, total, text: bar.update(
                task, completed=done, total=total, text=text
            )

        yield start

"""The command line: ``brainsleep run | compare | sweep | table | statistics | show | info | ...``.

Exit codes: 0 done; 1 done, but rows of a sweep failed; 2 bad input, with a one-line message; 130
interrupted, with everything finished so far kept. Heavy imports happen inside the commands, so
that help is quick.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from . import cli_build, cli_edit, cli_export, cli_report, cli_sweep, cli_table
from .console import (
    BackendName,
    ModelName,
    Out,
    Settings,
    StopOn,
    import_brian2,
    key_values,
    number,
    rich_table,
    stderr,
    stdout,
    stopping,
)
from .errors import BrainsleepError, FigureError, ProtocolError, explain, one_line
from .files import written

app = typer.Typer(
    add_completion=False,
    help="Sleep and homeostasis in plastic spiking networks, on Brian2.",
    pretty_exceptions_enable=False,
)
app.command()(cli_sweep.sweep)
app.command()(cli_build.build)
app.add_typer(cli_build.programs, name="cache", no_args_is_help=True)
app.command()(cli_table.table)
app.command()(cli_table.statistics)
app.command()(cli_edit.new)
app.command()(cli_edit.check)
app.command()(cli_edit.diff)
app.command()(cli_report.report)
app.command()(cli_export.export)

Source = Annotated[str, typer.Argument(metavar="PROTOCOL", help="shipped name or .py file")]
Seed = Annotated[int, typer.Option("--seed", help="seed of the run", min=0)]
DataName = Annotated[str | None, typer.Option("--data", help="data set: a name, file or folder")]
Force = Annotated[bool, typer.Option("--force", help="run again even if the result is there")]


def main() -> None:
    """Run the command line; see the module's docstring for exit codes."""
    try:
        code = app(sys.argv[1:] or ["--help"], standalone_mode=False)
    except BrainsleepError as error:
        _fail(str(error))
    except typer.TyperException as error:
        _fail(error.format_message())
    except MemoryError as error:
        _fail(f"not enough memory ({one_line(error)}); make the network, data or recording smaller")
    except typer.Abort:
        code = 130
    except BrokenPipeError:  # the reader of our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    if code == 130:
        print("interrupted: what was finished is kept; the same command goes on", file=sys.stderr)
    sys.exit(code or 0)


def _fail(message: str) -> None:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)


@app.command()
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
    import_brian2()
    from .simulate import simulate

    chosen = _protocol(protocol, settings, data, model, stop_on)
    with _progress() as bar:
        result = simulate(
            chosen, seed=seed, backend=backend, out=out, force=force, progress=bar(chosen.name)
        )
    _say_stopped(result)
    print(result.path)


@app.command()
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
    import_brian2()
    from .compare import compare as run_all
    from .compare import table
    from .load import load_module

    chosen = _protocol(protocol, settings, data, model, stop_on)
    module = load_module(protocol.partition(":")[0], "protocol")
    conditions = getattr(module, "CONDITIONS", ())
    if not conditions:
        raise ProtocolError(f"compare: {protocol} defines no CONDITIONS; use 'brainsleep run'")
    if figure is not None:
        _check_figure(figure)
        drawing = _figure_of(module, chosen.name)
    with _progress() as bar:
        results = run_all(
            chosen, conditions, seed=seed, backend=backend, out=out, force=force, progress=bar
        )
    frame = table(results)
    rows = frame.itertuples(index=False)
    stdout.print(rich_table(frame.columns, rows, chosen.description, compact=True))
    for name, result in results.items():
        _say_stopped(result, f"{name}: ")
        stdout.print(f"{name}: {result.path}")
    if figure is not None:
        labels = None if getattr(drawing, "SWEEP", False) else list(results)
        _draw(drawing, list(results.values()), labels, figure)
        print(figure)


@app.command()
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
    from .describe import describe, describe_part

    found = None if settings or data or model else _part(source)
    whole = found or _protocol(source, settings, data, model)
    if latex:
        from .methods import methods

        print(methods(whole), end="")
        return
    for part in describe_part(found) if found else describe(whole):
        stdout.print(part)


@app.command()
def info(result: Annotated[Path, typer.Argument(metavar="RESULT", help="its folder")]) -> None:
    """Print what a stored result is, what made it and what was measured."""
    from .store import as_stored, read_result

    found = read_result(result)
    with as_stored(found):
        _print_result(found)


@app.command()
def figure(
    name: Annotated[str, typer.Argument(metavar="NAME", help="name of a shipped figure")],
    results: Annotated[
        list[Path], typer.Argument(metavar="RESULT|DIR...", help="results, or folders")
    ],
    out: Annotated[Path, typer.Option("--out", help="file to write: .png, .pdf or .svg")],
    labels: Annotated[
        list[str] | None,
        typer.Option("--label", metavar="LABEL", help="name of a result; one for each, in order"),
    ] = None,
) -> None:
    """Draw a figure from stored results."""
    from .load import load_module
    from .store import read_result
    from .table import results_in

    _check_figure(out)
    if labels and len(labels) != len(results):
        expected = f"{len(results)}, one for each result"
        raise FigureError(explain("figure: number of --label", len(labels), expected))
    found = []
    for path in results:  # a result, or a folder of some
        one = path.name == "result.json" or (path / "result.json").exists() or labels
        found += [read_result(path)] if one else results_in(path)
    _draw(load_module(name, "figure"), found, labels or None, out)
    print(out)


@app.command()
def models() -> None:
    """List the models that come with the package, by file."""
    from .load import load_module, shipped
    from .schedule import SleepStage
    from .spec import (
        Network,
        NeuronModel,
        PlasticityRule,
        SpontaneousActivity,
        SynapseModel,
        WeightProcess,
    )

    kinds = (
        NeuronModel,
        SynapseModel,
        PlasticityRule,
        SpontaneousActivity,
        WeightProcess,
        Network,
        SleepStage,
    )
    rows = []
    for source in shipped("model"):
        module = load_module(source, "model")
        for label, value in vars(module).items():
            own = getattr(value, "name", None)
            if isinstance(value, kinds) and label.isupper() and _defined_in(module, label):
                references = ", ".join(getattr(value, "references", ()))
                rows.append((f"{source}:{label}", type(value).__name__, own, references))
    stdout.print(rich_table(("reference", "kind", "name", "source"), rows))


@app.command()
def protocols() -> None:
    """List the protocols that come with the package."""
    from .load import load_module, shipped

    rows = []
    for source in shipped("protocol"):
        module = load_module(source, "protocol")
        rows.append((source, getattr(getattr(module, "PROTOCOL", None), "description", "")))
    stdout.print(rich_table(("protocol", "what it is"), rows))


# --------------------------------------------------------------------------------------------


def _part(source: str) -> Any:
    """Return the model or network that a reference names, or None if it names a protocol."""
    from .load import load, shipped
    from .model import Model
    from .spec import Network

    module = source.rpartition(":")[0]
    if not module.endswith(".py") and module not in shipped("model"):
        return None
    found = load(source)
    return found if isinstance(found, Model | Network) else None


def _protocol(
    source: str,
    settings: list[str] | None,
    data: str | None,
    model: str,
    stop_on: list[str] | None = None,
) -> Any:
    from .protocol import load_protocol

    changes = key_values(settings or (), "--set") | stopping(stop_on)
    if data is not None:
        changes["data.source"] = data
    return load_protocol(source, model).override(changes)


def _say_stopped(result: Any, label: str = "") -> None:
    """Say that a run was ended by an alarm, if it was."""
    if stopped := result.stopped:
        text = f"{label}stopped after {stopped['at_s']:.6g} s: {stopped['text']}"
        stderr.print(text, highlight=False, markup=False, soft_wrap=True)


def _alarm_row(alarm: dict) -> tuple[str, str]:
    until = alarm.get("until_s")
    return alarm["text"], "-" if until is None else f"{until:.6g}"


def _print_result(found: Any) -> None:
    facts = {
        "run": found.info["run_id"],
        "protocol": found.info["protocol"]["name"],
        "data": f"{found.info['data']['name']} ({found.info['data']['fingerprint'][:12]})",
        "seed": found.info["seed"],
        "backend": found.info["backend"],
        "compiler": found.info["compiler"] or "-",
        "versions": ", ".join(f"{k} {v}" for k, v in found.info["versions"].items()),
        "timings": ", ".join(f"{k} {v:.1f}" for k, v in found.info["timings"].items()),
    }
    if found.stopped:
        facts["stopped"] = f"after {found.stopped['at_s']:.6g} s: {found.stopped['text']}"
    stdout.print(rich_table(("what", "value"), facts.items(), str(found.path)))
    if found.alarms:
        stdout.print(rich_table(("alarm", "over after s"), map(_alarm_row, found.alarms)))
    rows = [(k, number(v)) for k, v in found.metrics.items()]
    stdout.print(rich_table(("metric", "value"), rows))


def _defined_in(module: Any, name: str) -> bool:
    """Tell whether a module assigns `name` itself instead of importing it."""
    import ast
    import inspect

    tree = ast.parse(inspect.getsource(module))
    targets = [t for node in tree.body if isinstance(node, ast.Assign) for t in node.targets]
    return any(isinstance(t, ast.Name) and t.id == name for t in targets)


def _check_figure(path: Path) -> None:
    if path.suffix not in (".png", ".pdf", ".svg"):
        raise FigureError(explain("figure file", path.name, "a name ending .png, .pdf or .svg"))
    if path.parent.exists() and not path.parent.is_dir():
        raise FigureError(explain("figure file", path, "a path inside a folder"))


def _figure_of(module: Any, protocol: str) -> Any:
    """Return the module of the figure that a protocol's module names, or that is called like it."""
    from .load import load_module, shipped

    name, known = str(getattr(module, "FIGURE", protocol)), shipped("figure")
    if name not in known and not name.endswith(".py"):
        allowed = f"one of: {', '.join(known)}"
        fix = "name one as FIGURE beside CONDITIONS"
        raise FigureError(explain(f"compare: figure of protocol {protocol}", name, allowed, fix))
    return load_module(name, "figure")


def _draw(figure: Any, results: list, labels: list[str] | None, path: Path) -> None:
    drawing = figure.draw(results, labels)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written(path) as temporary:
            drawing.savefig(temporary)
    except OSError as error:
        raise FigureError(
            explain(f"figure file {path}", error.strerror, "a place that can be written")
        ) from error


@contextmanager
def _progress() -> Iterator[Any]:
    """Give a function that makes a progress callback for a named run."""
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}"),
    )
    with Progress(*columns, console=stderr) as bar:

        def start(name: str) -> Any:
            task = bar.add_task(name, total=None, text="")

            def update(done: int, total: int, text: str) -> None:
                bar.update(task, completed=done, total=total, text=text)

            return update

        yield start

"""What a worker does: one row, or a few together, and one task at a time."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import logging
import pickle
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FunctionType
from typing import Any

from ..errors import BrainsleepError, ProtocolError, ReplicaError, SweepError, explain, one_line
from ..experiment.protocol import Protocol
from ..files.userfiles import PREFIX, forget, imports_neighbours, own_package, reading_once
from ..results.names import read_json, write_json
from ..results.store import Result
from ..run.compare import match_rate, test_rate, value_at
from ..run.progress import ProgressCallback
from ..run.simulate import simulate_many
from ..tasks.images.task import images_of
from ..values.source import ORDER, SOURCE, source_of
from .cluster import needed
from .grid import Row
from .ledger import match_file, result_of

#: Topic on which workers tell how far a row is, and seconds between two such messages.
TOPIC, TELL_EVERY = "brainsleep", 1.0

#: Brian2's state is the process's: on a worker with several threads tasks take turns.
_ONE_TASK = threading.Lock()


def pack(rows: Sequence[Row]) -> bytes:
    """Pickle rows; what is in the files of users, which workers cannot import, goes by value.

    Functions and classes take their source along, to be described there as they are here, and
    functions the folder of their file, to import what lies beside it when they run.
    """
    cloudpickle = needed("cloudpickle")
    users = {n: sys.modules[n] for n in sys.modules if n.startswith(PREFIX) and "." not in n}
    base: Any = cloudpickle.Pickler

    class Pickler(base):
        def reducer_override(self, what: Any) -> Any:
            parts = super().reducer_override(what)
            if not isinstance(parts, tuple) or len(parts) < 6:
                return parts  # no function or class, or one that is imported
            make, given, state, *_, restore = parts
            more: dict[str, Any] = {ORDER: list(vars(what))} if isinstance(what, type) else {}
            with contextlib.suppress(ProtocolError):  # such as of what a dataclass is given
                more[SOURCE] = source_of(what)
            package = users.get((what.__module__ or "").partition(".")[0])
            folder = package and package.__path__[0]
            return (
                _made,
                (make, given, folder),
                (restore, state, more, folder),
                None,
                None,
                _as_there,
            )

    for module in users.values():
        cloudpickle.register_pickle_by_value(module)
    try:
        packed = io.BytesIO()
        Pickler(packed).dump([dataclasses.replace(row, changes={}) for row in rows])
        return packed.getvalue()
    finally:
        for module in users.values():
            cloudpickle.unregister_pickle_by_value(module)


def _made(make: Callable, given: tuple, folder: str | None) -> Any:
    """Make an empty function or class; a function imports from now on what lies in a folder."""
    what = make(*given)
    if not folder or isinstance(what, type):
        return what
    names = what.__globals__  # a function keeps the builtins of when it is made
    imports_neighbours(names, own_package(Path(folder)))
    return FunctionType(what.__code__, names, what.__name__, what.__defaults__, what.__closure__)


def _as_there(what: Any, sent: tuple[Callable, Any, dict[str, Any], str | None]) -> None:
    """Make a function or class what it was in the process that it comes from."""
    restore, state, more, folder = sent
    restore(what, state)
    for name, value in more.items():
        setattr(what, name, value)
    if folder and not isinstance(what, type):  # where its description looks for them
        imports_neighbours(what.__globals__, own_package(Path(folder)))


def run_packed(packed: bytes, out: str) -> list[dict[str, str]]:
    """Run the rows of a task on a worker; see `run_rows`.

    Alarms are in the results, and counted by the client: lines about them would be in its way.
    """
    with _ONE_TASK, _without_alarms(), reading_once() as packages:
        try:
            return run_rows(pickle.loads(packed), Path(out))
        finally:
            for package in list(packages.values()):
                forget(package)


def run_rows(rows: Sequence[Row], out: Path) -> list[dict[str, str]]:
    """Run rows that go together (see `grouped`) and store their results, unless they are there.

    Returns of every row what went wrong as text (``error``, ``kind``, ``traceback``), or nothing.
    """
    problems: list[dict[str, str]] = [{} for _ in rows]
    protocols: dict[int, Protocol] = {}
    for k, row in enumerate(rows):
        with _kept_in(problems[k]):
            protocols[k] = _matched(row, row.reference, out) if row.reference else row.protocol
    asked = [rows[k] for k in protocols]
    outcomes: Sequence[Result | Exception]
    try:
        outcomes = simulate_many(
            list(protocols.values()),
            seeds=[row.seed for row in asked],
            backend=rows[0].backend,
            out=out,
            progress=[_progress(row.run_id) for row in asked],
        )
    except ReplicaError as error:
        outcomes = error.results
    except Exception as error:  # none could begin, or be stored
        outcomes = [error] * len(asked)
    for (k, protocol), outcome in zip(protocols.items(), outcomes, strict=True):
        with _kept_in(problems[k]):
            _check(rows[k], protocol, outcome, out)
    return problems


@contextlib.contextmanager
def _without_alarms() -> Iterator[None]:
    """Log no alarms meanwhile; a worker may share its process with others who want theirs."""
    log = logging.getLogger("brainsleep.alarms")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


@contextlib.contextmanager
def _kept_in(problem: dict[str, str]) -> Iterator[None]:
    """Keep in `problem` what goes wrong with a row: the others need not suffer from it."""
    try:
        yield
    except BrainsleepError as error:
        problem |= {"error": str(error), "kind": type(error).__name__}
    except Exception as error:  # a defect
        text = f"{type(error).__name__}: {one_line(error)}"
        problem |= {"error": text, "kind": "", "traceback": traceback.format_exc()}


def _check(row: Row, protocol: Protocol, outcome: Result | Exception, out: Path) -> None:
    """Write down the number found for a row with a reference; raise what stopped a row.

    That a run is another one here than where it was laid out is a `SweepError`.
    """
    if isinstance(outcome, Exception):
        raise outcome
    run_id = outcome.run_id
    if row.reference:
        match = {"run_id": run_id, "key": row.scale, "value": value_at(protocol, row.scale)}
        write_json(match_file(out, row), match)
    elif run_id != row.run_id:
        fix = "its data or its version of brainsleep differ: update the worker"
        where = f"row {row.run_id}: run id on the worker"
        raise SweepError(explain(where, run_id, "the same everywhere", fix))


def _matched(row: Row, reference: Row, out: Path) -> Protocol:
    """Return the protocol of a row, with its rate matched to that of another."""
    match = read_json(match_file(out, row))
    if isinstance(match.get("value"), float):
        return row.protocol.override({row.scale: match["value"]})
    result = result_of(out, reference)
    if result is None:
        raise SweepError(f"{row.label}: the run that its rate is matched to is gone; run it again")
    target = test_rate(result, images_of(row.protocol)[0].readout.population)
    return match_rate(row.protocol, row.scale, target, seed=row.seed, backend=row.backend)


def _progress(address: str) -> ProgressCallback:
    """Return the progress function of a row, which tells the client now and then."""
    try:
        from distributed import get_worker

        worker = get_worker()
    except (ImportError, ValueError):  # not on a worker
        return lambda done, total, text: None
    last = 0.0

    def progress(done: float, total: float, text: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > TELL_EVERY and total:
            last = now
            worker.log_event(TOPIC, (address, done / total))

    return progress

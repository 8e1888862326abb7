"""What a worker does: one row, or a few together, and one task at a time."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import pickle
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..errors import BatchError, BrainsleepError, SweepError, explain, one_line
from ..experiment.protocol import Protocol
from ..files.userfiles import PREFIX
from ..results.store import Result
from ..run.compare import match_rate, test_rate, value_at
from ..run.simulate import simulate
from ..tasks.images.task import images_of
from .cluster import needed
from .grid import Row
from .ledger import matched_note, read_json, result_of, write_json

#: Topic on which workers tell how far a row is, and seconds between two such messages.
TOPIC, TELL_EVERY = "brainsleep", 1.0

#: Brian2's state is the process's: on a worker with several threads tasks take turns.
_ONE_TASK = threading.Lock()


def pack(rows: Sequence[Row]) -> bytes:
    """Pickle rows; what is in the files of users, which workers cannot import, goes by value."""
    cloudpickle = needed("cloudpickle")
    users = [n for n in sys.modules if n.startswith(PREFIX) and "." not in n]
    modules = [sys.modules[name] for name in users]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        return cloudpickle.dumps([dataclasses.replace(row, changes={}) for row in rows])
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)


def run_packed(packed: bytes, out: str) -> list[dict[str, str]]:
    """Run the rows of a task on a worker; see `run_rows`.

    Alarms are in the results, and counted by the client: lines about them would be in its way.
    """
    with _ONE_TASK, _without_alarms():
        return run_rows(pickle.loads(packed), Path(out))


def run_rows(rows: Sequence[Row], out: Path) -> list[dict[str, str]]:
    """Run rows together and store their results in `out`, unless they are there.

    Parameters
    ----------
    rows : sequence of Row
        Of one backend, and of networks with one structure, see `brainsleep.sweep.grid.grouped`.
    out : Path
        Folder of results.

    Returns
    -------
    list of dict
        Of every row what went wrong as text (``error``, ``kind``, ``traceback``), or nothing.
    """
    found: list[dict[str, str]] = [{} for _ in rows]
    protocols: dict[int, Protocol] = {}
    for k, row in enumerate(rows):
        with _noted(found[k]):
            protocols[k] = _matched(row, row.reference, out) if row.reference else row.protocol
    asked = [rows[k] for k in protocols]
    ends: Sequence[Result | Exception]
    try:
        ends = simulate(
            list(protocols.values()),
            seed=[row.seed for row in asked],
            backend=rows[0].backend,
            out=out,
            progress=[_teller(row.run_id) for row in asked],
            batch=True,
        )
    except BatchError as error:
        ends = error.results
    except Exception as error:  # none could begin, or be stored
        ends = [error] * len(asked)
    for (k, protocol), end in zip(protocols.items(), ends, strict=True):
        with _noted(found[k]):
            _check(rows[k], protocol, end, out)
    return found


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
def _noted(found: dict[str, str]) -> Iterator[None]:
    """Note in `found` what goes wrong with a row: the others need not suffer from it."""
    try:
        yield
    except BrainsleepError as error:
        found |= {"error": str(error), "kind": type(error).__name__}
    except Exception as error:  # a defect
        text = f"{type(error).__name__}: {one_line(error)}"
        found |= {"error": text, "kind": "", "traceback": traceback.format_exc()}


def _check(row: Row, protocol: Protocol, end: Result | Exception, out: Path) -> None:
    """Note what was run for a row with a reference; raise what stopped a row.

    Raises
    ------
    SweepError
        If it is not the run here that it is where it was laid out.
    """
    if isinstance(end, Exception):
        raise end
    found = end.info["run_id"]
    if row.reference:
        note = {"run_id": found, "key": row.scale, "value": value_at(protocol, row.scale)}
        write_json(matched_note(out, row), note)
    elif found != row.run_id:
        raise SweepError(
            explain(
                f"row {row.run_id}: run id on the worker",
                found,
                "the same everywhere",
                "its data or its version of brainsleep differ: update the worker",
            )
        )


def _matched(row: Row, like: Row, out: Path) -> Protocol:
    """Return the protocol of a row, with its rate matched to that of another."""
    note = read_json(matched_note(out, row))
    if isinstance(note.get("value"), float):
        return row.protocol.override({row.scale: note["value"]})
    reference = result_of(out, like)
    if reference is None:
        raise SweepError(f"{row.label}: the run that its rate is matched to is gone; run it again")
    target = test_rate(reference, images_of(row.protocol)[0].readout.population)
    return match_rate(row.protocol, row.scale, target, seed=row.seed, backend=row.backend)


def _teller(address: str) -> Callable[[int, int, str], None]:
    """Return the progress function of a row, which tells the client now and then."""
    try:
        from distributed import get_worker

        worker = get_worker()
    except (ImportError, ValueError):  # not on a worker
        return lambda done, total, text: None
    last = [0.0]

    def tell(done: int, total: int, text: str) -> None:
        now = time.monotonic()
        if now - last[0] > TELL_EVERY and total:
            last[0] = now
            worker.log_event(TOPIC, (address, done / total))

    return tell

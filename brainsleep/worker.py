"""What a worker does: one row, and no more than one at a time."""

from __future__ import annotations

import dataclasses
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from .cluster import needed
from .compare import match_rate, value_at
from .errors import BrainsleepError, SweepError, explain, one_line
from .grid import Row
from .notes import finished_id, matched_note, read_json, write_json
from .protocol import Protocol
from .simulate import simulate
from .store import read_result

#: Topic on which workers tell how far a row is, and seconds between two such messages.
TOPIC, TELL_EVERY = "brainsleep", 1.0

#: Brian2's state is the process's: on a worker with several threads rows take turns.
_ONE_ROW = threading.Lock()


def pack(row: Row) -> bytes:
    """Pickle a row; functions of a user's file, which workers cannot import, go by value."""
    cloudpickle = needed("cloudpickle")
    names = {getattr(hook, "__module__", "") for hook in row.protocol.hooks.values()}
    modules = [sys.modules[n] for n in names if n.startswith("brainsleep_user_")]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        return cloudpickle.dumps(dataclasses.replace(row, changes={}))
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)


def run_packed(packed: bytes, out: str) -> dict[str, str]:
    """Run a row on a worker; return what went wrong as text, or nothing."""
    import pickle

    try:
        with _ONE_ROW:
            run_row(pickle.loads(packed), Path(out))
    except BrainsleepError as error:
        return {"error": str(error), "kind": type(error).__name__}
    except Exception as error:  # a defect: the other rows need not suffer from it
        text = f"{type(error).__name__}: {one_line(error)}"
        return {"error": text, "kind": "", "traceback": traceback.format_exc()}
    return {}


def run_row(row: Row, out: Path) -> None:
    """Run one row and store its result in `out`, unless it is there.

    Raises
    ------
    BrainsleepError
        If it fails, or is not the run here that it is where it was laid out.
    """
    protocol = _matched(row, row.reference, out) if row.reference else row.protocol
    tell = _teller(row.run_id)
    result = simulate(protocol, seed=row.seed, backend=row.backend, out=out, progress=tell)
    found = result.info["run_id"]
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
    reference = read_result(out / finished_id(out, like))
    target = reference.metrics[f"rate_test_{row.protocol.readout.population}_hz"]
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

"""Sweeps: the rows of grids, run on Dask, each kept as soon as it is finished.

A row is finished when its result lies in the folder, whoever put it there: a sweep that is started
again goes on where it was. Beside the results lies ``.sweep/`` with what was asked for
(``grids/``), the rows that failed (``failed/``) and the numbers found for rows whose rate is
matched (``matched/``); each file is written in one step.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import cluster
from .backend import default_backend, make_backend
from .build import build_key
from .compare import match_rate, value_at
from .errors import BrainsleepError, StoreError, SweepError, explain, one_line
from .grid import Grid, Row, addressed
from .protocol import Protocol
from .segment import Capacity
from .simulate import simulate
from .store import check_writable, is_finished, read_result

#: How often a row that failed is tried again.
RETRIES = 2

#: Folder of a sweep's own files among the results, and what is in it.
NOTES, GRIDS, FAILED, MATCHED = ".sweep", "grids", "failed", "matched"

#: Topic on which workers tell how far a row is, and seconds between two such messages.
_TOPIC, _TELL_EVERY = "brainsleep", 1.0


@dataclass
class Progress:
    """How far a sweep is.

    Parameters
    ----------
    total, finished : int
        Rows in all, and rows with a result.
    failed : dict of str to str
        Error by run id of the rows that were given up.
    running : dict of str to float
        Part that is done, 0 to 1, by run id of the rows under way.
    seconds, seconds_left : float
        Time since the first row was sent out, and an estimate of what is left; NaN where there
        is none yet.
    message : str
        What is being done besides.
    """

    total: int
    finished: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    running: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    seconds_left: float = float("nan")
    message: str = ""


Watch = Callable[[Progress], None]


def sweep(
    protocol: Protocol | str | Grid | Sequence[Grid],
    over: Mapping[str, Sequence] | None = None,
    *,
    seeds: int | Sequence[int] = 1,
    backend: str | None = None,
    out: str | Path = "results",
    client: Any = None,
    workers: int | None = None,
    retries: int = RETRIES,
    retry_failed: bool = False,
    progress: Watch = lambda state: None,
) -> Progress:
    """Run a grid and store its results.

    Parameters
    ----------
    protocol : Protocol, str, Grid or sequence of Grid
        What is common to all rows; or grids, and then `over`, `seeds` and `backend` are theirs.
    over : mapping of str to sequence
        Values by key, as `Protocol.override` takes them; every combination is run.
    seeds : int or sequence of int
        How many seeds from 0 on, or which.
    backend : {"cpp", "cython", "numpy"}, optional
        Default: C++ standalone where there is a compiler.
    out : path
        Folder of results. Rows that have one there are not run again.
    client : distributed.Client, optional
        Where to run; its workers must see `out`. Default: processes of this machine, for the
        time of the sweep.
    workers : int, optional
        How many processes without a `client`; default: one a core.
    retries : int
        How often a row that failed is tried again; it goes on from its last checkpoint.
    retry_failed : bool
        Whether rows that failed in an earlier sweep into `out` are run again.
    progress : callable
        Told every second, and whenever something changes.

    Returns
    -------
    Progress
        How it ended, with the rows that failed.

    Raises
    ------
    BrainsleepError
        For bad input, a missing package, or a scheduler that is lost.
    StoreError
        If results cannot be written. What was finished is kept in any case.
    """
    if isinstance(protocol, Protocol | str):
        name = protocol if isinstance(protocol, str) else protocol.name
        protocol = Grid(name=name, protocol=protocol, over=over or {}, seeds=seeds, backend=backend)
    elif over or seeds != 1 or backend:
        raise SweepError("sweep: got a grid and over, seeds or backend; put them in the grid")
    grids = [protocol] if isinstance(protocol, Grid) else protocol
    plan = Plan([row for grid in grids for row in grid.rows()], out)
    with contextlib.ExitStack() as stack:
        if pending := plan.pending(retry_failed):
            plan.build(progress)
            if client is None:
                client = stack.enter_context(cluster.local(workers, rows=len(pending)))
        return plan.run(client, retries=retries, retry_failed=retry_failed, progress=progress)


class Plan:
    """Rows and a folder that their results go to.

    Parameters
    ----------
    rows : iterable of Row
        From `Grid.rows`; rows with the same address are run once.
    out : path
        Folder of results; made if need be, with a note of the rows.

    Raises
    ------
    BrainsleepError
        If the data cannot be read or the folder cannot be written.
    """

    def __init__(self, rows: Iterable[Row], out: str | Path):
        self.out = Path(out)
        self.rows = {row.run_id: row for row in _with_references(addressed(rows))}
        check_writable(self.out)
        _write_manifest(self.out, self.rows.values())

    def label(self, run_id: str) -> str:
        """Return what a row is called."""
        return self.rows[run_id].label

    def pending(self, retry_failed: bool) -> list[Row]:
        """Return the rows that are to be run."""
        return [
            row
            for row in self.rows.values()
            if not finished_id(self.out, row)
            and (retry_failed or not _failed_note(self.out, row).exists())
        ]

    def build(self, progress: Watch) -> None:
        """Compile every distinct program that is needed, where there is a compiler.

        Workers on another kind of processor compile their own.
        """
        if default_backend() != "cpp":
            return
        networks = {
            build_key(row.protocol.network, Capacity()): row.protocol.network
            for row in self.pending(retry_failed=True)
            if row.backend == "cpp"
        }
        for network in networks.values():
            state = self._state()

            def report(message: str, state: Progress = state) -> None:
                state.message = message
                progress(state)

            make_backend("cpp", network, report=report)

    def _state(self) -> Progress:
        done = sum(bool(finished_id(self.out, row)) for row in self.rows.values())
        return Progress(len(self.rows), done)

    def run(
        self, client: Any, *, retries: int = RETRIES, retry_failed: bool = False,
        progress: Watch = lambda state: None,
    ) -> Progress:  # fmt: skip
        """Run the rows that are pending on `client`; see `sweep`."""
        state, pending = self._state(), self.pending(retry_failed)
        for row in self.rows.values():
            note = _failed_note(self.out, row)
            if row not in pending and note.exists() and not finished_id(self.out, row):
                state.failed[row.run_id] = _read_json(note).get("error", "failed earlier")
        progress(state)
        if pending:
            _Running(client, self.out, pending, retries, state, progress).finish()
        return state


class _Running:
    """Rows under way on a client."""

    def __init__(
        self,
        client: Any,
        out: Path,
        pending: Sequence[Row],
        retries: int,
        state: Progress,
        progress: Watch,
    ):
        self.client, self.out, self.retries = client, out, retries
        self.state, self.progress = state, progress
        self.held = {row.run_id: row for row in pending}  # not sent out yet
        self.sent: dict[Any, tuple[Row, int]] = {}  # by future, with the number of the attempt
        self.parts: dict[str, float] = {}  # how far rows are, as workers tell
        self.begun, self.done = time.monotonic(), 0

    def finish(self) -> None:
        """Send out rows and take in what becomes of them, until none is left."""
        self.client.subscribe_topic(_TOPIC, self._heard)
        try:
            self._send_ready()
            while self.sent:
                self._wait()
                for future in [future for future in self.sent if future.done()]:
                    self._take(future, *self.sent.pop(future))
                self._send_ready()
                self._tell()
        except BaseException:  # also an interrupt: nothing more is begun
            with contextlib.suppress(Exception):
                self.client.cancel(list(self.sent), force=True)
            raise
        finally:
            with contextlib.suppress(Exception):
                self.client.unsubscribe_topic(_TOPIC)

    def _wait(self) -> None:
        """Wait until something is done, but not long."""
        from distributed import wait
        from distributed.client import FuturesCancelledError

        with contextlib.suppress(TimeoutError, FuturesCancelledError):  # looked at in `_outcome`
            wait(list(self.sent), timeout=_TELL_EVERY, return_when="FIRST_COMPLETED")

    def _heard(self, event: tuple) -> None:
        address, part = event[-1]
        self.parts[address] = part

    def _send_ready(self) -> None:
        """Send out what waits for nothing, and give up what waits for a row that failed."""
        for row in list(self.held.values()):
            reference = row.reference
            if reference is None or finished_id(self.out, reference):
                del self.held[row.run_id]
                self._send(row, 1)
            elif reference.run_id not in self.held and reference.run_id not in self._sent_ids():
                del self.held[row.run_id]
                why = f"the run that its rate is matched to failed ({reference.label})"
                self._give_up(row, why, "", 0)

    def _sent_ids(self) -> set[str]:
        return {row.run_id for row, _ in self.sent.values()}

    def _send(self, row: Row, attempt: int) -> None:
        key = f"brainsleep-{row.run_id}-{attempt}-{os.getpid()}-{time.monotonic_ns()}"
        packed = _pack(row)
        future = self.client.submit(
            run_packed, packed, str(self.out.resolve()), key=key, pure=False
        )
        self.sent[future] = row, attempt

    def _take(self, future: Any, row: Row, attempt: int) -> None:
        self.parts.pop(row.run_id, None)
        error, details = self._outcome(future, row)
        if not error:
            self.done += 1
            self.state.finished += 1
            _failed_note(self.out, row).unlink(missing_ok=True)
        elif attempt <= self.retries:
            self._send(row, attempt + 1)
        else:
            self._give_up(row, error, details, attempt)

    def _give_up(self, row: Row, error: str, details: str, attempts: int) -> None:
        self.state.failed[row.run_id] = error
        note = {**_described(row), "error": error, "traceback": details, "attempts": attempts}
        _write_json(_failed_note(self.out, row), note)

    def _outcome(self, future: Any, row: Row) -> tuple[str, str]:
        """Return why a row failed, and where; both empty if it did not.

        Raises
        ------
        SweepError, StoreError
            If there is no point in going on.
        """
        if future.status == "cancelled" or future.status == "lost":
            raise SweepError(
                "sweep: the scheduler is gone, or has dropped the rows; what is finished is kept: "
                "when it is back, the same command goes on"
            )
        if future.status == "error":  # the worker died, or could not begin
            return one_line(future.exception()), ""
        found = future.result()
        if found.get("kind") == StoreError.__name__:
            raise StoreError(found["error"])
        if not found and not finished_id(self.out, row):
            raise SweepError(
                explain(
                    f"sweep: output folder {self.out}",
                    "a worker that writes elsewhere",
                    "a folder that all workers share",
                )
            )
        return found.get("error", ""), found.get("traceback", "")

    def _tell(self) -> None:
        state, sent = self.state, self._sent_ids()
        state.running = parts = {k: part for k, part in list(self.parts.items()) if k in sent}
        workers = self.client.scheduler_info(n_workers=-1).get("workers", {})
        state.message = "" if workers or not sent else "waiting for workers"
        state.seconds = time.monotonic() - self.begun
        done = self.done + sum(parts.values())
        left = len(sent) + len(self.held) - sum(parts.values())
        if done > 0.1:
            state.seconds_left = state.seconds / done * left
        self.progress(state)


# -- on a worker -------------------------------------------------------------------------------


#: Brian2's state is the process's: on a worker with several threads rows take turns.
_ONE_ROW = threading.Lock()


def _pack(row: Row) -> bytes:
    """Pickle a row; functions of a user's file, which workers cannot import, go by value."""
    cloudpickle = cluster.needed("cloudpickle")
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
    protocol = _matched(row, out) if row.reference else row.protocol
    tell = _teller(row.run_id)
    result = simulate(protocol, seed=row.seed, backend=row.backend, out=out, progress=tell)
    found = result.info["run_id"]
    if row.reference:
        note = {"run_id": found, "key": row.scale, "value": value_at(protocol, row.scale)}
        _write_json(_matched_note(out, row), note)
    elif found != row.run_id:
        raise SweepError(
            explain(
                f"row {row.run_id}: run id on the worker",
                found,
                "the same everywhere",
                "its data or its version of brainsleep differ: update the worker",
            )
        )


def _matched(row: Row, out: Path) -> Protocol:
    """Return the protocol of a row whose rate is matched to that of its reference."""
    note = _read_json(_matched_note(out, row))
    if isinstance(note.get("value"), float):
        return row.protocol.override({row.scale: note["value"]})
    reference = read_result(out / finished_id(out, row.reference))
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
        if now - last[0] > _TELL_EVERY and total:
            last[0] = now
            worker.log_event(_TOPIC, (address, done / total))

    return tell


# -- notes beside the results ------------------------------------------------------------------


def finished_id(out: Path, row: Row) -> str:
    """Return the id of the finished run of a row, or '' if there is none."""
    found = row.run_id
    if row.reference:
        found = str(_read_json(_matched_note(out, row)).get("run_id", ""))
    return found if found and is_finished(out, found) else ""


def _with_references(rows: Iterable[Row]) -> Iterable[Row]:
    """Go through rows, what one is matched to before it."""
    for row in rows:
        if row.reference:
            yield from _with_references([row.reference])
        yield row


def _failed_note(out: Path, row: Row) -> Path:
    return out / NOTES / FAILED / f"{row.run_id}.json"


def _matched_note(out: Path, row: Row) -> Path:
    return out / NOTES / MATCHED / f"{row.run_id}.json"


def _described(row: Row) -> dict:
    return {
        "run_id": row.run_id,
        "grid": row.grid,
        "condition": row.condition,
        "protocol": row.protocol.name,
        "data": row.protocol.data.source,
        "settings": dict(row.settings),
        "seed": row.seed,
        "backend": row.backend,
        "matched": bool(row.reference),
    }


def _write_manifest(out: Path, rows: Iterable[Row]) -> None:
    """Note which rows were asked for; the same ones have one note."""
    content = {"rows": [_described(row) for row in rows]}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
    path = out / NOTES / GRIDS / f"{digest}.json"
    if not path.exists():
        _write_json(path, content)


def _write_json(path: Path, content: dict) -> None:
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".writing-", dir=path.parent)
        temporary = Path(name)
        with open(handle, "w") as file:
            json.dump(content, file, indent=1)
        os.replace(temporary, path)
    except OSError as error:
        raise StoreError(
            f"sweep: cannot write to {path.parent} ({error.strerror or one_line(error)}); free "
            "some space; what is finished is kept, and the same command goes on"
        ) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def _read_json(path: Path) -> dict:
    """Read a note; what is missing or damaged is as if it had not been written."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def status(out: str | Path) -> list[dict]:
    """Tell what has become of every row of the sweeps into a folder.

    Parameters
    ----------
    out : path
        Folder of results.

    Returns
    -------
    list of dict
        Each row as it was laid out (``run_id``, ``grid``, ``condition``, ``settings``, ``seed``,
        ...), with ``state``, "finished", "failed" or "open", and ``error``.

    Raises
    ------
    SweepError
        If no sweep was begun there.
    """
    folder = Path(out) / NOTES
    rows: dict[str, dict] = {}
    for manifest in sorted((folder / GRIDS).glob("*.json")):
        for row in _read_json(manifest).get("rows", []):
            rows.setdefault(row["run_id"], row)
    if not rows:
        raise SweepError(f"sweep: none was begun in {out}; give the folder of results of one")
    for address, row in rows.items():
        run_id = address
        if row["matched"]:
            run_id = _read_json(folder / MATCHED / f"{address}.json").get("run_id", "none")
        note = _read_json(folder / FAILED / f"{address}.json")
        if is_finished(Path(out), run_id):
            row |= {"state": "finished", "error": ""}
        else:
            row |= {"state": "failed" if note else "open", "error": note.get("error", "")}
    return list(rows.values())

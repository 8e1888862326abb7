"""Sweeps: the rows of grids, run on Dask, each kept as soon as it is finished.

A row is finished when its result lies in the folder, whoever put it there: a sweep that is started
again goes on where it was.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..backends.base import BACKENDS, make_backend
from ..backends.cpp.build import build_key, find_compiler
from ..errors import BrainsleepError, StoreError, SweepError, explain, one_line
from ..experiment.protocol import Protocol
from ..results.store import check_writable
from ..run.segment import Capacity
from ..values.quantities import check_whole
from . import cluster
from .grid import Grid, Row, addressed, grouped
from .ledger import described, failed_note, read_json, result_of, write_json, write_manifest
from .worker import TELL_EVERY, TOPIC, pack, run_packed

#: How often a row that failed is tried again.
RETRIES = 2

_LOST = (
    "sweep: the scheduler is gone, or has dropped the rows; what is finished is kept: "
    "when it is back, the same command goes on"
)


@dataclass
class Progress:
    """How far a sweep is.

    Parameters
    ----------
    total, finished : int
        Rows in all, and rows with a result.
    alarmed : set of str
        Run ids of the rows with a result that gave an alarm, see `brainsleep.run.observers.alarms`.
    stopped : set of str
        Run ids of those that an alarm ended early.
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
    alarmed: set[str] = field(default_factory=set)
    stopped: set[str] = field(default_factory=set)
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
    batch: int = 1,
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
    backend : {"cpp", "cuda", "cython", "numpy", "torch", "torch-cuda"}, optional
        Default: C++ standalone where there is a compiler.
    out : path
        Folder of results. Rows that have one there are not run again.
    client : distributed.Client, optional
        Where to run; its workers must see `out`. Default: processes of this machine, for the
        time of the sweep.
    workers : int, optional
        How many processes without a `client`; default: one a core.
    batch : int
        How many rows of one network a worker runs together, at most; see docs/sweeps.md.
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
    batch = check_whole(batch, "sweep: batch", SweepError, least=1)
    grids = [protocol] if isinstance(protocol, Grid) else protocol
    plan = Plan([row for grid in grids for row in grid.rows()], out)
    with contextlib.ExitStack() as stack:
        if pending := plan.pending(retry_failed):
            plan.build(progress)
            if client is None:
                tasks = len(grouped(pending, batch))
                client = stack.enter_context(cluster.local(workers, tasks=tasks))
        return plan.run(
            client, batch=batch, retries=retries, retry_failed=retry_failed, progress=progress
        )


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
        # read once: every result is checked against its checksum
        results = {address: result_of(self.out, row) for address, row in self.rows.items()}
        self.finished = {address for address, result in results.items() if result}
        self.alarmed = {address for address, result in results.items() if result and result.alarms}
        self.stopped = {address for address, result in results.items() if result and result.stopped}
        check_writable(self.out)
        write_manifest(self.out, self.rows.values())

    def label(self, run_id: str) -> str:
        """Return what a row is called."""
        return self.rows[run_id].label

    def pending(self, retry_failed: bool) -> list[Row]:
        """Return the rows that are to be run."""
        return [
            row
            for address, row in self.rows.items()
            if address not in self.finished
            and (retry_failed or not failed_note(self.out, row).exists())
        ]

    def build(self, progress: Watch) -> None:
        """Compile every distinct program that is needed, where there is a compiler.

        Workers on another kind of processor compile their own.
        """
        if not find_compiler():
            return
        networks = {
            build_key(row.protocol.network, Capacity()): row.protocol.network
            for row in self.pending(retry_failed=True)
            if row.backend == "cpp" and row.protocol.network.kind == BACKENDS["cpp"].kind
        }
        for network in networks.values():
            state = self._state()

            def report(message: str, state: Progress = state) -> None:
                state.message = message
                progress(state)

            make_backend("cpp", network, report=report)

    def _state(self) -> Progress:
        return Progress(len(self.rows), len(self.finished), self.alarmed, self.stopped)

    def run(
        self, client: Any, *, batch: int = 1, retries: int = RETRIES, retry_failed: bool = False,
        progress: Watch = lambda state: None,
    ) -> Progress:  # fmt: skip
        """Run the rows that are pending on `client`; see `sweep`."""
        state, pending = self._state(), self.pending(retry_failed)
        for row in self.rows.values():
            if row not in pending and row.run_id not in self.finished:
                note = read_json(failed_note(self.out, row))
                state.failed[row.run_id] = note.get("error", "failed earlier")
        progress(state)
        if pending:
            _Running(client, self, pending, batch, retries, state, progress).finish()
        return state


class _Running:
    """Rows under way on a client."""

    def __init__(
        self,
        client: Any,
        plan: Plan,
        pending: Sequence[Row],
        batch: int,
        retries: int,
        state: Progress,
        progress: Watch,
    ):
        self.client, self.out = client, plan.out
        self.batch, self.retries = batch, retries
        self.finished = plan.finished
        self.state, self.progress = state, progress
        self.held = {row.run_id: row for row in pending}  # not sent out yet
        self.sent: dict[Any, tuple[list[Row], int]] = {}  # by future, with the attempt's number
        self.parts: dict[str, float] = {}  # how far rows are, as workers tell
        self.begun, self.done = time.monotonic(), 0

    def finish(self) -> None:
        """Send out rows and take in what becomes of them, until none is left.

        Raises
        ------
        SweepError, StoreError
            If there is no point in going on.
        """
        try:
            self.client.subscribe_topic(TOPIC, self._heard)
            self._send_ready()
            while self.sent:
                self._wait()
                for future in [future for future in self.sent if future.done()]:
                    self._take(future, *self.sent.pop(future))
                self._send_ready()
                self._tell()
        except BaseException as error:  # also an interrupt: nothing more is begun
            with contextlib.suppress(Exception):
                self.client.cancel(list(self.sent), force=True)
            if isinstance(error, Exception) and self._is_lost(error):
                raise SweepError(_LOST) from error
            raise
        finally:
            with contextlib.suppress(Exception):
                self.client.unsubscribe_topic(TOPIC)

    def _is_lost(self, error: Exception) -> bool:
        """Tell whether an error is what comes of losing the scheduler.

        A client that gave up its connection fails in ways that depend on what it is asked for.
        """
        from distributed import CancelledError
        from distributed.client import ClosedClientError
        from distributed.comm import CommClosedError

        if isinstance(error, BrainsleepError):
            return False
        lost = isinstance(error, CancelledError | ClosedClientError | CommClosedError)
        return lost or self.client.status not in ("running", "connecting")

    def _wait(self) -> None:
        """Wait until something is done, but not long."""
        from distributed import wait
        from distributed.client import FuturesCancelledError

        with contextlib.suppress(TimeoutError, FuturesCancelledError):  # looked at in `_outcomes`
            wait(list(self.sent), timeout=TELL_EVERY, return_when="FIRST_COMPLETED")

    def _heard(self, event: tuple) -> None:
        address, part = event[-1]
        self.parts[address] = part

    def _send_ready(self) -> None:
        """Send out what waits for nothing, and give up what waits for a row that failed."""
        ready = [
            row
            for row in self.held.values()
            if row.reference is None or row.reference.run_id in self.finished
        ]
        for row in ready:
            del self.held[row.run_id]
        for rows in grouped(ready, self.batch):
            self._send(rows, 1)
        for row in list(self.held.values()):  # what it waits for may be given up here, too
            like = row.reference
            if like and like.run_id not in self.held and like.run_id not in self._sent_ids():
                del self.held[row.run_id]
                why = f"the run that its rate is matched to failed ({like.label})"
                self._give_up(row, why, "", 0)

    def _sent_ids(self) -> set[str]:
        return {row.run_id for rows, _ in self.sent.values() for row in rows}

    def _send(self, rows: list[Row], attempt: int) -> None:
        key = f"brainsleep-{rows[0].run_id}-{attempt}-{os.getpid()}-{time.monotonic_ns()}"
        packed = pack(rows)
        future = self.client.submit(
            run_packed, packed, str(self.out.resolve()), key=key, pure=False
        )
        self.sent[future] = rows, attempt

    def _take(self, future: Any, rows: list[Row], attempt: int) -> None:
        for row, (error, details) in zip(rows, self._outcomes(future, rows), strict=True):
            self.parts.pop(row.run_id, None)
            if not error:
                self.done += 1
                self.finished.add(row.run_id)
                self.state.finished = len(self.finished)
                with contextlib.suppress(OSError):
                    failed_note(self.out, row).unlink()
            elif attempt <= self.retries:
                self._send([row], attempt + 1)  # alone: what stopped it may have been the others
            else:
                self._give_up(row, error, details, attempt)

    def _give_up(self, row: Row, error: str, details: str, attempts: int) -> None:
        self.state.failed[row.run_id] = error
        note = {**described(row), "error": error, "traceback": details, "attempts": attempts}
        write_json(failed_note(self.out, row), note)

    def _outcomes(self, future: Any, rows: list[Row]) -> list[tuple[str, str]]:
        """Return of every row why it failed, and where; both empty if it did not."""
        if future.status == "cancelled" or future.status == "lost":
            raise SweepError(_LOST)
        if future.status == "error":  # the worker died, or could not begin
            return [(one_line(future.exception()), "")] * len(rows)
        results = future.result()
        for row, found in zip(rows, results, strict=True):
            if found.get("kind") == StoreError.__name__:
                raise StoreError(found["error"])
            result = None if found else result_of(self.out, row)
            if result and result.alarms:
                self.state.alarmed.add(row.run_id)
            if result and result.stopped:
                self.state.stopped.add(row.run_id)
            if not found and result is None:
                raise SweepError(
                    explain(
                        f"sweep: output folder {self.out}",
                        "a worker that writes elsewhere",
                        "a folder that all workers share",
                    )
                )
        return [(found.get("error", ""), found.get("traceback", "")) for found in results]

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


def _with_references(rows: Iterable[Row]) -> Iterable[Row]:
    """Go through rows, what one is matched to before it."""
    for row in rows:
        if row.reference:
            yield from _with_references([row.reference])
        yield row

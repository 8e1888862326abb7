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
from typing import Annotated, Any

from ..backends.base import BACKENDS, make_backend
from ..backends.cpp.build import build_key, find_compiler
from ..errors import BrainsleepError, StoreError, SweepError, explain, one_line
from ..results.names import read_json, write_json
from ..results.store import check_writable
from ..run.progress import usual
from ..run.segment import Capacity
from ..values.fields import specification, whole
from . import cluster
from .grid import Grid, Row, addressed, grouped
from .ledger import described, failure_file, result_of, write_manifest
from .worker import TELL_EVERY, TOPIC, pack, run_packed

_LOST = (
    "sweep: the scheduler is gone, or has dropped the rows; what is finished is kept: "
    "when it is back, the same command goes on"
)


@specification("sweep: ", SweepError)
class Options:
    """How rows are run."""

    #: How many rows of one network a worker runs together, at most; see docs/sweeps.md.
    replicas: Annotated[int, whole(1)] = 1
    #: How often a row that failed is tried again; it goes on from its last checkpoint.
    retries: int = 2
    #: Whether rows that failed in an earlier sweep into the same folder are run again.
    retry_failed: bool = False


_USUAL = Options()


@dataclass
class Progress:
    """How far a sweep is."""

    #: Rows in all, and rows with a result.
    total: int
    finished: int = 0
    #: Run ids of rows with a result that gave an alarm, and of those that one ended early.
    alarmed: set[str] = field(default_factory=set)
    stopped: set[str] = field(default_factory=set)
    #: Error by run id of the rows that were given up.
    failed: dict[str, str] = field(default_factory=dict)
    #: Part that is done, 0 to 1, by run id of the rows under way.
    running: dict[str, float] = field(default_factory=dict)
    #: Time in s since the first row was sent out, and an estimate of what is left; NaN without one.
    seconds: float = 0.0
    seconds_left: float = float("nan")
    #: What is being done besides.
    message: str = ""


ProgressCallback = Callable[[Progress], None]

# Given the number of tasks, gives a client to run them on.
Where = Callable[[int], contextlib.AbstractContextManager[Any]]


def sweep(
    grids: Grid | Sequence[Grid],
    *,
    out: str | Path = "results",
    client: Any = None,
    workers: int | None = None,
    options: Options = _USUAL,
    progress: ProgressCallback | None = None,
) -> Progress:
    """Run grids and store their results.

    Parameters
    ----------
    grids : Grid or sequence of Grid
        What to run.
    out : path
        Folder of results. Rows that have one there are not run again.
    client : distributed.Client, optional
        Where to run; its workers must see `out`. Default: processes of this machine, for the
        time of the sweep.
    workers : int, optional
        How many processes without a `client`; default: one a core.
    options : Options
        How rows are run.
    progress : callable, optional
        Told every second, and whenever something changes; by default a bar in a notebook, and
        nothing elsewhere.

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
    grids = [grids] if isinstance(grids, Grid) else grids
    sweep_run = SweepRun([row for grid in grids for row in grid.rows()], out, options)
    if progress is None:
        tell = usual("sweep")

        def progress(state: Progress) -> None:
            done = state.finished + len(state.failed) + sum(state.running.values())
            tell(done, state.total, state.message)

    if client is not None:
        return sweep_run.run(lambda tasks: contextlib.nullcontext(client), progress)
    return sweep_run.run(lambda tasks: cluster.local(tasks, workers), progress)


class SweepRun:
    """Rows, of which those with the same address are run once, and a folder for their results.

    What the command line was `asked` for is written down, for rows to be run again by it. Data that
    cannot be read, or a folder that cannot be written, is a `BrainsleepError`.
    """

    def __init__(
        self,
        rows: Iterable[Row],
        out: str | Path,
        options: Options = _USUAL,
        asked: Mapping[str, Any] | None = None,
    ):
        self.out, self.options = Path(out), options
        self.rows = {row.run_id: row for row in _with_references(addressed(rows))}
        # read once: every result is checked against its checksum
        results = {k: each for k, row in self.rows.items() if (each := result_of(self.out, row))}
        self.finished = set(results)
        self.alarmed = {address for address, result in results.items() if result.alarms}
        self.stopped = {address for address, result in results.items() if result.stopped}
        check_writable(self.out)
        write_manifest(self.out, self.rows.values(), asked)

    def pending(self) -> list[Row]:
        """Return the rows that are to be run."""
        return [
            row
            for address, row in self.rows.items()
            if address not in self.finished
            and (self.options.retry_failed or not failure_file(self.out, row).exists())
        ]

    def run(self, where: Where, progress: ProgressCallback = lambda state: None) -> Progress:
        """Run the rows that are pending on the client that `where` gives; see `sweep`."""
        pending = self.pending()
        if pending:
            self._build(pending, progress)
        state = self._state()
        for row in self.rows.values():
            if row not in pending and row.run_id not in self.finished:
                failure = read_json(failure_file(self.out, row))
                state.failed[row.run_id] = failure.get("error", "failed earlier")
        progress(state)
        if pending:
            with where(len(grouped(pending, self.options.replicas))) as client:
                _Running(client, self, pending, state, progress).finish()
        return state

    def _build(self, pending: Iterable[Row], progress: ProgressCallback) -> None:
        """Compile every distinct program that is needed, where there is a compiler.

        Workers on another kind of processor compile their own.
        """
        if not find_compiler():
            return
        protocols = {
            build_key(
                row.protocol.network,
                Capacity(),
                traced=row.protocol.record.states,
                events=row.protocol.record.events,
            ): row.protocol
            for row in pending
            if row.backend == "cpp" and row.protocol.network.kind == BACKENDS["cpp"].kind
        }
        state = self._state()

        def report(message: str) -> None:
            state.message = message
            progress(state)

        for protocol in protocols.values():
            record = protocol.record
            traced, events = tuple(record.states), record.events
            make_backend("cpp", protocol.network, report=report, traced=traced, events=events)

    def _state(self) -> Progress:
        return Progress(len(self.rows), len(self.finished), self.alarmed, self.stopped)


class _Running:
    """Rows under way on a client."""

    def __init__(
        self,
        client: Any,
        sweep_run: SweepRun,
        pending: Iterable[Row],
        state: Progress,
        progress: ProgressCallback,
    ):
        self.client, self.out, self.options = client, sweep_run.out, sweep_run.options
        self.finished, self.state, self.progress = sweep_run.finished, state, progress
        self.unsent = {row.run_id: row for row in pending}
        self.sent: dict[Any, tuple[list[Row], int]] = {}  # by future, with the attempt's number
        self.parts: dict[str, float] = {}  # how far rows are, as workers tell
        self.begun, self.done = time.monotonic(), 0

    def finish(self) -> None:
        """Send out rows and take in what becomes of them, until none is left.

        `SweepError` or `StoreError` if there is no point in going on.
        """
        from distributed import wait
        from distributed.client import FuturesCancelledError

        try:
            self.client.subscribe_topic(TOPIC, self._heard)
            self._send_ready()
            while self.sent:
                # not long; those that are cancelled are looked at in `_outcomes`
                with contextlib.suppress(TimeoutError, FuturesCancelledError):
                    wait(list(self.sent), timeout=TELL_EVERY, return_when="FIRST_COMPLETED")
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

    def _heard(self, event: tuple) -> None:
        address, part = event[-1]
        self.parts[address] = part

    def _send_ready(self) -> None:
        """Send out what waits for nothing, and give up what waits for a row that failed."""
        ready = [
            row
            for row in self.unsent.values()
            if row.reference is None or row.reference.run_id in self.finished
        ]
        for row in ready:
            del self.unsent[row.run_id]
        for rows in grouped(ready, self.options.replicas):
            self._send(rows, 1)
        for row in list(self.unsent.values()):  # what it waits for may be given up here, too
            reference = row.reference
            if reference and reference.run_id not in self.unsent.keys() | self._sent_ids():
                del self.unsent[row.run_id]
                why = f"the run that its rate is matched to failed ({reference.label})"
                self._give_up(row, why, "", 0)

    def _sent_ids(self) -> set[str]:
        return {row.run_id for rows, _ in self.sent.values() for row in rows}

    def _send(self, rows: list[Row], attempt: int) -> None:
        key = f"brainsleep-{rows[0].run_id}-{attempt}-{os.getpid()}-{time.monotonic_ns()}"
        given = pack(rows), str(self.out.resolve())
        self.sent[self.client.submit(run_packed, *given, key=key, pure=False)] = rows, attempt

    def _take(self, future: Any, rows: list[Row], attempt: int) -> None:
        for row, (error, details) in zip(rows, self._outcomes(future, rows), strict=True):
            self.parts.pop(row.run_id, None)
            if not error:
                self.done += 1
                self.finished.add(row.run_id)
                self.state.finished = len(self.finished)
                with contextlib.suppress(OSError):
                    failure_file(self.out, row).unlink()
            elif attempt <= self.options.retries:
                self._send([row], attempt + 1)  # by itself: it may have failed through the others
            else:
                self._give_up(row, error, details, attempt)

    def _give_up(self, row: Row, error: str, details: str, attempts: int) -> None:
        self.state.failed[row.run_id] = error
        failure = {**described(row), "error": error, "traceback": details, "attempts": attempts}
        write_json(failure_file(self.out, row), failure)

    def _outcomes(self, future: Any, rows: list[Row]) -> list[tuple[str, str]]:
        """Return of every row why it failed, and where; both empty if it did not."""
        if future.status in ("cancelled", "lost"):
            raise SweepError(_LOST)
        if future.status == "error":  # the worker died, or could not begin
            return [(one_line(future.exception()), "")] * len(rows)
        problems = future.result()
        for row, problem in zip(rows, problems, strict=True):
            if problem.get("kind") == StoreError.__name__:
                raise StoreError(problem["error"])
            if problem:
                continue
            result = result_of(self.out, row)
            if result is None:
                got, allowed = "a worker that writes elsewhere", "a folder that all workers share"
                raise SweepError(explain(f"sweep: output folder {self.out}", got, allowed))
            if result.alarms:
                self.state.alarmed.add(row.run_id)
            if result.stopped:
                self.state.stopped.add(row.run_id)
        return [(each.get("error", ""), each.get("traceback", "")) for each in problems]

    def _tell(self) -> None:
        state, sent = self.state, self._sent_ids()
        state.running = parts = {k: part for k, part in list(self.parts.items()) if k in sent}
        workers = self.client.scheduler_info(n_workers=-1).get("workers", {})
        state.message = "" if workers or not sent else "waiting for workers"
        state.seconds = time.monotonic() - self.begun
        done = self.done + sum(parts.values())
        if done > 0.1:
            left = len(sent) + len(self.unsent) - sum(parts.values())
            state.seconds_left = state.seconds / done * left
        self.progress(state)


def _with_references(rows: Iterable[Row]) -> Iterable[Row]:
    """Go through rows, what one is matched to before it."""
    for row in rows:
        if row.reference:
            yield from _with_references([row.reference])
        yield row

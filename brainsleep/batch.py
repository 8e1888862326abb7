"""Runs under way together: what they ask for goes to the backend in one call.

A single run is the same thing with one request at a time. Runs of different length drop out as
they finish; one that fails takes nothing from the others.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence, Sized
from typing import Any

from threadpoolctl import threadpool_limits

from .backend import make_backend
from .errors import BackendError, StoreError, explain
from .plain import plain
from .programs.build import code_of
from .protocol import Protocol
from .request import Answer, Request, Steps
from .run import Run
from .segment import Capacity
from .spec import Network, NetworkSpec
from .store import Result

#: Wall seconds between checkpoints, at least; and how many times longer than writing them takes.
CHECKPOINT_EVERY, CHECKPOINT_SPARING = 15.0, 20.0


def finish(runs: Sequence[Run], backend: str, fresh: bool) -> list[Result | Exception]:
    """Run to the end and store the results.

    Parameters
    ----------
    runs : sequence of Run
        Of networks with the same structure, see `check_alike`.
    backend : str
        Name of the backend.
    fresh : bool
        Begin anew even where there is a checkpoint.

    Returns
    -------
    list of Result or Exception
        The result of every run, or why it has none.

    Raises
    ------
    StoreError
        If results or checkpoints cannot be written.
    """
    if not runs:
        return []
    with threadpool_limits(1):  # matrices are small: threads cost more than they give
        return _UnderWay(runs, backend, fresh).finish()


class Clock:
    """Wall time in seconds, shared evenly by the runs under way.

    Parameters
    ----------
    runs : sized
        As many as share it now.
    """

    def __init__(self, runs: Sized):
        self._runs, self._last, self._share = runs, time.perf_counter(), 0.0

    def __call__(self) -> float:
        """Return the share of one run until now."""
        before, self._last = self._last, time.perf_counter()
        self._share += (self._last - before) / max(1, len(self._runs))
        return self._share

    def skip(self) -> None:
        """Leave out the time since it was last looked at."""
        self._last = time.perf_counter()


class _UnderWay:
    """Runs that ask, a backend that answers."""

    def __init__(self, runs: Sequence[Run], backend: str, fresh: bool):
        self.all, self.under_way = runs, dict(enumerate(runs))
        for run in runs:
            run.resume(fresh)
        wanted = max((run.capacity for run in runs), key=lambda capacity: capacity.steps)
        protocol = runs[0].protocol
        self.backend = make_backend(
            backend, protocol.network, capacity=wanted, hooks=protocol.hooks, report=self._report
        )
        for run in runs:
            run.watches = getattr(self.backend, "watches", False)
            if room := getattr(self.backend, "room", None):  # of its own, whatever is asked for
                run.capacity = Capacity(room.slots, max(room.steps, run.capacity.steps))
        self.clock = Clock(self.under_way)
        self.saved, self.pause = time.perf_counter(), CHECKPOINT_EVERY

    def _report(self, message: str) -> None:
        for run in self.all:
            run.tell(message)

    def finish(self) -> list[Result | Exception]:
        """Answer requests until no run has any."""
        steps = {k: self._whole(run) for k, run in self.under_way.items()}
        ends: dict[int, Result | Exception] = {}
        answers: dict[int, Any] = dict.fromkeys(steps)  # None begins a run
        try:
            while self.under_way:
                asked = {}
                for k, answer in answers.items():
                    found = _next(steps[k], answer)
                    if isinstance(found, Request):
                        asked[k] = found
                    else:
                        self.clock()
                        ends[k] = found
                        del self.under_way[k], steps[k]
                self._save_now_and_then()
                answers = self._answered(asked)
        except KeyboardInterrupt:
            self._save()
            raise
        return [ends[k] for k in range(len(self.all))]

    def _whole(self, run: Run) -> Steps[Result]:
        """Run one to its end and store it."""
        yield from run.steps(self.clock)
        self.clock()
        compiler, gpu = (getattr(self.backend, what, "") for what in ("compiler", "gpu"))
        result = run.store(self.backend.build_seconds / len(self.all), compiler, gpu)
        self.clock.skip()  # it has been counted as the run's own
        return result

    def _answered(self, asked: dict[int, Request]) -> dict[int, Answer | Exception]:
        """Hand over all requests in one call."""
        if not asked:
            return {}
        states, segments, seeds = zip(
            *((each.state, each.segment, each.seed) for each in asked.values()), strict=True
        )
        try:
            answers = self.backend.advance_batch(states, segments, seeds)
        except Exception as error:  # none can go on, and each says so
            answers = [error] * len(asked)
        return dict(zip(asked, answers, strict=True))

    def _save_now_and_then(self) -> None:
        now = time.perf_counter()
        if now - self.saved > self.pause:
            self._save()
            self.saved = time.perf_counter()
            self.pause = max(CHECKPOINT_EVERY, CHECKPOINT_SPARING * (self.saved - now))

    def _save(self) -> None:
        for run in self.under_way.values():
            run.save_checkpoint()


def _next(steps: Steps[Result], answer: Any) -> Request | Result | Exception:
    """Let a run go on until it asks for something, has a result, or fails."""
    try:
        return steps.throw(answer) if isinstance(answer, Exception) else steps.send(answer)
    except StopIteration as end:
        return end.value
    except StoreError:  # no run can be stored
        raise
    except Exception as error:
        return error


# -- which networks go together ----------------------------------------------------------------


def structure(network: Network) -> Any:
    """Return, as plain data, what networks that go through a backend together have in common.

    Of a Brian2 network all but the values of parameters, initial weights and connectivity; of a
    surrogate-gradient network everything.
    """
    if not isinstance(network, NetworkSpec):
        return plain(network)
    periods = {process.name: plain(process.period) for _, process in network.weight_processes()}
    return json.loads(json.dumps({**code_of(network), "period": periods}, default=str))


def check_alike(protocols: Sequence[Protocol]) -> None:
    """Raise `BackendError` unless the networks of `protocols` can go through a backend together."""
    first = protocols[0]
    if len(protocols) > 1 and any(protocol.hooks for protocol in protocols):
        raise BackendError(
            "batch: got a protocol with Python hooks; expected none, as a hook sees one network at "
            "a time; run it alone"
        )
    others = [k for k, each in enumerate(protocols) if each.network is not first.network]
    known = structure(first.network) if others else {}
    for k in others:
        protocol = protocols[k]
        if (found := structure(protocol.network)) == known:
            continue
        where, got, expected = _difference(found, known)
        raise BackendError(
            explain(
                f"batch: network of protocol number {k} ({protocol.name}): {where or 'kind'}",
                got,
                f"{expected}, as in number 0 ({first.name})",
                "networks of a batch differ in parameter values only: make a batch of each kind",
            )
        )


def _difference(one: Any, other: Any, where: str = "") -> tuple[str, Any, Any]:
    """Return where two pieces of plain data differ, and what is there."""
    if isinstance(one, list) and isinstance(other, list):
        one, other = _by_name(one), _by_name(other)
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return where, one, other
    if one.keys() != other.keys():
        return where, ", ".join(one) or "nothing", ", ".join(other) or "nothing"
    key = next((key for key in one if one[key] != other[key]), "")
    if not key:
        return where, "another order", "the same"
    return _difference(one[key], other[key], f"{where}.{key}".strip("."))


def _by_name(parts: list) -> dict[str, Any]:
    """Name the parts of a list as they are called, or else by their place."""
    names = [part.get("name", k) if isinstance(part, dict) else k for k, part in enumerate(parts)]
    return {str(name): part for name, part in zip(names, parts, strict=True)}

"""Replicas: runs under way together, whose requests go to the backend in one call.

A single run is one replica. Runs of different length drop out as they finish; one that fails takes
nothing from the others.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterator, Sequence
from functools import reduce
from typing import Any

from threadpoolctl import threadpool_limits

from ..backends.base import Backend, make_backend
from ..backends.cpp.build import code_of
from ..errors import BackendError, StoreError, explain
from ..experiment.protocol import Protocol
from ..network.spec import Network, NetworkSpec
from ..results.store import Result
from ..values.plain import plain
from .loop import Run
from .segment import Answer, Capacity, Request, Requests

#: Wall seconds between checkpoints, at least; and how many times longer than writing them takes.
CHECKPOINT_EVERY, CHECKPOINT_SPARING = 15.0, 20.0


def finish(runs: Sequence[Run], backend: str, fresh: bool) -> list[Result | Exception]:
    """Run to the end and store: the result of every run, or why it has none.

    The networks are alike, see `check_alike`; `fresh` ignores checkpoints. A result or a checkpoint
    that cannot be written is a `StoreError` for all.
    """
    if not runs:
        return []
    with threadpool_limits(1):  # matrices are small: threads cost more than they give
        return _drive(runs, prepare(runs, backend, fresh))


def prepare(runs: Sequence[Run], backend: str, fresh: bool) -> Backend:
    """Take up the checkpoints of runs, and make a backend with room for each of them."""

    def report(message: str) -> None:
        for run in runs:
            run.tell(message)

    for run in runs:
        run.resume(fresh)
    largest = reduce(Capacity.at_least, (run.capacity for run in runs))
    protocol = runs[0].protocol
    made = make_backend(
        backend,
        protocol.network,
        capacity=largest,
        hooks=protocol.hooks,
        report=report,
        traced={name for run in runs for name in run.sampling.indices},
        events=_events(runs),
    )
    for run in runs:
        run.watches = made.watches
        run.capacity = run.capacity.at_least(made.room)
    return made


def _events(runs: Sequence[Run]) -> dict[str, set[str]]:
    """Return the events that any of the runs records, with all variables of these."""
    found: dict[str, set[str]] = {}
    for run in runs:
        for name, variables in run.sampling.events.items():
            found.setdefault(name, set()).update(variables)
    return found


def _drive(runs: Sequence[Run], backend: Backend) -> list[Result | Exception]:
    """Answer the requests of runs until none has any; those under way share the wall time."""
    under_way = dict(enumerate(runs))
    saved = last = time.perf_counter()
    pause = CHECKPOINT_EVERY

    def share() -> None:
        nonlocal last
        before, last = last, time.perf_counter()
        for run in under_way.values():
            run.seconds += (last - before) / len(under_way)

    def save() -> None:
        for run in under_way.values():
            run.save_checkpoint()

    def whole(run: Run) -> Requests[Result]:
        nonlocal last
        yield from run.requests()
        share()
        result = run.store(backend, backend.build_seconds / len(runs))
        last = time.perf_counter()  # storing has been counted as the run's own
        return result

    requests = [whole(run) for run in runs]
    outcomes: dict[int, Result | Exception] = {}
    answers: dict[int, Any] = dict.fromkeys(under_way)  # None begins a run
    try:
        while under_way:
            asked = {}
            for k, answer in answers.items():
                reply = _next(requests[k], answer)
                if isinstance(reply, Request):
                    asked[k] = reply
                else:
                    outcomes[k] = reply
                    del under_way[k]
            share()
            if last - saved > pause:
                save()
                saved = time.perf_counter()
                pause = max(CHECKPOINT_EVERY, CHECKPOINT_SPARING * (saved - last))
            answers = dict(zip(asked, _answers(backend, asked.values()), strict=True))
    except KeyboardInterrupt:
        save()
        raise
    return [outcomes[k] for k in range(len(runs))]


def _next(requests: Requests[Result], answer: Any) -> Request | Result | Exception:
    """Let a run go on until it asks for something, has a result, or fails."""
    try:
        return requests.throw(answer) if isinstance(answer, Exception) else requests.send(answer)
    except StopIteration as end:
        return end.value
    except StoreError:  # no run can be stored
        raise
    except Exception as error:
        return error


def _answers(backend: Backend, asked: Collection[Request]) -> Sequence[Answer | Exception]:
    """Hand over all requests, if there are any, in one call."""
    if not asked:
        return []
    states, segments = [each.state for each in asked], [each.segment for each in asked]
    try:
        return backend.advance_replicas(states, segments, [each.seed for each in asked])
    except Exception as error:  # none can go on, and each says so
        return [error] * len(asked)


# -- which networks go together ----------------------------------------------------------------


def structure(network: Network) -> Any:
    """Return, as plain data, what networks that go through a backend together have in common.

    Of a Brian2 network all but the values of parameters, initial weights and connectivity; of a
    surrogate-gradient network everything.
    """
    if network.kind != NetworkSpec.kind:
        return plain(network)
    periods = {process.name: plain(process.period) for _, process in network.weight_processes()}
    return json.loads(json.dumps({**code_of(network), "period": periods}, default=str))


def check_alike(protocols: Sequence[Protocol]) -> None:
    """Raise `BackendError` unless the networks of `protocols` can go through a backend together."""
    first = protocols[0]
    if len(protocols) > 1 and any(protocol.hooks for protocol in protocols):
        raise BackendError(
            "replicas: got a protocol with Python hooks; expected none, as a hook sees one network "
            "at a time; run it with simulate"
        )
    others = [k for k, each in enumerate(protocols) if each.network is not first.network]
    expected = structure(first.network) if others else {}
    for k in others:
        protocol = protocols[k]
        if (own := structure(protocol.network)) == expected:
            continue
        where, got, allowed = _difference(own, expected)
        raise BackendError(
            explain(
                f"replicas: network of protocol number {k} ({protocol.name}): {where}",
                got,
                f"{allowed}, as in number 0 ({first.name})",
                "networks of replicas differ in parameter values only: run each kind by itself",
            )
        )


def _difference(one: Any, other: Any) -> tuple[str, Any, Any]:
    """Return where two pieces of plain data differ, and what is there."""
    mine, theirs = dict(_leaves(one)), dict(_leaves(other))
    for where in mine | theirs:
        if mine.get(where) != theirs.get(where):
            return where, mine.get(where, "nothing"), theirs.get(where, "nothing")
    return "order of parts", "another", "the same"


def _leaves(value: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """Go through the values in plain data; parts of a list go by their names, or their places."""
    if isinstance(value, list):
        names = [
            part.get("name", k) if isinstance(part, dict) else k for k, part in enumerate(value)
        ]
        value = dict(zip(names, value, strict=True))
    if not isinstance(value, dict):
        yield where, value
        return
    for key, part in value.items():
        yield from _leaves(part, f"{where}.{key}".strip("."))

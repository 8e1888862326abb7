"""Run a protocol: network and stimulus, segment by segment -> observers -> stored result."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from ..backends.base import backend_identity, default_backend
from ..errors import ProtocolError, ReplicaError, explain, one_line
from ..experiment.protocol import Protocol, run_id
from ..results.store import Result, check_writable, find_result, partial_folder, working_on
from .loop import Run
from .progress import ProgressCallback, usual
from .replicas import check_alike, finish

__all__ = ["ProgressCallback", "simulate", "simulate_many"]

log = logging.getLogger("brainsleep")


def simulate(
    protocol: Protocol,
    *,
    seed: int = 0,
    backend: str | None = None,
    out: str | Path = "results",
    force: bool = False,
    progress: ProgressCallback | None = None,
) -> Result:
    """Run `protocol` and store the result.

    Parameters
    ----------
    protocol : Protocol
        What to run.
    seed : int
        Seed of the run; split by name into independent streams (synapses, weights, data order,
        dynamics, bootstrap).
    backend : {"cpp", "cuda", "cython", "numpy", "torch", "torch-cuda"}, optional
        Default: C++ standalone where there is a compiler; torch for surrogate-gradient networks.
    out : path
        Folder of results; the run's own folder in it is named by its id.
    force : bool
        Run again even if the result is already there.
    progress : callable, optional
        ``progress(steps_done, steps_total, text)``; by default a bar in a notebook, and nothing
        elsewhere.

    Returns
    -------
    Result
        The stored result: the earlier one if the same run was finished before. A run with hooks is
        done again, from its beginning: what they do besides is not in a result.

    Raises
    ------
    BrainsleepError
        For bad input or a failed simulation; what was finished before is kept.
    """
    if not isinstance(protocol, Protocol):
        got = f"a {type(protocol).__name__}"
        raise ProtocolError(explain("simulate", got, "a Protocol", "several need simulate_many"))
    tell = progress or usual(protocol.name)
    (outcome,) = _simulate([protocol], [seed], backend, Path(out), force, [tell])
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def simulate_many(
    protocols: Sequence[Protocol],
    *,
    seeds: int | Sequence[int] = 0,
    backend: str | None = None,
    out: str | Path = "results",
    force: bool = False,
    progress: ProgressCallback | Sequence[ProgressCallback] | None = None,
) -> list[Result]:
    """Run several protocols as replicas, which go through the backend together.

    Parameters
    ----------
    protocols : sequence of Protocol
        What to run. Their networks may differ in parameter values, connectivity and weights, they
        themselves in everything else.
    seeds : int or sequence of int
        Seed of every run, or one for all.
    backend, out, force
        As in `simulate`.
    progress : callable or sequence of callable
        As in `simulate`: one for each run, or one that is told the sums.

    Returns
    -------
    list of Result
        Each stored as if it had been run by itself; the same run is done once.

    Raises
    ------
    ReplicaError
        If runs failed: says which, after the others have been stored.
    BrainsleepError
        For bad input; what was finished before is kept.

    Examples
    --------
    >>> simulate_many([protocol] * 10, seeds=range(10))  # doctest: +SKIP
    """
    if isinstance(protocols, Protocol) or not isinstance(protocols, Iterable):
        got = f"a {type(protocols).__name__}"
        raise ProtocolError(explain("simulate_many", got, "a sequence of protocols"))
    protocols = list(protocols)
    n = len(protocols)
    progress = progress or usual(f"{n} runs")
    seeds = _one_each("seeds", seeds, n)
    progress = _one_each("progress", _summed(progress, n) if callable(progress) else progress, n)
    outcomes = _simulate(protocols, seeds, backend, Path(out), force, progress)
    failures = [
        f"number {k} ({protocols[k].name}, seed {seeds[k]}): {one_line(outcome)}"
        for k, outcome in enumerate(outcomes)
        if isinstance(outcome, Exception)
    ]
    if failures:
        kept = "the others are stored" if len(failures) < n else "none is stored"
        text = f"replicas: {len(failures)} of {n} runs failed, {kept}; {'; '.join(failures)}"
        raise ReplicaError(text, outcomes)
    return [outcome for outcome in outcomes if isinstance(outcome, Result)]


def _one_each(what: str, values: Any, n: int) -> list:
    """Return a value for each of `n` runs; one that is no sequence is for all."""
    values = list(values) if isinstance(values, Iterable) else [values] * n
    if len(values) != n:
        got = f"{len(values)} of them"
        raise ProtocolError(explain(f"simulate_many: {what}", got, f"one, or {n}"))
    return values


def _summed(progress: ProgressCallback, n: int) -> list[ProgressCallback]:
    """Make progress functions of `n` runs that tell one the sums."""
    parts = [(0, 0)] * n

    def tell(k: int, done: int, total: int, text: str) -> None:
        parts[k] = done, total
        progress(sum(part[0] for part in parts), sum(part[1] for part in parts), text)

    return [partial(tell, k) for k in range(n)]


def _simulate(
    protocols: Sequence[Protocol],
    seeds: Sequence[int],
    backend: str | None,
    out: Path,
    force: bool,
    progress: Sequence[ProgressCallback],
) -> list[Result | Exception]:
    """Return the result of every run, or why there is none; the same run is done once."""
    if not protocols:
        return []
    backend = backend or default_backend(protocols[0].network)
    check_alike(protocols)
    check_writable(out)
    opened: dict[Any, Any] = {}
    warn = cache(log.warning)
    jobs, addresses = {}, []
    for protocol, seed, tell in zip(protocols, seeds, progress, strict=True):
        material = protocol.open(opened)
        for remark in material.remarks:
            warn(remark)
        address = run_id(protocol, seed, backend_identity(backend), material.fingerprint)
        jobs[address] = protocol, seed, backend, material, address, out, tell
        addresses.append(address)
    outcomes: dict[str, Result | Exception] = {}
    fresh = force or bool(protocols[0].hooks)  # what hooks do besides is in no result

    def waiting(address: str) -> None:
        jobs[address][-1](0, 1, "waiting: another process runs it")

    with working_on(out, jobs, waiting):
        runs = []
        for address, job in jobs.items():
            if not fresh and (stored := find_result(out, address)):
                job[-1](1, 1, "already complete")
                shutil.rmtree(partial_folder(out, address), ignore_errors=True)
                outcomes[address] = stored
                continue
            try:
                runs.append(run := Run(*job))
            except Exception as error:
                outcomes[address] = error
                continue
            if run.course.remark:
                warn("%s: %s", run.protocol.name, run.course.remark)
        finished = finish(runs, backend, fresh)
        outcomes |= {run.identity: each for run, each in zip(runs, finished, strict=True)}
    return [outcomes[address] for address in addresses]

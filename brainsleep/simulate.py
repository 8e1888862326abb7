"""Run a protocol: data -> encoder -> network under a schedule -> recording -> readout -> store."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal, cast, overload

import numpy as np

from .backend import backend_identity, default_backend, make_backend
from .batch import check_alike, finish
from .cadence import without_sleep
from .datasets import load_dataset
from .errors import BatchError, ProtocolError, explain, one_line
from .probes import shown
from .protocol import Protocol, run_id
from .run import Progress, Run
from .state import initial_state, stream
from .store import Result, check_writable, find_result, partial_folder, working_on

__all__ = ["Progress", "measure_rate", "simulate"]

log = logging.getLogger("brainsleep")


@overload
def simulate(
    protocol: Protocol, *, seed: int = ..., backend: str | None = ..., out: str | Path = ...,
    force: bool = ..., progress: Progress = ..., batch: Literal[False] = ...,
) -> Result: ...  # fmt: skip


@overload
def simulate(
    protocol: Sequence[Protocol] | None = ..., *, protocols: Sequence[Protocol] | None = ...,
    seed: int | Sequence[int] = ..., backend: str | None = ..., out: str | Path = ...,
    force: bool = ..., progress: Progress | Sequence[Progress] = ..., batch: Literal[True],
) -> list[Result]: ...  # fmt: skip


def simulate(
    protocol: Protocol | Sequence[Protocol] | None = None,
    *,
    protocols: Sequence[Protocol] | None = None,
    seed: int | Sequence[int] = 0,
    backend: str | None = None,
    out: str | Path = "results",
    force: bool = False,
    progress: Progress | Sequence[Progress] = lambda done, total, text: None,
    batch: bool = False,
) -> Result | list[Result]:
    """Run `protocol` and store the result.

    Parameters
    ----------
    protocol : Protocol, or sequence of Protocol with `batch`
        What to run.
    protocols : sequence of Protocol, optional
        The same for a batch, by a name that says so.
    seed : int, or sequence of int with `batch`
        Seed of the run; split by name into independent streams (synapses, weights, data order,
        dynamics, bootstrap).
    backend : {"cpp", "cuda", "cython", "numpy", "torch", "torch-cuda"}, optional
        Default: C++ standalone where there is a compiler; torch for surrogate-gradient networks.
    out : path
        Folder of results; the run's own folder in it is named by its id.
    force : bool
        Run again even if the result is already there.
    progress : callable, or sequence of callable with `batch`
        ``progress(steps_done, steps_total, text)``; in a batch one for each run, or one that is
        told the sums.
    batch : bool
        Whether these are several runs, which go through the backend together. Each is stored as
        if it had been run alone. Their networks may differ in parameter values, connectivity and
        weights, their protocols in everything else.

    Returns
    -------
    Result, or list of Result with `batch`
        The stored result: the earlier one if the same run was finished before. A run with hooks is
        done again, from its beginning: what they do besides is not in a result.

    Raises
    ------
    BatchError
        If runs of a batch failed: says which, after the others have been stored.
    BrainsleepError
        For bad input or a failed simulation; what was finished before is kept.

    Examples
    --------
    >>> simulate([protocol] * 10, seed=range(10), batch=True)  # doctest: +SKIP
    """
    if (protocol is None) == (protocols is None) or (protocols is not None and not batch):
        got = "both or neither of protocol and protocols" if batch else "no protocol"
        allowed = "one protocol; or protocols=[...], batch=True"
        raise ProtocolError(explain("simulate", got, allowed))
    if batch:
        several, seeds, tells = _many(protocols if protocol is None else protocol, seed, progress)
        found = _simulate(several, seeds, backend, Path(out), force, tells)
        failed = {k: each for k, each in enumerate(found) if isinstance(each, Exception)}
        if failed:
            raise BatchError(_failures(failed, several, seeds), found)
        return [result for result in found if isinstance(result, Result)]
    if not isinstance(protocol, Protocol):
        got = f"a {type(protocol).__name__}"
        raise ProtocolError(explain("simulate", got, "a Protocol", "several need batch=True"))
    alone, tell = cast(int, seed), cast(Progress, progress)
    (result,) = _simulate([protocol], [alone], backend, Path(out), force, [tell])
    if isinstance(result, Exception):
        raise result
    return result


def _simulate(
    protocols: Sequence[Protocol],
    seeds: Sequence[int],
    backend: str | None,
    out: Path,
    force: bool,
    tells: Sequence[Progress],
) -> list[Result | Exception]:
    """Return the result of every run, or why there is none; the same run is done once."""
    if not protocols:
        return []
    backend = backend or default_backend(protocols[0].network)
    check_alike(protocols)
    check_writable(out)
    load, warn = cache(load_dataset), cache(log.warning)
    jobs, addresses = {}, []
    for protocol, seed, tell in zip(protocols, seeds, tells, strict=True):
        dataset = load(protocol.data.source, protocol.data.root or None)
        if squeezed := protocol.encoder.squeezed(*dataset.images.shape[1:]):
            warn("%s: %s", dataset.name, squeezed)
        if unseen := dataset.unseen:
            warn("%s: %s", dataset.name, unseen)
        address = run_id(protocol, seed, backend_identity(backend), dataset.fingerprint)
        jobs[address] = protocol, seed, backend, dataset, address, out, tell
        addresses.append(address)
    ends: dict[str, Result | Exception] = {}

    def waiting(address: str) -> None:
        jobs[address][-1](0, 1, "waiting: another process runs it")

    with working_on(out, jobs, waiting):
        runs = []
        for address, job in jobs.items():
            anew = force or bool(job[0].hooks)  # what they do besides is in no result
            if not anew and (found := find_result(out, address)):
                job[-1](1, 1, "already complete")
                shutil.rmtree(partial_folder(out, address), ignore_errors=True)
                ends[address] = found
                continue
            try:
                runs.append(run := Run(*job))
            except Exception as error:
                ends[address] = error
                continue
            network, schedule = run.protocol.network, run.protocol.schedule
            if text := without_sleep(schedule, run.table, network.dt):
                warn("%s: %s", run.protocol.name, text)
        fresh = force or any(run.protocol.hooks for run in runs)
        finished = finish(runs, backend, fresh)
        ends |= {run.identity: end for run, end in zip(runs, finished, strict=True)}
    return [ends[address] for address in addresses]


def _many(protocol: Any, seed: Any, progress: Any) -> tuple[list, list, list]:
    """Return protocols, seeds and progress functions of a batch, as many of each."""
    if isinstance(protocol, Protocol) or not isinstance(protocol, Iterable):
        got = f"a {type(protocol).__name__}"
        raise ProtocolError(explain("simulate: batch", got, "a sequence of protocols"))
    protocols = list(protocol)
    n = len(protocols)
    found = [protocols]
    for what, values in (("seed", seed), ("progress", progress)):
        each = list(values) if isinstance(values, Iterable) else None
        if each is not None and len(each) != n:
            raise ProtocolError(
                explain(f"simulate: batch: {what}", f"{len(each)} of them", f"one, or {n}")
            )
        if each is None:
            each = _summed(progress, n) if what == "progress" else [seed] * n
        found.append(each)
    return found[0], found[1], found[2]


def _summed(progress: Progress, n: int) -> list[Progress]:
    """Make progress functions of `n` runs that tell one the sums."""
    parts = [(0, 0)] * n

    def tell(k: int, done: int, total: int, text: str) -> None:
        parts[k] = done, total
        progress(sum(part[0] for part in parts), sum(part[1] for part in parts), text)

    return [partial(tell, k) for k in range(n)]


def _failures(failed: dict[int, Exception], protocols: list, seeds: list) -> str:
    """Say which runs of a batch failed, and why."""
    each = [
        f"number {k} ({protocols[k].name}, seed {seeds[k]}): {one_line(error)}"
        for k, error in failed.items()
    ]
    kept = "the others are stored" if len(failed) < len(protocols) else "none is stored"
    return f"batch: {len(failed)} of {len(protocols)} runs failed, {kept}; {'; '.join(each)}"


def measure_rate(protocol: Protocol, seed: int, backend: str, images: np.ndarray) -> float:
    """Return the mean rate in Hz of the readout population while an untrained network sees images.

    Parameters
    ----------
    protocol : Protocol
        The network and its encoder; only its test phase is used.
    seed : int
        Seed of connectivity, weights and input.
    backend : str
        Name of the backend.
    images : ndarray of uint8, shape (n_images, height, width)
        Images to show.
    """
    network = protocol.network
    program = make_backend(backend, network)
    state = initial_state(network, seed, protocol.initial_weights.weights())
    spikes = steps = 0
    for first, segment in shown(protocol, images, program.capacity.slots // 2):
        key = int(stream(seed, "calibration", first).integers(2**32))
        state, recording = program.advance(state, segment, key)
        spikes += int(recording.counts[protocol.readout.population].sum())
        steps += int(segment.starts[-1])
    size = network.population(protocol.readout.population).size
    return spikes / (size * float(steps * network.dt))

"""Run a protocol: data -> encoder -> network under a schedule -> recording -> readout -> store."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from .backend import backend_identity, default_backend, make_backend
from .datasets import load_dataset
from .probes import shown
from .protocol import Protocol, run_id
from .run import Progress, Run
from .state import initial_state, stream
from .store import Result, check_writable, find_result, partial_folder, working_on

__all__ = ["Progress", "measure_rate", "simulate"]


def simulate(
    protocol: Protocol,
    *,
    seed: int = 0,
    backend: str | None = None,
    out: str | Path = "results",
    force: bool = False,
    progress: Progress = lambda done, total, text: None,
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
    progress : callable
        ``progress(steps_done, steps_total, text)``.

    Returns
    -------
    Result
        The stored result: the earlier one if the same run was finished before.

    Raises
    ------
    BrainsleepError
        For bad input or a failed simulation; what was finished before is kept.
    """
    out = Path(out)
    backend = backend or default_backend(protocol.network)
    check_writable(out)
    dataset = load_dataset(protocol.data.source, protocol.data.root or None)
    identity = run_id(protocol, seed, backend_identity(backend), dataset.fingerprint)
    with working_on(out, identity, lambda: progress(0, 1, "waiting: another process runs it")):
        if not force and (found := find_result(out, identity)):
            progress(1, 1, "already complete")
            shutil.rmtree(partial_folder(out, identity), ignore_errors=True)
            return found
        run = Run(protocol, seed, backend, dataset, identity, out)
        return run.finish(progress, fresh=force)


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
    state = initial_state(network, seed)
    spikes = steps = 0
    for first, segment in shown(protocol, images, program.capacity.slots // 2):
        key = int(stream(seed, "calibration", first).integers(2**32))
        state, recording = program.advance(state, segment, key)
        spikes += int(recording.counts[protocol.readout.population].sum())
        steps += int(segment.starts[-1])
    size = network.population(protocol.readout.population).size
    return spikes / (size * float(steps * network.dt))

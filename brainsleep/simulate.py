"""Run a protocol: data -> encoder -> network under a schedule -> recording -> readout -> store.

A run is a chain of segments. Between segments the state is plain arrays, so weights can be
looked at, sleep can end early, progress can be shown, and an interrupted run goes on from its
last checkpoint with the same result as an undisturbed one.
"""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from .backend import backend_identity, default_backend, make_backend
from .build import describe_compiler
from .datasets import Dataset, load_dataset, split
from .errors import StoreError
from .measure import rate_metrics, response_metrics, scores, weight_metrics
from .metrics import WEIGHT_STATISTICS
from .protocol import Protocol, run_id
from .recorder import Checkpoint, Recorder
from .segment import Capacity, Segment
from .state import State, initial_state, stream
from .store import (
    Result,
    check_writable,
    clean_leftovers,
    find_result,
    partial_folder,
    versions,
    working_on,
    write_result,
)

#: Wall seconds between checkpoints.
CHECKPOINT_EVERY = 15.0

#: Told how far a run is: steps done, steps in all, what it is doing.
Progress = Callable[[int, int, str], None]

STAGES = ("train", "readout", "test")


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
    backend : {"cpp", "cython", "numpy"}, optional
        Default: C++ standalone where there is a compiler.
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
    backend = backend or default_backend()
    check_writable(out)
    dataset = load_dataset(protocol.data.source, protocol.data.root or None)
    identity = run_id(protocol, seed, backend_identity(backend), dataset.fingerprint)
    with working_on(out, identity, lambda: progress(0, 1, "waiting: another process runs it")):
        if not force and (found := find_result(out, identity)):
            progress(1, 1, "already complete")
            shutil.rmtree(partial_folder(out, identity), ignore_errors=True)
            return found
        run = _Run(protocol, seed, backend, dataset, identity, out)
        return run.finish(progress, fresh=force)


class _Run:
    """One run under way."""

    def __init__(
        self,
        protocol: Protocol,
        seed: int,
        backend: str,
        dataset: Dataset,
        identity: str,
        out: Path,
    ):
        self.protocol, self.seed, self.backend_name = protocol, seed, backend
        self.dataset, self.identity, self.out = dataset, identity, out
        data, network = protocol.data, protocol.network
        self.split = split(
            dataset,
            data.n_train,
            data.n_readout,
            data.n_test,
            stream(seed, "data"),
            data.split_seed,
        )
        self.table = protocol.schedule.compile(
            data.n_train, data.n_readout, data.n_test, network.gates, network.dt
        )
        self.recorder = Recorder.empty(protocol, len(self.table))
        self._at = (0, initial_state(network, seed))  # one value: an interrupt finds a whole one
        self.initial_sum = self._summed_weight(self.state)
        self.seconds = 0.0
        self._n_train_slots = int(np.sum(self.table.stage == "train"))
        self._stat_slots = self._statistic_slots()

    @property
    def position(self) -> int:
        """The next slot to run."""
        return self._at[0]

    @property
    def state(self) -> State:
        """The state before that slot."""
        return self._at[1]

    # -- laying out ----------------------------------------------------------------------------

    def _statistic_slots(self) -> np.ndarray:
        """Slots before which weight statistics are taken (training only, and its end)."""
        record, table = self.protocol.record, self.table
        n_train = self._n_train_slots
        slots = {0, n_train}
        if record.weights_at_phases:
            slots |= set(np.flatnonzero(table.onset[:n_train]).tolist())
        if record.weights_every:
            slots |= set(range(0, n_train, record.weights_every))
        return np.array(sorted(slots))

    def _boundaries(self) -> np.ndarray:
        """Slots at which a segment must begin."""
        table = self.table
        changes = 1 + np.flatnonzero(table.stage[1:] != table.stage[:-1])
        checks = np.flatnonzero(table.above)
        snapshots = [s for s in self.protocol.record.snapshots if s < len(table)]
        return np.unique(
            np.concatenate([changes, self._stat_slots, checks, checks + 1, snapshots, [len(table)]])
        ).astype(int)

    def _segment(self, first: int, last: int) -> Segment:
        table, cut = self.table, slice(first, last)
        stage = str(table.stage[first])
        image = table.image[cut]
        encoder, images = self.protocol.encoder, getattr(self.split, stage).images
        stimulus = np.zeros((last - first, encoder.n_inputs))
        if np.any(image >= 0):
            stimulus[image >= 0] = encoder.rates(images[image[image >= 0]])
        raster = np.zeros(last - first, dtype=bool)
        if self.protocol.record.raster:
            start, stop = self.protocol.record.raster
            slots = np.arange(first, last)
            raster = (slots >= start) & (slots < stop)
        gates = {name: gate[cut] for name, gate in table.gates.items()}
        return Segment(
            table.steps[cut], stimulus, gates, table.onset[cut], table.phase[cut], raster
        )

    # -- running -------------------------------------------------------------------------------

    def finish(self, progress: Progress, fresh: bool = False) -> Result:
        """Run to the end and store the result."""
        total = int(self.table.steps.sum())
        folder = partial_folder(self.out, self.identity)
        clean_leftovers(self.out, self.identity)
        if fresh:
            shutil.rmtree(folder, ignore_errors=True)
        if self._load_checkpoint(folder):
            progress(self._done(), total, "resumed")
        network = self.protocol.network
        backend = make_backend(
            self.backend_name,
            network,
            capacity=self._capacity(),
            hooks=self.protocol.hooks,
            report=lambda message: progress(self._done(), total, message),
        )
        begun, saved = time.perf_counter(), time.perf_counter()
        before = self.seconds
        boundaries = self._boundaries()
        try:
            while self.position < len(self.table):
                last = self._next_border(boundaries, backend.capacity)
                self._advance(backend, last)
                self.seconds = before + time.perf_counter() - begun
                progress(self._done(), total, str(self.table.phase[last - 1]))
                if time.perf_counter() - saved > CHECKPOINT_EVERY:
                    self._save_checkpoint(folder)
                    saved = time.perf_counter()
        except KeyboardInterrupt:
            self._save_checkpoint(folder)
            raise
        self._observe_weights(len(self.table))
        result = self._store(backend.build_seconds, progress, total)
        shutil.rmtree(folder, ignore_errors=True)
        return result

    def _done(self) -> int:
        return int(self.table.starts[self.position])

    def _capacity(self) -> Capacity:
        longest = int(self.table.steps.max())
        usual = Capacity()
        return usual if longest <= usual.steps else Capacity(usual.slots, longest)

    def _next_border(self, boundaries: np.ndarray, capacity: Capacity) -> int:
        first = self.position
        last = int(boundaries[boundaries > first][0])
        last = min(last, first + capacity.slots)
        room = np.searchsorted(
            self.table.starts, self.table.starts[first] + capacity.steps, side="right"
        )
        return max(first + 1, min(last, int(room) - 1))

    def _advance(self, backend, last: int) -> None:
        first = self.position
        self._observe_weights(first)
        above = self.table.above[first] * self.initial_sum
        if above and self._summed_weight(self.state) <= above:
            self._at = (self._next_phase(first), self.state)  # sleep is over, or need not begin
            return
        segment = self._segment(first, last)
        seed = int(stream(self.seed, "dynamics", first).integers(2**32))
        state, recording = backend.advance(self.state, segment, seed)
        self.recorder.add_segment(self.table, first, last, recording)
        self._at = (last, state)

    def _next_phase(self, slot: int) -> int:
        later = np.flatnonzero(self.table.phase[slot + 1 :] != self.table.phase[slot])
        return slot + 1 + int(later[0]) if len(later) else len(self.table)

    def _summed_weight(self, state: State) -> float:
        return sum(
            float(state.weights(p.name).sum())
            for p in self.protocol.network.projections
            if p.processes
        )

    def _observe_weights(self, slot: int) -> None:
        if slot in self._stat_slots:
            self.recorder.add_statistics(slot, self.protocol, self.state)
        names = {"initial": slot == 0, "trained": slot == self._n_train_slots}
        names[f"slot_{slot}"] = slot in self.protocol.record.snapshots
        for name, wanted in names.items():
            if wanted:
                self.recorder.add_snapshot(name, self.protocol, self.state)

    # -- checkpoints ---------------------------------------------------------------------------

    def _save_checkpoint(self, folder: Path) -> None:
        position, state = self._at
        recorded = self.recorder.arrays(before=position)
        point = Checkpoint(position, self.seconds, state.arrays, recorded)
        try:
            point.save(folder)
        except OSError as error:
            raise StoreError(
                f"checkpoint: cannot write to {folder} ({error.strerror}); free some space; "
                "results finished before are kept"
            ) from error

    def _load_checkpoint(self, folder: Path) -> bool:
        point = Checkpoint.load(folder, self.state, len(self.table))
        if point is None:
            return False
        self.recorder.restore(point.recorded)
        self._at = (point.position, replace(self.state, arrays=point.state))
        self.seconds = point.seconds
        return True

    # -- results -------------------------------------------------------------------------------

    def _store(self, build_seconds: float, progress: Progress, total: int) -> Result:
        progress(total, total, "readout")
        started = time.perf_counter()
        with threadpool_limits(1):  # matrices are small: threads cost more than they give
            metrics, arrays = self._measure()
        timings = {
            "build_s": build_seconds,
            "simulate_s": self.seconds,
            "readout_s": time.perf_counter() - started,
            "biological_s": float(self.recorder.ran.sum() * self.protocol.network.dt),
        }
        described = self.protocol.describe()
        info = {
            "protocol": described,
            "equations": self.protocol.equations(),
            "seed": int(self.seed),
            "backend": self.backend_name,
            "data": {
                "name": self.dataset.name,
                "fingerprint": self.dataset.fingerprint,
                "source": self.dataset.source,
                "licence": self.dataset.licence,
                "citation": self.dataset.citation,
            },
            "metrics": metrics,
            "timings": timings,
            "versions": versions(),
            "compiler": describe_compiler() if self.backend_name != "numpy" else "",
            "machine": f"{platform.system()} {platform.machine()}",
            "weight_statistics": list(WEIGHT_STATISTICS),
        }
        return write_result(self.out, self.identity, info, arrays)

    def _measure(self) -> tuple[dict, dict[str, np.ndarray]]:
        protocol, table, recorder = self.protocol, self.table, self.recorder
        dt = float(protocol.network.dt)
        arrays = recorder.arrays()
        arrays |= {
            "slots/steps": recorder.ran,
            "slots/image": table.image,
            "slots/stage": table.stage,
            "slots/phase": table.phase,
            "slots/sleep_stage": table.sleep_stage,
        }
        arrays["stat_times_s"] = arrays.pop("stat_steps") * dt
        for p in protocol.network.projections:
            pre, post = self.state.synapses[p.name]
            arrays[f"synapses/{p.name}"] = np.column_stack([pre, post])
        for stage in STAGES:
            arrays[f"labels/{stage}"] = getattr(self.split, stage).labels
        metrics = weight_metrics(protocol, recorder, self.state)
        metrics |= rate_metrics(protocol, recorder, table)
        metrics |= response_metrics(protocol, recorder, table, self.split, self.seed)
        if protocol.data.n_readout and protocol.data.n_test:
            found, few = scores(protocol, recorder, table, self.split, self.seed)
            metrics |= few
            for name, score in found.items():
                metrics[f"{name}_accuracy"] = score.accuracy
                metrics[f"{name}_interval"] = list(score.interval)
                metrics[f"{name}_components"] = score.components
                arrays[f"correct/{name}"] = score.correct
        return metrics, arrays


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
    table = protocol.schedule.compile(0, 0, len(images), network.gates, network.dt)
    program = make_backend(backend, network)
    state = initial_state(network, seed)
    rates = protocol.encoder.rates(images)
    total = 0
    for first in range(0, len(images), program.capacity.slots // 2):
        cut = slice(first, first + program.capacity.slots // 2)
        segment = Segment(
            table.steps[cut],
            rates[cut],
            {k: v[cut] for k, v in table.gates.items()},
            table.onset[cut],
            table.phase[cut],
            np.zeros(len(table.steps[cut]), bool),
        )
        key = int(stream(seed, "calibration", first).integers(2**32))
        state, recording = program.advance(state, segment, key)
        total += int(recording.counts[protocol.readout.population].sum())
    size = network.population(protocol.readout.population).size
    return total / (size * float(table.steps.sum() * network.dt))

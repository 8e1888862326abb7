"""Run a protocol: data -> encoder -> network under a schedule -> recording -> readout -> store.

A run is a chain of segments. Between segments the state is plain arrays, so weights can be
looked at, sleep can end early, progress can be shown, and an interrupted run goes on from its
last checkpoint with the same result as an undisturbed one.
"""

from __future__ import annotations

import platform
import shutil
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from .backend import default_backend, describe_compiler, make_backend
from .datasets import Dataset, load_dataset, split
from .errors import StoreError
from .metrics import WEIGHT_STATISTICS, mean_rate, saturation, silent_fraction, weight_statistics
from .protocol import Protocol, run_id
from .readout import Score, fit_score
from .segment import Capacity, Recording, Segment
from .state import State, initial_state, stream
from .store import (
    Result,
    check_writable,
    clean_leftovers,
    find_result,
    partial_folder,
    save_arrays,
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
    identity = run_id(protocol, seed, backend, dataset.fingerprint)
    if not force and (found := find_result(out, identity)):
        progress(1, 1, "already complete")
        shutil.rmtree(partial_folder(out, identity), ignore_errors=True)
        return found
    run = _Run(protocol, seed, backend, dataset, identity, out)
    return run.finish(progress, fresh=force)


@dataclass
class _Recorder:
    """Everything kept of a run so far, in arrays that a checkpoint can hold."""

    counts: dict[str, np.ndarray]  # (n_slots, n_neurons) of populations whose counts are kept
    totals: dict[str, np.ndarray]  # (n_slots,) spikes of all neurons of a population
    ran: np.ndarray  # (n_slots,) steps really run: 0 where sleep had ended
    stat_steps: list[int]
    stats: dict[str, list[np.ndarray]]
    snapshots: dict[str, np.ndarray]
    spikes: dict[str, list[np.ndarray]]  # population: blocks of (step, neuron)

    @classmethod
    def empty(cls, protocol: Protocol, n_slots: int) -> _Recorder:
        network = protocol.network
        spiking = [p for p in network.populations if p.model.threshold]
        return cls(
            counts={
                p.name: np.zeros((n_slots, p.size), np.int32)
                for p in spiking
                if p.name != network.input
            },
            totals={p.name: np.zeros(n_slots, np.int64) for p in spiking},
            ran=np.zeros(n_slots, np.int64),
            stat_steps=[],
            stats={p.name: [] for p in network.projections},
            snapshots={},
            spikes={p.name: [] for p in spiking},
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all as named arrays."""
        found = {f"counts/{k}": v for k, v in self.counts.items()}
        found |= {f"totals/{k}": v for k, v in self.totals.items()}
        found |= {f"snapshots/{k}": v for k, v in self.snapshots.items()}
        found |= {"ran": self.ran, "stat_steps": np.array(self.stat_steps, np.int64)}
        width = len(WEIGHT_STATISTICS)
        found |= {f"stats/{k}": np.array(v).reshape(-1, width) for k, v in self.stats.items()}
        for name, blocks in self.spikes.items():
            found[f"spikes/{name}"] = np.concatenate([np.empty((0, 2), np.int64), *blocks])
        return found

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Take up the arrays of a checkpoint."""
        for name, value in arrays.items():
            kind, _, key = name.partition("/")
            if kind in ("counts", "totals", "snapshots"):
                getattr(self, kind)[key] = value.copy()
            elif kind == "stats":
                self.stats[key] = list(value)
            elif kind == "spikes":
                self.spikes[key] = [value]
        self.ran = arrays["ran"].copy()
        self.stat_steps = arrays["stat_steps"].tolist()


class _Run:
    """One run under way."""

    def __init__(
        self, protocol: Protocol, seed: int, backend: str, dataset: Dataset, identity: str,
        out: Path,
    ):
        self.protocol, self.seed, self.backend_name = protocol, seed, backend
        self.dataset, self.identity, self.out = dataset, identity, out
        data, network = protocol.data, protocol.network
        self.split = split(
            dataset, data.n_train, data.n_readout, data.n_test, stream(seed, "data"),
            data.split_seed,
        )
        self.table = protocol.schedule.compile(
            data.n_train, data.n_readout, data.n_test, network.gates, network.dt
        )
        self.rates = {
            stage: protocol.encoder.rates(getattr(self.split, stage).images) for stage in STAGES
        }
        self.recorder = _Recorder.empty(protocol, len(self.table))
        self.state = initial_state(network, seed)
        self.initial_sum = self._summed_weight(self.state)
        self.position = 0
        self.seconds = 0.0
        self._stat_slots = self._statistic_slots()

    # -- laying out ----------------------------------------------------------------------------

    def _statistic_slots(self) -> np.ndarray:
        """Slots before which weight statistics are taken (training only, and its end)."""
        record, table = self.protocol.record, self.table
        n_train = int(np.sum(table.stage == "train"))
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
        checks = np.flatnonzero(table.check)
        snapshots = [s for s in self.protocol.record.snapshots if s < len(table)]
        return np.unique(
            np.concatenate([changes, self._stat_slots, checks, checks + 1, snapshots,
                            [len(table)]])
        ).astype(int)

    def _segment(self, first: int, last: int) -> Segment:
        table, cut = self.table, slice(first, last)
        stage = str(table.stage[first])
        image = table.image[cut]
        rates = self.rates[stage]
        stimulus = np.zeros((last - first, self.protocol.encoder.n_inputs))
        stimulus[image >= 0] = rates[image[image >= 0]]
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
            self.backend_name, network, capacity=self._capacity(), hooks=self.protocol.hooks,
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
        over = bool(self.table.check[first]) and (
            self._summed_weight(self.state) <= self.initial_sum
        )
        if over:  # sleep ends early: leave out the rest of this phase
            self.position = last
            while self.position < len(self.table) and (
                self.table.check[self.position] and not self.table.onset[self.position]
            ):
                self.position += 1
            return
        segment = self._segment(first, last)
        seed = int(stream(self.seed, "dynamics", first).integers(2**32))
        self.state, recording = backend.advance(self.state, segment, seed)
        self._record(first, last, recording)
        self.position = last

    def _summed_weight(self, state: State) -> float:
        return sum(
            float(state.weights(p.name).sum())
            for p in self.protocol.network.projections
            if p.processes
        )

    def _observe_weights(self, slot: int) -> None:
        recorder = self.recorder
        if slot in self._stat_slots:
            step = int(recorder.ran.sum())
            if not recorder.stat_steps or recorder.stat_steps[-1] != step:
                recorder.stat_steps.append(step)
                for p in self.protocol.network.projections:
                    recorder.stats[p.name].append(
                        weight_statistics(self.state.weights(p.name), p.w_max)
                    )
        n_train = int(np.sum(self.table.stage == "train"))
        named = {0: "initial", n_train: "trained"}
        names = [named[slot]] if slot in named else []
        names += [f"slot_{slot}"] if slot in self.protocol.record.snapshots else []
        if slot == 0 and n_train == 0:
            names.append("initial")
        for name in names:
            for p in self.protocol.network.projections:
                recorder.snapshots.setdefault(
                    f"{name}/{p.name}", self.state.weights(p.name).copy()
                )

    def _record(self, first: int, last: int, recording: Recording) -> None:
        recorder = self.recorder
        offset = int(recorder.ran[:first].sum())
        recorder.ran[first:last] = self.table.steps[first:last]
        for name, counts in recording.counts.items():
            recorder.totals[name][first:last] = counts.sum(axis=1)
            if name in recorder.counts:
                recorder.counts[name][first:last] = counts
        for name, (step, neuron) in recording.spikes.items():
            if len(step):
                recorder.spikes[name].append(np.column_stack([step + offset, neuron]))

    # -- checkpoints ---------------------------------------------------------------------------

    def _save_checkpoint(self, folder: Path) -> None:
        arrays = {f"recorder/{k}": v for k, v in self.recorder.arrays().items()}
        arrays |= {f"state/{k}": v for k, v in self.state.arrays.items()}
        arrays["position"] = np.array([self.position])
        arrays["seconds"] = np.array([self.seconds])
        try:
            folder.mkdir(parents=True, exist_ok=True)
            save_arrays(folder / "checkpoint.npz", arrays)
        except OSError as error:
            raise StoreError(
                f"checkpoint: cannot write to {folder} ({error.strerror}); free some space; "
                "results finished before are kept"
            ) from error

    def _load_checkpoint(self, folder: Path) -> bool:
        try:
            with np.load(folder / "checkpoint.npz", allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            position, seconds = int(arrays.pop("position")[0]), float(arrays.pop("seconds")[0])
            state = {k: arrays[f"state/{k}"] for k in self.state.arrays}
            shapes = {k: v.shape for k, v in self.state.arrays.items()}
            if {k: v.shape for k, v in state.items()} != shapes:
                return False
            recorded = {
                k.removeprefix("recorder/"): v
                for k, v in arrays.items()
                if k.startswith("recorder/")
            }
            if len(recorded["ran"]) != len(self.table):
                return False
        except (OSError, ValueError, KeyError, EOFError, IndexError, zipfile.BadZipFile):
            return False  # none, or damaged: start from the beginning
        self.recorder.restore(recorded)
        self.state = self.state.updated(**{k.replace(".", "__"): v for k, v in state.items()})
        self.position, self.seconds = position, seconds
        return True

    # -- results -------------------------------------------------------------------------------

    def _store(self, build_seconds: float, progress: Progress, total: int) -> Result:
        progress(total, total, "readout")
        started = time.perf_counter()
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
                "name": self.dataset.name, "fingerprint": self.dataset.fingerprint,
                "licence": self.dataset.licence, "citation": self.dataset.citation,
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
        seconds = recorder.ran * dt
        arrays = recorder.arrays()
        arrays |= {
            "slots/steps": recorder.ran, "slots/image": table.image, "slots/stage": table.stage,
            "slots/phase": table.phase,
        }
        arrays["stat_times_s"] = arrays.pop("stat_steps") * dt
        for p in protocol.network.projections:
            pre, post = self.state.synapses[p.name]
            arrays[f"synapses/{p.name}"] = np.column_stack([pre, post])
        for stage in STAGES:
            arrays[f"labels/{stage}"] = getattr(self.split, stage).labels
        metrics = {**self._weight_metrics(), **self._rate_metrics(seconds)}
        if protocol.data.n_readout and protocol.data.n_test:
            for name, score in self._scores().items():
                metrics[f"{name}_accuracy"] = score.accuracy
                metrics[f"{name}_interval"] = list(score.interval)
                metrics[f"{name}_components"] = score.components
                arrays[f"correct/{name}"] = score.correct
        return metrics, arrays

    def _weight_metrics(self) -> dict:
        metrics, every, bounds, before = {}, [], [], 0.0
        for p in self.protocol.network.projections:
            w = self.state.weights(p.name)
            metrics[f"saturated_{p.name}"] = saturation(w, p.w_max)
            metrics[f"largest_{p.name}"] = float(w.max())
            first = self.recorder.snapshots[f"initial/{p.name}"]
            metrics[f"growth_{p.name}"] = float(w.sum() / max(first.sum(), 1e-300))
            if p.rules:
                before += float(first.sum())
                every.append(w)
                bounds.append(np.full(len(w), p.w_max))
        if every:
            w, bound = np.concatenate(every), np.concatenate(bounds)
            metrics["saturated"] = saturation(w / bound, 1.0)
            metrics["largest_weight"] = float(w.max())
            metrics["growth"] = float(w.sum() / max(before, 1e-300))
        return metrics

    def _rate_metrics(self, seconds: np.ndarray) -> dict:
        metrics = {}
        table, name = self.table, self.protocol.readout.population
        where = {
            "wake": table.phase == "wake", "sleep": table.phase == "sleep",
            "test": table.stage == "test",
        }
        for population, totals in self.recorder.totals.items():
            size = self.protocol.network.population(population).size
            for label, mask in where.items():
                rate = mean_rate(totals[mask, None] / size, seconds[mask])
                metrics[f"rate_{label}_{population}_hz"] = None if np.isnan(rate) else rate
        tested = self.recorder.counts[name][where["test"]]
        metrics[f"silent_{name}"] = silent_fraction(tested) if len(tested) else None
        metrics["sleep_s"] = float(seconds[where["sleep"]].sum())
        metrics["wake_s"] = float(seconds[where["wake"]].sum())
        return metrics

    def _scores(self) -> dict[str, Score]:
        """Readout of the responses, and of the raw pixels at the same fit size."""
        protocol, parts = self.protocol, self.split
        counts = self.recorder.counts[protocol.readout.population]
        stage = self.table.stage
        features = {
            "network": (counts[stage == "readout"], counts[stage == "test"]),
            "pixels": (
                protocol.encoder.pixels(parts.readout.images),
                protocol.encoder.pixels(parts.test.images),
            ),
        }
        return {
            name: fit_score(
                fit, parts.readout.labels, test, parts.test.labels, protocol.readout,
                stream(self.seed, "bootstrap"),
            )
            for name, (fit, test) in features.items()
        }


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages a result depends on."""
    found = {"python": platform.python_version()}
    for name in ("brainsleep", "brian2", "numpy", "scipy", "scikit-learn", "pillow"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found


def measure_rate(
    protocol: Protocol, seed: int, backend: str, images: np.ndarray
) -> float:
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
            table.steps[cut], rates[cut], {k: v[cut] for k, v in table.gates.items()},
            table.onset[cut], table.phase[cut], np.zeros(len(table.steps[cut]), bool),
        )
        key = int(stream(seed, "calibration", first).integers(2**32))
        state, recording = program.advance(state, segment, key)
        total += int(recording.counts[protocol.readout.population].sum())
    size = network.population(protocol.readout.population).size
    return total / (size * float(table.steps.sum() * network.dt))

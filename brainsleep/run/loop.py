"""One run: a chain of segments, each of which it asks for and waits for.

Between segments the state is plain arrays, so weights can be looked at, the network can be probed
on a copy, sleep can end early, progress can be shown, and an interrupted run goes on from its last
checkpoint with the same result as an undisturbed one.
"""

from __future__ import annotations

import logging
import platform
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..analysis.metrics import WEIGHT_STATISTICS
from ..backends.base import BACKENDS, Backend
from ..errors import NotFiniteError, StoreError
from ..experiment.early_stopping import EarlyStopping
from ..experiment.protocol import Protocol
from ..results.store import Result, clean_leftovers, partial_folder, versions, write_result
from ..tasks.images.datasets import Dataset, split
from .observers.alarms import LOOK_EVERY, Alarm, Watch
from .observers.probes import Probes
from .observers.recorder import Checkpoint, Recorder
from .outcome import outcome
from .request import Request, Steps
from .segment import Batch, Capacity, Segment
from .state import State, initial_state, stream

#: Told how far a run is: steps done, steps in all, what it is doing.
Progress = Callable[[int, int, str], None]

log = logging.getLogger("brainsleep.alarms")


class Run:
    """One run; `simulate` makes it and `batch` brings it to its end."""

    def __init__(
        self,
        protocol: Protocol,
        seed: int,
        backend: str,
        dataset: Dataset,
        identity: str,
        out: Path,
        progress: Progress,
    ):
        self.protocol, self.seed, self.backend_name = protocol, seed, backend
        self.dataset, self.identity, self.out = dataset, identity, out
        self.folder = partial_folder(out, identity)
        self.progress = progress
        data, network = protocol.data, protocol.network
        self.split = split(
            dataset,
            data.n_train,
            data.n_readout,
            data.n_test,
            stream(seed, "data"),
            data.split_seed,
            data.n_validation,
        )
        schedule = protocol.schedule
        self.order = protocol.tasks.order(
            self.split.train.labels,
            schedule.epochs,
            stream(seed, "order"),
            schedule.identical_epochs,
        )
        self.table = schedule.compile(
            self.order,
            data.n_readout,
            data.n_test,
            network.gates,
            network.dt,
            network.batch_size or 1,
        )
        self.recorder = Recorder.empty(protocol, len(self.table))
        read = [readout.population for readout in protocol.readouts]
        self.watch = Watch(protocol.record.alarms, network, self.table, read)
        self.described = protocol.describe()  # before hooks have changed anything that they hold
        start = initial_state(network, seed, protocol.initial_weights.weights())
        self._at = (0, start)  # one value: an interrupt finds a whole one
        self.initial_sums = self._summed_weights(self.state)
        self.seconds = 0.0
        self._n_train_slots = int(np.sum(self.table.stage == "train"))
        self._stat_slots = self._statistic_slots()
        self.probes = Probes(protocol, self.table, self.order, self.split, seed)
        longest, usual = int(self.table.steps.max()), Capacity()
        self.capacity = Capacity(usual.slots, max(longest, usual.steps))
        self.watches = False  # whether its backend ends a sleep early within a segment

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
        ends = checks + 1
        looks = np.flatnonzero(table.within)
        if self.watches:  # of slots in a row only the first begins a segment, the last ends one
            checks, ends = np.setdiff1d(checks, ends), np.setdiff1d(ends, checks)
        snapshots = [s for s in self.protocol.record.snapshots if s < len(table)]
        singly = np.arange(self._n_train_slots if self.protocol.network.batch_size else 0)
        own = [changes, self._stat_slots, checks, ends, looks, looks + 1, singly]
        more = [*snapshots, *self.probes.slots, len(table)]
        return np.unique(np.concatenate([*own, more])).astype(int)

    def _segment(self, first: int, last: int) -> Segment:
        table, cut = self.table, slice(first, last)
        stage = str(table.stage[first])
        image = table.image[cut]
        encoder, images = self.protocol.encoder, getattr(self.split, stage).images
        stimulus = np.zeros((last - first, encoder.n_inputs))
        if np.any(image >= 0):
            stimulus[image >= 0] = encoder.rates(images[image[image >= 0]])
        raster = None
        if self.protocol.record.raster:
            start, stop = self.protocol.record.raster
            slots = np.arange(first, last)
            raster = (slots >= start) & (slots < stop)
        batch = self._batch(first) if table.phase[first] == "wake" else None
        above = table.above[cut] * sum(self.initial_sums) if self.watches else None
        start = self.recorder.steps_before(first)
        return Segment.of(table, cut, stimulus, raster, batch, above, start)

    def _batch(self, slot: int) -> Batch | None:
        """Return the images and labels that are learned from together, if the network does so."""
        if not self.protocol.network.batch_size:
            return None
        place = self.table.shown[slot] + np.arange(self.table.n_images[slot])
        train, chosen = self.split.train, self.order.image[place]
        return Batch(self.protocol.encoder.rates(train.images[chosen]), train.labels[chosen])

    # -- running -------------------------------------------------------------------------------

    def resume(self, fresh: bool) -> None:
        """Take up the last checkpoint, if there is one; if `fresh`, remove it."""
        clean_leftovers(self.out, self.identity)
        if fresh:
            shutil.rmtree(self.folder, ignore_errors=True)
        if self._load_checkpoint():
            self.tell("resumed")

    def steps(self, clock: Callable[[], float]) -> Steps[None]:
        """Run to the end.

        Parameters
        ----------
        clock : callable
            Returns the time in s that this run has had.

        Yields
        ------
        Request
            What it needs to go on.
        """
        before, begun = self.seconds, clock()
        boundaries = self._boundaries()
        yield from self._arrive()
        while self.position < len(self.table) and not self.watch.stopped:
            last = self._next_border(boundaries)
            yield from self._advance(last)
            yield from self._arrive()
            self.seconds = before + clock() - begun
            self.tell(str(self.table.phase[last - 1]))
        if self.position < self._n_train_slots:  # stopped: training ended with these weights
            self.recorder.add_statistics(self.position, self.protocol, self.state)
            self.recorder.add_snapshot("trained", self.protocol, self.state)

    def tell(self, text: str) -> None:
        """Show how far it is, and which alarms there were."""
        done, total = self.table.starts[[self.position, -1]].tolist()
        alarms = ", ".join(f"{alarm.kind} of {alarm.where}" for alarm in self.watch.alarms)
        self.progress(done, total, f"{text}; alarm: {alarms}" if alarms else text)

    def _warn(self, alarm: Alarm) -> None:
        log.warning("%s, seed %d: %s", self.protocol.name, self.seed, alarm.text)

    def _next_border(self, boundaries: np.ndarray) -> int:
        first = self.position
        last = int(boundaries[boundaries > first][0])
        last = min(last, first + self.capacity.slots)
        room = np.searchsorted(
            self.table.starts, self.table.starts[first] + self.capacity.steps, side="right"
        )
        return max(first + 1, min(last, int(room) - 1))

    def _advance(self, last: int) -> Steps[None]:
        first = self.position
        if self._is_over(first):
            self._at = (self._next_phase(first), self.state)  # sleep is over, or need not begin
            return
        segment = self._segment(first, last)
        seed = int(stream(self.seed, "dynamics", first).integers(2**32))
        try:
            state, recording = yield Request(self.state, segment, seed)
        except NotFiniteError as error:
            self._not_finite(error, f"slots {first} to {last - 1} ({self.table.phase[first]})")
            return
        stop = first + min(map(len, recording.counts.values()))
        self.recorder.add_segment(self.table, first, stop, recording)
        self._at = (last if stop == last else self._next_phase(first), state)

    def _not_finite(self, error: NotFiniteError, where: str) -> None:
        """End with what there was before, if that is wanted; else say when.

        The checkpoint lets the same command fail at once, not after hours.
        """
        alarm = self.watch.not_finite(error)
        self._warn(alarm)
        if self.watch.stopped:
            return
        self.save_checkpoint()
        when = f"it was in {where}, from {alarm.time_s:.6g} s on"
        fix = "run again with --stop-on nan for a result of what there was before"
        advice = f"{error.advice}; {when}; {fix}"
        raise NotFiniteError(error.values, error.where, error.count, advice) from error

    def _next_phase(self, slot: int) -> int:
        later = np.flatnonzero(self.table.phase[slot + 1 :] != self.table.phase[slot])
        return slot + 1 + int(later[0]) if len(later) else len(self.table)

    def _is_over(self, slot: int) -> bool:
        """Return whether summed weights say that the sleep that `slot` is part of is over."""
        above, within = self.table.above[slot], self.table.within[slot]
        if not above and not within:
            return False
        now, start = np.array(self._summed_weights(self.state)), np.array(self.initial_sums)
        if above and now.sum() <= above * start.sum():
            return True
        return bool(within and np.all(np.abs(now - start) <= within * start))

    def _summed_weights(self, state: State) -> tuple[float, float]:
        """Return the summed excitatory and inhibitory weights that a weight process changes."""
        sums = {1: 0.0, -1: 0.0}
        for p in self.protocol.network.projections:
            if p.processes:
                sums[p.sign] += float(state.weights(p.name).sum())
        return sums[1], sums[-1]

    def _arrive(self) -> Steps[None]:
        """Look at what is to be looked at here; end training if that is what it says."""
        slot, end = self.position, self._n_train_slots
        yield from self._probe(slot)
        scores = self.probes.scores(self.recorder, slot)
        if slot in self.probes.validations and EarlyStopping.best(scores) == len(scores) - 1:
            self.recorder.best = self._synapses(self.state)
        stopping = self.protocol.early_stopping
        if ends := slot < end and stopping.ends(scores):
            self._observe(slot)
            self.tell(f"training ended early, after {len(scores)} epochs")
        if ends or (slot == end and scores and stopping.restore == "always"):
            arrays = self.state.arrays | self.recorder.best
            self._at = (end, replace(self.state, arrays=arrays))
        self._observe(self.position)

    @staticmethod
    def _synapses(state: State) -> dict[str, np.ndarray]:
        """Return the arrays of a state that belong to projections."""
        return {k: v for k, v in state.arrays.items() if k.partition(".")[0] in state.synapses}

    def _probe(self, slot: int) -> Steps[None]:
        """Show images to a copy of the network if that is due before `slot`."""
        if not self.probes.due(self.recorder, slot):
            return
        looking = self.probes.look(self.capacity, self.state, slot, self.recorder)
        try:
            self.recorder.probes[slot] = yield from looking
        except NotFiniteError as error:
            self._not_finite(error, f"a probe before slot {slot}")

    def _observe(self, slot: int) -> None:
        """Look at weights and alarms before `slot`; the state stays as it is."""
        if slot in self._stat_slots or (
            slot < self._n_train_slots and slot - self.recorder.looked_at(slot) >= LOOK_EVERY
        ):
            self.recorder.add_saturation(slot, self.protocol, self.state)
        for alarm in self.watch.look(self.recorder, slot):
            self._warn(alarm)
        if slot in self._stat_slots:
            self.recorder.add_statistics(slot, self.protocol, self.state)
        names = {"initial": slot == 0, "trained": slot == self._n_train_slots}
        names[f"slot_{slot}"] = slot in self.protocol.record.snapshots
        for name, wanted in names.items():
            if wanted:
                self.recorder.add_snapshot(name, self.protocol, self.state)

    # -- checkpoints ---------------------------------------------------------------------------

    def save_checkpoint(self) -> None:
        """Write down where it is; a run with hooks, which is not resumed, does not.

        Raises
        ------
        StoreError
            If that cannot be written.
        """
        if self.protocol.hooks:
            return
        position, state = self._at
        recorded = self.recorder.arrays(before=position)
        point = Checkpoint(position, self.seconds, state.arrays, recorded)
        try:
            point.save(self.folder)
        except OSError as error:
            raise StoreError(
                f"checkpoint: cannot write to {self.folder} ({error.strerror}); free some space; "
                "results finished before are kept"
            ) from error

    def _load_checkpoint(self) -> bool:
        point = Checkpoint.load(self.folder, self.state, len(self.table))
        if point is None:
            return False
        self.recorder.restore(point.recorded)
        self.watch.look(self.recorder, point.position)
        self._at = (point.position, replace(self.state, arrays=point.state))
        self.seconds = point.seconds
        return True

    # -- results -------------------------------------------------------------------------------

    def store(self, backend: Backend, build_seconds: float) -> Result:
        """Measure, store the result and remove the checkpoint.

        Parameters
        ----------
        backend : Backend
            What it ran on.
        build_seconds : float
            Its share of the time it took to build the network.
        """
        self.tell("stopped" if self.watch.stopped else "readout")
        started = time.perf_counter()
        metrics, arrays = outcome(self)
        timings = {
            "build_s": build_seconds,
            "simulate_s": self.seconds,
            "readout_s": time.perf_counter() - started,
            "biological_s": float(self.recorder.ran.sum() * self.protocol.network.dt),
        }
        info = {
            "protocol": self.described,
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
            **self.watch.report(),
            "timings": timings,
            "versions": versions(*BACKENDS[self.backend_name].packages),
            "compiler": backend.compiler,
            "machine": " ".join(filter(None, (platform.system(), platform.machine(), backend.gpu))),
            "weight_statistics": list(WEIGHT_STATISTICS),
        }
        result = write_result(self.out, self.identity, info, arrays)
        shutil.rmtree(self.folder, ignore_errors=True)
        return result

"""One run: a chain of segments, each of which it asks for and waits for.

Between segments the state is plain arrays: weights are looked at, the network is probed on a copy,
sleep ends early, and what was interrupted goes on from its last checkpoint to the same result.
"""

from __future__ import annotations

import logging
import platform
import shutil
import time
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from ..analysis.metrics import WEIGHT_STATISTICS
from ..backends.base import BACKENDS, Backend
from ..errors import NotFiniteError, StoreError
from ..experiment.observer import Observer, Seen, View
from ..experiment.protocol import Protocol
from ..experiment.saved_state import stored_state
from ..experiment.task import Change, Material
from ..experiment.traces import Sampling
from ..results.store import Result, clean_leftovers, partial_folder, versions, write_result
from .observers import growing
from .observers.alarms import Alarm, AlarmWatch
from .observers.operations import Operations, degrees_of, reached
from .observers.rates import Rates
from .observers.recorder import Kept, Recorder, load_checkpoint, save_checkpoint
from .observers.weights import Saturation, Snapshots, WeightStatistics
from .progress import ProgressCallback
from .segment import Capacity, Request, Requests, Segment, Traced
from .state import State, initial_state, replaced, stream

log = logging.getLogger("brainsleep.alarms")


@dataclass(eq=False)
class Run:
    """One run; `simulate` makes it and `replicas` brings it to its end."""

    protocol: Protocol
    seed: int
    backend: str
    material: Material
    identity: str
    out: Path
    progress: ProgressCallback

    def __post_init__(self) -> None:
        self.folder = partial_folder(self.out, self.identity)
        self.course = self.protocol.course(self.seed, self.material)
        self.table = table = self.course.table
        network, record = self.protocol.network, self.protocol.record
        self.watch = AlarmWatch(record.alarms, network, table, self.course.read)
        self.described = self.protocol.describe()  # before hooks have changed what they hold
        before = self.before = self.protocol.saved_state.before()
        saved = before.synapses or self.protocol.saved_weights.weights()
        start = initial_state(network, self.seed, saved)
        before.check_fits(start.arrays)
        start = replace(start, arrays=start.arrays | before.arrays)
        self._at = (0, start, Kept())  # one value: an interrupt finds a whole one
        self.sampling = Sampling(record, network, start.synapses)
        traced = tuple(self.sampling.indices)
        self.recorder = Recorder.empty(self.protocol, len(table), traced, self.folder)
        self.recorder.events_kept = self.sampling.inside
        if self.sampling.spikes or self.sampling.events:
            self.recorder.spikes_kept = self._spikes_kept
        self.initial_sums = self._summed_weights()
        self.degrees = degrees_of(network, start)
        self.seconds = 0.0
        weights, snapshots = WeightStatistics(record), Snapshots(record.snapshots)
        own = [Saturation(weights), weights, snapshots, Rates(), Operations()]
        self.observers: list[Observer] = [*own, *record.observers]
        self._planned = {
            each.name: frozenset(int(slot) for slot in each.slots(table))
            for each in (*self.course.observers, *self.observers)
        }
        longest, usual = int(table.steps.max()), Capacity()
        slots = max(usual.slots, self.course.room)
        self.capacity = Capacity(slots, max(longest, usual.steps))
        self.watches = False  # whether its backend ends a sleep early within a segment

    @property
    def position(self) -> int:
        """The next slot to run."""
        return self._at[0]

    @property
    def state(self) -> State:
        """The state before that slot."""
        return self._at[1]

    @property
    def kept(self) -> Kept:
        """What the course keeps."""
        return self._at[2]

    # -- laying out ----------------------------------------------------------------------------

    def _boundaries(self) -> np.ndarray:
        """Slots at which a segment must begin."""
        table = self.table
        changes = 1 + np.flatnonzero(table.part[1:] != table.part[:-1])
        checks = np.flatnonzero(table.above)
        ends = checks + 1
        looks = np.flatnonzero(table.within)
        if self.watches:  # of slots in a row only the first begins a segment, the last ends one
            checks, ends = np.setdiff1d(checks, ends), np.setdiff1d(ends, checks)
        singly = np.arange(table.trained if self.protocol.network.batch_size else 0)
        planned: frozenset[int] = frozenset().union(*self._planned.values())
        own = [changes, checks, ends, looks, looks + 1, singly]
        planned = planned.union(self.course.changes, self.course.settings)
        return np.unique(np.concatenate([*own, sorted(planned), [len(table)]])).astype(int)

    def _segment(self, first: int, last: int) -> Segment:
        table, cut = self.table, slice(first, last)
        slots = np.arange(first, last)
        steps, starts = self.recorder.steps_before(first), table.starts[first : last + 1]
        starts = starts - starts[0] + steps
        raster = self._in_raster(slots) | self.sampling.meets(starts)
        batch = self.course.batch(first) if table.phase[first] == "wake" else None
        above = table.above[cut] * sum(self.initial_sums) if self.watches else None
        more: dict[str, Any] = {"raster": raster, "batch": batch, "above": above}
        more |= {"start": self.before.steps + steps, **self.course.given(first, last)}
        if self.sampling.indices:
            traced = self.sampling.steps(steps, int(starts[-1])) - steps
            more |= {"traced": Traced(traced, self.sampling.indices)}
        return Segment.of(table, cut, self.course.stimulus(first, last), **more)

    def _in_raster(self, slots: np.ndarray) -> np.ndarray:
        """Tell in which slots single spikes of all populations are recorded."""
        start, stop = self.protocol.record.raster or (0, 0)
        return (slots >= start) & (slots < stop)

    def _spikes_kept(self, name: str, slots: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Tell which spikes of a population are recorded, at steps of the run and in slots."""
        within = self._in_raster(slots)
        return within | self.sampling.inside(steps) if name in self.sampling.spikes else within

    # -- running -------------------------------------------------------------------------------

    def resume(self, fresh: bool) -> None:
        """Take up the last checkpoint, if there is one; if `fresh`, remove it."""
        clean_leftovers(self.out, self.identity)
        if fresh:
            shutil.rmtree(self.folder, ignore_errors=True)
        point = load_checkpoint(self.folder, self.state, len(self.table))
        if point is None:
            return
        position, self.seconds, arrays, recorded = point
        if not self.recorder.restore(recorded):
            return
        self.watch.look(self.recorder, position)
        self._at = (position, replace(self.state, arrays=arrays), Kept.of(recorded))
        self.tell("resumed")

    def requests(self) -> Requests[None]:
        """Run to the end."""
        boundaries = self._boundaries()
        yield from self._arrive()
        while self.position < len(self.table) and not self.watch.stopped:
            last = self._end_of_segment(boundaries)
            yield from self._advance(last)
            yield from self._arrive()
            self.tell(str(self.table.phase[last - 1]))
        if self.position < self.table.trained:  # stopped: training ended with these weights
            yield from self._look(self.observers, over=True)

    def tell(self, text: str) -> None:
        """Show how far it is, and which alarms there were."""
        done, total = self.table.starts[[self.position, -1]].tolist()
        alarms = ", ".join(f"{alarm.kind} of {alarm.where}" for alarm in self.watch.alarms)
        self.progress(done, total, f"{text}; alarm: {alarms}" if alarms else text)

    def _warn(self, alarm: Alarm) -> None:
        log.warning("%s, seed %d: %s", self.protocol.name, self.seed, alarm.text)

    def _end_of_segment(self, boundaries: np.ndarray) -> int:
        """Return the next boundary, or the slot before which the room of the backend ends."""
        first, starts = self.position, self.table.starts
        steps = self.capacity.steps
        if row := self.sampling.row_bytes:
            steps = min(steps, growing.LIMIT // row * self.sampling.every)
        room = int(np.searchsorted(starts, starts[first] + steps, side="right")) - 1
        boundary = int(boundaries[boundaries > first][0])
        return max(first + 1, min(boundary, first + self.capacity.slots, room))

    def _advance(self, last: int) -> Requests[None]:
        first = self.position
        if self._is_over(first):
            after = self._next_phase(first)  # sleep is over, or need not begin
            self._at = (after, self.state, self.kept)
            return
        segment = self._segment(first, last)
        seed = int(stream(self.seed, "dynamics", self.before.slots + first).integers(2**32))
        try:
            state, recording = yield Request(self.state, segment, seed)
        except NotFiniteError as error:
            self._not_finite(error, f"slots {first} to {last - 1} ({self.table.phase[first]})")
            return
        stop = first + min(map(len, recording.counts.values()), default=last - first)
        delivered = reached(self.protocol.network, self.degrees, segment, recording)
        self.recorder.add_segment(self.table, first, stop, recording, segment.traced, delivered)
        self._at = (last if stop == last else self._next_phase(first), state, self.kept)
        if self.recorder.held > growing.LIMIT:
            self._spill()

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
        now, start = np.array(self._summed_weights()), np.array(self.initial_sums)
        if above and now.sum() <= above * start.sum():
            return True
        return bool(within and np.all(np.abs(now - start) <= within * start))

    def _summed_weights(self) -> tuple[float, float]:
        """Return the summed excitatory and inhibitory weights that a weight process changes."""
        sums = {1: 0.0, -1: 0.0}
        for p in self.protocol.network.projections:
            if not p.processes:
                continue
            if p.sign is not None:
                sums[p.sign] += float(self.state.weights(p.name).sum())
                continue
            w = self.state.arrays[f"{p.name}.w"]
            sums[1] += float(w[w > 0].sum())
            sums[-1] -= float(w[w < 0].sum())
        return sums[1], sums[-1]

    def _view(self, over: bool = False) -> View:
        where = self.protocol, self.table, self.position, self.state, self.recorder
        more = self.seed, self.capacity, over, self.before.steps
        return View(*where, *more, MappingProxyType(dict(self.kept.arrays)))

    def _arrive(self) -> Requests[None]:
        """Look at what is to be looked at here; end training if that is what the task says.

        Before that, the schedule and the task may set arrays of the state: once, however often a
        run is resumed.
        """
        if self.kept.slot != self.position:
            self._set_arrays()
        yield from self._look(self.course.observers)
        self.course.follow(self._view())
        if ending := self.course.ending(self._view()):
            if ending.text:
                yield from self._look(self.observers)
                self.tell(ending.text)
            arrays = self.state.arrays | ending.arrays
            self._at = (self.table.trained, replace(self.state, arrays=arrays), self.kept)
        yield from self._look(self.observers)

    def _set_arrays(self) -> None:
        """Set what the schedule sets before this slot, then what the task does."""
        if settings := self.course.settings.get(self.position):
            arrays = {name: each.put(self.state.arrays[name]) for name, each in settings.items()}
            self._put(Change(arrays, dict(self.kept.arrays)))
        if self.position in self.course.changes:
            self._put(self.course.change(self._view()))

    def _put(self, change: Change) -> None:
        state = replaced(self.state, change.arrays, self.protocol.network.precision)
        self._at = (self.position, state, Kept(self.position, change.kept))

    def _look(self, observers: Sequence[Observer], over: bool = False) -> Requests[None]:
        """Let observers look that want to, then warn of new alarms; the state stays as it is."""
        slot, view = self.position, self._view(over)
        for each in observers:
            looks = self.recorder.looks.setdefault(each.name, {})
            if slot in looks or not each.due(view, slot in self._planned[each.name]):
                continue
            values = each.look(view)
            if isinstance(values, Generator):
                try:
                    values = yield from values
                except NotFiniteError as error:
                    self._not_finite(error, f"a probe before slot {slot}")
                    return
            looks[slot] = {name: np.asarray(value) for name, value in values.items()}
        for alarm in self.watch.look(self.recorder, slot):
            self._warn(alarm)

    # -- checkpoints ---------------------------------------------------------------------------

    def _spill(self) -> None:
        """Write what is held of traces, spikes and events to disk, and what it belongs to."""
        try:
            self.recorder.spill()
        except OSError as error:
            raise self._cannot_write("traces and spikes", error) from error
        self.save_checkpoint()

    def _cannot_write(self, what: str, error: OSError) -> StoreError:
        return StoreError(
            f"{what}: cannot write to {self.folder} ({error.strerror}); free some space; "
            "results finished before are kept"
        )

    def save_checkpoint(self) -> None:
        """Write down where it is, or raise `StoreError`; not with hooks: those are not resumed."""
        if self.protocol.hooks:
            return
        position, state, kept = self._at
        try:
            recorded = self.recorder.checkpoint(position) | kept.named()
            save_checkpoint(self.folder, position, self.seconds, state.arrays, recorded)
        except OSError as error:
            raise self._cannot_write("checkpoint", error) from error

    # -- results -------------------------------------------------------------------------------

    def store(self, backend: Backend, build_seconds: float) -> Result:
        """Measure, store the result and remove the checkpoint; `build_seconds` are its share."""
        last = "readout" if self.protocol.task else "metrics"
        self.tell("stopped" if self.watch.stopped else last)
        started = time.perf_counter()
        try:
            files = self.recorder.files()
        except OSError as error:
            raise self._cannot_write("traces and spikes", error) from error
        metrics, arrays = self._outcome()
        for name in files["spikes"]:
            del arrays[f"spikes/{name}"]
        network = self.protocol.network
        timings = {
            "build_s": build_seconds,
            "simulate_s": self.seconds,
            "readout_s": time.perf_counter() - started,
            "biological_s": float(self.recorder.ran.sum() * network.dt),
        }
        info = {
            "protocol": self.described,
            "equations": self.protocol.equations(),
            "seed": int(self.seed),
            "backend": self.backend,
            "data": dict(self.course.source),
            "metrics": metrics,
            **self.watch.report(),
            "timings": timings,
            "versions": versions(*BACKENDS[self.backend].packages),
            "compiler": backend.compiler,
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": " ".join(filter(None, (platform.system(), platform.machine(), backend.gpu))),
            "weight_statistics": list(WEIGHT_STATISTICS),
        }
        if mine := self.protocol.record.observers:
            info["defined"] = [asdict(metric) for each in mine for metric in each.metrics]
        ran = self.recorder.ran[: self.position]
        info["had"] = {"steps": self.before.steps + int(ran.sum()),
                       "slots": self.before.slots + len(ran)}  # fmt: skip
        info |= self.sampling.units(network)
        result = write_result(self.out, self.identity, info, arrays, files)
        shutil.rmtree(self.folder, ignore_errors=True)
        return result

    def _outcome(self) -> tuple[dict, dict[str, np.ndarray]]:
        """Return the metrics, and the arrays that are stored beside them."""
        last = self.position  # the end, unless it was stopped
        table, recorder = self.table.until(last), self.recorder.until(last)
        stopped = self.watch.stopped is not None
        seen = Seen(self.protocol, table, recorder, self.state, self.seed, stopped)
        arrays = recorder.arrays() | {"slots/steps": recorder.ran}
        for name in ("image", "part", "phase", "sleep_stage", "n_images", "task"):
            arrays[f"slots/{name}"] = getattr(table, name)
        for p in self.protocol.network.projections:
            arrays[f"synapses/{p.name}"] = np.column_stack(self.state.synapses[p.name])
        arrays |= {f"traced/{name}": of for name, of in self.sampling.indices.items()}
        metrics: dict[str, Any] = {}
        for each in (*self.observers, *self.course.observers):
            metrics |= each.measure(seen)
            arrays |= each.arrays(seen)
        return metrics, arrays | stored_state(self.state, arrays)

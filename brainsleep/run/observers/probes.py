"""Looking at responses while a run is under way, on a copy of the network.

A backend is a pure function of the state, so that images can be shown between two segments, in
the test phase, and the run goes on as if nothing had been. Three things are looked at: the
representation before and after every sleep; after every task the responses to the readout's and the
test images, from which accuracies on all tasks so far follow; and with early stopping, after every
epoch the accuracy on validation images.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from ...analysis.responses import class_similarity
from ...errors import DataError
from ...experiment.protocol import Protocol
from ...experiment.schedule import Phase, SlotTable
from ...experiment.slots import Order
from ...tasks.images.datasets import Split
from ...tasks.images.measure import (
    REPRESENTATION,
    accuracy_matrices,
    decisions,
    representation,
    samples_to_fit,
    samples_to_score,
)
from ...tasks.images.readout import classify
from ..request import Request, Steps
from ..segment import Capacity, Segment
from ..state import State, stream
from .recorder import Recorder


class Probes:
    """When a run is looked at, and how.

    Parameters
    ----------
    protocol : Protocol
        What is run; see `Record` and `Tasks`.
    table : SlotTable
        Its slots.
    order : Order
        The order in which training images are shown.
    parts : Split
        Its images.
    seed : int
        Its seed.
    """

    def __init__(self, protocol: Protocol, table: SlotTable, order: Order, parts: Split, seed: int):
        self.protocol, self.parts, self.seed = protocol, parts, seed
        self.table = table
        training = table.stage == "train"
        asleep = training & (table.phase == "sleep")
        n_train = int(training.sum())
        record = protocol.record
        self.sleeps: dict[int, bool] = {}  # slot: whether a sleep is over, or begins
        if record.probe_images and protocol.data.n_test:
            begins = np.flatnonzero(asleep & ~np.append(False, asleep[:-1]))
            ends = 1 + np.flatnonzero(asleep & ~np.append(asleep[1:], False))
            for first, last in list(zip(begins, ends, strict=True))[:: record.probe_every]:
                self.sleeps |= {int(first): False, int(last): True}
        self.tasks: list[int] = []  # slots at which a task, but the last, has just been learned
        if len(protocol.tasks) and protocol.data.n_readout and protocol.data.n_test:
            self._check_tasks()
            self.tasks = (1 + np.flatnonzero(np.diff(table.task[:n_train]))).tolist()
        self.validations: dict[int, int] = {}  # slot after an epoch: the last that it showed
        if protocol.early_stopping and n_train:
            shown = np.flatnonzero(training & (table.shown >= 0))
            ends = np.flatnonzero(np.diff(order.epoch[table.shown[shown]]))
            after, ends = [*shown[1 + ends], n_train], np.append(ends, -1)
            self.validations = dict(zip(map(int, after), map(int, shown[ends]), strict=True))

    def _check_tasks(self) -> None:
        """Raise `DataError` if a task has no image to fit a readout on, or none to score it on."""
        for what, part in (("readout", self.parts.readout), ("test", self.parts.test)):
            of = self.protocol.tasks.of(part.labels)
            for task, classes in enumerate(self.protocol.tasks.classes):
                if task not in of:
                    raise DataError(
                        f"tasks: no {what} image of task {task}, classes {classes}; raise "
                        f"data.n_{what}"
                    )

    @property
    def slots(self) -> list[int]:
        """Slots before which there is something to look at."""
        return sorted({*self.sleeps, *self.tasks, *self.validations})

    def due(self, recorder: Recorder, slot: int) -> bool:
        """Return whether there is something to look at before `slot` that was not looked at yet."""
        if slot in recorder.probes:
            return False
        return slot in self.sleeps or slot in self.tasks or self._validates(recorder, slot)

    def _validates(self, recorder: Recorder, slot: int) -> bool:
        """Return whether an epoch that was run, not left out, has just ended."""
        return slot in self.validations and bool(recorder.ran[self.validations[slot]])

    def look(
        self, capacity: Capacity, state: State, slot: int, recorder: Recorder
    ) -> Steps[dict[str, np.ndarray]]:
        """Show images to the network as it is before `slot`.

        Parameters
        ----------
        capacity : Capacity
            Largest segment that can be asked for.
        state : State
            As it is; not changed.
        slot : int
            One of `slots`.
        recorder : Recorder
            What was recorded before it.

        Returns
        -------
        dict of str to ndarray
            ``values``: those of `REPRESENTATION`; ``similarity``: of classes;
            ``fit/POPULATION`` and ``test/POPULATION``: spike counts after a task;
            ``validation``: the accuracy after an epoch.
        """
        found = {}
        if slot in self.sleeps:
            images = self.parts.test.images[: self.protocol.record.probe_images]
            labels = self.parts.test.labels[: len(images)]
            counts = yield from self._show(capacity, state, images, ("sleep", slot), recorder)
            seen = counts[self.protocol.readout.population]
            values = representation(seen, labels, self._seconds(), stream(self.seed, "shuffles"))
            found["values"] = np.array([values[name] for name in REPRESENTATION])
            found["similarity"] = class_similarity(seen, labels)
        if slot in self.tasks:
            for name, part in (("fit", self.parts.readout), ("test", self.parts.test)):
                counts = yield from self._show(capacity, state, part.images, (name, slot), recorder)
                found |= {f"{name}/{k}": counts[k] for k in self._populations()}
        if self._validates(recorder, slot):
            validating = self._validate(capacity, state, slot, recorder)
            found["validation"] = np.array((yield from validating))
        return found

    def _validate(
        self, capacity: Capacity, state: State, slot: int, recorder: Recorder
    ) -> Steps[float]:
        """Return the accuracy on validation images, of the readout or of the output neurons."""
        protocol, parts = self.protocol, self.parts
        readout, labels = protocol.readout, parts.validation.labels
        whole = replace(readout, score_last=0)
        gates = protocol.schedule.test.gates
        if readout.fit_last:  # fitted on responses awake: shown as awake, but nothing is learned
            gates = {**protocol.schedule.wake.gates, "plasticity": 0.0}
        images, key = parts.validation.images, ("validation", slot)
        counts = yield from self._show(capacity, state, images, key, recorder, gates)
        if protocol.network.output:
            return float(np.mean(decisions(counts[protocol.network.output]) == labels))
        rng = stream(self.seed, "fit", readout.name)
        if readout.fit_last:
            table, ran = self.table.until(slot), recorder.ran[:slot]
            shown = {name: each[:slot] for name, each in recorder.counts.items()}
            fit = samples_to_fit(readout, shown, table, ran, parts, rng)
        else:
            images = parts.readout.images
            key = ("readout", slot)
            answers = yield from self._show(capacity, state, images, key, recorder, gates)
            fit = samples_to_score(whole, answers, parts.readout.labels)
        score = samples_to_score(whole, counts, labels)
        correct, _ = classify(*fit, *score, readout)
        return float(correct.mean())

    def scores(self, recorder: Recorder, position: int) -> list[float]:
        """Return the accuracies on validation images after all epochs up to a slot, in order."""
        slots = [slot for slot in sorted(self.validations) if slot <= position]
        looked = [recorder.probes[slot] for slot in slots if slot in recorder.probes]
        return [float(each["validation"]) for each in looked if "validation" in each]

    def course(self, recorder: Recorder, dt: float) -> dict[str, np.ndarray]:
        """Return the representation over time, before and after sleeps.

        Returns
        -------
        dict of str to ndarray
            ``representation/times_s`` (n,); ``representation/after`` (n,): False before a sleep,
            True after it; ``representation/NAME`` (n,) for every name of `REPRESENTATION`;
            ``representation/similarities``, (n, n_classes, n_classes). Nothing without probes.
        """
        slots = [slot for slot in sorted(self.sleeps) if slot in recorder.probes]
        if not slots:
            return {}
        looked = [recorder.probes[slot] for slot in slots]
        values = np.array([each["values"] for each in looked])
        found = {
            "times_s": np.array([recorder.steps_before(slot) for slot in slots]) * dt,
            "after": np.array([self.sleeps[slot] for slot in slots]),
            "similarities": np.array([each["similarity"] for each in looked]),
            **dict(zip(REPRESENTATION, values.T, strict=True)),
        }
        return {f"representation/{name}": value for name, value in found.items()}

    def after_tasks(
        self, recorder: Recorder
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return what the network could do after every task.

        Returns
        -------
        accuracies : dict of str to ndarray, shape (n_tasks, n_tasks)
            See `brainsleep.tasks.images.measure.accuracy_matrices`.
        representation : dict of str to ndarray, shape (n_tasks,)
            By the names of `REPRESENTATION`, of the responses to all test images. Both are empty
            with fewer than two tasks, without images to score them on, or if nothing was learned.
        """
        if not self.tasks:
            return {}, {}
        stages = [recorder.probes[slot] for slot in self.tasks]
        last = {}
        for population in self._populations():
            counts = recorder.counts[population]
            for name, stage in (("fit", "readout"), ("test", "test")):
                last[f"{name}/{population}"] = counts[self.table.stage == stage]
        stages = [*stages, last]
        seen = f"test/{self.protocol.readout.population}"
        seconds, labels = self._seconds(), self.parts.test.labels
        found = [
            representation(stage[seen], labels, seconds, stream(self.seed, "shuffles"))
            for stage in stages
        ]
        tables = accuracy_matrices(stages, self.protocol, self.parts)
        return tables, {name: np.array([each[name] for each in found]) for name in REPRESENTATION}

    def _populations(self) -> set[str]:
        return {self.protocol.readout.population, self.protocol.network.output} - {""}

    def _seconds(self) -> float:
        return float(self.protocol.schedule.image_duration)

    def _show(
        self,
        capacity: Capacity,
        state: State,
        images: np.ndarray,
        key: tuple[str, int],
        recorder: Recorder,
        gates: Mapping[str, float] | None = None,
    ) -> Steps[dict[str, np.ndarray]]:
        """Return the spike counts of all populations, shape (n_images, n_neurons)."""
        now = recorder.steps_before(key[1])  # the time of the run stands still meanwhile
        steps = round(float(self.protocol.schedule.image_duration / self.protocol.network.dt))
        room = max(1, min(capacity.slots, capacity.steps // steps))
        found: dict[str, list[np.ndarray]] = {}
        for first, segment in shown(self.protocol, images, room, gates):
            seed = int(stream(self.seed, "probe", *key, first).integers(2**32))
            state, recording = yield Request(state, replace(segment, start=now), seed)
            for name, counts in recording.counts.items():
                found.setdefault(name, []).append(counts)
        return {name: np.concatenate(counts) for name, counts in found.items()}


def shown(
    protocol: Protocol, images: np.ndarray, room: int, gates: Mapping[str, float] | None = None
) -> Iterator[tuple[int, Segment]]:
    """Yield segments that show images in the test phase, each with the number of its first.

    Parameters
    ----------
    protocol : Protocol
        Its schedule, encoder and network.
    images : ndarray of uint8, shape (n_images, height, width)
        What is shown.
    room : int
        Images in a segment at most.
    gates : mapping of str to float, optional
        Gates that are open instead of those of the test phase.
    """
    network, schedule = protocol.network, protocol.schedule
    if gates is not None:
        schedule = replace(schedule, test=Phase(kind="test", gates=gates))
    table = schedule.compile(0, 0, len(images), network.gates, network.dt)
    rates = protocol.encoder.rates(images)
    for first in range(0, len(images), room):
        slots = slice(first, first + room)
        yield first, Segment.of(table, slots, rates[slots])

"""One run of a ReLU network that learns task after task and sleeps as a spiking network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from brian2 import Hz

from ...errors import DataError
from ...experiment.observer import Found, Metric, Observer, Seen, View
from ...experiment.protocol import Protocol
from ...experiment.slots import SlotTable
from ...experiment.task import Change
from ...experiment.timeline import TimelineCourse
from ...run.state import State, stream
from ..images.datasets import Dataset, Samples, split
from ..images.encoders import RateEncoder
from .learning import activities, credited, gains, learn
from .outcomes import OUTCOMES
from .task import ReluTasks

#: Name of what is kept of the ReLU network in results: ``relu/accuracy``.
NAME = "relu"

#: What is measured on test images, of all classes and of each task, and what that is.
SCORES = {
    "accuracy": "its largest output is that of the class, among all outputs",
    "calibrated": "the same with each output divided by its mean over images learned so far, "
    "whatever their class, among the classes learned so far",
    "nearest": "hidden activities of the last layer are nearest to the mean of the class over "
    "images learned so far",
    "silent": "no output is above 0",
}

_BEFORE, _AFTER = 0, 1


class ReluCourse(TimelineCourse):
    """A run, laid out.

    What is kept from change to change: velocities of the gradients, the weights before the sleep
    that is under way, and all scores so far, shape (n_tasks, 2, 1 + n_tasks): before and after the
    sleep that follows a task, of all test images and of those of each task; NaN for what is to be.
    """

    def __init__(self, task: ReluTasks, protocol: Protocol, seed: int, dataset: Dataset):
        super().__init__(protocol)
        network = protocol.network
        self._task, self._seed = task, seed
        names = {p.name: p for p in network.projections}
        self._layers = [names[name] for name in task.layers]
        self._shapes = [
            (network.population(p.source).size, network.population(p.target).size)
            for p in self._layers
        ]
        learning = (self.table.phase == "wake") & self.table.onset
        self._learned = np.cumsum(learning)  # tasks that were learned before the end of each slot
        self.changes = [*np.flatnonzero(learning).tolist(), len(self.table)]
        data = task.data
        parts = split(dataset, data.n_train, 0, data.n_test, stream(seed, "data"), data.split_seed)
        self._images, self._labels = self._pixels(parts.train), parts.train.labels
        self._test, self._test_labels = self._pixels(parts.test), parts.test.labels
        self._parts = self._parts_of(self._labels)
        self._test_tasks = task.tasks.of(self._test_labels)
        known = self._test_tasks >= 0
        self._test, self._test_labels = self._test[known], self._test_labels[known]
        self._test_tasks = self._test_tasks[known]
        self.observers = [Learned(self)]
        self.source = {name: getattr(dataset, name) for name in self.source}
        self._means = [self._mean(k + 1) for k in range(len(task.tasks))]

    def _pixels(self, samples: Samples) -> np.ndarray:
        images, side = samples.images, math.isqrt(self._network.n_inputs)
        if images.shape[1:] == (side, side):
            return images.reshape(len(images), -1) / np.float32(255)
        return RateEncoder(size=(side, side), total=None).pixels(images).astype(np.float32)

    def _parts_of(self, labels: np.ndarray) -> list[np.ndarray]:
        """Return which images each task learns."""
        tasks = self._task.tasks
        of = tasks.of(labels)
        if tasks.mixed:
            return np.array_split(np.flatnonzero(of >= 0), len(tasks))
        parts = [np.flatnonzero(of == k) for k in range(len(tasks))]
        for k, part in enumerate(parts):
            if not len(part):
                raise DataError(f"tasks.classes: no training image of task {k} {tasks.classes[k]}")
        return parts

    def _seen(self, n_tasks: int, most: int | None = None) -> np.ndarray:
        """Return images that were learned in the first tasks, or the first few of each."""
        return np.concatenate([part[:most] for part in self._parts[:n_tasks]])

    def _asleep_on(self, n_tasks: int) -> np.ndarray:
        """Return the images that the sleep after so many tasks depends on."""
        current = self._task.seen == "current"
        return self._parts[n_tasks - 1] if current else self._seen(n_tasks)

    def _mean(self, n_tasks: int) -> np.ndarray:
        mean = self._images[self._asleep_on(n_tasks)].mean(axis=0, dtype=float)
        return mean if self._task.image == "mean" else np.full_like(mean, mean.mean())

    def stimulus(self, first: int, last: int) -> np.ndarray:
        """Return the rates that pixels have with the mean image of what was learned."""
        rate = float(self._task.rate / Hz)
        return np.array([rate * self._means[k - 1] for k in self._learned[first:last]])

    def change(self, view: View) -> Change:
        """Take up what sleep made of the weights; learn the next task."""
        n_done = int(self._learned[view.slot - 1]) if view.slot else 0
        weights, kept = self._weights(view.state), dict(view.kept)
        if n_done == 0:
            kept |= self._nothing()
        else:
            weights = self._outcome(weights, kept, n_done)
            self._score(weights, kept, n_done, _AFTER)
        arrays: dict[str, np.ndarray] = {}
        if view.slot < len(self.table):
            weights = self._learn(weights, kept, n_done)
            self._score(weights, kept, n_done + 1, _BEFORE)
            arrays |= self._gains(weights, n_done + 1)
        for k, (p, w) in enumerate(zip(self._layers, weights, strict=True)):
            arrays[f"{p.name}.w"] = w.ravel()
            if OUTCOMES[self._task.outcome]:
                kept[f"before_{k}"] = w
        return Change(arrays, kept)

    def _weights(self, state: State) -> list[np.ndarray]:
        each = zip(self._layers, self._shapes, strict=True)
        return [state.arrays[f"{p.name}.w"].reshape(shape) for p, shape in each]

    def _nothing(self) -> dict[str, np.ndarray]:
        """Return what is kept before anything was learned."""
        n = len(self._task.tasks)
        kept = {f"velocity_{k}": np.zeros(s, np.float32) for k, s in enumerate(self._shapes)}
        return kept | {name: np.full((n, 2, 1 + n), np.nan) for name in SCORES}

    def _outcome(
        self, weights: list[np.ndarray], kept: Mapping[str, np.ndarray], n_done: int
    ) -> list[np.ndarray]:
        """Return what is made of a sleep."""
        outcome = OUTCOMES[self._task.outcome]
        if outcome is None:
            return weights
        rng = stream(self._seed, "outcome", n_done)
        return [outcome(kept[f"before_{k}"], w, rng) for k, w in enumerate(weights)]

    def _learn(
        self, weights: list[np.ndarray], kept: dict[str, np.ndarray], number: int
    ) -> list[np.ndarray]:
        """Learn a task; velocities are changed in what is kept."""
        single = [w.astype(np.float32) for w in weights]
        velocities = [kept[f"velocity_{k}"].copy() for k in range(len(weights))]
        part = self._parts[number]
        targets = np.eye(self._shapes[-1][1], dtype=np.float32)[self._labels[part]]
        rng = stream(self._seed, "learning", number)
        learn(single, velocities, self._images[part], targets, self._task.training, rng)
        kept |= {f"velocity_{k}": velocity for k, velocity in enumerate(velocities)}
        return [w.astype(float) for w in single]

    def _gains(self, weights: list[np.ndarray], n_tasks: int) -> dict[str, np.ndarray]:
        """Return what layers are multiplied by asleep."""
        single = [w.astype(np.float32) for w in weights]
        images = self._images[self._asleep_on(n_tasks)]
        found = gains(single, images, self._task.training.dropout)
        return {
            f"{p.target}.{self._task.gain}": np.full(shape[1], gain)
            for p, shape, gain in zip(self._layers, self._shapes, found, strict=True)
        }

    def _score(
        self, weights: Sequence[np.ndarray], kept: dict[str, np.ndarray], n_tasks: int, when: int
    ) -> None:
        """Score the network after so many tasks on test images."""
        single, dropout = [w.astype(np.float32) for w in weights], self._task.training.dropout
        seen = self._seen(n_tasks, self._task.calibration)
        known, tested = (
            activities(single, images, dropout) for images in (self._images[seen], self._test)
        )
        labels = np.unique(self._labels[seen])
        answers, means = tested[-1], known[-1].mean(axis=0)
        calibrated = np.full_like(answers, -1)  # classes that were not learned are not asked for
        at = np.zeros(len(means), bool)
        at[labels] = True
        calibrated[:, at] = answers[:, at] / np.where(means > 0, means, 1)[at]
        centres = np.array([known[-2][self._labels[seen] == c].mean(axis=0) for c in labels])
        distances = (centres**2).sum(axis=1) - 2 * tested[-2] @ centres.T
        scores = {
            "accuracy": credited(answers, self._test_labels),
            "calibrated": credited(calibrated, self._test_labels),
            "nearest": (labels[distances.argmin(axis=1)] == self._test_labels).astype(float),
            "silent": (answers.max(axis=1) <= 0).astype(float),
        }
        for name, each in scores.items():
            kept[name] = kept[name].copy()
            row = kept[name][n_tasks - 1, when]
            row[0] = each.mean()
            for k in range(len(self._task.tasks)):
                mine = each[self._test_tasks == k]
                row[1 + k] = mine.mean() if len(mine) else np.nan

    def replayed(self, seen: Seen) -> dict[str, Any]:
        """Return how much units spike in a sleep, and which outputs do."""
        asleep = np.flatnonzero(seen.table.phase == "sleep")
        if not len(asleep):
            return {}
        learned = self._learned[asleep]
        totals, pixels = seen.recorder.totals[self._network.input], self._network.n_inputs
        n_sleeps = len(np.unique(learned))
        metrics: dict[str, Any] = {
            f"relu_spikes_{self._network.input}": float(totals[asleep].sum() / n_sleeps / pixels)
        }
        for p, shape in zip(self._layers, self._shapes, strict=True):
            spikes = seen.recorder.counts[p.target][asleep]
            metrics[f"relu_spikes_{p.target}"] = float(spikes.sum() / n_sleeps / shape[1])
        classes, total, old = self._task.tasks.classes, 0, 0
        for n_tasks, counts in zip(learned, spikes, strict=True):
            earlier = [label for task in classes[: n_tasks - 1] for label in task]
            total, old = total + int(counts.sum()), old + int(counts[earlier].sum())
        metrics["relu_replayed"] = old / total if total and not self._task.tasks.mixed else None
        return metrics


class Learned(Observer):
    """Scores of the ReLU network before and after each sleep."""

    name = NAME
    metrics = (
        *(
            Metric("accuracy", f"relu_{name}(?P<before>_before)?", "fraction",
                   f"test images of all classes of which {text}; at the end, or (_before) before "
                   "the last sleep")
            for name, text in SCORES.items()
        ),
        *(
            Metric("tasks", rf"relu_{name}_after_(?P<task>\d+)(?P<before>_before)?", "fraction",
                   f"test images of all classes of which {text}; after task {{task}} and the sleep "
                   "that follows, or (_before) before that sleep")
            for name, text in SCORES.items()
        ),
        Metric("tasks", r"relu_accuracy_of_(?P<task>\d+)(?P<before>_before)?", "fraction",
               f"test images of task {{task}} of which {SCORES['accuracy']}; at the end, or "
               "(_before) before the last sleep"),
        Metric("rates", r"relu_spikes_(?P<where>\w+)", "1",
               "spikes of a neuron in a sleep, mean over neurons and sleeps"),
        Metric("rates", "relu_replayed", "fraction",
               "spikes of outputs in sleep that are of classes learned before the last task"),
    )  # fmt: skip

    def __init__(self, course: ReluCourse):
        self._course = course

    def slots(self, table: SlotTable) -> list[int]:
        """Look where something was learned, and at the end."""
        return list(self._course.changes)

    def look(self, view: View) -> Found:
        """Take what was scored so far."""
        return {name: view.kept[name] for name in SCORES}

    def measure(self, seen: Seen) -> dict[str, Any]:
        """Give the scores at the end, and after every task."""
        looks = list(seen.looks(self.name).values())
        if not looks:
            return {}
        metrics: dict[str, Any] = {}
        for name in SCORES:
            scores = looks[-1][name]
            done = np.flatnonzero(~np.isnan(scores[:, _AFTER, 0]))
            for k in done.tolist():
                for when, text in ((_BEFORE, "_before"), (_AFTER, "")):
                    metrics[f"relu_{name}_after_{k + 1}{text}"] = float(scores[k, when, 0])
                    if k == len(scores) - 1:
                        metrics[f"relu_{name}{text}"] = float(scores[k, when, 0])
            if name == "accuracy" and len(done) == len(scores):
                for k, values in enumerate(scores[-1, :, 1:].T):
                    metrics[f"relu_accuracy_of_{k + 1}_before"] = float(values[_BEFORE])
                    metrics[f"relu_accuracy_of_{k + 1}"] = float(values[_AFTER])
        return metrics | self._course.replayed(seen)

    def arrays(self, seen: Seen) -> dict[str, np.ndarray]:
        """Keep the scores that there were at last: (n_tasks, before and after, all and each)."""
        looks = list(seen.looks(self.name).values())
        return {f"{NAME}/{name}": looks[-1][name] for name in SCORES} if looks else {}

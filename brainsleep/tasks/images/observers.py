"""What is looked at while a network learns images, on a copy of it, and how it is scored."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np

from ...analysis.metrics import silent_fraction
from ...analysis.responses import class_similarity
from ...errors import DataError
from ...experiment.early_stopping import EarlyStopping
from ...experiment.observer import Looks, Metric, Observer, Seen, View
from ...experiment.slots import Order, SlotTable
from ...run.observers.weights import defined
from ...run.segment import Requests
from ...run.state import stream
from .datasets import Split
from .measure import (
    OF_TASKS,
    REPRESENTATION,
    Answers,
    Shown,
    accuracy_matrices,
    decisions,
    representation,
    samples_to_fit,
    samples_to_score,
    scores,
    task_metrics,
)
from .presentation import responses
from .readout import classify
from .task import Images, images_of


class _OfImages(Observer):
    """An observer of a task, with the images of the run."""

    def __init__(self, task: Images, parts: Split):
        self.task, self.parts = task, parts

    def _represented(self, seen: Seen | View, counts: np.ndarray) -> dict[str, float]:
        """Return the representation of the first test images in responses of equal length."""
        seconds = float(images_of(seen.protocol)[1].image_duration)
        labels = self.parts.test.labels[: len(counts)]
        return representation(counts, labels, seconds, stream(seen.seed, "shuffles"))

    def _can_score(self, seen: Seen) -> bool:
        """Return whether there are images to fit every readout on, and images to score it on."""
        data = self.task.data
        fits = all(data.n_readout or readout.fit_last for readout in self.task.readouts)
        return bool(data.n_test and fits and not seen.stopped)


class SleepProbe(_OfImages):
    """The representation of test images before and after sleeps, see `Probes`."""

    name = "representation"

    def slots(self, table: SlotTable) -> Collection[int]:
        """Return the slots before which a sleep begins, or is over."""
        probes = self.task.probes
        if not probes.images or not self.task.data.n_test:
            return ()
        borders = _onsets(table), table.ends_of("sleep")
        return np.concatenate([slots[:: probes.every] for slots in borders]).tolist()

    def look(self, view: View) -> Requests[dict[str, np.ndarray]]:
        """Show test images; return the values of `REPRESENTATION`, and how similar classes are."""
        images = self.parts.test.images[: self.task.probes.images]
        responded = yield from responses(view, images, ("sleep", view.slot))
        counts = responded[self.task.readout.population]
        return {
            "values": np.array([*self._represented(view, counts).values()]),
            "similarity": class_similarity(counts, self.parts.test.labels[: len(images)]),
        }

    def arrays(self, seen: Seen) -> dict[str, np.ndarray]:
        """Return the representation over time, before and after sleeps; nothing without probes.

        ``representation/times_s`` (n,); ``representation/after`` (n,): False before a sleep, True
        after it; ``representation/NAME`` (n,) for every name of `REPRESENTATION`;
        ``representation/similarities`` (n, n_classes, n_classes).
        """
        looks = seen.looks(self.name)
        if not looks:
            return {}
        arrays = {
            "times_s": seen.times_s(self.name),
            "after": ~np.isin([*looks], _onsets(seen.table)),
            "similarities": seen.series(self.name, "similarity"),
            **dict(zip(REPRESENTATION, seen.series(self.name, "values").T, strict=True)),
        }
        return {f"{self.name}/{key}": value for key, value in arrays.items()}


def _onsets(table: SlotTable) -> np.ndarray:
    """Return the slots with which a sleep begins, while learning."""
    asleep = (table.part == "train") & (table.phase == "sleep")
    return np.flatnonzero(asleep & ~np.append(False, asleep[:-1]))


class TaskProbe(_OfImages):
    """What the network can do after every task, but the last, whose responses are recorded."""

    name = "tasks"
    metrics = tuple(
        Metric("tasks", rf"tasks_{kind}_{name}", "fraction", f"{text} {whose}")
        for kind, whose in {
            "refitted": "of a readout fitted after every task on the classes so far",
            "fixed": "of a readout fitted once after each task on its classes, then left alone",
            "own": "of the network's own output neurons",
        }.items()
        for name, (_, text) in OF_TASKS.items()
    )

    def __init__(self, task: Images, parts: Split):
        super().__init__(task, parts)
        self._scored = bool(len(task.tasks) and task.data.n_readout and task.data.n_test)
        if not self._scored:
            return
        for what, part in (("readout", parts.readout), ("test", parts.test)):
            tasks = task.tasks.of(part.labels)
            for number, classes in enumerate(task.tasks.classes):
                if number not in tasks:
                    raise DataError(
                        f"tasks: no {what} image of task {number}, classes {classes}; raise "
                        f"data.n_{what}"
                    )

    def slots(self, table: SlotTable) -> Collection[int]:
        """Return the slots before which a task, but the last, has just been learned."""
        if not self._scored:
            return ()
        return (1 + np.flatnonzero(np.diff(table.task[: table.trained]))).tolist()

    def look(self, view: View) -> Requests[dict[str, np.ndarray]]:
        """Return ``fit/POPULATION`` and ``test/POPULATION``: spike counts of held-out images."""
        counts: dict[str, np.ndarray] = {}
        for name, part in (("fit", self.parts.readout), ("test", self.parts.test)):
            responded = yield from responses(view, part.images, (name, view.slot))
            counts |= {f"{name}/{k}": responded[k] for k in self._populations(view)}
        return counts

    def _populations(self, seen: Seen | View) -> set[str]:
        return {self.task.readout.population, seen.protocol.network.output} - {""}

    def _stages(self, seen: Seen) -> list[dict[str, np.ndarray]]:
        """Return the responses after every task; none unless there were at least two."""
        looks = list(seen.looks(self.name).values())
        if not looks or not self._can_score(seen):
            return []
        last = {
            f"{name}/{population}": seen.recorder.counts[population][seen.table.part == part]
            for population in self._populations(seen)
            for name, part in (("fit", "readout"), ("test", "test"))
        }
        return [*looks, last]

    def measure(self, seen: Seen) -> dict[str, Any]:
        """Summarise the accuracies on all tasks after every task."""
        stages, output = self._stages(seen), seen.protocol.network.output
        self._matrices = accuracy_matrices(stages, self.task, output, self.parts) if stages else {}
        return task_metrics(self._matrices)

    def arrays(self, seen: Seen) -> dict[str, np.ndarray]:
        """Return ``tasks/KIND``, see `accuracy_matrices`, and ``tasks/representation/NAME``."""
        tested = f"test/{self.task.readout.population}"
        each = [self._represented(seen, stage[tested]) for stage in self._stages(seen)]
        names = REPRESENTATION if each else ()
        return {f"tasks/{kind}": R for kind, R in self._matrices.items()} | {
            f"tasks/representation/{name}": np.array([values[name] for values in each])
            for name in names
        }


class Validation(_OfImages):
    """The accuracy on validation images after every epoch, by which training ends early."""

    name = "validation"
    metrics = (
        Metric("accuracy", "validation_accuracy", "fraction", "best accuracy on validation images"),
        Metric("time", "epochs_trained", "1", "epochs after which training ended"),
        Metric("time", "best_epoch", "1", "epoch after which the validation accuracy was best"),
    )

    def __init__(self, task: Images, parts: Split, table: SlotTable, order: Order):
        super().__init__(task, parts)
        self._last: dict[int, int] = {}  # slot after an epoch: the last that it showed
        if task.early_stopping and table.trained:
            shown = np.flatnonzero((table.part == "train") & (table.shown >= 0))
            ends = np.flatnonzero(np.diff(order.epoch[table.shown[shown]]))
            after, ends = [*shown[1 + ends], table.trained], np.append(ends, -1)
            self._last = dict(zip(map(int, after), map(int, shown[ends]), strict=True))

    def slots(self, table: SlotTable) -> Collection[int]:
        """Return the slots before which an epoch ends."""
        return self._last

    def due(self, view: View, planned: bool) -> bool:
        """Return whether an epoch that was run, not left out, has just ended."""
        return planned and bool(view.recorder.ran[self._last[view.slot]])

    def look(self, view: View) -> Requests[dict[str, np.ndarray]]:
        """Return the accuracy of the readout, or of the output neurons."""
        return {"accuracy": np.array((yield from self._accuracy(view)))}

    def _accuracy(self, view: View) -> Requests[float]:
        parts, readout, output = self.parts, self.task.readout, view.protocol.network.output
        labels, whole = parts.validation.labels, replace(readout, score_last=0)
        _, schedule = images_of(view.protocol)
        gates = schedule.test.gates
        if readout.fit_last:  # fitted on responses awake: shown as awake, but nothing is learned
            gates = {**schedule.wake.gates, "plasticity": 0.0}
        key = ("validation", view.slot)
        counts = yield from responses(view, parts.validation.images, key, gates)
        if output:
            return float(np.mean(decisions(counts[output]) == labels))
        if readout.fit_last:
            before, table = view.recorder.until(view.slot), view.table.until(view.slot)
            rng = stream(view.seed, "fit", readout.name)
            shown = Shown(table.part, table.image, before.ran)
            fit = samples_to_fit(readout, before.counts, shown, parts.labels, rng)
        else:
            key = ("readout", view.slot)
            answers = yield from responses(view, parts.readout.images, key, gates)
            fit = samples_to_score(whole, answers, parts.readout.labels)
        tested, labels = samples_to_score(whole, counts, labels)
        return float(np.mean(classify(*fit, tested, readout)[0] == labels))

    @staticmethod
    def accuracies(looks: Looks, position: int) -> list[float]:
        """Return the accuracies after all epochs up to a slot, in order."""
        return [float(looks[slot]["accuracy"]) for slot in sorted(looks) if slot <= position]

    def measure(self, seen: Seen) -> dict[str, Any]:
        """Return how long it was trained, and how good it was at its best."""
        accuracies = self.accuracies(seen.looks(self.name), len(seen.table))
        if not accuracies:
            return {}
        return {
            "epochs_trained": len(accuracies),
            "best_epoch": 1 + EarlyStopping.best(accuracies),
            "validation_accuracy": max(accuracies),
        }

    def arrays(self, seen: Seen) -> dict[str, np.ndarray]:
        """Return ``validation``: the accuracy after every epoch."""
        accuracies = self.accuracies(seen.looks(self.name), len(seen.table))
        return {"validation": np.array(accuracies)} if accuracies else {}


class Responses(_OfImages):
    """The responses to readout and test images: how they represent classes, how they are read."""

    name = "responses"
    metrics = (
        Metric("rates", r"silent_(?P<where>\w+)", "fraction", "neurons silent in the test"),
        *(
            Metric("representation", rf"{name}_(?P<where>\w+)", *unit_and_text)
            for name, (_, *unit_and_text) in sorted(REPRESENTATION.items(), reverse=True)
        ),  # the longer of two names that begin alike first
        Metric("accuracy", "network_accuracy", "fraction", "test images classified correctly, "
               "weights frozen: by the readout of the responses, or by the network's own output "
               "neurons if it has any"),
        Metric("accuracy", "pixels_accuracy", "fraction", "accuracy of a readout of the raw "
               "pixels, fitted on as many images as that of spike counts"),
        Metric("accuracy", r"(?P<who>\w+)_accuracy_(?P<n>\d+)", "fraction", "accuracy of the "
               "readout of {who} fitted on {n} labels, mean over random choices of them"),
        Metric("accuracy", r"(?P<who>\w+)_interval", "fraction",
               "95 % bootstrap interval of the accuracy"),
        Metric("accuracy", r"(?P<who>\w+)_components", "1", "principal components that the readout "
               "of {who} kept ({variance} of the variance); 0 if responses did not vary, or if "
               "output neurons decided, which need no readout"),
        Metric("accuracy", r"(?P<who>\w+)_accuracy", "fraction",
               "accuracy of the readout of {who}'s spike counts"),
    )  # fmt: skip

    def measure(self, seen: Seen) -> dict[str, Any]:
        """Measure the test responses of the readout population, and score all readouts."""
        name, tested = self.task.readout.population, seen.table.part == "test"
        counts, seconds = seen.recorder.counts[name][tested], seen.recorder.ran[tested] * seen.dt
        labels = self.parts.test.labels[: len(counts)]  # a run that was stopped has shown fewer
        values = representation(counts, labels, seconds, stream(seen.seed, "shuffles"))
        metrics: dict[str, Any] = {f"silent_{name}": defined(silent_fraction(counts))}
        metrics |= {f"{key}_{name}": defined(value) for key, value in values.items()}
        self._answers: dict[str, Answers] = {}
        if self._can_score(seen):
            scored, self._answers = scores(seen, self.task, self.parts)
            metrics |= scored
        return metrics

    def arrays(self, seen: Seen) -> dict[str, np.ndarray]:
        """Return ``labels/STAGE`` of all images, and what readouts answered in the test.

        ``predicted/READOUT`` and ``true/READOUT`` are classes, ``correct/READOUT`` is whether they
        are the same, each of shape (n_samples,).
        """
        arrays = {f"labels/{part}": labels for part, labels in self.parts.labels.items()}
        for who, answers in self._answers.items():
            arrays[f"predicted/{who}"], arrays[f"true/{who}"] = answers
            arrays[f"correct/{who}"] = answers.correct
        return arrays

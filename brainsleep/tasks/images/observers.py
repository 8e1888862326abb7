"""What is looked at while a network learns images, on a copy of it, and how it is scored.

A backend is a pure function of the state, so that images can be shown between two segments, in
the test phase, and the run goes on as if nothing had been.
"""

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
from ...experiment.record import Record
from ...experiment.slots import Order, SlotTable
from ...run.observers.weights import defined
from ...run.segment import Requests
from ...run.state import stream
from .datasets import Split
from .measure import (
    REPRESENTATION,
    accuracy_matrices,
    decisions,
    representation,
    samples_to_fit,
    samples_to_score,
    scores,
    task_metrics,
)
from .presentation import responses
from .readout import Score, classify
from .task import Images, images_of

STAGES = ("train", "readout", "test")


class _OfImages(Observer):
    """An observer of a task with images.

    Parameters
    ----------
    task : Images
        What is done.
    parts : Split
        The images of the run.
    """

    def __init__(self, task: Images, parts: Split):
        self.task, self.parts = task, parts

    def _seconds(self, seen: Seen | View) -> float:
        return float(images_of(seen.protocol)[1].image_duration)


class SleepProbe(_OfImages):
    """The representation of test images before and after sleeps, see `Record`."""

    name = "representation"

    def __init__(self, task: Images, parts: Split, record: Record):
        super().__init__(task, parts)
        self._record = record

    def slots(self, table: SlotTable) -> Collection[int]:
        """Return the slots before which a sleep begins, or is over."""
        return self._sleeps(table)

    def _sleeps(self, table: SlotTable) -> dict[int, bool]:
        """Return the slots, and whether a sleep is over."""
        if not self._record.probe_images or not self.task.data.n_test:
            return {}
        asleep = (table.stage == "train") & (table.phase == "sleep")
        begins = np.flatnonzero(asleep & ~np.append(False, asleep[:-1]))
        sleeps = list(zip(begins, table.ends_of("sleep"), strict=True))[:: self._record.probe_every]
        return {
            int(slot): over
            for pair in sleeps
            for slot, over in zip(pair, (False, True), strict=True)
        }

    def look(self, view: View) -> Requests[dict[str, np.ndarray]]:
        """Show test images; return the values of `REPRESENTATION`, and how similar classes are."""
        images = self.parts.test.images[: self._record.probe_images]
        labels = self.parts.test.labels[: len(images)]
        counts = yield from responses(view, images, ("sleep", view.slot))
        seen = counts[self.task.readout.population]
        rng = stream(view.seed, "shuffles")
        values = representation(seen, labels, self._seconds(view), rng)
        return {
            "values": np.array([values[name] for name in REPRESENTATION]),
            "similarity": class_similarity(seen, labels),
        }

    def arrays(self, seen: Seen) -> dict[str, np.ndarray]:
        """Return the representation over time, before and after sleeps.

        Returns
        -------
        dict of str to ndarray
            ``representation/times_s`` (n,); ``representation/after`` (n,): False before a sleep,
            True after it; ``representation/NAME`` (n,) for every name of `REPRESENTATION`;
            ``representation/similarities``, (n, n_classes, n_classes). Nothing without probes.
        """
        looks = seen.looks(self.name)
        if not looks:
            return {}
        over = self._sleeps(seen.table)
        found = {
            "times_s": seen.times_s(self.name),
            "after": np.array([over.get(slot, True) for slot in looks]),
            "similarities": seen.series(self.name, "similarity"),
            **dict(zip(REPRESENTATION, seen.series(self.name, "values").T, strict=True)),
        }
        return {f"{self.name}/{key}": value for key, value in found.items()}


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
        for name, text in {
            "accuracy": "mean accuracy over all tasks after the last",
            "backward_transfer": "mean change of a task's accuracy from when it was learned to the "
            "end, over all tasks but the last,",
            "forgetting": "mean loss of a task's accuracy from its best to the end, over all tasks "
            "but the last,",
        }.items()
    )

    def __init__(self, task: Images, parts: Split):
        super().__init__(task, parts)
        self._scored = bool(len(task.tasks) and task.data.n_readout and task.data.n_test)
        for what, part in (("readout", parts.readout), ("test", parts.test)):
            of = task.tasks.of(part.labels) if self._scored else ()
            for number, classes in enumerate(task.tasks.classes if self._scored else ()):
                if number not in of:
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
        found: dict[str, np.ndarray] = {}
        for name, part in (("fit", self.parts.readout), ("test", self.parts.test)):
            counts = yield from responses(view, part.images, (name, view.slot))
            found |= {f"{name}/{k}": counts[k] for k in self._populations(view)}
        return found

    def _populations(self, seen: Seen | View) -> set[str]:
        return {self.task.readout.population, seen.protocol.network.output} - {""}

    def _stages(self, seen: Seen) -> list[dict[str, np.ndarray]]:
        """Return the responses after every task; none unless there were at least two."""
        looks = list(seen.looks(self.name).values())
        if not looks or not can_score(self.task, seen):
            return []
        last = {}
        for population in self._populations(seen):
            counts = seen.recorder.counts[population]
            for name, stage in (("fit", "readout"), ("test", "test")):
                last[f"{name}/{population}"] = counts[seen.table.stage == stage]
        return [*looks, last]

    def measure(self, seen: Seen) -> dict[str, Any]:
        """Summarise the accuracies on all tasks after every task."""
        stages, output = self._stages(seen), seen.protocol.network.output
        self._matrices = accuracy_matrices(stages, self.task, output, self.parts) if stages else {}
        return task_metrics(self._matrices)

    def arrays(self, seen: Seen) -> dict[str, np.ndarray]:
        """Return ``tasks/KIND``, see `accuracy_matrices`, and ``tasks/representation/NAME``."""
        stages = self._stages(seen)
        if not stages:
            return {}
        tested = f"test/{self.task.readout.population}"
        seconds, labels = self._seconds(seen), self.parts.test.labels
        each = [
            representation(stage[tested], labels, seconds, stream(seen.seed, "shuffles"))
            for stage in stages
        ]
        found = {f"tasks/{name}": R for name, R in self._matrices.items()}
        for name in REPRESENTATION:
            found[f"tasks/representation/{name}"] = np.array([values[name] for values in each])
        return found


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
            shown = np.flatnonzero((table.stage == "train") & (table.shown >= 0))
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
        accuracy = yield from self._accuracy(view)
        return {"accuracy": np.array(accuracy)}

    def _accuracy(self, view: View) -> Requests[float]:
        protocol, parts, readout = view.protocol, self.parts, self.task.readout
        labels, whole = parts.validation.labels, replace(readout, score_last=0)
        _, schedule = images_of(protocol)
        gates = schedule.test.gates
        if readout.fit_last:  # fitted on responses awake: shown as awake, but nothing is learned
            gates = {**schedule.wake.gates, "plasticity": 0.0}
        key = ("validation", view.slot)
        counts = yield from responses(view, parts.validation.images, key, gates)
        if protocol.network.output:
            return float(np.mean(decisions(counts[protocol.network.output]) == labels))
        rng = stream(view.seed, "fit", readout.name)
        if readout.fit_last:
            before = view.recorder.until(view.slot)
            table = view.table.until(view.slot)
            fit = samples_to_fit(readout, before.counts, table, before.ran, parts, rng)
        else:
            key = ("readout", view.slot)
            answers = yield from responses(view, parts.readout.images, key, gates)
            fit = samples_to_score(whole, answers, parts.readout.labels)
        score = samples_to_score(whole, counts, labels)
        correct, _ = classify(*fit, *score, readout)
        return float(correct.mean())

    @staticmethod
    def accuracies(looks: Looks, position: int) -> list[float]:
        """Return the accuracies after all epochs up to a slot, in order."""
        return [float(looks[slot]["accuracy"]) for slot in sorted(looks) if slot <= position]

    def measure(self, seen: Seen) -> dict[str, Any]:
        """Return how long it was trained, and how good it was at its best."""
        found = self.accuracies(seen.looks(self.name), len(seen.table))
        if not found:
            return {}
        return {
            "epochs_trained": len(found),
            "best_epoch": 1 + EarlyStopping.best(found),
            "validation_accuracy": max(found),
        }

    def arrays(self, seen: Seen) -> dict[str, np.ndarray]:
        """Return ``validation``: the accuracy after every epoch."""
        found = self.accuracies(seen.looks(self.name), len(seen.table))
        return {"validation": np.array(found)} if found else {}


_PLUGIN = ", not corrected for the finite number of samples"


class Responses(_OfImages):
    """The responses to readout and test images: how they represent classes, how they are read."""

    name = "responses"
    metrics = (
        Metric("rates", r"silent_(?P<where>\w+)", "fraction", "neurons silent in the test"),
        *(
            Metric("representation", rf"{pattern}_(?P<where>\w+)", unit, text)
            for pattern, unit, text in (
                ("participation_ratio_plugin", "1", f"participation ratio{_PLUGIN}"),
                ("participation_ratio", "1", "dimension of the test responses: (Σλ)² / Σλ² of "
                 "their covariance's eigenvalues λ, corrected for the finite number of samples"),
                ("effective_rank_plugin", "1", f"effective rank{_PLUGIN}"),
                ("effective_rank", "1", "exponential of the entropy of the responses' "
                 "singular values, cross-validated"),
                ("selectivity_adjusted", "1", "class selectivity s less chance: (s - s₀)/(1 - s₀), "
                 "with s₀ that of shuffled labels"),
                ("selectivity", "1", "(μ - μ₀)/(μ + μ₀), with μ a neuron's mean response to its "
                 "preferred class and μ₀ that to the others; mean over neurons"),
                ("phi", "fraction", "1 - within/total variance of the responses' PCA scores (η² of "
                 "the classes)"),
                ("dead", "fraction", "neurons above 1 Hz in no test image"),
                ("similarity", "1", "mean correlation of the mean responses to two classes"),
            )
        ),
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
        name, tested = self.task.readout.population, seen.table.stage == "test"
        counts = seen.recorder.counts[name][tested]
        found: dict[str, Any] = {f"silent_{name}": silent_fraction(counts) if len(counts) else None}
        seconds = seen.recorder.ran[tested] * seen.dt
        labels = self.parts.test.labels[: len(seconds)]  # a run that was stopped has shown fewer
        values = representation(counts, labels, seconds, stream(seen.seed, "shuffles"))
        found |= {f"{key}_{name}": defined(value) for key, value in values.items()}
        self._scored: dict[str, Score] = {}
        if can_score(self.task, seen):
            self._scored, few = scores(seen, self.task, self.parts)
            found |= few
            for who, score in self._scored.items():
                found[f"{who}_accuracy"] = score.accuracy
                found[f"{who}_interval"] = list(score.interval)
                found[f"{who}_components"] = score.components
        return found

    def arrays(self, seen: Seen) -> dict[str, np.ndarray]:
        """Return ``labels/STAGE`` of all images, and ``correct/READOUT`` of those in the test."""
        found = {f"labels/{stage}": getattr(self.parts, stage).labels for stage in STAGES}
        return found | {f"correct/{who}": score.correct for who, score in self._scored.items()}


def can_score(task: Images, seen: Seen) -> bool:
    """Return whether there are images to fit every readout on, and images to score it on."""
    fits = all(task.data.n_readout or readout.fit_last for readout in task.readouts)
    return bool(task.data.n_test and fits and not seen.stopped)

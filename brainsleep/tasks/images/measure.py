"""From responses to images to measures of them: representation, readouts, tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ...analysis import metrics, responses, statistics
from ...experiment.observer import Seen
from ...run.observers.weights import defined
from ...run.state import stream
from .datasets import Split
from .readout import Readout, classify, merged
from .task import Images

#: What `representation` measures, in this order, of spikes (n_samples, n_neurons), labels, seconds
#: a sample and a generator; its unit, and what it is.
REPRESENTATION: dict[str, tuple[Callable[..., Any], str, str]] = {
    "participation_ratio": (lambda counts, *_: responses.participation_ratio(counts), "1",
        "dimension of the test responses: (Σλ)² / Σλ² of their covariance's eigenvalues λ, "
        "corrected for the finite number of samples"),
    "participation_ratio_plugin": (
        lambda counts, *_: responses.participation_ratio(counts, corrected=False), "1",
        "participation ratio, not corrected for the finite number of samples"),
    "effective_rank": (lambda counts, *_: responses.effective_rank(counts), "1",
        "exponential of the entropy of the responses' singular values, cross-validated"),
    "effective_rank_plugin": (
        lambda counts, *_: responses.effective_rank(counts, corrected=False), "1",
        "effective rank, not corrected for the finite number of samples"),
    "selectivity": (lambda counts, labels, *_: responses.class_selectivity(counts, labels), "1",
        "(μ - μ₀)/(μ + μ₀), with μ a neuron's mean response to its preferred class and μ₀ that to "
        "the others; mean over neurons"),
    "selectivity_adjusted": (
        lambda counts, labels, _, rng: responses.adjusted_selectivity(counts, labels, rng), "1",
        "class selectivity s less chance: (s - s₀)/(1 - s₀), with s₀ that of shuffled labels"),
    "phi": (lambda counts, labels, *_: responses.phi(counts, labels), "fraction",
        "1 - within/total variance of the responses' PCA scores (η² of the classes)"),
    "dead": (lambda counts, _, seconds, rng: metrics.dead_fraction(counts, seconds), "fraction",
        "neurons above 1 Hz in no test image"),
    "similarity": (
        lambda counts, labels, *_: _off_diagonal(responses.class_similarity(counts, labels)), "1",
        "mean correlation of the mean responses to two classes"),
}  # fmt: skip

#: What `task_metrics` measures of matrices of accuracies, and what it is.
OF_TASKS = {
    "accuracy": (statistics.average_accuracy, "mean accuracy over all tasks after the last"),
    "backward_transfer": (
        statistics.backward_transfer,
        "mean change of a task's accuracy from when it was learned to the end, over all tasks but "
        "the last,",
    ),
    "forgetting": (
        statistics.forgetting,
        "mean loss of a task's accuracy from its best to the end, over all tasks but the last,",
    ),
}


def representation(
    counts: np.ndarray, labels: np.ndarray, seconds: np.ndarray | float, rng: np.random.Generator
) -> dict[str, float]:
    """Measure how a population represents classes, by the names of `REPRESENTATION`.

    `counts` are spikes, shape (n_samples, n_neurons); `seconds` is how long each sample lasted;
    `rng` shuffles labels. The mean over neurons; NaN where something is not defined.
    """
    of = counts, labels, np.broadcast_to(seconds, len(counts)), rng
    measured = {name: measure(*of) for name, (measure, *_) in REPRESENTATION.items()}
    return {name: responses.mean_known(values) for name, values in measured.items()}


def _off_diagonal(matrix: np.ndarray) -> np.ndarray:
    return matrix[~np.eye(len(matrix), dtype=bool)]


# -- readouts ----------------------------------------------------------------------------------


class Shown(NamedTuple):
    """What was shown in the slots of a run, each of shape (n_slots,)."""

    part: np.ndarray  #: part of the data
    image: np.ndarray  #: which of its images, or -1
    steps: np.ndarray  #: for how many time steps


def samples_to_fit(
    readout: Readout,
    counts: Mapping[str, np.ndarray],
    shown: Shown,
    labels_of: Mapping[str, np.ndarray],
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the responses that a readout is fitted on, and their labels.

    `counts` are spikes by population, shape (n_slots, n_neurons); `labels_of` are the classes of
    the images of every part; `rng` draws the share of the samples that is used.
    """
    part = "train" if readout.fit_last else "readout"
    slots = np.flatnonzero((shown.part == part) & (shown.image >= 0) & (shown.steps > 0))
    slots = slots[-readout.fit_last :]  # 0: all
    labels = labels_of[part][shown.image[slots]]
    x, labels = _samples(readout, counts, slots, labels)
    if readout.fit_share == 1:
        return x, labels
    chosen = rng.permutation(len(x))[: max(1, int(readout.fit_share * len(x)))]
    return x[chosen], labels[chosen]


def samples_to_score(
    readout: Readout, counts: Mapping[str, np.ndarray], labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the responses that a readout is scored on, and their labels.

    `counts` are spikes by population, shape (n_images, n_neurons), of images that were shown one
    after the other; `labels` are their classes.
    """
    slots = np.arange(len(labels))[-readout.score_last :]  # 0: all
    return _samples(readout, counts, slots, labels[slots])


def _samples(
    readout: Readout, counts: Mapping[str, np.ndarray], slots: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the responses of a readout's populations in slots, neighbours merged if it does so."""
    x = np.concatenate([counts[name][slots] for name in readout.populations], axis=1)
    return merged(x, labels, slots) if readout.merge else (x, labels)


class Answers(NamedTuple):
    """What a readout answered in the test."""

    #: Classes that it predicted, and those that are right, shape (n_samples,).
    predicted: np.ndarray
    labels: np.ndarray

    @property
    def correct(self) -> np.ndarray:
        """Which answers are right, shape (n_samples,)."""
        return self.predicted == self.labels


def scores(seen: Seen, task: Images, parts: Split) -> tuple[dict[str, Any], dict[str, Answers]]:
    """Score the readouts of the responses, and one of the raw pixels.

    ``"pixels"`` is logistic regression on the images that the responses of a held-out readout are
    fitted on, if there are any. A network with an output neuron a class decides by itself (the
    class whose neuron spikes most): ``"network"`` is that, and the readout of its responses is
    called as their population. Returns metrics by name: the accuracy of each, with its 95 %
    bootstrap interval, and the principal components used (0: none were needed); and
    ``"network_accuracy_50"``, the mean accuracy over random subsets of 50 labels, the same subsets
    for all, for every number in ``readout.label_counts``. Besides, what each readout answered: two
    of the same samples can be compared in pairs.
    """
    recorder, table, seed = seen.recorder, seen.table, seen.seed
    output, test_labels = seen.protocol.network.output, parts.test.labels
    ran, labels_of = Shown(table.part, table.image, recorder.ran), parts.labels
    counts = {name: each[table.part == "test"] for name, each in recorder.counts.items()}
    whole: dict[str, Any] = {}
    few: dict[str, float] = {}
    answered: dict[str, Answers] = {}

    def score(name: str, answers: Answers, components: int | None, readout: Readout) -> None:
        answered[name], correct = answers, answers.correct
        spread = statistics.interval(correct, readout.resamples, stream(seed, "bootstrap"))
        whole[f"{name}_accuracy"], whole[f"{name}_interval"] = float(correct.mean()), list(spread)
        if components is not None:
            whole[f"{name}_components"] = components

    if output:
        score("network", Answers(decisions(counts[output]), test_labels), 0, task.readout)
    sets: dict[str, tuple[Readout, np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = {}
    for readout in task.readouts:
        name = readout.population if output and readout is task.readout else readout.name
        rng = stream(seed, "fit", readout.name)
        fit = samples_to_fit(readout, recorder.counts, ran, labels_of, rng)
        sets[name] = readout, *fit, *samples_to_score(readout, counts, test_labels)
    if len(parts.readout.labels):
        fitted, tested = (task.encoder.pixels(part.images) for part in (parts.readout, parts.test))
        plainly = replace(task.readout, classifier="logistic")
        sets["pixels"] = plainly, fitted, parts.readout.labels, tested, test_labels
    for name, (readout, x, fit_labels, test, labels) in sets.items():
        predicted, components = classify(x, fit_labels, test, readout)
        score(name, Answers(predicted, labels), components, readout)
        for n in readout.label_counts:
            accuracies = []
            for draw in range(readout.label_draws):
                chosen = stream(seed, "labels", n, draw).permutation(len(x))[:n]
                predicted, _ = classify(x[chosen], fit_labels[chosen], test, readout)
                accuracies.append(np.mean(predicted == labels))
            few[f"{name}_accuracy_{n}"] = float(np.mean(accuracies))
    return few | whole, answered


def decisions(counts: np.ndarray) -> np.ndarray:
    """Return the output neuron that spikes most in each of (n_samples, n_classes), or the first."""
    return np.argmax(counts, axis=1)


# -- tasks learned one after the other ---------------------------------------------------------


def accuracy_matrices(
    stages: list[dict[str, np.ndarray]], task: Images, output: str, parts: Split
) -> dict[str, np.ndarray]:
    """Score every task after every task: matrices of shape (n_tasks, n_tasks) by name.

    After each task, `stages` has the spike counts of all readout and test images:
    ``fit/POPULATION`` and ``test/POPULATION``, shape (n_samples, n_neurons). `output` is the
    population of the network's own output neurons, "" for none.

    At (i, j) is the accuracy on task j after task i, NaN where j comes after i, or where there is
    but one class to choose from. It is that of a readout fitted after task i on the classes of all
    tasks so far (``refitted``); of one fitted after task j on the classes of task j only, and left
    alone (``fixed``); of the network's own output neurons among all classes (``own``).
    """
    tasks, readout, n = task.tasks, task.readout, len(stages)
    labels, test_labels = parts.readout.labels, parts.test.labels
    fit_task, test_task = tasks.of(labels), tasks.of(test_labels)
    fit, test = f"fit/{readout.population}", f"test/{readout.population}"
    kinds = ("refitted", "fixed", "own") if output else ("refitted", "fixed")
    matrices = {kind: np.full((n, n), np.nan) for kind in kinds}

    def score(fitted: int, which: np.ndarray, now: int, tested: np.ndarray) -> np.ndarray:
        if len(np.unique(labels[which])) < 2:
            return np.full(tested.sum(), np.nan)  # nothing to tell apart
        to_fit = stages[fitted][fit][which], labels[which]
        predicted, _ = classify(*to_fit, stages[now][test][tested], readout)
        return predicted == test_labels[tested]

    for i in range(n):
        so_far = (test_task >= 0) & (test_task <= i)
        correct = score(i, (fit_task >= 0) & (fit_task <= i), i, so_far)
        for j in range(i + 1):
            mine = test_task == j
            matrices["refitted"][i, j] = correct[mine[so_far]].mean()
            matrices["fixed"][i, j] = score(j, fit_task == j, i, mine).mean()
            if output:
                decided = decisions(stages[i][f"test/{output}"][mine])
                matrices["own"][i, j] = np.mean(decided == test_labels[mine])
    return matrices


def task_metrics(matrices: dict[str, np.ndarray]) -> dict[str, float | None]:
    """Summarise accuracy matrices: average accuracy, backward transfer, forgetting of each."""
    return {
        f"tasks_{kind}_{name}": defined(measure(R))
        for kind, R in matrices.items()
        for name, (measure, _) in OF_TASKS.items()
    }

"""From responses to images to measures of them: representation, readouts, tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ...analysis.metrics import dead_fraction
from ...analysis.responses import (
    adjusted_selectivity,
    class_selectivity,
    class_similarity,
    effective_rank,
    mean_known,
    participation_ratio,
    phi,
)
from ...analysis.statistics import average_accuracy, backward_transfer, forgetting
from ...experiment.observer import Seen
from ...experiment.slots import SlotTable
from ...run.observers.weights import defined
from ...run.state import stream
from .datasets import Split
from .readout import Readout, Score, classify, fit_score, interval, merged
from .task import Images

#: What `representation` measures, in this order.
REPRESENTATION = (
    "participation_ratio",
    "participation_ratio_plugin",
    "effective_rank",
    "effective_rank_plugin",
    "selectivity",
    "selectivity_adjusted",
    "phi",
    "dead",
    "similarity",
)


def representation(
    counts: np.ndarray, labels: np.ndarray, seconds: np.ndarray | float, rng: np.random.Generator
) -> dict[str, float]:
    """Measure how a population represents classes.

    Parameters
    ----------
    counts : ndarray, shape (n_samples, n_neurons)
        Spikes.
    labels : ndarray, shape (n_samples,)
        Classes.
    seconds : ndarray, shape (n_samples,), or float
        Duration of each sample in s.
    rng : numpy.random.Generator
        Shuffles labels.

    Returns
    -------
    dict of str to float
        By name, as in `REPRESENTATION`: dimension (corrected for few samples, and the plug-in
        estimate), mean selectivity (as defined, and adjusted for chance), phi, neurons above 1 Hz
        in no sample (``dead``), and the mean correlation of the mean responses to two classes
        (``similarity``). NaN where something is not defined.
    """
    similar = class_similarity(counts, labels)
    values = (
        participation_ratio(counts),
        participation_ratio(counts, corrected=False),
        effective_rank(counts),
        effective_rank(counts, corrected=False),
        mean_known(class_selectivity(counts, labels)),
        mean_known(adjusted_selectivity(counts, labels, rng)),
        phi(counts, labels),
        dead_fraction(counts, np.broadcast_to(seconds, len(counts))),
        mean_known(similar[~np.eye(len(similar), dtype=bool)]),
    )
    return dict(zip(REPRESENTATION, values, strict=True))


def samples_to_fit(
    readout: Readout, counts: Mapping[str, np.ndarray], table: SlotTable, ran: np.ndarray,
    parts: Split, rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return the responses that a readout is fitted on, and their labels.

    Parameters
    ----------
    readout : Readout
        Its populations, and which responses it is fitted on.
    counts : mapping of str to ndarray, shape (n_slots, n_neurons)
        Spike counts by population.
    table : SlotTable
        What the slots were.
    ran : ndarray, shape (n_slots,)
        Steps of each that were run.
    parts : Split
        Labels.
    rng : numpy.random.Generator
        Draws the share of them that is used.
    """
    if readout.fit_last:
        shown = (table.stage == "train") & (table.image >= 0) & (ran > 0)
        slots = np.flatnonzero(shown)[-readout.fit_last :]
        labels = parts.train.labels[table.image[slots]]
    else:
        slots = np.flatnonzero((table.stage == "readout") & (ran > 0))
        labels = parts.readout.labels[: len(slots)]
    x, labels = _samples(readout, counts, slots, labels)
    if readout.fit_share == 1:
        return x, labels
    chosen = rng.permutation(len(x))[: max(1, int(readout.fit_share * len(x)))]
    return x[chosen], labels[chosen]


def _samples(
    readout: Readout, counts: Mapping[str, np.ndarray], slots: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the responses of a readout's populations in slots, neighbours merged if it does so."""
    x = np.concatenate([counts[name][slots] for name in readout.populations], axis=1)
    return merged(x, labels, slots) if readout.merge else (x, labels)


def samples_to_score(
    readout: Readout, counts: Mapping[str, np.ndarray], labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the responses that a readout is scored on, and their labels.

    Parameters
    ----------
    readout : Readout
        Its populations, and which responses it is scored on.
    counts : mapping of str to ndarray, shape (n_images, n_neurons)
        Responses to images that were shown one after the other, by population.
    labels : ndarray, shape (n_images,)
        Their classes.
    """
    slots = np.arange(len(labels))[-readout.score_last :]  # 0: all
    return _samples(readout, counts, slots, labels[slots])


def scores(seen: Seen, task: Images, parts: Split) -> tuple[dict[str, Score], dict[str, float]]:
    """Score the readouts of the responses, and one of the raw pixels.

    Returns
    -------
    scores : dict of str to Score
        By the names of the readouts, and ``"pixels"``: logistic regression on the images that the
        responses of a held-out readout are fitted on, if there are any. A network with an output
        neuron a class decides by itself (the class whose neuron spikes most): ``"network"`` is
        that, and the readout of its responses is called as their population.
    few : dict of str to float
        ``"network_accuracy_50"``: mean accuracy over random subsets of 50 labels, the same
        subsets for all, for every number in ``readout.label_counts``.
    """
    recorder, table, seed = seen.recorder, seen.table, seen.seed
    output, tested = seen.protocol.network.output, table.stage == "test"
    test_labels = parts.test.labels
    counts = {name: each[tested] for name, each in recorder.counts.items()}
    found: dict[str, Score] = {}
    few: dict[str, float] = {}
    if output:
        correct = decisions(counts[output]) == test_labels
        spread = interval(correct, task.readout.resamples, stream(seed, "bootstrap"))
        found["network"] = Score(float(correct.mean()), spread, correct, 0)
    sets: dict[str, tuple[Readout, np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = {}
    for readout in task.readouts:
        name = readout.population if output and readout is task.readout else readout.name
        rng = stream(seed, "fit", readout.name)
        x, labels = samples_to_fit(readout, recorder.counts, table, recorder.ran, parts, rng)
        sets[name] = readout, x, labels, *samples_to_score(readout, counts, test_labels)
    if len(parts.readout.labels):
        pixels = [task.encoder.pixels(part.images) for part in (parts.readout, parts.test)]
        plainly = replace(task.readout, classifier="logistic")
        sets["pixels"] = plainly, pixels[0], parts.readout.labels, pixels[1], test_labels
    for name, (readout, fit, fit_labels, test, labels) in sets.items():
        rng = stream(seed, "bootstrap")
        found[name] = fit_score(fit, fit_labels, test, labels, readout, rng)
        for n in readout.label_counts:
            accuracies = []
            for draw in range(readout.label_draws):
                chosen = stream(seed, "labels", n, draw).permutation(len(fit))[:n]
                correct, _ = classify(fit[chosen], fit_labels[chosen], test, labels, readout)
                accuracies.append(correct.mean())
            few[f"{name}_accuracy_{n}"] = float(np.mean(accuracies))
    return found, few


def decisions(counts: np.ndarray) -> np.ndarray:
    """Return the neuron that spikes most in every sample; the first of several.

    Parameters
    ----------
    counts : ndarray, shape (n_samples, n_classes)
        Spikes of output neurons.
    """
    return np.argmax(counts, axis=1)


# -- tasks learned one after the other ---------------------------------------------------------


def accuracy_matrices(
    stages: list[dict[str, np.ndarray]], task: Images, output: str, parts: Split
) -> dict[str, np.ndarray]:
    """Score every task after every task.

    Parameters
    ----------
    stages : list of dict of str to ndarray
        After each task, spike counts of all readout and test images: ``fit/POPULATION`` and
        ``test/POPULATION``, shape (n_samples, n_neurons).
    task : Images
        Its tasks and readout.
    output : str
        Population of the network's own output neurons; "" for none.
    parts : Split
        Labels.

    Returns
    -------
    dict of str to ndarray, shape (n_tasks, n_tasks)
        Accuracy on task j after task i, NaN where j comes after i, or where there is but one class
        to choose from: ``refitted``, of a readout
        fitted after task i on the classes of all tasks so far; ``fixed``, of a readout that was
        fitted after task j on the classes of task j only, and left alone; ``own``, of the
        network's own output neurons among all classes, if it has them.
    """
    tasks, readout, n = task.tasks, task.readout, len(stages)
    fit_task, test_task = tasks.of(parts.readout.labels), tasks.of(parts.test.labels)
    fit, test = f"fit/{readout.population}", f"test/{readout.population}"
    kinds = ["refitted", "fixed"]
    found = {kind: np.full((n, n), np.nan) for kind in [*kinds, *(["own"] if output else [])]}

    def score(fitted: int, which: np.ndarray, now: int, tested: np.ndarray) -> np.ndarray:
        if len(np.unique(parts.readout.labels[which])) < 2:
            return np.full(tested.sum(), np.nan)  # nothing to tell apart
        correct, _ = classify(
            stages[fitted][fit][which],
            parts.readout.labels[which],
            stages[now][test][tested],
            parts.test.labels[tested],
            readout,
        )
        return correct

    for i in range(n):
        so_far = (test_task >= 0) & (test_task <= i)
        correct = score(i, (fit_task >= 0) & (fit_task <= i), i, so_far)
        for j in range(i + 1):
            mine = test_task == j
            found["refitted"][i, j] = correct[mine[so_far]].mean()
            found["fixed"][i, j] = score(j, fit_task == j, i, mine).mean()
            if output:
                decided = decisions(stages[i][f"test/{output}"][mine])
                found["own"][i, j] = np.mean(decided == parts.test.labels[mine])
    return found


def task_metrics(matrices: dict[str, np.ndarray]) -> dict[str, float | None]:
    """Summarise accuracy matrices: average accuracy, backward transfer, forgetting of each."""
    found = {}
    for name, R in matrices.items():
        found[f"tasks_{name}_accuracy"] = defined(average_accuracy(R))
        found[f"tasks_{name}_backward_transfer"] = defined(backward_transfer(R))
        found[f"tasks_{name}_forgetting"] = defined(forgetting(R))
    return found

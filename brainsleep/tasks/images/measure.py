"""From what a run recorded to its metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ...analysis.metrics import (
    WEIGHT_STATISTICS,
    dead_fraction,
    growth_slope,
    mean_rate,
    saturation,
    silent_fraction,
    weight_entropy,
)
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
from ...experiment.protocol import Protocol
from ...experiment.schedule import SlotTable
from ...run.observers.alarms import plastic
from ...run.observers.recorder import Recorder
from ...run.state import State, stream
from .datasets import Split
from .readout import Readout, Score, classify, fit_score, interval, merged


def weight_metrics(protocol: Protocol, recorder: Recorder, state: State) -> dict:
    """Measure the weights of each projection and of all plastic projections together."""
    metrics: dict[str, float | None] = {}
    for p in protocol.network.projections:
        w = state.weights(p.name)
        metrics[f"saturated_{p.name}"] = saturation(w, p.w_max)
        metrics[f"largest_{p.name}"] = float(w.max())
        metrics[f"growth_{p.name}"] = _ratio(w.sum(), _initial_sum(recorder, p.name))
        metrics[f"entropy_{p.name}"] = weight_entropy(w, p.w_min, p.w_max)
    learning = plastic(protocol.network)
    if learning:
        w = np.concatenate([state.weights(p.name) for p in learning])
        sizes = [len(state.weights(p.name)) for p in learning]
        low = np.repeat([p.w_min for p in learning], sizes)
        high = np.repeat([p.w_max for p in learning], sizes)
        metrics["saturated"] = saturation(w / high, 1.0)
        metrics["largest_weight"] = float(w.max())
        metrics["growth"] = _ratio(w.sum(), sum(_initial_sum(recorder, p.name) for p in learning))
        metrics["weight_entropy"] = weight_entropy(w, low, high)
        column = WEIGHT_STATISTICS.index("sum")
        times = np.array(recorder.stat_steps) * float(protocol.network.dt)
        taken = [np.array(recorder.stats[p.name][: len(times)]) for p in learning]
        sums = np.sum([each[:, column] for each in taken], axis=0)
        slope, error = growth_slope(times, sums)
        metrics["growth_per_s"], metrics["growth_per_s_error"] = _known(slope), _known(error)
    return metrics


def _initial_sum(recorder: Recorder, projection: str) -> float:
    return float(np.abs(recorder.snapshots[f"initial/{projection}"]).sum())


def _ratio(after: float, before: float) -> float | None:
    return float(after / before) if before > 0 else None


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def rate_metrics(protocol: Protocol, recorder: Recorder, table: SlotTable) -> dict:
    """Measure mean rates in wake, sleep, its stages and test, silent neurons, and time spent."""
    seconds = recorder.ran * float(protocol.network.dt)
    where = {
        "wake": table.phase == "wake",
        "sleep": table.phase == "sleep",
        "test": table.stage == "test",
    }
    for stage in protocol.schedule.sleep.stages:
        where[f"sleep_{stage.name}"] = table.sleep_stage == stage.name
    metrics: dict[str, float | None] = {}
    together = np.maximum(table.n_images, 1)  # a batch has the spikes of all its images
    for population, totals in recorder.totals.items():
        size = protocol.network.population(population).size * together
        for label, mask in where.items():
            rate = mean_rate((totals / size)[mask, None], seconds[mask])
            metrics[f"rate_{label}_{population}_hz"] = None if np.isnan(rate) else rate
    name = protocol.readout.population
    tested = recorder.counts[name][where["test"]]
    metrics[f"silent_{name}"] = silent_fraction(tested) if len(tested) else None
    metrics["sleep_s"] = float(seconds[where["sleep"]].sum())
    metrics["wake_s"] = float(seconds[where["wake"]].sum())
    return metrics


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


def response_metrics(
    protocol: Protocol, recorder: Recorder, table: SlotTable, parts: Split, seed: int
) -> dict[str, float | None]:
    """Measure the test responses of the readout population, see `representation`.

    Returns
    -------
    dict
        None where something is not defined.
    """
    name, tested = protocol.readout.population, table.stage == "test"
    seconds = recorder.ran[tested] * float(protocol.network.dt)
    rng = stream(seed, "shuffles")
    labels = parts.test.labels[: len(seconds)]  # a run that was stopped has shown fewer
    found = representation(recorder.counts[name][tested], labels, seconds, rng)
    return {f"{key}_{name}": _known(value) for key, value in found.items()}


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


def scores(
    protocol: Protocol, recorder: Recorder, table: SlotTable, parts: Split, seed: int
) -> tuple[dict[str, Score], dict[str, float]]:
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
    output, tested = protocol.network.output, table.stage == "test"
    test_labels = parts.test.labels
    counts = {name: each[tested] for name, each in recorder.counts.items()}
    found: dict[str, Score] = {}
    few: dict[str, float] = {}
    if output:
        correct = decisions(counts[output]) == test_labels
        spread = interval(correct, protocol.readout.resamples, stream(seed, "bootstrap"))
        found["network"] = Score(float(correct.mean()), spread, correct, 0)
    sets: dict[str, tuple[Readout, np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = {}
    for readout in protocol.readouts:
        name = readout.population if output and readout is protocol.readout else readout.name
        rng = stream(seed, "fit", readout.name)
        x, labels = samples_to_fit(readout, recorder.counts, table, recorder.ran, parts, rng)
        sets[name] = readout, x, labels, *samples_to_score(readout, counts, test_labels)
    if len(parts.readout.labels):
        pixels = [protocol.encoder.pixels(part.images) for part in (parts.readout, parts.test)]
        plainly = replace(protocol.readout, classifier="logistic")
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
    stages: list[dict[str, np.ndarray]], protocol: Protocol, parts: Split
) -> dict[str, np.ndarray]:
    """Score every task after every task.

    Parameters
    ----------
    stages : list of dict of str to ndarray
        After each task, spike counts of all readout and test images: ``fit/POPULATION`` and
        ``test/POPULATION``, shape (n_samples, n_neurons).
    protocol : Protocol
        Its tasks and readout.
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
    tasks, readout, n = protocol.tasks, protocol.readout, len(stages)
    fit_task, test_task = tasks.of(parts.readout.labels), tasks.of(parts.test.labels)
    fit, test = f"fit/{readout.population}", f"test/{readout.population}"
    kinds = ["refitted", "fixed"]
    output = protocol.network.output
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
        found[f"tasks_{name}_accuracy"] = _known(average_accuracy(R))
        found[f"tasks_{name}_backward_transfer"] = _known(backward_transfer(R))
        found[f"tasks_{name}_forgetting"] = _known(forgetting(R))
    return found

"""From what a run recorded to its metrics."""

from __future__ import annotations

import numpy as np

from .datasets import Split
from .metrics import (
    WEIGHT_STATISTICS,
    dead_fraction,
    growth_slope,
    mean_rate,
    saturation,
    silent_fraction,
    weight_entropy,
)
from .protocol import Protocol
from .readout import Score, classify, fit_score
from .recorder import Recorder
from .responses import (
    adjusted_selectivity,
    class_selectivity,
    effective_rank,
    mean_known,
    participation_ratio,
    phi,
)
from .schedule import SlotTable
from .state import State, stream


def weight_metrics(protocol: Protocol, recorder: Recorder, state: State) -> dict:
    """Measure the weights of each projection and of all plastic projections together."""
    metrics: dict[str, float | None] = {}
    for p in protocol.network.projections:
        w = state.weights(p.name)
        metrics[f"saturated_{p.name}"] = saturation(w, p.w_max)
        metrics[f"largest_{p.name}"] = float(w.max())
        metrics[f"growth_{p.name}"] = _ratio(w.sum(), _initial_sum(recorder, p.name))
        metrics[f"entropy_{p.name}"] = weight_entropy(w, p.w_min, p.w_max)
    plastic = [p for p in protocol.network.projections if p.rules]
    if plastic:
        w = np.concatenate([state.weights(p.name) for p in plastic])
        sizes = [len(state.weights(p.name)) for p in plastic]
        low = np.repeat([p.w_min for p in plastic], sizes)
        high = np.repeat([p.w_max for p in plastic], sizes)
        metrics["saturated"] = saturation(w / high, 1.0)
        metrics["largest_weight"] = float(w.max())
        metrics["growth"] = _ratio(w.sum(), sum(_initial_sum(recorder, p.name) for p in plastic))
        metrics["weight_entropy"] = weight_entropy(w, low, high)
        column = WEIGHT_STATISTICS.index("sum")
        times = np.array(recorder.stat_steps) * float(protocol.network.dt)
        taken = [np.array(recorder.stats[p.name][: len(times)]) for p in plastic]
        sums = np.sum([each[:, column] for each in taken], axis=0)
        slope, error = growth_slope(times, sums)
        metrics["growth_per_s"], metrics["growth_per_s_error"] = _known(slope), _known(error)
    return metrics


def _initial_sum(recorder: Recorder, projection: str) -> float:
    return float(recorder.snapshots[f"initial/{projection}"].sum())


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
    for population, totals in recorder.totals.items():
        size = protocol.network.population(population).size
        for label, mask in where.items():
            rate = mean_rate(totals[mask, None] / size, seconds[mask])
            metrics[f"rate_{label}_{population}_hz"] = None if np.isnan(rate) else rate
    name = protocol.readout.population
    tested = recorder.counts[name][where["test"]]
    metrics[f"silent_{name}"] = silent_fraction(tested) if len(tested) else None
    metrics["sleep_s"] = float(seconds[where["sleep"]].sum())
    metrics["wake_s"] = float(seconds[where["wake"]].sum())
    return metrics


def response_metrics(
    protocol: Protocol, recorder: Recorder, table: SlotTable, parts: Split, seed: int
) -> dict[str, float | None]:
    """Measure the test responses of the readout population.

    Returns
    -------
    dict
        Dimension (corrected for few samples, and the plug-in estimate), mean selectivity (as
        defined, and adjusted for chance), phi, and neurons above 1 Hz in no sample (``dead``).
        None where something is not defined.
    """
    name, tested = protocol.readout.population, table.stage == "test"
    counts, labels = recorder.counts[name][tested], parts.test.labels
    seconds = recorder.ran[tested] * float(protocol.network.dt)
    rng = stream(seed, "shuffles")
    found = {
        "participation_ratio": participation_ratio(counts),
        "participation_ratio_plugin": participation_ratio(counts, corrected=False),
        "effective_rank": effective_rank(counts),
        "effective_rank_plugin": effective_rank(counts, corrected=False),
        "selectivity": mean_known(class_selectivity(counts, labels)),
        "selectivity_adjusted": mean_known(adjusted_selectivity(counts, labels, rng)),
        "phi": phi(counts, labels),
        "dead": dead_fraction(counts, seconds),
    }
    return {f"{key}_{name}": _known(value) for key, value in found.items()}


def scores(
    protocol: Protocol, recorder: Recorder, table: SlotTable, parts: Split, seed: int
) -> tuple[dict[str, Score], dict[str, float]]:
    """Score the readout of the responses, and of the raw pixels at the same fit size.

    Returns
    -------
    scores : dict of str to Score
        ``"network"`` and ``"pixels"``, fitted on all samples of the readout stage.
    few : dict of str to float
        ``"network_accuracy_50"``: mean accuracy over random subsets of 50 labels, the same
        subsets for both, for every number in ``readout.label_counts``.
    """
    counts, readout = recorder.counts[protocol.readout.population], protocol.readout
    features = {
        "network": (counts[table.stage == "readout"], counts[table.stage == "test"]),
        "pixels": (
            protocol.encoder.pixels(parts.readout.images),
            protocol.encoder.pixels(parts.test.images),
        ),
    }
    fit_labels, test_labels = parts.readout.labels, parts.test.labels
    found, few = {}, {}
    for name, (fit, test) in features.items():
        rng = stream(seed, "bootstrap")
        found[name] = fit_score(fit, fit_labels, test, test_labels, readout, rng)
        for n in readout.label_counts:
            accuracies = []
            for draw in range(readout.label_draws):
                chosen = stream(seed, "labels", n, draw).permutation(len(fit))[:n]
                correct, _ = classify(fit[chosen], fit_labels[chosen], test, test_labels, readout)
                accuracies.append(correct.mean())
            few[f"{name}_accuracy_{n}"] = float(np.mean(accuracies))
    return found, few

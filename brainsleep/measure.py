"""From what a run recorded to its metrics."""

from __future__ import annotations

import numpy as np

from .datasets import Split
from .metrics import mean_rate, saturation, silent_fraction
from .protocol import Protocol
from .readout import Score, fit_score
from .recorder import Recorder
from .schedule import SlotTable
from .state import State, stream


def weight_metrics(protocol: Protocol, recorder: Recorder, state: State) -> dict:
    """Measure the weights of each projection and of all plastic projections together."""
    metrics, plastic, bounds, before = {}, [], [], 0.0
    for p in protocol.network.projections:
        w = state.weights(p.name)
        first = recorder.snapshots[f"initial/{p.name}"]
        metrics[f"saturated_{p.name}"] = saturation(w, p.w_max)
        metrics[f"largest_{p.name}"] = float(w.max())
        metrics[f"growth_{p.name}"] = _ratio(w.sum(), first.sum())
        if p.rules:
            plastic.append(w)
            bounds.append(np.full(len(w), p.w_max))
            before += float(first.sum())
    if plastic:
        w = np.concatenate(plastic)
        metrics["saturated"] = saturation(w / np.concatenate(bounds), 1.0)
        metrics["largest_weight"] = float(w.max())
        metrics["growth"] = _ratio(w.sum(), before)
    return metrics


def _ratio(after: float, before: float) -> float | None:
    return float(after / before) if before > 0 else None


def rate_metrics(protocol: Protocol, recorder: Recorder, table: SlotTable) -> dict:
    """Measure mean rates in wake, sleep and test, silent neurons, and time spent."""
    seconds = recorder.ran * float(protocol.network.dt)
    where = {
        "wake": table.phase == "wake",
        "sleep": table.phase == "sleep",
        "test": table.stage == "test",
    }
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


def scores(
    protocol: Protocol, recorder: Recorder, table: SlotTable, parts: Split, seed: int
) -> dict[str, Score]:
    """Score the readout of the responses, and of the raw pixels at the same fit size."""
    counts = recorder.counts[protocol.readout.population]
    features = {
        "network": (counts[table.stage == "readout"], counts[table.stage == "test"]),
        "pixels": (
            protocol.encoder.pixels(parts.readout.images),
            protocol.encoder.pixels(parts.test.images),
        ),
    }
    return {
        name: fit_score(
            fit,
            parts.readout.labels,
            test,
            parts.test.labels,
            protocol.readout,
            stream(seed, "bootstrap"),
        )
        for name, (fit, test) in features.items()
    }

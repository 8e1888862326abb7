"""What is seen of spikes: rates of populations by phase, and how long phases were."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...analysis.metrics import mean_rate
from ...analysis.spikes import dominant_frequency, interval_variation
from ...experiment.observer import Metric, Observer, Seen
from .weights import defined


class Rates(Observer):
    """Mean rates in wake, sleep, its stages and test, and time spent awake and asleep."""

    name = "rates"
    metrics = (
        Metric(
            "rates",
            r"rate_(?P<phase>wake|sleep|test)_(?P<where>\w+)_hz",
            "Hz",
            "mean firing rate a neuron in {phase}{stage}",
        ),
        Metric("time", "sleep_s", "s", "biological time asleep"),
        Metric("time", "wake_s", "s", "biological time awake"),
    )

    def measure(self, seen: Seen) -> dict[str, Any]:
        """Measure rates and times from what was recorded in every slot."""
        table, recorder = seen.table, seen.recorder
        seconds = recorder.ran * seen.dt
        where = {
            "wake": table.phase == "wake",
            "sleep": table.phase == "sleep",
            "test": table.part == "test",
        }
        for stage in seen.protocol.schedule.stage_names:
            where[f"sleep_{stage}"] = table.sleep_stage == stage
        rates: dict[str, float | None] = {}
        together = np.maximum(table.n_images, 1)  # a batch has the spikes of all its images
        for population, totals in recorder.totals.items():
            size = seen.protocol.network.population(population).size * together
            for label, slots in where.items():
                rate = mean_rate((totals / size)[slots, None], seconds[slots])
                rates[f"rate_{label}_{population}_hz"] = defined(rate)
        return rates | {f"{k}_s": float(seconds[where[k]].sum()) for k in ("sleep", "wake")}


@dataclass(frozen=True)
class Firing(Observer):
    """How the populations fire where single spikes are recorded: rate, irregularity, oscillation.

    It measures the slots of `Record.raster`, so that what comes before them does not count.
    """

    name = "firing"
    metrics = (
        Metric("observed", r"firing_rate_(?P<where>\w+)_hz", "Hz", "mean rate a neuron"),
        Metric("observed", r"firing_median_(?P<where>\w+)_hz", "Hz", "median rate of the neurons"),
        Metric(
            "observed",
            r"firing_cv_(?P<where>\w+)",
            "1",
            "coefficient of variation of intervals, mean over neurons with three or more spikes",
        ),
        Metric(
            "observed",
            r"firing_frequency_(?P<where>\w+)_hz",
            "Hz",
            "frequency above 5 Hz at which the population oscillates most",
        ),
    )

    def measure(self, seen: Seen) -> dict[str, Any]:
        """Measure the spikes that were recorded."""
        first, last = seen.protocol.record.raster or (0, 0)
        seconds = float(seen.recorder.ran[first:last].sum() * seen.dt)
        if not seconds:
            return {}
        begin, found = seen.recorder.steps_before(first), dict[str, Any]()
        arrays = seen.recorder.arrays()
        for name in seen.recorder.counts:
            steps, neurons = arrays[f"spikes/{name}"].T
            times = (steps - begin) * seen.dt
            counts = np.bincount(neurons, minlength=seen.protocol.network.population(name).size)
            variation = interval_variation(times, neurons)
            found |= {
                f"firing_rate_{name}_hz": counts.mean() / seconds,
                f"firing_median_{name}_hz": float(np.median(counts)) / seconds,
                f"firing_cv_{name}": defined(variation.mean() if len(variation) else np.nan),
                f"firing_frequency_{name}_hz": defined(dominant_frequency(times, seconds)),
            }
        return found

"""What is seen of spikes: rates of populations by phase, and how long phases were."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...analysis.metrics import mean_rate
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

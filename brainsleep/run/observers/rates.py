"""What is seen of spikes: rates of populations by phase, and how long phases were."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...analysis.metrics import mean_rate
from ...analysis.spikes import dominant_frequency, interval_variation, up_states
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


@dataclass(frozen=True)
class UpStates(Observer):
    """Up and down states of a population asleep, whose single spikes are recorded.

    A population is up where its neurons fire at `threshold_hz` on average, in bins of 10 ms, for 50
    ms or more (`brainsleep.analysis.spikes.up_states`). Slow oscillations have a frequency
    of less than about 1 Hz (Steriade et al. 1993, doi:10.1523/JNEUROSCI.13-08-03252.1993).
    """

    population: str = "e"
    threshold_hz: float = 1.0
    name = "up_states"
    metrics = (
        Metric("observed", "up_states", "1", "number of up states asleep"),
        Metric("observed", "up_states_hz", "Hz", "up states a second of sleep"),
        Metric("observed", "up_states_(?P<part>first|last)_hz", "Hz", "the same, a half of sleep"),
        Metric("observed", "up_state_s", "s", "mean duration of up states"),
        Metric("observed", "down_state_s", "s", "mean duration of down states between them"),
        Metric("observed", "up_state_rate_hz", "Hz", "mean rate a neuron in up states"),
        Metric("observed", "down_state_rate_hz", "Hz", "mean rate a neuron asleep otherwise"),
        Metric("observed", "up_state_cv", "1", "variation of the times between beginnings"),
    )

    def measure(self, seen: Seen) -> dict[str, Any]:
        """Measure the spikes of all sleeps, one after the other."""
        recorded = seen.recorder.arrays().get(f"spikes/{self.population}")
        asleep = np.flatnonzero(seen.table.phase == "sleep")
        if recorded is None or not len(asleep):
            return {}
        size, steps = seen.protocol.network.population(self.population).size, recorded[:, 0]
        found, before, total = _Found(), 0.0, 0
        for slots in np.split(asleep, np.flatnonzero(np.diff(asleep) > 1) + 1):
            first, last = (seen.recorder.steps_before(slot) for slot in (slots[0], slots[-1] + 1))
            inside = steps[np.searchsorted(steps, first) : np.searchsorted(steps, last)] - first
            states = up_states(inside * seen.dt, (last - first) * seen.dt, size, self.threshold_hz)
            found.add(states, before, np.searchsorted(inside, np.round(states / seen.dt)))
            total += len(inside)
            before += (last - first) * seen.dt
        return found.metrics(before, total, size)


class _Found:
    """Up states of several sleeps."""

    def __init__(self) -> None:
        self.begins, self.up, self.down, self.cycles = [], [], [], []
        self.spikes = 0

    def add(self, states: np.ndarray, before: float, edges: np.ndarray) -> None:
        """Take those of a sleep, what was slept `before`, and which spikes are within them."""
        self.begins += [before + begin for begin in states[:, 0]]
        self.up += [end - begin for begin, end in states]
        self.down += [*(states[1:, 0] - states[:-1, 1])]
        self.cycles += [*np.diff(states[:, 0])]
        self.spikes += int((edges[:, 1] - edges[:, 0]).sum())

    def metrics(self, seconds: float, spikes: int, size: int) -> dict[str, Any]:
        """Measure them, and the spikes of all sleeps together."""
        early = sum(begin < seconds / 2 for begin in self.begins)
        up, cycles = sum(self.up), np.array(self.cycles)
        varies = cycles.std() / cycles.mean() if len(cycles) > 1 else np.nan
        return {
            "up_states": len(self.begins),
            "up_states_hz": len(self.begins) / seconds,
            "up_states_first_hz": early / (seconds / 2),
            "up_states_last_hz": (len(self.begins) - early) / (seconds / 2),
            "up_state_s": defined(up / len(self.up) if self.up else np.nan),
            "down_state_s": defined(np.mean(self.down) if self.down else np.nan),
            "up_state_rate_hz": defined(self.spikes / up / size if self.up else np.nan),
            "down_state_rate_hz": (spikes - self.spikes) / (seconds - up) / size,
            "up_state_cv": defined(varies),
        }

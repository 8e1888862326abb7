"""What is seen of spikes: rates of populations by phase, and how long phases were."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ...analysis.metrics import mean_rate
from ...analysis.spikes import dominant_frequency, interval_variation, up_states
from ...errors import ProtocolError, explain
from ...experiment.observer import Metric, Observer, Seen
from .weights import defined

if TYPE_CHECKING:
    from ...experiment.record import Record


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
    """Up and down states asleep, of the populations whose single spikes are recorded throughout.

    A population is up where its neurons fire at `threshold_hz` on average, in bins of 10 ms, for 50
    ms or more (`brainsleep.analysis.spikes.up_states`). Slow oscillations have a frequency
    of less than about 1 Hz (Steriade et al. 1993, doi:10.1523/JNEUROSCI.13-08-03252.1993).
    """

    threshold_hz: float = 1.0
    name = "up_states"
    metrics = (
        Metric("observed", r"up_number_(?P<where>\w+)", "1", "number of up states asleep"),
        Metric("observed", r"up_frequency_(?P<where>\w+)_hz", "Hz", "up states a second of sleep"),
        Metric("observed", r"up_early_(?P<where>\w+)_hz", "Hz", "the same, first half of sleep"),
        Metric("observed", r"up_late_(?P<where>\w+)_hz", "Hz", "the same, second half"),
        Metric("observed", r"up_duration_(?P<where>\w+)_s", "s", "mean duration of up states"),
        Metric("observed", r"down_duration_(?P<where>\w+)_s", "s", "mean time between two"),
        Metric("observed", r"up_rate_(?P<where>\w+)_hz", "Hz", "mean rate a neuron in up states"),
        Metric("observed", r"down_rate_(?P<where>\w+)_hz", "Hz", "mean rate asleep otherwise"),
        Metric(
            "observed",
            r"up_variation_(?P<where>\w+)",
            "1",
            "coefficient of variation of times from one up state to the next",
        ),
    )

    def check(self, record: Record) -> None:
        """Raise `ProtocolError` if spikes are not recorded, or not throughout."""
        if not record.spikes or record.windows:
            got = "single spikes within windows" if record.spikes else "no single spikes"
            fix = 'name populations in record.spikes, as in spikes=("e",), and no windows'
            raise ProtocolError(explain("up_states: record", got, "those of all sleeps", fix))

    def measure(self, seen: Seen) -> dict[str, Any]:
        """Measure the spikes of all sleeps, one after the other."""
        edges = np.diff(seen.table.phase == "sleep", prepend=False, append=False)
        borders = [seen.recorder.steps_before(slot) for slot in np.flatnonzero(edges).tolist()]
        sleeps = [(a, b) for a, b in zip(borders[::2], borders[1::2], strict=True) if b > a]
        if not sleeps:
            return {}
        arrays, metrics = seen.recorder.arrays(), dict[str, Any]()
        for name in seen.protocol.record.spikes:
            size = seen.protocol.network.population(name).size
            steps, found = arrays[f"spikes/{name}"][:, 0], _Found()
            for first, last in sleeps:
                inside = steps[np.searchsorted(steps, first) : np.searchsorted(steps, last)] - first
                seconds = (last - first) * seen.dt
                states = up_states(inside * seen.dt, seconds, size, self.threshold_hz)
                found.add(states, seconds, inside, seen.dt)
            metrics |= {key.format(name): value for key, value in found.metrics(size).items()}
        return metrics


@dataclass
class _Found:
    """Up states of several sleeps: when they begin, and how long is what, in s."""

    begins: list[float] = field(default_factory=list)
    up: list[float] = field(default_factory=list)
    down: list[float] = field(default_factory=list)
    cycles: list[float] = field(default_factory=list)
    slept: float = 0.0
    spikes: int = 0
    spikes_up: int = 0

    def add(self, states: np.ndarray, seconds: float, steps: np.ndarray, dt: float) -> None:
        """Take the up states of a sleep, and the steps of its spikes."""
        within = np.searchsorted(steps, np.round(states / dt))
        self.begins += [self.slept + begin for begin in states[:, 0]]
        self.up += [*(states[:, 1] - states[:, 0])]
        self.down += [*(states[1:, 0] - states[:-1, 1])]
        self.cycles += [*np.diff(states[:, 0])]
        self.slept += seconds
        self.spikes += len(steps)
        self.spikes_up += int((within[:, 1] - within[:, 0]).sum())

    def metrics(self, size: int) -> dict[str, Any]:
        """Measure them, of a population of some size."""
        number, half, up = len(self.begins), self.slept / 2, float(sum(self.up))
        early, cycles = sum(begin < half for begin in self.begins), np.array(self.cycles)
        return {
            "up_number_{}": number,
            "up_frequency_{}_hz": number / self.slept,
            "up_early_{}_hz": early / half,
            "up_late_{}_hz": (number - early) / half,
            "up_duration_{}_s": up / number if number else None,
            "down_duration_{}_s": float(np.mean(self.down)) if self.down else None,
            "up_rate_{}_hz": self.spikes_up / up / size if up else None,
            "down_rate_{}_hz": (self.spikes - self.spikes_up) / (self.slept - up) / size,
            "up_variation_{}": cycles.std() / cycles.mean() if len(cycles) > 1 else None,
        }

"""Population bursts of a network with short-term plasticity (Tsodyks, Uziel & Markram 2000).

Twenty seconds, of which the first 0.9 s do not count. A burst is where more than a quarter of all
neurons spike within 5 ms.
"""

from dataclasses import dataclass

import numpy as np
from brian2 import second

from brainsleep import Condition, Metric, Observer, Protocol, Record, Timeline, awake
from brainsleep.models.tsodyks_uziel import ALIKE, BURSTS


@dataclass(frozen=True)
class Bursts(Observer):
    """How often a quarter of all neurons spike within 5 ms, after the first 0.9 s."""

    name = "bursts"
    metrics = (
        Metric("observed", "bursts_per_s", "Hz", "population bursts a second"),
        Metric("observed", "bursts_rate_hz", "Hz", "mean rate of all neurons"),
        Metric("observed", "bursts_peak", "fraction", "of neurons in the fullest ms of a burst"),
    )

    def measure(self, seen):
        """Count the spikes of all neurons in windows of 5 ms."""
        steps = round(seen.recorder.ran.sum())
        arrays, begin = seen.recorder.arrays(), round(0.9 / seen.dt)
        size = sum(p.size for p in seen.protocol.network.populations)
        times = np.concatenate([arrays[f"spikes/{name}"][:, 0] for name in "ei"])
        counts = np.bincount(times, minlength=steps)[begin:] / size
        full = np.convolve(counts, np.ones(round(5e-3 / seen.dt)), "same") > 0.25
        onsets = np.flatnonzero(np.diff(full.astype(int), prepend=0) == 1)
        onsets = onsets[np.diff(onsets, prepend=-1000) > round(0.05 / seen.dt)]
        peaks = [counts[k : k + round(0.02 / seen.dt)].max() for k in onsets]
        seconds = (steps - begin) * seen.dt
        return {
            "bursts_per_s": len(onsets) / seconds,
            "bursts_rate_hz": float(counts.sum() / seconds),
            "bursts_peak": float(np.mean(peaks)) if peaks else None,
        }


PROTOCOL = Protocol(
    name="tsodyks_uziel",
    description="Tsodyks, Uziel & Markram 2000: population bursts with short-term plasticity",
    network=BURSTS,
    schedule=Timeline(periods=(awake(20 * second),)),
    record=Record(spikes=("e", "i"), observers=(Bursts(),)),
    references=("doi:10.1523/JNEUROSCI.20-01-j0003.2000",),
)

FIGURE = "sleep_rates"

CONDITIONS = (
    Condition(name="currents in 1 mV"),
    Condition(name="currents in 0.05 mV", changes={"network": ALIKE}),
)

"""A detector of rates that is too slow makes them unstable (Zenke, Hennequin & Gerstner 2013).

The triplet rule with a sliding target, with detectors of 0.5, 0.8, 1.2 and 2 times the critical
time constant: neurons of the mean field, for which that is 89 s; and ten each that spike at random,
with a tenth of the published learning rate, for which it is 893 s. Rates begin 1 % and 10 % above
the target of 3 Hz, and 10 000 s later they are there, or swing. This is the paper's theory, not its
network of 25 000 neurons. Detectors are recorded::

    brainsleep figure traces results/ID --out detectors.png
"""

from dataclasses import dataclass

import numpy as np
from brian2 import Hz, second

from brainsleep import Alarms, Condition, Metric, Observer, Protocol, Record, Timeline, awake
from brainsleep.models.zenke import critical, detectors

#: Time constants of the detectors, over the critical one.
RATIOS = (0.5, 0.8, 1.2, 2.0)


@dataclass(frozen=True)
class Swings(Observer):
    """How far rates are from their target in the last 5000 s, by the time constant."""

    name = "swings"
    metrics = (
        Metric("observed", "critical_s", "s", "critical time constant of spiking neurons"),
        Metric("observed", r"mean_field_\d+_hz", "Hz", "largest distance of the rate, mean field"),
        Metric("observed", r"swings_\d+_hz", "Hz", "the same of the mean of spiking neurons"),
        Metric("observed", r"swings_mean_\d+_hz", "Hz", "mean rate of spiking neurons then"),
    )

    def slots(self, table):
        """Look at every slot."""
        return range(len(table) + 1)

    def look(self, view):
        """Take rates: of spiking neurons, the mean weight times the gain."""
        w = view.state.weights("weights")
        means = np.bincount(view.state.synapses["weights"][1], w) / np.bincount(
            view.state.synapses["weights"][1]
        )
        return {"e": 100 * means, "mean_field": 100 * view.state.arrays["mean_field.weight"]}

    def measure(self, seen):
        """Give the largest distances from 3 Hz."""
        times = seen.times_s("swings")
        late = times > times[-1] - 5000
        spiking, field = (seen.series("swings", name)[late] for name in ("e", "mean_field"))
        spiking = spiking.reshape(len(spiking), field.shape[1], -1).mean(axis=2)
        rule = seen.protocol.network.projection("weights").rules[0]
        metrics = {"critical_s": float(critical(rule))}
        for k, ratio in enumerate(RATIOS):
            percent = round(100 * ratio)
            metrics[f"mean_field_{percent}_hz"] = float(np.abs(field[:, k] - 3).max())
            metrics[f"swings_{percent}_hz"] = float(np.abs(spiking[:, k] - 3).max())
            metrics[f"swings_mean_{percent}_hz"] = float(spiking[:, k].mean())
        return metrics


PROTOCOL = Protocol(
    name="zenke",
    description="Zenke et al. 2013, mean field: homeostasis must be faster than a critical time",
    network=detectors(RATIOS),
    schedule=Timeline(periods=(awake(10_000 * second, rate=3 * Hz),), slot=10 * second),
    record=Record(
        observers=(Swings(),),
        weights_every=50,
        states={"mean_field.nu": "all", "e.nu": (0, 10, 20, 30)},
        every=10 * second,
        alarms=Alarms(saturation=1.0),
    ),
    references=("doi:10.1371/journal.pcbi.1003330",),
)

FIGURE = "sleep_rates"

CONDITIONS = (
    Condition(name="a tenth of the learning rate"),
    Condition(
        name="published learning rate",
        changes={"network": detectors(RATIOS, lr=1.0)},
    ),
)

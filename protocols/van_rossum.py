"""Rates that oscillate to their goal (van Rossum, Bi & Turrigiano 2000): scaling by itself.

Neurons whose rate is in proportion to a weight, which begins 1 % too strong, for 10 000 s. Their
goals are 20 and 10 Hz; the third scales too little by what its rate lacks now (`beta`), and its
oscillations grow. The fourth has twice the `beta` that it needs. Their sensors are recorded::

    brainsleep figure traces results/ID --out sensors.png
"""

from dataclasses import dataclass

import numpy as np
from brian2 import Hz, second
from scipy.optimize import curve_fit

from brainsleep import Condition, Metric, Observer, Protocol, Record, Timeline, awake
from brainsleep.models.van_rossum import scaled, scaling_modes

#: Goal in Hz, and `beta` in 1/(s Hz), of each neuron.
NEURONS = ((20, 4e-5), (10, 4e-5), (20, 5e-6), (20, 2e-5))


def oscillation(times, deviations, begin: float = 1000.0):
    """Fit a damped oscillation to what there is after `begin`; return period and decay in s.

    The decay is negative of an oscillation that grows. Both are nan where there is none.
    """
    late = times >= begin
    t, y = times[late] - begin, deviations[late]

    def damped(t, cosine, sine, frequency, rate):
        turn = 2 * np.pi * frequency * t
        return np.exp(-rate * t) * (cosine * np.cos(turn) + sine * np.sin(turn))

    spectrum = np.abs(np.fft.rfft(y - y.mean(), 8 * len(y)))
    first = np.fft.rfftfreq(8 * len(y), t[1] - t[0])[spectrum.argmax()]
    try:
        fitted, _ = curve_fit(damped, t, y, (y[0], 0.0, first, 1e-4), maxfev=20_000)
    except RuntimeError:
        return np.nan, np.nan
    return 1 / abs(fitted[2]), 1 / fitted[3]


@dataclass(frozen=True)
class Oscillation(Observer):
    """Period and decay of the weight of each neuron, and those of the closed form."""

    every: int = 2
    name = "oscillation"
    metrics = (
        Metric("observed", r"oscillation_period_\d+_s", "s", "period of the rate of a neuron"),
        Metric("observed", r"oscillation_decay_\d+_s", "s", "of its envelope; negative: it grows"),
        Metric("observed", r"closed_(?:period|decay)_\d+_s", "s", "the same by the closed form"),
    )

    def slots(self, table):
        """Look every two slots."""
        return range(0, len(table) + 1, self.every)

    def look(self, view):
        """Take the weights."""
        return {"w": view.state.weights("weights")}

    def measure(self, seen):
        """Fit an oscillation to the logarithm of each weight, around that of its goal."""
        network = seen.protocol.network
        process = network.projection("weights").processes[0].parameters
        tau = network.population("e").model.parameters["tau_a"]
        times, w = seen.times_s("oscillation"), seen.series("oscillation", "w")
        metrics = {}
        for k, (goal, beta) in enumerate(NEURONS):
            found = oscillation(times, np.log(w[:, k] / (10 * goal)))
            mode = scaling_modes(goal * Hz, beta / second / Hz, process["gamma"], tau)[0]
            closed = 2 * np.pi / mode.imag if mode.imag else np.nan, -1 / mode.real
            for name, (period, decay) in (("oscillation", found), ("closed", closed)):
                metrics |= {f"{name}_period_{k}_s": period, f"{name}_decay_{k}_s": decay}
        return {k: float(v) if np.isfinite(v) else None for k, v in metrics.items()}


PROTOCOL = Protocol(
    name="van_rossum",
    description="van Rossum et al. 2000: scaling of synapses by a slow sensor of the rate",
    network=scaled(*zip(*NEURONS, strict=True)),
    schedule=Timeline(periods=(awake(10_000 * second, rate_scaling=1),), slot=10 * second),
    record=Record(
        observers=(Oscillation(),),
        weights_every=50,
        states={"e.a": (0, 2, 3)},
        every=10 * second,
    ),
    references=("doi:10.1523/JNEUROSCI.20-23-08812.2000",),
)

FIGURE = "weights"

CONDITIONS = (
    Condition(name="as published"),
    Condition(
        name="less of the integral",
        changes={"network.projections.weights.processes.rate_scaling.gamma": 2e-8 / second**2 / Hz},
    ),
)

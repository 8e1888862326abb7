"""A synapse that is rewarded seconds late becomes the strongest one (Izhikevich 2007, figure 1).

Five minutes, in which rates settle and weights begin to fall. As published, it takes an hour of
biological time until the rewarded synapse, which began at 0, has been at its maximum of 4::

    brainsleep run distal_reward:FULL
"""

from dataclasses import dataclass

import numpy as np
from brian2 import second

from brainsleep import Alarms, Condition, Metric, Observer, Protocol, Record, Timeline, awake
from brainsleep.models.distal_reward import DISTAL_REWARD


@dataclass(frozen=True)
class Rewarded(Observer):
    """The rewarded synapse and all others, ten seconds after each other; rewards."""

    every: int = 10
    name = "rewarded"
    metrics = (
        Metric("observed", "rewarded_weight", "1", "weight of the rewarded synapse at the end"),
        Metric("observed", "rewarded_others", "1", "mean weight of excitatory synapses at the end"),
        Metric("observed", "rewarded_strong", "fraction", "of excitatory weights above 3"),
        Metric("observed", "rewarded_reached_s", "s", "when the rewarded synapse came to 3.9"),
        Metric("observed", "rewards", "1", "how many rewards there were, or are due"),
    )

    def slots(self, table):
        """Look every ten slots, and at the end."""
        return sorted({*range(0, len(table), self.every), len(table)})

    def look(self, view):
        """Take weights, and how many rewards were earned."""
        w = np.concatenate([view.state.weights("ee"), view.state.weights("ei")])
        return {
            "weight": view.state.weights("n1_n2")[0],
            "others": w.mean(),
            "strong": (w > 3).mean(),
            "rewards": view.state.arrays["waiting.found"][0],
        }

    def measure(self, seen):
        """Give the values at the end, and when the synapse was strongest."""
        weight = seen.series("rewarded", "weight")
        reached = np.flatnonzero(weight > 3.9)
        return {
            "rewarded_weight": float(weight[-1]),
            "rewarded_others": float(seen.series("rewarded", "others")[-1]),
            "rewarded_strong": float(seen.series("rewarded", "strong")[-1]),
            "rewarded_reached_s": float(seen.times_s("rewarded")[reached[0]])
            if len(reached)
            else None,
            "rewards": float(seen.series("rewarded", "rewards")[-1]),
        }


def lasting(duration, name: str, description: str) -> Protocol:
    """Make the protocol of so much time."""
    return Protocol(
        name=name,
        description=f"Izhikevich 2007, {description}: rewards seconds after pairs of spikes",
        network=DISTAL_REWARD,
        schedule=Timeline(periods=(awake(duration, learn=1),)),
        record=Record(
            observers=(Rewarded(),),
            weights_every=100,
            # `waiting` is silent for long, and one synapse is meant to be at its bound
            alarms=Alarms(silence=1e5 * second, saturation=1.0),
        ),
        references=("doi:10.1093/cercor/bhl152",),
    )


PROTOCOL = lasting(300 * second, "distal_reward", "five minutes")

FULL = lasting(3600 * second, "distal_reward, as published", "an hour")

CONDITIONS = (
    Condition(name="rewarded"),
    Condition(name="never", changes={"network.projections.reward.weights": 0.0}),
)

FIGURE = "weights"

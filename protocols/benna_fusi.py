"""Memories fade slowly in synapses of many variables (Benna & Fusi 2016).

A thousand random memories, one a second, are written into 10 000 synapses of each kind: chains of
ten variables, chains of one, and synapses of two states. At the end the synapses are compared with
every memory. What is left of one by its age falls as the inverse square root in the first, and
exponentially in the others, from which all is gone after some fifty::

    brainsleep run benna_fusi
"""

import itertools
from dataclasses import dataclass

import numpy as np
from brian2 import second

from brainsleep import (
    Alarms,
    Condition,
    Metric,
    Observer,
    Protocol,
    Record,
    Timeline,
    awake,
)
from brainsleep.models.benna_fusi import BENNA_FUSI, LEAKY, TWO_STATES, chain, memories

RULES = {"chains": BENNA_FUSI, "leaky": LEAKY, "two_states": TWO_STATES}

#: Ages of memories that are looked at together, in s.
AGES = ((0, 0), (1, 1), (9, 11), (45, 55), (90, 110), (250, 350))


@dataclass(frozen=True)
class Recall(Observer):
    """What synapses have left of every memory, and what the noise of all others is."""

    name = "recall"
    metrics = (
        Metric("observed", r"left_\w+_\d+_s", "1", "what is left of memories of this age, mean"),
        Metric("observed", r"noise_\w+", "1", "variance of synapses at the end"),
        Metric("observed", "slope_chains", "1",
               "slope of what chains have left by age, from 5 to 300 s, both as logarithms"),
    )  # fmt: skip

    def slots(self, table):
        """Look at the end."""
        return (len(table),)

    def look(self, view):
        """Compare synapses with all memories, the last one first."""
        stored = 2.0 * view.recorder.counts["after"][::-1] - 1  # shape (n_memories, n_synapses)
        found = {}
        for p in view.protocol.network.projections:
            state = view.state.arrays.get(f"{p.name}.chain_u_1")
            if state is None:
                state = np.sign(view.state.arrays[f"{p.name}.w"] - 0.5)  # two states, as -1 and 1
            found |= {p.name: stored @ state / len(state), f"noise_{p.name}": state.var()}
        return found

    def measure(self, seen):
        """Give means over ages, and the slope."""
        metrics = {}
        for p in seen.protocol.network.projections:
            left = seen.series("recall", p.name)[-1]
            metrics[f"noise_{p.name}"] = float(seen.series("recall", f"noise_{p.name}")[-1])
            for first, last in AGES:
                if last < len(left):
                    age = (first + last) // 2
                    metrics[f"left_{p.name}_{age}_s"] = float(left[first : last + 1].mean())
            if p.name == "chains" and len(left) > 300:
                metrics["slope_chains"] = _slope(left)
        return metrics


def _slope(left: np.ndarray) -> float:
    """Fit a line to means over ages that are equally far apart as logarithms."""
    edges = np.unique(np.geomspace(5, 301, 9).astype(int))
    parts = [slice(*edge) for edge in itertools.pairwise(edges)]
    means = [left[part].mean() for part in parts]
    ages = [np.exp(np.log(np.arange(part.start, part.stop)).mean()) for part in parts]
    return float(np.polyfit(np.log(ages), np.log(np.maximum(means, 1e-6)), 1)[0])


def forgetting(n_memories: int = 1000, n: int = 10_000, rules=None) -> Protocol:
    """Make a protocol of so many memories in `n` synapses of each of the `rules`."""
    return Protocol(
        name="benna_fusi",
        description="Benna & Fusi 2016: what synapses of many variables have left of old memories",
        network=memories(rules or RULES, n),
        schedule=Timeline(periods=(awake(1 * second),), times=n_memories),
        record=Record(
            observers=(Recall(),),
            weights_at_phases=False,
            alarms=Alarms(saturation=1.0),  # synapses of two states are at their bounds
        ),
        references=("doi:10.1038/nn.4401",),
    )


PROTOCOL = forgetting()

#: Chains of fewer variables forget sooner.
CONDITIONS = tuple(
    Condition(
        name=f"{m} variables",
        changes={"network": forgetting(rules={"chains": chain(m)}).network},
    )
    for m in (10, 5, 3, 1)
)

FIGURE = "histograms"

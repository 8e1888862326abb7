"""Who captures proteins: weak and strong tetani of two inputs of a neuron (Frey & Morris 1997).

By the model of Luboeinski & Tetzlaff (2021). A weak tetanus is 21 spikes at 100 Hz, a strong one
three times a hundred, ten minutes apart. Each neuron has two inputs, `a` and `b`: weak alone;
strong alone; weak, and strong at the other input 30 minutes later, or before, or four hours later.
What is kept is seen after eight hours, in five neurons of each kind, which differ by noise::

    brainsleep run tagging
"""

from dataclasses import dataclass

import numpy as np
from brian2 import ms, second

from brainsleep import (
    Alarms,
    Condition,
    Metric,
    NetworkSpec,
    Observer,
    Pairs,
    Population,
    Projection,
    Protocol,
    Record,
    SpikeTrains,
    Timeline,
    awake,
)
from brainsleep.models.inputs import SPIKE_SOURCE
from brainsleep.models.tagging import DELAY, PROTEINS, TAGGED, TAGGING

WEAK = 0.01 * np.arange(21)
STRONG = (600.0 * np.arange(3)[:, None] + 0.01 * np.arange(100)).ravel()

#: Spikes of inputs a and b, in s, of each kind of neuron.
KINDS = {
    "weak": (10 + WEAK, None),
    "strong": (None, 10 + STRONG),
    "weak_then_strong": (10 + WEAK, 1810 + STRONG),
    "strong_then_weak": (3010 + WEAK, 10 + STRONG),
    "weak_long_before": (10 + WEAK, 14410 + STRONG),
}


@dataclass(frozen=True)
class Kept(Observer):
    """Weights over those at the start, and their late phases, at the end."""

    kinds: tuple[str, ...] = tuple(KINDS)
    name = "kept"
    metrics = (
        Metric(
            "observed", r"weight_\w+_(a|b)", "1", "weight of an input at the end, over that before"
        ),
        Metric("observed", r"late_\w+_(a|b)", "1", "late phase of an input at the end"),
    )

    def slots(self, table):
        """Look at the start and the end."""
        return (0, len(table))

    def look(self, view):
        """Take weights and late phases, shape (n_kinds, n_neurons, 2)."""
        shape = (len(self.kinds), -1, 2)
        names = {"w": "synapses.w", "z": "synapses.calcium_z"}
        return {k: view.state.arrays[name].reshape(shape) for k, name in names.items()}

    def measure(self, seen):
        """Give means over neurons."""
        (first, last), late = seen.series("kept", "w"), seen.series("kept", "z")[-1]
        metrics = {}
        for place, kind in enumerate(self.kinds):
            for end, name in enumerate("ab"):
                ratio = last[place, :, end] / first[place, :, end]
                metrics[f"weight_{kind}_{name}"] = float(ratio.mean())
                metrics[f"late_{kind}_{name}"] = float(late[place, :, end].mean())
        return metrics


def tetani(kinds=KINDS, n: int = 5, duration=8 * 3600 * second, rule=TAGGING) -> Protocol:
    """Make a protocol of `n` neurons of each kind, each with inputs a and b."""
    neurons = np.arange(len(kinds) * n)
    numbers, times = [], []
    for place, inputs in enumerate(kinds.values()):
        for end, train in enumerate(inputs):
            for k in range(n) if train is not None else ():
                numbers.append(np.full(len(train), 2 * (place * n + k) + end))
                times.append(train)
    numbers, times = np.concatenate(numbers), np.concatenate(times)
    network = NetworkSpec(
        name="tagging",
        populations=(
            Population(name="inputs", size=2 * len(neurons), model=SPIKE_SOURCE),
            Population(name="cells", size=len(neurons), model=PROTEINS),
        ),
        projections=(
            Projection(
                name="synapses",
                source="inputs",
                target="cells",
                synapse=TAGGED,
                connectivity=Pairs(np.arange(2 * len(neurons)), np.repeat(neurons, 2)),
                weights=float(rule.parameters["h_0"]),
                w_max=20.0,
                rules=(rule,),
                delay=DELAY,
            ),
        ),
        dt=1 * ms,
    )
    soon = times < float(duration)
    trains = {
        "inputs": SpikeTrains(numbers[soon], times[soon] * second),
        "cells": SpikeTrains([], [] * second),  # never told to spike
    }
    return Protocol(
        name="tagging",
        description="Tagging and capture: what weak and strong tetani leave for hours",
        network=network,
        schedule=Timeline(periods=(awake(duration, inputs=trains),)),
        record=Record(
            observers=(Kept(kinds=tuple(kinds)),),
            alarms=Alarms(silence=2 * duration),
        ),
        references=("doi:10.1038/s42003-021-01778-y", "doi:10.1038/385533a0"),
    )


PROTOCOL = tetani()

CONDITIONS = (
    Condition(name="all"),
    Condition(name="first hour", changes={"schedule": tetani(duration=3600 * second).schedule}),
)

FIGURE = "histograms"

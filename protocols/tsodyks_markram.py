"""Depressing and facilitating synapses under regular spikes (Tsodyks, Pawelzik & Markram 1998).

Six presynaptic neurons spike for ten seconds, each at a frequency of its own. A synapse of each
kind goes from each to a membrane, with parameters of pyramidal cells (`d`) and of those onto
interneurons (`f`). What is measured is what a spike releases at the end, as a multiple of what the
first one did: a depressing synapse passes on the changes of a rate, as from `1/(u_se*tau_rec)`, or
2.5 Hz, on it is inversely proportional to frequency; a facilitating one works best at about 20 Hz.
"""

from dataclasses import dataclass

import numpy as np
from brian2 import ms, second, volt

from brainsleep import (
    Condition,
    Metric,
    NetworkSpec,
    Observer,
    OneToOne,
    Population,
    Projection,
    Protocol,
    Record,
    SpikeTrains,
    Timeline,
    awake,
)
from brainsleep.models.inputs import SPIKE_SOURCE
from brainsleep.models.lif import LIF
from brainsleep.models.tsodyks_markram import (
    DEPRESSING,
    DEPRESSING_CURRENT,
    FACILITATING,
    FACILITATING_CURRENT,
    PASSIVE,
    PASSIVE_FACILITATED,
)

FREQUENCIES = (5, 10, 20, 50, 70, 100)  # Hz

#: Synapses by what their projections are called.
SYNAPSES = {
    "two_d": DEPRESSING,
    "two_f": FACILITATING,
    "three_d": DEPRESSING_CURRENT,
    "three_f": FACILITATING_CURRENT,
}

#: Targets of each kind: membranes of the paper's figures; two states end at neurons of the package.
TARGETS = {"d": PASSIVE, "f": PASSIVE_FACILITATED, "lif": LIF.with_parameters(v_threshold=1 * volt)}


def regular(frequencies, duration=10 * second):
    """Make spike trains of neurons that spike at `frequencies`, in Hz, from the first step on."""
    times = [np.arange(0, float(duration) - 1e-9, 1 / f) for f in frequencies]
    neurons = np.repeat(np.arange(len(times)), [len(each) for each in times])
    return SpikeTrains(neurons, np.concatenate(times) * second)


NETWORK = NetworkSpec(
    name="tsodyks_markram",
    populations=(
        Population(name="spikes", size=len(FREQUENCIES), model=SPIKE_SOURCE),
        *(Population(name=k, size=len(FREQUENCIES), model=v) for k, v in TARGETS.items()),
    ),
    projections=tuple(
        Projection(
            name=name,
            source="spikes",
            target="lif" if name.startswith("two") else name[-1],
            synapse=synapse,
            connectivity=OneToOne(),
            weights=1.0,
        )
        for name, synapse in SYNAPSES.items()
    ),
    dt=0.1 * ms,
)


@dataclass(frozen=True)
class Released(Observer):
    """What the last spike of every neuron released, over what its first did."""

    name = "released"
    metrics = (
        Metric(
            "observed",
            r"released_(?P<where>(two|three)_[df])_(?P<frequency>\d+)_hz",
            "1",
            "what a spike releases at {frequency} Hz, over what the first one did",
        ),
    )

    def slots(self, table):
        """Look at the end."""
        return (len(table),)

    def look(self, view):
        """Take what the last spikes released."""
        return {name: view.state.arrays[f"{name}.released"] for name in SYNAPSES}

    def measure(self, seen):
        """Divide it by what the first ones did."""
        return {
            f"released_{name}_{f}_hz": float(value) / float(synapse.parameters["u_se"])
            for name, synapse in SYNAPSES.items()
            for f, value in zip(FREQUENCIES, seen.series("released", name)[-1], strict=True)
        }


PROTOCOL = Protocol(
    name="tsodyks_markram",
    description="Depressing and facilitating synapses of two and three states at six frequencies",
    network=NETWORK,
    schedule=Timeline(periods=(awake(10 * second, inputs={"spikes": regular(FREQUENCIES)}),)),
    record=Record(
        states={
            "three_d.released": "all",
            "three_f.released": "all",
            "two_d.released": "all",
            "two_f.released": "all",
            "d.v": "all",
            "f.v": "all",
        },
        every=1 * ms,
        observers=(Released(),),
    ),
    references=("doi:10.1162/089976698300017502",),
)

FIGURE = "histograms"

CONDITIONS = (
    Condition(name="as published"),
    Condition(
        name="more release",
        changes={
            "network.projections.two_d.synapse.u_se": 0.6,
            "network.projections.three_d.synapse.u_se": 0.6,
        },
    ),
)

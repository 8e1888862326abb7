"""Pairings by their frequency (Clopath et al. 2010, figure 2; data of Sjostrom et al. 2001).

Bursts of five pairs of spikes, 10 ms apart, at 10 to 50 Hz, 15 times every 10 s; or 50 pairs at
0.1 Hz. The presynaptic spike is first (`before`) or last (`after`); then there is a sixth
postsynaptic one, as in the authors' program. That begins in its fourth millisecond, and so leaves
out the very first postsynaptic spike of the latter, which is in the first: it is here, and
`pairing(begin=4)` is without it.
"""

from dataclasses import dataclass

import numpy as np
from brian2 import ms, mV, second

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
    SynapseModel,
    Timeline,
    awake,
)
from brainsleep.models.clopath import CLOPATH, CLOPATH_NEURON, PULSE
from brainsleep.models.inputs import SPIKE_SOURCE

FREQUENCIES = (0.1, 10, 20, 40, 50)  # Hz

#: What is paired, in the order of neurons: frequency in Hz, and lag in ms from pre to post.
PAIRINGS = tuple((f, lag) for lag in (10, -10) for f in FREQUENCIES)


def spikes(frequency: float, lag: int) -> tuple[np.ndarray, np.ndarray]:
    """Return when the two neurons spike, in ms: that of a burst, again and again."""
    period, late = round(1000 / frequency), abs(lag)
    length = 5 * period + late + 1
    before = np.arange(late + 1, length, period)
    after = np.arange(late + lag + 1, length + 1, period)
    repeats, every = (10, length) if frequency == 0.1 else (15, 10_000)
    starts = every * np.arange(repeats)[:, None]
    return (starts + before).ravel() + 10, (starts + after).ravel() + 10


def trains(times) -> SpikeTrains:
    """Make spike trains of neurons from the times of each in ms."""
    neurons = np.repeat(np.arange(len(times)), [len(each) for each in times])
    return SpikeTrains(neurons, np.concatenate(times) * ms)


def _one_to_one(name, source, synapse, w, **more) -> Projection:
    return Projection(
        name=name,
        source=source,
        target="post",
        synapse=synapse,
        connectivity=OneToOne(),
        weights=w,
        w_max=2.0,
        **more,
    )


def network(n: int) -> NetworkSpec:
    """Make `n` pairs of neurons with a synapse, and what makes postsynaptic neurons spike."""
    return NetworkSpec(
        name="pairs",
        populations=(
            Population(name="pre", size=n, model=SPIKE_SOURCE),
            Population(name="pulses", size=n, model=SPIKE_SOURCE),
            Population(name="post", size=n, model=CLOPATH_NEURON),
        ),
        projections=(
            _one_to_one("pulse", "pulses", PULSE, 1.0),
            _one_to_one(
                "synapse", "pre", SynapseModel(name="silent", on_pre=""), 0.5, rules=(CLOPATH,)
            ),
        ),
        dt=1 * ms,
    )


@dataclass(frozen=True)
class Percent(Observer):
    """Weights at the end in per cent of those at the start."""

    name = "percent"
    metrics = (
        Metric(
            "observed",
            r"percent_(?P<order>before|after)_(?P<frequency>[\d_]+)_hz",
            "%",
            "weight after pairings at {frequency} Hz, pre {order} post, of that before",
        ),
    )

    def slots(self, table):
        """Look at the end."""
        return (len(table),)

    def look(self, view):
        """Take the weights."""
        return {"w": view.state.weights("synapse")}

    def measure(self, seen):
        """Divide them by those at the start."""
        return {
            f"percent_{'before' if lag > 0 else 'after'}_{f:g}_hz".replace(".", "_"): float(200 * w)
            for (f, lag), w in zip(PAIRINGS, seen.series("percent", "w")[-1], strict=True)
        }


def pairing(begin: int = 1) -> Protocol:
    """Make the protocol, of all spikes from the millisecond `begin` on."""
    times = [spikes(*each) for each in PAIRINGS]
    pre, post = ([each[each >= begin + 10] for each in side] for side in zip(*times, strict=True))
    # a pulse takes effect in the next step
    inputs = {"pre": trains(pre), "pulses": trains([each - 1 for each in post])}
    return Protocol(
        name="clopath",
        description="Clopath et al. 2010: pairings of spikes by their frequency and order",
        network=network(len(PAIRINGS)),
        schedule=Timeline(periods=(awake(502 * second, inputs=inputs),)),
        record=Record(observers=(Percent(),)),
        references=("doi:10.1038/nn.2479", "doi:10.1016/S0896-6273(01)00542-6"),
    )


PROTOCOL = pairing()

FIGURE = "histograms"

CONDITIONS = (
    Condition(name="as published"),
    Condition(
        name="depression alone",
        changes={"network.projections.synapse.rules.clopath.a_ltp": 0 / mV**2},
    ),
)

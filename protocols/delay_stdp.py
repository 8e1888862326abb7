"""Weights and delays after pairs of spikes at many lags, by DS-STDP (Dominijanni et al. 2025).

A hundred pairs, one a second. All spikes take 5 ms at the start, so what decides is the lag less
5 ms: spikes that arrive before the target's come sooner from then on, and the others hardly later.
"""

import numpy as np
from brian2 import ms, second

from brainsleep import (
    Condition,
    NetworkSpec,
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
from brainsleep.models.delay_stdp import DS_STDP
from brainsleep.models.inputs import SPIKE_SOURCE

LAGS = (-40, -20, -10, 0, 2, 4, 6, 8, 10, 20, 40)  # ms, from pre to post
N_PAIRS = 100

_N = len(LAGS)
_STARTS = np.repeat(np.arange(N_PAIRS) * 1000.0 + 500, _N)


def _spikes(lags: tuple[float, ...]) -> SpikeTrains:
    """Spikes of every pair, each as much later than its start as `lags` say."""
    times = _STARTS + np.tile(lags, N_PAIRS)
    return SpikeTrains(np.tile(np.arange(_N), N_PAIRS), times * ms)


NETWORK = NetworkSpec(
    name="delay_stdp",
    populations=tuple(
        Population(name=name, size=_N, model=SPIKE_SOURCE) for name in ("before", "after")
    ),
    projections=(
        Projection(
            name="synapses",
            source="before",
            target="after",
            synapse=SynapseModel(name="silent", on_pre=""),
            connectivity=OneToOne(),
            weights=0.3,
            delay=5 * ms,
            delay_max=10 * ms,
            rules=(DS_STDP,),
        ),
    ),
    dt=0.1 * ms,
)

PROTOCOL = Protocol(
    name="delay_stdp",
    description="Weights and delays after pairs of spikes at eleven lags",
    network=NETWORK,
    schedule=Timeline(
        periods=(
            awake(
                N_PAIRS * second,
                inputs={"before": _spikes((0,) * _N), "after": _spikes(LAGS)},
            ),
        ),
    ),
    record=Record(states={"synapses.spike_delay": "all", "synapses.w": "all"}, every=100 * ms),
    references=("arXiv:2506.14984",),
)

FIGURE = "traces"

CONDITIONS = (
    Condition(name="as published"),
    Condition(
        name="delays that stay",
        changes={
            "network.projections.synapses.rules.ds_stdp.shorten": 0 * ms,
            "network.projections.synapses.rules.ds_stdp.lengthen": 0 * ms,
        },
    ),
)

"""Weights after pairs of spikes at several lags, by synchrony (SSDP, Tian et al. 2025).

A hundred samples of 50 ms, with a spike of each of two neurons in all of them, or of one, or none.
"""

import numpy as np
from brian2 import ms, mV

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
from brainsleep.models.inputs import SPIKE_SOURCE
from brainsleep.models.ssdp import LIF_TIMED, SSDP

#: From the spike of the source to that of the target, in ms.
LAGS = (-3, -2, -1, 0, 1, 2, 3)
N_SAMPLES, SAMPLE = 100, 50  # ms

#: Pairs at all lags; then a source alone, a target alone, neither.
_N = len(LAGS) + 3


def _trains() -> dict[str, SpikeTrains]:
    """Spikes that make neurons spike: in the middle of a sample, and later by the lag."""
    pairs = np.arange(len(LAGS))
    spiking = {"from": (np.append(pairs, _N - 3), np.zeros(_N - 2))}
    spiking["to"] = (np.append(pairs, _N - 2), np.append(LAGS, 0))
    begin = SAMPLE * np.arange(N_SAMPLES)[:, None] + SAMPLE / 2
    return {
        name: SpikeTrains(np.tile(neurons, N_SAMPLES), (begin + late).ravel() * ms)
        for name, (neurons, late) in spiking.items()
    }


#: A spike that makes the target spike at once.
KICK = SynapseModel(
    name="kick",
    on_pre="v_post += w*v_unit",
    parameters={"v_unit": 1 * mV},  # rise of the membrane for w = 1
)


def _projection(name: str, source: str, target: str, synapse: SynapseModel, w: float, **more):
    return Projection(
        name=name,
        source=source,
        target=target,
        synapse=synapse,
        connectivity=OneToOne(),
        weights=w,
        **{"w_max": w, **more},
    )


NETWORK = NetworkSpec(
    name="ssdp",
    populations=(
        *(Population(name=name, size=_N, model=SPIKE_SOURCE) for name in ("from", "to")),
        *(Population(name=name, size=_N, model=LIF_TIMED) for name in ("before", "after")),
    ),
    projections=(
        _projection("drive_before", "from", "before", KICK, 20.0),
        _projection("drive_after", "to", "after", KICK, 20.0),
        _projection(
            "synapses",
            "before",
            "after",
            SynapseModel(name="silent", on_pre=""),
            0.5,
            w_min=-1.0,
            w_max=1.0,
            sign=None,
            processes=(SSDP,),
        ),
    ),
    dt=0.1 * ms,
)

PROTOCOL = Protocol(
    name="ssdp",
    description="Weights after samples with spikes of two neurons, at seven lags, of one and none",
    network=NETWORK,
    schedule=Timeline(
        periods=(awake(N_SAMPLES * SAMPLE * ms, inputs=_trains(), ssdp=1),),
    ),
    record=Record(states={"synapses.w": "all"}, every=SAMPLE * ms),
    references=("arXiv:2505.14841",),
)

FIGURE = "traces"

CONDITIONS = (
    Condition(name="as published"),
    Condition(
        name="no growth", changes={"network.projections.synapses.processes.ssdp.a_plus": 0.0}
    ),
)

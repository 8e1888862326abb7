"""Plasticity by the membrane potential (Clopath et al. 2010): clamped, and in bursts of pairs."""

import numpy as np
import pytest
from brian2 import ms, mV, second
from conftest import QUICK, needs_compiler

from brainsleep.experiment.inputs import SpikeTrains
from brainsleep.experiment.protocol import Protocol
from brainsleep.experiment.timeline import Timeline, awake
from brainsleep.models.clopath import CLAMPED, CLOPATH
from brainsleep.models.inputs import SPIKE_SOURCE
from brainsleep.network.spec import NetworkSpec, Population, Projection, SynapseModel
from brainsleep.network.wiring import Pairs
from brainsleep.protocols.clopath import FREQUENCIES, PROTOCOL, pairing
from brainsleep.run.simulate import simulate

#: Weights in per cent by the authors' program, in the order of `FREQUENCIES`.
PUBLISHED = {
    "before": (100.0, 102.9, 115.7, 146.3, 165.0),
    "after": (71.7, 59.6, 60.5, 117.8, 173.6),
}

#: Change of a weight by a presynaptic spike where the membrane is held at a potential in mV.
CLAMP = {-60.6: -0.00140, -45.3: -0.00354, -43.55: 0.0, -40.0: 0.00869, -20.0: 0.0953}


def percent(result, order):
    return [result.metrics[f"percent_{order}_{f:g}_hz".replace(".", "_")] for f in FREQUENCIES]


@pytest.mark.long
@needs_compiler
@pytest.mark.standalone
def test_bursts_of_pairs_as_by_the_authors_program(tmp_path):
    program = simulate(pairing(begin=4), seed=1, backend=QUICK, out=tmp_path)
    for order, published in PUBLISHED.items():
        np.testing.assert_allclose(percent(program, order), published, atol=0.051)
    assert program.arrays["counts/post"].sum(axis=0).tolist() == [50, *[75] * 4, 59, *[89] * 4]
    # with the spike that the program leaves out
    whole = simulate(PROTOCOL, seed=1, backend=QUICK, out=tmp_path)
    np.testing.assert_allclose(percent(whole, "before"), PUBLISHED["before"], atol=0.051)
    np.testing.assert_allclose(percent(whole, "after"), PUBLISHED["after"], atol=0.6)


def test_voltage_clamp(tmp_path):
    """The closed form, of which the table is: the trace of a spike sums up to 1 ms."""
    n = len(CLAMP)
    v = np.array(list(CLAMP)) * mV
    held = {name: v for name in ("v", "v_slow", "v_fast")}
    held |= {f"{k}_{i}": v for k in ("slow", "fast") for i in range(3)}
    network = NetworkSpec(
        name="clamp",
        populations=(
            Population(name="pre", size=1, model=SPIKE_SOURCE),
            Population(name="post", size=n, model=CLAMPED, values=held),
        ),
        projections=(
            Projection(
                name="synapse",
                source="pre",
                target="post",
                synapse=SynapseModel(name="silent", on_pre=""),
                connectivity=Pairs(np.zeros(n, int), np.arange(n)),
                weights=0.5,
                rules=(CLOPATH,),
            ),
        ),
        dt=1 * ms,
    )
    trains = {"pre": SpikeTrains([0], [5] * ms)}
    timeline = Timeline(periods=(awake(0.5 * second, inputs=trains),))
    protocol = Protocol(name="clamp", network=network, schedule=timeline)
    result = simulate(protocol, seed=1, backend="numpy", out=tmp_path)
    change = result.synapses("synapse").w - 0.5
    low, high = np.maximum(v / mV + 70.6, 0), np.maximum(v / mV + 45.3, 0)
    np.testing.assert_allclose(change, -14e-5 * low + 8e-5 * high * low, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(change, list(CLAMP.values()), atol=6e-5)

"""
Windows of pair rules, by simulation
====================================

What does a plasticity rule do to a pair of spikes? Input neurons that fire exactly when they are
told to, connected by synapses that carry nothing but the rule, measure it for any rule, also one
of your own.
"""

import matplotlib.pyplot as plt
import numpy as np

from brainsleep import InitialWeights, NetworkSpec, Population, Projection, SynapseModel
from brainsleep.backends.base import make_backend
from brainsleep.models.inputs import POISSON
from brainsleep.models.stdp import STDP_ALL_TO_ALL, STDP_NEAREST, STDP_RELEASED
from brainsleep.run.segment import Capacity, Segment
from brainsleep.run.state import initial_state

plt.style.use("brainsleep.figures.brainsleep")

# %%
# Neuron 0 is presynaptic to all others. A slot of the segment is a time step: with a stimulus of
# 1000 Hz a neuron fires in it for certain, with 0 Hz never.

lags = np.array([lag for lag in range(-40, 41, 2) if lag])
first = 50  # step of the presynaptic spike
spikes = np.zeros((first + 42, 1 + len(lags)))
spikes[first, 0] = 1
spikes[first + lags, 1 + np.arange(len(lags))] = 1


def window(rule):
    """Change of w by one pair, for each lag."""
    network = NetworkSpec(
        name="pairs",
        populations=(Population(name="input", size=spikes.shape[1], model=POISSON),),
        projections=(
            Projection(
                name="pairs",
                source="input",
                target="input",
                synapse=SynapseModel(name="silent", on_pre=""),
                weights=InitialWeights(low=0.5),
                rules=(rule,),
            ),
        ),
    )
    n = len(spikes)
    segment = Segment(
        steps=np.ones(n, int),
        stimulus=1000 * spikes,
        gates={"input": np.ones(n), "plasticity": np.ones(n)},
        onset=np.arange(n) == 0,
        phase=np.full(n, "wake"),
        raster=np.zeros(n, bool),
    )
    backend = make_backend("numpy", network, capacity=Capacity(slots=n, steps=n))
    state, _ = backend.advance(initial_state(network, seed=0), segment, seed=0)
    pre, post = state.synapses["pairs"]
    chosen = pre == 0
    return state.weights("pairs")[chosen][np.argsort(post[chosen])] - 0.5


# %%
# The textbook rule potentiates when the presynaptic neuron fires first. The code released with the
# paper compares times since the last spikes, one step late, and does the reverse: a lag of 0 counts
# once, a lag of one step twice.

figure, axes = plt.subplots(figsize=(5, 3))
for rule in (STDP_NEAREST, STDP_RELEASED, STDP_ALL_TO_ALL):
    axes.plot(lags, window(rule), "o-", markersize=2.5, label=rule.name)
axes.axhline(0, color="k", linewidth=0.5)
axes.set(xlabel="t_post − t_pre (ms)", ylabel="change of w")
axes.legend()
plt.show()

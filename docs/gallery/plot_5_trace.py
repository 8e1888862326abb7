"""
The trace of a neuron
=====================

A run keeps spike counts and weights. To look at a single neuron, make it a network of its own and
follow its state: here AdEx neurons of three firing patterns under a constant current.
"""

import matplotlib.pyplot as plt
import numpy as np
from brian2 import ms, second

from brainsleep import NetworkSpec, Population
from brainsleep.backends.base import make_backend
from brainsleep.models.adex import ADEX_ADAPTING, ADEX_BURSTING, ADEX_TONIC
from brainsleep.models.inputs import POISSON
from brainsleep.run.segment import Capacity, Segment
from brainsleep.run.state import initial_state

plt.style.use("brainsleep.figures.brainsleep")

# %%
# The neurons' input `i_syn` decays with `tau_syn`. An input that never decays is a constant
# current, in units of 1 nA.

patterns = {"tonic": (ADEX_TONIC, 0.5), "adapting": (ADEX_ADAPTING, 0.5)}
patterns["bursting"] = (ADEX_BURSTING, 0.21)


def single(model):
    """One neuron, beside an input population that is not connected."""
    held = model.with_parameters(tau_syn=1e12 * second)
    return NetworkSpec(
        name="single",
        populations=(
            Population(name="input", size=1, model=POISSON),
            Population(name="e", size=1, model=held),
        ),
        dt=0.1 * ms,
    )


def segment(steps):
    """One slot of wake; single spikes are recorded."""
    one = np.ones(1)
    gates = {"input": one, "plasticity": one}
    return Segment(np.array([steps]), np.zeros((1, 1)), gates, one > 0, np.array(["wake"]), one > 0)


# %%
# `advance` takes a state and gives the next: the states after segments of 2 ms, one after the
# other, are the course of the potential.

figure, panels = plt.subplots(3, 1, figsize=(7, 4), sharex=True)
for axes, (name, (model, current)) in zip(panels, patterns.items(), strict=True):
    network = single(model)
    state = initial_state(network, seed=0).updated(e__i_syn=np.array([current]))
    backend = make_backend("numpy", network, capacity=Capacity(slots=1, steps=20))
    v, spikes = [], []
    for k in range(150):
        state, recording = backend.advance(state, segment(20), seed=k)
        v.append(1e3 * state.arrays["e.v"][0])
        spikes += [2 * k + step / 10 for step in recording.spikes["e"][0]]
    axes.plot(2 * np.arange(1, 151), v)
    axes.plot(spikes, np.full(len(spikes), 5), "|", color="k")
    axes.set(ylabel="v (mV)", title=f"{name}, {1e3 * current:g} pA")
panels[-1].set_xlabel("time (ms)")
plt.show()

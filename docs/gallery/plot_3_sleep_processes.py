"""
Decay, scaling, pruning: what sleep does to weights
===================================================

A weight process acts on the weights of a projection while its gate is open, whatever the spikes.
Here are some on the same weights: two neurons, one with weak synapses and one with strong ones.
"""

import matplotlib.pyplot as plt
import numpy as np
from brian2 import ms, second

from brainsleep import (
    InitialWeights,
    NetworkSpec,
    NeuronModel,
    Population,
    Projection,
    SynapseModel,
)
from brainsleep.backends.base import make_backend
from brainsleep.models.homeostasis import PRUNING, SCALING, SUBTRACTION
from brainsleep.models.inputs import POISSON
from brainsleep.models.sleep import DECAY_NEURON, DECAY_STATIC
from brainsleep.run.segment import Capacity, Segment
from brainsleep.run.state import initial_state

plt.style.use("brainsleep.figures.brainsleep")

weak, strong = [0.02, 0.05, 0.1, 0.15], [0.1, 0.3, 0.6, 0.9]
silent = NeuronModel(name="silent", equations="s : 1")

# %%
# `advance` takes a state and gives the next, so the course of the weights is what they are after
# short segments, one after the other; only the first is the onset of the sleep. With ``sigma``
# above 0 the decay is stochastic: an Ornstein-Uhlenbeck process on ln w.


def course(*processes, length):
    """Weights at 60 times in `length`, shape (60, 8)."""
    network = NetworkSpec(
        name="weights",
        populations=(
            Population(name="input", size=4, model=POISSON),
            Population(name="e", size=2, model=silent),
        ),
        projections=(
            Projection(
                name="into_e",
                source="input",
                target="e",
                synapse=SynapseModel(name="nothing", on_pre=""),
                weights=InitialWeights(low=0.0),
                processes=processes,
            ),
        ),
        dt=length / 600,
    )
    state = initial_state(network, seed=0)
    pre, post = state.synapses["into_e"]
    state = state.updated(into_e__w=np.array([weak, strong])[post, pre])
    backend = make_backend("numpy", network, capacity=Capacity(slots=1, steps=10))
    weights = []
    for k in range(60):
        state, _ = backend.advance(state, asleep(network, onset=k == 0), seed=k)
        weights.append(state.weights("into_e"))
    return np.array(weights), post


def asleep(network, onset):
    """One slot of 10 steps with the gates of all weight processes open."""
    gates = {gate: np.array([float(gate in network.process_names)]) for gate in network.gates}
    one = np.ones(1, bool)
    phase = np.array(["sleep"])
    return Segment(np.array([10]), np.zeros((1, 4)), gates, onset & one, phase, ~one)


# %%
# Processes listed together act one after the other in every update: subtraction, and then pruning
# of what falls below a floor.

cases = {
    "decay, one target": ((DECAY_STATIC,), 100 * second),
    "decay, each neuron's mean": ((DECAY_NEURON,), 100 * second),
    "the same, stochastic": ((DECAY_NEURON.with_parameters(sigma=0.3),), 100 * second),
    "scaling": ((SCALING,), 500 * ms),
    "subtraction": ((SUBTRACTION,), 500 * ms),
    "subtraction and pruning": ((SUBTRACTION, PRUNING.with_parameters(w_floor=0.1)), 500 * ms),
}
figure, panels = plt.subplots(2, 3, figsize=(7, 4), sharey=True)
for axes, (title, (processes, length)) in zip(panels.flat, cases.items(), strict=True):
    weights, post = course(*processes, length=length)
    times = np.linspace(1 / 60, 1, 60) * float(length)
    for k, neuron in enumerate(post):
        axes.plot(times, weights[:, k], color=f"C{neuron}")
    axes.set(title=title, ylim=(0, 1))
for axes in panels[1]:
    axes.set_xlabel("time asleep (s)")
for axes in panels[:, 0]:
    axes.set_ylabel("w")
plt.show()

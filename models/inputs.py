"""Input: spikes drawn from the stimulus of a slot, spikes as told, a Poisson background."""

from brian2 import Hz, mV

from brainsleep import NeuronModel, SpontaneousActivity

#: Bernoulli spikes, one draw a step: probability rate*dt. No draw where the rate is zero.
POISSON = NeuronModel(
    name="poisson",
    equations="rate : Hz",
    on_slot="rate = input_gate*stimulus",
    threshold="rate*dt > 0 and rand() < rate*dt",
)

#: Neurons that spike exactly when they are told, by the `SpikeTrains` of a period.
SPIKE_SOURCE = NeuronModel(name="spike_source", equations="", spike_trains=True)

#: Spikes of many independent Poisson neurons onto every membrane. How many come in a time step is
#: a Poisson number, so it is the same background at any time step: weight*n_sources*rate is what
#: the membrane gains a second on average. The gate scales the rate.
POISSON_BACKGROUND = SpontaneousActivity(
    name="background",
    on_step="v += weight*poisson(background_gate*n_sources*rate*dt)",
    parameters={
        "n_sources": 1000,  # neurons of the background that a neuron listens to
        "rate": 5 * Hz,  # rate of each
        "weight": 0.1 * mV,  # what a spike of one adds to the membrane
    },
    references=("doi:10.1023/A:1008925309027",),  # external Poisson drive of a whole network
)

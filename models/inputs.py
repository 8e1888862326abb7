"""Input populations: spikes drawn from the stimulus of a slot."""

from brainsleep import NeuronModel

#: Bernoulli spikes, one draw a step: probability rate*dt. No draw where the rate is zero.
POISSON = NeuronModel(
    name="poisson",
    equations="rate : Hz",
    on_slot="rate = input_gate*stimulus",
    threshold="rate*dt > 0 and rand() < rate*dt",
)

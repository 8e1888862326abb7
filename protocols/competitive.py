"""A network where learning matters: one competitive layer, after Diehl & Cook (2015).

784 inputs (28x28 pixels, up to 128 Hz, 250 ms an image) to 200 neurons that all inhibit each other.
Pixel values are scaled to the same sum in every image, so that bright and dark data sets drive the
network alike. Such networks keep alive by scaling every neuron's summed input after every image,
which no synapse could do by itself. Here frequent short naps do it instead: with the input off,
each neuron's summed input relaxes to its baseline. Conditions: no homeostasis, the usual scaling
after every image, naps, and a network whose weights never change, with as much input as gives it
about the rate of naps.
"""

from brian2 import Hz, ms, second

from brainsleep import (
    Condition,
    Data,
    Images,
    InitialWeights,
    NetworkSpec,
    Population,
    Projection,
    Protocol,
    RateEncoder,
    Readout,
    Record,
    Schedule,
    sleep,
)
from brainsleep.models.diehl_cook import COMPETITIVE_LIF, STDP_COMPETITIVE, VOLTAGE
from brainsleep.models.homeostasis import NORMALISE, SCALING
from brainsleep.models.inputs import POISSON

N_INPUTS, N_NEURONS = 784, 200
W_MEAN = 0.1  # mean weight of a neuron's inputs: a sum of 78.4

NETWORK = NetworkSpec(
    name="competitive",
    populations=(
        Population(name="input", size=N_INPUTS, model=POISSON),
        Population(name="e", size=N_NEURONS, model=COMPETITIVE_LIF),
    ),
    projections=(
        Projection(
            name="input_e",
            source="input",
            target="e",
            synapse=VOLTAGE,
            weights=InitialWeights(low=0.0, high=0.3, incoming_sum=W_MEAN * N_INPUTS),
            w_min=0.0,
            w_max=1.0,
            rules=(STDP_COMPETITIVE,),
            processes=(
                SCALING.with_parameters(w_star=W_MEAN),
                NORMALISE.with_parameters(w_star=W_MEAN),
            ),
        ),
        Projection(
            name="inhibition",
            source="e",
            target="e",
            synapse=VOLTAGE,
            weights=InitialWeights(low=30.0),
            w_max=100.0,
            sign=-1,
        ),
    ),
)

PROTOCOL = Protocol(
    name="competitive",
    description="Competitive layer in which naps replace the normalisation after every image",
    network=NETWORK,
    task=Images(
        data=Data(source="mnist", n_train=3000, n_readout=1000, n_test=1000),
        encoder=RateEncoder(size=(28, 28), total=150.0, max_rate=128 * Hz),
        readout=Readout(label_counts=(50, 100, 300)),
    ),
    schedule=Schedule(
        image_duration=250 * ms,
        period=1 * second,  # four images
        sleep=sleep(0.2, scaling=1),
    ),
    record=Record(weights_every=250, weights_at_phases=False),
    references=("doi:10.3389/fncom.2015.00099", "arXiv:2601.08447"),
)

FIGURE = "controls"

CONDITIONS = (
    Condition(name="no homeostasis", changes={"schedule.sleep.fraction": 0.0}),
    Condition(
        name="scaled every image",
        changes={"schedule.sleep.fraction": 0.0, "schedule.wake.gates.normalise": 1},
    ),
    Condition(name="naps"),
    Condition(  # the larger input brings the test rate to that of naps on MNIST
        name="frozen weights",
        changes={
            "schedule.sleep.fraction": 0.0,
            "network.projections.input_e.rules.stdp_competitive.lr": 0.0,
            "network.projections.input_e.weights.incoming_sum": 220.0,
        },
    ),
)

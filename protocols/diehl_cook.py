"""Unsupervised learning of digits by the network of Diehl & Cook (2015), as in their code.

Images of 28x28 pixels are shown for 350 ms, up to 63.75 Hz, each followed by 150 ms without input;
weights are normalised before every presentation. Then neurons are assigned to the classes for which
they spike most, and vote. `PROTOCOL` is smaller than any published network: 100 neurons and 2000
images, to see that it learns. The published one of 400 neurons takes hours::

    brainsleep run diehl_cook:FULL

and others ``--set network.populations.e.size=1600 --set network.populations.i.size=1600``, say. It
learns from 50 000 images of MNIST three times, and neurons are assigned by 10 000 others.

One thing is not as in their code: an image to which the network responds with less than five spikes
is not shown again with more contrast.
"""

import dataclasses

from brian2 import Hz, ms

from brainsleep import (
    Condition,
    Data,
    Images,
    Protocol,
    RateEncoder,
    Readout,
    Record,
    Schedule,
    sleep,
    wake,
)
from brainsleep.models.diehl_cook import DIEHL_COOK_2015, two_layers

FULL = Protocol(
    name="diehl_cook, as published",
    description="Network of Diehl & Cook 2015 with 400 excitatory neurons, three epochs of MNIST",
    network=DIEHL_COOK_2015,
    task=Images(
        data=Data(source="mnist", n_train=50_000, n_readout=10_000, n_test=10_000),
        encoder=RateEncoder(size=(28, 28), total=None, max_rate=63.75 * Hz),
        readout=Readout(classifier="assigned"),
    ),
    schedule=Schedule(
        image_duration=500 * ms,  # of which the image is shown for 350
        wake=wake(normalise=1),
        sleep=sleep(0.0),
        epochs=3,
    ),
    record=Record(weights_every=1000, weights_at_phases=False),
    references=("doi:10.3389/fncom.2015.00099",),
)

PROTOCOL = dataclasses.replace(
    FULL.override(
        {"schedule.epochs": 1, "data.n_train": 2000, "data.n_readout": 1000, "data.n_test": 500}
    ),
    name="diehl_cook",
    description="Network of Diehl & Cook 2015, smaller: 100 excitatory neurons, 2000 images",
    network=two_layers("diehl_cook_small", 100),
)

FIGURE = "receptive_fields"

CONDITIONS = (
    Condition(name="100 neurons, 2000 images"),
    Condition(name="no learning", changes={"schedule.wake.gates.plasticity": 0}),
)

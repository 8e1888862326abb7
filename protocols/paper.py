"""The paper's experiment as released: recurrent STDP network on MNIST-like data, sleep swept.

Massey et al. (arXiv:2601.08447), from the code of January 2026: 6000 images of 1 s, sleep after
every 35 s of wake for a fraction of that time (at most 10 s), reversed nearest-neighbour STDP,
decay of all weights towards 0.01. For the textbook orientation, or all-to-all pairing::

    --set 'network.projections.*.rules.stdp_nearest_reversed=stdp:STDP_NEAREST'
    --set 'network.projections.*.rules.stdp_nearest_reversed=stdp:STDP_ALL_TO_ALL'

As released, sleep ends early once the summed weight is back at its initial value.

The same experiment with the paper's surrogate-gradient network, as the authors' code does it::

    brainsleep run paper --model sg_snn        # images of 15x15 pixels; sg_snn_28: 28x28

It learns from 59904 images in 468 batches of 128 an epoch, as many as there are of 60000 whose last
incomplete batch is left out; the other 96 fit the readout of its hidden responses. A sleep comes
after the first batch and from there after every int(1/fraction)-th: 0.3 is every third, 0.4 and 0.5
are every second, 0.6 to 1 every one. ``--model sg_snn_decay`` is another network with another
sleep, see `brainsleep.models.sg_snn`.
"""

from brian2 import Hz

from brainsleep.compare import Condition
from brainsleep.models.massey2026 import PAPER
from brainsleep.models.sg_snn import ITERATION, ITERATION_DECAY, SG_SNN, SG_SNN_28, SG_SNN_DECAY
from brainsleep.protocol import Data, Protocol, Record
from brainsleep.schedule import Schedule, sleep

PROTOCOL = Protocol(
    name="paper",
    description="Recurrent STDP network of Massey et al. 2026, with 20 % sleep",
    network=PAPER,
    data=Data(source="mnist", n_train=6000, n_readout=1000, n_test=1000),
    schedule=Schedule(sleep=sleep(0.2, until_initial=True, noise=1, decay=1)),
    record=Record(weights_every=35),
    references=("arXiv:2601.08447",),
)

#: What a surrogate-gradient network changes: who is read out, and when and how long it sleeps.
LAYERED = {
    "readout.population": "hidden",
    "schedule.epochs": 10,
    "schedule.sleep.until_initial": False,
    "record.weights_at_phases": False,
}

#: The authors' code: pixels in [0, 1] as they are, all images, a sleep after every n-th batch.
RELEASED = {
    **LAYERED,
    "description": "Surrogate-gradient network of Massey et al. 2026, with sleep",
    "data.n_train": 59904,
    "data.n_readout": 96,
    "data.n_test": 10000,
    "encoder.total": None,
    "schedule.image_duration": ITERATION,
    "schedule.sleep.duration": ITERATION,
    "schedule.sleep.cadence": "images",
    "record.weights_every": 468,
    "record.alarms.runaway": 1000 * Hz,  # in 25 steps it must spike often: some 200 Hz
}

#: The sleep of the STDP network: as long as a batch, and after 1/fraction of them.
LAYERED_DECAY = {
    **LAYERED,
    "schedule.image_duration": ITERATION_DECAY,
    "schedule.sleep.duration": ITERATION_DECAY,
}

MODELS = {
    "sg_snn": {"network": SG_SNN, **RELEASED},
    "sg_snn_28": {"network": SG_SNN_28, **RELEASED, "encoder.size": (28, 28)},
    "sg_snn_decay": {
        "description": "Surrogate-gradient network with the sleep of the recurrent one, 20 %",
        "network": SG_SNN_DECAY,
        **LAYERED_DECAY,
    },
}

FIGURE = "accuracy"

CONDITIONS = tuple(
    Condition(name=f"{percent} % sleep", changes={"schedule.sleep.fraction": percent / 100})
    for percent in range(0, 101, 10)
)

"""The paper's experiment as released: recurrent STDP network on MNIST-like data, sleep swept.

Massey et al. (arXiv:2601.08447), from the code of January 2026: 6000 images of 1 s, sleep after
every 35 s of wake for a fraction of that time (at most 10 s), reversed nearest-neighbour STDP,
decay of all weights towards 0.01. For the textbook orientation, or all-to-all pairing::

    --set 'network.projections.*.rules.stdp_nearest_reversed=stdp:STDP_NEAREST'
    --set 'network.projections.*.rules.stdp_nearest_reversed=stdp:STDP_ALL_TO_ALL'

As released, sleep ends early once the summed weight is back at its initial value.

The same experiment with the paper's surrogate-gradient network::

    brainsleep run paper --model sg_snn

A sleep then lasts as long as one batch, 100 steps, and comes after 1/fraction of them.
"""

from brainsleep.compare import Condition
from brainsleep.models.massey2026 import PAPER
from brainsleep.models.sg_snn import ITERATION, SG_SNN, SG_SNN_RELEASED
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

#: What a surrogate-gradient network changes: its time scale, and who is read out.
LAYERED = {
    "readout.population": "hidden",
    "schedule.image_duration": ITERATION,
    "schedule.epochs": 10,
    "schedule.sleep.duration": ITERATION,
    "schedule.sleep.until_initial": False,
    "record.weights_at_phases": False,
}

MODELS = {
    "sg_snn": {"network": SG_SNN, **LAYERED},
    "sg_snn_released": {"network": SG_SNN_RELEASED, **LAYERED},
}

FIGURE = "accuracy"

CONDITIONS = tuple(
    Condition(name=f"{percent} % sleep", changes={"schedule.sleep.fraction": percent / 100})
    for percent in range(0, 101, 10)
)

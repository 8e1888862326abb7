"""The paper's experiment: recurrent STDP network on MNIST-like data, sleep swept.

Massey et al. (arXiv:2601.08447), with the settings of their published table (code of 12 November
2025, commit 61a4a45): images of 1 s, sleep after every 35 s of wake for a fraction of that time (at
most 10 s), reversed nearest-neighbour STDP that is six times as fast from I to E as elsewhere,
membrane noise awake and asleep but not in the test, decay of all weights towards 0.01. Sleep would
end early if summed excitatory and inhibitory weights were both within 0.1 % of their start.

`PROTOCOL` shows 6000 different images and reads out held-out responses, weights frozen. `PUBLISHED`
follows the authors' procedure instead::

    brainsleep run paper:PUBLISHED

it shows the same 300 images 20 times, stops early by 100 validation images, and fits the readout on
the responses to the 300 images as they were while the network learned them. The settings of January
are in `brainsleep.protocols.paper_january`. Textbook orientation, or all-to-all pairing::

    --set 'network.projections.*.rules.stdp_released=stdp:STDP_NEAREST'
    --set 'network.projections.*.rules.stdp_released=stdp:STDP_ALL_TO_ALL'

(with one learning rate for all synapses).

The same experiment with the paper's surrogate-gradient network, as the authors' code does it::

    brainsleep run paper --model sg_snn        # images of 15x15 pixels; sg_snn_28: 28x28

It learns from 59904 images in 468 batches of 128 an epoch, as many as there are of 60000 whose last
incomplete batch is left out; the other 96 fit the readout of its hidden responses. A sleep comes
after the first batch and from there after every int(1/fraction)-th: 0.3 is every third, 0.4 and 0.5
are every second, 0.6 to 1 every one. ``--model sg_snn_decay`` is another network with another
sleep, see `brainsleep.models.sg_snn`.
"""

from brian2 import Hz

from brainsleep import (
    Condition,
    Data,
    EarlyStopping,
    Images,
    Protocol,
    Readout,
    Record,
    Schedule,
    sleep,
    wake,
)
from brainsleep.models.massey2026 import PAPER
from brainsleep.models.sg_snn import ITERATION, ITERATION_DECAY, SG_SNN, SG_SNN_28, SG_SNN_DECAY

#: What was compared with what, by where that is.
VERIFIED = {
    "docs/reproduction.md": "the paper's claims one by one, all 22 cells of its table",
}

PROTOCOL = Protocol(
    name="paper",
    description="Recurrent STDP network of Massey et al. 2026, with 20 % sleep",
    network=PAPER,
    task=Images(data=Data(source="mnist", n_train=6000, n_readout=1000, n_test=1000)),
    schedule=Schedule(
        wake=wake(noise=1),
        sleep=sleep(0.2, until_initial=True, tolerance=1e-3, noise=1, decay=1),
    ),
    record=Record(weights_every=35),
    references=("arXiv:2601.08447",),
)

#: Their readout: responses of E and I while the last 300 images were learned, four fifths of them;
#: neighbours of one class are one sample.
PUBLISHED_READOUT = Readout(beside=("i",), fit_last=300, fit_share=0.8, score_last=200, merge=True)

#: Their procedure. Besides theirs (`network`) there is the readout of `PROTOCOL` (`held_out`).
PUBLISHED = PROTOCOL.override(
    {
        "name": "paper, as published",
        "description": "The same, by the procedure of the published table: 300 images, 20 times",
        "data": Data(source="mnist", n_train=300, n_validation=100, n_readout=1000, n_test=1000),
        "schedule.epochs": 20,
        "schedule.identical_epochs": True,
        "readout": PUBLISHED_READOUT,
        "more_readouts": (Readout(name="held_out"),),
        "early_stopping": EarlyStopping(patience=6, restore="if stopped"),
    }
)

#: What a surrogate-gradient network changes: who is read out, and when and how long it sleeps.
LAYERED = {
    "readout.population": "hidden",
    "schedule.epochs": 10,
    "schedule.sleep.until_initial": False,
    "schedule.sleep.tolerance": 0.0,
    "schedule.wake.gates.noise": None,
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

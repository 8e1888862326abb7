"""The main job in a minute: handwritten digits with and without sleep.

The paper's network on the 1797 digits that come with scikit-learn, same seed, same data in every
condition. With the settings of the published table, inhibition that learns fast restrains the
network without sleep, too; with those of January 2026 it does not, and sleep is what prevents the
runaway. The last condition is a network that never learns, its input weights scaled until it
responds at the same rate as the network that slept: what accuracy is worth without any learning.
"""

from brainsleep import Condition, Data, Images, Protocol, Record, Schedule, sleep, wake
from brainsleep.models.massey2026 import PAPER, PAPER_JANUARY

PROTOCOL = Protocol(
    name="demo",
    description="Recurrent STDP network on handwritten digits, with 20 % sleep",
    network=PAPER,
    task=Images(data=Data(source="digits", n_train=350, n_readout=300, n_test=370)),
    schedule=Schedule(wake=wake(noise=1), sleep=sleep(0.2, noise=1, decay=1)),
    record=Record(weights_every=5, raster=(34, 37)),  # raster: last image, sleep, first image
    references=("arXiv:2601.08447",),
)

_JANUARY = {"network": PAPER_JANUARY, "schedule.wake": wake()}
_NO_SLEEP = {"schedule.sleep.fraction": 0.0}

CONDITIONS = (
    Condition(name="no sleep", changes=_NO_SLEEP),
    Condition(name="20 % sleep"),
    Condition(name="January, no sleep", changes=_JANUARY | _NO_SLEEP),
    Condition(name="January, 20 % sleep", changes=_JANUARY),
    Condition(
        name="frozen, rate matched",
        changes={"data.n_train": 0, "record.raster": ()},
        match_rate="20 % sleep",
        scale="network.projections.input_e.weights.low",
    ),
)

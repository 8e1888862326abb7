"""The main job in a minute: handwritten digits with and without sleep.

The network and the plasticity as the authors released them (reversed nearest-neighbour STDP),
on the 1797 digits that come with scikit-learn. Four conditions, same seed, same data. The last
is a network that never learns, its input weights scaled until it responds at the same rate as
the network that slept 20 %: what accuracy is worth without any learning.
"""

from brainsleep.compare import Condition
from brainsleep.models.massey2026 import PAPER
from brainsleep.protocol import Data, Protocol, Record
from brainsleep.schedule import Schedule, sleep

PROTOCOL = Protocol(
    name="demo",
    description="Recurrent STDP network on handwritten digits, with 20 % sleep",
    network=PAPER,
    data=Data(source="digits", n_train=1050, n_readout=370, n_test=370),
    schedule=Schedule(sleep=sleep(0.2, noise=1, decay=1)),
    record=Record(weights_every=5, raster=(34, 37)),  # raster: last image, sleep, first image
    references=("arXiv:2601.08447",),
)

CONDITIONS = (
    Condition(name="no sleep", changes={"schedule.sleep.fraction": 0.0}),
    Condition(name="10 % sleep", changes={"schedule.sleep.fraction": 0.1}),
    Condition(name="20 % sleep"),
    Condition(
        name="frozen, rate matched",
        changes={"data.n_train": 0, "record.raster": ()},
        match_rate="20 % sleep",
        scale="network.projections.input_e.weights.low",
    ),
)

"""Learning task after task: five tasks of two classes, with sleep within and between them.

The paper's network (or, with ``--model sg_snn_decay``, a surrogate-gradient
network that sleeps as it does) sees the classes
0 and 1, then 2 and 3, and so on. After every task all images of the readout and of the test are
shown with weights frozen, to a copy; so are 100 test images before and after every sleep. From the
responses come accuracies on every task after every task, by

- a *refitted* readout, fitted anew after every task on the classes so far. What it loses is not
  what a fixed reader would lose: it asks whether classes can still be told apart by *some* linear
  reader, and it chooses among more classes after every task;
- a *fixed* readout, fitted once per task on its two classes and then left alone: it loses what the
  representation drifts away from it;
- the network's *own* output neurons, if it has them, among all ten classes.

Controls: no sleep; rest of the same length, without decay; normalisation of each neuron's summed
input instead of sleep; the images of all tasks mixed; 20 stored images a class replayed, one for
each new image; and the network as it is born, which forgets nothing.
"""

import dataclasses

from brainsleep import Condition, Data, Images, Probes, Protocol, Record, Schedule, Tasks, sleep
from brainsleep.models.homeostasis import NORMALISE
from brainsleep.models.sg_snn import SG_SNN_DECAY
from brainsleep.protocols.controls import NETWORK, NORMALISE_ONLY, REST
from brainsleep.protocols.paper import LAYERED_DECAY

PROTOCOL = Protocol(
    name="continual",
    description="Five tasks of two classes one after the other, with 20 % sleep",
    network=NETWORK,
    task=Images(
        data=Data(source="mnist", n_train=2000, n_readout=500, n_test=500),
        tasks=Tasks(classes=((0, 1), (2, 3), (4, 5), (6, 7), (8, 9))),
        probes=Probes(images=100),
    ),
    schedule=Schedule(sleep=sleep(0.2, noise=1, decay=1)),
    record=Record(weights_at_phases=False, weights_every=100),
    references=("arXiv:2601.08447", "arXiv:1706.08840", "doi:10.1038/s42256-022-00568-3"),
)

#: Normalisation holds each neuron's summed |w| where it begins: uniform up to 1/sqrt(n_inputs).
_SG_SNN_DECAY = dataclasses.replace(
    SG_SNN_DECAY,
    projections=tuple(
        dataclasses.replace(
            p,
            processes=(
                *p.processes,
                NORMALISE.with_parameters(
                    w_star=0.5 / SG_SNN_DECAY.population(p.source).size ** 0.5
                ),
            ),
        )
        for p in SG_SNN_DECAY.projections
    ),
)

MODELS = {"sg_snn_decay": {"network": _SG_SNN_DECAY, **LAYERED_DECAY}}

_NONE = {"schedule.sleep.fraction": 0.0}

CONDITIONS = (
    Condition(name="no sleep", changes=_NONE),
    Condition(name="sleep"),
    REST,
    NORMALISE_ONLY,
    Condition(name="mixed, no sleep", changes={"tasks.mixed": True, **_NONE}),
    Condition(name="mixed, sleep", changes={"tasks.mixed": True}),
    Condition(name="rehearsal, no sleep", changes={"tasks.rehearsal": 1.0, **_NONE}),
    Condition(name="rehearsal, sleep", changes={"tasks.rehearsal": 1.0}),
    Condition(name="frozen as it starts", changes={"schedule.wake.gates.plasticity": 0, **_NONE}),
)

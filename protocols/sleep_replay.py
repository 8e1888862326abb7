"""A ReLU network that forgets classes gets some back asleep, and controls say why (Tadros 2022).

Five tasks of two classes, one after the other; after each, the network sleeps as a spiking one for
15 to 35 s of steps of 1 ms. All constants are the authors', nothing was chosen here. `PROTOCOL`
learns the small digits that are always there, with what was chosen for MNIST, and gets little back
of them; the study has the data sets of the paper (`studies/sleep_replay.py`)::

    brainsleep run sleep_replay --data mnist.npz --set data.n_train=7000 --set data.n_test=1000
    brainsleep run sleep_replay:FASHION --data fashion-mnist

The conditions ask what of it is replay. Those of weights alone (`CONTROLS_OF_WEIGHTS`) sleep, too,
and then throw away where the sleep changed weights and keep how much. All others are another rule,
other input or another network, as equations.
"""

from brian2 import Hz, Quantity, ms, second

from brainsleep import (
    Alarms,
    Condition,
    Data,
    Protocol,
    Record,
    ReluTasks,
    Timeline,
    asleep,
    awake,
)
from brainsleep.models.sleep_replay import FASHION as OF_FASHION
from brainsleep.models.sleep_replay import MNIST as OF_MNIST
from brainsleep.models.sleep_replay import Constants, sleep_replay
from brainsleep.tasks.relu.outcomes import OUTCOMES

#: Awake, the spiking network does nothing: it is the ReLU network that learns.
LEARNING = awake(1 * ms, input=0, plasticity=0)

#: What is on the way at the end of a sleep goes through three layers.
LAST_SPIKES = asleep(3 * ms)

N_TASKS = 5


def nights(*which: int, duration: Quantity | None = None) -> Timeline:
    """Make a timeline of five tasks, with a sleep after some of them, 0 to 4.

    Sleeps are the longer the later, if no `duration` is given.
    """
    periods = []
    for task in range(N_TASKS):
        periods.append(LEARNING)
        if task in which:
            lasting = (15 + 5 * task) * second if duration is None else duration
            periods += [asleep(lasting, input=1), LAST_SPIKES]
    return Timeline(periods=tuple(periods))


def learning(constants: Constants, data: Data, name: str, **network) -> Protocol:
    """Make a protocol with the constants for a data set."""
    return Protocol(
        name=name,
        description="Tadros et al. 2022: classes learned task after task, and sleep after each",
        network=sleep_replay(constants, **network),
        schedule=nights(*range(N_TASKS)),
        task=ReluTasks(rate=constants.rate * Hz, data=data),
        record=Record(weights_at_phases=False, alarms=Alarms(saturation=1.0)),
        references=("doi:10.1038/s41467-022-34938-7",),
    )


PROTOCOL = learning(
    OF_MNIST, Data(source="digits", n_train=1250, n_readout=0, n_test=500), "sleep_replay"
)

#: About the 5000 images of each task that the authors learn, and a fifth of their test images.
FASHION = learning(
    OF_FASHION,
    Data(source="fashion-mnist", n_train=25_000, n_readout=0, n_test=2000),
    "sleep_replay_fashion",
)

#: Rate of a white image over that of the mean image, for as many spikes: pixels that are bright
#: are in the middle, where the window is more often. Of the mean over all classes.
WHITE = {"mnist": 1.8, "fashion": 1.45}

_RULE = "network.projections.{}.rules.replay.{}"


def _rule(name: str, layers: str = "*", **values: float) -> Condition:
    changes = {_RULE.format(layer, k): v for k, v in values.items() for layer in layers.split()}
    return Condition(name=name, changes=changes)


#: Weights as they were, changed in other ways as much as sleep did; and by name in the task.
CONTROLS_OF_WEIGHTS = tuple(
    Condition(name=name, changes={"outcome": outcome})
    for name, outcome in {
        "own change, permuted within each unit": "permuted",
        "own change, evened out within each unit": "even",
        "layers scaled": "layer scaled",
        "units scaled": "units scaled",
        "units equalised": "equalised",
        "negative weights scaled": "negatives scaled",
    }.items()
)
assert len(CONTROLS_OF_WEIGHTS) == len(OUTCOMES) - 1


def conditions(constants: Constants, white: float = 1.0) -> tuple[Condition, ...]:
    """Make all conditions with the constants for a data set, and the rate of its white image."""
    rate = constants.rate * Hz
    everywhere = {
        "network.populations.window.model.places": 1,
        "network.populations.input.model.width": 28,
    }
    return (
        Condition(name="no sleep", changes={"schedule": nights()}),
        Condition(name="sleep"),
        Condition(name="sleep of one second",
                  changes={"schedule": nights(*range(N_TASKS), duration=1 * second)}),
        _rule("depression only", inc=0),
        _rule("no pairing: all count as silent", pairing=0),
        Condition(name="pairing with an earlier step",
                  changes={"network": sleep_replay(constants, pre="earlier")}),
        Condition(name="pairing with other units",
                  changes={"network": sleep_replay(constants, pre="permuted")}),
        _rule("hidden layers only", "w_3", inc=0, dec=0),
        _rule("last layer only", "w_1 w_2", inc=0, dec=0),
        Condition(name="white image", changes={"image": "white", "rate": white * rate}),
        Condition(name="white image, no window",
                  changes={"image": "white", "rate": white * rate * (11 / 28) ** 2, **everywhere}),
        *CONTROLS_OF_WEIGHTS,
        Condition(name="asleep on the last task only", changes={"seen": "current"}),
        Condition(name="sleep after the last task only", changes={"schedule": nights(4)}),
        Condition(name="all classes mixed, no sleep",
                  changes={"schedule": nights(), "tasks.mixed": True}),
    )  # fmt: skip


CONDITIONS = conditions(OF_MNIST, WHITE["mnist"])

FIGURE = "sleep_replay"

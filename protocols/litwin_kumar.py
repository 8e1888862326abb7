"""An assembly forms in a second (Litwin-Kumar & Doiron 2014).

A second without plasticity, eight with it, and one in which the members of one assembly get spikes
from outside at 8 kHz more: synapses among them grow by a third, at the expense of others.

As published, 20 assemblies are stimulated one after the other, each for a second and with three
seconds in between, 20 times over, and then not at all. That takes more than two hours::

    brainsleep run litwin_kumar:FULL

`SLEEP` is `PROTOCOL` and eight seconds of sleep after it, with plasticity and with decay of weights
towards the mean of each neuron.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
from brian2 import Hz, kHz, ms, mV, second

from brainsleep import (
    Alarms,
    Condition,
    Metric,
    Observer,
    Protocol,
    Record,
    Timeline,
    asleep,
    awake,
    cycles,
)
from brainsleep.models.litwin_kumar import ASSEMBLIES
from brainsleep.models.sleep import DECAY_NEURON

#: Gates of plasticity among excitatory neurons.
LEARNING = {"potentiate": 1, "normalise": 1}


def members(n: int, number: int = 20, seed: int = 1) -> np.ndarray:
    """Return which of `n` neurons are in which assembly, shape (number, n): each 5 % of them."""
    return np.random.default_rng(seed).random((number, n)) < 0.05


def stimulated(which: np.ndarray):
    """Make a second in which some neurons get spikes at 8 kHz more."""
    return awake(1 * second, inputs={"e": which * 8 * kHz}, **LEARNING)


@dataclass(frozen=True)
class Assembly(Observer):
    """The first assembly, before and after its first stimulus, which `begins` at this second."""

    begins: int = 9
    name = "assembly"
    metrics = (
        Metric("observed", "assembly_before_(?P<population>e|i)_hz", "Hz", "rate of {population}"),
        Metric("observed", "assembly_members_hz", "Hz", "rate of members while stimulated"),
        Metric("observed", "assembly_within_before", "pF", "mean weight within the assembly"),
        Metric("observed", "assembly_within", "pF", "the same after the stimulus"),
        Metric("observed", "assembly_mean", "pF", "mean weight of all excitatory neurons then"),
        Metric("observed", "assembly_inhibition", "pF", "mean weight of inhibition before"),
        Metric(
            "observed", "assembly_within_last", "pF", "mean weight within the assembly, at last"
        ),
        Metric("observed", "assembly_all_within", "pF", "mean weight within assemblies, at last"),
    )

    def slots(self, table):
        """Look before the stimulus, after it, and at the end."""
        return sorted({self.begins, self.begins + 1, len(table)})

    def look(self, view):
        """Take mean weights."""
        which = members(view.protocol.network.population("e").size)
        pre, post = view.state.synapses["ee"]
        w = view.state.weights("ee")
        within = [w[each[pre] & each[post]].mean() for each in which]
        inhibition = view.state.weights("ie").mean()
        return {"within": np.array(within), "mean": w.mean(), "inhibition": inhibition}

    def measure(self, seen):
        """Give weights, and rates, of slots of a second."""
        counts = {name: seen.recorder.arrays()[f"counts/{name}"] for name in "ei"}
        before = {name: float(each[1 : self.begins].mean()) for name, each in counts.items()}
        within, mean = (seen.series("assembly", name) for name in ("within", "mean"))
        which = members(counts["e"].shape[1])[0]
        return {
            **{f"assembly_before_{name}_hz": rate for name, rate in before.items()},
            "assembly_members_hz": float(counts["e"][self.begins, which].mean()),
            "assembly_within_before": float(within[0, 0]),
            "assembly_within": float(within[1, 0]),
            "assembly_mean": float(mean[1]),
            "assembly_inhibition": float(seen.series("assembly", "inhibition")[0]),
            "assembly_within_last": float(within[-1, 0]),
            "assembly_all_within": float(within[-1].mean()),
        }


def training(
    before: int, times: int, name: str, *, assemblies: int = 1, after: int = 0
) -> Protocol:
    """Make the protocol: so many seconds before, then assemblies one after the other, `times`."""
    rest = (awake(3 * second, **LEARNING),)
    which = members(ASSEMBLIES.population("e").size)[:assemblies]
    shown = [(stimulated(each), *(rest if times > 1 else ())) for each in which]
    periods = [awake(1 * second, plasticity=0), awake(before * second, **LEARNING)]
    periods.append(cycles(*(period for each in shown for period in each), times=times))
    if after:
        periods.append(awake(after * second, **LEARNING))
    return Protocol(
        name=name,
        description="Litwin-Kumar & Doiron 2014: stimulated neurons become an assembly",
        network=ASSEMBLIES,
        schedule=Timeline(periods=tuple(periods)),
        record=Record(
            observers=(Assembly(begins=1 + before),),
            alarms=Alarms(runaway=1000 * Hz, saturation=1.0),
        ),
        references=("doi:10.1038/ncomms6319",),
    )


PROTOCOL = training(8, 1, "litwin_kumar")

FULL = training(9, 20, "litwin_kumar, as published", assemblies=20, after=100)

_EE = ASSEMBLIES.projection("ee")

SLEEP = dataclasses.replace(
    PROTOCOL,
    name="litwin_kumar, sleep",
    network=dataclasses.replace(
        ASSEMBLIES,
        projections=(
            dataclasses.replace(_EE, processes=(*_EE.processes, DECAY_NEURON)),
            *ASSEMBLIES.projections[1:],
        ),
    ),
    schedule=Timeline(
        periods=(*PROTOCOL.schedule.periods, asleep(8 * second, decay=1, **LEARNING))
    ),
)

FIGURE = "sleep_rates"

CONDITIONS = (
    Condition(name="as published"),
    Condition(
        name="without potentiation",
        changes={
            "network.projections.ee.rules.voltage.a_ltp": 0 / (mV**2 * ms),
            "network.projections.ee.processes.potentiate.a_ltp": 0 / (mV**2 * ms),
        },
    ),
)

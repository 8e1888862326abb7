"""What in sleep does the work: the paper's network at 20 % sleep, taken apart.

Every condition differs from `PROTOCOL` (20 % sleep with membrane noise, plasticity and decay,
always of full length) in what its name says.
"""

import dataclasses

from brian2 import ms

from brainsleep import Condition
from brainsleep.models.homeostasis import NORMALISE
from brainsleep.models.massey2026 import PAPER
from brainsleep.protocols.paper import PROTOCOL as PAPER_PROTOCOL

#: The paper's network, with normalisation of each neuron's summed input as a further process.
NETWORK = dataclasses.replace(
    PAPER,
    projections=tuple(
        dataclasses.replace(
            p, processes=(*p.processes, NORMALISE.with_parameters(w_star=p.weights.low))
        )
        for p in PAPER.projections
    ),
)

PROTOCOL = dataclasses.replace(
    PAPER_PROTOCOL,
    name="controls",
    description="The paper's network at 20 % sleep, and what is left of it without each part",
    network=NETWORK,
).override(
    {
        "data.n_train": 3000,
        "schedule.sleep.tolerance": 0.0,
        "schedule.sleep.until_initial": False,
    }
)

_GATES = "schedule.sleep.gates"
_DECAY = "network.projections.*.processes.decay"

REST = Condition(name="rest: no decay", changes={f"{_GATES}.decay": 0})

#: Each neuron's summed input back to its start, at once, instead of a sleep.
NORMALISE_ONLY = Condition(
    name="normalise only",
    changes={
        f"{_GATES}.decay": 0,
        f"{_GATES}.noise": 0,
        f"{_GATES}.plasticity": 0,
        f"{_GATES}.normalise": 1,
        "schedule.sleep.max_duration": 1 * ms,
    },
)

CONDITIONS = (
    Condition(name="no sleep", changes={"schedule.sleep.fraction": 0.0}),
    Condition(name="sleep"),
    REST,
    Condition(name="no membrane noise", changes={f"{_GATES}.noise": 0}),
    Condition(
        name="decay without activity or plasticity",
        changes={f"{_GATES}.noise": 0, f"{_GATES}.plasticity": 0},
    ),
    Condition(name="weight noise 0.1", changes={f"{_DECAY}.sigma": 0.1}),
    Condition(name="weight noise 0.5", changes={f"{_DECAY}.sigma": 0.5}),
    Condition(name="decay to the projection's mean", changes={_DECAY: "sleep:DECAY_GROUP"}),
    Condition(name="decay to the neuron's mean", changes={_DECAY: "sleep:DECAY_NEURON"}),
    NORMALISE_ONLY,
    Condition(
        name="decay to the initial weights",
        changes={
            f"network.projections.{p.name}.processes.decay.w_star": p.weights.low
            for p in NETWORK.projections
        },
    ),
    Condition(  # sleeps as long as others, but only when the summed weight has grown by half
        name="sleep when weights have grown",
        changes={"schedule.sleep.trigger": 1.5},
    ),
    Condition(  # inhibition that holds the rate of E neurons (Vogels et al. 2011) instead of sleep
        name="inhibitory plasticity, no sleep",
        changes={
            "schedule.sleep.fraction": 0.0,
            "network.projections.ie.rules.stdp_released": "vogels:VOGELS",
            "network.projections.ie.rules.vogels.rho_target": "10*Hz",
        },
    ),
    Condition(name="frozen as it starts", changes={"data.n_train": 0}),
    Condition(
        name="frozen, rate matched",
        changes={"data.n_train": 0},
        match_rate="sleep",
        scale="network.projections.input_e.weights.low",
    ),
)

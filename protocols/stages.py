"""Whether it matters that sleep has stages, NREM and REM, and in which order they come.

The paper's sleep is uniform: membrane noise, plasticity and decay of the weights at once. Here the
same time asleep is cut into stages. NREM has a slow oscillation and the decay, plasticity closed;
REM has membrane noise and plasticity, no decay. The paper leaves open whether these parts have to
come together, which of them is needed, and whether their order matters. Conditions that sleep do so
equally long, but for one. Decay lasts as long as NREM, so conditions with both stages, and "NREM
then rest", decay for four fifths of the time of "uniform sleep" and of "NREM only": compare them
with each other, and with "uniform sleep, 16 %", which is shorter and decays as long as they do.
"""

import dataclasses

from brainsleep import Condition, sleep
from brainsleep.models.massey2026 import recurrent_network
from brainsleep.models.sleep import MEMBRANE_NOISE
from brainsleep.models.sleep_stages import NREM, REM, SLOW_OSCILLATION
from brainsleep.protocols.paper import PROTOCOL as PAPER_PROTOCOL

PROTOCOL = dataclasses.replace(
    PAPER_PROTOCOL,
    name="stages",
    description="The paper's network at 20 % sleep, cut into NREM and then REM",
    network=recurrent_network(activities=(MEMBRANE_NOISE, SLOW_OSCILLATION)),
    schedule=dataclasses.replace(PAPER_PROTOCOL.schedule, sleep=sleep(0.2, stages=(NREM, REM))),
    references=(
        *PAPER_PROTOCOL.references,
        "doi:10.1016/j.neuron.2013.12.025",
        "doi:10.1016/j.neuron.2012.08.015",
        "doi:10.1038/nn.4479",
    ),
).override({"data.n_train": 3000})

FIGURE = "controls"

_STAGES, _GATES = "schedule.sleep.stages", "schedule.sleep.gates"

CONDITIONS = (
    Condition(name="no sleep", changes={"schedule.sleep.fraction": 0.0}),
    Condition(  # as in the paper
        name="uniform sleep",
        changes={_STAGES: "()", f"{_GATES}.noise": 1, f"{_GATES}.decay": 1},
    ),
    Condition(  # as long as NREM in the conditions with both stages
        name="uniform sleep, 16 %",
        changes={
            "schedule.sleep.fraction": 0.16,
            _STAGES: "()",
            f"{_GATES}.noise": 1,
            f"{_GATES}.decay": 1,
        },
    ),
    Condition(name="NREM only", changes={_STAGES: "(sleep_stages:NREM)"}),
    Condition(name="REM only", changes={_STAGES: "(sleep_stages:REM)"}),
    Condition(name="NREM then REM"),
    Condition(name="REM then NREM", changes={_STAGES: "(sleep_stages:REM,sleep_stages:NREM)"}),
    Condition(name="NREM and REM in four cycles", changes={"schedule.sleep.cycles": 4}),
    Condition(  # the same decay without REM: its noise and its plasticity off
        name="NREM then rest",
        changes={f"{_STAGES}.rem.gates.noise": 0, f"{_STAGES}.rem.gates.plasticity": 0},
    ),
    Condition(
        name="frozen, rate matched",
        changes={"data.n_train": 0},
        match_rate="uniform sleep",
        scale="network.projections.input_e.weights.low",
    ),
)

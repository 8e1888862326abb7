"""Two states of a population of quadratic integrate-and-fire neurons (Montbrio, Pazo & Roxin 2015).

Without a current the population stays at a low rate. A current of 5 for 100 ms takes it to a high
rate, where it stays. The rate equations have both as stable fixed points.

`SEQUENCE` is a chain of six populations that are active one after the other (Shimizu & Toyoizumi
2025), once the first is given a current of 10 for a time constant::

    brainsleep run qif:SEQUENCE
"""

import dataclasses

from brian2 import ms

from brainsleep import Condition, Protocol, Record, Timeline, awake
from brainsleep.models.qif import population, sequence

PROTOCOL = Protocol(
    name="qif",
    description="Two states of a population of quadratic integrate-and-fire neurons",
    network=population(),
    schedule=Timeline(
        periods=(
            awake(300 * ms),
            awake(100 * ms, signals={"current": 5}),
            awake(400 * ms),
        ),
        slot=100 * ms,
    ),
    record=Record(states={"pool.s": (0,)}, every=1 * ms),
    references=("doi:10.1103/PhysRevX.5.021028",),
)

_LENGTH = 6

SEQUENCE = dataclasses.replace(
    PROTOCOL,
    name="qif, sequence",
    description="Populations of quadratic integrate-and-fire neurons that are active in turns",
    network=sequence(length=_LENGTH),
    schedule=Timeline(
        periods=(
            awake(50 * ms),
            awake(10 * ms, signals={"current": 10}),
            awake(90 * ms),
        ),
        slot=10 * ms,
    ),
    record=Record(states={f"pool{k}.s": (0,) for k in range(1, _LENGTH + 1)}, every=0.05 * ms),
    references=(*PROTOCOL.references, "arXiv:2508.06085"),
)

FIGURE = "traces"

CONDITIONS = (
    Condition(name="two states"),
    Condition(
        name="weak coupling, one state", changes={"network.populations.e.model.coupling": 10.0}
    ),
)

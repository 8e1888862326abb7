"""Two states of a population of quadratic integrate-and-fire neurons (Montbrio, Pazo & Roxin 2015).

Without a current the population stays at a low rate. A current of 5 for 100 ms takes it to a high
rate, where it stays. The rate equations have both as stable fixed points.
"""

from brian2 import ms

from brainsleep import Condition, Protocol, Record, Timeline, awake
from brainsleep.models.qif import population

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

FIGURE = "traces"

CONDITIONS = (
    Condition(name="two states"),
    Condition(
        name="weak coupling, one state", changes={"network.populations.e.model.coupling": 10.0}
    ),
)

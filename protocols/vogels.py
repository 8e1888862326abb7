"""Inhibitory plasticity balances a network: that of Vogels et al. (2011), from its first second.

For a second nothing is learned, then inhibition is for ten; rates fall from second to second
towards the target of 3 Hz, to which they come after a hundred::

    brainsleep run vogels --set 'schedule.periods.1.duration=99*second'
"""

from brian2 import Hz, second

from brainsleep import Alarms, Condition, Protocol, Record, Timeline, awake
from brainsleep.models.vogels import BALANCED

PROTOCOL = Protocol(
    name="vogels",
    description="Network of Vogels et al. 2011: inhibitory plasticity leads it to its target rate",
    network=BALANCED,
    schedule=Timeline(periods=(awake(1 * second, plasticity=0), awake(10 * second))),
    record=Record(weights_every=1, alarms=Alarms(runaway=200 * Hz)),
    references=("doi:10.1126/science.1211095",),
)

FIGURE = "sleep_rates"

CONDITIONS = (
    Condition(name="inhibitory plasticity"),
    Condition(name="without", changes={"network.projections.ie.rules.vogels.lr": 0.0}),
)

"""4000 neurons that keep each other active: benchmarks of simulators (Brette et al. 2007).

Ten seconds without input, of which the first 200 ms do not count; two of Hodgkin-Huxley neurons.
Another graph is another seed. Rates of graphs differ by 10 %.
"""

from brian2 import ms, second

from brainsleep import Condition, Firing, Protocol, Record, Timeline, awake
from brainsleep.models.vogels_abbott import COBA, COBAHH, CUBA

PROTOCOL = Protocol(
    name="vogels_abbott",
    description="Networks of Vogels and Abbott as benchmarks of Brette et al.: no input",
    network=COBA,
    schedule=Timeline(periods=(awake(10 * second),), slot=200 * ms),
    record=Record(raster=(1, 50), observers=(Firing(),)),
    references=("doi:10.1007/s10827-007-0038-6",),
)

FIGURE = "sleep_rates"

CONDITIONS = (
    Condition(name="COBA"),
    Condition(name="CUBA", changes={"network": CUBA}),
    Condition(
        name="COBAHH",
        changes={
            "network": COBAHH,
            "schedule.periods.0.duration": 2 * second,
            "record.raster": (1, 10),
        },
    ),
)

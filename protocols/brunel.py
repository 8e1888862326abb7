"""The four regimes of a sparse network of excitatory and inhibitory neurons (Brunel 2000).

1.2 s, of which the first 200 ms do not count. `CONDITIONS` are the panels of the paper's figure 8;
D lasts 4 s, as it oscillates slowly and single neurons spike rarely.
"""

from brian2 import Hz, ms, second

from brainsleep import Alarms, Condition, Firing, Protocol, Record, Timeline, awake
from brainsleep.models.brunel import BRUNEL, REGIMES, W

PROTOCOL = Protocol(
    name="brunel",
    description="Sparse network of Brunel, 12 500 neurons: asynchronous irregular activity",
    network=BRUNEL["C"],
    schedule=Timeline(periods=(awake(1.2 * second, background=1),), slot=200 * ms),
    record=Record(raster=(1, 6), observers=(Firing(),), alarms=Alarms(runaway=400 * Hz)),
    references=("doi:10.1023/A:1008925309027",),
)

FIGURE = "sleep_rates"


def _changes(g, rate) -> dict:
    slow = {"schedule.periods.0.duration": 4 * second, "record.raster": (1, 20)}
    return {
        "network.projections.ie.weights": g * W,
        "network.projections.ii.weights": g * W,
        "network.populations.*.activities.background.rate": rate,
        **(slow if rate < 10 * Hz else {}),
    }


CONDITIONS = tuple(
    Condition(name=f"{name}: g = {g:g}, rate {rate}", changes=_changes(g, rate))
    for name, (g, rate) in REGIMES.items()
)

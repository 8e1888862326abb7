r"""Dreams that unlearn, in binary units and in spiking neurons, behind docs/what_sleep_gives.md.

    .venv/bin/brainsleep sweep run studies/unlearning.py --out results/unlearning
    .venv/bin/brainsleep table results/unlearning --grid studies/unlearning.py \
        --drop 'set.*' --drop 'version.*' --drop data_fingerprint --out figures/paper/unlearning.csv
    .venv/bin/python studies/tabulate.py

Patterns, cues and dreams are drawn by the seed. Settings of the spiking network were chosen with
seed 0: high gain and a refractory period, until patterns at a low load, and at a high load with the
projector as weights, were recalled as binary units recall them. Its learning rate is computed, and
the number of dreams is as in the binary network.
"""

from __future__ import annotations

from brainsleep import Condition, Grid
from brainsleep.protocols.unlearning import EPS, SHARE, binary, spiking

SEEDS = range(10, 15)

#: Numbers of patterns in 200 units: loads of 0.1 to 0.7; that of 0.4 is among the controls.
NUMBERS = (20, 40, 110, 140)

#: Shares of units that cues have wrong.
FLIPS = (0.0, 0.1, 0.2, 0.3, 0.4)


def loads(eps: float) -> list[Condition]:
    """Return dreams at every load, as many as `SHARE` says."""
    return [
        Condition(
            name=f"{number} patterns",
            changes={"task.number": number, "schedule.times": round(SHARE * number / eps)},
        )
        for number in NUMBERS
    ]


GRIDS = (
    Grid(
        name="unlearning controls",
        protocol="unlearning",
        conditions="all",
        seeds=SEEDS,
        backend="cpp",
    ),
    Grid(
        name="unlearning basins",
        protocol=spiking(flips=FLIPS, tests=2, name="unlearning, basins"),
        conditions=[Condition(name="dreams")],
        seeds=SEEDS,
        backend="cpp",
    ),
    Grid(
        name="unlearning loads",
        protocol=spiking(tests=2, name="unlearning, loads"),
        conditions=loads(EPS),
        seeds=SEEDS,
        backend="cpp",
    ),
    Grid(
        name="unlearning binary",
        protocol=binary(dreams=2400, tests=2),
        conditions=[
            Condition(name="2400 dreams"),
            Condition(name="4800 dreams", changes={"schedule.times": 4800}),
            Condition(
                name="random states",
                changes={
                    "schedule.periods.0.gates.plasticity": 1,
                    "schedule.periods.2.gates.plasticity": 0,
                },
            ),
            Condition(name="pairing shuffled", changes={"network": binary(shuffled=True).network}),
        ],
        seeds=SEEDS,
        backend="cpp",
    ),
)

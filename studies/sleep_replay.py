r"""What in sleep replay consolidation is replay, behind docs/what_sleep_gives.md, as grids.

After ``studies/variants.py`` has written the data::

    .venv/bin/brainsleep sweep run studies/sleep_replay.py --out results/sleep_replay
    .venv/bin/brainsleep table results/sleep_replay --grid studies/sleep_replay.py \
        --drop 'set.*' --drop 'version.*' --drop data_fingerprint \
        --out figures/paper/sleep_replay.csv

All constants are the authors'. Nothing was chosen by what comes out, on these seeds or others.
"""

from __future__ import annotations

from reproduction import DATA

from brainsleep.protocols.sleep_replay import FASHION, OF_FASHION, OF_MNIST, PROTOCOL, WHITE
from brainsleep.protocols.sleep_replay import conditions as conditions_of
from brainsleep.run.compare import Condition
from brainsleep.sweep.grid import Grid

SEEDS = 5

#: All MNIST images that there are here, 1400 a task; the authors have 5000, and as many batches.
MNIST = PROTOCOL.override({"data.source": DATA["mnist"], "data.n_train": 7000, "data.n_test": 1000})
FASHION_SMALL = FASHION.override({"data.n_train": 12_000, "data.n_test": 2000})

#: Conditions that answer the most come first, so that a sweep that is stopped has them.
FIRST = (
    "no sleep",
    "sleep",
    "sleep of one second",
    "depression only",
    "own change, permuted within each unit",
    "no pairing: all count as silent",
    "white image",
    "pairing with an earlier step",
    "pairing with other units",
    "hidden layers only",
    "last layer only",
)


def in_order(conditions: tuple[Condition, ...]) -> list[Condition]:
    """Return conditions, those that answer the most first."""
    return sorted(conditions, key=lambda c: (*FIRST, c.name).index(c.name))


GRIDS = [
    Grid(
        name=name,
        protocol=protocol,
        conditions=in_order(conditions_of(constants, WHITE[data])),
        seeds=SEEDS,
        backend="cpp",
    )
    for name, protocol, constants, data in (
        ("sleep replay, MNIST", MNIST, OF_MNIST, "mnist"),
        ("sleep replay, Fashion-MNIST", FASHION_SMALL, OF_FASHION, "fashion"),
    )
]

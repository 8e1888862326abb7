r"""Two foraging tasks, sleep between them, and its controls, as a grid.

About 70 minutes of one core that has nothing else to do, by the cost of an epoch::

    .venv/bin/brainsleep sweep run studies/foraging.py --out results/foraging
    .venv/bin/brainsleep table results/foraging --grid studies/foraging.py \
        --drop 'set.*' --drop 'version.*' --drop data_fingerprint --out figures/paper/foraging.csv

Beside each share stands that of the same moves in fields that were not seen (``blind_``): without
it a share says little, as who always goes in one direction has up to 0.67.
"""

from __future__ import annotations

from brainsleep.protocols.foraging import conditions
from brainsleep.sweep.grid import Grid

#: Epochs of the first task, of what comes after it, and of each test.
TIMES = (5000, 4000, 750)
SEEDS = 3

GRIDS = [
    Grid(name="foraging", protocol="foraging", conditions=list(conditions(*TIMES)), seeds=SEEDS)
]

r"""Learning task after task, behind docs/continual.md, as grids.

After ``studies/variants.py`` has written the data::

    .venv/bin/brainsleep sweep run studies/continual.py --out results/continual
    .venv/bin/brainsleep table results/continual --grid studies/continual.py \
        --drop 'set.*' --drop 'version.*' --drop data_fingerprint --out figures/paper/continual.csv
"""

from __future__ import annotations

from reproduction import DATA, conditions, of

from brainsleep.run.compare import Condition
from brainsleep.sweep.grid import Grid

SEEDS = 3
TASKS = {"tasks.classes": ((0, 1), (2, 3), (4, 5), (6, 7), (8, 9))}

#: The competitive network, in which learning matters, on the same tasks. Naps are so frequent that
#: only every 25th is looked at.
COMPETITIVE = {
    **TASKS,
    "data.n_train": 2000,
    "data.n_readout": 500,
    "data.n_test": 500,
    "readout.label_counts": (),
    "record.weights_every": 0,
    "probes.images": 100,
    "probes.every": 25,
}
_NONE = {"schedule.sleep.fraction": 0.0}
COMPETITIVE_CONDITIONS = {
    "no homeostasis": _NONE,
    "scaled every image": {**_NONE, "schedule.wake.gates.normalise": 1},
    "naps": {},
    "mixed, naps": {"tasks.mixed": True},
    "rehearsal, naps": {"tasks.rehearsal": 1.0},
    "frozen weights": dict(of("competitive")["frozen weights"].changes),
}


def tasks(name: str, chosen: list[Condition], **more) -> Grid:
    """Make a grid over data sets."""
    over = {"data.source": tuple(DATA.values())}
    return Grid(name=name, conditions=chosen, over=over, seeds=SEEDS, **more)


#: Mixed images and rehearsal without sleep only. Every fifth sleep is looked at, from before and
#: after; `brainsleep run continual` looks at all.
LAYERED = [
    c for name, c in of("continual").items() if name not in ("mixed, sleep", "rehearsal, sleep")
]

GRIDS = [
    tasks(
        "sg_snn tasks",
        LAYERED,
        protocol="continual",
        model="sg_snn_decay",
        changes={"probes.every": 5},
    ),
    tasks(
        "competitive tasks",
        conditions(COMPETITIVE_CONDITIONS),
        protocol="competitive",
        changes=COMPETITIVE,
    ),
]

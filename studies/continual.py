r"""Learning task after task, behind docs/continual.md, as grids.

After ``studies/variants.py`` has written the data::

    .venv/bin/brainsleep sweep studies/continual.py --out results/continual
    .venv/bin/brainsleep table results/continual --grid studies/continual.py \
        --drop 'set.*' --drop 'version.*' --drop data_fingerprint --out figures/paper/continual.csv
"""

from __future__ import annotations

from reproduction import DATA, of

from brainsleep.compare import Condition
from brainsleep.grid import Grid

SEEDS = 3


def tasks(name: str, found: list[Condition], **more) -> Grid:
    """Make a grid over data sets."""
    over = {"data.source": tuple(DATA.values())}
    return Grid(name=name, conditions=found, over=over, seeds=SEEDS, **more)


#: Of the conditions with mixed images and rehearsal, those in which the network can learn: the
#: STDP network with sleep, the other without. Every third (fifth) sleep is looked at, from before
#: and after; `brainsleep run continual` looks at all.
_ALL = of("continual")
STDP = [c for name, c in _ALL.items() if name not in ("mixed, no sleep", "rehearsal, no sleep")]
LAYERED = [c for name, c in _ALL.items() if name not in ("mixed, sleep", "rehearsal, sleep")]

GRIDS = [
    tasks("stdp", STDP, protocol="continual", changes={"record.probe_every": 3}),
    tasks(
        "sg_snn tasks",
        LAYERED,
        protocol="continual",
        model="sg_snn",
        changes={"record.probe_every": 5},
    ),
]

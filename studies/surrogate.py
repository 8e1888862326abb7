r"""The surrogate-gradient network of the paper with and without sleep, as grids.

Part of docs/reproduction.md. After ``studies/variants.py`` has written the data::

    .venv/bin/brainsleep sweep studies/surrogate.py --out results/surrogate
    .venv/bin/brainsleep table results/surrogate --grid studies/surrogate.py \
        --drop 'set.*' --drop 'version.*' --drop data_fingerprint --out figures/paper/surrogate.csv
"""

from __future__ import annotations

from reproduction import DATA

from brainsleep.grid import Grid

FRACTION = "schedule.sleep.fraction"


def sweep(model: str, fractions: tuple[float, ...], seeds: int) -> Grid:
    """Vary how much the network sleeps."""
    return Grid(
        name=model,
        protocol="paper",
        model=model,
        over={FRACTION: fractions, "data.source": tuple(DATA.values())},
        seeds=seeds,
    )


GRIDS = [
    sweep("sg_snn", (0.0, 0.1, 0.2, 0.5, 1.0), 3),
    sweep("sg_snn_released", (0.0, 0.2, 1.0), 1),
]

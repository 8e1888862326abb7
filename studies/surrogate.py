r"""The surrogate-gradient network of the paper with and without sleep, as grids.

Part of docs/reproduction.md. After ``studies/variants.py`` has written the data::

    .venv/bin/brainsleep sweep studies/surrogate.py --out results/surrogate
    .venv/bin/brainsleep table results/surrogate --grid studies/surrogate.py \
        --drop 'set.*' --drop 'version.*' --drop data_fingerprint --out figures/paper/surrogate.csv
"""

from __future__ import annotations

from reproduction import DATA

from brainsleep.grid import Grid

#: Of the 8000 digits that there are 1000 are for testing; 54 whole batches an epoch.
FEW_DIGITS = {"data.n_train": 54 * 128, "data.n_readout": 88, "data.n_test": 1000}


def sweep(
    name: str, model: str, data: str, fractions: tuple[float, ...], seeds: int, **sizes: int
) -> Grid:
    """Vary how much a network sleeps."""
    return Grid(
        name=name,
        protocol="paper",
        model=model,
        changes={"data.source": DATA[data], **(FEW_DIGITS if data == "mnist" else {})},
        over={"schedule.sleep.fraction": fractions},
        seeds=seeds,
    )

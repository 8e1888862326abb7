r"""The surrogate-gradient network of the paper with and without sleep, as grids.

Part of docs/reproduction.md. After ``studies/variants.py`` has written the data::

    .venv/bin/brainsleep sweep run studies/surrogate.py --out results/surrogate
    .venv/bin/brainsleep table results/surrogate --grid studies/surrogate.py \
        --drop 'set.*' --drop 'version.*' --drop data_fingerprint --out figures/paper/surrogate.csv

``sg_snn`` is the authors' experiment: on all of Fashion-MNIST, and on the 8000 images of MNIST that
the study has. ``sg_snn_28`` is the same with images of 28x28 pixels; ``sg_snn_decay`` another
network with the sleep of the STDP network, which is not in the paper.
"""

from __future__ import annotations

from collections.abc import Mapping

from reproduction import DATA

from brainsleep.sweep.grid import Grid

FRACTIONS = (0.0, 0.1, 0.2, 0.5, 1.0)

#: Of the 8000 digits that there are 1000 are for testing; 54 whole batches an epoch.
FEW_DIGITS = {"data.n_train": 54 * 128, "data.n_readout": 88, "data.n_test": 1000}


def sweep(
    model: str,
    data: str,
    seeds: int,
    fractions: tuple[float, ...] = FRACTIONS,
    sizes: Mapping[str, int] | None = None,
) -> Grid:
    """Vary how much a network sleeps."""
    return Grid(
        name=model,
        protocol="paper",
        model=model,
        changes=sizes or {},
        over={"schedule.sleep.fraction": fractions, "data.source": (DATA[data],)},
        seeds=seeds,
    )


GRIDS = [
    sweep("sg_snn", "fashion-mnist", 5),
    sweep("sg_snn", "mnist", 5, sizes=FEW_DIGITS),
    sweep("sg_snn_28", "fashion-mnist", 2, (0.0, 1.0)),
    sweep("sg_snn_decay", "fashion-mnist", 3),
    sweep("sg_snn_decay", "mnist", 3),
]

"""Settings of the competitive network, tried on images and seeds that the study does not use.

    .venv/bin/python studies/search.py --mnist FILE.npz [--csv figures/paper/search.csv]

Runs train, fit and score on official training images only (MNIST: the images that are not the
study's test images), with seeds from 100 on. Every setting that was tried is in the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from runner import Row, parser, run_rows

from brainsleep.datasets import load_dataset, split

DATA = ("mnist", "fashion-mnist")
N_TEST = 1000  # test images of the study
N_KEPT = 7000  # images to search on
SEED = 100

NEURON = "network.populations.e.model"
STDP = "network.projections.input_e.rules.stdp_competitive"
SCALING = "network.projections.input_e.processes.scaling"
NORMALISE = "network.projections.input_e.processes.normalise"


def naps(images: int, fraction: float) -> dict:
    """Return a schedule: sleep after so many images."""
    return {"schedule.period": f"{0.25 * images}*second", "schedule.sleep.fraction": fraction}


def rows() -> Iterator[Row]:
    """Go through the settings that were tried, in the order in which they were."""
    for total in (None, 60.0, 100.0, 150.0):
        for images, fraction in ((4, 0.2), (4, 0.1), (1, 0.1), (16, 0.1)):
            yield from both(
                "1 input and naps",
                f"total {total}, every {images}, {fraction:.0%}",
                {"encoder.total": total, **naps(images, fraction)},
            )
    base = {"encoder.total": 150.0, **naps(1, 0.1)}
    one_by_one = {
        "as in 1": {},
        "total 250": {"encoder.total": 250.0},
        "inhibition 10": {"network.projections.inhibition.weights.low": 10.0},
        "inhibition 5": {"network.projections.inhibition.weights.low": 5.0},
        "inhibition 30": {"network.projections.inhibition.weights.low": 30.0},
        "summed input 110": summed_input(110),
        "summed input 160": summed_input(160),
        "theta 0.02 mV": {f"{NEURON}.theta_spike": "0.02*mV"},
        "theta 0.1 mV": {f"{NEURON}.theta_spike": "0.1*mV"},
        "theta 0.2 mV": {f"{NEURON}.theta_spike": "0.2*mV"},
        "lr 0.001": {f"{STDP}.lr": 0.001},
        "lr 0.005": {f"{STDP}.lr": 0.005},
        "a_minus 0": {f"{STDP}.a_minus": 0.0},
        "a_minus 0.2": {f"{STDP}.a_minus": 0.2},
        "tau_plus 10 ms": {f"{STDP}.tau_plus": "10*ms"},
        "tau_plus 40 ms": {f"{STDP}.tau_plus": "40*ms"},
        "tau_scaling 30 ms": {f"{SCALING}.tau_scaling": "30*ms"},
        "tau_scaling 400 ms": {f"{SCALING}.tau_scaling": "400*ms"},
    }
    for name, changes in one_by_one.items():
        yield from both("2 one by one", name, base | changes)
    for theta in (0.2, 0.4, 0.8):
        for total, inhibition in ((150.0, 17.5), (250.0, 17.5), (250.0, 10.0), (400.0, 17.5)):
            yield from both(
                "3 threshold and drive",
                f"theta {theta} mV, total {total:.0f}, inhibition {inhibition}",
                base
                | {
                    f"{NEURON}.theta_spike": f"{theta}*mV",
                    "encoder.total": total,
                    "network.projections.inhibition.weights.low": inhibition,
                },
            )


def summed_input(total: float) -> dict:
    """Return another baseline of each neuron's summed input, at the start and after sleep."""
    mean = total / 784
    return {
        "network.projections.input_e.weights.incoming_sum": total,
        f"{SCALING}.w_star": mean,
        f"{NORMALISE}.w_star": mean,
    }


def both(group: str, condition: str, changes: dict, seeds: tuple[int, ...] = (SEED,)) -> Iterator:
    """Make a setting's rows for both data sets."""
    for seed in seeds:
        for data in DATA:
            yield Row(group, condition, "competitive", data, seed, changes)


def keep_for_search(source: str, name: str, folder: Path) -> str:
    """Write the images that may be searched on to a file, once, and return its path."""
    path = folder / f"{name}.npz"
    if not path.exists():
        dataset = load_dataset(source)
        tested = split(dataset, 0, 0, N_TEST, np.random.default_rng(0)).test.index
        free = np.arange(len(dataset.labels))
        if not dataset.official_split:
            free = np.setdiff1d(free, tested)
        chosen = np.random.default_rng(0).permutation(free)[:N_KEPT]
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(path, images=dataset.images[chosen], labels=dataset.labels[chosen])
    return str(path)


def main() -> None:
    """Run what is missing from the table."""
    options = parser(__doc__.splitlines()[0], "figures/paper/search.csv").parse_args()
    folder = Path(options.out) / "data"
    sources = {
        name: keep_for_search(source, name, folder)
        for name, source in zip(DATA, (options.mnist, options.fashion), strict=True)
    }
    run_rows(rows(), sources, options)


if __name__ == "__main__":
    main()

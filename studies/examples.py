"""Runs looked at closely, one seed: weights, rasters, rates in sleep, receptive fields, responses.

    .venv/bin/python studies/examples.py [--out results/study] [--figures DIR]

A run that is in the folder of results already is not run again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from reproduction import DATA, FRACTION, SMALL

from brainsleep.experiment.protocol import load_protocol
from brainsleep.files.load import load_module
from brainsleep.results.store import Result
from brainsleep.run.simulate import simulate

#: One sleep with an image before and after it: slots 34 to 36.
_CLOSE = SMALL | {"record.weights_every": 35, "record.raster": (34, 37)}

RUNS = {
    "January, no sleep": ("paper_january", _CLOSE | {FRACTION: 0.0}),
    "no sleep": ("paper", _CLOSE | {FRACTION: 0.0}),
    "20 % sleep": ("paper", _CLOSE),
    "no homeostasis": ("competitive", {"schedule.sleep.fraction": 0.0}),
    "naps": ("competitive", {}),
}

#: By file: the figure and the runs it shows.
FIGURES = {
    "weights": ("weights", ("January, no sleep", "no sleep", "20 % sleep")),
    "histograms": ("histograms", ("January, no sleep", "no sleep", "20 % sleep")),
    "sleep_rates": ("sleep_rates", ("no sleep", "20 % sleep")),
    "raster": ("raster", ("20 % sleep",)),
    "similarity": ("similarity", ("no sleep", "20 % sleep", "no homeostasis", "naps")),
    "receptive_fields": ("receptive_fields", ("naps",)),
    "receptive_fields_none": ("receptive_fields", ("no homeostasis",)),
}


def main() -> None:
    """Run what is missing and draw every figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="results/study", help="folder of results")
    parser.add_argument("--figures", type=Path, default=Path("figures/paper"))
    arguments = parser.parse_args()
    results: dict[str, Result] = {}
    for name, (protocol, changes) in RUNS.items():
        changed = load_protocol(protocol).override({**changes, "data.source": DATA["mnist"]})
        results[name] = simulate(changed, seed=0, out=arguments.out)
        print(name, results[name].path, flush=True)
    arguments.figures.mkdir(parents=True, exist_ok=True)
    for file, (figure, names) in FIGURES.items():
        shown = [results[name] for name in names]
        drawing = load_module(figure, "figure").draw(shown, list(names))
        path = arguments.figures / f"{file}.png"
        drawing.savefig(path, dpi=200, metadata={"Software": None})
        print(path)


if __name__ == "__main__":
    main()

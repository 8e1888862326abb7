"""Draw the figures of docs/continual.md from the stored results that its table names.

.venv/bin/python studies/task_figures.py [--out results/continual] [--figures figures/paper]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from brainsleep.files.load import load_module
from brainsleep.results.store import read_result
from brainsleep.results.table import read

#: Figure of each grid by the end of its file name.
GRIDS = {
    "sg_snn tasks": "continual_sg_snn",
    "competitive tasks": "continual_competitive",
}


def main() -> None:
    """Draw every figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results/continual"))
    parser.add_argument("--figures", type=Path, default=Path("figures/paper"))
    arguments = parser.parse_args()
    table = read(Path("figures/paper/continual.csv"))

    def draw(figure: str, rows, file: str) -> None:
        results = [read_result(arguments.out / run_id) for run_id in rows["run_id"]]
        drawing = load_module(figure, "figure").draw(results, list(rows["condition"]))
        path = arguments.figures / f"{file}.png"
        drawing.savefig(path, dpi=200, metadata={"Software": None})
        print(path)

    for grid, file in GRIDS.items():
        draw("continual", table[table["grid"] == grid], file)


if __name__ == "__main__":
    main()

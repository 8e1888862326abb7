"""Time the paper's network on this checkout and on another one, in turns.

    git worktree add ../before COMMIT
    python -m benchmarks.against ../before
    python -m benchmarks.against ../before "wake, 60 Hz" --rounds 15

Both run with this interpreter, in processes of their own that take turns, in every other round in
reverse order. A round gives the ratio of this checkout's time to the other's; printed are the
median of the rounds, their quartiles and range, and the ratio of the best times.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from pathlib import Path

import numpy as np

from .ablation import COLUMNS, ROOT, timed

#: What lies beside the package and is imported as its part.
BESIDE = ("models", "protocols", "figures")


def copied(checkout: Path, folder: Path) -> Path:
    """Copy what is timed of a checkout, as one package, and its own ``benchmarks``."""
    if not (checkout / "brainsleep").is_dir():
        raise SystemExit(f"{checkout} has no folder brainsleep: give the root of a checkout")
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(checkout / "brainsleep", folder / "brainsleep", ignore=ignore)
    shutil.copytree(checkout / "benchmarks", folder / "benchmarks", ignore=ignore)
    for name in BESIDE:
        shutil.copytree(checkout / name, folder / "brainsleep" / name, ignore=ignore)
    return folder


def order(names: list[str], turn: int) -> list[str]:
    """Return who comes when in a round."""
    return names[::-1] if turn % 2 else names


def line(column: str, this: list[float], other: list[float]) -> str:
    """Return a line of the table: times in ms per biological second, and their ratios."""
    ratios = [mine / theirs for mine, theirs in zip(this, other, strict=True)]
    low, lower, middle, upper, high = np.quantile(ratios, (0, 0.25, 0.5, 0.75, 1))
    cells = [column, f"{statistics.median(other):.3f}", f"{statistics.median(this):.3f}"]
    cells += [f"**{middle:.3f}**", f"{lower:.3f} to {upper:.3f}", f"{low:.3f} to {high:.3f}"]
    return "| " + " | ".join([*cells, f"{min(this) / min(other):.3f}"]) + " |"


def main() -> None:
    """Time both checkouts and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("other", type=Path, help="root of the other checkout")
    parser.add_argument("columns", nargs="*", choices=[[], *COLUMNS], metavar="COLUMN")
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    print("| | other, ms/s | this, ms/s | ratio | quartiles | range | of the best |")
    print("|---|" + "---:|" * 6, flush=True)
    with tempfile.TemporaryDirectory(prefix="brainsleep-benchmark-") as name:
        folder = Path(name)
        roots = {"this": ROOT, "other": given.other.resolve()}
        packages = {name: copied(root, folder / name) for name, root in roots.items()}
        for column in given.columns or COLUMNS:
            took: dict[str, list[float]] = {name: [] for name in packages}
            for name, package in packages.items():  # compiles
                timed(package, folder / f"cache-{name}", COLUMNS[column])
            for turn in range(given.rounds):
                for name in order(list(packages), turn):
                    cache = folder / f"cache-{name}"
                    took[name].append(timed(packages[name], cache, COLUMNS[column]))
            print(line(column, took["this"], took["other"]), flush=True)


if __name__ == "__main__":
    main()

"""``python -m tests.faults --kills 100 --mutations 200``: the whole fault suite."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from .kills import Trials
from .mutations import Mutations


def main() -> int:
    """Run the suite, print its tables, and return 1 if anything was not as promised."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="random kills")
    parser.add_argument("--mutations", type=int, default=200, help="damaged files")
    parser.add_argument("--seed", type=int, default=0, help="of everything random")
    asked = parser.parse_args()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="brainsleep-faults-") as folder:
        for part in ("files", "kills"):  # with a cache each: one of them has a damaged program
            (Path(folder) / part).mkdir()
        if asked.mutations:
            found = Mutations(Path(folder) / "files", asked.seed).run(asked.mutations)
            table(("file", "outcome", "files"), found.outcomes)
            wrong += found.problems
        if asked.kills:
            tally = Trials(Path(folder) / "kills", asked.seed).run(asked.kills)
            table(("command", "how far it was", "kills"), tally.kills)
            print(
                f"\n{sum(tally.kills.values())} kills, {tally.ends} commands brought to their end"
            )
            wrong += tally.problems
    print(f"{len(wrong)} problems", *wrong, sep="\n")
    return 1 if wrong else 0


def table(columns: tuple[str, str, str], counts: Mapping[tuple[str, str], int]) -> None:
    """Print counts as a table in Markdown."""
    print(f"\n| {' | '.join(columns)} |\n|---|---|---|")
    for (one, other), n in sorted(counts.items()):
        print(f"| {one} | {other} | {n} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""The same network on this package, on its peers, and on a hand-written program, in one run.

    python -m benchmarks.speed                        # everything: about an hour on two cores
    python -m benchmarks.speed --sizes 200+50 --peers "brainsleep cpp" NEST
    python -m benchmarks.speed --sizes 6400+1600 --drives high --rounds 1
    python -m benchmarks.speed --nest PYTHON --annarchy PYTHON   # of other environments
    python -m benchmarks.speed --report               # tables and figure of what was measured

Every row is measured in a process of its own, one at a time. The fast ones take turns in several
rounds, so that a slow minute of the machine does not fall on one of them. At 6400+1600 neurons only
`LARGE` are measured unless others are asked for. Results go to ``benchmarks/speed.json`` after
every cell; rows that are not run stay.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import Console

from brainsleep.backends.cpp.build import describe_compiler

from .networks import DRIVES, SIZES
from .peers import OURS, PEERS, TWO, absent, add_interpreters, compared
from .report import FLOOR, draw, tables

RESULTS = Path(__file__).parent / "speed.json"

#: Simulators that take turns, and the rounds they take.
FAST = (
    *(FLOOR, f"{FLOOR}, double", OURS, f"{OURS}, float32", OURS + TWO),
    *("textbook Brian2 C++", "textbook Brian2 C++" + TWO),
)
ROUNDS = 3

#: Simulators of the largest size; the others take minutes a repeat.
LARGE = (*FAST, "NEST", "NEST" + TWO, "ANNarchy", "ANNarchy" + TWO)


def machine() -> dict:
    """Describe the machine and the versions."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    about = {"processor": model, "cores": os.cpu_count(), "system": platform.system()}
    about |= {"python": platform.python_version(), "compiler": describe_compiler()}
    for package in ("brian2", "numpy", "nest-simulator", "bindsnet"):
        try:
            about[package] = version(package)
        except PackageNotFoundError:
            about[package] = "absent"
    return about


def measure(peer: str, size: str, drive: str, given: argparse.Namespace, cache: str) -> dict:
    """Measure one row in a process of its own."""
    repeats = 2 if size == "6400+1600" else 3 if peer in FAST else 5
    command = [sys.executable, "-m", "benchmarks.peers", peer, size, drive]
    command += ["--repeats", str(repeats), "--cache", cache]
    command += ["--nest", given.nest, "--annarchy", given.annarchy]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"wall"')]
    if done.returncode or not lines:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return {"error": last}
    return json.loads(lines[-1])


def begun(path: Path) -> dict:
    """Return what was measured so far, on this machine: other rows are not comparable."""
    results = json.loads(path.read_text()) if path.exists() else {}
    return results if results.get("machine") == machine() else {"machine": machine(), "rows": {}}


def save(results: dict, path: Path) -> None:
    """Write what was measured in one step."""
    temporary = path.with_suffix(".writing")
    temporary.write_text(json.dumps(results, indent=1) + "\n")
    temporary.replace(path)


def merged(rows: list[dict]) -> dict:
    """Join what the rounds of one row gave; of the builds the first is cold, the last is warm."""
    good = [row for row in rows if "wall" in row]
    if not good:
        return rows[0]
    whole = dict(good[-1])
    whole["wall"] = [value for row in good for value in row["wall"]]
    whole["builds"] = [row["build"] for row in good]
    whole["rounds"] = [statistics.median(row["wall"]) for row in good]
    return whole


def taken(peers: list[str] | None, size: str) -> list[str]:
    """Return who is measured at a size: those asked for, the floor, and ours beside them."""
    wanted = set(peers or (LARGE if size == "6400+1600" else PEERS))
    wanted |= {FLOOR, *(compared(peer) for peer in wanted)}
    return [peer for peer in PEERS if peer in wanted]


def run(given: argparse.Namespace, console: Console) -> None:
    """Measure all rows and write them after each cell."""
    results = begun(RESULTS)
    reasons = {peer: absent(peer, given) for peer in given.peers or PEERS}
    results["absent"] = {peer: reason for peer, reason in reasons.items() if reason}
    with tempfile.TemporaryDirectory(prefix="brainsleep-benchmark-") as cache:
        for size in given.sizes:
            peers = [p for p in taken(given.peers, size) if p not in results["absent"]]
            for drive in given.drives:
                cell(results, (size, drive), peers, given, cache, console)
                save(results, RESULTS)


def cell(results, where, peers: list[str], given, cache: str, console: Console) -> None:
    """Measure one size at one drive, in rounds."""
    size, drive = where
    rows: dict[str, list[dict]] = {}
    for turn in range(given.rounds or (1 if size == "6400+1600" else ROUNDS)):
        for peer in peers:
            if turn and peer not in FAST:
                continue
            row = measure(peer, size, drive, given, cache)
            if peer == "brainsleep cython" and row.get("build", 0) > 10:
                # a process that has just compiled it all is slow until it ends
                row = measure(peer, size, drive, given, cache) | {"build": row["build"]}
            rows.setdefault(peer, []).append(row)
            text = row.get("error") or f"{1e3 * statistics.median(row['wall']):.4g}"
            console.print(f"{size} {drive} {peer}: {text}", highlight=False)
    for peer, one_row in rows.items():
        results["rows"][f"{size}|{drive}|{peer}"] = merged(one_row)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--drives", nargs="+", choices=DRIVES, default=list(DRIVES))
    parser.add_argument("--peers", nargs="+", choices=PEERS, metavar="PEER", help="; ".join(PEERS))
    parser.add_argument("--rounds", type=int, help="of the fast ones")
    add_interpreters(parser)
    parser.add_argument("--report", action="store_true", help="measure nothing")
    args = parser.parse_args()
    console = Console()
    if not args.report:
        run(args, console)
    results = json.loads(RESULTS.read_text())
    console.print(tables(results), highlight=False, markup=False)
    console.print(draw(results))


if __name__ == "__main__":
    main()

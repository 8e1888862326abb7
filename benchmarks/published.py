"""Published networks on this package, on its peers and on a hand-written program, side by side.

    python -m benchmarks.published                    # all networks and peers
    python -m benchmarks.published COBA --rounds 9 --seconds 10
    python -m benchmarks.published "Brunel, STDP" --peers ANNarchy "ANNarchy, two threads"
    python -m benchmarks.published --nest PYTHON --annarchy PYTHON   # of other environments
    python -m benchmarks.published --report           # tables of what was measured

All run the same graph from the same start, on one thread or on two, in processes of their own that
take turns: in every other round in reverse order. What counts is wall time per biological second
once everything is built: of Brian2 what its device reports of its run, of this package a call of
``advance``, with the state that goes in and out, and of NEST and ANNarchy a call that simulates,
after 100 ms. What is slow runs fewer biological seconds, and once a round. A time counts if the
rate is ours within `TOLERANCE`.

Brian2's scripts are in ``benchmarks/published_brian.py``, NEST's in ``nest_published.py``, and
ANNarchy's in ``annarchy_published.py``. NEST is that of this environment (extra ``bench``), of
``--nest`` or of the environment variable ``NEST_PYTHON``; ANNarchy that of ``--annarchy`` or
``ANNARCHY_PYTHON``. Results go to ``benchmarks/published.json`` after every round; those of
networks that are not run stay.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

from .against import order
from .peers import OURS, absent, add_interpreters, answer, compared
from .published_networks import FEWER, NETWORKS, seconds, size
from .published_peers import PEERS
from .speed import begun, save

RESULTS = Path(__file__).parent / "published.json"

#: Largest difference of a rate from ours, relative, with which a time counts.
TOLERANCE = 0.05


def measured(peer: str, name: str, given: argparse.Namespace, cache: Path) -> dict:
    """Measure one peer in a process of its own."""
    slow = any(peer.startswith(begin) for begin in FEWER) and name != "CUBA"
    once = slow or name == "Brunel, STDP"
    command = [sys.executable, "-m", "benchmarks.published", name, "--peer", peer]
    command += ["--seconds", str(given.seconds or seconds(name, peer)), "--cache", str(cache)]
    command += ["--repeats", str(1 if once else given.repeats)]
    return answer([*command, "--nest", given.nest, "--annarchy", given.annarchy])


def rate(name: str, rows: list[dict]) -> float:
    """Return the mean rate in Hz of all neurons."""
    spikes = statistics.mean(value for row in rows for value in row["spikes"])
    return spikes / size(NETWORKS[name])


def agree(mine: float, theirs: float) -> bool:
    """Tell whether two rates are the same activity."""
    return abs(theirs - mine) <= TOLERANCE * mine


def table(results: dict) -> str:
    """Return the medians as tables, one a network, and what share ours is of each."""
    facts = results["machine"].items()
    about = ", ".join(f"{key} {value}" for key, value in facts if value != "absent")
    lines = [f"Measured on {about}; load at the start {results['load']:.1f}"]
    for name in filter(results["rows"].get, NETWORKS):
        found = results["rows"][name]
        plastic = any("change" in row for rows in found.values() for row in rows)
        lines += ["", f"### {name}", ""]
        lines += ["| simulator | rate, Hz | ms/s | range | compared with | ours over it | range |"]
        lines += ["|---|" + "---:|" * 3 + "---|" + "---:|" * 2]
        if plastic:
            lines[-2] += " weight change, nV/s |"
            lines[-1] += "---:|"
        for peer in filter(found.get, PEERS):
            cells = _cells(name, peer, found)
            if plastic:
                cells.append(_change(found[peer]))
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cells(name: str, peer: str, found: dict) -> list[str]:
    rows, own = found[peer], found.get(compared(peer), [])
    cells = [f"{peer} {rows[0].get('version', '')}".strip(), f"{rate(name, rows):.2f}"]
    if not agree(rate(name, found[OURS]), rate(name, rows)):
        return [*cells, "another rate: does not count", "", "", "", ""]
    wall = [1e3 * value for row in rows for value in row["wall"]]
    cells += [f"{statistics.median(wall):.3g}", _range(wall)]
    ratios = [
        statistics.median(mine["wall"]) / statistics.median(theirs["wall"])
        for mine, theirs in zip(own, rows, strict=False)
    ]
    if not ratios or compared(peer) == peer:
        return [*cells, "", "", ""]
    return [*cells, compared(peer), f"{statistics.median(ratios):.3g}", _range(ratios)]


def _change(rows: list[dict]) -> str:
    """Return by how much the mean of the plastic weights (mV) changed in a second."""
    changes = [value for row in rows for value in row.get("change", ())]
    return f"{1e6 * statistics.mean(changes):.3g}" if changes else ""


def _range(values: list[float]) -> str:
    return f"{min(values):.3g} to {max(values):.3g}"


def with_ours(peers: list[str]) -> list[str]:
    """Return peers, and before them those of ours that they are compared with."""
    wanted = {OURS, *peers, *(compared(peer) for peer in peers)}
    return [peer for peer in PEERS if peer in wanted]


def run(given: argparse.Namespace, cache: Path) -> None:
    """Measure the networks in rounds and write what was measured after every round."""
    results = begun(RESULTS)
    results["load"] = os.getloadavg()[0]
    reasons = {peer: absent(peer, given) for peer in with_ours(given.peers)}
    for peer in filter(reasons.get, reasons):
        print(f"{peer}: skipped, {reasons[peer]}")
    peers = [peer for peer in reasons if not reasons[peer]]
    for name in given.networks or NETWORKS:
        rows: dict[str, list[dict]] = {peer: [] for peer in peers}
        for turn in range(given.rounds):
            for peer in order(peers, turn):
                rows[peer].append(measured(peer, name, given, cache))
                took = statistics.median(rows[peer][-1]["wall"])
                print(f"{name}, round {turn + 1}, {peer}: {1e3 * took:.4g} ms/s", flush=True)
            results["rows"][name] = rows
            save(results, RESULTS)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", choices=[[], *NETWORKS], metavar="NETWORK")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--peers", nargs="+", choices=PEERS, default=list(PEERS), metavar="PEER",
        help="these, and those of ours that they are compared with: " + "; ".join(PEERS),
    )  # fmt: skip
    parser.add_argument("--repeats", type=int, default=3, help="of a process; what is slow has one")
    parser.add_argument("--seconds", type=float, help="biological seconds of a repeat")
    add_interpreters(parser)
    parser.add_argument("--report", action="store_true", help="measure nothing")
    parser.add_argument("--peer", choices=PEERS, help=argparse.SUPPRESS)
    parser.add_argument("--cache", type=Path, help="folder that keeps what was compiled")
    given = parser.parse_args()
    if given.peer:
        print(json.dumps(PEERS[given.peer](given.networks[0], given)))
        return
    if not given.report:
        with tempfile.TemporaryDirectory(prefix="brainsleep-benchmark-") as folder:
            run(given, given.cache or Path(folder))
    print(table(json.loads(RESULTS.read_text())))


if __name__ == "__main__":
    main()

"""Tables and figure of what ``benchmarks.speed`` measured."""

from __future__ import annotations

import statistics
from pathlib import Path

from matplotlib.ticker import NullLocator

from brainsleep.figures import _style as style

from .networks import DRIVES, SIZES
from .peers import PEERS, compared

FIGURE = Path(__file__).parents[1] / "docs" / "images" / "speed.png"
FLOOR = "hand-written C++"

#: Colour (of Okabe and Ito) and dash of every line.
_LOOKS = {
    "hand-written C++": ("#000000", ":"),
    "hand-written C++, double": ("#000000", "--"),
    "brainsleep cpp": ("#0072B2", "-"),
    "brainsleep cpp, float32": ("#0072B2", "--"),
    "brainsleep cpp, two threads": ("#0072B2", "-."),
    "brainsleep cython": ("#56B4E9", "-"),
    "brainsleep numpy": ("#56B4E9", "--"),
    "textbook Brian2 C++": ("#D55E00", "-"),
    "textbook Brian2 Cython": ("#D55E00", "--"),
    "the same, a run() an image": ("#D55E00", ":"),
    "textbook Brian2 C++, two threads": ("#D55E00", "-."),
    "NEST": ("#009E73", "-"),
    "NEST, two threads": ("#009E73", "-."),
    "ANNarchy": ("#E69F00", "-"),
    "ANNarchy, two threads": ("#E69F00", "-."),
    "BindsNET": ("#CC79A7", "--"),
}


def row(results: dict, size: str, drive: str, peer: str) -> dict | None:
    """Return one row of the results, or None if it was not measured."""
    measured = results["rows"].get(f"{size}|{drive}|{peer}")
    return measured if measured and "wall" in measured else None


def wall_ms(measured: dict) -> float:
    """Return the median of the repeats in ms of wall time per biological second."""
    return 1e3 * statistics.median(measured["wall"])


def tables(results: dict) -> str:
    """Write one Markdown table a size, and the machine."""
    machine = results["machine"]
    lines = ["Measured on " + ", ".join(f"{k} {v}" for k, v in machine.items() if v != "absent")]
    lines += [f"{peer}: absent, {reason}" for peer, reason in results["absent"].items()]
    for size in SIZES:
        lines += ["", f"### {size} neurons, {SIZES[size].side ** 2} inputs", ""]
        columns = [f"{hz} Hz: ms/s | x floor | ours over it" for hz in DRIVES.values()]
        columns += ["Mevents/s", "peak MB", "build s, cold", "warm"]
        lines += ["| | " + " | ".join(columns) + " |", "|---|" + "---:|" * 10]
        lines += [_line(results, size, peer) for peer in PEERS]
    return "\n".join(line for line in lines if line is not None)


def floor_of(peer: str, results: dict, size: str, drive: str) -> str:
    """Return the floor of a peer's precision: most compute in double precision."""
    single = peer == FLOOR or "float32" in peer
    double = f"{FLOOR}, double"
    return FLOOR if single or row(results, size, drive, double) is None else double


def ratio(one: dict, other: dict) -> float:
    """Return the ratio of two times: the median of the rounds, or that of all repeats."""
    rounds = zip(one.get("rounds", ()), other.get("rounds", ()), strict=False)
    ratios = [mine / theirs for mine, theirs in rounds]
    return statistics.median(ratios) if ratios else wall_ms(one) / wall_ms(other)


def _line(results: dict, size: str, peer: str) -> str | None:
    cells = [peer]
    last = None
    for drive in DRIVES:
        names = (peer, floor_of(peer, results, size, drive), compared(peer))
        measured, floor, own = (row(results, size, drive, name) for name in names)
        if measured is None:
            cells += ["-", "-", "-"]
            continue
        last = measured
        cells.append(
            f"{wall_ms(measured):.3g}" if wall_ms(measured) < 1000 else f"{wall_ms(measured):.0f}"
        )
        cells.append(f"{ratio(measured, floor):.2f}" if floor else "-")
        cells.append(f"{ratio(own, measured):.3g}" if own and compared(peer) != peer else "-")
    if last is None:
        return None
    low = row(results, size, "low", peer)
    builds = [each["builds"] for each in (low, last) if each]
    cells += [f"{last['events'] / wall_ms(last) / 1e3:.0f}", f"{last['memory']:.0f}"]
    cells += [f"{builds[0][0]:.1f}", f"{builds[-1][-1]:.2f}"]
    return "| " + " | ".join(cells) + " |"


def draw(results: dict) -> Path:
    """Draw wall time against the size of the network, one panel a drive."""
    neurons = {name: size.n_e + size.n_i for name, size in SIZES.items()}
    with style.figure(height=3.1) as figure:
        panels = figure.subplots(1, 2, sharey=True)
        for axes, (drive, rate) in zip(panels, DRIVES.items(), strict=True):
            for peer, (colour, dash) in _LOOKS.items():
                measured = {n: row(results, size, drive, peer) for size, n in neurons.items()}
                measured = {n: wall_ms(each) for n, each in measured.items() if each}
                look = {"color": colour, "marker": "o", "label": peer if measured else None}
                axes.plot(measured.keys(), measured.values(), dash, **look)
            axes.axhline(1000, color=style.REFERENCE, linewidth=0.7, zorder=0)
            axes.set(xscale="log", yscale="log", xlabel="neurons")
            axes.set_title(f"excitatory neurons at about {rate} Hz")
            axes.set_xticks(list(neurons.values()), [str(n) for n in neurons.values()])
            axes.xaxis.set_minor_locator(NullLocator())
        panels[0].set_ylabel("wall time per biological second (ms)")
        panels[0].text(neurons["200+50"], 1080, "real time", color=style.REFERENCE, va="bottom")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center")
    FIGURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(FIGURE)
    return FIGURE

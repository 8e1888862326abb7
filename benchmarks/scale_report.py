"""Table and figure of what ``benchmarks.scale`` measured."""

from __future__ import annotations

import statistics
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator

from brainsleep.figures import _style as style

FIGURE = Path(__file__).parents[1] / "docs" / "images" / "scale.png"

THREADS = (1, 2)


def wall(row: dict, threads: int) -> float:
    """Return seconds a biological second."""
    return statistics.median(row[f"threads_{threads}"]["wall"])


def events(row: dict, threads: int) -> float:
    """Return synaptic events per biological second."""
    return statistics.mean(row[f"threads_{threads}"]["events"])


def _stages(row: dict) -> list[str]:
    first = row["threads_1"]
    times = [row["make"], row["wire"], first["build"], first["start"], first["call"]]
    return [f"{each:.3g}" for each in (*times, row["write"], row["read"])]


def _running(row: dict) -> list[str]:
    one, two = (wall(row, threads) for threads in THREADS)
    per = 1e9 * one / events(row, 1)
    cells = [f"{row['rate_e']:.1f}", f"{row['cv_e']:.2f}", f"{one:.3g}", f"{two:.3g}"]
    return [*cells, f"{one / two:.2f}", f"{events(row, 1) / one / 1e6:.0f}", f"{per:.2f}"]


def _memory(row: dict) -> list[str]:
    memory, synapses = row["memory"], row["synapses"] / 1e6
    state, python = memory["drawing"], memory["python"] - memory["before"]
    each = [f"{value / synapses:.1f}" for value in (state, python)]
    each += [f"{memory[kind] / synapses:.1f}" for kind in ("program", "files")]
    return [
        *each,
        f"{memory['python']:.0f}",
        f"{memory['program']:.0f}",
        f"{memory['together']:.0f}",
    ]


_TABLES = {
    "Seconds of every stage": (
        _stages,
        "network made | wired | built | first step | a call | checkpoint written | read",
    ),
    "Seconds a biological second": (
        _running,
        "E, Hz | CV | one thread | two | one over two | Mevents/s | ms a Mevent",
    ),
    "Memory at most, bytes a synapse and MB": (
        _memory,
        "drawing | Python | program | files | Python, MB | program, MB | together, MB",
    ),
}


def table(results: dict) -> str:
    """Write Markdown tables, a row a size."""
    machine = results["machine"]
    lines = ["Measured on " + ", ".join(f"{k} {v}" for k, v in machine.items() if v != "absent")]
    rows = dict(sorted(results["rows"].items(), key=lambda item: item[1]["neurons"]))
    for title, (cells, heads) in _TABLES.items():
        lines += ["", f"### {title}", "", f"| neurons | synapses | {heads} |"]
        lines += ["|" + "---:|" * (3 + heads.count("|"))]
        for name, row in rows.items():
            neurons, weights, precision = name.split("|")
            kind = "".join(f", {k}" for k in (weights, precision) if k not in ("equal", "float64"))
            own = [f"{neurons}{kind}", f"{row['synapses']:.3g}", *cells(row)]
            lines.append("| " + " | ".join(own) + " |")
    return "\n".join(lines)


def draw(results: dict) -> Path:
    """Draw wall time and memory against the size of the network."""
    rows = [row for name, row in results["rows"].items() if name.endswith("|equal|float64")]
    rows.sort(key=lambda row: row["neurons"])
    with style.figure(height=3.0) as figure:
        times, room = figure.subplots(1, 2)
        colours = style.CONDITIONS
        neurons = [row["neurons"] for row in rows]
        for threads, colour, text in zip(
            THREADS, colours, ("one thread", "two threads"), strict=False
        ):
            walls = [wall(row, threads) for row in rows]
            times.plot(neurons, walls, "o-", color=colour, label=text)
        times.axhline(1, color=style.REFERENCE, linewidth=0.7, zorder=0)
        times.text(neurons[0], 1.1, "real time", color=style.REFERENCE, va="bottom")
        times.set_ylabel("wall time per biological second (s)")
        kinds = {
            "together": "all",
            "program": "C++ program",
            "python": "Python",
            "files": "files between them",
        }
        for (kind, text), colour in zip(kinds.items(), colours, strict=False):
            room.plot(
                neurons, [row["memory"][kind] / 1e3 for row in rows], "o-", color=colour, label=text
            )
        room.set_ylabel("memory at most (GB)")
        for axes in (times, room):
            _sizes(axes, rows)
            axes.legend(loc="lower right")
    FIGURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(FIGURE)
    return FIGURE


def _sizes(axes: Axes, rows: list[dict]) -> None:
    """Have an axis of neurons, with their synapses below."""
    axes.set(xscale="log", yscale="log", xlabel="neurons, and their synapses")
    texts = [f"{_spaced(row['neurons'])}\n{_power(row['synapses'])}" for row in rows]
    axes.set_xticks([row["neurons"] for row in rows], texts)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, place: f"{value:g}"))


def _power(number: int) -> str:
    """Write a number with one digit and a power of ten."""
    digit, _, power = f"{number:.0e}".partition("e")
    return f"${'' if digit == '1' else digit + r'\cdot '}10^{int(power)}$"


def _spaced(number: int) -> str:
    """Write a number of five digits or more in groups of three."""
    return f"{number:,}".replace(",", " ") if number >= 10_000 else str(number)

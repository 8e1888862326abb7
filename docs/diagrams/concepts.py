"""Draw the diagrams of docs/concepts.md: ``python docs/diagrams/concepts.py``.

Both are SVG with text as text. They have a light background of their own, so that they read alike
on light and dark pages.
"""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from brainsleep.figures._style import CONDITIONS, REFERENCE, figure, shade_sleep

IMAGES = Path(__file__).parents[1] / "images"
BOX, KEY_BOX = "#EEF2F8", "#DCEBE4"  # data, and the one function in the middle

#: Slots of the timeline: name, kind, length in s.
SLOTS = [(f"image {k}", "wake", 1.0) for k in range(4)] + [("sleep", "sleep", 1.6)]
SLOTS += [(f"image {k}", "wake", 1.0) for k in range(4, 6)]
TESTS = [("image 0", "test", 1.0), ("image 1", "test", 1.0)]

#: Gates in the phases of the paper's schedule.
GATES = {
    "input": {"wake": 1, "test": 1},
    "plasticity": {"wake": 1, "sleep": 1},
    "noise": {"sleep": 1},
    "decay": {"sleep": 1},
}


def box(axes: Axes, x: float, y: float, width: float, text: str, colour: str = BOX) -> None:
    """Draw a box with `text`, its left edge at `x`, its middle at `y`."""
    height = 0.62
    axes.add_patch(
        FancyBboxPatch(
            (x, y - height / 2),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=0.08",
            facecolor=colour,
            edgecolor=REFERENCE,
            linewidth=0.8,
        )
    )
    axes.text(x + width / 2, y, text, ha="center", va="center", linespacing=1.35)


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw an arrow."""
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=9,
            color=REFERENCE,
            linewidth=1,
            shrinkA=1,
            shrinkB=1,
        )
    )


def data_flow() -> None:
    """Draw what goes where in a run."""
    with figure("double", 2.5) as drawing:
        axes = drawing.add_subplot()
        axes.set(xlim=(0, 10), ylim=(0, 3.57))
        axes.axis("off")
        top, middle, bottom = 3.0, 1.95, 0.75
        box(axes, 0.15, top, 1.75, "data set\nimages, labels")
        box(axes, 0.15, middle, 1.75, "encoder\nimage to rates")
        box(axes, 2.35, top, 1.9, "schedule\nphases, gates")
        box(axes, 2.35, middle, 1.9, "segment\nslots of time")
        box(axes, 4.75, middle, 2.2, "advance\n(state, segment, seed)", KEY_BOX)
        box(axes, 4.75, top, 2.2, "network\nequations, parameters")
        box(axes, 4.75, bottom, 2.2, "state\nweights, variables")
        box(axes, 7.45, middle, 2.4, "recording\nspike counts, spikes")
        box(axes, 7.45, bottom, 2.4, "result\na folder named by a hash")
        edge = 0.31
        arrow(axes, (1.02, top - edge), (1.02, middle + edge))
        arrow(axes, (1.9, middle), (2.35, middle))
        arrow(axes, (3.3, top - edge), (3.3, middle + edge))
        arrow(axes, (4.25, middle), (4.75, middle))
        arrow(axes, (5.85, top - edge), (5.85, middle + edge))
        arrow(axes, (6.95, middle), (7.45, middle))
        arrow(axes, (5.35, middle - edge), (5.35, bottom + edge))
        arrow(axes, (6.35, bottom + edge), (6.35, middle - edge))
        arrow(axes, (8.65, middle - edge), (8.65, bottom + edge))
        arrow(axes, (6.95, bottom), (7.45, bottom))
        axes.text(5.98, (top + middle) / 2, "compiled once", va="center", color=REFERENCE)
        between = (middle + bottom) / 2
        axes.text(5.85, between, "again\nand again", va="center", ha="center", color=REFERENCE)
        axes.text(8.78, between, "readout, metrics", va="center", color=REFERENCE)
        save(drawing, "concepts_flow.svg", "A run: data, schedule and network meet in advance()")


def timeline() -> None:
    """Draw gates and summed weight over a few images, a sleep and a test."""
    parts = [*SLOTS, ("", "gap", 0.5), *TESTS]
    ends = np.cumsum([length for *_, length in parts])
    starts = ends - [length for *_, length in parts]
    with figure("double", 2.9) as drawing:
        axes = drawing.add_subplot()
        sleeps = [(s, e) for s, e, p in zip(starts, ends, parts, strict=True) if p[1] == "sleep"]
        shade_sleep(axes, sleeps)
        rows = {"slots": 5.7, **{gate: 4.4 - k for k, gate in enumerate(GATES)}}
        for start, end, (name, kind, _) in zip(starts, ends, parts, strict=True):
            if kind != "gap":
                axes.plot(
                    [start, start, end, end], [5.35, 6.05, 6.05, 5.35], color=REFERENCE, lw=0.7
                )
                axes.text((start + end) / 2, 5.7, name, ha="center", va="center", fontsize=7)
            for k, (gate, opened) in enumerate(GATES.items()):
                level = rows[gate] - 0.3
                if opened.get(kind):
                    span = (start, end - start)
                    axes.broken_barh([span], (level, 0.6), color=CONDITIONS[(1, 2, 4, 0)[k]])
                elif kind != "gap":
                    axes.plot([start, end], [level, level], color=REFERENCE, lw=0.7)
        time, weight = summed_weight(parts, starts, ends)
        gap = len(SLOTS)  # between training and test nothing runs
        weight[(time > starts[gap]) & (time < ends[gap])] = np.nan
        axes.plot(time, 0.75 * weight - 0.65, color="black")
        axes.set_yticks([*rows.values(), 0.0])
        axes.set_yticklabels([*(r if r == "slots" else f"{r} gate" for r in rows), "summed weight"])
        axes.tick_params(left=False)
        axes.spines["left"].set_visible(False)
        axes.set(xlim=(0, ends[-1]), ylim=(-0.75, 7.0), xlabel="time (s)")
        for first, last, text in ((0, 3, "wake"), (4, 4, "sleep"), (5, 6, "wake"), (8, 9, "test")):
            x = (starts[first] + ends[last]) / 2
            axes.text(x, 6.55, text, ha="center", va="center", fontweight="bold")
        save(drawing, "concepts_timeline.svg", "Gates in wake, sleep and test, slot by slot")


def summed_weight(
    parts: list[tuple[str, str, float]], starts: np.ndarray, ends: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return a sketch of the summed weight: it grows awake, decays asleep, rests in the test."""
    time = np.linspace(0, ends[-1], 800)
    slopes = {"wake": 0.18, "sleep": -0.42, "test": 0.0, "gap": 0.0}
    slope = np.zeros_like(time)
    for start, end, (_, kind, _) in zip(starts, ends, parts, strict=True):
        slope[(time >= start) & (time < end)] = slopes[kind]
    weight = 0.5 + np.cumsum(slope) * (time[1] - time[0])
    return time, weight


def save(drawing: Figure, name: str, title: str) -> None:
    """Write an SVG that is the same every time."""
    drawing.savefig(IMAGES / name, metadata={"Date": None, "Title": title})


if __name__ == "__main__":
    matplotlib.rcParams["svg.hashsalt"] = "brainsleep"
    data_flow()
    timeline()

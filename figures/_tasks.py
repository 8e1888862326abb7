"""How figures name and draw conditions of learning task after task, and the tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from brainsleep.errors import FigureError, explain
from brainsleep.results.result import Result

from . import _style as style
from ._read import Condition
from ._seeds import MARKERS, Run, groups_of

if TYPE_CHECKING:
    from brainsleep.experiment.protocol import Protocol

#: Gates that a sleep opens and that change no weight by themselves; the others are processes.
ACTIVITY = ("input", "plasticity", "noise", "spontaneous", "slow")

#: The ways of learning, in the order in which figures show them.
WAYS = ("", "mixed", "rehearsal", "frozen")

#: What happens between wakes, in the order in which figures show them.
OFFLINE = ("no sleep", "sleep", "rest", "normalise only")


def way(protocol: Protocol) -> str:
    """Return how images were learned: one of `WAYS`, "" for one task after the other."""
    task = protocol.task
    if not task.data.n_train or not protocol.schedule.wake.gates.get("plasticity", 0):
        return "frozen"
    return "mixed" if task.tasks.mixed else "rehearsal" if task.tasks.rehearsal else ""


def offline(protocol: Protocol) -> str:
    """Return what happened between wakes: one of `OFFLINE`.

    A rest is a sleep that opens the gate of no process; in "normalise only" the only open gate is
    that of the normalisation.
    """
    sleep = protocol.schedule.sleep
    every = (sleep.gates, *(stage.gates for stage in sleep.stages))
    opened = {name for gates in every for name, value in gates.items() if value}
    if not sleep.fraction:
        return "no sleep"
    if not opened - set(ACTIVITY):
        return "rest"
    return "normalise only" if opened == {"normalise"} else "sleep"


def condition_name(result: Result) -> str:
    """Return the label of a result: its own, or what its settings say.

    As in "no sleep", "sleep 20 %", "rest 20 %", "mixed, sleep 20 %".
    """
    if result.label:
        return result.label
    protocol = result.stored_protocol
    learned, between = way(protocol), offline(protocol)
    if between in ("sleep", "rest"):
        between += f" {100 * protocol.schedule.sleep.fraction:.3g} %"
    if learned == "frozen" and between == "no sleep":
        return learned
    return f"{learned}, {between}" if learned else between


def place(result: Result) -> tuple[int, int, float]:
    """Return what sorts results by condition if they have no labels."""
    protocol = result.stored_protocol
    fraction = protocol.schedule.sleep.fraction
    return WAYS.index(way(protocol)), OFFLINE.index(offline(protocol)), fraction


def condition_looks(all_runs: Sequence[Run], figure: str) -> dict[str, dict]:
    """Return colour, marker and line of every condition.

    What learns alike with and without sleep has one colour; without sleep the line is dashed and
    the markers are open.

    Parameters
    ----------
    all_runs : sequence of Run
        Runs.
    figure : str
        Name of the figure.

    Raises
    ------
    FigureError
        If there are not enough colours.
    """
    colours: list[tuple] = []
    taken, looks = set(), {}
    for run in all_runs:
        if run.group in looks:
            continue
        between = offline(run.protocol)
        asleep = between != "no sleep"
        key: tuple[str, ...] = (way(run.protocol), between if asleep else "sleep")
        if (key, asleep) in taken:
            key = (*key, run.group)  # such as sleeps of two lengths: a colour for each
        taken.add((key, asleep))
        colours += [key] if key not in colours else []
        k = colours.index(key)
        if k == len(style.CONDITIONS):
            allowed = f"at most {k}, with and without sleep counting as one"
            raise FigureError(
                explain(f"figure {figure}: conditions", len(groups_of(all_runs)), allowed)
            )
        looks[run.group] = {
            "color": style.CONDITIONS[k],
            "marker": MARKERS[k],
            "linestyle": "-" if asleep else (0, (3, 1.5)),
            "markerfacecolor": style.CONDITIONS[k] if asleep else "white",
        }
    return looks


def task_spans(condition: Condition) -> list[tuple[float, float]]:
    """Return start and end in s of every task; none if images were mixed or there was one task."""
    if len(condition.images.tasks) < 2 or way(condition.protocol) == "mixed":
        return []
    task, starts = condition.array("slots/task"), condition.starts()
    slots = [np.flatnonzero(task == k) for k in range(task.max(initial=-1) + 1)]
    return [(float(starts[s[0]]), float(starts[s[-1] + 1])) for s in slots if len(s)]

"""When a network is awake and asleep, in words."""

from __future__ import annotations

from typing import Any

from ..experiment.inputs import SpikeTrains, Values
from ..experiment.schedule import Schedule, every_nth
from ..experiment.timeline import Period, Timeline
from ..values.arrays import Array
from .latex import value_text

#: What a network is in a period.
_STATES = {"wake": "awake", "sleep": "asleep"}


def schedule_text(schedule: Schedule | Timeline) -> dict[str, str]:
    """Say when a network is awake and asleep, in sentences by what they are about.

    >>> from brainsleep.experiment.schedule import Schedule, sleep
    >>> schedule_text(Schedule(sleep=sleep(0.2)))["sleep"]
    'After every 35 s of wake comes a sleep of 20 % of that time, at most 10 s.'
    """
    if isinstance(schedule, Timeline):
        return {"sleep": f"There are {_timeline(schedule)}.", **_given(schedule)}
    sleep = schedule.sleep
    epochs = f", in {schedule.epochs} epochs" if schedule.epochs > 1 else ""
    if epochs and schedule.identical_epochs:
        epochs += " that are all alike: the same order, and the same times of sleep"
    images = f"Each image is shown for {value_text(schedule.image_duration)}{epochs}."
    if not sleep.fraction:
        return {"images": images, "sleep": "There is no sleep."}
    said = {"images": images, "sleep": _sleep(schedule)}
    if sleep.trigger:
        often = f"{sleep.trigger:g} times their start"
        said["begins"] = f"It comes only if summed weights exceed {often}."
    if sleep.until_initial:
        end = "summed weights are back at their start"
        if sleep.tolerance:
            end = "summed excitatory and summed inhibitory weights are both within "
            end += f"{100 * sleep.tolerance:g} % of their start"
        said["ends early"] = f"It ends early once {end}."
    if sleep.stages:
        whole = sum(stage.share for stage in sleep.stages)
        stages = [f"{stage.name} ({100 * stage.share / whole:.3g} %)" for stage in sleep.stages]
        times = f", {sleep.cycles} times over" if sleep.cycles > 1 else ""
        said["stages"] = f"It goes through {listed(stages)}{times}."
    return said


def _timeline(timeline: Timeline) -> str:
    """Say how long periods are, and how often they are gone through."""
    each = [
        f"{value_text(part.duration)} {_STATES[part.kind]}"
        if isinstance(part, Period)
        else f"({_timeline(part)})"
        for part in timeline.periods
    ]
    return listed(each) + (f", {timeline.times} times over" if timeline.times > 1 else "")


def _given(timeline: Timeline) -> dict[str, str]:
    """Say what populations are given and which values signals have, period by period."""
    said: dict[str, list[str]] = {"inputs": [], "signals": []}
    for name, period in zip(timeline.phase_gates(), timeline.written, strict=True):
        for what, given in (("inputs", period.inputs), ("signals", period.signals)):
            each = [f"{key} {_what(value)}" for key, value in given.items()]
            said[what] += [f"in {name}: {', '.join(each)}"] if each else []
    begin = {"inputs": "Given to populations", "signals": "Values of signals"}
    return {what: f"{begin[what]} {'; '.join(each)}." for what, each in said.items() if each}


def _what(value: Any) -> str:
    """Say what a population is given, or what a signal is."""
    if isinstance(value, SpikeTrains):
        return f"{len(value)} spikes"
    if isinstance(value, Values):
        return f"{len(value.values)} values of {value_text(value.every)}"
    return "a value a neuron" if isinstance(value, Array) else value_text(value)


def listed(words: list[str]) -> str:
    """Return words as in "a, b and c"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def _sleep(schedule: Schedule) -> str:
    sleep = schedule.sleep
    length, wake = value_text(schedule.sleep_duration), value_text(schedule.wake_duration)
    if sleep.cadence == "images":
        nth = every_nth(sleep.fraction)
        every = "every one" if nth == 1 else f"every {nth} from there"
        return f"A sleep of {length} comes after the first image (or batch) and after {every}."
    if sleep.duration is not None:
        return f"Each sleep lasts {length} and comes after {wake} of wake."
    share, most = f"{100 * sleep.fraction:g} %", value_text(sleep.max_duration)
    return f"After every {wake} of wake comes a sleep of {share} of that time, at most {most}."

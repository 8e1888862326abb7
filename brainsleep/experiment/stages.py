"""Stages of sleep, such as NREM and REM: parts of every sleep with gates of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import mistakes
from ..errors import ScheduleError, explain
from ..values.fields import checked_fields
from ..values.frozen import Frozen, show_value
from ..values.quantities import check_whole, is_number


def checked_gates(gates: object, where: str) -> Frozen:
    """Return gates as a frozen mapping of name to number; raise `ScheduleError` otherwise."""
    if not isinstance(gates, Mapping):
        raise ScheduleError(explain(where, repr(gates), "{name: value}"))
    for name, value in gates.items():
        if not is_number(value) or not 0 <= value <= 1:
            raise ScheduleError(explain(f"{where}.{name}", repr(value), "a number from 0 to 1"))
    return Frozen({name: float(value) for name, value in gates.items()})


@checked_fields(ScheduleError)
@dataclass(frozen=True)
class SleepStage:
    """A part of every sleep with gates of its own, such as NREM or REM.

    Parameters
    ----------
    name : str
        Lower-case name, part of keys: ``schedule.sleep.stages.NAME.share``.
    share : float
        How much of a sleep it takes, relative to the shares of the other stages; above 0.
    gates : mapping of str to float
        Gates in this stage, over those of the sleep phase, which are common to all stages.
    """

    name: str
    share: float
    gates: Mapping[str, float] = field(default_factory=dict)

    @mistakes.checked
    def __post_init__(self):
        if not isinstance(self.name, str) or not re.fullmatch("[a-z][a-z0-9_]*", self.name):
            allowed = "lower-case letters, digits and underscores, a letter first"
            raise ScheduleError(explain("sleep stage: name", repr(self.name), allowed))
        where = f"sleep.stages.{self.name}"
        if not is_number(self.share) or not 0 < self.share <= 1e9:
            fix = "leave the stage out instead of giving it nothing"
            raise ScheduleError(
                explain(f"{where}.share", repr(self.share), "a number above 0, up to 1e9", fix)
            )
        object.__setattr__(self, "share", float(self.share))
        object.__setattr__(self, "gates", checked_gates(self.gates, f"{where}.gates"))


def nrem(share: float = 0.8, **gates: float) -> SleepStage:
    """Make a stage of non-REM sleep: slow oscillation and decay of the weights, no plasticity.

    The gates are those of `brainsleep.models.sleep_stages.SLOW_OSCILLATION` and of a weight
    process called ``decay``.
    """
    return SleepStage("nrem", share, {"slow": 1, "decay": 1, "plasticity": 0, **gates})


def rem(share: float = 0.2, **gates: float) -> SleepStage:
    """Make a stage of REM sleep: membrane noise and plasticity; decay is closed if not named."""
    return SleepStage("rem", share, {"noise": 1, "plasticity": 1, **gates})


def check_stages(stages: Any, cycles: Any) -> tuple[tuple[SleepStage, ...], int]:
    """Return the stages of a sleep and its number of cycles; raise `ScheduleError` otherwise."""
    if not isinstance(stages, tuple | list) or not all(isinstance(s, SleepStage) for s in stages):
        fix = "write (nrem(0.8), rem(0.2)), or (nrem(),) for one"
        raise ScheduleError(
            explain("sleep.stages", show_value(stages), "a tuple of SleepStage", fix)
        )
    names = [stage.name for stage in stages]
    for name in names:
        if names.count(name) > 1:
            fix = "set cycles to repeat the stages, or give one another name"
            raise ScheduleError(
                explain("sleep.stages", f"two called '{name}'", "distinct names", fix)
            )
    cycles = check_whole(cycles, "sleep.cycles", ScheduleError, least=1)
    if cycles > 1 and not stages:
        allowed, fix = "1 for a sleep without stages", "set sleep.stages first"
        raise ScheduleError(explain("sleep.cycles", cycles, allowed, fix))
    return tuple(stages), cycles


def cut(stages: tuple[SleepStage, ...], steps: int, longest: int) -> list[tuple[int, bool, str]]:
    """Cut a sleep into slots.

    Parameters
    ----------
    stages : tuple of SleepStage
        In the order in which they come; empty for a uniform sleep.
    steps : int
        Length of the sleep in time steps.
    longest : int
        Most steps of a slot.

    Returns
    -------
    list of (int, bool, str)
        Steps of each slot, whether a stage (or the uniform sleep) begins with it, and the name of
        the stage, ``""`` without. The steps add up; a stage that gets none is left out.
    """
    shares = np.cumsum([stage.share for stage in stages] or [1.0])
    ends = np.rint(steps * (shares / shares[-1])).astype(int).tolist()
    names = [stage.name for stage in stages] or [""]
    return [
        (min(longest, end - at), at == begin, name)
        for name, begin, end in zip(names, [0, *ends[:-1]], ends, strict=True)
        for at in range(begin, end, longest)
    ]

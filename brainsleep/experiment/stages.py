"""Stages of sleep, such as NREM and REM: parts of every sleep with gates of their own."""

import re
from dataclasses import field
from typing import Annotated, Any

import numpy as np

from ..errors import BrainsleepError, ScheduleError, explain
from ..values.fields import Gates, number, specification


def _named(name: Any, where: str, error: type[BrainsleepError]) -> str:
    if not isinstance(name, str) or not re.fullmatch("[a-z][a-z0-9_]*", name):
        allowed = "lower-case letters, digits and underscores, a letter first"
        raise error(explain("sleep stage: name", repr(name), allowed))
    return name


@specification("sleep.stages.{name}.", ScheduleError, kw_only=False)
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

    name: Annotated[str, _named]
    share: Annotated[
        float, number(above=0, most=1e9, fix="leave the stage out instead of giving it nothing")
    ]
    gates: Gates = field(default_factory=dict)


def nrem(share: float = 0.8, **gates: float) -> SleepStage:
    """Make a stage of non-REM sleep: slow oscillation and decay of the weights, no plasticity.

    The gates are those of `brainsleep.models.sleep_stages.SLOW_OSCILLATION` and of a weight
    process called ``decay``.
    """
    return SleepStage("nrem", share, {"slow": 1, "decay": 1, "plasticity": 0, **gates})


def rem(share: float = 0.2, **gates: float) -> SleepStage:
    """Make a stage of REM sleep: membrane noise and plasticity; decay is closed if not named."""
    return SleepStage("rem", share, {"noise": 1, "plasticity": 1, **gates})


def cut(stages: tuple[SleepStage, ...], steps: int, longest: int) -> list[tuple[int, bool, str]]:
    """Cut a sleep of some steps into its stages, and these into slots of `longest` steps at most.

    Return the steps of each slot, whether a stage (or uniform sleep) begins with it, and the name
    of the stage, "" without. The steps add up; a stage that gets none is left out.
    """
    shares = np.cumsum([stage.share for stage in stages] or [1.0])
    ends = np.rint(steps * (shares / shares[-1])).astype(int).tolist()
    names = [stage.name for stage in stages] or [""]
    return [
        (min(longest, end - at), at == begin, name)
        for name, begin, end in zip(names, [0, *ends[:-1]], ends, strict=True)
        for at in range(begin, end, longest)
    ]

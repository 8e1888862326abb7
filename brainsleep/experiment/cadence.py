"""How often sleep comes and how long it is, from the fraction of wake that it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brian2 import Quantity

if TYPE_CHECKING:
    from .schedule import Schedule
    from .slots import SlotTable

#: Largest fraction of wake that a sleep may take: the little brown bat sleeps 20 of 24 h, and no
#: mammal sleeps longer. What is above was meant in per cent.
MOST_SLEEP = 5

#: How a fraction says when sleep comes, see `SleepPhase`.
CADENCES = ("time", "images")


def every_nth(fraction: float) -> int:
    """Return how many images there are from one sleep to the next, by the cadence ``"images"``.

    >>> [every_nth(fraction) for fraction in (0.1, 0.3, 0.4, 0.5, 0.6, 1.0)]
    [10, 3, 2, 2, 1, 1]
    """
    return max(1, int(1 / fraction + 1e-9))  # 1/(1/49) is a little less than 49


def without_sleep(schedule: Schedule, table: SlotTable, dt: Quantity) -> str:
    """Say so if a run with a sleep is over before the first one is due; else nothing."""
    steps = table.steps[table.stage == "train"].sum()
    if not schedule.sleep.fraction or not steps or "sleep" in table.phase:
        return ""
    return (
        f"there is no sleep: it comes after every {schedule.wake_duration} of wake, "
        f"and the training images last {int(steps) * dt}"
    )

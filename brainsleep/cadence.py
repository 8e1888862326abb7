"""How often sleep comes and how long it is, from the fraction of wake that it takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

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


def scheduled(described: Mapping[str, Any]) -> tuple[float, float]:
    """Return how long one sleep and the wake before it last, in s, in a described schedule.

    `max_duration` is taken into account; what is only known in a run, such as an early end, is not.
    Without sleep both are 0.
    """
    plan = described.get("sleep") or {}
    fraction = plan.get("fraction", 0.0)
    if not fraction:
        return 0.0, 0.0

    def seconds(where: Mapping[str, Any], name: str) -> float:
        return float(where[name].split()[0])

    length = plan.get("duration") and seconds(plan, "duration")
    if plan.get("cadence") == "images":
        awake = every_nth(fraction) * seconds(described, "image_duration")
    else:
        awake = length / fraction if length else seconds(described, "period")
    return min(length or fraction * awake, seconds(plan, "max_duration")), awake

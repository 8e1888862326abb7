"""Events of NeuronGroups: what is looked at besides the threshold, and what it does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..network.events import SPIKE
from .names import free
from .places import named, refused
from .scope import Scope


def event_names(group: Any) -> dict[str, str]:
    """Return the names that the events of a group have here, by those in Brian2."""
    names = {SPIKE: SPIKE}
    for event in sorted(getattr(group, "events", ())):
        if event != SPIKE:
            names[event] = free(event, names.values())
    return names


def events_of(group: Any, scope: Scope) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the events of a group but spikes, by Brian2's names: what an `Event` is made of."""
    names = event_names(group)
    _check_order(group, names)
    for event, name in names.items():
        if event == SPIKE:
            continue
        given: dict[str, Any] = {"name": name, "condition": scope.code(group.events[event])}
        if event in group.resetter:
            code = group.resetter[event]
            given |= {"code": scope.code(group.event_codes[event])}
            given |= {"when": code.when, "order": int(code.order)}
        yield event, given


def _check_order(group: Any, names: dict[str, str]) -> None:
    """Refuse names that cannot stay where they decide in Brian2 what is carried out first."""
    places: dict[tuple[str, int], list[str]] = {}
    for event, code in group.resetter.items():
        places.setdefault((code.when, code.order), []).append(event)
    for events in map(sorted, places.values()):
        if events != sorted(events, key=lambda event: names[event]):
            got = f"{', '.join(map(repr, events))}, carried out in this order"
            allowed, fix = "names of lower-case letters", "write them in lower case"
            raise refused(f"{named(group)}: events", got, allowed, fix, group)


def check_at_rest(group: Any) -> None:
    """Refuse neurons that start as if they had spiked."""
    for name, usual in (("lastspike", -1e4), ("not_refractory", True)):
        if name in group.variables and np.any(group.variables[name].get_value() != usual):
            fix = "leave it to the simulation"
            got = f"values of '{name}', which is Brian2's own"
            raise refused(named(group), got, "a start at rest", fix, group)

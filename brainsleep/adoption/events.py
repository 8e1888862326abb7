"""Events of NeuronGroups: what is looked at besides the threshold, and what it does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..network.events import SPIKE
from .names import free
from .places import named, refused
from .scope import Scope


def event_names(group: Any) -> dict[str, str]:
    """Return the names that the events of a group have here, by those in Brian2.

    In Brian2 names decide what comes first in a time step, so their order stays.
    """
    names = {SPIKE: SPIKE}
    for event in sorted(getattr(group, "events", ())):
        if event != SPIKE:
            names[event] = free(event, names.values(), {"spike"})
    if sorted(names) != sorted(names, key=lambda event: names[event]):
        got, fix = ", ".join(map(repr, sorted(names))), "write them in lower case"
        raise refused(f"{named(group)}: events", got, "names of lower-case letters", fix, group)
    return names


def events_of(group: Any, scope: Scope) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the events of a group besides spikes, by Brian2's names: what an `Event` is made of."""
    for event, name in event_names(group).items():
        if event == SPIKE:
            continue
        given: dict[str, Any] = {"name": name, "condition": scope.code(group.events[event])}
        if event in group.resetter:
            code = group.resetter[event]
            given |= {"code": scope.code(group.event_codes[event])}
            given |= {"when": code.when, "order": int(code.order)}
        yield event, given

"""What a Brian2 network calls its monitors."""

from __future__ import annotations

from ...network.events import SPIKE


def trace_of(name: str) -> str:
    """Return what a network calls the recorded values of a variable."""
    owner, variable = name.split(".", 1)
    return f"{owner}:trace_{variable}.{variable}"


def last_monitor(population: str, event: str) -> str:
    """Return what a network calls the record of the last events that take time to synapses."""
    return f"{population}:last" if event == SPIKE else f"{population}:last_{event}"


def event_monitor(name: str) -> str:
    """Return what a network calls the record of an event such as ``"e.spike"``."""
    return name.replace(".", ":event_")

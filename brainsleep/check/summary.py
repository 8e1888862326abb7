"""What a models or protocol file defines, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..experiment.protocol import Protocol
from ..network.models import KINDS, Model
from ..network.spec import Network
from ..show.schedule_text import schedule_text

_WORDS: dict[type, str] = {
    **KINDS,
    Network: "network",
    Protocol: "protocol",
}


def summary(own: Mapping[str, object]) -> list[str]:
    """Say what a file defines, one line a kind and one a protocol.

    Parameters
    ----------
    own : mapping of str to object
        The names that the file itself assigns.

    Returns
    -------
    list of str
        The lines.
    """
    lines = []
    for kind, word in _WORDS.items():
        names = [value.name for value in _distinct(own) if isinstance(value, kind)]
        if names:
            count = word if len(names) == 1 else _plural(word)
            lines.append(f"{len(names)} {count}: {', '.join(dict.fromkeys(names))}")
    for value in _distinct(own):
        if isinstance(value, Protocol):
            lines += _sizes(value)
    return lines


def _plural(word: str) -> str:
    return word[:-1] + "ies" if word.endswith("y") else word + ("es" if word[-1] == "s" else "s")


def _distinct(own: Mapping[str, object]) -> Iterator[Model | Network | Protocol]:
    seen: set[int] = set()
    for value in own.values():
        if isinstance(value, Model | Network | Protocol) and id(value) not in seen:
            seen.add(id(value))
            yield value


def _sizes(protocol: Protocol) -> Iterator[str]:
    network, data, schedule = protocol.network, protocol.data, protocol.schedule
    neurons = ", ".join(f"{p.size} {p.name}" for p in network.populations)
    plastic = sum(bool(p.rules) for p in network.projections)
    count = len(network.projections)
    yield (
        f"protocol {protocol.name}: neurons {neurons}; {count} "
        f"projection{'s' if count != 1 else ''} ({plastic} plastic); {data.n_train} training, "
        f"{data.n_readout} readout and {data.n_test} test images of {schedule.image_duration}"
    )
    yield f"    {schedule_text(schedule)['sleep']}"

"""What a models or protocol file defines, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..experiment.protocol import Protocol
from ..experiment.schedule import Schedule
from ..network.models import KINDS, Model
from ..network.spec import Network
from ..show.schedule_text import schedule_text
from ..tasks.images.task import Images

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
    network, schedule, task = protocol.network, protocol.schedule, protocol.task
    neurons = ", ".join(f"{p.size} {p.name}" for p in network.populations)
    plastic = sum(bool(p.rules) for p in network.projections)
    count = len(network.projections)
    yield (
        f"protocol {protocol.name}: neurons {neurons}; {count} "
        f"projection{'s' if count != 1 else ''} ({plastic} plastic); "
        + (
            f"{task.data.n_train} training, {task.data.n_readout} readout and {task.data.n_test} "
            f"test images of {schedule.image_duration}"
            if isinstance(task, Images) and isinstance(schedule, Schedule)
            else f"{float(protocol.nominal_slots().starts[-1] * network.dt):g} s"
        )
    )
    yield f"    {schedule_text(schedule)['sleep']}"

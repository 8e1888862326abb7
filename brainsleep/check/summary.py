"""What a models or protocol file defines, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..experiment.protocol import Protocol
from ..experiment.schedule import Schedule
from ..network.models import KINDS
from ..network.spec import Network
from ..show.schedule_text import schedule_text
from ..tasks.images.task import Images

_WORDS: dict[type, str] = {**KINDS, Network: "network", Protocol: "protocol"}


def summary(own: Mapping[str, object]) -> list[str]:
    """Say what a file defines, by the names it assigns: one line a kind and one a protocol."""
    distinct = list({id(value): value for value in own.values()}.values())
    lines = []
    for kind, word in _WORDS.items():
        names = [value.name for value in distinct if isinstance(value, kind)]  # type: ignore[attr-defined]
        if names:
            count = word if len(names) == 1 else _plural(word)
            lines.append(f"{len(names)} {count}: {', '.join(dict.fromkeys(names))}")
    protocols = [value for value in distinct if isinstance(value, Protocol)]
    return [*lines, *(line for protocol in protocols for line in _sizes(protocol))]


def _plural(word: str) -> str:
    return word[:-1] + "ies" if word.endswith("y") else word + ("es" if word[-1] == "s" else "s")


def _sizes(protocol: Protocol) -> Iterator[str]:
    network, schedule, task = protocol.network, protocol.schedule, protocol.task
    neurons = ", ".join(f"{p.size} {p.name}" for p in network.populations)
    plastic, count = sum(bool(p.rules) for p in network.projections), len(network.projections)
    if isinstance(task, Images) and isinstance(schedule, Schedule):
        shown = (
            f"{task.data.n_train} training, {task.data.n_readout} readout and {task.data.n_test} "
            f"test images of {schedule.image_duration}"
        )
    else:
        shown = f"{float(protocol.nominal_slots().starts[-1] * network.dt):g} s"
    yield (
        f"protocol {protocol.name}: neurons {neurons}; {count} "
        f"projection{'s' if count != 1 else ''} ({plastic} plastic); {shown}"
    )
    yield f"    {schedule_text(schedule)['sleep']}"

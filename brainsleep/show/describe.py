"""A protocol in words, equations and tables, for ``brainsleep show``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from rich.text import Text

from ..experiment.protocol import Protocol
from ..experiment.saved_state import SavedState
from ..experiment.start import SavedWeights
from ..network.layers import SurrogateNetwork
from ..network.models import Model
from ..network.spec import Network
from ..values.plain import plain
from . import facts
from .schedule_text import schedule_text
from .sources import listing, sources
from .stored_models import models
from .table import Table
from .typeset import blocks, parameters


def describe(protocol: Protocol) -> Iterator[Any]:
    """Yield printable parts: sizes, every Brian2 object's source, parameters, the schedule."""
    network = protocol.network
    yield from _head(f"{protocol.name}: {protocol.description or network.name}", protocol)
    yield from _network(network, protocol.start)
    yield _slots(protocol)
    yield Text("\n".join(schedule_text(protocol.schedule).values()))
    yield facts.settings(protocol.describe())._replace(title="other settings")


def describe_part(part: Model | Network) -> Iterator[Any]:
    """Yield printable parts of a network, or the equations and parameters of one model."""
    yield from _head(f"{type(part).__name__} {part.name}", part)
    if isinstance(part, Model):
        yield _model(part)
    else:
        yield from _network(part)


def _head(title: str, part: Any) -> Iterator[Text]:
    yield Text(title, style="bold")
    if references := getattr(part, "references", ()):
        yield Text("source: " + ", ".join(references))


def _network(network: Network, start: SavedWeights | SavedState | None = None) -> Iterator[Any]:
    yield facts.populations(network)
    yield facts.projections(network, start)
    yield from facts.values(network)
    yield from facts.signals(network)
    for source in sources(plain(network.plan)):
        yield Text(f"\n{source.title}", style="bold")
        yield Text(source.listing)
    if isinstance(network, SurrogateNetwork):  # its source does not have its models
        for model, users in models(network):
            yield Text(f"\n{type(model).__name__} {model.name} of {', '.join(users)}", style="bold")
            yield _model(model)


def _model(model: Model) -> Text:
    values = "\n".join(f"{name} = {value}" for name, _, value in parameters(model))
    return Text(listing({b.title: b.code for b in blocks(model)} | {"parameters": values}))


def _slots(protocol: Protocol) -> Table:
    """Tabulate how often and how long each phase comes, and which gates are open in it."""
    slots, gates = protocol.nominal_slots(), protocol.network.gates
    kinds = list(zip(slots.part, slots.phase, slots.sleep_stage, strict=True))
    rows = []
    for kind in dict.fromkeys(kinds):
        here = np.array([each == kind for each in kinds])
        part, phase, name = map(str, kind)
        total = slots.steps[here].sum() * float(protocol.network.dt)
        opened = [f"{slots.gates[gate][here][0]:g}" for gate in gates]
        counts = here.sum(), (here & slots.onset).sum()
        rows.append((part, f"{phase}: {name}" if name else phase, *counts, f"{total:g} s", *opened))
    return Table("schedule", ("part", "phase", "slots", "phases", "total", *gates), rows)

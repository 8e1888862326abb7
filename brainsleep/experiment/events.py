"""Which events of neurons are recorded, and which variables with them."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .. import mistakes
from ..errors import BrainsleepError, Details, ProtocolError, closest, explain, nearest
from ..network.events import SPIKE
from ..network.spec import Network, NetworkSpec
from ..values.frozen import Frozen, show_value
from .traces import recordable

if TYPE_CHECKING:
    from .record import Record

# Names of variables, by the names of population and event.
Events = Mapping[str, tuple[str, ...]]

#: A name that Brian2's record of events has itself.
_TAKEN = "count"


def events_of(value: Any, where: str, error: type[BrainsleepError]) -> Events:
    """Check which variables are chosen of events; read text such as a literal."""
    if isinstance(value, str):
        with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
            value = ast.literal_eval(value)
    allowed = "events and variables, such as {'e.spike': ('v',), 'e.burst': ()}"
    if not isinstance(value, Mapping):
        raise error(explain(where, show_value(value), allowed))
    chosen = {}
    for name, variables in value.items():
        population, _, event = str(name).partition(".")
        listed = isinstance(variables, tuple | list) and all(isinstance(v, str) for v in variables)
        if not population or not event or not listed:
            got = f"{name!r}: {show_value(variables)}"
            raise error(explain(where, got, allowed))
        chosen[str(name)] = tuple(dict.fromkeys(variables))
    return Frozen(chosen)


def check_events(record: Record, network: Network) -> None:
    """Raise `ProtocolError` unless the events that are recorded are there in a network."""
    if not record.events:
        return
    if not isinstance(network, NetworkSpec):
        allowed = "none of a network of layers, whose neurons are PyTorch's"
        raise ProtocolError(explain("record.events", ", ".join(record.events), allowed))
    there = recordable(network)
    for name, variables in record.events.items():
        with mistakes.going_on():
            owner, _, event = name.partition(".")
            model = network.population(owner, f"record.events: {name}").model
            if not model.happens(event):
                known = [SPIKE] if model.spikes else []
                known += [each.name for each in model.events]
                other = nearest(event, known) if known else f"neurons of '{owner}' have none"
                message = f"record.events: {name}: no event '{event}'; {other}"
                raise ProtocolError(message, Details(word=name, close=closest(event, known)))
            for variable in variables:
                _check_variable(name, owner, variable, there)


def _check_variable(name: str, owner: str, variable: str, there: Mapping[str, Any]) -> None:
    """Refuse what is no variable of these neurons that can be recorded."""
    if f"{owner}.{variable}" not in there:
        own = [each.partition(".")[2] for each in there if each.startswith(f"{owner}.")]
        message = f"record.events: {name}: no variable '{variable}'; {nearest(variable, own)}"
        raise ProtocolError(message, Details(word=variable, close=closest(variable, own)))
    if variable == _TAKEN:
        allowed = "a variable with another name, as records of events count with it"
        raise ProtocolError(explain(f"record.events: {name}", f"'{variable}'", allowed))

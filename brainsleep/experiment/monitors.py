"""Names for what a run records: all of it that one monitor of a Brian2 script would have seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Annotated

from brian2 import Quantity, second

from ..errors import Details, ProtocolError, explain, nearest
from ..network.events import SPIKE
from ..network.network import Network
from ..values.fields import GROWS, one_of, positive, refusal, specification
from ..values.frozen import default

if TYPE_CHECKING:
    from .record import Record

_TIME = positive(second, or_zero=True)


@specification("monitor '{name}': ", ProtocolError)
class Monitor:
    """A view of what is recorded, with a name; it decides nothing about a run.

    `brainsleep.adoption.monitored` returns what it shows of a result.

    Parameters
    ----------
    name : str
        What it is called.
    kind : {"spikes", "states", "rate", "events"}
        Single spikes, state variables, the rate of a population, or events with variables.
    of : str
        Population or projection.
    also : tuple of str
        Other names of it.
    first, last : int
        Of the neurons of the population those from `first` until `last` (exclusive), numbered from
        0 on; `last` 0 for all.
    variables : mapping of str to str
        Variables by the names that they have here, as ``{"V": "e.v"}``.
    who : tuple of int
        Numbers of neurons or synapses, in their order here; empty for all that are recorded.
    every : Quantity
        Time between values; 0 for that of the record.
    begin, end : Quantity
        Times of the run between which it sees something (`end` exclusive); `end` 0 for all.
    event : str
        Which event, of those that are no spikes.
    """

    name: str
    kind: Annotated[str, one_of("spikes", "states", "rate", "events")]
    of: str
    also: tuple[str, ...] = ()
    first: int = 0
    last: int = 0
    variables: Annotated[Mapping[str, str], GROWS] = field(default_factory=dict)
    who: tuple[int, ...] = ()
    every: Annotated[Quantity, _TIME] = default(0 * second)
    begin: Annotated[Quantity, _TIME] = default(0 * second)
    end: Annotated[Quantity, _TIME] = default(0 * second)
    event: str = SPIKE

    @property
    def events(self) -> str:
        """Name of the events that it sees, in the record."""
        return f"{self.of}.{self.event}"

    def check(self, record: Record, network: Network) -> None:
        """Raise `ProtocolError` unless all it shows is recorded."""
        parts = {part.name for part in (*network.populations, *network.projections)}
        if self.of not in parts:
            message = f"monitor '{self.name}': there is no '{self.of}'; {nearest(self.of, parts)}"
            raise ProtocolError(message, Details(word=self.of))
        if self.kind == "events":
            return self._check_events(record)
        if self.kind != "states":
            if self.of not in record.spikes:
                fix = f"write spikes=('{self.of}',) in the record"
                allowed = "of a population whose spikes are recorded"
                raise refusal(self, "of", f"'{self.of}'", allowed, fix)
            return
        for name in self.variables.values():
            if name not in record.states:
                fix = f"write states={{'{name}': 'all'}} in the record"
                message = explain(f"monitor '{self.name}'", f"'{name}'", "what is recorded", fix)
                raise ProtocolError(message, Details(word=name))

    def _check_events(self, record: Record) -> None:
        """Raise `ProtocolError` unless the events that it shows are recorded, with variables."""
        variables = [name.rpartition(".")[2] for name in self.variables.values()]
        recorded = record.events.get(self.events)
        if recorded is None or not set(variables) <= set(recorded):
            fix = f"write events={{'{self.events}': {tuple(variables)}}} in the record"
            got = f"'{self.events}'" + (f" with {', '.join(variables)}" if variables else "")
            message = explain(f"monitor '{self.name}'", got, "what is recorded", fix)
            raise ProtocolError(message, Details(word=self.event))

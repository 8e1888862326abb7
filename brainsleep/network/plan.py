"""The final source of every Brian2 object of a network, as plain data."""

from __future__ import annotations

import re
from dataclasses import dataclass

from brian2 import Quantity


@dataclass(frozen=True)
class ActivityPlan:
    """Statements carried out every step while the gate `gate` is open."""

    gate: str
    code: str


@dataclass(frozen=True)
class GroupPlan:
    """Everything Brian2 is told about one population."""

    name: str
    size: int
    equations: str
    method: str
    threshold: str
    reset: str
    refractory: str
    on_slot: str
    on_step: str
    on_spike: str
    activities: tuple[ActivityPlan, ...]
    parameters: dict[str, Quantity]
    initial: dict[str, Quantity]
    state: tuple[str, ...]
    gates: tuple[str, ...]
    #: Whether its spikes are on their way for a time.
    delayed: bool = False
    #: Signals that are variables of its neurons.
    signals: tuple[str, ...] = ()
    #: Whether its neurons spike when they are told, and not by the threshold.
    spike_trains: bool = False

    @property
    def spikes(self) -> bool:
        """Whether its neurons can spike."""
        return bool(self.threshold) or self.spike_trains


@dataclass(frozen=True)
class SumPlan:
    """Sum of `expression` over a neuron's incoming synapses, into its variable `variable`."""

    variable: str
    expression: str
    total: str
    when: tuple[str, ...]


@dataclass(frozen=True)
class ProcessPlan:
    """Statements of one weight process on one projection."""

    name: str
    on_onset: str
    on_update: str
    sums: tuple[SumPlan, ...]
    period: Quantity


@dataclass(frozen=True)
class DelayPlan:
    """How long the spikes of a pathway are on their way: a state array, of one value or many."""

    #: The pathway: ``"pre"`` or ``"post"``.
    pathway: str
    #: Name of the array in a state, ``"delay"``, in seconds.
    variable: str
    #: Whether every synapse has a delay of its own.
    each: bool


@dataclass(frozen=True)
class SynapsePlan:
    """Everything Brian2 is told about one projection."""

    name: str
    source: str
    target: str
    equations: str
    on_pre: str
    on_post: str
    processes: tuple[ProcessPlan, ...]
    parameters: dict[str, Quantity]
    state: tuple[str, ...]
    delays: tuple[DelayPlan, ...] = ()


@dataclass(frozen=True)
class NetworkPlan:
    """The final source of a network: one plan a Brian2 group."""

    groups: tuple[GroupPlan, ...]
    synapses: tuple[SynapsePlan, ...]

    @property
    def features(self) -> tuple[str, ...]:
        """What not every backend can do, in words."""
        taken = [name for group in self.groups for name in _TAKEN.findall(group.on_slot)]
        codes = [code for group in self.groups for code in _codes(group)]
        wanted = {
            "delays": any(part.delays for part in self.synapses),
            "inputs other than one stimulus": taken != ["stimulus"],
            "spike trains": any(group.spike_trains for group in self.groups),
            "signals": any(group.signals for group in self.groups),
            "poisson()": any(re.search(r"\bpoisson\(", code) for code in codes),
        }
        return tuple(words for words, needed in wanted.items() if needed)


#: A stimulus that neurons take, each its own, at the start of a slot.
_TAKEN = re.compile(r"\b(\w+)_by_slot\(slot_index\*slot_unit, i\)")


def _codes(group: GroupPlan) -> tuple[str, ...]:
    """Return all code that runs on the neurons of a population."""
    steps = (activity.code for activity in group.activities)
    return group.equations, group.threshold, group.reset, group.on_slot, group.on_step, *steps

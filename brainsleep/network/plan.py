"""The final source of every Brian2 object of a network, as plain data."""

from __future__ import annotations

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
    #: Quantities, and expressions as text.
    initial: dict[str, Quantity | str]
    state: tuple[str, ...]
    gates: tuple[str, ...]
    #: Parameters of which every neuron has its own, as a state has them.
    constants: tuple[str, ...] = ()
    #: Whether its spikes are on their way for a time.
    delayed: bool = False


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
    #: Parameters of which every synapse has its own, as a state has them.
    constants: tuple[str, ...] = ()
    delays: tuple[DelayPlan, ...] = ()
    #: Whether a pair of neurons may have several, and whether each weight has a sign of its own.
    repeats: bool = False
    signed: bool = False


@dataclass(frozen=True)
class NetworkPlan:
    """The final source of a network: one plan a Brian2 group."""

    groups: tuple[GroupPlan, ...]
    synapses: tuple[SynapsePlan, ...]

    @property
    def constants(self) -> frozenset[str]:
        """Arrays of a state that no segment changes, such as ``"e.v_threshold"``."""
        parts: list[GroupPlan | SynapsePlan] = [*self.groups, *self.synapses]
        return frozenset(f"{part.name}.{name}" for part in parts for name in part.constants)

    @property
    def features(self) -> tuple[str, ...]:
        """What not every backend can do, in words."""
        wanted = {
            "delays": any(part.delays for part in self.synapses),
            "values per neuron or synapse": bool(self.constants),
            "several synapses a pair": any(part.repeats for part in self.synapses),
            "weights with signs of their own": any(part.signed for part in self.synapses),
        }
        return tuple(words for words, needed in wanted.items() if needed)

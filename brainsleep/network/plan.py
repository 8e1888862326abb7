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
    initial: dict[str, Quantity]
    state: tuple[str, ...]
    gates: tuple[str, ...]
    signals: tuple[str, ...] = ()
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


@dataclass(frozen=True)
class NetworkPlan:
    """The final source of a network: one plan a Brian2 group."""

    groups: tuple[GroupPlan, ...]
    synapses: tuple[SynapsePlan, ...]

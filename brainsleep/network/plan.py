"""The final source of every Brian2 object of a network, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field

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
class PathwayPlan:
    """Statements for the spikes of one end, besides those of `SynapsePlan`."""

    name: str
    end: str
    order: int
    code: str


@dataclass(frozen=True)
class StepPlan:
    """Statements for every synapse in every step, of one with a gate while that is open.

    They begin with a step of the `equations`, integrated by `method`.
    """

    name: str
    gate: str
    equations: str
    method: str
    code: str


@dataclass(frozen=True)
class SynapsePlan:
    """Everything Brian2 is told about one projection.

    Of a variable in `updates` the value is the number of the time step in which event-driven
    variables were brought up to date; `on_post_always` says that some of `on_post` has an effect
    with the plasticity gate closed.
    """

    name: str
    source: str
    target: str
    equations: str
    on_pre: str
    on_post: str
    processes: tuple[ProcessPlan, ...]
    parameters: dict[str, Quantity]
    state: tuple[str, ...]
    pathways: tuple[PathwayPlan, ...] = ()
    steps: tuple[StepPlan, ...] = ()
    initial: dict[str, Quantity] = field(default_factory=dict)
    updates: tuple[str, ...] = ()
    on_post_always: bool = False


@dataclass(frozen=True)
class NetworkPlan:
    """The final source of a network: one plan a Brian2 group."""

    groups: tuple[GroupPlan, ...]
    synapses: tuple[SynapsePlan, ...]

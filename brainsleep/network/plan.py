"""The final source of every Brian2 object of a network, as plain data."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property

from brian2 import Quantity

from .equations import settle
from .events import SPIKE
from .functions import OwnFunction
from .tables import Table

#: The variable of synapses whose delays change.
SPIKE_DELAY = "spike_delay"

#: Variables that hold times, by how their names end; a user gives them no start.
TIMES = ("lastspike", "lastupdate")


@dataclass(frozen=True)
class ActivityPlan:
    """Statements carried out every step while the gate `gate` is open."""

    gate: str
    code: str


@dataclass(frozen=True)
class LinkPlan:
    """A variable that is `variable` of the population `source`: of its `one` neuron, or of each.

    With an `index` that is the variable of neurons which says whom of `source` each reads.
    """

    name: str
    source: str
    variable: str
    one: bool
    index: str = ""


@dataclass(frozen=True)
class RegularPlan:
    """Statements every so many `steps`, at a place of their own within a time step."""

    name: str
    code: str
    steps: int
    when: str
    order: int


@dataclass(frozen=True)
class EventPlan:
    """An event of neurons, see `brainsleep.network.events.Event`."""

    name: str
    condition: str
    code: str
    when: str
    order: int
    #: Whether it is on its way to synapses for a time.
    delayed: bool = False


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
    #: Signals that are variables of its neurons.
    signals: tuple[str, ...] = ()
    #: Whether its neurons spike when they are told, and not by the threshold.
    spike_trains: bool = False
    links: tuple[LinkPlan, ...] = ()
    regular: tuple[RegularPlan, ...] = ()
    #: Values over time by the names of functions that read them.
    tables: dict[str, Table] = field(default_factory=dict)
    events: tuple[EventPlan, ...] = ()
    #: Functions that code calls, by name.
    functions: dict[str, OwnFunction] = field(default_factory=dict)

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
class PathwayPlan:
    """Statements for the spikes, or another event, of one end, besides those of `SynapsePlan`."""

    name: str
    end: str
    order: int
    code: str
    event: str = SPIKE


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
class DelayPlan:
    """How long the spikes of a pathway are on their way: a state array, of one value or many."""

    #: The pathway: ``"pre"``, ``"post"``, or another's name.
    pathway: str
    #: Whose spikes they are: ``"pre"`` or ``"post"``.
    end: str
    #: Name of the array in a state, ``"delay"``, in seconds.
    variable: str
    #: Whether every synapse has a delay of its own.
    each: bool
    #: The longest there can be, in seconds, of delays that change; 0 of those that do not.
    most: float = 0.0
    #: Which event of these neurons takes that time, if not a spike.
    event: str = SPIKE


@dataclass(frozen=True)
class SynapsePlan:
    """Everything Brian2 is told about one projection.

    A variable in `updates` holds the time at which event-driven variables were brought up to date;
    `on_post_always` says that some of `on_post` has an effect with the plasticity gate closed.
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
    initial: dict[str, Quantity | str] = field(default_factory=dict)
    updates: tuple[str, ...] = ()
    on_post_always: bool = False
    #: Parameters of which every synapse has its own, as a state has them.
    constants: tuple[str, ...] = ()
    delays: tuple[DelayPlan, ...] = ()
    #: Whether a pair of neurons may have several, and whether each weight has a sign of its own.
    repeats: bool = False
    signed: bool = False
    regular: tuple[RegularPlan, ...] = ()
    tables: dict[str, Table] = field(default_factory=dict)
    #: Whether sums over synapses follow the integration of neurons and synapses.
    sums_after: bool = False
    functions: dict[str, OwnFunction] = field(default_factory=dict)

    @property
    def codes(self) -> list[str]:
        """All statements that are carried out at its synapses."""
        codes = [self.on_pre, self.on_post, *(path.code for path in self.pathways)]
        codes += [step.code for step in self.steps] + [each.code for each in self.regular]
        return codes + [code for p in self.processes for code in (p.on_onset, p.on_update)]


def set_by(codes: Iterable[str]) -> set[str]:
    """Return what statements set."""
    return {name for code in codes for name, _, _ in settle.read(code) or ()}


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

    @cached_property
    def unchanged(self) -> frozenset[str]:
        """All arrays of a state that no segment changes: weights, too, that no code sets."""
        kept = set(self.constants)
        for part in self.synapses:
            changed = set_by(part.codes)
            kept |= {f"{part.name}.{name}" for name in part.state if name not in changed}
        return frozenset(kept)

    @property
    def periods(self) -> frozenset[int]:
        """Periods of code that runs at regular times, but not in every step, in steps."""
        parts: list[GroupPlan | SynapsePlan] = [*self.groups, *self.synapses]
        return frozenset(each.steps for part in parts for each in part.regular) - {1}

    @property
    def features(self) -> tuple[str, ...]:
        """What not every backend can do, in words."""
        wanted = {words for words, needs in _FEATURES.items() if any(map(needs, self.synapses))}
        wanted |= {words for words, needs in _OF_NEURONS.items() if any(map(needs, self.groups))}
        wanted |= {_VALUES} if self.constants else set()
        taken = [name for group in self.groups for name in _TAKEN.findall(group.on_slot)]
        wanted |= {_INPUTS} if taken != ["stimulus"] else set()
        return tuple(sorted(wanted))


#: A stimulus that neurons take, each its own, at the start of a slot.
_TAKEN = re.compile(r"\b(\w+)_by_slot\(slot_index\*slot_unit, i\)")


def _draws_poisson(plan: GroupPlan) -> bool:
    """Tell whether code that runs on neurons draws Poisson numbers."""
    codes = [plan.equations, plan.threshold, plan.reset, plan.on_slot, plan.on_step]
    codes += [each.code for each in plan.activities] + [each.code for each in plan.regular]
    codes += [each.code for each in plan.events]
    codes += [each.condition for each in plan.events]
    return any(re.search(r"\bpoisson\(", code) for code in codes)


def _keeps_variables(plan: SynapsePlan) -> bool:
    """Tell whether synapses have variables besides the weight and those of processes."""
    of_processes = tuple(f"{process.name}_" for process in plan.processes)
    own = [name for name in plan.state if name != "w" and not name.startswith(of_processes)]
    return bool(own) or "=" in plan.equations


def _reads_neurons(plan: SynapsePlan) -> bool:
    """Tell whether a weight process reads variables of neurons, which its own sums are not."""
    names, given = set[str](), {"plasticity_gate_post"}
    for process in plan.processes:
        codes = [process.on_onset, process.on_update, *(each.expression for each in process.sums)]
        names |= set(re.findall(r"\w+_(?:pre|post)\b", "\n".join(codes)))
        given |= {f"{process.name}_interval_post"}
        given |= {f"{name}_post" for each in process.sums for name in (each.variable, each.total)}
    return bool(names - given)


_VALUES = "values per neuron or synapse"
_INPUTS = "inputs other than one stimulus"

#: What not every backend can do, in words, and which synapses ask for it.
_FEATURES: dict[str, Callable[[SynapsePlan], object]] = {
    "delays": lambda part: part.delays,
    "several synapses a pair": lambda part: part.repeats,
    "weights with signs of their own": lambda part: part.signed,
    "variables of synapses": _keeps_variables,
    "code of synapse models for postsynaptic spikes": lambda part: part.on_post_always,
    "further pathways": lambda part: part.pathways,
    "code of synapses in every step": lambda part: part.steps,
    "regular code": lambda part: part.regular,
    "tables": lambda part: part.tables,
    "own functions": lambda part: part.functions,
    "sums over synapses in every step": lambda part: "(summed)" in part.equations,
    "weight processes that read neurons": _reads_neurons,
}

#: The same, and which neurons ask for it.
_OF_NEURONS: dict[str, Callable[[GroupPlan], object]] = {
    "spike trains": lambda part: part.spike_trains,
    "signals": lambda part: part.signals,
    "links": lambda part: part.links,
    "poisson()": _draws_poisson,
    "regular code": lambda part: part.regular,
    "tables": lambda part: part.tables,
    "events besides spikes": lambda part: part.events,
    "own functions": lambda part: part.functions,
    "conditions of refractoriness": lambda part: "not_refractory" in part.state,
}

#: All of these, in words.
FEATURES = frozenset({*_FEATURES, *_OF_NEURONS, _VALUES, _INPUTS})

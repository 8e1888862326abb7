"""What plans of neurons and of synapses are both made with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from brian2 import Equations, Quantity

from ..errors import SpecError
from ..values.arrays import Array
from . import signals
from .equations import checks, settle
from .events import SPIKE
from .given import split_parameters
from .models import Model, PlasticityRule, WeightProcess
from .plan import SPIKE_DELAY, DelayPlan, SumPlan
from .synaptic import Variables, renamed

if TYPE_CHECKING:
    from .spec import Projection


class Kept:
    """What the parts of a population or projection keep: equations, state, parameters."""

    def __init__(self, owner: str, lines: list[str], state: list[str], parameters: Mapping):
        self.owner, self.lines, self.state = owner, lines, state
        self.parameters: dict[str, Quantity] = dict(parameters)
        self._constants: dict[str, str] = {}

    def add(self, declared: Equations, parameters: Mapping, names: Mapping[str, str]) -> None:
        """Add what a part declares, and its parameters, under their final names."""
        for name, eq in declared.items():
            self.lines.append(f"{names[name]} : {checks.unit_name(eq.dim)}")
            self.state.append(names[name])
        for name, value in parameters.items():
            before = self.parameters.setdefault(names[name], value)
            if before.dim != value.dim or float(before) != float(value):
                raise SpecError(
                    f"'{self.owner}': two parameters end up with the name '{names[name]}' and "
                    "different values; rename one, or the activity, rule or process it belongs to"
                )

    def give(self, values: Mapping) -> None:
        """Give parameters other values: one number for all, or one each."""
        parameters, names = split_parameters(self.parameters, values)
        self._constants = {name: checks.unit_name(self.parameters[name]) for name in names}
        self.parameters = parameters

    @property
    def constants(self) -> tuple[str, ...]:
        """Names of parameters that are one value each."""
        return tuple(self._constants)

    @property
    def equations(self) -> str:
        """Equations of all that is kept."""
        units = {name: checks.unit_name(value) for name, value in self.parameters.items()}
        declared = [f"{name} : {unit} (shared, constant)" for name, unit in units.items()]
        declared += [f"{name} : {unit} (constant)" for name, unit in self._constants.items()]
        return joined([*self.lines, *declared])


def joined(codes: Iterable[str]) -> str:
    """Join code, but for what is empty."""
    return "\n".join(filter(None, codes))


def prefixed(prefix: str, names: Iterable[str]) -> dict[str, str]:
    """Give names a prefix."""
    return {name: f"{prefix}_{name}" for name in names}


def trace_code(rule: PlasticityRule, role: str) -> tuple[str, str]:
    """Return equations of the traces of `role`, and what a spike does to them."""
    return getattr(rule, f"{role}_equations"), getattr(rule, f"{role}_spike")


def trace_parameters(rule: PlasticityRule, role: str) -> dict[str, Quantity]:
    """Parameters that the traces of `role` use."""
    used = checks.identifiers(*trace_code(rule, role))
    return {k: v for k, v in rule.parameters.items() if k in used}


def delays_of(projection: Projection) -> Iterator[DelayPlan]:
    """Say which spikes of a projection are on their way for a time."""
    for end, variable in (("pre", "delay"), ("post", "delay_post")):
        value = getattr(projection, variable)
        each = isinstance(value, Array | str)
        if end == "pre" and changes_delays(projection):
            yield DelayPlan(end, end, SPIKE_DELAY, each=True, most=float(projection.delay_max))
        elif each or value != 0:
            yield DelayPlan(end, end, variable, each)


def own_delays(projection: Projection) -> Iterator[DelayPlan]:
    """Say which pathways have a delay of their own, and of these those of spikes that take time."""
    for path in projection.synapse.pathways:
        value = projection.path_delays.get(path.name, 0)
        each = isinstance(value, Array | str)
        if path.own_delay and (each or value != 0):
            name, variable = f"path_{path.name}", f"delay_{path.name}"
            yield DelayPlan(name, path.end, variable, each, event=path.event)


def delayed_events(projection: Projection) -> Iterator[tuple[str, str]]:
    """Yield the events, with their ends, that take time to the synapses of a projection."""
    synapse = projection.synapse
    for delay in delays_of(projection):
        paths = (path for path in synapse.pathways if path.end == delay.end and not path.own_delay)
        events = {path.event for path in paths}
        if projection.rules or getattr(synapse, f"on_{delay.end}").strip() or not events:
            events.add(SPIKE)
        yield from ((delay.end, event) for event in sorted(events))
    yield from ((delay.end, delay.event) for delay in own_delays(projection))


def changes_delays(projection: Projection) -> bool:
    """Tell whether a rule or process sets the delays of a projection."""
    parts = (*projection.rules, *projection.processes)
    return any(map(linked_names, parts))


def linked_names(part: Model) -> dict[str, str]:
    """Return the final names of what a rule or process is linked to, where they are others.

    That is the delay of its synapses.
    """
    delay = part.variables.get("delay")
    return {"delay": SPIKE_DELAY} if delay is not None and "linked" in delay.flags else {}


def sum_plans(
    projection: Projection,
    process: WeightProcess,
    at_post: Mapping[str, str] = MappingProxyType({}),
    kept: Variables | None = None,
) -> list[SumPlan]:
    """Name the sums of a process; `at_post` and `kept` say what their expressions read."""
    plans = []
    used = {label: checks.identifiers(getattr(process, f"on_{label}")) for label in _WHEN}
    for name, expression in process.sums.items():
        variable = f"{projection.name}_{process.name}_{name}"
        names = {**at_post, **process_names(process)}
        code = settle.expression(renamed(expression, names))
        code = kept.now(code) if kept else code
        when = tuple(k for k, names in used.items() if {f"{name}_post", f"{name}_total"} & names)
        total = any(f"{name}_total" in names for names in used.values())
        plans.append(SumPlan(variable, code, f"{variable}_total" if total else "", when))
    return plans


#: When a weight process changes weights.
_WHEN = ("onset", "update")


def process_names(process: WeightProcess) -> dict[str, str]:
    """Return the final names of a process's parameters, variables and signals."""
    own = prefixed(process.name, [*process.parameters, *declared_by(process)])
    return own | linked_names(process) | signals.at_synapses(process)


def declared_by(process: WeightProcess) -> Equations:
    """Return the variables that a process declares, but for those of the synapse."""
    own = [eq for eq in process.variables.values() if "linked" not in eq.flags]
    return Equations(own)

"""From a `NetworkSpec` to the final source of every Brian2 object, as plain data.

A part's own names get its name as prefix where parts could clash (``stdp_nearest_lr``,
``ou_decay_w_target``); traces also carry their role (``stdp_nearest_pre_x``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from brian2 import Equations
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.equations.equations import DIFFERENTIAL_EQUATION
from brian2.stateupdaters.base import StateUpdateMethod
from brian2.utils.stringtools import word_substitute

from ..errors import SpecError, one_line
from . import links, signals
from .assemble_parts import (
    Kept,
    delayed_events,
    delays_of,
    joined,
    prefixed,
    sum_plans,
    trace_code,
    trace_parameters,
)
from .assemble_synapses import synapse_plan
from .equations import checks, settle, synaptic
from .equations.diagnose import unknown
from .events import SPIKE
from .given import own_values, start_value
from .models import SPIKING, NeuronModel, PlasticityRule, SpontaneousActivity, WeightProcess
from .plan import ActivityPlan, EventPlan, GroupPlan, NetworkPlan, RegularPlan
from .regular import steps_of
from .synaptic import sums_into

if TYPE_CHECKING:
    from .spec import NetworkSpec, Population, Projection


def assemble(spec: NetworkSpec) -> NetworkPlan:
    """Compose the final source of every object of the network `spec`."""
    return NetworkPlan(
        groups=tuple(_group_plan(spec, population) for population in spec.populations),
        synapses=tuple(synapse_plan(spec, projection) for projection in spec.projections),
    )


def rules_at(spec: NetworkSpec, population: Population) -> Iterator[tuple[PlasticityRule, str]]:
    """Yield the rules of a population's synapses, and its role in each: ``"pre"`` or ``"post"``.

    Not those whose spikes are on their way to the synapses for a time: traces of these are there.
    """
    for projection in spec.projections:
        late = {delay.end for delay in delays_of(projection)}
        for rule in projection.rules:
            for role, end in (("pre", projection.source), ("post", projection.target)):
                if end == population.name and role not in late:
                    yield rule, role


def _group_plan(spec: NetworkSpec, population: Population) -> GroupPlan:
    model = population.model
    whole = settle.whole_variables(model.variables)
    reset, step = [settle.statements(model.reset, whole)], list[str]()
    state = synaptic.stored(model.variables)
    lines = [settle.equations(model.equations)]
    for variable, sums in sums_into(spec, population).items():
        if len(sums) > 1 and variable in state:
            _add_up(variable, list(sums.values()), model, lines, state)
    kept = Kept(population.name, lines, state, model.parameters)

    for prefix, rule, role in _traces_on(spec, population):
        traces = rule.traces(role)
        names = {k: f"{prefix}_{k}" for k in traces} | prefixed(rule.name, rule.parameters)
        kept.add(traces, trace_parameters(rule, role), names)
        step.append(exact_update(traces, rule, names))
        reset.append(settle.statements(word_substitute(getattr(rule, f"{role}_spike"), names)))

    activities = []
    for activity in population.activities:
        names = prefixed(activity.name, [*activity.variables, *activity.parameters])
        _check_free(activity, names, [*model.variables, *kept.parameters, *state], population)
        kept.add(activity.variables, activity.parameters, names)
        code = settle.statements(word_substitute(activity.on_step, names), whole)
        activities.append(ActivityPlan(activity.name, code))

    kept.give(own_values(population, kept.parameters))
    processes = [(p, w) for p, w in spec.weight_processes() if p.target == population.name]
    lines += _process_variables(processes)
    asked = _spikes_asked_for(spec, population)
    lines += [f"{name} : 1" for name in asked]
    if "spiked" in asked:
        step.append("spiked = spiking")
        state.append("spiking")
    if asked:
        step.append("spiking = 0")

    step.append(settle.statements(model.on_step, whole))
    gates = _gates_needed(spec, population)
    lines += [f"{gate}_gate : 1 (shared)" for gate in gates]
    lines += ["slot_index : integer (shared)"]
    read = signals.needed(spec, population)
    signals.check_free(read, kept.equations, population)
    global_values = tuple(name for name in read if name in spec.signals)
    units = signals.units(spec)
    for name in read:
        flag = "shared" if name in global_values else "linked"
        lines.append(f"{name} : {checks.unit_name(units[name])} ({flag})")
    if model.spikes:
        lines += ["spike_count : integer"]
        reset.append("spike_count += 1")
        if model.refractory:
            state.append("lastspike")
            state += ["not_refractory"] if model.refractory_while else []
    return GroupPlan(
        name=population.name,
        size=int(population.size),
        equations=kept.equations,
        method=model.method,
        threshold=settle.expression(model.threshold, whole).strip(),
        reset=joined(reset) if model.spikes else "",
        refractory=settle.expression(model.refractory, whole).strip(),
        on_slot=_on_slot(
            model,
            gates,
            dict.fromkeys(process.name for _, process in processes),
            global_values,
            spec.stimulus_name(population.name),
        ),
        on_step=joined(step),
        on_spike="spiking = 1" if asked and model.spikes else "",
        activities=tuple(activities),
        parameters=kept.parameters,
        initial={k: start_value(v, kept.parameters) for k, v in model.initial.items()},
        state=tuple(state),
        gates=gates,
        constants=kept.constants,
        delayed=_is_delayed(spec, population),
        signals=global_values,
        spike_trains=model.spike_trains,
        links=tuple(links.plans(spec, population, read)),
        regular=tuple(
            RegularPlan(
                each.name,
                settle.statements(each.code, whole),
                steps_of(each.every, spec.dt, f"regular code '{each.name}': every"),
                each.when,
                each.order,
            )
            for each in model.regular
        ),
        tables=dict(model.tables),
        functions=dict(model.functions),
        events=tuple(
            EventPlan(
                each.name,
                settle.expression(each.condition, whole).strip(),
                settle.statements(each.code, whole),
                each.when,
                each.order,
                _is_delayed(spec, population, each.name),
            )
            for each in model.events
        ),
    )


def _add_up(
    variable: str, sums: list[str], model: NeuronModel, lines: list[str], state: list[str]
) -> None:
    """Have several projections sum into a variable: each into one of its own."""
    unit = checks.unit_name(model.variables[variable].dim)
    total = f"{variable} = {' + '.join(sums)} : {unit}"
    lines[0] = re.sub(rf"(?m)^\s*{variable}\s*:.*$", total, lines[0])
    lines += [f"{name} : {unit}" for name in sums]
    state.remove(variable)
    state += sums


def _check_free(activity: SpontaneousActivity, names: dict, taken: list[str], owner) -> None:
    """Refuse a variable of `activity` that would hide or double one of the neuron's."""
    for name in activity.variables:
        for used in {name, names[name]} & set(taken):
            raise SpecError(
                f"population '{owner.name}': activity '{activity.name}': variable '{name}' "
                f"(in full '{names[name]}') clashes with '{used}' of the neuron; rename it"
            )


def _process_variables(processes: list[tuple[Projection, WeightProcess]]) -> list[str]:
    """Declare what weight processes keep on the neurons they act on: intervals and sums."""
    lines = []
    for projection, process in processes:
        lines.append(f"{process.name}_interval : second (shared)")
        for plan in sum_plans(projection, process):
            lines.append(f"{plan.variable} : 1")
            lines += [f"{plan.total} : 1 (shared)"] if plan.total else []
    return list(dict.fromkeys(lines))


def _on_slot(
    model: NeuronModel,
    gates: Iterable[str],
    intervals: Iterable[str],
    global_values: Iterable[str],
    stimulus_name: str,
) -> str:
    """Compose what happens at the start of a slot: take its values, then the model's own code."""
    taken = [*(f"{gate}_gate" for gate in gates), *(f"{name}_interval" for name in intervals)]
    taken += global_values
    stimulus = {"stimulus": f"{stimulus_name}_by_slot(slot_index*slot_unit, i)"}
    whole = settle.whole_variables(model.variables)
    return joined(
        [
            "slot_index = slot_index + 1",
            *(f"{name} = {name}_by_slot(slot_index*slot_unit)" for name in taken),
            settle.statements(word_substitute(model.on_slot, stimulus), whole),
        ]
    )


def _spikes_asked_for(spec: NetworkSpec, population: Population) -> list[str]:
    """Return what rules ask of the spikes of these neurons, as variables of a neuron.

    ``spiking`` is 1 from the threshold to the end of a time step in which the neuron spikes, and
    ``spiked`` is what it was in the step before.
    """
    used = {
        name.removesuffix(f"_{role}")
        for rule, role in rules_at(spec, population)
        for name in checks.identifiers(rule.on_pre, rule.on_post, rule.on_step, rule.equations)
        if name in SPIKING and name.endswith(f"_{role}")
    }
    return ["spiking", "spiked"] if "spiked" in used else sorted(used)


def _traces_on(
    spec: NetworkSpec, population: Population
) -> Iterator[tuple[str, PlasticityRule, str]]:
    """Yield (prefix, rule, role) for every distinct trace set this population carries."""
    seen: dict[str, tuple] = {}
    for rule, role in rules_at(spec, population):
        prefix = f"{rule.name}_{role}"
        parameters = {k: float(v) for k, v in trace_parameters(rule, role).items()}
        content = (*trace_code(rule, role), parameters)
        if not rule.traces(role):
            continue
        if seen.setdefault(prefix, content) != content:
            raise SpecError(
                f"population '{population.name}': two plasticity rules called "
                f"'{rule.name}' with different traces; give one another name"
            )
        if content is seen[prefix]:
            yield prefix, rule, role


def exact_update(traces: Equations, rule: PlasticityRule, names: Mapping[str, str]) -> str:
    """Brian2's exact update of the linear trace equations, in final names."""
    if not any(eq.type == DIFFERENTIAL_EQUATION for eq in traces.values()):
        return ""
    usable = {
        **checks.variables_of(traces),
        **checks.constants_of(rule.parameters),
        **checks.constants_of(rule.signals),
    }
    try:
        code = StateUpdateMethod.apply_stateupdater(
            traces, {**usable, **DEFAULT_FUNCTIONS}, "exact"
        )
    except Exception as error:
        raise SpecError(
            f"plasticity rule '{rule.name}': trace equations cannot be integrated exactly "
            f"({one_line(error)}); write them linear in the traces"
        ) from error
    names = {**names, **{f"_{k}": f"next_{v}" for k, v in names.items()}}
    return settle.tidy(word_substitute(code, names))


def _gates_needed(spec: NetworkSpec, population: Population) -> tuple[str, ...]:
    """Gates whose value some code of, or at, this population reads."""
    model = population.model
    codes = [model.equations, model.threshold, model.reset, model.on_slot, model.on_step]
    codes += [each.code for each in model.regular] + [each.code for each in model.events]
    codes += [each.condition for each in model.events]
    used = checks.identifiers(*codes, *(activity.on_step for activity in population.activities))
    for projection in spec.projections:
        if projection.target == population.name:
            used |= names_in_synapses(projection)
            used |= {"plasticity_gate"} if projection.rules else set()
    gates = [f"{gate}_gate" for gate in spec.gates]
    for name in sorted({name for name in used if name.endswith("_gate")} - set(gates)):
        raise unknown(f"population '{population.name}': no gate", name, gates)
    return tuple(g for g in spec.gates if f"{g}_gate" in used)


def names_in_synapses(projection: Projection) -> set[str]:
    """Return the names in all code of a projection."""
    codes = [projection.synapse.equations, *projection.synapse.codes.values()]
    for rule in projection.rules:
        codes += [rule.equations, *rule.codes.values()]
    for process in projection.processes:
        codes += [*process.codes.values(), *process.sums.values()]
    return checks.identifiers(*codes)


def _is_delayed(spec: NetworkSpec, population: Population, event: str = SPIKE) -> bool:
    """Tell whether the spikes, or another event, of these neurons take time anywhere."""
    return any(
        population.name == (p.source if end == "pre" else p.target) and what == event
        for p in spec.projections
        for end, what in delayed_events(p)
    )

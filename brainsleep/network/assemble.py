"""From a `NetworkSpec` to the final source of every Brian2 object, as plain data.

A part's own names get its name as prefix where parts could clash (``stdp_nearest_lr``,
``ou_decay_w_target``); traces also carry their role (``stdp_nearest_pre_x``).
(The module is long because plans of neurons and of synapses name what is declared in the other.)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from brian2 import Equations, Quantity
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.equations.equations import DIFFERENTIAL_EQUATION, SUBEXPRESSION
from brian2.stateupdaters.base import StateUpdateMethod
from brian2.utils.stringtools import word_substitute

from ..errors import SpecError, explain, one_line
from ..values.arrays import Array
from . import signals
from .equations import checks, settle
from .equations.diagnose import unknown
from .given import own_values, split_parameters, start_value
from .models import SPIKING, NeuronModel, PlasticityRule, SpontaneousActivity, WeightProcess
from .plan import (
    ActivityPlan,
    DelayPlan,
    GroupPlan,
    NetworkPlan,
    PathwayPlan,
    ProcessPlan,
    StepPlan,
    SumPlan,
    SynapsePlan,
)
from .synaptic import LASTUPDATE, LateTraces, Variables, names_at_post, renamed, sums_into

if TYPE_CHECKING:
    from .spec import NetworkSpec, Population, Projection


def assemble(spec: NetworkSpec) -> NetworkPlan:
    """Compose the final source of every object of the network `spec`."""
    return NetworkPlan(
        groups=tuple(_group_plan(spec, population) for population in spec.populations),
        synapses=tuple(_synapse_plan(spec, projection) for projection in spec.projections),
    )


class _Kept:
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
        return tuple(self._constants)

    @property
    def equations(self) -> str:
        units = {name: checks.unit_name(value) for name, value in self.parameters.items()}
        declared = [f"{name} : {unit} (shared, constant)" for name, unit in units.items()]
        declared += [f"{name} : {unit} (constant)" for name, unit in self._constants.items()]
        return _joined([*self.lines, *declared])


def _joined(codes: Iterable[str]) -> str:
    return "\n".join(filter(None, codes))


def rules_at(spec: NetworkSpec, population: Population) -> Iterator[tuple[PlasticityRule, str]]:
    """Yield the rules of a population's synapses, and its role in each: ``"pre"`` or ``"post"``.

    Not those whose spikes are on their way to the synapses for a time: traces of these are there.
    """
    for projection in spec.projections:
        late = {delay.end for delay in _delays(projection)}
        for rule in projection.rules:
            for role, end in (("pre", projection.source), ("post", projection.target)):
                if end == population.name and role not in late:
                    yield rule, role


def _group_plan(spec: NetworkSpec, population: Population) -> GroupPlan:
    model = population.model
    whole = settle.whole_variables(model.variables)
    reset, step = [settle.statements(model.reset, whole)], list[str]()
    state = [name for name, eq in model.variables.items() if eq.type != SUBEXPRESSION]
    lines = [settle.equations(model.equations)]
    for variable, sums in sums_into(spec, population).items():
        if len(sums) > 1 and variable in state:
            _add_up(variable, list(sums.values()), model, lines, state)
    kept = _Kept(population.name, lines, state, model.parameters)

    for prefix, rule, role in _traces_on(spec, population):
        traces = rule.traces(role)
        names = {k: f"{prefix}_{k}" for k in traces} | _prefixed(rule.name, rule.parameters)
        kept.add(traces, _trace_parameters(rule, role), names)
        step.append(exact_update(traces, rule, names))
        reset.append(settle.statements(word_substitute(getattr(rule, f"{role}_spike"), names)))

    activities = []
    for activity in population.activities:
        names = _prefixed(activity.name, [*activity.variables, *activity.parameters])
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
    global_values = signals.needed(spec, population)
    signals.check_free(global_values, kept.equations, population)
    lines += [f"{name} : {checks.unit_name(spec.signals[name])} (shared)" for name in global_values]
    if model.spikes:
        lines += ["spike_count : integer"]
        reset.append("spike_count += 1")
        if model.refractory:
            state.append("lastspike")
    return GroupPlan(
        name=population.name,
        size=int(population.size),
        equations=kept.equations,
        method=model.method,
        threshold=settle.expression(model.threshold, whole).strip(),
        reset=_joined(reset) if model.spikes else "",
        refractory=settle.expression(model.refractory, whole).strip(),
        on_slot=_on_slot(
            model,
            gates,
            dict.fromkeys(process.name for _, process in processes),
            global_values,
            spec.stimulus_name(population.name),
        ),
        on_step=_joined(step),
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


def _prefixed(prefix: str, names: Iterable[str]) -> dict[str, str]:
    return {name: f"{prefix}_{name}" for name in names}


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
        for plan in _sum_plans(projection, process):
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
    return _joined(
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
        parameters = {k: float(v) for k, v in _trace_parameters(rule, role).items()}
        content = (*_trace_code(rule, role), parameters)
        if not rule.traces(role):
            continue
        if seen.setdefault(prefix, content) != content:
            raise SpecError(
                f"population '{population.name}': two plasticity rules called "
                f"'{rule.name}' with different traces; give one another name"
            )
        if content is seen[prefix]:
            yield prefix, rule, role


def _trace_code(rule: PlasticityRule, role: str) -> tuple[str, str]:
    return getattr(rule, f"{role}_equations"), getattr(rule, f"{role}_spike")


def _trace_parameters(rule: PlasticityRule, role: str) -> dict[str, Quantity]:
    """Parameters that the traces of `role` use."""
    used = checks.identifiers(*_trace_code(rule, role))
    return {k: v for k, v in rule.parameters.items() if k in used}


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


def _sum_plans(
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
        names = {**at_post, **_process_names(process)}
        code = settle.expression(renamed(expression, names))
        code = kept.now(code) if kept else code
        when = tuple(k for k, names in used.items() if {f"{name}_post", f"{name}_total"} & names)
        total = any(f"{name}_total" in names for names in used.values())
        plans.append(SumPlan(variable, code, f"{variable}_total" if total else "", when))
    return plans


#: When a weight process changes weights.
_WHEN = ("onset", "update")


def _process_names(process: WeightProcess) -> dict[str, str]:
    own = _prefixed(process.name, [*process.parameters, *_declared_by(process)])
    return own | signals.at_synapses(process)


def _gates_needed(spec: NetworkSpec, population: Population) -> tuple[str, ...]:
    """Gates whose value some code of, or at, this population reads."""
    model = population.model
    codes = (model.equations, model.threshold, model.reset, model.on_slot, model.on_step)
    used = checks.identifiers(*codes, *(activity.on_step for activity in population.activities))
    for projection in spec.projections:
        if projection.target == population.name:
            used |= _names_in_synapses(projection)
            used |= {"plasticity_gate"} if projection.rules else set()
    gates = [f"{gate}_gate" for gate in spec.gates]
    for name in sorted({name for name in used if name.endswith("_gate")} - set(gates)):
        raise unknown(f"population '{population.name}': no gate", name, gates)
    return tuple(g for g in spec.gates if f"{g}_gate" in used)


def _names_in_synapses(projection: Projection) -> set[str]:
    """Return the names in all code of a projection."""
    codes = [projection.synapse.equations, *projection.synapse.codes.values()]
    for rule in projection.rules:
        codes += [rule.equations, *rule.codes.values()]
    for process in projection.processes:
        codes += [*process.codes.values(), *process.sums.values()]
    return checks.identifiers(*codes)


def _synapse_plan(spec: NetworkSpec, projection: Projection) -> SynapsePlan:
    synapse = projection.synapse
    whole = _whole_at_ends(spec, projection)
    kept = _Kept(projection.name, ["w : 1"], ["w"], synapse.parameters)
    at_post, variables = names_at_post(spec, projection), Variables()
    at_post = {k: v for k, v in at_post.items() if k not in synapse.variables}
    sums = _names_of_sums(spec, projection)
    at_post |= signals.at_synapses(synapse)
    variables.declare(synapse, {**at_post, **sums}, LASTUPDATE)
    own = {
        label: settle.statements(renamed(code, at_post), whole | variables.whole)
        for label, code in synapse.codes.items()
    }
    learn: dict[str, list[str]] = {"pre": [], "post": [], "step": []}
    stepping, arriving = [], list[PathwayPlan]()
    for rule in projection.rules:
        names = at_post | signals.at_synapses(rule)
        names |= _prefixed(rule.name, [*rule.parameters, *_own_names(rule)])
        on_neurons: set[str] = set()
        late = {delay.end for delay in _delays(projection)}
        for role in ("pre", "post"):
            if role in late:
                names |= _late_traces(rule, role, projection, variables, arriving)
                continue
            names |= {f"{k}_{role}": f"{rule.name}_{role}_{k}_{role}" for k in rule.traces(role)}
            of_traces = _trace_parameters(rule, role)  # the neurons have these: read theirs
            names |= {k: f"{rule.name}_{k}_{role}" for k in of_traces}
            on_neurons |= set(of_traces)
        used = checks.identifiers(rule.on_pre, rule.on_post, rule.on_step, rule.equations)
        used |= {name for role in late for name in _trace_parameters(rule, role)}
        used |= checks.identifiers(*(v for v in rule.initial.values() if isinstance(v, str)))
        used -= on_neurons
        kept.add(Equations(""), {k: v for k, v in rule.parameters.items() if k in used}, names)
        variables.declare(rule, names, f"{rule.name}_{LASTUPDATE}")
        for side, codes in learn.items():
            code = renamed(getattr(rule, f"on_{side}"), names)
            codes.append(settle.statements(code, whole | variables.whole))
        stepping.append((rule, names))
    kept.lines += [variables.now(line) if "(summed)" in line else line for line in variables.lines]
    kept.state += variables.state

    changed = [
        settle.statements(renamed(process.on_change, at_post | _process_names(process)))
        for process in projection.processes
    ]
    changed = [variables.now(code) for code in changed]
    spikes = {
        side: _at_spike(variables, own[f"on_{side}"], learn[side], changed)
        for side in ("pre", "post")
    }
    on_pre, on_post = (_joined([*always, *gated]) for always, gated in spikes.values())
    pathways = tuple(
        PathwayPlan(p.name, p.end, p.order, _joined(_at_spike(variables, own[label], [], [])[0]))
        for p, label in ((p, f"pathway {p.name}") for p in synapse.pathways)
    )
    pathways += tuple(replace(p, code=_joined(variables.alone(p.code))) for p in arriving)
    where, steps = f"projection '{projection.name}'", []
    equations, code = variables.integration(synapse, at_post, f"{where}: {synapse.name}")
    if code := _joined([code, *variables.alone(own["on_step"])]):
        steps.append(StepPlan(synapse.name, "", equations, synapse.method, code))
    for (rule, names), each in zip(stepping, learn["step"], strict=True):
        equations, code = variables.integration(rule, names, f"{where}: {rule.name}")
        if code := _joined(variables.gated([code, each], changed, is_open=True)):
            steps.append(StepPlan(rule.name, "plasticity", equations, rule.method, code))

    processes = []
    for process in projection.processes:
        names = at_post | _process_names(process)
        kept.add(_declared_by(process), process.parameters, names)
        names["interval"] = f"{process.name}_interval_post"
        plans = _sum_plans(projection, process, at_post, variables)
        for name, plan in zip(process.sums, plans, strict=True):
            names[f"{name}_post"] = f"{plan.variable}_post"
            names[f"{name}_total"] = f"{plan.total}_post"
        codes = [
            settle.statements(renamed(code, names), variables.whole)
            for code in (process.on_onset, process.on_update)
        ]
        onset, update = (
            _joined([*variables.alone(code), *changed]) if code else "" for code in codes
        )
        processes.append(ProcessPlan(process.name, onset, update, tuple(plans), process.period))

    codes = [on_pre, on_post, *variables.lines]
    codes += [path.code for path in pathways] + [step.code for step in steps]
    codes += [code for p in processes for code in (p.on_onset, p.on_update)]
    codes += [total.expression for p in processes for total in p.sums]
    if any(total.total for process in processes for total in process.sums):
        kept.lines.append("zero_index : integer (constant)")
    standard = {
        "w_min": projection.w_min,
        "w_max": projection.w_max,
        "w_sign": projection.sign or 1,
    }
    used = checks.identifiers(*codes)
    kept.give(projection.values)
    kept.parameters |= {k: Quantity(float(v)) for k, v in standard.items() if k in used}
    at_ends = [("pre", "pre", on_pre), ("post", "post", on_post)]
    at_ends += [(f"path_{path.name}", path.end, path.code) for path in pathways]
    delays = tuple(
        replace(delay, pathway=name)
        for delay in _delays(projection)
        for name, end, code in at_ends
        if end == delay.end and code
    )
    for delay in _delays(projection):
        if delay.end not in {each.end for each in delays}:
            where, got = f"projection '{projection.name}': {delay.variable}", "a delay"
            allowed = f"none: there are no statements on_{delay.end}"
            raise SpecError(explain(where, got, allowed))
    return SynapsePlan(
        name=projection.name,
        source=projection.source,
        target=projection.target,
        equations=kept.equations,
        on_pre=on_pre,
        on_post=on_post,
        processes=tuple(processes),
        parameters=kept.parameters,
        state=tuple(kept.state),
        pathways=pathways,
        steps=tuple(steps),
        initial={k: start_value(v, kept.parameters) for k, v in variables.initial.items()},
        updates=variables.updates,
        on_post_always=bool(_joined(spikes["post"][0])),
        constants=kept.constants,
        repeats=projection.connectivity.repeats,
        signed=projection.sign is None,
        delays=delays,
    )


def _delays(projection: Projection) -> Iterator[DelayPlan]:
    """Say which spikes of a projection are on their way for a time."""
    for end, variable in (("pre", "delay"), ("post", "delay_post")):
        value = getattr(projection, variable)
        each = isinstance(value, Array | str)
        if each or value != 0:
            yield DelayPlan(end, end, variable, each)


def _late_traces(
    rule: PlasticityRule,
    role: str,
    projection: Projection,
    variables: Variables,
    arriving: list[PathwayPlan],
) -> dict[str, str]:
    """Give synapses the traces of spikes that are late; return their names in the rule.

    A trace changes when a spike arrives, after what rules do at the spikes of that step.
    """
    prefix, traces = f"{rule.name}_{role}", rule.traces(role)
    where = f"projection '{projection.name}': rule '{rule.name}'"
    for name in sorted(checks.identifiers(rule.on_pre, rule.on_post, rule.on_step)):
        if name in SPIKING and name.endswith(f"_{role}"):
            allowed = f"none, as {role}synaptic spikes arrive after a delay"
            raise SpecError(explain(where, f"'{name}'", allowed, "use a trace in its place"))
    if not traces:
        return {}
    own = _prefixed(rule.name, rule.parameters) | _prefixed(prefix, traces)
    linear = " (event-driven)"
    equations = "\n".join(
        f"{eq}{linear}" if eq.type == DIFFERENTIAL_EQUATION else f"{eq}" for eq in traces.values()
    )
    variables.declare(
        LateTraces(rule.name, Equations(equations), rule.parameters), own, f"{prefix}_{LASTUPDATE}"
    )
    code = settle.statements(renamed(getattr(rule, f"{role}_spike"), own))
    arriving.append(PathwayPlan(prefix, role, 2 if role == "pre" else 3, code))
    return {f"{name}_{role}": own[name] for name in traces}


def _is_delayed(spec: NetworkSpec, population: Population) -> bool:
    """Tell whether the spikes of these neurons take time anywhere."""
    return any(
        population.name == (p.source if delay.end == "pre" else p.target)
        for p in spec.projections
        for delay in _delays(p)
    )


def _at_spike(
    variables: Variables, own: str, learn: list[str], changed: list[str]
) -> tuple[list[str], list[str]]:
    """Write what the synapse model does at a spike, and what its rules do after that.

    The variables of the synapse model are up to date in both.
    """
    learn = [code for code in learn if code]
    always = [owner for owner in variables.using([own, *learn]) if not owner.of_rule]
    rest = [owner for owner in variables.setting([own]) if owner not in always]
    before = [line for owner in [*always, *rest] for line in owner.updated()]
    own = variables.now(own, but=[*always, *rest])
    return [*before, own], variables.gated(learn, changed, always)


def _names_of_sums(spec: NetworkSpec, projection: Projection) -> dict[str, str]:
    """Return the names that sums over synapses end up with, in the synapse."""
    names = {}
    for population in {projection.source, projection.target}:
        for sums in sums_into(spec, spec.population(population)).values():
            for (owner, name), variable in sums.items():
                if owner == projection.name:
                    names[name] = f"{variable}_{name.rpartition('_')[2]}"
    return names


def _own_names(rule: PlasticityRule) -> list[str]:
    return [name for name, eq in rule.variables.items() if "linked" not in eq.flags]


def _declared_by(process: WeightProcess) -> Equations:
    own = [eq for eq in process.variables.values() if "linked" not in eq.flags]
    return Equations(own)


def _whole_at_ends(spec: NetworkSpec, projection: Projection) -> set[str]:
    """Return the names, in the synapses, of whole numbers of the neurons at both ends."""
    return {
        f"{name}_{role}"
        for role, end in (("pre", projection.source), ("post", projection.target))
        for name in settle.whole_variables(spec.population(end).model.variables)
    }

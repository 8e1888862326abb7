"""From a `NetworkSpec` to the final source of every Brian2 object, as plain data.

This is the one place that decides what Brian2 is given: which shared variables hold parameters and
gates, where traces live, how the plasticity gate closes. ``brainsleep show`` prints these plans,
`brainsleep.network.fit` checks them, and `brainsleep.backends.brian.network` builds exactly them.

Names: a part's own names get its name as prefix where parts could clash (``stdp_nearest_lr``,
``ou_decay_w_target``); traces also carry their role (``stdp_nearest_pre_x``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from brian2 import Equations, Quantity
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.stateupdaters.base import StateUpdateMethod
from brian2.utils.stringtools import word_substitute

from ..errors import Details, SpecError, closest
from .equations import checks, settle
from .models import SPIKING, NeuronModel, PlasticityRule, SpontaneousActivity, WeightProcess
from .plan import ActivityPlan, GroupPlan, NetworkPlan, ProcessPlan, SumPlan, SynapsePlan

if TYPE_CHECKING:
    from .spec import NetworkSpec, Population, Projection


def assemble(spec: NetworkSpec) -> NetworkPlan:
    """Compose the final source of every object of the network `spec`."""
    return NetworkPlan(
        groups=tuple(_group_plan(spec, population) for population in spec.populations),
        synapses=tuple(_synapse_plan(spec, projection) for projection in spec.projections),
    )


def _declare(parameters: dict[str, Quantity]) -> list[str]:
    return [
        f"{name} : {checks.unit_name(value)} (shared, constant)"
        for name, value in parameters.items()
    ]


def _group_plan(spec: NetworkSpec, population: Population) -> GroupPlan:
    model = population.model
    parameters = dict(model.parameters)
    whole = settle.whole_variables(model.variables)
    lines = [settle.equations(model.equations)]
    reset = [settle.statements(model.reset, whole)]
    step, state = [], list(_stored(model.variables))

    for prefix, rule, role in _traces_on(spec, population):
        traces = rule.traces(role)
        constants = {f"{rule.name}_{k}": v for k, v in _trace_parameters(rule, role).items()}
        names = {k: f"{prefix}_{k}" for k in traces}
        names |= {k: f"{rule.name}_{k}" for k in rule.parameters}
        lines += [
            f"{names[k]} : {checks.unit_name(Quantity(1, dim=eq.dim))}" for k, eq in traces.items()
        ]
        step.append(exact_update(traces, rule, names))
        reset.append(settle.statements(word_substitute(getattr(rule, f"{role}_spike"), names)))
        _merge(parameters, constants, population)
        state += [names[k] for k in traces]

    activities = []
    for activity in population.activities:
        declared = activity.variables
        names = {k: f"{activity.name}_{k}" for k in (*declared, *activity.parameters)}
        _check_free(activity, names, [*model.variables, *parameters, *state], population)
        lines += [
            f"{names[k]} : {checks.unit_name(Quantity(1, dim=eq.dim))}"
            for k, eq in declared.items()
        ]
        state += [names[k] for k in declared]
        code = settle.statements(word_substitute(activity.on_step, names), whole)
        activities.append(ActivityPlan(activity.name, code))
        own = {names[k]: v for k, v in activity.parameters.items()}
        _merge(parameters, own, population)

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
    intervals = list(dict.fromkeys(process.name for _, process in processes))
    lines += [f"{gate}_gate : 1 (shared)" for gate in gates]
    lines += ["slot_index : integer (shared)"]
    if model.threshold:
        lines += ["spike_count : integer"]
        reset.append("spike_count += 1")
        if model.refractory:
            state.append("lastspike")
    return GroupPlan(
        name=population.name,
        size=int(population.size),
        equations="\n".join(filter(None, [*lines, *_declare(parameters)])),
        method=model.method,
        threshold=settle.expression(model.threshold, whole).strip(),
        reset="\n".join(filter(None, reset)) if model.threshold else "",
        refractory=settle.expression(model.refractory, whole).strip(),
        on_slot=_on_slot(model, gates, intervals),
        on_step="\n".join(filter(None, step)),
        on_spike="spiking = 1" if asked and model.threshold else "",
        activities=tuple(activities),
        parameters=parameters,
        initial=_initial(model),
        state=tuple(state),
        gates=gates,
    )


def _check_free(activity: SpontaneousActivity, names: dict, taken: list[str], owner) -> None:
    """Refuse a variable of `activity` that would hide or double one of the neuron's."""
    for name in activity.variables:
        for used in (name, names[name]):
            if used in taken:
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


def _on_slot(model: NeuronModel, gates: tuple[str, ...], intervals: list[str]) -> str:
    """Compose what happens at the start of a slot: take its values, then the model's own code."""
    lines = ["slot_index = slot_index + 1"]
    lines += [f"{gate}_gate = {gate}_gate_by_slot(slot_index*slot_unit)" for gate in gates]
    lines += [f"{k}_interval = {k}_interval_by_slot(slot_index*slot_unit)" for k in intervals]
    stimulus = {"stimulus": "stimulus_by_slot(slot_index*slot_unit, i)"}
    whole = settle.whole_variables(model.variables)
    lines.append(settle.statements(word_substitute(model.on_slot, stimulus), whole))
    return "\n".join(filter(None, lines))


def _stored(equations: Equations) -> list[str]:
    return [name for name, eq in equations.items() if eq.type != "subexpression"]


def _initial(model: NeuronModel) -> dict[str, Quantity]:
    return {
        name: Quantity(model.parameters[value] if isinstance(value, str) else value)
        for name, value in model.initial.items()
    }


def _spikes_asked_for(spec: NetworkSpec, population: Population) -> list[str]:
    """Return what rules ask of the spikes of these neurons, as variables of a neuron.

    ``spiking`` is 1 from the threshold to the end of a time step in which the neuron spikes, and
    ``spiked`` is what it was in the step before.
    """
    used = {
        name.removesuffix(f"_{role}")
        for projection in spec.projections
        for rule in projection.rules
        for role, end in (("pre", projection.source), ("post", projection.target))
        if end == population.name
        for name in checks.identifiers(rule.on_pre, rule.on_post)
        if name in SPIKING and name.endswith(f"_{role}")
    }
    return ["spiking", "spiked"] if "spiked" in used else sorted(used)


def _traces_on(spec: NetworkSpec, population: Population):
    """Yield (prefix, rule, role) for every distinct trace set this population carries."""
    seen: dict[str, tuple] = {}
    for projection in spec.projections:
        for rule in projection.rules:
            for role, end in (("pre", projection.source), ("post", projection.target)):
                if end != population.name or not rule.traces(role):
                    continue
                prefix = f"{rule.name}_{role}"
                content = (
                    getattr(rule, f"{role}_equations"),
                    getattr(rule, f"{role}_spike"),
                    {k: float(v) for k, v in _trace_parameters(rule, role).items()},
                )
                if seen.setdefault(prefix, content) != content:
                    raise SpecError(
                        f"population '{population.name}': two plasticity rules called "
                        f"'{rule.name}' with different traces; give one another name"
                    )
                if content is seen[prefix]:
                    yield prefix, rule, role


def _trace_parameters(rule: PlasticityRule, role: str) -> dict[str, Quantity]:
    """Parameters that the traces of `role` use."""
    used = checks.identifiers(getattr(rule, f"{role}_equations"), getattr(rule, f"{role}_spike"))
    return {k: v for k, v in rule.parameters.items() if k in used}


def _merge(parameters: dict[str, Quantity], more: dict[str, Quantity], owner) -> None:
    """Add parameters; refuse two of one name that differ."""
    for name, value in more.items():
        have = parameters.setdefault(name, value)
        if have.dim != value.dim or float(have) != float(value):
            raise SpecError(
                f"'{owner.name}': two parameters end up with the name '{name}' and different "
                "values; rename one, or the activity, rule or process it belongs to"
            )


def exact_update(traces: Equations, rule, names: dict[str, str]) -> str:
    """Brian2's exact update of the linear trace equations, in final names."""
    variables = {
        **checks.variables_of(traces),
        **checks.constants_of(rule.parameters),
        **DEFAULT_FUNCTIONS,
    }
    if not any(eq.type == "differential equation" for eq in traces.values()):
        return ""
    try:
        code = StateUpdateMethod.apply_stateupdater(traces, variables, "exact")
    except Exception as error:
        raise SpecError(
            f"plasticity rule '{rule.name}': trace equations cannot be integrated exactly "
            f"({' '.join(str(error).split())}); write them linear in the traces"
        ) from error
    names = {**names, **{f"_{k}": f"next_{v}" for k, v in names.items()}}
    return settle.tidy(word_substitute(code, names))


def _sum_plans(projection: Projection, process: WeightProcess) -> list[SumPlan]:
    plans = []
    names = _process_names(process)
    for name, expression in process.sums.items():
        variable = f"{projection.name}_{process.name}_{name}"
        when = tuple(
            label
            for label, code in (("onset", process.on_onset), ("update", process.on_update))
            if {f"{name}_post", f"{name}_total"} & checks.identifiers(code)
        )
        total = any(
            f"{name}_total" in checks.identifiers(code)
            for code in (process.on_onset, process.on_update)
        )
        plans.append(
            SumPlan(
                variable,
                settle.expression(word_substitute(expression, names)),
                f"{variable}_total" if total else "",
                when,
            )
        )
    return plans


def _process_names(process: WeightProcess) -> dict[str, str]:
    own = [*process.parameters, *checks.parse_equations(process.equations, process.name)]
    return {k: f"{process.name}_{k}" for k in own}


def _gates_needed(spec: NetworkSpec, population: Population) -> tuple[str, ...]:
    """Gates whose value some code of, or at, this population reads."""
    used = checks.identifiers(
        "\n".join(
            (
                population.model.equations,
                population.model.threshold,
                population.model.reset,
                population.model.on_slot,
                population.model.on_step,
                *(a.on_step for a in population.activities),
            )
        )
    )
    if any(p.target == population.name and p.rules for p in spec.projections):
        used.add("plasticity_gate")
    unknown = {g for g in used if g.endswith("_gate")} - {f"{g}_gate" for g in spec.gates}
    if unknown:
        name, known = min(unknown), [f"{gate}_gate" for gate in spec.gates]
        raise SpecError(
            f"population '{population.name}': no gate '{name}'; gates are {', '.join(known)}",
            Details(word=name, close=closest(name, known)),
        )
    return tuple(g for g in spec.gates if f"{g}_gate" in used)


def _synapse_plan(spec: NetworkSpec, projection: Projection) -> SynapsePlan:
    synapse = projection.synapse
    whole = _whole_at_ends(spec, projection)
    lines, state = ["w : 1"], ["w"]
    parameters = {k: Quantity(v) for k, v in synapse.parameters.items()}
    on_pre, on_post = [settle.statements(synapse.on_pre, whole)], []
    learn_pre, learn_post = [], []
    for rule in projection.rules:
        names = {k: f"{rule.name}_{k}" for k in rule.parameters}
        on_neurons: set[str] = set()
        for role in ("pre", "post"):
            names |= {f"{k}_{role}": f"{rule.name}_{role}_{k}_{role}" for k in rule.traces(role)}
            held = _trace_parameters(rule, role)  # the neurons have these: read theirs
            names |= {k: f"{rule.name}_{k}_{role}" for k in held}
            on_neurons |= set(held)
        used = checks.identifiers(rule.on_pre) | checks.identifiers(rule.on_post)
        own = {names[k]: v for k, v in rule.parameters.items() if k in used - on_neurons}
        _merge(parameters, own, projection)
        learn_pre.append(settle.statements(word_substitute(rule.on_pre, names), whole))
        learn_post.append(settle.statements(word_substitute(rule.on_post, names), whole))
    changed = [
        settle.statements(word_substitute(process.on_change, _process_names(process)))
        for process in projection.processes
    ]
    on_pre += _gated(learn_pre, changed)
    on_post += _gated(learn_post, changed)

    processes = []
    for process in projection.processes:
        names = _process_names(process)
        declared = checks.parse_equations(process.equations, process.name)
        lines += [
            f"{names[k]} : {checks.unit_name(Quantity(1, dim=eq.dim))}"
            for k, eq in declared.items()
        ]
        state += [names[k] for k in declared]
        own = {names[k]: v for k, v in process.parameters.items()}
        _merge(parameters, own, projection)
        names["interval"] = f"{process.name}_interval_post"
        sums = _sum_plans(projection, process)
        for name, plan in zip(process.sums, sums, strict=True):
            names[f"{name}_post"] = f"{plan.variable}_post"
            names[f"{name}_total"] = f"{plan.total}_post"
        processes.append(
            ProcessPlan(
                process.name,
                _followed(settle.statements(word_substitute(process.on_onset, names)), changed),
                _followed(settle.statements(word_substitute(process.on_update, names)), changed),
                tuple(sums),
                process.period,
            )
        )

    code = "\n".join(
        [*on_pre, *on_post, *(c for p in processes for c in (p.on_onset, p.on_update))]
    )
    if any(total.total for process in processes for total in process.sums):
        lines.append("zero_index : integer (constant)")
    standard = {"w_min": projection.w_min, "w_max": projection.w_max, "w_sign": projection.sign}
    used = checks.identifiers(code)
    parameters |= {k: Quantity(float(v)) for k, v in standard.items() if k in used}
    return SynapsePlan(
        name=projection.name,
        source=projection.source,
        target=projection.target,
        equations="\n".join([*lines, *_declare(parameters)]),
        on_pre="\n".join(filter(None, on_pre)),
        on_post="\n".join(filter(None, on_post)),
        processes=tuple(processes),
        parameters=parameters,
        state=tuple(state),
    )


def _whole_at_ends(spec: NetworkSpec, projection: Projection) -> set[str]:
    """Return the names, in the synapses, of whole numbers of the neurons at both ends."""
    ends = (("pre", projection.source), ("post", projection.target))
    return {
        f"{name}_{role}"
        for role, end in ends
        for name in settle.whole_variables(spec.population(end).model.variables)
    }


def _followed(code: str, changed: list[str]) -> str:
    """Add what must hold after every change of ``w``; nothing to code that is empty."""
    return "\n".join(filter(None, [code, *changed])) if code else ""


def _gated(codes: list[str], changed: list[str]) -> list[str]:
    """Close plasticity exactly: with the gate at 0 the weight keeps every bit."""
    codes = [code for code in codes if code]
    if not codes:
        return []
    return [
        "w_before = w",
        *codes,
        "w = plasticity_gate_post*w + (1 - plasticity_gate_post)*w_before",
        *changed,
    ]

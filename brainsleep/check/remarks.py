"""What is doubtful in a specification without being wrong, for ``brainsleep check``.

Only what is almost certainly not meant: a remark on something that is fine would teach people not
to read them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import sympy
from brian2 import Quantity, amp, farad, mV, nA, nF, second, volt
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.parsing.sympytools import str_to_sympy

from ..errors import Details
from ..experiment.protocol import Protocol
from ..experiment.schedule import Schedule
from ..network.equations import checks, diagnose, settle
from ..network.layers import SurrogateNetwork
from ..network.models import Model, NeuronModel, PlasticityRule, SpontaneousActivity
from ..network.spec import Network, NetworkSpec
from ..run.compare import Condition
from ..tasks.images.task import Images

#: Values of neuron parameters beyond which the prefix of the unit was almost surely forgotten.
_UNLIKELY = ((volt, 1 * volt, mV), (amp, 1e-3 * amp, nA), (farad, 1e-3 * farad, nF))


@dataclass(frozen=True)
class Remark:
    """A doubt.

    Parameters
    ----------
    name : str
        The name in the file that is assigned what it is about.
    text : str
        What is doubtful, and why.
    details : Details
        The place.
    """

    name: str
    text: str
    details: Details


def remarks(
    own: Mapping[str, object], conditions: Iterable[Condition], tree: ast.Module
) -> list[Remark]:
    """Look for what is doubtful in a file without mistakes.

    Parameters
    ----------
    own : mapping of str to object
        The names that the file itself assigns.
    conditions : iterable of Condition
        The conditions of its protocol.
    tree : ast.Module
        The file's syntax tree.

    Returns
    -------
    list of Remark
        One for each doubt.
    """
    names = {id(value): name for name, value in own.items()}
    neurons, bounded = _neuron_variables(own.values()), _kept_within_bounds(own.values())
    found = list(_unused(own, tree))
    for name, value in own.items():
        doubts = list(_of_model(value, neurons)) if isinstance(value, Model) else []
        if isinstance(value, PlasticityRule) and id(value) not in bounded:
            doubts += _no_bounds(value)
        found += [Remark(name, text, details) for text, details in doubts]
    for name, value in own.items():
        networks = [value] if isinstance(value, NetworkSpec) else []
        if isinstance(value, Protocol):
            variants = [value.override(c.changes) for c in conditions if name == "PROTOCOL"]
            found += [Remark(name, text, d) for text, d in _of_protocol(value, variants)]
            networks = [value.network] if isinstance(value.network, NetworkSpec) else []
        for network in networks:
            for part, text, details in _of_network(network):
                found.append(Remark(names.get(id(part), name), text, details))
    return list({(r.text, r.details): r for r in found}.values())


def _unused(own: Mapping[str, object], tree: ast.Module) -> Iterator[Remark]:
    """Models that a protocol's file makes and does not use."""
    if not isinstance(own.get("PROTOCOL"), Protocol):
        return
    read = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    for name, value in own.items():
        if isinstance(value, Model | Network) and name not in read:
            text = f"'{name}' is defined, but nothing in this file uses it"
            fix = "put it into the network, or remove it"
            yield Remark(name, text, Details(word=name, fix=fix))


def _neuron_variables(values: Iterable[object]) -> set[str]:
    """Names of the variables of all neurons among models, networks and protocols."""
    found = set[str]()
    for value in values:
        if isinstance(value, NeuronModel):
            found |= set(value.variables)
        network = value.network if isinstance(value, Protocol) else value
        if isinstance(network, NetworkSpec):
            found |= _neuron_variables(p.model for p in network.populations)
    return found


def _kept_within_bounds(values: Iterable[object]) -> set[int]:
    """Rules (by id) that need no `clip`: a surrogate-gradient network keeps its weights bounded."""
    networks = (v.network if isinstance(v, Protocol) else v for v in values)
    layered = (n for n in networks if isinstance(n, SurrogateNetwork))
    return {id(rule) for n in layered for p in n.projections for rule in p.rules}


def _of_model(model: Model, neurons: set[str]) -> Iterator[tuple[str, Details]]:
    if isinstance(model, NeuronModel):
        yield from _unlikely_values(model)
        yield from _noise_in_equations(model)
        yield from _starts_above_threshold(model)
    if isinstance(model, PlasticityRule):
        yield from _unread_traces(model)
        yield from _wrong_side(model, neurons)


def _unlikely_values(model: NeuronModel) -> Iterator[tuple[str, Details]]:
    for name, value in model.parameters.items():
        for unit, limit, usual in _UNLIKELY:
            if value.dim is unit.dim and abs(float(value)) > float(limit):
                text = f"neuron '{model.name}': parameter {name} is {value}"
                yield text, Details(word=name, fix=f"was {usual} meant?")


def _noise_in_equations(model: NeuronModel) -> Iterator[tuple[str, Details]]:
    for name, eq in model.variables.items():
        for function in ("randn", "rand"):
            if eq.expr and function in checks.identifiers(eq.expr.code):
                text = (
                    f"neuron '{model.name}': {function}() in the equation of '{name}' is drawn "
                    "once a step, so what it does depends on the time step, and no gate closes it"
                )
                fix = "make it an activity with a gate, such as sleep:WHITE_NOISE"
                span = diagnose.name_at(function, model.equations)
                yield text, Details(code=model.equations, span=span, fix=fix)


def _starts_above_threshold(model: NeuronModel) -> Iterator[tuple[str, Details]]:
    """Every neuron would spike in the first step."""
    names = checks.identifiers(model.threshold)
    if not model.threshold or names & checks.identifiers(model.on_slot) & set(model.variables):
        return
    values = {k: float(v) for k, v in model.parameters.items()}
    for name, eq in model.variables.items():
        if eq.expr and eq.type == "subexpression":
            return
        value = model.initial.get(name, 0.0)
        values[name] = values[value] if isinstance(value, str) else float(value)
    if not names <= set(values):
        return
    if _evaluate(model.threshold, values) == sympy.true:
        text = f"neuron '{model.name}': it starts above its threshold and spikes in the first step"
        span = (0, len(model.threshold))
        fix = "give the variables values at the start with initial={...}"
        yield text, Details(code=model.threshold, span=span, fix=fix)


def _evaluate(code: str, values: Mapping[str, float]) -> sympy.Basic:
    expression = str_to_sympy(code)
    return expression.subs({sympy.Symbol(k, real=True): v for k, v in values.items()})


def _unread_traces(rule: PlasticityRule) -> Iterator[tuple[str, Details]]:
    for role in ("pre", "post"):
        traces = rule.traces(role)
        read = checks.identifiers(rule.on_pre, rule.on_post)
        for name in traces:
            others = [e.expr.code for k, e in traces.items() if k != name and e.expr]
            spike = getattr(rule, f"{role}_spike")
            others += [value for target, value in _assignments(spike) if target != name]
            if f"{name}_{role}" not in read and name not in checks.identifiers(*others):
                text = (
                    f"plasticity rule '{rule.name}': the trace '{name}' is kept, but neither "
                    f"on_pre nor on_post reads {name}_{role}"
                )
                code = getattr(rule, f"{role}_equations")
                match = diagnose.name_at(f"d{name}", code) or diagnose.name_at(name, code)
                yield text, Details(code=code, span=match, fix="use it, or remove it")


def _assignments(code: str) -> Iterator[tuple[str, str]]:
    """Yield name and right side of every assignment; that of ``w += x`` is ``w + x``."""
    for node in ast.parse(settle.statements(code)).body:
        if isinstance(node, ast.AugAssign):
            yield ast.unparse(node.target), ast.unparse(ast.BinOp(node.target, node.op, node.value))
        elif isinstance(node, ast.Assign):
            yield ast.unparse(node.targets[0]), ast.unparse(node.value)


def _wrong_side(rule: PlasticityRule, neurons: set[str]) -> Iterator[tuple[str, Details]]:
    """Traces read from the end that lacks them, unless its neuron has such a variable."""
    for role, other in (("pre", "post"), ("post", "pre")):
        for name in set(rule.traces(role)) - set(rule.traces(other)) - neurons:
            wrong = f"{name}_{other}"
            for code in (rule.on_pre, rule.on_post):
                if wrong in checks.identifiers(code):
                    text = (
                        f"plasticity rule '{rule.name}': '{wrong}' is read from the "
                        f"{other}synaptic neuron, but '{name}' is a trace of the {role}synaptic one"
                    )
                    span = diagnose.name_at(wrong, code)
                    fix = f"did you mean '{name}_{role}'?"
                    yield text, Details(code=code, span=span, fix=fix)


def _no_bounds(rule: PlasticityRule) -> Iterator[tuple[str, Details]]:
    """Something is added to weights whatever they are; factors may well keep the bounds."""
    for label in ("on_pre", "on_post"):
        code = getattr(rule, label)
        bounded = {"w_max", "w_min", "clip"} & checks.identifiers(code)
        if not bounded and any(_adds(*assignment) for assignment in _assignments(code)):
            text = f"plasticity rule '{rule.name}': {label} does not keep w between w_min and w_max"
            fix = "write w = clip(..., w_min, w_max)"
            span = (len(code) - len(code.lstrip()), len(code.rstrip()))
            yield text, Details(code=code, span=span, fix=fix)


def _adds(target: str, value: str) -> bool:
    """Tell whether an assignment adds to w what does not depend on w."""
    w = sympy.Symbol("w", real=True)
    change = str_to_sympy(value) - w if target == "w" else w
    return change != 0 and not change.expand().has(w)


def _of_network(network: NetworkSpec) -> Iterator[tuple[object, str, Details]]:
    ends = {end for p in network.projections for end in (p.source, p.target)}
    for population in network.populations:
        for text, details in _too_fast(population.model, network.dt):
            yield population.model, text, details
        for activity in population.activities:
            for text, details in _noise_of_a_step(activity):
                yield activity, text, details
        if network.projections and population.name not in {*ends, network.input}:
            text = f"population '{population.name}' is connected to nothing"
            yield network, text, Details(word=population.name)
    for projection in network.projections:
        for rule in projection.rules:
            for role in ("pre", "post"):
                for text, details in _fast_traces(rule, role, network.dt):
                    yield rule, text, details
        low, top = projection.weights.low, projection.weights.top
        if projection.rules and low == top and low == projection.w_max:
            text = f"projection '{projection.name}': all weights start at their upper bound {low:g}"
            yield network, text, Details(word="weights", fix="raise w_max, or start lower")


def _noise_of_a_step(activity: SpontaneousActivity) -> Iterator[tuple[str, Details]]:
    """Noise that another time step would change, and that does not say which one it is for."""
    code = activity.on_step
    names = checks.identifiers(code)
    if activity.dt is None and "randn" in names and "dt" not in names:
        text = f"activity '{activity.name}': another time step would be other noise"
        fix = "write sd*sqrt(dt/t_sd)*randn(), or say which time step it is for: dt=1*ms"
        yield text, Details(code=code, span=diagnose.name_at("randn", code), fix=fix)


def _too_fast(model: NeuronModel, dt: Quantity) -> Iterator[tuple[str, Details]]:
    """Variables that decay faster than the time step can follow."""
    for name, rate in _rates(model.variables, model.parameters).items():
        span = diagnose.name_at(f"d{name}", model.equations)
        details = Details(code=model.equations, span=span)
        text = _speed(f"neuron '{model.name}': '{name}'", rate, dt, model.method == "euler")
        if text:
            yield text, details


def _fast_traces(rule: PlasticityRule, role: str, dt: Quantity) -> Iterator[tuple[str, Details]]:
    code = getattr(rule, f"{role}_equations")
    for name, rate in _rates(rule.traces(role), rule.parameters).items():
        text = _speed(f"plasticity rule '{rule.name}': the trace '{name}'", rate, dt, euler=False)
        if text:
            yield text, Details(code=code, span=diagnose.name_at(f"d{name}", code))


def _speed(what: str, rate: float, dt: Quantity, euler: bool) -> str:
    """Say that something decays faster than the time step, if it does."""
    if rate >= -1 / float(dt):
        return ""
    tau = -1 / rate * second
    if euler and rate < -2 / float(dt):
        return f"{what} is unstable: its time constant {tau} is less than half the time step {dt}"
    return f"{what} has a time constant, {tau}, shorter than the time step {dt}"


def _rates(equations, parameters: Mapping[str, Quantity]) -> dict[str, float]:
    """Give what multiplies each variable in its own equation, in 1/s, where that is a constant."""
    values = {k: float(v) for k, v in parameters.items()}
    rates = {}
    for name, eq in equations.items():
        used = checks.identifiers(eq.expr.code) if eq.expr else set()
        if eq.type != "differential equation" or used & set(DEFAULT_FUNCTIONS):
            continue
        slope = sympy.diff(str_to_sympy(eq.expr.code), sympy.Symbol(name, real=True))
        rate = slope.subs({sympy.Symbol(k, real=True): v for k, v in values.items()})
        if rate.is_number and rate.is_finite:
            rates[name] = float(rate)
    return rates


def _of_protocol(protocol: Protocol, variants: list[Protocol]) -> Iterator[tuple[str, Details]]:
    """Yield what only shows in a protocol; `variants` are its conditions."""
    variants = [protocol, *variants]
    if not any(map(_learns, variants)):
        return
    opened = set().union(*(_opened(variant) for variant in variants))
    projections = protocol.network.projections
    plastic = [p.name for p in projections if p.rules]
    if plastic and "plasticity" not in opened:
        text = f"no phase opens the gate 'plasticity': the weights of {plastic[0]} never change"
        yield text, Details(word="plasticity", fix="open it in wake or sleep: plasticity=1")
    for kind, names in (
        ("weight process", protocol.network.process_names),
        ("activity", protocol.network.activity_names),
    ):
        for name in names:
            if name not in opened:
                text = f"no phase opens the gate '{name}': the {kind} of that name never runs"
                fix = f"open it, for example with sleep(..., {name}=1)"
                yield text, Details(word="sleep", fix=fix)
    if not isinstance(protocol.schedule, Schedule) or not isinstance(protocol.task, Images):
        return
    schedule = protocol.schedule
    if (fraction := schedule.sleep.fraction) > 1:
        text = f"a sleep is {fraction:g} times as long as the wake before it"
        fix = f"if {fraction:g} % is meant, write {fraction / 100:g}"
        yield text, Details(word="fraction", fix=fix)
    if text := schedule.without_sleep(protocol.nominal_slots(), protocol.network.dt):
        yield text, Details(word="period", fix="shorten schedule.period, or show more images")


def _learns(protocol: Protocol) -> bool:
    """Whether a network is run at all but to test it."""
    return not isinstance(protocol.task, Images) or bool(protocol.task.data.n_train)


def _opened(protocol: Protocol) -> set[str]:
    """Gates that some phase of a protocol opens."""
    phases = protocol.schedule.phase_gates().values()
    return {gate for gates in phases for gate, value in gates.items() if value}

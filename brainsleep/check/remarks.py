"""What a file without mistakes defines, and what is doubtful in it, for ``brainsleep check``.

Only what is almost certainly not meant: a remark on something that is fine would teach people not
to read them. A doubt is made as a mistake is, beside what it is about.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import sympy
from brian2 import Equations, Quantity, amp, farad, mV, nA, nF, second, volt
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.equations.equations import DIFFERENTIAL_EQUATION, SUBEXPRESSION
from brian2.parsing.sympytools import str_to_sympy

from ..errors import SpecError
from ..experiment.protocol import Protocol
from ..experiment.schedule import Schedule
from ..experiment.timeline import Timeline
from ..network.equations import checks, settle, synaptic
from ..network.equations.diagnose import mistake, name_at, whole
from ..network.layers import SurrogateNetwork
from ..network.models import (
    KINDS,
    Model,
    NeuronModel,
    PlasticityRule,
    SpontaneousActivity,
    SynapseModel,
)
from ..network.spec import InitialWeights, Network, NetworkSpec
from ..run.compare import Condition
from ..show.schedule_text import schedule_text
from ..tasks.images.task import Images
from ..values.fields import place

Doubt = tuple[object, SpecError]

#: Values of neuron parameters beyond which the prefix of the unit was almost surely forgotten.
_UNLIKELY = ((volt, 1 * volt, mV), (amp, 1e-3 * amp, nA), (farad, 1e-3 * farad, nF))


def remarks(
    own: Mapping[str, object], conditions: Iterable[Condition], tree: ast.Module
) -> list[tuple[str, SpecError]]:
    """Look for what is doubtful in a file without mistakes; say by which name, and what.

    `own` are the names that the file assigns, `conditions` those of its protocol, and `tree` is its
    syntax tree.
    """
    networks = [v.network if isinstance(v, Protocol) else v for v in own.values()]
    models = [v for v in own.values() if isinstance(v, NeuronModel)]
    models += [p.model for n in networks if isinstance(n, NetworkSpec) for p in n.populations]
    neurons = {name for model in models for name in model.variables}
    # a surrogate-gradient network keeps its weights bounded
    layered = [n for n in networks if isinstance(n, SurrogateNetwork)]
    bounded = [rule for n in layered for p in n.projections for rule in p.rules]
    wrong_side = partial(_wrong_side, neurons=neurons)
    no_bounds = partial(_no_bounds, bounded=bounded)
    rules: dict[type, tuple[Callable[[Any], Iterator[Doubt]], ...]] = {
        NeuronModel: (_unlikely_values, _noise_in_equations, _starts_above_threshold),
        PlasticityRule: (_unread_traces, wrong_side, no_bounds),
        NetworkSpec: (_of_network,),
    }
    names, remarks = {id(value): name for name, value in own.items()}, {}
    for name, value in own.items():
        doubts, parts = list[Doubt](), [value]
        if isinstance(value, Protocol):
            variants = [value.override(c.changes) for c in conditions if name == "PROTOCOL"]
            doubts += _unused(own, tree) if name == "PROTOCOL" else ()
            doubts += _of_protocol(value, [value, *variants])
            parts.append(value.network)
        for part, (kind, each) in itertools.product(parts, rules.items()):
            if isinstance(part, kind):
                doubts += itertools.chain.from_iterable(rule(part) for rule in each)
        for about, doubt in doubts:
            remarks[doubt.details] = names.get(id(about), name), doubt
    return list(remarks.values())


def _unused(own: Mapping[str, object], tree: ast.Module) -> Iterator[Doubt]:
    """Models that a protocol's file makes and does not use."""
    read = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    for name, value in own.items():
        if isinstance(value, Model | Network) and name not in read:
            brief = f"'{name}' is defined, but nothing in this file uses it"
            yield value, mistake("", brief, "put it into the network, or remove it", word=name)


def _unlikely_values(model: NeuronModel) -> Iterator[Doubt]:
    for name, value in model.parameters.items():
        for unit, limit, usual in _UNLIKELY:
            if value.dim is unit.dim and abs(float(value)) > float(limit):
                fix = f"was {usual} meant?"
                yield model, mistake(place(model), f"parameter {name} is {value}", fix, word=name)


def _noise_in_equations(model: NeuronModel) -> Iterator[Doubt]:
    for name, eq in model.variables.items():
        for function in sorted({"randn", "rand"} & eq.identifiers, reverse=True):
            brief = (
                f"{function}() in the equation of '{name}' is drawn once a step, so what it does "
                "depends on the time step, and no gate closes it"
            )
            fix = "make it an activity with a gate, such as sleep:WHITE_NOISE"
            yield model, mistake(place(model), brief, fix, code=model.equations, word=function)


def _starts_above_threshold(model: NeuronModel) -> Iterator[Doubt]:
    """Every neuron would spike in the first step."""
    names, variables = checks.identifiers(model.threshold), model.variables
    if not model.threshold or names & checks.identifiers(model.on_slot) & set(variables):
        return
    if any(eq.type == SUBEXPRESSION for eq in variables.values()):
        return
    values: dict[str, float | Quantity] = dict(model.parameters)
    for name in variables:
        value = model.initial.get(name, 0.0)
        if not isinstance(value, str):
            values[name] = value
        elif value in model.parameters:  # an expression may draw
            values[name] = model.parameters[value]
    if names <= set(values) and _with_values(str_to_sympy(model.threshold), values) == sympy.true:
        brief, code = "it starts above its threshold and spikes in the first step", model.threshold
        fix = "give the variables values at the start with initial={...}"
        yield model, mistake(place(model), brief, fix, code=code, span=(0, len(code)))


def _with_values(expression: sympy.Basic, values: Mapping[str, float | Quantity]) -> sympy.Basic:
    return expression.subs({sympy.Symbol(k, real=True): float(v) for k, v in values.items()})


def _unread_traces(rule: PlasticityRule) -> Iterator[Doubt]:
    read = checks.identifiers(*rule.codes.values(), rule.equations)
    for role in ("pre", "post"):
        traces, spike = rule.traces(role), _assignments(getattr(rule, f"{role}_spike"))
        codes = [*((k, eq.expr.code) for k, eq in traces.items() if eq.expr), *spike]
        for name in traces:
            others = checks.identifiers(*(code for target, code in codes if target != name))
            if f"{name}_{role}" not in read and name not in others:
                brief = (
                    f"the trace '{name}' is kept, but neither on_pre nor on_post reads "
                    f"{name}_{role}"
                )
                code, fix = getattr(rule, f"{role}_equations"), "use it, or remove it"
                span = name_at(f"d{name}", code) or name_at(name, code)
                yield rule, mistake(place(rule), brief, fix, code=code, span=span)


def _assignments(code: str) -> Iterator[tuple[str, str]]:
    """Yield name and right side of every assignment; that of ``w += x`` is ``w + x``."""
    for node in ast.parse(settle.statements(code)).body:
        if isinstance(node, ast.AugAssign):
            yield ast.unparse(node.target), ast.unparse(ast.BinOp(node.target, node.op, node.value))
        elif isinstance(node, ast.Assign):
            yield ast.unparse(node.targets[0]), ast.unparse(node.value)


def _wrong_side(rule: PlasticityRule, *, neurons: set[str]) -> Iterator[Doubt]:
    """Traces read from the end that lacks them, unless its neuron has such a variable."""
    for role, other in (("pre", "post"), ("post", "pre")):
        for name in set(rule.traces(role)) - set(rule.traces(other)) - neurons:
            wrong = f"{name}_{other}"
            for code in rule.codes.values():
                if wrong in checks.identifiers(code):
                    brief = (
                        f"'{wrong}' is read from the {other}synaptic neuron, but '{name}' is a "
                        f"trace of the {role}synaptic one"
                    )
                    fix = f"did you mean '{name}_{role}'?"
                    yield rule, mistake(place(rule), brief, fix, code=code, word=wrong)


def _no_bounds(rule: PlasticityRule, *, bounded: list[PlasticityRule]) -> Iterator[Doubt]:
    """Something is added to weights whatever they are; factors may well keep the bounds."""
    if any(rule is one for one in bounded):
        return
    for label, code in rule.codes.items():
        if {"w_max", "w_min", "clip"} & checks.identifiers(code):
            continue
        if any(_adds(*assignment) for assignment in _assignments(code)):
            brief = f"{label} does not keep w between w_min and w_max"
            fix = "write w = clip(..., w_min, w_max)"
            yield rule, mistake(place(rule), brief, fix, code=code, span=whole(code))


def _adds(target: str, value: str) -> bool:
    """Tell whether an assignment adds to w what does not depend on w."""
    w = sympy.Symbol("w", real=True)
    change = str_to_sympy(value) - w if target == "w" else w
    return change != 0 and not change.expand().has(w)


def _of_network(network: NetworkSpec) -> Iterator[Doubt]:
    ends = {end for p in network.projections for end in (p.source, p.target)}
    for population in network.populations:
        model = population.model
        yield from _too_fast(model, "", model.variables, model.equations, network.dt)
        for activity in population.activities:
            yield from _noise_of_a_step(activity)
        apart = population.name not in {*ends, *network.inputs} and population.spikes
        if network.projections and apart:
            brief = f"population '{population.name}' is connected to nothing"
            yield network, mistake("", brief, word=population.name)
    for projection in network.projections:
        for rule, role in itertools.product(projection.rules, ("pre", "post")):
            code = getattr(rule, f"{role}_equations")
            yield from _too_fast(rule, "the trace ", rule.traces(role), code, network.dt)
        parts: tuple[SynapseModel | PlasticityRule, ...] = (projection.synapse, *projection.rules)
        for part in parts:
            clocked = Equations(synaptic.driven(part.variables, synaptic.CLOCK_DRIVEN))
            yield from _too_fast(part, "", clocked, part.equations, network.dt)
        drawn = projection.weights
        low, top = (drawn.low, drawn.top) if isinstance(drawn, InitialWeights) else (0, 1)
        if projection.rules and low == top and low == projection.w_max:
            brief = f"all weights start at their upper bound {low:g}"
            fix = "raise w_max, or start lower"
            yield network, mistake(place(projection), brief, fix, word="weights")


def _noise_of_a_step(activity: SpontaneousActivity) -> Iterator[Doubt]:
    """Noise that another time step would change, and that does not say which one it is for."""
    code = activity.on_step
    names = checks.identifiers(code)
    fixes = {
        "randn": "write sd*sqrt(dt/t_sd)*randn(), or say which time step it is for: dt=1*ms",
        "poisson": "write poisson(n*rate*dt), or say which time step it is for: dt=1*ms",
    }
    for word, fix in fixes.items():
        if activity.dt is None and word in names and "dt" not in names:
            brief = "another time step would be other noise"
            yield activity, mistake(place(activity), brief, fix, code=code, word=word)


def _too_fast(
    model: NeuronModel | SynapseModel | PlasticityRule,
    what: str,
    equations: Equations,
    code: str,
    dt: Quantity,
) -> Iterator[Doubt]:
    """Variables that decay faster than the time step can follow."""
    for name, eq in equations.items():
        if eq.type != DIFFERENTIAL_EQUATION or eq.identifiers & set(DEFAULT_FUNCTIONS):
            continue
        slope = sympy.diff(str_to_sympy(eq.expr.code), sympy.Symbol(name, real=True))
        rate = _with_values(slope, model.parameters)  # in 1/s, where that is a constant
        if not (rate.is_number and rate.is_finite and float(rate) < -1 / float(dt)):
            continue
        tau = -1 / float(rate) * second
        brief = f"has a time constant, {tau}, shorter than the time step {dt}"
        if not what and model.method == "euler" and float(rate) < -2 / float(dt):
            brief = f"is unstable: its time constant {tau} is less than half the time step {dt}"
        brief, span = f"{what}'{name}' {brief}", name_at(f"d{name}", code)
        yield model, mistake(place(model), brief, code=code, span=span)


def _of_protocol(protocol: Protocol, variants: list[Protocol]) -> Iterator[Doubt]:
    """Yield what only shows in a protocol; `variants` are its conditions, and itself."""
    if not any(not isinstance(v.task, Images) or v.task.data.n_train for v in variants):
        return  # networks are only tested
    phases = [gates for v in variants for gates in v.schedule.phase_gates().values()]
    opened = {gate for gates in phases for gate, value in gates.items() if value}
    projections = protocol.network.projections
    plastic = [p.name for p in projections if p.rules]
    if plastic and "plasticity" not in opened:
        brief = f"no phase opens the gate 'plasticity': the weights of {plastic[0]} never change"
        fix = "open it in wake or sleep: plasticity=1"
        yield protocol, mistake("", brief, fix, word="plasticity")
    for kind, names in (
        ("weight process", protocol.network.process_names),
        ("activity", protocol.network.activity_names),
    ):
        for name in names:
            if name not in opened:
                brief = f"no phase opens the gate '{name}': the {kind} of that name never runs"
                fix = f"open it, for example with sleep(..., {name}=1)"
                yield protocol, mistake("", brief, fix, word="sleep")
    yield from _never_given(protocol, variants)
    if not isinstance(protocol.schedule, Schedule) or not isinstance(protocol.task, Images):
        return
    schedule = protocol.schedule
    if (fraction := schedule.sleep.fraction) > 1:
        brief = f"a sleep is {fraction:g} times as long as the wake before it"
        fix = f"if {fraction:g} % is meant, write {fraction / 100:g}"
        yield protocol, mistake("", brief, fix, word="fraction")
    if brief := schedule.without_sleep(protocol.nominal_slots(), protocol.network.dt):
        fix = "shorten schedule.period, or show more images"
        yield protocol, mistake("", brief, fix, word="period")


def _never_given(protocol: Protocol, variants: list[Protocol]) -> Iterator[Doubt]:
    """Look for inputs of a timeline that no period gives anything."""
    timelines = [v.schedule for v in variants if isinstance(v.schedule, Timeline)]
    periods = [period for timeline in timelines for period in timeline.written]
    given = {name for period in periods for name in period.inputs}
    network = protocol.network
    given |= {name for v in variants if v.task for name in v.task.drives(v.network)}
    if any(float(period.rate) for period in periods):
        given.add(network.input)
    for name in [name for name in network.inputs if timelines and name not in given]:
        brief = f"no period gives the input '{name}' anything"
        yield protocol, mistake("", brief, f"write inputs=dict({name}=...)", word=name)


_WORDS: dict[type, str] = {**KINDS, Network: "network", Protocol: "protocol"}


def summary(own: Mapping[str, object]) -> list[str]:
    """Say what a file defines, by the names it assigns: one line a kind and one a protocol."""
    distinct = list({id(value): value for value in own.values()}.values())
    lines = []
    for kind, word in _WORDS.items():
        names = [value.name for value in distinct if isinstance(value, kind)]  # type: ignore[attr-defined]
        if names:
            count = word if len(names) == 1 else _plural(word)
            lines.append(f"{len(names)} {count}: {', '.join(dict.fromkeys(names))}")
    protocols = [value for value in distinct if isinstance(value, Protocol)]
    return [*lines, *(line for protocol in protocols for line in _sizes(protocol))]


def _plural(word: str) -> str:
    return word[:-1] + "ies" if word.endswith("y") else word + ("es" if word[-1] == "s" else "s")


def _sizes(protocol: Protocol) -> Iterator[str]:
    network, schedule, task = protocol.network, protocol.schedule, protocol.task
    neurons = ", ".join(f"{p.size} {p.name}" for p in network.populations)
    plastic, count = sum(bool(p.rules) for p in network.projections), len(network.projections)
    if isinstance(task, Images) and isinstance(schedule, Schedule):
        shown = (
            f"{task.data.n_train} training, {task.data.n_readout} readout and {task.data.n_test} "
            f"test images of {schedule.image_duration}"
        )
    else:
        shown = f"{float(protocol.nominal_slots().starts[-1] * network.dt):g} s"
    yield (
        f"protocol {protocol.name}: neurons {neurons}; {count} "
        f"projection{'s' if count != 1 else ''} ({plastic} plastic); {shown}"
    )
    yield f"    {schedule_text(schedule)['sleep']}"

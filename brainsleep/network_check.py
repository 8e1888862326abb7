"""Whether the parts of a network fit together: the final code of each against what it joins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial

from brian2 import Equations
from brian2.equations.equations import SUBEXPRESSION

from . import checks, mistakes, settle
from .errors import Details, SpecError
from .spec import NetworkSpec, Population

#: Reserved names that the final code of neurons and synapses sets.
_OF_NEURONS, _OF_SYNAPSES = {"spike_count", "spiking", "spiked"}, {"w_before"}


def check_network(spec: NetworkSpec) -> None:
    """Check every final equation and statement of `spec` against the populations it joins.

    Raises
    ------
    SpecError
        For an undefined name, inconsistent units, or an activity that is stated for another time
        step, naming the part it is in.
    """
    for population in spec.populations:
        for drive in population.activities:
            with mistakes.going_on():
                drive.check_step(spec.dt, f"population '{population.name}'")
    sound = _sound(spec)
    plan = sound.plan
    groups, may_set = {}, {}
    for group in plan.groups:
        where = f"population '{group.name}'"
        groups[group.name] = checks.parse_equations(group.equations, where)
        may_set[group.name] = {name for name in group.state if name != "lastspike"}
        known = checks.variables_of(groups[group.name])
        for activity in group.activities:
            label = f"{where}: activity '{activity.gate}'"
            with mistakes.going_on():
                checks.check_statements(activity.code, known, label, writes=may_set[group.name])
        for part, code, own in _parts(sound, sound.population(group.name)):
            with mistakes.going_on():
                _check_new_names(code, set(known) - own, f"{where}: {part}")
        may = may_set[group.name] | _OF_NEURONS
        for label in ("reset", "on_step"):  # names that two of its parts give to different things
            code = getattr(group, label)
            with mistakes.going_on():
                checks.check_statements(
                    code, known, f"{where}: {label}", writes=may, ours=_OF_NEURONS
                )
    for synapse in plan.synapses:
        where = f"projection '{synapse.name}'"
        known = {
            **checks.variables_of(checks.parse_equations(synapse.equations, where)),
            **checks.variables_of(groups[synapse.source], "_pre"),
            **checks.variables_of(groups[synapse.target], "_post"),
        }
        writes = {"w", *(f"{name}_post" for name in may_set[synapse.target])}
        codes = {label: (getattr(synapse, label), writes) for label in ("on_pre", "on_post")}
        for process in synapse.processes:
            for label in ("on_onset", "on_update"):
                code = getattr(process, label)
                codes[f"{process.name}: {label}"] = code, set(synapse.state)
        for label, (code, may) in codes.items():
            with mistakes.going_on():
                _check_computed(code, groups[synapse.target], f"{where}: {label}")
            with mistakes.going_on():
                checks.check_statements(
                    code,
                    known,
                    f"{where}: {label}",
                    writes=may,
                    ours=_OF_SYNAPSES,
                    meant=partial(_other_end, known),
                )


def _check_computed(code: str, equations: Equations, where: str) -> None:
    """Refuse code of synapses that sets a variable, and reads what neurons compute from it.

    Raises
    ------
    SpecError
        Since it would read the value of before, or that of another synapse.
    """
    wrote = {name for name, _, _ in settle.read(code) or ()}
    computed = {name: eq.identifiers for name, eq in equations.items() if eq.type == SUBEXPRESSION}
    for name in checks.identifiers(code):
        neurons, end = name.removesuffix("_post").removesuffix("_pre"), name.rpartition("_")[2]
        if end not in ("pre", "post") or neurons not in computed:
            continue
        needs, more = set[str](), {neurons}
        while more:
            needs |= more
            more = set().union(*(computed.get(each, set()) for each in more)) - needs
        changed = sorted(wrote & {f"{each}_post" for each in needs})
        if changed:
            brief = f"'{name}' depends on '{changed[0]}', which the same code sets"
            fix = f"write out its equation in place of '{name}'"
            details = Details(where=where, code=code, word=name, brief=brief, fix=fix)
            raise SpecError(f"{where}: {brief}; {fix}", details)


def _parts(spec: NetworkSpec, population: Population) -> Iterator[tuple[str, str, set[str]]]:
    """Yield the parts whose code runs on neurons: what and where, code, variables of its own."""
    model = population.model
    for label in ("reset", "on_slot", "on_step"):
        yield f"neuron '{model.name}': {label}", getattr(model, label), set(model.variables)
    for projection in spec.projections:
        for rule in projection.rules:
            for role, end in (("pre", projection.source), ("post", projection.target)):
                if end == population.name:
                    code, own = getattr(rule, f"{role}_spike"), set(rule.traces(role))
                    yield f"plasticity rule '{rule.name}': {role}_spike", code, own


def _check_new_names(code: str, taken: set[str], where: str) -> None:
    """Refuse a new name in code that is a variable of another part of these neurons.

    Raises
    ------
    SpecError
        If the code would set that variable.
    """
    names = {name for name, _, _ in settle.read(settle.statements(code)) or ()}
    for name in sorted(names & taken):
        brief = f"the new name '{name}' is a variable of another part, which it would set"
        fix = f"choose another name, such as '{name}_own'"
        details = Details(where=where, code=code, word=name, brief=brief, fix=fix)
        raise SpecError(f"{where}: {brief}; {fix}", details)


def _other_end(known: Iterable[str], name: str) -> str:
    """Name the trace of a rule that is read from the neuron at the wrong end."""
    stem, _, end = name.rpartition("_")
    other = {"pre": "post", "post": "pre"}.get(end)
    is_trace = any(each.endswith(f"_{other}_{stem}_{other}") for each in known)
    return f"did you mean '{stem}_{other}'?" if other and is_trace else ""


def _sound(spec: NetworkSpec) -> NetworkSpec:
    """Return `spec` without the parts in which mistakes were noted; itself if there are none."""

    def keep(parts: tuple) -> tuple:
        return tuple(part for part in parts if not mistakes.is_faulty(part))

    populations = {p.name: p for p in keep(spec.populations) if keep((p.model,))}
    projections = [
        replace(p, rules=keep(p.rules), processes=keep(p.processes))
        for p in keep(spec.projections)
        if keep((p.synapse,)) and {p.source, p.target} <= set(populations)
    ]
    left = [replace(p, activities=keep(p.activities)) for p in populations.values()]
    if left == list(spec.populations) and projections == list(spec.projections):
        return spec
    part = object.__new__(NetworkSpec)  # not checked as a whole: it lacks what was left out
    part.__dict__.update(spec.__dict__, populations=tuple(left), projections=tuple(projections))
    return part

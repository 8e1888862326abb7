"""Whether the parts of a network fit together: the final code of each against what it joins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from brian2 import Equations
from brian2.equations.equations import PARAMETER, SUBEXPRESSION

from .. import mistakes
from . import links
from .assemble import names_in_synapses, rules_at
from .assemble_parts import changes_delays, linked_names
from .equations import checks, settle, synaptic
from .equations.diagnose import mistake, unknown
from .events import SPIKE
from .functions import called
from .given import check_neurons, check_synapses
from .synaptic import sums_into

if TYPE_CHECKING:
    from .plan import SynapsePlan
    from .spec import NetworkSpec, Population, Projection

#: Reserved names that the final code of neurons and synapses sets.
_OF_NEURONS, _OF_SYNAPSES = {"spike_count", "spiking", "spiked"}, {"w_before"}


def check_network(spec: NetworkSpec) -> None:
    """Check every final equation and statement of `spec` against the populations it joins."""
    for population in spec.populations:
        for drive in population.activities:
            drive.check_step(spec.dt, f"population '{population.name}'")
    sound = _sound(spec)
    plan = sound.plan
    groups, may_set = dict[str, Equations](), dict[str, set[str]]()
    for group in plan.groups:
        where = f"population '{group.name}'"
        equations = groups[group.name] = checks.parse_equations(group.equations, where)
        sums = sums_into(sound, sound.population(group.name))
        may = may_set[group.name] = set(group.state) - {"lastspike", "not_refractory"}
        may -= {name for variable in sums for name in (variable, *sums[variable].values())}
        may -= {link.index for link in group.links}
        usable: dict[str, Any] = checks.variables_of(equations)
        check_neurons(sound.population(group.name), group, equations)
        for activity in group.activities:
            label = f"{where}: activity '{activity.gate}'"
            checks.check_statements(activity.code, usable, label, writes=may)
        for part, code, own in _parts(sound, sound.population(group.name)):
            _check_new_names(code, set(usable) - own, f"{where}: {part}")
        for label in ("reset", "on_step"):  # names that two of its parts give to different things
            code, place = getattr(group, label), f"{where}: {label}"
            writes = may | _OF_NEURONS
            checks.check_statements(code, usable, place, writes=writes, ours=_OF_NEURONS)
    for synapse in plan.synapses:
        where = f"projection '{synapse.name}'"
        own = checks.parse_equations(synapse.equations, where)
        with mistakes.going_on():
            _check_apart(own, groups[synapse.source], where, synapse.source)
        check_synapses(sound, sound.projection(synapse.name), synapse, groups, own)
        usable = {
            **checks.variables_of(groups[synapse.source], "_pre"),
            **checks.variables_of(groups[synapse.target], "_post"),
            **checks.of_pairs(),
            **checks.variables_of(own),
            **called(synapse, "checked"),
        }
        with mistakes.going_on():
            names = names_in_synapses(sound.projection(synapse.name))
            links.check_synapses(plan, synapse, names, where)
        with mistakes.going_on():
            _check_events(sound.projection(synapse.name), sound, where)
        with mistakes.going_on():
            _check_sums(sound.projection(synapse.name), groups, where)
        with mistakes.going_on():
            _check_linked(sound.projection(synapse.name), own, set(synapse.state), where)
        _check_equations(synapse, own, usable, where)
        for part, code, names in _parts_of_synapses(sound.projection(synapse.name), usable):
            _check_new_names(code, names, f"{where}: {part}")
        kept = set(synapse.state) - {name for name, eq in own.items() if "constant" in eq.flags}
        of_spikes = {*kept, *(f"{name}_post" for name in may_set[synapse.target])}
        of_spikes |= {f"{name}_pre" for name in may_set[synapse.source]}
        codes = [
            *((label, getattr(synapse, label), of_spikes) for label in ("on_pre", "on_post")),
            *((f"pathway {path.name}", path.code, of_spikes) for path in synapse.pathways),
            *((f"{step.name}: on_step", step.code, kept) for step in synapse.steps),
            *((f"{each.name}: code", each.code, kept) for each in synapse.regular),
            *(
                (f"{process.name}: {label}", getattr(process, label), kept)
                for process in synapse.processes
                for label in ("on_onset", "on_update")
            ),
        ]
        for label, code, writes in codes:
            place, meant = f"{where}: {label}", partial(_other_end, usable)
            _check_computed(code, groups[synapse.target], place)
            checks.check_statements(
                code, usable, place, writes=writes, ours=_OF_SYNAPSES, meant=meant
            )


@mistakes.going_on()
def _check_computed(code: str, equations: Equations, where: str) -> None:
    """Refuse code of synapses that sets a variable, and reads what neurons compute from it.

    It would read the value of before, or that of another synapse.
    """
    wrote = {name for name, _, _ in settle.read(code) or ()}
    computed = {name: eq.identifiers for name, eq in equations.items() if eq.type == SUBEXPRESSION}
    for name in checks.identifiers(code):
        stem, end = name.removesuffix("_post").removesuffix("_pre"), name.rpartition("_")[2]
        if end not in ("pre", "post") or stem not in computed:
            continue
        needs, more = set[str](), {stem}
        while more:
            needs |= more
            more = set().union(*(computed.get(each, set()) for each in more)) - needs
        changed = sorted(wrote & {f"{each}_post" for each in needs})
        if changed:
            brief = f"'{name}' depends on '{changed[0]}', which the same code sets"
            fix = f"write out its equation in place of '{name}'"
            raise mistake(where, brief, fix, word=name)


def _parts(spec: NetworkSpec, population: Population) -> Iterator[tuple[str, str, set[str]]]:
    """Yield the parts whose code runs on neurons: what and where, code, variables of its own."""
    model = population.model
    for label in ("reset", "on_slot", "on_step"):
        yield f"neuron '{model.name}': {label}", getattr(model, label), set(model.variables)
    codes = [(each.name, each.code) for each in model.regular]
    codes += [(each.name, each.code) for each in model.events]
    for name, code in codes:
        yield f"neuron '{model.name}': {name}", code, set(model.variables)
    for rule, role in rules_at(spec, population):
        code, own = getattr(rule, f"{role}_spike"), set(rule.traces(role))
        yield f"plasticity rule '{rule.name}': {role}_spike", code, own


@mistakes.going_on()
def _check_new_names(code: str, taken: set[str], where: str) -> None:
    """Refuse a new name in code that is a variable of another part: the code would set that."""
    names = {name for name, _, _ in settle.read(settle.statements(code)) or ()}
    for name in sorted(names & taken):
        brief = f"the new name '{name}' is a variable of another part, which it would set"
        raise mistake(where, brief, f"choose another name, such as '{name}_own'", word=name)


def _check_apart(own: Equations, source: Equations, where: str, population: str) -> None:
    """Refuse a name of synapses that the presynaptic neurons have, too: Brian2 does."""
    for name, eq in own.items():
        if name in source and not synaptic.is_summed(eq):
            brief = f"'{name}' of the synapses is also a name of the presynaptic neurons"
            fix = f"rename that of the synapses, for example to '{name}_syn'"
            raise mistake(where, f"{brief} '{population}'", fix, word=name)


def _check_events(projection: Projection, spec: NetworkSpec, where: str) -> None:
    """Refuse pathways for events that the neurons do not have, or of spikes with another delay."""
    for path in projection.synapse.pathways:
        population = projection.source if path.end == "pre" else projection.target
        model, label = spec.population(population).model, f"{where}: pathway '{path.name}': event"
        if path.event == SPIKE:
            continue
        if not model.happens(path.event):
            events = [event.name for event in model.events]
            raise unknown(f"{label}: '{population}' has no event", path.event, [SPIKE, *events])
        if path.end == "pre" and changes_delays(projection) and not path.own_delay:
            fix = "give the pathway a delay of its own: own_delay=True"
            raise mistake(label, "the delay of its end changes", fix, word=path.event)


def _check_sums(projection: Projection, groups: Mapping[str, Equations], where: str) -> None:
    """Refuse sums into what neurons do not declare as a number that nothing else gives a value."""
    for name, eq in projection.synapse.variables.items():
        if not synaptic.is_summed(eq):
            continue
        variable, _, end = name.rpartition("_")
        population = projection.target if end == "post" else projection.source
        model = groups[population]
        if variable not in model:
            error = unknown(f"{where}: sum into '{name}': '{population}' has no", variable, model)
            error.details = replace(error.details, word=name)
            raise error
        into = model[variable]
        several = into.type == SUBEXPRESSION and set(into.identifiers) <= set(model)
        if not (several or into.type == PARAMETER) or into.flags or into.var_type != "float":
            fix = (
                f"declare '{variable} : {checks.unit_name(eq.dim)}' in the equations of the neuron"
            )
            raise mistake(where, f"'{name}' cannot be a sum", fix, word=name)
        if into.dim is not eq.dim:
            units = {"found": checks.unit_name(eq.dim), "expected": checks.unit_name(into.dim)}
            raise mistake(where, f"wrong units of the sum '{name}'", word=name, **units)


def _check_linked(projection: Projection, own: Equations, kept: set[str], where: str) -> None:
    """Refuse links of rules and processes to variables that synapses do not have."""
    for part in (*projection.rules, *projection.processes):
        for given, eq in part.variables.items():
            if "linked" not in eq.flags:
                continue
            label, name = f"{where}: {part.name}", linked_names(part).get(given, given)
            if name not in kept - {"w"} or "constant" in own[name].flags:
                may = {each for each in kept - {"w"} if "constant" not in own[each].flags}
                raise unknown(f"{label}: synapses have no variable that may be set", name, may)
            if (own[name].dim, own[name].var_type) != (eq.dim, eq.var_type):
                units = [checks.unit_name(each.dim) for each in (eq, own[name])]
                texts = {"found": units[0], "expected": units[1]}
                raise mistake(label, f"wrong unit or type of the linked '{given}'", **texts)


def _check_equations(plan: SynapsePlan, own: Equations, usable: dict, where: str) -> None:
    """Check what synapses compute and sum, and what they integrate in every step."""
    computed = Equations([eq for eq in own.values() if eq.type == SUBEXPRESSION])
    checks.check_equations(computed, usable, where)
    for step in plan.steps:
        label = f"{where}: {step.name}"
        equations = checks.parse_equations(step.equations, label)
        checks.check_equations(equations, usable, label)


def _parts_of_synapses(
    projection: Projection, usable: Iterable[str]
) -> Iterator[tuple[str, str, set[str]]]:
    """Yield the parts whose code runs on synapses: what and where, code, variables of others."""
    synapse = projection.synapse
    names = {name for name in usable if not name.endswith(("_pre", "_post"))}
    for label, code in synapse.codes.items():
        yield f"synapse '{synapse.name}': {label}", code, names - {"w", *synapse.variables}
    for rule in projection.rules:
        for label in ("on_pre", "on_post", "on_step"):
            own = {"w", *rule.variables}
            yield f"plasticity rule '{rule.name}': {label}", getattr(rule, label), names - own
    for process in projection.processes:
        for label in ("on_onset", "on_update", "on_change"):
            own = {"w", *process.variables}
            yield f"weight process '{process.name}': {label}", getattr(process, label), names - own


def _other_end(usable: Iterable[str], name: str) -> str:
    """Name what is read from the neuron at the wrong end, or from none."""
    if f"{name}_post" in usable:
        return f"write '{name}_post', which is '{name}' of the postsynaptic neuron"
    stem, _, end = name.rpartition("_")
    other = {"pre": "post", "post": "pre"}.get(end)
    is_trace = any(each.endswith(f"_{other}_{stem}_{other}") for each in usable)
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
    part = object.__new__(type(spec))  # not checked as a whole: it lacks what was left out
    part.__dict__.update(spec.__dict__, populations=tuple(left), projections=tuple(projections))
    return part

"""Links: variables and signals that are those of other neurons, read as they are in every step."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from brian2 import Quantity
from brian2.equations.equations import PARAMETER, SUBEXPRESSION, SingleEquation

from .. import mistakes
from ..errors import Details, SpecError, explain, nearest
from .equations import checks
from .equations.diagnose import mistake, unknown
from .models import NeuronModel
from .plan import GroupPlan, LinkPlan, NetworkPlan, SynapsePlan

if TYPE_CHECKING:
    from .spec import NetworkSpec, Population

#: A link, such as ``"slow.x"`` or ``"slow.x[partner]"``.
_LINK = re.compile(r"\s*(\w+)\s*\.\s*(\w+)\s*(?:\[\s*(\w+)\s*\])?\s*")


@dataclass(frozen=True)
class Link:
    """Where a link leads: a `variable` of a population, and what says of which neuron, or ''."""

    population: str
    variable: str
    index: str = ""


def read(link: str) -> Link | None:
    """Read a link; None if it is none."""
    match = _LINK.fullmatch(link)
    return Link(match[1], match[2], match[3] or "") if match else None


def linked(model: NeuronModel) -> list[str]:
    """Return the variables of neurons that are linked."""
    return [name for name, eq in model.variables.items() if "linked" in eq.flags]


def signals(spec: NetworkSpec) -> dict[str, Quantity]:
    """Return the signals that are links, with 1 of the unit of each; not those that are faulty."""
    units = {}
    for name, link in spec.links.items():
        with contextlib.suppress(SpecError):
            if "." not in name:
                units[name] = Quantity(1.0, dim=_source(spec, link, name)[1].dim)
    return units


def plans(spec: NetworkSpec, population: Population, names: Iterable[str]) -> Iterator[LinkPlan]:
    """Yield the links of a population's variables, and of the signals `names` that are links."""
    given = {name: spec.links.get(f"{population.name}.{name}") for name in linked(population.model)}
    given |= {name: spec.links[name] for name in names if name in spec.links}
    for name, text in given.items():
        link = read(text) if text else None
        if link and any(p.name == link.population for p in spec.populations):
            one = spec.population(link.population).size == 1 and not link.index
            yield LinkPlan(name, link.population, link.variable, one, link.index)


def check_neurons(plans: Iterable[GroupPlan], arrays: Mapping[str, np.ndarray]) -> None:
    """Refuse numbers of neurons that are not there, which compiled code would trust."""
    sizes = {plan.name: plan.size for plan in plans}
    for plan in plans:
        for link in (link for link in plan.links if link.index):
            neurons, size = arrays[f"{plan.name}.{link.index}"], sizes[link.source]
            wrong = neurons[(neurons < 0) | (neurons >= size)]
            if wrong.size:
                where = f"links: '{plan.name}.{link.index}'"
                allowed = f"neurons 0 to {size - 1} of '{link.source}'"
                raise SpecError(explain(where, f"neuron {wrong[0]:.0f}", allowed))


def check_synapses(plan: NetworkPlan, part: SynapsePlan, used: set[str], where: str) -> None:
    """Refuse code of synapses that reads links with an index; Brian2 cannot, either."""
    for end, population in (("pre", part.source), ("post", part.target)):
        group = next(group for group in plan.groups if group.name == population)
        for link in (link for link in group.links if link.index):
            name = f"{link.name}_{end}"
            if name in used:
                brief = f"'{name}' is a link with an index, which synapses cannot follow"
                fix = f"have the neuron keep a copy that they read: on_step='copy = {link.name}'"
                raise mistake(where, brief, fix, word=name)


def check(spec: NetworkSpec, where: str) -> None:
    """Refuse links of what is not linked, or to what is not there, and variables without one."""
    needed = {
        f"{population.name}.{name}": population.model.variables[name]
        for population in spec.populations
        if isinstance(population.model, NeuronModel)
        for name in linked(population.model)
    }
    for name in sorted(set(needed) - set(spec.links)):
        fix = f"write links={{'{name}': 'population.variable'}} in the network"
        message = f"{where}: '{name}' is linked to nothing; expected another population's variable"
        mistakes.report(SpecError(f"{message}; {fix}", Details(word=name, fix=fix)))
    for name, link in spec.links.items():
        with mistakes.going_on():
            label = f"{where}: links: {name}"
            _check_name(spec, name, needed, label)
            population, eq = _source(spec, link, label)
            _check_computed(population, eq, label)
            index = getattr(read(link), "index", "")
            _check_fit(spec, name, needed.get(name), population, eq, label, index)
            if index:
                _check_index(spec, name, index, label)


def _check_name(spec: NetworkSpec, name: str, needed: dict, where: str) -> None:
    """Refuse a link of a variable that is not linked, and a signal that has a value, too."""
    if "." in name:
        if name not in needed:
            fix = "write (linked) after it in the equations of its neuron: 'x : 1 (linked)'"
            allowed = f"a linked variable{f'; {nearest(name, needed)}' if needed else ''}"
            raise SpecError(explain(where, f"'{name}'", allowed, fix), Details(word=name))
        return
    checks.check_name(name, where)
    if name in spec.signals:
        fix = "take it out of the signals, or out of the links"
        raise SpecError(f"{where}: '{name}' is a signal that periods give, too; {fix}")


def _source(spec: NetworkSpec, link: str, where: str) -> tuple[Population, SingleEquation]:
    """Return what a link leads to: a variable that neurons keep or compute."""
    found = read(link)
    if found is None:
        raise SpecError(explain(where, repr(link), "'population.variable', such as 'vta.d'"))
    population = spec.population(found.population, where)
    variables = population.model.variables
    there = [
        k for k, eq in variables.items() if eq.var_type == "float" and "linked" not in eq.flags
    ]
    if found.variable not in there:
        raise unknown(f"{where}: '{population.name}' has no variable", found.variable, there)
    return population, variables[found.variable]


def _check_computed(source: Population, eq: SingleEquation, where: str) -> None:
    """Refuse a link to what is computed from links of its own, or from tables."""
    variables, needs, more = source.model.variables, set[str](), {eq.varname}
    while more:
        needs |= more
        computed = [variables[k] for k in more if k in variables]
        computed = [each for each in computed if each.type == SUBEXPRESSION]
        more = set().union(*(each.identifiers for each in computed)) - needs
    found = sorted(needs & {*linked(source.model), *source.model.tables, *source.model.functions})
    if found:
        brief = f"'{eq.varname}' of '{source.name}' is computed from '{found[0]}'"
        allowed = "what is computed from variables and parameters of these neurons"
        fix = (
            f"link to what '{found[0]}' is linked to"
            if found[0] in variables
            else ("read it in the equations that the link is in")
        )
        raise SpecError(explain(where, brief, allowed, fix))


def _check_index(spec: NetworkSpec, name: str, index: str, where: str) -> None:
    """Refuse a number of a neuron that is no whole number which neurons keep as it is."""
    owner, _, variable = name.rpartition(".")
    declared = spec.population(owner).model.variables if owner else {}
    eq = declared.get(index)
    fits = eq is not None and (eq.type, eq.var_type) == (PARAMETER, "integer")
    if eq is None or not fits or "constant" not in eq.flags:
        allowed = f"a whole number that the neurons '{owner}' keep"
        fix = f"declare '{index} : integer (constant)' beside '{variable}'"
        raise SpecError(explain(f"{where}: index", f"'{index}'", allowed, fix), Details(word=index))


def _check_fit(
    spec: NetworkSpec,
    name: str,
    target: SingleEquation | None,
    source: Population,
    eq: SingleEquation,
    where: str,
    index: str,
) -> None:
    """Refuse a link to the same neurons, between other numbers of neurons, or of another unit."""
    if target is None:  # a signal
        if source.size != 1 or index:
            allowed = "a population of one neuron, as a signal is one value for all"
            raise SpecError(explain(where, f"'{source.name}' of {source.size} neurons", allowed))
        return
    owner = spec.population(name.partition(".")[0])
    if owner.name == source.name:
        allowed = "another population; equations read variables of the same neuron by name"
        raise SpecError(explain(where, f"'{source.name}'", allowed))
    if source.size not in (1, owner.size) and not index:
        allowed = f"a population of 1 or {owner.size} neurons, as '{owner.name}' has {owner.size}"
        one = f"{source.name}.{eq.varname}"
        fix = f"say whom each reads, '{one}[partner]', or sum them: 'x_post = ... : 1 (summed)'"
        what = f"'{source.name}' of {source.size} neurons"
        raise SpecError(explain(where, what, allowed, fix))
    if target.dim is not eq.dim:
        units = [checks.unit_name(each.dim) for each in (eq, target)]
        raise SpecError(explain(where, f"the unit {units[0]}", units[1]))

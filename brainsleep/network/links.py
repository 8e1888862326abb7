"""Links: variables and signals that are those of other neurons, read as they are in every step."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from brian2 import Quantity
from brian2.equations.equations import SingleEquation

from .. import mistakes
from ..errors import Details, SpecError, explain, nearest
from .equations import checks, synaptic
from .equations.diagnose import unknown
from .models import NeuronModel
from .plan import LinkPlan

if TYPE_CHECKING:
    from .spec import NetworkSpec, Population


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


def plans(spec: NetworkSpec, population: Population, read: Iterable[str]) -> Iterator[LinkPlan]:
    """Yield the links of a population's variables, and of the signals `read` that are links."""
    given = {name: spec.links.get(f"{population.name}.{name}") for name in linked(population.model)}
    given |= {name: spec.links[name] for name in read if name in spec.links}
    for name, link in given.items():
        if link and any(p.name == link.partition(".")[0] for p in spec.populations):
            source, _, variable = link.partition(".")
            one = spec.population(source).size == 1
            yield LinkPlan(name, source, variable, one)


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
            _check_fit(spec, name, needed.get(name), population, eq, label)


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
    """Return what a link leads to: a variable that neurons keep."""
    source, dot, variable = link.partition(".")
    if not dot:
        raise SpecError(explain(where, repr(link), "'population.variable', such as 'vta.d'"))
    population = spec.population(source, where)
    variables = population.model.variables
    kept = [each for each in synaptic.stored(variables) if variables[each].var_type == "float"]
    if variable not in kept:
        raise unknown(f"{where}: '{source}' keeps no variable", variable, kept)
    return population, variables[variable]


def _check_fit(
    spec: NetworkSpec,
    name: str,
    target: SingleEquation | None,
    source: Population,
    eq: SingleEquation,
    where: str,
) -> None:
    """Refuse a link to the same neurons, between other numbers of neurons, or of another unit."""
    if target is None:  # a signal
        if source.size != 1:
            allowed = "a population of one neuron, as a signal is one value for all"
            raise SpecError(explain(where, f"'{source.name}' of {source.size} neurons", allowed))
        return
    owner = spec.population(name.partition(".")[0])
    if owner.name == source.name:
        allowed = "another population; equations read variables of the same neuron by name"
        raise SpecError(explain(where, f"'{source.name}'", allowed))
    if source.size not in (1, owner.size):
        allowed = f"a population of 1 or {owner.size} neurons, as '{owner.name}' has {owner.size}"
        fix = "or sum over synapses: 'x_post = ... : 1 (summed)'"
        what = f"'{source.name}' of {source.size} neurons"
        raise SpecError(explain(where, what, allowed, fix))
    if target.dim is not eq.dim:
        units = [checks.unit_name(each.dim) for each in (eq, target)]
        raise SpecError(explain(where, f"the unit {units[0]}", units[1]))

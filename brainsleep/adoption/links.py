"""Linked variables of groups: whom of another group each neuron reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from brian2.core.variables import Constant, Subexpression
from brian2.equations.equations import PARAMETER, SUBEXPRESSION
from brian2.utils.stringtools import word_substitute

from ..values.arrays import Array
from .names import with_flags
from .places import named, refused
from .scope import Scope

if TYPE_CHECKING:
    from .neurons import Taken


def _what(group: Any, name: str) -> str:
    return f"{named(group)}: linked variable '{name}'"


def with_partners(scope: Scope, text: str, written: set[str]) -> tuple[str, dict[str, Array]]:
    """Return a group's equations with the numbers of neurons that its links need, and those.

    The names of these variables are noted in the scope, by that of the linked one. A group's own
    variable that has them is kept as it is, unless it is among what its code has `written`.
    """
    group, values = scope.group, dict[str, Array]()
    for name in sorted(getattr(group, "_linked_variables", ())):
        if name not in group.variables:
            fix = f"write {group.name}.{name} = linked_var(...)"
            raise refused(_what(group, name), "nothing", "a link", fix, group)
        index = group.variables.indices[name]
        if index in ("_idx", "0"):
            continue
        eq = group.user_equations.get(index)
        if eq is not None and eq.type == PARAMETER:
            if index in written:
                fix = "link to a variable of each, and choose among them in the equations"
                got = f"an index, '{index}', that code changes"
                raise refused(_what(group, name), got, "one that stays in a run", fix, group)
            other = scope.partners[name] = scope.names[index]
            text = with_flags(text, other, lambda flags: {*flags, "constant"})
            continue
        neurons = np.asarray(group.variables[index].get_value(), dtype=np.int32)
        if not _is_each(group, name, neurons):
            other = scope.partners[name] = scope.own(f"{scope.names[name]}_partner")
            text += f"\n{other} : integer (constant)"
            values[other] = Array.of(neurons.astype(float), "partners")
    return text, values


def all_identifiers(group: Any, name: str) -> set[str]:
    """Return the names that a variable of a group is computed from, by way of others, too."""
    known, waiting = set[str](), {name}
    while waiting:
        known |= waiting
        computed = (group.user_equations.get(each) for each in waiting)
        parts = [eq for eq in computed if eq is not None and eq.type == SUBEXPRESSION]
        waiting = {each for eq in parts for each in eq.identifiers} - known
    return known


def _is_each(group: Any, name: str, neurons: np.ndarray) -> bool:
    """Tell whether each neuron reads the one of its own number, in a group of as many."""
    owner = group.variables[name].owner
    same = owner.name != group.name and int(owner.N) == int(group.N)
    return same and np.array_equal(neurons, np.arange(len(neurons)))


def links_of(groups: list[Any], parts: Mapping[str, Taken]) -> dict[str, str]:
    """Return the variables that are those of other groups."""
    links = {}
    for group in groups:
        for name in sorted(getattr(group, "_linked_variables", ())):
            scope = parts[group.name].scope
            source, variable = _source(group, name, parts)
            if source is None or source.group.name == group.name:
                got, fix = "a link to others", "link to a variable of another whole group"
                allowed = "a variable of another group of the network"
                raise refused(_what(group, name), got, allowed, fix, group)
            index, size = scope.partners.get(name, ""), int(source.group.N)
            if not index and size not in (1, int(group.N)):
                got, fix = "what all neurons of a group share", "link to a group of one neuron"
                raise refused(_what(group, name), got, "a value of each neuron", fix, group)
            whom = f"[{index}]" if index else ""
            links[f"{parts[group.name].name}.{scope.names[name]}"] = (
                f"{source.name}.{source.scope.names[variable]}{whom}"
            )
    return links


def _source(group: Any, name: str, parts: Mapping[str, Taken]) -> tuple[Taken | None, str]:
    """Return the group that a variable is linked to, and its name there."""
    variable = group.variables[name]
    if not isinstance(variable, Subexpression):
        part = parts.get(variable.owner.name)
        there = part is not None and variable.name in part.scope.names
        return (part if there else None), variable.name
    for part in parts.values():
        for other, one in part.group.variables.items():
            if not isinstance(one, Subexpression) or other not in part.scope.names:
                continue
            if _as_linked(name, part.group, one) == variable.expr and one.dim is variable.dim:
                _check_outside(group, name, part.group, one)
                return part, other
    return None, ""


def _as_linked(name: str, owner: Any, one: Subexpression) -> str:
    """Return the expression that Brian2 makes of another group's for one that is linked to it."""
    names = {}
    for each in one.identifiers & set(owner.variables):
        middle = f"{owner.name}_" if hasattr(owner.variables[each], "owner") else ""
        names[each] = f"_{name}_{middle}{each}"
    return word_substitute(one.expr, names)


def _check_outside(group: Any, name: str, owner: Any, one: Subexpression) -> None:
    """Refuse an expression with constants that are others for the group that reads it.

    Brian2 looks them up where it is read.
    """
    for each in sorted(one.identifiers - set(owner.variables)):
        known = [own.namespace.get(each) for own in (group, owner)]
        known = [k.get_value() if isinstance(k, Constant) else k for k in known]
        one_value, other_value = map(np.asarray, known)
        if known[0] is not known[1] and not np.array_equal(one_value, other_value):
            fix = "give both groups the same namespace"
            got = f"another '{each}' in the namespace of {named(owner)}"
            raise refused(_what(group, name), got, "the same in both", fix, group)

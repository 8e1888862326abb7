"""Subexpressions in code that changes what they depend on: they are never old."""

from __future__ import annotations

from copy import copy
from typing import Any

from brian2.codegen.translation import get_identifiers_recursively
from brian2.core.variables import Subexpression
from brian2.utils.stringtools import get_identifiers


def knowing_all(group: Any) -> Any:
    """Tell Brian2 what a subexpression depends on by way of others.

    A block of statements that changes such a variable would else read an old value after.
    """
    parts = {k: v for k, v in group.variables.items() if isinstance(v, Subexpression)}
    for variable in parts.values():
        names = get_identifiers_recursively([variable.expr], group.variables)
        variable.identifiers = set(variable.identifiers) | names
    return group


def reading_anew(synapses: Any) -> None:
    """Have pathways compute subexpressions of synapses from the variables that they change.

    Brian2 gives a pathway copies of these variables, which C++ code reads before its statements.
    """
    own = {k: v for k, v in synapses.variables.items() if isinstance(v, Subexpression)}
    for path in synapses._pathways:
        for name in own.keys() & path.variables.keys():
            known = get_identifiers(own[name].expr)
            hidden = known - path.variables.keys()
            if not any(each in synapses.variables for each in hidden):
                path.variables._variables[name] = anew = copy(own[name])
                anew.identifiers = known
        knowing_all(path)

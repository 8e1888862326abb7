"""Equations of synapses: what they may declare, and how each variable is brought up to date.

An event-driven variable is brought up to date where it is used, exactly; a clock-driven one in
every step; a summed one is a sum over the synapses of a neuron.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy
from brian2 import Equations
from brian2.core.functions import DEFAULT_CONSTANTS, DEFAULT_FUNCTIONS
from brian2.core.namespace import DEFAULT_UNITS
from brian2.core.variables import Variable
from brian2.equations.equations import (
    DIFFERENTIAL_EQUATION,
    PARAMETER,
    SUBEXPRESSION,
    SingleEquation,
)
from brian2.parsing.sympytools import str_to_sympy, sympy_to_str
from brian2.stateupdaters.base import StateUpdateMethod
from brian2.utils.stringtools import get_identifiers

from ... import mistakes
from ...errors import one_line
from . import settle
from .declared import DRAWS, TYPES
from .diagnose import mistake, name_at

#: When a variable with a differential equation is brought up to date.
EVENT_DRIVEN, CLOCK_DRIVEN = "event-driven", "clock-driven"

#: What a wrong flag of an equation is answered with.
_WHY_NOT = {
    "shared": "put a number that all share into parameters={{'{name}': ...}}",
    "constant over dt": "take the flag off: it is computed where it is read",
    "unless refractory": "take the flag off",
    "summed": "only 'x_post = ... : unit (summed)' of a synapse model is a sum",
    "linked": "only a rule or a process links to a variable of the synapse model: 'u : 1 (linked)'",
}


def check_flags(
    equations: Equations, where: str, text: str, *, summed: bool = False, linked: bool = False
) -> None:
    """Refuse flags that equations of synapses cannot have; say which differential ones lack.

    Sums are those of a synapse model; a rule or a process links to what it has. Mistakes are marked
    in the `text` that the equations come from.
    """
    extra = {SUBEXPRESSION: ["summed"] * summed, PARAMETER: ["constant", *["linked"] * linked]}
    extra[DIFFERENTIAL_EQUATION] = [EVENT_DRIVEN, CLOCK_DRIVEN]
    for name, eq in equations.items():
        brief, fix = _wrong(name, eq, extra[eq.type])
        if brief:
            span = name_at(f"d{name}", text) or name_at(name, text)
            mistakes.report(mistake(where, brief, fix, code=text, span=span, word=name))


def _wrong(name: str, eq: SingleEquation, allowed: list[str]) -> tuple[str, str]:
    """Say what is wrong with an equation, and how to mend it; nothing if it is right."""
    for flag in eq.flags:
        if flag not in allowed:
            said = f"only ({'), ('.join(allowed)})" if allowed else "which has no flags"
            fix = _WHY_NOT.get(flag, "take the flag off").format(name=name)
            return f"'{name}' cannot be ({flag}), {said}", fix
    if eq.type == DIFFERENTIAL_EQUATION and len(eq.flags) != 1:
        return (
            f"'{name}' does not say when it is brought up to date",
            "write (event-driven) after its unit: at spikes, exactly; or (clock-driven): in every "
            "step, at all synapses",
        )
    of_neurons = name.endswith(("_pre", "_post"))
    if "summed" in eq.flags and not of_neurons:
        fix = f"write '{name}_post = ...', a sum over the synapses onto every neuron"
        return f"the sum '{name}' is of no neuron", fix
    if drawn := sorted((eq.type == SUBEXPRESSION and eq.identifiers & DRAWS) or ()):
        brief = f"'{name}' uses {drawn[0]}(), which is drawn wherever it is read, not once a step"
        return brief, "draw it in on_pre, on_post or on_step"
    return "", ""


def is_summed(eq: SingleEquation) -> bool:
    """Tell whether an equation is a sum over the synapses of a neuron."""
    return "summed" in eq.flags


def stored(equations: Equations) -> list[str]:
    """Return the variables that equations keep at every synapse, by name."""
    own = [eq for eq in equations.values() if eq.type != SUBEXPRESSION]
    return [eq.varname for eq in own if "linked" not in eq.flags]


def settable(equations: Equations) -> set[str]:
    """Return what statements of the same part may set."""
    own = [eq for eq in equations.values() if eq.type != SUBEXPRESSION]
    return {eq.varname for eq in own if "constant" not in eq.flags}


def driven(equations: Equations, flag: str) -> list[SingleEquation]:
    """Return the differential equations that are event-driven, or clock-driven."""
    return [eq for eq in equations.values() if flag in eq.flags]


def check_dependencies(equations: Equations, where: str) -> None:
    """Refuse event-driven equations that need clock-driven variables, and the other way round."""
    for flag, other in ((EVENT_DRIVEN, CLOCK_DRIVEN), (CLOCK_DRIVEN, EVENT_DRIVEN)):
        others = {eq.varname for eq in driven(equations, other)}
        for eq in driven(equations, flag):
            if wrong := sorted(_needs(eq, equations) & others):
                brief = f"the {flag} '{eq.varname}' depends on the {other} '{wrong[0]}'"
                fix = "write (clock-driven) after both, or (event-driven) after both"
                mistakes.report(mistake(where, brief, fix, word=eq.varname))


def _needs(eq: SingleEquation, equations: Equations) -> set[str]:
    """Return all names that an equation depends on, also by way of others."""
    needs, more = set[str](), set(eq.identifiers)
    while more:
        needs |= more
        computed = [equations[n] for n in more if n in equations.names]
        more = {n for each in computed if each.type == SUBEXPRESSION for n in each.identifiers}
        more -= needs
    return needs


def to_integrate(equations: Equations, flag: str) -> Equations:
    """Return the equations of one flag, with those that they depend on."""
    chosen = driven(equations, flag)
    needs = set[str]().union(*(_needs(eq, equations) for eq in chosen))
    rest = [eq for eq in equations.values() if eq.varname in needs and not is_summed(eq)]
    return Equations([*chosen, *(eq for eq in rest if eq.type != DIFFERENTIAL_EQUATION)])


def described(equations: Equations, constants: Mapping[str, Variable]) -> dict[str, Any]:
    """Describe all that an integrator may meet in equations; names of neurons by no unit."""
    read = set[str]().union(*(eq.identifiers for eq in equations.values()))
    read -= {*DEFAULT_FUNCTIONS, *equations.stochastic_variables}
    others = {n: Variable(name=n, dtype=np.float64) for n in read}
    own = {
        name: Variable(
            name=name,
            dimensions=eq.dim,
            dtype=TYPES[eq.var_type],
            constant="constant" in eq.flags,
        )
        for name, eq in equations.items()
    }
    return {**others, **own, **constants, **DEFAULT_FUNCTIONS}


def solution(equations: Equations, constants: Mapping[str, Variable], where: str) -> dict[str, str]:
    """Solve the event-driven equations: what each variable is `dt` later, by those of now.

    Raise `SpecError` if they are not linear with constant factors.
    """
    if not (own := driven(equations, EVENT_DRIVEN)):
        return {}
    chosen, variables = to_integrate(equations, EVENT_DRIVEN), described(equations, constants)
    fix = "write (clock-driven), or equations that are linear and of constants alone"
    if changing := _changing(own, equations, constants):
        brief = f"the event-driven '{own[0].varname}' depends on '{changing[0]}', which changes"
        raise mistake(where, f"{brief} between its events", fix, word=own[0].varname)
    try:
        raw = {"simplify": False}  # which would write exponentials that grow with time
        code = StateUpdateMethod.apply_stateupdater(chosen, variables, "exact", method_options=raw)
    except Exception as error:  # of many kinds
        name, reason = own[0].varname, one_line(error).rstrip(".")
        brief = f"the event-driven '{name}' cannot be solved exactly: {reason}"
        raise mistake(where, brief, fix, word=name) from error
    found = re.findall(r"(?m)^_(\w+) = (.*)$", code)
    names = [sympy.Symbol(name, real=True) for name, _ in found]
    return {
        name: sympy_to_str(_cancelled(str_to_sympy(code, variables), names)) for name, code in found
    }


def _changing(
    own: list[SingleEquation], equations: Equations, constants: Mapping[str, Variable]
) -> list[str]:
    """Return what event-driven equations read that is no constant and not one of them."""
    needs = set[str]().union(*(_needs(eq, equations) for eq in own))
    fixed = {eq.varname for eq in own}
    fixed |= {
        eq.varname
        for eq in equations.values()
        if eq.type == SUBEXPRESSION or "constant" in eq.flags
    }
    known = {*fixed, *constants, *DEFAULT_FUNCTIONS, *DEFAULT_CONSTANTS, *DEFAULT_UNITS, "dt"}
    return sorted(needs - known)


def _cancelled(value: sympy.Expr, names: list[sympy.Symbol]) -> sympy.Expr:
    """Cancel what would be 0/0 for no time, with every exponential as it is.

    The value is linear in `names`.
    """
    decays = {each: sympy.Dummy(real=True) for each in sorted(value.atoms(sympy.exp), key=str)}
    back = {symbol: each for each, symbol in decays.items()}
    value = value.xreplace(decays)
    parts = [name * sympy.cancel(sympy.diff(value, name)) for name in names]
    parts.append(sympy.cancel(value.xreplace(dict.fromkeys(names, sympy.Integer(0)))))
    return sympy.Add(*parts).xreplace(back)


def integration(
    equations: Equations, constants: Mapping[str, Variable], method: str, where: str
) -> str:
    """Write one step of the clock-driven equations as statements.

    Raise `SpecError` if the method cannot integrate them.
    """
    if not driven(equations, CLOCK_DRIVEN):
        return ""
    chosen, variables = to_integrate(equations, CLOCK_DRIVEN), described(equations, constants)
    try:
        code = StateUpdateMethod.apply_stateupdater(chosen, variables, method)
    except Exception as error:  # of many kinds
        brief = f"method '{method}' cannot integrate the equations: {one_line(error).rstrip('.')}"
        raise mistake(where, brief, word=method) from error
    code = re.sub(r"\bxi(\w*)\b", r"drawn_xi\1", code)
    code = settle.tidy(re.sub(r"\b_+(\w+)", r"next_\1", code))
    return "\n".join(
        _read(code.splitlines(), {eq.varname for eq in driven(equations, CLOCK_DRIVEN)})
    )


def _read(lines: list[str], kept: set[str]) -> list[str]:
    """Leave out statements of an integrator that set what neither is `kept` nor read later."""
    found: list[str] = []
    for line in reversed(lines):
        name, value = line.split(" = ", 1)
        if name in kept:
            found.insert(0, line)
            kept = kept | get_identifiers(value)
    return found

"""What equations declare of their variables, types and flags, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from brian2 import Equations
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.core.variables import Variable
from brian2.equations.equations import (
    DIFFERENTIAL_EQUATION,
    PARAMETER,
    SUBEXPRESSION,
    SingleEquation,
)
from brian2.parsing.bast import brian_ast, brian_dtype_from_dtype

from . import diagnose, mistakes, settle
from .errors import Details, SpecError, explain

#: NumPy's type of a variable, by Brian2's name of it.
TYPES = {"boolean": np.dtype(bool), "integer": np.dtype(np.int32), "float": np.dtype(np.float64)}

#: Flags that a neuron's equations of each kind may have.
_NEURON_FLAGS: dict[str, tuple[str, ...]] = {
    DIFFERENTIAL_EQUATION: ("unless refractory",),
    SUBEXPRESSION: ("shared", "constant over dt"),
    PARAMETER: ("constant",),
}

#: Functions of which every neuron gets a value of its own, unless it is drawn once a step for all.
_DRAWS = {"rand", "randn", "poisson"}

_EVERY_STEP = "a neuron's equations are integrated in every step"

#: Why a neuron's equation cannot have a flag, and what to write instead.
_WHY_NOT = {
    "shared": (
        "every neuron has its own value",
        "take the flag off, or put a number that all share into parameters={{'{name}': ...}}",
    ),
    "linked": (
        "no other group can be named to link to",
        "take the flag off, and have a synapse write it: '{name}_post = ...'",
    ),
    "summed": (
        "sums over synapses are not taken in every step",
        "take the flag off, and have a synapse add to it: '{name}_post += ...'",
    ),
    "event-driven": (_EVERY_STEP, "take the flag off"),
    "clock-driven": (_EVERY_STEP, "take the flag off"),
    "unless refractory": ("only what is integrated can be held", "take the flag off"),
    "constant over dt": ("only 'x = ...' can be computed once a step", "take the flag off"),
    "constant": ("it has a value of its own in every step", "take the flag off"),
}


def check_flags(equations: Equations, where: str) -> None:
    """Refuse flags of a neuron's equations that networks do not, or cannot, heed.

    Raises
    ------
    SpecError
        For a flag that the kind of equation cannot have: why, and what to write instead.
    """
    for name, eq in equations.items():
        allowed = _NEURON_FLAGS[eq.type]
        for flag in eq.flags:
            if flag in allowed:
                continue
            reason, fix = _WHY_NOT.get(flag, ("there is no such flag", "take the flag off"))
            fix = fix.format(name=name)
            can = f"{', '.join(f'({one})' for one in allowed)}, or no flag ({reason})"
            brief = f"'{name}' cannot be ({flag}): {reason}"
            details = Details(where=where, brief=brief, word=name, fix=fix)
            got = f"the flag ({flag}) of '{name}'"
            mistakes.report(SpecError(explain(where, got, can, fix), details))
        drawn = sorted(eq.identifiers & _DRAWS)
        if eq.type == SUBEXPRESSION and drawn and "constant over dt" not in eq.flags:
            brief = f"'{name}' would be drawn anew wherever it is read, since it uses {drawn[0]}()"
            fix = f"write ({', '.join([*eq.flags, 'constant over dt'])}) after it"
            details = Details(where=where, brief=brief, word=name, fix=fix)
            mistakes.report(SpecError(f"{where}: {brief}; {fix}: one draw a step", details))
        if "shared" in eq.flags and eq.type == SUBEXPRESSION:
            own = sorted(eq.identifiers & {"i", *_not_shared(equations)})
            if own:
                brief = f"'{name}' cannot be (shared): every neuron has its own '{own[0]}'"
                details = Details(where=where, brief=brief, word=name, fix="take the flag off")
                mistakes.report(SpecError(f"{where}: {brief}; take the flag off", details))


def _not_shared(equations: Equations) -> set[str]:
    return {name for name, eq in equations.items() if "shared" not in eq.flags}


def check_start(eq: SingleEquation, value: object, where: str) -> None:
    """Refuse a value at the start that a variable's type does not hold.

    Raises
    ------
    SpecError
        If an integer would start between two whole numbers, or a boolean at neither 0 nor 1.
    """
    number = float(np.asarray(value))
    allowed = {"integer": "a whole number", "boolean": "0 or 1"}.get(eq.var_type, "")
    fits = number in (0, 1) if eq.var_type == "boolean" else number.is_integer()
    if allowed and not (fits and -(2**31) <= number < 2**31):
        bounds = f" between {-(2**31)} and {2**31 - 1}" if fits else ""
        allowed += f"{bounds}, as it is of type {eq.var_type}"
        raise SpecError(explain(where, f"{number:g}", allowed))


def check_declared_only(equations: Equations, where: str, what: str) -> None:
    """Refuse equations, flags and types where numbers are only declared.

    Raises
    ------
    SpecError
        For anything but declarations such as ``x : 1``.
    """
    for name, eq in equations.items():
        if eq.type != PARAMETER or eq.flags or eq.var_type != "float":
            brief = f"'{name}' has an equation, a flag or a type"
            reason = f"{what} keeps one number for each, which its statements set"
            message = f"{where}: {brief}; expected declarations such as '{name} : 1' ({reason})"
            mistakes.report(SpecError(message, Details(where=where, brief=brief, word=name)))


def check_traces(equations: Equations, where: str) -> None:
    """Refuse subexpressions, flags and types in the equations of traces.

    Raises
    ------
    SpecError
        For anything but differential equations and declarations of numbers.
    """
    for name, eq in equations.items():
        if eq.type == SUBEXPRESSION or eq.flags or eq.var_type != "float":
            message = (
                f"{where}: trace '{name}' has a flag or a type, or is a subexpression; expected "
                f"'d{name}/dt = -{name}/tau : 1' or '{name} : 1' (traces are integrated exactly "
                "in every step, whatever their flags)"
            )
            mistakes.report(SpecError(message, Details(word=name)))


def wrong_letters(code: str, where: str) -> list[SpecError]:
    """List the letters of code that Brian2 and Python, or their readers, take for others."""
    plain = settle.blanked(code)
    strange = [at for at, letter in enumerate(plain) if letter > "~" and not letter.isspace()]
    if not strange:
        return []
    at = strange[0]
    letter = plain[at]
    brief = f"the letter {letter!r} ({ascii(letter)[1:-1]}) cannot stand in code"
    fix = "write names with the letters a to z, and numbers with the digits 0 to 9"
    details = Details(where=where, brief=brief, code=code, span=(at, at + 1), fix=fix)
    return [SpecError(f"{where}: {brief}; {fix}", details)]


def check_whole(name: str, eq: SingleEquation, known: Mapping, where: str) -> None:
    """Refuse a subexpression of type integer whose value is none.

    Raises
    ------
    SpecError
        With the way to make it whole.
    """
    if eq.type != SUBEXPRESSION or eq.var_type != "integer":
        return
    if brian_ast(eq.expr.code, {**DEFAULT_FUNCTIONS, **known}).dtype != "integer":
        fix = f"write {name} = int({eq.expr.code}) : integer, or the unit 1 in place of the type"
        details = Details(where=where, word=name, fix=fix, brief=f"'{name}' is no whole number")
        got, allowed = repr(eq.expr.code), "a value of type integer, which it has"
        raise SpecError(explain(where, got, allowed, fix), details)


def kind(variable: object) -> str:
    """Give Brian2's name of a variable's type; nothing of a function."""
    dtype = getattr(variable, "dtype", None)
    return brian_dtype_from_dtype(dtype) if dtype is not None else ""


def whole_names(variables: Mapping) -> set[str]:
    """Return the names of the integers among variables."""
    return {name for name, variable in variables.items() if kind(variable) == "integer"}


def is_condition(code: str, known: Mapping) -> bool:
    """Tell whether an expression is a condition, whatever its units."""
    try:
        tree = brian_ast(settle.expression(code).strip(), {**DEFAULT_FUNCTIONS, **known})
    except Exception:  # of many kinds, and said by other checks
        return False
    return tree.dtype == "boolean"


def wrong_types(code: str, known: Mapping, where: str, given: str) -> list[SpecError]:
    """List what settled `code` assigns to an integer or a boolean, and is none.

    Parameters
    ----------
    code : str
        Settled statements.
    known : mapping of str to Variable
        All that they use.
    where : str
        Named in error messages.
    given : str
        The statements as they were written, to mark mistakes in.

    Returns
    -------
    list of SpecError
        One for each wrong assignment.
    """
    wrong, known, new = [], dict(known), set[str]()
    several = False  # whether a number of each neuron's own was set already
    for name, operator, value in settle.read(code) or ():
        try:
            tree = brian_ast(value, known)
        except Exception:  # of many kinds, and said by other checks
            continue
        if name not in known:
            known[name] = Variable(name=name, dtype=TYPES[tree.dtype], scalar=tree.scalar)
            new.add(name)
            several = several or not tree.scalar
            continue
        wanted, fix = kind(known[name]), f"set a new name, such as 'next_{name}', instead"
        brief = allowed = ""
        if wanted != "float" and (tree.dtype != wanted or operator in _NOT_OF[wanted]):
            allowed = f"a value of type {wanted}, which '{name}' has"
            brief = f"'{name}' is of type {wanted}"
            if name not in new:
                fix = f"write {name} = {'int(...)' if wanted == 'integer' else 'x > 0'}"
        elif name in new and known[name].scalar and (several or not tree.scalar):
            brief = f"'{name}' is one number for all, and cannot be set again"
            allowed = f"'{name}' as it was set, one number for all"
        several = several or not known[name].scalar
        if brief:
            details = Details(
                where=where,
                code=given,
                span=diagnose.name_at(name, given),
                word=name,
                brief=brief,
                fix=fix,
            )
            got = repr(f"{name} {operator} {value}")
            wrong.append(SpecError(explain(where, got, allowed, fix), details))
    return wrong


#: Operators that make something else of a value of a type.
_NOT_OF = {"integer": ("/=",), "boolean": ("+=", "-=", "*=", "/=")}

"""What equations declare of variables, types and flags, and the method that integrates them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

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
from brian2.stateupdaters.base import StateUpdateMethod, UnsupportedEquationsException
from brian2.stateupdaters.exact import get_linear_system

from ... import mistakes
from ...errors import SpecError, explain, one_line
from . import settle
from .diagnose import mistake, unknown

#: NumPy's type of a variable, by Brian2's name of it.
TYPES = {"boolean": np.dtype(bool), "integer": np.dtype(np.int32), "float": np.dtype(np.float64)}

#: Flags that a neuron's equations of each kind may have.
_NEURON_FLAGS: dict[str, tuple[str, ...]] = {
    DIFFERENTIAL_EQUATION: ("unless refractory",),
    SUBEXPRESSION: ("shared", "constant over dt"),
    PARAMETER: ("constant", "linked"),
}

#: Functions of which every neuron gets a value of its own, unless it is drawn once a step for all.
DRAWS = {"rand", "randn", "poisson"}

_EVERY_STEP = "a neuron's equations are integrated in every step"

#: Why a neuron's equation cannot have a flag, and what to write instead.
_WHY_NOT = {
    "shared": (
        "every neuron has its own value",
        "take the flag off, or put a number that all share into parameters={{'{name}': ...}}",
    ),
    "linked": (
        "it has a value of its own",
        "take the flag off, or declare it as '{name} : 1 (linked)'",
    ),
    "summed": (
        "sums over synapses are written in a synapse model",
        "take the flag off, and have a synapse say '{name}_post = ... : unit (summed)'",
    ),
    "event-driven": (_EVERY_STEP, "take the flag off"),
    "clock-driven": (_EVERY_STEP, "take the flag off"),
    "unless refractory": ("only what is integrated can be held", "take the flag off"),
    "constant over dt": ("only 'x = ...' can be computed once a step", "take the flag off"),
    "constant": ("it has a value of its own in every step", "take the flag off"),
}


def check_flags(equations: Equations, where: str) -> None:
    """Refuse flags of a neuron's equations that networks do not, or cannot, heed."""
    for name, eq in equations.items():
        for brief, fix in _wrong_flags(name, eq, equations):
            mistakes.report(mistake(where, brief, fix, word=name))


def _wrong_flags(name: str, eq: SingleEquation, equations: Equations) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the flags of an equation, and what to write instead."""
    allowed = _NEURON_FLAGS[eq.type]
    for flag in [flag for flag in eq.flags if flag not in allowed]:
        reason, fix = _WHY_NOT.get(flag, ("there is no such flag", "take the flag off"))
        brief = f"'{name}' cannot be ({flag}), only ({'), ('.join(allowed)}): {reason}"
        yield brief, fix.format(name=name)
    if "linked" in eq.flags and (len(eq.flags) > 1 or eq.var_type != "float"):
        yield f"'{name}' is (linked), and of a type or with a flag besides", "leave those out"
    if eq.type != SUBEXPRESSION:
        return
    drawn = sorted(eq.identifiers & DRAWS)
    if drawn and "constant over dt" not in eq.flags:
        yield (
            f"'{name}' uses {drawn[0]}(), which is drawn not once a step, but wherever it is read",
            f"write ({', '.join([*eq.flags, 'constant over dt'])}) after it",
        )
    each = {other for other, one in equations.items() if "shared" not in one.flags}
    own = sorted(eq.identifiers & {"i", *each})
    if own and "shared" in eq.flags:
        yield (
            f"'{name}' cannot be (shared): every neuron has its own '{own[0]}'",
            "take the flag off",
        )


def check_start(eq: SingleEquation, value: object, where: str) -> None:
    """Refuse a value at the start that an integer or a boolean does not hold."""
    number = float(np.asarray(value))
    allowed = {"integer": "a whole number", "boolean": "0 or 1"}.get(eq.var_type, "")
    fits = number in (0, 1) if eq.var_type == "boolean" else number.is_integer()
    if allowed and not (fits and -(2**31) <= number < 2**31):
        bounds = f" between {-(2**31)} and {2**31 - 1}" if fits else ""
        allowed += f"{bounds}, as it is of type {eq.var_type}"
        raise SpecError(explain(where, f"{number:g}", allowed))


def check_declared_only(
    equations: Equations, where: str, *, rates: bool = False, linked: bool = False
) -> None:
    """Refuse types, flags and equations, or where `rates` are allowed all but differential ones.

    What is `linked` to a variable of the synapse model may be of any type.
    """
    for name, eq in equations.items():
        allowed = (PARAMETER, DIFFERENTIAL_EQUATION) if rates else (PARAMETER,)
        if linked and eq.type == PARAMETER and eq.flags == ["linked"]:
            continue
        if eq.type not in allowed or eq.flags or eq.var_type != "float":
            rate = f"'d{name}/dt = -{name}/tau : 1' or " if rates else ""
            what = f"trace '{name}'" if rates else f"'{name}'"
            brief = f"{what} has a flag, a type or an equation that is not allowed here"
            mistakes.report(mistake(where, brief, word=name, expected=f"{rate}'{name} : 1'"))


def wrong_letters(code: str, where: str) -> list[SpecError]:
    """List the letters of code that Brian2 and Python, or their readers, take for others."""
    for at, letter in enumerate(settle.blanked(code)):
        if letter > "~" and not letter.isspace():
            brief = f"the letter {letter!r} ({ascii(letter)[1:-1]}) cannot stand in code"
            fix = "write names with the letters a to z, and numbers with the digits 0 to 9"
            return [mistake(where, brief, fix, code=code, span=(at, at + 1))]
    return []


def kind(variable: object) -> str:
    """Give Brian2's name of a variable's type; nothing of a function."""
    dtype = getattr(variable, "dtype", None)
    return brian_dtype_from_dtype(dtype) if dtype is not None else ""


def whole_names(variables: Mapping) -> set[str]:
    """Return the names of the integers among variables."""
    return {name for name, variable in variables.items() if kind(variable) == "integer"}


#: Operators that make something else of a value of a type.
_NOT_OF = {"integer": ("/=",), "boolean": ("+=", "-=", "*=", "/=")}


def wrong_types(code: str, usable: Mapping, where: str, given: str) -> list[SpecError]:
    """List what settled `code` assigns to an integer or a boolean, and is none.

    Mistakes are marked in the statements as they were `given`.
    """
    wrong, usable, new = [], dict(usable), set[str]()
    several = False  # whether a number of each neuron's own was set already
    for name, operator, value in settle.read(code) or ():
        try:
            tree = brian_ast(value, usable)
        except Exception:  # of many kinds, and said by other checks
            continue
        if name not in usable:
            usable[name] = Variable(name=name, dtype=TYPES[tree.dtype], scalar=tree.scalar)
            new.add(name)
            several = several or not tree.scalar
            continue
        wanted, fix = kind(usable[name]), f"set a new name, such as 'next_{name}', instead"
        brief = allowed = ""
        if wanted != "float" and (tree.dtype != wanted or operator in _NOT_OF[wanted]):
            brief, allowed = f"'{name}' is of type {wanted}", f"a value of type {wanted}"
            if name not in new:
                fix = f"write {name} = {'int(...)' if wanted == 'integer' else 'x > 0'}"
        elif name in new and usable[name].scalar and (several or not tree.scalar):
            brief = f"'{name}' is one number for all, and cannot be set again"
            allowed = f"'{name}' as it was set, one number for all"
        several = several or not usable[name].scalar
        if brief:
            texts = {"found": repr(f"{name} {operator} {value}"), "expected": allowed}
            wrong.append(mistake(where, brief, fix, code=given, word=name, **texts))
    return wrong


#: Methods that never refuse equations without noise.
_EXPLICIT = ("euler", "heun", "milstein", "rk2", "rk4")

#: Methods that solve the equations instead of stepping along them.
_EXACT = ("exact", "linear")


@mistakes.going_on()
def check_method(method: str, equations: Equations, usable: Mapping, where: str) -> None:
    """Refuse a method that is unknown, or cannot integrate equations of `usable` variables."""
    # those of the GNU Scientific Library need it installed, and are not there on every backend
    methods = [name for name in StateUpdateMethod.stateupdaters if not name.startswith("gsl")]
    if method not in methods:
        raise unknown(f"{where}: unknown method", method, methods)
    if reason := _refusal(method, equations, usable):
        other = "heun" if _refusal("euler", equations, usable) else "euler"  # which takes any noise
        raise _cannot(method, reason, other, where)


def _cannot(method: str, reason: str, other: str, where: str) -> SpecError:
    fix = f"write method='{other}'"
    brief = f"method '{method}' cannot integrate the equations: {reason}"
    return mistake(where, brief, fix, word=method)


def _refusal(method: str, equations: Equations, usable: Mapping) -> str:
    """Say why a method cannot integrate equations; nothing if it can."""
    if method in _EXPLICIT and not equations.is_stochastic:
        return ""
    variables = {**DEFAULT_FUNCTIONS, **usable}
    try:
        if method in _EXACT and not equations.is_stochastic:
            get_linear_system(equations, variables)  # solving it takes seconds
        else:
            StateUpdateMethod.apply_stateupdater(equations, variables, method)
    except UnsupportedEquationsException as error:
        return one_line(error).rstrip(".")
    except Exception:  # of many kinds: equations that other checks refuse
        return ""
    return ""


def solve(method: str, equations: Equations, usable: Mapping, where: str) -> None:
    """Solve equations whose method does so, which takes seconds: some linear ones cannot be."""
    try:
        if method in _EXACT:
            variables = {**DEFAULT_FUNCTIONS, **usable}
            StateUpdateMethod.apply_stateupdater(equations, variables, method)
    except Exception as error:  # of many kinds
        raise _cannot(method, one_line(error).rstrip("."), "euler", where) from error

"""Whether an integration method can be used for the equations of a neuron, before any is made."""

from __future__ import annotations

from collections.abc import Mapping

from brian2 import Equations
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.stateupdaters.base import StateUpdateMethod, UnsupportedEquationsException
from brian2.stateupdaters.exact import get_linear_system

from ... import mistakes
from ...errors import SpecError, one_line
from .diagnose import mistake, unknown

#: Methods that never refuse equations without noise.
_EXPLICIT = ("euler", "heun", "milstein", "rk2", "rk4")

#: Methods that solve the equations instead of stepping along them.
_EXACT = ("exact", "linear")


@mistakes.going_on()
def check_method(method: str, equations: Equations, known: Mapping, where: str) -> None:
    """Refuse a method that is unknown, or cannot integrate equations of `known` variables."""
    # those of the GNU Scientific Library need it installed, and are not there on every backend
    methods = [name for name in StateUpdateMethod.stateupdaters if not name.startswith("gsl")]
    if method not in methods:
        raise unknown(f"{where}: unknown method", method, methods)
    if reason := _refusal(method, equations, known):
        other = "heun" if _refusal("euler", equations, known) else "euler"  # which takes any noise
        raise _cannot(method, reason, other, where)


def _cannot(method: str, reason: str, other: str, where: str) -> SpecError:
    fix = f"write method='{other}'"
    brief = f"method '{method}' cannot integrate the equations: {reason}"
    return mistake(where, brief, fix, word=method)


def _refusal(method: str, equations: Equations, known: Mapping) -> str:
    """Say why a method cannot integrate equations; nothing if it can."""
    if method in _EXPLICIT and not equations.is_stochastic:
        return ""
    variables = {**DEFAULT_FUNCTIONS, **known}
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


def solve(method: str, equations: Equations, known: Mapping, where: str) -> None:
    """Solve equations whose method does so, which takes seconds: some linear ones cannot be."""
    try:
        if method in _EXACT:
            variables = {**DEFAULT_FUNCTIONS, **known}
            StateUpdateMethod.apply_stateupdater(equations, variables, method)
    except Exception as error:  # of many kinds
        raise _cannot(method, one_line(error).rstrip("."), "euler", where) from error

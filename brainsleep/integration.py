"""Whether an integration method can be used for the equations of a neuron, before any is made."""

from __future__ import annotations

from collections.abc import Mapping

from brian2 import Equations
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.stateupdaters.base import StateUpdateMethod, UnsupportedEquationsException
from brian2.stateupdaters.exact import get_linear_system

from .errors import Details, SpecError, closest, explain, nearest, one_line

#: Methods that never refuse equations without noise.
_EXPLICIT = ("euler", "heun", "milstein", "rk2", "rk4")

#: Methods that solve the equations instead of stepping along them.
_EXACT = ("exact", "linear")


def check_method(method: str, equations: Equations, known: Mapping, where: str) -> None:
    """Refuse a method that is unknown, or cannot integrate the equations.

    Parameters
    ----------
    method : str
        Brian2's name of the method.
    equations : Equations
        What it is to integrate.
    known : mapping of str to Variable
        All that they use.
    where : str
        Named in error messages.

    Raises
    ------
    SpecError
        With the reason, and methods that can.
    """
    # those of the GNU Scientific Library need it installed, and are not there on every backend
    methods = [name for name in StateUpdateMethod.stateupdaters if not name.startswith("gsl")]
    if method not in methods:
        details = Details(word=method, close=closest(method, methods))
        raise SpecError(f"{where}: unknown method '{method}'; {nearest(method, methods)}", details)
    reason = _refusal(method, equations, known)
    if reason:
        other = "heun" if _refusal("euler", equations, known) else "euler"  # which takes any noise
        fix = f"write method='{other}'"
        allowed = "a method that can integrate the equations"
        brief = f"method '{method}' cannot integrate the equations: {reason}"
        details = Details(where=where, brief=brief, word=method, fix=fix)
        raise SpecError(
            explain(f"{where}: method", f"'{method}' ({reason})", allowed, fix), details
        )


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
    """Solve equations whose method does so, which takes seconds: some linear ones cannot be.

    Parameters
    ----------
    method, equations, known, where
        As of `check_method`, which they passed.

    Raises
    ------
    SpecError
        With the reason, and a method that can.
    """
    if method not in _EXACT:
        return
    try:
        variables = {**DEFAULT_FUNCTIONS, **known}
        StateUpdateMethod.apply_stateupdater(equations, variables, method)
    except Exception as error:  # of many kinds
        fix = "write method='euler'"
        got = f"'{method}' ({one_line(error).rstrip('.')})"
        details = Details(word=method, fix=fix)
        message = explain(f"{where}: method", got, "equations that can be solved", fix)
        raise SpecError(message, details) from error

"""Checks of equation strings: names, resolvable identifiers, consistent units.

Brian2's own parsers do the work; this module gives them the variables an equation may use and
turns what they find into one-line `SpecError` messages. Nothing here creates Brian2 objects.
"""

from __future__ import annotations

import keyword
import math
import numbers
import re
from collections.abc import Iterable, Mapping
from typing import TypeGuard

import numpy as np
from brian2 import Equations, Quantity, get_dimensions, second
from brian2.codegen.translation import analyse_identifiers
from brian2.core.functions import DEFAULT_CONSTANTS, DEFAULT_FUNCTIONS
from brian2.core.namespace import DEFAULT_UNITS
from brian2.core.variables import Constant, Variable
from brian2.equations.unitcheck import check_units_statements
from brian2.parsing.expressions import is_boolean_expression, parse_expression_dimensions
from brian2.units.fundamentalunits import DIMENSIONLESS
from brian2.utils.stringtools import get_identifiers

from .errors import BrainsleepError, SpecError, explain, nearest, one_line

_OWN = """
t dt i j w w_min w_max w_sign w_before xi stimulus interval lastspike not_refractory refractory
spike_count slot_index slot_unit zero_index total_size
"""
_CPP = """
auto bool case catch char class const default delete do double enum explicit extern false float
friend goto inline long mutable namespace new operator private protected public register short
signed sizeof static struct switch template this throw true typedef typename union unsigned using
virtual void volatile
"""
#: Names that Brian2, this package, Python or C++ gives a meaning of its own.
RESERVED = frozenset(
    {*_OWN.split(), *_CPP.split(), *keyword.kwlist}
    | {*DEFAULT_FUNCTIONS, *DEFAULT_CONSTANTS, *DEFAULT_UNITS}
)
_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_ASSIGNMENT = re.compile(r"(\w+)\s*([-+*/%]*)=(?!=)")


def check_name(name: object, where: str, *, reserved: Iterable[str] = RESERVED) -> None:
    """Raise `SpecError` unless `name` is a lower-case identifier that is free to use."""
    if not isinstance(name, str) or not _NAME.match(name):
        raise SpecError(
            explain(
                f"{where} name",
                repr(name),
                "lower-case letters, digits and underscores, a letter first",
                "CUDA standalone lower-cases names, so upper case would break silently",
            )
        )
    if name in reserved:
        raise SpecError(
            explain(
                f"{where} name",
                repr(name),
                "a name that Brian2, brainsleep, Python or C++ does not use itself",
            )
        )
    if name.endswith(("_pre", "_post", "_gate", "_total")) or "__" in name:
        raise SpecError(
            explain(
                f"{where} name",
                repr(name),
                "no ending _pre, _post, _gate or _total and no double underscore",
                "these mark where a variable lives",
            )
        )


def is_number(value: object) -> TypeGuard[float]:
    """Tell whether `value` is a plain finite number: no unit, not a truth value."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        return False


def check_time(value: object, where: str, error: type[BrainsleepError] = SpecError) -> None:
    """Raise `error` unless `value` is one time, finite and more than 0 s."""
    if not isinstance(value, Quantity) or value.shape or value.dim != second.dim:
        got = value if isinstance(value, Quantity) else f"{value!r} (no unit)"
        raise error(explain(where, got, "a time such as 300*ms"))
    if not 0 < float(value) < np.inf:
        raise error(explain(where, value, "more than 0 s"))


def check_quantity(value: object, where: str) -> Quantity:
    """Return `value` as one finite quantity; raise `SpecError` otherwise."""
    try:
        quantity = Quantity(value, dtype=np.float64)  # a whole number would be pickled as one
        if quantity.shape == () and np.isfinite(float(np.asarray(quantity))):
            return quantity
    except (TypeError, ValueError):
        pass
    raise SpecError(explain(where, repr(value), "one finite number with unit"))


def check_units(value: object, like: Quantity, where: str) -> Quantity:
    """Return `value` as one quantity with the units of `like`; raise `SpecError` otherwise."""
    quantity = check_quantity(value, where)
    if quantity.dim != like.dim:
        got = value if isinstance(value, Quantity) else f"{value} (no unit)"
        raise SpecError(explain(where, got, f"a value in {unit_name(like)}, such as {like}"))
    return quantity


def check_parameters(parameters: Mapping, where: str) -> dict[str, Quantity]:
    """Return `parameters` as scalar finite quantities; raise `SpecError` otherwise."""
    for name in parameters:
        check_name(name, f"{where}: parameter")
    return {
        name: check_quantity(value, f"{where}: parameter {name}")
        for name, value in parameters.items()
    }


_BASE_UNITS = ("metre", "kilogram", "second", "amp", "kelvin", "mole", "candle")
_NAMED_UNITS = (
    *_BASE_UNITS,
    *("hertz", "newton", "pascal", "joule", "watt", "coulomb", "volt", "farad", "ohm"),
    *("siemens", "weber", "tesla", "henry"),
)


def unit_name(value: object) -> str:
    """Name the SI unit of a quantity (or dimensions) as Brian2 equations spell it.

    The name depends on the dimensions only (`brian2.get_unit` also looks at which units a
    session has multiplied before), so that sources and hashes of runs do not change.
    """
    dim = get_dimensions(value)
    if dim is DIMENSIONLESS:
        return "1"
    for product, ending in ((dim, ""), (dim * second.dim, "/second")):
        for name in _NAMED_UNITS:
            if DEFAULT_UNITS[name].dim == product:
                return name + ending
    symbols = ("m", "kg", "s", "A", "K", "mol", "cd")
    powers = {n: dim.get_dimension(s) for n, s in zip(_BASE_UNITS, symbols, strict=True)}
    return "*".join(
        name if power == 1 else f"{name}**{power:g}" for name, power in powers.items() if power
    )


def identifiers(*codes: str) -> set[str]:
    """Return the names used in pieces of code, comments left out."""
    return set().union(*(get_identifiers(_without_comments(code)) for code in codes))


def _without_comments(code: str) -> str:
    return re.sub(r"#.*", "", code)


def parse_equations(text: str, where: str) -> Equations:
    """Parse an equation string, turning any complaint into a `SpecError`."""
    try:
        return Equations(text)
    except Exception as error:  # Brian2 raises many kinds for a malformed equation string
        reason = next((line for line in reversed(str(error).splitlines()) if line.strip()), "")
        cause = one_line(error.__cause__) if error.__cause__ else ""
        detail = " ".join(dict.fromkeys(filter(None, (cause, reason.strip()))))
        raise SpecError(
            f"{where}: cannot read the equations ({detail}); expected Brian2 equations "
            "such as 'dv/dt = -v/tau_m : volt'"
        ) from error


def variables_of(equations: Equations, suffix: str = "") -> dict[str, Variable]:
    """Describe the variables that `equations` define, their names with `suffix` added."""
    kinds = {"boolean": bool, "integer": np.int32}
    return {
        name + suffix: Variable(
            name=name + suffix,
            dimensions=eq.dim,
            dtype=kinds.get(eq.var_type, np.float64),
            scalar="shared" in eq.flags,
        )
        for name, eq in equations.items()
    }


def constants_of(parameters: Mapping[str, Quantity]) -> dict[str, Variable]:
    """Describe parameters as constants an equation may use."""
    return {
        name: Constant(name, dimensions=get_dimensions(value), value=float(np.asarray(value)))
        for name, value in parameters.items()
    }


def dimensionless(*names: str) -> dict[str, Variable]:
    """Describe dimensionless variables."""
    return {name: Variable(name=name, dtype=np.float64) for name in names}


def surroundings() -> dict[str, object]:
    """Everything any equation may use besides its own variables and parameters."""
    known: dict[str, object] = {**DEFAULT_FUNCTIONS, **DEFAULT_CONSTANTS}
    known["dt"] = Constant("dt", dimensions=second.dim, value=1e-3)
    known["i"] = Variable(name="i", dtype=np.int32)
    return known


def _units(names: set[str]) -> dict[str, object]:
    return {
        name: Constant(name, dimensions=DEFAULT_UNITS[name].dim, value=float(DEFAULT_UNITS[name]))
        for name in names & set(DEFAULT_UNITS)
    }


def _undefined(name: str, code: str, variables: Iterable[str], where: str) -> SpecError:
    return SpecError(
        f"{where}: undefined name '{name}' in {code.strip()!r}; {nearest(name, variables)}; "
        "define it as a variable or parameter"
    )


def _resolve(code: str, names: set[str], variables: Mapping, where: str) -> dict:
    known = {**surroundings(), **variables}
    known.update(_units(names - set(known)))
    if "t" in names and "t" not in variables:
        raise SpecError(
            explain(
                where,
                f"'t' in {code.strip()!r}",
                "no use of absolute time",
                "a run is split into segments that each start at t = 0; "
                "use a state variable with its own equation",
            )
        )
    for name in sorted(names - set(known)):
        raise _undefined(name, code, variables, where)
    return known


def check_expression(
    code: str, variables: Mapping, where: str, *, unit: object = None, boolean: bool = False
) -> set[str]:
    """Check an expression and return its identifiers.

    Parameters
    ----------
    code : str
        The expression.
    variables : mapping of str to Variable
        What it may use, besides functions, constants, units, ``dt`` and ``i``.
    where : str
        Named in error messages.
    unit : Quantity or Dimension, optional
        The dimensions it must have.
    boolean : bool
        Whether it must be a condition.

    Raises
    ------
    SpecError
        For an undefined name, inconsistent units, or an expression of the wrong kind.
    """
    names = identifiers(code)
    known = _resolve(code, names, variables, where)
    try:
        dim = get_dimensions(parse_expression_dimensions(code, known))
        is_condition = bool(names) and is_boolean_expression(code, known)  # "1" is a value
    except Exception as error:  # DimensionMismatchError, SyntaxError, TypeError, ...
        raise SpecError(f"{where}: {one_line(error)} in {code.strip()!r}") from error
    if boolean != is_condition:
        kind = "a condition such as 'v > v_threshold'" if boolean else "a value, not a condition"
        raise SpecError(explain(where, repr(code.strip()), kind))
    if unit is not None and dim is not get_dimensions(unit):
        raise SpecError(
            explain(f"{where}: units of {code.strip()!r}", unit_name(dim), unit_name(unit))
        )
    return names


def check_statements(
    code: str,
    variables: Mapping,
    where: str,
    *,
    writes: Iterable[str],
    deferred: Iterable[str] = (),
) -> set[str]:
    """Check a block of statements and return the identifiers in it.

    Parameters
    ----------
    code : str
        Statements such as ``w = clip(w + lr*x_pre, w_min, w_max)``, one a line.
    variables : mapping of str to Variable
        What they may use.
    where : str
        Named in error messages.
    writes : iterable of str
        The variables they may assign to, besides new local names.
    deferred : iterable of str
        Names of which nothing is known yet (variables of neurons that only the network
        knows). With any, units are left to a later check.

    Raises
    ------
    SpecError
        For a syntax error, an undefined name, inconsistent units, or a forbidden assignment.
    """
    code = _without_comments(code)
    if not code.strip():
        return set()
    names = identifiers(code)
    variables = {**dimensionless(*deferred), **variables}
    _check_assignments(code, variables, where, set(writes))
    try:
        there = {**surroundings(), **variables}  # Brian2 hashes all it is given: give few
        new, _, _ = analyse_identifiers(code, {k: v for k, v in there.items() if k in names})
    except Exception as error:
        raise SpecError(
            f"{where}: cannot read the statement {code.strip()!r} ({one_line(error)})"
        ) from error
    known = _resolve(code, names - set(new), variables, where)
    if deferred:
        return names
    try:
        check_units_statements(code, known)
    except Exception as error:
        raise SpecError(f"{where}: {one_line(error)} in {code.strip()!r}") from error
    return names


def _check_assignments(code: str, variables: Mapping, where: str, writes: set[str]) -> None:
    """Raise `SpecError` if `code` sets what it must not, or a name that nothing reads."""
    fixed = ({*surroundings(), *variables}) - writes
    may = f"it may set {', '.join(sorted(writes)) or 'nothing'}"
    local: set[str] = set()
    for line in filter(None, (part.strip() for part in re.split(r"[;\n]", code))):
        match = _ASSIGNMENT.match(line)
        if not match or match[1] in writes | local:
            continue
        name = match[1]
        if name in fixed:
            raise SpecError(
                f"{where}: {line!r} assigns to '{name}', which is not for it to change; {may}"
            )
        if match[2]:
            raise _undefined(name, line, writes, where)
        if len(re.findall(rf"\b{name}\b", code)) == 1:
            raise SpecError(
                f"{where}: {line!r} sets the undefined name '{name}', which nothing reads; {may}; "
                f"{nearest(name, writes)}"
            )
        local.add(name)


def check_equations(equations: Equations, variables: Mapping, where: str) -> set[str]:
    """Check every right-hand side of `equations`; return the identifiers used.

    Raises
    ------
    SpecError
        For an undefined name or a right-hand side of the wrong units.
    """
    used: set[str] = set()
    known = {**variables_of(equations), **variables}
    for symbol in equations.stochastic_variables:
        known[symbol] = Variable(name=symbol, dimensions=(second**-0.5).dim)
    for name, eq in equations.items():
        if eq.expr is None:
            continue
        code = eq.expr.code
        differential = eq.type == "differential equation"
        unit = Quantity(1.0, dim=eq.dim) / second if differential else Quantity(1.0, dim=eq.dim)
        label = f"{where}: d{name}/dt" if differential else f"{where}: {name}"
        boolean = eq.var_type == "boolean"
        used |= check_expression(
            code, known, label, unit=None if boolean else unit, boolean=boolean
        )
    return used


def check_all_used(parameters: Iterable[str], used: set[str], where: str) -> None:
    """Raise `SpecError` if a parameter appears in none of the identifiers `used`."""
    idle = sorted(set(parameters) - used)
    if idle:
        raise SpecError(
            f"{where}: parameter '{idle[0]}' is used by no equation; remove it or use it "
            f"(misspelt in an equation? names used: {', '.join(sorted(used)) or 'none'})"
        )

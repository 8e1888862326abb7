"""Checks of equation strings: names, resolvable identifiers, consistent units.

Brian2's own parsers do the work; this module gives them the variables an equation may use and
turns what they find into one-line `SpecError` messages. Nothing here creates Brian2 objects.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import numpy as np
from brian2 import Equations, Hz, Quantity, get_dimensions, second
from brian2.codegen.translation import analyse_identifiers
from brian2.core.functions import DEFAULT_CONSTANTS, DEFAULT_FUNCTIONS
from brian2.core.namespace import DEFAULT_UNITS
from brian2.core.variables import Constant, Variable
from brian2.equations.unitcheck import check_units_statements
from brian2.parsing.expressions import is_boolean_expression, parse_expression_dimensions
from brian2.units import get_unit

from brian2.units.fundamentalunits import DIMENSIONLESS
from brian2.utils.stringtools import get_identifiers

from .errors import SpecError, explain, nearest

#: Names that Brian2 or this package gives a meaning of its own.
RESERVED = frozenset(
    "t dt i j n w w_min w_max w_sign xi rand randn stimulus lastspike not_refractory refractory "
    "spike_count slot_index slot_unit interval exp log sqrt sin cos tan clip int abs ceil floor "
    "timestep pi e inf and or not".split()
)
_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")


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
            explain(f"{where} name", repr(name), "a name not used by Brian2 or brainsleep")
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


def check_parameters(parameters: Mapping, where: str) -> dict[str, Quantity]:
    """Return `parameters` as scalar finite quantities; raise `SpecError` otherwise."""
    checked = {}
    for name, value in parameters.items():
        check_name(name, f"{where}: parameter")
        try:
            quantity = Quantity(value)
            scalar = quantity.shape == () and np.isfinite(float(np.asarray(quantity)))
        except (TypeError, ValueError):
            scalar = False
        if not scalar:
            raise SpecError(
                explain(f"{where}: parameter {name}", repr(value), "one finite number with unit")
            )
        checked[name] = quantity
    return checked


def unit_name(value: object) -> str:
    """Name the SI unit of a quantity (or dimensions) as Brian2 equations spell it."""
    dim = get_dimensions(value)
    return "1" if dim is DIMENSIONLESS else repr(get_unit(dim)).replace(" ", "")


def parse_equations(text: str, where: str) -> Equations:
    """Parse an equation string, turning any complaint into a `SpecError`."""
    try:
        return Equations(text)
    except Exception as error:  # Brian2 raises many kinds for a malformed equation string
        reason = next((line for line in reversed(str(error).splitlines()) if line.strip()), "")
        cause = error.__cause__
        detail = f"{cause} " if cause else ""
        raise SpecError(
            f"{where}: cannot read the equations ({detail}{reason}); expected Brian2 equations "
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
    known["n"] = Constant("n", value=1)
    known["stimulus"] = Variable(name="stimulus", dimensions=Hz.dim, dtype=np.float64)
    known["interval"] = Variable(name="interval", dimensions=second.dim, dtype=np.float64)
    return known


def _units(names: set[str]) -> dict[str, object]:
    return {
        name: Constant(
            name, dimensions=DEFAULT_UNITS[name].dim, value=float(DEFAULT_UNITS[name])
        )
        for name in names & set(DEFAULT_UNITS)
    }


def _resolve(code: str, identifiers: set[str], variables: Mapping, where: str) -> dict:
    known = {**surroundings(), **variables}
    known.update(_units(identifiers - set(known)))
    if "t" in identifiers and "t" not in variables:
        raise SpecError(
            explain(
                where,
                f"'t' in {code.strip()!r}",
                "no use of absolute time",
                "a run is split into segments that each start at t = 0; "
                "use a state variable with its own equation",
            )
        )
    unknown = sorted(identifiers - set(known))
    if unknown:
        raise SpecError(
            f"{where}: undefined name '{unknown[0]}' in {code.strip()!r}; "
            f"{nearest(unknown[0], variables)}; define it as a variable or parameter"
        )
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
    identifiers = get_identifiers(code)
    known = _resolve(code, identifiers, variables, where)
    try:
        dim = get_dimensions(parse_expression_dimensions(code, known))
        is_condition = is_boolean_expression(code, known)
    except Exception as error:  # DimensionMismatchError, SyntaxError, TypeError, ...
        raise SpecError(f"{where}: {_one_line(error)} in {code.strip()!r}") from error
    if boolean != is_condition:
        kind = "a condition such as 'v > v_threshold'" if boolean else "a value, not a condition"
        raise SpecError(explain(where, repr(code.strip()), kind))
    if unit is not None and dim is not get_dimensions(unit):
        raise SpecError(
            explain(f"{where}: units of {code.strip()!r}", unit_name(dim), unit_name(unit))
        )
    return identifiers


def check_statements(
    code: str, variables: Mapping, where: str, *, writes: Iterable[str] | None = None
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
    writes : iterable of str, optional
        The variables they may assign to (besides new local names); default all but constants.

    Raises
    ------
    SpecError
        For a syntax error, an undefined name, inconsistent units, or a forbidden assignment.
    """
    if not code.strip():
        return set()
    identifiers = get_identifiers(code)
    known = {**surroundings(), **variables}
    try:
        new, assigned, _ = analyse_identifiers(code, known)
    except Exception as error:
        raise SpecError(
            f"{where}: cannot read the statement {code.strip()!r} ({_one_line(error)})"
        ) from error
    known = _resolve(code, identifiers - set(new), variables, where)
    allowed = set(writes) if writes is not None else {
        name for name, value in known.items() if not isinstance(value, Constant)
    }
    for line in filter(None, (part.strip() for part in re.split(r"[;\n]", code))):
        target = re.match(r"(\w+)\s*(?:[-+*/%]?=)(?!=)", line)
        if target and target[1] in variables and target[1] not in allowed:
            raise SpecError(
                f"{where}: {line!r} assigns to '{target[1]}', which is not for it to change; "
                f"it may set {', '.join(sorted(allowed & set(variables))) or 'nothing'}"
            )
    try:
        check_units_statements(code, known)
    except Exception as error:
        raise SpecError(f"{where}: {_one_line(error)} in {code.strip()!r}") from error
    return identifiers


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


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__

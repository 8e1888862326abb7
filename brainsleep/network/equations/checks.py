"""Checks of equation strings: names, resolvable identifiers, consistent units.

Brian2's own parsers do the work; this module gives them the variables an equation may use and
turns what they find into one-line `SpecError` messages. Nothing here creates Brian2 objects.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from brian2 import Equations, Quantity, get_dimensions, second
from brian2.codegen.translation import STANDARD_IDENTIFIERS, analyse_identifiers
from brian2.core.functions import DEFAULT_CONSTANTS, DEFAULT_FUNCTIONS
from brian2.core.namespace import DEFAULT_UNITS
from brian2.core.variables import Constant, Variable
from brian2.equations.equations import DIFFERENTIAL_EQUATION, SUBEXPRESSION
from brian2.equations.unitcheck import check_units_statements
from brian2.parsing.bast import brian_ast
from brian2.parsing.expressions import is_boolean_expression, parse_expression_dimensions
from brian2.units.fundamentalunits import Dimension
from brian2.utils.stringtools import get_identifiers

from ... import mistakes
from ...errors import Details, SpecError, closest, explain, one_line
from ...values.fields import Check, Kind
from ...values.units import readable_unit, unit_name
from . import diagnose, settle
from . import text as equation_text
from .declared import TYPES, whole_names, wrong_letters, wrong_types
from .diagnose import mistake

_OWN = """
t dt i j w w_min w_max w_sign w_before delay_max spike_delay xi stimulus interval lastspike
not_refractory refractory spike_count spiking spiked slot_index slot_unit zero_index total_size
source variables logical_not lastupdate
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
#: Such names that variables cannot have, since they have capitals, but new names could.
_FREE = frozenset({"N", "N_pre", "N_post", "N_incoming", "N_outgoing"})
_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_ENDINGS = ("_pre", "_post", "_gate", "_total")
_ASSIGNMENT = re.compile(r"(\w+)\s*([-+*/%]*)=(?!=)")


def check_name(name: object, where: str, *, reserved: Iterable[str] = RESERVED) -> None:
    """Raise `SpecError` unless `name` is a lower-case identifier that is free to use."""
    word, reason = str(name), ""
    if not isinstance(name, str) or not _NAME.match(name):
        allowed = "lower-case letters, digits and underscores, a letter first"
        reason, lower = "names are lower-cased for CUDA, where two could become one", word.lower()
        fix = f"write '{_free(lower, reserved)}'" if _NAME.match(lower) else ""
    elif name in reserved:
        allowed = "a name that Brian2, brainsleep, Python or C++ does not use itself"
        fix = f"choose another name, such as '{_free(name, reserved)}'"
    elif name.endswith(_ENDINGS) or "__" in name:
        allowed = "no ending _pre, _post, _gate or _total and no double underscore"
        reason = "these mark where a variable lives"
        fix = f"choose another name, such as '{_free(name, reserved)}'"
    else:
        return
    details = Details(word=word, fix=fix, defines=(word, word.lower()))
    message = explain(f"{where} name", repr(name), allowed, "; ".join(filter(None, (reason, fix))))
    mistakes.report(SpecError(message, details))


def _free(name: str, reserved: Iterable[str]) -> str:
    """Turn a name of lower-case letters into one like it that can be used."""
    stem = re.sub("__+", "_", name)
    while stem.endswith(_ENDINGS):
        stem = stem.rpartition("_")[0]
    return stem if stem == name and name not in reserved else f"{stem.rstrip('_')}_own"


def name(of: str, *reserved: str) -> Check:
    """Lower-case names of parts, such as a ``"population"``."""

    def check(value: Any, where: str, error: Kind) -> Any:
        check_name(value, of, reserved=reserved)
        return value

    return check


def identifiers(*codes: str) -> set[str]:
    """Return the names used in pieces of code, comments left out."""
    return set().union(*(get_identifiers(settle.blanked(code)) for code in codes))


def parse_equations(text: str, where: str) -> Equations:
    """Parse an equation string, turning any complaint into a `SpecError`."""
    try:
        return Equations(text)
    except Exception as error:  # Brian2 raises many kinds for a malformed equation string
        reason = next((line for line in reversed(str(error).splitlines()) if line.strip()), "")
        cause = one_line(error.__cause__) if error.__cause__ else ""
        detail = " ".join(dict.fromkeys(filter(None, (cause, reason.strip()))))
        message = (
            f"{where}: cannot read the equations ({detail}); expected Brian2 equations "
            "such as 'dv/dt = -v/tau_m : volt'"
        )
        good, wrong = equation_text.equations(str(text))
        for details in wrong or [Details()]:
            mistakes.report(SpecError(message, replace(details, where=where)))
        return good


def variables_of(equations: Equations, suffix: str = "") -> dict[str, Variable]:
    """Describe the variables that `equations` define, their names with `suffix` added."""
    return {
        name + suffix: Variable(
            name=name + suffix,
            dimensions=eq.dim,
            dtype=TYPES[eq.var_type],
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


def of_pairs() -> dict[str, Variable]:
    """Describe the numbers of the neurons that a synapse connects."""
    return {name: Variable(name=name, dtype=np.dtype(np.int32)) for name in ("i", "j")}


def _given(names: set[str], variables: Mapping) -> dict[str, Any]:
    """Describe all that code with some names may use besides its own variables and parameters."""
    given = {**DEFAULT_FUNCTIONS, **DEFAULT_CONSTANTS}
    given["dt"] = Constant("dt", dimensions=second.dim, value=1e-3)
    given["i"] = Variable(name="i", dtype=np.int32)
    given["t"] = Variable(name="t", dimensions=second.dim, dtype=np.float64, scalar=True)
    units = {name: DEFAULT_UNITS[name] for name in names if name in DEFAULT_UNITS}
    return {**given, **constants_of(units), **variables}


#: Says of a name that nothing defines what to write instead, or nothing.
Meant = Callable[[str], str]


def _resolve(
    given: str, names: set[str], variables: Mapping, where: str, meant: Meant = lambda name: ""
) -> dict[str, Any]:
    """Describe all that code of some names uses; raise mistakes of those that it cannot use."""
    usable, wrong = _given(names, variables), []
    for name in sorted(names - set(usable)):
        wrong.append(diagnose.undefined(name, given, variables, where, meant(name)))
    mistakes.raise_all(wrong)
    return usable


def check_expression(
    code: str,
    variables: Mapping,
    where: str,
    *,
    unit: object = None,
    boolean: bool = False,
    deferred: Iterable[str] = (),
) -> None:
    """Check an expression of `variables`: it must have the dimensions of `unit`, or be a condition.

    It may use functions, constants, units, ``dt`` and ``i`` as well. `deferred` are names that only
    the network knows: with any, units are left to a later check.
    """
    mistakes.raise_all(wrong_letters(code, where))
    given, code = code, settle.expression(code, whole_names(variables))
    names, shown = identifiers(code), repr(code.strip())
    later = names & (set(deferred) - set(variables))
    usable, span = _resolve(given, names - later, variables, where), diagnose.whole(given)
    if later:
        return
    try:
        dim = get_dimensions(parse_expression_dimensions(code, usable))
        condition = bool(names) and is_boolean_expression(code, usable)  # "1" is a value
    except Exception as error:  # DimensionMismatchError, SyntaxError, TypeError, ...
        details = replace(diagnose.expression(given, usable), where=where)
        raise SpecError(f"{where}: {one_line(error)} in {shown}", details) from error
    if boolean and not condition:
        fix = "compare with something, such as v > v_threshold"
        got, expected = f"a value ({readable_unit(dim)})", "a condition such as 'v > v_threshold'"
        texts = {"found": got, "expected": expected}
        raise mistake(where, "not a condition", fix, code=given, span=span, **texts)
    if condition and not boolean:
        expected = "a value, not a condition"
        raise mistake(where, "not a value", code=given, span=span, expected=expected)
    if unit is not None and dim is not get_dimensions(unit):
        details = diagnose.wrong_unit(given, dim, get_dimensions(unit), usable)
        message = explain(f"{where}: units of {shown}", unit_name(dim), unit_name(unit))
        raise SpecError(message, replace(details, where=where))


def is_condition(code: str, variables: Mapping) -> bool:
    """Tell whether an expression of variables is a condition."""
    usable = _given(identifiers(code), variables)
    return _type(settle.expression(code, whole_names(variables)), usable) == "boolean"


def dimensions(code: str, variables: Mapping) -> Dimension:
    """Return the dimensions of an expression of `variables` that was checked."""
    usable = _given(identifiers(code), variables)
    return get_dimensions(parse_expression_dimensions(settle.expression(code).strip(), usable))


def _type(code: str, usable: Mapping) -> str:
    """Return Brian2's type of an expression, whatever its units; '' if it has none."""
    try:
        return brian_ast(code.strip(), {**DEFAULT_FUNCTIONS, **usable}).dtype
    except Exception:  # of many kinds, and said by other checks
        return ""


@mistakes.going_on()
def check_statements(
    code: str,
    variables: Mapping,
    where: str,
    *,
    writes: Iterable[str],
    deferred: Iterable[str] = (),
    meant: Meant = lambda name: "",
    ours: Iterable[str] = (),
) -> None:
    """Check statements that use `variables`, and may assign to `writes` and to new local names.

    `deferred` are variables of neurons that only the network knows: with any, units are left to a
    later check. `ours` are reserved names that this package itself sets.
    """
    mistakes.raise_all(wrong_letters(code, where))
    given, code = code, settle.statements(code, whole_names(variables))
    if not code:
        return
    names = identifiers(code)
    variables = {**dimensionless(*deferred), **variables}
    reserved = RESERVED - set(ours)
    mistakes.raise_all(_wrong_assignments(given, variables, where, set(writes), meant, reserved))
    usable = _given(names, variables)
    try:
        # Brian2 hashes all it is given: give few
        used = {k: v for k, v in usable.items() if k in names and k not in DEFAULT_UNITS}
        new, *others = analyse_identifiers(code, used)
    except Exception as error:
        mistakes.raise_all(wrong_types(code, usable, where, given))
        message = f"{where}: cannot read the statement {_shown(code)} ({one_line(error)})"
        raise _first(message, where, diagnose.statements(given, usable), error) from error
    usable = _resolve(given, names - set(new), variables, where, meant)
    mistakes.raise_all(wrong_types(code, usable, where, given))
    mistakes.raise_all(_cancelled(names - set().union(new, *others), where, given))
    if deferred:
        return
    try:
        check_units_statements(code, usable)
    except Exception as error:
        message = f"{where}: {one_line(error)} in {_shown(code)}"
        raise _first(message, where, diagnose.statements(given, usable), error) from error


def _first(message: str, where: str, wrong: list[Details], cause: Exception) -> SpecError:
    """Return one mistake, and report others: Brian2 says the first of the places that are wrong."""
    errors = [SpecError(message, replace(details, where=where)) for details in wrong]
    for error in errors[:-1]:
        error.__cause__ = cause
        mistakes.report(error)
    return errors[-1] if errors else SpecError(message)


def _cancelled(names: set[str], where: str, given: str) -> list[SpecError]:
    """List the names that Brian2 simplifies away in statements, where it then misses them."""
    fix = "leave it out, or set a new name first: 'next_v = ...', then 'v = next_v'"
    cancels = "cancels out of a statement that changes a variable by itself"
    wrong = sorted(names - STANDARD_IDENTIFIERS)
    return [mistake(where, f"'{name}' {cancels}", fix, code=given, word=name) for name in wrong]


def _shown(code: str) -> str:
    return repr(settle.blanked(code).strip())


def _wrong_assignments(
    given: str,
    variables: Mapping,
    where: str,
    writes: set[str],
    meant: Meant,
    reserved: frozenset[str],
) -> list[SpecError]:
    """List assignments to what code must not set, or to a name that nothing reads."""
    fixed = {*_given(set(), variables)} - writes
    may = f"it may set {', '.join(sorted(writes)) or 'nothing'}"
    code = settle.joined(given)
    local: set[str] = set()
    wrong = []
    for at, line in diagnose.lines(given):
        match = _ASSIGNMENT.match(line)
        if not match or match[1] in writes | local:
            continue
        name, fix, more = match[1], "", {}
        if name in fixed:
            brief = f"'{name}' is not for this code to change"
        elif name in reserved or name in _FREE or name.startswith("_"):
            brief = f"'{name}' is a name that Brian2, brainsleep, Python or C++ uses itself"
            fix = f"choose another name, such as '{name.strip('_')}_own'"
        elif match[2]:
            wrong.append(diagnose.undefined(name, given, writes, where, meant(name)))
            continue
        elif len(re.findall(rf"\b{name}\b", code)) == 1:
            brief = f"sets the undefined name '{name}', which nothing reads"
            close = closest(name, writes)
            guess = f"did you mean '{close}'?" if close else "read it, or remove it"
            fix, more = meant(name) or guess, {"kind": "undefined", "close": close}
        else:
            local.add(name)
            continue
        said = "; ".join(filter(None, (f"{where}: {line!r}: {brief}", may, fix)))
        place = {"code": given, "span": (at, at + len(name)), "word": name}
        wrong.append(mistake(where, brief, fix, message=said, expected=may, **place, **more))
    return wrong


def check_equations(
    equations: Equations,
    variables: Mapping,
    where: str,
    text: str = "",
    *,
    deferred: Iterable[str] = (),
) -> set[str]:
    """Check every right-hand side of `equations`; return the identifiers used.

    They may use `variables` and each other. Mistakes are marked in the `text` they come from.
    `deferred` as of `check_expression`.
    """
    used: set[str] = set()
    read = identifiers(*(eq.expr.code for eq in equations.values() if eq.expr))
    idle = {name: variables[name] for name in variables if name not in read}
    usable = {**idle, **variables_of(equations), **variables}  # a fix names an idle one first
    for symbol in equations.stochastic_variables:
        usable[symbol] = Variable(name=symbol, dimensions=(second**-0.5).dim)
    for name, eq in equations.items():
        if eq.expr is None:
            continue
        code, boolean = eq.expr.code, eq.var_type == "boolean"
        differential = eq.type == DIFFERENTIAL_EQUATION
        wanted = None if boolean else Quantity(1.0, dim=eq.dim) / (second if differential else 1)
        label = f"{where}: d{name}/dt" if differential else f"{where}: {name}"
        used |= identifiers(code)
        with mistakes.going_on():
            try:
                check_expression(
                    code, usable, label, unit=wanted, boolean=boolean, deferred=deferred
                )
                whole = eq.var_type == "integer" and eq.type == SUBEXPRESSION
                if whole and _type(code, usable) != "integer":
                    fix = f"write {name} = int({code}) : integer, or the unit 1 as its type"
                    raise mistake(label, f"'{name}' is no whole number", fix, word=name)
            except SpecError as error:
                error.details = equation_text.in_equation(error.details, text, name)
                raise
    return used


def check_all_used(
    parameters: Iterable[str], used: set[str], where: str, what: str = "parameter"
) -> None:
    """Raise `SpecError` if a parameter appears in none of the identifiers `used`."""
    names, wrong = ", ".join(sorted(used)) or "none", []
    for name in sorted(set(parameters) - used):
        brief = f"{what} '{name}' is used by no equation"
        message = (
            f"{where}: {brief}; remove it or use it (misspelt in an equation? names used: {names})"
        )
        fix = "remove it or use it"
        wrong.append(mistake(where, brief, fix, message=message, kind="unused", word=name))
    mistakes.raise_all(wrong)

"""Checks of equation strings: names, resolvable identifiers, consistent units.

Brian2's own parsers do the work; this module gives them the variables an equation may use and
turns what they find into one-line `SpecError` messages. Nothing here creates Brian2 objects.
(The module is long because every check says what it is given and what it refuses.)
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import NoReturn

import numpy as np
from brian2 import Equations, Quantity, get_dimensions, second
from brian2.codegen.translation import STANDARD_IDENTIFIERS, analyse_identifiers
from brian2.core.functions import DEFAULT_CONSTANTS, DEFAULT_FUNCTIONS
from brian2.core.namespace import DEFAULT_UNITS
from brian2.core.variables import Constant, Variable
from brian2.equations.unitcheck import check_units_statements
from brian2.parsing.expressions import is_boolean_expression, parse_expression_dimensions
from brian2.utils.stringtools import get_identifiers

from . import diagnose, equation_text, mistakes, settle
from .declared import (
    TYPES,
    check_whole,
    is_condition,
    whole_names,
    wrong_letters,
    wrong_types,
)
from .errors import Details, SpecError, closest, explain, nearest, one_line
from .quantities import check_quantity
from .units import readable_unit, unit_name

_OWN = """
t dt i j w w_min w_max w_sign w_before xi stimulus interval lastspike not_refractory refractory
spike_count spiking spiked slot_index slot_unit zero_index total_size source variables logical_not
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
    word, fix = str(name), ""
    if not isinstance(name, str) or not _NAME.match(name):
        allowed = "lower-case letters, digits and underscores, a letter first"
        reason, lower = "names are lower-cased for CUDA, where two could become one", word.lower()
        if _NAME.match(lower):
            fix = f"write '{_free(lower, reserved)}'"
    elif name in reserved:
        allowed, reason = "a name that Brian2, brainsleep, Python or C++ does not use itself", ""
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


def check_parameters(parameters: Mapping, where: str) -> dict[str, Quantity]:
    """Return `parameters` as scalar finite quantities; raise `SpecError` otherwise."""
    checked = {}
    for name, value in parameters.items():
        check_name(name, f"{where}: parameter")
        with mistakes.going_on():
            checked[name] = check_quantity(value, f"{where}: parameter {name}")
    return checked


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


#: Says of a name that nothing defines what to write instead, or nothing.
Meant = Callable[[str], str]


def _nothing(name: str) -> str:
    return ""


def _undefined(
    name: str, code: str, variables: Iterable[str], where: str, given: str, meant: Meant
) -> SpecError:
    variables, own_name = list(variables), meant(name)
    sure = own_name and (not variables or own_name.startswith("did you mean"))
    known = "" if sure else f"{nearest(name, variables)}; "
    fix = own_name or "define it as a variable or a parameter"
    return SpecError(
        f"{where}: undefined name '{name}' in {code.strip()!r}; {known}{fix}",
        replace(diagnose.undefined(name, given, variables, own_name), where=where),
    )


def _resolve(
    code: str, names: set[str], variables: Mapping, where: str, given: str, meant: Meant = _nothing
) -> dict:
    known = {**surroundings(), **variables}
    known.update(_units(names - set(known)))
    wrong = []
    if "t" in names and "t" not in variables:
        wrong.append(SpecError(*diagnose.absolute_time(code, where, given)))
    unknown = sorted(names - set(known) - {"t"})
    wrong += [_undefined(name, code, variables, where, given, meant) for name in unknown]
    mistakes.raise_all(wrong)
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
    mistakes.raise_all(wrong_letters(code, where))
    given, code = code, settle.expression(code, whole_names(variables))
    names = identifiers(code)
    known = _resolve(code, names, variables, where, given)
    try:
        dim = get_dimensions(parse_expression_dimensions(code, known))
        is_condition = bool(names) and is_boolean_expression(code, known)  # "1" is a value
    except Exception as error:  # DimensionMismatchError, SyntaxError, TypeError, ...
        message = f"{where}: {one_line(error)} in {code.strip()!r}"
        details = replace(diagnose.expression(given, known), where=where)
        raise SpecError(message, details) from error
    if boolean != is_condition:
        kind = "a condition such as 'v > v_threshold'" if boolean else "a value, not a condition"
        got = f"a value ({readable_unit(dim)})" if boolean else "a condition"
        details = replace(diagnose.not_a(kind.partition(" such")[0], given, got), where=where)
        raise SpecError(explain(where, repr(code.strip()), kind), details)
    if unit is not None and dim is not get_dimensions(unit):
        raise SpecError(
            explain(f"{where}: units of {code.strip()!r}", unit_name(dim), unit_name(unit)),
            replace(diagnose.wrong_unit(given, dim, get_dimensions(unit), known), where=where),
        )
    return names


def check_duration(code: str, variables: Mapping, where: str) -> None:
    """Check an expression for a time, such as a refractory period.

    Raises
    ------
    SpecError
        As `check_expression`; and for a condition, which is no time.
    """
    if is_condition(code, variables):
        fix = "write a time, such as t_ref with parameters={'t_ref': 2*ms}"
        details = replace(diagnose.not_a("a time", code, "a condition"), where=where, fix=fix)
        allowed = "a time, not a condition"
        raise SpecError(explain(where, repr(code.strip()), allowed, fix), details)
    check_expression(code, variables, where, unit=second)


def check_statements(
    code: str,
    variables: Mapping,
    where: str,
    *,
    writes: Iterable[str],
    deferred: Iterable[str] = (),
    meant: Meant = _nothing,
    ours: Iterable[str] = (),
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
    meant : callable
        Says of a name that nothing defines what to write instead, or nothing.
    ours : iterable of str
        Reserved names that this package itself sets in the block.

    Raises
    ------
    SpecError
        For a syntax error, an undefined name, inconsistent units, or a forbidden assignment.
    """
    mistakes.raise_all(wrong_letters(code, where))
    given, code = code, settle.statements(code, whole_names(variables))
    if not code:
        return set()
    names = identifiers(code)
    variables = {**dimensionless(*deferred), **variables}
    reserved = RESERVED - set(ours)
    mistakes.raise_all(_wrong_assignments(given, variables, where, set(writes), meant, reserved))
    try:
        there = {**surroundings(), **variables}  # Brian2 hashes all it is given: give few
        used = {k: v for k, v in there.items() if k in names}
        new, *others = analyse_identifiers(code, used)
    except Exception as error:
        mistakes.raise_all(wrong_types(code, {**there, **_units(names)}, where, given))
        message = f"{where}: cannot read the statement {_shown(code)} ({one_line(error)})"
        wrong = diagnose.statements(given, {**there, **_units(names)})
        _raise_each(message, where, wrong, error)
    known = _resolve(code, names - set(new), variables, where, given, meant)
    mistakes.raise_all(wrong_types(code, known, where, given))
    mistakes.raise_all(_cancelled(names - set().union(new, *others), where, given))
    if deferred:
        return names
    try:
        check_units_statements(code, known)
    except Exception as error:
        message = f"{where}: {one_line(error)} in {_shown(code)}"
        _raise_each(message, where, diagnose.statements(given, known), error)
    return names


def _raise_each(message: str, where: str, wrong: list[Details], cause: Exception) -> NoReturn:
    """Raise one mistake for each of the places that are wrong, of which Brian2 says the first."""
    errors = [SpecError(message, replace(d, where=where)) for d in wrong] or [SpecError(message)]
    for error in errors:
        error.__cause__ = cause
    mistakes.raise_all(errors)
    raise AssertionError("there is always one")


def _cancelled(names: set[str], where: str, given: str) -> list[SpecError]:
    """List the names that Brian2 simplifies away in statements, where it then misses them."""
    wrong = []
    for name in sorted(names - STANDARD_IDENTIFIERS):
        brief = f"'{name}' cancels out of a statement that changes a variable by itself"
        fix = "leave it out, or set a new name first: 'next_v = ...', then 'v = next_v'"
        span = diagnose.name_at(name, given)
        details = Details(where=where, brief=brief, code=given, span=span, word=name, fix=fix)
        wrong.append(SpecError(f"{where}: {brief}, in {_shown(given)}; {fix}", details))
    return wrong


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
    fixed = ({*surroundings(), *variables}) - writes
    may = f"it may set {', '.join(sorted(writes)) or 'nothing'}"
    code = settle.joined(given)
    local: set[str] = set()
    wrong = []
    for at, line in diagnose.lines(given):
        at, line = at + len(line) - len(line.lstrip()), line.strip()
        match = _ASSIGNMENT.match(line)
        if not match or match[1] in writes | local:
            continue
        name = match[1]
        span = (at, at + len(name))
        details = Details(where=where, code=given, span=span, word=name, expected=may)
        if name in fixed:
            message = f"{line!r} assigns to '{name}', which is not for it to change; {may}"
            details = replace(details, brief=f"'{name}' is not for this code to change")
        elif name in reserved or name in _FREE or name.startswith("_"):
            brief = f"'{name}' is a name that Brian2, brainsleep, Python or C++ uses itself"
            fix = f"choose another name, such as '{name.strip('_')}_own'"
            message = f"{line!r}: {brief}; {fix}"
            details = replace(details, brief=brief, fix=fix)
        elif match[2]:
            wrong.append(_undefined(name, line, writes, where, given, meant))
            continue
        elif len(re.findall(rf"\b{name}\b", code)) == 1:
            close = closest(name, writes)
            guess = f"did you mean '{close}'?" if close else "read it, or remove it"
            fix = meant(name)
            message = (
                f"{line!r} sets the undefined name '{name}', which nothing reads; {may}; "
                f"{fix or nearest(name, writes)}"
            )
            brief, fix = f"sets the undefined name '{name}', which nothing reads", fix or guess
            details = replace(details, kind="undefined", brief=brief, close=close, fix=fix)
        else:
            local.add(name)
            continue
        wrong.append(SpecError(f"{where}: {message}", details))
    return wrong


def check_equations(
    equations: Equations, variables: Mapping, where: str, text: str = ""
) -> set[str]:
    """Check every right-hand side of `equations`; return the identifiers used.

    Parameters
    ----------
    equations : Equations
        The parsed equations.
    variables : mapping of str to Variable
        What they may use besides each other.
    where : str
        Named in error messages.
    text : str
        What they were parsed from, to mark mistakes in.

    Raises
    ------
    SpecError
        For an undefined name or a right-hand side of the wrong units.
    """
    used: set[str] = set()
    read = identifiers(*(eq.expr.code for eq in equations.values() if eq.expr))
    idle = {name: variables[name] for name in variables if name not in read}
    known = {**idle, **variables_of(equations), **variables}  # a fix names an idle one first
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
        used |= identifiers(code)
        with mistakes.going_on():
            try:
                check_expression(
                    code, known, label, unit=None if boolean else unit, boolean=boolean
                )
                check_whole(name, eq, known, label)
            except SpecError as error:
                error.details = equation_text.in_equation(error.details, text, name)
                raise
    return used


def check_all_used(parameters: Iterable[str], used: set[str], where: str) -> None:
    """Raise `SpecError` if a parameter appears in none of the identifiers `used`."""
    mistakes.raise_all(
        [
            SpecError(
                f"{where}: parameter '{name}' is used by no equation; remove it or use it "
                f"(misspelt in an equation? names used: {', '.join(sorted(used)) or 'none'})",
                Details(
                    kind="unused",
                    where=where,
                    brief=f"parameter '{name}' is used by no equation",
                    word=name,
                    fix="remove it or use it",
                ),
            )
            for name in sorted(set(parameters) - used)
        ]
    )

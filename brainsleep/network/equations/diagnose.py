"""Where a mistake in an equation string is, and what would mend it: details for `SpecError`.

Called once something is usable to be wrong. Brian2 says what; here the smallest piece of code that
it refuses is looked for, its units are put beside those that were expected, and a fix is guessed.
"""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from brian2 import get_dimensions, second
from brian2.core.functions import DEFAULT_CONSTANTS, DEFAULT_FUNCTIONS
from brian2.core.namespace import DEFAULT_UNITS
from brian2.core.variables import Constant, Variable
from brian2.parsing.expressions import parse_expression_dimensions
from brian2.units.fundamentalunits import DIMENSIONLESS, Dimension

from ...errors import Details, SpecError, closest, nearest, one_line
from ...values.units import readable_unit, unit_name
from .settle import blanked, joined

_STATEMENT = re.compile(r"(\w+)\s*([-+*/%]?=)(?!=)\s*")
#: What Python says of brackets: what is wrong, and the fix.
_BRACKETS = (
    (r"'(.)' was never closed", "the bracket '{}' is never closed", "close it"),
    (
        r"unmatched '(.)'|parenthesis '(.)' does not match",
        "'{}' closes a bracket that was never opened",
        "remove it, or open it",
    ),
)
#: Operators of other languages: what is wrong, and the fix.
_OPERATORS = (
    (r"\^", "'^' is not a power here", "write ** for a power, such as v**2"),
    (r"&&?", "'&' does not join conditions here", "write 'and'"),
    (r"\|\|?", "'|' does not join conditions here", "write 'or'"),
    (r"!(?!=)", "'!' does not negate here", "write 'not'"),
    (r"(?<![<>=!])=(?!=)", "'=' does not compare", "write == to compare, = only assigns"),
)


def mistake(
    where: str, brief: str, fix: str = "", *, message: str = "", **details: Any
) -> SpecError:
    """Return the error ``where: brief; got ...; expected ...; fix``, or with another message.

    A `word` is marked where it first stands in `code`, if no other place is given.
    """
    if details.get("code") and details.get("word"):
        details.setdefault("span", name_at(details["word"], details["code"]))
    given = Details(where=where, brief=brief, fix=fix, **details)
    labelled = (("", brief), ("got ", given.found), ("expected ", given.expected), ("", fix))
    said = "; ".join(label + text for label, text in labelled if text)
    return SpecError(message or f"{where}: {said}", given)


def unknown(what: str, name: object, choices: Iterable[str]) -> SpecError:
    """Return the error of a name that is none of some choices."""
    word = str(name)
    details = Details(word=word, close=closest(word, choices))
    return SpecError(f"{what} '{name}'; {nearest(word, choices)}", details)


def name_at(name: str, code: str) -> tuple[int, int] | None:
    """Find the first use of a name in code."""
    match = re.search(rf"\b{re.escape(name)}\b", blanked(code))
    return match.span() if match else None


def whole(code: str) -> tuple[int, int]:
    """Return the place of all code but the space around it."""
    return len(code) - len(code.lstrip()), len(code.rstrip())


def undefined(
    name: str, code: str, variables: Iterable[str], where: str, meant: str = ""
) -> SpecError:
    """Return the error of a name that nothing defines; `meant` says what to write instead.

    Where `meant` is a name, as in ``did you mean 'x_pre'?``, it is surer than any that is alike.
    """
    variables, functions = set(variables), set(DEFAULT_FUNCTIONS)
    called = re.search(rf"\b{re.escape(name)}\s*\(", blanked(code))
    sure = re.fullmatch(r"did you mean '(\w+)'\?", meant)
    likely = functions if called else {*variables, *DEFAULT_CONSTANTS}
    close = sure[1] if sure else closest(name, likely)
    if meant and not close:
        fix = meant
    else:
        close = close or closest(name, {*variables, *functions, *DEFAULT_CONSTANTS})
        fix = f"did you mean '{close}'?" if close else "define it as a variable or a parameter"
    names = ", ".join(sorted(functions if called else variables))
    return mistake(
        where,
        f"unknown function '{name}'" if called else f"undefined name '{name}'",
        fix,
        kind="undefined",
        code=code,
        word=name,
        expected=f"one of: {names}" if names else "",
        close=close,
    )


def expression(code: str, usable: Mapping) -> Details:
    """Describe what is wrong in an expression that Brian2 refuses."""
    try:
        tree = ast.parse(joined(f"({code})"), mode="eval").body
    except (SyntaxError, ValueError):
        return syntax(code)
    node, error = _refused(tree, usable) or (tree, ValueError("cannot be read"))
    details = Details(code=code, span=_span(node, code))
    match node:
        case ast.BinOp(op=ast.BitXor() | ast.BitAnd() | ast.BitOr()):
            return syntax(code)
        case ast.Call():
            return _wrong_call(node, usable, details, error)
        case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mod(), left=left, right=right):
            return _different(left, right, usable, details, "added or subtracted")
        case ast.Compare(left=left, comparators=[right, *_]):
            return _different(left, right, usable, details, "compared")
    return replace(details, brief=one_line(error))


def _refused(node: ast.expr, usable: Mapping) -> tuple[ast.expr, Exception] | None:
    """Find the innermost part of an expression that has no dimensions."""
    inner = node.args if isinstance(node, ast.Call) else ast.iter_child_nodes(node)
    for part in inner:
        if isinstance(part, ast.expr) and (refused := _refused(part, usable)):
            return refused
    try:
        parse_expression_dimensions(node, usable)
    except Exception as error:  # of many kinds
        return node, error
    return None


def _dimensions(code: str | ast.expr, usable: Mapping) -> Dimension:
    return get_dimensions(parse_expression_dimensions(code, usable))


def _span(node: ast.expr, code: str) -> tuple[int, int]:
    """Place in `code` of a node of the tree of ``(code)``, which is one line."""
    return max(node.col_offset - 1, 0), min((node.end_col_offset or 0) - 1, len(code))


def _wrong_call(node: ast.Call, usable: Mapping, details: Details, error: Exception) -> Details:
    name = getattr(node.func, "id", "?")
    function = usable.get(name)
    if function is None or not hasattr(function, "_arg_units"):
        return replace(details, brief=one_line(error), word=name)
    count = len(function._arg_units)
    names = list(getattr(function, "_arg_names", None) or [f"x{k}" for k in range(1, 9)])[:count]
    usage = f"{name}({', '.join(names)})" if name != "clip" else "clip(value, low, high)"
    if len(node.args) != count:
        brief, given, fix = f"'{name}' takes {count} values", f"{len(node.args)}", f"write {usage}"
        return replace(details, brief=brief, found=given, expected=usage, fix=fix, word=name)
    dims = [_dimensions(part, usable) for part in node.args]
    for part, dim, wanted in zip(node.args, dims, function._arg_units, strict=True):
        if isinstance(wanted, str):  # the units of another argument
            expected = dims[function._arg_names.index(wanted)]
        else:
            expected = get_dimensions(wanted or 1)
        if wanted is not None and wanted is not bool and dim is not expected:
            details = replace(details, span=_span(part, details.code))
            brief = f"wrong units in a call of '{name}'"
            return replace(_units(details, dim, expected, usable), brief=brief)
    return replace(details, brief=one_line(error))


def _different(
    left: ast.expr, right: ast.expr, usable: Mapping, details: Details, verb: str
) -> Details:
    """Describe a sum or comparison of different units, at the side that is likely wrong."""
    dims = [_dimensions(side, usable) for side in (left, right)]
    wrong = 0 if dims[0] is DIMENSIONLESS else 1
    node = (left, right)[wrong]
    details = replace(details, span=_span(node, details.code))
    details = _units(details, dims[wrong], dims[1 - wrong], usable)
    if isinstance(node, ast.Constant):
        unit = readable_unit(dims[1 - wrong])
        details = replace(details, fix=f"give the number a unit: make it a parameter in {unit}")
    return replace(details, brief=f"different units are {verb}")


def _units(details: Details, dim: Dimension, expected: Dimension, usable: Mapping) -> Details:
    """Add the units that are there and should be, and what would turn one into the other."""
    piece = details.code[slice(*details.span)] if details.span else ""
    fix, name = _without_unit(piece, dim, expected, usable) or _conversion(dim, expected, usable)
    there, wanted = readable_unit(dim), readable_unit(expected)
    return replace(details, found=there, expected=wanted, fix=fix, close=name)


def _without_unit(
    piece: str, dim: Dimension, expected: Dimension, usable: Mapping
) -> tuple[str, str] | None:
    """Name the one parameter in a piece of code that would mend it if it had a unit."""
    names = set(re.findall(r"[A-Za-z_]\w*", blanked(piece))) - {"dt", *DEFAULT_CONSTANTS}
    mended = []
    for name in sorted(names & set(usable)):
        parameter = usable[name]
        if not isinstance(parameter, Constant) or parameter.dim is not DIMENSIONLESS:
            continue
        for unit in (dim / expected, expected / dim):
            changed = {**usable, name: Constant(name, dimensions=unit, value=1.0)}
            with contextlib.suppress(Exception):  # of many kinds
                if _dimensions(piece.strip(), changed) is expected:
                    mended.append((name, f"{parameter.value:g}*{unit_name(unit)}"))
    if len(mended) != 1:
        return None
    name, given = mended[0]
    return f"parameter '{name}' has no unit: give it one, such as {given}", name


def _conversion(dim: Dimension, expected: Dimension, usable: Mapping) -> tuple[str, str]:
    """Say what to multiply or divide by, and which parameter has the right units if one has."""
    aside = {"dt", *DEFAULT_UNITS, *DEFAULT_CONSTANTS}
    constants = {k: v.dim for k, v in usable.items() if isinstance(v, Constant) and k not in aside}
    for text, wanted in (
        ("divide by {kind} such as {name}", dim / expected),
        ("multiply by {kind} such as {name}", expected / dim),
    ):
        name = next((name for name, unit in constants.items() if unit is wanted), "")
        if name:
            kind = "a time constant" if wanted is second.dim else "a parameter"
            return text.format(kind=kind, name=name), name
    if dim / expected is second.dim:
        return "divide by a time constant in second, such as tau_m", ""
    return f"multiply by a parameter in {readable_unit(expected / dim)}", ""


def wrong_unit(code: str, dim: Dimension, expected: Dimension, usable: Mapping) -> Details:
    """Describe an expression whose units are consistent, but not those it must have."""
    details = Details(code=code, span=whole(code), brief="wrong units")
    return _units(details, dim, expected, usable)


def syntax(code: str) -> Details:
    """Describe why code is no expression: brackets, operators of other languages, or the rest."""
    plain = blanked(code)
    begin, end = whole(plain)
    brief, span, message = "cannot be read", (begin, end), ""
    try:
        ast.parse(plain.strip().replace("\n", " "), mode="eval")
    except SyntaxError as error:
        message, at = error.msg, min(begin + max((error.offset or 1) - 1, 0), max(end - 1, 0))
        brief, span = f"cannot be read: {message}", (at, at + 1)
    for pattern, text, fix in _BRACKETS:
        if match := re.search(pattern, message):
            return Details(brief=text.format(plain[span[0]]), code=code, span=span, fix=fix)
    for pattern, text, fix in _OPERATORS:
        if match := re.search(pattern, plain):
            return Details(brief=text, code=code, span=match.span(), fix=fix)
    return Details(brief=brief, code=code, span=span)


def statements(code: str, usable: Mapping) -> list[Details]:
    """Describe every line of a block of statements that Brian2 refuses."""
    usable, vague = dict(usable), set[str]()
    wrong: list[Details] = []
    for start, line in lines(code):
        match = _STATEMENT.match(line)
        if not match:
            fix = "write 'name = value', one a line"
            details = Details(brief="not a statement", span=(0, len(line)), fix=fix)
            wrong.append(shifted(details, code, start))
            continue
        target, sign, at = match[1], match[2], match.end()
        value = line[at:]
        if vague & set(re.findall(r"[A-Za-z_]\w*", value)):
            vague.add(target)
            continue
        try:
            dim = _dimensions(value if sign == "=" else f"{target} {sign[0]} ({value})", usable)
        except Exception:  # of many kinds
            wrong.append(shifted(_statement(value, target, usable), code, start + at))
            vague |= {target} - set(usable)
            continue
        if target not in usable:
            usable[target] = Variable(name=target, dimensions=dim)
        elif dim is not get_dimensions(usable[target]):
            details = wrong_unit(value, dim, get_dimensions(usable[target]), usable)
            wrong.append(shifted(details, code, start + at))
    return wrong


def _statement(value: str, target: str, usable: Mapping) -> Details:
    """Describe a wrong value, or a right one that cannot be added to what it is added to."""
    try:
        dim = _dimensions(value, usable)
    except Exception:  # of many kinds
        return expression(value, usable)
    return wrong_unit(value, dim, get_dimensions(usable[target]), usable)


def lines(code: str) -> list[tuple[int, str]]:
    """Split into statements; give where each begins."""
    parts = re.finditer(r"[^;\s](?:[^;\n]*[^;\s])?", joined(code))
    return [(part.start(), part[0]) for part in parts]


def shifted(details: Details, code: str, by: int) -> Details:
    """Give the same place in the whole `code`, of which the details know a piece from `by` on."""
    span = details.span and (details.span[0] + by, details.span[1] + by)
    return replace(details, code=code, span=span)

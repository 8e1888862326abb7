"""Where a mistake in an equation string is, and what would mend it: details for `SpecError`.

Called once something is known to be wrong. Brian2 says what; here the smallest piece of code that
it refuses is looked for, its units are put beside those that were expected, and a fix is guessed.
"""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from brian2 import get_dimensions, second
from brian2.core.functions import DEFAULT_CONSTANTS, DEFAULT_FUNCTIONS
from brian2.core.namespace import DEFAULT_UNITS
from brian2.core.variables import Constant, Variable
from brian2.parsing.expressions import parse_expression_dimensions
from brian2.units.fundamentalunits import DIMENSIONLESS, Dimension

from .errors import Details, closest, explain, one_line
from .settle import blanked, joined
from .units import readable_unit, unit_name

_STATEMENT = re.compile(r"\s*(\w+)\s*([-+*/%]?=)(?!=)\s*")
_OPERATORS = (
    (r"\^", "'^' is not a power here", "write ** for a power, such as v**2"),
    (r"&&?", "'&' does not join conditions here", "write 'and'"),
    (r"\|\|?", "'|' does not join conditions here", "write 'or'"),
    (r"!(?!=)", "'!' does not negate here", "write 'not'"),
    (r"(?<![<>=!])=(?!=)", "'=' does not compare", "write == to compare, = only assigns"),
)
_BRACKETS = {")": "(", "]": "[", "}": "{"}


def name_at(name: str, code: str) -> tuple[int, int] | None:
    """Find the first use of a name in code."""
    match = re.search(rf"\b{re.escape(name)}\b", blanked(code))
    return match.span() if match else None


def undefined(name: str, code: str, variables: Iterable[str], meant: str = "") -> Details:
    """Describe the use of a name that nothing defines; `meant` says what to write instead.

    Where `meant` is a name, as in ``did you mean 'x_pre'?``, it is surer than any that is alike.
    """
    sure = re.fullmatch(r"did you mean '(\w+)'\?", meant)
    called = re.search(rf"\b{re.escape(name)}\s*\(", blanked(code))
    functions = set(DEFAULT_FUNCTIONS)
    likely = functions if called else {*variables, *DEFAULT_CONSTANTS}
    close = sure[1] if sure else closest(name, likely)
    meant = "" if close else meant
    close = close or closest(name, {*variables, *functions, *DEFAULT_CONSTANTS})
    names = ", ".join(sorted(functions if called else variables))
    fix = f"did you mean '{close}'?" if close else "define it as a variable or a parameter"
    return Details(
        kind="undefined",
        brief=f"unknown function '{name}'" if called else f"undefined name '{name}'",
        code=code,
        span=name_at(name, code),
        word=name,
        expected=f"one of: {names}" if names else "",
        fix=meant or fix,
        close="" if meant else close,
    )


def absolute_time(code: str, where: str, given: str) -> tuple[str, Details]:
    """Say why ``t`` cannot be used, as message and details."""
    fix = (
        "a run is split into segments that each start at t = 0; "
        "use a state variable with its own equation"
    )
    message = explain(where, f"'t' in {code.strip()!r}", "no use of absolute time", fix)
    return message, Details(
        where=where,
        brief="absolute time 't' cannot be used",
        code=given,
        span=name_at("t", given),
        fix=f"{fix}, such as dphase/dt = f : 1",
    )


def expression(code: str, known: Mapping) -> Details:
    """Describe what is wrong in an expression that Brian2 refuses."""
    try:
        tree = ast.parse(f"({blanked(code)})", mode="eval").body
    except (SyntaxError, ValueError):
        return syntax(code)
    node, error = _refused(tree, known) or (tree, ValueError("cannot be read"))
    details = Details(code=code, span=_span(node, code))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitXor | ast.BitAnd | ast.BitOr):
        return syntax(code)
    if isinstance(node, ast.Call):
        return _wrong_call(node, known, details, error)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub | ast.Mod):
        return _different(node.left, node.right, known, details, "added or subtracted")
    if isinstance(node, ast.Compare):
        return _different(node.left, node.comparators[0], known, details, "compared")
    return replace(details, brief=one_line(error))


def _refused(node: ast.expr, known: Mapping) -> tuple[ast.expr, Exception] | None:
    """Find the innermost part of an expression that has no dimensions."""
    inner = node.args if isinstance(node, ast.Call) else ast.iter_child_nodes(node)
    for part in inner:
        if isinstance(part, ast.expr) and (found := _refused(part, known)):
            return found
    try:
        parse_expression_dimensions(node, known)
    except Exception as error:  # of many kinds
        return node, error
    return None


def _span(node: ast.expr, code: str) -> tuple[int, int]:
    """Place in `code` of a node of the tree of ``(code)``."""
    starts = [0]
    for line in f"({code})".splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    last, column = node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
    begin = starts[node.lineno - 1] + node.col_offset - 1
    end = starts[last - 1] + column - 1
    return max(begin, 0), min(end, len(code))


def _wrong_call(node: ast.Call, known: Mapping, details: Details, error: Exception) -> Details:
    name = getattr(node.func, "id", "?")
    function = known.get(name)
    if function is None or not hasattr(function, "_arg_units"):
        return replace(details, brief=one_line(error), word=name)
    names = getattr(function, "_arg_names", None) or [f"x{k}" for k in range(1, 9)]
    names = list(names)[: len(function._arg_units)]
    usage = f"{name}({', '.join(names)})" if name != "clip" else "clip(value, low, high)"
    if len(node.args) != len(function._arg_units):
        return replace(
            details,
            brief=f"'{name}' takes {len(function._arg_units)} values",
            found=f"{len(node.args)}",
            expected=usage,
            fix=f"write {usage}",
            word=name,
        )
    dims = [get_dimensions(parse_expression_dimensions(part, known)) for part in node.args]
    for part, dim, wanted in zip(node.args, dims, function._arg_units, strict=True):
        like = node.args[function._arg_names.index(wanted)] if isinstance(wanted, str) else None
        expected = dims[node.args.index(like)] if like is not None else get_dimensions(wanted or 1)
        if wanted is not None and wanted is not bool and dim is not expected:
            span = _span(part, details.code)
            return replace(
                _units(replace(details, span=span), dim, expected, known),
                brief=f"wrong units in a call of '{name}'",
            )
    return replace(details, brief=one_line(error))


def _different(
    left: ast.expr, right: ast.expr, known: Mapping, details: Details, verb: str
) -> Details:
    """Describe a sum or comparison of different units, at the side that is likely wrong."""
    dims = [get_dimensions(parse_expression_dimensions(side, known)) for side in (left, right)]
    wrong = 0 if dims[0] is DIMENSIONLESS else 1
    node = (left, right)[wrong]
    details = replace(details, span=_span(node, details.code))
    details = _units(details, dims[wrong], dims[1 - wrong], known)
    if isinstance(node, ast.Constant):
        unit = readable_unit(dims[1 - wrong])
        fix = f"give the number a unit: make it a parameter in {unit}"
        details = replace(details, fix=fix)
    return replace(details, brief=f"different units are {verb}")


def _units(details: Details, found: Dimension, expected: Dimension, known: Mapping) -> Details:
    """Add the units found and expected, and what would turn one into the other."""
    piece = details.code[slice(*details.span)] if details.span else ""
    fix, name = _without_unit(piece, found, expected, known) or _conversion(found, expected, known)
    found_text, expected_text = readable_unit(found), readable_unit(expected)
    return replace(details, found=found_text, expected=expected_text, fix=fix, close=name)


def _without_unit(
    piece: str, found: Dimension, expected: Dimension, known: Mapping
) -> tuple[str, str] | None:
    """Name the one parameter in a piece of code that would mend it if it had a unit."""
    names = set(re.findall(r"[A-Za-z_]\w*", blanked(piece))) - {"dt", *DEFAULT_CONSTANTS}
    mended = []
    for name in sorted(names & set(known)):
        parameter = known[name]
        if not isinstance(parameter, Constant) or parameter.dim is not DIMENSIONLESS:
            continue
        for unit in (found / expected, expected / found):
            changed = {**known, name: Constant(name, dimensions=unit, value=1.0)}
            with contextlib.suppress(Exception):  # of many kinds
                if get_dimensions(parse_expression_dimensions(piece.strip(), changed)) is expected:
                    mended.append((name, unit, parameter.value))
    if len(mended) != 1:
        return None
    name, unit, value = mended[0]
    given = f"{value:g}*{unit_name(unit)}"
    return f"parameter '{name}' has no unit: give it one, such as {given}", name


def _conversion(found: Dimension, expected: Dimension, known: Mapping) -> tuple[str, str]:
    """Say what to multiply or divide by, and which parameter has the right units if one has."""
    constants = {k: v.dim for k, v in known.items() if isinstance(v, Constant)}
    names = [k for k in constants if k not in DEFAULT_UNITS and k not in ("dt", *DEFAULT_CONSTANTS)]
    for text, wanted in (
        ("divide by {kind} such as {name}", found / expected),
        ("multiply by {kind} such as {name}", expected / found),
    ):
        fitting = [name for name in names if constants[name] is wanted]
        if fitting:
            kind = "a time constant" if wanted is second.dim else "a parameter"
            return text.format(kind=kind, name=fitting[0]), fitting[0]
    if found / expected is second.dim:
        return "divide by a time constant in second, such as tau_m", ""
    return f"multiply by a parameter in {readable_unit(expected / found)}", ""


def wrong_unit(code: str, found: Dimension, expected: Dimension, known: Mapping) -> Details:
    """Describe an expression whose units are consistent, but not those it must have."""
    start = len(code) - len(code.lstrip())
    details = Details(code=code, span=(start, len(code.rstrip())), brief="wrong units")
    return _units(details, found, expected, known)


def not_a(kind: str, code: str, found: str) -> Details:
    """Describe a value where there must be a condition, or the other way round."""
    start = len(code) - len(code.lstrip())
    return Details(
        brief=f"not {kind}",
        code=code,
        span=(start, len(code.rstrip())),
        found=found,
        expected=kind,
        fix="compare with something, such as v > v_threshold" if kind == "a condition" else "",
    )


def syntax(code: str) -> Details:
    """Describe why code is no expression: brackets, operators of other languages, or the rest."""
    plain = blanked(code)
    opened: list[int] = []
    for at, letter in enumerate(plain):
        if letter in "([{":
            opened.append(at)
        elif letter in _BRACKETS and not (opened and plain[opened.pop()] == _BRACKETS[letter]):
            brief = f"'{letter}' closes a bracket that was never opened"
            return Details(brief=brief, code=code, span=(at, at + 1), fix="remove it, or open it")
    if opened:
        at = opened[-1]
        brief = f"the bracket '{plain[at]}' is never closed"
        return Details(brief=brief, code=code, span=(at, at + 1), fix="close it")
    for pattern, brief, fix in _OPERATORS:
        if match := re.search(pattern, plain):
            return Details(brief=brief, code=code, span=match.span(), fix=fix)
    start = len(plain) - len(plain.lstrip())
    try:
        ast.parse(plain.strip().replace("\n", " "), mode="eval")
    except SyntaxError as error:
        at = start + max((error.offset or 1) - 1, 0)
        at = min(at, max(len(plain.rstrip()) - 1, 0))
        return Details(brief=f"cannot be read: {error.msg}", code=code, span=(at, at + 1))
    return Details(brief="cannot be read", code=code, span=(start, len(plain.rstrip())))


def statements(code: str, known: Mapping) -> list[Details]:
    """Describe every line of a block of statements that Brian2 refuses."""
    known, vague = dict(known), set[str]()
    wrong: list[Details] = []
    for start, line in lines(code):
        match = _STATEMENT.match(line)
        if not match:
            brief = "not a statement"
            found = replace(syntax(line), brief=brief, fix="write 'name = value', one a line")
            whole = (len(line) - len(line.lstrip()), len(line))
            wrong.append(shifted(replace(found, span=whole), code, start))
            continue
        target, operator, at = match[1], match[2], match.end()
        value = line[at:]
        if vague & set(re.findall(r"[A-Za-z_]\w*", value)):
            vague.add(target)
            continue
        try:
            full = value if operator == "=" else f"{target} {operator[0]} ({value})"
            dim = get_dimensions(parse_expression_dimensions(full, known))
        except Exception:  # of many kinds
            wrong.append(shifted(_statement(value, target, known), code, start + at))
            vague |= {target} - set(known)
            continue
        if target not in known:
            known[target] = Variable(name=target, dimensions=dim)
        elif dim is not get_dimensions(known[target]):
            details = wrong_unit(value, dim, get_dimensions(known[target]), known)
            wrong.append(shifted(details, code, start + at))
    return wrong


def _statement(value: str, target: str, known: Mapping) -> Details:
    """Describe a wrong value, or a right one that cannot be added to what it is added to."""
    try:
        dim = get_dimensions(parse_expression_dimensions(value.strip(), known))
    except Exception:  # of many kinds
        return expression(value, known)
    return wrong_unit(value, dim, get_dimensions(known[target]), known)


def lines(code: str) -> list[tuple[int, str]]:
    """Split into statements; give where each begins."""
    parts = re.finditer(r"[^;\n]+", joined(code))
    return [(part.start(), part[0].rstrip()) for part in parts if part[0].strip()]


def shifted(details: Details, code: str, by: int) -> Details:
    """Give the same place in the whole `code`, of which the details know a piece from `by` on."""
    span = details.span and (details.span[0] + by, details.span[1] + by)
    return replace(details, code=code, span=span)

"""Code as it is run: comments, joined lines, semicolons and whole numbers settled, once.

The checks look at what these functions return, and `brainsleep.assemble` composes networks of it,
so what is checked is what is run. Specifications keep the text as it was written.

Brian2 cuts statements at every line end and semicolon, in comments and brackets too, and computes
with 32-bit integers where no floating-point number is in sight. Code that it reads as it is meant
comes back as it is, since the code is part of a run's id; anything else is written anew.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

import numpy as np
from brian2 import Equations, Quantity
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.core.variables import Variable
from brian2.equations.equations import SingleEquation
from brian2.parsing.bast import brian_ast
from brian2.parsing.statements import parse_statement

from .units import unit_name

#: Names of whole numbers besides those that equations declare: indices of neurons.
INDICES = frozenset({"i", "j"})

#: The least number that Brian2's integers do not hold; and what is assumed of those it computes
#: with, and of the indices of neurons: that they stay below.
_TOO_LARGE, _USUAL, _MOST_NEURONS = 2**31, 2**30, 2**20

#: Name, operator (such as ``+=``) and value of a statement.
Statement = tuple[str, str, str]


def blanked(code: str) -> str:
    """Return `code` with comments replaced by as many spaces, so that places stay the same."""
    return re.sub(r"#.*", lambda comment: " " * len(comment[0]), code)


def joined(code: str) -> str:
    """Return `code` without comments, a line that goes on in the next as one; places stay the same.

    A line goes on inside brackets and after a backslash.
    """
    letters, depth = list(blanked(code)), 0
    for at, letter in enumerate(letters):
        depth = max(depth + (letter in "([{") - (letter in ")]}"), 0)
        if letter == "\\" and "".join(letters[at + 1 :]).lstrip(" \t\r")[:1] == "\n":
            letters[at] = " "
            letters[letters.index("\n", at)] = " "
        elif letter == "\n" and depth:
            letters[at] = " "
    return "".join(letters)


def tidy(code: str) -> str:
    """Return code without indentation and empty lines."""
    return "\n".join(line.strip() for line in code.strip().splitlines() if line.strip())


def statements(code: str, whole: Iterable[str] = ()) -> str:
    """Settle a block of statements.

    Parameters
    ----------
    code : str
        Statements, one a line or separated by semicolons.
    whole : iterable of str
        Names of variables that are whole numbers, besides `INDICES`.

    Returns
    -------
    str
        What Brian2 reads as these statements. Of a block that cannot be read only the lines are
        settled.
    """
    plain = _one_a_line(code)
    meant = read(plain)
    if meant is None:
        return plain
    names, settled = {*INDICES, *whole}, list[Statement]()
    for name, operator, value in meant:
        found = _in_floats(value, names, exact=False)
        if found != value and name in names and _is_whole(value, names):
            found = f"int({found})"
        if operator[:-1] in ("**", "//", "%"):  # C++ has no such operators, or not for all numbers
            operator, found = "=", f"{name} {operator[:-1]} ({found})"
        if operator == "=" and _is_whole(found, names):
            names.add(name)
        settled.append((name, operator, found))
    if settled != meant:
        return "\n".join(" ".join(statement) for statement in settled)
    written = tidy(code)
    return written if read(written) == meant else plain


def _one_a_line(code: str) -> str:
    parts = (" ".join(part.split()) for part in re.split(r"[;\n]", joined(code)))
    return "\n".join(filter(None, parts))


def read(code: str) -> list[Statement] | None:
    """Read statements as Brian2 does; return None if it cannot."""
    try:
        found = [parse_statement(line) for line in re.split(r"[;\n]", code) if line]
    except Exception:  # of many kinds
        return None
    return [(name, operator, " ".join(value.split())) for name, operator, value, _ in found]


def expression(code: str, whole: Iterable[str] = ()) -> str:
    """Settle an expression, which may go over several lines.

    Parameters
    ----------
    code : str
        The expression.
    whole : iterable of str
        As of `statements`.

    Returns
    -------
    str
        The expression in one line.
    """
    plain = code if not {"#", "\n", "\\"} & set(code) else " ".join(joined(code).split())
    return _in_floats(plain, {*INDICES, *whole}, exact=False)


def equations(text: str) -> str:
    """Settle equations: Brian2 reads their lines as they are meant, but not their whole numbers."""
    try:
        parsed = Equations(text)
    except Exception:  # the checks say what is wrong
        return tidy(text)
    whole = {*INDICES, *whole_variables(parsed)}
    settled = {
        name: _in_floats(eq.expr.code, whole, exact=eq.type == "differential equation")
        for name, eq in parsed.items()
        if eq.expr
    }
    if all(code == parsed[name].expr.code for name, code in settled.items()):
        return tidy(text)
    return "\n".join(_equation(name, eq, settled.get(name, "")) for name, eq in parsed.items())


def _equation(name: str, eq: SingleEquation, code: str) -> str:
    """Write one equation."""
    if eq.var_type == "integer" and eq.expr and code != eq.expr.code:
        code = f"int({code})"
    left = f"d{name}/dt" if eq.type == "differential equation" else name
    unit = unit_name(Quantity(1, dim=eq.dim)) if eq.var_type == "float" else eq.var_type
    flags = f" ({', '.join(eq.flags)})" if eq.flags else ""
    return f"{left}{f' = {code}' if code else ''} : {unit}{flags}"


def whole_variables(parsed: Equations) -> set[str]:
    """Return the names of the variables that equations declare to be integers."""
    return {name for name, eq in parsed.items() if eq.var_type == "integer"}


# --------------------------------------------------------------------------------------------
# Whole numbers


def _typed(code: str, whole: Iterable[str]) -> ast.expr | None:
    """Parse an expression, with Brian2's type of every part of it; None if it cannot be read."""
    numbers = {name: Variable(name=name, dtype=np.int32) for name in whole}
    try:
        return brian_ast(code, {**DEFAULT_FUNCTIONS, **numbers})
    except Exception:  # the checks say what is wrong
        return None


def _is_whole(code: str, whole: Iterable[str]) -> bool:
    return getattr(_typed(code, whole), "dtype", "") == "integer"


def _in_floats(code: str, whole: set[str], *, exact: bool) -> str:
    """Have an expression compute in floating-point numbers where integers would be wrong.

    Parameters
    ----------
    code : str
        The expression.
    whole : set of str
        Names of whole numbers.
    exact : bool
        Whether numbers that stand by themselves are computed exactly, as those in differential
        equations are.

    Returns
    -------
    str
        The expression, as it was if there is nothing to change.
    """
    tree = None if "\n" in code else _typed(code.strip(), whole)
    if tree is None:
        return code
    floats = _Floats(exact)
    new = floats.visit(tree)
    return ast.unparse(new) if floats.changed else code


class _Floats(ast.NodeTransformer):
    """Write parts of an expression anew, so that they are computed in floating-point numbers."""

    def __init__(self, exact: bool):
        self._exact, self._made = exact, list[ast.expr]()

    @property
    def changed(self) -> bool:
        """Whether any part was written anew."""
        return bool(self._made)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        constant = _is_constant(node)
        if constant and self._exact:
            return node
        wrong = (_is_integer(node.left) and _is_integer(node.right)) and (
            (isinstance(node.op, ast.Pow) and not _is_natural(node.right))  # 10**-3 is cut to 0
            or (not constant and _size(node) >= _TOO_LARGE)
        )
        self.generic_visit(node)
        if wrong:
            node.left = self._as_float(node.left)
            if not isinstance(node.op, ast.Pow):
                node.right = self._as_float(node.right)
            self._made.append(node)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Keep bounds of an integer as they are: compiled code makes them integers, too."""
        self.generic_visit(node)
        match node:
            case ast.Call(func=ast.Name(id="clip"), args=[value, *bounds]) if _is_integer(value):
                if not all(map(_is_integer, bounds)):
                    node.args[0] = self._as_float(value)
                    self._made.append(node)
        return node

    def _as_float(self, node: ast.expr) -> ast.expr:
        """Return an integer as a float: Brian2 drops a factor of 1.0, but not ``floor``."""
        match node:
            case ast.Constant(value=int(value)) if value < 2**53:
                return ast.Constant(float(value))
        if any(node is made for made in self._made):
            return node
        return ast.Call(ast.Name("floor"), [node], [])


def _is_integer(node: ast.expr) -> bool:
    return getattr(node, "dtype", "") == "integer"


def _is_constant(node: ast.expr) -> bool:
    """Tell whether a part is made of numbers alone."""
    kinds = (ast.Constant, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop)
    return all(isinstance(part, kinds) for part in ast.walk(node))


def _is_natural(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) or _is_truth(node)


def _is_truth(node: ast.expr) -> bool:
    """Tell whether a part is 0 or 1: ``int(v > 1)``."""
    match node:
        case ast.Call(func=ast.Name(id="int"), args=[value]):
            return getattr(value, "dtype", "") == "boolean"
    return False


def _size(node: ast.expr) -> float:
    """Return what an integer is at most, in size."""
    match node:
        case ast.Constant(value=int(value)):
            return abs(value)
        case ast.Name(id=name) if name in INDICES:
            return _MOST_NEURONS
        case ast.UnaryOp(operand=operand):
            return _size(operand)
        case ast.BinOp(op=ast.Mult(), left=left, right=right):
            return _size(left) * _size(right)
        case ast.BinOp(op=ast.Add() | ast.Sub(), left=left, right=right):
            return _size(left) + _size(right)
        case ast.BinOp(op=ast.Pow(), left=left, right=right):
            return _size(left) ** min(_size(right), 64)
        case ast.BinOp(op=ast.Mod(), right=right):
            return _size(right)
        case ast.BinOp(op=ast.FloorDiv(), left=left):
            return _size(left)
    return 1 if _is_truth(node) else _USUAL

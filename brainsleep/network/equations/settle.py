"""Code as it is run: comments, joined lines, semicolons and whole numbers settled, once.

Brian2 cuts statements at every line end and semicolon, and computes with 32-bit integers where no
floating-point number is in sight. Code that it reads as it is meant comes back as it is.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterable

import numpy as np
from brian2 import Equations, Quantity
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.core.variables import Variable
from brian2.equations.equations import SingleEquation
from brian2.parsing.bast import brian_ast
from brian2.parsing.statements import parse_statement

from ...values.units import unit_name

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
    code = re.sub(r"\\[ \t\r]*\n", lambda end: " " * len(end[0]), blanked(code))
    letters, depth = list[str](), 0
    for letter in code:
        depth = max(depth + (letter in "([{") - (letter in ")]}"), 0)
        letters.append(" " if letter == "\n" and depth else letter)
    return "".join(letters)


def tidy(code: str) -> str:
    """Return code without indentation and empty lines."""
    return "\n".join(line.strip() for line in code.strip().splitlines() if line.strip())


def statements(code: str, whole: Iterable[str] = ()) -> str:
    """Settle statements, which lines or semicolons part; `whole` names integers besides `INDICES`.

    Of a block that Brian2 cannot read only the lines are settled.
    """
    parts = (" ".join(part.split()) for part in re.split(r"[;\n]", joined(code)))
    plain = "\n".join(filter(None, parts))
    meant = read(plain)
    if meant is None:
        return plain
    names, settled = {*INDICES, *whole}, list[Statement]()
    for name, sign, value in meant:
        new = _in_floats(value, names)
        if new != value and name in names and _is_integer(_typed(value, names)):
            new = f"int({new})"
        if sign[:-1] in ("**", "//", "%"):  # C++ has no such operators, or not for all numbers
            sign, new = "=", f"{name} {sign[:-1]} ({new})"
        if sign == "=" and _is_integer(_typed(new, names)):
            names.add(name)
        settled.append((name, sign, new))
    if settled != meant:
        return "\n".join(" ".join(statement) for statement in settled)
    written = tidy(code)
    return written if read(written) == meant else plain


def read(code: str) -> list[Statement] | None:
    """Read statements as Brian2 does; return None if it cannot."""
    try:
        parts = [parse_statement(line) for line in re.split(r"[;\n]", code) if line]
    except Exception:  # of many kinds
        return None
    return [(name, sign, " ".join(value.split())) for name, sign, value, _ in parts]


def expression(code: str, whole: Iterable[str] = ()) -> str:
    """Settle an expression, which may go over several lines; `whole` as of `statements`."""
    plain = code if not {"#", "\n", "\\"} & set(code) else " ".join(joined(code).split())
    return _in_floats(plain, {*INDICES, *whole})


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
    if eq.var_type == "integer" and eq.expr and code != eq.expr.code:
        code = f"int({code})"
    left = f"d{name}/dt" if eq.type == "differential equation" else name
    unit = unit_name(Quantity(1, dim=eq.dim)) if eq.var_type == "float" else eq.var_type
    flags = f" ({', '.join(eq.flags)})" if eq.flags else ""
    return f"{left}{f' = {code}' if code else ''} : {unit}{flags}"


def whole_variables(parsed: Equations) -> set[str]:
    """Return the names of the variables that equations declare to be integers."""
    return {name for name, eq in parsed.items() if eq.var_type == "integer"}


def _typed(code: str, whole: Iterable[str]) -> ast.expr | None:
    """Parse an expression, with Brian2's type of every part of it; None if it cannot be read."""
    numbers = {name: Variable(name=name, dtype=np.int32) for name in whole}
    try:
        return brian_ast(code, {**DEFAULT_FUNCTIONS, **numbers})
    except Exception:  # the checks say what is wrong
        return None


def _in_floats(code: str, whole: set[str], *, exact: bool = False) -> str:
    """Have an expression compute in floating-point numbers where integers would be wrong.

    `exact`: numbers that stand by themselves are computed exactly, as in differential equations.
    """
    tree = None if "\n" in code else _typed(code.strip(), whole)
    if tree is None:
        return code
    floats = _Floats(exact)
    new = floats.visit(tree)
    return ast.unparse(new) if floats.made else code


class _Floats(ast.NodeTransformer):
    """Change parts of an expression, so that they are computed in floating-point numbers."""

    def __init__(self, exact: bool):
        self.exact, self.made = exact, list[ast.expr]()

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        kinds = (ast.Constant, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop)
        constant = all(isinstance(part, kinds) for part in ast.walk(node))
        if constant and self.exact:
            return node
        power = isinstance(node.op, ast.Pow)
        natural = isinstance(node.right, ast.Constant) or _is_truth(node.right)
        wrong = (_is_integer(node.left) and _is_integer(node.right)) and (
            (power and not natural)  # 10**-3 is cut to 0
            or (not constant and _size(node) >= _TOO_LARGE)
        )
        self.generic_visit(node)
        if wrong:
            node.left = self._as_float(node.left)
            node.right = node.right if power else self._as_float(node.right)
            self.made.append(node)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Keep bounds of an integer as they are: compiled code makes them integers, too."""
        self.generic_visit(node)
        match node:
            case ast.Call(func=ast.Name(id="clip"), args=[value, *bounds]):
                if _is_integer(value) and not all(map(_is_integer, bounds)):
                    node.args[0] = self._as_float(value)
                    self.made.append(node)
        return node

    def _as_float(self, node: ast.expr) -> ast.expr:
        """Return an integer as a float: Brian2 drops a factor of 1.0, but not ``floor``."""
        match node:
            case ast.Constant(value=int(value)) if value < 2**53:
                return ast.Constant(float(value))
        made = any(node is one for one in self.made)
        return node if made else ast.Call(ast.Name("floor"), [node], [])


def _is_integer(node: ast.expr | None) -> bool:
    return getattr(node, "dtype", "") == "integer"


def _is_truth(node: ast.expr) -> bool:
    """Tell whether a part is 0 or 1: ``int(v > 1)``."""
    match node:
        case ast.Call(func=ast.Name(id="int"), args=[value]):
            return getattr(value, "dtype", "") == "boolean"
    return False


#: How large, at most, an operation makes two integers of some size.
_SIZES: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Mult: operator.mul,
    ast.Add: operator.add,
    ast.Sub: operator.add,
    ast.Pow: lambda left, right: left ** min(right, 64),
    ast.Mod: lambda left, right: right,
    ast.FloorDiv: lambda left, right: left,
}


def _size(node: ast.expr) -> float:
    """Return what an integer is at most, in size."""
    match node:
        case ast.Constant(value=int(value)):
            return abs(value)
        case ast.Name(id=name) if name in INDICES:
            return _MOST_NEURONS
        case ast.UnaryOp(operand=operand):
            return _size(operand)
        case ast.BinOp(op=op, left=left, right=right) if type(op) in _SIZES:
            return _SIZES[type(op)](_size(left), _size(right))
    return 1 if _is_truth(node) else _USUAL

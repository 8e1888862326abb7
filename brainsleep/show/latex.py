"""Brian2 code as mathematics: expressions, statements, names and quantities in LaTeX.

What a modeller wrote keeps its order and its names, so that the typeset form can be compared with
the source line by line. A greek name becomes its letter, what follows an underscore an index, and
the end a variable lives at (``_pre``, ``_post``) a superscript. Statements are assignments,
typeset with an arrow. The mathematics stays within what LaTeX, MathJax, matplotlib and
latex2mathml all read.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any, TypeGuard

from brian2 import Quantity, Unit
from brian2.core.namespace import DEFAULT_UNITS

from ..errors import SpecError, one_line
from ..values.units import base_powers

#: How tightly an expression binds: what binds less tightly than its surroundings gets brackets.
_OR, _AND, _NOT, _COMPARE, _MOD, _ADD, _MULTIPLY, _POWER, _ATOM = range(9)

_COMPARISONS = {
    ast.Gt: ">",
    ast.GtE: r"\geq",
    ast.Lt: "<",
    ast.LtE: r"\leq",
    ast.Eq: "=",
    ast.NotEq: r"\neq",
}
_FUNCTIONS = {"log": r"\ln", "log10": r"\log_{10}"} | {
    name: "\\" + name for name in "exp sin cos tan sinh cosh tanh arcsin arccos arctan".split()
}
_CALLS = {
    "sqrt": r"\sqrt{{{}}}",
    "abs": r"\left|{}\right|",
    "int": r"\left[{}\right]",  # Iverson's bracket: 1 if it holds
    "floor": r"\left\lfloor {}\right\rfloor",
    "ceil": r"\left\lceil {}\right\rceil",
}
#: What would join a number before it: a number, a fraction or power of one.
_STARTS_WITH_DIGIT = re.compile(r"(\\frac)?{*\d")
_DRAWS = {"randn": r"\mathcal{N}(0, 1)", "rand": r"\mathcal{U}(0, 1)"}


def statements(code: str) -> Iterator[str]:
    """Yield a block of statements in LaTeX, one string a statement.

    Raises
    ------
    SpecError
        If it is no block of assignments.
    """
    for node in _parse("\n".join(part.strip() for part in re.split(r"[;\n]", code)), "exec").body:
        if isinstance(node, ast.AugAssign):
            value = _binary(ast.BinOp(node.target, node.op, node.value))[0]
            yield rf"{_at(node.target, _OR)} \leftarrow {value}"
        elif isinstance(node, ast.Assign) and len(node.targets) == 1:
            yield rf"{_at(node.targets[0], _OR)} \leftarrow {_at(node.value, _OR)}"
        else:
            raise SpecError(f"typeset: got {ast.unparse(node)!r}; expected an assignment")


def expression(code: str, *, factor: bool = False) -> str:
    """Return an expression in LaTeX, in brackets if it is a sum and to be a factor.

    Raises
    ------
    SpecError
        If it cannot be read.
    """
    return _at(_parse(code.strip(), "eval").body, _MULTIPLY if factor else _OR)


def _parse(code: str, mode: str) -> Any:
    try:
        return ast.parse(code, mode=mode)
    except (SyntaxError, ValueError, RecursionError) as error:
        raise SpecError(f"typeset: cannot read {code!r} ({one_line(error)})") from error


def _at(node: ast.expr, level: int) -> str:
    """Typeset an expression where `level` is asked for: in brackets if it binds less tightly."""
    text, own = _typeset(node)
    return rf"\left({text}\right)" if own < level else text


def _typeset(node: ast.expr) -> tuple[str, int]:
    match node:
        case ast.Name():
            return symbol(node.id), _ATOM
        case ast.Constant():
            return _number(node.value)
        case ast.BinOp():
            return _binary(node)
        case ast.UnaryOp(op=ast.Not()):
            return rf"\neg {_at(node.operand, _ATOM)}", _NOT
        case ast.UnaryOp():
            sign = "-" if isinstance(node.op, ast.USub) else "+"
            return sign + _at(node.operand, _MULTIPLY), _ADD
        case ast.BoolOp():
            own, word = (_AND, r"\wedge") if isinstance(node.op, ast.And) else (_OR, r"\vee")
            return f" {word} ".join(_at(value, own + 1) for value in node.values), own
        case ast.Compare():
            parts = [_at(node.left, _MOD)]
            for operator, value in zip(node.ops, node.comparators, strict=True):
                parts += [_COMPARISONS.get(type(operator), r"\sim"), _at(value, _MOD)]
            return " ".join(parts), _COMPARE
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _call(name, arguments), _ATOM
    raise SpecError(f"typeset: got {ast.unparse(node)!r}; expected an arithmetic expression")


def _binary(node: ast.BinOp) -> tuple[str, int]:
    left, right = node.left, node.right
    match node.op:
        case ast.Mult() | ast.Div() if _is_negative(left):  # -x/tau: the sign before the fraction
            return f"-{_at(ast.BinOp(left.operand, node.op, right), _MULTIPLY)}", _ADD
        case ast.Add():
            added = _at(right, _ADD)
            if added[0] in "+-":  # no two signs in a row
                added = rf"\left({added}\right)"
            return f"{_at(left, _ADD)} + {added}", _ADD
        case ast.Sub():
            return f"{_at(left, _ADD)} - {_at(right, _MULTIPLY)}", _ADD
        case ast.Mult():
            factor = _at(right, _MULTIPLY)
            joint = r" \cdot " if _STARTS_WITH_DIGIT.match(factor) else r" \, "
            return f"{_at(left, _MULTIPLY)}{joint}{factor}", _MULTIPLY
        case ast.Div():
            return rf"\frac{{{_at(left, _OR)}}}{{{_at(right, _OR)}}}", _MULTIPLY
        case ast.Pow():
            return f"{{{_base(left)}}}^{{{_at(right, _OR)}}}", _POWER
        case ast.Mod():
            return rf"{_at(left, _POWER)} \; \mathrm{{mod}} \; {_at(right, _POWER)}", _MOD
        case ast.FloorDiv():
            fraction = rf"\frac{{{_at(left, _OR)}}}{{{_at(right, _OR)}}}"
            return rf"\left\lfloor {fraction}\right\rfloor", _ATOM
    raise SpecError(f"typeset: got {ast.unparse(node)!r}; expected + - * / ** % or //")


def _is_negative(node: ast.expr) -> TypeGuard[ast.UnaryOp]:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)


def _base(node: ast.expr) -> str:
    """Typeset what is raised to a power; a fraction and a name with a superscript need brackets."""
    text = _at(node, _ATOM)
    return rf"\left({text}\right)" if isinstance(node, ast.Name) and "^" in text else text


def _call(name: str, arguments: list[ast.expr]) -> str:
    if name in _DRAWS and not arguments:
        return _DRAWS[name]
    if name in _CALLS and len(arguments) == 1:
        return _CALLS[name].format(_at(arguments[0], _OR))
    inside = r",\, ".join(_at(argument, _OR) for argument in arguments)
    head = _FUNCTIONS.get(name) or rf"\mathrm{{{_text(name)}}}"
    return rf"{head}\left({inside}\right)"


def _number(value: object) -> tuple[str, int]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return rf"\mathrm{{{_text(str(value))}}}", _ATOM
    text = f"{value:.12g}"
    mantissa, exponential, exponent = text.partition("e")
    if not exponential:
        return text, _ATOM
    power = f"10^{{{int(exponent)}}}"
    return (power, _POWER) if float(mantissa) == 1 else (rf"{mantissa} \cdot {power}", _MULTIPLY)


# -- names, values, units --------------------------------------------------------------------------

_GREEK = frozenset(
    """
    alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau
    upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega
    """.split()
)
_WHOLE = {"dt": r"\Delta t", "inf": r"\infty", "lastspike": r"t_{\mathrm{spike}}"}
_INDICES = {"plus": "+", "minus": "-", "inf": r"\infty", "star": "*"}


def symbol(name: str) -> str:
    r"""Return a name in LaTeX, such as ``\tau_{\mathrm{m}}`` for ``tau_m``.

    Units are upright, and the gate of a part is ``gate`` with the part's name as index.
    """
    if name in _WHOLE:
        return _WHOLE[name]
    if name in DEFAULT_UNITS:
        return rf"\mathrm{{{_text(name)}}}"
    if name.endswith("_gate"):
        return rf"\mathrm{{gate}}_{{{_index(name.removesuffix('_gate'))}}}"
    stem, *indices = [part for part in name.split("_") if part] or [name]
    above = indices.pop() if indices and indices[-1] in ("pre", "post", "total") else ""
    if number := re.fullmatch(r"([A-Za-z]+)(\d+)", stem):  # x1, tau2
        stem, indices = number[1], [number[2], *indices]
    base = _word(stem, len(stem) == 1)
    base += f"_{{{', '.join(map(_index, indices))}}}" if indices else ""
    return base + (rf"^{{\mathrm{{{above}}}}}" if above else "")


def _word(word: str, plain: bool) -> str:
    """Set a word upright unless it is a greek letter, or `plain`."""
    if word in _GREEK:
        return "\\" + word
    return word if plain else rf"\mathrm{{{_text(word)}}}"


def _index(part: str) -> str:
    return _INDICES.get(part) or _word(part, part.isdigit())


def _text(text: str) -> str:
    return text.replace("_", r"\_")


def value_text(value: Quantity | float) -> str:
    """Return a quantity as text in the unit that suits it, such as ``30 ms``.

    Twelve digits hide what changing the unit does to the last ones, and nothing that was written.
    """
    number, unit, _ = _split(value)
    return f"{number} {unit}".strip()


def latex_unit(value: Quantity | float) -> str:
    r"""Return a quantity in LaTeX in the unit that suits it, such as ``30\,\mathrm{ms}``."""
    number, _, unit = _split(value)
    figure = _number(float(number))[0]
    return rf"{figure}\,{unit}" if unit else figure


def _split(value: Quantity | float) -> tuple[str, str, str]:
    """Return the number of a quantity, and its unit as text and in LaTeX."""
    if not isinstance(value, Quantity) or value.is_dimensionless:
        return _figure(float(value)), "", ""
    unit = value.get_best_unit()
    # others are of what a session has multiplied before, which must not change what is shown
    if isinstance(unit, Unit) and repr(unit) in DEFAULT_UNITS:
        return _figure(float(value / unit)), str(unit), _merged(str(unit.latexname))
    powers = {name: power for name, power in _powers(value).items() if power}
    above = {name: "" if power == 1 else f"{power:g}" for name, power in powers.items()}
    text = " ".join(f"{name}^{power}" if power else name for name, power in above.items())
    latex = r"\,".join(
        rf"\mathrm{{{name}}}" + (f"^{{{power}}}" if power else "") for name, power in above.items()
    )
    return _figure(float(value)), text, latex


def _figure(number: float) -> str:
    """Return a number in full, or with six digits if these show that it is rounded: 33.3333."""
    short = f"{number:.6g}"
    digits = re.sub(r"\D", "", short.partition("e")[0]).lstrip("0")
    return short if len(digits) == 6 else f"{number:.12g}"


def _merged(latex: str) -> str:
    """Set a prefix and its unit as one word, unless the prefix is a symbol."""
    return re.sub(r"\\mathrm\{(\w+)\}\\mathrm\{(\w+)\}", r"\\mathrm{\1\2}", latex)


def _powers(value: Quantity) -> dict[str, float]:
    """Return the powers of base units in a unit that has no name; of V, s and A if these do."""
    powers = base_powers(value.dim)
    volt = powers["kg"]
    if volt and powers["m"] == 2 * volt:
        changed = {"kg": 0, "m": 0, "s": powers["s"] + 3 * volt, "A": powers["A"] + volt}
        return {"V": volt, **powers, **changed}
    return powers


def mathml(latex: str, display: str = "block") -> str:
    """Return a line of LaTeX as MathML, which browsers show without a script.

    `display` is ``"block"``, a line of its own in a browser, or ``"inline"``, within a line.
    """
    from latex2mathml.converter import convert

    return convert(latex, display=display)

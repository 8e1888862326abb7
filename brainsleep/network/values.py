"""Values: a number, an array, or an expression that is computed when a state is drawn.

An expression is Brian2's: its names and units are checked when the network is made. It draws with
``rand()``, ``randn()``, ``uniform(low, high)``, ``normal(mean, sd)``, ``lognormal(mu, sigma)``,
``exponential(mean)`` and ``poisson(mean)``, one number for every neuron or synapse, in the order
in which they are written.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any

import numpy as np
from brian2 import Quantity, get_dimensions
from brian2.core.functions import DEFAULT_CONSTANTS, DEFAULT_FUNCTIONS, Function
from brian2.core.namespace import DEFAULT_UNITS
from brian2.parsing.rendering import NumpyNodeRenderer
from brian2.units.fundamentalunits import Dimension
from scipy.special import exprel

from ..errors import BrainsleepError, Details, SpecError, explain, one_line
from ..files.load import load
from ..values.arrays import Array
from ..values.fields import Field
from ..values.quantities import check_units, one_quantity, read_quantity
from ..values.units import unit_name
from .equations import checks, settle
from .equations.diagnose import mistake

_FILE = re.compile(r"\S+\.py:\w+")


def as_value(value: Any, where: str, error: type[BrainsleepError] = SpecError) -> Any:
    """Return a quantity, an expression or an `Array`; raise `error` for anything else."""
    if isinstance(value, Array):
        return value
    if isinstance(value, str):
        return _as_text(value.strip(), where, error)
    if isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim):
        return Array.of(value, where, error)
    if (quantity := one_quantity(value)) is not None:
        return quantity
    allowed = "a finite number with unit, an array of them, or an expression as text"
    raise error(explain(where, repr(value)[:80], allowed))


def _as_text(text: str, where: str, error: type[BrainsleepError]) -> Any:
    """Return an expression, or the quantity that a text is."""
    if not text:
        raise error(explain(where, "an empty text", "an expression such as 'normal(1*mV, 2*mV)'"))
    quantity = None
    with suppress(SpecError):  # no unit, but a name
        quantity = one_quantity(read_quantity(text))
    if quantity is None:
        return text
    if re.search(r"\bs\b", text):  # names have no capitals, unlike the other short units
        fix = "write 'second' for the unit, or 's*2' for a name"
        raise error(f"{where}: is 's' in {text!r} a unit or a name? {fix}")
    return quantity


def _read(value: Any, old: Any, where: str) -> Any:
    """Read a number with unit, an expression, or ``FILE.py:NAME`` for an array."""
    is_file = isinstance(value, str) and _FILE.fullmatch(value.strip())
    return load(value.strip()) if is_file else value


#: How a value is checked and read.
VALUE = Field(as_value, _read, "values", "3*mV")

Value = Annotated[Quantity | str | Array, VALUE]


def _drawing(*units: Any, returns: Any, names: tuple[str, ...]) -> Function:
    return Function(
        pyfunc=lambda *given: None,
        arg_units=list(units),
        arg_names=list(names),
        return_unit=returns,
        stateless=False,
    )


def _same(*units: Any) -> Any:
    return units[0]


#: Functions that draw, besides those of Brian2.
_DRAWING = {
    "uniform": _drawing(None, "low", returns=_same, names=("low", "high")),
    "normal": _drawing(None, "mean", returns=_same, names=("mean", "sd")),
    "exponential": _drawing(None, returns=_same, names=("mean",)),
    "lognormal": _drawing(1, 1, returns=1, names=("mu", "sigma")),
}

#: Names of all that draw.
DRAWS = frozenset({*_DRAWING, "rand", "randn", "poisson"})

#: What is computed by NumPy's function of another name, or by none of NumPy's.
_COMPUTED: dict[str, Any] = {
    "exprel": exprel,
    "int": lambda x: np.trunc(np.asarray(x, dtype=float)),
    "logical_not": np.logical_not,
}
_COMPUTED |= {
    name: getattr(np, name)
    for name in DEFAULT_FUNCTIONS
    if name not in {*_COMPUTED, *DRAWS, "timestep"}
}


# -- checks ----------------------------------------------------------------------------------------


def check_value(
    value: Any,
    variables: Mapping[str, Any],
    where: str,
    *,
    dim: Dimension | None = None,
    size: int | None = None,
    kind: str = "float",
    draws: bool = True,
) -> Dimension:
    """Check a value that expressions of `variables` may compute; return its dimensions.

    It must have the dimensions `dim`, if they are given, and as an array `size` numbers. `kind` is
    Brian2's type of what takes it. Without `draws` nothing may be drawn.
    """
    like = None if dim is None else Quantity(1, dim=dim)
    if isinstance(value, Array):
        if like is not None and value.dim is not dim:
            got, allowed = f"values in {value.unit}", f"values in {unit_name(dim)}"
            raise SpecError(explain(where, got, allowed))
        if size is not None and len(value) != size:
            raise SpecError(explain(where, f"{len(value)} values", f"{size}, one each"))
        return value.dim
    if not isinstance(value, str):
        if like is not None:
            check_units(value, like, where)
        return get_dimensions(value)
    return _check_text(value, variables, where, like, kind, draws)


def _check_text(
    code: str, variables: Mapping, where: str, like: Quantity | None, kind: str, draws: bool
) -> Dimension:
    names = checks.identifiers(code)
    usable: dict[str, Any] = {**_DRAWING, **variables}
    for name in sorted(names & {"t", "xi"}):
        fix = "write 'randn()' for noise" if name == "xi" else ""
        brief = f"'{name}' cannot be used in a value, which is computed once, at the start"
        raise mistake(where, brief, fix, code=code, word=name)
    for name in sorted(names & DRAWS) if not draws else ():
        fix = "use numbers, positions and indices only"
        raise mistake(where, f"'{name}' cannot draw here", fix, code=code, word=name)
    for name in sorted(names & {"i", "j"} - set(usable)):
        fix = "write i, the number of a neuron" if name == "j" else ""
        raise mistake(where, f"there is no '{name}' here", fix, code=code, word=name)
    boolean = kind == "boolean"
    checks.check_expression(code, usable, where, unit=None if boolean else like, boolean=boolean)
    try:
        render(code)
    except (SyntaxError, ValueError) as error:
        details = Details(where=where, code=code, brief=one_line(error))
        raise SpecError(f"{where}: {one_line(error)} in {code!r}", details) from error
    return checks.dimensions(code, usable)


# -- evaluation ------------------------------------------------------------------------------------


class _Renderer(NumpyNodeRenderer):
    """Brian2's renderer for NumPy, with all numbers as floating-point ones."""

    def render_Constant(self, node: ast.Constant) -> str:  # noqa: N802
        if isinstance(node.value, bool):
            return repr(node.value)
        if not isinstance(node.value, int | float):
            raise SyntaxError(f"{node.value!r} is no number")
        return repr(float(node.value))


def render(code: str) -> str:
    """Render an expression for NumPy; raise `SyntaxError` or `ValueError` for anything else."""
    text = settle.joined(code).strip()
    try:
        return _Renderer().render_expr(text)
    except (OverflowError, AttributeError, KeyError, TypeError) as error:
        raise SyntaxError(one_line(error)) from error


def draws_once(code: str) -> bool:
    """Tell whether an expression draws one number a neuron or synapse, or none.

    Such a one can be computed for some of them at a time, and gives what it gives for all at once.
    """
    tree = ast.parse(settle.joined(code).strip(), mode="eval")
    called = [each.func for each in ast.walk(tree) if isinstance(each, ast.Call)]
    return sum(isinstance(each, ast.Name) and each.id in DRAWS for each in called) <= 1


def computed(
    value: Any,
    names: Mapping[str, Any],
    shape: tuple[int, ...],
    rng: np.random.Generator,
    where: str,
) -> np.ndarray:
    """Compute a value that was checked, in SI units; raise `SpecError` if it is not finite.

    `names` are numbers and arrays that fit `shape`, and every call of a function that draws draws
    as many numbers, from `rng`.
    """
    if isinstance(value, Array):
        return value.numbers.astype(float)
    if not isinstance(value, str):
        return np.full(shape, float(np.asarray(value)))
    drawn = {
        "rand": lambda: rng.random(shape),
        "randn": lambda: rng.standard_normal(shape),
        "uniform": lambda low, high: low + (high - low) * rng.random(shape),
        "normal": lambda mean, sd: mean + sd * rng.standard_normal(shape),
        "exponential": lambda mean: mean * rng.standard_exponential(shape),
        "lognormal": lambda mu, sigma: np.exp(mu + sigma * rng.standard_normal(shape)),
        "poisson": lambda mean: rng.poisson(np.broadcast_to(mean, shape)).astype(float),
    }
    used = checks.identifiers(value)
    units = {name: float(DEFAULT_UNITS[name]) for name in used if name in DEFAULT_UNITS}
    constants = {name: constant.value for name, constant in DEFAULT_CONSTANTS.items()}
    space = {**constants, **units, **_COMPUTED, **drawn, **names, "__builtins__": {}}
    program = compile(render(value), "<value>", "eval")  # only what Brian2 can render is in it
    try:
        with np.errstate(all="ignore"):
            result = np.asarray(eval(program, space), dtype=float)
    except (ArithmeticError, ValueError, TypeError) as error:
        raise SpecError(f"{where}: cannot compute {value!r} ({one_line(error)})") from error
    result = result if result.shape == shape else np.array(np.broadcast_to(result, shape))
    if bad := int(np.sum(~np.isfinite(result))):
        got = f"{bad} of {result.size} values of {value!r} that are not finite"
        raise SpecError(explain(where, got, "finite numbers", "bound it with clip(..., low, high)"))
    return result

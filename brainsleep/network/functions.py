"""Functions of one's own that equations call, as Python and C++ code."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Annotated, Any

import brian2
from brian2 import Quantity, get_dimensions
from brian2.units.fundamentalunits import DIMENSIONLESS, get_unit

from .. import mistakes
from ..errors import BrainsleepError, Details, SpecError, explain
from ..values.fields import GROWS, specification, text
from ..values.frozen import default
from ..values.quantities import check_quantity
from .equations import checks
from .tables import functions


def _unit(value: Any, where: str, error: type[BrainsleepError]) -> Quantity:
    """Keep the unit of a quantity, as its SI unit."""
    return Quantity(1.0, dim=get_dimensions(check_quantity(value, where, error)))


def _units(value: Any, where: str, error: type[BrainsleepError]) -> tuple[Quantity, ...]:
    if not isinstance(value, tuple | list):
        raise error(explain(where, value, "a unit for each argument, such as (volt, 1)"))
    return tuple(_unit(each, f"{where} {k}", error) for k, each in enumerate(value))


@specification("function: ")
class OwnFunction:
    """A function of one's own: what `numpy` calls, and what compiled programs call.

    A model whose `functions` have it as ``soft_step`` calls ``soft_step(v, k)``. Both codes define
    a function of that name. They are text, as equations are, and may use nothing from outside.

    Parameters
    ----------
    arguments : tuple of Quantity
        Unit of each argument, ``1`` for none.
    unit : Quantity
        Unit of what it returns.
    python : str
        Python code that defines it on arrays, with ``np`` for NumPy and the names of Brian2. As in
        Brian2 it is given quantities, and returns one, unless none of them has a unit.
    cpp : str
        C++ code that defines it on one number of each, in SI units.
    cython : str
        Cython code, as of `cpp`; without it there is no backend ``cython``.

    Examples
    --------
    >>> twice = OwnFunction(
    ...     arguments=(1,),
    ...     python="def twice(x): return 2*x",
    ...     cpp="double twice(double x) { return 2*x; }",
    ... )
    >>> twice.function("twice")(3)
    6
    """

    arguments: Annotated[tuple[Quantity, ...], _units]
    unit: Annotated[Quantity, _unit] = default(1.0)
    python: Annotated[str, text]
    cpp: Annotated[str, text]
    cython: Annotated[str, text] = ""

    #: It is code that is run: nothing stored may become one.
    executes = True

    def check(self, name: str, where: str) -> None:
        """Raise `SpecError` unless its codes define a function of a name."""
        number = len(self.arguments)
        try:
            made = {
                n.name: n for n in ast.parse(self.python).body if isinstance(n, ast.FunctionDef)
            }
        except SyntaxError as error:
            got = f"{error.msg} (line {error.lineno})"
            raise SpecError(explain(f"{where}: python", got, "Python code")) from error
        if name not in made or len(made[name].args.args) < number:
            got = f"code without 'def {name}'" if name not in made else "fewer arguments"
            allowed = f"a function '{name}' of {number} arguments"
            raise SpecError(explain(f"{where}: python", got, allowed), Details(word=name))
        for label in ("cpp", "cython"):
            code = getattr(self, label)
            if (code or label == "cpp") and not re.search(rf"\b{name}\s*\(", code):
                got, allowed = f"code without '{name}('", f"a function '{name}'"
                raise SpecError(explain(f"{where}: {label}", got, allowed), Details(word=name))

    def function(self, name: str) -> brian2.Function:
        """Return it as a function of Brian2."""
        space: dict[str, Any] = {k: v for k, v in vars(brian2).items() if not k.startswith("_")}
        exec(compile(self.python, f"<function {name}>", "exec"), space)
        units, returned = [_brians(each) for each in self.arguments], _brians(self.unit)
        made = brian2.Function(space[name], arg_units=units, return_unit=returned)
        made.implementations.add_numpy_implementation(space[name])
        made.implementations.add_implementation("cpp", self.cpp)
        if self.cython:
            made.implementations.add_implementation("cython", self.cython)
        return made


def _brians(unit: Quantity) -> Any:
    """Return a unit as Brian2 has it."""
    dim = get_dimensions(unit)
    return 1 if dim is DIMENSIONLESS else get_unit(dim)


Functions = Annotated[Mapping[str, OwnFunction], GROWS]


def check_functions(given: Mapping[str, OwnFunction], where: str) -> None:
    """Report functions that have no name of their own, or whose code does not define them."""
    for name, each in given.items():
        checks.check_name(name, f"{where}: function")
        with mistakes.going_on():
            each.check(name, f"{where}: function '{name}'")


def called(part: Any, owner: str) -> dict[str, Any]:
    """Return what equations of a model, or plan, call by name: tables and functions of its own."""
    own = {name: each.function(name) for name, each in part.functions.items()}
    return {**functions(part.tables, owner), **own}

"""Functions of a script that equations call, as code that stands for itself."""

from __future__ import annotations

import ast
import builtins
import inspect
import textwrap
from collections.abc import Callable
from types import CodeType
from typing import Any

import brian2
import numpy as np
from brian2 import Quantity, get_dimensions
from brian2.codegen.runtime.cython_rt import CythonCodeObject
from brian2.core.functions import Function
from brian2.devices.cpp_standalone.codeobject import CPPStandaloneCodeObject
from brian2.units.fundamentalunits import Unit

from ..network.functions import OwnFunction
from ..values.source import inner
from ..values.units import unit_name
from .names import renamed
from .places import refused


def own_function(found: Function, name: str, called: str, where: str, made: Any) -> OwnFunction:
    """Take over a function of a script that equations call `name`; here it is `called`.

    `where` says who calls it, and `made` is the object that does, for errors.
    """

    def refuse(got: str, allowed: str, fix: str) -> Exception:
        return refused(f"{where}: function '{name}'", got, allowed, fix, made)

    units = [*found._arg_units, found._return_unit]
    if any(unit is None or unit is bool or _is_other(unit) for unit in units):
        raise refuse("no unit of an argument or of its result", "one each", "write @check_units")
    codes = {
        label: _code(found, kind, called, refuse)
        for label, kind in (("cpp", CPPStandaloneCodeObject), ("cython", CythonCodeObject))
    }
    if not codes["cpp"]:
        got = "a function of Python without C++ code, which no compiled program can call"
        raise refuse(got, "C++ code", "write @implementation('cpp', '...') above it")
    if found.auto_vectorise or not found.stateless:
        raise refuse("one that draws", "a function of its arguments", "draw in the equations")
    python = _python(found.pyfunc, called, refuse)
    *arguments, unit = (Quantity(1.0, dim=get_dimensions(each)) for each in units)
    return OwnFunction(arguments=tuple(arguments), unit=unit, python=python, **codes)


def _is_other(unit: Any) -> bool:
    """Tell whether a unit is said by what else there is."""
    return isinstance(unit, str) or (callable(unit) and not isinstance(unit, Quantity | Unit))


def _code(found: Function, kind: type, called: str, refuse: Callable) -> str:
    """Return the code of a function for compiled programs, with that of those that it calls."""
    try:
        code = found.implementations[kind]
    except KeyError:
        return ""
    text = code._code
    text = text.get("support_code", "") if isinstance(text, dict) and len(text) == 1 else text
    if code.dynamic or not isinstance(text, str):
        raise refuse("C++ code that is made for each group", "code as text", "write it out")
    if code._namespace or code.compiler_kwds:
        given = ", ".join([*(code._namespace or ()), *code.compiler_kwds])
        fix = "write its numbers into the code, or give them as a TimedArray"
        raise refuse(f"C++ code that is given {given}", "code that stands for itself", fix)
    parts = [_code(each, kind, label, refuse) for label, each in code.dependencies.items()]
    own = textwrap.dedent(text).strip()
    return "\n".join([*parts, renamed(own, {code.name or found.pyfunc.__name__: called})])


def _python(function: Any, called: str, refuse: Callable) -> str:
    """Return the source of a Python function, with the numbers that it has from outside."""
    function = getattr(function, "_orig_func", function)
    try:
        whole = textwrap.dedent(inspect.getsource(function))
        made = ast.parse(whole).body[0]
    except (OSError, TypeError, SyntaxError):
        made = None
    if not isinstance(made, ast.FunctionDef):
        raise refuse("no source of its Python code", "a function with def", "write it with def")
    text = "\n".join(whole.splitlines()[made.lineno - 1 :])
    before = []
    space = function.__globals__ | inspect.getclosurevars(function).nonlocals
    names = [*_names(function.__code__), *function.__code__.co_freevars]
    for name in (name for name in names if name in space and name != made.name):
        value = space[name]
        if vars(brian2).get(name, brian2) is value:
            continue
        if isinstance(value, Quantity | float | int) and np.ndim(value) == 0:
            before.append(f"{name} = {_number(value)}")
            continue
        fix = "give it as an argument, or write it within the function"
        raise refuse(f"code that uses '{name}' of the script", "what Brian2 has, and numbers", fix)
    return "\n".join([*before, renamed(text, {made.name: called})])


def _number(value: Any) -> str:
    unit = get_dimensions(value)
    number = repr(float(value)) if isinstance(value, Quantity | float) else repr(value)
    name = unit_name(Quantity(1.0, dim=unit))
    return number if name == "1" else f"{number}*{name}"


def _names(code: CodeType) -> list[str]:
    """Return the names that code reads from outside, that of functions within it, too."""
    names = [name for name in code.co_names if not hasattr(builtins, name)]
    return sorted({*names, *(name for each in inner(code) for name in _names(each))})

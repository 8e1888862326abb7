"""Python functions as plain data: their source, and all that they hold besides.

Two functions of one source do different things where they hold different values: in closures,
defaults, globals that they read, or the object that a method belongs to. All of that is looked up
when a function is described. What is no data, such as an open file, is marked as unlike anything
else, so that nobody takes one such function for another.
"""

from __future__ import annotations

import dataclasses
import dis
import enum
import functools
import hashlib
import inspect
import json
import sys
import types
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePath
from typing import Any

import numpy as np
from brian2 import Quantity

from ..errors import ProtocolError, explain
from ..files.userfiles import UserFile, is_installed
from .units import unit_name

#: Key of what marks a value that is no data.
_UNLIKE = "unlike"

#: Most characters of a value that a function holds; longer ones are given by their hash.
_LONGEST = 200

#: What is told from others by how Python writes it.
_WRITTEN = (complex, bytes, range, slice, enum.Enum, PurePath, type(...))

#: Functions without Python code.
_COMPILED = (types.BuiltinFunctionType, types.MethodDescriptorType, np.ufunc)


def described(function: Callable) -> dict[str, Any]:
    """Return a function as plain data.

    Parameters
    ----------
    function : callable
        A function or method.

    Returns
    -------
    dict
        ``kind`` and ``source``; as far as there is something, too, ``code`` where a line has
        several lambdas, and names and values of ``self``, ``defaults``, ``closure``, ``globals``.

    Raises
    ------
    ProtocolError
        If there is no source code of it.
    """
    return _function(function, frozenset())


def unlike(value: Any) -> list[str]:
    """Return the types of what is no data among plain data with functions."""
    if isinstance(value, dict):
        return [value["type"]] if _UNLIKE in value else unlike(list(value.values()))
    return [each for part in value for each in unlike(part)] if isinstance(value, list) else []


def _function(function: Callable, inside: frozenset[int]) -> dict[str, Any]:
    """Describe a function, met when what is `inside` is described."""
    found: dict[str, Any] = {"kind": "function", "source": _source(function)}
    code = getattr(function, "__code__", None)
    if code is None:  # of a class
        return found
    if found["source"].count("lambda") > 1:
        found["code"] = _hash([code.co_code.hex(), repr(code.co_consts), repr(code.co_names)])
    inside |= {id(function), id(getattr(function, "__func__", function))}
    for kind, values in _held(function, code):
        named = [[name, _short(_value(value, inside))] for name, value in values]
        if named:
            found[kind] = named
    return found


def _source(function: Callable) -> str:
    code = getattr(inspect.unwrap(function), "__code__", None)
    try:
        if code is not None and code.co_filename == "<string>":
            raise OSError("made by exec()")  # Python may find the source of something else
        loader = getattr(sys.modules.get(function.__module__), "__loader__", None)
        if code is not None and isinstance(loader, UserFile) and loader.path == code.co_filename:
            lines = [f"{line}\n" for line in loader.text.split("\n")]  # it may have been edited
            return "".join(inspect.getblock(lines[code.co_firstlineno - 1 :]))
        return inspect.getsource(function)
    except (OSError, TypeError) as error:
        raise ProtocolError(
            explain(f"hook {function!r}", "no source code", "a function defined in a file")
        ) from error


def _held(function: Any, code: types.CodeType) -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    """Yield what a function holds, by kind: names and values."""
    if inspect.ismethod(function):
        yield "self", [("self", function.__self__)]
    if hasattr(function, "__wrapped__"):
        yield "wrapped", [("wrapped", function.__wrapped__)]
    defaults = function.__defaults__ or ()
    named = list(zip(code.co_varnames[: code.co_argcount][::-1], defaults[::-1], strict=False))
    yield "defaults", [*named[::-1], *sorted((function.__kwdefaults__ or {}).items())]
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    yield "closure", [(n, cell.cell_contents) for n, cell in cells if cell != types.CellType()]
    everything = function.__globals__
    yield "globals", [(name, everything[name]) for name in _read(code) if name in everything]


def _read(code: types.CodeType) -> list[str]:
    """Return the global names that code reads, also in functions within it."""
    names = {each.argval for each in dis.get_instructions(code) if each.opname == "LOAD_GLOBAL"}
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            names |= set(_read(inner))
    return sorted(names)


def _value(value: Any, inside: frozenset[int]) -> Any:
    """Return a value that a function holds as plain data."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    if isinstance(value, np.ndarray | np.generic):
        return _number(value, name)
    if isinstance(value, _WRITTEN):
        return [name, repr(value)]
    if id(value) in inside:
        return ["again", name]
    inside |= {id(value)}
    if isinstance(value, list | tuple):
        return [name, [_value(part, inside) for part in value]]
    if isinstance(value, set | frozenset):
        return [name, sorted((_value(part, inside) for part in value), key=json.dumps)]
    if isinstance(value, Mapping):
        return [name, [[_value(k, inside), _value(v, inside)] for k, v in value.items()]]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = [[f.name, getattr(value, f.name)] for f in dataclasses.fields(value)]
        return [_value(type(value), inside), _value(parts, inside)]
    return _code(value, name, inside)


def _number(value: np.ndarray | np.generic, name: str) -> Any:
    """Return a number, quantity or array as plain data."""
    array = np.ascontiguousarray(value)
    if array.dtype.hasobject:
        return _mark(name)
    unit = unit_name(value) if isinstance(value, Quantity) else ""
    content = repr(value.item()) if value.ndim == 0 else hashlib.sha256(array.tobytes()).hexdigest()
    return [name, str(array.dtype), list(value.shape), unit, content]


def _code(value: Any, name: str, inside: frozenset[int]) -> Any:
    """Return something to call or a module as plain data: what is installed by its name."""
    if isinstance(value, types.FunctionType | types.MethodType):
        if is_installed(value.__code__.co_filename) and not inspect.ismethod(value):
            return ["function", f"{value.__module__}.{value.__qualname__}"]
        with_source = value.__code__.co_filename != "<string>"
        return _function(value, inside) if with_source else _mark(name)
    if isinstance(value, functools.partial):
        return [name, _value([value.func, value.args, value.keywords], inside)]
    if isinstance(value, _COMPILED):
        owner = getattr(value, "__self__", None)
        owner = None if isinstance(owner, types.ModuleType) else owner
        return [name, getattr(value, "__qualname__", value.__name__), _value(owner, inside)]
    if isinstance(value, types.ModuleType | type):
        where = sys.modules.get(getattr(value, "__module__", value.__name__), value)
        if is_installed(getattr(where, "__file__", None)):
            return [name, f"{getattr(value, '__module__', '')}.{value.__name__}"]
        try:
            return [name, inspect.getsource(value)]
        except (OSError, TypeError):
            return _mark(name)
    return _mark(name)


def _mark(name: str) -> dict[str, str]:
    return {"type": name, _UNLIKE: uuid.uuid4().hex}


def _short(value: Any) -> Any:
    """Give a long value by its hash, if all of it is data."""
    return value if unlike(value) or len(json.dumps(value)) <= _LONGEST else ["hash", _hash(value)]


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()

"""Python functions and classes as plain data: their source, and all that they hold besides.

They are the same in every process: what is sent to another takes its source along (`source_of`).
Two functions of one source differ in what they hold: in closures, defaults, globals that they read,
or the object that a method belongs to. What is no data, such as an open file, is unlike anything.
"""

import dataclasses
import dis
import enum
import functools
import hashlib
import importlib.util
import inspect
import json
import logging
import re
import sys
import types
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePath
from typing import Any

import numpy as np
from brian2 import Quantity

from ..errors import ProtocolError
from ..files.userfiles import PREFIX, UserFile, belongs_to_user, is_installed
from .source import ORDER, SOURCE, hash_of, inner, is_in_text, source_of
from .units import unit_name

#: Key of what marks a value that is no data.
_UNLIKE = "unlike"

#: Most characters of a value that a function holds; longer ones are given by their hash.
_LONGEST = 200

#: What is told from others by how Python writes it.
_WRITTEN = (complex, bytes, range, slice, enum.Enum, PurePath, type(...))

log = logging.getLogger("brainsleep")


def described(function: Callable) -> dict[str, Any]:
    """Return a function or method as plain data; raise `ProtocolError` without source code of it.

    They are its ``kind`` and ``source`` and, as far as there is something, ``code`` of what its
    source does not tell (a lambda, or a function whose file was edited since), and names and values
    of ``self``, ``wrapped``, ``defaults``, ``closure``, ``globals`` and ``attributes``.
    """
    if isinstance(function, type):
        content = _short(_Values().value(function))
        return {"kind": "function", **source_of(function), "class": content}
    return _Values().of_function(function)


def described_class(kind: type) -> Any:
    """Return a user's class as plain data: what its objects do; None for one that is installed."""
    return None if _is_shipped(kind) else _short(_Values().value(kind))


def unlike(value: Any) -> list[str]:
    """Return the types of what is no data among plain data with functions."""
    if isinstance(value, dict):
        return [value["type"]] if _UNLIKE in value else unlike(list(value.values()))
    return [each for part in value for each in unlike(part)] if isinstance(value, list) else []


class _Values:
    """Values as plain data; what is met again is described once."""

    def __init__(self) -> None:
        self._done: dict[
            int, tuple[Any, Any]
        ] = {}  # what is remembered is kept, and its id with it

    def value(self, value: Any) -> Any:
        """Return a value that a function holds as plain data."""
        if value is None or type(value) in (bool, int, float, str, np.float64):
            return value
        if isinstance(value, np.ndarray | np.generic):
            return _number(value, _name(type(value)))
        if id(value) not in self._done:
            self._begin(value)
            self._done[id(value)] = value, self._described(value)
        return self._done[id(value)][1]

    def _begin(self, value: Any) -> None:
        """Say what stands for a value within itself."""
        self._done.setdefault(id(value), (value, ["again", _name(type(value))]))

    def of_function(self, function: Any) -> dict[str, Any]:
        """Describe a function, and what it holds."""
        code: Any = getattr(function, "__code__", function)
        content: dict[str, Any] = {"kind": "function", **source_of(function)}
        here = SOURCE not in getattr(function, "__dict__", {})
        edited = here and "code" in content and not is_in_text(code, function)
        if edited and not code.co_filename.startswith("<"):
            log.warning(
                "hook %s: %s was edited since it was read; what was read is run; start again to "
                "run what is there now",
                _name(function),
                code.co_filename,
            )
        self._begin(function)
        self._begin(getattr(function, "__func__", function))
        return content | self._held(function, code)

    def _held(self, function: Any, code: types.CodeType) -> dict[str, Any]:
        """Describe what a function holds, by kind."""
        content = {}
        for kind, values in _held(function, code).items():
            if values:
                content[kind] = [[name, _short(self.value(value))] for name, value in values]
        return content

    def _described(self, value: Any) -> Any:
        kind = type(value)
        if isinstance(value, types.ModuleType):
            return self._module(value) if belongs_to_user(value) else _name(value)
        if isinstance(value, type):
            return _name(value) if _is_shipped(value) else self._class(value)
        if callable(value) and not isinstance(value, Mapping | list | tuple | set):
            return self._callable(value)
        name = _name(kind) if _is_shipped(kind) else self.value(kind)
        if isinstance(value, _WRITTEN):
            return [name, repr(value)]
        fields = dataclasses.fields(value) if dataclasses.is_dataclass(value) else ()
        makes = {f.name: getattr(value, f.name) for f in fields}
        own = {} if _is_shipped(kind) else getattr(value, "__dict__", {})
        more = [[n, self.value(v)] for n, v in own.items() if n not in makes]
        ending = [more] if more else []  # what an object of a user's has besides what makes it
        for base in (int, float, str):
            if isinstance(value, base):
                return [name, base.__repr__(value), *ending]
        if isinstance(value, list | tuple):
            return [name, [self.value(part) for part in value], *ending]
        if isinstance(value, set | frozenset):
            return [name, sorted(map(self.value, value), key=json.dumps), *ending]
        if isinstance(value, Mapping):
            parts = [[self.value(k), self.value(v)] for k, v in value.items()]
            made = getattr(value, "default_factory", None)
            return [name, parts, *ending, *([self.value(made)] if made else [])]
        if dataclasses.is_dataclass(value):
            return [name, self.value([list(item) for item in makes.items()]), *ending]
        return _mark(_name(kind))

    def _callable(self, value: Any) -> Any:
        """Return something to call as plain data: what is installed by its name."""
        name = _name(type(value))
        if isinstance(value, types.FunctionType | types.MethodType):
            code = value.__code__
            if is_installed(code.co_filename) and not inspect.ismethod(value):
                content = self._held(value, code) if value.__closure__ else {}
                content.pop("globals", None)
                return ["function", _name(value), *([content] if content else [])]
            return _mark(name) if code.co_filename == "<string>" else self.of_function(value)
        if isinstance(value, functools._lru_cache_wrapper):  # what it remembers decides nothing
            return [name, self.value(value.__wrapped__)]
        if isinstance(value, functools.partial):
            return [name, self.value([value.func, value.args, value.keywords])]
        if isinstance(value, types.BuiltinFunctionType | types.MethodDescriptorType):
            owner = getattr(value, "__self__", None)
            return [name, _name(value), self.value(None if inspect.ismodule(owner) else owner)]
        return [name, _name(value)] if _is_known(value) else _mark(name)

    def _module(self, module: types.ModuleType) -> Any:
        """Describe a user's module: its text, and all that it holds which is data or code."""
        loader = getattr(module, "__loader__", None)
        try:
            text = loader.text if isinstance(loader, UserFile) else inspect.getsource(module)
        except (OSError, TypeError):
            return _mark(_name(module))
        text += "" if text.endswith("\n") else "\n"
        values = {n: self.value(v) for n, v in vars(module).items() if not n.startswith("__")}
        data = [[n, _short(v)] for n, v in values.items() if v is not None and not unlike(v)]
        return ["module", _name(module), text, data]

    def _class(self, kind: Any) -> Any:
        """Describe a user's class: its text, its attributes, and those of what it is made from."""
        if hasattr(kind, "_fields") and issubclass(kind, tuple):
            parts = [["_fields", list(kind._fields)]]
        else:
            try:
                parts = [list(item) for item in source_of(kind).items()]
            except ProtocolError:
                return _mark(_name(kind))
        parts += [[label, _short(self.value(part))] for label, part in _attributes(kind)]
        return [_name(kind), parts, [self.value(base) for base in kind.__bases__]]


def _attributes(kind: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a user's class has, but for what Python added, or its text says whole."""
    written = set()
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        written = {*kind._fields, "_fields", "_field_defaults", "_make", "_replace", "_asdict"}
    if issubclass(kind, enum.Enum):
        written = {*kind.__members__, *(label for label in vars(kind) if label[0] == "_")}
    by_python = (types.GetSetDescriptorType, types.MemberDescriptorType)
    for label in vars(kind).get(ORDER, vars(kind)):
        value = vars(kind).get(label)
        if label in written or isinstance(value, by_python):
            continue
        parts = [getattr(value, "__func__", value)]
        if isinstance(value, property):
            parts = [each for each in (value.fget, value.fset, value.fdel) if each]
        elif isinstance(value, functools.cached_property):
            parts = [value.func]
        for part in parts:
            file = getattr(getattr(part, "__code__", None), "co_filename", None)
            special = label.startswith("__") and (file is None or is_installed(file))
            if not (special or file == "<string>" or label.startswith("_abc")):
                yield label, part


def _held(function: Any, code: types.CodeType) -> dict[str, list[tuple[str, Any]]]:
    """Return what a function holds, by kind: names and values."""
    defaults = function.__defaults__ or ()
    names = code.co_varnames[code.co_argcount - len(defaults) : code.co_argcount]
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    own = dict(getattr(function, "__func__", function).__dict__)
    own.pop(SOURCE, None)
    wrapped = [("wrapped", own.pop("__wrapped__"))] if "__wrapped__" in own else []
    return {
        "self": [("self", function.__self__)] if inspect.ismethod(function) else [],
        "wrapped": wrapped,
        "defaults": [
            *zip(names, defaults, strict=False),
            *sorted((function.__kwdefaults__ or {}).items()),
        ],
        "closure": [(n, cell.cell_contents) for n, cell in cells if cell != types.CellType()],
        "globals": _globals(function, code),
        "attributes": sorted(own.items()),
    }


def _globals(function: Any, code: types.CodeType) -> list[tuple[str, Any]]:
    """Return what a function reads from its module, and from modules of the user's."""
    everything, values = function.__globals__, dict[str, Any]()
    for first, *rest in sorted(_globals_read(code)):
        if first not in everything or first == "__name__":
            continue
        name, value = first, everything[first]
        for attribute in rest:
            if not (isinstance(value, types.ModuleType) and belongs_to_user(value)):
                break
            values.pop(name, None)  # only what is read of a module
            name, value = f"{name}.{attribute}", getattr(value, attribute, None)
        values[name] = value
    for module, names in sorted(_imports(code)):
        if not _is_shipped_name(module):
            values |= _from(everything, module, names)
    return sorted(values.items(), key=lambda item: item[0])


def _from(everything: Mapping, module: str, names: tuple[str, ...]) -> dict[str, Any]:
    """Import for a function what it will import when it runs; what is not there it will miss."""
    given = everything["__builtins__"]
    take = given["__import__"] if isinstance(given, dict) else given.__import__
    try:
        imported = take(module, everything, None, names or ("__name__",))
    except ImportError:
        return {}
    if not names or "*" in names:
        return {f"import {module}": imported}
    return {f"import {module}.{name}": getattr(imported, name, None) for name in names}


def _is_shipped_name(module: str) -> bool:
    """Tell whether a name that is imported is that of an installed module; it is not imported."""
    try:
        spec = importlib.util.find_spec(module.partition(".")[0])
    except (ImportError, ValueError):
        return False
    if spec is None:
        return False
    return all(map(is_installed, spec.submodule_search_locations or [spec.origin]))  # type: ignore


def _is_shipped(kind: type) -> bool:
    module = sys.modules.get(kind.__module__)
    return SOURCE not in vars(kind) and module is not None and not belongs_to_user(module)


def _is_known(value: Any) -> bool:
    """Tell whether an installed module has this very object, such as a function, by its name."""
    name = getattr(value, "__name__", "")
    names = [getattr(value, "__module__", None), "numpy", "scipy.special"]
    modules = [sys.modules[each] for each in names if isinstance(each, str) and each in sys.modules]
    return any(getattr(m, name, None) is value and not belongs_to_user(m) for m in modules)


def _name(value: Any) -> str:
    """Return module and name of a function, class or module, as the user's files call it."""
    module = getattr(value, "__module__", None) or ""
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", "")
    return re.sub(rf"\A{PREFIX}\d+\.", "", f"{module}.{name}".lstrip("."))


def _number(value: np.ndarray | np.generic, name: str) -> Any:
    """Return a number, quantity or array as plain data."""
    array = np.ascontiguousarray(value)
    if array.dtype.hasobject:
        return _mark(name)
    unit = unit_name(value) if isinstance(value, Quantity) else ""
    content = repr(value.item()) if value.ndim == 0 else hashlib.sha256(array.tobytes()).hexdigest()
    return [name, str(array.dtype), list(value.shape), unit, content]


def _mark(name: str) -> dict[str, str]:
    return {"type": name, _UNLIKE: uuid.uuid4().hex}


def _short(value: Any) -> Any:
    """Give a long value by its hash, if all of it is data."""
    keep = unlike(value) or len(json.dumps(value)) <= _LONGEST
    return value if keep else ["hash", hash_of(value)]


def _globals_read(code: types.CodeType) -> set[tuple[str, ...]]:
    """Return the global names that code reads, and what it reads of them: a, a.b, a.b.c."""
    names: set[tuple[str, ...]] = set()
    chain: tuple[str, ...] = ()
    for each in dis.get_instructions(code):
        if each.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            chain = (each.argval,)
        elif chain and each.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            chain = (*chain, each.argval)
        elif each.opname not in ("CACHE", "PUSH_NULL", "EXTENDED_ARG"):
            chain = ()
        names |= {chain} - {()}
    return names.union(*map(_globals_read, inner(code)))


def _imports(code: types.CodeType) -> set[tuple[str, tuple[str, ...]]]:
    """Return what code imports when it runs: modules, and names from them."""
    names: set[tuple[str, tuple[str, ...]]] = set()
    before: list[Any] = [None, None]
    for each in dis.get_instructions(code):
        if each.opname == "IMPORT_NAME" and not before[0]:  # not from its own package
            names.add((each.argval, tuple(before[1] or ())))
        before = [before[1], each.argval]
    return names.union(*map(_imports, inner(code)))

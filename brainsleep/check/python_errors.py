"""What Python says of a file that fails, as details with a likely fix."""

from __future__ import annotations

import builtins
import dataclasses
import importlib
import re
import sys
from collections.abc import Iterable, Mapping

from ..errors import Details, closest, one_line
from ..files.load import SHIPPED
from ..files.userfiles import PREFIX

#: Modules whose names a models or protocol file is likely to have meant.
_LIKELY = ("brian2", "brainsleep")
_UNEXPECTED = re.compile(r"(\w+)(?:\.__init__)?\(\) got an unexpected keyword argument '(\w+)'")
_MISSING = re.compile(r"(\w+)(?:\.__init__)?\(\) missing \d+ required .*argument")


def python_details(error: BaseException, namespace: Mapping) -> Details:
    """Describe an exception that is not one of this package's.

    Parameters
    ----------
    error : BaseException
        What the file raised.
    namespace : mapping
        The names it had defined.

    Returns
    -------
    Details
        What is wrong, the name it is about, and a likely fix.
    """
    if isinstance(error, SyntaxError):
        return _syntax(error)
    if isinstance(error, NameError):
        return _name(str(error.name), namespace)
    if isinstance(error, ModuleNotFoundError):
        return _module(_as_called(str(error.name)))
    if isinstance(error, ImportError):
        return _import(error)
    if isinstance(error, AttributeError) and error.name:
        close = closest(error.name, dir(error.obj))
        return Details(brief=one_line(error), word=error.name, fix=_meant(close), close=close)
    if isinstance(error, TypeError):
        return _type(str(error), namespace)
    return Details(brief=f"{type(error).__name__}: {one_line(error)}")


def _as_called(module: str) -> str:
    """Return the name of a module as a user's file calls it."""
    return module.partition(".")[2] if module.startswith(PREFIX) else module


def _meant(close: str) -> str:
    return f"did you mean '{close}'?" if close else ""


def _syntax(error: SyntaxError) -> Details:
    message = error.msg.rstrip(".")
    brief = f"Python cannot read this: {message}"
    if "forgot a comma" in message:
        return Details(brief="Python cannot read this", fix="a comma is missing")
    if "never closed" in message:
        return Details(brief=message, fix="close the bracket")
    return Details(brief=brief)


def _name(name: str, namespace: Mapping) -> Details:
    brief = f"the name '{name}' is not defined"
    for module in _LIKELY:
        known = importlib.import_module(module)
        if name in getattr(known, "__all__", dir(known)):
            fix = f"import it: from {module} import {name}"
            return Details(kind="undefined", brief=brief, word=name, fix=fix)
    own = [n for n in namespace if not n.startswith("__")]
    close = closest(name, own) or closest(name, [*dir(builtins), *_units()])
    return Details(kind="undefined", brief=brief, word=name, fix=_meant(close), close=close)


def _units() -> Iterable[str]:
    from brian2.core.namespace import DEFAULT_UNITS

    return DEFAULT_UNITS


def _module(name: str) -> Details:
    package, _, last = name.rpartition(".")
    fix = "install it, or put the file beside this one"
    if package in SHIPPED.values() or package == "brainsleep":
        import pkgutil

        names = [m.name for m in pkgutil.iter_modules(importlib.import_module(package).__path__)]
        close = closest(last, names)
        fix = _meant(f"{package}.{close}") if close else f"there are: {', '.join(sorted(names))}"
    return Details(brief=f"there is no module '{name}'", word=name, fix=fix)


def _import(error: ImportError) -> Details:
    name = getattr(error, "name_from", None)
    if not name:
        return Details(brief=one_line(error))
    module = sys.modules.get(str(error.name))
    known = [n for n in dir(module) if n[0] != "_"] if module else []
    close = closest(name, known)
    brief = f"'{_as_called(str(error.name))}' has no '{name}'"
    missing = (name, close)  # whichever of them the file goes on to use
    return Details(brief=brief, word=name, fix=_meant(close), close=close, defines=missing)


def _type(message: str, namespace: Mapping) -> Details:
    """Describe a call with arguments that do not exist, or without some that must be given."""
    if match := _UNEXPECTED.search(message):
        fields = _arguments(namespace.get(match[1]))
        close = closest(match[2], fields)
        return Details(
            brief=f"{match[1]} takes no '{match[2]}'",
            word=match[2],
            expected=f"one of: {', '.join(fields)}" if fields else "",
            fix=_meant(close),
            close=close,
        )
    if match := _MISSING.search(message):
        names = re.findall(r"'(\w+)'", message)
        fix = f"write {', '.join(f'{name}=...' for name in names)}"
        brief = f"{match[1]} needs {' and '.join(names)}"
        return Details(brief=brief, word=match[1], fix=fix)
    return Details(brief=f"TypeError: {message}")


def _arguments(called: object) -> list[str]:
    """Names of the arguments that a class of this package, or a function, takes."""
    if isinstance(called, type) and dataclasses.is_dataclass(called):
        return [f.name for f in dataclasses.fields(called)]
    code = getattr(called, "__code__", None)
    count = code.co_argcount + code.co_kwonlyargcount if code else 0
    return list(code.co_varnames[:count]) if code else []

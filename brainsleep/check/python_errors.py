"""What Python says of a file that fails, as details with a likely fix."""

from __future__ import annotations

import builtins
import contextlib
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Mapping

from brian2.core.namespace import DEFAULT_UNITS

from ..errors import Details, closest, one_line
from ..files.load import SHIPPED
from ..files.userfiles import PREFIX

#: Modules whose names a models or protocol file is likely to have meant.
_LIKELY = ("brian2", "brainsleep")
_UNEXPECTED = re.compile(r"(\w+)(?:\.__init__)?\(\) got an unexpected keyword argument '(\w+)'")
_MISSING = re.compile(r"(\w+)(?:\.__init__)?\(\) missing \d+ required .*argument")


def python_details(error: BaseException, namespace: Mapping) -> Details:
    """Describe what a file raised that is no error of this package; it had defined `namespace`."""
    match error:
        case SyntaxError(msg=message) if "forgot a comma" in message:
            return Details(brief="Python cannot read this", fix="a comma is missing")
        case SyntaxError(msg=message) if "never closed" in message:
            return Details(brief=message.rstrip("."), fix="close the bracket")
        case SyntaxError(msg=message):
            return Details(brief=f"Python cannot read this: {message.rstrip('.')}")
        case NameError():
            return _name(str(error.name), namespace)
        case ModuleNotFoundError():
            return _module(_as_called(str(error.name)))
        case ImportError(name_from=str(name)):
            module = sys.modules.get(str(error.name))
            close = closest(name, [n for n in dir(module) if n[0] != "_"] if module else [])
            brief = f"'{_as_called(str(error.name))}' has no '{name}'"
            missing = (name, close)  # whichever of them the file goes on to use
            return Details(brief=brief, word=name, close=close, defines=missing)
        case ImportError():
            return Details(brief=one_line(error))
        case AttributeError(name=str(name)) if name:
            close = closest(name, dir(error.obj))
            return Details(brief=one_line(error), word=name, close=close)
        case TypeError():
            return _type(str(error), namespace)
    return Details(brief=f"{type(error).__name__}: {one_line(error)}")


def _as_called(module: str) -> str:
    """Return the name of a module as a user's file calls it."""
    return module.partition(".")[2] if module.startswith(PREFIX) else module


def _name(name: str, namespace: Mapping) -> Details:
    brief = f"the name '{name}' is not defined"
    for module in _LIKELY:
        names = importlib.import_module(module)
        if name in getattr(names, "__all__", dir(names)):
            fix = f"import it: from {module} import {name}"
            return Details(kind="undefined", brief=brief, word=name, fix=fix)
    own = [n for n in namespace if not n.startswith("__")]
    close = closest(name, own) or closest(name, [*dir(builtins), *DEFAULT_UNITS])
    return Details(kind="undefined", brief=brief, word=name, close=close)


def _module(name: str) -> Details:
    package, _, last = name.rpartition(".")
    fix = "install it, or put the file beside this one"
    if package in SHIPPED.values() or package == "brainsleep":
        names = [m.name for m in pkgutil.iter_modules(importlib.import_module(package).__path__)]
        close, listed = closest(last, names), ", ".join(sorted(names))
        full = f"{package}.{close}"
        fix = f"did you mean '{full}'?" if close else f"there are: {listed}"
    return Details(brief=f"there is no module '{name}'", word=name, fix=fix)


def _type(message: str, namespace: Mapping) -> Details:
    """Describe a call with arguments that do not exist, or without some that must be given."""
    if match := _UNEXPECTED.search(message):
        fields = list[str]()
        with contextlib.suppress(KeyError, TypeError, ValueError):  # it has no signature
            fields = list(inspect.signature(namespace[match[1]]).parameters)
        close = closest(match[2], fields)
        return Details(
            brief=f"{match[1]} takes no '{match[2]}'",
            word=match[2],
            expected=f"one of: {', '.join(fields)}" if fields else "",
            close=close,
        )
    if match := _MISSING.search(message):
        names = re.findall(r"'(\w+)'", message)
        fix = f"write {', '.join(f'{name}=...' for name in names)}"
        brief = f"{match[1]} needs {' and '.join(names)}"
        return Details(brief=brief, word=match[1], fix=fix)
    return Details(brief=f"TypeError: {message}")

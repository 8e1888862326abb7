"""How a value is read that is given by key, as text of a command line or as an object.

A number with its unit is written ``0.2``, ``300*ms`` or ``2 mV/ms``; a tuple ``1,2`` or ``(1, 2)``;
an object is named as ``FILE.py:NAME``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import Any

from brian2 import Quantity

from ..errors import ProtocolError, SpecError, explain
from ..files.load import load
from .frozen import show_value
from .quantities import check_units, is_number, read_quantity
from .units import as_code

#: ``read(value, old, where)`` reads `value` in place of `old`; `where` is named in messages.
Read = Callable[[Any, Any, str], Any]


def _read(value: Any, like: Any, where: str) -> Any:
    """Read text as a number, with its unit if it has one; leave alone what is no text."""
    if not isinstance(value, str):
        return value
    try:
        found = read_quantity(value)
    except SpecError as error:
        raise ProtocolError(f"{where}: {error}") from error
    if found is None:
        raise ProtocolError(explain(where, repr(value), "a value", f"write {_example(like)}"))
    return found


def _example(old: Any) -> str:
    """Write a value as one writes another in its place after ``--set``."""
    if isinstance(old, bool):
        return "true or false"
    if is_number(old) or isinstance(old, Quantity):
        return f"a value such as {as_code(old)}"
    if isinstance(old, tuple) and all(map(is_number, old)):
        return f"values such as ({','.join(map(as_code, old or (2, 4)))})"
    return "0.2 or 300*ms"


def _refused(value: Any, where: str, allowed: str, fix: str = "") -> ProtocolError:
    return ProtocolError(explain(where, show_value(value), allowed, fix))


def whole(value: Any, old: Any, where: str) -> int:
    """Read a whole number, also one with a point."""
    found = _read(value, old, where)
    if not is_number(found) or not float(found).is_integer():
        raise _refused(found, where, "a whole number")
    return int(found)


def number(value: Any, old: Any, where: str) -> float:
    """Read a number."""
    found = _read(value, old, where)
    if not is_number(found):
        raise _refused(found, where, "a number")
    return float(found)


def quantity(value: Any, old: Any, where: str) -> Any:
    """Read a quantity, of the units of the old one."""
    found = _read(value, old, where)
    return found if old is None else check_units(found, old, where, ProtocolError)


def quantity_or_name(value: Any, old: Any, where: str) -> Any:
    """Read a quantity, or leave a name as it is."""
    is_text = isinstance(value, str) and read_quantity(value) is None
    return value if is_text else _read(value, old, where)


def flag(value: Any, old: Any, where: str) -> bool:
    """Read true or false."""
    found = {"true": True, "false": False}.get(str(value).lower())
    if not isinstance(value, str | bool) or found is None:
        raise _refused(value, where, "true or false")
    return found


def text(value: Any, old: Any, where: str) -> str:
    """Read text."""
    if not isinstance(value, str):
        raise _refused(value, where, "text")
    return value


def made(*kinds: type) -> Read:
    """Read objects of some kinds."""
    allowed = " or ".join(kind.__name__ for kind in kinds)

    def read(value: Any, old: Any, where: str) -> Any:
        found = getattr(kinds[0], "from_text", load)(value) if isinstance(value, str) else value
        if not isinstance(found, kinds):
            fix = "name one as FILE.py:NAME or set one of its fields"
            raise _refused(found, where, allowed, fix)
        return found

    return read


def several(item: Read) -> Read:
    """Read tuples."""

    def read(value: Any, old: Any, where: str) -> tuple:
        if isinstance(value, str):
            words = re.split(r"[,\s()]+", value)
            return tuple(item(word, old, where) for word in words if word)
        if not isinstance(value, tuple | list):
            raise _refused(value, where, "a tuple, such as (1, 2)")
        return tuple(value)

    return read


def groups(value: Any, old: Any, where: str) -> Any:
    """Read tuples of tuples."""
    if not isinstance(value, str):
        return several(groups)(value, old, where)
    try:
        return ast.literal_eval(value.strip())
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
        raise _refused(value, where, "groups such as ((0, 1), (2, 3))") from error

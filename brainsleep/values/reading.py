"""How a value is read that is given by key, as text of a command line or as an object.

A number with its unit is written ``0.2``, ``300*ms`` or ``2 mV/ms``; a tuple ``1,2`` or ``(1, 2)``;
an object is named as ``FILE.py:NAME``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import Any

from brian2 import Quantity, amp, farad, second, siemens, volt
from brian2.core.namespace import DEFAULT_UNITS

from ..errors import ProtocolError, explain
from ..files.load import load
from .frozen import show_value
from .quantities import check_units, is_number

#: ``read(value, old, where)`` reads `value` in place of `old`; `where` is named in messages.
Read = Callable[[Any, Any, str], Any]

#: Other names of units; `brian2` has no short ones of one letter.
_SHORT_UNITS = {"s": second, "V": volt, "A": amp, "F": farad, "S": siemens}

_UNIT = r"[A-Za-z]\w*(?:\s*\*\*\s*-?\d{1,2})?"
_FACTOR = re.compile(r"([*/]?)\s*([A-Za-z]\w*)(?:\s*\*\*\s*(-?\d{1,2}))?")
_NUMBER = re.compile(
    r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
    rf"(\s*\*?\s*{_UNIT}(?:\s*[*/]\s*{_UNIT})*)?\s*\Z"
)


def _read(value: Any, like: Any, where: str) -> Any:
    """Read text as a number, with its unit if it has one; leave alone what is no text."""
    if not isinstance(value, str):
        return value
    match = _NUMBER.match(value)
    if not match:
        allowed = "a number" if like is None else f"a value like {like!r}"
        raise ProtocolError(explain(where, repr(value), allowed, "write 0.2 or 300*ms"))
    if match[2]:
        return float(match[1]) * _unit(match[2], where)
    whole = re.fullmatch(r"[-+]?\d{1,300}", match[1])  # more digits than a float can hold
    return int(match[1]) if whole else float(match[1])


def _unit(text: str, where: str) -> Quantity:
    """Read a product of powers of units such as ``ms``, ``mV/ms``, ``volt**-1``."""
    unit = Quantity(1.0)
    for operator, name, power in _FACTOR.findall(text):
        one = _SHORT_UNITS.get(name) or DEFAULT_UNITS.get(name)
        if one is None:
            raise ProtocolError(explain(where, f"unit '{name}'", "a unit such as ms, mV"))
        unit = unit * one ** ((-1 if operator == "/" else 1) * int(power or 1))
    return unit


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
    is_text = isinstance(value, str) and not _NUMBER.match(value)
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


def made(kind: type) -> Read:
    """Read objects of a kind."""

    def read(value: Any, old: Any, where: str) -> Any:
        found = getattr(kind, "from_text", load)(value) if isinstance(value, str) else value
        if not isinstance(found, kind):
            fix = "name one as FILE.py:NAME or set one of its fields"
            raise _refused(found, where, kind.__name__, fix)
        return found

    return read


def several(item: Read) -> Read:
    """Read tuples."""

    def read(value: Any, old: Any, where: str) -> tuple:
        if isinstance(value, str):
            words = re.split(r"[,\s()]+", value)
            return tuple(item(word, None, where) for word in words if word)
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

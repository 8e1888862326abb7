"""Numbers with units as text, as a command line gives them: ``0.2``, ``300*ms``, ``2 mV/ms``."""

from __future__ import annotations

import re
from typing import Any

from brian2 import Quantity, amp, farad, second, siemens, volt
from brian2.core.namespace import DEFAULT_UNITS

from ..errors import ProtocolError, explain

#: Other names of units; `brian2` has no short ones of one letter.
_SHORT_UNITS = {"s": second, "V": volt, "A": amp, "F": farad, "S": siemens}

_UNIT = r"[A-Za-z]\w*(?:\s*\*\*\s*-?\d{1,2})?"
_FACTOR = re.compile(r"([*/]?)\s*([A-Za-z]\w*)(?:\s*\*\*\s*(-?\d{1,2}))?")
_NUMBER = re.compile(
    r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
    rf"(\s*\*?\s*{_UNIT}(?:\s*[*/]\s*{_UNIT})*)?\s*\Z"
)


def is_numeric(value: object) -> bool:
    """Tell whether `value` is text that `read_number` reads, but for unknown units."""
    return isinstance(value, str) and bool(_NUMBER.match(value))


def read_number(value: Any, like: Any, where: str) -> Any:
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

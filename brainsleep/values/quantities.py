"""Checks of single values: finite numbers, times, quantities of the right units."""

import math
import numbers
import re
from contextlib import suppress
from typing import TypeGuard

import numpy as np
from brian2 import Quantity, get_dimensions, second

from ..errors import BrainsleepError, Details, SpecError, explain
from .units import as_code, read_unit, readable_unit, unit_name

_NUMBER = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)")

#: Most characters of a quantity as text.
_LONGEST = 200


def read_quantity(text: str) -> int | float | Quantity | None:
    """Read a number, or a number with its unit, from text; None if it is something else.

    Nothing is evaluated, so the text may come from anyone. Raise `SpecError` for an unknown unit.

    >>> read_quantity("0.03 second"), read_quantity("5*mV/ms"), read_quantity("7")
    (30. * msecond, 5. * metre ** 2 * kilogram * second ** -4 * amp ** -1, 7)
    """
    match = _NUMBER.match(text) if len(text) <= _LONGEST else None
    if not match:
        return None
    if rest := text[match.end() :].strip():
        unit = read_unit(rest.removeprefix("*"))
        return None if unit is None else float(match[1]) * unit
    whole = re.fullmatch(r"[-+]?\d{1,300}", match[1])  # more digits than a float can hold
    return int(match[1]) if whole else float(match[1])


def is_number(value: object) -> TypeGuard[float]:
    """Tell whether `value` is a plain finite number: no unit, not a truth value."""
    with suppress(OverflowError):  # a whole number that no float can hold
        if isinstance(value, numbers.Real) and not isinstance(value, bool):
            return math.isfinite(value)
    return False


def check_whole(
    value: object,
    where: str,
    error: type[BrainsleepError] = SpecError,
    *,
    least: int = 0,
    most: float = math.inf,
    note: str = "",
) -> int:
    """Return `value` as an integer; raise `error` unless it is a whole number within limits.

    Every count of this package is checked here: Python's integers and NumPy's are whole numbers,
    truth values and floats are not. What `note` says is added to what is expected.
    """
    whole = int(value) if isinstance(value, numbers.Integral) else -1
    if isinstance(value, bool) or whole < least:
        raise error(explain(where, repr(value), f"a whole number of at least {least}{note}"))
    if whole > most:
        raise error(explain(where, value, f"at most {most}{note}"))
    return whole


def check_time(value: object, where: str, error: type[BrainsleepError] = SpecError) -> Quantity:
    """Return `value`; raise `error` unless it is one time, finite and more than 0 s."""
    if not isinstance(value, Quantity) or value.shape or value.dim != second.dim:
        got = value if isinstance(value, Quantity) else f"{value!r} (no unit)"
        raise error(explain(where, got, "a time such as 300*ms"))
    if not 0 < float(value) < np.inf:
        raise error(explain(where, value, "more than 0 s"))
    return value


def check_quantity(value: object, where: str, error: type[BrainsleepError] = SpecError) -> Quantity:
    """Return `value` as one finite quantity; raise `error` otherwise."""
    if (quantity := one_quantity(value)) is not None:
        return quantity
    word = _last_word(where)
    details = Details(word=word, found=repr(value), defines=(word,))
    raise error(explain(where, repr(value), "one finite number with unit"), details)


def check_units(
    value: object, like: Quantity, where: str, error: type[BrainsleepError] = SpecError
) -> Quantity:
    """Return `value` as one quantity with the units of `like`; raise `error` otherwise."""
    quantity = one_quantity(value)
    dimensions = get_dimensions(like)  # a number without unit may have none of its own
    if quantity is not None and quantity.dim == dimensions:
        return quantity
    got = str(value) if isinstance(value, Quantity) else f"{value!r} (no unit)"
    details = Details(
        word=_last_word(where),
        found=got,
        expected=readable_unit(dimensions),
        fix=f"give a value such as {as_code(like)}",
    )
    allowed = f"a finite value in {unit_name(like)}, such as {as_code(like)}"
    raise error(explain(where, got, allowed), details)


def one_quantity(value: object) -> Quantity | None:
    """Return a value as one finite quantity, if it is that."""
    with suppress(TypeError, ValueError, OverflowError):
        quantity = Quantity(value, dtype=np.float64)  # a whole number would be pickled as one
        if quantity.shape == () and np.isfinite(float(np.asarray(quantity))):
            return quantity
    return None


def _last_word(where: str) -> str:
    return where.split()[-1].strip("'")

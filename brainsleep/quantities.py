"""Checks of single values: finite numbers, times, quantities of the right units."""

from __future__ import annotations

import math
import numbers
from typing import TypeGuard

import numpy as np
from brian2 import Quantity, get_dimensions, second

from .errors import BrainsleepError, Details, SpecError, explain
from .units import as_code, readable_unit, unit_name


def is_number(value: object) -> TypeGuard[float]:
    """Tell whether `value` is a plain finite number: no unit, not a truth value."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        return False


def check_whole(
    value: object,
    where: str,
    error: type[BrainsleepError] = SpecError,
    *,
    least: int = 0,
    note: str = "",
) -> int:
    """Return `value` as an integer; raise `error` unless it is a whole number from `least` on.

    Every count of this package is checked here: Python's integers and NumPy's are whole numbers,
    truth values and floats are not. What `note` says is added to what is expected.
    """
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or int(value) < least:  # type: ignore[call-overload]
        raise error(explain(where, repr(value), f"a whole number of at least {least}{note}"))
    return int(value)  # type: ignore[call-overload]


def check_time(value: object, where: str, error: type[BrainsleepError] = SpecError) -> None:
    """Raise `error` unless `value` is one time, finite and more than 0 s."""
    if not isinstance(value, Quantity) or value.shape or value.dim != second.dim:
        got = value if isinstance(value, Quantity) else f"{value!r} (no unit)"
        raise error(explain(where, got, "a time such as 300*ms"))
    if not 0 < float(value) < np.inf:
        raise error(explain(where, value, "more than 0 s"))


def check_quantity(value: object, where: str) -> Quantity:
    """Return `value` as one finite quantity; raise `SpecError` otherwise."""
    try:
        quantity = Quantity(value, dtype=np.float64)  # a whole number would be pickled as one
        if quantity.shape == () and np.isfinite(float(np.asarray(quantity))):
            return quantity
    except (TypeError, ValueError, OverflowError):
        pass
    word = _last_word(where)
    details = Details(word=word, found=repr(value), defines=(word,))
    raise SpecError(explain(where, repr(value), "one finite number with unit"), details)


def check_units(value: object, like: Quantity, where: str) -> Quantity:
    """Return `value` as one quantity with the units of `like`; raise `SpecError` otherwise."""
    quantity = check_quantity(value, where)
    dimensions = get_dimensions(like)  # a number without unit may have none of its own
    if quantity.dim != dimensions:
        got = value if isinstance(value, Quantity) else f"{value} (no unit)"
        details = Details(
            word=_last_word(where),
            found=str(got),
            expected=readable_unit(dimensions),
            fix=f"give a value such as {as_code(like)}",
        )
        allowed = f"a value in {unit_name(like)}, such as {as_code(like)}"
        raise SpecError(explain(where, got, allowed), details)
    return quantity


def _last_word(where: str) -> str:
    return where.split()[-1].strip("'")

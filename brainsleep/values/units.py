"""Units as text: their names, from dimensions alone, and units from what was written."""

import re
from functools import cache
from itertools import product

from brian2 import Quantity, amp, farad, get_dimensions, second, siemens, volt
from brian2.core.namespace import DEFAULT_UNITS
from brian2.units.fundamentalunits import DIMENSIONLESS, Dimension

from ..errors import SpecError

_BASE_UNITS = ("metre", "kilogram", "second", "amp", "kelvin", "mole", "candle")
_NAMED_UNITS = (
    *_BASE_UNITS,
    *("hertz", "newton", "pascal", "joule", "watt", "coulomb", "volt", "farad", "ohm"),
    *("siemens", "weber", "tesla", "henry"),
)
#: What neurons are described in; combinations of two of them are tried for readable names.
_COMMON_UNITS = ("volt", "second", "amp", "siemens", "farad", "ohm", "metre")
#: Other names of units; `brian2` has no short ones of one letter.
_SHORT_UNITS = {"s": second, "V": volt, "A": amp, "F": farad, "S": siemens}

_ONE = r"([A-Za-z]\w*)(?:\s*\*\*\s*(-?\d{1,2}(?:\.\d{1,6})?))?"
_PRODUCT = re.compile(rf"\s*{_ONE}(?:\s*[*/]\s*{_ONE})*\s*")
_FACTOR = re.compile(rf"([*/]?)\s*{_ONE}")


def read_unit(text: str) -> Quantity | None:
    """Read a product of powers of units such as ``ms``, ``mV/ms``, ``volt**-1``; else None.

    Raise `SpecError` if there is no unit of such a name.
    """
    if not _PRODUCT.fullmatch(text):
        return None
    unit = Quantity(1.0)
    for operator, name, power in _FACTOR.findall(text):
        one = _SHORT_UNITS.get(name) or DEFAULT_UNITS.get(name)
        if one is None:
            raise SpecError(f"got unit '{name}'; expected a unit such as ms, mV")
        exponent = float(power) if "." in power else int(power or 1)
        unit = unit * one ** (-exponent if operator == "/" else exponent)
    return unit


def unit_name(value: object) -> str:
    """Name the SI unit of a quantity (or dimensions) as Brian2 equations spell it.

    The name depends on the dimensions only (`brian2.get_unit` also looks at which units a
    session has multiplied before), so that sources and hashes of runs do not change.
    """
    return _name_of(get_dimensions(value))


@cache  # dimensions are compared as floating point numbers, which takes long
def _name_of(dim: Dimension) -> str:
    if dim is DIMENSIONLESS:
        return "1"
    for dimensions, ending in ((dim, ""), (dim * second.dim, "/second")):
        for name in _NAMED_UNITS:
            if DEFAULT_UNITS[name].dim == dimensions:
                return name + ending
    powers = zip(_BASE_UNITS, base_powers(dim).values(), strict=True)
    return "*".join(name if power == 1 else f"{name}**{power:g}" for name, power in powers if power)


def as_code(value: Quantity) -> str:
    """Write a quantity as it is written in Python and after ``--set``, such as ``300*ms``."""
    if get_dimensions(value) is DIMENSIONLESS:
        return f"{float(value):g}"
    short = str(Quantity(value).get_best_unit())
    if short in DEFAULT_UNITS:
        return f"{float(value) / float(DEFAULT_UNITS[short]):g}*{short}"
    return f"{float(value):g}*{unit_name(value)}"


def base_powers(dim: Dimension) -> dict[str, float]:
    """Return the power of each base unit in dimensions, by symbol: ``m``, ``kg``, ``s``, ..."""
    return {symbol: dim.get_dimension(symbol) for symbol in ("m", "kg", "s", "A", "K", "mol", "cd")}


def readable_unit(dim: Dimension) -> str:
    """Name dimensions for people: ``volt*second`` where `unit_name` spells out base units."""
    if dim is DIMENSIONLESS:
        return "1 (no unit)"
    name = unit_name(dim)
    if name == "hertz":
        return "1/second (hertz)"
    if "**" not in name:
        return name
    for first, second_ in product(_COMMON_UNITS, repeat=2):
        one, other = DEFAULT_UNITS[first].dim, DEFAULT_UNITS[second_].dim
        written = {
            f"{first}**2" if first == second_ else f"{first}*{second_}": one * other,
            f"{first}/{second_}": one / other,
            f"{first}/{second_}**2": one / other**2,
            f"1/{second_}": other**-1,
        }
        for text, dimensions in written.items():
            if dimensions is dim:
                return text
    return name

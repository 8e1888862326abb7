"""Specifications as plain data, which JSON can hold exactly, and made of it again.

What a field holds is told by its annotation; where that is a class with subclasses, by the name of
the class in the data. Only classes that are loaded already come into question, and nothing in the
data is evaluated, so it may come from anyone.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np
from brian2 import Quantity

from ..errors import SpecError, explain, nearest
from .frozen import Frozen
from .functions import described, described_class
from .quantities import check_quantity, read_quantity
from .units import unit_name


def plain(value: Any) -> Any:
    """Turn specifications, quantities and arrays into data that JSON can hold exactly."""
    if isinstance(value, Quantity):
        unit = unit_name(value)
        return float(value) if unit == "1" else f"{float(value)!r} {unit}"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        own = described_class(type(value))  # what it does is not said by its fields
        return {"kind": type(value).__name__, **fields} | ({"class": own} if own else {})
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [plain(v) for v in value]
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if callable(value):
        return described(value)
    return value


def from_plain[T](kind: type[T], data: Any) -> T:
    """Make a specification of plain data: the inverse of `plain`.

    Parameters
    ----------
    kind : type
        A class of specifications, or their base.
    data : dict
        From `plain`. Fields that are not there have their default.

    Returns
    -------
    kind
        Checked as any other.

    Raises
    ------
    BrainsleepError
        If the data are of something else, or hold a function, which cannot be made of them.
    """
    return _value(kind, data, kind.__name__, _made)


def outlined[T](kind: type[T], data: Any) -> T:
    """Make what can be read as a specification, but never be run, of plain data.

    Nothing is checked and no equation is parsed. What does not fit its field stays as it is in the
    data; fields that are unknown are left out.

    Parameters
    ----------
    kind : type
        A class of specifications, or their base.
    data : dict
        From `plain`, maybe of another version.

    Raises
    ------
    SpecError
        If it is no dictionary.
    """
    return _value(kind, data, kind.__name__, _outlined)


#: Makes an object of its class, plain data, and where these are.
_Make = Callable[[type, Mapping[str, Any], str], Any]


def _value(kind: Any, data: Any, where: str, make: _Make) -> Any:
    """Return data as what an annotation says; raise `SpecError` if they do not fit."""
    outer, inner = get_origin(kind), get_args(kind)
    if isinstance(kind, types.UnionType) or outer is Union:
        for choice in inner:
            if (found := _fitting(choice, data, where, make)) is not _NOTHING:
                return found
        specs = [choice for choice in inner if isinstance(data, Mapping) and _family(choice)]
        if len(specs) == 1:  # which says what is wrong
            return _value(specs[0], data, where, make)
    elif outer is tuple and isinstance(data, list | tuple):
        kinds = inner[:1] * len(data) if inner[-1] is Ellipsis else inner
        if len(kinds) == len(data):
            pairs = enumerate(zip(kinds, data, strict=True))
            return tuple(_value(one, each, f"{where}[{k}]", make) for k, (one, each) in pairs)
    elif outer is Mapping and isinstance(data, Mapping):
        return Frozen({k: _value(inner[1], v, f"{where}.{k}", make) for k, v in data.items()})
    elif Callable in (kind, outer):
        allowed, fix = "none", "leave it out, and give the function itself to what is made"
        raise SpecError(explain(where, "the description of a function", allowed, fix))
    elif kind is Quantity and not isinstance(data, bool):
        with suppress(SpecError):
            return check_quantity(read_quantity(data) if isinstance(data, str) else data, where)
    elif kind is np.ndarray and isinstance(data, list):
        return np.array(data)
    elif kind in _SCALARS:
        if isinstance(data, _SCALARS[kind]) and isinstance(data, bool) == (kind is bool):
            return data
    elif isinstance(kind, type) and isinstance(data, Mapping):
        return make(_class(kind, data, where), data, where)
    raise SpecError(explain(where, repr(data)[:80], getattr(kind, "__name__", str(kind))))


_NOTHING = object()

#: What stands for values of these kinds among plain data.
_SCALARS: dict[Any, Any] = {
    bool: bool, int: int, float: int | float, str: str, types.NoneType: types.NoneType
}  # fmt: skip


def _fitting(kind: Any, data: Any, where: str, make: _Make) -> Any:
    try:
        return _value(kind, data, where, make)
    except SpecError:
        return _NOTHING


def _class(kind: type, data: Mapping[str, Any], where: str) -> type:
    """Return which class of a kind is meant: the one that is named, else that has the fields."""
    family = _family(kind)
    if (named := str(data.get("kind"))) in family:
        return family[named]
    having = [each for each in family.values() if data.keys() - {"kind"} <= _hints(each).keys()]
    chosen = next(iter([*having, *family.values()]), None)
    if chosen is None or ("kind" in data and "kind" not in _hints(chosen)):
        raise SpecError(explain(f"{where}: kind", named, " or ".join(family)))
    return chosen


def _family(kind: Any) -> dict[str, Any]:
    """Return the specifications among a class and what is derived from it, by name."""
    found: dict[str, Any] = {kind.__name__: kind} if hasattr(kind, "__dataclass_fields__") else {}
    for each in kind.__subclasses__():
        found |= _family(each)
    return found


@cache
def _hints(kind: Any) -> dict[str, Any]:
    """Return the annotations of the fields of a class, by name."""
    hints = get_type_hints(kind)
    return {item.name: hints[item.name] for item in dataclasses.fields(kind)}


def _made(kind: Any, data: Mapping[str, Any], where: str) -> Any:
    """Make a specification with all its checks."""
    hints = _hints(kind)
    given = {name: value for name, value in data.items() if name in hints or name != "kind"}
    if unknown := [name for name in given if name not in hints]:
        raise SpecError(f"{where}: there is no '{unknown[0]}'; {nearest(unknown[0], hints)}")
    derived = {item.name for item in dataclasses.fields(kind) if not item.init}
    values = {k: _value(hints[k], v, f"{where}.{k}", _made) for k, v in given.items()}
    found = kind(**{name: value for name, value in values.items() if name not in derived})
    for name in derived & values.keys():
        if getattr(found, name) != values[name]:
            raise SpecError(explain(f"{where}.{name}", getattr(found, name), values[name]))
    return found


def _outlined(kind: Any, data: Mapping[str, Any], where: str) -> Any:
    found: Any = object.__new__(kind)
    for item in dataclasses.fields(kind):
        if item.name in data:
            value = data[item.name]
            fitting = _fitting(_hints(kind)[item.name], value, f"{where}.{item.name}", _outlined)
            object.__setattr__(found, item.name, value if fitting is _NOTHING else fitting)
        elif item.default_factory is not dataclasses.MISSING:
            object.__setattr__(found, item.name, item.default_factory())
        elif item.default is not dataclasses.MISSING:
            object.__setattr__(found, item.name, item.default)
    return found

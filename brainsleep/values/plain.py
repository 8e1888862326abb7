"""Specifications as plain data, which JSON can hold exactly, and made of it again.

What a field holds is told by its annotation, and which class by its name among those loaded.
Nothing in the data is evaluated, so it may come from anyone.
"""

import dataclasses
import types
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from itertools import repeat
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np
from brian2 import Quantity

from ..errors import SpecError, explain, nearest
from .fields import place
from .frozen import Frozen
from .functions import described, described_class
from .quantities import one_quantity, read_quantity
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
    """Make a specification of a class, or derived from it, of plain data: the inverse of `plain`.

    Raise `BrainsleepError` if they are data of something else, or hold a function, which cannot be
    made of them.
    """
    return _whole(kind, data, _made)


def outlined[T](kind: type[T], data: Any) -> T:
    """Make what can be read as a specification, but never be run, of plain data.

    Nothing is checked and no equation is parsed. What does not fit its field stays as it is in the
    data, maybe of another version; fields that are unknown are left out. Raise `SpecError` if it is
    no dictionary.
    """
    return _whole(kind, data, _outlined)


#: Makes an object of its class and plain data.
_Make = Callable[[Any, Mapping[str, Any]], Any]


def _whole[T](kind: type[T], data: Any, make: _Make) -> T:
    value = _typed(kind, data, make)
    if not isinstance(value, kind):
        raise SpecError(explain(kind.__name__, repr(data)[:80], f"a {kind.__name__}"))
    return value


def _typed(hint: Any, data: Any, make: _Make) -> Any:
    """Return data as what an annotation says; as they are if they do not fit."""
    choices = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    for choice in choices:
        outer, inner = get_origin(choice), get_args(choice)
        if outer is Mapping and isinstance(data, Mapping):
            return Frozen({name: _typed(inner[1], each, make) for name, each in data.items()})
        if outer is tuple and isinstance(data, list | tuple):
            kinds = inner[:1] * len(data) if inner[-1] is Ellipsis else inner
            fits = len(kinds) == len(data)
            return tuple(map(_typed, kinds, data, repeat(make))) if fits else data
        if choice is np.ndarray and isinstance(data, list):
            return np.array(data)
        if choice is Quantity and not isinstance(data, bool):
            with suppress(SpecError):
                value = one_quantity(read_quantity(data) if isinstance(data, str) else data)
                if value is not None:
                    return value
    if isinstance(data, Mapping):
        family = [kind for choice in choices for kind in _family(choice)]
        return make(_class(family, data), data) if family else data
    return data


def _class(family: list[Any], data: Mapping[str, Any]) -> Any:
    """Return which class is meant: the one that is named, else that has the fields.

    Several have one name where a file was loaded more than once, or where a user's class has that
    of one of ours: then it is that of the same code, and ours without any.
    """
    names = {kind.__name__: kind for kind in family}
    if (named := str(data.get("kind"))) in names:
        same = [kind for kind in family if kind.__name__ == named]
        if len(same) > 1:
            own = data.get("class")
            same = [kind for kind in same if described_class(kind) == own] or same
        return same[-1]
    having = [kind for kind in names.values() if data.keys() - {"kind"} <= _hints(kind).keys()]
    chosen = [*having, *names.values()][0]
    if "kind" in data and "kind" not in _hints(chosen):
        raise SpecError(explain("kind", named, " or ".join(names)))
    return chosen


def _family(kind: Any) -> list[Any]:
    """Return the specifications among a class and what is derived from it."""
    classes: list[Any] = [kind] if isinstance(kind, type) else []
    for each in classes:
        classes += type.__subclasses__(each)
    return [each for each in classes if hasattr(each, "__dataclass_fields__")]


@cache
def _hints(kind: Any) -> dict[str, Any]:
    """Return the annotations of the fields of a class, by name."""
    hints = get_type_hints(kind)
    return {item.name: hints[item.name] for item in dataclasses.fields(kind)}


def _made(kind: Any, data: Mapping[str, Any]) -> Any:
    """Make a specification with all its checks."""
    hints = _hints(kind)
    if getattr(kind, "executes", False):
        fix = "load it from the file of its study"
        what = f"{kind.__name__}: it is code, which is never made of stored data"
        raise SpecError(f"{what}; {fix}")
    if "class" in data and data["class"] != described_class(kind):
        raise SpecError(f"{kind.__name__}: its code is not that of the class of this name here")
    ours = {"kind", "class"}
    given = {name: value for name, value in data.items() if name in hints or name not in ours}
    for name in given:
        if name not in hints:
            raise SpecError(f"{kind.__name__}: there is no '{name}'; {nearest(name, hints)}")
    values = {name: _typed(hints[name], each, _made) for name, each in given.items()}
    derived = {item.name for item in dataclasses.fields(kind) if not item.init} & values.keys()
    made = kind(**{name: value for name, value in values.items() if name not in derived})
    for name in derived:
        if getattr(made, name) != values[name]:
            raise SpecError(explain(place(made, name), getattr(made, name), values[name]))
    return made


def _outlined(kind: Any, data: Mapping[str, Any]) -> Any:
    made: Any = object.__new__(kind)
    for item in dataclasses.fields(kind):
        if item.name in data:
            value = data[item.name]
            with suppress(SpecError):
                value = _typed(_hints(kind)[item.name], value, _outlined)
            object.__setattr__(made, item.name, value)
        elif item.default_factory is not dataclasses.MISSING:
            object.__setattr__(made, item.name, item.default_factory())
        elif item.default is not dataclasses.MISSING:
            object.__setattr__(made, item.name, item.default)
    return made

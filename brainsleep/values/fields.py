"""What the values of a specification may be, said where its fields are declared.

The type of a field says most: ``int`` takes whole numbers from 0 on, ``float`` finite numbers,
``bool``, ``str``, another specification, ``tuple[X, ...]``, ``Mapping[str, X]``, ``X | None``.
``Annotated`` says the rest. What is given is checked when a specification is made, and converted:
numbers to Python's, lists to tuples, mappings to frozen ones. Rules between fields stand in
``__post_init__``, which follows.

>>> @specification("nap.")
... class Nap:
...     length: Annotated[float, number(above=0, most=1)]
...     dreams: tuple[Annotated[int, whole(1)], ...] = ()
>>> Nap(length=1, dreams=[3])
Nap(length=1.0, dreams=(3,))
>>> Nap(length=0)
Traceback (most recent call last):
brainsleep.errors.SpecError: nap.length: got 0; expected a number of more than 0 and at most 1
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import math
import re
from collections.abc import Callable, Mapping
from functools import wraps
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Union,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

from brian2 import Quantity, second

from .. import mistakes
from ..errors import BrainsleepError, Details, ProtocolError, SpecError, closest, explain, nearest
from ..files.load import load
from .frozen import Frozen, check_distinct, show_value
from .quantities import check_quantity, check_time, check_units, check_whole, is_number
from .reading import read_number

Kind = type[BrainsleepError]


def _as_given(value: Any, *_: Any) -> Any:
    return value


@dataclasses.dataclass(frozen=True)
class Field:
    """What a value may be.

    Parameters
    ----------
    check : callable
        ``check(value, where, error)`` returns the value that is kept. It raises `error` for one of
        another kind, and reports one that is only out of range.
    read : callable
        ``read(value, old, where)`` reads a value given by key, such as text of a command line.
    words, example : str
        What several are called, and one in code.
    item : Field, optional
        What it holds, of a tuple or a mapping.
    grows : bool
        Whether a mapping takes names that it has not yet; None then takes one away.
    """

    check: Callable[[Any, str, Kind], Any] = _as_given
    read: Callable[[Any, Any, str], Any] = _as_given
    words: str = "values"
    example: str = "part"
    item: Field | None = None
    grows: bool = False


# -- what there is ---------------------------------------------------------------------------------


def whole(least: int = 0, most: float = math.inf, note: str = "") -> Field:
    """Take whole numbers within limits; what `note` says is added to what is expected."""

    def check(value: Any, where: str, error: Kind) -> int:
        return check_whole(value, where, error, least=least, most=most, note=note)

    def read(value: Any, old: Any, where: str) -> int:
        found = read_number(value, old, where)
        if not is_number(found) or not float(found).is_integer():
            raise ProtocolError(explain(where, show_value(found), "a whole number"))
        return int(found)

    return Field(check, read, "whole numbers", "50")


def number(
    least: float = -math.inf,
    most: float = math.inf,
    *,
    above: float = -math.inf,
    below: float = math.inf,
    allowed: str = "",
    fix: str = "",
) -> Field:
    """Take finite numbers within limits; `allowed` says it in other words, `fix` what to do."""
    allowed = allowed or _range(least, most, above, below)

    def check(value: Any, where: str, error: Kind) -> float:
        if not is_number(value):
            raise error(explain(where, show_value(value), allowed, fix))
        if not (least <= value <= most and above < value < below):
            mistakes.report(error(explain(where, value, allowed, fix)))
        return float(value)

    def read(value: Any, old: Any, where: str) -> float:
        found = read_number(value, old, where)
        if not is_number(found):
            raise ProtocolError(explain(where, show_value(found), "a number"))
        return float(found)

    return Field(check, read, "numbers", "0.5")


def _range(least: float, most: float, above: float, below: float) -> str:
    """Say what numbers are within limits."""
    if math.isfinite(least) and math.isfinite(most):
        return f"a number from {least:g} to {most:g}"
    if math.isfinite(above) and math.isfinite(below):
        return f"a number between {above:g} and {below:g}"
    limits = {"at least": least, "more than": above, "at most": most, "less than": below}
    said = [f"{words} {limit:g}" for words, limit in limits.items() if math.isfinite(limit)]
    return f"a number of {' and '.join(said)}" if said else "a finite number without unit"


def quantity(unit: Quantity | None = None, *, positive: bool = False) -> Field:
    """Take finite quantities: of a unit, if one is given."""

    def check(value: Any, where: str, error: Kind) -> Quantity:
        if unit is None:
            return check_quantity(value, where, error)
        found = check_units(value, Quantity(unit), where, error)
        if positive and not found > 0:
            mistakes.report(error(explain(where, found, f"more than {0 * unit}")))
        return found

    def read(value: Any, old: Any, where: str) -> Quantity:
        found, like = read_number(value, old, where), unit if old is None else old
        return found if like is None else check_units(found, like, where, ProtocolError)

    return Field(check, read, "quantities", "3*mV")


def time() -> Field:
    """Take times of more than 0 s."""
    return Field(check_time, quantity(second).read, "times", "300*ms")


def flag() -> Field:
    """Take True or False."""

    def check(value: Any, where: str, error: Kind) -> bool:
        if not isinstance(value, bool):
            raise error(explain(where, repr(value), "True or False"))
        return value

    def read(value: Any, old: Any, where: str) -> bool:
        found = {"true": True, "false": False}.get(str(value).lower())
        if not isinstance(value, str | bool) or found is None:
            raise ProtocolError(explain(where, show_value(value), "true or false"))
        return found

    return Field(check, read, "truth values", "True")


def text(hint: str = "") -> Field:
    """Take text; `hint` says what to do with a quantity instead."""

    def check(value: Any, where: str, error: Kind) -> str:
        if not isinstance(value, str):
            fix = hint.format(field=where.split()[-1]) if isinstance(value, Quantity) else ""
            raise error(explain(where, show_value(value), "text", fix))
        return value

    return Field(check, lambda value, old, where: check(value, where, ProtocolError), "texts")


def one_of(*choices: Any) -> Field:
    """Take one of a few values."""
    written = [str(choice) for choice in choices]
    if any(" " in each for each in written):
        written = [repr(choice) for choice in choices]

    def check(value: Any, where: str, error: Kind) -> Any:
        if value in choices:
            return choices[choices.index(value)]
        close = closest(str(value), map(str, choices))
        fix = f"did you mean '{close}'?" if close else ""
        allowed = " or ".join(filter(None, (", ".join(written[:-1]), written[-1])))
        raise error(explain(where, repr(value), allowed, fix), Details(word=str(value)))

    return Field(check, (text() if isinstance(choices[0], str) else whole()).read)


def spec(kind: type, fix: str = "") -> Field:
    """Take specifications of a kind, or any other objects of it; `fix` says how one is made."""

    def check(value: Any, where: str, error: Kind) -> Any:
        if not isinstance(value, kind):
            raise error(explain(where, show_value(value), kind.__name__, fix))
        return value

    def read(value: Any, old: Any, where: str) -> Any:
        found = getattr(kind, "from_text", load)(value) if isinstance(value, str) else value
        if not isinstance(found, kind):
            other = "name one as FILE.py:NAME or set one of its fields"
            raise ProtocolError(explain(where, show_value(found), kind.__name__, other))
        return found

    return Field(check, read, kind.__name__)


def optional(field: Field) -> Field:
    """Take None, too."""

    def check(value: Any, where: str, error: Kind) -> Any:
        return None if value is None else field.check(value, where, error)

    def read(value: Any, old: Any, where: str) -> Any:
        return None if value in (None, "none", "None") else field.read(value, old, where)

    return dataclasses.replace(field, check=check, read=read)


def tuple_of(item: Field, size: int | None = None) -> Field:
    """Take tuples; what has a name in them has one of its own."""
    allowed = f"a tuple of {item.words}" if size is None else f"a tuple of {size} {item.words}"
    fix = f"write ({item.example},) for one" if size is None else ""

    def check(value: Any, where: str, error: Kind) -> tuple:
        if not isinstance(value, tuple | list) or size not in (None, len(value)):
            raise error(explain(where, show_value(value), allowed, fix))
        found = tuple(item.check(part, where, error) for part in value)
        check_distinct([part.name for part in found if hasattr(part, "name")], where, error)
        return found

    def read(value: Any, old: Any, where: str) -> tuple:
        if isinstance(value, str) and item.item:  # groups
            try:
                return ast.literal_eval(value.strip())
            except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
                groups = "groups such as ((0, 1), (2, 3))"
                raise ProtocolError(explain(where, repr(value), groups)) from error
        if isinstance(value, str):
            words = re.split(r"[,\s()]+", value)
            return tuple(item.read(word, None, where) for word in words if word)
        if not isinstance(value, tuple | list):
            raise ProtocolError(explain(where, show_value(value), "a tuple, such as (1, 2)"))
        return tuple(value)

    return Field(check, read, "tuples", item=item)


def mapping(item: Field, *, grows: bool = False) -> Field:
    """Take mappings of names to values, which are then frozen."""

    def check(value: Any, where: str, error: Kind) -> Frozen:
        if not isinstance(value, Mapping):
            raise error(explain(where, show_value(value), "{name: value}"))
        return Frozen({k: item.check(each, f"{where}.{k}", error) for k, each in value.items()})

    return Field(check, words="mappings", item=item, grows=grows)


Count = Annotated[int, whole(1)]
Share = Annotated[float, number(0, 1)]
Positive = Annotated[float, number(above=0)]
Time = Annotated[Quantity, time()]
Gates = Annotated[Mapping[str, float], mapping(number(0, 1), grows=True)]

_PLAIN = {bool: flag(), int: whole(), float: number(), str: text(), Quantity: quantity()}


def _field(hint: Any) -> Field:
    """Return what a value of a type may be."""
    kind, parts = get_origin(hint), get_args(hint)
    if kind is Annotated:
        return next(part for part in parts if isinstance(part, Field))
    if kind in (Union, UnionType) and NoneType in parts and len(parts) == 2:
        return optional(_field(next(part for part in parts if part is not NoneType)))
    if kind is tuple:
        return tuple_of(_field(parts[0]), None if parts[-1] is ... else len(parts))
    if kind is Mapping:
        return mapping(_field(parts[1]))
    if hint in _PLAIN:
        return _PLAIN[hint]
    return spec(hint) if isinstance(hint, type) and hint is not Any else Field()


# -- specifications --------------------------------------------------------------------------------


@dataclass_transform(
    kw_only_default=True, frozen_default=True, field_specifiers=(dataclasses.field,)
)
def specification[T](
    place: str, error: Kind = SpecError, *, kw_only: bool = True
) -> Callable[[type[T]], type[T]]:
    """Make a class a frozen dataclass that checks and converts what its fields are given.

    Parameters
    ----------
    place : str
        What messages begin with before the name of a field: ``"population '{name}': "``.
    error : type
        What is raised for a value that is not allowed, and for fields that are missing, unknown
        or given without a name.
    kw_only : bool
        Whether fields are given by name only.
    """

    def change(kind: Any) -> Any:
        rules = vars(kind).get("__post_init__", getattr(kind, "__rules__", None))
        kind.__place__, kind.__error__, kind.__rules__ = place, error, rules

        def check(self: Any) -> None:
            with mistakes.checking(self):
                if _convert(self) and rules:
                    rules(self)

        kind.__post_init__ = check
        make = dataclasses.dataclass(frozen=True, kw_only=kw_only)(kind).__init__
        signature = inspect.signature(make)

        @wraps(make)
        def init(self: Any, *unnamed: Any, **given: Any) -> None:
            try:
                signature.bind(self, *unnamed, **given)
            except TypeError:
                raise _wrong(kind, unnamed, given, error) from None
            make(self, *unnamed, **given)

        kind.__init__ = init
        return kind

    return change


def fields_of(kind: Any) -> dict[str, Field]:
    """Return what the fields of a class of specifications may be, by name, in their order."""
    if "__kinds__" not in vars(kind):
        hints = get_type_hints(kind, include_extras=True)
        names = [f.name for f in dataclasses.fields(kind) if f.init]
        kind.__kinds__ = {name: _field(hints[name]) for name in names}
    return kind.__kinds__


def place(part: Any, field: str = "") -> str:
    """Say where in a specification something is wrong: ``population 'e': size``."""
    begin = type(part).__place__.format_map(vars(part))
    return begin + field if field else begin.rstrip(": .")


def refusal(part: Any, field: str, got: object, allowed: object, fix: str = "") -> BrainsleepError:
    """Return the error of a specification whose fields do not go together."""
    return type(part).__error__(explain(place(part, field), got, allowed, fix))


def _convert(part: Any) -> bool:
    """Convert the values of a specification; tell whether all could be."""
    done = True
    for name, field in fields_of(type(part)).items():
        try:
            value = field.check(getattr(part, name), place(part, name), type(part).__error__)
            object.__setattr__(part, name, value)
        except BrainsleepError as error:
            mistakes.report(error)
            done = False
    return done


def _wrong(kind: Any, unnamed: tuple, given: dict[str, Any], error: Kind) -> BrainsleepError:
    """Say what is wrong with the arguments that a specification was given."""
    name, fields = kind.__name__, [f for f in dataclasses.fields(kind) if f.init]
    names = [f.name for f in fields]
    if unknown := [key for key in given if key not in names]:
        close = closest(unknown[0], names)
        details = Details(
            brief=f"{name} takes no '{unknown[0]}'",
            word=unknown[0],
            expected=f"one of: {', '.join(names)}",
            fix=f"did you mean '{close}'?" if close else "",
            close=close,
        )
        return error(f"{details.brief}; {nearest(unknown[0], names)}", details)
    absent = (dataclasses.MISSING, dataclasses.MISSING)
    needed = [f.name for f in fields if (f.default, f.default_factory) == absent]
    positional = [f.name for f in fields if not f.kw_only][: len(unnamed)]
    missing = [key for key in needed if key not in given and key not in positional]
    brief, wanted = f"{name} needs {' and '.join(missing)}", missing
    if len(unnamed) > len(positional) or set(positional) & set(given):
        brief, wanted = f"{name} takes its values by name", needed or names
    fix = f"write {', '.join(f'{key}=...' for key in wanted)}"
    return error(f"{brief}; {fix}", Details(brief=brief, word=name, fix=fix))

"""What the values of a specification may be, said where its fields are declared.

The type of a field says most: ``int`` takes whole numbers from 0 on, ``float`` finite numbers,
``bool``, ``str``, another specification, ``tuple[X, ...]``, ``Mapping[str, X]``, ``X | None``.
``Annotated`` says the rest. What is given is checked when a specification is made, and converted:
numbers to Python's, lists to tuples, mappings to frozen ones. Then come rules between fields, in
``__post_init__``.

>>> @specification("nap.")
... class Nap:
...     length: Annotated[float, number(above=0, most=1)]
...     dreams: tuple[Annotated[int, whole(1)], ...] = ()
>>> Nap(length=1, dreams=[3])
Nap(length=1.0, dreams=(3,))
"""

import ast
import dataclasses
import inspect
import math
import re
from collections.abc import Callable, Mapping
from functools import partial, wraps
from types import NoneType, UnionType
from typing import Annotated, Any, Union, dataclass_transform, get_args, get_origin, get_type_hints

from brian2 import Quantity

from .. import mistakes
from ..errors import BrainsleepError, Details, ProtocolError, SpecError, closest, explain, nearest
from ..files.load import load
from .frozen import Frozen, check_distinct, show_value
from .quantities import (
    check_quantity,
    check_time,
    check_units,
    check_whole,
    is_number,
    read_quantity,
)
from .units import as_code

Kind = type[BrainsleepError]

#: ``check(value, where, error)`` returns the value that is kept. It raises `error` for one of
#: another kind, and reports one that is only out of range.
Check = Callable[[Any, str, Kind], Any]

#: ``read(value, old, where)`` reads what is given by key in place of `old`, as text or an object.
Read = Callable[[Any, Any, str], Any]

#: Says of a mapping that new names can be given by key, and taken away with None.
GROWS = "grows"


def whole(least: int = 0, most: float = math.inf, note: str = "") -> Check:
    """Take whole numbers within limits; what `note` says is added to what is expected."""
    return partial(check_whole, least=least, most=most, note=note)


def number(
    least: float = -math.inf,
    most: float = math.inf,
    *,
    above: float = -math.inf,
    below: float = math.inf,
    allowed: str = "",
    fix: str = "",
) -> Check:
    """Take finite numbers within limits; `allowed` says it in other words, `fix` what to do."""
    limits = {"at least": least, "more than": above, "at most": most, "less than": below}
    said = [f"{words} {limit:g}" for words, limit in limits.items() if math.isfinite(limit)]
    usual = f"a number of {' and '.join(said)}" if said else "a finite number without unit"
    allowed = allowed or usual

    def check(value: Any, where: str, error: Kind) -> float:
        if not is_number(value):
            raise error(explain(where, show_value(value), allowed, fix))
        if not (least <= value <= most and above < value < below):
            mistakes.report(error(explain(where, value, allowed, fix)))
        return float(value)

    return check


def positive(unit: Quantity, *, or_zero: bool = False) -> Check:
    """Take finite quantities of a unit, above 0."""

    def check(value: Any, where: str, error: Kind) -> Quantity:
        quantity = check_units(value, Quantity(unit), where, error)
        if not (quantity > 0 or (or_zero and quantity == 0)):
            allowed = f"{'at least' if or_zero else 'more than'} {0 * unit}"
            mistakes.report(error(explain(where, quantity, allowed)))
        return quantity

    return check


def one_of(*choices: Any) -> Check:
    """Take one of a few values."""
    written = [str(choice) for choice in choices]
    if any(" " in each for each in written):
        written = [repr(choice) for choice in choices]
    allowed = " or ".join(filter(None, (", ".join(written[:-1]), written[-1])))

    def check(value: Any, where: str, error: Kind) -> Any:
        if value in choices:
            return choices[choices.index(value)]
        close = closest(str(value), map(str, choices))
        fix = f"did you mean '{close}'?" if close else ""
        raise error(explain(where, repr(value), allowed, fix), Details(word=str(value)))

    return check


def spec(*kinds: type, allowed: str = "", fix: str = "") -> Check:
    """Take specifications of some kinds, or any other objects; `fix` says how one is made."""
    allowed = allowed or " or ".join(kind.__name__ for kind in kinds)

    def check(value: Any, where: str, error: Kind) -> Any:
        if not isinstance(value, kinds):
            raise error(explain(where, show_value(value), allowed, fix))
        return value

    return check


text = spec(str, allowed="text")

Count = Annotated[int, whole(1)]
Share = Annotated[float, number(0, 1)]
Positive = Annotated[float, number(above=0)]
Time = Annotated[Quantity, check_time]
Gates = Annotated[Mapping[str, Share], GROWS]


def _read_number(value: Any, old: Any, where: str, allowed: str = "a value") -> Any:
    """Read ``0.2``, ``300*ms`` or ``2 mV/ms``."""
    if not isinstance(value, str):
        return value
    try:
        result = read_quantity(value)
    except SpecError as error:
        raise ProtocolError(f"{where}: {error}") from error
    if result is None:
        example = "0.2 or 300*ms"
        if is_number(old) or isinstance(old, Quantity):
            example = f"a value such as {as_code(old)}"
        elif isinstance(old, tuple) and all(map(is_number, old)):
            example = f"values such as ({','.join(map(as_code, old or (2, 4)))})"
        raise ProtocolError(explain(where, repr(value), allowed, f"write {example}"))
    return result


def _read_whole(value: Any, old: Any, where: str) -> Any:
    """Read a whole number, also one with a point."""
    result = _read_number(value, old, where, "a whole number")
    return int(result) if is_number(result) and float(result).is_integer() else result


def _read_quantity(value: Any, old: Any, where: str) -> Any:
    """Read a quantity, of the units of the old one."""
    result = _read_number(value, old, where)
    return result if old is None else check_units(result, old, where, ProtocolError)


def _read_quantity_or_name(value: Any, old: Any, where: str) -> Any:
    is_name = isinstance(value, str) and read_quantity(value) is None
    return value if is_name else _read_number(value, old, where)


def _read_quantity_or_object(*kinds: type) -> Read:
    """Read a number with its unit, or ``FILE.py:NAME``."""
    read_object = _read_object(*kinds)

    def read(value: Any, old: Any, where: str) -> Any:
        if isinstance(value, str):
            quantity = read_quantity(value)
            return read_object(value, old, where) if quantity is None else quantity
        return value

    return read


def _read_flag(value: Any, old: Any, where: str) -> Any:
    return {"true": True, "false": False}.get(str(value).lower(), value)


def _read_object(*kinds: type) -> Read:
    """Read ``FILE.py:NAME``, or what text the kind itself reads."""
    check = spec(*kinds, fix="name one as FILE.py:NAME or set one of its fields")
    make = getattr(kinds[0], "from_text", load)

    def read(value: Any, old: Any, where: str) -> Any:
        return check(make(value) if isinstance(value, str) else value, where, ProtocolError)

    return read


def _read_several(item: Read) -> Read:
    """Read ``1,2`` or ``(1, 2)``."""

    def read(value: Any, old: Any, where: str) -> Any:
        if not isinstance(value, str):
            return value
        return tuple(item(word, old, where) for word in re.split(r"[,\s()]+", value) if word)

    return read


def _read_groups(value: Any, old: Any, where: str) -> Any:
    """Read ``((0, 1), (2, 3))``."""
    try:
        return ast.literal_eval(value.strip() or "()") if isinstance(value, str) else value
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
        allowed = "groups such as ((0, 1), (2, 3))"
        raise ProtocolError(explain(where, repr(value), allowed)) from error


@dataclasses.dataclass(frozen=True)
class Field:
    """What a value may be, and how it is read.

    `words` are what several are called, `example` is one in code, `item` what a tuple or mapping
    holds; a mapping that `grows` takes names that it has not yet.
    """

    check: Check = lambda value, where, error: value
    read: Read = lambda value, old, where: value
    words: str = "values"
    example: str = "part"
    item: "Field | None" = None
    grows: bool = False


_PLAIN = {
    bool: Field(spec(bool, allowed="a truth value", fix="write True or False"), _read_flag),
    int: Field(whole(), _read_whole, "whole numbers", "50"),
    float: Field(number(), _read_number, "numbers", "0.5"),
    str: Field(text, words="texts"),
    Quantity: Field(check_quantity, _read_quantity, "quantities", "3*mV"),
    Quantity | str: Field(read=_read_quantity_or_name),
}


def _field(hint: Any) -> Field:
    """Return what a value of a type may be."""
    kind, parts = get_origin(hint), get_args(hint)
    if kind is Annotated:
        given = next((part for part in parts[1:] if isinstance(part, Field)), None)
        given = given or _field(parts[0])
        check = next((part for part in parts[1:] if callable(part)), given.check)
        return dataclasses.replace(given, check=check, grows=GROWS in parts[1:])
    if kind in (Union, UnionType) and NoneType in parts and len(parts) == 2:
        return _optional(_field(next(part for part in parts if part is not NoneType)))
    if kind is tuple:
        return _tuple(_field(parts[0]), None if parts[-1] is ... else len(parts))
    if kind is Mapping:
        return _mapping(_field(parts[1]))
    if hint in _PLAIN:
        return _PLAIN[hint]
    kinds = parts if kind in (Union, UnionType) else (hint,)
    if Quantity in kinds and all(isinstance(part, type) for part in kinds):
        return Field(spec(*kinds), _read_quantity_or_object(*kinds), kinds[0].__name__)
    if hint is not Any and all(isinstance(part, type) for part in kinds):
        return Field(spec(*kinds), _read_object(*kinds), kinds[0].__name__)
    return Field()


def _optional(field: Field) -> Field:
    def check(value: Any, where: str, error: Kind) -> Any:
        return None if value is None else field.check(value, where, error)

    def read(value: Any, old: Any, where: str) -> Any:
        return None if value in (None, "none", "None") else field.read(value, old, where)

    return dataclasses.replace(field, check=check, read=read)


def _tuple(item: Field, size: int | None) -> Field:
    """Take tuples; what has a name in them has one of its own."""
    allowed = f"a tuple of {item.words}" if size is None else f"a tuple of {size} {item.words}"
    fix = f"write ({item.example},) for one" if size is None else ""

    def check(value: Any, where: str, error: Kind) -> tuple:
        if not isinstance(value, tuple | list) or size not in (None, len(value)):
            raise error(explain(where, show_value(value), allowed, fix))
        kept = tuple(item.check(part, where, error) for part in value)
        check_distinct([part.name for part in kept if hasattr(part, "name")], where, error)
        return kept

    read = _read_groups if item.item else _read_several(item.read)
    return Field(check, read, "tuples", item=item)


def _mapping(item: Field) -> Field:
    def check(value: Any, where: str, error: Kind) -> Frozen:
        if not isinstance(value, Mapping):
            raise error(explain(where, show_value(value), "{name: value}"))
        return Frozen({k: item.check(each, f"{where}.{k}", error) for k, each in value.items()})

    return Field(check, words="mappings", item=item)


@dataclass_transform(
    kw_only_default=True, frozen_default=True, field_specifiers=(dataclasses.field,)
)
def specification[T](
    place: str, error: Kind = SpecError, *, kw_only: bool = True
) -> Callable[[type[T]], type[T]]:
    """Make a class a frozen dataclass that checks and converts what its fields are given.

    Messages begin with `place` before the name of a field: ``"population '{name}': "``. `error` is
    raised for a value that is not allowed, and for fields that are missing, unknown or given
    without a name.
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
                raise _wrong(kind, unnamed, given) from None
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


def _wrong(kind: Any, unnamed: tuple, given: dict[str, Any]) -> BrainsleepError:
    """Say what is wrong with the arguments that a specification was given."""
    fields = [f for f in dataclasses.fields(kind) if f.init]
    names = [f.name for f in fields]
    if unknown := next((key for key in given if key not in names), ""):
        brief = f"{kind.__name__} takes no '{unknown}'"
        expected, close = f"one of: {', '.join(names)}", closest(unknown, names)
        details = Details(brief=brief, word=unknown, expected=expected, close=close)
        return kind.__error__(f"{brief}; {nearest(unknown, names)}", details)
    absent = (dataclasses.MISSING, dataclasses.MISSING)
    positional = [f.name for f in fields if not f.kw_only][: len(unnamed)]
    needed = [f.name for f in fields if (f.default, f.default_factory) == absent]
    missing = [key for key in needed if key not in given and key not in positional]
    brief = f"{kind.__name__} needs {' and '.join(missing)}"
    if len(unnamed) > len(positional) or set(positional) & set(given):
        brief = f"{kind.__name__} takes its values by name"
    fix = f"write {', '.join(f'{key}=...' for key in missing or names)}"
    return kind.__error__(f"{brief}; {fix}", Details(brief=brief, word=kind.__name__, fix=fix))

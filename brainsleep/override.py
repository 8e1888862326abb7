"""Changing one value deep inside a protocol, by its dotted key."""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from brian2 import Quantity, amp, farad, second, siemens, volt
from brian2.core.namespace import DEFAULT_UNITS

from .errors import BrainsleepError, Details, ProtocolError, SpecError, closest, explain, nearest
from .load import load
from .model import Model
from .quantities import check_units, is_number
from .spec import Network
from .units import as_code
from .values import show_value

#: Other names of units; `brian2` has no short ones of one letter.
_SHORT_UNITS = {"s": second, "V": volt, "A": amp, "F": farad, "S": siemens}


class UnknownKeyError(ProtocolError):
    """A key names something that is not there."""

    def __init__(self, name: str, known, key: str):
        details = Details(word=name, close=closest(name, known))
        text = f"key '{key}': there is no '{name}'; {nearest(name, known)}"
        super().__init__(" ".join(text.split()), details)


def replace_at(node: Any, path: list[str], value: Any, key: str) -> Any:
    """Return `node` with `value` at `path` below it."""
    if not path:
        return _convert(node, value, key)
    head, rest = path[0], path[1:]
    if isinstance(node, tuple) and all(hasattr(part, "name") for part in node):
        return _replace_parts(node, head, rest, value, key)
    if dataclasses.is_dataclass(node):
        fields = {f.name: f for f in dataclasses.fields(node)}
        if head in fields:
            if not rest and "None" in str(fields[head].type) and value in (None, "none", "None"):
                return _rebuild(node, head, None, key)
            if not rest and "tuple[str" in str(fields[head].type) and isinstance(value, str):
                value = _words(value)
            return _rebuild(node, head, replace_at(getattr(node, head), rest, value, key), key)
        parameters: Mapping = node.parameters if isinstance(node, Model) else {}
        if head not in parameters:
            raise UnknownKeyError(head, [*fields, *parameters], key)
        new = replace_at(parameters[head], rest, value, key)
        return _rebuild(node, "parameters", {**parameters, head: new}, key)
    if isinstance(node, Mapping):
        kind = key.split(".")[-2]
        if kind == "initial" and not rest:  # a quantity, or the name of a parameter
            number = isinstance(value, str) and _NUMBER.match(value)
            return {**node, head: _parse(value, 0.0, key) if number else value}
        if head not in node and (rest or kind != "gates"):
            raise UnknownKeyError(head, node, key)
        if kind == "gates" and value in (None, "none", "None"):
            return {gate: opening for gate, opening in node.items() if gate != head}
        return {**node, head: replace_at(node.get(head, 0.0), rest, value, key)}
    raise UnknownKeyError(head, (), key)


def _replace_parts(parts: tuple, head: str, rest: list[str], value: Any, key: str) -> tuple:
    """Replace in the part called `head`; for ``*`` in every part that has what `rest` names."""
    done, missing = [], UnknownKeyError(head, [part.name for part in parts], key)
    found = False
    for part in parts:
        if head in ("*", part.name):
            try:
                part, found = replace_at(part, rest, value, key), True
            except UnknownKeyError as error:
                missing = error
        done.append(part)
    if not found:
        raise missing
    return tuple(done)


def _rebuild(node: Any, name: str, value: Any, key: str) -> Any:
    try:
        return dataclasses.replace(node, **{name: value})
    except BrainsleepError:
        raise
    except (TypeError, ValueError) as error:
        raise ProtocolError(f"key '{key}': {' '.join(str(error).split())}") from error


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in re.split(r"[,\s()]+", text) if word)


_UNIT = r"[A-Za-z]\w*(?:\s*\*\*\s*-?\d{1,2})?"
_FACTOR = re.compile(r"([*/]?)\s*([A-Za-z]\w*)(?:\s*\*\*\s*(-?\d{1,2}))?")
_NUMBER = re.compile(
    r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
    rf"(\s*\*?\s*{_UNIT}(?:\s*[*/]\s*{_UNIT})*)?\s*\Z"
)


def _convert(old: Any, new: Any, key: str) -> Any:
    """Read `new` as the kind of value that `old` is."""
    where = f"key '{key}'"
    if isinstance(new, str) and not isinstance(old, str):
        new = _parse(new, old, key)
    if dataclasses.is_dataclass(old):
        kind = Network if isinstance(old, Network) else type(old)
        if not isinstance(new, kind):
            raise ProtocolError(
                explain(
                    where,
                    show_value(new),
                    kind.__name__,
                    "name one as FILE.py:NAME or set one of its fields",
                )
            )
        return new
    if isinstance(old, Quantity):
        try:
            return check_units(new, old, where)
        except SpecError as error:
            raise ProtocolError(str(error)) from error
    if isinstance(old, bool):
        allowed, good = "true or false", isinstance(new, bool)
    elif isinstance(old, int):
        allowed, good = "a whole number", is_number(new) and float(new).is_integer()
    elif isinstance(old, float):
        allowed, good = "a number", is_number(new)
    elif isinstance(old, str):
        allowed, good = "text", isinstance(new, str)
    elif isinstance(old, tuple):
        allowed, good = "a tuple, such as (1, 2)", isinstance(new, tuple | list)
    else:
        return new
    if not good:
        raise ProtocolError(explain(where, show_value(new), allowed))
    return type(old)(new)


def _like(old: Any) -> str:
    """Write a value as one writes another in its place after ``--set``."""
    if isinstance(old, bool):
        return "true or false"
    if is_number(old) or isinstance(old, Quantity):
        return f"a value such as {as_code(old)}"
    if isinstance(old, tuple) and all(map(is_number, old)):
        return f"values such as ({','.join(map(as_code, old or (2, 4)))})"
    return "0.2 or 300*ms"


def _parse(text: str, old: Any, key: str, like: str = "") -> Any:
    """Read text as a truth value, tuple, object or number with unit, depending on `old`."""
    like = like or _like(old)
    if isinstance(old, bool) and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if isinstance(old, tuple) and re.match(r"\s*\(\s*\(", text):  # groups of numbers
        try:
            return ast.literal_eval(text.strip())
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
            allowed = "groups such as ((0, 1), (2, 3))"
            raise ProtocolError(explain(f"key '{key}'", repr(text), allowed)) from error
    if isinstance(old, tuple):
        words = _words(text)
        if old and isinstance(old[0], str):
            return words
        return tuple(load(word) if ":" in word else _parse(word, 0, key, like) for word in words)
    if dataclasses.is_dataclass(old):
        return getattr(old, "from_text", load)(text)
    match = _NUMBER.match(text)
    if not match:
        raise ProtocolError(explain(f"key '{key}'", repr(text), "a value", f"write {like}"))
    if match[2]:
        return float(match[1]) * _unit(match[2], key)
    whole = re.fullmatch(r"[-+]?\d{1,300}", match[1])  # more digits than a float can hold
    return int(match[1]) if whole else float(match[1])


def _unit(text: str, key: str) -> Quantity:
    """Read a product of powers of units such as ``ms``, ``mV/ms``, ``volt**-1``."""
    unit = Quantity(1.0)
    for operator, name, power in _FACTOR.findall(text):
        one = _SHORT_UNITS.get(name) or DEFAULT_UNITS.get(name)
        if one is None:
            raise ProtocolError(explain(f"key '{key}'", f"unit '{name}'", "a unit such as ms, mV"))
        unit = unit * one ** ((-1 if operator == "/" else 1) * int(power or 1))
    return unit

"""Changing one value deep inside a protocol, by its dotted key."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ..errors import BrainsleepError, Details, ProtocolError, closest, nearest
from ..network.models import Model
from ..values.fields import Field, fields_of


class UnknownKeyError(ProtocolError):
    """A key names something that is not there."""

    def __init__(self, name: str, known, key: str):
        details = Details(word=name, close=closest(name, known))
        text = f"key '{key}': there is no '{name}'; {nearest(name, known)}"
        super().__init__(" ".join(text.split()), details)


def replace_at(field: Field, node: Any, path: list[str], value: Any, key: str) -> Any:
    """Return `node`, which `field` holds, with `value` at `path` below it."""
    if not path:
        return field.read(value, node, f"key '{key}'")
    head, rest = path[0], path[1:]
    if field.item and isinstance(node, tuple):
        return _replace_parts(field.item, node, head, rest, value, key)
    if dataclasses.is_dataclass(node):
        fields = fields_of(type(node))
        if head in fields:
            new = replace_at(fields[head], getattr(node, head), rest, value, key)
            return _rebuild(node, head, new, key)
        parameters: Mapping = node.parameters if isinstance(node, Model) else {}
        if head not in parameters:
            raise UnknownKeyError(head, [*fields, *parameters], key)
        new = replace_at(fields["parameters"], parameters, path, value, key)
        return _rebuild(node, "parameters", new, key)
    if field.item and isinstance(node, Mapping):
        if head not in node and (rest or not field.grows):
            raise UnknownKeyError(head, node, key)
        if field.grows and value in (None, "none", "None"):
            return {name: each for name, each in node.items() if name != head}
        return {**node, head: replace_at(field.item, node.get(head), rest, value, key)}
    raise UnknownKeyError(head, (), key)


def _replace_parts(
    field: Field, parts: tuple, head: str, rest: list[str], value: Any, key: str
) -> tuple:
    """Replace in the part called `head`; for ``*`` in every part that has what `rest` names."""
    names = [getattr(part, "name", "") for part in parts]
    missing = [UnknownKeyError(head, [name for name in names if name], key)]
    changed = list(parts)
    for place, name in enumerate(names):
        if head in ("*", name):
            try:
                changed[place] = replace_at(field, parts[place], rest, value, key)
                missing.clear()
            except UnknownKeyError as error:
                missing = missing and [error]
    if missing:
        raise missing[0]
    return tuple(changed)


def _rebuild(node: Any, name: str, value: Any, key: str) -> Any:
    try:
        return dataclasses.replace(node, **{name: value})
    except BrainsleepError:
        raise
    except (TypeError, ValueError) as error:
        raise ProtocolError(f"key '{key}': {' '.join(str(error).split())}") from error

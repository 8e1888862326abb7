"""Changing one value deep inside a protocol, by its dotted key."""

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

from ..errors import Details, ProtocolError, closest, nearest, one_line
from ..network.models import Model
from ..values.fields import Field, fields_of


class UnknownKeyError(ProtocolError):
    """A key names something that is not there."""

    def __init__(self, name: str, choices: Collection[str], key: str, where: str = ""):
        text = f"key '{key}': there is no '{name}'{where}; {nearest(name, choices)}"
        details = Details(word=name, close=closest(name, choices))
        super().__init__(" ".join(text.split()), details)


def replace_at(field: Field, node: Any, path: list[str], value: Any, key: str) -> Any:
    """Return `node`, which `field` holds, with `value` at `path` below it."""
    if not path:
        return field.read(value, node, f"key '{key}'")
    head, rest = path[0], path[1:]
    if field.item and isinstance(node, tuple):
        return _replace_parts(field.item, node, head, rest, value, key)
    if hasattr(node, "__dataclass_fields__"):
        fields = fields_of(type(node))
        parameters: Mapping = node.parameters if isinstance(node, Model) else {}
        if head not in fields and head not in parameters:
            raise UnknownKeyError(head, [*fields, *parameters], key)
        name, below = (head, rest) if head in fields else ("parameters", path)
        new = replace_at(fields[name], getattr(node, name), below, value, key)
        try:
            return dataclasses.replace(node, **{name: new})
        except (TypeError, ValueError) as error:
            raise ProtocolError(f"key '{key}': {one_line(error)}") from error
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
    """Replace in the part called `head`; for ``*`` in every part that has what `rest` names.

    Parts without names, such as periods, are called by their numbers, from 0 on.
    """
    names = [getattr(part, "name", "") or str(place) for place, part in enumerate(parts)]
    missing = [UnknownKeyError(head, names, key)]
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

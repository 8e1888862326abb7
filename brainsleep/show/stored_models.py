"""Models as results describe them: plain data turned into models to be shown, never to be run.

A result may come from anyone, so nothing in it is evaluated: no equation is handed to Brian2, whose
parser computes units, and what is made here is not checked as a model that is simulated is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, get_origin, get_type_hints

from ..errors import StoreError, explain
from ..network.models import KINDS, Model
from ..network.spec import Network

#: Longest piece of code, and most parameters, that are shown.
LONGEST, MOST = 10_000, 500


def models(network: Network) -> Iterator[tuple[Model, list[str]]]:
    """Yield every different model of a network, and the names of those that have it."""
    users: list[tuple[Model, list[str]]] = []
    for part in (*network.populations, *network.projections):
        own = [getattr(part, name, None) for name in ("model", "synapse")]
        for label in ("activities", "rules", "processes"):
            own += getattr(part, label, ())
        for model in map(_showable, filter(None, own)):
            same = next((names for other, names in users if other == model), None)
            if same is None:
                users.append((model, [part.name]))
            else:
                same.append(part.name)
    yield from sorted(users, key=lambda each: list(KINDS).index(type(each[0])))


def _showable(model: Model) -> Model:
    """Return a model if it is short enough to be shown; raise `StoreError` otherwise."""
    texts, hints = _texts(type(model)), get_type_hints(type(model))
    for item in dataclasses.fields(model):  # type: ignore[arg-type]
        where = f"described model: {item.name}"
        value: Any = getattr(model, item.name, "")
        mapping = get_origin(hints[item.name]) is Mapping
        if mapping and (not isinstance(value, Mapping) or len(value) > MOST):
            raise StoreError(explain(where, type(value).__name__, f"a mapping of at most {MOST}"))
        codes = list(value.values()) if item.name == "sums" else []
        for code in [value] if item.name in texts else codes:
            if not isinstance(code, str) or len(code) > LONGEST:
                allowed = f"text of at most {LONGEST} characters"
                raise StoreError(explain(where, f"a {type(code).__name__}", allowed))
    return model


def source(shown: Model) -> str:
    """Return all code of a model as text, for one that cannot be read any better."""
    texts = ((name, getattr(shown, name)) for name in _texts(type(shown)))
    return "\n".join(f"{name}: {text}" for name, text in texts if text)


def _texts(kind: type[Model]) -> list[str]:
    """Return which fields of a model are text."""
    hints = get_type_hints(kind)
    names = [item.name for item in dataclasses.fields(kind)]  # type: ignore[arg-type]
    return [name for name in names if hints[name] is str]

"""Models as results describe them: plain data turned into models to be shown, never to be run.

A result may come from anyone, so nothing in it is evaluated: no equation is handed to Brian2, whose
parser computes units, and what is made here is not checked as a model that is simulated is.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any, get_type_hints

from brian2 import Quantity
from brian2.core.namespace import DEFAULT_UNITS

from ..errors import StoreError, explain
from ..network.models import (
    Model,
    NeuronModel,
    PlasticityRule,
    SpontaneousActivity,
    SynapseModel,
    WeightProcess,
)

#: Kinds of models, by their name in descriptions, and what a reader calls them.
KINDS: dict[str, tuple[type[Model], str]] = {
    "NeuronModel": (NeuronModel, "neuron"),
    "SynapseModel": (SynapseModel, "synapse"),
    "PlasticityRule": (PlasticityRule, "plasticity rule"),
    "SpontaneousActivity": (SpontaneousActivity, "activity"),
    "WeightProcess": (WeightProcess, "weight process"),
}

#: Longest piece of code, and most parameters, that are shown.
LONGEST, MOST = 10_000, 500

_FACTOR = re.compile(r"([*/]?)([a-zA-Z]+)(?:\*\*(-?\d(?:\.\d+)?))?")


def models(network: dict[str, Any]) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """Yield the description of every different model of a network, and who uses it.

    Parameters
    ----------
    network : dict
        Description of a network.

    Yields
    ------
    description : dict
        Of a model.
    users : list of str
        Names of populations and projections.
    """
    found: list[tuple[dict[str, Any], list[str]]] = []
    for part in (*network["populations"], *network["projections"]):
        own = [part.get("model"), *part.get("activities", ()), part.get("synapse")]
        for described in (*own, *part.get("rules", ()), *part.get("processes", ())):
            if not described:
                continue
            users = next((users for other, users in found if other == described), None)
            if users is None:
                found.append((described, [part["name"]]))
            else:
                users.append(part["name"])
    order = list(KINDS)
    yield from sorted(found, key=lambda each: order.index(_kind(each[0])))


def model(described: dict[str, Any]) -> Model:
    """Return a model that can be shown.

    Parameters
    ----------
    described : dict
        From `brainsleep.experiment.protocol.plain`.

    Raises
    ------
    StoreError
        If it is no description of a model.
    """
    kind = KINDS[_kind(described)][0]
    texts = _texts(kind)
    found = object.__new__(kind)  # without the checks, which would evaluate units
    for item in dataclasses.fields(kind):  # type: ignore[arg-type]
        value = described.get(item.name)
        if item.name in texts:
            value = _code(item.name, "" if value is None else value)
        elif item.name in ("parameters", "initial"):
            value = {str(k): quantity(v) for k, v in _mapping(item.name, value).items()}
        elif item.name == "sums":
            value = {str(k): _code(k, v) for k, v in _mapping(item.name, value).items()}
        elif item.name == "references":
            value = tuple(map(str, value or ()))
        elif item.name == "period" or (item.name == "dt" and value is not None):
            value = quantity(value)
        object.__setattr__(found, item.name, value)
    return found


def source(shown: Model) -> str:
    """Return all code of a model as text, for one that cannot be read any better."""
    found = {name: getattr(shown, name) for name in _texts(type(shown))}
    return "\n".join(f"{name}: {text}" for name, text in found.items() if text)


def _texts(kind: type[Model]) -> list[str]:
    """Return which fields of a model are text."""
    hints = get_type_hints(kind)
    names = [item.name for item in dataclasses.fields(kind)]  # type: ignore[arg-type]
    return [name for name in names if hints[name] is str]


def quantity(text: Any) -> Any:
    """Return a number with its unit, as in ``"0.03 second"``; anything else as text."""
    if isinstance(text, int | float):
        return float(text)
    number, _, unit = str(text).partition(" ")
    try:
        value = Quantity(float(number))
    except ValueError:
        return str(text)
    factors = list(_FACTOR.finditer(unit))
    if "".join(factor[0] for factor in factors) != unit:
        return str(text)
    for sign, name, power in (factor.groups() for factor in factors):
        if name not in DEFAULT_UNITS:
            return str(text)
        value = value * Quantity(DEFAULT_UNITS[name]) ** (float(power or 1) * (-1) ** (sign == "/"))
    return value


def _kind(described: Any) -> str:
    kind = described.get("kind") if isinstance(described, dict) else type(described).__name__
    if kind not in KINDS:
        raise StoreError(explain("described model: kind", repr(kind), f"one of {', '.join(KINDS)}"))
    return str(kind)


def _code(name: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST:
        got = f"{len(value)} characters" if isinstance(value, str) else type(value).__name__
        allowed = f"text of at most {LONGEST} characters"
        raise StoreError(explain(f"described model: {name}", got, allowed))
    return value


def _mapping(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict | None) or len(value or ()) > MOST:
        raise StoreError(explain(f"described model: {name}", type(value).__name__, "a mapping"))
    return value or {}

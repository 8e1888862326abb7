"""Specifications as plain data, which JSON can hold exactly."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from brian2 import Quantity

from .functions import described, described_class
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

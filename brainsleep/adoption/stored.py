"""States that a script stores, and goes back to: runs in between leave nothing."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from brian2 import Quantity
from brian2.core.variables import ArrayVariable

from .network import all_objects
from .runs import Run, Touched, Values


@dataclass
class Before:
    """What a recorder goes by when it notes what a script changes."""

    values: Values
    touched: Touched
    outside: dict[tuple[str, str], Quantity]


@dataclass
class Stored:
    """A state that a script stored: after some runs, and so many steps.

    Attributes
    ----------
    before : Before or None
        None if there was no run yet.
    arrays : list
        Variables of Brian2 and their values.
    """

    runs: tuple[Run, ...]
    step: int
    before: Before | None
    arrays: list[tuple[ArrayVariable, np.ndarray]]

    def put_back(self) -> None:
        """Give Brian2's variables their values."""
        for variable, values in self.arrays:
            variable.set_value(values)


def stored(objects: Iterable[Any], runs: Iterable[Run], step: int, before: Before | None) -> Stored:
    """Store the state of objects."""
    arrays = []
    for each in all_objects(objects):
        if "Monitor" in type(each).__name__:
            continue
        for variable in getattr(each, "variables", {}).values():
            own = isinstance(variable, ArrayVariable) and variable.owner is not None
            if own and variable.owner.name == each.name and not variable.read_only:
                arrays.append((variable, np.array(variable.get_value(), copy=True)))
    return Stored(tuple(runs), step, copy.deepcopy(before), arrays)

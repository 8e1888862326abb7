"""Recorded events in a stored run, with values of variables then."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from brian2 import Quantity, second

from ..errors import DataError, StoreError, nearest
from ..values.units import read_unit
from .trace import stored_file

if TYPE_CHECKING:
    import pandas

    from .result import Result


@dataclass(frozen=True, eq=False)
class Events:
    """Events of a population, in the order of time, with what variables of the neuron were then.

    What is on disk is read where it is looked at: of a long run, take ``events.between(...)``.
    """

    #: Name of population and event, such as ``"e.spike"``.
    name: str
    #: Time steps of the run, shape (n_events,).
    steps: np.ndarray
    #: To whom it happened, shape (n_events,), not to be changed.
    neurons: np.ndarray
    #: Values by the names of variables, each of shape (n_events,): those before anything that the
    #: event does, such as a reset.
    values: Mapping[str, Quantity]
    #: Units of these values as plain numbers, SI units as text.
    units: Mapping[str, str]
    #: Time step.
    dt: Quantity

    @property
    def times(self) -> Quantity:
        """Times in the run, shape (n_events,)."""
        return np.asarray(self.steps) * float(self.dt) * second

    def between(self, start: Quantity, stop: Quantity) -> Events:
        """Return the events from a time until another (exclusive)."""
        edges = [math.ceil(float(time) / float(self.dt) - 1e-6) for time in (start, stop)]
        first, last = (bisect_left(self.steps, edge) for edge in edges)
        values = {name: each[first:last] for name, each in self.values.items()}
        steps, neurons = self.steps[first:last], self.neurons[first:last]
        return replace(self, steps=steps, neurons=neurons, values=values)

    def to_pandas(self) -> pandas.DataFrame:
        """Return a table in SI units: a row an event: ``time_s``, ``neuron``, the values."""
        import pandas

        columns = {"time_s": np.asarray(self.times), "neuron": np.array(self.neurons)}
        return pandas.DataFrame(columns | {k: np.array(v) for k, v in self.values.items()})

    def __len__(self) -> int:
        return len(self.steps)


def events_of(result: Result, name: str) -> Events:
    """Return the events of a result by name, see `Result.events`."""
    known = result.noted
    if name not in known:
        there = nearest(name, known) if known else "the run recorded none"
        fix = f'set record.events to {{"{name}": ()}} and run it again'
        raise DataError(f"no events '{name}'; {there}; {fix}")
    units = {str(k): str(unit) for k, unit in result.info["events"][name].items()}
    pairs, values = np.empty((0, 2), np.int64), {k: np.empty(0) for k in units}
    if name in result.info.get("events_sha256", ()):
        pairs = stored_file(result, "events", name)
        values = {k: stored_file(result, "events", f"{name}.{k}") for k in units}
    if (
        pairs.ndim != 2
        or pairs.shape[1] != 2
        or any(v.shape != pairs[:, 0].shape for v in values.values())
    ):
        raise StoreError(f"result {result.path}: events {name} do not hold what a run stores")
    with_units = {
        k: Quantity(each, dim=_size(result, name, units[k]).dim) for k, each in values.items()
    }
    return Events(name, pairs[:, 0], pairs[:, 1], with_units, units, result.dt)


def _size(result: Result, name: str, unit: str) -> Quantity:
    size = Quantity(1.0) if unit == "1" else read_unit(unit)
    if size is None:
        raise StoreError(f"result {result.path}: events {name} are in '{unit}', which is no unit")
    return size

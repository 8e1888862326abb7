"""Tables: values over time, one or one a neuron, that equations read as functions of the time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import brian2
from brian2 import Quantity

from ..errors import BrainsleepError
from ..values.arrays import Array
from ..values.fields import GROWS, Time, refusal, specification


def _numbers(value: Any, where: str, error: type[BrainsleepError]) -> Array:
    """Take one value a frame, or (frames, columns)."""
    return value if isinstance(value, Array) else Array.of(value, where, error, axes=(1, 2))


@specification("table: ", kw_only=False)
class Table:
    """Values over time that equations read, as Brian2's `TimedArray`.

    A model whose `tables` have it as ``current`` reads ``current(t)``, and of rows of values
    ``current(t, i)``. After the last value that stays. `t` is the time of the run.

    Parameters
    ----------
    values : array of Quantity
        One value a frame, shape (n_frames,), or shape (n_frames, n_columns).
    every : Quantity
        How long each frame is.

    Examples
    --------
    >>> Table([0, 1, 0] * nA, every=10 * ms).values.shape
    (3,)
    """

    values: Annotated[Array, _numbers]
    every: Time

    def __post_init__(self):
        if not self.values.numbers.size:
            raise refusal(self, "values", "none", "one frame or more")

    def function(self, name: str) -> brian2.TimedArray:
        """Return it as a function of Brian2, which has this name in C++."""
        values = Quantity(self.values.numbers, dim=self.values.dim)
        return brian2.TimedArray(values, dt=self.every, name=name)


Tables = Annotated[Mapping[str, Table], GROWS]


def functions(tables: Mapping[str, Table], owner: str) -> dict[str, brian2.TimedArray]:
    """Return tables as functions of Brian2, by the names that equations have for them."""
    return {name: table.function(f"{owner}_{name}_table") for name, table in tables.items()}

"""How strong synapses are at the start, and how late they are."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

from brian2 import Quantity, second

from ..errors import explain
from ..values.arrays import Array
from ..values.fields import Field, Kind, number, positive, refusal, specification
from ..values.frozen import show_value
from .values import VALUE, as_value


@specification("initial weights: ")
class InitialWeights:
    """Magnitudes of the weights at the start: uniform between `low` and `high`.

    Parameters
    ----------
    low, high : float
        Bounds; equal for a constant. `high` None means `low`.
    incoming_sum : float or None
        If given, scale each neuron's incoming weights to this sum.
    """

    low: float
    high: float | None = None
    incoming_sum: Annotated[float, number(above=0, allowed="more than 0, or None")] | None = None

    def __post_init__(self):
        if not 0 <= self.low <= self.top:
            raise refusal(self, "", f"{self.low}..{self.top}", "0 <= low <= high")

    @property
    def top(self) -> float:
        """The upper bound: `high`, or `low` if that is None."""
        return self.low if self.high is None else self.high


def _weights(value: Any, where: str, error: Kind) -> Any:
    """Take `InitialWeights`, or a value."""
    if value is None or (dataclasses.is_dataclass(value) and not isinstance(value, Array)):
        allowed = "InitialWeights, a number, an array or an expression as text"
        if not isinstance(value, InitialWeights):
            raise error(explain(where, show_value(value), allowed))
        return value
    return as_value(value, where, error)


#: How a projection's weights are checked and read.
WEIGHTS = Field(_weights, VALUE.read, "weights", "0.3")


def _delay(value: Any, where: str, error: Kind) -> Any:
    """Take a time of 0 or more, one a synapse, or an expression."""
    given = as_value(value, where, error)
    if isinstance(given, Array):
        if given.dim is not second.dim or given.numbers.min(initial=0) < 0:
            raise error(explain(where, f"values in {given.unit}", "times of at least 0*ms"))
        return given
    return given if isinstance(given, str) else positive(second, or_zero=True)(given, where, error)


# When spikes arrive.
Delay = Annotated[Quantity | str | Array, Field(_delay, VALUE.read, "delays", "1.5*ms")]

"""How observations become rates, and spikes actions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from brian2 import Hz, Quantity

from ..errors import ProtocolError
from ..values.fields import Count, Positive, positive, refusal, specification
from ..values.frozen import default


@specification("tuning curves: ", ProtocolError)
class TuningCurves:
    """Observations as rates: neurons that each prefer a value, a row of them for each number.

    A neuron has the rate ``rate*exp(-(x - preferred)**2/(2*(width*spacing)**2))``. Values beyond
    `low` and `high` count as these.

    Parameters
    ----------
    low, high : tuple of float
        Values that the first and the last neuron of each row prefer, one a number observed.
    neurons : int
        Neurons of a row, 2 at least.
    rate : Quantity
        Rate at the preferred value.
    width : float
        Width of the curves, in distances between neighbours.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    neurons: Count = 10
    rate: Annotated[Quantity, positive(Hz)] = default(50 * Hz)
    width: Positive = 1.0

    def __post_init__(self):
        if len(self.low) != len(self.high) or not np.all(np.less(self.low, self.high)):
            got = f"low={self.low}, high={self.high}"
            raise refusal(self, "", got, "as many of each, every low below its high")
        if self.neurons < 2:
            raise refusal(self, "neurons", self.neurons, "2 or more")

    @property
    def n_inputs(self) -> int:
        """Neurons of all rows."""
        return len(self.low) * self.neurons

    def __call__(self, observation: Any) -> np.ndarray:
        """Return the rate of every neuron in Hz, shape (n_inputs,)."""
        seen = np.asarray(observation, dtype=float).ravel()
        if len(seen) != len(self.low):
            raise refusal(self, "low", f"{len(self.low)} values", f"{len(seen)}, one a number seen")
        place = (np.clip(seen, self.low, self.high) - self.low) / np.subtract(self.high, self.low)
        away = np.arange(self.neurons) - place[:, None] * (self.neurons - 1)
        return float(self.rate) * np.exp(-(away**2) / (2 * self.width**2)).ravel()


@specification("one-hot code: ", ProtocolError)
class OneHot:
    """Observations that are numbers of states, as rates: a group of neurons for each state.

    Parameters
    ----------
    states : int
        How many states there are.
    neurons : int
        Neurons of a group.
    rate : Quantity
        Rate of the group whose state it is; the others have none.
    """

    states: Count
    neurons: Count = 1
    rate: Annotated[Quantity, positive(Hz)] = default(50 * Hz)

    @property
    def n_inputs(self) -> int:
        """Neurons of all groups."""
        return self.states * self.neurons

    def __call__(self, observation: Any) -> np.ndarray:
        """Return the rate of every neuron in Hz, shape (n_inputs,)."""
        state = int(observation)
        if not 0 <= state < self.states:
            raise refusal(self, "states", self.states, f"{state + 1} or more, as {state} was seen")
        return np.repeat(np.arange(self.states) == state, self.neurons) * float(self.rate)


@specification("most spikes: ", ProtocolError)
class MostSpikes:
    """The action whose group of neurons spiked most; among equals it is drawn.

    Parameters
    ----------
    population : str
        Whose spikes count. Its neurons are cut into groups of equal size, in their order.
    actions : int
        How many groups there are; the action is the number of a group.
    """

    population: str
    actions: Count

    def __call__(self, counts: Mapping[str, np.ndarray], rng: np.random.Generator) -> int:
        """Return the action for the spike counts of a slot, by population."""
        sums = [part.sum() for part in np.array_split(counts[self.population], self.actions)]
        return int(rng.choice(np.flatnonzero(np.equal(sums, max(sums)))))

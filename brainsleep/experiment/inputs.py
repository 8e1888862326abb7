"""What populations and signals are given in a period: values over time, and spike trains."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from brian2 import Hz, Quantity, get_dimensions, second

from ..errors import BrainsleepError, ScheduleError, explain
from ..values.arrays import Array, array
from ..values.fields import Time, refusal, specification
from ..values.frozen import show_value
from ..values.quantities import one_quantity

_OVER_TIME = "an array with unit: one value a frame, or (frames, neurons)"


@specification("values over time: ", ScheduleError, kw_only=False)
class Values:
    """Values over time, such as a current: frames one after the other.

    A period begins with the first frame and is over within the last one. It is cut in slots at the
    frames, so `on_slot` runs at each, and spikes are counted in each; weight processes that are
    open are carried out at least once a frame.

    Parameters
    ----------
    values : array of Quantity
        One value a frame, the same for all neurons, shape (n_frames,), or shape
        (n_frames, n_neurons). Of a signal, shape (n_frames,).
    every : Quantity
        How long each frame is; one time step at least.
    """

    values: Annotated[Array, array(1, 2, allowed=_OVER_TIME)]
    every: Time

    def __post_init__(self):
        if not self.values.values.size:
            raise refusal(self, "values", "none", "one frame or more")

    @property
    def dimensions(self) -> Any:
        """Physical dimensions of the values."""
        return self.values.dimensions


@specification("rates over time: ", ScheduleError, kw_only=False)
class Rates(Values):
    """Rates over time, such as those of a movie: `Values` in Hz, of at least 0 Hz.

    >>> Rates([[0, 20], [20, 0]] * Hz, every=40 * ms).values.shape
    (2, 2)
    """

    def __post_init__(self):
        if self.dimensions is not Hz.dim or np.any(self.values.values < 0):
            allowed = "rates of at least 0 Hz; other inputs over time are Values(...)"
            raise refusal(self, "values", f"values in {self.values.unit}", allowed)
        Values.__rules__(self)  # type: ignore[attr-defined]


@specification("spike trains: ", ScheduleError, kw_only=False)
class SpikeTrains:
    """Spikes of a population that is told when to spike (`brainsleep.models.inputs.SPIKE_SOURCE`).

    A spike comes in the time step nearest to its time. Two spikes of a neuron in one step, a time
    outside of the period and a neuron that is not there are refused.

    Parameters
    ----------
    indices : array of int
        The neuron of each spike.
    times : array of Quantity
        The time of each spike, from the start of the period.

    Examples
    --------
    >>> SpikeTrains([0, 2, 0], [1, 1, 5] * ms).indices.values.tolist()
    [0, 2, 0]
    """

    indices: Annotated[Array, array(1, whole=True, unit=1, allowed="whole numbers: neurons")]
    times: Annotated[Array, array(1, unit=second, allowed="times with unit, one a spike")]

    def __post_init__(self):
        indices, times = self.indices.values, self.times.values
        if len(indices) != len(times):
            got = f"{len(indices)} indices and {len(times)} times"
            raise refusal(self, "", got, "as many of each, one a spike")
        if np.any(indices < 0) or np.any(times < 0):
            least = f"neuron {indices.min()}, time {times.min():g} s"
            raise refusal(self, "", least, "neurons from 0, times from 0 s")
        order = np.lexsort((indices, times))
        if np.any(np.diff(order) < 0):  # in one order: it decides the id of a run
            object.__setattr__(self, "indices", Array.of(indices[order], whole=True))
            object.__setattr__(self, "times", Array.of(times[order] * second))

    def __len__(self) -> int:
        return len(self.indices)

    def steps(self, dt: float) -> np.ndarray:
        """Return the time step of every spike."""
        return np.rint(self.times.values / dt).astype(np.int64)


def check_input(value: Any, where: str, error: type[BrainsleepError]) -> Any:
    """Take what a population can be given: a value, one a neuron, `Values` or `SpikeTrains`."""
    if isinstance(value, Array | Values | SpikeTrains):
        return value
    if (quantity := one_quantity(value)) is not None:
        return quantity
    allowed = "a value with unit, one a neuron, Rates(...), Values(...) or SpikeTrains(...)"
    return array(1, allowed=allowed)(value, where, error)


def check_signal(value: Any, where: str, error: type[BrainsleepError]) -> Any:
    """Take what a signal can be: a value, or `Values` with one a frame."""
    if isinstance(value, Values) and len(value.values.shape) == 1:
        return value
    if (quantity := one_quantity(value)) is not None:
        return quantity
    got = f"{value.values}" if isinstance(value, Values) else show_value(value)[:80]
    raise error(explain(where, got, "a value with unit, or Values(...) with one a frame"))


#: Types of inputs and of signals.
Input = Quantity | Array | Values | SpikeTrains
Signal = Quantity | Values


def dimensions_of(value: Any) -> Any:
    """Return the physical dimensions of an input or a signal."""
    return value.dimensions if isinstance(value, Array | Values) else get_dimensions(value)


def cut_train(
    steps: np.ndarray, neurons: np.ndarray, begin: int, end: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the spikes from a step to another (exclusive), with steps counted from the first."""
    first, last = np.searchsorted(steps, [begin, end])
    return steps[first:last] - begin, neurons[first:last]

"""What populations and signals are given in a period: values over time, and spike trains."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from brian2 import Hz, get_dimensions, second

from ..errors import BrainsleepError, ScheduleError, explain
from ..values.arrays import Array
from ..values.fields import Time, refusal, specification
from ..values.frozen import show_value
from ..values.quantities import one_quantity
from ..values.units import readable_unit


def _over_time(value: Any, where: str, error: type[BrainsleepError]) -> Array:
    """Take one value a frame, or (frames, neurons)."""
    return value if isinstance(value, Array) else Array.of(value, where, error, axes=(1, 2))


def _neurons(value: Any, where: str, error: type[BrainsleepError]) -> Array:
    """Take numbers of neurons."""
    if isinstance(value, Array):
        return value
    given = np.asarray(value)
    if given.size and given.dtype.kind not in "iu":
        raise error(explain(where, f"numbers of type {given.dtype}", "whole numbers: neurons"))
    return Array.of(given.astype(np.int64), where, error, dtype="int32")


def _times(value: Any, where: str, error: type[BrainsleepError]) -> Array:
    """Take times."""
    made = value if isinstance(value, Array) else Array.of(value, where, error)
    if made.dim is not second.dim:
        fix = "write the times with their unit: [1, 5]*ms"
        raise error(explain(where, f"values in {readable_unit(made.dim)}", "times", fix))
    return made


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

    values: Annotated[Array, _over_time]
    every: Time

    def __post_init__(self):
        if not self.values.numbers.size:
            raise refusal(self, "values", "none", "one frame or more")

    @property
    def dimensions(self) -> Any:
        """Physical dimensions of the values."""
        return self.values.dim


@specification("rates over time: ", ScheduleError, kw_only=False)
class Rates(Values):
    """Rates over time, such as those of a movie: `Values` in Hz, of at least 0 Hz.

    >>> Rates([[0, 20], [20, 0]] * Hz, every=40 * ms).values.shape
    (2, 2)
    """

    def __post_init__(self):
        if self.dimensions is not Hz.dim or np.any(self.values.numbers < 0):
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
    >>> SpikeTrains([0, 2, 0], [1, 1, 5] * ms).indices.numbers.tolist()
    [0, 2, 0]
    """

    indices: Annotated[Array, _neurons]
    times: Annotated[Array, _times]

    def __post_init__(self):
        indices, times = self.indices.numbers, self.times.numbers
        if len(indices) != len(times):
            got = f"{len(indices)} indices and {len(times)} times"
            raise refusal(self, "", got, "as many of each, one a spike")
        if np.any(indices < 0) or np.any(times < 0):
            least = f"neuron {indices.min()}, time {times.min():g} s"
            raise refusal(self, "", least, "neurons from 0, times from 0 s")
        order = np.lexsort((indices, times))
        if np.any(np.diff(order) < 0):  # in one order: it decides the id of a run
            sorted_indices = Array.of(indices[order], "indices", dtype="int32")
            object.__setattr__(self, "indices", sorted_indices)
            object.__setattr__(self, "times", Array.of(times[order] * second, "times"))

    def __len__(self) -> int:
        return len(self.indices)

    def steps(self, dt: float) -> np.ndarray:
        """Return the time step of every spike."""
        return np.rint(self.times.numbers / dt).astype(np.int64)


def check_input(value: Any, where: str, error: type[BrainsleepError]) -> Any:
    """Take what a population can be given: a value, one a neuron, `Values` or `SpikeTrains`."""
    if isinstance(value, Array | Values | SpikeTrains):
        return value
    if (quantity := one_quantity(value)) is not None:
        return quantity
    try:
        return Array.of(value, where, error)
    except BrainsleepError as reason:
        allowed = "or a value with unit, Rates(...), Values(...) or SpikeTrains(...)"
        raise error(f"{reason}; {allowed}") from reason


def check_signal(value: Any, where: str, error: type[BrainsleepError]) -> Any:
    """Take what a signal can be: a value, or `Values` with one a frame."""
    if isinstance(value, Values) and len(value.values.shape) == 1:
        return value
    if (quantity := one_quantity(value)) is not None:
        return quantity
    got = "rows of values" if isinstance(value, Values) else show_value(value)[:80]
    raise error(explain(where, got, "a value with unit, or Values(...) with one a frame"))


def dimensions_of(value: Any) -> Any:
    """Return the physical dimensions of an input or a signal."""
    kept = value.values if isinstance(value, Values) else value
    return kept.dim if isinstance(kept, Array) else get_dimensions(kept)


def cut_train(
    steps: np.ndarray, neurons: np.ndarray, begin: int, end: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the spikes from a step to another (exclusive), with steps counted from the first."""
    first, last = np.searchsorted(steps, [begin, end])
    return steps[first:last] - begin, neurons[first:last]

"""What the periods of a timeline give a network: checked against it, and slot by slot."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from brian2 import Hz, Quantity, get_dimensions

from .. import mistakes
from ..errors import Details, ScheduleError, closest, explain, nearest
from ..network.signals import missing
from ..network.spec import Network
from ..values.arrays import Array
from ..values.units import as_code, readable_unit
from .inputs import SpikeTrains, Values, cut_train, dimensions_of
from .schedule import whole_steps
from .settings import check_settings
from .slots import SlotTable
from .task import Course

#: Most slots that a segment of a timeline with values over time has room for, and most numbers
#: that the slots of a segment hold.
_MOST_ROOM, _MOST_NUMBERS = 4096, 2**22


def check_given(where: str, period: Any, network: Network) -> None:
    """Report a `ScheduleError` for all that a period gives and the network cannot take."""
    with mistakes.going_on():
        _check_rate(where, period, network)
    for name, value in period.inputs.items():
        with mistakes.going_on():
            _check_input(f"{where}: inputs", name, value, period, network)
    for name, value in period.signals.items():
        with mistakes.going_on():
            label = f"{where}: signals"
            if name not in network.signals:
                what = f"{label}: the network has no signal '{name}'"
                details = missing(network, name, network.signals)
                raise ScheduleError(f"{what}; {nearest(name, network.signals)}", details)
            unit = network.signals[name]
            _check_dimensions(f"{label}: {name}", value, unit)
            _check_frames(f"{label}: {name}", value, period, network.dt)
    check_settings(where, getattr(period, "settings", {}), network)


def _unknown(what: str, name: str, known: Any) -> ScheduleError:
    return ScheduleError(
        f"{what}; {nearest(name, known)}", Details(word=name, close=closest(name, known))
    )


def _check_rate(where: str, period: Any, network: Network) -> None:
    """Raise `ScheduleError` for a rate that nothing takes, or that is given twice."""
    if not float(period.rate):
        return
    unit, fix = network.inputs.get(network.input), ""
    if network.input in period.inputs:
        allowed, fix = f"one of it and inputs['{network.input}']", "leave one out"
    elif unit is None or get_dimensions(unit) is not Hz.dim:
        allowed = "a population that takes a stimulus in Hz, named as the input of the network"
        fix = "write inputs=dict(NAME=...) for a population of another name or unit"
    if fix:
        raise ScheduleError(explain(f"{where}: rate", period.rate, allowed, fix))


def _check_input(where: str, name: str, value: Any, period: Any, network: Network) -> None:
    inputs = network.inputs
    if name not in inputs:
        if name not in [population.name for population in network.populations]:
            raise _unknown(f"{where}: there is no population '{name}'", name, inputs)
        reason = "its model has no stimulus in on_slot, and no spike_trains"
        raise _unknown(f"{where}: '{name}' takes no input, as {reason}", name, inputs)
    where, unit, size = f"{where}: {name}", inputs[name], network.population(name).size
    if (unit is None) != isinstance(value, SpikeTrains):
        got = "SpikeTrains" if unit is not None else f"{value}"
        allowed = "SpikeTrains(...)" if unit is None else f"a stimulus such as {as_code(unit)}"
        fix = "" if unit is None else "neurons of the model SPIKE_SOURCE take spike trains"
        raise ScheduleError(explain(where, got, allowed, fix), Details(word=name))
    if isinstance(value, SpikeTrains):
        if wrong := _wrong_train(value, period, network.dt, size):
            raise ScheduleError(explain(where, *wrong), Details(word=name))
        return
    assert unit is not None  # that is said above
    _check_dimensions(where, value, unit)
    numbers = _numbers(value)
    if get_dimensions(unit) is Hz.dim and np.any(numbers < 0):
        raise ScheduleError(explain(where, f"{numbers.min():g} Hz", "rates of at least 0 Hz"))
    several = numbers.ndim == 2 or isinstance(value, Array)
    if several and numbers.shape[-1] != size:
        said = explain(where, f"{numbers.shape[-1]} values", f"{size}, one a neuron")
        raise ScheduleError(said, Details(word=name))
    _check_frames(where, value, period, network.dt)


def _numbers(value: Any) -> np.ndarray:
    """Return the values of an input or signal in SI units."""
    kept = value.values if isinstance(value, Values) else value
    return kept.numbers if isinstance(kept, Array) else np.asarray(kept, dtype=float)


def _check_dimensions(where: str, value: Any, unit: Quantity) -> None:
    if dimensions_of(value) is not get_dimensions(unit):
        got, wanted = (readable_unit(d) for d in (dimensions_of(value), get_dimensions(unit)))
        details = Details(word=where.split()[-1], found=got, expected=wanted)
        raise ScheduleError(explain(where, f"a value in {got}", wanted), details)


def _check_frames(where: str, value: Any, period: Any, dt: Quantity) -> None:
    """Raise `ScheduleError` unless frames last as long as their period."""
    if not isinstance(value, Values):
        return
    every = whole_steps(value.every, dt, f"{where}: every")
    total = whole_steps(period.duration, dt, f"timeline.{period.kind}.duration")
    needed = -(-total // every)
    if len(value.values) != needed:
        got = f"{len(value.values)} frames of {value.every}"
        allowed = f"{needed}, to last as long as the period, {period.duration}"
        raise ScheduleError(explain(where, got, allowed), Details(word=where.split()[-1]))


def _wrong_train(
    trains: SpikeTrains, period: Any, dt: Quantity, size: int
) -> tuple[str, str] | None:
    """Return what of spike trains does not fit a population or period, and what would."""
    neurons, steps = trains.indices.numbers, trains.steps(float(dt))
    if not len(neurons):
        return None
    if neurons.max() >= size:
        return f"neuron {neurons.max()}", f"neurons 0 to {size - 1}"
    total = whole_steps(period.duration, dt, f"timeline.{period.kind}.duration")
    if steps.max() >= total:
        got = f"a spike at {float(trains.times.numbers[steps.argmax()]):g} s"
        return got, f"times nearest to a step of {dt} within the period, {period.duration}"
    order = np.lexsort((neurons, steps))
    neurons, steps = neurons[order], steps[order]
    twice = (np.diff(steps) == 0) & (np.diff(neurons) == 0)
    if twice.any():
        at = float(steps[:-1][twice][0] * dt)
        got = f"two spikes of neuron {neurons[:-1][twice][0]} in the step at {at:g} s"
        return got, f"at most one in a step of {dt}"
    return None


class GivenCourse(Course):
    """A run of a timeline, laid out.

    Each slot is part of one of the `periods`, number `period`, from its step `begin` on.
    """

    def __init__(
        self,
        table: SlotTable,
        periods: Sequence[Any],
        period: np.ndarray,
        begin: np.ndarray,
        network: Network,
    ):
        self.table, self._network = table, network
        self._periods, self._period, self._begin = periods, period, begin
        self._dt = network.dt
        self._trains = cache(self._trains_of)
        setting = [k for k, each in enumerate(periods) if getattr(each, "settings", {})]
        begins = np.flatnonzero((begin == 0) & np.isin(period, setting)).tolist()
        self.settings = {slot: periods[int(period[slot])].settings for slot in begins}
        if any(each.frames for each in periods):
            sizes = sum(population.size for population in network.populations)
            most = min(_MOST_ROOM, _MOST_NUMBERS // sizes, len(table))
            self.room = 1 << max(0, most.bit_length() - 1)

    def stimulus(self, first: int, last: int) -> np.ndarray:
        """Return the stimulus of the population that a task would drive; (n_slots, 0) for none."""
        network = self._network
        if not network.n_inputs:
            return np.zeros((last - first, 0))
        values = [period.inputs.get(network.input, period.rate) for period in self._periods]
        return self._values(values, first, last, network.n_inputs)

    def given(self, first: int, last: int) -> dict[str, Any]:
        """Return what other inputs are given, and the values of signals."""
        inputs, trains = {}, {}
        for name, unit in self._network.inputs.items():
            if unit is None:
                trains[name] = self._spikes(name, first, last)
            elif name != self._network.input:
                size = self._network.population(name).size
                values = [period.inputs.get(name, 0.0) for period in self._periods]
                inputs[name] = self._values(values, first, last, size)
        signals = {
            name: self._values(
                [period.signals.get(name, usual) for period in self._periods], first, last, 1
            )[:, 0]
            for name, usual in self._network.signals.items()
        }
        return {"inputs": inputs, "trains": trains, "signals": signals}

    def _values(self, values: Sequence[Any], first: int, last: int, size: int) -> np.ndarray:
        """Return what a population has in some slots, given what it has in every period."""
        rows = np.empty((last - first, size))
        which, begin = self._period[first:last], self._begin[first:last]
        for number in np.unique(which).tolist():
            value, here = values[number], which == number
            numbers = _numbers(value)
            if isinstance(value, Values):
                every = round(float(value.every / self._dt))
                numbers = numbers[begin[here] // every]
                numbers = numbers[:, None] if numbers.ndim == 1 else numbers
            rows[here] = numbers
        return rows

    def _trains_of(self, number: int, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return steps and neurons of the spikes of a population in a period, in order."""
        trains = self._periods[number].inputs.get(name)
        if trains is None:
            return np.empty(0, np.int64), np.empty(0, np.int32)
        steps, neurons = trains.steps(float(self._dt)), trains.indices.numbers
        order = np.lexsort((neurons, steps))
        return steps[order], neurons[order].astype(np.int32)

    def _spikes(self, name: str, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        """Return steps, from the first slot on, and neurons of the spikes in some slots."""
        steps, neurons = [np.empty(0, np.int64)], [np.empty(0, np.int32)]
        at = 0
        for slot in range(first, last):
            begin, length = int(self._begin[slot]), int(self.table.steps[slot])
            train = self._trains(int(self._period[slot]), name)
            if len(train[0]):
                new = cut_train(*train, begin, begin + length)
                steps.append(new[0] + at)
                neurons.append(new[1])
            at += length
        return np.concatenate(steps), np.concatenate(neurons)

"""What the monitors of an adopted script saw in a run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import DataError, nearest
from ..experiment.monitors import Monitor
from ..results.result import Result


@dataclass(frozen=True, eq=False)
class Monitored:
    """What a monitor saw, as a monitor of Brian2 has it: plain numbers in SI units.

    Attributes
    ----------
    t : array
        Times of spikes, of other events, or of values, in s.
    i : array of int
        Of spikes and other events: the neuron of each.
    values : dict of str to array
        Values by the name of the variable in the script: of states of shape (n_recorded, n_times),
        of events of shape (n_events,).
    rate : array
        Of a rate: in Hz, one a time step.
    """

    t: np.ndarray
    i: np.ndarray
    values: dict[str, np.ndarray]
    rate: np.ndarray


def monitored(result: Result, name: str) -> Monitored:
    """Return what a monitor saw in a run.

    Parameters
    ----------
    result : Result
        Result of an adopted protocol.
    name : str
        Name of the variable that held the monitor in the script, or Brian2's name of it.

    Raises
    ------
    DataError
        If there is no such monitor.
    """
    monitors: dict[str, Monitor] = {}
    for each in result.stored_protocol.record.monitors:
        monitors |= {label: each for label in (*each.also, each.name)}
    if name not in monitors:
        raise DataError(f"monitored: no monitor '{name}'; {nearest(name, monitors)}")
    monitor = monitors[name]
    network = result.stored_protocol.network
    dt = float(network.dt)
    total = int(result.arrays["slots/steps"].sum())
    first = round(float(monitor.begin) / dt)
    end = round(float(monitor.end) / dt) or total
    none: np.ndarray = np.empty(0)
    if monitor.kind == "states":
        return _states(result, monitor, first, end, dt)
    seen = result.events(monitor.events) if monitor.kind == "events" else None
    spikes = result.spikes[monitor.of] if seen is None else seen
    size = network.population(monitor.of).size
    last = monitor.last or size
    steps, neurons = np.asarray(spikes.steps), np.asarray(spikes.neurons)
    kept = (steps >= first) & (steps < end) & (neurons >= monitor.first) & (neurons < last)
    steps, neurons = steps[kept], neurons[kept] - monitor.first
    if seen is not None:
        variables = {name: each.rpartition(".")[2] for name, each in monitor.variables.items()}
        values = {name: np.asarray(seen.values[k])[kept] for name, k in variables.items()}
        return Monitored(steps * dt, neurons, values, none)
    if monitor.kind == "spikes":
        return Monitored(steps * dt, neurons, {}, none)
    counts = np.bincount(steps - first, minlength=end - first)
    times = np.arange(first, end) * dt
    return Monitored(times, none, {}, counts / (last - monitor.first) / dt)


def _states(result: Result, monitor: Monitor, first: int, end: int, dt: float) -> Monitored:
    values, times = {}, np.empty(0)
    every = max(1, round(float(monitor.every) / dt))
    for name, variable in monitor.variables.items():
        trace = result.states(variable)
        steps = np.rint(np.asarray(trace.times) / dt).astype(np.int64)
        kept = (steps >= first) & (steps < end) & (steps % every == 0)
        recorded = np.asarray(trace.values)[kept]
        if monitor.who:
            place = {int(number): k for k, number in enumerate(trace.indices)}
            recorded = recorded[:, [place[number] for number in monitor.who]]
        values[name], times = recorded.T, steps[kept] * dt
    return Monitored(times, np.empty(0), values, np.empty(0))

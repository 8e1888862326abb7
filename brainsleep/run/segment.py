"""A segment: what a network is shown, with which gates, slot by slot; and what it records.

A slot is an interval with one stimulus and constant gates: one image, or one sleep. Slots have
any length in time steps. From the gates follow the times at which gated code runs at all, so a
closed gate costs nothing.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import BackendError, ScheduleError, SimulationError, explain, nearest
from ..experiment.inputs import cut_train
from ..experiment.schedule import KINDS
from ..experiment.slots import SlotTable
from ..network.spec import Network, NetworkSpec
from .noted import Noted
from .state import State


@dataclass(frozen=True)
class Batch:
    """Images that are learned from together, with their labels."""

    #: Input to each neuron of the input population in Hz, shape (n_images, n_inputs).
    stimulus: np.ndarray
    #: Their classes, whole numbers, shape (n_images,).
    labels: np.ndarray

    def __post_init__(self):
        stimulus, labels = np.asarray(self.stimulus), np.asarray(self.labels)
        if stimulus.ndim != 2 or not len(stimulus) or not np.all(np.isfinite(stimulus)):
            got = f"shape {stimulus.shape}" if stimulus.ndim != 2 or not len(stimulus) else "NaN"
            raise ScheduleError(
                explain("batch: stimulus", got, "finite rates (n_images, n_inputs), one or more")
            )
        if labels.shape != stimulus.shape[:1]:
            got, allowed = f"shape {labels.shape}", f"({len(stimulus)},), one an image"
            raise ScheduleError(explain("batch: labels", got, allowed))
        if labels.dtype.kind not in "iu" or labels.min() < 0:
            got = f"{labels.dtype} from {labels.min()}"
            raise ScheduleError(explain("batch: labels", got, "whole numbers from 0"))

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Traced:
    """What is recorded of state variables in a segment."""

    #: Steps of the segment at whose start values are taken, ascending, shape (n_times,).
    steps: np.ndarray
    #: Which neurons or synapses, by the name of the variable, such as ``"e.v"``.
    indices: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Segment:
    """Input of one call of ``advance``.

    What it does not name of `inputs`, `trains` and `signals` is what it is where nothing is said.
    """

    #: Duration of each slot in time steps, shape (n_slots,), as of all but the stimulus.
    steps: np.ndarray
    #: Input to each neuron of the input population, in Hz if its model says nothing else, shape
    #: (n_slots, n_inputs); no columns without such a population.
    stimulus: np.ndarray
    #: Value of every gate, 0 (closed) to 1 (open).
    gates: dict[str, np.ndarray]
    #: Whether a phase, or a stage of sleep, begins: weight processes then run their onset code.
    onset: np.ndarray
    #: Kind of phase: ``"wake"``, ``"sleep"``, ``"test"``. Only hooks look at it.
    phase: np.ndarray
    #: Whether single spikes are recorded in the slot.
    raster: np.ndarray
    #: What a network that learns labels is shown instead of `stimulus`, in one slot.
    batch: Batch | None = None
    #: The segment ends before a slot if the summed weight of the projections with weight processes
    #: is not above this then; 0 never ends it, and the first slot is always run. Only backends that
    #: say so look at it (``watches``).
    above: np.ndarray | None = None
    #: Steps that its run has had before it: ``t``, for equations and hooks, is the time of the run.
    start: int = 0
    #: Input to each neuron of other populations in SI units, (n_slots, n_neurons); 0 if not named.
    inputs: dict[str, np.ndarray] = field(default_factory=dict)
    #: Spikes of populations that are told when to spike: steps (from the start of the segment, in
    #: order) and neurons; none if not named.
    trains: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    #: Values of signals in SI units, (n_slots,); those of the network if not named.
    signals: dict[str, np.ndarray] = field(default_factory=dict)
    #: State variables that are recorded, if any.
    traced: Traced | None = None

    def __post_init__(self):
        steps = np.asarray(self.steps)
        if steps.ndim != 1 or not steps.size or steps.dtype.kind not in "iu" or steps.min() < 1:
            raise ScheduleError(
                explain("segment: steps", self.steps, "at least one slot of at least one step")
            )
        names = ("stimulus", "onset", "phase", "raster", "above")
        columns = {name: getattr(self, name) for name in names} | self.gates
        columns |= {f"input {k}": v for k, v in self.inputs.items()}
        columns |= {f"signal {k}": v for k, v in self.signals.items()}
        for name, column in columns.items():
            if column is not None and np.shape(column)[:1] != steps.shape:
                got, allowed = f"shape {np.shape(column)}", f"{len(steps)} rows, one a slot"
                raise ScheduleError(explain(f"segment: {name}", got, allowed))
        if np.ndim(self.stimulus) != 2 or not np.all(np.isfinite(self.stimulus)):
            raise ScheduleError("segment: stimulus: expected finite rates (n_slots, n_inputs)")
        for name, values in (*self.inputs.items(), *self.signals.items()):
            if not np.all(np.isfinite(values)):
                raise ScheduleError(f"segment: {name}: expected finite values")
        for name, train in self.trains.items():
            _check_train(name, *train, int(steps.sum()))
        for name, gate in self.gates.items():
            if np.any(~np.isfinite(gate)) or np.any(gate < 0) or np.any(gate > 1):
                raise ScheduleError(explain(f"segment: gate {name}", gate, "values from 0 to 1"))
        if self.batch is not None and len(steps) != 1:
            raise ScheduleError(explain("segment: slots beside a batch", len(steps), "one"))

    @classmethod
    def of(cls, table: SlotTable, slots: slice, stimulus: np.ndarray, **more: Any) -> Segment:
        """Take slots of a table; unless `more` has a raster no single spikes are recorded."""
        steps, gates = table.steps[slots], {k: gate[slots] for k, gate in table.gates.items()}
        more = {"raster": np.zeros(len(steps), bool), **more}
        return cls(steps, stimulus, gates, table.onset[slots], table.phase[slots], **more)

    def __len__(self) -> int:
        return len(self.steps)

    @cached_property
    def starts(self) -> np.ndarray:
        """First step of each slot, and the end: shape (n_slots + 1,)."""
        return np.concatenate([[0], np.cumsum(self.steps)])

    def part(self, first: int, last: int) -> Segment:
        """Return slots `first` to `last` (exclusive) as a segment of their own."""
        cut = slice(first, last)
        begin, end = self.starts[[first, last]].tolist()
        names = ("steps", "stimulus", "onset", "phase", "raster")
        traced = self.traced
        if traced is not None:
            inside = (traced.steps >= begin) & (traced.steps < end)
            traced = replace(traced, steps=traced.steps[inside] - begin)
        return replace(
            self,
            **{name: getattr(self, name)[cut] for name in names},
            gates={name: gate[cut] for name, gate in self.gates.items()},
            batch=None,
            above=None if self.above is None else self.above[cut],
            start=self.start + begin,
            inputs={name: values[cut] for name, values in self.inputs.items()},
            trains={name: cut_train(*train, begin, end) for name, train in self.trains.items()},
            signals={name: values[cut] for name, values in self.signals.items()},
            traced=traced,
        )

    def steps_where(self, mask: np.ndarray) -> np.ndarray:
        """Return every time step that lies in a slot where `mask` is true."""
        return np.flatnonzero(np.repeat(np.asarray(mask, dtype=bool), self.steps))

    def update_times(self, gate: str, period: int) -> tuple[np.ndarray, np.ndarray]:
        """Spread the updates of a weight process over the slots where its gate is open.

        They are `period` steps apart at most. Returns the steps at which they happen, and, shape
        (n_slots,), the time that each stands for, in steps: updates times interval is exactly the
        duration of the slot.
        """
        is_open = self.gates[gate] > 0
        counts = np.where(is_open, -(-self.steps // period), 0)
        interval = np.where(is_open, self.steps / np.maximum(counts, 1), 0.0)
        times = [
            start + np.floor(np.arange(count) * length / count).astype(np.int64)
            for start, count, length in zip(self.starts[:-1], counts, self.steps, strict=True)
            if count
        ]
        return np.concatenate(times) if times else np.empty(0, np.int64), interval

    def onset_times(self, gate: str) -> np.ndarray:
        """Return the first step of every slot that begins a phase or stage with `gate` open."""
        return self.starts[:-1][(self.gates[gate] > 0) & self.onset]


def _check_train(name: str, steps: np.ndarray, neurons: np.ndarray, total: int) -> None:
    """Raise `ScheduleError` for spikes out of order or time, or twice in a step."""
    steps, neurons = np.asarray(steps), np.asarray(neurons)
    if steps.ndim != 1 or steps.shape != neurons.shape:
        got = f"shapes {steps.shape} and {neurons.shape}"
        raise ScheduleError(explain(f"segment: spikes of {name}", got, "as many steps as neurons"))
    if not len(steps):
        return
    pairs = np.stack([steps, neurons])
    order = np.lexsort(pairs[::-1])
    if np.any(order != np.arange(len(steps))) or np.any((np.diff(pairs) == 0).all(axis=0)):
        got, allowed = "others", "steps in order, neurons in order within each, none twice"
        raise ScheduleError(explain(f"segment: spikes of {name}", got, allowed))
    if steps[0] < 0 or steps[-1] >= total:
        got, allowed = f"{steps[0]} to {steps[-1]}", f"0 to {total - 1}"
        raise ScheduleError(explain(f"segment: steps of spikes of {name}", got, allowed))


@dataclass(frozen=True)
class Capacity:
    """Room of a compiled network: the largest segment it can run."""

    slots: int = 128
    steps: int = 2**17

    def at_least(self, other: Capacity) -> Capacity:
        """Return a capacity with the room of this one and that of another."""
        return Capacity(max(self.slots, other.slots), max(self.steps, other.steps))


@dataclass(frozen=True)
class Recording:
    """Output of one call of ``advance``."""

    #: Spikes of each neuron of a population in each slot that was run, int32 (n_slots, n_neurons).
    counts: dict[str, np.ndarray]
    #: Step (from the start of the segment) and neuron of single spikes, in slots with a raster.
    spikes: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    #: Values of recorded variables in SI units, shape (n_times, n_recorded), as the segment says.
    traces: dict[str, np.ndarray] = field(default_factory=dict)
    #: What happened in slots with a raster, of the events that are recorded, such as ``"e.spike"``.
    events: dict[str, Noted] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Request:
    """What a run asks a backend for, again and again: the arguments of ``advance``."""

    state: State
    segment: Segment
    seed: int


#: State at the end of a segment, and what was recorded in it.
type Answer = tuple[State, Recording]

# A run, or a part of it, as a generator: it yields each request, is sent the answer, and comes to
# a value `T`. So whoever drives it can collect what many runs ask for.
type Requests[T] = Generator[Request, Answer, T]


def timing(
    spec: NetworkSpec, capacity: Capacity, segment: Segment, last: int = 0
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Turn the gates of `segment` into event times in s by clock, and values a slot by TimedArray.

    Times are those of the run.
    Clocks are those of `events`, ``raster``, ``trace_points``, ``last_steps`` for so many, one an
    activity, one a period of regular code and one a hook. A segment larger than `capacity`, that of
    the compiled network, is a `ScheduleError`.
    """
    steps, values = events(spec, capacity, segment)
    dt, starts = float(spec.dt), segment.starts[:-1]
    steps["raster"] = segment.steps_where(segment.raster)
    steps["trace_points"] = (
        np.empty(0, np.int64) if segment.traced is None else segment.traced.steps
    )
    total = int(segment.starts[-1])
    steps["last_steps"] = np.arange(max(0, total - last), total)
    for name in spec.activity_names:
        steps[name] = segment.steps_where(segment.gates[name] > 0)
    gated = {step.gate for part in spec.plan.synapses for step in part.steps if step.gate}
    for gate in gated:
        steps[gate] = segment.steps_where(segment.gates[gate] > 0)
    for period in spec.plan.periods:
        steps[f"every_{period}"] = np.arange(-segment.start % period, total, period)
    for kind in ("wake", "sleep"):
        steps[f"on_{kind}"] = starts[segment.onset & (segment.phase == kind)]
    steps["on_segment"] = starts[:1]
    return {name: (at + segment.start) * dt for name, at in steps.items()}, values


def events(
    spec: NetworkSpec, capacity: Capacity, segment: Segment
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return what of `timing` is rare, in steps of the segment: ``slot``, and a process's clocks.

    The values a slot are those of `timing`, and so is the error.
    """
    total = int(segment.starts[-1])
    if len(segment) > capacity.slots or total > capacity.steps:
        raise ScheduleError(
            f"segment: got {len(segment)} slots and {total} steps; expected at most "
            f"{capacity.slots} and {capacity.steps}; cut it in parts"
        )
    steps = {"slot": segment.starts[:-1]}
    values = {"stimulus_by_slot": segment.stimulus} if spec.n_inputs else {}
    for name, unit in spec.inputs.items():
        if unit is not None and name != spec.input:
            none = np.zeros((len(segment), spec.population(name).size))
            values[f"{spec.stimulus_name(name)}_by_slot"] = segment.inputs.get(name, none)
    for name, usual in spec.signals.items():
        always = np.full(len(segment), float(usual))
        values[f"{name}_by_slot"] = segment.signals.get(name, always)
    for gate in spec.gates:
        values[f"{gate}_gate_by_slot"] = segment.gates[gate]
    processes = {process.name: process for _, process in spec.weight_processes()}
    for name, process in processes.items():  # one gate and one period, whatever it acts on
        period = max(1, round(float(process.period / spec.dt)))
        steps[f"{name}_onset"] = segment.onset_times(name)
        steps[f"{name}_update"], interval = segment.update_times(name, period)
        values[f"{name}_interval_by_slot"] = interval * float(spec.dt)
    return steps, values


def spike_trains(spec: NetworkSpec, segment: Segment) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return steps of the run and neurons of spikes, of all populations that are told when."""
    none = np.empty(0, np.int64), np.empty(0, np.int32)
    told = [name for name, unit in spec.inputs.items() if unit is None]
    trains = {name: segment.trains.get(name, none) for name in told}
    return {name: (steps + segment.start, neurons) for name, (steps, neurons) in trains.items()}


def check_complete(steps: int, segment: Segment) -> None:
    """Raise `SimulationError` if a segment stopped before its end."""
    if steps != segment.starts[-1]:
        raise SimulationError(
            explain("segment", f"{steps} steps run", f"{segment.starts[-1]}", "it was stopped")
        )


def check_segment(spec: Network, segment: Segment) -> None:
    """Raise `BackendError` if `segment` does not fit the network `spec`."""
    n_inputs = spec.n_inputs
    stimuli = {"stimulus": segment.stimulus}
    stimuli |= {"batch: stimulus": segment.batch.stimulus} if segment.batch else {}
    for name, stimulus in stimuli.items():
        if stimulus.shape[1:] != (n_inputs,):
            rows = "n_slots" if name == "stimulus" else "n_images"
            fix = f"population '{spec.input}' has {n_inputs} neurons"
            if not n_inputs:
                fix = "there is no population of that kind called NetworkSpec.input"
            allowed = f"({rows}, {n_inputs})"
            raise BackendError(explain(f"segment: {name}", stimulus.shape, allowed, fix))
    if set(spec.gates) != set(segment.gates):
        allowed = f"exactly {sorted(spec.gates)}"
        raise BackendError(explain("segment: gates", sorted(segment.gates), allowed))
    _check_given(spec, segment)
    if spec.batch_size:
        _check_learning(spec, segment)
    elif segment.batch is not None:
        allowed = f"none: '{spec.name}' does not learn labels"
        raise BackendError(explain("segment: batch", f"{len(segment.batch)} images", allowed))


def _check_given(spec: Network, segment: Segment) -> None:
    """Raise `BackendError` for inputs, spike trains or signals that the network does not have."""
    units = {name: unit for name, unit in spec.inputs.items() if name != spec.input or unit is None}
    for what, given, known in (
        ("inputs", segment.inputs, [k for k, unit in units.items() if unit is not None]),
        ("trains", segment.trains, [k for k, unit in units.items() if unit is None]),
        ("signals", segment.signals, spec.signals),
    ):
        for name in set(given) - set(known):
            raise BackendError(f"segment: {what}: no '{name}'; {nearest(name, known)}")
    for name, values in segment.inputs.items():
        size = spec.population(name).size
        if np.shape(values)[1:] != (size,):
            allowed = f"(n_slots, {size})"
            raise BackendError(explain(f"segment: input {name}", np.shape(values), allowed))
    for name, (_, neurons) in segment.trains.items():
        size = spec.population(name).size
        if np.min(neurons, initial=0) < 0 or np.max(neurons, initial=0) >= size:
            got, allowed = f"up to {np.max(neurons)}", f"neurons 0 to {size - 1}"
            raise BackendError(explain(f"segment: spikes of {name}", got, allowed))


def _check_learning(spec: Network, segment: Segment) -> None:
    """Raise `BackendError` unless each slot awake, and no other, has images and their labels."""
    for phase in np.unique(segment.phase).tolist():
        if phase not in KINDS:
            raise BackendError(f"segment: unknown phase '{phase}'; {nearest(str(phase), KINDS)}")
    awake, batch = np.asarray(segment.phase) == "wake", segment.batch
    if batch is None and awake.any():
        raise BackendError("segment: a slot awake has no batch; give it images and labels")
    if batch is None:
        return
    if not awake.all():
        got, allowed = f"one in phase '{segment.phase[0]}'", "none but awake"
        raise BackendError(explain("segment: batch", got, allowed))
    n_classes = spec.population(spec.output).size
    if (largest := int(np.max(batch.labels))) >= n_classes:
        where, allowed = f"population '{spec.output}': neurons", f"{largest + 1}, one a class"
        raise BackendError(explain(where, n_classes, allowed))


def counts_of_slots(recorded: np.ndarray, final: np.ndarray) -> np.ndarray:
    """Turn cumulative counts at slot starts and at the end into counts a slot, int32."""
    return np.diff(np.vstack([recorded, final[None, :]]), axis=0).astype(np.int32)

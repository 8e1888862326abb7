"""Brian2's runtime as a backend, with code generated for NumPy or Cython."""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import brian2
import numpy as np

from ...errors import BackendError, BrainsleepError, SimulationError, explain
from ...network.links import check_neurons
from ...network.plan import GroupPlan, SynapsePlan
from ...network.spec import NetworkSpec
from ...run.delays import (
    DELAY_HISTORY,
    changing,
    delay_arrays,
    from_ring,
    histories,
    longest_delays,
    most_steps,
    next_history,
    rows_of,
)
from ...run.noted import Noted
from ...run.segment import (
    Answer,
    Recording,
    Segment,
    Traced,
    check_complete,
    counts_of_slots,
    spike_trains,
    timing,
)
from ...run.state import State, finished_arrays, started_arrays
from ..base import Backend
from ..cpp.build import describe_compiler, need_compiler
from .context import brian_errors, numpy_seed, runtime
from .names import event_monitor, last_monitor, trace_of
from .network import BrianNetwork


@contextlib.contextmanager
def older_objects_kept():
    """Spare the garbage collection, which Brian2 does before every run, all that there is."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


class RuntimeBackend(Backend):
    """Brian2's runtime; replicas run one after the other.

    A Brian2 network is kept for every connectivity of the last replicas.
    """

    spec: NetworkSpec

    def _build(self) -> None:
        if self.name == "cython":
            need_compiler(self.name)
            self._check_functions()
            self.compiler = describe_compiler()
        self._networks: list[BrianNetwork] = []

    def _check_functions(self) -> None:
        """Refuse functions of a user's without Cython code."""
        parts: list[GroupPlan | SynapsePlan] = [*self.spec.plan.groups, *self.spec.plan.synapses]
        for part in parts:
            for name, function in part.functions.items():
                if not function.cython:
                    what = f"backend {self.name}: function '{name}' of '{part.name}'"
                    fix = "use --backend cpp or numpy"
                    raise BackendError(explain(what, "no Cython code", "some", fix))

    def _answers(
        self, states: Sequence[State], segments: Sequence[Segment], seeds: Sequence[int]
    ) -> list[Answer | BrainsleepError]:
        wanted = {id(state.synapses): state.synapses for state in states}.values()
        self._networks = [n for n in self._networks if any(map(n.connects, wanted))]
        return super()._answers(states, segments, seeds)

    def _answer(self, state: State, segment: Segment, seed: int) -> Answer:
        duration = float(segment.starts[-1] * self.spec.dt)
        with runtime(self.name, self.spec.precision), brian_errors(self.spec):
            network = self._prepare(state, segment.traced.indices if segment.traced else {})
            self._load(network, state, segment)
            network.net.t_ = segment.start * float(self.spec.dt)
            with numpy_seed(seed), older_objects_kept():
                network.net.run(duration * brian2.second, namespace={})
            steps = round(network.net.t_ / float(self.spec.dt)) - segment.start
            return answer_of(self.spec, state, segment, steps, network.value, self.events)

    def _prepare(self, state: State, indices: Mapping[str, np.ndarray]) -> BrianNetwork:
        """Return the Brian2 network with these synapses that records what is asked for."""
        for network in self._networks:
            if network.connects(state.synapses) and network.traces(indices):
                return network
        started = time.perf_counter()
        traced = {name: np.asarray(indices.get(name, ()), np.int32) for name in self.traced}
        given = self._hooks, traced, self.events
        network = BrianNetwork(self.spec, self.capacity, state.synapses, *given)
        self._networks.append(network)
        self.build_seconds += time.perf_counter() - started
        return network

    def _load(self, network: BrianNetwork, state: State, segment: Segment) -> None:
        """Set everything a segment starts from in Brian2's objects."""
        times, values = timing(self.spec, self.capacity, segment, rows_of(self.spec, state))
        trains = spike_trains(self.spec, segment)
        for name, clock in network.event_clocks.items():
            clock.set_times(times[name])
        for name, array in network.slot_values.items():
            array.values[: len(segment)] = values[name]
        arrays = started_arrays(state, segment.start, float(self.spec.dt))
        check_neurons(self.spec.plan.groups, arrays)
        apart = delay_arrays(self.spec.plan, arrays)
        for name, value in {**arrays, **state.parameters}.items():
            if name not in apart:
                network.variable(name).set_value(np.asarray(value))
        network.queues.set(apart, network.net.prepared)
        for plan in network.plan.groups:
            network.variable(f"{plan.name}.slot_index").set_value(-1)
            if plan.spike_trains:
                given = dict(zip(("_timebins", "neuron_index"), trains[plan.name], strict=True))
                for name, value in given.items():
                    network.variable(f"{plan.name}.{name}").resize(len(value))
                    network.variable(f"{plan.name}.{name}").set_value(value)
                network.variable(f"{plan.name}._lastindex").set_value(0)
            if plan.spikes:
                network.variable(f"{plan.name}.spike_count").set_value(0)
                # Brian2 recomputes it from `lastspike` at every step, if it is not the state's
                if plan.refractory and "not_refractory" not in plan.state:
                    network.variable(f"{plan.name}.not_refractory").set_value(True)
        for monitor in network.monitors.values():
            monitor.resize(0)
            if isinstance(monitor, brian2.EventMonitor):
                monitor.variables["N"].set_value(0)


def answer_of(
    spec: NetworkSpec,
    state: State,
    segment: Segment,
    steps: int,
    value: Callable[[str], np.ndarray],
    events: Mapping[str, Sequence[str]] = MappingProxyType({}),
    whole: Callable[[str, np.ndarray], np.ndarray] = lambda name, values: values,
) -> Answer:
    """Make state and recording of what `value` gives by name, after `steps` steps of a segment.

    `events` are those that were recorded, with variables. `whole` makes of an array, once all else
    is done with it, the one that the state has.
    """
    check_complete(steps, segment)
    dt, kept = float(spec.dt), delay_arrays(spec.plan, state.arrays)
    kept |= {name: state.arrays[name] for name in spec.plan.unchanged}
    arrays = {k: value(k).astype(float, copy=False) for k in state.arrays if k not in kept}
    arrays = finished_arrays(arrays, segment.start, steps, dt)

    def recorded_spikes(monitor: str) -> tuple[np.ndarray, np.ndarray]:
        at = np.rint(value(f"{monitor}.t") / dt).astype(np.int64) - segment.start
        return at, value(f"{monitor}.i")

    for key, rows in longest_delays(spec.plan, state.arrays, dt).items():
        last = recorded_spikes(last_monitor(*histories(spec.plan)[key]))
        kept[key] = next_history(kept[key], steps, *last, rows)
    for name, part, delay in changing(spec.plan):
        ring = value(f"{part.name}:sent").reshape(most_steps(delay, dt), -1)
        history, pre = kept[name], state.synapses[part.name][0]
        kept[f"{part.name}.{DELAY_HISTORY}"] = from_ring(ring, steps, history, pre)
    counts, spikes = {}, {}
    for group in (p for p in spec.populations if p.spikes):
        recorded = value(f"{group.name}:counts.spike_count").reshape(-1, group.size)
        counts[group.name] = counts_of_slots(recorded, value(f"{group.name}.spike_count"))
        spikes[group.name] = recorded_spikes(f"{group.name}:raster")
    arrays = {k: kept[k] if k in kept else whole(k, arrays[k]) for k in state.arrays}
    traces = traces_of(segment.traced, value) if segment.traced else {}
    noted = {
        name: Noted(
            *recorded_spikes(event_monitor(name)),
            {k: value(f"{event_monitor(name)}.{k}").astype(float) for k in variables},
        )
        for name, variables in events.items()
    }
    after = State(arrays, state.parameters, state.synapses)
    return after, Recording(counts, spikes, traces, noted)


def traces_of(traced: Traced, value: Callable[[str], np.ndarray]) -> dict[str, np.ndarray]:
    """Return recorded values by variable, shape (n_times, n_recorded); all as floating point."""
    traces = {}
    for name, indices in traced.indices.items():
        found, shape = value(trace_of(name)), (len(traced.steps), len(indices))
        if found.size != shape[0] * shape[1]:
            got, allowed = f"{found.size} values", f"{shape[0]} times {shape[1]}"
            raise SimulationError(explain(f"trace of {name}", got, allowed))
        kept = found if found.dtype.kind == "f" else found.astype(float)
        traces[name] = kept.reshape(shape)
    return traces

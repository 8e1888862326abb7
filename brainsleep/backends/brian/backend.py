"""Brian2's runtime as a backend, with code generated for NumPy or Cython."""

from __future__ import annotations

import time
from collections.abc import Sequence

import brian2
import numpy as np

from ...errors import BrainsleepError
from ...network.spec import NetworkSpec
from ...run.segment import Answer, Recording, Segment, check_complete, counts_of_slots, timing
from ...run.state import State, finished_arrays
from ..base import Backend
from ..cpp.build import describe_compiler, need_compiler
from .context import brian_errors, numpy_seed, runtime
from .network import BrianNetwork


class RuntimeBackend(Backend):
    """Brian2's runtime; replicas run one after the other.

    A Brian2 network is kept for every connectivity of the last batch.
    """

    spec: NetworkSpec

    def _build(self) -> None:
        if self.name == "cython":
            need_compiler(self.name)
            self.compiler = describe_compiler()
        self._networks: list[BrianNetwork] = []

    def _answers(
        self, states: Sequence[State], segments: Sequence[Segment], seeds: Sequence[int]
    ) -> list[Answer | BrainsleepError]:
        wanted = {id(state.synapses): state.synapses for state in states}.values()
        self._networks = [n for n in self._networks if any(map(n.connects, wanted))]
        return super()._answers(states, segments, seeds)

    def _answer(self, state: State, segment: Segment, seed: int) -> Answer:
        duration = float(segment.starts[-1] * self.spec.dt)
        with runtime(self.name, self.spec.precision), brian_errors(self.spec):
            network = self._prepare(state)
            self._load(network, state, segment)
            network.net.t_ = 0.0
            with numpy_seed(seed):
                network.net.run(duration * brian2.second, namespace={})
            check_complete(round(network.net.t_ / float(self.spec.dt)), segment)
            arrays = {
                name: np.array(network.groups[g].variables[v].get_value(), dtype=float)
                for name in state.arrays
                for g, v in [name.split(".", 1)]
            }
            recording = self._recorded(network)
        arrays = finished_arrays(arrays, duration)
        return State(arrays, state.parameters, state.synapses), recording

    def _prepare(self, state: State) -> BrianNetwork:
        """Return the Brian2 network with these synapses."""
        for network in self._networks:
            if network.connects(state.synapses):
                return network
        started = time.perf_counter()
        network = BrianNetwork(self.spec, self.capacity, state.synapses, self._hooks)
        self._networks.append(network)
        self.build_seconds += time.perf_counter() - started
        return network

    def _load(self, network: BrianNetwork, state: State, segment: Segment) -> None:
        """Set everything a segment starts from in Brian2's objects."""
        network.start = segment.start
        times, values = timing(self.spec, self.capacity, segment)
        for name, clock in network.event_clocks.items():
            clock.set_times(times[name])
        for name, array in network.slot_values.items():
            array.values[: len(segment)] = values[name]
        for name, value in {**state.arrays, **state.parameters}.items():
            group, variable = name.split(".", 1)
            network.groups[group].variables[variable].set_value(np.asarray(value))
        for plan in network.plan.groups:
            variables = network.groups[plan.name].variables
            variables["slot_index"].set_value(-1)
            if plan.threshold:
                variables["spike_count"].set_value(0)
                network.counters[plan.name].resize(0)
                network.rasters[plan.name].resize(0)
                network.rasters[plan.name].variables["N"].set_value(0)
                if plan.refractory:  # Brian2 recomputes it from `lastspike` at every step
                    variables["not_refractory"].set_value(True)

    def _recorded(self, network: BrianNetwork) -> Recording:
        """Take what the monitors recorded."""
        counts, spikes = {}, {}
        for name, monitor in network.counters.items():
            recorded = np.asarray(monitor.variables["spike_count"].get_value())
            final = np.asarray(network.groups[name].variables["spike_count"].get_value())
            counts[name] = counts_of_slots(recorded, final)
            raster = network.rasters[name].variables
            at = np.rint(np.asarray(raster["t"].get_value()) / float(self.spec.dt))
            neurons = np.array(raster["i"].get_value(), dtype=np.int32)
            spikes[name] = (at.astype(np.int64), neurons)
        return Recording(counts, spikes)

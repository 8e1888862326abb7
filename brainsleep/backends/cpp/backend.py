"""C++ standalone: a program that is compiled once for a network and called for every segment."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import BrainsleepError
from ...network.spec import NetworkSpec
from ...run.request import Answer, check_batch, one
from ...run.segment import (
    Capacity,
    Recording,
    Segment,
    check_complete,
    check_segment,
    counts_of_slots,
    timing,
)
from ...run.state import State, finished_arrays
from ..brian.context import standalone_device
from ..brian.network import BrianNetwork
from . import cache, exchange, standalone
from .build import build, describe_compiler
from .process import Job, Program, Programs, Synapses

#: Steps after which a standalone program would end by itself: a segment ends before.
_ENDLESS = 2**40


class CppBackend:
    """A C++ standalone program, compiled once for a network and called for every segment."""

    name = "cpp"

    def __init__(self, spec: NetworkSpec, capacity: Capacity, report=lambda message: None):
        self.spec, self.capacity = spec, capacity
        self.build_seconds = 0.0
        self.compiler = describe_compiler()
        self._report = report
        self._programs = Programs()
        self._build()

    def _build(self) -> None:
        """Find the program in the cache, or compile it."""
        started = time.perf_counter()
        self.directory = build(self.spec, self.capacity, _generate, self._report)
        self.build_seconds += time.perf_counter() - started
        self._layout = cache.layout(self.directory)

    def _started(self, synapses: Synapses) -> Program:
        """Start the program."""
        if not cache.is_whole(self.directory):  # somebody cleared the cache meanwhile
            self._build()
        return Program(self.directory, self._layout, synapses)

    def advance(self, state: State, segment: Segment, seed: int) -> Answer:
        """Run `segment` from `state`; see `RuntimeBackend.advance`."""
        return one(self, state, segment, seed)

    def advance_batch(
        self, states: Sequence[State], segments: Sequence[Segment], seeds: Sequence[int]
    ) -> list[Answer | BrainsleepError]:
        """Run replicas side by side, a process each; see `brainsleep.run.request.one_by_one`.

        As many are at work at once as there are cores (`brainsleep.backends.cpp.process.cores`).
        """
        check_batch(states, segments, seeds)
        for segment in segments:
            check_segment(self.spec, segment)
        cache.touch(self.directory)
        jobs = [
            Job(
                state.synapses,
                int(segment.starts[-1]),
                partial(self._given, state, segment, seed),
                partial(self._taken, state, segment),
            )
            for state, segment, seed in zip(states, segments, seeds, strict=True)
        ]
        return self._programs.run(jobs, self._started)

    def _given(self, state: State, segment: Segment, seed: int) -> dict[str, np.ndarray]:
        """Return all arrays that a segment starts from."""
        times, values = timing(self.spec, self.capacity, segment)
        given: dict[str, Any] = {**state.arrays, **state.parameters}
        given |= {f"clock:{name}": value for name, value in times.items()}
        given |= {f"slots:{name}": value for name, value in values.items()}
        given["run"] = np.array([seed % 2**32, segment.starts[-1]], dtype=np.int64)
        return given

    def _taken(self, state: State, segment: Segment, out: dict[str, np.ndarray]) -> Answer:
        """Make state and recording of the arrays that a segment ends with."""
        check_complete(int(out["steps"][0]), segment)
        duration = float(segment.starts[-1] * self.spec.dt)
        arrays = {name: out[name].astype(float, copy=False) for name in state.arrays}
        arrays = finished_arrays(arrays, duration)
        counts, spikes = {}, {}
        for group in (p.name for p in self.spec.populations if p.spikes):
            size = self.spec.population(group).size
            recorded = out[f"{group}:counts"].reshape(-1, size)
            counts[group] = counts_of_slots(recorded, out[f"{group}.spike_count"])
            at = np.rint(out[f"{group}:t"] / float(self.spec.dt)).astype(np.int64)
            spikes[group] = (at, out[f"{group}:i"])
        return State(arrays, state.parameters, state.synapses), Recording(counts, spikes)


def _generate(spec: NetworkSpec, capacity: Capacity, folder: Path) -> dict:
    """Write the C++ sources of `spec` to `folder`; return the layout of its files."""
    with standalone_device(standalone.NAME, spec, folder) as device:
        network = BrianNetwork(spec, capacity)
        layout, load, before_run, save = exchange.code(network, device)
        device.insert_code("main", load)
        device.insert_code("before_network_run", before_run)
        device.insert_code("before_end", save)
        network.net.run(_ENDLESS * spec.dt, namespace={})
        device.build(directory=str(folder), compile=False, run=False)
        device.write_units(folder)
    return layout

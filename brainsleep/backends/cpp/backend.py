"""C++ standalone: a program that is compiled once for a network and called for every segment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import BrainsleepError
from ...network.spec import NetworkSpec
from ...run.segment import (
    Answer,
    Capacity,
    Recording,
    Segment,
    check_complete,
    counts_of_slots,
    timing,
)
from ...run.state import State, finished_arrays
from ..brian.context import standalone_device
from ..brian.network import BrianNetwork
from . import cache, exchange, standalone
from .build import build_key, compile_program, describe_compiler, find_compiler
from .compiled import CompiledBackend
from .process import Job, Program, Programs, Synapses

#: Steps after which a standalone program would end by itself: a segment ends before.
_ENDLESS = 2**40


class CppBackend(CompiledBackend):
    """A C++ standalone program; replicas run side by side, a process each.

    As many are at work at once as there are cores (`brainsleep.backends.cpp.process.cores`).
    """

    spec: NetworkSpec

    def _build(self) -> None:
        super()._build()
        self.compiler = describe_compiler()
        self._programs = Programs()

    def _obtain(self) -> Path:
        return build(self.spec, self.capacity, self._report)

    def _started(self, synapses: Synapses) -> Program:
        """Start the program."""
        self._check_whole()
        return Program(self.directory, self._layout, synapses)

    def _answers(
        self, states: Sequence[State], segments: Sequence[Segment], seeds: Sequence[int]
    ) -> list[Answer | BrainsleepError]:
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


def build(
    spec: NetworkSpec, capacity: Capacity, report: Callable[[str], None] = lambda message: None
) -> Path:
    """Compile the C++ program of `spec`, or find it in the cache.

    Parameters
    ----------
    spec : NetworkSpec
        The network.
    capacity : Capacity
        Largest segment it must run.
    report : callable
        Told when something is compiled.

    Returns
    -------
    Path
        Folder with the program ``main`` and ``layout.json``.

    Raises
    ------
    BackendError
        If the code does not compile, or the cache cannot be written.
    """

    def make(folder: Path) -> dict:
        report(f"compiling network '{spec.name}' with {find_compiler()}")
        layout = _generate(spec, capacity, folder)
        compile_program(folder)
        return layout

    return cache.obtain(build_key(spec, capacity), make, spec.name, report)


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

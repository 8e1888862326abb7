"""C++ standalone: a program that is compiled once for a network and called for every segment."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from multiprocessing.connection import wait
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from ...errors import BrainsleepError, SimulationError
from ...network.links import check_neurons
from ...network.spec import NetworkSpec
from ...run.delays import DELAY_HISTORY, changing, rows_of, to_ring
from ...run.segment import Answer, Capacity, Segment, spike_trains, timing
from ...run.state import State, started_arrays
from ..brian.backend import answer_of
from ..brian.context import standalone_device
from ..brian.network import BrianNetwork
from . import cache, exchange, standalone
from .build import build_key, compile_program, describe_compiler, find_compiler
from .by_neuron import ByNeuron
from .process import CompiledBackend, Program, Synapses, cores

#: Steps after which a standalone program would end by itself: a segment ends before.
_ENDLESS = 2**40

#: Seconds after which the cache is told again that a program is in use.
_NOTE_EVERY = 60.0


class CppBackend(CompiledBackend):
    """A C++ standalone program; replicas run side by side, a process each.

    A process serves every replica of its connectivity, one at a time, and is kept from one call to
    the next.
    """

    spec: NetworkSpec

    def _build(self) -> None:
        super()._build()
        self.compiler = describe_compiler()
        self.idle: list[Program] = []
        self._by_neuron = ByNeuron(self._layout["alike"])
        self._noted = -_NOTE_EVERY

    def _obtain(self) -> Path:
        return build(self.spec, self.capacity, self._report, self.traced, self.events)

    def _answers(
        self, states: Sequence[State], segments: Sequence[Segment], seeds: Sequence[int]
    ) -> list[Answer | BrainsleepError]:
        """Advance replicas, not more at once than there are `cores`, long ones first.

        A `SimulationError` is a replica's answer. Anything else, an interrupt for example, ends all
        programs; those that serve none of the replicas are ended.
        """
        self._note_use()
        answers: list[Any] = [None] * len(states)
        waiting = deque(sorted(range(len(states)), key=lambda k: -int(segments[k].starts[-1])))
        busy: dict[Program, int] = {}
        before, self.idle, room = self.idle, [], cores()
        threads = max(1, room // len(states))
        try:
            while waiting or busy:
                if waiting and len(busy) < room:
                    k = waiting.popleft()
                    with _instead(answers, k):
                        rows = self._by_neuron.rows(states[k].arrays, states[k].synapses)
                        start = replace(states[k], arrays=states[k].arrays | rows)
                        given = self._given(start, segments[k], seeds[k], threads)
                        program = self._serving(states[k].synapses, given, before)
                        busy[program] = k
                        program.begin_with(given, rows)
                else:
                    ready: list[Any] = wait(list[Any](busy))
                    for program in ready:
                        k = busy[program]
                        with _instead(answers, k):
                            arrays = program.arrays_at_end()
                            self.idle.append(program)
                            answers[k] = self._answer_with(arrays, program, states[k], segments[k])
                busy = {program: k for program, k in busy.items() if answers[k] is None}
        except BaseException:
            before += [*busy, *self.idle]
            self.idle = []
            raise
        finally:
            for program in before:
                program.close()
        return answers

    def _answer_with(
        self, arrays: Mapping[str, np.ndarray], program: Program, state: State, segment: Segment
    ) -> Answer:
        """Make the answer of a replica of what a program gave."""

        def whole(key: str, values: np.ndarray) -> np.ndarray:
            by_neuron, synapses = key in program.by_neuron, state.synapses
            return self._by_neuron.at_synapses(key, values, synapses) if by_neuron else values

        steps = int(arrays["steps"][0]) - segment.start
        values = arrays.__getitem__
        return answer_of(self.spec, state, segment, steps, values, self.events, whole)

    def _note_use(self) -> None:
        """Note in the cache that the program is in use, now and then: a loop calls it often."""
        if (now := time.monotonic()) >= self._noted + _NOTE_EVERY:
            cache.touch(self.directory)
            self._noted = now

    def _serving(
        self, synapses: Synapses, given: dict[str, np.ndarray], before: list[Program]
    ) -> Program:
        """Return a program that has nothing to do, one with these weights first; or a new one."""
        for programs in (self.idle, before):
            fit = [program for program in programs if program.serves(synapses)]
            if fit:
                chosen = next((program for program in fit if program.has(given)), fit[0])
                programs.remove(chosen)
                return chosen
        self._check_whole()
        return Program(self.directory, self._layout, synapses)

    def _given(
        self, state: State, segment: Segment, seed: int, threads: int
    ) -> dict[str, np.ndarray]:
        """Return all arrays that a segment starts from."""
        times, values = timing(self.spec, self.capacity, segment, rows_of(self.spec, state))
        arrays = started_arrays(state, segment.start, float(self.spec.dt))
        check_neurons(self.spec.plan.groups, arrays)
        given: dict[str, Any] = {**arrays, **state.parameters}
        given |= {f"clock:{name}": value for name, value in times.items()}
        given |= {f"slots:{name}": value for name, value in values.items()}
        for _, part, _ in changing(self.spec.plan):
            key = f"{part.name}.{DELAY_HISTORY}"
            given[key] = to_ring(arrays[key])
        for name, (steps, neurons) in spike_trains(self.spec, segment).items():
            given |= {f"{name}._timebins": steps, f"{name}.neuron_index": neurons}
        indices = segment.traced.indices if segment.traced else {}
        given |= {f"trace:{name}": indices.get(name, ()) for name in self.traced}
        settings = [seed % 2**32, segment.start, segment.start + segment.starts[-1], threads]
        given["run"] = np.array(settings, dtype=np.int64)
        return given


@contextlib.contextmanager
def _instead(answers: list[Any], k: int) -> Iterator[None]:
    """Take an error of replica `k` as its answer."""
    try:
        yield
    except SimulationError as error:
        answers[k] = error


def build(
    spec: NetworkSpec,
    capacity: Capacity,
    report: Callable[[str], None] = lambda message: None,
    traced: Collection[str] = (),
    events: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> Path:
    """Compile the C++ program of `spec`, or find it in the cache; return its folder.

    Raises `BackendError` if the code does not compile, or the cache cannot be written.
    """

    def make(folder: Path) -> dict:
        report(f"compiling network '{spec.name}' with {find_compiler()}")
        layout = _generate(spec, capacity, folder, traced, events)
        compile_program(folder)
        return layout

    key = build_key(spec, capacity, traced=traced, events=events)
    return cache.obtain(key, make, spec.name, report)


def _generate(
    spec: NetworkSpec,
    capacity: Capacity,
    folder: Path,
    traced: Collection[str] = (),
    events: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> dict:
    """Write the C++ sources of `spec` to `folder`; return the layout of its files."""
    with standalone_device(standalone.NAME, spec, folder) as device:
        whom = {name: np.zeros(1, int) for name in traced}
        network = BrianNetwork(spec, capacity, traced=whom, events=events)
        layout, load, before_run, save = exchange.code(network, device)
        device.insert_code("main", load)
        device.insert_code("before_network_run", before_run)
        device.insert_code("before_end", save)
        network.net.run(_ENDLESS * spec.dt, namespace={})
        device.build(directory=str(folder), compile=False, run=False)
        device.write_units(folder)
    return layout

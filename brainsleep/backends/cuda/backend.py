"""CUDA: segments of many replicas of a network at once, on a GPU.

Replicas, their connectivity, states, parameters and segments are given to the program as one image
of memory a replica.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ...errors import BackendError, BrainsleepError, SimulationError
from ...network.plan import FEATURES
from ...network.spec import NetworkSpec
from ...run.segment import Answer, Capacity, Segment, events
from ...run.state import State, started_arrays
from ..brian.backend import answer_of
from ..brian.context import standalone_device
from ..brian.network import BrianNetwork
from ..cpp import cache
from ..cpp.build import build_key, generator
from ..cpp.process import CompiledBackend, Process
from .memory import BUFFERS, RETURNED, Array, Connections, MemoryLayout, words
from .toolkit import (
    ENVIRONMENT,
    FLAGS,
    architecture,
    check_capability,
    check_extra,
    compile_program,
    describe_nvcc,
    gpu,
)

#: Steps of the network that is laid out: any number, segments say when they end.
_LONG = 2**30

#: No step: ends a list of times.
_NEVER = np.iinfo(np.int32).max

#: The part of the program that is the same for every network.
_FILES = ("segments.cu", "random.cuh")


def generate(spec: NetworkSpec, folder: Path) -> dict:
    """Write the CUDA sources of `spec` to `folder`; return their layout.

    Needs brian2cuda (`MissingExtraError`), but neither a compiler nor a GPU. Raises `BackendError`
    if the network uses something that CUDA cannot run.
    """
    check_extra()
    from . import code  # imports brian2cuda
    from .source import TEMPLATES, Source

    with standalone_device(code.NAME, spec, folder) as device:
        network = BrianNetwork(spec, Capacity(1, 1))
        functions = {name: code.slot_function(array) for name, array in network.slot_values.items()}
        network.net.run(_LONG * spec.dt, namespace={})
        source = Source(spec, device.pieces(), functions)
        (folder / "kernel.cuh").write_text(source.text())
    for name in _FILES:
        shutil.copy(TEMPLATES / name, folder / name)
    return source.layout()


class CudaBackend(CompiledBackend):
    """A CUDA program; replicas run at the same time."""

    spec: NetworkSpec
    watches = True
    no_traces = "a CUDA program records spikes alone; use --backend cpp"
    room = Capacity(slots=512, steps=2**20)  # a call costs much the same with more in it
    lacks = FEATURES

    def _build(self) -> None:
        self.gpu, self.capability = gpu()
        super()._build()
        self.kernel_seconds = 0.0  # of the last segment, without exchanging files
        self.compiler = self._layout["compiler"]
        self._arrays = [Array(**array) for array in self._layout["arrays"]]
        self._process: _Process | None = None
        self._connected: list[Connections] = []

    def _obtain(self) -> Path:
        return build(self.spec, self.capability, self._report)

    def _answers(
        self, states: Sequence[State], segments: Sequence[Segment], seeds: Sequence[int]
    ) -> list[Answer | BrainsleepError]:
        cache.touch(self.directory)
        if self._process is None or not self._process.running:
            self._check_whole()
            self._process, self._connected = _Process(self.directory), []
        given = [
            self._inputs(state, segment)
            | {"settings": np.array([seed, segment.starts[-1], segment.start])}
            for state, segment, seed in zip(states, segments, seeds, strict=True)
        ]
        connections = {id(each.synapses): each for each in self._connected}
        for state in states:
            if id(state.synapses) not in connections:
                connections[id(state.synapses)] = Connections(self.spec, state.synapses)
        connected = [connections[id(state.synapses)] for state in states]
        same = connected == self._connected
        self._connected = connected
        layout = self._laid_out(segments, given)
        try:
            out = self._process.run(layout, self._images(layout, given, same), given)
        except BaseException:
            self._connected = []
            raise
        self.kernel_seconds = float(self._process.said[0])
        return self._taken(layout, out, states, segments)

    # -- memory --------------------------------------------------------------------------------

    def _laid_out(self, segments: Sequence[Segment], given: Sequence[Mapping]) -> MemoryLayout:
        """Lay out memory for these segments: every replica has room for the largest."""
        rows = {"": 1, "slots": max(map(len, segments))}
        rows["raster"] = max(int(s.steps[s.raster].sum()) for s in segments)
        for name in (p.name for p in self.spec.projections):
            rows[f"synapses:{name}"] = max(len(c.order[name]) for c in self._connected)
        for array in self._arrays:
            if array.rows.startswith("times:"):
                rows[array.rows] = max(len(mine[array.key]) for mine in given)
        sizes = self._layout["sizes_known"]
        return MemoryLayout(self._arrays, sizes, rows, self._blocks(len(segments)))

    def _blocks(self, replicas: int) -> tuple[int, int]:
        """Return how many blocks a replica gets, and the warps of each."""
        n_shares, most = self._layout["shares"], self._layout["warps"]
        if n_shares <= 2 * most:  # one block need not wait for others
            return 1, min(most, n_shares)
        assert self._process is not None  # it is started before memory is laid out
        room = max(1, self._process.n_resident // replicas)
        blocks = min(room, -(-n_shares // 4))
        return blocks, min(most, -(-n_shares // blocks))

    def _inputs(self, state: State, segment: Segment) -> dict[str, np.ndarray]:
        """Return what a replica is given, but for what depends on its connectivity."""
        steps, values = events(self.spec, self.capacity, segment)
        given = started_arrays(state, segment.start, float(self.spec.dt))
        given["parameters"] = np.array([state.parameters[k] for k in self._layout["parameters"]])
        given |= {f"slots:{name}": value for name, value in values.items()}
        every_step = {name: segment.gates[name] > 0 for name in self.spec.activity_names}
        every_step["raster"] = segment.raster
        given["above"] = np.zeros(len(segment)) if segment.above is None else segment.above
        flags = np.zeros(len(segment), np.uint32)
        for bit, name in enumerate(self._layout["flags"]):
            if name:
                flags |= every_step[name].astype(np.uint32) << bit
        given["flags"] = flags
        for array in self._arrays:
            if array.rows.startswith("times:"):
                times = steps[array.key.partition(":")[2]]
                given[array.key] = np.append(times, _NEVER)
        return given

    def _images(
        self, layout: MemoryLayout, given: Sequence[Mapping], same: bool
    ) -> dict[str, np.ndarray]:
        """Return the memory of all replicas by buffer; without connectivity that is the same."""
        images = {
            name: np.zeros((len(given), layout.sizes[name]), np.uint8)
            for name in ("state", "segment", *(() if same else ("fixed",)))
        }
        for array in self._arrays:
            if array.buffer not in images:
                continue
            if array.buffer == "fixed":
                values = [connections.fixed[array.key] for connections in self._connected]
            elif array.key.endswith(".not_refractory"):
                values = [np.ones(array.columns)] * len(given)
            elif array.key in given[0]:
                values = [mine[array.key] for mine in given]
            else:
                continue
            if projection := array.projection:
                both = zip(values, self._connected, strict=True)
                values = [value[connections.order[projection]] for value, connections in both]
            layout.put(images[array.buffer], array, values)
        return images

    def _taken(
        self,
        layout: MemoryLayout,
        out: Mapping,
        states: Sequence[State],
        segments: Sequence[Segment],
    ) -> list[Answer | BrainsleepError]:
        """Take states and recordings from the memory of all replicas."""
        arrays = {array.key: array for array in self._arrays if array.buffer in RETURNED}
        views = {
            key: layout.view(out[array.buffer], array, layout.rows[array.rows] * array.columns)
            for key, array in arrays.items()
        }
        answers: list[Answer | BrainsleepError] = []
        for r, (state, segment) in enumerate(zip(states, segments, strict=True)):
            shown = segment.part(0, int(views["slots_run"][r, 0]))
            values = dict(state.arrays)  # what nothing uses stays
            for key, array in arrays.items():
                back = self._connected[r].back.get(array.projection, slice(None))
                values[key] = views[key][r][back]
            for name, size in ((p.name, p.size) for p in self.spec.populations if p.spikes):
                recorded = values[f"counts:{name}"].reshape(-1, size)
                values[f"{name}:counts.spike_count"] = recorded[: len(shown)]
                steps, neurons = _spikes(values[f"raster:{name}"], size, shown)
                values[f"{name}:raster.t"] = (steps + segment.start) * float(self.spec.dt)
                values[f"{name}:raster.i"] = neurons
            try:
                end = int(shown.starts[-1])
                answers.append(answer_of(self.spec, state, shown, end, values.__getitem__))
            except SimulationError as error:
                answers.append(error)
        return answers


def _spikes(raster: np.ndarray, size: int, segment: Segment) -> tuple[np.ndarray, np.ndarray]:
    """Return steps and neurons of single spikes: a bit each, a row a step that was recorded."""
    steps = segment.steps_where(segment.raster)
    rows = raster.reshape(-1, words(size))[: len(steps)]
    fired = np.unpackbits(rows.view(np.uint8), axis=1, count=size, bitorder="little")
    row, neuron = np.nonzero(fired)
    return steps[row], neuron.astype(np.int32)


class _Process(Process):
    """The running program."""

    def __init__(self, directory: Path):
        super().__init__("cuda", directory, ENVIRONMENT)
        answer = self._stdout.readline().split()
        if len(answer) != 2:
            code = self._process.wait()
            error = self._error(code)
            self.close()
            raise BackendError(
                f"{error}; the program needs an NVIDIA GPU of the compute capability that it was "
                "compiled for, and a driver for its CUDA"
            )
        #: Blocks that run at the same time: replicas of large networks share them.
        self.n_resident = int(answer[0]) * int(answer[1])

    def _error(self, code: int) -> SimulationError:
        error = super()._error(code)
        if "out of memory" in str(error):
            return SimulationError(f"{error}; take fewer replicas at a time (--replicas)")
        return error

    def run(
        self, layout: MemoryLayout, images: Mapping[str, np.ndarray], given: Sequence
    ) -> dict[str, np.ndarray]:
        """Hand over images of memory; return those that the program has changed."""
        blocks, warps = layout.blocks
        sizes = [layout.sizes[name] for name in BUFFERS]
        offsets = np.array(list(layout.offsets.values()), np.int64)
        header = np.array([len(given), blocks, 32 * warps, "fixed" in images, *sizes], np.int64)

        read = [(name, np.uint8, len(given) * layout.sizes[name]) for name in RETURNED]
        sent = [images[name].data for name in BUFFERS if name in images]
        self.begin([header.tobytes() + offsets.tobytes(), *sent])
        return {k: v.reshape(len(given), -1) for k, v in self.end(read).items()}


def build(spec: NetworkSpec, capability: str, report=lambda message: None) -> Path:
    """Compile the CUDA program of `spec`, or find it in the cache.

    A program that was compiled elsewhere, by the same versions of this package and Brian2, is found
    in a copy of that cache: then neither a compiler nor brian2cuda is needed, and no GPU ever.
    Raises `MissingExtraError` without brian2cuda, and `BackendError` if there is no compiler, it
    cannot compile for a capability such as ``"9.0"``, or the code does not compile.
    """
    check_capability(capability)
    names = ("backend", "code", "memory", "source", "text")
    parts = ("brian/context", "brian/network", "brian/objects", *(f"cuda/{name}" for name in names))
    tool = {"generator": generator(*parts), "flags": FLAGS, "capability": capability}

    def make(folder: Path) -> dict:
        check_extra()
        target = architecture(capability)
        report(f"compiling network '{spec.name}' with nvcc for compute capability {capability}")
        layout = generate(spec, folder)
        compile_program(folder, target)
        return {**layout, "capability": capability, "compiler": describe_nvcc()}

    return cache.obtain(build_key(spec, Capacity(), tool), make, spec.name, report)

"""CUDA: segments of many replicas of a network at once, on a GPU.

The program is compiled once for a network (`brainsleep.backends.cuda.source`) and called again and
again. How many replicas there are, their connectivity, states, parameters and segments are given to
it at run time, as one image of memory a replica.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ...errors import BackendError, BrainsleepError, SimulationError
from ...network.spec import NetworkSpec
from ...run.segment import Answer, Capacity, Recording, Segment, counts_of_slots, events
from ...run.state import State, finished_arrays
from ..brian.context import standalone_device
from ..brian.network import BrianNetwork
from ..cpp import cache
from ..cpp.build import build_key, generator
from ..cpp.compiled import CompiledBackend
from ..cpp.process import Process
from .memory import BUFFERS, RETURNED, Array, Connections, Plan
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

TEMPLATES = Path(__file__).parent / "templates"
_FILES = ("segments.cu", "random.cuh")


def generate(spec: NetworkSpec, folder: Path) -> dict:
    """Write the CUDA sources of `spec` to `folder`; return their layout.

    Needs brian2cuda, but neither a compiler nor a GPU.

    Raises
    ------
    MissingExtraError
        If brian2cuda is not installed.
    BackendError
        If the network uses something that CUDA cannot run.
    """
    check_extra()
    from . import code  # imports brian2cuda
    from .source import Source

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
    """A CUDA program; replicas run at the same time.

    Raises
    ------
    BackendError
        If there is no GPU, or no program and nothing to compile one with.
    MissingExtraError
        If there is no program and brian2cuda is not installed.
    """

    spec: NetworkSpec
    watches = True
    room = Capacity(slots=512, steps=2**20)  # a call costs much the same with more in it

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
            {**self._inputs(state, segment), "settings": np.array([seed, segment.starts[-1]])}
            for state, segment, seed in zip(states, segments, seeds, strict=True)
        ]
        known = len(states) == len(self._connected) and all(
            mine.synapses is state.synapses
            for mine, state in zip(self._connected, states, strict=True)
        )
        if not known:
            before = {id(c.synapses): c for c in self._connected}
            self._connected = [
                before.get(id(s.synapses)) or Connections(self.spec, s.synapses) for s in states
            ]
        plan = self._planned(segments, given)
        try:
            out = self._process.run(plan, self._images(plan, given, known), given)
        except BaseException:
            self._connected = []
            raise
        self.kernel_seconds = float(self._process.said[0])
        return self._taken(plan, out, states, segments)

    # -- memory --------------------------------------------------------------------------------

    def _planned(self, segments: Sequence[Segment], given: Sequence[Mapping]) -> Plan:
        """Lay out memory for these segments: every replica has room for the largest."""
        rows = {"": 1, "slots": max(map(len, segments))}
        rows["raster"] = max(int(s.steps[s.raster].sum()) for s in segments)
        for name in (p.name for p in self.spec.projections):
            rows[f"synapses:{name}"] = max(len(c.order[name]) for c in self._connected)
        for array in self._arrays:
            if array.rows.startswith("times:"):
                rows[array.rows] = max(len(mine[array.key]) for mine in given)
        known = self._layout["sizes_known"]
        return Plan(self._arrays, known, rows, self._blocks(len(segments)))

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
        given = dict(state.arrays)
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

    def _images(self, plan: Plan, given: Sequence[Mapping], known: bool) -> dict[str, np.ndarray]:
        """Return the memory of all replicas, by buffer."""
        images = {
            name: np.zeros((len(given), plan.sizes[name]), np.uint8)
            for name in BUFFERS
            if name != "record" and not (known and name == "fixed")
        }
        for array in (array for array in self._arrays if array.buffer in images):
            if array.buffer == "fixed":
                values = [connections.fixed[array.key] for connections in self._connected]
            elif array.key.endswith(".not_refractory"):
                values = [np.ones(array.columns)] * len(given)
            elif array.key not in given[0]:
                continue
            else:
                values = [mine[array.key] for mine in given]
            if projection := array.projection:
                both = zip(values, self._connected, strict=True)
                values = [value[connections.order[projection]] for value, connections in both]
            plan.put(images[array.buffer], array, values)
        return images

    def _taken(
        self, plan: Plan, out: Mapping, states: Sequence[State], segments: Sequence[Segment]
    ) -> list[Answer | BrainsleepError]:
        """Take states and recordings from the memory of all replicas."""
        arrays = {array.key: array for array in self._arrays if array.buffer in RETURNED}

        def view(key: str, rows: int = 1) -> np.ndarray:
            array = arrays[key]
            return plan.view(out[array.buffer], array, rows * array.columns)

        whole = {
            key: view(key, plan.rows[array.rows]).astype(float)
            for key, array in arrays.items()
            if key in states[0].arrays
        }
        spiking = [p.name for p in self.spec.populations if p.spikes]
        final = {name: view(f"{name}.spike_count") for name in spiking}
        counted = {name: view(f"counts:{name}", plan.rows["slots"]) for name in spiking}
        rasters = {name: view(f"raster:{name}", plan.rows["raster"]) for name in spiking}
        slots_run = view("slots_run")
        answers: list[Answer | BrainsleepError] = []
        for r, (state, segment) in enumerate(zip(states, segments, strict=True)):
            n_slots = int(slots_run[r, 0])
            back = self._connected[r].back
            found = dict(state.arrays)  # what nothing uses stays
            for key, values in whole.items():
                projection = arrays[key].projection
                found[key] = values[r][back[projection]] if projection else values[r]
            try:
                found = finished_arrays(found, float(segment.starts[n_slots] * self.spec.dt))
            except SimulationError as error:
                answers.append(error)
                continue
            recording = Recording(
                {
                    name: counts_of_slots(
                        counted[name][r].reshape(plan.rows["slots"], -1)[:n_slots],
                        final[name][r],
                    )
                    for name in spiking
                },
                {
                    name: _spikes(
                        rasters[name][r],
                        plan.rows["raster"],
                        final[name].shape[1],
                        segment.part(0, n_slots),
                    )
                    for name in spiking
                },
            )
            answers.append((State(found, state.parameters, state.synapses), recording))
        return answers


def _spikes(
    raster: np.ndarray, rows: int, size: int, segment: Segment
) -> tuple[np.ndarray, np.ndarray]:
    """Return steps and neurons of single spikes: a bit each, a row a step that was recorded."""
    shown = segment.steps_where(segment.raster)
    if not len(shown):
        return np.empty(0, np.int64), np.empty(0, np.int32)
    words = np.ascontiguousarray(raster.reshape(rows, -1)[: len(shown)])
    fired = np.unpackbits(words.view(np.uint8), axis=1, count=size, bitorder="little")
    row, neuron = np.nonzero(fired)
    return shown[row].astype(np.int64), neuron.astype(np.int32)


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
        self, plan: Plan, images: Mapping[str, np.ndarray], given: Sequence
    ) -> dict[str, np.ndarray]:
        """Hand over images of memory; return those that the program has changed."""
        blocks, warps = plan.blocks
        sizes = [plan.sizes[name] for name in BUFFERS]
        offsets = np.array(list(plan.offsets.values()), np.int64)
        header = np.array([len(given), blocks, 32 * warps, "fixed" in images, *sizes], np.int64)

        def write() -> None:
            with self._overwrite("segment.bin") as file:
                file.write(header.tobytes() + offsets.tobytes())
                for name in BUFFERS:
                    if name in images:
                        file.write(images[name].data)

        def read() -> dict[str, np.ndarray]:
            out = {}
            with open(self._path("state.bin"), "rb") as file:
                for name in RETURNED:
                    count = len(given) * plan.sizes[name]
                    values = self._values(file, name, np.uint8, count)
                    out[name] = values.reshape(len(given), -1)
            return out

        self.begin(write)
        return self.end(read)


def build(spec: NetworkSpec, capability: str, report=lambda message: None) -> Path:
    """Compile the CUDA program of `spec`, or find it in the cache.

    A program that was compiled elsewhere, by the same versions of this package and Brian2, is found
    in a copy of that cache: then neither a compiler nor brian2cuda is needed.

    Parameters
    ----------
    spec : NetworkSpec
        The network.
    capability : str
        Compute capability of the GPU, such as ``"9.0"``. No GPU is needed to compile.
    report : callable
        Told when something is compiled.

    Returns
    -------
    Path
        Folder with the program ``main`` and ``layout.json``.

    Raises
    ------
    BackendError
        If there is no compiler, it cannot compile for this capability, or the code does not
        compile.
    MissingExtraError
        If brian2cuda is not installed.
    """
    check_capability(capability)
    names = ("backend", "code", "memory", "objects", "source", "text")
    parts = ("brian/context", "brian/network", *(f"cuda/{name}" for name in names))
    tool = {"generator": generator(*parts), "flags": FLAGS, "capability": capability}

    def make(folder: Path) -> dict:
        check_extra()
        target = architecture(capability)
        report(f"compiling network '{spec.name}' with nvcc for compute capability {capability}")
        layout = generate(spec, folder)
        compile_program(folder, target)
        return {**layout, "capability": capability, "compiler": describe_nvcc()}

    return cache.obtain(build_key(spec, Capacity(), tool), make, spec.name, report)

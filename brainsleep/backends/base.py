"""Backends: how a network is run, and Brian2's runtime as one.

A backend is made once for a network and then called again and again::

    backend = make_backend("cpp", spec)
    state, recording = backend.advance(state, segment, seed)

`advance` is a pure function of state, segment and seed; `advance_batch` does the same for several
replicas, runs of one kind of network, in one call. On the runtime backends (``numpy``,
``cython``) Brian2 runs in this process; ``cpp`` and ``cuda`` are standalone programs, compiled once
and kept in a cache, that read a segment from a file and write the next state to another.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import brian2
import numpy as np

from ..errors import BackendError, BrainsleepError, nearest
from ..network.layers import SurrogateNetwork
from ..network.spec import Network, NetworkSpec
from ..run.request import Answer, check_batch, one_by_one
from ..run.segment import (
    Capacity,
    Recording,
    Segment,
    check_complete,
    check_segment,
    counts_of_slots,
    timing,
)
from ..run.state import State, finished_arrays, same_synapses
from .brian.context import brian_errors, numpy_seed, runtime
from .brian.network import BrianNetwork
from .brian.replicas.together import Together
from .cpp.build import describe_compiler, find_compiler, need_compiler

#: What runs Brian2 networks, and what runs surrogate-gradient networks.
BRIAN_BACKENDS = ("cpp", "cuda", "cython", "numpy")
TORCH_BACKENDS = ("torch", "torch-cuda")
BACKENDS = (*BRIAN_BACKENDS, *TORCH_BACKENDS)

#: Which sequence of random numbers a backend draws, where it is not Brian2's own: another one
#: gives other results for the same seed, so it is part of a run's address.
_RANDOM_NUMBERS = {"cpp": "splitmix", "cuda": "splitmix by place"}


def default_backend(spec: Network) -> str:
    """Return ``"cpp"`` where there is a C++ compiler, else ``"numpy"``; ``"torch"`` for layers."""
    if isinstance(spec, SurrogateNetwork):
        return "torch"
    return "cpp" if find_compiler() else "numpy"


def backend_identity(name: str) -> str:
    """Return what of a backend decides the outcome of a run: its name and its random numbers."""
    return "/".join(filter(None, (name, _RANDOM_NUMBERS.get(name))))


def make_backend(
    name: str,
    spec: Network,
    *,
    capacity: Capacity | None = None,
    hooks: Mapping[str, Callable] | None = None,
    report: Callable[[str], None] = lambda message: None,
):
    """Make the backend called `name` for the network `spec`.

    Parameters
    ----------
    name : {"cpp", "cuda", "cython", "numpy", "torch", "torch-cuda"}
        C++ standalone, CUDA on a GPU, or Brian2's runtime with Cython or NumPy code; torch on the
        CPU or a GPU for surrogate-gradient networks.
    spec : NetworkSpec or SurrogateNetwork
        The network.
    capacity : Capacity, optional
        Largest segment it must run.
    hooks : mapping of str to callable, optional
        Python functions ``hook(groups, t)`` called at ``on_wake``, ``on_sleep``, ``on_segment``,
        with Brian2's groups by name and the time of the run; only on the runtime backends.
    report : callable, optional
        Told what takes time ("compiling ...").

    Raises
    ------
    BackendError
        For an unknown backend, one that cannot run this kind of network, a missing compiler or
        GPU, or hooks where there is no Brian2 network in this process.
    MissingExtraError
        If torch or snntorch are not installed.
    """
    known = TORCH_BACKENDS if isinstance(spec, SurrogateNetwork) else BRIAN_BACKENDS
    if name not in BACKENDS:
        raise BackendError(f"backend: unknown '{name}'; {nearest(name, known)}")
    if name not in known:
        kind = "surrogate-gradient" if known is TORCH_BACKENDS else "Brian2"
        raise BackendError(
            f"backend: '{name}' cannot run '{spec.name}', a {kind} network; {nearest(name, known)}"
        )
    if isinstance(spec, SurrogateNetwork):
        return _torch_backend(name, spec, hooks)
    assert isinstance(spec, NetworkSpec)
    capacity = capacity or Capacity()
    if name in ("cpp", "cython"):
        need_compiler(name)
    if name in ("cpp", "cuda"):
        if hooks:
            raise BackendError(
                f"backend {name}: got Python hooks ({', '.join(sorted(hooks))}); a standalone "
                "program cannot call Python; use --backend cython or numpy, or write the hook as "
                "equations"
            )
        if name == "cuda":
            from .cuda.backend import CudaBackend

            return CudaBackend(spec, capacity, report)
        from .cpp.backend import CppBackend

        return CppBackend(spec, capacity, report)
    return RuntimeBackend(name, spec, capacity, hooks)


def _torch_backend(name: str, spec: SurrogateNetwork, hooks: Mapping[str, Callable] | None):
    if hooks:
        raise BackendError(
            f"backend {name}: got Python hooks ({', '.join(sorted(hooks))}); they are for Brian2 "
            "networks; remove them"
        )
    from .torch.backend import TorchBackend  # torch is an extra, and takes a second to import

    return TorchBackend(spec, "cuda" if name == "torch-cuda" else "cpu")


class RuntimeBackend:
    """Brian2's runtime, with code generated for NumPy or Cython."""

    def __init__(self, name: str, spec: NetworkSpec, capacity: Capacity, hooks=None):
        self.name, self.spec, self.capacity, self._hooks = name, spec, capacity, hooks
        self._network: BrianNetwork | None = None
        self._synapses: dict = {}
        self._together = Together(name, spec, capacity)
        self.build_seconds = 0.0
        self.compiler = describe_compiler() if name == "cython" else ""

    def _prepare(self, state: State) -> BrianNetwork:
        network = self._network
        if network is None or not same_synapses(state.synapses, self._synapses):
            started = time.perf_counter()
            network = BrianNetwork(self.spec, self.capacity, state.synapses, self._hooks)
            self._network, self._synapses = network, state.synapses
            self.build_seconds += time.perf_counter() - started
        return network

    def advance(self, state: State, segment: Segment, seed: int) -> tuple[State, Recording]:
        """Run `segment` from `state`; see `make_backend`.

        Parameters
        ----------
        state : State
            State at the start; not changed.
        segment : Segment
            What to run.
        seed : int
            Seed of all random numbers drawn in the segment.

        Returns
        -------
        state : State
            State at the end.
        recording : Recording
            Spike counts a slot, and single spikes where asked for.
        """
        check_segment(self.spec, segment)
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

    def advance_batch(
        self, states: Sequence[State], segments: Sequence[Segment], seeds: Sequence[int]
    ) -> list[Answer | BrainsleepError]:
        """Run several replicas; each is, and draws, what it is and draws when it runs by itself.

        They go into one Brian2 network, as disjoint populations: a step of Brian2's runtime costs
        much the same for one small network as for several. With ``numpy`` the outcome is that of
        `advance` to the last bit; with ``cython`` the compiler may round differently for more
        neurons (``-ffast-math``). Networks whose code draws random numbers in another way than
        with ``rand()``, ``randn()`` and ``poisson()`` for each neuron or synapse (a number that all
        share, or one within a weight process's sum) run one after the other.

        Parameters
        ----------
        states : sequence of State
            States at the start, one a replica; they may differ in everything.
        segments : sequence of Segment
            What to run, one a replica, of any length.
        seeds : sequence of int
            Seeds of the random numbers, one a replica.

        Returns
        -------
        list of (State, Recording) or BrainsleepError
            For every replica what `advance` returns, or the error that it raises.

        Raises
        ------
        BackendError
            If the numbers of states, segments and seeds differ, or there are hooks.
        """
        check_batch(states, segments, seeds, self._hooks)
        for segment in segments:
            check_segment(self.spec, segment)
        if len(states) > 1:
            answers = self._together.advance(states, segments, seeds)
            self.build_seconds += self._together.take_build_seconds()
            if answers is not None:
                return answers
        return one_by_one(self.advance, states, segments, seeds)

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

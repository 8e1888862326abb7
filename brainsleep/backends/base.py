"""Backends: what runs a network, by name.

A backend is made once for a network and then called again and again::

    backend = make_backend("cpp", spec)
    state, recording = backend.advance(state, segment, seed)

`advance` is a pure function of state, segment and seed; `advance_replicas` does the same for
replicas, runs of one kind of network, in one call. On ``numpy`` and ``cython`` Brian2 runs in this
process; ``cpp`` and ``cuda`` are standalone programs, compiled once and kept in a cache, that read
a segment from a file and write the next state to another; ``torch`` runs layers. To add a backend,
write a module with a `Backend` and name it in `BACKENDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Any, ClassVar

from ..errors import BackendError, BrainsleepError, MissingExtraError, explain, nearest
from ..network.layers import SurrogateNetwork
from ..network.spec import Network, NetworkSpec
from ..run.segment import Answer, Capacity, Segment, check_segment
from ..run.state import State
from .cpp.build import find_compiler


class Backend:
    """What runs a network.

    `make_backend` makes it. A subclass says how one replica is advanced (`_answer`), or how several
    are at once (`_answers`).

    Attributes
    ----------
    capacity : Capacity
        Largest segment that it can run.
    build_seconds : float
        Wall time until now that it took to build the network.
    compiler, gpu : str
        What compiled the network, and the GPU that it runs on; '' for none.
    watches : bool
        Whether it ends a segment early that says so, see `brainsleep.run.segment.Segment`.
    room : Capacity
        Room that it has at least, whatever is asked for.
    no_hooks, no_traces : str
        Why it cannot call Python within segments, or record state variables, and what to do about
        that; '' if it can.
    traced : tuple of str
        Variables that it can record: a segment says of whom, and when.
    events : dict of str to tuple of str
        Events that it records in slots with a raster, and which variables with them.
    lacks : frozenset of str
        Features of networks that it cannot run, see `brainsleep.network.plan.NetworkPlan`.
    """

    watches: ClassVar[bool] = False
    room: ClassVar[Capacity] = Capacity(slots=0, steps=0)
    no_hooks: ClassVar[str] = ""
    no_traces: ClassVar[str] = ""
    lacks: ClassVar[frozenset[str]] = frozenset()

    compiler = gpu = ""
    build_seconds = 0.0

    def __init__(
        self,
        name: str,
        spec: Any,
        capacity: Capacity,
        hooks: Mapping[str, Callable],
        report: Callable[[str], None],
        traced: Collection[str] = (),
        events: Mapping[str, Iterable[str]] = MappingProxyType({}),
    ):
        if hooks and self.no_hooks:
            names = ", ".join(sorted(hooks))
            raise BackendError(f"backend {name}: got Python hooks ({names}); {self.no_hooks}")
        if traced and self.no_traces:
            names = ", ".join(sorted(traced))
            raise BackendError(f"backend {name}: got traces of {names}; {self.no_traces}")
        if events and self.no_traces:
            names = ", ".join(sorted(events))
            raise BackendError(f"backend {name}: got events {names}; {self.no_traces}")
        if lacking := self.lacks & set(getattr(spec.plan, "features", ())):
            got = f"a network with {', '.join(sorted(lacking))}"
            raise BackendError(explain(f"backend {name}", got, "none", "use --backend cpp"))
        self.name, self.spec, self._hooks, self._report = name, spec, hooks, report
        self.traced = tuple(sorted(traced))
        self.events = {k: tuple(sorted(variables)) for k, variables in sorted(events.items())}
        self.capacity = capacity.at_least(self.room)
        self._build()

    def _build(self) -> None:
        """Make ready for the first segment."""

    def advance(self, state: State, segment: Segment, seed: int) -> Answer:
        """Run `segment` from `state`.

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
        (answer,) = self.advance_replicas([state], [segment], [seed])
        if isinstance(answer, BrainsleepError):
            raise answer
        return answer

    def advance_replicas(
        self, states: Sequence[State], segments: Sequence[Segment], seeds: Sequence[int]
    ) -> list[Answer | BrainsleepError]:
        """Run several replicas; each is, and draws, what it is and draws when it runs by itself.

        Parameters
        ----------
        states : sequence of State
            States at the start, not changed. Replicas differ in arrays, parameters and
            connectivity, not in the structure of the network.
        segments : sequence of Segment
            What to run, one a replica, as different as they like.
        seeds : sequence of int
            Seeds of the random numbers, one a replica.

        Returns
        -------
        list of (State, Recording) or BrainsleepError
            For every replica what `advance` returns, or the error that it raises: a replica that
            fails takes nothing from the others.

        Raises
        ------
        BackendError
            If these are not the states, segments and seeds of replicas, or there are hooks.
        """
        if not len(states) == len(segments) == len(seeds):
            got = f"{len(states)} states, {len(segments)} segments and {len(seeds)} seeds"
            raise BackendError(explain("replicas", got, "as many of each, one a replica"))
        if self._hooks and len(states) > 1:
            got = f"Python hooks ({', '.join(sorted(self._hooks))})"
            fix = "a hook is for one network; run the replicas one by one with advance"
            raise BackendError(explain("replicas", got, "none", fix))
        for segment in segments:
            check_segment(self.spec, segment)
            for variable in segment.traced.indices if segment.traced else ():
                if variable not in self.traced:
                    allowed = f"of those that it was made for: {', '.join(self.traced) or 'none'}"
                    raise BackendError(explain(f"backend {self.name}: trace", variable, allowed))
        return self._answers(states, segments, seeds) if states else []

    def _answers(
        self, states: Sequence[State], segments: Sequence[Segment], seeds: Sequence[int]
    ) -> list[Answer | BrainsleepError]:
        """Advance replicas: here one after the other."""
        answers: list[Answer | BrainsleepError] = []
        for each in zip(states, segments, seeds, strict=True):
            try:
                answers.append(self._answer(*each))
            except BrainsleepError as error:
                answers.append(error)
        return answers

    def _answer(self, state: State, segment: Segment, seed: int) -> Answer:
        """Advance one replica."""
        raise NotImplementedError


@dataclass(frozen=True)
class Entry:
    """What is known of a backend before its module is loaded.

    Parameters
    ----------
    kind : str
        Kind of network that it runs, see `brainsleep.network.network.Network`.
    place : str
        Module in this folder and class, ``"cpp.backend:CppBackend"``.
    extra, packages : str, tuple of str
        Extra of this package that it needs, or '', and packages that only its results depend on.
    random_numbers : str
        Which sequence of random numbers it draws, where it is not that of Brian2 or torch: another
        gives other results for the same seed, so it is part of a run's address.
    """

    kind: str
    place: str
    extra: str = ""
    packages: tuple[str, ...] = ()
    random_numbers: str = ""

    def load(self) -> type[Backend]:
        """Import the class.

        Raises
        ------
        MissingExtraError
            If a package is not installed.
        """
        module, _, name = self.place.partition(":")
        try:
            return getattr(import_module(f".{module}", __package__), name)
        except ModuleNotFoundError as error:
            if not self.extra:
                raise
            fix = f"pip install 'brainsleep[{self.extra}]'"
            raise MissingExtraError(f"{self.kind} network: needs {error.name}: {fix}") from error


_BRIAN, _LAYERS = NetworkSpec.kind, SurrogateNetwork.kind
_TORCH = Entry(_LAYERS, "torch.backend:TorchBackend", "surrogate", ("torch", "snntorch"))

#: All backends. The first of a kind of network is the default.
BACKENDS = {
    "cpp": Entry(_BRIAN, "cpp.backend:CppBackend", random_numbers="splitmix"),
    "cuda": Entry(_BRIAN, "cuda.backend:CudaBackend", "cuda", ("brian2cuda",), "splitmix by place"),
    "cython": Entry(_BRIAN, "brian.backend:RuntimeBackend"),
    "numpy": Entry(_BRIAN, "brian.backend:RuntimeBackend"),
    "torch": _TORCH,
    "torch-cuda": _TORCH,
}


def default_backend(spec: Network) -> str:
    """Return ``"cpp"`` where there is a C++ compiler, else ``"numpy"``; ``"torch"`` for layers."""
    first = next(name for name, entry in BACKENDS.items() if entry.kind == spec.kind)
    return "numpy" if first == "cpp" and not find_compiler() else first


def backend_identity(name: str) -> str:
    """Return what of a backend decides the outcome of a run: its name and its random numbers."""
    entry = BACKENDS.get(name)
    return "/".join(filter(None, (name, entry.random_numbers if entry else "")))


def make_backend(
    name: str,
    spec: Network,
    *,
    capacity: Capacity | None = None,
    hooks: Mapping[str, Callable] | None = None,
    report: Callable[[str], None] = lambda message: None,
    traced: Collection[str] = (),
    events: Mapping[str, Iterable[str]] = MappingProxyType({}),
) -> Backend:
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
    traced : collection of str
        Variables that segments may record, such as ``"e.v"``: part of what is compiled, while of
        whom and when they are recorded is not.
    events : mapping of str to iterable of str
        Events that are recorded in slots with a raster, and which variables of the neuron with
        them, such as ``{"e.spike": ("v",)}``.

    Raises
    ------
    BackendError
        For an unknown backend, one that cannot run this kind of network, a missing compiler or
        GPU, or hooks where there is no Brian2 network in this process.
    MissingExtraError
        If torch or snntorch are not installed.
    """
    choices = [each for each, entry in BACKENDS.items() if entry.kind == spec.kind]
    if name not in BACKENDS:
        raise BackendError(f"backend: unknown '{name}'; {nearest(name, choices)}")
    if name not in choices:
        raise BackendError(
            f"backend: '{name}' cannot run '{spec.name}', a {spec.kind} network; "
            f"{nearest(name, choices)}"
        )
    backend = BACKENDS[name].load()
    return backend(name, spec, capacity or Capacity(), hooks or {}, report, traced, events)

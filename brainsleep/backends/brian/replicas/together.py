"""Replicas on Brian2's runtime: in one Brian2 network where that gives the same, else in turn."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from ....errors import BrainsleepError, SimulationError
from ....network.spec import NetworkSpec
from ....run.request import Answer
from ....run.segment import Capacity, Segment, check_complete
from ....run.state import State, finished_arrays
from ..context import brian_errors, runtime
from .code import REPLICA_TARGETS
from .disjoint import ReplicaNetwork
from .draws import ApartError


class Together:
    """Replicas as disjoint populations of one Brian2 network, kept from one batch to the next.

    Parameters
    ----------
    target : {"numpy", "cython"}
        What code is generated for.
    spec : NetworkSpec
        The network.
    capacity : Capacity
        Largest segment of a replica.
    """

    def __init__(self, target: str, spec: NetworkSpec, capacity: Capacity):
        self._target, self.spec, self.capacity = REPLICA_TARGETS[target], spec, capacity
        self.network: ReplicaNetwork | None = None
        self.possible = True  # until code is found that replicas cannot share
        self._build_seconds = 0.0

    def advance(
        self, states: Sequence[State], segments: Sequence[Segment], seeds: Sequence[int]
    ) -> list[Answer | BrainsleepError] | None:
        """Run segments; see `brainsleep.backends.base.RuntimeBackend.advance_batch`.

        Returns
        -------
        list of (State, Recording) or SimulationError, or None
            None if replicas must run one after the other: those of this network, or, since one of
            them stops Brian2, these.
        """
        if not self.possible:
            return None
        steps = max(int(segment.starts[-1]) for segment in segments)
        with runtime(self._target, self.spec.precision), brian_errors(self.spec):
            network = self._prepare(states)
            network.load(states, segments, seeds)
            try:
                network.net.run(steps * self.spec.dt, namespace={})
            except Exception as error:
                apart = any(isinstance(cause, ApartError) for cause in _causes(error))
                self.possible, self.network = not apart, None
                return None  # alone each has what it has, or says why not
            done = round(network.net.t_ / float(self.spec.dt))
            ends = network.results()
        return [
            self._answer(state, segment, done, *end)
            for state, segment, end in zip(states, segments, ends, strict=True)
        ]

    def _prepare(self, states: Sequence[State]) -> ReplicaNetwork:
        if self.network is None or not self.network.serves(states):
            started = time.perf_counter()
            self.network = ReplicaNetwork(self.spec, self.capacity, states)
            self._build_seconds += time.perf_counter() - started
        return self.network

    def take_build_seconds(self) -> float:
        """Return the time it took to build networks since this was last asked."""
        taken, self._build_seconds = self._build_seconds, 0.0
        return taken

    def _answer(
        self, state: State, segment: Segment, done: int, arrays, recording
    ) -> Answer | BrainsleepError:
        """Return what one replica ends with after `done` steps of all, or what is wrong with it."""
        steps = int(segment.starts[-1])
        try:
            check_complete(min(done, steps), segment)
            arrays = finished_arrays(arrays, float(steps * self.spec.dt))
        except SimulationError as error:
            return error
        return State(arrays, state.parameters, state.synapses), recording


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, what it was raised from, and so on."""
    while error is not None:
        yield error
        error = error.__cause__

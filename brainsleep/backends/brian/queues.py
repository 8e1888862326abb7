"""Spikes on their way in a Brian2 network: its queues, set before a segment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import brian2
import numpy as np
from brian2.synapses.synapses import SynapticPathway

from ...network.plan import SPIKE_DELAY, DelayPlan, SynapsePlan
from ...run.delays import DELAY_HISTORY, HISTORY, arrivals, delay_steps, most_steps, to_ring


class ChangingDelays:
    """What spikes of a projection whose delays change are sent with, on Brian2's runtime.

    Brian2's queues take delays when they are prepared, which keeps what is in them.
    """

    def __init__(self, paths: list[Any], dt: float, most: int):
        self.paths, self.dt, self.most = paths, dt, most
        #: Delays in steps, by step: shape (most, n_synapses).
        self.sent = np.zeros((most, 0), np.uint16)
        self._step = 0

    def begin(self, history: np.ndarray) -> None:
        """Take the delays that spikes under way were sent with."""
        self.sent, self._step = to_ring(history).copy(), 0

    def send(self) -> None:
        """Give queues the delays of this step, before they take its spikes."""
        source = self.paths[0].source
        spikes = source.variables[self.paths[0].eventspace_name].get_value()
        if spikes[len(source)]:
            delay = np.asarray(self.paths[0]._delays_now.get_value(), float)
            steps = np.clip(delay_steps(delay, self.dt), 0, self.most)
            self.sent[self._step % self.most] = steps
            for path in self.paths:
                path.queue.prepare(steps * self.dt, self.dt, path.synapse_sources.get_value())
        self._step += 1


class Queues:
    """The pathways with delays of a network of a time step `dt`, in s."""

    def __init__(self, dt: float):
        self._dt = dt
        #: Pathways by projection and name, with whose spikes are delayed.
        self.pathways: dict[tuple[str, str], SynapticPathway] = {}
        self.changing: dict[str, ChangingDelays] = {}
        self._delays: list[tuple[str, str, DelayPlan]] = []

    def add(self, plan: SynapsePlan, synapses, clock, runs: bool) -> list[brian2.NetworkOperation]:
        """Take up the delays of a projection; return what is to be done in every step.

        That is nothing unless the network `runs` itself, and is not compiled.
        """
        for delay in plan.delays:
            pathway = getattr(synapses, delay.pathway)
            pathway._delay = "changing" if delay.most else "each" if delay.each else "one"
            self.pathways[plan.name, delay.pathway] = pathway
            population = plan.target if delay.end == "post" else plan.source
            self._delays.append((population, plan.name, delay))
        late = [delay for delay in plan.delays if delay.most]
        if not late:
            return []
        paths = [self.pathways[plan.name, delay.pathway] for delay in late]
        first = min(paths, key=lambda path: (path.order, path.name))
        for path in paths:  # the first notes what the delays are, for all
            path._first, path._delays_now = first, synapses.variables[SPIKE_DELAY]
        if not runs:
            return []
        delays = ChangingDelays(paths, self._dt, most_steps(late[0], self._dt))
        self.changing[plan.name] = delays
        settings = {"when": "synapses", "order": -1000, "clock": clock}
        return [brian2.NetworkOperation(delays.send, name=f"{plan.name}_send", **settings)]

    def set(self, arrays: Mapping[str, np.ndarray], prepared: bool) -> None:
        """Set delays, and put the spikes in queues that are under way in a state."""
        for name, delays in self.changing.items():
            delays.begin(arrays[f"{name}.{DELAY_HISTORY}"])
        for population, name, delay in self._delays:
            pathway, history = self.pathways[name, delay.pathway], arrays[f"{population}.{HISTORY}"]
            if delay.most:
                steps, longest = arrays[f"{name}.{DELAY_HISTORY}"], most_steps(delay, self._dt)
                history = history[:longest]
            else:
                steps = delay_steps(arrays[f"{name}.{delay.variable}"], self._dt)
                longest = steps.max(initial=0)
                if not np.array_equal(pathway._delays.get_value(), steps * self._dt):
                    pathway._delays.set_value(steps * self._dt)
                    if prepared:
                        pathway.initialise_queue()
            synapses, left = arrivals(history, steps, pathway.synapse_sources.get_value())
            order = np.argsort(left, kind="stable")
            ends = np.searchsorted(left[order], np.arange(1, longest + 1))
            queue = [part.tolist() for part in np.split(synapses[order], ends)]
            pathway.queue._restore_from_full_state((0, queue))

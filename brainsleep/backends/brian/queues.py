"""Spikes on their way in a Brian2 network: its queues, set before a segment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import brian2
import numpy as np
from brian2.synapses.synapses import SynapticPathway

from ...network.plan import SPIKE_DELAY, NetworkPlan, SynapsePlan
from ...run.delays import DELAY_HISTORY, arrivals, delay_steps, pathways, to_ring


class ChangingDelays:
    """What spikes of a projection whose delays change are sent with, on Brian2's runtime.

    Brian2's queues take delays when they are prepared, which keeps what is in them.
    """

    def __init__(self, paths: list[Any], dt: float):
        self.paths, self.dt = paths, dt
        #: Delays in steps, by step: as many rows as the longest has steps, shape (n, n_synapses).
        self.sent = np.zeros((0, 0), np.uint16)
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
            steps = np.clip(delay_steps(delay, self.dt), 0, len(self.sent))
            self.sent[self._step % len(self.sent)] = steps
            for path in self.paths:
                path.queue.prepare(steps * self.dt, self.dt, path.synapse_sources.get_value())
        self._step += 1


class Queues:
    """The pathways with delays of a network of a time step `dt`, in s."""

    def __init__(self, plan: NetworkPlan, dt: float):
        self._plan, self._dt = plan, dt
        #: Pathways with delays, by projection and name.
        self.pathways: dict[tuple[str, str], SynapticPathway] = {}
        self.changing: dict[str, ChangingDelays] = {}

    def add(self, plan: SynapsePlan, synapses, clock, runs: bool) -> list[brian2.NetworkOperation]:
        """Take up the delays of a projection; return what is to be done in every step.

        That is nothing unless the network `runs` itself, and is not compiled.
        """
        for delay in plan.delays:
            pathway = getattr(synapses, delay.pathway)
            pathway._delay = "changing" if delay.most else "each" if delay.each else "one"
            self.pathways[plan.name, delay.pathway] = pathway
        paths = [self.pathways[plan.name, delay.pathway] for delay in plan.delays if delay.most]
        if not paths:
            return []
        first = min(paths, key=lambda path: (path.order, path.name))
        for path in paths:  # the first notes what the delays are, for all
            path._first, path._delays_now = first, synapses.variables[SPIKE_DELAY]
        if not runs:
            return []
        delays = self.changing[plan.name] = ChangingDelays(paths, self._dt)
        settings = {"when": "synapses", "order": -1000, "clock": clock}
        return [brian2.NetworkOperation(delays.send, name=f"{plan.name}_send", **settings)]

    def set(self, arrays: Mapping[str, np.ndarray], prepared: bool) -> None:
        """Set delays, and put the spikes in queues that are under way in a state."""
        for name, delays in self.changing.items():
            delays.begin(arrays[f"{name}.{DELAY_HISTORY}"])
        for name, part, delay in pathways(self._plan):
            pathway, history = self.pathways[part.name, delay.pathway], arrays[name]
            if delay.most:
                steps = arrays[f"{part.name}.{DELAY_HISTORY}"]
                longest = len(steps)
                history = history[:longest]
            else:
                steps = delay_steps(arrays[f"{part.name}.{delay.variable}"], self._dt)
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

"""The only module that creates Brian2 groups: a `NetworkSpec` as one Brian2 network.

It runs one segment, at the time of its run. Code that a gate can switch off runs on a clock of its
own whose times are set for every segment; with the gate closed there are none, on every backend.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import brian2
import numpy as np
from brian2.core.variables import Subexpression
from brian2.groups.group import CodeRunner
from brian2.synapses.synapses import SynapticPathway
from brian2.utils.stringtools import get_identifiers

from ...network.events import SPIKE
from ...network.functions import called
from ...network.plan import GroupPlan, LinkPlan, ProcessPlan, SumPlan, SynapsePlan
from ...network.spec import NetworkSpec
from ...run.delays import histories
from ...run.segment import Capacity
from ...run.state import same_synapses
from .alike import alike
from .names import event_monitor, last_monitor, trace_of
from .objects import EventClock, PreparedNetwork, TraceMonitor, spike_by_trains
from .queues import Queues
from .subexpressions import knowing_all, reading_anew

#: Order within the `start` slot of a time step: a slot's values, process onsets, updates, hooks.
SLOT, ONSET, UPDATE = -9000, -8000, -4000

#: Order within the `start` slot of what is recorded: after regular code of the same order.
TRACES = 0.5

#: Order within the `groups` slot: synapses follow the integration, activities and code of neurons.
SYNAPSES = 3

#: The same of sums over synapses that follow all that is integrated.
SUMS_AFTER = 10**6

#: Functions that draw.
RANDOM = {"rand", "randn", "poisson"}

#: Neurons from which a loop over them may be worth sharing out among threads.
LARGE = 1024


#: Slots are numbered; a TimedArray over slot numbers takes its index as a time in seconds.
_SLOT_UNIT = 1 * brian2.second


class BrianNetwork:
    """The Brian2 objects of a network, and what a segment sets in them.

    Without `synapses` every projection gets one: a standalone program loads its connectivity at run
    time, and so it does with the neurons and synapses whose variables are `traced`. Hooks
    ``hook(groups, t)`` are called with the time of the run.
    """

    def __init__(
        self,
        spec: NetworkSpec,
        capacity: Capacity,
        synapses: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
        hooks: Mapping[str, Callable] | None = None,
        traced: Mapping[str, np.ndarray] | None = None,
        events: Mapping[str, Sequence[str]] | None = None,
    ):
        self.spec, self.capacity, self.plan = spec, capacity, spec.plan
        self._connectivity, self.traced = synapses, traced or {}
        self.clock = brian2.Clock(dt=spec.dt, name="step_clock")
        self.event_clocks: dict[str, EventClock] = {}
        self.slot_values: dict[str, brian2.TimedArray] = {}
        self.groups: dict[str, brian2.Group] = {}
        #: Pathways of projections whose weights nothing changes.
        self.fixed_weights: dict[str, list[SynapticPathway]] = {}
        self.queues = Queues(self.plan, float(spec.dt))
        self.monitors: dict[str, brian2.Group] = {}
        self._objects: list = []

        for name, stimulus_unit in spec.inputs.items():
            if stimulus_unit is not None:
                shape = (capacity.slots, spec.population(name).size)
                self._slot_array(spec.stimulus_name(name), shape, stimulus_unit)
        for name in sorted({name for group in self.plan.groups for name in group.signals}):
            dimensions = brian2.get_dimensions(spec.signals[name])
            self._slot_array(name, capacity.slots, brian2.Quantity(1.0, dim=dimensions))
        for gate in sorted({gate for group in self.plan.groups for gate in group.gates}):
            self._slot_array(f"{gate}_gate", capacity.slots)
        for name in spec.process_names:
            self._slot_array(f"{name}_interval", capacity.slots, brian2.second)
        self._namespace = {"slot_unit": _SLOT_UNIT, **self.slot_values}
        #: Whether neurons read others: then it matters who is computed first.
        self._in_order = any(group.links for group in self.plan.groups)
        for group in self.plan.groups:
            self._add_group(group)
        for group in self.plan.groups:
            for link in group.links:
                self._link(self.groups[group.name].variables, link, link.name, link.index or "_idx")
        for part in self.plan.synapses:
            self._add_synapses(part, None if synapses is None else synapses[part.name])
        for name, function in (hooks or {}).items():
            self._add_hook(name, function)
        for name in self.traced:
            self._add_trace(name)
        for population, event in histories(self.plan).values():
            self._record(last_monitor(population, event), event, "last_steps")
        #: Events that are recorded, with variables.
        self.events = dict(events or {})
        for name, variables in self.events.items():
            self._record(event_monitor(name), name.partition(".")[2], "raster", variables)
        everything = (self.groups.values(), self.monitors.values(), self._objects)
        self.net = PreparedNetwork(*everything, name="network")

    def traces(self, indices: Mapping[str, np.ndarray]) -> bool:
        """Tell whether it records these neurons and synapses."""
        return all(np.array_equal(self.traced[name], of) for name, of in indices.items())

    def connects(self, synapses: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> bool:
        """Tell whether its synapses are these."""
        return self._connectivity is not None and same_synapses(synapses, self._connectivity)

    def variable(self, key: str) -> Any:
        """Return a variable by its name in a state, or by that of a monitor ``e:raster.t``."""
        owner, name = key.split(".", 1)
        return (self.monitors if ":" in owner else self.groups)[owner].variables[name]

    def value(self, key: str) -> np.ndarray:
        """Return a copy of the values of a variable, or what a segment noted, ``"ee:sent"``."""
        if key.endswith(":sent"):
            return self.queues.changing[key.removesuffix(":sent")].sent
        return np.array(self.variable(key).get_value())

    def _slot_array(self, name: str, shape, unit=1) -> None:
        name = f"{name}_by_slot"
        self.slot_values[name] = brian2.TimedArray(np.zeros(shape) * unit, dt=_SLOT_UNIT, name=name)

    def _event_clock(self, name: str, per_step: bool = False) -> EventClock:
        if name not in self.event_clocks:
            room = self.capacity.steps if per_step else self.capacity.slots
            if self._connectivity is None:
                room = 0  # a program makes room for what it is given
            self.event_clocks[name] = EventClock(room, name=f"{name}_clock")
        return self.event_clocks[name]

    def _order(self, order: int, place: int) -> int:
        """Return Brian2's order of what has one within a slot of a time step, and its place there.

        Without links places do not matter.
        """
        return order * 1000 + place if self._in_order else order

    def _link(self, variables, link: LinkPlan, name: str, index: str) -> None:
        """Have a name stand for a variable of another population."""
        source = self.groups[link.source]
        if isinstance(source.variables[link.variable], Subexpression) and name in variables:
            return  # Brian2 gives synapses what is computed for their neurons
        variables.add_reference(name, source, link.variable, index="0" if link.one else index)

    def _add_group(self, plan: GroupPlan) -> None:
        place = self.plan.groups.index(plan)
        group = brian2.NeuronGroup(
            plan.size,
            plan.equations,
            method=plan.method,
            threshold=plan.threshold or ("i < 0" if plan.spike_trains else None),
            reset=plan.reset or None,
            refractory=plan.refractory or False,
            events={each.name: each.condition for each in plan.events},
            clock=self.clock,
            namespace={**self._namespace, **called(plan, plan.name)},
            name=plan.name,
        )
        self.groups[plan.name] = knowing_all(group)
        for each in plan.events:
            if each.code:
                order = self._order(each.order, place)
                group.run_on_event(each.name, each.code, each.when, order)
        if plan.spike_trains:
            spike_by_trains(group, self.clock)
        self._say_what_follows(group, plan)
        if self._in_order:
            group.state_updater.order = place  # after sums over synapses, at -1
            if plan.reset:
                group.resetter[SPIKE].order = place
        slots = self._event_clock("slot")
        at_start = SLOT + place if self._in_order else SLOT
        regular = [("on_slot", plan.on_slot, slots, "start", at_start)]
        for activity in plan.activities:
            clock = self._event_clock(activity.gate, per_step=True)
            order = self._order(1, place)
            regular.append((activity.gate, activity.code, clock, "groups", order))
        if plan.on_step:
            order = self._order(2, place)
            regular.append(("on_step", plan.on_step, self.clock, "groups", order))
        for name, code, clock, when, order in regular:
            name = f"{plan.name}_{name}"
            group.run_regularly(code, clock=clock, when=when, order=order, name=name)
        self._add_regular(group, plan)
        if plan.on_spike:
            self._objects.append(
                CodeRunner(
                    group,
                    "reset",  # Brian2's template for the neurons that spike
                    code=plan.on_spike,
                    template_kwds={"eventspace_variable": group.variables["_spikespace"]},
                    needed_variables=["_spikespace"],
                    clock=self.clock,
                    when="after_thresholds",
                    name=f"{plan.name}_on_spike",
                )
            )
        if plan.spikes:
            self.monitors[f"{plan.name}:counts"] = brian2.StateMonitor(
                group,
                "spike_count",  # so far, at the start of every slot
                record=True,
                clock=slots,
                when="start",
                order=SLOT - 1,
                name=f"{plan.name}_counts",
            )
            self._record(f"{plan.name}:raster", SPIKE, "raster")

    def _record(self, name: str, event: str, clock: str, variables: Sequence[str] = ()) -> None:
        """Record single events of a population, at the steps of a clock."""
        group = self.groups[name.partition(":")[0]]
        called = name.replace(":", "_")
        monitor = brian2.EventMonitor(group, event, variables=list(variables), name=called)
        monitor._clock = self._event_clock(clock, per_step=True)
        self.monitors[name] = monitor

    def _add_regular(self, group, plan: GroupPlan | SynapsePlan) -> None:
        """Add code that runs at regular times, in its order among what has the same place."""
        for place, each in enumerate(plan.regular):
            clock = self.clock
            if each.steps > 1:
                clock = self._event_clock(f"every_{each.steps}", per_step=True)
            name = f"{plan.name}_regular_{place}"
            group.run_regularly(each.code, clock=clock, when=each.when, order=each.order, name=name)

    @staticmethod
    def _say_what_follows(group, plan: GroupPlan) -> None:
        """Tell the templates of C++ programs which shortcuts they can take."""
        integrates = plan.threshold and group.equations.diff_eq_names
        between = plan.on_step or plan.activities or get_identifiers(plan.threshold) & RANDOM
        between = between or any("groups" in r.when or "thr" in r.when for r in plan.regular)
        if integrates and not between and not plan.links:
            for part in (group.state_updater, group.thresholder["spike"]):
                part.template_kwds = {**(part.template_kwds or {}), "conditions_follow": True}
        if integrates and plan.refractory in plan.parameters:
            kwds = group.state_updater.template_kwds or {}
            group.state_updater.template_kwds = {**kwds, "one_refractory_period": True}

    def _add_synapses(self, plan: SynapsePlan, pairs) -> None:
        sides = {"on_pre": plan.on_pre, "on_post": plan.on_post}
        code = {side: statements for side, statements in sides.items() if statements}
        own = {delay.pathway for delay in plan.delays if delay.each}
        delays = {k.removeprefix("on_"): 0 * brian2.ms for k in code}
        pathways_of = {side: {side.removeprefix("on_"): code[side]} for side in code}
        events = {f"path_{path.name}": path.event for path in plan.pathways}
        for path in plan.pathways:
            pathways_of.setdefault(f"on_{path.end}", {})[f"path_{path.name}"] = path.code
            delays[f"path_{path.name}"] = 0 * brian2.ms
        synapses = brian2.Synapses(
            self.groups[plan.source],
            self.groups[plan.target],
            plan.equations,
            **pathways_of,
            on_event=events,
            delay={name: delay for name, delay in delays.items() if name not in own},
            clock=self.clock,
            namespace={**self._namespace, **called(plan, plan.name)},
            name=plan.name,
            dtype={name: np.float64 for name in plan.updates},
        )
        if plan.on_post and not plan.on_post_always:  # with the gate closed it need not run
            synapses.post._gate = "plasticity_gate_post"
        for path in plan.pathways:
            getattr(synapses, f"path_{path.name}").order = path.order
        for updater in synapses.summed_updaters.values() if plan.sums_after else ():
            updater.order = SUMS_AFTER
        if f"{plan.name}.w" in self.plan.unchanged:
            self.fixed_weights[plan.name] = synapses._pathways
            for pathway in synapses._pathways:
                pathway._fixed_weights = True
        synapses.variables.add_constant("total_size", value=1)
        pre, post = ([0], [0]) if pairs is None else pairs
        synapses.connect(i=np.asarray(pre), j=np.asarray(post))
        self.groups[plan.name] = knowing_all(synapses)
        reading_anew(synapses)
        self._objects += self.queues.add(plan, synapses, self.clock, self._connectivity is not None)
        self._say_which_ways(synapses, plan)
        for end, population in (("pre", plan.source), ("post", plan.target)):
            links = next(group.links for group in self.plan.groups if group.name == population)
            for link in (link for link in links if not link.index):
                for part in (synapses, *synapses._pathways):
                    self._link(part.variables, link, f"{link.name}_{end}", f"_{end}synaptic_idx")
        for order, step in enumerate(plan.steps, self._order(SYNAPSES, 0)):
            clock = self._event_clock(step.gate, per_step=True) if step.gate else self.clock
            name = f"{plan.name}_{step.name}_on_step"
            synapses.run_regularly(step.code, clock=clock, when="groups", order=order, name=name)
        self._add_regular(synapses, plan)
        for position, process in enumerate(plan.processes):
            self._add_process(synapses, plan, process, position)

    @staticmethod
    def _say_which_ways(synapses, plan: SynapsePlan) -> None:
        """Tell the templates of C++ programs which ways there are with many neurons."""
        for path in synapses._pathways:
            delay = getattr(path, "_delay", "one")
            if delay != "changing" and path.target.N <= 2**16:
                path._narrow = True
            in_parts = delay == "one" or (delay == "each" and path.prepost == "pre")
            if in_parts and max(path.source.N, path.target.N) >= LARGE:
                path._shared = True
        paths = synapses._pathways
        after = [path for path in paths if path.prepost == "post"]
        often_read = plan.steps or plan.regular or synapses.summed_updaters
        if len(after) == 1 < len(paths) and hasattr(synapses, "pre") and not often_read:
            large = all(hasattr(path, "_shared") for path in paths)
            fit = all(getattr(path, "_delay", "one") == "one" for path in paths)
            fit = fit and not hasattr(after[0], "_delay") and hasattr(synapses.pre, "_narrow")
            if large and fit:  # what a postsynaptic spike does can be put off to the others
                once, kept = alike(plan)
                for path in paths:
                    path._late = True
                    path._alike = sorted(kept)
                for name in once:
                    getattr(synapses, name)._once = True

    def _add_process(
        self, synapses, plan: SynapsePlan, process: ProcessPlan, position: int
    ) -> None:
        """Add a weight process; at the same time, processes run in the order they are listed."""
        for moment, code in (("onset", process.on_onset), ("update", process.on_update)):
            if not code:
                continue
            clock = self._event_clock(f"{process.name}_{moment}", per_step=moment == "update")
            order = (ONSET if moment == "onset" else UPDATE) + 3 * position
            for total in process.sums:
                if moment in total.when:
                    self._add_sum(synapses, total, clock, order, moment)
            name = f"{plan.name}_{process.name}_{moment}"
            synapses.run_regularly(code, clock=clock, when="start", order=order + 2, name=name)

    def _add_sum(self, synapses, plan: SumPlan, clock, order: int, moment: str) -> None:
        """Sum an expression over each neuron's synapses, and over all of them if that is used."""
        places = [(f"{plan.variable}_post", "_synaptic_post", "N_post")]
        if plan.total:
            places.append((f"{plan.total}_post", "zero_index", "total_size"))
        for variable, index, size in places:
            self._objects.append(
                CodeRunner(
                    synapses,
                    "summed_variable",
                    code=f"_synaptic_var = {plan.expression}",
                    needed_variables=[variable, index, size],
                    template_kwds={
                        "_target_var": synapses.variables[variable],
                        "_target_size_name": size,
                        "_index_var": synapses.variables[index],
                        "_target_start": 0,
                        "_target_stop": -1,
                    },
                    clock=clock,
                    when="start",
                    order=order,
                    name=f"{synapses.name}_sum_{variable.removesuffix('_post')}_{moment}",
                )
            )

    def _add_trace(self, name: str) -> None:
        """Record a variable at the start of steps, after what a slot begins with."""
        owner, variable = name.split(".", 1)
        clock = self._event_clock("trace_points", per_step=True)
        kind = TraceMonitor if self._connectivity is None else brian2.StateMonitor
        self.monitors[trace_of(name).rpartition(".")[0]] = kind(
            self.groups[owner],
            variable,
            record=self.traced[name],
            clock=clock,
            order=TRACES,
            name=f"{owner}_{variable}_trace",
        )

    def _add_hook(self, name: str, function: Callable) -> None:
        clock = self._event_clock(name)

        def call() -> None:  # Brian2's own `t` is a view of the clock, which goes on
            step = round(clock.variables["t"].get_value().item() / float(self.spec.dt))
            function(self.groups, step * self.spec.dt)

        hook = brian2.NetworkOperation(
            call, when="start", order=-1, name=f"hook_{name}", clock=clock
        )
        self._objects.append(hook)

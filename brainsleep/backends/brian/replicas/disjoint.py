"""Several replicas of a network as disjoint populations of one Brian2 network.

Every step of Brian2's runtime costs a fixed time, however few neurons there are: with many
replicas in one network it is paid once. Replica ``r`` has neurons ``r*size`` to ``(r+1)*size`` of
every population, and its own synapses in its own order. What one network keeps once (gates, and
parameters that differ) is kept for every neuron. The slots of replicas begin when they like: code
that is due in some of them only is carried out for a list of neurons or synapses, and changes no
others. Every replica draws the random numbers that it draws by itself
(`brainsleep.backends.brian.replicas.draws`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields, replace

import brian2
import numpy as np
from brian2.groups.group import CodeRunner
from brian2.utils.stringtools import word_substitute

from ....network.equations import settle
from ....network.plan import GroupPlan, SynapsePlan
from ....network.spec import NetworkSpec
from ....run.segment import Capacity, Recording, Segment, timing
from ....run.state import State, same_synapses
from ..network import ONSET, SLOT, UPDATE, BrianNetwork, EventClock
from .code import mark_shared
from .draws import Draws, Generators

#: Variables under names that no equation can take: the replica of a synapse, the number of
#: replicas, and the index of a neuron (or of a synapse's presynaptic one) within its replica.
_REPLICA, _COUNT, _NEURON = "_replica", "_n_replicas", "_neuron"


class ReplicaNetwork(BrianNetwork):
    """The Brian2 objects of several replicas of a network.

    Parameters
    ----------
    spec : NetworkSpec
        The network.
    capacity : Capacity
        Largest segment of a replica.
    states : sequence of State
        One a replica, for their connectivity and for which parameters differ.
    """

    _total = (_REPLICA, _COUNT)

    def __init__(self, spec: NetworkSpec, capacity: Capacity, states: Sequence[State]):
        self.n, self._room = len(states), capacity
        self.differing = differing(states)
        self.connectivity = [state.synapses for state in states]
        self._generators = Generators(self.n)
        self._names = list(states[0].arrays)
        self._due: dict[str, list] = {}  # lists of what is due, by clock
        self._of_slot: list = []  # what is set at the start of a slot
        self._ranges = {  # first neuron or synapse of each replica, and the end of the last
            name: np.cumsum([0, *(len(state.synapses[name][0]) for state in states)])
            for name in states[0].synapses
        }
        joined = {plan.name: _joined(spec, plan, states) for plan in spec.plan.synapses}
        slots = min(self.n * (capacity.slots + 1), capacity.steps + 1)
        super().__init__(spec, Capacity(slots, capacity.steps + 1), joined)
        self.net.add(self._operations())

    def serves(self, states: Sequence[State]) -> bool:
        """Tell whether the network can run `states`: as many, connected and differing as before."""
        return (
            len(states) == self.n
            and differing(states) == self.differing
            and all(
                same_synapses(state.synapses, ours)
                for ours, state in zip(self.connectivity, states, strict=True)
            )
        )

    # ---- what the network is made of ---------------------------------------------------------

    def _add_slot_values(self) -> None:
        """Make no tables of slots: `_begin_slots` sets the values of a slot."""

    def _add_counter(self, name: str) -> None:
        """Leave counting to `_begin_slots`, which knows in which replicas a slot begins."""

    def _neurons(self, plan: GroupPlan) -> brian2.NeuronGroup:
        size = self.spec.population(plan.name).size
        self._ranges[plan.name] = np.arange(self.n + 1) * size
        processes = [process for p in self.spec.plan.synapses for process in p.processes]
        drop = {"slot_index", *(total.total for p in processes for total in p.sums)}
        equations, shared = _unshared(plan.equations, plan.name, self.differing, drop)
        group = super()._neurons(replace(plan, size=self.n * size, equations=equations))
        for name in shared:
            mark_shared(group.variables[name])
        group._draws = Draws(self._generators, self._ranges[plan.name])
        _add_integers(group, _NEURON, np.tile(np.arange(size), self.n))
        if plan.name == self.spec.input:  # as precise as a table of slots
            group.variables.add_array(
                "stimulus", size=self.n * size, dimensions=brian2.Hz.dim, dtype=np.float64
            )
        values = [f"{gate}_gate" for gate in plan.gates]
        values += [f"{name}_interval" for name in self.spec.process_names]
        for name in filter(group.variables.__contains__, [*values, "stimulus"]):
            array = group.variables[name].get_value()
            self._of_slot.append((f"{name}_by_slot", array, self._ranges[plan.name]))
        return group

    def _add_group(self, plan: GroupPlan) -> None:
        model = self.spec.population(plan.name).model
        on_slot = settle.statements(model.on_slot, settle.whole_variables(model.variables))
        super()._add_group(_numbered(replace(plan, on_slot=on_slot)))

    def _synapses(self, plan: SynapsePlan, pairs) -> brian2.Synapses:
        equations, shared = _unshared(plan.equations, plan.name, self.differing, {"zero_index"})
        synapses = super()._synapses(replace(plan, equations=equations), pairs)
        for name in shared:
            mark_shared(synapses.variables[name])
        synapses._draws = Draws(self._generators, self._ranges[plan.name])
        sizes = np.diff(self._ranges[plan.name])
        _add_integers(synapses, _REPLICA, np.repeat(np.arange(self.n), sizes))
        _add_integers(synapses, _NEURON, pairs[0] % self.spec.population(plan.source).size)
        synapses.variables.add_constant(_COUNT, value=self.n)
        for total in (total for process in plan.processes for total in process.sums if total.total):
            name = f"{total.total}_post"
            synapses.variables.add_array(name, size=self.n, index=_REPLICA)
            mark_shared(synapses.variables[name])
        return synapses

    def _add_synapses(self, plan: SynapsePlan, pairs) -> None:
        super()._add_synapses(_numbered(plan), pairs)

    def _run_at(self, clock: EventClock, owner, code: str, **place) -> None:
        """Have `owner` carry out `code` for what is due at the times of `clock`."""
        if not code:
            return
        due = f"_due_{clock.name}"
        if due not in owner.variables:
            owner.variables.add_array(due, size=len(owner) + 1, dtype=np.int32)
            lists = self._due.setdefault(clock.name.removesuffix("_clock"), [])
            lists.append((owner.variables[due].get_value(), self._ranges[owner.name]))
        runner = CodeRunner(
            owner,
            "reset",  # Brian2's template for a list of neurons
            code=code,
            template_kwds={"eventspace_variable": owner.variables[due]},
            needed_variables=[due],
            clock=clock,
            **place,
        )
        self._objects.append(runner)

    def _operations(self) -> list[brian2.NetworkOperation]:
        """Make what decides, before code runs at the times of a clock, for which replicas."""
        operations = [self._operation("slot", self._begin_slots, SLOT)]
        for name in self.spec.process_names:
            for moment, order in (("onset", ONSET), ("update", UPDATE)):
                clock = f"{name}_{moment}"
                if clock in self.event_clocks:

                    def tell(due, clock=clock):
                        self._set_due(clock, due)

                    operations.append(self._operation(clock, tell, order))
        return operations

    def _operation(self, name: str, function, order: int) -> brian2.NetworkOperation:
        clock = self.event_clocks[name]
        step = clock.variables["timestep"].get_value()
        return brian2.NetworkOperation(
            lambda: function(self._at[name][step[0]]),
            when="start",
            order=order - 1,
            name=f"{name}_replicas",
            clock=clock,
        )

    # ---- a run -------------------------------------------------------------------------------

    def load(
        self, states: Sequence[State], segments: Sequence[Segment], seeds: Sequence[int]
    ) -> None:
        """Set everything the replicas start from in Brian2's objects.

        Parameters
        ----------
        states : sequence of State
            One a replica, which the network `serves`.
        segments : sequence of Segment
            One a replica.
        seeds : sequence of int
            One a replica, of the random numbers that it draws.
        """
        self._set_states(states)
        self._set_segments(segments)
        self._generators.seed(seeds)
        self.net.t_ = 0.0

    def results(self) -> list[tuple[dict[str, np.ndarray], Recording]]:
        """Return the arrays of each replica's state, and its recording, after a whole run."""
        for r, segment in enumerate(self._segments):
            if self._slot[r] < len(segment):  # the longest; others were finished on the way
                self._take_state(r)
        return [(self._arrays[r], self._recording(r)) for r in range(self.n)]

    def _value(self, name: str) -> np.ndarray:
        owner, variable = name.split(".", 1)
        return self.groups[owner].variables[variable].get_value()

    def _set_states(self, states: Sequence[State]) -> None:
        for name in states[0].arrays:
            self._value(name)[:] = np.concatenate([state.arrays[name] for state in states])
        for name in states[0].parameters:
            values = [state.parameters[name] for state in states]
            owner = name.split(".", 1)[0]
            sizes = np.diff(self._ranges[owner])
            self._value(name)[:] = np.repeat(values, sizes) if name in self.differing else values[0]
        for plan in self.plan.groups:
            if plan.threshold:
                self._value(f"{plan.name}.spike_count")[:] = 0
                self.rasters[plan.name].resize(0)
                self.rasters[plan.name].variables["N"].set_value(0)
                if plan.refractory:  # Brian2 recomputes it from `lastspike` at every step
                    self._value(f"{plan.name}.not_refractory")[:] = True

    def _set_segments(self, segments: Sequence[Segment]) -> None:
        """Set the times of all clocks, and for which replicas each of them is one."""
        dt = float(self.spec.dt)
        given = [timing(self.spec, self._room, segment) for segment in segments]
        self._segments, self._values = segments, [values for _, values in given]
        self._at = {}
        for name, clock in self.event_clocks.items():
            steps = [np.rint(times[name] / dt).astype(np.int64) for times, _ in given]
            if name == "slot":  # the end of a replica is a slot too
                steps = [np.append(at, s.starts[-1]) for at, s in zip(steps, segments, strict=True)]
            union = np.unique(np.concatenate(steps))
            clock.set_times(union * dt)
            if name == "slot" or name.endswith(("_onset", "_update")):
                self._at[name] = np.array([np.isin(union, at) for at in steps]).T
        self._slot = np.full(self.n, -1)
        self._counted: list[dict[str, list]] = [
            {name: [] for name in self.rasters} for _ in segments
        ]
        self._open = {name: np.zeros(self.n, dtype=bool) for name in self.spec.activity_names}
        self._arrays: dict[int, dict[str, np.ndarray]] = {}  # of finished replicas
        for name in self._due:
            self._set_due(name, np.zeros(self.n, dtype=bool))

    def _set_due(self, clock: str, due: np.ndarray) -> None:
        """Say for which replicas code at the times of `clock` is carried out."""
        for array, bounds in self._due.get(clock, ()):
            parts = [np.arange(bounds[r], bounds[r + 1]) for r in np.flatnonzero(due)]
            chosen = np.concatenate([*parts, np.empty(0, np.int64)])
            array[: len(chosen)] = chosen
            array[-1] = len(chosen)

    def _begin_slots(self, due: np.ndarray) -> None:
        """Begin the next slot in the replicas that are `due`; those at their end are finished."""
        self._slot[due] += 1
        for r in np.flatnonzero(due).tolist():
            slot, segment = self._slot[r], self._segments[r]
            if slot == len(segment):
                self._take_state(r)
            else:
                self._count(r)
            # a finished replica is left in the dark, with all gates closed
            for name, array, bounds in self._of_slot:
                value = self._values[r][name][slot] if slot < len(segment) else 0.0
                array[bounds[r] : bounds[r + 1]] = value
            for name, is_open in self._open.items():
                is_open[r] = slot < len(segment) and segment.gates[name][slot] > 0
        self._set_due("slot", due)
        for name, is_open in self._open.items():
            self._set_due(name, is_open)

    # ---- what comes out ----------------------------------------------------------------------

    def _part(self, name: str, r: int) -> np.ndarray:
        first, last = self._ranges[name.split(".", 1)[0]][r : r + 2]
        return self._value(name)[first:last]

    def _count(self, r: int) -> None:
        """Note how many spikes each neuron of replica `r` has fired so far."""
        for name, counted in self._counted[r].items():
            counted.append(self._part(f"{name}.spike_count", r).copy())

    def _take_state(self, r: int) -> None:
        """Take the state of replica `r` as it is at its end."""
        self._count(r)
        self._arrays[r] = {name: self._part(name, r).astype(float) for name in self._names}

    def _recording(self, r: int) -> Recording:
        counts, spikes = {}, {}
        steps, wanted = self._segments[r].steps, self._segments[r].raster
        shown = np.append(np.repeat(wanted, steps), False)
        for name, counted in self._counted[r].items():
            counts[name] = np.diff(counted, axis=0).astype(np.int32)
            variables, bounds = self.rasters[name].variables, self._ranges[name]
            at = np.rint(np.asarray(variables["t"].get_value()) / float(self.spec.dt))
            at, neurons = at.astype(np.int64), np.asarray(variables["i"].get_value())
            ours = (neurons >= bounds[r]) & (neurons < bounds[r + 1])
            ours &= shown[np.minimum(at, len(shown) - 1)]
            spikes[name] = (at[ours], (neurons[ours] - bounds[r]).astype(np.int32))
        return Recording(counts, spikes)


# --------------------------------------------------------------------------------------------
# Source for several replicas


def differing(states: Sequence[State]) -> frozenset[str]:
    """Return the parameters in which `states` differ."""
    return frozenset(
        name for name in states[0].parameters if len({s.parameters[name] for s in states}) > 1
    )


def _joined(
    spec: NetworkSpec, plan: SynapsePlan, states: Sequence[State]
) -> tuple[np.ndarray, np.ndarray]:
    """Join the synapses of all replicas of a projection, with the numbers of their neurons."""
    pairs = [state.synapses[plan.name] for state in states]
    sizes = [spec.population(end).size for end in (plan.source, plan.target)]
    pre, post = (
        np.concatenate([pair[end] + r * size for r, pair in enumerate(pairs)])
        for end, size in enumerate(sizes)
    )
    return pre, post


def _add_integers(owner, name: str, values: np.ndarray) -> None:
    owner.variables.add_array(
        name, size=len(values), values=values, dtype=np.int32, constant=True, read_only=True
    )


_FLAGS = re.compile(r"\(([^()]*)\)$")


def _unshared(
    equations: str, owner: str, differing: frozenset[str], drop: set[str]
) -> tuple[str, list[str]]:
    """Declare for every neuron or synapse what is shared and may differ between replicas.

    Returns
    -------
    equations : str
        The new equations, without the variables in `drop`.
    names : list of str
        What is not shared any more.
    """
    lines, names = [], []
    for line in (line.split("#")[0].strip() for line in equations.splitlines()):
        name = re.split("[:=]", line)[0].strip()
        found = _FLAGS.search(line)
        flags = [flag.strip() for flag in found[1].split(",")] if found else []
        same = "constant" in flags and f"{owner}.{name}" not in differing
        if "shared" in flags and not same:
            flags.remove("shared")
            line = _FLAGS.sub(f"({', '.join(flags)})" if flags else "", line).strip()
            names.append(name)
        if name not in drop:
            lines.append(line)
    return "\n".join(lines), [name for name in names if name not in drop]


_CODE = """
equations threshold reset refractory on_slot on_step on_spike code on_pre on_post on_onset on_update
expression
""".split()


def _numbered(plan):
    """Have the code of `plan` use the index of a neuron within its replica for ``i``."""
    changes: dict[str, object] = {}
    for item in fields(plan):
        value = getattr(plan, item.name)
        if item.name in _CODE:
            changes[item.name] = word_substitute(value, {"i": _NEURON})
        elif item.name in ("activities", "processes", "sums"):
            changes[item.name] = tuple(_numbered(part) for part in value)
    return replace(plan, **changes)

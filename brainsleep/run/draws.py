"""Draws of values, and of synapses with theirs: what a network specification says, as arrays.

Everything is drawn from streams by name: ``stream("values", "e", "v")`` for one value, and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import SpecError, explain
from ..network.equations import checks
from ..network.equations.declared import check_start
from ..network.given import check_bounds, model_numbers, own_values
from ..network.plan import SPIKE_DELAY, GroupPlan, SynapsePlan
from ..network.spec import InitialWeights, NetworkSpec, Population, Projection
from ..network.values import computed, draws_once
from ..network.wiring import Pairs, Wiring
from ..values.arrays import Array
from .connect import BLOCK, Ends, Indices, connect

if TYPE_CHECKING:
    from ..experiment.start import SavedSynapses

#: Gives the random stream of some names.
Stream = Callable[..., np.random.Generator]


class DrawnNeurons:
    """What is known of the neurons of a population: numbers, and arrays of one value a neuron."""

    def __init__(self, population: Population, plan: GroupPlan, dt: float, stream: Stream):
        self._population, self._stream = population, stream
        numbers: dict[str, Any] = {k: float(v) for k, v in plan.parameters.items()}
        known = numbers | {"i": np.arange(population.size, dtype=float)}
        known |= {"N": float(population.size), "dt": dt}
        positions = population.positions.items()
        self.positions = {k: self._draw("positions", k, value, known) for k, value in positions}
        known |= self.positions
        values = own_values(population, plan.constants)
        own = model_numbers(population.model, population.activities)
        constants = {}
        for name in plan.constants:
            itself = {name: float(own[name])} if name in own else {}
            constants[name] = self._start(name, values[name], known | itself)
        known |= constants
        # spikes were long ago: no neuron starts refractory
        starts = {"lastspike": -1e9, "not_refractory": 1.0, **plan.initial}
        starts |= {k: v for k, v in own_values(population, plan.state).items() if k in plan.state}
        state = {name: self._start(name, starts.get(name, 0.0), known) for name in plan.state}
        _check_types(plan, starts, state, f"population '{population.name}'")
        #: State variables and constants.
        self.arrays = {**state, **constants}
        #: What expressions of pairs may use, by the name without its ending.
        self.known = {**numbers, **constants, **self.positions}

    def _start(self, name: str, value: Any, known: Mapping[str, Any]) -> np.ndarray:
        if name in self.positions:
            return self.positions[name].copy()
        return self._draw("values", name, value, known)

    def _draw(self, kind: str, name: str, value: Any, known: Mapping[str, Any]) -> np.ndarray:
        owner, size = self._population.name, self._population.size
        where = f"population '{owner}': {kind}: {name}"
        return computed(value, known, (size,), self._stream(kind, owner, name), where)


def _check_types(
    plan: GroupPlan | SynapsePlan, given: Mapping[str, Any], arrays: Mapping, where: str
) -> None:
    """Refuse values that an integer or a boolean does not hold."""
    names = {k for k, value in given.items() if isinstance(value, str | Array)}
    for name, eq in checks.parse_equations(plan.equations, where).items() if names else ():
        if name in names and eq.var_type != "float":
            for value in np.unique(arrays[name]):
                check_start(eq, value, f"{where}: values: {name}")


# -- synapses --------------------------------------------------------------------------------------


class DrawnSynapses:
    """The synapses of a projection, drawn, or with connectivity and weights that were `saved`."""

    def __init__(
        self,
        spec: NetworkSpec,
        projection: Projection,
        plan: SynapsePlan,
        neurons: Mapping[str, DrawnNeurons],
        earlier: Mapping[str, Indices],
        saved: SavedSynapses | None,
        stream: Stream,
    ):
        self._projection, self._stream = projection, stream
        self._ends = Ends(spec, projection, neurons)
        name, wiring = projection.name, projection.connectivity
        self._order = wiring.order if isinstance(wiring, Pairs) else None
        #: Pre- and postsynaptic neurons, in this order.
        self.pairs: Indices
        if saved is None and isinstance(wiring, Pairs):
            self.pairs = wiring.pre.numbers[self._order], wiring.post.numbers[self._order]
        elif saved is None:
            self.pairs = connect(projection, self._ends, earlier, stream("synapses", name))
        else:
            self.pairs = saved.pre, saved.post
            self._check_saved(wiring)
        self._known: dict[str, Any] = {k: float(v) for k, v in plan.parameters.items()}
        parts = (*projection.rules, *projection.processes)
        own, constants = model_numbers(projection.synapse, parts), {}
        for key in plan.constants:
            itself = {key: float(own[key])} if key in own else {}
            constants[key] = self._value(key, projection.values[key], **itself)
        w = self._weights() if saved is None else saved.w
        self._known |= constants
        starts = {**dict.fromkeys(plan.state, 0.0), **plan.initial}
        values = {
            k: projection.values.get(k, starts[k])
            for k in plan.state
            if k not in ("w", SPIKE_DELAY)
        }
        state = {key: self._value(key, value) for key, value in values.items()}
        _check_types(plan, values, state, f"projection '{name}'")
        #: State variables and constants.
        self.arrays = {"w": w, **state, **constants, **self._delays(plan)}

    def _check_saved(self, wiring: Wiring) -> None:
        """Refuse arrays that belong to other synapses than those that were saved."""
        own = self._projection
        given = [*own.values.values(), *own.delays.values()]
        if not any(isinstance(value, Array) for value in given):
            return
        pre, post = self.pairs
        if isinstance(wiring, Pairs):
            order = wiring.order
            ends = wiring.pre.numbers[order], wiring.post.numbers[order]
            same = np.array_equal(ends[0], pre) and np.array_equal(ends[1], post)
        else:
            same = len(pre) == wiring.number(*self._ends.sizes, self._ends.recurrent)
        if not same:
            where = f"projection '{self._projection.name}': values"
            fix = "give expressions, or take no saved weights"
            raise SpecError(explain(where, "arrays of other synapses", "those saved", fix))

    def _value(self, label: str, value: Any, **more: float) -> np.ndarray:
        rng = self._stream("values", self._projection.name, label)
        return self._draw(value, rng, f"values: {label}", **more)

    def _draw(self, value: Any, rng: np.random.Generator, label: str, **more: float) -> np.ndarray:
        known = {**self._known, **more}
        where = f"projection '{self._projection.name}': {label}"
        if not isinstance(value, str):
            drawn = computed(value, known, self.pairs[0].shape, rng, where)
            in_order = self._order is None or not isinstance(value, Array)
            return drawn if in_order else drawn[self._order]
        names, n = checks.identifiers(value), len(self.pairs[0])
        if n > BLOCK and draws_once(value):
            known = {name: of for name, of in known.items() if name in names}
            return self._in_blocks(value, known, names, rng, where)
        known |= self._ends.known(names, *self.pairs)
        return computed(value, known, (n,), rng, where)

    def _in_blocks(
        self,
        value: str,
        known: Mapping[str, Any],
        names: set[str],
        rng: np.random.Generator,
        where: str,
    ) -> np.ndarray:
        """Compute an expression for some synapses at a time: it needs no more memory then."""
        drawn = np.empty(len(self.pairs[0]))
        for first in range(0, len(drawn), BLOCK):
            part = slice(first, first + BLOCK)
            own = {name: of[part] if np.ndim(of) else of for name, of in known.items()}
            own |= self._ends.known(names, *(end[part] for end in self.pairs))
            shape = drawn[part].shape
            here = f"{where}, of synapses {first} to {first + shape[0] - 1}"
            drawn[part] = computed(value, own, shape, rng, here)
        return drawn

    def _delays(self, plan: SynapsePlan) -> dict[str, np.ndarray]:
        """Return the delays of the pathways in s: one for all, or one a synapse."""
        drawn = {}
        for delay in plan.delays:
            name = "delay" if delay.most else delay.variable
            where = f"projection '{self._projection.name}'"
            value: Any = self._projection.delays[name]
            if not delay.each:
                drawn[name] = np.array([float(value)])
                continue
            times = drawn[delay.variable] = self._value(name, value)
            if times.min(initial=0) < 0:
                fix = f"write clip({value}, 0*ms, 1*second)"
                got = f"times down to {times.min():g} s"
                raise SpecError(explain(f"{where}: {name}", got, "at least 0*ms", fix))
            if delay.most and times.max(initial=0) > delay.most:
                got = f"times up to {times.max():g} s"
                allowed = f"at most delay_max, {delay.most} s"
                raise SpecError(explain(f"{where}: {name}", got, allowed))
        return drawn

    def _weights(self) -> np.ndarray:
        projection, start = self._projection, self._projection.weights
        rng = self._stream("weights", projection.name)
        if not isinstance(start, InitialWeights):
            bounds = {"w_min": projection.w_min, "w_max": projection.w_max}
            w = self._draw(start, rng, "weights", **bounds)
            check_bounds(projection, w, f"projection '{projection.name}': weights")
            return w
        n, post = len(self.pairs[1]), self.pairs[1]
        if start.top > start.low:
            w = rng.uniform(start.low, start.top, n)
        else:
            w = np.full(n, float(start.low))
        if start.incoming_sum is not None:
            sums = np.bincount(post, weights=w, minlength=self._ends.sizes[1])
            w *= (start.incoming_sum / np.where(sums > 0, sums, 1.0))[post]
            np.clip(w, projection.w_min, projection.w_max, out=w)
        return w

"""Draws of values and wiring: what a network specification says, as arrays.

Everything is drawn from streams by name: ``stream("values", "e", "v")`` for one value, and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import SpecError, explain
from ..network.equations import checks
from ..network.equations.declared import check_start
from ..network.given import check_bounds, common_positions, model_numbers, own_values
from ..network.plan import SPIKE_DELAY, GroupPlan, SynapsePlan
from ..network.spec import InitialWeights, NetworkSpec, Population, Projection
from ..network.values import computed
from ..network.wiring import Connectivity, FixedInDegree, FixedOutDegree, OneToOne, Pairs, Wiring
from ..values.arrays import Array

if TYPE_CHECKING:
    from ..experiment.start import SavedSynapses

#: Gives the random stream of some names.
Stream = Callable[..., np.random.Generator]

#: Pre- and postsynaptic neurons.
Indices = tuple[np.ndarray, np.ndarray]

#: Most pairs of neurons for each of which a number is drawn, and pairs that are looked at together.
DENSE, BLOCK = 2**24, 2**20


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


class _Ends:
    """The populations at both ends of a projection: what expressions of pairs may use."""

    def __init__(
        self, spec: NetworkSpec, projection: Projection, neurons: Mapping[str, DrawnNeurons]
    ):
        names = projection.source, projection.target
        self.recurrent = names[0] == names[1]
        self.sizes = spec.population(names[0]).size, spec.population(names[1]).size
        self._neurons = neurons[names[0]], neurons[names[1]]
        self._positions = common_positions(spec, projection)
        self._dt = float(spec.dt)

    def known(self, names: set[str], pre: np.ndarray, post: np.ndarray) -> dict[str, Any]:
        """Return what `names` stand for, of neurons whose numbers fit each other's shape."""
        n_pre, n_post = map(float, self.sizes)
        found: dict[str, Any] = {"N_pre": n_pre, "N_post": n_post, "dt": self._dt}
        for name, index in {"i": pre, "j": post}.items():
            if name in names:
                found[name] = index.astype(float)
        for end, index, own in zip(("_pre", "_post"), (pre, post), self._neurons, strict=True):
            for name, value in own.known.items():
                if f"{name}{end}" in names:
                    found[f"{name}{end}"] = value[index] if np.ndim(value) else value
        if "distance" in names and self._positions:
            one, other = (each.positions for each in self._neurons)
            squares: Any = 0.0
            for name in self._positions:
                squares = squares + np.square(one[name][pre] - other[name][post])
            found["distance"] = np.sqrt(squares)
        return found


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
        self._ends = _Ends(spec, projection, neurons)
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
        if isinstance(value, str):
            known |= self._ends.known(checks.identifiers(value), *self.pairs)
        where = f"projection '{self._projection.name}': {label}"
        drawn = computed(value, known, self.pairs[0].shape, rng, where)
        return drawn if self._order is None or not isinstance(value, Array) else drawn[self._order]

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
        w = rng.uniform(start.low, start.top, n) if start.top > start.low else np.full(n, start.low)
        if start.incoming_sum is not None:
            sums = np.bincount(post, weights=w, minlength=self._ends.sizes[1])
            w *= (start.incoming_sum / np.where(sums > 0, sums, 1.0))[post]
            w = np.clip(w, projection.w_min, projection.w_max)
        return w.astype(float)


# -- wiring ----------------------------------------------------------------------------------------


def connect(
    projection: Projection, ends: _Ends, earlier: Mapping[str, Indices], rng: np.random.Generator
) -> Indices:
    """Draw who is connected to whom, ordered by presynaptic, then postsynaptic neuron."""
    wiring, (n_pre, n_post) = projection.connectivity, ends.sizes
    match wiring:
        case OneToOne():
            return np.arange(n_pre, dtype=np.int32), np.arange(n_pre, dtype=np.int32)
        case FixedInDegree():
            chosen = _chosen(wiring, n_post, n_pre, ends.recurrent, rng)
            keys = np.sort((chosen * n_post + np.arange(n_post)[:, None]).ravel())
        case FixedOutDegree():
            chosen = _chosen(wiring, n_pre, n_post, ends.recurrent, rng)
            keys = np.sort((np.arange(n_pre)[:, None] * n_post + chosen).ravel())
        case Connectivity():
            keys = _likely(projection, wiring, ends, earlier, rng)
    pre = keys // n_post
    return pre.astype(np.int32), (keys - pre * n_post).astype(np.int32)


def _chosen(
    wiring: FixedInDegree | FixedOutDegree,
    n: int,
    size: int,
    recurrent: bool,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw for each of `n` neurons with which of `size` others it is connected, a row each."""
    apart = recurrent and not wiring.self_connections
    others = size - int(apart)
    if wiring.repeats:
        chosen = rng.integers(others, size=(n, wiring.n))
    else:
        rows = (rng.choice(others, wiring.n, replace=False, shuffle=False) for _ in range(n))
        chosen = np.stack(list(rows)).astype(np.int64)
    if apart:  # whoever comes from a neuron's own number on is one further
        chosen += chosen >= np.arange(n)[:, None]
    return chosen


def _likely(
    projection: Projection,
    rule: Connectivity,
    ends: _Ends,
    earlier: Mapping[str, Indices],
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw pairs with a probability: each as one number, ``pre*n_post + post``."""
    n_pre, n_post = ends.sizes
    reverse = np.empty(0, np.int64)
    if rule.avoid_reciprocal:
        pre, post = earlier[rule.avoid_reciprocal]
        reverse = post.astype(np.int64) * n_post + pre
    apart = ends.recurrent and not rule.self_connections
    if isinstance(rule.p, float) and n_pre * n_post <= DENSE:
        shape = n_pre, n_post
        allowed = rng.random(shape) < rule.p if rule.p < 1 else np.ones(shape, dtype=bool)
        if apart:
            np.fill_diagonal(allowed, False)
        allowed.ravel()[reverse] = False
        keys = np.flatnonzero(allowed)
    else:
        if isinstance(rule.p, str):
            blocks = _in_blocks(projection, rule.p, ends, rng)
        else:
            blocks = _by_gaps(n_pre * n_post, rule.p, rng)
        keys = np.concatenate([*blocks])
        if apart:
            keys = keys[keys // n_post != keys % n_post]
        if len(reverse):
            keys = keys[~np.isin(keys, reverse)]
    if not len(keys):
        raise SpecError(
            f"projection '{projection.name}': no synapse was drawn with p={rule.p} between "
            f"{n_pre} and {n_post} neurons; raise p or the sizes"
        )
    return keys


def _by_gaps(total: int, p: float, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Draw how far it is from one of `total` pairs that is connected to the next."""
    last = -1
    while last < total - 1:
        expected = (total - 1 - last) * p
        count = min(BLOCK, int(expected + 4 * np.sqrt(expected)) + 16)
        gaps = np.minimum(rng.geometric(p, count), total + 1)
        keys = last + np.cumsum(gaps)
        yield keys[keys < total]
        last = int(keys[-1])


def _in_blocks(
    projection: Projection, p: str, ends: _Ends, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Compute the probability of every pair, and draw with it, for some neurons at a time."""
    n_pre, n_post = ends.sizes
    where, names = f"projection '{projection.name}': connectivity p", checks.identifiers(p)
    post, rows = np.arange(n_post)[None, :], max(1, BLOCK // n_post)
    for first in range(0, n_pre, rows):
        pre = np.arange(first, min(first + rows, n_pre))[:, None]
        shape = len(pre), n_post
        likely = computed(p, ends.known(names, pre, post), shape, rng, where)
        if not 0 <= likely.min() <= likely.max() <= 1:
            got = f"{likely.min():g} to {likely.max():g}"
            raise SpecError(explain(where, got, "0 to 1", f"write clip({p}, 0, 1)"))
        yield first * n_post + np.flatnonzero(rng.random(shape) < likely)

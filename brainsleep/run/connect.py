"""Draws of wiring: who is connected to whom, as two arrays of neurons.

What is drawn is drawn for some neurons or pairs at a time, so that no more memory is needed than
for the synapses themselves: 8 bytes each, and less than as much again while they are put in order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from ..errors import SpecError, explain
from ..network.equations import checks
from ..network.given import common_positions
from ..network.spec import NetworkSpec, Projection
from ..network.values import computed
from ..network.wiring import Connectivity, FixedInDegree, FixedOutDegree, OneToOne

if TYPE_CHECKING:
    from .draws import DrawnNeurons

#: Pre- and postsynaptic neurons.
Indices = tuple[np.ndarray, np.ndarray]

#: Most pairs of neurons for each of which a number is drawn, and pairs that are looked at together.
DENSE, BLOCK = 2**24, 2**20


class Ends:
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


def connect(
    projection: Projection, ends: Ends, earlier: Mapping[str, Indices], rng: np.random.Generator
) -> Indices:
    """Draw who is connected to whom, ordered by presynaptic, then postsynaptic neuron."""
    wiring, (n_pre, n_post) = projection.connectivity, ends.sizes
    match wiring:
        case OneToOne():
            return np.arange(n_pre, dtype=np.int32), np.arange(n_pre, dtype=np.int32)
        case FixedInDegree():
            return _turned(_chosen(wiring, n_post, n_pre, ends.recurrent, rng), n_pre)
        case FixedOutDegree():
            chosen = _chosen(wiring, n_pre, n_post, ends.recurrent, rng)
            chosen.sort(axis=1)
            return np.repeat(np.arange(n_pre, dtype=np.int32), wiring.n), chosen.ravel()
    assert isinstance(wiring, Connectivity)  # pairs that are given are not drawn
    return _likely(projection, wiring, ends, earlier, rng)


# -- a number of synapses a neuron -----------------------------------------------------------------


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
    chosen = np.empty((n, wiring.n), np.int32)
    rows = max(1, BLOCK // wiring.n)
    for first in range(0, n, rows):
        part = chosen[first : first + rows]
        if wiring.repeats:
            part[:] = rng.integers(others, size=part.shape)
        else:
            for row in part:
                row[:] = rng.choice(others, wiring.n, replace=False, shuffle=False)
        if apart:  # whoever comes from a neuron's own number on is one further
            part += part >= np.arange(first, first + len(part))[:, None]
    return chosen


def _turned(chosen: np.ndarray, n_pre: int) -> Indices:
    """Order synapses by the neurons that were chosen, a row of them for each other neuron."""
    n_post, degree = chosen.shape
    starts = np.arange(0, chosen.size + 1, degree, dtype=_whole(chosen.size))
    marks = np.ones(chosen.size, np.int8)
    rows = sparse.csr_array((marks, chosen.ravel(), starts), shape=(n_post, n_pre))
    columns = rows.tocsc()
    pre = np.repeat(np.arange(n_pre, dtype=np.int32), np.diff(columns.indptr))
    return pre, columns.indices.astype(np.int32, copy=False)


def _whole(most: int) -> type[np.integer]:
    """Return the smaller of two types that holds whole numbers up to `most`."""
    return np.int32 if most <= np.iinfo(np.int32).max else np.int64


# -- probabilities ---------------------------------------------------------------------------------


def _likely(
    projection: Projection,
    rule: Connectivity,
    ends: Ends,
    earlier: Mapping[str, Indices],
    rng: np.random.Generator,
) -> Indices:
    """Draw pairs with a probability."""
    n_pre, n_post = ends.sizes
    if isinstance(rule.p, str):
        blocks = _computed(projection, rule.p, ends, rng)
    elif n_pre * n_post <= DENSE:
        blocks = _pair_by_pair(ends.sizes, rule.p, rng)
    else:
        blocks = _by_gaps(n_pre * n_post, rule.p, rng)
    reverse = np.empty(0, np.int64)
    if rule.avoid_reciprocal:
        pre, post = earlier[rule.avoid_reciprocal]
        reverse = post.astype(np.int64)
        reverse *= n_post
        reverse += pre
        reverse.sort()
    apart = ends.recurrent and not rule.self_connections
    sources, targets = [], []
    for keys in blocks:
        if len(reverse) and len(keys):
            low, high = np.searchsorted(reverse, [keys[0], keys[-1] + 1])
            keys = keys[~np.isin(keys, reverse[low:high])]
        pre = keys // n_post
        post = keys - pre * n_post
        kept = pre != post if apart else slice(None)
        sources.append(pre[kept].astype(np.int32))
        targets.append(post[kept].astype(np.int32))
    if not sum(map(len, sources)):
        raise SpecError(
            f"projection '{projection.name}': no synapse was drawn with p={rule.p} between "
            f"{n_pre} and {n_post} neurons; raise p or the sizes"
        )
    pre = np.concatenate(sources)
    sources.clear()
    return pre, np.concatenate(targets)


# Generators of pairs, a block at a time, each pair as one number: ``pre*n_post + post``.
def _pair_by_pair(
    sizes: tuple[int, int], p: float, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Draw a number for every pair."""
    n_pre, n_post = sizes
    rows = max(1, BLOCK // n_post)
    for first in range(0, n_pre, rows):
        shape = min(rows, n_pre - first), n_post
        allowed = rng.random(shape) < p if p < 1 else np.ones(shape, dtype=bool)
        yield first * n_post + np.flatnonzero(allowed)


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


def _computed(
    projection: Projection, p: str, ends: Ends, rng: np.random.Generator
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

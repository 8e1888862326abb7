"""Memory of the replicas of a network on a GPU: what lies where, in four blocks of bytes each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import BackendError, explain
from ...network.spec import NetworkSpec

#: Connectivity, the state, what a segment is given, and what is recorded: the order in which the
#: program takes them; and those it gives back.
BUFFERS, RETURNED = ("fixed", "state", "segment", "record"), ("state", "record")

#: Every array begins at a multiple of so many bytes.
ALIGNED = 128

#: Threads of a warp, and bits of a word.
WARP = 32


def words(size: int) -> int:
    """Return how many words of 32 bits hold a bit for each of `size` neurons."""
    return -(-size // WARP)


@dataclass(frozen=True)
class Array:
    """An array in the memory of a replica, ``"e.v"`` or ``"slots:stimulus_by_slot"``.

    Its number of `rows` depends on ``"slots"`` or ``"synapses:ee"``; ``""`` is one row. The offset
    in bytes is known when compiling with one row. Others come after these, where they have room at
    run time.
    """

    key: str
    dtype: str
    buffer: str
    rows: str = ""
    columns: int = 1
    offset: int = -1

    @property
    def projection(self) -> str:
        """The projection of which it holds a value a synapse, in a replica's state; or ''."""
        kind, _, name = self.rows.partition(":")
        return name if kind == "synapses" and self.buffer == "state" else ""


class MemoryLayout:
    """Where every array lies in the memory of a replica."""

    def __init__(
        self,
        arrays: Sequence[Array],
        sizes_known: dict[str, int],
        rows: dict[str, int],
        blocks: tuple[int, int],
    ):
        self.rows, self.blocks = rows, blocks
        self.offsets = {array.key: array.offset for array in arrays}
        self.sizes = dict(sizes_known)
        for array in (array for array in arrays if array.rows):
            self.offsets[array.key] = self.sizes[array.buffer]
            size = self.rows[array.rows] * array.columns * np.dtype(array.dtype).itemsize
            self.sizes[array.buffer] += -(-size // ALIGNED) * ALIGNED

    def view(self, image: np.ndarray, array: Array, count: int) -> np.ndarray:
        """Return the first `count` values of an array of every replica, shape (n, count)."""
        start, dtype = self.offsets[array.key], np.dtype(array.dtype)
        return image[:, start : start + count * dtype.itemsize].view(dtype)

    def put(self, image: np.ndarray, array: Array, values: Sequence[np.ndarray]) -> None:
        """Write an array into the memory of every replica."""
        sizes = {np.size(value) for value in values}
        if len(sizes) == 1:
            self.view(image, array, sizes.pop())[:] = [np.ravel(value) for value in values]
            return
        for row, value in zip(image, values, strict=True):
            self.view(row[None], array, np.size(value))[0] = np.ravel(value)


class Connections:
    """The connectivity of a replica in the program's order: by postsynaptic neuron."""

    def __init__(self, spec: NetworkSpec, synapses: Mapping[str, tuple[np.ndarray, np.ndarray]]):
        self.synapses = synapses
        self.order: dict[str, np.ndarray] = {}
        self.back: dict[str, np.ndarray] = {}
        self.fixed: dict[str, np.ndarray] = {}
        for projection in spec.projections:
            pre, post = (np.asarray(ends) for ends in synapses[projection.name])
            sizes = [spec.population(p).size for p in (projection.source, projection.target)]
            self._index(projection.name, pre, post, *sizes)

    def _index(self, name: str, pre: np.ndarray, post: np.ndarray, n_pre: int, n_post: int) -> None:
        order = np.lexsort((pre, post))
        pre, post = pre[order], post[order]
        pair = post.astype(np.int64) * n_pre + pre
        if np.any(np.diff(pair) == 0):
            raise BackendError(
                explain(f"projection '{name}'", "two synapses of one pair of neurons", "one a pair")
            )
        blocks = words(n_pre)
        bits = np.zeros((blocks, n_post), np.uint32)
        np.bitwise_or.at(bits, (pre // 32, post), np.uint32(1) << (pre % 32).astype(np.uint32))
        place = (pre // 32) * n_post + post
        of_block = np.bincount(place, minlength=blocks * n_post).reshape(blocks, n_post)
        first = np.concatenate([[0], np.cumsum(of_block.sum(axis=0))])
        rank = first[:-1] + np.cumsum(of_block, axis=0) - of_block
        self.order[name], self.back[name] = order, np.argsort(order)
        self.fixed |= {f"first:{name}": first, f"pre:{name}": pre}
        # who of 32 neurons connects to a neuron, and the place of the first of these synapses
        both = np.stack([bits, rank.astype(np.uint32)], axis=-1)
        self.fixed[f"incoming:{name}"] = np.ascontiguousarray(both).view(np.uint64)

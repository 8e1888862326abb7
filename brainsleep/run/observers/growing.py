"""Arrays that grow with a run: in memory up to a limit, then in files beside its checkpoint.

A file is a NumPy array. What a checkpoint does not know of yet lies behind the rows that it knows,
and is written over by a run that goes on from it.
"""

from __future__ import annotations

import math
import os
from io import BytesIO
from pathlib import Path

import numpy as np

from ...files.atomic import sync

#: Bytes that a run holds before they go to disk, and most of traces that a segment may give.
LIMIT = 64 * 2**20

# Rows of arrays by name, as many of each.
Block = dict[str, np.ndarray]


class GrowingArrays:
    """Arrays to which rows are added while a run is under way, to all of them as many.

    Attributes
    ----------
    names : tuple of str
        Names of the arrays.
    folder : Path
        Where their files lie.
    held : int
        Bytes in memory.
    """

    def __init__(self, names: tuple[str, ...], folder: Path):
        self.names, self.folder, self.held = names, folder, 0
        #: Rows on disk, and blocks by the first slot of their segment: one value, as an interrupt
        #: may come at any time.
        self._kept: tuple[int, dict[int, Block]] = (0, {})

    def add(self, slot: int, block: Block) -> None:
        """Take up what was recorded in a segment that began with a slot."""
        if len(block[self.names[0]]):
            self.held += _size(block) - _size(self._kept[1].get(slot, {}))
            self._kept[1][slot] = block

    @property
    def on_disk(self) -> int:
        """Rows on disk."""
        return self._kept[0]

    def held_before(self, slot: int) -> Block:
        """Return what is in memory of segments before a slot."""
        blocks = self._kept[1]
        return _joined([blocks[k] for k in sorted(blocks) if k < slot])

    def whole(self, name: str) -> np.ndarray | None:
        """Return all rows of an array, read from disk where they are looked at; None of none."""
        rows, blocks = self._kept
        parts = [blocks[k][name] for k in sorted(blocks)]
        if rows:
            parts = [np.load(self.path(name), mmap_mode="r")[:rows], *parts]
        return np.concatenate(parts) if len(parts) > 1 else parts[0] if parts else None

    def has(self, rows: int) -> bool:
        """Tell whether there are so many rows on disk."""
        try:
            found = [np.load(self.path(name), mmap_mode="r") for name in self.names if rows]
        except (OSError, ValueError):
            return False
        return all(len(each) >= rows for each in found)

    def restore(self, rows: int, held: Block) -> None:
        """Go on after so many rows on disk, which it `has`, and those `held`."""
        for name in self.names if rows else ():
            found = np.load(self.path(name), mmap_mode="r")
            _append(self.path(name), rows, found[:0])  # without what comes again
        self._kept, self.held = (rows, {-1: held} if held else {}), _size(held)

    def path(self, name: str) -> Path:
        """Return the file of an array."""
        return self.folder / f"{name}.npy"

    def spill(self) -> None:
        """Write what is held to the files; `OSError` if that fails, and nothing is lost."""
        rows, blocks = self._kept
        if not blocks:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        joined = _joined([blocks[k] for k in sorted(blocks)])
        for name, values in joined.items():
            _append(self.path(name), rows, values)
        sync(self.folder)
        self._kept, self.held = (rows + len(joined[self.names[0]]), {}), 0

    def files(self) -> dict[str, Path]:
        """Write the rest, and return all files by name; none if there are no rows."""
        self.spill()
        return {name: self.path(name) for name in self.names} if self.on_disk else {}


def _size(block: Block) -> int:
    return sum(each.nbytes for each in block.values())


def _joined(blocks: list[Block]) -> Block:
    return {k: np.concatenate([block[k] for block in blocks]) for k in blocks[0]} if blocks else {}


def _append(path: Path, rows: int, values: np.ndarray) -> None:
    """Write rows behind the first `rows` of an array file, over what may lie there."""
    values = np.ascontiguousarray(values)
    header = _header(values, rows + len(values))
    with open(path, "r+b" if path.exists() else "w+b") as file:
        file.seek(len(header) + rows * values.itemsize * math.prod(values.shape[1:]))
        file.write(values.tobytes())
        file.truncate()
        file.seek(0)
        file.write(header)
        file.flush()
        os.fsync(file.fileno())


def _header(values: np.ndarray, rows: int) -> bytes:
    """Return the head of an array file, whose length is the same for any number of rows."""
    buffer = BytesIO()
    described = np.lib.format.header_data_from_array_1_0(values)
    shape = (rows, *values.shape[1:])
    np.lib.format.write_array_header_1_0(buffer, {**described, "shape": shape})
    return buffer.getvalue()

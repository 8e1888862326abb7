"""Recorded traces of a run: in memory up to a limit, then in files that grow beside its checkpoint.

A file is a NumPy array, a row a time. What a checkpoint does not know of yet lies behind the rows
that it knows, and is written over by a run that goes on from it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np

from ...files.atomic import sync

#: Bytes of traces that a run holds before they go to disk, and most that a segment may give.
LIMIT = 64 * 2**20

#: Name of the file with the steps of the run at which values were taken.
STEPS = "steps"

# What was recorded in a segment: the steps of the run, and values by variable.
Block = dict[str, np.ndarray]


class Traces:
    """Traces that grow with a run.

    Attributes
    ----------
    names : tuple of str
        Variables that are recorded.
    folder : Path
        Where the files lie.
    """

    def __init__(self, names: tuple[str, ...], folder: Path):
        self.names, self.folder = names, folder
        #: Rows on disk, and blocks by the first slot of their segment: one value, as an interrupt
        #: may come at any time.
        self._kept: tuple[int, dict[int, Block]] = (0, {})

    def add(self, slot: int, steps: np.ndarray, values: Mapping[str, np.ndarray]) -> None:
        """Take up what was recorded in a segment that began with a slot."""
        if len(steps):
            self._kept[1][slot] = {STEPS: steps.astype(np.int64), **values}

    @property
    def held(self) -> int:
        """Bytes in memory."""
        return sum(each.nbytes for block in self._kept[1].values() for each in block.values())

    def arrays(self, before: int) -> Block:
        """Return what a checkpoint needs: rows on disk, and what is held of slots `before` one."""
        if not self.names:
            return {}
        rows, blocks = self._kept
        joined = _joined([blocks[k] for k in sorted(blocks) if k < before])
        return {"rows": np.array(rows), **{f"held/{k}": v for k, v in joined.items()}}

    def restore(self, arrays: Block) -> bool:
        """Take up what `arrays` gave; tell whether the files have the rows that they must have."""
        rows = int(arrays.get("rows", 0))
        held = {k.removeprefix("held/"): v for k, v in arrays.items() if k.startswith("held/")}
        for name in (STEPS, *self.names) if rows else ():
            try:
                found = np.load(self.path(name), mmap_mode="r", allow_pickle=False)
            except (OSError, ValueError):
                return False
            if len(found) < rows:
                return False
            _append(self.path(name), rows, found[:0])  # without what comes again
        self._kept = (rows, {-1: held} if held else {})
        return True

    def path(self, name: str) -> Path:
        """Return the file of a variable."""
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
        self._kept = (rows + len(joined[STEPS]), {})

    def files(self) -> dict[str, Path]:
        """Write the rest, and return all files by the names of variables."""
        if not self.names:
            return {}
        self.spill()
        if not self._kept[0]:
            return {}
        return {name: self.path(name) for name in (STEPS, *self.names)}


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

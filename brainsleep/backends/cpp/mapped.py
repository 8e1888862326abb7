"""Copying arrays to files and out of them, in their pages and with all cores."""

from __future__ import annotations

import mmap
import os
import threading
from collections.abc import Sequence
from itertools import pairwise
from typing import BinaryIO

import numpy as np

#: Bytes that a thread copies at least: to start one takes as long as to copy some of them.
_LEAST = 2**21


def pages(file: BinaryIO, *, size: int = 0) -> np.ndarray:
    """Return the bytes of a file as they lie in memory.

    Of a file that is written there are `size`: if they are more than it has they are reserved
    first. Raises `OSError` if there is no room for them.
    """
    has = os.fstat(file.fileno()).st_size
    if size > has:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)
    size = size or has
    if not size:
        return np.empty(0, np.uint8)
    writes = file.writable()
    at_once = getattr(mmap, "MAP_POPULATE", 0)  # all are there, not one after the other
    allowed = mmap.PROT_READ | mmap.PROT_WRITE * writes
    flags = mmap.MAP_SHARED | at_once
    return np.frombuffer(mmap.mmap(file.fileno(), size, flags, allowed), np.uint8)


def copy(values: np.ndarray, to: np.ndarray, n_threads: int) -> None:
    """Copy the bytes of an array to as many others; large ones with some threads."""
    n = max(1, min(n_threads, values.size // _LEAST))
    ends = [values.size * k // n for k in range(n + 1)]
    others = [
        threading.Thread(target=np.copyto, args=(to[begin:end], values[begin:end]))
        for begin, end in pairwise(ends[1:])
    ]
    for other in others:
        other.start()
    np.copyto(to[: ends[1]], values[: ends[1]])
    for other in others:
        other.join()


def write(file: BinaryIO, parts: Sequence[np.ndarray], n_threads: int) -> None:
    """Write arrays of bytes one after the other, over the last pages of a file."""
    content, at = pages(file, size=sum(part.size for part in parts)), 0
    for part in parts:
        copy(part, content[at : at + part.size], n_threads)
        at += part.size

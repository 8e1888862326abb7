"""Copying arrays to files and out of them, in their pages and with all cores."""

from __future__ import annotations

import mmap
import os
import threading
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, BinaryIO

import numpy as np

#: Bytes that a thread copies at least: to start one takes as long as to copy some of them. Those of
#: a smaller file go through a buffer: its pages would take longer.
_LEAST = 2**21


def content(file: BinaryIO) -> np.ndarray:
    """Return the bytes of a file, of a large one as they lie in memory."""
    size = os.fstat(file.fileno()).st_size
    return np.frombuffer(file.read(), np.uint8) if size < _LEAST else _pages(file, size)


def write(file: BinaryIO, parts: Sequence[Any], n_threads: int) -> None:
    """Write arrays one after the other, over the last bytes of a file.

    Raises `OSError` if there is no room for them.
    """
    size = sum(memoryview(part).nbytes for part in parts)
    if size < _LEAST:
        file.writelines(parts)
        return
    _reserve(file, size)
    pages, at = _pages(file, size), 0
    for part in parts:
        values = np.frombuffer(part, np.uint8)
        copy(values, pages[at : at + values.size], n_threads)
        at += values.size


def copy(values: np.ndarray, to: np.ndarray, n_threads: int) -> None:
    """Copy the bytes of an array to as many others; large ones with some threads."""
    n = min(n_threads, values.size // _LEAST)
    if n < 2:
        np.copyto(to, values)
        return
    ends = [values.size * k // n for k in range(n + 1)]
    threads = [
        threading.Thread(target=np.copyto, args=(to[begin:end], values[begin:end]))
        for begin, end in pairwise(ends)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _reserve(file: BinaryIO, size: int) -> None:
    """Have a file be so large at least: pages for which there is no room would end the process."""
    if size > os.fstat(file.fileno()).st_size:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)


def _pages(file: BinaryIO, size: int) -> np.ndarray:
    """Return so many bytes of a file as they lie in memory."""
    at_once = getattr(mmap, "MAP_POPULATE", 0)  # all are there, not one after the other
    allowed = mmap.PROT_READ | mmap.PROT_WRITE * file.writable()
    return np.frombuffer(
        mmap.mmap(file.fileno(), size, mmap.MAP_SHARED | at_once, allowed), np.uint8
    )

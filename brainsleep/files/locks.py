"""One process at a time: locks on a byte of a file, which end with the process that holds them."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO


@contextlib.contextmanager
def alone(
    file: Path, keys: Iterable[str], waiting: Callable[[str], None] = lambda key: None
) -> Iterator[None]:
    """Let one process at a time do what is called by any of `keys`.

    Where a file system has no locks everyone goes on at once: what is written must appear whole.

    Parameters
    ----------
    file : Path
        Made if need be and left behind; it stays empty.
    keys : iterable of str
        Hexadecimal hashes. A process that holds keys of a file takes no others of it.
    waiting : callable
        Told the key if another process is at it.

    Raises
    ------
    OSError
        If the file cannot be made.
    """
    with open(file, "ab") as opened:
        for key in sorted(keys):  # in one order: no two processes wait for each other
            _lock(opened, key, waiting)
        yield


def _lock(opened: IO, key: str, waiting: Callable[[str], None]) -> None:
    place = int(key[:7], 16)
    try:
        fcntl.lockf(opened, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
    except (BlockingIOError, PermissionError):
        waiting(key)
        with contextlib.suppress(OSError):
            fcntl.lockf(opened, fcntl.LOCK_EX, 1, place)
    except OSError:
        pass


@contextlib.contextmanager
def held(file: Path) -> Iterator[None]:
    """Make a file and hold it while something is under way; `is_held` tells others."""
    with open(file, "wb") as opened:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def is_held(file: Path) -> bool | None:
    """Tell whether a process that is alive holds a file; None if that cannot be told."""
    try:
        with open(file, "rb") as opened:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return False
    except BlockingIOError:
        return True
    except OSError:
        return None

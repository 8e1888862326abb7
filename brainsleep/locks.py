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

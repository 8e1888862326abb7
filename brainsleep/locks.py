"""One process at a time: locks on a byte of a file, which end with the process that holds them."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Callable, Iterator
from pathlib import Path


@contextlib.contextmanager
def alone(file: Path, key: str, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Let one process at a time do what is called `key`.

    Where a file system has no locks everyone goes on at once: what is written must appear whole.

    Parameters
    ----------
    file : Path
        Made if need be and left behind; it stays empty.
    key : str
        Hexadecimal hash. A process that holds one key of a file takes no other of it.
    waiting : callable
        Told if another process is at it.

    Raises
    ------
    OSError
        If the file cannot be made.
    """
    with open(file, "ab") as opened:
        place = int(key[:7], 16)
        try:
            fcntl.lockf(opened, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except (BlockingIOError, PermissionError):
            waiting()
            with contextlib.suppress(OSError):
                fcntl.lockf(opened, fcntl.LOCK_EX, 1, place)
        except OSError:
            pass
        yield

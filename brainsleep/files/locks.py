"""One process at a time: locks on files, which end with the process that has them."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout


@contextlib.contextmanager
def exclusive_locks(
    folder: Path, names: Iterable[str], waiting: Callable[[str], None] = lambda name: None
) -> Iterator[None]:
    """Let one process at a time do what is called by any of `names`; call `waiting` for others.

    An empty file of each name is left behind in the folder. Where a file system has no locks all
    go on at once: what is written must appear whole. Raise `OSError` if no files can be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as locks:
        for name in sorted(names):  # in one order: no two processes wait for each other
            (folder / name).touch()
            lock = FileLock(folder / name, fallback_to_soft=False)
            with contextlib.suppress(OSError):  # a file system without locks
                try:
                    lock.acquire(timeout=0)
                except Timeout:
                    waiting(name)
                    lock.acquire(poll_interval=0.5)
                locks.callback(lock.release)
        yield


def is_locked(file: Path) -> bool | None:
    """Tell whether a process that is alive has locked a file; None if that cannot be told."""
    if not file.exists():
        return None
    try:
        with FileLock(file, timeout=0, fallback_to_soft=False):
            return False
    except Timeout:
        return True
    except OSError:
        return None

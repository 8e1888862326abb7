"""The cache of compiled programs: found by key, stored in one step, shared by processes, bounded.

A program is a folder ``programs/KEY``, made beside its place and renamed; it is checked against its
checksums, and made again if they differ. What somebody else could have put there is not run.
"""

from __future__ import annotations

import contextlib
import grp
import json
import os
import pwd
import shutil
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ...errors import BackendError, explain
from ...files.atomic import content_hash, file_hash, read_checked, written_folder
from ...files.locks import exclusive_locks, is_locked

#: Size in MB that the cache is kept below, unless ``BRAINSLEEP_CACHE_MB`` says otherwise.
LIMIT_MB = 500

#: Seconds after which a program that nobody used may make room for others, and what a killed
#: build left is removed.
A_DAY = 86_400

#: What a program's folder must hold, and the file that is locked while it is made.
_PROGRAM, _LAYOUT, _BUILT_NOW = "main", "layout.json", ".held"

#: What names of folders begin with that are no programs yet, or no longer.
_BUILDING = "building-"

#: Most bytes of a layout, and what the checksum of the program is called in it.
_MAX_LAYOUT, _SUM = 16 * 2**20, "main_sha256"


class Entry(NamedTuple):
    """A compiled program in the cache; times are seconds since the epoch.

    It was `used` when a run last took it.
    """

    path: Path
    network: str
    size: int
    built: float
    used: float


def cache_directory() -> Path:
    """Return the folder of the cache (``$BRAINSLEEP_CACHE`` or the user's cache)."""
    root = os.environ.get("BRAINSLEEP_CACHE")
    if root:
        return Path(root)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "brainsleep"


def programs() -> Path:
    """Return the folder of compiled programs."""
    return cache_directory() / "programs"


def is_whole(folder: Path) -> bool:
    """Tell whether `folder` holds a program that can be run, as it was compiled."""
    try:
        expected = read_checked(folder / _LAYOUT, _MAX_LAYOUT).get(_SUM)
    except (OSError, ValueError):
        return False
    program = folder / _PROGRAM
    return os.access(program, os.X_OK) and expected == file_hash(program)


def touch(folder: Path) -> None:
    """Note that a program is in use."""
    with contextlib.suppress(OSError):  # a cache that can only be read
        os.utime(folder / _LAYOUT)


def layout(folder: Path) -> dict:
    """Return the layout of the files that a program exchanges."""
    content = read_checked(folder / _LAYOUT, _MAX_LAYOUT)
    return {key: value for key, value in content.items() if key not in (_SUM, "checksum")}


def obtain(
    key: str, make: Callable[[Path], dict], network: str, report: Callable[[str], None]
) -> Path:
    """Return the folder of the program `key`, which `make` makes if need be; list it by `network`.

    `make` is given an empty folder for ``main`` and returns a layout. Raises `BackendError` if the
    cache cannot be written, or somebody else can write it.
    """
    folder = programs() / key
    try:
        with contextlib.suppress(FileNotFoundError):  # just cleared: it is made again
            if is_whole(folder):
                _check_own(programs(), folder, folder / _PROGRAM, folder / _LAYOUT)
                touch(folder)
                return folder
        programs().mkdir(mode=0o755, parents=True, exist_ok=True)
        _check_own(programs())
        with exclusive_locks(
            programs() / ".locks",
            [key],
            lambda _: report(f"waiting for another process to compile '{network}'"),
        ):
            if not is_whole(folder):
                _make(folder, make, network)
    except OSError as error:
        raise BackendError(
            f"cannot write the build cache {cache_directory()} "
            f"({error.strerror or error}); set BRAINSLEEP_CACHE to a folder that can be written"
        ) from error
    return folder


def _make(folder: Path, make: Callable[[Path], dict], network: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # what lost a part
    try:
        with written_folder(folder, _BUILDING) as work, exclusive_locks(work, [_BUILT_NOW]):
            described = {**make(work), "network": network}
            described[_SUM] = file_hash(work / _PROGRAM)
            described = json.loads(json.dumps(described))  # as it will be read back
            described["checksum"] = content_hash(described)
            (work / _LAYOUT).write_text(json.dumps(described))
            for path, mode in ((work / _LAYOUT, 0o644), (work / _PROGRAM, 0o755)):
                path.chmod(mode)
            (work / _BUILT_NOW).unlink()
    except OSError:  # where files cannot be locked, another may have been first
        if not is_whole(folder):
            raise
    _make_room(folder)


def _check_own(*paths: Path) -> None:
    """Raise `BackendError` if somebody else could have written what is about to be run."""
    for path in paths:
        status = path.stat()
        if status.st_uid not in (0, os.getuid()):
            got = f"{path}, which belongs to user {status.st_uid}"
        elif status.st_mode & stat.S_IWOTH:
            got = f"{path}, which everybody can write"
        elif status.st_mode & stat.S_IWGRP and _has_others(status.st_gid):
            got = f"{path}, which group {status.st_gid} can write"
        else:
            continue
        fix = "set BRAINSLEEP_CACHE to a folder of your own, since programs in it are run"
        raise BackendError(explain("build cache", got, "a folder that only you can write", fix))


def _has_others(number: int) -> bool:
    """Tell whether a group may have others in it: all but one of this user's name and own."""
    try:
        group, user = grp.getgrgid(number), pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return True
    return group.gr_name != user or not {user}.issuperset(group.gr_mem)


def entries() -> list[Entry]:
    """Return the programs in the cache, the one used last first."""
    listed = []
    for path in programs().glob("[0-9a-f]*"):
        if path.name.startswith(_BUILDING):
            continue
        try:
            network = layout(path).get("network", "?")
            built, used = (path / _PROGRAM).stat().st_mtime, (path / _LAYOUT).stat().st_mtime
            size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        except (OSError, ValueError):
            network, size, built, used = "(damaged)", 0, 0.0, 0.0
        listed.append(Entry(path, network, size, built, used))
    return sorted(listed, key=lambda entry: -entry.used)


def limit() -> int:
    """Return the size in bytes that the cache is kept below.

    Raises `BackendError` if ``BRAINSLEEP_CACHE_MB`` is not a number of at least 0.
    """
    text = os.environ.get("BRAINSLEEP_CACHE_MB") or str(LIMIT_MB)
    with contextlib.suppress(ValueError):
        if float(text) >= 0:
            return int(float(text) * 1e6)
    raise BackendError(explain("BRAINSLEEP_CACHE_MB", repr(text), "a number of MB of at least 0"))


def clear(unused_for: float = 0.0) -> list[Entry]:
    """Remove the programs that nobody used for `unused_for` seconds, and return them."""
    now = time.time()
    gone = [entry for entry in entries() if _since(entry.used, now) >= unused_for]
    for entry in gone:
        _remove(entry.path)
    _remove_leftovers(now)
    return gone


def _since(moment: float, now: float) -> float:
    """Return how long ago something was; a time to come says that a clock was set since."""
    return abs(now - moment)


def _make_room(keep: Path) -> None:
    """Remove the programs used longest ago until the cache is within its limit.

    One that was used in the last day may still be running and stays.
    """
    now, room = time.time(), limit()
    _remove_leftovers(now)
    for entry in sorted(entries(), key=lambda entry: _since(entry.used, now)):
        room -= entry.size
        if room < 0 and entry.path != keep and _since(entry.used, now) > A_DAY:
            _remove(entry.path)


def _remove(folder: Path) -> None:
    """Remove a program; its name goes first, so that nobody finds half of it."""
    aside = folder.with_name(f"{_BUILDING}{folder.name}-{os.getpid()}")
    with contextlib.suppress(OSError):
        folder.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)


def _remove_leftovers(now: float) -> None:
    """Remove what builds that were killed left behind.

    Where it cannot be told whether a build is still under way, it has a day's time.
    """
    for left in programs().glob(f"{_BUILDING}*"):
        with contextlib.suppress(OSError):
            building = is_locked(left / _BUILT_NOW)
            if building is None:
                building = _since(left.stat().st_mtime, now) <= A_DAY
            if not building:
                shutil.rmtree(left, ignore_errors=True)

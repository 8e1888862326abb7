"""What lies on the disk after something went wrong, held against what should."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from brainsleep.backends.cpp import cache
from brainsleep.errors import BrainsleepError
from brainsleep.files.npz import digest
from brainsleep.results.store import Result, read_result

#: Names in a folder of results besides results.
_OTHERS = re.compile(r"\.locks|\.sweep|\.[0-9a-f]{16}\.(partial|writing-\w+)")


def outcome(result: Result) -> str:
    """Hash what a run found: all arrays and metrics, no times."""
    metrics = json.dumps(result.metrics, sort_keys=True)
    return hashlib.sha256((digest(result.arrays) + metrics).encode()).hexdigest()


def outcomes(out: Path) -> dict[str, str]:
    """Hash every result in a folder, by its id."""
    return {path.name: outcome(read_result(path)) for path in _results(out)}


def problems(out: Path, expected: dict[str, str], finished: set[str]) -> list[str]:
    """Say what is wrong in a folder of results.

    Parameters
    ----------
    out : Path
        The folder.
    expected : dict of str to str
        The right `outcome` by id.
    finished : set of str
        Ids that were finished before.
    """
    found = []
    for path in out.iterdir() if out.is_dir() else ():
        if not re.fullmatch("[0-9a-f]{16}", path.name):
            if not _OTHERS.fullmatch(path.name):
                found.append(f"stray {path.name}")
            continue
        try:
            if outcome(read_result(path)) != expected.get(path.name):
                found.append(f"wrong result {path.name}")
        except BrainsleepError as error:
            found.append(f"half a result: {error}")
    lost = finished - {path.name for path in _results(out)}
    return found + [f"lost result {name}" for name in lost]


def leftovers(out: Path) -> list[str]:
    """Name what a command that ended well should not have left in a folder of results."""
    kept = (".locks", ".sweep")
    names = (p.name for p in out.iterdir() if p.name not in kept)
    return [name for name in names if not re.fullmatch("[0-9a-f]{16}", name)]


def cache_problems(folder: Path) -> list[str]:
    """Say what is wrong in a cache of programs."""
    found = []
    programs = folder / "programs"
    for path in programs.iterdir() if programs.is_dir() else ():
        if re.fullmatch("[0-9a-f]{20}", path.name):
            found += [] if cache.is_whole(path) else [f"half a program {path.name}"]
        elif path.name != ".locks" and not path.name.startswith("building-"):
            found.append(f"stray {path.name} in the cache")
    return found


def phase(out: Path, folder: Path) -> str:
    """Say how far a run was that was killed."""
    if _results(out):
        return "stored"
    if list(out.glob(".*.writing-*")):
        return "storing"
    if list(out.glob(".*.partial/checkpoint.npz")):
        return "simulating, after a checkpoint"
    if list((folder / "programs").glob("building-*")):
        return "compiling"
    return "before its first checkpoint"


def _results(out: Path) -> list[Path]:
    return [p for p in out.glob("*") if re.fullmatch("[0-9a-f]{16}", p.name) and any(p.iterdir())]

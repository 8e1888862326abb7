"""Results on disk: a folder named by run id, written in one step, with what made it inside.

``<out>/<run_id>/result.json`` holds settings, equations, versions and metrics; ``arrays.npz``
the arrays, and ``protocol.npz`` long arrays of the settings. All are plain data: nothing in them is
ever executed. While a run is under way its checkpoint lies in ``<out>/.<run_id>.partial/``.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from ..errors import StoreError, explain, one_line
from ..files.atomic import (
    content_hash,
    file_hash,
    read_checked,
    replace_folder,
    sync,
    written,
    written_folder,
)
from ..files.locks import exclusive_locks
from ..files.npz import read_npz, write_npz
from ..values.arrays import without_data
from .description import ARRAYS
from .result import Result

SCHEMA_VERSION = 1

#: Most bytes of a ``result.json``.
MAX_JSON = 256 * 2**20

#: Kinds of what is in it, where that is relied on.
_KINDS = {
    **dict.fromkeys(("run_id", "backend", "compiler"), str),
    **dict.fromkeys(("protocol", "data", "metrics", "timings", "versions"), dict),
    **dict.fromkeys(("equations", "stopped", "had", "traces", "events"), dict),
    **dict.fromkeys(("traces_sha256", "spikes_sha256", "events_sha256"), dict),
    "protocol_sha256": str,
    "alarms": list,
    "seed": int,
}

log = logging.getLogger("brainsleep")


def check_writable(out: Path) -> None:
    """Make the folder `out` if need be and raise `StoreError` unless it can be written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):  # without a name where there can be such files
            pass
    except OSError as error:
        got, allowed = error.strerror or one_line(error), "a folder that can be written"
        raise StoreError(
            explain(f"output folder {out}", got, allowed, "choose another with --out")
        ) from error


def read_result(path: str | Path) -> Result:
    """Read a stored result.

    Raises
    ------
    StoreError
        If there is none, or it is damaged: arrays that do not match the checksum in
        ``result.json``, text that is not what was written, an unknown schema.
    """
    path = Path(path)
    path = path.parent if path.name == "result.json" else path
    try:
        info = read_checked(path / "result.json", MAX_JSON)
    except FileNotFoundError as error:
        fix = "give the folder of a finished run"
        raise StoreError(f"result: no result.json in {path}; {fix}") from error
    except (OSError, ValueError) as error:
        raise StoreError(f"result {path}: cannot read result.json: {one_line(error)}") from error
    if info.get("schema_version") != SCHEMA_VERSION:
        got = info.get("schema_version")
        raise StoreError(explain(f"result {path}: schema version", got, SCHEMA_VERSION))
    for name, kind in _KINDS.items():
        if not isinstance(info.get(name, kind()), kind):
            got = f"a {type(info[name]).__name__}"
            raise StoreError(explain(f"result {path}: {name}", got, f"a {kind.__name__}"))
    for key, name in (("arrays_sha256", "arrays.npz"), ("protocol_sha256", ARRAYS)):
        if (key in info or name != ARRAYS) and info.get(key, "") != file_hash(path / name):
            raise StoreError(f"result {path}: {name} is missing or damaged; run it with --force")
    return Result(path, info)


def finished(out: Path, run_id: str) -> Result | None:
    """Return the result of `run_id` in `out` if it is sound, else None; nothing is changed."""
    try:
        return _result_of(out, run_id)
    except StoreError:
        return None


def _result_of(out: Path, run_id: str) -> Result:
    """Read the result in the folder `run_id`; a copy of another run's is none."""
    result = read_result(out / run_id)
    if result.info.get("run_id") != run_id:
        got = f"that of run {result.info.get('run_id')}"
        raise StoreError(explain(f"result {result.path}", got, "its own"))
    return result


@contextlib.contextmanager
def as_stored(*results: Result) -> Iterator[None]:
    """Look at what runs stored: `StoreError` where a file made by hand holds something else."""
    try:
        yield
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        why, one = f"{type(error).__name__}: {one_line(error)}", results[0].path
        which = f"result {one}" if len(results) == 1 else f"a result in {one.parent}"
        raise StoreError(
            f"{which} does not hold what a run stores ({why}); take it away"
        ) from error


def find_result(out: Path, run_id: str) -> Result | None:
    """Return the finished result of `run_id` in `out`; set a damaged one aside; else None.

    To be called by the one process that works on `run_id`, see `working_on`. `StoreError` if a
    damaged result cannot be moved.
    """
    path = out / run_id
    try:
        if not path.exists():
            _recover(out, run_id)
        if not path.exists() or (path.is_dir() and not any(path.iterdir())):
            return None  # an empty folder is what workflow engines make for what is to come
        return _result_of(out, run_id)
    except StoreError as error:
        damage = str(error)
    except OSError as error:
        raise StoreError(f"result {path}: cannot be looked at ({one_line(error)})") from error
    try:
        aside = Path(tempfile.mkdtemp(prefix=f"{run_id}.damaged-", dir=out))
        os.rename(path, aside / run_id)
    except OSError as error:
        raise StoreError(
            f"{damage}; it cannot be set aside ({error.strerror or one_line(error)}): remove {path}"
        ) from error
    log.warning("%s; set aside as %s; the run is done again", damage, aside)
    return None


def _recover(out: Path, run_id: str) -> None:
    """Give a whole result its name if whoever wrote it was killed just before.

    The name is missing for a moment, too, while a run with ``force`` replaces an older result:
    then both lie there whole, and either will do.
    """
    for left in sorted(out.glob(f".{run_id}.writing-*")):
        for folder in (left, left / run_id):
            with contextlib.suppress(StoreError):
                if read_result(folder).info["run_id"] == run_id:
                    replace_folder(folder, out / run_id)
                    sync(out)
                    return


@contextlib.contextmanager
def working_on(out: Path, run_ids: Iterable[str], waiting: Callable[[str], None]) -> Iterator[None]:
    """Let one process at a time work on each of `run_ids` in the folder `out`, or `StoreError`.

    `waiting` is told each id that another process works on.
    """
    with contextlib.ExitStack() as locks:
        try:
            locks.enter_context(exclusive_locks(out / ".locks", run_ids, waiting))
        except OSError as error:
            raise StoreError(f"output folder {out}: {error.strerror or one_line(error)}") from error
        yield


def write_result(
    out: Path,
    run_id: str,
    info: dict,
    arrays: dict[str, np.ndarray],
    files: Mapping[str, Mapping[str, Path]] | None = None,
) -> Result:
    """Write a result in one step: its folder appears complete or not at all, with `StoreError`.

    `files`, by kind (``traces``, ``spikes``, ``events``) and name, stay where they are, too.
    """
    info = {"schema_version": SCHEMA_VERSION, "run_id": run_id, **info}
    final = out / run_id
    try:
        with written_folder(final, replace=True) as work:
            save_arrays(work / "arrays.npz", arrays)
            info["arrays_sha256"] = file_hash(work / "arrays.npz")
            for kind, paths in (files or {}).items():
                if paths:
                    info[f"{kind}_sha256"] = _keep(work / kind, paths)
            left, apart = without_data(info.get("protocol", {}))
            if apart:
                info["protocol"] = left
                save_arrays(work / ARRAYS, apart)
                info["protocol_sha256"] = file_hash(work / ARRAYS)
            info = json.loads(json.dumps(info))  # as it will be read back
            info["checksum"] = content_hash(info)
            with written(work / "result.json") as temporary:
                temporary.write_text(json.dumps(info, indent=1))
    except OSError as error:
        raise StoreError(
            f"result {run_id}: cannot write to {out} ({error.strerror or one_line(error)}); "
            "free some space or choose another folder with --out"
        ) from error
    return Result(final, info)


def _keep(folder: Path, paths: Mapping[str, Path]) -> dict[str, str | None]:
    """Put files into a folder of a result, without a copy where that can be; return hashes."""
    folder.mkdir()
    for path in paths.values():
        kept = folder / path.name
        try:
            os.link(path, kept)
        except OSError:  # a file system without links
            shutil.copyfile(path, kept)
            sync(kept)
    sync(folder)
    return {name: file_hash(path) for name, path in paths.items()}


def save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write an ``.npz`` file in one step; raise `OSError` if that fails."""
    with written(path) as temporary, open(temporary, "wb") as file:
        write_npz(file, arrays)


def load_arrays(path: Path) -> dict[str, np.ndarray] | None:
    """Read an ``.npz`` file; None if it is missing or damaged."""
    try:
        return read_npz(path)
    except MemoryError:  # what the file can hold does not fit here
        raise
    except Exception:  # zip, zlib and header parsing fail in too many ways to list
        return None


def partial_folder(out: Path, run_id: str) -> Path:
    """Return the folder of the checkpoint of a run that is not finished."""
    return out / f".{run_id}.partial"


def clean_leftovers(out: Path, run_id: str) -> None:
    """Remove what killed runs of `run_id` left behind, except their checkpoint."""
    for left in out.glob(f".{run_id}.writing-*"):
        shutil.rmtree(left, ignore_errors=True)
    for left in partial_folder(out, run_id).glob(".*.writing-*"):
        with contextlib.suppress(OSError):
            left.unlink()


def versions(*more: str) -> dict[str, str]:
    """Return the versions of Python and of the packages a result depends on, and of `more`."""
    numbers = {"python": platform.python_version()}
    for name in ("brainsleep", "brian2", "numpy", "scipy", "scikit-learn", "pillow", *more):
        numbers[name] = _version(name)
    return numbers


@cache
def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"

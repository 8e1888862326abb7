"""Files and folders that appear whole or not at all, and hashes that tell whether they are."""

import contextlib
import errno
import hashlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import BrainsleepError, StoreError, one_line


@contextlib.contextmanager
def written(path: Path) -> Iterator[Path]:
    """Write a file in one step: into an empty one beside it, with the same ending.

    It takes the name `path` at the end, once it is on the disk, in place of a file that had it.
    After an error it is removed. Raise `OSError` if it cannot be written.
    """
    temporary = path.with_name(f".{path.stem}.writing-{secrets.token_hex(4)}{path.suffix}")
    # exclusive: a link that somebody put there is not followed
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield temporary
        sync(temporary)
        os.replace(temporary, path)
        sync(path.parent)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def written_for(what: str, path: Path, error: type[BrainsleepError] = StoreError) -> Iterator[Path]:
    """Write a file that a user asked for, in one step; its folder is made.

    Raise `error`, which says `what` it is, if it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written(path) as temporary:
            yield temporary
    except OSError as why:
        raise error(
            f"{what} {path}: cannot write ({why.strerror or one_line(why)}); name another place"
        ) from why


@contextlib.contextmanager
def written_folder(folder: Path, prefix: str = "", replace: bool = False) -> Iterator[Path]:
    """Write a folder in one step: into an empty one beside it, whose name begins with `prefix`.

    It takes the name `folder` at the end, which an empty folder may have already, or any with
    `replace`; after an error it is removed. Raise `OSError` if it cannot be written.
    """
    prefix = prefix or f".{folder.name}.writing-"
    work = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
    try:
        work.chmod(0o755)
        yield work
        (replace_folder if replace else os.rename)(work, folder)
        sync(folder.parent)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def replace_folder(work: Path, folder: Path) -> None:
    """Give a folder its name; one that has it already, maybe just now, is removed."""
    while True:
        try:
            os.rename(work, folder)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        with (
            tempfile.TemporaryDirectory(
                prefix=f".{folder.name}.writing-", dir=folder.parent
            ) as old,
            contextlib.suppress(FileNotFoundError),  # another process was faster
        ):
            os.rename(folder, Path(old, folder.name))


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk, where folders allow that."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:
        if not path.is_dir():
            raise
    finally:
        os.close(handle)


def file_hash(path: Path) -> str | None:
    """Return the SHA-256 (hex) of a file, or None if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def content_hash(content: dict) -> str:
    """Return the SHA-256 (hex) of plain data as JSON, but for its own entry ``checksum``."""
    hashed = {key: value for key, value in content.items() if key != "checksum"}
    return hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()


class Fields(dict):
    """What a file holds by name; a name that is not there is an error that says so."""

    def __missing__(self, name: str) -> Any:
        raise StoreError(f"a file of results or programs has no '{name}'; was it written by hand?")


def read_checked(path: Path, limit: int) -> Fields:
    """Read plain data that was written as JSON with its `content_hash` as ``checksum``.

    Raise `OSError` if they cannot be read; `ValueError` if they have more than `limit` bytes, are
    no object, or not what was written.
    """
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size > limit:
            raise ValueError(f"it has more than {limit} bytes")
        text = file.read()
    try:
        content = json.loads(text, object_hook=Fields)
        if not isinstance(content, Fields):
            raise ValueError(f"it holds a {type(content).__name__}, not an object")
        if content.get("checksum") != content_hash(content):
            raise ValueError("it was changed after it was written")
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return content

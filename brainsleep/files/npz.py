"""Arrays from zip files of ``.npy``, whose sizes are checked before memory is taken.

Nothing in them is executed. The archive is never unpacked to files: members are read by name.
"""

import hashlib
import math
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import numpy as np

from ..errors import DataError, explain

#: Largest array read from a file, in bytes, uncompressed.
MAX_BYTES = 4 * 2**30

#: No deflate stream expands by more than this; a header that announces more is damaged.
DEFLATE_MAX_RATIO = 1032

#: Bytes from which an array is deflated only if pieces of it, of so many, become half as long.
LONG, PIECE = 2**20, 2**15

#: Kinds of values that arrays may have: numbers and truth values, and also text.
NUMBERS, PLAIN = "biuf", "biufU"


def renumbered(what: str) -> str:
    """Say how any labels are turned into class numbers from 0: in both parts of a set the same."""
    if "test_labels" not in what:
        return "numpy.unique(labels, return_inverse=True)[1]"
    before = "classes = numpy.unique(labels) of the labels before they were numbered"
    return f"numpy.searchsorted(classes, test_labels), with {before}"


def read_npz(path: Path, start: str = "") -> dict[str, np.ndarray]:
    """Read the arrays from an ``.npz`` file of this package whose names begin with `start`.

    Raise exceptions of many kinds if it is not such a file or damaged.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        names = [member.filename for member in members]
        if len(set(names)) < len(names) or not all(name.endswith(".npy") for name in names):
            raise ValueError("it holds other things than arrays, or two of one name")
        _check_size("all arrays together", sum(m.file_size for m in members), path, 16 * MAX_BYTES)
        names = [name for name in names if name.startswith(start)]
        return {n.removesuffix(".npy"): read_npy(archive, n, path, PLAIN) for n in names}


def read_npy(
    archive: zipfile.ZipFile, member: str, path: Path, kinds: str, limit: int = MAX_BYTES
) -> np.ndarray:
    """Read one array from a zip that lies at `path`, after checking type and size in its header.

    Its values may be of `kinds`, as in `numpy.dtype.kind`, and have `limit` bytes at most. Raise
    `DataError` otherwise, and exceptions of many kinds if it is damaged.
    """
    npy, info = np.lib.format, archive.getinfo(member)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        fix = "write it with numpy.savez_compressed"
        got = f"{member} in compression type {info.compress_type}"
        raise DataError(explain(str(path), got, "stored or deflated", fix))
    with archive.open(info) as stream:
        major, _ = npy.read_magic(stream)
        readers = {1: npy.read_array_header_1_0, 2: npy.read_array_header_2_0}
        shape, _, dtype = readers[major](stream)
    if dtype.kind not in kinds:
        allowed, fix = "numbers or text", "save no objects"
        if kinds == NUMBERS:
            allowed, fix = "numbers", f"save numbers, of class names with {renumbered(member)}"
        raise DataError(explain(str(path), f"{member} of type {dtype}", allowed, fix))
    size = math.prod(shape) * dtype.itemsize
    _check_size(f"{member} of shape {shape}", size, path, min(limit, info.file_size))
    with archive.open(info) as stream:
        array = npy.read_array(stream, allow_pickle=False)
        if stream.read(1):  # reading to the end also verifies the checksum
            raise ValueError(f"{member} is longer than its header announces")
    return array


def write_npz(file: IO[bytes], arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays as `read_npz` and `numpy.load` read them.

    They are written piece by piece, and deflated quickly, or not at all where that gains little:
    weights and wiring of large networks would take a minute for some tenths of their size.
    """
    with zipfile.ZipFile(file, "w", compresslevel=1) as archive:
        for name, array in arrays.items():
            array = np.asanyarray(array)
            archive.compression = zipfile.ZIP_DEFLATED if _shrinks(array) else zipfile.ZIP_STORED
            with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, array, allow_pickle=False)


def _shrinks(array: np.ndarray) -> bool:
    """Tell whether an array is to be deflated: each that is short, or that becomes half as long."""
    if array.nbytes < LONG:
        return True
    content = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    starts = np.linspace(0, len(content) - PIECE, 4).astype(int)
    pieces = [content[start : start + PIECE] for start in starts]
    return 2 * sum(len(zlib.compress(each, 1)) for each in pieces) < PIECE * len(pieces)


def _check_size(what: str, size: int, path: Path, limit: int) -> None:
    limit = min(limit, os.path.getsize(path) * DEFLATE_MAX_RATIO)
    if size > limit:
        got, allowed = f"{what}, {size} bytes", f"at most {limit} bytes for this file"
        raise DataError(explain(str(path), got, allowed, "write it again, smaller"))


def digest(arrays: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 (hex) over names, types, shapes and bytes of arrays."""
    sha256 = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        sha256.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        sha256.update(np.ascontiguousarray(array))
    return sha256.hexdigest()

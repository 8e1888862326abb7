"""Arrays from the files that labelled image sets come in, checked before they are trusted.

Headers are checked against the size of the file before anything is allocated, and every file
must end where its header says.
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import zipfile
import zlib
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .errors import DataError, explain

#: Largest array read from a file, in bytes, uncompressed.
MAX_BYTES = 4 * 2**30

#: No deflate stream expands by more than this; a header that announces more is damaged.
DEFLATE_MAX_RATIO = 1032

#: Names of the IDX files of a data set, by the array they hold.
IDX_FILES = {
    "images": "train-images-idx3-ubyte",
    "labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}
IDX_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: str | Path) -> np.ndarray:
    """Read one IDX file, plain or gzipped (told apart by content, not by name).

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    numpy.ndarray
        The array it holds, in the machine's byte order.

    Raises
    ------
    DataError
        If the file cannot be read, is not IDX, is too large, truncated or damaged.
    """
    try:
        with open(path, "rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            limit = os.fstat(raw.fileno()).st_size * (DEFLATE_MAX_RATIO if packed else 1)
            with gzip.GzipFile(fileobj=raw) if packed else nullcontext(raw) as stream:
                return _parse_idx(stream, path, min(limit, MAX_BYTES))
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, error) from error


def _parse_idx(stream: BinaryIO, path: str | Path, limit: int) -> np.ndarray:
    """Read the header, check the size it announces against `limit`, then read the rest."""
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in IDX_DTYPES:
        raise data_error(path, f"first bytes '{magic.hex()}'", "an IDX file", "download it again")
    dtype, n_dims = np.dtype(IDX_DTYPES[magic[2]]), magic[3]
    header = stream.read(4 * n_dims)
    if not 1 <= n_dims <= 4 or len(header) < 4 * n_dims:
        raise _damaged(path, f"the header is cut off, or its {n_dims} dimensions are not 1 to 4")
    shape = struct.unpack(f">{n_dims}I", header)
    size = math.prod(shape) * dtype.itemsize
    if not 0 < size <= limit:
        got = f"shape {shape} of {dtype.itemsize}-byte values in the header"
        raise data_error(path, got, f"1 to {limit} bytes for this file", "download it again")
    data = stream.read(size)
    if len(data) < size or stream.read(1):
        raise _damaged(path, f"it does not hold exactly the {size} bytes its header announces")
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="))


def idx_files(folder: Path) -> dict[str, Path]:
    """Find the IDX files in a folder, plain before gzipped, by the array they hold."""
    files = {}
    for field, name in IDX_FILES.items():
        dotted = name.replace("-idx", ".idx")
        paths = [folder / n for n in (name, dotted, f"{name}.gz", f"{dotted}.gz")]
        if found := next(filter(os.path.isfile, paths), None):
            files[field] = found
    return files


def read_idx_folder(folder: Path) -> dict[str, np.ndarray]:
    """Read a folder of IDX files, in which both test files may be absent."""
    files = idx_files(folder)
    for field, name in IDX_FILES.items():
        if field not in files and (len(files) == 3 or not field.startswith("test_")):
            raise data_error(
                folder, f"no {name}[.gz]", "IDX files named as in MNIST", "add the file"
            )
    return {field: read_idx(path) for field, path in files.items()}


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Read the data set's arrays from a zip of .npy files."""
    try:
        with zipfile.ZipFile(path) as archive:
            stored = {name.removesuffix(".npy") for name in archive.namelist()}
            if not {"images", "labels"} <= stored:
                got, allowed = f"arrays {sorted(stored)}", "'images' and 'labels'"
                raise data_error(path, got, allowed, "numpy.savez(path, images=..., labels=...)")
            return {f: _read_npy(archive, f"{f}.npy", path) for f in IDX_FILES if f in stored}
    except DataError:
        raise
    except Exception as error:  # zip, zlib and header parsing fail in too many ways to list
        raise _damaged(path, error) from error


def _read_npy(archive: zipfile.ZipFile, member: str, path: Path) -> np.ndarray:
    """Read one array from a zip after checking the type and size in its header."""
    npy, info = np.lib.format, archive.getinfo(member)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        got = f"{member} in compression type {info.compress_type}"
        raise data_error(path, got, "stored or deflated", "write it with numpy.savez_compressed")
    with archive.open(info) as stream:
        major, _ = npy.read_magic(stream)
        readers = {1: npy.read_array_header_1_0, 2: npy.read_array_header_2_0}
        shape, _, dtype = readers[major](stream)
    if dtype.kind not in "biuf":
        raise data_error(path, f"{member} of type {dtype}", "numbers", "save no objects or strings")
    size = math.prod(shape) * dtype.itemsize
    limit = min(MAX_BYTES, info.file_size, path.stat().st_size * DEFLATE_MAX_RATIO)
    if size > limit:
        got = f"{member} of shape {shape}, {size} bytes"
        raise data_error(
            path, got, f"at most {limit} bytes for this file", "write it again, smaller"
        )
    with archive.open(info) as stream:
        array = npy.read_array(stream, allow_pickle=False)
        if stream.read(1):  # reading to the end also verifies the checksum
            raise _damaged(path, f"{member} is longer than its header announces")
    return array


def data_error(what: object, got: object, allowed: object, fix: str = "") -> DataError:
    """Compose a `DataError`: what, what was got, what is allowed, the fix."""
    return DataError(explain(str(what), got, allowed, fix))


def _damaged(path: str | Path, reason: object) -> DataError:
    got = f"a damaged or unreadable file ({reason})"
    return data_error(path, got, "a complete file", "download or write it again")

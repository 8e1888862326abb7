"""Arrays from the files of labelled image sets, which must end where their headers say.

Headers are checked against the size of the file before anything is allocated.
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from ...errors import DataError
from ...files.npz import DEFLATE_MAX_RATIO, MAX_BYTES, NUMBERS, read_npy
from .arrays import data_error

#: Largest fraction of a folder's PNG files that may be unreadable: notMNIST has a few such.
MAX_UNREADABLE = 0.01

#: Names of the IDX files of a data set, by the array they hold.
IDX_FILES = {
    "images": "train-images-idx3-ubyte",
    "labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}
#: Types of the values in IDX files, by their code.
IDX_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: str | Path) -> np.ndarray:
    """Read one IDX file, plain or gzipped (told apart by content, not by name).

    The array is in the machine's byte order. A file that cannot be read, is not IDX, too large,
    truncated or damaged raises `DataError`.
    """
    try:
        with open(path, "rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            limit = os.fstat(raw.fileno()).st_size * (DEFLATE_MAX_RATIO if packed else 1)
            stream: Any = gzip.GzipFile(fileobj=raw) if packed else nullcontext(raw)
            with stream as opened:
                return _parse_idx(opened, path, min(limit, MAX_BYTES))
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


def idx_files(folder: Path, names: Mapping[str, str] = IDX_FILES) -> dict[str, Path]:
    """Find the IDX files in a folder, plain before gzipped, by the array they hold."""
    files = {}
    for field, name in names.items():
        dotted = name.replace("-idx", ".idx")
        paths = [folder / n for n in (name, dotted, f"{name}.gz", f"{dotted}.gz")]
        if path := next(filter(os.path.isfile, paths), None):
            files[field] = path
    return files


def read_idx_folder(folder: Path, names: Mapping[str, str] = IDX_FILES) -> dict[str, Any]:
    """Read a folder of IDX files, in which both test files may be absent."""
    files = idx_files(folder, names)
    for field, name in names.items():
        if field not in files and (len(files) == 3 or not field.startswith("test_")):
            allowed = "IDX files named as in MNIST, or one folder of .png files per class"
            raise data_error(folder, f"no {name}[.gz]", allowed, "add the file")
    return {field: read_idx(path) for field, path in files.items()}


def png_classes(folder: Path) -> dict[Path, list[Path]]:
    """Return the PNG files in every folder of a folder."""
    classes = [path for path in _visible(folder) if os.path.isdir(path)]
    return {c: [path for path in _visible(c) if path.suffix.lower() == ".png"] for c in classes}


def read_png_classes(
    folder: Path, classes: Mapping[Path, list[Path]]
) -> tuple[np.ndarray, np.ndarray, list[Path]]:
    """Read the `png_classes` of a folder, as notMNIST is distributed.

    Classes are numbered, and images ordered, by name. Files that do not end in ``.png`` and
    names that start with a dot are ignored; links are followed. Files that cannot be read as
    PNG are left out with a warning, up to `MAX_UNREADABLE` of all. Returns the images (uint8), the
    labels, and what was left out; raises `DataError` if a class is empty, an image has another size
    than the others or is not grey, too many files cannot be read, or they are too large together.
    """
    for place, files in classes.items():
        if not files:
            fix = "add the images of this class, or remove the folder"
            raise data_error(place, "no .png file", "at least one", fix)
    paths = [path for files in classes.values() for path in files]
    numbers = np.repeat(np.arange(len(classes)), [len(files) for files in classes.values()])
    images = np.empty((0, 0, 0), np.uint8)
    kept: list[int] = []
    skipped: list[Path] = []
    for index, path in enumerate(paths):
        try:
            image = _read_png(path, images.shape[1:] if kept else None, len(paths))
        except DataError:
            raise
        except Exception as error:  # Pillow fails in too many ways to list
            skipped.append(path)
            if len(skipped) > MAX_UNREADABLE * len(paths):
                raise _damaged(path, error) from error
            continue
        if not kept:
            images = np.empty((len(paths), *image.shape), np.uint8)
        images[len(kept)] = image
        kept.append(index)
    if skipped:
        names = ", ".join(map(str, skipped[:3])) + (", ..." if len(skipped) > 3 else "")
        text = f"{folder}: left out {len(skipped)} of {len(paths)} files, unreadable: {names}"
        warnings.warn(text, stacklevel=2)
    return images[: len(kept)], numbers[kept], skipped


def _visible(folder: Path) -> list[Path]:
    """List a folder by name, without what is hidden: some systems add files such as ._A.png."""
    try:
        return [folder / name for name in sorted(os.listdir(folder)) if not name.startswith(".")]
    except OSError as error:
        raise _damaged(folder, error) from error


def _read_png(path: Path, shape: tuple[int, ...] | None, n_files: int) -> np.ndarray:
    """Read one grey PNG after checking its type, size and checksums."""
    if not os.path.isfile(path):  # a broken link, a folder, a pipe
        raise OSError("not a file")
    with open(path, "rb") as stream:
        with Image.open(stream, formats=["PNG"]) as image:
            size = (image.height, image.width)
            transparent = ", partly transparent" if image.has_transparency_data else ""
            if image.mode not in ("1", "L") or transparent:
                got = f"an image of mode {image.mode}{transparent}"
                fix = f"write {_to_grey(image)}.save(path)"
                raise data_error(path, got, "grey, 8 or 1 bit", fix)
            if shape is not None and size != shape:
                allowed = f"{shape} as in the images before it"
                raise data_error(path, f"height and width {size}", allowed, "resize the images")
            pixels = os.fstat(stream.fileno()).st_size * 8 * DEFLATE_MAX_RATIO  # 1 bit or more each
            limit = min(MAX_BYTES // n_files, pixels)
            if math.prod(size) > limit:
                allowed = f"at most {limit} pixels in one of {n_files} files like this"
                raise data_error(path, f"height and width {size}", allowed, "resize the images")
            image.verify()
        stream.seek(0)
        with Image.open(stream, formats=["PNG"]) as image:
            return np.asarray(image.convert("L"))


def _to_grey(image: Image.Image) -> str:
    """Say in Pillow how to turn an image into one of 8 bits that looks the same."""
    if image.mode.startswith("I"):  # 16 bits: convert() would clip, not scale
        return "Image.fromarray((numpy.asarray(image) // 257).astype('uint8'))"
    if image.has_transparency_data:  # what is hidden may have any colour
        black = "Image.new('RGBA', image.size, 'black')"
        return f"Image.alpha_composite({black}, image.convert('RGBA')).convert('L')"
    return "image.convert('L')"


def read_npz(path: Path) -> dict[str, Any]:
    """Read the data set's arrays from a zip of .npy files."""
    try:
        with zipfile.ZipFile(path) as archive:
            stored = {name.removesuffix(".npy") for name in archive.namelist()}
            if not {"images", "labels"} <= stored:
                got, allowed = f"arrays {sorted(stored)}", "'images' and 'labels'"
                raise data_error(path, got, allowed, "numpy.savez(path, images=..., labels=...)")
            fields = [field for field in IDX_FILES if field in stored]
            return {f: read_npy(archive, f"{f}.npy", path, NUMBERS, MAX_BYTES) for f in fields}
    except DataError:
        raise
    except Exception as error:  # zip, zlib and header parsing fail in too many ways to list
        raise _damaged(path, error) from error


def _damaged(path: str | Path, reason: object) -> DataError:
    got = f"a damaged or unreadable file ({reason})"
    return data_error(path, got, "a complete file", "download or write it again")

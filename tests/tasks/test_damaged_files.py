"""Files that are damaged, cut off, or of another kind."""

import gzip
import struct
import zipfile

import numpy as np
import pytest
from image_files import (
    IDX_CODES,
    IMAGES,
    LABELS,
    idx_bytes,
    make_arrays,
    nowhere,  # noqa: F401
    rng,
    write_idx,
    write_npz,
)

from brainsleep.errors import DataError
from brainsleep.tasks.images import datafiles
from brainsleep.tasks.images.datafiles import read_idx
from brainsleep.tasks.images.datasets import load_dataset


def test_bad_idx_folder(tmp_path):
    write_idx(tmp_path / "swapped", {"images": LABELS, "labels": LABELS})
    with pytest.raises(DataError, match=r"swapped .*: images: got shape \(60,\)"):
        load_dataset(tmp_path / "swapped")


def loads_or_data_error(load, path):
    """Any outcome but success or a one-line DataError is a failure."""
    try:
        load(path)
    except DataError as error:
        assert "\n" not in str(error)
        return False
    return True


@pytest.fixture(params=["npz", "npz-stored", "idx", "idx.gz"])
def stored(request, tmp_path):
    """A whole file of a kind, what it holds, and what reads it."""
    path = tmp_path / ("a.npz" if "npz" in request.param else "a.idx")
    if "npz" in request.param:
        (np.savez if "stored" in request.param else np.savez_compressed)(path, **make_arrays())
        return path, path.read_bytes(), load_dataset
    data = idx_bytes(IMAGES)
    path.write_bytes(gzip.compress(data) if request.param == "idx.gz" else data)
    return path, path.read_bytes(), read_idx


def test_truncated_anywhere(stored):
    path, data, load = stored
    assert loads_or_data_error(load, path)
    ends = {*range(24), len(data) - 1, *rng().integers(0, len(data), 150).tolist()}
    for end in ends:
        path.write_bytes(data[:end])
        assert not loads_or_data_error(load, path), f"accepted when cut at byte {end}"


def test_flipped_bits_anywhere(stored):
    path, data, load = stored
    positions = [*range(min(200, len(data))), *rng(1).integers(0, len(data), 200).tolist()]
    for position in positions:
        damaged = bytearray(data)
        damaged[position] ^= 1 << (position % 8)
        path.write_bytes(damaged)
        loads_or_data_error(load, path)  # never anything but a DataError


def test_data_after_the_end(tmp_path):
    data = idx_bytes(IMAGES)
    for name, content in {
        "a": data + b"\0",
        "b": gzip.compress(data + b"\0"),
        "c": gzip.compress(data) + b"garbage",
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match="damaged or unreadable"):
            read_idx(tmp_path / name)


def test_checksum_of_gz_and_npz(tmp_path):
    path = tmp_path / "a"
    packed = bytearray(gzip.compress(idx_bytes(IMAGES)))
    packed[-8] ^= 1
    path.write_bytes(packed)
    with pytest.raises(DataError, match="CRC"):
        read_idx(path)
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=LABELS)
    stored = bytearray((tmp_path / "a.npz").read_bytes())
    stored[stored.index(IMAGES.tobytes()) + 7] ^= 1
    (tmp_path / "a.npz").write_bytes(stored)
    with pytest.raises(DataError, match="CRC"):
        load_dataset(tmp_path / "a.npz")


def test_not_a_zip(tmp_path):
    np.save(tmp_path / "a.npy", IMAGES)
    (tmp_path / "a.npy").rename(tmp_path / "a.npz")
    with pytest.raises(DataError, match="not a zip file"):
        load_dataset(tmp_path / "a.npz")


def test_zip_of_something_else(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("images.npy", b"not an array")
        archive.writestr("labels.npy", b"")
    with pytest.raises(DataError, match="damaged or unreadable"):
        load_dataset(tmp_path / "a.npz")


def npy_header(shape, descr="|u1"):
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


@pytest.mark.parametrize(
    "shape", ["(10000000, 1000, 1000)", "(5000, 28, 28)", f"({10**30}, 1, 1)", "(-1, -1, 1)"]
)
def test_npz_size_is_checked_before_allocation(tmp_path, shape):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", npy_header(shape) + bytes(100))
        archive.writestr("labels.npy", npy_header("(5000,)") + bytes(5000))
    with pytest.raises(DataError, match=r"bytes for this file|damaged"):
        load_dataset(tmp_path / "a.npz")


def test_npz_longer_than_its_header(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("images.npy", npy_header("(5, 2, 2)") + bytes(21))
        archive.writestr("labels.npy", npy_header("(5,)") + bytes(5))
    with pytest.raises(DataError, match=r"images\.npy is longer than its header"):
        load_dataset(tmp_path / "a.npz")


def test_npz_compression(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("images.npy", npy_header("(5, 2, 2)") + bytes(20))
        archive.writestr("labels.npy", npy_header("(5,)") + bytes(5))
    with pytest.raises(DataError, match="compression type 12; expected stored or deflated"):
        load_dataset(tmp_path / "a.npz")


def test_size_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(datafiles, "MAX_BYTES", IMAGES.nbytes - 1)
    (tmp_path / "a").write_bytes(idx_bytes(IMAGES))
    write_npz(tmp_path / "a.npz", images=IMAGES, labels=LABELS)
    with pytest.raises(DataError, match="1 to 2159 bytes"):
        read_idx(tmp_path / "a")
    with pytest.raises(DataError, match="at most 2159 bytes"):
        load_dataset(tmp_path / "a.npz")


@pytest.mark.parametrize("code", list(IDX_CODES))
@pytest.mark.parametrize("shape", [(5,), (3, 2), (2, 3, 4), (2, 1, 3, 2)])
def test_idx_types(tmp_path, code, shape):
    array = rng().integers(0, 100, shape).astype(IDX_CODES[code])
    for data in (idx_bytes(array), gzip.compress(idx_bytes(array))):
        (tmp_path / "a").write_bytes(data)
        got = read_idx(tmp_path / "a")
        assert got.dtype.isnative
        assert got.dtype.kind == array.dtype.kind
        np.testing.assert_array_equal(got, array)


def test_compressible_idx_is_not_taken_for_a_bomb(tmp_path):
    zeros = np.zeros((4000, 28, 28), np.uint8)
    (tmp_path / "a").write_bytes(gzip.compress(idx_bytes(zeros), 9))
    write_npz(tmp_path / "a.npz", images=zeros, labels=np.zeros(4000, int))
    assert read_idx(tmp_path / "a").shape == zeros.shape
    assert load_dataset(tmp_path / "a.npz").n_classes == 1


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"", "first bytes ''; expected an IDX file"),
        (b"\0\0\x08", "first bytes '000008'"),
        (b"\x01\0\x08\x01\0\0\0\0", "first bytes '01000801'"),
        (b"\0\0\x0a\x01\0\0\0\x01\0", "expected an IDX file"),
        (b"\0\0\x08\0\0", "0 dimensions"),
        (b"\0\0\x08\x05" + bytes(20), "5 dimensions"),
        (b"\0\0\x08\x03\0\0\0\x01", "cut off"),
        (b"\0\0\x08\x01\0\0\0\0", r"shape \(0,\) of 1-byte values"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "4294967295.*1 to 16 bytes for this file"),
        (b"\0\0\x0e\x04" + bytes(4) + b"\xff" * 12, "of 8-byte values"),
        (b"<html>404</html>", "'3c68746d'"),
    ],
)
def test_bad_idx_header(tmp_path, header, message):
    (tmp_path / "a").write_bytes(header)
    with pytest.raises(DataError, match=message):
        read_idx(tmp_path / "a")
    (tmp_path / "a").write_bytes(gzip.compress(header))
    with pytest.raises(DataError):
        read_idx(tmp_path / "a")


def test_idx_that_cannot_be_opened(tmp_path):
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(DataError, match="unreadable"):
            read_idx(path)

"""Small labelled images as arrays and as files, for the tests of data sets."""

import gzip
import struct

import numpy as np
import pytest

from brainsleep.tasks.images import public as known
from brainsleep.tasks.images.datafiles import IDX_DTYPES, IDX_FILES

IDX_CODES = {code: np.dtype(name) for code, name in IDX_DTYPES.items()}


def rng(seed=0):
    return np.random.default_rng(seed)


def make_arrays(n=60, n_test=20, side=6, seed=0):
    """Images that are all different, with five classes."""
    r = rng(seed)
    arrays = {}
    for part, number in (("", n), ("test_", n_test)):
        arrays[f"{part}images"] = r.integers(0, 256, (number, side, side), dtype=np.uint8)
        arrays[f"{part}labels"] = np.arange(number) % 5
    return arrays


def idx_bytes(array):
    code = next(code for code, dtype in IDX_CODES.items() if dtype == array.dtype)
    header = struct.pack(f">2xBB{array.ndim}I", code, array.ndim, *array.shape)
    return header + array.tobytes()


def write_idx(folder, arrays, packed=False, dotted=False, names=IDX_FILES):
    folder.mkdir(parents=True, exist_ok=True)
    for field, array in arrays.items():
        name = names[field].replace("-idx", ".idx") if dotted else names[field]
        data = idx_bytes(np.asarray(array).astype(np.uint8))
        path = folder / (f"{name}.gz" if packed else name)
        path.write_bytes(gzip.compress(data) if packed else data)
    return folder


def write_npz(path, **arrays):
    np.savez_compressed(path, **arrays)
    return path


def assert_holds(dataset, arrays):
    for field in IDX_FILES:
        if field in arrays:
            np.testing.assert_array_equal(getattr(dataset, field), arrays[field])
        else:
            assert getattr(dataset, field) is None


def search_within(tmp_path, monkeypatch):
    """Keep the search for data sets inside tmp_path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv(known.DATA_VARIABLE, raising=False)
    monkeypatch.setattr(known, "DEBIAN_FASHION", tmp_path / "debian")


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """Keep the search for data sets inside tmp_path, and torchvision out of it."""
    search_within(tmp_path, monkeypatch)
    monkeypatch.setattr(known, "find_spec", lambda name: None)


IMAGES, LABELS = make_arrays()["images"], make_arrays()["labels"]
SIX = np.arange(6 * 16, dtype=np.uint8).reshape(6, 4, 4)

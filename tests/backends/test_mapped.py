"""Files in which arrays are handed over."""

import errno
import os

import numpy as np
import pytest

from brainsleep.backends.cpp import mapped
from brainsleep.backends.cpp.process import Process
from brainsleep.errors import SimulationError


@pytest.mark.parametrize("n_threads", [1, 3])
def test_arrays_lie_one_after_the_other(tmp_path, n_threads):
    """Small ones, none, and one that each thread copies a part of; over what was there before."""
    rng = np.random.default_rng(1)
    first = [rng.integers(256, size=n, dtype=np.uint8) for n in (3, 0, 7_000_001, 5)]
    for parts in (first, first[:2]):
        with open(tmp_path / "file", "r+b" if parts is not first else "w+b") as file:
            mapped.write(file, parts, n_threads)
    with open(tmp_path / "file", "rb") as file:
        content = mapped.content(file)
    assert np.array_equal(content, np.concatenate(first))
    back = np.empty_like(content)
    mapped.copy(content, back, n_threads)
    assert np.array_equal(back, content)
    with pytest.raises(ValueError, match="read-only"):
        content[0] = 1


def test_an_empty_file_has_no_bytes(tmp_path):
    (tmp_path / "file").touch()
    with open(tmp_path / "file", "rb") as file:
        assert mapped.content(file).size == 0


def test_no_room_is_said(tmp_path, monkeypatch):
    """Before anything is written: pages for which there is no room would end the process."""

    def no_room(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", no_room, raising=False)
    process = object.__new__(Process)
    process.backend, process.directory, process._folder = "cpp", tmp_path, str(tmp_path)
    with pytest.raises(SimulationError, match=r"No space left.*free some space"), process._files():
        process._write("segment.bin", [np.zeros(300_000)])

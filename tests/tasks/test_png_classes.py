"""Folders with one folder of PNG files per class."""

import os
import re
import struct
import zlib

import numpy as np
import pytest
from image_files import (
    SIX,
    make_arrays,
    nowhere,  # noqa: F401
)
from PIL import Image

from brainsleep.errors import DataError
from brainsleep.tasks.images import datafiles
from brainsleep.tasks.images.datasets import load_dataset


def write_png_classes(folder, images, names="ABJ"):
    """Spread images over classes; gives what loading them should give."""
    for number, image in enumerate(images):
        place = folder / names[number % len(names)]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{number:04}.png")
    order = np.argsort(np.arange(len(images)) % len(names), kind="stable")
    return images[order], np.arange(len(images))[order] % len(names)


def test_png_classes(tmp_path):
    folder = tmp_path / "notMNIST_small"
    images, labels = write_png_classes(folder, make_arrays()["images"])
    for name in ("A/Thumbs.db", "A/.hidden.png", "A/._0000.png", "readme.txt", "0.png"):
        (folder / name).write_bytes(b"of no concern")
    (folder / ".git").mkdir()
    (folder / "A" / "0000.png").rename(folder / "A" / "0000.PNG")
    (folder / "J").rename(tmp_path / "elsewhere")
    (folder / "J").symlink_to(tmp_path / "elsewhere")
    (folder / "B" / "0001.png").rename(tmp_path / "one.png")
    (folder / "B" / "0001.png").symlink_to(tmp_path / "one.png")
    dataset = load_dataset(folder)
    np.testing.assert_array_equal(dataset.images, images)
    np.testing.assert_array_equal(dataset.labels, labels)
    assert (dataset.name, dataset.source) == ("notMNIST_small", str(folder))
    assert not dataset.official_split


def test_png_classes_in_black_and_white(tmp_path):
    images = np.where(make_arrays()["images"] > 127, 255, 0).astype(np.uint8)
    expected, _ = write_png_classes(tmp_path, images)
    for path in (tmp_path / "A").iterdir():
        Image.open(path).convert("1").save(path)
    np.testing.assert_array_equal(load_dataset(tmp_path).images, expected)


def break_png(path, how):
    data = path.read_bytes()
    path.unlink()
    if how == "folder":
        path.mkdir()
    elif how == "broken link":
        path.symlink_to(path.parent / "nowhere")
    elif how == "pipe":
        os.mkfifo(path)
    elif how == "jpeg":
        Image.fromarray(make_arrays()["images"][0]).save(path, format="jpeg")
    elif how == "flipped bit":
        damaged = bytearray(data)
        damaged[data.index(b"IDAT") + 8] ^= 16
        path.write_bytes(damaged)
    else:
        path.write_bytes({"empty": b"", "cut": data[:-20], "text": b"<html>404</html>"}[how])


@pytest.mark.parametrize(
    "how", ["empty", "cut", "text", "flipped bit", "jpeg", "folder", "broken link", "pipe"]
)
def test_unreadable_png_is_left_out_if_rare(tmp_path, how):
    images, labels = write_png_classes(tmp_path, make_arrays(n=120)["images"])
    break_png(tmp_path / "A" / "0000.png", how)  # the very first
    with pytest.warns(UserWarning, match=r"left out 1 of 120 files.*0000\.png"):
        dataset = load_dataset(tmp_path)
    np.testing.assert_array_equal(dataset.images, images[1:])
    np.testing.assert_array_equal(dataset.labels, labels[1:])
    assert dataset.source == f"{tmp_path} (unreadable files left out: 1)"
    break_png(tmp_path / "B" / "0001.png", how)
    with pytest.raises(DataError, match=r"0001\.png: got a damaged or unreadable file"):
        load_dataset(tmp_path)


def test_png_of_another_size(tmp_path):
    write_png_classes(tmp_path, make_arrays()["images"])
    Image.fromarray(np.zeros((6, 7), np.uint8)).save(tmp_path / "B" / "0004.png")
    message = r"0004\.png: got height and width \(6, 7\); expected \(6, 6\) as in"
    with pytest.raises(DataError, match=message):
        load_dataset(tmp_path)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P", "I;16"])
def test_png_that_is_not_grey(tmp_path, mode):
    """What is printed as the fix, carried out, gives the grey values that one sees."""
    images, _ = write_png_classes(tmp_path, make_arrays()["images"])
    path = tmp_path / "A" / "0000.png"
    seen, shown = images[0], Image.fromarray(images[0])
    image = shown.convert(mode) if mode != "I;16" else Image.fromarray(seen.astype("u2") * 257)
    if "A" in mode:
        image.putalpha(Image.fromarray(np.where(seen > 99, 255, 0).astype(np.uint8)))
        seen = np.where(seen > 99, seen, 0)
    image.save(path)
    with pytest.raises(DataError, match=rf"0000\.png: got an image of mode {mode}") as error:
        load_dataset(tmp_path)
    (fix,) = re.findall("; write (.*)$", str(error.value))
    exec(fix, {"Image": Image, "numpy": np, "image": Image.open(path), "path": path})
    np.testing.assert_array_equal(load_dataset(tmp_path).images[0], seen)


def test_class_without_png(tmp_path):
    write_png_classes(tmp_path, make_arrays()["images"])
    (tmp_path / "C").mkdir()
    (tmp_path / "C" / "1.jpg").touch()
    with pytest.raises(DataError, match=r"C: got no \.png file; expected at least one"):
        load_dataset(tmp_path)


def test_folder_of_folders_without_png(tmp_path):
    (tmp_path / "A").mkdir()
    with pytest.raises(DataError, match=r"got no train.*or one folder of \.png files per class"):
        load_dataset(tmp_path)


def test_png_size_is_checked_before_allocation(tmp_path, monkeypatch):
    write_png_classes(tmp_path, make_arrays()["images"])
    monkeypatch.setattr(datafiles, "MAX_BYTES", 60 * 36 - 1)
    with pytest.raises(DataError, match="at most 35 pixels in one of 60 files"):
        load_dataset(tmp_path)
    monkeypatch.undo()

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 9000, 9000, 8, 0, 0, 0, 0)
    (tmp_path / "A" / "0000.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    )
    with pytest.raises(DataError, match=r"0000\.png: got height and width \(9000, 9000\)"):
        load_dataset(tmp_path)


def test_grey_png_files_with_a_transparent_grey_are_refused(tmp_path):
    (tmp_path / "a").mkdir()
    Image.fromarray(SIX[0]).save(tmp_path / "a" / "0.png", transparency=3)
    with pytest.raises(DataError, match=r"mode L, partly transparent.*alpha_composite"):
        load_dataset(tmp_path)

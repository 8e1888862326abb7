import gzip
import importlib.machinery
import os
import re
import struct
import sys
import types
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY
from PIL import Image

from brainsleep import datafiles, known
from brainsleep.datafiles import IDX_DTYPES, IDX_FILES, read_idx
from brainsleep.datasets import Dataset, load_dataset, split
from brainsleep.errors import DataError
from brainsleep.known import DEBIAN_FASHION, KNOWN_SETS
from brainsleep.simulate import simulate

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


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """Keep the search for data sets inside tmp_path, and torchvision out of it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv(known.DATA_VARIABLE, raising=False)
    monkeypatch.setattr(known, "DEBIAN_FASHION", tmp_path / "debian")
    monkeypatch.setattr(known, "find_spec", lambda name: None)


# --- sources -----------------------------------------------------------------------------------


def test_digits():
    digits = load_dataset("digits")
    assert digits.images.shape == (1797, 8, 8)
    assert digits.images.dtype == np.uint8
    assert digits.labels.dtype == np.int64
    assert (digits.images.min(), digits.images.max()) == (0, 255)
    # 17 grey levels, evenly spread over 0..255
    np.testing.assert_array_equal(
        np.unique(digits.images), np.rint(np.arange(17) * 255 / 16).astype(int)
    )
    assert digits.n_classes == 10
    assert not digits.official_split
    assert digits.source == "scikit-learn"
    assert digits.licence
    assert digits.citation


@pytest.mark.parametrize("fields", [("images", "labels"), tuple(IDX_FILES)])
def test_npz_round_trip(tmp_path, fields):
    arrays = {field: make_arrays()[field] for field in fields}
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "small.npz", **arrays, unrelated=np.array([{}], dtype=object))
        dataset = load_dataset(tmp_path / "small.npz")
        assert_holds(dataset, arrays)
        assert dataset.name == "small"
        assert dataset.source == str(tmp_path / "small.npz")
        assert dataset.official_split == (len(fields) == 4)


def test_npz_converts_pixels(tmp_path):
    arrays = make_arrays()
    images, labels = arrays["images"], arrays["labels"]
    for same in (
        images / 255,
        (images / 255).astype(np.float32),
        images.astype(np.int64),
        images.reshape(60, 36),
        np.asfortranarray(images),
        images.astype(">u2"),
    ):
        path = write_npz(tmp_path / "a.npz", images=same, labels=labels.astype(np.uint16))
        np.testing.assert_array_equal(load_dataset(path).images, images)
    binary = Dataset("binary", images > 127, labels)
    np.testing.assert_array_equal(np.unique(binary.images), [0, 255])


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dotted", [False, True])
@pytest.mark.parametrize(
    ("name", "folder"),
    [(name, f"{one.kind}/raw") for name, one in KNOWN_SETS.items() if one.adapt is None],
)
def test_torchvision_layout(tmp_path, name, folder, packed, dotted):
    arrays = make_arrays()
    write_idx(tmp_path / "somewhere" / folder, arrays, packed, dotted)
    dataset = load_dataset(name, root=tmp_path / "somewhere")
    assert_holds(dataset, arrays)
    assert dataset.name == name
    assert dataset.source == str(tmp_path / "somewhere" / folder)
    assert dataset.licence
    assert dataset.citation
    by_path = load_dataset(tmp_path / "somewhere" / folder)
    assert by_path.name == folder.split("/")[0]
    assert by_path.fingerprint == dataset.fingerprint


@pytest.mark.parametrize(
    "spelling", ["fashion", "fashion_mnist", "FashionMNIST", "Fashion-MNIST", "fashion-mnist"]
)
def test_spellings(tmp_path, spelling):
    write_idx(tmp_path / "fashion-mnist", make_arrays())
    assert load_dataset(spelling, root=tmp_path).name == "fashion-mnist"


def test_search_order(tmp_path, monkeypatch):
    """Each place found first hides those after it."""
    monkeypatch.setenv(known.DATA_VARIABLE, str(tmp_path / "env"))
    places = [
        "debian",
        "home/.cache/brainsleep/data/fashion-mnist",
        "home/.cache/brainsleep/data/FashionMNIST/raw",
        "data/fashion-mnist",
        "data/FashionMNIST/raw",
        "env",
        "env/fashion-mnist",
        "env/FashionMNIST/raw",
        "root",
        "root/fashion-mnist",
        "root/FashionMNIST/raw",
    ]
    for seed, place in enumerate(places):
        arrays = make_arrays(seed=seed)
        write_idx(tmp_path / place, arrays)
        assert_holds(load_dataset("fashion", root=tmp_path / "root"), arrays)


def test_folder_of_another_data_set_is_not_taken(tmp_path, monkeypatch):
    write_idx(tmp_path / "fashion-mnist", make_arrays())
    monkeypatch.setenv(known.DATA_VARIABLE, str(tmp_path / "fashion-mnist"))
    assert load_dataset("fashion-mnist").name == "fashion-mnist"
    with pytest.raises(DataError, match="data set 'mnist'"):
        load_dataset("mnist")


@pytest.mark.skipif(
    not DEBIAN_FASHION.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed"
)
def test_debian_fashion_mnist(monkeypatch):
    monkeypatch.setattr(known, "DEBIAN_FASHION", DEBIAN_FASHION)
    fashion = load_dataset("fashion-mnist")
    assert fashion.images.shape == (60000, 28, 28)
    assert fashion.test_images.shape == (10000, 28, 28)
    assert fashion.source == str(DEBIAN_FASHION)
    np.testing.assert_array_equal(np.bincount(fashion.labels), [6000] * 10)
    np.testing.assert_array_equal(np.bincount(fashion.test_labels), [1000] * 10)
    assert fashion.labels[:5].tolist() == [9, 0, 0, 3, 0]
    assert fashion.images.mean() == pytest.approx(72.94, abs=0.01)


def fake_torchvision(monkeypatch, download):
    module = types.ModuleType("torchvision")
    module.datasets = types.SimpleNamespace(**{one.kind: download for one in KNOWN_SETS.values()})
    monkeypatch.setitem(sys.modules, "torchvision", module)
    monkeypatch.delitem(sys.modules, "torchvision.datasets", raising=False)
    spec = importlib.machinery.ModuleSpec("torchvision", None)
    monkeypatch.setattr(known, "find_spec", lambda name: spec)


def test_download(tmp_path, monkeypatch):
    arrays, calls = make_arrays(), []

    def download(root, download):
        calls.append(root)
        write_idx(Path(root) / "KMNIST" / "raw", arrays)

    fake_torchvision(monkeypatch, download)
    for _ in range(2):  # the second time it is found
        assert_holds(load_dataset("kmnist"), arrays)
    assert len(calls) == 1
    cache = tmp_path / "home/.cache/brainsleep/data"
    assert [path.name for path in cache.iterdir()] == ["KMNIST"]


def test_failed_download_leaves_nothing(tmp_path, monkeypatch):
    def download(root, download):
        write_idx(Path(root) / "MNIST" / "raw", {"images": make_arrays()["images"]})
        raise RuntimeError("Error downloading train-labels-idx1-ubyte.gz")

    fake_torchvision(monkeypatch, download)
    with pytest.raises(DataError, match=r"failed download \(RuntimeError: Error down.*or put tr"):
        load_dataset("mnist")
    assert list((tmp_path / "home/.cache/brainsleep/data").iterdir()) == []


def test_download_fills_up_an_incomplete_folder(tmp_path, monkeypatch):
    arrays, cache = make_arrays(), tmp_path / "home/.cache/brainsleep/data"
    write_idx(cache / "MNIST/raw", {"images": make_arrays(seed=1)["images"]})
    fake_torchvision(
        monkeypatch, lambda root, download: write_idx(Path(root) / "MNIST/raw", arrays)
    )
    assert_holds(load_dataset("mnist"), arrays)


def test_download_that_brings_too_little(tmp_path, monkeypatch):
    few = {field: make_arrays()[field] for field in ("images", "labels")}
    fake_torchvision(monkeypatch, lambda root, download: write_idx(Path(root) / "MNIST/raw", few))
    with pytest.raises(DataError, match="only 2 files from torchvision; expected four"):
        load_dataset("mnist")
    assert list((tmp_path / "home/.cache/brainsleep/data").iterdir()) == []


def test_broken_torchvision(monkeypatch):
    fake_torchvision(monkeypatch, None)
    del sys.modules["torchvision"].datasets
    with pytest.raises(DataError, match=r"cannot be used \(ImportError.*reinstall.*or put tra"):
        load_dataset("mnist")


# --- EMNIST's letters ----------------------------------------------------------------------------


def make_letters():
    """Letters 1..26 in two cases, every image different and not symmetric."""
    arrays = make_arrays(n=104, n_test=52)
    for part, number in (("", 104), ("test_", 52)):
        arrays[f"{part}labels"] = np.arange(number) % 26 + 1
    return arrays


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("place", ["EMNIST/raw", "EMNIST/raw/gzip", "gzip", "."])
def test_emnist_letters(tmp_path, packed, place):
    arrays = make_letters()
    names = KNOWN_SETS["emnist-letters-aj"].files
    assert names["test_images"] == "emnist-letters-test-images-idx3-ubyte"
    write_idx(tmp_path / "base" / place, arrays, packed, names=names)
    dataset = load_dataset("EMNIST_letters_AJ", root=tmp_path / "base")
    assert dataset.name == "emnist-letters-aj"
    assert dataset.n_classes == 10
    for part in ("", "test_"):
        labels = arrays[f"{part}labels"]
        np.testing.assert_array_equal(
            getattr(dataset, f"{part}labels"), [label - 1 for label in labels if label <= 10]
        )
        upright = [image.T for image in arrays[f"{part}images"][labels <= 10]]
        np.testing.assert_array_equal(getattr(dataset, f"{part}images"), upright)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": np.arange(104) % 26}, "labels from 0 to 25; expected letters 1 to 26"),
        ({"test_labels": np.arange(52) % 47 + 1}, "test_labels from 1 to 47"),
        ({"labels": np.arange(103) % 26 + 1}, r"images of shape \(104, 6, 6\), labels of sh.*103"),
        ({"images": np.arange(104)}, r"images of shape \(104,\)"),
        ({"labels": np.full(104, 11)}, r"images: got shape \(0, 6, 6\)"),
    ],
)
def test_bad_emnist_letters(tmp_path, changes, message):
    names = KNOWN_SETS["emnist-letters-aj"].files
    write_idx(tmp_path / "EMNIST/raw", {**make_letters(), **changes}, names=names)
    with pytest.raises(DataError, match=message):
        load_dataset("emnist-letters-aj", root=tmp_path)


# --- folders of PNG files ------------------------------------------------------------------------


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


# --- sources that are not there ----------------------------------------------------------------


def test_missing_known_set_says_where_and_how():
    with pytest.raises(DataError) as error:
        load_dataset("mnist", root="here")
    text = str(error.value)
    assert "\n" not in text
    for part in ("here/MNIST/raw", "data/MNIST/raw", ".cache/brainsleep/data/MNIST/raw"):
        assert part in text
    assert "pip install 'brainsleep[vision]'" in text
    assert "t10k-labels-idx1-ubyte" in text
    assert "Debian" not in text
    with pytest.raises(DataError, match="dataset-fashion-mnist"):
        load_dataset("fashion")


@pytest.mark.parametrize("source", ["minst", "no/such/file.npz", "", "\0", "x" * 5000])
def test_unknown_source(source, tmp_path):
    with pytest.raises(DataError):
        load_dataset(source)


def test_unknown_source_suggests():
    with pytest.raises(DataError, match=r"'minst', which does not exist.*did you mean 'mnist'"):
        load_dataset("minst")


def test_file_of_another_kind(tmp_path):
    (tmp_path / "images.csv").write_text("1,2,3")
    with pytest.raises(DataError, match=r"images\.csv'; expected an \.npz file, a folder"):
        load_dataset(tmp_path / "images.csv")


@pytest.mark.parametrize("missing", list(IDX_FILES))
def test_incomplete_folder(tmp_path, missing):
    write_idx(tmp_path / "part", make_arrays())
    (tmp_path / "part" / IDX_FILES[missing]).unlink()
    with pytest.raises(DataError, match=f"got no {IDX_FILES[missing]}"):
        load_dataset(tmp_path / "part")


def test_folder_without_test_files(tmp_path):
    arrays = {field: make_arrays()[field] for field in ("images", "labels")}
    assert_holds(load_dataset(write_idx(tmp_path / "part", arrays)), arrays)


def test_empty_folder(tmp_path):
    with pytest.raises(DataError, match="got no train-images-idx3-ubyte"):
        load_dataset(tmp_path)


# --- arrays that do not fit --------------------------------------------------------------------

IMAGES, LABELS = make_arrays()["images"], make_arrays()["labels"]
BAD_ARRAYS = {
    "no labels": ({"images": IMAGES}, r"got arrays \['images'\]; expected 'images' and 'labels'"),
    "no images": ({"labels": LABELS}, r"got arrays \['labels'\]"),
    "object images": (
        {"images": np.array([{}] * 60, dtype=object), "labels": LABELS},
        r"images\.npy of type object; expected numbers",
    ),
    "text labels": (
        {"images": IMAGES, "labels": LABELS.astype(str)},
        r"labels\.npy of type <U.*expected numbers; save num.*numpy\.unique",
    ),
    "complex images": ({"images": IMAGES + 1j, "labels": LABELS}, "of type complex"),
    "4-D images": ({"images": IMAGES[..., None], "labels": LABELS}, r"shape \(60, 6, 6, 1\)"),
    "1-D images": ({"images": IMAGES[0, 0], "labels": LABELS}, r"shape \(6,\)"),
    "flat, not square": ({"images": IMAGES.reshape(60, -1)[:, 1:], "labels": LABELS}, r"\(60, 35"),
    "2-D labels": ({"images": IMAGES, "labels": LABELS[:, None]}, r"labels: got shape \(60, 1\)"),
    "negative labels": ({"images": IMAGES, "labels": LABELS - 1}, "from -1 to 3; expected class"),
    "float labels": (
        {"images": IMAGES, "labels": LABELS + 0.5},
        "with fractions, such as 0.5; exp",
    ),
    "huge labels": (
        {"images": IMAGES, "labels": np.full(60, 2**64 - 1, np.uint64)},
        "from 18446744073709551615",
    ),
    "NaN": (
        {"images": np.full((60, 6, 6), np.nan), "labels": LABELS},
        "2160 of 2160 values that are NaN",
    ),
    "infinite": (
        {"images": np.full((60, 6, 6), np.inf), "labels": LABELS},
        "NaN or inf.*finite values",
    ),
    "bright floats": (
        {"images": IMAGES.astype(float), "labels": LABELS},
        "expected 0 to 1 in images of fl",
    ),
    "negative": ({"images": IMAGES.astype(int) - 1, "labels": LABELS}, "from -1 to.*0 to 255"),
    "too bright": ({"images": IMAGES.astype(int) + 1, "labels": LABELS}, "to 256; expected"),
    "no samples": ({"images": IMAGES[:0], "labels": LABELS[:0]}, r"shape \(0, 6, 6\).*not empty"),
    "no flat samples": ({"images": IMAGES[:0, 0, :4], "labels": LABELS[:0]}, "not empty"),
    "no pixels": ({"images": IMAGES[:, :0], "labels": LABELS}, r"shape \(60, 0, 6\).*not empty"),
    "no flat pixels": ({"images": IMAGES[:, 0, :0], "labels": LABELS}, r"shape \(60, 0\)"),
    "no labels in it": ({"images": IMAGES, "labels": LABELS[:0]}, r"labels: got shape \(0,\)"),
    "lengths": ({"images": IMAGES, "labels": LABELS[1:]}, "60 images and 59 labels; expected one"),
    "half a test set": (
        {"images": IMAGES, "labels": LABELS, "test_images": IMAGES},
        "one of test_images and test_labels; expected both or neither",
    ),
    "test lengths": (
        {"images": IMAGES, "labels": LABELS, "test_images": IMAGES, "test_labels": LABELS[1:]},
        "60 test_images and 59 test_labels",
    ),
    "test size": (
        {"images": IMAGES, "labels": LABELS, "test_images": IMAGES[:, 1:], "test_labels": LABELS},
        r"height and width \(5, 6\); expected \(6, 6\) as in images",
    ),
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_bad_npz(tmp_path, case):
    arrays, message = BAD_ARRAYS[case]
    with pytest.raises(DataError, match=message) as error:
        load_dataset(write_npz(tmp_path / "bad.npz", **arrays))
    assert "\n" not in str(error.value)


FAULTS = {  # what is wrong, and what is right about the images or labels that the fix gives
    "0 and 1": ("images", IMAGES // 128, "values from 0 to 1, nearly black", IMAGES // 128 * 255),
    "0 to 15": ("images", IMAGES // 16, "values from 0 to 15, nearly black", IMAGES // 16 * 17),
    "0 to 16": (
        "images",
        IMAGES // 16 + 1,
        "nearly black",
        np.rint((IMAGES // 16 + 1.0) * 255 / 16),
    ),
    "divided twice": ("images", IMAGES / 255 / 255, "nearly black", IMAGES),
    "floats to 255": ("images", IMAGES.astype(float), "values from 0.0 to 255.0", IMAGES),
    "16 bits": ("images", IMAGES.astype(np.uint16) * 257, "values from 0 to 65535", IMAGES),
    "-1 to 1": ("images", IMAGES / 127.5 - 1, "values from -1.0 to 1.0", IMAGES),
    "signed": ("images", (IMAGES - 128.0).astype(np.int8), "values from -128 to 127", IMAGES),
    "RGB": ("images", np.stack([IMAGES] * 3, -1), r"colour images, shape \(60, 6, 6, 3\)", IMAGES),
    "RGB first": ("images", np.stack([IMAGES / 255] * 3, 1), "colour images", IMAGES),
    "RGBA": (
        "images",
        np.stack([IMAGES, IMAGES, IMAGES, np.full_like(IMAGES, 255)], -1),
        "colour images",
        IMAGES,
    ),
    "one channel": ("images", IMAGES[..., None], r"shape \(60, 6, 6, 1\)", IMAGES),
    "one channel first": ("images", IMAGES[:, None], r"shape \(60, 1, 6, 6\)", IMAGES),
    "NaN": (
        "images",
        np.where(IMAGES > 250, np.nan, IMAGES / 255),
        r"\d+ of 2160 values that are NaN or infinite, the first in image \d",
        np.where(IMAGES > 250, 0, IMAGES),
    ),
    "one-hot": ("labels", np.eye(5, dtype=int)[LABELS], r"one-hot labels, shape \(60, 5\)", LABELS),
    "one-hot floats": ("labels", np.eye(5)[LABELS], "one-hot labels", LABELS),
    "a column": ("labels", LABELS[:, None], r"shape \(60, 1\)", LABELS),
    "floats": ("labels", LABELS.astype(float), "type float64; expected integer", LABELS),
    "truth values": ("labels", LABELS > 2, "type bool", LABELS > 2),
    "names": ("labels", np.array(list("abcde"))[LABELS], "type <U1", LABELS),
    "from -1": ("labels", LABELS - 1, "values from -1 to 3", LABELS),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_has_its_own_fix(fault):
    """What is printed as the fix, carried out, gives what was meant."""
    part, wrong, message, right = FAULTS[fault]
    arrays = {"images": IMAGES, "labels": LABELS}
    with pytest.raises(DataError, match=message) as error:
        Dataset("mine", **(arrays | {part: wrong}))
    (fix,) = re.findall(rf"write (.*\b{part}\b.*)$", str(error.value))
    mended = eval(fix, {"numpy": np, part: wrong})
    np.testing.assert_array_equal(
        getattr(Dataset("mine", **(arrays | {part: mended})), part), right
    )


def test_dim_or_black_images_are_not_refused():
    assert Dataset("dim", IMAGES // 8 + 1, LABELS).images.max() == 32
    assert Dataset("black", IMAGES * 0, LABELS).images.max() == 0


def test_labels_that_are_missing():
    with pytest.raises(DataError, match=r"1 of 60 that are NaN or infinite.*leave out images"):
        Dataset("mine", IMAGES, np.where(np.arange(60) == 7, np.nan, LABELS))


def test_bad_idx_folder(tmp_path):
    write_idx(tmp_path / "swapped", {"images": LABELS, "labels": LABELS})
    with pytest.raises(DataError, match=r"swapped .*: images: got shape \(60,\)"):
        load_dataset(tmp_path / "swapped")


# --- damaged files -----------------------------------------------------------------------------


def loads_or_data_error(load, path):
    """Any outcome but success or a one-line DataError is a failure."""
    try:
        load(path)
    except DataError as error:
        assert "\n" not in str(error)
        return False
    return True


@pytest.mark.parametrize("kind", ["npz", "npz-stored", "idx", "idx.gz"])
def test_truncated_anywhere(tmp_path, kind):
    path = tmp_path / ("a.npz" if "npz" in kind else "a.idx")
    load = load_dataset if "npz" in kind else read_idx
    if "npz" in kind:
        (np.savez if "stored" in kind else np.savez_compressed)(path, **make_arrays())
    else:
        data = idx_bytes(IMAGES)
        path.write_bytes(gzip.compress(data) if kind == "idx.gz" else data)
    data = path.read_bytes()
    assert loads_or_data_error(load, path)
    ends = {*range(24), len(data) - 1, *rng().integers(0, len(data), 150).tolist()}
    for end in ends:
        path.write_bytes(data[:end])
        assert not loads_or_data_error(load, path), f"accepted when cut at byte {end}"


@pytest.mark.parametrize("kind", ["npz", "npz-stored", "idx", "idx.gz"])
def test_flipped_bits_anywhere(tmp_path, kind):
    path = tmp_path / ("a.npz" if "npz" in kind else "a.idx")
    load = load_dataset if "npz" in kind else read_idx
    if "npz" in kind:
        (np.savez if "stored" in kind else np.savez_compressed)(path, **make_arrays())
    else:
        data = idx_bytes(IMAGES)
        path.write_bytes(gzip.compress(data) if kind == "idx.gz" else data)
    data = path.read_bytes()
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


# --- data sets ---------------------------------------------------------------------------------


def test_fingerprint():
    arrays = make_arrays()
    dataset = Dataset("a", **arrays)
    assert dataset.fingerprint == Dataset("b", **arrays, source="elsewhere").fingerprint
    assert len(dataset.fingerprint) == 64
    others = [
        {**arrays, "images": np.where(arrays["images"] == 7, 8, arrays["images"])},
        {**arrays, "labels": arrays["labels"][::-1]},
        {k: v.reshape(-1, 4, 9) if "images" in k else v for k, v in arrays.items()},
        {"images": arrays["images"], "labels": arrays["labels"]},
    ]
    prints = {Dataset("a", **other).fingerprint for other in others}
    assert len(prints | {dataset.fingerprint}) == 5


def test_arrays_are_read_only():
    images = IMAGES.copy()
    dataset = Dataset("a", images, LABELS)
    with pytest.raises(ValueError, match="read-only"):
        dataset.images[0] = 0
    images[0] = 0  # the caller's array stays as it was


def test_classes_count_the_labels_there_are():
    assert Dataset("a", IMAGES, LABELS + 1).n_classes == 5
    assert Dataset("a", IMAGES, LABELS, IMAGES, LABELS + 3).n_classes == 8


# --- split -------------------------------------------------------------------------------------


@pytest.fixture(params=["official", "held out"])
def dataset(request):
    arrays = make_arrays(n=200, n_test=100)
    if request.param == "held out":
        arrays = {"images": arrays["images"], "labels": arrays["labels"]}
    return Dataset("small", **arrays)


def test_split_parts_are_disjoint(dataset):
    parts = split(dataset, 100, 40, 60, rng())
    assert (len(parts.train), len(parts.readout), len(parts.test)) == (100, 40, 60)
    images = [part.images for part in (parts.train, parts.readout, parts.test)]
    assert len(np.unique(np.concatenate(images), axis=0)) == 200  # every image is different
    pools = [(dataset.images, dataset.labels)] * 3
    if dataset.official_split:
        pools[2] = (dataset.test_images, dataset.test_labels)
    for part, (images, labels) in zip((parts.train, parts.readout, parts.test), pools, strict=True):
        np.testing.assert_array_equal(part.images, images[part.index])
        np.testing.assert_array_equal(part.labels, labels[part.index])


def test_split_is_deterministic(dataset):
    one, two = (split(dataset, 50, 20, 30, rng(5)) for _ in range(2))
    for part in ("train", "readout", "test"):
        np.testing.assert_array_equal(getattr(one, part).index, getattr(two, part).index)


def test_test_samples_do_not_depend_on_the_run(dataset):
    one, two = (split(dataset, 50, 20, 30, rng(seed)) for seed in (1, 2))
    np.testing.assert_array_equal(one.test.index, two.test.index)
    assert set(one.train.index) != set(two.train.index)
    assert set(one.readout.index) != set(two.readout.index)
    other = split(dataset, 50, 20, 30, rng(1), split_seed=1)
    assert set(other.test.index) != set(one.test.index)
    shorter = split(dataset, 10, 0, 20, rng(3))
    np.testing.assert_array_equal(shorter.test.index, one.test.index[:20])


def test_numbers_do_not_disturb_each_other(dataset):
    full = split(dataset, 50, 20, 30, rng())
    more = split(dataset, 90, 20, 30, rng())
    np.testing.assert_array_equal(more.readout.index, full.readout.index)
    np.testing.assert_array_equal(more.train.index[:50], full.train.index)


def test_split_parts_may_be_empty(dataset):
    parts = split(dataset, 0, 20, 30, rng())
    assert len(parts.train) == 0
    assert parts.train.images.shape == (0, 6, 6)
    parts = split(dataset, 10, 0, 0, rng())
    assert len(parts.readout) == len(parts.test) == 0


def test_whole_data_set_can_be_used(dataset):
    n_test = 100 if dataset.official_split else 60
    n_train = 160 if dataset.official_split else 100
    parts = split(dataset, n_train, 40, n_test, rng())
    assert len(set(parts.train.index) | set(parts.readout.index)) == n_train + 40


def test_too_few_samples():
    arrays = make_arrays()
    official = Dataset("small", **arrays)
    held_out = Dataset("small", arrays["images"], arrays["labels"])
    with pytest.raises(DataError, match="n_test=21 = 21; expected at most the 20 test images"):
        split(official, 10, 10, 21, rng())
    with pytest.raises(
        DataError,
        match=r"n_train=50 \+ n_readout=11 = 61; .* the 60 images.*lower n_train or n_readout",
    ):
        split(official, 50, 11, 20, rng())
    with pytest.raises(DataError, match=r"= 61; .* 60 images .*lower n_train or n_readout or n_te"):
        split(held_out, 40, 11, 10, rng())


@pytest.mark.parametrize("value", [-1, 1.5, "10", None])
@pytest.mark.parametrize("what", ["n_train", "n_readout", "n_test", "split_seed"])
def test_bad_numbers(what, value):
    numbers = {"n_train": 1, "n_readout": 1, "n_test": 1, what: value}
    with pytest.raises(DataError, match=f"split: {what}: got .*; expected a whole number"):
        split(Dataset("small", IMAGES, LABELS), **numbers, rng=rng())


SIX = np.arange(6 * 16, dtype=np.uint8).reshape(6, 4, 4)


def test_masked_arrays_are_refused():
    hidden = np.ma.masked_array(SIX, mask=SIX > 50)
    with pytest.raises(DataError, match=r"45 masked values; .* write images\.filled\(0\)"):
        Dataset("a", hidden, np.arange(6))
    assert Dataset("a", hidden.filled(0), np.arange(6)).images.max() == 50
    with pytest.raises(DataError, match=r"labels: got 1 masked values; .*compressed"):
        Dataset("a", SIX, np.ma.masked_array(np.arange(6), mask=np.arange(6) == 2))


def test_class_names_of_the_test_images_get_the_numbers_of_the_others():
    labels, test_labels = np.array(list("abcabc")), np.array(list("bbccbc"))
    classes = np.unique(labels)
    numbers = np.unique(labels, return_inverse=True)[1]
    with pytest.raises(DataError, match=r"write numpy\.searchsorted\(classes, test_labels\)"):
        Dataset("a", SIX, numbers, SIX, test_labels)
    mended = np.searchsorted(classes, test_labels)
    assert mended.tolist() == [1, 1, 2, 2, 1, 2]
    assert not Dataset("a", SIX, numbers, SIX, mended).unseen


def test_classes_that_only_the_test_images_have_are_said(tmp_path, caplog):
    images = np.random.default_rng(0).integers(0, 256, (92, 8, 8), dtype=np.uint8)
    labels = np.arange(92) % 4
    parts = {"images": images, "labels": labels, "test_images": images, "test_labels": labels + 1}
    np.savez(tmp_path / "shifted.npz", **parts)
    assert not load_dataset("digits").unseen
    shifted = TINY.override({"data.source": str(tmp_path / "shifted.npz"), "data.n_train": 4})
    simulate(shifted.override({"data.n_test": 4}), backend="numpy", out=tmp_path / "out")
    assert "shifted: 23 of 92 test images are of classes that no training image has (4)" in (
        caplog.text
    )


def test_grey_png_files_with_a_transparent_grey_are_refused(tmp_path):
    (tmp_path / "a").mkdir()
    Image.fromarray(SIX[0]).save(tmp_path / "a" / "0.png", transparency=3)
    with pytest.raises(DataError, match=r"mode L, partly transparent.*alpha_composite"):
        load_dataset(tmp_path)

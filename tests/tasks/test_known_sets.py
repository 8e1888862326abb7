"""Data sets with a name: where they are looked for, and their download."""

import importlib.machinery
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from image_files import (
    assert_holds,
    make_arrays,
    nowhere,  # noqa: F401
    write_idx,
)

from brainsleep.errors import DataError
from brainsleep.tasks.images import public as known
from brainsleep.tasks.images.datasets import load_dataset
from brainsleep.tasks.images.public import DEBIAN_FASHION, KNOWN_SETS


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

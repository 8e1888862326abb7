"""Data sets by name and by path, whole, and split into the parts of a run."""

import numpy as np
import pytest
from conftest import TINY
from image_files import (
    IMAGES,
    LABELS,
    assert_holds,
    make_arrays,
    nowhere,  # noqa: F401
    rng,
    write_idx,
)

from brainsleep.errors import DataError
from brainsleep.run.simulate import simulate
from brainsleep.tasks.images.datafiles import IDX_FILES
from brainsleep.tasks.images.datasets import Dataset, load_dataset, split


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

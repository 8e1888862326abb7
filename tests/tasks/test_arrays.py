"""Arrays of images and labels: what is converted, and what is said of the others."""

import re

import numpy as np
import pytest
from image_files import (
    IMAGES,
    LABELS,
    SIX,
    make_arrays,
    nowhere,  # noqa: F401
    write_npz,
)

from brainsleep.errors import DataError
from brainsleep.tasks.images.datasets import Dataset, load_dataset


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


BAD_ARRAYS = {  # what is not as in IMAGES and LABELS, and what is said of it
    "no labels": ({"labels": None}, r"got arrays \['images'\]; expected 'images' and 'labels'"),
    "no images": ({"images": None}, r"got arrays \['labels'\]"),
    "object images": (
        {"images": np.array([{}] * 60, dtype=object)},
        r"images\.npy of type object; expected numbers",
    ),
    "text labels": (
        {"labels": LABELS.astype(str)},
        r"labels\.npy of type <U.*expected numbers; save num.*numpy\.unique",
    ),
    "complex images": ({"images": IMAGES + 1j}, "of type complex"),
    "4-D images": ({"images": IMAGES[..., None]}, r"shape \(60, 6, 6, 1\)"),
    "1-D images": ({"images": IMAGES[0, 0]}, r"shape \(6,\)"),
    "flat, not square": ({"images": IMAGES.reshape(60, -1)[:, 1:]}, r"\(60, 35"),
    "2-D labels": ({"labels": LABELS[:, None]}, r"labels: got shape \(60, 1\)"),
    "negative labels": ({"labels": LABELS - 1}, "from -1 to 3; expected class"),
    "float labels": ({"labels": LABELS + 0.5}, "with fractions, such as 0.5; exp"),
    "huge labels": ({"labels": np.full(60, 2**64 - 1, np.uint64)}, "from 18446744073709551615"),
    "NaN": ({"images": np.full((60, 6, 6), np.nan)}, "2160 of 2160 values that are NaN"),
    "infinite": ({"images": np.full((60, 6, 6), np.inf)}, "NaN or inf.*finite values"),
    "bright floats": ({"images": IMAGES.astype(float)}, "expected 0 to 1 in images of fl"),
    "negative": ({"images": IMAGES.astype(int) - 1}, "from -1 to.*0 to 255"),
    "too bright": ({"images": IMAGES.astype(int) + 1}, "to 256; expected"),
    "no samples": ({"images": IMAGES[:0], "labels": LABELS[:0]}, r"shape \(0, 6, 6\).*not empty"),
    "no flat samples": ({"images": IMAGES[:0, 0, :4], "labels": LABELS[:0]}, "not empty"),
    "no pixels": ({"images": IMAGES[:, :0]}, r"shape \(60, 0, 6\).*not empty"),
    "no flat pixels": ({"images": IMAGES[:, 0, :0]}, r"shape \(60, 0\)"),
    "no labels in it": ({"labels": LABELS[:0]}, r"labels: got shape \(0,\)"),
    "lengths": ({"labels": LABELS[1:]}, "60 images and 59 labels; expected one"),
    "half a test set": (
        {"test_images": IMAGES},
        "one of test_images and test_labels; expected both or neither",
    ),
    "test lengths": (
        {"test_images": IMAGES, "test_labels": LABELS[1:]},
        "60 test_images and 59 test_labels",
    ),
    "test size": (
        {"test_images": IMAGES[:, 1:], "test_labels": LABELS},
        r"height and width \(5, 6\); expected \(6, 6\) as in images",
    ),
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_bad_npz(tmp_path, case):
    changes, message = BAD_ARRAYS[case]
    arrays = {"images": IMAGES, "labels": LABELS} | changes
    arrays = {name: values for name, values in arrays.items() if values is not None}
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

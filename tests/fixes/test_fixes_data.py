"""The fixes of data that cannot be taken: images, labels, files, data sets by name."""

import struct
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
from fix_table import carry_out, rows

from brainsleep.files.npz import read_npz
from brainsleep.tasks.images import public as known
from brainsleep.tasks.images.arrays import as_images, as_labels
from brainsleep.tasks.images.datafiles import IDX_FILES, read_idx
from brainsleep.tasks.images.datasets import Dataset, load_dataset, split

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 6, 6)).astype(np.uint8)
IMAGES[0, 0, 0] = 255
LABELS = np.arange(20) % 5


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))


def expression(text, **names):
    """What a fix says to write."""
    return eval(text, {"numpy": np, **names})


def image_row(fix, wrong, write, right=None):
    """A row for images of which the fix is an expression, made of its holes by `write`."""

    def mended(*holes):
        found = as_images(expression(write(*holes), images=wrong), "images")
        if right is not None:
            np.testing.assert_array_equal(found, right)

    return (fix, lambda: as_images(wrong, "images"), mended)


def label_row(fix, wrong, right=LABELS):
    def mended(*holes):
        text = fix.format(*holes).removeprefix("write ")
        found = as_labels(expression(text, labels=wrong), "labels")
        np.testing.assert_array_equal(found, right)

    return (fix, lambda: as_labels(wrong, "labels"), mended)


def idx(name, array, cut=0, magic=None):
    """Write an IDX file of bytes."""
    head = struct.pack(f">I{array.ndim}I", 0x0800 + array.ndim, *array.shape)
    content = (magic or head[:4]) + head[4:] + array.astype("u1").tobytes()
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(content[: len(content) - cut])
    return name


def idx_folder(place, fields=tuple(IDX_FILES), labels=LABELS, files=IDX_FILES, images=IMAGES):
    for field in fields:
        idx(f"{place}/{files[field]}", labels if "labels" in field else images)
    return place


def png(path, shape=(6, 6)):
    from PIL import Image

    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(shape, 200, np.uint8)).save(path)


def png_folder(*shapes):
    for number, shape in enumerate(shapes):
        png(f"set/A/{number}.png", shape)
    return load_dataset("set")


def empty_class(*, filled):
    png("set/A/0.png")
    Path("set/B").mkdir(exist_ok=True)
    if filled:
        png("set/B/0.png")
    return load_dataset("set")


def without_class():
    Path("set/B/0.png").unlink(missing_ok=True)
    Path("set/B").rmdir()
    load_dataset("set")


def npz(method=zipfile.ZIP_BZIP2, save=None, **arrays):
    arrays = {"images": IMAGES, "labels": LABELS} | arrays
    if save:
        save("mine.npz", **arrays)
    else:
        with zipfile.ZipFile("mine.npz", "w", method) as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w") as stream:
                    np.lib.format.write_array(stream, np.asarray(array), allow_pickle=True)
    return load_dataset("mine.npz")


def only_images():
    np.savez("mine.npz", pictures=IMAGES)
    load_dataset("mine.npz")


def damaged(whole):
    np.savez("mine.npz", images=IMAGES, labels=LABELS)
    if not whole:
        Path("mine.npz").write_bytes(Path("mine.npz").read_bytes()[:500])
    load_dataset("mine.npz")


def stored(array):
    """Read what this package itself would have stored."""
    np.savez("own.npz", own=array)
    read_npz(Path("own.npz"))


def announced(factor):
    """An array whose header announces more than the file can hold."""
    np.savez_compressed("own.npz", own=np.zeros(10_000_000 * factor, np.uint8))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("brainsleep.files.npz.DEFLATE_MAX_RATIO", 900)
        read_npz(Path("own.npz"))


def data_set(**more):
    return Dataset("mine", **({"images": IMAGES, "labels": LABELS} | more))


def drawn(text):
    return load_dataset(text).images


def parts(n):
    split(data_set(), n_train=n, n_readout=4, n_test=4, rng=np.random.default_rng(0))


def by_name(place=None, name="mnist"):
    """Look for a data set where there is no torchvision."""
    if place:
        idx_folder(place)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(known, "find_spec", lambda package: None)
        patch.setattr(known, "DEBIAN_FASHION", Path("nowhere"))
        return known.find_known(name, None)


def downloading(error, place=None):
    """What becomes of a download that fails, or does not; the files may be put by hand."""

    def fail(scratch, **kwargs):
        if error:
            raise error
        idx_folder(f"{scratch}/MNIST/raw")

    fake = types.ModuleType("torchvision")
    fake.datasets = types.SimpleNamespace(MNIST=fail)
    if isinstance(error, ImportError):
        fake = None
    if place:
        idx_folder(place)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(known, "find_spec", lambda package: True)
        patch.setitem(sys.modules, "torchvision", fake)
        return known.find_known("mnist", None)


LETTERS = known.KNOWN_SETS["emnist-letters-aj"].files


def letters(labels, images=IMAGES):
    idx_folder("data/EMNIST/raw", labels=labels, files=LETTERS, images=images)
    return load_dataset("emnist-letters-aj")


FIXES = [
    # images and labels
    *(
        image_row("if {} is white, write images / {}", wrong, lambda a, b: f"images / {b}")
        for wrong in (IMAGES // 128, IMAGES // 16, IMAGES.astype(float), IMAGES.astype("u2") * 257,
                      IMAGES / 255 / 255)
    ),
    *(
        image_row("if {} is black and {} is white, write {}", wrong, lambda a, b, text: text)
        for wrong in (IMAGES / 127.5 - 1, (IMAGES - 128.0).astype(np.int8))
    ),
    image_row("if {} is black, write images - ({})", np.full((3, 4, 4), -2.5),
              lambda a, b: f"images - ({b})", np.zeros((3, 4, 4))),
    image_row("leave out such images, or write numpy.nan_to_num(images, nan=0, posinf=1, neginf=0)",
              np.where(IMAGES > 250, np.nan, IMAGES / 255),
              lambda: "numpy.nan_to_num(images, nan=0, posinf=1, neginf=0)",
              np.where(IMAGES > 250, 0, IMAGES)),
    image_row("leave out such images, or write numpy.nan_to_num(images, nan=0, posinf=1, neginf=0)",
              np.where(np.arange(20)[:, None, None] == 3, np.nan, IMAGES / 255),
              lambda: "images[numpy.isfinite(images).all(axis=(1, 2))]", np.delete(IMAGES, 3, 0)),
    image_row("convert the array", IMAGES.astype(str), lambda: "images.astype(int)", IMAGES),
    image_row("reshape the array", IMAGES[:, :5].reshape(20, 30, 1, 1, 1),
              lambda: "images.reshape(20, 5, 6)"),
    *(
        image_row("write images{}", wrong, lambda at: f"images{at}", IMAGES)
        for wrong in (IMAGES[..., None], IMAGES[:, None])
    ),
    *(
        image_row("write images{}.mean(axis={}){}", wrong,
                  lambda at, axis, scale=" / 255": f"images{at}.mean(axis={axis}){scale}", IMAGES)
        for wrong in (np.stack([IMAGES] * 3, -1), np.stack([IMAGES] * 4, 1))
    ),
    label_row("write labels.ravel()", LABELS[:, None]),
    label_row("write labels.argmax(axis=1)", np.eye(5)[LABELS]),
    label_row("write labels.astype(int)", LABELS.astype(float)),
    label_row("write {}", np.array(list("abcde"))[LABELS]),
    label_row("write {}", LABELS - 1),
    *(
        ("give one class number an image", lambda wrong=wrong: as_labels(wrong, "labels"),
         lambda: as_labels(LABELS, "labels"))
        for wrong in (LABELS + 0.5, np.zeros((20, 3), int), LABELS[:0])
    ),
    ("leave out images without a label",
     lambda: as_labels(np.where(LABELS == 2, np.nan, LABELS), "labels"),
     lambda: data_set(images=IMAGES[LABELS != 2], labels=LABELS[LABELS != 2])),
    # data sets in memory
    ("add the missing one, or leave both out", lambda: data_set(test_images=IMAGES),
     lambda: (data_set(), data_set(test_images=IMAGES, test_labels=LABELS))),
    ("write the file again", lambda: data_set(labels=LABELS[:7]), lambda: data_set()),
    ("resize one of them",
     lambda: data_set(test_images=IMAGES[:, :5, :5], test_labels=LABELS),
     lambda: (data_set(test_images=np.pad(IMAGES[:, :5, :5], ((0, 0), (0, 1), (0, 1))),
                       test_labels=LABELS),
              data_set(images=IMAGES[:, :5, :5], test_images=IMAGES[:, :5, :5],
                       test_labels=LABELS))),
    ("lower {}", lambda: parts(30), lambda names: parts(3) if "n_train" in names else None),
    ("as in geometric:n=4000,noise=0.3", lambda: drawn("geometric:size=3"),
     lambda: drawn("geometric:n=4000,noise=0.3")),
    # files
    *(
        ("download it again", lambda magic=magic: read_idx(idx("a", LABELS, magic=magic)),
         lambda: read_idx(idx("a", LABELS)))
        for magic in (b"<htm", b"\0\0\x0e\x01")
    ),
    ("download or write it again", lambda: read_idx(idx("a", LABELS, cut=3)),
     lambda: read_idx(idx("a", LABELS))),
    ("download or write it again", lambda: damaged(False), lambda: damaged(True)),
    ("add the file", lambda: load_dataset(idx_folder("set", ["images"])),
     lambda: load_dataset(idx_folder("set", ["images", "labels"]))),
    ("add the file", lambda: load_dataset(idx_folder("set", ["images", "labels", "test_labels"])),
     lambda: load_dataset(idx_folder("set", ["test_images"]))),
    ("add the images of this class, or remove the folder", lambda: empty_class(filled=False),
     lambda: (empty_class(filled=True), without_class())),
    ("resize the images", lambda: png_folder((6, 6), (6, 7)), lambda: png_folder((6, 6), (6, 6))),
    ("numpy.savez(path, images=..., labels=...)", only_images,
     lambda: (np.savez("mine.npz", images=IMAGES, labels=LABELS), load_dataset("mine.npz"))),
    ("write it with numpy.savez_compressed", npz, lambda: npz(save=np.savez_compressed)),
    ("save numbers, of class names with {}",
     lambda: npz(save=np.savez, labels=np.array(list("abcde"))[LABELS]),
     lambda text: npz(save=np.savez, labels=expression(
         text, labels=np.array(list("abcde"))[LABELS]))),
    ("save no objects", lambda: stored(np.array([{}, None])), lambda: stored(np.array([1.0, 2]))),
    ("write it again, smaller", lambda: announced(10), lambda: stored(np.zeros(10))),
    # by name
    *(
        ("put the files there, or pip install 'brainsleep[vision]' to download them{}",
         lambda name=name: by_name(name=name),
         lambda *_, place=place, name=name: by_name(place, name))
        for place in ("data/MNIST/raw", "data/mnist", ".cache/brainsleep/data/mnist")
        for name in ("mnist",)
    ),
    ("put the files there, or pip install 'brainsleep[vision]' to download them{}",
     lambda: by_name(name="fashion-mnist"),
     lambda *_: by_name("data/fashion-mnist", "fashion-mnist")),
    *(
        ("or put {}, plain or .gz, in {}{}", lambda error=error: downloading(error),
         lambda names, *place, error=error: downloading(
             error, "".join(place).split(", or ")[0]))
        for error in (OSError("no route"), RuntimeError("File corrupted"), ImportError("no"))
    ),
    *(
        (fix, lambda error=error: downloading(error), lambda *_: downloading(None))
        for fix, error in (
            ("pip install --force-reinstall 'brainsleep[vision]'", ImportError("no")),
            ("check the network and the free space, and try again", OSError("no route")),
            ("see whether a proxy or login page answers in its place, and try again",
             RuntimeError("File corrupted")),
        )
    ),
    ("download them again", lambda: letters(LABELS + 1, IMAGES[:, 0, 0]),
     lambda: letters(LABELS + 1)),
    ("take EMNIST's split 'letters'", lambda: letters(LABELS + 30), lambda: letters(LABELS + 1)),
]  # fmt: skip


@pytest.mark.parametrize("fix, broken, mended", rows(FIXES))
def test_fix(fix, broken, mended):
    carry_out(fix, broken, mended)

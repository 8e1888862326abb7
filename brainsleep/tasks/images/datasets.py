"""Labelled image sets, checked once whatever their source, and the disjoint parts of a run."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ...errors import DataError, nearest
from ...values.quantities import check_whole
from .arrays import as_images, as_labels, data_error
from .datafiles import (
    IDX_FILES,
    idx_files,
    png_classes,
    read_idx_folder,
    read_npz,
    read_png_classes,
)
from .geometric import make_geometric, parse_settings
from .public import BUILT_IN, KNOWN_SETS, find_known, known_name


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled grey images, with the source's official test set where it has one.

    Arrays of other types are converted on construction: integer images must lie in 0..255,
    float and boolean images in 0..1 (they are scaled to 0..255), and flat images of shape
    ``(n_samples, side * side)`` are made square. The arrays held are read-only.

    Parameters
    ----------
    name : str
        Short name for tables and figures.
    images : array of uint8, shape (n_samples, height, width)
        Grey values.
    labels : array of int64, shape (n_samples,)
        Class numbers, from 0.
    test_images, test_labels : array, optional
        The official test set; None where the source has no official split.
    source : str
        Where it came from: a path, or ``"scikit-learn"``.
    licence, citation : str
        Terms of use and what to cite; empty where unknown.

    Raises
    ------
    DataError
        If an array has the wrong type, shape or range, or the arrays do not fit together.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    test_images: np.ndarray | None = None
    test_labels: np.ndarray | None = None
    source: str = "memory"
    licence: str = ""
    citation: str = ""

    def __post_init__(self) -> None:
        where = self.name if self.source == "memory" else f"{self.name} ({self.source})"
        if (self.test_images is None) != (self.test_labels is None):
            got, allowed = "one of test_images and test_labels", "both or neither"
            raise data_error(where, got, allowed, "add the missing one, or leave both out")
        for part in ("", "test_") if self.official_split else ("",):
            images = as_images(getattr(self, f"{part}images"), f"{where}: {part}images")
            labels = as_labels(getattr(self, f"{part}labels"), f"{where}: {part}labels")
            if len(images) != len(labels):
                got = f"{len(images)} {part}images and {len(labels)} {part}labels"
                raise data_error(where, got, "one label for each image", "write the file again")
            object.__setattr__(self, f"{part}images", images)
            object.__setattr__(self, f"{part}labels", labels)
        if self.test_images is not None and self.test_images.shape[1:] != self.images.shape[1:]:
            got = f"height and width {self.test_images.shape[1:]}"
            allowed = f"{self.images.shape[1:]} as in images"
            raise data_error(f"{where}: test_images", got, allowed, "resize one of them")

    @property
    def official_split(self) -> bool:
        """Whether the source says which images are for testing."""
        return self.test_images is not None

    @cached_property
    def n_classes(self) -> int:
        """Number of different labels, training and test together."""
        parts = (self.labels, self.test_labels)
        return len(np.unique(np.concatenate([part for part in parts if part is not None])))

    @property
    def unseen(self) -> str:
        """Say which classes only the test images have: nothing can be right about them."""
        if self.test_labels is None or not len(new := np.setdiff1d(self.test_labels, self.labels)):
            return ""
        number = int(np.isin(self.test_labels, new).sum())
        classes = ", ".join(map(str, new[:5])) + (", ..." if len(new) > 5 else "")
        return (
            f"{number} of {len(self.test_labels)} test images are of classes that no training "
            f"image has ({classes}); are both numbered in the same way?"
        )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over the shapes, types and bytes of all arrays."""
        digest = hashlib.sha256()
        for field in IDX_FILES:
            if (array := getattr(self, field)) is not None:
                digest.update(f"{field} {array.dtype.str} {array.shape}\n".encode())
                digest.update(array)
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Samples:
    """Some images of a data set (uint8), in the order they are shown, and their class numbers.

    The `index` of each is its position in the array it was taken from, shape (n_samples,).
    """

    images: np.ndarray
    labels: np.ndarray
    index: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Split:
    """The disjoint parts of a run.

    Plasticity is on while `train` is shown. The readout is fitted on `readout` and scored on
    `test`, with weights frozen. By `validation`, shown to a copy of the network while it learns,
    one can tell when it is best.
    """

    train: Samples
    readout: Samples
    test: Samples
    validation: Samples

    @property
    def labels(self) -> dict[str, np.ndarray]:
        """Classes of the images of all parts but `validation`, each of shape (n_samples,)."""
        return {part: getattr(self, part).labels for part in ("train", "readout", "test")}


def load_dataset(source: str | Path, root: str | Path | None = None) -> Dataset:
    """Load a data set by name or from files.

    Parameters
    ----------
    source : str or Path
        ``"digits"`` (8x8, comes with scikit-learn); ``"geometric"``, or with settings
        ``"geometric:n=4000,noise=0.3,seed=1"`` (15x15, see
        `brainsleep.tasks.images.geometric.make_geometric`); ``"mnist"``, ``"kmnist"``,
        ``"fashion-mnist"`` or ``"emnist-letters-aj"`` (EMNIST's letters A to J); the path of an
        ``.npz`` file with arrays ``images`` and ``labels`` (optionally ``test_images`` and
        ``test_labels``); the path of a folder with IDX files named as in MNIST, plain or gzipped;
        or the path of a folder with one folder of grey PNG files per class, such as notMNIST's,
        numbered in the order of their names.
    root : str or Path, optional
        Folder searched first for a data set given by name.

    Returns
    -------
    Dataset
        The images and labels, checked.

    Raises
    ------
    DataError
        If the source is unknown, missing, damaged or inconsistent.
    """
    head, _, settings = str(source).partition(":")
    if known_name(head) == "geometric":
        return _make_geometric(settings)
    if name := known_name(str(source)):
        return _load_digits() if name == "digits" else _load_known(name, root)
    path = Path(os.path.expanduser(source))
    if os.path.isdir(path):
        return _load_folder(path)
    if os.path.isfile(path) and path.suffix == ".npz":
        return Dataset(path.stem, **read_npz(path), source=str(path))
    got = f"'{source}'" if os.path.exists(path) else f"'{source}', which does not exist"
    allowed = "an .npz file, a folder with IDX files or with PNG files by class, or a name"
    raise data_error("data set", got, allowed, nearest(str(source), (*BUILT_IN, *KNOWN_SETS)))


def split(
    dataset: Dataset,
    n_train: int,
    n_readout: int,
    n_test: int,
    rng: np.random.Generator,
    split_seed: int = 0,
    n_validation: int = 0,
) -> Split:
    """Draw disjoint training, readout, test and validation samples, so many of each, or none.

    The test samples depend on `split_seed` only, so that every run is scored on the same
    images: they are taken from the official test set, or held out where there is none. The
    others come from what is left, and their choice and order from `rng`: training samples
    from the front of one random order and readout samples from its back, so that changing
    the number of one leaves the other as it was. Validation samples come before the readout's.

    Raises
    ------
    DataError
        If a number is negative or the data set has too few samples.
    """
    counts = {"n_train": n_train, "n_readout": n_readout, "n_test": n_test}
    counts |= {"n_validation": n_validation} if n_validation else {}
    for what, value in {**counts, "split_seed": split_seed}.items():
        check_whole(value, f"split: {what}", DataError)
    source = held_out = dataset.images, dataset.labels
    if dataset.test_images is not None and dataset.test_labels is not None:
        held_out = (dataset.test_images, dataset.test_labels)
        _check_enough(dataset.name, {"n_test": counts.pop("n_test")}, len(held_out[1]), "test ")
    _check_enough(dataset.name, counts, len(dataset.labels))

    order = np.random.default_rng(split_seed).permutation(len(held_out[1]))
    rest = np.sort(order[n_test:]) if held_out is source else np.arange(len(dataset.labels))
    pool = rng.permutation(rest)
    back = len(pool) - n_readout

    def draw(index: np.ndarray, images: np.ndarray, labels: np.ndarray) -> Samples:
        return Samples(images[index], labels[index], index)

    return Split(
        train=draw(pool[:n_train], *source),
        readout=draw(pool[back:], *source),
        test=draw(order[:n_test], *held_out),
        validation=draw(pool[back - n_validation : back], *source),
    )


def _make_geometric(settings: str) -> Dataset:
    """Generate the toy task, with `settings` as in ``n=4000,noise=0.3,seed=1``."""
    images, labels = make_geometric(**parse_settings(settings))
    return Dataset(
        "geometric",
        images,
        labels,
        source=f"generated by brainsleep.tasks.images.geometric ({settings or 'defaults'})",
        licence="none needed (generated)",
        citation="after Massey et al. (2026), arXiv:2601.08447",
    )


def _load_known(name: str, root: str | Path | None) -> Dataset:
    """Load a data set that is a folder of IDX files somewhere."""
    chosen, folder = KNOWN_SETS[name], find_known(name, root)
    arrays = read_idx_folder(folder, chosen.files)
    if chosen.adapt:
        arrays = chosen.adapt(arrays, folder)
    return Dataset(
        name, **arrays, source=str(folder), licence=chosen.licence, citation=chosen.citation
    )


def _load_folder(path: Path) -> Dataset:
    """Load a folder of IDX files, or of one folder of PNG files per class."""
    *_, parent, name = ("", "", *path.resolve().parts)
    name = parent if name == "raw" else name  # torchvision's NAME/raw
    classes = {} if idx_files(path) else png_classes(path)
    if not any(classes.values()):
        return Dataset(name, **read_idx_folder(path), source=str(path))
    images, labels, skipped = read_png_classes(path, classes)
    note = f" (unreadable files left out: {len(skipped)})" if skipped else ""
    return Dataset(name, images, labels, source=f"{path}{note}")


def _load_digits() -> Dataset:
    """Load scikit-learn's 8x8 digits, whose values 0..16 are scaled to 0..255."""
    table = _digits()
    return Dataset(
        "digits",
        np.rint(table[:, :-1].reshape(-1, 8, 8) * 255 / 16).astype(np.uint8),
        table[:, -1].astype(int),
        source="scikit-learn",
        licence="CC BY 4.0",
        citation="Alpaydin, Kaynak (1998), doi:10.24432/C50P49",
    )


@cache
def _digits() -> np.ndarray:
    """Read the file of scikit-learn: 64 pixels and a label a row."""
    folder = Path(getattr(find_spec("sklearn"), "origin", None) or "").parent
    try:  # importing scikit-learn takes half a second
        return np.loadtxt(folder / "datasets" / "data" / "digits.csv.gz", delimiter=",")
    except OSError:  # another release may keep it elsewhere
        from sklearn.datasets import load_digits

        return np.column_stack(load_digits(return_X_y=True))


def _check_enough(name: str, counts: dict[str, int], available: int, kind: str = "") -> None:
    """Refuse to draw more samples than there are."""
    if (total := sum(counts.values())) > available:
        got = " + ".join(f"{key}={value}" for key, value in counts.items()) + f" = {total}"
        allowed = f"at most the {available} {kind}images there are"
        raise data_error(f"split of '{name}'", got, allowed, f"lower {' or '.join(counts)}")

"""Files of the study's data: images to search settings on, and test images made harder.

`studies/search.py` and `studies/paper_search.py` say what they search with which images.

    .venv/bin/python studies/variants.py --mnist FILE.npz [--fashion NAME] [--out results]

Files that are there already stay as they are.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np

from brainsleep.tasks.images.datasets import Dataset, load_dataset, split

N_TEST = 1000  # test images of the study
N_SEARCH = 7000  # images to search on
NOISE = 0.1  # share of pixels that are replaced in a noisy image
SHIFT = 2  # pixels that an image is shifted by
N_HELD_OUT = (
    1000  # images to choose by, and as many to test on, in the search of the paper's network
)


def _tested(dataset: Dataset) -> np.ndarray:
    """Return the indices of the study's test images."""
    return split(dataset, 0, 0, N_TEST, np.random.default_rng(0)).test.index


def _kept(dataset: Dataset) -> np.ndarray:
    """Return the indices of all images that are not for testing."""
    every = np.arange(len(dataset.labels))
    return every if dataset.official_split else np.setdiff1d(every, _tested(dataset))


def for_search(source: str, name: str, folder: Path) -> str:
    """Write images that the study does not test on to a file, once; return its path."""
    path = folder / f"{name}.npz"
    if not path.exists():
        dataset = load_dataset(source)
        chosen = np.random.default_rng(0).permutation(_kept(dataset))[:N_SEARCH]
        _write(path, images=dataset.images[chosen], labels=dataset.labels[chosen])
    return str(path)


def for_paper_search(searched: str, name: str, folder: Path) -> list[str]:
    """Write the images of `for_search` again, parted in three; return the paths of four files.

    A file has test images of its own. Those in ``validation`` are to choose settings by, those in
    ``final`` are to test the chosen ones on; what is learned and read out is the same in both.
    The test images of ``NAME-noisy.npz`` are noisy, see `noisy`; what is learned is not.
    """
    dataset = load_dataset(searched)
    pool = np.arange(len(dataset.labels) - 2 * N_HELD_OUT)
    paths = []
    for k, part in enumerate(("validation", "final")):
        tested = len(pool) + k * N_HELD_OUT + np.arange(N_HELD_OUT)
        for end, change in (("", np.array), ("-noisy", noisy)):
            path = folder / part / f"{name}{end}.npz"
            paths.append(str(path))
            if path.exists():
                continue
            _write(
                path,
                images=dataset.images[pool],
                labels=dataset.labels[pool],
                test_images=change(dataset.images[tested]),
                test_labels=dataset.labels[tested],
            )
    return paths


def harder(source: str, name: str, kind: str, folder: Path) -> str:
    """Write the data set with its test images made 'noisy' or 'shifted', once; return its path.

    Noisy: a tenth of the pixels takes any grey value. Shifted: by two pixels up or down and two
    to the left or right. What is not for testing stays as it is, and in its order.
    """
    path = folder / f"{name}-{kind}.npz"
    if not path.exists():
        dataset = load_dataset(source)
        tested, kept = _tested(dataset), _kept(dataset)
        images, labels = dataset.images, dataset.labels
        if dataset.test_images is not None and dataset.test_labels is not None:
            images, labels = dataset.test_images, dataset.test_labels
        changed = {"noisy": noisy, "shifted": shifted}[kind](images[tested])
        _write(
            path,
            images=dataset.images[kept],
            labels=dataset.labels[kept],
            test_images=changed,
            test_labels=labels[tested],
        )
    return str(path)


def noisy(images: np.ndarray) -> np.ndarray:
    """Replace a share `NOISE` of the pixels, other ones in every image, by any grey value."""
    rng = np.random.default_rng(1)
    values = rng.integers(0, 256, images.shape, dtype=np.uint8)
    return np.where(rng.random(images.shape) < NOISE, values, images)


def shifted(images: np.ndarray) -> np.ndarray:
    """Shift each image diagonally by `SHIFT` pixels; what comes in is black."""
    rng = np.random.default_rng(2)
    height, width = images.shape[1:]
    wide = np.pad(images, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)))
    corners = 2 * SHIFT * rng.integers(0, 2, (len(images), 2))
    return np.stack(
        [
            image[row : row + height, column : column + width]
            for image, (row, column) in zip(wide, corners, strict=True)
        ]
    )


def main() -> None:
    """Write every file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", required=True, help="MNIST: .npz file")
    parser.add_argument("--fashion", default="fashion-mnist", help="Fashion-MNIST: name or folder")
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder of results")
    given = parser.parse_args()
    study, search = given.out / "study/data", given.out / "search/data"
    for name, source in (("mnist", given.mnist), ("fashion-mnist", given.fashion)):
        print(searched := for_search(source, name, search))
        print(*for_paper_search(searched, name, given.out / "paper_search/data"), sep="\n")
        for kind in ("noisy", "shifted"):
            print(harder(source, name, kind, study))
    if not (study / "mnist.npz").exists():
        shutil.copy(given.mnist, study / "mnist.npz")
    print(study / "mnist.npz")


def _write(path: Path, **arrays: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".writing.npz")
    np.savez(temporary, **arrays)
    temporary.replace(path)


if __name__ == "__main__":
    main()

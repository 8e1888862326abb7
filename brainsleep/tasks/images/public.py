"""Image sets known by name: where their files may lie, and their download with torchvision."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ...errors import DataError
from .arrays import data_error
from .datafiles import IDX_FILES, idx_files

#: Environment variable that names a folder to search for data sets.
DATA_VARIABLE = "BRAINSLEEP_DATA"

#: Folder in which Debian's package dataset-fashion-mnist installs.
DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")

#: Data sets found by name that need no files.
BUILT_IN = ("digits", "geometric")

#: Seconds without an answer after which a download is given up.
TIMEOUT = 60


def letters_a_to_j(arrays: dict[str, np.ndarray], folder: Path) -> dict[str, np.ndarray]:
    """Keep EMNIST's letters A to J as classes 0 to 9, and turn its images upright.

    They are stored column by column, and numbered from 1. What is not images with letters raises
    `DataError`, which names the `folder`.
    """
    kept = {}
    for part in ("", "test_"):
        images, labels = arrays[f"{part}images"], arrays[f"{part}labels"]
        if images.ndim != 3 or labels.shape != images.shape[:1]:
            got = f"{part}images of shape {images.shape}, {part}labels of shape {labels.shape}"
            allowed = "(n_samples, height, width) and (n_samples,)"
            raise data_error(folder, got, allowed, "download them again")
        if labels.min() < 1 or labels.max() > 26:
            got = f"{part}labels from {labels.min()} to {labels.max()}"
            raise data_error(folder, got, "letters 1 to 26", "take EMNIST's split 'letters'")
        chosen = labels <= 10
        kept[f"{part}images"] = images[chosen].transpose(0, 2, 1)
        kept[f"{part}labels"] = labels[chosen] - 1
    return kept


@dataclass(frozen=True)
class KnownSet:
    """A data set with a name: terms of use, what to cite, and where it is found.

    `kind` is its class in torchvision, which is also its folder in torchvision's layout, and
    `options` what that class needs to be told; `files` are the names of its IDX files by the array
    they hold; `adapt` makes the arrays of this set from those in the files of a folder; `by_hand`
    says another way to get them.
    """

    kind: str
    licence: str
    citation: str
    files: Mapping[str, str] = field(default_factory=lambda: IDX_FILES)
    options: Mapping[str, object] = field(default_factory=dict)
    by_hand: str = ""
    adapt: Callable[[dict[str, np.ndarray], Path], dict[str, np.ndarray]] | None = None


#: The data sets that are files, by name.
KNOWN_SETS = {
    "mnist": KnownSet(
        "MNIST",
        "CC BY-SA 3.0 (MNIST database by LeCun, Cortes, Burges)",
        "LeCun, Bottou, Bengio, Haffner (1998), doi:10.1109/5.726791",
    ),
    "kmnist": KnownSet("KMNIST", "CC BY-SA 4.0", "Clanuwat et al. (2018), arXiv:1812.01718"),
    "fashion-mnist": KnownSet(
        "FashionMNIST",
        "MIT",
        "Xiao, Rasul, Vollgraf (2017), arXiv:1708.07747",
        by_hand=", or install Debian's dataset-fashion-mnist",
    ),
    # The letters of notMNIST, which torchvision does not have, but handwritten. The download is
    # over 500 MB and needs about 3 GB of free space until the letters (0.1 GB) are moved out.
    "emnist-letters-aj": KnownSet(
        "EMNIST",
        "none stated (derived from NIST Special Database 19)",
        "Cohen, Afshar, Tapson, van Schaik (2017), arXiv:1702.05373",
        {key: "emnist-letters-" + name.replace("t10k", "test") for key, name in IDX_FILES.items()},
        options={"split": "letters"},
        adapt=letters_a_to_j,
    ),
}


def known_name(source: str) -> str:
    """Give the canonical name for any spelling of a known one, else an empty string."""
    names = {name.replace("-", ""): name for name in (*BUILT_IN, *KNOWN_SETS)}
    names["fashion"] = "fashion-mnist"
    return names.get(source.lower().replace("-", "").replace("_", ""), "")


def find_known(name: str, root: str | Path | None) -> Path:
    """Find the folder with all IDX files of one of `KNOWN_SETS`, first in `root`, or download it.

    Raises `DataError` if the files are nowhere and cannot be downloaded.
    """
    files, by_hand, places = KNOWN_SETS[name].files, KNOWN_SETS[name].by_hand, _places(name, root)
    for folder in places:
        if len(idx_files(folder, files)) == len(files):
            return folder
    if find_spec("torchvision"):
        return _download(name)
    got = f"no folder with all four IDX files among {', '.join(map(str, places))}"
    fix = f"put the files there, or pip install 'brainsleep[vision]' to download them{by_hand}"
    allowed = f"{', '.join(files.values())}, plain or .gz, in one of them"
    raise data_error(f"data set '{name}'", got, allowed, fix)


def _cache_root() -> Path:
    return Path(os.path.expanduser("~/.cache/brainsleep/data"))


def _places(name: str, root: str | Path | None) -> list[Path]:
    """List the folders a known data set may be in, in order of search."""
    places: list[Path] = []
    given = [Path(os.path.expanduser(r)) for r in (root, os.environ.get(DATA_VARIABLE)) if r]
    for base in (*given, Path("data"), _cache_root()):
        places += [base / KNOWN_SETS[name].kind / "raw", base / name]
        named_after = {known_name(part) for part in base.parts[-2:]}
        if base in given and named_after <= {"", name}:  # not another data set's folder
            places.append(base)
    if KNOWN_SETS[name].kind == "EMNIST":  # whose archive unpacks to a folder "gzip"
        places = [folder for place in places for folder in (place, place / "gzip")]
    return [*places, DEBIAN_FASHION] if name == "fashion-mnist" else places


def _download(name: str) -> Path:
    """Download with torchvision, which checks the files; only whole files enter the cache.

    torchvision leaves what it could not finish where it wrote it, and later takes any file of
    the right name for the data: so it writes to a scratch folder, which is always removed.
    """
    chosen = KNOWN_SETS[name]
    folder, names = _cache_root() / chosen.kind / "raw", chosen.files
    by_hand = f"or put {', '.join(names.values())}, plain or .gz, in {folder}{chosen.by_hand}"
    what, got = f"data set '{name}'", "a torchvision that cannot be used"
    fix = "pip install --force-reinstall 'brainsleep[vision]'"
    try:
        from torchvision import datasets

        make = getattr(datasets, chosen.kind)
        got, fix = "a failed download", "check the network and the free space, and try again"
        _cache_root().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="partial-", dir=_cache_root()) as scratch:
            with ExitStack() as stack:
                stack.enter_context(redirect_stdout(sys.stderr))
                stack.callback(socket.setdefaulttimeout, socket.getdefaulttimeout())
                socket.setdefaulttimeout(TIMEOUT)  # torchvision has no setting for it
                make(scratch, download=True, **chosen.options)
            files = idx_files(Path(scratch, chosen.kind, "raw"), names)
            if len(files) < len(names):
                raise data_error(what, f"only {len(files)} files from torchvision", "four")
            folder.mkdir(parents=True, exist_ok=True)
            for path in files.values():
                os.replace(path, folder / path.name)
    except DataError:
        raise
    except Exception as error:  # import, network, checksum, archive and disk errors alike
        if "corrupted" in str(error):  # torchvision's word for a wrong checksum
            got = "a download with the wrong checksum"
            fix = "see whether a proxy or login page answers in its place, and try again"
        got = f"{got} ({type(error).__name__}: {error})"
        raise data_error(what, got, f"torchvision's {chosen.kind}", f"{fix}, {by_hand}") from error
    return folder

"""Data sets that torchvision provides, with the real torchvision but without a network."""

import gzip
import hashlib
import io
import socket
import struct
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import numpy as np
import pytest
from image_files import search_within

from brainsleep.errors import DataError
from brainsleep.tasks.images import public as known
from brainsleep.tasks.images.datasets import load_dataset
from brainsleep.tasks.images.public import KNOWN_SETS

torchvision = pytest.importorskip(
    "torchvision",
    reason="torchvision is not installed: pip install 'brainsleep[vision]'",
    exc_type=ImportError,
)
pytestmark = pytest.mark.torch

NAMES = list(KNOWN_SETS)


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """Keep the search for data sets inside tmp_path, and refuse every connection."""
    search_within(tmp_path, monkeypatch)
    serve(monkeypatch, {})


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "home/.cache/brainsleep/data"


def make_arrays(name, seed=0):
    """Images that are all different, labelled as in the files: EMNIST's letters from 1 to 26."""
    rng = np.random.default_rng(seed)
    first, n_labels = (1, 26) if name.startswith("emnist") else (0, 10)
    arrays = {}
    for part, number in (("", 104), ("test_", 52)):
        arrays[f"{part}images"] = rng.integers(0, 256, (number, 28, 28), dtype=np.uint8)
        arrays[f"{part}labels"] = (rng.permutation(number) % n_labels + first).astype(np.uint8)
    return arrays


def idx_files(name, arrays):
    """Content of the gzipped files, by name."""
    files = {}
    for field, array in arrays.items():
        header = struct.pack(f">2xBB{array.ndim}I", 8, array.ndim, *array.shape)
        files[KNOWN_SETS[name].files[field] + ".gz"] = gzip.compress(header + array.tobytes())
    return files


def write_layout(root, name, arrays):
    """Write the files as torchvision leaves them: unpacked, in NAME/raw."""
    folder = root / KNOWN_SETS[name].kind / "raw"
    folder.mkdir(parents=True)
    for file, content in idx_files(name, arrays).items():
        (folder / file.removesuffix(".gz")).write_bytes(gzip.decompress(content))
    return root


def torchvision_class(name):
    return getattr(torchvision.datasets, KNOWN_SETS[name].kind)


def torchvision_reads(name, root):
    """What torchvision's own class reads, as the images and labels of a `Dataset`."""
    arrays = {}
    for part, train in (("", True), ("test_", False)):
        read = torchvision_class(name)(
            root, train=train, download=False, **KNOWN_SETS[name].options
        )
        images, labels = read.data.numpy(), read.targets.numpy()
        if name == "emnist-letters-aj":
            keep = labels <= 10
            assert read.classes[1:11] == list("abcdefghij")
            images, labels = images[keep].transpose(0, 2, 1), labels[keep] - 1
        arrays |= {f"{part}images": images, f"{part}labels": labels}
    return arrays


def assert_holds(dataset, arrays):
    for field, array in arrays.items():
        np.testing.assert_array_equal(getattr(dataset, field), array)


class Response(io.BytesIO):
    def __init__(self, url, content):
        super().__init__(content)
        self.url, self.length = url, len(content)


def serve(monkeypatch, files, error=None):
    """Let urllib give these files by their last name and nothing else; gives the URLs asked."""
    asked = []

    def urlopen(request, *args, **kwargs):
        url = request.full_url if isinstance(request, urllib.request.Request) else request
        asked.append((url, socket.getdefaulttimeout()))
        if (content := files.get(url.rpartition("/")[2])) is None:
            raise error or urllib.error.URLError("Temporary failure in name resolution")
        return Response(url, content)

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    return asked


def serve_set(monkeypatch, name, arrays, damage=(), missing=()):
    """Serve a data set whose checksums torchvision is told; `damage` makes some of them wrong."""
    files, kind = idx_files(name, arrays), torchvision_class(name)
    if name == "emnist-letters-aj":
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as packed:
            for file, content in files.items():
                packed.writestr(f"gzip/{file}", content)
                packed.writestr(f"gzip/{file.replace('letters', 'digits')}", content)
        files = {"gzip.zip": archive.getvalue()}
        monkeypatch.setattr(kind, "md5", hashlib.md5(files["gzip.zip"]).hexdigest())
    else:
        sums = [(file, hashlib.md5(content).hexdigest()) for file, content in files.items()]
        monkeypatch.setattr(kind, "resources", sums)
    last = list(files)[-1]
    if "last" in damage:
        files[last] = b"<html>log in</html>"
    if "cut" in damage:
        files[last] = files[last][:-50]
    if "other" in damage:  # a whole file, but not the one expected
        other = idx_files(name, make_arrays(name, seed=1))
        files[last] = other.get(last, b"PK\5\6" + bytes(18))
    return serve(monkeypatch, {file: files[file] for file in files if file not in missing})


@pytest.mark.parametrize("name", NAMES)
def test_same_arrays_as_torchvision(tmp_path, name):
    root = write_layout(tmp_path / "root", name, make_arrays(name))
    dataset = load_dataset(name, root=root)
    assert_holds(dataset, torchvision_reads(name, root))
    assert dataset.n_classes == 10
    assert dataset.official_split


def test_letters_are_upright_as_torchvision_shows_them_turned(tmp_path):
    """The usual remedy with torchvision is to turn by -90 degrees and mirror; ours is the same."""
    name = "emnist-letters-aj"
    root = write_layout(tmp_path / "root", name, make_arrays(name))
    emnist = torchvision.datasets.EMNIST(root, split="letters")
    image, label = next(item for item in emnist if item[1] <= 10)
    turn, mirror = torchvision.transforms.functional.rotate, torchvision.transforms.functional.hflip
    dataset = load_dataset(name, root=root)
    np.testing.assert_array_equal(dataset.images[0], np.asarray(mirror(turn(image, -90))))
    assert dataset.labels[0] == label - 1


@pytest.mark.parametrize("name", NAMES)
def test_download(cache, monkeypatch, capsys, name):
    arrays = make_arrays(name)
    asked = serve_set(monkeypatch, name, arrays)
    before = socket.getdefaulttimeout()
    dataset = load_dataset(name)
    assert asked and all(timeout == known.TIMEOUT for _, timeout in asked)
    assert socket.getdefaulttimeout() == before
    assert_holds(dataset, torchvision_reads(name, cache))  # which finds it there too
    kind = KNOWN_SETS[name].kind
    assert [path.name for path in cache.iterdir()] == [kind]
    files = {path.name for path in (cache / kind / "raw").iterdir()}
    assert files == set(KNOWN_SETS[name].files.values())
    assert capsys.readouterr().out == ""
    asked.clear()
    assert load_dataset(name).fingerprint == dataset.fingerprint
    assert not asked


def assert_nothing_there(cache):
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "error",
    [
        urllib.error.URLError(socket.gaierror(-3, "Temporary failure in name resolution")),
        urllib.error.HTTPError("http://x", 503, "Service Unavailable", {}, None),
        TimeoutError("timed out"),
        ConnectionResetError(104, "Connection reset by peer"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_network(cache, monkeypatch, name, error):
    serve(monkeypatch, {}, error)
    with pytest.raises(DataError) as caught:
        load_dataset(name)
    text = str(caught.value)
    assert text.startswith(f"data set '{name}': got a failed download (")
    assert "\n" not in text
    for part in (str(error), "check the network", "or put", *KNOWN_SETS[name].files.values()):
        assert part in text
    assert str(cache / KNOWN_SETS[name].kind / "raw") in text
    assert ("dataset-fashion-mnist" in text) == (name == "fashion-mnist")
    assert_nothing_there(cache)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", ["last", "cut", "other"])
def test_wrong_checksum(cache, monkeypatch, name, damage):
    arrays = make_arrays(name)
    serve_set(monkeypatch, name, arrays, damage=(damage,))
    for _ in range(2):  # what the first try left is not taken for data by the second
        with pytest.raises(DataError, match=r"download with the wrong checksum .*proxy.*or put"):
            load_dataset(name)
        assert_nothing_there(cache)
    serve_set(monkeypatch, name, arrays)
    assert_holds(load_dataset(name), torchvision_reads(name, cache))


def test_connection_lost_half_way(cache, monkeypatch):
    arrays = make_arrays("mnist")
    serve_set(monkeypatch, "mnist", arrays, missing=["t10k-labels-idx1-ubyte.gz"])
    with pytest.raises(DataError, match=r"failed download \(RuntimeError: Error downloading t10k"):
        load_dataset("mnist")
    assert_nothing_there(cache)


def test_interrupted(cache, monkeypatch):
    """Ctrl-C is passed on, and leaves nothing."""
    serve(monkeypatch, {}, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        load_dataset("mnist")
    assert_nothing_there(cache)


def test_what_torchvision_itself_left_unfinished(tmp_path, monkeypatch):
    """Its own failed download in data/ is either passed over or named as damaged."""
    arrays = make_arrays("mnist")
    root = tmp_path / "data"
    asked = serve_set(monkeypatch, "mnist", arrays, missing=["t10k-images-idx3-ubyte.gz"])
    with pytest.raises(RuntimeError):
        torchvision.datasets.MNIST(root, download=True)
    assert len(list((root / "MNIST/raw").iterdir())) == 4  # two packed, two unpacked
    with pytest.raises(DataError, match="failed download"):
        load_dataset("mnist")
    asked = serve_set(monkeypatch, "mnist", arrays, damage=["cut"])
    with pytest.raises(RuntimeError):
        torchvision.datasets.MNIST(root, download=True)
    assert (root / "MNIST/raw/t10k-labels-idx1-ubyte.gz").is_file()
    asked.clear()
    message = r"data/MNIST/raw/t10k-labels-idx1-ubyte\.gz: got .*; download"
    with pytest.raises(DataError, match=message):
        load_dataset("mnist")
    assert not asked


def test_disk_full(cache, monkeypatch):
    arrays = make_arrays("kmnist")
    serve_set(monkeypatch, "kmnist", arrays)

    def replace(source, target):
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr(known.os, "replace", replace)
    with pytest.raises(DataError, match=r"No space left on device.*the free space"):
        load_dataset("kmnist")
    assert not [path for path in Path(cache).rglob("*") if path.is_file()]

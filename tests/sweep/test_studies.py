"""The study's scripts: what they would run loads, their data are what they say, tables are true."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from brainsleep.backends.cpp.build import build_key
from brainsleep.results.table import read
from brainsleep.run.segment import Capacity
from brainsleep.sweep.grid import addressed, read_grids
from brainsleep.tasks.images.datasets import load_dataset, split

ROOT = Path(__file__).parents[2]
STUDIES, PAPER = ROOT / "studies", ROOT / "figures/paper"

pytestmark = pytest.mark.skipif(not STUDIES.is_dir(), reason="not in a checkout")


@pytest.fixture(autouse=True)
def on_path(monkeypatch):
    monkeypatch.syspath_prepend(str(STUDIES))


def test_pages_hold_the_tables_of_the_runs():
    done = subprocess.run(
        [sys.executable, STUDIES / "tabulate.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("study", "table"),
    [
        ("reproduction", "runs.csv"),
        pytest.param("search", "search.csv", marks=pytest.mark.long),
    ],
)
def test_everything_planned_was_run_and_nothing_else(study, table):
    rows = [row for grid in read_grids(str(STUDIES / f"{study}.py")) for row in grid.rows()]
    keys = [(r.grid, r.condition, Path(r.protocol.task.data.source).stem, r.seed) for r in rows]
    assert len(set(keys)) == len(keys) > 100
    found = read(PAPER / table)
    assert set(map(tuple, found[["grid", "condition", "data", "seed"]].to_numpy())) == set(keys)
    assert len(found) == len(keys) and found["run_id"].str.fullmatch("[0-9a-f]{16}").all()


def test_smoke_grid_is_thirty_rows_of_one_network():
    (grid,) = read_grids(str(STUDIES / "smoke.toml"))
    rows = addressed(grid.rows())
    assert len({row.run_id for row in rows}) == 30
    keys = {build_key(row.protocol.network, Capacity()) for row in rows}
    assert len(keys) == 1


def made(tmp_path, official):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (1200, 28, 28), dtype=np.uint8)
    labels = np.arange(1200) % 10
    arrays = {"images": images, "labels": labels}
    if official:
        arrays |= {"test_images": images[::-1][:1100], "test_labels": labels[::-1][:1100]}
    path = tmp_path / "made.npz"
    np.savez(path, **arrays)
    return str(path)


@pytest.mark.parametrize("official", [False, True])
def test_images_for_the_search_are_never_tested_on(tmp_path, official):
    import variants

    source = made(tmp_path, official)
    found = load_dataset(variants.for_search(source, "mnist", tmp_path / "data"))
    tested = split(load_dataset(source), 0, 0, 1000, np.random.default_rng(0)).test
    searched = {image.tobytes() for image in found.images}
    if official:
        assert len(searched) == 1200  # all of the training images
    else:
        assert len(searched) == 200
        assert not searched & {image.tobytes() for image in tested.images}


@pytest.mark.parametrize("official", [False, True])
@pytest.mark.parametrize("kind", ["noisy", "shifted"])
def test_harder_images_leave_training_as_it_is(tmp_path, kind, official):
    import variants

    source = made(tmp_path, official)
    harder = load_dataset(variants.harder(source, "mnist", kind, tmp_path / "data"))
    plain, hard = (
        split(data, 50, 20, 1000, np.random.default_rng(3))
        for data in (load_dataset(source), harder)
    )
    for part in ("train", "readout"):
        np.testing.assert_array_equal(getattr(plain, part).images, getattr(hard, part).images)
        np.testing.assert_array_equal(getattr(plain, part).labels, getattr(hard, part).labels)
    assert sorted(plain.test.labels) == sorted(hard.test.labels)


def test_noise_and_shift_are_as_stated():
    import variants

    images = np.full((500, 28, 28), 100, np.uint8)
    changed = variants.noisy(images) != images
    assert changed.mean() == pytest.approx(0.1 * 255 / 256, abs=0.003)
    dot = np.zeros((400, 28, 28), np.uint8)
    dot[:, 10, 12] = 7
    rows, columns = np.nonzero(variants.shifted(dot).sum(axis=0))
    assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == {
        (8, 10), (8, 14), (12, 10), (12, 14)}  # fmt: skip
    assert variants.shifted(dot).sum() == 7 * 400

"""The study's scripts: what they would run loads, their data are what they say, tables are true."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from brainsleep.backends.cpp.build import build_key
from brainsleep.results.table import read, tabulate
from brainsleep.run.segment import Capacity
from brainsleep.sweep.grid import addressed, read_grids
from brainsleep.sweep.run import sweep
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


def search_table():
    import paper_search
    import tabulate as tables

    return paper_search, tables, read(PAPER / "paper_search.csv")


def test_search_of_the_papers_network_is_what_was_planned():
    search, _, found = search_table()
    keys = {
        (grid.name, condition.name, Path(source).stem, seed)
        for grid in search.GRIDS
        for condition in grid.conditions
        for source in grid.over["data.source"]
        for seed in grid.seeds
    }
    assert set(map(tuple, found[["grid", "condition", "data", "seed"]].to_numpy())) == keys
    assert len(found) == len(keys)
    seeds = [set(search.SEEDS[stage]) for stage in (1, 2, 3)]
    assert sum(map(len, seeds)) == len(set.union(*seeds))
    rows = search.SMALL.rows() + search.of_stage(3)[0].rows()[:5]
    assert [row.condition.split(" / ")[1] for row in rows[:3]] == list(search.ARMS)
    assert [row.reference is not None for row in rows[:3]] == [False, False, True]
    assert "/final/" in rows[-1].protocol.source


def test_settings_were_chosen_by_the_rule_that_was_written_down():
    search, tables, found = search_table()
    for data in search.DATA:
        first = tables.mean_margins(tables.arms(found, "stage 1", data))
        assert list(first.index) == list(search.SETTINGS)
        assert set(first.max(axis=1).nlargest(2).index) == set(search.CHOSEN[data])
        rows = tables.arms(found, "stage 2", data)
        second = tables.mean_margins(rows)
        assert set(second.index) == set(search.CHOSEN[data])
        setting, readout = second.stack().idxmax()
        assert (setting, readout) == search.WINNERS[data]
        slept = rows[(rows["setting"] == setting) & (rows["arm"] == "sleep")]
        starts = {p.name: p.weights.low for p in search.PAPER.projections} | {
            key.split(".")[2]: value
            for key, value in search.SETTINGS[setting].common.items()
            if key.endswith("weights.low")
        }
        for name, start in starts.items():
            w = start * slept[f"growth_{name}"].mean()
            assert search.SLEPT_WEIGHTS[data][name] == pytest.approx(w, abs=0.006)


def test_frozen_networks_of_the_search_have_the_rate_of_sleep():
    _, _, found = search_table()
    rows = found.assign(setting=found["condition"].str.rpartition(" / ")[0])
    rates = rows.assign(arm=rows["condition"].str.rpartition(" / ")[2]).pivot(
        index=["grid", "setting", "data", "seed"], columns="arm", values="rate_test_e_hz"
    )
    assert len(rates) > 30
    np.testing.assert_allclose(rates["frozen"], rates["sleep"], rtol=0.1)


@pytest.mark.long
def test_a_small_search_runs(tmp_path):
    import paper_search

    end = sweep(paper_search.SMALL, out=tmp_path, workers=1)
    assert (end.finished, end.failed) == (6, {})
    table = tabulate(tmp_path, paper_search.SMALL.rows())
    by_arm = {c.split(" / ")[1]: rows for c, rows in table.groupby("condition")}
    slept, normalised, frozen = (by_arm[arm] for arm in paper_search.ARMS)
    assert (frozen["n_train"] == 0).all() and (slept["sleep_s"] > 20).all()
    np.testing.assert_allclose(normalised["sleep_s"], 0.004)  # 1 ms after every 35 s
    np.testing.assert_allclose(frozen["rate_test_e_hz"], slept["rate_test_e_hz"], rtol=0.1)
    for accuracy in (table["network_accuracy"], table["network_accuracy_50"]):
        assert (accuracy > 0.3).all()  # chance is 0.1


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


def test_images_to_choose_by_are_not_those_of_the_final_test(tmp_path, monkeypatch):
    import variants

    monkeypatch.setattr(variants, "N_HELD_OUT", 100)
    paths = variants.for_paper_search(made(tmp_path, official=False), "mnist", tmp_path / "parts")
    chosen, chosen_noisy, final, final_noisy = map(load_dataset, paths)
    parts = [final.images, chosen.test_images, final.test_images]
    every = {image.tobytes() for part in parts for image in part}
    assert len(every) == sum(map(len, parts)) == 1200  # none is in two parts
    np.testing.assert_array_equal(chosen.images, final.images)
    for clean, noisy in ((chosen, chosen_noisy), (final, final_noisy)):
        np.testing.assert_array_equal(clean.images, noisy.images)
        np.testing.assert_array_equal(clean.test_labels, noisy.test_labels)
        assert (clean.test_images != noisy.test_images).mean() == pytest.approx(0.1, abs=0.01)


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

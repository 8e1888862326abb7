"""Tables of results: which columns there are, what is left out, files."""

import io
import json
import re
import sys

import numpy as np
import pandas as pd
import pytest
from conftest import QUICK, TINY
from rich.console import Console

from brainsleep.errors import MissingExtraError, StoreError, SweepError
from brainsleep.results.store import read_result, write_result
from brainsleep.results.table import BASE, choose, flatten, read, tabulate, write
from brainsleep.run.simulate import simulate
from brainsleep.show.describe import describe
from brainsleep.show.facts import headline
from brainsleep.sweep.grid import Grid
from brainsleep.sweep.worker import run_rows

RULE = "network.projections.*.rules.stdp_nearest_reversed"
SHORT = {"data.n_train": 4, "record.raster": (), "record.snapshots": ()}

GRID = Grid(
    name="short",
    protocol=TINY,
    changes=SHORT,
    over={"schedule.sleep.fraction": [0.0, 0.5], "schedule.sleep.gates.noise": [0, 1]},
    seeds=2,
    backend=QUICK,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("results")
    for row in GRID.rows():
        simulate(row.protocol, seed=row.seed, backend=QUICK, out=out)
    return out


def shown(protocol):
    """What `show` prints, on wide paper."""
    console = Console(width=300, file=io.StringIO())
    for part in describe(protocol):
        console.print(part)
    return console.file.getvalue()


SLEEPS = {  # settings of a schedule, and sleep over wake
    "capped": ({"fraction": 1.0}, 10 / 35),
    "not capped": ({"fraction": 0.2}, 0.2),
    "none": ({"fraction": 0.0}, 0.0),
    "of a length": ({"fraction": 0.5, "duration": "6*second"}, 0.5),
    "of a length, capped": ({"fraction": 0.5, "duration": "20*second"}, 10 / 40),
    "after images": (
        {"fraction": 0.3, "duration": "2*second", "cadence": "images"}, 2 / 3,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SLEEPS)
def test_sleep_as_scheduled_is_what_the_schedule_lays_out(case):
    settings, ratio = SLEEPS[case]
    changes = {f"schedule.sleep.{key}": value for key, value in settings.items()}
    long = {"schedule.period": "35*second", "schedule.image_duration": "1*second"}
    protocol = TINY.override(long | {"schedule.sleep.max_duration": "10*second"} | changes)
    schedule = protocol.schedule
    asleep, awake = float(schedule.sleep_duration), float(schedule.wake_duration)
    assert asleep / awake == pytest.approx(ratio)
    if asleep:
        slots = schedule.compile(840, 0, 0, protocol.network.gates, protocol.network.dt)
        steps = [slots.steps[slots.phase == kind].sum() for kind in ("sleep", "wake")]
        assert steps[0] / steps[1] == pytest.approx(ratio, rel=0.03)


def test_the_column_of_a_run_and_its_headline_are_as_scheduled(tmp_path):
    capped = TINY.override({**SHORT, "schedule.sleep.max_duration": "50*ms"})
    result = simulate(capped, seed=0, backend=QUICK, out=tmp_path)
    line = tabulate(tmp_path).iloc[0]
    assert (line["sleep_fraction"], line["sleep_scheduled"]) == (0.5, 0.25)
    assert line["sleep_s"] / line["wake_s"] == pytest.approx(0.25)
    assert headline(result)["sleep"] == "25 % of wake"


def test_show_says_how_weights_start(folder):
    assert "0.3" in shown(TINY) and "scaled to a sum" not in shown(TINY)
    scaled = TINY.override({"network.projections.ee.weights.incoming_sum": 12.0})
    assert "0.3, scaled to a sum of 12" in shown(scaled)
    assert "not where ei connects back" in shown(TINY)
    run = next(path for path in folder.iterdir() if (path / "result.json").exists())
    from_run = TINY.override({"saved_weights": str(run)})
    text = shown(from_run)
    assert text.count(f"from run {run.name}, trained") == 4
    assert text.count("as in that run") == 4
    some = from_run.override({"saved_weights.projections": "(ee)"})
    assert shown(some).count(f"from run {run.name}, trained") == 1


def test_one_row_a_run_with_settings_as_columns(folder):
    table = tabulate(folder)
    assert len(table) == 8 and table["run_id"].is_unique
    assert list(table.columns[: len(BASE)]) == list(BASE)
    assert [c for c in table if c.startswith("set.")] == ["set.schedule.sleep.gates.noise"]
    assert table["sleep_fraction"].tolist() == [0.0] * 4 + [0.5] * 4
    assert table["seed"].tolist() == [0, 1] * 4
    assert set(table["data"]) == {"digits"} and set(table["n_train"]) == {4}
    first = table.iloc[0]
    result = simulate(GRID.rows()[0].protocol, seed=0, backend=QUICK, out=folder)
    assert first["run_id"] == result.path.name
    assert first["network_accuracy"] == result.metrics["network_accuracy"]
    assert [first["network_interval.low"], first["network_interval.high"]] == result.metrics[
        "network_interval"
    ]
    timings = result.info["timings"]
    assert first["wall_s"] == pytest.approx(
        timings["build_s"] + timings["simulate_s"] + timings["readout_s"]
    )
    assert first["version.brian2"] == result.info["versions"]["brian2"]
    assert not any(isinstance(value, list | dict) for value in first)


def test_rules_are_parameters_and_a_hash_of_their_equations(folder, tmp_path):
    for changes in ({}, {RULE: "stdp:STDP_NEAREST"}, {f"{RULE}.lr": 0.01}):
        simulate(TINY.override(SHORT | changes), backend=QUICK, out=tmp_path)
    table = tabulate(tmp_path)
    base = "set.network.projections.ee.rules."
    assert set(table[f"{base}stdp_nearest_reversed.lr"].dropna()) == {0.0008, 0.01}
    hashes = table[f"{base}stdp_nearest_reversed.equations"].dropna()
    assert (
        len(hashes) == 2 and hashes.nunique() == 1 and re.fullmatch("[0-9a-f]{8}", hashes.iloc[0])
    )
    assert table[f"{base}stdp_nearest.name"].dropna().tolist() == ["stdp_nearest"]
    assert not any("\n" in str(value) for value in table.to_numpy().ravel())


def test_flat_keys_are_those_that_can_be_set():
    for key, value in flatten(TINY.describe()).items():
        if key.endswith((".equations", ".name", ".rules", ".processes", ".activities")):
            continue
        if value in (None, "") or key.split(".")[0] in ("name", "record", "hooks"):
            continue
        if "populations.input" in key or not re.search(r"lr|tau|size|fraction|weights.low", key):
            continue
        given = value if not isinstance(value, str) or "," not in value else f"({value})"
        same = TINY.override({key: given})
        assert same.describe() == TINY.describe(), key


def test_rows_of_a_grid_have_labels(folder):
    only = Grid(
        name="noisy",
        protocol=TINY,
        changes=SHORT | {"schedule.sleep.gates.noise": 1},
        over={"schedule.sleep.fraction": [0.5, 0.75]},  # the second was not run
        seeds=2,
        backend=QUICK,
    )
    table = tabulate(folder, only.rows())
    assert list(table.columns[:2]) == ["grid", "condition"]
    assert table["grid"].tolist() == ["noisy"] * 2
    assert table["condition"].tolist() == ["schedule.sleep.fraction=0.5"] * 2
    with pytest.raises(SweepError, match="none of the grid's rows"):
        tabulate(folder, Grid(name="g", protocol=TINY, seeds=[9], backend="numpy").rows())


def test_damaged_results_are_left_out(folder, tmp_path, caplog):
    rows = GRID.rows()[:3]
    for row in rows:
        assert run_rows([row_with_id(row)], tmp_path) == [{}]
    before = tabulate(tmp_path)
    broken = tmp_path / before["run_id"][1] / "result.json"
    text = broken.read_text()
    for damage in (text[: len(text) // 2], text.replace('"seed": 0', '"seed": 7'), ""):
        broken.write_text(damage)
        caplog.clear()
        after = tabulate(tmp_path)
        pd.testing.assert_frame_equal(
            after[list(BASE)], before.drop(index=1)[list(BASE)].reset_index(drop=True)
        )
        assert "left out" in caplog.text and before["run_id"][1] in caplog.text
    assert run_rows([row_with_id(rows[1])], tmp_path) == [{}]  # set aside and done again
    assert "set aside" in caplog.text
    exact = [c for c in before if not c.endswith("_s")]
    pd.testing.assert_frame_equal(tabulate(tmp_path)[exact], before[exact])


def row_with_id(row):
    from brainsleep.sweep.grid import addressed

    return addressed([row])[0]


@pytest.mark.parametrize("name", ["runs.csv", "runs.parquet"])
def test_files_hold_the_table(folder, tmp_path, name):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    table = tabulate(folder)
    write(table, tmp_path / "new" / name)
    found = read(tmp_path / "new" / name)
    pd.testing.assert_frame_equal(found, table, check_dtype=False)
    assert [p.name for p in (tmp_path / "new").iterdir()] == [name]


def test_choosing_rows(folder):
    table = tabulate(folder)
    assert len(choose(table, {"seed": "1", "sleep_fraction": "0.50"})) == 2
    with pytest.raises(SweepError, match="did you mean 'seed'"):
        choose(table, {"sed": "1"})
    with pytest.raises(SweepError, match="one of: 0, 1"):
        choose(table, {"seed": "5"})


def test_errors(folder, tmp_path, monkeypatch):
    with pytest.raises(StoreError, match="a folder of finished runs"):
        tabulate(tmp_path)
    table = tabulate(folder)
    with pytest.raises(SweepError, match=r"ending \.csv or \.parquet"):
        write(table, tmp_path / "runs.xls")
    with pytest.raises(StoreError, match="cannot read"):
        read(tmp_path / "none.csv")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        write(table, tmp_path / "file" / "runs.csv")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setattr(pd.DataFrame, "to_parquet", _without_pyarrow)
    with pytest.raises(MissingExtraError, match=r"brainsleep\[analysis\]"):
        write(table, tmp_path / "runs.parquet")


def _without_pyarrow(*args, **kwargs):
    raise ImportError("pyarrow")


def test_what_decides_nothing_is_no_column(folder, tmp_path):
    """Limits of alarms, and settings that came after a run and are as before."""
    stored = read_result(next(folder.glob("*/result.json")))
    kept = {key: value for key, value in stored.info.items() if key not in ("checksum", "run_id")}

    def columns_with(number, change):
        info = json.loads(json.dumps(kept))
        change(info["protocol"])
        write_result(tmp_path, f"{number:016}", info, {"ran": np.zeros(0)})
        return [name for name in tabulate(tmp_path) if name.startswith("set.")]

    def older(protocol):
        del protocol["record"]["alarms"], protocol["saved_weights"]

    assert columns_with(0, older) == columns_with(1, lambda protocol: None) == []
    limit = {"runaway": "3. hertz"}
    assert columns_with(2, lambda protocol: protocol["record"]["alarms"].update(limit)) == []
    ending = {"stop_on": ["nan"]}
    last = columns_with(3, lambda protocol: protocol["record"]["alarms"].update(ending))
    assert last == ["set.record.alarms.stop_on"]


def test_mixed_values_of_a_setting_are_text(tmp_path):
    for value in (np.nan, None):
        changes = {} if value is None else {"encoder.total": None}
        simulate(TINY.override(SHORT | changes), backend=QUICK, out=tmp_path)
    table = tabulate(tmp_path)
    assert table["set.encoder.total"].isna().tolist().count(True) == 1
    write(table, tmp_path / "runs.csv")
    pd.testing.assert_frame_equal(read(tmp_path / "runs.csv"), table, check_dtype=False)


def test_text_that_looks_like_something_else_stays_text(tmp_path):
    """A hash may be all digits, a version end in 0, a protocol be called like a missing value."""
    columns = {"run_id": "0012e45678901234", "protocol": "NA", "model": "null", "data": "1",
               "condition": "0.50", "set.a.equations": "00123456", "version.torch": "2.10",
               "seed": 3, "network_accuracy": 0.5}  # fmt: skip
    table = pd.DataFrame([columns, columns | {"run_id": "1" * 16, "set.a.equations": None}])
    write(table, tmp_path / "runs.csv")
    found = read(tmp_path / "runs.csv")
    assert found.iloc[0].to_dict() == columns
    assert found["run_id"][1] == "1" * 16 and found["set.a.equations"].isna().tolist()[1]
    assert found["network_accuracy"].dtype == float and list(found) == list(table)

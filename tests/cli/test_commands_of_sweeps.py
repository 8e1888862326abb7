"""`sweep plan`, `status` and `retry`, and what tells conditions apart afterwards."""

import io
import json
import sys

import pandas as pd
import pytest
from conftest import QUICK, TESTS
from filelock import FileLock

from brainsleep.cli.sweep_options import What
from brainsleep.errors import SweepError
from brainsleep.results.names import LEDGER
from brainsleep.sweep.grid import addressed
from brainsleep.sweep.ledger import failure_file, write_manifest
from brainsleep.sweep.worker import run_rows

STUDY = f"""
import sys

sys.path.insert(0, {TESTS!r})
from conftest import TINY

from brainsleep.run.compare import Condition

PROTOCOL = TINY.override({{"data.n_train": 4, "record.raster": (), "record.snapshots": ()}})
CONDITIONS = (
    Condition(name="nap", changes={{"schedule.sleep.fraction": 0.5}}),
    Condition(name="awake", changes={{"schedule.sleep.fraction": 0.0}}),
)
"""


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A folder in which a sweep over two conditions and three seeds is done."""
    folder = tmp_path_factory.mktemp("swept")
    (folder / "study.py").write_text(STUDY)
    what = What(source=str(folder / "study.py"), conditions="all", seeds="3", backend=QUICK)
    rows = addressed(what.rows())
    write_manifest(folder / "out", rows, what.asked())
    for row in rows:
        assert run_rows([row], folder / "out") == [{}]
    return folder


def begun(folder, **given):
    """Write down a sweep of one condition and two seeds as begun; return its rows."""
    (folder / "study.py").write_text(STUDY)
    what = What(source=str(folder / "study.py"), seeds="2", backend="numpy", **given)
    rows = addressed(what.rows())
    write_manifest(folder / "out", rows, what.asked())
    return rows


def fail(folder, row, error="too few classes"):
    path = failure_file(folder / "out", row)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"error": error}))


def test_plan_shows_what_differs_and_nothing_else(call, swept):
    study = swept / "study.py"
    code, out, err = call("sweep", "plan", study, "--conditions", "all", "--backend", "numpy")
    assert code == 0, err
    lines = [line.split() for line in out.splitlines()]
    assert ["condition"] in lines and ["nap"] in lines and ["awake"] in lines
    assert out.startswith("2 rows")
    assert (
        out.splitlines()[-1]
        == ("the same in all: grid study, model recurrent_stdp, data digits, seed 0, backend numpy")
        or "the same in all: grid study" in out
    )
    over = ("--over", "schedule.image_duration=50*ms,60*ms", "--seeds", "3,5")
    _, out, _ = call("sweep", "plan", study, *over)
    lines = [line.split() for line in out.splitlines()]
    assert ["schedule.image_duration", "seed"] in lines and "condition" not in out
    assert ["60*ms", "5"] in lines and "4 rows" in out and "seed 3" not in out


def test_plan_as_commands_and_json(call, swept):
    words = ("sweep", "plan", swept / "study.py", "--conditions", "nap", "--out", "there")
    _, out, _ = call(*words, "--commands")
    assert out.startswith("brainsleep run ") and "--set schedule.sleep.fraction=0.5" in out
    (row,) = json.loads(call(*words, "--json")[1])
    assert row["condition"] == "nap" and row["command"] == out.strip()


def test_status_counts_all_states(call, tmp_path):
    rows = begun(tmp_path, conditions="all")
    out = tmp_path / "out"
    code, said, _ = call("sweep", "status", out)
    assert code == 0 and "0 of 4 rows finished, 4 waiting" in said
    fail(tmp_path, rows[0])
    fail(tmp_path, rows[1])
    fail(tmp_path, rows[2], "[not] a number")
    (out / ".locks").mkdir()
    with FileLock(out / ".locks" / rows[3].run_id):
        _, said, _ = call("sweep", "status", out)
    assert "0 of 4 rows finished, 3 failed, 1 running" in said
    assert "failed: nap, seed 0 and 1 more: too few classes" in said
    assert "failed: nap, seed 1: [not] a number" in said
    assert f"'brainsleep sweep retry {out}' runs the failed rows again" in said
    assert "0 of 4 rows finished, 3 failed, 1 waiting" in call("sweep", "status", out)[1]


def test_status_shows_the_first_errors(call, tmp_path):
    for number, row in enumerate(begun(tmp_path, over=["data.n_test=10,11,12,13"])):
        fail(tmp_path, row, f"error {number}")
    _, said, _ = call("sweep", "status", tmp_path / "out")
    assert "error 4" in said and "error 5" not in said and "and 3 other errors" in said
    assert "error 7" in call("sweep", "status", tmp_path / "out", "--all")[1]


def test_retry_without_failures(call, swept):
    code, out, _ = call("sweep", "retry", swept / "out")
    assert code == 0 and out == "no row failed\n"


def test_retry_of_a_changed_grid(call, tmp_path):
    rows = begun(tmp_path)
    fail(tmp_path, rows[0])
    study = tmp_path / "study.py"
    study.write_text(STUDY.replace('"data.n_train": 4', '"data.n_train": 5'))
    code, _, err = call("sweep", "retry", tmp_path / "out")
    assert code == 2 and "1 failed rows that no grid has now" in err
    assert "run a grid that has changed with 'brainsleep sweep run'" in err
    study.write_text(STUDY)
    assert {row.run_id for row in addressed(What(source=str(study), seeds="2",
            backend="numpy").rows())} == {row.run_id for row in rows}  # fmt: skip


def test_retry_reads_no_code_from_results(call, tmp_path):
    """A folder of results is data: what it says is not run if it came with it."""
    rows = begun(tmp_path)
    fail(tmp_path, rows[0])
    out, told = tmp_path / "out", tmp_path / "told"
    evil = f"open({str(told)!r}, 'w').close()\n" + STUDY
    (out / "evil.py").write_text(evil)
    (grid,) = (out / LEDGER / "grids").iterdir()
    content = json.loads(grid.read_text())
    for asked in (
        {"source": str(out / "evil.py")},
        {"source": "demo", "settings": [f"network.populations.e.model={out / 'evil.py'}:LIF"]},
        {"source": "demo", "model": f"{out / 'evil.py'}:NET"},
        {"source": "demo", "workers": "3"},
        {"source": ["demo"]},
        {"seeds": "3"},
    ):
        grid.write_text(json.dumps(content | {"asked": asked}))
        code, _, err = call("sweep", "retry", out)
        assert code == 2 and len(err.strip().splitlines()) == 1, asked
    assert not told.exists()
    with pytest.raises(SweepError, match="give it to 'brainsleep sweep run' if you trust it"):
        What.from_asked({"source": str(out / "evil.py")}, out)


# -- names of conditions afterwards -------------------------------------------------------------


def test_tables_have_conditions_without_the_grid(call, swept, tmp_path):
    code, _, err = call("table", swept / "out", "--out", tmp_path / "runs.csv")
    assert code == 0, err
    frame = pd.read_csv(tmp_path / "runs.csv")
    assert list(frame.columns[:2]) == ["grid", "condition"] and len(frame) == 6
    assert set(frame["condition"]) == {"nap", "awake"} and set(frame["grid"]) == {"study"}
    assert (frame.set_index("condition").loc["awake", "sleep_fraction"] == 0).all()


def test_tables_are_printed_too(call, swept, monkeypatch):
    code, out, err = call("table", swept / "out", "--drop", "version.*")
    assert code == 0, err
    frame = pd.read_csv(io.StringIO(out))
    assert len(frame) == 6 and not any(c.startswith("version.") for c in frame)
    with monkeypatch.context() as patch:  # a terminal
        patch.setattr(sys.stdout, "isatty", lambda: True)
        code, out, err = call("table", swept / "out")
    assert code == 0, err
    head, *lines = (line.split() for line in out.splitlines() if line.strip())
    assert head[:5] == ["condition", "seed", "run", "accuracy", "(%)"]
    of_runs = [line for line in lines if line[0] in ("nap", "awake")]
    assert {line[2] for line in of_runs} == set(frame["run_id"]) and len(of_runs) == 6
    assert "no room for" in err and "--out" in err  # 80 columns


def test_statistics_of_any_pair(call, swept):
    code, out, err = call("statistics", swept / "out")
    assert code == 0, err
    row = next(line.split() for line in out.splitlines() if "awake" in line)
    assert row[:3] == ["awake", "nap", "3"]  # the grid's first condition is the reference
    assert "accuracy ~ C(sleep_fraction)" in out
    _, out, _ = call("statistics", swept / "out", "--pair", "nap", "awake", "--metric", "growth")
    row = next(line.split() for line in out.splitlines() if line.split()[:1] == ["nap"])
    assert row[:3] == ["nap", "awake", "3"] and "log odds" not in out
    assert "points" not in out and "%" not in out.splitlines()[0]


def test_statistics_of_one_seed_say_so(call, swept):
    code, out, _ = call("statistics", swept / "out", "--where", "seed=1")
    assert code == 0 and out.count("one seed says nothing of chance") == 2
    assert "log odds" not in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--pair", "nap", "awke"], "did you mean 'awake'"),
        (["--metric", "growht"], "did you mean 'growth'"),
        (["--where", "condition=nap"], "expected two conditions"),
        (["--pair", "nap"], "--pair"),
    ],
)
def test_bad_statistics(call, swept, words, message):
    code, _, err = call("statistics", swept / "out", *words)
    assert code == 2 and message in err and len(err.strip().splitlines()) == 1


def test_figures_of_chosen_results(call, swept, tmp_path, monkeypatch):
    from brainsleep.cli.figure import chosen_results

    out = swept / "out"
    found = chosen_results([out], [], ["condition=nap", "seed=2"])
    assert [(result.label, result.seed) for result in found] == [("nap", 2)]
    grid = tmp_path / "grid.toml"
    grid.write_text(
        f'name = "mine"\nprotocol = "{swept / "study.py"}"\nconditions = ["awake"]\nseeds = 2\n'
        f'backend = "{QUICK}"\n'
    )
    found = chosen_results([out], [str(grid)], [])
    assert [(result.label, result.seed) for result in found] == [("awake", 0), ("awake", 1)]
    png = tmp_path / "weights.png"
    code, _, err = call("figure", "weights", out, "--where", "seed=0", "--out", png)
    assert code == 0, err
    assert png.read_bytes().startswith(b"\x89PNG")
    for words, message in (
        ((found[0].path, "--where", "seed=0"), "expected folders of results"),
        ((out, "--where", "seed=9"), "table: seed: got 9"),
        ((out, "--where", "seed=0", "--label", "a"), "--label with single results"),
    ):
        code, _, err = call("figure", "weights", *words, "--out", png)
        assert code == 2 and message in err and len(err.strip().splitlines()) == 1


def test_help_of_figure_lists_them(call):
    code, out, _ = call("figure", "--help")
    assert code == 0
    for name in ("weights", "raster", "sleep_sweep"):
        assert any(line.split()[:1] == [name] for line in out.splitlines())
    assert "Weights of every projection" in out


@pytest.mark.long
def test_reports_name_conditions(swept):
    from brainsleep.results.table import results_in
    from brainsleep.show.report import of_folder, of_result

    page = of_folder(swept / "out")
    assert "nap, seed 0" in page and '<th scope="col">condition</th>' in page
    assert "condition" in of_result(results_in(swept / "out")[0])

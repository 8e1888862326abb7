"""Grids: which rows a file, a protocol or Python gives, and how they are addressed."""

import shlex

import pytest
from brian2 import ms
from conftest import TINY

from brainsleep.cli.console import key_values, split_values
from brainsleep.errors import BrainsleepError, ProtocolError, SweepError
from brainsleep.experiment.protocol import load_protocol, run_id
from brainsleep.models.stdp import STDP_NEAREST
from brainsleep.run.compare import Condition
from brainsleep.sweep.grid import Grid, addressed, as_text, read_grids
from brainsleep.tasks.images.datasets import load_dataset

FRACTION = "schedule.sleep.fraction"


def write(tmp_path, text, name="grid.toml"):
    path = tmp_path / name
    path.write_text(text)
    return str(path)


def test_rows_are_the_product_and_go_seed_by_seed():
    grid = Grid(
        name="g",
        protocol=TINY,
        over={FRACTION: [0.1, 0.2], "data.n_train": [4, 8]},
        conditions=[Condition(name="a"), Condition(name="b", changes={"data.n_test": 10})],
        seeds=2,
        backend="numpy",
    )
    rows = grid.rows()
    assert len(rows) == 2 * 2 * 2 * 2
    assert [row.seed for row in rows] == [0] * 8 + [1] * 8
    assert rows[0].settings == {FRACTION: "0.1", "data.n_train": "4"}
    assert [row.condition for row in rows[:4]] == ["a", "b", "a", "b"]
    assert rows[3].protocol.task.data.n_train == 8 and rows[3].protocol.task.data.n_test == 10
    assert rows[3].protocol.schedule.sleep.fraction == 0.1
    assert len({row.run_id for row in addressed(rows)}) == len(rows)


def test_address_is_the_id_of_the_run():
    row = addressed(Grid(name="g", protocol=TINY, seeds=[3], backend="numpy").rows())[0]
    assert row.run_id == run_id(TINY, 3, "numpy", load_dataset("digits").fingerprint)
    assert addressed([row])[0].run_id == row.run_id


def test_matched_rows_have_an_address_of_their_own():
    conditions = [
        Condition(name="sleep"),
        Condition(
            name="frozen",
            changes={"data.n_train": 0},
            match_rate="sleep",
            scale="network.projections.input_e.weights.low",
        ),
    ]
    grid = Grid(name="g", protocol=TINY, conditions=conditions, seeds=2, backend="numpy")
    rows = addressed(grid.rows())
    assert [row.condition for row in rows] == ["sleep", "frozen"] * 2
    for sleeping, frozen in (rows[:2], rows[2:]):
        assert frozen.reference.run_id == sleeping.run_id
        assert frozen.reference.seed == frozen.seed
        own = run_id(frozen.protocol, frozen.seed, "numpy", load_dataset("digits").fingerprint)
        assert frozen.run_id not in (own, sleeping.run_id)
    with pytest.raises(SweepError, match="no single command"):
        rows[1].command("out")


def test_commands_give_the_same_runs():
    grid = Grid(
        name="g",
        protocol="demo",
        changes={"record.raster": (), "schedule.image_duration": 300 * ms},
        over={
            FRACTION: [0.0, 0.1],
            "encoder.total": [20.5],
            "network.projections.*.rules.stdp_released": ["stdp:STDP_NEAREST"],
        },
        seeds=[7],
        backend="numpy",
    )
    for row in addressed(grid.rows()):
        words = shlex.split(row.command("some folder"))
        assert words[:3] == ["brainsleep", "run", "demo"]
        options = list(zip(words[3::2], words[4::2], strict=True))
        assert ("--seed", "7") in options and ("--out", "some folder") in options
        changes = key_values([value for name, value in options if name == "--set"], "--set")
        protocol = load_protocol("demo").override(changes)
        fingerprint = load_dataset("digits").fingerprint
        assert run_id(protocol, 7, "numpy", fingerprint) == row.run_id


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"),
        (3, "3"),
        (None, "none"),
        (True, "true"),
        ((34, 37), "(34,37)"),
        ((), "()"),
        ("stdp:X", "stdp:X"),
        (300 * ms, "0.3 second"),
    ],
)
def test_values_as_text(value, text):
    assert as_text(value, "key") == text


def test_objects_have_no_text():
    grid = Grid(name="g", protocol=TINY, backend="numpy")
    with pytest.raises(SweepError, match="not in a file"):
        grid.rows()[0].command("out")
    with pytest.raises(SweepError, match=r"FILE\.py:NAME"):
        as_text(STDP_NEAREST, "network.rule")


def test_values_are_split_outside_of_brackets():
    assert split_values("0.1, 0.2,0.3") == ["0.1", "0.2", "0.3"]
    assert split_values("(1,2),(3,4)") == ["(1,2)", "(3,4)"]
    assert split_values('"sleep, 20%",frozen') == ["sleep, 20%", "frozen"]
    assert split_values("7,") == ["7"]
    assert split_values("") == []


def test_grid_file(tmp_path):
    text = f"""
        protocol = "demo"
        seeds = [1, 5]
        backend = "numpy"
        [set]
        data.n_train = 20          # without quotes: a nested table
        "record.raster" = []
        [over]
        "{FRACTION}" = [0.0, 0.5]
    """
    (grid,) = read_grids(write(tmp_path, text, "fine.toml"))
    assert (grid.name, grid.seeds, grid.backend) == ("fine", (1, 5), "numpy")
    rows = grid.rows()
    assert len(rows) == 4 and {row.protocol.task.data.n_train for row in rows} == {20}
    assert [row.protocol.schedule.sleep.fraction for row in rows[:2]] == [0.0, 0.5]
    assert rows[1].condition == f"{FRACTION}=0.5"


def test_grid_file_with_several_grids_and_conditions(tmp_path):
    text = """
        [[grid]]
        name = "theirs"
        protocol = "demo"
        conditions = ["no sleep", "20 % sleep"]
        [[grid]]
        name = "mine"
        protocol = "demo"
        [[grid.conditions]]
        name = "long"
        set = {"schedule.image_duration" = "2*second"}
        [[grid.conditions]]
        name = "frozen"
        match_rate = "long"
        scale = "network.projections.input_e.weights.low"
        set.data.n_train = 0
    """
    theirs, mine = read_grids(write(tmp_path, text))
    assert [row.condition for row in theirs.rows()] == ["no sleep", "20 % sleep"]
    long, frozen = mine.rows()
    assert long.protocol.schedule.image_duration == 2000 * ms
    assert frozen.reference is long and frozen.protocol.task.data.n_train == 0


def test_protocols_and_python_files_are_grids(tmp_path):
    (grid,) = read_grids("demo")
    assert grid.name == "demo" and len(grid.rows()) == 1
    (tmp_path / "beside.py").write_text("SEEDS = [4, 5]\n")
    text = """
from beside import SEEDS
from brainsleep.sweep.grid import Grid
GRIDS = [Grid(name="a", protocol="demo", seeds=SEEDS)]
"""
    (grid,) = read_grids(write(tmp_path, text, "study.py"))
    assert [row.seed for row in grid.rows()] == [4, 5]
    wrong = write(tmp_path, "GRIDS = [1]\n", "wrong.py")
    with pytest.raises(SweepError, match="a list of Grid"):
        read_grids(wrong)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("protocol = ", "cannot be read"),
        ("seeds = 3", "names no protocol"),
        ('protocol = "demo"\nseed = 3', "Grid takes no 'seed'; did you mean 'seeds'"),
        ('protocol = "demo"\nseeds = "3"', "expected a whole number"),
        ('protocol = "demo"\nseeds = true', "expected a whole number"),
        ('protocol = "demo"\nseeds = [-1]', "a whole number of at least 0"),
        ('protocol = "demo"\nseeds = 0', "expected at least one"),
        ('protocol = "demo"\nbackend = "cp"', "did you mean 'cpp'"),
        ('protocol = "demo"\n[over]\n"a.b" = 3', "a list of values"),
        ('protocol = "demo"\n[over]\n"a.b" = []', "expected at least one"),
        ('protocol = "demo"\nconditions = "some"', '"all" or a list'),
        ('protocol = "demo"\nconditions = [3]', "a name, or a table"),
        ('protocol = "demo"\nconditions = [{name="a", scale="b"}]', "go together"),
        ('protocol = "demo"\n[[grid]]\nprotocol = "demo"', "nothing may stand outside"),
        ('[[grid]]\nprotocol = "demo"\n[[grid]]\nprotocol = "demo"', "two grids are called"),
    ],
)
def test_errors_in_files(tmp_path, text, message):
    with pytest.raises(SweepError, match=message):
        read_grids(write(tmp_path, text))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"conditions": ["no sleeep"]}, SweepError, "did you mean 'no sleep'"),
        ({"over": {"schedule.slep": [1]}}, ProtocolError, "there is no 'slep'"),
        ({"over": {FRACTION: ["much"]}}, ProtocolError, "write a value such as"),
        (
            {"over": {FRACTION: [0.5]}, "conditions": ["no sleep"]},
            SweepError,
            "which the grid varies",
        ),
        ({"conditions": ["frozen, rate matched"]}, SweepError, "not a condition before it"),
        ({"conditions": ["no sleep", "no sleep"]}, SweepError, "the same name"),
        ({"protocol": TINY, "conditions": "all"}, SweepError, "defines no CONDITIONS"),
        ({"protocol": "none"}, BrainsleepError, "unknown 'none'"),
    ],
)
def test_errors_in_grids(options, error, message):
    with pytest.raises(error, match=message):
        Grid(**{"name": "g", "protocol": "demo", **options}).rows()

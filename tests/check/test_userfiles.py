"""Files of users: each imports what lies beside it, no other's, and is read once a command."""

import pickle
import sys

import pytest
from conftest import ROOT, TESTS

from brainsleep.check.examine import examine
from brainsleep.cli import app as cli
from brainsleep.cli.new_study import new_study
from brainsleep.experiment.protocol import load_protocol, run_id
from brainsleep.files.load import load, load_module
from brainsleep.files.userfiles import reading_once
from brainsleep.show.difference import difference, side
from brainsleep.sweep.grid import Grid, addressed
from brainsleep.sweep.worker import pack
from brainsleep.values.plain import plain

STUDY = """
import pathlib
import sys
sys.path.append({tests!r})
from conftest import TINY
import helper
from helper import PERIOD as ONE
from parts.more import N_TRAIN
import parts.more as more
from random import random  # Python's own, whatever lies beside

with pathlib.Path(__file__).with_suffix(".log").open("a") as file:
    file.write("read\\n")
PROTOCOL = TINY.override({{"schedule.period": ONE, "data.n_train": N_TRAIN,
                           "data.n_readout": 0, "data.n_test": 0}})
MODELS = {{"slower": {{"schedule.period": "400*ms"}}}}
CONDITIONS = ()
assert more is helper.more and N_TRAIN == more.N_TRAIN

def late():
    import helper
    import later
    return helper.PERIOD, later.__name__
"""
HELPER = """
import pathlib
from parts import more
with pathlib.Path(__file__).with_suffix(".log").open("a") as file:
    file.write("read\\n")
PERIOD = "{period}*ms"
"""


def study(folder, period, n_train=8):
    """Write a study that gets its settings from files beside it."""
    (folder / "parts").mkdir(parents=True)
    path = folder / "study.py"
    path.write_text(STUDY.format(tests=TESTS))
    (folder / "helper.py").write_text(HELPER.format(period=period))
    (folder / "parts" / "more.py").write_text(f"N_TRAIN = {n_train}\n")
    (folder / "later.py").write_text("")
    (folder / "random.py").write_text("")
    return path


def period(protocol):
    return round(1000 * float(protocol.schedule.period))


@pytest.fixture
def two(tmp_path):
    return study(tmp_path / "a", 200), study(tmp_path / "b", 300, n_train=9)


def read(path):
    """How often a file was carried out."""
    return path.with_suffix(".log").read_text().count("read")


def call(*words):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["brainsleep", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            cli.main()
    return end.value.code


def test_neighbours_are_a_files_own(two):
    before = set(sys.modules)
    protocols = [load_protocol(str(path)) for path in (*two, *two)]
    assert [period(p) for p in protocols] == [200, 300, 200, 300]
    assert [p.task.data.n_train for p in protocols] == [8, 9, 8, 9]
    assert not {"helper", "parts", "parts.more", "later"} & (set(sys.modules) - before)
    value, name = load(f"{two[1]}:late")()
    assert value == "300*ms" and name.endswith(".later")


def test_neighbours_win_over_other_folders_on_the_path(two, monkeypatch):
    monkeypatch.syspath_prepend(str(two[0].parent))
    import helper  # noqa: F401  of the first

    try:
        changed = load_protocol(str(two[1]))
    finally:
        for name in ("helper", "parts", "parts.more"):
            del sys.modules[name]
    assert (period(changed), changed.task.data.n_train) == (300, 9)


def test_differences_are_seen(two):
    found = difference(side(str(two[0])), side(str(two[1])))
    assert {change.key for change in found.changes} == {"schedule.period", "data.n_train"}
    assert call("diff", *two) == 1
    assert call("diff", two[0], two[0]) == 0


def test_a_sweep_over_two_studies_keeps_its_rows(two):
    rows = addressed([row for p in two for row in Grid(name="g", protocol=str(p)).rows()])
    assert len({row.run_id for row in rows}) == 2


def test_what_was_edited_is_read_anew(two):
    path, helper = two[0], two[0].parent / "helper.py"
    for value in (200, 300, 400):  # as long as before, within a second
        helper.write_text(HELPER.format(period=value))
        assert period(load_protocol(str(path))) == value


def test_an_old_hook_keeps_its_source_when_its_file_is_edited(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("def hook(groups, t):\n    groups['e'].v = 1\n")
    old = load(f"{path}:hook")
    path.write_text("def hook(groups, t):\n    groups['e'].v = 2\n")
    new = load(f"{path}:hook")
    assert plain(old)["source"].endswith("= 1\n") and plain(new)["source"].endswith("= 2\n")


def test_a_neighbours_value_is_part_of_a_hook(tmp_path):
    for name, value in (("a", 1), ("b", 2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "helper.py").write_text(f"def value():\n    return {value}\n")
        text = "import helper\n\ndef hook(groups, t):\n    groups['e'].v = helper.value()\n"
        (tmp_path / name / "mine.py").write_text(text)
    one, other = (plain(load(f"{tmp_path / name / 'mine.py'}:hook")) for name in "ab")
    assert one["source"] == other["source"] and one != other


@pytest.mark.parametrize(
    "words",
    [
        ("show", "{study}"),
        ("show", "{study}", "--model", "slower"),
        ("diff", "{study}", "{study}"),
        ("check", "{study}"),
        ("run", "{study}", "--backend", "numpy", "--out", "{out}", "--model", "slower"),
    ],
    ids=lambda words: " ".join(words[:1]) + str(len(words)),
)
def test_a_command_reads_a_file_once(words, two, tmp_path):
    places = {"study": two[0], "out": tmp_path / "out"}
    assert call(*(word.format(**places) for word in words)) == 0
    assert read(two[0]) == read(two[0].parent / "helper.py") == 1


def test_rows_of_a_grid_read_it_once(two):
    Grid(name="g", protocol=str(two[0]), conditions=()).rows()
    assert read(two[0]) == 1
    with reading_once():
        load_module(str(two[0]), "protocol")
        load_protocol(str(two[0]), "slower")
    assert read(two[0]) == read(two[0].parent / "helper.py") == 2


def test_check_looks_at_a_files_own_neighbours(two):
    (two[1].parent / "helper.py").write_text("from parts import more\nPERIOD = '300*volt'\n")
    assert not examine(str(two[0])).mistakes
    assert examine(str(two[1])).mistakes


def test_messages_name_modules_as_files_do(tmp_path):
    (tmp_path / "helper.py").write_text("VALUE = 1\n")
    path = tmp_path / "mine.py"
    path.write_text("from helper import VALUES\n")
    with pytest.raises(Exception, match=r"mine.py, line 1: ImportError: .* 'VALUES' from 'helper'"):
        load_protocol(str(path))
    (finding,) = examine(str(path)).mistakes
    assert finding.text == "'helper' has no 'VALUES'"
    path.write_text("import helper.more\n")
    (finding,) = examine(str(path)).mistakes
    assert "'helper.more'" in finding.text


def test_hooks_that_use_neighbours_reach_workers(tmp_path):
    (tmp_path / "helper.py").write_text("def value():\n    return 1\n")
    text = STUDY.format(tests=TESTS).split("import helper")[0]
    text += (
        "import dataclasses\nimport helper\n\ndef hook(groups, t):\n"
        "    groups['e'].v = helper.value()\n\n"
        "PROTOCOL = dataclasses.replace(TINY, hooks={'on_sleep': hook})\n"
    )
    (tmp_path / "mine.py").write_text(text)
    (row,) = addressed(Grid(name="g", protocol=str(tmp_path / "mine.py"), backend="numpy").rows())
    packed = pack([row])
    users = [name for name in sys.modules if name.startswith("brainsleep_user_")]
    there = {name: sys.modules.pop(name) for name in users}  # as on a worker
    try:
        (copy,) = pickle.loads(packed)
        address = run_id(copy.protocol, 0, "numpy", "data")
    finally:
        sys.modules.update(there)
    assert address == run_id(row.protocol, 0, "numpy", "data")


def test_studies_as_new_writes_them(tmp_path):
    for name in ("one", "two"):
        new_study(tmp_path / name / "nap")
    models = tmp_path / "two" / "nap" / "nap_models.py"
    models.write_text(models.read_text().replace('"tau_m": 20 * ms', '"tau_m": 30 * ms'))
    paths = [str(tmp_path / name / "nap" / "nap.py") for name in ("one", "two")]
    assert not difference(*map(side, paths)).same


def test_the_package_itself_is_no_neighbour():
    path = ROOT / "brainsleep_beside_itself.py"
    path.write_text("import brainsleep.network.spec as spec\n")
    try:
        module = load_module(str(path), "model")
    finally:
        path.unlink()
    assert module.spec is sys.modules["brainsleep.network.spec"]

"""What runs are called: the names that a folder knows, and what is damaged or from elsewhere."""

import json

import pytest

from brainsleep.results.names import LEDGER, NAMED, Name, as_given, names_in, write_names
from brainsleep.results.store import read_result, write_result
from brainsleep.results.table import by_name, choose, tabulate

ONE = Name("grid", "sleep", {}, {"a": "1"})


def test_names_are_written_once_and_read_back(tmp_path):
    assert names_in(tmp_path) == {}
    write_names(tmp_path, {"f" * 16: ONE})
    write_names(tmp_path, {"f" * 16: ONE})
    assert names_in(tmp_path) == {"f" * 16: (ONE,)}
    assert len(list((tmp_path / LEDGER / NAMED).iterdir())) == 1
    other = Name("other", "nap", {"k": "2"}, {})
    write_names(tmp_path, {"f" * 16: other, "0" * 16: Name("", "", {}, {"a": "3"})})
    found = names_in(tmp_path)  # seen although the folder was read before
    assert sorted(found["f" * 16]) == [ONE, other]
    assert found["0" * 16][0].changes == {"a": "3"}


def test_a_single_run_has_no_name_beside_a_better_one(tmp_path):
    write_names(tmp_path, {"f" * 16: Name("", "", {}, {"a": "1"})})
    write_names(tmp_path, {"f" * 16: ONE})
    assert names_in(tmp_path)["f" * 16] == (ONE,)


def test_a_label_of_settings_is_no_name():
    assert ONE.named
    assert not Name("g", "a=1, b=2", {"a": "1", "b": "2"}, {}).named
    assert not Name("", "", {}, {}).named


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "{}", '{"rows": 3}', '{"rows": [3, {"run_id": 1}]}',
             '{"rows": [{"run_id": "f", "grid": "g", "condition": "c", "settings": []}]}']
)  # fmt: skip
def test_damaged_names_are_none(tmp_path, text):
    folder = tmp_path / LEDGER / NAMED
    folder.mkdir(parents=True)
    (folder / "damaged.json").write_text(text)
    assert names_in(tmp_path) == {}


def test_values_as_they_are_given():
    from brian2 import ms

    from brainsleep.models.lif import LIF

    given = [None, True, (1, 2.5), "mnist", 30 * ms, LIF]
    assert list(map(as_given, given)) == ["none", "true", "(1,2.5)", "mnist", "0.03 second", "lif"]


def test_a_run_with_several_names_has_one_row_and_is_found_by_each():
    import pandas as pd

    frame = pd.DataFrame({"run_id": ["x", "y"], "grid": ["g; h", "g"], "condition": ["a; b", "c"]})
    assert choose(frame, {"condition": "b"})["run_id"].tolist() == ["x"]
    assert choose(frame, {"grid": "g"})["run_id"].tolist() == ["x", "y"]
    apart = by_name(frame)
    assert apart[["grid", "condition"]].to_numpy().tolist() == [["g", "a"], ["h", "b"], ["g", "c"]]
    same = by_name(frame.assign(condition=["a", "c"]))
    assert same["condition"].tolist() == ["a", "a", "c"]


def test_a_result_finds_its_name_in_its_folder(tmp_path):
    result = write_result(tmp_path, "f" * 16, {"metrics": {}}, {})
    assert result.label == "" and result.names == ()
    write_names(tmp_path, {result.run_id: ONE})
    assert read_result(result.path).label == "sleep"
    moved = tmp_path / "elsewhere" / ("f" * 16)
    moved.parent.mkdir()
    result.path.rename(moved)
    assert read_result(moved).label == ""
    assert json.loads((moved / "result.json").read_text())["run_id"] == "f" * 16


def test_a_table_without_names_has_no_columns_of_them(tmp_path):
    from brainsleep.errors import StoreError

    with pytest.raises(StoreError, match="a folder of finished runs"):
        tabulate(tmp_path)

"""`brainsleep diff`: what differs between protocols and results, and whether it matters."""

import dataclasses
import json
import shutil
from functools import partial

import pytest
from conftest import QUICK, TINY

from brainsleep.errors import ProtocolError, StoreError
from brainsleep.experiment.protocol import run_id
from brainsleep.models.lif import LIF
from brainsleep.run.simulate import simulate
from brainsleep.show.difference import Change, Side, difference, side

SHORT = TINY.override(
    {"data.n_train": 4, "data.n_readout": 20, "data.n_test": 20, "record": TINY.record}
)
SHORT = SHORT.override({"record.snapshots": (), "record.raster": ()})


def of(protocol):
    return Side(protocol.name, protocol.describe(), protocol.equations())


def changed(found):
    return {c.key: (c.section, c.a, c.b) for c in found.changes}


def same_run(a, b):
    return run_id(a, 0, "cpp", "data") == run_id(b, 0, "cpp", "data")


def test_nothing():
    found = difference(of(TINY), of(TINY))
    assert found.same and not (found.code or found.changes or found.aside)


def test_settings_by_section():
    other = TINY.override(
        {
            "network.populations.e.size": 31,
            "network.populations.e.model.tau_a": "200*ms",
            "network.projections.*.rules.stdp_nearest_reversed.lr": 1e-3,
            "schedule.sleep.fraction": 0.1,
            "data.n_train": 13,
        }
    )
    found = difference(of(TINY), of(other))
    assert not found.same and not found.code and not same_run(TINY, other)
    settings = changed(found)
    assert settings["network.populations.e.size"] == ("network", 30, 31)
    assert settings["network.populations.e.model.tau_a"] == (
        "parameters", "0.1 second", "0.2 second",
    )  # fmt: skip
    assert settings["schedule.sleep.fraction"] == ("schedule", 0.5, 0.1)
    assert settings["data.n_train"] == ("data", 12, 13)
    key = "network.projections.ee.rules.stdp_nearest_reversed.lr"
    assert settings[key] == ("parameters", 8e-4, 1e-3)
    assert len(settings) == 4 + len(TINY.network.projections)


def test_equations_line_by_line():
    other = TINY.override({"network.populations.e.model": LIF})
    found = difference(of(TINY), of(other))
    code = {(c.part, c.label): c.lines for c in found.code}
    assert "-da/dt = -a/tau_a : volt" in code["population e", "equations"]
    assert code["population e", "threshold"] == ("-v > v_threshold + a", "+v > v_threshold")
    assert "-a += a_spike" in code["population e", "reset"]
    assert {part for part, _ in code} == {"population e"}
    assert changed(found)["network.populations.e.model.a_spike"][1:] == ("0.003 volt", None)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (1.0, 0.99999995, ("1", "0.9999999")),
        (0.3, 0.1 * 3, ("0.3", "0.30000000000000004")),
        ("0.03 second", "0.031 second", ("30 ms", "31 ms")),
        (
            "0.03 second",
            "0.030000000000000002 second",
            ("0.03 second", "0.030000000000000002 second"),
        ),
    ],
)
def test_values_that_differ_read_differently(a, b, expected):
    assert Change("", "", a, b).texts() == expected


def test_a_name_does_not_matter():
    other = dataclasses.replace(TINY, name="other", description="in other words")
    found = difference(of(TINY), of(other))
    assert found.same and same_run(TINY, other)
    assert [c.key for c in found.aside] == ["name"]  # TINY has no description


def test_spacing_makes_another_run_and_is_said():
    model = TINY.network.population("e").model
    spaced = dataclasses.replace(model, threshold="v >  v_threshold + a")
    other = TINY.override({"network.populations.e.model": spaced})
    found = difference(of(TINY), of(other))
    assert not found.same and not same_run(TINY, other)
    assert found.code or any(c.section == "equations" for c in found.changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"data.split_seed": 1},
        {"encoder.total": 15.0},
        {"readout.variance": 0.9},
        {"network.projections.ie.weights.low": 0.4},
        {"network.projections.ee.connectivity.p": 0.2},
        {"schedule.sleep.gates.plasticity": 0},
        {"network.precision": "float32"},
        {"record.weights_every": 3},
    ],
)
def test_whatever_changes_the_run_id_is_found(changes):
    other = TINY.override(changes)
    assert not same_run(TINY, other)
    found = difference(of(TINY), of(other))
    assert not found.same and len(found.changes) == 1


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    out = tmp_path_factory.mktemp("results")
    return [simulate(SHORT, seed=seed, backend=QUICK, out=out) for seed in (0, 1)]


def test_results(results):
    one, other = results
    found = difference(side(str(one.path)), side(str(other.path / "result.json")))
    assert changed(found) == {"seed": ("run", 0, 1)} and not found.same
    assert {c.section for c in found.aside} == {"metrics"}
    again = difference(side(str(one.path)), side(str(one.path)))
    assert again.same and not again.aside


def test_result_and_protocol(results):
    found = difference(side(str(results[0].path)), of(SHORT))
    assert found.same
    found = difference(of(SHORT.override({"data.n_test": 21})), side(str(results[0].path)))
    assert changed(found) == {"data.n_test": ("data", 21, 20)}


def test_settings_are_for_protocols(results):
    with pytest.raises(ProtocolError, match="is a result"):
        side(str(results[0].path), {"data.n_test": "3"})
    with pytest.raises(StoreError, match=r"no result\.json"):
        side(str(results[0].path.parent))


# --- the command ------------------------------------------------------------------------------


@pytest.fixture
def diff(call):
    return partial(call, "diff")


def test_command(diff):
    code, out, _ = diff("demo", "demo")
    assert (code, out) == (0, "no difference that decides the outcome\n")
    code, out, _ = diff("demo", "demo", "--set-b", "network.populations.e.model.tau_a=200*ms")
    row = next(line for line in out.splitlines() if "tau_a" in line)
    assert code == 1 and row.split()[1:] == ["100", "ms", "200", "ms"]
    assert out.endswith("the outcome may differ\n")


def test_command_prints_code(diff):
    code, out, _ = diff("demo", "demo", "--set-b", "network.populations.e.model=lif:LIF")
    before = "v > clip(v_threshold + a, v_threshold_low, v_threshold_high)"
    assert code == 1 and f"population e, threshold\n  - {before}\n" in out
    assert "  + v > v_threshold\n" in out


def test_json(diff):
    code, out, _ = diff("demo", "geometric", "--json")
    found = json.loads(out)
    assert code == 1 and found["same"] is False and found["equations"] == []
    keys = {change["key"]: change for change in found["changes"]}
    assert keys["data.n_test"] == {"section": "data", "key": "data.n_test", "a": 370, "b": 400}
    assert keys["data.source"]["b"].startswith("geometric")


@pytest.mark.parametrize(
    "change",
    [
        {"protocol": {"data": {"source": "x"}}},
        {"equations": ["x"]},
        {"equations": {"groups": "abc"}},
        {"versions": None},
    ],
)
def test_results_made_by_hand(diff, results, tmp_path, change):
    folder = shutil.copytree(results[0].path, tmp_path / "mine")
    file = folder / "result.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    code, _, err = diff(folder, "demo")
    assert code == 2 and err.count("\n") == 1, err
    assert str(folder) in err


def test_errors(diff):
    for arguments, said in (
        (("demo", "dmo"), "did you mean 'demo'?"),
        (("demo", "demo", "--set-a", "schedule.sleep.fractoin=1"), "did you mean 'fraction'?"),
    ):
        code, _, err = diff(*arguments)
        assert code == 2 and said in err and err.count("\n") == 1

"""What goes out of a result and back: starting weights, tables, Neo, NIX and NWB."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import TINY, needs_compiler

from brainsleep import cli
from brainsleep.errors import ProtocolError, StoreError
from brainsleep.protocol import run_id
from brainsleep.simulate import simulate
from brainsleep.state import initial_state
from brainsleep.store import read_result
from brainsleep.weights import SavedWeights

SHORT = TINY.override({"data.n_readout": 0, "data.n_test": 0})
#: The same network that only rests: every gate but the input's is closed in wake.
AT_REST = SHORT.override({"schedule.sleep.fraction": 0, "schedule.wake.gates.plasticity": 0})
NAMES = [p.name for p in TINY.network.projections]


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return simulate(SHORT, seed=1, backend="numpy", out=tmp_path_factory.mktemp("results"))


def address(protocol, seed=0):
    return run_id(protocol, seed, "numpy", "data")


# --- weights of a result as the start of another run -------------------------------------------


@pytest.mark.parametrize(
    "backend", ["numpy", pytest.param("cpp", marks=[pytest.mark.standalone, needs_compiler])]
)
def test_a_run_goes_on_with_the_weights_of_another(result, tmp_path, backend):
    """Another seed, which would draw other synapses; with the gates closed nothing changes."""
    again = AT_REST.override({"initial_weights": str(result.path)})
    found = simulate(again, seed=5, backend=backend, out=tmp_path)
    before, after = result.arrays, found.arrays
    for name in NAMES:
        assert before[f"synapses/{name}"].tobytes() == after[f"synapses/{name}"].tobytes()
        for snapshot in ("initial", "trained"):
            trained = before[f"snapshots/trained/{name}"]
            assert trained.tobytes() == after[f"snapshots/{snapshot}/{name}"].tobytes()
    assert found.metrics["growth"] == 1
    assert after["totals/e"].sum() > 0


def test_run_id_goes_by_the_weights_not_by_the_path(result, tmp_path, monkeypatch):
    start = address(SHORT.override({"initial_weights": str(result.path)}))
    copy = shutil.copytree(result.path, tmp_path / "copy")
    assert address(SHORT.override({"initial_weights": str(copy)})) == start != address(SHORT)
    monkeypatch.chdir(tmp_path)
    assert address(SHORT.override({"initial_weights": "copy:trained"})) == start
    parts = {"initial_weights.result": "copy", "initial_weights.snapshot": "initial"}
    assert len({start, address(SHORT), address(SHORT.override(parts))}) == 3
    some = {"initial_weights": "copy", "initial_weights.projections": "ee,ei"}
    assert address(SHORT.override(some)) not in (start, address(SHORT))
    assert address(SHORT.override({"initial_weights": "none"})) == address(SHORT)
    code = "import sys; from conftest import TINY; from brainsleep.protocol import run_id; print("
    code += "run_id(TINY.override({'data.n_readout': 0, 'data.n_test': 0, "
    code += "'initial_weights': 'copy'}), 0, 'numpy', 'data'))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.path.dirname(__file__), "PYTHONHASHSEED": "3"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == start


def test_some_projections_and_other_snapshots(result):
    some = SHORT.override({"initial_weights": f"{result.path}:slot_6"})
    some = some.override({"initial_weights.projections": ("ee",)})
    state = initial_state(SHORT.network, 5, some.initial_weights.weights())
    usual = initial_state(SHORT.network, 5)
    np.testing.assert_array_equal(state.arrays["ee.w"], result.arrays["snapshots/slot_6/ee"])
    np.testing.assert_array_equal(
        np.column_stack(state.synapses["ee"]), result.arrays["synapses/ee"]
    )
    for name in ("input_e", "ei"):
        assert state.arrays[f"{name}.w"].tobytes() == usual.arrays[f"{name}.w"].tobytes()
        assert all(map(np.array_equal, state.synapses[name], usual.synapses[name]))
    assert {k: len(v) for k, v in state.arrays.items() if k.startswith("ee.")} == {
        k: len(result.arrays["synapses/ee"]) for k in usual.arrays if k.startswith("ee.")
    }


def test_what_cannot_start_a_run_is_refused(result, tmp_path):
    path = str(result.path)

    def refused(changes, *words, error=ProtocolError):
        with pytest.raises(error) as caught:
            SHORT.override(changes)
        assert all(word in str(caught.value) for word in words), caught.value

    refused({"initial_weights": f"{path}:trainde"}, "no snapshot 'trainde'", "mean 'trained'?")
    refused({"initial_weights": str(tmp_path / "none")}, "no result in", error=StoreError)
    refused({"initial_weights": 3}, "initial_weights", "SavedWeights")
    several = {"initial_weights": path, "initial_weights.projections": "ee,eee"}
    refused(several, "no projection 'eee'", "mean 'ee'?")
    refused(
        {"initial_weights": path, "network.populations.e.size": 31},
        "initial_weights: target of 'input_e': got 30 neurons in the result; expected 31",
    )
    bound = {"network.projections.input_e.weights.low": 0.1}
    bound["network.projections.input_e.w_max"] = 0.2
    refused({"initial_weights": path, **bound}, "weights up to", "at most w_max = 0.2")
    damaged = shutil.copytree(path, tmp_path / "damaged")
    (damaged / "arrays.npz").write_bytes(b"PK")
    refused({"initial_weights": str(damaged)}, "arrays.npz is missing or damaged", error=StoreError)


def test_a_projection_that_the_result_does_not_have(result, tmp_path):
    info = json.loads((result.path / "result.json").read_text())
    assert "ee" in [p["name"] for p in info["protocol"]["network"]["projections"]]
    with pytest.raises(ProtocolError, match=r"no projection 'other'.*initial_weights.projections"):
        _renamed(SHORT).override({"initial_weights": str(result.path)})
    taken = {"initial_weights": str(result.path), "initial_weights.projections": "input_e"}
    assert _renamed(SHORT).override(taken).initial_weights.weights().keys() == {"input_e"}


def _renamed(protocol):
    """The protocol with its projection `ee` called `other`."""
    network = protocol.network
    projections = tuple(
        dataclasses.replace(p, name="other") if p.name == "ee" else p for p in network.projections
    )
    changed = dataclasses.replace(network, projections=projections)
    return dataclasses.replace(protocol, network=changed)


def test_a_result_that_changes_after_the_protocol_was_made(result, tmp_path):
    copy = shutil.copytree(result.path, tmp_path / "copy")
    protocol = SHORT.override({"initial_weights": str(copy)})
    other = simulate(SHORT, seed=2, backend="numpy", out=tmp_path / "other")
    shutil.rmtree(copy)
    shutil.copytree(other.path, copy)
    with pytest.raises(StoreError, match="is not what it was before"):
        simulate(protocol, backend="numpy", out=tmp_path)


def test_from_the_command_line(result, tmp_path, capsys, monkeypatch):
    words = ["run", "study.py", "--backend", "numpy", "--set", f"initial_weights={result.path}"]
    (tmp_path / "study.py").write_text("from test_interchange import AT_REST as PROTOCOL\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["brainsleep", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    found = read_result(capsys.readouterr().out.splitlines()[-1])
    described = found.info["protocol"]["initial_weights"]
    assert described["result"] == str(result.path) and described["snapshot"] == "trained"
    assert described["content"] == SavedWeights(result=str(result.path)).content

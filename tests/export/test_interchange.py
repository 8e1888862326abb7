"""What goes out of a result and back: starting weights, tables, Neo, NIX and NWB."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pandas
import pytest
from brian2 import ms
from conftest import QUICK, TINY, needs_compiler

from brainsleep.errors import DataError, MissingExtraError, ProtocolError, SpecError, StoreError
from brainsleep.experiment.protocol import load_protocol, run_id
from brainsleep.experiment.record import Record
from brainsleep.experiment.start import SavedSynapses, SavedWeights, check_pairs
from brainsleep.export.export import export
from brainsleep.export.nix import to_block
from brainsleep.models.massey2026 import recurrent_network
from brainsleep.results.store import read_result, write_result
from brainsleep.run.compare import Condition, compare, value_at
from brainsleep.run.simulate import simulate
from brainsleep.run.state import initial_state
from brainsleep.sweep.grid import Grid
from brainsleep.tasks.images.encoders import RateEncoder

#: Few neurons, as NIX takes its time for each: 14 ms and more.
SMALL = TINY.override(
    {
        "network": recurrent_network(n_inputs=16, n_excitatory=12, n_inhibitory=4),
        "encoder": RateEncoder(size=(4, 4), total=8.0),
    }
)
SHORT = SMALL.override(
    {
        "data.n_readout": 0,
        "data.n_test": 0,
        "network.projections.input_e.connectivity.p": 0.5,
        "network.projections.input_e.weights.low": 2.0,
    }
)
#: The same network that only rests: every gate but the input's is closed in wake.
AT_REST = SHORT.override({"schedule.sleep.fraction": 0, "schedule.wake.gates.plasticity": 0})
NAMES = [p.name for p in SHORT.network.projections]


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return simulate(SHORT, seed=1, backend=QUICK, out=tmp_path_factory.mktemp("results"))


def address(protocol, seed=0):
    return run_id(protocol, seed, "numpy", "data")


# --- weights of a result as the start of another run -------------------------------------------


@pytest.mark.parametrize(
    "backend", ["numpy", pytest.param("cpp", marks=[pytest.mark.standalone, needs_compiler])]
)
def test_a_run_goes_on_with_the_weights_of_another(result, tmp_path, backend):
    """Another seed, which would draw other synapses; with the gates closed nothing changes."""
    again = AT_REST.override({"saved_weights": str(result.path)})
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
    start = address(SHORT.override({"saved_weights": str(result.path)}))
    copy = shutil.copytree(result.path, tmp_path / "copy")
    assert address(SHORT.override({"saved_weights": str(copy)})) == start != address(SHORT)
    monkeypatch.chdir(tmp_path)
    assert address(SHORT.override({"saved_weights": "copy:trained"})) == start
    parts = {"saved_weights.result": "copy", "saved_weights.snapshot": "initial"}
    assert len({start, address(SHORT), address(SHORT.override(parts))}) == 3
    some = {"saved_weights": "copy", "saved_weights.projections": "ee,ei"}
    assert address(SHORT.override(some)) not in (start, address(SHORT))
    assert address(SHORT.override({"saved_weights": "none"})) == address(SHORT)
    code = (
        "from test_interchange import SHORT, address; "
        "print(address(SHORT.override({'saved_weights': 'copy'})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "3"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == start


def test_some_projections_and_other_snapshots(result):
    some = SHORT.override({"saved_weights": f"{result.path}:slot_6"})
    some = some.override({"saved_weights.projections": ("ee",)})
    state = initial_state(SHORT.network, 5, some.saved_weights.weights())
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


@pytest.mark.torch
def test_surrogate_networks_and_no_mixing(result, tmp_path):
    """Their weights have signs; the optimiser starts anew."""
    pytest.importorskip("snntorch")
    changes = {"data.source": "digits", "data.n_train": 128, "schedule.epochs": 1}
    changes |= {"data.n_readout": 0, "data.n_test": 0}
    layered = load_protocol("paper", "sg_snn").override(changes)
    first = simulate(layered, seed=0, out=tmp_path)
    second = simulate(layered.override({"saved_weights": str(first.path)}), seed=3, out=tmp_path)
    assert first.arrays["snapshots/trained/input_hidden"].min() < 0
    for name in ("input_hidden", "hidden_output"):
        trained = first.arrays[f"snapshots/trained/{name}"]
        assert trained.tobytes() == second.arrays[f"snapshots/initial/{name}"].tobytes()
        biases = first.arrays[f"biases/trained/{name}"]
        assert biases.tobytes() == second.arrays[f"biases/initial/{name}"].tobytes()
        assert not np.array_equal(biases, first.arrays[f"biases/initial/{name}"])
    without = tuple(dataclasses.replace(p, bias=False) for p in layered.network.projections)
    other = dataclasses.replace(layered.network, projections=without)
    with pytest.raises(ProtocolError, match="in the result: got biases; expected no biases"):
        layered.override({"network": other, "saved_weights": str(first.path)})
    with pytest.raises(ProtocolError, match="got a SurrogateNetwork; expected a NetworkSpec"):
        SHORT.override({"saved_weights": str(first.path)})


def test_what_cannot_start_a_run_is_refused(result, tmp_path):
    path = str(result.path)

    def refused(changes, *words, error=ProtocolError):
        with pytest.raises(error) as caught:
            SHORT.override(changes)
        assert all(word in str(caught.value) for word in words), caught.value

    refused({"saved_weights": f"{path}:trainde"}, "no snapshot 'trainde'", "mean 'trained'?")
    refused({"saved_weights": str(tmp_path / "none")}, "no result in", error=StoreError)
    refused({"saved_weights": 3}, "saved_weights", "SavedWeights")
    several = {"saved_weights": path, "saved_weights.projections": "ee,eee"}
    refused(several, "no projection 'eee'", "mean 'ee'?")
    refused(
        {"saved_weights": path, "network.populations.e.size": 13},
        "saved_weights: target of 'input_e': got 12 neurons in the result; expected 13",
    )
    bound = {"network.projections.input_e.weights.low": 0.1}
    bound["network.projections.input_e.w_max"] = 0.2
    refused({"saved_weights": path, **bound}, "weights up to", "at most w_max = 0.2")
    damaged = shutil.copytree(path, tmp_path / "damaged")
    (damaged / "arrays.npz").write_bytes(b"PK")
    refused({"saved_weights": str(damaged)}, "arrays.npz is missing or damaged", error=StoreError)


#: What a result may hold instead of synapses and weights of `ee`, and what is said of it.
CRAFTED = {
    "three columns": ("synapses", lambda a: np.column_stack([a, a[:, 0]]), "no pairs"),
    "real numbers": ("synapses", lambda a: a.astype(float), "no pairs"),
    "too large for int32": ("synapses", lambda a: a.astype(np.int64) + 2**32, "no pairs"),
    "negative": ("synapses", lambda a: a - 1, "no pairs"),
    "no synapse": ("synapses", lambda a: a[:0], "no pairs"),
    "not there": ("synapses", lambda a: a + 10**6, "neurons that there are not"),
    "twice": ("synapses", lambda a: a[np.arange(len(a)) // 2], "not in order, each once"),
    "missing": ("synapses", None, "KeyError"),
    "text": ("w", lambda a: a.astype(str), "not a finite number a synapse"),
    "one less": ("w", lambda a: a[1:], "not a finite number a synapse"),
    "NaN": ("w", lambda a: np.where(a == a.max(), np.nan, a), "not a finite number a synapse"),
    "signed": ("w", lambda a: -a, "weights down to"),
}


@pytest.mark.parametrize(("what", "change", "said"), CRAFTED.values(), ids=CRAFTED)
def test_arrays_that_no_run_stores_are_refused(result, tmp_path, what, change, said):
    key = {"synapses": "synapses/ee", "w": "snapshots/trained/ee"}[what]
    arrays = result.arrays
    value = arrays.pop(key)
    crafted = rewritten(result, tmp_path, arrays | ({key: change(value)} if change else {}))
    with pytest.raises((ProtocolError, StoreError), match=said) as caught:
        SHORT.override({"saved_weights": str(crafted.path)})
    assert "\n" not in str(caught.value)


def rewritten(result, out, arrays, **info):
    """A result with other arrays and a checksum that is right."""
    kept = {k: v for k, v in result.info.items() if k not in ("checksum", "run_id")}
    return write_result(out, "crafted", kept | info, arrays)


def test_dense_projections_need_all_synapses(tmp_path):
    network = load_protocol("paper", "sg_snn").network
    name = network.projections[-1].name
    shape = [network.population(getattr(network.projection(name), e)).size
             for e in ("source", "target")]  # fmt: skip
    pre, post = np.indices(shape, dtype=np.int32).reshape(2, -1)
    whole = SavedSynapses(pre, post, np.zeros(len(pre)))
    check_pairs(network, name, whole)
    with pytest.raises(ValueError, match="do not connect all neurons"):
        check_pairs(network, name, SavedSynapses(*(part[1:] for part in whole[:3])))


def test_no_state_has_synapses_of_neurons_that_are_not_there(result):
    saved = SHORT.override({"saved_weights": str(result.path)}).saved_weights.weights()
    saved["ee"].post[0] = 10**6
    with pytest.raises(SpecError, match="synapses of 'ee': got others; expected neurons 0 to 11"):
        initial_state(SHORT.network, 0, saved)


def test_weights_of_a_stopped_run_are_taken_only_as_such(result, tmp_path):
    alarm = {"kind": "runaway", "where": "e", "time_s": 0.1, "text": "", "at_s": 0.25}
    stopped = rewritten(result, tmp_path, result.arrays, stopped=alarm)
    with pytest.raises(ProtocolError, match=r"stopped after 0.25 s .*runaway.* give .*:stopped"):
        SHORT.override({"saved_weights": str(stopped.path)})
    taken = SHORT.override({"saved_weights": f"{stopped.path}:stopped"})
    one_by_one = {
        "saved_weights.result": str(stopped.path),
        "saved_weights.snapshot": "stopped",
    }
    assert address(taken) == address(SHORT.override(one_by_one))
    found = taken.saved_weights.weights()
    np.testing.assert_array_equal(found["ee"].w, result.arrays["snapshots/trained/ee"])
    SHORT.override({"saved_weights": f"{stopped.path}:initial"})
    with pytest.raises(ProtocolError, match="no snapshot 'stopped'"):
        SHORT.override({"saved_weights": f"{result.path}:stopped"})


def test_settings_without_effect(result):
    """Also a number to scale, which only draws weights that are taken."""
    for changes in ({"snapshot": "nonsense"}, {"projections": "ee"}):
        with pytest.raises(ProtocolError, match=r"expected a result to take it from, too"):
            SHORT.override({f"saved_weights.{k}": v for k, v in changes.items()})
    scale = "network.projections.input_e.weights.low"
    first = Condition(name="first")
    taken = Condition(
        name="second",
        changes={"saved_weights": str(result.path)},
        match_rate="first",
        scale=scale,
    )
    with pytest.raises(ProtocolError, match=f"key to scale '{scale}': has no effect"):
        compare(SHORT, [first, taken], backend=QUICK, out="never made")
    with pytest.raises(ProtocolError, match="has no effect"):
        Grid(name="g", protocol=SHORT, conditions=[first, taken], backend="numpy").rows()
    other = SHORT.override({"saved_weights": str(result.path)})
    other = other.override({"saved_weights.projections": "ee"})
    assert value_at(other, scale) == 2.0


def test_a_projection_that_the_result_does_not_have(result, tmp_path):
    info = json.loads((result.path / "result.json").read_text())
    assert "ee" in [p["name"] for p in info["protocol"]["network"]["projections"]]
    with pytest.raises(ProtocolError, match=r"no projection 'other'.*saved_weights.projections"):
        _renamed(SHORT).override({"saved_weights": str(result.path)})
    taken = {"saved_weights": str(result.path), "saved_weights.projections": "input_e"}
    assert _renamed(SHORT).override(taken).saved_weights.weights().keys() == {"input_e"}


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
    protocol = SHORT.override({"saved_weights": str(copy)})
    other = simulate(SHORT, seed=2, backend=QUICK, out=tmp_path / "other")
    shutil.rmtree(copy)
    shutil.copytree(other.path, copy)
    with pytest.raises(StoreError, match="is not what it was before"):
        simulate(protocol, backend=QUICK, out=tmp_path)


def test_from_the_command_line(result, tmp_path, call, monkeypatch):
    words = ["run", "study.py", "--backend", "numpy", "--set", f"saved_weights={result.path}"]
    (tmp_path / "study.py").write_text("from test_interchange import AT_REST as PROTOCOL\n")
    monkeypatch.chdir(tmp_path)
    code, out, _ = call(*words)
    assert code == 0
    found = read_result(out.splitlines()[-1])
    described = found.info["protocol"]["saved_weights"]
    assert described["result"] == str(result.path) and described["snapshot"] == "trained"
    assert described["content"] == SavedWeights(result=str(result.path)).content


# --- files for other programs ------------------------------------------------------------------


@pytest.fixture
def exported(result, tmp_path, call):
    """Export with the command; gives the file."""

    def export(name, *more):
        code, out, err = call("export", result.path, "--to", tmp_path / name, *more)
        assert code == 0, err
        assert out.split() == [str(tmp_path / name)]
        assert not [p for p in tmp_path.iterdir() if "writing" in p.name]
        return tmp_path / name

    return export


def read_table(path):
    import pandas

    if path.suffix == ".parquet":
        pytest.importorskip("pyarrow")
        return pandas.read_parquet(path)
    return pandas.read_csv(path, keep_default_na=False)


@pytest.mark.parametrize("name", ["edges.csv", "edges.parquet"])
def test_weights_as_a_table(result, exported, name):
    frame, arrays = read_table(exported(name)), result.arrays
    columns = "projection source target pre post sign w_initial w_slot_6 w_trained"
    assert list(frame) == columns.split()
    assert len(frame) == sum(len(arrays[f"synapses/{p}"]) for p in NAMES)
    for p in SHORT.network.projections:
        rows = frame[frame["projection"] == p.name]
        np.testing.assert_array_equal(rows[["pre", "post"]], arrays[f"synapses/{p.name}"])
        for snapshot in ("initial", "slot_6", "trained"):
            theirs = rows[f"w_{snapshot}"].to_numpy()
            assert theirs.tobytes() == arrays[f"snapshots/{snapshot}/{p.name}"].tobytes()
        assert set(rows["sign"]) == {p.sign} and set(rows["target"]) == {p.target}


def test_slots_statistics_and_spikes_as_tables(result, exported):
    arrays = result.arrays
    frame = read_table(exported("slots.csv", "--what", "slots"))
    assert len(frame) == len(arrays["slots/steps"])
    assert frame["phase"].tolist() == arrays["slots/phase"].tolist()
    assert frame["start_s"].tolist()[:5] == pytest.approx([0, 0.05, 0.1, 0.15, 0.2])
    assert frame["duration_s"].sum() == pytest.approx(arrays["ran"].sum() * 1e-3)
    np.testing.assert_array_equal(frame["spikes_e"], arrays["totals/e"])
    awake = frame[frame["image"] >= 0]
    np.testing.assert_array_equal(awake["label"], arrays["labels/train"][awake["image"]])
    assert set(frame[frame["image"] < 0]["label"]) == {-1}
    frame = read_table(exported("statistics.csv", "--what", "statistics"))
    rows = frame[frame["projection"] == "ee"]
    np.testing.assert_array_equal(rows["time_s"], arrays["stat_times_s"])
    names = result.info["weight_statistics"]
    assert rows[names].to_numpy().tobytes() == arrays["stats/ee"].tobytes()
    frame = read_table(exported("spikes.csv", "--what", "spikes"))
    for population in ("input", "e", "i"):
        rows = frame[frame["population"] == population]
        step, neuron = arrays[f"spikes/{population}"].T
        np.testing.assert_array_equal(rows["neuron"], neuron)
        assert rows["time_s"].to_numpy().tobytes() == (step * 1e-3).tobytes()


def spikes_of(result, population):
    """Spike times in s of every neuron, as stored."""
    size = SHORT.network.population(population).size
    step, neuron = result.arrays[f"spikes/{population}"].T
    return [np.sort(step[neuron == k]) * 1e-3 for k in range(size)]


def test_neo_block(result):
    pytest.importorskip("neo")
    from brainsleep.export.nix import to_block

    block, arrays = to_block(result), result.arrays
    assert block.name == block.annotations["run_id"] == result.path.name
    assert block.annotations["seed"] == 1
    assert json.loads(block.annotations["protocol"]) == result.info["protocol"]
    (segment,) = block.segments
    assert len(segment.spiketrains) == 16 + 12 + 4
    trains = [t for t in segment.spiketrains if t.annotations["population"] == "e"]
    for train, times in zip(trains, spikes_of(result, "e"), strict=True):
        np.testing.assert_allclose(train.rescale("s").magnitude, times, rtol=1e-15)
    signals = {signal.name: signal for signal in segment.irregularlysampledsignals}
    weights = signals["weights ie"]
    assert weights.annotations["snapshots"] == ["initial", "slot_6", "trained"]
    assert (weights.annotations["source"], weights.annotations["sign"]) == ("i", -1)
    assert weights.times.rescale("s").magnitude.tolist() == pytest.approx([0, 0.35, 0.9])
    assert weights.magnitude[2].tobytes() == arrays["snapshots/trained/ie"].tobytes()
    assert str(weights.dimensionality) == "dimensionless"
    pairs = np.column_stack([weights.array_annotations[end] for end in ("pre", "post")])
    np.testing.assert_array_equal(pairs, arrays["synapses/ie"])
    np.testing.assert_array_equal(signals["counts e"].magnitude, arrays["counts/e"])
    np.testing.assert_array_equal(signals["statistics ee"].magnitude, arrays["stats/ee"])
    (slots,) = segment.epochs
    assert slots.labels.tolist() == arrays["slots/phase"].tolist()
    np.testing.assert_array_equal(slots.array_annotations["image"], arrays["slots/image"])


def test_nix(result, exported):
    neo, nixio = pytest.importorskip("neo"), pytest.importorskip("nixio")
    path, arrays = exported("run.nix"), result.arrays
    with neo.io.NixIO(str(path), "ro") as file:
        block = file.read_block()
    assert block.name == result.path.name
    assert json.loads(block.annotations["protocol"]) == result.info["protocol"]
    trains = [t for t in block.segments[0].spiketrains if t.annotations["population"] == "e"]
    for train, times in zip(trains, spikes_of(result, "e"), strict=True):
        np.testing.assert_allclose(train.rescale("s").magnitude, times, rtol=1e-15)
    names = {signal.name: signal for signal in block.segments[0].irregularlysampledsignals}
    assert names["statistics ee"].magnitude.tobytes() == arrays["stats/ee"].tobytes()
    file = nixio.File.open(str(path), nixio.FileMode.ReadOnly)
    stored = file.blocks[0].data_arrays
    for name in NAMES:
        w = stored[f"weights_{name}"]
        labels = [label.split()[0] for label in w.dimensions[0].labels]
        assert labels == ["initial", "slot_6", "trained"]
        for k, snapshot in enumerate(labels):
            assert w[k].tobytes() == arrays[f"snapshots/{snapshot}/{name}"].tobytes()
        np.testing.assert_array_equal(stored[f"synapses_{name}"][:], arrays[f"synapses/{name}"])
    np.testing.assert_array_equal(stored["counts_e"][:], arrays["counts/e"])
    file.close()


def test_nwb(result, exported):
    pynwb = pytest.importorskip("pynwb")
    path, arrays = exported("run.nwb"), result.arrays
    assert pynwb.validate(path=str(path)) == []
    with pynwb.NWBHDF5IO(str(path), "r") as io:
        file = io.read()
        assert file.identifier == result.path.name
        about = json.loads(file.notes)
        assert about["seed"] == 1 and json.loads(about["metrics"]) == result.metrics
        units = file.units.to_dataframe()
        for population in ("input", "e", "i"):
            rows = units[units["population"] == population]
            assert rows["neuron"].tolist() == list(range(len(rows)))
            for mine, times in zip(rows["spike_times"], spikes_of(result, population), strict=True):
                assert np.asarray(mine).tobytes() == times.tobytes()
        for name in NAMES:
            w = file.acquisition[f"weights_{name}"]
            assert w.unit == "1" and w.timestamps[:].tolist() == pytest.approx([0, 0.35, 0.9])
            assert w.data[2].tobytes() == arrays[f"snapshots/trained/{name}"].tobytes()
            pairs = file.processing["network"][f"synapses_{name}"].to_dataframe()
            np.testing.assert_array_equal(pairs[["pre", "post"]], arrays[f"synapses/{name}"])
        slots = file.intervals["slots"].to_dataframe()
        assert slots["phase"].tolist() == arrays["slots/phase"].tolist()
        np.testing.assert_array_equal(slots["image"], arrays["slots/image"])
        assert slots["stop_time"].iloc[-1] == pytest.approx(0.9)


@pytest.mark.filterwarnings("ignore")  # neo knows no unit "1"
def test_nwb_read_by_neo(result, exported):
    neo = pytest.importorskip("neo")
    pytest.importorskip("pynwb")
    (block,) = neo.io.NWBIO(str(exported("run.nwb")), "r").read_all_blocks()
    (segment,) = block.segments
    found = {signal.name: signal for signal in segment.irregularlysampledsignals}
    trained = result.arrays["snapshots/trained/ee"]
    assert found["weights_ee"].magnitude[2].tobytes() == trained.tobytes()
    spikes = spikes_of(result, "input") + spikes_of(result, "e") + spikes_of(result, "i")
    assert len(segment.spiketrains) == len(spikes)
    for train, times in zip(segment.spiketrains, spikes, strict=True):
        np.testing.assert_array_equal(train.rescale("s").magnitude, times)


def test_runs_without_spikes_or_slots_go_out_too(tmp_path):
    """One that is stopped before its first slot has neither."""
    pytest.importorskip("pynwb")
    pytest.importorskip("nixio")
    full = {"network.projections.ee.w_max": 0.301, "record.alarms.stop_on": "saturation"}
    empty = simulate(SHORT.override(full), seed=1, backend=QUICK, out=tmp_path / "results")
    assert len(empty.arrays["slots/steps"]) == 0
    for name in ("run.csv", "run.nix", "run.nwb"):
        assert export(empty, tmp_path / name).stat().st_size > 0
    with pytest.raises(DataError, match=r"no single spikes; set record.raster"):
        export(empty, tmp_path / "spikes.csv", "spikes")


@pytest.mark.parametrize("name", ["run.csv", "run.nix", "run.nwb"])
@pytest.mark.parametrize("key", ["slots/part", "snapshots/initial/ee"])
def test_exports_of_results_made_by_hand(result, tmp_path, name, key):
    pytest.importorskip({"csv": "pandas", "nix": "nixio", "nwb": "pynwb"}[name[4:]])
    arrays = {k: v for k, v in result.arrays.items() if k != key}
    crafted = rewritten(result, tmp_path, arrays)
    with pytest.raises(StoreError, match=f"does not hold what a run stores .*{key}"):
        export(crafted, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["crafted"]


@pytest.mark.parametrize(("key", "value"), [("alarms", 3), ("stopped", []), ("equations", "")])
def test_kinds_of_what_a_result_says(result, tmp_path, key, value):
    with pytest.raises(StoreError, match=f"{key}: got a {type(value).__name__}; expected a"):
        read_result(rewritten(result, tmp_path, result.arrays, **{key: value}).path)


@pytest.mark.parametrize(("name", "package"), [("run.nix", "nixio"), ("run.nwb", "pynwb")])
def test_what_is_missing_is_named(result, tmp_path, monkeypatch, name, package):
    monkeypatch.setitem(sys.modules, package, None)
    message = rf"needs {package}: pip install 'brainsleep\[analysis\]'"
    with pytest.raises(MissingExtraError, match=message):
        export(result, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_bad_exports(result, tmp_path):
    with pytest.raises(DataError, match=r"export: got run.xls; expected a name ending .csv"):
        export(result, tmp_path / "run.xls")
    with pytest.raises(DataError, match=r"no table 'weight'; did you mean 'weights'\?"):
        export(result, tmp_path / "run.csv", "weight")
    (tmp_path / "file").write_text("")
    for name in ("run.csv", "run.nwb"):
        with pytest.raises(StoreError, match="cannot write"):
            export(result, tmp_path / "file" / name)


@pytest.mark.long
def test_traces_go_out_with_units(tmp_path):
    """As a table, as Neo's analog signals (one a window) and in NWB."""
    pytest.importorskip("neo")
    record = Record(
        states={"e.v": (0, 3), "ee.w": (1,)},
        every=2 * ms,
        windows=((10 * ms, 20 * ms), (40 * ms, 60 * ms)),
        spikes=("i",),
    )
    result = simulate(dataclasses.replace(SHORT, record=record), backend=QUICK, out=tmp_path)
    v = result.states("e.v")
    export(result, tmp_path / "traces.csv", "traces")
    table = pandas.read_csv(tmp_path / "traces.csv")
    assert table["variable"].value_counts().to_dict() == {"e.v": 30, "ee.w": 15}
    second = table[(table["variable"] == "e.v") & (table["number"] == 3)]
    np.testing.assert_allclose(second["value"], np.asarray(v.values)[:, 1])
    np.testing.assert_allclose(second["time_s"], np.asarray(v.times))
    signals = [s for s in to_block(result).segments[0].analogsignals if s.name == "trace e.v"]
    assert [len(s) for s in signals] == [5, 10]
    assert float(signals[1].t_start.rescale("ms")) == pytest.approx(40)
    np.testing.assert_allclose(signals[1].rescale("V").magnitude, np.asarray(v.values)[5:])
    assert signals[0].array_annotations["number"].tolist() == [0, 3]
    pytest.importorskip("pynwb")
    export(result, tmp_path / "run.nwb")
    with pynwb_io(tmp_path / "run.nwb") as io:
        series = io.read().acquisition["trace_e_v"]
        np.testing.assert_array_equal(series.data[:], np.asarray(v.values))
        assert series.unit == "volt"


def pynwb_io(path):
    return sys.modules["pynwb"].NWBHDF5IO(str(path), "r")


def test_a_run_without_traces_says_so(result, tmp_path):
    with pytest.raises(DataError, match=r"recorded no traces; set record\.states"):
        export(result, tmp_path / "traces.csv", "traces")

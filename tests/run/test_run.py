"""Whole runs: results, resuming, hooks, early end of sleep, and what survives a kill."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from brian2 import ms
from conftest import QUICK, TESTS, TINY, make_segment, needs_compiler

from brainsleep.analysis.metrics import WEIGHT_STATISTICS, weight_entropy, weight_statistics
from brainsleep.analysis.responses import (
    class_selectivity,
    effective_rank,
    participation_ratio,
    phi,
)
from brainsleep.backends.base import make_backend
from brainsleep.errors import BackendError, DataError, ProtocolError, SimulationError, StoreError
from brainsleep.results.store import find_result, finished, read_result, write_result
from brainsleep.run import loop as run_module
from brainsleep.run import replicas as replicas_module
from brainsleep.run.simulate import simulate, simulate_many
from brainsleep.run.state import initial_state
from brainsleep.show.facts import headline


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return simulate(TINY, seed=1, backend=QUICK, out=tmp_path_factory.mktemp("results"))


def assert_same(one, other):
    assert one.metrics == other.metrics
    mine, theirs = one.arrays, other.arrays
    assert mine.keys() == theirs.keys()
    for name, value in mine.items():
        assert value.tobytes() == theirs[name].tobytes(), name


def test_result_holds_what_made_it(tiny):
    info = json.loads((tiny.path / "result.json").read_text())
    assert info["schema_version"] == 1
    assert info["run_id"] == tiny.path.name
    assert info["seed"] == 1 and info["backend"] == QUICK
    assert info["protocol"]["schedule"]["sleep"]["fraction"] == 0.5
    groups = {group["name"]: group for group in info["equations"]["groups"]}
    assert "dv/dt = (v_rest - v + r*i_syn)/tau_m : volt" in groups["e"]["equations"]
    assert groups["e"]["parameters"]["tau_m"] == "0.03 second"
    assert {"python", "brian2", "numpy", "brainsleep"} <= info["versions"].keys()
    assert info["timings"]["biological_s"] == pytest.approx((12 + 80) * 0.05 + 3 * 0.1)


def test_recorded_arrays_fit_together(tiny):
    arrays, phase = tiny.arrays, tiny.arrays["slots/phase"]
    assert len(phase) == 12 + 3 + 80
    assert arrays["counts/e"].shape == (len(phase), 30)
    np.testing.assert_array_equal(arrays["counts/e"].sum(axis=1), arrays["totals/e"])
    assert arrays["totals/input"][phase == "sleep"].sum() == 0
    assert arrays["totals/input"][phase != "sleep"].min() > 0
    # the raster window covers slots 3 to 5: wake, sleep, wake
    assert phase[3:6].tolist() == ["wake", "sleep", "wake"]
    spikes = arrays["spikes/e"]
    assert len(spikes) == arrays["counts/e"][3:6].sum() > 0
    assert spikes[:, 0].min() >= 150 and spikes[:, 0].max() < 150 + 50 + 100 + 50
    # statistics at the borders of phases, in biological time
    assert arrays["stat_times_s"].tolist() == pytest.approx([0, 0.2, 0.3, 0.5, 0.6, 0.8, 0.9])
    assert arrays["stats/ee"].shape == (7, len(WEIGHT_STATISTICS))
    final = arrays["snapshots/trained/ee"]
    np.testing.assert_allclose(arrays["stats/ee"][-1], weight_statistics(final, 25.0))
    assert arrays["snapshots/slot_6/ee"].shape == final.shape == (len(arrays["synapses/ee"]),)
    assert len(arrays["correct/network"]) == len(arrays["labels/test"]) == 40


def test_metrics_agree_with_the_arrays(tiny):
    arrays, metrics = tiny.arrays, tiny.metrics
    test = arrays["slots/part"] == "test"
    rate = arrays["counts/e"][test].sum() / (30 * test.sum() * 0.05)
    assert metrics["rate_test_e_hz"] == pytest.approx(rate)
    assert metrics["network_accuracy"] == arrays["correct/network"].mean()
    low, high = metrics["network_interval"]
    assert low <= metrics["network_accuracy"] <= high
    weights = np.concatenate(
        [arrays[f"snapshots/trained/{p.name}"] for p in TINY.network.projections]
    )
    assert metrics["largest_weight"] == weights.max()
    assert metrics["sleep_s"] == pytest.approx(0.3) and metrics["wake_s"] == pytest.approx(0.6)
    low, high = (np.repeat(bound, len(weights)) for bound in (0.01, 25.0))
    assert metrics["weight_entropy"] == pytest.approx(weight_entropy(weights, low, high))
    ee = arrays["snapshots/trained/ee"]
    assert metrics["entropy_ee"] == weight_entropy(ee, 0.01, 25.0)
    column = WEIGHT_STATISTICS.index("sum")
    sums = sum(arrays[f"stats/{p.name}"][:, column] for p in TINY.network.projections)
    slope = np.polynomial.Polynomial.fit(arrays["stat_times_s"], sums, 1).convert().coef[1]
    assert metrics["growth_per_s"] == pytest.approx(slope)
    assert metrics["growth_per_s_error"] > 0


def test_response_metrics_agree_with_the_arrays(tiny):
    arrays, metrics = tiny.arrays, tiny.metrics
    counts = arrays["counts/e"][arrays["slots/part"] == "test"]
    labels = arrays["labels/test"]
    for name, measure in {
        "participation_ratio": participation_ratio,
        "effective_rank": effective_rank,
    }.items():
        assert metrics[f"{name}_e"] == measure(counts)
        assert metrics[f"{name}_plugin_e"] == measure(counts, corrected=False)
    assert 1 < metrics["participation_ratio_plugin_e"] < metrics["participation_ratio_e"] < 30
    assert metrics["phi_e"] == phi(counts, labels)
    each = class_selectivity(counts, labels)
    assert metrics["selectivity_e"] == np.nanmean(each)
    assert 0 < metrics["selectivity_adjusted_e"] < metrics["selectivity_e"]
    assert metrics["dead_e"] == np.mean(counts.max(axis=0) / 0.05 <= 1.0)


def test_what_is_not_defined_is_null(tmp_path):
    """A run without tests has no responses; JSON has no NaN."""
    untested = TINY.override({"data.n_test": 0, "data.n_readout": 0, "data.n_train": 4})
    result = simulate(untested, seed=1, backend=QUICK, out=tmp_path)
    names = "participation_ratio effective_rank selectivity selectivity_adjusted phi dead silent"
    assert [result.metrics[f"{name}_e"] for name in names.split()] == [None] * 7

    def refuse(constant):
        raise AssertionError(constant)

    json.loads((result.path / "result.json").read_text(), parse_constant=refuse)


def test_weights_rest_while_responses_are_measured(tmp_path):
    """The weights after the test phase are those after training, to the bit."""
    kept = TINY.override({"record.snapshots": (15, 94)})  # first slot of readout, last of test
    arrays = simulate(kept, seed=1, backend=QUICK, out=tmp_path).arrays
    for p in TINY.network.projections:
        trained = arrays[f"snapshots/trained/{p.name}"]
        assert trained.tobytes() == arrays[f"snapshots/slot_94/{p.name}"].tobytes()
        assert not np.array_equal(trained, arrays[f"snapshots/initial/{p.name}"])


def test_same_seed_twice_gives_identical_arrays(tiny, tmp_path):
    again = simulate(TINY, seed=1, backend=QUICK, out=tmp_path)
    assert again.path.name == tiny.path.name
    assert_same(tiny, again)
    other = simulate(TINY, seed=2, backend=QUICK, out=tmp_path)
    assert other.path.name != tiny.path.name
    assert not np.array_equal(other.arrays["counts/e"], again.arrays["counts/e"])


def test_finished_run_is_not_simulated_again(tiny, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("simulated again")

    monkeypatch.setattr(replicas_module, "make_backend", refuse)
    assert simulate(TINY, seed=1, backend=QUICK, out=tiny.path.parent).path == tiny.path
    with pytest.raises(AssertionError, match="simulated again"):
        simulate(TINY, seed=1, backend=QUICK, out=tiny.path.parent, force=True)
    assert_same(read_result(tiny.path), tiny)  # the attempt took nothing away


def test_interrupted_run_goes_on_with_the_same_result(tiny, tmp_path, monkeypatch):
    advance, calls = run_module.Run._advance, []

    def interrupt(self, last):
        if len(calls) == 3:
            calls.append("interrupted")
            raise KeyboardInterrupt
        calls.append(self.position)
        return advance(self, last)

    monkeypatch.setattr(run_module.Run, "_advance", interrupt)
    with pytest.raises(KeyboardInterrupt):
        simulate(TINY, seed=1, backend=QUICK, out=tmp_path)
    assert find_result(tmp_path, tiny.path.name) is None
    assert (tmp_path / f".{tiny.path.name}.partial" / "checkpoint.npz").exists()
    result = simulate(TINY, seed=1, backend=QUICK, out=tmp_path)
    assert calls[4] > 0  # did not begin from the start
    assert_same(result, tiny)
    assert {p.name for p in tmp_path.iterdir()} == {".locks", tiny.path.name}


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04nonsense"])
def test_damaged_checkpoint_is_ignored(tiny, tmp_path, damage):
    folder = tmp_path / f".{tiny.path.name}.partial"
    folder.mkdir()
    (folder / "checkpoint.npz").write_bytes(damage)
    assert_same(simulate(TINY, seed=1, backend=QUICK, out=tmp_path), tiny)


RUN = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from conftest import TINY
from brainsleep.run import replicas, simulate
replicas.CHECKPOINT_EVERY = replicas.CHECKPOINT_SPARING = 0.0
protocol = TINY.override({{"data.n_train": 60}})
result = simulate.simulate(protocol, seed=4, backend="numpy", out=Path({out!r}))
print(result.path)
"""


@pytest.mark.long
@pytest.mark.slow
def test_kill_in_the_middle_leaves_no_corrupt_result_and_the_run_completes(tmp_path):
    out = tmp_path / "out"
    code = RUN.format(tests=TESTS, out=str(out))
    reference = simulate(
        TINY.override({"data.n_train": 60}), seed=4, backend="numpy", out=tmp_path / "reference"
    )
    kills = 0
    for wait in (0.5, 1.0):
        process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE)
        deadline = time.time() + 60
        while not list(out.glob(".*.partial/checkpoint.npz")) and time.time() < deadline:
            time.sleep(0.05)
        time.sleep(wait)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.communicate()
        assert find_result(out, reference.path.name) is None or process.returncode == 0
    assert kills >= 1
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    assert_same(read_result(done.stdout.strip().splitlines()[-1]), reference)
    assert {p.name for p in out.iterdir()} == {".locks", reference.path.name}


def test_damaged_result_is_set_aside_and_run_again(tiny, tmp_path, caplog):
    result = simulate(TINY, seed=1, backend=QUICK, out=tmp_path)
    text = (result.path / "result.json").read_text()
    (result.path / "result.json").write_text(text.replace('"seed": 1', '"seed": 8'))
    with pytest.raises(StoreError, match="was changed after it was written"):
        read_result(result.path)
    again = simulate(TINY, seed=1, backend=QUICK, out=tmp_path)
    assert_same(again, tiny)
    assert len(list(tmp_path.glob("*.damaged-*"))) == 1
    assert "was changed after it was written; set aside" in caplog.text


def test_squeezed_images_are_said_once(tmp_path, caplog):
    images = np.random.default_rng(0).integers(0, 256, (92, 8, 12), dtype=np.uint8)
    np.savez(tmp_path / "wide.npz", images=images, labels=np.arange(92) % 4)
    wide = TINY.override({"data.source": str(tmp_path / "wide.npz")})
    runs = simulate_many([wide] * 2, seeds=[1, 2], backend="numpy", out=tmp_path / "out")
    said = [r.getMessage() for r in caplog.records if "squeezed" in r.getMessage()]
    assert len(runs) == 2 and len(said) == 1
    assert said[0].startswith("wide: images of 8x12 pixels are squeezed to 8x8")


def test_a_copy_of_another_runs_result_is_not_taken_for_its_own(tmp_path, caplog):
    small = TINY.override({"data.n_train": 4, "data.n_readout": 0, "data.n_test": 0})
    one, other = (simulate(small, seed=k, backend=QUICK, out=tmp_path) for k in (1, 2))
    shutil.rmtree(other.path)
    shutil.copytree(one.path, other.path)
    assert finished(tmp_path, other.path.name) is None
    again = simulate(small, seed=2, backend=QUICK, out=tmp_path)
    assert again.info["seed"] == 2 and again.metrics == other.metrics
    assert f"that of run {one.path.name}" in caplog.text and "set aside" in caplog.text


def test_a_run_that_ends_before_its_first_sleep_says_so(tmp_path, caplog):
    short = TINY.override({"data.n_train": 4, "schedule.period": "400*ms"})
    short = short.override({"data.n_readout": 0, "data.n_test": 0})
    result = simulate(short, backend=QUICK, out=tmp_path)
    assert "there is no sleep: it comes after every 0.4 s of wake" in caplog.text
    assert "the training images last 200. ms" in caplog.text
    assert result.metrics["sleep_s"] == 0
    assert headline(result)["sleep"] == "none came (50 % of wake was scheduled)"
    caplog.clear()
    simulate(short.override({"schedule.sleep.fraction": 0}), backend=QUICK, out=tmp_path)
    simulate(TINY.override({"data.n_train": 4}), backend=QUICK, out=tmp_path)
    assert "there is no sleep" not in caplog.text


WRITER = """
import sys
from pathlib import Path
import numpy as np
from brainsleep.results.store import write_result
for k in range(25):
    value = int(sys.argv[2]) * 100 + k
    arrays = {{"x": np.full(20000, value)}}
    write_result(Path({out!r}), sys.argv[1], {{"value": value}}, arrays)
"""


@pytest.mark.long
def test_many_processes_write_one_folder(tmp_path):
    script = WRITER.format(out=str(tmp_path))
    names = ["a" * 16, "b" * 16]
    writers = [
        subprocess.Popen([sys.executable, "-c", script, name, str(k)], stderr=subprocess.PIPE)
        for k in range(3)
        for name in names  # three writers of each result
    ]
    ended = [writer.communicate()[1] for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * 6, ended
    assert sorted(p.name for p in tmp_path.iterdir()) == names
    for name in names:
        result = read_result(tmp_path / name)  # its checksums are right
        assert result.arrays["x"].tolist() == [result.info["value"]] * 20000


def test_empty_folder_is_no_damaged_result(tiny, tmp_path, caplog):
    (tmp_path / tiny.path.name).mkdir()
    assert find_result(tmp_path, tiny.path.name) is None
    assert_same(simulate(TINY, seed=1, backend=QUICK, out=tmp_path), tiny)
    assert not list(tmp_path.glob("*.damaged-*")) and "set aside" not in caplog.text


def test_truncated_arrays_are_detected(tiny, tmp_path):
    info = {k: v for k, v in tiny.info.items() if k not in ("run_id", "schema_version")}
    result = write_result(tmp_path, "0" * 16, info, tiny.arrays)
    path = result.path / "arrays.npz"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(StoreError, match=r"arrays\.npz is missing or damaged"):
        read_result(result.path)


def test_sleep_ends_early_once_weights_are_back(tmp_path):
    quick = TINY.override(
        {
            "network.projections.*.processes.decay.tau_w": 20 * ms,
            "network.projections.*.processes.decay.period": 1 * ms,
            "schedule.sleep.until_initial": True,
            "schedule.sleep.check_every": 10 * ms,
            "record.raster": (),
            "record.snapshots": (),
        }
    )
    result = simulate(quick, seed=1, backend=QUICK, out=tmp_path)
    arrays = result.arrays
    asleep = arrays["slots/phase"] == "sleep"
    steps = arrays["slots/steps"]
    assert asleep.sum() == 3 * 10  # ten looks in each sleep of 100 ms
    assert 0 < result.metrics["sleep_s"] < 0.3 and (steps[asleep] == 0).any()
    assert np.all(arrays["totals/e"][steps == 0] == 0)
    assert np.all(steps[~asleep] == 50)
    total = sum(
        arrays[f"stats/{p.name}"][:, WEIGHT_STATISTICS.index("sum")]
        for p in TINY.network.projections
    )
    assert total[-1] <= total[0]  # the run ends with a sleep


def test_hooks_run_on_runtime_backends(tmp_path):
    seen = []

    def note(label):
        def hook(groups, t):
            seen.append((label, round(float(t / ms)), sorted(groups)))

        return hook

    hooks = {name: note(name) for name in ("on_wake", "on_sleep", "on_segment")}
    protocol = TINY.override({"data.n_test": 0, "data.n_readout": 0, "data.n_train": 8})
    protocol = type(protocol)(**{**vars(protocol), "hooks": hooks})
    simulate(protocol, seed=1, backend="numpy", out=tmp_path)
    labels = [label for label, *_ in seen]
    assert labels.count("on_wake") == 2 and labels.count("on_sleep") == 2
    assert labels.count("on_segment") >= 4
    assert seen[0][2] == ["e", "ee", "ei", "i", "ie", "input", "input_e"]
    with pytest.raises(BackendError, match="cannot call Python"):
        simulate(protocol, seed=1, backend="cpp", out=tmp_path)


def test_hook_can_change_the_network(tmp_path):
    def forget(groups, t):
        groups["ee"].w = 0.5

    protocol = TINY.override({"data.n_test": 0, "data.n_readout": 0, "data.n_train": 4})
    protocol = type(protocol)(**{**vars(protocol), "hooks": {"on_sleep": forget}})
    protocol = protocol.override(
        {
            "schedule.sleep.gates.decay": 0,
            "schedule.sleep.gates.noise": 0,
            "schedule.sleep.gates.plasticity": 0,
        }
    )
    arrays = simulate(protocol, seed=1, backend="numpy", out=tmp_path).arrays
    assert np.all(arrays["snapshots/trained/ee"] == 0.5)


def test_no_compiler_is_a_clear_error(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(BackendError, match=r"no C\+\+ compiler found.*--backend numpy"):
        simulate(TINY, backend="cpp", out=tmp_path)


def test_code_that_does_not_compile_is_a_clear_error(tmp_path, monkeypatch):
    fake = tmp_path / "bin"
    fake.mkdir()
    (fake / "g++").write_text("#!/bin/sh\necho 'x.cpp:1: error: no such thing' >&2\nexit 1\n")
    (fake / "g++").chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake}:{os.environ['PATH']}")
    monkeypatch.setenv("CXX", str(fake / "g++"))
    monkeypatch.setenv("BRAINSLEEP_CACHE", str(tmp_path / "cache"))
    with pytest.raises(BackendError, match="does not compile"):
        simulate(TINY, backend="cpp", out=tmp_path / "out")
    assert not list((tmp_path / "cache" / "programs").glob("[!.]*"))  # nothing half-built is left


def test_values_that_are_not_numbers_stop_the_run(tmp_path):
    zero = TINY.override({"network.projections.*.processes.decay.w_star": 0.0})  # divides by it
    with pytest.raises(SimulationError, match="not finite after a segment"):
        simulate(zero, backend=QUICK, out=tmp_path)
    assert not [p for p in tmp_path.iterdir() if not p.name.startswith(".")]


def test_unwritable_output(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(StoreError, match="folder that can be written"):
        simulate(TINY, backend=QUICK, out=blocked / "results")


def test_too_few_images(tmp_path):
    with pytest.raises(DataError, match=r"n_train|n_test|n_readout"):
        simulate(TINY.override({"data.n_train": 5000}), backend=QUICK, out=tmp_path)


def test_nothing_to_run():
    with pytest.raises(ProtocolError):
        TINY.override({"data.n_train": -1})


@pytest.mark.standalone
@needs_compiler
def test_cpp_run_agrees_with_numpy(tiny, tmp_path):
    """The same protocol on the compiled backend: other draws, the same statistics."""
    runs = [simulate(TINY, seed=s, backend="cpp", out=tmp_path) for s in range(6)]
    theirs = [simulate(TINY, seed=s, backend=QUICK, out=tmp_path) for s in range(6)]
    for name in ("rate_wake_e_hz", "rate_sleep_e_hz", "rate_test_e_hz", "growth_input_e"):
        a, b = (np.array([r.metrics[name] for r in rs]) for rs in (runs, theirs))
        error = np.sqrt((a - b).var(ddof=1) / len(a))  # the same network each, by seed
        assert abs((a - b).mean()) < 5 * error + 1e-3 * abs(b.mean()), name
    again = simulate(TINY, seed=0, backend="cpp", out=tmp_path / "again")
    assert_same(runs[0], again)


def test_sleep_comes_when_the_summed_weight_asks_for_it(tmp_path):
    """Due after every image; it comes only above the ratio, and brings the weights down."""
    wanted = {
        "schedule.period": 50 * ms,
        "schedule.sleep.fraction": 1.0,
        "network.projections.*.processes.decay.tau_w": 200 * ms,
        "record.raster": (),
        "record.snapshots": (),
    }
    always = simulate(TINY.override(wanted), seed=1, backend=QUICK, out=tmp_path)
    never = simulate(
        TINY.override({**wanted, "schedule.sleep.trigger": 50.0}),
        seed=1,
        backend=QUICK,
        out=tmp_path,
    )
    assert always.metrics["sleep_s"] == pytest.approx(12 * 0.05)
    assert never.metrics["sleep_s"] == 0 and never.metrics["growth"] > always.metrics["growth"]
    learns = {"network.projections.*.rules.stdp_nearest_reversed.lr": 0.05}
    some = simulate(
        TINY.override({**wanted, **learns, "schedule.sleep.trigger": 1.1}),
        seed=1,
        backend=QUICK,
        out=tmp_path,
    )
    steps = some.arrays["slots/steps"][some.arrays["slots/phase"] == "sleep"]
    assert 0 < np.count_nonzero(steps) < 12
    # it was above the ratio before each sleep that came, and not before one that was left out
    column = WEIGHT_STATISTICS.index("sum")
    total = sum(some.arrays[f"stats/{p.name}"][:, column] for p in TINY.network.projections)
    times = some.arrays["stat_times_s"].tolist()
    clock = 0.0
    phases = zip(some.arrays["slots/phase"], some.arrays["slots/steps"], strict=True)
    for phase, ran in phases:
        if phase == "sleep" and ran:
            at = int(np.argmin(np.abs(np.array(times) - clock)))
            assert total[at] > 1.1 * total[0]
        clock += ran * 1e-3


@pytest.mark.standalone
@needs_compiler
def test_no_room_for_the_files_of_a_segment_is_a_clear_error(tmp_path, monkeypatch):
    program = make_backend("cpp", TINY.network)
    segment = make_segment(TINY.network, np.zeros((1, 64)), [10])
    state = initial_state(TINY.network, 0)
    assert program.advance(state, segment, 0)[1].counts["input"].sum() == 0
    program = make_backend("cpp", TINY.network)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "gone"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(SimulationError, match="set TMPDIR to another"):
        program.advance(state, segment, 0)
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "other"))
    monkeypatch.setattr("tempfile.tempdir", None)  # as in another process
    assert make_backend("cpp", TINY.network).advance(state, segment, 0)

"""Results by name: what made them, what was recorded, and those of other versions."""

import subprocess
import sys

import numpy as np
import pytest
from brian2 import ms, second
from conftest import QUICK, TINY

from brainsleep.errors import StoreError
from brainsleep.results.result import Result
from brainsleep.results.store import read_result
from brainsleep.run.simulate import simulate

RECORDED = TINY.override({"record.raster": "0, 4", "record.snapshots": "(2,)"})


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    made = simulate(RECORDED, seed=3, backend=QUICK, out=tmp_path_factory.mktemp("results"))
    return read_result(made.path)


def test_what_made_it(result):
    assert result.protocol == result.stored_protocol == RECORDED
    assert (result.run_id, result.seed, result.backend) == (result.path.name, 3, QUICK)
    assert result.data.name == "digits" and len(result.data.fingerprint) > 8
    assert result.dt == RECORDED.network.dt and result.label == ""
    assert result.versions["brian2"] and result.timings["biological_s"] > 0
    assert result.machine and result.stopped is None


def test_what_was_recorded(result):
    arrays, dt = result.arrays, float(result.dt)
    schedule = RECORDED.schedule
    slots = schedule.compile(
        RECORDED.task.data.n_train, RECORDED.task.data.n_readout, RECORDED.task.data.n_test,
        RECORDED.network.gates, RECORDED.network.dt,
    )  # fmt: skip
    assert np.array_equal(result.slots["phase"], slots.phase)
    np.testing.assert_allclose(np.asarray(result.slot_times), slots.starts * dt)
    n = RECORDED.task.data.n_train * schedule.image_duration / schedule.wake_duration
    assert len(result.sleeps.onsets) == len(result.sleeps.durations) == int(n) > 0
    np.testing.assert_allclose(result.sleeps.durations / ms, schedule.sleep_duration / ms)
    np.testing.assert_allclose(result.sleeps.onsets[0] / second, schedule.wake_duration / second)
    assert result.counts.keys() == {"e", "i"}
    assert np.array_equal(result.counts["e"], arrays["counts/e"])
    times, neurons = result.spikes["e"]
    assert np.array_equal(neurons, arrays["spikes/e"][:, 1])
    assert len(times) == len(neurons) and times.max() < result.slot_times[4]
    weights = result.weights["ee"]
    assert weights.names == ["initial", "slot_2", "trained"] and weights.sign == 1
    assert weights.w.shape == (3, len(weights.synapses))
    assert weights.times[1] == result.slot_times[2]
    assert np.array_equal(weights.w[-1], arrays["snapshots/trained/ee"])
    assert result.statistics["ee"].shape == (
        len(result.statistics_times),
        len(result.weight_statistics),
    )


def test_its_protocol_is_there_in_a_new_process(result):
    code = f"from brainsleep import read_result; print(read_result({str(result.path)!r}).protocol)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "Images(" in done.stdout, done.stderr


def test_a_result_of_another_version_can_be_read(result):
    described = {k: v for k, v in result.described.items() if k not in ("tasks", "record")}
    described["data"] = {**described["data"], "n_train": "many", "colour": "grey"}
    other = Result(result.path, result.info | {"protocol": described})
    with pytest.raises(StoreError, match=r"cannot be made .*colour.*; read it as stored_protocol"):
        _ = other.protocol
    assert other.stored_protocol.task.data.n_train == "many"
    assert other.stored_protocol.network == RECORDED.network
    assert len(other.stored_protocol.task.tasks) == 0 and other.spikes == {}


def test_arrays_that_are_gone_are_said(result, tmp_path):
    gone = Result(tmp_path, result.info)
    for name in ("arrays", "counts", "slots"):
        with pytest.raises(StoreError, match=r"cannot read arrays\.npz"):
            getattr(gone, name)

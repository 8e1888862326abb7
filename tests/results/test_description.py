"""A protocol with long arrays: they lie beside ``result.json``, and it is whole when it is read."""

import json

import numpy as np
import pytest
from brian2 import ms

from brainsleep.errors import StoreError
from brainsleep.experiment.inputs import SpikeTrains
from brainsleep.experiment.protocol import Protocol, run_id
from brainsleep.experiment.timeline import Timeline, awake
from brainsleep.models.inputs import SPIKE_SOURCE
from brainsleep.network.spec import NetworkSpec, Population
from brainsleep.results import store
from brainsleep.results.store import finished, read_result
from brainsleep.results.table import flatten, tabulate
from brainsleep.run.simulate import simulate
from brainsleep.values import arrays as arrays_module
from brainsleep.values.arrays import with_data, without_data

#: Each of 12 neurons spikes in every step.
TRAINS = SpikeTrains(np.tile(np.arange(12), 100), np.repeat(np.arange(100), 12) * ms)
PROTOCOL = Protocol(
    name="told",
    network=NetworkSpec(
        name="told",
        input="",
        populations=(Population(name="told", size=12, model=SPIKE_SOURCE),),
    ),
    schedule=Timeline(periods=(awake(100 * ms, inputs={"told": TRAINS}),) * 2, slot=50 * ms),
)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return simulate(PROTOCOL, backend="numpy", out=tmp_path_factory.mktemp("results"))


def test_long_arrays_are_stored_once_and_beside(result):
    text = (result.path / "result.json").read_text()
    assert TRAINS.times.data not in text and TRAINS.times.sha256 in text
    with np.load(result.path / "protocol.npz") as stored:
        assert set(stored) == {TRAINS.times.sha256, TRAINS.indices.sha256}
        np.testing.assert_array_equal(stored[TRAINS.times.sha256], TRAINS.times.numbers)
        assert stored[TRAINS.indices.sha256].dtype == np.int32


def test_the_protocol_is_whole_when_it_is_read(result):
    read = read_result(result.path)
    assert read.protocol == read.stored_protocol == PROTOCOL
    assert read.described == json.loads(json.dumps(PROTOCOL.describe()))
    assert read.run_id == run_id(read.protocol, 0, "numpy", "")
    assert simulate(read.protocol, backend="numpy", out=result.path.parent).path == result.path
    assert read.metrics["rate_wake_told_hz"] == pytest.approx(1000)


def test_results_with_arrays_inside_are_read_as_before(result, tmp_path, monkeypatch):
    monkeypatch.setattr(arrays_module, "_LONGEST", 10**9)
    before = simulate(PROTOCOL, backend="numpy", out=tmp_path)
    assert not (before.path / "protocol.npz").exists() and before.run_id == result.run_id
    assert TRAINS.times.data in (before.path / "result.json").read_text()
    monkeypatch.undo()
    assert read_result(before.path).protocol == PROTOCOL


def test_short_arrays_stay_inside():
    few = SpikeTrains([0, 1], [1, 2] * ms)
    periods = (awake(100 * ms, inputs={"told": few}),)
    described = PROTOCOL.override({"schedule.periods": periods}).describe()
    assert without_data(described) == (described, {})


def test_what_is_apart_is_put_back():
    described = PROTOCOL.describe()
    left, apart = without_data(described)
    assert len(apart) == 2 and "data" not in json.dumps(left["schedule"])
    assert with_data(left, apart) == described and "data" in json.dumps(described["schedule"])


def test_arrays_that_are_gone_or_damaged_are_said(tmp_path):
    made = simulate(PROTOCOL, backend="numpy", out=tmp_path)
    path = made.path / "protocol.npz"
    whole = path.read_bytes()
    for content in (None, whole[:-1], whole[:200] + b"x" + whole[201:]):
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(StoreError, match=r"protocol.npz is missing or damaged.*--force"):
            read_result(made.path)
        assert finished(tmp_path, made.run_id) is None
        path.write_bytes(whole)
    path.unlink()
    again = simulate(PROTOCOL, backend="numpy", out=tmp_path)
    assert again.path == made.path and read_result(again.path).protocol == PROTOCOL


def test_others_arrays_are_said(result, tmp_path):
    """One that the settings name and that is not there, with all checksums right."""
    other = store.write_result(tmp_path, "0" * 16, dict(result.info), result.arrays)
    np.savez(other.path / "protocol.npz", a=np.zeros(3))
    with pytest.raises(StoreError, match=r"cannot read protocol.npz; run it again"):
        _ = other.described


def test_tables_name_arrays(result):
    settings = flatten(result.described)
    assert max(map(len, map(str, settings.values()))) < 1500
    assert f"SHA-256 {TRAINS.times.sha256[:12]}" in settings["schedule.periods"]
    assert len(tabulate(result.path.parent)) == 1

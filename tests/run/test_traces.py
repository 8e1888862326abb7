"""Traces and single spikes: right, whatever the cut, and whatever happens to the run."""

import itertools
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, replace

import brian2
import numpy as np
import pytest
from brian2 import Hz, ms, mV, second
from conftest import BACKENDS, QUICK, TESTS, needs_brian2cuda

from brainsleep.backends.base import make_backend
from brainsleep.errors import BackendError, DataError, ProtocolError, StoreError
from brainsleep.experiment.observer import Metric, Observer
from brainsleep.experiment.protocol import Protocol, run_id
from brainsleep.experiment.record import Record
from brainsleep.experiment.timeline import Timeline, asleep, awake
from brainsleep.export.export import export
from brainsleep.models.inputs import POISSON
from brainsleep.models.stdp import STDP_NEAREST
from brainsleep.network.spec import (
    Connectivity,
    InitialWeights,
    NetworkSpec,
    NeuronModel,
    Population,
    Projection,
    SynapseModel,
)
from brainsleep.results.store import read_result
from brainsleep.results.table import flatten
from brainsleep.run import loop as run_module
from brainsleep.run.observers import growing
from brainsleep.run.segment import Capacity, Segment, Traced
from brainsleep.run.simulate import simulate, simulate_many
from brainsleep.run.state import initial_state

#: Neurons that fire by themselves, each at a rate of its own, and excite each other.
DRIVEN = NeuronModel(
    name="driven",
    equations="""
    dv/dt = (drive - v + g)/tau : volt
    dg/dt = -g/tau : volt
    drive = step*(1 + i) : volt
    """,
    threshold="v > v_threshold",
    reset="v = 0*mV",
    parameters={"tau": 10 * ms, "step": 12 * mV, "v_threshold": 10 * mV},
)
#: Their traces: of neurons, of what is computed, and of synapses by number and by neurons.
STATES = {"e.v": (0, 3), "e.drive": "all", "ee.w": ((0, 1), (3, 2)), "e.g": (2,)}


def network(n=4):
    return NetworkSpec(
        name="firing",
        populations=(
            Population(name="input", size=1, model=POISSON),
            Population(name="e", size=n, model=DRIVEN),
        ),
        projections=(
            Projection(
                name="ee",
                source="e",
                target="e",
                synapse=SynapseModel(
                    name="kick", on_pre="g_post += w*size", parameters={"size": 1 * mV}
                ),
                connectivity=Connectivity(self_connections=False),
                weights=InitialWeights(low=0.5, high=1.5),
                w_max=2.0,
                rules=(STDP_NEAREST.with_parameters(lr=0.05),),
            ),
        ),
    )


NETWORK = network()
#: 200 steps in 20 slots, two of them asleep; nothing is drawn.
PROTOCOL = Protocol(
    name="firing",
    network=NETWORK,
    schedule=Timeline(periods=(awake(90 * ms), asleep(10 * ms)), times=2, slot=10 * ms),
    record=Record(states=STATES),
)
SMALL = Capacity(slots=64, steps=4096)

#: A neuron that spikes towards the end only.
LATE = Population(
    name="late",
    size=1,
    model=NeuronModel(
        name="late",
        equations="dv/dt = 1/tau : 1",
        threshold="v > v_threshold",
        reset="v -= 2*after",
        parameters={"tau": 1 * ms, "v_threshold": 190.5, "after": 1.0},
    ),
)


@dataclass(frozen=True)
class SpikesSoFar(Observer):
    """How many spikes were recorded until now."""

    name = "so_far"
    metrics = (Metric("observed", "so_far", "1", "spikes"),)

    def slots(self, table):
        return range(0, len(table) + 1, 4)

    def look(self, view):
        return {"n": len(view.recorder.arrays()["spikes/e"])}

    def measure(self, seen):
        return {"so_far": len(seen.recorder.arrays()["spikes/e"])}


def segment_of(start, indices, every=1, n=20):
    """The slots of the protocol, all values recorded."""
    steps = np.full(n, 10)
    ones = np.ones(n)
    return Segment(
        steps=steps,
        stimulus=np.zeros((n, 1)),
        gates={gate: ones for gate in NETWORK.gates},
        onset=np.arange(n) == 0,
        phase=np.full(n, "wake"),
        raster=np.zeros(n, bool),
        start=start,
        traced=Traced(np.arange(0, 10 * n, every), indices),
    )


def brians_own(state, steps=200):
    """The same network as plain Brian2 objects, with state monitors: values (n_times, n)."""
    w, (pre, post) = state.arrays["ee.w"], state.synapses["ee"]
    p = STDP_NEAREST.parameters
    taus = {k: v for k, v in p.items() if k.startswith("tau")}
    own = {"tau": 10 * ms, "step": 12 * mV, "v_threshold": 10 * mV, "size": 1 * mV, **taus}
    brian2.prefs.codegen.target = "numpy"
    clock = brian2.Clock(dt=1 * ms)
    group = brian2.NeuronGroup(
        4, f"{DRIVEN.equations}\n", threshold="v > v_threshold", reset="v = 0*mV",
        method="euler", clock=clock, namespace=own,
    )  # fmt: skip
    synapses = brian2.Synapses(
        group, group, "w : 1", on_pre="g_post += w*size", clock=clock, namespace=own
    )
    synapses.connect(i=pre, j=post)
    synapses.w = w
    of_neurons = brian2.StateMonitor(group, ["v", "g", "drive"], record=True, clock=clock)
    of_synapses = brian2.StateMonitor(synapses, "w", record=True, clock=clock)
    net = brian2.Network(group, synapses, of_neurons, of_synapses)
    net.run(steps * ms)
    values = {f"e.{k}": np.asarray(getattr(of_neurons, k)).T for k in ("v", "g", "drive")}
    return values | {"ee.w": np.asarray(of_synapses.w).T}


@pytest.mark.parametrize("target", BACKENDS)
def test_traces_are_those_of_a_state_monitor(target):
    fixed = replace(NETWORK.projection("ee"), rules=())
    spec = replace(NETWORK, projections=(fixed,))
    state = initial_state(spec, 3)
    monitors = brians_own(state)
    wanted = {k: np.arange(v.shape[1])[::-1] for k, v in monitors.items()}  # in an order of our own
    backend = make_backend(target, spec, capacity=SMALL, traced=wanted)
    _, recording = backend.advance(state, segment_of(0, wanted), seed=1)
    assert np.ptp(monitors["e.v"][:, 3]) > 5e-3 and np.ptp(monitors["e.g"]) > 1e-3
    for name, values in recording.traces.items():
        np.testing.assert_allclose(values, monitors[name][:, ::-1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("target", BACKENDS)
def test_the_cut_changes_no_bit(target):
    indices = {"e.v": np.array([0, 3]), "ee.w": np.array([5, 2, 0])}
    backend = make_backend(target, NETWORK, capacity=SMALL, traced=indices)
    start, whole = initial_state(NETWORK, 3), segment_of(70, indices, every=3)
    end, reference = backend.advance(start, whole, seed=1)
    assert len(np.unique(reference.traces["ee.w"][:, 0])) > 3
    for cuts in ([0, 9, 20], [0, 1, 4, 5, 11, 13, 19, 20]):
        state, parts = start, []
        for first, last in itertools.pairwise(cuts):
            state, recording = backend.advance(state, whole.part(first, last), seed=first)
            parts.append(recording.traces)
        for name, values in reference.traces.items():
            joined = np.concatenate([part[name] for part in parts])
            assert joined.tobytes() == values.tobytes(), name
        for name, value in end.arrays.items():
            assert value.tobytes() == state.arrays[name].tobytes(), name


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    return simulate(PROTOCOL, seed=3, backend=QUICK, out=tmp_path_factory.mktemp("results"))


def values_of(result):
    return {name: np.asarray(result.states(name).values).tobytes() for name in result.traced}


def test_a_result_gives_traces_with_units(recorded):
    v, w = recorded.states("e.v"), recorded.states("ee.w")
    assert v.values.shape == (200, 2) and v.unit == "volt" and v.indices.tolist() == [0, 3]
    assert v.values.dim == (1 * mV).dim and v.times.dim == second.dim
    np.testing.assert_allclose(np.asarray(v.times), np.arange(200) * 1e-3)
    assert w.unit == "1" and w.pairs.tolist() == [[0, 1], [3, 2]] and v.pairs is None
    np.testing.assert_allclose(recorded.states("e.drive").values[0] / mV, [12, 24, 36, 48])
    assert recorded.traced == tuple(STATES)
    first = recorded.synapses("ee", "initial")
    there = [np.flatnonzero((first.pre == i) & (first.post == j))[0] for i, j in ((0, 1), (3, 2))]
    np.testing.assert_array_equal(np.asarray(w.values)[0], first.w[there])
    part = v.between(20 * ms, 30 * ms)
    assert len(part.times) == 10 and float(part.times[0]) == pytest.approx(0.02)
    frame = w.to_pandas()
    assert frame.columns.tolist() == [(0, 1), (3, 2)] and frame.index.name == "time_s"
    assert frame.shape == (200, 2) and v.to_pandas().columns.tolist() == [0, 3]


def test_values_are_read_where_they_are_looked_at(recorded):
    base = recorded.states("e.v").values
    while base is not None and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)


def test_a_trace_that_is_not_there_or_damaged(recorded, tmp_path):
    with pytest.raises(DataError, match=r"no trace of 'e.w'; .*e.v.*record.states"):
        recorded.states("e.w")
    other = simulate(PROTOCOL, seed=4, backend=QUICK, out=tmp_path)
    path = other.path / "traces" / "e.v.npy"
    path.write_bytes(path.read_bytes()[:-8] + bytes(8))
    with pytest.raises(StoreError, match=r"e\.v\.npy is missing or damaged"):
        read_result(other.path).states("e.v")


def test_every_and_windows_choose_times(recorded, tmp_path):
    windows = ((25 * ms, 60 * ms), (85 * ms, 110 * ms))
    some = PROTOCOL.override({"record.every": 5 * ms, "record.windows": windows})
    result = simulate(some, seed=3, backend=QUICK, out=tmp_path)
    steps = [*range(25, 60, 5), *range(85, 110, 5)]
    np.testing.assert_allclose(np.asarray(result.states("e.v").times), np.array(steps) * 1e-3)
    for name in STATES:
        all_values = np.asarray(recorded.states(name).values)
        np.testing.assert_array_equal(np.asarray(result.states(name).values), all_values[steps])


def test_spikes_of_populations_in_windows(recorded, tmp_path):
    record = Record(spikes=("e",))
    whole = simulate(replace(PROTOCOL, record=record), seed=3, backend=QUICK, out=tmp_path)
    times, neurons = whole.spikes["e"]
    assert list(whole.spikes) == ["e"]
    assert len(times) == whole.counts["e"].sum() > 20
    assert set(neurons) == {0, 1, 2, 3}
    record = Record(
        spikes=("e",), windows=((33 * ms, 71 * ms), (150 * ms, 151 * ms)), raster=(2, 3)
    )
    part = simulate(replace(PROTOCOL, record=record), seed=3, backend=QUICK, out=tmp_path)
    at = np.rint(np.asarray(times) * 1e3)
    wanted = ((at >= 33) & (at < 71)) | (at == 150) | ((at >= 20) & (at < 30))
    np.testing.assert_array_equal(np.asarray(part.spikes["e"].times), np.asarray(times)[wanted])


def test_slots_and_streaming_change_nothing(recorded, tmp_path, monkeypatch):
    finer = PROTOCOL.override({"schedule.slot": 5 * ms})
    assert values_of(simulate(finer, seed=3, backend=QUICK, out=tmp_path)) == values_of(recorded)
    monkeypatch.setattr(growing, "LIMIT", 1500)
    spilled = []
    spill = growing.GrowingArrays.spill
    monkeypatch.setattr(
        growing.GrowingArrays, "spill", lambda self: (spilled.append(self.held), spill(self))
    )
    streamed = simulate(PROTOCOL, seed=3, backend=QUICK, out=tmp_path)
    assert values_of(streamed) == values_of(recorded)
    assert np.count_nonzero(spilled) > 5
    assert not list(tmp_path.glob(".*.partial"))


@pytest.mark.parametrize("limit", [1500, 10**6], ids=["streamed", "held"])
def test_an_interrupted_run_goes_on(recorded, tmp_path, monkeypatch, limit):
    monkeypatch.setattr(growing, "LIMIT", limit)
    protocol = PROTOCOL.override({"record.snapshots": (6, 12)})
    reference = simulate(protocol, seed=3, backend=QUICK, out=tmp_path / "reference")
    for after in (1, 2):
        calls = []

        with monkeypatch.context() as patch:
            original = run_module.Run._segment

            def segment(run, first, last, calls=calls, after=after, original=original):
                calls.append(first)
                if len(calls) > after:
                    raise KeyboardInterrupt
                return original(run, first, last)

            patch.setattr(run_module.Run, "_segment", segment)
            with pytest.raises(KeyboardInterrupt):
                simulate(protocol, seed=3, backend=QUICK, out=tmp_path / "out")
        assert list((tmp_path / "out").glob(".*.partial/checkpoint.npz"))
    result = simulate(protocol, seed=3, backend=QUICK, out=tmp_path / "out")
    assert values_of(result) == values_of(reference) == values_of(recorded)


KILLED = """
import os, signal, sys
sys.path.insert(0, {tests!r})
from test_traces import {protocol}, growing
from brainsleep.run.simulate import simulate

growing.LIMIT = 1500
append, left = growing._append, [{writes}]

def dying(path, rows, values):
    append(path, rows, values)
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)

growing._append = dying
simulate({protocol}, seed=3, backend={backend!r}, out={out!r})
"""


def killed(out, protocol, writes):
    """Run a protocol of this module by name; it is killed after so many writes to files."""
    tests = os.path.join(TESTS, "run")
    given = {"tests": tests, "writes": writes, "backend": QUICK, "out": str(out)}
    code = KILLED.format(protocol=protocol, **given)
    paths = os.pathsep.join([TESTS, os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": paths}, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert list(out.glob(".*.partial/checkpoint.npz"))


@pytest.mark.slow
@pytest.mark.parametrize("writes", [7, 8])  # within the second time that five files are written
def test_killed_while_traces_are_written(recorded, tmp_path, monkeypatch, writes):
    out = tmp_path / "out"
    killed(out, "PROTOCOL", writes)
    monkeypatch.setattr(growing, "LIMIT", 1500)
    result = simulate(PROTOCOL, seed=3, backend=QUICK, out=out)
    assert values_of(result) == values_of(recorded)


def test_a_checkpoint_whose_files_are_gone_is_not_used(tmp_path):
    arrays = growing.GrowingArrays(("steps", "e.v"), tmp_path)
    arrays.add(0, {"steps": np.arange(4), "e.v": np.ones((4, 2))})
    arrays.spill()
    again = growing.GrowingArrays(("steps", "e.v"), tmp_path)
    assert again.has(arrays.on_disk) and not again.has(5)
    arrays.path("e.v").unlink()
    assert not again.has(4)


#: Single spikes of two populations, of which one spikes late only, and a trace.
SPIKING = replace(
    PROTOCOL,
    network=replace(NETWORK, populations=(*NETWORK.populations, LATE)),
    record=Record(
        spikes=("e", "late"), states={"e.v": (0,)}, every=5 * ms, snapshots=tuple(range(1, 20))
    ),
)


def spikes_of(result):
    return {name: result.arrays[f"spikes/{name}"].tobytes() for name in result.spikes}


@pytest.fixture(scope="module")
def spiking(tmp_path_factory):
    return simulate(SPIKING, seed=3, backend=QUICK, out=tmp_path_factory.mktemp("spikes"))


def test_spikes_stream_to_disk(spiking, tmp_path, monkeypatch):
    assert not (spiking.path / "spikes").exists() and len(spiking.spikes["late"])
    assert float(spiking.spikes["late"].times.min()) > 0.185
    monkeypatch.setattr(growing, "LIMIT", 400)
    held, spill = [], run_module.Run._spill
    monkeypatch.setattr(
        run_module.Run, "_spill", lambda run: (held.append(run.recorder.held), spill(run))
    )
    streamed = simulate(SPIKING, seed=3, backend=QUICK, out=tmp_path)
    assert len(held) > 3 and max(held) < 2000
    assert spikes_of(streamed) == spikes_of(spiking)
    assert values_of(streamed) == values_of(spiking) and streamed.metrics == spiking.metrics
    assert {path.stem for path in (streamed.path / "spikes").iterdir()} == {"e"}
    with np.load(streamed.path / "arrays.npz") as stored:
        assert "spikes/late" in stored and "spikes/e" not in stored
    assert streamed.arrays.keys() == spiking.arrays.keys()
    assert not list(tmp_path.glob(".*.partial"))
    for kind in ("spikes", "slots"):
        files = [export(r, tmp_path / f"{k}.csv", kind) for k, r in enumerate((spiking, streamed))]
        assert files[0].read_text() == files[1].read_text()


def test_spikes_on_disk_are_read_where_they_are_looked_at(spiking, tmp_path, monkeypatch):
    monkeypatch.setattr(growing, "LIMIT", 400)
    result = read_result(simulate(SPIKING, seed=3, backend=QUICK, out=tmp_path).path)
    spikes = result.spikes["e"]
    for array in (spikes.neurons, spikes.between(20 * ms, 80 * ms).steps):
        while not isinstance(array, np.memmap):
            array = array.base
    times, neurons = spiking.spikes["e"]
    part = spikes.between(20 * ms, 80 * ms)
    inside = (times / ms > 19.5) & (times / ms < 79.5)
    assert 0 < len(part) < len(spikes) == len(times)
    np.testing.assert_array_equal(np.asarray(part.times), np.asarray(times)[inside])
    np.testing.assert_array_equal(part.neurons, neurons[inside])
    path = result.path / "spikes" / "e.npy"
    path.write_bytes(path.read_bytes()[:-8] + bytes(8))
    with pytest.raises(StoreError, match=r"e\.npy is missing or damaged; run it again"):
        _ = result.spikes


def test_observers_see_all_spikes_while_a_run_is_under_way(tmp_path, monkeypatch):
    monkeypatch.setattr(growing, "LIMIT", 400)
    protocol = replace(SPIKING, record=replace(SPIKING.record, observers=(SpikesSoFar(),)))
    result = simulate(protocol, seed=3, backend="numpy", out=tmp_path)
    looks, steps = result.arrays["so_far/n"], np.asarray(result.spikes["e"].steps)
    wanted = [np.count_nonzero(steps < 10 * slot) for slot in range(0, 21, 4)]
    assert looks.tolist() == wanted and wanted[1] > 0
    assert result.metrics["so_far"] == wanted[-1] == len(steps)


@pytest.mark.parametrize("limit", [400, 10**6], ids=["streamed", "held"])
def test_an_interrupted_run_goes_on_with_its_spikes(spiking, tmp_path, monkeypatch, limit):
    monkeypatch.setattr(growing, "LIMIT", limit)
    for after in (7, 6):
        with monkeypatch.context() as patch:
            calls, original = [], run_module.Run._segment

            def segment(run, first, last, calls=calls, after=after, original=original):
                calls.append(first)
                if len(calls) > after:
                    raise KeyboardInterrupt
                return original(run, first, last)

            patch.setattr(run_module.Run, "_segment", segment)
            with pytest.raises(KeyboardInterrupt):
                simulate(SPIKING, seed=3, backend=QUICK, out=tmp_path)
        assert list(tmp_path.glob(".*.partial/checkpoint.npz"))
        assert bool(list(tmp_path.glob(".*.partial/spikes/e.npy"))) == (limit == 400)
    result = simulate(SPIKING, seed=3, backend=QUICK, out=tmp_path)
    assert spikes_of(result) == spikes_of(spiking) and values_of(result) == values_of(spiking)


def test_spikes_whose_file_is_gone_are_simulated_again(spiking, tmp_path, monkeypatch):
    monkeypatch.setattr(growing, "LIMIT", 400)
    with monkeypatch.context() as patch:
        patch.setattr(run_module.Run, "store", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            simulate(SPIKING, seed=3, backend=QUICK, out=tmp_path)
    (gone,) = tmp_path.glob(".*.partial/spikes/e.npy")
    gone.unlink()
    result = simulate(SPIKING, seed=3, backend=QUICK, out=tmp_path)
    assert spikes_of(result) == spikes_of(spiking) and values_of(result) == values_of(spiking)


@pytest.mark.slow
@pytest.mark.parametrize("writes", [5, 6])  # a trace, or spikes, for the second time
def test_killed_while_spikes_are_written(spiking, tmp_path, monkeypatch, writes):
    out = tmp_path / "out"
    killed(out, "SPIKING", writes)
    monkeypatch.setattr(growing, "LIMIT", 400)
    result = simulate(SPIKING, seed=3, backend=QUICK, out=out)
    assert spikes_of(result) == spikes_of(spiking) and values_of(result) == values_of(spiking)


def test_replicas_record_each_its_own(recorded, tmp_path):
    other = replace(PROTOCOL, record=Record(states={"e.v": (1, 2), "e.g": "all"}, every=2 * ms))
    none = replace(PROTOCOL, record=Record())
    several = simulate_many([PROTOCOL, other, none], seeds=3, backend=QUICK, out=tmp_path)
    assert values_of(several[0]) == values_of(recorded)
    alone = simulate(other, seed=3, backend=QUICK, out=tmp_path / "alone")
    assert values_of(several[1]) == values_of(alone)
    assert several[2].traced == () and not (several[2].path / "traces").exists()


def test_recording_changes_nothing_else(recorded, tmp_path):
    without = simulate(replace(PROTOCOL, record=Record()), seed=3, backend=QUICK, out=tmp_path)
    assert without.run_id != recorded.run_id
    mine, theirs = recorded.arrays, without.arrays
    for name, value in theirs.items():
        assert mine[name].tobytes() == value.tobytes(), name
    assert {name.partition("/")[0] for name in mine.keys() - theirs.keys()} == {"traced"}


def test_a_protocol_with_traces_is_plain_data():
    protocol = PROTOCOL.override(
        {"record.windows": ((1 * ms, 2 * ms),), "record.every": "0.5*ms", "network.dt": "0.5*ms"}
    )
    assert Protocol.from_dict(protocol.describe()) == protocol
    assert protocol.record.states["ee.w"] == ((0, 1), (3, 2))
    windows = PROTOCOL.override({"record.windows": "((10*ms, 0.05 second), (0.1*second, 120*ms))"})
    assert windows.record.windows == ((10 * ms, 50 * ms), (100 * ms, 120 * ms))
    keys = {k: str(v) for k, v in flatten(windows.describe()).items() if k.startswith("record.")}
    assert replace(windows, record=Record()).override(keys) == windows
    as_text = PROTOCOL.override({"record.states": "{'e.v': [0, 3]}"})
    assert as_text.record.states == {"e.v": (0, 3)}
    arrays = replace(PROTOCOL, record=Record(states={"e.v": np.array([0, 3])}))
    assert run_id(arrays, 0, "cpp", "") == run_id(as_text, 0, "cpp", "")


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"states": {"e.x": "all"}}, r"no variable 'e.x' to record; .*e.drive"),
        ({"states": {"e.lastspike": "all"}}, "no variable 'e.lastspike'"),
        ({"states": {"e.tau": "all"}}, "no variable 'e.tau'"),
        ({"states": {"v": "all"}}, "population or projection, and a variable"),
        ({"states": {"e.v": (0, 4)}}, "got 4; expected neurons 0 to 3"),
        ({"states": {"e.v": (0, 0)}}, "each once"),
        ({"states": {"e.v": ()}}, "each once"),
        ({"states": {"e.v": ((0, 1),)}}, "pairs are for synapses"),
        ({"states": {"ee.w": ((0, 9),)}}, "got 9; expected e 0 to 3"),
        ({"states": {"e.v": "all"}, "every": 0.3 * ms}, "a multiple of the time step"),
        ({"every": 3 * ms}, "nothing is recorded"),
        ({"windows": ((3 * ms, 4 * ms),)}, "nothing is recorded"),
        ({"spikes": ("e",), "windows": ((3 * ms, 2 * ms),)}, "order of time"),
        ({"spikes": ("e",), "windows": (3 * ms, 2 * ms)}, "pairs of times"),
        ({"spikes": ("x",)}, "no population 'x'"),
    ],
)
def test_what_cannot_be_recorded_is_refused(record, message):
    with pytest.raises(Exception, match=message):
        replace(PROTOCOL, record=Record(**record))


def test_a_synapse_that_was_not_drawn_is_refused(tmp_path):
    protocol = replace(PROTOCOL, record=Record(states={"ee.w": ((2, 2),)}))
    with pytest.raises(ProtocolError, match=r"no synapse \(2, 2\).*neuron 2 has some to: 0, 1, 3"):
        simulate(protocol, backend="numpy", out=tmp_path)


def test_what_a_backend_was_not_made_for_is_refused():
    backend = make_backend("numpy", NETWORK, traced=("e.g",))
    with pytest.raises(BackendError, match=r"trace: got e.v; expected of those .* e.g"):
        backend.advance(initial_state(NETWORK, 0), segment_of(0, {"e.v": np.array([0])}), seed=0)


@needs_brian2cuda
def test_cuda_refuses_traces():
    with pytest.raises(BackendError, match=r"backend cuda: got traces of e\.v; .*--backend cpp"):
        make_backend("cuda", NETWORK, traced=("e.v",))


def test_variables_of_synapses(tmp_path):
    """One on the clock is recorded; an event-driven one, which is not up to date, is refused."""

    def protocol(how, states):
        synapse = SynapseModel(
            name="fading",
            equations=f"dx/dt = -x/tau_x : 1 ({how})",
            on_pre="x += 1\ng_post += w*size",
            parameters={"tau_x": 20 * ms, "size": 1 * mV},
        )
        projection = replace(NETWORK.projection("ee"), synapse=synapse, rules=())
        spec = replace(NETWORK, projections=(projection,))
        return replace(PROTOCOL, network=spec, record=Record(states=states))

    states = {"ee.x": ((3, 2),), "e.v": (3,)}
    with pytest.raises(ProtocolError, match=r"ee\.x: got an event-driven .*clock-driven"):
        protocol("event-driven", states)
    result = simulate(protocol("clock-driven", states), backend="numpy", out=tmp_path)
    x, v = (np.asarray(result.states(name).values)[:, 0] for name in ("ee.x", "e.v"))
    spiked = 1 + np.flatnonzero((np.diff(v) < 0) & (v[1:] == 0))
    assert len(spiked) > 5
    decay, wanted = 1 - 1 / 20, [0.0]  # by Euler's method
    for k in range(1, len(x)):
        wanted.append(wanted[-1] * decay + (k in spiked))
    np.testing.assert_allclose(x, wanted, rtol=1e-9)


def test_what_errors_say_is_done(tmp_path):
    """Each fix that an error prints, carried out."""
    nothing = replace(PROTOCOL, record=Record())
    with pytest.raises(ProtocolError, match=r"say what is recorded: states=.* or spikes="):
        nothing.override({"record.every": 3 * ms})
    for given in ({"states": {"e.v": (0, 1)}}, {"spikes": ("e",)}):
        assert replace(PROTOCOL, record=Record(every=3 * ms, **given)).record.every == 3 * ms
    result = simulate(nothing, seed=3, backend=QUICK, out=tmp_path)
    with pytest.raises(DataError, match=r'set record.states to {"e.v": "all"} and run it again'):
        result.states("e.v")
    with pytest.raises(DataError, match=r"set record.states to {'POPULATION.VARIABLE': 'all'}"):
        export(result, tmp_path / "traces.csv", "traces")
    recorded = nothing.override({"record.states": {"e.v": "all"}})
    again = simulate(recorded, seed=3, backend=QUICK, out=tmp_path)
    assert again.states("e.v").values.shape == (200, 4)
    assert export(again, tmp_path / "traces.csv", "traces").exists()


def test_random_numbers_of_a_trace_are_not_drawn_again(tmp_path):
    """What is computed with rand() cannot be recorded: that would change the run."""
    noisy = replace(DRIVEN, equations=DRIVEN.equations + "\nu = rand() : 1 (constant over dt)")
    spec = replace(NETWORK, populations=(NETWORK.populations[0],
                                         Population(name="e", size=4, model=noisy)))  # fmt: skip
    with pytest.raises(ProtocolError, match=r"no variable 'e.u'"):
        replace(PROTOCOL, network=spec, record=Record(states={"e.u": "all"}))


def test_rates_of_an_input_are_those_of_its_slots(tmp_path):
    schedule = Timeline(
        periods=(awake(20 * ms, rate=80 * Hz), asleep(10 * ms)), times=1, slot=10 * ms
    )
    protocol = replace(PROTOCOL, schedule=schedule, record=Record(states={"input.rate": "all"}))
    result = simulate(protocol, backend="numpy", out=tmp_path)
    np.testing.assert_array_equal(
        np.asarray(result.states("input.rate").values)[:, 0], np.repeat([80.0, 0.0], [20, 10])
    )

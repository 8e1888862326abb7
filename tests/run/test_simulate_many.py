"""Replicas: runs that go through a backend together are what they are alone."""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from brian2 import ms
from conftest import TESTS, TINY, make_segment, needs_compiler

from brainsleep.backends.base import make_backend
from brainsleep.backends.cpp import backend as cpp_backend
from brainsleep.backends.cpp import process as process_module
from brainsleep.backends.cpp.build import find_compiler
from brainsleep.errors import (
    BackendError,
    DataError,
    ProtocolError,
    ReplicaError,
    SimulationError,
    StoreError,
)
from brainsleep.files.locks import exclusive_locks
from brainsleep.models.stdp import STDP_NEAREST
from brainsleep.results.store import find_result, read_result
from brainsleep.run import loop as run_module
from brainsleep.run import replicas as replicas_module
from brainsleep.run.replicas import check_alike
from brainsleep.run.segment import Capacity
from brainsleep.run.simulate import simulate, simulate_many
from brainsleep.run.state import initial_state

#: What replicas may differ in: probes, triggered sleep, tasks, early end, values, length.
CHANGES = (
    {},
    {"schedule.sleep.fraction": 0.0, "data.n_train": 6},
    {"schedule.sleep.fraction": 1.0, "probes.images": 20},
    {"network.populations.e.model.tau_m": 20 * ms, "encoder.total": 20.0},
    {"schedule.period": 50 * ms, "schedule.sleep.trigger": 1.02},
    {"schedule.sleep.until_initial": True, "schedule.sleep.check_every": 10 * ms},
    {
        "tasks.classes": ((0, 1, 2, 3, 4), (5, 6, 7, 8, 9)),
        "data.n_train": 20,
        "data.n_readout": 100,
        "data.n_test": 100,
        "probes.images": 10,
    },
)
SEEDS = (0, 0, 1, 2, 0, 1, 3)

#: Small, as a segment takes Brian2's runtime 0.3 s.
BRIEF = TINY.override({"data.n_train": 8, "record.raster": ()})
BRIEF_CHANGES = (
    {},
    {"schedule.sleep.fraction": 0.0},
    {"network.populations.e.model.tau_m": 20 * ms, "probes.images": 10, "data.n_train": 4},
)

#: One replica that fails: its decay divides by zero.
ZERO = {"network.projections.*.processes.decay.w_star": 0.0}

#: What runs replicas soonest.
QUICK = "cpp" if find_compiler() else "numpy"

both = pytest.mark.parametrize(
    "backend",
    ["numpy", pytest.param("cpp", marks=[pytest.mark.standalone, needs_compiler])],
)

#: The same where it takes long on one of them.
both_at_length = pytest.mark.parametrize(
    "backend",
    [
        pytest.param("numpy", marks=pytest.mark.long),
        pytest.param("cpp", marks=[pytest.mark.standalone, needs_compiler]),
    ],
)


def variants(backend):
    """Protocols and seeds of replicas that `backend` runs to the same bits alone and together."""
    if backend == "cpp":
        return [TINY.override(changes) for changes in CHANGES], SEEDS
    return [BRIEF.override(changes) for changes in BRIEF_CHANGES], (0, 0, 1)


@pytest.fixture(scope="module")
def alone_run(tmp_path_factory):
    """Results of single runs, by backend; each made once."""
    made = {}

    def get(backend):
        if backend not in made:
            out = tmp_path_factory.mktemp(f"alone_{backend}")
            pairs = zip(*variants(backend), strict=True)
            made[backend] = [simulate(p, seed=s, backend=backend, out=out) for p, s in pairs]
        return made[backend]

    return get


def assert_same(one, other):
    assert one.info["run_id"] == other.info["run_id"]
    assert json.dumps(one.metrics) == json.dumps(other.metrics)  # NaN is like NaN
    mine, theirs = one.arrays, other.arrays
    assert mine.keys() == theirs.keys()
    for name, value in mine.items():
        assert value.tobytes() == theirs[name].tobytes(), name


def assert_all_same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert_same(one, other)


# -- the same results --------------------------------------------------------------------------


@both_at_length
def test_replicas_are_their_runs_alone(backend, alone_run, tmp_path):
    expected, (protocols, seeds) = alone_run(backend), variants(backend)
    seen = []
    found = simulate_many(
        protocols,
        seeds=seeds,
        backend=backend,
        out=tmp_path,
        progress=lambda done, total, text: seen.append((done, total)),
    )
    assert_all_same(found, expected)
    names = {r.path.name for r in found}
    assert len(names) == len(protocols)
    assert {p.name for p in tmp_path.iterdir()} == {".locks", *names}
    ignored = {"timings", "made", "metrics", "arrays_sha256", "checksum"}
    for one, other in zip(found, expected, strict=True):
        assert one.info.keys() == other.info.keys()
        for key in one.info.keys() - ignored:
            assert one.info[key] == other.info[key], key
    assert all(done <= total for done, total in seen)
    steps = sum(int(r.arrays["slots/steps"].sum()) for r in expected)
    assert seen[-1][0] == seen[-1][1] >= steps  # sleep that was left out counts as done


def test_replicas_ask_in_one_call(tmp_path, monkeypatch):
    calls, make = [], replicas_module.make_backend

    def counted(*args, **kwargs):
        backend = make(*args, **kwargs)
        advance = backend.advance_replicas

        def advance_replicas(states, *more):
            calls.append(len(states))
            return advance(states, *more)

        backend.advance_replicas = advance_replicas
        return backend

    monkeypatch.setattr(replicas_module, "make_backend", counted)
    protocols = [TINY.override(changes) for changes in CHANGES[:3]]
    simulate_many(protocols, seeds=SEEDS[:3], backend=QUICK, out=tmp_path)
    assert calls[0] == 3 and calls == sorted(calls, reverse=True)  # they drop out as they end
    together = len(calls)
    for protocol, seed in zip(protocols, SEEDS, strict=False):
        simulate(protocol, seed=seed, backend=QUICK, out=tmp_path / "alone")
    assert set(calls[together:]) == {1}
    assert sum(calls[:together]) == sum(calls[together:])


def test_a_long_slot_of_one_does_not_change_another(tmp_path, monkeypatch):
    """Where the segments of a run begin is its own affair, not that of the largest."""

    def small(slots=128, steps=150):
        return Capacity(slots, steps)

    monkeypatch.setattr(run_module, "Capacity", small)
    protocols = [
        TINY.override({"schedule.sleep.fraction": f, "record.raster": (0, 9)}) for f in (0.2, 1)
    ]
    found = simulate_many(protocols, backend=QUICK, out=tmp_path / "a")
    expected = [simulate(p, backend=QUICK, out=tmp_path / "b") for p in protocols]
    assert_all_same(found, expected)


def test_seeds_and_duplicates(tmp_path):
    found = simulate_many([TINY] * 3, seeds=[1, 0, 1], backend=QUICK, out=tmp_path)
    assert [r.info["seed"] for r in found] == [1, 0, 1]
    assert found[0].path == found[2].path != found[1].path
    one = simulate_many([TINY], seeds=1, backend=QUICK, out=tmp_path / "b")
    assert_all_same(one, found[:1])
    assert simulate_many([], out=tmp_path) == []


def test_time_is_shared(tmp_path):
    begun = time.perf_counter()
    found = simulate_many([TINY] * 4, seeds=range(4), backend=QUICK, out=tmp_path)
    took = time.perf_counter() - begun
    shares = [sum(r.info["timings"][k] for k in ("build_s", "simulate_s")) for r in found]
    assert 0 < sum(shares) < 2 * took and max(shares) < took


# -- what is there already ---------------------------------------------------------------------


def test_finished_results_are_kept_and_force_makes_them_anew(tmp_path, monkeypatch):
    protocols = [TINY.override(changes) for changes in CHANGES[:3]]
    words = {"seeds": SEEDS[:3], "backend": QUICK, "out": tmp_path}
    first = simulate(protocols[1], seed=SEEDS[1], backend=QUICK, out=tmp_path)
    before = (first.path / "result.json").stat().st_mtime_ns
    told = {k: [] for k in range(3)}
    tell = [lambda *now, k=k: told[k].append(now) for k in range(3)]
    found = simulate_many(protocols, progress=tell, **words)
    assert (first.path / "result.json").stat().st_mtime_ns == before
    assert told[1] == [(1, 1, "already complete")] and len(told[0]) > 3
    again = simulate_many(protocols, force=True, **words)
    assert (first.path / "result.json").stat().st_mtime_ns > before
    assert_all_same(again, found)

    def refuse(*args, **kwargs):
        raise AssertionError("simulated again")

    monkeypatch.setattr(replicas_module, "make_backend", refuse)
    assert [r.path for r in simulate_many(protocols, **words)] == [r.path for r in found]


@both_at_length
def test_an_interrupt_keeps_all_and_the_same_call_goes_on(
    backend, alone_run, tmp_path, monkeypatch
):
    expected = alone_run(backend)
    advance, calls = run_module.Run._advance, []

    def interrupt(self, last):
        calls.append((self.identity, self.position))
        if len(calls) == 4 * len(expected):
            raise KeyboardInterrupt
        return advance(self, last)

    monkeypatch.setattr(run_module.Run, "_advance", interrupt)
    protocols, seeds = variants(backend)
    words = {"seeds": seeds, "backend": backend, "out": tmp_path}
    with pytest.raises(KeyboardInterrupt):
        simulate_many(protocols, **words)
    for result in expected:
        name = result.path.name
        kept = (tmp_path / f".{name}.partial" / "checkpoint.npz").exists()
        assert kept or find_result(tmp_path, name)
    assert_all_same(simulate_many(protocols, **words), expected)
    resumed = dict(reversed(calls[4 * len(expected) :]))
    assert resumed and min(resumed.values()) > 0  # none began from the start
    assert {p.name for p in tmp_path.iterdir()} == {".locks", *(r.path.name for r in expected)}


def test_one_of_several_can_go_on_alone(alone_run, tmp_path, monkeypatch):
    protocols, seeds = variants(QUICK)
    advance, calls = run_module.Run._advance, []

    def interrupt(self, last):
        calls.append(self.position)
        if len(calls) == 3 * len(seeds):
            raise KeyboardInterrupt
        return advance(self, last)

    with monkeypatch.context() as patch:
        patch.setattr(run_module.Run, "_advance", interrupt)
        with pytest.raises(KeyboardInterrupt):
            simulate_many(protocols, seeds=seeds, backend=QUICK, out=tmp_path)
    told = []
    found = simulate(
        protocols[2],
        seed=seeds[2],
        backend=QUICK,
        out=tmp_path,
        progress=lambda done, total, text: told.append((done, text)),
    )
    assert told[0][1] == "resumed" and told[0][0] > 0
    assert_same(found, alone_run(QUICK)[2])


def test_checkpoints_are_written_while_it_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(replicas_module, "CHECKPOINT_EVERY", 0.0)
    monkeypatch.setattr(replicas_module, "CHECKPOINT_SPARING", 0.0)
    kept, save = [], run_module.Run.save_checkpoint

    def note(self):
        kept.append(self.identity)
        save(self)

    monkeypatch.setattr(run_module.Run, "save_checkpoint", note)
    found = simulate_many([TINY] * 2, seeds=[0, 1], backend=QUICK, out=tmp_path)
    assert {r.path.name for r in found} == set(kept) and len(kept) > 4

    def full(self):
        raise StoreError("checkpoint: no space")

    monkeypatch.setattr(run_module.Run, "save_checkpoint", full)
    with pytest.raises(StoreError, match="no space"):
        simulate_many([TINY] * 2, seeds=[2, 3], backend=QUICK, out=tmp_path)


# -- what fails --------------------------------------------------------------------------------


@both_at_length
def test_one_that_fails_takes_nothing_from_the_others(backend, alone_run, tmp_path):
    protocols, seeds = variants(backend)
    protocols = [protocols[0], protocols[0].override(ZERO), *protocols[1:3]]
    seeds = [seeds[0], 0, *seeds[1:3]]
    words = {"seeds": seeds, "backend": backend, "out": tmp_path}
    with pytest.raises(
        ReplicaError, match=r"1 of 4 runs failed.*number 1 \(tiny, seed 0\)"
    ) as failed:
        simulate_many(protocols, **words)
    assert "not finite" in str(failed.value) and "\n" not in str(failed.value)
    good = [r for r in failed.value.results if not isinstance(r, Exception)]
    assert isinstance(failed.value.results[1], SimulationError)
    assert_all_same(good, alone_run(backend)[:3])
    assert_all_same([read_result(r.path) for r in good], good)


def test_every_failure_is_named(tmp_path, monkeypatch):
    protocols = [
        TINY.override(ZERO),
        TINY,
        TINY.override({"data.n_train": 5000}),  # more than there are
        TINY.override({"data.n_readout": 1}),  # too few to fit a readout on
    ]
    with pytest.raises(ReplicaError, match="3 of 4 runs failed, the others are stored") as failed:
        simulate_many(protocols, backend=QUICK, out=tmp_path)
    for number in (0, 2, 3):
        assert f"number {number} (tiny, seed 0): " in str(failed.value)
    assert isinstance(failed.value.results[2], DataError)
    assert find_result(tmp_path, failed.value.results[1].path.name)

    def broken(*args):
        raise RuntimeError("a defect")

    monkeypatch.setattr("brainsleep.backends.base.Backend.advance_replicas", broken)
    with pytest.raises(ReplicaError, match=r"2 of 2 runs failed, none is stored.*a defect"):
        simulate_many([BRIEF] * 2, seeds=[7, 8], backend="numpy", out=tmp_path)
    with pytest.raises(RuntimeError, match="a defect"):  # a single run fails with its own error
        simulate(BRIEF, seed=7, backend="numpy", out=tmp_path)


def test_other_networks_are_refused(tmp_path):
    words = {"backend": "numpy", "out": tmp_path}
    rule = {"network.projections.*.rules.stdp_nearest_reversed": STDP_NEAREST}
    for changes, where in (
        ({"network.populations.e.size": 31}, r"plan\.groups\.e\.size: got 31; expected 30"),
        (rule, r"plan\.groups"),
        ({"network.precision": "float32"}, "precision: got float32; expected float64"),
        ({"network.projections.*.processes.decay.period": 50 * ms}, "period"),
    ):
        with pytest.raises(BackendError, match=rf"protocol number 1 \(tiny\): {where}"):
            simulate_many([TINY, TINY.override(changes)], **words)
    hooked = dataclasses.replace(TINY, hooks={"on_sleep": lambda groups, t: None})
    with pytest.raises(BackendError, match="hooks"):
        simulate_many([TINY, hooked], **words)
    assert not list(tmp_path.iterdir())


@pytest.mark.torch
def test_periods_that_are_written_alike_are_not_taken_for_one():
    key = "network.projections.*.processes.*.period"
    alike = [TINY.override({key: f"{period}*ms"}) for period in (11, 11.000000001)]
    with pytest.raises(BackendError, match=r"period\.decay: got 0\.011000000001 second"):
        check_alike(alike)
    check_alike(alike[:1] * 2)


def test_layered_networks_go_together_too(tmp_path):
    pytest.importorskip("snntorch")
    from test_surrogate import LAYERED

    protocols = [LAYERED, LAYERED.override({"schedule.sleep.fraction": 0.0})]
    found = simulate_many(protocols, seeds=[1, 2], out=tmp_path / "a")
    pairs = zip(protocols, (1, 2), strict=True)
    expected = [simulate(p, seed=s, out=tmp_path / "b") for p, s in pairs]
    assert_all_same(found, expected)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"protocols": TINY}, "simulate_many: got a Protocol; expected a sequence"),
        ({"protocols": [TINY] * 3, "seeds": [1, 2]}, "seeds: got 2 of them"),
        ({"protocols": [TINY] * 2, "progress": [print]}, "progress: got 1 of them"),
        ({"protocols": [TINY] * 2, "seeds": [1, -1]}, "seed: got -1"),
    ],
)
def test_bad_arguments(given, message, tmp_path):
    with pytest.raises((ProtocolError, ReplicaError), match=message):
        simulate_many(**given, backend="numpy", out=tmp_path)


def test_several_protocols_are_for_the_other_function(tmp_path):
    with pytest.raises(ProtocolError, match="expected a Protocol; several need simulate_many"):
        simulate([TINY], backend="numpy", out=tmp_path)


# -- locks -------------------------------------------------------------------------------------

HOLDER = """
import sys, time
from pathlib import Path
from brainsleep.files.locks import exclusive_locks
with exclusive_locks(Path({folder!r}), ["b" * 16]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_several_locks_are_held_at_once(tmp_path):
    code = HOLDER.format(folder=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        told = []

        def waiting(key):
            told.append(key)
            other.kill()

        with exclusive_locks(tmp_path, [c * 16 for c in "cba"], waiting):
            assert told == ["b" * 16]
            with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as another:
                time.sleep(1)
                os.set_blocking(another.stdout.fileno(), False)
                assert not another.stdout.read()  # it waits
                another.kill()


# -- programs side by side ---------------------------------------------------------------------

cpp = [pytest.mark.standalone, needs_compiler]


@pytest.fixture
def backend():
    return make_backend("cpp", TINY.network, capacity=Capacity(steps=10**7))


def jobs(*seeds, steps=20):
    spec = TINY.network
    segment = make_segment(spec, np.full((1, 64), 200.0), [steps])
    return [initial_state(spec, seed) for seed in seeds], [segment] * len(seeds), list(seeds)


def bits(answer):
    state, recording = answer
    arrays = [*state.arrays.values(), *recording.counts.values()]
    return b"".join(value.tobytes() for value in arrays)


def running(backend):
    return {program._process.pid for program in backend.idle}


@needs_compiler
@pytest.mark.standalone
@pytest.mark.parametrize("cores", ["1", "3"])
def test_programs_are_kept_by_connectivity(backend, cores, monkeypatch):
    monkeypatch.setenv("BRAINSLEEP_CORES", cores)
    first = backend.advance_replicas(*jobs(1, 2, 3))
    assert [bits(a) for a in first] == [
        bits(backend.advance(*each)) for each in zip(*jobs(1, 2, 3), strict=True)
    ]
    backend.advance_replicas(*jobs(1, 2, 3))
    pids = running(backend)
    assert len(pids) == 3
    assert [bits(a) for a in backend.advance_replicas(*jobs(3, 2, 1))] == [
        bits(a) for a in first[::-1]
    ]
    assert running(backend) == pids
    backend.advance_replicas(*jobs(2))
    assert running(backend) < pids and len(running(backend)) == 1  # the others are ended
    for pid in pids - running(backend):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    # one connectivity: no more programs than are at work
    backend.advance_replicas(*jobs(2, 2, 2, 2, 2))
    assert len(running(backend)) == int(cores)
    assert backend.advance_replicas([], [], []) == []


@needs_compiler
@pytest.mark.standalone
def test_a_program_that_is_killed_is_one_answer(backend, monkeypatch):
    monkeypatch.setenv("BRAINSLEEP_CORES", "2")
    expected = backend.advance_replicas(*jobs(1, 2, 3))
    victim = next(p for p in backend.idle if p.serves(initial_state(TINY.network, 2).synapses))
    os.kill(victim._process.pid, signal.SIGSTOP)

    def kill():
        time.sleep(0.5)
        os.kill(victim._process.pid, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    one, error, three = backend.advance_replicas(*jobs(1, 2, 3))
    thread.join()
    assert isinstance(error, SimulationError) and "ended with code -9" in str(error)
    assert [bits(one), bits(three)] == [bits(expected[0]), bits(expected[2])]
    again = backend.advance_replicas(*jobs(1, 2, 3))
    assert [bits(a) for a in again] == [bits(a) for a in expected]


@needs_compiler
@pytest.mark.standalone
def test_an_interrupt_ends_all_programs(backend, monkeypatch):
    monkeypatch.setenv("BRAINSLEEP_CORES", "2")
    seen, wait = [], cpp_backend.wait

    def interrupt(programs):
        seen.extend(programs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cpp_backend, "wait", interrupt)
        with pytest.raises(KeyboardInterrupt):
            backend.advance_replicas(*jobs(1, 2, 3, steps=5_000_000))
    assert len(seen) == 2 and not backend.idle
    for program in seen:
        assert program._process.poll() is not None and not Path(program._folder).exists()
    assert cpp_backend.wait is wait
    backend.advance_replicas(*jobs(1, 2))


RUN = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from conftest import TINY
from brainsleep.run.simulate import simulate_many
long = TINY.override({{"data.n_train": 1000, "schedule.epochs": 20}})
print("begins", flush=True)
simulate_many([long] * 3, seeds=range(3), backend="cpp", out=Path({out!r}),
         progress=lambda done, total, text: print(done, flush=True))
"""


@pytest.mark.slow
@needs_compiler
@pytest.mark.standalone
def test_ctrl_c_in_a_terminal(tmp_path):
    code = RUN.format(tests=TESTS, out=str(tmp_path / "out"))
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        start_new_session=True,
        text=True,
    ) as process:
        for line in process.stdout:
            with contextlib.suppress(ValueError):
                if int(line) > 0:
                    break
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    assert len(list((tmp_path / "out").glob(".*.partial/checkpoint.npz"))) == 3
    assert not list(tmp_path.glob("brainsleep-*"))  # no program has left its files


def test_cores(monkeypatch):
    monkeypatch.setenv("BRAINSLEEP_CORES", "3")
    assert process_module.cores() == 3
    monkeypatch.delenv("BRAINSLEEP_CORES")
    assert process_module.cores() >= 1
    for text in ("0", "x", "-1"):
        monkeypatch.setenv("BRAINSLEEP_CORES", text)
        with pytest.raises(BackendError, match="BRAINSLEEP_CORES: got"):
            process_module.cores()

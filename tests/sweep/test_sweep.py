"""Sweeps on real worker processes: what is built, run again, killed, interrupted and lost."""

import json
import logging
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from conftest import QUICK, TESTS, TINY, needs_compiler

from brainsleep.backends.cpp import cache
from brainsleep.errors import MissingExtraError, StoreError, SweepError
from brainsleep.results.store import read_result
from brainsleep.results.table import tabulate
from brainsleep.run.compare import Condition
from brainsleep.run.simulate import simulate
from brainsleep.sweep import cluster
from brainsleep.sweep import run as sweep_module
from brainsleep.sweep.grid import Grid, addressed, grouped
from brainsleep.sweep.ledger import LEDGER, status
from brainsleep.sweep.run import Options, SweepRun, sweep
from brainsleep.sweep.worker import run_packed

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")
psutil = pytest.importorskip("psutil")

ROOT = Path(__file__).parents[2]
SMOKE = ROOT / "studies/smoke.toml"
FRACTION = "schedule.sleep.fraction"
NETWORK_INPUT = "network.projections.input_e.weights.low"

#: Smaller rows of the smoke grid.
FEWER = ["--set", "data.n_train=35", "--set", "data.n_test=50", "--set", "data.n_readout=50"]

#: The eighteen rows of the smoke grid with three seeds.
ROWS = [SMOKE, *FEWER, "--seeds", 3]

#: Numbers that differ from run to run of the same thing.
CLOCK = ["wall_s", "build_s", "simulate_s", "readout_s"]

pytestmark = pytest.mark.skipif(not SMOKE.is_file(), reason="not in a checkout")


def tiny_grid(**options):
    options = {"over": {FRACTION: [0.0, 0.5]}, "seeds": 2, "backend": QUICK} | options
    return Grid(name="tiny", protocol=TINY, **options)


def write_tiny(path):
    """Write a protocol file that defines `TINY`."""
    path.write_text(
        f"import sys; sys.path.insert(0, {TESTS!r})\nfrom conftest import TINY as PROTOCOL\n"
    )


def command(*words):
    script = [sys.executable, "-c", "from brainsleep.cli.app import main; main()"]
    return [*script, *map(str, words)]


def start(*words, **options):
    """Start the command line in a session of its own, as in a terminal."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
    return subprocess.Popen(command(*words), start_new_session=True, **options)


def run(*words, **options):
    return subprocess.run(
        command(*words), capture_output=True, text=True, check=False, timeout=300, **options
    )


def worker_processes(pid):
    """Return the processes that the driver `pid` has started to work for it."""
    try:
        children = psutil.Process(pid).children(recursive=True)
        return [c for c in children if "spawn_main" in " ".join(c.cmdline())]
    except psutil.Error:
        return []


@pytest.fixture(scope="module")
def two_workers():
    with cluster.local(workers=2) as client:
        yield client


def test_memory_of_workers_is_not_given_back_at_once(two_workers):
    assert two_workers.submit(os.environ.get, "MALLOC_TRIM_THRESHOLD_", pure=False).result() is None


# -- what is run -------------------------------------------------------------------------------


def test_rows_are_run_once_and_equal_single_runs(two_workers, tmp_path):
    seen = []
    grid = tiny_grid()
    end = sweep(
        grid,
        out=tmp_path / "a",
        client=two_workers,
        progress=lambda state: seen.append((state.finished, state.total)),
    )
    assert (end.finished, end.total, end.failed) == (4, 4, {})
    assert seen[0] == (0, 4) and seen[-1] == (4, 4) and sorted(seen) == seen
    for row in addressed(grid.rows()):
        alone = simulate(row.protocol, seed=row.seed, backend=QUICK, out=tmp_path / "b")
        together = read_result(tmp_path / "a" / row.run_id)
        assert together.metrics == alone.metrics
        for name, value in alone.arrays.items():
            assert together.arrays[name].tobytes() == value.tobytes(), name
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "a").glob("*/*")}
    again = sweep(grid, out=tmp_path / "a", workers=-1)  # nothing to run: none is started
    assert again.finished == 4
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "a").glob("*/*")}


def test_same_run_in_two_grids_is_done_once(two_workers, tmp_path):
    one, two = tiny_grid(seeds=1), tiny_grid(over={FRACTION: [0.5]}, seeds=1)
    two = Grid(name="other", protocol=two.protocol, over=two.over, backend=QUICK)
    assert sweep([one, two], out=tmp_path, client=two_workers).total == 2
    assert len(tabulate(tmp_path)) == 2
    assert len(tabulate(tmp_path, [*one.rows(), *two.rows()])) == 3


def test_damaged_result_is_done_again(two_workers, tmp_path):
    grid = tiny_grid(seeds=1)
    sweep(grid, out=tmp_path, client=two_workers)
    before = tabulate(tmp_path).drop(columns=CLOCK)
    broken = tmp_path / before["run_id"][0] / "result.json"
    broken.write_text(broken.read_text()[:500])
    assert [row["state"] for row in status(tmp_path)].count("waiting") == 1
    sweep(grid, out=tmp_path, client=two_workers)
    pd.testing.assert_frame_equal(tabulate(tmp_path).drop(columns=CLOCK), before)
    assert len(list(tmp_path.glob("*.damaged-*"))) == 1


def test_rate_is_matched_after_its_reference(two_workers, tmp_path):
    frozen = Condition(
        name="frozen", changes={"data.n_train": 0}, match_rate="sleep", scale=NETWORK_INPUT
    )
    grid = tiny_grid(over={}, conditions=[Condition(name="sleep"), frozen], seeds=2)
    end = sweep(grid, out=tmp_path, client=two_workers)
    assert end.finished == 4 and not end.failed
    table = tabulate(tmp_path, grid.rows()).set_index(["condition", "seed"])["rate_test_e_hz"]
    for seed in (0, 1):
        assert table["frozen", seed] == pytest.approx(table["sleep", seed], rel=0.15)
    assert len(tabulate(tmp_path)) == 4
    assert [row["state"] for row in status(tmp_path)] == ["finished"] * 4
    assert SweepRun(grid.rows(), tmp_path, Options(retry_failed=True)).pending() == []


def test_failed_rows_are_noted_and_can_be_run_again(two_workers, tmp_path):
    # the readout fails, in every attempt: too few samples to fit on
    good, bad = Condition(name="good"), Condition(name="bad", changes={"data.n_readout": 1})
    grid = tiny_grid(over={}, conditions=[good, bad], seeds=1)
    end = sweep(grid, out=tmp_path, client=two_workers, options=Options(retries=1))
    assert end.finished == 1 and len(end.failed) == 1
    (address,) = end.failed
    assert "classes" in end.failed[address] or "class" in end.failed[address]
    note = json.loads((tmp_path / LEDGER / "failed" / f"{address}.json").read_text())
    assert note["attempts"] == 2 and note["condition"] == "bad"
    states = {row["condition"]: row["state"] for row in status(tmp_path)}
    assert states == {"good": "finished", "bad": "failed"}
    sweep_run = SweepRun(grid.rows(), tmp_path)
    assert sweep_run.pending() == []
    repeated = SweepRun(grid.rows(), tmp_path, Options(retry_failed=True))
    assert [row.condition for row in repeated.pending()] == ["bad"]
    later = sweep_run.run(None)
    assert later.failed == end.failed


def test_what_waits_for_a_failed_row_fails_too(two_workers, tmp_path):
    bad = Condition(name="bad", changes={"data.n_readout": 1})
    waits = Condition(name="waits", match_rate="bad", scale=NETWORK_INPUT)
    grid = tiny_grid(over={}, conditions=[bad, waits], seeds=1)
    end = sweep(grid, out=tmp_path, client=two_workers, options=Options(retries=0))
    assert len(end.failed) == 2
    assert any("its rate is matched to failed" in error for error in end.failed.values())


# -- rows together -----------------------------------------------------------------------------


def test_rows_of_one_network_and_backend_are_grouped():
    import dataclasses

    sizes, seeds = "network.populations.e.size", [0, 1, 2]
    rows = tiny_grid(over={FRACTION: [0.0, 0.5], sizes: [30, 31]}, seeds=seeds).rows()
    for size, expected in ((1, [1] * 12), (4, [4, 4, 2, 2]), (10, [6, 6])):
        groups = grouped(rows, size)
        assert [len(group) for group in groups] == expected
        assert sorted(map(id, rows)) == sorted(id(row) for group in groups for row in group)
        for group in groups:
            assert len({row.settings[sizes] for row in group}) == 1
    values = tiny_grid(over={NETWORK_INPUT: [1.0, 2.0]}, seeds=1)
    others = dataclasses.replace(values, backend="cython", name="others")
    both = [*values.rows(), *others.rows()]
    assert [[row.backend for row in g] for g in grouped(both, 9)] == [[QUICK] * 2, ["cython"] * 2]
    hooked = dataclasses.replace(TINY, hooks={"on_sleep": print})
    assert len(grouped(dataclasses.replace(values, protocol=hooked).rows(), 9)) == 2
    with pytest.raises(SweepError, match="sweep: replicas: got 0"):
        Options(replicas=0)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.standalone
@needs_compiler
def test_replicas_give_the_same_table(two_workers, tmp_path):
    frozen = Condition(
        name="frozen", changes={"data.n_train": 0}, match_rate="sleep", scale=NETWORK_INPUT
    )
    conditions = [Condition(name="sleep"), Condition(name="none", changes={FRACTION: 0.0}), frozen]
    grid = tiny_grid(over={}, conditions=conditions, seeds=3, backend="cpp")
    running = []
    end = sweep(
        grid,
        out=tmp_path / "a",
        client=two_workers,
        options=Options(replicas=3),
        progress=lambda state: running.append(len(state.running)),
    )
    assert (end.finished, end.failed) == (9, {})
    assert sweep(grid, out=tmp_path / "b", client=two_workers).finished == 9
    one, other = (tabulate(tmp_path / k, grid.rows()).drop(columns=CLOCK) for k in "ab")
    assert len(one) == 9
    pd.testing.assert_frame_equal(one, other)
    assert SweepRun(grid.rows(), tmp_path / "a", Options(retry_failed=True)).pending() == []


@pytest.mark.standalone
@needs_compiler
def test_a_row_that_fails_costs_the_others_nothing(two_workers, tmp_path):
    good, bad = Condition(name="good"), Condition(name="bad", changes={"data.n_readout": 1})
    grid = tiny_grid(over={}, conditions=[good, bad], seeds=2, backend="cpp")
    sent = []

    class Client:
        def __getattr__(self, name):
            return getattr(two_workers, name)

        def submit(self, function, packed, *more, **options):
            sent.append([row.condition for row in pickle.loads(packed)])
            return two_workers.submit(function, packed, *more, **options)

    end = sweep(grid, out=tmp_path, client=Client(), options=Options(replicas=4, retries=1))
    assert end.finished == 2 and len(end.failed) == 2
    assert sent[0] == ["good", "bad"] * 2 and sorted(sent[1:]) == [["bad"]] * 2
    for address in end.failed:
        note = json.loads((tmp_path / LEDGER / "failed" / f"{address}.json").read_text())
        assert note["attempts"] == 2 and note["condition"] == "bad"
        assert note["error"] == end.failed[address] and "replicas" not in note["error"]


def test_workers_share_the_cores():
    def said(dask_worker):
        return os.environ["BRAINSLEEP_CORES"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINSLEEP_CORES", "7")
        with cluster.local(tasks=2, workers=5) as client:
            client.wait_for_workers(2, timeout=60)
            assert set(client.run(said).values()) == {"3"}


HOOKED = """
import sys
sys.path.insert(0, {tests!r})
import dataclasses
from conftest import TINY

LOG = {log!r}

def note(groups, t):
    open(LOG, "a").write("asleep\\n")

PROTOCOL = dataclasses.replace(TINY, hooks={{"on_sleep": note}})
"""


def test_functions_of_a_users_file_reach_the_workers(two_workers, tmp_path):
    log = tmp_path / "log"
    (tmp_path / "mine.py").write_text(HOOKED.format(tests=TESTS, log=str(log)))
    grid = Grid(name="mine", protocol=str(tmp_path / "mine.py"), backend="numpy")
    end = sweep(grid, out=tmp_path / "out", client=two_workers)
    assert end.finished == 1, end.failed
    assert log.read_text().count("asleep") >= 3


OBSERVED = """
import sys
sys.path.insert(0, {tests!r})
import dataclasses
from dataclasses import dataclass
from brainsleep import Metric, Observer, Record
from conftest import TINY
import scale

@dataclass(frozen=True)
class Mean(Observer):
    population: str = "e"
    name = "mean"
    metrics = (Metric("observed", "mean_v_mv", "mV", "mean potential after sleep"),)

    def slots(self, table):
        return table.ends_of("sleep")

    def look(self, view):
        import within
        return {{"v": within.same(view.state.arrays[f"{{self.population}}.v"].mean())}}

    def measure(self, seen):
        return {{"mean_v_mv": scale.FACTOR * seen.series(self.name, "v")[-1]}}

PROTOCOL = dataclasses.replace(TINY, record=Record(observers=(Mean(),)))
"""


def test_classes_of_a_users_file_are_the_same_on_the_workers(two_workers, tmp_path):
    (tmp_path / "mine.py").write_text(OBSERVED.format(tests=TESTS))
    (tmp_path / "scale.py").write_text("FACTOR = 1e3\n")
    (tmp_path / "within.py").write_text("def same(value):\n    return value\n")
    grid = Grid(name="mine", protocol=str(tmp_path / "mine.py"), backend=QUICK, seeds=2)
    end = sweep(grid, out=tmp_path / "out", client=two_workers)
    assert end.finished == 2, end.failed
    table = tabulate(tmp_path / "out")
    assert table["mean_v_mv"].between(-90, -30).all()


NOTEBOOK = """
import linecache, sys, types
sys.modules["__main__"] = types.ModuleType("__main__")

def cell(name, text):
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    exec(compile(text, name, "exec"), vars(sys.modules["__main__"]))

cell("/tmp/ipykernel_1/1.py", {text!r})
cell("/tmp/ipykernel_1/2.py", '''
def note(groups, t):
    assert Mean.name == "mean"
''')
cell("/tmp/ipykernel_1/3.py", '''
from brainsleep.sweep.grid import Grid, addressed
from brainsleep.sweep.worker import pack
protocol = dataclasses.replace(PROTOCOL, hooks={{"on_sleep": note}})
rows = addressed(Grid(name="mine", protocol=protocol, backend="numpy").rows())
sys.stdout.buffer.write(pack(rows))
''')
"""


@pytest.mark.long
def test_classes_of_a_notebook_are_the_same_on_the_workers(tmp_path):
    (tmp_path / "scale.py").write_text("FACTOR = 1e3\n")
    (tmp_path / "within.py").write_text("def same(value):\n    return value\n")
    script = tmp_path / "script.py"
    script.write_text(NOTEBOOK.format(text=OBSERVED.format(tests=TESTS)))
    done = subprocess.run([sys.executable, script], capture_output=True, check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        assert run_packed(done.stdout, str(tmp_path / "out")) == [{}]
    assert tabulate(tmp_path / "out")["mean_v_mv"].between(-90, -30).all()


def test_workers_have_one_thread_and_listen_on_loopback(two_workers):
    def facts(dask_worker):
        connections = psutil.Process().net_connections("inet")
        return {
            "threads": dask_worker.state.nthreads,
            "limits": [os.environ.get(f"{n}_NUM_THREADS") for n in ("OMP", "OPENBLAS", "MKL")],
            "listening": [c.laddr.ip for c in connections if c.status == "LISTEN"],
        }

    for found in two_workers.run(facts).values():
        assert found["threads"] == 1 and found["limits"] == ["1"] * 3
        assert found["listening"] and set(found["listening"]) == {"127.0.0.1"}
    here = psutil.Process().net_connections("inet")
    listening = {c.laddr.ip for c in here if c.status == "LISTEN"}
    assert listening == {"127.0.0.1"}


def test_a_row_that_is_another_run_on_the_worker_is_an_error(tmp_path):
    import dataclasses

    (row,) = addressed(tiny_grid(over={}, seeds=1).rows())
    other = dataclasses.replace(row, run_id="0" * 16)
    log = logging.getLogger("brainsleep.alarms")
    before = log.level
    (found,) = run_packed(pickle.dumps([other]), str(tmp_path))
    assert found["kind"] == "SweepError" and "update the worker" in found["error"]
    assert log.level == before  # of whoever shares the process


# -- two at once -------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.slow
def test_processes_on_one_run_wait_for_each_other(tmp_path):
    words = ["run", "demo", *FEWER, "--out", tmp_path]
    several = [start(*words) for _ in range(2)]
    ended = [process.communicate(timeout=300) for process in several]
    assert [process.returncode for process in several] == [0, 0], ended
    assert len({out.strip() for out, _ in ended}) == 1
    folders = {path.name for path in tmp_path.iterdir()}
    assert folders == {".locks", ".sweep", Path(ended[0][0].strip()).name}


# -- killed ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:  # what other tests have compiled does not count
        patch.setenv("BRAINSLEEP_CACHE", str(tmp_path_factory.mktemp("own_cache")))
        before = len(cache.entries())
        done = run("sweep", "run", *ROWS, "--workers", 2, "--out", out)
        assert done.returncode == 0, done.stderr
        assert len(cache.entries()) == before + 1  # all rows, one program
    return tabulate(out).drop(columns=CLOCK)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.standalone
@needs_compiler
def test_killed_workers_and_drivers_change_nothing(undisturbed, tmp_path):
    words = ["sweep", "run", *ROWS, "--workers", 2, "--out", tmp_path]
    rng, kills, drivers = random.Random(1), 0, 0
    deadline = time.monotonic() + 300
    process = start(*words)
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(rng.uniform(0.2, 1.2))
        if kills >= 5 * (drivers + 1) and drivers < 2:
            workers = worker_processes(process.pid)
            process.kill()
            process.communicate()
            psutil.wait_procs(workers, timeout=20)
            assert not any(worker.is_running() for worker in workers)  # none is left behind
            drivers += 1
            process = start(*words)
        elif kills < 15 and (workers := worker_processes(process.pid)):
            rng.choice(workers).kill()
            kills += 1
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert kills >= 10 and drivers == 2
    found = tabulate(tmp_path)
    assert found["run_id"].is_unique and len(found) == 18
    pd.testing.assert_frame_equal(found.drop(columns=CLOCK), undisturbed)
    left = {p.name for p in tmp_path.iterdir()} - set(found["run_id"])
    assert left == {".locks", LEDGER}


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.standalone
@needs_compiler
def test_replicas_and_a_killed_worker_change_nothing(undisturbed, tmp_path):
    words = ["sweep", "run", *ROWS, "--workers", 2, "--replicas", 3, "--out", tmp_path]
    process = start(*words)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("*/result.json")) and time.monotonic() < deadline:
        time.sleep(0.1)
    for worker in worker_processes(process.pid)[:1]:
        worker.kill()
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    pd.testing.assert_frame_equal(tabulate(tmp_path).drop(columns=CLOCK), undisturbed)
    left = {p.name for p in tmp_path.iterdir()} - set(undisturbed["run_id"])
    assert left == {".locks", LEDGER}


@pytest.mark.long
@pytest.mark.standalone
@needs_compiler
def test_interrupt_is_clean_and_the_same_command_goes_on(tmp_path):
    words = ["sweep", "run", SMOKE, *FEWER, "--seeds", 1, "--workers", 2, "--out", tmp_path]
    for number, whom in ((signal.SIGINT, os.killpg), (signal.SIGTERM, os.kill)):
        process = start(*words)
        deadline = time.monotonic() + 60
        while not worker_processes(process.pid) and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(2)
        workers = worker_processes(process.pid)
        whom(process.pid, number)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "Traceback" not in errors and "interrupted: what was finished is kept" in errors
        psutil.wait_procs(workers, timeout=10)
        assert not any(worker.is_running() for worker in workers)
    assert run(*words).returncode == 0
    assert len(tabulate(tmp_path)) == 6


# -- schedulers and queues ---------------------------------------------------------------------


@pytest.fixture
def dask_processes(tmp_path):
    """Give a function that starts a scheduler and workers as real processes."""
    processes = []
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

    def begin(workers, *more):
        address_file = tmp_path / "scheduler.json"
        words = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1"]
        words += ["--port", "0", "--no-dashboard", "--scheduler-file", str(address_file), *more]
        processes.append(subprocess.Popen(words, **quiet))
        deadline = time.monotonic() + 60
        while not address_file.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        address = json.loads(address_file.read_text())["address"]
        words = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1"]
        words += ["--no-dashboard", "--local-directory", str(tmp_path), *more]
        processes.extend(subprocess.Popen(words, **quiet) for _ in range(workers))
        return address, processes

    yield begin
    for process in processes:
        process.terminate()
    # A worker whose scheduler was killed in the middle of its work may not hear that it is to end.
    deadline = time.monotonic() + 20
    for process in processes:
        try:
            process.wait(timeout=max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=60)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.standalone
@needs_compiler
def test_scheduler_and_workers_of_their_own(undisturbed, dask_processes, tmp_path):
    address, processes = dask_processes(2)
    out = tmp_path / "out"
    done = run("sweep", "run", *ROWS, "--scheduler", address, "--out", out)
    assert done.returncode == 0, done.stderr
    pd.testing.assert_frame_equal(tabulate(out).drop(columns=CLOCK), undisturbed)
    lost = tmp_path / "lost"
    process = start("sweep", "run", *ROWS, "--scheduler", address, "--out", lost)
    begun = time.monotonic()
    while not list(lost.rglob("result.json")) and time.monotonic() - begun < 60:
        time.sleep(0.1)  # until a row is done
    processes[0].kill()  # the scheduler
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "Traceback" not in errors and "the scheduler is gone" in errors


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "call", "seconds"), [("_take", 1, 0), ("_send", 2, 0), ("_tell", 2, 0.3)]
)
def test_scheduler_is_lost_at_any_step(step, call, seconds, dask_processes, tmp_path, monkeypatch):
    """Between a row that is done and its outcome, for example: always the same error."""
    address, processes = dask_processes(1)
    real, calls = getattr(sweep_module._Running, step), []

    def after_its_end(self, *given):
        calls.append(step)
        if len(calls) == call:
            processes[0].kill()
            processes[0].wait()
            time.sleep(seconds)
        return real(self, *given)

    monkeypatch.setattr(sweep_module._Running, step, after_its_end)
    timeouts = {"distributed.comm.timeouts.connect": "2s", "distributed.comm.retry.count": 0}
    with (
        dask.config.set(timeouts),
        distributed.Client(address) as client,
        pytest.raises(SweepError, match="the scheduler is gone"),
    ):
        sweep(tiny_grid(), out=tmp_path / "out", client=client)
    assert len(calls) >= call


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a certificate")
def test_tls(dask_processes, tmp_path):
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    words += ["-keyout", str(key), "-out", str(cert), "-subj", "/CN=localhost"]
    subprocess.run(words, capture_output=True, check=True)
    files = ["--tls-ca-file", str(cert), "--tls-cert", str(cert), "--tls-key", str(key)]
    address, _ = dask_processes(1, "--protocol", "tls", *files)
    assert address.startswith("tls://")
    tls = {"ca_file": str(cert), "client_cert": str(cert), "client_key": str(key)}
    with cluster.scheduler(address, tls) as client:
        end = sweep(tiny_grid(over={}, seeds=1), out=tmp_path / "out", client=client)
    assert end.finished == 1 and not end.failed


def test_no_scheduler_is_one_error(monkeypatch):
    monkeypatch.setattr(cluster, "TIMEOUT", 1)
    for address in ("tcp://127.0.0.1:9", "nonsense"):
        with (
            pytest.raises(SweepError, match=r"cannot connect .* start one"),
            cluster.scheduler(address),
        ):
            pass
    with (
        pytest.raises(SweepError, match="a file that can be read"),
        cluster.scheduler("tls://127.0.0.1:9", {"ca_file": "/none.pem"}),
    ):
        pass


#: Stands for a queue: runs a job at once, in the background, and says its number.
SBATCH = """#!/bin/bash
copy=$(mktemp {folder}/job-XXXXXX); cat "${{@: -1}}" > "$copy"
setsid bash "$copy" > "$copy.log" 2>&1 < /dev/null &
echo $! >> {folder}/jobs; echo "Submitted batch job $!"
"""
SCANCEL = """#!/bin/bash
for job in "$@"; do kill -- -"$job" 2> /dev/null; done
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="its stand-in for a queue needs setsid")
def test_queue(tmp_path, monkeypatch):
    pytest.importorskip("dask_jobqueue")
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (tmp_path / name).write_text(text.format(folder=tmp_path))
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    options = cluster.job_options([("walltime", "00:10:00"), ("host", "127.0.0.1")])
    monkeypatch.setattr(cluster, "JOBS_EVERY", 2)
    with cluster.queue("slurm", 2, options) as client:
        client.wait_for_workers(2, timeout=60)
        os.killpg(
            int((tmp_path / "jobs").read_text().split()[0]), signal.SIGKILL
        )  # as by the queue
        end = sweep(tiny_grid(), out=tmp_path / "out", client=client)
        assert end.finished == 4 and not end.failed
        deadline = time.monotonic() + 60
        while len((tmp_path / "jobs").read_text().split()) < 3 and time.monotonic() < deadline:
            time.sleep(0.2)
    assert len((tmp_path / "jobs").read_text().split()) == 3  # one in place of that killed


def test_job_script_is_shown_without_a_queue():
    pytest.importorskip("dask_jobqueue")
    words = ["sweep", "plan", SMOKE, "--slurm", "--job", "walltime=02:00:00"]
    done = run(*words, "--job", "account=sleep", "--job", "job_extra_directives=--nice=10")
    assert done.returncode == 0, done.stderr
    for line in ("#SBATCH -A sleep", "#SBATCH -t 02:00:00", "#SBATCH --nice=10", "--nthreads 1"):
        assert line in done.stdout
    assert "30 rows" in done.stdout


def test_queue_needs_to_be_told_where_to_listen():
    with (
        pytest.raises(SweepError, match="listens on loopback unless told otherwise"),
        cluster.queue("slurm", 1, {"walltime": "1"}),
    ):
        pass


def test_other_errors(monkeypatch):
    with pytest.raises(SweepError, match="did you mean 'slurm'"):
        cluster.job_script("slum", {})
    for address in ("host", "127.0.0.1:x", "1:99999"):
        with pytest.raises(SweepError, match="HOST:PORT"):
            cluster.loopback(address)
    assert cluster.loopback(":8787") == cluster.loopback("8787") == "127.0.0.1:8787"
    assert cluster.loopback("0.0.0.0:1") == "0.0.0.0:1"
    with pytest.raises(TypeError, match="unexpected keyword argument 'seeds'"):
        sweep(tiny_grid(), seeds=3)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r"brainsleep\[cluster\]"), cluster.local(workers=1):
        pass


@pytest.mark.slow
@pytest.mark.standalone
@needs_compiler
@pytest.mark.skipif(shutil.which("snakemake") is None, reason="no snakemake")
def test_snakefile(tmp_path):
    script = tmp_path / "brainsleep"
    script.write_text(f"#!{sys.executable}\nfrom brainsleep.cli.app import main\nmain()\n")
    script.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    words = ["snakemake", "--snakefile", str(ROOT / "studies/Snakefile"), "--cores", "2"]
    done = subprocess.run(
        [*words, "--config", f"grid={SMOKE}", "out=out"],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(pd.read_csv(tmp_path / "out" / "runs.csv")) == 30


# -- disks -------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 300 kB; gives its folder and a function that mounts it anew."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options):
        words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        return subprocess.run(words, capture_output=True, check=False).returncode

    if sys.platform != "linux" or os.getuid() != 0 or mount("size=300k"):
        pytest.skip("mounting a small file system needs Linux and root")
    yield folder, lambda options: mount(f"remount,{options}")
    subprocess.run(["umount", "-l", str(folder)], check=False)


def test_full_and_read_only_disks_lose_nothing(two_workers, small_disk):
    out, remount = small_disk
    grid = tiny_grid(over={FRACTION: [0.0, 0.5, 1.0]}, seeds=4)
    with pytest.raises(StoreError, match="No space left on device") as full:
        sweep(grid, out=out, client=two_workers)
    assert "\n" not in str(full.value)
    deadline = time.monotonic() + 60
    while remount("ro") and time.monotonic() < deadline:  # rows that were under way end
        time.sleep(0.5)
    kept = tabulate(out).drop(columns=CLOCK)
    assert 1 <= len(kept) < 12
    with pytest.raises(StoreError, match="Read-only file system"):
        sweep(grid, out=out, client=two_workers)
    assert sum(row["state"] == "finished" for row in status(out)) == len(kept)
    assert remount("rw,size=50M") == 0
    assert sweep(grid, out=out, client=two_workers).finished == 12
    found = tabulate(out).drop(columns=CLOCK)
    same = found[found["run_id"].isin(kept["run_id"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(same[["run_id", "network_accuracy"]],
                                  kept[["run_id", "network_accuracy"]])  # fmt: skip


# -- the command line --------------------------------------------------------------------------


@pytest.mark.long
def test_command_line_of_a_small_sweep(tmp_path):
    write_tiny(tmp_path / "tiny.py")
    words = [tmp_path / "tiny.py", "--over", f"{FRACTION}=0,0.5", "--seeds", "3,4"]
    words += ["--backend", QUICK, "--out", tmp_path / "out"]
    plan = run("sweep", "plan", *words)
    assert plan.returncode == 0 and "4 rows" in plan.stdout and not (tmp_path / "out").exists()
    lines = run("sweep", "plan", *words, "--commands").stdout.splitlines()
    assert len(lines) == 4
    described = json.loads(run("sweep", "plan", *words, "--json").stdout)
    assert [row["command"] for row in described] == lines
    single = subprocess.run(
        [*command(), *[w.strip("'") for w in lines[0].split()[1:]]],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    done = run("sweep", "run", *words, "--workers", 2)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "out")
    assert "1 of 4 rows finished" in done.stderr and "4 of 4 rows finished" in done.stderr
    table = tabulate(tmp_path / "out")
    assert Path(single.stdout.strip()).name in set(table["run_id"]) and len(table) == 4
    assert {row["run_id"] for row in described} == set(table["run_id"])
    shown = run("sweep", "status", tmp_path / "out")
    assert "4 of 4 rows finished" in shown.stdout
    written = run("table", tmp_path / "out", "--drop", "version.*", "--out", tmp_path / "runs.csv")
    assert written.returncode == 0 and "4 rows" in written.stderr
    columns = pd.read_csv(tmp_path / "runs.csv").columns
    assert "network_accuracy" in columns and not any(c.startswith("version.") for c in columns)
    told = run("statistics", tmp_path / "runs.csv")
    assert told.returncode == 0 and "accuracy ~ C(sleep_fraction)" in told.stdout
    drawn = run("figure", "sleep_sweep", tmp_path / "out", "--out", tmp_path / "sweep.png")
    assert drawn.returncode == 0 and (tmp_path / "sweep.png").stat().st_size > 10_000


@pytest.mark.long
def test_failed_rows_end_with_1(tmp_path):
    write_tiny(tmp_path / "tiny.py")
    out = tmp_path / "out"
    words = [tmp_path / "tiny.py", "--set", "data.n_readout=1", "--backend", "numpy"]
    words = ["sweep", "run", *words, "--retries", 0, "--workers", 1, "--seeds", 2, "--out", out]
    done = run(*words)
    assert done.returncode == 1
    assert "failed: tiny, digits, seed 0: " in done.stderr
    assert f"'brainsleep sweep retry {out}' runs them again" in done.stderr
    again = run(*words)
    assert again.returncode == 1 and "2 of 2 rows failed" in again.stderr
    shown = run("sweep", "status", out).stdout
    assert "failed: tiny, seed 0 and 1 more: " in shown  # one error, said once
    assert "0 of 2 rows finished, 2 failed" in shown and f"sweep retry {out}" in shown
    retried = run("sweep", "retry", out, "--retries", 0, "--workers", 1)
    assert retried.returncode == 1 and "2 of 2 rows failed" in retried.stderr
    attempts = [json.loads(p.read_text())["attempts"] for p in out.glob(".sweep/failed/*.json")]
    assert attempts == [1, 1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sweep", "run"], "Missing argument 'GRID.toml|PROTOCOL'"),
        (["sweep", "demo", "--seeds", "5"], "write 'brainsleep sweep run demo'"),
        (["sweep", "--status", "nowhere"], "write 'brainsleep sweep status DIR'"),
        (["sweep", "retry", "nowhere"], "none was begun"),
        (["sweep", "run", "none.toml"], "cannot be read"),
        (["sweep", "run", "demo", "--over", "a.b=1"], "there is no 'a'"),
        (["sweep", "run", "demo", "--over", "a.b"], "expected KEY=VALUE"),
        (["sweep", "run", "demo", "--seeds", "few"], "numbers with commas"),
        (["sweep", "run", "demo", "--only", "dem"], "did you mean 'demo'"),
        (["sweep", "run", "demo", "--workers", "2", "--slurm"], "exclude each other"),
        (
            ["sweep", "run", "demo", "--replicas", "0"],
            "'--replicas': Input should be greater than or equal to 1",
        ),
        (["sweep", "run", "demo", "--replicas", "x"], "Invalid value for '--replicas'"),
        (["sweep", "run", "demo", "--data", "nothing"], "nothing"),
        (["sweep", "plan", "demo", "--slurm", "--job", "wall=1"], "argument 'wall'"),
        (["sweep", "status", "nowhere"], "none was begun"),
        (["table", "nowhere", "--out", "a.csv"], "a folder of finished runs"),
        (["statistics", "none.csv"], "cannot read"),
        (["statistics", "none.txt"], "ending .csv or .parquet"),
    ],
)
def test_bad_input_is_one_line_and_code_2(words, message, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, errors = call(*words)
    assert code == 2
    assert message in errors and len(errors.strip().splitlines()) == 1

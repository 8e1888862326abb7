"""Faults on purpose: kills, failing files, full and forbidden disks, clocks, damaged input.

A part of the whole suite, ``python -m tests.faults``; see docs/reliability.md.
"""

import contextlib
import copy
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from conftest import needs_compiler

from brainsleep.backends.cpp import cache
from brainsleep.errors import BackendError, StoreError
from brainsleep.experiment.protocol import load_protocol
from brainsleep.files import atomic
from brainsleep.files.locks import exclusive_locks, is_locked
from brainsleep.results.names import write_json
from brainsleep.results.store import find_result, read_result, write_result
from faults.commands import ERRORS, STUDY, Fault, Process
from faults.kills import Trials
from faults.mutations import Mutations, call
from faults.state import cache_problems, leftovers, outcomes, problems

KEY = f"{1:020x}"


@pytest.fixture(scope="module")
def trials(tmp_path_factory):
    return Trials(tmp_path_factory.mktemp("trials"), seed=7)


def run_words(trials, out, *more):
    return [*trials.words("run numpy", out), *more]


# -- kills -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("kind", ["run numpy", "run --force"])
def test_kills_lose_nothing(trials, kind):
    while trials.killed(kind) < 6:
        trials.trial(kind, 3)
    assert trials.tally.problems == []


@pytest.mark.slow
@pytest.mark.standalone
@needs_compiler
@pytest.mark.parametrize("kind", ["run cpp", pytest.param("build", marks=pytest.mark.long)])
def test_kills_of_compiled_programs_lose_nothing(trials, kind):
    while trials.killed(kind) < 2:
        trials.trial(kind, 2)
    assert trials.tally.problems == []


# -- files that cannot be written --------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=[pytest.mark.long] * bool(k)) for k, kind in enumerate(ERRORS)],
)
def test_a_file_operation_that_fails_is_one_line_and_loses_nothing(trials, kind, tmp_path):
    """Whichever operation it is; the same command then gives the same result."""
    expected, _, operations = trials.undisturbed("run numpy")
    first = list(ERRORS).index(kind)
    for at in range(1 + first, operations + 1, 5 * len(ERRORS)):  # together, a fifth of all
        place = tmp_path / str(at)
        place.mkdir()
        out = place / "out"
        words = run_words(trials, out)
        code, text = Process(words, place, trials.cache, Fault(at, kind)).end()
        assert code in (0, 2) and "Traceback" not in text, (at, text)
        assert text.count("error: ") == (code == 2), (at, text)
        assert problems(out, expected, set(expected) if code == 0 else set()) == []
        code, text = Process(words, place, trials.cache).end()
        assert code == 0, text
        assert outcomes(out) == expected and leftovers(out) == [], at


@pytest.mark.parametrize("limit", [4_000, 5_000])
def test_a_disk_that_is_full(trials, tmp_path, limit):
    """No file can be larger than `limit`: checkpoint or result do not fit."""
    expected, *_ = trials.undisturbed("run numpy")
    out = tmp_path / "out"
    code, text = Process(run_words(trials, out), tmp_path, trials.cache, limit=limit).end()
    assert code == 2 and "free some space" in text and "Traceback" not in text
    assert problems(out, expected, set()) == []
    assert Process(run_words(trials, out), tmp_path, trials.cache).end()[0] == 0
    assert outcomes(out) == expected and leftovers(out) == []


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to be somebody else")
@pytest.mark.parametrize("mode", [0o755, 0o700])
def test_what_belongs_to_somebody_else_is_left_alone(trials, mode):
    """A folder of root's that nobody else may write, or even enter."""
    expected, *_ = trials.undisturbed("run numpy")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        place.chmod(0o755)
        out = place / "out"
        assert Process(run_words(trials, out), place, trials.cache).end()[0] == 0
        shutil.copy(trials.study, place)
        out.chmod(mode)
        for more in ([], ["--seed", "2"]):  # what is there, and what is not
            words = ["run", str(place / "study.py"), "--backend", "numpy", "--out", str(out)]
            code, text = Process([*words, *more], place, place / "cache", user=65534).end()
            assert code == 2 and text.count("error: ") == 1, text
            assert "Permission denied" in text or "is not readable" in text, text
            assert "Traceback" not in text
        assert outcomes(out) == expected and leftovers(out) == []


def test_a_folder_that_cannot_be_looked_into_is_an_error(tmp_path, monkeypatch):
    run_id = "a" * 16
    (tmp_path / run_id).mkdir()

    def forbidden(self):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "iterdir", forbidden)
    with pytest.raises(StoreError, match=r"cannot be looked at.*Permission denied"):
        find_result(tmp_path, run_id)


def test_names_of_temporary_files_cannot_be_taken_before(tmp_path, monkeypatch):
    """A link that somebody puts where a file will be written is not followed."""
    monkeypatch.setattr("brainsleep.files.atomic.secrets.token_hex", lambda n: "known")
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / ".note.writing-known.json").symlink_to(victim)
    with pytest.raises(StoreError, match="File exists"):
        write_json(tmp_path / "note.json", {"a": 1})
    assert victim.read_text() == "precious"


# -- between the steps of storing --------------------------------------------------------------


def test_a_whole_result_without_its_name_gets_it(tmp_path):
    """Killed just before the last step, or while an older result was replaced."""
    run_id, arrays = "b" * 16, {}
    result = write_result(tmp_path, run_id, {"metrics": {"a": 1}}, arrays)
    result.path.rename(tmp_path / f".{run_id}.writing-new")
    assert find_result(tmp_path, run_id).metrics == {"a": 1}
    old = tmp_path / f".{run_id}.writing-old"
    old.mkdir()
    (tmp_path / run_id).rename(old / run_id)  # the older result, aside
    assert find_result(tmp_path, run_id).metrics == {"a": 1}
    torn = tmp_path / f".{run_id}.writing-torn"
    torn.mkdir()
    shutil.move(tmp_path / run_id / "result.json", torn)
    shutil.rmtree(tmp_path / run_id)
    assert find_result(tmp_path, run_id) is None


def test_another_runs_result_does_not_get_the_name(tmp_path):
    other = write_result(tmp_path, "c" * 16, {"metrics": {}}, {})
    other.path.rename(tmp_path / f".{'d' * 16}.writing-x")
    assert find_result(tmp_path, "d" * 16) is None


def test_results_are_on_the_disk_before_they_have_their_name(tmp_path, monkeypatch):
    """Files, then their folder, then the name: what a power cut leaves is whole or not there."""
    seen = []
    sync, rename = atomic.sync, os.rename
    monkeypatch.setattr("brainsleep.files.atomic.os.fsync", lambda fd: seen.append("sync"))
    monkeypatch.setattr(atomic, "sync", lambda path: (seen.append("folder"), sync(path)))
    monkeypatch.setattr(os, "rename", lambda *args: (seen.append("rename"), rename(*args)))
    write_result(tmp_path, "e" * 16, {"metrics": {}}, {})
    assert seen == ["folder", "sync"] * 4 + ["rename", "folder", "sync"]


# -- two processes, old locks ------------------------------------------------------------------


def test_two_processes_on_one_result(trials, tmp_path):
    """Both end well, one does the work, and one of them being killed does not matter."""
    expected, *_ = trials.undisturbed("run numpy")
    out, places = tmp_path / "out", [tmp_path / "one", tmp_path / "two"]
    for place in places:
        place.mkdir()
    both = [Process(run_words(trials, out), place, trials.cache) for place in places]
    both[0].kill_after(0.4)
    code, text = both[1].end()
    assert code == 0, text
    assert outcomes(out) == expected and leftovers(out) == []


_HOLDER = """
import sys, time
from pathlib import Path
from brainsleep.files.locks import exclusive_locks
with exclusive_locks(Path(sys.argv[1]), ["abcdef0"]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_locks_end_with_their_process(tmp_path):
    command = [sys.executable, "-c", _HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        assert is_locked(tmp_path / "abcdef0") is True
        process.kill()
    assert is_locked(tmp_path / "abcdef0") is False and is_locked(tmp_path / "none") is None
    told = []
    with exclusive_locks(tmp_path, ["abcdef0"], told.append):
        assert told == []


# -- clocks ------------------------------------------------------------------------------------


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINSLEEP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "programs"


def make(folder, size=1000):
    (folder / "main").write_bytes(b"x" * size)
    return {}


def obtain(key, make=make):
    return cache.obtain(key, make, "net", lambda message: None)


def test_programs_from_the_future_make_room_and_can_be_cleared(own_cache, monkeypatch):
    """The clock was ahead when they were used, and was set back."""
    monkeypatch.setenv("BRAINSLEEP_CACHE_MB", "0.0025")
    for k in range(3):
        folder = obtain(f"{k:020x}")
        ahead = time.time() + 400 * cache.A_DAY
        os.utime(folder / "layout.json", (ahead, ahead))
    obtain(f"{9:020x}")
    assert len(cache.entries()) <= 2
    os.utime(own_cache / f"{9:020x}" / "layout.json", (2e9 * 4, 2e9 * 4))
    assert len(cache.clear()) >= 1 and cache.entries() == []


def test_a_clock_set_forward_does_not_end_a_build(own_cache, monkeypatch):
    """A build that is under way is held; only what nobody holds is removed, at once."""
    begun, go_on = threading.Event(), threading.Event()

    def slow(folder):
        begun.set()
        assert go_on.wait(20)
        return make(folder)

    thread = threading.Thread(target=obtain, args=(KEY, slow))
    thread.start()
    assert begun.wait(20)
    left = own_cache / "building-left"
    left.mkdir()
    with exclusive_locks(left, [".held"]):
        pass  # killed
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 1000 * cache.A_DAY)
    cache._remove_leftovers(time.time())
    assert not left.exists()
    go_on.set()
    thread.join()
    assert cache.is_whole(own_cache / KEY)
    assert not (own_cache / KEY / ".held").exists()


def test_results_do_not_depend_on_the_clock(trials, tmp_path, monkeypatch):
    expected, *_ = trials.undisturbed("run numpy")
    words = run_words(trials, tmp_path / "out")
    assert call(words)[0] == 0
    monkeypatch.setattr(time, "time", lambda: -1e9)
    for path in (tmp_path / "out").rglob("*"):
        os.utime(path, (4e9, 4e9))
    assert call(words)[0] == 0  # found, and not run again
    assert call([*words, "--force"])[0] == 0
    assert outcomes(tmp_path / "out") == expected


# -- the cache of programs ---------------------------------------------------------------------


@pytest.mark.parametrize("part", ["main", "layout.json"])
def test_a_damaged_program_is_compiled_again(own_cache, part):
    folder = obtain(KEY)
    whole = (folder / part).read_bytes()
    for bad in (b"", whole[:-1], bytes([whole[0] ^ 1]) + whole[1:], b"[1]", b'{"network": "net"}'):
        (folder / part).write_bytes(bad)
        assert not cache.is_whole(folder), bad[:20]
        made = []
        assert obtain(KEY, lambda folder, made=made: made.append(1) or make(folder)) == folder
        assert made == [1] and cache.is_whole(folder) and cache_problems(own_cache.parent) == []


def test_a_build_that_was_killed_is_made_anew(own_cache):
    """What it left is not taken for a program, and goes with the next build."""
    left = own_cache / "building-left"
    left.mkdir(parents=True)
    make(left)
    with exclusive_locks(left, [".held"]):
        assert cache.entries() == [] and cache.clear() == []  # while it is under way, too
        assert left.is_dir()
    obtain(KEY)
    assert {path.name for path in own_cache.iterdir()} == {".locks", KEY}


def test_programs_that_others_can_write_are_not_run(own_cache):
    folder = obtain(KEY)
    for path in (own_cache, folder, folder / "main", folder / "layout.json"):
        mode = path.stat().st_mode
        path.chmod(mode | 0o002)
        with pytest.raises(BackendError, match=r"everybody can write.*BRAINSLEEP_CACHE"):
            obtain(KEY)
        path.chmod(mode)
    assert obtain(KEY) == folder


def test_programs_of_somebody_else_are_not_run(own_cache, monkeypatch):
    folder = obtain(KEY)
    monkeypatch.setattr(os, "getuid", lambda: folder.stat().st_uid + 4321)
    if folder.stat().st_uid == 0:
        assert obtain(KEY) == folder  # root's may be run by all
        os.chown(folder / "main", 1234, 1234)
    with pytest.raises(BackendError, match="belongs to user"):
        obtain(KEY)


def test_nobody_can_write_what_is_made(own_cache):
    before = os.umask(0)
    try:
        folder = obtain(KEY)
    finally:
        os.umask(before)
    assert obtain(KEY) == folder
    assert not any(path.stat().st_mode & 0o002 for path in (own_cache, folder, *folder.iterdir()))


# -- damaged input -----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("number", [15, pytest.param(100, marks=pytest.mark.long)])
def test_damaged_files_are_refused_or_do_not_matter(number, tmp_path):
    found = Mutations(tmp_path, seed=int(os.environ.get("BRAINSLEEP_FAULT_SEED", "0"))).run(number)
    assert found.problems == []
    assert found.outcomes.total() >= 0.97 * number
    if number > 50:  # then there is one of every kind
        kinds = {kind for kind, _ in found.outcomes}
        assert kinds >= Mutations.SHARES.keys() - {"compiled program"}


@pytest.mark.long
def test_damaged_files_in_processes_of_their_own(tmp_path):
    """The same from a shell's point of view: exit code 2 and one line."""
    (tmp_path / "study.py").write_text(STUDY)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03" + b"\xff" * 12)
    (tmp_path / "data" / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01\0\0\0\x01\0")
    (tmp_path / "grid.toml").write_bytes(b"\xff\xfe")
    (tmp_path / "result.json").write_text("[" * 100_000)
    for words in (
        ["run", "study.py", "--data", "data"],
        ["sweep", "run", "grid.toml"],
        ["info", "result.json"],
    ):
        script = [sys.executable, "-c", "from brainsleep.cli.app import main; main()", *words]
        done = subprocess.run(script, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 2 and done.stderr.count("error: ") == 1, done.stderr
        assert "Traceback" not in done.stderr


def test_a_result_by_hand_says_what_it_lacks(tmp_path):
    result = write_result(tmp_path, "f" * 16, {"value": 1}, {})
    assert read_result(result.path).info["value"] == 1
    code, _, err = call(["info", str(result.path)])
    assert code == 2 and "has no 'protocol'" in err and len(err.splitlines()) == 1


def test_too_little_memory_is_one_line(trials, monkeypatch, tmp_path):
    def none_left(*args, **kwargs):
        raise MemoryError("Unable to allocate 7.45 GiB for an array")

    monkeypatch.setattr("brainsleep.run.simulate.Run", none_left)
    code, _, err = call(run_words(trials, tmp_path / "out"))
    assert code == 2 and "not enough memory (Unable to allocate 7.45 GiB" in err


# -- results are data --------------------------------------------------------------------------


def test_nothing_that_a_result_names_is_loaded(tmp_path):
    """A report looks for the command that makes a result again: settings of a forged one."""
    from brainsleep.show.reproduce import command

    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nX = ()\n")
    reference = f"{tmp_path / 'evil.py'}:X"
    described = load_protocol("demo").describe()
    for key in ("network", "schedule", "network.projections.0.rules", "schedule.sleep.stages"):
        forged = copy.deepcopy(described)
        *heads, last = key.split(".")
        place = forged
        for head in heads:
            place = place[int(head) if head.isdigit() else head]
        place[last] = reference
        info = {"protocol": forged, "equations": {}, "seed": 0, "backend": "numpy", "metrics": {}}
        (tmp_path / "out").mkdir(exist_ok=True)
        result = write_result(tmp_path / "out", "f" * 16, info, {})
        with contextlib.suppress(KeyError, TypeError, AttributeError):
            command(result)
        call(["report", str(result.path)])
        call(["info", str(result.path)])
        assert not (tmp_path / "ran").exists(), key

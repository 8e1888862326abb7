"""The cache of compiled programs: made once, whole or not at all, bounded, listed and cleared."""

import errno
import grp
import json
import os
import pwd
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import SMALL_CAPACITY, make_segment, needs_compiler

from brainsleep.backends.base import make_backend
from brainsleep.backends.cpp import build, cache
from brainsleep.errors import BackendError
from brainsleep.run.segment import Capacity
from brainsleep.run.state import initial_state

KEYS = [f"{k:020x}" for k in range(1, 6)]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """A cache of the test's own, empty."""
    monkeypatch.setenv("BRAINSLEEP_CACHE", str(tmp_path))
    return tmp_path / "programs"


def make(folder, size=1000):
    """Make a program that is none."""
    (folder / "main").write_bytes(b"x" * size)
    (folder / "main").chmod(0o755)
    return {"inputs": [], "outputs": []}


def obtain(key, make=make, report=lambda message: None):
    return cache.obtain(key, make, "net", report)


def age(folder, days):
    """Set when a program was last used."""
    moment = time.time() - days * cache.A_DAY
    os.utime(folder / "layout.json", (moment, moment))


def test_a_program_is_made_once(own_cache):
    folder = obtain(KEYS[0])
    assert folder == own_cache / KEYS[0] and cache.is_whole(folder)
    assert not list(own_cache.glob("building-*"))

    def again(folder):
        raise AssertionError("made again")

    assert obtain(KEYS[0], again) == folder
    assert cache.layout(folder) == {"inputs": [], "outputs": [], "network": "net"}


@pytest.mark.parametrize("part", ["main", "layout.json"])
def test_a_program_that_lost_a_part_is_made_again(part):
    folder = obtain(KEYS[0])
    (folder / part).unlink()
    assert cache.is_whole(obtain(KEYS[0]))


def test_a_failed_build_leaves_nothing(own_cache):
    def fail(folder):
        (folder / "main").touch()
        raise BackendError("does not compile")

    with pytest.raises(BackendError, match="does not compile"):
        obtain(KEYS[0], fail)
    assert [path.name for path in own_cache.iterdir()] == [".locks"]


_CHILD = """
import sys, time
from brainsleep.backends.cpp import cache
def make(folder):
    print("made", flush=True)
    time.sleep(0.5)
    (folder / "main").touch(); (folder / "main").chmod(0o755)
    return {}
folder = cache.obtain(sys.argv[1], make, "net", lambda message: print(message, flush=True))
assert cache.is_whole(folder)
"""


def children(n, key):
    command = [sys.executable, "-c", _CHILD, key]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(n)
    ]
    return [(*process.communicate(), process.returncode) for process in running]


def test_processes_that_want_the_same_program_wait_for_the_first():
    found = children(4, KEYS[0])
    assert [code for *_, code in found] == [0] * 4, found
    printed = "".join(out for out, *_ in found)
    assert printed.count("made") == 1
    assert "waiting for another process to compile 'net'" in printed


def test_the_lock_of_a_killed_process_is_free_again():
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD.replace("0.5", "60"), KEYS[0]], stdout=subprocess.PIPE
    )
    assert child.stdout.readline() == b"made\n"
    child.kill()
    child.wait()
    child.stdout.close()
    assert cache.is_whole(obtain(KEYS[0]))


def obtain_in_threads(make):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(cache.is_whole(obtain(KEYS[0], make))))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 4
    assert [entry.path.name for entry in cache.entries()] == [KEYS[0]]


def test_threads_of_one_process_wait_for_the_first():
    made = []
    obtain_in_threads(lambda folder: made.append(folder) or make(folder))
    assert len(made) == 1


def test_without_locks_the_first_to_finish_wins(monkeypatch):
    def fail(*args, **kwargs):
        raise OSError(errno.ENOLCK, "no locks")

    def slow(folder):
        barrier.wait(timeout=10)
        return make(folder)

    monkeypatch.setattr("brainsleep.files.locks.FileLock.acquire", fail)
    barrier = threading.Barrier(4)
    obtain_in_threads(slow)


def test_the_ones_used_longest_ago_make_room(monkeypatch):
    monkeypatch.setenv("BRAINSLEEP_CACHE_MB", "0.0025")  # room for two
    for days, key in zip((4, 3, 0.5), KEYS, strict=False):
        age(obtain(key), days)
    newest = obtain(KEYS[3])
    left = {entry.path.name for entry in cache.entries()}
    assert left == {KEYS[2], KEYS[3]}  # the third was used today: it may be running
    assert newest.name in left


def test_using_a_program_keeps_it(monkeypatch):
    for key in KEYS[:2]:
        age(obtain(key), 5)
    obtain(KEYS[0])
    assert [entry.path.name for entry in cache.entries()] == KEYS[:2]
    monkeypatch.setenv("BRAINSLEEP_CACHE_MB", "0.0025")
    obtain(KEYS[2])
    assert {entry.path.name for entry in cache.entries()} == {KEYS[0], KEYS[2]}


@pytest.mark.parametrize("text", ["many", "-1"])
def test_a_limit_that_is_none(monkeypatch, text):
    monkeypatch.setenv("BRAINSLEEP_CACHE_MB", text)
    with pytest.raises(BackendError, match=r"BRAINSLEEP_CACHE_MB.*a number of MB"):
        cache.limit()


def test_clear_removes_programs_and_nothing_else(own_cache):
    data = own_cache.parent / "data" / "MNIST"
    data.mkdir(parents=True)
    age(obtain(KEYS[0]), 10)
    obtain(KEYS[1])
    assert [entry.path.name for entry in cache.clear(unused_for=5 * cache.A_DAY)] == [KEYS[0]]
    assert [entry.path.name for entry in cache.clear()] == [KEYS[1]]
    assert cache.entries() == [] and data.is_dir()


def test_a_damaged_program_is_listed_and_cleared():
    (obtain(KEYS[0]) / "layout.json").write_text("{")
    assert cache.entries()[0].network == "(damaged)"
    assert len(cache.clear()) == 1


def test_leftovers_of_killed_builds_are_removed_after_a_day(own_cache):
    old, young = own_cache / "building-old", own_cache / "building-young"
    for folder in (old, young):
        folder.mkdir(parents=True)
    os.utime(old, (time.time() - 90_000,) * 2)
    obtain(KEYS[0])
    assert not old.exists() and young.exists()


def test_programs_that_a_group_can_write(own_cache, monkeypatch):
    """A group of the user's own, which has nobody else in it, is no danger."""
    program = obtain(KEYS[0]) / "main"
    program.chmod(0o775)
    user = pwd.getpwuid(os.getuid()).pw_name
    groups = {"own": (user, [user]), "with others": (user, ["other"]), "staff": ("staff", [])}
    for name, (label, members) in groups.items():
        group = grp.struct_group((label, "x", 7, members))
        monkeypatch.setattr(grp, "getgrgid", lambda _, group=group: group)
        if name == "own":
            obtain(KEYS[0])
        else:
            with pytest.raises(BackendError, match=r"main, which group \d+ can write; expected"):
                obtain(KEYS[0])


def test_a_program_that_is_cleared_while_it_is_looked_at_is_made_again(own_cache, monkeypatch):
    folder, check = obtain(KEYS[0]), cache._check_own

    def cleared(*paths):
        if folder in paths:
            shutil.rmtree(folder)
        check(*paths)

    monkeypatch.setattr(cache, "_check_own", cleared)
    assert obtain(KEYS[0]) == folder and cache.is_whole(folder)


def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("BRAINSLEEP_CACHE", str(tmp_path / "file"))
    with pytest.raises(BackendError, match=r"cannot write the build cache.*set BRAINSLEEP_CACHE"):
        obtain(KEYS[0])


def command(*arguments):
    script = Path(sys.executable).parent / "brainsleep"
    done = subprocess.run([script, "cache", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_command_line(own_cache):
    obtain(KEYS[0])
    age(obtain(KEYS[1]), 3)
    listed = command("list")
    assert listed.index(KEYS[0]) < listed.index(KEYS[1])
    assert f"0.0 MB of at most 500 MB in {own_cache}" in listed
    assert command("clear", "--unused-for", "2") == "removed 1 programs, 0.0 MB\n"
    assert command("clear") == "removed 1 programs, 0.0 MB\n"
    assert KEYS[0] not in command("list")


# -- what a program depends on ----------------------------------------------------------------


def test_key_depends_on_code_and_not_on_values(small_network, monkeypatch):
    def key(**changes):
        return build.build_key(
            small_network.__class__(**{**vars_of(small_network), **changes}), Capacity()
        )

    before = key()
    assert key(name="another") == before
    assert key(precision="float32") != before
    larger = [p.__class__(**{**vars(p), "size": p.size + 1}) for p in small_network.populations]
    assert key(populations=tuple(larger)) != before
    longer = Capacity(steps=10 * Capacity().steps)
    assert build.build_key(small_network, longer) == before
    for name in ("describe_compiler", "cpu", "generator"):
        with monkeypatch.context() as patch:
            patch.setattr(build, name, lambda *modules: "another")
            assert key() != before, name


def vars_of(spec):
    names = spec.__dataclass_fields__
    return {name: getattr(spec, name) for name in names}


@pytest.mark.standalone
@needs_compiler
def test_a_run_goes_on_when_the_cache_is_cleared(small_network):
    program = make_backend("cpp", small_network, capacity=SMALL_CAPACITY)
    state = initial_state(small_network, 1)
    segment = make_segment(small_network, np.full((2, 30), 200.0), [20, 20])
    before, _ = program.advance(state, segment, 1)
    assert len(cache.clear()) == 1
    after, _ = program.advance(state, segment, 1)
    assert json.dumps([a.tolist() for a in before.arrays.values()]) == json.dumps(
        [a.tolist() for a in after.arrays.values()]
    )

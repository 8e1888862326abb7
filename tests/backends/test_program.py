"""A program that waits for segments: one process, no memory, cleaned up whatever happens."""

import dataclasses
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import SMALL_CAPACITY, TESTS, make_segment, needs_compiler

from brainsleep.backends.base import make_backend
from brainsleep.backends.cpp.process import Program
from brainsleep.errors import SimulationError
from brainsleep.run.segment import Capacity
from brainsleep.run.state import initial_state

pytestmark = [pytest.mark.standalone, needs_compiler]


@pytest.fixture
def backend(small_network):
    return make_backend("cpp", small_network, capacity=SMALL_CAPACITY)


@pytest.fixture
def call(small_network, backend):
    """A function that runs one segment from the same start and returns all bits of its end."""
    segment = make_segment(small_network, np.full((3, 30), 200.0), [20, 30, 40])

    def advance(seed=1, network_seed=1):
        state, _ = backend.advance(initial_state(small_network, network_seed), segment, seed)
        return b"".join(value.tobytes() for value in state.arrays.values())

    return advance


def test_one_process_serves_all_segments_and_remembers_none(backend, call):
    first = call(seed=1)
    pid = backend.idle[0]._process.pid
    assert call(seed=2) != first
    assert call(seed=1) == first
    assert backend.idle[0]._process.pid == pid


def test_other_connectivity_gets_another_process(backend, call):
    first = call()
    pid = backend.idle[0]._process.pid
    assert call(network_seed=2) != first
    assert backend.idle[0]._process.pid != pid
    assert call() == first


def test_what_no_segment_changes_is_handed_over_when_it_is_new(small_network, monkeypatch):
    said, say = [], Program._say
    monkeypatch.setattr(Program, "_say", lambda self, line: (said.append(line), say(self, line)))
    fixed, *others = (p for p in small_network.projections if p.target == "e")
    fixed = dataclasses.replace(fixed, rules=(), processes=())
    others += [p for p in small_network.projections if p.target != "e"]
    spec = dataclasses.replace(small_network, projections=(fixed, *others))
    weights, state = f"{fixed.name}.w", initial_state(spec, 1)
    segment = make_segment(spec, np.full((3, 30), 400.0), [20, 30, 40])
    backend = make_backend("cpp", spec, capacity=SMALL_CAPACITY)

    def advance(backend=backend):
        after, _ = backend.advance(state, segment, 1)
        assert after.arrays[weights] is state.arrays[weights]
        return b"".join(value.tobytes() for value in after.arrays.values())

    first = advance()
    assert advance() == first
    assert said.count(b"fixed\n") == 1
    state.arrays[weights][:] *= 2  # in place: only its values tell that it is another
    second = advance()
    assert second != first
    assert said.count(b"fixed\n") == 2
    assert second == advance(make_backend("cpp", spec, capacity=SMALL_CAPACITY))


def test_a_process_that_was_killed_is_replaced(backend, call):
    first = call()
    os.kill(backend.idle[0]._process.pid, signal.SIGKILL)
    backend.idle[0]._process.wait()
    assert call() == first


@pytest.mark.parametrize("who", ["program", "copy"])
def test_killed_within_a_segment(small_network, call, who):
    roomy = Capacity(SMALL_CAPACITY.slots, 10**7)
    backend = make_backend("cpp", small_network, capacity=roomy)
    long = make_segment(small_network, np.full((1, 30), 900.0), [5_000_000])  # some seconds
    state = initial_state(small_network, 1)
    first = call()
    short = make_segment(small_network, np.zeros((1, 30)), [5])
    backend.advance(state, short, 1)
    (program,) = backend.idle
    os.kill(program._process.pid, signal.SIGSTOP)  # the segment waits until it is killed

    def kill():
        time.sleep(0.3)
        if who == "program":
            os.kill(program._process.pid, signal.SIGKILL)
            return
        os.kill(program._process.pid, signal.SIGCONT)
        children = Path(f"/proc/{program._process.pid}/task/{program._process.pid}/children")
        while not (found := children.read_text().split()):
            pass
        os.kill(int(found[0]), signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    with pytest.raises(SimulationError, match=r"ended with code -9"):
        backend.advance(state, long, 1)
    thread.join()
    assert not Path(program._folder).exists()
    assert call() == first


def test_files_and_process_go_with_the_backend(small_network):
    backend = make_backend("cpp", small_network, capacity=SMALL_CAPACITY)
    segment = make_segment(small_network, np.zeros((1, 30)), [5])
    backend.advance(initial_state(small_network, 1), segment, 1)
    folder, pid = Path(backend.idle[0]._folder), backend.idle[0]._process.pid
    assert folder.is_dir()
    del backend
    gc.collect()
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


_CHILD = """
import sys, time
sys.path.insert(0, {tests!r})
import numpy as np
from conftest import make_segment
from brainsleep.backends.base import make_backend
from brainsleep.models.massey2026 import PAPER
from brainsleep.run.state import initial_state
backend = make_backend("cpp", PAPER)
backend.advance(initial_state(PAPER, 1), make_segment(PAPER, np.zeros((1, 225)), [5]), 1)
print(backend.idle[0]._folder, flush=True)
time.sleep(60)
"""


def test_nothing_is_left_when_python_is_killed():
    code = _CHILD.format(tests=TESTS)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        folder = Path(child.stdout.readline().decode().strip())
        assert folder.is_dir()
        child.kill()
    deadline = time.monotonic() + 10
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not folder.exists()


def _advance_in_fork(backend, state, segment, queue):
    after, _ = backend.advance(state, segment, 1)
    queue.put(b"".join(value.tobytes() for value in after.arrays.values()))


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_fork_of_python_starts_its_own(small_network, backend, call):
    first, pid = call(), backend.idle[0]._process.pid
    segment = make_segment(small_network, np.full((3, 30), 200.0), [20, 30, 40])
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    arguments = (backend, initial_state(small_network, 1), segment, queue)
    fork = context.Process(target=_advance_in_fork, args=arguments)
    fork.start()
    assert queue.get() == first
    fork.join()
    assert fork.exitcode == 0
    assert call() == first and backend.idle[0]._process.pid == pid

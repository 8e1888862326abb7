"""How each simulator of ``benchmarks.published`` is timed: in a process of its own.

A measurement holds ``wall``, seconds of wall time per biological second, one a repeat; ``spikes``
per biological second; of the plastic network ``change``, by how many mV the mean of its plastic
weights changed per biological second; and the ``version`` of a simulator of another interpreter.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from brainsleep.backends.base import make_backend
from brainsleep.backends.cpp.build import find_compiler
from brainsleep.run.segment import Capacity
from brainsleep.run.state import initial_state

from . import published_brian
from .peers import LIMIT_FLAGS, TWO, answer
from .published_networks import NETWORKS, segment, write_graph, write_limit

#: The program written by hand.
LIMIT = Path(__file__).parent / "limit" / "published.cpp"

#: What runs in an interpreter that may be another one.
SCRIPTS = {
    "NEST": "benchmarks.nest_published",
    "ANNarchy": "benchmarks.annarchy_published",
}


def ours(
    name: str, given: argparse.Namespace, *, threads: int = 1, precision: str = "float64"
) -> dict:
    """Time the backend ``cpp``."""
    os.environ |= {
        "BRAINSLEEP_CACHE": str(given.cache / "brainsleep"),
        "BRAINSLEEP_CORES": str(threads),
    }
    spec = replace(NETWORKS[name], precision=precision)
    measured: dict[str, list[float]] = {"wall": [], "spikes": []}
    state, steps = initial_state(spec, 1), round(given.seconds / float(spec.dt))
    backend = make_backend("cpp", spec, capacity=Capacity(slots=1, steps=steps))
    backend.advance(state, segment(spec, 1), 0)
    for repeat in range(given.repeats):
        begun = time.perf_counter()
        after, recording = backend.advance(state, segment(spec, steps), repeat)
        measured["wall"].append((time.perf_counter() - begun) / given.seconds)
        n_spikes = sum(int(counts.sum()) for counts in recording.counts.values())
        measured["spikes"].append(n_spikes / given.seconds)
        if spec.projections[0].rules:
            change = after.arrays["ee.w"].mean(dtype=float) - state.arrays["ee.w"].mean(dtype=float)
            measured.setdefault("change", []).append(float(change) / given.seconds)
    return measured


def limit(name: str, given: argparse.Namespace, *, real: str = "float") -> dict:
    """Time the program written by hand for these networks."""
    program = given.cache / f"published-{real}"
    network = given.cache / f"limit-{name.replace(' ', '-')}.bin"
    if not program.exists():
        flags = [*LIMIT_FLAGS, f"-DREAL={real}"]
        subprocess.run([find_compiler(), *flags, str(LIMIT), "-o", str(program)], check=True)
    if not network.exists():
        write_limit(name, network)
    steps = round(given.seconds / float(NETWORKS[name].dt))
    command = [str(program), str(network), str(steps), str(given.repeats)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    rows = np.array([line.split() for line in done.stdout.splitlines()], dtype=float)
    rows[:, [0, 1]] /= given.seconds
    measured = {"wall": rows[:, 0].tolist(), "spikes": rows[:, 1].tolist()}
    if NETWORKS[name].projections[0].rules:
        measured["change"] = (1e3 * np.diff(rows[:, 3], prepend=0) / given.seconds).tolist()
    return measured


def elsewhere(name: str, given: argparse.Namespace, *, simulator: str, threads: int = 1) -> dict:
    """Time a simulator in an interpreter that has it."""
    cache = given.cache.resolve()
    file = cache / f"graph-{name.replace(' ', '-')}.npz"
    if not file.exists():
        write_graph(name, file)
    command = [getattr(given, simulator.lower()), "-m", SCRIPTS[simulator], name, str(file)]
    command += ["--seconds", str(given.seconds), "--threads", str(threads)]
    command += ["--repeats", str(given.repeats), "--cache", str(cache)]
    return answer(command)


PEERS = {
    "brainsleep cpp": ours,
    "brainsleep cpp" + TWO: partial(ours, threads=2),
    "brainsleep cpp, float32": partial(ours, precision="float32"),
    "brainsleep cpp, float32" + TWO: partial(ours, precision="float32", threads=2),
    "hand-written C++": limit,
    "hand-written C++, double": partial(limit, real="double"),
    "Brian2 C++": published_brian.run,
    "Brian2 C++" + TWO: partial(published_brian.run, threads=2),
    "NEST": partial(elsewhere, simulator="NEST"),
    "NEST" + TWO: partial(elsewhere, simulator="NEST", threads=2),
    "ANNarchy": partial(elsewhere, simulator="ANNarchy"),
    "ANNarchy" + TWO: partial(elsewhere, simulator="ANNarchy", threads=2),
}

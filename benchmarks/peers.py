"""One simulator, one size, one drive, in a process of its own: a line of JSON on standard output.

    python -m benchmarks.peers PEER SIZE DRIVE --repeats 5 --cache DIR

``benchmarks.speed`` calls this for every row of its table. The line holds: ``wall``, seconds of
wall time per biological second, one a repeat; ``spikes``, spikes per biological second by
population; ``events``, synaptic events per biological second that follow from them; ``build``,
seconds until the network could run; ``memory``, peak MB of the process that simulates.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import resource
import subprocess
import threading
import time
from pathlib import Path

import brian2
import numpy as np

from brainsleep.backends.base import make_backend
from brainsleep.backends.cpp.build import find_compiler
from brainsleep.network.spec import NetworkSpec
from brainsleep.run.state import State

from . import bindsnet_network, nest_network, textbook
from .networks import SIZES, image_rates, network, start, wake

#: The hand-written program and its flags.
LIMIT = Path(__file__).parent / "limit" / "limit.cpp"
LIMIT_FLAGS = ("-O3", "-march=native", "-ffast-math", "-std=c++17")

#: Slots of one second in a segment, and seconds of standalone programs, by size and drive.
LENGTH = {
    "200+50": {"low": 100, "high": 100},
    "1600+400": {"low": 20, "high": 20},
    "6400+1600": {"low": 20, "high": 2},
}

#: Wall seconds a repeat of a slow simulator should take.
WANTED = 1.5


def limit(spec: NetworkSpec, state: State, rates: np.ndarray, args) -> dict:
    """Time the hand-written program."""
    program, given = args.cache / "limit", args.cache / f"limit-{os.getpid()}.bin"
    started = time.perf_counter()
    if not program.exists():
        command = [find_compiler(), *LIMIT_FLAGS, str(LIMIT), "-o", str(program)]
        subprocess.run(command, check=True)
    build = time.perf_counter() - started
    write_limit(given, spec, state, rates)
    seconds = LENGTH[args.size][args.drive]
    command = [str(program), str(given), str(1000 * seconds), str(args.repeats)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    given.unlink()
    table = np.array([line.split() for line in done.stdout.splitlines()], dtype=float)
    names = [population.name for population in spec.populations]
    counts = table[:, 1:4].mean(axis=0) / seconds
    return {
        "wall": (table[:, 0] / seconds).tolist(),
        "spikes": dict(zip(names, counts, strict=True)),
        "build": build,
        "seconds": seconds,
    }


def write_limit(path: Path, spec: NetworkSpec, state: State, rates: np.ndarray) -> None:
    """Write a network as ``limit.cpp`` reads it."""
    given, dt = state.parameters, float(spec.dt)
    names = "tau_m tau_syn r v_rest v_reset v_threshold v_low v_high tau_a a_spike".split()
    keep = [np.exp(-dt / given[f"e.stdp_nearest_reversed_tau_{k}"]) for k in ("plus", "minus")]
    numbers = [dt, *(given[f"e.{name}"] for name in names)]
    numbers += [given["ee.stdp_nearest_reversed_lr"], *keep]
    numbers += [given[f"ee.{name}"] for name in ("w_min", "w_max", "charge")]

    def many(values, dtype) -> bytes:
        array = np.ascontiguousarray(values, dtype=dtype)
        return np.int64(array.size).tobytes() + array.tobytes()

    populations = [population.name for population in spec.populations]
    with open(path, "wb") as file:
        file.write(np.array(numbers, np.float32).tobytes())
        for population in spec.populations:
            file.write(np.int64(population.size).tobytes())
        file.write(many(rates * dt, np.float32))
        file.write(np.int64(len(spec.projections)).tobytes())
        for projection in spec.projections:
            for end in (projection.source, projection.target):
                file.write(np.int64(populations.index(end)).tobytes())
            file.write(np.float32(projection.sign).tobytes())
            for ends in state.synapses[projection.name]:
                file.write(many(ends, np.int32))
            file.write(many(state.weights(projection.name), np.float32))


def ours(name: str, precision: str = "float64", threads: int = 1):
    """Return a function that times one of this package's backends."""

    def run(spec: NetworkSpec, state: State, rates: np.ndarray, args) -> dict:
        spec = network(SIZES[args.size], args.drive, precision)
        state = start(spec)
        os.environ |= {"BRAINSLEEP_CACHE": str(args.cache), "BRAINSLEEP_CORES": str(threads)}
        brian2.prefs.codegen.runtime.cython.cache_dir = str(args.cache / "ours")
        begun = time.perf_counter()
        backend = make_backend(name, spec)
        state, _ = backend.advance(state, wake(spec, rates, 1, 10), 0)
        build = time.perf_counter() - begun
        if name == "cpp":
            segment = wake(spec, rates, LENGTH[args.size][args.drive])
        else:
            for _ in range(2):  # the first one may still prepare something
                begun = time.perf_counter()
                state, _ = backend.advance(state, wake(spec, rates, 1, 100), 0)
            steps = 100 * WANTED / (time.perf_counter() - begun)
            segment = wake(spec, rates, 1, int(np.clip(steps, 50, 10_000)))
        seconds, took, counts = float(segment.starts[-1] * spec.dt), [], []
        for repeat in range(args.repeats):
            begun = time.perf_counter()
            state, recording = backend.advance(state, segment, repeat + 1)
            took.append((time.perf_counter() - begun) / seconds)
            counts.append({k: float(v.sum()) / seconds for k, v in recording.counts.items()})
        return {
            "wall": took,
            "spikes": {k: np.mean([c[k] for c in counts]) for k in counts[0]},
            "build": build,
            "seconds": seconds,
        }

    return run


class Watch(threading.Thread):
    """Look every few milliseconds how much memory standalone programs take.

    (What the system adds up for a child counts the process that started it too.)
    """

    def __init__(self):
        super().__init__(daemon=True)
        self.peak = 0.0

    def run(self) -> None:
        """Look until the process ends."""
        while True:
            started = children("self")
            for child in started + [copy for each in started for copy in children(each)]:
                with contextlib.suppress(OSError):
                    lines = Path(f"/proc/{child}/status").read_text().splitlines()
                    status = dict(line.split(":", 1) for line in lines)
                    if status["Name"].strip() in ("main", "limit") and "VmHWM" in status:
                        self.peak = max(self.peak, int(status["VmHWM"].split()[0]) / 1e3)
            time.sleep(0.005)


def children(process: str) -> list[str]:
    """Return the numbers of the processes that a process has started."""
    with contextlib.suppress(OSError):
        paths = Path(f"/proc/{process}/task").glob("*/children")
        return " ".join(path.read_text() for path in paths).split()
    return []


PEERS = {
    "hand-written C++": limit,
    "brainsleep cpp": ours("cpp"),
    "brainsleep cpp, float32": ours("cpp", "float32"),
    "brainsleep cpp, two threads": ours("cpp", threads=2),
    "brainsleep cython": ours("cython"),
    "brainsleep numpy": ours("numpy"),
    "textbook Brian2 C++": lambda s, n, r, a: textbook.run_standalone(
        s, n, r, max(1.0, LENGTH[a.size][a.drive] / 5), a.repeats, a.cache
    ),
    "textbook Brian2 Cython": lambda s, n, r, a: textbook.run_cython(
        s, n, r, WANTED, a.repeats, a.cache, an_image=False
    ),
    "the same, a run() an image": lambda s, n, r, a: textbook.run_cython(
        s, n, r, WANTED, a.repeats, a.cache, an_image=True
    ),
    "NEST": lambda s, n, r, a: nest_network.run(s, n, r, a.size, a.drive, WANTED, a.repeats),
    "BindsNET": lambda s, n, r, a: bindsnet_network.run(
        s, n, r, a.size, a.drive, WANTED, a.repeats
    ),
}

#: Packages that a peer needs, by peer.
NEEDS = {"NEST": "nest", "BindsNET": "bindsnet"}


def absent(peer: str) -> str:
    """Return the package that a peer lacks, or an empty text."""
    package = NEEDS.get(peer, "")
    return package if package and importlib.util.find_spec(package) is None else ""


def main() -> None:
    """Measure one row and print it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("size", choices=SIZES)
    parser.add_argument("drive", choices=("low", "high"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cache", type=Path, required=True)
    args = parser.parse_args()
    size = SIZES[args.size]
    spec = network(size, args.drive)
    state, rates = start(spec), image_rates(size)
    watch = Watch()
    watch.start()
    measured = PEERS[args.peer](spec, state, rates, args)
    measured["spikes"] = {k: float(v) for k, v in measured["spikes"].items()}
    measured["events"] = sum(
        len(state.weights(p.name))
        * sum(measured["spikes"][end] / spec.population(end).size for end in (p.source, p.target))
        for p in spec.projections
    )
    measured["memory"] = watch.peak or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(json.dumps(measured))


if __name__ == "__main__":
    main()

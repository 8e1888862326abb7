"""One simulator, one size, one drive, in a process of its own: a line of JSON on standard output.

    python -m benchmarks.peers PEER SIZE DRIVE --repeats 5 --cache DIR

``benchmarks.speed`` calls this for every row of its table. The line holds: ``wall``, seconds of
wall time per biological second, one a repeat; ``spikes``, spikes per biological second by
population; ``events``, synaptic events per biological second that follow from them; ``build``,
seconds until the network could run; ``memory``, peak MB of the process that simulates. NEST and
ANNarchy may be those of other environments (``--nest PYTHON``, ``--annarchy PYTHON``).
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import resource
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import brian2
import numpy as np

from brainsleep.backends.base import make_backend
from brainsleep.backends.cpp.build import WIDEST, find_compiler
from brainsleep.network.spec import NetworkSpec
from brainsleep.run.state import State

from . import bindsnet_network, textbook
from .networks import SIZES, image_rates, network, start, wake

#: The hand-written program and its flags.
LIMIT = Path(__file__).parent / "limit" / "limit.cpp"
LIMIT_FLAGS = ("-O3", "-march=native", "-ffast-math", "-std=c++17", *WIDEST)

#: Slots of one second in a segment, and seconds of standalone programs, by size and drive.
LENGTH = {
    "200+50": {"low": 100, "high": 100},
    "1600+400": {"low": 20, "high": 20},
    "6400+1600": {"low": 20, "high": 2},
}

#: Seconds of textbook Brian2's programs, by size and drive.
TEXTBOOK_LENGTH = {
    "200+50": {"low": 20.0, "high": 20.0},
    "1600+400": {"low": 4.0, "high": 4.0},
    "6400+1600": {"low": 1.0, "high": 0.2},
}

#: Wall seconds a repeat of a slow simulator should take.
WANTED = 1.5

#: Peers of interpreters that may be others: package, and module that is run.
ELSEWHERE = {
    "NEST": ("nest", "benchmarks.nest_network"),
    "ANNarchy": ("ANNarchy", "benchmarks.annarchy_network"),
}

TWO = ", two threads"


def limit(spec: NetworkSpec, state: State, rates: np.ndarray, args, real: str = "float") -> dict:
    """Time the hand-written program."""
    program, given = args.cache / f"limit-{real}", args.cache / f"limit-{os.getpid()}.bin"
    started = time.perf_counter()
    if not program.exists():
        command = [find_compiler(), *LIMIT_FLAGS, f"-DREAL={real}", str(LIMIT), "-o", str(program)]
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
        file.write(many(numbers, float))
        for population in spec.populations:
            file.write(np.int64(population.size).tobytes())
        file.write(many(rates * dt, float))
        file.write(np.int64(len(spec.projections)).tobytes())
        for projection in spec.projections:
            for end in (projection.source, projection.target):
                file.write(np.int64(populations.index(end)).tobytes())
            file.write(np.float64(projection.sign).tobytes())
            for ends in state.synapses[projection.name]:
                file.write(many(ends, np.int32))
            file.write(many(state.weights(projection.name), float))


def write_graph(path: Path, spec: NetworkSpec, state: State, rates: np.ndarray) -> None:
    """Write a network as the scripts of `ELSEWHERE` read it: times in ms, voltages in mV."""
    given = {key.partition(".")[2]: value for key, value in state.parameters.items()}
    rule = "stdp_nearest_reversed"
    tau = {key: 1e3 * float(given[f"tau_{key}"]) for key in ("m", "syn", "a")}
    tau |= {key: 1e3 * float(given[f"{rule}_tau_{key}"]) for key in ("plus", "minus")}
    volts = ("r", "v_rest", "v_reset", "v_threshold", "v_low", "v_high", "a_spike")
    neuron = {key: 1e3 * float(given[key]) for key in volts}
    neuron |= {f"tau_{key}": tau[key] for key in ("m", "syn", "a")}
    bounds = {key: float(given[key]) for key in ("w_min", "w_max")}
    lr = float(given[f"{rule}_lr"])
    synapse = {"gain": float(given["charge"] / given["tau_syn"]), "lr": lr, **bounds}
    synapse |= {f"tau_{key}": tau[key] for key in ("plus", "minus")}
    about = {
        "input": spec.input,
        "sizes": {population.name: population.size for population in spec.populations},
        "projections": {p.name: (p.source, p.target, p.sign) for p in spec.projections},
        **{"tau": tau, "neuron": neuron, "synapse": synapse, "lr": lr, "w_max": bounds["w_max"]},
    }
    arrays = {"about": np.array(json.dumps(about)), "rates": rates}
    for projection in spec.projections:
        ends = state.synapses[projection.name]
        arrays |= {f"{projection.name}_{k}": v for k, v in zip(("pre", "post"), ends, strict=True)}
        arrays[f"{projection.name}_w"] = state.weights(projection.name)
    np.savez(path, **arrays)


def elsewhere(simulator: str, threads: int = 1):
    """Return a function that times a simulator in an interpreter that has it."""

    def run(spec: NetworkSpec, state: State, rates: np.ndarray, args) -> dict:
        cache = args.cache.resolve()
        path = cache / f"graph-{os.getpid()}.npz"
        write_graph(path, spec, state, rates)
        command = [getattr(args, simulator.lower()), "-m", ELSEWHERE[simulator][1], str(path)]
        command += [args.size, args.drive, "--repeats", str(args.repeats), "--wanted", str(WANTED)]
        measured = answer([*command, "--threads", str(threads), "--cache", str(cache)])
        path.unlink()
        return measured

    return run


def answer(command: list[str]) -> dict:
    """Return what a process measured: the last line that it prints."""
    root = Path(__file__).parents[1]  # where the modules of this folder are found
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"wall"')]
    if done.returncode or not lines:
        raise SystemExit(f"{' '.join(command)}: {done.stderr.strip()[-1000:]}")
    return json.loads(lines[-1])


def standalone(threads: int = 1):
    """Return a function that times textbook Brian2's C++ program."""

    def run(spec: NetworkSpec, state: State, rates: np.ndarray, args) -> dict:
        brian2.prefs.devices.cpp_standalone.openmp_threads = threads if threads > 1 else 0
        seconds = TEXTBOOK_LENGTH[args.size][args.drive]
        return textbook.run_standalone(spec, state, rates, seconds, args.repeats, args.cache)

    return run


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


#: Names of standalone programs.
_PROGRAMS = ("main", "limit-float", "limit-double")


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
                    if status["Name"].strip() in _PROGRAMS and "VmHWM" in status:
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
    "hand-written C++, double": partial(limit, real="double"),
    "brainsleep cpp": ours("cpp"),
    "brainsleep cpp" + TWO: ours("cpp", threads=2),
    "brainsleep cpp, float32": ours("cpp", "float32"),
    "brainsleep cython": ours("cython"),
    "brainsleep numpy": ours("numpy"),
    "textbook Brian2 C++": standalone(),
    "textbook Brian2 C++" + TWO: standalone(threads=2),
    "textbook Brian2 Cython": lambda s, n, r, a: textbook.run_cython(
        s, n, r, WANTED, a.repeats, a.cache, an_image=False
    ),
    "the same, a run() an image": lambda s, n, r, a: textbook.run_cython(
        s, n, r, WANTED, a.repeats, a.cache, an_image=True
    ),
    "NEST": elsewhere("NEST"),
    "NEST" + TWO: elsewhere("NEST", threads=2),
    "ANNarchy": elsewhere("ANNarchy"),
    "ANNarchy" + TWO: elsewhere("ANNarchy", threads=2),
    "BindsNET": lambda s, n, r, a: bindsnet_network.run(
        s, n, r, a.size, a.drive, WANTED, a.repeats
    ),
}
OURS = "brainsleep cpp"


def compared(peer: str) -> str:
    """Return which of ours a peer is compared with: as many threads, and a floor's precision."""
    if peer == "hand-written C++":
        return "brainsleep cpp, float32"
    if peer.endswith(TWO) and not peer.startswith(OURS):
        return OURS + TWO
    return peer.removesuffix(TWO) if peer.endswith(TWO) else OURS


def add_interpreters(parser: argparse.ArgumentParser) -> None:
    """Add an option for the interpreter of each simulator that may have another one."""
    for simulator in ELSEWHERE:
        parser.add_argument(
            f"--{simulator.lower()}",
            metavar="PYTHON",
            default=os.environ.get(f"{simulator.upper()}_PYTHON", sys.executable),
            help=f"interpreter that has {simulator} (also: {simulator.upper()}_PYTHON)",
        )


def absent(peer: str, args) -> str:
    """Return why a peer cannot be measured, or an empty text."""
    simulator = peer.partition(",")[0]
    if simulator == "BindsNET":
        return "needs bindsnet" if importlib.util.find_spec("bindsnet") is None else ""
    if simulator not in ELSEWHERE:
        return ""
    package, python = ELSEWHERE[simulator][0], getattr(args, simulator.lower())
    command = [python, "-c", f"import importlib.util as u; assert u.find_spec('{package}')"]
    try:
        missing = subprocess.run(command, capture_output=True, check=False).returncode
    except OSError:
        missing = 1
    return f"{python} has no {package}: see --{simulator.lower()}" if missing else ""


def main() -> None:
    """Measure one row and print it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("size", choices=SIZES)
    parser.add_argument("drive", choices=("low", "high"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cache", type=Path, required=True)
    add_interpreters(parser)
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
    if "memory" not in measured:
        measured["memory"] = watch.peak or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(json.dumps(measured))


if __name__ == "__main__":
    main()

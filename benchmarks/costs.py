"""What starting, pausing, gating and remembering cost: the numbers beside the hot loop's.

    python -m benchmarks.costs                 # all of it: about fifteen minutes
    python -m benchmarks.costs phases overhead

``build``: seconds to compile and to start; ``overhead``: what a segment costs beyond its steps;
``phases``: wake, sleep and rest, gates open and closed; ``sweep``: programs compiled by five seeds
times six sleep fractions; ``rows``: short rows of a sweep, and what of them is not simulation;
``replicas``: ten runs together and one after the other;
``memory``: 60 000 images of 28x28 pixels.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import wait
from pathlib import Path

import numpy as np

from brainsleep.backends.base import make_backend
from brainsleep.backends.cpp import cache
from brainsleep.backends.cpp.process import Order, Process
from brainsleep.experiment.protocol import load_protocol
from brainsleep.network.spec import NetworkSpec
from brainsleep.run.segment import Segment
from brainsleep.run.simulate import simulate, simulate_many
from brainsleep.run.state import State

from .networks import SIZES, image_rates, network, start, wake
from .peers import Watch

REPEATS = 9


def median_ms(action) -> float:
    """Return the median time of an action in ms."""
    took = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        action()
        took.append(time.perf_counter() - begun)
    return 1e3 * statistics.median(took)


def build() -> None:
    """Time a cold build, a warm one, and the start of a run from the shell."""
    colds = []
    for _ in range(5):
        with tempfile.TemporaryDirectory() as folder:
            os.environ["BRAINSLEEP_CACHE"] = folder
            begun = time.perf_counter()
            spec = network(SIZES["200+50"], "low")
            make_backend("cpp", spec)
            colds.append(time.perf_counter() - begun)
            warm = median_ms(lambda spec=spec: make_backend("cpp", spec))
    print(f"cold build: {statistics.median(colds):.2f} s (median of {len(colds)})")
    print(f"warm build: {warm:.1f} ms")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BRAINSLEEP_CACHE"] = folder
        times = [_shell_start(Path(folder)) for _ in range(6)]
    print(f"from the shell to the first step, cold: {times[0]:.2f} s")
    print(f"from the shell to the first step, warm: {statistics.median(times[1:]):.2f} s")


def _shell_start(folder: Path) -> float:
    """Start a run and wait until it hands its first segment to the program; stop it then."""
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    settings = ["data.source=digits", "data.n_train=500", "data.n_readout=50", "data.n_test=50"]
    command = [str(Path(sys.executable).parent / "brainsleep"), "run", "paper", "--force"]
    command += ["--out", str(folder / "out"), *(x for s in settings for x in ("--set", s))]
    begun = time.perf_counter()
    with subprocess.Popen(
        command,
        env={**os.environ, "TMPDIR": str(scratch)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        while not list(scratch.glob("*/segment.bin")):
            if process.poll() is not None:
                raise RuntimeError("the run ended before it began")
            time.sleep(0.001)
        took = time.perf_counter() - begun
        process.terminate()
    for left in scratch.glob("*/segment.bin"):
        left.unlink()
    return took


def overhead() -> None:
    """Compare a segment of 100 images with one of 100 steps."""
    for name in ("200+50", "1600+400"):
        for drive in ("low", "high"):
            spec, rates = network(SIZES[name], drive), image_rates(SIZES[name])
            whole, empty = (_advance_ms(spec, wake(spec, rates, 100, n)) for n in (1000, 1))
            own = empty - whole / 1000  # the short one has 100 of the 100 000 steps
            print(
                f"{name} {drive}: 100 images {whole:.1f} ms, of it the segment's own "
                f"{own:.2f} ms = {100 * own / whole:.2f} %"
            )


def _advance_ms(spec: NetworkSpec, segment: Segment) -> float:
    backend, state = make_backend("cpp", spec), start(spec)
    return median_ms(lambda: backend.advance(state, segment, 1))


def phases() -> None:
    """Time wake, sleep and rest of the paper's network, and the wake of one that cannot sleep."""
    size = SIZES["200+50"]
    spec, rates = network(size, "low"), image_rates(size)
    bare = dataclasses.replace(
        spec,
        populations=tuple(dataclasses.replace(p, activities=()) for p in spec.populations),
        projections=tuple(dataclasses.replace(p, processes=()) for p in spec.projections),
    )
    kinds = {
        "wake, no sleep in the network": (bare, {}),
        "wake": (spec, {}),
        "wake, weights frozen": (spec, {"plasticity": 0}),
        "wake with noise and decay open": (spec, {"noise": 1, "decay": 1}),
        "sleep": (spec, {"input": 0, "noise": 1, "decay": 1}),
        "sleep without noise": (spec, {"input": 0, "decay": 1}),
        "rest": (spec, {"input": 0}),
    }
    for drive in ("low", "high"):
        print(f"drive {drive}")
        at_start = start(network(size, drive))
        phases = {label: _Phase(*kind, at_start, rates) for label, kind in kinds.items()}
        for seed in range(REPEATS):  # in turns: a slow second of the machine falls on all
            for phase in phases.values():
                phase.time(seed)
        for label, phase in phases.items():
            print(
                f"  {label}: {1e3 * statistics.median(phase.took):.3f} ms per biological second, "
                f"E {statistics.mean(phase.rate):.1f} Hz"
            )


class _Phase:
    """A phase to be timed: the difference between a long and a short segment."""

    def __init__(self, spec: NetworkSpec, gates: dict, state: State, rates: np.ndarray):
        self.backend, own = make_backend("cpp", spec), start(spec)
        self.state = State(  # without what this network does not have
            {name: state.arrays[name] for name in own.arrays},
            {name: state.parameters[name] for name in own.parameters},
            state.synapses,
        )
        self.short, self.long = (_opened(wake(spec, rates, n), gates) for n in (20, 100))
        self.took: list[float] = []
        self.rate: list[float] = []

    def time(self, seed: int) -> None:
        """Time it once, in seconds of wall time per biological second."""
        begun = time.perf_counter()
        self.backend.advance(self.state, self.short, seed)
        middle = time.perf_counter()
        _, recording = self.backend.advance(self.state, self.long, seed)
        self.took.append(((time.perf_counter() - middle) - (middle - begun)) / 80)
        self.rate.append(float(recording.counts["e"].mean()))


def _opened(segment: Segment, gates: dict) -> Segment:
    """Return a segment with some gates at another value throughout."""
    values = {name: np.full(len(segment), float(value)) for name, value in gates.items()}
    return dataclasses.replace(segment, gates={**segment.gates, **values})


def sweep() -> None:
    """Run five seeds times six sleep fractions and count the programs."""
    changes = {"data.source": "digits", "data.n_train": 70, "data.n_readout": 50}
    protocol = load_protocol("paper").override({**changes, "data.n_test": 50})
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BRAINSLEEP_CACHE"] = folder
        begun, n = time.perf_counter(), 0
        unlimited = protocol.override({"schedule.sleep.max_duration": "1000*second"})
        for seed in range(5):
            for fraction in (0, 0.1, 0.2, 0.3, 0.5, 1.0):
                each = unlimited.override({"schedule.sleep.fraction": fraction})
                simulate(each, seed=seed, backend="cpp", out=Path(folder) / "out")
                n += 1
        took = time.perf_counter() - begun
        print(f"{n} runs in {took:.1f} s compiled {len(cache.entries())} program")


#: Training images of `rows`, with as many others as `ROW_OTHERS` for the classifier and the test.
ROW_IMAGES, ROW_OTHERS = (70, 350), 50


def rows() -> None:
    """Run short rows of a sweep one after the other, and say what share is not simulation."""
    print("| training images | rows | s a row | of it in the program | not simulation |")
    print("|---:|---:|---:|---:|---:|")
    for n_train in ROW_IMAGES:
        changes = {"data.source": "digits", "data.n_train": n_train}
        changes |= {"data.n_readout": ROW_OTHERS, "data.n_test": ROW_OTHERS}
        protocol = load_protocol("paper").override(changes)
        each = [protocol.override({"schedule.sleep.fraction": f}) for f in (0.0, 0.2)]
        with tempfile.TemporaryDirectory() as folder:
            simulate(each[1], seed=99, backend="cpp", out=Path(folder))  # compiles, and imports
            inside, total, n = 0.0, 0.0, 0
            for seed in range(3):
                for one in each:
                    with _time_in_programs() as spent:
                        begun = time.perf_counter()
                        simulate(one, seed=seed, backend="cpp", out=Path(folder))
                        total += time.perf_counter() - begun
                    inside, n = inside + spent[0], n + 1
        share = 1 - inside / total
        print(f"| {n_train} | {n} | {total / n:.2f} | {inside / n:.2f} | {share:.0%} |")


@contextlib.contextmanager
def _time_in_programs() -> Iterator[list[float]]:
    """Add up the seconds between the line that starts a segment and the one that ends it."""
    spent, say, end, began = [0.0], Process._say, Process.end, {}

    def timed_say(self: Process, line: bytes) -> None:
        began[self] = time.perf_counter()
        say(self, line)

    def timed_end(self: Process, order: Order) -> dict:
        wait([self])
        spent[0] += time.perf_counter() - began[self]
        return end(self, order)

    Process._say, Process.end = timed_say, timed_end  # type: ignore[method-assign]
    try:
        yield spent
    finally:
        Process._say, Process.end = say, end  # type: ignore[method-assign]


#: Training and other images of `replicas`.
REPLICA_IMAGES = (1050, 100)


def replicas() -> None:
    """Run the paper's protocol, shortened, with five seeds and two sleep fractions."""
    print(
        "| backend | training images | alone, s | together, s | ratio | biological s/s, together |"
    )
    print("|---|---:|---:|---:|---:|---:|")
    n_train, n_others = REPLICA_IMAGES
    changes = {"data.source": "digits", "data.n_train": n_train, "data.n_readout": n_others}
    protocol = load_protocol("paper").override({**changes, "data.n_test": n_others})
    fractions = [protocol.override({"schedule.sleep.fraction": f}) for f in (0.0, 0.2)]
    pairs = [(each, seed) for seed in range(5) for each in fractions]
    make_backend("cpp", protocol.network)  # compiled before
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        for each, seed in pairs:
            simulate(each, seed=seed, backend="cpp", out=Path(folder) / "alone")
        middle = time.perf_counter()
        protocols, seeds = zip(*pairs, strict=True)
        out = Path(folder) / "together"
        stored = simulate_many(protocols, seeds=seeds, backend="cpp", out=out)
        single, together = middle - begun, time.perf_counter() - middle
    biological = sum(result.info["timings"]["biological_s"] for result in stored)
    print(
        f"| cpp | {n_train} | {single:.1f} | {together:.1f} | {single / together:.2f} "
        f"| {biological / together:.0f} |"
    )


def memory() -> None:
    """Run 60 000 images in a process of its own and print its peak."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.costs", "_memory"], capture_output=True, text=True
    )
    print(done.stdout.strip() or done.stderr.strip())


def _memory() -> None:
    images = np.random.default_rng(0).integers(0, 256, (62_000, 28, 28), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "large.npz"
        np.savez(source, images=images, labels=np.arange(62_000) % 10)
        del images
        protocol = load_protocol("paper").override(
            {
                "data.source": str(source),
                "data.n_train": 60_000,
                "network.populations.input.size": 784,
                "encoder.size": (28, 28),
                "encoder.total": 78.4,
                "schedule.image_duration": "100*ms",
                "schedule.period": "3.5*second",
            }
        )
        watch = Watch()
        watch.start()
        begun = time.perf_counter()
        simulate(protocol, backend="cpp", out=Path(folder) / "out")
        took = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(
        f"60 000 images of 28x28 in {took:.0f} s: peak {peak:.0f} MB, "
        f"of the program {watch.peak:.0f} MB"
    )


PARTS = {f.__name__: f for f in (build, overhead, phases, sweep, rows, replicas, memory, _memory)}


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=PARTS, metavar="PART")
    for name in parser.parse_args().parts or [n for n in PARTS if not n.startswith("_")]:
        print(f"{name}:" if not name.startswith("_") else "", flush=True)
        PARTS[name]()


if __name__ == "__main__":
    main()

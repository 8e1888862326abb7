"""Replicas of the paper's network, a large network, and a whole sweep: a GPU against its CPU.

    python -m benchmarks.gpu                 # needs an NVIDIA GPU and nvcc; about eight minutes
    python -m benchmarks.gpu --report        # tables of what was measured

Wall time per biological second: of a call with everything (files to and from the program), and of
the kernel alone; C++ on one, two and all cores of the same machine. The sweep is 11 fractions of
sleep x 5 seeds of the protocol ``paper``, shortened. Results go to ``benchmarks/gpu.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from rich.console import Console

from brainsleep.backends.base import make_backend
from brainsleep.backends.cpp.process import cores as usable_cores
from brainsleep.backends.cuda.toolkit import describe_nvcc, gpu
from brainsleep.network.spec import NetworkSpec
from brainsleep.protocols.paper import PROTOCOL as PAPER
from brainsleep.run.segment import Capacity
from brainsleep.run.simulate import simulate_many

from .networks import DRIVES, SIZES, image_rates, network, start, wake
from .speed import machine

RESULTS = Path(__file__).parent / "gpu.json"

#: Replicas at once by size: one run, a few seeds, 11 sleep fractions x 5 seeds of one data set.
REPLICAS = {"200+50": (1, 10, 55, 132), "6400+1600": (1,)}

#: Biological seconds of a call, by size; and repeats, after one that is not counted.
SECONDS, REPEATS = {"200+50": 30, "6400+1600": 4}, 2

#: The sweep: fractions and seeds, and what is shortened.
FRACTIONS, SEEDS = [k / 10 for k in range(11)], range(5)
SHORT = {"data.source": "digits", "data.n_train": 350, "data.n_readout": 100, "data.n_test": 100}

#: Bytes a second that the memory of a GPU moves, from data sheets, by a part of its name.
BANDWIDTH = {"H200": 4.8e12, "H100": 3.35e12, "A100": 2.0e12}


def measure(backend, spec: NetworkSpec, size: str, replicas: int) -> dict:
    """Return s of wall time per biological second of `replicas` together."""
    seconds = SECONDS[size]
    states = [start(spec, seed) for seed in range(1, replicas + 1)]
    segments = [wake(spec, image_rates(SIZES[size]), seconds)] * replicas
    walls, kernels, rates = [], [], []
    for repeat in range(REPEATS + 1):
        begun = time.perf_counter()
        measured = backend.advance_replicas(
            states, segments, list(range(repeat, repeat + replicas))
        )
        walls.append((time.perf_counter() - begun) / seconds)
        kernels.append(getattr(backend, "kernel_seconds", 0.0) / seconds)
        rates.append(np.mean([r.counts["e"].mean() for _, r in measured]))
    return {"wall": walls[1:], "kernel": kernels[1:], "rate": float(np.mean(rates[1:]))}


def measure_cores(spec: NetworkSpec, size: str, cores: int, per_core: int) -> dict:
    """Return s per biological second of a replica with `cores` programs side by side."""
    seconds = SECONDS[size]
    segment = wake(spec, image_rates(SIZES[size]), seconds)
    backends = [make_backend("cpp", spec, capacity=Capacity()) for _ in range(cores)]
    states = [start(spec, seed) for seed in range(1, cores + 1)]

    def work(k: int) -> float:
        for seed in range(per_core):
            _, recording = backends[k].advance(states[k], segment, seed)
        return recording.counts["e"].mean()

    walls = []
    with ThreadPoolExecutor(cores) as pool:
        for _ in range(2 if size == "200+50" else 1):
            begun = time.perf_counter()
            rates = list(pool.map(work, range(cores)))
            walls.append((time.perf_counter() - begun) / (seconds * cores * per_core))
    return {"wall": walls[-1:], "rate": float(np.mean(rates))}


def measure_sweep(backend: str, cores: int) -> dict:
    """Return s of wall time of all rows of the sweep, and of what part of it was simulation."""
    os.environ["BRAINSLEEP_CORES"] = str(cores)
    base = PAPER.override(SHORT)
    rows = [base.override({"schedule.sleep.fraction": f}) for f in FRACTIONS for _ in SEEDS]
    seeds = [seed for _ in FRACTIONS for seed in SEEDS]
    with tempfile.TemporaryDirectory() as out:
        make_backend(backend, base.network)  # compile
        begun = time.perf_counter()
        results = simulate_many(rows, seeds=seeds, backend=backend, out=out)
        wall = time.perf_counter() - begun
    timings = [result.info["timings"] for result in results]
    return {
        "wall": wall,
        "simulate": sum(t["simulate_s"] for t in timings),
        "biological": sum(t["biological_s"] for t in timings),
    }


def bytes_a_step(size: str, drive: str, precision: str) -> float:
    """Return the bytes that a replica must at least read and write in a step.

    Every variable of a neuron is read and written once; and at every spike the weights of the
    synapses onto and from its neuron.
    """
    spec = network(SIZES[size], drive, precision)
    width, dt = np.dtype(precision).itemsize, float(spec.dt)
    total = sum(2 * width * plan.size * len(plan.state) for plan in spec.plan.groups)
    rates = {"input": float(image_rates(SIZES[size]).mean()), "e": DRIVES[drive]}
    for p in spec.projections:
        sizes = {end: spec.population(end).size for end in (p.source, p.target)}
        pairs = p.connectivity.p * sizes[p.source] * sizes[p.target]
        for end in (p.source, p.target):  # inhibitory neurons fire as excitatory ones do, or more
            total += 2 * width * rates.get(end, DRIVES[drive]) * dt * pairs
    return total


def report() -> str:
    """Write Markdown tables of what was measured."""
    measured = json.loads(RESULTS.read_text())
    card = measured["machine"]["gpu"]
    speed = next((b for name, b in BANDWIDTH.items() if name in card), 1e12)
    lines = [
        f"Measured on {card}, {measured['machine']['nvcc']}, {measured['machine']['processor']}",
        "",
    ]
    lines += ["| network, precision | replicas | 2 Hz: call, ms/s | kernel | floor | 60 Hz: call |"]
    lines[-1] += " kernel | floor |"
    lines += ["|---|---:|" + "---:|" * 6]
    for size, many in REPLICAS.items():
        for precision in ("float64", "float32"):
            for replicas in many:
                cells = []
                for drive in DRIVES:
                    row = measured["rows"].get(f"{size}|{drive}|{precision}|cuda {replicas}")
                    floor = replicas * bytes_a_step(size, drive, precision) / speed
                    steps = 1 / float(network(SIZES[size], drive).dt)
                    cells += [_ms(row, "wall"), _ms(row, "kernel"), f"{1e3 * floor * steps:.2g}"]
                lines.append(f"| {size}, {precision} | {replicas} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "| C++, of one replica | cores | 2 Hz, ms/s | 60 Hz, ms/s |",
        "|---|---:|---:|---:|",
    ]
    for key in dict.fromkeys(k.split("|")[0] + "|" + k.split()[-1] for k in measured["rows"]
                             if "cpp" in k):  # fmt: skip
        size, cores = key.split("|")
        cells = [
            _ms(measured["rows"].get(f"{size}|{d}|float64|cpp {cores}"), "wall") for d in DRIVES
        ]
        lines.append(f"| {size} | {cores} | " + " | ".join(cells) + " |")
    lines += ["", "| sweep of 55 rows | cores | wall, s | simulation, s |", "|---|---:|---:|---:|"]
    for name, row in measured["sweep"].items():
        backend, cores = name.split()
        lines.append(f"| {backend} | {cores} | {row['wall']:.1f} | {row['simulate']:.1f} |")
    return "\n".join(lines)


def _ms(row: dict | None, what: str) -> str:
    return f"{1e3 * statistics.median(row[what]):.3g}" if row else "not measured"


def run(console: Console, sizes: list[str]) -> None:
    """Measure everything; write it after every row."""
    measured = {"machine": machine() | {"gpu": gpu()[0], "nvcc": describe_nvcc()}}
    measured |= {"rows": {}, "sweep": {}}
    cores = usable_cores()
    for backend, used in (("cuda", cores), ("cpp", cores), ("cpp", 2)):
        row = measure_sweep(backend, used)
        measured["sweep"][f"{backend} {used}"] = row
        RESULTS.write_text(json.dumps(measured, indent=1) + "\n")
        console.print(f"sweep, {backend}, {used} cores: {row}", highlight=False)
    for size in sizes:
        for drive in DRIVES:
            for precision in ("float64", "float32"):
                spec = network(SIZES[size], drive, precision)
                begun = time.perf_counter()
                backend = make_backend("cuda", spec)
                built = time.perf_counter() - begun
                for replicas in REPLICAS[size]:
                    row = measure(backend, spec, size, replicas) | {"build": built}
                    _keep(console, measured, f"{size}|{drive}|{precision}|cuda {replicas}", row)
            spec = network(SIZES[size], drive)
            for used in (1, 2, cores) if size == "200+50" else (1,):
                row = measure_cores(spec, size, used, 4 if size == "200+50" else 1)
                _keep(console, measured, f"{size}|{drive}|float64|cpp {used}", row)


def _keep(console: Console, measured: dict, name: str, row: dict) -> None:
    measured["rows"][name] = row
    wall = 1e3 * statistics.median(row["wall"])
    kernel = 1e3 * statistics.median(row.get("kernel", [0]))
    console.print(f"{name}: {wall:.4g} ms/s, kernel {kernel:.4g}, E {row['rate']:.3g} Hz",
                  highlight=False)  # fmt: skip
    RESULTS.write_text(json.dumps(measured, indent=1) + "\n")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", choices=REPLICAS, default=list(REPLICAS))
    parser.add_argument("--report", action="store_true", help="measure nothing")
    args = parser.parse_args()
    console = Console()
    if not args.report:
        run(console, args.sizes)
    console.print(report(), highlight=False, markup=False)


if __name__ == "__main__":
    main()

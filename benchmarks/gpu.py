"""Replicas of the paper's network, and a large network, on a GPU and on the cores of its machine.

    python -m benchmarks.gpu                 # needs an NVIDIA GPU and nvcc; about five minutes
    python -m benchmarks.gpu --report        # tables of what was measured

Wall time per biological second: of a call with everything (files to and from the program), and of
the kernel alone. Results go to ``benchmarks/gpu.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from rich.console import Console

from brainsleep.backend import make_backend
from brainsleep.cuda_toolkit import describe_nvcc, gpus
from brainsleep.segment import Capacity
from brainsleep.spec import NetworkSpec

from .networks import DRIVES, SIZES, image_rates, network, start, wake
from .speed import machine

RESULTS = Path(__file__).parent / "gpu.json"

#: Replicas at once by size: one run, a few seeds, 11 sleep fractions x 5 seeds of one data set.
REPLICAS = {"200+50": (1, 10, 55, 132), "6400+1600": (1,)}

#: Biological seconds of a call, by size; and repeats, after one that is not counted.
SECONDS, REPEATS = {"200+50": 30, "6400+1600": 10}, 3

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
        found = backend.advance_batch(states, segments, list(range(repeat, repeat + replicas)))
        walls.append((time.perf_counter() - begun) / seconds)
        kernels.append(getattr(backend, "kernel_seconds", 0.0) / seconds)
        rates.append(np.mean([r.counts["e"].mean() for _, r in found]))
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
        for _ in range(2):
            begun = time.perf_counter()
            rates = list(pool.map(work, range(cores)))
            walls.append((time.perf_counter() - begun) / (seconds * cores * per_core))
    return {"wall": walls[1:], "rate": float(np.mean(rates))}


def bytes_a_step(spec: NetworkSpec, rates: dict[str, float], synapses: dict[str, int]) -> float:
    """Return the bytes that a replica must at least read and write in a step.

    Every variable of a neuron is read and written once, and for every spike the weights onto and
    from its neuron.
    """
    width = np.dtype(spec.precision).itemsize
    dt = float(spec.dt)
    total = sum(2 * width * p.size * len(p.model.variables) for p in spec.populations)
    for p in spec.projections:
        for end in (p.source, p.target):
            size = spec.population(end).size
            total += 2 * width * rates[end] * dt * synapses[p.name] / size * size
    return total


def run(console: Console, sizes: list[str]) -> None:
    """Measure everything; write it after every row."""
    found = {"machine": machine() | {"gpu": gpus()[0][0], "nvcc": describe_nvcc()}, "rows": {}}
    for size in sizes:
        for drive in DRIVES:
            for precision in ("float64", "float32"):
                spec = network(SIZES[size], drive, precision)
                begun = time.perf_counter()
                backend = make_backend("cuda", spec)
                built = time.perf_counter() - begun
                for replicas in REPLICAS[size]:
                    row = measure(backend, spec, size, replicas) | {"build": built}
                    _keep(console, found, f"{size}|{drive}|{precision}|cuda {replicas}", row)
            spec = network(SIZES[size], drive)
            for cores in (1, 2, os.cpu_count()) if size == "200+50" else (1,):
                row = measure_cores(spec, size, cores, 4 if size == "200+50" else 1)
                _keep(console, found, f"{size}|{drive}|float64|cpp {cores}", row)


def _keep(console: Console, found: dict, name: str, row: dict) -> None:
    found["rows"][name] = row
    wall = 1e3 * statistics.median(row["wall"])
    kernel = 1e3 * statistics.median(row.get("kernel", [0]))
    console.print(f"{name}: {wall:.4g} ms/s, kernel {kernel:.4g}, E {row['rate']:.3g} Hz",
                  highlight=False)  # fmt: skip
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", choices=REPLICAS, default=list(REPLICAS))
    args = parser.parse_args()
    run(Console(), args.sizes)


if __name__ == "__main__":
    main()

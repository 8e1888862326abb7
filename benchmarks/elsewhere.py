"""What scripts of other simulators share, in an interpreter that has little but NumPy."""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np


def parser(about: str | None, repeats: int) -> argparse.ArgumentParser:
    """Return a parser of what every script is asked; `about` begins with its description."""
    asked = argparse.ArgumentParser(description=(about or "").splitlines()[0])
    asked.add_argument("--repeats", type=int, default=repeats)
    asked.add_argument("--threads", type=int, default=1)
    asked.add_argument("--cache", type=Path, help="where what is compiled is kept")
    return asked


def published(
    about: str | None, networks: Iterable[str]
) -> tuple[argparse.Namespace, dict[str, np.ndarray]]:
    """Read the command line of a script for published networks, and the graph."""
    asked = parser(about, repeats=3)
    asked.add_argument("network", choices=networks)
    asked.add_argument("graph", type=Path)
    asked.add_argument("--seconds", type=float, default=1.0)
    given = asked.parse_args()
    with np.load(given.graph) as file:
        return given, dict(file)


def of_a_size(
    about: str | None, sizes: Iterable[str] | None = None
) -> tuple[argparse.Namespace, dict[str, np.ndarray]]:
    """Read the command line of a script for the paper's network, and the graph."""
    asked = parser(about, repeats=5)
    asked.add_argument("graph", type=Path)
    asked.add_argument("size", choices=sizes)
    asked.add_argument("drive", choices=("low", "high"))
    asked.add_argument("--wanted", type=float, default=1.5, help="wall seconds of a repeat")
    given = asked.parse_args()
    with np.load(given.graph) as file:
        return given, dict(file)


def timed(
    simulate: Callable[[float], Any],
    counts: Callable[[], dict[str, float]],
    wanted: float,
    repeats: int,
) -> dict:
    """Time `simulate`, of some ms, for repeats that take about as long as `wanted`.

    `counts` returns how many spikes there were so far, by population.
    """
    begun = time.perf_counter()
    simulate(100.0)
    seconds = max(0.1, round(wanted / ((time.perf_counter() - begun) / 0.1), 1))
    before, took = counts(), []
    for _ in range(repeats):
        begun = time.perf_counter()
        simulate(1e3 * seconds)
        took.append((time.perf_counter() - begun) / seconds)
    spikes = {k: (n - before[k]) / (seconds * repeats) for k, n in counts().items()}
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return {"wall": took, "spikes": spikes, "seconds": seconds, "memory": memory}


def compile_annarchy(net: Any, folder: Path) -> None:
    """Compile a network of ANNarchy; its build asks the first `python3` for headers."""
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    net.compile(directory=str(folder), silent=True)

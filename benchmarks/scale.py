"""What networks of up to 100 000 neurons and 100 million synapses cost, stage by stage.

    python -m benchmarks.scale                        # all sizes: a quarter of an hour, 8 GB
    python -m benchmarks.scale 100000                 # one size
    python -m benchmarks.scale 100000 --weights drawn
    python -m benchmarks.scale --report               # table and figure of what was measured

The network is Brunel's (2000): four fifths of the neurons excitatory, 1000 synapses a neuron (a
tenth of the neurons where there are fewer than 10 000), a delay of 1.5 ms, steps of 0.1 ms. The
drive from outside is `DRIVE` times what would bring a neuron to threshold by itself, inhibition is
`G` times as strong as excitation: irregular, some Hz. Where a neuron has fewer synapses, they are
stronger, by the square root, so that what reaches it fluctuates as much.

Every size is measured in a process of its own, which is one row of ``benchmarks/scale.json``.
Memory is what Python, the C++ program with its copy for a segment (what they share counts once) and
the files in memory between them take at one time.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from brian2 import mV

from brainsleep.backends.base import make_backend
from brainsleep.models.brunel import BRUNEL_LIF, W, brunel
from brainsleep.network.spec import NetworkSpec
from brainsleep.run.observers.recorder import load_checkpoint, save_checkpoint
from brainsleep.run.segment import Capacity
from brainsleep.run.state import State, initial_state

from .peers import children
from .published_networks import segment
from .scale_report import draw, table
from .speed import begun, save

RESULTS = Path(__file__).parent / "scale.json"

SIZES = (1000, 3000, 10_000, 30_000, 100_000)

#: Most synapses of a neuron.
IN_DEGREE = 1000

#: Ratio of inhibition to excitation, and of the drive to that which brings to threshold.
G, DRIVE = 8.0, 1.25

#: Weights: one for all, or one each around it.
WEIGHTS = {"equal": None, "drawn": "clip(normal({w}, 0.1*{w}), w_min, w_max)"}

#: Biological seconds before what is timed, of a repeat, and of what is looked at for irregularity.
BEFORE, TIMED, RECORDED = 0.2, 1.0, 2.0
REPEATS = 3

#: Bytes of a megabyte.
MB = 1e6


def network(neurons: int, weights: str, precision: str) -> NetworkSpec:
    """Return the network of a size."""
    own, n_e = BRUNEL_LIF.parameters, 4 * neurons // 5
    c_e = round(0.8 * min(IN_DEGREE, neurons // 10))
    w = W * math.sqrt(0.8 * IN_DEGREE / c_e)
    threshold = own["v_threshold"] / (w * mV * c_e * own["tau_m"])
    spec = brunel(G, DRIVE * threshold, n_e=n_e, p=c_e / n_e, w=w)
    projections = spec.projections
    if text := WEIGHTS[weights]:
        strong = {"e": w, "i": G * w}
        projections = tuple(
            replace(p, weights=text.format(w=strong[p.source])) for p in projections
        )
    return replace(spec, projections=tuple(projections), precision=precision)


class Watch(threading.Thread):
    """Look ten times a second at the memory of this process, its programs and their files, in MB.

    `peak` has the largest of each, and of their sum. To look takes time, so it does not while
    something is timed.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.looks = threading.Lock()
        self.peak = {"python": 0.0, "program": 0.0, "files": 0.0, "together": 0.0}

    def run(self) -> None:
        """Look until the process ends."""
        while True:
            self.look()
            time.sleep(0.1)

    def look(self) -> None:
        """Look once."""
        with self.looks:
            now = {"python": resident(), "program": 0.0, "files": 0.0}
            for process in children("self"):
                if folder := _results(process):
                    now["files"] += sum(map(_size, folder.glob("*.bin")))
                    now["program"] += sum(map(_proportional, (process, *children(process))))
            now["together"] = sum(now.values())
            for kind, value in now.items():
                self.peak[kind] = max(self.peak[kind], value)


def resident() -> float:
    """Return the memory of this process in MB, without files in memory that it looks at."""
    lines = Path("/proc/self/status").read_text().splitlines()
    status = dict(line.split(":", 1) for line in lines)
    whole, files = (int(status[name].split()[0]) for name in ("VmRSS", "RssShmem"))
    return (whole - files) * 1024 / MB


def _proportional(process: str) -> float:
    """Return the memory of a process in MB; of what it shares with others, its share."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024 / MB
    return 0.0


def _size(path: Path) -> float:
    """Return the size of a file in MB; 0 for one that has gone in the meantime."""
    with contextlib.suppress(OSError):
        return path.stat().st_size / MB
    return 0.0


def _results(process: str) -> Path | None:
    """Return the folder of a C++ program's files; None for another process."""
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{process}/cmdline").read_bytes().decode().split("\0")
        if "--results_dir" in words:
            return Path(words[words.index("--results_dir") + 1])
    return None


class Clock:
    """Seconds since it was made, or asked."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()

    def __call__(self) -> float:
        """Return them."""
        before, self._begun = self._begun, time.perf_counter()
        return self._begun - before


def measure(neurons: int, weights: str, precision: str, folder: Path) -> dict:
    """Go through all stages with one network."""
    watch, own, clock = Watch(), resident(), Clock()
    spec = network(neurons, weights, precision)
    assert spec.plan.groups
    row = {"neurons": neurons, "make": clock()}
    state = initial_state(spec, 1)
    row |= {"wire": clock(), "synapses": sum(len(pre) for pre, _ in state.synapses.values())}
    top = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MB
    row["memory"] = {"state": resident() - own, "drawing": top - own}
    watch.start()
    os.environ["BRAINSLEEP_CACHE"] = str(folder)
    for threads in (1, 2):
        row[f"threads_{threads}"], state = simulated(spec, state, threads, watch)
    row["memory"] |= {"before": own, **watch.peak}
    row |= irregularity(spec, state) | checkpoint(folder, state)
    row["memory"]["whole"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MB
    row["load"] = os.getloadavg()[0]
    return row


def _backend(spec: NetworkSpec, steps: int):
    return make_backend("cpp", spec, capacity=Capacity(slots=1, steps=steps))


def simulated(spec: NetworkSpec, state: State, threads: int, watch: Watch) -> tuple[dict, State]:
    """Build and start the program, and time it on some threads; return the state after it, too."""
    os.environ["BRAINSLEEP_CORES"] = str(threads)
    one, before, timed = (
        segment(spec, round(length / float(spec.dt))) for length in (float(spec.dt), BEFORE, TIMED)
    )
    clock = Clock()
    backend = _backend(spec, round(RECORDED / float(spec.dt)))
    row = {"build": clock()}
    state, _ = backend.advance(state, one, 0)
    row["start"] = clock()
    state, _ = backend.advance(state, before, 1)
    clock()
    state, _ = backend.advance(state, one, 2)
    row["call"] = clock()  # what a segment costs beside its steps
    wall, spikes = [], []
    for repeat in range(REPEATS):
        with watch.looks:
            clock()
            state, recording = backend.advance(state, timed, 3 + repeat)
            wall.append((clock() - row["call"]) / TIMED)
        spikes.append({k: int(v.sum()) for k, v in recording.counts.items()})
    watch.look()  # once at least, however short that was
    each = {  # synapses of a neuron
        p.name: len(state.synapses[p.name][0]) / spec.population(p.source).size
        for p in spec.projections
    }
    events = [sum(each[p.name] * counts[p.source] for p in spec.projections) for counts in spikes]
    row |= {"wall": wall, "events": [number / TIMED for number in events]}
    return row, state


def irregularity(spec: NetworkSpec, state: State) -> dict:
    """Return rates, coefficients of variation of intervals and of the rate of all in 3 ms."""
    steps = round(RECORDED / float(spec.dt))
    asked = replace(segment(spec, steps), raster=np.ones(1, bool))
    _, recording = _backend(spec, steps).advance(state, asked, 9)
    found = {}
    for name, (at, neuron) in recording.spikes.items():
        size = spec.population(name).size
        order = np.lexsort((at, neuron))
        same = np.diff(neuron[order]) == 0
        gaps, whose = np.diff(at[order])[same].astype(float), neuron[order][1:][same]
        number = np.bincount(whose, minlength=size)
        many = number >= 5
        mean = np.bincount(whose, gaps, size)[many] / number[many]
        square = np.bincount(whose, gaps**2, size)[many] / number[many]
        found[f"cv_{name}"] = float(np.mean(np.sqrt(square - mean**2) / mean))
        found[f"rate_{name}"] = len(at) / size / RECORDED
        counts = np.bincount(at // 30, minlength=steps // 30)[: steps // 30]
        found[f"cv_of_rate_{name}"] = float(counts.std() / counts.mean())
        found[f"cv_of_rate_{name}_by_chance"] = float(1 / np.sqrt(counts.mean()))
    return found


def checkpoint(folder: Path, state: State) -> dict:
    """Time writing and reading of what a run goes on from, to the disk."""
    clock, recorded = Clock(), {"ran": np.zeros(1)}
    save_checkpoint(folder / "run", 0, 0.0, state.arrays, recorded)
    row = {"write": clock()}
    read = load_checkpoint(folder / "run", state, 1)
    row["read"] = clock()
    assert read is not None
    assert all(np.array_equal(value, state.arrays[name]) for name, value in read[2].items())
    row["checkpoint_mb"] = (folder / "run" / "checkpoint.npz").stat().st_size / MB
    return row


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES, metavar="NEURONS")
    parser.add_argument("--weights", choices=WEIGHTS, default="equal")
    parser.add_argument("--precision", choices=("float64", "float32"), default="float64")
    parser.add_argument("--report", action="store_true", help="measure nothing")
    parser.add_argument("--here", action="store_true", help="in this process")
    given = parser.parse_args()
    own = given.weights, given.precision
    if given.here:
        with tempfile.TemporaryDirectory(prefix="brainsleep-benchmark-") as folder:
            print(json.dumps(measure(given.sizes[0], *own, Path(folder))))
        return
    for neurons in () if given.report else given.sizes:
        command = [sys.executable, "-m", "benchmarks.scale", "--here", str(neurons)]
        command += ["--weights", own[0], "--precision", own[1]]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        results = begun(RESULTS)
        results["rows"]["|".join((str(neurons), *own))] = json.loads(done.stdout.splitlines()[-1])
        save(results, RESULTS)
    results = json.loads(RESULTS.read_text())
    print(table(results))
    print(draw(results))


if __name__ == "__main__":
    main()

"""Published networks on this package, on Brian2's C++ standalone and on NEST, side by side.

    python -m benchmarks.published                    # COBA, CUBA and Brunel C: half an hour
    python -m benchmarks.published COBA --rounds 9 --seconds 10
    python -m benchmarks.published --nest PYTHON      # NEST of another environment
    python -m benchmarks.published --report           # tables of what was measured

All run the same graph from the same start for the same time on one thread, this package also on two
where it is said, in processes of their own that take turns: in every other round in reverse order.
What counts is wall time per biological second once everything is built: of Brian2 what its device
reports of its run, of this package a call of ``advance``, with the state that goes in and out, and
of NEST a call of ``Run`` after 100 ms. A time counts if the rate is ours within `TOLERANCE`.
Brian2's scripts are as in its examples, with its usual compiler flags; NEST's are in
``benchmarks/nest_published.py``.

NEST is that of this environment (extra ``bench``), of ``--nest`` or of the environment variable
``NEST_PYTHON``. Results go to ``benchmarks/published.json`` after every round.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import brian2 as b2
import numpy as np

from brainsleep.backends.base import make_backend
from brainsleep.backends.cpp.build import find_compiler
from brainsleep.models.brunel import BRUNEL
from brainsleep.models.vogels_abbott import COBA, CUBA
from brainsleep.network.spec import NetworkSpec
from brainsleep.run.segment import Capacity, Segment
from brainsleep.run.state import State, initial_state

from .against import order
from .peers import LIMIT_FLAGS
from .speed import begun, save

RESULTS = Path(__file__).parent / "published.json"

#: The program written by hand.
LIMIT = Path(__file__).parent / "limit" / "published.cpp"

#: What runs in the interpreter of NEST.
NEST_SCRIPT = Path(__file__).parent / "nest_published.py"

NETWORKS = {"COBA": COBA, "CUBA": CUBA, "Brunel C": BRUNEL["C"]}

#: Biological seconds of a repeat.
SECONDS = {"COBA": 10.0, "CUBA": 10.0, "Brunel C": 1.0}

#: Largest difference of a rate from ours, relative, with which a time counts.
TOLERANCE = 0.05


def segment(spec: NetworkSpec, steps: int) -> Segment:
    """Return a segment of one slot, awake."""
    return Segment(
        steps=np.array([steps]),
        stimulus=np.zeros((1, 0)),
        gates={gate: np.full(1, float(gate in ("input", "background"))) for gate in spec.gates},
        onset=np.ones(1, bool),
        phase=np.array(["wake"]),
        raster=np.zeros(1, bool),
    )


def ours(
    name: str, given: argparse.Namespace, *, threads: int = 1, precision: str = "float64"
) -> dict:
    """Time the backend ``cpp``."""
    os.environ |= {
        "BRAINSLEEP_CACHE": str(given.cache / "brainsleep"),
        "BRAINSLEEP_CORES": str(threads),
    }
    spec, took, spikes = replace(NETWORKS[name], precision=precision), [], []
    state, steps = initial_state(spec, 1), round(given.seconds / float(spec.dt))
    backend = make_backend("cpp", spec, capacity=Capacity(slots=1, steps=steps))
    backend.advance(state, segment(spec, 1), 0)
    for repeat in range(given.repeats):
        begun = time.perf_counter()
        _, recording = backend.advance(state, segment(spec, steps), repeat)
        took.append((time.perf_counter() - begun) / given.seconds)
        n_spikes = sum(int(counts.sum()) for counts in recording.counts.values())
        spikes.append(n_spikes / given.seconds)
    return {"wall": took, "spikes": spikes}


# -- Brian2 ------------------------------------------------------------------------------------

_COBA = """
dv/dt = (gl*(El - v) + ge*(Ee - v) + gi*(Ei - v))/C : volt (unless refractory)
dge/dt = -ge/(5*ms) : siemens
dgi/dt = -gi/(10*ms) : siemens
"""

_CUBA = """
dv/dt = (ge + gi - (v - El))/(20*ms) : volt (unless refractory)
dge/dt = -ge/(5*ms) : volt
dgi/dt = -gi/(10*ms) : volt
"""

_COBA_VALUES = {"C": 200 * b2.pF, "gl": 10 * b2.nS, "El": -60 * b2.mV, "Ee": 0 * b2.mV}
_COBA_VALUES |= {"Ei": -80 * b2.mV, "Vt": -50 * b2.mV, "Vr": -60 * b2.mV}
_CUBA_VALUES = {"El": -49 * b2.mV, "Vt": -50 * b2.mV, "Vr": -60 * b2.mV}

#: Equations, method, refractory period, values, variables by ours, and code of both synapses.
BRIAN = {
    "COBA": (_COBA, "euler", 5 * b2.ms, _COBA_VALUES, {"v": "v", "g_e": "ge", "g_i": "gi"},
        ("ge += 6*nS", "gi += 67*nS")),
    "CUBA": (_CUBA, "exact", 5 * b2.ms, _CUBA_VALUES, {"v": "v"},
        ("ge += 1.62*mV", "gi -= 9*mV")),
    "Brunel C": ("dv/dt = -v/(20*ms) : volt (unless refractory)", "exact", 2 * b2.ms,
        {"Vt": 20 * b2.mV, "Vr": 10 * b2.mV}, {"v": "v"}, ("v += 0.1*mV", "v -= 0.5*mV")),
}  # fmt: skip


def pairs(spec: NetworkSpec, state: State, source: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the synapses of a population as of one group, excitatory neurons first."""
    n_e = spec.population("e").size
    first = {"e": 0, "i": n_e}
    ends = [
        (state.synapses[source + target][0] + first[source],
         state.synapses[source + target][1] + first[target])
        for target in "ei"
    ]  # fmt: skip
    return np.concatenate([end[0] for end in ends]), np.concatenate([end[1] for end in ends])


def brian2(name: str, given: argparse.Namespace) -> dict:
    """Time a C++ standalone program; it is kept for further rounds."""
    folder = given.cache / f"brian2-{name.replace(' ', '-')}-{given.seconds:g}"
    b2.set_device("cpp_standalone", build_on_run=False)
    equations, method, refractory, values, variables, codes = BRIAN[name]
    spec = NETWORKS[name]
    state = initial_state(spec, 1)
    b2.defaultclock.dt = spec.dt
    size = sum(population.size for population in spec.populations)
    neurons = b2.NeuronGroup(
        size, equations, threshold="v > Vt", reset="v = Vr", refractory=refractory,
        method=method, namespace=values,
    )  # fmt: skip
    for mine, theirs in variables.items():
        start = np.concatenate([state.arrays[f"{population}.{mine}"] for population in "ei"])
        dim = neurons.variables[theirs].dim
        setattr(neurons, theirs, b2.Quantity(start, dim=dim))
    parts: list = [neurons]
    delay = spec.projections[0].delay
    for source, code in zip("ei", codes, strict=True):
        synapses = b2.Synapses(neurons, neurons, on_pre=code, delay=delay)
        i, j = pairs(spec, state, source)
        synapses.connect(i=i, j=j)
        parts.append(synapses)
    if name == "Brunel C":
        parts.append(b2.PoissonInput(neurons, "v", 1000, 20 * b2.Hz, weight=0.1 * b2.mV))
    counter = b2.SpikeMonitor(neurons, record=False)
    b2.Network(*parts, counter).run(given.seconds * b2.second)
    if not (folder / "main").exists():
        b2.device.build(directory=str(folder), run=False, with_output=False)
    count = b2.device.get_array_filename(counter.variables["count"])
    took, spikes = [], []
    for _ in range(given.repeats):
        subprocess.run(["./main"], cwd=folder, stdout=subprocess.DEVNULL, check=True)
        about = (folder / "results/last_run_info.txt").read_text().split()
        took.append(float(about[0]) / given.seconds)
        n_spikes = int(np.fromfile(folder / "results" / Path(count).name, np.int32).sum())
        spikes.append(n_spikes / given.seconds)
    return {"wall": took, "spikes": spikes}


# -- the hand-written program ------------------------------------------------------------------


def limit(name: str, given: argparse.Namespace) -> dict:
    """Time the program written by hand for these networks."""
    program, network = given.cache / "limit", given.cache / f"limit-{name.replace(' ', '-')}.bin"
    if not program.exists():
        command = [find_compiler(), *LIMIT_FLAGS, str(LIMIT), "-o", str(program)]
        subprocess.run(command, check=True)
    if not network.exists():
        write_limit(name, network)
    steps = round(given.seconds / float(NETWORKS[name].dt))
    command = [str(program), str(network), str(steps), str(given.repeats)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    rows = np.array([line.split() for line in done.stdout.splitlines()], dtype=float)
    return {
        "wall": (rows[:, 0] / given.seconds).tolist(),
        "spikes": (rows[:, 1] / given.seconds).tolist(),
    }


def write_limit(name: str, path: Path) -> None:
    """Write a network as ``limit/published.cpp`` reads it."""
    spec = NETWORKS[name]
    state, dt = initial_state(spec, 1), float(spec.dt)
    value = {key.partition(".")[2]: v for key, v in state.parameters.items() if key[:2] == "e."}
    unit = {"COBA": 1e-9, "CUBA": 1e-3, "Brunel C": 1e-3}[name]
    weights = [unit * float(state.arrays[f"{k}e.w"][0]) for k in "ei"]
    background = [0.0, 0.0]
    if name == "Brunel C":
        sources, rate, w = (value[f"background_{key}"] for key in ("n_sources", "rate", "weight"))
        background = [sources * rate * dt, w]
    keys = "v_threshold v_reset v_rest tau_m g_leak c_m v_e v_i tau_e tau_i".split()
    numbers = [dt, *(value.get(key, 0.0) for key in keys), *weights, *background]
    size = sum(population.size for population in spec.populations)
    variables = ("v", *{"COBA": ("g_e", "g_i"), "CUBA": ("u_e", "u_i")}.get(name, ()))
    start = [
        np.concatenate([state.arrays[f"{population}.{variable}"] for population in "ei"])
        for variable in variables
    ]
    pre, post = map(np.concatenate, zip(*(pairs(spec, state, k) for k in "ei"), strict=True))
    ascending = np.argsort(pre, kind="stable")
    delay = spec.projections[0].delay
    whole = [
        list(NETWORKS).index(name),
        size,
        spec.population("e").size,
        round(value["t_ref"] / dt),
        round(float(delay or 0) / dt),
    ]
    with path.open("wb") as file:
        file.write(np.array(whole, np.int64).tobytes() + np.array(numbers, np.float32).tobytes())
        first = np.concatenate([[0], np.cumsum(np.bincount(pre, minlength=size))])
        arrays = [values.astype(np.float32) for values in start]
        arrays += [np.zeros(size, np.float32)] * (3 - len(arrays))
        arrays += [first.astype(np.int64), post[ascending].astype(np.uint16)]
        for array in arrays:
            file.write(np.int64(array.size).tobytes() + array.tobytes())


# -- NEST --------------------------------------------------------------------------------------

#: Variables at the start: NEST's name, ours, and one of ours in NEST's unit.
NEST_START = {
    "COBA": (("V_m", "v", 1e3), ("g_ex", "g_e", 1e9), ("g_in", "g_i", 1e9)),
    "CUBA": (("V_m", "v", 1e3),),
    "Brunel C": (("V_m", "v", 1e3),),
}


def write_graph(name: str, file: Path) -> None:
    """Write synapses and start as `NEST_SCRIPT` reads them; it has no negative conductances."""
    state = initial_state(NETWORKS[name], 1)
    graph = {}
    for theirs, mine, factor in NEST_START[name]:
        start = factor * np.concatenate([state.arrays[f"{source}.{mine}"] for source in "ei"])
        graph[theirs] = start if theirs == "V_m" else start.clip(0)
    for source in "ei":
        ends = zip(("pre", "post"), pairs(NETWORKS[name], state, source), strict=True)
        graph |= {f"{source}_{end}": numbers for end, numbers in ends}
    np.savez(file, **graph)


def nest(name: str, given: argparse.Namespace) -> dict:
    """Time NEST's kernel, once a process: it takes long enough."""
    file = given.cache / f"nest-{name.replace(' ', '-')}.npz"
    if not file.exists():
        write_graph(name, file)
    command = [given.nest, str(NEST_SCRIPT), name, str(file), "--seconds", str(given.seconds)]
    return answer([*command, "--repeats", "1"])


PEERS = {
    "brainsleep cpp": ours,
    "brainsleep cpp, float32": partial(ours, precision="float32"),
    "brainsleep cpp, two threads": partial(ours, threads=2),
    "hand-written C++": limit,
    "Brian2 C++": brian2,
    "NEST": nest,
}
OURS = "brainsleep cpp"


def absent(peer: str, interpreter: str) -> str:
    """Return why a peer cannot be measured, or an empty text."""
    if peer != "NEST":
        return ""
    command = [interpreter, "-c", "import importlib.util as u; assert u.find_spec('nest')"]
    try:
        missing = subprocess.run(command, capture_output=True, check=False).returncode
    except OSError:
        missing = 1
    return f"{interpreter} has no nest: see --nest" if missing else ""


def answer(command: list[str]) -> dict:
    """Return what a process measured: the last line that it prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"wall"')]
    if done.returncode or not lines:
        raise SystemExit(f"{' '.join(command)}: {done.stderr.strip()[-1000:]}")
    return json.loads(lines[-1])


def measured(peer: str, name: str, given: argparse.Namespace, cache: Path) -> dict:
    """Measure one peer in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.published", name, "--peer", peer]
    command += ["--seconds", str(given.seconds or SECONDS[name]), "--cache", str(cache)]
    return answer([*command, "--repeats", str(given.repeats), "--nest", given.nest])


def rate(name: str, rows: list[dict]) -> float:
    """Return the mean rate in Hz of all neurons."""
    spikes = statistics.mean(value for row in rows for value in row["spikes"])
    return spikes / sum(population.size for population in NETWORKS[name].populations)


def agree(mine: float, theirs: float) -> bool:
    """Tell whether two rates are the same activity."""
    return abs(theirs - mine) <= TOLERANCE * mine


def table(results: dict) -> str:
    """Return the medians as a table, and what share ours is of each, round by round."""
    facts = results["machine"].items()
    about = ", ".join(f"{key} {value}" for key, value in facts if value != "absent")
    lines = [f"Measured on {about}; load at the start {results['load']:.1f}", ""]
    lines += ["| network | simulator | rate, Hz | ms/s | range | ours over it | range |"]
    lines += ["|---|---|" + "---:|" * 5]
    for name in filter(results["rows"].get, NETWORKS):
        found = results["rows"][name]
        own = [statistics.median(row["wall"]) for row in found[OURS]]
        for peer, rows in found.items():
            version = rows[0].get("version", "")
            cells = [name, f"{peer} {version}".strip(), f"{rate(name, rows):.2f}"]
            if agree(rate(name, found[OURS]), rate(name, rows)):
                wall = [1e3 * value for row in rows for value in row["wall"]]
                theirs = [statistics.median(row["wall"]) for row in rows]
                shares = [mine / other for mine, other in zip(own, theirs, strict=True)]
                for values in (wall, shares):
                    cells += [f"{statistics.median(values):.3g}", _range(values)]
            else:
                cells += ["another rate: does not count", "", "", ""]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _range(values: list[float]) -> str:
    return f"{min(values):.3g} to {max(values):.3g}"


def run(given: argparse.Namespace, cache: Path) -> None:
    """Measure the networks in rounds and write what was measured after every round."""
    results = begun(RESULTS)
    results["load"] = os.getloadavg()[0]
    reasons = {peer: absent(peer, given.nest) for peer in PEERS}
    for peer in filter(reasons.get, PEERS):
        print(f"{peer}: skipped, {reasons[peer]}")
    peers = [peer for peer in given.peers if not reasons[peer]]
    for name in given.networks or NETWORKS:
        rows: dict[str, list[dict]] = {peer: [] for peer in peers}
        for turn in range(given.rounds):
            for peer in order(peers, turn):
                rows[peer].append(measured(peer, name, given, cache))
                took = statistics.median(rows[peer][-1]["wall"])
                print(f"{name}, round {turn + 1}, {peer}: {1e3 * took:.4g} ms/s", flush=True)
            results["rows"][name] = rows
            save(results, RESULTS)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", choices=[[], *NETWORKS], metavar="NETWORK")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--repeats", type=int, default=3, help="of a process; NEST has one")
    parser.add_argument("--seconds", type=float, help="biological seconds of a repeat")
    parser.add_argument(
        "--nest",
        metavar="PYTHON",
        default=os.environ.get("NEST_PYTHON", sys.executable),
        help="interpreter that has NEST",
    )
    parser.add_argument("--report", action="store_true", help="measure nothing")
    parser.add_argument("--peer", choices=PEERS, help="this one, in this process")
    parser.add_argument("--cache", type=Path)
    given = parser.parse_args()
    if given.peer:
        print(json.dumps(PEERS[given.peer](given.networks[0], given)))
        return
    if not given.report:
        with tempfile.TemporaryDirectory(prefix="brainsleep-benchmark-") as folder:
            run(given, given.cache or Path(folder))
    print(table(json.loads(RESULTS.read_text())))


if __name__ == "__main__":
    main()

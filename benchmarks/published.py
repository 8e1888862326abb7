"""Published networks on this package, on Brian2's C++ standalone and on NEST, side by side.

    python -m benchmarks.published                    # COBA, CUBA and Brunel C, five rounds each
    python -m benchmarks.published COBA --rounds 9 --seconds 10

All run the same graph from the same start on one thread, in processes of their own that take turns.
What counts is wall time per biological second once everything is built: of Brian2 what its device
reports of its run, of this package a call of ``advance``, with the state that goes in and out, and
of NEST a call of ``Run``. Brian2's scripts are as in its examples, with its usual compiler flags.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import brian2 as b2
import numpy as np

from brainsleep.backends.base import make_backend
from brainsleep.models.brunel import BRUNEL
from brainsleep.models.vogels_abbott import COBA, CUBA
from brainsleep.network.spec import NetworkSpec
from brainsleep.run.segment import Capacity, Segment
from brainsleep.run.state import State, initial_state

NETWORKS = {"COBA": COBA, "CUBA": CUBA, "Brunel C": BRUNEL["C"]}

#: Biological seconds of a repeat.
SECONDS = {"COBA": 10.0, "CUBA": 10.0, "Brunel C": 1.0}


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


def ours(name: str, seconds: float, repeats: int, cache: Path) -> dict:
    """Time the backend ``cpp``."""
    os.environ["BRAINSLEEP_CACHE"] = str(cache / "brainsleep")
    spec, took, spikes = NETWORKS[name], [], 0
    state, steps = initial_state(spec, 1), round(seconds / float(spec.dt))
    backend = make_backend("cpp", spec, capacity=Capacity(slots=1, steps=steps))
    backend.advance(state, segment(spec, 1), 0)
    for repeat in range(repeats):
        begun = time.perf_counter()
        _, recording = backend.advance(state, segment(spec, steps), repeat)
        took.append((time.perf_counter() - begun) / seconds)
        spikes = sum(int(counts.sum()) for counts in recording.counts.values())
    return {"wall": took, "spikes": spikes / seconds}


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


def brian2(name: str, seconds: float, repeats: int, cache: Path) -> dict:
    """Time a C++ standalone program; it is kept for further rounds."""
    folder = cache / f"brian2-{name.replace(' ', '-')}"
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
    b2.Network(*parts, counter).run(seconds * b2.second)
    if not (folder / "main").exists():
        b2.device.build(directory=str(folder), run=False, with_output=False)
    took = []
    for _ in range(repeats):
        subprocess.run(["./main"], cwd=folder, stdout=subprocess.DEVNULL, check=True)
        took.append(float((folder / "results/last_run_info.txt").read_text().split()[0]) / seconds)
    file = folder / "results" / Path(b2.device.get_array_filename(counter.variables["count"])).name
    return {"wall": took, "spikes": float(np.fromfile(file, np.int32).sum()) / seconds}


# -- NEST --------------------------------------------------------------------------------------

_NEST_COBA = {"C_m": 200.0, "g_L": 10.0, "E_L": -60.0, "E_ex": 0.0, "E_in": -80.0, "V_th": -50.0}
_NEST_COBA |= {"V_reset": -60.0, "t_ref": 5.0, "tau_syn_ex": 5.0, "tau_syn_in": 10.0}
_NEST_CUBA = {"C_m": 200.0, "tau_m": 20.0, "E_L": -49.0, "V_th": -50.0, "V_reset": -60.0}
_NEST_CUBA |= {"t_ref": 5.0, "tau_syn_ex": 5.0, "tau_syn_in": 10.0}
_NEST_BRUNEL = {"C_m": 1.0, "tau_m": 20.0, "E_L": 0.0, "V_th": 20.0, "V_reset": 10.0, "t_ref": 2.0}

#: Model, its parameters, weights of both synapses, and delay in ms, which is a step at least. The
#: currents of CUBA are those of the voltages, times the leak of 10 nS.
NEST = {
    "COBA": ("iaf_cond_exp", _NEST_COBA, (6.0, -67.0), 0.1),
    "CUBA": ("iaf_psc_exp", _NEST_CUBA, (16.2, -90.0), 0.1),
    "Brunel C": ("iaf_psc_delta", _NEST_BRUNEL, (0.1, -0.5), 1.5),
}


def nest(name: str, seconds: float, repeats: int, cache: Path) -> dict:
    """Time NEST's kernel."""
    import nest as kernel

    spec = NETWORKS[name]
    state = initial_state(spec, 1)
    model, parameters, weights, delay = NEST[name]
    kernel.set_verbosity("M_ERROR")
    kernel.ResetKernel()
    kernel.resolution, kernel.local_num_threads = 0.1, 1
    neurons = kernel.Create(model, sum(p.size for p in spec.populations), parameters)
    neurons.V_m = 1e3 * np.concatenate([state.arrays[f"{population}.v"] for population in "ei"])
    first = neurons[0].global_id
    for source, weight in zip("ei", weights, strict=True):
        i, j = pairs(spec, state, source)
        synapse = {"weight": np.full(len(i), weight), "delay": np.full(len(i), delay)}
        kernel.Connect(i + first, j + first, "one_to_one", synapse)
    if name == "Brunel C":
        drive = kernel.Create("poisson_generator", params={"rate": 1000 * 20.0})
        kernel.Connect(drive, neurons, syn_spec={"weight": weights[0], "delay": delay})
    if name == "COBA":  # conductances at the start are what sets it off
        neurons.set(g_ex=(1e9 * _both(state, "g_e")).clip(0).tolist())
        neurons.set(g_in=(1e9 * _both(state, "g_i")).clip(0).tolist())
    counter = kernel.Create("spike_recorder")
    kernel.Connect(neurons, counter)
    kernel.Prepare()
    kernel.Run(10.0)
    took, before = [], counter.n_events
    for _ in range(repeats):
        begun = time.perf_counter()
        kernel.Run(1e3 * seconds)
        took.append((time.perf_counter() - begun) / seconds)
    spikes = (counter.n_events - before) / (seconds * repeats)
    kernel.Cleanup()
    return {"wall": took, "spikes": spikes}


def _both(state: State, variable: str) -> np.ndarray:
    return np.concatenate([state.arrays[f"{population}.{variable}"] for population in "ei"])


PEERS = {"brainsleep cpp": ours, "Brian2 C++": brian2, "NEST": nest}


def absent(peer: str) -> str:
    """Return why a peer cannot be measured, or an empty text."""
    missing = peer == "NEST" and importlib.util.find_spec("nest") is None
    return "the package nest is not installed" if missing else ""


def measured(peer: str, name: str, given: argparse.Namespace, cache: Path) -> dict:
    """Measure one peer in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.published", name, "--peer", peer]
    command += ["--seconds", str(given.seconds or SECONDS[name]), "--cache", str(cache)]
    command += ["--repeats", str(given.repeats)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"wall"')]
    if done.returncode or not lines:
        raise SystemExit(f"{peer}, {name}: {done.stderr.strip()[-1000:]}")
    return json.loads(lines[-1])


def table(found: dict[tuple[str, str], list[dict]]) -> str:
    """Return medians as a table, and the ratio of each to this package."""
    lines = [
        "| network | simulator | ms/s | range | x ours | spikes/s |",
        "|---|---|---|---|---|---|",
    ]
    for (name, peer), rows in found.items():
        wall = [1e3 * value for row in rows for value in row["wall"]]
        mine = [1e3 * v for row in found[name, "brainsleep cpp"] for v in row["wall"]]
        middle, ratio = statistics.median(wall), statistics.median(wall) / statistics.median(mine)
        spikes = statistics.mean(row["spikes"] for row in rows)
        ends = f"{min(wall):.4g}-{max(wall):.4g}"
        lines.append(f"| {name} | {peer} | {middle:.4g} | {ends} | {ratio:.2f} | {spikes:.0f} |")
    return "\n".join(lines)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", choices=[[], *NETWORKS], metavar="NETWORK")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=3, help="of a process")
    parser.add_argument("--seconds", type=float, help="biological seconds of a repeat")
    parser.add_argument("--peer", choices=PEERS, help="this one, in this process")
    parser.add_argument("--cache", type=Path)
    given = parser.parse_args()
    if given.peer:
        name = given.networks[0]
        found = PEERS[given.peer](name, given.seconds, given.repeats, given.cache)
        print(json.dumps(found))
        return
    for peer in filter(absent, PEERS):
        print(f"{peer}: skipped, {absent(peer)}")
    rows: dict[tuple[str, str], list[dict]] = {}
    with tempfile.TemporaryDirectory(prefix="brainsleep-benchmark-") as folder:
        for name in given.networks or NETWORKS:
            for _ in range(given.rounds):
                for peer in (peer for peer in PEERS if not absent(peer)):
                    found = measured(peer, name, given, given.cache or Path(folder))
                    rows.setdefault((name, peer), []).append(found)
    print(table(rows))


if __name__ == "__main__":
    main()

"""The published networks of ``benchmarks.published`` as scripts of Brian2 C++ standalone.

COBA, CUBA and Brunel's network are as in Brian2's examples, and plasticity as in its tutorial, with
its usual compiler flags. The graph and the start are those of this package.
"""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path

import brian2 as b2
import numpy as np

from brainsleep.run.state import State, initial_state

from .published_networks import NETWORKS, pairs, rule_numbers, size

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
_BRUNEL = (
    *("dv/dt = -v/(20*ms) : volt (unless refractory)", "exact", 2 * b2.ms),
    *({"Vt": 20 * b2.mV, "Vr": 10 * b2.mV}, {"v": "v"}, ("v += 0.1*mV", "v -= 0.5*mV")),
)

#: Equations, method, refractory period, values, variables by ours, and code of both synapses.
SCRIPTS = {
    "COBA": (_COBA, "euler", 5 * b2.ms, _COBA_VALUES, {"v": "v", "g_e": "ge", "g_i": "gi"},
        ("ge += 6*nS", "gi += 67*nS")),
    "CUBA": (_CUBA, "exact", 5 * b2.ms, _CUBA_VALUES, {"v": "v"},
        ("ge += 1.62*mV", "gi -= 9*mV")),
    "Brunel C": _BRUNEL,
    "Brunel, STDP": _BRUNEL,
}  # fmt: skip

_PLASTIC = {
    "model": """
    w : volt
    dx/dt = -x/tau_plus : 1 (event-driven)
    dy/dt = -y/tau_minus : 1 (event-driven)
    """,
    "on_pre": """
    v_post += w
    x += 1
    w = clip(w - lr*a_minus*y, w_min, w_max)
    """,
    "on_post": """
    y += 1
    w = clip(w + lr*a_plus*x, w_min, w_max)
    """,
}


def connect(neurons: b2.NeuronGroup, name: str, state: State) -> list[b2.Synapses]:
    """Return the synapses from excitatory and from inhibitory neurons; the plastic ones first."""
    spec, codes = NETWORKS[name], SCRIPTS[name][-1]
    delay, rule, made = spec.projections[0].delay, rule_numbers(spec, state), []
    n_e = spec.population("e").size
    for source, code in zip("ei", codes, strict=True):
        i, j = pairs(spec, state, source)
        if rule and source == "e":
            values = dict(zip(("lr", "a_plus", "a_minus"), rule[:3], strict=True))
            values |= {"tau_plus": rule[3] * b2.second, "tau_minus": rule[4] * b2.second}
            values |= {"w_min": rule[5] * b2.mV, "w_max": rule[6] * b2.mV}
            values["lr"] = rule[0] * b2.mV
            learning = b2.Synapses(neurons, neurons, **_PLASTIC, delay=delay, namespace=values)
            learning.connect(i=i[j < n_e], j=j[j < n_e])
            learning.w = 0.1 * b2.mV
            made.append(learning)
            i, j = i[j >= n_e], j[j >= n_e]
        synapses = b2.Synapses(neurons, neurons, on_pre=code, delay=delay)
        synapses.connect(i=i, j=j)
        made.append(synapses)
    return made


def run(name: str, given: argparse.Namespace, threads: int = 1) -> dict:
    """Time a C++ standalone program; it is kept for further rounds."""
    folder = given.cache / f"brian2-{name.replace(' ', '-')}-{given.seconds:g}-{threads}"
    b2.set_device("cpp_standalone", build_on_run=False)
    b2.prefs.devices.cpp_standalone.openmp_threads = threads if threads > 1 else 0
    equations, method, refractory, values, variables, _ = SCRIPTS[name]
    spec = NETWORKS[name]
    state = initial_state(spec, 1)
    b2.defaultclock.dt = spec.dt
    neurons = b2.NeuronGroup(
        size(spec), equations, threshold="v > Vt", reset="v = Vr", refractory=refractory,
        method=method, namespace=values,
    )  # fmt: skip
    for mine, theirs in variables.items():
        start = np.concatenate([state.arrays[f"{population}.{mine}"] for population in "ei"])
        dim = neurons.variables[theirs].dim
        setattr(neurons, theirs, b2.Quantity(start, dim=dim))
    synapses = connect(neurons, name, state)
    parts: list = [neurons, *synapses]
    if name.startswith("Brunel"):
        parts.append(b2.PoissonInput(neurons, "v", 1000, 20 * b2.Hz, weight=0.1 * b2.mV))
    counter = b2.SpikeMonitor(neurons, record=False)
    b2.Network(*parts, counter).run(given.seconds * b2.second)
    if not (folder / "main").exists():
        b2.device.build(directory=str(folder), run=False, with_output=False)

    def result(variable, dtype) -> np.ndarray:
        file = Path(b2.device.get_array_filename(variable)).name
        return np.fromfile(folder / "results" / file, dtype)

    measured: dict[str, list[float]] = {"wall": [], "spikes": []}
    for _ in range(given.repeats):
        subprocess.run(["./main"], cwd=folder, stdout=subprocess.DEVNULL, check=True)
        about = (folder / "results/last_run_info.txt").read_text().split()
        measured["wall"].append(float(about[0]) / given.seconds)
        n_spikes = int(result(counter.variables["count"], np.int32).sum())
        measured["spikes"].append(n_spikes / given.seconds)
    if "w" in synapses[0].variables:
        w = result(synapses[0].variables["w"], float).mean()
        measured["change"] = [(1e3 * w - 0.1) / given.seconds]
    return measured

"""Published networks in ANNarchy, in a process of an interpreter that has it: nothing else is used.

    PYTHON -m benchmarks.annarchy_published COBA GRAPH.npz --seconds 1 --repeats 3 --threads 2

``benchmarks.published`` writes the graph and calls this. The equations are as in ANNarchy's
examples, the plastic synapse is its own, ``STDP``. All is in double precision, with its usual flags
(``-O2 -march=native``) and its usual format of sparse matrices. Two things are not the same as in
the other simulators: a spike takes one time step to arrive, where COBA and CUBA have no delay; and
the spikes from outside of Brunel's network are a binomial number for every neuron and step, which
it draws on one thread. Spikes are counted in a variable of each neuron.
"""

from __future__ import annotations

import json
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from . import elsewhere

STEP = 0.1  # ms: time step, and the least delay
WARM = 100.0  # ms before the first repeat

_VOGELS = {"Vr": -60.0, "Vt": -50.0, "tau": 20.0, "tau_exc": 5.0, "tau_inh": 10.0}
_DECAY = ["tau_exc * dg_exc/dt = -g_exc", "tau_inh * dg_inh/dt = -g_inh"]
_COBA = ["tau * dv/dt = (El - v) + g_exc*(Ee - v) + g_inh*(Ei - v)", *_DECAY]
_CUBA = ["tau * dv/dt = (El - v) + g_exc - g_inh", *_DECAY]

_BRUNEL = (
    {"Vr": 10.0, "Vt": 20.0, "keep": float(np.exp(-STEP / 20.0)), "w_drive": 0.1},
    ["drive = Binomial(1000, 0.002)", "v = keep*v + g_exc - g_inh + w_drive*drive"],
    *(2.0, (0.1, 0.5), 1.5),
)

#: Parameters (mV, ms; conductances in units of the leak), equations, refractory period, weights
#: of E and I, and delay.
NETWORKS = {
    "COBA": (_VOGELS | {"El": -60.0, "Ee": 0.0, "Ei": -80.0}, _COBA, 5.0, (0.6, 6.7), STEP),
    "CUBA": (_VOGELS | {"El": -49.0}, _CUBA, 5.0, (1.62, 9.0), STEP),
    "Brunel C": _BRUNEL,
    "Brunel, STDP": _BRUNEL,
}

#: Parameters of ``STDP``: its sizes are in units of the largest weight.
PLASTIC = {
    "Brunel, STDP": {
        **{"tau_plus": 20.0, "tau_minus": 20.0, "A_plus": 1e-6 / 0.3, "A_minus": 1.5e-6 / 0.3},
        **{"w_min": 0.0, "w_max": 0.3},
    }
}

#: Variables at the start: ours, that of the graph, and one of those in our unit.
START = {"v": ("V_m", 1.0), "g_exc": ("g_ex", 0.1), "g_inh": ("g_in", 0.1)}


def connect(net, neurons, name: str, graph: dict[str, np.ndarray]):
    """Connect the neurons; return the plastic projection, or None."""
    import ANNarchy
    from scipy.sparse import csr_matrix

    *_, weights, delay = NETWORKS[name]
    size, n_e, learning = len(graph["V_m"]), int(graph["n_e"]), None
    for source, target, weight in zip("ei", ("exc", "inh"), weights, strict=True):
        pre, post = (graph[f"{source}_{end}"] for end in ("pre", "post"))
        static = np.ones(len(pre), bool)
        if name in PLASTIC and source == "e":
            static = post >= n_e
            ends = (pre[~static], post[~static])
            matrix = csr_matrix((np.full(len(ends[0]), weight), ends), shape=(n_e, n_e))
            excitatory, rule = neurons[:n_e], ANNarchy.STDP(**PLASTIC[name])
            learning = net.connect(excitatory, excitatory, target, synapse=rule)
            learning.from_sparse(matrix, delays=delay)
        ends = (pre[static], post[static])
        matrix = csr_matrix((np.full(len(ends[0]), weight), ends), shape=(size, size))
        net.connect(neurons, neurons, target).from_sparse(matrix, delays=delay)
    return learning


def build(name: str, graph: dict[str, np.ndarray], threads: int, folder: Path):
    """Compile the network; return it, its neurons and its plastic projection."""
    import ANNarchy

    parameters, equations, refractory, *_ = NETWORKS[name]
    net = ANNarchy.Network(dt=STEP, seed=1)
    net.config(num_threads=threads)
    neuron = ANNarchy.Neuron(
        parameters=parameters,
        equations=[*equations, "fired = fired"],
        spike="v > Vt",
        reset="v = Vr; fired += 1.0",
        refractory=refractory,
    )
    neurons = net.create(len(graph["V_m"]), neuron)
    learning = connect(net, neurons, name, graph)
    elsewhere.compile_annarchy(net, folder)
    for variable, (given, unit) in START.items():
        if given in graph:
            setattr(neurons, variable, unit * graph[given])
    return net, neurons, learning


def run(
    name: str,
    graph: dict[str, np.ndarray],
    seconds: float,
    repeats: int,
    threads: int,
    cache: Path,
) -> dict:
    """Time the simulation; see `benchmarks.published`. What was compiled is kept."""
    folder = cache / f"annarchy-{name.replace(' ', '-')}-{threads}"
    net, neurons, learning = build(name, graph, threads, folder)
    net.simulate(WARM)
    measured: dict = {"wall": [], "spikes": [], "version": version("ANNarchy")}
    for _ in range(repeats):
        before, begun = neurons.fired.sum(), time.perf_counter()
        net.simulate(1e3 * seconds)
        measured["wall"].append((time.perf_counter() - begun) / seconds)
        measured["spikes"].append((neurons.fired.sum() - before) / seconds)
    if learning is not None:
        w = np.concatenate([learning.dendrite(post).w for post in range(100)])
        change = w.mean() - NETWORKS[name][-2][0]
        measured["change"] = [change / (1e-3 * WARM + seconds * repeats)]
    return measured


def main() -> None:
    """Read the command line."""
    given, graph = elsewhere.published(__doc__, NETWORKS)
    about = (given.seconds, given.repeats, given.threads, given.cache)
    print(json.dumps(run(given.network, graph, *about)))


if __name__ == "__main__":
    main()

"""The same network in ANNarchy, with all that its neurons and synapses have.

    PYTHON benchmarks/annarchy_network.py GRAPH.npz 200+50 low --cache FOLDER --threads 2

``benchmarks.peers`` writes the graph and calls this, in an interpreter that has ANNarchy. All is in
double precision, with its usual flags and its usual format of sparse matrices; traces are kept at
synapses, event-driven, as in its synapse ``STDP``. Spikes take one step to arrive.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

_EQUATIONS = [
    "tau_m * dv/dt = v_rest - v + resistance*(g_exc - g_inh) : min=v_low, max=v_high",
    "tau_syn * dg_exc/dt = -g_exc",
    "tau_syn * dg_inh/dt = -g_inh",
    "tau_a * da/dt = -a",
    "fired = fired",
]

_TRACES = "tau_minus * dx/dt = -x : event-driven\ntau_plus * dy/dt = -y : event-driven"

_PRE = "g_target += gain*w\nx = 1.0\nw = clip(w + lr*y, w_min, w_max)"

_POST = "y = 1.0\nw = clip(w - lr*x, w_min, w_max)"


def build(graph: dict, threads: int, folder: Path):
    """Compile the network; return it and its populations by name."""
    import ANNarchy
    from scipy.sparse import csr_matrix

    about = json.loads(str(graph["about"]))
    values = dict(about["neuron"])
    values["resistance"] = values.pop("r")  # that name is taken
    net = ANNarchy.Network(dt=1.0, seed=1)
    net.config(num_threads=threads)
    neuron = ANNarchy.Neuron(
        parameters=values,
        equations="\n".join(_EQUATIONS),
        spike="v > v_threshold + a",
        reset="v = v_reset; a += a_spike; fired += 1.0",
    )
    synapse = ANNarchy.Synapse(
        parameters=about["synapse"], equations=_TRACES, pre_spike=_PRE, post_spike=_POST
    )
    groups = {}
    for name, size in about["sizes"].items():
        if name == about["input"]:
            groups[name] = net.create(ANNarchy.PoissonPopulation(size, rates=graph["rates"]))
        else:
            groups[name] = net.create(size, neuron)
    for name, (source, target, sign) in about["projections"].items():
        pre, post, w = (graph[f"{name}_{key}"] for key in ("pre", "post", "w"))
        shape = (about["sizes"][source], about["sizes"][target])
        kind = "exc" if sign > 0 else "inh"
        made = net.connect(groups[source], groups[target], kind, synapse=synapse)
        made.from_sparse(csr_matrix((w, (pre, post)), shape=shape))
    # its build asks the first `python3` for headers
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    net.compile(directory=str(folder), silent=True)
    for name in groups.keys() - {about["input"]}:
        groups[name].v = about["neuron"]["v_rest"]
    return net, groups


def run(graph: dict, wanted: float, repeats: int, threads: int, folder: Path) -> dict:
    """Time ANNarchy; see `benchmarks.peers`."""
    started = time.perf_counter()
    net, groups = build(graph, threads, folder)
    source = json.loads(str(graph["about"]))["input"]
    neurons = {name: group for name, group in groups.items() if name != source}
    net.simulate(10.0)
    made = time.perf_counter() - started
    begun = time.perf_counter()
    net.simulate(100.0)
    seconds = max(0.1, round(wanted / ((time.perf_counter() - begun) / 0.1), 1))
    before = {name: group.fired.sum() for name, group in neurons.items()}
    took = []
    for _ in range(repeats):
        begun = time.perf_counter()
        net.simulate(1e3 * seconds)
        took.append((time.perf_counter() - begun) / seconds)
    total = seconds * repeats
    spikes = {name: (group.fired.sum() - before[name]) / total for name, group in neurons.items()}
    spikes[source] = float(np.sum(graph["rates"]))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    about = {"build": made, "seconds": seconds, "memory": memory, "version": version("ANNarchy")}
    return {"wall": took, "spikes": spikes, **about}


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("graph")
    parser.add_argument("size")
    parser.add_argument("drive", choices=("low", "high"))
    parser.add_argument("--wanted", type=float, default=1.5, help="wall seconds of a repeat")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache", type=Path, required=True)
    given = parser.parse_args()
    folder = given.cache / f"annarchy-{given.size}-{given.drive}-{given.threads}"
    with np.load(given.graph) as file:
        graph = dict(file)
    print(json.dumps(run(graph, given.wanted, given.repeats, given.threads, folder)))


if __name__ == "__main__":
    main()

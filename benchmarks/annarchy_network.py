"""The same network in ANNarchy, with all that its neurons and synapses have.

    PYTHON -m benchmarks.annarchy_network GRAPH.npz 200+50 low --cache FOLDER --threads 2

``benchmarks.peers`` writes the graph and calls this, in an interpreter that has ANNarchy. All is in
double precision, with its usual flags and its usual format of sparse matrices; traces are kept at
synapses, event-driven, as in its synapse ``STDP``. Spikes take one step to arrive.
"""

from __future__ import annotations

import json
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from . import elsewhere

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
    elsewhere.compile_annarchy(net, folder)
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
    measured = elsewhere.timed(
        net.simulate,
        lambda: {k: group.fired.sum() for k, group in neurons.items()},
        wanted,
        repeats,
    )
    measured["spikes"][source] = float(np.sum(graph["rates"]))
    return {**measured, "build": made, "version": version("ANNarchy")}


def main() -> None:
    """Read the command line."""
    given, graph = elsewhere.of_a_size(__doc__)
    folder = given.cache / f"annarchy-{given.size}-{given.drive}-{given.threads}"
    print(json.dumps(run(graph, given.wanted, given.repeats, given.threads, folder)))


if __name__ == "__main__":
    main()

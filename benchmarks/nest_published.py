"""Published networks in NEST, in a process of an interpreter that has it: nothing else is imported.

    PYTHON benchmarks/nest_published.py COBA GRAPH.npz --seconds 10 --repeats 3

``benchmarks.published`` writes the graph and calls this. The neurons are NEST's own, with the
parameters of the papers in NEST's units (ms, mV, pF, nS, pA). Only two things are not the same as
in the other simulators: the least delay is one time step, where COBA and CUBA have none; and
NEST integrates the conductances of COBA with an adaptive Runge-Kutta method. Synapses are of the
kind with one weight for all. Spikes are counted by the kernel, none is recorded.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

STEP = 0.1  # ms: time step, and the least delay
WARM = 100.0  # ms before the first repeat

_VOGELS = {"C_m": 200.0, "E_L": -60.0, "V_th": -50.0, "V_reset": -60.0, "t_ref": 5.0}
_VOGELS |= {"tau_syn_ex": 5.0, "tau_syn_in": 10.0}
_COBA = _VOGELS | {"g_L": 10.0, "E_ex": 0.0, "E_in": -80.0}
_CUBA = _VOGELS | {"tau_m": 20.0, "E_L": -49.0}
_BRUNEL = {"C_m": 1.0, "tau_m": 20.0, "E_L": 0.0, "V_th": 20.0, "V_reset": 10.0, "t_ref": 2.0}

#: Model, its parameters, weights of E and I, and delay in ms. The currents of CUBA are the voltages
#: of the paper times the leak of 10 nS.
NETWORKS = {
    "COBA": ("iaf_cond_exp", _COBA, (6.0, -67.0), STEP),
    "CUBA": ("iaf_psc_exp", _CUBA, (16.2, -90.0), STEP),
    "Brunel C": ("iaf_psc_delta", _BRUNEL, (0.1, -0.5), 1.5),
}

#: Poisson spikes to every neuron, in Hz, of the weight and delay of E.
BACKGROUND = {"Brunel C": 1000 * 20.0}


def build(name: str, graph: dict[str, np.ndarray]) -> None:
    """Make the network in NEST's kernel: its neurons are numbered as in the graph."""
    import nest

    model, parameters, weights, delay = NETWORKS[name]
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.ResetKernel()
    nest.resolution, nest.local_num_threads, nest.rng_seed = STEP, 1, 1
    neurons = nest.Create(model, len(graph["V_m"]), parameters)
    first = neurons[0].global_id
    for variable in set(graph) & {"V_m", "g_ex", "g_in"}:
        neurons.set({variable: graph[variable].tolist()})
    for source, weight in zip("ei", weights, strict=True):
        nest.CopyModel("static_synapse_hom_w", f"from_{source}", {"weight": weight, "delay": delay})
        i, j = (graph[f"{source}_{end}"] + first for end in ("pre", "post"))
        nest.Connect(i, j, "one_to_one", {"synapse_model": f"from_{source}"})
    if name in BACKGROUND:
        drive = nest.Create("poisson_generator", params={"rate": BACKGROUND[name]})
        nest.Connect(drive, neurons, "all_to_all", {"synapse_model": "from_e"})


def run(name: str, graph: dict[str, np.ndarray], seconds: float, repeats: int) -> dict:
    """Time the kernel; see `benchmarks.published`."""
    import nest

    build(name, graph)
    nest.Prepare()
    nest.Run(WARM)
    took, spikes = [], []
    for _ in range(repeats):
        begun = time.perf_counter()
        nest.Run(1e3 * seconds)
        took.append((time.perf_counter() - begun) / seconds)
        spikes.append(nest.local_spike_counter / seconds)
    nest.Cleanup()
    return {"wall": took, "spikes": spikes, "version": nest.__version__}


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("graph", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    given = parser.parse_args()
    with np.load(given.graph) as file:
        graph = dict(file)
    print(json.dumps(run(given.network, graph, given.seconds, given.repeats)))


if __name__ == "__main__":
    main()

"""Published networks in NEST, in a process of an interpreter that has it: nothing else is imported.

    PYTHON -m benchmarks.nest_published COBA GRAPH.npz --seconds 10 --repeats 3 --threads 2

``benchmarks.published`` writes the graph and calls this. The neurons are NEST's own, with the
parameters of the papers in NEST's units (ms, mV, pF, nS, pA). Three things are not the same as
in the other simulators: the least delay is one time step, where COBA and CUBA have none; NEST
integrates the conductances of COBA with an adaptive Runge-Kutta method; and of the plastic
network's synapses all delay is dendritic: a presynaptic spike is there at once, and a postsynaptic
one after 1.5 ms. Synapses are of the kind with one weight for all, but for the plastic ones
(``stdp_synapse``, additive). Spikes are counted by the kernel, none is recorded.
"""

from __future__ import annotations

import json
import time

import numpy as np

from . import elsewhere

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
    "Brunel, STDP": ("iaf_psc_delta", _BRUNEL, (0.1, -0.5), 1.5),
}

#: Parameters of ``stdp_synapse``, and the time constant of depression, which the neuron has.
#: `lambda` is the learning rate in units of the largest weight.
PLASTIC = {"Brunel, STDP": {"Wmax": 0.3, "lambda": 1e-6 / 0.3, "alpha": 1.5, "tau_plus": 20.0}}
PLASTIC["Brunel, STDP"] |= {"mu_plus": 0.0, "mu_minus": 0.0}
TAU_MINUS = 20.0

#: Poisson spikes to every neuron, in Hz, of the weight and delay of E.
BACKGROUND = {"Brunel C": 1000 * 20.0, "Brunel, STDP": 1000 * 20.0}


def build(name: str, graph: dict[str, np.ndarray], threads: int = 1):
    """Make the network in NEST's kernel and return its neurons, numbered as in the graph."""
    import nest

    model, parameters, weights, delay = NETWORKS[name]
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.ResetKernel()
    nest.resolution, nest.local_num_threads, nest.rng_seed = STEP, threads, 1
    neurons = nest.Create(model, len(graph["V_m"]), parameters)
    first = neurons[0].global_id
    for variable in set(graph) & {"V_m", "g_ex", "g_in"}:
        neurons.set({variable: graph[variable].tolist()})
    for source, weight in zip("ei", weights, strict=True):
        nest.CopyModel("static_synapse_hom_w", f"from_{source}", {"weight": weight, "delay": delay})
        i, j = (graph[f"{source}_{end}"] + first for end in ("pre", "post"))
        if name in PLASTIC and source == "e":
            learns = j < first + graph["n_e"]
            neurons.tau_minus = TAU_MINUS
            learning = PLASTIC[name] | {"weight": weight, "delay": delay}
            nest.CopyModel("stdp_synapse", "plastic", learning)
            nest.Connect(i[learns], j[learns], "one_to_one", {"synapse_model": "plastic"})
            i, j = i[~learns], j[~learns]
        nest.Connect(i, j, "one_to_one", {"synapse_model": f"from_{source}"})
    if name in BACKGROUND:
        drive = nest.Create("poisson_generator", params={"rate": BACKGROUND[name]})
        nest.Connect(drive, neurons, "all_to_all", {"synapse_model": "from_e"})
    return neurons


def changed(name: str, neurons) -> float:
    """Return how much the mean weight of the first 100 neurons' plastic synapses has changed.

    NEST carries out what a postsynaptic spike does when the next presynaptic one comes: what it
    still owes is not in it.
    """
    import nest

    plastic = nest.GetConnections(neurons[:100], synapse_model="plastic")
    return float(np.mean(plastic.get("weight"))) - NETWORKS[name][2][0]


def run(
    name: str, graph: dict[str, np.ndarray], seconds: float, repeats: int, threads: int = 1
) -> dict:
    """Time the kernel; see `benchmarks.published`."""
    import nest

    neurons = build(name, graph, threads)
    nest.Prepare()
    nest.Run(WARM)
    took, spikes = [], []
    for _ in range(repeats):
        begun = time.perf_counter()
        nest.Run(1e3 * seconds)
        took.append((time.perf_counter() - begun) / seconds)
        spikes.append(nest.local_spike_counter / seconds)
    nest.Cleanup()
    measured = {"wall": took, "spikes": spikes, "version": nest.__version__}
    if name in PLASTIC:
        simulated = 1e-3 * WARM + seconds * repeats
        measured["change"] = [changed(name, neurons) / simulated]
    return measured


def main() -> None:
    """Read the command line; nothing is compiled."""
    given, graph = elsewhere.published(__doc__, NETWORKS)
    about = (given.seconds, given.repeats, given.threads)
    print(json.dumps(run(given.network, graph, *about)))


if __name__ == "__main__":
    main()

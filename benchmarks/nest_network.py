"""The nearest to the same network in NEST: its own fastest neuron and nearest-neighbour STDP.

    PYTHON -m benchmarks.nest_network GRAPH.npz 200+50 low --wanted 1.5 --repeats 5 --threads 2

``benchmarks.peers`` writes the graph and calls this, in an interpreter that has NEST. It does less
than the others: NEST's `iaf_psc_exp` has no adaptive threshold, so the weights of the input are
others for the same rates, and its spikes take one step to arrive.
"""

from __future__ import annotations

import json
import time

import numpy as np

from . import elsewhere

#: Weight of the input by size and drive for the rates of `benchmarks.networks.DRIVES`.
INPUT_WEIGHT = {
    "200+50": {"low": 0.162, "high": 0.603},
    "1600+400": {"low": 0.0546, "high": 0.179},
    "6400+1600": {"low": 0.0546, "high": 0.179},
}


def build(graph: dict, input_weight: float, threads: int) -> dict:
    """Make the network in NEST's kernel; return the populations by name."""
    import nest

    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.ResetKernel()
    nest.resolution, nest.local_num_threads, nest.rng_seed = 1.0, threads, 1
    about = json.loads(str(graph["about"]))
    tau = about["tau"]
    neuron = {
        # a capacity of 1 pF makes a current of 1 pA drive as r*i_syn = 30 mV does
        **{"C_m": 1.0, "tau_m": tau["m"], "tau_syn_ex": tau["syn"], "tau_syn_in": tau["syn"]},
        **{"E_L": -70.0, "V_m": -70.0, "V_reset": -80.0, "V_th": -55.0, "t_ref": 1.0},
    }
    groups = {}
    for name, size in about["sizes"].items():
        if name == about["input"]:
            sources = nest.Create("poisson_generator", size, {"rate": graph["rates"].tolist()})
            groups[name] = nest.Create("parrot_neuron", size)
            nest.Connect(sources, groups[name], "one_to_one", {"delay": 1.0})
        else:
            groups[name] = nest.Create("iaf_psc_exp", size, neuron)
            groups[name].tau_minus = tau["minus"]
    for name, (source, target, sign) in about["projections"].items():
        pre, post, w = (graph[f"{name}_{key}"] for key in ("pre", "post", "w"))
        w = np.full(len(w), input_weight) if source == about["input"] else w
        synapse = {
            "synapse_model": "stdp_nn_symm_synapse",
            "weight": sign * w / tau["syn"],
            "delay": np.ones(len(w)),
            "lambda": about["lr"],
            "Wmax": sign * about["w_max"],
            "tau_plus": tau["plus"],
            **{"mu_plus": 0.0, "mu_minus": 0.0},
        }
        first, last = (groups[end][0].global_id for end in (source, target))
        nest.Connect(pre + first, post + last, "one_to_one", synapse)
    return groups


def run(graph: dict, size: str, drive: str, wanted: float, repeats: int, threads: int = 1) -> dict:
    """Time NEST; see `benchmarks.peers`."""
    import nest

    started = time.perf_counter()
    groups = build(graph, INPUT_WEIGHT[size][drive], threads)
    source = json.loads(str(graph["about"]))["input"]
    counters = {}
    for name in groups.keys() - {source}:  # the rate of the input is known
        counters[name] = nest.Create("spike_recorder")
        nest.Connect(groups[name], counters[name])
    nest.Prepare()
    nest.Run(10.0)
    made = time.perf_counter() - started
    measured = elsewhere.timed(
        nest.Run, lambda: {k: each.n_events for k, each in counters.items()}, wanted, repeats
    )
    measured["spikes"][source] = float(np.sum(graph["rates"]))
    nest.Cleanup()
    return {**measured, "build": made, "version": nest.__version__}


def main() -> None:
    """Read the command line; nothing is compiled."""
    given, graph = elsewhere.of_a_size(__doc__, INPUT_WEIGHT)
    about = (given.size, given.drive, given.wanted, given.repeats, given.threads)
    print(json.dumps(run(graph, *about)))


if __name__ == "__main__":
    main()

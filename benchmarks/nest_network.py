"""The nearest to the same network in NEST: its own fastest neuron and nearest-neighbour STDP.

It does less than the others: NEST's `iaf_psc_exp` has no adaptive threshold, so the weights of
the input are others for the same rates, and its spikes take one step to arrive.
"""

from __future__ import annotations

import time

import numpy as np

#: Weight of the input by size and drive for the rates of `benchmarks.networks.DRIVES`.
INPUT_WEIGHT = {
    "200+50": {"low": 0.162, "high": 0.603},
    "1600+400": {"low": 0.0546, "high": 0.179},
    "6400+1600": {"low": 0.0546, "high": 0.179},
}


def build(spec, state, rates, input_weight: float):
    """Make the network in NEST's kernel; return the populations by name."""
    import nest

    nest.set_verbosity("M_ERROR")
    nest.ResetKernel()
    nest.resolution, nest.local_num_threads, nest.rng_seed = 1.0, 1, 1
    given = state.parameters
    tau = {k: 1e3 * given[f"e.tau_{k}"] for k in ("m", "syn")}
    neuron = {
        # a capacity of 1 pF makes a current of 1 pA drive as r*i_syn = 30 mV does
        **{"C_m": 1.0, "tau_m": tau["m"], "tau_syn_ex": tau["syn"], "tau_syn_in": tau["syn"]},
        **{"E_L": -70.0, "V_m": -70.0, "V_reset": -80.0, "V_th": -55.0, "t_ref": 1.0},
    }
    groups = {}
    for population in spec.populations:
        if population.name == spec.input:
            sources = nest.Create("poisson_generator", population.size, {"rate": rates})
            groups[population.name] = nest.Create("parrot_neuron", population.size)
            nest.Connect(sources, groups[population.name], "one_to_one", {"delay": 1.0})
        else:
            groups[population.name] = nest.Create("iaf_psc_exp", population.size, neuron)
            groups[population.name].tau_minus = 1e3 * given["e.stdp_nearest_reversed_tau_minus"]
    for projection in spec.projections:
        pre, post = state.synapses[projection.name]
        w = state.weights(projection.name)
        w = np.full(len(w), input_weight) if projection.source == spec.input else w
        synapse = {
            "synapse_model": "stdp_nn_symm_synapse",
            "weight": projection.sign * w / tau["syn"],
            "delay": np.ones(len(w)),
            "lambda": given["ee.stdp_nearest_reversed_lr"],
            "Wmax": projection.sign * given["ee.w_max"],
            "tau_plus": 1e3 * given["e.stdp_nearest_reversed_tau_plus"],
            **{"mu_plus": 0.0, "mu_minus": 0.0},
        }
        first, last = (groups[end][0].global_id for end in (projection.source, projection.target))
        nest.Connect(pre + first, post + last, "one_to_one", synapse)
    return groups


def run(spec, state, rates, size: str, drive: str, wanted: float, repeats: int) -> dict:
    """Time NEST on one thread; see `benchmarks.peers`."""
    import nest

    started = time.perf_counter()
    groups = build(spec, state, rates, INPUT_WEIGHT[size][drive])
    counters = {}
    for name in groups.keys() - {spec.input}:  # the rate of the input is known
        counters[name] = nest.Create("spike_recorder")
        nest.Connect(groups[name], counters[name])
    nest.Prepare()
    nest.Run(10.0)
    made = time.perf_counter() - started
    begun = time.perf_counter()
    nest.Run(200.0)
    seconds = max(0.1, round(wanted / ((time.perf_counter() - begun) / 0.2), 1))
    before = {name: counter.n_events for name, counter in counters.items()}
    took = []
    for _ in range(repeats):
        begun = time.perf_counter()
        nest.Run(1e3 * seconds)
        took.append((time.perf_counter() - begun) / seconds)
    total = seconds * repeats
    spikes = {name: (c.n_events - before[name]) / total for name, c in counters.items()}
    spikes[spec.input] = float(np.sum(rates))
    nest.Cleanup()
    return {"wall": took, "spikes": spikes, "build": made, "seconds": seconds}

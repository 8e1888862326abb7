"""The nearest to the same network in BindsNET: dense matrices, no adaptive threshold.

It does another amount of work: every connection is a dense matrix that is multiplied and updated
at every step. The weights of the input are others for the same rates.
"""

from __future__ import annotations

import time

import numpy as np

#: Weight of the input by size and drive for the rates of `benchmarks.networks.DRIVES`.
INPUT_WEIGHT = {
    "200+50": {"low": 0.155, "high": 0.55},
    "1600+400": {"low": 0.0525, "high": 0.165},
    "6400+1600": {"low": 0.0525, "high": 0.165},
}


def build(spec, state, input_weight: float):
    """Make the network; return it and its spike monitors by population."""
    import torch
    from bindsnet.learning import PostPre
    from bindsnet.network import Network
    from bindsnet.network.monitors import Monitor
    from bindsnet.network.nodes import CurrentLIFNodes, Input
    from bindsnet.network.topology import Connection

    given = state.parameters
    net = Network(dt=1.0, learning=True)
    layers, monitors = {}, {}
    for population in spec.populations:
        if population.name == spec.input:
            layer = Input(n=population.size, traces=True, tc_trace=7.5)
        else:
            layer = CurrentLIFNodes(
                n=population.size,
                traces=True,
                tc_trace=10.0,
                rest=-70.0,
                reset=-80.0,
                thresh=-55.0,
                refrac=0,
                tc_decay=1e3 * given["e.tau_m"],
                tc_i_decay=1e3 * given["e.tau_syn"],
            )
        net.add_layer(layer, name=population.name)
        layers[population.name] = layer
        monitors[population.name] = Monitor(layer, state_vars=["s"], time=1000)
        net.add_monitor(monitors[population.name], name=population.name)
    scale = 1 / (1e3 * given["e.tau_syn"])
    for projection in spec.projections:
        ends = projection.source, projection.target
        pre, post = state.synapses[projection.name]
        w = torch.zeros(*(layers[end].n for end in ends))
        values = state.weights(projection.name)
        if projection.source == spec.input:
            values = np.full(len(values), input_weight)
        w[pre, post] = torch.tensor(projection.sign * scale * values, dtype=torch.float32)
        learning = {"update_rule": PostPre, "nu": (1e-12, 1e-12)}
        connection = Connection(layers[ends[0]], layers[ends[1]], w=w, **learning)
        net.add_connection(connection, source=ends[0], target=ends[1])
    return net, monitors


def run(spec, state, rates, size: str, drive: str, wanted: float, repeats: int) -> dict:
    """Time BindsNET on one thread; see `benchmarks.peers`."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(1)
    begun = time.perf_counter()
    net, monitors = build(spec, state, INPUT_WEIGHT[size][drive])
    chance = torch.tensor(rates * float(spec.dt), dtype=torch.float32)

    def show(ms: int) -> float:
        spikes = (torch.rand(ms, 1, len(rates)) < chance).to(torch.uint8)
        started = time.perf_counter()
        net.run(inputs={spec.input: spikes}, time=ms)
        return (time.perf_counter() - started) / (1e-3 * ms)

    show(20)
    build_seconds = time.perf_counter() - begun
    ms = int(np.clip(1e3 * wanted / show(50), 20, 1000))
    show(min(200, 4 * ms))  # let the rates settle
    took, spikes = [], dict.fromkeys(monitors, 0.0)
    for _ in range(repeats):
        took.append(show(ms))
        for name, monitor in monitors.items():
            spikes[name] += float(monitor.get("s")[-ms:].sum()) / (1e-3 * ms * repeats)
    return {"wall": took, "spikes": spikes, "build": build_seconds, "seconds": 1e-3 * ms}

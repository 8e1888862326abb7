# deterministic: functions that build objects, namespaces from their locals, a dict of monitors, main
import brian2 as b2
import numpy as np
from brian2 import ms, mV


def make_cells(n, tau, gain):
    threshold = 15*mV
    cells = b2.NeuronGroup(
        n,
        """
        dv/dt = (drive - v)/tau : volt (unless refractory)
        drive : volt (constant)
        """,
        threshold="v > threshold",
        reset="v = 0*mV",
        refractory=2*ms,
        method="exact",
        namespace={"tau": tau, "threshold": threshold},
    )
    cells.drive = gain*(14 + 4*np.arange(n)/n)*mV
    return cells


def couple(source, target, weight, p, rng):
    synapses = b2.Synapses(source, target, "w : volt (constant)", on_pre="v_post += w")
    i, j = np.nonzero(rng.random((len(source), len(target))) < p)
    synapses.connect(i=i, j=j)
    synapses.w = weight
    return synapses


def simulate(duration):
    tau_fast, tau_slow = 8*ms, 16*ms
    rng = np.random.default_rng(12)
    groups = {"fast": make_cells(12, tau_fast, 1.1), "slow": make_cells(9, tau_slow, 1.2)}
    synapses = [
        couple(groups["fast"], groups["slow"], 1*mV, 0.3, rng),
        couple(groups["slow"], groups["fast"], -0.6*mV, 0.3, rng),
    ]
    monitors = {name: b2.SpikeMonitor(g, name=f"of_{name}") for name, g in groups.items()}
    net = b2.Network()
    net.add(groups, synapses, monitors)
    net.run(duration)
    return monitors


if __name__ == "__main__":
    outcome = simulate(90*ms)
    for key in outcome:
        print(key, outcome[key].num_spikes)

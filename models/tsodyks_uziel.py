"""Population bursts of a network with short-term plasticity (Tsodyks, Uziel & Markram 2000).

400 excitatory and 100 inhibitory neurons, connected with a probability of 10 %, each with a
constant current near its threshold. Synapses onto excitatory neurons depress, those onto inhibitory
ones facilitate, by the three states of `brainsleep.models.tsodyks_markram`. Every synapse has
parameters of its own, of normal distributions with a standard deviation of half of the mean that
are cut off. All of the network fires at once from time to time, as the resources of synapses
recover. How often depends on the spread of the currents, and on the time step, which is 1 ms.
"""

import dataclasses

import numpy as np
from brian2 import ms, mV, second
from scipy.stats import truncnorm

from brainsleep import NetworkSpec, NeuronModel, Pairs, Population, Projection, SynapseModel
from brainsleep.models.tsodyks_markram import DEPRESSING_CURRENT, FACILITATING_CURRENT

#: What was compared with what, by where that is.
VERIFIED = {
    "Tsodyks, Uziel & Markram (2000)": (
        "every spike of 0.5 s against Brian2's example; bursts and rates against another program, "
        "of which some differ"
    ),
}

_REFERENCES = ("doi:10.1523/JNEUROSCI.20-01-j0003.2000", "doi:10.1162/089976698300017502")

#: The neuron; currents are what they would bring the membrane to.
BURSTING = NeuronModel(
    name="bursting",
    equations="""
    dv/dt = (i_syn + i_b - v)/tau_m : volt (unless refractory)
    i_syn : volt
    """,
    threshold="v > v_threshold",
    reset="v = v_reset",
    refractory="t_ref",
    parameters={
        "tau_m": 30 * ms,  # membrane time constant
        "v_threshold": 15 * mV,
        "v_reset": 13.5 * mV,
        "i_b": 15 * mV,  # background current
        "t_ref": 3 * ms,  # refractory period
    },
    method="exact",
    references=_REFERENCES,
)


def _in_volt(synapse: SynapseModel, **parameters) -> SynapseModel:
    """Give a synapse a current in mV."""
    return dataclasses.replace(
        synapse,
        equations=synapse.equations.replace(": amp", ": volt"),
        parameters={**synapse.parameters, "tau_in": 3 * ms, "amplitude": 1 * mV, **parameters},
        references=_REFERENCES,
    )


#: Synapses onto excitatory neurons, and onto inhibitory ones; w is in mV.
ONTO_E = _in_volt(DEPRESSING_CURRENT)
ONTO_I = _in_volt(FACILITATING_CURRENT, u_se=0.04, tau_rec=100 * ms, tau_facil=1 * second)

#: What differs from synapse to synapse: mean, least and largest value.
_OF_E = {"u_se": (0.5, 0.1, 0.9), "tau_rec": (0.8, 0.005, np.inf)}
_OF_I = {
    "u_se": (0.04, 0.001, 0.07),
    "tau_rec": (0.1, 0.005, np.inf),
    "tau_facil": (1.0, 0.005, np.inf),
}


def _projection(name: str, mean: float, rng) -> Projection:
    """Draw the synapses of a projection; `mean` is that of their currents in mV."""
    sizes = [{"e": 400, "i": 100}[end] for end in name]
    pre, post = np.nonzero(rng.random(sizes) < 0.1)

    def drawn(mean, low, high):
        sd = mean / 2
        limits = (low - mean) / sd, (high - mean) / sd
        return truncnorm.rvs(*limits, mean, sd, len(pre), random_state=rng)

    of_target = _OF_E if name[1] == "e" else _OF_I
    values = {k: drawn(*v) * (1 if k == "u_se" else second) for k, v in of_target.items()}
    return Projection(
        name=name,
        source=name[0],
        target=name[1],
        synapse=ONTO_E if name[1] == "e" else ONTO_I,
        connectivity=Pairs(pre, post),
        weights=drawn(mean, 0.2 * mean, 2 * mean),
        w_max=20.0,
        sign=1 if name[0] == "e" else -1,
        values=values,
    )


def bursts(spread=1 * mV, seed: int = 1) -> NetworkSpec:
    """Draw the network, with background currents in a range of `spread` around the threshold."""
    rng = np.random.default_rng(seed)
    half = float(spread / mV) / 2
    values = {"i_b": f"uniform(i_b - {half}*mV, i_b + {half}*mV)"}
    fast = BURSTING.with_parameters(t_ref=2 * ms)
    means = {"ee": 1.8, "ei": 7.2, "ie": 5.4, "ii": 7.2}
    return NetworkSpec(
        name="bursts",
        populations=(
            Population(name="e", size=400, model=BURSTING, values=values),
            Population(name="i", size=100, model=fast, values=values),
        ),
        projections=tuple(_projection(name, mean, rng) for name, mean in means.items()),
        dt=1 * ms,
    )


#: Currents in a range of 1 mV.
BURSTS = bursts()

#: In one of 0.05 mV, the paper's.
ALIKE = bursts(0.05 * mV)

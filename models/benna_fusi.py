"""Synapses of many coupled variables, which forget slowly (Benna & Fusi 2016).

A synapse is a chain of variables, like beakers that are joined by tubes: each is wider than the one
before, and each tube narrower. Memories go into the first, which the weight follows, and seep into
the slower ones, which in turn hold up the first::

    du_k/dt = (u_(k-1) - u_k)/tau_k - (u_k - u_(k+1))/(2*tau_k),   tau_k = 4**(k-1)*tau_1

without the first term for the first one, and with 0 behind the last. What is left of a memory falls
as the inverse square root of its age, up to about the slowest time constant. A synapse of two
states forgets exponentially, and so does a chain of one variable.

Memories come one a time step of 1 s, a random half of them for each synapse: its presynaptic neuron
spikes, and it is strengthened if the postsynaptic neuron spikes in the same step, else weakened.
"""

import numpy as np
from brian2 import second

from brainsleep import (
    NetworkSpec,
    NeuronModel,
    Pairs,
    PlasticityRule,
    Population,
    Projection,
    SynapseModel,
)

#: What was compared with what, by where that is.
VERIFIED = {
    "Benna & Fusi (2016)": (
        "decay of a memory, noise and lifetimes against closed forms; forgetting of 1000 memories"
    ),
}

_REFERENCES = ("doi:10.1038/nn.4401", "arXiv:1507.07580")


def chain(m: int = 10) -> PlasticityRule:
    """Make a synapse of `m` variables."""
    equations = []
    for k in range(1, m + 1):
        before = f"(u_{k - 1} - u_{k})/tau_{k} " if k > 1 else ""
        after = f"(u_{k} - u_{k + 1})" if k < m else f"u_{k}"
        equations.append(f"du_{k}/dt = {before}- {after}/(2*tau_{k}) : 1 (clock-driven)")
    return PlasticityRule(
        name="chain",
        equations="\n".join(equations),
        on_pre="u_1 += 2*spiking_post - 1",
        on_step="w = clip(w_rest + scale*u_1, w_min, w_max)",
        parameters={
            "w_rest": 0.5,  # weight without any memory
            "scale": 0.01,  # of the weight
            **{f"tau_{k + 1}": 4 ** (k + 1) * second for k in range(m)},
        },
        references=_REFERENCES,
    )


#: Ten variables: time constants from seconds to twelve days.
BENNA_FUSI = chain()

#: One variable, which forgets exponentially.
LEAKY = chain(1)

#: Two states: a memory is taken up with a probability, and forgotten exponentially.
TWO_STATES = PlasticityRule(
    name="two_states",
    on_pre="w += int(rand() < q)*(w_min + spiking_post*(w_max - w_min) - w)",
    parameters={"q": 0.1},  # probability that a memory is taken up
    references=("doi:10.1038/nn.4401", "doi:10.1016/j.neuron.2005.02.001"),
)

#: A neuron that spikes in a step with a probability, by tossing a coin.
COIN = NeuronModel(
    name="coin",
    equations="",
    threshold="rand() < p",
    parameters={"p": 0.5},  # probability of a spike
    references=_REFERENCES,
)


def memories(rules: dict[str, PlasticityRule], n: int) -> NetworkSpec:
    """Make `n` synapses of each rule, by the name of their projection; all see the same memories.

    All start from one neuron that spikes in every step; each ends at a neuron of its own.
    """
    return NetworkSpec(
        name="memories",
        populations=(
            Population(name="before", size=1, model=COIN, values={"p": 1.0}),
            Population(name="after", size=n, model=COIN),
        ),
        projections=tuple(
            Projection(
                name=name,
                source="before",
                target="after",
                synapse=SynapseModel(name="silent", on_pre=""),
                connectivity=Pairs(np.zeros(n, int), np.arange(n)),
                weights="w_min + (j % 2)*(w_max - w_min)",
                rules=(rule,),
            )
            for name, rule in rules.items()
        ),
        dt=1 * second,
    )


def steps_of(m: int) -> np.ndarray:
    """Return what a time step of a memory makes of the variables, shape (m, m)."""
    step = np.eye(m)
    for k in range(m):
        rate = 0.25 / 4**k
        step[k, k] -= rate / 2 + (rate if k else 0)
        if k:
            step[k, k - 1] += rate
        if k < m - 1:
            step[k, k + 1] += rate / 2
    return step


def response(m: int, age) -> np.ndarray:
    """Return what a chain of `m` variables has left of a memory of 1, by its age in steps."""
    values, vectors = np.linalg.eig(steps_of(m))
    shares = vectors[0] * np.linalg.inv(vectors)[:, 0]
    return np.real(values ** np.atleast_1d(np.asarray(age, float))[:, None] @ shares)


def noise(m: int, memories_before: float = np.inf) -> float:
    """Return the variance of the first variable after so many random memories."""
    values, vectors = np.linalg.eig(steps_of(m))
    shares = vectors[0] * np.linalg.inv(vectors)[:, 0]
    pairs = np.outer(values, values)
    sums = (1 - (0 if np.isinf(memories_before) else pairs**memories_before)) / (1 - pairs)
    return float(np.real(shares @ sums @ shares))


def signal_to_noise(m: int, age, n: float) -> np.ndarray:
    """Return the signal-to-noise ratio of a memory in `n` synapses, among many that came later."""
    return np.sqrt(n / noise(m)) * response(m, age)


def lifetime(m: int, n: float) -> int:
    """Return the last age at which the signal-to-noise ratio is above 1; 0 if it never is."""
    low, high = 0, 1
    while signal_to_noise(m, high, n)[0] > 1:
        low, high = high, 2 * high
    while high - low > 1:  # the response only falls
        middle = (low + high) // 2
        low, high = (middle, high) if signal_to_noise(m, middle, n)[0] > 1 else (low, middle)
    return low

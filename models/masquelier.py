"""A neuron that finds a pattern of spikes that repeats (Masquelier, Guyonneau & Thorpe 2008).

Each afferent of the neuron adds to its potential a kernel whose peak is the weight, and a spike of
its own a positive pulse and a negative after-potential. Of pairs of spikes, only nearest neighbours
change a weight, and each spike at most once: a trace is cleared once it has been used, which is why
it lives at the synapse.
"""

import dataclasses

from brian2 import ms

from brainsleep import (
    NetworkSpec,
    NeuronModel,
    PlasticityRule,
    Population,
    Projection,
    SynapseModel,
)
from brainsleep.models.inputs import SPIKE_SOURCE

#: What was compared with what, by where that is.
VERIFIED = {
    "Masquelier, Guyonneau & Thorpe (2008)": "success, latency and weights against other programs",
}

_REFERENCES = ("doi:10.1371/journal.pone.0001377",)

#: The neuron. Potentials are in units of a kernel of weight 1.
DETECTOR = NeuronModel(
    name="detector",
    equations="""
    du/dt = (peak*x - u)/tau_m - after*u_threshold*a/tau_s : 1
    dx/dt = -x/tau_s : 1
    da/dt = -a/tau_s : 1
    """,
    threshold="u > u_threshold",
    reset="""
    u = 2*u_threshold
    x = 0
    a = 1
    """,
    refractory="t_ref",
    parameters={
        "tau_m": 10 * ms,  # membrane time constant
        "tau_s": 2.5 * ms,  # decay of the synaptic input, and of the after-potential
        "peak": 0.25 ** (-4 / 3),  # makes the peak of a kernel 1
        "after": 3.0,  # after-potential, in units of the threshold
        "u_threshold": 500.0,
        "t_ref": 1 * ms,  # u goes on in that time
    },
    method="exact",
    references=_REFERENCES,
)

#: A spike adds w to the synaptic input.
KERNEL = SynapseModel(name="kernel", on_pre="x_post += w_sign*w", references=_REFERENCES)

#: Nearest neighbours, each spike once.
STDP_ONCE = PlasticityRule(
    name="once",
    equations="""
    dltp/dt = -ltp/tau_ltp : 1 (event-driven)
    dltd/dt = -ltd/tau_ltd : 1 (event-driven)
    """,
    on_pre="""
    w = clip(w - ltd, w_min, w_max)
    ltd = 0
    ltp = a_ltp
    """,
    on_post="""
    w = clip(w + ltp, w_min, w_max)
    ltp = 0
    ltd = a_ltd
    """,
    parameters={
        "tau_ltp": 16.8 * ms,  # windows of potentiation
        "tau_ltd": 33.7 * ms,  # and depression
        "a_ltp": 2.0**-5,  # largest change of each
        "a_ltd": 0.85 * 2.0**-5,
    },
    references=_REFERENCES,
)

#: Nearest neighbours, where a spike can count again and again. Nothing is learned by it.
STDP_AGAIN = dataclasses.replace(
    STDP_ONCE,
    name="again",
    on_pre="w = clip(w - ltd, w_min, w_max)\nltp = a_ltp",
    on_post="w = clip(w + ltp, w_min, w_max)\nltd = a_ltd",
)


def afferents(n: int) -> NetworkSpec:
    """Make the network, of `n` afferents; the threshold is in proportion, the paper has 2000."""
    neuron = DETECTOR.with_parameters(u_threshold=n / 4)
    return NetworkSpec(
        name="masquelier",
        populations=(
            Population(name="afferents", size=n, model=SPIKE_SOURCE),
            Population(name="neuron", size=1, model=neuron),
        ),
        projections=(
            Projection(
                name="weights",
                source="afferents",
                target="neuron",
                synapse=KERNEL,
                weights=0.475,
                rules=(STDP_ONCE,),
            ),
        ),
        dt=0.1 * ms,
    )

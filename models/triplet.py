"""Triplet rule of spike-timing-dependent plasticity (Pfister & Gerstner 2006), all-to-all.

`r1` and `r2` are the fast and slow trace of the presynaptic, `o1` and `o2` those of the
postsynaptic neuron; a spike adds 1 to both traces of its neuron. The statements see the traces
as they were before the spikes of the same time step, which is the paper's t - epsilon. The change
of w does not depend on w but for the hard bounds: in the paper w = 1 is the weight at the start.

The numbers are the paper's fits to pairing at different frequencies in visual cortex (its table
3, all-to-all); tau_plus and tau_minus were not fitted.
"""

import dataclasses

from brian2 import ms

from brainsleep import PlasticityRule

#: What was compared with what, by where that is.
VERIFIED = {
    "tests/network/test_plasticity_models.py": (
        "pairings against the closed form, and how they depend on frequency as published"
    ),
}

_REFERENCES = ("doi:10.1523/JNEUROSCI.1425-06.2006",)

#: The full rule: pairs and triplets, of both potentiation and depression.
TRIPLET = PlasticityRule(
    name="triplet",
    pre_equations="""
    dr1/dt = -r1/tau_plus : 1
    dr2/dt = -r2/tau_x : 1
    """,
    pre_spike="""
    r1 += 1
    r2 += 1
    """,
    post_equations="""
    do1/dt = -o1/tau_minus : 1
    do2/dt = -o2/tau_y : 1
    """,
    post_spike="""
    o1 += 1
    o2 += 1
    """,
    on_pre="w = clip(w - lr*o1_post*(a2_minus + a3_minus*r2_pre), w_min, w_max)",
    on_post="w = clip(w + lr*r1_pre*(a2_plus + a3_plus*o2_post), w_min, w_max)",
    parameters={
        "lr": 1.0,  # learning rate: scales all amplitudes, 1 as published
        "a2_plus": 5e-10,  # potentiation by pairs: pre, post
        "a3_plus": 6.2e-3,  # potentiation by triplets: post, pre, post
        "a2_minus": 7e-3,  # depression by pairs: post, pre
        "a3_minus": 2.3e-4,  # depression by triplets: pre, post, pre
        "tau_plus": 16.8 * ms,  # window of potentiation
        "tau_minus": 33.7 * ms,  # window of depression
        "tau_x": 101 * ms,  # slow presynaptic trace
        "tau_y": 125 * ms,  # slow postsynaptic trace
    },
    references=_REFERENCES,
)

#: The minimal rule: potentiation by triplets, depression by pairs. No slow presynaptic trace.
TRIPLET_MINIMAL = dataclasses.replace(
    TRIPLET,
    name="triplet_minimal",
    pre_equations="dr1/dt = -r1/tau_plus : 1",
    pre_spike="r1 += 1",
    on_pre="w = clip(w - lr*a2_minus*o1_post, w_min, w_max)",
    on_post="w = clip(w + lr*a3_plus*r1_pre*o2_post, w_min, w_max)",
    parameters={
        "lr": 1.0,  # learning rate: scales both amplitudes, 1 as published
        "a3_plus": 6.5e-3,  # potentiation by triplets: post, pre, post
        "a2_minus": 7.1e-3,  # depression by pairs: post, pre
        "tau_plus": 16.8 * ms,  # window of potentiation
        "tau_minus": 33.7 * ms,  # window of depression
        "tau_y": 114 * ms,  # slow postsynaptic trace
    },
)

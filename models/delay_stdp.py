"""Plasticity of weights and delays by the times of spikes (Dominijanni, Ororbia & Regan 2025).

DS-STDP looks at when a presynaptic spike arrives, after the delay `d` of its synapse. One that
arrives before a spike of the target makes the synapse stronger and faster, one that arrives after
that makes it weaker and slower. Both traces add up over spikes, so for a pair with the time `s`
from arrival to the spike of the target::

    s > 0:  w changes by  lr_plus*(w_max - w)*exp(-s/tau),  d by  -shorten*exp(-s/tau)
    s < 0:  w changes by  -lr_minus*(w - w_min)*exp(s/tau), d by  lengthen*exp(s/tau)

In the authors' program, which looks up the trace of a time `d` ago, a delay that changes while a
spike is under way can let it be seen twice or never. Here every spike keeps the delay that its
synapse had when it was sent, and arrives once. Times are not rounded to 1 ms, but to the time step.
"""

import dataclasses

from brian2 import ms

from brainsleep import PlasticityRule

VERIFIED = {
    "Plasticity of delays, Dominijanni, Ororbia & Regan (2025)": (
        "change by a pair: as the paper writes, to 1e-9; its accuracies are not repeated"
    ),
}

#: Weights and delays; the projection needs `delay_max`, 10 ms in the paper.
DS_STDP = PlasticityRule(
    name="ds_stdp",
    equations="delay : second (linked)",
    pre_equations="dx/dt = -x/tau : 1",
    pre_spike="x += 1",
    post_equations="dy/dt = -y/tau : 1",
    post_spike="y += 1",
    on_pre="""
    w = clip(w - lr_minus*(w - w_min)*y_post, w_min, w_max)
    delay = clip(delay + lengthen*y_post, 0*ms, delay_max)
    """,
    on_post="""
    w = clip(w + lr_plus*(w_max - w)*x_pre, w_min, w_max)
    delay = clip(delay - shorten*x_pre, 0*ms, delay_max)
    """,
    parameters={
        "tau": 20 * ms,  # both traces
        "lr_plus": 5e-4,  # strengthening
        "lr_minus": 5e-6,  # weakening
        "shorten": 1.2e-2 * ms,  # of delays whose spikes arrive before the target's
        "lengthen": 1.2e-4 * ms,  # of delays whose spikes arrive after the target's
    },
    references=("arXiv:2506.14984",),
)

#: The same with fixed delays: a control, of the amplitudes that the paper gives for plain STDP.
DS_STDP_FIXED = dataclasses.replace(
    DS_STDP,
    name="ds_stdp_fixed",
    equations="",
    on_pre="w = clip(w - lr_minus*(w - w_min)*y_post, w_min, w_max)",
    on_post="w = clip(w + lr_plus*(w_max - w)*x_pre, w_min, w_max)",
    parameters={
        "tau": 20 * ms,  # both traces
        "lr_plus": 4e-4,  # strengthening
        "lr_minus": 4e-6,  # weakening
    },
)

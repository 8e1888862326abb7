"""Pair-based spike-timing-dependent plasticity.

`x` is the trace of the presynaptic, `y` that of the postsynaptic neuron. A spike sets its trace
to 1 (nearest neighbour) or adds 1 (all-to-all); a pair with lag s changes w by
``lr*a*exp(-s/tau)``, within hard bounds.
"""

from brian2 import ms

from brainsleep.spec import PlasticityRule

#: Textbook orientation, nearest neighbour: pre before post potentiates.
STDP_NEAREST = PlasticityRule(
    name="stdp_nearest",
    pre_equations="dx/dt = -x/tau_plus : 1",
    pre_spike="x = 1",
    post_equations="dy/dt = -y/tau_minus : 1",
    post_spike="y = 1",
    on_pre="w = clip(w - lr*a_minus*y_post, w_min, w_max)",
    on_post="w = clip(w + lr*a_plus*x_pre, w_min, w_max)",
    parameters={
        "lr": 8e-4,  # learning rate
        "a_plus": 1.0,  # relative size of potentiation
        "a_minus": 1.0,  # relative size of depression
        "tau_plus": 10 * ms,  # window of potentiation
        "tau_minus": 7.5 * ms,  # window of depression
    },
    references=("doi:10.1007/s00422-008-0233-1", "arXiv:2601.08447"),
)

#: As in the authors' released code, nearest neighbour: post before pre potentiates.
STDP_NEAREST_REVERSED = PlasticityRule(
    name="stdp_nearest_reversed",
    pre_equations="dx/dt = -x/tau_minus : 1",
    pre_spike="x = 1",
    post_equations="dy/dt = -y/tau_plus : 1",
    post_spike="y = 1",
    on_pre="w = clip(w + lr*a_plus*y_post, w_min, w_max)",
    on_post="w = clip(w - lr*a_minus*x_pre, w_min, w_max)",
    parameters=STDP_NEAREST.parameters,
    references=("arXiv:2601.08447",),
)

#: Textbook orientation, all-to-all: every pair of spikes counts.
STDP_ALL_TO_ALL = PlasticityRule(
    name="stdp_all",
    pre_equations="dx/dt = -x/tau_plus : 1",
    pre_spike="x += 1",
    post_equations="dy/dt = -y/tau_minus : 1",
    post_spike="y += 1",
    on_pre="w = clip(w - lr*a_minus*y_post, w_min, w_max)",
    on_post="w = clip(w + lr*a_plus*x_pre, w_min, w_max)",
    parameters={**STDP_NEAREST.parameters, "lr": 2e-4},
    references=("doi:10.1038/78829",),
)

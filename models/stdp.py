"""Pair-based spike-timing-dependent plasticity.

`x` is the trace of the presynaptic, `y` that of the postsynaptic neuron. A spike sets its trace
to 1 (nearest neighbour) or adds 1 (all-to-all); a pair with lag s changes w by
``lr*a*exp(-s/tau)``, within hard bounds.
"""

from brian2 import ms

from brainsleep import PlasticityRule

#: What was compared with what, by where that is.
VERIFIED = {
    "tests/network/test_plasticity_models.py": (
        "the timing of pairs of `STDP_RELEASED` against the authors' procedure, step by step"
    ),
}

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

#: Reversed orientation, nearest neighbour: post before pre potentiates. `STDP_RELEASED` is the
#: authors' timing of pairs.
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

# Whether either neuron spiked in the step before, and what their pair was taken for then.
_BEFORE = """
before = spiked_pre + spiked_post*(1 - spiked_pre)
potentiated = spiked_pre*a_plus*y_post*exp(dt/tau_plus)
depressed = spiked_post*(1 - spiked_pre)*a_minus*x_pre*exp(dt/tau_minus)
"""

#: As the authors' released code times pairs: reversed, nearest neighbour, looked at a step late.
#: In the step after a spike of either neuron the pair of their latest spikes counts, those of that
#: step included: post before pre or both at once potentiates, pre before post depresses. So a lag
#: of 0 counts as a full potentiating pair, and a lag of one step twice, once after either spike.
#:
#: Here a pair counts at once, as if the next step brought no spike. If it brings one, the pair
#: before is taken back, and the new one counts for both steps.
STDP_RELEASED = PlasticityRule(
    name="stdp_released",
    pre_equations="dx/dt = -x/tau_minus : 1",
    pre_spike="x = 1",
    post_equations="dy/dt = -y/tau_plus : 1",
    post_spike="y = 1",
    on_pre=f"""
    {_BEFORE}
    pair = a_plus*(spiking_post + (1 - spiking_post)*y_post)
    w = clip(w + lr*((1 + before)*pair - potentiated + depressed), w_min, w_max)
    """,
    on_post=f"""
    {_BEFORE}
    pair = -a_minus*x_pre
    w = clip(w + lr*(1 - spiking_pre)*((1 + before)*pair - potentiated + depressed), w_min, w_max)
    """,
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

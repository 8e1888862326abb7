"""Plasticity that depends on the membrane potential (Clopath et al. 2010), and its neuron.

A presynaptic spike depresses a synapse where the membrane was depolarised before; and while the
membrane is above a high threshold, a synapse that got a spike not long ago is potentiated. The
rule reads the postsynaptic neuron in every step: its potential `v`, and its potential low-passed,
`v_slow` and `v_fast`, as these were three steps ago, before the spike that is under way.

This is the authors' program of the frequency dependence of pairings, to the last digit: forward
Euler in steps of 1 ms, a spike of 2 ms at potentials whose integral is that of a finer simulation,
after which `counter` is 2 and the neuron is reset. Parameters are per step of that, so no other
time step will do. Depression is not scaled by a homeostatic mean potential, which they leave out
there.
"""

import numpy as np
from brian2 import ms, mV, nS, pA, pF

from brainsleep import NeuronModel, PlasticityRule, SynapseModel

#: What was compared with what, by where that is.
VERIFIED = {
    "Clopath et al. (2010)": (
        "weights after pairings at five frequencies against the authors' program, to all digits"
    ),
}

_REFERENCES = ("doi:10.1038/nn.2479",)

#: What a neuron has for the rule: `v_slow` and `v_fast`, which lag by three steps.
_FILTERS = """
slow_0 : volt
slow_1 : volt
slow_2 : volt
v_slow : volt
fast_0 : volt
fast_1 : volt
fast_2 : volt
v_fast : volt
"""
_FILTERS_STEP = """
v_slow = slow_2
slow_2 = slow_1
slow_1 = slow_0
slow_0 += (v - slow_0)*dt/tau_slow
v_fast = fast_2
fast_2 = fast_1
fast_1 = fast_0
fast_0 += (v - fast_0)*dt/tau_fast
"""

#: Exponential integrate-and-fire neuron with adaptation, a depolarising current after a spike, and
#: a threshold that a spike raises. `counter` is 1 and 2 in the two steps of a spike.
CLOPATH_NEURON = NeuronModel(
    name="clopath_neuron",
    equations="""
    v : volt
    w_ad : amp
    z : amp
    v_t : volt
    counter : 1
    i_in : amp
    """
    + _FILTERS,
    on_step=_FILTERS_STEP
    + """
    ends = int(counter > 1.5)
    v = ends*v_after + (1 - ends)*v
    w_ad += ends*b
    z = ends*z_spike + (1 - ends)*z
    v_t = ends*v_t_spike + (1 - ends)*v_t
    counter = (1 - ends)*counter
    change = dt*(g_leak*(v_rest - v + delta_t*exp((v - v_t)/delta_t)) - w_ad + z + i_in)/c_m
    change_w = dt*(a*(v - v_rest) - w_ad)/tau_w
    v += change
    w_ad += change_w
    z -= z*dt/tau_z
    v_t += (v_t_rest - v_t)*dt/tau_t
    i_in = 0*i_in
    going = int(counter > 0.5)
    counter += going
    v = going*v_second + (1 - going)*v
    w_ad -= going*change_w
    begins = int(v > v_spike)*int(counter < 0.5)
    v = begins*v_first + (1 - begins)*v
    counter += begins
    """,
    threshold="abs(counter - 1) < 0.5",
    parameters={
        "c_m": 281 * pF,  # membrane capacitance
        "g_leak": 30 * nS,  # leak conductance
        "v_rest": -70.6 * mV,
        "delta_t": 2 * mV,  # slope of the upswing
        "v_spike": 20 * mV,  # above it there is a spike:
        "v_first": 29.4 * mV,  # the potential in its first step,
        "v_second": 32.862 * mV,  # in its second,
        "v_after": -49.5016 * mV,  # and after it
        "v_t_rest": -50.4 * mV,  # threshold of the upswing
        "v_t_spike": -30.4 * mV,  # and after a spike
        "tau_t": 50 * ms,
        "a": 4 * nS,  # adaptation: coupling to v,
        "b": 0.0805 * pA,  # rise with a spike (nA in the paper, pA in the program),
        "tau_w": 144 * ms,  # and decay
        "z_spike": 400 * pA,  # depolarising current after a spike
        "tau_z": 40 * ms,
        "tau_slow": 10 * ms,  # low-passed potentials: of depression,
        "tau_fast": 7 * ms,  # and of potentiation
    },
    initial={
        "v": "v_rest",
        "v_t": "v_t_rest",
        **{f"{k}_{n}": "v_rest" for k in ("slow", "fast") for n in range(3)},
        "v_slow": "v_rest",
        "v_fast": "v_rest",
    },
    references=_REFERENCES,
)

#: A membrane that is held at a potential, to see the rule by itself.
CLAMPED = NeuronModel(
    name="clamped",
    equations="v : volt\n" + _FILTERS,
    on_step=_FILTERS_STEP,
    parameters={k: CLOPATH_NEURON.parameters[k] for k in ("tau_slow", "tau_fast")},
    references=_REFERENCES,
)

#: The rule. The presynaptic trace gains 1/15 in the step after a spike and loses 1/15 of it a step.
CLOPATH = PlasticityRule(
    name="clopath",
    pre_equations="dx/dt = -x/tau_x : 1",
    pre_spike="x += x_spike",
    on_pre="w = clip(w - a_ltd*clip(v_slow_post - theta_low, 0*mV, 1*volt), w_min, w_max)",
    on_step="""
    above = clip(v_post - theta_high, 0*mV, 1*volt)
    before = clip(v_fast_post - theta_low, 0*mV, 1*volt)
    w = clip(w + a_ltp*x_pre*above*before, w_min, w_max)
    """,
    parameters={
        "tau_x": -1 * ms / np.log(14 / 15),  # 15 ms: the trace of spikes loses 1/15 a step,
        "x_spike": 1 / 14,  # and a spike adds 1/15 in the step that follows
        "a_ltd": 14e-5 / mV,  # depression by a presynaptic spike
        "a_ltp": 8e-5 / mV**2,  # potentiation in a step of 1 ms
        "theta_low": -70.6 * mV,  # thresholds: of what was before,
        "theta_high": -45.3 * mV,  # and of v
    },
    references=_REFERENCES,
)

#: A pulse in the next step, of w times 1 uA: the neuron spikes.
PULSE = SynapseModel(
    name="pulse",
    on_pre="i_in_post += w*pulse",
    parameters={"pulse": 1e6 * pA},
    references=_REFERENCES,
)

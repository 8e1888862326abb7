"""Leaky integrate-and-fire neurons with an exponentially decaying synaptic input."""

from brian2 import ms, mV

from brainsleep import NeuronModel, SynapseModel

#: Leaky integrate-and-fire neuron. `i_syn` is a dimensionless input, `r` its effect in mV.
LIF = NeuronModel(
    name="lif",
    equations="""
    dv/dt = (v_rest - v + r*i_syn)/tau_m : volt
    di_syn/dt = -i_syn/tau_syn : 1
    """,
    threshold="v > v_threshold",
    reset="v = v_reset",
    on_step="v = clip(v, v_low, v_high)",
    parameters={
        "tau_m": 30 * ms,  # membrane time constant
        "tau_syn": 30 * ms,  # decay of the synaptic input
        "r": 30 * mV,  # effect of a unit of input on the membrane
        "v_rest": -70 * mV,
        "v_reset": -80 * mV,
        "v_threshold": -55 * mV,
        "v_low": -100 * mV,  # the membrane is kept within v_low and v_high
        "v_high": 40 * mV,
    },
    initial={"v": "v_rest"},
    references=("arXiv:2601.08447",),
)

#: The same neuron with a threshold that each spike raises by `a_spike` and that recovers.
ADAPTIVE_LIF = NeuronModel(
    name="adaptive_lif",
    equations="""
    dv/dt = (v_rest - v + r*i_syn)/tau_m : volt
    di_syn/dt = -i_syn/tau_syn : 1
    da/dt = -a/tau_a : volt
    """,
    threshold="v > v_threshold + a",
    reset="""
    v = v_reset
    a += a_spike
    """,
    on_step="v = clip(v, v_low, v_high)",
    parameters={
        **LIF.parameters,
        "tau_a": 100 * ms,  # recovery of the threshold
        "a_spike": 3 * mV,  # rise of the threshold with each spike
    },
    initial={"v": "v_rest"},
    references=("arXiv:2601.08447",),
)

#: A spike adds w*charge/tau_syn to the input of the target, with its sign.
CURRENT = SynapseModel(
    name="current",
    on_pre="i_syn_post += w_sign*w*charge/tau_syn_post",
    parameters={"charge": 1 * ms},  # w = 1 gives an input of charge/tau_syn
    references=("arXiv:2601.08447",),
)

"""Competitive learning after Diehl & Cook (2015): neuron, synapse and plasticity rules.

`COMPETITIVE_LIF` with `VOLTAGE` synapses and `STDP_COMPETITIVE` make a network of one layer in
which every spike inhibits all other neurons directly, without a second population: a
simplification of the paper's network that Hazan et al. (2018) introduced, with their numbers.
Inhibition is a `VOLTAGE` projection of the layer on itself, ``sign=-1``, w = 17.5.
"""

import dataclasses

from brian2 import ms, mV, second

from brainsleep import NeuronModel, PlasticityRule, SynapseModel
from brainsleep.models.stdp import STDP_NEAREST

_PAPER = "doi:10.3389/fncom.2015.00099"
_ONE_LAYER = "doi:10.3389/fninf.2018.00089"

#: Leaky integrate-and-fire neuron whose threshold rises with every spike in wake.
#:
#: The slow threshold `theta` changes only where both the input and the plasticity gate are open:
#: not in sleep, where plasticity may go on, and not in tests. Every slot (every image) starts
#: from rest, which also ends a refractory period; `t_hold` is what is left of it. In it, v stays
#: at its reset value and what arrives has no effect.
COMPETITIVE_LIF = NeuronModel(
    name="competitive_lif",
    equations="""
    dv/dt = (v_rest - v)/tau_m : volt
    dtheta/dt = -input_gate*plasticity_gate*theta/tau_theta : volt
    t_hold : second
    """,
    threshold="v > v_threshold + theta",
    reset="""
    v = v_reset
    theta += input_gate*plasticity_gate*theta_spike
    t_hold = t_ref
    """,
    on_slot="""
    v = v_rest
    t_hold = 0*second
    """,
    on_step="""
    held = int(t_hold > dt/2)
    v = (1 - held)*v + held*v_reset
    t_hold = clip(t_hold - dt, 0*second, t_ref)
    """,
    parameters={
        "tau_m": 100 * ms,  # membrane time constant
        "v_rest": -65 * mV,
        "v_reset": -60 * mV,
        "v_threshold": -52 * mV,  # threshold of a neuron that has not fired yet
        "t_ref": 5 * ms,  # refractory period
        "theta_spike": 0.05 * mV,  # rise of the threshold with each spike
        "tau_theta": 1e4 * second,  # its recovery
    },
    initial={"v": "v_rest"},
    method="exact",
    references=(_PAPER, _ONE_LAYER),
)

#: A spike adds w mV to the membrane potential of the target, with its sign.
VOLTAGE = SynapseModel(
    name="voltage",
    on_pre="v_post += w_sign*w*v_unit",
    parameters={"v_unit": 1 * mV},  # effect of w = 1
    references=(_ONE_LAYER,),
)

#: Pair rule of the competitive network: a post spike adds 0.002*x, a pre spike takes 0.0001*y.
STDP_COMPETITIVE = dataclasses.replace(
    STDP_NEAREST.with_parameters(
        lr=2e-3,  # potentiation
        a_minus=0.05,  # depression is 20 times weaker
        tau_plus=20 * ms,
        tau_minus=20 * ms,
    ),
    name="stdp_competitive",
    references=(_PAPER, _ONE_LAYER),
)

#: The paper's rule of one trace, with a target and a soft upper bound.
#:
#: Only postsynaptic spikes change w: up where the presynaptic trace is above `x_target`, down
#: where it is below. w comes to rest where the trace is on average `x_target` when the neuron
#: fires. A weight that is exactly `w_max` stays there for mu > 0, as published: start below it.
DIEHL_COOK = PlasticityRule(
    name="diehl_cook",
    pre_equations="dx/dt = -x/tau_x : 1",
    pre_spike="x += 1",
    on_post="w = clip(w + lr*(x_pre - x_target)*(w_max - w)**mu, w_min, w_max)",
    parameters={  # the paper gives no numbers; these are from the authors' code
        "lr": 0.01,  # learning rate
        "x_target": 0.4,  # presynaptic trace at a postsynaptic spike that changes nothing
        "mu": 0.2,  # how the change depends on the distance to w_max; 0: hard bound
        "tau_x": 20 * ms,  # decay of the trace
    },
    references=(_PAPER,),
)

"""Competitive learning after Diehl & Cook (2015): neuron, synapse and plasticity rules.

`COMPETITIVE_LIF` with `VOLTAGE` synapses and `STDP_COMPETITIVE` make a network of one layer in
which every spike inhibits all other neurons directly, without a second population: a
simplification of the paper's network that Hazan et al. (2018) introduced, with their numbers.
Inhibition is a `VOLTAGE` projection of the layer on itself, ``sign=-1``, w = 17.5.

`two_layers` is the network of the authors' code: every excitatory neuron drives an inhibitory one
of its own, which inhibits all other excitatory neurons; conductances, delays of the input, a rule
with three traces, and weights that are normalised before every presentation.
"""

import dataclasses

from brian2 import ms, mV, second

from brainsleep import (
    Connectivity,
    NetworkSpec,
    NeuronModel,
    OneToOne,
    PlasticityRule,
    Population,
    Projection,
    SynapseModel,
)
from brainsleep.models.homeostasis import NORMALISE
from brainsleep.models.stdp import STDP_NEAREST

#: What was compared with what, by where that is.
VERIFIED = {
    "Diehl & Cook (2015)": (
        "single neurons, inputs and thresholds against the authors' code; not yet the accuracy"
    ),
}

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

# -- the network of the authors' code ----------------------------------------------------------

#: Poisson input that is shown for 350 ms of every slot; in the rest of it there is none.
PRESENTED = NeuronModel(
    name="presented",
    equations="""
    rate : Hz
    begin : second
    """,
    on_slot="""
    rate = input_gate*stimulus
    begin = t
    """,
    threshold="rate > 0*Hz and t - begin < t_shown - 0.5*dt and rand() < rate*dt",
    parameters={"t_shown": 350 * ms},  # how long of a slot the image is shown
    references=(_PAPER,),
)

_CONDUCTANCES = """
    dv/dt = (v_rest - v + g_e*(v_e - v) + g_i*(v_i - v))/tau_m : volt (unless refractory)
    dg_e/dt = -g_e/tau_e : 1
    dg_i/dt = -g_i/tau_i : 1
"""

#: Excitatory neuron, with conductances in units of the leak. Its threshold, `theta` above
#: `v_threshold`, rises with every spike in wake and all but stays there; in tests it is fixed.
EXCITATORY = NeuronModel(
    name="diehl_cook_e",
    equations=_CONDUCTANCES
    + """
    dtheta/dt = -plasticity_gate*theta/tau_theta : volt
    """,
    threshold="v > v_threshold + theta",
    reset="""
    v = v_reset
    theta += plasticity_gate*theta_spike
    """,
    refractory="t_ref",
    parameters={
        "tau_m": 100 * ms,  # membrane time constant
        "v_rest": -65 * mV,
        "v_e": 0 * mV,  # reversal potentials of excitation and inhibition
        "v_i": -100 * mV,
        "v_reset": -65 * mV,
        "v_threshold": -72 * mV,  # threshold at theta = 0: -52 mV less an offset of 20 mV
        "v_start": -105 * mV,
        "theta_start": 20 * mV,
        "theta_spike": 0.05 * mV,  # rise of the threshold with each spike
        "tau_theta": 1e4 * second,  # its recovery
        "tau_e": 1 * ms,  # decay of the conductances
        "tau_i": 2 * ms,
        "t_ref": 5 * ms,  # refractory period
    },
    initial={"v": "v_start", "theta": "theta_start"},
    references=(_PAPER,),
)

#: Inhibitory neuron of the same kind.
INHIBITORY = NeuronModel(
    name="diehl_cook_i",
    equations=_CONDUCTANCES,
    threshold="v > v_threshold",
    reset="v = v_reset",
    refractory="t_ref",
    parameters={
        "tau_m": 10 * ms,  # membrane time constant
        "v_rest": -60 * mV,
        "v_e": 0 * mV,
        "v_i": -85 * mV,
        "v_reset": -45 * mV,
        "v_threshold": -40 * mV,
        "v_start": -100 * mV,
        "tau_e": 1 * ms,
        "tau_i": 2 * ms,
        "t_ref": 2 * ms,
    },
    initial={"v": "v_start"},
    references=(_PAPER,),
)

#: A spike adds w to the excitatory, or inhibitory, conductance of the target.
EXCITES = SynapseModel(name="excites", on_pre="g_e_post += w", references=(_PAPER,))
INHIBITS = SynapseModel(name="inhibits", on_pre="g_i_post += w", references=(_PAPER,))

#: The rule of the authors' code. A post spike strengthens by the trace of pre spikes, if there was
#: another post spike before; a pre spike weakens by the fast trace of post spikes. Every synapse
#: has a trace `x` of its own, since its pre spikes arrive with its delay. Spikes set traces to 1.
TRIPLET_NEAREST = PlasticityRule(
    name="triplet_nearest",
    equations="dx/dt = -x/tau_x : 1 (event-driven)",
    post_equations="""
    dy1/dt = -y1/tau_y1 : 1
    dy2/dt = -y2/tau_y2 : 1
    """,
    post_spike="""
    y1 = 1
    y2 = 1
    """,
    on_pre="""
    x = 1
    w = clip(w - lr_minus*y1_post, w_min, w_max)
    """,
    on_post="w = clip(w + lr_plus*x*y2_post, w_min, w_max)",
    parameters={
        "lr_minus": 1e-4,  # depression
        "lr_plus": 1e-2,  # potentiation
        "tau_x": 20 * ms,
        "tau_y1": 20 * ms,
        "tau_y2": 40 * ms,
    },
    references=(_PAPER,),
)


def two_layers(
    name: str, n_neurons: int = 400, *, n_inputs: int = 784, w_sum: float = 78.0
) -> NetworkSpec:
    """Make the authors' network of `n_neurons` excitatory neurons and as many inhibitory ones.

    Weights of the input to each are normalised to a sum of `w_sum` where the gate `normalise` is
    open, at the beginning of a slot.
    """
    learned = Projection(
        name="input_e",
        source="input",
        target="e",
        synapse=EXCITES,
        weights="0.3*(rand() + 0.01)",
        delay="uniform(0*ms, 10*ms)",
        rules=(TRIPLET_NEAREST,),
        processes=(NORMALISE.with_parameters(w_star=w_sum / n_inputs),),
    )
    drive = Projection(
        name="ei",
        source="e",
        target="i",
        synapse=EXCITES,
        connectivity=OneToOne(),
        weights=10.4,
        w_max=20.0,
    )
    inhibition = Projection(
        name="ie",
        source="i",
        target="e",
        synapse=INHIBITS,
        connectivity=Connectivity(p="int(i != j)"),
        weights=17.0,
        sign=-1,
        w_max=20.0,
    )
    return NetworkSpec(
        name=name,
        populations=(
            Population(name="input", size=n_inputs, model=PRESENTED),
            Population(name="e", size=n_neurons, model=EXCITATORY),
            Population(name="i", size=n_neurons, model=INHIBITORY),
        ),
        projections=(learned, drive, inhibition),
        dt=0.5 * ms,
    )


#: The network with 400 excitatory neurons.
DIEHL_COOK_2015 = two_layers("diehl_cook")

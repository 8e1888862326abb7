"""Assemblies that form and stay (Litwin-Kumar & Doiron 2014): neurons, plasticity, the network.

4000 excitatory and 1000 inhibitory neurons, connected with a probability of 20 %. A group of
excitatory neurons that is stimulated becomes an assembly: voltage-dependent plasticity (the rule of
Clopath et al. 2010, with other numbers) strengthens synapses within it, every 20 ms the summed
excitation of each neuron is brought back to what it was, and inhibition adapts until neurons fire
at 3 Hz. Weights are in pF, the charge a volt that a spike brings.

Where a neuron is depolarised, all of its synapses grow in every time step. Here neurons sum up what
is due (`gathered`), and a synapse takes its part when a presynaptic spike comes, and every 20 ms
before normalisation. That is the same but for rounding, and does not go through all synapses in
every step, as `EVERY_STEP` does, which is `brainsleep.models.clopath.CLOPATH`. Periods and slots
are to be whole multiples of 20 ms.

As in the authors' program, integrated by Euler's method in steps of 0.1 ms, a spike ends at the
reset in the very step in which v passes the peak, so that plasticity never sees the peak. Not as
there: a spike is transmitted after it has depressed its synapse, v is not held for another step
after the refractory period, and the last excitatory neuron is one.
"""

import dataclasses

from brian2 import Hz, kHz, ms, mV, nS, pA, pF

from brainsleep import (
    Connectivity,
    NetworkSpec,
    NeuronModel,
    Pathway,
    PlasticityRule,
    Population,
    Projection,
    SynapseModel,
    WeightProcess,
)
from brainsleep.models.clopath import CLOPATH
from brainsleep.models.vogels import VOGELS

_REFERENCES = ("doi:10.1038/ncomms6319",)

VERIFIED = {
    "Litwin-Kumar & Doiron (2014)": (
        "rates and weights of an independent program, within 10 % and 5 %"
    ),
}

#: Synaptic conductances that rise and decay, and spikes of others that come at random.
_SYNAPTIC = """
drise_e/dt = -rise_e/tau_rise_e : farad
ddecay_e/dt = -decay_e/tau_decay_e : farad
drise_i/dt = -rise_i/tau_rise_i : farad
ddecay_i/dt = -decay_i/tau_decay_i : farad
g_e = (decay_e - rise_e)/(tau_decay_e - tau_rise_e) : siemens
g_i = (decay_i - rise_i)/(tau_decay_i - tau_rise_i) : siemens
rate : Hz
"""

_FROM_OUTSIDE = """
from_outside = charge_outside*poisson(rate*dt)
rise_e += from_outside
decay_e += from_outside
"""

_OF_SYNAPSES = {
    "c_m": 300 * pF,  # membrane capacitance
    "tau_m": 20 * ms,  # membrane time constant
    "v_e": 0 * mV,  # reversal potentials of excitation
    "v_i": -75 * mV,  # and inhibition
    "v_reset": -60 * mV,
    "t_ref": 1 * ms,  # refractory period
    "tau_rise_e": 1 * ms,  # excitatory conductance
    "tau_decay_e": 6 * ms,
    "tau_rise_i": 0.5 * ms,  # inhibitory conductance
    "tau_decay_i": 2 * ms,
}

#: Excitatory neuron: exponential integrate-and-fire, with adaptation and a threshold that rises
#: with each spike. `v_slow` and `v_fast` are low-passed potentials, `x` is a trace of spikes.
ASSEMBLY_E = NeuronModel(
    name="assembly_e",
    equations="""
    dv/dt = (v_rest - v + delta*exp((v - v_t)/delta))/tau_m
            + (g_e*(v_e - v) + g_i*(v_i - v) - w_ad)/c_m : volt (unless refractory)
    dv_t/dt = (v_t_rest - v_t)/tau_t : volt
    dw_ad/dt = (a*(v - v_rest) - w_ad)/tau_w : amp
    dv_slow/dt = (v - v_slow)/tau_slow : volt
    dv_fast/dt = (v - v_fast)/tau_fast : volt
    x : 1
    grown : 1
    gathered : volt**2*second
    peaked : 1
    """
    + _SYNAPTIC,
    on_slot="rate = rate_outside + input_gate*stimulus",
    on_step=_FROM_OUTSIDE
    + """
    peaked = int(v > v_peak)
    v = peaked*v_reset + (1 - peaked)*v
    x *= exp(-dt/tau_x)
    anew = int(grown > exp((window - 1.5*dt)/tau_x))
    grown = anew + (1 - anew)*grown*exp(dt/tau_x)
    above = clip(v - theta_high, 0*mV, 1*volt)
    before = clip(v_fast - theta_low, 0*mV, 1*volt)
    gathered = (1 - anew)*gathered + plasticity_gate*dt*above*before/grown
    """,
    threshold="peaked > 0.5",
    reset="""
    w_ad += b
    v_t = v_t_spike
    x += x_spike
    """,
    refractory="t_ref",
    parameters={
        **_OF_SYNAPSES,
        "v_rest": -70 * mV,
        "delta": 2 * mV,  # slope of the upswing
        "v_peak": 20 * mV,  # where it is cut off
        "v_t_rest": -52 * mV,  # threshold of the upswing,
        "v_t_spike": -42 * mV,  # after a spike,
        "tau_t": 30 * ms,  # and back
        "a": 4 * nS,  # adaptation: coupling to v,
        "b": 0.805 * pA,  # rise with a spike,
        "tau_w": 150 * ms,  # and decay
        "rate_outside": 4.5 * kHz,  # spikes of others
        "charge_outside": 1.78 * pF,  # and what each brings
        "tau_slow": 10 * ms,  # low-passed potentials: of depression,
        "tau_fast": 7 * ms,  # and of potentiation
        "tau_x": 15 * ms,  # trace of spikes
        "x_spike": 1 / 15,
        "theta_low": -70 * mV,  # of potentiation, as the rule has them
        "theta_high": -49 * mV,
        "window": 20 * ms,  # after so long what was gathered has been taken
    },
    initial={
        "v": "v_reset + rand()*(v_t_rest - v_reset)",
        "v_t": "v_t_rest",
        "w_ad": "a*(v_reset - v_rest)",
        "v_slow": "v_reset",
        "v_fast": "v_reset",
        "grown": "exp(window/tau_x)",
    },
    references=_REFERENCES,
)

#: Inhibitory neuron: leaky integrate-and-fire.
ASSEMBLY_I = NeuronModel(
    name="assembly_i",
    equations="""
    dv/dt = (v_rest - v)/tau_m + (g_e*(v_e - v) + g_i*(v_i - v))/c_m : volt (unless refractory)
    """
    + _SYNAPTIC,
    on_slot="rate = rate_outside",
    on_step=_FROM_OUTSIDE,
    threshold="v > v_threshold",
    reset="v = v_reset",
    refractory="t_ref",
    parameters={
        **_OF_SYNAPSES,
        "v_rest": -62 * mV,
        "v_threshold": -52 * mV,
        "rate_outside": 2.25 * kHz,
        "charge_outside": 1.27 * pF,
    },
    initial={"v": "v_reset + rand()*(v_threshold - v_reset)"},
    references=_REFERENCES,
)

#: A spike brings w pF; among excitatory neurons, `counted` is what a synapse has got of `gathered`,
#: and a spike is transmitted after it has changed its synapse.
CHARGE_EE = SynapseModel(
    name="charge_ee",
    equations="counted : volt**2*second",
    on_pre="",
    pathways=(
        Pathway(
            name="transmit",
            code="""
            rise_e_post += w*c_unit
            decay_e_post += w*c_unit
            """,
        ),
    ),
    parameters={"c_unit": 1 * pF},  # charge a volt of w = 1
    references=_REFERENCES,
)

#: The same onto inhibitory neurons, and of inhibition.
CHARGE_E = dataclasses.replace(
    CHARGE_EE,
    name="charge_e",
    equations="",
    on_pre="rise_e_post += w*c_unit\ndecay_e_post += w*c_unit",
    pathways=(),
)
CHARGE_I = dataclasses.replace(
    CHARGE_E, name="charge_i", on_pre="rise_i_post += w*c_unit\ndecay_i_post += w*c_unit"
)

_TAKE = """
w = clip(w + a_ltp*x_pre*grown_post*(gathered_post - counted), w_min, w_max)
counted = gathered_post
"""

_A_LTP = 0.0014 / (mV**2 * ms)  # potentiation, where the trace of spikes is 1

#: Voltage-dependent plasticity: what is due of potentiation, then depression by the spike.
VOLTAGE_STDP = PlasticityRule(
    name="voltage",
    equations="counted : volt**2*second (linked)",
    on_pre=_TAKE + "w = clip(w - a_ltd*clip(v_slow_post - theta_low, 0*mV, 1*volt), w_min, w_max)",
    parameters={
        "a_ltp": _A_LTP,
        "a_ltd": 0.0008 / mV,  # depression by a presynaptic spike
        "theta_low": -70 * mV,  # threshold of depression
    },
    references=(*_REFERENCES, "doi:10.1038/nn.2479"),
)

#: Every synapse takes what is due, before the neurons begin to sum up anew.
POTENTIATE = WeightProcess(
    name="potentiate",
    equations="counted : volt**2*second (linked)",
    on_onset="counted *= int(counted <= gathered_post)",  # else it is of a window long ago
    on_update=_TAKE + "counted = 0*counted",
    period=20 * ms,
    parameters={"a_ltp": _A_LTP},
    references=_REFERENCES,
)

#: All synapses of a neuron lose as much as they have gained on average.
NORMALISE_MEAN = WeightProcess(
    name="normalise",
    sums={"w_sum": "w", "w_count": "1"},
    on_update="w = clip(w - (w_sum_post/w_count_post - w_star), w_min, w_max)",
    period=20 * ms,
    parameters={"w_star": 2.86},  # mean weight at the start
    references=_REFERENCES,
)

#: The same plasticity in every time step of 0.1 ms, without `POTENTIATE`.
EVERY_STEP = CLOPATH.with_parameters(
    tau_x=15 * ms,
    x_spike=1 / 15,
    a_ltd=0.0008 / mV,
    a_ltp=0.00014 / mV**2,  # in a step
    theta_low=-70 * mV,
    theta_high=-49 * mV,
)

#: Inhibition that leads excitatory neurons to 3 Hz.
INHIBITORY_STDP = VOGELS.with_parameters(lr=1.0, rho_target=3 * Hz, tau=20 * ms)


def _projection(name: str, synapse: SynapseModel, w: float, p: float, **more) -> Projection:
    return Projection(
        name=name,
        source=name[0],
        target=name[1],
        synapse=synapse,
        connectivity=Connectivity(p=p),
        weights=w,
        sign=1 if name[0] == "e" else -1,
        **{"w_max": 1000.0, **more},
    )


def assemblies(n_e: int = 4000, n_i: int = 1000, p: float = 0.2) -> NetworkSpec:
    """Make the network of `n_e` excitatory and `n_i` inhibitory neurons."""
    return NetworkSpec(
        name="assemblies",
        populations=(
            Population(name="e", size=n_e, model=ASSEMBLY_E),
            Population(name="i", size=n_i, model=ASSEMBLY_I),
        ),
        projections=(
            _projection(
                "ee",
                CHARGE_EE,
                2.86,
                p,
                w_min=1.78,
                w_max=21.4,
                rules=(VOLTAGE_STDP,),
                processes=(POTENTIATE, NORMALISE_MEAN),
            ),
            _projection("ei", CHARGE_E, 1.27, p),
            _projection("ie", CHARGE_I, 48.7, p, w_min=48.7, w_max=243.0, rules=(INHIBITORY_STDP,)),
            _projection("ii", CHARGE_I, 16.2, p),
        ),
        dt=0.1 * ms,
    )


#: The network.
ASSEMBLIES = assemblies()

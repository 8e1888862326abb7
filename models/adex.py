"""Adaptive exponential integrate-and-fire neurons (Brette & Gerstner 2005).

They take the synaptic input of `brainsleep.models.lif.CURRENT` and can replace the LIF neuron.

Use a time step of 0.1 ms or less (``NetworkSpec(dt=0.1*ms)``), and Euler's method: the upswing of
a spike is so steep that within the last step v passes any bound. Euler's method takes the
adaptation current of that step from the potential before it; a Runge-Kutta method would evaluate
it at the potential after it, and add a jump that is not in the equations.
"""

import dataclasses

from brian2 import ms, mV, nA, nS, pA, pF

from brainsleep import NeuronModel
from brainsleep.models.lif import LIF

#: What was compared with what, by where that is.
VERIFIED = {
    "tests/network/test_neuron_models.py": (
        "every step against plain Python, rest and rheobase against closed forms, firing patterns"
    ),
}

#: Regular spiking, as in the paper: a pyramidal neuron of the cortex. `u` is the adaptation
#: current (w in the papers, where it is not the name of a weight).
ADEX = NeuronModel(
    name="adex",
    equations="""
    dv/dt = (g_leak*(v_rest - v + delta*exp((v - v_threshold)/delta)) + i_unit*i_syn - u)/c_m : volt
    du/dt = (a*(v - v_rest) - u)/tau_u : amp
    di_syn/dt = -i_syn/tau_syn : 1
    """,
    threshold="v > v_peak",
    reset="""
    v = v_reset
    u += b
    """,
    parameters={
        "c_m": 281 * pF,  # membrane capacitance
        "g_leak": 30 * nS,  # leak conductance
        "v_rest": -70.6 * mV,  # reversal potential of the leak
        "v_threshold": -50.4 * mV,  # where the upswing of a spike begins
        "delta": 2 * mV,  # its sharpness
        "v_peak": 0 * mV,  # where it is cut off
        "v_reset": -70.6 * mV,
        "a": 4 * nS,  # adaptation below threshold
        "b": 80.5 * pA,  # rise of the adaptation current with each spike
        "tau_u": 144 * ms,  # its decay
        "tau_syn": LIF.parameters["tau_syn"],  # decay of the synaptic input
        "i_unit": 1 * nA,  # current of a unit of synaptic input
    },
    initial={"v": "v_rest"},
    references=("doi:10.1152/jn.00686.2005",),
)


def _pattern(name: str, **parameters) -> NeuronModel:
    """Make a firing pattern of Naud et al. (2008), with a threshold of -50 mV in all of them."""
    return dataclasses.replace(
        ADEX.with_parameters(v_threshold=-50 * mV, **parameters),
        name=name,
        references=(*ADEX.references, "doi:10.1007/s00422-008-0264-7"),
    )


#: Spikes at equal intervals (at 500 pA).
ADEX_TONIC = _pattern(
    "adex_tonic",
    c_m=200 * pF,
    g_leak=10 * nS,
    v_rest=-70 * mV,
    v_reset=-58 * mV,
    a=2 * nS,
    b=0 * pA,
    tau_u=30 * ms,
)

#: Intervals grow during a step of current (at 500 pA).
ADEX_ADAPTING = _pattern(
    "adex_adapting",
    c_m=200 * pF,
    g_leak=12 * nS,
    v_rest=-70 * mV,
    v_reset=-58 * mV,
    a=2 * nS,
    b=60 * pA,
    tau_u=300 * ms,
)

#: A burst at the onset of the current, then single spikes (at 400 pA).
ADEX_INITIAL_BURST = _pattern(
    "adex_initial_burst",
    c_m=130 * pF,
    g_leak=18 * nS,
    v_rest=-58 * mV,
    v_reset=-50 * mV,
    a=4 * nS,
    b=120 * pA,
    tau_u=150 * ms,
)

#: Bursts at equal intervals (at 210 pA): v_reset lies above v_threshold.
ADEX_BURSTING = _pattern(
    "adex_bursting",
    c_m=200 * pF,
    g_leak=10 * nS,
    v_rest=-58 * mV,
    v_reset=-46 * mV,
    a=2 * nS,
    b=100 * pA,
    tau_u=120 * ms,
)

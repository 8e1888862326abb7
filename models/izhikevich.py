"""Izhikevich's simple neuron (2003): a quadratic membrane and a recovery variable.

The paper's equations, dv/dt = 0.04 v^2 + 5 v + 140 - u + I and du/dt = a (b v - u) with v in mV
and t in ms, with units. The neurons take the synaptic input of `brainsleep.models.lif.CURRENT`
and can replace the LIF neuron.

Use a time step of 0.1 ms or less (``NetworkSpec(dt=0.1*ms)``). The method is Euler's: v is past
its peak by an amount that depends on the step when it is cut off, and Euler's method keeps that
out of `u`. The paper's own figures use 1 ms (in two half steps of v), so single spike times
differ from them; the firing patterns do not.
"""

import dataclasses

from brian2 import ms, mV

from brainsleep import NeuronModel
from brainsleep.models.lif import LIF

#: What was compared with what, by where that is.
VERIFIED = {
    "tests/network/test_neuron_models.py": (
        "every step against plain Python, rheobase against its closed form, firing patterns"
    ),
}

#: Regular spiking (RS): most excitatory neurons of the cortex. The paper's I is
#: ``i_unit*i_syn``; its examples have I = 10 mV/ms.
IZHIKEVICH = NeuronModel(
    name="izhikevich",
    equations="""
    dv/dt = k2*v**2 + k1*v + k0 - u + i_unit*i_syn : volt
    du/dt = a*(b*v - u) : volt/second
    di_syn/dt = -i_syn/tau_syn : 1
    """,
    threshold="v >= v_peak",
    reset="""
    v = v_reset
    u += d
    """,
    parameters={
        "k2": 0.04 / (mV * ms),  # the membrane near its threshold, fitted by the author
        "k1": 5 / ms,
        "k0": 140 * mV / ms,
        "a": 0.02 / ms,  # rate of recovery
        "b": 0.2 / ms,  # coupling of recovery to v
        "v_reset": -65 * mV,  # the paper's c
        "d": 8 * mV / ms,  # rise of recovery with each spike
        "v_peak": 30 * mV,  # where a spike is cut off
        "tau_syn": LIF.parameters["tau_syn"],  # decay of the synaptic input
        "i_unit": 10 * mV / ms,  # effect of a unit of synaptic input
    },
    initial={"v": -70 * mV, "u": -14 * mV / ms},  # the resting state for b = 0.2
    references=("doi:10.1109/TNN.2003.820440",),
)

#: Intrinsically bursting (IB): a burst, then single spikes.
IZHIKEVICH_INTRINSICALLY_BURSTING = dataclasses.replace(
    IZHIKEVICH.with_parameters(v_reset=-55 * mV, d=4 * mV / ms),
    name="izhikevich_intrinsically_bursting",
)

#: Chattering (CH): bursts at high frequency.
IZHIKEVICH_CHATTERING = dataclasses.replace(
    IZHIKEVICH.with_parameters(v_reset=-50 * mV, d=2 * mV / ms),
    name="izhikevich_chattering",
)

#: Fast spiking (FS): inhibitory interneurons, high rates without adaptation.
IZHIKEVICH_FAST_SPIKING = dataclasses.replace(
    IZHIKEVICH.with_parameters(a=0.1 / ms, d=2 * mV / ms),
    name="izhikevich_fast_spiking",
)

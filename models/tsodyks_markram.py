"""Short-term depression and facilitation (Tsodyks, Pawelzik & Markram 1998).

A synapse has resources, of which a part `x` has recovered. Every spike releases the fraction `u` of
that: `released` is what the last one did. `u` is ``u_se``, or, where a synapse facilitates, it
rises by ``u_se*(1 - u)`` with every spike and decays. Synapses of three states say how long what
is released is active, and sum their currents; those of two states give it to the target at once,
in the way of `brainsleep.models.lif.CURRENT`, and can take its place.

Where spikes come with a period T, ``u = u_se/(1 - (1 - u_se)*exp(-T/tau_facil))`` and, of what can
recover, ``x = (1 - e)/(1 - (1 - u)*e)`` with ``e = exp(-T/tau_rec)``.
"""

import dataclasses

from brian2 import Gohm, Mohm, ms, pA

from brainsleep import NeuronModel, SynapseModel

#: What was compared with what, by where that is.
VERIFIED = {
    "Tsodyks, Pawelzik & Markram (1998)": (
        "release under regular spikes against closed forms, to 1e-6"
    ),
}

_REFERENCES = ("doi:10.1162/089976698300017502", "doi:10.1073/pnas.94.2.719")

#: Depression, two states: resources are used and recover.
DEPRESSING = SynapseModel(
    name="depressing",
    equations="""
    dx/dt = (1 - x)/tau_rec : 1 (event-driven)
    released : 1
    """,
    on_pre="""
    released = u_se*x
    x -= released
    i_syn_post += w_sign*w*released*charge/tau_syn_post
    """,
    initial={"x": 1},
    parameters={
        "u_se": 0.5,  # fraction that a spike releases
        "tau_rec": 800 * ms,  # recovery of what was used
        "charge": 1 * ms,  # all of w = 1, released at once, gives an input of charge/tau_syn
    },
    references=_REFERENCES,
)

#: Facilitation, two states: a spike also raises the fraction that the next one releases.
FACILITATING = SynapseModel(
    name="facilitating",
    equations="""
    dx/dt = (1 - x)/tau_rec : 1 (event-driven)
    du/dt = -u/tau_facil : 1 (event-driven)
    released : 1
    """,
    on_pre="""
    u += u_se*(1 - u)
    released = u*x
    x -= released
    i_syn_post += w_sign*w*released*charge/tau_syn_post
    """,
    initial={"x": 1},
    parameters={
        "u_se": 0.03,  # fraction that the first spike releases
        "tau_rec": 130 * ms,  # recovery of what was used
        "tau_facil": 530 * ms,  # decay of the fraction
        "charge": 1 * ms,  # all of w = 1, released at once, gives an input of charge/tau_syn
    },
    references=_REFERENCES,
)

_THREE_STATES = """
dx/dt = (1 - x - y)/tau_rec : 1 (clock-driven)
dy/dt = -y/tau_in : 1 (clock-driven)
i_syn_post = w_sign*w*amplitude*y : amp (summed)
released : 1
"""

#: Depression, three states: what is released, y, is active before it can recover.
DEPRESSING_CURRENT = SynapseModel(
    name="depressing_current",
    equations=_THREE_STATES,
    on_pre="""
    released = u_se*x
    y += released
    x -= released
    """,
    initial={"x": 1},
    method="exact",
    parameters={
        "u_se": 0.5,  # fraction that a spike releases
        "tau_rec": 800 * ms,  # recovery of what was used
        "tau_in": 3 * ms,  # how long it is active
        "amplitude": 250 * pA,  # current of w = 1 where all is active
    },
    references=_REFERENCES,
)

#: Facilitation, three states.
FACILITATING_CURRENT = SynapseModel(
    name="facilitating_current",
    equations=_THREE_STATES + "du/dt = -u/tau_facil : 1 (event-driven)",
    on_pre="""
    u += u_se*(1 - u)
    released = u*x
    y += released
    x -= released
    """,
    initial={"x": 1},
    method="exact",
    parameters={
        "u_se": 0.03,  # fraction that the first spike releases
        "tau_rec": 130 * ms,  # recovery of what was used
        "tau_facil": 530 * ms,  # decay of the fraction
        "tau_in": 1.5 * ms,  # how long it is active
        "amplitude": 1540 * pA,  # current of w = 1 where all is active
    },
    references=_REFERENCES,
)

#: A membrane that does not spike, of the paper's figures of depression; v is 0 at rest.
PASSIVE = NeuronModel(
    name="passive",
    equations="""
    dv/dt = (r*i_syn - v)/tau_m : volt
    i_syn : amp
    """,
    parameters={
        "tau_m": 40 * ms,  # membrane time constant
        "r": 100 * Mohm,  # input resistance
    },
    method="exact",
    references=_REFERENCES,
)

#: The same of the figures of facilitation.
PASSIVE_FACILITATED = dataclasses.replace(
    PASSIVE.with_parameters(tau_m=60 * ms, r=1 * Gohm), name="passive_facilitated"
)

"""Synaptic tagging and capture by calcium (Luboeinski & Tetzlaff 2021).

Calcium `c` changes the early phase `h` of a synapse, which goes back to `h_0` within hours. Where
it is far from that the synapse has a tag. Where the early phases of a neuron have changed much in
all, it makes proteins `p`, and they turn tags into the late phase `z`, which stays. The weight is
``h + h_0*z``.

So a weak tetanus leaves a tag, and is forgotten; a strong one makes proteins, too, and is kept; and
a weak one is kept if there is a strong one at other synapses of the neuron while its tag lasts.

Neurons are told when to spike: membranes are left out. Values are in mV, as numbers.
"""

from brian2 import ms, second

from brainsleep import NeuronModel, PlasticityRule, SynapseModel

#: What was compared with what, by where that is.
VERIFIED = {
    "Luboeinski & Tetzlaff (2021), tagging and capture": (
        "proteins, tags and late phase after saturation against closed forms and another program; "
        "who captures whose proteins"
    ),
}

_REFERENCES = ("doi:10.1038/s42003-021-01778-y",)

_H_0 = 4.2007  # mV: 5 times gamma_p over gamma_p + gamma_d

#: Neurons that are told when to spike, and make proteins. `changed` is the sum over their synapses.
PROTEINS = NeuronModel(
    name="proteins",
    equations="""
    dp/dt = (-p + int(changed >= theta_pro))/tau_p : 1
    changed : 1
    """,
    spike_trains=True,
    parameters={
        "theta_pro": 0.5 * _H_0,  # change of early phases from which on proteins are made
        "tau_p": 3600 * second,  # of making and decay
    },
    references=_REFERENCES,
)

#: A synapse that says how much its early phase has changed.
TAGGED = SynapseModel(
    name="tagged",
    on_pre="",
    equations="""
    early : 1
    changed_post = abs(early - h_0) : 1 (summed)
    """,
    initial={"early": "h_0"},
    parameters={"h_0": _H_0},  # early phase at rest
    references=_REFERENCES,
)

#: Calcium, early and late phase.
TAGGING = PlasticityRule(
    name="calcium",
    equations="""
    dc/dt = -c/tau_c : 1 (clock-driven)
    above_p = int(c >= theta_p) : 1
    above_d = int(c >= theta_d) : 1
    dh/dt = (rest*(h_0 - h) + gamma_p*(h_up - h)*above_p - gamma_d*h*above_d
             + sigma*sqrt(tau_h*(above_p + above_d))*xi)/tau_h : 1 (clock-driven)
    dz/dt = p_post*((1 - z)*int(h - h_0 >= theta_tag)
                    - (z + z_down)*int(h_0 - h >= theta_tag))/tau_z : 1 (clock-driven)
    early : 1 (linked)
    """,
    on_pre="c += pre_rise",
    on_post="c += post_rise",
    on_step="""
    early = h
    w = clip(h + h_0*z, w_min, w_max)
    """,
    method="heun",
    initial={"h": "h_0"},
    parameters={
        "tau_c": 48.8 * ms,  # decay of calcium
        "pre_rise": 1.0,  # what a presynaptic spike adds
        "post_rise": 0.2758,  # and a postsynaptic one
        "theta_d": 1.2,  # thresholds of depression
        "theta_p": 3.0,  # and of potentiation
        "tau_h": 688.4 * second,  # of the early phase
        "h_0": _H_0,  # early phase at rest
        "h_up": 10.0,  # where potentiation alone would lead
        "rest": 0.1,  # rate of going back to rest, in units of 1/tau_h as both below
        "gamma_p": 1645.6,  # of potentiation
        "gamma_d": 313.1,  # of depression
        "sigma": 2.904,  # noise above threshold
        "theta_tag": 0.2 * _H_0,  # change from which on there is a tag
        "tau_z": 3600 * second,  # of the late phase
        "z_down": 0.5,  # late phase of a synapse that is fully depressed, less than 0
    },
    references=_REFERENCES,
)

#: How long it takes from a presynaptic spike to its calcium, in whole ms (18.8 ms).
DELAY = 19 * ms

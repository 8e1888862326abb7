"""A thalamus and a cortex that fall into slow oscillations (Capone, Pastorelli et al. 2019).

Thalamic cells `th`, one for each feature of an image, excite and are excited by cortical cells
`cx`, of which 20 stand for each image of the training set. One pool of inhibitory cells for either.
All neurons are adaptive exponential integrate-and-fire neurons with alpha-shaped conductances, all
projections all-to-all; weights are peaks of conductances in nS.

Awake, cortical neurons do not adapt, and synapses among cortical and thalamic cells follow spikes:
each image makes an assembly. Asleep, noise drives the cortex, neurons adapt and inhibition is weak,
so assemblies go up and down; what is depressed by pairs of spikes is now more than what is
potentiated. What differs between wake and sleep are signals of the network, which a period gives:

============== ======================================== =======
signal         what it is                               awake
============== ======================================== =======
`b`            rise of adaptation with a spike          0.01 pA
`tau_u`        its decay                                144 ms
`inhibition`   weight of `inh_cx`, over that awake      1
`lr_cx`        learning rate of `cx_cx`                 0.12
`lr_th`        that of the thalamus, over that awake    1
`asymmetry`    depression over potentiation of `cx_cx`  1
`feedback`     whether the thalamus hears the cortex    1
`drive`        rate of spikes of others to each of `cx` 0 Hz
============== ======================================== =======

As in the authors' code and not as in the paper's text: inhibition among `inh` is as strong as onto
`cx`, `re` does not inhibit itself. Spikes are integrated by Euler's method, with the mean of each
conductance over the step, so that its charge is exact. Delays of synapses are dendritic, as in
NEST: they shift the spikes of the target against those of the source, so that spikes at the same
time potentiate. Not as there: delays among `cx` are all 1.1 ms, their mean, where they differ by
0.1 ms. The ten neurons that are taught the class of an image are not here.
"""

import dataclasses

from brian2 import Hz, ms, mV, nS, pA, pF

from brainsleep import (
    Connectivity,
    InitialWeights,
    NetworkSpec,
    NeuronModel,
    Pathway,
    PlasticityRule,
    Population,
    Projection,
    SynapseModel,
)

_REFERENCES = ("doi:10.1038/s41598-019-45525-0",)

VERIFIED = {
    "Slow oscillations of a thalamus and a cortex, Capone et al. (2019)": (
        "neuron and rule against plain numbers; the network's up states and what they do to weights"
    ),
}

#: Adaptive exponential integrate-and-fire with conductances like t*exp(-t/tau), and spikes of
#: others that come at random while there is a stimulus.
ADEX_ALPHA = NeuronModel(
    name="adex_alpha",
    equations="""
    dv/dt = (g_leak*(v_rest - v + delta*exp((v - v_threshold)/delta))
             + g_e*(v_e - v) + g_i*(v_i - v) - u)/c_m : volt (unless refractory)
    du/dt = (a*(v - v_rest) - u)/tau_u : amp
    g_e = (s_e*(1 - exp(-dt/tau_e)) + exp(1)*r_e*(1 - (1 + dt/tau_e)*exp(-dt/tau_e)))*tau_e/dt
        : siemens
    g_i = (s_i*(1 - exp(-dt/tau_i)) + exp(1)*r_i*(1 - (1 + dt/tau_i)*exp(-dt/tau_i)))*tau_i/dt
        : siemens
    s_e : siemens
    r_e : siemens
    s_i : siemens
    r_i : siemens
    rate : Hz
    """,
    on_slot="rate = input_gate*stimulus",
    on_step="""
    s_e = (s_e + exp(1)*r_e*dt/tau_e)*exp(-dt/tau_e)
    r_e = r_e*exp(-dt/tau_e) + g_outside*poisson(rate*dt)
    s_i = (s_i + exp(1)*r_i*dt/tau_i)*exp(-dt/tau_i)
    r_i = r_i*exp(-dt/tau_i)
    """,
    threshold="v > v_peak",
    reset="""
    v = v_reset
    u += b
    """,
    refractory="t_ref",
    parameters={
        "c_m": 281 * pF,  # membrane capacitance
        "g_leak": 30 * nS,  # leak conductance
        "v_rest": -70.6 * mV,  # reversal potential of the leak
        "v_threshold": -50.4 * mV,  # where the upswing of a spike begins
        "delta": 2 * mV,  # its sharpness
        "v_peak": 0 * mV,  # where it is cut off
        "v_reset": -60 * mV,
        "t_ref": 2 * ms,  # refractory period
        "a": 4 * nS,  # adaptation below threshold
        "b": 0.01 * pA,  # its rise with each spike
        "tau_u": 144 * ms,  # its decay
        "v_e": 0 * mV,  # reversal potentials of excitation
        "v_i": -85 * mV,  # and inhibition
        "tau_e": 0.2 * ms,  # time to the peak of the conductance
        "tau_i": 2 * ms,
        "g_outside": 8 * nS,  # peak for a spike of others
    },
    initial={"v": "v_rest"},
    references=(*_REFERENCES, "doi:10.1152/jn.00686.2005"),
)

THALAMIC = dataclasses.replace(ADEX_ALPHA, name="thalamic")
INHIBITORY = dataclasses.replace(ADEX_ALPHA.with_parameters(g_outside=5 * nS), name="inhibitory")
RETICULAR = dataclasses.replace(
    ADEX_ALPHA,
    name="reticular",
    on_slot="",
    equations=ADEX_ALPHA.equations.replace("rate : Hz", ""),
    on_step=ADEX_ALPHA.on_step.replace(" + g_outside*poisson(rate*dt)", ""),
    parameters={k: v for k, v in ADEX_ALPHA.parameters.items() if k != "g_outside"},
)

#: A cortical cell; its adaptation, and spikes of others asleep, are as the signals say.
CORTICAL = dataclasses.replace(
    ADEX_ALPHA,
    name="cortical",
    on_step=ADEX_ALPHA.on_step.replace("rate*dt", "(rate + drive)*dt"),
    parameters={
        **{k: v for k, v in ADEX_ALPHA.parameters.items() if k not in ("b", "tau_u")},
        "g_outside": 15 * nS,
    },
    signals={"b": 1 * pA, "tau_u": 1 * ms, "drive": 1 * Hz},
    initial={"v": "-71.2*mV + rand()*1.2*mV"},
)

#: Excitation and inhibition that nothing changes.
EXCITATION = SynapseModel(
    name="excitation",
    on_pre="r_e_post += w*g_unit",
    parameters={"g_unit": 1 * nS},  # peak of the conductance of w = 1
    references=_REFERENCES,
)
INHIBITION = dataclasses.replace(EXCITATION, name="inhibition", on_pre="r_i_post += w*g_unit")

#: Inhibition of cortical cells: weak asleep.
INHIBITION_CX = dataclasses.replace(
    INHIBITION, on_pre="r_i_post += inhibition*w*g_unit", signals={"inhibition": 1}
)

#: Plastic excitation: a spike is transmitted after it has changed its synapse.
PLASTIC = dataclasses.replace(
    EXCITATION,
    name="plastic",
    on_pre="",
    pathways=(Pathway(name="transmit", code="r_e_post += w*g_unit"),),
)

#: The same from the cortex to the thalamus.
FEEDBACK = dataclasses.replace(
    PLASTIC,
    name="feedback",
    pathways=(Pathway(name="transmit", code="r_e_post += feedback*w*g_unit"),),
    signals={"feedback": 1},
)

#: Pairs of spikes: changes in proportion to what is left to the bounds.
STDP_CX = PlasticityRule(
    name="stdp",
    pre_equations="dx/dt = -x/tau : 1",
    pre_spike="x += 1",
    post_equations="dy/dt = -y/tau : 1",
    post_spike="y += 1",
    on_pre="w = clip(w - asymmetry*lr_cx*w*y_post, w_min, w_max)",
    on_post="w = clip(w + lr_cx*(w_max - w)*x_pre, w_min, w_max)",
    parameters={"tau": 20 * ms},  # both traces
    signals={"asymmetry": 1, "lr_cx": 1},
    references=_REFERENCES,
)

STDP_TH = dataclasses.replace(
    STDP_CX,
    on_pre="w = clip(w - lr_th*lr*w*y_post, w_min, w_max)",
    on_post="w = clip(w + lr_th*lr*(w_max - w)*x_pre, w_min, w_max)",
    parameters={"tau": 20 * ms, "lr": 0.03},  # and learning rate
    signals={"lr_th": 1},
)

#: Values of signals asleep, in the runs of 30 images: adaptation is strong, inhibition weak.
ASLEEP = {
    "b": 120 * pA,
    "tau_u": 400 * ms,
    "inhibition": 0.125,
    "lr_cx": 2e-6,
    "lr_th": 0,
    "asymmetry": 20,
    "drive": 710 * Hz,
}


def _plastic(name: str, w_max: float, rule: PlasticityRule, delay=1 * ms, **more) -> Projection:
    """Make a plastic projection; delays are dendritic."""
    source, target = name.split("_")
    late = 2 * delay  # spikes of the target, so by one delay more than those of the source
    given = {"synapse": PLASTIC, "weights": 1.0, "w_max": w_max, "rules": (rule,), **more}
    return Projection(
        name=name, source=source, target=target, delay=delay, delay_post=late, **given
    )


def _fixed(name: str, w: float, synapse: SynapseModel, **more) -> Projection:
    source, target = name.split("_")
    sign = -1 if synapse in (INHIBITION, INHIBITION_CX) else 1
    given = {"weights": w, "w_max": w, "sign": sign, "delay": 1 * ms, **more}
    return Projection(name=name, source=source, target=target, synapse=synapse, **given)


def thalamus_and_cortex(
    n_images: int = 30,
    *,
    n_features: int = 324,
    n_inh: int = 200,
    w_cx: float = 1.0,
    w_cx_th: float = 130.0,
    lr_cx: float = 0.12,
) -> NetworkSpec:
    """Make the network.

    Parameters
    ----------
    n_images : int
        Images of the training set; each has 20 cortical cells.
    n_features : int
        Thalamic cells.
    n_inh : int
        Inhibitory cells of the cortex, and as many of the thalamus.
    w_cx : float
        Weights among cortical cells at the start are between 0.001 and this, in nS.
    w_cx_th : float
        Bound of the weights from cortex to thalamus, in nS.
    lr_cx : float
        Learning rate among cortical cells awake.
    """
    sizes = {"th": (n_features, THALAMIC), "cx": (20 * n_images, CORTICAL)}
    sizes |= {"inh": (n_inh, INHIBITORY), "re": (n_inh, RETICULAR)}
    everyone = Connectivity(p=1.0, self_connections=True)
    return NetworkSpec(
        name="thaco",
        populations=tuple(
            Population(name=name, size=size, model=model) for name, (size, model) in sizes.items()
        ),
        projections=(
            _plastic("th_cx", 5.5, STDP_TH),
            _plastic("cx_th", w_cx_th, STDP_TH.with_parameters(lr=0.08), synapse=FEEDBACK),
            _plastic(
                "cx_cx",
                150.0,
                STDP_CX,
                weights=InitialWeights(low=0.001, high=w_cx),
                connectivity=everyone,
                delay=1.1 * ms,
            ),
            _fixed("cx_inh", 60.0, EXCITATION),
            _fixed("inh_cx", 4.0, INHIBITION_CX),
            _fixed("inh_inh", 4.0, INHIBITION, connectivity=everyone),
            _fixed("th_re", 10.0, EXCITATION),
            _fixed("re_th", 1.0, INHIBITION),
        ),
        input="th",
        dt=0.1 * ms,
        signals={
            "b": 0.01 * pA,
            "tau_u": 144 * ms,
            "inhibition": 1.0,
            "lr_cx": lr_cx,
            "lr_th": 1.0,
            "asymmetry": 1.0,
            "feedback": 1.0,
            "drive": 0 * Hz,
        },
    )


#: The network of the paper's classification: 600 cortical cells.
THACO = thalamus_and_cortex()

__all__ = [
    "ADEX_ALPHA",
    "ASLEEP",
    "CORTICAL",
    "EXCITATION",
    "FEEDBACK",
    "INHIBITION",
    "INHIBITION_CX",
    "INHIBITORY",
    "PLASTIC",
    "RETICULAR",
    "STDP_CX",
    "STDP_TH",
    "THACO",
    "THALAMIC",
    "thalamus_and_cortex",
]

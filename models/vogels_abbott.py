"""Networks of Vogels & Abbott (2005) as benchmarks of simulators (Brette et al. 2007).

3200 excitatory and 800 inhibitory neurons, connected with a probability of 2 %, without any input:
they keep each other active. `COBA`, `CUBA` and `COBAHH` are benchmarks 1, 2 and 3: integrate-and-
fire neurons with synaptic conductances, the same with synaptic currents, and Hodgkin-Huxley
neurons with conductances. Weights are in nS, those of `CUBA` in mV.
"""

import dataclasses

from brian2 import ms, mV, nS, pF, uS

from brainsleep import Connectivity, NetworkSpec, NeuronModel, Population, Projection, SynapseModel

#: What was compared with what, by where that is.
VERIFIED = {
    "Vogels & Abbott, as benchmarks of Brette et al. (2007)": (
        "rates, irregularity and activity of the benchmarks against independent programs, every "
        "spike of two against Brian2's own code"
    ),
}

_REFERENCES = ("doi:10.1523/JNEUROSCI.3508-05.2005", "doi:10.1007/s10827-007-0038-6")

#: Leaky integrate-and-fire neuron with two conductances. v stays at its reset for `t_ref`.
COBA_LIF = NeuronModel(
    name="coba_lif",
    equations="""
    dv/dt = (g_leak*(v_rest - v) + g_e*(v_e - v) + g_i*(v_i - v))/c_m : volt (unless refractory)
    dg_e/dt = -g_e/tau_e : siemens
    dg_i/dt = -g_i/tau_i : siemens
    """,
    threshold="v > v_threshold",
    reset="v = v_reset",
    refractory="t_ref",
    parameters={
        "c_m": 200 * pF,  # membrane capacitance
        "g_leak": 10 * nS,  # leak conductance: a time constant of 20 ms
        "v_rest": -60 * mV,  # reversal potentials: of the leak,
        "v_e": 0 * mV,  # of excitation,
        "v_i": -80 * mV,  # and of inhibition
        "v_threshold": -50 * mV,
        "v_reset": -60 * mV,
        "tau_e": 5 * ms,  # decay of the conductances
        "tau_i": 10 * ms,
        "t_ref": 5 * ms,  # refractory period
    },
    initial={  # conductances may be negative at first, as in the authors' file
        "v": "v_rest + (5*randn() - 5)*mV",
        "g_e": "(1.5*randn() + 4)*10*nS",
        "g_i": "(12*randn() + 20)*10*nS",
    },
    references=_REFERENCES,
)

#: The same with currents: `u_e` and `u_i` are what they would bring the membrane to.
CUBA_LIF = NeuronModel(
    name="cuba_lif",
    equations="""
    dv/dt = (v_rest - v + u_e + u_i)/tau_m : volt (unless refractory)
    du_e/dt = -u_e/tau_e : volt
    du_i/dt = -u_i/tau_i : volt
    """,
    threshold="v > v_threshold",
    reset="v = v_reset",
    refractory="t_ref",
    parameters={
        "tau_m": 20 * ms,  # membrane time constant
        "v_rest": -49 * mV,  # above threshold
        "v_threshold": -50 * mV,
        "v_reset": -60 * mV,
        "tau_e": 5 * ms,  # decay of the synaptic input
        "tau_i": 10 * ms,
        "t_ref": 5 * ms,  # refractory period
    },
    initial={"v": "v_reset + rand()*(v_threshold - v_reset)"},
    method="exact",
    references=_REFERENCES,
)

#: Hodgkin-Huxley neuron after Traub & Miles. The membrane is not held after a spike: within
#: `t_ref` it only does not count as another one.
COBA_HH = NeuronModel(
    name="coba_hh",
    equations="""
    dv/dt = (g_leak*(v_rest - v) + g_e*(v_e - v) + g_i*(v_i - v)
             - g_na*m**3*h*(v - v_na) - g_k*n**4*(v - v_k))/c_m : volt
    dm/dt = alpha_m*(1 - m) - beta_m*m : 1
    dh/dt = alpha_h*(1 - h) - beta_h*h : 1
    dn/dt = alpha_n*(1 - n) - beta_n*n : 1
    dg_e/dt = -g_e/tau_e : siemens
    dg_i/dt = -g_i/tau_i : siemens
    u = v - v_shift : volt
    alpha_m = 1.28/exprel((13*mV - u)/(4*mV))/ms : Hz
    beta_m = 1.4/exprel((u - 40*mV)/(5*mV))/ms : Hz
    alpha_h = 0.128*exp((17*mV - u)/(18*mV))/ms : Hz
    beta_h = 4/(1 + exp((40*mV - u)/(5*mV)))/ms : Hz
    alpha_n = 0.16/exprel((15*mV - u)/(5*mV))/ms : Hz
    beta_n = 0.5*exp((10*mV - u)/(40*mV))/ms : Hz
    """,
    threshold="v > v_threshold",
    refractory="t_ref",
    parameters={
        **{k: COBA_LIF.parameters[k] for k in "c_m g_leak v_rest v_e v_i tau_e tau_i".split()},
        "g_na": 20 * uS,  # 100 mS/cm**2 on 20000 um**2
        "g_k": 6 * uS,  # 30 mS/cm**2
        "v_na": 50 * mV,
        "v_k": -90 * mV,
        "v_shift": -63 * mV,  # rates of the channels are functions of v - v_shift
        "v_threshold": -20 * mV,  # above it there is a spike
        "t_ref": 3 * ms,
    },
    initial=COBA_LIF.initial,
    method="exponential_euler",
    references=(*_REFERENCES, "doi:10.1017/CBO9780511895401"),
)

#: A spike adds w nS to the excitatory, or inhibitory, conductance of the target.
CONDUCTANCE_E = SynapseModel(
    name="conductance_e",
    on_pre="g_e_post += w*g_unit",
    parameters={"g_unit": 1 * nS},  # effect of w = 1
    references=_REFERENCES,
)
CONDUCTANCE_I = dataclasses.replace(
    CONDUCTANCE_E, name="conductance_i", on_pre="g_i_post += w*g_unit"
)

#: A spike adds w mV to the excitatory, or takes w mV of the inhibitory, input of the target.
INPUT_E = SynapseModel(
    name="input_e",
    on_pre="u_e_post += w*u_unit",
    parameters={"u_unit": 1 * mV},  # effect of w = 1
    references=_REFERENCES,
)
INPUT_I = dataclasses.replace(INPUT_E, name="input_i", on_pre="u_i_post -= w*u_unit")


def network(
    name: str,
    neuron: NeuronModel,
    synapses: tuple[SynapseModel, SynapseModel],
    weights: tuple[float, float],
    *,
    n_e: int = 3200,
    n_i: int = 800,
    p: float = 0.02,
) -> NetworkSpec:
    """Make such a network with excitatory and inhibitory `synapses` of these `weights`."""

    def projections(source: str, synapse: SynapseModel, w: float, sign: int):
        return (
            Projection(
                name=f"{source}{target}",
                source=source,
                target=target,
                synapse=synapse,
                connectivity=Connectivity(p=p),
                weights=w,
                w_max=100.0,
                sign=sign,
            )
            for target in "ei"
        )

    return NetworkSpec(
        name=name,
        populations=tuple(
            Population(name=k, size=size, model=neuron) for k, size in (("e", n_e), ("i", n_i))
        ),
        projections=(
            *projections("e", synapses[0], weights[0], 1),
            *projections("i", synapses[1], weights[1], -1),
        ),
        dt=0.1 * ms,
    )


#: Benchmark 1: weights of 6 and 67 nS.
COBA = network("coba", COBA_LIF, (CONDUCTANCE_E, CONDUCTANCE_I), (6.0, 67.0))

#: Benchmark 2: 1.62 mV is 0.27 nS at 60 mV, 9 mV is 4.5 nS at 20 mV, each over the leak.
CUBA = network("cuba", CUBA_LIF, (INPUT_E, INPUT_I), (1.62, 9.0))

#: Benchmark 3: the conductances of benchmark 1.
COBAHH = network("cobahh", COBA_HH, (CONDUCTANCE_E, CONDUCTANCE_I), (6.0, 67.0))

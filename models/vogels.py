"""Inhibitory plasticity that holds the rate of its target (Vogels et al. 2011), and their network.

A pair of spikes strengthens an inhibitory synapse whatever its order, and every presynaptic spike
weakens it by ``lr*2*rho_target*tau``. Where pre- and postsynaptic spikes are independent the mean
change of w is ``lr*2*tau*rho_pre*(rho_post - rho_target)``: none when the target fires at
`rho_target`. (In time steps of dt simultaneous spikes do not count, and the balance lies at
``rho_target*(1 + dt/(2*tau))``.) Put it on a projection with ``sign=-1``; w is a magnitude.

`BALANCED` is the network of the paper: 8000 excitatory and 2000 inhibitory neurons that are driven
by a constant current, with inhibition of excitatory neurons that starts from almost nothing. As in
the authors' code it learns 0.01 nS a pair. A spike is transmitted before it weakens its synapse.
"""

import dataclasses

from brian2 import Hz, ms, pA

from brainsleep import Connectivity, NetworkSpec, PlasticityRule, Population, Projection
from brainsleep.models.vogels_abbott import COBA_LIF, CONDUCTANCE_E, CONDUCTANCE_I

#: What was compared with what, by where that is.
VERIFIED = {
    "Vogels et al. (2011)": "rates and weights of 100 s against another program",
}

_REFERENCES = ("doi:10.1126/science.1211095",)

#: Symmetric window, depression by every presynaptic spike.
VOGELS = PlasticityRule(
    name="vogels",
    pre_equations="dx/dt = -x/tau : 1",
    pre_spike="x += 1",
    post_equations="dy/dt = -y/tau : 1",
    post_spike="y += 1",
    on_pre="w = clip(w + lr*(y_post - 2*rho_target*tau), w_min, w_max)",
    on_post="w = clip(w + lr*x_pre, w_min, w_max)",
    parameters={
        "lr": 1e-3,  # learning rate, in units of w
        "rho_target": 3 * Hz,  # rate of the postsynaptic neuron to which inhibition leads it
        "tau": 20 * ms,  # window, and decay of both traces
    },
    references=_REFERENCES,
)

#: Neuron with conductances and a constant current; by itself it fires.
DRIVEN_LIF = dataclasses.replace(
    COBA_LIF,
    name="driven_lif",
    equations=COBA_LIF.equations.replace("(v_i - v))", "(v_i - v) + i_drive)"),
    parameters={**COBA_LIF.parameters, "i_drive": 200 * pA},
    initial={"v": "v_rest"},
    references=_REFERENCES,
)


def _projection(source: str, target: str, w: float, *rules: PlasticityRule) -> Projection:
    return Projection(
        name=f"{source}{target}",
        source=source,
        target=target,
        synapse=CONDUCTANCE_E if source == "e" else CONDUCTANCE_I,
        connectivity=Connectivity(p=0.02),
        weights=w,
        w_max=100.0,
        sign=1 if source == "e" else -1,
        rules=rules,
    )


#: The network; weights are in nS.
BALANCED = NetworkSpec(
    name="vogels",
    populations=(
        Population(name="e", size=8000, model=DRIVEN_LIF),
        Population(name="i", size=2000, model=DRIVEN_LIF),
    ),
    projections=(
        _projection("e", "e", 0.3),
        _projection("e", "i", 0.3),
        _projection("i", "e", 1e-10, VOGELS.with_parameters(lr=0.01)),
        _projection("i", "i", 3.0),
    ),
    dt=0.1 * ms,
)

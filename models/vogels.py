"""Inhibitory plasticity that holds the rate of its target (Vogels et al. 2011).

A pair of spikes strengthens an inhibitory synapse whatever its order, and every presynaptic spike
weakens it by ``lr*2*rho_target*tau``. Where pre- and postsynaptic spikes are independent the mean
change of w is ``lr*2*tau*rho_pre*(rho_post - rho_target)``: none when the target fires at
`rho_target`. (In time steps of dt simultaneous spikes do not count, and the balance lies at
``rho_target*(1 + dt/(2*tau))``.) Put it on a projection with ``sign=-1``; w is a magnitude.
"""

from brian2 import Hz, ms

from brainsleep import PlasticityRule

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
    references=("doi:10.1126/science.1211095",),
)

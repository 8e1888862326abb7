"""The calcium-based rule of Graupner & Brunel (2012): a bistable synapse with noise.

Spikes of both sides raise the calcium `c` of a synapse, those of the presynaptic neuron after a
delay (`Projection(delay=...)`). Calcium above ``theta_d`` depresses, above ``theta_p`` it also
potentiates, and there is noise while it is above either. Without calcium the efficacy `rho` moves
to the nearer one of 0 (down) and 1 (up). The synapse is strong where it is up.

Of many such synapses a fraction changes state, which is known where pairs of spikes come with a
period that is long against `tau_ca`, and the move towards 0 or 1 between them is left out: that is
`synaptic_change`.

The noise is that of the authors' programs. Use a time step of 0.1 ms.
"""

import math

import numpy as np
from brian2 import ms, second

from brainsleep import (
    NetworkSpec,
    Pairs,
    PlasticityRule,
    Population,
    Projection,
    SynapseModel,
)
from brainsleep.models.inputs import SPIKE_SOURCE

#: What was compared with what, by where that is.
VERIFIED = {
    "Graupner & Brunel (2012)": (
        "change of weights at 11 lags: closed form to 6e-4, authors' simulation within 0.04"
    ),
}

#: Set of parameters "DP" of the paper: depression before, potentiation after.
GRAUPNER = PlasticityRule(
    name="calcium",
    equations="""
    dc/dt = -c/tau_ca : 1 (clock-driven)
    drho/dt = (gamma_p*(1 - rho)*int(c > theta_p) - gamma_d*rho*int(c > theta_d)
               - rho*(1 - rho)*(rho_star - rho)
               + sigma*sqrt(tau*(int(c > theta_d) + int(c > theta_p)))*xi)/tau : 1 (clock-driven)
    """,
    on_pre="c += pre_rise",
    on_post="c += post_rise",
    on_step="w = clip(w_min + rho*(w_max - w_min), w_min, w_max)",
    method="heun",
    parameters={
        "tau_ca": 20 * ms,  # decay of calcium
        "pre_rise": 1.0,  # what a presynaptic spike adds
        "post_rise": 2.0,  # and a postsynaptic one
        "theta_d": 1.0,  # thresholds of depression
        "theta_p": 1.3,  # and of potentiation
        "gamma_d": 200.0,  # rates of both, in units of 1/tau
        "gamma_p": 321.808,
        "sigma": 2.8284,  # noise above threshold
        "tau": 150 * second,  # of the efficacy
        "rho_star": 0.5,  # from where it goes up
    },
    references=("doi:10.1073/pnas.1109359109", "doi:10.1073/pnas.1220044110"),
)

#: Set "DPD": depression, potentiation, depression.
GRAUPNER_DPD = GRAUPNER.with_parameters(pre_rise=0.9, post_rise=0.9, gamma_d=250.0, gamma_p=550.0)

#: Delays of presynaptic calcium of both.
DELAYS = {"DP": 13.7 * ms, "DPD": 4.6 * ms}


def trials(rule: PlasticityRule, delay, lags: int, n: int) -> NetworkSpec:
    """Make `n` synapses that begin down and `n` that begin up, for each of some lags.

    They end at neurons that are told when to spike: two pre- and two postsynaptic ones for a lag.
    The weight of a synapse that is up is five times that of one that is down.
    """
    neurons = np.arange(2 * lags)
    return NetworkSpec(
        name="trials",
        populations=tuple(
            Population(name=name, size=len(neurons), model=SPIKE_SOURCE)
            for name in ("before", "after")
        ),
        projections=(
            Projection(
                name="synapses",
                source="before",
                target="after",
                synapse=SynapseModel(name="silent", on_pre=""),
                connectivity=Pairs(np.repeat(neurons, n), np.repeat(neurons, n)),
                weights="w_min + (i % 2)*(w_max - w_min)",
                w_min=1.0,
                w_max=5.0,
                rules=(rule,),
                values={"calcium_rho": "i % 2"},
                delay=delay,
            ),
        ),
        dt=0.1 * ms,
    )


def time_above(rule: PlasticityRule, delay, lags, period) -> tuple[np.ndarray, np.ndarray]:
    """Return for what fraction of time calcium is above the thresholds of both, by lag.

    In a periodic train of pairs, `lags` from the pre- to the postsynaptic spike.
    """
    p = {k: float(v) for k, v in rule.parameters.items()}
    between = (np.atleast_1d(np.asarray(lags, float)) - float(delay)) % float(period)
    # calcium just after the presynaptic spike arrives, and just after the other one
    rest, decay = np.exp(-(float(period) - between) / p["tau_ca"]), np.exp(-between / p["tau_ca"])
    first = (p["pre_rise"] + p["post_rise"] * rest) / (1 - rest * decay)
    second_ = first * decay + p["post_rise"]
    above = []
    for theta in (p["theta_d"], p["theta_p"]):
        lasts = [p["tau_ca"] * np.log(np.maximum(c / theta, 1)) for c in (first, second_)]
        lasting = np.minimum(lasts[0], between) + np.minimum(lasts[1], float(period) - between)
        above.append(lasting / float(period))
    return above[0], above[1]


def state_changes(rule: PlasticityRule, delay, lags, period, pairs: int):
    """Return the fractions that go up of those that began down, and down of those that began up."""
    p = {k: float(v) for k, v in rule.parameters.items()}
    above_d, above_p = time_above(rule, delay, lags, period)
    up, down = p["gamma_p"] * above_p, p["gamma_d"] * above_d
    both = np.maximum(up + down, 1e-300)
    mean, left = up / both, np.exp(-pairs * float(period) * both / p["tau"])
    sd = np.sqrt(p["sigma"] ** 2 * (above_d + above_p) / both * (1 - left**2))
    with np.errstate(divide="ignore"):
        x0, x1 = (-(0.5 - mean + (mean - start) * left) / sd for start in (0, 1))
    erf = np.vectorize(math.erf)
    return (1 + erf(x0)) / 2, (1 - erf(x1)) / 2


def synaptic_change(up, down, *, began_down: float = 0.5, ratio: float = 5.0):
    """Return the mean weight after over that before, of synapses that went `up` and `down`.

    `ratio` is the weight of one that is up over that of one that is down.
    """
    began_up = 1 - began_down
    after = (1 - up) * began_down + down * began_up
    after += ratio * (up * began_down + (1 - down) * began_up)
    return after / (began_down + began_up * ratio)

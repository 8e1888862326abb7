"""Rates that scale synapses (van Rossum, Bi & Turrigiano 2000), and their pair-based rule.

A neuron has a slow sensor `a` of its own rate. All of its synapses grow or shrink in proportion to
their weights, by what the sensor lacks of the goal, and by the integral of that (`missed`). If the
rate of a neuron is in proportion to its weights, small deviations are ``exp(s*t)`` with
``tau_a*s**3 + s**2 + beta*a_goal*s + gamma*a_goal = 0``: they die out where ``beta > gamma*tau_a``,
in oscillations that take an hour or more (`scaling_modes`).

The rule potentiates by the same amount whatever the weight, and depresses in proportion to it. Of
spikes that are independent, weights come to ``c_p/c_d``, and not to their bounds. The noise that
weights have in the paper is left out.
"""

import numpy as np
from brian2 import Hz, Quantity, ms, second

from brainsleep import (
    NetworkSpec,
    NeuronModel,
    OneToOne,
    PlasticityRule,
    Population,
    Projection,
    SynapseModel,
    WeightProcess,
)

_REFERENCES = ("doi:10.1523/JNEUROSCI.20-23-08812.2000",)

VERIFIED = {
    "van Rossum, Bi & Turrigiano (2000)": ("periods and decays: closed form, within 1.5 %"),
}

#: Pairs of spikes, all to all: additive potentiation, multiplicative depression. w is in pS.
STDP_SOFT = PlasticityRule(
    name="stdp_soft",
    pre_equations="dx/dt = -x/tau : 1",
    pre_spike="x += 1",
    post_equations="dy/dt = -y/tau : 1",
    post_spike="y += 1",
    on_pre="w = clip(w - c_d*w*y_post, w_min, w_max)",
    on_post="w = clip(w + c_p*x_pre, w_min, w_max)",
    parameters={
        "c_p": 0.7,  # potentiation, pS (one port has ten times as much, of other mean weights)
        "c_d": 0.003,  # depression, of the weight
        "tau": 20 * ms,  # windows of both
    },
    references=_REFERENCES,
)

#: Scaling by the sensor `a` of the postsynaptic neuron, and by what was `missed`.
RATE_SCALING = WeightProcess(
    name="rate_scaling",
    on_update="""
    w = clip(w*exp(interval*(beta*(a_goal_post - a_post) + gamma*missed_post)), w_min, w_max)
    """,
    period=1 * second,
    parameters={
        "beta": 4e-5 / second / Hz,  # by what the sensor lacks
        "gamma": 1e-7 / second**2 / Hz,  # by the integral of that
    },
    references=_REFERENCES,
)

#: A neuron that fires regularly, at a rate in proportion to the sum of its weights, and its sensor.
PROPORTIONAL = NeuronModel(
    name="proportional",
    equations="""
    dphase/dt = gain*drive : 1
    drive : 1
    da/dt = -a/tau_a : Hz
    dmissed/dt = a_goal - a : 1
    """,
    threshold="phase >= 1",
    reset="""
    phase -= 1
    a += 1/tau_a
    """,
    parameters={
        "gain": 0.1 * Hz,  # rate for a weight of 1
        "tau_a": 100 * second,  # of the sensor
        "a_goal": 20 * Hz,  # rate that it is to come to
    },
    initial={"a": "a_goal"},
    references=_REFERENCES,
)

#: Where the weights come from.
AFFERENT = NeuronModel(name="afferent", equations="", references=_REFERENCES)

#: Weights drive a neuron all the time, without spikes.
DRIVES = SynapseModel(
    name="drives", on_pre="", equations="drive_post = w : 1 (summed)", references=_REFERENCES
)


def scaled(goals, betas, *, above: float = 1.01) -> NetworkSpec:
    """Make neurons with one weight each, that begin at `above` times what their goal needs.

    Parameters
    ----------
    goals, betas : sequence
        Goal in Hz and `beta` in 1/(s Hz) of each.
    above : float
        Weight at the start over that at the goal.
    """
    n, goals = len(goals), np.asarray(goals, float)
    return NetworkSpec(
        name="scaled",
        populations=(
            Population(name="before", size=n, model=AFFERENT),
            Population(name="e", size=n, model=PROPORTIONAL, values={"a_goal": goals * Hz}),
        ),
        projections=(
            Projection(
                name="weights",
                source="before",
                target="e",
                synapse=DRIVES,
                connectivity=OneToOne(),
                weights=10 * above * goals,
                w_max=1000.0,
                processes=(RATE_SCALING,),
                values={"rate_scaling_beta": np.asarray(betas, float) / second / Hz},
            ),
        ),
        dt=5 * ms,
    )


def scaling_modes(goal: Quantity, beta: Quantity, gamma: Quantity, tau: Quantity) -> np.ndarray:
    """Return how small deviations of a rate grow, in 1/s: the slowest oscillation first."""
    goal, beta, gamma, tau = (float(each) for each in (goal, beta, gamma, tau))
    roots = np.roots([tau, 1, beta * goal, gamma * goal])
    return roots[np.argsort(-roots.imag)]

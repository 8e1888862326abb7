"""Reward that comes seconds late: dopamine and eligibility traces (Izhikevich 2007).

1000 neurons of Izhikevich's simple model in steps of 1 ms, as in the author's program: one of v is
two half steps. Pairs of spikes change an eligibility trace `c` of excitatory synapses, and every
10 ms dopamine turns some of it into a change of the weight.

Rewards come of two named neurons, `n1` and `n2`: where `n2` spikes within 20 ms of `n1`, dopamine
rises one to three seconds later. This is a network, too: a population `waiting` hears both, a
neuron of it waits for each reward that is to come, and its spike raises the dopamine `da` of the
one neuron of a population `dopamine`, which all excitatory synapses read.

The network differs from the author's program in that each excitatory neuron has exactly 80 targets
among the excitatory and 20 among the inhibitory neurons, and not 100 among both; that the synapse
from `n1` to `n2` comes in addition; and that dopamine is read a step late. A spike that arrives
after a step there takes effect in the next step here without a delay.
"""

import dataclasses

import numpy as np
from brian2 import ms, mV, second

from brainsleep import (
    FixedOutDegree,
    NetworkSpec,
    NeuronModel,
    Pairs,
    Pathway,
    PlasticityRule,
    Population,
    Projection,
    SynapseModel,
    WeightProcess,
)

#: What was compared with what, by where that is.
VERIFIED = {
    "Izhikevich (2007), distal reward": (
        "eligibility and reward against closed forms, an hour of learning against another program"
    ),
}

_REFERENCES = ("doi:10.1093/cercor/bhl152",)

#: Excitatory neuron: regular spiking. Its input is in mV a step of 1 ms.
REGULAR = NeuronModel(
    name="regular",
    equations="""
    v : volt
    u : volt/second
    i_in : volt/second
    da : 1
    """,
    on_step="""
    i_in += noise*(rand() - 0.5)
    v += 0.5*dt*(k2*v**2 + k1*v + k0 - u + i_in)
    v += 0.5*dt*(k2*v**2 + k1*v + k0 - u + i_in)
    u += dt*a*(b*v - u)
    i_in = 0*i_in
    """,
    threshold="v >= v_peak",
    reset="""
    v = v_reset
    u += d
    """,
    parameters={
        "k2": 0.04 / (mV * ms),
        "k1": 5 / ms,
        "k0": 140 * mV / ms,
        "a": 0.02 / ms,  # rate of recovery
        "b": 0.2 / ms,  # coupling of recovery to v
        "d": 8 * mV / ms,  # rise of recovery with each spike
        "v_reset": -65 * mV,
        "v_peak": 30 * mV,  # where a spike is cut off
        "noise": 13 * mV / ms,  # width of the uniform noise of every step
    },
    initial={"v": "v_reset", "u": "b*v_reset"},
    references=_REFERENCES,
)

#: Inhibitory neuron: fast spiking.
FAST = dataclasses.replace(REGULAR.with_parameters(a=0.1 / ms, d=2 * mV / ms), name="fast")

#: A spike adds w mV to the next step of the target. `c` is the eligibility of the synapse.
ELIGIBLE = SynapseModel(
    name="eligible",
    equations="c : 1",
    on_pre="i_in_post += w_sign*w*i_unit",
    parameters={"i_unit": 1 * mV / ms},
    references=_REFERENCES,
)

#: The same of inhibition, which does not learn.
PLAIN = dataclasses.replace(ELIGIBLE, name="plain", equations="")

#: Pairs of spikes change the eligibility, nearest neighbours only. A postsynaptic spike counts for
#: a presynaptic one of the same step, a presynaptic one only from the next step on.
PAIRING = PlasticityRule(
    name="pairing",
    pre_equations="dx/dt = -x/tau : 1",
    pre_spike="x = x_spike",
    post_equations="dy/dt = -y/tau : 1",
    post_spike="y = y_spike",
    equations="c : 1 (linked)",
    on_pre="c -= ratio*(y_post + spiking_post*(y_spike - y_post))",
    on_post="c += x_pre",
    parameters={
        "tau": -1 * ms / np.log(0.95),  # 20 ms: a trace loses 5 % a step
        "x_spike": 0.1 / 0.95,  # 0.1 in the step after the spike
        "y_spike": 0.1,
        "ratio": 1.5,  # depression over potentiation
    },
    references=_REFERENCES,
)

#: Every 10 ms dopamine changes weights by what is eligible, which loses 1 %.
DOPAMINE = WeightProcess(
    name="learn",
    equations="c : 1 (linked)",
    on_update="""
    w = clip(w + (tonic + da_post)*c, w_min, w_max)
    c *= kept
    """,
    period=10 * ms,
    parameters={
        "tonic": 0.002,  # change without any reward
        "kept": 0.99,  # of the eligibility: a decay of 1 s
    },
    references=_REFERENCES,
)

#: The neuron that has the dopamine, which decays by 0.5 % a step.
RELEASE = NeuronModel(
    name="release",
    equations="dda/dt = -da/tau_da : 1",
    parameters={"tau_da": -1 * ms / np.log(0.995)},
    method="exact",
    references=_REFERENCES,
)

#: A neuron that spikes when its reward is due. `heard` is when n1 spiked.
WAITING = NeuronModel(
    name="waiting",
    equations="""
    heard : second
    due : second
    found : 1
    number : 1 (constant)
    """,
    threshold="abs(t - due) < 0.5*dt",
    parameters={"never": -1 * second},
    initial={"heard": "never", "due": "never"},
    references=_REFERENCES,
)

#: How many rewards can be waited for at the same time.
WAITERS = 50

#: What a spike of n1 does: before what one of n2 does in the same step.
HEAR = SynapseModel(
    name="hear",
    on_pre="",
    pathways=(Pathway(name="first", code="heard_post = t", order=-2),),
    references=_REFERENCES,
)

#: What a spike of n2 does soon after one of n1: the neuron whose turn it is will wait.
WAIT = SynapseModel(
    name="wait",
    on_pre="""
    hit = int(t - heard_post > 0.5*dt)*int(t - heard_post < window - 0.5*dt)
    mine = hit*int(found_post % n_waiting == number_post)
    due_post += mine*(t + least + ceil(rand()*spread/dt)*dt - due_post)
    found_post += hit
    """,
    parameters={
        "window": 20 * ms,
        "least": 1 * second,  # delay of a reward
        "spread": 2 * second,
        "n_waiting": WAITERS,
    },
    references=_REFERENCES,
)

#: A reward raises dopamine.
REWARD = SynapseModel(name="reward", on_pre="da_post += w", references=_REFERENCES)

#: All neurons have the dopamine of the one that releases it.
SPREAD = SynapseModel(
    name="spread", on_pre="", equations="da_post = w*da_pre : 1 (summed)", references=_REFERENCES
)


def _projection(name, source, target, synapse, connectivity, w=1.0, **more) -> Projection:
    return Projection(
        name=name,
        source=source,
        target=target,
        synapse=synapse,
        connectivity=connectivity,
        weights=w,
        w_max=4.0,
        **more,
    )


_LEARNS = {"rules": (PAIRING,), "processes": (DOPAMINE,)}

_ALL = np.arange(WAITERS)

#: The network; n1 and n2 are neurons 0 and 1 of `e`. Weights are in mV.
DISTAL_REWARD = NetworkSpec(
    name="distal_reward",
    populations=(
        Population(name="e", size=800, model=REGULAR),
        Population(name="i", size=200, model=FAST),
        Population(name="waiting", size=WAITERS, model=WAITING, values={"number": "i"}),
        Population(name="dopamine", size=1, model=RELEASE),
    ),
    projections=(
        _projection("ee", "e", "e", ELIGIBLE, FixedOutDegree(80, repeats=True), **_LEARNS),
        _projection("ei", "e", "i", ELIGIBLE, FixedOutDegree(20, repeats=True), **_LEARNS),
        _projection("ie", "i", "e", PLAIN, FixedOutDegree(100, repeats=True), sign=-1),
        _projection("n1_n2", "e", "e", ELIGIBLE, Pairs([0], [1]), 0.0, **_LEARNS),
        _projection("hear", "e", "waiting", HEAR, Pairs(0 * _ALL, _ALL)),
        _projection("wait", "e", "waiting", WAIT, Pairs(0 * _ALL + 1, _ALL)),
        _projection("reward", "waiting", "dopamine", REWARD, Pairs(_ALL, 0 * _ALL), 0.5),
        _projection("da_e", "dopamine", "e", SPREAD, Pairs(np.zeros(800, int), np.arange(800))),
        _projection("da_i", "dopamine", "i", SPREAD, Pairs(np.zeros(200, int), np.arange(200))),
    ),
    dt=1 * ms,
)

"""Sleep replay consolidation: a ReLU network that sleeps as a spiking one (Tadros et al. 2022).

Layers of a ReLU network that has learned are layers of threshold units here, with the same weights.
Asleep, pixels spike at random with the mean image of what was learned, inside a square window that
is somewhere else in each step. Each unit adds up what it is given and spikes at a threshold; then
its weights from units that spiked in the step before, which made it spike, rise by
``inc*g(w)``, and all its others fall by ``dec*g(w)``. As ``g(w) = 2/(1 + exp(w/0.001))`` is 0 for
weights well above 0, these stay: only weights near or below 0 move.

In the authors' program a spike goes through all layers within a step. Here it takes a step a layer,
and the three layers work at three steps at a time. That is the same, spike by spike, as units have
the input of a step by themselves, spikes are passed on after weights were changed, and a rule
looks at the spikes of the step before; but a sleep takes three more steps, without input, in which
the last spikes go through. The authors' initial weights, rates of learning, thresholds and
rates differ from data set to data set, and are in `MNIST` and `FASHION`. What weights are divided
by, ``gain``, follows from the data that were learned: the task sets it.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
from brian2 import Hz, ms

from brainsleep import (
    Connectivity,
    NetworkSpec,
    NeuronModel,
    Pairs,
    Pathway,
    PlasticityRule,
    Population,
    Projection,
    SynapseModel,
)

_REFERENCES = ("doi:10.1038/s41467-022-34938-7",)

#: What was compared with what, by where that is.
VERIFIED = {
    "Sleep replay consolidation, Tadros et al. (2022)": (
        "the network against the published algorithm in plain numbers, spike by spike; accuracies"
    ),
}


class Constants(NamedTuple):
    """What the authors chose for a data set."""

    rate: float  #: rate of a pixel of grey value 1 in the mean image, in Hz
    inc: float  #: rise of a weight, over g
    dec: float  #: fall of a weight, over g
    beta: tuple[float, ...]  #: threshold of each layer
    alpha: float  #: factor of all weights asleep


#: Pixels spike with twice the probability that the authors' parameter of the rate says.
MNIST = Constants(
    2 * 239.515363, 0.032064, 0.003344, (14.548273, 44.560317, 38.046326), 55.882454
)  # fmt: skip
FASHION = Constants(
    2 * 181.047258, 0.041001, 0.003344, (40.446884, 27.596929, 33.109393), 31.592987
)  # fmt: skip

#: Where the window is: drawn anew in each step.
WINDOW = NeuronModel(
    name="window",
    equations="""
    top : 1
    left : 1
    """,
    on_step="""
    top = floor(rand()*places)
    left = floor(rand()*places)
    """,
    parameters={"places": 18},  # rows, and columns, that it can begin at
    references=_REFERENCES,
)

#: A pixel: it spikes at random with its rate while it is in the window.
PIXEL = NeuronModel(
    name="pixel",
    equations="""
    rate : Hz
    row : 1 (constant)
    column : 1 (constant)
    top : 1 (linked)
    left : 1 (linked)
    """,
    on_slot="rate = input_gate*stimulus",
    threshold=(
        "rate*dt > 0 and row >= top and row < top + width"
        " and column >= left and column < left + width and rand() < rate*dt"
    ),
    parameters={"width": 11},  # of the window, in pixels
    references=_REFERENCES,
)

#: A unit of a layer. `drive` is the sum of weights of the spikes of the step before.
UNIT = NeuronModel(
    name="unit",
    equations="""
    v : 1
    drive : 1
    gain : 1
    """,
    on_slot="v = plasticity_gate*v",  # it falls asleep with nothing
    on_step="""
    v = kept*v + alpha*gain*drive
    drive = 0
    """,
    threshold="v >= beta",
    reset="v = 0",
    parameters={"kept": 0.999, "alpha": 1.0, "beta": 1.0},
    initial={"gain": 1},
    references=_REFERENCES,
)

#: A spike is passed on after those of the same step have changed weights.
PASS_ON = SynapseModel(
    name="pass_on",
    on_pre="",
    pathways=(Pathway(name="transmit", code="drive_post += w_sign*w", order=2),),
    references=_REFERENCES,
)

#: All weights of a unit that spikes change. ``1 - tanh(x/2)`` is ``2/(1 + exp(x))``, for any x.
REPLAY = PlasticityRule(
    name="replay",
    on_post="""
    fired = pairing*spiked_pre
    w = clip(w + (inc*fired - dec*(1 - fired))*(1 - tanh(0.5*w/w_soft)), w_min, w_max)
    """,
    parameters={
        "inc": MNIST.inc,
        "dec": MNIST.dec,
        "w_soft": 0.001,  # weights well above stay as they are
        "pairing": 1,  # 0: all units count as silent
    },
    references=_REFERENCES,
)

#: The same where it is not asked who spiked, but what a unit was told of it (`past`).
REPLAY_OF_OTHERS = dataclasses.replace(
    REPLAY, on_post=REPLAY.on_post.replace("spiked_pre", "past_pre")
)

#: Sets who is told in the next step: another unit, always the same.
TELL = SynapseModel(name="tell", on_pre="told_post = 1", references=_REFERENCES)

#: Whether any unit of a population spiked in the step before.
ANYBODY = NeuronModel(
    name="anybody",
    equations="""
    heard : 1
    found : 1
    """,
    on_step="""
    found = heard
    heard = 0
    """,
    references=_REFERENCES,
)
HEAR = SynapseModel(name="hear", on_pre="heard_post = 1", references=_REFERENCES)


def _permuted(model: NeuronModel) -> NeuronModel:
    """Let units know whether another one spiked in the step before, which tells them."""
    return dataclasses.replace(
        model,
        name=f"{model.name}_permuted",
        equations=f"{model.equations}\ntold : 1\npast : 1",
        on_step=f"past = told\ntold = 0\n{model.on_step}",
    )


def _earlier(model: NeuronModel) -> NeuronModel:
    """Let units know whether they spiked in the last step with spikes but for the one before."""
    return dataclasses.replace(
        model,
        name=f"{model.name}_earlier",
        equations=f"{model.equations}\ntold : 1\nshown : 1\npast : 1\nfound : 1 (linked)",
        on_step=(
            "past = past + found*(shown - past)\n"
            "shown = shown + found*(told - shown)\n"
            f"told = 0\n{model.on_step}"
        ),
        reset=f"{model.reset}\ntold = 1",
    )


#: How units know of other spikes than those that made a unit spike.
PRE = {"own": None, "permuted": _permuted, "earlier": _earlier}


def _dense(name: str, source: str, target: str, start: float, rule: PlasticityRule) -> Projection:
    return Projection(
        name=name,
        source=source,
        target=target,
        synapse=PASS_ON,
        connectivity=Connectivity(p=1.0),
        weights=f"uniform({-start}, {start})",
        w_min=-100.0,
        w_max=100.0,
        sign=None,
        rules=(rule,),
    )


def sleep_replay(
    constants: Constants = MNIST,
    *,
    side: int = 28,
    hidden: tuple[int, ...] = (1200, 1200),
    n_classes: int = 10,
    width: int = 11,
    start: float = 0.01,
    pre: str = "own",
) -> NetworkSpec:
    """Make the network.

    Parameters
    ----------
    constants : Constants
        Rates of learning, thresholds and the factor of weights; the rate is the schedule's.
    side : int
        Height and width of images, in pixels.
    hidden : tuple of int
        Units of hidden layers.
    n_classes : int
        Units of the output.
    width : int
        Height and width of the window, in pixels.
    start : float
        Weights are between this and its negative before anything is learned.
    pre : {"own", "permuted", "earlier"}
        Whose spikes count as those before a unit's: the true ones; those of other units, always
        the same ones (`permuted`); or those of an earlier step, the last that had any (`earlier`).
    """
    rule = (REPLAY if pre == "own" else REPLAY_OF_OTHERS).with_parameters(
        inc=constants.inc, dec=constants.dec
    )
    change = PRE[pre] or (lambda model: model)
    layers = [f"hidden_{k + 1}" for k in range(len(hidden))] + ["output"]
    models = [UNIT.with_parameters(beta=beta, alpha=constants.alpha) for beta in constants.beta]
    names = ["input", *layers]
    populations = [
        Population(name="window", size=1, model=WINDOW.with_parameters(places=side - width + 1)),
        Population(
            name="input",
            size=side**2,
            model=change(PIXEL.with_parameters(width=width)),
            values={"row": f"i // {side}", "column": f"i % {side}"},
        ),
    ]
    for name, size, model in zip(layers, (*hidden, n_classes), models, strict=True):
        last = name == "output"  # nobody's source
        populations.append(Population(name=name, size=size, model=model if last else change(model)))
    projections = [
        _dense(f"w_{k + 1}", source, target, start, rule)
        for k, (source, target) in enumerate(zip(names, layers, strict=False))
    ]
    links = {"input.top": "window.top", "input.left": "window.left"}
    sizes = {p.name: p.size for p in populations}
    for source in names[:-1]:
        if pre == "permuted":
            other = np.random.default_rng(sizes[source]).permutation(sizes[source])
            projections.append(_aside(source, source, TELL, Pairs(other, np.arange(len(other)))))
        elif pre == "earlier":
            populations.insert(0, Population(name=f"any_{source}", size=1, model=ANYBODY))
            projections.append(_aside(source, f"any_{source}", HEAR, Connectivity(p=1.0)))
            links[f"{source}.found"] = f"any_{source}.found"
    return NetworkSpec(
        name="sleep_replay",
        populations=tuple(populations),
        projections=tuple(projections),
        input="input",
        dt=1 * ms,
        links=links,
    )


def _aside(source: str, target: str, synapse: SynapseModel, connectivity) -> Projection:
    """Make a projection that only tells of spikes."""
    return Projection(
        name=f"{source}_{synapse.name}",
        source=source,
        target=target,
        synapse=synapse,
        connectivity=connectivity,
        weights=1.0,
    )


#: The networks of the paper.
SLEEP_REPLAY = sleep_replay()
SLEEP_REPLAY_FASHION = sleep_replay(FASHION)

#: Rate of a pixel of grey value 1.
RATE, RATE_FASHION = MNIST.rate * Hz, FASHION.rate * Hz

__all__ = [
    "ANYBODY",
    "FASHION",
    "HEAR",
    "MNIST",
    "PASS_ON",
    "PIXEL",
    "RATE",
    "RATE_FASHION",
    "REPLAY",
    "REPLAY_OF_OTHERS",
    "SLEEP_REPLAY",
    "SLEEP_REPLAY_FASHION",
    "TELL",
    "UNIT",
    "WINDOW",
    "Constants",
    "sleep_replay",
]

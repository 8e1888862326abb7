"""The surrogate-gradient network of Massey et al. (arXiv:2601.08447), and two sleeps for it.

225 inputs, 1000 hidden and 10 output neurons (snnTorch's leaky neurons, beta 0.95). An image is a
constant current; awake the network learns by surrogate gradients and Adam. Asleep its input is
silent, noise drives the membranes, pair STDP changes weights, and weight magnitudes are moved.

`SG_SNN` is what the authors' code does, with images of 15x15 pixels (`SG_SNN_28`:
28x28, the size of their checkpoint; which of the two made the published table is open). A sleep is
25 steps of 128 copies of the network; their changes are averaged and made once, then every
``|w|`` becomes ``0.2*(|w|/0.2)**0.999``. That *raises* all weights below 0.2, which are nearly all
of them.

`SG_SNN_DECAY` is not in the paper: the same neurons without biases, and the sleep of the STDP
network, whose decay leads all weights towards 0.01 (time constant 33.3 s) while the network sleeps
itself. It learns the cross-entropy of spike counts over 100 steps.
"""

import math

from brian2 import ms

from brainsleep import PlasticityRule, SpontaneousActivity, WeightProcess
from brainsleep.models.sleep import DECAY_STATIC, MEMBRANE_NOISE
from brainsleep.models.stdp import STDP_ALL_TO_ALL
from brainsleep.network.layers import (
    CurrentInput,
    DenseProjection,
    LeakyPopulation,
    SurrogateNetwork,
)

#: What was compared with what, by where that is.
VERIFIED = {
    "docs/reproduction.md": "accuracies of the published table",
    "tests/backends/test_surrogate.py": "learning and a whole sleep against plain snnTorch",
}

#: The time an image is shown, and one sleep, in the authors' code: 25 steps.
ITERATION = 25 * ms

#: The same of `SG_SNN_DECAY`: 100 steps.
ITERATION_DECAY = 100 * ms

#: Noise on every membrane; thresholds are 1, and nothing has a unit.
NOISE = SpontaneousActivity(
    name="noise",
    on_step=MEMBRANE_NOISE.on_step,
    parameters={"sd": 3.0},  # standard deviation per time step
    references=MEMBRANE_NOISE.references,
)

#: As in the code of the published table; a later script has 3.
NOISE_PAPER = NOISE.with_parameters(sd=0.5)

#: Pair STDP on signed weights.
STDP = STDP_ALL_TO_ALL.with_parameters(
    lr=1e-3, a_plus=0.01, a_minus=0.012, tau_plus=20 * ms, tau_minus=20 * ms
)

#: The same, as the authors count: spikes of the same step are a pair of lag 0, and one that counts
#: both ways.
STDP_PAPER = PlasticityRule(
    name="stdp_same_step",
    pre_equations=STDP.pre_equations,
    pre_spike=STDP.pre_spike,
    post_equations=STDP.post_equations,
    post_spike=STDP.post_spike,
    on_pre="w -= lr*a_minus*(y_post + spiking_post)",
    on_post="w += lr*a_plus*(x_pre + spiking_pre)",
    parameters=STDP.parameters,
    references=("arXiv:2601.08447",),
)

#: Once a sleep, a step of every magnitude towards 0.2.
RAISE_PAPER = WeightProcess(
    name="decay",
    on_update="w = clip(w_star*exp(exp(-interval/tau_w)*log(w/w_star)), w_min, w_max)",
    period=ITERATION,
    parameters={
        "tau_w": -ITERATION / math.log(0.999),  # the exponent 0.999 in an iteration
        "w_star": 0.2,  # where magnitudes lead
    },
    references=("arXiv:2601.08447",),
)

_REFERENCES = ("arXiv:2601.08447", "doi:10.1109/JPROC.2023.3308088")


def paper_network(n_inputs: int = 225, n_hidden: int = 1000, n_classes: int = 10, **changes):
    """Make the authors' network in another size.

    Parameters
    ----------
    n_inputs, n_hidden, n_classes : int
        Sizes of the layers.
    **changes
        Other fields of `brainsleep.network.layers.SurrogateNetwork`.

    Returns
    -------
    SurrogateNetwork
        Populations ``input``, ``hidden``, ``output``; projections ``input_hidden``,
        ``hidden_output``. Their rule is on both; the input never spikes, so here it is on the
        second alone.
    """
    neuron = {"surrogate": "atan", "steepness": 2.0, "activities": (NOISE_PAPER,)}
    layer = {**neuron, "activities_first": True}
    parts = {"bias": True, "processes": (RAISE_PAPER,)}
    settings = {"name": "sg_snn", "loss": "ce_step_loss", "sleeping_copies": 128}
    return SurrogateNetwork(
        populations=(
            CurrentInput(name="input", size=n_inputs),
            LeakyPopulation(name="hidden", size=n_hidden, **layer),
            LeakyPopulation(name="output", size=n_classes, **layer),
        ),
        projections=(
            DenseProjection(name="input_hidden", source="input", target="hidden", **parts),
            DenseProjection(
                name="hidden_output",
                source="hidden",
                target="output",
                rules=(STDP_PAPER,),
                **parts,
            ),
        ),
        references=_REFERENCES,
        **{**settings, **changes},
    )


def decay_network(
    decay: WeightProcess = DECAY_STATIC,
    rule: PlasticityRule = STDP,
    *,
    n_inputs: int = 225,
    n_hidden: int = 1000,
    n_classes: int = 10,
) -> SurrogateNetwork:
    """Make the network that sleeps as the STDP network does, or with another process or rule.

    Parameters
    ----------
    decay : WeightProcess
        What sleep does to the weights.
    rule : PlasticityRule
        Plasticity in sleep.
    n_inputs, n_hidden, n_classes : int
        Sizes of the layers.

    Returns
    -------
    SurrogateNetwork
        Populations and projections are called as in `paper_network`.
    """
    parts = {"rules": (rule,), "processes": (decay,)}
    return SurrogateNetwork(
        name="sg_snn_decay",
        populations=(
            CurrentInput(name="input", size=n_inputs),
            LeakyPopulation(name="hidden", size=n_hidden, activities=(NOISE,)),
            LeakyPopulation(name="output", size=n_classes, activities=(NOISE,)),
        ),
        projections=(
            DenseProjection(name="input_hidden", source="input", target="hidden", **parts),
            DenseProjection(name="hidden_output", source="hidden", target="output", **parts),
        ),
        references=_REFERENCES,
    )


#: The authors' network and sleep, images of 15x15 pixels.
SG_SNN = paper_network()

#: The same for images of 28x28 pixels.
SG_SNN_28 = paper_network(28 * 28)

#: With the sleep of the STDP network: decay towards 0.01.
SG_SNN_DECAY = decay_network()

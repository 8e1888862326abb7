"""The surrogate-gradient network of Massey et al. (arXiv:2601.08447), and the sleep it is given.

225 inputs, 1000 hidden and 10 output neurons (snnTorch's leaky neurons, beta 0.95), images as
constant currents for 100 steps. Awake it learns by surrogate gradients and Adam; asleep its input
is silent, noise drives the membranes, pair STDP changes the weights, and they decay.

`SG_SNN` is given the very sleep of the STDP network: the same decay process with the same numbers
(towards 0.01 with a time constant of 33.3 s). Its loss is the cross-entropy of spike counts.
`SG_SNN_RELEASED` has the numbers of the authors' code: once a sleep ``|w|`` becomes
``0.2*(|w|/0.2)**0.999``, and the loss is the cross-entropy of the output spikes in every step. That
loss is least if a neuron spikes for every class of more than about 14 %, and from 6000 images it
leaves the decision on Fashion-MNIST far below that of the other loss (docs/reproduction.md).
"""

import dataclasses
import math

from brian2 import ms

from brainsleep.models.sleep import DECAY_STATIC, MEMBRANE_NOISE
from brainsleep.models.stdp import STDP_ALL_TO_ALL
from brainsleep.spec import PlasticityRule, WeightProcess
from brainsleep.surrogate import CurrentInput, DenseProjection, LeakyPopulation, SurrogateNetwork

#: One sleep, and the time an image is shown: 100 steps.
ITERATION = 100 * ms

#: Noise on every membrane; thresholds are 1, and nothing has a unit.
NOISE = dataclasses.replace(MEMBRANE_NOISE, parameters={"sd": 3.0})

#: Pair STDP on signed weights, as released.
STDP = STDP_ALL_TO_ALL.with_parameters(
    lr=1e-3, a_plus=0.01, a_minus=0.012, tau_plus=20 * ms, tau_minus=20 * ms
)

#: As released: the exponent 0.999 once a sleep of one iteration.
DECAY_RELEASED = DECAY_STATIC.with_parameters(w_star=0.2, tau_w=-ITERATION / math.log(0.999))


def layered_network(
    decay: WeightProcess = DECAY_STATIC,
    rule: PlasticityRule = STDP,
    *,
    loss: str = "ce_count_loss",
    n_inputs: int = 225,
    n_hidden: int = 1000,
    n_classes: int = 10,
) -> SurrogateNetwork:
    """Make the network with another sleep process, rule or size.

    Parameters
    ----------
    decay : WeightProcess
        What sleep does to the weights.
    rule : PlasticityRule
        Plasticity in sleep.
    loss : str
        Loss awake, see `brainsleep.surrogate.SurrogateNetwork`.
    n_inputs, n_hidden, n_classes : int
        Sizes of the layers.

    Returns
    -------
    SurrogateNetwork
        Populations ``input``, ``hidden``, ``output``; projections ``input_hidden``,
        ``hidden_output``.
    """
    parts = {"rules": (rule,), "processes": (decay,)}
    return SurrogateNetwork(
        name="sg_snn",
        populations=(
            CurrentInput(name="input", size=n_inputs),
            LeakyPopulation(name="hidden", size=n_hidden, activities=(NOISE,)),
            LeakyPopulation(name="output", size=n_classes, activities=(NOISE,)),
        ),
        projections=(
            DenseProjection(name="input_hidden", source="input", target="hidden", **parts),
            DenseProjection(name="hidden_output", source="hidden", target="output", **parts),
        ),
        loss=loss,
        references=("arXiv:2601.08447", "doi:10.1109/JPROC.2023.3308088"),
    )


#: With the sleep of the STDP network.
SG_SNN = layered_network()

#: With the decay and the loss of the authors' code.
SG_SNN_RELEASED = layered_network(DECAY_RELEASED, loss="ce_rate_loss")

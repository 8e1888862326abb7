"""The recurrent E/I network of Massey et al. (arXiv:2601.08447), from their released code.

225 inputs, 200 excitatory and 50 inhibitory adaptive-threshold LIF neurons, four sparse plastic
projections. `PAPER` is the network as released; `recurrent_network` makes variants of it.
"""

from brainsleep.models.inputs import POISSON
from brainsleep.models.lif import ADAPTIVE_LIF, CURRENT
from brainsleep.models.sleep import DECAY_STATIC, MEMBRANE_NOISE
from brainsleep.models.stdp import STDP_NEAREST_REVERSED
from brainsleep.spec import (
    Connectivity,
    InitialWeights,
    NetworkSpec,
    PlasticityRule,
    Population,
    Projection,
    SpontaneousActivity,
    WeightProcess,
)

W_MIN, W_MAX = 0.01, 25.0  # hard bounds of every weight's magnitude


def recurrent_network(
    rule: PlasticityRule = STDP_NEAREST_REVERSED,
    decay: WeightProcess = DECAY_STATIC,
    *,
    activities: tuple[SpontaneousActivity, ...] = (MEMBRANE_NOISE,),
    n_inputs: int = 225,
    n_excitatory: int = 200,
    n_inhibitory: int = 50,
) -> NetworkSpec:
    """Make the network with another plasticity rule, sleep process or size.

    Parameters
    ----------
    rule : PlasticityRule
        Plasticity of all four projections.
    decay : WeightProcess
        What sleep does to the weights of all four projections.
    activities : tuple of SpontaneousActivity
        What can drive the excitatory and inhibitory neurons without input.
    n_inputs, n_excitatory, n_inhibitory : int
        Sizes of the populations.

    Returns
    -------
    NetworkSpec
        Populations ``input``, ``e``, ``i``; projections ``input_e``, ``ee``, ``ei``, ``ie``.
    """

    def projection(source, target, p, w, *, sign=1, avoid=""):
        return Projection(
            name=f"{source}_{target}" if source == "input" else f"{source}{target}",
            source=source,
            target=target,
            synapse=CURRENT,
            connectivity=Connectivity(p=p, avoid_reciprocal=avoid),
            weights=InitialWeights(low=w),
            w_min=W_MIN,
            w_max=W_MAX,
            sign=sign,
            rules=(rule,),
            processes=(decay,),
        )

    return NetworkSpec(
        name="massey2026",
        populations=(
            Population(name="input", size=n_inputs, model=POISSON),
            Population(name="e", size=n_excitatory, model=ADAPTIVE_LIF, activities=activities),
            Population(name="i", size=n_inhibitory, model=ADAPTIVE_LIF, activities=activities),
        ),
        projections=(
            projection("input", "e", 0.10, 0.15),
            projection("e", "e", 0.15, 0.30),
            projection("e", "i", 0.20, 0.40),
            projection("i", "e", 0.25, 0.50, sign=-1, avoid="ei"),
        ),
    )


#: As released in January 2026: reversed nearest-neighbour STDP, decay towards 0.01.
PAPER = recurrent_network()

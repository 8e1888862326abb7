"""How fast homeostasis must be (Zenke, Hennequin & Gerstner 2013): triplets, a sliding target.

The minimal triplet rule, whose depression is in proportion to the square of the neuron's own rate
as a detector `nu` has it, of time constant `tau_nu`. Potentiation and depression are equal where
the rate is `kappa`. On average, of neurons that fire at a rate of ``gain`` times their weight, ::

    dw/dt = A*rate**2*(rate - nu**2/kappa),   A = a3_plus*tau_plus*tau_y

is stable only if ``tau_nu`` is less than ``1/(A*kappa**2*gain)`` (`critical`): a slower detector
comes too late, and rates explode or swing. `MEAN_FIELD` is that as equations, and `RANDOM` neurons
spike at random with that rate, with the rule itself.
"""

import dataclasses

import numpy as np
from brian2 import Hz, Quantity, ms, second

from brainsleep import NetworkSpec, NeuronModel, PlasticityRule, Population, Projection
from brainsleep.models.inputs import POISSON
from brainsleep.models.triplet import TRIPLET_MINIMAL
from brainsleep.models.van_rossum import DRIVES

_REFERENCES = ("doi:10.1371/journal.pcbi.1003330",)

VERIFIED = {
    "Zenke, Hennequin & Gerstner (2013)": (
        "critical time constant and mean field: closed form; the network is not here"
    ),
}

_KAPPA = 3 * Hz

#: The rule; neurons have their detector `nu`, in Hz.
TRIPLET_SLIDING = dataclasses.replace(
    TRIPLET_MINIMAL,
    name="triplet_sliding",
    on_pre="""
    balance = a3_plus*tau_plus*tau_y/tau_minus*nu_post**2/kappa
    w = clip(w - lr*balance*o1_post, w_min, w_max)
    """,
    parameters={
        **{k: v for k, v in TRIPLET_MINIMAL.parameters.items() if k != "a2_minus"},
        "kappa": _KAPPA,  # target rate
    },
    references=(*_REFERENCES, *TRIPLET_MINIMAL.references),
)

_DETECTOR = {
    "tau_nu": 50 * second,  # of the detector
    "kappa": _KAPPA,  # what it begins with
}

#: A neuron that spikes at random, at a rate in proportion to the sum of its weights.
RANDOM = NeuronModel(
    name="random",
    equations="""
    dnu/dt = -nu/tau_nu : Hz
    drive : 1
    """,
    threshold="rand() < gain*drive*dt",
    reset="nu += 1/tau_nu",
    parameters={"gain": 0.5 * Hz, **_DETECTOR},
    initial={"nu": "kappa"},
    method="exact",
    references=_REFERENCES,
)

#: The same on average, of all neurons with all of their synapses.
MEAN_FIELD = NeuronModel(
    name="mean_field",
    equations="""
    dweight/dt = strength*rate**2*(rate - nu**2/kappa) : 1
    dnu/dt = (rate - nu)/tau_nu : Hz
    rate = gain*weight : Hz
    """,
    on_step="weight = clip(weight, 0, 1)",
    parameters={
        "strength": 6.5e-3 * 16.8 * ms * 114 * ms,  # A
        "gain": 100 * Hz,  # rate for a weight of 1
        **_DETECTOR,
    },
    initial={"weight": "kappa/gain", "nu": "kappa"},
    method="rk4",
    references=_REFERENCES,
)


def critical(rule: PlasticityRule = TRIPLET_SLIDING, gain: Quantity = 100 * Hz) -> Quantity:
    """Return the time constant of the detector above which rates are unstable.

    `gain` is by how much the rate rises with the mean weight.
    """
    p = rule.parameters
    strength = p["lr"] * p["a3_plus"] * p["tau_plus"] * p["tau_y"]
    return 1 / (strength * p["kappa"] ** 2 * gain)


def detectors(ratios, *, lr: float = 0.1, each: int = 10, inputs: int = 100) -> NetworkSpec:
    """Make neurons whose detectors have time constants at some `ratios` to the critical one.

    At the start spiking neurons are at 1.1 times the target, and those of the mean field at 1.01
    times. By itself a neuron is noisy at the published learning rate: a lower one makes it less so,
    and everything slower in proportion.

    Parameters
    ----------
    ratios : sequence of float
        Of the time constants.
    lr : float
        Learning rate of spiking neurons; the mean field has the published one, 1.
    each : int
        How many spiking neurons there are of each; of `MEAN_FIELD` there is one.
    inputs : int
        Synapses of each spiking neuron, from Poisson neurons. The gain is 100 Hz for a mean weight
        of 1, as in `MEAN_FIELD`. Weights may become negative, so that there is no bound near.
    """
    ratios, w = np.asarray(ratios, float), float(_KAPPA) / 100
    rule = TRIPLET_SLIDING.with_parameters(lr=lr)
    return NetworkSpec(
        name="detectors",
        populations=(
            Population(name="input", size=inputs, model=POISSON),
            Population(
                name="e",
                size=each * len(ratios),
                model=RANDOM.with_parameters(gain=100 * Hz / inputs),
                values={"tau_nu": float(critical(rule)) * np.repeat(ratios, each) * second},
            ),
            Population(
                name="mean_field",
                size=len(ratios),
                model=MEAN_FIELD,
                values={"tau_nu": float(critical()) * ratios * second, "weight": 1.01 * w},
            ),
        ),
        projections=(
            Projection(
                name="weights",
                source="input",
                target="e",
                synapse=DRIVES,
                weights=1.1 * w,
                w_min=-1.0,
                w_max=1.0,
                sign=None,
                rules=(rule,),
            ),
        ),
        dt=1 * ms,
    )

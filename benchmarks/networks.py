"""The network that every simulator of the benchmark runs: Massey et al. at three sizes and drives.

Sparse projections keep their probabilities; recurrent weights are scaled with the sizes so that
a neuron's summed input stays as in the paper; the weights of the input set the rate. One image
is shown throughout. The learning rate is so small that activity stays where it is: the work done
at every spike is the same as with any other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainsleep.experiment.protocol import Protocol
from brainsleep.models.lif import ADAPTIVE_LIF
from brainsleep.models.massey2026 import recurrent_network
from brainsleep.models.stdp import STDP_NEAREST_REVERSED
from brainsleep.network.spec import NetworkSpec
from brainsleep.run.segment import Segment
from brainsleep.run.state import State, initial_state
from brainsleep.tasks.images.datasets import load_dataset
from brainsleep.tasks.images.encoders import RateEncoder
from brainsleep.tasks.images.task import Images

LEARNING_RATE = 1e-9


@dataclass(frozen=True)
class Size:
    """Sizes of the populations, and the weight of the input at each drive.

    Parameters
    ----------
    side : int
        Height and width of the image in pixels; one input neuron a pixel.
    n_e, n_i : int
        Excitatory and inhibitory neurons.
    input_weight : dict of str to float
        By drive: chosen once so that the rate of E is what `DRIVES` says.
    """

    side: int
    n_e: int
    n_i: int
    input_weight: dict[str, float]


#: Rate of the excitatory neurons in Hz that a drive stands for.
DRIVES = {"low": 2, "high": 60}

SIZES = {
    "200+50": Size(15, 200, 50, {"low": 0.168, "high": 1.068}),
    "1600+400": Size(28, 1600, 400, {"low": 0.0561, "high": 0.321}),
    "6400+1600": Size(28, 6400, 1600, {"low": 0.0561, "high": 0.321}),
}


def network(size: Size, drive: str, precision: str = "float64") -> NetworkSpec:
    """Return the network at a size, driven as `drive` says."""
    spec = recurrent_network(
        STDP_NEAREST_REVERSED,
        neuron=ADAPTIVE_LIF,
        w_ei=0.4,
        lr_ie=8e-4,
        n_inputs=size.side**2,
        n_excitatory=size.n_e,
        n_inhibitory=size.n_i,
    )
    changes = {
        "network.precision": precision,
        "network.projections.*.w_min": 1e-4,
        "network.projections.*.rules.stdp_nearest_reversed.lr": LEARNING_RATE,
        "network.projections.input_e.weights.low": size.input_weight[drive],
        "network.projections.ee.weights.low": 0.3 * 200 / size.n_e,
        "network.projections.ei.weights.low": 0.4 * 200 / size.n_e,
        "network.projections.ie.weights.low": 0.5 * 50 / size.n_i,
    }
    protocol = Protocol(name="benchmark", network=spec, task=Images(encoder=_encoder(size)))
    return protocol.override(changes).network


def _encoder(size: Size) -> RateEncoder:
    return RateEncoder(size=(size.side, size.side), total=0.1 * size.side**2)


def image_rates(size: Size) -> np.ndarray:
    """Return the rates in Hz of the input neurons, shape (n_inputs,)."""
    return _encoder(size).rates(load_dataset("digits").images[:1])[0]


def start(spec: NetworkSpec, seed: int = 1) -> State:
    """Return the state that every simulator starts from."""
    return initial_state(spec, seed)


def wake(spec: NetworkSpec, rates: np.ndarray, slots: int, steps: int = 1000) -> Segment:
    """Return a segment of `slots` slots that all show the same image, as in a wake phase."""
    gates = {gate: np.zeros(slots) for gate in spec.gates}
    gates["input"] = gates["plasticity"] = np.ones(slots)
    return Segment(
        steps=np.full(slots, steps),
        stimulus=np.tile(rates, (slots, 1)),
        gates=gates,
        onset=np.arange(slots) == 0,
        phase=np.full(slots, "wake"),
        raster=np.zeros(slots, dtype=bool),
    )

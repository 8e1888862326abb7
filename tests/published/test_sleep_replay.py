"""Sleep replay consolidation (Tadros et al. 2022): the network against the published algorithm."""

import dataclasses

import numpy as np
import pytest
from conftest import needs_compiler

from brainsleep import Population
from brainsleep.backends.base import make_backend
from brainsleep.models.inputs import SPIKE_SOURCE
from brainsleep.models.sleep_replay import PRE, Constants, sleep_replay
from brainsleep.run.segment import Segment
from brainsleep.run.state import initial_state

COMPILED = [pytest.mark.standalone, needs_compiler]
#: Backends, and whose spikes count: the true ones, or those of controls.
CASES = [
    ("numpy", "own"),
    ("numpy", "permuted"),
    ("numpy", "earlier"),
    pytest.param("cpp", "own", marks=COMPILED),
    pytest.param("cpp", "permuted", marks=[*COMPILED, pytest.mark.long]),
    pytest.param("cpp", "earlier", marks=[*COMPILED, pytest.mark.long]),
]

#: A small network: 36 pixels, 14 and 9 units, 4 outputs.
SIZES = {"side": 6, "hidden": (14, 9), "n_classes": 4, "width": 3}
GAINS = (1.3, 0.7, 2.1)
SMALL = Constants(500.0, 0.032, 0.0033, (0.9, 0.6, 0.5), 5.0)
STEPS = 400


def published(weights, spikes, gains, constants, seen=None):
    """Sleep as the authors' program does: a spike goes through all layers within a step.

    `weights` are of shape (n_pre, n_post), `spikes` (n_steps, n_inputs). ``seen(layer, before)``
    says which presynaptic neurons a rule takes for those that spiked. Returns weights and counts.
    """
    weights = [w.copy() for w in weights]
    potentials = [np.zeros(w.shape[1]) for w in weights]
    counts = [np.zeros(w.shape[1], int) for w in weights]
    for before in spikes:
        for k, w in enumerate(weights):
            potentials[k] = 0.999 * potentials[k] + constants.alpha * gains[k] * (before @ w)
            after = potentials[k] >= constants.beta[k]
            paired = seen(k, before) if seen else before
            for j in np.flatnonzero(after):
                soft = 2 / (1 + np.exp(np.minimum(w[:, j] / 0.001, 700)))
                w[:, j] += np.where(paired, constants.inc * soft, -constants.dec * soft)
            potentials[k][after] = 0
            counts[k] += after
            before = after
    return weights, counts


def others(spec):
    """What a rule sees that is told the spikes of other units, which `Pairs` name."""
    pairs = [p.connectivity for p in spec.projections if p.synapse.name == "tell"]
    return lambda k, before: before[pairs[k].pre.numbers[np.argsort(pairs[k].post.numbers)]]


def earlier(spec):
    """What a rule sees that is told the spikes of an earlier step: the last one with any."""
    last = {}

    def seen(k, before):
        found = last.get(k, np.zeros(len(before), bool))
        if np.any(before):
            last[k] = before
        return found

    return seen


SEEN = {"own": lambda spec: None, "permuted": others, "earlier": earlier}


def told(pre="own"):
    """The network with pixels that are told when to spike, and no window."""
    spec = sleep_replay(SMALL, **SIZES, pre=pre)
    model = (PRE[pre] or (lambda model: model))(SPIKE_SOURCE)
    populations = [
        Population(name="input", size=36, model=model) if p.name == "input" else p
        for p in spec.populations
        if p.name != "window"
    ]
    links = {k: v for k, v in spec.links.items() if "window" not in v}
    return dataclasses.replace(spec, populations=tuple(populations), links=links)


def asleep(spec, spikes):
    """A sleep with these spikes of pixels, and three steps in which they go through the layers."""
    steps, neurons = np.nonzero(spikes)
    return Segment(
        np.array([len(spikes), 3]),
        np.zeros((2, spec.n_inputs)),
        {name: np.ones(2) for name in spec.gates},
        np.array([True, False]),
        np.full(2, "sleep"),
        np.zeros(2, bool),
        trains={"input": (steps, neurons.astype(np.int32))},
    )


def weights_of(state, spec):
    """Weights as matrices, shape (n_pre, n_post)."""
    shapes = {p.name: [spec.population(n).size for n in (p.source, p.target)]
              for p in spec.projections if p.rules}  # fmt: skip
    return [state.arrays[f"{name}.w"].reshape(shape) for name, shape in shapes.items()]


def started(spec, rng):
    """A state with weights around 0, and gains."""
    state = initial_state(spec, 1)
    arrays = {}
    for k, w in enumerate(weights_of(state, spec)):
        arrays[f"w_{k + 1}.w"] = rng.normal(0.01, 0.05, w.size)
    for name, gain in zip(("hidden_1", "hidden_2", "output"), GAINS, strict=True):
        arrays[f"{name}.gain"] = np.full(spec.population(name).size, gain)
    return dataclasses.replace(state, arrays=state.arrays | arrays)


@pytest.mark.parametrize(("backend", "pre"), CASES)
def test_the_network_is_the_published_algorithm(backend, pre):
    spec, rng = told(pre), np.random.default_rng(5)
    spikes = rng.random((STEPS, 36)) < 0.15
    state = started(spec, rng)
    before = weights_of(state, spec)
    after, recording = make_backend(backend, spec).advance(state, asleep(spec, spikes), 1)
    expected, counts = published(before, spikes, GAINS, SMALL, SEEN[pre](spec))
    for k, name in enumerate(("hidden_1", "hidden_2", "output")):
        np.testing.assert_array_equal(recording.counts[name].sum(axis=0), counts[k])
        assert counts[k].sum() > 20
    for one, other, old in zip(weights_of(after, spec), expected, before, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)
        assert np.mean(other > old) > 0.02 and np.mean(other < old) > 0.02

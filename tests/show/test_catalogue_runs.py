"""Every network of the catalogue: the same on NumPy and compiled, and however it is cut.

Networks are shown random input for seven slots of 20 steps, with all gates open but those of noise.
Those that draw random numbers all the same are `DRAWING`: their own tests have them without noise.
"""

from itertools import pairwise

import numpy as np
import pytest
from brian2 import Hz, have_same_dimensions
from conftest import assert_same_bits, needs_compiler

from brainsleep.backends.base import make_backend
from brainsleep.files.load import load_module, shipped
from brainsleep.network.spec import NetworkSpec
from brainsleep.run.segment import Segment
from brainsleep.run.state import initial_state

SLOTS, STEPS = 7, 20

PROTOCOLS = {name: load_module(name, "protocol").PROTOCOL for name in shipped("protocol")}
NETWORKS = {k: p.network for k, p in PROTOCOLS.items() if isinstance(p.network, NetworkSpec)}

#: Protocols whose networks draw random numbers in neurons, and not by a gate of noise.
DRAWING = {
    "benna_fusi",
    "distal_reward",
    "graupner",
    "litwin_kumar",
    "tagging",
    "thaco",
    "zenke",
}


def shown(spec):
    """Random input: spikes in whole steps, so that chance decides nothing on the way."""
    rng, every = np.random.default_rng(1), 1 / float(spec.dt)
    noise = {activity.name for p in spec.populations for activity in p.activities}
    inputs, trains = {}, {}
    for name, unit in spec.inputs.items():
        size = spec.population(name).size
        if unit is None:
            steps, neurons = np.nonzero(rng.random((SLOTS * STEPS, size)) < 0.1)
            trains[name] = steps.astype(np.int64), neurons
        else:
            scale = every if have_same_dimensions(unit, Hz) else 1e-9
            inputs[name] = scale * (rng.random((SLOTS, size)) < 0.3)
    stimulus = inputs.pop(spec.input, np.zeros((SLOTS, 0)))
    return Segment(
        steps=np.full(SLOTS, STEPS),
        stimulus=stimulus,
        gates={name: np.full(SLOTS, float(name not in noise)) for name in spec.gates},
        onset=np.arange(SLOTS) == 0,
        phase=np.full(SLOTS, "wake"),
        raster=np.zeros(SLOTS, bool),
        inputs=inputs,
        trains=trains,
    )


def end(spec, backend, cuts=(0, SLOTS), seed=1):
    """The state after it, cut before these slots."""
    state, segment = initial_state(spec, 1), shown(spec)
    advance = make_backend(backend, spec).advance
    for first, last in pairwise(cuts):
        state, _ = advance(state, segment.part(first, last), seed)
    return state


@pytest.mark.long
@pytest.mark.standalone
@needs_compiler
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_are_pure_and_the_same_on_numpy(name):
    spec = NETWORKS[name]
    whole = end(spec, "cpp")
    assert_same_bits(whole, end(spec, "cpp"))
    other = end(spec, "cpp", seed=2)
    draws = any(not np.array_equal(v, other.arrays[k]) for k, v in whole.arrays.items())
    assert draws == (name in DRAWING)
    if draws:
        return
    assert_same_bits(whole, end(spec, "cpp", (0, 3, SLOTS)))
    assert_same_bits(whole, end(spec, "cpp", range(SLOTS + 1)))
    for key, value in end(spec, "numpy").arrays.items():
        np.testing.assert_allclose(whole.arrays[key], value, rtol=1e-7, atol=1e-12, err_msg=key)

"""Every network of the catalogue: the same on NumPy and compiled, and however it is cut.

Networks are shown random input for seven slots of 20 steps, with all gates open but those of noise.
Where neurons or synapses draw random numbers all the same, `CERTAIN` are settings with which
nothing is left to chance.
"""

from itertools import pairwise

import numpy as np
import pytest
from brian2 import Hz, have_same_dimensions, ms, mV, second, volt
from conftest import assert_same_bits, needs_compiler

from brainsleep.backends.base import make_backend
from brainsleep.files.load import load_module, shipped
from brainsleep.network.spec import NetworkSpec
from brainsleep.results.table import flatten
from brainsleep.run.segment import Segment
from brainsleep.run.state import initial_state

SLOTS, STEPS = 7, 20

PROTOCOLS = {name: load_module(name, "protocol").PROTOCOL for name in shipped("protocol")}
NETWORKS = {k: p.network for k, p in PROTOCOLS.items() if isinstance(p.network, NetworkSpec)}

#: Settings by how they end. Some make neurons spike without input.
CERTAIN = {
    "brunel": {"v_threshold": -1 * mV},
    "benna_fusi": {"p": 1.0, "q": 1.0},
    "distal_reward": {"noise": 0 * volt / second, "spread": 0 * ms, "initial.v": "40*mV"},
    "foraging": {"spread": 0.0},
    "graupner": {"sigma": 0.0},
    "litwin_kumar": {"rate_outside": 0 * Hz, "v_rest": -40 * mV},
    "sleep_replay": {"places": 1.0, "width": 28.0},
    "tagging": {"sigma": 0.0},
    "thaco": {"v_rest": -40 * mV},
    "unlearning": {"noise": 0 * mV, "v_rest": -40 * mV},
    "zenke": {"e.model.gain": 1e9 * Hz},
}

#: Those whose neurons draw a number of spikes from their input.
WITHOUT_INPUT = {"litwin_kumar", "thaco"}


def certain(name):
    """The network of a protocol, with these settings."""
    protocol = PROTOCOLS[name]
    for key in flatten(protocol.describe()):
        for end, value in CERTAIN.get(name, {}).items():
            if key.startswith("network.") and key.endswith(f".{end}"):
                protocol = protocol.override({key: value})
    return protocol.network


def shown(spec, given=True):
    """Random input: spikes in whole steps, so that chance decides nothing on the way."""
    rng, every = np.random.default_rng(1), 1 / float(spec.dt)
    closed = {activity.name for p in spec.populations for activity in p.activities}
    closed |= set() if given else {"input"}
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
        gates={name: np.full(SLOTS, float(name not in closed)) for name in spec.gates},
        onset=np.arange(SLOTS) == 0,
        phase=np.full(SLOTS, "wake"),
        raster=np.zeros(SLOTS, bool),
        inputs=inputs,
        trains=trains,
    )


@pytest.mark.long
@pytest.mark.standalone
@needs_compiler
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_are_pure_and_the_same_on_numpy(name):
    spec, spikes = certain(name), 0

    def end(backend, cuts=(0, SLOTS), seed=1):
        nonlocal spikes
        state, segment = initial_state(spec, 1), shown(spec, name not in WITHOUT_INPUT)
        advance = make_backend(backend, spec).advance
        for first, last in pairwise(cuts):
            state, recording = advance(state, segment.part(first, last), seed)
            spikes += sum(int(counts.sum()) for counts in recording.counts.values())
        return state

    whole = end("cpp")
    assert spikes
    assert_same_bits(whole, end("cpp", seed=2))
    assert_same_bits(whole, end("cpp", (0, 3, SLOTS)))
    assert_same_bits(whole, end("cpp", range(SLOTS + 1)))
    for key, value in end("numpy").arrays.items():
        np.testing.assert_allclose(whole.arrays[key], value, rtol=1e-7, atol=1e-12, err_msg=key)

"""Scaling by a slow sensor of the rate (van Rossum et al. 2000): closed forms, and their rule."""

import numpy as np
import pytest
from brian2 import Hz, second
from conftest import QUICK, assert_same_bits, make_segment, needs_compiler

from brainsleep.backends.base import make_backend
from brainsleep.experiment.inputs import SpikeTrains
from brainsleep.experiment.protocol import Protocol
from brainsleep.experiment.timeline import Timeline, awake
from brainsleep.models.inputs import SPIKE_SOURCE
from brainsleep.models.van_rossum import RATE_SCALING, STDP_SOFT, scaled, scaling_modes
from brainsleep.network.spec import NetworkSpec, Population, Projection, SynapseModel
from brainsleep.network.wiring import OneToOne
from brainsleep.protocols.van_rossum import NEURONS, PROTOCOL
from brainsleep.run.segment import Capacity
from brainsleep.run.simulate import simulate
from brainsleep.run.state import initial_state

#: Period and decay in s by goal in Hz, as evaluated elsewhere.
PUBLISHED = {20: (4404, 3196), 10: (6258, 6531)}


@pytest.mark.parametrize("goal", PUBLISHED)
def test_closed_form(goal):
    parameters = RATE_SCALING.parameters
    mode = scaling_modes(goal * Hz, parameters["beta"], parameters["gamma"], 100 * second)[0]
    found = 2 * np.pi / mode.imag, -1 / mode.real
    np.testing.assert_allclose(found, PUBLISHED[goal], atol=0.5)


def test_stable_where_beta_is_more_than_gamma_times_tau():
    for beta, grows in ((1.1e-5, False), (0.9e-5, True)):
        modes = scaling_modes(
            20 * Hz, beta / second / Hz, RATE_SCALING.parameters["gamma"], 100 * second
        )
        assert (modes.real.max() > 0) == grows


@needs_compiler
@pytest.mark.standalone
def test_rates_oscillate_as_in_the_closed_form(tmp_path):
    m = simulate(PROTOCOL, seed=1, backend=QUICK, out=tmp_path).metrics
    for k, (goal, beta) in enumerate(NEURONS):
        found = m[f"oscillation_period_{k}_s"], m[f"oscillation_decay_{k}_s"]
        closed = m[f"closed_period_{k}_s"], m[f"closed_decay_{k}_s"]
        np.testing.assert_allclose(found, closed, rtol=0.02)
        if beta == 4e-5:
            np.testing.assert_allclose(found, PUBLISHED[goal], rtol=0.005)
    assert m["oscillation_decay_2_s"] < 0  # it grows


@needs_compiler
@pytest.mark.standalone
def test_weights_come_to_the_ratio_of_potentiation_and_depression(tmp_path):
    """Independent spikes at 40 Hz, for many times the 10 s that weights take to come to rest."""
    n, rate, seconds = 200, 40, 80
    rng = np.random.default_rng(1)
    hits = {end: np.argwhere(rng.random((1000 * seconds, n)) < rate / 1000) for end in "ab"}
    trains = {end: SpikeTrains(hit[:, 1], hit[:, 0] / 1000 * second) for end, hit in hits.items()}
    network = NetworkSpec(
        name="pairs",
        populations=tuple(Population(name=end, size=n, model=SPIKE_SOURCE) for end in "ab"),
        projections=(
            Projection(
                name="ab",
                source="a",
                target="b",
                synapse=SynapseModel(name="silent", on_pre=""),
                connectivity=OneToOne(),
                weights="100 + 300*i/N_pre",
                w_max=1e4,
                rules=(STDP_SOFT,),
            ),
        ),
    )
    protocol = Protocol(
        name="pairs",
        network=network,
        schedule=Timeline(periods=(awake(seconds * second, inputs=trains),)),
    )
    w = simulate(protocol, seed=1, backend=QUICK, out=tmp_path).synapses("ab").w
    assert w.mean() == pytest.approx(0.7 / 0.003, rel=0.02)  # standard error of 0.5 %
    assert 0.02 < w.std() / w.mean() < 0.2  # one hump, far from the bounds


@needs_compiler
@pytest.mark.standalone
def test_compiled_and_however_it_is_cut():
    spec = scaled([20, 10], [4e-5, 5e-6], above=1.5)
    whole = make_segment(spec, np.zeros((2, 0)), [1000, 1000], rate_scaling=1)
    capacity, start = Capacity(slots=2, steps=2000), initial_state(spec, 1)
    compiled = make_backend(QUICK, spec, capacity=capacity)
    end, recording = compiled.advance(start, whole, 1)
    theirs = make_backend("numpy", spec, capacity=capacity).advance(start, whole, 1)[0]
    assert recording.counts["e"].sum(axis=0).tolist() == [299, 149]
    state = start
    for k in range(2):
        state, _ = compiled.advance(state, whole.part(k, k + 1), 1)
    for key, value in end.arrays.items():
        np.testing.assert_allclose(value, theirs.arrays[key], rtol=1e-9, atol=1e-9, err_msg=key)
    assert_same_bits(end, state)
    assert np.all(end.weights("weights") < start.weights("weights"))

"""The critical time constant of homeostasis (Zenke et al. 2013): theory, rule, and neurons."""

import dataclasses

import numpy as np
import pytest
from brian2 import Hz, second
from conftest import EVERY_STEP, QUICK, assert_same_bits, make_segment, needs_compiler

from brainsleep.backends.base import make_backend
from brainsleep.experiment.protocol import Protocol
from brainsleep.experiment.timeline import Timeline, awake
from brainsleep.models.inputs import POISSON
from brainsleep.models.zenke import MEAN_FIELD, TRIPLET_SLIDING, critical, detectors
from brainsleep.network.spec import NetworkSpec, Population, Projection, SynapseModel
from brainsleep.run.segment import Capacity
from brainsleep.run.simulate import simulate
from brainsleep.run.state import initial_state


def test_critical_time_constant():
    assert float(MEAN_FIELD.parameters["strength"]) == pytest.approx(1.245e-5, rel=1e-3)
    assert float(critical(gain=100 * Hz)) == pytest.approx(89.3, abs=0.05)
    assert float(critical(gain=30 * Hz)) == pytest.approx(297.5, abs=0.05)


@needs_compiler
@pytest.mark.standalone
def test_mean_field_is_stable_below_it_and_swings_above(tmp_path):
    """For 60 critical time constants; by the program of another the distances are the same."""
    ratios = np.array([0.8, 1.2])
    network = NetworkSpec(
        name="field",
        populations=(
            Population(
                name="mean_field",
                size=2,
                model=MEAN_FIELD,
                values={"tau_nu": float(critical()) * ratios * second, "weight": 0.0303},
            ),
        ),
    )
    protocol = Protocol(
        name="field",
        network=network,
        schedule=Timeline(periods=(awake(7000 * second),)),
    ).override({"record.states": {"mean_field.weight": "all"}, "record.every": 2 * second})
    result = simulate(protocol, seed=1, backend=QUICK, out=tmp_path)
    rates = 100 * result.states("mean_field.weight").values
    late = np.abs(rates[60 * 89 // 2 :] - 3).max(axis=0)
    assert late[0] < 1e-4
    assert late[1] > 1.5


@needs_compiler
@pytest.mark.standalone
def test_spikes_at_random_change_weights_as_the_mean_field_does(tmp_path):
    """Pre at 5 Hz, post at 2 and 9 Hz, the detector held at 4 Hz."""
    rates, pre, nu, seconds, n = np.repeat([2.0, 9.0], 200), 5.0, 4.0, 200, 20
    detecting = dataclasses.replace(
        POISSON, name="detecting", equations="rate : Hz\nnu : Hz", initial={"nu": nu * Hz}
    )
    network = NetworkSpec(
        name="pairs",
        populations=(
            Population(name="a", size=n, model=POISSON),
            Population(name="b", size=400, model=detecting),
        ),
        projections=(
            Projection(
                name="ab",
                source="a",
                target="b",
                synapse=SynapseModel(name="silent", on_pre=""),
                weights=0.0,
                w_min=-10.0,
                w_max=10.0,
                sign=None,
                rules=(TRIPLET_SLIDING,),
            ),
        ),
        input="a",
    )
    inputs = {"a": pre * Hz, "b": rates * Hz}
    timeline = Timeline(periods=(awake(seconds * second, inputs=inputs),))
    protocol = Protocol(name="pairs", network=network, schedule=timeline)
    w = simulate(protocol, seed=1, backend=QUICK, out=tmp_path).synapses("ab").w
    found = w.reshape(n, 2, -1).mean(axis=(0, 2)) / seconds
    p = {k: float(v) for k, v in TRIPLET_SLIDING.parameters.items()}

    def mean(tau):  # of a trace per Hz, before the spikes of a step of 1 ms
        return 1e-3 / (np.exp(1e-3 / tau) - 1)

    ups = p["a3_plus"] * pre * mean(p["tau_plus"]) * np.array([2, 9]) ** 2 * mean(p["tau_y"])
    balance = p["a3_plus"] * p["tau_plus"] * p["tau_y"] / p["tau_minus"] * nu**2 / 3
    downs = balance * pre * mean(p["tau_minus"]) * np.array([2, 9])
    np.testing.assert_allclose(found, ups - downs, rtol=0.05)
    field = 1.245e-5 * pre * np.array([2, 9]) * (np.array([2, 9]) - nu**2 / 3)
    np.testing.assert_allclose(ups - downs, field, rtol=0.08)  # what steps of 1 ms make of it


@needs_compiler
@pytest.mark.standalone
def test_compiled_and_however_it_is_cut():
    """Neurons that spike in every step: nothing is random."""
    spec = detectors([0.5, 2.0], lr=1.0, each=2, inputs=6)
    e = spec.population("e")
    e = dataclasses.replace(e, model=e.model.with_parameters(gain=1e9 * Hz))
    spec = dataclasses.replace(
        spec, populations=tuple(e if p.name == "e" else p for p in spec.populations)
    )
    pattern = np.tile(np.eye(6), (4, 1)) * EVERY_STEP
    whole = make_segment(spec, pattern, np.full(24, 5), plasticity=1)
    capacity, start = Capacity(slots=24, steps=200), initial_state(spec, 1)
    compiled = make_backend(QUICK, spec, capacity=capacity)
    end, recording = compiled.advance(start, whole, 1)
    theirs = make_backend("numpy", spec, capacity=capacity).advance(start, whole, 1)[0]
    assert recording.counts["e"].sum(axis=0).tolist() == [120] * 4
    state = start
    for first, last in ((0, 11), (11, 24)):
        state, _ = compiled.advance(state, whole.part(first, last), 1)
    for key, value in end.arrays.items():
        np.testing.assert_allclose(value, theirs.arrays[key], rtol=1e-9, atol=1e-12, err_msg=key)
    assert_same_bits(end, state)
    assert np.all(end.weights("weights") != start.weights("weights"))

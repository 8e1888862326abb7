"""Slow oscillations (Capone et al. 2019): neuron, rule and network, and NEST's numbers."""

import numpy as np
import pytest
from brian2 import Hz, ms, pA, second
from conftest import QUICK, needs_compiler

from brainsleep import (
    NetworkSpec,
    OneToOne,
    Population,
    Projection,
    Protocol,
    Record,
    SavedState,
    SpikeTrains,
    SynapseModel,
    Timeline,
    asleep,
    awake,
    simulate,
)
from brainsleep.models.inputs import SPIKE_SOURCE
from brainsleep.models.thaco import ASLEEP, CORTICAL, EXCITATION, STDP_CX
from brainsleep.protocols.thaco import features, nine, thirty
from brainsleep.tasks.images.datasets import load_dataset

IDLE = SynapseModel(name="idle", on_pre="")


def test_a_neuron_step_by_step(tmp_path):
    """Spikes of 400 nS every 20 ms: conductances with their exact charge, adaptation, a pause."""
    arriving = np.arange(1, 200, 20) * 1.0
    network = NetworkSpec(
        name="one",
        populations=(
            Population(name="a", size=1, model=SPIKE_SOURCE),
            Population(name="cx", size=1, model=CORTICAL),
        ),
        projections=(
            Projection(
                name="ab",
                source="a",
                target="cx",
                synapse=EXCITATION,
                connectivity=OneToOne(),
                weights=400.0,
                w_max=400.0,
            ),
        ),
        dt=0.1 * ms,
        signals={"b": 60 * pA, "tau_u": 200 * ms, "drive": 0 * Hz},
    )
    trains = {"a": SpikeTrains(np.zeros(len(arriving), int), arriving * ms)}
    protocol = Protocol(
        name="one",
        network=network,
        schedule=Timeline(periods=(awake(200 * ms, inputs=trains),)),
        record=Record(states={"cx.v": (0,), "cx.u": (0,)}, every=0.1 * ms, spikes=("cx",)),
    )
    result = simulate(protocol, seed=1, backend=QUICK, out=tmp_path)
    v_found, u_found = (np.asarray(result.states(k).values)[:, 0] for k in ("cx.v", "cx.u"))
    # in mV, nS, pA, ms, pF
    dt, tau, v, u, s, r, held, spikes = 0.1, 0.2, v_found[0] * 1e3, 0.0, 0.0, 0.0, -1, 0
    q, h = np.exp(-dt / tau), dt / tau
    came = set(np.round(arriving / dt).astype(int))
    for step in range(len(v_found)):
        assert v_found[step] * 1e3 == pytest.approx(v, rel=1e-9)
        assert u_found[step] * 1e12 == pytest.approx(u, rel=1e-9, abs=1e-9)
        g = (s * (1 - q) + np.e * r * (1 - (1 + h) * q)) / h
        upswing = 2 * np.exp((v + 50.4) / 2)
        change = dt * (30 * (-70.6 - v + upswing) - g * v - u) / 281
        u += dt * (4 * (v + 70.6) - u) / 200
        v += change if step > held else 0.0
        s, r = (s + np.e * r * h) * q, r * q
        if v > 0:
            v, held, spikes = -60.0, step + 19, spikes + 1
            u += 60.0
        r += 400.0 if step in came else 0.0
    assert len(result.spikes["cx"]) == spikes >= 10


def test_dendritic_delays(tmp_path):
    """A pair counts by the time from the spike of the source to that of the target, plus 1 ms."""
    lags = np.array([-15.0, -2.0, -0.5, 0.0, 3.0, 20.0])
    n = len(lags)
    network = NetworkSpec(
        name="pairs",
        populations=tuple(Population(name=name, size=n, model=SPIKE_SOURCE) for name in "ab"),
        projections=(
            Projection(
                name="ab",
                source="a",
                target="b",
                synapse=IDLE,
                connectivity=OneToOne(),
                weights=40.0,
                w_max=150.0,
                rules=(STDP_CX,),
                delay=1 * ms,
                delay_post=2 * ms,
            ),
        ),
        dt=0.1 * ms,
        signals={"asymmetry": 20.0, "lr_cx": 0.01},
    )
    neurons = np.arange(n)
    trains = {
        "a": SpikeTrains(neurons, np.full(n, 50.0) * ms),
        "b": SpikeTrains(neurons, (50 + lags) * ms),
    }
    protocol = Protocol(
        name="pairs",
        network=network,
        schedule=Timeline(periods=(awake(120 * ms, inputs=trains),)),
    )
    result = simulate(protocol, seed=1, backend=QUICK, out=tmp_path)
    w = SavedState(result=str(result.path)).before().arrays["ab.w"]
    apart = lags + 1
    near = np.exp(-np.abs(apart) / 20)
    expected = np.where(apart > 0, 40 + 0.01 * 110 * near, 40 - 0.2 * 40 * near)
    np.testing.assert_allclose(w, expected, rtol=1e-9)


@needs_compiler
@pytest.mark.standalone
def test_noise_alone_makes_them_fire_as_in_nest(tmp_path):
    """200 cells without synapses for 20 s under 1000 Hz of 15 nS: NEST 3.10 has 0.83 Hz."""
    network = NetworkSpec(
        name="cells",
        populations=(Population(name="cx", size=200, model=CORTICAL),),
        dt=0.1 * ms,
        signals={"b": 80 * pA, "tau_u": 400 * ms, "drive": 1000 * Hz},
    )
    protocol = Protocol(
        name="cells",
        network=network,
        schedule=Timeline(periods=(asleep(20 * second),)),
        record=Record(states={"cx.v": "all", "cx.u": "all"}, every=50 * ms),
    )
    result = simulate(protocol, seed=1, backend="cpp", out=tmp_path)
    assert result.metrics["rate_sleep_cx_hz"] == pytest.approx(0.829, rel=0.1)
    v, u = (np.asarray(result.states(k).values)[20:].mean() for k in ("cx.v", "cx.u"))
    assert v == pytest.approx(-57.575e-3, abs=0.1e-3)
    closed = 4e-9 * (v + 70.6e-3) + 0.4 * 80e-12 * result.metrics["rate_sleep_cx_hz"]
    assert u == pytest.approx(closed, rel=0.02)


@needs_compiler
@pytest.mark.standalone
@pytest.mark.slow
def test_assemblies_go_up_and_down_in_sleep(tmp_path):
    metrics = simulate(nine(sleep=20 * second), seed=1, backend="cpp", out=tmp_path).metrics
    assert metrics["recall_before"] == metrics["recall_after"] == 1
    assert 45 < metrics["w_same_image_before"] < 70
    assert metrics["w_different_before"] == pytest.approx(0.5, rel=0.02)
    assert 0.25 < metrics["up_frequency_cx_hz"] < 1.5
    assert 0.1 < metrics["up_duration_cx_s"] < 0.5
    assert metrics["down_rate_cx_hz"] < 0.3 < 3 < metrics["up_rate_cx_hz"]
    assert metrics["w_same_image_after"] < 0.98 * metrics["w_same_image_before"]
    assert metrics["w_same_class_after"] > 1.01 * metrics["w_same_class_before"]


def test_features_are_levels_of_gradients_by_direction():
    edge = np.zeros((1, 28, 28))
    edge[:, :, 14:] = 255  # light on the right: gradients of direction 0, at columns 13 and 14
    found = features(edge).reshape(3, 3, 9, 4)
    assert found.sum(axis=-1).all() and found.sum() == 81
    strong = found[..., 0, :].argmax(axis=-1)
    np.testing.assert_array_equal(strong, np.full((3, 3), 3))
    assert not found[..., 1:, 1:].any()


def test_signals_asleep_are_of_the_network():
    network = nine().network
    assert set(ASLEEP) <= set(network.signals)


def test_thirty_images_three_of_each_digit_and_others_to_be_tested_on():
    protocol = thirty("digits", subset=1, n_test=4, sleep=3 * second)
    data, recall = load_dataset("digits"), protocol.record.observers[1]
    assert recall.classes == tuple(np.repeat(np.arange(10), 3))
    assert recall.labels == tuple(data.labels[-4:])
    periods = protocol.schedule.periods
    first = np.flatnonzero(data.labels == 0)[3]
    shown = features(data.images[[first, *range(-4, 0)]])
    on = [p.inputs["th"].numbers > 0 if p.inputs else None for p in periods]
    np.testing.assert_array_equal(on[0], shown[0])
    slots = [max(1, round(float(p.duration))) for p in periods]  # of a second, or a period
    of_slot = np.repeat(np.arange(len(periods)), slots)
    for tests in recall.tests:
        for slot, image in zip(tests, shown[1:], strict=True):
            np.testing.assert_array_equal(on[of_slot[slot]], image)

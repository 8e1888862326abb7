"""Every equation against its closed form, or numbers worked out by hand."""

import dataclasses

import numpy as np
import pytest
from brian2 import Hz, ms, mV, second
from conftest import EVERY_STEP, lone_neurons, make_segment, spike_pairs

from brainsleep.backends.base import make_backend
from brainsleep.models.inputs import POISSON
from brainsleep.models.lif import ADAPTIVE_LIF, CURRENT, LIF
from brainsleep.models.sleep import (
    DECAY_GROUP,
    DECAY_NEURON,
    DECAY_STATIC,
    MEMBRANE_NOISE,
    SPONTANEOUS_SPIKES,
)
from brainsleep.models.stdp import STDP_ALL_TO_ALL, STDP_NEAREST, STDP_NEAREST_REVERSED
from brainsleep.network.spec import InitialWeights, NetworkSpec, Population, Projection
from brainsleep.run.segment import Capacity
from brainsleep.run.state import initial_state

LONG = Capacity(slots=512, steps=8192)


def advance(spec, segment, seed=1, state=None, capacity=LONG):
    state = state or initial_state(spec, seed)
    return make_backend("numpy", spec, capacity=capacity).advance(state, segment, seed)


# -- neurons -----------------------------------------------------------------------------------


def with_constant_input(model, currents):
    """`model` with a synaptic input that never decays, one value a neuron."""
    spec = lone_neurons(model.with_parameters(tau_syn=1e12 * second), n=len(currents))
    return spec, initial_state(spec, 0).updated(e__i_syn=np.array(currents))


def test_lif_rate_under_constant_current():
    currents = np.array([0.3, 0.51, 0.6, 0.8, 1.0, 2.0, 5.0])
    spec, state = with_constant_input(LIF, currents)
    duration = 4000
    segment = make_segment(spec, [[0.0]], [duration], raster=True)
    _, recording = advance(spec, segment, state=state)
    tau, v_rest, v_reset, threshold, r = 30.0, -70.0, -80.0, -55.0, 30.0
    for k, current in enumerate(currents):
        times = recording.spikes["e"][0][recording.spikes["e"][1] == k]
        v_inf = v_rest + r * current
        if v_inf <= threshold:
            assert len(times) == 0
            continue
        # Euler's method gives v_n = v_inf + (v_reset - v_inf)*(1 - dt/tau)^n exactly
        share = (v_inf - threshold) / (v_inf - v_reset)
        steps = np.floor(np.log(share) / np.log(1 - 1 / tau)) + 1
        assert np.all(np.diff(times) == steps)
        exact = -tau * np.log(share)  # interval of the continuous equation, ms
        assert abs(steps - exact) <= 1 + exact / tau  # first-order in dt
        assert recording.counts["e"][0, k] == len(times)


def test_adaptive_threshold_rises_with_each_spike_and_recovers():
    spec, state = with_constant_input(ADAPTIVE_LIF, [1.5])
    segment = make_segment(spec, [[0.0]], [1000], raster=True)
    after, recording = advance(spec, segment, state=state)
    v, a, times = -70.0, 0.0, []
    for step in range(1000):  # the released update, written out
        v, a = v + (-70.0 - v + 30.0 * 1.5) / 30.0, a - a / 100.0
        v = min(max(v, -100.0), 40.0)
        if v > -55.0 + a:
            v, a = -80.0, a + 3.0
            times.append(step)
    assert len(times) > 5
    assert recording.spikes["e"][0].tolist() == times
    assert after.arrays["e.a"][0] == pytest.approx(a * 1e-3, rel=1e-9)
    assert after.arrays["e.v"][0] == pytest.approx(v * 1e-3, rel=1e-9)


def test_membrane_is_kept_within_its_bounds():
    spec, state = with_constant_input(LIF.with_parameters(v_threshold=100 * mV), [-50.0, 50.0])
    after, _ = advance(spec, make_segment(spec, [[0.0]], [500]), state=state)
    assert after.arrays["e.v"] == pytest.approx([-0.1, 0.04], rel=1e-12)


def test_postsynaptic_potential_of_one_spike():
    spec = NetworkSpec(
        name="psp",
        populations=(
            Population(name="input", size=1, model=POISSON),
            Population(name="e", size=1, model=LIF),
        ),
        projections=(
            Projection(
                name="input_e",
                source="input",
                target="e",
                synapse=CURRENT,
                weights=InitialWeights(low=2.0),
                w_max=25.0,
                sign=-1,
            ),
        ),
    )
    for n in (1, 10, 30, 100):
        segment = make_segment(spec, [[EVERY_STEP], [0.0]], [1, n])
        state, recording = advance(spec, segment)
        assert recording.counts["input"].tolist() == [[1], [0]]
        kick, keep = -2.0 * 1 / 30, 1 - 1 / 30  # i_syn after the spike; Euler's factor
        assert state.arrays["e.i_syn"][0] == pytest.approx(kick * keep**n, rel=1e-9)
        v = -70 + 30 * kick / 30 * n * keep ** (n - 1)
        assert state.arrays["e.v"][0] * 1e3 == pytest.approx(v, rel=1e-9)


def test_spontaneous_spikes_have_the_stated_rate_in_place_of_the_stimulus():
    activity = SPONTANEOUS_SPIKES.with_parameters(rho=50 * Hz)
    spec = NetworkSpec(
        name="drive",
        populations=(Population(name="input", size=400, model=POISSON, activities=(activity,)),),
    )
    gates = {"input": np.array([1.0, 0.0, 1.0]), "spontaneous": np.array([0.0, 1.0, 0.0])}
    segment = make_segment(spec, np.full((3, 400), [[10.0], [0.0], [10.0]]), [1000] * 3)
    segment = dataclasses.replace(segment, gates={**segment.gates, **gates})
    _, recording = advance(spec, segment)
    rates = recording.counts["input"].mean(axis=1)  # a second each
    np.testing.assert_allclose(rates, [10, 50, 10], atol=5 * np.sqrt(50 / 400))


def test_membrane_noise_has_the_stated_size_and_stops_with_its_gate():
    model = LIF.with_parameters(
        tau_m=1e12 * second, v_threshold=1e3 * mV, v_high=1e3 * mV, v_low=-1e3 * mV
    )
    spec = lone_neurons(model, n=2000)
    noisy = dataclasses.replace(spec.population("e"), activities=(MEMBRANE_NOISE,))
    spec = dataclasses.replace(spec, populations=(spec.population("input"), noisy))
    state, _ = advance(spec, make_segment(spec, [[0.0]], [25], noise=1))
    spread = np.std(state.arrays["e.v"] * 1e3)  # 25 independent steps of 2 mV
    assert spread == pytest.approx(2 * np.sqrt(25), rel=5 / np.sqrt(2 * 2000))
    later, _ = advance(spec, make_segment(spec, [[0.0]], [25], noise=0), state=state)
    assert np.allclose(later.arrays["e.v"], state.arrays["e.v"], rtol=1e-9)


def test_input_rate_and_silence():
    spec = lone_neurons(LIF)
    spec = dataclasses.replace(
        spec,
        populations=(dataclasses.replace(spec.population("input"), size=400), spec.population("e")),
    )
    segment = make_segment(spec, np.full((1, 400), 30.0), [2000])
    _, recording = advance(spec, segment)
    expected = 400 * 2000 * 0.03
    assert recording.counts["input"].sum() == pytest.approx(expected, abs=5 * np.sqrt(expected))
    closed = make_segment(spec, np.full((1, 400), 30.0), [2000], kind="sleep", input=0)
    _, recording = advance(spec, closed)
    assert recording.counts["input"].sum() == 0


# -- plasticity --------------------------------------------------------------------------------


def run_spike_trains(rule, trains, **gates):
    """Weights (n, n), from row to column, after `trains` (n_steps, n) of spikes."""
    n = trains.shape[1]
    spec = spike_pairs(rule, n)
    state, _ = advance(spec, make_segment(spec, trains * EVERY_STEP, **gates))
    w = np.full((n, n), np.nan)
    w[state.synapses["pairs"]] = state.weights("pairs")
    return w


@pytest.mark.parametrize(
    "rule", [STDP_NEAREST, STDP_ALL_TO_ALL, STDP_NEAREST_REVERSED], ids=lambda rule: rule.name
)
def test_stdp_of_single_pairs_over_lags(rule):
    lags = np.array([0, 1, 2, 3, 5, 8, 10, 15, 20, 30, 50, 80])
    trains = np.zeros((100, 2 * len(lags)))
    for k, lag in enumerate(lags):
        trains[10, 2 * k] = trains[10 + lag, 2 * k + 1] = 1
    w = run_spike_trains(rule, trains, plasticity=1)
    lr = float(rule.parameters["lr"])
    reversed_ = rule is STDP_NEAREST_REVERSED
    for k, lag in enumerate(lags):
        pre_first = w[2 * k, 2 * k + 1] - 1  # its presynaptic neuron fired `lag` ms earlier
        post_first = w[2 * k + 1, 2 * k] - 1
        if lag == 0:
            assert pre_first == post_first == 0  # simultaneous spikes do not count
        elif reversed_:
            assert post_first == pytest.approx(lr * np.exp(-lag / 10), rel=1e-9)
            assert pre_first == pytest.approx(-lr * np.exp(-lag / 7.5), rel=1e-9)
        else:
            assert pre_first == pytest.approx(lr * np.exp(-lag / 10), rel=1e-9)
            assert post_first == pytest.approx(-lr * np.exp(-lag / 7.5), rel=1e-9)


def reference_stdp(trains, lr, nearest, reversed_):
    """Pair STDP from spike times, synapse by synapse and pair by pair."""
    n_steps, n = trains.shape
    w = np.ones((n, n))
    for t in range(n_steps):
        for pre in range(n):
            for post in range(n):
                for spiking, other, onto in ((pre, post, "pre"), (post, pre, "post")):
                    if not trains[t, spiking]:
                        continue
                    lags = t - np.flatnonzero(trains[:t, other])
                    lags = lags[-1:] if nearest else lags
                    potentiates = (onto == "post") != reversed_
                    tau, sign = (10, 1) if potentiates else (7.5, -1)
                    w[pre, post] += sign * lr * np.exp(-lags / tau).sum()
    np.fill_diagonal(w, np.nan)
    return w


@pytest.mark.parametrize(
    "rule, nearest, reversed_",
    [
        (STDP_NEAREST, True, False),
        (STDP_ALL_TO_ALL, False, False),
        (STDP_NEAREST_REVERSED, True, True),
    ],
)
def test_stdp_of_random_spike_trains(rule, nearest, reversed_):
    trains = (np.random.default_rng(3).random((200, 6)) < 0.1).astype(float)
    w = run_spike_trains(rule, trains, plasticity=1)
    expected = reference_stdp(trains, float(rule.parameters["lr"]), nearest, reversed_)
    np.testing.assert_allclose(w, expected, rtol=1e-10)


def test_weights_stay_within_hard_bounds():
    rule = STDP_NEAREST.with_parameters(lr=10.0)
    trains = (np.random.default_rng(3).random((100, 6)) < 0.2).astype(float)
    w = run_spike_trains(rule, trains, plasticity=1)
    w = w[np.isfinite(w)]
    assert w.min() == 1e-3 and w.max() == 5.0


def test_closed_plasticity_gate_keeps_every_bit():
    trains = (np.random.default_rng(3).random((200, 6)) < 0.3).astype(float)
    spec = dataclasses.replace(spike_pairs(STDP_NEAREST, 6))
    weights = InitialWeights(low=0.1, high=4.9)
    spec = dataclasses.replace(
        spec, projections=(dataclasses.replace(spec.projections[0], weights=weights),)
    )
    state = initial_state(spec, 5)
    after, recording = advance(spec, make_segment(spec, trains * EVERY_STEP), state=state)
    assert recording.counts["input"].sum() == trains.sum()
    assert after.weights("pairs").tobytes() == state.weights("pairs").tobytes()
    opened, _ = advance(spec, make_segment(spec, trains * EVERY_STEP, plasticity=1), state=state)
    assert not np.array_equal(opened.weights("pairs"), state.weights("pairs"))


# -- decay -------------------------------------------------------------------------------------


def decayed(process, steps, *, w=2.0, onset=None, state=None, n=60, seed=1):
    spec = spike_pairs(None, n, processes=(process,), w=w, w_max=1e6)
    segment = make_segment(
        spec, np.zeros((len(steps), n)), steps, kind="sleep", input=0, decay=1, onset=onset
    )
    state, _ = advance(spec, segment, seed=seed, state=state)
    return state


@pytest.mark.parametrize("period", [1, 7, 100, 333])
def test_deterministic_decay_is_exact_for_any_period(period):
    tau, target, duration = 300.0, 0.5, 250
    process = dataclasses.replace(
        DECAY_STATIC.with_parameters(tau_w=tau * ms, w_star=target), period=period * ms
    )
    w = decayed(process, [duration], n=5).weights("pairs")
    exact = target * (2.0 / target) ** np.exp(-duration / tau)
    np.testing.assert_allclose(w, exact, rtol=1e-12)


def test_decay_is_the_released_rule_applied_every_ms():
    lam, target, w = 0.99997, 0.01, 2.0
    for _ in range(7000):
        w = target * (w / target) ** lam
    measured = decayed(DECAY_STATIC, [7000], n=4).weights("pairs")
    np.testing.assert_allclose(measured, w, rtol=1e-4)  # tau = 1 ms/(1 - lambda) to first order


def test_stochastic_decay_has_the_exact_mean_and_variance():
    tau, target, sigma, duration = 300.0, 0.5, 0.4, 250
    parameters = {"tau_w": tau * ms, "w_star": target, "sigma": sigma}
    process = dataclasses.replace(DECAY_STATIC.with_parameters(**parameters), period=20 * ms)
    log_w = np.log(decayed(process, [duration], n=120).weights("pairs"))
    keep = np.exp(-duration / tau)
    mean = np.log(target) + (np.log(2.0) - np.log(target)) * keep
    variance = sigma**2 * (1 - keep**2)
    n = len(log_w)
    assert n > 14_000
    assert log_w.mean() == pytest.approx(mean, abs=5 * np.sqrt(variance / n))
    assert log_w.var() == pytest.approx(variance, rel=5 * np.sqrt(2 / n))


@pytest.mark.parametrize("process, own", [(DECAY_GROUP, False), (DECAY_NEURON, True)])
def test_targets_are_means_at_sleep_onset(process, own):
    process = process.with_parameters(tau_w=300 * ms)
    spec = spike_pairs(None, 8, processes=(process,), w=2.0, w_min=0.0, w_max=1e6)
    start = initial_state(spec, 1)
    w0 = np.random.default_rng(0).uniform(0.2, 3.0, len(start.weights("pairs")))
    w0[:3] = 0.0  # weights that are zero do not count, and stay zero
    state = start.updated(pairs__w=w0)
    post = state.synapses["pairs"][1]
    live = w0 > 0
    if own:
        means = np.bincount(post[live], w0[live], 8) / np.bincount(post[live], minlength=8)
        target = means[post]
    else:
        target = np.full(len(w0), w0[live].mean())
    # 300 ms in three slots, sleep beginning with the first: targets are set once
    after = decayed(process, [100, 150, 50], n=8, state=state, onset=[True, False, False])
    expected = target[live] * (w0[live] / target[live]) ** np.exp(-1.0)
    np.testing.assert_allclose(after.weights("pairs")[live], expected, rtol=1e-10)
    np.testing.assert_allclose(after.arrays["pairs.decay_w_target"], target, rtol=1e-12)
    assert np.all(after.weights("pairs")[~live] == 0)


def test_closed_decay_gate_keeps_every_bit():
    spec = spike_pairs(None, 8, processes=(DECAY_STATIC,))
    state = initial_state(spec, 1)
    after, _ = advance(spec, make_segment(spec, np.zeros((1, 8)), [1000]), state=state)
    assert after.weights("pairs").tobytes() == state.weights("pairs").tobytes()

"""Triplet, trace and inhibitory plasticity against closed forms and spike-by-spike references."""

import numpy as np
import pytest
from brian2 import Hz, ms
from conftest import EVERY_STEP, emulated, make_segment, needs_compiler, spike_pairs

from brainsleep.backends.base import make_backend
from brainsleep.models.diehl_cook import DIEHL_COOK, STDP_COMPETITIVE
from brainsleep.models.stdp import STDP_RELEASED
from brainsleep.models.triplet import TRIPLET, TRIPLET_MINIMAL
from brainsleep.models.vogels import VOGELS
from brainsleep.run.segment import Capacity
from brainsleep.run.state import initial_state


def run_spike_trains(rule, trains, *, w_max=5.0, plasticity=1, backend="numpy"):
    """Weights (n, n), from row to column, after `trains` (n_steps, n) of spikes."""
    trains = np.asarray(trains, dtype=float)
    n_steps, n = trains.shape
    spec = spike_pairs(rule, n, w_max=w_max)
    # one slot a step with spikes, one for each gap between them
    busy = trains.any(axis=1)
    starts = np.flatnonzero(busy | np.concatenate([[True], busy[:-1]]))
    steps = np.diff(np.append(starts, n_steps))
    segment = make_segment(spec, trains[starts] * EVERY_STEP, steps, plasticity=plasticity)
    capacity = Capacity(slots=len(starts), steps=n_steps)
    made = emulated(spec) if backend == "cuda" else make_backend(backend, spec, capacity=capacity)
    state, recording = made.advance(initial_state(spec, 1), segment, 1)
    assert recording.counts["input"].sum() == trains.sum()
    w = np.full((n, n), np.nan)
    w[state.synapses["pairs"]] = state.weights("pairs")
    return w


def changes(rule, *pairs):
    """Change of w by spikes of one pre- and one postsynaptic neuron, each at times in ms."""
    trains = np.zeros((1 + max(max([*pre, *post]) for pre, post in pairs), 2 * len(pairs)))
    for k, (pre, post) in enumerate(pairs):
        trains[pre, 2 * k] = trains[post, 2 * k + 1] = 1
    w = run_spike_trains(rule, trains)
    return np.array([w[2 * k, 2 * k + 1] for k in range(len(pairs))]) - 1.0


def poisson_trains(n_steps=300, n=6, p=0.1, seed=3):
    return (np.random.default_rng(seed).random((n_steps, n)) < p).astype(float)


def trace(trains, neuron, t, tau):
    """All-to-all trace just before step `t`: a sum over the neuron's earlier spikes."""
    return np.exp(-(t - np.flatnonzero(trains[:t, neuron])) / tau).sum()


def spike_by_spike(trains, on_pre, on_post, w_max=5.0):
    """Weights after `trains`, synapse by synapse: on_pre(w, pre, post, t) gives the new w."""
    n_steps, n = trains.shape
    w = np.ones((n, n))
    for pre in range(n):
        for post in range(n):
            for t in range(n_steps):
                if trains[t, pre]:
                    w[pre, post] = np.clip(on_pre(w[pre, post], pre, post, t), 1e-3, w_max)
                if trains[t, post]:
                    w[pre, post] = np.clip(on_post(w[pre, post], pre, post, t), 1e-3, w_max)
    np.fill_diagonal(w, np.nan)
    return w


# -- triplet rule ------------------------------------------------------------------------------

#: (A2+, A3+, A2-, A3-, tau_x, tau_y), visual cortex, all-to-all; tau+ = 16.8, tau- = 33.7 ms.
PUBLISHED = {
    TRIPLET.name: (5e-10, 6.2e-3, 7e-3, 2.3e-4, 101.0, 125.0),
    TRIPLET_MINIMAL.name: (0.0, 6.5e-3, 7.1e-3, 0.0, np.inf, 114.0),
}
TRIPLETS = {"argvalues": (TRIPLET, TRIPLET_MINIMAL), "ids": lambda rule: rule.name}


def geometric(ratio, n):
    """1 + ratio + ... + ratio**(n - 1)."""
    return (1 - ratio**n) / (1 - ratio)


def periodic_pairs(rule, n, period, lag):
    """Closed form of the change by `n` pairs every `period` ms, post `lag` ms after pre.

    With a negative lag the postsynaptic spike comes first.
    """
    a2_plus, a3_plus, a2_minus, a3_minus, tau_x, tau_y = PUBLISHED[rule.name]
    k = np.arange(n)  # number of pairs before this one
    to_post = lag if lag > 0 else period + lag  # from the last pre to the next post spike
    to_pre = period - to_post
    n_pre, n_post = (k + 1, k) if lag > 0 else (k, k + 1)  # spikes seen by the other neuron's

    def other(tau, first, count):
        return np.exp(-first / tau) * geometric(np.exp(-period / tau), count)

    def own(tau):
        return np.exp(-period / tau) * geometric(np.exp(-period / tau), k)

    r1, o2 = other(16.8, to_post, n_pre), own(tau_y)
    o1, r2 = other(33.7, to_pre, n_post), own(tau_x) if np.isfinite(tau_x) else 0.0
    return np.sum(r1 * (a2_plus + a3_plus * o2)) - np.sum(o1 * (a2_minus + a3_minus * r2))


@pytest.mark.parametrize("rule", **TRIPLETS)
def test_triplet_amplitudes_one_by_one(rule):
    a2_plus, a3_plus, a2_minus, a3_minus, tau_x, tau_y = PUBLISHED[rule.name]
    pair_up, pair_down = np.exp(-10 / 16.8), np.exp(-10 / 33.7)
    slow_x = np.exp(-20 / tau_x) if np.isfinite(tau_x) else 0.0
    slow_y = np.exp(-20 / tau_y)
    measured = changes(rule, ([5], [15]), ([15], [5]), ([5], [5]), ([15], [5, 25]), ([5, 25], [15]))
    expected = [
        a2_plus * pair_up,  # pre, post
        -a2_minus * pair_down,  # post, pre
        0,  # simultaneous spikes do not count
        (a2_plus + a3_plus * slow_y) * pair_up - a2_minus * pair_down,  # post, pre, post
        a2_plus * pair_up - (a2_minus + a3_minus * slow_x) * pair_down,  # pre, post, pre
    ]
    np.testing.assert_allclose(measured, expected, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("rule", **TRIPLETS)
def test_triplet_of_random_spike_trains(rule):
    a2_plus, a3_plus, a2_minus, a3_minus, tau_x, tau_y = PUBLISHED[rule.name]
    trains = poisson_trains()

    def on_pre(w, pre, post, t):
        slow = trace(trains, pre, t, tau_x) if np.isfinite(tau_x) else 0.0
        return w - trace(trains, post, t, 33.7) * (a2_minus + a3_minus * slow)

    def on_post(w, pre, post, t):
        slow = trace(trains, post, t, tau_y)
        return w + trace(trains, pre, t, 16.8) * (a2_plus + a3_plus * slow)

    expected = spike_by_spike(trains, on_pre, on_post)
    np.testing.assert_allclose(run_spike_trains(rule, trains), expected, rtol=1e-10)


@pytest.fixture(scope="module", params=TRIPLETS["argvalues"], ids=TRIPLETS["ids"])
def pairing(request):
    """Change of w by 60 pairs, from a simulation: {(rate in Hz, lag in ms): change}."""
    rule, rates, lags = request.param, (10, 20, 40, 50), (10, -10)
    conditions = [(rate, lag) for rate in rates for lag in lags]
    trains = np.zeros((60 * 100 + 50, 2 * len(conditions)))
    for i, (rate, lag) in enumerate(conditions):
        first = 20 + np.arange(60) * (1000 // rate)
        trains[first, 2 * i] = trains[first + lag, 2 * i + 1] = 1
    w = run_spike_trains(rule, trains)
    return rule, {c: w[2 * i, 2 * i + 1] - 1.0 for i, c in enumerate(conditions)}


def test_triplet_pairing_is_the_closed_form(pairing):
    rule, measured = pairing
    for (rate, lag), w in measured.items():
        assert w == pytest.approx(periodic_pairs(rule, 60, 1000 // rate, lag), rel=1e-9)


def test_triplet_pairing_depends_on_frequency_as_published(pairing):
    rule, measured = pairing
    up = [measured[rate, 10] for rate in (10, 20, 40, 50)]
    assert up[0] > 0.05 and np.all(np.diff(up) > 0.05)  # grows with frequency
    assert measured[10, -10] < -0.25 and measured[50, -10] > 0.5  # the order no longer matters
    measured = measured | {(0.1, lag): periodic_pairs(rule, 60, 10_000, lag) for lag in (10, -10)}
    assert abs(measured[0.1, 10]) < 1e-3  # single pairs do not potentiate
    # the data that the rule was fitted to (Sjöström et al. 2001): mean and standard error
    data = {(0.1, 10): (-0.04, 0.05), (0.1, -10): (-0.29, 0.08)}
    data |= {(50, 10): (0.56, 0.26), (50, -10): (0.75, 0.19)}
    for condition, (mean, error) in data.items():
        assert measured[condition] == pytest.approx(mean, abs=error)


# -- the authors' released timing of pairs -------------------------------------------------------


def released(trains, w_max=5.0, *, lr=8e-4, tau_plus=10.0, tau_minus=7.5):
    """Weights after `trains` by the authors' procedure, step by step, and a quiet step at the end.

    In each step every pair of which a neuron spiked in the step before is looked at: the time
    since the last spike of either, those of this step included, says which came first.
    """
    n = trains.shape[1]
    w, since, before = np.ones((n, n)), np.full(n, np.inf), np.zeros(n, bool)
    for spikes in [*trains.astype(bool), np.zeros(n, bool)]:
        since = np.where(spikes, 0, since + 1)
        w = np.clip(w, 1e-3, w_max)
        for pre in range(n):
            for post in range(n):
                if not (before[pre] or before[post]) or np.isinf(since[[pre, post]]).any():
                    continue
                lag = since[post] - since[pre]
                if lag >= 0:  # post came first, or both at once
                    w[pre, post] += lr * np.exp(-lag / tau_plus)
                else:
                    w[pre, post] -= lr * np.exp(lag / tau_minus)
        before = spikes
    np.fill_diagonal(w, np.nan)
    return w


def test_released_pairs_at_every_lag():
    """Lag 0 is a full potentiating pair, lags of one step count twice, all others once."""
    lags = np.arange(-20, 21)  # post after pre where positive
    measured = changes(STDP_RELEASED, *(([25], [25 + lag]) for lag in lags)) / 8e-4
    expected = np.where(lags > 0, -np.exp(-lags / 7.5), np.exp(lags / 10))
    expected[np.abs(lags) == 1] *= 2
    np.testing.assert_allclose(measured, expected, rtol=1e-9)
    assert measured[lags == 0] == pytest.approx(1)


@pytest.mark.parametrize("p", [0.02, 0.1, 0.4, 0.8])
def test_released_rule_of_random_spike_trains(p):
    """At all rates: where neurons spike in one step after the other, too."""
    trains = poisson_trains(p=p)
    found = run_spike_trains(STDP_RELEASED, trains)
    np.testing.assert_allclose(found, released(trains), rtol=1e-9)
    assert np.nanmax(np.abs(found - 1)) > 1e-3


def test_released_rule_has_relative_sizes():
    """With a_plus and a_minus as in the other rules."""
    rule = STDP_RELEASED.with_parameters(a_plus=0.5, a_minus=2.0)
    trains = [([5], [5]), ([5], [9]), ([9], [5]), ([5], [6]), ([6], [5])]
    once = changes(STDP_RELEASED, *trains)
    np.testing.assert_allclose(changes(rule, *trains) / once, [0.5, 2, 0.5, 2, 0.5], rtol=1e-9)


@needs_compiler
@pytest.mark.standalone
@pytest.mark.parametrize("backend", ["cpp", pytest.param("cython", marks=pytest.mark.long), "cuda"])
def test_released_rule_on_every_backend(backend):
    """Who spikes in this very step is known before any synapse acts, on every backend."""
    if backend == "cuda":
        pytest.importorskip("brian2cuda")
    trains = poisson_trains(n_steps=100, p=0.4)
    found = run_spike_trains(STDP_RELEASED, trains, backend=backend)
    np.testing.assert_allclose(found, released(trains), rtol=1e-9)


# -- inhibitory plasticity ---------------------------------------------------------------------


def test_vogels_of_single_pairs_and_spikes():
    rule = VOGELS.with_parameters(lr=0.01, rho_target=5 * Hz)
    alpha = 2 * 5 * 0.020
    alone = changes(rule, ([5], []), ([], [5]))
    np.testing.assert_allclose(alone, [-0.01 * alpha, 0], rtol=1e-10)
    lags = np.array([1, 5, 20, 60])
    pairs = [([5], [5 + lag]) for lag in lags] + [([5 + lag], [5]) for lag in lags]
    window = 0.01 * (np.exp(-lags / 20) - alpha)  # the same in both orders
    np.testing.assert_allclose(changes(rule, *pairs), [*window, *window], rtol=1e-9)


def test_vogels_of_random_spike_trains():
    lr, alpha, trains = 1e-3, 2 * 3 * 0.020, poisson_trains()
    expected = spike_by_spike(
        trains,
        lambda w, pre, post, t: w + lr * (trace(trains, post, t, 20) - alpha),
        lambda w, pre, post, t: w + lr * trace(trains, pre, t, 20),
    )
    np.testing.assert_allclose(run_spike_trains(VOGELS, trains), expected, rtol=1e-10)


def test_vogels_weights_come_to_rest_where_the_target_fires_at_its_rate():
    lr, rho, tau, duration, n = 1e-4, 0.02, 20.0, 4000, 200  # rates in 1/ms, times in ms
    rule = VOGELS.with_parameters(lr=lr, rho_target=rho / ms, tau=tau * ms)
    spec = spike_pairs(rule, n)
    backend = make_backend("numpy", spec, capacity=Capacity(slots=1, steps=duration))
    drift = {}
    for factor in (0.5, 1 + 1 / (2 * tau), 2.0):  # below; at rest, with dt = 1 ms; above
        rate = factor * rho
        segment = make_segment(spec, np.full((1, n), 1e3 * rate), [duration], plasticity=1)
        state, _ = backend.advance(initial_state(spec, 1), segment, 7)
        pre, post = state.synapses["pairs"]
        alone = (pre % 2 == 0) & (post == pre + 1)  # pairs without a common neuron: independent
        changes = state.weights("pairs")[alone] - 1.0
        # mean trace before step t of a neuron that fires with probability `rate` a step
        q = np.exp(-1 / tau)
        y = rate * q * (1 - q ** np.arange(duration)) / (1 - q)
        expected = lr * rate * np.sum(2 * y - 2 * rho * tau)
        error = changes.std() / np.sqrt(alone.sum())
        assert changes.mean() == pytest.approx(expected, abs=4 * error)
        drift[factor] = expected, error
    (below, error), (rest, _), (above, _) = drift.values()
    assert below < -10 * error and above > 10 * error
    assert abs(rest) < 0.02 * above  # what is left is the traces' rise from 0


# -- trace rule with target and soft bound -----------------------------------------------------


@pytest.mark.parametrize("mu", [0, 0.2, 1, 2.5])
def test_trace_rule_by_hand(mu):
    rule = DIEHL_COOK.with_parameters(mu=mu)
    lags = np.array([1, 10, 18, 19, 50])
    pairs = [([5], [5 + lag]) for lag in lags]
    measured = changes(rule, *pairs, ([], [5]), ([5, 6, 7], []))
    # a postsynaptic spike alone depresses, presynaptic spikes alone change nothing
    traces = np.array([*np.exp(-lags / 20), 0.0])
    expected = [*(0.01 * (traces - 0.4) * (5.0 - 1.0) ** mu), 0.0]
    np.testing.assert_allclose(measured, expected, rtol=1e-9)
    assert np.array_equal(measured[:5] > 0, lags < 20 * np.log(1 / 0.4))


def test_trace_rule_rests_where_the_trace_is_on_target():
    # a presynaptic spike every 25 ms; from the 21st on a postsynaptic one 8 ms later
    trains = np.zeros((4000, 2))
    trains[5::25, 0] = trains[5 + 8 + 20 * 25 :: 25, 1] = 1
    on_target = np.exp(-8 / 20) / (1 - np.exp(-25 / 20))
    for x_target in (on_target, 0.9 * on_target, 1.1 * on_target):
        w = 1.0
        for _ in range(int(trains[:, 1].sum())):
            w += 0.01 * (on_target - x_target) * (5.0 - w) ** 0.2
        measured = run_spike_trains(DIEHL_COOK.with_parameters(x_target=x_target), trains)[0, 1]
        assert measured == pytest.approx(w, abs=1e-9)
        assert np.sign(round(measured - 1, 9)) == np.sign(on_target - x_target)


@pytest.mark.parametrize("mu", [0.2, 1, 2.5])
def test_trace_rule_of_random_spike_trains(mu):
    trains = poisson_trains(p=0.15)
    rule = DIEHL_COOK.with_parameters(mu=mu, lr=0.05)

    def on_post(w, pre, post, t):
        return w + 0.05 * (trace(trains, pre, t, 20) - 0.4) * (2.0 - w) ** mu

    expected = spike_by_spike(trains, lambda w, pre, post, t: w, on_post, w_max=2.0)
    w = run_spike_trains(rule, trains, w_max=2.0)
    np.testing.assert_allclose(w, expected, rtol=1e-9)


def test_trace_rule_approaches_its_soft_bound_and_never_passes_it():
    trains = np.ones((400, 2))  # both fire every ms: the trace is 19.5, far above target
    last = 1.0
    for n in (10, 50, 400):
        rule = DIEHL_COOK.with_parameters(mu=1, lr=1e-3)
        w = run_spike_trains(rule, trains[:n], w_max=2.0)[0, 1]
        assert last < w < 2.0
        last = w
    assert last > 1.99
    w = run_spike_trains(DIEHL_COOK.with_parameters(lr=10.0), trains, w_max=2.0)
    assert np.nanmax(w) == 2.0  # however large the step


def test_pair_rule_of_the_competitive_network():
    lags = np.array([1, 7, 30])
    pairs = [([5], [5 + lag]) for lag in lags] + [([5 + lag], [5]) for lag in lags]
    # a spike sets its trace to 1, however many came before
    measured = changes(STDP_COMPETITIVE, *pairs, ([5, 6, 7], [10]))
    window = np.exp(-lags / 20)
    expected = [*(0.002 * window), *(-0.0001 * window), 0.002 * np.exp(-3 / 20)]
    np.testing.assert_allclose(measured, expected, rtol=1e-9)


@pytest.mark.parametrize("rule", [TRIPLET, VOGELS, DIEHL_COOK], ids=lambda rule: rule.name)
def test_closed_gate_keeps_every_weight(rule):
    w = run_spike_trains(rule, poisson_trains(p=0.3), plasticity=0)
    assert np.all(w[np.isfinite(w)] == 1.0)

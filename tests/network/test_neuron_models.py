"""AdEx, Izhikevich and competitive neurons: closed forms, plain integration, firing patterns."""

import dataclasses
import functools
import math

import numpy as np
import pytest
from brian2 import ms, mV, nS, pA, second
from conftest import EVERY_STEP, lone_neurons, make_segment
from scipy.integrate import quad
from scipy.optimize import brentq

from brainsleep.backends.base import make_backend
from brainsleep.models.adex import (
    ADEX,
    ADEX_ADAPTING,
    ADEX_BURSTING,
    ADEX_INITIAL_BURST,
    ADEX_TONIC,
)
from brainsleep.models.diehl_cook import COMPETITIVE_LIF, VOLTAGE
from brainsleep.models.inputs import POISSON
from brainsleep.models.izhikevich import (
    IZHIKEVICH,
    IZHIKEVICH_CHATTERING,
    IZHIKEVICH_FAST_SPIKING,
    IZHIKEVICH_INTRINSICALLY_BURSTING,
)
from brainsleep.models.lif import CURRENT
from brainsleep.models.sleep import MEMBRANE_NOISE
from brainsleep.network.spec import InitialWeights, NetworkSpec, NeuronModel, Population, Projection
from brainsleep.run.segment import Capacity
from brainsleep.run.state import initial_state

DT = 0.1  # ms, of AdEx and Izhikevich neurons


def advance(spec, segment, state=None):
    capacity = Capacity(slots=len(segment), steps=int(segment.steps.sum()))
    state = state or initial_state(spec, 1)
    return make_backend("numpy", spec, capacity=capacity).advance(state, segment, 1)


def spike_steps(recording, neuron, population="e"):
    step, i = recording.spikes[population]
    return step[i == neuron]


def constant_input(model, i_syn, duration, **start):
    """Spike times (ms) of each neuron under constant `i_syn`, and the state at the end."""
    model = model.with_parameters(tau_syn=1e12 * second)
    spec = dataclasses.replace(lone_neurons(model, n=len(i_syn)), dt=DT * ms)
    state = initial_state(spec, 0).updated(e__i_syn=np.asarray(i_syn, dtype=float))
    state = state.updated(**{f"e__{k}": np.asarray(v) for k, v in start.items()})
    segment = make_segment(spec, [[0.0]], [round(duration / DT)], raster=True)
    after, recording = advance(spec, segment, state)
    return [spike_steps(recording, k) * DT for k in range(len(i_syn))], after


def integrate(model, current, duration, dt):
    """Spike times (ms) of an AdEx or Izhikevich neuron by Euler's method in plain Python.

    Units: mV, ms, pA, nS, pF, and `current` in pA (mV/ms for an Izhikevich neuron).
    """
    p = {k: float(v) for k, v in model.parameters.items()}
    v, u, times = float(model.initial.get("u", 0.0)), 0.0, []
    if "delta" in p:
        c, g, a, b = p["c_m"] * 1e12, p["g_leak"] * 1e9, p["a"] * 1e9, p["b"] * 1e12
        rest, threshold = p["v_rest"] * 1e3, p["v_threshold"] * 1e3
        delta, tau = p["delta"] * 1e3, p["tau_u"] * 1e3
        v = rest

        def slopes(v, u):
            upswing = delta * math.exp((v - threshold) / delta)
            return (g * (rest - v + upswing) + current - u) / c, (a * (v - rest) - u) / tau
    else:
        a, b_u, b = p["a"] * 1e-3, p["b"] * 1e-3, p["d"]  # V/s is mV/ms
        v, u = -70.0, -14.0

        def slopes(v, u):
            return 0.04 * v**2 + 5 * v + 140 - u + current, a * (b_u * v - u)

    for step in range(round(duration / dt)):
        dv, du = slopes(v, u)
        v, u = v + dt * dv, u + dt * du
        if v >= p["v_peak"] * 1e3:
            v, u = p["v_reset"] * 1e3, u + b
            times.append(step * dt)
    return np.array(times)


# -- AdEx --------------------------------------------------------------------------------------

#: The current (in units of 1 nA) at which each model shows its pattern.
ADEX_MODELS = {
    "regular": (ADEX, 1.0),
    "tonic": (ADEX_TONIC, 0.5),
    "adapting": (ADEX_ADAPTING, 0.5),
    "initial burst": (ADEX_INITIAL_BURST, 0.4),
    "bursting": (ADEX_BURSTING, 0.21),
}


@functools.cache
def adex(pattern):
    """Spike times (ms) in 600 ms without and with current, and the state at the end."""
    model, i_syn = ADEX_MODELS[pattern]
    return constant_input(model, [0.0, i_syn], 600)


@pytest.mark.parametrize("pattern", ADEX_MODELS)
def test_adex_is_eulers_method_step_for_step(pattern):
    model, i_syn = ADEX_MODELS[pattern]
    (silent, times), _ = adex(pattern)
    assert len(silent) == 0
    np.testing.assert_allclose(times, integrate(model, 1e3 * i_syn, 600, DT), atol=1e-6)
    fine = integrate(model, 1e3 * i_syn, 600, 0.01)  # the time step is small enough
    assert abs(len(times) - len(fine)) <= 0.05 * len(fine)
    assert times[:2] == pytest.approx(fine[:2], abs=0.6)


@pytest.mark.parametrize("pattern", ADEX_MODELS)
def test_adex_rests_at_its_fixed_point(pattern):
    model, _ = ADEX_MODELS[pattern]
    p = {k: float(v) for k, v in model.parameters.items()}

    def total(v):
        upswing = p["g_leak"] * p["delta"] * math.exp((v - p["v_threshold"]) / p["delta"])
        return upswing - (p["g_leak"] + p["a"]) * (v - p["v_rest"])

    rest = brentq(total, p["v_rest"] - 1e-3, p["v_threshold"] - p["delta"])
    _, after = adex(pattern)
    assert after.arrays["e.v"][0] == pytest.approx(rest, abs=2e-5)


def test_adex_without_adaptation_is_the_exponential_neuron():
    model = ADEX_TONIC.with_parameters(a=0 * nS, b=0 * pA)
    rheobase = 10 * (-50 + 70 - 2) / 1e3  # nA: the fold of the membrane equation
    factors = [0.98, 1.1, 1.5, 3.0]
    times, _ = constant_input(model, [rheobase * f for f in factors], 400)
    assert len(times[0]) == 0
    for factor, spikes in zip(factors[1:], times[1:], strict=True):
        current = 1e3 * rheobase * factor

        def per_mv(v, current=current):
            return 200 / (10 * (-70 - v + 2 * math.exp((v + 50) / 2)) + current)

        interval = quad(per_mv, -58, -40)[0] + quad(per_mv, -40, 0)[0]
        assert np.ptp(np.diff(spikes)) < 0.15
        # the upswing of a spike takes a few steps more than it should
        assert np.diff(spikes).mean() == pytest.approx(interval, abs=0.5)


def test_adex_rheobase_with_adaptation():
    # started near its fixed point it fires above the saddle-node (where a/g_leak > tau_m/tau_u)
    g, a = 12.0, 2.0
    model = ADEX_ADAPTING
    v = -50 + 2 * math.log(1 + a / g)
    fold = (g + a) * (-50 + 70 - 2 + 2 * math.log(1 + a / g))  # pA
    start = {"v": [(v - 1) * 1e-3] * 2, "u": [a * (v - 1 + 70) * 1e-12] * 2}
    times, _ = constant_input(model, [0.99e-3 * fold, 1.03e-3 * fold], 600, **start)
    assert len(times[0]) == 0 and len(times[1]) > 0


def test_adex_firing_patterns():
    intervals = {name: np.diff(adex(name)[0][1]) for name in ADEX_MODELS}
    # tonic: a short transient, then equal intervals
    assert np.ptp(intervals["tonic"][10:]) < 0.15
    assert intervals["tonic"][0] > 0.9 * intervals["tonic"][-1]
    # adapting and regular: every interval longer than the one before, up to a steady state
    for name, ratio in (("adapting", 6.5), ("regular", 2.6)):
        assert np.all(np.diff(intervals[name]) > -0.25)
        assert intervals[name][-1] / intervals[name][0] == pytest.approx(ratio, rel=0.05)
    # initial burst: two short intervals, then equal long ones
    first, rest = intervals["initial burst"][:2], intervals["initial burst"][3:]
    assert first.max() < 10 and rest.min() > 60 and np.ptp(rest) < 0.3
    # bursting: intervals within and between bursts, nothing in between, to the end
    bursting = intervals["bursting"]
    short, long = bursting[bursting < 20], bursting[bursting > 100]
    assert len(short) + len(long) == len(bursting)
    assert len(short) >= 4 and len(long) >= 4
    assert bursting[-4:].min() < 20 and bursting[-4:].max() > 100


# -- Izhikevich --------------------------------------------------------------------------------

IZHIKEVICH_MODELS = {
    "rs": IZHIKEVICH,
    "ib": IZHIKEVICH_INTRINSICALLY_BURSTING,
    "ch": IZHIKEVICH_CHATTERING,
    "fs": IZHIKEVICH_FAST_SPIKING,
}


@functools.cache
def izhikevich(pattern):
    """Spike times (ms) in 400 ms with I = 0, 5, 10, and the state at the end."""
    return constant_input(IZHIKEVICH_MODELS[pattern], [0.0, 0.5, 1.0], 400)


@pytest.mark.parametrize("pattern", IZHIKEVICH_MODELS)
def test_izhikevich_is_eulers_method_step_for_step(pattern):
    times, after = izhikevich(pattern)
    assert len(times[0]) == 0
    assert after.arrays["e.v"][0] == pytest.approx(-70e-3, rel=1e-9)  # at rest from the start
    assert after.arrays["e.u"][0] == pytest.approx(-14.0, rel=1e-9)
    for spikes, current in zip(times[1:], (5.0, 10.0), strict=True):
        reference = integrate(IZHIKEVICH_MODELS[pattern], current, 400, DT)
        np.testing.assert_allclose(spikes[:20], reference[:20], atol=1e-6)
        np.testing.assert_allclose(spikes, reference, atol=0.5)  # rounding adds up
    fine = integrate(IZHIKEVICH_MODELS[pattern], 10.0, 400, 0.01)
    assert abs(len(times[2]) - len(fine)) <= 0.05 * len(fine)


def test_izhikevich_rheobase_is_where_its_rest_loses_stability():
    # 0.08 v + 5 = a at the fixed point 0.04 v^2 + (5 - b) v + 140 + I = 0: I = 3.80
    v = (0.02 - 5) / 0.08
    threshold = -(0.04 * v**2 + 4.8 * v + 140)
    inputs = np.array([threshold - 0.1, threshold + 0.1])
    rest = (-4.8 - np.sqrt(4.8**2 - 0.16 * (140 + inputs))) / 0.08
    start = {"v": (rest + 0.1) * 1e-3, "u": 0.2 * rest}
    times, _ = constant_input(IZHIKEVICH, inputs / 10, 500, **start)
    assert len(times[0]) == 0 and len(times[1]) > 0


def test_izhikevich_firing_patterns():
    intervals = {name: [np.diff(t) for t in izhikevich(name)[0]] for name in IZHIKEVICH_MODELS}
    # regular spiking: adapts to equal intervals
    rs = intervals["rs"][2]
    assert rs[1] > 2 * rs[0] and np.ptp(rs[1:]) < 0.5
    # fast spiking: much higher rates at the same current
    for k in (1, 2):
        assert len(intervals["fs"][k]) > 2 * len(intervals["rs"][k])
    assert np.ptp(intervals["fs"][2][4:]) < 0.5
    # intrinsically bursting: one burst, then single spikes
    ib = intervals["ib"][2]
    assert ib[:2].max() < 5 and ib[2:].min() > 25 and np.ptp(ib[3:]) < 0.5
    # chattering: bursts again and again
    ch = intervals["ch"][2]
    assert np.all((ch < 8) | (ch > 30))
    assert np.sum(ch > 30) >= 4 and np.sum(ch < 8) > 3 * np.sum(ch > 30)
    assert len(izhikevich("ch")[0][2]) > 2 * len(izhikevich("rs")[0][2])


# -- in a network ------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [ADEX, IZHIKEVICH], ids=lambda model: model.name)
def test_they_take_the_synaptic_input_of_the_lif(model):
    spec = feedforward(model, CURRENT, n=1, w=2.0, dt=DT * ms)
    rate = EVERY_STEP / DT  # a spike in every step of 0.1 ms
    quiet = make_segment(spec, [[rate], [0.0]], [1, 50])
    state, _ = advance(spec, quiet)
    i_syn = 2.0 / 30 * (1 - DT / 30) ** 50  # a jump of w*charge/tau_syn, Euler's decay
    assert state.arrays["e.i_syn"][0] == pytest.approx(i_syn, rel=1e-3)
    assert state.arrays["e.v"][0] > initial_state(spec, 1).arrays["e.v"][0] + 1e-4
    _, recording = advance(spec, make_segment(spec, [[rate], [0.0]], [20, 300]))
    assert recording.counts["e"].sum() > 0


def feedforward(model, synapse, n, w, *, lateral=0.0, dt=1 * ms, activities=()):
    """`n` inputs with synapses of weight `w` on all of `n` neurons."""
    projections = [("input_e", "input", w, 1)] + [("ee", "e", lateral, -1)] * (lateral > 0)
    return NetworkSpec(
        name="feedforward",
        dt=dt,
        populations=(
            Population(name="input", size=n, model=POISSON),
            Population(name="e", size=n, model=model, activities=activities),
        ),
        projections=tuple(
            Projection(
                name=name,
                source=source,
                target="e",
                synapse=synapse,
                weights=InitialWeights(low=weight),
                w_max=100.0,
                sign=sign,
            )
            for name, source, weight, sign in projections
        ),
    )


# -- the competitive neuron --------------------------------------------------------------------


def competitive(trains, w, *, model=COMPETITIVE_LIF, lateral=0.0, steps=None, **options):
    """Run neurons, each with an input of its own that fires as `trains` (n_slots, n) say.

    `w` are the weights (n,) of these inputs.
    """
    trains = np.asarray(trains, dtype=float)
    activities = options.pop("activities", ())
    n = trains.shape[1]
    spec = feedforward(model, VOLTAGE, n, 1.0, lateral=lateral, activities=activities)
    state = initial_state(spec, 1)
    pre, post = state.synapses["input_e"]
    weights = np.where(pre == post, np.broadcast_to(w, n)[post], 0.0)
    state = state.updated(input_e__w=weights)
    start = options.pop("start", {})
    state = state.updated(**{f"e__{k}": np.asarray(v) for k, v in start.items()})
    segment = make_segment(spec, trains * EVERY_STEP, steps, raster=True, **options)
    return advance(spec, segment, state)


def drive(n_steps, n=1):
    """One slot in which every input fires in every step."""
    return {"trains": np.ones((1, n)), "steps": [n_steps]}


def test_membrane_decays_to_rest_and_starts_there_at_every_slot():
    for n in (1, 10, 100):
        # one spike in every step of the slot: v = sum of w*exp(-k/100)
        state, _ = competitive(**drive(n), w=0.1)
        expected = -65 + 0.1 * np.exp(-np.arange(n) / 100).sum()
        assert state.arrays["e.v"][0] * 1e3 == pytest.approx(expected, rel=1e-9)
    # the next slot starts from rest, also for a neuron that is refractory
    trains = [[1.0, 1.0], [0.0, 0.0]]
    state, recording = competitive(trains, [0.1, 100.0], steps=[4, 1])
    assert recording.counts["e"].tolist() == [[0, 1], [0, 0]]
    assert state.arrays["e.v"] * 1e3 == pytest.approx([-65, -65], abs=1e-12)
    assert state.arrays["e.t_hold"].tolist() == [0, 0]


def test_threshold_rises_with_each_spike_and_recovers():
    model = COMPETITIVE_LIF.with_parameters(theta_spike=0.5 * mV, tau_theta=50 * ms)
    # v reaches -65 + w after one step: threshold -52 + theta
    start = {"theta": [0.0, 1e-3, 1e-3]}
    state, recording = competitive(
        np.ones((1, 3)), [13.2, 13.2, 14.3], model=model, steps=[2], start=start, plasticity=1
    )
    assert recording.counts["e"].tolist() == [[1, 0, 1]]
    decay = np.exp(-1 / 50)
    expected = np.array([0, decay, decay]) * decay + np.array([0.5, 0, 0.5])
    assert state.arrays["e.theta"] * 1e3 == pytest.approx(expected, rel=1e-9)
    # the default: 0.05 mV a spike, practically without recovery
    state, recording = competitive(**drive(1000), w=20.0, plasticity=1)
    spikes = recording.counts["e"].sum()
    assert spikes > 100
    assert state.arrays["e.theta"][0] * 1e3 == pytest.approx(0.05 * spikes, rel=1e-4)


BUILT_IN_REFRACTORINESS = NeuronModel(
    name="built_in",
    equations="dv/dt = (v_rest - v)/tau_m : volt (unless refractory)",
    threshold="v > v_threshold",
    reset="v = v_reset",
    refractory="t_ref",
    method="exact",
    parameters={
        k: COMPETITIVE_LIF.parameters[k]
        for k in ("v_rest", "tau_m", "v_threshold", "v_reset", "t_ref")
    },
    initial={"v": "v_rest"},
)


def test_refractory_period():
    _, recording = competitive(**drive(100), w=20.0)
    intervals = np.diff(spike_steps(recording, 0))
    assert np.all(intervals == 6)  # 5 ms in which input has no effect, 1 step to act
    # as long as Brian2's own, for any input
    weights = np.linspace(0.5, 20, 8)
    trains = np.full((1, 8), 0.3)  # a probability: the same input spikes in both runs
    own, built_in = (
        competitive(trains, weights, model=model, steps=[600])[1]
        for model in (COMPETITIVE_LIF, BUILT_IN_REFRACTORINESS)
    )
    assert own.counts["input"].sum() == built_in.counts["input"].sum() > 1000
    for k in range(8):
        assert spike_steps(own, k).tolist() == spike_steps(built_in, k).tolist()
    assert own.counts["e"][0, -1] > 50


@pytest.mark.parametrize(
    "gates", [{"input": 0, "plasticity": 1}, {"input": 1, "plasticity": 0}, {"input": 0}]
)
def test_slow_threshold_is_frozen_unless_input_and_plasticity_are_open(gates):
    noise = (MEMBRANE_NOISE.with_parameters(sd=6 * mV),)  # spikes without input
    start = {"theta": np.array([0.0, 1e-3, 3.3e-3])}
    run = {"steps": [300], "activities": noise, "noise": 1, "start": start}
    frozen, recording = competitive(np.ones((1, 3)), 5.0, **run, **gates)
    assert recording.counts["e"].min() > 0
    assert frozen.arrays["e.theta"].tobytes() == start["theta"].tobytes()
    awake, _ = competitive(np.ones((1, 3)), 5.0, **run, plasticity=1)
    assert np.all(awake.arrays["e.theta"] > start["theta"])


def test_lateral_inhibition():
    weights = [20.0, 1.0, 2.0, 0.0]
    before, _ = competitive(np.ones((1, 4)), weights, lateral=17.5, steps=[1])
    assert before.arrays["e.v"] * 1e3 == pytest.approx([-45, -64, -63, -65], rel=1e-12)
    after, recording = competitive(np.ones((1, 4)), weights, lateral=17.5, steps=[2])
    assert recording.counts["e"].tolist() == [[1, 0, 0, 0]]
    q = np.exp(-1 / 100)  # one step of decay, the second input spike, and 17.5 mV from the others
    expected = [-60, -65 + 1 + q - 17.5, -65 + 2 + 2 * q - 17.5, -65 - 17.5]
    assert after.arrays["e.v"] * 1e3 == pytest.approx(expected, rel=1e-12)


def test_competition_step_by_step():
    rng = np.random.default_rng(5)
    n, n_steps, images = 5, 150, 4
    weights = rng.uniform(1, 6, n)
    trains = np.full((images, n), 0.5)
    state, recording = competitive(
        trains, weights, lateral=17.5, steps=[n_steps] * images, plasticity=1
    )
    drawn = np.zeros((images * n_steps, n), dtype=bool)
    drawn[recording.spikes["input"]] = True
    v, theta, held, times = np.full(n, -65.0), np.zeros(n), np.zeros(n, dtype=int), []
    for step, inputs in enumerate(drawn):
        if step % n_steps == 0:
            v[:], held[:] = -65, 0
        v = -65 + (v + 65) * np.exp(-1 / 100)
        theta *= np.exp(-1 / 1e7)
        v[held > 0] = -60
        held = np.maximum(held - 1, 0)
        spikes = v > -52 + theta
        v += weights * inputs - 17.5 * (spikes.sum() - spikes)
        v[spikes], held[spikes] = -60, 5
        theta[spikes] += 0.05
        times += [(step, i) for i in np.flatnonzero(spikes)]
    assert len(times) > 20
    assert list(zip(*(a.tolist() for a in recording.spikes["e"]), strict=True)) == times
    assert state.arrays["e.v"] * 1e3 == pytest.approx(v, rel=1e-9)
    assert state.arrays["e.theta"] * 1e3 == pytest.approx(theta, rel=1e-9)

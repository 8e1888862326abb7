"""Values a neuron and a synapse has of its own, as they are drawn and simulated."""

import dataclasses
import itertools
from types import SimpleNamespace

import brian2
import numpy as np
import pytest
from brian2 import Hz, ms, mV, second, um
from conftest import BACKENDS, EVERY_STEP, QUICK, SMALL_CAPACITY, make_segment
from scipy import sparse

from brainsleep.backends.base import make_backend
from brainsleep.backends.cpp.build import code_of
from brainsleep.errors import BackendError, SpecError, StoreError
from brainsleep.experiment.protocol import Protocol
from brainsleep.experiment.start import SavedWeights
from brainsleep.experiment.timeline import Timeline, awake
from brainsleep.models.inputs import POISSON
from brainsleep.models.sleep import DECAY_STATIC, WHITE_NOISE
from brainsleep.models.stdp import STDP_NEAREST
from brainsleep.network.spec import (
    Connectivity,
    FixedInDegree,
    FixedOutDegree,
    InitialWeights,
    NetworkSpec,
    NeuronModel,
    OneToOne,
    Pairs,
    Population,
    Projection,
    SynapseModel,
    WeightProcess,
)
from brainsleep.run import connect
from brainsleep.run.loop import Run
from brainsleep.run.simulate import simulate
from brainsleep.run.state import initial_state, stream

INPUT = Population(name="input", size=4, model=POISSON)

#: Driven above threshold without any input.
DRIVEN = NeuronModel(
    name="driven",
    equations="dv/dt = (v_rest - v + drive)/tau_m : volt",
    threshold="v > v_threshold",
    reset="v = v_reset",
    parameters={
        "tau_m": 10 * ms,
        "v_rest": -70 * mV,
        "v_reset": -80 * mV,
        "v_threshold": -55 * mV,
        "drive": 25 * mV,
    },
    initial={"v": "v_rest"},
)

#: Variables of every type.
TYPED = NeuronModel(name="typed", equations="n : integer\nb : boolean\nv : volt")

KICK = SynapseModel(name="kick", on_pre="v_post += w_sign*w*jump", parameters={"jump": 1 * mV})


def network(*projections, e=None, i=None, **changes):
    others = tuple(p for p in (e, i) if p)
    return NetworkSpec(name="own", populations=(INPUT, *others), projections=projections, **changes)


def neurons(size=30, **changes):
    return Population(**{"name": "e", "size": size, "model": DRIVEN, **changes})


def projection(source="e", target="e", **changes):
    given = {"name": "ee", "synapse": KICK, "weights": 1.0, "w_max": 5.0, **changes}
    return Projection(source=source, target=target, **given)


def drawn(spec, seed=1):
    return initial_state(spec, seed)


def quiet(spec, steps, n=1, **more):
    """Slots in which the input is silent."""
    return make_segment(spec, np.zeros((n, 4)), np.full(n, steps), raster=True, **more)


# -- neurons -----------------------------------------------------------------------------------


def test_what_is_drawn_has_the_moments_that_were_asked_for():
    n = 20_000
    values = {
        "v": "normal(-50*mV, 2*mV)",
        "v_threshold": "uniform(-40*mV, -30*mV)",
        "tau_m": "5*ms + exponential(10*ms)",
        "drive": "poisson(3)*mV + lognormal(-1, 0.5)*mV",
        "v_reset": "v_reset + 2*mV*randn()",
        "v_rest": "-70*mV + 10*mV*rand()",
    }
    arrays = drawn(network(e=neurons(n, values=values))).arrays
    mean = {name.removeprefix("e."): array.mean() for name, array in arrays.items()}
    sd = {name.removeprefix("e."): array.std() for name, array in arrays.items()}
    lognormal = np.exp(-1 + 0.5**2 / 2), np.exp(2 * -1 + 0.5**2) * (np.exp(0.5**2) - 1)
    for name, m, s in (
        ("v", -50e-3, 2e-3),
        ("v_threshold", -35e-3, 10e-3 / np.sqrt(12)),
        ("tau_m", 15e-3, 10e-3),
        ("drive", (3 + lognormal[0]) * 1e-3, np.sqrt(3 + lognormal[1]) * 1e-3),
        ("v_reset", -80e-3, 2e-3),
        ("v_rest", -65e-3, 10e-3 / np.sqrt(12)),
    ):
        assert abs(mean[name] - m) < 5 * s / np.sqrt(n), name
        assert sd[name] == pytest.approx(s, rel=0.04), name
    assert arrays["e.v_threshold"].min() >= -40e-3
    assert arrays["e.v_threshold"].max() < -30e-3


def test_each_value_has_a_stream_of_its_own():
    values = {"v": "normal(-50*mV, 2*mV)", "v_threshold": "normal(-50*mV, 2*mV)"}
    both = drawn(network(e=neurons(values=values))).arrays
    again = drawn(network(e=neurons(values=values))).arrays
    other = drawn(network(e=neurons(values=values)), seed=2).arrays
    alone = drawn(network(e=neurons(values={"v": values["v"]}))).arrays
    np.testing.assert_array_equal(both["e.v"], again["e.v"])
    np.testing.assert_array_equal(both["e.v"], alone["e.v"])
    assert np.abs(np.corrcoef(both["e.v"], both["e.v_threshold"])[0, 1]) < 0.5
    assert np.all(both["e.v"] != other["e.v"])
    same = {"v_threshold": values["v_threshold"]}
    names = [Population(name=name, size=5, model=DRIVEN, values=same) for name in "ei"]
    arrays = drawn(network(e=names[0], i=names[1])).arrays
    assert np.all(arrays["e.v_threshold"] != arrays["i.v_threshold"])


def test_terms_draw_in_the_order_in_which_they_are_written():
    value = "0*mV + rand()*mV + 1000*mV*floor(1000*rand())"
    v = 1e3 * drawn(network(e=neurons(7, values={"v": value}))).arrays["e.v"]
    rng = stream(1, "values", "e", "v")
    np.testing.assert_allclose(v, rng.random(7) + 1000 * np.floor(1000 * rng.random(7)), rtol=1e-12)


def test_expressions_know_parameters_indices_positions_and_each_other():
    e = neurons(
        12,
        positions={"x": "(i % 4)*25*um", "y": [float(k // 4) for k in range(12)] * um},
        values={
            "v_threshold": "v_threshold + i*mV",
            "v": "v_reset + (v_threshold - v_reset)*x/(75*um)",
            "tau_m": 20 * ms,
            "drive": "N*mV + y/um*mV",
        },
    )
    state = drawn(network(e=e))
    i = np.arange(12)
    threshold = -55e-3 + i * 1e-3
    x = (i % 4) * 25e-6
    np.testing.assert_allclose(state.arrays["e.v_threshold"], threshold, rtol=1e-12)
    v = -80e-3 + (threshold + 80e-3) * x / 75e-6
    np.testing.assert_allclose(state.arrays["e.v"], v, rtol=1e-12)
    np.testing.assert_allclose(state.arrays["e.drive"], (12 + i // 4) * 1e-3, rtol=1e-12)
    assert state.parameters["e.tau_m"] == 0.02
    assert "e.v_threshold" not in state.parameters
    assert "e.x" not in state.arrays


def test_a_position_is_the_parameter_of_its_name():
    model = dataclasses.replace(
        DRIVEN,
        equations="dv/dt = (v_rest - v + drive*x/(1*um))/tau_m : volt",
        parameters={**DRIVEN.parameters, "x": 0 * um},
    )
    e = neurons(3, model=model, positions={"x": "i*um"})
    np.testing.assert_allclose(drawn(network(e=e)).arrays["e.x"], [0, 1e-6, 2e-6])


def test_integers_and_booleans_are_values_too():
    e = neurons(4, model=TYPED, values={"n": "i//2", "b": "i > 1", "v": "int(i > 1)*mV"})
    arrays = drawn(network(e=e)).arrays
    np.testing.assert_array_equal(arrays["e.n"], [0, 0, 1, 1])
    np.testing.assert_array_equal(arrays["e.b"], [0, 0, 1, 1])
    np.testing.assert_array_equal(arrays["e.v"], [0, 0, 1e-3, 1e-3])


def test_a_model_can_start_with_an_expression():
    initial = {"v": "v_reset + rand()*(v_threshold - v_reset)"}
    model = dataclasses.replace(DRIVEN, initial=initial)
    v = drawn(network(e=neurons(500, model=model))).arrays["e.v"]
    assert v.min() > -80e-3
    assert v.max() < -55e-3
    assert v.std() == pytest.approx(25e-3 / np.sqrt(12), rel=0.1)
    lower = neurons(500, model=model, values={"v_threshold": -79 * mV})
    assert drawn(network(e=lower)).arrays["e.v"].max() < -79e-3


def test_a_model_can_start_with_the_number_of_a_neuron_or_synapse():
    model = NeuronModel(
        name="numbered",
        equations="number : 1\nsize : 1\nwhole : integer",
        initial={"number": "i", "size": "N", "whole": "i"},
    )
    initial = {"pre": "i", "post": "j", "few": "N_pre"}
    synapse = SynapseModel(
        name="numbered", equations="pre : 1\npost : 1\nfew : 1", initial=initial,
        on_pre="size_post += w",
    )  # fmt: skip
    spec = network(projection(synapse=synapse), e=neurons(3, model=model))
    state = drawn(spec)
    for name, values in {"number": [0, 1, 2], "size": [3, 3, 3], "whole": [0, 1, 2]}.items():
        np.testing.assert_array_equal(state.arrays[f"e.{name}"], values)
    for name, values in zip(("pre", "post"), state.synapses["ee"], strict=True):
        np.testing.assert_array_equal(state.arrays[f"ee.{name}"], values)
    assert set(state.arrays["ee.few"]) == {3}
    with pytest.raises(SpecError, match="initial: got number='j'"):
        dataclasses.replace(model, initial={"number": "j"})
    with pytest.raises(SpecError, match="unit"):
        dataclasses.replace(DRIVEN, initial={"v": "i"})


@pytest.mark.parametrize("backend", BACKENDS)
def test_heterogeneous_neurons_spike_as_in_brian2(backend):
    rng = np.random.default_rng(0)
    n = 25
    threshold, tau = rng.normal(-55, 2, n) * mV, rng.uniform(5, 20, n) * ms
    start = rng.uniform(-80, -57, n) * mV
    t_ref = rng.integers(0, 6, n) * ms
    model = dataclasses.replace(
        DRIVEN,
        equations="dv/dt = (v_rest - v + drive)/tau_m : volt (unless refractory)",
        parameters={**DRIVEN.parameters, "t_ref": 0 * ms},
        refractory="t_ref",
    )
    values = {"v_threshold": threshold, "tau_m": tau, "v": start, "t_ref": t_ref}
    e = neurons(n, model=model, values=values)
    spec = network(e=e)
    state, recording = make_backend(backend, spec, capacity=SMALL_CAPACITY).advance(
        drawn(spec), quiet(spec, 200), 1
    )

    brian2.set_device("runtime")
    brian2.prefs.codegen.target = "numpy"
    group = brian2.NeuronGroup(
        n,
        """dv/dt = (-70*mV - v + 25*mV)/tau : volt (unless refractory)
           tau : second
           t_ref : second
           threshold : volt""",
        threshold="v > threshold",
        reset="v = -80*mV",
        refractory="t_ref",
        method="euler",
        dt=1 * ms,
    )
    group.v, group.tau, group.threshold, group.t_ref = start, tau, threshold, t_ref
    monitor = brian2.SpikeMonitor(group)
    brian2.Network(group, monitor).run(200 * ms)
    steps, who = recording.spikes["e"]
    np.testing.assert_array_equal(np.rint(monitor.t / ms), steps)
    np.testing.assert_array_equal(monitor.i, who)
    assert len(steps) > 100
    np.testing.assert_allclose(state.arrays["e.v"], group.v / brian2.volt, rtol=1e-9)
    np.testing.assert_array_equal(state.arrays["e.tau_m"], np.asarray(tau))


# -- synapses ----------------------------------------------------------------------------------


def plastic_network(**changes):
    """Everything that synapses can have of their own, in a recurrent network that learns."""
    process = dataclasses.replace(DECAY_STATIC, period=5 * ms)
    recurrent = projection(
        connectivity=FixedInDegree(6, repeats=True),
        weights="clip(0.5 + 0.1*(i - j), 0.1, 2)",
        w_min=0.01,
        rules=(STDP_NEAREST,),
        processes=(process,),
        values={"jump": "uniform(1*mV, 3*mV)", "decay_w_star": "0.2 + 0.01*j"},
    )
    e = neurons(
        15, values={"v_threshold": "normal(v_threshold, 1*mV)", "v": "uniform(-80*mV, -57*mV)"}
    )
    feed = projection("input", "e", name="feed", connectivity=Connectivity(p=0.5))
    return network(feed, recurrent, e=e, **changes)


PATTERN = (np.random.default_rng(3).random((21, 4)) < 0.3) * EVERY_STEP


@pytest.fixture(scope="module")
def plastic():
    spec = plastic_network()
    slots = make_segment(spec, PATTERN, np.full(21, 9), raster=True, plasticity=1, decay=1)
    return spec, drawn(spec), slots


@pytest.fixture(scope="module")
def reference(plastic):
    spec, state, slots = plastic
    return make_backend("numpy", spec, capacity=SMALL_CAPACITY).advance(state, slots, 1)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("cuts", [1, 2, 7])
def test_backends_and_cut_segments_agree(backend, cuts, plastic, reference):
    spec, state, slots = plastic
    made = make_backend(backend, spec, capacity=SMALL_CAPACITY)
    counts, whole = [], made.advance(state, slots, 1)
    for part in np.array_split(np.arange(21), cuts):
        state, recording = made.advance(state, slots.part(part[0], part[-1] + 1), 1)
        counts.append(recording.counts["e"])
    np.testing.assert_array_equal(np.vstack(counts), reference[1].counts["e"])
    assert state.arrays.keys() == reference[0].arrays.keys()
    for name, value in reference[0].arrays.items():
        np.testing.assert_array_equal(state.arrays[name], whole[0].arrays[name], err_msg=name)
        np.testing.assert_allclose(state.arrays[name], value, rtol=1e-9, atol=1e-12, err_msg=name)
    assert np.any(state.weights("ee") != plastic[1].weights("ee"))
    assert np.vstack(counts).sum() > 30


def test_other_values_are_the_same_program():
    one, other = (
        network(
            projection(values={"jump": value}),
            e=neurons(values={"v_threshold": threshold, "v": -70 * mV}),
        )
        for value, threshold in (("1*mV + 0*mV*rand()", "i*mV"), (np.ones(870) * mV, "2*i*mV"))
    )
    assert code_of(one) == code_of(other)
    assert code_of(one) != code_of(network(projection(), e=neurons()))
    numbers = (network(projection(), e=neurons(values={"v_threshold": v * mV})) for v in (1, 2))
    assert code_of(next(numbers)) == code_of(next(numbers))


@pytest.mark.parametrize("backend", [QUICK])
def test_each_synapse_has_its_weight_and_parameter_in_the_order_given(backend):
    pairs = Pairs([2, 0, 0, 2, 0], [1, 2, 0, 1, 2])  # two pairs come twice, none in order
    given = {"weights": [0.5, 1.0, 2.0, 0.25, 3.0], "values": {"jump": [1, 2, 3, 4, 5] * mV}}
    feed = projection("input", "e", connectivity=pairs, **given)
    model = NeuronModel(name="still", equations="v : volt")
    spec = network(feed, e=neurons(3, model=model))
    state = drawn(spec)
    np.testing.assert_array_equal(state.synapses["ee"], [[0, 0, 0, 2, 2], [0, 2, 2, 1, 1]])
    np.testing.assert_array_equal(state.arrays["ee.w"], [2, 1, 3, 0.5, 0.25])
    np.testing.assert_allclose(state.arrays["ee.jump"], [3e-3, 2e-3, 5e-3, 1e-3, 4e-3])
    stimulus = np.array([[EVERY_STEP, 0, 0, 0], [0, 0, EVERY_STEP, 0]])
    slots = make_segment(spec, stimulus)
    after, _ = make_backend(backend, spec, capacity=SMALL_CAPACITY).advance(state, slots, 1)
    np.testing.assert_allclose(after.arrays["e.v"], [6e-3, 1.5e-3, 17e-3], rtol=1e-12)


def test_delays_are_values_too():
    i, e = Population(name="i", size=50, model=DRIVEN), neurons(40)
    spec = network(projection("e", "i", delay="uniform(1*ms, 5*ms)"), e=e, i=i)
    delay = drawn(spec).arrays["ee.delay"]
    assert delay.mean() == pytest.approx(3e-3, rel=0.05)
    assert delay.min() >= 1e-3 and delay.max() <= 5e-3
    pairs = Pairs([2, 0, 0], [1, 2, 0])
    spec = network(projection(connectivity=pairs, delay=[1, 2, 3] * ms), e=neurons(3))
    np.testing.assert_array_equal(drawn(spec).arrays["ee.delay"], [3e-3, 2e-3, 1e-3])


def test_synapses_know_both_ends_and_the_distance():
    shifted = Population(
        name="i",
        size=5,
        model=DRIVEN,
        positions={"x": "i*10*um", "y": "5*um"},
        values={"v_threshold": "i*mV"},
    )
    e = neurons(4, positions={"x": "i*10*um", "y": "0*um"})
    spec = network(
        projection(
            "e",
            "i",
            weights="(i + 10*j)/100",
            values={"jump": "1*mV*distance/um + v_threshold_post"},
        ),
        e=e,
        i=shifted,
    )
    state = drawn(spec)
    pre, post = state.synapses["ee"]
    np.testing.assert_allclose(state.arrays["ee.w"], (pre + 10 * post) / 100)
    distance = np.hypot(10 * (pre - post), 5)
    np.testing.assert_allclose(state.arrays["ee.jump"], (distance + post) * 1e-3)


def test_the_name_of_a_parameter_is_the_number_of_its_model():
    """In its own value, of neurons and of synapses: the start is computed by hand."""
    process = dataclasses.replace(DECAY_STATIC, period=5 * ms)
    synapses = projection(
        rules=(STDP_NEAREST.with_parameters(lr=0.01),),
        processes=(process,),
        values={
            "jump": "jump*(1 + j)",
            "stdp_nearest_lr": "stdp_nearest_lr*(1 + i)",
            "decay_w_star": "decay_w_star/2 + rand()*0",
        },
    )
    noise = WHITE_NOISE.with_parameters(sd=2 * mV)
    e = neurons(3, activities=(noise,), values={"noise_sd": "noise_sd*(1 + i)"})
    state = drawn(network(synapses, e=e))
    pre, post = state.synapses["ee"]
    np.testing.assert_allclose(state.arrays["ee.jump"], 1e-3 * (1 + post), rtol=1e-12)
    np.testing.assert_allclose(state.arrays["ee.stdp_nearest_lr"], 0.01 * (1 + pre), rtol=1e-12)
    half = float(process.parameters["w_star"]) / 2
    np.testing.assert_allclose(state.arrays["ee.decay_w_star"], half, rtol=1e-12)
    np.testing.assert_allclose(state.arrays["e.noise_sd"], [2e-3, 4e-3, 6e-3], rtol=1e-12)


def test_the_value_of_a_parameter_is_not_made_of_another_that_each_has():
    values = {"jump": "1*mV + jump_2", "jump_2": "i*mV"}
    synapse = dataclasses.replace(
        KICK, on_pre="v_post += w_sign*w*(jump + jump_2)",
        parameters={"jump": 1 * mV, "jump_2": 2 * mV},
    )  # fmt: skip
    with pytest.raises(SpecError, match="jump_2"):
        network(projection(synapse=synapse, values=values), e=neurons(3))


def test_weights_have_signs_where_they_are_said_to():
    signed = projection(
        "input",
        "e",
        sign=None,
        w_min=-2.0,
        w_max=1.0,
        weights=[-2, 0.5],
        connectivity=Pairs([0, 1], [0, 0]),
    )
    model = NeuronModel(name="still", equations="v : volt")
    spec = network(signed, e=neurons(1, model=model))
    state = drawn(spec)
    slots = make_segment(spec, [[EVERY_STEP] * 4])
    after, _ = make_backend("numpy", spec, capacity=SMALL_CAPACITY).advance(state, slots, 1)
    assert after.arrays["e.v"][0] == pytest.approx(-1.5e-3)
    np.testing.assert_array_equal(after.weights("ee"), [2, 0.5])
    np.testing.assert_array_equal(signed.bound(np.array([-2.0, 0.5, 0.0])), [2, 1, 1])


# -- wiring ------------------------------------------------------------------------------------


def wired(connectivity, n_pre=50, n_post=40, seed=1):
    """Synapses of one projection; recurrent if the numbers are equal."""
    target = "e" if n_pre == n_post else "i"
    i = None if target == "e" else Population(name="i", size=n_post, model=DRIVEN)
    spec = network(projection("e", target, connectivity=connectivity), e=neurons(n_pre), i=i)
    return drawn(spec, seed).synapses["ee"]


def assert_ordered(pre, post):
    keys = pre.astype(np.int64) * 2**31 + post
    assert np.all(np.diff(keys) >= 0)
    return len(keys) == len(np.unique(keys))


@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("shape", [(50, 40), (50, 50)])
def test_degrees_are_exact(shape, repeats):
    for kind, end, size in ((FixedInDegree, 1, shape[1]), (FixedOutDegree, 0, shape[0])):
        pairs = wired(kind(30, repeats=repeats), *shape)
        np.testing.assert_array_equal(np.bincount(pairs[end], minlength=size), 30)
        assert assert_ordered(*pairs) is not repeats
        if shape[0] == shape[1]:
            assert np.all(pairs[0] != pairs[1])
        spread = np.bincount(pairs[1 - end], minlength=shape[1 - end])
        assert 30 * size / shape[1 - end] == pytest.approx(spread.mean())
        assert spread.min() > 5


def test_all_others_and_oneself():
    pre, post = wired(FixedInDegree(49), 50, 50)
    assert set(zip(pre.tolist(), post.tolist(), strict=True)) == {
        (i, j) for i in range(50) for j in range(50) if i != j
    }
    pre, post = wired(FixedOutDegree(50, self_connections=True), 50, 50)
    assert len(pre) == 2500


def test_one_to_one():
    np.testing.assert_array_equal(wired(OneToOne(), 6, 6), [range(6), range(6)])


def test_pairs_of_a_matrix():
    matrix = np.array([[0, 0.5, 0], [0.25, 0, 1]])
    for given in (matrix, sparse.csr_array(matrix), sparse.csc_matrix(matrix), matrix.tolist()):
        pairs, w = Pairs.from_matrix(given)
        spec = network(
            projection(connectivity=pairs, weights=w, target="i"),
            e=neurons(2),
            i=Population(name="i", size=3, model=DRIVEN),
        )
        state = drawn(spec)
        np.testing.assert_array_equal(state.synapses["ee"], [[0, 1, 1], [1, 0, 2]])
        np.testing.assert_array_equal(state.arrays["ee.w"], [0.5, 0.25, 1])


def test_a_probability_of_one_or_zero_is_kept_for_every_pair():
    pre, post = wired(Connectivity(p="int(abs(i - j) < 3)"), 50, 40)
    i, j = np.indices((50, 40))
    np.testing.assert_array_equal([pre, post], np.nonzero(abs(i - j) < 3))
    pre, post = wired(Connectivity(p="int(abs(i - j) < 3)"), 50, 50)
    assert len(pre) == 2 * (49 + 48)


def test_the_probability_is_that_of_the_distance():
    p = "0.3*exp(-((x_pre-x_post)**2+(y_pre-y_post)**2)/(2*(200*um)**2))"
    shorter = "0.3*exp(-(distance/(200*um))**2/2)"
    e = neurons(1600, positions={"x": "(i % 40)*25*um", "y": "(i // 40)*25*um"})
    made = [
        drawn(network(projection(connectivity=Connectivity(p=each)), e=e)).synapses["ee"]
        for each in (p, shorter)
    ]
    np.testing.assert_array_equal(*made)
    pre, post = made[0]
    x, y = np.arange(1600) % 40 * 25.0, np.arange(1600) // 40 * 25.0
    far = np.hypot(x[:, None] - x, y[:, None] - y)
    np.fill_diagonal(far, np.nan)
    expected = 0.3 * np.exp(-((far / 200) ** 2) / 2)
    edges = np.arange(0, 1000, 50.0)
    for low, high in itertools.pairwise(edges):
        here = (far >= low) & (far < high)
        count = np.sum(here[pre, post])
        mean, variance = expected[here].sum(), (expected * (1 - expected))[here].sum()
        assert abs(count - mean) < 5 * np.sqrt(variance) + 1, low


@pytest.mark.parametrize("p", [0.1, 1.0])
def test_a_large_network_is_drawn_as_a_small_one_is(p, monkeypatch):
    def state(dense, seed=1):
        monkeypatch.setattr(connect, "DENSE", dense)
        monkeypatch.setattr(connect, "BLOCK", 999)
        there = projection("e", "i", name="ei", connectivity=Connectivity(p=p))
        back = Connectivity(p=p, avoid_reciprocal="ei" if p < 1 else "")
        more = projection("i", "e", name="ie", connectivity=back)
        own = projection(connectivity=Connectivity(p=p))
        i = Population(name="i", size=50, model=DRIVEN)
        return drawn(network(there, more, own, e=neurons(120), i=i), seed)

    few, other = state(0), state(0, 2)
    for name, total in (("ei", 6000), ("ie", 6000 * (1 - p if p < 1 else 1)), ("ee", 120 * 119)):
        pre, post = few.synapses[name]
        assert assert_ordered(pre, post)
        assert pre.dtype == post.dtype == np.int32
        if p == 1:
            assert len(pre) == total
            np.testing.assert_array_equal(few.synapses[name], state(2**24).synapses[name])
            continue
        assert abs(len(pre) - total * p) < 5 * np.sqrt(total * p)
        for end, size in ((pre, pre.max() + 1), (post, post.max() + 1)):
            counts = np.bincount(end)
            assert counts.var() == pytest.approx(counts.mean(), rel=0.7), size
        assert len(pre) != len(other.synapses[name][0]) or np.any(pre != other.synapses[name][0])
    assert np.all(few.synapses["ee"][0] != few.synapses["ee"][1])
    if p < 1:
        there, back = (
            {*zip(*map(np.ndarray.tolist, few.synapses[k]), strict=True)} for k in ("ei", "ie")
        )
        assert not there & {(j, i) for i, j in back}


def test_what_was_drawn_before_is_drawn_still():
    spec = network(
        projection(connectivity=Connectivity(p=0.3), weights=InitialWeights(low=0.5, high=1.5)),
        e=neurons(20),
    )
    state = drawn(spec, 5)
    allowed = stream(5, "synapses", "ee").random((20, 20)) < 0.3
    np.fill_diagonal(allowed, False)
    np.testing.assert_array_equal(state.synapses["ee"], np.nonzero(allowed))
    w = stream(5, "weights", "ee").uniform(0.5, 1.5, allowed.sum())
    np.testing.assert_array_equal(state.arrays["ee.w"], w)


# -- what is refused when it is drawn ----------------------------------------------------------


@pytest.mark.parametrize(
    "make, parts",
    [
        (
            lambda: network(projection(connectivity=Connectivity(p="0.1*i")), e=neurons()),
            ("connectivity p: got 0 to 2.9", "0 to 1", "write clip(0.1*i, 0, 1)"),
        ),
        (
            lambda: network(projection(weights="normal(0.5, 10)"), e=neurons()),
            ("weights: got -", "within [0, 5]", "write clip(normal(0.5, 10), w_min, w_max)"),
        ),
        (
            lambda: network(e=neurons(values={"v": "1*mV/i"})),
            ("values: v: got 1 of 30 values", "not finite", "clip"),
        ),
        (
            lambda: network(e=neurons(model=TYPED, values={"n": "i/2", "b": "i > 3"})),
            ("values: n: got 0.5", "a whole number"),
        ),
        (
            lambda: network(projection(connectivity=Connectivity(p="0*i")), e=neurons()),
            ("no synapse was drawn",),
        ),
    ],
)
def test_what_is_drawn_must_fit(make, parts):
    spec = make()
    with pytest.raises(SpecError) as caught:
        drawn(spec)
    for part in parts:
        assert part in str(caught.value)


def test_cuda_says_what_it_cannot_do():
    own = network(
        projection(connectivity=FixedInDegree(2, repeats=True), sign=None, w_min=-1.0), e=neurons()
    )
    values = network(projection(), e=neurons(values={"v_threshold": "i*mV"}))
    assert own.plan.features == ("several synapses a pair", "weights with signs of their own")
    assert values.plan.features == ("values per neuron or synapse",)
    assert network(projection(), e=neurons(values={"v_threshold": -50 * mV})).plan.features == ()
    with pytest.raises(BackendError, match=r"values per neuron or synapse.*use --backend cpp"):
        make_backend("cuda", values)


# -- runs --------------------------------------------------------------------------------------


def signed_protocol(name, connectivity, w, **more):
    recurrent = projection(
        connectivity=connectivity,
        weights=w,
        sign=None,
        w_min=-2.0,
        w_max=1.0,
        rules=(STDP_NEAREST,),
        **more,
    )
    return Protocol(
        name=name,
        network=network(recurrent, e=neurons(6)),
        schedule=Timeline(periods=(awake(0.1 * second, rate=5 * Hz),)),
    )


def test_a_run_with_several_synapses_a_pair_starts_another(tmp_path):
    pairs = Pairs([3, 0, 0, 0], [1, 2, 2, 5])
    first = signed_protocol("first", pairs, [-2.0, 1.0, 0.5, -0.5])
    result = simulate(first, seed=1, backend=QUICK, out=tmp_path)
    weights = result.weights["ee"]
    np.testing.assert_array_equal(weights.synapses, [[0, 2], [0, 2], [0, 5], [3, 1]])
    np.testing.assert_array_equal(weights.w[0], [1, 0.5, -0.5, -2])
    assert weights.sign == 0
    assert np.any(weights.w[1] != weights.w[0])
    metrics = result.metrics
    w = weights.w[1]
    bound = np.where(w < 0, 2, 1)
    assert metrics["saturated_ee"] == np.mean(np.abs(w) >= 0.99 * bound)
    assert metrics["largest_ee"] == np.abs(w).max()
    assert metrics["growth_ee"] == pytest.approx(np.abs(w).sum() / 4)

    again = dataclasses.replace(first, saved_weights=SavedWeights(result=str(result.path)))
    state = initial_state(again.network, 5, again.saved_weights.weights())
    np.testing.assert_array_equal(state.arrays["ee.w"], w)
    np.testing.assert_array_equal(np.transpose(state.synapses["ee"]), weights.synapses)
    once = signed_protocol("once", FixedInDegree(1), "0*i")
    with pytest.raises(StoreError, match="not in order, each once"):
        dataclasses.replace(once, saved_weights=SavedWeights(result=str(result.path)))


def test_arrays_of_other_synapses_are_not_taken_with_saved_weights(tmp_path):
    first = signed_protocol("first", Pairs([0, 1], [1, 0]), [0.5, 0.5])
    result = simulate(first, seed=1, backend=QUICK, out=tmp_path)
    start = SavedWeights(result=str(result.path)).weights()
    for pairs, fits in ((Pairs([1, 0], [0, 1]), True), (Pairs([0, 1], [2, 0]), False)):
        given = {"values": {"jump": [1, 2] * mV}}
        spec = signed_protocol("second", pairs, [0.5, 0.5], **given).network
        if fits:
            jump = initial_state(spec, 1, start).arrays["ee.jump"]
            np.testing.assert_allclose(jump, [2e-3, 1e-3])
            continue
        with pytest.raises(SpecError, match="arrays of other synapses"):
            initial_state(spec, 1, start)


def test_positive_and_negative_weights_are_summed_apart():
    process = WeightProcess(name="fade", on_update="w = w*0.99", signed=True, parameters={})
    signed = projection(
        connectivity=Pairs([0, 1, 2], [1, 2, 0]),
        weights=[-2.0, 1.0, 0.25],
        sign=None,
        w_min=-2.0,
        processes=(process,),
    )
    spec = network(signed, e=neurons(3))
    run = SimpleNamespace(protocol=SimpleNamespace(network=spec), state=drawn(spec))
    assert Run._summed_weights(run) == (1.25, 2.0)

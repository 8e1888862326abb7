import dataclasses

import numpy as np
import pytest
from brian2 import Quantity, ms, mV

from brainsleep.errors import ProtocolError, SpecError
from brainsleep.models.inputs import POISSON
from brainsleep.models.lif import ADAPTIVE_LIF, CURRENT, LIF
from brainsleep.models.massey2026 import PAPER
from brainsleep.network.assemble import assemble
from brainsleep.network.spec import (
    Connectivity,
    InitialWeights,
    NetworkSpec,
    Population,
    Projection,
)
from brainsleep.run.state import initial_state, stream

PROBABILITY = {"input_e": 0.10, "ee": 0.15, "ei": 0.20, "ie": 0.25}


def network(weights=None, *, p=1.0, sizes=(30, 20), w_max=1.0, model=LIF, **connectivity):
    return NetworkSpec(
        name="net",
        populations=(
            Population(name="input", size=sizes[0], model=POISSON),
            Population(name="e", size=sizes[1], model=model),
        ),
        projections=(
            Projection(
                name="ie",
                source="input",
                target="e",
                synapse=CURRENT,
                connectivity=Connectivity(p=p, **connectivity),
                weights=weights or InitialWeights(low=0.3),
                w_max=w_max,
            ),
        ),
    )


# --- random streams ----------------------------------------------------------------------------


def test_streams_repeat():
    for names in ((), ("weights",), ("weights", "ee"), ("images", 3)):
        np.testing.assert_array_equal(stream(5, *names).random(8), stream(5, *names).random(8))


def test_streams_of_other_names_and_seeds_differ():
    keys = [
        (0,),
        (1,),
        (0, "weights"),
        (0, "noise"),
        (1, "weights"),
        (0, "weights", "ee"),
        (0, "ee", "weights"),
        (0, "weights", 0),
        (0, "weights", 1),
        (2**40, "weights"),
    ]
    draws = {key: tuple(stream(*key).random(4)) for key in keys}
    assert len(set(draws.values())) == len(keys)


def test_streams_are_independent():
    n = 20_000
    a, b = stream(0, "weights").normal(size=n), stream(0, "noise").normal(size=n)
    assert abs(np.corrcoef(a, b)[0, 1]) < 5 / np.sqrt(n)
    first = stream(0, "weights")
    first.random(1000)  # drawing more from one changes nothing in another
    np.testing.assert_array_equal(stream(0, "noise").normal(size=n), b)


@pytest.mark.parametrize("seed", [-1, 1.5, "1", None, True])
def test_bad_seed(seed):
    with pytest.raises(ProtocolError, match=r"seed: got .*; expected a whole number") as caught:
        stream(seed, "weights")
    assert "\n" not in str(caught.value)


# --- connectivity ------------------------------------------------------------------------------


def pairs_of(state, name):
    pre, post = state.synapses[name]
    return set(zip(pre.tolist(), post.tolist(), strict=True))


@pytest.mark.parametrize("seed", [0, 1])
def test_connection_probability(seed):
    state = initial_state(PAPER, seed)
    for projection in PAPER.projections:
        name, p = projection.name, PROBABILITY[projection.name]
        n = PAPER.population(projection.source).size * PAPER.population(projection.target).size
        if name == "ee":
            n -= PAPER.population("e").size
        if name == "ie":  # pairs with the reciprocal synapse are not tried
            n -= len(pairs_of(state, "ei"))
        found = len(state.synapses[name][0])
        assert abs(found - n * p) < 5 * np.sqrt(n * p * (1 - p)), name


def test_connections_of_the_paper():
    state = initial_state(PAPER, 0)
    for name, (pre, post) in state.synapses.items():
        projection = PAPER.projection(name)
        assert pre.dtype == post.dtype == np.int32
        assert len(pairs_of(state, name)) == len(pre)  # no pair twice
        assert pre.min() >= 0 and pre.max() < PAPER.population(projection.source).size
        assert post.min() >= 0 and post.max() < PAPER.population(projection.target).size
    assert not any(pre == post for pre, post in pairs_of(state, "ee"))
    back = {(post, pre) for pre, post in pairs_of(state, "ie")}
    assert not back & pairs_of(state, "ei")


def test_every_neuron_is_as_likely():
    pre, post = initial_state(PAPER, 0).synapses["input_e"]
    for index, size, partners in ((pre, 225, 200), (post, 200, 225)):
        degree = np.bincount(index, minlength=size)
        sd = np.sqrt(partners * 0.1 * 0.9)
        assert abs(degree.mean() - partners * 0.1) < 5 * sd / np.sqrt(size)
        assert 0.75 * sd < degree.std() < 1.25 * sd


def test_all_to_all():
    assert pairs_of(initial_state(network(), 0), "ie") == {
        (i, j) for i in range(30) for j in range(20)
    }


def test_self_connections():
    def state(allowed):
        ee = Projection(
            name="ee",
            source="e",
            target="e",
            synapse=CURRENT,
            connectivity=Connectivity(self_connections=allowed),
            weights=InitialWeights(low=0.5),
        )
        return initial_state(dataclasses.replace(network(), projections=(ee,)), 0)

    everyone = {(i, j) for i in range(20) for j in range(20)}
    assert pairs_of(state(True), "ee") == everyone
    assert pairs_of(state(False), "ee") == {(i, j) for i, j in everyone if i != j}


def test_no_synapse_drawn():
    with pytest.raises(SpecError) as caught:
        initial_state(network(p=1e-9), 0)
    assert str(caught.value) == (
        "projection 'ie': no synapse was drawn with p=1e-09 between 30 and 20 neurons; "
        "raise p or the sizes"
    )


# --- weights and variables ---------------------------------------------------------------------


def test_constant_weights():
    for low, high in ((0.3, None), (0.3, 0.3)):
        w = initial_state(network(InitialWeights(low=low, high=high)), 0).weights("ie")
        np.testing.assert_array_equal(w, 0.3)
        assert w.dtype == np.float64


def test_uniform_weights():
    w = initial_state(network(InitialWeights(low=0.2, high=0.6), sizes=(100, 100)), 0).weights("ie")
    assert len(w) == 10_000
    assert 0.2 <= w.min() < 0.201 and 0.599 < w.max() < 0.6
    assert abs(w.mean() - 0.4) < 5 * (0.4 / np.sqrt(12)) / 100
    np.testing.assert_allclose(w.std(), 0.4 / np.sqrt(12), rtol=0.03)


def test_incoming_sum():
    start = InitialWeights(low=0.2, high=0.6, incoming_sum=7.5)
    state = initial_state(network(start, p=0.7), 0)
    post, w = state.synapses["ie"][1], state.weights("ie")
    np.testing.assert_allclose(np.bincount(post, weights=w, minlength=20), 7.5, rtol=1e-12)
    raw = initial_state(network(InitialWeights(low=0.2, high=0.6), p=0.7), 0).weights("ie")
    for k in range(20):  # each neuron's weights keep their proportions
        ratio = w[post == k] / raw[post == k]
        np.testing.assert_allclose(ratio, ratio[0])


def test_incoming_sum_stays_within_the_bounds():
    start = InitialWeights(low=0.2, high=0.6, incoming_sum=1000)
    np.testing.assert_array_equal(initial_state(network(start), 0).weights("ie"), 1.0)


def test_weights_of_the_paper():
    state = initial_state(PAPER, 0)
    for name, w in {"input_e": 0.15, "ee": 0.30, "ei": 0.60, "ie": 0.50}.items():
        np.testing.assert_array_equal(state.weights(name), w)
        np.testing.assert_array_equal(state.arrays[f"{name}.decay_w_target"], 0)


def test_variables_start_where_they_should():
    model = dataclasses.replace(ADAPTIVE_LIF, initial={"v": "v_reset", "a": 2 * mV})
    arrays = initial_state(network(model=model), 0).arrays
    np.testing.assert_array_equal(arrays["e.v"], -0.08)
    np.testing.assert_array_equal(arrays["e.a"], 0.002)
    np.testing.assert_array_equal(arrays["e.i_syn"], 0)
    assert arrays["e.v"].shape == (20,)


def test_no_neuron_starts_refractory():
    model = dataclasses.replace(
        LIF, refractory="t_ref", parameters={**LIF.parameters, "t_ref": 5 * ms}
    )
    arrays = initial_state(network(model=model), 0).arrays
    assert (arrays["e.lastspike"] < -1e6).all()
    assert "input.lastspike" not in arrays


def test_arrays_and_parameters_are_those_of_the_plan():
    state, plan = initial_state(PAPER, 0), assemble(PAPER)
    parts = (*plan.groups, *plan.synapses)
    assert set(state.arrays) == {f"{part.name}.{name}" for part in parts for name in part.state}
    assert state.parameters == {
        f"{part.name}.{name}": float(value)
        for part in parts
        for name, value in part.parameters.items()
    }
    assert state.parameters["e.tau_m"] == float(Quantity(30 * ms))
    assert state.parameters["ie.w_sign"] == -1


def test_same_seed_same_state():
    spec = network(InitialWeights(low=0.2, high=0.6), p=0.5)
    one, two, other = (initial_state(spec, seed) for seed in (3, 3, 4))
    assert one.parameters == two.parameters
    for name, array in one.arrays.items():
        np.testing.assert_array_equal(array, two.arrays[name])
    for k in (0, 1):
        np.testing.assert_array_equal(one.synapses["ie"][k], two.synapses["ie"][k])
    assert pairs_of(one, "ie") != pairs_of(other, "ie")
    assert not np.isin(one.weights("ie"), other.weights("ie")).any()


def test_connectivity_and_weights_have_streams_of_their_own():
    one = initial_state(network(InitialWeights(low=0.2, high=0.6), p=0.5), 0)
    two = initial_state(network(InitialWeights(low=0.3), p=0.5), 0)
    assert pairs_of(one, "ie") == pairs_of(two, "ie")


def test_updated_is_a_copy():
    state = initial_state(network(), 0)
    changed = state.updated(ie__w=np.zeros(600))
    assert (changed.weights("ie") == 0).all()
    assert (state.weights("ie") == 0.3).all()
    assert changed.arrays["e.v"] is state.arrays["e.v"]

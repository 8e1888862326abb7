"""Models on tensors: the same strings give the same weights as in Brian2."""

import numpy as np
import pytest
from brian2 import Hz, ms
from conftest import EVERY_STEP, make_segment

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'surrogate')")
pytest.importorskip("snntorch", reason="snntorch is not installed (extra 'surrogate')")

from brainsleep.backends.base import make_backend
from brainsleep.backends.torch.tensor_code import Statements, TensorProcess, TensorRule, see_spikes
from brainsleep.errors import BackendError
from brainsleep.models.homeostasis import NORMALISE, PRUNING, SCALING, SUBTRACTION
from brainsleep.models.inputs import POISSON
from brainsleep.models.lif import LIF
from brainsleep.models.sg_snn import RAISE_PAPER, STDP_PAPER
from brainsleep.models.sleep import DECAY_GROUP, DECAY_NEURON, DECAY_STATIC
from brainsleep.models.stdp import STDP_ALL_TO_ALL, STDP_NEAREST, STDP_NEAREST_REVERSED
from brainsleep.models.triplet import TRIPLET
from brainsleep.network.spec import (
    InitialWeights,
    NetworkSpec,
    Population,
    Projection,
    SynapseModel,
)
from brainsleep.run.state import initial_state

pytestmark = pytest.mark.torch

N_PRE, N_POST = 7, 5
W_MIN, W_MAX = 1e-3, 4.0


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def two_layers(process):
    """Neurons that never spike, and the weights of one process between them."""
    return NetworkSpec(
        name="layers",
        populations=(
            Population(name="input", size=N_PRE, model=POISSON),
            Population(name="e", size=N_POST, model=LIF),
        ),
        projections=(
            Projection(
                name="input_e",
                source="input",
                target="e",
                synapse=SynapseModel(name="silent", on_pre=""),
                weights=InitialWeights(low=0.1, high=2.0),
                w_min=W_MIN,
                w_max=W_MAX,
                processes=(process,),
            ),
        ),
    )


PROCESSES = {
    "static": DECAY_STATIC.with_parameters(tau_w=300 * ms, w_star=0.5),
    "group": DECAY_GROUP.with_parameters(tau_w=300 * ms),
    "neuron": DECAY_NEURON.with_parameters(tau_w=300 * ms),
    "scaling": SCALING.with_parameters(w_star=0.3, tau_scaling=200 * ms),
    "subtraction": SUBTRACTION.with_parameters(w_star=0.3, tau_subtraction=200 * ms),
    "normalise": NORMALISE.with_parameters(w_star=0.3),
    "magnitudes towards one": RAISE_PAPER.with_parameters(w_star=0.3, tau_w=200 * ms),
    "pruning": PRUNING.with_parameters(w_floor=0.7),
}


@pytest.mark.parametrize("name", PROCESSES)
def test_a_weight_process_equals_brian2(name):
    process = PROCESSES[name]
    spec = two_layers(process)
    start = initial_state(spec, 3)
    segment = make_segment(
        spec, np.zeros((2, N_PRE)), [230, 170], kind="sleep", **{process.name: 1}
    )
    after, _ = make_backend("numpy", spec).advance(start, segment, 0)

    own = TensorProcess(process, W_MIN, W_MAX)
    w = torch.tensor(start.weights("input_e").reshape(N_PRE, N_POST).T)
    variables = {k: torch.zeros_like(w) for k in own.variables}
    times, interval = segment.update_times(process.name, round(float(process.period / spec.dt)))
    w = own.run("on_onset", w, variables, generator())
    for step in times:
        slot = int(step >= 230)
        w = own.run("on_update", w, variables, generator(), interval[slot] * float(spec.dt))
        w = own.run("on_change", w, variables, generator())
    expected = after.weights("input_e").reshape(N_PRE, N_POST).T
    assert np.abs(expected - start.weights("input_e").reshape(N_PRE, N_POST).T).max() > 0.05
    np.testing.assert_allclose(w.numpy(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("rule", [STDP_NEAREST, STDP_NEAREST_REVERSED, STDP_ALL_TO_ALL, TRIPLET])
def test_a_plasticity_rule_equals_brian2(rule):
    """All neurons of one population spike as told; the weights of all pairs are compared."""
    rule = rule.with_parameters(lr=0.05)
    n, steps = 6, 60
    spec = NetworkSpec(
        name="pairs",
        populations=(Population(name="input", size=n, model=POISSON),),
        projections=(
            Projection(
                name="pairs",
                source="input",
                target="input",
                synapse=SynapseModel(name="silent", on_pre=""),
                weights=InitialWeights(low=0.5, high=1.5),
                w_max=2.0,
                rules=(rule,),
            ),
        ),
    )
    spiked = np.random.default_rng(1).random((steps, n)) < 0.15
    start = initial_state(spec, 0)
    segment = make_segment(spec, spiked * EVERY_STEP, plasticity=1)
    after, recording = make_backend("numpy", spec).advance(start, segment, 0)
    assert np.array_equal(recording.counts["input"], spiked)

    w = torch.full((n, n), 1.0, dtype=torch.float64)
    pre, post = start.synapses["pairs"]
    w[post, pre] = torch.tensor(start.weights("pairs"))
    own = TensorRule(rule, 2.0, float(spec.dt))
    own.traces = {role: {k: w.new_zeros(n) for k in names} for role, names in own.names.items()}
    for row in torch.tensor(spiked):
        see_spikes([own], w, row, row, generator())
    found = w[post, pre].clamp(min=0).numpy()  # Brian2's weights are magnitudes from 0 on
    assert np.abs(after.weights("pairs") - start.weights("pairs")).max() > 0.01
    np.testing.assert_allclose(found, after.weights("pairs"), rtol=0, atol=1e-9)


def test_spikes_of_one_step_are_a_pair_where_a_rule_says_so():
    lr, up, down = (STDP_PAPER.parameters[k] for k in ("lr", "a_plus", "a_minus"))
    rule = TensorRule(STDP_PAPER, 1.0, 1e-3)
    w = torch.zeros((2, 2), dtype=torch.float64)
    rule.traces = {role: {k: w.new_zeros(2) for k in names} for role, names in rule.names.items()}
    both, second, none = (w.new_tensor(who) for who in ([1, 0], [0, 1], [0, 0]))
    see_spikes([rule], w, both, both, generator())
    np.testing.assert_allclose(w, [[lr * (up - down), 0], [0, 0]], rtol=1e-12)
    see_spikes([rule], w, second, none, generator())  # one step later: a pair of the usual kind
    later = -lr * down * np.exp(-1 / 20)
    np.testing.assert_allclose(w, [[lr * (up - down), later], [0, 0]], rtol=1e-12)


def test_a_decay_has_its_closed_form_and_noise_its_stationary_spread():
    decay = TensorProcess(DECAY_STATIC.with_parameters(tau_w=300 * ms, w_star=0.5), 0.0, 25.0)
    w = torch.tensor([[0.1, 2.0], [0.0, 0.5]], dtype=torch.float64)
    variables = {"w_target": torch.zeros_like(w)}
    w1 = decay.run("on_onset", w, variables, generator())
    w1 = decay.run("on_update", w1, variables, generator(), 0.2)
    expected = 0.5 * (w / 0.5) ** np.exp(-0.2 / 0.3)
    assert torch.allclose(w1, expected, rtol=1e-12)
    assert w1[1, 0] == 0

    noisy = TensorProcess(DECAY_STATIC.with_parameters(sigma=0.3, w_star=0.5), 0.0, 25.0)
    w = torch.full((200, 200), 0.5, dtype=torch.float64)
    variables = {"w_target": torch.full_like(w, 0.5)}
    after = noisy.run("on_update", w, variables, generator(), 1e6)
    assert after.log().std().item() == pytest.approx(0.3, rel=0.02)
    assert after.log().mean().item() == pytest.approx(np.log(0.5), abs=0.01)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("x = clip(3*y, 0, 2)", [0.0, 2.0]),
        ("x = int(y > 0 and not y > 1)", [0, 1]),
        ("x = int(y < 0 or y == 1)", [1, 1]),
        ("x = y\nx += 1\nx *= 2", [0.0, 4.0]),
        ("x = exp(log(y + 2))**2 % 4", [1.0, 1.0]),
        ("x = abs(y) + floor(2.7*y)", [-2.0, 3.0]),
        ("x = y*3*ms/(1*ms)", [-3.0, 3.0]),
        ("x = -pi*y", [np.pi, -np.pi]),
    ],
)
def test_statements(code, expected):
    y = torch.tensor([-1.0, 1.0], dtype=torch.float64)
    names = {"y": y}
    Statements(code)(names, y, generator())
    np.testing.assert_allclose(np.asarray(names["x"], dtype=float), expected)


def test_draws_come_from_the_generator_in_the_shape_of_the_weights():
    like = torch.zeros(4, 3)
    first, second, other = ({"x": like} for _ in range(3))
    code = Statements("x += randn() + rand()")
    code(first, like, generator(1))
    code(second, like, generator(1))
    code(other, like, generator(2))
    assert first["x"].shape == (4, 3) and first["x"].dtype == torch.float32
    assert torch.equal(first["x"], second["x"])
    assert not torch.equal(first["x"], other["x"])


@pytest.mark.parametrize("code", ["x = poisson(y)", "x = y if y else 0", "x[0] = 1", "import os"])
def test_what_tensors_cannot_do_is_an_error(code):
    with pytest.raises(BackendError, match="torch: "):
        Statements(code)({"x": 0.0, "y": 1.0}, torch.zeros(1), generator())


def test_units_are_si():
    names = {}
    Statements("x = 5*ms*2*Hz")(names, torch.zeros(1), generator())
    assert names["x"] == pytest.approx(float(5 * ms * 2 * Hz))

"""The authors' surrogate-gradient experiment: what it starts from, and the parts of its sleep.

That learning and a whole sleep are those of plain snnTorch is in `test_surrogate`.
"""

import dataclasses

import numpy as np
import pytest
from test_surrogate import PAPER_SMALL, N, segment

from brainsleep.backends.base import make_backend
from brainsleep.errors import SpecError
from brainsleep.experiment.protocol import load_protocol
from brainsleep.experiment.slots import Order
from brainsleep.models.sg_snn import NOISE, STDP_PAPER, decay_network
from brainsleep.network.layers import DenseProjection, LeakyPopulation
from brainsleep.run.state import initial_state


@pytest.fixture(autouse=True)
def torch_if_marked(request):
    if request.node.get_closest_marker("torch"):
        for name in ("torch", "snntorch"):
            pytest.importorskip(name, reason=f"{name} is not installed (extra 'surrogate')")


def test_a_rule_in_layers_cannot_ask_for_the_step_before():
    rule = dataclasses.replace(STDP_PAPER, on_pre="w -= lr*a_minus*spiked_post")
    with pytest.raises(SpecError, match=r"uses: got 'spiked_post'.*spiking_post"):
        DenseProjection(name="p", source="a", target="b", rules=(rule,))


def test_the_count_of_batches_goes_on_from_epoch_to_epoch():
    """The authors' counter: 75 batches, a sleep after those whose number is a multiple of 10."""
    paper = load_protocol("paper", "sg_snn").override({"schedule.sleep.fraction": 0.1})
    spec, order = paper.network, Order.epochs(25 * 128, 3)
    table = paper.schedule.compile(order, 0, 0, spec.gates, spec.dt, batch=spec.batch_size)
    expected = [
        phase
        for counter in range(75)
        for phase in (("wake", "sleep") if counter % 10 == 0 else ("wake",))
    ]
    assert table.phase.tolist() == expected


def test_biases_start_as_linear_layers_do():
    state = initial_state(PAPER_SMALL, 3)
    for name, n_pre, n_post in (("input_hidden", N, 60), ("hidden_output", 60, 10)):
        bias = state.arrays[f"{name}.bias"]
        assert bias.shape == (n_post,) and np.abs(bias).max() <= 1 / np.sqrt(n_pre)
        assert bias.min() < 0 < bias.max()
        for moment in ("mean", "square"):
            assert not np.any(state.arrays[f"{name}.bias_adam_{moment}"])
    assert not any("bias" in name for name in initial_state(decay_network(), 3).arrays)


@pytest.mark.torch
@pytest.mark.parametrize(("lift", "after", "spikes"), [(1.5, 0.425, 0), (2.2, 1.09, 1)])
def test_noise_before_the_step_can_be_reset_before_it_is_a_spike(lift, after, spikes):
    """0.95 times what it is lifted to, less 1 where that is above 1."""
    import torch

    from brainsleep.backends.torch.layer import Leaky

    up = dataclasses.replace(NOISE, on_step="v += sd", parameters={"sd": lift})
    neuron = LeakyPopulation(name="h", size=1, activities=(up,), activities_first=True)
    layer, v = Leaky(neuron, 1e-3), torch.zeros(1, 1)
    layer.rest(v)
    spiked, v = layer.step(torch.zeros(1, 1), v, {"noise": 1.0}, torch.Generator())
    assert float(v) == pytest.approx(after) and float(spiked) == spikes


@pytest.mark.torch
def test_every_part_of_the_sleep_has_its_gate():
    spec = dataclasses.replace(PAPER_SMALL, precision="float64")
    start, backend = initial_state(spec, 1), make_backend("torch", spec)

    def weights(**gates):
        after, _ = backend.advance(start, segment(spec, "sleep", 25, **gates), 7)
        return {name: after.arrays[f"{name}.w"] for name in ("input_hidden", "hidden_output")}

    w = {name: start.arrays[f"{name}.w"] for name in ("input_hidden", "hidden_output")}
    learned = weights(noise=1, plasticity=1)
    assert np.array_equal(learned["input_hidden"], w["input_hidden"])  # the input never spikes
    moved = learned["hidden_output"] - w["hidden_output"]
    half = weights(noise=1, plasticity=0.5)["hidden_output"] - w["hidden_output"]
    np.testing.assert_allclose(half, moved / 2, atol=1e-12)
    assert np.abs(moved).max() > 1e-6
    for name, raised in weights(decay=1).items():
        expected = np.sign(w[name]) * 0.2 * (np.abs(w[name]) / 0.2) ** 0.999
        np.testing.assert_allclose(raised, expected, rtol=1e-9)
        assert np.all(np.abs(raised) > np.abs(w[name]))  # all are below 0.2
    for name, same in weights(noise=1).items():
        assert np.array_equal(same, w[name])

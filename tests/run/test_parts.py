"""Single parts, against solutions and plain sums."""

import numpy as np
import pytest
from brian2 import ms, mV, second
from conftest import needs_compiler

from brainsleep.errors import SpecError
from brainsleep.models.inputs import POISSON
from brainsleep.models.lif import CURRENT, LIF
from brainsleep.models.stdp import STDP_NEAREST
from brainsleep.network.models import NeuronModel, PlasticityRule
from brainsleep.parts import neuron_response, pair_change, synapse_response

BACKENDS = [
    "numpy",
    pytest.param("cpp", marks=[pytest.mark.standalone, needs_compiler]),
]
EXACT = NeuronModel(
    name="exact",
    equations="dv/dt = (i_in - v)/tau : volt\ni_in : volt",
    parameters={"tau": 10 * ms},
    method="exact",
)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_membrane_under_a_constant_and_a_varying_current(backend):
    constant = neuron_response(
        EXACT, duration=50 * ms, inputs={"i_in": 5 * mV}, dt=0.5 * ms, backend=backend
    )
    t = np.asarray(constant.times)
    assert len(t) == 100 and t[1] == pytest.approx(5e-4)
    solution = 5e-3 * (1 - np.exp(-t / 0.01))
    np.testing.assert_allclose(np.asarray(constant.states["v"]), solution, rtol=1e-9, atol=1e-15)
    assert len(constant.spikes) == 0
    steps = np.where(np.arange(100) < 40, 3.0, -2.0) * mV
    varying = neuron_response(
        EXACT, duration=50 * ms, inputs={"i_in": steps}, start={"v": 1 * mV}, dt=0.5 * ms
    )
    v = [1e-3]
    for value in np.asarray(steps)[:-1]:
        v.append(value + (v[-1] - value) * np.exp(-0.05))
    np.testing.assert_allclose(np.asarray(varying.states["v"]), v, rtol=1e-9)


def test_a_neuron_fires_at_its_rate():
    """Time to threshold of a leaky neuron: tau ln(I/(I - 15 mV))."""
    model = LIF.with_parameters(tau_syn=1e6 * second, v_reset=-70 * mV)
    response = neuron_response(model, duration=0.3 * second, inputs={"i_syn": 1.0}, dt=0.01 * ms)
    between = np.diff(np.asarray(response.spikes))
    assert len(between) > 5
    np.testing.assert_allclose(between, 0.03 * np.log(30 / 15), rtol=2e-3)
    free = neuron_response(LIF, duration=20 * ms, start={"i_syn": 0.1})
    np.testing.assert_allclose(float(free.states["i_syn"][100]), 0.1 * np.exp(-1 / 3), rtol=2e-3)


@pytest.mark.parametrize("backend", BACKENDS)
def test_spikes_reach_a_neuron_through_a_synapse(backend):
    model = LIF.with_parameters(tau_syn=5 * ms)
    response = synapse_response(
        CURRENT, model, spikes=[2, 4] * ms, duration=10 * ms, w=3.0, sign=-1, backend=backend
    )
    i_syn = np.asarray(response.states["i_syn"])
    jump = -3.0 / 5
    assert i_syn[20] == 0 and i_syn[21] == pytest.approx(jump, rel=1e-9)
    decay = 1 - 0.1 / 5
    assert i_syn[41] == pytest.approx(jump * decay**20 + jump, rel=1e-9)
    assert np.asarray(response.states["v"])[-1] < -0.07


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_pair_changes_a_weight_by_its_lag(backend):
    p = {name: float(value) for name, value in STDP_NEAREST.parameters.items()}
    lags = np.array([-30, -5, 0, 5, 12.5, 30]) * ms
    change = pair_change(STDP_NEAREST, lags, backend=backend)
    one = {float(lag): pair_change(STDP_NEAREST, lag, backend=backend)[0] for lag in lags[[0, 3]]}
    np.testing.assert_allclose([one[float(lag)] for lag in lags[[0, 3]]], change[[0, 3]])
    assert change[2] == 0 and np.all(change[:2] < 0) and np.all(change[3:] > 0)
    taus = sorted({v for k, v in p.items() if k.startswith("tau")})
    ratio = np.log(change[3] / change[5]) / 0.025
    assert min(abs(ratio * tau - 1) for tau in taus) < 1e-9


def test_pairs_add_up():
    """An additive rule of nearest spikes: three pairs change a weight three times as much."""
    rule = PlasticityRule(
        name="additive",
        pre_equations="dx/dt = -x/tau : 1",
        pre_spike="x = 1",
        on_post="w = clip(w + lr*x_pre, w_min, w_max)",
        parameters={"tau": 20 * ms, "lr": 0.01},
    )
    change = pair_change(rule, [10, 20] * ms, pairs=3, period=0.5 * second, dt=1 * ms)
    np.testing.assert_allclose(change, 0.03 * np.exp([-0.5, -1.0]), rtol=1e-9)


def test_what_does_not_fit_is_refused():
    with pytest.raises(SpecError, match="inputs: no variable 'i_syn'"):
        neuron_response(EXACT, duration=1 * ms, inputs={"i_syn": 1})
    with pytest.raises(SpecError, match="inputs: i_in: got 1; expected a value in volt"):
        neuron_response(EXACT, duration=1 * ms, inputs={"i_in": 1})
    with pytest.raises(SpecError, match=r"an array of shape \(3,\); expected \(10,\)"):
        neuron_response(EXACT, duration=1 * ms, inputs={"i_in": [1, 2, 3] * mV})
    both = {"v": np.zeros(10) * mV, "i_in": np.ones(10) * mV}
    with pytest.raises(SpecError, match="one input alone may vary"):
        neuron_response(EXACT, duration=1 * ms, inputs=both)
    one = neuron_response(EXACT, duration=1 * ms, inputs={**both, "v": 2 * mV})
    np.testing.assert_allclose(np.asarray(one.states["v"]), 2e-3)
    with pytest.raises(SpecError, match="times within"):
        synapse_response(CURRENT, LIF, spikes=[20] * ms, duration=10 * ms)
    with pytest.raises(SpecError, match="multiples of"):
        pair_change(STDP_NEAREST, [0.05] * ms)
    with pytest.raises(SpecError, match="half of the period"):
        pair_change(STDP_NEAREST, [600] * ms)
    assert len(neuron_response(POISSON, duration=1 * ms).spikes) == 0

"""The network of Brunel (2000): rates of its four regimes, from theory and from his figure 8."""

import dataclasses

import numpy as np
import pytest
from brian2 import Hz, ms
from conftest import QUICK, make_segment, needs_compiler
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import erfcx

from brainsleep.backends.base import make_backend
from brainsleep.models.brunel import BRUNEL, BRUNEL_LIF, REGIMES, brunel
from brainsleep.models.diehl_cook import VOLTAGE
from brainsleep.models.inputs import POISSON
from brainsleep.network.spec import NetworkSpec, Population, Projection
from brainsleep.protocols.brunel import CONDITIONS, PROTOCOL
from brainsleep.run.segment import Capacity
from brainsleep.run.simulate import simulate
from brainsleep.run.state import initial_state

#: Rate in Hz by theory and in simulation, global frequency in Hz, irregularity. Simulations are
#: those of an independent program, in D the paper's, whose frequency is 22 Hz. That program had 18;
#: seeds differ (18 to 23 Hz here), and their mean is within 15 % of the paper's alone.
PUBLISHED = {
    "A": (327.0, 313.0, None, 0.0),
    "B": (55.84, 59.3, 167.0, 0.9),
    "C": (37.95, 37.6, 126.0, 0.45),
    "D": (6.52, 5.5, 22.0, 0.65),
}


def theory(g, rate, c_e=1000, w=0.1):
    """Rate in Hz at which the population makes itself fire, by diffusion approximation."""
    tau, t_ref, threshold, reset = 0.02, 0.002, 20.0, 10.0

    def fires(nu):
        mean = c_e * w * tau * (rate + nu * (1 - g / 4))
        spread = np.sqrt(c_e * w**2 * tau * (rate + nu * (1 + g**2 / 4)))
        ends = (reset - mean) / spread, (threshold - mean) / spread
        # exp(u**2)*(1 + erf(u)), which is erfcx(-u)
        return 1 / (t_ref + tau * np.sqrt(np.pi) * quad(lambda u: erfcx(-u), *ends)[0])

    return brentq(lambda nu: fires(nu) - nu, 0.1, 450)


@pytest.mark.parametrize("name", REGIMES)
def test_theory(name):
    g, rate = REGIMES[name]
    assert theory(g, float(rate)) == pytest.approx(PUBLISHED[name][0], rel=2e-3)


@needs_compiler
@pytest.mark.slow
@pytest.mark.standalone
@pytest.mark.long
@pytest.mark.parametrize("name", REGIMES)
def test_regimes(name, tmp_path):
    """All 12 500 neurons: A takes two minutes, the others half of one."""
    protocol = PROTOCOL.override(CONDITIONS["ABCD".index(name)].changes)
    metrics = simulate(protocol, seed=1, backend=QUICK, out=tmp_path).metrics
    names = ("rate_e_hz", "rate_i_hz", "frequency_e_hz", "cv_e")
    found = {name: metrics[f"firing_{name}"] for name in names}
    expected, rate, frequency, cv = PUBLISHED[name]
    assert found["rate_e_hz"] == pytest.approx(rate, rel=0.05)
    assert found["rate_i_hz"] == pytest.approx(rate, rel=0.05)
    if name == "C":
        assert found["rate_e_hz"] == pytest.approx(expected, rel=0.05)
    assert found["cv_e"] == pytest.approx(cv, abs=0.1)
    if frequency:
        assert found["frequency_e_hz"] == pytest.approx(frequency, rel=0.15)


@pytest.mark.long
@needs_compiler
@pytest.mark.standalone
def test_a_smaller_network_fires_at_the_rate_of_its_theory(tmp_path):
    """1250 neurons, each with 100 excitatory inputs of four times the weight."""
    spec = brunel(5.0, 50 * Hz, n_e=1000, w=0.4)
    found = simulate(PROTOCOL.override({"network": spec}), seed=1, backend=QUICK, out=tmp_path)
    expected = theory(5, 50, c_e=100, w=0.4)
    assert found.metrics["firing_rate_e_hz"] == pytest.approx(expected, rel=0.05)


def test_every_neuron_has_its_own_number_of_inputs():
    spec = brunel(5.0, 20 * Hz, n_e=200)
    for name, (_, post) in initial_state(spec, 1).synapses.items():
        assert set(np.bincount(post)) == {20 if name.startswith("e") else 5}
    full = BRUNEL["C"]
    assert [full.projection(k).connectivity.n for k in ("ee", "ie")] == [1000, 250]
    assert sum(population.size for population in full.populations) == 12_500


@pytest.mark.parametrize("name", ["numpy", pytest.param(QUICK, marks=needs_compiler)])
def test_refractory_neurons_take_no_spikes(name):
    """Spikes that arrive in the 2 ms after a spike leave v as it was reset; later ones do not."""
    spec = NetworkSpec(
        name="held",
        populations=(
            Population(name="input", size=1, model=POISSON),
            Population(name="e", size=1, model=BRUNEL_LIF),
        ),
        projections=(
            Projection(
                name="drive", source="input", target="e", synapse=VOLTAGE, weights=3.0, w_max=9.0
            ),
        ),
        dt=0.1 * ms,
    )
    state = initial_state(spec, 0)
    state.arrays["e.v"][:] = 0.0201 / np.exp(-0.1 / 20)  # above threshold after a step
    made = make_backend(name, spec, capacity=Capacity(slots=64, steps=64))
    v = []
    for step in range(22):  # the input spikes in every step
        segment = dataclasses.replace(make_segment(spec, [[10_000.0]]), start=step)
        state, _ = made.advance(state, segment, 0)
        v.append(1e3 * state.arrays["e.v"][0])
    np.testing.assert_allclose(v[:20], 10.0)
    assert v[20] == pytest.approx(10 * np.exp(-0.1 / 20) + 3)

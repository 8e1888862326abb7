"""Calcium-based plasticity (Graupner & Brunel 2012): closed form, authors' numbers, simulation."""

import numpy as np
import pytest
from brian2 import ms, second
from conftest import QUICK, needs_compiler

from brainsleep.models.graupner import (
    DELAYS,
    GRAUPNER,
    GRAUPNER_DPD,
    state_changes,
    synaptic_change,
    time_above,
)
from brainsleep.protocols.graupner import LAGS, pairing
from brainsleep.run.simulate import simulate

#: Change of the mean weight at every lag of the protocol: closed form, and authors' simulation.
PUBLISHED = {
    "DP": (
        (0.992, 0.941, 0.851, 0.764, 0.882, 1.008, 1.240, 1.221, 1.172, 1.085, 1.005),
        (0.981, 0.935, 0.827, 0.760, 0.885, 0.994, 1.237, 1.227, 1.188, 1.083, 0.993),
    ),
    "DPD": (
        (1, 1, 1, 0.998, 0.859, 0.997, 1.193, 0.961, 0.867, 1, 1),
        (1, 1, 1, 1, 0.863, 0.997, 1.159, 0.955, 0.879, 1, 1),
    ),
}

RULES = {"DP": GRAUPNER, "DPD": GRAUPNER_DPD}


@pytest.mark.parametrize("name", ["DP", "DPD"])
def test_closed_form(name):
    lags = np.array(LAGS) * ms
    found = synaptic_change(*state_changes(RULES[name], DELAYS[name], lags, 1 * second, 60))
    closed, simulated = PUBLISHED[name]
    np.testing.assert_allclose(found, closed, atol=6e-4)
    np.testing.assert_allclose(found, simulated, atol=0.04)


def test_parts_of_the_closed_form():
    above = time_above(GRAUPNER, DELAYS["DP"], -20 * ms, 1 * second)
    np.testing.assert_allclose(np.ravel(above), [0.0202, 0.0097], atol=6e-5)
    up, down = state_changes(GRAUPNER, DELAYS["DP"], -20 * ms, 1 * second, 60)
    np.testing.assert_allclose([up[0], down[0]], [0.244, 0.598], atol=6e-4)


@pytest.mark.long
@needs_compiler
@pytest.mark.standalone
def test_synapses_change_as_in_the_closed_form(tmp_path):
    """Pairs at 5 Hz, not at 1 Hz, in a fifth of the time: calcium is gone before the next."""
    lags = (-20, 10, 40)
    protocol = pairing(GRAUPNER, DELAYS["DP"], lags, 1000, period=0.2)
    protocol = protocol.override(
        {
            "record.states": {"synapses.calcium_c": (0, 2000, 4000)},
            "record.windows": ((0.2 * second, 0.4 * second),),
        }
    )
    result = simulate(protocol, seed=1, backend=QUICK, out=tmp_path)
    names = ("m20", "10", "40")
    found = [result.metrics[f"change_{name}_ms"] for name in names]
    closed = [PUBLISHED["DP"][0][LAGS.index(lag)] for lag in lags]
    np.testing.assert_allclose(found, closed, atol=0.04)
    c = result.states("synapses.calcium_c").values
    above = [(c > theta).mean(axis=0) for theta in (1.0, 1.3)]
    wanted = time_above(GRAUPNER, DELAYS["DP"], np.array(lags) * ms, 0.2 * second)
    np.testing.assert_allclose(above, wanted, atol=1.5e-3)  # Euler's method, whole time steps

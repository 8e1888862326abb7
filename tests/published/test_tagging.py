"""Tagging and capture (Luboeinski & Tetzlaff 2021): closed forms, plain numbers, who captures."""

import dataclasses

import numpy as np
import pytest
from brian2 import ms, second
from conftest import QUICK, assert_same_bits, needs_compiler

from brainsleep import Record, Timeline, awake
from brainsleep.backends.base import make_backend
from brainsleep.models.tagging import TAGGING
from brainsleep.protocols.tagging import KINDS, tetani
from brainsleep.run.segment import Segment
from brainsleep.run.simulate import simulate
from brainsleep.run.state import initial_state

H_0 = 4.2007
TAU_H, TAU_P = 688.4 / 0.1, 3600.0  # s: back to rest; proteins, and the late phase

#: Of a synapse that starts saturated, strengthened or weakened: end of making proteins and of the
#: tag (s), and at 8 h the late phase and the weight over that at rest.
PUBLISHED = {"up": (4772, 11_079, 0.698, 1.713), "down": (4772, 11_079, -0.349, 0.636)}


def late_phase(limit):
    """Return the late phase of a saturated synapse, which could come to `limit`."""
    made, tagged = TAU_H * np.log(2), TAU_H * np.log(5)
    first = made / TAU_P - (1 - np.exp(-made / TAU_P))
    p = 1 - np.exp(-made / TAU_P)
    return limit * (1 - np.exp(-first - p * (1 - np.exp(-(tagged - made) / TAU_P))))


def test_early_phase_at_rest_and_time_constants():
    p = {name: float(value) for name, value in TAGGING.parameters.items()}
    assert p["h_0"] == pytest.approx(5 * p["gamma_p"] / (p["gamma_p"] + p["gamma_d"]), abs=5e-5)
    above = (
        p["tau_h"] / (p["rest"] + p["gamma_p"] + p["gamma_d"]),
        p["tau_h"] / (p["rest"] + p["gamma_d"]),
    )
    np.testing.assert_allclose(above, (0.351, 2.20), rtol=3e-3)


@pytest.mark.parametrize(
    "backend",
    ["numpy", pytest.param("cpp", marks=[pytest.mark.standalone, needs_compiler])],
)
def test_saturated_synapses_for_eight_hours(tmp_path, backend):
    """In two cells: one synapse at twice its rest, one at 0. Steps of 5 s."""
    protocol = tetani({"up": (None, np.array([1e6])), "down": (None, np.array([1e6]))}, n=1)
    network = protocol.network
    (projection,) = network.projections
    h = "h_0*(1 + int(i == 1) - int(i == 3))"
    quiet = dataclasses.replace(projection, values={"calcium_h": h}, delay=0 * ms)
    protocol = dataclasses.replace(
        protocol,
        network=dataclasses.replace(network, projections=(quiet,), dt=5 * second),
        schedule=Timeline(periods=(awake(8 * 3600 * second),), slot=3600 * second),
        record=Record(states={"synapses.calcium_h": (1, 3), "cells.p": (0, 1)}),
    )
    result = simulate(protocol, seed=1, backend=backend, out=tmp_path)
    h, p = result.states("synapses.calcium_h"), result.states("cells.p")
    times = np.asarray(h.times / second)
    w = result.arrays["snapshots/trained/synapses"]
    z = result.arrays["state/synapses.calcium_z"]
    for place, (name, at_rest) in enumerate((("up", 1), ("down", -0.5))):
        made, tagged, late, weight = PUBLISHED[name]
        away = np.abs(h.values[:, place] / H_0 - 1)
        np.testing.assert_allclose(away, (1 - 5 / TAU_H) ** (times / 5), rtol=1e-9)
        np.testing.assert_allclose(away, np.exp(-times / TAU_H), rtol=2e-3)
        assert times[p.values[:, place].argmax()] == pytest.approx(made, abs=10)
        assert p.values[:, place].max() == pytest.approx(0.734, abs=1e-3)
        assert times[away >= 0.2].max() == pytest.approx(tagged, abs=10)
        assert z[2 * place + 1] == pytest.approx(late, abs=1e-3)
        assert z[2 * place + 1] == pytest.approx(late_phase(at_rest), rel=2e-3)
        assert w[2 * place + 1] / H_0 == pytest.approx(weight, abs=1.5e-3)


def test_a_weak_tetanus_in_plain_numbers(tmp_path):
    """Step by step of 1 ms, without noise: Heun's method is then Euler's."""
    rule = TAGGING.with_parameters(sigma=0.0)
    protocol = tetani({"weak": (0.01 * np.arange(21), None)}, 1, 0.4 * second, rule)
    record = Record(states={"synapses.calcium_h": (0,), "synapses.calcium_c": (0,)})
    protocol = dataclasses.replace(protocol, record=record)
    result = simulate(protocol, seed=1, backend="numpy", out=tmp_path)

    def slopes(c, h):
        changes = 0.1 * (H_0 - h) + 1645.6 * (10 - h) * (c >= 3) - 313.1 * h * (c >= 1.2)
        return -c / 48.8e-3, changes / 688.4

    c, h, wanted = 0.0, H_0, []
    for step in range(400):
        wanted.append((h, c))
        c, h = (x + 1e-3 * slope for x, slope in zip((c, h), slopes(c, h), strict=True))
        arrived = step - 19
        c += arrived >= 0 and arrived % 10 == 0 and arrived <= 200
    for name, each in zip("hc", np.transpose(wanted), strict=True):
        found = result.states(f"synapses.calcium_{name}").values[:, 0]
        np.testing.assert_allclose(found, each, rtol=1e-9, atol=1e-12)
    assert 0.2 < h / H_0 - 1 < 0.5  # a tag, and no proteins


@needs_compiler
@pytest.mark.standalone
def test_a_weak_tetanus_is_kept_if_a_strong_one_follows_at_the_other_input(tmp_path):
    rule = TAGGING.with_parameters(sigma=0.0)
    kinds = {name: KINDS[name] for name in ("weak", "weak_then_strong", "strong_then_weak")}
    protocol = tetani(kinds, 1, 3.5 * 3600 * second, rule)
    metrics = simulate(protocol, seed=1, backend=QUICK, out=tmp_path).metrics
    assert metrics["late_weak_a"] == 0 and metrics["late_weak_b"] == 0
    assert metrics["late_weak_then_strong_a"] > 0.15
    assert metrics["late_strong_then_weak_a"] > 0.4
    assert metrics["late_weak_then_strong_b"] > 0.7


def test_a_segment_is_the_same_in_parts():
    """With spikes on their way, and proteins that are being made."""
    network = tetani(KINDS, 1, 1 * second, TAGGING.with_parameters(sigma=0.0)).network
    n = 70
    train = np.repeat(np.arange(0, n, 5), 10), np.tile(np.arange(10), n // 5)
    gates = {name: np.ones(n) for name in network.gates}
    columns = np.arange(n) == 0, np.full(n, "wake"), np.zeros(n, bool)
    segment = Segment(np.ones(n, int), np.empty((n, 0)), gates, *columns, trains={"inputs": train})
    backend = make_backend("numpy", network)
    start = initial_state(network, 0)
    start.arrays["synapses.calcium_h"][:] = 2 * H_0
    whole = backend.advance(start, segment, 1)[0]
    assert whole.arrays["cells.p"].min() > 0
    assert whole.arrays["synapses.calcium_z"].min() > 0
    for parts in (2, 7):
        state = start
        for first in range(0, n, n // parts):
            state = backend.advance(state, segment.part(first, first + n // parts), 1)[0]
        assert_same_bits(state, whole)

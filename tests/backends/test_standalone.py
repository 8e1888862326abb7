"""What this package puts in place of Brian2's frames: random numbers, order of synapses, units."""

import re
import subprocess

import numpy as np
import pytest
from brian2 import Hz
from conftest import SMALL_CAPACITY, make_segment, needs_compiler
from scipy import stats

from brainsleep.backends.base import make_backend
from brainsleep.backends.cpp.build import find_compiler
from brainsleep.backends.cpp.standalone import TEMPLATES, drawn_before, listed
from brainsleep.errors import SimulationError
from brainsleep.models.inputs import POISSON
from brainsleep.network.spec import NetworkSpec, NeuronModel, Population
from brainsleep.run.state import State, initial_state

pytestmark = [pytest.mark.standalone, needs_compiler]

_DRAW = """
#include "random.h"
#include <cstdio>
#include <cstdlib>
int main(int, char** arguments) {
    brainsleep::Random numbers;
    numbers.seed(atoll(arguments[1]));
    const bool normal = arguments[2][0] == 'n';
    for (long k = atol(arguments[3]); k > 0; k--) {
        const double x = normal ? numbers.normal() : numbers.uniform();
        fwrite(&x, sizeof(x), 1, stdout);
    }
}
"""


@pytest.fixture(scope="module")
def draw(tmp_path_factory):
    """A function that draws numbers as the programs do: ``draw(seed, kind, n)``."""
    folder = tmp_path_factory.mktemp("random")
    (folder / "draw.cpp").write_text(_DRAW)
    command = [find_compiler(), "-O2", f"-I{TEMPLATES}", "draw.cpp", "-o", "draw"]
    subprocess.run(command, cwd=folder, check=True)

    def numbers(seed, kind, n):
        command = [folder / "draw", str(seed), kind, str(n)]
        done = subprocess.run(command, capture_output=True, check=True)
        return np.frombuffer(done.stdout, dtype=float)

    return numbers


def test_uniform_numbers(draw):
    x = draw(1, "uniform", 1_000_000)
    assert x.min() >= 0 and x.max() < 1
    assert stats.kstest(x, "uniform").pvalue > 1e-4
    assert abs(np.corrcoef(x[1:], x[:-1])[0, 1]) < 5e-3
    bits = (x * 2.0**32).astype(np.uint64)
    for position in range(32):  # every bit is a fair coin, and independent of the last one's
        bit = (bits >> np.uint64(position)) & np.uint64(1)
        assert abs(bit.mean() - 0.5) < 2.5e-3, position
        assert abs((bit[1:] ^ bit[:-1]).mean() - 0.5) < 2.5e-3, position


def test_normal_numbers(draw):
    x = draw(2, "normal", 2_000_000)
    assert stats.kstest(x, "norm").pvalue > 1e-4
    n = len(x)
    for power, expected in ((1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0), (6, 15.0)):
        spread = np.std(x**power) / np.sqrt(n)
        assert abs(np.mean(x**power) - expected) < 4.5 * spread, power
    for edge in (1.0, 2.0, 3.0, 4.0, 4.7):
        expected = 2 * n * stats.norm.sf(edge)
        assert abs(np.sum(np.abs(x) > edge) - expected) < 4.5 * np.sqrt(expected), edge
    assert abs(np.corrcoef(x[1:], x[:-1])[0, 1]) < 4e-3


def test_seeds_give_sequences_of_their_own(draw):
    first = [draw(seed, "uniform", 20_000) for seed in (0, 1, 2, 2**31, 2**32 - 1)]
    assert np.array_equal(first[1], draw(1, "uniform", 20_000))
    for k, one in enumerate(first):
        for other in first[:k]:
            assert abs(np.corrcoef(one, other)[0, 1]) < 0.04
            assert not np.intersect1d(one, other).size  # not a shifted copy either


def test_a_conditional_draw_and_two_in_one_statement():
    """Each call of rand() and randn() takes the next number: none is used twice."""
    pair = NeuronModel(
        name="pair",
        equations="""
        difference : 1
        chance : 1
        """,
        on_step="""
        first = randn()
        difference = first - randn()
        chance = rand()
        """,
        threshold="chance < 0",
    )
    spec = NetworkSpec(
        name="pairs",
        populations=(
            Population(name="input", size=1, model=POISSON),
            Population(name="pair", size=20_000, model=pair),
        ),
    )
    segment = make_segment(spec, np.zeros((1, 1)), [3])
    state, _ = make_backend("cpp", spec).advance(initial_state(spec, 0), segment, 4)
    assert abs(state.arrays["pair.difference"].std() - np.sqrt(2)) < 0.03
    assert stats.kstest(state.arrays["pair.chance"], "uniform").pvalue > 1e-4


def test_powers_are_those_of_the_library():
    """Powers go by way of the logarithm: all signs, zeros, infinities; the error is bounded."""
    bases = [0.0, 1e-300, 0.01, 0.5, 1.0, 1.7, 25.0, 1e300, np.inf, -0.3, -2.0, np.nan]
    exponents = [0.0, 1.0, 2.0, 3.0, -1.0, -2.0, 0.5, 0.99997, -0.25, 7.5, 40.0]
    x, y = (values.ravel() for values in np.meshgrid(bases, exponents))
    model = NeuronModel(
        name="power",
        equations="""
        x : 1
        y : 1
        z : 1
        square : 1
        """,
        on_step="""
        z = x**y
        square = x**2
        """,
        threshold="x > x",
    )
    spec = NetworkSpec(
        name="powers",
        populations=(
            Population(name="input", size=1, model=POISSON),
            Population(name="p", size=len(x), model=model),
        ),
    )
    program = make_backend("cpp", spec)
    with np.errstate(all="ignore"):
        expected, square = x**y, x**2
    finite = np.isfinite(expected) & np.isfinite(square) & np.isfinite(x)
    x, y = x[finite], np.where(finite, y, 0)[finite]
    state = initial_state(spec, 0)
    values = {"p.x": np.resize(x, state.arrays["p.x"].shape), "p.y": np.resize(y, finite.shape)}
    state = State({**state.arrays, **values}, state.parameters, state.synapses)
    after, _ = program.advance(state, make_segment(spec, np.zeros((1, 1)), [1]), 0)
    found = after.arrays["p.z"][: len(x)]
    np.testing.assert_allclose(found, expected[finite], rtol=3e-13)
    np.testing.assert_array_equal(after.arrays["p.square"][: len(x)], square[finite])
    for base, exponent in ((-0.3, 0.5), (0.0, -1.0), (np.inf, 1.0)):  # no number: it must be seen
        wrong = {"p.x": np.full(finite.shape, base), "p.y": np.full(finite.shape, exponent)}
        bad = State({**state.arrays, **wrong}, state.parameters, state.synapses)
        with pytest.raises(SimulationError, match=r"p\.[xz]: .* not finite"):
            program.advance(bad, make_segment(spec, np.zeros((1, 1)), [1]), 0)


def test_input_spikes_come_at_their_rate():
    spec = NetworkSpec(
        name="inputs", populations=(Population(name="input", size=400, model=POISSON),)
    )
    rates = np.repeat([0.0, 1.0, 100.0, 999.0], 100)
    segment = make_segment(spec, rates[None, :], [5000])
    _, recording = make_backend("cpp", spec).advance(initial_state(spec, 0), segment, 4)
    counts = recording.counts["input"][0].reshape(4, 100)
    assert not counts[0].any()
    for count, rate in zip(counts[1:], (1.0, 100.0, 999.0) * Hz, strict=True):
        p = float(rate) * 1e-3
        spread = np.sqrt(5000 * p * (1 - p) / 100)
        assert abs(count.mean() - 5000 * p) < 4.5 * spread
        assert 0.6 < count.var() / (5000 * p * (1 - p)) < 1.6  # binomial, not just the mean


@pytest.mark.parametrize("damage", ["order", "twice"])
def test_synapses_out_of_order_are_refused(small_network, small_backends, damage):
    state = initial_state(small_network, 1)
    pre, post = (ends.copy() for ends in state.synapses["ee"])
    if damage == "order":
        pre, post = pre[::-1], post[::-1]
    else:
        pre[1], post[1] = pre[0], post[0]
    changed = State(state.arrays, state.parameters, {**state.synapses, "ee": (pre, post)})
    segment = make_segment(small_network, np.zeros((1, 30)), [5])
    with pytest.raises(SimulationError, match="ee: synapses are not in the order"):
        small_backends("cpp").advance(changed, segment, 1)


def test_generated_code_has_the_frames_of_this_package(small_network):
    """A release of Brian2 that names things differently must not silently bring its own back."""
    folder = make_backend("cpp", small_network, capacity=SMALL_CAPACITY).directory
    added = re.findall(r"network\.add\(&\w+, _run_(\w+)\)", (folder / "main.cpp").read_text())
    assert not [name for name in added if "push_spikes" in name]

    def code(start):  # Brian2 numbers names that the process has used before
        (name,) = (name for name in added if name.startswith(start))
        return (folder / "code_objects" / f"{name}.cpp").read_text()

    assert "const int32_t _presynaptic_idx = _other[_at];" in code("ee_post_codeobject")
    assert "[0] == 0) return;  // all of it is gated" in code("ee_post_codeobject")
    assert "random_numbers.fill_uniform" in code("input_spike_thresholder")
    assert "random_numbers.fill_normal" in code("e_noise_codeobject")
    assert "BRAINSLEEP_POWER" in code("ee_decay_update")


def test_draws_are_made_before_the_loop():
    lines = ["v = v + randn_ * _randn(_vectorisation_idx);", "u = _rand(_vectorisation_idx);"]
    kinds, code = drawn_before(lines)
    assert kinds == ["normal", "uniform"]
    assert code == ["v = v + randn_ * _draws_0[_idx - _begin];", "u = _draws_1[_idx - _begin];"]
    assert drawn_before(["v = 1;"]) == ([], ["v = 1;"])


def test_listed_changes_nothing_but_the_index():
    lines = ["const int32_t _presynaptic_idx = _ptr_array_ee__synaptic_pre[_idx];", "w = w + 1;"]
    assert listed(lines) == ["const int32_t _presynaptic_idx = _other[_at];", "w = w + 1;"]

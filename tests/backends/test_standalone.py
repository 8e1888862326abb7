"""What this package puts in place of Brian2's frames: random numbers, order of synapses, units."""

import dataclasses
import re
import shutil
import subprocess

import brian2
import numpy as np
import pytest
from brian2 import Hz, ms, mV
from conftest import SMALL_CAPACITY, make_segment, needs_compiler
from scipy import stats

from brainsleep.backends.base import make_backend
from brainsleep.backends.brian.alike import alike
from brainsleep.backends.cpp import standalone
from brainsleep.backends.cpp.build import find_compiler
from brainsleep.backends.cpp.later import reads_own_part, to_be_done_later
from brainsleep.backends.cpp.standalone import (
    TEMPLATES,
    counted,
    drawn_before,
    looked_up,
    poisson_of_one_mean,
    shareable,
    with_weight_outside,
    without_branch,
    without_guard,
)
from brainsleep.errors import SimulationError
from brainsleep.models.brunel import BRUNEL_LIF, brunel
from brainsleep.models.diehl_cook import VOLTAGE
from brainsleep.models.inputs import POISSON
from brainsleep.models.sleep import DECAY_GROUP
from brainsleep.models.stdp import STDP_NEAREST
from brainsleep.network.spec import Connectivity, NetworkSpec, NeuronModel, Population, Projection
from brainsleep.run.segment import Capacity, Traced
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

    assert "const int32_t _presynaptic_idx = _far[_at];" in code("ee_post_codeobject")
    assert "[0] == 0) {  // all of it is gated" in code("ee_post_codeobject")
    assert "random_numbers.fill_uniform" in code("input_spike_thresholder")
    assert "_numbers.fill_normal" in code("e_noise_codeobject")
    assert "BRAINSLEEP_POWER" in code("ee_decay_update")


def test_draws_are_made_before_the_loop():
    lines = ["v = v + randn_ * _randn(_vectorisation_idx);", "u = _rand(_vectorisation_idx);"]
    kinds, code = drawn_before(lines)
    assert kinds == ["normal", "uniform"]
    assert code == ["v = v + randn_ * _draws_0[_idx - _begin];", "u = _draws_1[_idx - _begin];"]
    assert drawn_before(["v = 1;"]) == ([], ["v = 1;"])


def test_ends_are_taken_from_where_they_are_at_hand():
    pre = "const int32_t _presynaptic_idx = _ptr_array_ee__synaptic_pre[_idx];"
    post = "  const int32_t _postsynaptic_idx = _ptr_array_ee__synaptic_post[_idx];"
    ends = ["const int32_t _presynaptic_idx =", "  const int32_t _postsynaptic_idx ="]
    lines = [pre, post, "w = w + 1;"]
    known = [f"{ends[0]} _neuron;", f"{ends[1]} _far[_idx];", "w = w + 1;"]
    assert looked_up(lines, "post", "_far[_idx]") == known
    assert looked_up(lines, "post", "") == [known[0], post, "w = w + 1;"]
    known = [f"{ends[0]} _far[_at];", f"{ends[1]} _neuron;", "w = w + 1;"]
    assert looked_up(lines, "pre", "_far[_at]") == known


STORE = "_ptr_array_e_v[_postsynaptic_idx] = v_post;"


@pytest.mark.parametrize("lines, may", [
    (["const double w = _ptr_array_ee_w[_idx];", STORE], True),
    ([STORE, "_ptr_array_ee_w[_idx] = w;"], True),
    (["_ptr_array_e_x[_presynaptic_idx] = x_pre;"], False),  # of a neuron that other parts have too
    (["const double v_pre = _ptr_array_e_v[_presynaptic_idx];", STORE], False),  # others read it
    (["_ptr_array_e_total[0] = total;"], False),
    (["double _rand_1 = _rand(_vectorisation_idx);", STORE], False),
    (["n += _poisson(_lio_1, _vectorisation_idx);", "_ptr_array_e_n[_idx] = n;"], False),
    (["if(_ptr_array_e_v[_idx] == 1)", STORE], False),
])  # fmt: skip
def test_what_may_be_done_in_parts(lines, may):
    assert shareable([], lines) is may
    assert shareable(lines, []) is may


def test_a_choice_in_place_of_a_jump():
    lines = ["    if(not_refractory)", "        v_post += _lio_1 * w;", STORE]
    chosen = "    v_post = brainsleep::chosen(not_refractory, v_post + (_lio_1 * w), v_post);"
    assert without_branch(lines) == [chosen, STORE]
    other = ["if(not_refractory)", "    v_post = 1;", STORE]
    assert without_branch(other) == other


def test_a_guard_that_can_come_after():
    load = ["const char not_refractory = _ptr_array_e_not_refractory[_postsynaptic_idx];",
            "double v_post = _ptr_array_e_v[_postsynaptic_idx];"]  # fmt: skip
    guard, add = "if(not_refractory)", "    v_post += _lio_1 * w;"
    assert without_guard([*load, guard, add, STORE]) == ("_ptr_array_e_v", [load[1], add, STORE])
    more = "g_post += v_post;"  # would see what the neuron must not have
    for lines in ([*load, guard, add, more, STORE], [*load, add, STORE], [*load, guard, add]):
        assert without_guard(lines) == ("", lines)


def test_one_mean_is_a_table():
    scalar, call = ["const double _lio_1 = rate * dt;"], "_poisson(_lio_1, _vectorisation_idx)"
    line, drawn = f"v += w * {call};", "v += w * _drawn[_place];"
    guard = "if(not_refractory)"
    code = [drawn, "_place++;"]
    assert poisson_of_one_mean(scalar, [line], []) == ("_lio_1", False, code)
    chosen = "v = brainsleep::chosen(not_refractory, v + (w * _drawn[_place]), v);"
    code = [chosen, "_place += not_refractory;"]
    assert poisson_of_one_mean(scalar, [guard, line], []) == ("_lio_1", True, code)
    for lines, kinds in (([line, line], []), ([line], ["uniform"]), (["if(x)", line], [])):
        assert poisson_of_one_mean(scalar, lines, kinds) == ("", False, lines)
    assert poisson_of_one_mean([], [line], []) == ("", False, [line])  # a mean for each


def test_synapses_that_do_the_same_are_counted():
    end = "const int32_t _postsynaptic_idx = _ptr_array_ee__synaptic_post[_idx];"
    load = "double v_post = _ptr_array_e_v[_postsynaptic_idx];"
    weight, add = "const double w = _ptr_array_ee_w[_idx];", "v_post += _lio_1 * w;"
    declared, plain = with_weight_outside([end, load, weight, add, STORE], "_ptr_array_ee_w")
    assert declared == "const double w = _numw ? _ptr_array_ee_w[0] : 0;"
    assert plain == [end, load, add, STORE]
    some = "_some.x[_k] = _now < _some.times[_k] ? v_post : _some.x[_k];"
    code = ["double v_post = _some.x[_k];", add, some]
    assert counted(plain) == ("_ptr_array_e_v", code)
    other = "const double u_post = _ptr_array_e_u[_postsynaptic_idx];"
    own = "const double a = _ptr_array_ee_a[_idx];"
    for lines in ([end, load, own, add, STORE], [end, load, other, add, STORE], [end, add, STORE]):
        assert counted(lines) == ("", lines)


def test_loops_that_need_not_wait_for_each_other():
    groups = {name: brian2.NeuronGroup(3, f"{name} : 1", name=f"of_{name}") for name in "vu"}
    variables = {name: group.variables[name] for name, group in groups.items()}

    def own(*lines):
        names = {id(variables["v"]): "_ptr_array_e_v", id(variables["u"]): "_ptr_array_i_u"}
        return reads_own_part(variables, lambda each: names[id(each)], [groups["v"]], lines)

    assert own("double v = _ptr_array_e_v[_idx];", "v += _ptr_array_rate[0];")
    assert not own("double v = _ptr_array_e_v[_idx];", "double u = _ptr_array_i_u[_idx];")
    assert not own("double v = _ptr_array_e_v[_presynaptic_idx];")
    assert not own("double v = _ptr_array_e_v[_neighbour_idx];")


#: Not shared out: draws have an order.
AT_RANDOM = "v_post += w_sign*w*v_unit*2*(rand() < 0.5)"


def large_network():
    """Loops of every kind that is shared out, over more neurons than are a part."""
    network = brunel(5.0, 40 * Hz, n_e=2400, w=0.6)
    noise = {"on_step": "v += noise*(rand() - rand())", "parameters": {"noise": 0.5 * mV}}
    model = BRUNEL_LIF.parameters | noise.pop("parameters")
    model = dataclasses.replace(BRUNEL_LIF, name="noisy", parameters=model, **noise)
    changes = {
        "ee": {"rules": (STDP_NEAREST,), "delay": 0 * ms},
        "ie": {"weights": "3*rand()"},
        "ii": {"delay": "uniform(0.5*ms, 3*ms)"},
        "ei": {
            "rules": (STDP_NEAREST,),
            "delay": 0 * ms,
            "synapse": dataclasses.replace(VOLTAGE, name="random", on_pre=AT_RANDOM),
        },
    }
    return dataclasses.replace(
        network,
        populations=tuple(dataclasses.replace(p, model=model) for p in network.populations),
        projections=tuple(
            dataclasses.replace(p, **changes.get(p.name, {})) for p in network.projections
        ),
    )


@pytest.mark.parametrize(
    ("network", "spikes"),
    [
        (large_network(), 5000),
        (brunel(4.0, 90 * Hz, n_e=2400), 1000),
        (brunel(4.0, 30 * Hz, n_e=2400, p=0.5), 1000),  # delivered before it is known who spikes
    ],
)
def test_results_do_not_depend_on_the_number_of_threads(network, spikes, monkeypatch):
    """Every loop tries one thread and all of them: both are in each of these runs."""
    ends = []
    state, segment = (
        initial_state(network, 1),
        make_segment(network, np.zeros((1, 0)), [800], background=1, plasticity=1),
    )
    for cores in (1, 2, 3):
        monkeypatch.setenv("BRAINSLEEP_CORES", str(cores))
        backend = make_backend("cpp", network, capacity=Capacity(slots=1, steps=800))
        ends.append(backend.advance(state, segment, 5))
    (first, seen), *others = ends
    assert min(counts.sum() for counts in seen.counts.values()) > spikes
    for after, recording in others:
        for name, values in first.arrays.items():
            assert np.array_equal(values, after.arrays[name]), name
        for name, counts in seen.counts.items():
            assert np.array_equal(counts, recording.counts[name])


def test_how_often_a_neuron_is_reached():
    """A program counts many spikes, more than it can at a time; NumPy adds one by one."""
    network, after = brunel(5.0, 0 * Hz, n_e=2400), {}
    state = initial_state(network, 1)
    rng = np.random.default_rng(2)
    for name in "ei":
        v = state.arrays[f"{name}.v"]
        v[:] = np.where(rng.random(v.size) < 0.4, 0.021, 0.019 * rng.random(v.size))
    segment = make_segment(network, np.zeros((1, 0)), [40])
    for name in ("cpp", "numpy"):
        backend = make_backend(name, network, capacity=Capacity(slots=1, steps=40))
        after[name] = backend.advance(state, segment, 5)
    (ours, seen), (theirs, expected) = after["cpp"], after["numpy"]
    assert seen.counts["e"].sum() > 3 * 248
    for name in "ei":
        assert np.array_equal(seen.counts[name], expected.counts[name])
        values = (each.arrays[f"{name}.v"] for each in (ours, theirs))
        np.testing.assert_allclose(*values, rtol=1e-11, atol=1e-15)


def test_one_program_for_many_has_a_thread_each(monkeypatch):
    monkeypatch.setenv("BRAINSLEEP_CORES", "4")
    network = large_network()
    backend = make_backend("cpp", network, capacity=Capacity(slots=1, steps=10))
    given = backend._given(
        initial_state(network, 1), make_segment(network, np.zeros((1, 0)), [10]), 1, 3
    )
    assert given["run"].tolist() == [1, 0, 10, 3]


def test_how_a_loop_is_done_later():
    scalar = ["const double gate = _ptr_array_e_gate[0];", "const float _lio_1 = gate * rate;"]
    load = [
        "const int32_t _presynaptic_idx = _ptr_array_ee__synaptic_pre[_idx];",
        "const double x_pre = _ptr_array_e_x[_presynaptic_idx];",
    ]
    change = ["double w = _ptr_array_ee_w[_idx];", "w -= x_pre;", "_ptr_array_ee_w[_idx] = w;"]
    later = to_be_done_later(scalar, [*load, *change])
    assert later.fields == [("double", "gate"), ("float", "_lio_1")]
    assert later.past == [("_ptr_array_e_x", "double")]
    assert later.code == ["const double x_pre = _past_0[_place];", *change]
    more = "const double y = _ptr_array_e_y[_postsynaptic_idx];"  # which is another one then
    for lines in ([*load, more, *change], ["_ptr_array_e_x[_presynaptic_idx] = 1;"]):
        assert to_be_done_later(scalar, lines) is None
    assert to_be_done_later(["if(gate)", "    rate = 1;"], change) is None


def test_what_is_the_same_for_all_synapses_of_a_neuron_is_computed_once():
    scalar = ["const double t = _ptr_array_clock_t[0];", "const double _lio_1 = 1.0/tau;"]
    loads = [
        "const double last = _ptr_array_ee_last[_idx];",
        "const double x = _ptr_array_ee_x[_idx];",
        "double w = _ptr_array_ee_w[_idx];",
    ]
    change = "w = _clip(w + (rate * (x * exp(_lio_1 * (last - t)))), 0, 1);"
    store = "_ptr_array_ee_w[_idx] = w;"
    alike = {"_ptr_array_ee_x": "ee_kept_x", "_ptr_array_ee_last": "ee_kept_last"}
    later = to_be_done_later(scalar, [*loads, change, store], alike)
    (each,) = later.of_row
    assert each.fixed == [("double", name) for name in ("_lio_1", "last", "x")]
    assert each.moving == [("double", "t")]
    assert each.code == "(x * exp(_lio_1 * (last - t)))"
    assert "w = _clip(w + (rate * _of_row_0(_lio_1, last, x, t)), 0, 1);" in later.now
    looked_at = "w = _clip(w + (rate * _row_0[_place]), 0, 1);"
    assert later.code == ["double w = _ptr_array_ee_w[_idx];", looked_at, store]
    # without that each synapse computes it; and what is left of such a variable is looked at, too
    assert to_be_done_later(scalar, [*loads, change, store]).of_row == []
    later = to_be_done_later(scalar, [*loads, "w += x;", store], alike)
    assert [each.code for each in later.of_row] == ["x"]
    assert "const double x = _row_0[_place];" in later.code


def test_which_variables_are_alike():
    """Traces of late spikes are, if all come at the same time, and nothing else sets them."""

    def found(delay):
        network = brunel(5.0, 40 * Hz, n_e=2400)
        changes = {"delay": delay, "rules": (STDP_NEAREST,)}
        first, *others = network.projections
        projections = (dataclasses.replace(first, **changes), *others)
        return alike(dataclasses.replace(network, projections=projections).plan.synapses[0])

    once, kept = found(2 * ms)
    assert kept == {"stdp_nearest_pre_x", "stdp_nearest_pre_lastupdate"} and len(once) == 1
    assert found("uniform(0.5*ms, 3*ms)") == (set(), set())
    assert found(0 * ms) == (set(), set())


#: Delayed: traces are on synapses, and one more pathway reads them. Unlike: they are not the same
#: for all synapses of a neuron. Drawn: a loop that is not shared out. Often: more spikes than are
#: kept. Silent: some synapses wait longer than spikes are remembered.
PUT_OFF = {
    "": {},
    "silent": {},
    "delayed": {"delay": 2 * ms},
    "delayed, unlike": {"delay": 2 * ms},
    "often": {},
    "delayed, often": {"delay": 2 * ms},
    "drawn": {
        "synapse": dataclasses.replace(
            VOLTAGE, name="d", on_pre="v_post += w_sign*w*v_unit*(1 + 0*rand())"
        )
    },
}


def remember_less(folder, monkeypatch):
    """Let programs that are compiled now remember spikes of 64 steps, not of 1024."""
    shutil.copytree(TEMPLATES, folder)
    text = (folder / "later.h").read_text()
    assert "at_most = 1024;" in text
    (folder / "later.h").write_text(text.replace("at_most = 1024;", "at_most = 64;"))
    monkeypatch.setattr(standalone, "TEMPLATES", folder)


@pytest.mark.parametrize("how", PUT_OFF)
def test_what_is_put_off_is_carried_out_before_it_is_read(how, tmp_path, monkeypatch):
    """After some time effects of postsynaptic spikes are put off: whoever reads sees them all."""
    n, slots = 1100, 14
    steps, every = 50, 600 if how == "silent" else 35
    if how == "silent":
        remember_less(tmp_path / "templates", monkeypatch)
    model = dataclasses.replace(
        BRUNEL_LIF,
        name="driven",
        equations="dv/dt = (drive - v)/tau_m : volt (unless refractory)",
        parameters=BRUNEL_LIF.parameters
        | {"drive": 30 * mV}
        | ({"t_ref": 0 * ms} if "often" in how else {}),
        method="euler",
    )
    decay = dataclasses.replace(DECAY_GROUP.with_parameters(tau_w=200 * ms), period=30 * ms)
    drive = (
        np.linspace(-30, 6000 if "often" in how else 60, n) * mV
    )  # some never spike: their synapses wait for long
    network = NetworkSpec(
        name="put_off",
        populations=(Population(name="e", size=n, model=model, values={"drive": drive}),),
        projections=(
            Projection(
                name="ee",
                source="e",
                target="e",
                connectivity=Connectivity(p=0.05),
                weights="0.3*rand()",
                rules=(STDP_NEAREST.with_parameters(lr=0.02),),
                processes=(decay,),
                **({"synapse": VOLTAGE} | PUT_OFF[how]),
            ),
        ),
        input="",
    )
    synapses = {"ee.w": np.arange(0, 60_000, 997)}
    onset = np.isin(np.arange(slots), (0, 9))
    segment = make_segment(network, np.zeros((slots, 0)), np.full(slots, steps), onset=onset)
    gates = segment.gates | {"plasticity": np.where(np.arange(slots) % 5 == 2, 0.5, 1.0)}
    gates[decay.name] = (np.arange(slots) == 9).astype(float)
    traced = Traced(np.arange(0, slots * steps, every), synapses)
    segment = dataclasses.replace(segment, gates=gates, traced=traced)
    state, ends = initial_state(network, 1), []
    if "unlike" in how:
        x = "ee.stdp_nearest_pre_x"
        given = np.random.default_rng(1).random(state.arrays[x].size)
        state = dataclasses.replace(state, arrays={**state.arrays, x: given})
    for name in ("numpy", "cpp"):
        room = slots * steps + (how == "silent")  # so that it is a program of its own
        capacity = Capacity(slots=slots, steps=room)
        backend = make_backend(name, network, capacity=capacity, traced=synapses)
        ends.append(backend.advance(state, segment, 1))
    (one, seen), (other, recording) = ends
    assert np.array_equal(seen.counts["e"], recording.counts["e"]) and seen.counts["e"].sum() > 1e4
    assert seen.counts["e"].sum(axis=0).min() < 5
    assert (seen.counts["e"].sum(axis=0) > 255).any() == ("often" in how)
    for name in one.arrays:
        np.testing.assert_allclose(other.arrays[name], one.arrays[name], rtol=1e-9, err_msg=name)
    values = seen.traces["ee.w"], recording.traces["ee.w"]
    assert np.ptp(values[0], axis=0).max() > 0.1
    np.testing.assert_allclose(values[1], values[0], rtol=1e-9, atol=1e-15)

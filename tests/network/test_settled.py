"""What is checked is what is run: comments, lines, whole numbers, types and flags."""

import dataclasses
import math
import os
import re

import brian2
import numpy as np
import pytest
from brian2 import Quantity, amp, mA, ms, mV, second
from conftest import (
    BACKENDS,
    TINY,
    emulated,
    lone_neurons,
    make_segment,
    needs_brian2cuda,
    needs_compiler,
    spike_pairs,
)
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from brainsleep.backends.base import make_backend
from brainsleep.backends.brian.context import preferences
from brainsleep.errors import SpecError
from brainsleep.models.inputs import POISSON
from brainsleep.models.lif import LIF
from brainsleep.network.equations import settle
from brainsleep.network.spec import (
    InitialWeights,
    NetworkSpec,
    NeuronModel,
    PlasticityRule,
    Population,
    Projection,
    SpontaneousActivity,
    SynapseModel,
    WeightProcess,
)
from brainsleep.run.segment import Capacity
from brainsleep.run.state import initial_state

SHORT = Capacity(slots=4, steps=16)
TARGETS = [
    *BACKENDS,
    pytest.param("cuda", marks=[pytest.mark.cuda, needs_compiler, needs_brian2cuda]),
]


def neuron(equations="", on_step="", **changes):
    """A neuron with two variables, which does what `on_step` says and nothing else."""
    return NeuronModel(name="n", equations=f"x : 1\ny : 1\n{equations}", on_step=on_step, **changes)


def backend(name, spec):
    return emulated(spec) if name == "cuda" else make_backend(name, spec, capacity=SHORT)


def run(name, model, steps=1, **arrays):
    """The arrays of neurons, one for each value given, after some steps."""
    spec = lone_neurons(model, len(next(iter(arrays.values()))))
    start = {f"e.{key}": np.array(value, float) for key, value in arrays.items()}
    state = initial_state(spec, 1)
    state = dataclasses.replace(state, arrays={**state.arrays, **start})
    after, _ = backend(name, spec).advance(state, make_segment(spec, [[0.0]], [steps]), 1)
    return {key.removeprefix("e."): value for key, value in after.arrays.items()}


# -- comments and lines ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "settled"),
    [
        ("w = v  # additive; w = 0.9*w", "w = v"),
        ("# first\nw = v", "w = v"),
        ("w = v # one # two", "w = v"),
        ("w = clip(w +\n  v, 0, # low; w = 3\n 1)", "w = clip(w + v, 0, 1)"),
        ("w = v + \\\n  2.0", "w = v + 2.0"),
        ("w = 1; ; v = 2 ;", "w = 1\nv = 2"),
        ("w = 1; # set\nv = 2", "w = 1\nv = 2"),
        ("w %= 3", "w = w % (3)"),
        ("w = 10**-3*v", "w = 10.0 ** (-3) * v"),
        ("w = int(v > 1)*100000*100000", "w = floor(int(v > 1) * 100000) * 100000.0"),
    ],
)
def test_what_brian2_would_read_otherwise_is_written_anew(code, settled):
    assert settle.statements(code) == settled
    assert settle.statements(settled) == settled


@pytest.mark.parametrize(
    "code",
    [
        "v = v_reset; z += jump",
        "w = clip(w + lr*x_pre, w_min, w_max)  # soft bound",
        "pruned = 1 - (1 - pruned)*int(w >= w_floor)",
        "w = w*2.0**15 + w**2 + w/3 + (w_max - w)**mu",
        "w = i*2 + 1",
        "k = 1/3",
        "w = int(v)/int(u)",
    ],
)
def test_what_brian2_reads_as_it_is_meant_stays(code):
    """It is part of the ids of runs that were right."""
    assert settle.statements(f"\n    {code}\n") == code


@pytest.mark.parametrize("name", BACKENDS)
def test_a_comment_is_never_run(name):
    model = neuron(
        equations="v : 1  # not v : volt; a comment",
        on_step="""
        # y = 5
        y = x  # y = 6; y = 7
        y = (y +
             1)*2  # a bracket; over (two lines
        """,
        threshold="y > 2  # y > 100\n and x > 0",
        reset="v = 1  # ; v = 2",
    )
    after = run(name, model, x=[0, 1, 2])
    assert after["y"].tolist() == [2, 4, 6] and after["v"].tolist() == [0, 1, 1]


@pytest.mark.parametrize("name", BACKENDS)
def test_comments_in_synapses_rules_and_processes_are_never_run(name):
    """Each of them sets w, and in a comment sets it to something else."""
    rule = PlasticityRule(
        name="r",
        pre_equations="dx/dt = -x/tau : 1  # trace; decays",
        pre_spike="x = 1  # nearest; x = 9",
        on_pre="w = w + lr*x_pre +\\\n lr  # additive; w = 0.9*w",
        parameters={"lr": 0.25, "tau": 10 * ms},
    )
    process = WeightProcess(
        name="p",
        sums={"s": "w  # all; of them"},
        on_update="w = (s_post +\n 0*w)  # w = 9; w = 8",
        period=1 * ms,
    )
    model = neuron(threshold="x > 0  # always", on_step="x = 1")
    spec = NetworkSpec(
        name="net",
        populations=(
            Population(name="input", size=2, model=POISSON),
            Population(name="e", size=2, model=model),
        ),
        projections=(
            Projection(
                name="ee",
                source="e",
                target="e",
                synapse=SynapseModel(name="s", on_pre="y_post += w  # g; y_post = 3"),
                weights=InitialWeights(low=0.5),
                w_max=9.0,
                rules=(rule,),
                processes=(process,),
            ),
        ),
    )
    segment = make_segment(spec, [[0.0, 0.0]], [1], plasticity=1, p=1)
    after, _ = backend(name, spec).advance(initial_state(spec, 1), segment, 1)
    assert after.arrays["ee.w"].tolist() == [0.75, 0.75]  # summed, then raised at the spike
    assert after.arrays["e.y"].tolist() == [0.5, 0.5]


# -- whole numbers -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", TARGETS)
def test_whole_numbers_are_computed_as_they_are_meant(name):
    cases = {
        "10**-3": lambda x, i: 1e-3,
        "x*10**-3": lambda x, i: x * 1e-3,
        "k*x": lambda x, i: x / 3,  # one number for all is not simplified by Brian2
        "third + x": lambda x, i: 1 / 3 + x,
        "int(x)/int(x + 3.5)": lambda x, i: int(x) / int(x + 3.5),
        "int(x > 1)*100000*100000": lambda x, i: (x > 1) * 1e10,
        "int(x)*3000000": lambda x, i: int(x) * 3e6,
        "(i + 1)**-1": lambda x, i: 1 / (i + 1),
        "floor(x*2.0**i/2.0**i)": lambda x, i: math.floor(x),
        "floor(x*2**shift)": lambda x, i: math.floor(x * 2**15),
        "floor(int(x > 1)*2.0**15)": lambda x, i: (x > 1) * 2**15,
        "floor(x*1e10)": lambda x, i: math.floor(x * 1e10),
        "ceil(x)**-1": lambda x, i: 1 / math.ceil(x),
        "2**i": lambda x, i: 2**i,
        "2.0**-i": lambda x, i: 2.0**-i,
        "floor((x + i)*7)//7": lambda x, i: math.floor((x + i) * 7) // 7,
        "(floor(x)*7) % 7": lambda x, i: 0,
        "clip(i, 0.5, 2.5)": lambda x, i: min(max(i, 0.5), 2.5),
        "clip(int(x), -1, 3)/2": lambda x, i: min(int(x), 3) / 2,
        "exprel(-x)": lambda x, i: math.expm1(-x) / -x,
        "log1p(x)": lambda x, i: math.log1p(x),
        "expm1(-x)": lambda x, i: math.expm1(-x),
    }
    declared = "".join(f"\ny{k} : 1" for k in range(len(cases)))
    code = "k = 1/3\n" + "\n".join(f"y{k} = {case}" for k, case in enumerate(cases))
    model = neuron(f"third = 1/3 : 1 (shared)\n{declared}", code, parameters={"shift": 15})
    x = [1.0, 2.0, 3.25, 1000.0, 0.75, 7.0, 2.0**17, 5.0]
    after = run(name, model, x=x)
    for k, (case, value) in enumerate(cases.items()):
        expected = [value(*pair) for pair in zip(x, range(len(x)), strict=True)]
        exact = "floor" in case or "2" in case.partition("**")[0][-3:]
        tolerance = 0 if exact else 1e-15
        np.testing.assert_allclose(after[f"y{k}"], expected, rtol=tolerance, err_msg=case)


@pytest.mark.parametrize("name", BACKENDS)
def test_what_was_assigned_stays_when_its_source_changes(name):
    """In Brian2's NumPy code both names are of one array."""
    after = run(name, neuron("z : 1", "old = x\nx += 1\ny = old\nz = x\nz *= 2"), x=[1.0, 5.0])
    assert after["x"].tolist() == [2, 6] and after["y"].tolist() == [1, 5]
    assert after["z"].tolist() == [4, 12]


@pytest.mark.parametrize("name", BACKENDS)
def test_a_closed_gate_puts_back_what_was_added(name):
    rule = PlasticityRule(name="r", on_pre="w += lr", parameters={"lr": 0.25})
    spec = spike_pairs(rule, 3)
    made = backend(name, spec)
    for gate, w in ((0.0, 1.0), (0.5, 1.125), (1.0, 1.25)):
        segment = make_segment(spec, np.full((1, 3), 1e9), [1], plasticity=gate)
        after, _ = made.advance(initial_state(spec, 1), segment, 1)
        assert (after.arrays["pairs.w"] == w).all()


# -- types and flags ---------------------------------------------------------------------------

FLAGS = neuron(
    """
    dv/dt = 1/tau : 1 (unless refractory)
    c : 1 (constant)
    s = 2*p : 1 (shared)
    h = x + 1 : 1 (constant over dt)
    n : integer
    m = n*2 : integer
    b : boolean
    low = x < 1 : boolean
    """,
    """
    x += 1
    n += 1
    b = x > 2
    y = c + s + h + 100*(int(b) + 2*int(low)) + 1000*(m/4)
    """,
    parameters={"tau": 1 * ms, "p": 3, "t_ref": 3 * ms},
    threshold="v > 0.5",
    reset="v = 0",
    refractory="t_ref",
    initial={"c": 0.5, "n": 2, "b": 1},
)


@pytest.mark.parametrize("name", TARGETS)
def test_flags_and_types_that_are_supported(name):
    after = run(name, FLAGS, 2, x=[-3.0, 0.0, 1.0])
    assert after["x"].tolist() == [-1, 2, 3] and after["n"].tolist() == [4, 4, 4]
    # h is computed at the beginning of a step, m and low when they are read
    h, low, b = np.array([-1, 2, 3]), np.array([1, 0, 0]), np.array([0, 0, 1])
    expected = 0.5 + 6 + h + 100 * (b + 2 * low) + 1000 * (8 / 4)
    np.testing.assert_array_equal(after["y"], expected)
    assert after["b"].tolist() == b.tolist()
    assert after["v"].tolist() == [0, 0, 0]  # spiked in the first step, held in the second


def test_flags_in_replicas_of_one_network():
    spec = lone_neurons(FLAGS, 3)
    states = [initial_state(spec, 1), initial_state(spec, 1).updated(e__x=np.array([1.0, 2, 3]))]
    segments = [make_segment(spec, [[0.0]], [steps]) for steps in (2, 3)]
    both = make_backend("numpy", spec, capacity=SHORT)
    together = both.advance_replicas(states, segments, [1, 2])
    for k, (answer, state) in enumerate(zip(together, states, strict=True)):
        alone, _ = both.advance(state, segments[k], k + 1)
        for key, value in alone.arrays.items():
            np.testing.assert_array_equal(answer[0].arrays[key], value, err_msg=key)


@pytest.mark.parametrize(
    ("line", "reason", "mended"),
    [
        ("d : 1 (shared)", "every neuron has its own value", "d : 1"),
        ("dd/dt = -d/tau : 1 (shared)", "every neuron has its own value", "dd/dt = -d/tau : 1"),
        ("d = 2*x : 1 (linked)", "a value of its own", "d = 2*x : 1"),
        ("d : 1 (summed)", "sums over synapses", "d : 1"),
        ("dd/dt = -d/tau : 1 (event-driven)", "in every step", "dd/dt = -d/tau : 1"),
        ("dd/dt = -d/tau : 1 (clock-driven)", "in every step", "dd/dt = -d/tau : 1"),
        ("d : 1 (unless refractory)", "only what is integrated", "d : 1"),
        ("d : 1 (constant over dt)", "once a step", "d : 1"),
        ("d = 2*x : 1 (constant)", "a value of its own in every step", "d = 2*x : 1"),
        ("dd/dt = -d/tau : 1 (constant)", "in every step", "dd/dt = -d/tau : 1"),
        ("d : 1 (constant, shared)", "every neuron has its own value", "d : 1 (constant)"),
        ("d : 1 (slow)", "there is no such flag", "d : 1"),
        ("d = 2*x : 1 (shared)", "every neuron has its own 'x'", "d = 2*x : 1"),
    ],
)
def test_flags_that_are_refused_say_why_and_what_to_write(line, reason, mended):
    def make(line):
        uses = "y = x*tau/second" if "tau" not in line else ""
        return neuron(line, uses, parameters={"tau": 10 * ms})

    with pytest.raises(SpecError, match="take the flag off") as caught:
        make(line)
    assert reason in str(caught.value) and "\n" not in str(caught.value)
    after = run("numpy", make(mended), x=[1.0, 2.0])
    assert all(np.isfinite(value).all() for value in after.values())


def test_a_number_that_all_share_is_a_parameter():
    """The other way that the error of (shared) names."""
    model = neuron("", "y = x + drive", parameters={"drive": 2})
    assert run("numpy", model, x=[1.0, 2.0])["y"].tolist() == [3, 4]


@pytest.mark.parametrize("line", ["d : 1 (shared)", "d : integer", "d : boolean", "d = 2 : 1"])
def test_flags_and_types_of_traces_activities_and_processes_are_refused(line):
    for make in (
        lambda: PlasticityRule(
            name="r", pre_equations=line, pre_spike="d = 1", on_pre="w = d_pre*w"
        ),
        lambda: SpontaneousActivity(name="a", equations=line, on_step="v = d"),
        lambda: WeightProcess(name="p", equations=line, on_update="w = d"),
    ):
        with pytest.raises(SpecError, match=r"'d' has .*; expected") as caught:
            make()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("code", "message", "mended"),
    [
        ("n = x", "a value of type integer", "n = int(x)"),
        ("n += 0.5", "a value of type integer", "n += int(0.5)"),
        ("n /= 2", "a value of type integer", "n = int(n/2)"),
        ("b = x", "a value of type boolean", "b = x > 0"),
        ("b += 1", "a value of type boolean", "b = x > 0"),
        ("s = 3", "not for this code to change", "y = 3"),
        ("y = y + x - x + 1", "'x' cancels out", "y = y + 1"),
        ("y = y*int(p > 0*mV)", "'mV' cancels out", "next_y = y*int(p > 0*mV)\ny = next_y"),
    ],
)
def test_what_a_variable_cannot_hold_is_refused(code, message, mended):
    equations = "n : integer\nb : boolean\ns = 2*x : 1"
    parameters = {"p": 1 * mV} if "p" in code else {}
    with pytest.raises(SpecError, match=message):
        neuron(equations, code, parameters=parameters)
    run("numpy", neuron(equations, mended, parameters=parameters), x=[1.0, 2.5])


@pytest.mark.parametrize(("variable", "value"), [("n", 0.5), ("n", 2**31), ("b", 2)])
def test_a_start_that_a_variable_cannot_hold_is_refused(variable, value):
    with pytest.raises(SpecError, match="as it is of type"):
        neuron("n : integer\nb : boolean", initial={variable: value})


@pytest.mark.parametrize("name", BACKENDS)
def test_a_subexpression_of_others_is_never_old(name):
    """Brian2 itself reads the old value of one that depends on what changed by way of another."""
    model = neuron("s = 2*x : 1\nu = s + 1 : 1\nz : 1", "y = u\nx += 1\nz = u")
    after = run(name, model, x=[1.0, 2.5])
    assert after["y"].tolist() == [3, 6] and after["z"].tolist() == [5, 8]


def test_synapses_do_not_read_what_they_change_by_way_of_an_equation():
    model = neuron("s = 2*x : 1\nu = s + 1 : 1", threshold="x > 2")
    for name in ("u_post", "s_pre"):
        with pytest.raises(
            SpecError, match=f"'{name}' depends on 'x_post'.*write out its equation"
        ):
            one_synapse(SynapseModel(name="s", on_pre=f"y_post += {name}\nx_post += 1"), model)
    one_synapse(SynapseModel(name="s", on_pre="y_post += 2*x_post + 1\nx_post += 1"), model)


@pytest.mark.long
@pytest.mark.parametrize("name", BACKENDS)
def test_synapses_onto_one_neuron_are_carried_out_one_by_one(name):
    """Also in NumPy code, as in a loop over spikes and their synapses."""
    blocks = ["y_post += x_pre\nx_post += 1", "y_post = w\nx_post += y_post"]
    blocks += ["x_post += w\ny_post += w*x_post", "y_post += w\ny_post *= 2", "y_post -= w"]
    for code in blocks:
        spec = one_synapse(SynapseModel(name="s", on_pre=code), neuron(threshold="x > 2"), n=4)
        start = initial_state(spec, 1)
        x, w = np.array([3.0, 4.0, 5.0, 1.0]), np.linspace(0.5, 1.5, len(start.arrays["ee.w"]))
        state = start.updated(e__x=x, ee__w=w)
        after, _ = backend(name, spec).advance(state, make_segment(spec, [[0.0]], [1]), 1)
        x, y = x.tolist(), [0.0] * 4
        spikes = [each > 2 for each in x]
        for k, (pre, post) in enumerate(zip(*state.synapses["ee"], strict=True)):
            if spikes[pre]:
                names = {"x_pre": x[pre], "x_post": x[post], "y_post": y[post], "w": w[k]}
                exec(code, names)
                x[post], y[post] = names["x_post"], names["y_post"]
        np.testing.assert_allclose(after.arrays["e.x"], x, err_msg=code)
        np.testing.assert_allclose(after.arrays["e.y"], y, err_msg=code)


def one_synapse(synapse, model, n=2, **changes):
    """Neurons all connected with each other."""
    projection = Projection(
        name="ee",
        source="e",
        target="e",
        synapse=synapse,
        weights=InitialWeights(low=1.0),
        w_max=9.0,
        **changes,
    )
    return dataclasses.replace(lone_neurons(model, n), projections=(projection,))


@pytest.mark.parametrize(
    ("code", "message", "mended"),
    [
        ("spike_count = 5\ny = spike_count", "uses itself", "own = 5\ny = own"),
        ("slot_index = 5\ny = slot_index", "uses itself", "own = 5\ny = own"),
        ("lastspike = x\ny = lastspike", "uses itself", "lastspike_own = x\ny = lastspike_own"),
        ("w_before = x\ny = w_before", "uses itself", "w_before_own = x\ny = w_before_own"),
        ("ms = 2.0\ny = x*ms", "uses itself", "ms_own = 2.0\ny = x*ms_own"),
        ("N = 2.0\ny = x*N", "uses itself", "N_own = 2.0\ny = x*N_own"),
        ("t = 2.0\ny = x*t", "not for this code to change", "t_own = 2.0\ny = x*t_own"),
        ("_idx = 0\ny = x*_idx", "uses itself", "idx_own = 0\ny = x*idx_own"),
        ("logical_not = x\ny = logical_not", "uses itself", "own = x\ny = own"),
        ("a = 1.0\na = a*x\ny = a", "one number for all", "a = 1.0\nnext_a = a*x\ny = next_a"),
        ("a = 2.0\ny = a*x\na = 3.0\nx = a*x", "one number", "a = 2.0\ny = a*x\nb = 3.0\nx = b*x"),
        ("a = 1\na += x\ny = a", "of type integer", "a = 1\nnext_a = a + x\ny = next_a"),
        ("y = \uff58 + 1", "cannot stand in code", "y = x + 1  # \uff58"),
    ],
)  # fmt: skip
def test_new_names_that_mean_something_else_are_refused(code, message, mended):
    with pytest.raises(SpecError, match=message) as caught:
        neuron("", code)
    assert "\n" not in str(caught.value)
    run("numpy", neuron("", mended), x=[1.0, 2.5])


def test_a_new_name_does_not_set_what_another_part_keeps():
    """That of a rule would have set the neuron's variable at every spike."""
    threshold = {"threshold": "x > 0", "reset": "y = 1"}

    def network(spike, **neurons):
        rule = PlasticityRule(name="r", pre_equations="z : 1", pre_spike=spike, on_pre="w = z_pre")
        silent = SynapseModel(name="s", on_pre="")
        return one_synapse(silent, neuron(**threshold | neurons), rules=(rule,))

    for wrong in (
        lambda: network("y = 2.0\nz = y"),
        lambda: network("z = 1", on_step="r_pre_z = x\ny = r_pre_z"),
    ):
        with pytest.raises(SpecError, match="is a variable of another part"):
            wrong()
    with pytest.raises(SpecError, match=r"of type integer|one number for all"):
        network("a = 0.5*z\nz = a + 1", reset="a = 3\ny = a")
    network("y_own = 2.0\nz = y_own", on_step="r_own = x\ny = r_own")


@pytest.mark.parametrize("name", ["source", "variables", "logical_not"])
def test_variables_that_no_backend_could_have(name):
    with pytest.raises(SpecError, match="does not use itself"):
        neuron(f"{name} : 1", f"{name} = x")


def test_draws_in_a_subexpression_are_one_a_step():
    for flags, mended in (("", "constant over dt"), ("(shared)", "shared, constant over dt")):
        with pytest.raises(SpecError, match=re.escape(f"write ({mended}) after it")):
            neuron(f"s = rand() : 1 {flags}", "y = s")
        after = run("numpy", neuron(f"s = rand() : 1 ({mended})", "y = s\nx = s"), x=[0.0, 0.0])
        assert after["y"].tolist() == after["x"].tolist() and (after["y"] > 0).all()


def test_a_subexpression_of_type_integer_is_one():
    with pytest.raises(SpecError, match=r"write s = int\(x/2\) : integer"):
        neuron("s = x/2 : integer", "y = s")
    after = run("numpy", neuron("s = int(x/2) : integer", "y = s"), x=[3.0, -3.0])
    assert after["y"].tolist() == [1, -1]


@pytest.mark.parametrize("changes", [{"reset": "x = 0"}, {"refractory": "3*ms"}])
def test_what_happens_at_spikes_needs_a_threshold(changes):
    with pytest.raises(SpecError, match="write a threshold"):
        neuron(**changes)
    neuron(threshold="x > 1", **changes)


def test_a_start_of_what_is_computed_is_refused():
    with pytest.raises(SpecError, match="'s' is computed by its equation"):
        neuron("s = 2*x : 1", "y = s", initial={"s": 3})


# -- methods -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "right", "mended"),
    [
        ("rk4", "-v/tau + xi*tau**-0.5", "euler"),
        ("rk2", "-v/tau + v*xi*tau**-0.5", "heun"),
        ("exact", "-v/tau + xi*tau**-0.5", "euler"),
        ("exact", "-v**2/tau", "euler"),
        ("euler", "-v/tau + v*xi*tau**-0.5", "heun"),
        ("exponential_euler", "-v**2/tau", "euler"),
    ],
)
def test_a_method_that_cannot_integrate_the_equations_is_refused(method, right, mended):
    def make(method):
        return neuron(f"dv/dt = {right} : 1", method=method, parameters={"tau": 10 * ms})

    with pytest.raises(SpecError, match=f"method '{method}' .*; write method='{mended}'") as caught:
        make(method)
    assert "\n" not in str(caught.value)
    assert np.isfinite(run("numpy", make(mended), x=[0.0])["v"]).all()


def test_linear_equations_that_cannot_be_solved_are_told_by_check():
    model = neuron("du/dt = y/tau : 1", method="exact", parameters={"tau": 10 * ms})
    with pytest.raises(SpecError, match="write method='euler'"):
        model.solve()
    dataclasses.replace(model, method="euler").solve()


# -- quantities without dimensions -------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [0.12, np.float64(0.12), Quantity(0.12), 0.12 * mV / mV, np.array(0.12), "share"],
    ids=["float", "numpy", "quantity", "ratio", "array", "parameter"],
)
def test_a_start_without_unit(value):
    model = dataclasses.replace(
        LIF,
        equations=f"{LIF.equations}\nn : 1",
        reset="v = v_reset; n += share",
        parameters={**LIF.parameters, "share": 0.12},
        initial={"v": "v_rest", "n": value},
    )
    population = dataclasses.replace(TINY.network.population("e"), model=model)
    others = tuple(p for p in TINY.network.populations if p.name != "e")
    network = dataclasses.replace(TINY.network, populations=(*others, population))
    protocol = dataclasses.replace(TINY, network=network)
    assert protocol.describe() and protocol.equations() and protocol._repr_html_()
    assert (initial_state(network, 0).arrays["e.n"] == 0.12).all()
    changed = protocol.override({"network.populations.e.model.initial.n": "0.3"})
    assert (initial_state(changed.network, 0).arrays["e.n"] == 0.3).all()


# -- errors that name the fix ------------------------------------------------------------------


def told(make):
    with pytest.raises(SpecError) as caught:
        make()
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_name_of_the_neuron_in_a_synapse():
    error = told(lambda: SynapseModel(name="s", on_pre="g_exc += w"))
    assert "write 'g_exc_post'" in str(error) and "write 'g_exc_post'" in error.details.fix
    SynapseModel(name="s", on_pre="g_exc_post += w")


def test_a_trace_by_its_name_elsewhere():
    def rule(spike, learn):
        return PlasticityRule(
            name="r",
            pre_equations="dx/dt = -x/tau : 1",
            pre_spike=spike,
            on_post=learn,
            parameters={"tau": 10 * ms},
        )

    for spike in ("x_pre += 1", "x_pre = 1"):
        error = told(lambda spike=spike: rule(spike, "w = x_pre"))
        assert "write 'x'" in str(error) and "exprel" not in error.details.fix
    assert "write 'x_pre'" in told(lambda: rule("x += 1", "w = x")).details.fix
    rule("x += 1", "w = x_pre")


def test_a_sum_by_its_name_elsewhere():
    error = told(lambda: WeightProcess(name="p", sums={"s": "w"}, on_update="w = w/s"))
    assert "write 's_post' or 's_total'" in error.details.fix
    WeightProcess(name="p", sums={"s": "w"}, on_update="w = w/s_post")


def test_a_parameter_without_unit_is_named():
    def process(tau):
        update = "w = w*exp(-interval/tau_w)"
        return WeightProcess(name="p", on_update=update, parameters={"tau_w": tau})

    fix = told(lambda: process(0.2)).details.fix
    assert fix == "parameter 'tau_w' has no unit: give it one, such as 0.2*second"
    process(0.2 * second)

    def adapting(b):
        return neuron("du/dt = b/c : 1", parameters={"b": b, "c": 3 * mA * ms})

    assert "'b' has no unit: give it one, such as 2*amp" in told(lambda: adapting(2)).details.fix
    adapting(2 * amp)


def test_refractory_periods_are_times_or_conditions_in_text():
    def lif(refractory, **more):
        return dataclasses.replace(
            LIF, refractory=refractory, parameters={**LIF.parameters, **more}
        )

    for code in ("v > v_reset", "not (v > v_reset)"):
        assert lif(code).refractory_while
    assert not lif("t_ref", t_ref=2 * ms).refractory_while
    assert "give the value to a parameter" in str(told(lambda: lif(2 * ms)))
    assert lif("t_ref", t_ref=2 * ms).refractory == "t_ref"


# -- any statements ----------------------------------------------------------------------------
# Numbers are fractions of two, so that sums and products are exact, and what cuts them (floor, %)
# is given no others: backends may round otherwise in the last place.

X = [-2.5, -1.0, 0.0, 0.5, 1.0, 2.0, 7.25, 40.0]
M = [0, 1, 2, 3, 4, 5, 0, 3]

small = st.sampled_from("x m i p 0 1 2 3 12 0.5 2.0".split()) | st.sampled_from(
    ["int(x > m)", "int(x)", "floor(x)", "ceil(x)", "abs(x)", "int(i >= 3)", "clip(x, -3, 3)"]
)
large = st.sampled_from(["100000", "3000000000", "2**15", "2.0**15", "10**4"])
divisors = st.sampled_from("2 3 7 4.0 0.5 (i+1) (m+1) (2+int(x>1)) int(3.5+i) 10**-2".split())
powers = st.sampled_from(
    "10**-3 2**-2 2.0**-1 2**10 2**i 2.0**m 2**-i i**2 int(x)**3 (m+1)**-1 (1+abs(x))**-2 "
    "x**2 m**2 p**2 (i+1)**0.5 10**(-2) 2**(1+2)".split()
)


def pairs(operators, left, right=None):
    right = left if right is None else right
    return st.builds("({} {} {})".format, left, st.sampled_from(operators), right)


exact = small | pairs("+-*", small) | pairs("+-*", pairs("+-*", small))
cut = st.builds("{}({})".format, st.sampled_from(["floor", "ceil", "int"]), exact) | st.builds(
    "({} {} {})".format, exact, st.sampled_from(["%", "//"]), st.sampled_from("2 3 7".split())
)
values = st.recursive(
    exact | cut | powers | pairs("*", exact, large),
    lambda inner: pairs("+-*", inner) | pairs("/", inner, divisors),
    max_leaves=4,
)
conditions = st.builds("{} {} {}".format, exact, st.sampled_from(["<", ">=", "=="]), exact)
conditions |= st.builds("{} {} {}".format, conditions, st.sampled_from(["and", "or"]), conditions)
wholes = st.sampled_from("m i 3 int(x) int(x>m) (m*2) (i%3) (m//2) (int(x)+m) (m*100000)".split())
comments = st.sampled_from(
    ["", "", "  # note", " # y = 2; y = 3", "# one # two", " # (open; bracket", "  # ; x = 9"]
)
kinds = st.sampled_from(["set", "change", "local", "whole", "truth", "equation"])
flags = st.sampled_from(["", "", "(constant over dt)"])


@st.composite
def blocks(draw):
    """Equations and statements of one neuron, with ``@`` for a number of their own."""
    what, value = draw(kinds), draw(values)
    equations = ["y@ : 1"]
    if what == "set":
        lines = [f"y@ = {value}"]
    elif what == "change":
        operator = draw(st.sampled_from(["+=", "-=", "*=", "/=", "%=", "//=", "**="]))
        plain = "3" if operator in ("%=", "//=", "**=") else "4" if operator == "/=" else value
        lines = [f"y@ = {draw(exact)}", f"y@ {operator} {plain}"]
    elif what == "local":
        local = draw(values | st.sampled_from(["1/3", "3", "2/7*p", "10**-3", "p/3"]))
        lines = [f"l@ = {local}", f"y@ = l@*x + {value}"]
    elif what == "whole":
        equations += ["n@ : integer"]
        lines = [f"n@ = {draw(wholes)}", f"n@ {draw(st.sampled_from(['=', '+=']))} {draw(wholes)}"]
        lines += [f"y@ = n@/{draw(divisors)}"]
    elif what == "truth":
        equations += ["b@ : boolean"]
        lines = [f"b@ = {draw(conditions)}", f"y@ = int(b@)*3 + int(not b@)*{value}"]
    else:
        equations += [f"s@ = {value} : 1 {draw(flags)}"]
        equations += [f"k@ = {draw(st.sampled_from(['1/3', '10**-3*p', '2**-2']))} : 1 (shared)"]
        lines = ["y@ = s@ + k@*x"]
    text = ""
    for line in lines:
        name, operator, right = line.split(" ", 2)
        style = draw(st.sampled_from(["plain", "plain", "bracket", "backslash"]))
        if style == "bracket":
            right = f"({right}{draw(comments)}\n   )"
        elif style == "backslash":
            right = right.replace(" ", " \\\n   ", 1)
        comment = draw(comments)
        separator = draw(st.sampled_from(["\n", "\n", ";\n", "\n\n# y@ = 1; y@ = 2\n"]))
        if not comment:
            separator = draw(st.sampled_from([separator, "; "]))
        text += f"{draw(st.sampled_from(['', '    ']))}{name} {operator} {right}{comment}"
        text += separator if separator != ";\n" or not comment else "\n"
    return "\n".join(equations), text.rstrip("; ") + "\n"


def drawn(number):
    """Different blocks, the same in every run."""
    found = {}

    @settings(
        max_examples=2 * number,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(blocks())
    def draw(block):
        found[block] = None

    draw()
    assert len(found) >= number
    return list(found)[:number]


def by_python(equations, code, x, i, m):
    """The value of y as Python computes it, in which nothing is an integer of 32 bits."""
    names = {"x": x, "i": i, "m": m, "p": 2.5, "y@": 0.0, "ceil": math.ceil, "floor": math.floor}
    names["clip"] = lambda value, low, high: min(max(value, low), high)
    names = {key.replace("@", "0"): value for key, value in names.items()}
    for line in equations.splitlines():
        if "=" in line:
            exec(line.partition(" : ")[0].replace("@", "0"), names)
    lines = [line.strip() if not line.startswith("   )") else line for line in code.splitlines()]
    exec("\n".join(lines).replace("@", "0"), names)
    return float(names["y0"])


def together(given):
    """One model of many blocks."""
    equations = "\n".join(e.replace("@", str(k)) for k, (e, _) in enumerate(given))
    code = "".join(c.replace("@", str(k)) for k, (_, c) in enumerate(given))
    return neuron(f"m : integer\n{equations}", f"y = x*p\n{code}", parameters={"p": 2.5})


@pytest.mark.long
@pytest.mark.standalone
@needs_compiler
def test_any_statements_are_the_same_everywhere():
    """Python's value, on NumPy, in C++ and in plain Brian2, or refused when the model is made.

    ``BRAINSLEEP_STATEMENTS=500`` tries more of them.
    """
    number, batch = int(os.environ.get("BRAINSLEEP_STATEMENTS", "100")), 100
    given, refused = [], []
    for block in drawn(number):
        try:
            together([block])
        except SpecError as error:
            refused.append((*block, str(error)))
        else:
            given.append(block)
    assert len(given) > 0.95 * number, refused
    for start in range(0, len(given), batch):
        chosen = given[start : start + batch]
        model = together(chosen)
        expected = np.array(
            [[by_python(*block, x, i, m) for i, (x, m) in enumerate(zip(X, M, strict=True))]
             for block in chosen]
        )  # fmt: skip
        for name in ("numpy", "cpp"):
            assert_same(name, run(name, model, x=X, m=M), chosen, expected)
        # its NumPy code keeps two names of one array, and floor and ceil are integers of 32 bits
        once = [k for k, block in enumerate(chosen) if not _TROUBLES.search(final(block))]
        assert once
        plain = [chosen[k] for k in once]
        assert_same("plain Brian2", in_plain_brian2(together(plain)), plain, expected[once])


def assert_same(name, arrays, chosen, expected):
    for k, block in enumerate(chosen):
        message = f"{name}: {block}"
        np.testing.assert_allclose(arrays[f"y{k}"], expected[k], 1e-12, 1e-12, err_msg=message)


#: What Brian2 by itself computes otherwise in NumPy code.
_TROUBLES = re.compile(r"floor|ceil|\b[yn]0 \S+= |y0 = y0")


def final(block):
    """The final code of a block."""
    plan = lone_neurons(together([block])).plan.groups[1]
    return f"{plan.equations}\n{plan.on_step}"


def in_plain_brian2(model):
    """What Brian2 by itself makes of the final code of a model."""
    plan = lone_neurons(model, len(X)).plan.groups[1]
    with preferences({"codegen.target": "numpy"}):
        group = brian2.NeuronGroup(len(X), plan.equations, method="euler", dt=1 * ms)
        group.p, group.x, group.m = 2.5, X, M
        group.run_regularly(plan.on_step, dt=1 * ms, when="groups", order=2)
        brian2.Network(group).run(1 * ms)
        return {name: np.array(getattr(group, name)) for name in plan.state}

"""Variables of synapses against numbers known by hand, and against plain Brian2 objects.

Spikes are set by the stimulus: a slot of one step with 1000 Hz is a spike for sure.
"""

from dataclasses import replace
from itertools import pairwise

import brian2
import numpy as np
import pytest
from brian2 import ms, mV, second
from conftest import EVERY_STEP, make_segment, needs_compiler

from brainsleep.backends.base import make_backend
from brainsleep.backends.brian.context import runtime
from brainsleep.backends.cuda.backend import CudaBackend
from brainsleep.errors import SpecError
from brainsleep.experiment.protocol import Protocol, run_id
from brainsleep.experiment.timeline import Timeline, awake
from brainsleep.models.graupner import DELAYS, GRAUPNER, trials
from brainsleep.models.inputs import POISSON
from brainsleep.network.layers import DenseProjection
from brainsleep.network.models import (
    NeuronModel,
    Pathway,
    PlasticityRule,
    SpontaneousActivity,
    SynapseModel,
    WeightProcess,
)
from brainsleep.network.spec import InitialWeights, NetworkSpec, Population, Projection
from brainsleep.network.wiring import Pairs
from brainsleep.run.segment import Capacity
from brainsleep.run.state import initial_state
from brainsleep.show.methods import methods
from brainsleep.show.sources import sources
from brainsleep.show.typeset import blocks
from brainsleep.values.plain import plain

TARGETS = [
    "numpy",
    pytest.param("cpp", marks=[pytest.mark.standalone, needs_compiler]),
]
CYTHON = pytest.param("cython", marks=[pytest.mark.slow, pytest.mark.long, needs_compiler])

#: What synapses add up in, without any dynamics.
SINK = NeuronModel(name="sink", equations="g : 1")


def one_to_all(synapse, target=SINK, *, n=1, n_post=1, w=1.0, activities=(), signals=None, **more):
    """A network of `n` inputs, each connected with all of `n_post` neurons."""
    return NetworkSpec(
        name="synapses",
        signals=signals or {},
        populations=(
            Population(name="input", size=n, model=POISSON),
            Population(name="e", size=n_post, model=target, activities=activities),
        ),
        projections=(
            Projection(
                name="pe",
                source="input",
                target="e",
                synapse=synapse,
                weights=InitialWeights(low=w),
                **{"w_max": 10.0, **more},
            ),
        ),
    )


def train(spec, times, total, **gates):
    """A segment of one-step slots: inputs spike in steps ``times[i]``; 1 ms steps."""
    stimulus = np.zeros((total, spec.population("input").size))
    for neuron, steps in enumerate(times):
        stimulus[list(steps), neuron] = EVERY_STEP
    return make_segment(spec, stimulus, **gates)


def backend_of(target, spec, slots):
    return make_backend(target, spec, capacity=Capacity(slots=slots, steps=4 * slots))


def cut(backend, state, segment, parts):
    """Run a segment in equal parts."""
    borders = np.linspace(0, len(segment), parts + 1).astype(int)
    for first, last in pairwise(borders):
        state, _ = backend.advance(state, segment.part(first, last), seed=1)
    return state


def assert_pure(backend, spec, segment, names=(), state=None):
    """Assert that one segment leaves the same bits as its parts; return the state at the end."""
    state = state or initial_state(spec, 0)
    whole = cut(backend, state, segment, 1)
    for parts in (2, 7):
        other = cut(backend, state, segment, parts)
        for name, value in whole.arrays.items():
            assert value.tobytes() == other.arrays[name].tobytes(), (parts, name)
    for name in names:
        assert np.any(whole.arrays[name] != state.arrays[name]), name
    return whole


def assert_close(one, other):
    np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


# --- short-term plasticity --------------------------------------------------------------------

TM = SynapseModel(
    name="tsodyks_markram",
    equations="""
    dx/dt = (1 - x)/tau_rec : 1 (event-driven)
    du/dt = -u/tau_facil : 1 (event-driven)
    """,
    initial={"x": 1},
    on_pre="""
    u += u_se*(1 - u)
    g_post += w*u*x
    x -= u*x
    """,
    parameters={"tau_rec": 130 * ms, "tau_facil": 530 * ms, "u_se": 0.03},
)
DEPRESSING = replace(
    TM,
    name="depressing",
    equations="dx/dt = (1 - x)/tau_rec : 1 (event-driven)",
    on_pre="g_post += w*u_se*x; x -= u_se*x",
    parameters={"tau_rec": 800 * ms, "u_se": 0.5},
)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("synapse", "released"),
    [
        (DEPRESSING, [0.5000, 0.2651, 0.1548, 0.1030, 0.0787, 0.0673]),
        (TM, [0.0300, 0.0553, 0.0757, 0.0918, 0.1043, 0.1141]),
    ],
)
def test_release_of_tsodyks_and_markram_at_20_hz(synapse, released, target):
    spec = one_to_all(synapse)
    segment = train(spec, [range(1, 300, 50)], 300)
    backend, state, g = backend_of(target, spec, 300), initial_state(spec, 0), [0.0]
    for slot in range(0, 300, 50):
        state, _ = backend.advance(state, segment.part(slot, slot + 50), seed=1)
        g.append(state.arrays["e.g"][0])
    np.testing.assert_allclose(np.diff(g), released, atol=1e-4)


def test_a_synapse_that_was_silent_for_long_is_exact():
    """Three states, coupled: the exact update must not overflow after 1000 time constants."""
    synapse = SynapseModel(
        name="three_states",
        equations="""
        dx/dt = (1 - x - y)/tau_rec : 1 (event-driven)
        dy/dt = -y/tau_in : 1 (event-driven)
        """,
        initial={"x": 1},
        on_pre="y += u_se*x; x -= u_se*x; g_post += y",
        parameters={"tau_rec": 800 * ms, "tau_in": 3 * ms, "u_se": 0.5},
    )
    spec = one_to_all(synapse)
    steps = np.array([1, 3000, 1, 20, 1])
    segment = make_segment(spec, EVERY_STEP * np.array([[1], [0], [1], [0], [1]]), steps)
    end, _ = make_backend("numpy", spec).advance(initial_state(spec, 0), segment, 1)
    t, x, y, g = 0.0, 1.0, 0.0, 0.0
    for at in (0.0, 3.001, 3.022):
        a, b = np.exp(-(at - t) / 0.8), np.exp(-(at - t) / 0.003)
        x, y = 1 - (1 - x) * a + 0.003 * y * (b - a) / (0.8 - 0.003), y * b
        y, x = y + 0.5 * x, x - 0.5 * x
        t, g = at, g + y
    assert_close([end.arrays[f"pe.{k}"][0] for k in "xy"] + [end.arrays["e.g"][0]], [x, y, g])
    assert np.isclose(end.arrays["pe.lastupdate"][0], -1e-3)  # a step before the end


# --- a network of everything, and the same in plain Brian2 --------------------------------------

NEURON = NeuronModel(
    name="gapped",
    equations="""
    dv/dt = (-v + s_in + i_gap)/tau_m : 1
    dda/dt = -da/tau_da : 1
    s_in : 1
    i_gap : 1
    """,
    threshold="v > v_threshold",
    reset="v = 0; da += 1",
    method="exponential_euler",
    parameters={"tau_m": 10 * ms, "tau_da": 50 * ms, "v_threshold": 0.6},
)
NMDA = SynapseModel(
    name="nmda",
    equations="""
    ds/dt = -s/tau_s + a*x*(1 - s) : 1 (clock-driven)
    dx/dt = -x/tau_x : 1 (clock-driven)
    s_in_post = w*s : 1 (summed)
    """,
    on_pre="x += 1",
    parameters={"tau_s": 40 * ms, "tau_x": 2 * ms, "a": 0.5 / ms},
)
GAP = SynapseModel(
    name="gap",
    equations="i_gap_post = g_gap*(v_pre - v_post) : 1 (summed)",
    on_pre="",
    parameters={"g_gap": 0.2},
)
ELIGIBILITY = PlasticityRule(
    name="eligibility",
    pre_equations="dr/dt = -r/tau : 1",
    pre_spike="r += 1",
    post_equations="dr/dt = -r/tau : 1",
    post_spike="r += 1",
    equations="""
    dc/dt = -c/tau_c : 1 (event-driven)
    dm/dt = (c_seen - m)/tau_m : 1 (clock-driven)
    c_seen : 1
    n_events : integer
    """,
    on_pre="c -= 0.5*r_post; n_events += 1",
    on_post="c += r_pre; c_seen = c; n_events += 1",
    on_step="w = clip(w + lr*da_post*c, w_min, w_max)",
    method="exact",
    parameters={"tau": 20 * ms, "tau_c": 100 * ms, "tau_m": 30 * ms, "lr": 2e-5},
)


@pytest.fixture(scope="module")
def everything():
    spec = one_to_all(NMDA, NEURON, n=3, n_post=2, rules=(ELIGIBILITY,), w=0.8, w_max=1.5)
    gap = Projection(
        name="gap", source="e", target="e", synapse=GAP, weights=InitialWeights(low=1.0)
    )
    return replace(spec, projections=(*spec.projections, gap))


TRAINS = [range(0, 210, 7), range(3, 210, 13), [20, 21, 22, 150, 151]]
BETWEEN = {f"pe.{k}" for k in ("w", "s", "x", "eligibility_c", "eligibility_m")}


def uneven(everything):
    """Weights and neurons that differ."""
    state = initial_state(everything, 0)
    return state.updated(pe__w=np.linspace(0.5, 1.2, 6), e__v=np.array([0.0, 0.5]))


def in_plain_brian(steps):
    """The network of everything, written for this test; final values by name."""
    spikes = np.zeros((steps, 3))
    for neuron, times in enumerate(TRAINS):
        spikes[list(times), neuron] = 1
    with runtime("numpy", "float64"):
        clock = brian2.Clock(dt=1 * ms)
        common = {"clock": clock, "method": "exponential_euler"}
        values = {"spikes": brian2.TimedArray(spikes, dt=1 * ms), "tau": 20 * ms}
        inputs = brian2.NeuronGroup(
            3, "dr/dt = -r/tau : 1", threshold="spikes(t, i) > 0.5", reset="r += 1",
            namespace=values, name="a_input", **common,
        )  # fmt: skip
        values = {"tau": 20 * ms, "tau_m": 10 * ms, "tau_da": 50 * ms}
        neurons = brian2.NeuronGroup(
            2, """dv/dt = (-v + s_in + i_gap)/tau_m : 1
            dda/dt = -da/tau_da : 1
            dr/dt = -r/tau : 1
            s_in : 1
            i_gap : 1""",
            threshold="v > 0.6", reset="v = 0; da += 1; r += 1",
            namespace=values, name="a_neurons", **common,
        )  # fmt: skip
        synapses = brian2.Synapses(
            inputs, neurons, """w : 1
            ds/dt = -s/tau_s + a*x*(1 - s) : 1 (clock-driven)
            dx/dt = -x/tau_x : 1 (clock-driven)
            s_in_post = w*s : 1 (summed)
            dc/dt = -c/tau_c : 1 (event-driven)
            dm/dt = (c_seen - m)/tau_m : 1 (clock-driven)
            c_seen : 1
            n_events : 1""",
            on_pre="x += 1; c -= 0.5*r_post; n_events += 1",
            on_post="c += r_pre; c_seen = c; n_events += 1",
            namespace={"tau_s": 40 * ms, "tau_x": 2 * ms, "a": 0.5 / ms, "tau_c": 100 * ms,
                       "tau_m": 30 * ms},
            name="s_synapses", clock=clock, method="euler",
        )  # fmt: skip
        synapses.connect()
        synapses.run_regularly(
            "w = clip(w + 2e-5*da_post*c*exp(-(t - lastupdate)/tau_c), 0, 1.5)",
            when="groups", order=3, clock=clock,
        )  # fmt: skip
        gap = brian2.Synapses(
            neurons, neurons, "i_gap_post = 0.2*(v_pre - v_post) : 1 (summed)", clock=clock
        )
        gap.connect(condition="i != j")
        synapses.w, neurons.v = np.linspace(0.5, 1.2, 6), [0.0, 0.5]
        monitor = brian2.SpikeMonitor(neurons)
        brian2.Network(inputs, neurons, synapses, gap, monitor).run(steps * ms, namespace={})
        found = {f"pe.{name}": np.array(getattr(synapses, name)) for name in "wsx"}
        found |= {f"pe.eligibility_{k}": np.array(getattr(synapses, k)) for k in ("c", "n_events")}
        found |= {f"e.{name}": np.array(getattr(neurons, name)) for name in ("v", "da", "i_gap")}
        spiked = np.rint(monitor.t / ms).astype(int), np.array(monitor.i)
        return found, spiked


@pytest.mark.parametrize("target", [*TARGETS, CYTHON])
def test_everything_is_as_in_plain_brian(target, everything):
    segment = train(everything, TRAINS, 210, raster=True, plasticity=1)
    backend = backend_of(target, everything, 210)
    end, recording = backend.advance(uneven(everything), segment, 1)
    theirs, (times, neurons) = in_plain_brian(210)
    assert len(times) > 10
    assert recording.spikes["e"][0].tolist() == times.tolist()
    assert recording.spikes["e"][1].tolist() == neurons.tolist()
    for name, value in theirs.items():
        np.testing.assert_allclose(end.arrays[name], value, rtol=1e-9, atol=1e-12, err_msg=name)
    assert np.ptp(end.arrays["pe.w"]) > 0.1 and np.all(end.arrays["pe.eligibility_m"] != 0)


@pytest.mark.parametrize("target", [*TARGETS, CYTHON])
def test_everything_is_the_same_in_parts(target, everything):
    segment = train(everything, TRAINS, 210, plasticity=1)
    closed = np.arange(210) % 50 > 35
    segment = replace(segment, gates={**segment.gates, "plasticity": 1.0 - closed})
    backend = backend_of(target, everything, 210)
    assert_pure(backend, everything, segment, BETWEEN, uneven(everything))


# --- single rules --------------------------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
def test_calcium_rule_of_graupner_and_brunel(target):
    """Calcium and efficacy on the clock, without noise, as Euler does it by hand."""
    p = {"jump": 1.0, "jump_back": 2.0, "g_p": 321.808, "g_d": 200.0, "th_p": 1.3, "th_d": 1.0}
    rule = PlasticityRule(
        name="calcium",
        equations="""
        dc/dt = -c/tau_ca : 1 (clock-driven)
        drho/dt = (-rho*(1 - rho)*(0.5 - rho) + g_p*(1 - rho)*int(c > th_p)
                   - g_d*rho*int(c > th_d))/tau : 1 (clock-driven)
        """,
        initial={"rho": 0.5},
        on_pre="c += jump",
        on_post="c += jump_back",
        parameters={"tau_ca": 20 * ms, "tau": 1.5 * second, **p},
    )
    spiking = replace(SINK, threshold="g > 0", reset="g = 0")
    synapse = SynapseModel(name="none", on_pre="")
    back = SynapseModel(name="kick", on_pre="g_post += 1")
    spec = one_to_all(synapse, spiking, n=2, rules=(rule,))
    kick = replace(spec.projections[0], name="kick", synapse=back, rules=())
    spec = replace(spec, projections=(*spec.projections, kick))
    # both inputs make the neuron spike a step later; only the first one's synapse is looked at
    trains = [range(5, 300, 60), range(11, 300, 60)]
    segment = train(spec, trains, 300, plasticity=1)
    end = assert_pure(backend_of(target, spec, 300), spec, segment, ["pe.calcium_rho"])
    c, rho = 0.0, 0.5
    fired = {step + 1 for steps in trains for step in steps}
    for step in range(300):
        drive = -rho * (1 - rho) * (0.5 - rho) + p["g_p"] * (1 - rho) * (c > 1.3)
        drive -= p["g_d"] * rho * (c > 1.0)
        c, rho = c - 1e-3 * c / 0.02, rho + 1e-3 * drive / 1.5
        c += p["jump"] * (step in trains[0]) + p["jump_back"] * (step in fired)
    assert_close([end.arrays[f"pe.calcium_{k}"][0] for k in ("c", "rho")], [c, rho])


@pytest.mark.parametrize("method", ["heun", "milstein"])
def test_noise_that_another_variable_gates(method):
    """What an integrator writes, and nothing reads, is left out."""
    spec = trials(replace(GRAUPNER, method=method), DELAYS["DP"], lags=1, n=1)
    (step,) = spec.plan.synapses[0].steps
    assert "drawn_xi" in step.code
    for line in step.code.splitlines():
        name = line.split(" = ")[0]
        assert name.startswith(("calcium", "w")) or step.code.count(name) > 1


@pytest.mark.parametrize("target", TARGETS)
def test_voltage_clamp_of_clopath(target):
    """Per presynaptic spike: -A_LTD(u-th_m)+ + A_LTP(u-th_p)+(u-th_m)+ times the trace's area."""
    rule = PlasticityRule(
        name="clopath",
        pre_equations="dx/dt = -x/tau_x : 1",
        pre_spike="x += area/tau_x",
        on_pre="w = clip(w - a_ltd*clip(v_post - th_m, 0*mV, 1*volt)/mV, w_min, w_max)",
        on_step="""
        ltp = clip(v_post - th_p, 0*mV, 1*volt)*clip(v_post - th_m, 0*mV, 1*volt)/mV**2
        w = clip(w + a_ltp*x_pre*ltp*dt/ms, w_min, w_max)
        """,
        parameters={
            **{"tau_x": 15 * ms, "area": 1 * ms, "a_ltd": 14e-5, "a_ltp": 8e-5},
            **{"th_m": -70.6 * mV, "th_p": -45.3 * mV},
        },
    )
    clamp = NeuronModel(name="clamp", equations="v : volt")
    spec = one_to_all(SynapseModel(name="none", on_pre=""), clamp, n_post=5, rules=(rule,), w=0.5)
    u = np.array([-60.6, -45.3, -43.55, -40.0, -20.0])
    segment = train(spec, [[0]], 600, plasticity=1)
    state = initial_state(spec, 0).updated(e__v=u * 1e-3)
    end = assert_pure(backend_of(target, spec, 600), spec, segment, ["pe.w"], state)
    change = end.arrays["pe.w"] - 0.5
    area = np.exp(-1 / 15) / (1 - np.exp(-1 / 15)) / 15  # of the trace, in steps of 1 ms
    ltd, ltp = -14e-5 * (u + 70.6), 8e-5 * np.clip(u + 45.3, 0, None) * (u + 70.6)
    np.testing.assert_allclose(change, ltd + area * ltp, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(ltd + ltp, [-0.0014, -0.00354, 0, 0.00869, 0.0953], atol=6e-5)


# --- sums over synapses --------------------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
def test_projections_that_sum_into_one_variable_add_up(target):
    """Onto both ends, from two projections and from one that sums into its source."""
    read = NeuronModel(
        name="reader", equations="dy/dt = (x - y)/tau : 1\nx : 1", parameters={"tau": 5 * ms}
    )
    rising = "ds/dt = (1 - s)/tau_s : 1 (event-driven)\n"
    first = SynapseModel(
        name="first",
        equations=rising + "x_post = w*s : 1 (summed)",  # event-driven: exact in every step
        on_pre="s = 0",
        parameters={"tau_s": 10 * ms},
    )
    second_ = SynapseModel(
        name="second_",
        equations="x_post = w*w_sign : 1 (summed)\nx_pre = 0.5*w : 1 (summed)",
        on_pre="",
    )
    spec = one_to_all(first, read, n=2, n_post=2, w=1.0)
    among = Projection(
        **{"name": "ee", "source": "e", "target": "e", "synapse": second_, "w_max": 10.0},
        **{"weights": InitialWeights(low=2.0), "sign": -1},
    )
    spec = replace(spec, projections=(*spec.projections, among))
    segment = train(spec, [[3], [8]], 20)
    end = assert_pure(backend_of(target, spec, 20), spec, segment, ["e.y"])
    y, x = 0.0, 0.0
    for step in range(20):
        since = [step - at if step > at else step for at in (3, 8)]
        start = [0.0, 0.0]
        s = sum(1 - (1 - s0) * np.exp(-n / 10) for s0, n in zip(start, since, strict=True))
        x = s - 2.0 + 1.0
        y += (x - y) / 5
    assert_close(end.arrays["e.y"], [y, y])
    assert {"e.pe_post_x", "e.ee_post_x", "e.ee_pre_x"} <= set(end.arrays)


# --- the gate ------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
def test_a_closed_gate_restores_all_that_rules_set(target):
    synapse = replace(TM, equations=TM.equations + "fixed : 1 (constant)")
    rule = PlasticityRule(
        name="many",
        pre_equations="dx/dt = -x/tau : 1",
        pre_spike="x += 1",
        equations="""
        da/dt = (level - a)/tau : 1 (event-driven)
        db/dt = (a_seen - b)/tau : 1 (clock-driven)
        a_seen : 1
        n_spikes : integer
        tagged : boolean
        u : 1 (linked)
        """,
        initial={"a": 0.25, "b": "level", "a_seen": -1},
        on_pre="a += 1; n_spikes += 1; tagged = not tagged; u = 0.5*u; w = clip(w - 0.1, 0, w_max)",
        on_post="a = 2; a_seen = a",
        on_step="a_seen = a_seen + x_pre; w = clip(w + 0.01*b, 0, w_max)",
        parameters={"tau": 20 * ms, "level": 3},
    )
    spiking = replace(SINK, threshold="g > 0.02", reset="g = 0")
    spec = one_to_all(synapse, spiking, n=2, rules=(rule,))
    backend, state = backend_of(target, spec, 120), initial_state(spec, 0)
    segment = train(spec, [range(0, 120, 9), range(5, 120, 7)], 120)
    own = ["w", *(f"many_{k}" for k in ("a", "b", "a_seen", "n_spikes", "tagged", "lastupdate"))]
    opened = replace(segment, gates={**segment.gates, "plasticity": np.ones(120)})
    middle, recording = backend.advance(state, opened, 1)
    assert recording.counts["e"].sum() > 3
    for name in own:
        assert np.any(middle.arrays[f"pe.{name}"] != state.arrays[f"pe.{name}"]), name
    closed, _ = backend.advance(middle, segment, 1)
    for name in own[:-1]:
        key = f"pe.{name}"
        assert closed.arrays[key].tobytes() == middle.arrays[key].tobytes(), name
    # the value and the time that it is of stay: 120 steps later it is 120 steps older
    last = "pe.many_lastupdate"
    steps = np.rint((closed.arrays[last] - middle.arrays[last]) / 1e-3)
    assert steps.tolist() == [-120, -120]
    assert np.any(closed.arrays["pe.u"] != middle.arrays["pe.u"])  # of the synapse, which goes on
    # what the rule did to the variable of the synapse is undone, as without a rule
    plain_spec = replace(spec, projections=(replace(spec.projections[0], rules=()),))
    alone, _ = backend_of("numpy", plain_spec, 120).advance(
        initial_state(plain_spec, 0), segment, 1
    )
    shut, _ = backend.advance(state, segment, 1)
    np.testing.assert_allclose(shut.arrays["pe.u"], alone.arrays["pe.u"], rtol=1e-12)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("rules", "expected"), [(0, 0.25), (1, 0.3125)])
def test_a_synapse_sets_its_weight_whatever_the_gate(target, rules, expected):
    """A spike halves w before it closes and after that; a rule adds 1/8, before that alone."""
    synapse = SynapseModel(name="tires", on_pre="g_post += w; w = clip(0.5*w, w_min, w_max)")
    rule = PlasticityRule(name="grows", on_pre="w = clip(w + 0.125, w_min, w_max)")
    spec = one_to_all(synapse, rules=(rule,) * rules)
    segment = train(spec, [[2, 6]], 10)
    gate = np.r_[np.ones(4), np.zeros(6)]
    segment = replace(segment, gates={**segment.gates, "plasticity": gate})
    end, _ = backend_of(target, spec, 10).advance(initial_state(spec, 0), segment, 1)
    assert end.arrays["pe.w"].tolist() == [expected]


def test_an_eligibility_decays_while_the_gate_is_closed():
    rule = PlasticityRule(
        name="trace",
        equations="dc/dt = -c/tau : 1 (event-driven)",
        on_pre="c += 1",
        parameters={"tau": 50 * ms},
    )
    spec = one_to_all(SynapseModel(name="none", on_pre=""), rules=(rule,))
    gate = np.r_[np.ones(10), np.zeros(30), np.full(10, 0.5)]
    segment = train(spec, [[2, 20, 45]], 50)
    segment = replace(segment, gates={**segment.gates, "plasticity": gate})
    end = assert_pure(backend_of("numpy", spec, 50), spec, segment)
    assert_close(end.arrays["pe.trace_c"], [np.exp(-43 / 50) + 0.5])  # half of the last spike


def test_a_reward_turns_an_eligibility_into_weight():
    """The signal comes 30 steps after a pair, for 10 steps: w grows by c as it is in each."""
    rule = replace(
        ELIGIBILITY,
        equations="dc/dt = -c/tau_c : 1 (event-driven)",
        on_pre="c -= 0.5*r_post",
        on_post="c += r_pre",
        on_step="w = clip(w + lr*reward*c, w_min, w_max)",
        parameters={"tau": 20 * ms, "tau_c": 100 * ms, "lr": 0.1},
        signals={"reward": 1},
    )
    spiking = replace(SINK, threshold="g > 0", reset="g = 0")
    synapse = SynapseModel(name="kick", on_pre="g_post += w")
    spec = one_to_all(synapse, spiking, rules=(rule,), signals={"reward": 0.0})
    segment = train(spec, [[5]], 60, plasticity=1)
    reward = (np.arange(60) >= 36) & (np.arange(60) < 46)
    segment = replace(segment, signals={"reward": 2.0 * reward})
    end = assert_pure(backend_of("numpy", spec, 60), spec, segment, ["pe.w"])
    c = np.exp(-1 / 20) * np.exp(-np.arange(30, 40) / 100)  # of the pair in steps 5 and 6
    assert_close(end.arrays["pe.w"], [1 + 0.1 * 2.0 * c.sum()])


# --- processes -----------------------------------------------------------------------------------


def test_a_process_reads_neurons_synapses_and_rules_as_they_are_now():
    rule = PlasticityRule(
        name="trace",
        equations="dc/dt = -c/tau : 1 (event-driven)\ntwice = 2*c : 1",
        on_pre="c += 1",
        parameters={"tau": 50 * ms},
    )
    process = WeightProcess(
        name="consolidate",
        equations="seen : 1\nx : 1 (linked)",
        sums={"total": "trace_c*noise_level"},
        on_update="""
        seen = total_post + trace_twice
        w = clip(w + 0.001*g_post*x + 0*shared_level, w_min, w_max)
        x = 0.5*x
        """,
        period=10 * ms,
    )
    target = replace(
        SINK,
        equations="""
        g : 1
        shared_level = level : 1 (shared)
        noise_level = 1 + 0*level : 1 (shared)
        """,
        parameters={"level": 3},
    )
    spec = one_to_all(DEPRESSING, target, n=2, rules=(rule,), processes=(process,))
    segment = train(spec, [[2], [4]], 11, plasticity=1, consolidate=1)
    segment = replace(segment, steps=np.array([*segment.steps[:-1], 10]))
    open_late = np.arange(11) == 10
    segment = replace(segment, gates={**segment.gates, "consolidate": 1.0 * open_late})
    backend, state = backend_of("numpy", spec, 11), initial_state(spec, 0)
    end = assert_pure(backend, spec, segment, ["pe.w"])
    c = np.exp(-np.array([8, 6]) / 50)  # 8 and 6 steps ago, at the start of the last slot
    assert_close(end.arrays["pe.consolidate_seen"], c.sum() + 2 * c)
    assert_close(end.arrays["pe.trace_c"], [1, 1])  # as stored
    x = 1 - 0.5 * np.exp(-np.array([8, 6]) / 800)
    assert_close(end.arrays["pe.w"], 1 + 0.001 * 1.0 * x)
    assert_close(end.arrays["pe.x"], 0.5 * x)
    assert np.rint(end.arrays["pe.lastupdate"] / 1e-3).tolist() == [-10, -10]
    assert state.arrays["pe.x"].tolist() == [1, 1]


# --- pathways ------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
def test_pathways_in_their_order(target):
    spiking = replace(SINK, threshold="g > 0.5", reset="g = 0")
    synapse = SynapseModel(
        name="ordered",
        equations="x : 1",
        on_pre="x = 10*x + 1; g_post = 1",
        on_post="x = 10*x + 4",
        pathways=(
            Pathway(name="later", code="x = 10*x + 2"),
            Pathway(name="first", code="x = 10*x + 3", order=-5),
            Pathway(name="last", code="x = 10*x + 5", end="post", order=2),
        ),
    )
    spec = one_to_all(synapse, spiking)
    end = assert_pure(backend_of(target, spec, 8), spec, train(spec, [[1, 2]], 8), ["pe.x"])
    # spikes of the input in steps 1 and 2, of the neuron in step 2
    assert end.arrays["pe.x"].tolist() == [31231245]


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_computed_of_what_a_spike_changed_is_new(target):
    """Brian2's C++ code reads the variables of such an equation before the statements."""
    synapse = SynapseModel(
        name="counting",
        equations="""
        n_seen : integer
        share = 0.1*n_seen : 1
        total_w = w*(1 + share) + 0*g_post : 1
        before : 1
        """,
        on_pre="""
        before = total_w
        n_seen = clip(n_seen + 1, 0, 5)
        g_post += total_w
        """,
        pathways=(Pathway(name="more", code="n_seen += 1; g_post += 100*share", order=3),),
    )
    spec = one_to_all(synapse)
    segment = train(spec, [[1, 3]], 8)
    end = assert_pure(backend_of(target, spec, 8), spec, segment, ["pe.before"])
    assert_close(end.arrays["pe.before"], 1.2)
    assert_close(end.arrays["e.g"], 1.1 + 20 + 1.3 + 40)
    assert end.arrays["pe.n_seen"].tolist() == [4]


# --- values, precision, plain data ---------------------------------------------------------------


def test_every_synapse_has_time_constants_of_its_own():
    """As in Tsodyks, Uziel & Markram (2000): parameters, and constants that equations declare."""
    synapse = replace(
        DEPRESSING,
        equations="dx/dt = (1 - x)/tau_rec : 1 (event-driven)\nu : 1 (constant)",
        initial={"x": "0.5 + 0.1*j", "u": "u_se"},
        on_pre="g_post += u*x; x -= u*x",
    )
    values = {"tau_rec": [0.1, 0.2, 0.4] * second, "u": "0.2 + 0.1*j"}
    pairs = Pairs(pre=[0, 0, 0], post=[0, 1, 2])
    spec = one_to_all(synapse, n_post=3, connectivity=pairs, values=values)
    backend = backend_of("numpy", spec, 100)
    end = assert_pure(backend, spec, train(spec, [[4, 80]], 100), ["pe.x", "e.g"])
    u, x, tau = 0.2 + 0.1 * np.arange(3), 0.5 + 0.1 * np.arange(3), np.array([100, 200, 400])
    x, g = 1 - (1 - x) * np.exp(-4 / tau), 0.0
    for elapsed in (76, None):
        g, x = g + u * x, x - u * x
        x = 1 - (1 - x) * np.exp(-elapsed / tau) if elapsed else x
    assert_close(end.arrays["e.g"], g)
    assert_close(end.arrays["pe.x"], x)


def test_single_precision_keeps_times(everything):
    spec = replace(one_to_all(TM), precision="float32")
    segment = train(spec, [[1, 30]], 40)
    state, late = initial_state(spec, 0), replace(segment, start=10**9)  # 11 days later
    backend = backend_of("numpy", spec, 40)
    one, other = (backend.advance(state, each, 1)[0].arrays for each in (segment, late))
    np.testing.assert_allclose(one["pe.x"], other["pe.x"], rtol=1e-6)
    assert np.float32(one["pe.x"][0]) == one["pe.x"][0] < 0.98
    assert one["pe.lastupdate"].tolist() == [-0.01]


def test_what_is_shared_by_the_neurons_is_read_by_its_name(everything):
    target = replace(SINK, equations="g : 1\nreward = 2*input_gate : 1 (shared)")
    synapse = SynapseModel(name="rewarded", on_pre="g_post += w*reward*noise_gate")
    noise = SpontaneousActivity(name="noise", on_step="g += 0*noise_gate")
    spec = one_to_all(synapse, target, activities=(noise,))
    assert "g_post += w*reward_post*noise_gate_post" in spec.plan.synapses[0].on_pre
    end, _ = backend_of("numpy", spec, 5).advance(
        initial_state(spec, 0), train(spec, [[1]], 5, noise=0.25), 1
    )
    assert end.arrays["e.g"].tolist() == [0.5]


def test_protocols_come_back_from_plain_data(everything):
    days = Timeline(periods=(awake(1 * second),))
    protocol = Protocol(name="p", network=everything, schedule=days)
    again = Protocol.from_dict(protocol.describe())
    assert again == protocol and again.network.plan == everything.plan
    other = protocol.override({"network.projections.pe.rules.eligibility.tau_c": "0.2*second"})
    assert run_id(other, 0, "cpp", "") != run_id(protocol, 0, "cpp", "")


def test_what_is_shown(everything):
    lines = {block.title: block for block in blocks(NMDA)}
    assert lines["variables of a synapse"].lines[2] == (
        r"\mathrm{s}_{\mathrm{in}}^{\mathrm{post}} = \sum_{\mathrm{synapses}} w \, s"
        .replace(r"\mathrm{s}", "s")
    )  # fmt: skip
    shown = {source.name: source for source in sources(plain(everything.plan))}
    code = shown["projection pe"].code
    assert "dx/dt = -x/tau_x : 1" in code["every step, nmda: equations, by euler"]
    assert "eligibility_m = " in code["every step, eligibility, gate plasticity open"]
    assert "eligibility_c" in code["postsynaptic spike"]
    assert r"\frac{\mathrm{d}c}{\mathrm{d}t}" in methods(ELIGIBILITY)


# --- refusals ------------------------------------------------------------------------------------


def synapse(equations="", **changes):
    given = {"name": "ss", "on_pre": "", "parameters": {"tau": 10 * ms}, "equations": equations}
    return SynapseModel(**{**given, **changes})


def rule(equations="", **changes):
    return PlasticityRule(
        **{"name": "rr", "parameters": {"tau": 10 * ms}, "equations": equations, **changes}
    )


def process(on_update, **changes):
    return WeightProcess(name="pp", on_update=on_update, **changes)


def net(model=None, target=SINK, **more):
    return one_to_all(model or synapse(on_pre="g_post += tau/ms"), target, **more)


LEAK, LINK = "dx/dt = -x/tau : 1 ", "u : 1 (linked)"
SYNAPTIC = [
    (lambda: synapse(LEAK), "'x' does not say when", "write (event-driven)"),
    (lambda: synapse("dx/dt = -x**2/tau : 1 (event-driven)"), "solved exactly", "(clock-driven)"),
    (lambda: synapse("dx/dt = -x*v_post/tau : 1 (event-driven)"), "on 'v_post'", "which changes"),
    (lambda: synapse("dx/dt = -w*x/tau : 1 (event-driven)"), "on 'w'", "which changes"),
    (
        lambda: synapse("dx/dt = y/tau : 1 (event-driven)\ndy/dt = -y/tau : 1 (clock-driven)"),
        "'x' depends on the clock-driven 'y'", "after both",
    ),
    (lambda: synapse("dx/dt = -x/tua : 1 (event-driven)"), "dx/dt", "did you mean 'tau'?"),
    (lambda: synapse(LEAK + "(clock-driven)", method="exac"), "method", "did you mean 'exact'?"),
    (lambda: synapse("x : 1 (shared)"), "cannot be (shared)", "parameters={'x': ...}"),
    (lambda: synapse(LINK), "cannot be (linked)", "only a rule or a process"),
    (lambda: synapse("g = tau/ms : 1 (summed)"), "the sum 'g' is of no neuron", "write 'g_post"),
    (lambda: synapse("x = rand()*tau : second"), "drawn wherever it is read", "on_step"),
    (lambda: synapse("x : 1 (constant)", on_pre="x += tau/ms"), "'x' is not for", "may set w"),
    (lambda: synapse("x : 1", on_pre="x += tau"), "inconsistent units", "on_pre"),
    (lambda: synapse("x : 1", on_pre="xx += tau/ms"), "undefined name 'xx'", "mean 'x'?"),
    (lambda: synapse("x : 1", on_step="g_post += x*tau/ms"), "on_step", "it may set x"),
    (lambda: synapse("lastupdate : 1"), "'lastupdate'", "choose another name"),
    (lambda: Pathway(name="a", code="", end="both"), "pathway 'a': end", "pre or post"),
    (lambda: rule(LEAK, on_pre="x += 1"), "rule 'rr'", "write (event-driven)"),
    (lambda: rule(on_pre="u += tau/ms"), "undefined name 'u'", "define it"),
    (lambda: net(rules=(rule(on_pre="w = w + uu*tau/ms"),)), "undefined name 'uu'", "pe': on_pre"),
    (lambda: net(rules=(rule(LINK, on_pre="u = tau/ms"),)), "may be set 'u'", "rr"),
    (
        lambda: net(
            synapse("u : second", on_pre="g_post += u/tau"),
            rules=(rule(LINK, on_pre="u = tau/ms"),),
        ),
        "linked 'u'", "got 1; expected second",
    ),
    (
        lambda: net(
            synapse("u : 1", on_pre="g_post += u*tau/ms"),
            rules=(rule(on_pre="u = tau/ms; w = u"),),
        ),
        "the new name 'u' is a variable of another part", "u_own",
    ),
    (lambda: net(synapse("gg_post = w*tau/ms : 1 (summed)")), "'e' has no 'gg'", "mean 'g'?"),
    (lambda: net(synapse("g_post = w*tau : second (summed)")), "units of the sum", "expected 1"),
    (
        lambda: net(synapse("g_post = w*tau/ms : 1 (summed)"), replace(SINK, on_step="g = 1")),
        "on_step", "'g' is not for this code to change",
    ),
    (
        lambda: net(synapse("g_post = w*tau/ms : 1 (summed)"),
                    replace(SINK, equations="dg/dt = -g/ms : 1")),
        "'g_post' cannot be a sum", "declare 'g : 1'",
    ),
    (
        lambda: net(synapse(LEAK + "(event-driven)"),
                    rules=(rule("dy/dt = (x - y)/tau : 1 (clock-driven)"),)),
        "read 'x', which is event-driven", "(clock-driven)",
    ),
    (lambda: net(synapse(on_pre="g_post += tau/ms*foo_gate")), "no gate 'foo_gate'", "input_gate"),
    (lambda: net(processes=(process("w = w*zz"),)), "undefined name 'zz'", "pp: on_update"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "what", "fix"), SYNAPTIC)
def test_what_is_refused(make, what, fix):
    with pytest.raises(SpecError) as caught:
        make()
    message = str(caught.value)
    assert what in message and fix in message and "\n" not in message, message


def test_gpus_and_layers_refuse_what_they_cannot_do(everything):
    assert one_to_all(SynapseModel(name="none", on_pre="")).plan.features == ()
    assert one_to_all(TM).plan.features == ("variables of synapses",)
    words = {"code of synapses in every step", "sums over synapses in every step"}
    assert words <= set(everything.plan.features) <= CudaBackend.lacks
    layer = {"name": "p", "source": "a", "target": "b"}
    for part in (
        {"rules": (rule("c : 1", on_pre="c += tau/ms"),)},
        {"rules": (rule(on_pre="w = w + reward*tau/ms"),)},
        {"processes": (process("w = w*v_post"),)},
        {"processes": (process("w = w*u", equations=LINK),)},
    ):
        with pytest.raises(SpecError, match="expected"):
            DenseProjection(**layer, **part)

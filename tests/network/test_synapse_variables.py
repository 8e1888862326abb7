"""Variables of synapses against numbers known by hand, and against plain Brian2 objects.

Spikes are set by the stimulus: a slot of one step with 1000 Hz is a spike for sure.
"""

from dataclasses import replace

import brian2
import numpy as np
import pytest
from brian2 import ms
from conftest import EVERY_STEP, make_segment, needs_compiler

from brainsleep.backends.base import make_backend
from brainsleep.backends.brian.context import runtime
from brainsleep.models.inputs import POISSON
from brainsleep.network.models import NeuronModel, PlasticityRule, SynapseModel
from brainsleep.network.spec import InitialWeights, NetworkSpec, Population, Projection
from brainsleep.run.segment import Capacity
from brainsleep.run.state import initial_state

TARGETS = [
    "numpy",
    pytest.param("cpp", marks=[pytest.mark.standalone, needs_compiler]),
]
CYTHON = pytest.param("cython", marks=[pytest.mark.slow, needs_compiler])

#: What synapses add up in, without any dynamics.
SINK = NeuronModel(name="sink", equations="g : 1")


def one_to_all(synapse, target=SINK, *, n=1, n_post=1, rules=(), processes=(), w=1.0, **more):
    """A network of `n` inputs, each connected with all of `n_post` neurons."""
    return NetworkSpec(
        name="synapses",
        populations=(
            Population(name="input", size=n, model=POISSON),
            Population(name="e", size=n_post, model=target),
        ),
        projections=(
            Projection(
                name="pe",
                source="input",
                target="e",
                synapse=synapse,
                weights=InitialWeights(low=w),
                rules=rules,
                processes=processes,
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
    for first, last in zip(borders[:-1], borders[1:], strict=True):
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

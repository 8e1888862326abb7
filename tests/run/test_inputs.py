"""Several inputs, values over time, spike trains, signals: as in plain Brian2, however cut."""

from itertools import pairwise

import brian2
import numpy as np
import pytest
from brian2 import Hz, Mohm, ms, mV, nA, second, volt
from conftest import BACKENDS, QUICK, needs_compiler

from brainsleep.backends.base import make_backend
from brainsleep.errors import BackendError, ScheduleError
from brainsleep.experiment.inputs import Rates, SpikeTrains, Values
from brainsleep.experiment.protocol import Protocol
from brainsleep.experiment.record import Record
from brainsleep.experiment.saved_state import SavedState
from brainsleep.experiment.task import Material
from brainsleep.experiment.timeline import Timeline, asleep, awake, cycles
from brainsleep.models.inputs import POISSON, SPIKE_SOURCE
from brainsleep.models.lif import ADAPTIVE_LIF
from brainsleep.models.lif import CURRENT as CURRENT_SYNAPSE
from brainsleep.models.stdp import STDP_RELEASED
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
from brainsleep.run.segment import Capacity, Segment
from brainsleep.run.simulate import simulate
from brainsleep.run.state import initial_state

#: Spikes in every step of 0.1 ms.
ALWAYS = 1e4
NEURON = NeuronModel(
    name="driven",
    equations="""
    dv/dt = (r*i_ext*(1 + reward) - v)/tau_m : volt
    i_ext : amp
    """,
    threshold="v > v_threshold",
    reset="v = v_reset*reward",
    on_slot="i_ext = stimulus",
    parameters={"r": 10 * Mohm, "tau_m": 10 * ms, "v_threshold": 10 * mV, "v_reset": -2 * mV},
    stimulus_unit=nA,
    signals={"reward": 1},
)
PUSH = SynapseModel(
    name="push",
    on_pre="v_post += w*jump*(1 + reward)",
    parameters={"jump": 1 * mV},
    signals={"reward": 1},
)
RULE = PlasticityRule(
    name="rewarded",
    post_equations="dy/dt = -y/tau_y : 1",
    post_spike="y += 1 + reward",
    on_pre="w = clip(w + lr*reward*y_post, w_min, w_max)",
    parameters={"tau_y": 8 * ms, "lr": 0.1},
    signals={"reward": 1},
)
DECAY = WeightProcess(
    name="decay",
    on_update="w = w*exp(-interval*reward/tau_w)",
    period=1 * ms,
    parameters={"tau_w": 20 * ms},
    signals={"reward": 1},
)
PULL = SpontaneousActivity(
    name="pull",
    on_step="v = v*(1 - reward*dt/tau)",
    parameters={"tau": 30 * ms},
    signals={"reward": 1},
)


def projection(source, low, **more):
    parts = {"synapse": PUSH, "weights": InitialWeights(low=low), "w_max": 5.0}
    return Projection(name=f"{source}_e", source=source, target="e", **parts, **more)


NETWORK = NetworkSpec(
    name="given",
    populations=(
        Population(name="a", size=2, model=POISSON),
        Population(name="s", size=4, model=SPIKE_SOURCE),
        Population(name="e", size=3, model=NEURON, activities=(PULL,)),
    ),
    projections=(
        projection("a", 0.02),
        projection("s", 2.0, rules=(RULE,), processes=(DECAY,)),
    ),
    signals={"reward": 0.125},
    dt=0.1 * ms,
)
RANDOM = np.random.default_rng(3)
CURRENT = RANDOM.uniform(0, 2, (200, 3))
FIRST = RANDOM.permutation(4 * 200)[:60]  # neuron and step of spikes, none twice
LATER = RANDOM.permutation(4 * 50)[:20]
TIMELINE = Timeline(
    periods=(
        awake(
            20 * ms,
            inputs={
                "a": np.array([0, ALWAYS]) * Hz,
                "s": SpikeTrains(FIRST // 200, FIRST % 200 * 0.1 * ms),
                "e": Values(CURRENT * nA, every=0.1 * ms),
            },
            signals={"reward": Values([0, 0.5, 1, 0.25], every=5 * ms)},
        ),
        cycles(
            asleep(5 * ms, decay=1, inputs={"e": 1.5 * nA}, signals={"reward": 0.5}),
            awake(
                5 * ms,
                pull=1,
                inputs={
                    "s": SpikeTrains(LATER // 50, LATER % 50 * 0.1 * ms),
                    "e": np.array([0.5, 1, 1.5]) * nA,
                },
            ),
            times=4,
        ),
    )
)
PROTOCOL = Protocol(name="given", network=NETWORK, schedule=TIMELINE, record=Record(raster=(0, 9)))
STEPS = 600


def whole(protocol):
    """A run as one segment."""
    course = protocol.course(0, Material())
    n = len(course.table)
    raster = {"raster": np.ones(n, bool)}
    return Segment.of(
        course.table, slice(0, n), course.stimulus(0, n), **raster, **course.given(0, n)
    )


MADE = {}


def backend(name, network=NETWORK):
    if (name, network.name) not in MADE:
        capacity = Capacity(slots=256, steps=1000)
        MADE[name, network.name] = make_backend(name, network, capacity=capacity)
    return MADE[name, network.name]


def spikes_of(recording, name):
    return np.column_stack(recording.spikes[name])


def plain_brian2():
    """The same by hand, what changes as a TimedArray: spikes and v of `e`, weights at the end."""
    brian2.start_scope()
    brian2.prefs.codegen.target = "numpy"
    clock, dt = brian2.Clock(0.1 * ms), 0.1 * ms
    asleep = np.r_[np.zeros(200), np.tile(np.repeat([1, 0], 50), 4)]
    pulled = np.r_[np.zeros(200), np.tile(np.repeat([0, 1], 50), 4)]
    reward = np.repeat([0, 0.5, 1, 0.25], 50)
    reward = np.r_[reward, np.tile(np.repeat([0.5, 0.125], 50), 4)]
    current = np.vstack(
        [CURRENT, np.tile(np.repeat([[1.5] * 3, [0.5, 1, 1.5]], 50, axis=0), (4, 1))]
    )
    space = {
        "sleep_at": brian2.TimedArray(asleep, dt=dt, name="sleep_at"),
        "pull_at": brian2.TimedArray(pulled, dt=dt, name="pull_at"),
        "reward_at": brian2.TimedArray(reward, dt=dt, name="reward_at"),
        "current_at": brian2.TimedArray(current * nA, dt=dt, name="current_at"),
        "tau_m": 10 * ms,
        "tau_y": 8 * ms,
        "tau_w": 20 * ms,
        "interval": 1 * ms,
    }
    target = brian2.NeuronGroup(
        3, """dv/dt = (10*Mohm*current_at(t, i)*(1 + reward_at(t)) - v)/tau_m : volt
        y : 1""",
        threshold="v > 10*mV", reset="v = -2*mV*reward_at(t); y += 1 + reward_at(t)",
        method="euler", clock=clock, namespace=space,
    )  # fmt: skip
    target.run_regularly("v = v*(1 - pull_at(t)*reward_at(t)*dt/(30*ms))", when="groups", order=1)
    target.run_regularly("y = y*exp(-dt/tau_y)", when="groups", order=2)
    later = [200 + 100 * k + 50 + LATER % 50 for k in range(4)]
    neurons = np.r_[FIRST // 200, np.tile(LATER // 50, 4)]
    source = brian2.SpikeGeneratorGroup(
        4, neurons, np.r_[FIRST % 200, np.concatenate(later)] * dt, clock=clock
    )
    always = brian2.SpikeGeneratorGroup(2, np.ones(200, int), np.arange(200) * dt, clock=clock)
    push = "v_post += w*mV*(1 + reward_at(t))"
    learn = "w = clip(w + 0.1*reward_at(t)*y_post, 0, 5)"
    both = {"clock": clock, "namespace": space}
    plastic = brian2.Synapses(source, target, "w : 1", on_pre=f"{push}\n{learn}", **both)
    fixed = brian2.Synapses(always, target, "w : 1", on_pre=push, **both)
    plastic.connect()
    fixed.connect()
    plastic.w, fixed.w = 2, 0.02
    plastic.run_regularly(
        "w = w*exp(-interval*sleep_at(t)*reward_at(t)/tau_w)", dt=1 * ms, when="start"
    )
    monitor = brian2.SpikeMonitor(target)
    brian2.Network(target, source, always, plastic, fixed, monitor).run(STEPS * dt)
    steps = np.rint(np.asarray(monitor.t / dt)).astype(int)
    order = np.lexsort((plastic.j, plastic.i))
    spikes = np.column_stack([steps, np.asarray(monitor.i)])
    return spikes, np.asarray(target.v / volt), np.asarray(plastic.w)[order]


@pytest.fixture(scope="module")
def plain():
    return plain_brian2()


@pytest.mark.parametrize("name", BACKENDS)
def test_same_as_plain_brian2(name, plain):
    start = initial_state(NETWORK, 0)
    end, recording = backend(name).advance(start, whole(PROTOCOL), 1)
    spikes, v, w = plain
    assert len(spikes) > 20 and np.ptp(w) > 0.1
    np.testing.assert_array_equal(spikes_of(recording, "e"), spikes)
    np.testing.assert_allclose(end.arrays["e.v"], v, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(end.weights("s_e"), w, rtol=1e-9)
    told = np.column_stack([FIRST % 200, FIRST // 200])
    told = told[np.lexsort(told.T[::-1])]
    np.testing.assert_array_equal(spikes_of(recording, "s")[:60], told)
    assert recording.counts["s"].sum() == 60 + 4 * 20
    assert recording.counts["a"].sum(axis=0).tolist() == [0, 200]


@pytest.mark.parametrize("name", BACKENDS)
def test_however_a_run_is_cut(name):
    segment, made = whole(PROTOCOL), backend(name)
    start = initial_state(NETWORK, 0)
    end, recording = made.advance(start, segment, 1)
    for pieces in (2, 7):
        borders = np.linspace(0, len(segment), pieces + 1).astype(int)
        state, parts = start, []
        for first, last in pairwise(borders):
            part = segment.part(first, last)
            state, each = made.advance(state, part, first)
            parts.append(spikes_of(each, "e") + np.array([part.start, 0]))
        np.testing.assert_array_equal(np.vstack(parts), spikes_of(recording, "e"))
        assert state.arrays.keys() == end.arrays.keys()
        for key, value in end.arrays.items():
            assert value.tobytes() == state.arrays[key].tobytes(), key


def test_a_run_is_that_of_its_segments(tmp_path):
    result = simulate(PROTOCOL, seed=0, backend=QUICK, out=tmp_path)
    end, recording = backend(QUICK).advance(initial_state(NETWORK, 0), whole(PROTOCOL), 1)
    counts = recording.counts
    np.testing.assert_array_equal(result.arrays["counts/e"], counts["e"])
    assert "counts/s" not in result.arrays and "counts/a" not in result.arrays
    np.testing.assert_array_equal(result.arrays["totals/s"], counts["s"].sum(axis=1))
    np.testing.assert_array_equal(result.arrays["snapshots/trained/s_e"], end.weights("s_e"))


ALONE = NetworkSpec(
    name="alone",
    populations=(
        Population(
            name="e",
            size=2,
            model=NeuronModel(
                name="pacemaker",
                equations="dv/dt = 1/(5*ms) : 1",
                threshold="v >= 0.999",
                reset="v = 0",
            ),
        ),
    ),
)


@pytest.mark.parametrize("name", BACKENDS)
def test_a_network_without_any_input(name, tmp_path):
    protocol = Protocol(name="alone", network=ALONE, schedule=Timeline(periods=(awake(25 * ms),)))
    assert ALONE.input == "" and not ALONE.inputs
    result = simulate(protocol, backend=name, out=tmp_path)
    assert result.arrays["counts/e"].tolist() == [[5, 5]]


def test_what_is_not_said_is_nothing():
    segment = whole(PROTOCOL)
    bare = Segment(
        **{
            k: getattr(segment, k)
            for k in ("steps", "stimulus", "gates", "onset", "phase", "raster")
        }
    )
    _, recording = backend("numpy").advance(initial_state(NETWORK, 0), bare, 1)
    assert all(counts.sum() == 0 for counts in recording.counts.values())


@pytest.mark.parametrize(
    ("given", "error", "parts"),
    [
        ({"inputs": {"b": np.zeros((208, 2))}}, BackendError, ("no 'b'", "one of: a, e")),
        ({"inputs": {"a": np.zeros((208, 3))}}, BackendError, ("input a", "(n_slots, 2)")),
        ({"inputs": {"a": np.zeros((3, 2))}}, ScheduleError, ("input a", "208 rows")),
        ({"signals": {"rewards": np.zeros(208)}}, BackendError, ("did you mean 'reward'?",)),
        ({"trains": {"e": ([], [])}}, BackendError, ("trains", "no 'e'", "one of: s")),
        ({"trains": {"s": ([1, 0], [0, 0])}}, ScheduleError, ("steps in order",)),
        ({"trains": {"s": ([1, 1], [2, 2])}}, ScheduleError, ("none twice",)),
        ({"trains": {"s": ([600], [0])}}, ScheduleError, ("0 to 599",)),
        ({"trains": {"s": ([1], [4])}}, BackendError, ("neurons 0 to 3",)),
    ],
)
def test_segments_that_do_not_fit(given, error, parts):
    course = PROTOCOL.course(0, Material())
    if "trains" in given:
        given = {"trains": {k: tuple(map(np.array, v)) for k, v in given["trains"].items()}}
        given = {
            k: {n: (s.astype(int), i.astype(int)) for n, (s, i) in v.items()}
            for k, v in given.items()
        }
    with pytest.raises(error) as caught:
        segment = Segment.of(course.table, slice(0, 208), np.zeros((208, 0)), **given)
        backend("numpy").advance(initial_state(NETWORK, 0), segment, 1)
    assert all(part in str(caught.value) for part in parts), str(caught.value)


def test_a_rate_in_every_step_of_a_longer_run(tmp_path):
    rates = Rates(np.tile([0, 1000], 500)[:, None] * np.ones(2) * Hz, every=1 * ms)
    network = NetworkSpec(name="a", populations=(Population(name="input", size=2, model=POISSON),))
    timeline = Timeline(periods=(awake(1 * second, inputs={"input": rates}),))
    protocol = Protocol(name="steps", network=network, schedule=timeline)
    assert protocol.course(0, Material()).room == 512  # few segments, whatever a slot is
    result = simulate(protocol, backend="numpy", out=tmp_path)
    assert result.arrays["totals/input"].tolist() == [0, 2] * 500


@needs_compiler
@pytest.mark.standalone
def test_rules_see_the_spikes_of_neurons_that_are_told():
    spikes = RANDOM.permutation(6 * 200)[:400]
    learning = Projection(
        name="s_e",
        source="s",
        target="e",
        synapse=CURRENT_SYNAPSE,
        weights=InitialWeights(low=1.0),
        w_max=10.0,
        rules=(STDP_RELEASED.with_parameters(lr=0.05),),
    )
    network = NetworkSpec(
        name="learning",
        populations=(
            Population(name="s", size=6, model=SPIKE_SOURCE),
            Population(name="e", size=3, model=ADAPTIVE_LIF),
        ),
        projections=(learning,),
    )
    told = SpikeTrains(spikes // 200, spikes % 200 * ms)
    timeline = Timeline(periods=(awake(200 * ms, inputs={"s": told}),), slot=20 * ms)
    segment = whole(Protocol(name="learning", network=network, schedule=timeline))
    start = initial_state(network, 0)
    one, other = (backend(name, network).advance(start, segment, 1) for name in ("numpy", "cpp"))
    assert one[1].counts["e"].sum() > 10 and one[0].weights("s_e").std() > 0.1
    np.testing.assert_array_equal(one[1].counts["e"], other[1].counts["e"])
    for key, value in one[0].arrays.items():
        np.testing.assert_allclose(other[0].arrays[key], value, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("backend", ["numpy", QUICK])
def test_a_stimulus_without_unit_to_neurons_that_never_spike(backend, tmp_path):
    model = NeuronModel(
        name="filter",
        equations="dx/dt = (u - x)/tau : 1\nu : 1",
        on_slot="u = stimulus",
        parameters={"tau": 10 * ms},
        stimulus_unit=1,
        method="exact",
    )
    network = NetworkSpec(
        name="filters", populations=(Population(name="a", size=2, model=model),), input="a"
    )
    frames = Values([[1, 2], [0, -4]], every=20 * ms)
    periods = (awake(40 * ms, inputs={"a": frames}), asleep(10 * ms, inputs={"a": 5}))
    protocol = Protocol(name="p", network=network, schedule=Timeline(periods=periods))
    result = simulate(protocol, seed=1, backend=backend, out=tmp_path)
    x = np.zeros(2)
    for u, time in ((np.array([1, 2]), 20), (np.array([0, -4]), 20), (5, 10)):
        x = u + (x - u) * np.exp(-time / 10)
    state = SavedState(result=str(result.path)).before()
    np.testing.assert_allclose(state.arrays["a.x"], x, rtol=1e-12)

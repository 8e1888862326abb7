"""Replicas of a network in one Brian2 network: each as it is when it runs by itself."""

import dataclasses
import re

import numpy as np
import pytest
from brian2 import Hz, ms, mV
from brian2.codegen.runtime.cython_rt.extension_manager import cython_extension_manager
from brian2.codegen.runtime.numpy_rt.numpy_rt import LazyArange
from conftest import EVERY_STEP, SMALL_CAPACITY, lone_neurons, make_segment, needs_compiler
from conftest import spike_pairs as pairs_of_inputs
from Cython.Compiler.Errors import CompileError
from test_parity import REFRACTORY, assert_same, wake_sleep_wake, zoo  # noqa: F401

from brainsleep.backend import make_backend
from brainsleep.context import preferences
from brainsleep.errors import BackendError, SimulationError
from brainsleep.models.homeostasis import PRUNING, SCALING
from brainsleep.models.inputs import POISSON
from brainsleep.models.massey2026 import PAPER
from brainsleep.models.sleep import DECAY_GROUP, DECAY_NEURON, MEMBRANE_NOISE, SPONTANEOUS_SPIKES
from brainsleep.models.sleep_stages import SLOW_OSCILLATION
from brainsleep.models.stdp import STDP_NEAREST
from brainsleep.replicas.code import power, shared_power
from brainsleep.replicas.draws import Draws, Generators
from brainsleep.segment import Capacity
from brainsleep.spec import (
    Connectivity,
    InitialWeights,
    NetworkSpec,
    NeuronModel,
    PlasticityRule,
    Population,
    Projection,
    SynapseModel,
    WeightProcess,
)
from brainsleep.state import initial_state, stream


def assert_identical(batch, alone):
    """Assert that replicas are, to the last bit, what they are by themselves."""
    assert len(batch) == len(alone)
    for one, other in zip(batch, alone, strict=True):
        assert_same(one, other, rtol=0)
        for name, value in other[0].arrays.items():
            assert one[0].arrays[name].tobytes() == value.tobytes(), name
        assert one[0].parameters == other[0].parameters
        assert one[0].synapses is other[0].synapses
        for name, counts in other[1].counts.items():
            assert one[1].counts[name].dtype == counts.dtype
            dtypes = [array.dtype for array in other[1].spikes[name]]
            assert [array.dtype for array in one[1].spikes[name]] == dtypes


def both(backend, states, segments):
    """Run replicas in one batch and one by one."""
    seeds = range(len(states))
    alone = [backend.advance(*one) for one in zip(states, segments, seeds, strict=True)]
    return backend.advance_batch(states, segments, seeds), alone


def changed(state, **factors):
    """The state with all parameters whose name ends in a key times its value."""
    values = {
        name: value * next((f for end, f in factors.items() if name.endswith(end)), 1.0)
        for name, value in state.parameters.items()
    }
    return dataclasses.replace(state, parameters=values)


def varied(spec):
    """Three replicas that draw no numbers and have little in common."""
    whole = wake_sleep_wake(spec, EVERY_STEP, noise=0.0)
    moved = dataclasses.replace(
        whole,
        stimulus=np.roll(whole.stimulus, 3, axis=1),
        steps=whole.steps + (np.arange(60) % 4 == 0),
        raster=~whole.raster,
        gates=whole.gates | {"plasticity": np.where(np.arange(60) % 5, 1.0, 0.3)},
    )
    factors = {"lr": 1.5, "tau_m": 0.93, "tau_w": 1.1, "charge": 1.2, "w_max": 0.9, "a_spike": 1.3}
    states = [initial_state(spec, seed) for seed in (7, 8, 9)]
    states[1] = changed(states[1], **factors)
    states[2] = changed(states[2], tau_syn=1.07, tau_plus=0.8)
    return states, [whole.part(0, 47), moved, whole.part(3, 60)]


def test_replicas_are_what_they_are_alone(small_backends, small_network):
    states, segments = varied(small_network)
    assert len({len(state.weights("ee")) for state in states}) == 3
    assert len({int(segment.starts[-1]) for segment in segments}) == 3
    backend = small_backends("numpy")
    batch, alone = both(backend, states, segments)
    assert_identical(batch, alone)
    for (after, recording), before in zip(batch, states, strict=True):
        assert all(counts.sum() > 50 for counts in recording.counts.values())
        assert all(len(neurons) > 20 for _, neurons in recording.spikes.values())
        assert np.any(after.weights("ei") != before.weights("ei"))


@pytest.mark.slow
@needs_compiler
def test_replicas_are_what_they_are_alone_in_cython(small_backends, small_network):
    batch, alone = both(small_backends("cython"), *varied(small_network))
    for one, other in zip(batch, alone, strict=True):  # -ffast-math: rounding differs
        assert_same(one, other, rtol=1e-9)


def test_a_second_batch_knows_nothing_of_the_first(small_backends, small_network):
    states, segments = varied(small_network)
    backend = small_backends("numpy")
    first = backend.advance_batch(states, segments, [0, 0, 0])
    network = backend._together.network
    # the same connectivity and the same parameters differing, everything else as it comes
    later = [changed(after, lr=0.7, tau_a=0.5) for after, _ in first]
    other = [segments[2].part(0, 20), segments[0], segments[1].part(5, 50)]
    assert_identical(*both(backend, later, other))
    assert backend._together.network is network
    assert_identical(backend.advance_batch(states, segments, [0, 0, 0]), first)
    assert backend._together.network is network


def test_states_are_left_as_they_were(small_backends, small_network):
    states, segments = varied(small_network)
    copies = [{k: v.copy() for k, v in state.arrays.items()} for state in states]
    small_backends("numpy").advance_batch(states, segments, [0, 0, 0])
    for state, copy in zip(states, copies, strict=True):
        for name, value in copy.items():
            np.testing.assert_array_equal(state.arrays[name], value)


def test_one_replica_or_none(small_backends, small_network):
    backend = small_backends("numpy")
    states, segments = varied(small_network)
    assert_identical(*both(backend, states[:1], segments[:1]))
    assert backend.advance_batch([], [], []) == []


def test_replicas_in_single_precision(small_network):
    spec = dataclasses.replace(small_network, precision="float32")
    backend = make_backend("numpy", spec, capacity=SMALL_CAPACITY)
    batch, alone = both(backend, *varied(spec))
    assert_identical(batch, alone)
    weights = batch[1][0].weights("ee")
    assert np.array_equal(weights, weights.astype(np.float32))


def test_every_shipped_kind_of_part_in_replicas(zoo):  # noqa: F811
    states = [initial_state(zoo, seed) for seed in (3, 4, 5)]
    states[1] = changed(states[1], tau_m=0.9, mu=2.5, lr=1.1, tau_scaling=2, w_star=0.8, c_m=1.05)
    states[2] = changed(states[2], v_peak=0.95, theta_spike=2, tau_w=0.5, w_floor=0.9, tau_x=1.1)
    segments = []
    for r in range(3):
        steps = np.tile([9 + r, 21 - r], 60 - 7 * r)
        spikes = stream(r, "zoo").random((len(steps), 20)) < 0.2
        stimulus = spikes * (np.arange(len(steps)) % 2 == 0)[:, None] * 10 * EVERY_STEP
        gates = {"plasticity": 1, **{name: int(k != r) for k, name in enumerate(zoo.process_names)}}
        segments.append(make_segment(zoo, stimulus, steps, raster=True, **gates))
    backend = make_backend("numpy", zoo, capacity=Capacity(slots=128, steps=4096))
    batch, alone = both(backend, states, segments)
    assert_identical(batch, alone)
    for population in zoo.populations:
        assert all(r.counts[population.name].sum() > 10 for _, r in batch), population.name


def test_weight_processes_with_sums_and_totals_run_when_their_replica_is_due():
    rule = STDP_NEAREST.with_parameters(lr=0.05)
    brief = dataclasses.replace(SCALING, period=7 * ms)
    stepped = WeightProcess(  # a total that is looked at in every update
        name="stepped",
        sums={"w_sum": "w"},
        on_update="w = clip(w*(1 + eps*(1 - w_sum_total/w_goal)), w_min, w_max)",
        period=11 * ms,
        parameters={"eps": 0.1, "w_goal": 90.0},
    )
    for processes in ((DECAY_GROUP, stepped), (DECAY_NEURON, brief, PRUNING)):
        spec = pairs_of_inputs(rule, 12, processes=processes)
        states = [initial_state(spec, seed) for seed in range(3)]
        states = [s.updated(pairs__w=stream(7, k).random(132)) for k, s in enumerate(states)]
        states[2] = changed(states[2], tau_w=0.01, w_goal=1.2, eps=1.5, tau_scaling=2)
        segments = []
        for r in range(3):
            pattern = stream(r, "sums").random((30, 12)) < 0.3
            segment = make_segment(spec, pattern * EVERY_STEP, np.arange(30) % 5 + 5 + r)
            opened = {
                name: ((np.arange(30) + 5 * r + k) % 10 < 4).astype(float)
                for k, name in enumerate(spec.process_names)
            }
            onset = np.any([np.diff(gate, prepend=0) > 0 for gate in opened.values()], axis=0)
            gates = segment.gates | opened | {"plasticity": np.ones(30)}
            segments.append(dataclasses.replace(segment, gates=gates, onset=onset))
        backend = make_backend("numpy", spec, capacity=Capacity(slots=32, steps=512))
        batch, alone = both(backend, states, segments)
        assert_identical(batch, alone)
        for (after, _), before in zip(batch, states, strict=True):
            assert np.any(after.weights("pairs") != before.weights("pairs"))


def test_activities_go_on_only_where_their_gate_is_open():
    """In neurons of which some are refractory, where v is held."""
    quiet = SLOW_OSCILLATION.with_parameters(sd=0 * mV, f_slow=17 * Hz)
    beat = SPONTANEOUS_SPIKES.with_parameters(rho=EVERY_STEP * Hz)
    driven = REFRACTORY.with_parameters(tau_m=2 * ms, tau_syn=1e9 * ms, v_reset=-60 * mV)
    spec = NetworkSpec(
        name="active",
        populations=(
            Population(name="input", size=4, model=POISSON, activities=(beat,)),
            Population(name="e", size=3, model=driven, activities=(quiet,)),
        ),
    )
    states = [initial_state(spec, k).updated(e__i_syn=np.array([0, 2, 3 + k])) for k in range(3)]
    states[1] = changed(states[1], f_slow=1.3, tau_down=2)
    segments = []
    for r in range(3):
        segment = make_segment(spec, np.zeros((12, 4)), np.full(12, 9 + r))
        gates = {name: (np.arange(12) + k + r) % (r + 2) < 1 for k, name in enumerate(spec.gates)}
        gates = {name: gate * 0.75 for name, gate in gates.items()}
        gates["spontaneous"] = np.ceil(gates["spontaneous"])  # a rate of 1 or 0 a step
        segments.append(dataclasses.replace(segment, gates=gates))
    batch, alone = both(make_backend("numpy", spec), states, segments)
    assert_identical(batch, alone)
    assert len({float(after.arrays["e.slow_phase"][0]) for after, _ in batch}) == 3
    assert all(counts.sum() for _, r in batch for counts in r.counts.values())


def test_closed_gates_keep_weights_to_the_bit_beside_open_ones(small_backends, small_network):
    stimulus, steps = np.full((20, 30), 200.0), np.full(20, 40)
    closed = make_segment(small_network, stimulus, steps, kind="test")
    opened = make_segment(small_network, stimulus, steps, plasticity=1, decay=1, noise=1)
    states = [initial_state(small_network, seed) for seed in (7, 8, 9)]
    segments = [closed, opened, closed]
    batch = small_backends("numpy").advance_batch(states, segments, [1, 2, 3])
    for (after, recording), before, segment in zip(batch, states, segments, strict=True):
        assert recording.counts["e"].sum() > 100
        for p in small_network.projections:
            same = after.weights(p.name).tobytes() == before.weights(p.name).tobytes()
            assert same == (segment is closed), p.name


def test_refractory_periods_of_replicas_carry_over_the_border_of_segments():
    model = REFRACTORY.with_parameters(tau_m=2 * ms, tau_syn=1e9 * ms, v_reset=-60 * mV)
    spec = lone_neurons(model, n=2)
    backend = make_backend("numpy", spec)
    starts = [
        initial_state(spec, 0).updated(e__i_syn=np.array(drive))
        for drive in ([3.0, 0.0], [2.5, 4.0], [0.0, 5.0])
    ]
    starts[2] = changed(starts[2], t_ref=2)
    whole = make_segment(spec, np.zeros((2, 1)), [23, 37], raster=True)
    first = [whole.part(0, 1), make_segment(spec, np.zeros((1, 1)), [31], raster=True), whole]
    batch, alone = both(backend, starts, first)
    assert_identical(batch, alone)
    middle = [state for state, _ in batch]
    batch, alone = both(backend, middle, [whole, whole.part(1, 2), whole])
    assert_identical(batch, alone)
    assert all(recording.counts["e"].sum() >= 3 for _, recording in batch)


NUMBERED = NeuronModel(
    name="numbered",
    equations="""
    drive = plasticity_gate*gain*(1 + slope)**power*v_unit : volt (shared)
    dv/dt = (drive + i*v_step - v)/tau_m : volt  # the higher the number, the sooner
    """,
    threshold="v > v_threshold + 0*mV*i",
    reset="v = v_reset - i*v_step/10",
    on_slot="v = v + plasticity_gate*slope*v_unit*i/3",
    parameters={
        "gain": 7.3,
        "slope": 0.31,
        "power": 2.0,
        "v_unit": 1 * mV,
        "v_step": 0.7 * mV,
        "tau_m": 9 * ms,
        "v_threshold": 11 * mV,
        "v_reset": 0 * mV,
    },
)


@pytest.mark.parametrize(
    "on_pre",
    [
        "v_post += w*v_jump*(1 + i)/3",
        "v_post = clip(v_post + w*v_jump*(1 + share)**power_post, 0*mV, 30*share*mV)",  # in a loop
    ],
)
def test_indices_and_shared_expressions_are_those_of_a_single_network(on_pre):
    parameters = {"v_jump": 1 * mV, "share": 0.8}
    parameters = {name: value for name, value in parameters.items() if name in on_pre}
    jump = SynapseModel(name="jump", on_pre=on_pre, parameters=parameters)
    spec = NetworkSpec(
        name="indexed",
        populations=(
            Population(name="input", size=3, model=POISSON),
            Population(name="e", size=5, model=NUMBERED),
        ),
        projections=(
            Projection(
                name="input_e",
                source="input",
                target="e",
                synapse=jump,
                weights=InitialWeights(low=0.1, high=1.0),
            ),
        ),
    )
    states = [initial_state(spec, seed) for seed in range(3)]
    states[1] = changed(states[1], slope=1.7, power=1.5, v_jump=2, share=1.1)
    states[2] = changed(states[2], power=0.25)
    pattern = stream(0, "pattern").random((25, 3)) < 0.2
    segments = [
        make_segment(spec, np.roll(pattern, r, axis=0) * EVERY_STEP, np.full(25, 6), plasticity=g)
        for r, g in enumerate((1, 0.9, 0.8))
    ]
    batch, alone = both(make_backend("numpy", spec), states, segments)
    assert_identical(batch, alone)
    assert len({recording.counts["e"].sum() for _, recording in batch}) == 3


def test_powers_of_shared_numbers_round_as_in_a_single_network():
    base, sizes = stream(0, "base").random(3000), [1000, 700, 1300]
    exponents = np.array([2.0, 0.5, 1.7])
    starts = np.cumsum([0, *sizes])
    expected = [base[starts[k] : starts[k + 1]] ** exponents[k] for k in range(3)]
    assert np.array_equal(power(base, np.repeat(exponents, sizes)), np.concatenate(expected))
    alone = np.repeat([b**e for b, e in zip(base[:3], exponents, strict=True)], sizes)
    ours = shared_power(np.repeat(base[:3], sizes), np.repeat(exponents, sizes))
    assert np.array_equal(ours, alone)
    assert power(base[:0], exponents[:0]).shape == shared_power(base[:0], 2).shape == (0,)
    assert power(3.0, 2.0) == shared_power(3.0, 2.0) == 9.0


# -- random numbers ----------------------------------------------------------------------------


def drawing(spec):
    """Three replicas of the small network that draw all it draws, and have little in common."""
    whole = wake_sleep_wake(spec, 300.0, noise=1.0)
    steps = whole.steps + (np.arange(60) % 4 == 0)
    gates = {"noise": np.where(np.arange(60) % 7, whole.gates["noise"], 0.4)}
    moved = dataclasses.replace(whole, steps=steps, gates=whole.gates | gates)
    states = [initial_state(spec, seed) for seed in (7, 8, 8)]
    states[1] = changed(states[1], lr=1.5, tau_m=0.93, charge=1.2)
    for r, sigma in ((0, 0.3), (2, 0.1)):
        wide = {name: sigma for name in states[r].parameters if name.endswith("sigma")}
        assert wide
        states[r] = dataclasses.replace(states[r], parameters=states[r].parameters | wide)
    return states, [whole.part(0, 47), moved, whole.part(3, 60)], [5, 2**40 + 6, 5]


def assert_each_draws_its_own(
    backend, states, segments, seeds, rtol=None, companies=([0, 1, 2], [2, 0], [1, 0, 0, 2, 1])
):
    """Assert that replicas are what they are alone, in one company and in another order."""
    jobs = list(zip(states, segments, seeds, strict=True))
    alone = [backend.advance(*job) for job in jobs]
    for chosen in companies:
        batch = backend.advance_batch(*zip(*(jobs[k] for k in chosen), strict=True))
        if rtol is None:
            assert_identical(batch, [alone[k] for k in chosen])
        else:
            for one, k in zip(batch, chosen, strict=True):
                assert_same(one, alone[k], rtol=rtol)
    other = backend.advance(states[0], segments[0], seeds[0] + 1)
    assert any(np.any(v != other[0].arrays[k]) for k, v in alone[0][0].arrays.items())
    return alone


def test_each_replica_draws_what_it_draws_alone(small_backends, small_network):
    alone = assert_each_draws_its_own(small_backends("numpy"), *drawing(small_network))
    assert all(r.counts[name].sum() > 50 for _, r in alone for name in ("input", "e", "i"))


def test_a_second_batch_begins_its_random_numbers_anew(small_backends, small_network):
    states, segments, seeds = drawing(small_network)
    backend = small_backends("numpy")
    first = backend.advance_batch(states, segments, seeds)
    assert_identical(backend.advance_batch(states, segments, seeds), first)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    backend.advance_batch(states, segments, [1, 2, 3])
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.slow
@needs_compiler
def test_each_replica_draws_what_it_draws_alone_in_cython(small_backends, small_network):
    replicas = drawing(small_network)
    backend = small_backends("cython")
    assert_each_draws_its_own(backend, *replicas, rtol=1e-9, companies=([2, 0, 1],))


RESTLESS = NeuronModel(  # draws wherever a neuron has code
    name="restless",
    equations="""
    dv/dt = (v_rest - v)/tau_m + sd*xi/tau_m**0.5 : volt (unless refractory)
    level : 1
    """,
    method="euler",
    threshold="v > v_threshold + sd*randn()",
    reset="v = v_reset + sd*randn()",
    refractory="2*ms + rand()*2*ms",
    on_slot="level = poisson(mean)\nlevel += poisson(20*mean)",
    on_step="kick = rand()\nv += (0.1*level + kick)*mV",
    parameters={
        "v_rest": 0 * mV,
        "sd": 1 * mV,
        "tau_m": 10 * ms,
        "v_threshold": 4 * mV,
        "v_reset": 0 * mV,
        "mean": 0.7,
    },
)

JITTER = WeightProcess(
    name="jitter",
    equations="seen : 1",
    sums={"w_sum": "w"},
    on_onset="w = clip(w + 0.1*randn(), w_min, w_max)",
    on_update="""
    seen = w_sum_post + w_sum_total
    w = clip(w*(1 + size*(rand() - 0.5)), w_min, w_max)
    """,
    period=11 * ms,
    parameters={"size": 0.2},
)

TRIAL = PlasticityRule(
    name="trial",
    on_pre="w = clip(w + lr*(rand() - 0.5), w_min, w_max)",
    on_post="w = clip(w + lr*randn(), w_min, w_max)",
    parameters={"lr": 0.05},
)


def restless(on_pre="v_post += w*mV*rand()", more="", sums="w", p=0.7):
    """A network that draws in every kind of code, with replicas of it."""
    quiet = SLOW_OSCILLATION.with_parameters(f_slow=17 * Hz)
    model = dataclasses.replace(RESTLESS, equations=f"{RESTLESS.equations}\n{more}")
    process = dataclasses.replace(JITTER, sums={"w_sum": sums})
    spec = NetworkSpec(
        name="restless",
        populations=(
            Population(name="input", size=7, model=POISSON, activities=(SPONTANEOUS_SPIKES,)),
            Population(name="e", size=5, model=model, activities=(quiet, MEMBRANE_NOISE)),
        ),
        projections=(
            Projection(
                name="input_e",
                source="input",
                target="e",
                synapse=SynapseModel(name="unreliable", on_pre=on_pre),
                connectivity=Connectivity(p=p),
                weights=InitialWeights(low=0.1, high=1.0),
                rules=(TRIAL,),
                processes=(process,),
            ),
        ),
    )
    states = [initial_state(spec, seed) for seed in range(3)]
    states[1] = changed(states[1], sd=1.3, mean=2, lr=1.5, f_slow=1.2, size=0.5)
    states[2] = changed(states[2], tau_m=0.8, rho=40)
    segments = []
    for r in range(3):
        stimulus = stream(r, "restless").random((20 + r, 7)) * 400
        segment = make_segment(spec, stimulus, np.full(20 + r, 9 + r), raster=True)
        slots = np.arange(20 + r)
        gates = {name: (slots + 2 * k + r) % 5 < 2 for k, name in enumerate(spec.gates)}
        gates = {name: gate.astype(float) for name, gate in gates.items()} | {
            "input": np.ones(20 + r),
            "plasticity": np.where((slots + r) % 3, 1.0, 0.0),
        }
        segments.append(dataclasses.replace(segment, gates=gates, onset=(slots + r) % 4 == 0))
    return spec, states, segments, [11, 12, 13]


@pytest.mark.parametrize(
    "on_pre",
    ["v_post += w*mV*rand()", "v_post = clip(v_post + w*mV*rand(), 0*mV, 30*mV)"],  # in a loop
)
def test_draws_in_every_kind_of_code(on_pre):
    spec, *replicas = restless(on_pre)
    backend = make_backend("numpy", spec)
    alone = assert_each_draws_its_own(backend, *replicas)
    assert backend._together.possible
    assert all(recording.counts["e"].sum() > 20 for _, recording in alone)


@pytest.mark.slow
@needs_compiler
def test_draws_in_every_kind_of_code_in_cython():
    spec, *replicas = restless(p=1.0)
    backend = make_backend("cython", spec)
    assert_each_draws_its_own(backend, *replicas, rtol=1e-9, companies=([2, 0, 1],))
    assert backend._together.possible


@pytest.mark.parametrize(
    "code",
    [{"more": "common = rand() : 1 (shared, constant over dt)"}, {"sums": "w*(1 + 0.1*rand())"}],
    ids=["shared", "sum"],
)
@pytest.mark.parametrize(
    "name", ["numpy", pytest.param("cython", marks=[pytest.mark.slow, needs_compiler])]
)
def test_replicas_that_cannot_draw_together_run_one_after_the_other(name, code):
    spec, *replicas = restless(**code)
    backend = make_backend(name, spec)
    assert_each_draws_its_own(backend, *replicas)
    assert not backend._together.possible


def test_numbers_for_elements_in_any_order():
    generators, seeds = Generators(3), [4, 5, 4]
    generators.seed(seeds)
    draws = Draws(generators, np.array([0, 4, 6, 11]))
    rand, randn, poisson = (draws.function(name) for name in ("rand", "randn", "poisson"))
    alone = [np.random.RandomState(seed) for seed in seeds]
    everything, few = LazyArange(11), np.array([7, 1, 10, 0, 6])
    expected = np.concatenate([g.rand(n) for g, n in zip(alone, (4, 2, 5), strict=True)])
    assert np.array_equal(rand(everything), expected)
    assert randn(np.int32(5)) == alone[1].randn()
    drawn, (first, last) = randn(few), (alone[0].randn(2), alone[2].randn(3))
    assert np.array_equal(drawn, [last[0], first[0], last[1], first[1], last[2]])
    lam = np.array([3.0, 4.0, 200.0, 0.1, 5.0])
    first, last = alone[0].poisson(lam[[1, 3]]), alone[2].poisson(lam[[0, 2, 4]])
    found = poisson(lam, few)
    assert np.array_equal(found, [last[0], first[0], last[1], first[1], last[2]])
    held = everything[np.isin(np.arange(11), (2, 5))]
    assert np.array_equal(poisson(2.5, held), [g.poisson(2.5) for g in alone[:2]])
    assert rand(few[:0]).shape == rand(everything[np.zeros(11, dtype=bool)]).shape == (0,)
    assert np.array_equal(rand(everything[4:6]), alone[1].rand(2))


def test_the_papers_network_in_replicas():
    steps = np.array([300, 200])
    stimulus = (stream(0, "paper").random((2, 225)) < 0.03) * EVERY_STEP
    gates = {"plasticity": np.ones(2), "decay": np.array([0.0, 1.0])}
    segment = make_segment(PAPER, stimulus, steps, onset=[True, True], raster=True)
    segment = dataclasses.replace(segment, gates=segment.gates | gates)
    states = [initial_state(PAPER, seed) for seed in range(2)]
    states = [changed(state, charge=4) for state in states]
    states[1] = changed(states[1], tau_w=0.5)
    batch, alone = both(make_backend("numpy", PAPER), states, [segment, segment])
    assert_identical(batch, alone)
    assert all(recording.counts["e"].sum() > 100 for _, recording in batch)


def test_what_a_batch_refuses(small_backends, small_network):
    state = initial_state(small_network, 7)
    segment = make_segment(small_network, np.zeros((1, 30)), [5])
    with pytest.raises(BackendError, match="2 states, 1 segments and 2 seeds; expected as many"):
        small_backends("numpy").advance_batch([state] * 2, [segment], [1, 2])
    hooked = make_backend("numpy", small_network, hooks={"on_sleep": lambda groups, t: None})
    with pytest.raises(BackendError, match=r"Python hooks.*expected none.*one by one"):
        hooked.advance_batch([state] * 2, [segment] * 2, [1, 2])
    narrow = dataclasses.replace(segment, stimulus=np.zeros((1, 3)))
    with pytest.raises(BackendError, match="'input' has 30 neurons"):
        small_backends("numpy").advance_batch([state] * 2, [segment, narrow], [1, 2])


def test_what_was_stopped_is_not_taken_for_whole(small_backends, small_network):
    backend = small_backends("numpy")
    states = [initial_state(small_network, 7)] * 3
    segments = [make_segment(small_network, np.zeros((2, 30)), [10, k]) for k in (70, 90, 30)]
    whole = backend.advance_batch(states, segments, [1, 2, 3])
    network = backend._together.network.net
    run = network.run

    def stop_early(duration, **kwargs):
        run(duration / 2, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "run", stop_early)
        *stopped, finished = backend.advance_batch(states, segments, [1, 2, 3])
    assert all(isinstance(error, SimulationError) for error in stopped)
    assert [str(error).split(";")[:2] for error in stopped] == [
        ["segment: got 50 steps run", f" expected {steps}"] for steps in (80, 100)
    ]
    assert_identical([finished], whole[2:])
    assert_identical(*both(backend, states, segments))


def test_a_replica_that_is_not_finite_takes_nothing_from_the_others(small_backends, small_network):
    state = initial_state(small_network, 7)
    broken = state.updated(e__v=np.full(20, np.nan))
    segment = make_segment(small_network, np.full((1, 30), 200.0), [50], noise=1)
    backend = small_backends("numpy")
    one, error, three = backend.advance_batch([state, broken, state], [segment] * 3, [1, 2, 3])
    assert isinstance(error, SimulationError)
    with pytest.raises(SimulationError) as raised:
        backend.advance(broken, segment, 2)
    assert str(error) == str(raised.value) and "e.v: 20 of 20 values" in str(error)
    assert_identical([one, three], [backend.advance(state, segment, seed) for seed in (1, 3)])


@needs_compiler
def test_code_that_cython_refuses_is_not_passed_over(tmp_path, monkeypatch):
    def refuse(*args, **kwds):
        raise CompileError

    monkeypatch.setattr("Cython.Build.cythonize", refuse)
    monkeypatch.setattr(cython_extension_manager, "_code_cache", {})
    spec = lone_neurons(REFRACTORY, n=2)
    state, segment = initial_state(spec, 0), make_segment(spec, np.zeros((1, 1)), [5])
    with preferences({"codegen.runtime.cython.cache_dir": str(tmp_path)}):
        refused = r"could not compile the code of '\w+' \(run\)"
        backend = make_backend("cython", spec)
        with pytest.raises(BackendError, match=refused):
            backend.advance(state, segment, 0)
        backend = make_backend("cython", spec)
        for answer in backend.advance_batch([state] * 2, [segment] * 2, [0] * 2):
            assert isinstance(answer, BackendError) and re.search(refused, str(answer))
    assert "use --backend numpy" in str(answer)
    assert make_backend("numpy", spec).advance(state, segment, 0)

"""Replicas of a network in one Brian2 network: each as it is when it runs by itself."""

import dataclasses

import numpy as np
import pytest
from brian2 import Hz, ms, mV
from conftest import EVERY_STEP, SMALL_CAPACITY, lone_neurons, make_segment, needs_compiler
from conftest import spike_pairs as pairs_of_inputs
from test_parity import REFRACTORY, assert_same, wake_sleep_wake, zoo  # noqa: F401

from brainsleep.backend import make_backend
from brainsleep.errors import BackendError, SimulationError
from brainsleep.models.homeostasis import PRUNING, SCALING
from brainsleep.models.inputs import POISSON
from brainsleep.models.massey2026 import PAPER
from brainsleep.models.sleep import DECAY_GROUP, DECAY_NEURON, SPONTANEOUS_SPIKES
from brainsleep.models.sleep_stages import SLOW_OSCILLATION
from brainsleep.models.stdp import STDP_NEAREST
from brainsleep.replica_code import power, shared_power
from brainsleep.segment import Capacity
from brainsleep.spec import (
    InitialWeights,
    NetworkSpec,
    NeuronModel,
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
    network = backend._replicas
    # the same connectivity and the same parameters differing, everything else as it comes
    later = [changed(after, lr=0.7, tau_a=0.5) for after, _ in first]
    other = [segments[2].part(0, 20), segments[0], segments[1].part(5, 50)]
    assert_identical(*both(backend, later, other))
    assert backend._replicas is network
    assert_identical(backend.advance_batch(states, segments, [0, 0, 0]), first)
    assert backend._replicas is network


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


def test_same_seeds_same_bits_and_other_seeds_other_spikes(small_backends, small_network):
    segment = wake_sleep_wake(small_network, 300.0, noise=1.0)
    states = [initial_state(small_network, 7)] * 3
    backend = small_backends("numpy")
    one, again, other = (
        backend.advance_batch(states, [segment] * 3, seeds)
        for seeds in ([1, 2, 3], [1, 2, 3], [1, 2, 4])
    )
    assert_identical(one, again)
    spikes = [result[1].counts["e"] for result in (*one, *other)]
    assert not any(np.array_equal(a, b) for k, a in enumerate(spikes) for b in spikes[:k])


def test_stochastic_replicas_agree_with_single_runs(small_backends, small_network):
    segment = wake_sleep_wake(small_network, 300.0, noise=1.0)
    state, n = initial_state(small_network, 7), 12
    backend = small_backends("numpy")

    def columns(runs):
        found = {f"{k}_spikes": [r.counts[k].sum() for _, r in runs] for k in ("input", "e", "i")}
        for p in small_network.projections:
            found[p.name] = [after.weights(p.name).mean() for after, _ in runs]
        return {k: np.array(v, dtype=float) for k, v in found.items()}

    ours = columns(backend.advance_batch([state] * n, [segment] * n, range(n)))
    alone = columns([backend.advance(state, segment, seed) for seed in range(n)])
    for name, values in ours.items():
        error = np.sqrt((values.var(ddof=1) + alone[name].var(ddof=1)) / n)
        assert abs(values.mean() - alone[name].mean()) < 4.5 * error, name


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


def test_a_batch_that_was_stopped_is_not_taken_for_a_whole_one(small_backends, small_network):
    backend = small_backends("numpy")
    states = [initial_state(small_network, 7)] * 2
    segments = [make_segment(small_network, np.zeros((2, 30)), [50, k]) for k in (30, 50)]
    backend.advance_batch(states, segments, [1, 2])
    run = backend._replicas.net.run

    def stop_early(duration, **kwargs):
        run(duration / 2, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backend._replicas.net, "run", stop_early)
        with pytest.raises(SimulationError, match="got 50 steps run; expected 100"):
            backend.advance_batch(states, segments, [1, 2])
    assert_identical(*both(backend, states, segments))


def test_a_replica_that_is_not_finite_is_refused(small_backends, small_network):
    state = initial_state(small_network, 7)
    broken = state.updated(e__v=np.full(20, np.nan))
    segment = make_segment(small_network, np.zeros((1, 30)), [5])
    with pytest.raises(SimulationError, match=r"replica 1: e\.v: 20 of 20 values are not"):
        small_backends("numpy").advance_batch([state, broken], [segment] * 2, [1, 2])

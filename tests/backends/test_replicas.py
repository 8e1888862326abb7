"""Replicas of a network on Brian2's runtime: each as it is when it runs by itself."""

import dataclasses
import re

import numpy as np
import pytest
from brian2 import ms
from brian2.codegen.runtime.cython_rt.extension_manager import cython_extension_manager
from conftest import EVERY_STEP, SMALL_CAPACITY, lone_neurons, make_segment, needs_compiler
from Cython.Compiler.Errors import CompileError
from test_parity import REFRACTORY, assert_same, wake_sleep_wake

from brainsleep.backends.base import make_backend
from brainsleep.backends.brian.context import preferences
from brainsleep.errors import BackendError, SimulationError
from brainsleep.run.state import initial_state


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
    return backend.advance_replicas(states, segments, seeds), alone


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
@pytest.mark.long
@needs_compiler
def test_replicas_are_what_they_are_alone_in_cython(small_backends, small_network):
    batch, alone = both(small_backends("cython"), *varied(small_network))
    assert_identical(batch, alone)


@pytest.mark.long
def test_a_second_batch_knows_nothing_of_the_first(small_backends, small_network):
    states, segments = varied(small_network)
    backend = small_backends("numpy")
    first = backend.advance_replicas(states, segments, [0, 0, 0])
    kept = list(backend._networks)
    assert len(kept) == 3  # one a connectivity
    # the same connectivity and the same parameters differing, everything else as it comes
    later = [changed(after, lr=0.7, tau_a=0.5) for after, _ in first]
    other = [segments[2].part(0, 20), segments[0], segments[1].part(5, 50)]
    batch = backend.advance_replicas(later, other, range(3))
    assert_identical(backend.advance_replicas(states, segments, [0, 0, 0]), first)
    assert backend._networks == kept
    assert_identical(*both(backend, later, other))
    assert_identical(backend.advance_replicas(later, other, range(3)), batch)


def test_states_are_left_as_they_were(small_backends, small_network):
    states, segments = varied(small_network)
    copies = [{k: v.copy() for k, v in state.arrays.items()} for state in states]
    small_backends("numpy").advance_replicas(states, segments, [0, 0, 0])
    for state, copy in zip(states, copies, strict=True):
        for name, value in copy.items():
            np.testing.assert_array_equal(state.arrays[name], value)


def test_one_replica_or_none(small_backends, small_network):
    backend = small_backends("numpy")
    states, segments = varied(small_network)
    assert_identical(*both(backend, states[:1], segments[:1]))
    assert backend.advance_replicas([], [], []) == []


def test_replicas_in_single_precision(small_network):
    spec = dataclasses.replace(small_network, precision="float32")
    backend = make_backend("numpy", spec, capacity=SMALL_CAPACITY)
    batch, alone = both(backend, *varied(spec))
    assert_identical(batch, alone)
    weights = batch[1][0].weights("ee")
    assert np.array_equal(weights, weights.astype(np.float32))


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


def assert_each_draws_its_own(backend, states, segments, seeds):
    """Assert that replicas are what they are alone, in one company and in another order."""
    jobs = list(zip(states, segments, seeds, strict=True))
    alone = [backend.advance(*job) for job in jobs]
    for chosen in ([0, 1, 2], [2, 0], [1, 0, 0, 2, 1]):
        batch = backend.advance_replicas(*zip(*(jobs[k] for k in chosen), strict=True))
        assert_identical(batch, [alone[k] for k in chosen])
    other = backend.advance(states[0], segments[0], seeds[0] + 1)
    assert any(np.any(v != other[0].arrays[k]) for k, v in alone[0][0].arrays.items())
    return alone


def test_each_replica_draws_what_it_draws_alone(small_backends, small_network):
    alone = assert_each_draws_its_own(small_backends("numpy"), *drawing(small_network))
    assert all(r.counts[name].sum() > 50 for _, r in alone for name in ("input", "e", "i"))


def test_a_second_batch_begins_its_random_numbers_anew(small_backends, small_network):
    states, segments, seeds = drawing(small_network)
    backend = small_backends("numpy")
    first = backend.advance_replicas(states, segments, seeds)
    assert_identical(backend.advance_replicas(states, segments, seeds), first)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    backend.advance_replicas(states, segments, [1, 2, 3])
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_what_a_batch_refuses(small_backends, small_network):
    state = initial_state(small_network, 7)
    segment = make_segment(small_network, np.zeros((1, 30)), [5])
    with pytest.raises(BackendError, match="2 states, 1 segments and 2 seeds; expected as many"):
        small_backends("numpy").advance_replicas([state] * 2, [segment], [1, 2])
    hooked = make_backend("numpy", small_network, hooks={"on_sleep": lambda groups, t: None})
    with pytest.raises(BackendError, match=r"Python hooks.*expected none.*one by one"):
        hooked.advance_replicas([state] * 2, [segment] * 2, [1, 2])
    narrow = dataclasses.replace(segment, stimulus=np.zeros((1, 3)))
    with pytest.raises(BackendError, match="'input' has 30 neurons"):
        small_backends("numpy").advance_replicas([state] * 2, [segment, narrow], [1, 2])


def test_what_was_stopped_is_not_taken_for_whole(small_backends, small_network):
    backend = small_backends("numpy")
    states = [initial_state(small_network, 7)] * 3
    segments = [make_segment(small_network, np.zeros((2, 30)), [10, k]) for k in (70, 90, 30)]
    whole = backend.advance_replicas(states, segments, [1, 2, 3])
    network = backend._networks[0].net
    run = network.run

    def stop_early(duration, **kwargs):
        run(min(duration, 50 * ms), **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "run", stop_early)
        *stopped, finished = backend.advance_replicas(states, segments, [1, 2, 3])
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
    one, error, three = backend.advance_replicas([state, broken, state], [segment] * 3, [1, 2, 3])
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
        for answer in backend.advance_replicas([state] * 2, [segment] * 2, [0] * 2):
            assert isinstance(answer, BackendError) and re.search(refused, str(answer))
    assert "use --backend numpy" in str(answer)
    assert make_backend("numpy", spec).advance(state, segment, 0)

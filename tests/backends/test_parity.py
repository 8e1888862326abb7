"""One network, all backends: the same spikes and weights, in one segment or in several.

CUDA runs on an emulator (tests/cuda_emulator).
"""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import ms, mV
from conftest import (
    EVERY_STEP,
    SMALL_CAPACITY,
    emulated,
    make_segment,
    needs_brian2cuda,
    needs_compiler,
    spike_pairs,
)

from brainsleep.backends.base import make_backend
from brainsleep.models.inputs import POISSON
from brainsleep.models.lif import CURRENT, LIF
from brainsleep.models.sleep import DECAY_STATIC
from brainsleep.models.stdp import STDP_NEAREST
from brainsleep.network.spec import (
    Connectivity,
    InitialWeights,
    NetworkSpec,
    NeuronModel,
    Population,
    Projection,
)
from brainsleep.run.segment import Capacity, Segment
from brainsleep.run.state import initial_state, stream

CYTHON = pytest.param("cython", marks=[pytest.mark.slow, pytest.mark.long, needs_compiler])
TARGETS = [
    "numpy",
    CYTHON,
    pytest.param("cpp", marks=[pytest.mark.standalone, needs_compiler]),
    pytest.param("cuda", marks=[pytest.mark.cuda, needs_compiler, needs_brian2cuda]),
]


def wake_sleep_wake(spec, rate, noise):
    """60 slots: 40 of wake with changing input, 3 of sleep, 17 of wake. Rates `rate` or 0."""
    pattern = stream(0, "pattern").random((60, 30)) < 0.3
    sleep = np.zeros(60, dtype=bool)
    sleep[40:43] = True
    phase = np.where(sleep, "sleep", "wake")
    ones = np.ones(60)
    onset = np.r_[True, phase[1:] != phase[:-1]]
    gates = {
        "input": ones * ~sleep,
        "plasticity": ones,
        "noise": noise * sleep,
        "decay": ones * sleep,
    }
    steps = np.where(sleep, 50, np.where(np.arange(60) % 3 == 0, 2, 13))
    return Segment(steps, pattern * rate, gates, onset, phase, np.arange(60) > 30)


@pytest.fixture(scope="module")
def deterministic(small_network):
    """Input spikes with probability 1 or 0, and no noise: nothing is drawn."""
    segment = wake_sleep_wake(small_network, EVERY_STEP, noise=0.0)
    return initial_state(small_network, 7), segment


@pytest.fixture(scope="module")
def reference(small_backends, deterministic):
    return small_backends("numpy").advance(*deterministic, seed=1)


def assert_same(one, other, rtol):
    """Assert equal spikes, and states within the relative tolerance `rtol`."""
    (state, recording), (state2, recording2) = one, other
    for name, counts in recording.counts.items():
        np.testing.assert_array_equal(counts, recording2.counts[name])
        for a, b in zip(recording.spikes[name], recording2.spikes[name], strict=True):
            np.testing.assert_array_equal(a, b)
    assert state.arrays.keys() == state2.arrays.keys()
    for name, value in state.arrays.items():
        scale = np.abs(value).max() or 1.0
        np.testing.assert_allclose(
            state2.arrays[name], value, rtol=rtol, atol=rtol * scale, err_msg=name
        )


def test_the_deterministic_run_exercises_everything(reference, deterministic, small_network):
    state, recording = reference
    before, segment = deterministic
    assert all(counts.sum() > 50 for counts in recording.counts.values())
    assert all(
        np.any(state.weights(p.name) != before.weights(p.name)) for p in small_network.projections
    )
    assert recording.counts["input"][segment.phase == "sleep"].sum() == 0
    assert 0 < len(recording.spikes["e"][0]) < recording.counts["e"].sum()


@pytest.mark.parametrize("target", TARGETS[1:])
def test_same_spikes_and_weights_on_every_backend(target, small_backends, deterministic, reference):
    assert_same(reference, small_backends(target).advance(*deterministic, seed=1), rtol=1e-9)


@pytest.mark.parametrize("target", TARGETS)
def test_one_segment_or_three(target, small_backends, deterministic, reference):
    state, segment = deterministic
    backend = small_backends(target)
    parts = []
    for first, last in ((0, 17), (17, 41), (41, 60)):  # the second cut is within sleep
        state, recording = backend.advance(state, segment.part(first, last), seed=first)
        parts.append((recording, segment.starts[first]))
    counts = {k: np.vstack([r.counts[k] for r, _ in parts]) for k in parts[0][0].counts}
    spikes = {
        k: (
            np.concatenate([r.spikes[k][0] + start for r, start in parts]),
            np.concatenate([r.spikes[k][1] for r, _ in parts]),
        )
        for k in counts
    }
    joined = type(parts[0][0])(counts, spikes)
    assert_same(reference, (state, joined), rtol=1e-12 if target == "numpy" else 1e-9)


@pytest.mark.parametrize("target", TARGETS)
def test_same_seed_same_bits_and_other_seed_other_spikes(target, small_backends, small_network):
    segment = wake_sleep_wake(small_network, 300.0, noise=1.0)
    state = initial_state(small_network, 7)
    backend = small_backends(target)
    one, again, other = (backend.advance(state, segment, seed) for seed in (5, 5, 6))
    for name, value in one[0].arrays.items():
        assert value.tobytes() == again[0].arrays[name].tobytes(), name
    for name, counts in one[1].counts.items():
        np.testing.assert_array_equal(counts, again[1].counts[name])
        assert not np.array_equal(counts, other[1].counts[name])


@pytest.mark.parametrize("target", TARGETS[1:])
def test_stochastic_runs_agree_statistically(target, small_backends, small_network):
    segment = wake_sleep_wake(small_network, 300.0, noise=1.0)
    state = initial_state(small_network, 7)
    seeds = range(12)

    def sample(name):
        runs = [small_backends(name).advance(state, segment, seed) for seed in seeds]
        columns = {f"{k}_spikes": [r.counts[k].sum() for _, r in runs] for k in ("input", "e", "i")}
        columns |= {
            p.name: [s.weights(p.name).mean() for s, _ in runs] for p in small_network.projections
        }
        return {k: np.array(v, dtype=float) for k, v in columns.items()}

    ours, theirs = sample(target), sample("numpy")
    for name, values in ours.items():
        error = np.sqrt((values.var(ddof=1) + theirs[name].var(ddof=1)) / len(seeds))
        assert abs(values.mean() - theirs[name].mean()) < 4.5 * error, name


@pytest.mark.parametrize("target", TARGETS)
def test_closed_gates_keep_weights_to_the_bit(target, small_backends, small_network):
    segment = make_segment(small_network, np.full((20, 30), 200.0), np.full(20, 40), kind="test")
    state = initial_state(small_network, 7)
    after, recording = small_backends(target).advance(state, segment, seed=3)
    assert recording.counts["e"].sum() > 100
    for p in small_network.projections:
        assert after.weights(p.name).tobytes() == state.weights(p.name).tobytes(), p.name


@pytest.fixture(scope="module")
def single_precision(small_network):
    """The small network in single precision on every backend, each made once."""
    spec = replace(small_network, precision="float32")
    made = {}

    def get(name):
        if name == "cuda" and name not in made:
            made[name] = emulated(spec)
        return made.get(name) or made.setdefault(
            name, make_backend(name, spec, capacity=SMALL_CAPACITY)
        )

    return spec, get


#: Relative tolerance of state variables in single precision after 0.5 s: 24 bits are 6e-8, and
#: rounding adds up over 500 steps.
SINGLE = 2e-4


@pytest.mark.parametrize("target", [t for t in TARGETS if t != CYTHON])
def test_single_precision_gives_the_same_spikes(target, single_precision, deterministic, reference):
    spec, get = single_precision
    state, segment = initial_state(spec, 7), deterministic[1]
    after, recording = get(target).advance(state, segment, seed=1)
    assert_same(reference, (after, recording), rtol=SINGLE)
    weights = after.weights("ee")
    assert np.array_equal(weights, weights.astype(np.float32))  # it really was single
    assert not np.array_equal(weights, reference[0].weights("ee"))


@pytest.mark.slow
@pytest.mark.long
@needs_compiler
def test_single_precision_in_cython_is_that_of_numpy():
    spec = replace(spike_pairs(STDP_NEAREST.with_parameters(lr=0.1), 4), precision="float32")
    stimulus = EVERY_STEP * np.eye(4)[[0, 1, 2, 3, 1, 0, 3, 2]]
    segment = make_segment(spec, stimulus, plasticity=1.0)
    start = initial_state(spec, 1)
    one, other = (
        make_backend(name, spec, capacity=SMALL_CAPACITY).advance(start, segment, 1)[0]
        for name in ("numpy", "cython")
    )
    w = other.weights("pairs")
    assert np.array_equal(w, w.astype(np.float32)) and np.ptp(w) > 0.1
    assert np.allclose(w, one.weights("pairs"), rtol=1e-6)


@pytest.mark.parametrize("target", [t for t in TARGETS if t != CYTHON])
def test_closed_gates_keep_weights_to_the_bit_in_single_precision(target, single_precision):
    spec, get = single_precision
    segment = make_segment(spec, np.full((20, 30), 200.0), np.full(20, 40), kind="test")
    state = initial_state(spec, 7)
    after, recording = get(target).advance(state, segment, seed=3)
    assert recording.counts["e"].sum() > 100
    for p in spec.projections:
        assert after.weights(p.name).tobytes() == state.weights(p.name).tobytes(), p.name


@pytest.mark.parametrize("target", TARGETS)
def test_input_is_silent_in_sleep(target, small_backends, small_network):
    segment = make_segment(
        small_network,
        np.full((3, 30), 500.0),
        [100, 1, 100],
        kind="sleep",
        input=0,
        plasticity=1,
        noise=1,
        decay=1,
    )
    _, recording = small_backends(target).advance(initial_state(small_network, 7), segment, seed=3)
    assert recording.counts["input"].sum() == 0


@pytest.mark.standalone
@needs_compiler
def test_one_program_serves_other_connectivity_parameters_and_segments(
    small_network, small_backends
):
    """Seeds, connectivity, parameters and segment length are inputs of the compiled program."""
    program, runtime = small_backends("cpp"), small_backends("numpy")
    directory = program.directory
    slower = [
        type(p)(**{**vars(p), "rules": tuple(r.with_parameters(lr=0.001) for r in p.rules)})
        for p in small_network.projections
    ]
    changed = NetworkSpec(
        name="changed", populations=small_network.populations, projections=tuple(slower)
    )
    assert make_backend("cpp", changed, capacity=program.capacity).directory == directory
    state = initial_state(changed, seed=99)
    assert len(state.weights("ee")) != len(initial_state(small_network, 7).weights("ee"))
    assert state.parameters["ee.stdp_nearest_lr"] == 0.001
    segment = wake_sleep_wake(small_network, EVERY_STEP, 0.0).part(5, 25)
    assert_same(runtime.advance(state, segment, 1), program.advance(state, segment, 1), rtol=1e-9)
    assert directory.is_dir()


REFRACTORY = NeuronModel(
    name="refractory_lif",
    equations="""
    dv/dt = (v_rest - v + r*i_syn)/tau_m : volt (unless refractory)
    di_syn/dt = -i_syn/tau_syn : 1
    """,
    threshold="v > v_threshold",
    reset="v = v_reset",
    refractory="t_ref",
    parameters={
        k: LIF.parameters[k] for k in ("tau_m", "tau_syn", "r", "v_rest", "v_reset", "v_threshold")
    }
    | {"t_ref": 7 * ms},
    initial={"v": "v_rest"},
)


@pytest.mark.parametrize("target", [TARGETS[0], TARGETS[3]])
def test_refractory_period_carries_over_the_border_of_segments(target):
    model = REFRACTORY.with_parameters(tau_m=2 * ms, tau_syn=1e9 * ms, v_reset=-60 * mV)
    spec = NetworkSpec(
        name="refractory",
        populations=(
            Population(name="input", size=1, model=POISSON),
            Population(name="e", size=1, model=model),
        ),
    )
    backend = emulated(spec) if target == "cuda" else make_backend("numpy", spec)
    start = initial_state(spec, 0).updated(e__i_syn=np.array([3.0]))
    whole = make_segment(spec, np.zeros((2, 1)), [23, 37], raster=True)
    _, recording = backend.advance(start, whole, 0)
    times = recording.spikes["e"][0]
    assert len(times) > 4 and np.all(np.diff(times) == np.diff(times)[0])
    assert np.diff(times)[0] >= 7
    middle, first = backend.advance(start, whole.part(0, 1), 0)
    _, second = backend.advance(middle, whole.part(1, 2), 0)
    split = np.concatenate([first.spikes["e"][0], second.spikes["e"][0] + 23])
    assert split.tolist() == times.tolist()


def test_a_segment_that_was_stopped_is_not_taken_for_a_whole_one(small_backends, small_network):
    import brian2

    from brainsleep.errors import SimulationError

    backend = small_backends("numpy")
    state = initial_state(small_network, 7)
    segment = make_segment(small_network, np.full((2, 30), 200.0), [50, 50])
    backend.advance(state, segment, 1)
    (network,) = backend._networks
    run = network.net.run

    def stop_early(duration, **kwargs):
        run(duration / 2, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network.net, "run", stop_early)
        with pytest.raises(SimulationError, match="got 50 steps run; expected 100"):
            backend.advance(state, segment, 1)
    assert brian2.prefs.core.stop_on_keyboard_interrupt  # the user's preference is back


@pytest.fixture(scope="module")
def zoo():
    """One network of every other shipped neuron, synapse, plasticity rule and weight process."""
    from brainsleep.models import adex, diehl_cook, homeostasis, izhikevich, stdp, triplet, vogels

    def projection(name, target, synapse, rule, *processes, **bounds):
        return Projection(
            name=name,
            source="input",
            target=target,
            synapse=synapse,
            connectivity=Connectivity(p=0.6),
            weights=InitialWeights(low=0.5, high=1.5),
            w_max=2.0,
            rules=(rule,),
            processes=processes,
            **bounds,
        )

    models = {
        "adapting": adex.ADEX_ADAPTING,
        "chattering": izhikevich.IZHIKEVICH_CHATTERING,
        "layer": diehl_cook.COMPETITIVE_LIF,
        "plain": LIF,
    }
    strong = CURRENT.with_parameters(charge=0.5 * ms)
    parts = (
        (strong, triplet.TRIPLET, homeostasis.SCALING),
        (strong, vogels.VOGELS.with_parameters(lr=0.01), homeostasis.NORMALISE),
        (
            diehl_cook.VOLTAGE,
            diehl_cook.DIEHL_COOK,
            homeostasis.PRUNING.with_parameters(w_floor=0.7),
        ),
        (strong, stdp.STDP_ALL_TO_ALL, DECAY_STATIC, homeostasis.SUBTRACTION),
    )
    return NetworkSpec(
        name="zoo",
        dt=0.1 * ms,
        populations=(
            Population(name="input", size=20, model=POISSON),
            *(Population(name=k, size=4, model=model) for k, model in models.items()),
        ),
        projections=tuple(
            projection(f"to_{target}", target, *part)
            for target, part in zip(models, parts, strict=True)
        ),
    )


@pytest.mark.parametrize("target", [TARGETS[2], TARGETS[3]])
def test_every_shipped_kind_of_part_is_the_same_compiled(target, zoo):
    steps = np.tile([9, 21], 60)  # nine spikes of some inputs, then 2.1 ms without
    pattern = (stream(0, "zoo").random((120, 20)) < 0.2) * (steps == 9)[:, None]
    gates = {"plasticity": 1} | {name: 1 for name in zoo.process_names}
    segment = make_segment(zoo, pattern * 10 * EVERY_STEP, steps, raster=True, **gates)
    state, capacity = initial_state(zoo, 3), Capacity(slots=128, steps=4096)
    compiled = emulated(zoo) if target == "cuda" else make_backend(target, zoo, capacity=capacity)
    ours = compiled.advance(state, segment, 1)
    theirs = make_backend("numpy", zoo, capacity=capacity).advance(state, segment, 1)
    for population in zoo.populations:
        assert theirs[1].counts[population.name].sum() > 10, population.name
    for p in zoo.projections:
        assert np.any(theirs[0].weights(p.name) != state.weights(p.name)), p.name
    assert_same(theirs, ours, rtol=1e-6)  # the spike-generating nonlinearities amplify rounding

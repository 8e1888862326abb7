"""CUDA without a GPU: generated code, an emulator that runs it, nvcc, and what can go wrong.

What the emulator (tests/cuda_emulator) runs is the program that a GPU runs, compiled for a CPU. The
tests at the end need a GPU.
"""

import dataclasses
import importlib
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from brian2 import ms
from conftest import (
    EVERY_STEP,
    TINY,
    emulated,
    lone_neurons,
    make_segment,
    needs_brian2cuda,
    needs_compiler,
    needs_nvcc,
)
from test_parity import assert_same, wake_sleep_wake

import brainsleep.models
import brainsleep.protocols
from brainsleep.backends.base import backend_identity, make_backend
from brainsleep.backends.cpp.build import build_key
from brainsleep.backends.cuda import backend as cuda_backend
from brainsleep.backends.cuda import toolkit as cuda_toolkit
from brainsleep.backends.cuda.memory import Connections
from brainsleep.errors import BackendError, MissingExtraError, SimulationError, SpecError
from brainsleep.experiment.protocol import Protocol, load_protocol
from brainsleep.models.inputs import POISSON
from brainsleep.models.lif import LIF
from brainsleep.models.massey2026 import PAPER, recurrent_network
from brainsleep.network.spec import (
    Connectivity,
    InitialWeights,
    NetworkSpec,
    NeuronModel,
    Population,
    Projection,
    SpontaneousActivity,
    SynapseModel,
)
from brainsleep.run.loop import Run
from brainsleep.run.replicas import prepare
from brainsleep.run.segment import Capacity
from brainsleep.run.simulate import simulate
from brainsleep.run.state import initial_state, stream

pytestmark = [pytest.mark.cuda, needs_brian2cuda]


def has_gpu():
    try:
        return bool(cuda_toolkit.gpu())
    except BackendError:
        return False


needs_gpu = pytest.mark.skipif(not has_gpu(), reason="no NVIDIA GPU")


def shipped():
    """Networks of all shipped models and protocols that Brian2 runs, by where they come from."""
    found = {}
    for package in (brainsleep.models, brainsleep.protocols):
        for module in pkgutil.iter_modules(package.__path__):
            loaded = importlib.import_module(f"{package.__name__}.{module.name}")
            for name, value in vars(loaded).items():
                network = value.network if isinstance(value, Protocol) else value
                if isinstance(network, NetworkSpec):
                    found.setdefault(f"{module.name}.{name}", network)
    return found


SHIPPED = shipped()


def bits(outcome):
    """All bits of a state and a recording."""
    state, recording = outcome
    arrays = [*state.arrays.values(), *recording.counts.values()]
    arrays += [part for spikes in recording.spikes.values() for part in spikes]
    return b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)


# -- generated code ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHIPPED)
def test_code_of_every_shipped_network(name, tmp_path):
    spec = SHIPPED[name]
    if spec.plan.features:  # which it says before it looks for a GPU
        with pytest.raises(BackendError, match=re.escape(spec.plan.features[0])):
            make_backend("cuda", spec)
        return
    layout = cuda_backend.generate(spec, tmp_path)
    code = (tmp_path / "kernel.cuh").read_text()
    assert {file.name for file in tmp_path.iterdir()} == {"kernel.cuh", "segments.cu", "random.cuh"}
    assert code.count("TEAM_SYNC") == 3 + 2 * code.count("_total = 0;")
    keys = {array["key"] for array in layout["arrays"]}
    assert {f"{p.name}.w" for p in spec.projections} <= keys
    assert {f"counts:{p.name}" for p in spec.populations if p.spikes} <= keys
    parameters = [*spec.plan.groups, *spec.plan.synapses]
    assert set(layout["parameters"]) <= {f"{p.name}.{k}" for p in parameters for k in p.parameters}
    for drawn in ("curand", "_rand(", "_randn("):  # draws are functions of their place
        assert drawn not in code


def test_shipped_networks_are_found():
    assert {"paper.PROTOCOL", "competitive.PROTOCOL", "massey2026.PAPER"} <= SHIPPED.keys()


def test_parameter_values_and_seeds_are_not_compiled_in(small_network):
    def changed(p):
        rules = tuple(rule.with_parameters(lr=0.5) for rule in p.rules)
        return dataclasses.replace(p, rules=rules)

    other = dataclasses.replace(
        small_network, projections=tuple(changed(p) for p in small_network.projections)
    )
    keys = [build_key(spec, Capacity(), {"compiler": "any"}) for spec in (small_network, other)]
    assert keys[0] == keys[1]


def test_what_depends_on_parameters_alone_is_computed_before_the_steps(tmp_path):
    cuda_backend.generate(PAPER, tmp_path)
    before, _, steps = (tmp_path / "kernel.cuh").read_text().partition("for (int step = 0;")
    assert "_brian_exp(" in before  # decay of the traces in a step
    assert steps.count("_brian_exp(") == 2 * len(PAPER.projections)  # decay of the weights


# -- the program, on the emulator --------------------------------------------------------------


@pytest.fixture(scope="module")
def backend(small_backends):
    return small_backends("cuda")


@pytest.fixture(scope="module")
def replicas(small_network):
    """Three replicas that differ in everything: arguments of `advance_replicas`."""
    whole = wake_sleep_wake(small_network, EVERY_STEP, noise=0.0)
    noisy = wake_sleep_wake(small_network, 300.0, noise=1.0)
    states = [initial_state(small_network, seed) for seed in (7, 8, 9)]
    slower = {k: 0.1 * v if k.endswith("_lr") else v for k, v in states[1].parameters.items()}
    states[1] = dataclasses.replace(states[1], parameters=slower)
    return states, [whole, noisy.part(0, 44), noisy], [1, 2, 3]


@needs_compiler
def test_a_replica_is_what_it_is_alone(backend, replicas):
    together = backend.advance_replicas(*replicas)
    alone = [backend.advance(*one) for one in zip(*replicas, strict=True)]
    assert [bits(one) for one in together] == [bits(one) for one in alone]
    assert len({bits(one) for one in together}) == 3


@needs_compiler
def test_nothing_is_left_of_the_replicas_before(backend, replicas):
    first = [bits(one) for one in backend.advance_replicas(*replicas)]
    backwards = [list(reversed(part)) for part in replicas]
    assert [bits(one) for one in backend.advance_replicas(*backwards)] == first[::-1]
    assert [bits(one) for one in backend.advance_replicas(*replicas)] == first


@needs_compiler
def test_connectivity_is_sent_once(backend, replicas, monkeypatch):
    sent = []
    run = cuda_backend._Process.run
    monkeypatch.setattr(
        cuda_backend._Process,
        "run",
        lambda self, plan, images, given: (
            sent.append("fixed" in images),
            run(self, plan, images, given),
        )[1],
    )
    states, segments, seeds = replicas
    backend.advance_replicas(states[:2], segments[:2], seeds[:2])
    after = backend.advance_replicas(states[:2], segments[:2], seeds[:2])
    backend.advance_replicas([state for state, _ in after], segments[1:], seeds[1:])
    backend.advance_replicas(states[1:], segments[1:], seeds[1:])
    assert sent == [True, False, False, True]


@needs_compiler
@pytest.mark.parametrize("blocks", [(2, 1), (3, 1), (1, 1)])
def test_any_number_of_threads_gives_the_same_bits(backend, replicas, blocks, monkeypatch):
    expected = [bits(one) for one in backend.advance_replicas(*replicas)]
    monkeypatch.setattr(backend, "_blocks", lambda replicas: blocks)
    assert [bits(one) for one in backend.advance_replicas(*replicas)] == expected


@needs_compiler
def test_sums_over_a_projection_wait_for_all_blocks(backend, small_network, monkeypatch):
    """The decay of `ee` goes to the mean weight of the projection."""
    segment = make_segment(small_network, np.zeros((1, 30)), [600], kind="sleep", decay=1)
    state = initial_state(small_network, 7)
    monkeypatch.setattr(backend, "_blocks", lambda replicas: (3, 1))
    after, _ = backend.advance(state, segment, 0)
    mean = state.weights("ee").mean()
    tau = state.parameters["ee.decay_tau_w"]
    expected = mean * (state.weights("ee") / mean) ** np.exp(-0.6 / tau)
    np.testing.assert_allclose(after.weights("ee"), expected, rtol=1e-10)


@pytest.mark.long
@needs_compiler
def test_a_segment_ends_before_the_slot_where_the_weights_are_down(monkeypatch):
    """Weights that decay towards nothing, and borders between what is left after two slots."""
    spec = recurrent_network(n_inputs=30, n_excitatory=40, n_inhibitory=5)
    backend, state = emulated(spec), initial_state(spec, 7)
    faster = {k: 0.1 if k.endswith("decay_tau_w") else v for k, v in state.parameters.items()}
    state = dataclasses.replace(state, parameters=faster)
    gates = {"decay": 1, "noise": 1, "plasticity": 1}
    steps = np.full(8, 20)
    whole = make_segment(spec, np.zeros((8, 30)), steps, kind="sleep", raster=True, **gates)
    parts = [backend.advance(state, whole.part(0, k), 1) for k in range(1, 9)]
    left = [sum(s.weights(p.name).sum() for p in spec.projections) for s, _ in parts]
    assert np.all(np.diff(left) < 0)
    borders = [(left[k] + left[k - 1]) / 2 for k in range(1, 7)]  # come down to in slot k
    watched = [dataclasses.replace(whole, above=np.full(8, border)) for border in borders]
    for blocks in ((1, 4), (3, 1)):
        monkeypatch.setattr(backend, "_blocks", lambda replicas, blocks=blocks: blocks)
        ended = backend.advance_replicas([state] * 6, watched, [1] * 6)
        assert [len(r.counts["e"]) for _, r in ended] == [2, 3, 4, 5, 6, 7]
        assert [bits(one) for one in ended] == [bits(parts[k]) for k in range(1, 7)]
    never = dataclasses.replace(whole, above=np.full(8, 0.5 * left[-1]))
    late = dataclasses.replace(whole, above=np.r_[np.full(1, 1e9), np.zeros(7)])
    for one in backend.advance_replicas([state] * 2, [never, late], [1] * 2):
        assert bits(one) == bits(parts[-1])


@pytest.mark.long
@needs_compiler
def test_a_sleep_that_ends_early_is_one_segment(monkeypatch, tmp_path):
    """Without plasticity weights do not depend on spikes: sleeps end where they do on `numpy`."""
    changes = {
        "network.projections.*.rules": (),
        "network.projections.*.processes.decay.tau_w": "100*ms",
        "network.projections.*.weights.low": 2.0,
        "schedule.sleep.fraction": 1.0,
        "schedule.sleep.until_initial": True,
        "schedule.sleep.trigger": 0.1,
        "schedule.sleep.check_every": "20*ms",
        "record.weights_at_phases": False,
        "record.weights_every": 0,
        "record.snapshots": (),
    }
    protocol = TINY.override(changes)
    program, asked = emulated(protocol.network), []
    monkeypatch.setattr("brainsleep.run.replicas.make_backend", lambda *_, **__: program)
    advance = program.advance_replicas
    monkeypatch.setattr(
        program, "advance_replicas", lambda *given: (asked.append(given[1]), advance(*given))[1]
    )
    ours = simulate(protocol, backend="cuda", out=tmp_path)
    monkeypatch.undo()
    theirs = simulate(protocol, backend="numpy", out=tmp_path)
    np.testing.assert_array_equal(ours.arrays["slots/steps"], theirs.arrays["slots/steps"])
    np.testing.assert_allclose(ours.arrays["stats/ee"], theirs.arrays["stats/ee"], rtol=1e-9)
    slept = theirs.arrays["slots/phase"] == "sleep"
    assert 0 < np.sum(theirs.arrays["slots/steps"][slept] > 0) < slept.sum()
    assert len(asked) < 12


def test_blocks_of_a_replica(backend, monkeypatch):
    monkeypatch.setattr(backend, "_layout", {"shares": 32, "warps": 16})
    assert backend._blocks(1) == backend._blocks(55) == (1, 16)  # small: no waiting for others
    monkeypatch.setattr(backend, "_layout", {"shares": 1098, "warps": 16})
    process = type("Process", (), {"n_resident": 132})
    monkeypatch.setattr(backend, "_process", process)
    for replicas in (1, 2, 10, 132, 500):
        blocks, warps = backend._blocks(replicas)
        assert blocks == 1 or blocks * replicas <= 132
        assert 1 <= warps <= 16 and blocks * warps < 1098 + blocks  # every warp has some


def test_synapses_by_postsynaptic_neuron():
    """The index of a projection against a look at every pair."""
    spec = lone_pair(70, 40)
    rng = stream(0, "pairs")
    pre, post = np.nonzero(rng.random((70, 40)) < 0.3)
    found = Connections(spec, {"pairs": (pre.astype(np.int32), post.astype(np.int32))})
    order, fixed = found.order["pairs"], found.fixed
    known = fixed["incoming:pairs"].view(np.uint32).reshape(3, 40, 2)
    for place, synapse in enumerate(order):
        i, j = pre[synapse], post[synapse]
        mask, first = known[i // 32, j]
        assert mask >> (i % 32) & 1
        assert first + bin(mask & ((1 << (i % 32)) - 1)).count("1") == place
        assert fixed["first:pairs"][j] <= place < fixed["first:pairs"][j + 1]
        assert fixed["pre:pairs"][place] == i
    assert sum(bin(mask).count("1") for mask in known[..., 0].ravel()) == len(pre)


def test_two_synapses_of_one_pair_are_refused():
    pairs = {"pairs": (np.array([0, 0], np.int32), np.array([1, 1], np.int32))}
    with pytest.raises(BackendError, match="two synapses of one pair"):
        Connections(lone_pair(2, 2), pairs)


def lone_pair(n_pre, n_post, synapse=None, target=LIF):
    """Two populations and a projection."""
    return NetworkSpec(
        name="pair",
        populations=(
            Population(name="input", size=n_pre, model=POISSON),
            Population(name="e", size=n_post, model=target),
        ),
        projections=(
            Projection(
                name="pairs",
                source="input",
                target="e",
                synapse=synapse or SynapseModel(name="silent", on_pre=""),
                weights=InitialWeights(low=1.0),
                w_max=2.0,
            ),
        ),
    )


@needs_compiler
def test_random_numbers_are_uniform_normal_and_independent():
    """Neurons that add up what they draw, over steps, neurons, two calls, and two seeds."""
    draws = SpontaneousActivity(
        name="draws",
        equations="u : 1\nu2 : 1\nz : 1\nz2 : 1\nzz : 1",
        on_step="""
        a = rand()
        u += a
        u2 += a**2
        b = randn()
        z += b
        z2 += b**2
        zz += b*randn()
        """,
    )
    model = dataclasses.replace(LIF, name="still")
    spec = NetworkSpec(
        name="draws",
        populations=(
            Population(name="input", size=1, model=POISSON),
            Population(name="e", size=2000, model=model, activities=(draws,)),
        ),
    )
    backend = emulated(spec, ("-O2", "-w"))
    segment = make_segment(spec, np.zeros((1, 1)), [20], kind="sleep", draws=1)
    outcomes = [backend.advance(initial_state(spec, 0), segment, seed)[0] for seed in (1, 2)]
    n = 20
    for state in outcomes:
        u, u2, z, z2, zz = (state.arrays[f"e.draws_{k}"] for k in ("u", "u2", "z", "z2", "zz"))
        for value, mean, variance in (
            (u / n, 0.5, 1 / 12), (u2 / n, 1 / 3, 4 / 45), (z / n, 0, 1), (z2 / n, 1, 2),
            (zz / n, 0, 1),
        ):  # fmt: skip
            error = np.sqrt(variance / (n * len(u)))
            assert abs(value.mean() - mean) < 4.5 * error
            assert abs(value.var() / (variance / n) - 1) < 0.25  # steps are independent
    one, other = (state.arrays["e.draws_z"] for state in outcomes)
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.1
    assert abs(np.corrcoef(one[1:], one[:-1])[0, 1]) < 0.1


@needs_compiler
def test_input_spikes_come_at_their_rate(backend, small_network):
    rates = np.linspace(5, 600, 30)
    segment = make_segment(small_network, np.tile(rates, (4, 1)), np.full(4, 500))
    found = backend.advance(initial_state(small_network, 7), segment, 5)[1].counts["input"]
    expected = 2 * rates
    error = np.sqrt(expected * (1 - rates * 1e-3))
    assert np.all(np.abs(found.sum(axis=0) - expected) < 4.5 * error)


NAMES = NeuronModel(
    name="names",
    equations="""
    dv/dt = (1.2 - v + g_i)/tau : 1 (unless refractory)
    dg_i/dt = -g_i/tau : 1
    step : 1
    th_i : 1
    """,
    threshold="v > 1 - 0.1*th_i + 0*step",
    reset="v = 0\nth_i += 1\nstep += 0.5",
    refractory="t_ref",
    parameters={"tau": 10 * ms, "t_ref": 3 * ms},
)


@needs_compiler
def test_names_that_the_kernel_has_too():
    """Variables and populations called as the kernel's own, and numbers of neurons in equations."""
    synapse = SynapseModel(name="numbered", on_pre="g_i_post += 0.01*w*(1 + 0.1*i)")
    spec = NetworkSpec(
        name="names",
        populations=(
            Population(name="row", size=40, model=POISSON),
            Population(name="slot", size=20, model=NAMES),
        ),
        projections=(
            Projection(
                name="step",
                source="row",
                target="slot",
                synapse=synapse,
                connectivity=Connectivity(p=0.5),
                weights=InitialWeights(low=0.5, high=1.5),
                w_max=2.0,
            ),
        ),
        input="row",
    )
    pattern = stream(0, "names").random((30, 40)) < 0.3
    segment = make_segment(spec, pattern * EVERY_STEP, np.full(30, 9), raster=True)
    start = initial_state(spec, 3)
    reference = make_backend("numpy", spec).advance(start, segment, 0)
    assert reference[1].counts["slot"].sum() > 100
    assert_same(reference, emulated(spec).advance(start, segment, 0), rtol=1e-9)


@needs_compiler
def test_replicas_that_are_none_or_do_not_belong_together(backend, replicas):
    assert backend.advance_replicas([], [], []) == []
    states, segments, seeds = replicas
    with pytest.raises(BackendError, match="3 states, 2 segments and 3 seeds"):
        backend.advance_replicas(states, segments[:2], seeds)


@needs_compiler
def test_a_cleared_cache_is_filled_again(monkeypatch, tmp_path):
    spec = lone_neurons(LIF, 24)
    backend, segment = emulated(spec), make_segment(lone_neurons(LIF, 24), np.zeros((1, 1)), [30])
    expected = bits(backend.advance(initial_state(spec, 0), segment, 0))
    copy = shutil.copytree(backend.directory, tmp_path / "copy")
    backend._process.close()
    shutil.rmtree(backend.directory)
    monkeypatch.setattr(
        cuda_backend, "build", lambda *given: Path(shutil.copytree(copy, backend.directory))
    )
    assert bits(backend.advance(initial_state(spec, 0), segment, 0)) == expected
    assert backend.directory.exists()


@pytest.mark.long
@needs_compiler
def test_a_program_that_is_left_alone_cleans_up(tmp_path):
    """Its Python is killed while a segment runs."""
    script = f"""
import os, sys
sys.path[:0] = {[str(path) for path in Path(__file__).parents[:2]]!r}
from test_cuda import *
network = lone_neurons(LIF, 40)
program = emulated(network)

def killed(self, order):
    print(self._folder, flush=True)
    os.kill(os.getpid(), 9)

cuda_backend._Process.end = killed
program.advance(initial_state(network, 7), make_segment(network, np.zeros((1, 1)), [2000]), 0)
"""
    command, environment = [sys.executable, "-c", script], {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    folder = Path(done.stdout.strip().splitlines()[-1])
    assert done.returncode == -9 and folder.parent == tmp_path
    for _ in range(300):
        if not folder.exists():
            break
        time.sleep(0.1)
    assert not folder.exists()


def test_replicas_keep_rooms_of_their_own(monkeypatch, tmp_path):
    """Another run's long slot changes neither the segments of a run nor its numbers."""
    room = cuda_backend.CudaBackend.room
    monkeypatch.setattr(
        "brainsleep.run.replicas.make_backend",
        lambda *_, capacity, **__: SimpleNamespace(room=room, capacity=capacity, watches=True),
    )
    material = TINY.open({})
    runs = [
        Run(
            TINY.override({"schedule.image_duration": duration, "schedule.period": "2000*second"}),
            *(0, "cuda", material, "id", tmp_path, lambda done, total, text: None),
        )
        for duration in ("50*ms", "1500*second")
    ]
    prepare(runs, "cuda", fresh=False)
    assert [run.capacity for run in runs] == [room, Capacity(room.slots, 1_500_000)]


# -- nvcc --------------------------------------------------------------------------------------


@needs_nvcc
@pytest.mark.parametrize(
    "name", [pytest.param("massey2026.PAPER", marks=pytest.mark.long), "competitive.PROTOCOL"]
)
def test_nvcc_compiles_the_program(name, tmp_path):
    cuda_backend.generate(SHIPPED[name], tmp_path)
    cuda_toolkit.compile_program(tmp_path, "90")
    # without a GPU, or with another file than it expects, it says so and ends
    done = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=False)
    assert done.returncode == 3 and "usage" in done.stderr


@pytest.mark.long
@needs_nvcc
def test_a_program_is_compiled_once_and_without_a_gpu(small_network):
    said = []
    one = cuda_backend.build(small_network, "9.0", said.append)
    again = cuda_backend.build(small_network, "9.0", said.append)
    assert one == again and len(said) == 1 and "compute capability 9.0" in said[0]


@pytest.mark.long
@needs_nvcc
@pytest.mark.skipif(has_gpu(), reason="there is a GPU")
def test_a_program_without_a_driver_says_what_it_needs(small_network, monkeypatch):
    monkeypatch.setattr(cuda_backend, "gpu", lambda: ("none", "9.0"))
    program = make_backend("cuda", small_network)
    segment = make_segment(small_network, np.zeros((1, 30)))
    with pytest.raises(BackendError, match=r"CUDA.*needs an NVIDIA GPU"):
        program.advance(initial_state(small_network, 7), segment, 0)


@needs_nvcc
def test_equations_that_do_not_compile(tmp_path):
    cuda_backend.generate(PAPER, tmp_path)
    kernel = tmp_path / "kernel.cuh"
    kernel.write_text(kernel.read_text().replace("_cond =", "_cond = undefined_name +"))
    with pytest.raises(BackendError, match=r"does not compile \(.*undefined_name"):
        cuda_toolkit.compile_program(tmp_path, "90")


# -- what can be missing or wrong ----------------------------------------------------------------


def test_without_nvcc(monkeypatch, small_network):
    monkeypatch.setattr(cuda_toolkit, "find_nvcc", lambda: None)
    with pytest.raises(BackendError, match=r"no CUDA compiler nvcc.*CUDA_PATH.*BRAINSLEEP_CACHE"):
        cuda_backend.build(small_network, "7.7")


def test_nvcc_is_found_by_cuda_path_first(monkeypatch, tmp_path):
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin" / "nvcc"
    fake.write_text("#!/bin/sh\n")
    fake.chmod(0o755)
    monkeypatch.setenv("CUDA_PATH", str(tmp_path))
    assert cuda_toolkit.find_nvcc() == str(fake)


def nvidia_smi(tmp_path, monkeypatch, text):
    """Put a program in the place of nvidia-smi."""
    fake = tmp_path / "nvidia-smi"
    fake.write_text(f"#!{sys.executable}\n{text}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))


def test_without_a_driver(monkeypatch, tmp_path, small_network):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackendError, match=r"no NVIDIA driver.*brainsleep build"):
        make_backend("cuda", small_network)


def test_a_driver_without_a_gpu(monkeypatch, tmp_path):
    nvidia_smi(tmp_path, monkeypatch, "print('No devices were found'); raise SystemExit(6)")
    with pytest.raises(BackendError, match=r"no GPU \(No devices were found\)"):
        cuda_toolkit.gpu()


def test_the_gpu_is_the_first_that_programs_may_use(monkeypatch, tmp_path):
    nvidia_smi(
        tmp_path,
        monkeypatch,
        "import sys; print('B, 9.0' if '--id=1' in sys.argv else 'A, 8.0\\nB, 9.0')",
    )
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert cuda_toolkit.gpu() == ("A", "8.0")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,0")
    assert cuda_toolkit.gpu() == ("B", "9.0")


@needs_nvcc
@pytest.mark.parametrize("wrong", ["3.5", "1.0"])
def test_capability_that_the_compiler_does_not_know(wrong, small_network):
    with pytest.raises(BackendError, match=f"got {wrong}; expected one that nvcc.*9.0"):
        cuda_backend.build(small_network, wrong)


@pytest.mark.parametrize("wrong", ["nine", "9", "sm_90", ""])
def test_what_is_not_a_capability(wrong, small_network):
    with pytest.raises(BackendError, match=r"MAJOR.MINOR such as 9.0"):
        cuda_backend.build(small_network, wrong)


@needs_nvcc
def test_a_program_that_was_built_needs_neither_compiler_nor_brian2cuda(monkeypatch, small_network):
    built = cuda_backend.build(small_network, "9.0")
    monkeypatch.setattr(cuda_toolkit, "find_nvcc", lambda: None)
    monkeypatch.setattr(cuda_toolkit, "find_spec", lambda name: None)
    assert cuda_backend.build(small_network, "9.0") == built


def test_without_brian2cuda(monkeypatch, small_network, tmp_path):
    monkeypatch.setattr(cuda_toolkit, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'brainsleep\[cuda\]'"):
        cuda_backend.generate(small_network, tmp_path)


def test_functions_that_draw_otherwise_are_refused(tmp_path):
    model = dataclasses.replace(POISSON, name="counted", threshold="poisson(rate*dt) > 0")
    spec = NetworkSpec(name="counted", populations=(Population(name="input", size=1, model=model),))
    with pytest.raises(BackendError, match=r"poisson\(\).*rand\(\).*--backend cpp"):
        cuda_backend.generate(spec, tmp_path)


def test_what_depends_on_the_order_of_spikes_is_refused(tmp_path):
    coupled = SynapseModel(name="coupled", on_pre="i_syn_post += w*i_syn_pre")
    spec = NetworkSpec(
        name="coupled",
        populations=(
            Population(name="input", size=1, model=POISSON),
            Population(name="e", size=3, model=LIF),
        ),
        projections=(
            Projection(
                name="ee",
                source="e",
                target="e",
                synapse=coupled,
                weights=InitialWeights(low=1.0),
                w_max=2.0,
            ),
        ),
    )
    with pytest.raises(BackendError, match="depends on their order"):
        cuda_backend.generate(spec, tmp_path)


def test_names_with_capital_letters_never_come_to_a_program():
    with pytest.raises(SpecError, match="lower-case"):
        Population(name="Input", size=1, model=POISSON)


def test_hooks_are_refused(small_network):
    with pytest.raises(BackendError, match="cannot call Python"):
        make_backend("cuda", small_network, hooks={"on_sleep": print})


def test_cuda_runs_have_an_address_of_their_own():
    assert backend_identity("cuda") != backend_identity("cpp")


@pytest.mark.long
@needs_compiler
def test_a_program_that_fails_says_so_and_is_replaced(backend, replicas, monkeypatch):
    expected = [bits(one) for one in backend.advance_replicas(*replicas)]
    backend._process._process.kill()
    backend._process._process.wait()
    assert [bits(one) for one in backend.advance_replicas(*replicas)] == expected
    write = backend._process._write

    def truncated(name, parts):
        write(name, parts)
        with open(backend._process._path(name), "r+b") as file:
            file.truncate(100)

    monkeypatch.setattr(backend._process, "_write", truncated)
    with pytest.raises(SimulationError, match=r"cuda: .*code 3.*truncated"):
        backend.advance_replicas(*replicas)
    monkeypatch.undo()
    assert [bits(one) for one in backend.advance_replicas(*replicas)] == expected


@needs_compiler
def test_values_that_are_no_numbers(backend, small_network):
    segment = make_segment(small_network, np.zeros((1, 30)), [10])
    state = initial_state(small_network, 7)
    broken = state.updated(e__v=np.full(20, np.nan))
    whole, failed = backend.advance_replicas([state, broken], [segment] * 2, [0, 0])
    assert bits(whole) == bits(backend.advance(state, segment, 0))
    assert isinstance(failed, SimulationError)
    with pytest.raises(SimulationError, match=r"e.v: 20 of 20 values are not finite"):
        backend.advance(broken, segment, 0)


@needs_compiler
def test_a_lone_population():
    """No synapses: no team has to wait."""
    spec = lone_neurons(LIF, 40)
    backend = emulated(spec)
    assert (backend.directory / "kernel.cuh").read_text().count("TEAM_SYNC") == 1
    start = initial_state(spec, 0).updated(e__i_syn=np.linspace(0, 3, 40))
    segment = make_segment(spec, np.full((2, 1), EVERY_STEP), [100, 57], raster=True)
    reference = make_backend("numpy", spec).advance(start, segment, 0)
    assert_same(reference, backend.advance(start, segment, 0), rtol=1e-9)


# -- brainsleep build --------------------------------------------------------------------------


@pytest.mark.long
@needs_nvcc
def test_build_makes_a_folder_that_is_a_cache(call, monkeypatch, tmp_path):
    monkeypatch.setenv("BRAINSLEEP_CACHE", str(tmp_path / "usual"))
    out = tmp_path / "programs"
    words = ("build", "demo", "--backend", "cuda", "--compute-capability", "9.0", "--out", str(out))
    code, printed, _ = call(*words)
    folder = Path(printed.strip())
    assert code == 0 and folder.parent == out / "programs"
    assert (folder / "main").exists() and not (tmp_path / "usual").exists()
    # elsewhere: no compiler, no brian2cuda, but a GPU
    monkeypatch.setenv("BRAINSLEEP_CACHE", str(out))
    monkeypatch.setattr(cuda_backend, "gpu", lambda: ("none", "9.0"))
    monkeypatch.setattr(cuda_toolkit, "find_nvcc", lambda: None)
    monkeypatch.setattr(cuda_toolkit, "find_spec", lambda name: None)
    network = load_protocol("demo").network
    assert make_backend("cuda", network).directory == folder


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--backend", "numpy"), "cpp or cuda"),
        (("--backend", "cpp", "--compute-capability", "9.0"), "none with --backend cpp"),
        (("--compute-capability", "nine"), "MAJOR.MINOR"),
        (("--model", "sg_snn"), "torch: nothing to compile"),
    ],
)
def test_build_says_what_is_wrong(call, words, says):
    code, printed, said = call("build", "paper", *words)
    assert code == 2 and not printed and says in said and "Traceback" not in said


@needs_compiler
@pytest.mark.standalone
def test_build_for_cpp(call):
    code, printed, _ = call("build", "demo", "--backend", "cpp")
    network = load_protocol("demo").network
    assert code == 0 and make_backend("cpp", network).directory == Path(printed.strip())


# -- on a GPU ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gpu(small_network):
    return make_backend("cuda", small_network)


@needs_gpu
def test_gpu_same_spikes_and_weights(gpu, small_backends, small_network):
    segment = wake_sleep_wake(small_network, EVERY_STEP, noise=0.0)
    state = initial_state(small_network, 7)
    reference = small_backends("numpy").advance(state, segment, 1)
    assert_same(reference, gpu.advance(state, segment, 1), rtol=1e-9)


@needs_gpu
def test_gpu_replicas_and_blocks(gpu, replicas, monkeypatch):
    expected = [bits(gpu.advance(*one)) for one in zip(*replicas, strict=True)]
    assert [bits(one) for one in gpu.advance_replicas(*replicas)] == expected
    monkeypatch.setattr(gpu, "_blocks", lambda replicas: (3, 1))
    assert [bits(one) for one in gpu.advance_replicas(*replicas)] == expected


@needs_gpu
def test_gpu_agrees_with_the_emulator_in_what_is_drawn(gpu, backend, replicas):
    """The same numbers are drawn; the spikes of the input are the same ones."""
    for ours, theirs in zip(
        gpu.advance_replicas(*replicas), backend.advance_replicas(*replicas), strict=True
    ):
        np.testing.assert_array_equal(ours[1].counts["input"], theirs[1].counts["input"])


@needs_gpu
@pytest.mark.parametrize("rate", [300.0])
def test_gpu_agrees_statistically(gpu, small_backends, small_network, rate):
    segment = wake_sleep_wake(small_network, rate, noise=1.0)
    state, seeds = initial_state(small_network, 7), range(24)
    ours = gpu.advance_replicas([state] * 24, [segment] * 24, list(seeds))
    theirs = [small_backends("numpy").advance(state, segment, seed) for seed in seeds]
    for name in ("input", "e", "i"):
        one, other = (
            np.array([r.counts[name].sum() for _, r in runs], float) for runs in (ours, theirs)
        )
        error = np.sqrt((one.var(ddof=1) + other.var(ddof=1)) / len(one))
        assert abs(one.mean() - other.mean()) < 4.5 * error, name

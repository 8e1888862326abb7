"""Fixtures: small networks whose outcome can be worked out, and a build cache of the tests' own."""

import dataclasses
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from brian2 import ms

from brainsleep.backends.base import make_backend
from brainsleep.backends.brian import context
from brainsleep.backends.cpp.build import find_compiler
from brainsleep.backends.cuda import backend as cuda_backend
from brainsleep.backends.cuda.toolkit import find_nvcc
from brainsleep.cli import app
from brainsleep.experiment.protocol import Protocol
from brainsleep.experiment.record import Record
from brainsleep.experiment.schedule import Schedule, sleep
from brainsleep.models.inputs import POISSON
from brainsleep.models.lif import ADAPTIVE_LIF, CURRENT
from brainsleep.models.massey2026 import recurrent_network
from brainsleep.models.sleep import DECAY_GROUP, DECAY_NEURON, MEMBRANE_NOISE
from brainsleep.models.stdp import STDP_NEAREST, STDP_NEAREST_REVERSED
from brainsleep.network.spec import (
    Connectivity,
    InitialWeights,
    NetworkSpec,
    Population,
    Projection,
    SynapseModel,
)
from brainsleep.run.segment import Capacity, Segment
from brainsleep.run.state import initial_state
from brainsleep.tasks.images.encoders import RateEncoder
from brainsleep.tasks.images.task import Data, Images

# Examples take as long as the machine is slow; in CI they are the same every time.
hypothesis.settings.register_profile("brainsleep", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("brainsleep")

#: Files that take minutes: one that is begun last leaves the other processes without work.
LONG = """
test_sweep test_docs test_parity test_faults test_howto test_process_state test_settled test_cuda
test_surrogate test_simulate_many test_stages test_properties test_run test_protocols test_cache
test_report
""".split()

#: One input spike in every neuron with this rate and the time step of 1 ms: probability 1.
EVERY_STEP = 1000.0

#: A run of a fraction of a second, with everything that can be recorded.
TINY = Protocol(
    name="tiny",
    network=recurrent_network(
        STDP_NEAREST_REVERSED,
        neuron=ADAPTIVE_LIF,
        w_ei=0.4,
        lr_ie=8e-4,
        n_inputs=64,
        n_excitatory=30,
        n_inhibitory=10,
    ),
    task=Images(
        data=Data(n_train=12, n_readout=40, n_test=40),
        encoder=RateEncoder(size=(8, 8), total=14.0),
    ),
    schedule=Schedule(image_duration=50 * ms, period=200 * ms, sleep=sleep(0.5, noise=1, decay=1)),
    record=Record(raster=(3, 6), snapshots=(6,)),
).override({"network.projections.input_e.weights.low": 2.0})

#: Compiler flags with which Cython's code is compiled fast, not to be fast.
FAST_FLAGS = ["-w", "-O0", "-g0", "-std=c++11"]

#: The backend of tests that ask for a run, and not how: a program that is compiled once.
QUICK = "cpp" if find_compiler() else "numpy"

needs_compiler = pytest.mark.skipif(find_compiler() is None, reason="no C++ compiler")
needs_brian2cuda = pytest.mark.skipif(
    find_spec("brian2cuda") is None, reason="needs brian2cuda: pip install 'brainsleep[cuda]'"
)
needs_nvcc = pytest.mark.skipif(find_nvcc() is None, reason="no CUDA compiler nvcc")

#: Those on which every capability is shown; the costliest on request.
BACKENDS = [
    "numpy",
    pytest.param("cython", marks=[pytest.mark.slow, pytest.mark.long, needs_compiler]),
    pytest.param("cpp", marks=[pytest.mark.standalone, needs_compiler]),
]

ROOT = Path(__file__).resolve().parents[1]
TESTS = str(ROOT / "tests")
EMULATOR = ROOT / "tests" / "cuda_emulator" / "emulator.h"


def emulated(spec, flags=("-O1", "-w")):
    """The `cuda` backend of a network, its program compiled for one CPU core (no GPU, no nvcc)."""

    def compile_program(folder, number):
        command = [find_compiler(), "-x", "c++", "-std=c++17", *flags, "-I."]
        command += ["-include", str(EMULATOR), "segments.cu", "-o", "main"]
        subprocess.run(command, cwd=folder, check=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cuda_backend, "gpu", lambda: ("emulator", "0.0"))
        patch.setattr(cuda_backend, "architecture", lambda capability: "00")
        patch.setattr(cuda_backend, "compile_program", compile_program)
        return make_backend("cuda", spec, capacity=SMALL_CAPACITY)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    """Compare figures with the images that were accepted, where pytest-mpl is installed."""
    if hasattr(config.option, "mpl"):
        config.option.mpl = True


def shown_on_numpy(items):
    """Tests of parts and models in a compiled program that are the same on NumPy, too."""
    names = {item.nodeid for item in items}
    return [
        item
        for item in items
        if item.path.parent.name in ("network", "published")
        and "cpp" in item.name.partition("[")[2]
        and item.nodeid.replace("cpp", "numpy") in names
    ]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Where several processes share the files, begin with those that take longest.

    What is `long` is skipped but on request.
    """
    for item in shown_on_numpy(items):
        item.add_marker("long")
    if not os.environ.get("BRAINSLEEP_LONG"):
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="long: on request, BRAINSLEEP_LONG=1"))
    if hasattr(config, "workerinput"):
        place = {name: k for k, name in enumerate(LONG)}
        items.sort(key=lambda item: place.get(item.path.stem, len(LONG)))


@pytest.fixture(scope="session", autouse=True)
def build_cache(tmp_path_factory):
    """Compile into a folder of the test session, which its processes share, not the user's cache.

    What Cython makes is compiled fast, not to be fast.
    """
    folder = tmp_path_factory.getbasetemp()
    folder = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINSLEEP_CACHE", str(folder / "build_cache"))
        patch.setitem(context._LISTS, "codegen.cpp.extra_compile_args", FAST_FLAGS)
        yield


def make_segment(spec, stimulus, steps=None, *, kind="wake", onset=None, raster=False, **gates):
    """A segment with the same gates in every slot; gates not named are closed but the input."""
    stimulus = np.asarray(stimulus, dtype=float)
    n = len(stimulus)
    values = dict.fromkeys(spec.gates, 0.0) | {"input": 1.0} | gates
    return Segment(
        steps=np.ones(n, np.int64) if steps is None else np.asarray(steps, np.int64),
        stimulus=stimulus,
        gates={name: np.broadcast_to(float(value), n).copy() for name, value in values.items()},
        onset=np.arange(n) == 0 if onset is None else np.asarray(onset),
        phase=np.full(n, kind),
        raster=np.full(n, raster),
    )


def advanced(network, backend, *pieces, **gates):
    """The state after segments of some steps from the start, and how often each neuron spiked."""
    state, start, counts = initial_state(network, 1), 0, {}
    advance = make_backend(backend, network).advance
    for steps in pieces:
        segment = make_segment(network, np.zeros((1, 0)), [steps], **gates)
        state, recording = advance(state, dataclasses.replace(segment, start=start), 1)
        for name, count in recording.counts.items():
            counts[name] = counts.get(name, 0) + count.sum(axis=0)
        start += steps
    return state, counts


def assert_same_bits(one, other):
    """Assert that two states have the same arrays, to the last bit."""
    assert one.arrays.keys() == other.arrays.keys()
    for name, values in one.arrays.items():
        assert values.tobytes() == other.arrays[name].tobytes(), name


def spike_pairs(rule, n, *, processes=(), w=1.0, w_min=1e-3, w_max=5.0):
    """Input neurons, all connected with each other, whose spike times the stimulus sets exactly."""
    return NetworkSpec(
        name="pairs",
        populations=(Population(name="input", size=n, model=POISSON),),
        projections=(
            Projection(
                name="pairs",
                source="input",
                target="input",
                synapse=SynapseModel(name="silent", on_pre=""),
                weights=InitialWeights(low=w),
                w_min=w_min,
                w_max=w_max,
                rules=(rule,) if rule else (),
                processes=processes,
            ),
        ),
    )


def lone_neurons(model, n=1):
    """Neurons of `model` without any synapses, beside an input that is not connected."""
    return NetworkSpec(
        name="lone",
        populations=(
            Population(name="input", size=1, model=POISSON),
            Population(name="e", size=n, model=model),
        ),
    )


@pytest.fixture(scope="session")
def small_network():
    """Every kind of part in one small network: used for parity between backends."""
    rule = STDP_NEAREST.with_parameters(lr=0.02)
    own, common = (
        dataclasses.replace(process.with_parameters(tau_w=200 * ms), period=10 * ms)
        for process in (DECAY_NEURON, DECAY_GROUP)
    )
    lif = ADAPTIVE_LIF.with_parameters(tau_m=10 * ms, tau_syn=5 * ms)

    def projection(name, source, target, p, w, sign=1):
        return Projection(
            name=name,
            source=source,
            target=target,
            synapse=CURRENT,
            connectivity=Connectivity(p=p),
            weights=InitialWeights(low=0.5 * w, high=1.5 * w),
            w_min=0.01,
            w_max=20.0,
            sign=sign,
            rules=(rule,),
            processes=(common if name == "ee" else own,),
        )

    noise = (MEMBRANE_NOISE,)
    return NetworkSpec(
        name="small",
        populations=(
            Population(name="input", size=30, model=POISSON),
            Population(name="e", size=20, model=lif, activities=noise),
            Population(name="i", size=5, model=lif, activities=noise),
        ),
        projections=(
            projection("input_e", "input", "e", 0.5, 3.0),
            projection("ee", "e", "e", 0.3, 1.0),
            projection("ei", "e", "i", 0.5, 2.0),
            projection("ie", "i", "e", 0.5, 1.0, sign=-1),
        ),
    )


SMALL_CAPACITY = Capacity(slots=64, steps=4096)


@pytest.fixture(scope="session")
def small_backends(small_network):
    """Backends of the small network by name, each made once; ``cuda`` is emulated."""
    made = {}

    def get(name):
        if name == "cuda" and name not in made:
            made[name] = emulated(small_network)
        if name not in made:
            made[name] = make_backend(name, small_network, capacity=SMALL_CAPACITY)
        return made[name]

    return get


@pytest.fixture
def interrupting(monkeypatch):
    """Have every segment leave a checkpoint; give what interrupts a run when it is told so often.

    What it was told is in its ``told``.
    """
    monkeypatch.setattr("brainsleep.run.replicas.CHECKPOINT_EVERY", 0.0)
    monkeypatch.setattr("brainsleep.run.replicas.CHECKPOINT_SPARING", 0.0)

    def after(times):
        def progress(done, total, text):
            progress.told.append(text)
            if len(progress.told) == times:
                raise KeyboardInterrupt

        progress.told = []
        return progress

    return after


@pytest.fixture
def call(capsys, monkeypatch):
    """Run the command line in this process; return exit code, stdout, stderr."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["brainsleep", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            app.main()
        captured = capsys.readouterr()
        return stop.value.code, captured.out, captured.err

    return run


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The package's wheel, built from a copy, so that no stale build folder can add to it."""
    tree = tmp_path_factory.mktemp("tree")
    for folder in ("brainsleep", "models", "protocols", "figures"):
        shutil.copytree(
            ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__", ".*")
        )
    for path in ROOT.iterdir():
        if path.is_file() and not path.name.startswith("."):
            shutil.copy(path, tree)
    out = tree / "wheels"
    command = [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [*command, "--no-index", "--wheel-dir", str(out)], cwd=tree, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (built,) = out.glob("brainsleep-*.whl")
    return built

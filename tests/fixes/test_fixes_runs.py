"""The fixes of what goes wrong in runs, with results, in commands and with programs."""

import contextlib
import dataclasses
import functools
import shutil
import tempfile
import types
from pathlib import Path

import numpy as np
import pandas
import pytest
from brian2 import ms
from conftest import QUICK, TINY, lone_neurons, make_segment
from fix_table import carry_out, command, rows

from brainsleep.analysis.effects import beta_regression
from brainsleep.backends.base import make_backend
from brainsleep.backends.cpp import cache
from brainsleep.backends.cpp.build import find_compiler
from brainsleep.backends.cuda.toolkit import gpu
from brainsleep.cli.figure import figure_of
from brainsleep.cli.new_study import new_study
from brainsleep.cli.sweep_options import Where
from brainsleep.errors import FigureError
from brainsleep.experiment.protocol import load_protocol
from brainsleep.experiment.schedule import sleep
from brainsleep.export.export import export
from brainsleep.files.atomic import written_for
from brainsleep.models.inputs import POISSON
from brainsleep.models.lif import LIF
from brainsleep.network.models import NeuronModel, WeightProcess
from brainsleep.network.spec import (
    InitialWeights,
    NetworkSpec,
    Population,
    Projection,
    SynapseModel,
)
from brainsleep.results.result import Result
from brainsleep.results.store import as_stored, check_writable, read_result, write_result
from brainsleep.results.table import choose
from brainsleep.run.compare import test_rate as rate_of
from brainsleep.run.simulate import simulate
from brainsleep.run.state import initial_state
from brainsleep.sweep import cluster

SHORT = TINY.override({"data.n_train": 2, "data.n_readout": 0, "data.n_test": 0,
                       "record.raster": ()})  # fmt: skip


pytestmark = [
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),  # of what is to overflow
    pytest.mark.filterwarnings("ignore::ResourceWarning:distributed"),  # of a queue that is refused
    pytest.mark.filterwarnings("ignore:Maximum Likelihood optimization failed"),
]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@functools.cache
def finished(n_test=0, raster=()):
    """A short run, kept for all rows."""
    protocol = SHORT.override({"data.n_test": n_test, "record.raster": raster})
    return simulate(protocol, backend=QUICK, out=tempfile.mkdtemp())


def ended():
    """A run that an alarm ended."""
    info, alarm = {"run_id": "0123456789abcdef"}, {"text": "runaway: e fires at 300 Hz"}
    return types.SimpleNamespace(metrics={}, stopped=alarm, info=info)


def own_copy():
    """The folder of a short run that may be spoilt."""
    path = Path("results") / finished().path.name
    shutil.copytree(finished().path, path, dirs_exist_ok=True)
    return path


def damaged():
    path = own_copy()
    (path / "arrays.npz").write_bytes(b"none")
    return read_result(path)


def unreadable():
    """Arrays that were damaged after the result was looked at."""
    result = read_result(own_copy())
    (result.path / "arrays.npz").write_bytes(b"none")
    return result.arrays


def of_another_version():
    """A result whose protocol this version cannot make."""
    result = finished()
    described = {**result.info["protocol"], "name": 3}
    return Result(result.path, result.info | {"protocol": described})


def run_again():
    found = simulate(SHORT, backend=QUICK, out="results", force=True)
    assert read_result(found.path).arrays


def by_hand():
    """A result that somebody else has written, which holds other things."""
    own_copy()
    result = read_result("results/" + finished().path.name)
    wrong = types.SimpleNamespace(path=result.path, info={})
    with as_stored(wrong):
        return wrong.info["protocol"]


def take_away():
    shutil.rmtree(own_copy())
    assert not list(Path("results").iterdir())


def written(name, text):
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text, encoding="utf-8")
    return name


def write(out):
    found = finished()
    return write_result(Path(out), "0123456789abcdef", dict(found.info), found.arrays)


def anew(place):
    written("file", "")
    return new_study(place)


def drawn_by(**names):
    module = types.SimpleNamespace(**names)
    return figure_of(module, "mine")


def to_file(path):
    written("file", "")
    with written_for("figure file", Path(path), FigureError) as temporary:
        temporary.write_bytes(b"")


def without_conditions(*words):
    written("mine.py", "from test_fixes_runs import SHORT as PROTOCOL\n")
    said = command(*words, "mine.py", "--backend", "numpy", "--out", "out")
    if words == ("run",):
        assert read_result(said.split()[-1]).metrics["wake_s"] > 0
    return said


def runs(**columns):
    """A table of runs, two fractions of sleep and a few seeds, other columns as given."""
    frame = [
        {"model": "m", "data": d, "sleep_fraction": f, "seed": s, "backend": "cpp"}
        for d in ("digits",)
        for f in (0.0, 0.2)
        for s in range(6)
    ]
    frame = pandas.DataFrame(frame)
    frame["accuracy"] = 0.5 + 0.1 * frame["sleep_fraction"] + 0.01 * (frame["seed"] % 3)
    return frame.assign(**columns)


def regressed(frame, *where):
    pytest.importorskip("statsmodels")
    beta_regression(choose(frame, dict(each.split("=") for each in where)), "accuracy")


STOPPED = runs(stopped_s=[3.0] + [float("nan")] * 11)
OTHERS = pandas.concat([runs(**{"set.data.n_train": "10"}), runs(**{"set.data.n_train": "20"})])
TWICE = pandas.concat([runs(), runs(backend="numpy")])


def noted(frame):
    pytest.importorskip("statsmodels")
    return beta_regression(frame, "accuracy").note


def hurried(frame):
    """The same of a fit that is given one iteration."""
    model = pytest.importorskip("statsmodels.othermod.betareg").BetaModel
    fit = model.fit
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model, "fit", lambda self, **how: fit(self, maxiter=1, **how))
        return noted(frame)


def advanced(model, dt=1 * ms, n=200):
    network = dataclasses.replace(lone_neurons(model), dt=dt)
    backend = make_backend("numpy", network)
    backend.advance(initial_state(network, 0), make_segment(network, np.zeros((1, 1)), [n]), 0)


def fast(**more):
    """A neuron that Euler's method cannot follow in steps of 1 ms."""
    return NeuronModel(name="fast", equations="dv/dt = -v/tau : 1", parameters={"tau": 0.3 * ms},
                       initial={"v": 1.0}, **more)  # fmt: skip


def programs(place, mode=0o755):
    """Compile something, of which here only the files are written."""
    folder = Path(place)
    if place != "/dev/null/x":
        folder.mkdir(exist_ok=True)
        folder.chmod(mode)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINSLEEP_CACHE", str(folder.resolve()))
        cache.programs().mkdir(exist_ok=True, parents=True) if mode != 0o755 else None
        if mode != 0o755:
            cache.programs().chmod(mode)

        def make(where):
            (where / "main").write_bytes(b"")
            return {}

        return cache.obtain("0" * 16, make, "mine", print)


def compiled_with(compiler, backend="cpp", path=None):
    """Make a backend where the compiler is another."""
    written("compiler", f"#!/bin/sh\nexit {compiler}\n")
    Path("compiler").chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXX", str(Path("compiler").resolve()) if path is None else "missing")
        patch.setenv("BRAINSLEEP_CACHE", str(Path("cache").resolve()))
        if path is not None:
            patch.setenv("PATH", path)
        make_backend(backend, counted("rand() < rate*dt"))


def nvidia_smi(text):
    """Look for a GPU where there is a driver that says something, or none."""
    Path("bin").mkdir(exist_ok=True)
    if text:
        written("bin/nvidia-smi", f"#!/bin/sh\n{text}\n")
        Path("bin/nvidia-smi").chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(Path("bin").resolve()))
        gpu()


def for_cuda(network):
    pytest.importorskip("brian2cuda")
    from brainsleep.backends.cuda.backend import generate

    Path("cuda").mkdir(exist_ok=True)
    generate(network, Path("cuda"))


def counted(threshold):
    model = dataclasses.replace(POISSON, name="counted", threshold=threshold)
    return NetworkSpec(name="c", populations=(Population(name="input", size=1, model=model),))


def many_clocks(n):
    """A network with many weight processes, each with a period of its own."""
    processes = tuple(
        WeightProcess(name=f"p{k}", on_update="w = w", period=(k + 1) * ms) for k in range(n)
    )
    network = coupled("i_syn_post += w")
    (projection,) = network.projections
    return dataclasses.replace(
        network, projections=(dataclasses.replace(projection, processes=processes),)
    )


def coupled(code, **changes):
    synapse = SynapseModel(name="coupled", on_pre=code)
    model = dataclasses.replace(LIF, **changes) if changes else LIF
    return NetworkSpec(
        name="coupled",
        populations=(
            Population(name="input", size=1, model=POISSON),
            Population(name="e", size=3, model=model),
        ),
        projections=(
            Projection(name="ee", source="e", target="e", synapse=synapse, w_max=2.0,
                       weights=InitialWeights(low=1.0)),
        ),
    )  # fmt: skip


def compiled(network):
    """Have the program of a network written, which takes the time of compiling it no further."""
    if find_compiler() is None:
        pytest.skip("no C++ compiler")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINSLEEP_CACHE", str(Path("cache").resolve()))
        patch.setattr(
            "brainsleep.backends.cpp.backend.compile_program", lambda at: (at / "main").touch()
        )
        made = make_backend("cpp", network)
    assert (made.directory / "main").exists()


def on_torch(backend):
    torch = pytest.importorskip("torch")
    pytest.importorskip("snntorch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    make_backend(backend, load_protocol("paper", "sg_snn").network)


def swept(out):
    written("mine.py", "from test_fixes_runs import SHORT as PROTOCOL\n")
    from brainsleep.sweep.grid import Grid
    from brainsleep.sweep.run import SweepRun

    SweepRun(Grid(name="g", protocol="mine.py", backend="numpy").rows(), Path(out))


def status(out):
    return command("sweep", "status", out)


def many_workers(**where):
    Where(**where).check()


def queued(*options):
    pytest.importorskip("dask_jobqueue")
    return cluster.job_script("slurm", cluster.job_options([o.split("=") for o in options]))


def reachable(*options):
    """Ask for a queue; there is none here, and that is all that is wrong."""
    pytest.importorskip("dask_jobqueue")
    options = cluster.job_options([option.split("=") for option in options])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "_cluster", lambda *given: contextlib.nullcontext(FakeJobs()))
        patch.setattr("distributed.Client", lambda jobs: contextlib.nullcontext(jobs))
        with cluster.queue("slurm", 1, options) as jobs:
            return jobs.scale(jobs=1)


class FakeJobs:
    def scale(self, jobs):
        self.jobs = jobs


U = LIF.equations + "\ndu/dt = -u/tau_syn : 1"

FIXES = [
    # results
    ("give the folder of a finished run", lambda: read_result("results"),
     lambda: read_result(own_copy())),
    ("run it with --force", damaged, run_again),
    ("run it again with --force", unreadable, run_again),
    ("take it away", by_hand, take_away),
    ("choose another with --out", lambda: check_writable(Path(written("file", "")) / "out"),
     lambda: check_writable(Path("out"))),
    ("free some space or choose another folder with --out", lambda: write(written("file", "")),
     lambda: (Path("out").mkdir(), write("out"))),
    ("set record.raster to (first slot, slot after the last) and run it again",
     lambda: export(finished(), "spikes.csv", "spikes"),
     lambda: export(finished(raster=(0, 2)), "spikes.csv", "spikes")),
    ("match another condition, or set data.n_test above 0", lambda: rate_of(finished(), "e"),
     lambda: rate_of(finished(n_test=4), "e")),
    ("match another condition, or let it run to its end", lambda: rate_of(ended(), "e"),
     lambda: rate_of(finished(n_test=4), "e")),
    ("name another place", lambda: to_file("file/a.png"), lambda: to_file("folder/a.png")),
    ("make a changed copy with .with_parameters(), or dataclasses.replace()",
     lambda: LIF.parameters.update(tau_m=3 * ms), lambda: LIF.with_parameters(tau_m=3 * ms)),
    ("make a changed copy with .with_parameters(), or dataclasses.replace()",
     lambda: sleep(0.2, noise=1).gates.update(noise=0.5),
     lambda: dataclasses.replace(sleep(0.2, noise=1), gates={"noise": 0.5})),
    # simulations
    ("lower dt or a learning rate, or bound the variable", lambda: advanced(fast(), n=2000),
     lambda: (advanced(fast(), dt=0.1 * ms, n=2000),
              advanced(fast(on_step="v = clip(v, -1, 1)"), n=2000))),
    # results
    ("read it as stored_protocol", lambda: of_another_version().protocol,
     lambda: of_another_version().stored_protocol.network.name),
    # tables
    ("let them finish, or leave them out with --where stopped_s=nan", lambda: regressed(STOPPED),
     lambda: (regressed(STOPPED, "stopped_s=nan"), regressed(runs()))),
    ("choose with --where {}={}", lambda: regressed(OTHERS),
     lambda key, value: regressed(OTHERS, f"{key}={value}")),
    ("choose with --where{}", lambda: regressed(TWICE),
     lambda text: regressed(TWICE, text.removeprefix(", for example "))),
    ("every fraction is needed for every model, and more than one seed",
     lambda: regressed(runs()[runs()["seed"] == 0]), lambda: regressed(runs())),
    ("more seeds help", lambda: hurried(runs()), lambda: noted(runs())),
    # commands
    ("choose another name", lambda: anew("."), lambda: anew("nap")),
    ("choose another place", lambda: anew("file/nap"), lambda: anew("studies/nap")),
    ("name one as FIGURE beside CONDITIONS", lambda: drawn_by(),
     lambda: drawn_by(FIGURE="weights")),
    ("use 'brainsleep run'", lambda: without_conditions("compare"),
     lambda: without_conditions("run")),
    ("give the folder of results of one", lambda: status("out"),
     lambda: (swept("out"), status("out"))[1]),
    ("give one", lambda: many_workers(workers=2, queue="slurm"),
     lambda: many_workers(workers=2)),
    ("such as :8787", lambda: cluster.loopback("here"), lambda: cluster.loopback(":8787")),
    ("name the network with --job interface=ib0 (see 'ip link') or the address with "
     "--job host=ADDRESS", lambda: reachable("walltime=1"),
     lambda: (reachable("host=127.0.0.1"), reachable("interface=ib0"))),
    ("--job takes what dask_jobqueue.{} takes", lambda: queued("cores=many"),
     lambda kind: (queued("cores=2"), hasattr(pytest.importorskip("dask_jobqueue"), kind))),
    # programs
    ("set BRAINSLEEP_CACHE to a folder that can be written", lambda: programs("/dev/null/x"),
     lambda: programs("mine")),
    ("set BRAINSLEEP_CACHE to a folder of your own, since programs in it are run",
     lambda: programs("shared", mode=0o777), lambda: programs("mine")),
    ("check the equations, or try --backend {}", lambda: compiled_with(1),
     lambda backend: compiled_with(1, backend)),
    *(
        (fix, lambda text=text: nvidia_smi(text), lambda _: nvidia_smi("echo A, 9.0"))
        for fix, text in (
            ("install the driver of the GPU, {}", ""),
            ("look at nvidia-smi, {}", "echo No devices were found"),
        )
    ),
    ("install one (Debian: apt install g++, macOS: xcode-select --install) or use --backend numpy",
     lambda: compiled_with(0, path=""), lambda: compiled_with(0, "numpy", path="")),
    ("draw with rand() or randn(), or use --backend cpp",
     lambda: for_cuda(counted("poisson(rate*dt) > 0")),
     lambda: (for_cuda(counted("rand() < rate*dt")), compiled(counted("poisson(rate*dt) > 0")))),
    ("use --backend cpp", lambda: for_cuda(many_clocks(40)), lambda: compiled(many_clocks(40))),
    ("use two variables, or --backend cpp", lambda: for_cuda(coupled("i_syn_post += w*i_syn_pre")),
     lambda: for_cuda(coupled("u_post += w*i_syn_pre", equations=U))),
    ("use --backend torch", lambda: on_torch("torch-cuda"), lambda: on_torch("torch")),
]  # fmt: skip


@pytest.mark.parametrize("fix, broken, mended", rows(FIXES))
def test_fix(fix, broken, mended):
    carry_out(fix, broken, mended)

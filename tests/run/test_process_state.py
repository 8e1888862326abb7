"""What a session or a file has set in Brian2 changes no result, and is as before afterwards."""

import json
import os
import subprocess
import sys

import brian2
import pytest
from brian2.codegen.runtime.cython_rt.extension_manager import cython_extension_manager
from conftest import TESTS, needs_compiler

from brainsleep.backends.brian import context

PREFERENCES = """
core.default_float_dtype = float32
core.network.default_schedule = ['start', 'groups', 'thresholds', 'resets', 'synapses', 'end']
codegen.target = 'numpy'
codegen.loop_invariant_optimisations = False
codegen.cpp.extra_compile_args = ['-w', '-O0']
codegen.generators.cpp.flush_denormals = True
codegen.runtime.cython.cache_dir = '{cache}'
devices.cpp_standalone.openmp_threads = 2
legacy.refractory_timing = True
"""

#: Runs a protocol in a session that has set nothing, or much; prints what there was afterwards.
SESSION = """
import dataclasses, hashlib, json, sys
import brian2
from brian2 import ms, mV

backend, odd = sys.argv[1], sys.argv[2] == "odd"
if odd:
    brian2.prefs.codegen.cpp.extra_compile_args_gcc += ["-O0"]
    brian2.prefs.codegen.cpp.define_macros += [("exp", "sin")]
    brian2.prefs.codegen.runtime.numpy.discard_units = True
    brian2.defaultclock.dt = 0.5 * ms
    brian2.set_device("cpp_standalone", build_on_run=False, directory="mine")
    group = brian2.NeuronGroup(3, "dv/dt = -v/(10*ms) : 1", threshold="v > 1", reset="v = 0")
    group.v = 0.5

from conftest import FAST_FLAGS, TINY

def state():
    device = brian2.get_device()
    queue = len(getattr(device, "main_queue", ()))
    preferences = {name: repr(value) for name, value in brian2.prefs.items()}
    options = device.build_on_run, device.build_options
    return device, options, queue, preferences, brian2.defaultclock.dt

before = state()
from brainsleep.backends.brian import context

context._LISTS["codegen.cpp.extra_compile_args"] = FAST_FLAGS
from brainsleep.run.simulate import simulate, simulate_many

e = TINY.network.population("e")
e = dataclasses.replace(e, model=dataclasses.replace(e.model, refractory="3*ms"))
network = dataclasses.replace(  # few parts, as each is compiled by itself with Cython
    TINY.network,
    populations=(TINY.network.population("input"), e),
    projections=(TINY.network.projection("input_e"),),
)
protocol = dataclasses.replace(TINY, network=network)
protocol = protocol.override({"data.n_train": 4, "data.n_readout": 6, "data.n_test": 6})
result = simulate(protocol, seed=3, backend=backend, out="results")
several = [result]
if backend == "numpy":
    several = simulate_many([protocol] * 2, seeds=[4, 5], backend=backend, out="results")
assert state() == before, (state(), before)
sums = []
for each in [result, *several]:
    digest = hashlib.sha256()
    for name, array in sorted(each.arrays.items()):
        digest.update(name.encode() + array.tobytes())
    sums.append([each.info["run_id"], digest.hexdigest()])
print(json.dumps(sums))
"""


def session(backend, kind, folder):
    """Run `SESSION` in a folder of its own, with a cold cache; return ids and digests."""
    folder.mkdir()
    (folder / "session.py").write_text(SESSION)
    if kind == "odd":
        preferences = PREFERENCES.format(cache=folder / "cython")
        (folder / "brian_preferences").write_text(preferences)
    paths = [TESTS, os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "session.py", backend, kind],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "BRAINSLEEP_CACHE": str(folder / "cache"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@needs_compiler
def test_a_module_that_other_flags_compiled_is_not_taken(monkeypatch):
    """Brian2 keeps the modules of all sessions of a user by their code alone."""
    codes = []
    monkeypatch.setattr(
        cython_extension_manager, "create_extension", lambda code, **kwds: codes.append(code)
    )
    for flags in (["-O0"], ["-O3"], ["-O3"]):
        monkeypatch.setitem(context._LISTS, "codegen.cpp.extra_compile_args", ["-w", *flags])
        with context.runtime("cython", "float64"):
            group = brian2.NeuronGroup(2, "v : 1", name="group", dt=0.1 * brian2.ms)
            group.run_regularly("v += 1", name="grow")
            brian2.Network(group).run(0 * brian2.ms)
    grow = [code for code in codes if "_array_group_v" in code]
    assert len(grow) == 3 and grow[0] != grow[1] == grow[2]


@pytest.mark.slow
@pytest.mark.parametrize(
    "backend",
    [
        pytest.param("numpy", marks=pytest.mark.long),
        pytest.param("cython", marks=[needs_compiler, pytest.mark.long]),
        pytest.param("cpp", marks=[needs_compiler, pytest.mark.standalone, pytest.mark.long]),
    ],
)
def test_preferences_and_devices_of_a_session_change_no_result(backend, tmp_path):
    plain, odd = (session(backend, kind, tmp_path / kind) for kind in ("plain", "odd"))
    assert odd == plain

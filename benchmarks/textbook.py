"""The same network written for Brian2 as its tutorials teach: traces on synapses, event-driven.

Nothing of this package is in it but the numbers. It runs on Brian2's Cython runtime or, with
Brian2's default compiler flags, as a C++ standalone program.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import brian2 as b2
import numpy as np

from brainsleep.network.spec import NetworkSpec
from brainsleep.run.state import State

_NEURONS = """
dv/dt = (v_rest - v + r*i_syn)/tau_m : volt
di_syn/dt = -i_syn/tau_syn : 1
da/dt = -a/tau_a : volt
"""

_SYNAPSES = """
w : 1
dx/dt = -x/tau_minus : 1 (event-driven)
dy/dt = -y/tau_plus : 1 (event-driven)
"""

_ON_PRE = """
i_syn_post += direction*w*charge/tau_syn
x = 1
w = clip(w + lr*y, w_min, w_max)
"""

_ON_POST = """
y = 1
w = clip(w - lr*x, w_min, w_max)
"""


def network(spec: NetworkSpec, state: State, rates: np.ndarray) -> tuple[b2.Network, dict]:
    """Make the network; return it and its spike counters by population."""
    b2.defaultclock.dt = spec.dt
    given = state.parameters
    units = {"tau_m": b2.second, "tau_syn": b2.second, "tau_a": b2.second, "r": b2.volt}
    units |= dict.fromkeys(("v_rest", "v_reset", "v_threshold", "a_spike"), b2.volt)
    units |= dict.fromkeys(("v_low", "v_high"), b2.volt)
    names = {name: given[f"e.{name}"] * unit for name, unit in units.items()}
    names |= {f"tau_{k}": given[f"e.stdp_nearest_reversed_tau_{k}"] * b2.second for k in _ENDS}
    names |= {"lr": given["ee.stdp_nearest_reversed_lr"], "charge": given["ee.charge"] * b2.second}
    names |= {k: given[f"ee.{k}"] for k in ("w_min", "w_max")}
    groups: dict[str, b2.Group] = {}
    for population in spec.populations:
        if population.name == spec.input:
            group = b2.PoissonGroup(population.size, rates * b2.Hz, name=population.name)
        else:
            group = b2.NeuronGroup(
                population.size,
                _NEURONS,
                threshold="v > v_threshold + a",
                reset="v = v_reset; a += a_spike",
                method="euler",
                namespace=names,
                name=population.name,
            )
            group.v = names["v_rest"]
            group.run_regularly("v = clip(v, v_low, v_high)", when="groups", order=1)
        groups[population.name] = group
    objects = [*groups.values()]
    for projection in spec.projections:
        synapses = b2.Synapses(
            groups[projection.source],
            groups[projection.target],
            _SYNAPSES,
            on_pre=_ON_PRE,
            on_post=_ON_POST,
            namespace={**names, "direction": float(projection.sign)},
            name=projection.name,
        )
        pre, post = state.synapses[projection.name]
        synapses.connect(i=pre, j=post)
        synapses.w = state.weights(projection.name)
        objects.append(synapses)
    counters = {name: b2.SpikeMonitor(group, record=False) for name, group in groups.items()}
    return b2.Network(*objects, *counters.values()), counters


_ENDS = ("plus", "minus")


def run_cython(
    spec, state, rates, wanted: float, repeats: int, cache: Path, an_image: bool
) -> dict:
    """Time the Cython runtime; see `benchmarks.peers`.

    With `an_image`, ``run()`` is called for every image of one second, as scripts that train on
    images do, and Brian2 prepares its objects every time; else only the main loop counts.
    """
    b2.prefs.codegen.target = "cython"
    b2.prefs.codegen.runtime.cython.cache_dir = str(cache / "cython")
    started = time.perf_counter()
    net, counters = network(spec, state, rates)
    net.run(10 * spec.dt, namespace={})
    build = time.perf_counter() - started
    seconds = 1.0 if an_image else max(0.1, round(wanted / _timed(net, 0.2), 1))
    before = {name: int(counter.num_spikes) for name, counter in counters.items()}
    took = []
    for _ in range(repeats):
        begun = time.perf_counter()
        loop = _timed(net, seconds)
        took.append((time.perf_counter() - begun) / seconds if an_image else loop)
    total = seconds * repeats
    spikes = {k: (int(c.num_spikes) - before[k]) / total for k, c in counters.items()}
    return {"wall": took, "spikes": spikes, "build": build, "seconds": seconds}


def _timed(net: b2.Network, seconds: float) -> float:
    """Run and return the wall time of the main loop per biological second, as Brian2 reports it."""
    reported = []
    net.run(
        seconds * b2.second,
        report=lambda elapsed, *_: reported.append(float(elapsed)),
        report_period=1e6 * b2.second,
        namespace={},
    )
    return reported[-1] / seconds


def run_standalone(spec, state, rates, seconds: float, repeats: int, cache: Path) -> dict:
    """Time the C++ standalone program: what Brian2 itself reports of its main loop."""
    folder = cache / f"textbook-{os.getpid()}"
    b2.set_device("cpp_standalone", build_on_run=False)
    net, counters = network(spec, state, rates)
    net.run(seconds * b2.second, namespace={})
    started = time.perf_counter()
    b2.device.build(directory=str(folder), run=False, with_output=False)
    build = time.perf_counter() - started
    took = []
    for _ in range(repeats):
        subprocess.run(["./main"], cwd=folder, stdout=subprocess.DEVNULL, check=True)
        took.append(float((folder / "results/last_run_info.txt").read_text().split()[0]) / seconds)
    spikes = {}
    for name, counter in counters.items():
        file = Path(b2.device.get_array_filename(counter.variables["count"])).name
        spikes[name] = np.fromfile(folder / "results" / file, np.int32).sum() / seconds
    return {
        "wall": took,
        "spikes": spikes,
        "build": build,
        "seconds": seconds,
    }

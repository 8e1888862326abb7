"""Twenty runs of an adopted script against the same runs of Brian2's C++ standalone mode.

    python -m benchmarks.adopted                  # all 20 runs of both
    python -m benchmarks.adopted --standalone 2   # two of Brian2's, and what 20 would take by that

The script is the network of Vogels and Abbott (2005) with current-based synapses, 4000 neurons:
five seeds, four excitatory weights. In Brian2 each run generates, compiles and runs a program of
its own, as a script does that is called twenty times; here one program is compiled for all.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SCRIPT = '''
import sys
from brian2 import *

if __name__ == "__main__" and len(sys.argv) > 1:
    set_device("cpp_standalone", directory=sys.argv[1])
    seed(int(sys.argv[2]))
we = float(sys.argv[3])*mV if len(sys.argv) > 3 else 1.62*mV
wi = -9*mV
taum, taue, taui = 20*ms, 5*ms, 10*ms
Vt, Vr, El = -50*mV, -60*mV, -49*mV
P = NeuronGroup(4000, """dv/dt = (ge + gi - (v - El))/taum : volt (unless refractory)
dge/dt = -ge/taue : volt
dgi/dt = -gi/taui : volt""", threshold="v > Vt", reset="v = Vr", refractory=5*ms, method="exact")
P.v = "Vr + rand()*(Vt - Vr)"
Ce = Synapses(P, P, on_pre="ge += we")
Ci = Synapses(P, P, on_pre="gi += wi")
Ce.connect("i < 3200", p=0.02)
Ci.connect("i >= 3200", p=0.02)
spikes = SpikeMonitor(P)
run(1*second)
print(spikes.num_spikes)
'''

SEEDS, WEIGHTS = range(5), (1.5, 1.62, 1.7, 1.8)


def adopted(script: Path) -> tuple[float, int]:
    """Return the seconds that all runs take here, compiling included, and their spikes."""
    import brainsleep
    from brainsleep.adoption import adopt_script, monitored

    began = time.perf_counter()
    protocol = adopt_script(script)
    key = "network.projections.ce.synapse.we"
    each = [protocol.override({key: f"{we}*mV"}) for we in WEIGHTS for _ in SEEDS]
    seeds = [seed for _ in WEIGHTS for seed in SEEDS]
    with tempfile.TemporaryDirectory() as cache:
        os.environ["BRAINSLEEP_CACHE"] = cache  # nothing was compiled before
        out = Path(cache) / "results"
        results = brainsleep.simulate_many(each, seeds=seeds, backend="cpp", out=out)
        seconds = time.perf_counter() - began
        spikes = sum(len(monitored(result, "spikes").i) for result in results)
    return seconds, spikes


def standalone(script: Path, runs: int) -> float:
    """Return the seconds that some of the runs take in Brian2's C++ standalone mode."""
    settings = [(seed, we) for we in WEIGHTS for seed in SEEDS][:runs]
    began = time.perf_counter()
    for seed, we in settings:
        with tempfile.TemporaryDirectory() as folder:
            words = [sys.executable, str(script), folder, str(seed), str(we)]
            subprocess.run(words, check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    """Run both; print seconds and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--standalone", type=int, default=20, help="of Brian2's runs, how many")
    chosen = parser.parse_args()
    total = len(SEEDS) * len(WEIGHTS)
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "cuba.py"
        script.write_text(SCRIPT)
        ours, spikes = adopted(script)
        print(f"adopted, {total} runs: {ours:.1f} s, {spikes} spikes")
        theirs = standalone(script, chosen.standalone)
        whole = theirs * total / chosen.standalone
        print(
            f"Brian2 standalone, {chosen.standalone} runs: {theirs:.1f} s; {total}: {whole:.1f} s"
        )
        print(f"adopted takes {ours / whole:.2f} of the time")


if __name__ == "__main__":
    main()

"""Run scripts in plain Brian2, each in a process of its own, and keep what their monitors have.

``python plain_runs.py FOLDER SCRIPT:SEED ...`` writes ``FOLDER/NAME-SEED.npz`` for each. Arrays are
``NAME/i``, ``NAME/t``, ``NAME/rate`` and ``NAME/values/VARIABLE``, for each name that a monitor has
in Brian2; ``names`` are pairs of such a name and the name of a variable of the script.
"""

import contextlib
import os
import runpy
import sys
import traceback
from pathlib import Path

import brian2
import matplotlib
import numpy as np
from brian2.devices.device import RuntimeDevice

MONITORS = (brian2.EventMonitor, brian2.StateMonitor, brian2.PopulationRateMonitor)


def seeded(seed):
    """Have Brian2's ``seed()`` draw the same seed in every test: `seed`."""
    usual = RuntimeDevice.seed

    def always(self, value=None):
        usual(self, seed if value is None else value)

    RuntimeDevice.seed = always
    brian2.seed(seed)


def arrays_of(monitor):
    """What a monitor has recorded, as plain arrays."""
    if isinstance(monitor, brian2.PopulationRateMonitor):
        return {"t": np.array(monitor.t_), "rate": np.array(monitor.rate_)}
    if isinstance(monitor, brian2.StateMonitor):
        values = {
            f"values/{k}": np.array(getattr(monitor, f"{k}_")) for k in monitor.record_variables
        }
        return {"t": np.array(monitor.t_), **values}
    if not monitor.record:
        return {"count": np.array(monitor.count)}
    more = {k: np.array(getattr(monitor, f"{k}_")) for k in monitor.record_variables}
    values = {f"values/{k}": v for k, v in more.items() if k not in ("i", "t")}
    return {"i": np.array(monitor.i), "t": np.array(monitor.t_), **values}


def run(script, seed, out):
    """Run a script, and write what came of it."""
    made = []
    for kind in MONITORS:
        usual = kind.__init__

        def noted(self, *args, usual=usual, **kwds):
            usual(self, *args, **kwds)
            if not any(self is other for other in made):
                made.append(self)

        kind.__init__ = noted
    seeded(seed)
    with open(os.devnull, "w") as nothing, contextlib.redirect_stdout(nothing):
        variables = runpy.run_path(str(script), run_name="__main__")
    arrays = {f"{m.name}/{k}": v for m in made for k, v in arrays_of(m).items()}
    of = {id(m): m.name for m in made}
    names = [(of[id(v)], k) for k, v in variables.items() if id(v) in of]
    np.savez(out, names=np.array(names, dtype=str).reshape(-1, 2), **arrays)


def main():
    folder, *jobs = sys.argv[1:]
    matplotlib.use("Agg")
    brian2.prefs.codegen.target = "numpy"
    failed = []
    for job in jobs:
        script, _, seed = job.rpartition(":")
        out = Path(folder) / f"{Path(script).stem}-{seed}.npz"
        child = os.fork()
        if child == 0:
            try:
                run(script, int(seed), out)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        if os.waitpid(child, 0)[1]:
            failed.append(job)
    sys.exit(f"failed in plain Brian2: {failed}" if failed else 0)


if __name__ == "__main__":
    main()

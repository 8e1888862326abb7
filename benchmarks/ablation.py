"""What each change to Brian2's generated program is worth: the program without it.

    python -m benchmarks.ablation

The package is copied, one change is taken back in the copy, and the copy is timed at the paper's
size (wake at about 2 and 60 Hz, sleep) and at 1600+400 neurons (60 Hz). The whole program is timed
again before every variant; a cell is the ratio of the two.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]

_CLIP = "from brian2.codegen.generators.cpp_generator import clip_code\n"

#: Files and (text, replacement) pairs by variant; None as the text removes the file, and Brian2's
#: own template is used.
VARIANTS: dict[str, dict[str, list[tuple[str | None, str]]]] = {
    "Brian2's main loop": {"backends/cpp/templates/network.cpp": [(None, "")]},
    "Brian2's spike queues": {
        **{
            f"backends/cpp/templates/{name}.cpp": [(None, "")]
            for name in ("synapses", "synapses_classes", "synapses_push_spikes")
        },
        "backends/cpp/templates/exchange.cpp": [("in synapses._pathways", "in []")],
        "backends/brian/network.py": [("if large and fit:", "if False:")],
        "backends/cpp/standalone.py": [
            (r'if not re.search(r"_push_spikes(_\d+)?\);$", line)', "if True"),
            (' if f != "brianlib/spikequeue.cpp"', ""),
        ],
    },
    "no list of presynaptic neurons": {
        "backends/cpp/templates/synapses.cpp": [('"pre", "_far[_at]"', '"pre", ""')]
    },
    "nothing put off": {"backends/brian/network.py": [("if large and fit:", "if False:")]},
    "Brian2's thresholds": {"backends/cpp/templates/threshold.cpp": [(None, "")]},
    "draws within the loop": {
        "backends/cpp/standalone.py": [("    return kinds, code", "    return [], lines")],
    },
    "Brian2's random numbers": {
        "backends/cpp/standalone.py": [
            ("    return kinds, code", "    return [], lines"),
            ("brainsleep::random_numbers.{_method}()", "brian::_random_generators[0].{_name}()"),
        ],
    },
    "no vector forms of exp, log, pow": {
        "backends/cpp/templates/vector_math.h": [
            ('__attribute__((simd("notinbranch")))', ""),
            ("brainsleep::power((x), (y))", "std::pow((x), (y))"),
        ]
    },
    "the library's pow": {
        "backends/cpp/templates/vector_math.h": [
            ("brainsleep::power((x), (y))", "std::pow((x), (y))")
        ]
    },
    "arrays as they come": {
        "backends/cpp/standalone.py": [("""lines.append('#include "aligned_new.h"')""", "pass")],
    },
    "Brian2's clip": {
        "backends/cpp/standalone.py": [
            ("import re\n", f"import re\n{_CLIP}"),
            ("code=_CLIP,", "code=clip_code,"),
        ]
    },
}  # fmt: skip

_TIMED = """
import json, statistics, sys, time
from dataclasses import replace
import numpy as np
from benchmarks.networks import SIZES, image_rates, network, start, wake
from brainsleep.backends.base import make_backend
size, drive, asleep, slots, repeats = json.loads(sys.argv[1])
spec = network(SIZES[size], drive)
backend, state, rates = make_backend("cpp", spec), start(spec), image_rates(SIZES[size])
def segment(n):
    made = wake(spec, rates, n)
    if asleep:
        gates = {"input": 0.0, "noise": 1.0, "decay": 1.0}
        made = replace(made, gates={**made.gates, **{k: np.full(n, v) for k, v in gates.items()}})
    return made
short, long, took = segment(slots // 5), segment(slots), []
for seed in range(repeats):
    begun = time.perf_counter(); backend.advance(state, short, seed)
    middle = time.perf_counter(); backend.advance(state, long, seed)
    took.append((time.perf_counter() - middle) - (middle - begun))
print(json.dumps(1e3 * statistics.median(took) / (slots - slots // 5)))
"""

#: Size, drive, asleep, slots, repeats of every column.
COLUMNS = {
    "wake, 2 Hz": ("200+50", "low", False, 100, 9),
    "wake, 60 Hz": ("200+50", "high", False, 100, 9),
    "sleep": ("200+50", "low", True, 100, 9),
    "1600+400, 60 Hz": ("1600+400", "high", False, 5, 7),
}


def timed(package: Path, cache: Path, column: tuple) -> float:
    """Time the package in the folder `package`, in ms per biological second."""
    paths = os.pathsep.join((str(package), str(ROOT)))
    done = subprocess.run(
        [sys.executable, "-c", _TIMED, json.dumps(column)],
        cwd=package,  # Python looks there first
        env={**os.environ, "PYTHONPATH": paths, "BRAINSLEEP_CACHE": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return json.loads(done.stdout)


def varied(changes: dict, folder: Path) -> None:
    """Copy the package to `folder` and take back a change."""
    shutil.copytree(ROOT / "brainsleep", folder / "brainsleep")
    for name, pairs in changes.items():
        path = folder / "brainsleep" / name
        for text, replacement in pairs:
            if text is None:
                path.unlink()
                continue
            source = path.read_text()
            if text not in source:
                raise RuntimeError(f"{name}: no longer holds {text!r}; mend benchmarks/ablation.py")
            path.write_text(source.replace(text, replacement))


def main() -> None:
    """Time every variant and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("variants", nargs="*", choices=VARIANTS, metavar="VARIANT")
    chosen = parser.parse_args().variants or list(VARIANTS)
    print("| without | " + " | ".join(COLUMNS) + " |\n|---|" + "---:|" * len(COLUMNS))
    whole: dict[str, list[float]] = {name: [] for name in COLUMNS}
    with tempfile.TemporaryDirectory() as scratch:
        for number, name in enumerate(chosen):
            folder, cells = Path(scratch) / str(number), []
            varied(VARIANTS[name], folder)
            for column, given in COLUMNS.items():
                before = timed(ROOT, Path(scratch) / "cache", given)
                whole[column].append(before)
                cells.append(f"{timed(folder, Path(scratch) / 'cache', given) / before:.2f}")
            print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    cells = [f"{statistics.median(values):.3g} ms/s" for values in whole.values()]
    print("| nothing | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()

"""What a network of 50 000 neurons and 5 million synapses costs before its first step.

    python -m benchmarks.large                        # every wiring, a process each
    python -m benchmarks.large probability distance

Seconds to make the network and to draw its state (wiring, weights, delays, start values), and the
peak memory of the process, with Python and Brian2 in it.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time

import numpy as np
from brian2 import ms, mV

from brainsleep.models.inputs import POISSON
from brainsleep.models.lif import CURRENT, LIF
from brainsleep.network.spec import (
    Connectivity,
    FixedInDegree,
    NetworkSpec,
    Pairs,
    Population,
    Projection,
)
from brainsleep.run.state import initial_state

SIZES = {"e": 40_000, "i": 10_000}
IN_DEGREE = 100  # from all neurons: 5 million synapses


def wirings() -> dict:
    """Return how a projection is wired, from the sizes of its populations, by name."""

    def pairs(n_pre: int, n_post: int) -> Pairs:
        rng, n = np.random.default_rng(0), IN_DEGREE * n_pre * n_post // sum(SIZES.values())
        return Pairs(rng.integers(n_pre, size=n), rng.integers(n_post, size=n))

    share = IN_DEGREE / sum(SIZES.values())
    spread = f"{share}*exp(-(distance/(200*um))**2/2)*20"
    return {
        "probability": lambda n_pre, n_post: Connectivity(p=share),
        "degree": lambda n_pre, n_post: FixedInDegree(round(share * n_pre)),
        "pairs": pairs,
        "distance": lambda n_pre, n_post: Connectivity(p=spread),
    }


def network(wiring: str) -> NetworkSpec:
    """Return the network: neurons on a square of a millimetre."""
    made = wirings()[wiring]
    positions = {"x": "1*metre/1000*rand()", "y": "1*metre/1000*rand()"}
    values = {"v": "uniform(v_reset, v_threshold)", "tau_m": "normal(20*ms, 1*ms)"}
    drawn = {"positions": positions, "values": values}
    populations = [Population(name="input", size=1, model=POISSON)]
    populations += [Population(name=k, size=n, model=LIF, **drawn) for k, n in SIZES.items()]
    projections = [
        Projection(
            name=f"{source}{target}",
            source=source,
            target=target,
            synapse=CURRENT,
            connectivity=made(SIZES[source], SIZES[target]),
            weights="clip(normal(0.5, 0.1), w_min, w_max)",
            delay="uniform(1*ms, 2*ms)",
            sign=1 if source == "e" else -1,
        )
        for source in SIZES
        for target in SIZES
    ]
    return NetworkSpec(
        name="large", populations=tuple(populations), projections=tuple(projections), dt=1 * ms
    )


def measure(wiring: str) -> None:
    """Draw a network with one kind of wiring."""
    begun = time.perf_counter()
    spec = network(wiring)
    made = time.perf_counter()
    state = initial_state(spec, 1)
    drawn = time.perf_counter()
    n = sum(len(pre) for pre, _ in state.synapses.values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    threshold = float(np.asarray(LIF.parameters["v_threshold"] / mV))
    assert state.arrays["e.v"].max() < 1e-3 * threshold
    print(
        f"{wiring}: {n} synapses; network made in {made - begun:.1f} s, state drawn in "
        f"{drawn - made:.1f} s; peak {peak:.0f} MB"
    )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wirings", nargs="*", choices=[*wirings()], metavar="WIRING")
    parser.add_argument("--here", action="store_true", help="in this process")
    given = parser.parse_args()
    for name in given.wirings or wirings():
        if given.here:
            measure(name)
            continue
        command = [sys.executable, "-m", "benchmarks.large", "--here", name]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()

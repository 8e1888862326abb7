"""The study behind docs/reproduction.md: every row of its table, run once and kept.

    .venv/bin/python studies/reproduction.py --mnist FILE.npz [--csv figures/paper/runs.csv]
        [--only GROUP ...] [--seeds 5] [--workers 2]

A row that is in the table already is not run again; the table is rewritten in one step after each
run, so the script can be stopped at any time and started again.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from runner import Row, parser, run_rows
from search import DATA, INHIBITION, NEURON, SUBTRACTIVE, naps, spontaneous
from variants import harder

from brainsleep.compare import Condition
from brainsleep.load import load_module

RULE = "network.projections.*.rules.stdp_nearest_reversed"
FULL = {"data.n_train": 3000, "schedule.sleep.until_initial": False, "record.weights_every": 0}

#: A textbook rule that does run away: every pair counts, stronger input, decay in 10 s to the
#: initial weights.
_DECAY = "processes.decay"
ALL_TO_ALL_NETWORK = {
    RULE: "stdp:STDP_ALL_TO_ALL",
    "network.projections.input_e.weights.low": 1.0,
    f"network.projections.input_e.{_DECAY}.w_star": 1.0,
    f"network.projections.ee.{_DECAY}.w_star": 0.3,
    f"network.projections.ei.{_DECAY}.w_star": 0.4,
    f"network.projections.ie.{_DECAY}.w_star": 0.5,
    f"network.projections.*.{_DECAY}.tau_w": "10*second",
}
ALL_TO_ALL = {
    "no sleep": {"schedule.sleep.fraction": 0.0},
    "20% sleep": {},
    "20% decay without activity": {
        "schedule.sleep.gates.noise": 0,
        "schedule.sleep.gates.plasticity": 0,
    },
    "frozen": {"data.n_train": 0},
}

#: Conditions beyond those that the claims rest on, and the all-to-all rule, have fewer seeds.
FEW_SEEDS = 3
FEW = (
    "decay to the projection's mean",
    "decay to the neuron's mean",
    "decay to the initial weights",
    "sleep when weights have grown",
    "inhibitory plasticity, no sleep",
)


#: Harder test images (see variants.py), and longer training as far as there are images.
HARDER = ("noisy", "shifted")
MANY = {"mnist": 6000, "fashion-mnist": 10000}

#: First seed of the competitive network: not used before its settings were chosen.
NEW = 10

#: Other naps than "naps", which are every 4 images for 20 % of wake: fractions by images. A nap
#: longer than these changes nothing: what is scaled has long been at its baseline.
NAPS = {1: (0.1, 0.2, 0.4), 4: (0.1, 0.4), 16: (0.1, 0.2), 64: (0.1,)}

THETA = f"{NEURON}.theta_spike"

FROZEN_INPUT = "network.projections.input_e.weights.incoming_sum"


def rows(seeds: int) -> Iterator[Row]:
    """Go through the study, a seed at a time, so that whatever is finished is balanced."""
    for data in DATA:
        yield from _short(data)
        yield from _first_choice(data)
    for seed in range(seeds):
        for data in DATA:
            for name, changes in _competitive():
                yield Row("competitive", name, "competitive", data, NEW + seed, changes)
            if seed < FEW_SEEDS:
                yield from _few_seeds(data, seed)
            for group, rule in (("released", {}), ("textbook", {RULE: "stdp:STDP_NEAREST"})):
                for name, changes in _sweep():
                    yield Row(group, name, "paper", data, seed, FULL | rule | changes)
            for c in load_module("controls", "protocol").CONDITIONS:
                if c.name in FEW and seed >= FEW_SEEDS:
                    continue
                if c.name not in ("no sleep", "sleep"):  # those are 0 % and 20 % of "released"
                    changes = {"record.weights_every": 0} | dict(c.changes)
                    match = ("released", "20% sleep") if c.match_rate else ()
                    yield Row("controls", c.name, "controls", data, seed, changes, match, c.scale)


def _few_seeds(data: str, seed: int) -> Iterator[Row]:
    for name, changes in ALL_TO_ALL.items():
        changes = FULL | ALL_TO_ALL_NETWORK | changes
        yield Row("all-to-all", name, "paper", data, seed, changes)
    for c in load_module("competitive", "protocol").CONDITIONS:
        yield from _harder(c, data, NEW + seed)


def _harder(c: Condition, data: str, seed: int) -> Iterator[Row]:
    """Harder test images, stronger adaptation of the threshold, more images."""
    for kind in HARDER:
        yield Row(kind, c.name, "competitive", f"{data}-{kind}", seed, dict(c.changes))
    many = {"data.n_train": MANY[data]}
    for theta in (0.05, 0.1, 0.4):
        name, changes = f"theta {theta} mV, {c.name}", c.changes | {THETA: f"{theta}*mV"}
        if theta > 0.05:  # that is the usual one
            yield Row("thresholds", name, "competitive", data, seed, changes)
        if theta in (0.05, 0.4) and seed < NEW + 2:  # long runs: two seeds
            yield Row("many images", name, "competitive", data, seed, changes | many)


def _first_choice(data: str) -> Iterator[Row]:
    """Run the setting that was tested first: see docs/search.md."""
    for c in load_module("competitive", "protocol").CONDITIONS:
        for seed in (0, 1):
            changes = c.changes | {INHIBITION: 17.5}
            yield Row("first choice", c.name, "competitive", data, seed, changes)


def _short(data: str) -> Iterator[Row]:
    """One seed of 1050 images: the size of an independent simulation of the same network."""
    short = {**FULL, "data.n_train": 1050}
    for fraction in (0.0, 0.1, 0.2, 0.3):
        changes = {"schedule.sleep.fraction": fraction}
        yield Row("short", f"{fraction:.0%} sleep", "paper", data, 0, short | changes)
    names = (
        "no membrane noise",
        "decay without activity or plasticity",
        "rest: no decay",
        "decay to the neuron's mean",
        "normalise only",
        "decay to the initial weights",
    )
    for c in load_module("controls", "protocol").CONDITIONS:
        if c.name in names:
            yield Row("short", c.name, "controls", data, 0, short | dict(c.changes))
    for name, changes in ALL_TO_ALL.items():
        changes = short | ALL_TO_ALL_NETWORK | changes
        yield Row("short", f"all-to-all, {name}", "paper", data, 0, changes)


def _sweep() -> Iterator[tuple[str, dict]]:
    """Sleep fractions; as a sleep lasts at most 10 s, those above 10/35 need that limit lifted."""
    for fraction in (0.0, 0.1, 0.2, 0.3):
        yield f"{fraction:.0%} sleep", {"schedule.sleep.fraction": fraction}
    for fraction in (0.5, 1.0):
        yield (
            f"{fraction:.0%} sleep, no limit",
            {"schedule.sleep.fraction": fraction, "schedule.sleep.max_duration": "35*second"},
        )


def _competitive() -> Iterator[tuple[str, dict]]:
    yield from (
        (c.name, dict(c.changes)) for c in load_module("competitive", "protocol").CONDITIONS
    )
    for images, fractions in NAPS.items():
        for fraction in fractions:
            yield f"naps every {images}, {fraction:.0%}", naps(images, fraction)
        if images > 1:  # the moment's work of a nap without its time
            yield (
                f"scaled every {images} images",
                {
                    "schedule.period": f"{0.25 * images}*second",
                    "schedule.sleep.max_duration": "1*ms",
                    "schedule.sleep.gates.scaling": None,
                    "schedule.sleep.gates.normalise": 1,
                },
            )
    yield "naps that subtract", SUBTRACTIVE
    for rho in (2, 10):
        yield f"naps, inputs at {rho} Hz", spontaneous(rho)
    frozen = next(
        c for c in load_module("competitive", "protocol").CONDITIONS if "frozen" in c.name
    )
    yield "frozen, input as large as reads out best", frozen.changes | {FROZEN_INPUT: 350.0}


def main() -> None:
    """Run what is missing from the table."""
    options = parser(__doc__.splitlines()[0], "figures/paper/runs.csv")
    options.add_argument("--seeds", type=int, default=5)
    given = options.parse_args()
    sources = {"mnist": given.mnist, "fashion-mnist": given.fashion}
    for data in DATA:
        for kind in HARDER:
            name = f"{data}-{kind}"
            sources[name] = harder(sources[data], data, kind, Path(given.out) / "data")
    run_rows(rows(given.seeds), sources, given)


if __name__ == "__main__":
    main()

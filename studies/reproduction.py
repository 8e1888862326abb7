r"""The study behind docs/reproduction.md, as grids.

.venv/bin/python studies/variants.py --mnist FILE.npz     # writes the data of the study
.venv/bin/brainsleep sweep studies/reproduction.py --out results/study
.venv/bin/brainsleep table results/study --grid studies/reproduction.py \
        --drop 'set.*' --drop 'version.*' --drop data_fingerprint --out figures/paper/runs.csv
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from search import INHIBITION, NEURON, SUBTRACTIVE, naps, spontaneous

from brainsleep.compare import Condition
from brainsleep.grid import Grid
from brainsleep.load import load_module

#: Where the data lie, by name.
FOLDER = "results/study/data"
DATA = {"mnist": f"{FOLDER}/mnist.npz", "fashion-mnist": "fashion-mnist"}

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
SEEDS, FEW_SEEDS = 5, 3
FEW = (
    "decay to the projection's mean",
    "decay to the neuron's mean",
    "decay to the initial weights",
    "sleep when weights have grown",
    "inhibitory plasticity, no sleep",
)


#: Longer training, as far as there are images.
MANY = {"mnist": 6000, "fashion-mnist": 10000}

#: Seeds of the competitive network: not used before its settings were chosen.
NEW = range(10, 10 + SEEDS)
NEW_FEW = NEW[:FEW_SEEDS]

#: Other naps than "naps", which are every 4 images for 20 % of wake: fractions by images. A nap
#: longer than these changes nothing: what is scaled has long been at its baseline.
NAPS = {1: (0.1, 0.2, 0.4), 4: (0.1, 0.4), 16: (0.1, 0.2), 64: (0.1,)}

THETA = f"{NEURON}.theta_spike"

FROZEN_INPUT = "network.projections.input_e.weights.incoming_sum"


def conditions(changes: dict[str, dict], common: dict | None = None) -> list[Condition]:
    """Make conditions from changes by name, after those that are common to all."""
    return [Condition(name=n, changes=(common or {}) | dict(c)) for n, c in changes.items()]


def of(protocol: str) -> dict[str, Condition]:
    """Return the conditions that come with a protocol, by name."""
    return {c.name: c for c in load_module(protocol, "protocol").CONDITIONS}


def study(
    name: str, protocol: str, found: Iterable[Condition], seeds: Iterable[int], data: Iterable[str]
) -> Grid:
    """Make a grid over data sets."""
    return Grid(
        name=name,
        protocol=protocol,
        conditions=list(found),
        over={"data.source": list(data)},
        seeds=list(seeds),
        backend="cpp",
    )


def sleep_sweep() -> dict[str, dict]:
    """Sleep fractions; as a sleep lasts at most 10 s, those above 10/35 need that limit lifted."""
    found = {f"{f:.0%} sleep": {"schedule.sleep.fraction": f} for f in (0.0, 0.1, 0.2, 0.3)}
    for fraction in (0.5, 1.0):
        found[f"{fraction:.0%} sleep, no limit"] = {
            "schedule.sleep.fraction": fraction,
            "schedule.sleep.max_duration": "35*second",
        }
    return found


def controls() -> list[Grid]:
    """Take sleep apart; some controls have fewer seeds."""
    grids = []
    for few, seeds in ((False, range(SEEDS)), (True, range(FEW_SEEDS))):
        found = [c for c in of("controls").values() if (c.name in FEW) == few]
        grid = study("controls", "controls", found, seeds, DATA.values())
        grids.append(dataclasses.replace(grid, changes={"record.weights_every": 0}))
    return grids


def short() -> list[Grid]:
    """One seed of 1050 images: the size of an independent simulation of the same network."""
    size = FULL | {"data.n_train": 1050}
    named = (
        "no membrane noise",
        "decay without activity or plasticity",
        "rest: no decay",
        "decay to the neuron's mean",
        "normalise only",
        "decay to the initial weights",
    )
    fractions = {k: v for k, v in sleep_sweep().items() if "limit" not in k}
    all_to_all = {f"all-to-all, {k}": ALL_TO_ALL_NETWORK | v for k, v in ALL_TO_ALL.items()}
    taken = {k: c.changes for k, c in of("controls").items() if k in named}
    return [
        study("short", "paper", conditions(fractions | all_to_all, size), [0], DATA.values()),
        study("short", "controls", conditions(taken, size), [0], DATA.values()),
    ]


def competitive() -> dict[str, dict]:
    """Conditions of the competitive network: its own, other naps, other sleep."""
    found = {name: c.changes for name, c in of("competitive").items()}
    for images, fractions in NAPS.items():
        for fraction in fractions:
            found[f"naps every {images}, {fraction:.0%}"] = naps(images, fraction)
        if images > 1:  # the moment's work of a nap without its time
            found[f"scaled every {images} images"] = {
                "schedule.period": f"{0.25 * images}*second",
                "schedule.sleep.max_duration": "1*ms",
                "schedule.sleep.gates.scaling": None,
                "schedule.sleep.gates.normalise": 1,
            }
    found["naps that subtract"] = SUBTRACTIVE
    for rho in (2, 10):
        found[f"naps, inputs at {rho} Hz"] = spontaneous(rho)
    frozen = next(changes for name, changes in found.items() if "frozen" in name)
    found["frozen, input as large as reads out best"] = frozen | {FROZEN_INPUT: 350.0}
    return found


def at_thresholds(thetas: Iterable[float]) -> dict[str, dict]:
    """Conditions that come with the competitive network, with other steps of the threshold."""
    return {
        f"theta {theta} mV, {name}": c.changes | {THETA: f"{theta}*mV"}
        for theta in thetas
        for name, c in of("competitive").items()
    }


def harder(kind: str) -> Grid:
    """Test images made harder (see variants.py)."""
    data = [f"{FOLDER}/{name}-{kind}.npz" for name in DATA]
    return study(kind, "competitive", of("competitive").values(), NEW_FEW, data)


def many_images() -> list[Grid]:
    """Longer training, as far as there are images; two seeds, as the runs are long."""
    return [
        study(
            "many images",
            "competitive",
            conditions({k: v | {"data.n_train": n} for k, v in at_thresholds((0.05, 0.4)).items()}),
            NEW_FEW[:2],
            [DATA[name]],
        )
        for name, n in MANY.items()
    ]


GRIDS = [
    *short(),
    study(  # the setting that was tested first: see docs/competitive_search.md
        "first choice",
        "competitive",
        conditions({k: c.changes | {INHIBITION: 17.5} for k, c in of("competitive").items()}),
        [0, 1],
        DATA.values(),
    ),
    study("released", "paper", conditions(sleep_sweep(), FULL), range(SEEDS), DATA.values()),
    study("competitive", "competitive", conditions(competitive()), NEW, DATA.values()),
    *controls(),
    study(
        "textbook",
        "paper",
        conditions(sleep_sweep(), FULL | {RULE: "stdp:STDP_NEAREST"}),
        range(SEEDS),
        DATA.values(),
    ),
    study(
        "all-to-all",
        "paper",
        conditions(ALL_TO_ALL, FULL | ALL_TO_ALL_NETWORK),
        range(FEW_SEEDS),
        DATA.values(),
    ),
    harder("noisy"),
    harder("shifted"),
    study(  # 0.05 mV is the usual one
        "thresholds", "competitive", conditions(at_thresholds((0.1, 0.4))), NEW_FEW, DATA.values()
    ),
    *many_images(),
]

r"""The study behind docs/reproduction.md, as grids.

.venv/bin/python studies/variants.py --mnist FILE.npz     # writes the data of the study
.venv/bin/brainsleep sweep run studies/reproduction.py --out results/study
.venv/bin/brainsleep table results/study --grid studies/reproduction.py \
        --drop 'set.*' --drop 'version.*' --drop data_fingerprint --out figures/paper/runs.csv
"""

from __future__ import annotations

from collections.abc import Iterable

from search import INHIBITION, SUBTRACTIVE, THETA, naps, spontaneous

from brainsleep.files.load import load_module
from brainsleep.run.compare import Condition
from brainsleep.sweep.grid import Grid

#: Where the data lie, by name.
FOLDER = "results/study/data"
DATA = {"mnist": f"{FOLDER}/mnist.npz", "fashion-mnist": "fashion-mnist"}

RULE = "network.projections.*.rules.stdp_released"
FRACTION = "schedule.sleep.fraction"
SEEDS, FEW_SEEDS = 5, 3

#: Size of the runs that take the network apart; the sweep of sleep has that of the paper.
SMALL = {
    "data.n_train": 1200,
    "data.n_readout": 500,
    "data.n_test": 500,
    "record.weights_every": 0,
}

#: A sleep lasts at most 10 s after 35 s of wake: all fractions from 30 % up are one experiment.
FRACTIONS = (0.0, 0.1, 0.2, 0.3)

#: All-to-all pairing with stronger input, decay in 10 s to the initial weights.
_DECAY = "processes.decay"
ALL_TO_ALL = {
    RULE: "stdp:STDP_ALL_TO_ALL",
    "network.projections.input_e.weights.low": 1.0,
    f"network.projections.input_e.{_DECAY}.w_star": 1.0,
    f"network.projections.ee.{_DECAY}.w_star": 0.3,
    f"network.projections.ei.{_DECAY}.w_star": 0.6,
    f"network.projections.ie.{_DECAY}.w_star": 0.5,
    f"network.projections.*.{_DECAY}.tau_w": "10*second",
}

#: Learning rates of the synapses from I to E: January's, the table's is 0.005.
LR_IE = "network.projections.ie.rules.stdp_released.lr"
LR_IES = (0.0008, 0.0016, 0.003, 0.01)


#: 6000 different images once, as many as there are of MNIST.
FULL = {"record.weights_every": 0}

#: As published, but 1200 different images once.
DIFFERENT = {
    "data.n_train": 1200,
    "data.n_validation": 0,
    "schedule.epochs": 1,
    "schedule.identical_epochs": False,
    "early_stopping.patience": 0,
}

#: Longer training, as far as there are images.
MANY = {"mnist": 6000, "fashion-mnist": 10000}

#: Seeds of the competitive network: not used before its settings were chosen.
NEW = range(10, 10 + SEEDS)
NEW_FEW = NEW[:FEW_SEEDS]

#: Other naps than "naps", which are every 4 images for 20 % of wake: fractions by images. A nap
#: longer than these changes nothing: what is scaled has long been at its baseline.
NAPS = {1: (0.1, 0.2, 0.4), 4: (0.1, 0.4), 16: (0.1, 0.2), 64: (0.1,)}

FROZEN_INPUT = "network.projections.input_e.weights.incoming_sum"


def conditions(changes: dict[str, dict], common: dict | None = None) -> list[Condition]:
    """Make conditions from changes by name, after those that are common to all."""
    return [Condition(name=n, changes=(common or {}) | dict(c)) for n, c in changes.items()]


def of(protocol: str) -> dict[str, Condition]:
    """Return the conditions that come with a protocol, by name."""
    return {c.name: c for c in load_module(protocol, "protocol").CONDITIONS}


def study(
    name: str, protocol: str, chosen: Iterable[Condition], seeds: Iterable[int], data: Iterable[str]
) -> Grid:
    """Make a grid over data sets."""
    return Grid(
        name=name,
        protocol=protocol,
        conditions=list(chosen),
        over={"data.source": list(data)},
        seeds=list(seeds),
        backend="cpp",
    )


def fractions(chosen: Iterable[float] = FRACTIONS) -> dict[str, dict]:
    """Sleep fractions by name."""
    return {f"{f:.0%} sleep": {FRACTION: f} for f in chosen}


def with_and_without_sleep(named: dict[str, dict]) -> dict[str, dict]:
    """Combine changes by name with no sleep, and with 20 % of it."""
    return {
        f"{name}, {how_much}": changes | sleep
        for name, changes in named.items()
        for how_much, sleep in fractions((0.0, 0.2)).items()
    }


def controls() -> dict[str, dict]:
    """No sleep, and 10 and 20 % of it taken apart; frozen networks at the rates of either."""
    parts = of("controls")
    named = {"sleep": {}, **{name: dict(parts[name].changes) for name in CONTROLS}}
    changes_of = {"no sleep": {FRACTION: 0.0}}
    for fraction in (0.1, 0.2):
        changes_of |= {f"{n}, {fraction:.0%}": c | {FRACTION: fraction} for n, c in named.items()}
    return changes_of


#: What is compared with sleep at the same fraction; names as in the protocol `controls`.
CONTROLS = ("rest: no decay", "decay without activity or plasticity", "normalise only")


def frozen() -> list[Condition]:
    """Networks that never learn, at the rates of those that slept."""
    return [
        Condition(
            name=f"frozen, rate of {fraction:.0%}",
            changes=SMALL | {"data.n_train": 0},
            match_rate=f"sleep, {fraction:.0%}",
            scale="network.projections.input_e.weights.low",
        )
        for fraction in (0.1, 0.2)
    ]


def of_the_paper() -> list[Grid]:
    """All runs of the paper's network; the first answer the most."""
    mnist = [DATA["mnist"]]
    all_seeds, few = range(SEEDS), range(FEW_SEEDS)
    apart = [*conditions(controls(), SMALL), *frozen()]
    rules = {"nearest": {RULE: "stdp:STDP_NEAREST"}, "all-to-all": ALL_TO_ALL}
    textbook = with_and_without_sleep(rules)
    rates = with_and_without_sleep({f"lr {lr:g}": {LR_IE: lr} for lr in LR_IES})
    january = fractions((0.0, 0.1, 0.2))
    return [
        study("published", "paper:PUBLISHED", conditions(fractions()), all_seeds, DATA.values()),
        study("controls", "controls", apart, all_seeds, DATA.values()),
        study("january", "paper_january", conditions(january, SMALL), all_seeds, mnist),
        study("january published", "paper_january:PUBLISHED", conditions(january), few, mnist),
        study("inhibition", "paper", conditions(rates, SMALL), few, mnist),
        study("textbook", "paper", conditions(textbook, SMALL), few, mnist),
        study(
            "different images",
            "paper:PUBLISHED",
            conditions(fractions((0.0, 0.2)), DIFFERENT),
            all_seeds,
            mnist,
        ),
        study("6000 images", "paper", conditions(fractions(), FULL), range(2), DATA.values()),
    ]


def competitive() -> dict[str, dict]:
    """Conditions of the competitive network: its own, other naps, other sleep."""
    changes_of = {name: c.changes for name, c in of("competitive").items()}
    for images, fractions in NAPS.items():
        for fraction in fractions:
            changes_of[f"naps every {images}, {fraction:.0%}"] = naps(images, fraction)
        if images > 1:  # the moment's work of a nap without its time
            changes_of[f"scaled every {images} images"] = {
                "schedule.period": f"{0.25 * images}*second",
                "schedule.sleep.max_duration": "1*ms",
                "schedule.sleep.gates.scaling": None,
                "schedule.sleep.gates.normalise": 1,
            }
    changes_of["naps that subtract"] = SUBTRACTIVE
    for rho in (2, 10):
        changes_of[f"naps, inputs at {rho} Hz"] = spontaneous(rho)
    frozen = next(changes for name, changes in changes_of.items() if "frozen" in name)
    changes_of["frozen, input as large as reads out best"] = frozen | {FROZEN_INPUT: 350.0}
    return changes_of


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
    *of_the_paper(),
    study(  # the setting that was tested first: see docs/competitive_search.md
        "first choice",
        "competitive",
        conditions({k: c.changes | {INHIBITION: 17.5} for k, c in of("competitive").items()}),
        [0, 1],
        DATA.values(),
    ),
    study("competitive", "competitive", conditions(competitive()), NEW, DATA.values()),
    harder("noisy"),
    harder("shifted"),
    study(  # 0.05 mV is the usual one
        "thresholds", "competitive", conditions(at_thresholds((0.1, 0.4))), NEW_FEW, DATA.values()
    ),
    *many_images(),
]

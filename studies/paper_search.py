r"""Is there a setting in which the sleep of the paper's network beats its controls? As grids.

    .venv/bin/python studies/variants.py --mnist FILE.npz     # writes the data of the search
    .venv/bin/brainsleep sweep studies/paper_search.py --out results/paper_search --workers 1
    .venv/bin/brainsleep table results/paper_search --grid studies/paper_search.py \
        --drop 'set.*' --drop 'version.*' --drop data_fingerprint \
        --out figures/paper/paper_search.csv

The protocol of the search was written down before its first run:

**Question.** Does the sleep of Massey et al. (arXiv:2601.08447) read out better than both of its
controls, with the same settings: normalising each neuron's summed input at the same moments, and a
network that never learned, at the rate of the one that slept?

**Space.** `SETTINGS`: 20 settings, from the table's and January's. They vary how much and how often
the network sleeps, what weights decay to and how fast, noise and plasticity in sleep, learning
rates, windows and orientation of STDP, strength of inhibition, strength and length of the input,
the number of neurons, and noise in the test images. Each is read out twice: with all labels (400
images), and with few (mean of the accuracies with 50 and with 100 of them).

**Arms.** *sleep*; *normalise only*: the same, but instead of a sleep each neuron's summed input is
set back to its start, at the same moments; *frozen*: never trained, the weights from the input
scaled until the network has the test rate of *sleep*. Raw pixels come with every run. Test
responses are taken with frozen weights and without noise.

**Statistic.** Accuracy on held-out images. A margin is *sleep* less the better of *normalise only*
and *frozen*, with the same seed, images and labels.

**Choice.** The 7000 images of `studies/search.py`, which the study does not test on, are parted: 5000
to learn and read out, 1000 to validate on (800 are used), 1000 for the final test. Every run learns
from 500 s of images. Stage 1: every setting, one seed (200), validation images. Of each data set the
pairs of setting and readout are ordered by margin; the best three that differ in their setting go
on. Stage 2: these three, two new seeds (210, 211), validation images. The pair of setting and
readout with the largest mean margin of stage 2 (stage 1 does not count) is the winner, also if its
margin is negative. Stage 3: the winner of each data set, once, five new seeds (220 to 224), 1000
images for the final test. Nothing is changed, added or chosen after a final image has been looked at.

**Verdict.** By the winner's readout, *sleep* less *normalise only* and *sleep* less *frozen*, seed by
seed, with Student's 95 % intervals. Sleep wins if both intervals lie above 0. The other readout is
shown, and decides nothing.

**For information**, in stage 3: *no sleep*, and *normalise to sleep's weights*, which sets summed
inputs back to the mean weights that *sleep* had in stage 2 instead of those at the start. A win that
this control takes away is one of the level of the weights, not of sleep.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reproduction import ALL_TO_ALL, LR_IE

from brainsleep.models.massey2026 import PAPER
from brainsleep.protocols.controls import NORMALISE_ONLY
from brainsleep.run.compare import Condition
from brainsleep.sweep.grid import Grid

#: Where the data lie, see `studies/variants.py`.
FOLDER = "results/paper_search/data"
DATA = ("mnist", "fashion-mnist")

#: Seeds of the three stages.
SEEDS = {1: (200,), 2: (210, 211), 3: tuple(range(220, 225))}

#: What is common to all runs. The sleep of the protocol is 20 % of wake, after every 35 s.
COMMON = {
    "data.n_train": 500,
    "data.n_readout": 400,
    "data.n_test": 800,
    "readout.label_counts": (50, 100),
    "record.weights_every": 0,
}
FINAL = {"data.n_test": 1000}

ARMS = ("sleep", "normalise only", "frozen")

PROJECTIONS = "network.projections"
LR = "rules.stdp_released.lr"
GATES = "schedule.sleep.gates"
FRACTION = "schedule.sleep.fraction"
DECAY = f"{PROJECTIONS}.*.processes.decay"
INPUT = f"{PROJECTIONS}.input_e.weights.low"


def weights(**starts: float) -> dict[str, float]:
    """Return other weights at the start, by projection, which are those normalised to as well."""
    changes = {}
    for name, w in starts.items():
        changes[f"{PROJECTIONS}.{name}.weights.low"] = w
        changes[f"{PROJECTIONS}.{name}.processes.normalise.w_star"] = w
    return changes


def learning_rates(factor: float) -> dict[str, float]:
    """Return other learning rates of all projections."""
    return {
        f"{PROJECTIONS}.{p.name}.{LR}": factor * p.rules[0].parameters["lr"]
        for p in PAPER.projections
    }


def windows(factor: float) -> dict[str, str]:
    """Return longer windows of STDP."""
    rule = f"{PROJECTIONS}.*.rules.stdp_released"
    return {f"{rule}.tau_plus": f"{10 * factor}*ms", f"{rule}.tau_minus": f"{7.5 * factor}*ms"}


#: Settings of January, as of `brainsleep.protocols.paper_january`.
JANUARY = {**weights(ei=0.4), LR_IE: 8e-4, "schedule.wake.gates.noise": None}

#: Membrane noise of 4 mV, and half of that awake, as before.
NOISIER = {
    "network.populations.e.activities.noise.sd": "4*mV",
    "network.populations.i.activities.noise.sd": "4*mV",
    "schedule.wake.gates.noise": 0.5,
}

#: As much wake, in more images.
SHORT = {"schedule.image_duration": "200*ms", "data.n_train": 2500}

#: All-to-all pairing in the textbook's orientation: what is not of its sleep, and its sleep.
_TEXTBOOK_SLEEP = {k: v for k, v in ALL_TO_ALL.items() if ".decay." in k}
_TEXTBOOK = {k: v for k, v in ALL_TO_ALL.items() if ".decay." not in k} | weights(input_e=1.0)


@dataclass(frozen=True)
class Setting:
    """A setting of the search: what all arms have, and what only the sleep has."""

    common: Mapping[str, Any] = field(default_factory=dict)
    asleep: Mapping[str, Any] = field(default_factory=dict)
    noisy: bool = False  # whether test images are noisy


SETTINGS = {
    "table": Setting(),
    "table, 10 % sleep": Setting(asleep={FRACTION: 0.1}),
    "sleep after every 7 s": Setting({"schedule.period": "7*second"}),
    "learning half as fast": Setting(learning_rates(0.5)),
    "learning twice as fast": Setting(learning_rates(2)),
    "decay to the projection's mean": Setting(asleep={DECAY: "sleep:DECAY_GROUP"}),
    "decay to the neuron's mean": Setting(asleep={DECAY: "sleep:DECAY_NEURON"}),
    "decay to the start in 10 s": Setting(
        asleep={
            **{f"{PROJECTIONS}.{p.name}.processes.decay.w_star": p.weights.low
               for p in PAPER.projections},
            f"{DECAY}.tau_w": "10*second",
        }
    ),
    "twice the noise in sleep": Setting(asleep=NOISIER),
    "no plasticity in sleep": Setting(asleep={f"{GATES}.plasticity": 0}),
    "inhibition 4 times as strong": Setting(weights(ie=2.0)),
    "windows twice as long": Setting(windows(2)),
    "weak input": Setting({"encoder.total": 8.0}),
    "images of 200 ms": Setting(SHORT),
    "50 excitatory neurons": Setting({"network.populations.e.size": 50}),
    "textbook rule, all to all": Setting(_TEXTBOOK, _TEXTBOOK_SLEEP),
    "noisy test images": Setting(noisy=True),
    "January": Setting(JANUARY),
    "January, 10 % sleep": Setting(JANUARY, {FRACTION: 0.1}),
    "January, images of 200 ms": Setting(JANUARY | SHORT),
}  # fmt: skip

#: Settings of stage 2 by data set, chosen by stage 1.
CHOSEN: dict[str, tuple[str, ...]] = {}

#: Setting and readout of stage 3 by data set, chosen by stage 2.
WINNERS: dict[str, tuple[str, str]] = {}

#: Mean weights that *sleep* had in stage 2, of the winners, by data set and projection.
SLEPT_WEIGHTS: dict[str, dict[str, float]] = {}


def arms(name: str) -> list[Condition]:
    """Return the conditions of a setting: sleep and its controls."""
    setting = SETTINGS[name]
    slept, normalised, frozen = (f"{name} / {arm}" for arm in ARMS)
    return [
        Condition(name=slept, changes={**setting.common, **setting.asleep}),
        Condition(name=normalised, changes={**setting.common, **NORMALISE_ONLY.changes}),
        Condition(
            name=frozen,
            changes={**setting.common, "data.n_train": 0},
            match_rate=slept,
            scale=INPUT,
        ),
    ]


def for_information(name: str, slept: Mapping[str, float]) -> list[Condition]:
    """Return the further conditions of a winner; `slept` are mean weights by projection."""
    common = SETTINGS[name].common
    levels = {f"{PROJECTIONS}.{p}.processes.normalise.w_star": w for p, w in slept.items()}
    return [
        Condition(name=f"{name} / no sleep", changes={**common, FRACTION: 0.0}),
        Condition(
            name=f"{name} / normalise to sleep's weights",
            changes={**common, **NORMALISE_ONLY.changes, **levels},
        ),
    ]


def sources(names: Iterable[str], noisy: bool, stage: int) -> list[str]:
    """Return the files of data sets."""
    part, end = ("final" if stage == 3 else "validation"), ("-noisy" if noisy else "")
    return [f"{FOLDER}/{part}/{name}{end}.npz" for name in names]


def grid(stage: int, setting: str, names: Iterable[str], more: Iterable[Condition] = ()) -> Grid:
    """Make the grid of a setting in a stage, over data sets."""
    return Grid(
        name=f"stage {stage}",
        protocol="controls",
        changes=COMMON | (FINAL if stage == 3 else {}),
        over={"data.source": sources(names, SETTINGS[setting].noisy, stage)},
        conditions=[*arms(setting), *more],
        seeds=SEEDS[stage],
        backend="cpp",
    )


GRIDS = [
    *(grid(1, setting, DATA) for setting in SETTINGS),
    *(grid(2, setting, [name]) for name, chosen in CHOSEN.items() for setting in chosen),
    *(
        grid(3, setting, [name], for_information(setting, SLEPT_WEIGHTS[name]))
        for name, (setting, _) in WINNERS.items()
    ),
]

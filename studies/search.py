r"""Settings of the competitive network, tried on images and seeds that the study does not use.

    .venv/bin/python studies/variants.py --mnist FILE.npz     # writes the data of the search
    .venv/bin/brainsleep sweep run studies/search.py --out results/search
    .venv/bin/brainsleep table results/search --grid studies/search.py \
        --drop 'set.*' --drop 'version.*' --drop data_fingerprint --out figures/paper/search.csv

Runs train, fit and score on official training images only (MNIST: the images that are not the
study's test images), with seeds from 100 on. Every setting that was tried is in the table.
"""

from __future__ import annotations

from brainsleep.run.compare import Condition
from brainsleep.sweep.grid import Grid

#: Where the data lie.
DATA = tuple(f"results/search/data/{name}.npz" for name in ("mnist", "fashion-mnist"))

#: First of the seeds.
SEED = 100

INHIBITION = "network.projections.inhibition.weights.low"
NEURON = "network.populations.e.model"
THETA = f"{NEURON}.theta_spike"
STDP = "network.projections.input_e.rules.stdp_competitive"
PROCESSES = "network.projections.input_e.processes"
SCALING = f"{PROCESSES}.scaling"
NORMALISE = f"{PROCESSES}.normalise"

#: What the search began with: no scaling of images, the usual inhibition.
START = {"encoder.total": None, INHIBITION: 17.5}

#: Sleep that takes the same from every synapse instead of the same share.
SUBTRACTIVE = {
    SCALING: "homeostasis:SUBTRACTION",
    "schedule.sleep.gates.scaling": None,
    "schedule.sleep.gates.subtraction": 1,
}

#: No sleep, and homeostasis after every image instead.
NO_SLEEP = {"schedule.sleep.fraction": 0.0}
EVERY_IMAGE = {"schedule.wake.gates.normalise": 1}


def naps(images: int, fraction: float) -> dict:
    """Return a schedule: sleep after so many images."""
    return {"schedule.period": f"{0.25 * images}*second", "schedule.sleep.fraction": fraction}


def spontaneous(rho: float) -> dict:
    """Return spontaneous spikes of all inputs in sleep, with plasticity on."""
    activity = "network.populations.input.activities"
    return {
        activity: "sleep:SPONTANEOUS_SPIKES",
        f"{activity}.spontaneous.rho": f"{rho}*Hz",
        "schedule.sleep.gates.spontaneous": 1,
    }


def frozen_at(total: float) -> dict:
    """Return a network that never learns, with another summed input."""
    return {
        f"{STDP}.lr": 0.0,
        "network.projections.input_e.weights.incoming_sum": total,
    }


def setting(theta: float, total: float, inhibition: float) -> dict:
    """Return a setting with naps every four images for 20 % of wake."""
    return {
        **naps(4, 0.2),
        THETA: f"{theta}*mV",
        "encoder.total": float(total),
        INHIBITION: float(inhibition),
    }


def summed_input(total: float) -> dict:
    """Return another baseline of each neuron's summed input, at the start and after sleep."""
    mean = total / 784
    return {
        "network.projections.input_e.weights.incoming_sum": total,
        f"{SCALING}.w_star": mean,
        f"{NORMALISE}.w_star": mean,
    }


def input_and_naps() -> dict[str, dict]:
    """How strong the input is, and how often and how long the network sleeps."""
    return {
        f"total {total}, every {images}, {fraction:.0%}": {
            "encoder.total": total,
            **naps(images, fraction),
        }
        for total in (None, 60.0, 100.0, 150.0)
        for images, fraction in ((4, 0.2), (4, 0.1), (1, 0.1), (16, 0.1))
    }


#: The setting that others are compared with one by one.
BASE = {"encoder.total": 150.0, **naps(1, 0.1)}


def one_by_one() -> dict[str, dict]:
    """Change every number by itself."""
    named = {
        "as in 1": {},
        "total 250": {"encoder.total": 250.0},
        "inhibition 10": {INHIBITION: 10.0},
        "inhibition 5": {INHIBITION: 5.0},
        "inhibition 30": {INHIBITION: 30.0},
        "summed input 110": summed_input(110),
        "summed input 160": summed_input(160),
        "theta 0.02 mV": {THETA: "0.02*mV"},
        "theta 0.1 mV": {THETA: "0.1*mV"},
        "theta 0.2 mV": {THETA: "0.2*mV"},
        "lr 0.001": {f"{STDP}.lr": 0.001},
        "lr 0.005": {f"{STDP}.lr": 0.005},
        "a_minus 0": {f"{STDP}.a_minus": 0.0},
        "a_minus 0.2": {f"{STDP}.a_minus": 0.2},
        "tau_plus 10 ms": {f"{STDP}.tau_plus": "10*ms"},
        "tau_plus 40 ms": {f"{STDP}.tau_plus": "40*ms"},
        "tau_scaling 30 ms": {f"{SCALING}.tau_scaling": "30*ms"},
        "tau_scaling 400 ms": {f"{SCALING}.tau_scaling": "400*ms"},
    }
    return {name: BASE | changes for name, changes in named.items()}


def threshold_and_drive() -> dict[str, dict]:
    """Higher thresholds, with more drive or less inhibition."""
    drives = ((150.0, 17.5), (250.0, 17.5), (250.0, 10.0), (400.0, 17.5))
    return {
        f"theta {theta} mV, total {total:.0f}, inhibition {inhibition}": BASE
        | {THETA: f"{theta}*mV", "encoder.total": total, INHIBITION: inhibition}
        for theta in (0.2, 0.4, 0.8)
        for total, inhibition in drives
    }


def one_by_one_again() -> dict[str, dict]:
    """Change every number by itself at a threshold that rises by 0.4 mV a spike."""
    named = {
        "theta 0.3 mV": {THETA: "0.3*mV"},
        "total 200": {"encoder.total": 200.0},
        "inhibition 12": {INHIBITION: 12.0},
        "inhibition 30": {INHIBITION: 30.0},
        "tau_theta 1000 s": {f"{NEURON}.tau_theta": "1000*second"},
        "tau_theta 300 s": {f"{NEURON}.tau_theta": "300*second"},
        "summed input 110": summed_input(110),
        "lr 0.001": {f"{STDP}.lr": 0.001},
        "lr 0.005": {f"{STDP}.lr": 0.005},
        "lr 0.01": {f"{STDP}.lr": 0.01},
        "a_minus 0": {f"{STDP}.a_minus": 0.0},
        "a_minus 0.2": {f"{STDP}.a_minus": 0.2},
        "tau_plus 10 ms": {f"{STDP}.tau_plus": "10*ms"},
        "naps every 1, 20%": naps(1, 0.2),
        "naps every 4, 10%": naps(4, 0.1),
        "naps every 4, 20%": naps(4, 0.2),
        "naps every 16, 20%": naps(16, 0.2),
        "subtraction": SUBTRACTIVE,
        "subtraction, naps every 4, 20%": SUBTRACTIVE | naps(4, 0.2),
    }
    return {name: BASE | {THETA: "0.4*mV"} | changes for name, changes in named.items()}


def three_seeds() -> dict[str, dict]:
    """Return the settings that looked best, and variants of one of them."""
    return {
        "A: theta 0.4 mV, total 150, inhibition 17.5": setting(0.4, 150, 17.5),
        "B: theta 0.4 mV, total 150, inhibition 30": setting(0.4, 150, 30),
        "C: theta 0.2 mV, total 150, inhibition 30": setting(0.2, 150, 30),
        "D: theta 0.2 mV, total 250, inhibition 30": setting(0.2, 250, 30),
        "B with subtraction": setting(0.4, 150, 30) | SUBTRACTIVE,
        "B with tau_theta 300 s": setting(0.4, 150, 30) | {f"{NEURON}.tau_theta": "300*second"},
    }


def controls_of_b() -> dict[str, dict]:
    """Take homeostasis from setting B, give it all the time, or freeze the network."""
    awake = setting(0.4, 150, 30) | NO_SLEEP
    return {
        "no homeostasis": awake,
        "scaled every image": awake | EVERY_IMAGE,
        **{
            f"frozen, summed input {total:.0f}": awake | frozen_at(total)
            for total in (78.4, 150.0, 220.0, 350.0, 500.0)
        },
    }


def need_of_homeostasis() -> dict[str, dict]:
    """Show what homeostasis is worth at thresholds that rise by little or by much."""
    return {
        f"theta {theta} mV, {name}": setting(theta, 150, 17.5) | changes
        for theta in (0.05, 0.1, 0.2, 0.4)
        for name, changes in {
            "none": NO_SLEEP,
            "frozen": NO_SLEEP | frozen_at(220.0),
            "scaled every image": NO_SLEEP | EVERY_IMAGE,
            "naps": {},
        }.items()
    }


def low_threshold() -> dict[str, dict]:
    """Variants at the lowest threshold."""
    base, inhibited = setting(0.05, 150, 17.5), setting(0.05, 150, 30)
    narrow = {f"{STDP}.tau_plus": "10*ms"}
    return {
        "as in 7": base,
        "inhibition 30": inhibited,
        "tau_plus 10 ms": base | narrow,
        "inhibition 30, tau_plus 10 ms": inhibited | narrow,
        "a_minus 0": base | {f"{STDP}.a_minus": 0.0},
        "naps every 1, 10%": base | naps(1, 0.1),
        "subtraction": base | SUBTRACTIVE,
        **{f"spontaneous {rho} Hz": base | spontaneous(rho) for rho in (2, 5, 10)},
        "inhibition 30, none": inhibited | NO_SLEEP,
        "inhibition 30, frozen": inhibited | NO_SLEEP | frozen_at(220.0),
    }


#: The steps of the search in order: settings by name, and the number of seeds.
STEPS = {
    "1 input and naps": (input_and_naps(), 1),
    "2 one by one": (one_by_one(), 1),
    "3 threshold and drive": (threshold_and_drive(), 1),
    "4 one by one": (one_by_one_again(), 1),
    "5 three seeds": (three_seeds(), 3),
    "6 controls of B": (controls_of_b(), 1),
    "7 need of homeostasis": (need_of_homeostasis(), 1),
    "8 low threshold, three seeds": (low_threshold(), 3),
}

GRIDS = [
    Grid(
        name=step,
        protocol="competitive",
        conditions=[Condition(name=name, changes=START | c) for name, c in settings.items()],
        over={"data.source": DATA},
        seeds=range(SEED, SEED + seeds),
        backend="cpp",
    )
    for step, (settings, seeds) in STEPS.items()
]

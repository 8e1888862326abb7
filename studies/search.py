r"""Settings of the competitive network, tried on images and seeds that the study does not use.

    .venv/bin/python studies/variants.py --mnist FILE.npz     # writes the data of the search
    .venv/bin/brainsleep sweep studies/search.py --out results/search
    .venv/bin/brainsleep table results/search --grid studies/search.py \
        --drop 'set.*' --drop 'version.*' --drop data_fingerprint --out figures/paper/search.csv

Runs train, fit and score on official training images only (MNIST: the images that are not the
study's test images), with seeds from 100 on. Every setting that was tried is in the table.
"""

from __future__ import annotations

from collections.abc import Iterator

from brainsleep.run.compare import Condition
from brainsleep.sweep.grid import Grid

#: Where the data lie.
DATA = tuple(f"results/search/data/{name}.npz" for name in ("mnist", "fashion-mnist"))

#: First of the seeds.
SEED = 100

INHIBITION = "network.projections.inhibition.weights.low"
NEURON = "network.populations.e.model"
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


def naps(images: int, fraction: float) -> dict:
    """Return a schedule: sleep after so many images."""
    return {"schedule.period": f"{0.25 * images}*second", "schedule.sleep.fraction": fraction}


def tried() -> Iterator[tuple[str, str, dict, int]]:
    """Go through the settings that were tried, in order: step, name, changes, number of seeds."""
    for total in (None, 60.0, 100.0, 150.0):
        for images, fraction in ((4, 0.2), (4, 0.1), (1, 0.1), (16, 0.1)):
            yield _try(
                "1 input and naps",
                f"total {total}, every {images}, {fraction:.0%}",
                {"encoder.total": total, **naps(images, fraction)},
            )
    base = {"encoder.total": 150.0, **naps(1, 0.1)}
    one_by_one = {
        "as in 1": {},
        "total 250": {"encoder.total": 250.0},
        "inhibition 10": {INHIBITION: 10.0},
        "inhibition 5": {INHIBITION: 5.0},
        "inhibition 30": {INHIBITION: 30.0},
        "summed input 110": summed_input(110),
        "summed input 160": summed_input(160),
        "theta 0.02 mV": {f"{NEURON}.theta_spike": "0.02*mV"},
        "theta 0.1 mV": {f"{NEURON}.theta_spike": "0.1*mV"},
        "theta 0.2 mV": {f"{NEURON}.theta_spike": "0.2*mV"},
        "lr 0.001": {f"{STDP}.lr": 0.001},
        "lr 0.005": {f"{STDP}.lr": 0.005},
        "a_minus 0": {f"{STDP}.a_minus": 0.0},
        "a_minus 0.2": {f"{STDP}.a_minus": 0.2},
        "tau_plus 10 ms": {f"{STDP}.tau_plus": "10*ms"},
        "tau_plus 40 ms": {f"{STDP}.tau_plus": "40*ms"},
        "tau_scaling 30 ms": {f"{SCALING}.tau_scaling": "30*ms"},
        "tau_scaling 400 ms": {f"{SCALING}.tau_scaling": "400*ms"},
    }
    for name, changes in one_by_one.items():
        yield _try("2 one by one", name, base | changes)
    for theta in (0.2, 0.4, 0.8):
        for total, inhibition in ((150.0, 17.5), (250.0, 17.5), (250.0, 10.0), (400.0, 17.5)):
            yield _try(
                "3 threshold and drive",
                f"theta {theta} mV, total {total:.0f}, inhibition {inhibition}",
                base
                | {
                    f"{NEURON}.theta_spike": f"{theta}*mV",
                    "encoder.total": total,
                    INHIBITION: inhibition,
                },
            )
    base = {**naps(1, 0.1), "encoder.total": 150.0, f"{NEURON}.theta_spike": "0.4*mV"}
    one_by_one = {
        "theta 0.3 mV": {f"{NEURON}.theta_spike": "0.3*mV"},
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
    for name, changes in one_by_one.items():
        yield _try("4 one by one", name, base | changes)
    few = {
        "A: theta 0.4 mV, total 150, inhibition 17.5": setting(0.4, 150, 17.5),
        "B: theta 0.4 mV, total 150, inhibition 30": setting(0.4, 150, 30),
        "C: theta 0.2 mV, total 150, inhibition 30": setting(0.2, 150, 30),
        "D: theta 0.2 mV, total 250, inhibition 30": setting(0.2, 250, 30),
        "B with subtraction": setting(0.4, 150, 30) | SUBTRACTIVE,
        "B with tau_theta 300 s": setting(0.4, 150, 30) | {f"{NEURON}.tau_theta": "300*second"},
    }
    chosen = setting(0.4, 150, 30) | {"schedule.sleep.fraction": 0.0}
    for name, changes in few.items():
        yield _try("5 three seeds", name, changes, seeds=3)
    yield _try("6 controls of B", "no homeostasis", chosen)
    scaled = chosen | {"schedule.wake.gates.normalise": 1}
    yield _try("6 controls of B", "scaled every image", scaled)
    for total in (78.4, 150.0, 220.0, 350.0, 500.0):
        name = f"frozen, summed input {total:.0f}"
        yield _try("6 controls of B", name, chosen | frozen_at(total))
    for theta in (0.05, 0.1, 0.2, 0.4):
        here = setting(theta, 150, 17.5)
        awake = here | {"schedule.sleep.fraction": 0.0}
        homeostasis = {
            "none": awake,
            "frozen": awake | frozen_at(220.0),
            "scaled every image": awake | {"schedule.wake.gates.normalise": 1},
            "naps": here,
        }
        for name, changes in homeostasis.items():
            yield _try("7 need of homeostasis", f"theta {theta} mV, {name}", changes)
    base = setting(0.05, 150, 17.5)
    inhibited = setting(0.05, 150, 30)
    narrow = {f"{STDP}.tau_plus": "10*ms"}
    variants = {
        "as in 7": base,
        "inhibition 30": inhibited,
        "tau_plus 10 ms": base | narrow,
        "inhibition 30, tau_plus 10 ms": inhibited | narrow,
        "a_minus 0": base | {f"{STDP}.a_minus": 0.0},
        "naps every 1, 10%": base | naps(1, 0.1),
        "subtraction": base | SUBTRACTIVE,
        **{f"spontaneous {rho} Hz": base | spontaneous(rho) for rho in (2, 5, 10)},
        "inhibition 30, none": inhibited | {"schedule.sleep.fraction": 0.0},
        "inhibition 30, frozen": inhibited | {"schedule.sleep.fraction": 0.0} | frozen_at(220.0),
    }
    for name, changes in variants.items():
        yield _try("8 low threshold, three seeds", name, changes, seeds=3)


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
        f"{NEURON}.theta_spike": f"{theta}*mV",
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


def _try(group: str, condition: str, changes: dict, seeds: int = 1) -> tuple[str, str, dict, int]:
    return group, condition, START | changes, seeds


def grids() -> list[Grid]:
    """Make a grid of every step of the search."""
    steps: dict[tuple[str, int], list[Condition]] = {}
    for group, name, changes, seeds in tried():
        steps.setdefault((group, seeds), []).append(Condition(name=name, changes=changes))
    return [
        Grid(
            name=group,
            protocol="competitive",
            conditions=found,
            over={"data.source": DATA},
            seeds=range(SEED, SEED + seeds),
            backend="cpp",
        )
        for (group, seeds), found in steps.items()
    ]


GRIDS = grids()

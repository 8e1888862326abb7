"""What a run costs: synaptic operations, updates of neurons and synapses, energy, by phase.

Counted as NeuroBench does, over a whole phase: Yik et al. (2025), doi:10.1038/s41467-025-56739-4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ...analysis.energy import LOIHI, energy
from ...experiment.observer import Metric, Observer, Seen
from ...network.equations.synaptic import is_summed
from ...network.layers import SurrogateNetwork
from ...network.models import PlasticityRule
from ...network.network import Network
from ..segment import Recording, Segment
from ..state import State

_PHASE = r"(?P<phase>wake|sleep|test)"


class Degrees(NamedTuple):
    """How many synapses of a projection each neuron at one of its ends has."""

    population: str
    degrees: np.ndarray


def degrees_of(network: Network, state: State) -> dict[str, Degrees]:
    """Return the degrees at both ends of all projections, by ``NAME.pre`` and ``NAME.post``."""
    found = {}
    for p in network.projections:
        ends = zip(("pre", "post"), (p.source, p.target), state.synapses[p.name], strict=True)
        for end, name, neurons in ends:
            size = network.population(name).size
            found[f"{p.name}.{end}"] = Degrees(name, np.bincount(neurons, minlength=size))
    return found


def reached(
    network: Network, degrees: Mapping[str, Degrees], segment: Segment, recording: Recording
) -> dict[str, np.ndarray]:
    """Return how many synapses the spikes of each slot reach, by projection and end.

    An input of constant current acts in every step in which it is not 0; what else does not spike
    reaches none.
    """
    found, counts = {}, recording.counts
    for key, (name, each) in degrees.items():
        if name in counts:
            found[key] = counts[name] @ each
        elif isinstance(network, SurrogateNetwork) and name == network.input:
            found[key] = _acting(segment, each)[: min(map(len, counts.values()))]
    return found


def _acting(segment: Segment, degrees: np.ndarray) -> np.ndarray:
    """Return how many synapses constant inputs act on, all steps of a slot together."""
    opened = (segment.gates["input"] > 0) * segment.steps
    if segment.batch is not None:
        return ((segment.batch.stimulus != 0) @ degrees).sum(keepdims=True) * opened
    return ((segment.stimulus != 0) @ degrees) * opened


class Operations(Observer):
    """Operations and energy of wake, sleep and test."""

    name = "operations"
    metrics = (
        Metric("operations", f"effective_acs_{_PHASE}", "count",
               "synaptic operations in {phase} that add a weight: spikes times the synapses that "
               "each goes to, over all projections (NeuroBench's effective ACs)"),
        Metric("operations", rf"effective_acs_{_PHASE}_(?P<where>\w+)", "count",
               "synaptic operations of {where} in {phase}: spikes times the synapses that each "
               "goes to"),
        Metric("operations", f"effective_macs_{_PHASE}", "count",
               "synaptic operations in {phase} that multiply first: synapses of inputs of "
               "constant current that are not 0, and of sums over synapses, in every step "
               "(effective MACs)"),
        Metric("operations", f"dense_operations_{_PHASE}", "count",
               "synaptic operations in {phase} without regard to zeros: all pairs of neurons of "
               "all projections in every step (NeuroBench's Dense)"),
        Metric("operations", f"neuron_updates_{_PHASE}", "count",
               "time steps in {phase} times neurons, without inputs"),
        Metric("operations", f"plasticity_updates_{_PHASE}", "count",
               "times that a plasticity rule or a weight process ran at a synapse in {phase}"),
        Metric("operations", f"energy_{_PHASE}_j", "J",
               "estimated energy of {phase}: " + ", ".join((
                   f"{LOIHI.accumulate:g} pJ a synaptic operation",
                   f"{LOIHI.neuron_update:g} a neuron update",
                   f"{LOIHI.plasticity_update:g} a plasticity update (Loihi, Davies et al. 2018)",
               ))),
    )  # fmt: skip

    def measure(self, seen: Seen) -> dict[str, Any]:
        """Count from the spikes of every slot, the synapses and the time that was run."""
        metrics: dict[str, Any] = {}
        for phase in ("wake", "sleep", "test"):
            slots = seen.table.phase == phase
            if phase == "test" and not slots.any():
                continue
            metrics |= _count(seen, slots, phase)
            metrics[f"energy_{phase}_j"] = energy(metrics, phase)
        return metrics


def _count(seen: Seen, slots: np.ndarray, phase: str) -> dict[str, Any]:
    """Count the operations of some slots, which are those of a phase."""
    network, recorder = seen.protocol.network, seen.recorder
    together = np.maximum(seen.table.n_images, 1)  # images of a batch are shown side by side
    steps = int((recorder.ran * together)[slots].sum())
    acs: dict[str, int] = {}
    macs = dense = 0
    for p in network.projections:
        source = network.population(p.source)
        arrived = int(recorder.reached[f"{p.name}.pre"][slots].sum())
        acs[f"effective_acs_{phase}_{p.name}"] = arrived if source.spikes else 0
        macs += _sums(p) * steps * len(seen.state.synapses[p.name][0])
        macs += 0 if source.spikes else arrived
        dense += steps * source.size * network.population(p.target).size
    own = sum(p.size for p in network.populations if _computes(network, p))
    return {
        f"effective_acs_{phase}": sum(acs.values()),
        **acs,
        f"effective_macs_{phase}": macs,
        f"dense_operations_{phase}": dense,
        f"neuron_updates_{phase}": steps * own,
        f"plasticity_updates_{phase}": _plasticity(seen, slots),
    }


def _computes(network: Network, population: Any) -> bool:
    """Tell whether neurons do more than pass on what they are given."""
    model = getattr(population, "model", None)
    return population.name not in network.sources or bool(model and model.integrates)


def _sums(projection: Any) -> int:
    """Return how many sums over its synapses a projection computes in every step."""
    synapse = getattr(projection, "synapse", None)
    return sum(map(is_summed, synapse.variables.values())) if synapse else 0


def _on_clock(rule: PlasticityRule) -> bool:
    """Tell whether variables of a rule are integrated in every step."""
    return any("clock-driven" in eq.flags for eq in rule.variables.values())


def _plasticity(seen: Seen, slots: np.ndarray) -> int | None:
    """Count how often rules and processes run at synapses; of gradients that is not known."""
    network, recorder = seen.protocol.network, seen.recorder
    if network.batch_size:
        return None if (seen.table.phase[slots] != "test").any() else 0
    gates, steps = seen.table.gates, recorder.ran
    learning = slots & (gates["plasticity"] > 0)
    total = 0
    for p in network.projections:
        size = len(seen.state.synapses[p.name][0])
        for rule in p.rules:
            for end in ("pre", "post"):
                if getattr(rule, f"on_{end}").strip():
                    total += int(recorder.reached[f"{p.name}.{end}"][learning].sum())
            if rule.on_step.strip() or _on_clock(rule):
                total += size * int(steps[learning].sum())
        for process in p.processes:
            period = max(1, round(float(process.period) / seen.dt))
            acting = slots & (gates[process.name] > 0)
            total += size * int((-(-steps[acting] // period)).sum())
    return total

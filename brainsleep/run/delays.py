"""Spikes under way between segments: what the neurons of a population did in the last steps.

A state has it as ``"e.spike_history"``, shape (n_steps, n_neurons): row ``k`` is 1 for neurons that
spiked ``k + 1`` steps ago. So what arrives when follows from the delays, and a segment needs no
queue of the one before. Another event of theirs that takes time has a history of its own.

Where delays change, a state has what each was when a spike was sent, as ``"ee.delay_history"``,
shape (n_steps, n_synapses), in steps: row ``k`` for spikes of ``k + 1`` steps ago, 0 without one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..network.events import SPIKE
from ..network.plan import DelayPlan, NetworkPlan, SynapsePlan

if TYPE_CHECKING:
    from ..network.spec import NetworkSpec
    from .state import State

#: How the name of the array ends, after that of its population and of the event.
HISTORY = "history"
#: Name of the array of delays that were, after that of the projection.
DELAY_HISTORY = "delay_history"


def delay_steps(delay: np.ndarray, dt: float) -> np.ndarray:
    """Round delays in s to whole time steps, as Brian2 does."""
    return np.floor(np.asarray(delay) / dt + 0.5).astype(np.int64)


def history_name(population: str, event: str = SPIKE) -> str:
    """Return the name of a history in a state."""
    return f"{population}.{event}_{HISTORY}"


def histories(plan: NetworkPlan) -> dict[str, tuple[str, str]]:
    """Return the histories that a state has: population and event, by name."""
    delayed = [(group.name, SPIKE) for group in plan.groups if group.delayed]
    delayed += [(g.name, event.name) for g in plan.groups for event in g.events if event.delayed]
    return {history_name(*each): each for each in delayed}


def pathways(plan: NetworkPlan) -> Iterator[tuple[str, SynapsePlan, DelayPlan]]:
    """Yield all pathways with delays, and the history of what takes that time."""
    for part in plan.synapses:
        for delay in part.delays:
            population = part.target if delay.end == "post" else part.source
            yield history_name(population, delay.event), part, delay


def delay_arrays(plan: NetworkPlan, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return what of the arrays of a state is no variable: fixed delays and histories."""
    fixed = [(part, delay) for _, part, delay in pathways(plan) if not delay.most]
    names = {f"{part.name}.{delay.variable}" for part, delay in fixed}
    names |= {*histories(plan)}
    names |= {f"{part.name}.{DELAY_HISTORY}" for _, part, _ in changing(plan)}
    return {name: arrays[name] for name in names}


def changing(plan: NetworkPlan) -> Iterator[tuple[str, SynapsePlan, DelayPlan]]:
    """Yield the projections whose delays change, each with its first pathway and its history."""
    for part in plan.synapses:
        first = next((delay for delay in part.delays if delay.most), None)
        if first:
            yield history_name(part.source), part, first


def most_steps(delay: DelayPlan, dt: float) -> int:
    """Return the longest that a delay can become, in steps."""
    return int(delay_steps(np.array(delay.most), dt))


def longest_delays(
    plan: NetworkPlan, arrays: Mapping[str, np.ndarray], dt: float
) -> dict[str, int]:
    """Return the longest delay, in steps, of what each history is of."""
    longest = dict.fromkeys(histories(plan), 0)
    for history, part, delay in pathways(plan):
        if delay.most:
            most = most_steps(delay, dt)
        else:
            most = int(delay_steps(arrays[f"{part.name}.{delay.variable}"].max(initial=0), dt))
        longest[history] = max(longest[history], most)
    return longest


def rows_of(spec: NetworkSpec, state: State) -> int:
    """Return of how many last steps of a segment spikes must be known: the longest delay."""
    longest = longest_delays(spec.plan, state.arrays, float(spec.dt))
    return max(longest.values(), default=0)


def next_history(
    before: np.ndarray, steps: int, at: np.ndarray, neurons: np.ndarray, rows: int
) -> np.ndarray:
    """Return the history after a segment of some `steps` from that before it.

    `at` and `neurons` are the spikes of its last steps, `rows` is the length of the new history.
    """
    after = np.zeros((rows, before.shape[1]), np.uint8)
    kept = before[: max(0, rows - steps)]
    after[steps : steps + len(kept)] = kept
    row = steps - 1 - at
    recent = row < rows
    after[row[recent], neurons[recent]] = 1
    return after


def arrivals(
    history: np.ndarray, delay: np.ndarray, neurons: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return which synapses spikes under way arrive at, and in how many steps.

    `delay` is in steps, of one value, one a synapse, or one a synapse and row of `history`;
    `neurons` says whose spikes a synapse gets. They come in the order of their spikes, and of
    synapses.
    """
    by_neuron = np.argsort(neurons, kind="stable")
    first = np.searchsorted(neurons[by_neuron], np.arange(history.shape[1] + 1))
    ages, spiking = np.nonzero(history[::-1])  # the oldest first
    ages = len(history) - ages
    counts = np.diff(first)[spiking]
    begins = np.cumsum(counts) - counts
    places = np.arange(counts.sum()) - np.repeat(begins - first[spiking], counts)
    synapses = by_neuron[places]
    ages = np.repeat(ages, counts)
    whole = np.broadcast_to(delay, (len(history), len(neurons)))
    left = whole[ages - 1, synapses].astype(np.int64) - ages
    return synapses[left >= 0], left[left >= 0]


def to_ring(history: np.ndarray) -> np.ndarray:
    """Return a delay history by step, as a segment continues it: step 0 overwrites row 0."""
    return history[::-1]


def from_ring(ring: np.ndarray, steps: int, spikes: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Return the delay history after some `steps`, in which step ``k`` wrote row ``k % n_rows``.

    `spikes` is the history of spikes after them; `source` says whose spikes a synapse gets.
    """
    rows = np.arange(len(ring))
    return ring[(steps - 1 - rows) % len(ring)] * spikes[: len(ring), source]

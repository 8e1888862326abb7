"""Images shown to a network outside of its course: in the test phase, or with other gates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from ...backends.base import make_backend
from ...experiment.observer import View
from ...experiment.protocol import Protocol
from ...experiment.schedule import Phase
from ...run.segment import Capacity, Requests, Segment
from ...run.state import initial_state, stream
from ..probing import answers
from .task import images_of


def in_segments(
    protocol: Protocol, images: np.ndarray, room: int, gates: Mapping[str, float] | None = None
) -> Iterator[tuple[int, Segment]]:
    """Yield segments that show images (uint8) in the test phase, each with the number of its first.

    A segment has `room` images at most; `gates` take the place of those of the test phase.
    """
    network, (task, schedule) = protocol.network, images_of(protocol)
    if gates is not None:
        schedule = replace(schedule, test=Phase(kind="test", gates=gates))
    table = schedule.compile(0, 0, len(images), network.gates, network.dt)
    rates = task.encoder.rates(images)
    for first in range(0, len(images), room):
        slots = slice(first, first + room)
        yield first, Segment.of(table, slots, rates[slots])


def images_in_segment(protocol: Protocol, capacity: Capacity) -> int:
    """Return how many images a segment can have."""
    _, schedule = images_of(protocol)
    steps = round(float(schedule.image_duration / protocol.network.dt))
    return max(1, min(capacity.slots, capacity.steps // steps))


def responses(
    view: View, images: np.ndarray, key: tuple[str, int], gates: Mapping[str, float] | None = None
) -> Requests[dict[str, np.ndarray]]:
    """Show images to a copy of the network as it is; the time of the run stands still meanwhile.

    `key` names the random numbers, `gates` are as of `_segments`. Returns the spike counts of all
    populations, each of shape (n_images, n_neurons).
    """
    room = images_in_segment(view.protocol, view.capacity)
    segments = in_segments(view.protocol, images, room, gates)
    return (yield from answers(view, segments, "probe", *key))


def measure_rate(protocol: Protocol, seed: int, backend: str, images: np.ndarray) -> float:
    """Return the mean rate in Hz of the readout population of an untrained network in the test.

    It is shown `images` (uint8) in the protocol's test phase; `seed` is that of connectivity,
    weights and input.
    """
    network, (task, _) = protocol.network, images_of(protocol)
    population = task.readout.population
    program = make_backend(backend, network)
    saved = protocol.saved_state.before().synapses or protocol.saved_weights.weights()
    state = initial_state(network, seed, saved)
    spikes = steps = 0
    for first, segment in in_segments(protocol, images, program.capacity.slots // 2):
        key = int(stream(seed, "calibration", first).integers(2**32))
        state, recording = program.advance(state, segment, key)
        spikes += int(recording.counts[population].sum())
        steps += int(segment.starts[-1])
    return spikes / (network.population(population).size * float(steps * network.dt))

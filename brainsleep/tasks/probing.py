"""What a copy of a network answers, while the run that it is a copy of stands still."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from ..experiment.observer import View
from ..run.segment import Request, Requests, Segment
from ..run.state import stream


def answers(
    view: View, segments: Iterable[tuple[int, Segment]], *key: object
) -> Requests[dict[str, np.ndarray]]:
    """Run segments one after the other on a copy of the network as it is.

    Each comes with a number of its own, which names its random numbers after `key`. Returns the
    spike counts of all populations in all slots, each of shape (n_slots, n_neurons).
    """
    state, counts = view.state, dict[str, list[np.ndarray]]()
    for number, segment in segments:
        seed = int(stream(view.seed, *key, number).integers(2**32))
        segment = replace(segment, start=view.before + view.step)
        state, recording = yield Request(state, segment, seed)
        for name, each in recording.counts.items():
            counts.setdefault(name, []).append(each)
    return {name: np.concatenate(parts) for name, parts in counts.items()}

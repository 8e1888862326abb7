"""What a network that has learned says about images that it has not seen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ...backends.base import make_backend
from ...errors import DataError, explain, nearest
from ...experiment.saved_state import SavedState
from ...run.state import initial_state, stream
from .arrays import as_images
from .measure import Shown, decisions, samples_to_fit
from .presentation import images_in_segment, in_segments
from .readout import classify
from .task import images_of

if TYPE_CHECKING:
    from ...experiment.protocol import Protocol
    from ...results.result import Result


def predict(
    result: Result, images: np.ndarray, readout: str = "", seed: int = 0, backend: str = ""
) -> np.ndarray:
    """Show images to the network of a finished run as in its test, and say what they are.

    The readout is fitted on the responses that the run stored; a network with an output neuron a
    class decides by itself. See `brainsleep.results.result.Result.predict`.
    """
    protocol = result.protocol
    network, (task, _) = protocol.network, images_of(protocol)
    names = [each.name for each in task.readouts]
    name = readout or names[0]
    if name not in names:
        raise DataError(f"predict: no readout '{name}'; {nearest(name, names)}")
    chosen = task.readouts[names.index(name)]
    if chosen.merge:
        fix = "choose another readout"
        raise DataError(
            explain("predict", f"readout '{name}', which merges neighbours", "one a sample", fix)
        )
    shown = as_images(images, "predict: images")
    counts = _responses(result, protocol, shown, seed, backend or result.backend)
    if network.output and chosen is task.readout:
        return decisions(counts[network.output])
    slots = result.slots
    ran = Shown(slots["part"], slots["image"], slots["steps"])
    labels_of = {part: result.arrays[f"labels/{part}"] for part in ("train", "readout")}
    rng = stream(result.seed, "fit", name)
    fit, labels = samples_to_fit(chosen, result.counts, ran, labels_of, rng)
    if not len(labels):
        raise DataError(
            explain("predict", "no images to fit a readout on", "some", "set data.n_readout")
        )
    test = np.concatenate([counts[each] for each in chosen.populations], axis=1)
    return classify(fit, labels, test, chosen)[0]


def _responses(
    result: Result, protocol: Protocol, images: np.ndarray, seed: int, backend: str
) -> dict[str, np.ndarray]:
    """Return spikes of every population for every image, shape (n_images, n_neurons)."""
    network = protocol.network
    before = SavedState(result=str(result.path)).before()
    start = initial_state(network, result.seed, before.synapses)
    state = replace(start, arrays=start.arrays | before.arrays)
    program = make_backend(backend, network)
    counts: dict[str, list[np.ndarray]] = {}
    room = images_in_segment(protocol, program.capacity)
    for first, segment in in_segments(protocol, images, room):
        key = int(stream(seed, "predict", first).integers(2**32))
        segment = replace(segment, start=before.steps)
        state, recording = program.advance(state, segment, key)
        for name, each in recording.counts.items():
            counts.setdefault(name, []).append(each)
    return {name: np.concatenate(parts) for name, parts in counts.items()}

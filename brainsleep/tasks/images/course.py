"""One run of a network that learns images: which are shown when, and who looks at it."""

from __future__ import annotations

import numpy as np

from ...experiment.early_stopping import EarlyStopping
from ...experiment.observer import Observer, View
from ...experiment.protocol import Protocol
from ...experiment.task import Course, Ending
from ...run.segment import Batch
from ...run.state import stream
from .datasets import Dataset, split
from .observers import Responses, SleepProbe, TaskProbe, Validation
from .task import Images, images_of


class ImagesCourse(Course):
    """A run, laid out."""

    def __init__(self, task: Images, protocol: Protocol, seed: int, dataset: Dataset):
        data, (self.task, schedule) = task.data, images_of(protocol)
        numbers = data.n_train, data.n_readout, data.n_test
        rng = stream(seed, "data")
        self.parts = split(dataset, *numbers, rng, data.split_seed, data.n_validation)
        self.order = task.order(self.parts.train.labels, schedule, stream(seed, "order"))
        self._batches = bool(protocol.network.batch_size)
        self.table = task.slots(protocol.network, schedule, self.order)
        self._validation = Validation(task, self.parts, self.table, self.order)
        self.observers: list[Observer] = [
            SleepProbe(task, self.parts),
            self._validation,
            Responses(task, self.parts),
            TaskProbe(task, self.parts),
        ]
        self.remark = schedule.without_sleep(self.table, protocol.network.dt)
        self.read = {readout.population for readout in task.readouts}
        self.source = {name: getattr(dataset, name) for name in self.source}

    def stimulus(self, first: int, last: int) -> np.ndarray:
        """Return the rates of the images of some slots, shape (n_slots, n_inputs)."""
        image, encoder = self.table.image[first:last], self.task.encoder
        images = getattr(self.parts, str(self.table.part[first])).images
        rates = np.zeros((last - first, encoder.n_inputs))
        if np.any(image >= 0):
            rates[image >= 0] = encoder.rates(images[image[image >= 0]])
        return rates

    def batch(self, slot: int) -> Batch | None:
        """Return the images and labels that are learned from together, if the network does so."""
        if not self._batches:
            return None
        place = self.table.shown[slot] + np.arange(self.table.n_images[slot])
        train, chosen = self.parts.train, self.order.image[place]
        return Batch(self.task.encoder.rates(train.images[chosen]), train.labels[chosen])

    def ending(self, view: View) -> Ending | None:
        """Return whether training ends: when the validation images say so, or with its best."""
        looks, state = view.recorder.looks.get(self._validation.name, {}), view.state
        accuracies = self._validation.accuracies(looks, view.slot)
        if view.slot in looks and EarlyStopping.best(accuracies) == len(accuracies) - 1:
            view.recorder.best = {
                k: v for k, v in state.arrays.items() if k.partition(".")[0] in state.synapses
            }
        stopping, end = self.task.early_stopping, view.table.trained
        if view.slot < end and stopping.ends(accuracies):
            text = f"training ended early, after {len(accuracies)} epochs"
            return Ending(view.recorder.best, text)
        if view.slot == end and accuracies and stopping.restore == "always":
            return Ending(view.recorder.best)
        return None

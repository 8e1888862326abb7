"""Labelled images as a task: shown while a network learns, and told apart by its responses."""

from __future__ import annotations

from dataclasses import field
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from ... import mistakes
from ...errors import Details, ProtocolError, explain
from ...experiment.early_stopping import EarlyStopping
from ...experiment.schedule import Schedule
from ...experiment.slots import MAX_SHOWN, Order, SlotTable
from ...experiment.task import Material, Task, check_driven
from ...network.spec import Network
from ...values.fields import Count, specification, whole
from ...values.frozen import check_distinct
from .continual import Tasks
from .datasets import Dataset, load_dataset
from .encoders import RateEncoder
from .readout import Readout

if TYPE_CHECKING:
    from ...experiment.protocol import Protocol
    from .course import ImagesCourse


#: Numbers of images.
Shown = Annotated[int, whole(0, MAX_SHOWN, " images")]


@specification("data.", ProtocolError)
class Data:
    """Which images a run learns from, fits its readout on, and is scored on.

    Parameters
    ----------
    source : str
        Name of a data set or path of a file or folder; see
        `brainsleep.tasks.images.datasets.load_dataset`.
    root : str
        Folder with data sets, if not a standard one.
    n_train : int
        Images shown awake; 0 for a network that is never trained.
    n_readout : int
        Held-out training images the readout is fitted on, weights frozen.
    n_test : int
        Test images the readout is scored on.
    n_validation : int
        Images held out from training by which `EarlyStopping` tells when the network is best.
    split_seed : int
        Fixes the test images of a data set without an official test set.
    """

    source: str = "digits"
    root: str = ""
    n_train: Shown = 700
    n_readout: Shown = 500
    n_test: Shown = 500
    n_validation: Shown = 0
    split_seed: int = 0

    def load(self, opened: dict[Any, Any]) -> Dataset:
        """Read the data set, unless it was `opened` before."""
        key = self.source, self.root
        if key not in opened:
            opened[key] = load_dataset(self.source, self.root or None)
        return opened[key]


@specification("probes.", ProtocolError)
class Probes:
    """Test images that a copy of the network is shown before and after sleeps, weights frozen.

    They follow how it represents the classes: ``representation/NAME`` in results.

    Parameters
    ----------
    images : int
        How many, at most as many as there are; 0 for none.
    every : int
        Probe at the first sleep, and then at every so many.
    """

    images: int = 0
    every: Count = 1


@specification("protocol: ", ProtocolError)
class Images(Task):
    """Images that a network learns from, and a readout that tells them apart.

    Parameters
    ----------
    data : Data
        Images.
    encoder : RateEncoder
        Images to firing rates of the input population.
    readout : Readout
        How responses are classified.
    more_readouts : tuple of Readout
        Other ways to classify the responses of the same run, each with a name of its own.
    early_stopping : EarlyStopping
        Whether training ends when a validation set says so; it does not by default.
    tasks : Tasks
        Classes learned one after the other; none by default.
    probes : Probes
        What is shown before and after sleeps; nothing by default.

    Raises
    ------
    ProtocolError
        If the parts do not fit each other.
    """

    data: Data = field(default_factory=Data)
    encoder: RateEncoder = field(default_factory=RateEncoder)
    readout: Readout = field(default_factory=Readout)
    more_readouts: tuple[Readout, ...] = ()
    early_stopping: EarlyStopping = field(default_factory=EarlyStopping)
    tasks: Tasks = field(default_factory=Tasks)
    probes: Probes = field(default_factory=Probes)

    def __post_init__(self):
        check_distinct([readout.name for readout in self.readouts], "readouts")

    @property
    def readouts(self) -> tuple[Readout, ...]:
        """All readouts, the main one first."""
        return (self.readout, *self.more_readouts)

    @property
    def source(self) -> str:
        """Name or path of the data set."""
        return self.data.source

    def check(self, protocol: Protocol) -> None:
        """Check that network and schedule fit the images."""
        schedule, network = protocol.schedule, protocol.network
        if not isinstance(schedule, Schedule):
            got, fix = type(schedule).__name__, "or leave the task out"
            raise ProtocolError(explain("schedule of images", got, "a Schedule", fix))
        with mistakes.going_on():
            check_driven(network, "images")
        size = network.n_inputs
        with mistakes.going_on():
            if size and self.encoder.n_inputs != size:
                got = f"{self.encoder.size} = {self.encoder.n_inputs} inputs"
                allowed = f"{size}, the size of population '{network.input}'"
                raise ProtocolError(explain("encoder.size", got, allowed), Details(word="size"))
        shown = schedule.epochs * self.data.n_train
        for readout in self.readouts:
            with mistakes.going_on():
                readout.check(network, shown, self.data.n_test, len(self.tasks))
        with mistakes.going_on():
            schedule.sleep.check_end(any(p.processes for p in network.projections))
        with mistakes.going_on():
            self.early_stopping.check(self.data.n_validation, len(self.tasks))

    def open(self, opened: dict[Any, Any]) -> Material:
        """Read the data set."""
        dataset = self.data.load(opened)
        doubts = self.encoder.squeezed(*dataset.images.shape[1:]), dataset.unseen
        remarks = tuple(f"{dataset.name}: {doubt}" for doubt in doubts if doubt)
        return Material(dataset.fingerprint, dataset, remarks)

    def nominal_slots(self, protocol: Protocol) -> SlotTable:
        """Lay out a run whose training images are spread evenly over the classes."""
        network, (_, schedule) = protocol.network, images_of(protocol)
        classes = [label for task in self.tasks.classes for label in task] or [0]
        labels = np.resize(classes, self.data.n_train)
        order = self.order(labels, schedule, np.random.default_rng(0))
        return self.slots(network, schedule, order)

    def order(self, labels: np.ndarray, schedule: Schedule, rng: np.random.Generator) -> Order:
        """Return the order in which training images of these classes are shown."""
        return self.tasks.order(labels, schedule.epochs, rng, schedule.identical_epochs)

    def slots(self, network: Network, schedule: Schedule, order: Order) -> SlotTable:
        """Lay out the slots of a run that shows training images in an order."""
        asked = order, self.data.n_readout, self.data.n_test
        return schedule.compile(*asked, network.gates, network.dt, network.batch_size or 1)

    def course(self, protocol: Protocol, seed: int, material: Material) -> ImagesCourse:
        """Lay out a run."""
        course = import_module(f"{__package__}.course")  # it is built on this module
        return course.ImagesCourse(self, protocol, seed, material.content)


def images_of(protocol: Protocol) -> tuple[Images, Schedule]:
    """Return the images a protocol is about, and its schedule; raise `ProtocolError` without."""
    task, schedule = protocol.task, protocol.schedule
    if not isinstance(task, Images) or not isinstance(schedule, Schedule):
        got = "no task" if task is None else f"a task of kind {type(task).__name__}"
        raise ProtocolError(explain(f"protocol '{protocol.name}'", got, "images: task=Images(...)"))
    return task, schedule

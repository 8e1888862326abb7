"""Classes that a ReLU network learns task after task, and sleeps on as a spiking network."""

from __future__ import annotations

import math
from dataclasses import field
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

from brian2 import Hz, Quantity

from ... import mistakes
from ...errors import Details, ProtocolError, explain
from ...experiment.slots import SlotTable
from ...experiment.task import Course, Material, Task, check_driven
from ...experiment.timeline import UNTASKED, Timeline
from ...network.spec import Network, NetworkSpec
from ...network.wiring import Connectivity
from ...values.fields import Count, one_of, positive, specification
from ..images.continual import Tasks
from ..images.task import Data
from .learning import Training
from .outcomes import OUTCOMES

if TYPE_CHECKING:
    from ...experiment.protocol import Protocol

#: Digits or clothes, two classes at a time.
FIVE_TASKS = Tasks(classes=((0, 1), (2, 3), (4, 5), (6, 7), (8, 9)))


@specification("protocol: ", ProtocolError)
class ReluTasks(Task):
    """Tasks that a ReLU network learns, whose weights are those of a spiking network asleep.

    The schedule is a `Timeline` with a period awake for each task. Before it the ReLU network
    learns the images of the task, with the weights that the spiking network has, and then gives it
    its own. Each pixel of the spiking network is given `rate` times its mean grey value over the
    images learned so far; a period awake does nothing else if its gates are closed.

    Parameters
    ----------
    rate : Quantity
        Rate of a pixel asleep whose grey value is 1 in the mean image.
    data : Data
        Images; those of training are learned in the task of their class. They are resized to the
        input of the network, which is square.
    tasks : Tasks
        Classes of each task, or all classes mixed, in as many parts; no rehearsal.
    training : Training
        How the ReLU network learns.
    layers : tuple of str
        Projections of the spiking network that have its weights, from the input to the output. All
        neurons are connected, with weights that have signs of their own.
    gain : str
        Variable of the neurons that a layer is multiplied by asleep, so that it is never driven
        beyond its threshold by one input (see `brainsleep.tasks.relu.learning.gains`).
    seen : {"all", "current"}
        Images that the mean image and the gains are of: all learned so far, or those of the task
        just learned.
    image : {"mean", "white"}
        What pixels are given: the mean image, or its mean over pixels.
    outcome : {"kept", "permuted", "even", "layer scaled", "units scaled", "equalised", \
"negatives scaled"}
        What is made of a sleep, on each layer: its weights as they are; or those from before the
        sleep, with its changes permuted within each unit; with the mean change of each unit's
        weights; multiplied by one number, so that their norm is that after sleep; the same unit by
        unit; each unit's norm the mean of the layer; negative weights of each unit multiplied, so
        that their sum is that after sleep.
    calibration : int
        Images of each task, the first of those learned, on which outputs are calibrated and means
        of classes are taken.

    Raises
    ------
    ProtocolError
        If network, timeline and tasks do not fit.
    """

    rate: Annotated[Quantity, positive(Hz)]
    data: Data = field(default_factory=lambda: Data(n_train=1000, n_readout=0, n_test=500))
    tasks: Tasks = FIVE_TASKS
    training: Training = field(default_factory=Training)
    layers: tuple[str, ...] = ("w_1", "w_2", "w_3")
    gain: str = "gain"
    seen: Annotated[str, one_of("all", "current")] = "all"
    image: Annotated[str, one_of("mean", "white")] = "mean"
    outcome: Annotated[str, one_of(*OUTCOMES)] = "kept"
    calibration: Count = 200

    @property
    def source(self) -> str:
        """Name or path of the data set."""
        return self.data.source

    def check(self, protocol: Protocol) -> None:
        """Check that network and timeline fit the tasks."""
        network, timeline = protocol.network, protocol.schedule
        if not isinstance(timeline, Timeline):
            got, allowed = f"a {type(timeline).__name__}", "a Timeline, awake once a task"
            raise ProtocolError(explain("schedule of tasks of a ReLU network", got, allowed))
        UNTASKED.check(protocol)
        with mistakes.going_on():
            check_driven(network, "mean images")
            self._check_layers(network)
        for name, period in zip(timeline.phase_gates(), timeline.written, strict=True):
            if float(period.rate) or network.input in period.inputs:
                where = f"timeline.periods: {name}: stimulus of '{network.input}'"
                allowed = "none, as the mean image drives it"
                raise ProtocolError(explain(where, "one", allowed))
        if not self.tasks.classes or self.tasks.rehearsal:
            got = "rehearsal" if self.tasks.rehearsal else "none"
            raise ProtocolError(explain("tasks", got, "groups of classes, without rehearsal"))
        for name in ("n_readout", "n_validation"):
            if number := getattr(self.data, name):
                allowed = "0, as there is no readout to be fitted"
                raise ProtocolError(explain(f"data.{name}", number, allowed))
        awake = int(((table := self.nominal_slots(protocol)).onset & (table.phase == "wake")).sum())
        if awake != len(self.tasks) or table.phase[0] != "wake":
            allowed = f"{len(self.tasks)}, one before each sleep, as there are so many tasks"
            raise ProtocolError(explain("timeline: periods awake", awake, allowed))

    def _check_layers(self, network: Network) -> None:
        """Refuse projections that are no layers of a ReLU network."""
        before = network.input
        for name in self.layers:
            found = next((p for p in network.projections if p.name == name), None)
            label, details = f"layers: '{name}'", Details(word=name)
            if found is None or not isinstance(network, NetworkSpec):
                allowed = f"one of {', '.join(p.name for p in network.projections)}"
                raise ProtocolError(explain("layers", f"'{name}'", allowed), details)
            if found.source != before:
                got = f"from '{found.source}'"
                raise ProtocolError(explain(label, got, f"from '{before}'"), details)
            dense = found.connectivity == Connectivity(p=1.0) and found.source != found.target
            if not dense or found.sign is not None:
                allowed = "all neurons, with signs of their own: connectivity p=1, sign=None"
                raise ProtocolError(explain(label, "others", allowed), details)
            before = found.target
            if self.gain not in (known := network.population(before).model.variables):
                allowed = f"a variable of '{before}': {', '.join(known)}"
                raise ProtocolError(explain("gain", f"'{self.gain}'", allowed))
        size = network.population(before).size
        largest = max(map(max, self.tasks.classes), default=0)
        if size <= largest:
            allowed = f"at least {largest + 1} neurons, one a class"
            raise ProtocolError(explain(f"layers: '{before}', the output", size, allowed))
        if math.isqrt(network.n_inputs) ** 2 != network.n_inputs:
            raise ProtocolError(explain("network: inputs", network.n_inputs, "a square number"))

    def open(self, opened: dict[Any, Any]) -> Material:
        """Read the data set."""
        dataset = self.data.load(opened)
        remarks = (f"{dataset.name}: {dataset.unseen}",) if dataset.unseen else ()
        return Material(dataset.fingerprint, dataset, remarks)

    def nominal_slots(self, protocol: Protocol) -> SlotTable:
        """Lay out the slots of the timeline."""
        return UNTASKED.nominal_slots(protocol)

    def course(self, protocol: Protocol, seed: int, material: Material) -> Course:
        """Lay out a run."""
        course = import_module(f"{__package__}.course")  # it is built on this module
        return course.ReluCourse(self, protocol, seed, material.content)

"""Patterns that a network stores as attractors, and recalls from cues with mistakes in them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from brian2 import Quantity, get_dimensions, ms

from ..errors import ProtocolError, explain
from ..experiment.observer import Metric, Observer, Seen, View
from ..experiment.schedule import whole_steps
from ..experiment.slots import SlotTable
from ..experiment.task import Change, Course, Material, Task
from ..experiment.timeline import UNTASKED, Timeline, TimelineCourse
from ..run.segment import Requests, Segment
from ..run.state import stream
from ..values.fields import Count, Share, Time, one_of, specification
from ..values.frozen import default
from ..values.units import readable_unit
from .probing import answers

if TYPE_CHECKING:
    from ..experiment.protocol import Protocol
    from ..network.spec import Network

#: Name of what is kept of recall in results: ``recall/overlap``.
NAME = "recall"

#: From which overlap on a pattern counts as recalled.
RECALLED = 0.95


@specification("protocol: patterns.", ProtocolError)
class Patterns(Task):
    """Random patterns stored in the weights of an attractor network (Hopfield 1982).

    A unit is a neuron of a population, or, in `pairs`, two: neuron i of its first half for +1, of
    its second half for -1. Before the run the weights of a projection of the population onto itself
    are set. The schedule is a `Timeline`; what a network does in it, such as sleep, is up to its
    periods. Recall is tested on copies of the network, so that the run does not notice: a cue is
    shown for some time, then the input is silent, and spikes in the last part of it tell the state
    of every unit.

    Parameters
    ----------
    number : int
        How many patterns: random, +1 or -1 in every unit, drawn by the seed of the run.
    flips : tuple of float
        Shares of units in which cues differ from the pattern; recall is tested with each.
    population, projection : str
        Names of the population that stores, whose model takes a stimulus, and of the projection.
    weights : {"hebb", "projector"}
        Sums over patterns of products of the states of two units, over the number of units; or the
        matrix that keeps all patterns (the pseudo-inverse), which is the most that can be had. The
        diagonal is 0.
    pairs : bool
        Whether a unit is a pair of neurons. In one neuron a unit is 1 if it spikes in more than
        half of the steps of `read`.
    strength : Quantity
        Stimulus of a cue: what a neuron is given that is to spike; others get as much below 0.
    cue, free, read : Quantity
        How long a cue is shown; how long the network is then left alone; the last part of that, in
        which states are read.
    tests : int
        How often recall is tested: at the beginning, at the end, and evenly between.

    Raises
    ------
    ProtocolError
        If network and timeline do not fit.
    """

    number: Count = 80
    flips: tuple[Share, ...] = (0.1,)
    population: str = "e"
    projection: str = "ee"
    weights: Annotated[str, one_of("hebb", "projector")] = "hebb"
    pairs: bool = True
    strength: Quantity
    cue: Time = default(100 * ms)
    free: Time = default(500 * ms)
    read: Time = default(100 * ms)
    tests: Count = 2

    def __post_init__(self):
        if not self.flips:
            raise ProtocolError(explain("patterns.flips", "none", "one share or more"))
        if self.read > self.free:
            allowed = f"at most {self.free}, as long as the network is left alone"
            raise ProtocolError(explain("patterns.read", self.read, allowed))

    def drives(self, network: Network) -> tuple[str]:
        """Return the name of the population that is shown cues."""
        return (self.population,)

    def check(self, protocol: Protocol) -> None:
        """Check that network and timeline fit."""
        schedule, network = protocol.schedule, protocol.network
        if not isinstance(schedule, Timeline):
            got = f"a {type(schedule).__name__}"
            raise ProtocolError(explain("schedule of patterns", got, "a Timeline"))
        UNTASKED.check(protocol)
        unit = network.inputs.get(self.population)
        if unit is None or self.population == network.input:
            allowed = "a population whose model takes a stimulus, and not the input of a task"
            raise ProtocolError(explain("patterns.population", repr(self.population), allowed))
        size = network.population(self.population).size
        if self.pairs and size % 2:
            got = f"{size} neurons in '{self.population}'"
            raise ProtocolError(explain("patterns.pairs", got, "an even number"))
        self._check_projection(network)
        if get_dimensions(self.strength) is not get_dimensions(unit):
            allowed = f"a value in {readable_unit(unit)}, as the stimulus of '{self.population}'"
            raise ProtocolError(explain("patterns.strength", self.strength, allowed))
        for name in ("cue", "free", "read"):
            whole_steps(getattr(self, name), network.dt, f"patterns.{name}")

    def _check_projection(self, network: Network) -> None:
        allowed = f"a projection of '{self.population}' onto itself, with sign=None"
        for found in network.projections:
            if found.name == self.projection:
                if {found.source, found.target} == {self.population} and found.sign is None:
                    return
                got = f"'{found.name}' from '{found.source}' to '{found.target}', {found.sign=}"
                got = got.replace("found.", "")
                raise ProtocolError(explain("patterns.projection", got, allowed))
        raise ProtocolError(explain("patterns.projection", repr(self.projection), allowed))

    def open(self, opened: dict[Any, Any]) -> Material:
        """Read nothing: patterns are drawn."""
        return Material()

    def nominal_slots(self, protocol: Protocol) -> SlotTable:
        """Lay out the slots of the timeline."""
        return UNTASKED.nominal_slots(protocol)

    def course(self, protocol: Protocol, seed: int, material: Material) -> Course:
        """Lay out a run, and draw its patterns."""
        return PatternsCourse(self, protocol, seed)


def stored(patterns: np.ndarray, weights: str = "hebb") -> np.ndarray:
    """Return the weights among units, shape (n_units, n_units), in which patterns are stored.

    Parameters
    ----------
    patterns : np.ndarray
        States of +1 and -1, shape (n_patterns, n_units).
    weights : {"hebb", "projector"}
        As of `Patterns`.
    """
    each = patterns.astype(float)
    kept = np.linalg.pinv(each.T) if weights == "projector" else each / each.shape[1]
    matrix = each.T @ kept
    np.fill_diagonal(matrix, 0)
    return matrix


class PatternsCourse(TimelineCourse):
    """A run of a network that stores patterns."""

    def __init__(self, task: Patterns, protocol: Protocol, seed: int):
        super().__init__(protocol)
        network = protocol.network
        self.task = task
        size = network.population(task.population).size
        self.n_units = size // 2 if task.pairs else size
        draw = stream(seed, "patterns")
        self.patterns = draw.choice(np.array([-1, 1]), (task.number, self.n_units))
        flipped = stream(seed, "cues").random(self.patterns.shape).argsort(axis=1)
        #: Cues with exactly so many units flipped, by share; those of a larger share are in more.
        self.cues = [
            np.where(flipped < round(share * self.n_units), -self.patterns, self.patterns)
            for share in task.flips
        ]
        self.changes = (0,)
        self.observers = [Recall(self)]

    def change(self, view: View) -> Change:
        """Store the patterns."""
        pre, post = view.state.synapses[self.task.projection]
        matrix, n = stored(self.patterns, self.task.weights), self.n_units
        sign = (1 - 2 * (pre // n)) * (1 - 2 * (post // n))
        w = sign * matrix[post % n, pre % n]
        bound = self._network.projection(self.task.projection)
        return Change({f"{self.task.projection}.w": np.clip(w, bound.w_min, bound.w_max)})

    def stimulus_of(self, states: np.ndarray) -> np.ndarray:
        """Return what neurons are given that have such states, shape (n, n_neurons)."""
        each = np.concatenate([states, -states], axis=1) if self.task.pairs else states
        return each * float(self.task.strength)

    def states(self, counts: np.ndarray, steps: int) -> np.ndarray:
        """Return the states of units that spiked so often: 1, -1, or 0 where that is not told."""
        n = self.n_units
        if self.task.pairs:
            return np.sign(counts[:, :n].astype(int) - counts[:, n:])
        return np.where(2 * counts > steps, 1, -1)


class Recall(Observer):
    """How well patterns are recalled: on a copy of the network."""

    name = NAME
    metrics = (
        Metric(
            "observed",
            r"recall_(?P<when>before|after)_(?P<flips>\d+)",
            "1",
            "mean overlap of recalled states with patterns, cues with so many % of units flipped",
        ),
        Metric(
            "observed",
            r"recalled_(?P<when>before|after)_(?P<flips>\d+)",
            "fraction",
            f"of patterns recalled with an overlap above {RECALLED:g}",
        ),
        Metric(
            "observed",
            r"recall_rate_(?P<when>before|after)",
            "Hz",
            "mean rate of the neurons that store, while states are read",
        ),
        Metric(
            "observed",
            "dream_overlap",
            "1",
            "largest overlap, either sign, of a state in sleep with a pattern; mean over slots in "
            "which plasticity is on",
        ),
        Metric(
            "observed",
            "dreams",
            "1",
            "slots of sleep in which plasticity is on",
        ),
    )

    def __init__(self, course: PatternsCourse):
        self._course = course

    def slots(self, table: SlotTable) -> Collection[int]:
        """Return the slots before which recall is tested."""
        return {round(at) for at in np.linspace(0, len(table), self._course.task.tests)}

    def look(self, view: View) -> Requests[dict[str, np.ndarray]]:
        """Return ``overlap``, shape (n_flips, n_patterns), and the mean rate."""
        found, rates = [], []
        for number, cues in enumerate(self._course.cues):
            counts, steps = yield from self._responses(view, cues, number)
            states = self._course.states(counts, steps)
            found.append((states * self._course.patterns).mean(axis=1))
            rates.append(counts.mean() / (steps * float(view.protocol.network.dt)))
        return {"overlap": np.array(found), "rate": np.array(np.mean(rates))}

    def _responses(
        self, view: View, cues: np.ndarray, number: int
    ) -> Requests[tuple[np.ndarray, int]]:
        """Show cues; return spike counts of their last part, (n_cues, n_neurons), and its steps."""
        task, dt = self._course.task, view.protocol.network.dt
        cue, free, read = (round(float(each / dt)) for each in (task.cue, task.free, task.read))
        lengths = [each for each in (cue, free - read, read) if each]
        segments = self._segments(view, cues, lengths)
        counts = yield from answers(view, segments, NAME, view.slot, number)
        return counts[task.population][len(lengths) - 1 :: len(lengths)], read

    def _segments(
        self, view: View, cues: np.ndarray, lengths: list[int]
    ) -> Iterator[tuple[int, Segment]]:
        """Yield segments that show cues, in the first of some slots, with the number of the first.

        Slots of a cue have these `lengths`, in time steps.
        """
        network, capacity, n_slots = view.protocol.network, view.capacity, len(lengths)
        room = max(1, min(capacity.slots // n_slots, capacity.steps // sum(lengths)))
        rows = self._course.stimulus_of(cues)
        for first in range(0, len(cues), room):
            shown = rows[first : first + room]
            n = len(shown) * n_slots
            stimulus = np.zeros((n, shown.shape[1]))
            stimulus[::n_slots] = shown
            yield (
                first,
                Segment(
                    np.tile(lengths, len(shown)),
                    np.zeros((n, network.n_inputs)),
                    {name: np.full(n, float(name == "input")) for name in network.gates},
                    np.zeros(n, bool),
                    np.full(n, "test"),
                    np.zeros(n, bool),
                    inputs={self._course.task.population: stimulus},
                ),
            )

    def measure(self, seen: Seen) -> dict[str, Any]:
        """Give recall at the beginning and end, and what dreams were like."""
        if not seen.looks(self.name):
            return {}
        overlap, rates = seen.series(self.name, "overlap"), seen.series(self.name, "rate")
        metrics: dict[str, Any] = {}
        for when, at in (("before", 0), ("after", -1)):
            for share, each in zip(self._course.task.flips, overlap[at], strict=True):
                metrics[f"recall_{when}_{100 * share:.0f}"] = float(each.mean())
                metrics[f"recalled_{when}_{100 * share:.0f}"] = float((each > RECALLED).mean())
            metrics[f"recall_rate_{when}"] = float(rates[at])
        return metrics | self._dreams(seen)

    def _dreams(self, seen: Seen) -> dict[str, Any]:
        """Compare states in sleep with the patterns."""
        table, course = seen.table, self._course
        plastic = (table.phase == "sleep") & (table.gates["plasticity"] > 0)
        metrics: dict[str, Any] = {"dreams": int(plastic.sum())}
        if plastic.any() and course.task.pairs:
            counts = seen.recorder.counts[course.task.population][plastic]
            states = course.states(counts, 0)
            products = np.abs(states @ course.patterns.T) / course.n_units
            metrics["dream_overlap"] = float(products.max(axis=1).mean())
        return metrics

    def arrays(self, seen: Seen) -> dict[str, np.ndarray]:
        """Return recall over time, and the patterns: ``recall/patterns`` (n_patterns, n_units)."""
        found = super().arrays(seen)
        return {**found, f"{NAME}/patterns": self._course.patterns} if found else {}

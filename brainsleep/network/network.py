"""What every kind of network has: parts by name, gates, inputs, signals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from brian2 import Hz, Quantity

from ..values.displayed import Displayed
from ..values.fields import place
from ..values.frozen import Frozen, check_distinct
from .equations.diagnose import unknown
from .models import STANDARD_GATES, WeightProcess


class Network(Displayed):
    """Populations and projections by name, and the gates their parts have."""

    name: str
    #: Name of the population that takes the stimulus of a task; '' for none.
    input: str
    populations: tuple[Any, ...]
    projections: tuple[Any, ...]
    #: What is computed, as data.
    plan: Any
    dt: Quantity
    precision: str

    #: What it is called among networks; a backend runs those of one kind.
    kind = ""

    #: Global values by name, and what each is where nothing else is said.
    signals: Mapping[str, Quantity] = Frozen()

    #: Variables and signals that are variables of other neurons.
    links: Mapping[str, str] = Frozen()

    #: Images that are learned from together, with their labels; 0 where each is shown by itself.
    batch_size = 0

    @property
    def output(self) -> str:
        """Population whose spikes are the network's decision, one neuron a class; '' for none."""
        return ""

    @property
    def inputs(self) -> Mapping[str, Quantity | None]:
        """Populations that are given something, with its unit; None is of spike trains."""
        return {self.input: Quantity(1.0, dim=Hz.dim)}

    @property
    def sources(self) -> tuple[str, ...]:
        """Inputs that do nothing but pass on what they are given, and that of a task."""
        return (self.input,)

    @property
    def n_inputs(self) -> int:
        """Neurons that take the stimulus of a task."""
        return self.population(self.input).size if self.inputs.get(self.input) is not None else 0

    def stimulus_name(self, population: str) -> str:
        """Return what the stimulus of a population is called among values of slots."""
        return "stimulus" if population == self.input else f"stimulus_{population}"

    def population(self, name: str, where: str = "") -> Any:
        """Return the population called `name`; raise `SpecError` if there is none."""
        return self._part("population", name, f"{where or 'population'}: ")

    def projection(self, name: str) -> Any:
        """Return the projection called `name`; raise `SpecError` if there is none."""
        return self._part("projection", name, "")

    def _part(self, kind: str, name: str, where: str) -> Any:
        parts = {part.name: part for part in getattr(self, f"{kind}s")}
        if name in parts:
            return parts[name]
        raise unknown(f"{where}no {kind}", name, parts)

    def weight_processes(self) -> Iterator[tuple[Any, WeightProcess]]:
        """Go through all weight processes with the projection each acts on."""
        for projection in self.projections:
            for process in projection.processes:
                yield projection, process

    @property
    def activity_names(self) -> tuple[str, ...]:
        """Names of all spontaneous activities (each a gate)."""
        return tuple(sorted({a.name for p in self.populations for a in p.activities}))

    @property
    def process_names(self) -> tuple[str, ...]:
        """Names of all weight processes (each a gate)."""
        return tuple(sorted({process.name for _, process in self.weight_processes()}))

    @property
    def gates(self) -> tuple[str, ...]:
        """Names of all gates."""
        return (*STANDARD_GATES, *self.activity_names, *self.process_names)

    def _check_names(self) -> None:
        """Check that every part has a name, and every activity and process a gate of its own."""
        check_distinct([part.name for part in (*self.populations, *self.projections)], place(self))
        clocks = [f"{name}_{end}" for name in self.process_names for end in ("onset", "update")]
        check_distinct([*self.activity_names, *self.process_names, *clocks], place(self))

"""Signals: global values that models read by name; who reads which, and under which name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from .. import mistakes
from ..errors import BrainsleepError, Details, SpecError, closest
from ..values import quantities
from ..values.fields import place
from ..values.frozen import check_distinct
from ..values.units import as_code
from . import links
from .equations import checks
from .models import Model

if TYPE_CHECKING:
    from brian2 import Quantity

    from .network import Network
    from .spec import NetworkSpec, Population


def _readers(spec: NetworkSpec, population: Population) -> Iterator[Model]:
    """Yield the models whose code runs on the neurons of a population, or at synapses onto them."""
    yield population.model
    yield from population.activities
    for projection in spec.projections:
        if population.name in (projection.source, projection.target):
            yield from projection.rules  # whose traces are on the neurons
        if population.name == projection.target:
            yield projection.synapse
            yield from projection.processes


def check_names(spec: NetworkSpec, where: str) -> None:
    """Refuse signals that nothing reads, and names that other values of slots have."""
    models = [model for population in spec.populations for model in _readers(spec, population)]
    read = {name for model in models for name in model.signals}
    checks.check_all_used([*spec.signals, *links.signals(spec)], read, where, "signal")
    others = [f"{name}_interval" for name in spec.process_names]
    others += [spec.stimulus_name(population.name) for population in spec.populations]
    check_distinct([*spec.signals, *others], f"{where}: signals")


def needed(spec: NetworkSpec, population: Population) -> tuple[str, ...]:
    """Return the signals that are variables of a population; `SpecError` for one that is not there.

    Code of synapses reads those of the neuron post.
    """
    readers = list(_readers(spec, population))
    known, wrong = units(spec), list[BrainsleepError]()
    for reader in readers:
        for name, unit in reader.signals.items():
            if name in spec.links and name not in known:
                continue  # a link that is faulty, which is said of itself
            if name not in known:
                wrong.append(_missing(name, unit, place(reader), spec, known))
                continue
            quantities.check_units(known[name], unit, f"{place(reader)}: signal {name}")
    mistakes.raise_all(wrong)
    return tuple(name for name in known if any(name in each.signals for each in readers))


def _missing(
    name: str, unit: Quantity, where: str, spec: NetworkSpec, known: Iterable[str]
) -> SpecError:
    """Return the error of a signal that a model reads and its network does not have."""
    fix = f"write signals=dict({name}={as_code(0 * unit)}) in the network"
    allowed = f"one of: {', '.join(known)}" if known else "a signal"
    details = missing(spec, name, known, fix)
    allowed += f"; did you mean '{details.close}'?" if details.close else ""
    message = f"{where}: the network has no signal '{name}'; expected {allowed}; {fix}"
    return SpecError(message, details)


def missing(network: Network, name: str, known: Iterable[str], fix: str = "") -> Details:
    """Return details of a signal that a network does not have: it is said once of each name."""
    close = closest(name, known)
    return Details(kind="missing", where=place(network), word=name, fix=fix, close=close)


def units(spec: NetworkSpec) -> dict[str, Quantity]:
    """Return all signals, those that are links, too, each with a value of its unit."""
    return {**spec.signals, **links.signals(spec)}


def check_free(signals: Iterable[str], equations: str, population: Population) -> None:
    """Refuse a signal with the name of a variable of the neurons."""
    taken = checks.parse_equations(equations, population.name) if signals else ()
    for name in signals:
        if name in taken:
            reason = f"signal '{name}' has the name of a variable or parameter of its neurons"
            raise SpecError(f"population '{population.name}': {reason}; rename one of them")


def at_synapses(model: Model) -> dict[str, str]:
    """Return the signals that code of synapses reads, as it finds them: with the neuron post."""
    return {name: f"{name}_post" for name in model.signals}

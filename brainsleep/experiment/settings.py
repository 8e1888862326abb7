"""What a period sets in a network before it begins: values of neurons or synapses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from brian2 import Equations, Quantity, get_dimensions

from .. import mistakes
from ..errors import BrainsleepError, Details, ScheduleError, closest, explain, nearest
from ..network.network import Network
from ..network.spec import NetworkSpec
from ..values.arrays import Array
from ..values.fields import refusal, specification
from ..values.quantities import one_quantity
from ..values.units import readable_unit


def _numbers(value: Any, where: str, error: type[BrainsleepError]) -> Any:
    """Take one value, or one each."""
    if isinstance(value, Array):
        return value
    quantity = one_quantity(value)
    return Array.of(value, where, error) if quantity is None else quantity


def _who(value: Any, where: str, error: type[BrainsleepError]) -> Array:
    """Take numbers of neurons or synapses."""
    return value if isinstance(value, Array) else Array.of(value, where, error, dtype="int32")


@specification("setting: ", ScheduleError, kw_only=False)
class Setting:
    """Values that some neurons or synapses get before a period begins.

    Parameters
    ----------
    values : Quantity or array of Quantity
        One value for all, or one each.
    who : array of int
        Numbers of the neurons, or of the synapses in the order of `Result.synapses`; all of them by
        default.

    Examples
    --------
    >>> awake(1 * second, settings={"e.i_ext": Setting(2 * nA, [0, 1])})  # doctest: +SKIP
    """

    values: Annotated[Quantity | Array, _numbers]
    who: Annotated[Array, _who] = ()  # type: ignore[assignment]

    def __post_init__(self):
        who = self.who.numbers
        if who.size and (who.min() < 0 or len(np.unique(who)) < who.size):
            raise refusal(self, "who", "others", "numbers from 0 on, each once")
        if who.size and isinstance(self.values, Array) and len(self.values) != who.size:
            got = f"{len(self.values)} values for {who.size}"
            raise refusal(self, "values", got, "one for all, or as many as who")

    @property
    def dimensions(self) -> Any:
        """Physical dimensions of the values."""
        return self.values.dim if isinstance(self.values, Array) else get_dimensions(self.values)

    @property
    def numbers(self) -> np.ndarray:
        """The values in SI units."""
        kept = self.values.numbers if isinstance(self.values, Array) else self.values
        return np.asarray(kept, dtype=float)

    def put(self, array: np.ndarray) -> np.ndarray:
        """Return an array of a state with the values in it."""
        new = array.copy()
        new[self.who.numbers if self.who.numbers.size else slice(None)] = self.numbers
        return new


def check_setting(value: Any, where: str, error: type[BrainsleepError]) -> Any:
    """Take a `Setting`, or the values of one."""
    if isinstance(value, Setting):
        return value
    return Setting(_numbers(value, where, error))


Settings = Mapping[str, Annotated[Setting, check_setting]]


def settable(network: Network) -> dict[str, Equations]:
    """Return what can be set, such as ``"e.v"``, with the equations that declare it."""
    if not isinstance(network, NetworkSpec):
        return {}
    found = {}
    parts: list[Any] = [*network.plan.groups, *network.plan.synapses]
    for part in parts:
        equations = Equations(part.equations)
        for name in (*part.state, *part.constants):
            if name in equations and name not in getattr(part, "updates", ()):
                found[f"{part.name}.{name}"] = equations[name]
    return found


def check_settings(where: str, settings: Mapping[str, Setting], network: Network) -> None:
    """Report a `ScheduleError` for all that is set and cannot be."""
    there = settable(network) if settings else {}
    for name, setting in settings.items():
        with mistakes.going_on():
            if name not in there:
                message = f"{where}: settings: nothing to set is called '{name}'"
                details = Details(word=name, close=closest(name, there))
                raise ScheduleError(f"{message}; {nearest(name, there)}", details)
            label, dim = f"{where}: settings: {name}", there[name].dim
            if setting.dimensions is not dim:
                got, allowed = (f"in {readable_unit(d)}" for d in (setting.dimensions, dim))
                raise ScheduleError(explain(label, f"values {got}", allowed), Details(word=name))
            _check_size(label, name.partition(".")[0], setting, network)


def _check_size(label: str, owner: str, setting: Setting, network: Network) -> None:
    """Raise `ScheduleError` for values of neurons that are not there; synapses may be drawn."""
    sizes = {population.name: population.size for population in network.populations}
    if owner not in sizes:
        return
    who, size = setting.who.numbers, sizes[owner]
    if who.size and who.max() >= size:
        raise ScheduleError(explain(label, f"neuron {who.max()}", f"neurons 0 to {size - 1}"))
    if not who.size and setting.numbers.ndim and setting.numbers.size != size:
        got = f"{setting.numbers.size} values"
        raise ScheduleError(explain(label, got, f"one for all, or {size}, one a neuron"))

"""What values and wiring may use and must be, checked against the parts that they are given to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from brian2 import Equations, Quantity, second
from brian2.core.variables import Variable
from brian2.equations.equations import SUBEXPRESSION
from brian2.units.fundamentalunits import DIMENSIONLESS, Dimension

from .. import mistakes
from ..errors import SpecError, explain
from ..values.arrays import Array
from .equations import checks
from .equations.declared import check_start
from .equations.diagnose import mistake, unknown
from .plan import SPIKE_DELAY, TIMES, GroupPlan, SynapsePlan
from .values import check_value
from .wiring import Connectivity

if TYPE_CHECKING:
    from .models import Model
    from .spec import NetworkSpec, Population, Projection
    from .strength import InitialWeights

#: Variables of neurons and synapses whose start is no value of a user's.
_OWN = ("spiking", SPIKE_DELAY, "w", "w_min", "w_max", "w_sign", "zero_index")

#: Names of a projection's pairs of neurons.
_OF_PAIRS = ("i", "j", "N_pre", "N_post")


def own_values(population: Population, names: Mapping[str, Any] | tuple[str, ...]) -> dict:
    """Return the values of a population, and of its positions those that are among `names`."""
    positions = {name: v for name, v in population.positions.items() if name in names}
    return {**positions, **population.values}


def model_numbers(model: Model, parts: Iterable[Model]) -> dict[str, Quantity]:
    """Return the parameters of a model of neurons or synapses, and of `parts`, by final name."""
    found = dict(model.parameters)
    for part in parts:
        found = {f"{part.name}_{k}": v for k, v in part.parameters.items()} | found
    return found


def split_parameters(
    parameters: Mapping[str, Quantity], values: Mapping[str, Any]
) -> tuple[dict[str, Quantity], tuple[str, ...]]:
    """Return parameters, where `values` has one number with that; and names of those it has others.

    A value that does not fit is left to the checks.
    """
    shared, each = dict(parameters), []
    for name in parameters:
        value = values.get(name)
        if isinstance(value, Array | str):
            each.append(name)
            del shared[name]
        elif value is not None and value.dim == parameters[name].dim:
            shared[name] = value
    return shared, tuple(each)


def start_value(value: Quantity | str, parameters: Mapping[str, Quantity]) -> Quantity | str:
    """Return a model's value at the start: a quantity, or an expression."""
    value = parameters.get(value, value) if isinstance(value, str) else value
    return value if isinstance(value, str) else Quantity(value, dtype=float)


def check_neurons(population: Population, plan: GroupPlan, equations: Equations) -> None:
    """Check positions, parameters and start values of a population."""
    where = f"population '{population.name}'"
    usable = _numbers(population, plan) | checks.dimensionless("i", "N")
    sizes: dict[str, Any] = {"size": population.size}
    positions = dict[str, Variable]()
    for name, value in population.positions.items():
        with mistakes.going_on():
            dim = check_value(value, usable, f"{where}: position {name}", **sizes)
            positions[name] = _of(name, dim)
    may = {name: eq for name, eq in equations.items() if name in _settable(plan)}
    values = own_values(population, may)
    own = checks.constants_of(model_numbers(population.model, population.activities))
    for name, value in values.items():
        with mistakes.going_on():
            label = f"{where}: values: {name}"
            if name not in may:
                raise _no_such(f"{where}: values: no variable or parameter", name, may, equations)
            if name in population.positions and name in population.values:
                raise SpecError(f"{label}: it is among the positions, too; take one of them out")
            eq = may[name]
            if name in plan.constants:
                known = {**usable, **positions, **({name: own[name]} if name in own else {})}
                _check_not_shared(name, equations, label)
            else:
                each = {key: _of(key, equations[key].dim) for key in plan.constants}
                known = {**usable, **positions, **each}
            check_value(value, known, label, dim=eq.dim, kind=eq.var_type, **sizes)
            if not isinstance(value, str | Array):
                check_start(eq, value, label)


def _no_such(what: str, name: str, may: Mapping, equations: Equations) -> SpecError:
    if name in equations and equations[name].type == SUBEXPRESSION:
        return mistake(what, f"'{name}' is computed by its equation", word=name)
    return unknown(what, name, may)


def _settable(plan: GroupPlan | SynapsePlan) -> set[str]:
    names = {*plan.state, *plan.parameters, *plan.constants} - {*_OWN}
    return {name for name in names if not name.endswith(TIMES)}


def _numbers(population: Population, plan: GroupPlan, end: str = "") -> dict[str, Variable]:
    """Describe the parameters that are one number for all neurons."""
    numbers = checks.constants_of(plan.parameters)
    return {f"{name}{end}": variable for name, variable in numbers.items()}


def _of(name: str, dim: Dimension) -> Variable:
    return Variable(name=name, dimensions=dim, dtype=np.float64)


def _check_not_shared(name: str, equations: Equations, where: str) -> None:
    """Refuse a value for each neuron of what is used where all neurons share one."""
    for other, eq in equations.items():
        if eq.type == SUBEXPRESSION and "shared" in eq.flags and name in eq.identifiers:
            fix = f"take (shared) off '{other}', or give '{name}' one number"
            raise mistake(where, f"'{other}' is (shared) and uses '{name}'", fix, word=name)


def check_synapses(
    spec: NetworkSpec,
    projection: Projection,
    plan: SynapsePlan,
    groups: Mapping[str, Equations],
    equations: Equations,
) -> None:
    """Check connectivity, weights and values of a projection."""
    where = f"projection '{projection.name}'"
    ends = [spec.population(name) for name in (projection.source, projection.target)]
    sizes, recurrent = (ends[0].size, ends[1].size), ends[0].name == ends[1].name
    wiring = projection.connectivity
    with mistakes.going_on():
        wiring.check_sizes(*sizes, recurrent, f"{where}: connectivity")
    pairs = pair_variables(spec, projection, groups)
    if isinstance(wiring, Connectivity) and isinstance(wiring.p, str):
        with mistakes.going_on():
            label = f"{where}: connectivity p"
            check_value(wiring.p, pairs, label, dim=DIMENSIONLESS, draws=False)
    number = wiring.number(*sizes, recurrent)
    numbers = checks.constants_of(plan.parameters)
    for delay, value in projection.delays.items():
        with mistakes.going_on():
            label = f"{where}: {delay}"
            _check_size(value, number, label)
            check_value(value, {**pairs, **numbers}, label, dim=second.dim)
    with mistakes.going_on():
        bounds = checks.dimensionless("w_min", "w_max")
        _check_weights(projection, {**pairs, **numbers, **bounds}, number, f"{where}: weights")
    parts = (*projection.rules, *projection.processes)
    own = checks.constants_of(model_numbers(projection.synapse, parts))
    for name, value in projection.values.items():
        with mistakes.going_on():
            label, may = f"{where}: values: {name}", _settable(plan)
            if name == "w":
                raise SpecError(f"{label}: got a value; expected none; give it as weights=...")
            if name not in may:
                raise unknown(f"{where}: values: no variable or parameter", name, may)
            known, eq = {**pairs, **numbers}, equations[name]
            if name in plan.constants:
                known |= {name: own[name]} if name in own else {}
            else:
                known |= {key: _of(key, equations[key].dim) for key in plan.constants}
            _check_size(value, number, label)
            check_value(value, known, label, dim=eq.dim, kind=eq.var_type)
            if not isinstance(value, str | Array):
                check_start(eq, value, label)


def _check_size(value: Any, number: int | None, where: str) -> None:
    """Refuse an array for synapses that are as many as it has values by chance only."""
    if isinstance(value, Array) and number is None:
        fix = "give the pairs, too: connectivity=Pairs(pre, post); or write an expression"
        raise SpecError(explain(where, "an array, but synapses are drawn", "as many of each", fix))
    if isinstance(value, Array) and len(value) != number:
        raise SpecError(explain(where, f"{len(value)} values", f"{number}, one a synapse"))


def _check_weights(projection: Projection, usable: dict, number: int | None, where: str) -> None:
    value: InitialWeights | Any = projection.weights
    if not isinstance(value, Quantity | str | Array):
        return
    _check_size(value, number, where)
    check_value(value, usable, where, dim=DIMENSIONLESS)
    if not isinstance(value, str):
        w = value.numbers if isinstance(value, Array) else np.asarray(value)
        check_bounds(projection, w, where)


def check_bounds(projection: Projection, w: np.ndarray, where: str) -> None:
    """Raise `SpecError` for weights that are not within their bounds."""
    low, high = projection.w_min, projection.w_max
    if w.size and not low <= w.min() <= w.max() <= high:
        got, fix = f"{w.min():g} to {w.max():g}", "raise the bounds, or bound the weights"
        if isinstance(projection.weights, str):
            fix = f"write clip({projection.weights}, w_min, w_max)"
        elif w.min() < 0 and projection.sign is not None:
            fix = "use sign=-1 for inhibition, or sign=None for weights with a sign of their own"
        raise SpecError(explain(where, got, f"within [{low:g}, {high:g}]", fix))


def pair_variables(
    spec: NetworkSpec, projection: Projection, groups: Mapping[str, Equations]
) -> dict[str, Variable]:
    """Describe what an expression of pairs of neurons may use."""
    usable = checks.dimensionless(*_OF_PAIRS)
    for name, end in ((projection.source, "_pre"), (projection.target, "_post")):
        population = spec.population(name)
        plan = next(group for group in spec.plan.groups if group.name == name)
        usable |= _numbers(population, plan, end)
        each = {key: groups[name][key].dim for key in plan.constants}
        each |= dict(_dimensions(population, plan))
        usable |= {f"{key}{end}": _of(f"{key}{end}", dim) for key, dim in each.items()}
    if (dim := _distance(usable, common_positions(spec, projection))) is not None:
        usable["distance"] = _of("distance", dim)
    return usable


def common_positions(spec: NetworkSpec, projection: Projection) -> tuple[str, ...]:
    """Return the names of positions that both populations have: all of each, or none."""
    one, other = (spec.population(p).positions for p in (projection.source, projection.target))
    return tuple(one) if one and set(one) == set(other) else ()


def _distance(usable: Mapping[str, Variable], names: tuple[str, ...]) -> Dimension | None:
    """Return the unit of the distance between neurons, if there is one."""
    ends = [usable.get(f"{name}_{end}") for name in names for end in ("pre", "post")]
    dims = {None if variable is None else variable.dim for variable in ends}
    return dims.pop() if len(dims) == 1 else None


def _dimensions(population: Population, plan: GroupPlan) -> Iterator[tuple[str, Dimension]]:
    """Yield the positions that are right, and their dimensions."""
    usable = _numbers(population, plan) | checks.dimensionless("i", "N")
    for name, value in population.positions.items():
        try:
            yield name, check_value(value, usable, name)
        except SpecError:  # it is said where the population is checked
            continue

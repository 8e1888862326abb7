"""Synapses as projections: their code, wiring, values and delays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from brian2 import Quantity, second
from brian2.equations.codestrings import Expression
from brian2.equations.equations import (
    DIFFERENTIAL_EQUATION,
    SUBEXPRESSION,
    Equations,
    SingleEquation,
)
from brian2.groups.subgroup import Subgroup

from ..network.equations import checks, settle
from ..network.events import SPIKE
from ..network.models import Pathway, SynapseModel
from ..network.spec import Projection
from ..network.wiring import Pairs
from ..values.arrays import Array
from .events import event_names
from .names import laid_out, renamed, with_flags, without
from .neurons import (
    Taken,
    check_clock,
    check_place,
    equations_text,
    made_of,
    method_of,
    one_or_each,
    regular_codes,
)
from .places import named, refused
from .scope import Scope
from .weights import WEIGHT, weight_of, weights_of


def root(group: Any) -> tuple[Any, int, int]:
    """Return the group that a group is a part of, and its first neuron and one after the last."""
    if isinstance(group, Subgroup):
        return group.source, int(group.start), int(group.stop)
    return group, 0, int(np.asarray(group.variables["N"].get_value()).item())


class SynapseScope(Scope):
    """Names in the code of synapses: also those of the neurons at both ends."""

    def __init__(
        self,
        synapses: Any,
        namespace: Mapping,
        ends: tuple[Taken, Taken],
        varying: Iterable[str] = (),
    ):
        super().__init__(synapses, namespace, varying)
        self.ends = ends
        self._first = root(synapses.source)[1], root(synapses.target)[1]
        self._size = int(synapses.source.N), int(synapses.target.N)
        source = ends[0].scope
        self.taken = {WEIGHT, *source.names.values(), *source.parameters, *source.tables}

    def _other(self, name: str) -> str | None:
        """Return the name of a variable of neurons; of numbers of neurons those in their part."""
        for stem, place in (("i", 0), ("j", 1)):
            if name == stem and self._first[place]:
                return f"({stem} - {self._first[place]})"
        if name in ("N_pre", "N_post"):
            return str(self._size[name == "N_post"])
        stem, _, end = name.rpartition("_")
        if end in ("pre", "post") and stem in (names := self.ends[end == "post"].scope.names):
            return f"{self._at(end, stem, names[stem])}_{end}"
        if name in self.ends[1].scope.names and name in self.group.variables:
            return f"{self._at('post', name, self.ends[1].scope.names[name])}_post"
        return None

    def _at(self, end: str, name: str, other: str) -> str:
        return other

    def code(self, text: str) -> str:
        """Return code with the names of here; see `Scope`."""
        shown = checks.identifiers(text)
        if {"i", "j"} & shown and any(self._first):
            text = renamed(text, {k: v for k in ("i", "j") if (v := self._other(k))})
        return super().code(text)


def projection(scope: SynapseScope, name: str, ends: tuple[Taken, Taken], dt: Quantity) -> Taken:
    """Take over synapses."""
    synapses = scope.group
    check_clock(synapses, dt)
    taken = Taken(synapses, name, scope)
    pairs = [
        np.asarray(synapses.variables[f"_synaptic_{end}"].get_value()) for end in ("pre", "post")
    ]
    wiring = made_of(Pairs, named(synapses), synapses, pre=pairs[0], post=pairs[1])
    taken.order = wiring.order
    whole = all_equations(synapses)
    for each in sorted(synapses._linked_variables):
        fix = "link a variable of the neurons, and read that, such as 'x_post'"
        what = f"{named(synapses)}: '{each}'"
        raise refused(what, "a link of synapses", "links of neurons", fix, synapses)
    equations = dict(whole)
    text = _equations_text(whole, equations)
    weight = weight_of(equations)
    for each, eq in equations.items():
        if "summed" in eq.flags:
            scope.names[each] = scope._other(each) or each
        else:
            scope.declare(each, WEIGHT if each == weight else None)
    given = _codes(synapses, scope)
    given["equations"] = scope.equations(text, set(equations))
    given["regular"] = tuple(regular_codes(synapses, scope, dt))
    given["method"] = _method(synapses, scope.namespace)
    given["summed"] = _sums(synapses)
    _check_integration(synapses)
    weights = weights_of(synapses, equations, weight, scope, given)
    given["equations"] += scope.declared()
    values: dict[str, Any] = dict(scope.variables)
    for each, eq in equations.items():
        if eq.type == SUBEXPRESSION or each == weight or "shared" in eq.flags:
            continue
        numbers = np.asarray(synapses.variables[each].get_value())
        if np.any(numbers != 0):
            values[scope.names[each]] = one_or_each(numbers, eq.dim)
    _take_shared(synapses, equations, scope, given)
    parts = [*given.pop("pathways").values()]
    model = made_of(
        SynapseModel,
        named(synapses),
        synapses,
        name=f"{name}_synapse",
        parameters=scope.parameters,
        tables=scope.tables,
        functions=scope.functions,
        pathways=tuple(parts),
        **given,
    )
    taken.part = made_of(
        Projection,
        named(synapses),
        synapses,
        name=name,
        source=ends[0].name,
        target=ends[1].name,
        synapse=model,
        connectivity=wiring,
        values=values,
        **weights,
        **_delays(synapses),
    )
    return taken


def _equations_text(whole: Equations, equations: dict) -> str:
    """Return equations in which every rate says when it is integrated, without shared numbers."""
    text = equations_text(whole)
    for name, eq in equations.items():
        if eq.type == DIFFERENTIAL_EQUATION and "event-driven" not in eq.flags:
            text = with_flags(text, name, lambda flags: {"clock-driven"})
        if "shared" in eq.flags:
            if eq.type == DIFFERENTIAL_EQUATION or eq.type == SUBEXPRESSION:
                text = with_flags(text, name, lambda flags: flags - {"shared"})
            else:
                text = without(text, name)
    return text


def all_equations(synapses: Any) -> Equations:
    """Return all equations of synapses: Brian2 keeps those that are not clock-driven apart."""
    given = getattr(synapses, "_adopted_equations", None)
    if given is not None:
        return given
    found = dict(synapses.equations)
    found |= dict(synapses.event_driven) if synapses.event_driven is not None else {}
    for name, updater in synapses.summed_updaters.items():
        dim = updater.target_var.dim
        expression = Expression(updater.expression)
        found[name] = SingleEquation(SUBEXPRESSION, name, dim, expr=expression, flags=["summed"])
    return Equations(list(found.values()))


def _paths(synapses: Any) -> list[Any]:
    """Return the pathways in the order in which Brian2 takes them."""
    return sorted(synapses._pathways, key=lambda path: (path.order, path.name))


def _several_delays(synapses: Any) -> bool:
    """Tell whether pathways for spikes of one end have different delays."""
    for end in ("pre", "post"):
        delays = [
            np.asarray(path.variables["delay"].get_value(), dtype=float)
            for path in synapses._pathways
            if path.prepost == end
        ]
        if any(d.shape != delays[0].shape or np.any(d != delays[0]) for d in delays):
            return True
    return False


def _codes(synapses: Any, scope: SynapseScope) -> dict[str, Any]:
    """Return statements for spikes: `on_pre`, `on_post` and further pathways."""
    given: dict[str, Any] = {"on_pre": "", "on_post": "", "pathways": {}}
    paths = _paths(synapses)
    usual = {"pre": -1, "post": 1}
    alone = len(paths) == len({path.prepost for path in paths})
    alone = alone and all(path.event == SPIKE for path in paths)
    apart = _several_delays(synapses)
    for place, path in enumerate(paths):
        if path.when != "synapses":
            check_place(path, "synapses", path.order)
        code = scope.code(path.code)
        if alone and path.order == usual[path.prepost]:
            given[f"on_{path.prepost}"] = code
            continue
        name = f"path_{place:02}"  # of one order they come by their names, as in Brian2
        code = laid_out(code)
        event = event_names(root(path.source)[0])[path.event]
        given["pathways"][name] = Pathway(
            name=name, code=code, end=path.prepost, order=path.order, own_delay=apart, event=event
        )
    return given


def order_matters(synapses: Any) -> bool:
    """Tell whether it matters if other synapses act before these in a time step.

    It does not if they only add to variables of neurons, and read none.
    """
    own = {*synapses.equations, "i", "j", "t", "dt"}
    neurons = set(synapses.source.variables) | set(synapses.target.variables)
    neurons |= {f"{name}_{end}" for name in neurons for end in ("pre", "post")}
    for path in synapses._pathways:
        for name, sign, value in settle.read(settle.statements(path.code)) or ():
            if name not in own and sign not in ("+=", "-="):
                return True
            if (checks.identifiers(value) - own) & neurons:
                return True
    return False


def _method(synapses: Any, namespace: Mapping) -> str:
    updater = getattr(synapses, "state_updater", None)
    clocked = [eq for eq in synapses.equations.values() if eq.type == DIFFERENTIAL_EQUATION]
    clocked = [eq for eq in clocked if "event-driven" not in eq.flags]
    if updater is None or not clocked:
        return "euler"
    equations = updater.group.equations
    names = set().union(*(eq.identifiers for eq in equations.values())) | set(equations.names)
    known = {n for n in names if not n.startswith("xi")} | {"t", "dt"}
    variables = synapses.resolve_all(known, namespace)
    return method_of(updater, updater.method_choice, variables, equations)


def _sums(synapses: Any) -> str:
    """Return whether sums over synapses come before their neurons are integrated, or after."""
    after = set()
    for updater in synapses.summed_updaters.values():
        group = root(getattr(updater, "target", synapses.target))[0]
        other = getattr(group, "state_updater", None)
        if other is not None:
            after.add((updater.order, updater.name) > (other.order, other.name))
    if len(after) > 1:
        fix = "write two Synapses"
        what = f"{named(synapses)}: its sums"
        raise refused(what, "some before integration, some after", "one of both", fix, synapses)
    return "after" if after == {True} else "before"


def _check_integration(synapses: Any) -> None:
    """Refuse synapses that are integrated before the neurons that their equations read."""
    updater = synapses.state_updater
    if updater is None:
        return
    used = {n for eq in synapses.equations.values() for n in eq.identifiers}
    for end in ("pre", "post"):
        group = root(synapses.source if end == "pre" else synapses.target)[0]
        other = getattr(group, "state_updater", None)
        reads = {n for n in used if n.removesuffix(f"_{end}") in group.variables} - {"t", "dt"}
        if other is not None and reads and updater.name < other.name:
            fix = f"rename it, so that its name comes after '{group.name}'"
            what = f"{named(synapses)}: its equations read '{min(reads)}'"
            got = "integrated before these neurons, by its name"
            raise refused(what, got, "integrated after them", fix, synapses)


def _take_shared(synapses: Any, equations: Mapping, scope: Scope, given: Mapping) -> None:
    codes = [v for v in given.values() if isinstance(v, str)]
    codes += [p.code for p in given["pathways"].values()] + [r.code for r in given["regular"]]
    used = checks.identifiers(*codes)
    for name, eq in equations.items():
        if "shared" in eq.flags and eq.type == "parameter" and scope.names[name] in used:
            number = float(synapses.variables[name].get_value().item())
            scope.parameters[scope.names[name]] = Quantity(number, dim=eq.dim)


def _delays(synapses: Any) -> dict[str, Any]:
    """Return the delays of the spikes of both ends, or of each pathway where they differ."""
    paths = _paths(synapses)
    apart, given = _several_delays(synapses), dict[str, Any]()
    for place, path in enumerate(paths):
        delay = np.asarray(path.variables["delay"].get_value(), dtype=float)
        if np.any(delay):
            value = next(_whole(delay, float(synapses.clock.dt_)))
            if apart:
                given.setdefault("path_delays", {})[f"path_{place:02}"] = value
            else:
                given["delay" if path.prepost == "pre" else "delay_post"] = value
    return given


def _whole(delay: np.ndarray, dt: float) -> Iterator[Quantity | Array]:
    """Yield delays in whole steps, as Brian2 rounds them."""
    steps = np.floor(delay / dt + 0.5)
    if len(steps) and np.all(steps == steps[0]):
        yield float(steps[0]) * dt * second
    yield Array.of(steps * dt * second, "delay")

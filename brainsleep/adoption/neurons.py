"""NeuronGroup, PoissonGroup and SpikeGeneratorGroup as populations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import brian2
import numpy as np
from brian2 import Quantity
from brian2.equations.equations import DIFFERENTIAL_EQUATION, PARAMETER, Equations
from brian2.groups.group import CodeRunner
from brian2.stateupdaters.base import StateUpdateMethod, UnsupportedEquationsException
from brian2.units.fundamentalunits import Dimension

from ..errors import BrainsleepError
from ..network.equations import checks
from ..network.equations.declared import DRAWS
from ..network.events import SPIKE, Event
from ..network.models import NeuronModel
from ..network.regular import Regular
from ..network.spec import Population
from ..values.arrays import Array
from .events import check_at_rest, events_of
from .links import all_identifiers, with_partners
from .names import laid_out, with_flags, without
from .places import named, refused
from .scope import Scope

#: Most neurons of a `PoissonInput` that are drawn one by one.
_SINGLY = 64


@dataclass
class Taken:
    """A group that was taken over: its population or projection, and what things are called.

    Attributes
    ----------
    group
        Brian2's group.
    name : str
        Name of the population or projection.
    scope : Scope
        Names of its variables, and what its code uses.
    order : array of int or None
        Of synapses: the place in Brian2's order of each of those here.
    """

    group: Any
    name: str
    scope: Scope
    part: Any = None
    order: np.ndarray | None = None

    def here(self, numbers: np.ndarray) -> np.ndarray:
        """Return the numbers that neurons or synapses have here, from those in Brian2."""
        return numbers if self.order is None else np.argsort(self.order)[numbers]


def equations_text(equations: Equations) -> str:
    """Return equations as they were written, if that is known, else as Brian2 has them."""
    text = getattr(equations, "_adopted_text", "")
    if text:
        return text
    lines = []
    for name, eq in equations.items():
        left = f"d{name}/dt" if eq.type == DIFFERENTIAL_EQUATION else name
        unit = checks.unit_name(eq.dim) if eq.var_type == "float" else eq.var_type
        flags = f" ({', '.join(eq.flags)})" if eq.flags else ""
        code = f" = {eq.expr.code}" if eq.expr else ""
        lines.append(f"{left}{code} : {unit}{flags}")
    return "\n".join(lines)


def one_or_each(numbers: np.ndarray, dim: Dimension) -> Quantity | Array:
    """Return numbers as one quantity if they are all the same, else as an array."""
    numbers = np.asarray(numbers, dtype=float)
    if numbers.size and np.all(numbers == numbers.flat[0]):
        return Quantity(float(numbers.flat[0]), dim=dim)
    return Array.of(Quantity(numbers, dim=dim), "values")


def method_of(updater: Any, choice: Any, variables: Mapping[str, Any], equations: Any) -> str:
    """Return the integration method that Brian2 takes of those that it may choose from."""
    if isinstance(choice, str):
        return {"linear": "exact", "independent": "exact"}.get(choice, choice)
    for name, known in StateUpdateMethod.stateupdaters.items():
        if choice is known:
            return name
    if not isinstance(choice, list | tuple):
        made = updater
        raise refused("method", f"{choice!r}", "the name of a method", "name one of Brian2's", made)
    for name in choice:
        try:
            StateUpdateMethod.apply_stateupdater(equations, variables, name)
        except UnsupportedEquationsException:
            continue
        return name
    return "euler"


def made_of(kind: Any, label: str, made: Any, /, **given: Any) -> Any:
    """Make a specification; say of an error where the Brian2 object was made.

    Code of several lines is laid out as in the file of a study.
    """
    given = {k: laid_out(v) if isinstance(v, str) and "\n" in v else v for k, v in given.items()}
    try:
        return kind(**given)
    except BrainsleepError as error:
        raise refused(
            label, str(error), "what a network here can have", "see above", made
        ) from error


def check_clock(made: Any, dt: Quantity) -> None:
    """Refuse an object on another clock."""
    own = made.clock.dt_
    if not np.isclose(own, float(dt), rtol=1e-9):
        fix = f"give all groups and synapses the time step {dt}; monitors may have others"
        raise refused(f"{named(made)}: dt", made.clock.dt, f"{dt}", fix, made)


def steps_between(made: Any, dt: Quantity, what: str) -> int:
    """Return the time steps from one turn of an object's clock to the next."""
    steps = float(made.clock.dt_) / float(dt)
    if abs(steps - round(steps)) > 1e-6 or round(steps) < 1:
        fix = "choose a dt that is a multiple"
        raise refused(f"{what}: dt", made.clock.dt, f"a multiple of {dt}", fix, made)
    return round(steps)


def check_place(made: Any, when: str, order: int = 0) -> None:
    """Refuse an object that has another place within a time step."""
    if (made.when, made.order) != (when, order):
        got = f"when='{made.when}', order={made.order}"
        fix = "leave 'when' and 'order' out"
        raise refused(named(made), got, f"when='{when}', order={order}", fix, made)


def neuron_group(
    scope: Scope,
    name: str,
    dt: Quantity,
    inputs: Sequence[brian2.PoissonInput] = (),
) -> Taken:
    """Take over a group of neurons, with what drives them."""
    group = scope.group
    taken = Taken(group, name, scope)
    text, kept = equations_text(group.user_equations), dict(group.user_equations)
    text, kept = _without_shared(scope, text, kept)
    for each in group.user_equations:
        scope.declare(each)
    codes = {"threshold": group.events.get("spike") or ""}
    codes["reset"] = group.event_codes.get("spike") or ""
    for event, part in group.thresholder.items():
        check_place(part, "thresholds" if event == SPIKE else "after_thresholds")
    if SPIKE in group.resetter:
        check_place(group.resetter[SPIKE], "resets")
    check_place(group.state_updater, "groups")
    if group.state_updater.method_options:
        fix = "leave method_options out"
        what = f"{named(group)}: method_options"
        raise refused(what, group.state_updater.method_options, "none", fix, group)
    given: dict[str, Any] = {label: scope.code(code) for label, code in codes.items()}
    given["refractory"] = _refractory(group, scope)
    given["equations"] = scope.equations(text, set(kept))
    given["method"] = _method(group, scope.namespace)
    given["events"] = tuple(
        made_of(Event, f"{named(group)}: event '{event}'", group, **parts)
        for event, parts in events_of(group, scope)
    )
    drives = [poisson_code(each, scope, k) for k, each in enumerate(inputs)]
    given["regular"] = (*regular_codes(group, scope, dt), *drives)
    given["equations"], partners = with_partners(scope, given["equations"], written_names(group))
    given["equations"] += scope.declared()
    values = dict(_values(group, kept, scope)) | scope.variables | partners
    _take_shared(group, kept, scope, checks.identifiers(*_texts(given)))
    model = made_of(
        NeuronModel,
        named(group),
        group,
        name=f"{name}_neuron",
        parameters=scope.parameters,
        tables=scope.tables,
        functions=scope.functions,
        **given,
    )
    size = int(group.N)
    part = made_of(
        Population, named(group), group, name=name, size=size, model=model, values=values
    )
    taken.part = part
    return taken


def _without_shared(scope: Scope, text: str, kept: dict) -> tuple[str, dict]:
    """Take out declared numbers that all neurons share: they become parameters.

    What all share and code computes, every neuron computes.
    """
    written = written_names(scope.group) | scope.varying
    each = set(scope.group._linked_variables)
    for name, eq in list(kept.items()):
        if "shared" not in eq.flags or eq.type == "subexpression":
            continue
        if eq.type == PARAMETER and name not in written:
            text = without(text, name)
            del kept[name]
        else:
            text = with_flags(text, name, lambda flags: flags - {"shared"})
            each.add(name)
    for name, eq in kept.items():
        needed = all_identifiers(scope.group, name)
        if "shared" in eq.flags and needed & each and not needed & DRAWS:
            text = with_flags(text, name, lambda flags: flags - {"shared"})
    return text, kept


def written_names(group: Any) -> set[str]:
    """Return the variables of a group that its own code sets."""
    from ..network.equations import settle

    codes = [*group.event_codes.values()]
    codes += [each.abstract_code for each in runners(group)]
    return {name for code in codes for name, _, _ in settle.read(settle.statements(code)) or ()}


def _texts(given: Mapping[str, Any]) -> list[str]:
    """Return all code that a model is given."""
    texts = [value for value in given.values() if isinstance(value, str)]
    texts += [code for each in given.get("events", ()) for code in (each.condition, each.code)]
    return texts + [each.code for each in given.get("regular", ())]


def _take_shared(group: Any, kept: Mapping, scope: Scope, used: set[str]) -> None:
    """Give the numbers that all neurons share, and that code uses, to parameters."""
    for name, eq in group.user_equations.items():
        if name not in kept and scope.names[name] in used:
            number = float(group.variables[name].get_value().item())
            scope.parameters[scope.names[name]] = Quantity(number, dim=eq.dim)


def _values(group: Any, kept: Mapping, scope: Scope) -> Iterator[tuple[str, Any]]:
    """Yield the values of the variables that neurons keep, where they are not 0."""
    for name, eq in kept.items():
        if eq.type == "subexpression" or "linked" in eq.flags:
            continue
        numbers = np.asarray(group.variables[name].get_value())
        if np.any(numbers != 0):
            if numbers.shape != (int(group.N),):
                numbers = np.full(int(group.N), float(numbers.flat[0]))
            yield scope.names[name], one_or_each(numbers, eq.dim)


def _refractory(group: Any, scope: Scope) -> str:
    check_at_rest(group)
    given = group._refractory
    if given is False:
        return ""
    if isinstance(given, Quantity):
        return scope.parameter("refractory_period", Quantity(float(given), dim=given.dim))
    if isinstance(given, str):
        return scope.code(given)
    what = f"{named(group)}: refractory"
    raise refused(what, repr(given), "a time or an expression", "write it as text", group)


def _method(group: Any, namespace: Mapping) -> str:
    equations = group.equations
    if not equations.diff_eq_names:
        return "euler"
    names = set().union(*(eq.identifiers for eq in equations.values()))
    names |= set(equations.names)
    known = set(group.variables) | {n for n in names if not n.startswith("xi")}
    try:
        variables = group.resolve_all(known & (names | {"t", "dt"}), namespace)
    except KeyError as error:
        fix = "define it before the network is run"
        what = f"{named(group)}: its equations"
        raise refused(what, str(error), "names that are defined", fix, group) from error
    return method_of(group, group.method_choice, variables, equations)


def runners(group: Any) -> list[CodeRunner]:
    """Return what a group runs regularly, in Brian2's order."""
    own = [each for each in group.contained_objects if type(each) is CodeRunner]
    return sorted(own, key=lambda each: (each.order, each.name))


def regular_codes(group: Any, scope: Scope, dt: Quantity) -> Iterator[Regular]:
    """Yield what a group runs regularly."""
    for place, each in enumerate(runners(group)):
        if not each.active:
            continue
        every = Quantity(each.clock.dt_, dim=dt.dim)
        steps = steps_between(each, dt, f"run_regularly of {named(group)}")
        yield made_of(
            Regular,
            f"run_regularly of {named(group)}",
            each,
            name=f"regular_{place}",
            code=scope.code(each.abstract_code),
            every=None if steps == 1 else every,
            when=each.when,
            order=_order(group, each, scope.watched),
        )


def poisson_code(drive: brian2.PoissonInput, scope: Scope, place: int) -> Regular:
    """Return a `PoissonInput` as code in every step: what Brian2 draws, it draws.

    Brian2 draws the number of spikes, a binomial one, from a normal distribution where there are
    many, and exactly elsewhere; here a few neurons are drawn one by one, and many rare ones
    together, as a Poisson number.
    """
    group, n, rate = drive._group, int(drive.N), float(drive.rate)
    names = {"n": ("sources", Quantity(float(n))), "rate": ("rate", drive.rate)}
    own = {k: scope.parameter(f"drive{place}_{s}", Quantity(v)) for k, (s, v) in names.items()}
    p = rate * float(group.clock.dt_)
    chance = f"{own['rate']}*dt"
    if n * p > 5 and n * (1 - p) > 5:
        spread = f"sqrt({own['n']}*{chance}*(1 - {chance}))"
        drawn = f"({own['n']}*{chance} + {spread}*randn())"
    elif n <= _SINGLY:
        del scope.parameters[own["n"]]
        drawn = f"({' + '.join([f'int(rand() < {chance})'] * n)})"
    else:
        drawn = f"poisson({own['n']}*{chance})"
    weight = drive.weight
    if isinstance(weight, str):
        size = scope.code(f"({weight})")
    else:
        size = scope.parameter(f"drive{place}_weight", Quantity(weight))
    first, last = getattr(group, "start", 0), getattr(group, "stop", scope.group.N)
    inside = "" if last - first == scope.group.N else f"*int(i >= {first} and i < {last})"
    code = f"{scope.names[drive.target_var]} += {drawn}*{size}{inside}"
    given = {"name": f"drive_{place}", "code": code, "when": drive.when, "order": int(drive.order)}
    return made_of(Regular, named(drive), drive, **given)


def _order(group: Any, runner: CodeRunner, watched: Iterable[str]) -> int:
    """Return the order of code that runs regularly; what is recorded comes after the order 0.

    In Brian2 names decide what comes first of the same order.
    """
    if runner.when != "start" or runner.order:
        return int(runner.order)
    after = {name < runner.name for name in watched}
    if len(after) > 1:
        fix = "give run_regularly an order"
        what = f"run_regularly of {named(group)}: order among monitors"
        raise refused(what, "after some, before others", "one of both", fix, runner)
    return int(after == {True})


def poisson_group(scope: Scope, name: str, dt: Quantity) -> Taken:
    """Take over a group of Poisson neurons."""
    group = scope.group
    taken = Taken(group, name, scope)
    scope.declare("rates")
    check_place(group.thresholder["spike"], "thresholds")
    rates, values = group._rates, {}
    if isinstance(rates, str):
        equations = f"rates = {scope.code(rates)} : Hz"
    else:
        equations, dim = "rates : Hz", group.variables["rates"].dim
        values["rates"] = one_or_each(group.variables["rates"].get_value(), dim)
    regular = tuple(regular_codes(group, scope, dt))
    model = made_of(
        NeuronModel,
        named(group),
        group,
        name=f"{name}_neuron",
        equations=equations + scope.declared(),
        threshold="rand() < rates*dt",
        parameters=scope.parameters,
        tables=scope.tables,
        functions=scope.functions,
        regular=regular,
    )
    values |= scope.variables
    given = {"name": name, "size": int(group.N), "model": model, "values": values}
    taken.part = made_of(Population, named(group), group, **given)
    return taken


def spike_generator(scope: Scope, name: str, dt: Quantity) -> Taken:
    """Take over neurons that spike when they are told."""
    group = scope.group
    check_place(group, "thresholds")
    model = made_of(
        NeuronModel, named(group), group, name=f"{name}_neuron", equations="", spike_trains=True
    )
    taken = Taken(group, name, scope)
    given = {"name": name, "size": int(group.N), "model": model}
    taken.part = made_of(Population, named(group), group, **given)
    return taken

"""Code of synapses in its final form: names, event-driven variables, what a closed gate restores.

An event-driven variable holds its value at the time `lastupdate`. Code that only reads it gets
its value now written out in its place; code that sets it brings it up to date first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from brian2 import Equations, Quantity
from brian2.equations.equations import SUBEXPRESSION

from ..errors import SpecError
from .equations import checks, settle, synaptic

if TYPE_CHECKING:
    from .models import PlasticityRule, SynapseModel
    from .spec import NetworkSpec, Population, Projection

#: The gate of rules, as it is read in a synapse, and whether it is open at all.
GATE = "plasticity_gate_post"
#: When variables of the synapse model were brought up to date; that of a rule has its name before.
LASTUPDATE = "lastupdate"

_OPEN, _CLOSED = f"int({GATE} > 0)", f"int({GATE} <= 0)"


def renamed(code: str, names: Mapping[str, str]) -> str:
    """Replace names in code, all at once."""
    return re.sub(r"\b[A-Za-z_]\w*", lambda name: names.get(name[0], name[0]), code)


def names_at_post(spec: NetworkSpec, projection: Projection) -> dict[str, str]:
    """Return what all postsynaptic neurons share by its name in code, and that in a synapse.

    These are gates, and what the neurons' equations say is (shared), which signals are too.
    """
    neurons = spec.population(projection.target).model.variables
    shared = [name for name, eq in neurons.items() if "shared" in eq.flags]
    return {name: f"{name}_post" for name in [*(f"{gate}_gate" for gate in spec.gates), *shared]}


def sums_into(spec: NetworkSpec, population: Population) -> dict[str, dict[tuple[str, str], str]]:
    """Return the variables of neurons that synapses sum into: the name of each sum.

    Each is by its projection and its name there. A sum that is the only one into a variable is that
    variable; where there are several, every one has a name of its own.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    for projection in spec.projections:
        for name, eq in projection.synapse.variables.items():
            variable, _, end = name.rpartition("_")
            neurons = projection.target if end == "post" else projection.source
            if synaptic.is_summed(eq) and neurons == population.name:
                found.setdefault(variable, []).append((projection.name, name))
    return {
        variable: {
            (projection, name): variable
            if len(sums) == 1
            else f"{projection}_{name.rpartition('_')[2]}_{variable}"
            for projection, name in sums
        }
        for variable, sums in found.items()
    }


@dataclass(frozen=True)
class LateTraces:
    """Traces of a rule at its synapses, where spikes arrive after a delay."""

    name: str
    variables: Equations
    parameters: Mapping[str, Quantity]
    initial: Mapping[str, Quantity] = field(default_factory=dict)


@dataclass(frozen=True)
class EventDriven:
    """Event-driven variables that are brought up to date together.

    Parameters
    ----------
    lastupdate : str
        The variable that holds the time at which they were.
    solution : mapping of str to str
        What each is now, by what all were then.
    of_rule : bool
        Whether they are those of a rule.
    """

    lastupdate: str
    solution: Mapping[str, str]
    of_rule: bool

    @classmethod
    def of(
        cls,
        model: SynapseModel | PlasticityRule | LateTraces,
        names: Mapping[str, str],
        lastupdate: str,
    ) -> EventDriven:
        """Take those of a model, by their final names."""
        constants = checks.constants_of(model.parameters)
        solution = synaptic.solution(model.variables, constants, model.name)
        names = {**names, "dt": f"(t - {lastupdate})"}
        final = {names.get(k, k): renamed(code, names) for k, code in solution.items()}
        return cls(lastupdate, final, of_rule=lastupdate != LASTUPDATE)

    def used(self, codes: Iterable[str], computed: Mapping[str, set[str]]) -> bool:
        """Tell whether code uses one; `computed` says what others depend on."""
        names = checks.identifiers(*codes)
        names |= {n for name in names for n in computed.get(name, ())}
        return bool(names & set(self.solution))

    def update(self) -> list[str]:
        """Write statements that bring all up to date, but for `lastupdate`."""
        if len(self.solution) == 1:
            return [f"{name} = {now}" for name, now in self.solution.items()]
        return [
            *(f"next_{name} = {now}" for name, now in self.solution.items()),
            *(f"{name} = next_{name}" for name in self.solution),
        ]

    def updated(self) -> list[str]:
        """Write statements that bring all up to date."""
        return [*self.update(), f"{self.lastupdate} = t"]


class Variables:
    """The variables of a projection's synapses, by their final names.

    Attributes
    ----------
    lines, state, initial
        Equations; names of what is kept; values at the start.
    owners : list of EventDriven
        Those of the synapse model and of rules that have some.
    """

    def __init__(self) -> None:
        self.lines, self.state = list[str](), list[str]()
        self.initial = dict[str, Quantity | str]()
        self.owners = list[EventDriven]()
        self.whole, self.truth = set[str](), set[str]()
        self._computed: dict[str, str] = {}

    def declare(
        self,
        model: SynapseModel | PlasticityRule | LateTraces,
        names: Mapping[str, str],
        lastupdate: str,
    ) -> None:
        """Add what a synapse model or rule declares."""
        declared = model.variables
        for name, eq in declared.items():
            final = names.get(name, name)
            if "linked" in eq.flags:
                continue
            value = f" = {renamed(eq.expr.code, names)}" if eq.type == SUBEXPRESSION else ""
            unit = checks.unit_name(eq.dim) if eq.var_type == "float" else eq.var_type
            flags = [flag for flag in eq.flags if flag in ("summed", "constant")]
            end = f" ({', '.join(flags)})" if flags else ""
            self.lines.append(f"{final}{value} : {unit}{end}")
            if eq.type != SUBEXPRESSION:
                self.state.append(final)
                self.whole |= {final} if eq.var_type == "integer" else set()
                self.truth |= {final} if eq.var_type == "boolean" else set()
            elif not flags:
                self._computed[final] = value.removeprefix(" = ")
        for name, value in model.initial.items():
            start = renamed(value, names) if isinstance(value, str) else value
            self.initial[names.get(name, name)] = start
        if synaptic.driven(declared, synaptic.EVENT_DRIVEN):
            self.owners.append(EventDriven.of(model, names, lastupdate))
            self.lines.append(f"{lastupdate} : second")
            self.state.append(lastupdate)

    @property
    def updates(self) -> tuple[str, ...]:
        """The variables that hold times."""
        return tuple(owner.lastupdate for owner in self.owners)

    @property
    def depends(self) -> dict[str, set[str]]:
        """What computed variables depend on, also by way of others."""
        direct = {name: checks.identifiers(code) for name, code in self._computed.items()}
        for _ in direct:
            direct = {
                name: needs.union(*(direct.get(n, set()) for n in needs))
                for name, needs in direct.items()
            }
        return direct

    def now(self, code: str, but: Iterable[EventDriven] = ()) -> str:
        """Write out event-driven variables, as they are now, in code that only reads them."""
        owners = [owner for owner in self.owners if owner not in but]
        values = {name: f"({v})" for owner in owners for name, v in owner.solution.items()}
        depends = self.depends
        for name in sorted(self._computed, key=lambda name: len(depends[name])):
            if depends[name] & set(values):
                values[name] = f"({renamed(self._computed[name], values)})"
        return renamed(code, values)

    def using(self, codes: Iterable[str]) -> list[EventDriven]:
        """Return the owners of what code uses."""
        depends, codes = self.depends, list(codes)
        return [owner for owner in self.owners if owner.used(codes, depends)]

    def setting(self, codes: Iterable[str]) -> list[EventDriven]:
        """Return the owners of what code sets."""
        names = set(self.set_by(codes))
        return [owner for owner in self.owners if names & set(owner.solution)]

    def set_by(self, codes: Iterable[str]) -> list[str]:
        """Return the variables that code sets, in their order; the weight is the first."""
        names = {name for code in codes for name, _, _ in settle.read(code) or ()}
        return [name for name in ["w", *self.state] if name in names]

    def alone(self, code: str) -> list[str]:
        """Write code of its own, with what it sets brought up to date before."""
        owners = self.setting([code])
        before = [line for owner in owners for line in owner.updated()]
        return [*before, self.now(code, but=owners)] if code else []

    def gated(
        self,
        codes: list[str],
        changed: list[str],
        up_to_date: Iterable[EventDriven] = (),
        *,
        is_open: bool = False,
    ) -> list[str]:
        """Write code of rules, after which a closed gate restores all they set, to the bit.

        `changed` follows a change of the weight. Owners that are `up_to_date` need not be brought
        so. Where the gate `is_open`, nothing asks whether.
        """
        codes = [code for code in codes if code]
        if not codes:
            return []
        owners = [owner for owner in self.setting(codes) if owner.of_rule]
        models = [owner for owner in self.setting(codes) if not owner.of_rule]
        own = [name for owner in owners for name in owner.solution]
        names = list(dict.fromkeys([*self.set_by(codes), *own]))
        lines = [line for each in models if each not in up_to_date for line in each.updated()]
        lines += [f"{self.before(name)} = {name}" for name in names]
        for owner in owners:
            lines += owner.update()
            for name in owner.solution:
                before = self.before(name)
                kept = name if is_open else f"{_OPEN}*{name} + {_CLOSED}*{before}"
                lines.append(f"{before} = {kept}")
        lines += [self.now(code, but=[*owners, *models, *up_to_date]) for code in codes]
        lines += [f"{name} = {self._in_part(name)}" for name in names]
        for owner in owners:
            last, now = owner.lastupdate, "t"
            lines.append(f"{last} = {now if is_open else f'{_OPEN}*{now} + {_CLOSED}*{last}'}")
        return lines + (changed if "w" in names else [])

    def before(self, name: str) -> str:
        """Name what a variable was before, by a name that no other has."""
        name = f"{name}_before"
        return name if name not in self.state else self.before(name)

    def _in_part(self, name: str) -> str:
        before = self.before(name)
        if name in self.truth:
            return f"{_OPEN}*int({name}) + {_CLOSED}*int({before}) > 0"
        if name in self.whole:
            return f"{_OPEN}*{name} + {_CLOSED}*{before}"
        return f"{GATE}*{name} + (1 - {GATE})*{before}"

    def integration(
        self, model: SynapseModel | PlasticityRule, names: Mapping[str, str], where: str
    ) -> tuple[str, str]:
        """Return the clock-driven equations of a model, and a step of them as statements."""
        equations, constants = model.variables, checks.constants_of(model.parameters)
        code = synaptic.integration(equations, constants, model.method, where)
        if not code:
            return "", ""
        chosen = synaptic.driven(equations, synaptic.CLOCK_DRIVEN)
        written = (
            f"d{names.get(eq.varname, eq.varname)}/dt = {renamed(eq.expr.code, names)} : "
            f"{checks.unit_name(eq.dim)}"
            for eq in chosen
        )
        # what the integrator calls the next value of x is next_x
        own = {f"next_{eq.varname}": f"next_{names.get(eq.varname, eq.varname)}" for eq in chosen}
        code = renamed(code, {**names, **own})
        for owner in self.using([code]):
            name = sorted(checks.identifiers(code) & {*owner.solution, *self._computed})[0]
            raise SpecError(
                f"{where}: clock-driven equations read '{name}', which is event-driven: only "
                "statements may; make it (clock-driven)"
            )
        return "\n".join(written), code

"""Models of single parts: neurons, synapses, plasticity, what sleep does. Equations as strings.

A model holds Brian2 equation strings and parameters with units. It is checked when it is made:
names, identifiers, units, unused parameters. Parts of a network are in `brainsleep.spec`. (The
module is long because every field of every model is documented where it is declared.)
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from brian2 import Equations, Hz, Quantity, ms, second
from brian2.core.variables import Variable
from brian2.equations.equations import SUBEXPRESSION

from . import checks, declared, integration, mistakes, quantities
from .errors import Details, SpecError, closest, explain, nearest
from .fields import checked_fields
from .values import Frozen, check_distinct, default, show_value, tuple_of

#: Gates every network has; each activity and each weight process adds one of its own name.
STANDARD_GATES = ("input", "plasticity")

#: What a plasticity rule may ask of the two neurons of a synapse besides its traces.
SPIKING = ("spiking_pre", "spiking_post", "spiked_pre", "spiked_post")

#: Names of the event clocks every network has; activities and weight processes have their own.
STANDARD_CLOCKS = ("slot", "raster", "step", "on_wake", "on_sleep", "on_segment")


class Model:
    """What every model with parameters can do."""

    name: str
    parameters: Mapping[str, Quantity]
    references: tuple[str, ...]

    def with_parameters(self, **changes: Quantity | float) -> Self:
        """Return a copy with some parameters changed.

        Raises
        ------
        SpecError
            If the model has no such parameter, or a value has other units.
        """
        for name, value in changes.items():
            if name not in self.parameters:
                raise SpecError(
                    f"{self.name}: no parameter '{name}'; {nearest(name, self.parameters)}",
                    Details(word=name, close=closest(name, self.parameters)),
                )
            quantities.check_units(value, self.parameters[name], f"{self.name}: parameter {name}")
        changed: Any = self
        return dataclasses.replace(changed, parameters={**self.parameters, **changes})

    def _repr_html_(self) -> str:
        """Display it in a notebook."""
        from .reporting.markup import of_model

        return of_model(self)

    def _freeze(self, kind: str) -> str:
        where = f"{kind} '{self.name}'"
        checks.check_name(self.name, kind, reserved={*STANDARD_GATES, *STANDARD_CLOCKS})
        own: Any = self
        for item in dataclasses.fields(own):
            value = getattr(self, item.name)
            if item.type == "str" and not isinstance(value, str):
                fix = ""
                if isinstance(value, Quantity):
                    fix = f"give the value to a parameter, and write {item.name}='its_name'"
                raise SpecError(explain(f"{where}: {item.name}", show_value(value), "text", fix))
            if str(item.type).startswith("Mapping") and not isinstance(value, Mapping):
                raise SpecError(
                    explain(f"{where}: {item.name}", show_value(value), "{name: value}")
                )
        parameters = Frozen(checks.check_parameters(self.parameters, where))
        object.__setattr__(self, "parameters", parameters)
        references = tuple_of(self.references, str, f"{where}: references")
        object.__setattr__(self, "references", references)
        return where


def _at_end(name: str, known: Iterable[str], what: str) -> str:
    """Say how a trace or sum is written in a synapse, if `name` is one without its ending."""
    names = [end for end in known if end.rpartition("_")[0] == name]
    return f"write {' or '.join(map(repr, names))} for the {what} '{name}'" if names else ""


def _gates_in(names: set[str]) -> dict:
    return checks.dimensionless(*(name for name in names if name.endswith("_gate")))


@checked_fields()
@dataclass(frozen=True, kw_only=True)
class NeuronModel(Model):
    """A neuron: equations, threshold, reset.

    Parameters
    ----------
    name : str
        Lower-case name.
    equations : str
        Brian2 equations of the state variables, which may be of type ``integer`` or ``boolean``.
        Flags: ``(unless refractory)`` of a differential equation, ``(constant)`` of a declared
        number, ``(shared)`` and ``(constant over dt)`` of ``x = ...``; others are refused. As in
        all code here, a comment is never run, and numbers are computed as Python would.
    threshold : str
        Condition for a spike.
    reset : str
        Statements carried out for every neuron that spiked.
    parameters : mapping of str to Quantity
        Parameters with units, the same for all neurons of a population. They become shared
        variables, so that a compiled network can be run with other values.
    initial : mapping of str to (Quantity or str)
        Values of state variables at the start; a string names a parameter. Default 0.
    refractory : str
        Expression for the refractory period, a time, for example ``"t_ref"``; none if empty.
    method : str
        Brian2 integration method, but for those of the GSL. It must be able to integrate the
        equations: ``"euler"`` and ``"heun"`` take noise (``xi``), ``"exact"`` linear equations.
    on_slot : str
        Statements at the start of every slot (every image). May use ``stimulus``, the slot's
        input in Hz for this neuron, and gates such as ``input_gate``.
    on_step : str
        Statements in every time step after integration and before the threshold.
    references : tuple of str
        Where the model comes from (DOI).

    Raises
    ------
    SpecError
        If a name, identifier or unit is wrong, or a parameter is not used.
    """

    name: str
    equations: str
    threshold: str = ""
    reset: str = ""
    parameters: Mapping[str, Quantity] = field(default_factory=dict)
    initial: Mapping[str, Quantity | str] = field(default_factory=dict)
    refractory: str = ""
    method: str = "euler"
    on_slot: str = ""
    on_step: str = ""
    references: tuple[str, ...] = ()

    @mistakes.checked
    def __post_init__(self):
        where = self._freeze("neuron")
        equations = checks.parse_equations(self.equations, where)
        for name in equations:
            checks.check_name(name, f"{where}: variable")
        with mistakes.going_on():
            check_distinct([*equations, *self.parameters], where)
        declared.check_flags(equations, where)
        codes = (self.threshold, self.reset, self.on_slot, self.on_step, self.refractory)
        gates = _gates_in(checks.identifiers(self.equations, *codes))
        known = {
            **checks.variables_of(equations),
            **checks.constants_of(self.parameters),
            **gates,
        }
        used = checks.check_equations(equations, known, where, self.equations)
        used |= checks.identifiers(*codes)
        with mistakes.going_on():
            integration.check_method(self.method, equations, known, where)
        with mistakes.going_on():
            self._check_spiking(where)
        writes = {name for name, eq in equations.items() if eq.type != SUBEXPRESSION}
        with mistakes.going_on():
            if self.threshold:
                checks.check_expression(self.threshold, known, f"{where}: threshold", boolean=True)
        with mistakes.going_on():
            if self.refractory:
                checks.check_duration(self.refractory, known, f"{where}: refractory")
        stimulus = {"stimulus": Variable(name="stimulus", dimensions=Hz.dim, dtype=np.float64)}
        for label, more in (("reset", {}), ("on_slot", stimulus), ("on_step", {})):
            with mistakes.going_on():
                checks.check_statements(
                    getattr(self, label),
                    {**known, **more},
                    f"{where}: {label}",
                    writes=writes,
                )
        used |= self._check_initial(equations, where)
        checks.check_all_used(self.parameters, used, where)

    def _check_spiking(self, where: str) -> None:
        """Refuse what is to happen at spikes of a neuron that has none."""
        for label in ("reset", "refractory"):
            code = getattr(self, label).strip()
            if code and not self.threshold.strip():
                fix = "write a threshold, such as threshold='v > v_threshold'"
                got, allowed = f"{code!r} without a threshold", "none, as there are no spikes"
                details = Details(where=where, word=label, brief=f"{label} without a threshold")
                raise SpecError(explain(f"{where}: {label}", got, allowed, fix), details)

    def _check_initial(self, equations: Equations, where: str) -> set[str]:
        """Check and freeze the values at the start; return the parameters they name."""
        initial = {}
        for name, value in self.initial.items():
            with mistakes.going_on():
                source = self.parameters.get(value) if isinstance(value, str) else value
                stored = [k for k, eq in equations.items() if eq.type != SUBEXPRESSION]
                if name not in stored or source is None:
                    allowed = f"a variable ({', '.join(stored)}) and a quantity or parameter name"
                    if name in equations and name not in stored:
                        allowed += f"; '{name}' is computed by its equation"
                    wrong, known = (value, self.parameters) if name in stored else (name, stored)
                    raise SpecError(
                        explain(f"{where}: initial", f"{name}={value!r}", allowed),
                        Details(word=str(wrong), close=closest(str(wrong), known)),
                    )
                unit = Quantity(1, dim=equations[name].dim)
                quantities.check_units(source, unit, f"{where}: initial {name}")
                declared.check_start(equations[name], source, f"{where}: initial {name}")
                initial[name] = value if isinstance(value, str) else Quantity(value)
        object.__setattr__(self, "initial", Frozen(initial))
        return {value for value in initial.values() if isinstance(value, str)}

    @property
    def variables(self) -> Equations:
        """The parsed equations, by variable name."""
        return checks.parse_equations(self.equations, f"neuron '{self.name}'")

    def solve(self) -> None:
        """Solve the equations if the method does so, which takes seconds.

        Raises
        ------
        SpecError
            If they are linear, and cannot be solved all the same.
        """
        known = {
            **checks.variables_of(self.variables),
            **checks.constants_of(self.parameters),
            **_gates_in(checks.identifiers(self.equations)),
        }
        integration.solve(self.method, self.variables, known, f"neuron '{self.name}'")


@checked_fields()
@dataclass(frozen=True, kw_only=True)
class SynapseModel(Model):
    """What a presynaptic spike does to the postsynaptic neuron.

    Every synapse has a dimensionless magnitude ``w`` between ``w_min`` and ``w_max``, and its
    projection a ``w_sign`` (+1 excitatory, -1 inhibitory).

    Parameters
    ----------
    name : str
        Lower-case name.
    on_pre : str
        Statements for a presynaptic spike, for example ``"i_syn_post += w_sign*w*charge"``.
    parameters : mapping of str to Quantity
        Parameters with units.
    references : tuple of str
        Where the model comes from (DOI).
    """

    name: str
    on_pre: str
    parameters: Mapping[str, Quantity] = field(default_factory=dict)
    references: tuple[str, ...] = ()

    @mistakes.checked
    def __post_init__(self):
        where = self._freeze("synapse")
        names = checks.identifiers(self.on_pre)
        ends = {name for name in names if name.endswith(("_pre", "_post"))}
        known = {
            **checks.dimensionless("w", "w_min", "w_max", "w_sign"),
            **checks.constants_of(self.parameters),
        }
        with mistakes.going_on():
            checks.check_statements(
                self.on_pre,
                known,
                f"{where}: on_pre",
                writes={name for name in ends if name.endswith("_post")},
                deferred=ends,
                meant=lambda name: (
                    f"write '{name}_post', which is '{name}' of the postsynaptic neuron"
                ),
            )
        checks.check_all_used(self.parameters, names, where)


@checked_fields()
@dataclass(frozen=True, kw_only=True)
class PlasticityRule(Model):
    """A spike-timing-dependent rule: traces on neurons, statements for spikes.

    Traces live on the neurons (one a neuron, not one a synapse) and are integrated exactly.
    A variable ``x`` of `pre_equations` is ``x_pre`` in the synapse, one of `post_equations`
    is ``x_post``. The spike statements see the traces as they were before the spikes of the
    same time step, so a pair of simultaneous spikes does not count of itself. A rule for which
    it counts says so with ``spiking_pre`` and ``spiking_post``: 1 if that neuron spikes in this
    very time step, else 0. ``spiked_pre`` and ``spiked_post`` say the same of the step before.

    Parameters
    ----------
    name : str
        Lower-case name.
    pre_equations, post_equations : str
        Brian2 equations of the traces of the pre- and postsynaptic neuron (linear in
        the traces, for an exact update).
    pre_spike, post_spike : str
        What a spike does to the neuron's own traces: ``"x = 1"`` gives nearest-neighbour,
        ``"x += 1"`` all-to-all pairing.
    on_pre, on_post : str
        What a presynaptic (postsynaptic) spike does to ``w``.
    parameters : mapping of str to Quantity
        Parameters with units.
    references : tuple of str
        Where the rule comes from (DOI).

    Raises
    ------
    SpecError
        If a name, identifier or unit is wrong, or a parameter is not used.
    """

    name: str
    pre_equations: str = ""
    pre_spike: str = ""
    post_equations: str = ""
    post_spike: str = ""
    on_pre: str = ""
    on_post: str = ""
    parameters: Mapping[str, Quantity] = field(default_factory=dict)
    references: tuple[str, ...] = ()

    @mistakes.checked
    def __post_init__(self):
        where = self._freeze("plasticity rule")
        constants = checks.constants_of(self.parameters)
        used: set[str] = set()
        traces = {}
        for role in ("pre", "post"):
            equations, found = self._check_traces(role, constants, where)
            used |= found
            traces.update(checks.variables_of(equations, f"_{role}"))
        for label in ("on_pre", "on_post"):
            code = getattr(self, label)
            names = checks.identifiers(code)
            known = {
                **checks.dimensionless("w", "w_min", "w_max", *SPIKING),
                **constants,
                **traces,
            }
            ends = {name for name in names if name.endswith(("_pre", "_post"))}
            with mistakes.going_on():
                checks.check_statements(
                    code,
                    known,
                    f"{where}: {label}",
                    writes={"w"},
                    deferred=ends - set(known),
                    meant=lambda name: _at_end(name, traces, "trace"),
                )
            used |= names
        checks.check_all_used(self.parameters, used, where)

    def _check_traces(
        self, role: str, constants: Mapping, where: str
    ) -> tuple[Equations, set[str]]:
        """Check the traces of ``"pre"`` or ``"post"``; return them and the names they use."""
        text, spike = getattr(self, f"{role}_equations"), getattr(self, f"{role}_spike")
        equations = checks.parse_equations(text, f"{where}: {role}_equations")
        for name in equations:
            checks.check_name(name, f"{where}: trace")
        declared.check_traces(equations, where)
        with mistakes.going_on():
            check_distinct([*equations, *self.parameters], where)
        own = {**checks.variables_of(equations), **constants}
        used = checks.check_equations(equations, own, f"{where}: {role}_equations", text)
        with mistakes.going_on():
            checks.check_statements(
                spike,
                own,
                f"{where}: {role}_spike",
                writes=set(equations),
                meant=lambda name: (
                    f"write '{own_name}': that is its name among the traces of this neuron"
                    if (own_name := name.removesuffix(f"_{role}")) in equations
                    else ""
                ),
            )
        return equations, used | checks.identifiers(spike)

    def traces(self, role: str) -> Equations:
        """Return the parsed trace equations of ``"pre"`` or ``"post"``."""
        return checks.parse_equations(getattr(self, f"{role}_equations"), self.name)


@checked_fields()
@dataclass(frozen=True, kw_only=True)
class SpontaneousActivity(Model):
    """What drives the neurons of a population while its gate is open.

    Parameters
    ----------
    name : str
        Lower-case name; also the name of its gate.
    on_step : str
        Statements carried out for every neuron in every time step with the gate open, before
        the threshold. ``<name>_gate`` is the gate's value.
    equations : str
        Declarations of variables kept per neuron, for example ``"phase : 1"``. They start at 0
        and are part of the state, so they carry on from one opening of the gate to the next.
    parameters : mapping of str to Quantity
        Parameters with units.
    references : tuple of str
        Where it comes from (DOI).
    dt : Quantity or None
        The time step that `on_step` and its parameters are stated for, if they are right at no
        other: noise with a standard deviation a step, for example. A Brian2 network of another
        time step then refuses it. None for what is right at any, since it uses ``dt``.

    Raises
    ------
    SpecError
        If a name, identifier or unit is wrong, or a parameter or variable is not used.
    """

    name: str
    on_step: str
    equations: str = ""
    parameters: Mapping[str, Quantity] = field(default_factory=dict)
    references: tuple[str, ...] = ()
    dt: Quantity | None = None

    @mistakes.checked
    def __post_init__(self):
        where = self._freeze("activity")
        if self.dt is not None:
            quantities.check_time(self.dt, f"{where}: dt")
        names, constants = checks.identifiers(self.on_step), checks.constants_of(self.parameters)
        declared.check_declared_only(self.variables, where, "an activity")
        own = list(self.variables)
        for name in own:
            checks.check_name(name, f"{where}: variable")
        check_distinct([*own, *self.parameters], where)
        variables = {  # of the neuron, known only to the network
            name
            for name in names - checks.RESERVED - set(constants) - set(own)
            if not name.endswith("_gate")
        }
        with mistakes.going_on():
            checks.check_statements(
                self.on_step,
                {**constants, **_gates_in(names), **checks.variables_of(self.variables)},
                f"{where}: on_step",
                writes={*variables, *own},
                deferred=variables,
            )
        checks.check_all_used({**self.parameters, **dict.fromkeys(own)}, names, where)

    @property
    def variables(self) -> Equations:
        """The parsed declarations, by variable name."""
        return checks.parse_equations(self.equations, f"activity '{self.name}'")

    def check_step(self, dt: Quantity, where: str) -> None:
        """Raise `SpecError` if it is stated for another time step than `dt`."""
        if self.dt is None or math.isclose(float(self.dt), float(dt), rel_tol=1e-9):
            return
        what, allowed = f"{where}: time step of activity '{self.name}'", f"{self.dt}, as it states"
        fix = "put one in its place first that is right at any, such as sleep:WHITE_NOISE"
        message = explain(what, dt, allowed, f"{fix}, whose noise is sd*sqrt(dt/t_sd)*randn()")
        details = Details(word=self.name, found=str(dt), expected=str(self.dt), fix=fix)
        raise SpecError(message, details)


@checked_fields()
@dataclass(frozen=True, kw_only=True)
class WeightProcess(Model):
    """What happens to the weights of a projection while its gate is open, whatever the spikes.

    Parameters
    ----------
    name : str
        Lower-case name; also the name of its gate.
    equations : str
        Declarations of variables kept per synapse, for example ``"w_target : 1"``.
    sums : mapping of str to str
        Named sums of an expression over the synapses of each postsynaptic neuron. The sum ``s``
        is ``s_post`` in the statements, and ``s_total`` is its sum over the whole projection.
    on_onset : str
        Statements carried out once when the gate opens.
    on_update : str
        Statements carried out every `period` while the gate is open. ``interval`` is the time
        one execution stands for, so an exact update gives the same result for any period.
    on_change : str
        Statements carried out after every change of ``w``, by this or another process or by a
        plasticity rule: what must hold at all times, such as ``"w = w*(1 - pruned)"``.
    period : Quantity
        Time between updates; shortened so that a whole number of updates fits a slot.
    parameters : mapping of str to Quantity
        Parameters with units.
    references : tuple of str
        Where it comes from (DOI).
    """

    name: str
    on_update: str
    equations: str = ""
    sums: Mapping[str, str] = field(default_factory=dict)
    on_onset: str = ""
    on_change: str = ""
    period: Quantity = default(100 * ms)
    parameters: Mapping[str, Quantity] = field(default_factory=dict)
    references: tuple[str, ...] = ()

    @mistakes.checked
    def __post_init__(self):
        where = self._freeze("weight process")
        object.__setattr__(self, "sums", Frozen(self.sums))
        quantities.check_time(self.period, f"{where}: period")
        equations = checks.parse_equations(self.equations, where)
        declared.check_declared_only(equations, where, "a weight process")
        variables = [*equations, *self.sums]
        for name in variables:
            checks.check_name(name, f"{where}: variable")
        check_distinct([*variables, *self.parameters], where)
        constants = checks.constants_of(self.parameters)
        own = {
            **checks.dimensionless("w", "w_min", "w_max"),
            **checks.variables_of(equations),
            **constants,
        }
        used: set[str] = set()
        for name, expression in self.sums.items():
            if not isinstance(expression, str):
                raise SpecError(explain(f"{where}: sum {name}", show_value(expression), "text"))
            used |= checks.identifiers(expression)
            with mistakes.going_on():
                checks.check_expression(expression, own, f"{where}: sum {name}", unit=1)
        own["interval"] = Variable(name="interval", dimensions=second.dim, dtype=np.float64)
        sums = checks.dimensionless(
            *(name + end for name in self.sums for end in ("_post", "_total"))
        )
        for label in ("on_onset", "on_update", "on_change"):
            local = {**own, **sums}
            if label == "on_change":  # runs at spikes too, where there is no interval and no sum
                local = {k: v for k, v in own.items() if k != "interval"}
            used |= checks.identifiers(getattr(self, label))
            with mistakes.going_on():
                checks.check_statements(
                    getattr(self, label),
                    local,
                    f"{where}: {label}",
                    writes={"w", *equations},
                    meant=lambda name: _at_end(name, sums, "sum"),
                )
        idle = [s for s in self.sums if not {f"{s}_post", f"{s}_total"} & used]
        checks.check_all_used({**self.parameters, **dict.fromkeys(idle)}, used, where)

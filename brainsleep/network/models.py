"""Models of single parts: neurons, synapses, plasticity, what sleep does. Equations as strings.

A model holds Brian2 equation strings and parameters with units. It is checked when it is made:
names, identifiers, units, unused parameters.
(The module is long because every field of every model is documented where it is declared.)
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Annotated, Any, Self

import numpy as np
from brian2 import Equations, Hz, Quantity, get_dimensions, ms, second
from brian2.core.variables import Variable

from .. import mistakes
from ..errors import BrainsleepError, Details, SpecError, closest, explain
from ..values import quantities
from ..values.displayed import Displayed
from ..values.fields import GROWS, Time, one_of, place, specification, text, whole
from ..values.frozen import Frozen, check_distinct, default, show_value
from ..values.units import readable_unit, unit_name
from .equations import checks, declared, settle, synaptic
from .equations.diagnose import mistake, unknown
from .equations.settle import blanked
from .events import SPIKE, Event
from .functions import Functions, called, check_functions
from .regular import Regular
from .tables import Tables
from .values import as_value, check_value

#: Gates every network has; each activity and each weight process adds one of its own name.
STANDARD_GATES = ("input", "plasticity")

#: What a plasticity rule may ask of the two neurons of a synapse besides its traces.
SPIKING = ("spiking_pre", "spiking_post", "spiked_pre", "spiked_post")

#: Names of the event clocks every network has; activities and weight processes have their own.
STANDARD_CLOCKS = (
    *("slot", "raster", "trace_points", "last_steps", "step"),
    *("on_wake", "on_sleep", "on_segment"),
)

#: Names that no model may have.
TAKEN = (*STANDARD_GATES, *STANDARD_CLOCKS)


def _parameters(value: Any, where: str, error: type[BrainsleepError]) -> Frozen:
    """Keep the parameters that are one finite quantity each."""
    if not isinstance(value, Mapping):
        raise error(explain(where, show_value(value), "{name: value}"))
    where, kept = where.removesuffix("s"), {}
    for name, each in value.items():
        checks.check_name(name, where)
        with mistakes.going_on():
            kept[name] = quantities.check_quantity(each, f"{where} {name}", error)
    return Frozen(kept)


def _units(value: Any, where: str, error: type[BrainsleepError]) -> Any:
    """Keep the unit of each quantity."""
    each = _parameters(value, where, error)
    return Frozen({name: _unit(quantity, where, error) for name, quantity in each.items()})


def _unit(value: Any, where: str, error: type[BrainsleepError]) -> Quantity:
    """Keep the unit of a quantity, as its SI unit."""
    quantity = quantities.check_quantity(value, where, error)
    return Quantity(1.0, dim=get_dimensions(quantity))


def _code(value: Any, where: str, error: type[BrainsleepError]) -> str:
    if isinstance(value, Quantity):
        fix = f"give the value to a parameter, and write {where.split()[-1]}='its_name'"
        raise error(explain(where, value, "text", fix))
    return text(value, where, error)


Code = Annotated[str, _code]
Parameters = Annotated[Mapping[str, Quantity], _parameters]

# Signals of the network that a model reads, with a value of the unit of each.
Signals = Annotated[Mapping[str, Quantity], _units]


class Model(Displayed):
    """What every model with parameters can do."""

    name: str
    parameters: Mapping[str, Quantity]
    signals: Mapping[str, Quantity]
    references: tuple[str, ...]

    @property
    def variables(self) -> Equations:
        """The parsed equations, by variable name; those of a synapse, of a rule too."""
        return checks.parse_equations(getattr(self, "equations", ""), place(self))

    def with_parameters(self, **changes: Quantity | float) -> Self:
        """Return a copy with some parameters changed.

        Raises
        ------
        SpecError
            If the model has no such parameter, or a value has other units.
        """
        for name, value in changes.items():
            if name not in self.parameters:
                raise unknown(f"{self.name}: no parameter", name, self.parameters)
            quantities.check_units(value, self.parameters[name], f"{self.name}: parameter {name}")
        changed: Any = self
        return dataclasses.replace(changed, parameters={**self.parameters, **changes})


def _check_names(model: Model, names: Iterable[str], what: str) -> None:
    """Check the names of variables, and that parameters have others."""
    for name in names:
        checks.check_name(name, f"{place(model)}: {what}")
    with mistakes.going_on():
        check_distinct([*names, *model.parameters, *model.signals], place(model))


def _at_end(name: str, choices: Iterable[str], what: str) -> str:
    """Say how a trace or sum is written in a synapse, if `name` is one without its ending."""
    names = [end for end in choices if end.rpartition("_")[0] == name]
    return f"write {' or '.join(map(repr, names))} for the {what} '{name}'" if names else ""


def _ends(names: set[str]) -> set[str]:
    """Return the names that are of neurons, in the code of synapses."""
    return {name for name in names if name.endswith(("_pre", "_post"))}


def _gates_in(names: set[str]) -> dict[str, Variable]:
    return checks.dimensionless(*(name for name in names if name.endswith("_gate")))


def _of_spikes(refractory: bool) -> dict[str, Variable]:
    """Describe what Brian2 keeps of the last spikes of neurons that are refractory after one."""
    if not refractory:
        return {}
    free = Variable(name="not_refractory", dtype=np.dtype(bool))
    return {"not_refractory": free, **_in(1 * second, "lastspike")}


def _signals_in(model: Model) -> dict[str, Variable]:
    """Describe the signals that a model reads: the same for all neurons, changing with slots."""
    return {
        name: Variable(name=name, dimensions=get_dimensions(unit), dtype=np.float64, scalar=True)
        for name, unit in model.signals.items()
    }


def _check_signals_used(model: Model, used: set[str]) -> None:
    checks.check_all_used(model.signals, used, place(model), "signal")


def _bound_of_delay(equations: Equations) -> dict[str, Variable]:
    """Describe the bound of delays, in code that is linked to them."""
    return _in(1 * second, "delay_max") if "delay" in equations else {}


def _in(unit: Quantity, name: str) -> dict[str, Variable]:
    return {name: Variable(name=name, dimensions=get_dimensions(unit), dtype=np.float64)}


def _elsewhere(code: str, known: Iterable[str], meant: checks.Meant = lambda name: "") -> set[str]:
    """Return the names in code of synapses that only the network knows.

    They are variables of neurons at both ends, of the synapse model, and what all neurons share. A
    name that is like a known one is rather a slip, and is left to the checks.
    """
    names, known = checks.identifiers(code) - set(known), set(known)
    others = {name for name in names - checks.RESERVED if not name.endswith(_ENDINGS)}
    others -= {name for name, _, _ in settle.read(settle.statements(code)) or ()}
    called = {name for name in others if re.search(rf"\b{name}\s*\(", code)}
    return _ends(names) | {
        name for name in others - called if not (meant(name) or closest(name, known))
    }


#: How names end that are not of synapses.
_ENDINGS = ("_pre", "_post", "_gate", "_total")


def _check_start(
    model: Any, equations: Equations, where: str, of_place: tuple[str, ...] = ("i", "N")
) -> set[str]:
    """Check and freeze the values at the start; return the parameters they name.

    Expressions may use names `of_place`, such as the number of the neuron.
    """
    initial = {}
    for name, value in model.initial.items():
        with mistakes.going_on():
            source = model.parameters.get(value) if isinstance(value, str) else value
            stored = synaptic.stored(equations)
            is_text = value in of_place or not str(value).isidentifier()
            if source is None and name in stored and is_text:
                source = as_value(value, f"{where}: initial {name}")
            if name not in stored or source is None:
                allowed = f"a variable ({', '.join(stored)}) and a quantity or parameter name"
                if name in equations and name not in stored:
                    allowed += f"; '{name}' is computed by its equation"
                wrong, names = (value, model.parameters) if name in stored else (name, stored)
                message = explain(f"{where}: initial", f"{name}={value!r}", allowed)
                details = Details(word=str(wrong), close=closest(str(wrong), names))
                raise SpecError(message, details)
            unit, label = Quantity(1, dim=equations[name].dim), f"{where}: initial {name}"
            if isinstance(source, str):
                usable = checks.constants_of(model.parameters) | checks.dimensionless(*of_place)
                kind = equations[name].var_type
                check_value(source, usable, label, dim=equations[name].dim, kind=kind)
                initial[name] = source
                continue
            quantities.check_units(source, unit, label)
            declared.check_start(equations[name], source, label)
            is_name = isinstance(value, str) and value in model.parameters
            initial[name] = value if is_name else Quantity(source)
    object.__setattr__(model, "initial", Frozen(initial))
    return checks.identifiers(*(v for v in initial.values() if isinstance(v, str)))


@specification("neuron '{name}': ")
class NeuronModel(Model):
    """A neuron: equations, threshold, reset.

    Parameters
    ----------
    name : str
        Lower-case name.
    equations : str
        Brian2 equations of the state variables, which may be of type ``integer`` or ``boolean``.
        Flags: ``(unless refractory)`` of a differential equation, ``(constant)`` of a declared
        number, ``(linked)`` of what is a variable of other neurons (`links` of the network),
        ``(shared)`` and ``(constant over dt)`` of ``x = ...``; others are refused. As in all code
        here, a comment is never run, and numbers are computed as Python would.
    threshold : str
        Condition for a spike.
    reset : str
        Statements carried out for every neuron that spiked.
    parameters : mapping of str to Quantity
        Parameters with units, the same for all neurons of a population. They become shared
        variables, so that a compiled network can be run with other values.
    initial : mapping of str to (Quantity or str)
        Values of state variables at the start; a string names a parameter, or is an expression as
        of the `values` of a population, such as ``"v_reset + rand()*(v_threshold - v_reset)"`` or
        ``"i"``. Default 0.
    refractory : str
        Expression for the refractory period, a time, for example ``"t_ref"``; or a condition for
        which a neuron that spiked stays refractory, such as ``"v > v_threshold"``; none if empty.
    method : str
        Brian2 integration method, but for those of the GSL. It must be able to integrate the
        equations: ``"euler"`` and ``"heun"`` take noise (``xi``), ``"exact"`` linear equations.
    on_slot : str
        Statements at the start of every slot (every image). May use ``stimulus``, the slot's
        input for this neuron, and gates such as ``input_gate``.
    on_step : str
        Statements in every time step after integration and spontaneous activity, before the
        threshold.
    references : tuple of str
        Where the model comes from (DOI).
    stimulus_unit : Quantity
        Unit of ``stimulus``: Hz, or another, such as ``amp`` of a current.
    spike_trains : bool
        Whether its neurons spike exactly when they are told, by `SpikeTrains` that a period gives
        them, and not by a threshold.
    signals : mapping of str to Quantity
        Signals of the network that it reads, with a value of their unit: ``{"reward": 1}``.
    regular : tuple of Regular
        Statements at regular times, at a place of their own within a time step.
    tables : mapping of str to Table
        Values over time that its code reads as functions: ``current(t)``, ``current(t, i)``.
    events : tuple of Event
        What can happen to a neuron besides a spike.
    functions : mapping of str to OwnFunction
        Functions of one's own that its code calls, by name.

    Raises
    ------
    SpecError
        If a name, identifier or unit is wrong, or a parameter is not used.
    """

    name: Annotated[str, checks.name("neuron", *TAKEN)]
    equations: Code
    threshold: Code = ""
    reset: Code = ""
    parameters: Parameters = field(default_factory=dict)
    initial: Annotated[Mapping[str, Quantity | str], GROWS] = field(default_factory=dict)
    refractory: Code = ""
    method: Code = "euler"
    on_slot: Code = ""
    on_step: Code = ""
    references: tuple[str, ...] = ()
    stimulus_unit: Annotated[Quantity, _unit] = default(1 * Hz)
    spike_trains: bool = False
    signals: Signals = field(default_factory=dict)
    regular: tuple[Regular, ...] = ()
    tables: Tables = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    functions: Functions = field(default_factory=dict)

    def __post_init__(self):
        where, equations = place(self), self.variables
        check_functions(self.functions, where)
        with mistakes.going_on():
            self._check_spike_trains(where)
        with mistakes.going_on():
            check_distinct([event.name for event in self.events], f"{where}: events")
        _check_names(self, equations, "variable")
        declared.check_flags(equations, where)
        usable = self._usable(equations)
        used = checks.check_equations(equations, usable, where, self.equations)
        used |= checks.identifiers(*self._codes)
        declared.check_method(self.method, equations, usable, where)
        spiking = {label: getattr(self, label).strip() for label in ("reset", "refractory")}
        for label, code in spiking.items():
            if code and not self.spikes:
                fix = "write a threshold, such as threshold='v > v_threshold'"
                brief = f"{label} without a threshold"
                texts = {"found": repr(code), "expected": "none, as there are no spikes"}
                mistakes.report(mistake(where, brief, fix, word=label, **texts))
        with mistakes.going_on():
            if self.threshold:
                checks.check_expression(self.threshold, usable, f"{where}: threshold", boolean=True)
        for event in self.events:
            with mistakes.going_on():
                label = f"{where}: condition of event '{event.name}'"
                checks.check_expression(event.condition, usable, label, boolean=True)
        with mistakes.going_on():
            if self.refractory:
                label = f"{where}: refractory"
                if not checks.is_condition(self.refractory, usable):
                    checks.check_expression(self.refractory, usable, label, unit=second)
        writes = set(synaptic.stored(equations))
        self._check_stimulus(equations, where)
        stimulus = _in(self.stimulus_unit, "stimulus")
        for label, code, more in (
            ("reset", self.reset, {}),
            ("on_slot", self.on_slot, stimulus),
            ("on_step", self.on_step, {}),
            *((f"regular '{each.name}'", each.code, {}) for each in self.regular),
            *((f"event '{each.name}'", each.code, {}) for each in self.events),
        ):
            variables = {**usable, **more}
            checks.check_statements(code, variables, f"{where}: {label}", writes=writes)
        used |= _check_start(self, equations, where)
        checks.check_all_used(self.parameters, used, where)
        checks.check_all_used(self.tables, used, where, "table")
        checks.check_all_used(self.functions, used, where, "function")
        _check_signals_used(self, used)

    @property
    def spikes(self) -> bool:
        """Whether its neurons can spike."""
        return bool(self.threshold.strip()) or self.spike_trains

    @property
    def refractory_while(self) -> bool:
        """Whether a condition says how long neurons are refractory, and not a time."""
        usable = self._usable(self.variables)
        return bool(self.refractory.strip()) and checks.is_condition(self.refractory, usable)

    @property
    def takes_stimulus(self) -> bool:
        """Whether its neurons take a stimulus of each slot; said of any text, as `integrates`."""
        return "stimulus" in checks.identifiers(str(self.on_slot))

    @property
    def integrates(self) -> bool:
        """Whether it has differential equations; said of any text, which is not parsed."""
        return bool(re.search(r"\bd\w+\s*/\s*dt\s*=", blanked(str(getattr(self, "equations", "")))))

    @mistakes.going_on()
    def _check_stimulus(self, equations: Equations, where: str) -> None:
        """Refuse a variable that is set to the stimulus and has another unit."""
        for name, _, value in settle.read(settle.statements(self.on_slot)) or ():
            given = get_dimensions(self.stimulus_unit)
            dim = equations[name].dim if name in equations else given
            if value == "stimulus" and dim is not given:
                units = [readable_unit(each) for each in (given, dim)]
                brief = f"'{name}' has another unit than stimulus"
                fix = f"write stimulus_unit={unit_name(dim)}"
                texts = {"found": units[0], "expected": units[1], "code": self.on_slot}
                raise mistake(f"{where}: on_slot", brief, fix, word="stimulus", **texts)

    def _check_spike_trains(self, where: str) -> None:
        """Refuse other ways to spike, and another input, of neurons that are told when to."""
        found = {"threshold": self.threshold.strip(), "refractory": self.refractory.strip()}
        found["on_slot"] = self.on_slot.strip() if self.takes_stimulus else ""
        for label, code in found.items():
            if self.spike_trains and code:
                brief = f"{label} of neurons that spike by spike trains"
                fix = "leave it out" if label != "on_slot" else "leave out what uses stimulus"
                texts = {"found": repr(code), "expected": "none, as spike trains say when they do"}
                mistakes.report(mistake(where, brief, fix, word=label, **texts))

    @property
    def _codes(self) -> tuple[str, ...]:
        own = self.threshold, self.reset, self.on_slot, self.on_step, self.refractory
        of_events = (code for each in self.events for code in (each.condition, each.code))
        return *own, *(each.code for each in self.regular), *of_events

    def happens(self, event: str) -> bool:
        """Tell whether an event, which may be a spike, can happen to its neurons."""
        return self.spikes if event == SPIKE else event in {each.name for each in self.events}

    def _usable(self, equations: Equations) -> dict[str, Variable]:
        """Describe what all of its code may use: variables, parameters, gates."""
        return {
            **checks.variables_of(equations),
            **checks.constants_of(self.parameters),
            **_signals_in(self),
            **_of_spikes(self.spikes and bool(self.refractory.strip())),
            **_gates_in(checks.identifiers(self.equations, *self._codes)),
            **called(self, "checked"),
        }

    def solve(self) -> None:
        """Solve the equations if the method does so, which takes seconds.

        Raises
        ------
        SpecError
            If they are linear, and cannot be solved all the same.
        """
        equations = self.variables
        declared.solve(self.method, equations, self._usable(equations), place(self))


@specification("pathway '{name}': ")
class Pathway:
    """Statements for spikes, or other events, of one end of a synapse, besides its `on_pre`.

    Parameters
    ----------
    name : str
        Lower-case name.
    code : str
        The statements, as of `on_pre`.
    end : {"pre", "post"}
        Whose spikes they are for: those of the pre- or of the postsynaptic neuron.
    order : int
        Where they come among those of the same time step: `on_pre` has -1 and `on_post` 1.
    own_delay : bool
        Whether spikes take a time of their own to it: `path_delays` of the projection. Otherwise
        it is that of their end.
    event : str
        Which event of these neurons it is for, if not their spikes: one of their `events`.
    """

    name: Annotated[str, checks.name("pathway", "pre", "post")]
    code: Code
    end: Annotated[str, one_of("pre", "post")] = "pre"
    order: Annotated[int, whole(-100, 100)] = 0
    own_delay: bool = False
    event: str = SPIKE


@specification("synapse '{name}': ")
class SynapseModel(Model):
    """What spikes do to a synapse and to the postsynaptic neuron.

    Every synapse has a dimensionless magnitude ``w`` between ``w_min`` and ``w_max``, and its
    projection a ``w_sign`` (+1 excitatory, -1 inhibitory). `equations` give it more variables. Code
    reads variables of the neurons at both ends as ``v_pre`` and ``v_post``, gates as
    ``noise_gate``, and what all postsynaptic neurons share, such as a signal, by its name.

    Parameters
    ----------
    name : str
        Lower-case name.
    on_pre : str
        Statements for a presynaptic spike, for example ``"i_syn_post += w_sign*w*charge"``.
    parameters : mapping of str to Quantity
        Parameters with units.
    equations : str
        Brian2 equations of variables of every synapse. One with a differential equation says when
        it is brought up to date: ``(event-driven)`` at spikes, exactly, which its equations must
        allow (linear, with constant factors), or ``(clock-driven)`` in every step, by `method`.
        ``x : 1`` is changed by statements alone, ``x : 1 (constant)`` by nothing, and
        ``x = ... : 1`` is computed where it is read. ``g_nmda_post = w*s : siemens (summed)`` is,
        in every step before neurons are integrated, the sum over the synapses of a neuron, whose
        model declares ``g_nmda : siemens``; several projections add up.
    initial : mapping of str to (Quantity or str)
        Values of variables at the start; a string names a parameter, or is an expression as of the
        `values` of a projection, such as ``"0.5 + 0.1*randn()"``. Default 0.
    method : str
        Brian2 integration method of the clock-driven equations.
    on_post : str
        Statements for a postsynaptic spike, whatever the plasticity gate.
    on_step : str
        Statements in every time step after neurons and the clock-driven equations are integrated
        and before thresholds, for every synapse: this costs time, however few spikes there are.
    pathways : tuple of Pathway
        Further statements for spikes.
    references : tuple of str
        Where the model comes from (DOI).
    signals : mapping of str to Quantity
        Signals of the network that it reads, with a value of their unit: ``{"reward": 1}``.
    regular : tuple of Regular
        Statements at regular times, at a place of their own within a time step.
    tables : mapping of str to Table
        Values over time that its code reads as functions: ``current(t)``.
    summed : {"before", "after"}
        Whether sums over synapses are computed before neurons and synapses are integrated, or after
        that, so that neurons read those of the step before.
    functions : mapping of str to OwnFunction
        Functions of one's own that its code calls, by name.

    Raises
    ------
    SpecError
        If a name, identifier or unit is wrong, or a parameter is not used.
    """

    name: Annotated[str, checks.name("synapse", *TAKEN)]
    on_pre: Code
    parameters: Parameters = field(default_factory=dict)
    references: tuple[str, ...] = ()
    equations: Code = ""
    initial: Annotated[Mapping[str, Quantity | str], GROWS] = field(default_factory=dict)
    method: Code = "euler"
    on_post: Code = ""
    on_step: Code = ""
    pathways: tuple[Pathway, ...] = ()
    signals: Signals = field(default_factory=dict)
    regular: tuple[Regular, ...] = ()
    tables: Tables = field(default_factory=dict)
    summed: Annotated[str, one_of("before", "after")] = "before"
    functions: Functions = field(default_factory=dict)

    def __post_init__(self):
        where, equations = place(self), self.variables
        check_functions(self.functions, where)
        sums = {name for name, eq in equations.items() if synaptic.is_summed(eq)}
        _check_names(self, [name for name in equations if name not in sums], "variable")
        if "delay" in {*equations, *self.parameters}:  # Brian2's own
            checks.check_name("delay", f"{where}: variable", reserved=("delay",))
        check_distinct([path.name for path in self.pathways], where)
        known = {
            **checks.dimensionless("w", "w_min", "w_max", "w_sign"),
            **_of_synapses(self, self.equations, *self.codes.values()),
            **called(self, "checked"),
        }
        used = _check_synaptic(self, known, where, summed=True)
        in_time = {"on_step", *(f"regular {each.name}" for each in self.regular)}
        for label, code in self.codes.items():
            elsewhere = _elsewhere(code, known)
            own = synaptic.settable(equations)
            ends = {name for name in elsewhere if name.endswith(("_pre", "_post"))} - sums
            checks.check_statements(
                code,
                known,
                f"{where}: {label}",
                writes=own | ({"w"} if label != "on_step" else set())
                if label in in_time
                else own | ends | {"w"},
                deferred=elsewhere,
                meant=lambda name: (
                    f"write '{name}_post', which is '{name}' of the postsynaptic neuron"
                ),
            )
            used |= checks.identifiers(code)
        checks.check_all_used(self.parameters, used, where)
        checks.check_all_used(self.tables, used, where, "table")
        checks.check_all_used(self.functions, used, where, "function")
        _check_signals_used(self, used)

    @property
    def codes(self) -> dict[str, str]:
        """All statements by what they are called."""
        own = {label: getattr(self, label) for label in ("on_pre", "on_post", "on_step")}
        own |= {f"pathway {path.name}": path.code for path in self.pathways}
        return own | {f"regular {each.name}": each.code for each in self.regular}


def _of_synapses(model: Model, *codes: str) -> dict[str, Variable]:
    """Describe the variables of a model at every synapse, its parameters, and gates."""
    return {
        **checks.of_pairs(),
        **checks.variables_of(model.variables),
        **checks.constants_of(model.parameters),
        **_signals_in(model),
        **_gates_in(checks.identifiers(*codes)),
    }


def _check_synaptic(model: Any, known: Mapping, where: str, **allowed: bool) -> set[str]:
    """Check equations of synapses and the values at the start; return the names they use."""
    equations = model.variables
    synaptic.check_flags(equations, where, model.equations, **allowed)
    synaptic.check_dependencies(equations, where)
    right_sides = "\n".join(eq.expr.code for eq in equations.values() if eq.expr)
    elsewhere = _elsewhere(right_sides, known)
    used = checks.check_equations(equations, known, where, model.equations, deferred=elsewhere)
    used |= _check_start(model, equations, where, ("i", "j", "N_pre", "N_post"))
    constants = checks.constants_of(model.parameters)
    with mistakes.going_on():
        synaptic.solution(equations, constants, where)
    if synaptic.driven(equations, synaptic.CLOCK_DRIVEN):
        usable = synaptic.described(equations, constants)
        clocked = synaptic.to_integrate(equations, synaptic.CLOCK_DRIVEN)
        declared.check_method(model.method, clocked, usable, where)
    return used


@specification("plasticity rule '{name}': ")
class PlasticityRule(Model):
    """A plasticity rule: traces on neurons, variables of synapses, statements for spikes.

    Traces live on the neurons (one a neuron, not one a synapse) and are integrated exactly.
    A variable ``x`` of `pre_equations` is ``x_pre`` in the synapse, one of `post_equations`
    is ``x_post``. The spike statements see the traces as they were before the spikes of the
    same time step, so a pair of simultaneous spikes does not count of itself. A rule for which
    it counts says so with ``spiking_pre`` and ``spiking_post``: 1 if that neuron spikes in this
    very time step, else 0. ``spiked_pre`` and ``spiked_post`` say the same of the step before.

    `equations` give the rule variables of its own at every synapse, such as an eligibility trace.
    Code of synapses may read them, the variables of the synapse model by their names, those of the
    neurons as ``v_pre`` and ``v_post``, gates as ``noise_gate``, and what all postsynaptic neurons
    share, such as a signal, by its name. While the plasticity gate is closed, ``w`` and all
    variables that rules set keep every bit: an event-driven one its value and the time that is of,
    so it has decayed by what has passed once the gate opens; a clock-driven one stays as it is. At
    a gate between 0 and 1 each change counts in part, of clock-driven equations too.

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
        What a presynaptic (postsynaptic) spike does to ``w`` and to the variables of the rule.
    parameters : mapping of str to Quantity
        Parameters with units.
    references : tuple of str
        Where the rule comes from (DOI).
    signals : mapping of str to Quantity
        Signals of the network that it reads, with a value of their unit: ``{"reward": 1}``.
    equations : str
        Brian2 equations of variables of every synapse, as of a `SynapseModel` but for sums; and
        ``u : 1 (linked)`` for a variable of the synapse model that the rule sets.
    initial : mapping of str to (Quantity or str)
        Values of these variables at the start, as of a `SynapseModel`.
    method : str
        Brian2 integration method of the clock-driven equations.
    on_step : str
        Statements in every time step, as of a `SynapseModel`.

    Raises
    ------
    SpecError
        If a name, identifier or unit is wrong, or a parameter is not used.
    """

    name: Annotated[str, checks.name("plasticity rule", *TAKEN)]
    pre_equations: Code = ""
    pre_spike: Code = ""
    post_equations: Code = ""
    post_spike: Code = ""
    on_pre: Code = ""
    on_post: Code = ""
    parameters: Parameters = field(default_factory=dict)
    references: tuple[str, ...] = ()
    signals: Signals = field(default_factory=dict)
    equations: Code = ""
    initial: Annotated[Mapping[str, Quantity | str], GROWS] = field(default_factory=dict)
    method: Code = "euler"
    on_step: Code = ""

    def __post_init__(self):
        where = place(self)
        constants = {**checks.constants_of(self.parameters), **_signals_in(self)}
        used, traces = set[str](), dict[str, Variable]()
        _check_names(self, self.variables, "variable")
        for role in ("pre", "post"):
            used |= self._check_traces(role, constants, where)
            traces |= checks.variables_of(self.traces(role), f"_{role}")
        usable = {
            **checks.dimensionless("w", "w_min", "w_max", *SPIKING),
            **_bound_of_delay(self.variables),
            **_of_synapses(self, self.equations, *self.codes.values()),
            **traces,
        }
        used |= _check_synaptic(self, usable, where, linked=True)

        def meant(name: str) -> str:
            return _at_end(name, traces, "trace")

        for label, code in self.codes.items():
            checks.check_statements(
                code,
                usable,
                f"{where}: {label}",
                writes={"w", *synaptic.settable(self.variables)},
                deferred=_elsewhere(code, usable, meant),
                meant=meant,
            )
            used |= checks.identifiers(code)
        checks.check_all_used(self.parameters, used, where)
        _check_signals_used(self, used)

    @property
    def codes(self) -> dict[str, str]:
        """What is carried out at synapses, by what it is called."""
        return {label: getattr(self, label) for label in ("on_pre", "on_post", "on_step")}

    def _check_traces(self, role: str, constants: Mapping, where: str) -> set[str]:
        """Check the traces of ``"pre"`` or ``"post"``; return the names they use."""
        text, spike = getattr(self, f"{role}_equations"), getattr(self, f"{role}_spike")
        label = f"{where}: {role}_equations"
        equations = checks.parse_equations(text, label)
        declared.check_declared_only(equations, where, rates=True)
        _check_names(self, equations, "trace")
        usable = {**checks.variables_of(equations), **constants}
        used = checks.check_equations(equations, usable, label, text)
        checks.check_statements(
            spike,
            usable,
            f"{where}: {role}_spike",
            writes=set(equations),
            meant=lambda name: (
                f"write '{own_name}': that is its name among the traces of this neuron"
                if (own_name := name.removesuffix(f"_{role}")) in equations
                else ""
            ),
        )
        return used | checks.identifiers(spike)

    def traces(self, role: str) -> Equations:
        """Return the parsed trace equations of ``"pre"`` or ``"post"``."""
        return checks.parse_equations(getattr(self, f"{role}_equations"), self.name)


@specification("activity '{name}': ")
class SpontaneousActivity(Model):
    """What drives the neurons of a population while its gate is open.

    Parameters
    ----------
    name : str
        Lower-case name; also the name of its gate.
    on_step : str
        Statements carried out for every neuron in every time step with the gate open: after
        integration, before the neuron's own `on_step` and the threshold. ``<name>_gate`` is the
        gate's value. What `on_step` of the neuron decays, it decays in that very step.
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
    signals : mapping of str to Quantity
        Signals of the network that it reads, with a value of their unit: ``{"reward": 1}``.

    Raises
    ------
    SpecError
        If a name, identifier or unit is wrong, or a parameter or variable is not used.
    """

    name: Annotated[str, checks.name("activity", *TAKEN)]
    on_step: Code
    equations: Code = ""
    parameters: Parameters = field(default_factory=dict)
    references: tuple[str, ...] = ()
    dt: Time | None = None
    signals: Signals = field(default_factory=dict)

    def __post_init__(self):
        where, own = place(self), self.variables
        names = checks.identifiers(self.on_step)
        constants = {**checks.constants_of(self.parameters), **_signals_in(self)}
        declared.check_declared_only(own, where)
        _check_names(self, own, "variable")
        free = names - checks.RESERVED - set(constants) - set(own)
        of_neuron = {name for name in free if not name.endswith("_gate")}  # the network knows them
        checks.check_statements(
            self.on_step,
            {**constants, **_gates_in(names), **checks.variables_of(own)},
            f"{where}: on_step",
            writes={*of_neuron, *own},
            deferred=of_neuron,
        )
        checks.check_all_used([*self.parameters, *own], names, where)
        _check_signals_used(self, names)

    @mistakes.going_on()
    def check_step(self, dt: Quantity, where: str) -> None:
        """Raise `SpecError` if it is stated for another time step than `dt`."""
        if self.dt is None or math.isclose(float(self.dt), float(dt), rel_tol=1e-9):
            return
        what, allowed = f"{where}: time step of activity '{self.name}'", f"{self.dt}, as it states"
        fix = "put one in its place first that is right at any, such as sleep:WHITE_NOISE"
        message = explain(what, dt, allowed, f"{fix}, whose noise is sd*sqrt(dt/t_sd)*randn()")
        details = Details(word=self.name, found=str(dt), expected=str(self.dt), fix=fix)
        raise SpecError(message, details)


@specification("weight process '{name}': ")
class WeightProcess(Model):
    """What happens to the weights of a projection while its gate is open, whatever the spikes.

    Code reads the variables of the synapse model by their names, those of a rule by its name and
    theirs (``stdp_c``), those of the neurons as ``v_pre`` and ``v_post``, gates, and what all
    postsynaptic neurons share, such as a signal, by its name.

    Parameters
    ----------
    name : str
        Lower-case name; also the name of its gate.
    equations : str
        Declarations of variables kept per synapse, for example ``"w_target : 1"``; and
        ``u : 1 (linked)`` for a variable of the synapse model that the process sets.
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
    signals : mapping of str to Quantity
        Signals of the network that it reads, with a value of their unit: ``{"reward": 1}``.
    signed : bool
        Whether it is right for weights that have signs of their own, not only for magnitudes.
    """

    name: Annotated[str, checks.name("weight process", *TAKEN)]
    on_update: Code
    equations: Code = ""
    sums: Mapping[str, str] = field(default_factory=dict)
    on_onset: Code = ""
    on_change: Code = ""
    period: Time = default(100 * ms)
    parameters: Parameters = field(default_factory=dict)
    references: tuple[str, ...] = ()
    signals: Signals = field(default_factory=dict)
    signed: bool = False

    def __post_init__(self):
        where, equations = place(self), self.variables
        declared.check_declared_only(equations, where, linked=True)
        _check_names(self, [*equations, *self.sums], "variable")
        own = {
            **checks.dimensionless("w", "w_min", "w_max"),
            **_bound_of_delay(equations),
            **_of_synapses(self, *self.sums.values(), *self.codes.values()),
        }
        used = checks.identifiers(*self.sums.values())
        for name, expression in self.sums.items():
            with mistakes.going_on():
                label, elsewhere = f"{where}: sum {name}", _elsewhere(expression, own)
                checks.check_expression(expression, own, label, unit=1, deferred=elsewhere)
        ends = [f"{name}_{end}" for name in self.sums for end in ("post", "total")]
        more = {**_in(second, "interval"), **checks.dimensionless(*ends)}

        def meant(name: str) -> str:
            return _at_end(name, ends, "sum")

        for label, code in self.codes.items():
            used |= checks.identifiers(code)
            usable = own if label == "on_change" else {**own, **more}  # which runs at spikes too
            checks.check_statements(
                code,
                usable,
                f"{where}: {label}",
                writes={"w", *equations},
                deferred=_elsewhere(code, {*own, *more}, meant),
                meant=meant,
            )
        idle = [s for s in self.sums if not {f"{s}_post", f"{s}_total"} & used]
        checks.check_all_used([*self.parameters, *idle], used, where)
        _check_signals_used(self, used)

    @property
    def codes(self) -> dict[str, str]:
        """What is carried out at synapses, by what it is called."""
        return {label: getattr(self, label) for label in ("on_onset", "on_update", "on_change")}


#: Kinds of models, and what a reader calls them.
KINDS: dict[type[Model], str] = {
    NeuronModel: "neuron",
    SynapseModel: "synapse",
    PlasticityRule: "plasticity rule",
    SpontaneousActivity: "activity",
    WeightProcess: "weight process",
}

"""Frozen descriptions of a network: models as Brian2 equation strings, parameters with units.

A specification holds no Brian2 objects and touches no device. It is checked when it is made:
names, identifiers, units, unused parameters. `NetworkSpec` checks the parts against each other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from brian2 import Equations, Hz, Quantity, ms, second
from brian2.core.variables import Variable
from brian2.equations.equations import FLOAT, PARAMETER, SUBEXPRESSION
from brian2.stateupdaters.base import StateUpdateMethod

from . import checks
from .errors import SpecError, explain, nearest

#: Gates every network has; each activity and each weight process adds one of its own name.
STANDARD_GATES = ("input", "plasticity")

#: Names of the event clocks every network has; activities and weight processes have their own.
STANDARD_CLOCKS = ("slot", "raster", "step", "on_wake", "on_sleep", "on_segment")


def default(value: Quantity):
    """Make a dataclass field with a quantity as its default."""
    return field(default_factory=lambda: value)


class Frozen(dict):
    """A dictionary that cannot be changed after it is made."""

    def _refuse(self, *args, **kwargs):
        raise TypeError("specifications are frozen; make a changed copy with .with_parameters()")

    __setitem__ = __delitem__ = __ior__ = _refuse
    update = pop = popitem = clear = setdefault = _refuse

    def __reduce__(self):
        return (type(self), (dict(self),))


class Model:
    """What every model with parameters can do."""

    def with_parameters(self, **changes):
        """Return a copy with some parameters changed.

        Raises
        ------
        SpecError
            If the model has no such parameter, or a value has other units.
        """
        for name, value in changes.items():
            if name not in self.parameters:
                raise SpecError(
                    f"{self.name}: no parameter '{name}'; {nearest(name, self.parameters)}"
                )
            checks.check_units(value, self.parameters[name], f"{self.name}: parameter {name}")
        return dataclasses.replace(self, parameters={**self.parameters, **changes})

    def _freeze(self, kind: str) -> str:
        where = f"{kind} '{self.name}'"
        checks.check_name(self.name, kind, reserved={*STANDARD_GATES, *STANDARD_CLOCKS})
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            if item.type == "str" and not isinstance(value, str):
                raise SpecError(explain(f"{where}: {item.name}", _show(value), "text"))
            if str(item.type).startswith("Mapping") and not isinstance(value, Mapping):
                raise SpecError(explain(f"{where}: {item.name}", _show(value), "{name: value}"))
        parameters = Frozen(checks.check_parameters(self.parameters, where))
        object.__setattr__(self, "parameters", parameters)
        references = _tuple_of(self.references, str, f"{where}: references")
        object.__setattr__(self, "references", references)
        return where


def _show(value: object) -> str:
    """Name a value in an error message without spelling out a whole specification."""
    return f"a {type(value).__name__}" if dataclasses.is_dataclass(value) else repr(value)


def _check_kind(value: object, kind: type, where: str) -> None:
    if not isinstance(value, kind):
        raise SpecError(explain(where, _show(value), f"one of kind {kind.__name__}"))


def _tuple_of(parts: object, kind: type, where: str) -> tuple:
    if not isinstance(parts, tuple | list):
        raise SpecError(
            explain(where, _show(parts), f"a tuple of {kind.__name__}", "write (part,) for one")
        )
    for part in parts:
        _check_kind(part, kind, where)
    return tuple(parts)


def _check_distinct(names: list[str], where: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise SpecError(f"{where}: two parts are called '{name}'; give one another name")


def _check_number(value: object, where: str) -> float:
    if not checks.is_number(value):
        raise SpecError(explain(where, repr(value), "a finite number without unit"))
    return float(value)


def _gates_in(names: set[str]) -> dict:
    return checks.dimensionless(*(name for name in names if name.endswith("_gate")))


def _declared(equations: Equations, where: str) -> list[str]:
    """Check that `equations` only declare numbers; return their names."""
    for name, eq in equations.items():
        if eq.type != PARAMETER or eq.flags or eq.var_type != FLOAT:
            raise SpecError(
                f"{where}: '{name}' has an equation, a flag or a type; expected declarations "
                f"such as '{name} : 1'"
            )
    return list(equations)


@dataclass(frozen=True, kw_only=True)
class NeuronModel(Model):
    """A neuron: equations, threshold, reset.

    Parameters
    ----------
    name : str
        Lower-case name.
    equations : str
        Brian2 equations of the state variables.
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
        Expression for the refractory period, for example ``"t_ref"``; none if empty.
    method : str
        Brian2 integration method.
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

    def __post_init__(self):
        where = self._freeze("neuron")
        equations = checks.parse_equations(self.equations, where)
        for name in equations:
            checks.check_name(name, f"{where}: variable")
        _check_distinct([*equations, *self.parameters], where)
        methods = StateUpdateMethod.stateupdaters
        if self.method not in methods:
            known = nearest(self.method, methods)
            raise SpecError(f"{where}: unknown method '{self.method}'; {known}")
        codes = (self.threshold, self.reset, self.on_slot, self.on_step, self.refractory)
        gates = _gates_in(checks.identifiers(self.equations, *codes))
        known = {
            **checks.variables_of(equations),
            **checks.constants_of(self.parameters),
            **gates,
        }
        used = checks.check_equations(equations, known, where)
        if self.threshold:
            used |= checks.check_expression(
                self.threshold, known, f"{where}: threshold", boolean=True
            )
        if self.refractory:
            used |= checks.check_expression(
                self.refractory, known, f"{where}: refractory", unit=second
            )
        stimulus = {"stimulus": Variable(name="stimulus", dimensions=Hz.dim, dtype=np.float64)}
        for label, more in (("reset", {}), ("on_slot", stimulus), ("on_step", {})):
            used |= checks.check_statements(
                getattr(self, label), {**known, **more}, f"{where}: {label}", writes=set(equations)
            )
        used |= self._check_initial(equations, where)
        checks.check_all_used(self.parameters, used, where)

    def _check_initial(self, equations: Equations, where: str) -> set[str]:
        """Check and freeze the values at the start; return the parameters they name."""
        initial = {}
        for name, value in self.initial.items():
            source = self.parameters.get(value) if isinstance(value, str) else value
            if name not in equations or source is None:
                raise SpecError(
                    explain(
                        f"{where}: initial",
                        f"{name}={value!r}",
                        f"a variable ({', '.join(equations)}) and a quantity or parameter name",
                    )
                )
            unit = Quantity(1, dim=equations[name].dim)
            checks.check_units(source, unit, f"{where}: initial {name}")
            initial[name] = value if isinstance(value, str) else Quantity(value)
        object.__setattr__(self, "initial", Frozen(initial))
        return {value for value in initial.values() if isinstance(value, str)}

    @property
    def variables(self) -> Equations:
        """The parsed equations, by variable name."""
        return checks.parse_equations(self.equations, f"neuron '{self.name}'")


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

    def __post_init__(self):
        where = self._freeze("synapse")
        names = checks.identifiers(self.on_pre)
        ends = {name for name in names if name.endswith(("_pre", "_post"))}
        known = {
            **checks.dimensionless("w", "w_min", "w_max", "w_sign"),
            **checks.constants_of(self.parameters),
        }
        checks.check_statements(
            self.on_pre,
            known,
            f"{where}: on_pre",
            writes={name for name in ends if name.endswith("_post")},
            deferred=ends,
        )
        checks.check_all_used(self.parameters, names, where)


@dataclass(frozen=True, kw_only=True)
class PlasticityRule(Model):
    """A spike-timing-dependent rule: traces on neurons, statements for spikes.

    Traces live on the neurons (one a neuron, not one a synapse) and are integrated exactly.
    A variable ``x`` of `pre_equations` is ``x_pre`` in the synapse, one of `post_equations`
    is ``x_post``. The spike statements see the traces as they were before the spikes of the
    same time step, so a pair of simultaneous spikes does not count.

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

    def __post_init__(self):
        where = self._freeze("plasticity rule")
        constants = checks.constants_of(self.parameters)
        used: set[str] = set()
        traces = {}
        for role in ("pre", "post"):
            text, spike = getattr(self, f"{role}_equations"), getattr(self, f"{role}_spike")
            equations = checks.parse_equations(text, f"{where}: {role}_equations")
            for name, eq in equations.items():
                checks.check_name(name, f"{where}: trace")
                if eq.type == SUBEXPRESSION or eq.flags or eq.var_type != FLOAT:
                    raise SpecError(
                        f"{where}: trace '{name}' has a flag or is a subexpression; expected "
                        f"'d{name}/dt = -{name}/tau : 1' or '{name} : 1'"
                    )
            _check_distinct([*equations, *self.parameters], where)
            own = {**checks.variables_of(equations), **constants}
            used |= checks.check_equations(equations, own, f"{where}: {role}_equations")
            used |= checks.check_statements(
                spike, own, f"{where}: {role}_spike", writes=set(equations)
            )
            traces.update(checks.variables_of(equations, f"_{role}"))
        for label in ("on_pre", "on_post"):
            code = getattr(self, label)
            names = checks.identifiers(code)
            known = {**checks.dimensionless("w", "w_min", "w_max"), **constants, **traces}
            ends = {name for name in names if name.endswith(("_pre", "_post"))}
            checks.check_statements(
                code, known, f"{where}: {label}", writes={"w"}, deferred=ends - set(traces)
            )
            used |= names
        checks.check_all_used(self.parameters, used, where)

    def traces(self, role: str) -> Equations:
        """Return the parsed trace equations of ``"pre"`` or ``"post"``."""
        return checks.parse_equations(getattr(self, f"{role}_equations"), self.name)


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
    parameters : mapping of str to Quantity
        Parameters with units.
    references : tuple of str
        Where it comes from (DOI).
    """

    name: str
    on_step: str
    parameters: Mapping[str, Quantity] = field(default_factory=dict)
    references: tuple[str, ...] = ()

    def __post_init__(self):
        where = self._freeze("activity")
        names, constants = checks.identifiers(self.on_step), checks.constants_of(self.parameters)
        variables = {  # of the neuron, known only to the network
            name for name in names - checks.RESERVED - set(constants) if not name.endswith("_gate")
        }
        checks.check_statements(
            self.on_step,
            {**constants, **_gates_in(names)},
            f"{where}: on_step",
            writes=variables,
            deferred=variables,
        )
        checks.check_all_used(self.parameters, names, where)


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
    period : Quantity
        Time between updates; shortened so that a whole number of updates fits a phase.
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
    period: Quantity = default(100 * ms)
    parameters: Mapping[str, Quantity] = field(default_factory=dict)
    references: tuple[str, ...] = ()

    def __post_init__(self):
        where = self._freeze("weight process")
        object.__setattr__(self, "sums", Frozen(self.sums))
        checks.check_time(self.period, f"{where}: period")
        equations = checks.parse_equations(self.equations, where)
        variables = [*_declared(equations, where), *self.sums]
        for name in variables:
            checks.check_name(name, f"{where}: variable")
        _check_distinct([*variables, *self.parameters], where)
        constants = checks.constants_of(self.parameters)
        own = {
            **checks.dimensionless("w", "w_min", "w_max"),
            **checks.variables_of(equations),
            **constants,
        }
        used: set[str] = set()
        for name, expression in self.sums.items():
            if not isinstance(expression, str):
                raise SpecError(explain(f"{where}: sum {name}", _show(expression), "text"))
            used |= checks.check_expression(expression, own, f"{where}: sum {name}", unit=1)
        own["interval"] = Variable(name="interval", dimensions=second.dim, dtype=np.float64)
        sums = checks.dimensionless(
            *(name + end for name in self.sums for end in ("_post", "_total"))
        )
        for label in ("on_onset", "on_update"):
            used |= checks.check_statements(
                getattr(self, label),
                {**own, **sums},
                f"{where}: {label}",
                writes={"w", *equations},
            )
        idle = [s for s in self.sums if not {f"{s}_post", f"{s}_total"} & used]
        checks.check_all_used({**self.parameters, **dict.fromkeys(idle)}, used, where)


@dataclass(frozen=True, kw_only=True)
class Population:
    """A group of neurons of one model.

    Parameters
    ----------
    name : str
        Lower-case name.
    size : int
        Number of neurons.
    model : NeuronModel
        Their model.
    activities : tuple of SpontaneousActivity
        Drives that gates switch on.
    """

    name: str
    size: int
    model: NeuronModel
    activities: tuple[SpontaneousActivity, ...] = ()

    def __post_init__(self):
        checks.check_name(self.name, "population", reserved=())
        size, whole = self.size, isinstance(self.size, int | np.integer)
        if not whole or isinstance(size, bool) or size < 1:
            got, allowed = repr(size), "a whole number of at least 1"
            raise SpecError(explain(f"population '{self.name}': size", got, allowed))
        object.__setattr__(self, "size", int(size))
        _check_kind(self.model, NeuronModel, f"population '{self.name}': model")
        where = f"population '{self.name}': activities"
        activities = _tuple_of(self.activities, SpontaneousActivity, where)
        _check_distinct([activity.name for activity in activities], where)
        object.__setattr__(self, "activities", activities)


@dataclass(frozen=True, kw_only=True)
class Connectivity:
    """Which pairs of neurons are connected: each allowed pair with probability `p`.

    Parameters
    ----------
    p : float
        Connection probability, more than 0 and at most 1 (all-to-all).
    self_connections : bool
        Whether a neuron may connect to itself (within one population).
    avoid_reciprocal : str
        Name of a projection in the other direction: pairs it connects are left out.
    """

    p: float = 1.0
    self_connections: bool = False
    avoid_reciprocal: str = ""

    def __post_init__(self):
        if not checks.is_number(self.p) or not 0 < self.p <= 1:
            raise SpecError(explain("connectivity p", repr(self.p), "more than 0 and at most 1"))
        object.__setattr__(self, "p", float(self.p))


@dataclass(frozen=True, kw_only=True)
class InitialWeights:
    """Magnitudes of the weights at the start: uniform between `low` and `high`.

    Parameters
    ----------
    low, high : float
        Bounds; equal for a constant. `high` None means `low`.
    incoming_sum : float or None
        If given, scale each neuron's incoming weights to this sum.
    """

    low: float
    high: float | None = None
    incoming_sum: float | None = None

    def __post_init__(self):
        for name in ("low", "high", "incoming_sum"):
            value = getattr(self, name)
            if value is not None or name == "low":
                object.__setattr__(self, name, _check_number(value, f"initial weights: {name}"))
        if not 0 <= self.low <= self.top:
            raise SpecError(
                explain("initial weights", f"{self.low}..{self.top}", "0 <= low <= high")
            )
        if self.incoming_sum is not None and self.incoming_sum <= 0:
            raise SpecError(
                explain("initial weights: incoming_sum", self.incoming_sum, "more than 0, or None")
            )

    @property
    def top(self) -> float:
        """The upper bound: `high`, or `low` if that is None."""
        return self.low if self.high is None else self.high


@dataclass(frozen=True, kw_only=True)
class Projection:
    """Synapses from one population to another.

    Parameters
    ----------
    name : str
        Lower-case name.
    source, target : str
        Names of populations.
    synapse : SynapseModel
        What a presynaptic spike does.
    connectivity : Connectivity
        Who is connected to whom.
    weights : InitialWeights
        Magnitudes at the start.
    w_min, w_max : float
        Hard bounds of the magnitude.
    sign : int
        +1 excitatory, -1 inhibitory.
    rules : tuple of PlasticityRule
        Plasticity, while the plasticity gate is open.
    processes : tuple of WeightProcess
        Weight processes, each with a gate of its own name.
    """

    name: str
    source: str
    target: str
    synapse: SynapseModel
    connectivity: Connectivity = field(default_factory=Connectivity)
    weights: InitialWeights
    w_min: float = 0.0
    w_max: float = 1.0
    sign: int = 1
    rules: tuple[PlasticityRule, ...] = ()
    processes: tuple[WeightProcess, ...] = ()

    def __post_init__(self):
        where = f"projection '{self.name}'"
        checks.check_name(self.name, "projection", reserved=())
        _check_kind(self.synapse, SynapseModel, f"{where}: synapse")
        _check_kind(self.connectivity, Connectivity, f"{where}: connectivity")
        _check_kind(self.weights, InitialWeights, f"{where}: weights")
        for label, kind in (("rules", PlasticityRule), ("processes", WeightProcess)):
            parts = _tuple_of(getattr(self, label), kind, f"{where}: {label}")
            object.__setattr__(self, label, parts)
            _check_distinct([part.name for part in parts], f"{where}: {label}")
        for name in ("w_min", "w_max"):
            number = _check_number(getattr(self, name), f"{where}: {name}")
            object.__setattr__(self, name, number)
        if not 0 <= self.w_min < self.w_max:
            raise SpecError(
                explain(
                    f"{where}: bounds",
                    f"w_min={self.w_min}, w_max={self.w_max}",
                    "0 <= w_min < w_max",
                    "w is a magnitude; use sign=-1 for inhibition",
                )
            )
        if self.sign not in (1, -1):
            raise SpecError(explain(f"{where}: sign", repr(self.sign), "1 or -1"))
        object.__setattr__(self, "sign", int(self.sign))
        if self.weights.low < self.w_min or self.weights.top > self.w_max:
            raise SpecError(
                explain(
                    f"{where}: weights",
                    f"{self.weights.low}..{self.weights.top}",
                    f"within [{self.w_min}, {self.w_max}]",
                )
            )


@dataclass(frozen=True, kw_only=True)
class NetworkSpec:
    """Populations and projections, checked against each other.

    Parameters
    ----------
    name : str
        Lower-case name.
    populations : tuple of Population
        The neurons; one of them takes the stimulus.
    projections : tuple of Projection
        The synapses.
    input : str
        Name of the population whose model uses ``stimulus``.
    dt : Quantity
        Time step.

    Raises
    ------
    SpecError
        If names clash or are missing, or any final equation does not check.
    """

    name: str
    populations: tuple[Population, ...]
    projections: tuple[Projection, ...] = ()
    input: str = "input"
    dt: Quantity = default(1 * ms)

    def __post_init__(self):
        from .assemble import check_network  # assemble describes specs, so it comes after them

        where = f"network '{self.name}'"
        checks.check_name(self.name, "network", reserved=())
        checks.check_time(self.dt, f"{where}: dt")
        for label, kind in (("populations", Population), ("projections", Projection)):
            parts = _tuple_of(getattr(self, label), kind, f"{where}: {label}")
            object.__setattr__(self, label, parts)
        _check_distinct([part.name for part in (*self.populations, *self.projections)], where)
        for projection in self.projections:
            for end in ("source", "target"):
                self.population(getattr(projection, end), f"projection '{projection.name}': {end}")
            self._check_reciprocal(projection)
        self._check_input(where)
        self._check_gates(where)
        check_network(self)

    def _check_reciprocal(self, projection: Projection) -> None:
        other = projection.connectivity.avoid_reciprocal
        ends = (projection.target, projection.source)
        earlier = self.projections[: self.projections.index(projection)]
        if other and not any(p.name == other and (p.source, p.target) == ends for p in earlier):
            raise SpecError(
                explain(
                    f"projection '{projection.name}': avoid_reciprocal",
                    repr(other),
                    f"an earlier projection from {ends[0]} to {ends[1]}",
                )
            )

    def _check_input(self, where: str) -> None:
        """Check that the input population takes the stimulus, and no other does."""
        self.population(self.input, f"{where}: input")
        for population in self.populations:
            model, takes = population.model, population.name == self.input
            if ("stimulus" in checks.identifiers(model.on_slot)) != takes:
                raise SpecError(
                    f"{where}: input is '{self.input}', and on_slot of model '{model.name}' of "
                    f"population '{population.name}' {'does not use' if takes else 'uses'} "
                    "'stimulus'; expected the input population, and only it, to use it"
                )

    def _check_gates(self, where: str) -> None:
        """Check that every activity and process can have a gate and clocks of its own name."""
        names = [f"{name}_{end}" for name in self.process_names for end in ("onset", "update")]
        _check_distinct([*self.activity_names, *self.process_names, *names], where)
        periods: dict[str, float] = {}
        for projection, process in self.weight_processes():
            period = float(process.period)
            if periods.setdefault(process.name, period) != period:
                raise SpecError(
                    f"{where}: projection '{projection.name}': weight processes called "
                    f"'{process.name}' have different periods; expected one period a name"
                )

    def population(self, name: str, where: str = "") -> Population:
        """Return the population called `name`; raise `SpecError` if there is none."""
        for population in self.populations:
            if population.name == name:
                return population
        raise SpecError(
            f"{where or 'population'}: no population '{name}'; "
            f"{nearest(name, (p.name for p in self.populations))}"
        )

    def projection(self, name: str) -> Projection:
        """Return the projection called `name`; raise `SpecError` if there is none."""
        for projection in self.projections:
            if projection.name == name:
                return projection
        raise SpecError(
            f"no projection '{name}'; {nearest(name, (p.name for p in self.projections))}"
        )

    def weight_processes(self) -> Iterator[tuple[Projection, WeightProcess]]:
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

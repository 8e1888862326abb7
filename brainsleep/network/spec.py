"""Frozen descriptions of a network: populations, projections, and the models in them.

A specification holds no Brian2 objects and touches no device. The models can be imported from here
too; `NetworkSpec` checks the parts against each other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field
from functools import cached_property
from typing import Annotated

import numpy as np
from brian2 import Quantity, ms, second

from .. import mistakes
from ..errors import Details, SpecError, explain, nearest
from ..values.arrays import Array
from ..values.fields import (
    GROWS,
    Count,
    Time,
    one_of,
    place,
    positive,
    refusal,
    specification,
)
from ..values.frozen import default
from . import links, signals
from .assemble import assemble
from .assemble_parts import changes_delays
from .equations import checks
from .equations.diagnose import unknown
from .fit import check_network
from .models import (
    NeuronModel,
    Parameters,
    PlasticityRule,
    SpontaneousActivity,
    SynapseModel,
    WeightProcess,
)
from .network import Network
from .plan import NetworkPlan
from .strength import WEIGHTS, Delay, InitialWeights
from .values import Value
from .wiring import Connectivity, FixedInDegree, FixedOutDegree, OneToOne, Pairs

#: Floating-point numbers a network can be simulated with.
PRECISIONS = ("float64", "float32")


@specification("population '{name}': ")
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
    values : mapping of str to quantity, array or expression
        Start values of state variables, and values of parameters for these neurons: a number for
        all, an array or an expression for one each, such as ``"normal(-50*mV, 2*mV)"``. An
        expression may use parameters, positions, ``i`` and ``N``, Brian2's functions, and what
        draws: ``rand()``, ``randn()``, ``uniform(low, high)``, ``normal(mean, sd)``,
        ``lognormal(mu, sigma)``, ``exponential(mean)``, ``poisson(mean)``. In that of a parameter
        its own name stands for the model's number, and others for numbers, too.
    positions : mapping of str to quantity, array or expression
        Coordinates of the neurons, such as ``{"x": "(i % 40)*25*um"}``. They are `x` in these
        values, and ``x_pre`` and ``x_post`` in values and connectivity of projections; and the
        parameter or variable `x` of the model, if it has one.
    """

    name: Annotated[str, checks.name("population")]
    size: Count
    model: NeuronModel
    activities: tuple[SpontaneousActivity, ...] = ()
    values: Annotated[Mapping[str, Value], GROWS] = field(default_factory=dict)
    positions: Annotated[Mapping[str, Value], GROWS] = field(default_factory=dict)

    def __post_init__(self):
        for name in self.positions:
            checks.check_name(name, f"{place(self)}: position")

    @property
    def spikes(self) -> bool:
        """Whether its neurons can spike."""
        return self.model.spikes


@specification("projection '{name}': ")
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
    connectivity : Connectivity, FixedInDegree, FixedOutDegree, OneToOne or Pairs
        Who is connected to whom.
    weights : InitialWeights, number, array or expression
        Magnitudes at the start. An array has them in the order of the pairs that are given, or
        else by presynaptic, then postsynaptic neuron. An expression may use what that of `values`
        may, and ``w_min`` and ``w_max``.
    w_min, w_max : float
        Hard bounds of the magnitude.
    sign : int or None
        +1 excitatory, -1 inhibitory; None for weights that each have a sign of their own: then
        `w_min` may be below 0, and ``w_sign`` is 1.
    rules : tuple of PlasticityRule
        Plasticity, while the plasticity gate is open.
    processes : tuple of WeightProcess
        Weight processes, each with a gate of its own name.
    values : mapping of str to quantity, array or expression
        Parameters of the synapse, its rules and processes, and start values of its variables, by
        their final names (``"stdp_lr"``): a number for all synapses, an array or an expression for
        one each. An expression may use parameters, the neurons ``i`` and ``j``, ``N_pre``,
        ``N_post``, their positions and parameters (``x_pre``, ``tau_m_post``) and ``distance``,
        where both populations have positions of the same names; and it may draw. In that of a
        parameter its own name stands for the model's number, and others for numbers, too.
    delay : time, array or expression
        How long spikes take from the source to the synapse: one for all, or one a synapse. It is
        rounded to whole time steps, as in Brian2. Statements for a presynaptic spike are carried
        out when it arrives.
    delay_post : time, array or expression
        The same for spikes of the target, on their way back to the synapse.
    path_delays : mapping of str to time, array or expression
        The same for pathways of the synapse model that have a delay of their own, by their names.
    delay_max : time
        The longest that `delay` can become, where a rule or process changes it: one that declares
        ``delay : second (linked)``. A spike takes the delay that its synapse has when the spike
        leaves the source, between 0 and this. The variable is ``spike_delay`` in a state.
    """

    name: Annotated[str, checks.name("projection")]
    source: str
    target: str
    synapse: SynapseModel
    connectivity: Connectivity | FixedInDegree | FixedOutDegree | OneToOne | Pairs = field(
        default_factory=Connectivity
    )
    weights: Annotated[InitialWeights | Quantity | str | Array, WEIGHTS]
    w_min: float = 0.0
    w_max: float = 1.0
    sign: Annotated[int | None, one_of(1, -1, None)] = 1
    rules: tuple[PlasticityRule, ...] = ()
    processes: tuple[WeightProcess, ...] = ()
    values: Annotated[Mapping[str, Value], GROWS] = field(default_factory=dict)
    delay: Delay = default(0 * ms)
    delay_post: Delay = default(0 * ms)
    path_delays: Annotated[Mapping[str, Delay], GROWS] = field(default_factory=dict)
    delay_max: Annotated[Quantity, positive(second, or_zero=True)] = default(0 * ms)

    bias = False

    def __post_init__(self):
        if self.sign is None and not self.w_min < self.w_max:
            got = f"w_min={self.w_min}, w_max={self.w_max}"
            raise refusal(self, "bounds", got, "w_min < w_max")
        if self.sign is not None and not 0 <= self.w_min < self.w_max:
            got = f"w_min={self.w_min}, w_max={self.w_max}"
            fix = "use sign=-1 for inhibition, sign=None for weights with a sign of their own"
            allowed = "0 <= w_min < w_max"
            raise refusal(self, "bounds", got, allowed, f"w is a magnitude; {fix}")
        start = self.weights
        low, top = (start.low, start.top) if isinstance(start, InitialWeights) else (None, None)
        if low is not None and top is not None and not self.w_min <= low <= top <= self.w_max:
            allowed = f"within [{self.w_min}, {self.w_max}]"
            raise refusal(self, "weights", f"{low}..{top}", allowed)
        for process in self.processes if self.sign is None else ():
            if not process.signed:
                fix = "one that is right for weights of either sign says so: signed=True"
                what = f"weight process '{process.name}'"
                raise refusal(self, what, "weights with signs (sign=None)", "magnitudes", fix)

    @property
    def delays(self) -> dict[str, Quantity | str | Array]:
        """All its delays, by the names that they have in a state."""
        own = {f"delay_{name}": value for name, value in self.path_delays.items()}
        return {"delay": self.delay, "delay_post": self.delay_post, **own}

    def bound(self, w: np.ndarray) -> float | np.ndarray:
        """Return the largest magnitude that weights can have: where they have signs, of each."""
        if self.sign is not None:
            return self.w_max
        largest = max(abs(self.w_min), abs(self.w_max))
        bounds = np.where(w < 0, -min(self.w_min, 0.0), max(self.w_max, 0.0))
        return np.where(bounds > 0, bounds, largest)


#: Steps that a delay can have where it changes: 16 bits hold them.
_MOST_STEPS = 2**16 - 1

#: What the input of a task is called if nothing is said.
_USUAL_INPUT = "input"


@specification("network '{name}': ")
class NetworkSpec(Network):
    """Populations and projections of a Brian2 network, checked against each other.

    Parameters
    ----------
    name : str
        Lower-case name.
    populations : tuple of Population
        The neurons. Those whose model uses ``stimulus``, or spikes by spike trains, are inputs.
    projections : tuple of Projection
        The synapses.
    input : str
        Name of the input that a task drives, such as `Images`; '' for none.
    dt : Quantity
        Time step.
    precision : {"float64", "float32"}
        Floating-point numbers of all state variables. Single precision halves the memory that
        weights take, which is what large networks wait for.
    signals : mapping of str to Quantity
        Global values, such as a reward, by name: what each is where a period says nothing else.
        Models read those that they name in their own `signals`.
    links : mapping of str to str
        What is a variable of other neurons: ``{"e.drive": "slow.x"}`` for the variable `drive` of
        neurons `e`, which their equations declare ``(linked)``, and ``{"dopamine": "vta.d"}`` for a
        signal. It is read as it is then, so there is no delay; what the other neurons compute,
        ``x = ...``, is computed then. Population `slow` has as many neurons as `e`, or one that
        all read; that of a signal has one. Or ``"slow.x[partner]"`` says whom each of `e` reads:
        their equations declare ``partner : integer (constant)``, which gets its `values`.
        Populations are computed in the order in which they are listed.

    Raises
    ------
    SpecError
        If names clash or are missing, or any final equation does not check.
    """

    name: Annotated[str, checks.name("network")]
    populations: tuple[Population, ...]
    projections: tuple[Projection, ...] = ()
    input: str = _USUAL_INPUT
    dt: Time = default(1 * ms)
    precision: Annotated[str, one_of(*PRECISIONS)] = "float64"
    signals: Parameters = field(default_factory=dict)
    links: Annotated[Mapping[str, str], GROWS] = field(default_factory=dict)

    kind = "Brian2"

    @cached_property
    def plan(self) -> NetworkPlan:
        """The final source of every Brian2 object."""
        return assemble(self)

    @cached_property
    def inputs(self) -> Mapping[str, Quantity | None]:
        """Populations that are given something, with its unit; None is of spike trains."""
        given = {k: m for k, m in self._neurons.items() if m.spike_trains or m.takes_stimulus}
        return {k: None if m.spike_trains else m.stimulus_unit for k, m in given.items()}

    @property
    def sources(self) -> tuple[str, ...]:
        """Inputs that do nothing but pass on what they are given, and that of a task."""
        passing = [name for name in self.inputs if not self._neurons[name].integrates]
        return tuple(dict.fromkeys([self.input, *passing]))

    @property
    def _neurons(self) -> dict[str, NeuronModel]:
        """The models of populations; of a stored network, those that can be read."""
        models = {p.name: getattr(p, "model", None) for p in self.populations}
        return {name: model for name, model in models.items() if isinstance(model, NeuronModel)}

    def __post_init__(self):
        where = place(self)
        self._check_names()
        with mistakes.going_on():
            signals.check_names(self, where)
        with mistakes.going_on():
            links.check(self, where)
        for projection in self.projections:
            for end in ("source", "target"):
                with mistakes.checking(projection):
                    label = f"projection '{projection.name}': {end}"
                    self.population(getattr(projection, end), label)
            with mistakes.checking(projection):
                self._check_reciprocal(projection)
                self._check_delays(projection)
        with mistakes.going_on():
            self._check_input(where)
        for name in self.process_names:
            owners = {q.name: float(p.period) for q, p in self.weight_processes() if p.name == name}
            if len(set(owners.values())) > 1:
                projections = ", ".join(map(repr, owners))
                reason = f"weight processes '{name}' of {projections} have different periods"
                mistakes.report(SpecError(f"{where}: {reason}; expected one period a name"))
        check_network(self)

    def _check_reciprocal(self, projection: Projection) -> None:
        other = projection.connectivity.avoid_reciprocal
        ends = (projection.target, projection.source)
        earlier = self.projections[: self.projections.index(projection)]
        if other and not any(p.name == other and (p.source, p.target) == ends for p in earlier):
            where = f"projection '{projection.name}': avoid_reciprocal"
            allowed = f"an earlier projection from {ends[0]} to {ends[1]}"
            raise SpecError(explain(where, repr(other), allowed), Details(word=other))

    def _check_delays(self, projection: Projection) -> None:
        """Check that one delay for all is a number of time steps, and whether it can change."""
        where, most = f"projection '{projection.name}': delay_max", projection.delay_max
        if changes_delays(projection):
            most_steps = round(float(most / self.dt))
            if not 1 <= most_steps <= _MOST_STEPS:
                bounds = f"{self.dt} to {_MOST_STEPS * self.dt}"
                allowed = f"{bounds}, as a rule or process sets the delay"
                raise SpecError(explain(where, most, allowed), Details(word="delay_max"))
        elif most != 0:
            fix = "declare 'delay : second (linked)' in a rule, or leave it out"
            raise SpecError(explain(where, most, "none, as nothing sets the delay", fix))
        own = {path.name for path in projection.synapse.pathways if path.own_delay}
        for name in projection.path_delays:
            if name not in own:
                what = f"projection '{projection.name}': path_delays: no pathway with own_delay"
                raise unknown(what, name, own)
        for end, value in projection.delays.items():
            where = f"projection '{projection.name}': {end}"
            if isinstance(value, Array | str):
                continue
            steps = float(value / self.dt)
            if not math.isclose(steps, round(steps), rel_tol=1e-9, abs_tol=1e-9):
                fix = "choose another dt or delay; only delays that differ are rounded"
                raise SpecError(explain(where, value, f"a multiple of dt, {self.dt}", fix))

    def _check_input(self, where: str) -> None:
        """Check that the population called `input` is one; the default may be none."""
        names = [population.name for population in self.populations]
        if self.input == _USUAL_INPUT and self.input not in names:
            object.__setattr__(self, "input", "")
        if self.input and self.input not in self.inputs:
            model = self.population(self.input, f"{where}: input").model
            others = f"; {nearest(self.input, self.inputs)}" if self.inputs else ""
            raise SpecError(
                f"{where}: input is '{self.input}', and on_slot of model '{model.name}' of "
                f"population '{self.input}' does not use 'stimulus'; expected a population that "
                f"does, or input='' for none{others}"
            )

"""Single parts on their own: a neuron under a current, a synapse under spikes, a pair at a lag.

Each runs the same plan that a network runs, of one part and what drives it, on Brian2's runtime.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from brian2 import Hz, Quantity, get_dimensions, ms, second
from brian2.equations.equations import SUBEXPRESSION

from .backends.base import make_backend
from .errors import SpecError, explain, nearest
from .experiment.schedule import whole_steps
from .experiment.traces import recordable
from .network.equations import checks
from .network.models import STANDARD_GATES, NeuronModel, PlasticityRule, SynapseModel
from .network.spec import Connectivity, InitialWeights, NetworkSpec, Population, Projection
from .run.segment import Answer, Capacity, Segment, Traced
from .run.state import State, initial_state
from .values.units import unit_name

__all__ = ["Response", "neuron_response", "pair_change", "synapse_response"]

#: Neurons that spike exactly when they are told to.
_SOURCE = NeuronModel(
    name="source",
    equations="now : Hz",
    on_slot="now = stimulus",
    threshold="now > 0*Hz",
)


class Response(NamedTuple):
    """What a neuron did."""

    #: Times at which values were taken, from 0 on, shape (n_steps,).
    times: Quantity
    #: Its variables at those times, the start of a time step, each of shape (n_steps,).
    states: dict[str, Quantity]
    #: When it spiked, shape (n_spikes,).
    spikes: Quantity


def neuron_response(
    model: NeuronModel,
    *,
    duration: Quantity,
    inputs: Mapping[str, Any] | None = None,
    start: Mapping[str, Any] | None = None,
    dt: Quantity = 0.1 * ms,
    seed: int = 0,
    backend: str = "numpy",
) -> Response:
    """Run one neuron whose inputs are given.

    Parameters
    ----------
    model : NeuronModel
        The neuron. Code of its own for slots runs once, at the start, with no stimulus.
    duration : Quantity
        For how long.
    inputs : mapping of str to (Quantity or float), optional
        Variables of the model that are set at the start of every time step, such as
        ``{"i_syn": 0.4}``: one value, or an array with one a step. What their equations say of
        them holds within a step.
    start : mapping of str to (Quantity or float), optional
        Variables that begin with other values than `model` says.
    dt : Quantity
        Time step.
    seed : int
        Seed of random numbers.
    backend : {"numpy", "cython", "cpp"}
        What runs it.

    Returns
    -------
    Response
        Every variable over time, and the spikes.

    Raises
    ------
    SpecError
        For a variable that the model does not have, or a value of another unit or length.

    Examples
    --------
    >>> neuron_response(LIF, duration=100 * ms, inputs={"i_syn": 0.4})  # doctest: +SKIP
    """
    n = whole_steps(duration, dt, "duration")
    driven, values = _driven(model, inputs or {}, n)
    populations: tuple[Population, ...] = (Population(name="e", size=1, model=driven),)
    if "stimulus" not in checks.identifiers(driven.on_slot):
        populations = (Population(name="input", size=1, model=_SOURCE), *populations)
    spec = NetworkSpec(name="lone", populations=populations, dt=dt, input=populations[0].name)
    slots = np.ones(n, np.int64) if inputs else np.array([n])
    return _response(spec, slots, values[: len(slots), None], start or {}, seed, backend)


def synapse_response(
    synapse: SynapseModel,
    neuron: NeuronModel,
    *,
    spikes: Quantity | Sequence,
    duration: Quantity,
    w: float = 1.0,
    sign: int = 1,
    start: Mapping[str, Any] | None = None,
    dt: Quantity = 0.1 * ms,
    seed: int = 0,
    backend: str = "numpy",
) -> Response:
    """Run one neuron with one synapse, whose presynaptic spikes are given.

    Parameters
    ----------
    synapse, neuron : SynapseModel, NeuronModel
        The synapse, and the neuron it ends at.
    spikes : Quantity, shape (n_spikes,)
        When the presynaptic neuron spikes; at most one spike a time step.
    duration, start, dt, seed, backend
        As of `neuron_response`.
    w : float
        Weight.
    sign : {1, -1}
        Of an excitatory or an inhibitory synapse.

    Returns
    -------
    Response
        Every variable of the neuron, and its spikes.

    Raises
    ------
    SpecError
        For spikes outside of the duration or two in one step.
    """
    n = whole_steps(duration, dt, "duration")
    spec = NetworkSpec(
        name="lone",
        populations=(
            Population(name="input", size=1, model=_SOURCE),
            Population(name="e", size=1, model=neuron),
        ),
        projections=(
            Projection(
                name="input_e",
                source="input",
                target="e",
                synapse=synapse,
                weights=InitialWeights(low=w),
                w_max=max(1.0, w),
                sign=sign,
            ),
        ),
        dt=dt,
    )
    at = _spikes_in(spikes, n, dt)
    slots, rows = _slots_of(at, np.zeros(len(at), int), n, 1)
    return _response(spec, slots, rows, start or {}, seed, backend)


def pair_change(
    rule: PlasticityRule,
    lags: Quantity,
    *,
    w: float = 0.5,
    w_max: float = 1.0,
    pairs: int = 1,
    period: Quantity = 1 * second,
    dt: Quantity = 0.1 * ms,
    backend: str = "numpy",
) -> np.ndarray:
    """Return what pairs of spikes do to a weight, by the time from the pre- to the postsynaptic.

    Parameters
    ----------
    rule : PlasticityRule
        The rule.
    lags : Quantity, shape (n_lags,)
        From the presynaptic spike to the postsynaptic one: negative where that comes first.
    w, w_max : float
        Weight at the start, and its upper bound; the lower one is 0.
    pairs : int
        How many pairs, each at a lag.
    period : Quantity
        Time from one pair to the next.
    dt, backend
        As of `neuron_response`.

    Returns
    -------
    ndarray, shape (n_lags,)
        The change of the weight after all pairs, and what is left of their traces.

    Raises
    ------
    SpecError
        If a lag is no multiple of the time step, or as long as half of a period.

    Examples
    --------
    >>> pair_change(STDP_NEAREST, np.array([-10, 10]) * ms)  # doctest: +SKIP
    """
    exact = np.atleast_1d(np.asarray(lags, dtype=float)) / float(dt)
    steps = np.rint(exact).astype(np.int64)
    if get_dimensions(lags) != second.dim or np.any(np.abs(exact - steps) > 1e-6):
        raise SpecError(explain("pair_change: lags", lags, f"times, multiples of {dt}"))
    every = whole_steps(period, dt, "period")
    if np.any(2 * np.abs(steps) >= every):
        raise SpecError(
            explain("pair_change: lags", lags, f"less than half of the period {period}")
        )
    count, first = len(steps), int(np.abs(steps).max())
    spec = NetworkSpec(
        name="pairs",
        populations=(
            Population(name="input", size=2 * count, model=_SOURCE),
        ),
        projections=(
            Projection(
                name="pairs",
                source="input",
                target="input",
                synapse=SynapseModel(name="silent", on_pre=""),
                connectivity=Connectivity(self_connections=False),
                weights=InitialWeights(low=w),
                w_max=w_max,
                rules=(rule,),
            ),
        ),
        dt=dt,
    )  # fmt: skip
    onsets = first + every * np.arange(pairs)[:, None]
    at = np.hstack([np.repeat(onsets, count, axis=1), onsets + steps]).ravel()
    slots, rows = _slots_of(at, np.tile(np.arange(2 * count), pairs), at.max() + 1, 2 * count)
    start = initial_state(spec, 0)
    state, _ = _run(spec, start, slots, rows, 0, backend, ())
    pre, post = state.synapses["pairs"]
    before, after = (each.arrays["pairs.w"][post == pre + count] for each in (start, state))
    return np.asarray(after - before)


# -- how they run ------------------------------------------------------------------------------


def _driven(
    model: NeuronModel, inputs: Mapping[str, Any], n: int
) -> tuple[NeuronModel, np.ndarray]:
    """Return a neuron that sets its inputs, and the values of the one that varies, if any."""
    stored = {k: eq for k, eq in model.variables.items() if eq.type != SUBEXPRESSION}
    code, parameters, varying = [model.on_slot], dict(model.parameters), np.zeros(n)
    for name, value in inputs.items():
        values = _values(stored, name, value, "inputs")
        parameters[f"{name}_given"] = Quantity(1.0, dim=stored[name].dim)
        if values.shape == ():
            parameters[f"{name}_given"] *= float(values)
            code.append(f"{name} = {name}_given")
        elif values.shape == (n,) and not any("stimulus" in each for each in code):
            parameters[f"{name}_given"] /= Hz
            code.append(f"{name} = {name}_given*stimulus")
            varying = values
        else:
            got, allowed = f"an array of shape {values.shape}", f"({n},), one value a step"
            fix = "one input alone may vary, and none of a model that has a stimulus of its own"
            raise SpecError(explain(f"inputs: {name}", got, allowed, fix))
    code = [each for each in code if each]
    return dataclasses.replace(model, on_slot="\n".join(code), parameters=parameters), varying


def _values(variables: Mapping[str, Any], name: str, value: Any, where: str) -> np.ndarray:
    """Return what a variable is given in SI units, after a check of its unit."""
    if name not in variables:
        raise SpecError(f"{where}: no variable '{name}'; {nearest(name, variables)}")
    if get_dimensions(value) != variables[name].dim:
        allowed = f"a value in {unit_name(variables[name].dim)}"
        raise SpecError(explain(f"{where}: {name}", value, allowed))
    return np.asarray(value, dtype=float)


def _spikes_in(spikes: Any, n: int, dt: Quantity) -> np.ndarray:
    """Return the steps of spikes."""
    if np.size(spikes) and get_dimensions(spikes) != second.dim:
        raise SpecError(explain("spikes", spikes, "times such as [5, 20]*ms"))
    at = np.rint(np.atleast_1d(np.asarray(spikes, dtype=float)) / float(dt)).astype(np.int64)
    if len(set(at.tolist())) < len(at) or np.any(at < 0) or np.any(at >= n):
        raise SpecError(explain("spikes", spikes, f"times within {n * dt}, one a step at most"))
    return at


def _slots_of(
    at: np.ndarray, neurons: np.ndarray, n: int, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return slots of `n` steps, and in which of them which of some neurons spike."""
    edges = np.unique(np.concatenate([[0, n], at, at + 1]))
    edges = edges[edges <= n]
    rows = np.zeros((len(edges) - 1, size))
    rows[np.searchsorted(edges, at), neurons] = 1.0
    return np.diff(edges), rows


def _run(
    spec: NetworkSpec,
    start: State,
    slots: np.ndarray,
    rows: np.ndarray,
    seed: int,
    backend: str,
    names: Collection[str],
) -> Answer:
    """Run slots of a network with plasticity open, one neuron's variables and spikes recorded."""
    n, total = len(slots), int(slots.sum())
    opened = {gate: np.full(n, float(gate in STANDARD_GATES)) for gate in spec.gates}
    segment = Segment(
        steps=slots,
        stimulus=rows,
        gates=opened,
        onset=np.arange(n) == 0,
        phase=np.full(n, "wake"),
        raster=np.full(n, bool(names)),
        traced=Traced(np.arange(total), dict.fromkeys(names, np.zeros(1, np.int64))),
    )
    made = make_backend(backend, spec, capacity=Capacity(n, total), traced=names)
    return made.advance(start, segment, seed)


def _response(
    spec: NetworkSpec,
    slots: np.ndarray,
    rows: np.ndarray,
    start: Mapping[str, Any],
    seed: int,
    backend: str,
) -> Response:
    units = {k: unit for k, unit in recordable(spec).items() if k.startswith("e.")}
    variables = spec.population("e").model.variables
    begun = {f"e.{k}": np.array([_values(variables, k, v, "start")]) for k, v in start.items()}
    state = initial_state(spec, seed)
    state = dataclasses.replace(state, arrays=state.arrays | begun)
    _, recording = _run(spec, state, slots, rows, seed, backend, tuple(units))
    states = {
        name.removeprefix("e."): Quantity(values[:, 0], dim=get_dimensions(units[name]))
        for name, values in recording.traces.items()
    }
    spikes = recording.spikes["e"][0] if "e" in recording.spikes else np.empty(0)
    dt = float(spec.dt)
    return Response(np.arange(slots.sum()) * dt * second, states, spikes * dt * second)

"""Tiny networks in which one model shows what it does, run by the package's own engine.

`advance` takes a state and gives the next, so the course of a variable is the states at the ends of
short segments, one after the other.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from brian2 import Hz, Quantity, ms, second

from brainsleep.backends.base import make_backend
from brainsleep.errors import SpecError
from brainsleep.models.inputs import POISSON
from brainsleep.network.equations.checks import identifiers
from brainsleep.network.layers import SurrogateNetwork
from brainsleep.network.spec import (
    InitialWeights,
    NetworkSpec,
    NeuronModel,
    PlasticityRule,
    Population,
    Projection,
    SpontaneousActivity,
    SynapseModel,
    WeightProcess,
)
from brainsleep.run.segment import Capacity, Recording, Segment
from brainsleep.run.state import State, initial_state

#: Input neurons that fire at equal intervals, at the rate of the stimulus.
REGULAR = NeuronModel(
    name="regular",
    equations="""
    rate : Hz
    phase : 1
    """,
    on_slot="rate = input_gate*stimulus",
    on_step="phase += rate*dt",
    threshold="phase >= 1",
    reset="phase -= 1",
)

#: A leaky neuron without units, threshold 1, like snnTorch's with a beta of 0.95.
LEAKY = NeuronModel(
    name="leaky",
    equations="dv/dt = -v/tau_m : 1",
    threshold="v > v_threshold",
    reset="v -= v_threshold",
    parameters={"tau_m": 19.5 * ms, "v_threshold": 1.0},
)

#: A synapse that does nothing to its target.
SILENT = SynapseModel(name="silent", on_pre="")


def segment(spec: NetworkSpec, slots: Iterable[tuple[float, float, dict]]) -> Segment:
    """Make a segment; where other gates open a phase begins, a sleep if there is no input.

    Parameters
    ----------
    spec : NetworkSpec
        The network.
    slots : iterable of (float, float or ndarray, dict)
        Duration in ms, stimulus in Hz (one number, or one an input) and open gates of each slot.

    Returns
    -------
    Segment
        Single spikes are recorded in all of it.
    """
    durations, stimuli, opened = zip(*slots, strict=True)
    n_inputs = spec.population(spec.input).size
    count = len(durations)
    return Segment(
        steps=np.rint(np.array(durations) * (ms / spec.dt)).astype(int),
        stimulus=np.stack([np.broadcast_to(rates, n_inputs).astype(float) for rates in stimuli]),
        gates={
            gate: np.array([float(gates.get(gate, 0)) for gates in opened]) for gate in spec.gates
        },
        onset=np.array([k == 0 or opened[k] != opened[k - 1] for k in range(count)]),
        phase=np.where([bool(gates.get("input")) for gates in opened], "test", "sleep"),
        raster=np.ones(count, bool),
    )


def run(spec: NetworkSpec, state: State, segments: Sequence[Segment]) -> list:
    """Run segments from one state; return state and recording of each.

    Raises
    ------
    SimulationError
        If a value is not a finite number at the end of one.
    """
    capacity = Capacity(
        slots=max(map(len, segments)), steps=max(int(s.steps.sum()) for s in segments)
    )
    name = "torch" if isinstance(spec, SurrogateNetwork) else "numpy"
    backend = make_backend(name, spec, capacity=capacity)
    return [backend.advance(state, each, 1) for each in segments]


def between(whole: Segment, first: int, last: int) -> Segment:
    """Return steps `first` to `last` (exclusive) of a segment."""
    begin = int(np.searchsorted(whole.starts, first, side="right")) - 1
    part = whole.part(begin, int(np.searchsorted(whole.starts, last)))
    starts = part.starts + whole.starts[begin]
    steps = np.minimum(starts[1:], last) - np.maximum(starts[:-1], first)
    return dataclasses.replace(part, steps=steps, onset=part.onset & (starts[:-1] >= first))


def course(
    spec: NetworkSpec, state: State, whole: Segment, samples: int = 200
) -> tuple[np.ndarray, dict[str, np.ndarray], Recording]:
    """Follow a network through a segment.

    Returns
    -------
    times : ndarray, shape (n_samples,)
        Times in ms, from 0 to the end.
    arrays : dict of str to ndarray, shape (n_samples, n)
        The arrays of the state at these times.
    recording : Recording
        Single spikes of the whole segment.
    """
    n_steps = int(whole.starts[-1])
    every = max(1, n_steps // samples)
    ends = np.unique(np.append(np.arange(every, n_steps, every), n_steps))
    backend = make_backend("numpy", spec, capacity=Capacity(len(whole), n_steps))
    states, found = [state], []
    for first, last in itertools.pairwise([0, *ends.tolist()]):
        after, recording = backend.advance(states[-1], between(whole, first, last), last)
        states.append(after)
        found.append({name: (at + first, k) for name, (at, k) in recording.spikes.items()})
    arrays = {name: np.array([s.arrays[name] for s in states]) for name in state.arrays}
    spikes = {
        name: tuple(np.concatenate(each) for each in zip(*(f[name] for f in found), strict=True))
        for name in found[0]
    }
    return np.append(0, ends) * float(spec.dt / ms), arrays, Recording({}, spikes)


def spike_times(recording: Recording, population: str, spec: NetworkSpec) -> list[np.ndarray]:
    """Return the spike times of every neuron of a population in ms."""
    steps, neurons = recording.spikes[population]
    size = spec.population(population).size
    return [steps[neurons == k] * float(spec.dt / ms) for k in range(size)]


def targets(synapse: SynapseModel) -> set[str]:
    """Return what a synapse needs of its target, without ``_post``."""
    names = identifiers(synapse.on_pre)
    return {name.removesuffix("_post") for name in names if name.endswith("_post")}


def fits(synapse: SynapseModel, neuron: NeuronModel) -> bool:
    """Tell whether a synapse can act on a neuron."""
    return targets(synapse) <= {*neuron.variables, *neuron.parameters}


def can_drive(activity: SpontaneousActivity, neuron: NeuronModel) -> bool:
    """Tell whether an activity can act on a neuron."""
    try:
        lone(neuron, activities=(activity,))
    except SpecError:
        return False
    return True


def takes_stimulus(neuron: NeuronModel) -> bool:
    """Tell whether a model is one for input populations."""
    return "stimulus" in identifiers(neuron.on_slot)


def lone(
    neuron: NeuronModel,
    size: int = 1,
    dt: Quantity = 1 * ms,
    activities: tuple[SpontaneousActivity, ...] = (),
) -> NetworkSpec:
    """Make neurons without synapses: the population ``input`` if they are inputs, else ``e``."""
    if takes_stimulus(neuron):
        inputs = Population(name="input", size=size, model=neuron, activities=activities)
        return NetworkSpec(name="lone", populations=(inputs,), dt=dt)
    inputs = Population(name="input", size=1, model=REGULAR)
    neurons = Population(name="e", size=size, model=neuron, activities=activities)
    return NetworkSpec(name="lone", populations=(inputs, neurons), dt=dt)


def driven(
    neuron: NeuronModel, synapse: SynapseModel, weights: np.ndarray, dt: Quantity
) -> tuple[NetworkSpec, State]:
    """Connect one input neuron to several neurons, with another weight each."""
    single = lone(neuron, len(weights), dt)
    drive = Projection(
        name="drive",
        source="input",
        target="e",
        synapse=synapse,
        weights=InitialWeights(low=0.0),
        w_max=float(max(weights)),
    )
    spec = dataclasses.replace(single, projections=(drive,))
    state = initial_state(spec, 1)
    _, target = state.synapses["drive"]
    return spec, state.updated(drive__w=np.asarray(weights, float)[target])


def pairs(rule: PlasticityRule, n_pairs: int, w: float) -> tuple[NetworkSpec, np.ndarray]:
    """Connect neurons 0, 2, ... to neurons 1, 3, ...: all synapses exist, these are looked at.

    Returns
    -------
    spec : NetworkSpec
        Input neurons that fire in every step with a stimulus.
    looked_at : ndarray of int, shape (n_pairs,)
        Where the synapses from 2k to 2k + 1 are among those of the projection ``pairs``.
    """
    size = 2 * n_pairs
    projection = Projection(
        name="pairs",
        source="input",
        target="input",
        synapse=SILENT,
        weights=InitialWeights(low=w),
        rules=(rule,),
    )
    spec = NetworkSpec(
        name="pairs",
        populations=(Population(name="input", size=size, model=POISSON),),
        projections=(projection,),
    )
    pre, post = initial_state(spec, 1).synapses["pairs"]
    return spec, np.flatnonzero((pre % 2 == 0) & (post == pre + 1))


def change_by_spikes(
    rule: PlasticityRule, trains: Sequence[tuple[np.ndarray, np.ndarray]], w: float
) -> np.ndarray:
    """Return the change of w by each of several pairs of spike trains.

    Parameters
    ----------
    rule : PlasticityRule
        The rule.
    trains : sequence of (ndarray of int, ndarray of int)
        Times in ms of pre- and postsynaptic spikes.
    w : float
        The weight at the start; bounds are 0 and 1.
    """
    spec, looked_at = pairs(rule, len(trains), w)
    n_steps = 2 + max(int(max(times, default=0)) for train in trains for times in train)
    spiking = np.zeros((n_steps, 2 * len(trains)), bool)
    for k, (pre, post) in enumerate(trains):
        spiking[pre, 2 * k] = spiking[post, 2 * k + 1] = True
    busy = spiking.any(axis=1)
    starts = np.flatnonzero(busy | np.concatenate([[True], busy[:-1]]))
    durations = np.diff(np.append(starts, n_steps))
    rates = spiking[starts] * float(1 / spec.dt)  # probability 1 in these steps
    gates = {"input": 1, "plasticity": 1}
    slots = [(d, r, gates) for d, r in zip(durations, rates, strict=True)]
    ((after, _),) = run(spec, initial_state(spec, 1), [segment(spec, slots)])
    return after.weights("pairs")[looked_at] - w


def converging(
    process: WeightProcess, weights: np.ndarray, dt: Quantity
) -> tuple[NetworkSpec, State]:
    """Make silent neurons that receive synapses of given weights, under a weight process.

    Parameters
    ----------
    process : WeightProcess
        What happens to the weights.
    weights : ndarray, shape (n_neurons, n_synapses)
        Weights at the start of the synapses of each neuron, bounds 0 and 1.
    dt : Quantity
        Time step.

    Returns
    -------
    spec : NetworkSpec
        The network.
    state : State
        Its state at the start; ``"into.w"`` is in the order of `weights`.
    """
    n_neurons, n_synapses = weights.shape
    silent = NeuronModel(name="silent", equations="s : 1")
    spec = NetworkSpec(
        name="converging",
        populations=(
            Population(name="input", size=n_synapses, model=POISSON),
            Population(name="e", size=n_neurons, model=silent),
        ),
        projections=(
            Projection(
                name="into",
                source="input",
                target="e",
                synapse=SILENT,
                weights=InitialWeights(low=0.0),
                processes=(process,),
            ),
        ),
        dt=dt,
    )
    state = initial_state(spec, 1)
    pre, post = state.synapses["into"]
    return spec, state.updated(into__w=weights[post, pre])


def longest_time(parameters: Mapping[str, Quantity]) -> float:
    """Return the longest time in s among parameters: times, and periods of frequencies."""
    times = [float(v) for v in parameters.values() if Quantity(v).dim is second.dim]
    times += [1 / float(v) for v in parameters.values() if Quantity(v).dim is Hz.dim and float(v)]
    return max(times, default=0.0)

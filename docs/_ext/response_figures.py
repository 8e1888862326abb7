"""A small figure of what a model does: simulated, by kind of model.

Every function takes an object and the definitions to choose partners from, nearest first (those of
its own file), and returns a figure and a sentence that says how it was made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tiny_networks as tiny
from brian2 import Quantity, ms, second
from brian2.units.fundamentalunits import DIMENSIONLESS, get_unit_for_display
from matplotlib.figure import Figure
from weight_figures import HEIGHT, Partners, process, rule

from brainsleep.errors import BackendError, SimulationError
from brainsleep.experiment.schedule import Schedule, sleep
from brainsleep.experiment.stages import SleepStage
from brainsleep.figures._style import CONDITIONS, POPULATIONS, SLEEP, figure, shade_sleep
from brainsleep.network.layers import SurrogateNetwork
from brainsleep.network.models import (
    NeuronModel,
    PlasticityRule,
    SpontaneousActivity,
    SynapseModel,
    WeightProcess,
)
from brainsleep.network.spec import NetworkSpec

TIMES = {"xlabel": "time (ms)"}

#: Time step of neurons and synapses: small enough for a steep upswing.
FINE = 0.1 * ms

#: Spikes a second of the input that drives a neuron, and how many spikes it should answer with.
DRIVE, ANSWER = 1000.0, 10

#: When it does, in ms.
ON, OFF = 30.0, 330.0


def partner(partners: Partners, kind: type, suits: Callable[[Any], bool], *others: Any) -> Any:
    """Return the first object of a kind that suits, from the model files or `others`.

    Raises
    ------
    BackendError
        If there is none.
    """
    for value in (*(definition.value for definition in partners), *others):
        if isinstance(value, kind) and suits(value):
            return value
    raise BackendError(f"no {kind.__name__} of the model files fits it")


def scaled(values: np.ndarray, dim: Any) -> tuple[np.ndarray, str]:
    """Return values in a unit in which they are easy to read, and that unit."""
    if dim is DIMENSIONLESS:
        return values, ""
    unit = Quantity(float(np.max(np.abs(values))) or 1.0, dim=dim).get_best_unit()
    return values / float(unit), f" ({get_unit_for_display(unit)})"


#: Most slow variables of a neuron that are drawn, and most neurons of a network that is.
MOST_SLOW, MOST_NEURONS = 2, 3000


# -- neurons -----------------------------------------------------------------------------------


def neuron(model: NeuronModel, partners: Partners) -> tuple[Figure, str]:
    """Draw spikes of an input model, or what input does to a neuron and how often it fires."""
    if tiny.takes_stimulus(model):
        return _inputs(model)
    synapse = partner(partners, SynapseModel, lambda synapse: tiny.fits(synapse, model))
    weights, rates, w = _search(model, synapse)
    spec, state = tiny.driven(model, synapse, np.array([w]), FINE)
    awake = {"input": 1, "plasticity": 1}
    slots = [(ON, 0, awake), (OFF - ON, DRIVE, awake), (40, 0, awake)]
    whole = tiny.segment(spec, slots)
    times, arrays, recording = tiny.course(spec, state, whole, 180)
    spikes = tiny.spike_times(recording, "e", spec)[0] if model.threshold else np.empty(0)
    slow = [
        name
        for name, eq in model.variables.items()
        if eq.type == "differential equation"
        and name != _membrane(model)
        and name not in tiny.targets(synapse)
    ][:MOST_SLOW]
    with figure("double", HEIGHT + 0.7 * bool(slow)) as made:
        left, right = made.subfigures(1, 2, width_ratios=(2.4, 1))
        panels = left.subplots(
            1 + bool(slow), 1, sharex=True, squeeze=False, height_ratios=[2, 1][: 1 + bool(slow)]
        )[:, 0]
        membrane = _membrane(model)
        _trace(panels[0], model, membrane, times, arrays[f"e.{membrane}"][:, 0])
        _ticks(panels[0], spikes)
        for k, name in enumerate(slow):
            axes = panels[1] if not k else panels[1].twinx()
            _trace(axes, model, name, times, arrays[f"e.{name}"][:, 0], CONDITIONS[1 + k])
        for axes in panels:
            axes.axvspan(ON, OFF, color=SLEEP, alpha=0.5, linewidth=0, zorder=0)
        panels[-1].set(**TIMES)
        axes = right.subplots()
        axes.plot(weights, rates, marker="o", markersize=2, color=CONDITIONS[1])
        axes.axvline(w, color="k", linewidth=0.6, linestyle=":")
        axes.set(xscale="log", xlabel="w of the input", ylabel="rate (Hz)", ylim=(0, None))
        axes.xaxis.set_minor_formatter("")
    return made, (
        f"Left: an input of {DRIVE:g} spikes/s from {ON:g} to {OFF:g} ms (shaded) through "
        f"``{synapse.name}`` synapses with w = {w:.2g}; spikes are the ticks above. Right: the "
        f"rate during such an input against w; the dotted line is the w of the left panel. "
        f"Time step {FINE / ms:g} ms."
    )


def _membrane(model: NeuronModel) -> str:
    """Name the variable to look at first: v, or what is nearest to it."""
    names = list(model.variables)
    return "v" if "v" in names else names[0]


def _trace(axes, model, name, times, values, colour=CONDITIONS[0]) -> None:
    values, unit = scaled(values, model.variables[name].dim)
    axes.plot(times, values, color=colour, linewidth=1)
    axes.set_ylabel(f"{name}{unit}", color=colour)


def _search(model: NeuronModel, synapse: SynapseModel) -> tuple[np.ndarray, np.ndarray, float]:
    """Find a weight with which a neuron answers with some spikes; return rates at others, too."""
    for top in (100.0, 10.0, 1.0, 0.1):
        weights = np.geomspace(1e-4 * top, top, 49)
        spec, state = tiny.driven(model, synapse, weights, FINE)
        whole = tiny.segment(spec, [(OFF - ON, DRIVE, {"input": 1, "plasticity": 1})])
        try:
            ((_, recording),) = tiny.run(spec, state, [whole])
        except SimulationError:
            continue  # a drive so strong that the numbers overflow
        counts = recording.counts["e"][0] if model.threshold else np.zeros(len(weights))
        chosen = int(np.argmin(np.abs(counts - ANSWER)))
        shown = slice(max(0, chosen - 16), chosen + 9)
        return weights[shown], counts[shown] / (1e-3 * (OFF - ON)), float(weights[chosen])
    raise BackendError("its variables overflow with any input that was tried")


def _inputs(model: NeuronModel) -> tuple[Figure, str]:
    """Draw spikes of input neurons while their stimulus grows."""
    rates, each, size = (5, 20, 50, 100), 500.0, 30
    spec = tiny.lone(model, size)
    whole = tiny.segment(spec, [(each, rate, {"input": 1}) for rate in rates])
    ((_, recording),) = tiny.run(spec, tiny.initial_state(spec, 1), [whole])
    with figure("double", HEIGHT) as made:
        raster, measured = made.subplots(1, 2, width_ratios=(2.4, 1))
        _raster(raster, tiny.spike_times(recording, "input", spec))
        raster.set(**TIMES, ylabel="neuron", xlim=(0, each * len(rates)))
        raster.vlines(each * np.arange(1, len(rates)), 0, size, color="k", linewidth=0.5)
        counts = recording.counts["input"] / (each / 1e3)
        measured.plot(rates, rates, color="k", linewidth=0.6, linestyle=":")
        measured.errorbar(rates, counts.mean(axis=1), counts.std(axis=1), fmt="o", capsize=2)
        measured.set(xlabel="stimulus (Hz)", ylabel="rate (Hz), mean ± sd")
    return made, (
        f"{size} neurons with stimuli of {', '.join(map(str, rates))} Hz for {each:g} ms each. "
        "Right: their rates against the stimulus."
    )


def _raster(axes, times: Sequence[np.ndarray], offset: int = 0, colour: str = "k") -> None:
    for k, spikes in enumerate(times):
        axes.plot(spikes, np.full(len(spikes), offset + k), "|", color=colour, markersize=2)


def _ticks(axes, times: Sequence[float]) -> None:
    """Mark spikes above a panel."""
    heights = np.full(len(times), 1.04)
    above = {"transform": axes.get_xaxis_transform(), "clip_on": False}
    axes.plot(times, heights, "|", color="k", markersize=4, **above)


# -- synapses ----------------------------------------------------------------------------------


def synapse(model: SynapseModel, partners: Partners) -> tuple[Figure, str]:
    """Draw what single spikes do to a neuron at rest, for several weights."""
    target = partner(
        partners,
        NeuronModel,
        lambda neuron: tiny.fits(model, neuron) and not tiny.takes_stimulus(neuron),
    )
    weights, rate, length = np.array([0.5, 1.0, 2.0]), 25.0, 240.0
    spec, state = tiny.driven(target, model, weights, FINE)
    whole = tiny.segment(spec, [(length, rate, {"input": 1, "plasticity": 1})])
    times, arrays, recording = tiny.course(spec, state, whole, 240)
    (arriving,) = tiny.spike_times(recording, "input", spec)
    changed = sorted(tiny.targets(model) & set(target.variables) - {_membrane(target)})
    names = [*changed, _membrane(target)]
    with figure("double", HEIGHT) as made:
        for axes, name in zip(made.subplots(1, len(names), squeeze=False)[0], names, strict=True):
            values, unit = scaled(arrays[f"e.{name}"], target.variables[name].dim)
            for k, w in enumerate(weights):
                axes.plot(times, values[:, k], label=f"w = {w:g}")
            axes.set(**TIMES, ylabel=f"{name}{unit}")
            _ticks(axes, arriving)
        axes.legend()
    return made, (
        f"Presynaptic spikes (ticks) every {1e3 / rate:g} ms and a neuron "
        f"``{target.name}`` at rest, for three weights. Time step {FINE / ms:g} ms."
    )


# -- activities --------------------------------------------------------------------------------


def activity(model: SpontaneousActivity, partners: Partners) -> tuple[Figure, str]:
    """Draw neurons before, while and after the gate of an activity is open."""
    target = partner(
        partners, NeuronModel, lambda neuron: tiny.can_drive(model, neuron), tiny.LEAKY
    )
    is_input, size = tiny.takes_stimulus(target), 20
    spec = tiny.lone(target, size, activities=(model,))
    begin, length = 250.0, max(1000.0, 2.5e3 * tiny.longest_time(model.parameters))
    opened = [(begin, 0, {}), (length, 0, {model.name: 1}), (begin, 0, {})]
    whole, state = tiny.segment(spec, opened), tiny.initial_state(spec, 1)
    name = "input" if is_input else "e"
    if is_input:
        ((_, recording),) = tiny.run(spec, state, [whole])
    else:
        times, arrays, recording = tiny.course(spec, state, whole, 125)
    with figure("double", HEIGHT + 0.8 * (not is_input)) as made:
        panels = made.subplots(1 + (not is_input), 1, sharex=True, squeeze=False)[:, 0]
        if not is_input:
            membrane = _membrane(target)
            values, unit = scaled(arrays[f"e.{membrane}"], target.variables[membrane].dim)
            for k in range(3):
                panels[0].plot(times, values[:, k], linewidth=0.8)
            panels[0].set_ylabel(f"{membrane}{unit}")
        _raster(panels[-1], tiny.spike_times(recording, name, spec))
        panels[-1].set(**TIMES, ylabel="neuron", ylim=(-1, size))
        for axes in panels:
            shade_sleep(axes, [(begin, begin + length)])
        panels[-1].set_xlim(0, begin + length + begin)
    shown = "Spikes" if is_input else "Above three neurons, below the spikes"
    return made, (
        f"{shown} of {size} neurons ``{target.name}`` without any other input; the gate is open "
        "in the shaded time. Time step 1 ms."
    )


# -- stages and networks -----------------------------------------------------------------------


def stage(model: SleepStage, partners: Partners) -> tuple[Figure, str]:
    """Draw the gates of a night made of all stages of the file; the stage is shaded."""
    stages = tuple(d.value for d in partners if isinstance(d.value, SleepStage))
    own = tuple({s.name: s for s in (*stages, model)}.values())
    names = (
        "input",
        "plasticity",
        *sorted({gate for s in own for gate in s.gates} - {"plasticity"}),
    )
    schedule = Schedule(
        image_duration=1 * second,
        period=10 * second,
        sleep=sleep(1.0, stages=own, cycles=2),
    )
    table = schedule.compile(20, 0, 0, names, 10 * ms)
    edges = table.starts * 0.01
    with figure("double", 0.5 + 0.32 * len(names)) as made:
        axes = made.subplots()
        for row, name in enumerate(reversed(names)):
            axes.stairs(
                row + 0.7 * table.gates[name],
                edges,
                baseline=row,
                fill=True,
                color=CONDITIONS[1 if name in model.gates else 0],
            )
        inside = table.sleep_stage == model.name
        shade_sleep(axes, zip(edges[:-1][inside], edges[1:][inside], strict=True))
        axes.set(
            xlabel="time (s)",
            yticks=np.arange(len(names)) + 0.35,
            yticklabels=[*reversed(names)],
            xlim=(0, edges[-1]),
        )
    parts = ", ".join(s.name for s in own)
    return made, (
        f"Gates over time, filled where open: 10 s of wake, then a sleep of 10 s that goes twice "
        f"through {parts}; shaded is {model.name}. In blue the gates that the stage sets."
    )


def network(model: NetworkSpec | SurrogateNetwork, partners: Partners) -> tuple[Figure, str]:
    """Draw spikes of all populations in wake and in sleep."""
    if sum(population.size for population in model.populations) > MOST_NEURONS:
        raise BackendError("it is large, see its protocol")
    n_inputs = model.population(model.input).size
    stimulus = 200 * np.random.default_rng(0).random(n_inputs)
    asleep = {"plasticity": 1} | dict.fromkeys([*model.activity_names, *model.process_names], 1)
    whole = tiny.segment(model, [(600, stimulus, {"input": 1}), (600, 0, asleep)])
    ((_, recording),) = tiny.run(model, tiny.initial_state(model, 1), [whole])
    with figure("double", HEIGHT + 0.6) as made:
        axes, offset, ticks = made.subplots(), 0, []
        for k, population in enumerate(p for p in model.populations if p.spikes):
            chosen = tiny.spike_times(recording, population.name, model)[:60]
            _raster(axes, chosen, offset, POPULATIONS[k % len(POPULATIONS)])
            ticks.append((offset + len(chosen) / 2, population.name))
            offset += len(chosen) + 4
        shade_sleep(axes, [(600, 1200)])
        axes.set(
            **TIMES,
            yticks=[at for at, _ in ticks],
            yticklabels=[name for _, name in ticks],
            xlim=(0, 1200),
        )
    return made, (
        "Spikes of up to 60 neurons of each population from the weights at the start: 600 ms of a "
        "fixed random stimulus (0 to 200 Hz), then sleep (shaded) with plasticity and every "
        "activity and weight process on."
    )


#: What to draw, by kind of object. Nothing for kinds that are not here.
DRAWINGS: dict[type, Callable[[Any, Partners], tuple[Figure, str]]] = {
    NeuronModel: neuron,
    SynapseModel: synapse,
    PlasticityRule: rule,
    SpontaneousActivity: activity,
    WeightProcess: process,
    SleepStage: stage,
    NetworkSpec: network,
    SurrogateNetwork: network,
}

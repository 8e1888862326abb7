"""Figures of plasticity rules and weight processes, for `response_figures`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tiny_networks as tiny
from brian2 import Quantity, second
from brian2.units.fundamentalunits import DIMENSIONLESS
from matplotlib.figure import Figure
from model_sources import Definition

from brainsleep.figures._style import CONDITIONS, figure
from brainsleep.network.equations.checks import identifiers
from brainsleep.network.models import PlasticityRule, WeightProcess

Partners = Sequence[Definition]

HEIGHT = 2.3  # inches


def rule(model: PlasticityRule, partners: Partners) -> tuple[Figure, str]:
    """Draw the change of w by a pair of spikes against lag, and by many pairs against frequency."""
    lags = np.array([*range(-80, 0, 4), -2, -1, 1, 2, *range(4, 81, 4)])
    start = 100
    single = [(np.array([start]), np.array([start + lag])) for lag in lags]
    alone = [(np.array([start]), np.array([], int)), (np.array([], int), np.array([start]))]
    w, n_pairs, rates, near = 0.5, 20, (2, 5, 10, 20, 30, 40, 50), 10
    change = tiny.change_by_spikes(model, [*single, *alone], w)
    first = 20 + np.arange(n_pairs)[None] * np.array([1000 // rate for rate in rates])[:, None]
    many = [(pre, pre + lag) for lag in (near, -near) for pre in first]
    by_rate = tiny.change_by_spikes(model, many, w).reshape(2, len(rates))
    with figure("double", HEIGHT) as made:
        window, frequency = made.subplots(1, 2, width_ratios=(1.5, 1))
        for side in (lags < 0, lags > 0):
            window.plot(
                lags[side], change[:-2][side], color=CONDITIONS[0], marker="o", markersize=2
            )
        for end, style, by_one in zip(("pre", "post"), ("--", ":"), change[-2:], strict=True):
            if by_one:
                label = f"a {end} spike alone"
                window.axhline(by_one, color="k", linewidth=0.7, linestyle=style, label=label)
        window.axhline(0, color="k", linewidth=0.5, zorder=0)
        window.axvline(0, color="k", linewidth=0.5, zorder=0)
        window.set(xlabel="t_post − t_pre (ms)", ylabel="change of w")
        if change[-2:].any():
            window.legend()
        for changes, colour, order in zip(
            by_rate, CONDITIONS, ("pre before post", "post before pre"), strict=False
        ):
            frequency.plot(rates, changes, marker="o", color=colour, label=order)
        frequency.axhline(0, color="k", linewidth=0.5, zorder=0)
        frequency.set(xlabel="pairs per second", ylabel=f"change of w by {n_pairs} pairs")
        frequency.legend()
    return made, (
        f"Left: one pair of spikes, w from {w:g} within bounds of 0 and 1, the gate open. Right: "
        f"{n_pairs} pairs at equal intervals, {near} ms apart. Time step 1 ms."
    )


def process(model: WeightProcess, partners: Partners) -> tuple[Figure, str]:
    """Draw weights while the gate is open; random ones also with what is off by default on."""
    cases = [(model, "")]
    code = f"{model.on_onset} {model.on_update} {model.on_change}"
    if identifiers(code) & {"rand", "randn", "poisson"}:
        off = {k: 0.3 for k, v in model.parameters.items() if _plain_zero(v)}
        title = ", ".join(f"{k} = {v:g}" for k, v in off.items())
        cases = [(model, ", ".join(f"{k} = 0" for k in off))] if off else []
        cases.append((model.with_parameters(**off), title))
    with figure("double", HEIGHT) as made:
        for axes, (case, title) in zip(
            made.subplots(1, len(cases), sharey=True, squeeze=False)[0], cases, strict=True
        ):
            _weights(axes, case)
            axes.set_title(title)
    return made, (
        "The weights of two neurons (colours) with eight synapses each while the gate is open; "
        "of every weight there are two synapses. Bounds are 0 and 1."
    )


def _plain_zero(value: Any) -> bool:
    return Quantity(value).dim is DIMENSIONLESS and float(value) == 0


def _weights(axes, model: WeightProcess) -> None:
    """Draw one network's weights against time, on a logarithmic scale that has a zero."""
    weights = np.array(
        [np.repeat([0.008, 0.03, 0.1, 0.3], 2), np.repeat([0.015, 0.1, 0.4, 0.9], 2)]
    )
    length = 2.5 * (tiny.longest_time(model.parameters) or 0.4)
    period = min(float(model.period), length / 60)
    steps = np.ceil(length / 60 / period)  # the updates of a sample
    dt = length / 60 / steps
    spec, state = tiny.converging(model, weights, dt * second)
    whole = tiny.segment(spec, [(1e3 * length, 0, {model.name: 1})])
    times, arrays, _ = tiny.course(spec, state, whole, 60)
    _, post = state.synapses["into"]
    for k in range(len(post)):
        axes.plot(times / 1e3, arrays["into.w"][:, k], color=CONDITIONS[post[k]], linewidth=0.9)
    linear = 0.005
    axes.set_yscale("symlog", linthresh=linear, linscale=0.4)
    axes.set(xlabel="time (s)", ylabel="w", ylim=(-0.0005, 1.2), yticks=[0, 0.01, 0.1, 1])
    axes.set_yticklabels(["0", "0.01", "0.1", "1"])

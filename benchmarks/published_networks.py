"""The published networks of ``benchmarks.published``, how long each is simulated, and its graph."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from brian2 import ms

from brainsleep.models.brunel import BRUNEL
from brainsleep.models.stdp import STDP_ALL_TO_ALL
from brainsleep.models.vogels_abbott import COBA, CUBA
from brainsleep.network.spec import NetworkSpec
from brainsleep.run.segment import Segment
from brainsleep.run.state import State, initial_state

#: The rule of the plastic network. The learning rate is so small that weights change by a few
#: ten-thousandths in a second: activity stays where it is, and the work at a spike is the same.
RULE = STDP_ALL_TO_ALL.with_parameters(
    lr=1e-6, a_plus=1.0, a_minus=1.5, tau_plus=20 * ms, tau_minus=20 * ms
)
W_MIN, W_MAX = 0.0, 0.3  # mV


def plastic(spec: NetworkSpec) -> NetworkSpec:
    """Return a network with `RULE` at the synapses from excitatory to excitatory neurons."""
    changed = [
        replace(projection, rules=(RULE,), w_min=W_MIN, w_max=W_MAX)
        if projection.name == "ee"
        else projection
        for projection in spec.projections
    ]
    return replace(spec, name=f"{spec.name}_stdp", projections=tuple(changed))


NETWORKS = {
    "COBA": COBA,
    "CUBA": CUBA,
    "Brunel C": BRUNEL["C"],
    "Brunel, STDP": plastic(BRUNEL["C"]),
}

#: Biological seconds of a repeat, by network; and of peers that take longer, by how their name
#: begins.
SECONDS = {"COBA": 10.0, "CUBA": 10.0, "Brunel C": 1.0, "Brunel, STDP": 2.0}
FEWER = {
    "NEST": {"COBA": 1.0, "CUBA": 2.0, "Brunel C": 0.2, "Brunel, STDP": 0.1},
    "ANNarchy": {"COBA": 5.0, "CUBA": 5.0, "Brunel C": 0.2, "Brunel, STDP": 0.1},
    "Brian2": {"Brunel C": 0.5, "Brunel, STDP": 0.25},
}


def seconds(name: str, peer: str) -> float:
    """Return for how many biological seconds a peer runs a network."""
    fewer = next((given for begin, given in FEWER.items() if peer.startswith(begin)), {})
    return fewer.get(name, SECONDS[name])


def segment(spec: NetworkSpec, steps: int) -> Segment:
    """Return a segment of one slot, awake, with plasticity."""
    open_gates = ("input", "background", "plasticity")
    return Segment(
        steps=np.array([steps]),
        stimulus=np.zeros((1, 0)),
        gates={gate: np.full(1, float(gate in open_gates)) for gate in spec.gates},
        onset=np.ones(1, bool),
        phase=np.array(["wake"]),
        raster=np.zeros(1, bool),
    )


def size(spec: NetworkSpec) -> int:
    """Return the number of neurons."""
    return sum(population.size for population in spec.populations)


def pairs(spec: NetworkSpec, state: State, source: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the synapses of a population as of one group, excitatory neurons first."""
    n_e = spec.population("e").size
    first = {"e": 0, "i": n_e}
    ends = [
        (state.synapses[source + target][0] + first[source],
         state.synapses[source + target][1] + first[target])
        for target in "ei"
    ]  # fmt: skip
    return np.concatenate([end[0] for end in ends]), np.concatenate([end[1] for end in ends])


def rule_numbers(spec: NetworkSpec, state: State) -> list[float]:
    """Return rate, sizes of both effects, time constants and bounds (mV) of the rule, if any."""
    (rule,) = spec.projection("ee").rules or (None,)
    if rule is None:
        return []
    keys = [f"{rule.name}_{key}" for key in ("lr", "a_plus", "a_minus", "tau_plus", "tau_minus")]
    given = {key.partition(".")[2]: value for key, value in state.parameters.items()}
    return [float(given[key]) for key in (*keys, "w_min", "w_max")]


#: Variables at the start: NEST's name, ours, and one of ours in NEST's unit.
START = {
    "COBA": (("V_m", "v", 1e3), ("g_ex", "g_e", 1e9), ("g_in", "g_i", 1e9)),
    "CUBA": (("V_m", "v", 1e3),),
    "Brunel C": (("V_m", "v", 1e3),),
    "Brunel, STDP": (("V_m", "v", 1e3),),
}


def write_graph(name: str, file: Path) -> None:
    """Write synapses and start as NEST's and ANNarchy's scripts read them.

    NEST has no negative conductances. Excitatory neurons come first.
    """
    spec = NETWORKS[name]
    state = initial_state(spec, 1)
    graph = {"n_e": np.array(spec.population("e").size)}
    for theirs, mine, factor in START[name]:
        start = factor * np.concatenate([state.arrays[f"{source}.{mine}"] for source in "ei"])
        graph[theirs] = start if theirs == "V_m" else start.clip(0)
    for source in "ei":
        ends = zip(("pre", "post"), pairs(spec, state, source), strict=True)
        graph |= {f"{source}_{end}": numbers for end, numbers in ends}
    np.savez(file, **graph)


def write_limit(name: str, path: Path) -> None:
    """Write a network as ``limit/published.cpp`` reads it."""
    spec = NETWORKS[name]
    state, dt = initial_state(spec, 1), float(spec.dt)
    value = {key.partition(".")[2]: v for key, v in state.parameters.items() if key[:2] == "e."}
    unit = 1e-9 if name == "COBA" else 1e-3
    weights = [unit * float(state.arrays[f"{k}e.w"][0]) for k in "ei"]
    background = [0.0, 0.0]
    if "background_rate" in value:
        sources, rate, w = (value[f"background_{key}"] for key in ("n_sources", "rate", "weight"))
        background = [sources * rate * dt, w]
    keys = "v_threshold v_reset v_rest tau_m g_leak c_m v_e v_i tau_e tau_i".split()
    numbers = [dt, *(value.get(key, 0.0) for key in keys), *weights, *background]
    variables = ("v", *{"COBA": ("g_e", "g_i"), "CUBA": ("u_e", "u_i")}.get(name, ()))
    start = [
        np.concatenate([state.arrays[f"{population}.{variable}"] for population in "ei"])
        for variable in variables
    ]
    start += [np.zeros(size(spec))] * (3 - len(start))
    rule = np.array(rule_numbers(spec, state))
    if rule.size:
        rule[[0, -2, -1]] *= unit
    pre, post = map(np.concatenate, zip(*(pairs(spec, state, k) for k in "ei"), strict=True))
    order = np.lexsort((post, pre))
    first = np.concatenate([[0], np.cumsum(np.bincount(pre, minlength=size(spec)))])
    whole = [
        list(NETWORKS).index(name),
        size(spec),
        spec.population("e").size,
        round(value["t_ref"] / dt),
        round(float(spec.projections[0].delay or 0) / dt),
    ]
    arrays = [np.array(numbers), rule, *start, first.astype(np.int64)]
    with path.open("wb") as file:
        file.write(np.array(whole, np.int64).tobytes())
        for array in (*arrays, post[order].astype(np.uint16)):
            file.write(np.int64(array.size).tobytes() + array.tobytes())

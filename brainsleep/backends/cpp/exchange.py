"""What a standalone program reads and writes: arrays, in C++ and in the order of its files."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...run.delays import DELAY_HISTORY, changing, histories, most_steps, pathways
from ..brian.names import event_monitor, last_monitor, trace_of
from ..brian.network import BrianNetwork
from .later import put_off_at
from .standalone import SegmentCodeObject


class _Array(NamedTuple):
    """An array in a file, by its key and its name in C++; of a size that is compiled in, or 0.

    One that may be the same at all synapses of a presynaptic neuron has these synapses as its
    `owner`.
    """

    key: str
    dtype: str
    name: str
    size: int
    owner: str = ""


def code(network: BrianNetwork, device) -> tuple[dict, str, str, str]:
    """Write the C++ for a network, made on Brian2's C++ standalone device.

    Returns the layout, and C++ for ``main`` (after the network is set up), ``before_network_run``
    and ``before_end``. The layout has (key, dtype) in the order of the files ``synapses``,
    ``fixed``, ``inputs`` and ``outputs``; and ``alike``, by their keys the arrays that may be the
    same at all synapses of a presynaptic neuron: these synapses, and how many such neurons.
    """

    def c_name(key: str) -> str:
        return device.get_array_name(network.variable(key), access_data=False)

    def array(key: str, size: int = 0) -> _Array:
        return _Array(key, np.dtype(network.variable(key).dtype).name, c_name(key), size)

    ends, fixed, inputs, outputs = [], [], [], []
    for group in network.plan.groups:
        state = [array(f"{group.name}.{name}", group.size) for name in group.state]
        inputs += [array(f"{group.name}.{name}", 1) for name in group.parameters] + state
        fixed += [array(f"{group.name}.{name}", group.size) for name in group.constants]
        outputs += state
        if group.spike_trains:
            inputs += [array(f"{group.name}.{name}") for name in ("neuron_index", "_timebins")]
        if group.spikes:
            outputs.append(array(f"{group.name}.spike_count", group.size))
            for recorded in ("counts.spike_count", "raster.i", "raster.t"):
                outputs.append(array(f"{group.name}:{recorded}"))
    for part in network.plan.synapses:
        paths = network.groups[part.name]._pathways
        alike = {name for path in paths for name in getattr(path, "_alike", ())}
        state = [
            array(f"{part.name}.{name}")._replace(owner=part.name if name in alike else "")
            for name in part.state
        ]
        changed = [each for each in state if each.key not in network.plan.unchanged]
        inputs += [array(f"{part.name}.{name}", 1) for name in part.parameters] + changed
        fixed += [each for each in state if each not in changed]
        fixed += [array(f"{part.name}.{name}") for name in part.constants]
        outputs += changed
        ends += [array(f"{part.name}._synaptic_{end}") for end in ("pre", "post")]
    for each in histories(network.plan).values():
        outputs += [array(f"{last_monitor(*each)}.{variable}") for variable in ("i", "t")]
    for name, variables in network.events.items():
        called = event_monitor(name)
        outputs += [array(f"{called}.{variable}") for variable in ("i", "t", *variables)]
    delays, sent, given_last, given = _of_delays(network, device)
    fixed, outputs = fixed + delays, outputs + sent
    for name in network.traced:
        monitor, _, variable = trace_of(name).rpartition(".")
        indices = array(f"{monitor}._indices")
        inputs.append(indices._replace(key=f"trace:{name}"))
        outputs.append(array(f"{monitor}.{variable}"))
    times = [(f"clock:{name}", "float64") for name in network.event_clocks]
    values = [(f"slots:{name}", "float64") for name in network.slot_values]
    layout = {
        "alike": {
            each.key: (each.owner, int(network.groups[each.owner].source.N))
            for each in [*fixed, *inputs]
            if each.owner
        },
        "synapses": [each[:2] for each in ends],
        "fixed": [each[:2] for each in fixed],
        "inputs": [("run", "int64"), *(each[:2] for each in inputs), *times, *values, *given_last],
        "outputs": [("steps", "int64"), *(each[:2] for each in outputs)],
    }
    given |= {"network": network, "c_name": c_name, "fixed": fixed, "inputs": inputs}
    given["outputs"] = outputs
    given["fixed_weights"] = [
        (path, c_name(f"{name}.w"))
        for name, paths in network.fixed_weights.items()
        for path in paths
    ]
    given["large_pathways"] = _large_pathways(network)
    given["put_off"] = [
        part.name for part in network.plan.synapses if put_off_at(network.groups[part.name])
    ]
    template = SegmentCodeObject.templater.env.get_template("exchange.cpp")
    parts: Any = template.make_module(given)
    return layout, parts.load(), parts.stop(), parts.save()


def _large_pathways(network: BrianNetwork) -> dict[str, list[Any]]:
    """Return the pathways that threads may share, by the population that they reach."""
    found = dict[str, list[Any]]()
    for part in network.plan.synapses:
        for path in network.groups[part.name]._pathways:
            if hasattr(path, "_shared") and path.prepost == "pre":
                found.setdefault(part.target, []).append(path)
    return found


def _of_delays(
    network: BrianNetwork, device
) -> tuple[list[_Array], list[_Array], list[tuple[str, str]], dict[str, Any]]:
    """Return what delays add to a program, and what its template is given of them.

    These are delays that are read, those that are written as they change, and (key, dtype) of
    histories, which are read last.
    """
    plan, paths = network.plan, network.queues.pathways
    fixed, given = list[_Array](), []
    places = {name: place for place, name in enumerate(histories(plan))}
    for history, part, delay in pathways(plan):
        path, name = paths[part.name, delay.pathway], f"sent_{part.name}"
        if not delay.most:
            variable = path.variables["delay"]
            name = device.get_array_name(variable, access_data=False)
            dtype = np.dtype(variable.dtype).name
            fixed.append(_Array(f"{part.name}.{delay.variable}", dtype, name, 0))
        most = most_steps(delay, float(network.spec.dt))
        given.append((places[history], path, name, most))
    first = {part.name: paths[part.name, d.pathway]._first.name for _, part, d in changing(plan)}
    sent = [_Array(f"{name}:sent", "uint16", f"{path}.sent", 0) for name, path in first.items()]
    last = [(name, "uint8") for name in places]
    last += [(f"{name}.{DELAY_HISTORY}", "uint16") for name in first]
    more = {"pathways": given, "histories": len(places), "changed_delays": list(first)}
    return fixed, sent, last, more

"""What a standalone program reads and writes: arrays, in C++ and in the order of its files."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...network.plan import DelayPlan, SynapsePlan
from ...run.delays import DELAY_HISTORY, HISTORY, changing, most_steps, pathways
from ..brian.network import BrianNetwork, trace_of
from .standalone import SegmentCodeObject


class _Array(NamedTuple):
    """An array in a file, by its key and its name in C++; of a size that is compiled in, or 0."""

    key: str
    dtype: str
    name: str
    size: int


def code(network: BrianNetwork, device) -> tuple[dict, str, str, str]:
    """Write the C++ for a network, made on Brian2's C++ standalone device.

    Returns the layout, (key, dtype) in the order of the files ``synapses``, ``inputs`` and
    ``outputs``, and C++ for ``main`` (after the network is set up), ``before_network_run`` and
    ``before_end``.
    """

    def c_name(key: str) -> str:
        return device.get_array_name(network.variable(key), access_data=False)

    def array(key: str, size: int = 0) -> _Array:
        return _Array(key, np.dtype(network.variable(key).dtype).name, c_name(key), size)

    def delay_array(part: SynapsePlan, delay: DelayPlan) -> _Array:
        variable = network.queues.pathways[part.name, delay.pathway].variables["delay"]
        name = device.get_array_name(variable, access_data=False)
        return _Array(f"{part.name}.{delay.variable}", np.dtype(variable.dtype).name, name, 0)

    def first_path(part: SynapsePlan, delay: DelayPlan) -> str:
        return network.queues.pathways[part.name, delay.pathway]._first.name

    ends, inputs, outputs = [], [], []
    for group in network.plan.groups:
        state = [array(f"{group.name}.{name}", group.size) for name in group.state]
        inputs += [array(f"{group.name}.{name}", 1) for name in group.parameters] + state
        inputs += [array(f"{group.name}.{name}", group.size) for name in group.constants]
        outputs += state
        if group.spike_trains:
            inputs += [array(f"{group.name}.{name}") for name in ("neuron_index", "_timebins")]
        if group.spikes:
            outputs.append(array(f"{group.name}.spike_count", group.size))
            last = ("last.i", "last.t") if group.delayed else ()
            for recorded in ("counts.spike_count", "raster.i", "raster.t", *last):
                outputs.append(array(f"{group.name}:{recorded}"))
    for part in network.plan.synapses:
        state = [array(f"{part.name}.{name}") for name in part.state]
        changed = [each for each in state if each.key not in network.plan.unchanged]
        inputs += [array(f"{part.name}.{name}", 1) for name in part.parameters] + state
        inputs += [array(f"{part.name}.{name}") for name in part.constants]
        outputs += changed
        ends += [array(f"{part.name}._synaptic_{end}") for end in ("pre", "post")]
        inputs += [delay_array(part, delay) for delay in part.delays if not delay.most]
    for _, part, delay in changing(network.plan):
        name = f"{first_path(part, delay)}.sent"
        outputs.append(_Array(f"{part.name}:sent", "uint16", name, 0))
    for name in network.traced:
        monitor, _, variable = trace_of(name).rpartition(".")
        indices = array(f"{monitor}._indices")
        inputs.append(indices._replace(key=f"trace:{name}"))
        outputs.append(array(f"{monitor}.{variable}"))
    times = [(f"clock:{name}", "float64") for name in network.event_clocks]
    values = [(f"slots:{name}", "float64") for name in network.slot_values]
    delayed = [group.name for group in network.plan.groups if group.delayed]
    changed_delays = [part.name for _, part, _ in changing(network.plan)]
    histories = [(f"{name}.{HISTORY}", "uint8") for name in delayed]
    layout = {
        "synapses": [each[:2] for each in ends],
        "inputs": [
            ("run", "int64"),
            *(each[:2] for each in inputs),
            *(*times, *values, *histories),
            *((f"{name}.{DELAY_HISTORY}", "uint16") for name in changed_delays),
        ],
        "outputs": [("steps", "int64"), *(each[:2] for each in outputs)],
    }
    given = {"network": network, "c_name": c_name, "inputs": inputs, "outputs": outputs}
    given |= {"delayed": delayed, "changed_delays": changed_delays}
    given["fixed_weights"] = [
        (path, c_name(f"{name}.w"))
        for name, paths in network.fixed_weights.items()
        for path in paths
    ]
    given["pathways"] = [
        (
            population,
            network.queues.pathways[part.name, delay.pathway],
            f"sent_{part.name}" if delay.most else delay_array(part, delay).name,
            most_steps(delay, float(network.spec.dt)),
        )
        for population, part, delay in pathways(network.plan)
    ]
    template = SegmentCodeObject.templater.env.get_template("exchange.cpp")
    parts: Any = template.make_module(given)
    return layout, parts.load(), parts.stop(), parts.save()

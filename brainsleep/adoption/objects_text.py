"""The Brian2 objects of a network as text of a plain script."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from brian2 import Equations, Quantity, second

from ..network.equations import checks
from ..network.events import SPIKE
from ..network.plan import TIMES, GroupPlan, ProcessPlan, SynapsePlan
from ..run.delays import delay_steps
from ..values.units import unit_name
from .script_text import (
    Values,
    block,
    comment,
    duration_text,
    function_text,
    number,
    python_name,
    with_unit,
)
from .slot_values import Pieces, codes_of

if TYPE_CHECKING:
    from ..experiment.record import Record
    from ..network.spec import NetworkSpec
    from ..run.segment import Segment
    from ..run.state import State

#: Lines of equations and resets that only this package needs.
_BOOKKEEPING = ("slot_index", "spike_count")

#: Order within the ``start`` and ``groups`` slots of a time step, as on the runtime backend.
SLOT, ONSET, UPDATE, SYNAPSES = -9000, -8000, -4000, 3

#: Order that Brian2 gives pathways by itself.
BRIANS_ORDER = {"pre": -1, "post": 1}


class ObjectsText:
    """Texts of all objects; arrays go to `values`."""

    def __init__(
        self,
        network: NetworkSpec,
        state: State,
        segment: Segment,
        pieces: Pieces,
        values: Values,
    ):
        self.plan, self.state, self.pieces, self.values = network.plan, state, pieces, values
        self.segment, self.network = segment, network
        self.dt = float(network.dt)
        self.in_order = any(group.links for group in self.plan.groups)
        self.used = checks.identifiers(*codes_of(self.plan))
        #: Names of all objects, in order.
        self.made: list[str] = []
        self.tellers = dict[str, list[str]]()

    def text(self) -> str:
        """Write populations, what links them, and projections."""
        parts = [comment("Neurons"), *map(self._group, self.plan.groups)]
        links = [
            f"{python_name(group.name)}.{link.name} = linked_var({python_name(link.source)}, "
            f'"{link.variable}"{f", index={link.index!r}" if link.index else ""})'
            for group in self.plan.groups
            for link in group.links
        ]
        parts += ["\n".join(links)] if links else []
        if self.plan.synapses:
            parts += [comment("Synapses"), *map(self._synapses, self.plan.synapses)]
        return "\n\n".join(parts)

    def _made(self, name: str) -> str:
        self.made.append(python_name(name))
        return python_name(name)

    def _array(self, key: str, unit: object, owner: str = "") -> str:
        return self.values.array(key, self.state.arrays[key], unit)

    # -- neurons -------------------------------------------------------------------------------

    def _is_generator(self, plan: GroupPlan) -> bool:
        """Tell whether neurons do nothing but spike when they are told."""
        left = [line for line in self._equations(plan).splitlines() if line]
        idle = not left and not _without(plan.reset) and not plan.on_spike and not plan.events
        return plan.spike_trains and idle

    def _equations(self, plan: GroupPlan) -> str:
        unused = {
            gate
            for gate in (f"{gate}_gate" for gate in plan.gates)
            if (plan.name, gate) not in self.pieces.columns
        }
        lines = _without(plan.equations, unused).splitlines()
        for name, unit in self.pieces.more.get(plan.name, {}).items():
            lines.append(f"{name} : {unit_name(unit)}")
        if plan.spike_trains:
            more = _without(plan.reset) or plan.on_spike or plan.events
            lines += ["told : boolean"] if lines or more else []
        return "\n".join(lines)

    def _group(self, plan: GroupPlan) -> str:
        name = self._made(plan.name)
        if self._is_generator(plan):
            return f"{name} = {self._generator(plan, plan.name)}"
        arguments = [str(plan.size), block(self._equations(plan))]
        reset = _without(plan.reset)
        if plan.spike_trains:
            arguments += ['threshold="told"']
            reset = "\n".join(filter(None, ["told = False", reset]))
        elif plan.threshold:
            arguments += [f"threshold={block(plan.threshold)}"]
        arguments += [f"reset={block(reset)}"] if reset else []
        arguments += [f'refractory="{plan.refractory}"'] if plan.refractory else []
        if plan.events:
            texts = ", ".join(f'"{each.name}": {block(each.condition)}' for each in plan.events)
            arguments.append(f"events={{{texts}}}")
        lines, namespace = self._tables(plan)
        arguments += [f'method="{plan.method}"', *namespace, f'name="{plan.name}"']
        lines += [_call(name, "NeuronGroup", arguments)]
        lines += self._values(plan, name)
        lines += self._regular(plan, name)
        for each in (event for event in plan.events if event.code):
            place = each.order
            if self.in_order:
                place = 1000 * place + self.plan.groups.index(plan)
            given = [f'"{each.name}"', block(each.code), f'when="{each.when}"', f"order={place}"]
            lines.append(_call("", f"{name}.run_on_event", given))
        if plan.on_spike:
            lines += self._on_spike(plan, name)
        if plan.spike_trains:
            lines += self._told(plan, name)
        return "\n".join(lines)

    def _generator(self, plan: GroupPlan, name: str) -> str:
        steps, neurons = self.segment.trains.get(plan.name, (np.empty(0), np.empty(0, int)))
        key, times = f"{plan.name}.spikes", np.asarray(steps) * self.dt
        listed = [
            self.values.packed(f"{key}.i", np.asarray(neurons)),
            with_unit(self.values.packed(f"{key}.t", times), second),
        ]
        arguments = [str(plan.size), *listed, f'name="{name}"']
        return f"SpikeGeneratorGroup({', '.join(arguments)})"

    def _told(self, plan: GroupPlan, name: str) -> list[str]:
        """Have a generator tell neurons when they spike, in the same time step."""
        trains, tell = f"{plan.name}_trains", f"{plan.name}_tell"
        self.made += [trains, tell]
        return [
            f"{trains} = {self._generator(plan, trains)}",
            f'{tell} = Synapses({trains}, {name}, on_pre="told_post = True", name="{tell}")',
            f'{tell}.connect(j="i")',
            f'{tell}.pre.when, {tell}.pre.order = "thresholds", 1',
            f'{name}.thresholder["spike"].order = 2',
        ]

    def _on_spike(self, plan: GroupPlan, name: str) -> list[str]:
        """Carry out statements for neurons that spike, before anything at synapses."""
        note = self._made(f"{plan.name}_on_spike")
        code = plan.on_spike.replace("spiking =", "spiking_post =")
        return [
            f'{note} = Synapses({name}, {name}, on_pre="{code}", name="{note}")',
            f'{note}.connect(j="i")',
            f"{note}.pre.order = -1000",
        ]

    def _values(self, plan: GroupPlan, name: str) -> list[str]:
        lines = [f"{name}.{key} = {number(self.state.parameters[f'{plan.name}.{key}'], value)}"
                 for key, value in plan.parameters.items()]  # fmt: skip
        declared = Equations(plan.equations)
        for key in (*plan.constants, *plan.state):
            array = self.state.arrays[f"{plan.name}.{key}"]
            if key == "lastspike":
                if np.any(array > -1e4):
                    lines.append(f"{name}.lastspike = {self._array(f'{plan.name}.{key}', second)}")
                continue
            if (plan.name, key) in self.pieces.columns or not np.any(array):
                continue
            if key == "not_refractory":
                if not np.all(array):
                    lines.append(f'{name}.variables["{key}"].set_value(0)')
                continue
            unit = Quantity(1.0, dim=declared[key].dim)
            lines.append(f"{name}.{key} = {self._array(f'{plan.name}.{key}', unit)}")
        return lines

    def _regular(self, plan: GroupPlan, name: str) -> list[str]:
        place = self.plan.groups.index(plan)

        def order(number: int) -> int:
            return number * 1000 + place if self.in_order else number

        lines = []
        if self.in_order:
            lines.append(f"{name}.state_updater.order = {place}")
            lines += [f'{name}.resetter["spike"].order = {place}'] if plan.reset else []
        if code := self.pieces.on_slot.get(plan.name):
            at = SLOT + place if self.in_order else SLOT
            lines.append(self._run_regularly(f"{plan.name}_on_slot", name, code, "start", at))
        for activity in plan.activities:
            key = f"{plan.name}_{activity.gate}"
            lines.append(self._run_regularly(key, name, activity.code, "groups", order(1)))
        if plan.on_step:
            key = f"{plan.name}_on_step"
            lines.append(self._run_regularly(key, name, plan.on_step, "groups", order(2)))
        return [*lines, *self._at_times(plan, name)]

    def _tables(self, plan: GroupPlan | SynapsePlan) -> tuple[list[str], list[str]]:
        """Write values over time, and the argument that has equations read them."""
        lines, names = [], []
        for key, table in plan.tables.items():
            name = f"{plan.name}_{key}_table"
            unit = Quantity(1.0, dim=table.values.dim)
            values = with_unit(self.values.packed(name, table.values.numbers), unit)
            every = number(float(table.every), second)
            lines.append(f'{name} = TimedArray({values}, dt={every}, name="{name}")')
            names.append(f'"{key}": {name}')
        for key, function in plan.functions.items():
            lines += function_text(f"{plan.name}_{key}", key, function)
            names.append(f'"{key}": {plan.name}_{key}')
        return lines, [f"namespace={{{', '.join(names)}}}"] if names else []

    def _at_times(self, plan: GroupPlan | SynapsePlan, name: str) -> list[str]:
        """Write code that runs at regular times."""
        lines = []
        for place, each in enumerate(plan.regular):
            arguments = [block(each.code)]
            if each.steps > 1:
                arguments.append(f"dt={duration_text(each.steps, self.dt)}")
            arguments += [f'when="{each.when}"', f"order={each.order}"]
            arguments.append(f'name="{plan.name}_regular_{place}"')
            lines.append(_call("", f"{name}.run_regularly", arguments))
        return lines

    def _run_regularly(self, key: str, owner: str, code: str, when: str, order: int) -> str:
        arguments = [block(code), f'when="{when}"', f"order={order}", f'name="{key}"']
        switched = key in self.pieces.gated or key in self.pieces.single
        target = python_name(key) if switched else ""
        return _call(target, f"{owner}.run_regularly", arguments)

    # -- synapses ------------------------------------------------------------------------------

    def _synapses(self, plan: SynapsePlan) -> str:
        name = self._made(plan.name)
        sides = {"pre": plan.on_pre, "post": plan.on_post}
        by_end: dict[str, dict[str, str]] = {
            end: {end: code} for end, code in sides.items() if code
        }
        for path in plan.pathways:
            by_end.setdefault(path.end, {})[f"path_{path.name}"] = path.code
        equations = "\n".join([_without(plan.equations), *_summands(plan)])
        arguments = [python_name(plan.source), python_name(plan.target), block(equations.strip())]
        for end, codes in by_end.items():
            alone = [*codes] == [end]
            texts = ", ".join(f'"{key}": {block(code)}' for key, code in codes.items())
            arguments.append(f"on_{end}={block(codes[end]) if alone else '{' + texts + '}'}")
        others = {f"path_{p.name}": p.event for p in plan.pathways if p.event != SPIKE}
        arguments += [f"on_event={others!r}"] if others else []
        same = {d.pathway: d for d in plan.delays if not d.each}
        delays = {
            k: float(self.state.arrays[f"{plan.name}.{d.variable}"][0]) for k, d in same.items()
        }
        if delays:
            texts = ", ".join(f'"{key}": {number(value, second)}' for key, value in delays.items())
            one = [*delays] == ["pre"]
            arguments.append(f"delay={number(delays['pre'], second) if one else '{' + texts + '}'}")
        if plan.updates and self.network.precision != "float64":
            arguments.append(f"dtype={{{', '.join(f'{k!r}: np.float64' for k in plan.updates)}}}")
        lines, namespace = self._tables(plan)
        lines += [_call(name, "Synapses", [*arguments, *namespace, f'name="{plan.name}"'])]
        lines += [self._connect(plan, name), *self._values_of_synapses(plan, name)]
        for path in plan.pathways:
            if path.order != BRIANS_ORDER[path.end]:
                lines.append(f"{name}.path_{path.name}.order = {path.order}")
        for delay in (delay for delay in plan.delays if delay.each):
            key = f"{plan.name}.{delay.variable}"
            times = delay_steps(self.state.arrays[key], self.dt) * self.dt
            text = self.values.array(key, times, second)
            lines.append(f"{name}.{delay.pathway}.delay = {text}")
        lines += [*self._at_steps(plan, name), *self._at_times(plan, name)]
        return "\n".join(lines)

    def _connect(self, plan: SynapsePlan, name: str) -> str:
        pre, post = self.state.synapses[plan.name]
        sizes = [self.network.population(end).size for end in (plan.source, plan.target)]
        every = np.indices(sizes).reshape(2, -1)
        if len(pre) == every.shape[1] and np.array_equal(np.stack([pre, post]), every):
            return f"{name}.connect()"
        one = np.arange(sizes[0])
        if sizes[0] == sizes[1] and np.array_equal(pre, one) and np.array_equal(post, one):
            return f'{name}.connect(j="i")'
        i, j = (self.values.packed(f"{plan.name}.{k}", v) for k, v in (("i", pre), ("j", post)))
        return f"{name}.connect(i={i}, j={j})"

    def _values_of_synapses(self, plan: SynapsePlan, name: str) -> list[str]:
        lines = [f"{name}.{key} = {number(self.state.parameters[f'{plan.name}.{key}'], value)}"
                 for key, value in plan.parameters.items()]  # fmt: skip
        declared = Equations(plan.equations)
        for key in (*plan.constants, *plan.state):
            array = self.state.arrays.get(f"{plan.name}.{key}")
            if array is None or key not in declared or not np.any(array):
                continue
            unit = second if key.endswith(TIMES) else Quantity(1.0, dim=declared[key].dim)
            lines.append(f"{name}.{key} = {self._array(f'{plan.name}.{key}', unit)}")
        return lines

    def _at_steps(self, plan: SynapsePlan, name: str) -> list[str]:
        """Write what is carried out at synapses whatever the spikes."""
        lines = []
        first = SYNAPSES * 1000 if self.in_order else SYNAPSES
        for order, step in enumerate(plan.steps, first):
            key = f"{plan.name}_{step.name}_on_step"
            lines.append(self._run_regularly(key, name, step.code, "groups", order))
        for position, process in enumerate(plan.processes):
            for moment, start in (("onset", ONSET), ("update", UPDATE)):
                if code := getattr(process, f"on_{moment}"):
                    key, order = f"{plan.name}_{process.name}_{moment}", start + 3 * position + 2
                    lines.append(self._run_regularly(key, name, code, "start", order))
                    if sums := self._sums(plan, process, moment, name):
                        self.tellers[key] = sums
        return lines

    def _sums(self, plan: SynapsePlan, process: ProcessPlan, moment: str, name: str) -> list[str]:
        """Write the sums over synapses that statements need, as they are before them."""
        lines, target = [], python_name(plan.target)
        for each in process.sums:
            if moment not in each.when:
                continue
            weights = f"weights={name}.{each.variable}_summand[:]"
            index = f"{name}.j[:]"
            text = f"np.bincount({index}, {weights}, minlength={target}.N)"
            lines.append(f"{target}.{each.variable} = {text}")
            if each.total:
                text = f"np.bincount(np.zeros(len({name}), int), {weights})[0]"
                lines.append(f"{target}.{each.total} = {text}")
        return lines

    # -- monitors ------------------------------------------------------------------------------

    def monitors(self, record: Record, traced: Mapping[str, Any]) -> str:
        """Write monitors of all spikes, and of the events and variables that are recorded."""
        lines = [comment("Monitors")]
        for group in (group for group in self.plan.groups if group.spikes):
            name = f"{group.name}_spikes"
            self.made.append(name)
            lines.append(f'{name} = SpikeMonitor({python_name(group.name)}, name="{name}")')
        for key, variables in record.events.items():
            owner, _, event = key.partition(".")
            name = f"{owner}_{event}_events"
            self.made.append(name)
            more = f", variables={list(variables)!r}" if variables else ""
            asked = f'{python_name(owner)}, "{event}"{more}, name="{name}"'
            lines.append(f"{name} = EventMonitor({asked})")
        every = f", dt={number(float(record.every), second)}" if record.every else ""
        for key, indices in traced.items():
            owner, variable = key.split(".", 1)
            name = f"{owner}_{variable}_trace"
            self.made.append(name)
            text = self.values.array(f"{name}.record", np.asarray(indices))
            who = f"[{text}]" if "[" not in text else text
            asked = f'{python_name(owner)}, "{variable}", record={who}{every}, name="{name}"'
            lines.append(f"{name} = StateMonitor({asked})")
        lines.append(f"net = Network({', '.join(self.made)})")
        return "\n".join(lines)

    def closing(self) -> str:
        """Write what is printed at the end."""
        names = [f"{group.name}_spikes" for group in self.plan.groups if group.spikes]
        return "\n".join(f'print("{name}:", {name}.num_spikes)' for name in names)


def _call(target: str, function: str, arguments: list[str]) -> str:
    """Write a call, with an argument a line unless it is short."""
    start = f"{target} = {function}" if target else function
    line = f"{start}({', '.join(arguments)})"
    if len(line) <= 96 and "\n" not in line:
        return line
    body = "".join(f"{argument},\n" for argument in arguments)
    return f"{start}(\n{textwrap.indent(body, '    ')})"


def _without(code: str, names: set[str] | frozenset[str] = frozenset()) -> str:
    """Leave out lines on what only this package needs."""
    left = {*_BOOKKEEPING, *names}
    return "\n".join(line for line in code.splitlines() if line.split(" ", 1)[0] not in left)


def _summands(plan: SynapsePlan) -> list[str]:
    """Declare what weight processes sum."""
    sums = [each for process in plan.processes for each in process.sums]
    return [f"{each.variable}_summand = {each.expression} : 1" for each in sums]

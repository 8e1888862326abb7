"""A run cut into pieces: how long each is, what is set before it, and what is carried out in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from brian2 import Equations, Quantity

from ..experiment.settings import Setting
from ..network.equations import checks, settle
from ..network.plan import GroupPlan, NetworkPlan, SynapsePlan
from ..network.spec import NetworkSpec
from ..network.values import computed
from ..run.segment import Capacity, Segment, events
from ..run.state import State

#: A value that neurons take at the start of a slot, one for all or one each.
_TAKEN = re.compile(r"(\w+)_by_slot\(slot_index\*slot_unit(, i)?\)")

#: What draws random numbers.
_DRAWS = re.compile(r"\b(rand|randn|poisson)\(|\bxi\b|\bxi_")


@dataclass(frozen=True)
class Column:
    """What a variable is set to: a value a slot, for all neurons or for each, in SI units."""

    values: np.ndarray
    unit: Quantity

    def __post_init__(self) -> None:
        if self.values.ndim == 2 and np.all(self.values == self.values[:, :1]):
            object.__setattr__(self, "values", self.values[:, 0])

    def ids(self) -> np.ndarray:
        """Return a number for each slot, the same for equal values."""
        return np.unique(self.values, axis=0, return_inverse=True)[1].reshape(-1)


@dataclass(frozen=True)
class Piece:
    """Some steps in which nothing is set."""

    slot: int
    steps: int
    #: Statements that are carried out at its first step, which is its only one.
    active: frozenset[str]
    #: Seed that its segment begins with; None within a segment.
    seed: int | None
    #: Whether a phase begins with it.
    begins: bool
    #: Whether its slot does.
    first: bool


@dataclass
class Pieces:
    """A run in pieces."""

    dt: float
    draws: bool
    #: By the name of a group and of its variable.
    columns: dict[tuple[str, str], Column] = field(default_factory=dict)
    #: Statements that a gate switches on: whether they are on, by slot.
    gated: dict[str, np.ndarray] = field(default_factory=dict)
    #: Statements that are carried out at single steps of the run: those steps.
    single: dict[str, np.ndarray] = field(default_factory=dict)
    #: Groups whose own code for the start of a slot is carried out as it is: that code.
    on_slot: dict[str, str] = field(default_factory=dict)
    #: Variables that those groups have besides, for what they are given.
    more: dict[str, dict[str, Quantity]] = field(default_factory=dict)
    #: What periods set before their first slot, by that.
    settings: Mapping[int, Mapping[str, Setting]] = field(default_factory=dict)
    pieces: list[Piece] = field(default_factory=list)

    def cut(self, segment: Segment, seeds: Mapping[int, int]) -> None:
        """Cut a run where something is set or begins; leave together what is alike."""
        starts = segment.starts
        at = [starts[:-1], *self.single.values(), *(steps + 1 for steps in self.single.values())]
        borders = np.unique(np.concatenate(at))
        borders = np.append(borders[borders < starts[-1]], starts[-1])
        slots = np.searchsorted(starts, borders[:-1], side="right") - 1
        alike = [column.ids() for column in self.columns.values()]
        alike += [np.asarray(on, int) for on in self.gated.values()]
        ids = np.stack(alike, axis=1) if alike else np.zeros((len(segment), 0), int)
        happens = {name: set(steps.tolist()) for name, steps in self.single.items()}
        for begin, end, slot in zip(borders[:-1], borders[1:], slots.tolist(), strict=True):
            first = begin == starts[slot]
            active = frozenset(name for name, steps in happens.items() if int(begin) in steps)
            seed = seeds.get(slot) if first and self.draws else None
            begins = bool(first and segment.onset[slot])
            last = self.pieces[-1] if self.pieces else None
            quiet = not active and seed is None and last is not None and not last.active
            quiet = quiet and not (first and slot in self.settings)
            if quiet and last is not None and np.array_equal(ids[last.slot], ids[slot]):
                steps = last.steps + int(end - begin)
                self.pieces[-1] = replace(last, steps=steps)
            else:
                self.pieces.append(Piece(slot, int(end - begin), active, seed, begins, bool(first)))


def pieces_of(
    network: NetworkSpec,
    segment: Segment,
    state: State,
    seeds: Mapping[int, int],
    settings: Mapping[int, Mapping[str, Setting]],
) -> Pieces:
    """Cut a run into pieces; it is one `segment`, in which new seeds are taken at some slots."""
    plan = network.plan
    capacity = Capacity(len(segment), int(segment.starts[-1]))
    steps, values = events(network, capacity, segment)
    pieces = Pieces(float(network.dt), draws(plan), settings=settings)
    for group in plan.groups:
        unit = network.inputs.get(group.name)
        _SlotCode(group, unit, plan, state, segment, values, pieces).take()
        for activity in group.activities:
            pieces.gated[f"{group.name}_{activity.gate}"] = segment.gates[activity.gate] > 0
    for part in plan.synapses:
        for step in part.steps:
            if step.gate:
                on = segment.gates[step.gate] > 0
                pieces.gated[f"{part.name}_{step.name}_on_step"] = on
        for process in part.processes:
            for moment in ("onset", "update"):
                if getattr(process, f"on_{moment}"):
                    name = f"{process.name}_{moment}"
                    pieces.single[f"{part.name}_{name}"] = steps[name]
    pieces.cut(segment, seeds)
    return pieces


def _codes(*parts: Iterable[Any]) -> list[str]:
    """Return the code of parts of a plan."""
    return [each.code for part in parts for each in part]


def _more_codes(group: GroupPlan) -> list[str]:
    """Return the code of a group's parts, and the conditions of its events."""
    conditions = [each.condition for each in group.events]
    return _codes(group.activities, group.regular, group.events) + conditions


def codes_of(plan: NetworkPlan) -> list[str]:
    """Return all code of a network that is carried out while it runs, but for that of slots."""
    codes = []
    for group in plan.groups:
        codes += [group.equations, group.threshold, group.reset, group.refractory, group.on_step]
        codes += _more_codes(group)
    for part in plan.synapses:
        codes += [part.equations, part.on_pre, part.on_post]
        codes += _codes(part.pathways, part.steps, part.regular)
        for process in part.processes:
            codes += [process.on_onset, process.on_update]
            codes += [each.expression for each in process.sums]
    return codes


def draws(plan: NetworkPlan) -> bool:
    """Tell whether anything of a network draws random numbers while it runs."""
    return any(_DRAWS.search(code) for code in (*codes_of(plan), *(g.on_slot for g in plan.groups)))


class _SlotCode:
    """What a group does at the start of a slot, as values that are set."""

    def __init__(
        self,
        group: GroupPlan,
        unit: Quantity | None,
        plan: NetworkPlan,
        state: State,
        segment: Segment,
        values: Mapping[str, np.ndarray],
        pieces: Pieces,
    ):
        self.group, self.segment, self.values, self.pieces = group, segment, values, pieces
        self.unit, self.changing = unit, _changed(group, plan)
        self.variables = Equations(group.equations)
        own = f"{group.name}."
        names = {*group.parameters, *group.constants}
        known = {**state.parameters, **state.arrays}
        self.known: dict[str, Any] = {k: known[own + k] for k in names if own + k in known}
        self.known |= {"i": np.arange(group.size, dtype=float), "N": float(group.size)}
        self.known["dt"] = pieces.dt
        used = checks.identifiers(*codes_of(plan))
        #: Variables that something reads besides the code of slots.
        self.used = used | {name.removesuffix("_post") for name in used if name.endswith("_post")}

    def take(self) -> None:
        """Note what is set in every slot."""
        own, slots = [], dict[str, np.ndarray]()
        for name, sign, value in settle.read(self.group.on_slot) or ():
            taken = _TAKEN.fullmatch(value)
            if name == "slot_index":
                continue
            if taken and not taken[2] and sign == "=" and taken[1] == name:
                slots[name] = self.values[f"{name}_by_slot"]
                if self._is_read(name):
                    self._column(name, slots[name])
                continue
            own.append((name, sign, value))
        if own and not self._set(own, slots):
            self._carry_out(own, slots)

    def _is_read(self, name: str) -> bool:
        """Tell whether a shared variable has a use besides the code of slots."""
        lines = [line for line in self.group.equations.splitlines() if not line.startswith(name)]
        codes = ["\n".join(lines), self.group.threshold, self.group.reset, self.group.on_step]
        codes += _more_codes(self.group)
        return name in checks.identifiers(*codes) or f"{name}_post" in self.used

    def _column(self, name: str, values: np.ndarray, unit: Quantity | None = None) -> None:
        unit = Quantity(1.0, dim=self.variables[name].dim) if unit is None else unit
        self.pieces.columns[self.group.name, name] = Column(np.asarray(values, float), unit)

    def _set(self, own: list[tuple[str, str, str]], slots: Mapping[str, np.ndarray]) -> bool:
        """Compute what the code sets, if it reads nothing that changes within a slot."""
        given = {name: self.values[f"{name}_by_slot"] for *_, v in own for name, _ in _found(v)}
        known = {*self.known, *slots}
        for name, sign, value in own:
            names = checks.identifiers(_TAKEN.sub("1", value)) - checks.RESERVED
            if sign != "=" or _DRAWS.search(value) or not names <= known:
                return False
            if (
                name not in self.variables
                or name in self.changing
                or "t" in checks.identifiers(value)
            ):
                return False
            known.add(name)
        rows: dict[str, list[np.ndarray]] = {name: [] for name, *_ in own}
        for slot in range(len(self.segment)):
            here = self.known | {name: float(each[slot]) for name, each in slots.items()}
            here |= {f"{name}_here": each[slot] for name, each in given.items()}
            for name, _, value in own:
                code = _TAKEN.sub(r"\1_here", value)
                here[name] = self._computed(code, here, name)
                rows[name].append(here[name])
        for name, each in rows.items():
            self._column(name, np.stack(each))
        return True

    def _computed(self, code: str, known: Mapping[str, Any], name: str) -> np.ndarray:
        rng, where = np.random.default_rng(0), f"population '{self.group.name}': on_slot: {name}"
        return np.asarray(computed(code, known, (self.group.size,), rng, where))

    def _carry_out(self, own: list[tuple[str, str, str]], slots: Mapping) -> None:
        """Carry the code out as it is; what it is given becomes a variable of each neuron."""
        more: dict[str, Quantity] = {}
        for name in {name for *_, value in own for name, _ in _found(value)}:
            more[name] = Quantity(1.0) if self.unit is None else self.unit
            self._column(name, self.values[f"{name}_by_slot"], more[name])
        for name, each in slots.items():
            self._column(name, each)
        lines = [f"{name} {sign} {_TAKEN.sub(r'\1', value)}" for name, sign, value in own]
        key = f"{self.group.name}_on_slot"
        self.pieces.on_slot[self.group.name] = "\n".join(lines)
        self.pieces.more[self.group.name] = more
        self.pieces.single[key] = self.segment.starts[:-1]


def _changed(group: GroupPlan, plan: NetworkPlan) -> set[str]:
    """Return the variables of a group that anything but the code of slots sets."""
    names = {n for n, eq in Equations(group.equations).items() if eq.type != "parameter"}
    own = _codes(group.activities, group.regular, group.events)
    own += [group.reset, group.on_step]
    names |= {name for code in own for name, *_ in settle.read(code) or ()}
    for part in plan.synapses:
        ends = [f"_{end}" for end in ("pre", "post") if _at(part, end) == group.name]
        codes = [
            part.on_pre,
            part.on_post,
            *_codes(part.pathways, part.steps, part.regular),
        ]
        codes += [each for p in part.processes for each in (p.on_onset, p.on_update)]
        written = {name for code in codes for name, *_ in settle.read(code) or ()}
        written |= set(re.findall(r"(?m)^\s*(\w+) =.*\(summed\)", part.equations))
        names |= {name.removesuffix(end) for name in written for end in ends if name.endswith(end)}
    return names


def _at(part: SynapsePlan, end: str) -> str:
    return part.source if end == "pre" else part.target


def _found(code: str) -> list[tuple[str, str]]:
    return _TAKEN.findall(code)

"""A run as text: what is set, and calls of ``net.run``."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from brian2 import Quantity

from .script_text import WRITTEN_OUT, Values, comment, duration_text, number, python_name, with_unit
from .slot_values import Column, Piece, Pieces

#: Lines that are written one by one; what has more becomes a loop.
MOST_LINES = 60


class RunText:
    """The run of a script whose objects are there.

    `sums` are lines that come before some statements, by their name.
    """

    def __init__(
        self,
        pieces: Pieces,
        phases: np.ndarray,
        sums: Mapping[str, list[str]],
        values: Values,
    ):
        self.pieces, self.phases, self.sums, self.values = pieces, phases, sums, values
        #: What is set, by the text of where, and which values of it are different.
        self.columns = {
            f"{python_name(group)}.{name}": (f"{group}.{name}", column, column.ids())
            for (group, name), column in pieces.columns.items()
        }
        self.switched = sorted({*pieces.gated, *pieces.single})

    def text(self) -> str:
        """Write it, as a loop if it is long."""
        lines = self._one_by_one()
        if len(lines) > MOST_LINES:
            lines = self._loop()
        return "\n".join([comment("The run"), *lines])

    def _is_on(self, name: str, number_of_piece: int) -> bool:
        piece = self.pieces.pieces[number_of_piece]
        if name in self.pieces.gated:
            return bool(self.pieces.gated[name][piece.slot])
        return name in piece.active

    def _settings(self, piece: Piece) -> list[str]:
        """Write what a period sets before it begins."""
        lines = []
        for key, setting in self.pieces.settings.get(piece.slot, {}).items() if piece.first else ():
            owner, name = key.split(".", 1)
            place, unit = f"set.{piece.slot}.{key}", Quantity(1.0, dim=setting.dimensions)
            who = setting.who.numbers
            index = ""
            if who.size:
                text = ", ".join(map(str, who.tolist()))
                packed = who.size > WRITTEN_OUT
                index = f"[{self.values.packed(f'{place}.who', who)}]" if packed else f"[[{text}]]"
            value = self.values.array(place, setting.numbers, unit)
            lines.append(f"{python_name(owner)}.{name}{index} = {value}")
        return lines

    def _value(self, key: str, column: Column, slot: int, row: int) -> str:
        value = column.values[slot]
        if np.ndim(value) == 0:
            return number(value, column.unit)
        return self.values.array(f"{key}.{row}", value, column.unit)

    def _one_by_one(self) -> list[str]:
        """Write what changes before every piece; stop where that becomes too much."""
        lines: list[str] = []
        before: dict[str, object] = {}
        kept = dict(self.values.arrays)
        for place, piece in enumerate(self.pieces.pieces):
            if piece.begins:
                lines.append(f"# {self.phases[piece.slot]}")
            if piece.seed is not None:
                lines.append(f"seed({piece.seed})")
            for target, (key, column, ids) in self.columns.items():
                row = int(ids[piece.slot])
                starts_at = place == 0 and not np.any(column.values[piece.slot])
                if before.get(target) != row and not starts_at:
                    lines.append(f"{target} = {self._value(key, column, piece.slot, row)}")
                before[target] = row
            for name in self.switched:
                on = self._is_on(name, place)
                if before.get(name, True) != on:
                    lines.append(f"{python_name(name)}.active = {on}")
                before[name] = on
                lines += self.sums.get(name, []) if on else []
            lines += self._settings(piece)
            duration = duration_text(piece.steps, self.pieces.dt)
            lines.append(f"net.run({duration}, namespace={{}})")
            if len(lines) > MOST_LINES:
                self.values.arrays = kept
                break
        return lines

    def _loop(self) -> list[str]:
        """Write a loop over pieces, with a table of what is set in each."""
        pieces, slots = self.pieces.pieces, np.array([p.slot for p in self.pieces.pieces])
        before, within = list[str](), list[str]()
        for target, (key, column, ids) in self.columns.items():
            if len(set(ids[slots].tolist())) == 1:
                slot = int(slots[0])
                before.append(f"{target} = {self._value(key, column, slot, int(ids[slot]))}")
                continue
            unit = column.unit
            if column.values.ndim == 1:
                text = f"{self.values.packed(key, column.values[slots])}[k]"
            else:
                _, first = np.unique(ids, return_index=True)
                rows = self.values.packed(key, column.values[first])
                text = f"{rows}[{self.values.packed(f'{key}.row', ids[slots])}[k]]"
            within.append(f"{target} = {with_unit(text, unit)}")
        if self.pieces.draws:
            seeds = [-1 if piece.seed is None else piece.seed for piece in pieces]
            given = self.values.packed("run.seed", np.array(seeds))
            within += [f"if {given}[k] >= 0:", f"    seed(int({given}[k]))"]
        for name in self.switched:
            on = np.array([self._is_on(name, place) for place in range(len(pieces))])
            target = python_name(name)
            if on.all() or not on.any():
                before += [] if on.all() else [f"{target}.active = False"]
                before_is_on = bool(on.all())
            else:
                text = self.values.packed(f"{name}.active", on)
                within.append(f"{target}.active = bool({text}[k])")
                before_is_on = True
            if before_is_on and name in self.sums:
                within += [f"if {target}.active:", *(f"    {line}" for line in self.sums[name])]
        for place, piece in enumerate(pieces):
            if texts := self._settings(piece):
                within += [f"if k == {place}:", *(f"    {line}" for line in texts)]
        steps = self.values.packed("run.steps", np.array([piece.steps for piece in pieces]))
        within.append("net.run(int(steps)*defaultclock.dt, namespace={})")
        loop = [f"for k, steps in enumerate({steps}):", *(f"    {line}" for line in within)]
        return [*before, *loop]

"""Equation strings equation by equation: which cannot be read, why, and where each stands."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from brian2 import Equations
from brian2.core.namespace import DEFAULT_UNITS

from ...errors import Details, closest
from ...values.units import unit_name
from .diagnose import shifted, syntax, whole
from .settle import blanked


def left_side(name: str = r"\w+") -> str:
    """Return a pattern of what stands left of an equals sign: groups of a rate, and of a name."""
    return rf"(?:d\s*({name})\s*/\s*dt|({name}))"


_EQUATION = re.compile(rf"\s*(?:{left_side()}\s*(?:=(?!=)|:)|d\s*(\w+)\s*/\s*dt\s*$)")


def in_equation(details: Details, text: str, name: str) -> Details:
    """Give the place in all equations `text` of a mistake in the right side of that of `name`."""
    match = re.search(rf"(?m)^\s*{left_side(name)}\s*=\s*", blanked(text))
    if not match or not details.span:
        return replace(details, code=text, span=None)
    if blanked(text).startswith(details.code, match.end()):
        return shifted(details, text, match.end())
    piece = details.code[slice(*details.span)]  # an equation over several lines
    at = text.find(piece, match.end())
    return replace(details, code=text, span=(at, at + len(piece)) if at >= 0 else match.span())


def equations(text: str) -> tuple[Equations, list[Details]]:
    """Read an equation string equation by equation; describe each that cannot be read.

    Of these, what they declare is read as far as it can be told.
    """
    good, wrong, starts = Equations(""), list[Details](), list[int]()
    plain = blanked(text)
    for line in re.finditer(r".*\S.*", plain):
        if _EQUATION.match(line[0]) or not starts:
            starts.append(line.start())
    for start, end in zip(starts, [*starts[1:], len(plain)], strict=True):
        piece = plain[start:end]
        try:
            good += Equations(piece)
        except Exception:  # of many kinds
            details = _equation(piece)
            wrong.append(shifted(details, text, start))
            for name in details.defines[:1]:
                try:
                    good += Equations(f"{name} : {piece.rpartition(':')[2].strip()}")
                except Exception:  # its unit is what is wrong
                    continue
    return good, wrong


def _equation(piece: str) -> Details:
    """Describe what is wrong in one equation."""
    match = _EQUATION.match(piece)
    begin, end = whole(piece)
    if not match:
        expected = "'dv/dt = ... : unit', 'x = ... : unit' or 'x : unit'"
        return Details(brief="not an equation", code=piece, span=(begin, end), expected=expected)
    name = match[1] or match[2] or match[3]
    defines = (name, *re.findall(r"[A-Za-z_]\w*", piece))

    def wrong(brief: str, begin: int = begin, end: int = end, **more: Any) -> Details:
        return Details(brief=brief, code=piece, span=(begin, end), defines=defines, **more)

    left, colon, rest = piece.rpartition(":")
    if not colon:
        return wrong(
            f"the equation of '{name}' has no unit",
            max(end - 1, 0),
            expected=f"the unit of '{name}' after a colon",
            fix="end the line with the unit, such as ' : volt', or ' : 1' for none",
        )
    unit = rest.partition("(")[0]
    if details := _unit(unit.strip()):
        at = len(left) + 1 + len(rest) - len(rest.lstrip())
        return replace(details, code=piece, span=(at, at + len(unit.strip())), defines=defines)
    _, equals, value = left.partition("=")
    if not equals:
        return wrong("not an equation", fix=f"write 'd{name}/dt = ...', or '{name} : unit'")
    return replace(shifted(syntax(value), piece, len(left) - len(value)), defines=defines)


def _unit(text: str) -> Details | None:
    """Describe what is wrong with the unit at the end of an equation, if anything is."""
    try:
        Equations(f"x : {text}")
    except Exception:  # of many kinds
        for name in re.findall(r"[A-Za-z_]\w*", text):
            if name not in DEFAULT_UNITS:
                close = closest(name, {n for n, unit in DEFAULT_UNITS.items() if float(unit) == 1})
                fix = f"did you mean '{close}'?" if close else "write volt, second, amp, 1, ..."
                return Details(brief=f"unknown unit '{name}'", fix=fix, word=name, close=close)
            if float(DEFAULT_UNITS[name]) != 1:
                base, brief = unit_name(DEFAULT_UNITS[name]), f"the unit '{name}' has a prefix"
                fix = f"write {base}: equations state units without prefix"
                return Details(brief=brief, expected=base, fix=fix, word=name)
        return Details(brief=f"'{text}' is not a unit", fix="write volt, second, 1, ...")
    return None

"""Equation strings equation by equation: which cannot be read, why, and where each stands."""

from __future__ import annotations

import re
from dataclasses import replace

from brian2 import Equations
from brian2.core.namespace import DEFAULT_UNITS

from ...errors import Details, closest
from ...values.units import unit_name
from .diagnose import shifted, syntax
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
    span = (at, at + len(piece)) if at >= 0 else match.span()
    return replace(details, code=text, span=span)


def equations(text: str) -> tuple[Equations, list[Details]]:
    """Read an equation string equation by equation.

    Returns
    -------
    equations : Equations
        Those that can be read. Of the others, what they declare as far as it can be told.
    wrong : list of Details
        One for each that cannot.
    """
    good, wrong = Equations(""), []
    for start, piece in _pieces(text):
        try:
            good += Equations(blanked(piece))
        except Exception:  # of many kinds
            details = _equation(piece)
            wrong.append(shifted(details, text, start))
            for name in details.defines[:1]:
                declared = f"{name} : {piece.rpartition(':')[2].strip()}"
                try:
                    good += Equations(declared)
                except Exception:  # its unit is what is wrong
                    continue
    return good, wrong


def _pieces(text: str) -> list[tuple[int, str]]:
    """Cut an equation string where a line begins like an equation."""
    starts, at = list[int](), 0
    for line in blanked(text).splitlines(keepends=True):
        if line.strip() and (_EQUATION.match(line) or not starts):
            starts.append(at)
        at += len(line)
    return [
        (start, blanked(text[start:end]))
        for start, end in zip(starts, [*starts[1:], len(text)], strict=True)
    ]


def _equation(piece: str) -> Details:
    """Describe what is wrong in one equation."""
    match = _EQUATION.match(piece)
    begin = len(piece) - len(piece.lstrip())
    end = len(piece.rstrip())
    name = (match[1] or match[2] or match[3]) if match else ""
    used = re.findall(r"[A-Za-z_]\w*", piece)
    details = Details(code=piece, span=(begin, end), defines=(name, *used) if name else ())
    if not match:
        return replace(
            details,
            brief="not an equation",
            expected="'dv/dt = ... : unit', 'x = ... : unit' or 'x : unit'",
        )
    left, colon, unit = piece.rpartition(":")
    if not colon:
        return replace(
            details,
            brief=f"the equation of '{name}' has no unit",
            span=(max(end - 1, 0), end),
            expected=f"the unit of '{name}' after a colon",
            fix="end the line with the unit, such as ' : volt', or ' : 1' for none",
        )
    if wrong := _unit(unit.partition("(")[0]):
        at = len(left) + 1 + len(unit) - len(unit.lstrip())
        span = (at, at + len(unit.partition("(")[0].strip()))
        return replace(wrong, code=piece, span=span, defines=details.defines)
    _, equals, value = left.partition("=")
    if not equals:
        fix = f"write 'd{name}/dt = ...', or '{name} : unit'"
        return replace(details, brief="not an equation", fix=fix)
    at = len(left) - len(value)
    return replace(shifted(syntax(value), piece, at), defines=details.defines)


def _unit(text: str) -> Details | None:
    """Describe what is wrong with the unit at the end of an equation, if anything is."""
    try:
        Equations(f"x : {text.strip()}")
    except Exception:  # of many kinds
        names = re.findall(r"[A-Za-z_]\w*", text)
        for name in names:
            if name in DEFAULT_UNITS and float(DEFAULT_UNITS[name]) != 1:
                base = unit_name(DEFAULT_UNITS[name])
                brief = f"the unit '{name}' has a prefix"
                fix = f"write {base}: equations state units without prefix"
                return Details(brief=brief, expected=base, fix=fix, word=name)
        bases = {name for name, unit in DEFAULT_UNITS.items() if float(unit) == 1}
        for name in names:
            if name not in DEFAULT_UNITS:
                close = closest(name, bases)
                fix = f"did you mean '{close}'?" if close else "write volt, second, amp, 1, ..."
                return Details(brief=f"unknown unit '{name}'", fix=fix, word=name, close=close)
        return Details(brief=f"'{text.strip()}' is not a unit", fix="write volt, second, 1, ...")
    return None

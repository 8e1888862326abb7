"""The variable of synapses that becomes the weight of a projection, with its bounds and unit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from brian2 import Quantity

from ..network.equations import checks, settle
from ..values.units import unit_name
from .names import in_equations, laid_out, renamed, without
from .neurons import one_or_each
from .scope import Scope

#: The variable of synapses that becomes the weight of a projection.
WEIGHT = "w"

#: Bounds of weights that nothing bounds, over the largest there is.
_FAR = 1000.0


def weight_of(equations: Mapping) -> str:
    """Return the variable that becomes the weight; '' if there is none that can."""
    eq = equations.get(WEIGHT)
    if eq is None or eq.type != "parameter" or eq.var_type != "float" or "shared" in eq.flags:
        return ""
    return WEIGHT


def weights_of(
    synapses: Any, equations: Mapping, weight: str, scope: Scope, given: dict
) -> dict[str, Any]:
    """Return weights and their bounds; take the unit of a weight into code."""
    if not weight:
        return {"weights": 1.0}
    eq = equations[weight]
    numbers = np.asarray(synapses.variables[weight].get_value(), dtype=float)
    given["equations"] = without(given["equations"], WEIGHT)
    if (unit := unit_name(eq.dim)) != "1":
        _take_unit(given, unit)
    weights = one_or_each(numbers, Quantity(1).dim)
    codes = [given["on_pre"], given["on_post"], *(p.code for p in given["pathways"].values())]
    codes += [each.code for each in given["regular"]]
    low, high = _bounds(codes, scope)
    largest = float(np.abs(numbers).max(initial=0)) or 1.0
    if numbers.min(initial=0) >= 0 and (low is None or low >= 0):
        bounds: dict[str, Any] = {"sign": 1, "w_min": low or 0.0}
    else:
        bounds = {"sign": None, "w_min": -_FAR * largest if low is None else low}
    bounds["w_max"] = _FAR * largest if high is None else high
    outside = numbers.min() < bounds["w_min"] or numbers.max() > bounds["w_max"]
    if outside or not bounds["w_min"] < bounds["w_max"]:
        signed = numbers.min() < 0
        low = -_FAR * largest if signed else 0.0
        bounds = {"sign": None if signed else 1, "w_min": low, "w_max": _FAR * largest}
    return {"weights": weights, **bounds}


def _take_unit(given: dict, unit: str) -> None:
    """Have code read a weight that has no unit here with the unit that it had."""

    def whole(code: str) -> str:
        return renamed(code, {WEIGHT: f"({WEIGHT}*{unit})"})

    def changed(code: str) -> str:
        lines = []
        for name, sign, value in settle.read(settle.statements(code)) or ():
            value = whole(value)
            if name == WEIGHT and sign in ("=", "+=", "-="):
                value = f"({value})/{unit}"
            lines.append(f"{name} {sign} {value}")
        return "\n".join(lines)

    for label in ("on_pre", "on_post"):
        given[label] = _if_used(given[label], changed)
    for label, path in given["pathways"].items():
        code = laid_out(_if_used(path.code, changed))
        given["pathways"][label] = replace(path, code=code)
    given["regular"] = tuple(
        type(each)(
            name=each.name,
            code=_if_used(each.code, changed),
            every=each.every,
            when=each.when,
            order=each.order,
        )
        for each in given["regular"]
    )
    if WEIGHT in checks.identifiers(given["equations"]):
        given["equations"] = in_equations(given["equations"], whole)


def _if_used(code: str, change: Any) -> str:
    return change(code) if WEIGHT in checks.identifiers(code) else code


def _bounds(codes: list[str], scope: Scope) -> tuple[float | None, float | None]:
    """Return the bounds that code gives the weight, ``w = clip(..., low, high)``, if it does."""
    for code in codes:
        for name, sign, value in settle.read(settle.statements(code)) or ():
            match = re.match(r"\(?clip\((.*),\s*([\w.+-]+)\s*,\s*([\w.+-]+)\s*\)", value)
            if name == WEIGHT and sign == "=" and match:
                return _number(match[2], scope), _number(match[3], scope)
    return None, None


def _number(text: str, scope: Scope) -> float | None:
    if text in scope.parameters:
        return float(scope.parameters[text])
    try:
        return float(text)
    except ValueError:
        return None

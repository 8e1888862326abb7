"""Lines of CUDA code: small changes to what brian2cuda writes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import count

import numpy as np

from .code import Piece


def with_names(code: str, names: Mapping[str, str]) -> str:
    """Put other names in place of those that `names` has."""
    return re.sub(r"\b[A-Za-z_]\w*", lambda m: names.get(m[0], m[0]), code)


def drawn(scalar: list[str], vector: list[str]) -> tuple[list[str], list[str]]:
    """Give every call of rand() and randn() a number of its own."""
    numbers = count()

    def draw(match: re.Match) -> str:
        kind = "normal" if match[1] else "uniform"
        return f"_draws.{kind}({next(numbers)}, _vectorisation_idx)"

    call = re.compile(r"\b_rand(n?)\(_vectorisation_idx\)")
    scalar = [call.sub(draw, line) for line in scalar]
    return scalar, [call.sub(draw, line) for line in vector]


def literal(variable) -> str:
    """Write the value of a constant in C++."""
    value = variable.get_value()
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if np.isinf(value):
        return "INFINITY" if value > 0 else "-INFINITY"
    return repr(value.item() if isinstance(value, np.generic) else value)


def kept_in_registers(code: list[str]) -> tuple[list[str], list[str], list[str]]:
    """Keep what is read of a postsynaptic neuron in registers while its spikes are gone through.

    Returns what is read before, what is left, and what is written after.
    """
    read = re.compile(r"(?:const )?\w+ (\w+) = (_ptr\w+)\[_postsynaptic_idx\];$")
    write = re.compile(r"(_ptr\w+)\[_postsynaptic_idx\] = (\w+);$")
    loaded = {m[1] for line in code if (m := read.match(line))}
    load = [line for line in code if read.match(line)]
    store = [line for line in code if (m := write.match(line)) and m[2] in loaded]
    return load, [line for line in code if line not in load and line not in store], store


def indexed(code: list[str], piece: Piece) -> list[str]:
    """Put numbers of neurons in place of the arrays that hold them, which no memory has."""
    look_up = re.compile(r"\b_ptr_array_\w+__synaptic_(pre|post)\[_idx\]")
    code = [look_up.sub(r"_\1", line) for line in code]
    for pointer, variable in piece.arrays.items():
        if variable.name == "i":
            code = [re.sub(rf"\b{pointer}\[(\w+)\]", r"\1", line) for line in code]
    return code

"""Lines of CUDA code: small changes to what brian2cuda writes, and how parts are joined."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .code import Piece


@dataclass(frozen=True)
class Part:
    """The code of one object: for the words that a warp owns, between what all threads do."""

    population: str
    loop: str
    looks: bool  # at neurons that other warps own
    head: str
    before: list[str]
    inside: list[str]
    after: list[str]
    once: bool  # `before` or `after` must be carried out whatever the warp owns


def joined(parts: list[Part]) -> list[str]:
    """Join parts that need not wait for each other: population by population, in one loop each.

    This rests on what models are allowed (`brainsleep.network.models`): but for statements at
    spikes, code reads and writes what belongs to one population or to the synapses onto it.
    """
    lines: list[str] = []
    for population in dict.fromkeys(part.population for part in parts):
        together: list[str] = []
        loop = ""
        for part in (p for p in parts if p.population == population):
            loop = part.loop
            if not part.once:
                together += [part.head, *part.before, *part.inside, "}"]
                continue
            lines += [loop, *together, "}"] if together else []
            together = []
            inside = [loop, *part.inside, "}"] if part.inside else []
            lines += [part.head, *part.before, *inside, *part.after, "}"]
        lines += [loop, *together, "}"] if together else []
    return lines


def with_names(code: str, names: Mapping[str, str]) -> str:
    """Put other names in place of those that `names` has."""
    return re.sub(r"\b[A-Za-z_]\w*", lambda m: names.get(m[0], m[0]), code)


def drawn(scalar: list[str], vector: list[str]) -> tuple[list[str], list[str]]:
    """Give every call of rand() and randn() a number of its own."""
    number = -1

    def replace(match: re.Match) -> str:
        nonlocal number
        number += 1
        kind = "normal" if match[1] else "uniform"
        return f"_draws.{kind}({number}, _vectorisation_idx)"

    call = re.compile(r"\b_rand(n?)\(_vectorisation_idx\)")
    return [call.sub(replace, line) for line in scalar], [
        call.sub(replace, line) for line in vector
    ]


def literal(variable) -> str:
    """Write the value of a constant in C++."""
    value = variable.get_value()
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if np.isinf(value):
        return "INFINITY" if value > 0 else "-INFINITY"
    return repr(value.item() if isinstance(value, np.generic) else value)


def held(code: list[str]) -> tuple[list[str], list[str], list[str]]:
    """Keep what is known of the postsynaptic neuron in registers while its spikes are gone through.

    Returns
    -------
    load, code, store : list of str
        What is read before, what is left, and what is written after.
    """
    read = re.compile(r"(?:const )?\w+ (\w+) = (_ptr\w+)\[_postsynaptic_idx\];$")
    write = re.compile(r"(_ptr\w+)\[_postsynaptic_idx\] = (\w+);$")
    loaded = {m[1] for line in code if (m := read.match(line))}
    load = [line for line in code if read.match(line)]
    store = [line for line in code if (m := write.match(line)) and m[2] in loaded]
    return load, [line for line in code if line not in load and line not in store], store


def indexed(code: list[str], piece: Piece) -> list[str]:
    """Put the numbers of neurons in place of the array that holds them, which no memory has."""
    for pointer, variable in piece.arrays.items():
        if variable.name == "i":
            look_up = re.compile(rf"\b{pointer}\[(\w+)\]")
            code = [look_up.sub(r"\1", line) for line in code]
    return code


def ends(code: list[str], pre: str) -> list[str]:
    """Put the neurons at the ends of a synapse in place of the arrays that hold them."""
    for end, value in (("pre", pre), ("post", "_post")):
        look_up = re.compile(rf"\b_ptr_array_\w+__synaptic_{end}\[_idx\]")
        code = [look_up.sub(value, line) for line in code]
    return code

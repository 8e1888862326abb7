"""C++ loops over synapses: which can be shared out, and which can be done later, and how.

What postsynaptic spikes do at synapses is put off in large networks, see ``templates/later.h``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any, NamedTuple

from brian2.core.variables import ArrayVariable

#: An element of an array, in C++: the array, and its index.
_ELEMENT = re.compile(r"\b(_(?:ptr|array|dynamic)_\w+)\[(\w+)\]")


def shareable(scalar: list[str], lines: list[str]) -> bool:
    """Tell whether a loop can be done in parts, by synapse and far end, with the same results.

    Each element that is written must be of one synapse, or of the neuron at one end by which the
    parts are made; nobody else may read it; and nothing may be drawn within the loop.
    """
    code = [*scalar, *lines]
    if any(re.search(r"\b_(randn?|poisson)\(", line) for line in code):
        return False
    written = dict[str, str]()
    for line in code:
        stored = re.match(r"\s*" + _ELEMENT.pattern + r"\s*[-+*/]?=[^=]", line)
        if stored and written.setdefault(stored[1], stored[2]) != stored[2]:
            return False
    if not set(written.values()) <= {"_idx", "_postsynaptic_idx"}:
        return False
    elements = (found for line in code for found in _ELEMENT.finditer(line))
    return all(written.get(each[1], each[2]) == each[2] for each in elements)


def reads_own_part(
    variables: Mapping[str, Any], name_of: Callable[[Any], str], owners: list[Any], lines: list[str]
) -> bool:
    """Tell whether a loop that is `shareable` reads nothing that another of its parts may write.

    It then has to do with elements of its `owners` alone, with those of its own part. Other loops
    over the same parts may come before and after it, and no part need wait for another in between.
    """
    names = {owner.name for owner in owners}
    arrays = (v for v in variables.values() if isinstance(v, ArrayVariable) and not v.scalar)
    others = {name_of(array) for array in arrays if array.owner.name not in names}
    elements = [each.groups() for line in lines for each in _ELEMENT.finditer(line)]
    own = {"0", "_idx", "_postsynaptic_idx"}
    return all(array not in others and index in own for array, index in elements)


class OfRow(NamedTuple):
    """An expression that is the same for all synapses of a presynaptic neuron in a step.

    Attributes
    ----------
    fixed, moving : list of (str, str)
        What it is computed of, types and names in C++: what a neuron keeps from one step to the
        next, and what is another number in every step.
    code : str
        The expression in C++.
    """

    fixed: list[tuple[str, str]]
    moving: list[tuple[str, str]]
    code: str

    @property
    def names(self) -> list[str]:
        """Names of what it is computed of, in the order of its arguments."""
        return [name for _, name in (*self.fixed, *self.moving)]

    @property
    def type(self) -> str:
        """Its type in C++."""
        kinds = [kind for kind, _ in (*self.fixed, *self.moving)]
        return next((real for real in ("double", "float") if real in kinds), kinds[0])


class Later(NamedTuple):
    """A loop over synapses that is done later: what of this step it needs then, and its code.

    Attributes
    ----------
    fields : list of (str, str)
        Numbers that are the same for all: their types and names in C++.
    moving : list of (str, str)
        Those that are others in every step: the time, and what is computed from it.
    past : list of (str, str)
        Arrays of the presynaptic neurons, and their types.
    rows : list of (str, str, str)
        Variables of synapses that are the same for all of a presynaptic neuron: types, names, and
        arrays.
    of_row : list of OfRow
        What is computed of those and `moving`.
    now, code : list of str
        The loop, and the one that is done later. This finds `past` in ``_past_0[_place]`` and so
        on, and `of_row` in ``_row_0[_place]``, where the first calls ``_of_row_0(...)``.
    """

    fields: list[tuple[str, str]]
    moving: list[tuple[str, str]]
    past: list[tuple[str, str]]
    rows: list[tuple[str, str, str]]
    of_row: list[OfRow]
    now: list[str]
    code: list[str]

    @property
    def tables(self) -> list[str]:
        """Names in the code that is done later of what was in each pass."""
        past = [f"_past_{place}" for place in range(len(self.past))]
        return past + [f"_row_{place}" for place in range(len(self.of_row))]


#: What code that can be done later may call.
_SAME_ANYWHERE = {"if", "exp", "_clip"}
#: What is another number in every step, as code calls it.
_TIMES = ("t", "t_in_timesteps")


def to_be_done_later(
    scalar: list[str], lines: list[str], alike: Container[str] = ()
) -> Later | None:
    """Return how to do later what spikes of postsynaptic neurons do, or None if it is more.

    It may change variables of the synapse, and use those of the presynaptic neuron. It may call
    nothing that gives other bits in a loop that is vectorised: its `exp` is to be `scalar_exp`.
    `alike` are arrays that are the same for all synapses of a presynaptic neuron.
    """
    declared = [
        re.fullmatch(r"\s*const (\w+) (\w+) = (.*);", line) for line in scalar if line.strip()
    ]
    if not all(declared) or not shareable(scalar, lines):
        return None
    fields, moving = list[tuple[str, str]](), list[tuple[str, str]]()
    for kind, name, value in (each.groups() for each in declared if each):
        used = {*re.findall(r"\w+", value)}
        moves = name in _TIMES or not used.isdisjoint(moved for _, moved in moving)
        (moving if moves else fields).append((kind, name))
    past, rows, code = dict[str, str](), list[tuple[str, str, str]](), []
    for line in lines:
        called = {*re.findall(r"\b([A-Za-z_]\w*)\(", line)}
        if "_postsynaptic_idx" in line or not called <= _SAME_ANYWHERE:
            return None
        if re.match(r"\s*const int32_t _presynaptic_idx =", line):
            continue
        if found := re.fullmatch(r"(\s*const (\w+) \w+ = )(\w+)\[_presynaptic_idx\];", line):
            past.setdefault(found[3], found[2])
            line = f"{found[1]}_past_{list(past).index(found[3])}[_place];"
        if "_presynaptic_idx" in line:
            return None
        found = re.fullmatch(r"\s*const (\w+) (\w+) = (\w+)\[_idx\];", line)
        if found and found[3] in alike:
            rows.append((found[1], found[2], found[3]))
        else:
            code.append(line)
    types = {name: kind for kind, name in [*fields, *moving]} | {n: k for k, n, _ in rows}
    names = {name for _, name, _ in rows}
    of_row, now, late = _by_row(lines, code, types, names, {name for _, name in moving})
    return Later(fields, moving, [*past.items()], rows, of_row, scalar_exp(now), late)


def _by_row(
    lines: list[str], code: list[str], types: Mapping[str, str], rows: set[str], moving: set[str]
) -> tuple[list[OfRow], list[str], list[str]]:
    """Take out of loops what is computed of variables that are `rows`, and these themselves.

    Returns what it is, the loop of now with calls of it, and that of later with looks at it.
    """
    found = dict[str, OfRow]()
    for line in code:
        for text in _in_brackets(line):
            used = {*re.findall(r"\b[A-Za-z_]\w*", text)} - {"exp"}
            whole = not any(text in other for other in found)
            if whole and "exp(" in text and used & rows and used <= {*types}:
                fixed, moved = (
                    [(types[name], name) for name in sorted(names)]
                    for names in (used - moving, used & moving)
                )
                found[text] = OfRow(fixed, moved, text)
    now, late = "\n".join(lines), "\n".join(code)
    for place, (text, each) in enumerate(found.items()):
        call = ", ".join(each.names)
        now = now.replace(text, f"_of_row_{place}({call})")
        late = late.replace(text, f"_row_{place}[_place]")
    values = []
    for name in sorted(rows & {*re.findall(r"\w+", late)}):
        values.append(f"const {types[name]} {name} = _row_{len(found)}[_place];")
        found[name] = OfRow([(types[name], name)], [], name)
    return [*found.values()], now.split("\n"), scalar_exp([*values, *late.split("\n")])


def _in_brackets(line: str) -> Iterator[str]:
    """Yield what stands in brackets, with them, the outer before the inner; not arguments."""
    for opening in re.finditer(r"(?<!\w)\(", line):
        depth = 0
        for place in range(opening.start(), len(line)):
            depth += (line[place] == "(") - (line[place] == ")")
            if depth == 0:
                yield line[opening.start() : place + 1]
                break


def arrays_of_synapses(lines: list[str]) -> list[str]:
    """Return the arrays of which a loop reads or writes the element of a synapse."""
    elements = (found for line in lines for found in _ELEMENT.finditer(line))
    return sorted({each[1] for each in elements if each[2] == "_idx"})


def kept_by_row(path: Any, name_of: Callable[[Any], str]) -> dict[str, str]:
    """Return where variables are kept that are the same for all synapses of a presynaptic neuron.

    By the arrays of all synapses, as code of a pathway names them.
    """
    synapses = path.synapses
    return {
        name_of(synapses.variables[name]): f"{synapses.name}_kept_{name}"
        for name in getattr(path, "_alike", ())
    }


def by_row(lines: list[str], arrays: Mapping[str, str]) -> list[str]:
    """Read variables that are the same for all synapses of a neuron where they are kept."""
    for array, kept in arrays.items():
        lines = [line.replace(f"{array}[_idx]", f"{kept}[_of]") for line in lines]
    return lines


def scalar_exp(lines: list[str]) -> list[str]:
    """Let code call the `exp` of one number at a time, whose bits do not depend on the loop."""
    return [re.sub(r"\bexp\(", "brainsleep::scalar_exp(", line) for line in lines]


def put_off_at(owner: Any) -> str:
    """Return the name of the synapses that code reads, where effects of spikes are put off."""
    synapses = owner if hasattr(owner, "_pathways") else getattr(owner, "source", None)
    late = any(hasattr(path, "_late") for path in getattr(synapses, "_pathways", ()))
    return synapses.name if synapses is not None and late else ""

"""Numbers, arrays and code as text of a plain Brian2 script."""

from __future__ import annotations

import base64
import io
import keyword
import re
import textwrap

import brian2
import numpy as np
from brian2 import Quantity, get_dimensions
from brian2.core.namespace import DEFAULT_UNITS
from brian2.units.fundamentalunits import DIMENSIONLESS

from ..network.equations import settle
from ..network.functions import OwnFunction
from ..values.units import as_code, unit_name

#: Arrays of at most so many different numbers are written out.
WRITTEN_OUT = 8

#: Names that a script uses itself.
_OWN = {*DEFAULT_UNITS, "np", "net", "VALUES", "steps", "step", "seed", "prefs", "defaultclock"}

#: A statement that changes a variable by what it is.
_IN_PLACE = re.compile(r"(\w+) ([-+*/])= (.*)")


def comment(text: str) -> str:
    """Write a heading."""
    return f"# {text} ".ljust(80, "-")


def python_name(name: str) -> str:
    """Return the Python variable for an object of a name."""
    taken = name in _OWN or keyword.iskeyword(name) or hasattr(brian2.core.network, name)
    classes = isinstance(getattr(brian2, name, None), type)
    return f"{name}_" if taken or classes else name


def number(value: float, unit: object) -> str:
    """Write a number in SI units with its unit, so that not a bit is lost."""
    value = float(value)
    if get_dimensions(unit) is DIMENSIONLESS:
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    short = as_code(Quantity(value, dim=get_dimensions(unit)))
    size, _, name = short.partition("*")
    scale = float(DEFAULT_UNITS[name]) if name in DEFAULT_UNITS else 1.0
    return short if float(size) * scale == value else f"{value!r}*{unit_name(unit)}"


def with_unit(text: str, unit: object) -> str:
    """Give an array of SI units its unit."""
    return text if get_dimensions(unit) is DIMENSIONLESS else f"{text}*{_factor(unit)}"


def _factor(unit: object) -> str:
    name = unit_name(unit)
    return f"({name})" if "*" in name or "/" in name else name


def duration_text(steps: int, dt: float) -> str:
    """Write a number of time steps as a time."""
    for name, scale in (("second", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        short = f"{steps * dt / scale:.10g}"
        whole = "." not in short and "e" not in short
        if (whole or name == "us") and round(float(short) * scale / dt) == steps:
            return f"{short}*{name}"
    return f"{steps * dt!r}*second"


def block(code: str) -> str:
    """Write code as a string, over several lines if it has them.

    In NumPy code ``old = x`` makes `old` another name of `x`, which ``x += 1`` changes, too; so
    that is written as ``x = x + 1`` where it matters.
    """
    lines = code.splitlines()
    copied = {value for _, sign, value in settle.read(code) or () if sign == "="}
    for place, line in enumerate(lines):
        found = _IN_PLACE.fullmatch(line)
        if found and found[1] in copied and not found[1].endswith(("_pre", "_post")):
            lines[place] = f"{found[1]} = {found[1]} {found[2]} ({found[3]})"
    if len(lines) == 1:
        return '"' + lines[0].replace('"', "'") + '"'
    return '"""\n' + textwrap.indent("\n".join(lines), "    ") + '\n"""'


def function_text(name: str, key: str, function: OwnFunction) -> list[str]:
    """Write a function that equations call `key`; the script calls it by another `name`."""
    units = ", ".join(unit_name(each) for each in function.arguments)
    given = f"{key}, arg_units=[{units}], return_unit={unit_name(function.unit)}"
    lines = ["", *function.python.splitlines(), "", f"{name} = Function({given})"]
    for label in ("cpp", "cython"):
        if code := getattr(function, label):
            quoted = code.replace("\\", "\\\\").replace('"""', "'''")
            added = f'{name}.implementations.add_implementation("{label}", """'
            lines += [added, *quoted.splitlines(), '""")']
    return [*lines, ""]


class Values:
    """Arrays of a script: short ones are written out, others packed into text."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}

    def text(self) -> str:
        """Write the packed arrays, as the text of an npz file."""
        if not self.arrays:
            return ""
        packed = io.BytesIO()
        np.savez_compressed(packed, allow_pickle=False, **self.arrays)
        lines = textwrap.fill(base64.b64encode(packed.getvalue()).decode(), 100)
        names = textwrap.fill(", ".join(self.arrays), 94, subsequent_indent="# ")
        return "\n".join(
            [
                comment("Values and wiring"),
                f"# {names}",
                "import base64\nimport io\n",
                f'VALUES = dict(np.load(io.BytesIO(base64.b64decode("""\n{lines}\n"""))))',
            ]
        )

    def packed(self, name: str, array: np.ndarray) -> str:
        """Pack an array, and write what it is called."""
        if array.dtype.kind in "iu":
            small = np.min_scalar_type(int(np.abs(array).max(initial=0)) * 2 + 1)
            array = array.astype(np.dtype(f"i{small.itemsize}"))
        self.arrays[name] = array
        return f'VALUES["{name}"]'

    def array(self, name: str, array: np.ndarray, unit: object = 1) -> str:
        """Write an array: one number for all, a few, or packed."""
        array = np.asarray(array)
        if array.size and np.all(array == array.flat[0]):
            return number(array.flat[0], unit)
        if array.size <= WRITTEN_OUT:
            numbers = ", ".join(number(value, 1) for value in array.tolist())
            return with_unit(f"[{numbers}]", unit)
        return with_unit(self.packed(name, array), unit)

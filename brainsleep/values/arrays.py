"""Arrays in specifications: immutable, equal by content, and plain data that JSON holds exactly."""

import base64
import binascii
import hashlib
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from brian2 import DimensionMismatchError, Quantity, get_dimensions
from brian2.units.fundamentalunits import DIMENSIONLESS, Dimension

from ..errors import BrainsleepError, SpecError, explain
from .units import read_unit, unit_name

#: Letters of base64 that plain data keep of an array where others can be kept beside them.
_LONGEST = 4096

#: Types that the numbers of an array may have.
_TYPES = ("float64", "int32")


@dataclass(frozen=True)
class Array:
    """Numbers with one unit, in a row or in rows.

    Lists, NumPy's arrays and Brian2's quantities become one wherever a specification takes them.

    Parameters
    ----------
    unit : str
        SI unit of the numbers, ``"1"`` for none.
    shape : tuple of int
        How many there are.
    dtype : {"float64", "int32"}
        Their type.
    data : str
        Their bytes, the lowest of each number first, as base64.
    """

    unit: str
    shape: tuple[int, ...]
    dtype: str
    data: str = field(repr=False)
    sha256: str = field(default="", init=False)

    __place__ = "array: "

    def __post_init__(self):
        where = self.__place__.rstrip(": ")
        if self.dtype not in _TYPES:
            raise SpecError(explain(f"{where}: dtype", repr(self.dtype), " or ".join(_TYPES)))
        try:
            content = base64.b64decode(self.data, validate=True)
        except (binascii.Error, ValueError, TypeError):
            raise SpecError(f"{where}: data are no base64") from None
        size = math.prod(self.shape) * np.dtype(self.dtype).itemsize
        if len(self.shape) not in (1, 2) or len(content) != size:
            got = f"{len(content)} bytes for shape {self.shape}"
            raise SpecError(explain(where, got, f"a row or rows, {size} bytes of {self.dtype}"))
        if not np.isfinite(self.numbers).all():
            raise SpecError(explain(where, "numbers that are not finite", "finite numbers"))
        head = f"{self.unit} {self.dtype} {self.shape}\n".encode()
        object.__setattr__(self, "sha256", hashlib.sha256(head + content).hexdigest())

    @classmethod
    def of(
        cls,
        values: Any,
        where: str,
        error: type[BrainsleepError] = SpecError,
        dtype: str = "float64",
        axes: tuple[int, ...] = (1,),
    ) -> "Array":
        """Take numbers, or quantities of one unit, in a row; raise `error` if they are none.

        With 2 among `axes` there may be rows of them.
        """
        given = None
        with suppress(TypeError, ValueError, DimensionMismatchError):
            given = Quantity(values) if dtype == "float64" else np.asarray(values)
        allowed = "finite numbers in a row, all of one unit"
        if given is None or np.asarray(given).dtype.kind not in "biuf":
            raise error(explain(where, f"a {type(values).__name__}", allowed))
        numbers = np.asarray(given)
        if numbers.ndim not in axes:
            raise error(explain(where, f"an array of shape {numbers.shape}", allowed))
        if not np.isfinite(numbers).all():
            bad = int(np.sum(~np.isfinite(numbers)))
            got = f"{bad} of {numbers.size} numbers that are not finite"
            raise error(explain(where, got, allowed))
        content = np.ascontiguousarray(numbers, np.dtype(dtype).newbyteorder("<")).tobytes()
        data = base64.b64encode(content).decode()
        return cls(unit_name(get_dimensions(given)), numbers.shape, dtype, data)

    def __len__(self) -> int:
        return self.shape[0]

    def __str__(self) -> str:
        number = self.numbers.size
        if not number:
            return "no values"
        ends = [self.numbers.min(), self.numbers.max()]
        if self.dim is DIMENSIONLESS:
            return f"{number} values, {ends[0]:.4g} to {ends[1]:.4g}"
        unit = Quantity(ends, dim=self.dim).get_best_unit()
        low, high = (f"{end / float(unit):.4g} {unit}" for end in ends)
        return f"{number} values, {low} to {high}"

    @cached_property
    def numbers(self) -> np.ndarray:
        """Its numbers in SI units, which cannot be written to."""
        content = np.frombuffer(base64.b64decode(self.data), np.dtype(self.dtype).newbyteorder("<"))
        numbers = content.reshape(self.shape).astype(self.dtype, copy=False)
        numbers.flags.writeable = False
        return numbers

    @property
    def dim(self) -> Dimension:
        """Dimensions of its unit."""
        unit = read_unit(self.unit) if self.unit != "1" else None
        return DIMENSIONLESS if unit is None else get_dimensions(unit)

    @staticmethod
    def deciding(described: Mapping[str, Any]) -> dict[str, Any]:
        """Leave what tells one array from another of a description as plain data."""
        return {name: described[name] for name in ("kind", "unit", "shape", "sha256")}


def without_data(described: Any) -> tuple[Any, dict[str, np.ndarray]]:
    """Take the data of long arrays out of plain data; return what is left, and these by SHA-256."""
    apart: dict[str, np.ndarray] = {}

    def left(value: Any) -> Any:
        if isinstance(value, list):
            return [left(part) for part in value]
        if not isinstance(value, Mapping):
            return value
        if value.get("kind") != "Array" or len(value.get("data", "")) <= _LONGEST:
            return {name: left(part) for name, part in value.items()}
        content = np.frombuffer(base64.b64decode(value["data"]), _in_files(value["dtype"]))
        apart[value["sha256"]] = content.reshape(value["shape"])
        return {name: part for name, part in value.items() if name != "data"}

    return left(described), apart


def with_data(described: Any, apart: Mapping[str, np.ndarray]) -> Any:
    """Put the data of arrays back: the inverse of `without_data`; `KeyError` if one is missing."""
    if isinstance(described, list):
        return [with_data(part, apart) for part in described]
    if not isinstance(described, Mapping):
        return described
    if described.get("kind") != "Array" or "data" in described:
        return {name: with_data(part, apart) for name, part in described.items()}
    numbers = np.ascontiguousarray(apart[described["sha256"]], _in_files(described["dtype"]))
    return {**described, "data": base64.b64encode(numbers.tobytes()).decode()}


def _in_files(dtype: str) -> np.dtype:
    return np.dtype(dtype).newbyteorder("<")


def in_words(described: Mapping[str, Any]) -> str:
    """Name an array of its description as plain data, or of what `Array.deciding` leaves of it."""
    unit = "" if described["unit"] == "1" else f" in {described['unit']}"
    return f"{math.prod(described['shape'])} values{unit}, SHA-256 {described['sha256'][:12]}"

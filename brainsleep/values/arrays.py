"""Arrays as values of specifications: frozen, compared by content, exact as plain data."""

from __future__ import annotations

import base64
import hashlib
import math
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from brian2 import Quantity, get_dimensions

from ..errors import BrainsleepError, Details, SpecError, explain
from .fields import Check
from .units import read_unit, unit_name

#: Most values of an array.
MOST_VALUES = 50_000_000

#: Types of numbers that are kept.
_TYPES = ("float64", "int64")


@dataclass(frozen=True, eq=False, repr=False)
class Array:
    """Finite numbers with a unit; `Array.of` makes one.

    Parameters
    ----------
    unit : str
        SI unit of the values.
    dtype : {"float64", "int64"}
        Their type.
    shape : tuple of int
        How many there are along each axis.
    content : str
        The values, compressed, as text.
    """

    unit: str
    dtype: str
    shape: tuple[int, ...]
    content: str

    def __post_init__(self):
        _ = self.values  # which checks what it is made of

    @classmethod
    def of(cls, values: Any, *, whole: bool = False) -> Array:
        """Keep an array, or a sequence of numbers or quantities; `whole` numbers as such.

        Raises
        ------
        SpecError
            If it has anything but finite numbers of one unit, or too many.
        """
        if isinstance(values, Array):
            return values
        try:
            quantity = Quantity(values)
            given = np.asarray(quantity)
            kept = given.astype(np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            raise SpecError(str(error)) from error
        if given.dtype.kind not in "iuf" or not np.all(np.isfinite(kept)):
            raise SpecError("not all of it are finite numbers")
        if whole:
            if np.any(kept != np.rint(kept)):
                raise SpecError("not all of it are whole numbers")
            kept = kept.astype(np.int64)
        if kept.size > MOST_VALUES:
            raise SpecError(f"it has {kept.size} values, more than {MOST_VALUES}")
        kept = kept.astype(kept.dtype.newbyteorder("<"))
        content = base64.b64encode(zlib.compress(kept.tobytes(), 6)).decode()
        dtype = "int64" if whole else "float64"
        return cls(unit_name(get_dimensions(quantity)), dtype, kept.shape, content)

    @cached_property
    def values(self) -> np.ndarray:
        """The numbers in SI units; not to be changed."""
        try:
            size = math.prod(self.shape)
            if self.dtype not in _TYPES or not 0 <= size <= MOST_VALUES:
                raise ValueError(f"{self.dtype}, {size} values")
            unpack = zlib.decompressobj()
            raw = unpack.decompress(base64.b64decode(self.content, validate=True), 8 * size + 1)
            kind = np.dtype(self.dtype).newbyteorder("<")
            values = np.frombuffer(raw, kind).reshape(self.shape).astype(self.dtype)
        except (ValueError, TypeError, zlib.error) as error:
            raise SpecError(explain("array", f"what is none ({error})", "an array")) from error
        values.flags.writeable = False
        return values

    @property
    def dimensions(self) -> Any:
        """Physical dimensions of the values."""
        return get_dimensions(Quantity(1.0) if self.unit == "1" else read_unit(self.unit))

    @cached_property
    def sha256(self) -> str:
        """Hash of the values."""
        return _digest(self.dtype, self.values)

    @staticmethod
    def deciding(described: dict[str, Any]) -> dict[str, Any]:
        """Leave of an array that is plain data what its content is, as a hash."""
        names = ("unit", "dtype", "shape", "content")
        unit, dtype, shape, content = (described[name] for name in names)
        array = Array(unit, dtype, tuple(shape), content)
        kept = {name: each for name, each in described.items() if name != "content"}
        return kept | {"sha256": array.sha256}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Array):
            return NotImplemented
        same = (self.unit, self.dtype, self.shape) == (other.unit, other.dtype, other.shape)
        return same and self.sha256 == other.sha256

    def __hash__(self) -> int:
        return hash((self.unit, self.shape, self.sha256))

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"Array({describe_array(self.unit, self.shape)})"


def describe_array(unit: str, shape: Any) -> str:
    """Say how many values an array has, and in which unit."""
    size = " × ".join(map(str, shape)) or "1"
    return f"{size} values" + ("" if unit == "1" else f" in {unit}")


def _digest(dtype: str, values: np.ndarray) -> str:
    raw = np.ascontiguousarray(values, np.dtype(dtype).newbyteorder("<")).tobytes()
    return hashlib.sha256(raw).hexdigest()


def array(*axes: int, unit: Any = None, whole: bool = False, allowed: str) -> Check:
    """Take arrays with some number of axes, and keep them as `Array`; of a `unit`, if one is given.

    `allowed` says what they are.
    """

    def check(value: Any, where: str, error: type[BrainsleepError]) -> Array:
        details = Details(word=where.split()[-1].rpartition(".")[2])
        try:
            made = Array.of(value, whole=whole)
        except SpecError as reason:
            got = f"{str(value)[:60]} ({reason})"
            raise error(explain(where, got, allowed), details) from reason
        right = unit is None or made.dimensions is get_dimensions(unit)
        if len(made.shape) not in axes or not right:
            raise error(explain(where, describe_array(made.unit, made.shape), allowed), details)
        return made

    return check

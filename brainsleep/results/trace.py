"""Traces and single spikes in a stored run, read from disk where they are looked at."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from brian2 import Quantity, second

from ..errors import DataError, MissingExtraError, StoreError, nearest
from ..files.atomic import file_hash
from ..values.units import read_unit

if TYPE_CHECKING:
    import pandas

    from .result import Result


@dataclass(frozen=True, eq=False)
class Spikes:
    """Single spikes of a population, in the order of time: ``times, neurons = spikes``.

    What is on disk is read where it is looked at: of a long run, take ``spikes.between(...)``.
    """

    #: Time steps of the run, shape (n_spikes,).
    steps: np.ndarray
    #: Who spiked, shape (n_spikes,), not to be changed.
    neurons: np.ndarray
    #: Time step.
    dt: Quantity

    @property
    def times(self) -> Quantity:
        """Times in the run, shape (n_spikes,)."""
        return np.asarray(self.steps) * float(self.dt) * second

    def between(self, start: Quantity, stop: Quantity) -> Spikes:
        """Return the spikes from a time until another (exclusive)."""
        edges = [math.ceil(float(time) / float(self.dt) - 1e-6) for time in (start, stop)]
        first, last = (bisect_left(self.steps, edge) for edge in edges)
        return replace(self, steps=self.steps[first:last], neurons=self.neurons[first:last])

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Any]:
        return iter((self.times, self.neurons))


@dataclass(frozen=True, eq=False)
class Trace:
    """A variable over time.

    Values are read from disk where they are looked at: ``trace.values[:1000]`` reads no more.
    """

    #: Name of the variable, such as ``"e.v"``.
    name: str
    #: Times in the run, shape (n_times,).
    times: Quantity
    #: Values, shape (n_times, n_recorded), not to be changed.
    values: Quantity
    #: Unit of `values` as plain numbers, an SI unit as text.
    unit: str
    #: Numbers of neurons, or of synapses, shape (n_recorded,).
    indices: np.ndarray
    #: Pre- and postsynaptic neuron of synapses, shape (n_recorded, 2); None of neurons.
    pairs: np.ndarray | None = None

    def between(self, start: Quantity, stop: Quantity) -> Trace:
        """Return the part from a time until another (exclusive)."""
        first, last = np.searchsorted(np.asarray(self.times), [float(start), float(stop)])
        return replace(self, times=self.times[first:last], values=self.values[first:last])

    def unit_for(self, values: np.ndarray) -> tuple[float, str]:
        """Return the unit that suits values of this variable, which are in SI: size and name."""
        if self.unit == "1":
            return 1.0, "dimensionless"
        largest = np.nanmax(np.abs(values), initial=0.0)
        best = Quantity(largest, dim=self.values.dim).get_best_unit()
        return float(best), str(best)

    def to_pandas(self) -> pandas.DataFrame:
        """Return a table in SI units: a row a time (``time_s``), a column a neuron or synapse."""
        import pandas

        columns: Any = pandas.Index(self.indices, name=self._of)
        if self.pairs is not None:
            columns = pandas.MultiIndex.from_arrays(self.pairs.T, names=["pre", "post"])
        index = pandas.Index(np.asarray(self.times), name="time_s")
        return pandas.DataFrame(np.array(self.values), index=index, columns=columns)

    def to_xarray(self) -> Any:
        """Return an `xarray.DataArray` in SI units, with coordinates ``time_s`` and who it is of.

        Raises
        ------
        MissingExtraError
            If xarray is not installed.
        """
        try:
            xarray = import_module("xarray")
        except ImportError as error:
            raise MissingExtraError(
                f"to_xarray: needs xarray: pip install xarray ({error})"
            ) from error
        coordinates: dict[str, Any] = {"time_s": np.asarray(self.times), self._of: self.indices}
        if self.pairs is not None:
            coordinates |= {
                k: (self._of, v) for k, v in zip(("pre", "post"), self.pairs.T, strict=True)
            }
        return xarray.DataArray(
            np.asarray(self.values),
            dims=("time_s", self._of),
            coords=coordinates,
            name=self.name,
            attrs={"units": self.unit},
        )

    @property
    def _of(self) -> str:
        return "neuron" if self.pairs is None else "synapse"


def trace_of(result: Result, name: str) -> Trace:
    """Return the trace of a variable of a result, see `Result.states`."""
    if name not in result.traced:
        there = nearest(name, result.traced) if result.traced else "the run recorded none"
        fix = f'set record.states to {{"{name}": "all"}} and run it again'
        raise DataError(f"no trace of '{name}'; {there}; {fix}")
    unit = str(result.info["traces"][name]["unit"])
    size = Quantity(1.0) if unit == "1" else read_unit(unit)
    if size is None:
        raise StoreError(f"result {result.path}: trace {name} is in '{unit}', which is no unit")
    arrays, owner = result.arrays, name.partition(".")[0]
    indices, pairs = arrays[f"traced/{name}"], arrays.get(f"synapses/{owner}")
    steps, values = np.empty(0, np.int64), np.empty((0, len(indices)))
    if result.info.get("traces_sha256"):
        steps, values = stored_file(result, "traces", "steps"), stored_file(result, "traces", name)
    if steps.ndim != 1 or values.shape != (len(steps), len(indices)):
        raise StoreError(f"result {result.path}: trace {name} does not hold what a run stores")
    times = np.array(steps) * float(result.dt) * second
    pairs = None if pairs is None else pairs[indices]
    return Trace(name, times, Quantity(values, dim=size.dim), unit, indices, pairs)


def spilled(result: Result) -> dict[str, np.ndarray]:
    """Return step and neuron of the spikes that are in files of their own, by population."""
    found = {
        name: stored_file(result, "spikes", name) for name in result.info.get("spikes_sha256", ())
    }
    for name, spikes in found.items():
        if spikes.ndim != 2 or spikes.shape[1] != 2 or spikes.dtype.kind not in "iu":
            raise StoreError(f"result {result.path}: spikes of {name} are not what a run stores")
    return found


def stored_file(result: Result, kind: str, name: str) -> np.ndarray:
    """Open a file, which is not read yet, once it is sure to be what was written."""
    path, expected = result.path / kind / f"{name}.npy", result.info[f"{kind}_sha256"][name]
    try:
        whole = _hash(path, path.stat().st_mtime_ns) == expected
    except OSError:
        whole = False
    if not whole:
        fix = "run it again with --force"
        raise StoreError(f"result {result.path}: {path.name} is missing or damaged; {fix}")
    return np.load(path, mmap_mode="r", allow_pickle=False)


@lru_cache(maxsize=256)
def _hash(path: Path, changed: int) -> str | None:
    """Hash a file once for as long as it stays as it is."""
    return file_hash(path)


def spike_windows(result: Result, population: str) -> Quantity:
    """Return when single spikes of a population were recorded, see `Result.spike_windows`."""
    record, times = result.stored_protocol.record, np.asarray(result.slot_times)
    windows: list[Any] = []
    if record.raster and record.raster[0] < len(times) - 1:
        windows.append(times[[record.raster[0], min(record.raster[1], len(times) - 1)]])
    if population in record.spikes:
        chosen = [tuple(map(float, w)) for w in record.windows] or [(0.0, times[-1])]
        windows += [(a, min(b, times[-1])) for a, b in chosen if a < times[-1]]
    merged: list[list[float]] = []
    for start, stop in sorted(tuple(map(float, window)) for window in windows):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(stop, merged[-1][1])
        else:
            merged.append([start, stop])
    return np.array(merged).reshape(-1, 2) * second

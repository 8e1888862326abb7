"""Results for other programs: tables, Neo, NIX and NWB files.

What goes out is what is stored, to the last bit; times in s are time steps times the time step.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas

from ..errors import DataError, explain, nearest
from ..files.atomic import written_for
from ..results.result import Result
from ..results.store import as_stored
from ..results.table import write as write_table
from . import nix, nwb
from .columns import columns

#: Endings of tables, and what writes all there is, by ending.
TABLES = (".csv", ".parquet")
WRITERS = {".nix": nix.write, ".h5": nix.write, ".nwb": nwb.write}


def export(result: Result, path: str | Path, what: str = "weights") -> Path:
    """Write a result to a file for another program.

    Parameters
    ----------
    result : Result
        A stored run.
    path : path
        Its ending says the format: ``.csv`` or ``.parquet``, a table; ``.nix`` or ``.h5``, NIX, and
        ``.nwb``, Neurodata Without Borders, with all there is. See `brainsleep.export.nix` and
        `brainsleep.export.nwb`.
    what : str
        Which table, one of `TABLE_OF`.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    DataError
        For an unknown ending or table, or spikes or traces of a run that recorded none.
    StoreError
        If it cannot be written, or the result does not hold what a run stores.
    MissingExtraError
        If a package is missing.
    """
    path = Path(path)
    if path.suffix in TABLES:
        if what not in TABLE_OF:
            raise DataError(f"export: no table '{what}'; {nearest(what, TABLE_OF)}")
        with as_stored(result):
            frame = TABLE_OF[what](result)
        write_table(frame, path)
        return path
    if path.suffix not in WRITERS:
        allowed = f"a name ending {', '.join((*TABLES, *WRITERS))}"
        raise DataError(explain("export", path.name, allowed))
    with written_for("export", path) as temporary, as_stored(result):
        WRITERS[path.suffix](result, temporary)
    return path


# -- tables ------------------------------------------------------------------------------------


def _edges(result: Result) -> pandas.DataFrame:
    """One row a synapse: projection, neurons, sign, and ``w_SNAPSHOT``."""
    frames = []
    for name, each in result.weights.items():
        pre, post = each.synapses.T
        table: dict[str, Any] = {"projection": name, "source": each.source, "target": each.target}
        table |= {"pre": pre, "post": post, "sign": each.sign}
        table |= {f"w_{snapshot}": w for snapshot, w in zip(each.names, each.w, strict=True)}
        frames.append(pandas.DataFrame(table))
    return pandas.concat(frames, ignore_index=True)


def _statistics(result: Result) -> pandas.DataFrame:
    """One row a projection and time: ``time_s``, and the statistics of its weights."""
    frames = []
    for name, values in result.statistics.items():
        frame = pandas.DataFrame(values, columns=result.weight_statistics)
        frame.insert(0, "projection", name)
        frame.insert(1, "time_s", np.asarray(result.statistics_times))
        frames.append(frame)
    return pandas.concat(frames, ignore_index=True)


def _spikes(result: Result) -> pandas.DataFrame:
    """One row a spike: ``population``, ``neuron``, ``time_s``."""
    frames = [
        pandas.DataFrame({"population": name, "neuron": neurons, "time_s": np.asarray(times)})
        for name, (times, neurons) in result.spikes.items()
    ]
    if not frames:
        raise DataError(
            "export: the run recorded no single spikes; set record.raster to (first slot, slot "
            "after the last) and run it again"
        )
    return pandas.concat(frames, ignore_index=True)


def _traces(result: Result) -> pandas.DataFrame:
    """One row a value: ``variable``, ``number`` (and ``pre``, ``post``), ``time_s``, ``value``."""
    frames = []
    for trace in map(result.states, result.traced):
        times, values = np.asarray(trace.times), np.asarray(trace.values)
        table: dict[str, Any] = {"variable": trace.name, "unit": trace.unit}
        table["number"] = np.repeat(trace.indices, len(times))
        if trace.pairs is not None:
            pre, post = np.repeat(trace.pairs, len(times), axis=0).T
            table |= {"pre": pre, "post": post}
        table |= {"time_s": np.tile(times, len(trace.indices)), "value": values.T.ravel()}
        frames.append(pandas.DataFrame(table))
    if not frames:
        raise DataError(
            "export: the run recorded no traces; set record.states to {'POPULATION.VARIABLE': "
            "'all'} and run it again"
        )
    return pandas.concat(frames, ignore_index=True)


#: Tables by name: a row a synapse, a slot, a time, a spike, a value of a trace.
TABLE_OF = {
    "weights": _edges,
    "slots": lambda result: pandas.DataFrame(columns(result)),
    "statistics": _statistics,
    "spikes": _spikes,
    "traces": _traces,
}

"""Results for other programs: tables, Neo, NIX and NWB files.

What goes out is what is stored, to the last bit; times in s are time steps times the time step.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DataError, explain, nearest
from ..files.atomic import written_for
from ..results.result import Result
from ..results.store import as_stored
from ..results.table import write as write_table

if TYPE_CHECKING:
    import pandas

#: Formats by ending.
TABLES, NIX, NWB = (".csv", ".parquet"), (".nix", ".h5"), (".nwb",)

#: Settings of a result that go with it as text, as other formats have no place for them.
_DESCRIBED = ("protocol", "equations", "data", "versions", "metrics", "alarms", "stopped")


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
        For an unknown ending or table, or spikes of a run that recorded none.
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
    if path.suffix in NIX:
        from .nix import write
    elif path.suffix in NWB:
        from .nwb import write
    else:
        allowed = f"a name ending {', '.join((*TABLES, *NIX, *NWB))}"
        raise DataError(explain("export", path.name, allowed))
    with written_for("export", path) as temporary, as_stored(result):
        write(result, temporary)
    return path


def described(result: Result) -> dict[str, str | int]:
    """Return what a result is, as text and numbers: id, seed, backend, and the rest as JSON."""
    texts = {k: json.dumps(result.info[k], sort_keys=True) for k in _DESCRIBED if k in result.info}
    return {"run_id": result.run_id, "seed": result.seed, "backend": result.backend, **texts}


def columns(result: Result) -> dict[str, np.ndarray]:
    """Return the slots as columns: ``start_s``, ``duration_s``, what was shown, and so on.

    ``label`` is the class of the image, -1 for none or a batch; ``spikes_NAME`` is the number
    of spikes of a population.
    """
    slots, arrays = result.slots, result.arrays
    label = np.full(len(slots["image"]), -1)
    for name in ("train", "readout", "test"):
        here = (slots["stage"] == name) & (slots["image"] >= 0) & (slots["n_images"] == 1)
        label[here] = arrays[f"labels/{name}"][slots["image"][here]]
    found = {"slot": np.arange(len(label)), "start_s": np.asarray(result.slot_times[:-1])}
    found["duration_s"] = slots["steps"] * float(result.dt)
    for name in ("stage", "phase", "sleep_stage", "task", "n_images", "image"):
        found[name] = slots[name]
    totals = [key for key in arrays if key.startswith("totals/")]
    return found | {"label": label} | {f"spikes_{key[7:]}": arrays[key] for key in totals}


# -- tables ------------------------------------------------------------------------------------


def _edges(result: Result) -> pandas.DataFrame:
    """One row a synapse: projection, neurons, sign, and ``w_SNAPSHOT``."""
    import pandas

    frames = []
    for name, each in result.weights.items():
        pre, post = each.synapses.T
        table: dict[str, Any] = {"projection": name, "source": each.source, "target": each.target}
        table |= {"pre": pre, "post": post, "sign": each.sign}
        table |= {f"w_{snapshot}": w for snapshot, w in zip(each.names, each.w, strict=True)}
        frames.append(pandas.DataFrame(table))
    return pandas.concat(frames, ignore_index=True)


def _slots(result: Result) -> pandas.DataFrame:
    """One row a slot."""
    import pandas

    return pandas.DataFrame(columns(result))


def _statistics(result: Result) -> pandas.DataFrame:
    """One row a projection and time: ``time_s``, and the statistics of its weights."""
    import pandas

    frames = []
    for name, values in result.statistics.items():
        frame = pandas.DataFrame(values, columns=result.weight_statistics)
        frame.insert(0, "projection", name)
        frame.insert(1, "time_s", np.asarray(result.statistics_times))
        frames.append(frame)
    return pandas.concat(frames, ignore_index=True)


def _spikes(result: Result) -> pandas.DataFrame:
    """One row a spike: ``population``, ``neuron``, ``time_s``."""
    import pandas

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


#: Tables by name: a row a synapse, a slot, a time, a spike.
TABLE_OF = {"weights": _edges, "slots": _slots, "statistics": _statistics, "spikes": _spikes}

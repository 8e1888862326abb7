"""Tables of stored results: one row a run, settings as columns.

The columns, in this order:

- ``grid``, ``condition``: what a run is called in grids and comparisons, if the folder or the rows
  that are asked for say so. In a table of the rows of a grid a run may be there twice; else one
  with several names has them all, as in ``a; b``, see `by_name`;
- `BASE`: what a run is;
- ``set.KEY``: every other setting in which rows of one model differ, by the key that ``--set``
  takes, if that decides anything about a run; values with unit as text, such as ``0.03 second``.
  The key of a list of parts has their names in order, such as ``nrem,rem``. What a rule or model
  does is one column, ``set.KEY.equations``, with the first eight digits of its SHA-256: they say
  whether it is the same; so do those of what an observer does;
- the metrics that are one number, by name; of intervals both ends, ``NAME.low``, ``NAME.high``;
- ``alarm.KIND``: when the first alarm of a kind began, in s of the run; empty if there was none;
  ``stopped_s``: when an alarm ended the run, empty for a whole run;
- ``wall_s``: wall time in s, the sum of ``build_s``, ``simulate_s`` and ``readout_s``;
  ``biological_s``: time simulated in s;
- ``version.PACKAGE``: what it was made with.

Names and meaning of columns stay; new ones may come.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MissingExtraError, StoreError, SweepError, explain, nearest, one_line
from ..experiment.identity import LATER, REFUSING, deciding
from ..experiment.record import ALARMS
from ..experiment.schedule import Schedule
from ..files.atomic import written_for
from ..network.models import KINDS as KINDS_OF_MODELS
from ..tasks.images.task import Images
from ..values.arrays import in_words
from .names import names_in
from .result import Result
from .store import as_stored, read_result

if TYPE_CHECKING:
    import pandas

    from ..sweep.grid import Row

log = logging.getLogger("brainsleep")

#: Columns of every table, by what they hold.
BASE = {
    "run_id": "id of the run and name of its folder",
    "protocol": "name of the protocol",
    "model": "name of the network",
    "data": "name of the data set",
    "data_fingerprint": "hash of the data set's content",
    "seed": "seed",
    "backend": "numpy, cython or cpp",
    "sleep_fraction": "setting schedule.sleep.fraction, whatever schedule.sleep.max_duration is",
    "sleep_scheduled": "length of a sleep over that of the wake before it, as scheduled: at most "
    "max_duration long; whether it then ended early, or never came, wake_s and sleep_s tell",
    "n_train": "training images",
}

#: Columns that are text, whatever it looks like: an id may be all digits, a protocol called "NA".
_TEXT = ("run_id", "protocol", "model", "data", "data_fingerprint", "backend", "grid", "condition")

#: What stands between the names of a run that has several.
SEVERAL = "; "

#: Settings that are not columns of their own, since a column of `BASE` says it or nothing does.
_SAID = ("name", "description", "data.source", "data.root", "data.n_train", "network.name",
         "schedule.sleep.fraction")  # fmt: skip


#: Parts that hold equations, and what of them is a setting besides their parameters.
_MODELS = {kind.__name__ for kind in KINDS_OF_MODELS}
_PLAIN = ("name", "initial")


def results_in(folder: str | Path) -> list[Result]:
    """Return the whole results in a folder; damaged ones are left out with a warning.

    `StoreError` if there is none.
    """
    results = []
    for path in sorted(Path(folder).glob("[!.]*/result.json")):
        try:
            results.append(read_result(path))
        except StoreError as error:
            log.warning("%s; left out", error)
    if not results:
        raise StoreError(explain(f"results in {folder}", "none", "a folder of finished runs"))
    return results


def tabulate(folder: str | Path, rows: Iterable[Row] | None = None) -> pandas.DataFrame:
    """Tabulate the results in a folder, sorted by what they are.

    Parameters
    ----------
    folder : path
        Folder of results.
    rows : iterable of Row, optional
        From `brainsleep.sweep.grid.Grid.rows`: a table of those that are finished, in their order.

    Returns
    -------
    pandas.DataFrame
        See this module's docstring for the columns.

    Raises
    ------
    StoreError, SweepError
        If there is no result, or none of the rows.
    """
    import pandas

    results = results_in(folder)
    chosen = _labelled(results, Path(folder)) if rows is None else _results_of(rows, Path(folder))
    lines, settings, decisive = [], [], []
    for labels, result in chosen:
        with as_stored(result):
            lines.append(labels | _line(result))
            settings.append(flatten(result.described))
            decisive.append(flatten(deciding(result.described)))
    models = [line["model"] for line in lines]
    differing = set(_varied(models, decisive))
    varied = [key for key in _varied(models, settings) if key in differing]
    for key in varied:
        values = [each.get(key) for each in settings]
        mixed = len({isinstance(value, str) for value in values if value is not None}) > 1
        for line, value in zip(lines, values, strict=True):
            line[f"set.{key}"] = str(value) if mixed and value is not None else value
    frame = pandas.DataFrame(lines)
    first = [name for name in ("grid", "condition") if name in frame]
    first += [*BASE, *(f"set.{key}" for key in varied)]
    versions = [name for name in frame if name.startswith("version.")]
    others = [name for name in frame if name not in {*first, *versions}]
    frame = frame[[*first, *others, *versions]]
    if rows is not None:
        return frame
    by = ["model", "protocol", "data", "sleep_fraction", *(f"set.{key}" for key in varied), "seed"]
    text = frame[by].map(lambda value: value if isinstance(value, int | float) else str(value))
    several_types = [name for name in by if text[name].map(type).nunique() > 1]
    order = text.astype(dict.fromkeys(several_types, str))
    return frame.loc[order.sort_values(by, kind="stable").index].reset_index(drop=True)


def _labelled(results: Iterable[Result], folder: Path) -> list[tuple[dict[str, str], Result]]:
    """Give results the labels that the folder has for them; none if it knows no grid."""
    results, names = list(results), names_in(folder)
    known = [names.get(result.run_id, ()) for result in results]
    if not any(name.grid for each in known for name in each):
        return [({}, result) for result in results]
    return [
        (
            {
                "grid": _joined(n.grid for n in each),
                "condition": _joined(n.condition for n in each),
            },
            r,
        )
        for each, r in zip(known, results, strict=True)
    ]


def _joined(names: Iterable[str]) -> str:
    """Return names in one text, once if they are all the same."""
    names = list(names)
    return SEVERAL.join(names if len(set(names)) > 1 else names[:1])


def by_name(frame: pandas.DataFrame) -> pandas.DataFrame:
    """Return a table in which a run has a row for every name that it has in a grid."""
    if "condition" not in frame or "grid" not in frame:
        return frame
    parts = [frame[name].astype(str).str.split(SEVERAL) for name in ("grid", "condition")]
    most = [max(map(len, each)) for each in zip(*parts, strict=True)]
    whole = [
        [each if len(each) == n else each[:1] * n for each, n in zip(part, most, strict=True)]
        for part in parts
    ]
    frame = frame.assign(grid=whole[0], condition=whole[1])
    return frame.explode(["grid", "condition"], ignore_index=True)


def _varied(models: list[str], settings: list[dict[str, Any]]) -> list[str]:
    """Return the keys of settings in which runs of one model differ, in the protocol's order."""
    keys = dict.fromkeys(key for each in settings for key in each if key not in _SAID)
    pairs, n_models = list(zip(models, settings, strict=True)), len(set(models))
    return [k for k in keys if len({(model, str(each.get(k))) for model, each in pairs}) > n_models]


def _results_of(rows: Iterable[Row], folder: Path) -> list[tuple[dict[str, str], Result]]:
    """Return the results of rows that are finished, with their labels."""
    from ..sweep.grid import addressed
    from ..sweep.ledger import result_of

    results = [
        ({"grid": row.grid, "condition": row.condition}, result)
        for row in addressed(rows)
        if (result := result_of(folder, row))
    ]
    if not results:
        raise SweepError(f"table: none of the grid's rows is finished in {folder}")
    return results


def _line(result: Result) -> dict[str, Any]:
    protocol = result.stored_protocol
    plan, timings = protocol.schedule, result.timings
    line = {
        "run_id": result.run_id,
        "protocol": protocol.name,
        "model": protocol.network.name,
        "data": result.data.name,
        "data_fingerprint": result.data.fingerprint,
        "seed": result.seed,
        "backend": result.backend,
        "sleep_fraction": plan.sleep.fraction
        if isinstance(plan, Schedule)
        else plan.sleep_per_wake,
        "sleep_scheduled": plan.sleep_per_wake,
        "n_train": protocol.task.data.n_train if isinstance(protocol.task, Images) else math.nan,
    }
    for name, value in result.metrics.items():
        if isinstance(value, list) and len(value) == 2:
            line |= {f"{name}.low": value[0], f"{name}.high": value[1]}
        elif not isinstance(value, list | dict):
            line[name] = value
    for kind in ALARMS:
        began = (alarm["time_s"] for alarm in result.alarms if alarm["kind"] == kind)
        line[f"alarm.{kind}"] = min(began, default=math.nan)
    line["stopped_s"] = result.stopped["at_s"] if result.stopped else math.nan
    wall = sum(timings[name] for name in ("build_s", "simulate_s", "readout_s"))
    line |= {"wall_s": wall, **timings}
    return line | {f"version.{k}": v for k, v in result.versions.items()}


def flatten(value: Any, key: str = "") -> dict[str, Any]:
    """Turn a described protocol, or the part of it at `key`, into keys as ``--set`` takes them."""
    flat: dict[str, Any] = {}
    if isinstance(value, dict):
        kind = value.get("kind", "")
        if key == "record.states":
            return {key: repr(value)} if value else {}
        if kind == "Array":
            return {key: in_words(value)}
        value = {n: v for n, v in value.items() if n not in REFUSING.get(kind, ())}
        for name, part in value.items():
            if kind and name in ("kind", "references", "description"):
                continue
            inner = kind and name == "parameters"  # their keys follow the object's
            if kind not in _MODELS or inner or name in (*_PLAIN, "period"):
                flat |= flatten(part, key if inner else f"{key}.{name}".lstrip("."))
        if kind in _MODELS:
            code = {n: v for n, v in value.items() if n not in ("parameters", *_PLAIN)}
            code = {n: v for n, v in code.items() if LATER.get(kind, {}).get(n) != v}
            text = json.dumps(code, sort_keys=True)
            flat[f"{key}.equations"] = hashlib.sha256(text.encode()).hexdigest()[:8]
        return flat
    if not isinstance(value, list):
        return {key: value}
    if key == "record.observers":
        return {key: ", ".join(map(_observer, value))}
    if not value or not all(isinstance(part, dict) and "name" in part for part in value):
        return {key: ",".join(map(str, _arrays_in_words(value)))}
    flat[key] = ",".join(part["name"] for part in value)  # which there are, and their order
    for part in value:
        flat |= flatten(part, f"{key}.{part['name']}")
    return flat


def _arrays_in_words(value: Any) -> Any:
    if isinstance(value, list):
        return [_arrays_in_words(part) for part in value]
    if not isinstance(value, dict):
        return value
    named = value.get("kind") == "Array"
    return in_words(value) if named else {k: _arrays_in_words(v) for k, v in value.items()}


def _observer(described: dict[str, Any]) -> str:
    """Return an observer in few words: its kind, its fields, and a hash of what a user's does."""
    told = [", ".join(f"{k} {v}" for k, v in described.items() if k not in ("kind", "class"))]
    if own := described.get("class"):
        told.append(f"code {hashlib.sha256(repr(own).encode()).hexdigest()[:8]}")
    return f"{described['kind']}({'; '.join(filter(None, told))})"


def write(frame: pandas.DataFrame, path: str | Path) -> None:
    """Write a table in one step; the name ends in ``.csv`` or ``.parquet`` (needs pyarrow).

    A name that does not is a `SweepError`, and what cannot be written a `StoreError`.
    """
    with _table_file(Path(path)) as path, written_for("table", path) as temporary:
        if path.suffix == ".csv":
            frame.to_csv(temporary, index=False)
        else:
            frame.to_parquet(temporary, index=False)


def read(path: str | Path) -> pandas.DataFrame:
    """Read a table that `write` wrote; `StoreError` if it cannot be read."""
    import pandas

    with _table_file(Path(path)) as path:
        try:
            return _read_csv(path) if path.suffix == ".csv" else pandas.read_parquet(path)
        except (ImportError, MemoryError):
            raise
        except Exception as error:  # pandas and pyarrow fail in too many ways to list
            raise StoreError(f"table {path}: cannot read ({one_line(error)})") from error


def _read_csv(path: Path) -> pandas.DataFrame:
    """Read a table; what looks like a number or like nothing, but is text, stays text."""
    import pandas

    names = pandas.read_csv(path, nrows=0).columns
    words = [n for n in names if n in _TEXT or n.startswith("version.")]
    hashes = [n for n in names if n.endswith((".equations", ".name"))]
    frame = pandas.read_csv(path, dtype=dict.fromkeys([*words, *hashes], str))
    as_written = pandas.read_csv(path, usecols=words, dtype=str, keep_default_na=False)
    return frame.assign(**{name: as_written[name] for name in words})


def choose(frame: pandas.DataFrame, where: Mapping[str, str]) -> pandas.DataFrame:
    """Return the rows in which every column of `where` has its value, given as text.

    `SweepError` if there is no such column, or no such row.
    """
    for name, text in where.items():
        if name not in frame:
            raise SweepError(f"table: no column '{name}'; {nearest(name, frame.columns)}")
        same = frame[name].map(str) == text  # also of what is missing, "nan"
        if name in ("grid", "condition"):
            same |= frame[name].map(lambda value, text=text: text in str(value).split(SEVERAL))
        with contextlib.suppress(ValueError):
            same |= frame[name].map(lambda value, x=float(text): value == x)
        if not same.any():
            choices = ", ".join(map(str, frame[name].unique()[:8]))
            raise SweepError(explain(f"table: {name}", text, f"one of: {choices}"))
        frame = frame[same]
    return frame


@contextlib.contextmanager
def _table_file(path: Path) -> Iterator[Path]:
    """Check the name of a table, and say what is missing if that is what an error comes of."""
    if path.suffix not in (".csv", ".parquet"):
        raise SweepError(explain("table", path.name, "a name ending .csv or .parquet"))
    try:
        yield path
    except ImportError as error:
        raise MissingExtraError(
            "table: Parquet needs pyarrow: pip install 'brainsleep[analysis]'"
        ) from error

"""Grids in files: TOML tables, or Python that defines ``GRIDS``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ProtocolError, SweepError, explain, nearest, one_line
from ..experiment.protocol import load_protocol
from ..files.load import load_module
from ..run.compare import Condition
from .grid import Grid


def read_grids(source: str) -> list[Grid]:
    """Return the grids that `source` defines.

    Parameters
    ----------
    source : str
        A ``.toml`` file with one grid, or several as ``[[grid]]``; a ``.py`` file that defines
        ``GRIDS``; or a protocol, shipped or a ``.py`` file: a grid of one row.

    Raises
    ------
    BrainsleepError
        If it cannot be read, or has an unknown key or a value of another kind.
    """
    if source.endswith(".toml"):
        return _read_toml(Path(source).expanduser())
    if source.endswith(".py"):
        grids = getattr(load_module(source, "protocol"), "GRIDS", None)
        if grids is not None:
            if not grids or not all(isinstance(grid, Grid) for grid in grids):
                raise SweepError(explain(f"{source}: GRIDS", repr(grids), "a list of Grid"))
            return list(grids)
    load_protocol(source)
    return [Grid(name=Path(source.partition(":")[0]).stem, protocol=source)]


#: Keys of a grid in a file, and of a condition, by what they may hold.
_KEYS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("name", "protocol", "model", "backend"), (str,)),
    "seeds": (int, list),
    "conditions": (str, list),
    **dict.fromkeys(("set", "over"), (dict,)),
}
_CONDITION = {"name": str, "set": dict, "match_rate": str, "scale": str}


def _read_toml(path: Path) -> list[Grid]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SweepError(f"grid {path}: cannot be read ({one_line(error)})") from error
    tables = content.get("grid", [content])
    if "grid" in content and (len(content) > 1 or not isinstance(tables, list) or not tables):
        raise SweepError(f"grid {path}: with [[grid]] tables, nothing may stand outside of them")
    grids = [_grid(table, f"grid {path}", path.stem) for table in tables]
    names = [grid.name for grid in grids]
    for name in names:
        if names.count(name) > 1:
            raise SweepError(f"grid {path}: two grids are called '{name}'; name = ... in each")
    return grids


def _grid(table: Any, where: str, name: str) -> Grid:
    if not isinstance(table, dict):
        raise SweepError(explain(where, repr(table), "a table, as under [[grid]]"))
    for key, value in table.items():
        if key not in _KEYS:
            raise SweepError(f"{where}: unknown key '{key}'; {nearest(key, _KEYS)}")
        if not isinstance(value, _KEYS[key]) or isinstance(value, bool):
            names = {str: "text", int: "a number", list: "a list", dict: "a table"}
            allowed = " or ".join(names[kind] for kind in _KEYS[key])
            raise SweepError(explain(f"{where}: {key}", repr(value), allowed))
    if "protocol" not in table:
        raise SweepError(f'{where}: names no protocol; write protocol = "demo" at its top')
    changes, over = flat(table.pop("set", {})), flat(table.pop("over", {}))
    conditions = table.pop("conditions", [])
    if isinstance(conditions, list):
        conditions = [_condition(condition, where) for condition in conditions]
    elif conditions != "all":
        raise SweepError(explain(f"{where}: conditions", repr(conditions), '"all" or a list'))
    return Grid(**{"name": name, **table}, changes=changes, over=over, conditions=conditions)


def _condition(value: Any, where: str) -> Condition | str:
    """Read a condition: a name, or a table with ``name``, ``set``, ``match_rate``, ``scale``."""
    if isinstance(value, str):
        return value
    good = isinstance(value, dict) and "name" in value
    if not good or not all(isinstance(v, _CONDITION.get(k, ())) for k, v in value.items()):
        allowed = f"a name, or a table of {', '.join(_CONDITION)}"
        raise SweepError(explain(f"{where}: condition", repr(value), allowed))
    try:
        return Condition(changes=flat(value.pop("set", {})), **value)
    except ProtocolError as error:
        raise SweepError(f"{where}: {error}") from error


def flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Turn nested tables into dotted keys, as TOML nests ``a.b = 1`` if the key is not quoted."""
    dotted: dict[str, Any] = {}
    for key, value in table.items():
        nested = isinstance(value, Mapping)
        dotted |= flat(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value}
    return dotted

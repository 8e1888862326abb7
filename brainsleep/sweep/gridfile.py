"""Grids in files: TOML tables, or Python that defines ``GRIDS``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import BrainsleepError, SweepError, explain, one_line
from ..experiment.protocol import load_protocol
from ..files.load import load_module
from ..run.compare import Condition
from .grid import Grid


def read_grids(source: str) -> list[Grid]:
    """Return the grids that `source` defines, or raise `BrainsleepError`.

    It is a ``.toml`` file with one grid, or several as ``[[grid]]``; a ``.py`` file that defines
    ``GRIDS``; or a protocol, shipped or a ``.py`` file: a grid of one row.
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


def _read_toml(path: Path) -> list[Grid]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SweepError(f"grid {path}: cannot be read ({one_line(error)})") from error
    tables = content.get("grid", [content])
    if "grid" in content and (len(content) > 1 or not isinstance(tables, list) or not tables):
        raise SweepError(f"grid {path}: with [[grid]] tables, nothing may stand outside of them")
    try:
        grids = [_grid(table, path.stem) for table in tables]
    except BrainsleepError as error:
        raise SweepError(f"grid {path}: {error}") from error
    names = [grid.name for grid in grids]
    for name in names:
        if names.count(name) > 1:
            raise SweepError(f"grid {path}: two grids are called '{name}'; name = ... in each")
    return grids


def _grid(table: Any, name: str) -> Grid:
    """Make a grid of its table; what the values may be is checked there."""
    if not isinstance(table, dict):
        raise SweepError(explain("[[grid]]", repr(table), "a table"))
    if "protocol" not in table:
        raise SweepError('names no protocol; write protocol = "demo" at its top')
    fields = {"name": name, **_fields(table)}
    if isinstance(conditions := fields.get("conditions"), list):
        fields["conditions"] = [
            Condition(**_fields(each)) if isinstance(each, dict) else each for each in conditions
        ]
    return Grid(**fields)


def _fields(table: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a table into fields of a `Grid` or `Condition`: ``set`` is what they call `changes`."""
    return {
        "changes" if key == "set" else key: flat(value) if key in ("set", "over") else value
        for key, value in table.items()
    }


def flat(value: Any, prefix: str = "") -> Any:
    """Turn nested tables into dotted keys, as TOML nests ``a.b = 1`` if the key is not quoted."""
    if not isinstance(value, Mapping):
        return value
    dotted: dict[str, Any] = {}
    for key, part in value.items():
        nested = isinstance(part, Mapping)
        dotted |= flat(part, f"{prefix}{key}.") if nested else {f"{prefix}{key}": part}
    return dotted

"""What runs in a folder are called: the grid and the condition that they are rows of.

Beside the results, in ``.sweep/``, lie the rows that sweeps were asked for (``grids/``, see
`brainsleep.sweep.ledger`) and what single runs and comparisons were (``named/``). A result is what
it is without them: they only tell what people call it, and what was changed to get it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from brian2 import Quantity

from ..files.atomic import written_for
from ..values.plain import plain

#: Folder of these files among the results, and what is in it.
LEDGER, GRIDS, NAMED, FAILED, MATCHED = ".sweep", "grids", "named", "failed", "matched"

#: What has been read, by folder: what its files were then, and the names in them.
_READ: dict[Path, tuple[tuple, dict[str, tuple[Name, ...]]]] = {}


class Name(NamedTuple):
    """What one grid, comparison or command calls a run."""

    #: The grid, or the protocol of a comparison; "" of a single run.
    grid: str
    #: The condition; of a grid without conditions what it varies, as in ``a=1, b=2``.
    condition: str
    #: What the grid varies, as text by key.
    settings: Mapping[str, str]
    #: How it differs from the protocol that was loaded, as text by key.
    changes: Mapping[str, str]

    @property
    def named(self) -> bool:
        """Whether the condition has a name of its own."""
        return self.condition not in ("", in_words(self.settings))


def in_words(settings: Mapping[str, Any]) -> str:
    """Return settings as the label of a row that has no other."""
    return ", ".join(f"{key}={value}" for key, value in settings.items())


def as_given(value: Any) -> str:
    """Return a value as people would give it; of an object its name, or its kind."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return "(" + ",".join(map(as_given, value)) + ")"
    if isinstance(value, str | int | float | Quantity):
        return str(plain(value))
    return str(getattr(value, "name", type(value).__name__))


def write_names(folder: Path, names: Mapping[str, Name]) -> None:
    """Write down what runs are called, by run id; the same names have one file."""
    rows = [{"run_id": run_id, **name._asdict()} for run_id, name in names.items()]
    write_once(Path(folder) / LEDGER / NAMED, {"rows": rows})


def write_once(folder: Path, content: dict) -> None:
    """Write a file named by what is in it, unless it is there, or raise `StoreError`."""
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
    path = folder / f"{digest}.json"
    if not path.exists():
        write_json(path, content)


def write_json(path: Path, content: dict) -> None:
    """Write a file in one step, or raise `StoreError`."""
    with written_for("sweep", path) as temporary:
        temporary.write_text(json.dumps(content, indent=1))


def read_json(path: Path) -> dict:
    """Read a file; what is missing or damaged is as if it had not been written."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def rows_in(folder: Path, kind: str) -> list[dict]:
    """Return all rows that the files of a kind hold, the newest file last."""
    rows: list[dict] = []
    for path in sorted((folder / LEDGER / kind).glob("*.json"), key=_age):
        listed = read_json(path).get("rows")
        rows += (row for row in (listed if isinstance(listed, list) else ()) if type(row) is dict)
    return rows


def names_in(folder: str | Path) -> dict[str, tuple[Name, ...]]:
    """Return what the runs in a folder are called, by run id; no run is there without a name.

    A run that several grids have has a name of each. What is damaged is left out.
    """
    folder = Path(folder)
    files = [*(folder / LEDGER).glob("*/*.json")]
    state = tuple(sorted((str(path), _age(path)) for path in files if path.parent.name != FAILED))
    if (read := _READ.get(folder)) is None or read[0] != state:
        _READ[folder] = read = state, _read_names(folder)
    return read[1]


def _read_names(folder: Path) -> dict[str, tuple[Name, ...]]:
    found: dict[str, dict[tuple[str, str], Name]] = {}
    for row in [*rows_in(folder, NAMED), *rows_in(folder, GRIDS)]:
        run_id, parts = row.get("run_id"), [row.get("grid"), row.get("condition")]
        more = [row.get("settings", {}), row.get("changes", {})]
        if not all(isinstance(each, str) for each in (run_id, *parts)):
            continue
        if not all(isinstance(each, dict) for each in more):
            continue
        if row.get("matched"):
            run_id = read_json(folder / LEDGER / MATCHED / f"{run_id}.json").get("run_id")
        settings, changes = ({str(k): str(v) for k, v in each.items()} for each in more)
        name = Name(str(parts[0]), str(parts[1]), settings, changes)
        found.setdefault(str(run_id), {})[name.grid, name.condition] = name
    return {run_id: _chosen(names.values()) for run_id, names in found.items()}


def _chosen(names: Iterable[Name]) -> tuple[Name, ...]:
    """Leave out what a single run was called if it has a better name."""
    names = tuple(names)
    return tuple(name for name in names if name.grid) or names


def _age(path: Path) -> tuple[int, str]:
    try:
        return path.stat().st_mtime_ns, path.name
    except OSError:  # it has gone
        return 0, path.name

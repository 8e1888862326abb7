"""What a sweep keeps beside the results, in ``.sweep/``; each file is written in one step.

``grids/`` holds the rows that were asked for, and how; ``failed/`` those that failed, and why;
``matched/`` the numbers found for rows whose rate is matched. `brainsleep.results.names` reads what
rows are called.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..errors import SweepError
from ..files.locks import is_locked
from ..results.names import (
    FAILED,
    GRIDS,
    LEDGER,
    MATCHED,
    as_given,
    read_json,
    rows_in,
    write_once,
)
from ..results.store import Result, finished
from .grid import Row

#: What is written down of a row, by kind.
_KINDS = {
    **dict.fromkeys(("run_id", "grid", "condition", "protocol", "data", "backend"), str),
    "settings": dict,
    "seed": int,
    "matched": bool,
}


def result_of(out: Path, row: Row) -> Result | None:
    """Return the result of a row, or None if it is not finished."""
    run_id = row.run_id
    if row.reference:
        run_id = str(read_json(match_file(out, row)).get("run_id", ""))
    return finished(out, run_id) if run_id else None


def failure_file(out: Path, row: Row) -> Path:
    """Return the file that says why a row failed."""
    return out / LEDGER / FAILED / f"{row.run_id}.json"


def match_file(out: Path, row: Row) -> Path:
    """Return the file with the number that was found for a row."""
    return out / LEDGER / MATCHED / f"{row.run_id}.json"


def described(row: Row) -> dict:
    """Return what is written down of a row."""
    return {
        "run_id": row.run_id,
        "grid": row.grid,
        "condition": row.condition,
        "protocol": row.protocol.name,
        "data": row.protocol.source,
        "settings": dict(row.settings),
        "changes": {key: as_given(value) for key, value in row.changes.items()},
        "seed": row.seed,
        "backend": row.backend,
        "matched": bool(row.reference),
    }


def write_manifest(out: Path, rows: Iterable[Row], asked: Mapping[str, Any] | None = None) -> None:
    """Write down which rows were asked for, and `asked`, how; the same ones have one file."""
    content = {"rows": [described(row) for row in rows], "asked": dict(asked or {})}
    write_once(out / LEDGER / GRIDS, content)


def asked(out: str | Path) -> list[dict[str, Any]]:
    """Return how the sweeps into a folder were asked for; nothing of those begun in Python."""
    manifests = sorted((Path(out) / LEDGER / GRIDS).glob("*.json"))
    found = (read_json(path).get("asked") for path in manifests)
    return [each for each in found if isinstance(each, dict) and each]


def status(out: str | Path) -> list[dict]:
    """Tell what has become of every row of the sweeps into a folder.

    Each row is as it was laid out (``run_id``, ``grid``, ``condition``, ``settings``, ``seed``,
    ...), with ``state``, "finished", "failed", "running" or "waiting", ``error``, the number of
    ``alarms`` that its run gave, and whether one of them ``stopped`` it. `SweepError` if no sweep
    was begun there. A row whose rate is still to be matched, and one on a file system without
    locks, is waiting until it is finished.
    """
    out = Path(out)
    folder, rows = out / LEDGER, dict[str, dict]()
    for row in rows_in(out, GRIDS):
        if all(isinstance(row.get(k), v) for k, v in _KINDS.items()):
            rows.setdefault(row["run_id"], row)
    if not rows:
        raise SweepError(f"sweep: none was begun in {out}; give the folder of results of one")
    for address, row in rows.items():
        run_id = address
        if row["matched"]:
            run_id = str(read_json(folder / MATCHED / f"{address}.json").get("run_id", "none"))
        row |= {"state": "waiting", "error": "", "alarms": 0, "stopped": False}
        if result := finished(out, run_id):
            row |= {"state": "finished", "alarms": len(result.alarms)}
            row["stopped"] = result.stopped is not None
        elif is_locked(out / ".locks" / run_id):
            row["state"] = "running"
        elif failure := read_json(folder / FAILED / f"{address}.json"):
            row |= {"state": "failed", "error": str(failure.get("error", ""))}
    return list(rows.values())

"""What a sweep keeps beside the results, in ``.sweep/``; each file is written in one step.

``grids/`` holds the rows that were asked for, ``failed/`` those that failed, and why, ``matched/``
the numbers found for rows whose rate is matched.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from ..errors import SweepError
from ..files.atomic import written_for
from ..results.store import Result, finished
from .grid import Row

#: Folder of a sweep's own files among the results, and what is in it.
LEDGER, GRIDS, FAILED, MATCHED = ".sweep", "grids", "failed", "matched"

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
        "seed": row.seed,
        "backend": row.backend,
        "matched": bool(row.reference),
    }


def write_manifest(out: Path, rows: Iterable[Row]) -> None:
    """Write down which rows were asked for; the same ones have one file."""
    content = {"rows": [described(row) for row in rows]}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
    path = out / LEDGER / GRIDS / f"{digest}.json"
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


def status(out: str | Path) -> list[dict]:
    """Tell what has become of every row of the sweeps into a folder.

    Each row is as it was laid out (``run_id``, ``grid``, ``condition``, ``settings``, ``seed``,
    ...), with ``state``, "finished", "failed" or "open", ``error``, the number of ``alarms`` that
    its run gave, and whether one of them ``stopped`` it. `SweepError` if no sweep was begun there.
    """
    folder = Path(out) / LEDGER
    rows: dict[str, dict] = {}
    for manifest in sorted((folder / GRIDS).glob("*.json")):
        listed = read_json(manifest).get("rows")
        for row in listed if isinstance(listed, list) else ():
            if isinstance(row, dict) and all(isinstance(row.get(k), v) for k, v in _KINDS.items()):
                rows.setdefault(row["run_id"], row)
    if not rows:
        raise SweepError(f"sweep: none was begun in {out}; give the folder of results of one")
    for address, row in rows.items():
        run_id = address
        if row["matched"]:
            run_id = str(read_json(folder / MATCHED / f"{address}.json").get("run_id", "none"))
        failure = read_json(folder / FAILED / f"{address}.json")
        row |= {"state": "failed" if failure else "open", "error": failure.get("error", "")}
        row |= {"alarms": 0, "stopped": False}
        if result := finished(Path(out), run_id):
            row |= {"state": "finished", "error": "", "alarms": len(result.alarms)}
            row["stopped"] = result.stopped is not None
    return list(rows.values())

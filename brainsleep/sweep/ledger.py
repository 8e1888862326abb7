"""What a sweep keeps beside the results, in ``.sweep/``; each file is written in one step.

``grids/`` holds the rows that were asked for, ``failed/`` those that failed, and why, ``matched/``
the numbers found for rows whose rate is matched.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from ..errors import StoreError, SweepError, one_line
from ..files.atomic import written
from ..results.store import Result, finished
from .grid import Row

#: Folder of a sweep's own files among the results, and what is in it.
NOTES, GRIDS, FAILED, MATCHED = ".sweep", "grids", "failed", "matched"


def result_of(out: Path, row: Row) -> Result | None:
    """Return the result of a row, or None if it is not finished."""
    found = row.run_id
    if row.reference:
        found = str(read_json(matched_note(out, row)).get("run_id", ""))
    return finished(out, found) if found else None


def failed_note(out: Path, row: Row) -> Path:
    """Return where it is noted that a row failed."""
    return out / NOTES / FAILED / f"{row.run_id}.json"


def matched_note(out: Path, row: Row) -> Path:
    """Return where the number that was found for a row is noted."""
    return out / NOTES / MATCHED / f"{row.run_id}.json"


def described(row: Row) -> dict:
    """Return what is noted of a row."""
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


#: What is noted of a row, by kind.
_DESCRIBED = {
    **dict.fromkeys(("run_id", "grid", "condition", "protocol", "data", "backend"), str),
    "settings": dict,
    "seed": int,
    "matched": bool,
}


def _is_described(row: object) -> bool:
    """Tell whether something in a note is a row as `described` gives it."""
    return isinstance(row, dict) and all(
        isinstance(row.get(key), kind) for key, kind in _DESCRIBED.items()
    )


def write_manifest(out: Path, rows: Iterable[Row]) -> None:
    """Note which rows were asked for; the same ones have one note."""
    content = {"rows": [described(row) for row in rows]}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
    path = out / NOTES / GRIDS / f"{digest}.json"
    if not path.exists():
        write_json(path, content)


def write_json(path: Path, content: dict) -> None:
    """Write a note in one step.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written(path) as temporary:
            temporary.write_text(json.dumps(content, indent=1))
    except OSError as error:
        raise StoreError(
            f"sweep: cannot write to {path.parent} ({error.strerror or one_line(error)}); free "
            "some space; what is finished is kept, and the same command goes on"
        ) from error


def read_json(path: Path) -> dict:
    """Read a note; what is missing or damaged is as if it had not been written."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def status(out: str | Path) -> list[dict]:
    """Tell what has become of every row of the sweeps into a folder.

    Parameters
    ----------
    out : path
        Folder of results.

    Returns
    -------
    list of dict
        Each row as it was laid out (``run_id``, ``grid``, ``condition``, ``settings``, ``seed``,
        ...), with ``state``, "finished", "failed" or "open", ``error``, the number of
        ``alarms`` that its run gave, and whether one of them ``stopped`` it.

    Raises
    ------
    SweepError
        If no sweep was begun there.
    """
    folder = Path(out) / NOTES
    rows: dict[str, dict] = {}
    for manifest in sorted((folder / GRIDS).glob("*.json")):
        found = read_json(manifest).get("rows")
        for row in found if isinstance(found, list) else ():
            if _is_described(row):
                rows.setdefault(row["run_id"], row)
    if not rows:
        raise SweepError(f"sweep: none was begun in {out}; give the folder of results of one")
    for address, row in rows.items():
        run_id = address
        if row["matched"]:
            run_id = str(read_json(folder / MATCHED / f"{address}.json").get("run_id", "none"))
        note = read_json(folder / FAILED / f"{address}.json")
        if result := finished(Path(out), run_id):
            row |= {"state": "finished", "error": "", "alarms": len(result.alarms)}
            row["stopped"] = result.stopped is not None
        else:
            state = "failed" if note else "open"
            row |= {"state": state, "error": note.get("error", ""), "alarms": 0}
            row["stopped"] = False
    return list(rows.values())

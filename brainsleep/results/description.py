"""The description of a stored run's protocol: long arrays of it lie beside ``result.json``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import StoreError
from ..files.npz import read_npz
from ..values.arrays import with_data

#: Name of the file with the arrays, by the SHA-256 of each.
ARRAYS = "protocol.npz"

#: Arrays and settings that had other names in results of before.
RENAMED = {"slots/stage": "slots/part", "initial_weights": "saved_weights"}


def read_description(folder: Path, info: Mapping[str, Any]) -> dict[str, Any]:
    """Return the protocol that `info` describes, with its arrays and its settings as they are now.

    Raise `StoreError` if the arrays cannot be read.
    """
    described = info["protocol"]
    if info.get("protocol_sha256"):
        with reading(folder / ARRAYS):
            described = with_data(described, read_npz(folder / ARRAYS))
    return _upgraded(described)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise `StoreError` for arrays of a result that cannot be read."""
    try:
        yield
    except MemoryError:  # what the file can hold does not fit here
        raise
    except Exception as error:  # zip, zlib and header parsing fail in too many ways to list
        raise StoreError(
            f"result {path.parent}: cannot read {path.name}; run it again with --force"
        ) from error


def _upgraded(described: dict[str, Any]) -> dict[str, Any]:
    """Return a description with its settings where they are now: probes were of the record."""
    if RENAMED.keys() & described.keys():
        described = {RENAMED.get(name, name): value for name, value in described.items()}
    record = described.get("record")
    if not isinstance(record, dict) or "probe_images" not in record:
        return described
    rest = {k: v for k, v in record.items() if k not in ("probe_images", "probe_every")}
    probes = {"images": record["probe_images"], "every": record.get("probe_every", 1)}
    of_images = {"probes": {"kind": "Probes", **probes}} if "encoder" in described else {}
    return {**described, "record": rest, **of_images}

"""Names of other projects' documentation, for builds without a network.

Sphinx's inventories are compressed; ours are text that can be read and extended, in the same
format a line: ``name domain:role priority page title``, with ``$`` in a page for the name.
"""

from __future__ import annotations

import zlib
from pathlib import Path

_HEADER = """\
# Sphinx inventory version 2
# Project: {project}
# Version:
# The remainder of this file is compressed using zlib.
"""


def fallback(source: Path, folder: Path) -> str:
    """Write the inventory of a text file into `folder`; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = source.read_text(encoding="utf-8").splitlines()
    body = "".join(f"{line}\n" for line in lines if line.strip() and not line.startswith("#"))
    target = folder / f"{source.stem}.inv"
    header = _HEADER.format(project=source.stem).encode()
    target.write_bytes(header + zlib.compress(body.encode()))
    return str(target)

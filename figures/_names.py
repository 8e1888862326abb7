"""What runs are called: conditions by their labels, else by the settings in which they differ."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from brainsleep.show.drawn import NOTHING

if TYPE_CHECKING:
    from ._seeds import Run

#: What may differ between the runs of one curve: sleep, data, and what no accuracy depends on.
FREE = (
    NOTHING,
    r"data\.(source|root|split_seed)|schedule\.sleep\.fraction",
)


def settings(part: object, key: str = "") -> dict[str, object]:
    """Flatten a protocol to values by dotted key; parts in a list go by their name."""
    if isinstance(part, list) and all(isinstance(p, dict) and "name" in p for p in part):
        part = {p["name"]: p for p in part}
    if not isinstance(part, dict):
        return {key: part}
    flat: dict[str, object] = {}
    for name, value in part.items():
        flat |= settings(value, f"{key}.{name}" if key else name)
    return flat


def different(all_runs: Sequence[Run], ignored: Sequence[str]) -> str:
    """Return the first setting in which runs differ, as 'key is a and b', or ''.

    Parameters
    ----------
    all_runs : sequence of Run
        Runs.
    ignored : sequence of str
        Regular expressions; keys that one of them matches as a whole do not count.
    """
    first = settings(all_runs[0].result.described)
    for run in all_runs[1:]:
        if run.result.described == all_runs[0].result.described:
            continue
        other = settings(run.result.described)
        for key in [*first, *(k for k in other if k not in first)]:
            one, two = first.get(key), other.get(key)
            if one != two and not any(re.fullmatch(pattern, key) for pattern in ignored):
                return f"{key} is {one} and {two}"
    return ""


def wrapped(name: str, width: int) -> str:
    """Return a name in lines of about `width` characters, cut at commas where it has some."""
    lines: list[str] = []
    for part in name.split(", "):
        if lines and len(lines[-1]) + 2 + len(part) <= width:
            lines[-1] += f", {part}"
        else:
            lines[-1:] = [f"{lines[-1]},"] if lines else []
            lines += [part]
    return "\n".join(textwrap.fill(line, width, break_long_words=False) for line in lines)

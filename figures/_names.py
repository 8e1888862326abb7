"""What runs are called: conditions by their labels, else by the settings in which they differ."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from brainsleep.results.result import Result
from brainsleep.results.table import flatten

if TYPE_CHECKING:
    from ._seeds import Run

#: What may differ between the runs of one curve: sleep, data, and what no accuracy depends on.
FREE = (
    r"name|description|references|hooks.*|record\..*|readout\.(resamples|label_.*)",
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


#: What never is part of a name: it decides nothing, or is said elsewhere in a figure.
_UNSAID = (*FREE[:1], r"data\.(source|root|split_seed)", r"network\.name")

#: Settings in a name at most, and characters of the value of one.
_MOST, _LONG = 3, 24


def told_apart(
    names: Sequence[str], results: Sequence[Result], ignored: Sequence[str] = ()
) -> list[str]:
    """Add to the names of runs the settings in which those of one name and data set differ.

    Parameters
    ----------
    names : sequence of str
        What each result is called.
    results : sequence of Result
        Stored runs.
    ignored : sequence of str
        Regular expressions; settings that one of them matches as a whole do not count.

    Returns
    -------
    list of str
        As in "sleep 20 %, decay 0"; the seeds of one condition have one name.
    """
    patterns = (*_UNSAID, *ignored)
    flat = [
        {
            key: value
            for key, value in flatten(result.described).items()
            if not any(re.fullmatch(pattern, key) for pattern in patterns)
        }
        for result in results
    ]
    groups: dict[tuple[str, str], list[int]] = {}
    for k, (name, result) in enumerate(zip(names, results, strict=True)):
        groups.setdefault((name, result.data.name), []).append(k)
    said = list(names)
    for mine in groups.values():
        keys = dict.fromkeys(key for k in mine for key in flat[k])
        differ = [key for key in keys if len({str(flat[k].get(key)) for k in mine}) > 1]
        for k in mine if differ else ():
            said[k] = ", ".join(filter(None, (names[k], _in_words(flat[k], differ))))
    return said


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


def _in_words(settings: dict[str, object], keys: Sequence[str]) -> str:
    """Return settings as in "decay 0, tau_w 10 s"."""
    from brainsleep.show.facts import text

    parts: dict[str, str] = {}
    for key in keys:
        tail, value = key.rsplit(".", 1)[-1], text(settings.get(key))
        with suppress(ValueError, TypeError):
            value = f"{float(str(settings.get(key))):g}"
        value = textwrap.shorten(value, _LONG, placeholder="…")
        if parts.get(tail, value) != value:  # the same setting of several parts of a network
            tail = " ".join(key.split(".")[-4:][::3])
        parts[tail] = value
    chosen = [f"{tail} {value}" for tail, value in parts.items()]
    return ", ".join(chosen[:_MOST]) + (", …" if len(chosen) > _MOST else "")

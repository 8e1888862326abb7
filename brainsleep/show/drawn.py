"""What figures and reports have in common: names of runs and projections, and limits."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from ..experiment.schedule import Schedule
from ..results.result import Result
from ..results.table import flatten
from ..tasks.images.task import Images
from .facts import text

#: Neurons of a population that a raster shows at most.
RASTER_ROWS = 60

#: How many times the largest weight a hard bound may be without being left off the axis.
FAR = 100.0

#: Settings that decide no accuracy, as a regular expression.
NOTHING = r"name|description|references|hooks.*|record\..*|readout\.(resamples|label_.*)"

#: What never is part of a name: it decides nothing, or is said elsewhere in a figure.
_UNSAID = (NOTHING, r"data\.(source|root|split_seed)", r"network\.name")

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
    if len(set(names)) == len(names):
        return list(names)
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
        data = str((result.info.get("data") or {}).get("name", ""))
        groups.setdefault((name, data), []).append(k)
    said = list(names)
    for mine in groups.values():
        keys = dict.fromkeys(key for k in mine for key in flat[k])
        differ = [key for key in keys if len({str(flat[k].get(key)) for k in mine}) > 1]
        for k in mine if differ else ():
            said[k] = ", ".join(filter(None, (names[k], _in_words(flat[k], differ))))
    return said


def _in_words(settings: dict[str, object], keys: Sequence[str]) -> str:
    """Return settings as in "decay 0, tau_w 10 s"."""
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


def default_label(result: Result) -> str:
    """Return the label of a result: its own, or the sleep of its protocol."""
    protocol = result.stored_protocol
    task, schedule = protocol.task, protocol.schedule
    if result.label or not isinstance(task, Images) or not isinstance(schedule, Schedule):
        return result.label or protocol.name
    fraction = schedule.sleep.fraction
    if task.data.n_train == 0:
        return "frozen"
    return f"sleep {100 * fraction:.3g} %" if fraction else "no sleep"


def arrow(projection: Any) -> str:
    """Return a projection as text, as in 'input → E'."""
    return f"{population_name(projection.source)} → {population_name(projection.target)}"


def population_name(name: str) -> str:
    """Return a population's name as text: E and I in capitals."""
    return name.upper() if len(name) == 1 else name


def weight_bound(projection: Any) -> float:
    """Return the largest magnitude that weights of a projection can have."""
    return max(abs(getattr(projection, "w_min", 0.0)), abs(projection.w_max))


def thinned(times: np.ndarray, values: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Return at most some `most` points: in stretches of time the extremes; gaps as NaN."""
    if len(times) > most:
        block = -(-2 * len(times) // most)
        n = len(times) // block * block
        blocks = values[:n].reshape(-1, block, values.shape[1])
        extremes = np.stack([blocks.min(axis=1), blocks.max(axis=1)], axis=1)
        at = times[:n].reshape(-1, block)[:, [0, block // 2]]
        times = np.concatenate([at.ravel(), times[n:]])
        values = np.concatenate([extremes.reshape(-1, values.shape[1]), values[n:]])
    steps = np.diff(times)
    gaps = np.zeros(0, int)
    if len(steps):
        gaps = 1 + np.flatnonzero(steps > 2.5 * np.median(steps))
    return np.insert(times, gaps, np.nan), np.insert(values, gaps, np.nan, axis=0)

"""What is seen of a sweep: its rows before, its progress, and what has become of them."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .console import rich_table, stderr

if TYPE_CHECKING:
    from ..sweep.grid import Row
    from ..sweep.run import Progress

#: Seconds between lines of progress where no one watches a terminal.
_LINE_EVERY = 10.0

#: What becomes of a row.
STATES = ("finished", "failed", "running", "waiting")


def planned(rows: Sequence[Row]) -> tuple[Any, str]:
    """Tabulate what differs between rows, and say what does not."""
    from ..results.names import in_words

    keys = dict.fromkeys(key for row in rows for key in row.settings)
    columns = {
        "grid": [row.grid for row in rows],
        "condition": [
            "" if row.condition == in_words(row.settings) else row.condition for row in rows
        ],
        **{key: [row.settings.get(key, "") for row in rows] for key in keys},
        "model": [row.model or row.protocol.network.name for row in rows],
        "data": [row.protocol.source for row in rows],
        "seed": [str(row.seed) for row in rows],
        "backend": [row.backend for row in rows],
    }
    said = {"data": "data.source" in keys, "model": "network" in keys}
    shown = {
        name: values
        for name, values in columns.items()
        if len(set(values)) > 1 and not said.get(name)
    } or {"seed": columns["seed"]}
    same = [f"{k} {v[0]}" for k, v in columns.items() if k not in shown and len(set(v)) == 1]
    same = [text for text in same if not text.endswith(" ")]
    lines = zip(*shown.values(), strict=True)
    table = rich_table(tuple(shown), lines, f"{len(rows)} row{'s' * (len(rows) != 1)}")
    return table, f"the same in all: {', '.join(same)}" if same else ""


def counted(rows: Sequence[dict], folder: str) -> Any:
    """Tabulate how many rows of each grid and data set are in which state."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    for row in rows:
        counts.setdefault((row["grid"], row["data"]), Counter())[row["state"]] += 1
    lines = [(*place, *(count[state] for state in STATES)) for place, count in counts.items()]
    return rich_table(("grid", "data", *STATES), lines, folder)


def failures(rows: Sequence[dict], most: int) -> Iterator[str]:
    """Say why rows failed, those with the same error together; `most` errors and no more."""
    by_error: dict[str, list[dict]] = {}
    for row in rows:
        if row["state"] == "failed":
            by_error.setdefault(row["error"], []).append(row)
    for error, same in list(by_error.items())[:most]:
        first, more = same[0], len(same) - 1
        label = f"{first['condition'] or first['grid']}, seed {first['seed']}"
        yield f"failed: {label}{f' and {more} more' if more else ''}: {error}"
    if (left := len(by_error) - most) > 0:
        yield f"and {left} other errors; --all shows them"


def in_one_line(rows: Sequence[dict]) -> str:
    """Say how many rows are in which state."""
    count = Counter(row["state"] for row in rows)
    alarmed, stopped = (sum(row[key] > 0 for row in rows) for key in ("alarms", "stopped"))
    parts = [finished(count["finished"], len(rows), alarmed, stopped)]
    return ", ".join([*parts, *(f"{count[s]} {s}" for s in STATES[1:] if count[s])])


# -- progress ----------------------------------------------------------------------------------


@contextlib.contextmanager
def watching(rows: Mapping[str, Any]) -> Iterator[Any]:
    """Give a function that shows the progress of a sweep: a live table, or lines of a log.

    Lines come not more often than every `_LINE_EVERY` seconds.
    """
    if stderr.is_terminal:
        from rich.live import Live

        with Live(console=stderr, refresh_per_second=4) as live:
            yield lambda state: live.update(_picture(state, rows))
        return
    last, shown = 0.0, ""

    def print_line(state: Progress) -> None:
        nonlocal last, shown
        text, now = _summary(state), time.monotonic()
        over = state.finished + len(state.failed) == state.total
        if text != shown and (over or state.message or now - last > _LINE_EVERY):
            stderr.print(text, highlight=False, markup=False)
            last, shown = now, text

    yield print_line


def finished(done: int, total: int, alarmed: int, stopped: int) -> str:
    """Say how many rows are finished, and of how many something went wrong."""
    alarms = f"{alarmed} with alarms" if alarmed else ""
    alarms += f", {stopped} stopped by them" if stopped else ""
    return f"{done} of {total} rows finished" + (f" ({alarms})" if alarms else "")


def _summary(state: Progress) -> str:
    parts = [finished(state.finished, state.total, len(state.alarmed), len(state.stopped))]
    for rows, what in ((state.failed, "failed"), (state.running, "running")):
        parts += [f"{len(rows)} {what}"] if rows else []
    if state.seconds_left > 0:
        parts.append(f"about {_duration(state.seconds_left)} left")
    return "; ".join(filter(None, (", ".join(parts), state.message)))


def _picture(state: Progress, rows: Mapping[str, Any]) -> Any:
    """Draw a bar over all rows, and one for each that runs."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    done = state.finished + len(state.failed) + sum(state.running.values())
    bar = ProgressBar(max(state.total, 1), done, width=30)
    table.add_row("all rows", bar, f"{_duration(state.seconds)} so far")
    for address, part in sorted(state.running.items(), key=lambda pair: -pair[1]):
        bar = ProgressBar(1, part, width=30)
        table.add_row(rows[address].label, bar, f"{100 * part:.0f} %")
    return Group(_summary(state), table)


def _duration(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes:.0f} min" if minutes < 90 else f"{hours:.1f} h"
